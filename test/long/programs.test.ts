import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { virtrace } from '../support/command.ts';
import { LINUX_IMAGE, LINUX_PROGRAMS } from '../support/machines.ts';
import { qemu, qemuConsole } from '../support/qemu.ts';

/**
 * Debian's own programs (guests/linux-arm64/programs/run): what they compute is the same as under QEMU, and every
 * run is recorded and replayed exactly. Several share a boot.
 */

const folder = mkdtempSync(join(tmpdir(), 'virtrace-programs-'));
afterAll(() => rmSync(folder, { recursive: true }));

interface Kind {
  readonly works: readonly string[];
  readonly cpu: string;
  readonly gic: 2 | 3;
  readonly cpus: number;
}

const kinds: readonly Kind[] = [
  { works: ['openssl-dgst', 'openssl-enc'], cpu: 'cortex-a57', gic: 3, cpus: 1 },
  { works: ['openssl-rsa', 'openssl-ec'], cpu: 'cortex-a72', gic: 2, cpus: 1 },
  { works: ['python-numeric', 'python-json'], cpu: 'cortex-a57', gic: 3, cpus: 1 },
  { works: ['sqlite', 'perl', 'gzip-text', 'bzip2-text', 'xz-text'], cpu: 'cortex-a53', gic: 3, cpus: 2 },
  {
    works: ['stress-cpu', 'stress-fp', 'stress-matrix', 'stress-vecmath', 'memtester'],
    cpu: 'cortex-a57',
    gic: 2,
    cpus: 1,
  },
];

/** What the guest's first process and the programs printed: from BOOT-OK on, without the kernel's last words. */
function printed(console: string): string {
  return console.slice(console.indexOf('BOOT-OK')).replace(/^\[ *\d+\.\d+\] .*\n/gm, '');
}

describe.skipIf(!existsSync(LINUX_PROGRAMS))('programs of Debian', () => {
  it.each(kinds)('$works on $cpus × $cpu, GICv$gic: same output as under QEMU, exact replay', (kind) => {
    const { works, cpu, gic, cpus } = kind;
    const append = `console=ttyAMA0 quiet cryptomgr.notests=1 work=${works.join(',')}`;
    const file = join(folder, `${works[0]}.vtrace`);
    const recorded = virtrace([
      ...[
        'record',
        '-o',
        file,
        '-M',
        `virt,gic-version=${gic}`,
        '-cpu',
        cpu,
        '-smp',
        String(cpus),
        '-m',
        '512',
      ],
      ...['-kernel', LINUX_IMAGE, '-initrd', LINUX_PROGRAMS, '-append', append, '-nographic'],
    ]);
    expect(recorded.code).toBe(0);
    expect(recorded.out.match(/^WORK-DONE .*/gm)).toEqual(works.map((name) => `WORK-DONE ${name}`));
    const replayed = virtrace(['replay', file, '--verify']);
    expect(replayed).toMatchObject({ code: 0, out: recorded.out });
    expect(replayed.err).toMatch(/state hashes are the same/);
    rmSync(file);
    if (qemu === undefined) return;
    const theirs = qemuConsole({ cpu, gic, cpus, kernel: LINUX_IMAGE, initrd: LINUX_PROGRAMS, append });
    expect(printed(recorded.out)).toBe(printed(theirs));
  });
});
