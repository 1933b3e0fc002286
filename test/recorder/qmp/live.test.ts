import { connect } from 'node:net';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import type { Json } from '../../../recorder/qmp/json-stream.ts';
import { MACHINE, type Ran, ROOT, STORM, temporary, virtrace } from '../cli/support.ts';
import { QmpClient } from './support.ts';

const dir = temporary();
afterAll(() => dir.remove());

const QUIET = [...MACHINE, '-serial', 'null'];
const FOREVER = join(ROOT, 'guests/churn/churn.elf');
let runs = 0;

/** A recording with QMP beside it. */
function start(args: readonly string[]): { ran: Promise<Ran>; socket: string; trace: string } {
  runs += 1;
  const socket = dir.file(`qmp${runs}`);
  const trace = dir.file(`run${runs}.vtrace`);
  const ran = virtrace(['record', '-o', trace, ...args, '-qmp', `unix:${socket},server=on,wait=off`]);
  return { ran, socket, trace };
}

async function verify(trace: string): Promise<{ readonly [key: string]: Json }> {
  const { code, out, err } = await virtrace(['replay', trace, '--verify', '--json']);
  expect({ code, err }).toEqual({ code: 0, err: '' });
  return JSON.parse(out) as { readonly [key: string]: Json };
}

test('a machine is held, looked at, reset and ended; what was done to it replays', async () => {
  const { ran, socket, trace } = start([...QUIET, '-S', '-name', 'box', '-kernel', STORM]);
  const client = await QmpClient.open(socket);
  expect(client.greeting).toMatchObject({ QMP: { version: { qemu: { major: 7, minor: 2 } } } });
  expect(await client.ask('query-name')).toEqual({ name: 'box' });
  expect(await client.ask('query-status')).toEqual({
    status: 'prelaunch',
    singlestep: false,
    running: false,
  });
  expect(await client.human('info registers')).toContain('PC=0000000040');
  await client.ask('cont');
  expect(await client.ask('query-status')).toMatchObject({ status: 'running', running: true });
  await client.ask('stop');
  await client.ask('stop');
  expect(await client.ask('query-status')).toMatchObject({ status: 'paused' });
  const { icount } = (await client.ask('query-replay')) as { icount: number };
  expect(icount).toBeGreaterThan(0);
  expect(await client.ask('query-replay')).toEqual({ mode: 'record', filename: trace, icount });
  expect(await client.ask('system_powerdown')).toEqual({});
  expect(await client.ask('system_reset')).toEqual({});
  expect(await client.human('xp /2xw 0x40000000')).toMatch(/^0000000040000000: 0xedfe0dd0 0x/);
  await client.ask('cont');
  await client.ask('quit');
  await client.closed();
  const { code } = await ran;
  expect(code).toBe(0);
  expect(client.events.map(({ event, data }) => [event, data])).toEqual([
    ['RESUME', undefined],
    ['STOP', undefined],
    ['POWERDOWN', undefined],
    ['RESET', { guest: false, reason: 'host-qmp-system-reset' }],
    ['RESUME', undefined],
    ['SHUTDOWN', { guest: false, reason: 'host-qmp-quit' }],
  ]);
  await verify(trace);
  const { out } = await virtrace(['events', trace, '--kind', 'input', '--json']);
  const inputs = out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { position: number; device: string; what: string })
    .filter(({ device }) => device === 'gpio' || device === 'machine');
  expect(inputs.map(({ position, device, what }) => [position, device, what])).toEqual([
    [icount, 'gpio', 'power-button'],
    [icount, 'machine', 'reset'],
  ]);
});

