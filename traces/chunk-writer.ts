import type { TraceCodec } from './codec.ts';
import { TraceWriteError } from './errors.ts';
import {
  CHUNK,
  CHUNK_HEADER_BYTES,
  type ChunkName,
  encodeChunkHeader,
  encodeTrailer,
  FLAG,
  MAX_RAW_BYTES,
} from './format.ts';
import { type PlainData, pack } from './msgpack.ts';
import type { ChunkSummary } from './summary.ts';
import { encodeIndex, type IndexedChunk } from './trace-index.ts';
import type { TraceSink } from './types.ts';

/** What a chunk is about, besides its payload. */
export interface ChunkFacts {
  readonly kind: ChunkName;
  readonly count: number;
  readonly first: number;
  readonly last: number;
  readonly complete: number;
  readonly groupEnd: boolean;
  readonly summary?: ChunkSummary;
}

/** Puts chunks end to end into a sink and remembers them for the index. */
export class ChunkWriter {
  readonly #sink: TraceSink;
  readonly #codec: TraceCodec;
  readonly #chunks: IndexedChunk[] = [];
  #offset = 0;
  #start = 0;
  #failure: TraceWriteError | undefined;

  constructor(sink: TraceSink, codec: TraceCodec, header: Uint8Array) {
    this.#sink = sink;
    this.#codec = codec;
    this.#emit(header);
    this.#start = this.#offset;
  }

  get failure(): TraceWriteError | undefined {
    return this.#failure;
  }

  get bytesWritten(): number {
    return this.#offset;
  }

  /** Number that the next chunk will have. */
  get nextNumber(): number {
    return this.#chunks.length;
  }

  #emit(bytes: Uint8Array): void {
    if (this.#failure !== undefined) throw this.#failure;
    try {
      this.#sink.write(bytes);
    } catch (error) {
      this.#failure = new TraceWriteError(this.#offset, error);
      throw this.#failure;
    }
    this.#offset += bytes.length;
  }

  /** Writes a chunk and returns its number. Throws TraceWriteError. */
  put(facts: ChunkFacts, payload: Uint8Array, effort: 'small' | 'fast' = 'small'): number {
    if (payload.length > MAX_RAW_BYTES)
      throw new RangeError(`a chunk of ${payload.length} bytes is too large`);
    let stored = this.#codec.compress(payload, effort);
    let flags = facts.groupEnd ? FLAG.groupEnd : 0;
    if (stored.length >= payload.length) {
      stored = payload;
      flags |= FLAG.stored;
    }
    const { first, last, complete, count, summary } = facts;
    const header = {
      number: this.#chunks.length,
      kind: CHUNK[facts.kind],
      flags,
      storedBytes: stored.length,
      rawBytes: payload.length,
      count,
      first,
      last,
      complete,
      crc: this.#codec.crc32(stored),
    };
    const bytes = new Uint8Array(CHUNK_HEADER_BYTES + stored.length);
    bytes.set(encodeChunkHeader(header));
    bytes.set(stored, CHUNK_HEADER_BYTES);
    const offset = this.#offset;
    this.#emit(bytes);
    this.#chunks.push({ ...header, offset, ...(summary === undefined ? {} : { summary }) });
    return header.number;
  }

  /** A chunk of one record that stands for a moment. */
  putRecord(kind: ChunkName, position: number, complete: number, groupEnd: boolean, data: PlainData): void {
    this.put({ kind, count: 1, first: position, last: position, complete, groupEnd }, pack(data));
  }

  /** Index and trailer: nothing can follow. */
  finish(complete: number): void {
    const offset = this.#offset;
    const number = this.#chunks.length;
    this.putRecord('index', 0, complete, true, encodeIndex(this.#chunks, this.#start));
    this.#emit(encodeTrailer(offset, number));
  }
}
