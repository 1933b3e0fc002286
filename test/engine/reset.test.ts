import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { makeGuest, runThroughResets } from '../support/machines.ts';
import { project, qemu } from '../support/qemu.ts';

const LINE = /^boot ([0-9a-f]{8}) cpus ([0-9a-f]{8}) count ([0-9a-f]{8}) mix ([0-9a-f]{8})$/gm;

function linesOf(text: string): { boot: number; cpus: number; count: number; mix: number }[] {
  return [...text.matchAll(LINE)].map(([, boot, cpus, count, mix]) => ({
    boot: Number.parseInt(boot!, 16),
    cpus: Number.parseInt(cpus!, 16),
    count: Number.parseInt(count!, 16),
    mix: Number.parseInt(mix!, 16),
  }));
}

/** `mix` of one CPU: 1,500 steps of x → 1664525 x + 1. */
function mixOfOneCpu(): number {
  let mix = 0;
  for (let i = 0; i < 1500; i++) mix = (Math.imul(mix, 1664525) + 1) >>> 0;
  return mix;
}

describe.each([
  { cpus: 1, gic: 3 as const },
  { cpus: 2, gic: 2 as const },
  { cpus: 4, gic: 3 as const },
  { cpus: 8, gic: 2 as const },
])('smp.elf with $cpus CPUs and GICv$gic', ({ cpus, gic }) => {
  it('starts every CPU, loses no count, is reset with its RAM kept, and powers off', () => {
    const events: string[] = [];
    const guest = makeGuest({
      guest: 'smp',
      cpus,
      gic,
      onEvent: (event) => {
        if (event.kind === 'power') events.push(`${event.what} ${event.target}`);
      },
    });
    expect(guest.machine.run(1e8)).toEqual({ reason: 'reset' });
    expect(guest.machine.run(1e8)).toEqual({ reason: 'reset' });
    guest.machine.reset();
    expect(guest.machine.resets).toBe(1);
    expect(guest.machine.run(1e8)).toEqual({ reason: 'power-off' });
    expect(guest.errors).toEqual([]);

    const lines = linesOf(guest.console());
    expect(lines.map(({ boot, cpus, count }) => ({ boot, cpus, count }))).toEqual([
      { boot: 0, cpus, count: 1500 * cpus },
      { boot: 1, cpus, count: 1500 * cpus },
    ]);
    if (cpus === 1) expect(lines.map((line) => line.mix)).toEqual([mixOfOneCpu(), mixOfOneCpu()]);
    const others = Array.from({ length: cpus - 1 }, (_, i) => i + 1);
    for (const part of [
      events.slice(0, events.indexOf('system-reset -1')),
      events.slice(events.indexOf('system-reset -1') + 1),
    ]) {
      expect(part.filter((event) => event.startsWith('cpu-on'))).toEqual(others.map((i) => `cpu-on ${i}`));
      expect(part.filter((event) => event.startsWith('cpu-off')).sort()).toEqual(
        others.map((i) => `cpu-off ${i}`),
      );
    }
    expect(events.at(-1)).toBe('system-off -1');
  });

  it.skipIf(qemu === undefined)('prints what QEMU prints, but for the order in which CPUs came', () => {
    const guest = makeGuest({ guest: 'smp', cpus, gic });
    runThroughResets(guest);
    const { stdout } = spawnSync(
      qemu!,
      [
        ...[
          '-M',
          `virt,gic-version=${gic}`,
          '-cpu',
          'cortex-a57',
          '-smp',
          String(cpus),
          '-m',
          '128',
          '-nographic',
        ],
        ...['-net', 'none', '-icount', 'shift=0,sleep=off', '-kernel', `${project}guests/smp/smp.elf`],
      ],
      { encoding: 'utf8', timeout: 60_000 },
    );
    const blur = (text: string): string =>
      cpus === 1 ? text : text.replaceAll('\r', '').replace(/mix [0-9a-f]{8}/g, 'mix');
    expect(blur(guest.console())).toBe(blur(stdout.replaceAll('\r', '')));
  });
});

describe('a machine that is reset twice', () => {
  it('boots the same way again: the same number of instructions, the same text', () => {
    const guest = makeGuest({ guest: 'storm', append: 'fix' });
    guest.machine.run(1e8);
    const first = { length: guest.machine.position, text: guest.console() };
    guest.machine.reset();
    guest.machine.run(1e9);
    const again = guest.console().slice(first.text.length);
    // Times in the text go on counting, and tick at another moment.
    const blur = (text: string): string => text.replace(/^\[ *\d+ us\]/gm, '[time]');
    expect(blur(again)).toBe(blur(first.text));
    expect(Math.abs(guest.machine.position - 2 * first.length)).toBeLessThan(first.length / 20);
  });
});
