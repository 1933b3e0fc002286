import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { binCount, levelFor, rangeSum, spread, sumUp } from '../../viewer/data/mip-map.ts';

const bins = (exponent: number): number => 2 ** exponent;

function pyramidOf(values: readonly number[]): Uint32Array<ArrayBuffer> {
  const pyramid = new Uint32Array(2 * values.length);
  pyramid.set(values, values.length);
  sumUp(pyramid);
  return pyramid;
}

const rows = fc
  .integer({ min: 0, max: 8 })
  .chain((exponent) => fc.array(fc.nat(1000), { minLength: bins(exponent), maxLength: bins(exponent) }));

describe('a pyramid', () => {
  it('holds at every level the sums that adding up the bins gives', () => {
    fc.assert(
      fc.property(rows, (values) => {
        const pyramid = pyramidOf(values);
        for (let level = 1; level <= values.length; level *= 2) {
          const each = values.length / level;
          for (let i = 0; i < level; i++) {
            const sum = values.slice(i * each, (i + 1) * each).reduce((a, b) => a + b, 0);
            expect(pyramid[level + i]).toBe(sum);
          }
        }
      }),
    );
  });

  it('sums any range as adding up its bins does', () => {
    fc.assert(
      fc.property(
        rows,
        fc.integer({ min: -3, max: 300 }),
        fc.integer({ min: -3, max: 300 }),
        (values, a, b) => {
          const sum = values.slice(Math.max(0, a), Math.max(0, b)).reduce((x, y) => x + y, 0);
          expect(rangeSum(pyramidOf(values), a, b)).toBe(a < b ? sum : 0);
        },
      ),
    );
  });
});

describe('the level that is drawn', () => {
  it('is the finest whose bins are wide enough', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 17 }),
        fc.double({ min: 1, max: 1e12, noNaN: true }),
        fc.double({ min: 1e-9, max: 1, noNaN: true }),
        fc.integer({ min: 10, max: 4000 }),
        (exponent, extent, share, width) => {
          const most = bins(exponent);
          const span = extent * share;
          const level = levelFor(most, extent, span, width);
          const pixels = (of: number): number => (extent / of / span) * width;
          expect(Math.log2(level) % 1).toBe(0);
          expect(level).toBeLessThanOrEqual(most);
          if (level > 1) expect(pixels(level)).toBeGreaterThanOrEqual(1 - 1e-9);
          if (level < most) expect(pixels(2 * level)).toBeLessThan(1 + 1e-9);
        },
      ),
    );
  });

  it.each([
    [0, 4096],
    [160_000, 16384],
    [10_000_000, 131072],
    [1e9, 131072],
  ])('for %i events there are %i bins', (events, count) => {
    expect(binCount(events)).toBe(count);
  });
});

describe('spreading', () => {
  it('gives every bin its share of an interval, and nothing is lost', () => {
    const place = fc.double({ min: 0, max: 16, noNaN: true });
    fc.assert(
      fc.property(place, place, (a, b) => {
        const [from, to] = a < b ? [a, b] : [b, a];
        if (to - from < 1e-6) return;
        const pyramid = new Float32Array(32);
        spread(pyramid, from, to, to - from);
        for (let bin = 0; bin < 16; bin++) {
          const share = Math.max(0, Math.min(to, bin + 1) - Math.max(from, bin));
          expect(pyramid[16 + bin]).toBeCloseTo(share, 4);
        }
      }),
    );
  });

  it('cuts what lies outside', () => {
    const pyramid = new Float32Array(8);
    spread(pyramid, -2, 2, 4);
    expect([...pyramid.subarray(4)].reduce((a, b) => a + b)).toBeCloseTo(4, 5);
  });
});

describe('number of bins', () => {
  it.each([
    ['few events', 100, 200, 2 ** 12],
    ['a million events', 1_000_000, 1000, 2 ** 16],
    ['a hundred million events', 100_000_000, 1000, 2 ** 17],
    ['512 CPUs, each with lanes of its own', 100_000_000, 320_000, 2 ** 9],
  ])('%s', (_what, events, bytesPerBin, bins) => {
    expect(binCount(events, bytesPerBin)).toBe(bins);
  });
});
