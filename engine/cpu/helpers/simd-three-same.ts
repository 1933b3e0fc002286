// Advanced SIMD three same: vector and scalar (DDI 0487, C4.1 "Advanced SIMD three same").
// `sameLanes` is inlined with a constant `op`, so that each helper is left with its own branch only.
import {
  absDiff, addSat, bits, clampLane, clearAbove, clearLaneSat, ELEMENT, elementAddress, elements, even, ge,
  gt, keep, max, maxOf, min, minOf, mul, noteLaneSat, noteQC, odd, pairFirst, pd, pm, pmul8, pn, put,
  putKeep, sat, shiftLane, sizeOf, subSat, vd, vm, vmOrElement, vn,
} from "./simd-common";

const ADD = 0, SUB = 1, HADD = 2, RHADD = 3, HSUB = 4, CMGT = 5, CMGE = 6, CMEQ = 7, CMTST = 8, MAX = 9, MIN = 10,
  ABD = 11, ABA = 12, MLA = 13, MLS = 14, MUL = 15;

@inline function sameLanes<T>(op: i32, d: v128, a: v128, b: v128): v128 {
  switch (op) {
    case ADD: return v128.add<T>(a, b);
    case SUB: return v128.sub<T>(a, b);
    case HADD: return v128.add<T>(v128.add<T>(v128.shr<T>(a, 1), v128.shr<T>(b, 1)), v128.and(v128.and(a, b), v128.splat<T>(<T>1)));
    case RHADD: return v128.add<T>(v128.add<T>(v128.shr<T>(a, 1), v128.shr<T>(b, 1)), v128.and(v128.or(a, b), v128.splat<T>(<T>1)));
    case HSUB: return v128.sub<T>(v128.sub<T>(v128.shr<T>(a, 1), v128.shr<T>(b, 1)), v128.and(v128.andnot(b, a), v128.splat<T>(<T>1)));
    case CMGT: return gt<T>(a, b);
    case CMGE: return ge<T>(a, b);
    case CMEQ: return v128.eq<T>(a, b);
    case CMTST: return v128.not(v128.eq<T>(v128.and(a, b), i64x2(0, 0)));
    case MAX: return max<T>(a, b);
    case MIN: return min<T>(a, b);
    case ABD: return absDiff<T>(a, b);
    case ABA: return v128.add<T>(d, absDiff<T>(a, b));
    case MLA: return v128.add<T>(d, mul<T>(a, b));
    case MLS: return v128.sub<T>(d, mul<T>(a, b));
    default: return mul<T>(a, b);
  }
}
/** Element sizes 8 to 64; also the scalar forms. */
@inline function same4<B, H, S, D>(op: i32, cpu: usize, insn: u32): void {
  const a = vn(cpu, insn), b = vm(cpu, insn), size = sizeOf(insn);
  let r: v128;
  if (size == 0) r = sameLanes<B>(op, a, a, b);
  else if (size == 1) r = sameLanes<H>(op, a, a, b);
  else if (size == 2) r = sameLanes<S>(op, a, a, b);
  else r = sameLanes<D>(op, a, a, b);
  putKeep(cpu, insn, r, size);
}
/** Element sizes 8 to 32. */
@inline function same3<B, H, S>(op: i32, cpu: usize, insn: u32): void {
  const d = vd(cpu, insn), a = vn(cpu, insn), b = vm(cpu, insn), size = sizeOf(insn);
  let r: v128;
  if (size == 0) r = sameLanes<B>(op, d, a, b);
  else if (size == 1) r = sameLanes<H>(op, d, a, b);
  else r = sameLanes<S>(op, d, a, b);
  put(cpu, insn, r);
}
export function op_ADD_vec(cpu: usize, insn: u32): void { same4<u8, u16, u32, u64>(ADD, cpu, insn); }
export function op_SUB_vec(cpu: usize, insn: u32): void { same4<u8, u16, u32, u64>(SUB, cpu, insn); }
export function op_CMGT(cpu: usize, insn: u32): void { same4<i8, i16, i32, i64>(CMGT, cpu, insn); }
export function op_CMGE(cpu: usize, insn: u32): void { same4<i8, i16, i32, i64>(CMGE, cpu, insn); }
export function op_CMHI(cpu: usize, insn: u32): void { same4<u8, u16, u32, u64>(CMGT, cpu, insn); }
export function op_CMHS(cpu: usize, insn: u32): void { same4<u8, u16, u32, u64>(CMGE, cpu, insn); }
export function op_CMEQ(cpu: usize, insn: u32): void { same4<u8, u16, u32, u64>(CMEQ, cpu, insn); }
export function op_CMTST(cpu: usize, insn: u32): void { same4<u8, u16, u32, u64>(CMTST, cpu, insn); }
export function op_SHADD(cpu: usize, insn: u32): void { same3<i8, i16, i32>(HADD, cpu, insn); }
export function op_UHADD(cpu: usize, insn: u32): void { same3<u8, u16, u32>(HADD, cpu, insn); }
export function op_SRHADD(cpu: usize, insn: u32): void { same3<i8, i16, i32>(RHADD, cpu, insn); }
export function op_URHADD(cpu: usize, insn: u32): void { same3<u8, u16, u32>(RHADD, cpu, insn); }
export function op_SHSUB(cpu: usize, insn: u32): void { same3<i8, i16, i32>(HSUB, cpu, insn); }
export function op_UHSUB(cpu: usize, insn: u32): void { same3<u8, u16, u32>(HSUB, cpu, insn); }
export function op_SMAX(cpu: usize, insn: u32): void { same3<i8, i16, i32>(MAX, cpu, insn); }
export function op_UMAX(cpu: usize, insn: u32): void { same3<u8, u16, u32>(MAX, cpu, insn); }
export function op_SMIN(cpu: usize, insn: u32): void { same3<i8, i16, i32>(MIN, cpu, insn); }
export function op_UMIN(cpu: usize, insn: u32): void { same3<u8, u16, u32>(MIN, cpu, insn); }
export function op_SABD(cpu: usize, insn: u32): void { same3<i8, i16, i32>(ABD, cpu, insn); }
export function op_UABD(cpu: usize, insn: u32): void { same3<u8, u16, u32>(ABD, cpu, insn); }
export function op_SABA(cpu: usize, insn: u32): void { same3<i8, i16, i32>(ABA, cpu, insn); }
export function op_UABA(cpu: usize, insn: u32): void { same3<u8, u16, u32>(ABA, cpu, insn); }
export function op_PMUL(cpu: usize, insn: u32): void { put(cpu, insn, pmul8(vn(cpu, insn), vm(cpu, insn))); }

