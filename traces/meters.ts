/** Finds out of a stream of events how interrupts fared, where one storms, and which loops poll. */
import type { Site } from './kinds.ts';

/** A moment as the trace has it. */
export interface Moment {
  readonly position: number;
  readonly ordinal: number;
  readonly time: number;
}

export interface InterruptStatistics {
  readonly intid: number;
  readonly cpu: number;
  readonly name: string;
  readonly raised: number;
  readonly taken: number;
  readonly completed: number;
  /** Numbers of cases by power of two of nanoseconds: bucket i has 2^i to 2^(i+1). */
  readonly latency: readonly number[];
  readonly service: readonly number[];
  readonly latencyMax: number;
  readonly latencyMean: number;
  readonly serviceMax: number;
  readonly serviceMean: number;
}

/** The same interrupt again and again with hardly anything between. */
export interface Storm {
  readonly intid: number;
  readonly cpu: number;
  readonly name: string;
  readonly count: number;
  readonly from: Moment;
  readonly to: Moment;
}

/** A loop that reads one register until it changes. */
export interface Polling {
  readonly device: string;
  readonly register: string;
  readonly pc: string;
  readonly symbol?: string;
  readonly loops: number;
  readonly reads: number;
  readonly longest: number;
  /** Where the longest one begins. */
  readonly at: Moment;
  /** ns spent in these loops. */
  readonly time: number;
}

/** An interrupt taken this often in a row, with less than this between two, is a storm. */
const STORM_COUNT = 100;
const STORM_GAP_NS = 2_000;
/** So many reads of one register by one instruction, with nothing between, are a polling loop. */
const POLLING_READS = 8;
/** Reads further apart than this are no loop. */
export const POLLING_GAP_NS = 5_000;
const BUCKETS = 48;

function bucketOf(ns: number): number {
  return ns < 1 ? 0 : Math.min(BUCKETS - 1, Math.floor(Math.log2(ns)));
}

class Histogram {
  readonly buckets = new Array<number>(BUCKETS).fill(0);
  max = 0;
  #sum = 0;
  #count = 0;

  add(ns: number): void {
    this.buckets[bucketOf(ns)]!++;
    this.max = Math.max(this.max, ns);
    this.#sum += ns;
    this.#count++;
  }

  get mean(): number {
    return this.#count === 0 ? 0 : this.#sum / this.#count;
  }
}

/** One interrupt on one CPU: how often, how long it waited and how long it took; and whether it storms. */
export class InterruptMeter {
  readonly intid: number;
  readonly cpu: number;
  raised = 0;
  taken = 0;
  completed = 0;
  readonly latency = new Histogram();
  readonly service = new Histogram();
  readonly storms: Omit<Storm, 'intid' | 'cpu' | 'name'>[] = [];
  #pendingAt = Number.NaN;
  #takenAt = Number.NaN;
  #lastEnd = Number.NEGATIVE_INFINITY;
  #run = 0;
  #runFrom: Moment = { position: 0, ordinal: 0, time: 0 };
  #runTo: Moment = this.#runFrom;

  constructor(intid: number, cpu: number) {
    this.intid = intid;
    this.cpu = cpu;
  }

  pending(time: number): void {
    this.raised++;
    this.#pendingAt = time;
  }

  notPending(): void {
    this.#pendingAt = Number.NaN;
  }

  acknowledge(position: number, ordinal: number, time: number): void {
    this.taken++;
    if (!Number.isNaN(this.#pendingAt)) this.latency.add(time - this.#pendingAt);
    this.#pendingAt = Number.NaN;
    this.#takenAt = time;
    const here = { position, ordinal, time };
    if (time - this.#lastEnd > STORM_GAP_NS) {
      this.#endRun();
      this.#runFrom = here;
    }
    this.#run++;
    this.#runTo = here;
  }

  complete(time: number): void {
    this.completed++;
    if (!Number.isNaN(this.#takenAt)) this.service.add(time - this.#takenAt);
    this.#takenAt = Number.NaN;
    this.#lastEnd = time;
  }

  #endRun(): void {
    if (this.#run >= STORM_COUNT) {
      this.storms.push({ count: this.#run, from: this.#runFrom, to: this.#runTo });
    }
    this.#run = 0;
  }

  finish(name: string): InterruptStatistics {
    this.#endRun();
    const { intid, cpu, raised, taken, completed, latency, service } = this;
    return {
      intid,
      cpu,
      name,
      raised,
      taken,
      completed,
      latency: latency.buckets,
      service: service.buckets,
      latencyMax: latency.max,
      latencyMean: latency.mean,
      serviceMax: service.max,
      serviceMean: service.mean,
    };
  }
}

interface PollingSite {
  readonly site: Site;
  loops: number;
  reads: number;
  longest: number;
  at: Moment;
  time: number;
}

/** Finds runs of reads of one register by one instruction. */
export class PollingMeter {
  readonly #sites = new Map<string, PollingSite>();

  /** A run of accesses of one site, all of them reads. */
  run(site: Site, count: number, from: Moment, until: number): void {
    if (count < POLLING_READS) return;
    const key = `${site.device} ${site.offset} ${site.pc}`;
    let found = this.#sites.get(key);
    if (found === undefined) {
      found = { site, loops: 0, reads: 0, longest: 0, at: from, time: 0 };
      this.#sites.set(key, found);
    }
    found.loops++;
    found.reads += count;
    found.time += until - from.time;
    if (count > found.longest) {
      found.longest = count;
      found.at = from;
    }
  }

  /** The worst first. */
  finish(registerName: (site: Site) => string, symbol: (pc: bigint) => string | undefined): Polling[] {
    const all = [...this.#sites.values()].sort((a, b) => b.time - a.time || b.reads - a.reads);
    return all.slice(0, 100).map(({ site, loops, reads, longest, at, time }) => {
      const name = symbol(site.pc);
      return {
        device: site.device,
        register: registerName(site),
        pc: `0x${site.pc.toString(16)}`,
        ...(name === undefined ? {} : { symbol: name }),
        loops,
        reads,
        longest,
        at,
        time,
      };
    });
  }
}
