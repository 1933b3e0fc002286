/**
 * Checkpoints: saved machines in the file. Each holds the state of CPUs and devices in full, and of memory the
 * pages that are unlike the checkpoint before, so that reading one means reading the pages of all before it,
 * each page once. docs/trace-format.md has the keys.
 */
import { readPiece } from './contents.ts';
import { DecodeError } from './errors.ts';
import { CHUNK } from './format.ts';
import { decodeStateHashes, encodeStateHashes } from './hashes.ts';
import { decodePlaces, isZero, PAGE_BYTES, type PiecePlace } from './images.ts';
import type { Io, IoStream, ReadRequest } from './io.ts';
import { Fields, type PlainData } from './msgpack.ts';
import type { PieceWriter } from './piece-writer.ts';
import { located, type TraceFile } from './trace-file.ts';
import type { IndexedChunk } from './trace-index.ts';
import type { Checkpoint, NewCheckpoint, RestartPoint, SavedPage } from './types.ts';

/** Binaries of this size and more (sectors that were written, pixels) are kept as pieces, equal ones once. */
const BLOB_LEAST = 4096;
const BLOB_PIECE = 64 << 10;
/** Of one checkpoint: a few bytes can stand for any number of zeros. */
const MAX_BLOB_BYTES = 1 << 30;
/** Pages in one batch of a reader. */
const BATCH = 256;
const ZEROS = new Uint8Array(PAGE_BYTES);

/** What only the writer knows: events of the position so far, and the checkpoint that this one builds on. */
interface Context {
  readonly ordinal: number;
  readonly base: number;
  /** Of the last event. */
  readonly at: number;
}

export function encodeCheckpoint(
  checkpoint: NewCheckpoint,
  pieces: PieceWriter,
  { ordinal, base, at }: Context,
): PlainData {
  const { position, time, state, hashes } = checkpoint;
  const addresses: number[] = [];
  const zeros: number[] = [];
  const numbered = function* (): Generator<{ number: number; bytes: Uint8Array }> {
    for (const { address, bytes } of checkpoint.pages) {
      if (bytes.length !== PAGE_BYTES) throw new RangeError(`page ${address} has ${bytes.length} bytes`);
      if (isZero(bytes)) zeros.push(address);
      else yield { number: addresses.push(address) - 1, bytes };
    }
  };
  const places = pieces.put(numbered(), at, true);
  const pages = [...places].flatMap(([number, { chunk, index }]) => [addresses[number]!, chunk, index]);
  if (hashes === undefined) return { position, time, state, pages };
  const blobs: Uint8Array[] = [];
  const rest = extractBlobs(state, blobs);
  const blobPlaces = pieces.put(piecesOfBlobs(blobs), at, true);
  return {
    position,
    time,
    state: rest,
    pages,
    zeros,
    ordinal,
    ...(base < 0 ? {} : { base }),
    hashes: encodeStateHashes(hashes),
    blobSizes: blobs.map(({ length }) => length),
    blobs: [...blobPlaces].flatMap(([number, { chunk, index }]) => [number, chunk, index]),
  };
}

/** The state with a map of one empty key, and the number, in the place of each large binary. */
function extractBlobs(value: PlainData, blobs: Uint8Array[]): PlainData {
  if (value instanceof Uint8Array) {
    return value.length < BLOB_LEAST ? value : { '': blobs.push(value) - 1 };
  }
  if (Array.isArray(value)) return value.map((item) => extractBlobs(item as PlainData, blobs));
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, extractBlobs(item, blobs)]));
}

function* piecesOfBlobs(blobs: readonly Uint8Array[]): Generator<{ number: number; bytes: Uint8Array }> {
  let number = 0;
  let total = 0;
  for (const blob of blobs) {
    total += blob.length;
    if (total > MAX_BLOB_BYTES)
      throw new RangeError('the state of the devices is too large for a checkpoint');
    for (let at = 0; at < blob.length; at += BLOB_PIECE) {
      yield { number: number++, bytes: blob.subarray(at, at + BLOB_PIECE) };
    }
  }
}

function* fieldsOf(file: TraceFile, chunk: IndexedChunk): Io<Fields> {
  const data = yield* file.data(chunk);
  return located(chunk, () => new Fields(data));
}

/** One checkpoint with its own pages. Throws TraceError. */
export function* readCheckpoint(file: TraceFile, chunk: IndexedChunk): Io<Checkpoint> {
  const fields = yield* fieldsOf(file, chunk);
  const state = yield* readState(file, chunk, fields);
  const pages: SavedPage[] = [];
  for (const [address, place] of pagesOf(chunk, fields)) {
    const bytes = place === undefined ? ZEROS : yield* readPiece(file, place, PAGE_BYTES);
    pages.push({ address, bytes: bytes.slice() });
  }
  return located(chunk, () => {
    const restart = restartOf(chunk, fields);
    return {
      position: fields.integer('position'),
      time: fields.integer('time'),
      state,
      pages,
      ...(restart === undefined ? {} : { restart: { ordinal: restart.ordinal, hashes: restart.hashes } }),
    };
  });
}

/** Undefined for a checkpoint that cannot be gone on from. Throws TraceError. */
export function* readRestartPoint(file: TraceFile, chunk: IndexedChunk): Io<RestartPoint | undefined> {
  const fields = yield* fieldsOf(file, chunk);
  return located(chunk, () => restartOf(chunk, fields));
}

