/*
 * Advanced SIMD floating-point arithmetic and comparisons (Arm ARM DDI 0487, C4.1 "Advanced SIMD three same",
 * "... (FP16)", "two-register miscellaneous", "vector x indexed element", "across lanes", and the scalar
 * classes of the same names). Suffixes: _v vector, _s scalar, _e vector by element, _se scalar by element.
 */
import * as E from "./fp-element";
import {
  accumulateByElement,
  acrossLanes,
  byElement,
  multiplyAccumulate,
  pairwise,
  scalarAccumulateByElement,
  scalarByElement,
  scalarPairwise,
  scalarThreeSame,
  scalarTwoReg,
  threeSame,
  twoReg,
} from "./fp-vector-loops";

/* --- Three same --------------------------------------------------------------------------------------- */

export function op_fadd_v(cpu: usize, insn: u32): void { threeSame(cpu, insn, E.ADD); }
export function op_fsub_v(cpu: usize, insn: u32): void { threeSame(cpu, insn, E.SUB); }
export function op_fmul_v(cpu: usize, insn: u32): void { threeSame(cpu, insn, E.MUL); }
export function op_fdiv_v(cpu: usize, insn: u32): void { threeSame(cpu, insn, E.DIV); }
export function op_fmax_v(cpu: usize, insn: u32): void { threeSame(cpu, insn, E.MAX); }
export function op_fmin_v(cpu: usize, insn: u32): void { threeSame(cpu, insn, E.MIN); }
export function op_fmaxnm_v(cpu: usize, insn: u32): void { threeSame(cpu, insn, E.MAXNM); }
export function op_fminnm_v(cpu: usize, insn: u32): void { threeSame(cpu, insn, E.MINNM); }
export function op_fmulx_v(cpu: usize, insn: u32): void { threeSame(cpu, insn, E.MULX); }
export function op_fabd_v(cpu: usize, insn: u32): void { threeSame(cpu, insn, E.ABD); }
export function op_frecps_v(cpu: usize, insn: u32): void { threeSame(cpu, insn, E.RECPS); }
export function op_frsqrts_v(cpu: usize, insn: u32): void { threeSame(cpu, insn, E.RSQRTS); }
export function op_fcmeq_v(cpu: usize, insn: u32): void { threeSame(cpu, insn, E.CMEQ); }
export function op_fcmge_v(cpu: usize, insn: u32): void { threeSame(cpu, insn, E.CMGE); }
export function op_fcmgt_v(cpu: usize, insn: u32): void { threeSame(cpu, insn, E.CMGT); }
export function op_facge_v(cpu: usize, insn: u32): void { threeSame(cpu, insn, E.ACGE); }
export function op_facgt_v(cpu: usize, insn: u32): void { threeSame(cpu, insn, E.ACGT); }
export function op_fmla_v(cpu: usize, insn: u32): void { multiplyAccumulate(cpu, insn, false); }
export function op_fmls_v(cpu: usize, insn: u32): void { multiplyAccumulate(cpu, insn, true); }
export function op_faddp_v(cpu: usize, insn: u32): void { pairwise(cpu, insn, E.ADD); }
export function op_fmaxp_v(cpu: usize, insn: u32): void { pairwise(cpu, insn, E.MAX); }
export function op_fminp_v(cpu: usize, insn: u32): void { pairwise(cpu, insn, E.MIN); }
export function op_fmaxnmp_v(cpu: usize, insn: u32): void { pairwise(cpu, insn, E.MAXNM); }
export function op_fminnmp_v(cpu: usize, insn: u32): void { pairwise(cpu, insn, E.MINNM); }

export function op_fmulx_s(cpu: usize, insn: u32): void { scalarThreeSame(cpu, insn, E.MULX); }
export function op_fabd_s(cpu: usize, insn: u32): void { scalarThreeSame(cpu, insn, E.ABD); }
export function op_frecps_s(cpu: usize, insn: u32): void { scalarThreeSame(cpu, insn, E.RECPS); }
export function op_frsqrts_s(cpu: usize, insn: u32): void { scalarThreeSame(cpu, insn, E.RSQRTS); }
export function op_fcmeq_s(cpu: usize, insn: u32): void { scalarThreeSame(cpu, insn, E.CMEQ); }
export function op_fcmge_s(cpu: usize, insn: u32): void { scalarThreeSame(cpu, insn, E.CMGE); }
export function op_fcmgt_s(cpu: usize, insn: u32): void { scalarThreeSame(cpu, insn, E.CMGT); }
export function op_facge_s(cpu: usize, insn: u32): void { scalarThreeSame(cpu, insn, E.ACGE); }
export function op_facgt_s(cpu: usize, insn: u32): void { scalarThreeSame(cpu, insn, E.ACGT); }

/* --- By element --------------------------------------------------------------------------------------- */

