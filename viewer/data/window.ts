import { frameText } from '../../recorder/session/frame-words.ts';
import type { EventChunk, TraceReader } from '../../traces/index.ts';
import { readable } from './console-text.ts';
import { severityOf } from './event-text.ts';
import type { Indexer } from './indexer.ts';
import { ACTIVE, CPU_OFF, IN_INTERRUPT, LINE, PENDING } from './lanes.ts';
import type { Axis, WindowCycle, WindowMarks } from './protocol.ts';

/** No more cycles than this are drawn; arrows would hide each other. */
const MAX_CYCLES = 400;
const MAX_TEXTS = 60_000;

interface Mark {
  readonly lane: number;
  readonly at: number;
  readonly position: number;
  readonly ordinal: number;
  readonly flag: number;
  readonly text: number;
  /** State lanes: the bits that this mark decides; the others stay as they were. 0: no state. */
  readonly owns: number;
}

type Place = Pick<Mark, 'at' | 'position' | 'ordinal'>;

/** Bits of a CPU's mask that exceptions decide. */
const LEVELS = 15;
const ALL = 255;

interface OpenCycle {
  lane: number;
  intid: number;
  cpu: number;
  raised: number;
  pending: number;
  acknowledged: number;
  completed: number;
  raisedBy: number;
}

/** Everything in a window, exactly; the states at its left edge are worked out from the group before. */
export async function windowMarks(
  reader: TraceReader,
  indexer: Indexer,
  axis: Axis,
  from: number,
  to: number,
  limit: number,
  isCancelled: () => boolean,
): Promise<WindowMarks> {
  const groups = reader.file.groups;
  const starts = indexer.groupStarts;
  const chosen: number[] = [];
  for (let i = 0; i < starts.length; i++) {
    const group = groups[i]!;
    const low = axis === 'time' ? starts[i]!.firstTime : Math.min(...group.map((chunk) => chunk.first));
    const high = axis === 'time' ? starts[i]!.lastTime : Math.max(...group.map((chunk) => chunk.last));
    if (low <= to && high >= from) chosen.push(i);
  }
  // Between two groups nothing happens; the states come from the one before.
  const firstGroup = chosen[0] ?? lastGroupBefore(starts, groups, axis, from);
  const collector = new Collector(indexer, axis, from, to, limit);
  if (firstGroup >= 0) {
    collector.begin(starts[firstGroup]!.masks);
    const last = chosen.at(-1) ?? firstGroup;
    for (let g = firstGroup; g <= last && !collector.full; g++) {
      const chunks: EventChunk[] = [];
      for (const chunk of groups[g]!) {
        if (isCancelled()) break;
        if (chunk.count > 0) chunks.push(await reader.chunkEvents(chunk));
      }
      for (const chunk of chunks) collector.chunk(chunk);
    }
  }
  return collector.finish();
}

function lastGroupBefore(
  starts: readonly { firstTime: number }[],
  groups: TraceReader['file']['groups'],
  axis: Axis,
  from: number,
): number {
  return starts.findLastIndex(({ firstTime }, i) =>
    axis === 'time' ? firstTime <= from : Math.min(...groups[i]!.map((chunk) => chunk.first)) <= from,
  );
}

class Collector {
  readonly #indexer: Indexer;
  readonly #axis: Axis;
  readonly #from: number;
  readonly #to: number;
  readonly #limit: number;
  readonly #marks: Mark[] = [];
  /** At the left edge, by lane. */
  #masks: Uint8Array = new Uint8Array(0);
  /** While the events are gone through. */
  #now: Uint8Array = new Uint8Array(0);
  readonly #texts: string[] = [''];
  readonly #textNumbers = new Map<string, number>([['', 0]]);
  readonly #cycles: WindowCycle[] = [];
  readonly #open = new Map<string, OpenCycle>();
  /** Accesses by place, to find which one raised a line. */
  readonly #accessLanes = new Map<number, number>();
  full = false;

