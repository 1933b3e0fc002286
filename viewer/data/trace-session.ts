import { type ByteSource, type RegisterMaps, type TraceEvent, TraceReader } from '../../traces/index.ts';
import { ConsolePages } from './console-pages.ts';
import { detailsOf } from './details.ts';
import { EventQueries } from './event-queries.ts';
import { EventText } from './event-text.ts';
import { completeFilter, type Vocabulary } from './filter/complete.ts';
import { GuestSymbols } from './guest-symbols.ts';
import { Indexer } from './indexer.ts';
import { FIRST_PAINT_BINS, overviewOf } from './overview.ts';
import type {
  Axis,
  Completion,
  ConsolePage,
  EventDetails,
  EventPlace,
  IndexProgress,
  IndexResult,
  KernelMoment,
  Overview,
  TraceFacts,
  WindowMarks,
} from './protocol.ts';
import { type Extent, factsOf, type KnownTrace } from './trace-facts.ts';
import { vocabularyOf } from './vocabulary.ts';
import { windowMarks } from './window.ts';

/** What the timeline shows of consoles from afar. */
const MAX_LABELS = 4000;
const LABEL_LENGTH = 40;
const UPPER_HALF = 1n << 63n;
/** Which accesses by a kernel are moments to look where it is: the first may be before it moves itself. */
const KERNEL_MOMENTS = [30, 1000, 0, 30_000];

/** An open trace and everything the page asks about it. Runs in a worker, and in tests. */
export class TraceSession {
  readonly reader: TraceReader;
  readonly maps: RegisterMaps;
  readonly words: EventText;
  readonly facts: TraceFacts;
  readonly extent: Extent;
  readonly queries: EventQueries;
  readonly symbols = new GuestSymbols();
  #indexer: Indexer | undefined;
  #consoles: ConsolePages | undefined;
  #vocabulary: Vocabulary | undefined;

  private constructor(reader: TraceReader, { facts, maps, extent }: KnownTrace) {
    this.reader = reader;
    this.facts = facts;
    this.maps = maps;
    this.extent = extent;
    this.words = new EventText(maps, new Map(facts.virtio), facts.networks);
    this.queries = new EventQueries({
      reader,
      maps,
      words: this.words,
      symbols: this.symbols,
      devices: facts.devices,
      lanes: () => this.#indexer?.lanes,
      consoles: () => this.#consoles,
    });
  }

  /** Reads header and index. @throws TraceError */
  static async open(source: ByteSource, name: string): Promise<TraceSession> {
    const reader = await TraceReader.open(source);
    return new TraceSession(reader, await factsOf(reader, name, source.size));
  }

  /** What the first paint shows. */
  overview(): Overview {
    return overviewOf(this.reader, this);
  }

  loadSymbols(): Promise<void> {
    return this.symbols.load(this.reader, this.facts.images);
  }

  /** Places the symbols that were read last. */
  placeSymbols(delta: bigint): void {
    this.symbols.place(delta);
    this.queries.forget();
  }

  /** Some moments at which code in the upper half of the addresses ran, where a kernel is; the best first. */
  async kernelMoments(): Promise<KernelMoment[]> {
    const moments = new Map<number, KernelMoment>();
    let seen = 0;
    for await (const event of this.reader.events({ kinds: ['access'] })) {
      if (event.kind !== 'access' || event.pc < UPPER_HALF) continue;
      const rank = KERNEL_MOMENTS.indexOf(seen++);
      if (rank >= 0) {
        const { position, cpu, pc } = event;
        moments.set(rank, { position, cpu: Math.max(0, cpu), pc: `0x${pc.toString(16)}` });
        if (moments.size === KERNEL_MOMENTS.length) break;
      }
    }
    return KERNEL_MOMENTS.flatMap((_, rank) => moments.get(rank) ?? []);
  }

  /** The pass over all events. */
  async index(
    progress: (state: IndexProgress) => void,
    pause: () => Promise<void>,
    now: () => number,
  ): Promise<IndexResult> {
    const started = now();
    let told = started;
    const indexer = new Indexer({
      reader: this.reader,
      maps: this.maps,
      cpus: this.facts.cpus,
      virtio: new Map(this.facts.virtio),
      networks: this.facts.networks,
      extent: this.extent,
      symbol: (pc) => this.symbols.describe(pc),
      pause: async (done, total) => {
        if (now() - told < 700) return;
        told = now();
        progress({ done, total, lanes: indexer.infos(), data: indexer.snapshot(FIRST_PAINT_BINS) });
        await pause();
      },
    });
    await indexer.run();
    this.#indexer = indexer;
    this.#consoles = new ConsolePages(this.reader, indexer.consoles);
    const lanes = indexer.infos();
    const { position, time } = indexer.timeMap!;
    return {
      extent: this.extent,
      lanes,
      data: indexer.finish(),
      timeMap: { position: position.slice(), time: time.slice() },
      statistics: indexer.statistics(),
      consoles: [...indexer.consoles].map(([device, text]) => ({
        device,
        lines: text.lines,
        labels: text.labels(MAX_LABELS, LABEL_LENGTH),
      })),
      ...(indexer.damage === undefined ? {} : { damage: indexer.damage }),
      milliseconds: now() - started,
    };
  }

  async window(
    axis: Axis,
    from: number,
    to: number,
    limit: number,
    isCancelled: () => boolean,
  ): Promise<WindowMarks> {
    if (this.#indexer === undefined) throw new Error('not indexed yet');
    return windowMarks(this.reader, this.#indexer, axis, from, to, limit, isCancelled);
  }

  async eventAt(place: EventPlace): Promise<TraceEvent | undefined> {
    const found = await this.reader.first({ from: place, to: { ...place, ordinal: place.ordinal + 1 } });
    return found;
  }

  async details(place: EventPlace): Promise<EventDetails | undefined> {
    const event = await this.eventAt(place);
    if (event === undefined) return undefined;
    const { reader, maps, words } = this;
    return detailsOf(
      { reader, maps, words, rowOf: (e) => this.queries.rowOf(e), symbol: (pc) => this.symbols.describe(pc) },
      event,
    );
  }

  consoleLines(device: string, first: number, count: number): ConsolePage {
    return this.#consoles?.lines(device, first, count) ?? { device, first: 0, total: 0, lines: [] };
  }

  async consoleAt(device: string, position: number, count: number): Promise<ConsolePage> {
    return (await this.#consoles?.at(device, position, count)) ?? { device, first: 0, total: 0, lines: [] };
  }

  complete(text: string, caret: number): Completion {
    this.#vocabulary ??= vocabularyOf(this);
    return completeFilter(text, caret, this.#vocabulary);
  }
}
