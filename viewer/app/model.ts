/** What the page knows of the trace, from the data worker. */
import { compareLanes } from '../data/lanes.ts';
import type {
  Axis,
  ConsoleLabel,
  IndexProgress,
  IndexResult,
  LaneData,
  LaneInfo,
  Overview,
  SearchHit,
  Statistics,
  TraceFacts,
  TraceSource,
  WindowMarks,
} from '../data/protocol.ts';
import { Client, type Pending, type Port } from '../data/rpc.ts';
import { TimeMap } from '../data/time-map.ts';
import { startWorker } from './workers.ts';

const MARK_LIMIT = 24_000;

export type ModelEvent = 'overview' | 'progress' | 'indexed' | 'marks' | 'hits' | 'error';

export class Model {
  readonly client: Client;
  facts: TraceFacts | undefined;
  extent = { time: 1, instructions: 1 };
  lanes: readonly LaneInfo[] = [];
  timeMap = TimeMap.straight(1, 1);
  statistics: Statistics | undefined;
  consoles: IndexResult['consoles'] = [];
  indexed = false;
  progress = { done: 0, total: 1 };
  indexMilliseconds = 0;
  damage: string | undefined;
  marks: WindowMarks | undefined;
  readonly hits = { query: '', list: [] as SearchHit[], running: false, complete: true, error: '' };
  readonly #data = new Map<number, LaneData>();
  /** What was said of files with symbols. */
  readonly symbolFiles: string[] = [];
  readonly #labels = new Map<string, readonly ConsoleLabel[]>();
  readonly #worker: Worker;
  readonly #notify: (event: ModelEvent) => void;
  #marksWanted: { axis: Axis; from: number; to: number } | undefined;
  #marksPending: Pending<WindowMarks> | undefined;
  #search: Pending<{ count: number; complete: boolean }> | undefined;
  #searchToken = 0;

  constructor(notify: (event: ModelEvent) => void) {
    this.#notify = notify;
    this.#worker = startWorker('data-worker');
    this.client = new Client(this.#worker as unknown as Port, (name, value) => this.#notice(name, value));
    this.#worker.onerror = (event) => {
      this.client.fail(event.message ?? 'the worker that reads the trace has stopped');
    };
  }

  close(): void {
    this.#worker.terminate();
  }

  /** Opens a trace and reads it in. Throws RemoteError. */
  async open(source: TraceSource): Promise<void> {
    const overview = await this.client.call<Overview>('open', source);
    this.facts = overview.facts;
    this.extent = overview.extent;
    this.timeMap = TimeMap.straight(overview.extent.instructions, overview.extent.time);
    this.#take(overview.lanes, overview.data);
    this.#notify('overview');
    const result = await this.client.call<IndexResult>('index');
    this.timeMap = new TimeMap(result.timeMap.position, result.timeMap.time);
    this.statistics = result.statistics;
    this.consoles = result.consoles;
    this.damage = result.damage;
    this.indexMilliseconds = result.milliseconds;
    this.#take(result.lanes, result.data);
    this.indexed = true;
    this.#notify('indexed');
  }

