/**
 * How much is run between two looks at the world. A million instructions take five milliseconds in one place and
 * half a second in another, so slices follow the clock. That decides only where runs are cut, never what happens.
 */
import type { Position } from '../../engine/base/units.ts';

const GOAL_MS = 15;
const MIN_SLICE = 5_000;
/** A slice that takes a millisecond where code is hot takes this many times longer where all of it is new. */
const MAX_SLICE = 400_000;
/** Work after which a checkpoint is worth its memory. */
const CHECKPOINT_MS = 40;

export class Pace {
  #slice = 100_000;
  #began = 0;
  #from: Position = 0;
  #sinceCheckpoint = 0;

  /** Instructions to run before the next look. */
  get slice(): number {
    return this.#slice;
  }

  begin(position: Position): void {
    this.#began = performance.now();
    this.#from = position;
  }

  end(position: Position): void {
    const took = performance.now() - this.#began;
    this.#sinceCheckpoint += took;
    const ran = position - this.#from;
    // A short slice says nothing about a longer one; a long time says something about any.
    if (took > 2 * GOAL_MS) this.#slice = Math.max(MIN_SLICE, Math.floor(this.#slice / 2));
    else if (took < GOAL_MS / 2 && ran >= this.#slice) this.#slice = Math.min(MAX_SLICE, this.#slice * 2);
  }

  /** True if so much work has been done since the last checkpoint that another one should follow. */
  get wantsCheckpoint(): boolean {
    return this.#sinceCheckpoint >= CHECKPOINT_MS;
  }

  /** A checkpoint was made or gone back to. */
  atCheckpoint(): void {
    this.#sinceCheckpoint = 0;
  }
}
