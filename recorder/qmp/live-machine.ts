/** A live machine as QMP and the monitor control it: what holds it, what is given to it, what it tells. */
import type { MachineEvent } from '../../engine/base/events.ts';
import type { Machine } from '../../engine/machine.ts';
import type { PausableSession } from '../session/pausable.ts';
import type { LiveControl, ReplayState, RunState } from './control.ts';
import { QmpError, type QmpEvent } from './protocol.ts';

export interface LiveMachineOptions {
  readonly session: PausableSession;
  readonly machine: Machine;
  readonly name: string | undefined;
  readonly replay: ReplayState;
  /** The host's loop. */
  press(press: {
    readonly device: string;
    readonly what: string;
    readonly data: Uint8Array;
    done(error?: Error): void;
  }): void;
  quit(): void;
  /** gdb holds the machine; the result says whether it could be let go. Absent: there is no gdb. */
  readonly gdb?: { readonly isHeld: boolean; letGo(): boolean };
}

export class LiveMachine implements LiveControl {
  readonly #options: LiveMachineOptions;
  readonly #listeners = new Set<(event: QmpEvent) => void>();
  #hasRun: boolean;
  #isOver = false;

  constructor(options: LiveMachineOptions) {
    this.#options = options;
    this.#hasRun = !options.session.isHeld;
  }

  get machine(): Machine {
    return this.#options.machine;
  }

  get name(): string | undefined {
    return this.#options.name;
  }

  get replay(): ReplayState {
    return this.#options.replay;
  }

  get state(): RunState {
    if (this.#isOver) return 'shutdown';
    if (!this.#options.session.isHeld) return 'running';
    return this.#hasRun ? 'paused' : 'prelaunch';
  }

  listen(listener: (event: QmpEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  tell(event: QmpEvent): void {
    for (const listener of this.#listeners) listener(event);
  }

  stop(): void {
    const { session } = this.#options;
    if (session.isPaused || this.#isOver) return;
    this.#hasRun = true;
    session.isPaused = true;
    this.tell({ event: 'STOP' });
  }

  cont(): void {
    const { session, gdb } = this.#options;
    if (gdb?.isHeld === true && !gdb.letGo()) throw new QmpError('gdb holds the machine');
    const wasHeld = !this.#hasRun || session.isPaused;
    this.#hasRun = true;
    session.isPaused = false;
    if (wasHeld) this.tell({ event: 'RESUME' });
  }

  quit(): void {
    this.end('host-qmp-quit', false);
    this.#options.quit();
  }

  press(device: string, what: string, data = new Uint8Array(0)): Promise<void> {
    if (this.#isOver) return Promise.reject(new QmpError('the machine is gone'));
    return new Promise((resolve, reject) => {
      const done = (error?: Error): void => {
        if (error === undefined) resolve();
        else reject(error);
      };
      this.#options.press({ device, what, data, done });
    });
  }

  /** For the sink of the session: what happens in the machine. */
  observe(event: MachineEvent): void {
    if (event.kind === 'power' && event.what === 'system-reset' && this.#listeners.size > 0)
      this.tell({ event: 'RESET', data: { guest: true, reason: 'guest-reset' } });
  }

  /** The run is over. @param reason as QEMU calls it (qapi/run-state.json, ShutdownCause) */
  end(reason: string, isGuest: boolean): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.tell({ event: 'SHUTDOWN', data: { guest: isGuest, reason } });
  }
}
