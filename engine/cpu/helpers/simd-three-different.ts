// Advanced SIMD three different: long, wide and narrowing; the long multiplications also by element; dot
// products and 8-bit matrix products (FEAT_DotProd, FEAT_I8MM).
import {
  absDiff, addSat, bits, ELEMENT, elementAddress, even, keep, noteQC, odd, part, pd, pm, pn, put, putNarrow,
  Q, sat, SCALAR, sizeOf, subSat, vd, vm, vn, zero,
} from "./simd-common";

const ADDL = 0, SUBL = 1, ADDW = 2, SUBW = 3, ABDL = 4, ABAL = 5, MULL = 6, MLAL = 7, MLSL = 8;

/** Vpart[m], or the indexed element in every lane. */
@inline function longM(cpu: usize, insn: u32): v128 {
  if (!(insn & ELEMENT)) return part(insn, vm(cpu, insn));
  const p = elementAddress(cpu, insn);
  return sizeOf(insn) == 1 ? v128.load16_splat(p) : v128.load32_splat(p);
}
@inline function widen<T>(v: v128): v128 { return v128.extend_low<T>(v); }
/** T: source element. U: the same, unsigned. W: result element. */
@inline function longLanes<T, U, W>(op: i32, d: v128, n: v128, a: v128, b: v128): v128 {
  switch (op) {
    case ADDL: return v128.add<W>(widen<T>(a), widen<T>(b));
    case SUBL: return v128.sub<W>(widen<T>(a), widen<T>(b));
    case ADDW: return v128.add<W>(n, widen<T>(b));
    case SUBW: return v128.sub<W>(n, widen<T>(b));
    case ABDL: return widen<U>(absDiff<T>(a, b));
    case ABAL: return v128.add<W>(d, widen<U>(absDiff<T>(a, b)));
    case MULL: return v128.extmul_low<T>(a, b);
    case MLAL: return v128.add<W>(d, v128.extmul_low<T>(a, b));
    default: return v128.sub<W>(d, v128.extmul_low<T>(a, b));
  }
}
@inline function longs(op: i32, cpu: usize, insn: u32): void {
  const d = vd(cpu, insn), n = vn(cpu, insn), a = part(insn, n), b = longM(cpu, insn), size = sizeOf(insn);
  let r: v128;
  if (insn & (1 << 29)) {
    if (size == 0) r = longLanes<u8, u8, u16>(op, d, n, a, b);
    else if (size == 1) r = longLanes<u16, u16, u32>(op, d, n, a, b);
    else r = longLanes<u32, u32, u64>(op, d, n, a, b);
  } else {
    if (size == 0) r = longLanes<i8, u8, u16>(op, d, n, a, b);
    else if (size == 1) r = longLanes<i16, u16, u32>(op, d, n, a, b);
    else r = longLanes<i32, u32, u64>(op, d, n, a, b);
  }
  v128.store(pd(cpu, insn), r);
}
// Signed or unsigned by bit 29 (U).
export function op_ADDL(cpu: usize, insn: u32): void { longs(ADDL, cpu, insn); }
export function op_SUBL(cpu: usize, insn: u32): void { longs(SUBL, cpu, insn); }
export function op_ADDW(cpu: usize, insn: u32): void { longs(ADDW, cpu, insn); }
export function op_SUBW(cpu: usize, insn: u32): void { longs(SUBW, cpu, insn); }
export function op_ABDL(cpu: usize, insn: u32): void { longs(ABDL, cpu, insn); }
export function op_ABAL(cpu: usize, insn: u32): void { longs(ABAL, cpu, insn); }
export function op_MULL(cpu: usize, insn: u32): void { longs(MULL, cpu, insn); }
export function op_MLAL(cpu: usize, insn: u32): void { longs(MLAL, cpu, insn); }
export function op_MLSL(cpu: usize, insn: u32): void { longs(MLSL, cpu, insn); }

// --- Saturating doubling long multiplications ------------------------------------------------------------------

