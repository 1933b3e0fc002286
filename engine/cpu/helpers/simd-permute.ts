// Advanced SIMD copy, permute, extract, table lookup and modified immediate: instructions that move elements.
import { CPU_Q } from "./layout";
import { even, odd, pairFirst, pd, pn, put, Q, SCALAR, sizeOf, vd, vm, vn, zero } from "./simd-common";

/** 0, 1, ... 15 as bytes. */
@inline function iota(): v128 { return i64x2(0x0706050403020100, 0x0f0e0d0c0b0a0908); }

// --- Copy -----------------------------------------------------------------------------------------------------------------

@inline function imm5(insn: u32): u32 { return (insn >>> 16) & 31; }
/** Address of the element of Vn that imm5 selects. */
@inline function elementN(cpu: usize, insn: u32, size: u32): usize {
  return pn(cpu, insn) + ((imm5(insn) >>> (size + 1)) << size);
}
/** DUP (element), vector and scalar. */
export function op_DUP_elem(cpu: usize, insn: u32): void {
  const size = <u32>ctz<u32>(imm5(insn)), p = elementN(cpu, insn, size);
  if (insn & SCALAR) {
    let x: u64;
    if (size == 0) x = load<u8>(p);
    else if (size == 1) x = load<u16>(p);
    else if (size == 2) x = load<u32>(p);
    else x = load<u64>(p);
    v128.store(pd(cpu, insn), i64x2.replace_lane(zero(), 0, x));
    return;
  }
  let r: v128;
  if (size == 0) r = v128.load8_splat(p);
  else if (size == 1) r = v128.load16_splat(p);
  else if (size == 2) r = v128.load32_splat(p);
  else r = v128.load64_splat(p);
  put(cpu, insn, r);
}
@inline function xn(cpu: usize, insn: u32): u64 { return load<u64>(cpu + ((insn >>> 2) & 0xf8)); }
export function op_DUP_gen(cpu: usize, insn: u32): void {
  const size = <u32>ctz<u32>(imm5(insn)), x = xn(cpu, insn);
  let r: v128;
  if (size == 0) r = i8x16.splat(<i8>x);
  else if (size == 1) r = i16x8.splat(<i16>x);
  else if (size == 2) r = i32x4.splat(<i32>x);
  else r = i64x2.splat(x);
  put(cpu, insn, r);
}
@inline function insert(cpu: usize, insn: u32, size: u32, x: u64): void {
  const p = pd(cpu, insn) + ((imm5(insn) >>> (size + 1)) << size);
  if (size == 0) store<u8>(p, <u8>x);
  else if (size == 1) store<u16>(p, <u16>x);
  else if (size == 2) store<u32>(p, <u32>x);
  else store<u64>(p, x);
}
export function op_INS_gen(cpu: usize, insn: u32): void {
  insert(cpu, insn, <u32>ctz<u32>(imm5(insn)), xn(cpu, insn));
}
export function op_INS_elem(cpu: usize, insn: u32): void {
  const size = <u32>ctz<u32>(imm5(insn)), p = pn(cpu, insn) + ((((insn >>> 11) & 15) >>> size) << size);
  if (size == 0) insert(cpu, insn, size, load<u8>(p));
  else if (size == 1) insert(cpu, insn, size, load<u16>(p));
  else if (size == 2) insert(cpu, insn, size, load<u32>(p));
  else insert(cpu, insn, size, load<u64>(p));
}
@inline function setX(cpu: usize, insn: u32, x: u64): void {
  if ((insn & 31) != 31) store<u64>(cpu + ((insn & 31) << 3), x);
}
export function op_UMOV(cpu: usize, insn: u32): void {
  const size = <u32>ctz<u32>(imm5(insn)), p = elementN(cpu, insn, size);
  if (size == 0) setX(cpu, insn, load<u8>(p));
  else if (size == 1) setX(cpu, insn, load<u16>(p));
  else if (size == 2) setX(cpu, insn, load<u32>(p));
  else setX(cpu, insn, load<u64>(p));
}
export function op_SMOV(cpu: usize, insn: u32): void {
  const size = <u32>ctz<u32>(imm5(insn)), p = elementN(cpu, insn, size);
  let x: i64;
  if (size == 0) x = <i64>load<i8>(p);
  else if (size == 1) x = <i64>load<i16>(p);
  else x = <i64>load<i32>(p);
  setX(cpu, insn, insn & Q ? <u64>x : <u64><u32>x);
}

