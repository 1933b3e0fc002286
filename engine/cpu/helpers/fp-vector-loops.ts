/*
 * The loops of the Advanced SIMD floating-point classes: which elements meet, and where results go. `op` is a
 * constant at every call, so each helper gets its own loop.
 */
import { addressV, envOf, finish, loadElement, rd, rm, rn, setScalar, storeElement } from "./fp-cpu";
import * as E from "./fp-element";
import { vectorBinary } from "./fp-vector-fast";

/** 16 bytes for results whose destination may still be needed as a source. */
const SCRATCH: usize = memory.data(16, 16);

@inline
export function bytesOf(insn: u32): u32 {
  return insn & (1 << 30) ? 16 : 8;
}

@inline
export function clearTop(cpu: usize, insn: u32): void {
  if (!(insn & (1 << 30))) store<u64>(addressV(cpu, rd(insn)), 0, 8);
}

/** Three same: bit 21 is 0 in the half-precision forms, else bit 22 is `sz`. */
@inline
export function sizeThreeSame(insn: u32): i32 {
  return insn & (1 << 21) ? 2 + <i32>((insn >> 22) & 1) : 1;
}

/** Two-register miscellaneous: bits 22:17 are 111100 in the half-precision forms, else sz 10000. */
@inline
export function sizeTwoReg(insn: u32): i32 {
  return insn & (1 << 19) ? 1 : 2 + <i32>((insn >> 22) & 1);
}

/** Scalar pairwise and across lanes: U is 0 in the half-precision forms. */
@inline
export function sizeReduce(insn: u32): i32 {
  return insn & (1 << 29) ? 2 + <i32>((insn >> 22) & 1) : 1;
}

/** By element: size is 00 for half. */
@inline
export function sizeByElement(insn: u32): i32 {
  const size = (insn >> 22) & 3;
  return size == 0 ? 1 : <i32>size;
}

/** Address of Vm.T[index], index being H:L:M, H:L or H. */
@inline
export function addressElement(cpu: usize, insn: u32, sz: i32): usize {
  const h = (insn >> 11) & 1;
  const l = (insn >> 21) & 1;
  const m = (insn >> 20) & 1;
  if (sz == 1) return addressV(cpu, (insn >> 16) & 15) + (((h << 2) | (l << 1) | m) << 1);
  if (sz == 2) return addressV(cpu, rm(insn)) + (((h << 1) | l) << 2);
  return addressV(cpu, rm(insn)) + (h << 3);
}

/* --- Vectors ----------------------------------------------------------------------------------------- */

@inline
export function threeSame(cpu: usize, insn: u32, op: i32): void {
  const sz = sizeThreeSame(insn);
  const env = envOf(cpu);
  const d = addressV(cpu, rd(insn));
  const n = addressV(cpu, rn(insn));
  const m = addressV(cpu, rm(insn));
  if (vectorBinary(op, sz, insn, d, v128.load(n), v128.load(m), env)) return;
  const bytes = bytesOf(insn);
  for (let at: u32 = 0; at < bytes; at += 1 << sz) {
    storeElement(d + at, sz, E.binary(op, sz, loadElement(n + at, sz), loadElement(m + at, sz), env));
  }
  clearTop(cpu, insn);
  finish(cpu);
}

@inline
export function multiplyAccumulate(cpu: usize, insn: u32, negate: bool): void {
  const sz = sizeThreeSame(insn);
  const env = envOf(cpu);
  const d = addressV(cpu, rd(insn));
  const n = addressV(cpu, rn(insn));
  const m = addressV(cpu, rm(insn));
  const bytes = bytesOf(insn);
  for (let at: u32 = 0; at < bytes; at += 1 << sz) {
    const a = loadElement(n + at, sz);
    const b = loadElement(m + at, sz);
    storeElement(d + at, sz, E.accumulate(sz, loadElement(d + at, sz), a, b, negate, env));
  }
  clearTop(cpu, insn);
  finish(cpu);
}

@inline
export function byElement(cpu: usize, insn: u32, op: i32): void {
  const sz = sizeByElement(insn);
  const env = envOf(cpu);
  const d = addressV(cpu, rd(insn));
  const n = addressV(cpu, rn(insn));
  // Read once: Vd may be Vm.
  const b = loadElement(addressElement(cpu, insn, sz), sz);
  const splat = sz == 3 ? i64x2.splat(b) : i32x4.splat(<i32>b);
  if (vectorBinary(op, sz, insn, d, v128.load(n), splat, env)) return;
  const bytes = bytesOf(insn);
  for (let at: u32 = 0; at < bytes; at += 1 << sz) {
    storeElement(d + at, sz, E.binary(op, sz, loadElement(n + at, sz), b, env));
  }
  clearTop(cpu, insn);
  finish(cpu);
}

