import { afterAll, beforeAll, expect, test } from 'vitest';
import { MACHINE, STORM, temporary, virtrace } from '../cli/support.ts';
import { QmpClient } from './support.ts';

const dir = temporary();
const trace = dir.file('storm.vtrace');
let recorded = '';
beforeAll(async () => {
  const { code, out } = await virtrace(['record', '-o', trace, ...MACHINE, '-kernel', STORM]);
  expect(code).toBe(0);
  recorded = out;
});
afterAll(() => dir.remove());

const place = (name: string): string[] => ['-qmp', `unix:${dir.file(name)},server=on,wait=off`];

test('a recording is run to a position, looked at, and gone back in', async () => {
  const ran = virtrace(['debug', trace, ...place('debug')]);
  const client = await QmpClient.open(dir.file('debug'));
  const where = async (): Promise<unknown> =>
    ((await client.ask('query-replay')) as { icount: number }).icount;
  expect(await client.ask('query-status')).toMatchObject({ status: 'prelaunch', running: false });
  expect(await client.ask('query-replay')).toEqual({ mode: 'play', filename: trace, icount: 0 });
  expect(await client.ask('replay-break', { icount: 259_948 })).toEqual({});
  await client.ask('cont');
  await client.event('STOP');
  expect(await where()).toBe(259_948);
  // The instruction that README's diagnosis ends at.
  const registers = (await client.human('info registers')) as string;
  expect(registers).toContain('PC=00000000401030e0');
  expect(await client.human('x /i $pc')).toContain('msr icc_ctlr_el1, x0');
  expect(await client.ask('replay-break', { icount: 5 })).toMatchObject({ error: { class: 'GenericError' } });
  expect(await client.ask('replay-seek', { icount: 1000 })).toEqual({});
  expect(await where()).toBe(1000);
  expect(await client.ask('replay-seek', { icount: 259_948 })).toEqual({});
  expect(await client.human('info registers')).toBe(registers);
  expect(await client.ask('replay-seek', { icount: 1e12 })).toMatchObject({
    error: { class: 'GenericError' },
  });
  expect(await client.ask('system_reset')).toMatchObject({ error: { class: 'CommandNotFound' } });
  expect(await client.human('replay_seek 2000')).toBe('');
  expect(await client.human('info replay')).toMatch(
    /^Replaying execution '.*': instruction count = 2000\r\n$/,
  );
  // Stopped on the way, wherever that is.
  client.events.length = 0;
  await client.ask('cont');
  await client.ask('stop');
  await client.event('STOP');
  expect(await client.ask('query-status')).toMatchObject({ status: 'paused' });
  await client.ask('quit');
  expect((await ran).code).toBe(0);
  expect(client.events.map(({ event }) => event)).toEqual(['RESUME', 'STOP', 'SHUTDOWN']);
});

test('a replay prints its console meanwhile, and stays at its end', async () => {
  const ran = virtrace(['replay', trace, '-S', ...place('replay')]);
  const client = await QmpClient.open(dir.file('replay'));
  await client.ask('cont');
  await client.event('STOP');
  expect(await client.ask('cont')).toMatchObject({ error: { class: 'GenericError' } });
  await client.ask('quit');
  const { code, out } = await ran;
  expect({ code, out }).toEqual({ code: 0, out: recorded });
});

test.each([
  [['replay', trace, '--verify', ...place('x')], /--verify: not together with -qmp/],
  [['replay', trace, '-S'], /-S: nobody could let the replay go/],
  [['debug', trace, '-gdb', 'tcp::0', ...place('x')], /not together with gdb/],
  [['debug', trace, '-qmp', 'tcp:1.2.3.4:5'], /listens on 127.0.0.1 only/],
])('%j is refused', async (args, why) => {
  const { code, err } = await virtrace(args);
  expect(code).toBe(2);
  expect(err).toMatch(why);
});
