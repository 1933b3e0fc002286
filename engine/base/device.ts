import type { RegisterMap } from './register-map.ts';
import type { AccessSize, Ns } from './units.ts';

/** Who makes an access. */
export interface AccessSource {
  /** Index of the CPU; -1 for a bus master that is not a CPU. */
  readonly cpu: number;
  /** Secure access (TrustZone). */
  readonly secure: boolean;
}

/** Plain serialisable data: everything a device may keep between two instructions. */
export type StateValue =
  | number
  | string
  | boolean
  | bigint
  | null
  | Uint8Array
  | StateValue[]
  | { [key: string]: StateValue };
export type DeviceState = { [key: string]: StateValue };

/** A wire to an interrupt controller input. Setting it to the level it has already is free and unseen. */
export interface InterruptLine {
  set(level: boolean): void;
}

/**
 * Virtual time as a device sees it. Timers are records (device, kind, deadline), never closures, so that
 * they can be saved; one per kind and device. `Device.timer(kind)` is called at the first instruction
 * boundary at or after the deadline.
 */
export interface DeviceTimers {
  /** Exact virtual time at the current instruction, in ns. */
  now(): Ns;
  /** Arms (or re-arms) the timer of this kind. */
  schedule(kind: string, deadline: Ns): void;
  cancel(kind: string): void;
}

/** Guest-physical memory as a bus master sees it. Every method returns false if any byte is not memory. */
export interface DmaPort {
  read(address: number, into: Uint8Array): boolean;
  write(address: number, from: Uint8Array): boolean;
}

/** The way out for what only a device knows. Costs nothing when nobody listens; never changes the machine. */
export interface DeviceObserver {
  /** The guest did something the device does not define (unknown register, bad programming). */
  guestError(offset: number, message: string): void;
  /** Bytes sent out of the machine, e.g. console output. */
  output(bytes: Uint8Array): void;
  /** Anything else worth a line in the trace: a short kind and plain fields. */
  note(kind: string, fields: { [name: string]: number | string | boolean }): void;
  /**
   * Whether notes of every single transaction are wanted (trace level `full`). Depends on nothing but the level,
   * so that replay makes the notes that were recorded. Absent: they are.
   */
  wantsDetail?(): boolean;
}

/**
 * The one door in for values the machine cannot compute. In record mode the host answers and the answer is
 * logged; in replay it comes from the log. Synchronous by contract.
 */
export interface DeviceInput {
  /** Random bytes. */
  entropy(length: number): Uint8Array;
}

/** What every memory-mapped device is given. */
export interface DevicePorts {
  readonly id: string;
  readonly timers: DeviceTimers;
  readonly observer: DeviceObserver;
}

/**
 * A memory-mapped device. It knows its registers, its lines and ports; never its address, another device,
 * the board or the CPU. Nothing a guest does may make it throw.
 */
export interface Device {
  /** Unique in the machine, e.g. `uart0`. */
  readonly id: string;
  readonly registers: RegisterMap;
  /** Value as an unsigned number below 2^32 (low `size` bytes valid). Never called with size 8. */
  read(offset: number, size: 1 | 2 | 4, source: AccessSource): number;
  write(offset: number, size: 1 | 2 | 4, value: number, source: AccessSource): void;
  /** 64-bit accesses; without these the bus makes two 32-bit ones, low word first. */
  read64?(offset: number, source: AccessSource): bigint;
  write64?(offset: number, value: bigint, source: AccessSource): void;
  /** False: the access gets an external abort instead. Default: every access is accepted. */
  accepts?(offset: number, size: AccessSize, isWrite: boolean): boolean;
  /**
   * For a window onto other devices: whom an access at this offset reaches, and where in its registers, so
   * that it is observed under that name. Undefined: nobody.
   */
  resolve?(offset: number): { readonly device: string; readonly offset: number } | undefined;
  /** A timer of this device has come. */
  timer?(kind: string): void;
  /** Bytes from outside (console keys, frames), delivered between two instructions. */
  receive?(kind: string, data: Uint8Array): void;
  /** System reset; not called at power-on (constructors give the power-on state). */
  reset(): void;
  save(): DeviceState;
  load(state: DeviceState): void;
}
