/**
 * Going back in time, as a client of gdb's protocol sees it: a recorded boot of the reference guest, and the same in
 * QEMU with a disk that holds its first snapshot. Wall times, so on a quiet machine only.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { GdbClient } from './gdb-client.ts';

export interface TravelRow {
  readonly what: string;
  readonly program: 'virtrace' | 'qemu';
  readonly count: number;
  readonly p50: number;
  readonly p95: number;
}

interface Place {
  readonly root: string;
  readonly scratch: string;
}

/** QEMU goes back by replaying from the start: some are enough. */
const QEMU_PLACES = 6;
const PLACES = 100;
const APPEND = 'console=ttyAMA0';

function numbers(): () => number {
  let state = 20;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

function row(what: string, program: TravelRow['program'], ms: readonly number[]): TravelRow {
  const sorted = ms.toSorted((a, b) => a - b);
  const at = (part: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? 0;
  return { what, program, count: ms.length, p50: at(0.5), p95: at(0.95) };
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

function run(command: string, args: readonly string[], cwd: string): void {
  const { status, stderr } = spawnSync(command, args, { cwd, encoding: 'latin1', maxBuffer: 2 ** 28 });
  if (status !== 0) throw new Error(`${command} ended with ${status}: ${stderr.slice(-300)}`);
}

/** @param qemu whether QEMU takes part */
export async function timeTravel(place: Place, qemu: boolean): Promise<TravelRow[]> {
  const rows = await ours(place);
  return qemu ? [...rows, ...(await theirs(place))] : rows;
}

async function ours({ root, scratch }: Place): Promise<TravelRow[]> {
  const file = join(scratch, 'travel.vtrace');
  const guest = join(root, '.guests/linux-arm64');
  const machine = ['-M', 'virt,gic-version=3', '-cpu', 'cortex-a57', '-m', '512', '-nographic'];
  const linux = [
    '-kernel',
    join(guest, 'Image'),
    '-initrd',
    join(guest, 'initrd.cpio.gz'),
    '-append',
    APPEND,
  ];
  run(process.execPath, ['bin/virtrace.js', 'record', '-o', file, ...machine, ...linux], root);
  const replayed = await timed(async () =>
    run(process.execPath, ['bin/virtrace.js', 'replay', file, '--no-console'], root),
  );
  const child = spawn(process.execPath, ['bin/virtrace.js', 'debug', file, '-gdb', 'tcp::0', '--json'], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  try {
    const { port, length } = await listening(child);
    const client = await GdbClient.connect(port);
    const random = numbers();
    // What has to be found is hit once, near the start, and looked for from the end: nothing is known there yet.
    await client.monitor('replay_seek 1000000');
    const early = pcOf((await client.ask('p20')).reply);
    const toEnd = await timed(() => client.monitor(`replay_seek ${length}`));
    await client.ask(`Z0,${early.toString(16)},4`);
    const back = await timed(() => client.ask('bc'));
    await client.ask(`z0,${early.toString(16)},4`);
    const seeks: number[] = [];
    const steps: number[] = [];
    for (let i = 0; i < PLACES; i++) {
      const target = Math.floor(random() * length);
      seeks.push(await timed(() => client.monitor(`replay_seek ${target}`)));
      steps.push(await timed(() => client.ask('bs')));
    }
    await client.monitor(`replay_seek ${length}`);
    const register = await timed(() => client.monitor('last write gicd.GICD_CTLR.EnableGrp1NS'));
    const memory = await timed(() => client.monitor('last write $sp 8'));
    client.close();
    return [
      row('replay of the whole boot', 'virtrace', [replayed]),
      row('first seek to the end', 'virtrace', [toEnd]),
      row('reverse-stepi', 'virtrace', steps),
      row('seek', 'virtrace', seeks),
      row('reverse-continue to the last hit', 'virtrace', [back]),
      row('last write DEVICE.REGISTER.FIELD', 'virtrace', [register]),
      row('last write ADDRESS', 'virtrace', [memory]),
    ];
  } finally {
    child.kill();
  }
}

function listening(child: ChildProcess): Promise<{ port: number; length: number }> {
  return new Promise((resolve, reject) => {
    let text = '';
    child.stdout!.on('data', (bytes) => {
      text += bytes;
      if (text.includes('\n')) resolve(JSON.parse(text.split('\n')[0]!));
    });
    child.on('exit', (code) => reject(new Error(`virtrace debug ended with ${code}`)));
  });
}

function pcOf(reply: string): bigint {
  return Buffer.from(reply, 'hex').readBigUInt64LE();
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

async function theirs({ root, scratch }: Place): Promise<TravelRow[]> {
  const disk = join(scratch, 'travel.qcow2');
  run('qemu-img', ['create', '-q', '-f', 'qcow2', disk, '64M'], root);
  const guest = join(root, '.guests/linux-arm64');
  const args = (mode: string): string[] => [
    ...['-M', 'virt,gic-version=3', '-cpu', 'cortex-a57', '-m', '512', '-nographic', '-net', 'none'],
    ...['-kernel', join(guest, 'Image'), '-initrd', join(guest, 'initrd.cpio.gz'), '-append', APPEND],
    ...['-drive', `file=${disk},if=none,id=rr`],
    '-icount',
    `shift=0,rr=${mode},rrfile=${join(scratch, 'travel.rr')},rrsnapshot=init`,
  ];
  run('qemu-system-aarch64', args('record'), root);
  const replayed = await timed(async () => run('qemu-system-aarch64', args('replay'), root));
  const port = await freePort();
  const child = spawn(
    'qemu-system-aarch64',
    [...args('replay'), '-monitor', 'none', '-serial', 'null', '-S', '-gdb', `tcp:127.0.0.1:${port}`],
    { cwd: root, stdio: 'ignore' },
  );
  try {
    const client = await GdbClient.connect(port);
    await client.ask('qSupported');
    const random = numbers();
    const steps: number[] = [];
    for (let i = 0; i < QEMU_PLACES; i++) {
      // Where it stands after a run to a breakpoint by instruction count.
      const target = Math.floor(random() * 900e6);
      await client.monitor(`replay_break ${target}`);
      const here = Number(/instruction count = (\d+)/.exec(await client.monitor('info replay'))?.[1] ?? 0);
      if (target > here) await client.ask('c');
      else await client.monitor(`replay_seek ${target}`);
      steps.push(await timed(() => client.ask('bs')));
    }
    client.close();
    return [row('replay of the whole boot', 'qemu', [replayed]), row('reverse-stepi', 'qemu', steps)];
  } finally {
    child.kill('SIGKILL');
  }
}

export function travelTable(rows: readonly TravelRow[]): string {
  const ms = (value: number): string => value.toFixed(value < 10 ? 2 : 0).padStart(9);
  return [
    `${'going back in time, ms'.padEnd(36)}${'program'.padEnd(10)}${'times'.padStart(6)}      p50      p95`,
    ...rows.map(
      ({ what, program, count, p50, p95 }) =>
        `${what.padEnd(36)}${program.padEnd(10)}${String(count).padStart(6)}${ms(p50)}${ms(p95)}`,
    ),
  ].join('\n');
}
