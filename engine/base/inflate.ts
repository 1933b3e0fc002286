/**
 * DEFLATE (RFC 1951) and gzip (RFC 1952) decompression. Kernels come gzipped, and the engine has no zlib:
 * it must give the same bytes in Node and in the browser, synchronously.
 */

/** Data that is not what it says. `offset` is the byte of the input where that shows. */
export class InflateError extends Error {
  readonly offset: number;
  constructor(message: string, offset: number) {
    super(`${message} (byte 0x${offset.toString(16)})`);
    this.name = 'InflateError';
    this.offset = offset;
  }
}

/** RFC 1951 3.2.5: length codes 257–285 and distance codes 0–29. */
const LENGTH_BASE = [
  3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195,
  227, 258,
];
const LENGTH_EXTRA = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];
const DISTANCE_BASE = [
  1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097,
  6145, 8193, 12289, 16385, 24577,
];
const DISTANCE_EXTRA = [
  0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13,
];
/** RFC 1951 3.2.7: the order in which the lengths of the code-length code come. */
const CODE_LENGTH_ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/**
 * A Huffman code as one table over `bits` input bits: entry = symbol << 4 | length, 0 = no such code.
 * Longest codes have 15 bits, so a table has at most 32768 entries.
 */
interface HuffmanTable {
  readonly entries: Uint16Array;
  readonly bits: number;
}

function huffmanTable(lengths: Uint8Array, what: string, offset: number): HuffmanTable {
  const count = new Uint16Array(16);
  let bits = 1;
  let used = 0;
  for (const length of lengths) {
    if (length === 0) continue;
    count[length]!++;
    used++;
    if (length > bits) bits = length;
  }
  const next = new Uint16Array(16);
  let code = 0;
  let left = 1;
  for (let length = 1; length <= 15; length++) {
    left = left * 2 - count[length]!;
    if (left < 0) throw new InflateError(`over-subscribed ${what} code`, offset);
    next[length] = code;
    code = (code + count[length]!) << 1;
  }
  // An incomplete code is allowed only as the single one-bit code of RFC 1951 3.2.7 (or none at all).
  if (left > 0 && !(used === 0 || (used === 1 && count[1] === 1))) {
    throw new InflateError(`incomplete ${what} code`, offset);
  }
  const entries = new Uint16Array(1 << bits);
  for (let symbol = 0; symbol < lengths.length; symbol++) {
    const length = lengths[symbol]!;
    if (length === 0) continue;
    let reversed = 0;
    for (let value = next[length]!++, i = 0; i < length; i++, value >>= 1)
      reversed = (reversed << 1) | (value & 1);
    for (let index = reversed; index < entries.length; index += 1 << length)
      entries[index] = (symbol << 4) | length;
  }
  return { entries, bits };
}

function fixedTables(): [HuffmanTable, HuffmanTable] {
  const literals = new Uint8Array(288);
  literals.fill(8, 0, 144).fill(9, 144, 256).fill(7, 256, 280).fill(8, 280);
  return [huffmanTable(literals, 'literal', 0), huffmanTable(new Uint8Array(32).fill(5), 'distance', 0)];
}

/** Input bits, least significant first, and the output so far. */
class Inflater {
  position: number;
  output: Uint8Array;
  length = 0;
  private bitBuffer = 0;
  private bitCount = 0;
  private readonly input: Uint8Array;
  private readonly limit: number;

  constructor(input: Uint8Array, start: number, limit: number, expected: number) {
    this.input = input;
    this.position = start;
    this.limit = limit;
    this.output = new Uint8Array(Math.min(limit, Math.max(expected, 1024)));
  }

  run(): void {
    let last = false;
    while (!last) {
      last = this.take(1) === 1;
      const type = this.take(2);
      if (type === 0) this.stored();
      else if (type === 1) this.codes(...fixedTables());
      else if (type === 2) this.codes(...this.dynamicTables());
      else throw new InflateError('invalid block type 3', this.position);
    }
    // Whole bytes that were read ahead belong to what follows.
    this.position -= this.bitCount >> 3;
  }

  private truncated(): InflateError {
    return new InflateError('compressed data ends too early', this.input.length);
  }

