/*
 * One element of each floating-point operation, selected by number, so that the scalar, vector, by-element,
 * pairwise and across-lanes helpers need not be written once per operation.
 */
import {
  ROUND_NEGINF,
  ROUND_POSINF,
  ROUND_TIEAWAY,
  ROUND_TIEEVEN,
  ROUND_ZERO,
  ones,
  rmode,
  signBit,
} from "./softfloat";
import { add, div, mul, mulAdd, mulx, recipStep, rsqrtStep, sqrt, sub } from "./softfloat-arith";
import { EQUAL, GREATER, LESS, compare, max, maxNum, min, minNum } from "./softfloat-compare";
import { fromFixed, roundInt, roundIntN, toFixed } from "./softfloat-convert";
import {
  recipEstimate,
  recipExponent,
  rsqrtEstimate,
  unsignedRecipEstimate,
  unsignedRsqrtEstimate,
} from "./softfloat-estimate";

export const ADD: i32 = 0;
export const SUB: i32 = 1;
export const MUL: i32 = 2;
export const DIV: i32 = 3;
export const MAX: i32 = 4;
export const MIN: i32 = 5;
export const MAXNM: i32 = 6;
export const MINNM: i32 = 7;
export const NMUL: i32 = 8;
export const MULX: i32 = 9;
export const ABD: i32 = 10;
export const RECPS: i32 = 11;
export const RSQRTS: i32 = 12;
export const CMEQ: i32 = 13;
export const CMGE: i32 = 14;
export const CMGT: i32 = 15;
export const ACGE: i32 = 16;
export const ACGT: i32 = 17;

@inline
function mask(sz: i32, holds: bool): u64 {
  return holds ? ones(sz) : 0;
}

@inline
function atLeast(order: i32): bool {
  return order == EQUAL || order == GREATER;
}

/** With a constant `op` nothing of the switch remains. */
@inline
export function binary(op: i32, sz: i32, a: u64, b: u64, env: u32): u64 {
  const sign = signBit(sz);
  switch (op) {
    case ADD: return add(sz, a, b, env);
    case SUB: return sub(sz, a, b, env);
    case MUL: return mul(sz, a, b, env);
    case DIV: return div(sz, a, b, env);
    case MAX: return max(sz, a, b, env);
    case MIN: return min(sz, a, b, env);
    case MAXNM: return maxNum(sz, a, b, env);
    case MINNM: return minNum(sz, a, b, env);
    // FNMUL negates whatever FPMul returned, a NaN too; FABD likewise clears the sign of the difference.
    case NMUL: return mul(sz, a, b, env) ^ sign;
    case MULX: return mulx(sz, a, b, env);
    case ABD: return sub(sz, a, b, env) & ~sign;
    case RECPS: return recipStep(sz, a, b, env);
    case RSQRTS: return rsqrtStep(sz, a, b, env);
    case CMEQ: return mask(sz, compare(sz, a, b, false, env) == EQUAL);
    case CMGE: return mask(sz, atLeast(compare(sz, a, b, true, env)));
    case CMGT: return mask(sz, compare(sz, a, b, true, env) == GREATER);
    case ACGE: return mask(sz, atLeast(compare(sz, a & ~sign, b & ~sign, true, env)));
    default: return mask(sz, compare(sz, a & ~sign, b & ~sign, true, env) == GREATER);
  }
}

/** FMLA, or FMLS with `negate`: the multiplicand is negated before NaNs are looked at. */
@inline
export function accumulate(sz: i32, addend: u64, a: u64, b: u64, negate: bool, env: u32): u64 {
  return mulAdd(sz, addend, negate ? a ^ signBit(sz) : a, b, env);
}

