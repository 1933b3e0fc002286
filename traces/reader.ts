import { readCheckpoint, readPages, readRestartPoint, readRestartState } from './checkpoint.ts';
import { embeddedImages, readHashes, readImage } from './contents.ts';
import type { RegisterMaps, RegisterName } from './decode.ts';
import { resolveRegister, writesTo } from './decode.ts';
import { TraceError } from './errors.ts';
import type { EventChunk } from './event-chunk.ts';
import type { EventFilter, Place } from './filter.ts';
import { chunkName } from './format.ts';
import { CycleBuilder, type InterruptCycle } from './interrupt-cycles.ts';
import { type Io, type IoStream, runAsync, runSync, streamAsync, streamSync } from './io.ts';
import { codecOfChunk } from './kinds.ts';
import type { PlainData } from './msgpack.ts';
import { firstEvent, selectEvents } from './queries.ts';
import type { ChunkSummary } from './summary.ts';
import { type OpenOptions, TraceFile } from './trace-file.ts';
import type { IndexedChunk } from './trace-index.ts';
import type {
  ByteSource,
  Checkpoint,
  HashRecord,
  ImageRef,
  InputRecord,
  Ordered,
  RestartPoint,
  SavedPage,
  SyncByteSource,
  TraceEnd,
  TraceEvent,
  TraceHeader,
} from './types.ts';

/** Images read at once are refused above this; a sparse disk can claim any size. */
const MAX_WHOLE_IMAGE = 1 << 30;

/** What both readers know without reading. */
class OpenTrace {
  readonly file: TraceFile;

  constructor(file: TraceFile) {
    this.file = file;
  }

  get header(): TraceHeader {
    return this.file.header;
  }

  /** Absent if the recorder was killed or the disk was full. */
  get end(): TraceEnd | undefined {
    return this.file.end;
  }

  /** Replay can go up to this position; all events below it are in the file. */
  get complete(): number {
    return this.file.complete;
  }

  /** What cut the file short, if anything did. */
  get damage(): TraceError | undefined {
    return this.file.damage;
  }

  /** All chunks with positions, counts and (of a closed file) summaries: what a first paint needs. */
  get chunks(): readonly IndexedChunk[] {
    return this.file.chunks;
  }

  /** Numbers of the chunks that hold checkpoints, ascending. */
  get checkpointChunks(): readonly number[] {
    return this.file.ofKind('checkpoint').map((chunk) => chunk.number);
  }

  /** Positions of the checkpoints in the file, ascending. */
  get checkpoints(): readonly number[] {
    return this.file.ofKind('checkpoint').map((chunk) => chunk.first);
  }

  /** The last checkpoint at or before a position. */
  protected checkpointChunk(position: number): IndexedChunk | undefined {
    return this.file.ofKind('checkpoint').findLast((chunk) => chunk.first <= position);
  }
}

function* verifyAll(file: TraceFile): Io<number> {
  for (const chunk of file.chunks) {
    const name = chunkName(chunk.kind);
    if (name !== undefined && codecOfChunk(name) !== undefined) yield* file.events(chunk);
    else if (name === 'pieces') yield* file.pieces(chunk);
    else if (name !== undefined) yield* file.data(chunk);
  }
  yield* readHashes(file, 0, Number.POSITIVE_INFINITY);
  return file.chunks.length;
}

function* wholeImage(file: TraceFile, ref: ImageRef, options: OpenOptions, limit: number): Io<Uint8Array> {
  if (ref.size > limit) {
    throw new TraceError(
      'too-big',
      `image ${ref.name} has ${ref.size} bytes; at most ${limit} are read at once`,
    );
  }
  const bytes = yield* readImage(file, ref, 0, ref.size);
  const hasher = options.codec?.sha256();
  hasher?.update(bytes);
  if (hasher !== undefined && hasher.digest() !== ref.sha256) {
    throw new TraceError('damaged', `image ${ref.name} does not have the hash that the header gives`);
  }
  return bytes;
}

function inputFilter(from: Place | undefined): EventFilter {
  return { kinds: ['input'], ...(from === undefined ? {} : { from }) };
}

function asInput(event: TraceEvent): Ordered<InputRecord> {
  if (event.kind !== 'input') throw new Error('not an input');
  const { position, ordinal, time, cpu, device, what, mode = 'push', data } = event;
  return { position, ordinal, time, cpu, device, what, mode, data };
}

