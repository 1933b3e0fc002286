import type { StateValue } from './device.ts';

/*
 * A state as bytes, and its hash. Equal states give equal bytes whatever the order of their keys; different
 * ones give different bytes, since every value has a tag and everything of variable length says how long
 * it is:
 *
 *   0 null   1 false   2 true
 *   3 number that is an int32: 4 bytes     4 any other number: IEEE 754 binary64, 8 bytes
 *   5 bigint: sign (0 or 1), length, magnitude
 *   6 string: length in UTF-16 code units, two bytes each
 *   7 Uint8Array: length, bytes
 *   8 array: length, values
 *   9 object: number of keys, then key (as string, without tag) and value, sorted by key
 *
 * Everything is little endian; lengths have 4 bytes. All NaNs are one value, and so are 0 and -0.
 */

class Encoder {
  #bytes = new Uint8Array(1024);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;

  take(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  value(value: StateValue): void {
    if (value === null) this.#u8(0);
    else if (typeof value === 'boolean') this.#u8(value ? 2 : 1);
    else if (typeof value === 'number') this.#number(value);
    else if (typeof value === 'bigint') this.#bigint(value);
    else if (typeof value === 'string') {
      this.#u8(6);
      this.#text(value);
    } else if (value instanceof Uint8Array) {
      this.#u8(7);
      this.#u32(value.length);
      const at = this.#room(value.length);
      this.#bytes.set(value, at);
    } else if (Array.isArray(value)) {
      this.#u8(8);
      this.#u32(value.length);
      for (const item of value) this.value(item);
    } else if (typeof value === 'object') {
      const keys = Object.keys(value).sort();
      this.#u8(9);
      this.#u32(keys.length);
      for (const key of keys) {
        this.#text(key);
        this.value(value[key]!);
      }
    } else throw new Error(`a state cannot hold a value of type ${typeof value}`);
  }

  #number(value: number): void {
    if ((value | 0) === value) {
      this.#u8(3);
      this.#u32(value);
    } else {
      this.#u8(4);
      const at = this.#room(8);
      if (Number.isNaN(value)) this.#view.setUint32(at + 4, 0x7ff80000, true);
      else this.#view.setFloat64(at, value, true);
    }
  }

  #bigint(value: bigint): void {
    const digits = (value < 0n ? -value : value).toString(16);
    const padded = digits.length % 2 === 0 ? digits : `0${digits}`;
    this.#u8(5);
    this.#u8(value < 0n ? 1 : 0);
    this.#u32(padded.length / 2);
    for (let end = padded.length; end > 0; end -= 2)
      this.#u8(Number.parseInt(padded.slice(end - 2, end), 16));
  }

  #text(text: string): void {
    this.#u32(text.length);
    const at = this.#room(text.length * 2);
    for (let i = 0; i < text.length; i++) this.#view.setUint16(at + 2 * i, text.charCodeAt(i), true);
  }

  #u8(value: number): void {
    const at = this.#room(1);
    this.#bytes[at] = value;
  }

  #u32(value: number): void {
    // The room first: it may replace the view.
    const at = this.#room(4);
    this.#view.setUint32(at, value, true);
  }

  /** Makes room for `length` more bytes (zero until written) and returns where. */
  #room(length: number): number {
    const at = this.#length;
    const end = at + length;
    if (end > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(end, this.#bytes.length * 2));
      larger.set(this.#bytes);
      this.#bytes = larger;
      this.#view = new DataView(larger.buffer);
    }
    this.#length = end;
    return at;
  }
}

/** The canonical bytes of a state (format above). Throws if it holds anything a state must not. */
export function encodeState(value: StateValue): Uint8Array {
  const encoder = new Encoder();
  encoder.value(value);
  return encoder.take();
}

/** 64-bit hash of a state, 16 hexadecimal digits. */
export function hashState(value: StateValue): string {
  return hashBytes(encodeState(value));
}

/** 64-bit hash of bytes, 16 hexadecimal digits: the first two words of `murmur3`. */
export function hashBytes(bytes: Uint8Array, seed = 0): string {
  const [h1, h2] = murmur3(bytes, seed);
  return hex(h1) + hex(h2);
}

function hex(word: number): string {
  return word.toString(16).padStart(8, '0');
}

const C1 = 0x239b961b;
const C2 = 0xab0e9789;
const C3 = 0x38b34ae5;
const C4 = 0xa1e38b93;

/**
 * MurmurHash3_x86_128 (Austin Appleby, public domain): four 32-bit words. Chosen because it needs nothing but
 * 32-bit multiplications, which `Math.imul` makes as fast as the machine's.
 * Not a defence against someone who wants a collision.
 */
export function murmur3(bytes: Uint8Array, seed = 0): [number, number, number, number] {
  const { length } = bytes;
  const view = new DataView(bytes.buffer, bytes.byteOffset, length);
  let h1 = seed | 0;
  let h2 = h1;
  let h3 = h1;
  let h4 = h1;
  const whole = length & ~15;
  for (let at = 0; at < whole; at += 16) {
    h1 ^= scramble(view.getInt32(at, true), C1, 15, C2);
    h1 = (Math.imul(rotate(h1, 19) + h2, 5) + 0x561ccd1b) | 0;
    h2 ^= scramble(view.getInt32(at + 4, true), C2, 16, C3);
    h2 = (Math.imul(rotate(h2, 17) + h3, 5) + 0x0bcaa747) | 0;
    h3 ^= scramble(view.getInt32(at + 8, true), C3, 17, C4);
    h3 = (Math.imul(rotate(h3, 15) + h4, 5) + 0x96cd1c35) | 0;
    h4 ^= scramble(view.getInt32(at + 12, true), C4, 18, C1);
    h4 = (Math.imul(rotate(h4, 13) + h1, 5) + 0x32ac3b17) | 0;
  }
  // The rest as one block filled up with zeros; zero words scramble to zero.
  h1 ^= scramble(tailWord(bytes, whole), C1, 15, C2);
  h2 ^= scramble(tailWord(bytes, whole + 4), C2, 16, C3);
  h3 ^= scramble(tailWord(bytes, whole + 8), C3, 17, C4);
  h4 ^= scramble(tailWord(bytes, whole + 12), C4, 18, C1);

  h1 ^= length;
  h2 ^= length;
  h3 ^= length;
  h4 ^= length;
  h1 = (h1 + h2 + h3 + h4) | 0;
  h2 = (h2 + h1) | 0;
  h3 = (h3 + h1) | 0;
  h4 = (h4 + h1) | 0;
  h1 = avalanche(h1);
  h2 = avalanche(h2);
  h3 = avalanche(h3);
  h4 = avalanche(h4);
  h1 = (h1 + h2 + h3 + h4) | 0;
  h2 = (h2 + h1) | 0;
  h3 = (h3 + h1) | 0;
  h4 = (h4 + h1) | 0;
  return [h1 >>> 0, h2 >>> 0, h3 >>> 0, h4 >>> 0];
}

function scramble(word: number, first: number, by: number, second: number): number {
  return Math.imul(rotate(Math.imul(word, first), by), second);
}

function rotate(word: number, by: number): number {
  return (word << by) | (word >>> (32 - by));
}

function avalanche(word: number): number {
  let h = word;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}

/** A little-endian word; bytes past the end are zero. */
function tailWord(bytes: Uint8Array, at: number): number {
  const byte = (index: number) => bytes[index] ?? 0;
  return byte(at) | (byte(at + 1) << 8) | (byte(at + 2) << 16) | (byte(at + 3) << 24);
}
