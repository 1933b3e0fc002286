// Advanced SIMD two-register miscellaneous (without the narrowing moves, see simd-shift-imm) and across lanes.
import {
  addSat, bits, clearAbove, elements, even, ge, gt, keep, noteQC, odd, pd, pn, put, putKeep, Q, sat, signs,
  sizeOf, vd, vn, zero,
} from "./simd-common";

// --- Reversals --------------------------------------------------------------------------------------------------------

export function op_REV64(cpu: usize, insn: u32): void {
  const a = vn(cpu, insn), size = sizeOf(insn);
  let r: v128;
  if (size == 0) r = i8x16.shuffle(a, a, 7, 6, 5, 4, 3, 2, 1, 0, 15, 14, 13, 12, 11, 10, 9, 8);
  else if (size == 1) r = i16x8.shuffle(a, a, 3, 2, 1, 0, 7, 6, 5, 4);
  else r = i32x4.shuffle(a, a, 1, 0, 3, 2);
  put(cpu, insn, r);
}
export function op_REV32_vec(cpu: usize, insn: u32): void {
  const a = vn(cpu, insn);
  let r: v128;
  if (sizeOf(insn) == 0) r = i8x16.shuffle(a, a, 3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12);
  else r = i16x8.shuffle(a, a, 1, 0, 3, 2, 5, 4, 7, 6);
  put(cpu, insn, r);
}
export function op_REV16_vec(cpu: usize, insn: u32): void {
  const a = vn(cpu, insn);
  put(cpu, insn, i8x16.shuffle(a, a, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14));
}
export function op_RBIT_vec(cpu: usize, insn: u32): void {
  const a = vn(cpu, insn), mask = i8x16.splat(15);
  // Bit-reversed nibbles, in the upper and in the lower half of a byte.
  const up = i64x2(0xe060a020c0408000, 0xf070b030d0509010), down = i64x2(0x0e060a020c040800, 0x0f070b030d050901);
  put(cpu, insn, v128.or(v128.swizzle(up, v128.and(a, mask)), v128.swizzle(down, i8x16.shr_u(a, 4))));
}

// --- Counting ----------------------------------------------------------------------------------------------------------

export function op_CNT(cpu: usize, insn: u32): void { put(cpu, insn, i8x16.popcnt(vn(cpu, insn))); }
export function op_NOT(cpu: usize, insn: u32): void { put(cpu, insn, v128.not(vn(cpu, insn))); }

/** CLZ of a; CLS is CLZ of (a xor a >> 1) less 1. T is unsigned. */
@inline function leading<T>(cpu: usize, insn: u32, less: u32): void {
  const n = <usize>elements<T>(insn) * sizeof<T>(), d = pd(cpu, insn), a = pn(cpu, insn);
  for (let i: usize = 0; i < n; i += sizeof<T>()) {
    let x = <u32>load<T>(a + i);
    if (less) x = (x ^ (x >>> 1)) & ((<u32>1 << (bits<T>() - 1)) - 1);
    store<T>(d + i, <T>(clz<u32>(x) - (32 - bits<T>()) - less));
  }
  clearAbove<T>(cpu, insn);
}
@inline function leadings(cpu: usize, insn: u32, less: u32): void {
  const size = sizeOf(insn);
  if (size == 0) leading<u8>(cpu, insn, less);
  else if (size == 1) leading<u16>(cpu, insn, less);
  else leading<u32>(cpu, insn, less);
}
export function op_CLZ_vec(cpu: usize, insn: u32): void { leadings(cpu, insn, 0); }
export function op_CLS_vec(cpu: usize, insn: u32): void { leadings(cpu, insn, 1); }

// --- Arithmetic and compare with zero ------------------------------------------------------------------------------------

const ABS = 0, NEG = 1, GT = 2, GE = 3, EQ = 4, LE = 5, LT = 6;
@inline function unaryLanes<T>(op: i32, a: v128): v128 {
  switch (op) {
    case ABS: return v128.abs<T>(a);
    case NEG: return v128.neg<T>(a);
    case GT: return gt<T>(a, zero());
    case GE: return ge<T>(a, zero());
    case EQ: return v128.eq<T>(a, zero());
    case LE: return ge<T>(zero(), a);
    default: return gt<T>(zero(), a);
  }
}
@inline function unary(op: i32, cpu: usize, insn: u32): void {
  const a = vn(cpu, insn), size = sizeOf(insn);
  let r: v128;
  if (size == 0) r = unaryLanes<i8>(op, a);
  else if (size == 1) r = unaryLanes<i16>(op, a);
  else if (size == 2) r = unaryLanes<i32>(op, a);
  else r = unaryLanes<i64>(op, a);
  putKeep(cpu, insn, r, size);
}
export function op_ABS_vec(cpu: usize, insn: u32): void { unary(ABS, cpu, insn); }
export function op_NEG_vec(cpu: usize, insn: u32): void { unary(NEG, cpu, insn); }
export function op_CMGT_zero(cpu: usize, insn: u32): void { unary(GT, cpu, insn); }
export function op_CMGE_zero(cpu: usize, insn: u32): void { unary(GE, cpu, insn); }
export function op_CMEQ_zero(cpu: usize, insn: u32): void { unary(EQ, cpu, insn); }
export function op_CMLE_zero(cpu: usize, insn: u32): void { unary(LE, cpu, insn); }
export function op_CMLT_zero(cpu: usize, insn: u32): void { unary(LT, cpu, insn); }

