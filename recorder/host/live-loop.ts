/** Drives a live session from Node's event loop: slices of work, input in between, real waiting on a console. */
import type { Ns, Position } from '../../engine/base/units.ts';
import type { TimedInput } from '../session/input-script.ts';
import type { LiveSession, LiveStop } from '../session/live.ts';
import type { InputQueue } from './console-input.ts';
import type { Network } from './net/network.ts';

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
/**
 * While the guest talks to a network, frames are given at multiples of this, so that a network that answers by
 * itself (DHCP, the gateway's echo) answers at the same positions in every run.
 */
const FRAME_STEP = 16_384;
/** It talks for so many instructions after each frame. */
const TALKS_FOR = 1_000_000;
/** Sleeps shorter than this are saved up: a timer of the host is not better than a millisecond. */
const SHORTEST_WAIT_NS = 2_000_000;
const LONGEST_WAIT_NS = 1_000_000_000;

/** Something else than bytes, to be given to a device at the next chance: a break, the power button. */
export interface Press {
  readonly device: string;
  readonly what: string;
  readonly data?: Uint8Array;
  /** Called when the machine has it, or with what it threw. */
  readonly done?: (error?: Error) => void;
}

/** Inputs that come at virtual times, whatever the host's speed. */
export interface Timetable {
  /** In order of time; those that were given are taken out. */
  readonly inputs: TimedInput[];
  readonly nsPerInstruction: Ns;
}

export interface LiveLoop {
  readonly session: LiveSession;
  /** Bytes for one device; absent: it gets none. */
  readonly input?: { readonly device: string; readonly queue: InputQueue };
  readonly presses: Press[];
  readonly timetable?: Timetable;
  /** Somebody may press something at any time: a machine that sleeps for ever is waited for. */
  readonly isControlled?: boolean;
  /** While something may come from there, sleep is real, too. */
  readonly network?: Network;
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
  const {
    session,
    network,
    timetable,
    interactive,
    limit = Number.POSITIVE_INFINITY,
    clock = () => performance.now(),
  } = loop;
  let slice = FIRST_SLICE;
  let owedNs = 0;
  let talksUntil: Position = 0;
  let pausing = false;
  let sliceEnd: Position = 0;
  /** Virtual time that passes for real while the machine sleeps. */
  let asleep: (() => Ns) | undefined;
  let wakeUp: (() => void) | undefined;
  const wake = (): void => wakeUp?.();
  loop.onWake(wake);
  session.onChange = wake;
  loop.input?.queue.onPush(wake);
  network?.connect({
    now: () => asleep?.() ?? session.time,
    wake,
    sent: () => {
      talksUntil = session.position + TALKS_FOR;
      // The answer should not have to wait for the end of a long slice, or find that time has jumped.
      if (!pausing || sliceEnd - session.position > FRAME_STEP) session.interrupt();
    },
  });
  const isHeld = (): boolean => session.isHeld === true;
  const hasNews = (): boolean =>
    loop.presses.length > 0 || (loop.input?.queue.length ?? 0) > 0 || network?.hasFrames === true;

