import { PURE_CODEC, type TraceCodec } from './codec.ts';
import { DecodeError, TraceError } from './errors.ts';
import { EventChunk } from './event-chunk.ts';
import {
  CHUNK,
  CHUNK_HEADER_BYTES,
  type ChunkName,
  chunkName,
  decodeChunkHeader,
  decodeFileHeader,
  decodeTrailer,
  FILE_HEADER_BYTES,
  FLAG,
  fileHeaderPayloadBytes,
  TRAILER_BYTES,
} from './format.ts';
import { decodeStateHashes } from './hashes.ts';
import { decodePieces } from './images.ts';
import { type Io, read } from './io.ts';
import { codecOfChunk } from './kinds.ts';
import { WeightedCache } from './lru.ts';
import { Fields, type PlainData, unpack } from './msgpack.ts';
import { type ChunkSummary, summarize } from './summary.ts';
import { decodeIndex, type IndexedChunk } from './trace-index.ts';
import type { TraceEnd, TraceHeader } from './types.ts';

export interface OpenOptions {
  readonly codec?: TraceCodec;
  /** Bytes of decoded chunks kept in memory; default 64 MiB. */
  readonly cacheBytes?: number;
}

/** How the chunks were found. `scan`: the recording was not closed, or its index is unreadable. */
export type OpenedBy = 'index' | 'scan';

/** An open trace: its header, the list of chunks, and any chunk on demand. */
export class TraceFile {
  readonly header: TraceHeader;
  readonly chunks: readonly IndexedChunk[];
  readonly openedBy: OpenedBy;
  /** What stopped the scan before the end of the file: a torn last chunk, or damage. */
  readonly damage: TraceError | undefined;
  /** Absent if the recording was not ended (killed, full disk). */
  readonly end: TraceEnd | undefined;
  readonly #codec: TraceCodec;
  readonly #events: WeightedCache<EventChunk>;
  readonly #pieces: WeightedCache<Uint8Array[]>;
  #groups: IndexedChunk[][] | undefined;
  readonly #summaries = new Map<number, ChunkSummary>();

  private constructor(
    header: TraceHeader,
    found: { chunks: readonly IndexedChunk[]; openedBy: OpenedBy; damage?: TraceError | undefined },
    end: TraceEnd | undefined,
    options: OpenOptions,
  ) {
    this.header = header;
    this.chunks = found.chunks;
    this.openedBy = found.openedBy;
    this.damage = found.damage;
    this.end = end;
    this.#codec = options.codec ?? PURE_CODEC;
    const bytes = options.cacheBytes ?? 64 << 20;
    this.#events = new WeightedCache(bytes);
    this.#pieces = new WeightedCache(bytes);
  }

  /** Throws TraceError. */
  static *open(size: number, options: OpenOptions = {}): Io<TraceFile> {
    const codec = options.codec ?? PURE_CODEC;
    const fixed = yield* read(0, Math.min(FILE_HEADER_BYTES, size));
    const start = FILE_HEADER_BYTES + fileHeaderPayloadBytes(fixed, size);
    const header = decodeFileHeader(yield* read(0, start));
    const found = (yield* openByIndex(start, size, codec)) ?? (yield* openByScan(start, size, codec));
    const last = found.chunks.findLast((chunk) => chunk.kind === CHUNK.end);
    const end = last === undefined ? undefined : decodeEnd(yield* loadData(last, codec), last);
    return new TraceFile(header, found, end, options);
  }

  /**
   * Replay can go up to here: all events at positions below are in the file. For an ended recording, one
   * more than its final position.
   */
  get complete(): number {
    return this.chunks.findLast((chunk) => (chunk.flags & FLAG.groupEnd) !== 0)?.complete ?? 0;
  }

