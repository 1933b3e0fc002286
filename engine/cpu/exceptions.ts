import { SLOT_STEPPED } from './a64/sysreg-slots.ts';
import type { CpuConfig } from './cpu-models.ts';
import type { CpuState } from './cpu-state.ts';
import {
  PSTATE_BTYPE,
  PSTATE_DIT,
  PSTATE_IL,
  PSTATE_PAN,
  PSTATE_SS,
  PSTATE_SSBS,
  PSTATE_TCO,
  PSTATE_UAO,
} from './cpu-state.ts';
import * as L from './helpers/layout.ts';
import { generatesDebugExceptions } from './self-hosted-debug.ts';

/** Exception classes (Arm ARM D17.2.37, ESR_ELx.EC). */
export const EC = {
  UNKNOWN: 0x00,
  WFX: 0x01,
  FP_ACCESS: 0x07,
  PAUTH: 0x09,
  BRANCH_TARGET: 0x0d,
  ILLEGAL_STATE: 0x0e,
  SVC: 0x15,
  HVC: 0x16,
  SMC: 0x17,
  SYSREG: 0x18,
  INSTRUCTION_ABORT_LOWER: 0x20,
  PC_ALIGNMENT: 0x22,
  DATA_ABORT_LOWER: 0x24,
  SP_ALIGNMENT: 0x26,
  BREAKPOINT_LOWER: 0x30,
  SOFTWARE_STEP_LOWER: 0x32,
  WATCHPOINT_LOWER: 0x34,
  BRK: 0x3c,
} as const;

const VECTOR = { sync: 0x000, irq: 0x080, fiq: 0x100, serror: 0x180 } as const;
export type ExceptionKind = keyof typeof VECTOR;

interface Banked {
  readonly vbar: number;
  readonly esr: number;
  readonly far: number;
  readonly elr: number;
  readonly spsr: number;
  readonly sp: number;
  readonly sctlr: number;
}

/** System-register slots of an exception level; index 0 holds only its stack pointer. */
export const BANK: readonly Banked[] = [
  { vbar: -1, esr: -1, far: -1, elr: -1, spsr: -1, sp: L.SYS_SP_EL0, sctlr: -1 },
  {
    vbar: L.SYS_VBAR_EL1,
    esr: L.SYS_ESR_EL1,
    far: L.SYS_FAR_EL1,
    elr: L.SYS_ELR_EL1,
    spsr: L.SYS_SPSR_EL1,
    sp: L.SYS_SP_EL1,
    sctlr: L.SYS_SCTLR_EL1,
  },
  {
    vbar: L.SYS_VBAR_EL2,
    esr: L.SYS_ESR_EL2,
    far: L.SYS_FAR_EL2,
    elr: L.SYS_ELR_EL2,
    spsr: L.SYS_SPSR_EL2,
    sp: L.SYS_SP_EL2,
    sctlr: L.SYS_SCTLR_EL2,
  },
  {
    vbar: L.SYS_VBAR_EL3,
    esr: L.SYS_ESR_EL3,
    far: L.SYS_FAR_EL3,
    elr: L.SYS_ELR_EL3,
    spsr: L.SYS_SPSR_EL3,
    sp: L.SYS_SP_EL3,
    sctlr: L.SYS_SCTLR_EL3,
  },
];

/** Changes EL and SPSel, keeping each stack pointer in its bank; the caller updates the execution context. */
export function switchStack(s: CpuState, el: number, spsel: number): void {
  const old = s.spsel === 0 ? 0 : s.el;
  const next = spsel === 0 ? 0 : el;
  if (old !== next) {
    s.copyLong(L.CPU_SYSREGS + BANK[old]!.sp * 8, L.CPU_SP);
    s.copyLong(L.CPU_SP, L.CPU_SYSREGS + BANK[next]!.sp * 8);
  }
  s.setWord(L.CPU_EL, el);
  s.setWord(L.CPU_SPSEL, spsel);
}

/**
 * Takes an exception to an AArch64 exception level (AArch64.TakeException). `esr` is EC, IL and ISS; absent for
 * interrupts. `far` as given; absent leaves FAR as it is.
 */
