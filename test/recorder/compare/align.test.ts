import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { align, type Hunk } from '../../../recorder/compare/align.ts';

const list = (values: readonly number[]): Float64Array => Float64Array.from(values);
const plenty = () => ({ left: 1e9 });

/** Length of the longest common subsequence, by the table. */
function common(a: readonly number[], b: readonly number[]): number {
  let row = new Array<number>(b.length + 1).fill(0);
  for (const x of a) {
    const next = [0];
    for (const [j, y] of b.entries()) next.push(x === y ? row[j]! + 1 : Math.max(row[j + 1]!, next[j]!));
    row = next;
  }
  return row.at(-1)!;
}

/** Outside of the stretches the sequences are the same, in order and without a gap. */
function expectSound(a: readonly number[], b: readonly number[], hunks: readonly Hunk[]): void {
  let [i, j] = [0, 0];
  for (const { a0, a1, b0, b1 } of [...hunks, { a0: a.length, a1: a.length, b0: b.length, b1: b.length }]) {
    expect(a0 - i).toBe(b0 - j);
    expect(a.slice(i, a0)).toEqual(b.slice(j, b0));
    [i, j] = [a1, b1];
  }
  for (const { a0, a1, b0, b1 } of hunks) expect(a1 - a0 + b1 - b0).toBeGreaterThan(0);
}

describe('aligning', () => {
  it('gives stretches between which both are the same', () => {
    const sequence = fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 60 });
    fc.assert(
      fc.property(sequence, sequence, (a, b) => {
        expectSound(a, b, align(list(a), list(b), plenty()).hunks);
      }),
    );
  });

  it('finds nothing in what is the same, and all in what has nothing in common', () => {
    expect(align(list([1, 2, 3]), list([1, 2, 3]), plenty())).toEqual({ hunks: [], complete: true });
    expect(align(list([1, 2]), list([3, 4, 5]), plenty()).hunks).toEqual([{ a0: 0, a1: 2, b0: 0, b1: 3 }]);
    expect(align(list([]), list([7]), plenty()).hunks).toEqual([{ a0: 0, a1: 0, b0: 0, b1: 1 }]);
  });

  it('finds as much in common as there is, where edits are apart', () => {
    const edits = fc.array(
      fc.record({
        at: fc.integer({ min: 0, max: 9 }),
        what: fc.constantFrom('in', 'out', 'other'),
        count: fc.integer({ min: 1, max: 5 }),
      }),
      { maxLength: 5 },
    );
    fc.assert(
      fc.property(edits, (list_) => {
        // Two hundred elements, all different; edits in stretches of twenty of which each has one.
        const a = Array.from({ length: 200 }, (_, i) => i);
        const b = [...a];
        for (const { at, what, count } of list_.toSorted((x, y) => y.at - x.at)) {
          const fresh = what === 'out' ? [] : Array.from({ length: count }, (_, i) => 1000 + 10 * at + i);
          b.splice(20 * at + 5, what === 'in' ? 0 : count, ...fresh);
        }
        const { hunks } = align(list(a), list(b), plenty());
        expectSound(a, b, hunks);
        const kept = a.length - hunks.reduce((sum, { a0, a1 }) => sum + a1 - a0, 0);
        expect(kept).toBe(common(a, b));
      }),
      { numRuns: 60 },
    );
  });

  it('finds the way back behind a long stretch that only one side has', () => {
    const a = Array.from({ length: 3000 }, (_, i) => (i * 7919) % 10_007);
    const inserted = Array.from({ length: 120_000 }, (_, i) => 20_000 + (i % 3));
    const b = [...a.slice(0, 1500), ...inserted, ...a.slice(1500, 2900), 5, ...a.slice(2900)];
    expect(align(list(a), list(b), plenty()).hunks).toEqual([
      { a0: 1500, a1: 1500, b0: 1500, b1: 121_500 },
      { a0: 2900, a1: 2900, b0: 122_900, b1: 122_901 },
    ]);
  });

  it('of what was made to be hard ends with its budget', () => {
    // No run of three is anywhere the same, so every window is looked through in vain.
    const a = Array.from({ length: 400_000 }, (_, i) => i % 2);
    const b = Array.from({ length: 400_000 }, (_, i) => (i % 3 === 0 ? 2 : 3 + (i % 2)));
    const budget = { left: 3_000_000 };
    const { hunks, complete } = align(list([9, ...a, 1]), list([9, ...b, 2]), budget);
    expect(complete).toBe(false);
    expect(budget.left).toBeGreaterThan(-20_000_000);
    expectSound([9, ...a, 1], [9, ...b, 2], hunks);
  });
});
