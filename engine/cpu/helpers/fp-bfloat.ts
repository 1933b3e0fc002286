/*
 * BFloat16 (FEAT_BF16; Arm ARM DDI 0487, C7.2 and J1.3 "functions/float/bfloat"). A BFloat16 is the upper half of a
 * single. Dot and matrix products ignore FPCR and leave FPSR alone: every step rounds to odd, denormals are zeros
 * (FEAT_EBF16, which could choose otherwise, is not there). Conversions and long products are ordinary.
 */
import { addressV, convertEnvOf, envOf, finish, getScalar, loadElement, rd, rm, rn, setScalar, storeElement } from "./fp-cpu";
import { addressElement, bytesOf, clearTop } from "./fp-vector-loops";
import {
  DN,
  FZ16,
  IOC,
  IXC,
  OFC,
  UFC,
  bias,
  defaultNaN,
  expOf,
  flushInput,
  infinity,
  isInf,
  isNaN,
  isNegative,
  isSNaN,
  isZero,
  magnitude,
  minNormal,
  quietBit,
  raise,
  rmode,
  roundsUp,
  shiftRightJam,
  sigOf,
  signBit,
  signed,
} from "./softfloat";
import { mulAdd } from "./softfloat-arith";

/* --- Conversions ------------------------------------------------------------------------------------------------ */

/** FPConvertBF: a single rounded to the 8 exponent and 7 fraction bits of a BFloat16. */
function convertBf(a: u64, env: u32): u64 {
  env &= ~FZ16;
  a = flushInput(2, a, env);
  if (isNaN(2, a)) {
    if (isSNaN(2, a)) raise(IOC);
    return (env & DN ? defaultNaN(2) : a | quietBit(2)) >> 16;
  }
  if (isZero(2, a) || isInf(2, a)) return a >> 16;
  const sign = isNegative(2, a);
  const mode = rmode(env);
  const m = magnitude(2, a);
  // A denormal that is flushed became a zero above.
  const isTiny = m < minNormal(2);
  const rest = m << 48;
  let r = m >> 16;
  if (isTiny && rest != 0) raise(UFC);
  // A carry out of the fraction steps the exponent, up to infinity.
  if (roundsUp(mode, sign, r, rest)) r += 1;
  if (r >= infinity(2) >> 16) {
    raise(OFC | IXC);
  } else if (rest != 0) raise(IXC);
  return (signed(2, sign) >> 16) | r;
}

export function op_bfcvt(cpu: usize, insn: u32): void {
  setScalar(cpu, rd(insn), convertBf(getScalar(cpu, rn(insn), 2), convertEnvOf(cpu)));
  finish(cpu);
}

/** BFCVTN writes the low half and clears the top, BFCVTN2 (Q = 1) writes the top and keeps the low half. */
export function op_bfcvtn(cpu: usize, insn: u32): void {
  const env = convertEnvOf(cpu);
  const n = addressV(cpu, rn(insn));
  let r: u64 = 0;
  for (let i: u32 = 0; i < 4; i++) r |= convertBf(loadElement(n + (i << 2), 2), env) << (i << 4);
  if (insn & (1 << 30)) store<u64>(addressV(cpu, rd(insn)), r, 8);
  else setScalar(cpu, rd(insn), r);
  finish(cpu);
}

/* --- Long products ---------------------------------------------------------------------------------------------- */

/** BFMLALB (Q = 0), BFMLALT (Q = 1): even or odd elements. */
@inline
function longProducts(cpu: usize, insn: u32, m: usize, step: usize): void {
  const env = envOf(cpu);
  const d = addressV(cpu, rd(insn));
  const n = addressV(cpu, rn(insn)) + (insn & (1 << 30) ? 2 : 0);
  const first = load<u16>(m);
  for (let at: usize = 0; at < 16; at += 4) {
    const a = <u64>load<u16>(n + at) << 16;
    const b = <u64>(step ? load<u16>(m + at) : first) << 16;
    storeElement(d + at, 2, mulAdd(2, loadElement(d + at, 2), a, b, env));
  }
  finish(cpu);
}

export function op_bfmlal_v(cpu: usize, insn: u32): void {
  longProducts(cpu, insn, addressV(cpu, rm(insn)) + (insn & (1 << 30) ? 2 : 0), 4);
}

export function op_bfmlal_e(cpu: usize, insn: u32): void {
  longProducts(cpu, insn, addressElement(cpu, insn, 1), 0);
}

/* --- Dot and matrix products ------------------------------------------------------------------------------------ */

