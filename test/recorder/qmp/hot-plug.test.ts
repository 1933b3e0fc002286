import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { optionText } from '../../../recorder/qmp/hot-plug-commands.ts';
import { MACHINE, type Ran, ROOT, temporary, virtrace } from '../cli/support.ts';
import { QmpClient } from './support.ts';

const dir = temporary();
const socket = dir.file('qmp');
const trace = dir.file('run.vtrace');
const disk = dir.file('disk');

/** Ends every run of this file. */
let ran: Promise<Ran>;
let client: QmpClient;

beforeAll(async () => {
  writeFileSync(disk, new Uint8Array(65_536));
  ran = virtrace([
    ...[
      'record',
      '-o',
      trace,
      ...MACHINE,
      '-serial',
      'null',
      '-kernel',
      join(ROOT, 'guests/churn/churn.elf'),
    ],
    ...['-device', 'pcie-root-port,id=rp1,chassis=1', '-device', 'pcie-root-port,id=rp2,chassis=2'],
    ...['-device', 'virtio-rng-pci,id=r0', '-drive', `if=none,id=d,format=raw,file=${disk}`],
    ...['-netdev', 'user,id=n', '-qmp', `unix:${socket},server=on,wait=off`],
  ]);
  client = await QmpClient.open(socket);
});
afterAll(() => dir.remove());

// The classes are QEMU 7.2's for the same commands.
describe.each([
  ['device_add', { driver: 'nope', bus: 'rp1' }, 'GenericError', /^-device nope: unknown device/],
  ['device_add', { bus: 'rp1' }, 'GenericError', /'driver' is missing/],
  ['device_add', { driver: 'virtio-net-pci', id: 'x' }, 'GenericError', /bus=pcie.0: only a pcie-root-port/],
  ['device_add', { driver: 'virtio-net-pci', bus: 'no', id: 'x' }, 'GenericError', /only a pcie-root-port/],
  ['device_add', { driver: 'virtio-net-pci', bus: 'rp1', foo: 1 }, 'GenericError', /unknown key 'foo'/],
  [
    'device_add',
    { driver: 'virtio-net-pci', bus: 'rp1', netdev: 'q' },
    'GenericError',
    /no -netdev with id=q/,
  ],
  ['device_add', { driver: 'virtio-blk-pci', bus: 'rp1', drive: 'q' }, 'GenericError', /no -drive/],
  ['device_add', { driver: 'virtio-rng-pci', bus: 'rp1', id: 'r0' }, 'GenericError', /this id is in use/],
  ['device_add', { driver: 'virtio-rng-pci', bus: 'rp1', rng: 'q' }, 'GenericError', /no -object with id=q/],
  ['device_add', { driver: 'virtio-rng-device' }, 'GenericError', /only PCI devices/],
  ['device_add', { driver: 'help' }, 'GenericError', /for the command line/],
  ['device_add', { driver: 'pcie-root-port', id: 'x' }, 'GenericError', /cannot be plugged/],
  ['device_del', { id: 'q' }, 'DeviceNotFound', /no device 'q'/],
  ['device_del', { id: 'r0' }, 'GenericError', /not behind a pcie-root-port/],
  ['device_del', { id: 7 }, 'GenericError', /type string/],
  ['object-add', { 'qom-type': 'foo', id: 'o' }, 'GenericError', /^-object foo/],
  ['object-del', { id: 'o' }, 'GenericError', /no object 'o'/],
  ['netdev_del', { id: 'o' }, 'GenericError', /no netdev 'o'/],
])('%s %j', (command, args, errorClass, why) => {
  test(`is a ${errorClass}`, async () => {
    expect(await client.ask(command, args)).toMatchObject({
      error: { class: errorClass, desc: expect.stringMatching(why) },
    });
  });
});

test('devices come and go, a client hears of it, and the recording replays', async () => {
  expect(
    await client.ask('object-add', { 'qom-type': 'rng-random', id: 'o', filename: '/dev/urandom' }),
  ).toEqual({});
  expect(
    await client.ask('device_add', { driver: 'virtio-rng-pci', bus: 'rp1', id: 'r1', rng: 'o' }),
  ).toEqual({});
  expect(await client.ask('device_add', { driver: 'virtio-blk-pci', bus: 'rp1', drive: 'd' })).toMatchObject({
    error: { desc: expect.stringMatching(/the port is taken/) },
  });
  expect(
    await client.ask('device_add', { driver: 'virtio-blk-pci', bus: 'rp2', id: 'b', drive: 'd' }),
  ).toEqual({});
  // Nobody has given the slot power, so the guest is not asked.
  expect(await client.ask('device_del', { id: 'r1' })).toEqual({});
  expect((await client.event('DEVICE_DELETED'))?.data).toEqual({
    path: '/machine/peripheral/r1/virtio-backend',
  });
  expect(client.events.at(-1)?.data).toEqual({ device: 'r1', path: '/machine/peripheral/r1' });
  expect(await client.ask('device_del', { id: 'r1' })).toMatchObject({ error: { class: 'DeviceNotFound' } });
  expect(await client.human('device_add virtio-net-pci,bus=rp1,id=n1,netdev=n')).toBe('');
  expect(await client.ask('netdev_del', { id: 'n' })).toMatchObject({ error: { class: 'GenericError' } });
  expect(await client.human('device_del n1')).toBe('');
  expect(await client.ask('netdev_del', { id: 'n' })).toEqual({});
  await client.ask('quit');
  expect((await ran).code).toBe(0);
  const { code, out } = await virtrace(['replay', trace, '--verify', '--json']);
  expect({ code, ...JSON.parse(out) }).toMatchObject({ code: 0, result: 'ok' });
});

test('a property may be anything JSON has, and a comma stays one', () => {
  expect(
    optionText('a,b', { on: true, off: false, n: 7, text: 'x,y', inner: { host: 'h', list: [1, 'two'] } }),
  ).toBe('a,,b,on=on,off=off,n=7,text=x,,y,inner.host=h,inner.list.0=1,inner.list.1=two');
  expect(() => optionText('a', { 'b=c': 1 })).toThrow("there is no property 'b=c'");
});
