import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { MiB, readElf } from './support.ts';

/** The committed guests against their sources, and against what QEMU makes of them. */

const project = fileURLToPath(new URL('../../', import.meta.url));
const elfOf = (guest: string): string => join(project, 'guests', guest, `${guest}.elf`);

function outputOf(command: string, args: readonly string[]): string | undefined {
  const result = spawnSync(command, args, { encoding: 'utf8' });
  return result.status === 0 ? result.stdout : undefined;
}

/** The compiler that made the committed ELF; another one makes other bytes. */
function isSameCompiler(): boolean {
  const version = outputOf('aarch64-linux-gnu-gcc', ['--version']);
  const named = /GCC: (\([^)]*\) [0-9.]+)/.exec(readFileSync(elfOf('storm')).toString('latin1'))?.[1];
  return version !== undefined && named !== undefined && version.includes(named);
}

const hasQemu = outputOf('qemu-system-aarch64', ['--version']) !== undefined;

interface Boot {
  readonly status: number | null;
  readonly console: string;
  /** QEMU's log: guest errors and the trace events asked for. */
  readonly log: string;
}

function boot(guest: string, machine: string, options: readonly string[] = []): Boot {
  const result = spawnSync(
    'qemu-system-aarch64',
    [
      ...['-M', machine, '-cpu', 'cortex-a57', '-m', '128', '-nographic', '-net', 'none'],
      ...['-icount', 'shift=0,sleep=off', '-d', 'guest_errors,unimp', '-kernel', elfOf(guest), ...options],
    ],
    { encoding: 'utf8', input: '', timeout: 60_000 },
  );
  return { status: result.status, console: result.stdout.replaceAll('\r', ''), log: result.stderr };
}

/** The values written to a register, from QEMU's trace events. */
function written(log: string, pattern: RegExp): string[] {
  return [...log.matchAll(pattern)].map((match) => match[1]!);
}