function writeFilter(name: RegisterName, maps: RegisterMaps, bound: EventFilter): EventFilter {
  return { ...writesTo(resolveRegister(name, maps)), ...bound };
}

function cycleFilter(intid: number, from: Place | undefined, to: Place | undefined): EventFilter {
  return {
    kinds: ['interrupt'],
    intids: [intid],
    ...(from === undefined ? {} : { from }),
    ...(to === undefined ? {} : { to }),
  };
}

function* cyclesOf(events: readonly TraceEvent[], builder: CycleBuilder): Generator<InterruptCycle> {
  for (const event of events) {
    const cycle = event.kind === 'interrupt' ? builder.add(event) : undefined;
    if (cycle !== undefined) yield cycle;
  }
}

/** A trace read a range at a time: from a Blob, over HTTP, from a file. All methods throw TraceError. */
export class TraceReader extends OpenTrace {
  readonly #source: ByteSource;
  readonly #options: OpenOptions;

  private constructor(source: ByteSource, file: TraceFile, options: OpenOptions) {
    super(file);
    this.#source = source;
    this.#options = options;
  }

  static async open(source: ByteSource, options: OpenOptions = {}): Promise<TraceReader> {
    return new TraceReader(source, await runAsync(source, TraceFile.open(source.size, options)), options);
  }

  #run<T>(io: Io<T>): Promise<T> {
    return runAsync(this.#source, io);
  }

