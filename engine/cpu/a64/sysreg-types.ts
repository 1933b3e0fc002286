import type { Ns } from '../../base/units.ts';
import type { CpuConfig } from '../cpu-models.ts';
import type { GenericTimers } from '../generic-timer.ts';
import type { Pmu } from '../pmu.ts';
import type { SysregSlots } from '../sysreg-storage.ts';
import type { SysregKey } from './sysreg-key.ts';

export type El = 0 | 1 | 2 | 3;

/** State that lives outside the slots: PSTATE, FP control, the stack pointer in use. */
export type SpecialRegister =
  | 'NZCV'
  | 'DAIF'
  | 'CurrentEL'
  | 'SPSel'
  | 'PAN'
  | 'UAO'
  | 'DIT'
  | 'SSBS'
  | 'TCO'
  | 'FPCR'
  | 'FPSR'
  /** SP_EL0; UNDEFINED while PSTATE.SP is 0, which the translator or the slow path must look at. */
  | 'SP_EL0';

/**
 * What a write can change beyond the register. The CPU must take it into account before the next
 * instruction: `translation` (which tables, which attributes, MMU on/off, and the alignment and endianness
 * bits of SCTLR), `context` (what else blocks are translated for: FP traps), `debug` (breakpoints,
 * watchpoints, software step), `system` (HCR_EL2, SCR_EL3: all of these, and where exceptions go).
 */
export type SysregEffect = 'translation' | 'context' | 'debug' | 'system';

/** Interfaces that appear in access events like memory-mapped devices. */
export type SysregDevice = 'timer' | 'gic-cpu' | 'pmu';

/**
 * A control that can trap an access. The access goes on if the bits of `mask` in the register at `slot` are as
 * `pass` says: at least one set, all set, none set, or at least one clear.
 */
export interface TrapCheck {
  readonly slot: number;
  readonly mask: bigint;
  readonly pass: 'any' | 'all' | 'none' | 'not-all';
  /** EL that takes the exception (1 becomes 2 from EL0 with HCR_EL2.TGE). */
  readonly target: 1 | 2 | 3;
  /** EC_SYSREG, EC_FP_ACCESS, EC_WFX or EC_UNKNOWN. */
  readonly ec: number;
  /** Only in Non-secure state: Secure EL2 (FEAT_SEL2) does not exist. */
  readonly nonSecureOnly?: boolean;
  /** Skipped when any of these bits is set. */
  readonly unless?: { readonly slot: number; readonly mask: bigint };
}

/** A trap check with the accesses it is for; lists of these are in sysreg-traps.ts. */
export interface TrapRule extends TrapCheck {
  readonly from: readonly El[];
  readonly on: 'r' | 'w' | 'rw';
  readonly needs?: 'el2' | 'el3';
}

/** An exception that the access takes instead of being done. */
export interface SysregTrap {
  readonly kind: 'trap';
  readonly target: 1 | 2 | 3;
  readonly ec: number;
  /** ISS, bits 24:0 of ESR_ELx. IL is always 1. */
  readonly iss: number;
}

/** GIC CPU interface, by system register key; existence and traps are decided before. */
export interface GicSysregs {
  readSysreg(cpu: number, key: SysregKey, el: number, secure: boolean): bigint;
  writeSysreg(cpu: number, key: SysregKey, value: bigint, el: number, secure: boolean): void;
  /** ICH_HCR_EL2.{TC, TALL0, TALL1, TDIR} traps this access from Non-secure EL1 (IHI 0069, 12.4.3). */
  trapsToEl2?(cpu: number, key: SysregKey, write: boolean): boolean;
}

/** One AT instruction: at which EL and stages, which access. */
export interface AddressTranslation {
  readonly stage: 's1' | 's12';
  readonly el: El;
  readonly write: boolean;
  /** AT S1E1RP/WP: PAN counts. */
  readonly pan: boolean;
}

