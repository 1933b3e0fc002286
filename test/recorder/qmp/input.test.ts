import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { MACHINE, ROOT, temporary, virtrace } from '../cli/support.ts';
import { QmpClient } from './support.ts';

const dir = temporary();
afterAll(() => dir.remove());

test('keys and moves reach their devices, are recorded, and what is no event is refused', async () => {
  const socket = dir.file('qmp');
  const trace = dir.file('run.vtrace');
  const ran = virtrace([
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
    ...['-device', 'virtio-keyboard-pci,id=k', '-device', 'virtio-tablet-pci,id=t'],
    ...['-qmp', `unix:${socket},server=on,wait=off`],
  ]);
  const client = await QmpClient.open(socket);
  const send = (...events: object[]) => client.ask('input-send-event', { events: events as never });
  const key = { type: 'key', data: { down: true, key: { type: 'qcode', data: 'a' } } };
  expect(await send(key, { type: 'abs', data: { axis: 'x', value: 100 } })).toEqual({});
  expect(await client.human('sendkey ctrl-alt-f2 0')).toBe('');
  for (const wrong of [
    {},
    { type: 'key' },
    { type: 'key', data: { down: 1, key: { type: 'qcode', data: 'a' } } },
    { type: 'key', data: { down: true, key: 'a' } },
    { type: 'key', data: { down: true, key: { type: 'qcode', data: '__proto__' } } },
    { type: 'rel', data: { axis: 'x', value: 1 } },
    { type: 'abs', data: { axis: 'z', value: 1 } },
    { type: 'btn', data: { down: true, button: 'nope' } },
  ]) {
    expect(await send(wrong)).toMatchObject({ error: { class: 'GenericError' } });
  }
  await new Promise((resolve) => setTimeout(resolve, 30));
  await client.ask('quit');
  expect((await ran).code).toBe(0);
  const { out } = await virtrace([
    'events',
    trace,
    '--kind',
    'input',
    '--device',
    'k',
    '--device',
    't',
    '--json',
  ]);
  const devices = out
    .trim()
    .split('\n')
    .map((line) => (JSON.parse(line) as { device: string }).device);
  // A key, a place, and three keys down and up.
  expect(devices).toEqual(['k', 't', 'k', 'k']);
  expect((await virtrace(['replay', trace, '--verify', '--json'])).code).toBe(0);
});
