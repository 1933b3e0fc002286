/**
 * What a network device of the guest is connected to. The guest's frames come as output of the machine, while it
 * runs; frames for the guest wait here until the live loop gives them to the device, each as an input.
 */
import type { Ns } from '../../../engine/base/units.ts';

/** Everything a backend may ask of its surroundings. */
export interface LinkPorts {
  /** A frame for the guest. */
  toGuest(frame: Uint8Array): void;
  /** Virtual time: the only clock there is. */
  now(): Ns;
  /** Something came from the host: the live loop should look. */
  wake(): void;
}

export interface LinkBackend {
  /** Opens its sockets. @throws OptionError if it cannot */
  open(): Promise<void>;
  /** A frame of the guest's; the bytes are only good during the call. */
  fromGuest(frame: Uint8Array): void;
  /** Called between slices: timers, acknowledgements that were held back. */
  poll(): void;
  /** Something may come from the host: then a machine that sleeps has to sleep for real. */
  expects(): boolean;
  /** The next moment `poll` has something to do; Infinity: none. */
  readonly deadline: Ns;
  close(): void;
}
