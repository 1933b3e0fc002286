import type { RegisterMap } from '../../engine/base/register-map.ts';
import { interruptName } from '../../recorder/session/interrupt-words.ts';
import { registerMapsOf } from '../../recorder/session/register-maps.ts';
import { recordedConfig } from '../../recorder/session/setup.ts';
import { parseSymbols, SymbolFileError, SymbolTable } from '../../recorder/session/symbols.ts';
import {
  type ByteSource,
  type EventFilter,
  type RegisterMaps,
  TraceError,
  type TraceEvent,
  TraceReader,
} from '../../traces/index.ts';
import { readable } from './console-text.ts';
import { detailsOf } from './details.ts';
import { EventText, severityOf } from './event-text.ts';
import { type CompiledFilter, compileFilter, type FilterContext } from './filter/compile.ts';
import { completeFilter, type Vocabulary } from './filter/complete.ts';
import { Indexer } from './indexer.ts';
import { LaneStore } from './lane-store.ts';
import { LaneTable } from './lanes.ts';
import type {
  Axis,
  Completion,
  ConsolePage,
  EventDetails,
  EventPlace,
  EventRow,
  IndexProgress,
  IndexResult,
  LaneData,
  ListRequest,
  Overview,
  SearchHit,
  TraceFacts,
  WindowMarks,
} from './protocol.ts';
import { windowMarks } from './window.ts';

const FIRST_PAINT_BINS = 2048;
const MAX_SYMBOL_IMAGE = 256 << 20;

/** An open trace and everything the page asks about it. Runs in a worker, and in tests. */
export class TraceSession {
  readonly reader: TraceReader;
  readonly maps: RegisterMaps;
  readonly words: EventText;
  readonly facts: TraceFacts;
  readonly extent: { readonly time: number; readonly instructions: number };
  readonly #virtio: ReadonlyMap<number, string>;
  #indexer: Indexer | undefined;
  #symbols = new SymbolTable([]);
  readonly #compiled = new Map<string, CompiledFilter>();
  #vocabulary: Vocabulary | undefined;

