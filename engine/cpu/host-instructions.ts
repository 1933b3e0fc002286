import { ISS_FP_ACCESS, sysregFields, sysregIss } from './a64/sysreg-key.ts';
import type { CpuCluster } from './cluster.ts';
import type { CpuState } from './cpu-state.ts';
import { PSTATE_DIT, PSTATE_PAN, PSTATE_SS, PSTATE_SSBS, PSTATE_TCO, PSTATE_UAO } from './cpu-state.ts';
import { BANK, EC, switchStack } from './exceptions.ts';
import * as L from './helpers/layout.ts';

/**
 * Instructions that the host side executes: exceptions, waits, system registers with side effects. Each is at
 * PC, has been charged, and has not been executed. Returns true if the CPU's turn ends here.
 */
export function executeHostInstruction(cluster: CpuCluster, s: CpuState, word: number): boolean {
  // Unallocated words come here too, so bits that must be zero matter.
  const top = word >>> 24;
  if (top === 0xd4 && (word & 0x1c) === 0) return exceptionGeneration(cluster, s, word);
  if (top === 0xd5 && (word & 0xc0_0000) === 0) return system(cluster, s, word);
  if (word >>> 0 === 0xd69f03e0 && s.el > 0) {
    cluster.eret(s);
    return false;
  }
  if ((word & 0xffff_fbff) >>> 0 === 0xd69f0bff && s.el > 0 && cluster.config.features.has('FEAT_PAuth')) {
    // ERETAA, ERETAB
    const slot = BANK[s.el]!.elr;
    const target = cluster.helpers.pac_authenticate(s.base, s.sysreg(slot), s.sp, (word >>> 10) & 1);
    cluster.eret(s, BigInt.asUintN(64, target));
    return false;
  }
  if (cluster.isFpTrap(s, word)) cluster.raiseSync(s, EC.FP_ACCESS, ISS_FP_ACCESS);
  else cluster.raiseUndefined(s, word, true);
  return false;
}

function exceptionGeneration(cluster: CpuCluster, s: CpuState, word: number): boolean {
  const imm16 = (word >>> 5) & 0xffff;
  const code = ((word >>> 19) & 0x1c) | (word & 3);
  switch (code) {
    case 0x01: // SVC
      s.advancePc(4);
      // SSAdvance: the instruction counts as stepped. Where the step is not active PSTATE.SS is 0 already.
      s.setWord(L.CPU_PSTATE, s.word(L.CPU_PSTATE) & ~PSTATE_SS);
      cluster.raiseSync(s, EC.SVC, imm16);
      return false;
    case 0x02: // HVC
    case 0x03: // SMC
      if (s.el === 0) break;
      s.advancePc(4);
      if (cluster.ports.hypercall(s.index, code === 2 ? 'hvc' : 'smc')) {
        cluster.noteEffect();
        return false;
      }
      s.advancePc(-4);
      break;
    case 0x04: // BRK
      cluster.raiseBreakpointInstruction(s, imm16);
      return false;
    default:
  }
  // HLT without semihosting, DCPS in non-debug state, HVC and SMC with nobody to call
  cluster.raiseUndefined(s, word, false);
  return false;
}

function system(cluster: CpuCluster, s: CpuState, word: number): boolean {
  const op0 = (word >>> 19) & 3;
  const isRead = (word & (1 << 21)) !== 0;
  const rt = word & 31;
  const key = (word >>> 5) & 0xffff;
  if (op0 === 0) {
    if ((word & 0x3ff01f) === 0x03201f) return hint(cluster, s, word);
    if ((word & 0x38f01f) === 0x00401f) {
      pstateImmediate(cluster, s, word);
      return false;
    }
    cluster.raiseUndefined(s, word, true);
    return false;
  }
  const context = cluster.ports.sysregContext(s.index);
  if (op0 === 1) {
    const trap = cluster.table.system(key, rt, s.x(rt), context, isRead);
    if (trap !== undefined) cluster.raiseTrap(s, trap, word);
    else s.advancePc(4);
    return false;
  }
  if (isRead) {
    const value = cluster.table.read(key, rt, context);
    if (typeof value === 'bigint') {
      s.setX(rt, value);
      s.advancePc(4);
    } else if (value.ec === EC.UNKNOWN && isIdSpace(key) && cluster.config.features.has('FEAT_IDST')) {
      cluster.raiseSync(s, EC.SYSREG, sysregIss(key, rt, true), undefined, value.target);
    } else cluster.raiseTrap(s, value, word);
  } else {
    const trap = cluster.table.write(key, rt, s.x(rt), context);
    if (trap === undefined) s.advancePc(4);
    else cluster.raiseTrap(s, trap, word);
  }
  return false;
}

