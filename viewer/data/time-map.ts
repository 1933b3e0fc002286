/**
 * Instructions and virtual time. Both grow together, except while every CPU sleeps, when only time does. The map
 * keeps a point before and after each sleep and interpolates; it is exact where an event is, and close between.
 */
export class TimeMap {
  readonly position: Float64Array<ArrayBuffer>;
  readonly time: Float64Array<ArrayBuffer>;

  constructor(position: Float64Array<ArrayBuffer>, time: Float64Array<ArrayBuffer>) {
    this.position = position;
    this.time = time;
  }

  /** Straight from the start to the end: all that is known before the events are read. */
  static straight(position: number, time: number): TimeMap {
    return new TimeMap(Float64Array.of(0, position), Float64Array.of(0, time));
  }

  timeAt(position: number): number {
    return interpolate(this.position, this.time, position);
  }

  positionAt(time: number): number {
    return interpolate(this.time, this.position, time);
  }

  /** Sleeps in a window of virtual time, as far as the map has them; undefined: more than `limit`. */
  sleeps(from: number, to: number, limit: number): Sleep[] | undefined {
    const { position, time } = this;
    const sleeps: Sleep[] = [];
    for (let i = Math.max(1, upperBound(time, from)); i < time.length && time[i - 1]! < to; i++) {
      if (position[i]! !== position[i - 1]! || time[i]! === time[i - 1]!) continue;
      sleeps.push({ position: position[i]!, from: time[i - 1]!, to: time[i]! });
      if (sleeps.length > limit) return undefined;
    }
    return sleeps;
  }
}

/** Virtual time that passed before an instruction. */
export interface Sleep {
  readonly position: number;
  readonly from: number;
  readonly to: number;
}

/** Number of values up to and with x, of sorted ones. */
function upperBound(values: Float64Array, x: number): number {
  let low = 0;
  let high = values.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (values[middle]! <= x) low = middle + 1;
    else high = middle;
  }
  return low;
}

function interpolate(from: Float64Array, to: Float64Array, x: number): number {
  const count = from.length;
  if (count === 0) return x;
  const low = upperBound(from, x);
  if (low === 0) return to[0]! + (x - from[0]!);
  if (low === count) return to[count - 1]! + (x - from[count - 1]!);
  const a = from[low - 1]!;
  const b = from[low]!;
  const share = b > a ? (x - a) / (b - a) : 0;
  return to[low - 1]! + share * (to[low]! - to[low - 1]!);
}

/** Collects points in order; leaves out those that a straight line through their neighbours gives. */
export class TimeMapBuilder {
  readonly #positions: number[] = [0];
  readonly #times: number[] = [0];
  readonly #unit: number;
  #tolerance: number;
  #heldPosition = 0;
  #heldTime = 0;

  /** @param unit ns per instruction @param tolerance ns */
  constructor(unit: number, tolerance: number) {
    this.#unit = unit;
    this.#tolerance = tolerance;
  }

  add(position: number, time: number): void {
    const expected = this.#times.at(-1)! + (position - this.#positions.at(-1)!) * this.#unit;
    if (time - expected > this.#tolerance) {
      // Instructions first, then the sleep that ends with this event.
      const ran = this.#heldTime + (position - this.#heldPosition) * this.#unit;
      this.#push(position, Math.max(this.#times.at(-1)!, Math.min(ran, time)));
      this.#push(position, time);
      if (this.#positions.length > 1 << 18) this.#thin();
    }
    this.#heldPosition = position;
    this.#heldTime = time;
  }

  #push(position: number, time: number): void {
    this.#positions.push(position);
    this.#times.push(time);
  }

  /** Sleeps are many: from here on only longer ones count, and half of the points go. */
  #thin(): void {
    this.#tolerance *= 2;
    let kept = 1;
    for (let i = 1; i < this.#positions.length; i++) {
      const expected =
        this.#times[kept - 1]! + (this.#positions[i]! - this.#positions[kept - 1]!) * this.#unit;
      if (Math.abs(this.#times[i]! - expected) <= this.#tolerance && i + 1 < this.#positions.length) continue;
      this.#positions[kept] = this.#positions[i]!;
      this.#times[kept++] = this.#times[i]!;
    }
    this.#positions.length = kept;
    this.#times.length = kept;
  }

  finish(position: number, time: number): TimeMap {
    this.add(position, time);
    this.#push(position, time);
    return new TimeMap(Float64Array.from(this.#positions), Float64Array.from(this.#times));
  }
}
