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
import { type CheckpointLimits, Checkpoints, DEFAULT_LIMITS } from './checkpoints.ts';
import type { Divergence } from './compare.ts';
import { type Condition, describeCondition } from './conditions.ts';
import { EventFinder } from './event-finder.ts';
import type { Operation, Progress } from './operation.ts';
import { Pace } from './pace.ts';
import { type Checkpoint, Playback, type PlaybackOptions, type PlaybackStop } from './playback.ts';
import { type Hit, Probe } from './probe.ts';

export interface Breakpoint {
  readonly id: number;
  readonly condition: Condition;
  enabled: boolean;
  /** Times that it stopped the machine. */
  hits: number;
}

/** Why an operation ended. The timeline is at the position in any case. */
export type TimelineStop =
  | { readonly reason: 'there' }
  | { readonly reason: 'breakpoint'; readonly hits: readonly Hit[] }
  /** The first or the last position. */
  | { readonly reason: 'begin' | 'end'; readonly why: string }
  /** Before this the recording goes on, without what the debugger changed. */
  | { readonly reason: 'branch-begin' }
  | { readonly reason: 'interrupted' }
  | { readonly reason: 'diverged'; readonly divergence: Divergence };

/** What happens after a debugger changed something. */
export interface SideBranch {
  readonly number: number;
  /** Where the (last) change was made. */
  position: Position;
}

export interface TimelineOptions extends PlaybackOptions {
  readonly limits?: CheckpointLimits;
}

/** A run that a condition ended; the machine may be between two positions. */
interface RunHit {
  readonly reason: 'hit';
  readonly position: Position;
  readonly hits: readonly Hit[];
}

/** Stops of a search before it tries its luck further on. */
const MANY_HITS = 48;
/** Where a CPU's steps back leave checkpoints, in its instructions before the goal. */
const STEP_RUNGS = [1 << 18, 1 << 15, 1 << 12];
const SMALL_INTERVAL = 4096;

export class Timeline {
  readonly playback: Playback;
  readonly breakpoints = new Map<number, Breakpoint>();
  readonly maps: RegisterMaps;
  /** Hears what the machine tells while it runs forward for `continueForward`; not during searches. */
  onEvent: (event: MachineEvent) => void = () => {};
  readonly #limits: CheckpointLimits;
  readonly #probe: Probe;
  readonly #events: EventFinder;
  readonly #pace = new Pace();
  #checkpoints: Checkpoints;
  #isTelling = false;
  #nextId = 1;
  #branch: SideBranch | undefined;
  #branches = 0;
  /** What waits for the return from a side branch. */
  #recorded: { readonly checkpoints: Checkpoints; readonly cursor: Checkpoint } | undefined;
  /** The machine is in the middle of an instruction, after a watched access was stopped. */
  #isBetween = false;

  /** Builds the machine; it is at its first instruction then. @throws TraceError, MissingImages */
  constructor(options: TimelineOptions) {
    this.playback = new Playback(options);
    const maps = this.playback.machine.registerMaps();
    this.maps = (device) => (Object.hasOwn(maps, device) ? maps[device] : undefined);
    this.#limits = options.limits ?? DEFAULT_LIMITS;
    this.#checkpoints = new Checkpoints(this.playback, this.length, this.#limits);
    this.#events = new EventFinder(options.reader, this.maps);
    this.#probe = new Probe(this.playback, this.maps);
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
    return this.#checkpoints.positions;
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

  #count(hits: readonly Hit[]): void {
    for (const { condition } of hits) {
      for (const breakpoint of this.breakpoints.values())
        if (breakpoint.condition === condition) breakpoint.hits += 1;
    }
  }

  /* ---------------------------------------------------------------- going to a position */

