import { DecodeError } from './errors.ts';

const U64 = 0xffff_ffff_ffff_ffffn;

/** A growing byte column. Variable-length integers are LEB128: 7 bits a byte, low bits first. */
export class ByteColumn {
  #bytes: Uint8Array<ArrayBuffer>;
  #length = 0;

  constructor(capacity = 256) {
    this.#bytes = new Uint8Array(capacity);
  }

  get length(): number {
    return this.#length;
  }

  /** A copy of what was written. */
  toBytes(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(0, this.#length);
  }

  clear(): void {
    this.#length = 0;
  }

  #room(more: number): void {
    const need = this.#length + more;
    if (need <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(need, this.#bytes.length * 2));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
  }

  u8(value: number): void {
    if (this.#length === this.#bytes.length) this.#room(1);
    this.#bytes[this.#length++] = value;
  }

  bytes(value: Uint8Array): void {
    this.#room(value.length);
    // Console output comes a byte at a time, for which set() is slow.
    if (value.length > 8) this.#bytes.set(value, this.#length);
    else for (let i = 0; i < value.length; i++) this.#bytes[this.#length + i] = value[i]!;
    this.#length += value.length;
  }

  /** An unsigned integer below 2^53. */
  varint(value: number): void {
    if (!(value >= 0 && value <= Number.MAX_SAFE_INTEGER)) throw new RangeError(`${value} is out of range`);
    this.#room(8);
    while (value >= 0x8000_0000) {
      this.#bytes[this.#length++] = (value % 128) | 0x80;
      value = Math.floor(value / 128);
    }
    while (value >= 0x80) {
      this.#bytes[this.#length++] = (value & 0x7f) | 0x80;
      value >>>= 7;
    }
    this.#bytes[this.#length++] = value;
  }

  /** A signed integer of magnitude below 2^53: zigzag, then varint. */
  signed(value: number): void {
    if (value > -(2 ** 51) && value < 2 ** 51) this.varint(value < 0 ? -value * 2 - 1 : value * 2);
    else this.signed64(BigInt(value));
  }

  /** An unsigned 64-bit integer, at most 10 bytes. */
  varint64(value: bigint): void {
    if (value <= 0x1f_ffff_ffff_ffffn) {
      this.varint(Number(value));
      return;
    }
    this.#room(10);
    while (value >= 0x80n) {
      this.#bytes[this.#length++] = Number(value & 0x7fn) | 0x80;
      value >>= 7n;
    }
    this.#bytes[this.#length++] = Number(value);
  }

  /** A 64-bit difference modulo 2^64, small in both directions: zigzag, then varint. */
  signed64(difference: bigint): void {
    const signed = BigInt.asIntN(64, difference);
    this.varint64(BigInt.asUintN(64, signed < 0n ? ~(signed << 1n) : signed << 1n));
  }
}

/** Reads what ByteColumn wrote; every read is checked against the end. */
export class ByteCursor {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get atEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  u8(): number {
    const byte = this.#bytes[this.#at++];
    if (byte === undefined) throw new DecodeError('column ends too early');
    return byte;
  }

  bytes(length: number): Uint8Array {
    if (length > this.left) throw new DecodeError('column ends too early');
    const from = this.#at;
    this.#at += length;
    return this.#bytes.subarray(from, this.#at);
  }

  /** An unsigned integer below 2^53. */
  varint(): number {
    let byte = this.u8();
    if (byte < 0x80) return byte;
    let value = byte & 0x7f;
    let scale = 128;
    do {
      byte = this.u8();
      value += (byte & 0x7f) * scale;
      scale *= 128;
      if (value > Number.MAX_SAFE_INTEGER || scale > 2 ** 63) throw new DecodeError('number too large');
    } while (byte >= 0x80);
    return value;
  }

  signed(): number {
    const value = Number(this.signed64());
    if (!Number.isSafeInteger(value)) throw new DecodeError('number too large');
    return value;
  }

  varint64(): bigint {
    let low = 0;
    let scale = 1;
    for (let i = 0; i < 7; i++) {
      const byte = this.u8();
      low += (byte & 0x7f) * scale;
      if (byte < 0x80) return BigInt(low);
      scale *= 128;
    }
    let value = BigInt(low);
    for (let shift = 49n; shift < 70n; shift += 7n) {
      const byte = this.u8();
      value |= BigInt(byte & 0x7f) << shift;
      if (value > U64) throw new DecodeError('number beyond 64 bits');
      if (byte < 0x80) return value;
    }
    throw new DecodeError('number too long');
  }

  signed64(): bigint {
    const value = this.varint64();
    return (value & 1n) === 0n ? value >> 1n : ~(value >> 1n);
  }
}
