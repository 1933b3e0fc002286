/*
 * Addition, multiplication, division, square root and the fused operations: FPAdd, FPSub, FPMul, FPMulX,
 * FPDiv, FPSqrt, FPMulAdd, FPRecipStepFused and FPRSqrtStepFused of the Arm ARM (DDI 0487, J1.3).
 */
import {
  DZC,
  ROUND_NEGINF,
  bias,
  expOf,
  flushInput,
  fracBits,
  infinity,
  invalid,
  isInf,
  isNaN,
  isNegative,
  isQNaN,
  isZero,
  processNaN,
  processNaNs,
  processNaNs3,
  raise,
  rmode,
  round,
  shiftRightJam,
  sigOf,
  signBit,
  signed,
} from "./softfloat";
import { mayBeFast, plain32, plain64, safe32, safe64, safeSum32, safeSum64 } from "./softfloat-fast";

export function add(sz: i32, a: u64, b: u64, env: u32): u64 {
  if (mayBeFast(env)) {
    if (sz == 3) {
      const r = reinterpret<u64>(reinterpret<f64>(a) + reinterpret<f64>(b));
      if (plain64(a) && plain64(b) && safeSum64(r)) return r;
    } else if (sz == 2) {
      const r = reinterpret<u32>(reinterpret<f32>(<u32>a) + reinterpret<f32>(<u32>b));
      if (plain32(<u32>a) && plain32(<u32>b) && safeSum32(r)) return r;
    }
  }
  return addSoft(sz, a, b, b, env);
}

/** `original` is the second operand before FPSub negated it: a NaN is propagated with its own sign. */
function addSoft(sz: i32, a: u64, b: u64, original: u64, env: u32): u64 {
  a = flushInput(sz, a, env);
  b = flushInput(sz, b, env);
  if (isNaN(sz, a) || isNaN(sz, b)) return processNaNs(sz, a, isNaN(sz, b) ? original : b, env);
  const signA = isNegative(sz, a);
  const signB = isNegative(sz, b);
  if (isInf(sz, a)) return isInf(sz, b) && signA != signB ? invalid(sz) : a;
  if (isInf(sz, b)) return b;
  if (isZero(sz, a)) {
    if (!isZero(sz, b)) return b;
    return signA == signB ? a : signed(sz, rmode(env) == ROUND_NEGINF);
  }
  if (isZero(sz, b)) return a;
  let exp = expOf(sz, a);
  // One bit of head room. The low bits of the significands are zero: nothing is lost.
  let sig = sigOf(sz, a) >> 1;
  let expSmall = expOf(sz, b);
  let sigSmall = sigOf(sz, b) >> 1;
  let sign = signA;
  if (exp < expSmall || (exp == expSmall && sig < sigSmall)) {
    const e = exp;
    exp = expSmall;
    expSmall = e;
    const s = sig;
    sig = sigSmall;
    sigSmall = s;
    sign = signB;
  }
  sigSmall = shiftRightJam(sigSmall, exp - expSmall);
  if (signA == signB) sig += sigSmall;
  else {
    sig -= sigSmall;
    if (sig == 0) return signed(sz, rmode(env) == ROUND_NEGINF);
  }
  const zeros = <i32>clz(sig);
  return round(sz, sign, exp + 1 - zeros, sig << zeros, env, rmode(env));
}

export function sub(sz: i32, a: u64, b: u64, env: u32): u64 {
  if (mayBeFast(env)) {
    if (sz == 3) {
      const r = reinterpret<u64>(reinterpret<f64>(a) - reinterpret<f64>(b));
      if (plain64(a) && plain64(b) && safeSum64(r)) return r;
    } else if (sz == 2) {
      const r = reinterpret<u32>(reinterpret<f32>(<u32>a) - reinterpret<f32>(<u32>b));
      if (plain32(<u32>a) && plain32(<u32>b) && safeSum32(r)) return r;
    }
  }
  return addSoft(sz, a, b ^ signBit(sz), b, env);
}

/** High half of the 128-bit product. */
@inline
function mulHigh(a: u64, b: u64): u64 {
  const a0 = a & 0xffffffff;
  const a1 = a >> 32;
  const b0 = b & 0xffffffff;
  const b1 = b >> 32;
  const low = a1 * b0 + ((a0 * b0) >> 32);
  const mid = a0 * b1 + (low & 0xffffffff);
  return a1 * b1 + (low >> 32) + (mid >> 32);
}

