// Cryptographic instructions of Armv8.2: FEAT_SHA512, FEAT_SHA3, FEAT_SM3, FEAT_SM4 (DDI 0487, C7.2).
// SHA-512: FIPS 180-4. SM3: GB/T 32905-2016. SM4: GB/T 32907-2016.
import { pa, pd, pm, pn, va, vd, vm, vn, zero } from "./simd-common";
import { SM4_SBOX, substitute } from "./simd-sboxes";

// --- SHA-512 -----------------------------------------------------------------------------------------------------

@inline function sigma1(x: u64): u64 { return rotr<u64>(x, 14) ^ rotr<u64>(x, 18) ^ rotr<u64>(x, 41); }
@inline function sigma0(x: u64): u64 { return rotr<u64>(x, 28) ^ rotr<u64>(x, 34) ^ rotr<u64>(x, 39); }
@inline function put2(cpu: usize, insn: u32, low: u64, high: u64): void {
  v128.store(pd(cpu, insn), i64x2.replace_lane(i64x2.splat(low), 1, high));
}
export function op_SHA512H(cpu: usize, insn: u32): void {
  const x0 = load<u64>(pn(cpu, insn)), x1 = load<u64>(pn(cpu, insn), 8);
  const y0 = load<u64>(pm(cpu, insn)), y1 = load<u64>(pm(cpu, insn), 8);
  const high = ((y1 & x0) ^ (~y1 & x1)) + sigma1(y1) + load<u64>(pd(cpu, insn), 8);
  const t = high + y0;
  put2(cpu, insn, ((t & y1) ^ (~t & x0)) + sigma1(t) + load<u64>(pd(cpu, insn)), high);
}
export function op_SHA512H2(cpu: usize, insn: u32): void {
  const x0 = load<u64>(pn(cpu, insn)), y0 = load<u64>(pm(cpu, insn)), y1 = load<u64>(pm(cpu, insn), 8);
  const high = ((x0 & y1) ^ (x0 & y0) ^ (y1 & y0)) + sigma0(y0) + load<u64>(pd(cpu, insn), 8);
  put2(cpu, insn, ((high & y0) ^ (high & y1) ^ (y1 & y0)) + sigma0(high) + load<u64>(pd(cpu, insn)), high);
}
@inline function small0(x: u64): u64 { return rotr<u64>(x, 1) ^ rotr<u64>(x, 8) ^ (x >>> 7); }
@inline function small1(x: u64): u64 { return rotr<u64>(x, 19) ^ rotr<u64>(x, 61) ^ (x >>> 6); }
export function op_SHA512SU0(cpu: usize, insn: u32): void {
  const w0 = load<u64>(pd(cpu, insn)), w1 = load<u64>(pd(cpu, insn), 8);
  put2(cpu, insn, w0 + small0(w1), w1 + small0(load<u64>(pn(cpu, insn))));
}
export function op_SHA512SU1(cpu: usize, insn: u32): void {
  const x = pn(cpu, insn), y = pm(cpu, insn), w = pd(cpu, insn);
  put2(cpu, insn, load<u64>(w) + small1(load<u64>(x)) + load<u64>(y), load<u64>(w, 8) + small1(load<u64>(x, 8)) + load<u64>(y, 8));
}

// --- SHA-3 ----------------------------------------------------------------------------------------------------------

export function op_EOR3(cpu: usize, insn: u32): void {
  v128.store(pd(cpu, insn), v128.xor(v128.xor(vn(cpu, insn), vm(cpu, insn)), va(cpu, insn)));
}
export function op_BCAX(cpu: usize, insn: u32): void {
  v128.store(pd(cpu, insn), v128.xor(vn(cpu, insn), v128.andnot(vm(cpu, insn), va(cpu, insn))));
}
export function op_RAX1(cpu: usize, insn: u32): void {
  const m = vm(cpu, insn);
  v128.store(pd(cpu, insn), v128.xor(vn(cpu, insn), v128.or(i64x2.shl(m, 1), i64x2.shr_u(m, 63))));
}
export function op_XAR(cpu: usize, insn: u32): void {
  const x = v128.xor(vn(cpu, insn), vm(cpu, insn)), n = (insn >>> 10) & 63;
  // Shift counts are taken modulo 64, so that a rotation by 0 is x | x.
  v128.store(pd(cpu, insn), v128.or(i64x2.shr_u(x, n), i64x2.shl(x, 64 - n)));
}

// --- SM3 -------------------------------------------------------------------------------------------------------------

