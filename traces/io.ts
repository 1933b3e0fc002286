import { TraceError } from './errors.ts';
import type { ByteSource, SyncByteSource } from './types.ts';

/**
 * Reading is written once, as generators that ask for bytes, and driven by an asynchronous source (browser)
 * or a synchronous one (replay in Node, which cannot wait).
 */
export interface ReadRequest {
  readonly offset: number;
  readonly length: number;
}

/** A computation that needs bytes on its way to a T. */
export type Io<T> = Generator<ReadRequest, T, Uint8Array>;

/** A computation that needs bytes on its way to many batches of T. */
export type IoStream<T> = Generator<ReadRequest | T[], void, Uint8Array | undefined>;

export function* read(offset: number, length: number): Io<Uint8Array> {
  return yield { offset, length };
}

function checked(bytes: Uint8Array, request: ReadRequest): Uint8Array {
  if (bytes.length === request.length) return bytes;
  throw new TraceError('damaged', `asked for ${request.length} bytes, got ${bytes.length}`, {
    offset: request.offset,
  });
}

export function runSync<T>(source: SyncByteSource, io: Io<T>): T {
  let step = io.next();
  while (step.done !== true) {
    step = io.next(checked(source.read(step.value.offset, step.value.length), step.value));
  }
  return step.value;
}

export async function runAsync<T>(source: ByteSource, io: Io<T>): Promise<T> {
  let step = io.next();
  while (step.done !== true) {
    step = io.next(checked(await source.read(step.value.offset, step.value.length), step.value));
  }
  return step.value;
}

export function* streamSync<T>(source: SyncByteSource, io: IoStream<T>): Generator<T[], void> {
  let step = io.next(undefined);
  while (step.done !== true) {
    if (Array.isArray(step.value)) {
      yield step.value;
      step = io.next(undefined);
    } else step = io.next(checked(source.read(step.value.offset, step.value.length), step.value));
  }
}

export async function* streamAsync<T>(source: ByteSource, io: IoStream<T>): AsyncGenerator<T[], void> {
  let step = io.next(undefined);
  while (step.done !== true) {
    if (Array.isArray(step.value)) {
      yield step.value;
      step = io.next(undefined);
    } else step = io.next(checked(await source.read(step.value.offset, step.value.length), step.value));
  }
}

/** A trace in memory, e.g. one that was just recorded or dropped on a page. */
export class MemorySource implements SyncByteSource {
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get size(): number {
    return this.#bytes.length;
  }

  read(offset: number, length: number): Uint8Array {
    return this.#bytes.subarray(offset, offset + length);
  }

  /** The same as an asynchronous source. */
  asAsync(): ByteSource {
    return { size: this.size, read: (offset, length) => Promise.resolve(this.read(offset, length)) };
  }
}
