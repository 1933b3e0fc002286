import type { EventKind, MachineEvent } from '../engine/base/events.ts';
import type { Position } from '../engine/base/units.ts';
import { encodeCheckpoint } from './checkpoint.ts';
import { ChunkWriter } from './chunk-writer.ts';
import { PURE_CODEC, type TraceCodec } from './codec.ts';
import type { TraceWriteError } from './errors.ts';
import { EventChunkEncoder } from './event-chunk.ts';
import { encodeFileHeader } from './format.ts';
import { encodeHashes, encodeStateHashes } from './hashes.ts';
import { encodeManifest, PIECE_BYTES, piecesOf } from './images.ts';
import { KIND_CODECS } from './kinds.ts';
import { keeps } from './levels.ts';
import { type PlainData, pack } from './msgpack.ts';
import { PieceWriter } from './piece-writer.ts';
import { summarize } from './summary.ts';
import type {
  HashRecord,
  ImageRef,
  ImageSource,
  InputRecord,
  NewCheckpoint,
  TraceEnd,
  TraceHeader,
  TraceSink,
} from './types.ts';

/** A group is cut when one kind has so many events… */
const GROUP_EVENTS = 1 << 14;
/** …or all kinds together so many bytes of columns. */
const GROUP_BYTES = 256 << 10;
/** Columns are measured every so many events. */
const MEASURE_EVERY = 256;
/** Of one input or output. */
const MAX_EVENT_BYTES = 16 << 20;

/**
 * Writes a trace, append-only. Events of all kinds are cut into chunks at the same moments (a *group*), inputs
 * first, so that a file that ends anywhere is complete up to its last whole group.
 *
 * `event` and `input` are called from inside the machine and never throw because of the sink: a failure
 * (a full disk) is kept in `failure`, later events are dropped, and every other method throws it. What was
 * written before stays a valid trace.
 */
export class TraceWriter {
  readonly header: TraceHeader;
  readonly #codec: TraceCodec;
  readonly #chunks: ChunkWriter;
  /** By number of the codec in KIND_CODECS. */
  readonly #open: (EventChunkEncoder | undefined)[] = KIND_CODECS.map(() => undefined);
  /** That number, for the kinds that the level keeps. */
  readonly #kept: { readonly [kind in EventKind]?: number };
  readonly #pieces: PieceWriter;
  /** Number of the last checkpoint that one can go on from; -1: none. */
  #checkpoint = -1;
  #hashes: HashRecord[] = [];
  #position = 0;
  #ordinal = -1;
  #untilMeasured = MEASURE_EVERY;
  #closed = false;

  /** Writes the header at once. Throws TraceWriteError. */
  constructor(sink: TraceSink, header: TraceHeader, codec: TraceCodec = PURE_CODEC) {
    this.header = header;
    this.#codec = codec;
    const kinds = KIND_CODECS.flatMap(({ kinds }, number) => kinds.map((kind) => [kind, number] as const));
    this.#kept = Object.fromEntries(kinds.filter(([kind]) => keeps(header.level, kind)));
    this.#chunks = new ChunkWriter(sink, codec, encodeFileHeader(header));
    this.#pieces = new PieceWriter(this.#chunks, codec);
  }

  /** Set once the sink has refused bytes. To be looked at between slices of the machine. */
  get failure(): TraceWriteError | undefined {
    return this.#chunks.failure;
  }

  /** Bytes handed to the sink. */
  get bytesWritten(): number {
    return this.#chunks.bytesWritten;
  }

