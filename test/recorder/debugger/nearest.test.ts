import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { editDistance, hint, nearest } from '../../../recorder/debugger/nearest.ts';

/** By trying every way, without a table. */
function slowDistance(a: string, b: string): number {
  if (a === '') return b.length;
  if (b === '') return a.length;
  const ways = [
    slowDistance(a.slice(1), b) + 1,
    slowDistance(a, b.slice(1)) + 1,
    slowDistance(a.slice(1), b.slice(1)) + (a[0] === b[0] ? 0 : 1),
  ];
  if (a.length > 1 && b.length > 1 && a[0] === b[1] && a[1] === b[0])
    ways.push(slowDistance(a.slice(2), b.slice(2)) + 1);
  return Math.min(...ways);
}

describe('the distance of two words', () => {
  it('is the number of mistakes between them', () => {
    const word = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 6 });
    fc.assert(
      fc.property(word, word, (a, b) => editDistance(a, b) === slowDistance(a, b)),
      { numRuns: 300 },
    );
  });
});

describe('the nearest names', () => {
  const names = ['ICC_CTLR_EL1', 'ICC_PMR_EL1', 'GICD_CTLR', 'UARTDR'];

  it('come with swapped letters, other case, and from parts of names', () => {
    expect(nearest('ICC_CTRL_EL1', names)[0]).toBe('ICC_CTLR_EL1');
    expect(nearest('uartdr', names)).toEqual(['UARTDR']);
    expect(nearest('pmr', names)).toEqual(['ICC_PMR_EL1']);
  });

  it('are none for a word that is like none', () => {
    expect(nearest('zzzzzz', names)).toEqual([]);
    expect(hint('zzzzzz', names)).toBe('; there are ICC_CTLR_EL1, ICC_PMR_EL1, GICD_CTLR, UARTDR');
    expect(hint('zzzzzz', names, 2)).toBe('');
  });
});
