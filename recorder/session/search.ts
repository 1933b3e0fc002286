/**
 * Runs the machine to where something holds, forwards and backwards. What the trace has recorded as events is
 * looked up there instead, without running anything.
 */
import type { Position } from '../../engine/base/units.ts';
import type { Condition } from './conditions.ts';
import type { Cursor } from './cursor.ts';
import type { EventFinder } from './event-finder.ts';
import type { Operation } from './operation.ts';
import type { Hit, Probe } from './probe.ts';
import type { TimelineStop } from './timeline-stop.ts';

/** A run that a condition ended; the machine may be between two positions. */
interface RunHit {
  readonly reason: 'hit';
  readonly position: Position;
  readonly hits: readonly Hit[];
}

/** Stops of a search before it tries its luck further on. */
const MANY_HITS = 48;
const SMALL_INTERVAL = 4096;

export interface FoundPlace {
  readonly position: Position;
  readonly hits: readonly Hit[];
}

export class Search {
  readonly #cursor: Cursor;
  readonly #probe: Probe;
  readonly #events: EventFinder;
  /** In a side branch the trace knows nothing. */
  usesTrace = true;

  constructor(cursor: Cursor, probe: Probe, events: EventFinder) {
    this.#cursor = cursor;
    this.#probe = probe;
    this.#events = events;
  }

  /**
   * Runs on to a place where a condition holds; not beyond `limit`, and not beyond where CPU `stopBefore` (-1:
   * none) has its turn. With `stepOff` what holds at the present position does not count.
   */
  *forward(
    conditions: readonly Condition[],
    limit: Position,
    what: string,
    stopBefore: number,
    stepOff = true,
  ): Operation<TimelineStop> {
    const { machine } = this.#cursor;
    const start = this.#cursor.position;
    if (this.#cursor.ended !== undefined) return this.#cursor.here();
    if (start >= limit) return { reason: 'there' };
    const { live, recorded } = this.#split(conditions);
    const next = yield* this.#events.next(recorded, start);
    if (next === 'interrupted') return { reason: 'interrupted' };
    // A place found in the trace is a place to run to, and the run may find something before it.
    const goal = Math.min(limit, next?.position ?? Number.POSITIVE_INFINITY);
    machine.cluster.stopBefore = stopBefore;
    try {
      const stop = yield* this.#runArmed(live, goal, what, stepOff);
      if (stop.reason === 'hit') {
        const { position, hits } = stop;
        if (this.#cursor.isBetween || this.#cursor.position !== position)
          yield* this.#cursor.goTo(position, what);
        return { reason: 'breakpoint', hits };
      }
      if (stop.reason !== 'there' && stop.reason !== 'end') return stop;
      if (next !== undefined && this.#cursor.position === next.position) {
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
      (this.usesTrace && this.#events.knows(condition) ? recorded : live).push(condition);
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
    const { machine, playback } = this.#cursor;
    const { cluster } = machine;
    const start = this.#cursor.position;
    this.#probe.arm(conditions, stepOff ? start + 1 : start);
    try {
      let offFirst = stepOff && this.#probe.needsStepOff;
      for (;;) {
        const grid = this.#cursor.checkpoints.nextOfGrid(this.#cursor.position);
        const next = offFirst
          ? this.#cursor.position + 1
          : Math.min(goal, grid, this.#cursor.position + this.#cursor.pace.slice);
        cluster.armed = !offFirst;
        const stop = this.#cursor.run(next);
        cluster.armed = true;
        const isOff = offFirst;
        offFirst = false;
        if (stop.reason === 'diverged') return stop;
        const hit = this.#probe.take(stop.reason === 'stopped');
        if (hit !== undefined) {
          const behind = this.#cursor.position;
          if (hit.needsTrial) {
            // A change: only the access itself tells.
            const before = this.#probe.contents();
            cluster.armed = false;
            playback.run(behind + 1);
            cluster.armed = true;
            const changed = this.#probe.changed(hit, before);
            if (changed.length === 0) continue;
            this.#cursor.isBetween = true;
            return { reason: 'hit', position: behind, hits: changed };
          }
          // An event may be known only when its instruction is done, and a watched access half made.
          this.#cursor.isBetween = true;
          if (hit.isExact) this.#cursor.isBetween = false;
          return { reason: 'hit', position: hit.position, hits: hit.hits };
        }
        if (stop.reason === 'end') return this.#cursor.here();
        if (stop.reason === 'stopped') {
          if (cluster.stopBefore >= 0 && machine.currentCpu === cluster.stopBefore)
            return { reason: 'there' };
          continue;
        }
        if (next === goal) return { reason: 'there' };
        const here = this.#probe.here();
        if (here !== undefined) return { reason: 'hit', position: this.#cursor.position, hits: here };
        if (isOff) continue;
        if (next === grid || this.#cursor.pace.wantsCheckpoint) this.#cursor.addCheckpoint();
        if ((yield this.#cursor.progress(what, start, goal)) === true) return { reason: 'interrupted' };
      }
    } finally {
      this.#probe.disarm();
    }
  }

  /** The last place before the present position where one of the conditions holds. The machine ends anywhere. */
  *backward(conditions: readonly Condition[]): Operation<FoundPlace | undefined | 'interrupted'> {
    const start = this.#cursor.position;
    const { live, recorded } = this.#split(conditions);
    const known = yield* this.#events.last(recorded, start);
    if (known === 'interrupted') return known;
    if (live.length === 0) return known;
    let high = start;
    while (high > this.#cursor.first && (known === undefined || known.position < high - 1)) {
      const from = this.#cursor.startBefore(high - 1);
      const low = Math.max(from, known === undefined ? 0 : known.position + 1);
      yield* this.#cursor.goTo(low, 'searching backwards');
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
  ): Operation<FoundPlace | undefined | 'interrupted'> {
    let last: FoundPlace | undefined;
    let count = 0;
    let stepOff = false;
    while (this.#cursor.position < high) {
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
      if (this.#cursor.isBetween) this.#passOver(stop.position);
      stepOff = this.#cursor.position === stop.position;
      if (count >= MANY_HITS && high - this.#cursor.position > SMALL_INTERVAL) {
        // Hits are dense: the last one is more likely behind the middle than worth going through all of them.
        const low = this.#cursor.position;
        const middle = Math.floor((low + high) / 2);
        yield* this.#cursor.goTo(middle, 'searching backwards');
        this.#cursor.addCheckpoint();
        const upper = yield* this.#lastHit(conditions, high, searchStart);
        if (upper !== undefined) return upper;
        yield* this.#cursor.goTo(low, 'searching backwards');
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
    const { cluster } = this.#cursor.machine;
    if (this.#cursor.position > position) {
      this.#cursor.isBetween = false;
      return;
    }
    cluster.armed = false;
    this.#cursor.playback.run(position + 1);
    cluster.armed = true;
    this.#cursor.isBetween = false;
  }
}
