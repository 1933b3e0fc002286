import type { EventFilter, RegisterMaps, TraceEvent, TraceReader } from '../../traces/index.ts';
import type { ConsolePages } from './console-pages.ts';
import { type EventText, severityOf } from './event-text.ts';
import { type CompiledFilter, compileFilter, type FilterContext } from './filter/compile.ts';
import type { GuestSymbols } from './guest-symbols.ts';
import type { LaneTable } from './lanes.ts';
import type { EventPlace, EventRow, ListRequest, SearchHit } from './protocol.ts';

export interface QueryContext {
  readonly reader: TraceReader;
  readonly maps: RegisterMaps;
  readonly words: EventText;
  readonly symbols: GuestSymbols;
  readonly devices: readonly string[];
  /** Known after the pass over all events. */
  readonly lanes: () => LaneTable | undefined;
  readonly consoles: () => ConsolePages | undefined;
}

/** Events by filter, by lane, by place. */
export class EventQueries {
  readonly #reader: TraceReader;
  readonly #maps: RegisterMaps;
  readonly #words: EventText;
  readonly #symbols: GuestSymbols;
  readonly #devices: readonly string[];
  readonly #lanes: () => LaneTable | undefined;
  readonly #consoles: () => ConsolePages | undefined;
  readonly #compiled = new Map<string, CompiledFilter>();

  constructor(context: QueryContext) {
    this.#reader = context.reader;
    this.#maps = context.maps;
    this.#words = context.words;
    this.#symbols = context.symbols;
    this.#devices = context.devices;
    this.#lanes = context.lanes;
    this.#consoles = context.consoles;
  }

  /** Names have changed, so what filters mean has, too. */
  forget(): void {
    this.#compiled.clear();
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
      subject: this.#words.subject(event),
      text: this.#words.text(event),
      severity: severityOf(event),
    };
  }

  #laneOf(event: TraceEvent): number {
    const lanes = this.#lanes();
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
        return lanes.output(event.device);
      case 'input':
        return lanes.inputs();
      default:
        return lanes.notes(event.kind === 'power' ? '' : event.device);
    }
  }

  get #filterContext(): FilterContext {
    return {
      maps: this.#maps,
      text: (event) => this.#words.text(event),
      subject: (event) => this.#words.subject(event),
      symbol: (pc) => this.#symbols.describe(pc),
      devices: this.#devices,
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
    const events = isEmpty ? this.#reader.events({ ...combined }) : undefined;
    if (events !== undefined) {
      yield* events;
      return;
    }
    for await (const batch of this.#reader.batches(combined)) {
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
    const { line } = this.compile(query);
    const lines = line === undefined ? [] : (this.#consoles()?.hits(line, limit) ?? []);
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
        text: `${this.#words.subject(event)} ${this.#words.text(event)}`,
      });
    }
    while (lines.length > 0 && count < limit && !isCancelled()) push(lines.shift()!);
    if (bundle.length > 0) hits(bundle);
    return { count, complete: count < limit && !isCancelled() };
  }

  /** The event of a lane that is closest to a position. */
  async nearest(lane: number, position: number): Promise<EventRow | undefined> {
    const facts = this.#lanes()?.lane(lane);
    if (facts === undefined) return undefined;
    const filter = laneFilter(facts);
    if (filter === undefined) return undefined;
    const after = await this.#firstOf(lane, { ...filter, from: position });
    const before = await this.#firstOf(lane, { ...filter, direction: 'backward', to: position });
    const closest =
      before === undefined || (after !== undefined && after.position - position <= position - before.position)
        ? after
        : before;
    return closest === undefined ? undefined : this.rowOf(closest);
  }

  /** Lanes of private interrupts and of notes hold less than their filters find. */
  async #firstOf(lane: number, filter: EventFilter): Promise<TraceEvent | undefined> {
    for await (const event of this.#reader.events(filter)) {
      if (this.#laneOf(event) === lane) return event;
    }
    return undefined;
  }

  /** The next or the previous event of a lane. */
  async step(
    lane: number,
    place: EventPlace,
    direction: 'forward' | 'backward',
  ): Promise<EventRow | undefined> {
    const facts = this.#lanes()?.lane(lane);
    const filter = facts === undefined ? undefined : laneFilter(facts);
    if (filter === undefined) return undefined;
    const found = await this.#firstOf(
      lane,
      direction === 'forward'
        ? { ...filter, from: { ...place, ordinal: place.ordinal + 1 } }
        : { ...filter, direction, to: place },
    );
    return found === undefined ? undefined : this.rowOf(found);
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
    case 'frames':
      return { kinds: ['output'], devices };
    case 'inputs':
      return { kinds: ['input'] };
    case 'smmu':
      return { kinds: ['guest-error', 'note'], devices };
    case 'notes':
      return { kinds: ['guest-error', 'note', 'power'] };
    default:
      return undefined;
  }
}
