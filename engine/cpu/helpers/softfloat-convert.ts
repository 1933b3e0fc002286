/*
 * Conversions between formats and with integers: FPConvert, FPRoundInt, FPToFixed and FixedToFP of the Arm
 * ARM (DDI 0487, J1.3).
 */
import {
  AHP,
  DN,
  FZ16,
  IOC,
  IXC,
  ROUND_ZERO,
  bias,
  defaultNaN,
  expOf,
  flushInput,
  fracBits,
  infinity,
  isInf,
  isNaN,
  isNegative,
  isSNaN,
  isZero,
  magnitude,
  ones,
  processNaN,
  quietBit,
  raise,
  round,
  roundsUp,
  sigOf,
  signBit,
  signed,
} from "./softfloat";
import { mayBeFast, plain64 } from "./softfloat-fast";

/** FPConvert. Here env is to keep AHP; FZ16 does not matter to conversions between formats. */
export function convert(from: i32, to: i32, a: u64, env: u32, mode: u32): u64 {
  env &= ~FZ16;
  const sign = isNegative(from, a);
  const alternative = (env & AHP) != 0;
  if (from != 1) a = flushInput(from, a, env);
  if (isZero(from, a)) return signed(to, sign);
  if (from == 1 && alternative && magnitude(1, a) >= infinity(1)) {
    // Exponent 31 is one more binade, not infinities and NaNs.
    return round(to, sign, 16, (a << 53) | 0x8000000000000000, env, mode);
  }
  if (isNaN(from, a)) {
    const dropped = to == 1 && alternative;
    if (dropped || isSNaN(from, a)) raise(IOC);
    if (dropped) return signed(to, sign);
    if (env & DN) return defaultNaN(to);
    // FPConvertNaN: the top of the fraction stays at the top.
    const frac = (a << (64 - fracBits(from))) >> (64 - fracBits(to));
    return signed(to, sign) | infinity(to) | quietBit(to) | frac;
  }
  if (isInf(from, a)) {
    if (to == 1 && alternative) {
      raise(IOC);
      return signed(to, sign) | 0x7fff;
    }
    return signed(to, sign) | infinity(to);
  }
  return round(to, sign, expOf(from, a), sigOf(from, a), env, mode);
}

/** FPRoundInt. `exact`: raise IXC when the value changes (FRINTX). */
export function roundInt(sz: i32, a: u64, env: u32, mode: u32, exact: bool): u64 {
  a = flushInput(sz, a, env);
  if (isNaN(sz, a)) return processNaN(sz, a, env);
  const frac = fracBits(sz);
  const m = magnitude(sz, a);
  const exp = <i32>(m >> frac) - bias(sz);
  if (exp >= frac || m == 0) return a;
  const sign = isNegative(sz, a);
  let r: u64;
  let rest: u64;
  if (exp < 0) {
    const half = <u64>(bias(sz) - 1) << frac;
    rest = m == half ? 0x8000000000000000 : m > half ? 0x8000000000000001 : 1;
    r = roundsUp(mode, sign, 0, rest) ? <u64>bias(sz) << frac : 0;
  } else {
    // A carry out of the fraction steps the exponent, which is the right thing for a power of two.
    const shift = frac - exp;
    rest = m << (64 - shift);
    r = (m >> shift) << shift;
    // Bit `shift` is the units bit, or for 1 <= m < 2 the lowest exponent bit, which is 1 as bias is odd.
    if (roundsUp(mode, sign, m >> shift, rest)) r += <u64>1 << shift;
  }
  if (rest != 0 && exact) raise(IXC);
  return r | signed(sz, sign);
}

/**
 * FPRoundIntN (FRINT32Z and its like): as FPRoundInt with inexactness reported, but what does not fit into a signed
 * integer of `width` bits, NaNs and infinities included, becomes the smallest of these integers.
 */