export function mul(sz: i32, a: u64, b: u64, env: u32): u64 {
  if (mayBeFast(env)) {
    if (sz == 3) {
      const r = reinterpret<u64>(reinterpret<f64>(a) * reinterpret<f64>(b));
      if (plain64(a) && plain64(b) && (safe64(r) || a << 1 == 0 || b << 1 == 0)) return r;
    } else if (sz == 2) {
      const r = reinterpret<u32>(reinterpret<f32>(<u32>a) * reinterpret<f32>(<u32>b));
      if (plain32(<u32>a) && plain32(<u32>b) && (safe32(r) || <u32>a << 1 == 0 || <u32>b << 1 == 0)) return r;
    }
  }
  return mulSoft(sz, a, b, env, false);
}

/** FPMulX: as FPMul, but infinity times zero is 2 with the sign of the product, and no exception. */
export function mulx(sz: i32, a: u64, b: u64, env: u32): u64 {
  return mulSoft(sz, a, b, env, true);
}

function mulSoft(sz: i32, a: u64, b: u64, env: u32, extended: bool): u64 {
  a = flushInput(sz, a, env);
  b = flushInput(sz, b, env);
  if (isNaN(sz, a) || isNaN(sz, b)) return processNaNs(sz, a, b, env);
  const sign = isNegative(sz, a) != isNegative(sz, b);
  const infinite = isInf(sz, a) || isInf(sz, b);
  if (isZero(sz, a) || isZero(sz, b)) {
    if (!infinite) return signed(sz, sign);
    return extended ? signed(sz, sign) | (<u64>(bias(sz) + 1) << fracBits(sz)) : invalid(sz);
  }
  if (infinite) return signed(sz, sign) | infinity(sz);
  const sigA = sigOf(sz, a);
  const sigB = sigOf(sz, b);
  const high = mulHigh(sigA, sigB);
  const zeros = <i32>clz(high);
  const low = sigA * sigB;
  // Low bits of the significands are zero, so the product's low half is never needed but for jamming.
  const sig = (high << zeros) | <u64>(low != 0);
  return round(sz, sign, expOf(sz, a) + expOf(sz, b) + 1 - zeros, sig, env, rmode(env));
}

export function div(sz: i32, a: u64, b: u64, env: u32): u64 {
  if (mayBeFast(env)) {
    if (sz == 3) {
      const r = reinterpret<u64>(reinterpret<f64>(a) / reinterpret<f64>(b));
      if (plain64(a) && plain64(b) && (safe64(r) || (a << 1 == 0 && b << 1 != 0))) return r;
    } else if (sz == 2) {
      const r = reinterpret<u32>(reinterpret<f32>(<u32>a) / reinterpret<f32>(<u32>b));
      if (plain32(<u32>a) && plain32(<u32>b) && (safe32(r) || (<u32>a << 1 == 0 && <u32>b << 1 != 0))) return r;
    }
  }
  return divSoft(sz, a, b, env);
}

function divSoft(sz: i32, a: u64, b: u64, env: u32): u64 {
  a = flushInput(sz, a, env);
  b = flushInput(sz, b, env);
  if (isNaN(sz, a) || isNaN(sz, b)) return processNaNs(sz, a, b, env);
  const sign = isNegative(sz, a) != isNegative(sz, b);
  if (isInf(sz, a)) return isInf(sz, b) ? invalid(sz) : signed(sz, sign) | infinity(sz);
  if (isZero(sz, b)) {
    if (isZero(sz, a)) return invalid(sz);
    raise(DZC);
    return signed(sz, sign) | infinity(sz);
  }
  if (isZero(sz, a) || isInf(sz, b)) return signed(sz, sign);
  // 64 quotient bits of (sigA / 2) * 2^64 / sigB, in two digits of 32 bits (Knuth, TAOCP 4.3.1 algorithm D).
  const d = sigOf(sz, b);
  const d1 = d >> 32;
  const d0 = d & 0xffffffff;
  let rest = sigOf(sz, a) >> 1;
  let quotient: u64 = 0;
  for (let i = 0; i < 2; i++) {
    let digit = rest / d1;
    let over = rest - digit * d1;
    // The estimate is at most two too big.
    while (digit >> 32 != 0 || digit * d0 > over << 32) {
      digit -= 1;
      over += d1;
      if (over >> 32 != 0) break;
    }
    rest = (rest << 32) - digit * d;
    quotient = (quotient << 32) | digit;
  }
  const zeros = <i32>clz(quotient);
  const sig = (quotient << zeros) | <u64>(rest != 0);
  return round(sz, sign, expOf(sz, a) - expOf(sz, b) - zeros, sig, env, rmode(env));
}

