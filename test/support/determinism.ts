import { DEFAULT_COMPILER } from '../../engine/cpu/compiler.ts';
import type { MachineSpec, StopReason } from '../../engine/machine.ts';
import { type Guest, makeGuest, type TestMachine } from './machines.ts';

/** The state of one machine along its way, as hashes at positions. */
export interface Path {
  readonly stop: StopReason;
  readonly end: number;
  readonly console: string;
  /** `position hash`, and at the end the hash of every part. */
  readonly hashes: readonly string[];
}

/** Ways to run a machine that must not make a difference. */
export interface Way {
  readonly name: string;
  readonly with?: Partial<MachineSpec>;
  /** Longest slice between two looks; slices are random, short ones more often. */
  readonly slices?: number;
  /** The host lets time pass while every CPU sleeps, as an interactive console does. */
  readonly pause?: boolean;
}

export const WAYS: readonly Way[] = [
  { name: 'blocks of one instruction', with: { blockLimit: 1 } },
  { name: 'blocks of at most three instructions', with: { blockLimit: 3 } },
  { name: 'the interpreter alone', with: { tier: 'interpreted' } },
  { name: 'every block compiled', with: { tier: 'compiled' } },
  { name: 'warm blocks compiled', with: { tier: { ...DEFAULT_COMPILER, threshold: 30, patience: 20 } } },
  { name: 'everything observed', with: { observe: { accesses: true, exceptions: true, dma: true } } },
  { name: 'slices of at most 20,000 instructions', slices: 20_000 },
  { name: 'pauses while every CPU sleeps', pause: true, slices: 300_000 },
];

/** A small generator, so that a failure comes again. */
export function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Runs to `until` in the given way; resets are carried out. */
export function advance(guest: Guest, way: Way, until: number, random: () => number): StopReason {
  const { machine } = guest;
  machine.pauseWhenIdle = way.pause === true;
  for (;;) {
    const slice =
      way.slices === undefined ? until : machine.position + 1 + Math.floor(random() ** 3 * way.slices);
    const stop = machine.run(Math.min(until, slice));
    if (stop.reason === 'reset') machine.reset();
    else if (stop.reason === 'waiting') machine.passTime(stop.deadline);
    else if (stop.reason !== 'limit' || machine.position >= until) return stop;
  }
}

/** Runs a guest to `until`, taking a hash every `step` instructions. */
export function pathOf(test: TestMachine, way: Way, step: number, until: number): Path {
  const guest = makeGuest({ ...test, with: { ...test.with, ...way.with } });
  const random = randomNumbers(20_261_122);
  const hashes: string[] = [];
  const { machine } = guest;
  let stop: StopReason = { reason: 'limit' };
  for (let next = step; stop.reason === 'limit' && machine.position < until; next += step) {
    stop = advance(guest, way, Math.min(next, until), random);
    hashes.push(`${machine.position} ${machine.time} ${machine.hash().all}`);
  }
  hashes.push(JSON.stringify(machine.hash(), undefined, 1));
  return { stop, end: machine.position, console: guest.console(), hashes };
}
