/*
 * The scalar floating-point classes with their own encodings (Arm ARM DDI 0487, C4.1 "Data Processing --
 * Scalar Floating-Point and Advanced SIMD"): 1, 2 and 3 source, compare, conditional compare and select,
 * immediate, and conversions and moves between general and SIMD&FP registers.
 */
import {
  conditionHolds,
  convertEnvOf,
  envOf,
  finish,
  ftype,
  addressV,
  getScalar,
  getX,
  ra,
  rd,
  rm,
  rn,
  setFlags,
  setScalar,
  setX,
} from "./fp-cpu";
import * as E from "./fp-element";
import { ROUND_TIEAWAY, ROUND_ZERO, bias, fracBits, rmode, signBit, signed } from "./softfloat";
import { mulAdd } from "./softfloat-arith";
import { EQUAL, LESS, UNORDERED, compare } from "./softfloat-compare";
import { convert, fromFixed, toFixed } from "./softfloat-convert";

/* --- Two sources ------------------------------------------------------------------------------------- */

@inline
function two(cpu: usize, insn: u32, op: i32): void {
  const sz = ftype(insn);
  const a = getScalar(cpu, rn(insn), sz);
  const b = getScalar(cpu, rm(insn), sz);
  setScalar(cpu, rd(insn), E.binary(op, sz, a, b, envOf(cpu)));
  finish(cpu);
}

export function op_fadd(cpu: usize, insn: u32): void { two(cpu, insn, E.ADD); }
export function op_fsub(cpu: usize, insn: u32): void { two(cpu, insn, E.SUB); }
export function op_fmul(cpu: usize, insn: u32): void { two(cpu, insn, E.MUL); }
export function op_fdiv(cpu: usize, insn: u32): void { two(cpu, insn, E.DIV); }
export function op_fmax(cpu: usize, insn: u32): void { two(cpu, insn, E.MAX); }
export function op_fmin(cpu: usize, insn: u32): void { two(cpu, insn, E.MIN); }
export function op_fmaxnm(cpu: usize, insn: u32): void { two(cpu, insn, E.MAXNM); }
export function op_fminnm(cpu: usize, insn: u32): void { two(cpu, insn, E.MINNM); }
export function op_fnmul(cpu: usize, insn: u32): void { two(cpu, insn, E.NMUL); }

/* --- One source -------------------------------------------------------------------------------------- */

@inline
function one(cpu: usize, insn: u32, op: i32): void {
  const sz = ftype(insn);
  setScalar(cpu, rd(insn), E.unary(op, sz, getScalar(cpu, rn(insn), sz), envOf(cpu)));
  finish(cpu);
}

export function op_fmov(cpu: usize, insn: u32): void {
  setScalar(cpu, rd(insn), getScalar(cpu, rn(insn), ftype(insn)));
}

export function op_fabs(cpu: usize, insn: u32): void {
  const sz = ftype(insn);
  setScalar(cpu, rd(insn), getScalar(cpu, rn(insn), sz) & ~signBit(sz));
}

export function op_fneg(cpu: usize, insn: u32): void {
  const sz = ftype(insn);
  setScalar(cpu, rd(insn), getScalar(cpu, rn(insn), sz) ^ signBit(sz));
}

export function op_fsqrt(cpu: usize, insn: u32): void { one(cpu, insn, E.SQRT); }
export function op_frintn(cpu: usize, insn: u32): void { one(cpu, insn, E.RINTN); }
export function op_frintp(cpu: usize, insn: u32): void { one(cpu, insn, E.RINTP); }
export function op_frintm(cpu: usize, insn: u32): void { one(cpu, insn, E.RINTM); }
export function op_frintz(cpu: usize, insn: u32): void { one(cpu, insn, E.RINTZ); }
export function op_frinta(cpu: usize, insn: u32): void { one(cpu, insn, E.RINTA); }
export function op_frintx(cpu: usize, insn: u32): void { one(cpu, insn, E.RINTX); }
export function op_frinti(cpu: usize, insn: u32): void { one(cpu, insn, E.RINTI); }

/** FCVT between formats: `opc` (16:15) names the target as ftype names the source. */
export function op_fcvt(cpu: usize, insn: u32): void {
  const from = ftype(insn);
  const opc = (insn >> 15) & 3;
  const to = opc == 3 ? 1 : 2 + <i32>opc;
  const env = convertEnvOf(cpu);
  setScalar(cpu, rd(insn), convert(from, to, getScalar(cpu, rn(insn), from), env, rmode(env)));
  finish(cpu);
}

/* --- Three sources ----------------------------------------------------------------------------------- */

@inline
function three(cpu: usize, insn: u32, negateAddend: bool, negateProduct: bool): void {
  const sz = ftype(insn);
  const sign = signBit(sz);
  const addend = getScalar(cpu, ra(insn), sz);
  const a = getScalar(cpu, rn(insn), sz);
  const b = getScalar(cpu, rm(insn), sz);
  const r = mulAdd(sz, negateAddend ? addend ^ sign : addend, negateProduct ? a ^ sign : a, b, envOf(cpu));
  setScalar(cpu, rd(insn), r);
  finish(cpu);
}

export function op_fmadd(cpu: usize, insn: u32): void { three(cpu, insn, false, false); }
export function op_fmsub(cpu: usize, insn: u32): void { three(cpu, insn, false, true); }
export function op_fnmadd(cpu: usize, insn: u32): void { three(cpu, insn, true, true); }
export function op_fnmsub(cpu: usize, insn: u32): void { three(cpu, insn, true, false); }

