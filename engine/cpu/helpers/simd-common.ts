// What all Advanced SIMD helpers share: fields, register access, and lane operations that WebAssembly's SIMD
// lacks for some element size. Pseudocode names are those of DDI 0487, chapter J1.
import { CPU_FPSR, CPU_Q } from "./layout";

/** Bit 30: the vector is 128 bits wide. Scalar encodings have it set as well. */
export const Q: u32 = 1 << 30;
/** Bit 28 is set in the scalar forms of the Advanced SIMD encodings and clear in the vector forms. */
export const SCALAR: u32 = 1 << 28;
const QC: u32 = 1 << 27;

/** Masks of one element in lane 0, indexed by log2 of the element's bytes. */
const LANE0 = memory.data<u64>([0xff, 0, 0xffff, 0, 0xffffffff, 0, 0xffffffffffffffff, 0]);

@inline export function pd(cpu: usize, insn: u32): usize { return cpu + CPU_Q + ((insn << 4) & 0x1f0); }
@inline export function pn(cpu: usize, insn: u32): usize { return cpu + CPU_Q + ((insn >>> 1) & 0x1f0); }
@inline export function pm(cpu: usize, insn: u32): usize { return cpu + CPU_Q + ((insn >>> 12) & 0x1f0); }
@inline export function pa(cpu: usize, insn: u32): usize { return cpu + CPU_Q + ((insn >>> 6) & 0x1f0); }
@inline export function vd(cpu: usize, insn: u32): v128 { return v128.load(pd(cpu, insn)); }
@inline export function vn(cpu: usize, insn: u32): v128 { return v128.load(pn(cpu, insn)); }
@inline export function vm(cpu: usize, insn: u32): v128 { return v128.load(pm(cpu, insn)); }
@inline export function va(cpu: usize, insn: u32): v128 { return v128.load(pa(cpu, insn)); }
@inline export function sizeOf(insn: u32): u32 { return (insn >>> 22) & 3; }
@inline export function zero(): v128 { return i64x2(0, 0); }

/** `v` with everything above the datasize cleared; `size` is log2 of the element's bytes (scalar forms). */
@inline export function keep(insn: u32, v: v128, size: u32): v128 {
  if ((insn & (Q | SCALAR)) == Q) return v;
  if (insn & SCALAR) return v128.and(v, v128.load(LANE0 + (size << 4)));
  return i64x2.replace_lane(v, 1, 0);
}

/** Writes Vd for encodings that have no scalar form. */
@inline export function put(cpu: usize, insn: u32, v: v128): void {
  if (!(insn & Q)) v = i64x2.replace_lane(v, 1, 0);
  v128.store(pd(cpu, insn), v);
}

/** Writes Vd for encodings with vector and scalar forms. */
@inline export function putKeep(cpu: usize, insn: u32, v: v128, size: u32): void {
  v128.store(pd(cpu, insn), keep(insn, v, size));
}

/** Writes the 64-bit result of a narrowing operation: low half and zeroes, or only the upper half (the `2` forms). */
@inline export function putNarrow(cpu: usize, insn: u32, v: v128, size: u32): void {
  if ((insn & (Q | SCALAR)) == Q) store<u64>(pd(cpu, insn), i64x2.extract_lane(v, 0), 8);
  else v128.store(pd(cpu, insn), keep(insn, i64x2.replace_lane(v, 1, 0), size));
}

/** Vpart[]: the half of a source that a long operation reads, moved to lane 0 upwards. */
@inline export function part(insn: u32, v: v128): v128 {
  return (insn & (Q | SCALAR)) == Q ? i64x2.shuffle(v, v, 1, 1) : v;
}

/** Set in the by-element encodings ("vector x indexed element"), clear in the register forms. */
export const ELEMENT: u32 = 1 << 24;
/** Address of the indexed element: size 1 has index H:L:M and a 4-bit Vm, size 2 has H:L and 5 bits. */
@inline export function elementAddress(cpu: usize, insn: u32): usize {
  const h = (insn >>> 11) & 1, l = (insn >>> 21) & 1, m = (insn >>> 20) & 1;
  return sizeOf(insn) == 1
    ? cpu + CPU_Q + ((insn >>> 12) & 0xf0) + (((h << 2) | (l << 1) | m) << 1)
    : pm(cpu, insn) + (((h << 1) | l) << 2);
}
/** The second source of instructions that exist with a register and with an indexed element. */
@inline export function vmOrElement(cpu: usize, insn: u32): v128 {
  if (!(insn & ELEMENT)) return vm(cpu, insn);
  const p = elementAddress(cpu, insn);
  return sizeOf(insn) == 1 ? v128.load16_splat(p) : v128.load32_splat(p);
}