  private constructor(
    reader: TraceReader,
    facts: TraceFacts,
    maps: RegisterMaps,
    extent: TraceSession['extent'],
  ) {
    this.reader = reader;
    this.facts = facts;
    this.maps = maps;
    this.extent = extent;
    this.#virtio = new Map(facts.virtio);
    this.words = new EventText(maps, this.#virtio);
  }

  /** Reads header and index. @throws TraceError */
  static async open(source: ByteSource, name: string): Promise<TraceSession> {
    const reader = await TraceReader.open(source);
    const { header, end, chunks } = reader;
    const machine = machineOf(reader);
    const embedded = await reader.embeddedImages();
    const { commandLine } = header.config;
    const lastEvents = chunks.filter((chunk) => isEventChunk(chunk.kind));
    const instructions = Math.max(end?.position ?? 0, ...lastEvents.slice(-16).map((chunk) => chunk.last));
    let time = end?.time ?? 0;
    if (end === undefined) {
      for (const chunk of lastEvents.slice(-8)) {
        const { table } = await reader.chunkEvents(chunk);
        time = Math.max(time, table.time[table.count - 1] ?? 0);
      }
    }
    const facts: TraceFacts = {
      name,
      bytes: source.size,
      engine: header.engine,
      board: header.board,
      level: header.level,
      shift: header.shift,
      ...machine.facts,
      ...(typeof commandLine === 'string' ? { commandLine } : {}),
      images: header.images.map((image) => ({ ...image, embedded: embedded.has(image.sha256) })),
      ...(end === undefined
        ? {}
        : {
            end: {
              position: end.position,
              time: end.time,
              reason: end.reason,
              ...(end.detail === undefined ? {} : { detail: end.detail }),
            },
          }),
      complete: reader.complete,
      ...(reader.damage === undefined ? {} : { damage: reader.damage.message }),
      checkpoints: reader.checkpoints,
      events: lastEvents.reduce((sum, chunk) => sum + chunk.count, 0),
      openedBy: reader.file.openedBy,
      identity: `${source.size}-${(chunks[0]?.crc ?? 0).toString(16)}-${(chunks.at(-1)?.crc ?? 0).toString(16)}`,
    };
    const extent = { time: Math.max(1, time), instructions: Math.max(1, instructions) };
    return new TraceSession(reader, facts, machine.maps, extent);
  }

  /** What the first paint shows: the chunks' summaries, each spread over its chunk. */
  overview(): Overview {
    const { reader, facts, extent } = this;
    const table = new LaneTable(facts.cpus, this.#virtio);
    for (let cpu = 0; cpu < facts.cpus; cpu++) table.cpu(cpu);
    const bins = FIRST_PAINT_BINS;
    const stores: LaneStore[] = [];
    const add = (lane: number, from: number, to: number, count: number): void => {
      const isDevice = table.lane(lane).kind === 'device';
      stores[lane] ??= new LaneStore(bins, bins / extent.time, bins / extent.instructions, isDevice, 0);
      stores[lane].total += count;
      // Without having read the events, time is taken to go with the instructions.
      for (const axis of [stores[lane].time, stores[lane].instructions]) {
        const low = Math.min(bins - 1, Math.floor((from / extent.instructions) * bins));
        const high = Math.min(bins - 1, Math.floor((to / extent.instructions) * bins));
        const each = count / (high - low + 1);
        let given = 0;
        for (let bin = low; bin <= high; bin++) {
          const share = Math.round(each * (bin - low + 1)) - given;
          axis.counts[bins + bin]! += share;
          given += share;
        }
      }
    };
    for (const chunk of reader.chunks) {
      if (chunk.summary === undefined || !isEventChunk(chunk.kind)) continue;
      const { first, last } = chunk;
      const name = EVENT_CHUNKS[chunk.kind];
      for (const [intid, count] of chunk.summary.intids)
        add(table.interrupt(intid, intid < 32 ? 0 : -1), first, last, count);
      if (name === 'interrupts' || name === 'exceptions') continue;
      for (const [device, count] of chunk.summary.devices) {
        if (name === 'accesses') add(table.device(device), first, last, count);
        else if (name === 'outputs') add(table.console(device), first, last, count);
        else if (name === 'dma') add(table.dma(device), first, last, count);
        else add(name === 'inputs' ? table.inputs() : table.notes(), first, last, count);
      }
    }
    const data: LaneData[] = stores.flatMap((store, lane) =>
      store === undefined ? [] : [store.finish(lane)],
    );
    return { facts, extent, lanes: table.infos((lane) => stores[lane]?.total ?? 0), data };
  }

  /** Reads symbols out of the images, where they are ELF files. */
  async loadSymbols(): Promise<number> {
    for (const ref of this.reader.header.images) {
      if (!this.facts.images.some(({ sha256, embedded }) => embedded && sha256 === ref.sha256)) continue;
      if (ref.size > MAX_SYMBOL_IMAGE || ref.size < 64) continue;
      try {
        const magic = await this.reader.imageRange(ref, 0, 4);
        if (magic[0] !== 0x7f || magic[1] !== 0x45) continue;
        this.#symbols = this.#symbols.with(parseSymbols(await this.reader.image(ref)));
      } catch (error) {
        if (!(error instanceof SymbolFileError) && !(error instanceof TraceError)) throw error;
      }
    }
    return this.#symbols.size;
  }

  /** @param delta bytes that the program was moved by (KASLR) @throws SymbolFileError */
  addSymbols(file: Uint8Array, delta: bigint): number {
    const table = parseSymbols(file);
    this.#symbols = this.#symbols.with(delta === 0n ? table : table.movedBy(delta));
    this.#compiled.clear();
    return this.#symbols.size;
  }

  symbol(pc: bigint): string | undefined {
    return this.#symbols.describe(pc);
  }

  symbolAddress(name: string): bigint | undefined {
    return this.#symbols.addressOf(name);
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
      virtio: this.#virtio,
      extent: this.extent,
      symbol: (pc) => this.symbol(pc),
      pause: async (done, total) => {
        if (now() - told < 700) return;
        told = now();
        progress({ done, total, lanes: indexer.infos(), data: indexer.snapshot(FIRST_PAINT_BINS) });
        await pause();
      },
    });
    await indexer.run();
    this.#indexer = indexer;
    const lanes = indexer.infos();
    const { position, time } = indexer.timeMap!;
    return {
      extent: this.extent,
      lanes,
      data: indexer.finish(),
      timeMap: { position: position.slice(), time: time.slice() },
      statistics: indexer.statistics(),
      consoles: [...indexer.consoles].map(([device, text]) => ({ device, lines: text.lines })),
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

  rowOf(event: TraceEvent): EventRow {
    const { position, ordinal, time, cpu, kind } = event;
    return {
      position,
      ordinal,
      time,
      cpu,
      kind,
      lane: this.#laneOf(event),
      subject: this.words.subject(event),
      text: this.words.text(event),
      severity: severityOf(event),
    };
  }

  #laneOf(event: TraceEvent): number {
    const lanes = this.#indexer?.lanes;
    if (lanes === undefined) return -1;
    switch (event.kind) {
      case 'access':
        return lanes.device(event.device);
      case 'interrupt':
        return lanes.interrupt(event.intid, event.target);
      case 'exception':
        return lanes.cpu(event.cpu);
      case 'dma':
        return lanes.dma(event.device);
      case 'output':
        return lanes.console(event.device);
      case 'input':
        return lanes.inputs();
      default:
        return lanes.notes();
    }
  }

  get #filterContext(): FilterContext {
    return {
      maps: this.maps,
      text: (event) => this.words.text(event),
      subject: (event) => this.words.subject(event),
      symbol: (pc) => this.symbol(pc),
      devices: this.facts.devices,
    };
  }