/** BFRound: to odd, tiny results to zero, overflow to infinity. Bit 63 of sig must be set. */
@inline
function roundOdd(sign: bool, exp: i32, sig: u64): u64 {
  const s = signed(2, sign);
  if (exp < -126) return s;
  if (exp > 127) return s | infinity(2);
  const int = (sig >> 40) | <u64>(sig << 24 != 0);
  return s | ((<u64>(exp + bias(2) - 1) << 23) + int);
}

/** BFUnpack: denormals are zeros. */
@inline
function flush(a: u64): u64 {
  return magnitude(2, a) < minNormal(2) ? a & signBit(2) : a;
}

/** BFMul of two BFloat16 given as singles. */
function multiply(a: u64, b: u64): u64 {
  a = flush(a);
  b = flush(b);
  if (isNaN(2, a) || isNaN(2, b)) return defaultNaN(2);
  const sign = isNegative(2, a) != isNegative(2, b);
  const infinite = isInf(2, a) || isInf(2, b);
  if (isZero(2, a) || isZero(2, b)) return infinite ? defaultNaN(2) : signed(2, sign);
  if (infinite) return signed(2, sign) | infinity(2);
  // Eight bits each.
  const product = (sigOf(2, a) >> 32) * (sigOf(2, b) >> 32);
  const zeros = <i32>clz(product);
  return roundOdd(sign, expOf(2, a) + expOf(2, b) + 1 - zeros, product << zeros);
}

/** BFAdd of two singles. */
function sum(a: u64, b: u64): u64 {
  a = flush(a);
  b = flush(b);
  if (isNaN(2, a) || isNaN(2, b)) return defaultNaN(2);
  const signA = isNegative(2, a);
  const signB = isNegative(2, b);
  if (isInf(2, a)) return isInf(2, b) && signA != signB ? defaultNaN(2) : a;
  if (isInf(2, b)) return b;
  if (isZero(2, a)) return isZero(2, b) && signA != signB ? 0 : b;
  if (isZero(2, b)) return a;
  if (magnitude(2, a) < magnitude(2, b)) {
    const swap = a;
    a = b;
    b = swap;
  }
  const sign = isNegative(2, a);
  const exp = expOf(2, a);
  let sig = sigOf(2, a) >> 1;
  const small = shiftRightJam(sigOf(2, b) >> 1, exp - expOf(2, b));
  sig = signA == signB ? sig + small : sig - small;
  if (sig == 0) return 0;
  const zeros = <i32>clz(sig);
  return roundOdd(sign, exp + 1 - zeros, sig << zeros);
}

/** Two products of the BFloat16 pairs in a and b, added up. */
@inline
function pairProduct(a: u32, b: u32): u64 {
  const low = multiply(<u64>(a << 16), <u64>(b << 16));
  return sum(low, multiply(<u64>(a & 0xffff0000), <u64>(b & 0xffff0000)));
}

@inline
function dot(cpu: usize, insn: u32, m: usize, step: usize): void {
  const d = addressV(cpu, rd(insn));
  const n = addressV(cpu, rn(insn));
  const first = load<u32>(m);
  const bytes = bytesOf(insn);
  for (let at: u32 = 0; at < bytes; at += 4) {
    const b = step ? load<u32>(m + at) : first;
    storeElement(d + at, 2, sum(loadElement(d + at, 2), pairProduct(load<u32>(n + at), b)));
  }
  clearTop(cpu, insn);
}

export function op_bfdot_v(cpu: usize, insn: u32): void {
  dot(cpu, insn, addressV(cpu, rm(insn)), 4);
}

/** By element: the pair at index H:L. */
export function op_bfdot_e(cpu: usize, insn: u32): void {
  dot(cpu, insn, addressElement(cpu, insn, 2), 0);
}

/** d (2x2 singles) += n (2x4) times the transpose of m (2x4). */
export function op_bfmmla(cpu: usize, insn: u32): void {
  const d = addressV(cpu, rd(insn));
  const n = addressV(cpu, rn(insn));
  const m = addressV(cpu, rm(insn));
  let r = v128.load(d);
  for (let i: usize = 0; i < 2; i++) {
    const n0 = load<u32>(n + (i << 3));
    const n1 = load<u32>(n + (i << 3), 4);
    const left = matrixElement(loadElement(d + (i << 3), 2), n0, n1, m);
    const right = matrixElement(loadElement(d + (i << 3) + 4, 2), n0, n1, m + 8);
    const row = left | (right << 32);
    r = i == 0 ? i64x2.replace_lane(r, 0, row) : i64x2.replace_lane(r, 1, row);
  }
  v128.store(d, r);
}

@inline
function matrixElement(addend: u64, n0: u32, n1: u32, m: usize): u64 {
  return sum(sum(addend, pairProduct(n0, load<u32>(m))), pairProduct(n1, load<u32>(m, 4)));
}
