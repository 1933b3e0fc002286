/** Arms the machine with conditions, and tells when it stopped because of one of them. */
import type { MachineEvent } from '../../engine/base/events.ts';
import type { Position } from '../../engine/base/units.ts';
import type { WatchHit, WatchRange } from '../../engine/cpu/cluster.ts';
import type { Machine, Observed } from '../../engine/machine.ts';
import type { RegisterMaps } from '../../traces/index.ts';
import { type Condition, type EventMatcher, isEventCondition, matcherOf } from './conditions.ts';
import { readVirtual } from './guest-view.ts';

/** A condition that holds, and by what. */
export interface Hit {
  readonly condition: Condition;
  readonly event?: MachineEvent;
  /** The access that a watch stopped. */
  readonly watch?: {
    readonly cpu: number;
    readonly virtual: bigint;
    readonly physical: number;
    readonly bytes: number;
    readonly isWrite: boolean;
    /** For DMA. */
    readonly device?: string;
  };
  /** In words, where the condition says too little. */
  readonly text?: string;
}

interface PendingHit {
  readonly position: Position;
  readonly hits: readonly Hit[];
  /** The machine is at the position, and settled. */
  readonly isExact: boolean;
  /** The instruction has to be tried. */
  readonly needsTrial: boolean;
}

type Watch = Extract<Condition, { kind: 'watch' }>;

const QUIET: Observed = { accesses: false, exceptions: false, dma: false };

/** What is probed: a playback, or a machine that runs for the first time. */
export interface Probed {
  readonly machine: Machine;
  /** Why there is no next instruction. */
  readonly ended?: string | undefined;
}

export class Probe {
  readonly #probed: Probed;
  readonly #maps: RegisterMaps;
  readonly #observed: Observed;
  #isArmed = false;
  #addresses: readonly Extract<Condition, { kind: 'address' }>[] = [];
  #watches: readonly Watch[] = [];
  #matchers: readonly EventMatcher[] = [];
  /** Events before this position do not count. */
  #from: Position = 0;
  #watchHits: Hit[] = [];
  #eventHits: { position: Position; hit: Hit }[] = [];
  /** What the machine has been told last, so that telling it again costs nothing. */
  #told = '';

  /** @param observed what others want to hear of the machine at any time */
  constructor(probed: Probed, maps: RegisterMaps, observed: Observed = QUIET) {
    this.#probed = probed;
    this.#observed = observed;
    this.#maps = maps;
    probed.machine.onWatch = (hit) => this.#watched(hit);
    probed.machine.onDma = (device, address, length, isWrite) => this.#dma(device, address, length, isWrite);
  }

  /** @throws RangeError if the condition makes no sense */
  check(condition: Condition): void {
    if (isEventCondition(condition)) matcherOf(condition, this.#maps);
    else if (condition.kind === 'watch' && condition.length < 1) throw new RangeError('nothing to watch');
  }

  /** What holds at the start has to be stepped off before the machine is armed. */
  get needsStepOff(): boolean {
    return this.#addresses.length > 0 || this.#watches.length > 0;
  }

  /** @param from events before this position do not count */
  arm(conditions: readonly Condition[], from: Position): void {
    const { machine } = this.#probed;
    this.#addresses = conditions.filter((c) => c.kind === 'address');
    this.#watches = conditions.filter((c) => c.kind === 'watch');
    this.#matchers = conditions.filter(isEventCondition).map((c) => matcherOf(c, this.#maps));
    this.#from = from;
    this.#watchHits = [];
    this.#eventHits = [];
    this.#isArmed = true;
    this.#tell();
    const observed = this.#matchers.reduce<Observed>(
      (all, { observed: each }) => ({
        accesses: all.accesses || each.accesses,
        exceptions: all.exceptions || each.exceptions,
        dma: all.dma || each.dma,
      }),
      this.#observed,
    );
    machine.observe(observed);
  }

  /** The machine keeps its breakpoints, since the next run most likely wants the same; they are not armed. */
  disarm(): void {
    this.#isArmed = false;
    this.#probed.machine.observe(this.#observed);
    this.#addresses = [];
    this.#watches = [];
    this.#matchers = [];
    this.#tellWatches([]);
  }