// --- Permute ------------------------------------------------------------------------------------------------------------------

@inline function interleaveLow<T>(a: v128, b: v128): v128 {
  if (sizeof<T>() == 1) return i8x16.shuffle(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
  else if (sizeof<T>() == 2) return i16x8.shuffle(a, b, 0, 8, 1, 9, 2, 10, 3, 11);
  else if (sizeof<T>() == 4) return i32x4.shuffle(a, b, 0, 4, 1, 5);
  else return i64x2.shuffle(a, b, 0, 2);
}
@inline function interleaveHigh<T>(a: v128, b: v128): v128 {
  if (sizeof<T>() == 1) return i8x16.shuffle(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
  else if (sizeof<T>() == 2) return i16x8.shuffle(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
  else if (sizeof<T>() == 4) return i32x4.shuffle(a, b, 2, 6, 3, 7);
  else return i64x2.shuffle(a, b, 1, 3);
}
@inline function transposeEven<T>(a: v128, b: v128): v128 {
  if (sizeof<T>() == 1) return i8x16.shuffle(a, b, 0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12, 28, 14, 30);
  else if (sizeof<T>() == 2) return i16x8.shuffle(a, b, 0, 8, 2, 10, 4, 12, 6, 14);
  else if (sizeof<T>() == 4) return i32x4.shuffle(a, b, 0, 4, 2, 6);
  else return i64x2.shuffle(a, b, 0, 2);
}
@inline function transposeOdd<T>(a: v128, b: v128): v128 {
  if (sizeof<T>() == 1) return i8x16.shuffle(a, b, 1, 17, 3, 19, 5, 21, 7, 23, 9, 25, 11, 27, 13, 29, 15, 31);
  else if (sizeof<T>() == 2) return i16x8.shuffle(a, b, 1, 9, 3, 11, 5, 13, 7, 15);
  else if (sizeof<T>() == 4) return i32x4.shuffle(a, b, 1, 5, 3, 7);
  else return i64x2.shuffle(a, b, 1, 3);
}
const ZIP1 = 0, ZIP2 = 1, UZP1 = 2, UZP2 = 3, TRN1 = 4, TRN2 = 5;
@inline function permuteLanes<T>(op: i32, insn: u32, a: v128, b: v128): v128 {
  switch (op) {
    case ZIP1: return interleaveLow<T>(a, b);
    case ZIP2: {
      if (insn & Q) return interleaveHigh<T>(a, b);
      // All of two 64-bit vectors interleaved fills 128 bits; ZIP2 is its upper half.
      const z = interleaveLow<T>(a, b);
      return i64x2.shuffle(z, z, 1, 1);
    }
    case UZP1: return even<T>(pairFirst(insn, a, b), b);
    case UZP2: return odd<T>(pairFirst(insn, a, b), b);
    case TRN1: return transposeEven<T>(a, b);
    default: return transposeOdd<T>(a, b);
  }
}
@inline function permute(op: i32, cpu: usize, insn: u32): void {
  const a = vn(cpu, insn), b = vm(cpu, insn), size = sizeOf(insn);
  let r: v128;
  if (size == 0) r = permuteLanes<u8>(op, insn, a, b);
  else if (size == 1) r = permuteLanes<u16>(op, insn, a, b);
  else if (size == 2) r = permuteLanes<u32>(op, insn, a, b);
  else r = permuteLanes<u64>(op, insn, a, b);
  put(cpu, insn, r);
}
export function op_ZIP1(cpu: usize, insn: u32): void { permute(ZIP1, cpu, insn); }
export function op_ZIP2(cpu: usize, insn: u32): void { permute(ZIP2, cpu, insn); }
export function op_UZP1(cpu: usize, insn: u32): void { permute(UZP1, cpu, insn); }
export function op_UZP2(cpu: usize, insn: u32): void { permute(UZP2, cpu, insn); }
export function op_TRN1(cpu: usize, insn: u32): void { permute(TRN1, cpu, insn); }
export function op_TRN2(cpu: usize, insn: u32): void { permute(TRN2, cpu, insn); }

export function op_EXT(cpu: usize, insn: u32): void {
  const b = vm(cpu, insn), a = pairFirst(insn, vn(cpu, insn), b);
  const at = i8x16.add(iota(), i8x16.splat(<i8>((insn >>> 11) & 15)));
  // Lanes out of swizzle's range read as zero, so exactly one of the two yields each byte.
  put(cpu, insn, v128.or(v128.swizzle(a, at), v128.swizzle(b, i8x16.sub(at, i8x16.splat(16)))));
}

// --- Table lookup ----------------------------------------------------------------------------------------------------------------

@inline function lookup(cpu: usize, insn: u32, at: v128): v128 {
  const last = (insn >>> 13) & 3;
  let reg = (insn >>> 5) & 31;
  let r = v128.swizzle(v128.load(cpu + CPU_Q + (reg << 4)), at);
  for (let i: u32 = 0; i < last; i++) {
    reg = (reg + 1) & 31;
    at = i8x16.sub(at, i8x16.splat(16));
    r = v128.or(r, v128.swizzle(v128.load(cpu + CPU_Q + (reg << 4)), at));
  }
  return r;
}
export function op_TBL(cpu: usize, insn: u32): void { put(cpu, insn, lookup(cpu, insn, vm(cpu, insn))); }
export function op_TBX(cpu: usize, insn: u32): void {
  const at = vm(cpu, insn), bytes = ((((insn >>> 13) & 3) + 1) << 4);
  put(cpu, insn, v128.bitselect(lookup(cpu, insn, at), vd(cpu, insn), i8x16.lt_u(at, i8x16.splat(<i8>bytes))));
}

// --- Modified immediate -------------------------------------------------------------------------------------------------------------

@inline function abcdefgh(insn: u32): u64 { return <u64>(((insn >>> 11) & 0xe0) | ((insn >>> 5) & 31)); }
/** AdvSIMDExpandImm() for cmode 0xxx to 1101: 32- or 16-bit shifted immediates. */
@inline function shiftedImmediate(insn: u32): u64 {
  const cmode = (insn >>> 12) & 15;
  let x = abcdefgh(insn);
  if (cmode < 8) { x <<= <u64>((cmode >>> 1) << 3); return x | (x << 32); }
  if (cmode < 12) { x <<= <u64>(((cmode >>> 1) & 1) << 3); x |= x << 16; return x | (x << 32); }
  x = cmode & 1 ? (x << 16) | 0xffff : (x << 8) | 0xff;
  return x | (x << 32);
}
export function op_MOVI(cpu: usize, insn: u32): void { put(cpu, insn, i64x2.splat(shiftedImmediate(insn))); }
export function op_MVNI(cpu: usize, insn: u32): void { put(cpu, insn, i64x2.splat(~shiftedImmediate(insn))); }
export function op_ORR_imm(cpu: usize, insn: u32): void { put(cpu, insn, v128.or(vd(cpu, insn), i64x2.splat(shiftedImmediate(insn)))); }
export function op_BIC_imm(cpu: usize, insn: u32): void { put(cpu, insn, v128.andnot(vd(cpu, insn), i64x2.splat(shiftedImmediate(insn)))); }
export function op_MOVI_byte(cpu: usize, insn: u32): void { put(cpu, insn, i8x16.splat(<i8>abcdefgh(insn))); }
/** MOVI Dd or Vd.2D: each bit of the immediate fills a byte. */
export function op_MOVI_64(cpu: usize, insn: u32): void {
  let x = abcdefgh(insn), r: u64 = 0;
  for (let i = 0; i < 8; i++) if (x & (<u64>1 << i)) r |= <u64>0xff << (i << 3);
  put(cpu, insn, i64x2.splat(r));
}
export function op_FMOV_imm_half(cpu: usize, insn: u32): void {
  const x = <u32>abcdefgh(insn);
  put(cpu, insn, i16x8.splat(<i16>(((x & 0x80) << 8) | (x & 0x40 ? 0x3000 : 0x4000) | ((x & 0x3f) << 6))));
}
export function op_FMOV_imm_single(cpu: usize, insn: u32): void {
  const x = <u32>abcdefgh(insn);
  put(cpu, insn, i32x4.splat(((x & 0x80) << 24) | (x & 0x40 ? 0x3e000000 : 0x40000000) | ((x & 0x3f) << 19)));
}
export function op_FMOV_imm_double(cpu: usize, insn: u32): void {
  const x = abcdefgh(insn);
  put(cpu, insn, i64x2.splat(((x & 0x80) << 56) | (x & 0x40 ? 0x3fc0000000000000 : 0x4000000000000000) | ((x & 0x3f) << 48)));
}
