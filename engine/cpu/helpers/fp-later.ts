/*
 * Floating point of Armv8.2 to Armv8.5 (Arm ARM DDI 0487, C7.2): complex arithmetic (FEAT_FCMA), products of halves
 * added to singles (FEAT_FHM), conversion as JavaScript does it (FEAT_JSCVT), rounding to integers that fit
 * (FEAT_FRINTTS).
 */
import {
  addressV,
  envOf,
  finish,
  ftype,
  getScalar,
  loadElement,
  rd,
  rm,
  rn,
  setFlags,
  setScalar,
  setX,
  storeElement,
} from "./fp-cpu";
import * as E from "./fp-element";
import { addressElement, bytesOf, clearTop, twoReg } from "./fp-vector-loops";
import {
  bias,
  expOf,
  flushes,
  fracBits,
  infinity,
  magnitude,
  minNormal,
  sigOf,
  signBit,
} from "./softfloat";
import { add, mulAdd } from "./softfloat-arith";
import { exactJs, toFixedJs } from "./softfloat-convert";

/* --- Complex numbers: even elements are real, odd ones imaginary ---------------------------------------------- */

/** The rotation in quarter turns, from its two bits at `lo`. */
@inline
function quarters(insn: u32, lo: u32): u32 {
  return (insn >> lo) & 3;
}

/** FCADD: adds Vm turned by 90 (bit 12 clear) or 270 degrees. */
export function op_fcadd_v(cpu: usize, insn: u32): void {
  const sz = <i32>((insn >> 22) & 3);
  const env = envOf(cpu);
  const d = addressV(cpu, rd(insn));
  const n = addressV(cpu, rn(insn));
  const m = addressV(cpu, rm(insn));
  const size: u32 = 1 << sz;
  const bytes = bytesOf(insn);
  const back = (insn & (1 << 12)) != 0;
  for (let at: u32 = 0; at < bytes; at += 2 * size) {
    // FPNeg changes the sign of a NaN too, before anything looks at it.
    const imaginary = loadElement(m + at + size, sz) ^ (back ? 0 : signBit(sz));
    const real = loadElement(m + at, sz) ^ (back ? signBit(sz) : 0);
    const re = add(sz, loadElement(n + at, sz), imaginary, env);
    const im = add(sz, loadElement(n + at + size, sz), real, env);
    storeElement(d + at, sz, re);
    storeElement(d + at + size, sz, im);
  }
  clearTop(cpu, insn);
  finish(cpu);
}

/** One number: d += n * m, taking either the real or the imaginary part of n, turned by `turn` quarters. */
@inline
function complexProduct(sz: i32, d: usize, n: usize, re: u64, im: u64, turn: u32, env: u32): void {
  const size: usize = 1 << sz;
  const sign = signBit(sz);
  const part = loadElement(turn & 1 ? n + size : n, sz);
  const first = (turn & 1 ? im : re) ^ (turn == 1 || turn == 2 ? sign : 0);
  const second = (turn & 1 ? re : im) ^ (turn >= 2 ? sign : 0);
  const real = mulAdd(sz, loadElement(d, sz), part, first, env);
  const imaginary = mulAdd(sz, loadElement(d + size, sz), part, second, env);
  storeElement(d, sz, real);
  storeElement(d + size, sz, imaginary);
}

export function op_fcmla_v(cpu: usize, insn: u32): void {
  const sz = <i32>((insn >> 22) & 3);
  const env = envOf(cpu);
  const d = addressV(cpu, rd(insn));
  const n = addressV(cpu, rn(insn));
  const m = addressV(cpu, rm(insn));
  const size: u32 = 1 << sz;
  const bytes = bytesOf(insn);
  for (let at: u32 = 0; at < bytes; at += 2 * size) {
    const re = loadElement(m + at, sz);
    const im = loadElement(m + at + size, sz);
    complexProduct(sz, d + at, n + at, re, im, quarters(insn, 11), env);
  }
  clearTop(cpu, insn);
  finish(cpu);
}

/** By element: the number at index H:L (halves) or H (singles). */
export function op_fcmla_e(cpu: usize, insn: u32): void {
  const sz = <i32>((insn >> 22) & 3);
  const env = envOf(cpu);
  const d = addressV(cpu, rd(insn));
  const n = addressV(cpu, rn(insn));
  const h = (insn >> 11) & 1;
  const size: u32 = 1 << sz;
  const m = addressV(cpu, rm(insn)) + (sz == 1 ? ((h << 1) | ((insn >> 21) & 1)) << 2 : h << 3);
  // Read once: Vd may be Vm.
  const re = loadElement(m, sz);
  const im = loadElement(m + size, sz);
  const bytes = bytesOf(insn);
  for (let at: u32 = 0; at < bytes; at += 2 * size) {
    complexProduct(sz, d + at, n + at, re, im, quarters(insn, 13), env);
  }
  clearTop(cpu, insn);
  finish(cpu);
}

