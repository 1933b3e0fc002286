/*
 * Floating-point values as bit patterns: formats, unpacking, NaNs and rounding, after the functions FPUnpack,
 * FPProcessNaNs and FPRound of the Arm ARM (DDI 0487, J1.3 "Shared pseudocode, functions/float").
 *
 * A value is a u64 with the pattern in its low bits, and `sz` says the format: 1 = half, 2 = single,
 * 3 = double (log2 of the bytes). A finite nonzero value is taken apart as (-1)^sign * sig * 2^(exp - 63),
 * with bit 63 of sig set. A sig that does not hold every bit of an exact result has bit 0 set ("jammed"); the
 * formats keep at most 53 bits, so bit 0 never is anything but "something nonzero is further down".
 */

/* FPSR cumulative exception bits (C5.2.10 "FPSR"). */
export const IOC: u32 = 1 << 0;
export const DZC: u32 = 1 << 1;
export const OFC: u32 = 1 << 2;
export const UFC: u32 = 1 << 3;
export const IXC: u32 = 1 << 4;
export const IDC: u32 = 1 << 7;

/* FPCR bits (C5.2.9 "FPCR"). */
export const AHP: u32 = 1 << 26;
export const DN: u32 = 1 << 25;
export const FZ: u32 = 1 << 24;
export const FZ16: u32 = 1 << 19;
export const RMODE_SHIFT: u32 = 22;

/**
 * Every function here takes `env`: the FPCR bits above, and this one, which is no FPCR bit: set when RMode is
 * round-to-nearest and FPSR.IXC is set already. It permits the host's arithmetic, see softfloat-fast.ts.
 */
export const FAST: u32 = 1;

/* Rounding: the first four as in FPCR.RMode. */
export const ROUND_TIEEVEN: u32 = 0;
export const ROUND_POSINF: u32 = 1;
export const ROUND_NEGINF: u32 = 2;
export const ROUND_ZERO: u32 = 3;
export const ROUND_TIEAWAY: u32 = 4;
export const ROUND_ODD: u32 = 5;

/** Exceptions raised since the last takeExceptions(). */
let exceptions: u32 = 0;

@inline
export function raise(bits: u32): void {
  exceptions |= bits;
}

export function takeExceptions(): u32 {
  const bits = exceptions;
  exceptions = 0;
  return bits;
}

@inline
export function rmode(env: u32): u32 {
  return (env >> RMODE_SHIFT) & 3;
}

/* --- Formats ----------------------------------------------------------------------------------------- */

@inline
export function fracBits(sz: i32): i32 {
  return sz == 3 ? 52 : sz == 2 ? 23 : 10;
}

@inline
export function bias(sz: i32): i32 {
  return sz == 3 ? 1023 : sz == 2 ? 127 : 15;
}

@inline
export function signBit(sz: i32): u64 {
  return sz == 3 ? 0x8000000000000000 : sz == 2 ? 0x80000000 : 0x8000;
}

@inline
export function infinity(sz: i32): u64 {
  return sz == 3 ? 0x7ff0000000000000 : sz == 2 ? 0x7f800000 : 0x7c00;
}

@inline
export function minNormal(sz: i32): u64 {
  return sz == 3 ? 0x0010000000000000 : sz == 2 ? 0x00800000 : 0x0400;
}

@inline
export function quietBit(sz: i32): u64 {
  return sz == 3 ? 0x0008000000000000 : sz == 2 ? 0x00400000 : 0x0200;
}

@inline
export function ones(sz: i32): u64 {
  return sz == 3 ? 0xffffffffffffffff : sz == 2 ? 0xffffffff : 0xffff;
}

@inline
export function defaultNaN(sz: i32): u64 {
  return infinity(sz) | quietBit(sz);
}

@inline
export function signed(sz: i32, sign: bool): u64 {
  return sign ? signBit(sz) : 0;
}

@inline
export function magnitude(sz: i32, a: u64): u64 {
  return a & (signBit(sz) - 1);
}

@inline
export function isNegative(sz: i32, a: u64): bool {
  return (a & signBit(sz)) != 0;
}

@inline
export function isNaN(sz: i32, a: u64): bool {
  return magnitude(sz, a) > infinity(sz);
}

@inline
export function isSNaN(sz: i32, a: u64): bool {
  return isNaN(sz, a) && !(a & quietBit(sz));
}

@inline
export function isQNaN(sz: i32, a: u64): bool {
  return isNaN(sz, a) && (a & quietBit(sz)) != 0;
}

@inline
export function isInf(sz: i32, a: u64): bool {
  return magnitude(sz, a) == infinity(sz);
}

@inline
export function isZero(sz: i32, a: u64): bool {
  return magnitude(sz, a) == 0;
}

@inline
export function flushes(sz: i32, env: u32): bool {
  return (env & (sz == 1 ? FZ16 : FZ)) != 0;
}