/**
 * Feature ID space: with FEAT_IDST every exception that a read there takes has EC 0x18 (Arm ARM D17.2.64,
 * ID_AA64MMFR2_EL1.IDS).
 */
function isIdSpace(key: number): boolean {
  const { op0, op1, crn, crm } = sysregFields(key);
  return op0 === 3 && (op1 === 0 || op1 === 1 || op1 === 3) && crn === 0 && crm < 8;
}

/** YIELD, WFE, WFI, SEV, SEVL. */
function hint(cluster: CpuCluster, s: CpuState, word: number): boolean {
  const index = s.index;
  s.advancePc(4);
  switch ((word >>> 5) & 0x7f) {
    case 1:
      cluster.noteEffect();
      return true;
    case 2: {
      if (s.el === 0 && trapWait(cluster, s, 18, 1)) return false;
      if (cluster.event[index]) {
        cluster.event[index] = false;
        return false;
      }
      cluster.wait[index] = 'wfe';
      return true;
    }
    case 3:
      if (s.el === 0 && trapWait(cluster, s, 16, 0)) return false;
      // A pending interrupt completes it, masked or not.
      if (s.word(L.CPU_IRQ) !== 0) return false;
      cluster.wait[index] = 'wfi';
      return true;
    case 4:
      cluster.event[index] = true;
      cluster.ports.sendEvent(index);
      return false;
    default:
      cluster.event[index] = true; // SEVL
      return false;
  }
}

/** SCTLR_EL1.nTWE (18), nTWI (16): WFE and WFI at EL0 trap when the bit is 0. */
function trapWait(cluster: CpuCluster, s: CpuState, bit: number, ti: number): boolean {
  if (s.sysregLo(L.SYS_SCTLR_EL1) & (1 << bit)) return false;
  s.advancePc(-4);
  cluster.raiseSync(s, EC.WFX, (1 << 24) | (0xe << 20) | ti);
  return true;
}

/** MSR (immediate), what is not done inline (Arm ARM C6.2.229). */
function pstateImmediate(cluster: CpuCluster, s: CpuState, word: number): void {
  const op1 = (word >>> 16) & 7;
  const op2 = (word >>> 5) & 7;
  const imm = (word >>> 8) & 15;
  const { features } = cluster.config;
  const setBit = (bit: number): void => {
    const old = s.word(L.CPU_PSTATE);
    s.setWord(L.CPU_PSTATE, imm & 1 ? old | bit : old & ~bit);
  };
  const field = (op1 << 3) | op2;
  if (field === 0x1e || field === 0x1f) {
    // DAIFSet, DAIFClr at EL0: SCTLR_EL1.UMA
    if (s.el === 0 && (s.sysregLo(L.SYS_SCTLR_EL1) & (1 << 9)) === 0) {
      cluster.raiseSync(s, EC.SYSREG, sysregIss((word >>> 5) & 0xffff, 31, false));
      return;
    }
    s.daif = field === 0x1e ? s.daif | imm : s.daif & ~imm;
  } else if (field === 0x05 && s.el > 0) {
    switchStack(s, s.el, imm & 1);
    cluster.contextChanged(s);
  } else if (field === 0x04 && s.el > 0 && features.has('FEAT_PAN')) {
    setBit(PSTATE_PAN);
    cluster.contextChanged(s);
  } else if (field === 0x03 && s.el > 0 && features.has('FEAT_UAO')) {
    setBit(PSTATE_UAO);
    cluster.contextChanged(s);
  } else if (field === 0x1a && features.has('FEAT_DIT')) setBit(PSTATE_DIT);
  else if (field === 0x19 && features.has('FEAT_SSBS')) setBit(PSTATE_SSBS);
  else if (field === 0x1c && features.has('FEAT_MTE')) setBit(PSTATE_TCO);
  else {
    cluster.raiseUndefined(s, word, true);
    return;
  }
  s.advancePc(4);
}
