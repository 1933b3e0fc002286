import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MACHINE, ROOT, STORM, temporary, virtrace } from './support.ts';

/*
 * What only a process of its own shows: signals, a killed recorder, a full disk, pipes that close, and a
 * terminal. It runs from the sources, so that no old build is tested.
 */
const COMMAND = [process.execPath, '--import', 'tsx', join(ROOT, 'recorder/cli/main.ts')] as const;
const dir = temporary();
const children: ChildProcess[] = [];
afterAll(() => {
  for (const child of children) child.kill('SIGKILL');
  dir.remove();
});
const hasScript = spawnSync('script', ['--version']).status === 0;

/** `b .`: runs for ever; `echo`: sends back what it reads from the UART, sleeping in between. */
const loop = dir.file('loop');
const echo = dir.file('echo');

beforeAll(() => {
  const words = (...code: number[]): Uint8Array => new Uint8Array(Uint32Array.from(code).buffer);
  writeFileSync(loop, words(0x14000000));
  writeFileSync(
    echo,
    words(
      0xd2a12000, // mov x0, #0x09000000
      0xb9401801, // ldr w1, [x0, #0x18]   UARTFR
      0x3727ffe1, // tbnz w1, #4, . - 4    RXFE
      0xb9400001, // ldr w1, [x0]          UARTDR
      0x12001c21, // and w1, w1, #0xff
      0xb9000001, // str w1, [x0]
      0x17fffffb, // b . - 20
    ),
  );
});

