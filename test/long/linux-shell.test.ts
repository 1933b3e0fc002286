import { describe, expect, it } from 'vitest';
import {
  type Guest,
  hasLinux,
  makeGuest,
  runToEnd,
  runUntilText,
  shell,
  type TestMachine,
  type,
} from '../support/machines.ts';

/** A person at the console of Linux: interrupts arrive where they should, time is right, power works. */

const PROMPT = '/ # ';
const APPEND = 'console=ttyAMA0 cryptomgr.notests=1 work=shell';

function atPrompt(test: Omit<TestMachine, 'guest'>): Guest {
  const guest = makeGuest({ guest: 'linux', append: APPEND, ...test });
  runUntilText(guest, PROMPT);
  return guest;
}

/** Counts of each CPU in /proc/interrupts by the name at the end of a line, or the one in front of it. */
function interrupts(guest: Guest): Map<string, number[]> {
  const rows = new Map<string, number[]>();
  for (const line of shell(guest, 'cat /proc/interrupts').split('\n')) {
    const [, key, counts, rest] = /^ *(\w+): +((?:\d+ +)*\d+)(.*)$/.exec(line) ?? [];
    if (key === undefined) continue;
    const name = /^IPI|^Err/.test(key) ? key : rest!.trim().split(/\s+/).at(-1)!;
    rows.set(name, counts!.trim().split(/\s+/).map(Number));
  }
  return rows;
}

describe.skipIf(!hasLinux).each([
  { cpus: 1, gic: 3 as const },
  { cpus: 4, gic: 3 as const },
  { cpus: 4, gic: 2 as const },
])('Linux on $cpus CPUs with GICv$gic', ({ cpus, gic }) => {
  it('counts interrupts where they belong', () => {
    const guest = atPrompt({ cpus, gic });
    const before = interrupts(guest);
    shell(guest, 'sleep 1');
    const after = interrupts(guest);
    expect(after.get('Err')).toEqual([0]);
    expect(after.get('arch_timer')).toHaveLength(cpus);
    expect(Math.min(...after.get('arch_timer')!)).toBeGreaterThan(5);
    // The tick stops while a CPU is idle, so a second brings a few, not HZ.
    const ticks = after.get('arch_timer')!.map((count, i) => count - before.get('arch_timer')![i]!);
    expect(Math.max(...ticks)).toBeLessThan(120);
    const [uart, ...others] = after.get('uart-pl011')!;
    expect(uart).toBeGreaterThan(before.get('uart-pl011')![0]!);
    expect(others.every((count) => count === 0)).toBe(true);
    if (cpus > 1) {
      expect(after.get('IPI1')!.every((count) => count > 0)).toBe(true);
      expect(after.get('IPI0')!.some((count) => count > 0)).toBe(true);
    }
    expect(shell(guest, 'nproc')).toBe(`${cpus}\n`);
    expect(shell(guest, 'dmesg | grep -iE "stall|lockup|warn|bug|oops|bad"')).toBe('');
    expect(guest.errors).toEqual([]);
  });

  it('sleeps as long as it is asked to, and its clock goes with it', () => {
    const guest = atPrompt({ cpus, gic });
    const start = guest.machine.time;
    const [first, second] = shell(guest, 'date +%s; sleep 30; date +%s').trim().split('\n').map(Number);
    expect(first).toBeGreaterThanOrEqual(1_700_000_000);
    expect(second! - first!).toBeGreaterThanOrEqual(30);
    expect(second! - first!).toBeLessThanOrEqual(31);
    expect((guest.machine.time - start) / 1e9).toBeLessThan(31);
  });

  it.runIf(cpus > 1)('switches CPUs off and on again', () => {
    const guest = atPrompt({ cpus, gic });
    const online = '/sys/devices/system/cpu/cpu3/online';
    for (let round = 0; round < 3; round++) {
      expect(shell(guest, `echo 0 > ${online}; nproc`)).toMatch(/^3$/m);
      expect(shell(guest, `echo 1 > ${online}; nproc`)).toMatch(/^4$/m);
    }
    expect(shell(guest, 'cat /sys/devices/system/cpu/online')).toBe('0-3\n');
    expect(guest.errors).toEqual([]);
  });

  it('reboots into the same kernel, twice', () => {
    const guest = atPrompt({ cpus, gic });
    for (let round = 1; round <= 2; round++) {
      const from = guest.console().length;
      type(guest, 'reboot -f\n');
      expect(runToEnd(guest)).toEqual({ reason: 'reset' });
      guest.machine.reset();
      expect(guest.machine.resets).toBe(round);
      runUntilText(guest, PROMPT, from + 'reboot -f'.length + PROMPT.length);
      expect(guest.console().slice(from)).toMatch(/Booting Linux on physical CPU[\s\S]*BOOT-OK/);
      expect(shell(guest, 'nproc')).toBe(`${cpus}\n`);
    }
    expect(guest.errors).toEqual([]);
  });

  it('powers off when the power button is pressed', () => {
    const guest = atPrompt({ cpus, gic });
    shell(guest, 'true');
    guest.machine.receive('gpio', 'power-button', new Uint8Array());
    expect(guest.machine.run(guest.machine.position + 2e9)).toEqual({ reason: 'power-off' });
    expect(guest.console()).toContain('reboot: Power down');
  });
});