/* --- Compare and select ------------------------------------------------------------------------------ */

@inline
function compareFlags(sz: i32, a: u64, b: u64, signalling: bool, env: u32): u32 {
  const r = compare(sz, a, b, signalling, env);
  return r == UNORDERED ? 3 : r == EQUAL ? 6 : r == LESS ? 8 : 2;
}

/** FCMP, FCMPE: bit 3 compares with zero, bit 4 signals quiet NaNs. */
export function op_fcmp(cpu: usize, insn: u32): void {
  const sz = ftype(insn);
  const b = insn & 8 ? 0 : getScalar(cpu, rm(insn), sz);
  setFlags(cpu, compareFlags(sz, getScalar(cpu, rn(insn), sz), b, (insn & 16) != 0, envOf(cpu)));
  finish(cpu);
}

/** FCCMP, FCCMPE. */
export function op_fccmp(cpu: usize, insn: u32): void {
  if (!conditionHolds(cpu, (insn >> 12) & 15)) {
    setFlags(cpu, insn & 15);
    return;
  }
  const sz = ftype(insn);
  const a = getScalar(cpu, rn(insn), sz);
  const b = getScalar(cpu, rm(insn), sz);
  setFlags(cpu, compareFlags(sz, a, b, (insn & 16) != 0, envOf(cpu)));
  finish(cpu);
}

export function op_fcsel(cpu: usize, insn: u32): void {
  const r = conditionHolds(cpu, (insn >> 12) & 15) ? rn(insn) : rm(insn);
  setScalar(cpu, rd(insn), getScalar(cpu, r, ftype(insn)));
}

/* --- Immediate --------------------------------------------------------------------------------------- */

/** FMOV (scalar, immediate): VFPExpandImm of imm8 = sign, NOT(e), e repeated, two exponent bits, fraction. */
export function op_fmov_imm(cpu: usize, insn: u32): void {
  const sz = ftype(insn);
  const imm8 = <u64>((insn >> 13) & 255);
  const frac = fracBits(sz);
  // Bit 6 chooses between the four exponents from -3 and the four from 1.
  const exp = <i32>((imm8 >> 4) & 3) + (imm8 & 64 ? -3 : 1);
  const r = signed(sz, (imm8 & 128) != 0) | (<u64>(bias(sz) + exp) << frac) | ((imm8 & 15) << (frac - 4));
  setScalar(cpu, rd(insn), r);
}

/* --- General registers ------------------------------------------------------------------------------- */

@inline
function toGeneral(cpu: usize, insn: u32, fbits: i32, mode: u32): void {
  const sz = ftype(insn);
  const width = insn >> 31 ? 64 : 32;
  const unsigned = ((insn >> 16) & 1) != 0;
  setX(cpu, rd(insn), toFixed(sz, getScalar(cpu, rn(insn), sz), fbits, unsigned, width, envOf(cpu), mode));
  finish(cpu);
}

@inline
function fromGeneral(cpu: usize, insn: u32, fbits: i32): void {
  const unsigned = ((insn >> 16) & 1) != 0;
  const env = envOf(cpu);
  let a = getX(cpu, rn(insn));
  if (!(insn >> 31)) a = unsigned ? a & 0xffffffff : <u64>(<i64>(<i32>a));
  setScalar(cpu, rd(insn), fromFixed(ftype(insn), a, fbits, unsigned, env, rmode(env)));
  finish(cpu);
}

/** FCVT{N,P,M,Z,A}{S,U} to a general register: rmode (20:19) is coded as FPCR.RMode, bit 18 is ties away. */
export function op_fcvt_gen(cpu: usize, insn: u32): void {
  toGeneral(cpu, insn, 0, (insn >> 18) & 1 ? ROUND_TIEAWAY : (insn >> 19) & 3);
}

/** SCVTF, UCVTF of a general register. */
export function op_cvtf_gen(cpu: usize, insn: u32): void {
  fromGeneral(cpu, insn, 0);
}

/** FCVTZS, FCVTZU to fixed point: fbits is 64 - scale. */
export function op_fcvtz_gen_fixed(cpu: usize, insn: u32): void {
  toGeneral(cpu, insn, 64 - <i32>((insn >> 10) & 63), ROUND_ZERO);
}

/** SCVTF, UCVTF from fixed point. */
export function op_cvtf_gen_fixed(cpu: usize, insn: u32): void {
  fromGeneral(cpu, insn, 64 - <i32>((insn >> 10) & 63));
}

/** FMOV from a general register to the low part of a SIMD&FP register. */
export function op_fmov_to_v(cpu: usize, insn: u32): void {
  const a = getX(cpu, rn(insn));
  const sz = ftype(insn);
  setScalar(cpu, rd(insn), sz == 3 ? a : sz == 2 ? a & 0xffffffff : a & 0xffff);
}

/** FMOV from the low part of a SIMD&FP register to a general register. */
export function op_fmov_from_v(cpu: usize, insn: u32): void {
  setX(cpu, rd(insn), getScalar(cpu, rn(insn), ftype(insn)));
}

/** FMOV to Vd.D[1]: the only scalar move that keeps the other half. */
export function op_fmov_to_top(cpu: usize, insn: u32): void {
  store<u64>(addressV(cpu, rd(insn)), getX(cpu, rn(insn)), 8);
}

/** FMOV from Vn.D[1]. */
export function op_fmov_from_top(cpu: usize, insn: u32): void {
  setX(cpu, rd(insn), load<u64>(addressV(cpu, rn(insn)), 8));
}