interface Result {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

function start(
  args: readonly string[],
  how: 'pipe' | 'ignore' = 'ignore',
): { child: ChildProcess; done: Promise<Result> } {
  const child = spawn(COMMAND[0], [...COMMAND.slice(1), ...args], {
    cwd: ROOT,
    stdio: [how, 'pipe', 'pipe'],
  });
  children.push(child);
  let out = '';
  let err = '';
  child.stdout?.on('data', (data) => {
    out += data;
  });
  child.stderr?.on('data', (data) => {
    err += data;
  });
  const done = new Promise<Result>((resolve) => child.on('close', (code) => resolve({ code, out, err })));
  return { child, done };
}

async function until(condition: () => boolean, what: string): Promise<void> {
  for (let i = 0; i < 600; i++) {
    if (condition()) return;
    await wait(100);
  }
  throw new Error(`waited in vain for ${what}`);
}

const size = (file: string): number => (existsSync(file) ? statSync(file).size : 0);
const record = (file: string, kernel: string, ...more: string[]): string[] => [
  ...['record', '-o', file, ...MACHINE, '-kernel', kernel, '--hash-interval', '1000'],
  ...more,
];

describe('a recorder', () => {
  it.each(['SIGINT', 'SIGTERM'] as const)(
    'that gets %s ends the recording there, with exit code 130',
    async (signal) => {
      const file = dir.file(`${signal}.vtrace`);
      const { child, done } = start(record(file, loop));
      await until(() => size(file) > 0, 'the trace');
      await wait(500);
      child.kill(signal);
      const { code, err } = await done;
      expect(code).toBe(130);
      expect(err).toContain(`ended by ${signal}`);
      const replayed = await virtrace(['replay', file, '--verify', '--json']);
      expect(JSON.parse(replayed.out)).toMatchObject({ result: 'ok', ended: 'interrupted' });
    },
  );

  it('that is killed leaves a trace that replays up to its last chunk', async () => {
    const file = dir.file('killed.vtrace');
    const { child, done } = start(record(file, echo), 'pipe');
    await until(() => size(file) > 0, 'the trace');
    const begun = size(file);
    child.stdin?.write('hello');
    await until(() => size(file) > begun, 'the second chunk');
    child.kill('SIGKILL');
    expect((await done).code).toBeNull();
    const replayed = await virtrace(['replay', file, '--verify']);
    expect(replayed.code).toBe(0);
    expect(replayed.err).toContain('the recording was not ended');
    expect('hello'.startsWith(replayed.out)).toBe(true);
  });

  it('on a full disk says so, with exit code 1', async () => {
    const { code, err } = await start(record('/dev/full', STORM)).done;
    expect(code).toBe(1);
    expect(err).toBe('virtrace: cannot write the trace: the disk is full; it is valid up to byte 0\n');
    expect(existsSync('/dev/full')).toBe(true);
  });

  it('that may not write any further ends the recording, and what there is replays', async () => {
    const file = dir.file('limited.vtrace');
    // Blocks of 1024 bytes: room for the header and the kernel, but not for all events.
    const shell = `ulimit -f 27; exec ${[...COMMAND, ...record(file, STORM)].map((arg) => `'${arg}'`).join(' ')}`;
    const { status, stderr } = spawnSync('bash', ['-c', shell], { cwd: ROOT, encoding: 'utf8' });
    expect(size(file)).toBe(27 * 1024);
    expect(status).toBe(1);
    expect(stderr).toContain('the file would be too large; it is valid up to byte');
    const replayed = await virtrace(['replay', file, '--verify']);
    expect(replayed.code).toBe(0);
  });
});

describe('stdin', () => {
  it('that is a pipe reaches the guest, also when it ends', async () => {
    const file = dir.file('pipe.vtrace');
    const { child, done } = start(record(file, echo, '--limit', '1M'), 'pipe');
    child.stdin?.end('abcdefghij');
    const { code, out } = await done;
    expect(code).toBe(0);
    expect(out).toBe('abcdefghij');
    expect(await virtrace(['replay', file, '--verify'])).toMatchObject({ code: 0, out });
  });
});

describe('stdout', () => {
  it('that closes early ends `events` without a complaint', async () => {
    const file = dir.file('storm.vtrace');
    await virtrace(record(file, STORM));
    const command = [...COMMAND, 'events', file].map((arg) => `'${arg}'`).join(' ');
    const { stdout, stderr } = spawnSync('bash', ['-c', `${command} | head -n 2`], {
      cwd: ROOT,
      encoding: 'utf8',
    });
    expect(stdout.split('\n')).toHaveLength(3);
    expect(stderr).toBe('');
  });
});

describe.skipIf(!hasScript)('a terminal', () => {
  /** Runs a shell line on a pseudo-terminal and types into it after the given milliseconds. */
  async function onTerminal(line: string, keys: readonly (readonly [number, string])[]): Promise<string> {
    const child = spawn('script', ['-qec', line, '/dev/null'], {
      cwd: ROOT,
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    children.push(child);
    let screen = '';
    child.stdout.on('data', (data) => {
      screen += data;
    });
    const closed = new Promise((resolve) => child.on('close', resolve));
    for (const [delay, text] of keys) {
      await wait(delay);
      child.stdin.write(text);
    }
    await closed;
    return screen;
  }
  const quoted = (args: readonly string[]): string =>
    [...COMMAND, ...args].map((arg) => `'${arg}'`).join(' ');

  it('types into the guest, leaves with Ctrl-A x, and is as it was before', async () => {
    const file = dir.file('typed.vtrace');
    const [before, after] = [dir.file('before'), dir.file('after')];
    const screen = await onTerminal(
      `stty -a > ${before}; ${quoted(record(file, echo))}; stty -a > ${after}`,
      [
        [4000, 'ab'],
        [300, 'c\x03'],
        [300, '\x01h'],
        [300, '\x01x'],
      ],
    );
    expect(screen).toContain('abc\x03');
    expect(screen).toContain('Ctrl-A x    quit');
    expect(screen).toContain('ended from the console');
    expect(readFileSync(after, 'utf8')).toBe(readFileSync(before, 'utf8'));
    const replayed = await virtrace(['replay', file, '--verify']);
    expect(replayed).toMatchObject({ code: 0, out: 'abc\x03' });
  });

  it('is as before when the recorder is asked to end by a signal', async () => {
    const [before, after] = [dir.file('before2'), dir.file('after2')];
    const line = `stty -a > ${before}; timeout --foreground -s TERM 4 ${quoted(['run', ...MACHINE, '-kernel', loop])}; echo code $?; stty -a > ${after}`;
    await onTerminal(line, []);
    expect(readFileSync(after, 'utf8')).toBe(readFileSync(before, 'utf8'));
  });
});