test('holding a machine changes nothing of it', async () => {
  const free = await virtrace([
    'run',
    '--json',
    '--limit',
    '3M',
    '--seed',
    '1',
    '-rtc',
    'base=2020-01-01',
    ...QUIET,
    '-kernel',
    FOREVER,
  ]);
  const { ran, socket } = start([
    '--json',
    '--limit',
    '3M',
    '--seed',
    '1',
    '-rtc',
    'base=2020-01-01',
    ...QUIET,
    '-S',
    '-kernel',
    FOREVER,
  ]);
  const client = await QmpClient.open(socket);
  for (let i = 0; i < 10; i++) {
    await client.ask('cont');
    await client.ask('stop');
    await client.human('info registers -a');
  }
  await client.ask('cont');
  const held = await ran;
  const end = (text: string): unknown => {
    const { position, time, reason } = JSON.parse(text.trim().split('\n').at(-1)!);
    return { position, time, reason };
  };
  expect(end(held.err)).toEqual(end(free.err));
});

test('a client that goes, or sends rubbish, leaves the machine running', async () => {
  const { ran, socket, trace } = start([...QUIET, '-kernel', FOREVER]);
  for (const rubbish of ['{"execute"', '\xff\x00}}}]', `${'['.repeat(5000)}\n`, '"'.repeat(999)]) {
    const client = await QmpClient.open(socket);
    client.send(Uint8Array.from(rubbish, (c) => c.charCodeAt(0)));
    client.drop();
  }
  const client = await QmpClient.open(socket);
  expect(await client.ask('query-status')).toMatchObject({ status: 'running' });
  await client.ask('quit');
  expect((await ran).code).toBe(0);
  await verify(trace);
});

test('the human monitor on a line answers, and ends the run', async () => {
  const path = dir.file('line');
  const ran = virtrace(['run', ...QUIET, '-S', '-kernel', FOREVER, '-monitor', `unix:${path},server=on`]);
  let said = '';
  const socket = await new Promise<ReturnType<typeof connect>>((resolve) => {
    const attempt = (): void => {
      const candidate = connect({ path });
      candidate.once('connect', () => resolve(candidate));
      candidate.once('error', () => setTimeout(attempt, 10));
    };
    attempt();
  });
  socket.on('data', (bytes: Buffer) => {
    said += bytes.toString('latin1');
  });
  socket.write('info status\ninfo nope\r\nfoo\nx /2i $pc\np /x $pc-4+8\nstop x\ncont\ninfo status\nq\n');
  expect((await ran).code).toBe(0);
  const shown = said
    .split('(qemu) ')
    .slice(1)
    .map((text) => text.split('\r\n').slice(0, -1));
  expect(shown.slice(0, 3)).toEqual([
    ['info status', 'VM status: paused (prelaunch)'],
    ['info nope', "unknown command: 'info nope'"],
    ['foo', "unknown command: 'foo'"],
  ]);
  expect(shown[3]).toHaveLength(3);
  expect(shown[4]![1]).toMatch(/^0x4[0-9a-f]{7}$/);
  expect(shown.slice(5, 8)).toEqual([
    ['stop x', 'stop: that makes no sense; try "help stop"'],
    ['cont'],
    ['info status', 'VM status: running'],
  ]);
});

test.each([
  [
    ['-qmp', 'tcp:10.0.0.1:4444,server=on'],
    /a monitor has no password, so virtrace listens on 127.0.0.1 only/,
  ],
  [['-qmp', 'vc'], /^virtrace: -qmp vc: allowed are unix:PATH/],
  [['-qmp', 'unix:/x,reconnect=1'], /'reconnect=1' is not known here/],
  [['-qmp', 'stdio'], /-qmp stdio: uart0 is connected to stdio/],
  [['-serial', 'null', '-qmp', 'stdio', '-monitor', 'stdio'], /are in use by another/],
  [['-mon', 'chardev=c'], /there is no -chardev with id=c/],
  [['-qmp', 'unix:/nowhere/at/all,server=on,wait=off'], /-qmp unix:\/nowhere/],
  [['-qmp', 'unix:/nowhere/at/all'], /-qmp unix:\/nowhere/],
  [['-S'], /-S: nobody could let the machine go/],
])('%j is refused in a line', async (args, why) => {
  const { code, err } = await virtrace(['run', ...MACHINE, '-kernel', FOREVER, ...args]);
  expect(code).toBe(2);
  expect(err).toMatch(why);
  expect(err.trim()).not.toContain('\n');
});
