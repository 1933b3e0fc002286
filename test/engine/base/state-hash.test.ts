import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { StateValue } from '../../../engine/base/device.ts';
import { encodeState, hashBytes, hashState, murmur3 } from '../../../engine/base/state-hash.ts';

const ascii = (text: string) => Uint8Array.from(text, (letter) => letter.charCodeAt(0));
const hex = (words: readonly number[]) => words.map((word) => word.toString(16).padStart(8, '0')).join('');

describe('murmur3', () => {
  it('gives the verification value of SMHasher', () => {
    // Hashes of the keys {}, {0}, {0,1}, … with seeds 256, 255, … are hashed again; the first word is published.
    const hashes = new Uint8Array(256 * 16);
    const view = new DataView(hashes.buffer);
    for (let length = 0; length < 256; length++) {
      const key = Uint8Array.from({ length }, (_, index) => index);
      murmur3(key, 256 - length).forEach((word, index) => {
        view.setUint32(length * 16 + index * 4, word, true);
      });
    }
    expect(murmur3(hashes)[0]).toBe(0xb3ece62a);
  });

  it('gives a published vector', () => {
    expect(hex(murmur3(ascii('The quick brown fox jumps over the lazy dog')))).toBe(
      '2f1583c3ecee2c675d7bf66ce5e91d2c',
    );
  });

  it('does not depend on where the bytes lie', () => {
    const bytes = Uint8Array.from({ length: 100 }, (_, index) => index * 7);
    const shifted = new Uint8Array(103);
    shifted.set(bytes, 3);
    expect(hashBytes(shifted.subarray(3))).toBe(hashBytes(bytes));
  });

  it('changes about half of the 64 bits when one bit of the input changes', () => {
    const bytes = new Uint8Array(40);
    const plain = BigInt(`0x${hashBytes(bytes)}`);
    let total = 0;
    for (let position = 0; position < 320; position++) {
      bytes[position >> 3]! ^= 1 << (position & 7);
      const changed = plain ^ BigInt(`0x${hashBytes(bytes)}`);
      bytes[position >> 3]! ^= 1 << (position & 7);
      const count = changed.toString(2).replaceAll('0', '').length;
      expect(count).toBeGreaterThan(10);
      total += count;
    }
    expect(total / 320).toBeCloseTo(32, 0);
  });
});

describe('encodeState', () => {
  const value: fc.Arbitrary<StateValue> = fc.letrec<{ value: StateValue }>((tie) => ({
    value: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      fc.constant(null),
      fc.boolean(),
      fc.integer(),
      fc.double(),
      fc.bigInt(),
      fc.string({ unit: 'binary' }),
      fc.uint8Array(),
      fc.array(tie('value'), { maxLength: 4 }),
      fc.dictionary(fc.string(), tie('value'), { maxKeys: 4, noNullPrototype: true }),
    ),
  })).value;

  /** Independent of the encoder: text that is equal exactly for equal states. */
  function describeValue(state: StateValue): string {
    if (state instanceof Uint8Array) return `bytes(${state.join()})`;
    if (Array.isArray(state)) return `[${state.map(describeValue).join(';')}]`;
    if (state !== null && typeof state === 'object') {
      const keys = Object.keys(state).sort();
      return `{${keys.map((key) => `${JSON.stringify(key)}:${describeValue(state[key]!)}`).join(';')}}`;
    }
    if (typeof state === 'string') return JSON.stringify(state);
    if (typeof state === 'bigint') return `${state}n`;
    return String(state);
  }

  it('gives equal bytes for equal states and different ones for different states', () => {
    fc.assert(
      fc.property(value, value, (a, b) => {
        const same = Buffer.from(encodeState(a)).equals(Buffer.from(encodeState(b)));
        expect(same).toBe(describeValue(a) === describeValue(b));
      }),
      { numRuns: 2000 },
    );
  });

  it('does not depend on the order of keys', () => {
    expect(hashState({ a: 1, b: [2, null] })).toBe(hashState({ b: [2, null], a: 1 }));
  });

  it('tells types apart', () => {
    const states: StateValue[] = [0, 1, 1n, -1n, 0n, true, false, null, '', '1', [], {}, new Uint8Array(0)];
    states.push([1], ['1'], { 1: 1 }, Uint8Array.of(1), 0.5, 2 ** 31, -(2 ** 31), 2 ** 53, [[]], [[], []]);
    expect(new Set(states.map((state) => hashState(state))).size).toBe(states.length);
  });

  it('takes 0 and -0 as one, and all NaNs', () => {
    expect(hashState(-0)).toBe(hashState(0));
    expect(encodeState(Number.NaN).join()).toBe('4,0,0,0,0,0,0,248,127');
  });

  it('writes the documented bytes', () => {
    const bytes = encodeState({ b: [true, -1], a: Uint8Array.of(7) });
    const expected = [9, 2, 0, 0, 0];
    expected.push(1, 0, 0, 0, 0x61, 0, 7, 1, 0, 0, 0, 7);
    expected.push(1, 0, 0, 0, 0x62, 0, 8, 2, 0, 0, 0, 2, 3, 255, 255, 255, 255);
    expect([...bytes]).toStrictEqual(expected);
  });

  it('refuses what is no state', () => {
    expect(() => encodeState({ a: undefined as unknown as StateValue })).toThrow('undefined');
  });
});
