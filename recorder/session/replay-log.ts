/** What a replay reads of a trace as it goes: inputs, expected events, checkpoints; each in a queue. */
import type { Ns, Position } from '../../engine/base/units.ts';
import type { InputRecord, Ordered, RestartPoint, SyncTraceReader, TraceEvent } from '../../traces/index.ts';

/** A place in the order of events. */
type OrderedPlace = { readonly position: Position; readonly ordinal: number };

export function comesBefore(a: OrderedPlace, b: OrderedPlace): boolean {
  return a.position < b.position || (a.position === b.position && a.ordinal <= b.ordinal);
}

/** Whether hashes were taken before a checkpoint, or with it. */
export function isBefore(
  record: { readonly position: Position; readonly time: Ns } | undefined,
  { position, time }: RestartPoint,
): boolean {
  if (record === undefined) return false;
  return record.position < position || (record.position === position && record.time <= time);
}

/** The recorded inputs in two queues, pushed and pulled, read as far as either needs. */
export class InputLog {
  readonly #source: Iterator<Ordered<InputRecord>>;
  readonly #queues: { readonly push: Ordered<InputRecord>[]; readonly pull: Ordered<InputRecord>[] } = {
    push: [],
    pull: [],
  };

  constructor(source: Iterable<Ordered<InputRecord>>) {
    this.#source = source[Symbol.iterator]();
  }

  peek(mode: 'push' | 'pull'): Ordered<InputRecord> | undefined {
    const queue = this.#queues[mode];
    while (queue.length === 0) {
      const next = this.#source.next();
      if (next.done === true) return undefined;
      this.#queues[next.value.mode].push(next.value);
    }
    return queue[0];
  }

  take(mode: 'push' | 'pull'): Ordered<InputRecord> | undefined {
    const input = this.peek(mode);
    this.#queues[mode].shift();
    return input;
  }

  /** Leaves out what came before a checkpoint. */
  skipTo(point: RestartPoint): void {
    for (const mode of ['push', 'pull'] as const) {
      for (
        let input = this.peek(mode);
        input !== undefined && !comesBefore(point, input);
        input = this.peek(mode)
      ) {
        this.take(mode);
      }
    }
  }
}

/** The events that a replay has to show, up to where the trace is complete. */
export class ExpectedEvents {
  readonly #source: Iterator<TraceEvent>;
  readonly #complete: Position;
  #next: TraceEvent | undefined;

  constructor(reader: SyncTraceReader, from?: RestartPoint) {
    this.#source = reader.events(from === undefined ? {} : { from })[Symbol.iterator]();
    this.#complete = reader.complete;
  }

  take(): TraceEvent | undefined {
    const event = this.#peek();
    this.#next = undefined;
    return event;
  }

  /** The next one, if it should have come before a checkpoint. */
  takeBefore(point: RestartPoint): TraceEvent | undefined {
    const event = this.#peek();
    return event === undefined || comesBefore(point, event) ? undefined : this.take();
  }

  #peek(): TraceEvent | undefined {
    if (this.#next === undefined) {
      const next = this.#source.next();
      if (next.done !== true && next.value.position < this.#complete) this.#next = next.value;
    }
    return this.#next;
  }
}

/** Checkpoints that one can go on from, in order, read when it is their turn. */
export class CheckpointQueue {
  readonly #reader: SyncTraceReader;
  #chunks: number[];
  #next: RestartPoint | undefined;

  constructor(reader: SyncTraceReader, wanted: boolean) {
    this.#reader = reader;
    this.#chunks = wanted ? [...reader.checkpointChunks] : [];
  }

  next(): RestartPoint | undefined {
    while (this.#next === undefined && this.#chunks.length > 0) {
      this.#next = usablePoint(this.#reader, this.#chunks.shift()!);
    }
    return this.#next;
  }

  take(): void {
    this.#next = undefined;
  }

  clear(): void {
    this.#next = undefined;
    this.#chunks = [];
  }

  skipTo({ chunk }: RestartPoint): void {
    this.#next = undefined;
    this.#chunks = this.#chunks.filter((number) => number > chunk);
  }
}

/**
 * The checkpoint in a chunk; undefined if one cannot go on from it: it was made for something else, or stands right
 * where a trace breaks off, where inputs that came before it may not count.
 */
export function usablePoint(reader: SyncTraceReader, chunk: number): RestartPoint | undefined {
  const point = reader.restartPoint(chunk);
  if (point === undefined) return undefined;
  const { end, complete } = reader;
  return point.position < (end?.position ?? complete) ? point : undefined;
}