export const ABS: i32 = 0;
export const NEG: i32 = 1;
export const SQRT: i32 = 2;
export const RINTN: i32 = 3;
export const RINTP: i32 = 4;
export const RINTM: i32 = 5;
export const RINTZ: i32 = 6;
export const RINTA: i32 = 7;
export const RINTX: i32 = 8;
export const RINTI: i32 = 9;
export const RECPE: i32 = 10;
export const RSQRTE: i32 = 11;
export const RECPX: i32 = 12;
export const CMGT0: i32 = 13;
export const CMGE0: i32 = 14;
export const CMEQ0: i32 = 15;
export const CMLE0: i32 = 16;
export const CMLT0: i32 = 17;
export const CVTNS: i32 = 18;
export const CVTNU: i32 = 19;
export const CVTPS: i32 = 20;
export const CVTPU: i32 = 21;
export const CVTMS: i32 = 22;
export const CVTMU: i32 = 23;
export const CVTZS: i32 = 24;
export const CVTZU: i32 = 25;
export const CVTAS: i32 = 26;
export const CVTAU: i32 = 27;
export const SCVTF: i32 = 28;
export const UCVTF: i32 = 29;
export const URECPE: i32 = 30;
export const URSQRTE: i32 = 31;
export const RINT32Z: i32 = 32;
export const RINT32X: i32 = 33;
export const RINT64Z: i32 = 34;
export const RINT64X: i32 = 35;

/** Sign-extends an element to 64 bits. */
@inline
export function extend(sz: i32, a: u64): u64 {
  return sz == 3 ? a : sz == 2 ? <u64>(<i64>(<i32>a)) : <u64>(<i64>(<i16>a));
}

@inline
export function unary(op: i32, sz: i32, a: u64, env: u32): u64 {
  const bits = 8 << sz;
  switch (op) {
    case ABS: return a & ~signBit(sz);
    case NEG: return a ^ signBit(sz);
    case SQRT: return sqrt(sz, a, env);
    case RINTN: return roundInt(sz, a, env, ROUND_TIEEVEN, false);
    case RINTP: return roundInt(sz, a, env, ROUND_POSINF, false);
    case RINTM: return roundInt(sz, a, env, ROUND_NEGINF, false);
    case RINTZ: return roundInt(sz, a, env, ROUND_ZERO, false);
    case RINTA: return roundInt(sz, a, env, ROUND_TIEAWAY, false);
    case RINTX: return roundInt(sz, a, env, rmode(env), true);
    case RINTI: return roundInt(sz, a, env, rmode(env), false);
    case RECPE: return recipEstimate(sz, a, env);
    case RSQRTE: return rsqrtEstimate(sz, a, env);
    case RECPX: return recipExponent(sz, a, env);
    case CMGT0: return mask(sz, compare(sz, a, 0, true, env) == GREATER);
    case CMGE0: return mask(sz, atLeast(compare(sz, a, 0, true, env)));
    case CMEQ0: return mask(sz, compare(sz, a, 0, false, env) == EQUAL);
    case CMLE0: return mask(sz, compare(sz, a, 0, true, env) <= EQUAL);
    case CMLT0: return mask(sz, compare(sz, a, 0, true, env) == LESS);
    case CVTNS: return toFixed(sz, a, 0, false, bits, env, ROUND_TIEEVEN);
    case CVTNU: return toFixed(sz, a, 0, true, bits, env, ROUND_TIEEVEN);
    case CVTPS: return toFixed(sz, a, 0, false, bits, env, ROUND_POSINF);
    case CVTPU: return toFixed(sz, a, 0, true, bits, env, ROUND_POSINF);
    case CVTMS: return toFixed(sz, a, 0, false, bits, env, ROUND_NEGINF);
    case CVTMU: return toFixed(sz, a, 0, true, bits, env, ROUND_NEGINF);
    case CVTZS: return toFixed(sz, a, 0, false, bits, env, ROUND_ZERO);
    case CVTZU: return toFixed(sz, a, 0, true, bits, env, ROUND_ZERO);
    case CVTAS: return toFixed(sz, a, 0, false, bits, env, ROUND_TIEAWAY);
    case CVTAU: return toFixed(sz, a, 0, true, bits, env, ROUND_TIEAWAY);
    case SCVTF: return fromFixed(sz, extend(sz, a), 0, false, env, rmode(env));
    case UCVTF: return fromFixed(sz, a, 0, true, env, rmode(env));
    case RINT32Z: return roundIntN(sz, a, env, ROUND_ZERO, 32);
    case RINT32X: return roundIntN(sz, a, env, rmode(env), 32);
    case RINT64Z: return roundIntN(sz, a, env, ROUND_ZERO, 64);
    case RINT64X: return roundIntN(sz, a, env, rmode(env), 64);
    case URECPE: return unsignedRecipEstimate(<u32>a);
    default: return unsignedRsqrtEstimate(<u32>a);
  }
}
