/**
 * Which checkpoints are kept.
 *
 * A state is reached by going back to the nearest checkpoint before it and running from there, so the cost of a
 * jump is the distance to that checkpoint. Checkpoints cost memory: the pages that changed since the one before.
 * What a person does next is most likely near where he is; what a search does next is anywhere.
 *
 * - *The grid.* Whoever runs forward over ground that has no checkpoint leaves one every `spacing` instructions:
 *   2 million, or a 256th of the recording if that is more. A jump anywhere then costs some ten milliseconds,
 *   and a search backwards runs every instruction once, plus one restoring per interval.
 * - *The ladder.* A jump leaves checkpoints at growing distances before its goal: 1024 instructions, 4096, and so
 *   on up to the grid. A step back from there is a restore and at most 1024 instructions; after 1024 steps back
 *   the next rung is 4096 away, and running from it puts up a new ladder. So n steps back cost about n restores
 *   and a few times n instructions, wherever the grid lies.
 * - *Thinning.* Ladders of places that nobody is at any more are in the way. When the memory or the number allowed
 *   is used up, the checkpoint goes whose loss matters least: the one for which the gap that it would leave,
 *   divided by the distance from the cursor, is smallest. That keeps the density proportional to the nearness, on
 *   any scale, without remembering why a checkpoint was made. The first one stays for ever.
 *
 * None of this can be seen in the machine: a checkpoint is a copy, and a run cut at checkpoints is the same run.
 */
import type { Position } from '../../engine/base/units.ts';
import type { Checkpoint, Playback } from './playback.ts';

export interface CheckpointLimits {
  /** Bytes of guest memory kept aside. */
  readonly bytes: number;
  readonly count: number;
}

export const DEFAULT_LIMITS: CheckpointLimits = { bytes: 768 << 20, count: 600 };

const MIN_SPACING = 2_000_000;
const GRID_SIZE = 256;
const RUNGS = [1 << 10, 1 << 12, 1 << 14, 1 << 16, 1 << 18, 1 << 20];

export class Checkpoints {
  readonly spacing: number;
  readonly #playback: Playback;
  readonly #limits: CheckpointLimits;
  /** By position. */
  readonly #kept: Checkpoint[] = [];

  /** The present state becomes the first checkpoint. */
  constructor(playback: Playback, length: number, limits: CheckpointLimits = DEFAULT_LIMITS) {
    this.#playback = playback;
    this.#limits = limits;
    this.spacing = Math.max(MIN_SPACING, Math.ceil(length / GRID_SIZE));
    this.#kept.push(playback.take());
  }

  get first(): Checkpoint {
    return this.#kept[0]!;
  }

  get positions(): readonly Position[] {
    return this.#kept.map(({ position }) => position);
  }

  /** Keeps the present state, if it is not kept yet. */
  add(): void {
    const { position, ended } = this.#playback;
    const index = this.#indexAfter(position);
    const before = this.#kept[index - 1];
    if (before?.position === position && before.ended === ended) return;
    this.#kept.splice(index, 0, this.#playback.take());
    this.#thin(position);
  }

  /** The last one at or before a position. There is always one: no goal lies before the first. */
  before(position: Position): Checkpoint {
    return this.#kept[Math.max(0, this.#indexAfter(position) - 1)]!;
  }

  /** The last one at which a CPU had retired fewer than `count` instructions; undefined: none. */
  beforeRetired(cpu: number, count: number): Checkpoint | undefined {
    return this.#kept.findLast(({ retired }) => retired[cpu]! < count);
  }

  /** Where checkpoints are wanted on the way from `from` to `to`, besides the grid: the ladder, ascending. */
  rungs(from: Position, to: Position): Position[] {
    return RUNGS.map((distance) => to - distance)
      .filter((position) => position > from && position - this.before(position).position >= RUNGS[0]! / 2)
      .reverse();
  }

  /** The next position after a position at which the grid wants one. */
  nextOfGrid(position: Position): Position {
    return Math.max(this.before(position).position + this.spacing, position + 1);
  }

  releaseAll(): void {
    for (const checkpoint of this.#kept) this.#playback.release(checkpoint);
    this.#kept.length = 0;
  }

  #indexAfter(position: Position): number {
    let low = 0;
    let high = this.#kept.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#kept[middle]!.position <= position) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #thin(cursor: Position): void {
    while (
      this.#kept.length > 2 &&
      (this.#kept.length > this.#limits.count || this.#playback.checkpointBytes > this.#limits.bytes)
    ) {
      let worst = -1;
      let least = Number.POSITIVE_INFINITY;
      for (let i = 1; i < this.#kept.length; i++) {
        const { position } = this.#kept[i]!;
        if (position === cursor) continue;
        const after = this.#kept[i + 1]?.position ?? position + this.spacing;
        const cost = (after - this.#kept[i - 1]!.position) / (Math.abs(position - cursor) + RUNGS[0]!);
        if (cost < least) {
          least = cost;
          worst = i;
        }
      }
      if (worst < 0) return;
      this.#playback.release(this.#kept.splice(worst, 1)[0]!);
    }
  }
}
