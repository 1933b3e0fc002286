import { type Pyramid, spread, sumUp } from './mip-map.ts';
import type { LaneData, LaneMips } from './protocol.ts';

interface AxisStore {
  readonly counts: Uint32Array<ArrayBuffer>;
  readonly writes: Uint32Array<ArrayBuffer> | undefined;
  readonly cover: readonly Float32Array<ArrayBuffer>[] | undefined;
}

/** Densities and states of one lane while the events are gone through. */
export class LaneStore {
  readonly time: AxisStore;
  readonly instructions: AxisStore;
  total = 0;
  /** States at the moment that the pass has come to. */
  mask = 0;
  readonly #sinceTime = new Float64Array(8);
  readonly #sincePosition = new Float64Array(8);
  readonly #bins: number;
  readonly #scaleTime: number;
  readonly #scalePosition: number;

  /** @param scaleTime bins per ns @param scalePosition bins per instruction */
  constructor(bins: number, scaleTime: number, scalePosition: number, hasWrites: boolean, states: number) {
    const axis = (): AxisStore => ({
      counts: new Uint32Array(2 * bins),
      writes: hasWrites ? new Uint32Array(2 * bins) : undefined,
      cover: states === 0 ? undefined : Array.from({ length: states }, () => new Float32Array(2 * bins)),
    });
    this.time = axis();
    this.instructions = axis();
    this.#bins = bins;
    this.#scaleTime = scaleTime;
    this.#scalePosition = scalePosition;
  }

  /**
   * The states are `mask` from here on. Only the bits that change are looked at, so that different bits of one
   * lane may be driven by events that are not gone through in one common order.
   */
  change(mask: number, position: number, time: number): void {
    const changed = mask ^ this.mask;
    for (let state = 0; changed >>> state !== 0; state++) {
      if (((changed >>> state) & 1) === 0) continue;
      if ((mask >>> state) & 1) {
        this.#sincePosition[state] = position;
        this.#sinceTime[state] = time;
      } else this.#coverState(state, position, time);
    }
    this.mask = mask;
  }

  #coverState(state: number, position: number, time: number): void {
    this.cover(1 << state, this.#sincePosition[state]!, position, this.#sinceTime[state]!, time);
  }

  /** Accounts for the states that still hold at the end. */
  settle(position: number, time: number): void {
    for (let state = 0; this.mask >>> state !== 0; state++) {
      if ((this.mask >>> state) & 1) this.#coverState(state, position, time);
    }
  }

  cover(mask: number, fromPosition: number, toPosition: number, fromTime: number, toTime: number): void {
    const t0 = fromTime * this.#scaleTime;
    const t1 = toTime * this.#scaleTime;
    const p0 = fromPosition * this.#scalePosition;
    const p1 = toPosition * this.#scalePosition;
    for (let state = 0; mask >>> state !== 0; state++) {
      if (((mask >>> state) & 1) === 0) continue;
      const byTime = this.time.cover?.[state];
      if (byTime !== undefined && t1 > t0) spread(byTime, t0, t1, t1 - t0);
      const byPosition = this.instructions.cover?.[state];
      if (byPosition !== undefined && p1 > p0) spread(byPosition, p0, p1, p1 - p0);
    }
  }

  count(position: number, time: number, write: boolean): void {
    const bins = this.#bins;
    const t = bins + Math.min(bins - 1, Math.floor(time * this.#scaleTime));
    const p = bins + Math.min(bins - 1, Math.floor(position * this.#scalePosition));
    this.total++;
    this.time.counts[t]!++;
    this.instructions.counts[p]!++;
    if (!write || this.time.writes === undefined) return;
    this.time.writes[t]!++;
    this.instructions.writes![p]!++;
  }

  /** All pyramids summed up; the store must not be used afterwards if they are handed away. */
  finish(lane: number): LaneData {
    for (const pyramid of this.#pyramids()) sumUp(pyramid);
    return { lane, time: mipsOf(this.time), instructions: mipsOf(this.instructions) };
  }

  #pyramids(): Pyramid[] {
    return [this.time, this.instructions].flatMap((axis) => [
      axis.counts,
      ...(axis.writes === undefined ? [] : [axis.writes]),
      ...(axis.cover ?? []),
    ]);
  }

  /** A small picture of what there is so far. */
  snapshot(lane: number, bins: number): LaneData {
    const coarse = (axis: AxisStore): LaneMips => ({
      counts: coarsen(axis.counts, bins),
      ...(axis.writes === undefined ? {} : { writes: coarsen(axis.writes, bins) }),
      ...(axis.cover === undefined ? {} : { cover: axis.cover.map((cover) => coarsen(cover, bins)) }),
    });
    return { lane, time: coarse(this.time), instructions: coarse(this.instructions) };
  }
}

function mipsOf({ counts, writes, cover }: AxisStore): LaneMips {
  return {
    counts,
    ...(writes === undefined ? {} : { writes }),
    ...(cover === undefined ? {} : { cover }),
  };
}

function coarsen<P extends Pyramid>(pyramid: P, bins: number): P {
  const from = pyramid.length / 2;
  const step = Math.max(1, from / bins);
  const count = from / step;
  const out = (
    pyramid instanceof Uint32Array ? new Uint32Array(2 * count) : new Float32Array(2 * count)
  ) as P;
  for (let i = 0; i < from; i++) out[count + Math.floor(i / step)]! += pyramid[from + i]!;
  // A share of one of the coarser bins.
  if (out instanceof Float32Array) for (let i = count; i < 2 * count; i++) out[i]! /= step;
  sumUp(out);
  return out;
}

/** Buffers of a lane's data, for handing it over without a copy. */
export function buffersOf({ time, instructions }: LaneData): ArrayBuffer[] {
  return [time, instructions].flatMap(({ counts, writes, cover }) => [
    counts.buffer,
    ...(writes === undefined ? [] : [writes.buffer]),
    ...(cover ?? []).map((pyramid) => pyramid.buffer),
  ]);
}
