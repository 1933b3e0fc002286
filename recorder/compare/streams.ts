/** A trace as sequences of meanings, in memory that is bounded however long it is. */
import { type RegisterMaps, type SyncTraceReader, TraceError, type TraceEvent } from '../../traces/index.ts';
import { readable } from '../session/readable.ts';
import { hashText, lineMeaning, MeaningReader, type StreamKey } from './meaning.ts';

/** Elements of all sequences of a trace. */
const MAX_ELEMENTS = 8_000_000;
/** Events read, polling and all. */
const MAX_EVENTS = 30_000_000;
const MAX_STREAMS = 4096;
const MAX_LINE = 4096;

class Column {
  #values = new Float64Array(64);
  length = 0;

  push(value: number): void {
    if (this.length === this.#values.length) {
      const larger = new Float64Array(2 * this.length);
      larger.set(this.#values);
      this.#values = larger;
    }
    this.#values[this.length++] = value;
  }

  get last(): number {
    return this.length === 0 ? Number.NaN : this.#values[this.length - 1]!;
  }

  finish(): Float64Array {
    return this.#values.subarray(0, this.length);
  }
}

export interface Stream extends StreamKey {
  readonly key: string;
  /** Hashes of what is compared. */
  readonly hashes: Float64Array;
  readonly positions: Float64Array;
  /** Index among the events of that position; for console lines that of the output that began it. */
  readonly ordinals: Float64Array;
  /** With those that were left out as polling. */
  readonly events: number;
  /** Interrupts acknowledged. */
  readonly taken: number;
}

interface OpenStream {
  readonly key: StreamKey;
  readonly hashes: Column;
  readonly positions: Column;
  readonly ordinals: Column;
  events: number;
  taken: number;
}

interface OpenLine {
  bytes: number[];
  position: number;
  ordinal: number;
}

export interface TraceStreams {
  readonly streams: ReadonlyMap<string, Stream>;
  /** Undefined: to the end. */
  readonly comparedTo?: number;
}

/** Which streams and registers are compared. */
export type Chosen = (stream: StreamKey, token: string) => boolean;

/** Reads a trace once. @throws TraceError */
export function readStreams(reader: SyncTraceReader, maps: RegisterMaps, chosen: Chosen): TraceStreams {
  const meanings = new MeaningReader(maps);
  const open = new Map<string, OpenStream>();
  const lines = new Map<string, OpenLine>();
  let elements = 0;
  let full = false;
  let comparedTo: number | undefined;
  const add = (
    key: StreamKey,
    token: string,
    repeats: boolean,
    at: { position: number; ordinal: number },
  ): void => {
    if (!chosen(key, token)) return;
    const name = streamName(key);
    let stream = open.get(name);
    if (stream === undefined) {
      if (open.size >= MAX_STREAMS) {
        full = true;
        return;
      }
      stream = {
        key,
        hashes: new Column(),
        positions: new Column(),
        ordinals: new Column(),
        events: 0,
        taken: 0,
      };
      open.set(name, stream);
    }
    stream.events += 1;
    if (token === 'acknowledge') stream.taken += 1;
    const hash = hashText(token);
    if (repeats && stream.hashes.last === hash) return;
    stream.hashes.push(hash);
    stream.positions.push(at.position);
    stream.ordinals.push(at.ordinal);
    elements += 1;
  };
  const endLine = (device: string, line: OpenLine): void => {
    if (line.bytes.length === 0) return;
    const text = lineMeaning(readable(Uint8Array.from(line.bytes)));
    add(meanings.console(device), text, false, line);
    line.bytes = [];
  };
  const print = (event: TraceEvent & { kind: 'output' }): void => {
    let line = lines.get(event.device);
    if (line === undefined) {
      if (lines.size >= MAX_STREAMS) {
        full = true;
        return;
      }
      line = { bytes: [], position: event.position, ordinal: event.ordinal };
      lines.set(event.device, line);
    }
    for (const byte of event.bytes) {
      if (line.bytes.length === 0) {
        line.position = event.position;
        line.ordinal = event.ordinal;
      }
      if (byte === 0x0a || line.bytes.length >= MAX_LINE) endLine(event.device, line);
      if (byte !== 0x0a) line.bytes.push(byte);
    }
  };
  let held: TraceEvent | undefined;
  const take = (event: TraceEvent): void => {
    const meaning = meanings.of(event);
    if (meaning !== undefined) add(meaning.stream, meaning.token, meaning.repeats, event);
  };
  let read = 0;
  const readAll = (): void => {
    for (const batch of reader.batches({})) {
      for (const event of batch) {
        // An access that prints is compared as what it prints.
        if (held !== undefined) {
          const isPrinted =
            event.kind === 'output' &&
            held.kind === 'access' &&
            event.device === held.device &&
            event.position === held.position;
          if (!isPrinted) take(held);
          held = undefined;
        }
        if (event.kind === 'output') print(event);
        else if (event.kind === 'access' && event.write) held = event;
        else take(event);
      }
      read += batch.length;
      if (full || elements >= MAX_ELEMENTS || read >= MAX_EVENTS) {
        comparedTo = batch.at(-1)!.position;
        return;
      }
    }
  };
  try {
    readAll();
  } catch (error) {
    // A damaged chunk ends what can be compared, as a recording that was killed does.
    if (!(error instanceof TraceError) || elements === 0) throw error;
    comparedTo = 0;
    for (const { positions } of open.values()) comparedTo = Math.max(comparedTo, positions.last || 0);
  }
  if (held !== undefined) take(held);
  for (const [device, line] of lines) endLine(device, line);
  const streams = new Map<string, Stream>();
  for (const [name, { key, hashes, positions, ordinals, events, taken }] of open) {
    streams.set(name, {
      ...key,
      key: name,
      hashes: hashes.finish(),
      positions: positions.finish(),
      ordinals: ordinals.finish(),
      events,
      taken,
    });
  }
  return comparedTo === undefined ? { streams } : { streams, comparedTo };
}

const OTHERS = {
  'guest-error': (id: string) => `guest errors of ${id}`,
  exception: (id: string) => `exceptions of ${id}`,
  dma: (id: string) => `DMA of ${id}`,
  power: () => 'power',
};

/** `gic-cpu on cpu0`, `interrupt 34`, `console of uart0`. */
export function streamName({ kind, id, cpu }: StreamKey): string {
  const name =
    kind === 'device'
      ? id
      : kind === 'interrupt'
        ? `interrupt ${id}`
        : kind === 'console'
          ? `console of ${id}`
          : OTHERS[kind](id);
  return cpu < 0 ? name : `${name} on cpu${cpu}`;
}
