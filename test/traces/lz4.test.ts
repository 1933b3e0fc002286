import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { NODE_CODEC } from '../../recorder/host/lz4.ts';
import { DecodeError } from '../../traces/errors.ts';
import { lz4Bound, lz4Compress, lz4Decompress } from '../../traces/lz4.ts';

/** Data with repetitions at many distances, as columns have. */
const repetitive = fc
  .array(
    fc.oneof(
      fc.uint8Array({ maxLength: 30 }),
      fc
        .record({ byte: fc.nat(255), count: fc.nat(700) })
        .map(({ byte, count }) => new Uint8Array(count).fill(byte)),
      fc
        .record({ piece: fc.uint8Array({ minLength: 1, maxLength: 9 }), count: fc.nat(80) })
        .map(({ piece, count }) => {
          return Uint8Array.from({ length: piece.length * count }, (_, i) => piece[i % piece.length]!);
        }),
    ),
    { maxLength: 20 },
  )
  .map((parts) => Uint8Array.from(parts.flatMap((part) => [...part])));

describe('LZ4 blocks', () => {
  test.each([1, 4, 64])('of effort %i unpack to the input, in both implementations', (effort) => {
    fc.assert(
      fc.property(repetitive, (data) => {
        const block = lz4Compress(data, effort);
        expect(block.length).toBeLessThanOrEqual(lz4Bound(data.length));
        expect(lz4Decompress(block, data.length)).toEqual(data);
        if (data.length > 0) expect(Buffer.compare(NODE_CODEC.decompress(block, data.length), data)).toBe(0);
      }),
    );
  });

  test('of the native compressor unpack with the portable decoder', () => {
    fc.assert(
      fc.property(repetitive, (data) => {
        expect(lz4Decompress(NODE_CODEC.compress(data, 'fast'), data.length)).toEqual(data);
      }),
    );
  });

  test('of more than 64 KiB find matches only within the window', () => {
    const data = new Uint8Array(400_000);
    let seed = 1;
    for (let i = 0; i < data.length; i++) {
      seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
      data[i] = i % 70_000 < 300 ? i % 70_000 : seed >>> 24;
    }
    for (const effort of [1, 64]) {
      const block = lz4Compress(data, effort);
      expect(Buffer.compare(lz4Decompress(block, data.length), data)).toBe(0);
      expect(Buffer.compare(NODE_CODEC.decompress(block, data.length), data)).toBe(0);
    }
  });

  test('that are arbitrary bytes give an error or the promised length, never anything else', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), fc.nat(2000), (block, length) => {
        try {
          expect(lz4Decompress(block, length)).toHaveLength(length);
        } catch (error) {
          expect(error).toBeInstanceOf(DecodeError);
        }
      }),
      { numRuns: 2000 },
    );
  });

  test('that promise more than they can hold are refused before memory is allocated', () => {
    expect(() => lz4Decompress(new Uint8Array(100), 2 ** 31)).toThrow(/promises more/);
  });
});