export function roundIntN(sz: i32, a: u64, env: u32, mode: u32, width: i32): u64 {
  a = flushInput(sz, a, env);
  const smallest = signBit(sz) | (<u64>(bias(sz) + width - 1) << fracBits(sz));
  if (magnitude(sz, a) >= infinity(sz)) {
    raise(IOC);
    return smallest;
  }
  // What rounds to a power of two by a carry is no fraction any more: compared as rounded.
  const r = roundInt(sz, a, env, mode, false);
  if (magnitude(sz, r) >= magnitude(sz, smallest) && r != smallest) {
    raise(IOC);
    return smallest;
  }
  if (r != a) raise(IXC);
  return r;
}

/** FPToFixedJS: truncation modulo 2^32. `exactJs()` then says whether the value was such an integer, -0 excluded. */
export function toFixedJs(a: u64, env: u32): u64 {
  const original = a;
  exact = false;
  a = flushInput(3, a, env);
  if (magnitude(3, a) >= infinity(3)) {
    raise(IOC);
    return 0;
  }
  if (isZero(3, a)) {
    exact = original == 0;
    return 0;
  }
  const sign = isNegative(3, a);
  const exp = expOf(3, a);
  const sig = sigOf(3, a);
  let int: u64 = 0;
  let rest: u64 = 0;
  if (exp < 0) rest = sig;
  else if (exp < 63) {
    int = sig >> (63 - exp);
    rest = sig << (exp + 1);
  } else if (exp < 63 + 64) int = sig << (exp - 63);
  const limit: u64 = 0x7fffffff + <u64>sign;
  if (exp > 63 || int > limit) raise(IOC);
  else if (rest != 0) raise(IXC);
  else exact = true;
  return (sign ? 0 - int : int) & 0xffffffff;
}

let exact: bool = false;

export function exactJs(): bool {
  return exact;
}

/** FPToFixed to an integer of `width` (16, 32 or 64) bits, zero-extended here, with `fbits` fraction bits. */
export function toFixed(sz: i32, a: u64, fbits: i32, unsigned: bool, width: i32, env: u32, mode: u32): u64 {
  if (mayBeFast(env) && sz == 3 && mode == ROUND_ZERO && fbits == 0) {
    // Truncation in range: at most IXC, which is set already. Denormals, flushed or not, are left to the rest.
    const x = reinterpret<f64>(a);
    if (plain64(a)) {
      if (unsigned) {
        if (x >= 0 && x < (width == 64 ? 18446744073709551616.0 : 4294967296.0)) return <u64>x;
      } else if (abs(x) < (width == 64 ? 9223372036854775808.0 : 2147483648.0)) {
        return width == 64 ? <u64>(<i64>x) : <u64>(<u32>(<i32>x));
      }
    }
  }
  a = flushInput(sz, a, env);
  if (isNaN(sz, a)) {
    raise(IOC);
    return 0;
  }
  if (isZero(sz, a)) return 0;
  const sign = isNegative(sz, a);
  const mask: u64 = width == 64 ? 0xffffffffffffffff : (<u64>1 << width) - 1;
  const limit: u64 = unsigned ? (sign ? 0 : mask) : (mask >> 1) + <u64>sign;
  const exp = expOf(sz, a) + fbits;
  let int = limit;
  let rest: u64 = 0;
  let over = true;
  if (!isInf(sz, a) && exp < 64) {
    const sig = sigOf(sz, a);
    const shift = 63 - exp;
    if (shift == 0) int = sig;
    else if (shift < 64) {
      int = sig >> shift;
      rest = sig << (64 - shift);
    } else {
      int = 0;
      rest = shift == 64 ? sig : 1;
    }
    if (roundsUp(mode, sign, int, rest)) int += 1;
    over = int > limit;
  }
  if (over) {
    raise(IOC);
    int = limit;
  } else if (rest != 0) raise(IXC);
  return (sign ? 0 - int : int) & mask;
}

/** FixedToFP of a 64-bit integer (narrower ones extended by the caller) with `fbits` fraction bits. */
export function fromFixed(sz: i32, a: u64, fbits: i32, unsigned: bool, env: u32, mode: u32): u64 {
  if (a == 0) return 0;
  const sign = !unsigned && <i64>a < 0;
  const m = sign ? 0 - a : a;
  const zeros = <i32>clz(m);
  return round(sz, sign, 63 - zeros - fbits, m << zeros, env, mode);
}