  /** @throws FilterError */
  compile(text: string): CompiledFilter {
    let filter = this.#compiled.get(text);
    if (filter === undefined) {
      filter = compileFilter(text, this.#filterContext);
      if (this.#compiled.size > 50) this.#compiled.clear();
      this.#compiled.set(text, filter);
    }
    return filter;
  }

  /** Rows before or after a place, in the order of the trace. */
  async list(request: ListRequest, isCancelled: () => boolean): Promise<EventRow[]> {
    const { from, direction, limit, filter } = request;
    const forward = direction === 'forward';
    const place = forward && request.inclusive !== true ? { ...from, ordinal: from.ordinal + 1 } : from;
    const rows: EventRow[] = [];
    for await (const event of this.#matches(
      filter,
      forward ? { from: place } : { to: place, direction },
      isCancelled,
    )) {
      rows.push(this.rowOf(event));
      if (rows.length >= limit) break;
    }
    return forward ? rows : rows.reverse();
  }

  async *#matches(
    text: string,
    bounds: EventFilter,
    isCancelled: () => boolean,
  ): AsyncGenerator<TraceEvent, void> {
    const { narrow, test, isEmpty } = this.compile(text);
    const combined = combine(narrow, bounds);
    if (combined === undefined) return;
    // A cheap search does not decode more than it shows.
    const events = isEmpty ? this.reader.events({ ...combined }) : undefined;
    if (events !== undefined) {
      yield* events;
      return;
    }
    for await (const batch of this.reader.batches(combined)) {
      if (isCancelled()) return;
      for (const event of batch) if (test(event)) yield event;
    }
  }

  /** All matches, a bundle at a time. */
  async search(
    query: string,
    limit: number,
    hits: (found: SearchHit[]) => void,
    isCancelled: () => boolean,
  ): Promise<{ count: number; complete: boolean }> {
    let bundle: SearchHit[] = [];
    let count = 0;
    const lines = this.#consoleHits(query, limit);
    const push = (hit: SearchHit): void => {
      bundle.push(hit);
      count++;
      if (bundle.length < 500) return;
      hits(bundle);
      bundle = [];
    };
    for await (const event of this.#matches(query, {}, isCancelled)) {
      const { position, ordinal, time } = event;
      while (lines.length > 0 && lines[0]!.position <= position && count < limit) push(lines.shift()!);
      if (count >= limit) break;
      push({
        position,
        ordinal,
        time,
        text: `${this.words.subject(event)} ${this.words.text(event)}`,
      });
    }
    while (lines.length > 0 && count < limit && !isCancelled()) push(lines.shift()!);
    if (bundle.length > 0) hits(bundle);
    return { count, complete: count < limit && !isCancelled() };
  }

  /** A console sends a character at a time, so what a person looks for is in no single event. */
  #consoleHits(query: string, limit: number): SearchHit[] {
    const { line } = this.compile(query);
    if (line === undefined || this.#indexer === undefined) return [];
    const found: SearchHit[] = [];
    for (const [device, text] of this.#indexer.consoles) {
      for (let i = 0; i < text.lines && found.length < limit; i++) {
        const shown = text.text(i);
        if (!line(shown)) continue;
        found.push({
          position: text.position(i),
          ordinal: text.ordinal(i),
          time: text.time(i),
          text: `${device} “${shown.trimEnd()}”`,
        });
      }
    }
    return found.sort((a, b) => a.position - b.position || a.ordinal - b.ordinal);
  }