  async *#each<T>(io: IoStream<T>): AsyncGenerator<T, void> {
    for await (const batch of streamAsync(this.#source, io)) yield* batch;
  }

  /** Events in order of (position, ordinal), all kinds merged. */
  events(filter: EventFilter = {}): AsyncGenerator<TraceEvent, void> {
    return this.#each(selectEvents(this.file, filter));
  }

  /** The same in batches of up to 1024, several times faster for millions of events. */
  batches(filter: EventFilter = {}): AsyncGenerator<TraceEvent[], void> {
    return streamAsync(this.#source, selectEvents(this.file, filter));
  }

  /** First match in the filter's direction. */
  first(filter: EventFilter): Promise<TraceEvent | undefined> {
    return this.#run(firstEvent(this.file, filter));
  }

  async *inputs(from?: Place): AsyncGenerator<Ordered<InputRecord>, void> {
    for await (const event of this.events(inputFilter(from))) yield asInput(event);
  }

  /** Last write to a register or field before a place. Throws RangeError for an unknown name. */
  lastWrite(name: RegisterName, maps: RegisterMaps, before?: Place): Promise<TraceEvent | undefined> {
    const bound: EventFilter = { direction: 'backward', ...(before === undefined ? {} : { to: before }) };
    return this.first(writeFilter(name, maps, bound));
  }

  /** First write at or after a place. */
  nextWrite(name: RegisterName, maps: RegisterMaps, from: Place): Promise<TraceEvent | undefined> {
    return this.first(writeFilter(name, maps, { from }));
  }

  /** Lives of an interrupt, each when it ends; those that never ended last. */
  async *interruptCycles(intid: number, from?: Place, to?: Place): AsyncGenerator<InterruptCycle, void> {
    const builder = new CycleBuilder();
    for await (const batch of this.batches(cycleFilter(intid, from, to))) yield* cyclesOf(batch, builder);
    yield* builder.finish();
  }

  /** One chunk of events as columns, for whoever goes through millions. Throws Error for other chunks. */
  chunkEvents(chunk: IndexedChunk): Promise<EventChunk> {
    return this.#run(this.file.events(chunk));
  }

  hashes(from = 0, to = Number.POSITIVE_INFINITY): Promise<HashRecord[]> {
    return this.#run(readHashes(this.file, from, to));
  }

  /** What occurs in a chunk of events; of a closed file without reading it. */
  summary(chunk: IndexedChunk): Promise<ChunkSummary> {
    return this.#run(this.file.summary(chunk));
  }

  /** SHA-256 of the images whose contents are in the file. */
  embeddedImages(): Promise<Set<string>> {
    return this.#run(embeddedImages(this.file));
  }

  /** A whole image, its hash checked if the options have a codec. */
  image(ref: ImageRef, limit: number = MAX_WHOLE_IMAGE): Promise<Uint8Array> {
    return this.#run(wholeImage(this.file, ref, this.#options, limit));
  }

  imageRange(ref: ImageRef, offset: number, length: number): Promise<Uint8Array> {
    return this.#run(readImage(this.file, ref, offset, length));
  }

  /** The last checkpoint at or before a position. */
  async checkpoint(position: number): Promise<Checkpoint | undefined> {
    const chunk = this.checkpointChunk(position);
    return chunk === undefined ? undefined : this.#run(readCheckpoint(this.file, chunk));
  }

  /** Reads and decodes every chunk; returns their number, or throws the first TraceError. */
  verify(): Promise<number> {
    return this.#run(verifyAll(this.file));
  }
}

/** The same for replay in Node, where nothing can wait. All methods throw TraceError. */
export class SyncTraceReader extends OpenTrace {
  readonly #source: SyncByteSource;
  readonly #options: OpenOptions;

  private constructor(source: SyncByteSource, file: TraceFile, options: OpenOptions) {
    super(file);
    this.#source = source;
    this.#options = options;
  }

  static open(source: SyncByteSource, options: OpenOptions = {}): SyncTraceReader {
    return new SyncTraceReader(source, runSync(source, TraceFile.open(source.size, options)), options);
  }

  #run<T>(io: Io<T>): T {
    return runSync(this.#source, io);
  }

  *events(filter: EventFilter = {}): Generator<TraceEvent, void> {
    for (const batch of this.batches(filter)) yield* batch;
  }

  batches(filter: EventFilter = {}): Generator<TraceEvent[], void> {
    return streamSync(this.#source, selectEvents(this.file, filter));
  }

  first(filter: EventFilter): TraceEvent | undefined {
    return this.#run(firstEvent(this.file, filter));
  }

  *inputs(from?: Place): Generator<Ordered<InputRecord>, void> {
    for (const event of this.events(inputFilter(from))) yield asInput(event);
  }

  lastWrite(name: RegisterName, maps: RegisterMaps, before?: Place): TraceEvent | undefined {
    const bound: EventFilter = { direction: 'backward', ...(before === undefined ? {} : { to: before }) };
    return this.first(writeFilter(name, maps, bound));
  }

  nextWrite(name: RegisterName, maps: RegisterMaps, from: Place): TraceEvent | undefined {
    return this.first(writeFilter(name, maps, { from }));
  }

  *interruptCycles(intid: number, from?: Place, to?: Place): Generator<InterruptCycle, void> {
    const builder = new CycleBuilder();
    for (const batch of this.batches(cycleFilter(intid, from, to))) yield* cyclesOf(batch, builder);
    yield* builder.finish();
  }

  hashes(from = 0, to = Number.POSITIVE_INFINITY): HashRecord[] {
    return this.#run(readHashes(this.file, from, to));
  }

  summary(chunk: IndexedChunk): ChunkSummary {
    return this.#run(this.file.summary(chunk));
  }

  embeddedImages(): Set<string> {
    return this.#run(embeddedImages(this.file));
  }

  image(ref: ImageRef, limit: number = MAX_WHOLE_IMAGE): Uint8Array {
    return this.#run(wholeImage(this.file, ref, this.#options, limit));
  }

  imageRange(ref: ImageRef, offset: number, length: number): Uint8Array {
    return this.#run(readImage(this.file, ref, offset, length));
  }

  checkpoint(position: number): Checkpoint | undefined {
    const chunk = this.checkpointChunk(position);
    return chunk === undefined ? undefined : this.#run(readCheckpoint(this.file, chunk));
  }

  /** The checkpoint in a chunk, if one can go on from it. */
  restartPoint(chunk: number): RestartPoint | undefined {
    return this.#run(readRestartPoint(this.file, this.file.chunks[chunk]!));
  }

  restartState({ chunk }: RestartPoint): PlainData {
    return this.#run(readRestartState(this.file, this.file.chunks[chunk]!));
  }

  /**
   * Pages of memory that are unlike the machine as it is built, each once, in no order; or with `own` those unlike
   * the checkpoint that this one builds on.
   */
  *restartPages({ chunk }: RestartPoint, own = false): Generator<SavedPage, void> {
    for (const batch of streamSync(this.#source, readPages(this.file, this.file.chunks[chunk]!, own)))
      yield* batch;
  }

  verify(): number {
    return this.#run(verifyAll(this.file));
  }
}
