import { constants, deflateRawSync, gzipSync, crc32 as zlibCrc32 } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { crc32, gunzip, InflateError, inflateRaw } from '../../../engine/base/inflate.ts';

/** Data with runs, repeats and noise, so that every kind of block and code occurs. */
const data = fc
  .array(
    fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc.tuple(fc.nat(255), fc.nat(2000)).map(([byte, count]) => new Uint8Array(count).fill(byte)),
      fc.string({ maxLength: 50 }).map((text) => new TextEncoder().encode(text.repeat(20))),
    ),
    { maxLength: 12 },
  )
  .map((parts) => new Uint8Array(Buffer.concat(parts)));

const { Z_FIXED, Z_HUFFMAN_ONLY, Z_RLE, Z_DEFAULT_STRATEGY } = constants;

describe('inflateRaw', () => {
  it('undoes zlib, every level and strategy', () => {
    fc.assert(
      fc.property(
        data,
        fc.nat(9),
        fc.constantFrom(Z_FIXED, Z_HUFFMAN_ONLY, Z_RLE, Z_DEFAULT_STRATEGY),
        (bytes, level, strategy) => {
          expect(inflateRaw(deflateRawSync(bytes, { level, strategy }), 1 << 24)).toEqual(bytes);
        },
      ),
      { numRuns: 300 },
    );
  });

  it('undoes large data', () => {
    const bytes = new Uint8Array(3_000_000);
    for (let i = 0, x = 1; i < bytes.length; i++) {
      x = (Math.imul(x, 1103515245) + 12345) >>> 0;
      bytes[i] = (x >>> 16) & (i & 0x1000 ? 0xff : 0x0f);
    }
    expect(Buffer.compare(inflateRaw(deflateRawSync(bytes), 1 << 24), bytes)).toBe(0);
  });

  it('finds every truncation', () => {
    fc.assert(
      fc.property(data, fc.nat(9), fc.double({ min: 0, max: 0.999, noNaN: true }), (bytes, level, part) => {
        const packed = deflateRawSync(bytes, { level });
        const cut = packed.subarray(0, Math.floor(packed.length * part));
        expect(() => inflateRaw(cut, 1 << 24)).toThrow(InflateError);
      }),
    );
  });

  it('gives data or an InflateError for anything, within the limit', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          expect(inflateRaw(bytes, 5000).length).toBeLessThanOrEqual(5000);
        } catch (error) {
          expect(error).toBeInstanceOf(InflateError);
        }
      }),
      { numRuns: 3000 },
    );
  });

  it('stops a bomb at the limit', () => {
    const bomb = deflateRawSync(new Uint8Array(10_000_000));
    expect(() => inflateRaw(bomb, 1_000_000)).toThrow('larger than the limit of 1000000 bytes');
    expect(inflateRaw(bomb, 10_000_000).length).toBe(10_000_000);
  });
});

describe('gunzip', () => {
  it('undoes gzip, one member or several, with padding after them', () => {
    fc.assert(
      fc.property(data, data, (a, b) => {
        const file = Buffer.concat([gzipSync(a), gzipSync(b), new Uint8Array(7)]);
        expect(gunzip(file, 1 << 24)).toEqual(new Uint8Array(Buffer.concat([a, b])));
      }),
    );
  });

  it('skips name, comment, extra field and header checksum', () => {
    const plain = gzipSync('hello');
    const header = Uint8Array.of(0x1f, 0x8b, 8, 0x1e, 0, 0, 0, 0, 0, 3, 2, 0, 9, 9, 65, 0, 66, 0, 1, 2);
    const file = Buffer.concat([header, plain.subarray(10)]);
    expect(Buffer.from(gunzip(file, 100)).toString()).toBe('hello');
  });

  it('notices a wrong checksum, a wrong size and a missing trailer', () => {
    const good = gzipSync('hello, hello, hello');
    const wrong = (back: number): Buffer => {
      const copy = Buffer.from(good);
      copy[copy.length - back]! ^= 1;
      return copy;
    };
    expect(() => gunzip(wrong(8), 100)).toThrow('wrong gzip checksum');
    expect(() => gunzip(wrong(4), 100)).toThrow('wrong gzip size');
    expect(() => gunzip(good.subarray(0, -3), 100)).toThrow('ends before its checksum');
    for (let length = 0; length < good.length; length++) {
      expect(() => gunzip(good.subarray(0, length), 100)).toThrow(InflateError);
    }
  });
});

describe('crc32', () => {
  it('equals zlib', () => {
    fc.assert(fc.property(data, (bytes) => crc32(bytes) === zlibCrc32(bytes)));
  });
});