  /**
   * Chunks of events that were cut at the same moment. All events of a group come before all of the next one,
   * so merging needs only one group in memory.
   */
  get groups(): readonly (readonly IndexedChunk[])[] {
    if (this.#groups !== undefined) return this.#groups;
    const groups: IndexedChunk[][] = [];
    let group: IndexedChunk[] = [];
    for (const chunk of this.chunks) {
      const name = chunkName(chunk.kind);
      if (name !== undefined && codecOfChunk(name) !== undefined) group.push(chunk);
      if ((chunk.flags & FLAG.groupEnd) !== 0 && group.length > 0) {
        groups.push(group);
        group = [];
      }
    }
    if (group.length > 0) groups.push(group);
    this.#groups = groups;
    return groups;
  }

  /** The chunks of a kind, in order. */
  ofKind(name: ChunkName): IndexedChunk[] {
    return this.chunks.filter((chunk) => chunk.kind === CHUNK[name]);
  }

  *payload(chunk: IndexedChunk): Io<Uint8Array> {
    return yield* loadPayload(chunk, this.#codec);
  }

  /** A chunk that holds one msgpack value. */
  *data(chunk: IndexedChunk): Io<PlainData> {
    return yield* loadData(chunk, this.#codec);
  }

  *events(chunk: IndexedChunk): Io<EventChunk> {
    const cached = this.#events.get(chunk.number);
    if (cached !== undefined) return cached;
    const name = chunkName(chunk.kind);
    const codec = name === undefined ? undefined : codecOfChunk(name);
    if (codec === undefined) throw new Error(`chunk ${chunk.number} holds no events`);
    const payload = yield* this.payload(chunk);
    const events = located(chunk, () => new EventChunk(codec, chunk, payload));
    this.#events.set(chunk.number, events, events.weight);
    return events;
  }

  *pieces(chunk: IndexedChunk): Io<Uint8Array[]> {
    const cached = this.#pieces.get(chunk.number);
    if (cached !== undefined) return cached;
    const payload = yield* this.payload(chunk);
    const pieces = located(chunk, () => decodePieces(unpack(payload)));
    this.#pieces.set(chunk.number, pieces, payload.length);
    return pieces;
  }

  /** From the index; without one the chunk is read. */
  *summary(chunk: IndexedChunk): Io<ChunkSummary> {
    let summary = chunk.summary ?? this.#summaries.get(chunk.number);
    if (summary === undefined) {
      const events = yield* this.events(chunk);
      const counts = new Array<number>(events.sites.length).fill(0);
      for (const site of events.table.site) counts[site]!++;
      summary = summarize(events.sites, counts);
      this.#summaries.set(chunk.number, summary);
    }
    return summary;
  }
}

/** Runs a decoder; what it finds wrong is reported with the chunk's number and offset. */
export function located<T>(chunk: IndexedChunk, decode: () => T): T {
  try {
    return decode();
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    const { number, offset } = chunk;
    const kind = chunkName(chunk.kind) ?? `kind ${chunk.kind}`;
    throw new TraceError('damaged', `${kind}: ${error.message}`, { chunk: number, offset });
  }
}

/** Reads a chunk, holds it against its entry, checks the checksum and unpacks it. */
function* loadPayload(chunk: IndexedChunk, codec: TraceCodec): Io<Uint8Array> {
  const { number, offset, storedBytes } = chunk;
  const fail = (why: string): never => {
    throw new TraceError('damaged', why, { chunk: number, offset });
  };
  const bytes = yield* read(offset, CHUNK_HEADER_BYTES + storedBytes);
  const header = decodeChunkHeader(bytes, number, offset, offset + bytes.length);
  for (const field of [
    'kind',
    'flags',
    'storedBytes',
    'rawBytes',
    'count',
    'first',
    'last',
    'complete',
    'crc',
  ] as const) {
    if (header[field] !== chunk[field]) fail(`index and chunk disagree about ${field}`);
  }
  const stored = bytes.subarray(CHUNK_HEADER_BYTES);
  if (codec.crc32(stored) !== chunk.crc) fail('checksum is wrong');
  if ((chunk.flags & FLAG.stored) !== 0) return stored;
  try {
    return codec.decompress(stored, chunk.rawBytes);
  } catch (error) {
    return fail((error as Error).message);
  }
}

function* loadData(chunk: IndexedChunk, codec: TraceCodec): Io<PlainData> {
  const payload = yield* loadPayload(chunk, codec);
  return located(chunk, () => unpack(payload));
}

/** Undefined if there is no index, or none that can be believed. */
function* openByIndex(
  start: number,
  size: number,
  codec: TraceCodec,
): Io<{ chunks: readonly IndexedChunk[]; openedBy: OpenedBy } | undefined> {
  if (size < start + CHUNK_HEADER_BYTES + TRAILER_BYTES) return undefined;
  const trailer = decodeTrailer(yield* read(size - TRAILER_BYTES, TRAILER_BYTES));
  if (trailer === undefined) return undefined;
  const { offset, number } = trailer;
  const end = size - TRAILER_BYTES;
  if (!(offset >= start && offset <= end - CHUNK_HEADER_BYTES)) return undefined;
  const head = yield* read(offset, CHUNK_HEADER_BYTES);
  try {
    const entry = decodeChunkHeader(head, number, offset, end);
    if (entry.kind !== CHUNK.index || offset + CHUNK_HEADER_BYTES + entry.storedBytes !== end)
      return undefined;
    const chunks = decodeIndex(yield* loadData(entry, codec), start, offset);
    return chunks.length === number ? { chunks, openedBy: 'index' } : undefined;
  } catch (error) {
    if (error instanceof DecodeError || error instanceof TraceError) return undefined;
    throw error;
  }
}

/** Goes from chunk to chunk, by their headers, as far as they are whole. */
function* openByScan(
  start: number,
  size: number,
  codec: TraceCodec,
): Io<{ chunks: readonly IndexedChunk[]; openedBy: OpenedBy; damage?: TraceError | undefined }> {
  const chunks: IndexedChunk[] = [];
  let damage: TraceError | undefined;
  for (let offset = start; offset < size; ) {
    const head = yield* read(offset, Math.min(CHUNK_HEADER_BYTES, size - offset));
    try {
      const entry = decodeChunkHeader(head, chunks.length, offset, size);
      chunks.push(entry);
      offset += CHUNK_HEADER_BYTES + entry.storedBytes;
      if (entry.kind === CHUNK.index) break;
    } catch (error) {
      if (!(error instanceof TraceError)) throw error;
      damage = error;
      break;
    }
  }
  // After a power failure a file can have its full length but not its last contents.
  for (;;) {
    const last = chunks.at(-1);
    if (last === undefined) break;
    try {
      yield* loadPayload(last, codec);
      break;
    } catch (error) {
      if (!(error instanceof TraceError)) throw error;
      damage = error;
      chunks.pop();
    }
  }
  if (chunks.at(-1)?.kind === CHUNK.index) chunks.pop();
  return { chunks, openedBy: 'scan', damage };
}

function decodeEnd(data: PlainData, chunk: IndexedChunk): TraceEnd {
  return located(chunk, () => {
    const fields = new Fields(data);
    const hashes = fields.raw('hashes');
    return {
      position: fields.integer('position'),
      time: fields.integer('time'),
      reason: fields.string('reason'),
      ...(fields.has('detail') ? { detail: fields.string('detail') } : {}),
      ...(hashes === undefined ? {} : { hashes: decodeStateHashes(hashes) }),
    };
  });
}
