import { SLOT_SINK, SLOT_SP } from '../helpers/layout.ts';
import type { SysregKey } from './sysreg-key.ts';
import type { SysregPlan } from './sysreg-types.ts';
import type { SystemPlan } from './sysregs.ts';

/** What a lowering function writes to: the translator of one block. */
export interface Lowering {
  /** Byte offset of the current instruction from the start of the block. */
  readonly offset: number;
  /** Exception level the block runs at. */
  readonly el: number;
  /** Low 12 bits of the address of the block's first instruction. */
  readonly pageOffset: number;
  /** Appends a micro-op; immediate as two 32-bit halves. */
  emit(op: number, d: number, n: number, m: number, a: number, x: number, lo: number, hi: number): void;
  /** The instruction just lowered ends the block. */
  end(): void;
  /** Emits the hand-over to the host side for this instruction and ends the block. */
  host(word: number): void;
  /** Emits a call of an instruction helper by its exported name. */
  helper(name: string, word: number): void;
  /** A micro-op that calls the helper where it does not do by itself. */
  emitWithHelper(op: number, d: number, n: number, m: number, helper: string, word: number): void;
  /** How a system register access at this exception level is carried out. */
  plan(key: SysregKey, write: boolean): SysregPlan;
  systemPlan(key: SysregKey): SystemPlan;
  /** PSTATE.SP: the stack pointer of the exception level is in use, so SP_EL0 is a register of its own. */
  readonly usesSpElx: boolean;
  /** SCTLR_EL1.DZE and UCI: DC ZVA and cache maintenance at EL0. */
  readonly el0MayZero: boolean;
  readonly el0MayMaintain: boolean;
  /** SCTLR_ELx.A: unaligned accesses fault. */
  readonly checksAlignment: boolean;
  /** PSTATE.UAO at EL1: unprivileged loads and stores are done as others. */
  readonly overridesUser: boolean;
  /** FEAT_BTI: PSTATE.BTYPE is kept; the page is guarded. */
  readonly keepsBranchType: boolean;
  readonly isGuarded: boolean;
  /** SP is about to be used as a base: emits the check that SCTLR_ELx.SA asks for, unless it was done before. */
  checkStack(): void;
}

export type Lower = (word: number, t: Lowering) => void;

/** Register operand slots: 31 reads as zero (slot 31) or is the stack pointer, and a write to ZR is dropped. */
export const regSp = (r: number): number => (r === 31 ? SLOT_SP : r);
export const dest = (r: number): number => (r === 31 ? SLOT_SINK : r);

export const rd = (w: number): number => w & 31;
export const rn = (w: number): number => (w >>> 5) & 31;
export const rm = (w: number): number => (w >>> 16) & 31;
export const ra = (w: number): number => (w >>> 10) & 31;
export const sign = (value: number, bits: number): number => (value << (32 - bits)) >> (32 - bits);
