import { describe, expect, it } from 'vitest';
import { randomNumbers } from '../support/determinism.ts';
import {
  copyOf,
  type GuestName,
  makeGuest,
  runThroughResets,
  type TestMachine,
} from '../support/machines.ts';

/** Save, load into a fresh machine, run: the same as running on. */
const machines: readonly TestMachine[] = [
  { guest: 'storm', gic: 3 },
  { guest: 'storm', gic: 2, append: 'fix' },
  { guest: 'smp', cpus: 4 },
];

/** Positions of the run to cut it at; those of `smp` are in both of its boots. */
const LENGTH: { readonly [guest in GuestName]?: number } = { storm: 6_600_000, smp: 360_000 };

describe.each(machines)('$guest, GICv$gic', (test) => {
  const whole = makeGuest(test);
  const stop = runThroughResets(whole);
  const random = randomNumbers(7);
  const cuts = Array.from({ length: 6 }, () => Math.floor(random() * LENGTH[test.guest]!));

  it.each(cuts)('goes on from a copy taken at %i as if nothing had happened', (cut) => {
    const first = makeGuest(test);
    first.machine.run(cut);
    if (first.machine.position < cut) {
      first.machine.reset();
      first.machine.run(cut);
    }
    const copy = copyOf(first, test);
    expect(copy.machine.hash()).toEqual(first.machine.hash());
    expect(runThroughResets(copy)).toEqual(stop);
    expect(copy.machine.position).toBe(whole.machine.position);
    expect(copy.machine.time).toBe(whole.machine.time);
    expect(copy.machine.hash()).toEqual(whole.machine.hash());
    expect(first.console() + copy.console()).toBe(whole.console());
  });

  it('saves what is plain data', () => {
    const guest = makeGuest(test);
    guest.machine.run(cuts[0]!);
    const saved = guest.machine.save();
    expect(structuredClone(saved)).toEqual(saved);
  });
});
