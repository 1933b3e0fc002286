/**
 * Time travel over a recording: any position can be reached, and breakpoints work in both directions.
 *
 * How the directions are made: the machine only ever runs forward. To go back is to restore a checkpoint
 * (checkpoints.ts says which there are) and to run. To find the last place before the cursor where something
 * holds, intervals between checkpoints are searched from the cursor backwards, each one forwards; what the trace
 * has recorded as events is looked up there instead, without running anything.
 */
import type { MachineEvent } from '../../engine/base/events.ts';
import type { Ns, Position } from '../../engine/base/units.ts';
import type { Machine } from '../../engine/machine.ts';
import type { RegisterMaps } from '../../traces/index.ts';
import { type CheckpointLimits, type Checkpoints, DEFAULT_LIMITS } from './checkpoints.ts';
import type { Condition } from './conditions.ts';
import { Cursor } from './cursor.ts';
import { EventFinder } from './event-finder.ts';
import type { Operation } from './operation.ts';
import { type Checkpoint, Playback, type PlaybackOptions } from './playback.ts';
import { Probe } from './probe.ts';
import { registerMapsNow } from './register-maps.ts';
import { type FoundPlace, Search } from './search.ts';
import type { TimelineStop } from './timeline-stop.ts';

export { describeStop, type TimelineStop } from './timeline-stop.ts';

export interface Breakpoint {
  readonly id: number;
  readonly condition: Condition;
  enabled: boolean;
  /** Times that it stopped the machine. */
  hits: number;
}

/** What happens after a debugger changed something. */
export interface SideBranch {
  readonly number: number;
  /** Where the (last) change was made. */
  position: Position;
}

export interface TimelineOptions extends PlaybackOptions {
  readonly limits?: CheckpointLimits;
}

/** Where a CPU's steps back leave checkpoints, in its instructions before the goal. */
const STEP_RUNGS = [1 << 18, 1 << 15, 1 << 12];

export class Timeline {
  readonly playback: Playback;
  readonly breakpoints = new Map<number, Breakpoint>();
  readonly maps: RegisterMaps;
  /** Hears what the machine tells while it runs forward for `continueForward`; not during searches. */
  onEvent: (event: MachineEvent) => void = () => {};
  readonly #cursor: Cursor;
  readonly #probe: Probe;
  readonly #search: Search;
  #isTelling = false;
  #nextId = 1;
  #branch: SideBranch | undefined;
  #branches = 0;
  /** What waits for the return from a side branch. */
  #recorded: { readonly checkpoints: Checkpoints; readonly cursor: Checkpoint } | undefined;

  /** Builds the machine; it is at its first instruction then. @throws TraceError, MissingImages */
  constructor(options: TimelineOptions) {
    this.playback = new Playback(options);
    this.maps = registerMapsNow(this.playback.machine);
    this.#cursor = new Cursor(this.playback, options.limits ?? DEFAULT_LIMITS);
    this.#probe = new Probe(this.playback, this.maps);
    this.#search = new Search(this.#cursor, this.#probe, new EventFinder(options.reader, this.maps));
    this.playback.sink = (event) => {
      this.#probe.observe(event);
      if (this.#isTelling) this.onEvent(event);
    };
  }

  get machine(): Machine {
    return this.playback.machine;
  }

  get position(): Position {
    return this.playback.position;
  }

  get time(): Ns {
    return this.playback.time;
  }

  /** Position of the end of the recording. */
  get length(): Position {
    return this.playback.end.position;
  }

  /** Why no instruction comes next; undefined: one does. */
  get ended(): string | undefined {
    return this.playback.ended;
  }

  get branch(): Readonly<SideBranch> | undefined {
    return this.#branch;
  }

  /** Positions of the checkpoints, ascending. */
  get checkpoints(): readonly Position[] {
    return this.#cursor.checkpoints.positions;
  }

  get checkpointBytes(): number {
    return this.playback.checkpointBytes;
  }

  /* ---------------------------------------------------------------- breakpoints */

  /** @throws RangeError for a register that does not exist */
  addBreakpoint(condition: Condition): Breakpoint {
    this.#probe.check(condition);
    const breakpoint = { id: this.#nextId++, condition, enabled: true, hits: 0 };
    this.breakpoints.set(breakpoint.id, breakpoint);
    return breakpoint;
  }

  removeBreakpoint(id: number): boolean {
    return this.breakpoints.delete(id);
  }

  #conditions(): Condition[] {
    return [...this.breakpoints.values()].filter(({ enabled }) => enabled).map(({ condition }) => condition);
  }

  #counted(stop: TimelineStop): TimelineStop {
    if (stop.reason !== 'breakpoint') return stop;
    for (const { condition } of stop.hits) {
      for (const breakpoint of this.breakpoints.values())
        if (breakpoint.condition === condition) breakpoint.hits += 1;
    }
    return stop;
  }

  /* ---------------------------------------------------------------- going to a position */