@inline function doubled<T, W>(op: i32, cpu: usize, insn: u32, size: u32): void {
  // In the scalar form the lanes above are made zero, so that they never saturate.
  let a = part(insn, vn(cpu, insn));
  if (insn & SCALAR) a = keep(insn, a, size);
  const p = v128.extmul_low<T>(a, longM(cpu, insn));
  let r = addSat<W>(p, p);
  noteQC(cpu, sat);
  if (op != MULL) {
    const d = vd(cpu, insn);
    r = op == MLAL ? addSat<W>(d, r) : subSat<W>(d, r);
    noteQC(cpu, sat);
  }
  v128.store(pd(cpu, insn), keep(insn | Q, r, size + 1));
}
@inline function doubles(op: i32, cpu: usize, insn: u32): void {
  if (sizeOf(insn) == 1) doubled<i16, i32>(op, cpu, insn, 1);
  else doubled<i32, i64>(op, cpu, insn, 2);
}
export function op_SQDMULL(cpu: usize, insn: u32): void { doubles(MULL, cpu, insn); }
export function op_SQDMLAL(cpu: usize, insn: u32): void { doubles(MLAL, cpu, insn); }
export function op_SQDMLSL(cpu: usize, insn: u32): void { doubles(MLSL, cpu, insn); }

// --- Narrowing --------------------------------------------------------------------------------------------------

@inline function highHalf<W, T>(a: v128, b: v128, subtract: bool, rounding: bool): v128 {
  let r = subtract ? v128.sub<W>(a, b) : v128.add<W>(a, b);
  if (rounding) r = v128.add<W>(r, v128.splat<W>(<W>(<u64>1 << (bits<T>() - 1))));
  return odd<T>(r, r);
}
@inline function highHalves(cpu: usize, insn: u32, subtract: bool, rounding: bool): void {
  const a = vn(cpu, insn), b = vm(cpu, insn), size = sizeOf(insn);
  let r: v128;
  if (size == 0) r = highHalf<u16, u8>(a, b, subtract, rounding);
  else if (size == 1) r = highHalf<u32, u16>(a, b, subtract, rounding);
  else r = highHalf<u64, u32>(a, b, subtract, rounding);
  putNarrow(cpu, insn, r, size);
}
export function op_ADDHN(cpu: usize, insn: u32): void { highHalves(cpu, insn, false, false); }
export function op_RADDHN(cpu: usize, insn: u32): void { highHalves(cpu, insn, false, true); }
export function op_SUBHN(cpu: usize, insn: u32): void { highHalves(cpu, insn, true, false); }
export function op_RSUBHN(cpu: usize, insn: u32): void { highHalves(cpu, insn, true, true); }

// --- Polynomial multiplication ------------------------------------------------------------------------------------

export function op_PMULL_8(cpu: usize, insn: u32): void {
  const a = v128.extend_low<u8>(part(insn, vn(cpu, insn))), b = v128.extend_low<u8>(part(insn, vm(cpu, insn)));
  let r = zero();
  for (let i = 0; i < 8; i++) {
    r = v128.xor(r, v128.and(i16x8.shl(a, i), i16x8.shr_s(i16x8.shl(b, 15 - i), 15)));
  }
  v128.store(pd(cpu, insn), r);
}

const M0: u64 = 0x1111111111111111, M1: u64 = 0x2222222222222222, M2: u64 = 0x4444444444444444, M3: u64 = 0x8888888888888888;
/**
 * Carry-less 32x32-bit product with integer multiplications: operands are split into every fourth bit, so that
 * the at most 8 ones that meet in one column do not carry into the next column that counts.
 */
