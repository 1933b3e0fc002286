/**
 * Where a timeline is: moves the machine to a position, back to a checkpoint or forward with nothing armed, and
 * leaves checkpoints on the way.
 */
import type { Ns, Position } from '../../engine/base/units.ts';
import type { Machine } from '../../engine/machine.ts';
import { type CheckpointLimits, Checkpoints } from './checkpoints.ts';
import type { Operation, Progress } from './operation.ts';
import { Pace } from './pace.ts';
import type { Checkpoint, Playback, PlaybackStop } from './playback.ts';
import type { TimelineStop } from './timeline-stop.ts';

export class Cursor {
  readonly playback: Playback;
  readonly pace = new Pace();
  /** The machine is in the middle of an instruction, after a watched access was stopped. */
  isBetween = false;
  /** First position that can be reached. */
  first: Position = 0;
  checkpoints: Checkpoints;
  readonly #limits: CheckpointLimits;

  constructor(playback: Playback, limits: CheckpointLimits) {
    this.playback = playback;
    this.#limits = limits;
    this.checkpoints = this.newCheckpoints();
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

  get ended(): string | undefined {
    return this.playback.ended;
  }

  /** Checkpoints that begin with the present state. */
  newCheckpoints(): Checkpoints {
    return new Checkpoints(this.playback, this.playback.end.position, this.#limits);
  }

  *goTo(target: Position, what: string): Operation<TimelineStop> {
    const { playback } = this;
    const from = this.checkpoints.before(target);
    const canRunOn = (): boolean =>
      !this.isBetween && this.position <= target && this.position >= from.position;
    if (this.#goToSaved(target, canRunOn() ? this.position : from.position)) {
      return yield* this.runOn(target, what, true);
    }
    if (!canRunOn() || (playback.ended !== undefined && this.position < target)) this.restore(from);
    if (playback.ended !== undefined && this.position === target) return this.here();
    return yield* this.runOn(target, what, true);
  }

  /** Where a search that goes backwards from a position should begin to run. */
  startBefore(position: Position): Position {
    const { position: kept } = this.checkpoints.before(position);
    const saved = this.playback.savedBefore(position);
    return saved === undefined || saved - kept < this.checkpoints.spacing ? kept : saved;
  }

  /**
   * Takes a checkpoint of the file, if that saves more than an interval of the grid. It is kept in memory from then
   * on, like one that was passed.
   */
  #goToSaved(target: Position, start: Position): boolean {
    for (;;) {
      const saved = this.playback.savedBefore(target);
      if (saved === undefined || saved - start < this.checkpoints.spacing) return false;
      this.isBetween = false;
      this.pace.atCheckpoint();
      if (this.playback.goToSaved(saved)) {
        this.checkpoints.add();
        return true;
      }
      // It was of no use, and the one before it may be. The machine is at its beginning now.
      start = Math.min(start, this.checkpoints.before(target).position);
    }
  }

  restore(checkpoint: Checkpoint): void {
    this.playback.restore(checkpoint);
    this.isBetween = false;
    this.pace.atCheckpoint();
  }

  addCheckpoint(): void {
    this.checkpoints.add();
    this.pace.atCheckpoint();
  }

  run(until: Position): PlaybackStop {
    this.pace.begin(this.position);
    const stop = this.playback.run(until);
    this.pace.end(this.position);
    return stop;
  }

  here(): TimelineStop {
    const { ended } = this.playback;
    return ended === undefined ? { reason: 'there' } : { reason: 'end', why: ended };
  }

  /** Runs forward with nothing armed, leaving checkpoints. */
  *runOn(target: Position, what: string, withLadder: boolean): Operation<TimelineStop> {
    const { cluster } = this.machine;
    const start = this.position;
    const rungs = withLadder ? this.checkpoints.rungs(start, target) : [];
    cluster.armed = false;
    try {
      for (;;) {
        const grid = this.checkpoints.nextOfGrid(this.position);
        const rung = rungs[0] ?? Number.POSITIVE_INFINITY;
        const next = Math.min(target, grid, rung, this.position + this.pace.slice);
        const stop = this.run(next);
        if (stop.reason === 'diverged') return stop;
        if (stop.reason === 'end') return this.here();
        if (stop.reason === 'stopped') continue; // a stop that an event asked for earlier
        if (next === rung) rungs.shift();
        if (next === target) return { reason: 'there' };
        if (next === rung || next === grid || this.pace.wantsCheckpoint) this.addCheckpoint();
        if ((yield this.progress(what, start, target)) === true) return { reason: 'interrupted' };
      }
    } finally {
      cluster.armed = true;
    }
  }

  progress(what: string, start: Position, target: Position): Progress {
    const { position } = this;
    if (!Number.isFinite(target) || target === start) return { what, position };
    return { what, position, done: Math.min(1, Math.max(0, (position - start) / (target - start))) };
  }

  ending(stop: PlaybackStop): TimelineStop {
    return stop.reason === 'diverged' ? stop : this.here();
  }
}