  constructor(indexer: Indexer, axis: Axis, from: number, to: number, limit: number) {
    this.#indexer = indexer;
    this.#axis = axis;
    this.#from = from;
    this.#to = to;
    this.#limit = limit;
  }

  begin(masks: Uint8Array): void {
    const lanes = this.#indexer.lanes.count;
    this.#masks = new Uint8Array(lanes);
    this.#masks.set(masks.subarray(0, lanes));
    this.#now = this.#masks.slice();
  }

  #text(text: string): number {
    let number = this.#textNumbers.get(text);
    if (number === undefined) {
      if (this.#texts.length >= MAX_TEXTS) return 0;
      number = this.#texts.push(text) - 1;
      this.#textNumbers.set(text, number);
    }
    return number;
  }

  chunk(events: EventChunk): void {
    const { table, sites, codec } = events;
    const coordinate = this.#axis === 'time' ? table.time : table.position;
    const lanes = sites.map((site) => this.#indexer.lanes.ofSite(site));
    const isState = codec.chunk === 'interrupts' || codec.chunk === 'exceptions' || codec.chunk === 'notes';
    let i = isState ? 0 : lowerBound(coordinate, table.count, this.#from);
    for (; i < table.count; i++) {
      const at = coordinate[i]!;
      if (at > this.#to) break;
      const number = table.site[i]!;
      const site = sites[number]!;
      const lane = lanes[number]!;
      const place = { at, position: table.position[i]!, ordinal: table.ordinal[i]! };
      switch (site.kind) {
        case 'access':
          this.#mark(lane, place, site.write ? 1 : 0, 0);
          this.#accessLanes.set(place.position, lane);
          break;
        case 'dma':
          this.#mark(lane, place, site.write ? 1 : 0, 0);
          break;
        case 'interrupt':
          this.#interrupt(lane, place, site.what, site.intid, site.target);
          break;
        case 'exception': {
          const text = this.#text(site.what === 'return' ? '' : site.what);
          this.#state(lane, place, 1 << site.toEl, LEVELS, text);
          break;
        }
        case 'power': {
          this.#mark(lane, place, 1, this.#text(site.what));
          if (site.target < 0) break;
          const cpu = this.#indexer.lanes.cpu(site.target);
          if (site.what === 'cpu-off') this.#state(cpu, place, CPU_OFF, ALL, 0);
          else if (site.what === 'cpu-on') this.#state(cpu, place, 0, CPU_OFF, 0);
          break;
        }
        default: {
          const event = events.event(i);
          let text = '';
          if (event.kind === 'output') {
            text = this.#indexer.lanes.isNetwork(event.device)
              ? frameText(event.bytes)
              : readable(event.bytes);
          } else if (event.kind === 'guest-error') text = event.message;
          else if (event.kind === 'note' || event.kind === 'input') text = event.what;
          this.#mark(lane, place, severityOf(event) === 'error' ? 2 : 0, this.#text(text));
        }
      }
      if (this.full) return;
    }
  }

  #mark(lane: number, place: Place, flag: number, text: number, owns = 0): void {
    if (place.at < this.#from) return;
    this.#marks.push({ lane, ...place, flag, text, owns });
    if (this.#marks.length > this.#limit) this.full = true;
  }

  /**
   * Kinds of events are gone through one after the other, and more than one of them can decide about a lane; so a
   * mark says which bits it decides, and the masks are put together when all marks are in order.
   */
  #state(lane: number, place: Place, mask: number, owns: number, text: number): void {
    this.#now[lane] = (this.#now[lane]! & ~owns) | (mask & owns);
    if (place.at < this.#from) this.#masks[lane] = (this.#masks[lane]! & ~owns) | (mask & owns);
    else this.#mark(lane, place, mask, text, owns);
  }

  #interrupt(lane: number, place: Place, what: string, intid: number, target: number): void {
    let mask = this.#now[lane]!;
    const key = intid < 32 ? `${intid} ${target}` : `${intid}`;
    const { at } = place;
    const cpuLane = target >= 0 ? this.#indexer.lanes.cpu(target) : -1;
    switch (what) {
      case 'line-high':
        mask |= LINE;
        this.#cycle(key, lane, intid).raised = at;
        this.#cycle(key, lane, intid).raisedBy = this.#accessLanes.get(place.position) ?? -1;
        break;
      case 'line-low':
        mask &= ~LINE;
        break;
      case 'pending':
        mask |= PENDING;
        this.#cycle(key, lane, intid).pending = at;
        break;
      case 'not-pending':
        mask &= ~PENDING;
        break;
      case 'acknowledge': {
        mask = (mask & LINE ? mask : mask & ~PENDING) | ACTIVE;
        const cycle = this.#cycle(key, lane, intid);
        cycle.acknowledged = at;
        cycle.cpu = target;
        if (cpuLane >= 0) this.#state(cpuLane, place, IN_INTERRUPT, IN_INTERRUPT, 0);
        break;
      }
      case 'active':
        mask |= ACTIVE;
        break;
      case 'complete': {
        mask &= ~ACTIVE;
        const cycle = this.#cycle(key, lane, intid);
        cycle.completed = at;
        this.#open.delete(key);
        if (at >= this.#from && this.#cycles.length < MAX_CYCLES) this.#cycles.push(cycle);
        if (cpuLane >= 0) this.#state(cpuLane, place, 0, IN_INTERRUPT, 0);
        break;
      }
    }
    this.#state(lane, place, mask, ALL, this.#text(what));
  }

  #cycle(key: string, lane: number, intid: number): OpenCycle {
    let cycle = this.#open.get(key);
    if (cycle === undefined) {
      const none = Number.NaN;
      cycle = {
        lane,
        intid,
        cpu: -1,
        raised: none,
        pending: none,
        acknowledged: none,
        completed: none,
        raisedBy: -1,
      };
      this.#open.set(key, cycle);
    }
    return cycle;
  }

  finish(): WindowMarks {
    const lanes = this.#indexer.lanes.count;
    const marks = this.full ? [] : this.#marks;
    marks.sort((a, b) => a.lane - b.lane || a.position - b.position || a.ordinal - b.ordinal);
    const count = marks.length;
    const starts = new Uint32Array(lanes + 1);
    const result: WindowMarks = {
      axis: this.#axis,
      from: this.#from,
      to: this.#to,
      tooMany: this.full,
      count,
      lane: new Uint16Array(count),
      at: new Float64Array(count),
      position: new Float64Array(count),
      ordinal: new Uint32Array(count),
      flag: new Uint8Array(count),
      text: new Uint16Array(count),
      texts: this.#texts,
      starts,
      masks: Uint8Array.from({ length: lanes }, (_, lane) => this.#masks[lane] ?? 0),
      cycles: this.full
        ? []
        : [...this.#cycles, ...this.#open.values()].filter(({ raised, pending, acknowledged, completed }) =>
            [raised, pending, acknowledged, completed].some((at) => at >= this.#from && at <= this.#to),
          ),
    };
    let lane = -1;
    let mask = 0;
    marks.forEach((mark, i) => {
      result.lane[i] = mark.lane;
      result.at[i] = mark.at;
      result.position[i] = mark.position;
      result.ordinal[i] = mark.ordinal;
      if (mark.lane !== lane) {
        lane = mark.lane;
        mask = result.masks[lane]!;
      }
      mask = (mask & ~mark.owns) | (mark.flag & mark.owns);
      result.flag[i] = mark.owns === 0 ? mark.flag : mask;
      result.text[i] = mark.text;
      starts[mark.lane + 1] = i + 1;
    });
    for (let i = 1; i <= lanes; i++) starts[i] = Math.max(starts[i]!, starts[i - 1]!);
    return result;
  }
}

function lowerBound(values: Float64Array, count: number, wanted: number): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (values[middle]! < wanted) low = middle + 1;
    else high = middle;
  }
  return low;
}
