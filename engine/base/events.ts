import type { Ns, Position } from './units.ts';

/**
 * What can be observed of a running machine: the one door out. Every event carries the position of the
 * instruction that caused it (instructions retired *before* it) and is emitted in order; its ordinal at a
 * position is its index among the events of that position.
 */
interface EventBase {
  readonly position: Position;
  readonly time: Ns;
  /** Index of the CPU that was running; -1 if none was (timers, inputs). */
  readonly cpu: number;
}

/** A memory-mapped or system-register access to a device. */
export interface AccessEvent extends EventBase {
  readonly kind: 'access';
  /** Device id; system registers use `cpuN`'s interface name, e.g. `gicc-sysreg`, `timer`. */
  readonly device: string;
  readonly offset: number;
  readonly size: number;
  readonly write: boolean;
  readonly value: bigint;
  /** Virtual address of the instruction. */
  readonly pc: bigint;
}

/** An interrupt line or an interrupt's state in the controller changed. */
export interface InterruptEvent extends EventBase {
  readonly kind: 'interrupt';
  readonly what: 'line-high' | 'line-low' | 'pending' | 'not-pending' | 'acknowledge' | 'active' | 'complete';
  readonly intid: number;
  /** CPU the interrupt concerns (banked interrupts, acknowledge, completion); -1 for a shared one. */
  readonly target: number;
}

export interface ExceptionEvent extends EventBase {
  readonly kind: 'exception';
  /** `sync`, `irq`, `fiq`, `serror` or `return`. */
  readonly what: 'sync' | 'irq' | 'fiq' | 'serror' | 'return';
  readonly fromEl: number;
  readonly toEl: number;
  readonly syndrome: bigint;
  readonly faultAddress: bigint;
  readonly pc: bigint;
}

export interface OutputEvent extends EventBase {
  readonly kind: 'output';
  readonly device: string;
  readonly bytes: Uint8Array;
}

/** A value from outside the machine: `push` arrived between instructions, `pull` answered a question. */
export interface InputEvent extends EventBase {
  readonly kind: 'input';
  readonly device: string;
  readonly what: string;
  readonly data: Uint8Array;
  /** Default `push`. Replay delivers a push at its position; a pull is the answer to the next question. */
  readonly mode?: 'push' | 'pull';
}

export interface DmaEvent extends EventBase {
  readonly kind: 'dma';
  readonly device: string;
  /** As the device sees it, before any IOMMU: 64 bits, signed (`busAddress`). */
  readonly address: number;
  readonly length: number;
  readonly write: boolean;
  /** Requester ID (bus << 8 | device << 3 | function) of a PCI function at that moment; others have none. */
  readonly requester?: number;
}

/** The guest left the defined ground, or used something virtrace does not have. */
export interface GuestErrorEvent extends EventBase {
  readonly kind: 'guest-error';
  readonly device: string;
  readonly offset: number;
  readonly message: string;
}

export interface NoteEvent extends EventBase {
  readonly kind: 'note';
  readonly device: string;
  readonly what: string;
  readonly fields: { readonly [name: string]: number | string | boolean };
}

/** CPUs switched on and off, power-off, reset. */
export interface PowerEvent extends EventBase {
  readonly kind: 'power';
  readonly what: 'cpu-on' | 'cpu-off' | 'system-off' | 'system-reset';
  readonly target: number;
}

export type MachineEvent =
  | AccessEvent
  | InterruptEvent
  | ExceptionEvent
  | OutputEvent
  | InputEvent
  | DmaEvent
  | GuestErrorEvent
  | NoteEvent
  | PowerEvent;

export type EventKind = MachineEvent['kind'];

/** Listens to the machine. Must not call back into it. */
export type EventSink = (event: MachineEvent) => void;
