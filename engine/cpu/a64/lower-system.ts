import { CPU_FPCR, CPU_FPSR, CPU_SPSEL, CPU_SYSREGS, SYS_SP_EL0 } from '../helpers/layout.ts';
import { uop } from '../uops.ts';
import { dest, type Lower, type Lowering, rd } from './lowering.ts';

/**
 * System registers and instructions. What has no side effect and no trap is done inline; everything else goes
 * to the host side, where the table of system registers does it.
 */

const MOVI = uop('movi');
const LDSYS = uop('ldsys');
const LDSYS32 = uop('ldsys32');
const STSYS = uop('stsys');
const ALL = 0xffff_ffff_ffff_ffffn;

const keyOf = (w: number): number => (w >>> 5) & 0xffff;

const slotOffset = (slot: number): number => CPU_SYSREGS + slot * 8;

/** Special registers that are read inline; false: the host side does it. */
function readSpecial(name: string, d: number, t: Lowering): boolean {
  switch (name) {
    case 'NZCV':
      t.emit(uop('getnzcv'), d, 0, 0, 0, 0, 0, 0);
      return true;
    case 'DAIF':
      t.emit(uop('getdaif'), d, 0, 0, 0, 0, 0, 0);
      return true;
    case 'CurrentEL':
      t.emit(MOVI, d, 0, 0, 0, 0, t.el << 2, 0);
      return true;
    case 'SPSel':
      t.emit(LDSYS32, d, 0, 0, 0, 0, CPU_SPSEL, 0);
      return true;
    case 'FPCR':
      t.emit(LDSYS32, d, 0, 0, 0, 0, CPU_FPCR, 0);
      return true;
    case 'FPSR':
      t.emit(LDSYS32, d, 0, 0, 0, 0, CPU_FPSR, 0);
      return true;
    case 'SP_EL0':
      // UNDEFINED when it is the stack pointer in use.
      if (!t.usesSpElx) return false;
      t.emit(LDSYS, d, 0, 0, 0, 0, slotOffset(SYS_SP_EL0), 0);
      return true;
    default:
      return false;
  }
}

function writeSpecial(name: string, n: number, t: Lowering): boolean {
  switch (name) {
    case 'NZCV':
      t.emit(uop('setnzcv'), 0, n, 0, 0, 0, 0, 0);
      return true;
    case 'DAIF':
      t.emit(uop('setdaif'), 0, n, 0, 0, 0, t.offset + 4, 0);
      t.end();
      return true;
    case 'SP_EL0':
      if (!t.usesSpElx) return false;
      t.emit(STSYS, 0, n, 0, 0, 0, slotOffset(SYS_SP_EL0), 0);
      return true;
    default:
      return false;
  }
}

const readRegister: Lower = (w, t) => {
  const plan = t.plan(keyOf(w), false);
  const d = dest(rd(w));
  if (plan.kind === 'constant' && plan.checks.length === 0) {
    t.emit(MOVI, d, 0, 0, 0, 0, Number(plan.value & 0xffffffffn) | 0, Number(plan.value >> 32n) | 0);
  } else if (plan.kind === 'slot' && plan.checks.length === 0) {
    t.emit(LDSYS, d, 0, 0, 0, 0, slotOffset(plan.slot), 0);
  } else if (plan.kind !== 'special' || plan.checks.length > 0 || !readSpecial(plan.special, d, t)) {
    t.host(w);
  }
};

const writeRegister: Lower = (w, t) => {
  const plan = t.plan(keyOf(w), true);
  if (plan.kind === 'ignore' && plan.checks.length === 0) return;
  const direct =
    plan.kind === 'slot' &&
    plan.checks.length === 0 &&
    plan.effect === undefined &&
    plan.mask === ALL &&
    plan.ones === 0n;
  if (direct) t.emit(STSYS, 0, rd(w), 0, 0, 0, slotOffset(plan.slot), 0);
  else if (plan.kind !== 'special' || plan.checks.length > 0 || !writeSpecial(plan.special, rd(w), t))
    t.host(w);
};

/** DC and IC have nothing to do but to look at the address, and DC ZVA is a store, where no control can trap them. */
const system: Lower = (w, t) => {
  const isSysl = (w & (1 << 21)) !== 0;
  const plan = t.systemPlan(keyOf(w));
  if (isSysl || plan.kind === 'undefined') {
    t.host(w);
    return;
  }
  const { kind } = plan.operation;
  const free = plan.checks.length === 0;
  if (kind === 'zero' && (free || (t.el === 0 && t.el0MayZero))) t.emit(uop('zva'), 0, rd(w), 0, 0, 0, 0, 0);
  else if (kind === 'cache' && (free || (t.el === 0 && t.el0MayMaintain))) {
    const { by } = plan.operation;
    if (by !== 'all') t.emit(uop(by === 'address' ? 'maintain' : 'maintain_w'), 0, rd(w), 0, 0, 0, 0, 0);
  } else if (kind === 'tlbi' && free) return;
  else t.host(w);
};

/** MSR (immediate): op1:op2 names the PSTATE field. */
const writeImmediate: Lower = (w, t) => {
  const field = (((w >>> 16) & 7) << 3) | ((w >>> 5) & 7);
  const imm = (w >>> 8) & 15;
  if (t.el > 0 && field === 0x1e) t.emit(uop('daifset'), 0, 0, 0, 0, imm, 0, 0);
  else if (t.el > 0 && field === 0x1f) {
    t.emit(uop('daifclr'), 0, 0, 0, 0, imm, t.offset + 4, 0);
    t.end();
  } else t.host(w);
};

export const LOWER_SYSTEM: { readonly [name: string]: Lower } = {
  MRS: readRegister,
  MSR_reg: writeRegister,
  MSR_imm: writeImmediate,
  SYS: system,
  CFINV: (_w, t) => t.emit(uop('cfinv'), 0, 0, 0, 0, 0, 0, 0),
  XAFLAG: (_w, t) => t.emit(uop('xaflag'), 0, 0, 0, 0, 0, 0, 0),
  AXFLAG: (_w, t) => t.emit(uop('axflag'), 0, 0, 0, 0, 0, 0, 0),
  RMIF: (w, t) => t.emit(uop('rmif'), 0, (w >>> 5) & 31, 0, 0, w & 15, (w >>> 15) & 63, 0),
  SETF: (w, t) => t.emit(uop('setf'), 0, (w >>> 5) & 31, 0, 0, (w >>> 14) & 1 ? 16 : 8, 0, 0),
};
