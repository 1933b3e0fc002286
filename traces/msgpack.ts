import { Packr, Unpackr } from 'msgpackr';
import { DecodeError } from './errors.ts';

/** What may be stored as msgpack. Integers beyond 32 bits become doubles: exact below 2^53. */
export type PlainData =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | readonly PlainData[]
  | { readonly [key: string]: PlainData };

const OPTIONS = {
  useRecords: false,
  variableMapSize: true,
  copyBuffers: true,
  int64AsType: 'bigint',
} as const;
const packr = new Packr(OPTIONS);
const unpackr = new Unpackr(OPTIONS);
const MAX_DEPTH = 32;
/** Bytes after the type byte: nil, false, true, float 32 and 64, uint 8 to 64, int 8 to 64. */
const SCALAR_BYTES = new Map([
  [0xc0, 0],
  [0xc2, 0],
  [0xc3, 0],
  [0xca, 4],
  [0xcb, 8],
  [0xcc, 1],
  [0xcd, 2],
  [0xce, 4],
  [0xcf, 8],
  [0xd0, 1],
  [0xd1, 2],
  [0xd2, 4],
  [0xd3, 8],
]);

/** msgpackr writes other typed arrays wrongly and undefined as an extension: only plain data reaches it. */
function assertPlain(value: unknown, depth: number): void {
  if (depth > MAX_DEPTH) throw new TypeError('msgpack: data is nested too deeply');
  switch (typeof value) {
    case 'boolean':
    case 'number':
    case 'string':
      return;
    case 'bigint':
      if (BigInt.asUintN(64, value) === value || BigInt.asIntN(64, value) === value) return;
      throw new TypeError('msgpack: an integer has more than 64 bits');
    case 'object':
      if (value === null) return;
      if (Array.isArray(value)) {
        for (const item of value) assertPlain(item, depth + 1);
        return;
      }
      if (value instanceof Uint8Array) return;
      if (Object.getPrototypeOf(value) === Object.prototype || Object.getPrototypeOf(value) === null) {
        for (const item of Object.values(value)) assertPlain(item, depth + 1);
        return;
      }
  }
  throw new TypeError(`msgpack: ${Object.prototype.toString.call(value)} cannot be stored`);
}

export function pack(value: PlainData): Uint8Array<ArrayBuffer> {
  assertPlain(value, 0);
  // The result lies in a pool that msgpackr goes on using.
  return new Uint8Array(packr.pack(value));
}

/**
 * Reads one msgpack value that fills `bytes` exactly. The structure is walked first, since msgpackr allocates
 * arrays by their announced length: no count may exceed the bytes that are left, and extension types, which
 * could build other objects, are refused. Throws DecodeError.
 */
export function unpack(bytes: Uint8Array): PlainData {
  checkStructure(bytes);
  // A Buffer would make every binary inside one, too.
  const plain = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  try {
    return unpackr.unpack(plain) as PlainData;
  } catch (error) {
    throw new DecodeError(`msgpack: ${(error as Error).message}`);
  }
}

function checkStructure(bytes: Uint8Array): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = bytes.length;
  let at = 0;
  const take = (length: number): void => {
    if (length > end - at) throw new DecodeError('msgpack: data ends too early');
    at += length;
  };
  const uint = (width: 1 | 2 | 4): number => {
    take(width);
    if (width === 1) return view.getUint8(at - 1);
    return width === 2 ? view.getUint16(at - 2) : view.getUint32(at - 4);
  };
  const items = (count: number, isMap: boolean, depth: number): void => {
    if (depth > MAX_DEPTH) throw new DecodeError('msgpack: nested too deeply');
    if (count * (isMap ? 2 : 1) > end - at) throw new DecodeError('msgpack: count exceeds the data');
    for (let i = 0; i < count; i++) {
      if (isMap) {
        const key = bytes[at] ?? 0;
        if (!((key >= 0xa0 && key <= 0xbf) || (key >= 0xd9 && key <= 0xdb))) {
          throw new DecodeError('msgpack: a map key is not a string');
        }
        value(depth + 1);
      }
      value(depth + 1);
    }
  };
  const value = (depth: number): void => {
    const type = uint(1);
    if (type <= 0x7f || type >= 0xe0) return;
    if (type <= 0x8f) items(type & 15, true, depth);
    else if (type <= 0x9f) items(type & 15, false, depth);
    else if (type <= 0xbf) take(type & 31);
    else if (type === 0xdc) items(uint(2), false, depth);
    else if (type === 0xdd) items(uint(4), false, depth);
    else if (type === 0xde) items(uint(2), true, depth);
    else if (type === 0xdf) items(uint(4), true, depth);
    else if (type === 0xc4 || type === 0xd9) take(uint(1));
    else if (type === 0xc5 || type === 0xda) take(uint(2));
    else if (type === 0xc6 || type === 0xdb) take(uint(4));
    else {
      const length = SCALAR_BYTES.get(type);
      if (length === undefined) throw new DecodeError(`msgpack: type 0x${type.toString(16)} is not allowed`);
      take(length);
    }
  };
  value(0);
  if (at !== end) throw new DecodeError('msgpack: bytes left over');
}

/** Typed access to the fields of a decoded map, each with a clear error. */
export class Fields {
  readonly #map: { readonly [key: string]: PlainData };

  constructor(data: PlainData) {
    if (data === null || typeof data !== 'object' || Array.isArray(data) || data instanceof Uint8Array) {
      throw new DecodeError('expected a map');
    }
    this.#map = data as { readonly [key: string]: PlainData };
  }

  raw(key: string): PlainData | undefined {
    return Object.hasOwn(this.#map, key) ? this.#map[key] : undefined;
  }

  has(key: string): boolean {
    return this.raw(key) !== undefined;
  }

  bytes(key: string): Uint8Array {
    const value = this.raw(key);
    if (!(value instanceof Uint8Array)) throw new DecodeError(`field ${key} is not binary`);
    return value;
  }

  string(key: string): string {
    const value = this.raw(key);
    if (typeof value !== 'string') throw new DecodeError(`field ${key} is not a string`);
    return value;
  }

  /** A whole number from `least` to `most`. */
  integer(key: string, least = 0, most: number = Number.MAX_SAFE_INTEGER): number {
    const value = this.raw(key);
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < least || value > most) {
      throw new DecodeError(`field ${key} is not a whole number from ${least} to ${most}`);
    }
    return value;
  }

  array(key: string): readonly PlainData[] {
    const value = this.raw(key);
    if (!Array.isArray(value)) throw new DecodeError(`field ${key} is not an array`);
    return value;
  }

  strings(key: string): string[] {
    return this.array(key).map((item) => {
      if (typeof item !== 'string') throw new DecodeError(`field ${key} is not a list of strings`);
      return item;
    });
  }
}