  /**
   * Logs what the machine did, or leaves it out if the level does not keep it. Events come in order of their
   * position; ordinals are given here, counting what is left out. An event of kind `input` is the same as a
   * call of `input`: log each by one of the two.
   */
  event(event: MachineEvent): void {
    const { position } = event;
    if (position === this.#position) this.#ordinal++;
    else {
      if (!(position > this.#position)) throw new RangeError(`event at ${position} after ${this.#position}`);
      this.#position = position;
      this.#ordinal = 0;
    }
    const number = this.#kept[event.kind];
    if (number === undefined || this.#closed || this.failure !== undefined) return;
    const chunk = this.#open[number] ?? this.#begin(number, event);
    if (event.kind === 'output' || event.kind === 'input') {
      const { length } = event.kind === 'output' ? event.bytes : event.data;
      if (length > MAX_EVENT_BYTES)
        throw new RangeError(`an event of ${length} bytes is too large for a trace`);
      // Many bytes at once may not wait for the next time the columns are measured.
      this.#untilMeasured -= length >>> 6;
    }
    chunk.add(event, this.#ordinal);
    if (chunk.count >= GROUP_EVENTS || (--this.#untilMeasured <= 0 && this.#pendingBytes() >= GROUP_BYTES)) {
      try {
        this.#cut(this.#position);
      } catch (error) {
        if (error !== this.failure) throw error;
      }
    }
  }

  #begin(number: number, event: MachineEvent): EventChunkEncoder {
    const { shift, counterPeriod } = this.header;
    const base = { first: event.position, shift, counterPeriod };
    const chunk = new EventChunkEncoder(KIND_CODECS[number]!, base, event.time);
    this.#open[number] = chunk;
    return chunk;
  }

  /** Logs a value from outside the machine, which replay will give back. Kept at every level. */
  input(input: InputRecord): void {
    const { position, time, cpu, device, what, mode, data } = input;
    this.event({ kind: 'input', position, time, cpu, device, what, mode, data });
  }

  /** Logs the state's hashes at a moment between two instructions. Throws TraceWriteError. */
  hash(record: HashRecord): void {
    this.#check();
    const before = this.#hashes.at(-1)?.position ?? 0;
    if (record.position < before) throw new RangeError(`hashes at ${record.position} after ${before}`);
    this.#hashes.push(record);
    if (this.#hashes.length >= 256) this.#cut(record.position);
  }

  #pendingBytes(): number {
    this.#untilMeasured = MEASURE_EVERY;
    let bytes = 0;
    for (const chunk of this.#open) bytes += chunk?.rawBytes ?? 0;
    return bytes;
  }

  #check(): void {
    if (this.failure !== undefined) throw this.failure;
    if (this.#closed) throw new Error('the trace is closed');
  }

  /**
   * Writes everything that is pending, so that it survives a crash. `complete`: no event at a position below
   * this will come any more, e.g. the position the machine has reached. Throws TraceWriteError.
   */
  flush(complete: Position = this.#position): void {
    this.#check();
    this.#cut(complete);
  }

  #cut(complete: number): void {
    this.#untilMeasured = MEASURE_EVERY;
    const ready = this.#open.filter((chunk) => chunk !== undefined);
    const hashes = this.#hashes;
    this.#open.fill(undefined);
    this.#hashes = [];
    ready.forEach((chunk, i) => {
      const { codec, count, first, last } = chunk;
      this.#chunks.put(
        {
          kind: codec.chunk,
          count,
          first,
          last,
          complete,
          groupEnd: i === ready.length - 1 && hashes.length === 0,
          summary: summarize(chunk.sites, chunk.siteCounts),
        },
        chunk.payload(),
      );
    });
    if (hashes.length > 0) {
      const first = hashes[0]!.position;
      const last = hashes.at(-1)!.position;
      const facts = { kind: 'hashes', count: hashes.length, first, last, complete, groupEnd: true } as const;
      this.#chunks.put(facts, pack(encodeHashes(hashes)));
    }
  }

  /**
   * Embeds the contents of an image that the header names. Throws TraceWriteError, and RangeError if the
   * contents do not have the hash of the reference (they changed under us), which a constant source cannot.
   */
  image(ref: ImageRef, source: ImageSource): void {
    this.#check();
    if (!this.header.images.some((known) => known.sha256 === ref.sha256 && known.size === ref.size)) {
      throw new RangeError(`image ${ref.name} is not in the trace's header`);
    }
    const hasher = source.constant === true ? undefined : this.#codec.sha256();
    const places = this.#pieces.put(
      (function* () {
        for (const piece of piecesOf(source)) {
          hasher?.update(piece.bytes);
          yield piece;
        }
      })(),
      this.#position,
    );
    if (source.size !== ref.size || (hasher !== undefined && hasher.digest() !== ref.sha256)) {
      throw new RangeError(`image ${ref.name} changed while it was read`);
    }
    this.#chunks.putRecord(
      'image',
      this.#position,
      this.#position,
      false,
      encodeManifest({ sha256: ref.sha256, size: ref.size, pieceBytes: PIECE_BYTES, places }),
    );
  }

  /**
   * Stores a saved machine; pages of zeros, or stored already, cost nothing. One with hashes builds on the one
   * before. Throws TraceWriteError, and RangeError if it is larger than a reader takes.
   */
  checkpoint(checkpoint: NewCheckpoint): void {
    this.#check();
    const { position } = checkpoint;
    this.#cut(position);
    const ordinal = position === this.#position ? this.#ordinal + 1 : 0;
    const record = encodeCheckpoint(checkpoint, this.#pieces, {
      ordinal,
      base: this.#checkpoint,
      at: this.#position,
    });
    const number = this.#chunks.nextNumber;
    this.#chunks.putRecord('checkpoint', position, position, true, record);
    if (checkpoint.hashes !== undefined) this.#checkpoint = number;
  }

  /** Writes what is pending, the end record and the index. Throws TraceWriteError. */
  close(end: TraceEnd): void {
    this.#check();
    if (end.position < this.#position) throw new RangeError(`end at ${end.position} after ${this.#position}`);
    this.#cut(end.position);
    this.#closed = true;
    const { position, time, reason, detail, hashes } = end;
    const record: { [key: string]: PlainData } = { position, time, reason };
    if (detail !== undefined) record.detail = detail;
    if (hashes !== undefined) record.hashes = encodeStateHashes(hashes);
    // The machine stopped here, so what happened at this very position is in the file, too.
    this.#chunks.putRecord('end', position, position + 1, true, record);
    this.#chunks.finish(position + 1);
  }
}