  /** The event of a lane that is closest to a position. */
  async nearest(lane: number, position: number): Promise<EventRow | undefined> {
    const facts = this.#indexer?.lanes.lane(lane);
    if (facts === undefined) return undefined;
    const filter = laneFilter(facts);
    if (filter === undefined) return undefined;
    const after = await this.reader.first({ ...filter, from: position });
    const before = await this.reader.first({ ...filter, direction: 'backward', to: position });
    const closest =
      before === undefined || (after !== undefined && after.position - position <= position - before.position)
        ? after
        : before;
    return closest === undefined ? undefined : this.rowOf(closest);
  }

  /** The next or the previous event of a lane. */
  async step(
    lane: number,
    place: EventPlace,
    direction: 'forward' | 'backward',
  ): Promise<EventRow | undefined> {
    const facts = this.#indexer?.lanes.lane(lane);
    const filter = facts === undefined ? undefined : laneFilter(facts);
    if (filter === undefined) return undefined;
    const found = await this.reader.first(
      direction === 'forward'
        ? { ...filter, from: { ...place, ordinal: place.ordinal + 1 } }
        : { ...filter, direction, to: place },
    );
    return found === undefined ? undefined : this.rowOf(found);
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
      { reader, maps, words, rowOf: (e) => this.rowOf(e), symbol: (pc) => this.symbol(pc) },
      event,
    );
  }

  /** Lines of a console, oldest first. */
  consoleLines(device: string, first: number, count: number): ConsolePage {
    const text = this.#indexer?.consoles.get(device);
    if (text === undefined) return { device, first: 0, total: 0, lines: [] };
    const from = Math.max(0, Math.min(first, text.lines));
    const lines = [];
    for (let line = from; line < Math.min(text.lines, from + count); line++) {
      lines.push({ position: text.position(line), time: text.time(line), text: text.text(line) });
    }
    return { device, first: from, total: text.lines, lines };
  }

  /** The last lines of a console as of a position: what was sent by instructions before it. */
  async consoleAt(device: string, position: number, count: number): Promise<ConsolePage> {
    const text = this.#indexer?.consoles.get(device);
    if (text === undefined) return { device, first: 0, total: 0, lines: [] };
    const last = text.lineBefore(position);
    const page = this.consoleLines(device, last - count + 1, Math.min(count, last + 1));
    if (last < 0 || page.lines.length === 0) return { ...page, total: last + 1 };
    // The last line may have been half written.
    const cut = await this.#partialLine(device, text.position(last), text.ordinal(last), position);
    const whole = page.lines.at(-1)!;
    return {
      ...page,
      total: last + 1,
      lines: [...page.lines.slice(0, -1), { ...whole, text: cut ?? whole.text }],
    };
  }

  async #partialLine(device: string, from: number, ordinal: number, to: number): Promise<string | undefined> {
    const bytes: number[] = [];
    const filter: EventFilter = {
      kinds: ['output'],
      devices: [device],
      from: { position: from, ordinal },
      to,
    };
    let isFirst = true;
    for await (const event of this.reader.events({ ...filter, limit: 4000 })) {
      if (event.kind !== 'output') continue;
      let data = event.bytes;
      // An event that ends one line may begin the next.
      if (isFirst && data.indexOf(10) >= 0 && data.indexOf(10) < data.length - 1) {
        data = data.subarray(data.lastIndexOf(10) + 1);
      }
      isFirst = false;
      bytes.push(...data);
      if (data.includes(10)) return undefined;
    }
    return readable(Uint8Array.from(bytes));
  }

  complete(text: string, caret: number): Completion {
    this.#vocabulary ??= this.#words();
    return completeFilter(text, caret, this.#vocabulary);
  }

  #words(): Vocabulary {
    const registers: { name: string; device: string }[] = [];
    const fields = new Map<string, string>();
    const seen = new Set<RegisterMap>();
    for (const device of this.facts.devices) {
      const map = this.maps(device);
      if (map === undefined || seen.has(map)) continue;
      seen.add(map);
      for (const register of map.registers) {
        registers.push({ name: register.count === undefined ? register.name : `${register.name}*`, device });
        for (const field of register.fields ?? []) fields.set(field.name, register.name);
      }
    }
    const intids = new Set<number>();
    for (const chunk of this.reader.chunks)
      for (const intid of chunk.summary?.intids.keys() ?? []) intids.add(intid);
    return {
      devices: this.facts.devices,
      registers: registers.filter(({ name }, i) => registers.findIndex((other) => other.name === name) === i),
      fields: [...fields].map(([name, register]) => ({ name, register })),
      interrupts: [...intids]
        .sort((a, b) => a - b)
        .map((intid) => ({ intid, name: interruptName(intid, this.#virtio) })),
      cpus: this.facts.cpus,
      symbols: (prefix, limit) => {
        const lower = prefix.toLowerCase();
        const found: string[] = [];
        for (const { name } of this.#symbols) {
          if (!name.toLowerCase().startsWith(lower)) continue;
          found.push(name);
          if (found.length >= limit) break;
        }
        return found;
      },
    };
  }
}

function combine(narrow: EventFilter, bounds: EventFilter): EventFilter | undefined {
  const place = (at: EventFilter['from']): EventPlace =>
    typeof at === 'number' ? { position: at, ordinal: 0 } : (at ?? { position: 0, ordinal: 0 });
  const isBefore = (a: EventFilter['from'], b: EventFilter['from']): boolean => {
    const [x, y] = [place(a), place(b)];
    return x.position < y.position || (x.position === y.position && x.ordinal < y.ordinal);
  };
  if (narrow.kinds?.length === 0 || narrow.intids?.length === 0) return undefined;
  const from =
    narrow.from === undefined || (bounds.from !== undefined && isBefore(narrow.from, bounds.from))
      ? bounds.from
      : narrow.from;
  const to =
    narrow.to === undefined || (bounds.to !== undefined && isBefore(bounds.to, narrow.to))
      ? bounds.to
      : narrow.to;
  return {
    ...narrow,
    ...bounds,
    ...(from === undefined ? {} : { from }),
    ...(to === undefined ? {} : { to }),
  };
}

/** What is shown on a lane. */
function laneFilter(lane: {
  kind: string;
  device?: string;
  intid?: number;
  cpu?: number;
}): EventFilter | undefined {
  const devices = lane.device === undefined ? [] : [lane.device];
  switch (lane.kind) {
    case 'cpu':
      return { kinds: ['exception'], cpus: [lane.cpu ?? 0] };
    case 'interrupt':
      return { kinds: ['interrupt'], intids: [lane.intid ?? 0] };
    case 'device':
      return { kinds: ['access'], devices };
    case 'dma':
      return { kinds: ['dma'], devices };
    case 'console':
      return { kinds: ['output'], devices };
    case 'inputs':
      return { kinds: ['input'] };
    case 'notes':
      return { kinds: ['guest-error', 'note', 'power'] };
    default:
      return undefined;
  }
}

/** Chunks that hold events, by kind (docs/trace-format.md). */
const EVENT_CHUNKS: { readonly [kind: number]: string } = {
  1: 'inputs',
  2: 'accesses',
  3: 'interrupts',
  4: 'exceptions',
  5: 'dma',
  6: 'outputs',
  7: 'notes',
};

function isEventChunk(kind: number): boolean {
  return EVENT_CHUNKS[kind] !== undefined;
}

type MachineFacts = Pick<TraceFacts, 'cpus' | 'cpuModel' | 'gicVersion' | 'ramBytes' | 'devices' | 'virtio'>;

/** What is known of the machine; a configuration that cannot be used leaves events undecoded, but shown. */
function machineOf({ header }: TraceReader): { facts: MachineFacts; maps: RegisterMaps } {
  try {
    const config = recordedConfig(header);
    const maps = registerMapsOf(config);
    const virtio = config.virtioMmio.map(({ slot, id }) => [slot, id] as const);
    const slots = Array.from({ length: 32 }, (_, slot) => `virtio-mmio${slot}`);
    const known = [
      'uart0',
      'rtc',
      'gpio',
      'fw-cfg',
      'flash0',
      'flash1',
      'gicd',
      'gicr',
      'gicc',
      'gic-cpu',
      'timer',
      'pmu',
    ];
    const devices = [...known, ...virtio.map(([, id]) => id), ...slots].filter(
      (id) => maps(id) !== undefined,
    );
    return {
      maps,
      facts: {
        cpus: config.smp.cpus,
        cpuModel: config.cpu.model,
        gicVersion: config.gicVersion,
        ramBytes: config.ram.size,
        devices,
        virtio,
      },
    };
  } catch {
    return {
      maps: () => undefined,
      facts: { cpus: 1, cpuModel: 'unknown', gicVersion: 0, ramBytes: 0, devices: [], virtio: [] },
    };
  }
}
