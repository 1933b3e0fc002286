/** The machine as of a moment, as plain data for people. 64-bit values are hexadecimal text. */

export interface RegistersView {
  readonly x: readonly string[];
  readonly sp: string;
  readonly pc: string;
  readonly pstate: string;
  readonly flags: readonly { readonly name: string; readonly value: string; readonly meaning: string }[];
  readonly v: readonly string[];
  readonly fpcr: string;
  readonly fpsr: string;
}

export interface SystemRegisterView {
  readonly group: string;
  readonly name: string;
  readonly value: string;
}

export interface CodeRow {
  readonly address: string;
  readonly word: string;
  readonly text: string;
  readonly isNext: boolean;
}

export interface CodeView {
  readonly rows: readonly CodeRow[];
  /** Why there are none. */
  readonly problem?: string;
}

export interface MemoryView {
  readonly address: string;
  readonly space: 'virtual' | 'physical';
  readonly bytes: Uint8Array;
  /** Bytes of these that could be read. */
  readonly readable: number;
}

export interface StackView {
  /** By frame pointers (AAPCS64, 6.4.6). */
  readonly frames: readonly { readonly pc: string; readonly fp: string }[];
  readonly sp: string;
  readonly words: readonly { readonly address: string; readonly value: string }[];
}

export interface WalkStep {
  readonly level: number;
  readonly table: string;
  readonly index: number;
  readonly address: string;
  readonly descriptor: string;
  readonly kind: string;
  readonly fields: readonly string[];
}

export interface WalkView {
  readonly address: string;
  readonly facts: readonly string[];
  readonly steps: readonly WalkStep[];
  readonly result: string;
  readonly physical?: string;
}

export interface GicRow {
  readonly intid: number;
  readonly state: string;
  readonly priority: string;
  readonly group: string;
  readonly trigger: string;
  readonly line: boolean;
  readonly targets: string;
  readonly heldBack?: string;
}

export interface GicView {
  readonly cpu: number;
  readonly irq: boolean;
  readonly fiq: boolean;
  readonly priorityMask: string;
  readonly runningPriority: string;
  readonly rows: readonly GicRow[];
}

export interface DeviceRow {
  readonly name: string;
  readonly offset: string;
  readonly value: string;
  readonly fields: string;
  readonly meaning: string;
}

export interface DeviceView {
  readonly device: string;
  readonly rows: readonly DeviceRow[];
  readonly reference: string;
  readonly problem?: string;
}
