import { describe, expect, it } from 'vitest';
import { type Path, pathOf, WAYS } from '../support/determinism.ts';
import { copyOf, hasLinux, makeGuest, runToEnd, type TestMachine } from '../support/machines.ts';

/** The determinism contract on the first 50 million instructions of Linux, and on whole boots. */

const QUICK = 'console=ttyAMA0 cryptomgr.notests=1';
const LENGTH = 50_000_000;

const machines: readonly TestMachine[] = [
  { guest: 'linux', cpus: 1, gic: 3, append: QUICK },
  { guest: 'linux', cpus: 1, gic: 2, append: QUICK },
  { guest: 'linux', cpus: 4, gic: 3, append: QUICK },
];

describe.skipIf(!hasLinux).each(machines)('the start of Linux on $cpus CPUs with GICv$gic', (test) => {
  let known: Path | undefined;
  const reference = (): Path => (known ??= pathOf(test, { name: 'normal' }, 4_999_999, LENGTH));

  it.each(WAYS)('goes the same way with $name', (way) => {
    expect(reference().end).toBe(LENGTH);
    expect(pathOf(test, way, 4_999_999, LENGTH)).toEqual(reference());
  });
});

describe.skipIf(!hasLinux)('a whole boot on 4 CPUs', () => {
  const test: TestMachine = { guest: 'linux', cpus: 4, gic: 3, append: QUICK };
  let known: Path | undefined;
  const reference = (): Path => (known ??= pathOf(test, { name: 'normal' }, 50_000_000, 2e9));

  it.each(WAYS.filter(({ name }) => /one instruction|warm|slices|pauses/.test(name)))(
    'goes the same way with $name',
    (way) => {
      expect(reference().stop).toEqual({ reason: 'power-off' });
      expect(pathOf(test, way, 50_000_000, 2e9)).toEqual(reference());
    },
  );

  it.each([50_000_003, 250_000_001, 400_000_009])('goes on from a copy taken at %i', (cut) => {
    const first = makeGuest(test);
    first.machine.run(cut);
    const copy = copyOf(first, test);
    expect(copy.machine.hash()).toEqual(first.machine.hash());
    expect(runToEnd(copy)).toEqual({ reason: 'power-off' });
    expect(first.console() + copy.console()).toBe(reference().console);
    expect(JSON.stringify(copy.machine.hash(), undefined, 1)).toBe(reference().hashes.at(-1));
  });
});
