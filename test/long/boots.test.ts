import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { linesBeyond } from '../support/kernel-log.ts';
import { type Guest, hasLinux, LINUX_IMAGE, LINUX_INITRD, makeGuest, runToEnd } from '../support/machines.ts';
import { qemu, qemuConsole } from '../support/qemu.ts';

/** Debian's kernel on every kind of machine, its log compared with QEMU's on the same machine. */

const QUICK = 'console=ttyAMA0 cryptomgr.notests=1';

interface Boot {
  readonly cpus: number;
  readonly gic: 2 | 3;
  readonly cpu: string;
  readonly append: string;
}

const boots: readonly Boot[] = [
  ...([2, 3] as const).flatMap((gic) =>
    [1, 2, 4, 8].map((cpus) => ({ gic, cpus, cpu: 'cortex-a57', append: QUICK })),
  ),
  ...['cortex-a53', 'cortex-a72'].flatMap((cpu) =>
    ([2, 3] as const).map((gic) => ({ gic, cpus: 1, cpu, append: 'console=ttyAMA0' })),
  ),
  { gic: 3, cpus: 1, cpu: 'cortex-a57', append: 'console=ttyAMA0' },
  { gic: 3, cpus: 123, cpu: 'cortex-a57', append: QUICK },
];

function bootOf(boot: Omit<Boot, 'append'> & { append: string }): Guest {
  return makeGuest({ guest: 'linux', ...boot });
}

describe.skipIf(!hasLinux)('Linux', () => {
  it.each(boots)('boots and powers off: GICv$gic, $cpus × $cpu, $append', (boot) => {
    const guest = bootOf(boot);
    expect(runToEnd(guest)).toEqual({ reason: 'power-off' });
    expect(guest.console()).toMatch(/^BOOT-OK aarch64 6\.1\./m);
    expect(guest.console()).toContain(`SMP: Total of ${boot.cpus} processors activated.`);
    expect(guest.errors).toEqual([]);
    if (qemu === undefined) return;
    const theirs = qemuConsole({ ...boot, kernel: LINUX_IMAGE, initrd: LINUX_INITRD });
    expect(theirs).toMatch(/^BOOT-OK/m);
    expect(linesBeyond(guest.console(), theirs)).toEqual([]);
  });
});

const ZEROS = Buffer.alloc(64 * 2 ** 20);
const hex = (algorithm: string): string => createHash(algorithm).update(ZEROS).digest('hex');

describe.skipIf(!hasLinux)('workloads', () => {
  const work = (name: string, cpus: number, gic: 2 | 3): { text: string; guest: Guest } => {
    const guest = bootOf({ cpus, gic, cpu: 'cortex-a57', append: `${QUICK} work=${name}` });
    expect(runToEnd(guest)).toEqual({ reason: 'power-off' });
    expect(guest.errors).toEqual([]);
    return { text: guest.console(), guest };
  };
  const result = (text: string, name: string): string =>
    /BOOT-OK .*\n([\s\S]*)WORK-DONE /.exec(text.slice(0, text.indexOf(`WORK-DONE ${name}`) + 40))?.[1] ?? '';

  it.each([
    ['sha256', 1, 3, `${hex('sha256')}  -\n`],
    ['md5', 4, 2, `${hex('md5')}  -\n`],
    ['loop', 1, 2, '200000\n'],
    ['fork', 1, 3, '500\n'],
    ['fork', 4, 3, '500\n'],
    ['fork', 8, 2, '500\n'],
  ] as const)('%s on %i CPUs with GICv%i gives the right result', (name, cpus, gic, expected) => {
    expect(result(work(name, cpus, gic).text, name)).toBe(expected);
  });

  it.skipIf(qemu === undefined)('gzip makes as many bytes as on QEMU', () => {
    const ours = result(work('gzip', 1, 3).text, 'gzip');
    const boot = { kernel: LINUX_IMAGE, initrd: LINUX_INITRD, append: `${QUICK} work=gzip` };
    expect(ours).toMatch(/^\d+\n$/);
    expect(ours).toBe(result(qemuConsole(boot), 'gzip'));
  });

  it.each([
    [1, 3],
    [4, 2],
  ] as const)(
    'sleep5 on %i CPUs with GICv%i takes five seconds of the guest and few instructions',
    (cpus, gic) => {
      const { text, guest } = work('sleep5', cpus, gic);
      expect(result(text, 'sleep5')).toBe('');
      const plain = bootOf({ cpus, gic, cpu: 'cortex-a57', append: QUICK });
      runToEnd(plain);
      const seconds = (guest.machine.time - plain.machine.time) / 1e9;
      expect(seconds).toBeGreaterThan(5);
      expect(seconds).toBeLessThan(5.05);
      expect(guest.machine.position - plain.machine.position).toBeLessThan(10e6);
    },
  );
});