/** What a register access can see and do; one object a CPU. */
export interface SysregContext {
  readonly cpu: number;
  readonly slots: SysregSlots;
  readonly timers: GenericTimers;
  readonly pmu: Pmu;
  /** Absent with GICv2. */
  readonly gic: GicSysregs | undefined;
  el(): number;
  /** PSTATE.SP. */
  spsel(): number;
  /** 64 random bits: an input, to be asked for only when the guest asks. */
  random(): bigint;
  /** Exact virtual time at the current instruction. */
  now(): Ns;
  readSpecial(name: SpecialRegister): bigint;
  writeSpecial(name: SpecialRegister, value: bigint): void;
  /** Physical (or, for EL1 with HCR_EL2.{A,I,F}MO, virtual) interrupts pending: A 0x100, I 0x80, F 0x40. */
  pendingInterrupts(): number;
  /** A register with this effect has been written. */
  changed(effect: SysregEffect, key: SysregKey): void;
  /** Does the translation and sets PAR_EL1. A trap is possible only for stage-2 faults. */
  translateAddress(operation: AddressTranslation, address: bigint): SysregTrap | undefined;
  /** A TLBI of this name and argument was executed. TLBs are never stale, so nothing need be done. */
  flushTlb(name: string, argument: bigint): void;
  /** An access to a device-like register was done; offset is sysregOffset(key). */
  observe(device: SysregDevice, offset: number, write: boolean, value: bigint): void;
  /** The guest used a register that virtrace does not have; it takes an UNDEFINED exception. */
  unknown(name: string, write: boolean): void;
}

export interface SysregDefinition {
  readonly name: string;
  readonly key: SysregKey;
  /** Lowest EL that may read or write; absent: not in this direction, UNDEFINED. May depend on the machine. */
  readonly read?: El | ((config: CpuConfig) => El);
  readonly write?: El | ((config: CpuConfig) => El);
  /** The register exists only if this holds. */
  readonly when?: (config: CpuConfig) => boolean;

  /* Exactly one of these says what it is. */
  /** Plain storage. */
  readonly slot?: number;
  /** Reads give this, writes (if allowed) are ignored; undefined for an EL at which it is not constant. */
  readonly constant?: bigint | ((config: CpuConfig, el: El) => bigint | undefined);
  readonly special?: SpecialRegister;
  /** Neither: the functions do everything. */
  readonly get?: (context: SysregContext, config: CpuConfig, key: SysregKey) => bigint;
  readonly set?: (context: SysregContext, value: bigint, config: CpuConfig, key: SysregKey) => void;

  /** Storage: bits a write changes (default all) and bits that always read as one. */
  readonly mask?: bigint | ((config: CpuConfig) => bigint);
  readonly ones?: bigint;
  /** Value of the slot after reset; default `ones` or 0. */
  readonly reset?: bigint | ((config: CpuConfig, cpu: number) => bigint);
  readonly effect?: SysregEffect;
  readonly traps?: readonly TrapRule[];
  readonly device?: SysregDevice;
}

/** How an access at a given EL is done, decided once for the translator. */
export type SysregPlan =
  /** UNDEFINED (EC 0). `unknown` if virtrace has no such register at all: worth an event. */
  | { readonly kind: 'undefined'; readonly name: string; readonly unknown: boolean }
  | { readonly kind: 'constant'; readonly name: string; readonly value: bigint; readonly checks: Checks }
  | {
      readonly kind: 'slot';
      readonly name: string;
      readonly slot: number;
      /** For a write: new = (old & ~mask) | (value & mask) | ones. */
      readonly mask: bigint;
      readonly ones: bigint;
      /** A write must report this through `changed` before the next instruction. */
      readonly effect?: SysregEffect;
      readonly checks: Checks;
    }
  | {
      readonly kind: 'special';
      readonly name: string;
      readonly special: SpecialRegister;
      readonly checks: Checks;
    }
  /** A write that changes nothing. */
  | { readonly kind: 'ignore'; readonly name: string; readonly checks: Checks }
  /** Slow path: SysregTable.read or write. */
  | {
      readonly kind: 'call';
      readonly name: string;
      readonly effect?: SysregEffect;
      readonly device?: SysregDevice;
      readonly checks: Checks;
    };

/** Traps that remain to be tested at run time. If one does not pass, the slow path makes the exception. */
export type Checks = readonly TrapCheck[];