  /** Makes `count` bits available if the input has them (at most 25); past the end, zeros. */
  private fill(): void {
    while (this.bitCount <= 24 && this.position < this.input.length) {
      this.bitBuffer |= this.input[this.position++]! << this.bitCount;
      this.bitCount += 8;
    }
  }

  private take(count: number): number {
    if (this.bitCount < count) {
      this.fill();
      if (this.bitCount < count) throw this.truncated();
    }
    const value = this.bitBuffer & ((1 << count) - 1);
    this.bitBuffer >>>= count;
    this.bitCount -= count;
    return value;
  }

  private symbol(table: HuffmanTable): number {
    if (this.bitCount < 15) this.fill();
    const entry = table.entries[this.bitBuffer & ((1 << table.bits) - 1)]!;
    const length = entry & 15;
    if (length > this.bitCount) throw this.truncated();
    if (length === 0)
      throw this.bitCount < table.bits ? this.truncated() : new InflateError('unused code', this.position);
    this.bitBuffer >>>= length;
    this.bitCount -= length;
    return entry >> 4;
  }

  private reserve(count: number): void {
    const needed = this.length + count;
    if (needed <= this.output.length) return;
    if (needed > this.limit) {
      throw new InflateError(`the data is larger than the limit of ${this.limit} bytes`, this.position);
    }
    const larger = new Uint8Array(Math.min(this.limit, Math.max(needed, this.output.length * 2)));
    larger.set(this.output.subarray(0, this.length));
    this.output = larger;
  }

  private stored(): void {
    this.position -= this.bitCount >> 3;
    this.bitBuffer = 0;
    this.bitCount = 0;
    if (this.position + 4 > this.input.length) throw this.truncated();
    const size = this.input[this.position]! | (this.input[this.position + 1]! << 8);
    const check = this.input[this.position + 2]! | (this.input[this.position + 3]! << 8);
    if ((size ^ check) !== 0xffff) throw new InflateError('stored block with a wrong length', this.position);
    this.position += 4;
    if (this.position + size > this.input.length) throw this.truncated();
    this.reserve(size);
    this.output.set(this.input.subarray(this.position, this.position + size), this.length);
    this.position += size;
    this.length += size;
  }

  private dynamicTables(): [HuffmanTable, HuffmanTable] {
    const at = this.position;
    const literalCount = this.take(5) + 257;
    const distanceCount = this.take(5) + 1;
    const codeCount = this.take(4) + 4;
    if (literalCount > 286 || distanceCount > 30) throw new InflateError('too many codes', at);
    const codeLengths = new Uint8Array(19);
    for (let i = 0; i < codeCount; i++) codeLengths[CODE_LENGTH_ORDER[i]!] = this.take(3);
    const codeTable = huffmanTable(codeLengths, 'code length', at);
    const lengths = new Uint8Array(literalCount + distanceCount);
    for (let i = 0; i < lengths.length; ) {
      const symbol = this.symbol(codeTable);
      if (symbol < 16) {
        lengths[i++] = symbol;
        continue;
      }
      if (symbol === 16 && i === 0) throw new InflateError('repeat of no length', at);
      const value = symbol === 16 ? lengths[i - 1]! : 0;
      const repeat = symbol === 16 ? 3 + this.take(2) : symbol === 17 ? 3 + this.take(3) : 11 + this.take(7);
      if (i + repeat > lengths.length) throw new InflateError('too many code lengths', at);
      lengths.fill(value, i, i + repeat);
      i += repeat;
    }
    if (lengths[256] === 0) throw new InflateError('no end-of-block code', at);
    return [
      huffmanTable(lengths.subarray(0, literalCount), 'literal', at),
      huffmanTable(lengths.subarray(literalCount), 'distance', at),
    ];
  }

  private codes(literals: HuffmanTable, distances: HuffmanTable): void {
    for (;;) {
      const symbol = this.symbol(literals);
      if (symbol === 256) return;
      if (symbol < 256) {
        if (this.length === this.output.length) this.reserve(1);
        this.output[this.length++] = symbol;
        continue;
      }
      if (symbol > 285) throw new InflateError(`invalid length code ${symbol}`, this.position);
      const length = LENGTH_BASE[symbol - 257]! + this.take(LENGTH_EXTRA[symbol - 257]!);
      const code = this.symbol(distances);
      if (code > 29) throw new InflateError(`invalid distance code ${code}`, this.position);
      const distance = DISTANCE_BASE[code]! + this.take(DISTANCE_EXTRA[code]!);
      if (distance > this.length) throw new InflateError('a copy from before the start', this.position);
      this.reserve(length);
      // Byte by byte: source and target may overlap, and then the copy repeats itself.
      const output = this.output;
      let to = this.length;
      for (let from = to - distance; from < this.length - distance + length; from++)
        output[to++] = output[from]!;
      this.length = to;
    }
  }
}