@inline function rotateLeft(v: v128, n: i32): v128 { return v128.or(i32x4.shl(v, n), i32x4.shr_u(v, 32 - n)); }
@inline function p1(x: u32): u32 { return x ^ rotl<u32>(x, 15) ^ rotl<u32>(x, 23); }
@inline function p1Lanes(v: v128): v128 { return v128.xor(v128.xor(v, rotateLeft(v, 15)), rotateLeft(v, 23)); }
export function op_SM3PARTW1(cpu: usize, insn: u32): void {
  const dn = v128.xor(vd(cpu, insn), vn(cpu, insn));
  const r = p1Lanes(v128.xor(dn, rotateLeft(i32x4.shuffle(vm(cpu, insn), zero(), 1, 2, 3, 4), 15)));
  // Word 3 uses the finished word 0.
  const last = p1(i32x4.extract_lane(dn, 3) ^ rotl<u32>(i32x4.extract_lane(r, 0), 15));
  v128.store(pd(cpu, insn), i32x4.replace_lane(r, 3, last));
}
export function op_SM3PARTW2(cpu: usize, insn: u32): void {
  const t = v128.xor(vn(cpu, insn), rotateLeft(vm(cpu, insn), 7)), r = v128.xor(vd(cpu, insn), t);
  const last = i32x4.extract_lane(r, 3) ^ p1(rotl<u32>(i32x4.extract_lane(t, 0), 15));
  v128.store(pd(cpu, insn), i32x4.replace_lane(r, 3, last));
}
export function op_SM3SS1(cpu: usize, insn: u32): void {
  const r = rotl<u32>(rotl<u32>(load<u32>(pn(cpu, insn), 12), 12) + load<u32>(pm(cpu, insn), 12) + load<u32>(pa(cpu, insn), 12), 7);
  v128.store(pd(cpu, insn), i32x4.replace_lane(zero(), 3, r));
}
/** SM3TT1A, SM3TT1B, SM3TT2A, SM3TT2B: bit 11 tells 2 from 1, bit 10 tells B from A. */
export function op_SM3TT(cpu: usize, insn: u32): void {
  const d = pd(cpu, insn);
  const d0 = load<u32>(d), d1 = load<u32>(d, 4), d2 = load<u32>(d, 8), d3 = load<u32>(d, 12);
  const n3 = load<u32>(pn(cpu, insn), 12), w = load<u32>(pm(cpu, insn) + ((insn >>> 10) & 12));
  const second = (insn & 0x800) != 0;
  let t: u32;
  if (!(insn & 0x400)) t = d1 ^ d2 ^ d3;
  else if (second) t = (d3 & d2) | (~d3 & d1);
  else t = (d3 & d1) | (d3 & d2) | (d1 & d2);
  t += d0 + w;
  let middle: u32;
  if (second) {
    t += n3;
    t = t ^ rotl<u32>(t, 9) ^ rotl<u32>(t, 17);
    middle = rotl<u32>(d2, 19);
  } else {
    t += n3 ^ rotl<u32>(d3, 12);
    middle = rotl<u32>(d2, 9);
  }
  store<u32>(d, d1);
  store<u32>(d, middle, 4);
  store<u32>(d, d3, 8);
  store<u32>(d, t, 12);
}

// --- SM4 ---------------------------------------------------------------------------------------------------------------

@inline function sm4(cpu: usize, insn: u32, data: usize, key: usize, expand: bool): void {
  let r = v128.load(data);
  const k = v128.load(key);
  let x0 = <u32>i32x4.extract_lane(r, 0), x1 = <u32>i32x4.extract_lane(r, 1), x2 = <u32>i32x4.extract_lane(r, 2), x3 = <u32>i32x4.extract_lane(r, 3);
  for (let i = 0; i < 4; i++) {
    const ki = <u32>(i == 0 ? i32x4.extract_lane(k, 0) : i == 1 ? i32x4.extract_lane(k, 1) : i == 2 ? i32x4.extract_lane(k, 2) : i32x4.extract_lane(k, 3));
    const t = <u32>i32x4.extract_lane(substitute(SM4_SBOX, i32x4.splat(x1 ^ x2 ^ x3 ^ ki)), 0);
    const mixed = expand
      ? t ^ rotl<u32>(t, 13) ^ rotl<u32>(t, 23)
      : t ^ rotl<u32>(t, 2) ^ rotl<u32>(t, 10) ^ rotl<u32>(t, 18) ^ rotl<u32>(t, 24);
    const next = x0 ^ mixed;
    x0 = x1;
    x1 = x2;
    x2 = x3;
    x3 = next;
  }
  r = i32x4.replace_lane(i32x4.replace_lane(i32x4.replace_lane(i32x4.splat(x0), 1, x1), 2, x2), 3, x3);
  v128.store(pd(cpu, insn), r);
}
export function op_SM4E(cpu: usize, insn: u32): void { sm4(cpu, insn, pd(cpu, insn), pn(cpu, insn), false); }
export function op_SM4EKEY(cpu: usize, insn: u32): void { sm4(cpu, insn, pn(cpu, insn), pm(cpu, insn), true); }
