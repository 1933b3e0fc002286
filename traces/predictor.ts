/**
 * What the writer and the reader both expect next, from the events before: polling loops, interrupt handlers
 * and console writes repeat, so most events are what was seen last time in the same context, and cost nothing
 * but a place in a run. Both sides go through this class, so that they cannot drift apart.
 *
 * A *site* is everything about an event that is not its stamp or its values (for an access: CPU, device,
 * offset, size, direction, pc). The context is the last two sites.
 */
const CONTEXT_BITS = 13;
const CONTEXTS = 1 << CONTEXT_BITS;
/** Small values are never taken for a counter's. */
const CLOCK_LEAST = 256n;
/** From here on a value is written as its difference from the expected one: addresses and counters. */
const DIFFERENCE_LEAST = 1n << 20n;

/** Whether a value that was expected to be `expected` is written as a difference, or as it is. */
export function isDifference(expected: bigint): boolean {
  return expected >= DIFFERENCE_LEAST;
}

export class Predictor {
  readonly slots: number;
  readonly #period: number;
  readonly #site = new Int32Array(CONTEXTS).fill(-1);
  readonly #step = new Float64Array(CONTEXTS);
  readonly #ordinal = new Uint32Array(CONTEXTS);
  /** By context and slot. */
  readonly #contextValues: bigint[];
  /** By site and slot. */
  #siteValues: bigint[] = [];
  #siteSteps: number[] = [];
  /** By site, slot 0 only: value minus system counter at the last access, and whether that predicts. */
  #bias: bigint[] = [];
  #isClock: boolean[] = [];
  #context = 0;
  #before = 0;
  #hit = false;

  constructor(slots: number, counterPeriod: number) {
    this.slots = slots;
    this.#period = counterPeriod;
    this.#contextValues = new Array<bigint>(CONTEXTS * slots).fill(0n);
  }

  /** Site expected next, -1 if none. */
  get site(): number {
    return this.#site[this.#context]!;
  }

  /** The site has become known: predictions below are for it. Call once for each event. */
  choose(site: number): void {
    this.#hit = this.#site[this.#context] === site;
    if (site === this.#siteSteps.length) {
      this.#siteSteps.push(0);
      this.#isClock.push(false);
      this.#bias.push(0n);
      for (let i = 0; i < this.slots; i++) this.#siteValues.push(0n);
    }
  }

  step(site: number): number {
    return this.#hit ? this.#step[this.#context]! : this.#siteSteps[site]!;
  }

  get ordinal(): number {
    return this.#hit ? this.#ordinal[this.#context]! : 0;
  }

  value(site: number, slot: number, time: number): bigint {
    if (slot === 0 && this.#isClock[site]) return this.#clockValue(site, time);
    return this.#hit
      ? this.#contextValues[this.#context * this.slots + slot]!
      : this.#siteValues[site * this.slots + slot]!;
  }

  #clockValue(site: number, time: number): bigint {
    return BigInt.asUintN(64, this.#bias[site]! + BigInt(Math.floor(time / this.#period)));
  }

  /** Learns a value; call after value() for each slot. */
  learnValue(site: number, slot: number, time: number, value: bigint): void {
    const at = site * this.slots + slot;
    if (slot === 0 && value >= CLOCK_LEAST && value !== this.#siteValues[at]) {
      const off = BigInt.asIntN(64, value - this.#clockValue(site, time));
      // A counter read is exact but for rounding; nothing else follows the clock that closely by chance.
      this.#isClock[site] = off >= -1n && off <= 1n;
      this.#bias[site] = BigInt.asUintN(64, this.#bias[site]! + off);
    } else if (slot === 0) this.#isClock[site] = false;
    this.#siteValues[at] = value;
    this.#contextValues[this.#context * this.slots + slot] = value;
  }

  /** Learns the rest and moves on to the next event; call last. */
  learn(site: number, step: number, ordinal: number): void {
    const context = this.#context;
    this.#site[context] = site;
    this.#step[context] = step;
    this.#ordinal[context] = ordinal;
    this.#siteSteps[site] = step;
    this.#context =
      (Math.imul(site + 1, 0x9e3779b1) ^ Math.imul(this.#before, 0x85ebca6b)) >>> (32 - CONTEXT_BITS);
    this.#before = site + 1;
  }
}