const QABS = 0, QNEG = 1, SUQADD = 2, USQADD = 3;
/** S signed and U unsigned type of the same size. */
@inline function satUnary<S, U>(op: i32, cpu: usize, insn: u32, size: u32): void {
  const a = keep(insn, vn(cpu, insn), size);
  let r: v128, over: v128;
  if (op <= QNEG) {
    over = v128.eq<S>(a, signs<S>());
    // The wrapped result of the smallest value is itself; inverting it gives the largest.
    r = v128.xor(op == QABS ? v128.abs<S>(a) : v128.neg<S>(a), over);
  } else {
    // Moving the accumulator's range by half turns one kind of saturation into the other.
    const d = v128.xor(keep(insn, vd(cpu, insn), size), signs<S>());
    r = v128.xor(op == SUQADD ? addSat<U>(d, a) : addSat<S>(d, a), signs<S>());
    over = sat;
  }
  noteQC(cpu, over);
  putKeep(cpu, insn, r, size);
}
@inline function satUnaries(op: i32, cpu: usize, insn: u32): void {
  const size = sizeOf(insn);
  if (size == 0) satUnary<i8, u8>(op, cpu, insn, 0);
  else if (size == 1) satUnary<i16, u16>(op, cpu, insn, 1);
  else if (size == 2) satUnary<i32, u32>(op, cpu, insn, 2);
  else satUnary<i64, u64>(op, cpu, insn, 3);
}
export function op_SQABS(cpu: usize, insn: u32): void { satUnaries(QABS, cpu, insn); }
export function op_SQNEG(cpu: usize, insn: u32): void { satUnaries(QNEG, cpu, insn); }
export function op_SUQADD(cpu: usize, insn: u32): void { satUnaries(SUQADD, cpu, insn); }
export function op_USQADD(cpu: usize, insn: u32): void { satUnaries(USQADD, cpu, insn); }

// --- Pairwise long ---------------------------------------------------------------------------------------------------------

@inline function pairLong<B, H, S>(cpu: usize, insn: u32, accumulate: bool): void {
  const a = vn(cpu, insn), d = accumulate ? vd(cpu, insn) : zero(), size = sizeOf(insn);
  let r: v128;
  if (size == 0) r = i16x8.add(d, v128.extadd_pairwise<B>(a));
  else if (size == 1) r = i32x4.add(d, v128.extadd_pairwise<H>(a));
  else r = i64x2.add(d, i64x2.add(v128.extend_low<S>(even<S>(a, a)), v128.extend_low<S>(odd<S>(a, a))));
  put(cpu, insn, r);
}
export function op_SADDLP(cpu: usize, insn: u32): void { pairLong<i8, i16, i32>(cpu, insn, false); }
export function op_UADDLP(cpu: usize, insn: u32): void { pairLong<u8, u16, u32>(cpu, insn, false); }
export function op_SADALP(cpu: usize, insn: u32): void { pairLong<i8, i16, i32>(cpu, insn, true); }
export function op_UADALP(cpu: usize, insn: u32): void { pairLong<u8, u16, u32>(cpu, insn, true); }

// --- Across lanes -------------------------------------------------------------------------------------------------------------

const SUM = 0, MAX = 1, MIN = 2;
@inline function reduce<T>(op: i32, cpu: usize, insn: u32): i64 {
  const end = pn(cpu, insn) + (insn & Q ? 16 : 8);
  let p = pn(cpu, insn);
  let r = <i64>load<T>(p);
  for (p += sizeof<T>(); p < end; p += sizeof<T>()) {
    const x = <i64>load<T>(p);
    if (op == SUM) r += x;
    else if (op == MAX) r = x > r ? x : r;
    else r = x < r ? x : r;
  }
  return r;
}
@inline function across<B, H, S>(op: i32, cpu: usize, insn: u32, long: u32): void {
  const size = sizeOf(insn);
  let r: i64;
  if (size == 0) r = reduce<B>(op, cpu, insn);
  else if (size == 1) r = reduce<H>(op, cpu, insn);
  else r = reduce<S>(op, cpu, insn);
  const width = <i64>(8 << (size + long));
  if (width < 64) r &= (<i64>1 << width) - 1;
  v128.store(pd(cpu, insn), i64x2.replace_lane(zero(), 0, r));
}
export function op_ADDV(cpu: usize, insn: u32): void { across<u8, u16, u32>(SUM, cpu, insn, 0); }
export function op_SADDLV(cpu: usize, insn: u32): void { across<i8, i16, i32>(SUM, cpu, insn, 1); }
export function op_UADDLV(cpu: usize, insn: u32): void { across<u8, u16, u32>(SUM, cpu, insn, 1); }
export function op_SMAXV(cpu: usize, insn: u32): void { across<i8, i16, i32>(MAX, cpu, insn, 0); }
export function op_UMAXV(cpu: usize, insn: u32): void { across<u8, u16, u32>(MAX, cpu, insn, 0); }
export function op_SMINV(cpu: usize, insn: u32): void { across<i8, i16, i32>(MIN, cpu, insn, 0); }
export function op_UMINV(cpu: usize, insn: u32): void { across<u8, u16, u32>(MIN, cpu, insn, 0); }