export function* readRestartState(file: TraceFile, chunk: IndexedChunk): Io<PlainData> {
  return yield* readState(file, chunk, yield* fieldsOf(file, chunk));
}

function restartOf(chunk: IndexedChunk, fields: Fields): RestartPoint | undefined {
  const hashes = fields.raw('hashes');
  if (hashes === undefined) return undefined;
  const position = fields.integer('position');
  if (position !== chunk.first) throw new DecodeError('a checkpoint is at another position than its chunk');
  return {
    chunk: chunk.number,
    position,
    time: fields.integer('time'),
    ordinal: fields.integer('ordinal'),
    hashes: decodeStateHashes(hashes),
  };
}

/** Address and place of each page, an undefined place for one of zeros. */
function pagesOf(chunk: IndexedChunk, fields: Fields): Map<number, PiecePlace | undefined> {
  return located(chunk, () => {
    const pages: Map<number, PiecePlace | undefined> = decodePlaces(
      fields.array('pages'),
      Number.MAX_SAFE_INTEGER,
      chunk.number,
    );
    if (!fields.has('zeros')) return pages;
    for (const address of fields.array('zeros')) {
      if (typeof address !== 'number' || !Number.isSafeInteger(address) || address < 0) {
        throw new DecodeError('a list of pages is malformed');
      }
      pages.set(address, undefined);
    }
    return pages;
  });
}

/**
 * The pages that have to be laid over the machine as it is built, each once, in no order. With `own` only those
 * that the checkpoint itself brings.
 */
export function* readPages(file: TraceFile, chunk: IndexedChunk, own: boolean): IoStream<SavedPage> {
  const pages = new Map<number, PiecePlace | undefined>();
  let at: IndexedChunk | undefined = chunk;
  while (at !== undefined) {
    const here: IndexedChunk = at;
    const fields: Fields = yield* asIo(fieldsOf(file, here));
    for (const [address, place] of pagesOf(here, fields)) if (!pages.has(address)) pages.set(address, place);
    at = own ? undefined : baseOf(file, here, fields);
  }
  const found = [...pages].map(([address, place]) => ({ address, place }));
  // Chunk by chunk: unpacking one over and over again would cost more than all the rest.
  found.sort((a, b) => (a.place?.chunk ?? 0) - (b.place?.chunk ?? 0));
  for (let from = 0; from < found.length; from += BATCH) {
    const batch: SavedPage[] = [];
    for (const { address, place } of found.slice(from, from + BATCH)) {
      batch.push({
        address,
        bytes: place === undefined ? ZEROS : yield* asIo(readPiece(file, place, PAGE_BYTES)),
      });
    }
    yield batch;
  }
}

/** The checkpoint that one builds on, which lies before it; undefined: the machine as it is built. */
function baseOf(file: TraceFile, chunk: IndexedChunk, fields: Fields): IndexedChunk | undefined {
  return located(chunk, () => {
    if (!fields.has('base')) return undefined;
    const base = file.chunks[fields.integer('base', 0, chunk.number - 1)];
    if (base?.kind !== CHUNK.checkpoint) throw new DecodeError('a checkpoint builds on something else');
    return base;
  });
}

function* asIo<T>(io: Io<T>): Generator<ReadRequest, T, Uint8Array | undefined> {
  let step = io.next();
  while (step.done !== true) step = io.next((yield step.value)!);
  return step.value;
}

function* readState(file: TraceFile, chunk: IndexedChunk, fields: Fields): Io<PlainData> {
  const { sizes, places, state } = located(chunk, () => {
    const state = fields.raw('state');
    if (state === undefined) throw new DecodeError('a checkpoint has no state');
    if (!fields.has('blobSizes')) return { sizes: [], places: new Map<number, PiecePlace>(), state };
    const sizes = fields.array('blobSizes').map((size) => {
      if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < BLOB_LEAST) {
        throw new DecodeError('a list of sizes is malformed');
      }
      return size;
    });
    if (sizes.reduce((sum, size) => sum + size, 0) > MAX_BLOB_BYTES) {
      throw new DecodeError('a checkpoint is over the limit');
    }
    const count = sizes.reduce((sum, size) => sum + Math.ceil(size / BLOB_PIECE), 0);
    return { sizes, places: decodePlaces(fields.array('blobs'), count, chunk.number), state };
  });
  if (sizes.length === 0) return state;
  const blobs: Uint8Array[] = [];
  let number = 0;
  for (const size of sizes) {
    const blob = new Uint8Array(size);
    for (let at = 0; at < size; at += BLOB_PIECE, number++) {
      const place = places.get(number);
      if (place !== undefined) blob.set(yield* readPiece(file, place, Math.min(BLOB_PIECE, size - at)), at);
    }
    blobs.push(blob);
  }
  return located(chunk, () => insertBlobs(state, blobs));
}

function insertBlobs(value: PlainData, blobs: readonly Uint8Array[]): PlainData {
  if (value === null || typeof value !== 'object' || value instanceof Uint8Array) return value;
  if (Array.isArray(value)) return value.map((item) => insertBlobs(item as PlainData, blobs));
  const entries = Object.entries(value);
  if (entries.length === 1 && entries[0]![0] === '') {
    const blob = blobs[entries[0]![1] as number];
    if (blob === undefined) throw new DecodeError('a checkpoint refers to bytes that are not there');
    return blob;
  }
  return Object.fromEntries(entries.map(([key, item]) => [key, insertBlobs(item, blobs)]));
}
