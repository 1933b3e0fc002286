/** What the commands of QMP and of the human monitor need of the machine under them: live, or a recording. */
import type { Machine } from '../../engine/machine.ts';
import type { QmpEvent } from './protocol.ts';

/** As QEMU calls them (qapi/run-state.json). */
export type RunState = 'prelaunch' | 'running' | 'paused' | 'shutdown';

export interface ReplayState {
  readonly mode: 'none' | 'record' | 'play';
  /** The trace. */
  readonly filename?: string;
}

export interface Control {
  readonly machine: Machine;
  /** `-name` */
  readonly name: string | undefined;
  readonly state: RunState;
  readonly replay: ReplayState;
  /** Hear what happens; the result ends that. */
  listen(listener: (event: QmpEvent) => void): () => void;
  stop(): void | Promise<void>;
  /** @throws QmpError if it cannot go on */
  cont(): void | Promise<void>;
  /** Ends virtrace. */
  quit(): void;
}

/** A live machine, which can be given something. */
export interface LiveControl extends Control {
  /**
   * Gives the machine an input as soon as it takes one. @param what of a device, as `Machine.receive` has it
   */
  press(device: string, what: string, data?: Uint8Array): Promise<void>;
  /** Tells clients of something. */
  tell(event: QmpEvent): void;
}