/**
 * Decompresses a raw DEFLATE stream; bytes after its end are ignored.
 * @param limit most bytes the result may have
 * @throws InflateError on truncated or wrong data, and when the limit is passed
 */
export function inflateRaw(input: Uint8Array, limit: number): Uint8Array {
  const inflater = new Inflater(input, 0, limit, input.length * 3);
  inflater.run();
  return inflater.output.slice(0, inflater.length);
}

export function isGzip(bytes: Uint8Array): boolean {
  return bytes.length >= 2 && bytes[0] === 0x1f && bytes[1] === 0x8b;
}

/**
 * Decompresses a gzip file. Several members give their contents one after the other (RFC 1952 2.2);
 * padding after the last member is ignored.
 * @throws InflateError on truncated or wrong data, a wrong checksum, and when the limit is passed
 */
export function gunzip(input: Uint8Array, limit: number): Uint8Array {
  const members: Uint8Array[] = [];
  let total = 0;
  let at = 0;
  do {
    const start = gzipHeader(input, at);
    // The size in the trailer is only a hint for the first allocation; it may lie, so the input bounds it.
    const view = new DataView(input.buffer, input.byteOffset, input.byteLength);
    const hint = Math.min(view.getUint32(Math.max(0, input.length - 4), true), input.length * 8);
    const inflater = new Inflater(input, start, limit - total, hint);
    inflater.run();
    const member = inflater.output.subarray(0, inflater.length);
    at = inflater.position + 8;
    if (at > input.length) throw new InflateError('gzip data ends before its checksum', input.length);
    if (view.getUint32(at - 8, true) !== crc32(member)) throw new InflateError('wrong gzip checksum', at - 8);
    if (view.getUint32(at - 4, true) !== member.length) throw new InflateError('wrong gzip size', at - 4);
    members.push(member);
    total += member.length;
  } while (isGzip(input.subarray(at)));
  if (members.length === 1) return members[0]!.slice();
  const all = new Uint8Array(total);
  let to = 0;
  for (const member of members) {
    all.set(member, to);
    to += member.length;
  }
  return all;
}

/** Checks a member header and returns where its compressed data begins (RFC 1952 2.3). */
function gzipHeader(input: Uint8Array, start: number): number {
  if (!isGzip(input.subarray(start))) throw new InflateError('no gzip header', start);
  if (start + 10 > input.length) throw new InflateError('gzip header ends too early', input.length);
  if (input[start + 2] !== 8) throw new InflateError(`unknown gzip method ${input[start + 2]}`, start + 2);
  const flags = input[start + 3]!;
  if ((flags & 0xe0) !== 0) throw new InflateError('reserved gzip flags are set', start + 3);
  let at = start + 10;
  if ((flags & 4) !== 0) at += 2 + (input[at] ?? 0) + ((input[at + 1] ?? 0) << 8);
  // FNAME, FCOMMENT: texts that end with a NUL.
  for (const flag of [8, 16]) {
    if ((flags & flag) === 0) continue;
    const end = input.indexOf(0, at);
    if (end < 0) throw new InflateError('gzip header ends too early', input.length);
    at = end + 1;
  }
  if ((flags & 2) !== 0) at += 2;
  if (at > input.length) throw new InflateError('gzip header ends too early', input.length);
  return at;
}

let crcTable: Uint32Array | undefined;

/** CRC-32 of ISO 3309, as gzip and zip use it. */
export function crc32(bytes: Uint8Array): number {
  crcTable ??= Uint32Array.from({ length: 256 }, (_, n) => {
    let value = n;
    for (let bit = 0; bit < 8; bit++) value = (value & 1) !== 0 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
    return value;
  });
  let crc = 0xffffffff;
  for (let i = 0; i < bytes.length; i++) crc = crcTable[(crc ^ bytes[i]!) & 0xff]! ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}