@inline
export function accumulateByElement(cpu: usize, insn: u32, negate: bool): void {
  const sz = sizeByElement(insn);
  const env = envOf(cpu);
  const d = addressV(cpu, rd(insn));
  const n = addressV(cpu, rn(insn));
  const b = loadElement(addressElement(cpu, insn, sz), sz);
  const bytes = bytesOf(insn);
  for (let at: u32 = 0; at < bytes; at += 1 << sz) {
    const a = loadElement(n + at, sz);
    storeElement(d + at, sz, E.accumulate(sz, loadElement(d + at, sz), a, b, negate, env));
  }
  clearTop(cpu, insn);
  finish(cpu);
}

/** Adjacent elements of Vm:Vn. */
@inline
export function pairwise(cpu: usize, insn: u32, op: i32): void {
  const sz = sizeThreeSame(insn);
  const env = envOf(cpu);
  const d = addressV(cpu, rd(insn));
  const n = addressV(cpu, rn(insn));
  const m = addressV(cpu, rm(insn));
  const bytes = bytesOf(insn);
  const size: u32 = 1 << sz;
  for (let at: u32 = 0; at < bytes; at += size) {
    // Result element i comes from elements 2i and 2i + 1 of the concatenation.
    const p = at * 2 < bytes ? n + at * 2 : m + (at * 2 - bytes);
    storeElement(SCRATCH + at, sz, E.binary(op, sz, loadElement(p, sz), loadElement(p + size, sz), env));
  }
  store<u64>(d, load<u64>(SCRATCH));
  store<u64>(d, insn & (1 << 30) ? load<u64>(SCRATCH, 8) : 0, 8);
  finish(cpu);
}

@inline
export function twoReg(cpu: usize, insn: u32, op: i32): void {
  const sz = sizeTwoReg(insn);
  const env = envOf(cpu);
  const d = addressV(cpu, rd(insn));
  const n = addressV(cpu, rn(insn));
  const bytes = bytesOf(insn);
  for (let at: u32 = 0; at < bytes; at += 1 << sz) {
    storeElement(d + at, sz, E.unary(op, sz, loadElement(n + at, sz), env));
  }
  clearTop(cpu, insn);
  finish(cpu);
}

/** Reduce(): a balanced tree over neighbours, low half first. That decides which NaN survives. */
@inline
export function acrossLanes(cpu: usize, insn: u32, op: i32): void {
  const sz = sizeReduce(insn);
  const env = envOf(cpu);
  const n = addressV(cpu, rn(insn));
  v128.store(SCRATCH, v128.load(n));
  const size: u32 = 1 << sz;
  for (let bytes = bytesOf(insn); bytes > size; bytes >>= 1) {
    for (let at: u32 = 0; at < bytes; at += size * 2) {
      const p = SCRATCH + at;
      storeElement(SCRATCH + (at >> 1), sz, E.binary(op, sz, loadElement(p, sz), loadElement(p + size, sz), env));
    }
  }
  setScalar(cpu, rd(insn), loadElement(SCRATCH, sz));
  finish(cpu);
}

/* --- Scalars ----------------------------------------------------------------------------------------- */

@inline
export function scalarThreeSame(cpu: usize, insn: u32, op: i32): void {
  const sz = sizeThreeSame(insn);
  const a = loadElement(addressV(cpu, rn(insn)), sz);
  const b = loadElement(addressV(cpu, rm(insn)), sz);
  setScalar(cpu, rd(insn), E.binary(op, sz, a, b, envOf(cpu)));
  finish(cpu);
}

@inline
export function scalarTwoReg(cpu: usize, insn: u32, op: i32): void {
  const sz = sizeTwoReg(insn);
  setScalar(cpu, rd(insn), E.unary(op, sz, loadElement(addressV(cpu, rn(insn)), sz), envOf(cpu)));
  finish(cpu);
}

@inline
export function scalarPairwise(cpu: usize, insn: u32, op: i32): void {
  const sz = sizeReduce(insn);
  const n = addressV(cpu, rn(insn));
  setScalar(cpu, rd(insn), E.binary(op, sz, loadElement(n, sz), loadElement(n + (<usize>1 << sz), sz), envOf(cpu)));
  finish(cpu);
}

@inline
export function scalarByElement(cpu: usize, insn: u32, op: i32): void {
  const sz = sizeByElement(insn);
  const b = loadElement(addressElement(cpu, insn, sz), sz);
  setScalar(cpu, rd(insn), E.binary(op, sz, loadElement(addressV(cpu, rn(insn)), sz), b, envOf(cpu)));
  finish(cpu);
}

@inline
export function scalarAccumulateByElement(cpu: usize, insn: u32, negate: bool): void {
  const sz = sizeByElement(insn);
  const b = loadElement(addressElement(cpu, insn, sz), sz);
  const a = loadElement(addressV(cpu, rn(insn)), sz);
  const addend = loadElement(addressV(cpu, rd(insn)), sz);
  setScalar(cpu, rd(insn), E.accumulate(sz, addend, a, b, negate, envOf(cpu)));
  finish(cpu);
}