// --- Multiplications, also by element ------------------------------------------------------------------------

@inline function multiplies(op: i32, cpu: usize, insn: u32): void {
  const d = vd(cpu, insn), a = vn(cpu, insn), b = vmOrElement(cpu, insn), size = sizeOf(insn);
  let r: v128;
  if (size == 0) r = sameLanes<u8>(op, d, a, b);
  else if (size == 1) r = sameLanes<u16>(op, d, a, b);
  else r = sameLanes<u32>(op, d, a, b);
  put(cpu, insn, r);
}
export function op_MLA(cpu: usize, insn: u32): void { multiplies(MLA, cpu, insn); }
export function op_MLS(cpu: usize, insn: u32): void { multiplies(MLS, cpu, insn); }
export function op_MUL(cpu: usize, insn: u32): void { multiplies(MUL, cpu, insn); }

/** SQDMULH, SQRDMULH and FEAT_RDM's SQRDMLAH (acc 1), SQRDMLSH (acc -1): the high half of twice the product. */
@inline function highLanes<T>(cpu: usize, insn: u32, rounding: bool, acc: i32): void {
  const n = <usize>elements<T>(insn) * sizeof<T>(), d = pd(cpu, insn), a = pn(cpu, insn);
  const b = pm(cpu, insn);
  let element: T = 0;
  const indexed = (insn & ELEMENT) != 0;
  if (indexed) element = load<T>(elementAddress(cpu, insn));
  const N = <i64>bits<T>();
  for (let i: usize = 0; i < n; i += sizeof<T>()) {
    // Halved against the pseudocode (which doubles the product), so that nothing overflows 64 bits.
    let x = <i64>load<T>(a + i) * <i64>(indexed ? element : load<T>(b + i));
    if (acc < 0) x = -x;
    if (acc != 0) x += <i64>load<T>(d + i) << (N - 1);
    if (rounding) x += <i64>1 << (N - 2);
    x >>= N - 1;
    store<T>(d + i, <T>clampLane(x, <i64>minOf<T>(), <i64>maxOf<T>()));
  }
  clearAbove<T>(cpu, insn);
}
@inline function high(cpu: usize, insn: u32, rounding: bool, acc: i32): void {
  clearLaneSat();
  if (sizeOf(insn) == 1) highLanes<i16>(cpu, insn, rounding, acc);
  else highLanes<i32>(cpu, insn, rounding, acc);
  noteLaneSat(cpu);
}
export function op_SQDMULH(cpu: usize, insn: u32): void { high(cpu, insn, false, 0); }
export function op_SQRDMULH(cpu: usize, insn: u32): void { high(cpu, insn, true, 0); }
export function op_SQRDMLAH(cpu: usize, insn: u32): void { high(cpu, insn, true, 1); }
export function op_SQRDMLSH(cpu: usize, insn: u32): void { high(cpu, insn, true, -1); }