@inline export function setQC(cpu: usize): void { store<u32>(cpu + CPU_FPSR, load<u32>(cpu + CPU_FPSR) | QC); }
/** Sets FPSR.QC if any bit of `saturated` is set. */
@inline export function noteQC(cpu: usize, saturated: v128): void {
  if (v128.any_true(saturated)) setQC(cpu);
}

// --- Lane operations ------------------------------------------------------------------------------------

@inline export function bits<T>(): i32 { return sizeof<T>() << 3; }
/** The smallest signed value of the element size, in every lane. */
@inline export function signs<T>(): v128 { return v128.splat<T>(<T>(<u64>1 << (bits<T>() - 1))); }

@inline export function gt<T>(a: v128, b: v128): v128 {
  if (sizeof<T>() == 8) {
    if (isSigned<T>()) return i64x2.gt_s(a, b);
    const s = signs<u64>();
    return i64x2.gt_s(v128.xor(a, s), v128.xor(b, s));
  } else return v128.gt<T>(a, b);
}
@inline export function ge<T>(a: v128, b: v128): v128 { return v128.not(gt<T>(b, a)); }
@inline export function max<T>(a: v128, b: v128): v128 {
  if (sizeof<T>() == 8) return v128.bitselect(a, b, gt<T>(a, b));
  else return v128.max<T>(a, b);
}
@inline export function min<T>(a: v128, b: v128): v128 {
  if (sizeof<T>() == 8) return v128.bitselect(b, a, gt<T>(a, b));
  else return v128.min<T>(a, b);
}
@inline export function mul<T>(a: v128, b: v128): v128 {
  if (sizeof<T>() == 1) {
    return i8x16.shuffle(i16x8.extmul_low_i8x16_u(a, b), i16x8.extmul_high_i8x16_u(a, b),
      0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
  } else return v128.mul<T>(a, b);
}
/** Polynomial (carry-less) product of bytes, low 8 bits. */
@inline export function pmul8(a: v128, b: v128): v128 {
  let r = zero();
  for (let i = 0; i < 8; i++) {
    r = v128.xor(r, v128.and(i8x16.shl(a, i), i8x16.shr_s(i8x16.shl(b, 7 - i), 7)));
  }
  return r;
}
/** Absolute difference, as an unsigned number of the element size. */
@inline export function absDiff<T>(a: v128, b: v128): v128 { return v128.sub<T>(max<T>(a, b), min<T>(a, b)); }

/** Elements 0, 2, 4... of a, then of b. */
@inline export function even<T>(a: v128, b: v128): v128 {
  if (sizeof<T>() == 1) return i8x16.shuffle(a, b, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
  else if (sizeof<T>() == 2) return i16x8.shuffle(a, b, 0, 2, 4, 6, 8, 10, 12, 14);
  else if (sizeof<T>() == 4) return i32x4.shuffle(a, b, 0, 2, 4, 6);
  else return i64x2.shuffle(a, b, 0, 2);
}
@inline export function odd<T>(a: v128, b: v128): v128 {
  if (sizeof<T>() == 1) return i8x16.shuffle(a, b, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
  else if (sizeof<T>() == 2) return i16x8.shuffle(a, b, 1, 3, 5, 7, 9, 11, 13, 15);
  else if (sizeof<T>() == 4) return i32x4.shuffle(a, b, 1, 3, 5, 7);
  else return i64x2.shuffle(a, b, 1, 3);
}
/** The two sources of a pairwise operation as one sequence: for 64-bit vectors both fit in the first. */
@inline export function pairFirst(insn: u32, a: v128, b: v128): v128 {
  return insn & Q ? a : i64x2.shuffle(a, b, 0, 2);
}

// --- Saturating arithmetic: results, and lanes that saturated in `sat` ------------------------------------

/** Lanes that the last saturating operation changed. Read it at once with noteQC. */
export let sat: v128 = i64x2(0, 0);

/** All ones where the sign bit is set. */
@inline function signMask<T>(v: v128): v128 {
  if (sizeof<T>() == 1) return i8x16.shr_s(v, 7);
  else if (sizeof<T>() == 2) return i16x8.shr_s(v, 15);
  else if (sizeof<T>() == 4) return i32x4.shr_s(v, 31);
  else return i64x2.shr_s(v, 63);
}
/** Largest value where v is not negative, smallest where it is. */
@inline function limitLike<T>(v: v128): v128 { return v128.xor(signMask<T>(v), v128.not(signs<T>())); }

@inline export function addSat<T>(a: v128, b: v128): v128 {
  const s = v128.add<T>(a, b);
  if (isSigned<T>()) {
    sat = signMask<T>(v128.and(v128.xor(a, s), v128.xor(b, s)));
    return v128.bitselect(limitLike<T>(a), s, sat);
  } else {
    sat = gt<T>(a, s);
    return v128.or(s, sat);
  }
}
@inline export function subSat<T>(a: v128, b: v128): v128 {
  const s = v128.sub<T>(a, b);
  if (isSigned<T>()) {
    sat = signMask<T>(v128.and(v128.xor(a, s), v128.xor(a, b)));
    return v128.bitselect(limitLike<T>(a), s, sat);
  } else {
    sat = gt<T>(b, a);
    return v128.andnot(s, sat);
  }
}

// --- Shifts -------------------------------------------------------------------------------------------------

/** Right shift by 0 to the element's bits inclusive. */
@inline export function shiftRight<T>(v: v128, n: i32): v128 {
  if (isSigned<T>()) return v128.shr<T>(v, n == bits<T>() ? n - 1 : n);
  else return n == bits<T>() ? zero() : v128.shr<T>(v, n);
}
/** Right shift by 1 to the element's bits inclusive, to the nearest, halves up. */
@inline export function shiftRightRound<T>(v: v128, n: i32): v128 {
  const t = v128.shr<T>(v, n - 1);
  return v128.add<T>(v128.shr<T>(t, 1), v128.and(t, v128.splat<T>(<T>1)));
}

/** Set by the scalar lane functions when they saturate; helpers clear it first and look at it last. */
export let laneSat: bool = false;
@inline export function clearLaneSat(): void { laneSat = false; }
@inline export function noteLaneSat(cpu: usize): void { if (laneSat) setQC(cpu); }

@inline function widest<T>(v: T): i64 { return isSigned<T>() ? <i64>v : <i64><u64>v; }
@inline export function maxOf<T>(): T {
  return isSigned<T>() ? <T>((<u64>1 << (bits<T>() - 1)) - 1) : <T>(-1);
}
@inline export function minOf<T>(): T { return isSigned<T>() ? <T>(<u64>1 << (bits<T>() - 1)) : <T>0; }

@inline export function laneOver(): void { laneSat = true; }
@inline export function clampLane(x: i64, low: i64, high: i64): i64 {
  if (x > high) { laneSat = true; return high; }
  if (x < low) { laneSat = true; return low; }
  return x;
}

/** One element shifted left by n (right when negative): SSHL, SRSHL, SQSHL, SQRSHL and the unsigned ones. */
@inline export function shiftLane<T>(v: T, n: i32, rounding: bool, saturating: bool): T {
  const x = widest<T>(v);
  if (n < 0) {
    n = -n;
    if (!rounding) {
      if (isSigned<T>()) return <T>(x >> <i64>(n > 63 ? 63 : n));
      else return n > 63 ? <T>0 : <T>(<u64>x >> <u64>n);
    }
    if (n > 64) return <T>0;
    if (isSigned<T>()) {
      if (n == 64) return <T>0;
      return <T>((x >> <i64>n) + ((x >> <i64>(n - 1)) & 1));
    } else {
      if (n == 64) return <T>(<u64>x >> 63);
      return <T>((<u64>x >> <u64>n) + ((<u64>x >> <u64>(n - 1)) & 1));
    }
  }
  if (n >= bits<T>()) {
    if (!saturating || x == 0) return <T>0;
    laneSat = true;
    return isSigned<T>() && x < 0 ? minOf<T>() : maxOf<T>();
  }
  const r = <T>(x << <i64>n);
  if (saturating) {
    const back: i64 = isSigned<T>() ? widest<T>(r) >> <i64>n : <i64>(<u64>widest<T>(r) >> <u64>n);
    if (back != x) {
      laneSat = true;
      return isSigned<T>() && x < 0 ? minOf<T>() : maxOf<T>();
    }
  }
  return r;
}

/** Number of elements an encoding works on. */
@inline export function elements<T>(insn: u32): i32 {
  return insn & SCALAR ? 1 : (insn & Q ? 16 : 8) / <i32>sizeof<T>();
}
/** Clears what lies above the elements written one by one. */
@inline export function clearAbove<T>(cpu: usize, insn: u32): void {
  if ((insn & (Q | SCALAR)) != Q) v128.store(pd(cpu, insn), keep(insn, vd(cpu, insn), <u32>ctz<i32>(sizeof<T>())));
}