export function takeException(
  s: CpuState,
  config: CpuConfig,
  target: number,
  kind: ExceptionKind,
  returnAddress: bigint,
  esr?: number,
  far?: bigint,
): void {
  const bank = BANK[target]!;
  const from = s.el;
  let offset: number = VECTOR[kind];
  if (from < target) offset += 0x400;
  else if (s.spsel !== 0) offset += 0x200;
  s.setSysreg(bank.spsr, BigInt(s.spsr));
  s.setSysreg(bank.elr, returnAddress);
  if (esr !== undefined) s.setSysreg(bank.esr, BigInt(esr >>> 0));
  if (far !== undefined) s.setSysreg(bank.far, far);
  s.setSysreg(SLOT_STEPPED, 0n);
  switchStack(s, target, 1);
  s.daif = 15;
  let pstate = s.word(L.CPU_PSTATE) & ~(PSTATE_SS | PSTATE_IL | PSTATE_UAO | PSTATE_BTYPE);
  if (config.features.has('FEAT_PAN') && target === 1 && (s.sysregLo(bank.sctlr) & (1 << 23)) === 0)
    pstate |= PSTATE_PAN;
  if (config.features.has('FEAT_SSBS')) {
    // SCTLR_ELx.DSSBS
    pstate =
      (s.word(L.CPU_SYSREGS + bank.sctlr * 8 + 4) & (1 << 12)) !== 0
        ? pstate | PSTATE_SSBS
        : pstate & ~PSTATE_SSBS;
  }
  if (config.features.has('FEAT_MTE2')) pstate |= PSTATE_TCO;
  s.setWord(L.CPU_PSTATE, pstate);
  s.pc = s.sysreg(bank.vbar) + BigInt(offset);
}

/** Bits of SPSR that go into CPU_PSTATE on a return. */
function pstateMask(config: CpuConfig): number {
  let mask = PSTATE_IL;
  if (config.features.has('FEAT_PAN')) mask |= PSTATE_PAN;
  if (config.features.has('FEAT_UAO')) mask |= PSTATE_UAO;
  if (config.features.has('FEAT_DIT')) mask |= PSTATE_DIT;
  if (config.features.has('FEAT_SSBS')) mask |= PSTATE_SSBS;
  if (config.features.has('FEAT_MTE2')) mask |= PSTATE_TCO;
  if (config.features.has('FEAT_BTI')) mask |= PSTATE_BTYPE;
  return mask;
}

/**
 * PSTATE.SS after a return (Arm ARM, shared/functions DebugExceptionReturnSS): SPSR.SS only where software step is
 * on and debug exceptions, off before the return, are on after it.
 */
function returnedStep(s: CpuState, spsr: number, el: number): number {
  if ((s.sysregLo(L.SYS_MDSCR_EL1) & 1) === 0) return 0;
  const isOn =
    !generatesDebugExceptions(s, s.el, (s.daif & 8) !== 0) &&
    generatesDebugExceptions(s, el, (spsr & (1 << 9)) !== 0);
  return isOn ? spsr & PSTATE_SS : 0;
}

/**
 * ERET from EL1 or above. An illegal return (Arm ARM D1.3.4) keeps EL and stack and sets PSTATE.IL. Returns
 * what was wrong, for the observer.
 */
export function exceptionReturn(s: CpuState, config: CpuConfig, to?: bigint): string | undefined {
  const bank = BANK[s.el]!;
  const spsr = s.sysregLo(bank.spsr);
  const target = to ?? s.sysreg(bank.elr);
  const el = (spsr >> 2) & 3;
  let illegal: string | undefined;
  if (spsr & 0x10) illegal = 'exception return to AArch32, which is not implemented';
  else if (spsr & 2) illegal = 'reserved mode in SPSR';
  else if (el > s.el) illegal = 'exception return to a higher exception level';
  else if (el > config.highestEl || (el === 2 && !config.el2))
    illegal = 'exception return to an exception level that does not exist';
  else if (el === 0 && (spsr & 1) !== 0) illegal = 'exception return to EL0 with SPSel';
  const step = returnedStep(s, spsr, illegal === undefined ? el : s.el);
  s.setWord(L.CPU_EXCLUSIVE, 0);
  s.nzcv = spsr >>> 28;
  s.daif = (spsr >> 6) & 15;
  if (illegal === undefined) {
    switchStack(s, el, spsr & 1);
    s.setWord(L.CPU_PSTATE, (spsr & pstateMask(config)) | step);
    s.pc = target;
  } else {
    // SetPSTATEFromPSR leaves SSBS, BTYPE, UAO, DIT and TCO UNKNOWN; they stay as they are, like in QEMU.
    const pan = config.features.has('FEAT_PAN') ? PSTATE_PAN : 0;
    s.setWord(L.CPU_PSTATE, (s.word(L.CPU_PSTATE) & ~(PSTATE_SS | pan)) | (spsr & pan) | step | PSTATE_IL);
    s.pc = target;
  }
  return illegal;
}