export function sqrt(sz: i32, a: u64, env: u32): u64 {
  // The root of a positive normal number is normal and no zero: no condition on the result is needed.
  if (mayBeFast(env)) {
    if (sz == 3) {
      if (plain64(a) && <i64>a > 0) return reinterpret<u64>(f64.sqrt(reinterpret<f64>(a)));
    } else if (sz == 2) {
      if (plain32(<u32>a) && <i32>a > 0) return reinterpret<u32>(f32.sqrt(reinterpret<f32>(<u32>a)));
    }
  }
  a = flushInput(sz, a, env);
  if (isNaN(sz, a)) return processNaN(sz, a, env);
  if (isZero(sz, a)) return a;
  if (isNegative(sz, a)) return invalid(sz);
  if (isInf(sz, a)) return a;
  const exp = expOf(sz, a);
  // The radicand is put in 1 <= x < 4, two bits before the point; then 56 digits by the school method.
  let radicand = exp & 1 ? sigOf(sz, a) : sigOf(sz, a) >> 1;
  let root: u64 = 0;
  let rest: u64 = 0;
  for (let i = 0; i < 56; i++) {
    rest = (rest << 2) | (radicand >> 62);
    radicand <<= 2;
    const trial = (root << 2) | 1;
    root <<= 1;
    if (rest >= trial) {
      rest -= trial;
      root |= 1;
    }
  }
  return round(sz, false, exp >> 1, (root << 8) | <u64>(rest != 0), env, rmode(env));
}

/* --- Fused ------------------------------------------------------------------------------------------- */

/** FPMulAdd: addend + a * b, rounded once. */
export function mulAdd(sz: i32, addend: u64, a: u64, b: u64, env: u32): u64 {
  if (mayBeFast(env) && sz == 2) {
    if (plain32(<u32>addend) && plain32(<u32>a) && plain32(<u32>b)) {
      // The product of two singles is exact in double. The sum is rounded to odd in double: then rounding it
      // to single is as good as rounding the exact sum, since 53 >= 24 + 2 (Boldo and Melquiond, 2008).
      const p = <f64>reinterpret<f32>(<u32>a) * <f64>reinterpret<f32>(<u32>b);
      const c = <f64>reinterpret<f32>(<u32>addend);
      let s = p + c;
      const t = s - p;
      const error = p - (s - t) + (c - t);
      if (error != 0) {
        const bits = reinterpret<u64>(s);
        if (!(bits & 1)) s = reinterpret<f64>(error > 0 == s > 0 ? bits + 1 : bits - 1);
      }
      const r = reinterpret<u32>(<f32>s);
      if (safe32(r)) return r;
    }
  }
  addend = flushInput(sz, addend, env);
  a = flushInput(sz, a, env);
  b = flushInput(sz, b, env);
  const improper = (isInf(sz, a) && isZero(sz, b)) || (isZero(sz, a) && isInf(sz, b));
  if (isNaN(sz, addend) || isNaN(sz, a) || isNaN(sz, b)) {
    if (improper && isQNaN(sz, addend)) return invalid(sz);
    return processNaNs3(sz, addend, a, b, env);
  }
  if (improper) return invalid(sz);
  const signC = isNegative(sz, addend);
  const signP = isNegative(sz, a) != isNegative(sz, b);
  if (isInf(sz, a) || isInf(sz, b)) {
    if (isInf(sz, addend) && signC != signP) return invalid(sz);
    return signed(sz, signP) | infinity(sz);
  }
  if (isInf(sz, addend)) return addend;
  if (isZero(sz, a) || isZero(sz, b)) {
    if (!isZero(sz, addend)) return addend;
    return signC == signP ? addend : signed(sz, rmode(env) == ROUND_NEGINF);
  }
  const known = !isZero(sz, addend);
  return fused(
    sz, signP, expOf(sz, a), sigOf(sz, a), expOf(sz, b), sigOf(sz, b),
    signC, known ? expOf(sz, addend) : 0, known ? sigOf(sz, addend) : 0, 0, env,
  );
}