/** What FPUnpack does to a denormal operand. A flushed half does not set IDC. */
@inline
export function flushInput(sz: i32, a: u64, env: u32): u64 {
  if (flushes(sz, env)) {
    const m = magnitude(sz, a);
    if (m != 0 && m < minNormal(sz)) {
      if (sz != 1) raise(IDC);
      return a & signBit(sz);
    }
  }
  return a;
}

/** Significand of a finite nonzero value, bit 63 set. */
@inline
export function sigOf(sz: i32, a: u64): u64 {
  const m = magnitude(sz, a);
  if (m < minNormal(sz)) return m << clz(m);
  return (m << (63 - fracBits(sz))) | 0x8000000000000000;
}

/** Unbiased exponent of a finite nonzero value. */
@inline
export function expOf(sz: i32, a: u64): i32 {
  const m = magnitude(sz, a);
  if (m < minNormal(sz)) return 64 - <i32>clz(m) - bias(sz) - fracBits(sz);
  return <i32>(m >> fracBits(sz)) - bias(sz);
}

/* --- NaNs -------------------------------------------------------------------------------------------- */

/** FPProcessNaN. */
export function processNaN(sz: i32, a: u64, env: u32): u64 {
  if (!(a & quietBit(sz))) raise(IOC);
  return env & DN ? defaultNaN(sz) : a | quietBit(sz);
}

/** FPProcessNaNs: at least one operand must be a NaN. */
export function processNaNs(sz: i32, a: u64, b: u64, env: u32): u64 {
  if (isSNaN(sz, a)) return processNaN(sz, a, env);
  if (isSNaN(sz, b)) return processNaN(sz, b, env);
  return processNaN(sz, isNaN(sz, a) ? a : b, env);
}

/** FPProcessNaNs3: at least one operand must be a NaN. */
export function processNaNs3(sz: i32, a: u64, b: u64, c: u64, env: u32): u64 {
  if (isSNaN(sz, a)) return processNaN(sz, a, env);
  if (isSNaN(sz, b)) return processNaN(sz, b, env);
  if (isSNaN(sz, c)) return processNaN(sz, c, env);
  return processNaN(sz, isNaN(sz, a) ? a : isNaN(sz, b) ? b : c, env);
}

export function invalid(sz: i32): u64 {
  raise(IOC);
  return defaultNaN(sz);
}

/* --- Rounding ---------------------------------------------------------------------------------------- */

/** sig >> by, with every bit shifted out jammed into bit 0. */
@inline
export function shiftRightJam(sig: u64, by: i32): u64 {
  if (by == 0) return sig;
  if (by > 63) return <u64>(sig != 0);
  return (sig >> by) | <u64>(sig << (64 - by) != 0);
}

/**
 * Whether a magnitude `int` with the fraction `rest` (bit 63 is one half) is to be incremented.
 */
@inline
export function roundsUp(mode: u32, sign: bool, int: u64, rest: u64): bool {
  if (mode == ROUND_TIEEVEN) return rest > 0x8000000000000000 || (rest == 0x8000000000000000 && (int & 1) != 0);
  if (mode == ROUND_POSINF) return rest != 0 && !sign;
  if (mode == ROUND_NEGINF) return rest != 0 && sign;
  if (mode == ROUND_TIEAWAY) return rest >= 0x8000000000000000;
  return mode == ROUND_ODD && rest != 0 && !(int & 1);
}

/**
 * FPRoundBase: rounds and packs. Bit 63 of sig must be set. Tininess is detected before rounding, and a result
 * flushed to zero sets UFC alone. AHP in env means the alternative half format, so arithmetic must clear it.
 */
export function round(sz: i32, sign: bool, exp: i32, sig: u64, env: u32, mode: u32): u64 {
  const frac = fracBits(sz);
  let biased = exp + bias(sz);
  let shift = 63 - frac;
  if (biased < 1) {
    if (flushes(sz, env)) {
      raise(UFC);
      return signed(sz, sign);
    }
    shift += 1 - biased;
    biased = 0;
  }
  let int: u64 = 0;
  let rest = sig;
  if (shift < 64) {
    int = sig >> shift;
    rest = sig << (64 - shift);
  } else if (shift > 64) rest = 1;
  if (biased == 0 && rest != 0) raise(UFC);
  if (roundsUp(mode, sign, int, rest)) int += 1;
  // The hidden bit and a carry out of the fraction both add one to the exponent field, as they should.
  const packed = biased == 0 ? int : (<u64>(biased - 1) << frac) + int;
  const s = signed(sz, sign);
  if (sz == 1 && env & AHP) {
    if (packed > 0x7fff) {
      raise(IOC);
      return s | 0x7fff;
    }
  } else if (packed >= infinity(sz)) {
    raise(OFC | IXC);
    const toInf =
      mode == ROUND_TIEEVEN ||
      mode == ROUND_TIEAWAY ||
      (mode == ROUND_POSINF && !sign) ||
      (mode == ROUND_NEGINF && sign);
    return s | (toInf ? infinity(sz) : infinity(sz) - 1);
  }
  if (rest != 0) raise(IXC);
  return s | packed;
}
