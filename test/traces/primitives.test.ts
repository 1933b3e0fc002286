import { createHash } from 'node:crypto';
import { crc32 as zlibCrc32 } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ByteColumn, ByteCursor } from '../../traces/bytes.ts';
import { crc32 } from '../../traces/crc32.ts';
import { DecodeError } from '../../traces/errors.ts';
import { type PlainData, pack, unpack } from '../../traces/msgpack.ts';
import { Sha256 } from '../../traces/sha256.ts';

describe('checksums', () => {
  test('crc32 is zlib’s, also in two steps', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(200), (bytes, cut) => {
        expect(crc32(bytes)).toBe(zlibCrc32(bytes));
        expect(crc32(bytes.subarray(cut), crc32(bytes.subarray(0, cut)))).toBe(zlibCrc32(bytes));
      }),
    );
  });

  test('Sha256 is Node’s, however the bytes are split', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 150 })), (parts) => {
        const hash = new Sha256();
        const expected = createHash('sha256');
        for (const part of parts) {
          hash.update(part);
          expected.update(part);
        }
        expect(hash.digest()).toBe(expected.digest('hex'));
      }),
    );
  });
});

describe('variable-length integers', () => {
  test('come back, unsigned and signed, to 53 and 64 bits', () => {
    const safe = fc.oneof(fc.maxSafeNat(), fc.nat(300), fc.constantFrom(2 ** 31 - 1, 2 ** 31, 2 ** 53 - 1));
    fc.assert(
      fc.property(safe, fc.maxSafeInteger(), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), (a, b, c) => {
        const column = new ByteColumn(1);
        column.varint(a);
        column.signed(b);
        column.varint64(c);
        column.signed64(BigInt.asIntN(64, c));
        column.varint64(BigInt(a));
        const cursor = new ByteCursor(column.toBytes());
        expect(cursor.varint()).toBe(a);
        expect(cursor.signed()).toBe(b);
        expect(cursor.varint64()).toBe(c);
        expect(cursor.signed64()).toBe(BigInt.asIntN(64, c));
        expect(cursor.varint()).toBe(a);
        expect(cursor.atEnd).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  test('that are cut short or too long are refused', () => {
    for (const bytes of [[], [0x80], [0xff, 0xff], new Array<number>(11).fill(0xff)]) {
      expect(() => new ByteCursor(Uint8Array.from(bytes)).varint()).toThrow(DecodeError);
      expect(() => new ByteCursor(Uint8Array.from(bytes)).varint64()).toThrow(DecodeError);
    }
    expect(() => new ByteColumn().varint(-1)).toThrow(RangeError);
  });
});

describe('msgpack', () => {
  const { data } = fc.letrec<{ data: PlainData }>((tie) => ({
    data: fc.oneof(
      { depthSize: 'small' },
      fc.constant(null),
      fc.boolean(),
      fc.maxSafeInteger(),
      fc.double({ noNaN: true }).map((n) => n + 0),
      fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }),
      fc.string({ unit: 'grapheme' }),
      fc.uint8Array(),
      fc.array(tie('data')),
      fc.dictionary(
        fc.string().filter((key) => key !== '__proto__'),
        tie('data'),
        { noNullPrototype: true },
      ),
    ),
  }));

  test('gives plain data back, and what it packed does not change later', () => {
    fc.assert(
      fc.property(data, data, (first, second) => {
        const packed = pack(first);
        pack(second);
        expect(unpack(packed)).toEqual(first);
      }),
      { numRuns: 300 },
    );
  });

  test.each([
    ['another typed array', Uint16Array.of(1)],
    ['undefined', { a: undefined }],
    ['a date', [new Date(0)]],
    ['a map', new Map()],
    ['an integer of 65 bits', 2n ** 64n],
  ])('refuses to pack %s', (_name, value) => {
    expect(() => pack(value as unknown as PlainData)).toThrow(TypeError);
  });

  test.each([
    ['an array of 4 billion', [0xdd, 0xff, 0xff, 0xff, 0xff]],
    ['a string of 4 billion', [0xdb, 0xff, 0xff, 0xff, 0xff]],
    ['a map whose key is no string', [0x81, 0x01, 0x01]],
    ['an extension type', [0xd4, 0x00, 0x00]],
    ['bytes left over', [0x01, 0x01]],
    ['deep nesting', new Array<number>(100).fill(0x91)],
    ['nothing', []],
  ])('refuses to unpack %s', (_name, bytes) => {
    expect(() => unpack(Uint8Array.from(bytes))).toThrow(DecodeError);
  });

  test('meets arbitrary bytes with data or DecodeError', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        try {
          unpack(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(DecodeError);
        }
      }),
      { numRuns: 5000 },
    );
  });
});