/**
 * Rounds (product + addend) * 2^scale, where the product is not zero, and sigC is 0 for a zero addend. All
 * in 128 bits, leading bits at 126 at most. A significand has at most 53 bits, so the product has 106 and the
 * lowest 20 are zero: bits are only lost when the exponents differ by more than that, and then the difference
 * keeps more than 100 leading bits, with the loss jammed.
 */
function fused(
  sz: i32, signP: bool, expA: i32, sigA: u64, expB: i32, sigB: u64,
  signC: bool, expC: i32, sigC: u64, scale: i32, env: u32,
): u64 {
  // The product as hi:lo, leading bit at 126.
  let hi = mulHigh(sigA, sigB);
  let lo = sigA * sigB;
  let exp = expA + expB + 1;
  if (hi >> 63 != 0) {
    lo = (lo >> 1) | (hi << 63);
    hi >>= 1;
  } else exp -= 1;
  let sign = signP;
  if (sigC != 0) {
    let hi2 = sigC >> 1;
    let lo2 = sigC << 63;
    let exp2 = expC;
    if (exp < exp2 || (exp == exp2 && (hi < hi2 || (hi == hi2 && lo < lo2)))) {
      const h = hi;
      hi = hi2;
      hi2 = h;
      const l = lo;
      lo = lo2;
      lo2 = l;
      const e = exp;
      exp = exp2;
      exp2 = e;
      sign = signC;
    }
    const by = exp - exp2;
    if (by >= 64) {
      lo2 = shiftRightJam(hi2, by - 64) | <u64>(lo2 != 0);
      hi2 = 0;
    } else if (by > 0) {
      lo2 = (lo2 >> by) | (hi2 << (64 - by)) | <u64>(lo2 << (64 - by) != 0);
      hi2 >>= by;
    }
    if (signP == signC) {
      lo += lo2;
      hi += hi2 + <u64>(lo < lo2);
    } else {
      hi = hi - hi2 - <u64>(lo < lo2);
      lo -= lo2;
      if ((hi | lo) == 0) return signed(sz, rmode(env) == ROUND_NEGINF);
    }
  }
  if (hi == 0) {
    hi = lo;
    lo = 0;
    exp -= 64;
  }
  const zeros = <i32>clz(hi);
  let sig = hi << zeros;
  if (zeros != 0) {
    sig |= lo >> (64 - zeros);
    lo <<= zeros;
  }
  return round(sz, sign, exp + 1 - zeros + scale, sig | <u64>(lo != 0), env, rmode(env));
}

/** FPRecipStepFused: 2 - a * b. */
export function recipStep(sz: i32, a: u64, b: u64, env: u32): u64 {
  return step(sz, a, b, 1, 0x8000000000000000, 0, env);
}

/** FPRSqrtStepFused: (3 - a * b) / 2. */
export function rsqrtStep(sz: i32, a: u64, b: u64, env: u32): u64 {
  return step(sz, a, b, 1, 0xc000000000000000, -1, env);
}

function step(sz: i32, a: u64, b: u64, expC: i32, sigC: u64, scale: i32, env: u32): u64 {
  a = flushInput(sz, a ^ signBit(sz), env);
  b = flushInput(sz, b, env);
  if (isNaN(sz, a) || isNaN(sz, b)) return processNaNs(sz, a, b, env);
  const sign = isNegative(sz, a) != isNegative(sz, b);
  if (isZero(sz, a) || isZero(sz, b)) {
    // Infinity times zero counts as zero here: the constant itself, 2 or 3/2.
    const frac = fracBits(sz);
    return (<u64>(expC + scale + bias(sz)) << frac) | ((sigC << 1) >> (64 - frac));
  }
  if (isInf(sz, a) || isInf(sz, b)) return signed(sz, sign) | infinity(sz);
  return fused(sz, sign, expOf(sz, a), sigOf(sz, a), expOf(sz, b), sigOf(sz, b), false, expC, sigC, scale, env);
}