/* --- Products of halves added to singles ----------------------------------------------------------------------- */

/**
 * A half as a single, which is always exact. NaNs keep their kind: FPMulAddH processes them as halves and converts
 * the result, which comes to the same.
 */
function halfAsSingle(a: u64, env: u32): u64 {
  const m = magnitude(1, a);
  const sign = (a & signBit(1)) << 16;
  if (m >= infinity(1)) return sign | infinity(2) | ((m - infinity(1)) << 13);
  if (m == 0 || (m < minNormal(1) && flushes(1, env))) return sign;
  const exp = expOf(1, a) + bias(2);
  return sign | (<u64>exp << fracBits(2)) | ((sigOf(1, a) << 1) >> (64 - fracBits(2)));
}

/** Two or four of the halves in n and m, which are shifted out, to the singles of Vd. */
@inline
function longProducts(cpu: usize, insn: u32, n: u64, m: u64, subtract: bool): void {
  const env = envOf(cpu);
  const d = addressV(cpu, rd(insn));
  const bytes = bytesOf(insn);
  for (let at: u32 = 0; at < bytes; at += 4) {
    const a = halfAsSingle((n & 0xffff) ^ (subtract ? 0x8000 : 0), env);
    storeElement(d + at, 2, mulAdd(2, loadElement(d + at, 2), a, halfAsSingle(m & 0xffff, env), env));
    n >>= 16;
    m >>= 16;
  }
  clearTop(cpu, insn);
  finish(cpu);
}

/** The lower or upper half of the part of a register that a long operation of this size reads, in the low bits. */
@inline
function halvesOf(cpu: usize, insn: u32, r: u32, upper: bool): u64 {
  const p = addressV(cpu, r);
  if (insn & (1 << 30)) return load<u64>(p + (upper ? 8 : 0));
  return <u64>load<u32>(p + (upper ? 4 : 0));
}

@inline
function longVector(cpu: usize, insn: u32, upper: bool, subtract: bool): void {
  longProducts(cpu, insn, halvesOf(cpu, insn, rn(insn), upper), halvesOf(cpu, insn, rm(insn), upper), subtract);
}

@inline
function longByElement(cpu: usize, insn: u32, upper: bool, subtract: bool): void {
  const element = <u64>load<u16>(addressElement(cpu, insn, 1)) * 0x0001000100010001;
  longProducts(cpu, insn, halvesOf(cpu, insn, rn(insn), upper), element, subtract);
}

export function op_fmlal_v(cpu: usize, insn: u32): void { longVector(cpu, insn, false, false); }
export function op_fmlal2_v(cpu: usize, insn: u32): void { longVector(cpu, insn, true, false); }
export function op_fmlsl_v(cpu: usize, insn: u32): void { longVector(cpu, insn, false, true); }
export function op_fmlsl2_v(cpu: usize, insn: u32): void { longVector(cpu, insn, true, true); }
export function op_fmlal_e(cpu: usize, insn: u32): void { longByElement(cpu, insn, false, false); }
export function op_fmlal2_e(cpu: usize, insn: u32): void { longByElement(cpu, insn, true, false); }
export function op_fmlsl_e(cpu: usize, insn: u32): void { longByElement(cpu, insn, false, true); }
export function op_fmlsl2_e(cpu: usize, insn: u32): void { longByElement(cpu, insn, true, true); }

/* --- JavaScript's conversion, rounding to integers that fit ----------------------------------------------------- */

/** FJCVTZS: Z says that the double was a 32-bit integer. */
export function op_fjcvtzs(cpu: usize, insn: u32): void {
  setX(cpu, rd(insn), toFixedJs(getScalar(cpu, rn(insn), 3), envOf(cpu)));
  setFlags(cpu, exactJs() ? 4 : 0);
  finish(cpu);
}

@inline
function one(cpu: usize, insn: u32, op: i32): void {
  const sz = ftype(insn);
  setScalar(cpu, rd(insn), E.unary(op, sz, getScalar(cpu, rn(insn), sz), envOf(cpu)));
  finish(cpu);
}

export function op_frint32z(cpu: usize, insn: u32): void { one(cpu, insn, E.RINT32Z); }
export function op_frint32x(cpu: usize, insn: u32): void { one(cpu, insn, E.RINT32X); }
export function op_frint64z(cpu: usize, insn: u32): void { one(cpu, insn, E.RINT64Z); }
export function op_frint64x(cpu: usize, insn: u32): void { one(cpu, insn, E.RINT64X); }
export function op_frint32z_v(cpu: usize, insn: u32): void { twoReg(cpu, insn, E.RINT32Z); }
export function op_frint32x_v(cpu: usize, insn: u32): void { twoReg(cpu, insn, E.RINT32X); }
export function op_frint64z_v(cpu: usize, insn: u32): void { twoReg(cpu, insn, E.RINT64Z); }
export function op_frint64x_v(cpu: usize, insn: u32): void { twoReg(cpu, insn, E.RINT64X); }
