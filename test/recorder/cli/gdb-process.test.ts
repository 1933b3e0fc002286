import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { MACHINE, ROOT, STORM, temporary, virtrace } from './support.ts';

/* Live machines under a real gdb, each program a process of its own, as somebody from outside uses them. */
const COMMAND = [process.execPath, '--import', 'tsx', join(ROOT, 'recorder/cli/main.ts')] as const;
const GDB = ['gdb-multiarch', 'gdb'].find((name) => spawnSync(name, ['--version']).status === 0);
const PORT_OF_S = 1234;
const dir = temporary();
const children: ChildProcess[] = [];
afterAll(() => {
  for (const child of children) child.kill('SIGKILL');
  dir.remove();
});

/** Where the program says gdb may connect. */
async function portOf(child: ChildProcess): Promise<string> {
  let err = '';
  for await (const data of child.stderr!) {
    err += data;
    const match = /target remote [^']*:(\d+)'/.exec(err);
    if (match !== null) return match[1]!;
  }
  throw new Error(`it does not listen: ${err}`);
}

function start(args: readonly string[]): ChildProcess {
  const child = spawn(COMMAND[0], [...COMMAND.slice(1), ...args], {
    cwd: ROOT,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  children.push(child);
  return child;
}

/** What gdb prints for each command. */
function gdb(port: string, commands: readonly string[]): string {
  const all = [
    'set pagination off',
    'set confirm off',
    `file ${STORM}`,
    `target remote 127.0.0.1:${port}`,
    ...commands,
  ];
  const { stdout, stderr } = spawnSync(GDB!, ['-nx', '-batch', ...all.flatMap((line) => ['-ex', line])], {
    encoding: 'utf8',
    cwd: ROOT,
  });
  return stdout + stderr;
}

const SESSION = [
  'print $pc == _start',
  'break gic_share_binary_point',
  'continue',
  'backtrace 2',
  'monitor when',
  'monitor dev gic-cpu.ICC_CTLR_EL1',
  'monitor info irqs 34',
  'monitor sysregs VBAR_EL1',
  'monitor mmu $pc',
  'monitor x/2i $pc',
  'monitor step',
  'delete',
  'stepi 12',
  'monitor dev gic-cpu.ICC_CTLR_EL1',
];

let isFree = false;
beforeAll(async () => {
  const server = createServer();
  isFree = await new Promise<boolean>((resolve) => {
    server.on('error', () => resolve(false));
    server.listen(PORT_OF_S, '127.0.0.1', () => server.close(() => resolve(true)));
  });
});

function check(text: string): void {
  expect(text).toContain('$1 = 1');
  expect(text).toMatch(/#0 .* gic_share_binary_point/);
  expect(text).toMatch(/#1 .* in kernel_main/);
  expect(text).toMatch(/position 2\d{5}, time 0\.\d{9} s, CPU 0 comes next/);
  expect(text).toContain('EOImode=1');
  expect(text).toMatch(/34 {2}SPI 2 {2}rtc/);
  expect(text).toMatch(/VBAR_EL1 +0x/);
  expect(text).toMatch(/level [123]|MMU is off/i);
  expect(text).toContain('step: not for a live machine');
}

describe.skipIf(GDB === undefined)('gdb on a live machine', () => {
  test('of run -gdb tcp::0 -S sees it from its first instruction, and ends it', async () => {
    const child = start(['run', ...MACHINE, '-kernel', STORM, '-gdb', 'tcp::0', '-S']);
    const port = await portOf(child);
    const ended = once(child, 'exit');
    check(gdb(port, [...SESSION, 'kill']));
    await ended;
  });

  test('of record -s -S leaves a recording that replays as if nobody had looked', async ({ skip }) => {
    if (!isFree) skip('port 1234 is in use');
    const file = dir.file('looked.vtrace');
    const child = start(['record', '-o', file, ...MACHINE, '-kernel', STORM, '-s', '-S', '--limit', '1M']);
    expect(await portOf(child)).toBe(String(PORT_OF_S));
    const ended = once(child, 'exit');
    check(gdb('1234', [...SESSION, 'detach']));
    child.stderr!.resume();
    await ended;
    const verified = await virtrace(['replay', file, '--verify', '--json']);
    expect(verified.code).toBe(0);
    const alone = dir.file('alone.vtrace');
    expect(
      (await virtrace(['record', '-o', alone, ...MACHINE, '-kernel', STORM, '--limit', '1M'])).code,
    ).toBe(0);
    const other = await virtrace(['replay', alone, '--verify', '--json']);
    const facts = ({ out }: { out: string }) => {
      const { finalHashes, eventsCompared, position } = JSON.parse(out);
      return { cpus: finalHashes.cpus, eventsCompared, position };
    };
    expect(facts(verified)).toEqual(facts(other));
  });
});
