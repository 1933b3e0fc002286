/**
 * A machine that runs for the first time. Its inputs come from the host: record.ts logs them on the way.
 *
 * What of an input replay has to repeat is its position and its time, and these name one moment only if three
 * rules are kept here: time passes without instructions either up to the machine's own deadline or, short of
 * it, right before an input (or the end); between two inputs the machine has had its chance to run; and hashes
 * are taken before the inputs of their position.
 */
import type { EventSink } from '../../engine/base/events.ts';
import type { Ns, Position } from '../../engine/base/units.ts';
import type { Observed } from '../../engine/machine.ts';
import type { HostInputs, MachineApi, MachineFactory, StopReason } from './machine-api.ts';
import { REAL_MACHINE } from './machine-api.ts';
import { observedAt, type RunningChoices, type SessionSpec } from './setup.ts';

/** The host as a source of what the machine cannot compute. */
export interface LiveInputs extends HostInputs {
  /** Time of day in seconds since 1970, asked once. */
  baseSeconds(): number;
}

export interface LiveOptions {
  readonly spec: SessionSpec;
  readonly inputs: LiveInputs;
  /** Hears everything that is observed, e.g. to show the console. */
  readonly sink: EventSink;
  readonly observe?: Observed;
  readonly running?: RunningChoices;
  readonly factory?: MachineFactory;
}

/** Why `run` returned. A reset is carried out inside, unless the spec says that it ends the run. */
export type LiveStop = StopReason;

/** What the host's loop drives. */
export interface LiveSession {
  readonly position: Position;
  readonly time: Ns;
  /**
   * Runs until a position.
   * @param pause return `waiting` when every CPU sleeps, instead of letting time jump to the deadline
   */
  run(until: Position, pause: boolean): LiveStop;
  /** After `waiting`: the deadline has come. */
  passToDeadline(): void;
  /**
   * Gives bytes to a device, between two instructions.
   * @param at after `waiting` or `idle`, the virtual time of the input, which is held short of the deadline
   */
  receive(device: string, what: string, data: Uint8Array, at?: Ns): void;
  receiveCapacity(device: string): number;
  /** Ends `run` before the next instruction, with `stopped`; for sinks, which are called in the middle of it. */
  interrupt(): void;
  /** Under a debugger: nothing may happen to the machine now. */
  readonly isHeld?: boolean;
  /** Under a debugger: input has to wait for the next instruction. */
  readonly isDeaf?: boolean;
  /** Set by the loop: to be called when `isHeld` changes. */
  onChange?: () => void;
}

export class RunSession implements LiveSession {
  readonly machine: MachineApi;
  /** Events that the machine was asked to make. */
  readonly observed: Observed;
  readonly #reboot: boolean;
  #stop: LiveStop = { reason: 'limit' };
  #settled = true;

  /** @throws OptionError if an image cannot be loaded */
  constructor(options: LiveOptions) {
    const { spec, inputs, sink, observe = observedAt('inputs'), running, factory = REAL_MACHINE } = options;
    this.#reboot = spec.reboot;
    this.observed = observe;
    this.machine = factory(spec, {
      baseSeconds: inputs.baseSeconds(),
      inputs,
      sink,
      observe,
      ...running,
    });
  }

  get position(): Position {
    return this.machine.position;
  }

  get time(): Ns {
    return this.machine.time;
  }

  run(until: Position, pause: boolean): LiveStop {
    const { machine } = this;
    for (;;) {
      machine.pauseWhenIdle = pause;
      this.#stop = machine.run(until);
      // What is due at this moment may not have happened yet.
      this.#settled = this.#stop.reason !== 'stopped';
      if (this.#stop.reason !== 'reset' || !this.#reboot) return this.#stop;
      machine.reset();
    }
  }

  passToDeadline(): void {
    if (this.#stop.reason !== 'waiting') return;
    this.machine.passTime(this.#stop.deadline);
    this.#settled = false;
  }

  receive(device: string, what: string, data: Uint8Array, at?: Ns): void {
    const { machine } = this;
    this.settle();
    const stop = this.#stop;
    if (at !== undefined && (stop.reason === 'waiting' || stop.reason === 'idle')) {
      const latest = stop.reason === 'waiting' ? Math.ceil(stop.deadline) - 1 : at;
      const time = Math.floor(Math.min(at, latest));
      if (time > machine.time) machine.passTime(time);
    }
    machine.receive(device, what, data);
    this.#settled = false;
  }

  /**
   * Lets happen what is due at this very moment, after an input or a deadline. DETERMINISM: replay runs up to each input and
   * to the end, so what is due before them happens there, and has to happen here, too.
   */
  settle(): void {
    while (!this.#settled) this.run(this.machine.position, true);
  }

  interrupt(): void {
    this.machine.requestStop();
  }

  receiveCapacity(device: string): number {
    return this.machine.receiveCapacity(device);
  }
}
