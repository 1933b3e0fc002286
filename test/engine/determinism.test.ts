import { describe, expect, it } from 'vitest';
import { pathOf, WAYS } from '../support/determinism.ts';
import type { TestMachine } from '../support/machines.ts';

/**
 * The determinism contract on bare-metal guests: however blocks are cut, compiled or not, however often the host
 * looks, the state at every position is the same. (Linux: test/long/determinism-linux.test.ts.)
 */
const machines: readonly (TestMachine & { readonly name: string; readonly step: number })[] = [
  { name: 'storm, GICv3', guest: 'storm', gic: 3, step: 997_001 },
  { name: 'storm, GICv2', guest: 'storm', gic: 2, step: 1_999_993 },
  { name: 'smp, 4 CPUs', guest: 'smp', cpus: 4, step: 9_973 },
  { name: 'smp, 8 CPUs with GICv2', guest: 'smp', cpus: 8, gic: 2, step: 49_999 },
];

describe.each(machines)('$name', (test) => {
  const reference = pathOf(test, { name: 'normal' }, test.step, 1e9);

  it('powers off by itself', () => {
    expect(reference.stop).toEqual({ reason: 'power-off' });
    expect(reference.hashes.length).toBeGreaterThan(5);
  });

  it.each(WAYS)('goes the same way with $name', (way) => {
    const path = pathOf(test, way, test.step, 1e9);
    expect(path.hashes).toEqual(reference.hashes);
    expect(path).toEqual(reference);
  });

  it('goes the same way twice', () => {
    expect(pathOf(test, { name: 'normal' }, test.step, 1e9)).toEqual(reference);
  });
});