export function op_fmul_e(cpu: usize, insn: u32): void { byElement(cpu, insn, E.MUL); }
export function op_fmul_se(cpu: usize, insn: u32): void { scalarByElement(cpu, insn, E.MUL); }
export function op_fmulx_e(cpu: usize, insn: u32): void { byElement(cpu, insn, E.MULX); }
export function op_fmulx_se(cpu: usize, insn: u32): void { scalarByElement(cpu, insn, E.MULX); }
export function op_fmla_e(cpu: usize, insn: u32): void { accumulateByElement(cpu, insn, false); }
export function op_fmla_se(cpu: usize, insn: u32): void { scalarAccumulateByElement(cpu, insn, false); }
export function op_fmls_e(cpu: usize, insn: u32): void { accumulateByElement(cpu, insn, true); }
export function op_fmls_se(cpu: usize, insn: u32): void { scalarAccumulateByElement(cpu, insn, true); }

/* --- Across lanes, scalar pairwise -------------------------------------------------------------------- */

export function op_fmaxv(cpu: usize, insn: u32): void { acrossLanes(cpu, insn, E.MAX); }
export function op_fminv(cpu: usize, insn: u32): void { acrossLanes(cpu, insn, E.MIN); }
export function op_fmaxnmv(cpu: usize, insn: u32): void { acrossLanes(cpu, insn, E.MAXNM); }
export function op_fminnmv(cpu: usize, insn: u32): void { acrossLanes(cpu, insn, E.MINNM); }
export function op_faddp_s(cpu: usize, insn: u32): void { scalarPairwise(cpu, insn, E.ADD); }
export function op_fmaxp_s(cpu: usize, insn: u32): void { scalarPairwise(cpu, insn, E.MAX); }
export function op_fminp_s(cpu: usize, insn: u32): void { scalarPairwise(cpu, insn, E.MIN); }
export function op_fmaxnmp_s(cpu: usize, insn: u32): void { scalarPairwise(cpu, insn, E.MAXNM); }
export function op_fminnmp_s(cpu: usize, insn: u32): void { scalarPairwise(cpu, insn, E.MINNM); }

/* --- Two registers ------------------------------------------------------------------------------------ */

export function op_fabs_v(cpu: usize, insn: u32): void { twoReg(cpu, insn, E.ABS); }
export function op_fneg_v(cpu: usize, insn: u32): void { twoReg(cpu, insn, E.NEG); }
export function op_fsqrt_v(cpu: usize, insn: u32): void { twoReg(cpu, insn, E.SQRT); }
export function op_frintn_v(cpu: usize, insn: u32): void { twoReg(cpu, insn, E.RINTN); }
export function op_frintp_v(cpu: usize, insn: u32): void { twoReg(cpu, insn, E.RINTP); }
export function op_frintm_v(cpu: usize, insn: u32): void { twoReg(cpu, insn, E.RINTM); }
export function op_frintz_v(cpu: usize, insn: u32): void { twoReg(cpu, insn, E.RINTZ); }
export function op_frinta_v(cpu: usize, insn: u32): void { twoReg(cpu, insn, E.RINTA); }
export function op_frintx_v(cpu: usize, insn: u32): void { twoReg(cpu, insn, E.RINTX); }
export function op_frinti_v(cpu: usize, insn: u32): void { twoReg(cpu, insn, E.RINTI); }
export function op_frecpe_v(cpu: usize, insn: u32): void { twoReg(cpu, insn, E.RECPE); }
export function op_frsqrte_v(cpu: usize, insn: u32): void { twoReg(cpu, insn, E.RSQRTE); }
export function op_fcmgt0_v(cpu: usize, insn: u32): void { twoReg(cpu, insn, E.CMGT0); }
export function op_fcmge0_v(cpu: usize, insn: u32): void { twoReg(cpu, insn, E.CMGE0); }
export function op_fcmeq0_v(cpu: usize, insn: u32): void { twoReg(cpu, insn, E.CMEQ0); }
export function op_fcmle0_v(cpu: usize, insn: u32): void { twoReg(cpu, insn, E.CMLE0); }
export function op_fcmlt0_v(cpu: usize, insn: u32): void { twoReg(cpu, insn, E.CMLT0); }
export function op_urecpe_v(cpu: usize, insn: u32): void { twoReg(cpu, insn, E.URECPE); }
export function op_ursqrte_v(cpu: usize, insn: u32): void { twoReg(cpu, insn, E.URSQRTE); }

export function op_frecpe_s(cpu: usize, insn: u32): void { scalarTwoReg(cpu, insn, E.RECPE); }
export function op_frsqrte_s(cpu: usize, insn: u32): void { scalarTwoReg(cpu, insn, E.RSQRTE); }
export function op_frecpx_s(cpu: usize, insn: u32): void { scalarTwoReg(cpu, insn, E.RECPX); }
export function op_fcmgt0_s(cpu: usize, insn: u32): void { scalarTwoReg(cpu, insn, E.CMGT0); }
export function op_fcmge0_s(cpu: usize, insn: u32): void { scalarTwoReg(cpu, insn, E.CMGE0); }
export function op_fcmeq0_s(cpu: usize, insn: u32): void { scalarTwoReg(cpu, insn, E.CMEQ0); }
export function op_fcmle0_s(cpu: usize, insn: u32): void { scalarTwoReg(cpu, insn, E.CMLE0); }
export function op_fcmlt0_s(cpu: usize, insn: u32): void { scalarTwoReg(cpu, insn, E.CMLT0); }