// --- Logical ------------------------------------------------------------------------------------------------

export function op_AND_vec(cpu: usize, insn: u32): void { put(cpu, insn, v128.and(vn(cpu, insn), vm(cpu, insn))); }
export function op_BIC_vec(cpu: usize, insn: u32): void { put(cpu, insn, v128.andnot(vn(cpu, insn), vm(cpu, insn))); }
export function op_ORR_vec(cpu: usize, insn: u32): void { put(cpu, insn, v128.or(vn(cpu, insn), vm(cpu, insn))); }
export function op_ORN_vec(cpu: usize, insn: u32): void { put(cpu, insn, v128.or(vn(cpu, insn), v128.not(vm(cpu, insn)))); }
export function op_EOR_vec(cpu: usize, insn: u32): void { put(cpu, insn, v128.xor(vn(cpu, insn), vm(cpu, insn))); }
export function op_BSL(cpu: usize, insn: u32): void { put(cpu, insn, v128.bitselect(vn(cpu, insn), vm(cpu, insn), vd(cpu, insn))); }
export function op_BIT(cpu: usize, insn: u32): void { put(cpu, insn, v128.bitselect(vn(cpu, insn), vd(cpu, insn), vm(cpu, insn))); }
export function op_BIF(cpu: usize, insn: u32): void { put(cpu, insn, v128.bitselect(vd(cpu, insn), vn(cpu, insn), vm(cpu, insn))); }

// --- Pairwise -----------------------------------------------------------------------------------------------

@inline function pairLanes<T>(op: i32, a: v128, b: v128): v128 {
  const e = even<T>(a, b), o = odd<T>(a, b);
  return op == ADD ? v128.add<T>(e, o) : op == MAX ? max<T>(e, o) : min<T>(e, o);
}
@inline function pairs<B, H, S>(op: i32, cpu: usize, insn: u32): void {
  const b = vm(cpu, insn), a = pairFirst(insn, vn(cpu, insn), b), size = sizeOf(insn);
  let r: v128;
  if (size == 0) r = pairLanes<B>(op, a, b);
  else if (size == 1) r = pairLanes<H>(op, a, b);
  else r = pairLanes<S>(op, a, b);
  put(cpu, insn, r);
}
export function op_ADDP_vec(cpu: usize, insn: u32): void {
  if (sizeOf(insn) == 3) put(cpu, insn, pairLanes<u64>(ADD, vn(cpu, insn), vm(cpu, insn)));
  else pairs<u8, u16, u32>(ADD, cpu, insn);
}
export function op_SMAXP(cpu: usize, insn: u32): void { pairs<i8, i16, i32>(MAX, cpu, insn); }
export function op_UMAXP(cpu: usize, insn: u32): void { pairs<u8, u16, u32>(MAX, cpu, insn); }
export function op_SMINP(cpu: usize, insn: u32): void { pairs<i8, i16, i32>(MIN, cpu, insn); }
export function op_UMINP(cpu: usize, insn: u32): void { pairs<u8, u16, u32>(MIN, cpu, insn); }
/** ADDP Dd, Vn.2D. */
export function op_ADDP_scalar(cpu: usize, insn: u32): void {
  v128.store(pd(cpu, insn), i64x2.replace_lane(i64x2(0, 0), 0, load<u64>(pn(cpu, insn)) + load<u64>(pn(cpu, insn), 8)));
}

