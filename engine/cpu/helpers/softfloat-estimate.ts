/*
 * Reciprocal and reciprocal square root estimates: FPRecipEstimate, FPRSqrtEstimate, FPRecpX,
 * UnsignedRecipEstimate and UnsignedRSqrtEstimate of the Arm ARM (DDI 0487, J1.3). The architecture fixes the
 * estimates to the last bit: eight fraction bits from a 9-bit operand.
 */
import {
  DZC,
  IXC,
  OFC,
  ROUND_NEGINF,
  ROUND_POSINF,
  ROUND_TIEEVEN,
  UFC,
  bias,
  expOf,
  flushInput,
  flushes,
  fracBits,
  infinity,
  invalid,
  isInf,
  isNaN,
  isNegative,
  isZero,
  processNaN,
  raise,
  rmode,
  sigOf,
  signBit,
  signed,
} from "./softfloat";

/** RecipEstimate: 256 <= a <= 511 stands for a/512, the result for r/256. */
@inline
function recipTable(a: u32): u32 {
  return ((1 << 19) / (a * 2 + 1) + 1) >> 1;
}

/** RecipSqrtEstimate: 128 <= a <= 511 stands for a/512, the result for r/256. */
function rsqrtTable(a: u32): u32 {
  const twice: u32 = a < 256 ? a * 2 + 1 : ((a >> 1 << 1) + 1) * 2;
  // The greatest b with twice * b * b < 2^28. The quotient has 20 bits, so the host's root of it is exact
  // enough for its integer part to be right.
  const b = <u32>f64.sqrt(<f64>(((1 << 28) - 1) / twice));
  return (b + 1) >> 1;
}

export function recipEstimate(sz: i32, a: u64, env: u32): u64 {
  a = flushInput(sz, a, env);
  if (isNaN(sz, a)) return processNaN(sz, a, env);
  const sign = isNegative(sz, a);
  const s = signed(sz, sign);
  if (isInf(sz, a)) return s;
  if (isZero(sz, a)) {
    raise(DZC);
    return s | infinity(sz);
  }
  const exp = expOf(sz, a);
  if (exp < -bias(sz) - 1) {
    // Below 2^-128 for singles: the reciprocal overflows.
    raise(OFC | IXC);
    const mode = rmode(env);
    const toInf = mode == ROUND_TIEEVEN || (mode == ROUND_POSINF && !sign) || (mode == ROUND_NEGINF && sign);
    return s | (toInf ? infinity(sz) : infinity(sz) - 1);
  }
  if (flushes(sz, env) && exp >= bias(sz) - 1) {
    raise(UFC);
    return s;
  }
  const estimate = recipTable(<u32>(sigOf(sz, a) >> 55));
  // 1 <= estimate/256 < 2; exponent field of the result.
  const field = bias(sz) - exp - 1;
  const frac = fracBits(sz);
  const r = <u64>estimate << (frac - 8);
  if (field > 0) return s | (<u64>field << frac) | (r & ((<u64>1 << frac) - 1));
  return s | (r >> (1 - field));
}

export function rsqrtEstimate(sz: i32, a: u64, env: u32): u64 {
  a = flushInput(sz, a, env);
  if (isNaN(sz, a)) return processNaN(sz, a, env);
  if (isZero(sz, a)) {
    raise(DZC);
    return a | infinity(sz);
  }
  if (isNegative(sz, a)) return invalid(sz);
  if (isInf(sz, a)) return 0;
  const exp = expOf(sz, a);
  // The operand scaled by an even power of two to 1/4 <= x < 1.
  const scaled = <u32>(sigOf(sz, a) >> (exp & 1 ? 55 : 56));
  const estimate = rsqrtTable(scaled);
  const frac = fracBits(sz);
  const field = bias(sz) - 1 - (exp >> 1);
  return (<u64>field << frac) | (<u64>(estimate & 0xff) << (frac - 8));
}

export function recipExponent(sz: i32, a: u64, env: u32): u64 {
  // Only for IDC: zero and denormals have the same exponent field.
  a = flushInput(sz, a, env);
  if (isNaN(sz, a)) return processNaN(sz, a, env);
  const frac = fracBits(sz);
  const all = infinity(sz);
  const field = a & all;
  const s = a & signBit(sz);
  return s | (field == 0 ? all - (<u64>1 << frac) : all ^ field);
}

export function unsignedRecipEstimate(a: u32): u32 {
  return a >> 31 ? recipTable(a >> 23) << 23 : 0xffffffff;
}

export function unsignedRsqrtEstimate(a: u32): u32 {
  return a >> 30 ? rsqrtTable(a >> 23) << 23 : 0xffffffff;
}