  /** Each gives what there is. @returns true if anything was given to the machine */
  const giveFrames = (at: Ns | undefined): boolean => {
    if (network === undefined || session.isDeaf === true) return false;
    network.poll();
    if (!network.give(session, at)) return false;
    talksUntil = session.position + TALKS_FOR;
    return true;
  };
  const givePresses = (at: Ns | undefined): boolean => {
    let given = false;
    for (let press = loop.presses.shift(); press !== undefined; press = loop.presses.shift()) {
      const { device, what, data = new Uint8Array(0), done } = press;
      given = true;
      try {
        session.receive(device, what, data, at);
      } catch (error) {
        if (done === undefined) throw error;
        done(error as Error);
        continue;
      }
      done?.();
    }
    return given;
  };
  const giveTyped = (at: Ns | undefined): boolean => {
    let given = false;
    if (session.isDeaf === true) return given;
    if (givePresses(at)) given = true;
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
  const give = (at: Ns | undefined): boolean => {
    const typed = giveTyped(at);
    return giveFrames(at) || typed;
  };

  const nextTimed = (): Ns => timetable?.inputs[0]?.time ?? Number.POSITIVE_INFINITY;
  /** Gives what the timetable has for now, or for a later time `at` that the sleeping machine passes to. */
  const giveTimed = (at?: Ns): boolean => {
    let given = false;
    if (session.isDeaf === true) return given;
    while (nextTimed() <= (at ?? session.time)) {
      const { device, what, data } = timetable!.inputs.shift()!;
      session.receive(device, what, data, at);
      given = true;
    }
    return given;
  };

  /** Lets real time pass, or less if something happens; without a time, until then. */
  const sleep = async (ns?: Ns): Promise<void> => {
    await new Promise<void>((resolve) => {
      const timer = ns === undefined ? undefined : setTimeout(resolve, Math.min(ns, LONGEST_WAIT_NS) / 1e6);
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
      // Who holds it may give it something all the same, a debugger's settled machine excepted.
      if (session.isDeaf !== true) givePresses(undefined);
      await new Promise<void>((resolve) => {
        wakeUp = resolve;
      });
      wakeUp = undefined;
      if (await loop.afterSlice()) return true;
    }
    return false;
  };

  /** Every CPU sleeps, and a person or a network is awake: until the deadline or some input, in real time. */
  const waitAsleep = async (stop: LiveStop): Promise<boolean> => {
    const since = session.time;
    const wall = clock();
    const now = (): Ns => since + Math.max(0, Math.floor((clock() - wall) * 1e6));
    asleep = now;
    try {
      for (;;) {
        if (isHeld()) return false;
        network?.poll();
        // A key comes at the virtual time at which the machine had slept as long as the person saw it sleep.
        if (hasNews() && give(now())) return false;
        const timed = nextTimed();
        const isNext = stop.reason === 'idle' ? timed < Number.POSITIVE_INFINITY : timed < deadlineOf(stop);
        if (isNext && timed - now() < SHORTEST_WAIT_NS && giveTimed(timed)) return false;
        const passed = now() - since;
        const whole = deadlineOf(stop) - since;
        const left = whole + owedNs - passed;
        if (left < SHORTEST_WAIT_NS) {
          owedNs = Math.max(0, left);
          session.passToDeadline();
          return false;
        }
        if (!interactive && network?.expects !== true) return false;
        const poll = (network?.deadline ?? Number.POSITIVE_INFINITY) - now();
        await sleep(Math.max(Math.min(left, poll, timed - now()), 0));
        if (isHeld()) return false;
        if (await loop.afterSlice()) return true;
      }
    } finally {
      asleep = undefined;
    }
  };

  /** Only input can wake the machine: the next one of the timetable does. */
  const giveTimedAfterSleep = (): boolean => {
    const timed = nextTimed();
    return timed < Number.POSITIVE_INFINITY && giveTimed(timed);
  };

  /** Only input can wake the machine: waits for it while its source is open. False: none will come. */
  const newsFromPipe = async (): Promise<boolean> => {
    const queue = loop.input?.queue;
    const isOver = queue === undefined || queue.ended;
    if (isOver && !hasNews() && loop.isControlled !== true) return false;
    await sleep();
    return hasNews() || !isOver || loop.isControlled === true;
  };

  for (;;) {
    if (await waitHeld()) return { reason: 'asked' };
    if (session.position >= limit) return { reason: 'limit' };
    giveTimed();
    const begun = clock();
    const from = session.position;
    const pending = (loop.input?.queue.length ?? 0) > 0;
    const grid = interactive ? TYPED_STEP : INPUT_STEP;
    const talking = network !== undefined && (network.hasFrames || from < talksUntil);
    const step = Math.min(
      pending ? grid - (from % grid) : slice,
      talking ? FRAME_STEP - (from % FRAME_STEP) : slice,
      timetable === undefined ? slice : stepsTo(nextTimed() - session.time, timetable),
    );
    pausing =
      nextTimed() < Number.POSITIVE_INFINITY ||
      interactive ||
      network?.hasFrames === true ||
      network?.expects === true;
    sliceEnd = Math.min(from + step, limit);
    const stop = session.run(sliceEnd, pausing);
    if (!pending && !talking && stop.reason === 'limit') slice = nextSlice(slice, clock() - begun);
    if (await loop.afterSlice()) return { reason: 'asked' };
    switch (stop.reason) {
      case 'power-off':
      case 'reset':
        return { reason: stop.reason };
      case 'error':
        return { reason: 'error', message: stop.message };
      case 'stopped':
        // In the middle of a slice, or a debugger's choice: nothing is given here.
        break;
      case 'limit':
        giveFrames(undefined);
        if (!talking || session.position % grid === 0) giveTyped(undefined);
        break;
      case 'idle':
      case 'waiting':
        if (isHeld()) break;
        network?.poll();
        if (interactive || network?.expects === true) {
          if (await waitAsleep(stop)) return { reason: 'asked' };
        } else if (stop.reason === 'waiting') {
          const timed = nextTimed();
          if (!giveFrames(undefined) && !(timed < stop.deadline && giveTimed(timed)))
            session.passToDeadline();
        } else if (!give(undefined) && !giveTimedAfterSleep() && !(await newsFromPipe())) {
          return { reason: 'idle' };
        }
    }
    await nextTurn();
  }
}

function deadlineOf(stop: LiveStop): Ns {
  return stop.reason === 'waiting' ? stop.deadline : Number.POSITIVE_INFINITY;
}

/** Instructions until so much time has passed, if the machine does not sleep. */
function stepsTo(ns: Ns, { nsPerInstruction }: Timetable): number {
  return Math.max(1, Math.ceil(ns / nsPerInstruction));
}

function nextSlice(slice: number, spentMs: number): number {
  const ideal = spentMs <= 0 ? 2 * slice : (slice * SLICE_MS) / spentMs;
  return Math.round(Math.min(MAX_SLICE, Math.max(MIN_SLICE, Math.min(ideal, 2 * slice))));
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