  #take(lanes: readonly LaneInfo[], data: readonly LaneData[]): void {
    this.lanes = [...lanes].sort(compareLanes);
    this.#data.clear();
    for (const lane of data) this.#data.set(lane.lane, lane);
  }

  #notice(name: string, value: unknown): void {
    if (name === 'progress') {
      const { done, total, lanes, data } = value as IndexProgress;
      this.progress = { done, total };
      this.#take(lanes, data);
      this.#notify('progress');
    } else if (name === 'hits') {
      const { token, hits } = value as { token: number; hits: SearchHit[] };
      if (token !== this.#searchToken) return;
      this.hits.list.push(...hits);
      this.#notify('hits');
    }
  }

  laneData(lane: number): LaneData | undefined {
    return this.#data.get(lane);
  }

  /** Beginnings of a console's lines along an axis. */
  consoleLabels(device: string, axis: Axis): readonly ConsoleLabel[] {
    const labels = this.consoles.find((console) => console.device === device)?.labels;
    if (labels === undefined) return [];
    const key = `${device} ${axis}`;
    let found = this.#labels.get(key);
    if (found === undefined) {
      const places = axis === 'time' ? labels.time : labels.position;
      found = labels.text.map((text, i) => ({ at: places[i]!, text }));
      this.#labels.set(key, found);
    }
    return found;
  }

  /** Length of an axis. */
  length(axis: Axis): number {
    return axis === 'time' ? this.extent.time : this.extent.instructions;
  }

  /** Where a position lies on an axis. */
  toAxis(axis: Axis, position: number): number {
    return axis === 'time' ? this.timeMap.timeAt(position) : position;
  }

  fromAxis(axis: Axis, at: number): number {
    return axis === 'time' ? this.timeMap.positionAt(at) : at;
  }

  /** About how many events lie in a window, from the densities. */
  estimate(axis: Axis, from: number, to: number): number {
    let sum = 0;
    const length = this.length(axis);
    for (const { index, kind } of this.lanes) {
      if (kind === 'sleep') continue;
      const counts = this.#data.get(index)?.[axis].counts;
      if (counts === undefined) continue;
      // A level with about 64 bins in the window is close enough.
      const bins = counts.length / 2;
      const level = Math.min(bins, 2 ** Math.max(0, Math.ceil(Math.log2((64 * length) / (to - from)))));
      const first = Math.max(0, Math.floor((from / length) * level));
      const last = Math.min(level, Math.ceil((to / length) * level));
      for (let i = first; i < last; i++) sum += counts[level + i]!;
    }
    return sum;
  }

  /** The exact marks for a window, if they are there; asks for them if they are worth it. */
  marksFor(axis: Axis, from: number, to: number): WindowMarks | undefined {
    if (!this.indexed) return undefined;
    const { marks } = this;
    const fits = marks !== undefined && marks.axis === axis && marks.from <= from && marks.to >= to;
    if (fits && !marks.tooMany) return marks;
    if (fits && marks.tooMany && marks.to - marks.from < 3 * (to - from)) return undefined;
    const wanted = this.#marksWanted;
    const isAsked = wanted !== undefined && wanted.axis === axis && wanted.from <= from && wanted.to >= to;
    if (!isAsked && this.estimate(axis, from, to) < MARK_LIMIT) this.#ask(axis, from, to);
    return undefined;
  }

  #ask(axis: Axis, from: number, to: number): void {
    // A margin on both sides, so that moving a little needs no new question.
    const margin = (to - from) * 0.5;
    const wide = { axis, from: Math.max(0, from - margin), to: Math.min(this.length(axis), to + margin) };
    const window = this.estimate(axis, wide.from, wide.to) < MARK_LIMIT ? wide : { axis, from, to };
    this.#marksPending?.cancel();
    this.#marksWanted = window;
    const pending = this.client.call<WindowMarks>('window', axis, window.from, window.to, 2 * MARK_LIMIT);
    this.#marksPending = pending;
    pending.then(
      (marks) => {
        if (this.#marksPending !== pending) return;
        this.#marksPending = undefined;
        this.#marksWanted = undefined;
        this.marks = marks;
        this.#notify('marks');
      },
      () => {
        if (this.#marksPending === pending) this.#marksPending = undefined;
      },
    );
  }

  /** Looks for a query in everything; `hits` fills up while it runs. */
  search(query: string): void {
    this.#search?.cancel();
    this.#search = undefined;
    const token = ++this.#searchToken;
    Object.assign(this.hits, { query, list: [], running: query !== '', complete: true, error: '' });
    this.#notify('hits');
    if (query === '') return;
    const search = this.client.call<{ count: number; complete: boolean }>('search', query, 100_000, token);
    this.#search = search;
    search.then(
      ({ complete }) => {
        if (token !== this.#searchToken) return;
        Object.assign(this.hits, { running: false, complete });
        this.#notify('hits');
      },
      (error: Error) => {
        if (token !== this.#searchToken) return;
        Object.assign(this.hits, { running: false, error: error.message });
        this.#notify('hits');
      },
    );
  }
}
