/**
 * A live machine that a debugger holds and lets go, between the host's loop and the session.
 *
 * DETERMINISM: what is shown to a debugger is settled, that is, an interrupt that comes before the next instruction
 * has been taken; a replay takes it only when it runs on. So after a stop no input is given before an instruction has
 * been executed (`isDeaf`), a recording does not end there (`finish`), and what the debugger writes is an input that
 * settles the machine in the replay, too.
 */
import type { Ns, Position } from '../../engine/base/units.ts';
import { DEBUGGER, debuggerWrite } from '../../engine/debugger-input.ts';
import type { Machine, Observed } from '../../engine/machine.ts';
import type { Condition } from './conditions.ts';
import type { Debuggee, DebuggeeStop, DebuggerWrite } from './debuggee.ts';
import type { LiveSession, LiveStop } from './live.ts';
import type { Operation } from './operation.ts';
import { Probe } from './probe.ts';
import type { Breakpoint } from './timeline.ts';

export interface LiveDebuggeeOptions {
  readonly session: LiveSession;
  readonly machine: Machine;
  /** What the session wants to hear of the machine. */
  readonly observed: Observed;
  /** Nothing is executed before a debugger says so (`-S`). */
  readonly held: boolean;
  readonly recording: boolean;
}

type Goal =
  /** What holds at `from` has been seen. */
  | { readonly kind: 'run'; readonly from: Position }
  | {
      readonly kind: 'step';
      readonly cpu: number;
      readonly alone: boolean;
      readonly watching: boolean;
      /** Instructions of the CPU before the step. */
      readonly retired: number;
    };

export class LiveDebuggee implements Debuggee, LiveSession {
  readonly machine: Machine;
  readonly canReverse = false;
  readonly writeWatch = 'write';
  readonly breakpoints = new Map<number, Breakpoint>();
  /** Called when the machine is held or let go. */
  onChange: () => void = () => {};
  readonly #session: LiveSession;
  readonly #probe: Probe;
  readonly #recording: boolean;
  /** Undefined: held. */
  #goal: Goal | undefined;
  #result: DebuggeeStop | undefined;
  #exited: number | undefined;
  #isAttached = false;
  /** Every CPU sleeps. */
  #isAsleep = false;
  #settledAt: Position = -1;
  #nextId = 1;
  #hasWritten = false;
  #tell: () => void = () => {};

  constructor({ session, machine, observed, held, recording }: LiveDebuggeeOptions) {
    this.#session = session;
    this.machine = machine;
    this.#recording = recording;
    this.#probe = new Probe({ machine }, () => undefined, observed);
    this.#goal = held ? undefined : { kind: 'run', from: -1 };
  }

  /* ---------------------------------------------------------------- for the host's loop */

  get position(): Position {
    return this.#session.position;
  }

  get time(): Ns {
    return this.#session.time;
  }

  get isHeld(): boolean {
    return this.#goal === undefined;
  }

  get isDeaf(): boolean {
    return this.isHeld || this.position === this.#settledAt;
  }

  run(until: Position, pause: boolean): LiveStop {
    const goal = this.#goal;
    if (goal === undefined) return { reason: 'stopped' };
    const stop = goal.kind === 'run' ? this.#runOn(goal.from, until, pause) : this.#step(goal, until, pause);
    if (this.isHeld) return { reason: 'stopped' };
    this.#isAsleep = stop.reason === 'waiting' || stop.reason === 'idle';
    if (stop.reason === 'idle' && !pause && this.#isAttached) {
      // Without a debugger the run would end here.
      this.#hold({ reason: 'end', why: 'every CPU sleeps, no timer is armed and no input will come' });
      return { reason: 'stopped' };
    }
    return stop;
  }

