import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MACHINE, ROOT, STORM, temporary, virtrace } from './support.ts';

const dir = temporary();
afterAll(() => dir.remove());
const trace = dir.file('storm.vtrace');
const hasScript = spawnSync('script', ['--version']).status === 0;

beforeAll(async () => {
  const record = [
    'record',
    '-o',
    trace,
    ...MACHINE,
    '-seed',
    '1',
    '-rtc',
    'base=2026-01-01',
    '-kernel',
    STORM,
  ];
  expect((await virtrace(record)).code).toBe(0);
}, 120_000);

const debug = (...args: string[]) => virtrace(['debug', trace, ...args]);

describe('commands that nobody types', () => {
  it('come from the command line, one after the other, and are shown with their answers', async () => {
    const { code, out } = await debug('--command', 'goto 100', '--command', 'print $pc-$pc');
    expect(code).toBe(0);
    expect(out.split('\n')).toEqual([
      '(virtrace) goto 100',
      expect.stringMatching(/^100 {2}0\.000000100 s {2}cpu0 EL1 {2}0x/),
      '(virtrace) print $pc-$pc',
      '0x0  0',
      '',
    ]);
  });

  it('come from a file, and end at the first that fails, with exit code 1', async () => {
    const file = dir.file('commands');
    writeFileSync(file, '# a remark\n\ngoto 100\nprnt 1\ngoto 200\n');
    const { code, out, err } = await debug('-x', file);
    expect(code).toBe(1);
    expect(out).not.toContain('goto 200');
    expect(err).toBe('virtrace: prnt: no such command; nearest: print; help lists them\n');
    expect(await debug('-x', dir.file('none'))).toMatchObject({
      code: 2,
      err: expect.stringContaining('no such file'),
    });
  });

  it('come from stdin, where one that fails does not end it, but is told by the exit code', async () => {
    const { code, out } = await virtrace(['debug', trace], 'goto 100\nwrong\ngoto 200\nquit\ngoto 300\n');
    expect(code).toBe(1);
    expect(out).toContain('\n200  0.000000200 s');
    expect(out).not.toContain('300');
  });

  it('are answered in JSON, one object each', async () => {
    const { code, out, err } = await debug('--json', '--command', 'goto 100', '--command', 'nonsense');
    const lines = out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines).toMatchObject([
      { command: 'goto 100', ok: true, position: 100, result: { stop: 'there', cpu: 0 } },
      { command: 'nonsense', ok: false, error: 'nonsense: no such command; help lists them' },
    ]);
    expect(code).toBe(1);
    expect(err).toBe('');
  });
});

describe.skipIf(!hasScript)('on a terminal', () => {
  it('there is a prompt with completion, history and Ctrl-C', async () => {
    const state = dir.file('state');
    const command = [process.execPath, '--import', 'tsx', join(ROOT, 'recorder/cli/main.ts'), 'debug', trace];
    const child = spawn('script', ['-qec', command.map((arg) => `'${arg}'`).join(' '), '/dev/null'], {
      cwd: ROOT,
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...process.env, XDG_STATE_HOME: state, TERM: 'xterm' },
    });
    let screen = '';
    child.stdout.on('data', (data) => {
      screen += data;
    });
    const closed = new Promise<number | null>((resolve) => child.on('close', resolve));
    /** Types, and waits until what follows appears. */
    const type = async (keys: string, expected: string): Promise<string> => {
      const from = screen.length;
      child.stdin.write(keys);
      for (let i = 0; i < 600 && !screen.slice(from).includes(expected); i++) await wait(50);
      const shown = screen.slice(from);
      expect(shown).toContain(expected);
      return shown;
    };
    try {
      await type('', '(virtrace) ');
      await type('goto 100\r', '100  0.000000100 s');
      // A tab among other keys is a pasted one, which completes nothing.
      await type('break gic_share_binary_point_f', 'point_f');
      await type('\t', 'ixed');
      await type('\r', '<gic_share_binary_point_fixed>');
      // An empty line takes the step again.
      await type('step\r', '101  0.000000101 s');
      await type('\r', '102  0.000000102 s');
      await type('nonsense\r', 'no such command');
      // A long way, which is stopped; the prompt then works as before.
      await type('watch read phys 0x40100000 1048576\r', 'breakpoint 2');
      await type('delete 2\r', '(virtrace) ');
      await type('continue\r\x03', '(virtrace) ');
      await type('print 40+2\r', '0x2a  42');
      // Ctrl-C at the prompt forgets the line.
      await type('garbage\x03', 'Ctrl-D leaves');
      await type('print 41+2\r', '0x2b  43');
      child.stdin.write('\x04');
      expect(await closed).toBe(0);
    } finally {
      child.kill('SIGKILL');
    }
    const history = join(state, 'virtrace/history');
    expect(existsSync(history)).toBe(true);
    expect(readFileSync(history, 'utf8').split('\n')).toContain('print 40+2');
  });
});