// --- Saturating add and subtract ------------------------------------------------------------------------------

@inline function satLanes<B, H, S, D>(op: i32, cpu: usize, insn: u32): void {
  const size = sizeOf(insn), a = keep(insn, vn(cpu, insn), size), b = keep(insn, vm(cpu, insn), size);
  let r: v128;
  if (size == 0) r = op == ADD ? addSat<B>(a, b) : subSat<B>(a, b);
  else if (size == 1) r = op == ADD ? addSat<H>(a, b) : subSat<H>(a, b);
  else if (size == 2) r = op == ADD ? addSat<S>(a, b) : subSat<S>(a, b);
  else r = op == ADD ? addSat<D>(a, b) : subSat<D>(a, b);
  noteQC(cpu, sat);
  v128.store(pd(cpu, insn), r);
}
export function op_SQADD(cpu: usize, insn: u32): void { satLanes<i8, i16, i32, i64>(ADD, cpu, insn); }
export function op_UQADD(cpu: usize, insn: u32): void { satLanes<u8, u16, u32, u64>(ADD, cpu, insn); }
export function op_SQSUB(cpu: usize, insn: u32): void { satLanes<i8, i16, i32, i64>(SUB, cpu, insn); }
export function op_UQSUB(cpu: usize, insn: u32): void { satLanes<u8, u16, u32, u64>(SUB, cpu, insn); }

// --- Shifts by register -----------------------------------------------------------------------------------------

@inline function shiftLanes<T>(cpu: usize, insn: u32, rounding: bool, saturating: bool): void {
  const n = elements<T>(insn), d = pd(cpu, insn), a = pn(cpu, insn), b = pm(cpu, insn);
  for (let i: usize = 0; i < <usize>n * sizeof<T>(); i += sizeof<T>()) {
    store<T>(d + i, shiftLane<T>(load<T>(a + i), <i32>load<i8>(b + i), rounding, saturating));
  }
  clearAbove<T>(cpu, insn);
}
@inline function shifts<B, H, S, D>(cpu: usize, insn: u32, rounding: bool, saturating: bool): void {
  clearLaneSat();
  const size = sizeOf(insn);
  if (size == 0) shiftLanes<B>(cpu, insn, rounding, saturating);
  else if (size == 1) shiftLanes<H>(cpu, insn, rounding, saturating);
  else if (size == 2) shiftLanes<S>(cpu, insn, rounding, saturating);
  else shiftLanes<D>(cpu, insn, rounding, saturating);
  noteLaneSat(cpu);
}
export function op_SSHL(cpu: usize, insn: u32): void { shifts<i8, i16, i32, i64>(cpu, insn, false, false); }
export function op_USHL(cpu: usize, insn: u32): void { shifts<u8, u16, u32, u64>(cpu, insn, false, false); }
export function op_SRSHL(cpu: usize, insn: u32): void { shifts<i8, i16, i32, i64>(cpu, insn, true, false); }
export function op_URSHL(cpu: usize, insn: u32): void { shifts<u8, u16, u32, u64>(cpu, insn, true, false); }
export function op_SQSHL_reg(cpu: usize, insn: u32): void { shifts<i8, i16, i32, i64>(cpu, insn, false, true); }
export function op_UQSHL_reg(cpu: usize, insn: u32): void { shifts<u8, u16, u32, u64>(cpu, insn, false, true); }
export function op_SQRSHL(cpu: usize, insn: u32): void { shifts<i8, i16, i32, i64>(cpu, insn, true, true); }
export function op_UQRSHL(cpu: usize, insn: u32): void { shifts<u8, u16, u32, u64>(cpu, insn, true, true); }
