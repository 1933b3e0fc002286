import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { MemorySource, SyncTraceReader } from '../../traces/index.ts';
import { virtrace } from '../support/command.ts';
import { hasLinux, LINUX_IMAGE, LINUX_INITRD } from '../support/machines.ts';
import { project } from '../support/qemu.ts';

/** Boots of Linux through the command line: recorded, replayed with verification, recorded again. */

const folder = mkdtempSync(join(tmpdir(), 'virtrace-long-'));
afterAll(() => rmSync(folder, { recursive: true }));

const QUICK = 'console=ttyAMA0 cryptomgr.notests=1';

interface Kind {
  readonly gic: 2 | 3;
  readonly cpus: number;
  readonly cpu: string;
  readonly append: string;
}

function machine({ gic, cpus, cpu, append }: Kind): string[] {
  return [
    ...['-M', `virt,gic-version=${gic}`, '-cpu', cpu, '-smp', String(cpus), '-m', '512'],
    ...['-kernel', LINUX_IMAGE, '-initrd', LINUX_INITRD, '-append', append, '-nographic'],
  ];
}

interface End {
  readonly position: number;
  readonly time: number;
  readonly hashes: unknown;
}

function endOf(file: string): End {
  const { code, out } = virtrace(['info', file, '--json']);
  expect(code).toBe(0);
  return JSON.parse(out).end;
}

const kinds: readonly Kind[] = [
  { gic: 3, cpus: 1, cpu: 'cortex-a57', append: 'console=ttyAMA0' },
  { gic: 2, cpus: 1, cpu: 'cortex-a57', append: QUICK },
  { gic: 3, cpus: 4, cpu: 'cortex-a57', append: QUICK },
  { gic: 2, cpus: 4, cpu: 'cortex-a72', append: `${QUICK} work=fork` },
  { gic: 3, cpus: 1, cpu: 'cortex-a53', append: QUICK },
  { gic: 3, cpus: 1, cpu: 'cortex-a72', append: `${QUICK} work=sleep5` },
];

describe.skipIf(!hasLinux)('a recorded boot', () => {
  it.each(kinds)('of GICv$gic, $cpus × $cpu, $append replays exactly', (kind) => {
    const file = join(folder, `boot-${kinds.indexOf(kind)}.vtrace`);
    const recorded = virtrace(['record', ...machine(kind), '-o', file]);
    expect(recorded).toMatchObject({ code: 0, out: expect.stringMatching(/^BOOT-OK aarch64/m) });
    const replayed = virtrace(['replay', file, '--verify']);
    expect(replayed.code).toBe(0);
    expect(replayed.out).toBe(recorded.out);
    expect(replayed.err).toMatch(/state hashes are the same/);
    rmSync(file);
  });

  it('is the same ten times over', () => {
    const kind: Kind = { gic: 3, cpus: 2, cpu: 'cortex-a57', append: QUICK };
    const file = join(folder, 'again.vtrace');
    let first: { events: number; end: End; hashes: unknown } | undefined;
    for (let i = 0; i < 10; i++) {
      const fixed = ['-seed', '7', '-rtc', 'base=2026-11-22T12:00:00', '-no-embed', '-hash-interval', '50'];
      expect(virtrace(['record', ...machine(kind), ...fixed, '-o', file]).code).toBe(0);
      const reader = SyncTraceReader.open(new MemorySource(new Uint8Array(readFileSync(file))));
      let events = 0;
      let digest = 0;
      for (const event of reader.events()) {
        events += 1;
        digest = (Math.imul(digest, 31) + event.position + event.kind.length) >>> 0;
      }
      const seen = { events, digest, end: endOf(file), hashes: reader.hashes() };
      first ??= seen;
      expect(seen).toEqual(first);
      rmSync(file);
    }
    expect(first?.events).toBeGreaterThan(20_000);
  });
});

describe.skipIf(!hasLinux)('a session at a terminal', () => {
  /** Runs the recorder on a pseudo-terminal and types each line when the prompt has come. */
  function typed(args: readonly string[], lines: readonly string[]): Promise<string> {
    const quoted = [process.execPath, 'bin/virtrace.js', ...args].map((arg) => `'${arg}'`).join(' ');
    return new Promise((resolve) => {
      const child = spawn('script', ['-qec', quoted, '/dev/null'], { cwd: project });
      let screen = '';
      let next = 0;
      let from = 0;
      child.stdout.on('data', (data) => {
        screen += data;
        if (next < lines.length && screen.indexOf('/ # ', from) >= 0) {
          from = screen.length;
          child.stdin.write(`${lines[next++]}\r`);
        }
      });
      child.on('close', () => resolve(screen));
    });
  }

  it('replays exactly', async () => {
    const file = join(folder, 'typed.vtrace');
    const kind: Kind = { gic: 3, cpus: 2, cpu: 'cortex-a57', append: `${QUICK} work=shell` };
    const lines = ['echo $((6 * 7)) apples', 'sleep 1; date', 'cat /proc/interrupts', 'poweroff -f'];
    const screen = await typed(['record', ...machine(kind), '-o', file], lines);
    expect(screen).toContain('42 apples');
    expect(screen).toContain('reboot: Power down');
    const replayed = virtrace(['replay', file, '--verify']);
    expect(replayed.code).toBe(0);
    // Without what the recorder itself says at the end.
    expect(screen.replaceAll('\r', '')).toContain(replayed.out.trimEnd());
    const keys = virtrace(['events', file, '--kind', 'input', '--device', 'uart0', '--json']);
    expect(keys.code).toBe(0);
    expect(keys.out.trim().split('\n').length).toBeGreaterThanOrEqual(lines.length);
  });
});
