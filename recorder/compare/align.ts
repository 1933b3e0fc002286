/**
 * Aligns two long sequences: what they have in common, and the stretches in which they differ.
 *
 * Not the shortest edit script: sequences of millions must not take minutes, whoever made them. Where they part,
 * the nearest place is looked for at which a run of elements is the same again, in windows that grow; the larger
 * the window, the longer the run has to be, so that a chance meeting is none. All looking draws on one budget.
 * When that is used up, the rest is one stretch.
 */
export interface Hunk {
  /** From and up to, in the first and in the second sequence. */
  readonly a0: number;
  readonly a1: number;
  readonly b0: number;
  readonly b1: number;
}

export interface Alignment {
  readonly hunks: readonly Hunk[];
  /** False: the budget was used up, and the last stretch may hold things in common. */
  readonly complete: boolean;
}

const NEAR = 64;
const NEAR_RUN = 3;
const WINDOWS = [
  { size: 1 << 10, run: 6 },
  { size: 1 << 14, run: 10 },
  { size: 1 << 18, run: 16 },
] as const;
/** Elements that may still be looked at. */
export interface Budget {
  left: number;
}

/** @param budget is used up by this and by other alignments that share it */
export function align(a: Float64Array, b: Float64Array, budget: Budget): Alignment {
  const hunks: Hunk[] = [];
  let endA = a.length;
  let endB = b.length;
  let i = 0;
  let j = 0;
  const common = (): void => {
    while (i < endA && j < endB && a[i] === b[j]) {
      i++;
      j++;
    }
  };
  common();
  while (endA > i && endB > j && a[endA - 1] === b[endB - 1]) {
    endA--;
    endB--;
  }
  const search = new Resync(a, b, endA, endB, budget);
  while (i < endA || j < endB) {
    const [nextA, nextB] = i < endA && j < endB ? search.from(i, j) : [endA, endB];
    hunks.push({ a0: i, a1: nextA, b0: j, b1: nextB });
    i = nextA;
    j = nextB;
    common();
  }
  return { hunks, complete: hunks.length === 0 || budget.left > 0 };
}

class Resync {
  readonly #a: Float64Array;
  readonly #b: Float64Array;
  readonly #endA: number;
  readonly #endB: number;
  readonly #budget: Budget;

  constructor(a: Float64Array, b: Float64Array, endA: number, endB: number, budget: Budget) {
    this.#a = a;
    this.#b = b;
    this.#endA = endA;
    this.#endB = endB;
    this.#budget = budget;
  }

  /** The nearest place behind (i, j) where the sequences are the same again; their ends if there is none. */
  from(i: number, j: number): [number, number] {
    if (this.#budget.left <= 0) return [this.#endA, this.#endB];
    const near = this.#near(i, j);
    if (near !== undefined) return near;
    for (const { size, run } of WINDOWS) {
      const found = this.#within(i, j, size, run);
      if (found !== undefined) return found;
      if (this.#budget.left <= 0 || (i + size >= this.#endA && j + size >= this.#endB)) break;
    }
    return [this.#endA, this.#endB];
  }

  /** A run of equal elements, or equal ones up to both ends. */
  #isRun(i: number, j: number, length: number): boolean {
    for (let t = 0; t < length; t++) {
      const inA = i + t < this.#endA;
      const inB = j + t < this.#endB;
      if (!inA || !inB) return t > 0 && !inA && !inB;
      if (this.#a[i + t] !== this.#b[j + t]) return false;
    }
    return true;
  }

  #near(i: number, j: number): [number, number] | undefined {
    for (let sum = 1; sum <= NEAR; sum++) {
      for (let skip = 0; skip <= sum; skip++) {
        // An element that was replaced before one that was left out: both sides as evenly as can be.
        const half = (sum >> 1) + (skip % 2 === 0 ? -skip / 2 : (skip + 1) / 2);
        const [x, y] = [i + half, j + sum - half];
        if (x > this.#endA || y > this.#endB || half < 0 || half > sum) continue;
        if (this.#isRun(x, y, NEAR_RUN)) {
          this.#budget.left -= sum * sum;
          return [x, y];
        }
      }
    }
    this.#budget.left -= NEAR * NEAR;
    return undefined;
  }

  #within(i: number, j: number, size: number, run: number): [number, number] | undefined {
    const lastA = Math.min(this.#endA, i + size) - run;
    const lastB = Math.min(this.#endB, j + size) - run;
    this.#budget.left -= (Math.max(0, lastA - i) + Math.max(0, lastB - j)) * run;
    const places = new Map<number, number>();
    for (let x = i; x <= lastA; x++) {
      const key = this.#key(this.#a, x, run);
      if (!places.has(key)) places.set(key, x);
    }
    let best: [number, number] | undefined;
    let least = Number.POSITIVE_INFINITY;
    for (let y = j; y <= lastB && y - j < least; y++) {
      const x = places.get(this.#key(this.#b, y, run));
      if (x === undefined || x - i + y - j >= least || !this.#isRun(x, y, run)) continue;
      least = x - i + y - j;
      best = [x, y];
    }
    return best;
  }

  #key(list: Float64Array, at: number, run: number): number {
    let key = 0;
    for (let t = 0; t < run; t++) key = (key * 1_000_003 + list[at + t]!) % 4_503_599_627_370_449;
    return key;
  }
}