  #tell(): void {
    const { cluster } = this.#probed.machine;
    const text = this.#addresses.map(({ address, cpu }) => `${address.toString(16)} ${cpu ?? ''}`).join();
    if (text !== this.#told) {
      this.#told = text;
      cluster.breakpoints.set(
        this.#addresses.map(({ address, cpu }) => ({ address, ...(cpu === undefined ? {} : { cpu }) })),
      );
    }
    this.#tellWatches(this.#watches);
  }

  #tellWatches(watches: readonly Watch[]): void {
    this.#probed.machine.cluster.setWatches(
      watches.map(
        ({ address, length, space, access }): WatchRange => ({
          first: address,
          last: address + BigInt(length - 1),
          virtual: space === 'virtual',
          read: access === 'read' || access === 'access',
          write: access !== 'read',
        }),
      ),
    );
  }

  #watched({ index, cpu, virtual, physical, bytes, isWrite }: WatchHit): boolean {
    const condition = this.#watches[index];
    if (!this.#isArmed || condition === undefined) return false;
    this.#watchHits.push({ condition, watch: { cpu, virtual, physical, bytes, isWrite } });
    return true;
  }

  #dma(device: string, address: number, length: number, isWrite: boolean): void {
    if (!this.#isArmed) return;
    const { machine } = this.#probed;
    for (const condition of this.#watches) {
      const { space, access } = condition;
      if (space !== 'physical' || (isWrite ? access === 'read' : access === 'write' || access === 'change'))
        continue;
      const first = Number(condition.address);
      if (address >= first + condition.length || first >= address + length) continue;
      const watch = { cpu: -1, virtual: 0n, physical: address, bytes: length, isWrite, device };
      this.#addEvent(machine.position, { condition, watch });
    }
  }

  #addEvent(position: Position, hit: Hit): void {
    if (position < this.#from) return;
    this.#eventHits.push({ position, hit });
    this.#probed.machine.requestStop();
  }

  /** To be told of everything that the machine tells. */
  observe(event: MachineEvent): void {
    if (!this.#isArmed) return;
    for (const { condition, matches, behind } of this.#matchers) {
      if (matches(event)) this.#addEvent(event.position + behind, { condition, event });
    }
  }

  /** After a run: what stopped it, if it was one of the conditions. */
  take(stopped: boolean): PendingHit | undefined {
    const { position } = this.#probed.machine;
    const [first] = this.#eventHits;
    if (first !== undefined) {
      const hits = this.#eventHits.filter((each) => each.position === first.position).map(({ hit }) => hit);
      this.#eventHits = [];
      this.#watchHits = [];
      return { position: first.position, hits, isExact: false, needsTrial: false };
    }
    if (!stopped) return undefined;
    if (this.#watchHits.length > 0) {
      const hits = this.#watchHits;
      this.#watchHits = [];
      const certain = hits.filter(({ condition }) => (condition as Watch).access !== 'change');
      if (certain.length > 0) return { position, hits: certain, isExact: false, needsTrial: false };
      return { position, hits, isExact: false, needsTrial: true };
    }
    const here = this.here();
    return here === undefined ? undefined : { position, hits: here, isExact: true, needsTrial: false };
  }

  /** Addresses that hold at the present position. */
  here(): Hit[] | undefined {
    if (this.#addresses.length === 0) return undefined;
    const { machine, ended } = this.#probed;
    if (ended !== undefined) return undefined;
    const cpu = machine.currentCpu;
    const { pc } = machine.cluster.states[cpu]!;
    const hits = this.#addresses.filter((c) => c.address === pc && (c.cpu === undefined || c.cpu === cpu));
    return hits.length === 0 ? undefined : hits.map((condition) => ({ condition }));
  }

  /** What the watched ranges hold now, for `changed`. */
  contents(): readonly (Uint8Array | undefined)[] {
    return this.#watches.map((watch) => this.#bytes(watch));
  }

  /** Those of the hits that made a difference. */
  changed({ hits }: PendingHit, before: readonly (Uint8Array | undefined)[]): Hit[] {
    return hits.filter(({ condition }) => {
      const index = this.#watches.indexOf(condition as Watch);
      const old = before[index];
      const now = this.#bytes(condition as Watch);
      return old === undefined || now === undefined || old.some((byte, i) => byte !== now[i]);
    });
  }

  #bytes({ space, address, length }: Watch): Uint8Array | undefined {
    const { machine } = this.#probed;
    const into = new Uint8Array(length);
    if (space === 'physical') return machine.memory.read(Number(address), into) ? into : undefined;
    return readVirtual(machine, machine.currentCpu, address, into) === length ? into : undefined;
  }
}