describe.each(['storm', 'hello', 'smp'])('%s.elf', (guest) => {
  it.skipIf(!isSameCompiler())('is what its sources and build.sh give', () => {
    const folder = mkdtempSync(join(tmpdir(), 'virtrace-guest-'));
    try {
      const built = join(folder, 'built.elf');
      execFileSync('bash', [join(project, 'guests', guest, 'build.sh'), built]);
      expect(readFileSync(built).equals(readFileSync(elfOf(guest)))).toBe(true);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('leaves the first MiB of RAM to the device tree', () => {
    const elf = readElf(elfOf(guest));
    expect(elf.machine).toBe(183);
    expect(Math.min(...elf.segments.map((segment) => segment.address))).toBe(0x4010_0000);
    expect(elf.entry).toBe(0x4010_0000);
  });
});

describe('storm.elf', () => {
  it('names its functions and is small', () => {
    const elf = readElf(elfOf('storm'));
    expect(elf.functions).toEqual(
      expect.arrayContaining([
        'irq_entry',
        'irq_task',
        'gic_share_binary_point',
        'init_v3',
        'init_v2',
        'rtc_irq',
      ]),
    );
    expect(elf.bytes).toBeLessThan(64 * 1024);
    expect(Math.max(...elf.segments.map((segment) => segment.end))).toBeLessThan(0x4000_0000 + 2 * MiB);
  });

  describe.skipIf(!hasQemu).each([2, 3])('on QEMU with GICv%i', (version) => {
    const machine = `virt,gic-version=${version}`;

    it('ends in an interrupt storm of the clock and a watchdog message, then powers off', () => {
      const { status, console } = boot('storm', machine);
      expect(status).toBe(0);
      expect(console).toContain(`gic     GICv${version}, distributor 8000000`);
      expect(console).toContain('rtc     alarm test: 1 interrupt, passed');
      expect(console).toContain('sieve   3245 primes below 30000');
      const watchdog = /WATCHDOG: no progress for 5 ms, (\d+) interrupts taken, last INTID 34\n/.exec(
        console,
      );
      expect(Number(watchdog?.[1])).toBeGreaterThan(10_000);
      expect(console).toMatch(/INTID 34: rtc, interrupts taken \d{5}, handler runs 1\n/);
      expect(console).toMatch(/INTID 34: enabled 1, pending 1, active 0, level, priority a0/);
      expect(console).toMatch(/task irqd at pc 401/);
      expect(console).not.toMatch(/BOOT-OK|PANIC/);
      expect(console).toMatch(/\npower off\n$/);
    });

    it('finishes with BOOT-OK and without a guest error when the boot arguments say fix', () => {
      const { status, console, log } = boot('storm', machine, ['-append', 'quiet fix']);
      expect(status).toBe(0);
      expect(console).toContain('boot arguments "quiet fix"');
      expect(console.match(/alarm test: 1 interrupt, passed/g)).toHaveLength(2);
      expect(console).toMatch(/\nBOOT-OK storm\npower off\n$/);
      expect(console).not.toContain('WATCHDOG');
      expect(log).toBe('');
    });

    it('gives the same text in every run', () => {
      expect(boot('storm', machine).console).toBe(boot('storm', machine).console);
    });

    it.each(['true', 'false'])('reads a virtio-rng through its interrupt (force-legacy=%s)', (legacy) => {
      const options = ['-device', 'virtio-rng-device', '-global', `virtio-mmio.force-legacy=${legacy}`];
      const { console, log } = boot('storm', machine, [...options, '-append', 'fix']);
      expect(console).toContain(`transport 31: device 4, version ${legacy === 'true' ? 1 : 2}`);
      expect(console).toContain('irq     INTID 79: virtio rng, edge, threaded');
      expect(console).toMatch(/rng gave 32 bytes:( [0-9a-f]{2}){8} \.\.\./);
      expect(console).toContain('BOOT-OK storm');
      expect(log).toBe('');
    });

    it('runs with the MMU off when the boot arguments say nommu', () => {
      const { console } = boot('storm', machine, ['-append', 'nommu fix']);
      expect(console).not.toContain('] mmu ');
      expect(console).toContain('BOOT-OK storm');
    });

    it('drops to EL1 when it is started at EL2, and powers off by SMC', () => {
      const { status, console } = boot('storm', `${machine},virtualization=on`, ['-append', 'fix']);
      expect(status).toBe(0);
      expect(console).toContain(', EL1\n');
      expect(console).toContain('BOOT-OK storm');
    });
  });

  it.skipIf(!hasQemu)('loses EOImode in the second write of ICC_CTLR_EL1, and keeps it with fix', () => {
    const writes = (options: string[]) =>
      written(
        boot('storm', 'virt,gic-version=3', ['-trace', 'gicv3_icc_ctlr_write', ...options]).log,
        /ICC_CTLR write cpu \w+ value (\w+)/g,
      );
    // EOImode is bit 1, CBPR bit 0 (Arm IHI 0069, ICC_CTLR_EL1).
    expect(writes([])).toEqual(['0x2', '0x1']);
    expect(writes(['-append', 'fix'])).toEqual(['0x2', '0x8c03']);
  });

  it.skipIf(!hasQemu)('loses EOImode in the second write of GICC_CTLR, and keeps it with fix', () => {
    const writes = (options: string[]) =>
      written(
        boot('storm', 'virt,gic-version=2', ['-trace', 'gic_cpu_write', ...options]).log,
        /iface write at 0x00000000 (\w+)/g,
      );
    // EOImode is bit 9, CBPR bit 4, EnableGrp0 bit 0 (Arm IHI 0048B, GICC_CTLR).
    expect(writes([])).toEqual(['0x00000201', '0x00000011']);
    expect(writes(['-append', 'fix'])).toEqual(['0x00000201', '0x00000211']);
  });
});

describe.skipIf(!hasQemu)('hello.elf', () => {
  it.each([2, 3])('prints its line and powers off on QEMU with GICv%i', (version) => {
    const { status, console } = boot('hello', `virt,gic-version=${version}`);
    expect(status).toBe(0);
    expect(console).toBe('hello from EL1\n');
  });
});