  /** First position that can be reached: of the recording, or of the side branch. */
  get #first(): Position {
    return this.#branch?.position ?? 0;
  }

  #clamp(position: Position): Position {
    const last = this.#branch === undefined ? this.length : Number.MAX_SAFE_INTEGER;
    return Math.min(Math.max(Math.floor(position), this.#first), last);
  }

  /** Goes to a position, or to the nearest that exists. */
  *seek(position: Position): Operation<TimelineStop> {
    const target = this.#clamp(position);
    const start = this.position;
    const stop = yield* this.#goTo(target, 'going there');
    if (stop.reason !== 'interrupted') return stop;
    // What was found on the way forward is as good a place as any; on the way back, the start is.
    if (target < start) yield* this.#goTo(start, 'going back');
    return stop;
  }

  *#goTo(target: Position, what: string): Operation<TimelineStop> {
    const { playback } = this;
    const from = this.#checkpoints.before(target);
    const canRunOn = !this.#isBetween && this.position <= target && this.position >= from.position;
    if (!canRunOn || (playback.ended !== undefined && this.position < target)) this.#restore(from);
    if (playback.ended !== undefined && this.position === target) return this.#here();
    return yield* this.#runOn(target, what, true);
  }

  #restore(checkpoint: Checkpoint): void {
    this.playback.restore(checkpoint);
    this.#isBetween = false;
    this.#pace.atCheckpoint();
  }

  #addCheckpoint(): void {
    this.#checkpoints.add();
    this.#pace.atCheckpoint();
  }

  #run(until: Position): PlaybackStop {
    this.#pace.begin(this.position);
    const stop = this.playback.run(until);
    this.#pace.end(this.position);
    return stop;
  }

  #here(): TimelineStop {
    const { ended } = this.playback;
    return ended === undefined ? { reason: 'there' } : { reason: 'end', why: ended };
  }

  /** Runs forward with nothing armed, leaving checkpoints. */
  *#runOn(target: Position, what: string, withLadder: boolean): Operation<TimelineStop> {
    const { cluster } = this.machine;
    const start = this.position;
    const rungs = withLadder ? this.#checkpoints.rungs(start, target) : [];
    cluster.armed = false;
    try {
      for (;;) {
        const grid = this.#checkpoints.nextOfGrid(this.position);
        const rung = rungs[0] ?? Number.POSITIVE_INFINITY;
        const next = Math.min(target, grid, rung, this.position + this.#pace.slice);
        const stop = this.#run(next);
        if (stop.reason === 'diverged') return stop;
        if (stop.reason === 'end') return this.#here();
        if (stop.reason === 'stopped') continue; // a stop that an event asked for earlier
        if (next === rung) rungs.shift();
        if (next === target) return { reason: 'there' };
        if (next === rung || next === grid || this.#pace.wantsCheckpoint) this.#addCheckpoint();
        if ((yield this.#progress(what, start, target)) === true) return { reason: 'interrupted' };
      }
    } finally {
      cluster.armed = true;
    }
  }

  #progress(what: string, start: Position, target: Position): Progress {
    const { position } = this;
    if (!Number.isFinite(target) || target === start) return { what, position };
    return { what, position, done: Math.min(1, Math.max(0, (position - start) / (target - start))) };
  }

  /* ---------------------------------------------------------------- single steps */

  /**
   * Executes `count` instructions: of any CPU, or of one of them. Others take their turns meanwhile, in which
   * they stop at breakpoints, unless `alone`.
   */
  *stepForward(count = 1, cpu?: number, alone = false): Operation<TimelineStop> {
    if (cpu === undefined || this.machine.cluster.states.length === 1) {
      const stop = yield* this.seek(this.position + count);
      return stop.reason === 'there' && this.ended !== undefined ? this.#here() : stop;
    }
    for (let i = 0; i < count; i++) {
      const stop = yield* this.#stepCpu(cpu, alone ? [] : this.#conditions());
      if (stop.reason !== 'there') return stop;
    }
    return { reason: 'there' };
  }

  *#stepCpu(cpu: number, conditions: readonly Condition[]): Operation<TimelineStop> {
    const { machine, playback } = this;
    if (machine.currentCpu !== cpu) {
      const stop = yield* this.#forward(conditions, this.#end, 'waiting for the CPU', cpu);
      if (stop.reason !== 'there') return stop;
    }
    machine.cluster.armed = false;
    try {
      const stop = playback.run(this.position + 1);
      return stop.reason === 'stopped' || stop.reason === 'there' ? this.#here() : this.#ending(stop);
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
    const from = count <= 0 ? undefined : this.#checkpoints.beforeRetired(cpu, count);
    if (from === undefined) {
      yield* this.#goTo(this.#first, 'going back');
      return this.#atFirst();
    }
    const start = this.position;
    this.#restore(from);
    const { cluster } = machine;
    cluster.armed = false;
    try {
      for (let left = count - machine.retired(cpu); left > 0; left = count - machine.retired(cpu)) {
        // To the CPU's next turn, then at most what is missing: others may get their turns in between.
        cluster.stopBefore = cpu;
        let stop = this.#run(this.position + this.#pace.slice);
        cluster.stopBefore = -1;
        if (stop.reason === 'stopped' && machine.currentCpu === cpu) {
          const near = STEP_RUNGS.find((rung) => left > 2 * rung);
          stop = this.#run(this.position + Math.min(left - (near ?? 0), this.#pace.slice));
          if (near !== undefined && stop.reason === 'there') this.#addCheckpoint();
        }
        if (stop.reason === 'diverged' || stop.reason === 'end') return this.#ending(stop);
        if ((yield { what: 'going back', position: this.position }) === true) {
          yield* this.#goTo(start, 'going back');
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
      return yield* this.#forward(this.#conditions(), Math.min(until, this.#end), 'running', -1);
    } finally {
      this.#isTelling = false;
    }
  }

  /** To the last place before the present one where an enabled breakpoint holds. */
  *continueBackward(): Operation<TimelineStop> {
    const start = this.position;
    const found = yield* this.findBackward(this.#conditions());
    if (found === 'interrupted') {
      yield* this.#goTo(start, 'going back');
      return { reason: 'interrupted' };
    }
    yield* this.#goTo(found?.position ?? this.#first, 'going there');
    if (found === undefined) return this.#atFirst();
    this.#count(found.hits);
    return { reason: 'breakpoint', hits: found.hits };
  }

  *#forward(
    conditions: readonly Condition[],
    limit: Position,
    what: string,
    stopBefore: number,
  ): Operation<TimelineStop> {
    const { machine } = this;
    const start = this.position;
    if (this.ended !== undefined) return this.#here();
    if (start >= limit) return { reason: 'there' };
    const { live, recorded } = this.#split(conditions);
    const next = yield* this.#events.next(recorded, start);
    if (next === 'interrupted') return { reason: 'interrupted' };
    // A place found in the trace is a place to run to, and the run may find something before it.
    const goal = Math.min(limit, next?.position ?? Number.POSITIVE_INFINITY);
    machine.cluster.stopBefore = stopBefore;
    try {
      const stop = yield* this.#runArmed(live, goal, what, true);
      if (stop.reason === 'hit') {
        const { position, hits } = stop;
        if (this.#isBetween || this.position !== position) yield* this.#goTo(position, what);
        this.#count(hits);
        return { reason: 'breakpoint', hits };
      }
      if (stop.reason !== 'there' && stop.reason !== 'end') return stop;
      if (next !== undefined && this.position === next.position) {
        this.#count(next.hits);
        return { reason: 'breakpoint', hits: next.hits };
      }
      return stop;
    } finally {
      machine.cluster.stopBefore = -1;
    }
  }

  /** Conditions that the run has to find, and those that the trace knows. */
  #split(conditions: readonly Condition[]): { live: Condition[]; recorded: Condition[] } {
    const live: Condition[] = [];
    const recorded: Condition[] = [];
    for (const condition of conditions) {
      (this.#branch === undefined && this.#events.knows(condition) ? recorded : live).push(condition);
    }
    return { live, recorded };
  }

  /**
   * Runs to `goal`, or to the first hit (which may leave the machine between two positions). With `stepOff` what
   * holds at the present position does not count.
   */
  *#runArmed(
    conditions: readonly Condition[],
    goal: Position,
    what: string,
    stepOff: boolean,
  ): Operation<TimelineStop | RunHit> {
    const { machine, playback } = this;
    const { cluster } = machine;
    const start = this.position;
    this.#probe.arm(conditions, stepOff ? start + 1 : start);
    try {
      let offFirst = stepOff && this.#probe.needsStepOff;
      for (;;) {
        const grid = this.#checkpoints.nextOfGrid(this.position);
        const next = offFirst ? this.position + 1 : Math.min(goal, grid, this.position + this.#pace.slice);
        cluster.armed = !offFirst;
        const stop = this.#run(next);
        cluster.armed = true;
        const isOff = offFirst;
        offFirst = false;
        if (stop.reason === 'diverged') return stop;
        const hit = this.#probe.take(stop.reason === 'stopped');
        if (hit !== undefined) {
          const behind = this.position;
          if (hit.needsTrial) {
            // A change: only the access itself tells.
            const before = this.#probe.contents();
            cluster.armed = false;
            playback.run(behind + 1);
            cluster.armed = true;
            const changed = this.#probe.changed(hit, before);
            if (changed.length === 0) continue;
            this.#isBetween = true;
            return { reason: 'hit', position: behind, hits: changed };
          }
          // An event may be known only when its instruction is done, and a watched access half made.
          this.#isBetween = true;
          if (hit.isExact) this.#isBetween = false;
          return { reason: 'hit', position: hit.position, hits: hit.hits };
        }
        if (stop.reason === 'end') return this.#here();
        if (stop.reason === 'stopped') {
          if (cluster.stopBefore >= 0 && machine.currentCpu === cluster.stopBefore)
            return { reason: 'there' };
          continue;
        }
        if (next === goal) return { reason: 'there' };
        const here = this.#probe.here();
        if (here !== undefined) return { reason: 'hit', position: this.position, hits: here };
        if (isOff) continue;
        if (next === grid || this.#pace.wantsCheckpoint) this.#addCheckpoint();
        if ((yield this.#progress(what, start, goal)) === true) return { reason: 'interrupted' };
      }
    } finally {
      this.#probe.disarm();
    }
  }

  /** The last place before the present position where one of the conditions holds. The machine ends anywhere. */
  *findBackward(
    conditions: readonly Condition[],
  ): Operation<{ readonly position: Position; readonly hits: readonly Hit[] } | undefined | 'interrupted'> {
    const start = this.position;
    const { live, recorded } = this.#split(conditions);
    const known = yield* this.#events.last(recorded, start);
    if (known === 'interrupted') return known;
    if (live.length === 0) return known;
    let high = start;
    while (high > this.#first && (known === undefined || known.position < high - 1)) {
      const from = this.#checkpoints.before(high - 1);
      const low = Math.max(from.position, known === undefined ? 0 : known.position + 1);
      yield* this.#goTo(low, 'searching backwards');
      const found = yield* this.#lastHit(live, high, start);
      if (found !== undefined) return found;
      high = low;
    }
    return known;
  }

  /** The last hit from the present position up to, not including, `high`. */
  *#lastHit(
    conditions: readonly Condition[],
    high: Position,
    searchStart: Position,
  ): Operation<{ readonly position: Position; readonly hits: readonly Hit[] } | undefined | 'interrupted'> {
    let last: { position: Position; hits: readonly Hit[] } | undefined;
    let count = 0;
    let stepOff = false;
    while (this.position < high) {
      const stop: TimelineStop | RunHit = yield* this.#runArmed(
        conditions,
        high,
        'searching backwards',
        stepOff,
      );
      if (stop.reason === 'interrupted') return 'interrupted';
      if (stop.reason !== 'hit' || stop.position >= high) break;
      last = { position: stop.position, hits: stop.hits };
      count += 1;
      if (this.#isBetween) this.#passOver(stop.position);
      stepOff = this.position === stop.position;
      if (count >= MANY_HITS && high - this.position > SMALL_INTERVAL) {
        // Hits are dense: the last one is more likely behind the middle than worth going through all of them.
        const low = this.position;
        const middle = Math.floor((low + high) / 2);
        yield* this.#goTo(middle, 'searching backwards');
        this.#addCheckpoint();
        const upper = yield* this.#lastHit(conditions, high, searchStart);
        if (upper !== undefined) return upper;
        yield* this.#goTo(low, 'searching backwards');
        const lower = yield* this.#lastHit(conditions, middle, searchStart);
        return lower ?? last;
      }
      if (
        (yield {
          what: 'searching backwards',
          position: searchStart,
          done: 1 - stop.position / searchStart,
        }) === true
      ) {
        return 'interrupted';
      }
    }
    return last;
  }

  /** Out of the middle of an instruction by finishing it, which a watched access may be repeated for. */
  #passOver(position: Position): void {
    const { cluster } = this.machine;
    if (this.position > position) {
      this.#isBetween = false;
      return;
    }
    cluster.armed = false;
    this.playback.run(position + 1);
    cluster.armed = true;
    this.#isBetween = false;
  }

  #ending(stop: PlaybackStop): TimelineStop {
    return stop.reason === 'diverged' ? stop : this.#here();
  }

  /* ---------------------------------------------------------------- the whole of it */

  /** Runs ahead to the end once, so that every later jump finds checkpoints; ends where it began. */
  *prepare(): Operation<TimelineStop> {
    if (this.#branch !== undefined) return { reason: 'there' };
    const start = this.position;
    const last = this.#checkpoints.before(this.length);
    this.#checkpoints.add();
    if (last.position > this.position) this.#restore(last);
    const stop =
      this.ended === undefined
        ? yield* this.#runOn(this.length, 'reading the recording', false)
        : this.#here();
    yield* this.#goTo(start, 'going back');
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
      this.#recorded = { checkpoints: this.#checkpoints, cursor: this.playback.take() };
      this.#branches += 1;
      this.#branch = { number: this.#branches, position: this.position };
      this.playback.diverted = true;
    } else {
      this.#checkpoints.releaseAll();
      this.#branch.position = this.position;
    }
    apply(this.machine);
    this.#checkpoints = new Checkpoints(this.playback, this.length, this.#limits);
    return isNew;
  }

  /** Back to the recording, where the branch began. False: there is no branch. */
  leaveBranch(): boolean {
    if (this.#recorded === undefined) return false;
    this.#checkpoints.releaseAll();
    this.#checkpoints = this.#recorded.checkpoints;
    this.playback.diverted = false;
    this.#restore(this.#recorded.cursor);
    this.playback.release(this.#recorded.cursor);
    this.#recorded = undefined;
    this.#branch = undefined;
    return true;
  }
}

/** Why a timeline stopped, in words. */
export function describeStop(stop: TimelineStop): string {
  switch (stop.reason) {
    case 'there':
      return 'there';
    case 'breakpoint':
      return stop.hits.map(({ condition, text }) => text ?? describeCondition(condition)).join('; ');
    case 'begin':
    case 'end':
      return stop.why;
    case 'branch-begin':
      return 'the side branch begins here';
    case 'interrupted':
      return 'interrupted';
    case 'diverged':
      return `the replay diverged: expected ${stop.divergence.expected}, got ${stop.divergence.actual}`;
  }
}
