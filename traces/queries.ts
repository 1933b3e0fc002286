import type { EventChunk } from './event-chunk.ts';
import { admitsKind, type EventFilter, inRange, matcherFor, placeOf, summaryMayMatch } from './filter.ts';
import { chunkName } from './format.ts';
import type { Io, IoStream, ReadRequest } from './io.ts';
import { codecOfChunk } from './kinds.ts';
import type { TraceFile } from './trace-file.ts';
import type { IndexedChunk } from './trace-index.ts';
import type { TraceEvent } from './types.ts';

const BATCH = 1024;

/** One chunk's matching events, in the order of the search. */
class ChunkCursor {
  readonly chunk: EventChunk;
  readonly #matches: (index: number) => boolean;
  readonly #step: 1 | -1;
  readonly #stop: number;
  index: number;

  constructor(chunk: EventChunk, filter: EventFilter) {
    this.chunk = chunk;
    this.#matches = matcherFor(filter, chunk);
    const from = filter.from === undefined ? undefined : placeOf(filter.from);
    const to = filter.to === undefined ? undefined : placeOf(filter.to);
    const low = from === undefined ? 0 : chunk.search(from.position, from.ordinal);
    const high = to === undefined ? chunk.count : chunk.search(to.position, to.ordinal);
    const backward = filter.direction === 'backward';
    this.#step = backward ? -1 : 1;
    this.index = backward ? high - 1 : low;
    this.#stop = backward ? Math.min(low, high) - 1 : Math.max(low, high);
    this.#settle();
  }

  get done(): boolean {
    return this.index === this.#stop;
  }

  #settle(): void {
    while (this.index !== this.#stop && !this.#matches(this.index)) this.index += this.#step;
  }

  advance(): void {
    this.index += this.#step;
    this.#settle();
  }

  /** Whether this cursor's event comes before the other's in forward order. */
  isBefore(other: ChunkCursor): boolean {
    const a = this.chunk.table;
    const b = other.chunk.table;
    const difference = a.position[this.index]! - b.position[other.index]!;
    return difference !== 0 ? difference < 0 : a.ordinal[this.index]! < b.ordinal[other.index]!;
  }
}

/** Chunks of the group that can have matching events: by position, by kind, then by summary. */
function* candidates(file: TraceFile, group: readonly IndexedChunk[], filter: EventFilter): Io<EventChunk[]> {
  const found: EventChunk[] = [];
  for (const chunk of group) {
    const codec = codecOfChunk(chunkName(chunk.kind)!)!;
    if (chunk.count === 0 || !inRange(filter, chunk)) continue;
    if (!codec.kinds.some((kind) => admitsKind(filter, kind))) continue;
    if (chunk.summary !== undefined && !summaryMayMatch(filter, chunk.summary)) continue;
    found.push(yield* file.events(chunk));
  }
  return found;
}

type Merged = Generator<ReadRequest, EventChunk[], Uint8Array | undefined>;

/** Matching events of all kinds, merged in order of (position, ordinal), in batches. */
export function* selectEvents(file: TraceFile, filter: EventFilter): IoStream<TraceEvent> {
  const backward = filter.direction === 'backward';
  const groups = backward ? file.groups.toReversed() : file.groups;
  let left = filter.limit ?? Number.POSITIVE_INFINITY;
  let batch: TraceEvent[] = [];
  for (const group of groups) {
    if (left <= 0) return;
    // The driver answers every request with bytes; only batches are answered with nothing.
    const chunks = yield* candidates(file, group, filter) as Merged;
    let cursors = chunks.map((chunk) => new ChunkCursor(chunk, filter)).filter((cursor) => !cursor.done);
    while (cursors.length > 0 && left > 0) {
      let next = cursors[0]!;
      for (const cursor of cursors) {
        if (cursor !== next && cursor.isBefore(next) !== backward) next = cursor;
      }
      batch.push(next.chunk.event(next.index));
      left--;
      next.advance();
      if (next.done) cursors = cursors.filter((cursor) => cursor !== next);
      if (batch.length >= BATCH || left === 0) {
        yield batch;
        batch = [];
      }
    }
  }
  if (batch.length > 0) yield batch;
}

/** The first event of a search, read no further than needed. */
export function* firstEvent(file: TraceFile, filter: EventFilter): Io<TraceEvent | undefined> {
  const search = selectEvents(file, { ...filter, limit: 1 });
  let step = search.next(undefined);
  while (step.done !== true) {
    if (Array.isArray(step.value)) return step.value[0];
    step = search.next(yield step.value);
  }
  return undefined;
}