function clmul32(a: u64, b: u64): u64 {
  const a0 = a & M0, a1 = a & M1, a2 = a & M2, a3 = a & M3;
  const b0 = b & M0, b1 = b & M1, b2 = b & M2, b3 = b & M3;
  return (((a0 * b0) ^ (a1 * b3) ^ (a2 * b2) ^ (a3 * b1)) & M0)
    | (((a0 * b1) ^ (a1 * b0) ^ (a2 * b3) ^ (a3 * b2)) & M1)
    | (((a0 * b2) ^ (a1 * b1) ^ (a2 * b0) ^ (a3 * b3)) & M2)
    | (((a0 * b3) ^ (a1 * b2) ^ (a2 * b1) ^ (a3 * b0)) & M3);
}
/** PMULL, PMULL2 of 64-bit elements (FEAT_PMULL), by Karatsuba's three products. */
export function op_PMULL_64(cpu: usize, insn: u32): void {
  const half: usize = insn & Q ? 8 : 0;
  const a = load<u64>(pn(cpu, insn) + half), b = load<u64>(pm(cpu, insn) + half);
  const al = a & 0xffffffff, ah = a >>> 32, bl = b & 0xffffffff, bh = b >>> 32;
  const low = clmul32(al, bl), high = clmul32(ah, bh);
  const middle = clmul32(al ^ ah, bl ^ bh) ^ low ^ high;
  const d = pd(cpu, insn);
  store<u64>(d, low ^ (middle << 32));
  store<u64>(d, high ^ (middle >>> 32), 8);
}

// --- Dot and matrix products -----------------------------------------------------------------------------------------

/** A: type of Vn's bytes, B: of Vm's. The 16-bit products are exact; S is their signedness. */
@inline function dot<A, B, S>(cpu: usize, insn: u32): void {
  const a = vn(cpu, insn);
  const b = insn & ELEMENT ? v128.load32_splat(pm(cpu, insn) + ((((insn >>> 10) & 2) | ((insn >>> 21) & 1)) << 2)) : vm(cpu, insn);
  const low = v128.extadd_pairwise<S>(i16x8.mul(v128.extend_low<A>(a), v128.extend_low<B>(b)));
  const high = v128.extadd_pairwise<S>(i16x8.mul(v128.extend_high<A>(a), v128.extend_high<B>(b)));
  put(cpu, insn, i32x4.add(vd(cpu, insn), i32x4.add(even<u32>(low, high), odd<u32>(low, high))));
}
export function op_SDOT(cpu: usize, insn: u32): void { dot<i8, i8, i16>(cpu, insn); }
export function op_UDOT(cpu: usize, insn: u32): void { dot<u8, u8, u16>(cpu, insn); }
export function op_USDOT(cpu: usize, insn: u32): void { dot<u8, i8, i16>(cpu, insn); }
export function op_SUDOT(cpu: usize, insn: u32): void { dot<i8, u8, i16>(cpu, insn); }

/** d (2x2) += n (2x8) times the transpose of m (2x8). */
@inline function matrix<A, B>(cpu: usize, insn: u32): void {
  const d = pd(cpu, insn), n = pn(cpu, insn), m = pm(cpu, insn);
  let r = vd(cpu, insn);
  for (let i: usize = 0; i < 16; i += 8) {
    let s0: i32 = 0, s1: i32 = 0;
    for (let k: usize = 0; k < 8; k++) {
      const x = <i32>load<A>(n + i + k);
      s0 += x * <i32>load<B>(m + k);
      s1 += x * <i32>load<B>(m + 8 + k);
    }
    if (i == 0) r = i32x4.add(r, i32x4.replace_lane(i32x4.replace_lane(zero(), 0, s0), 1, s1));
    else r = i32x4.add(r, i32x4.replace_lane(i32x4.replace_lane(zero(), 2, s0), 3, s1));
  }
  v128.store(d, r);
}
export function op_SMMLA(cpu: usize, insn: u32): void { matrix<i8, i8>(cpu, insn); }
export function op_UMMLA(cpu: usize, insn: u32): void { matrix<u8, u8>(cpu, insn); }
export function op_USMMLA(cpu: usize, insn: u32): void { matrix<u8, i8>(cpu, insn); }