  #runOn(from: Position, until: Position, pause: boolean): LiveStop {
    const { cluster } = this.machine;
    if (this.position === from && this.#probe.needsStepOff) {
      const stop = this.#runUnarmed(pause);
      if (stop.reason !== 'limit' || this.position >= until) return stop;
    }
    cluster.armed = true;
    const stop = this.#session.run(until, pause);
    return this.#hit(stop) ? { reason: 'stopped' } : stop.reason === 'stopped' ? { reason: 'limit' } : stop;
  }

  /** One instruction, whatever is watched there. */
  #runUnarmed(pause: boolean): LiveStop {
    const { cluster } = this.machine;
    cluster.armed = false;
    try {
      return this.#session.run(this.position + 1, pause);
    } finally {
      cluster.armed = true;
    }
  }

  #hit(stop: LiveStop): boolean {
    const hit = this.#probe.take(stop.reason === 'stopped');
    if (hit === undefined) return false;
    for (const { condition } of hit.hits) {
      for (const breakpoint of this.breakpoints.values())
        if (breakpoint.condition === condition) breakpoint.hits += 1;
    }
    this.#hold({ reason: 'breakpoint', hits: hit.hits });
    return true;
  }

  #step(goal: Extract<Goal, { kind: 'step' }>, until: Position, pause: boolean): LiveStop {
    const { machine } = this;
    const { cluster } = machine;
    const { cpu } = goal;
    if (cluster.states.length > 1) {
      cluster.stopBefore = cpu;
      cluster.armed = !goal.alone;
      const stop = this.#session.run(until, pause);
      cluster.stopBefore = -1;
      cluster.armed = true;
      if (stop.reason !== 'stopped') return stop;
      if (machine.currentCpu !== cpu) return this.#hit(stop) ? stop : { reason: 'limit' };
      this.#probe.take(false);
    }
    // The address of the instruction that is stepped is no reason to stop.
    if (goal.watching)
      this.#probe.arm(
        this.#conditions().filter(({ kind }) => kind === 'watch'),
        this.position,
      );
    const stop = goal.watching ? this.#session.run(this.position + 1, pause) : this.#runUnarmed(pause);
    if (this.#hit(stop)) return stop;
    if (machine.retired(cpu) > goal.retired) this.#hold({ reason: 'there' });
    return stop;
  }

  passToDeadline(): void {
    this.#session.passToDeadline();
  }

  receive(device: string, what: string, data: Uint8Array, at?: Ns): void {
    this.#session.receive(device, what, data, at);
  }

  receiveCapacity(device: string): number {
    return this.#session.receiveCapacity(device);
  }

  interrupt(): void {
    this.#session.interrupt();
  }

  /** The run ends here, if it has not ended by itself; to be called before a recording is closed. */
  finish(): void {
    if (this.position !== this.#settledAt || this.#isAsleep) return;
    this.#probe.disarm();
    this.#runUnarmed(false);
  }

  /** The machine is gone: gdb is told so. */
  exit(code: number): void {
    this.#exited = code;
    this.#goal = undefined;
    this.#result = { reason: 'exited', code };
    this.#tell();
  }

  /* ---------------------------------------------------------------- holding and letting go */

  #hold(result: DebuggeeStop): void {
    // What is due at this very moment happens now, as it would before the next instruction.
    const stop = this.#session.run(this.position, true);
    this.#isAsleep = stop.reason === 'waiting' || stop.reason === 'idle';
    this.#settledAt = -1;
    if (!this.#isAsleep) {
      this.machine.settle();
      this.#settledAt = this.position;
    }
    this.#probe.disarm();
    this.#goal = undefined;
    this.#result = result;
    this.onChange();
    this.#tell();
  }

  #letGo(goal: Goal): void {
    if (this.#exited !== undefined) return;
    this.#result = undefined;
    this.#probe.arm(this.#conditions(), this.position);
    this.#goal = goal;
    this.onChange();
  }

  #conditions(): Condition[] {
    return [...this.breakpoints.values()].map(({ condition }) => condition);
  }

  *#untilHeld(what: string): Operation<DebuggeeStop> {
    while (this.#result === undefined) {
      const wantsEnd = (yield { what, position: this.position }) === true;
      if (wantsEnd && this.#result === undefined) this.#hold({ reason: 'interrupted' });
    }
    return this.#result;
  }

  news(): Promise<void> {
    if (this.#result !== undefined) return Promise.resolve();
    return new Promise((resolve) => {
      this.#tell = resolve;
    });
  }

  /** Somebody else than the debugger lets the machine go. False: the debugger is there and does not. */
  letGo(): boolean {
    if (this.#isAttached) return false;
    this.#letGo({ kind: 'run', from: this.position });
    return true;
  }

  attach(): void {
    this.#isAttached = true;
    if (this.#exited === undefined) this.#hold({ reason: 'there' });
  }

  detach(how: 'detach' | 'kill' | 'lost'): void {
    this.#isAttached = false;
    if (how === 'detach') this.#letGo({ kind: 'run', from: this.position });
  }

  /* ---------------------------------------------------------------- for the debugger */

  addBreakpoint(condition: Condition): Breakpoint {
    const breakpoint = { id: this.#nextId++, condition, enabled: true, hits: 0 };
    this.breakpoints.set(breakpoint.id, breakpoint);
    return breakpoint;
  }

  removeBreakpoint(id: number): boolean {
    return this.breakpoints.delete(id);
  }

  *stepForward(cpu: number, alone: boolean, watching = false): Operation<DebuggeeStop> {
    this.#letGo({ kind: 'step', cpu, alone, watching, retired: this.machine.retired(cpu) });
    return yield* this.#untilHeld('stepping');
  }

  *continueForward(): Operation<DebuggeeStop> {
    this.#letGo({ kind: 'run', from: this.position });
    return yield* this.#untilHeld('running');
  }

  *stepBackward(): Operation<DebuggeeStop> {
    return { reason: 'begin', why: 'a live machine only goes forward' };
  }

  continueBackward(): Operation<DebuggeeStop> {
    return this.stepBackward();
  }

  write(writes: readonly DebuggerWrite[]): { done: boolean; notice?: string } {
    if (this.#exited !== undefined) return { done: false };
    if (writes.some(({ what, data }) => debuggerWrite(this.machine, what, data) === undefined))
      return { done: false };
    for (const { what, data } of writes) this.#session.receive(DEBUGGER, what, data);
    if (!this.#recording || this.#hasWritten || writes.length === 0) return { done: true };
    this.#hasWritten = true;
    return {
      done: true,
      notice: 'what a debugger writes is recorded as an input; the replay writes it, too',
    };
  }
}
