/** Drives a live session from Node's event loop: slices of work, input in between, real waiting on a console. */
import type { Ns, Position } from '../../engine/base/units.ts';
import type { LiveSession, LiveStop } from '../session/live.ts';
import type { InputQueue } from './console-input.ts';

/** Milliseconds of work between two looks at the event loop. */
const SLICE_MS = 10;
const FIRST_SLICE = 200_000;
const MIN_SLICE = 10_000;
const MAX_SLICE = 50_000_000;
/**
 * While input waits for room in the device, its positions are multiples of this: so a file as stdin gives the
 * same positions in every run, whatever the host's speed.
 */
const INPUT_STEP = 65_536;
/** At a console the positions are a person's anyway, and what is typed or pasted should not have to wait. */
const TYPED_STEP = 4_096;
/** Sleeps shorter than this are saved up: a timer of the host is not better than a millisecond. */
const SHORTEST_WAIT_NS = 2_000_000;
const LONGEST_WAIT_NS = 1_000_000_000;

/** Something else than bytes, to be given to a device at the next chance: a break, the power button. */
export interface Press {
  readonly device: string;
  readonly what: string;
}

export interface LiveLoop {
  readonly session: LiveSession;
  /** Bytes for one device; absent: it gets none. */
  readonly input?: { readonly device: string; readonly queue: InputQueue };
  readonly presses: Press[];
  /** A person sits at the console: sleep is real. Otherwise virtual time jumps. */
  readonly interactive: boolean;
  readonly limit?: Position;
  /** Called after each slice; may wait for a slow reader. True: stop here. */
  readonly afterSlice: () => Promise<boolean>;
  /** Gives a function that ends a wait at once, when something has happened. */
  readonly onWake: (wake: () => void) => void;
  /** Milliseconds of the host, any origin. */
  readonly clock?: () => number;
}

export type LoopEnd =
  | { readonly reason: 'limit' | 'power-off' | 'reset' | 'idle' | 'asked' }
  | { readonly reason: 'error'; readonly message: string };

/** Runs until the machine stops, the limit is reached, or `afterSlice` says so. */
export async function runLive(loop: LiveLoop): Promise<LoopEnd> {
  const { session, interactive, limit = Number.POSITIVE_INFINITY, clock = () => performance.now() } = loop;
  let slice = FIRST_SLICE;
  let owedNs = 0;
  let wakeUp: (() => void) | undefined;
  loop.onWake(() => wakeUp?.());
  session.onChange = () => wakeUp?.();
  loop.input?.queue.onPush(() => wakeUp?.());
  const isHeld = (): boolean => session.isHeld === true;
  const hasNews = (): boolean => loop.presses.length > 0 || (loop.input?.queue.length ?? 0) > 0;

  /** @returns true if anything was given to the machine */
  const give = (at: Ns | undefined): boolean => {
    let given = false;
    if (session.isDeaf === true) return given;
    for (let press = loop.presses.shift(); press !== undefined; press = loop.presses.shift()) {
      session.receive(press.device, press.what, new Uint8Array(0), at);
      given = true;
    }
    if (loop.input !== undefined) {
      const { device, queue } = loop.input;
      const room = queue.length === 0 ? 0 : session.receiveCapacity(device);
      if (room > 0) {
        session.receive(device, 'bytes', queue.take(room), at);
        given = true;
      }
    }
    return given;
  };

  /** Lets real time pass, or less if something happens. */
  const sleep = async (ns: Ns): Promise<void> => {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, Math.min(ns, LONGEST_WAIT_NS) / 1e6);
      wakeUp = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    wakeUp = undefined;
  };

  /** A debugger has the machine: until it lets go. @returns true if the run is to end */
  const waitHeld = async (): Promise<boolean> => {
    while (isHeld()) {
      await new Promise<void>((resolve) => {
        wakeUp = resolve;
      });
      wakeUp = undefined;
      if (await loop.afterSlice()) return true;
    }
    return false;
  };

  /** Every CPU sleeps, and a person sits there: until the deadline or the next key, in real time. */
  const waitAsleep = async (stop: LiveStop): Promise<boolean> => {
    const since = session.time;
    const wall = clock();
    for (;;) {
      if (isHeld()) return false;
      const passed = (clock() - wall) * 1e6;
      // A key comes at the virtual time at which the machine had slept as long as the person saw it sleep.
      if (hasNews() && give(since + Math.max(0, Math.floor(passed)))) return false;
      const whole = stop.reason === 'waiting' ? stop.deadline - since : Number.POSITIVE_INFINITY;
      const left = whole + owedNs - passed;
      if (left < SHORTEST_WAIT_NS) {
        owedNs = Math.max(0, left);
        session.passToDeadline();
        return false;
      }
      await sleep(left);
      if (isHeld()) return false;
      if (await loop.afterSlice()) return true;
    }
  };

  for (;;) {
    if (await waitHeld()) return { reason: 'asked' };
    if (session.position >= limit) return { reason: 'limit' };
    const begun = clock();
    const from = session.position;
    const pending = (loop.input?.queue.length ?? 0) > 0;
    const grid = interactive ? TYPED_STEP : INPUT_STEP;
    const step = pending ? grid - (from % grid) : slice;
    const stop = session.run(Math.min(from + step, limit), interactive);
    if (!pending && stop.reason === 'limit') slice = nextSlice(slice, clock() - begun);
    if (await loop.afterSlice()) return { reason: 'asked' };
    switch (stop.reason) {
      case 'power-off':
      case 'reset':
        return { reason: stop.reason };
      case 'error':
        return { reason: 'error', message: stop.message };
      case 'stopped':
        // A debugger: the position is of its choosing, and no place for input.
        break;
      case 'limit':
        give(undefined);
        break;
      case 'idle':
      case 'waiting':
        if (isHeld()) break;
        if (interactive) {
          if (await waitAsleep(stop)) return { reason: 'asked' };
        } else if (!give(undefined) && !(await newsFromPipe(loop))) return { reason: 'idle' };
    }
    await nextTurn();
  }
}

function nextSlice(slice: number, spentMs: number): number {
  const ideal = spentMs <= 0 ? 2 * slice : (slice * SLICE_MS) / spentMs;
  return Math.round(Math.min(MAX_SLICE, Math.max(MIN_SLICE, Math.min(ideal, 2 * slice))));
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Only input can wake the machine: waits for it while its source is open. False: none will come. */
async function newsFromPipe(loop: LiveLoop): Promise<boolean> {
  const queue = loop.input?.queue;
  if (queue === undefined || queue.ended) return false;
  await new Promise<void>((resolve) => {
    queue.onPush(resolve);
    loop.onWake(resolve);
  });
  return queue.length > 0 || !queue.ended;
}
