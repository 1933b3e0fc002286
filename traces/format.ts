import { crc32 } from './crc32.ts';
import { DecodeError, TraceError } from './errors.ts';
import { LEVELS } from './levels.ts';
import { lz4MaxUnpacked } from './lz4.ts';
import { Fields, type PlainData, pack, unpack } from './msgpack.ts';
import type { ImageRef, TraceHeader } from './types.ts';

/** docs/trace-format.md has the byte tables; all fixed fields are little-endian. */
export const FORMAT_VERSION = 1;
/** 0x89 and the line ends show a file that went through a text-mode or 7-bit transfer. */
export const MAGIC = Uint8Array.of(0x89, 0x56, 0x54, 0x52, 0x43, 0x0d, 0x0a, 0x1a);
const CHUNK_MAGIC = 0x4b48_4356; // 'VCHK'
const TRAILER_MAGIC = Uint8Array.of(0x56, 0x54, 0x45, 0x4e, 0x44, 0x0d, 0x0a, 0x1a);

export const FILE_HEADER_BYTES = 20;
export const CHUNK_HEADER_BYTES = 64;
export const TRAILER_BYTES = 24;
export const MAX_FILE_HEADER_PAYLOAD = 16 << 20;
/** Of one chunk, unpacked. */
export const MAX_RAW_BYTES = 64 << 20;
/** Of one chunk; bounds what a hostile chunk can make a reader allocate, since events can take 0 bytes. */
export const MAX_CHUNK_EVENTS = 1 << 16;

export const CHUNK = {
  inputs: 1,
  accesses: 2,
  interrupts: 3,
  exceptions: 4,
  dma: 5,
  outputs: 6,
  notes: 7,
  hashes: 8,
  checkpoint: 9,
  pieces: 10,
  image: 11,
  end: 12,
  index: 13,
} as const;
export type ChunkName = keyof typeof CHUNK;
const CHUNK_NAMES = new Map<number, ChunkName>(
  Object.entries(CHUNK).map(([name, id]) => [id, name as ChunkName]),
);

/** Name of a chunk kind; undefined for one that a later minor addition brought. */
export function chunkName(kind: number): ChunkName | undefined {
  return CHUNK_NAMES.get(kind);
}

export const FLAG = {
  /** Last chunk of a group: every event at a position below `complete` is in this chunk or before it. */
  groupEnd: 1,
  /** The payload is not compressed. */
  stored: 2,
} as const;

export interface ChunkHeader {
  readonly number: number;
  readonly kind: number;
  readonly flags: number;
  readonly storedBytes: number;
  readonly rawBytes: number;
  /** Events, or records, in it. */
  readonly count: number;
  /** Position of the first and last event; of the moment for kinds that have none. */
  readonly first: number;
  readonly last: number;
  /** Events of all kinds at positions below this one were written with this chunk's group or earlier. */
  readonly complete: number;
  /** CRC-32 of the stored payload. */
  readonly crc: number;
}

/** A chunk and where its header begins in the file. */
export interface ChunkEntry extends ChunkHeader {
  readonly offset: number;
}

export function encodeChunkHeader(h: ChunkHeader): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(CHUNK_HEADER_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, CHUNK_MAGIC, true);
  view.setUint8(4, h.kind);
  view.setUint8(5, h.flags);
  view.setUint32(8, h.number, true);
  view.setUint32(12, h.storedBytes, true);
  view.setUint32(16, h.rawBytes, true);
  view.setUint32(20, h.count, true);
  setU64(view, 24, h.first);
  setU64(view, 32, h.last);
  setU64(view, 40, h.complete);
  view.setUint32(48, h.crc, true);
  view.setUint32(60, crc32(bytes.subarray(0, 60)), true);
  return bytes;
}

/**
 * Reads a chunk header and holds every field against the limits and the file's size.
 * Throws TraceError `damaged`.
 */
export function decodeChunkHeader(
  bytes: Uint8Array,
  number: number,
  offset: number,
  end: number,
): ChunkEntry {
  const fail = (why: string): never => {
    throw new TraceError('damaged', why, { chunk: number, offset });
  };
  if (bytes.length < CHUNK_HEADER_BYTES) fail('the file ends inside a chunk header');
  const view = viewOf(bytes);
  if (view.getUint32(0, true) !== CHUNK_MAGIC) fail('no chunk begins here');
  if (view.getUint32(60, true) !== crc32(bytes.subarray(0, 60))) fail('chunk header checksum is wrong');
  const entry: ChunkEntry = {
    offset,
    number: view.getUint32(8, true),
    kind: view.getUint8(4),
    flags: view.getUint8(5),
    storedBytes: view.getUint32(12, true),
    rawBytes: view.getUint32(16, true),
    count: view.getUint32(20, true),
    first: getU64(view, 24),
    last: getU64(view, 32),
    complete: getU64(view, 40),
    crc: view.getUint32(48, true),
  };
  if (entry.number !== number) fail(`chunk number is ${entry.number}`);
  checkEntry(entry, fail);
  if (entry.storedBytes > end - offset - CHUNK_HEADER_BYTES) fail('the file ends inside a chunk');
  return entry;
}