  /** First position that can be reached: of the recording, or of the side branch. */
  get #first(): Position {
    return this.#cursor.first;
  }

  #clamp(position: Position): Position {
    const last = this.#branch === undefined ? this.length : Number.MAX_SAFE_INTEGER;
    return Math.min(Math.max(Math.floor(position), this.#first), last);
  }

  /** Goes to a position, or to the nearest that exists. */
  *seek(position: Position): Operation<TimelineStop> {
    const target = this.#clamp(position);
    const start = this.position;
    const stop = yield* this.#cursor.goTo(target, 'going there');
    if (stop.reason !== 'interrupted') return stop;
    // What was found on the way forward is as good a place as any; on the way back, the start is.
    if (target < start) yield* this.#cursor.goTo(start, 'going back');
    return stop;
  }

  /* ---------------------------------------------------------------- single steps */

  /**
   * Executes `count` instructions: of any CPU, or of one of them. Others take their turns meanwhile, in which
   * they stop at breakpoints, unless `alone`. With `watching`, an instruction that is about to make a watched
   * access is not executed; otherwise watches do not matter to the CPU that steps.
   */
  *stepForward(count = 1, cpu?: number, alone = false, watching = false): Operation<TimelineStop> {
    const watches = watching ? this.#conditions().filter(({ kind }) => kind === 'watch') : [];
    const isOne = this.machine.cluster.states.length === 1;
    if (watches.length === 0 && (cpu === undefined || isOne)) {
      const stop = yield* this.seek(this.position + count);
      return stop.reason === 'there' && this.ended !== undefined ? this.#cursor.here() : stop;
    }
    for (let i = 0; i < count; i++) {
      const stop = yield* this.#stepCpu(
        cpu ?? this.machine.currentCpu,
        alone ? [] : this.#conditions(),
        watches,
      );
      if (stop.reason !== 'there') return stop;
      if (i % 64 === 63) {
        const progress = { what: 'stepping', position: this.position, done: i / count };
        if ((yield progress) === true) return { reason: 'interrupted' };
      }
    }
    return { reason: 'there' };
  }

  *#stepCpu(
    cpu: number,
    conditions: readonly Condition[],
    watches: readonly Condition[],
  ): Operation<TimelineStop> {
    const { machine, playback } = this;
    if (machine.currentCpu !== cpu) {
      const stop = yield* this.#search.forward(conditions, this.#end, 'waiting for the CPU', cpu);
      this.#counted(stop);
      if (stop.reason !== 'there') return stop;
    }
    if (watches.length > 0) {
      const next = this.position + 1;
      return this.#counted(yield* this.#search.forward(watches, next, 'stepping', -1, false));
    }
    machine.cluster.armed = false;
    try {
      const stop = playback.run(this.position + 1);
      return stop.reason === 'stopped' || stop.reason === 'there'
        ? this.#cursor.here()
        : this.#cursor.ending(stop);
    } finally {
      machine.cluster.armed = true;
    }
  }

  get #end(): Position {
    return this.#branch === undefined ? this.length : Number.MAX_SAFE_INTEGER;
  }

  /** Takes `count` instructions back: of any CPU, or until one CPU has so many fewer behind it. */
  *stepBackward(count = 1, cpu?: number): Operation<TimelineStop> {
    if (this.position <= this.#first) return this.#atFirst();
    if (cpu === undefined || this.machine.cluster.states.length === 1) {
      const target = this.position - count;
      const stop = yield* this.seek(target);
      return stop.reason === 'there' && target < this.#first ? this.#atFirst() : stop;
    }
    return yield* this.#seekRetired(cpu, this.machine.retired(cpu) - count);
  }

  #atFirst(): TimelineStop {
    return this.#branch === undefined
      ? { reason: 'begin', why: 'the recording begins here' }
      : { reason: 'branch-begin' };
  }

  /** Right after a CPU retired its `count`th instruction. */
  *#seekRetired(cpu: number, count: number): Operation<TimelineStop> {
    const { machine } = this;
    const from = count <= 0 ? undefined : this.#cursor.checkpoints.beforeRetired(cpu, count);
    if (from === undefined) {
      yield* this.#cursor.goTo(this.#first, 'going back');
      return this.#atFirst();
    }
    const start = this.position;
    this.#cursor.restore(from);
    const { cluster } = machine;
    cluster.armed = false;
    try {
      for (let left = count - machine.retired(cpu); left > 0; left = count - machine.retired(cpu)) {
        // To the CPU's next turn, then at most what is missing: others may get their turns in between.
        cluster.stopBefore = cpu;
        let stop = this.#cursor.run(this.position + this.#cursor.pace.slice);
        cluster.stopBefore = -1;
        if (stop.reason === 'stopped' && machine.currentCpu === cpu) {
          const near = STEP_RUNGS.find((rung) => left > 2 * rung);
          stop = this.#cursor.run(this.position + Math.min(left - (near ?? 0), this.#cursor.pace.slice));
          if (near !== undefined && stop.reason === 'there') this.#cursor.addCheckpoint();
        }
        if (stop.reason === 'diverged' || stop.reason === 'end') return this.#cursor.ending(stop);
        if ((yield { what: 'going back', position: this.position }) === true) {
          yield* this.#cursor.goTo(start, 'going back');
          return { reason: 'interrupted' };
        }
      }
    } finally {
      cluster.stopBefore = -1;
      cluster.armed = true;
    }
    return { reason: 'there' };
  }

  /* ---------------------------------------------------------------- running to breakpoints */

  /** Runs to the next place where an enabled breakpoint holds. @param until not further than this */
  *continueForward(until: Position = Number.POSITIVE_INFINITY): Operation<TimelineStop> {
    this.#isTelling = true;
    try {
      const limit = Math.min(until, this.#end);
      return this.#counted(yield* this.#search.forward(this.#conditions(), limit, 'running', -1));
    } finally {
      this.#isTelling = false;
    }
  }

  /** To the last place before the present one where an enabled breakpoint holds. */
  *continueBackward(): Operation<TimelineStop> {
    const start = this.position;
    const found = yield* this.#search.backward(this.#conditions());
    if (found === 'interrupted') {
      yield* this.#cursor.goTo(start, 'going back');
      return { reason: 'interrupted' };
    }
    const stop = yield* this.#cursor.goTo(found?.position ?? this.#first, 'going there');
    if (stop.reason === 'interrupted' || stop.reason === 'diverged') return stop;
    if (found === undefined) return this.#atFirst();
    return this.#counted({ reason: 'breakpoint', hits: found.hits });
  }

  /**
   * Goes to the nearest place where one of the conditions holds, whatever the breakpoints are. The machine stays
   * where it is if there is none.
   */
  *find(
    conditions: readonly Condition[],
    direction: 'forward' | 'backward',
  ): Operation<FoundPlace | undefined | 'interrupted' | Extract<TimelineStop, { reason: 'diverged' }>> {
    const start = this.position;
    let found: FoundPlace | undefined | 'interrupted';
    if (direction === 'backward') found = yield* this.#search.backward(conditions);
    else {
      const stop = yield* this.#search.forward(conditions, this.#end, 'searching', -1);
      if (stop.reason === 'diverged') return stop;
      if (stop.reason === 'interrupted') found = 'interrupted';
      else if (stop.reason === 'breakpoint') found = { position: this.position, hits: stop.hits };
    }
    const place = typeof found === 'object' ? found.position : start;
    const stop = yield* this.#cursor.goTo(place, found === undefined ? 'going back' : 'going there');
    if (stop.reason === 'diverged') return stop;
    return stop.reason === 'interrupted' ? 'interrupted' : found;
  }

  /* ---------------------------------------------------------------- the whole of it */

  /** Keeps the present state as a checkpoint. */
  keep(): void {
    this.#cursor.checkpoints.add();
  }

  /** Runs ahead to the end once, so that every later jump finds checkpoints; ends where it began. */
  *prepare(): Operation<TimelineStop> {
    if (this.#branch !== undefined) return { reason: 'there' };
    const start = this.position;
    const last = this.#cursor.checkpoints.before(this.length);
    this.#cursor.checkpoints.add();
    const from = this.#cursor.startBefore(this.length);
    if (from > Math.max(last.position, this.position))
      yield* this.#cursor.goTo(from, 'reading the recording');
    else if (last.position > this.position) this.#cursor.restore(last);
    const stop =
      this.ended === undefined
        ? yield* this.#cursor.runOn(this.length, 'reading the recording', false)
        : this.#cursor.here();
    yield* this.#cursor.goTo(start, 'going back');
    return stop;
  }

  /* ---------------------------------------------------------------- side branches */

  /**
   * Changes the machine. From here on it goes its own way, in a side branch of the recording, which is left by
   * `leaveBranch`. Returns true if this change began the branch.
   */
  change(apply: (machine: Machine) => void): boolean {
    const isNew = this.#branch === undefined;
    if (this.#branch === undefined) {
      this.#recorded = { checkpoints: this.#cursor.checkpoints, cursor: this.playback.take() };
      this.#branches += 1;
      this.#branch = { number: this.#branches, position: this.position };
      this.playback.diverted = true;
      this.#search.usesTrace = false;
    } else {
      this.#cursor.checkpoints.releaseAll();
      this.#branch.position = this.position;
    }
    this.#cursor.first = this.position;
    apply(this.machine);
    this.#cursor.checkpoints = this.#cursor.newCheckpoints();
    return isNew;
  }

  /** Back to the recording, where the branch began. False: there is no branch. */
  leaveBranch(): boolean {
    if (this.#recorded === undefined) return false;
    this.#cursor.checkpoints.releaseAll();
    this.#cursor.checkpoints = this.#recorded.checkpoints;
    this.playback.diverted = false;
    this.#search.usesTrace = true;
    this.#cursor.first = 0;
    this.#cursor.restore(this.#recorded.cursor);
    this.playback.release(this.#recorded.cursor);
    this.#recorded = undefined;
    this.#branch = undefined;
    return true;
  }
}