/** The limits that hold for every chunk, whether its fields come from its header or from the index. */
export function checkEntry(entry: ChunkEntry, fail: (why: string) => never): void {
  if (entry.rawBytes > MAX_RAW_BYTES) fail(`chunk of ${entry.rawBytes} bytes is over the limit`);
  const possible = (entry.flags & FLAG.stored) !== 0 ? entry.storedBytes : lz4MaxUnpacked(entry.storedBytes);
  if (entry.rawBytes > possible) fail(`${entry.storedBytes} bytes cannot unpack to ${entry.rawBytes}`);
  if ((entry.flags & FLAG.stored) !== 0 && entry.storedBytes !== entry.rawBytes) fail('lengths disagree');
  if (entry.count > MAX_CHUNK_EVENTS) fail(`chunk of ${entry.count} events is over the limit`);
  for (const position of [entry.first, entry.last, entry.complete]) {
    if (!Number.isSafeInteger(position)) fail('position is out of range');
  }
  if (entry.first > entry.last) fail('first position is after the last');
}

export function encodeFileHeader(header: TraceHeader): Uint8Array<ArrayBuffer> {
  const payload = pack({
    ...header,
    images: header.images.map(({ name, role, size, sha256 }) => ({ name, role, size, sha256 })),
  });
  if (payload.length > MAX_FILE_HEADER_PAYLOAD) throw new RangeError('trace header is over 16 MiB');
  const bytes = new Uint8Array(FILE_HEADER_BYTES + payload.length);
  const view = new DataView(bytes.buffer);
  bytes.set(MAGIC);
  view.setUint32(8, FORMAT_VERSION, true);
  view.setUint32(12, payload.length, true);
  bytes.set(payload, FILE_HEADER_BYTES);
  view.setUint32(16, crc32(payload, crc32(bytes.subarray(0, 16))), true);
  return bytes;
}

/** Checks magic and version of the first 20 bytes; returns the length of the payload that follows. */
export function fileHeaderPayloadBytes(bytes: Uint8Array, fileSize: number): number {
  if (bytes.length < FILE_HEADER_BYTES || MAGIC.some((byte, i) => bytes[i] !== byte)) {
    throw new TraceError('not-a-trace', 'this is not a virtrace trace', { offset: 0 });
  }
  const view = viewOf(bytes);
  const version = view.getUint32(8, true);
  if (version > FORMAT_VERSION) {
    throw new TraceError(
      'too-new',
      `trace format ${version} is newer than the newest this program reads, ${FORMAT_VERSION}`,
      { offset: 8 },
    );
  }
  if (version === 0) throw new TraceError('damaged', 'trace format 0 does not exist', { offset: 8 });
  const length = view.getUint32(12, true);
  if (length > MAX_FILE_HEADER_PAYLOAD || length > fileSize - FILE_HEADER_BYTES) {
    throw new TraceError('damaged', 'the file ends inside its header', { offset: 12 });
  }
  return length;
}

/** `bytes`: the 20 fixed bytes and the payload. Throws TraceError `damaged`. */
export function decodeFileHeader(bytes: Uint8Array): TraceHeader {
  const payload = bytes.subarray(FILE_HEADER_BYTES);
  if (viewOf(bytes).getUint32(16, true) !== crc32(payload, crc32(bytes.subarray(0, 16)))) {
    throw new TraceError('damaged', 'header checksum is wrong', { offset: 16 });
  }
  try {
    const fields = new Fields(unpack(payload));
    const level = LEVELS.find((name) => name === fields.string('level'));
    if (level === undefined) throw new DecodeError(`unknown level ${fields.string('level')}`);
    const config = fields.raw('config') ?? null;
    new Fields(config);
    return {
      engine: fields.string('engine'),
      board: fields.string('board'),
      level,
      shift: fields.integer('shift', 0, 32),
      counterPeriod: fields.integer('counterPeriod', 1, 1e9),
      config: config as { [key: string]: PlainData },
      images: fields.array('images').map(decodeImageRef),
      quirks: fields.strings('quirks'),
    };
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    throw new TraceError('damaged', `header: ${error.message}`, { offset: FILE_HEADER_BYTES });
  }
}

function decodeImageRef(data: PlainData): ImageRef {
  const fields = new Fields(data);
  const sha256 = fields.string('sha256');
  if (!/^[0-9a-f]{64}$/.test(sha256)) throw new DecodeError('an image hash is malformed');
  return { name: fields.string('name'), role: fields.string('role'), size: fields.integer('size'), sha256 };
}

/** The last 24 bytes of a cleanly closed file: where its index chunk begins. */
export function encodeTrailer(indexOffset: number, indexNumber: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(TRAILER_BYTES);
  const view = new DataView(bytes.buffer);
  setU64(view, 0, indexOffset);
  view.setUint32(8, indexNumber, true);
  view.setUint32(12, crc32(bytes.subarray(0, 12)), true);
  bytes.set(TRAILER_MAGIC, 16);
  return bytes;
}

/** Undefined if these are not the bytes of a trailer. */
export function decodeTrailer(bytes: Uint8Array): { offset: number; number: number } | undefined {
  if (bytes.length !== TRAILER_BYTES || TRAILER_MAGIC.some((byte, i) => bytes[16 + i] !== byte))
    return undefined;
  const view = viewOf(bytes);
  if (view.getUint32(12, true) !== crc32(bytes.subarray(0, 12))) return undefined;
  return { offset: getU64(view, 0), number: view.getUint32(8, true) };
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function setU64(view: DataView, at: number, value: number): void {
  view.setUint32(at, value >>> 0, true);
  view.setUint32(at + 4, Math.floor(value / 2 ** 32), true);
}

/** May be beyond 2^53; the caller checks. */
function getU64(view: DataView, at: number): number {
  return view.getUint32(at, true) + view.getUint32(at + 4, true) * 2 ** 32;
}
