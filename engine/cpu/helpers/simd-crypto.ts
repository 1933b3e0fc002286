// The Cryptographic Extension of Armv8.0 (FEAT_AES, FEAT_SHA1, FEAT_SHA256) and CRC32 (FEAT_CRC32).
// AES: FIPS 197. SHA: FIPS 180-4. Instruction semantics: DDI 0487, chapters C7.2 and J1 (SHA256hash() ...).
import { pd, pm, pn, vd, vm, vn, zero } from "./simd-common";
import { AES_INVERSE, AES_SBOX, substitute } from "./simd-sboxes";

// --- AES ------------------------------------------------------------------------------------------------------

export function op_AESE(cpu: usize, insn: u32): void {
  const s = v128.xor(vd(cpu, insn), vn(cpu, insn));
  // ShiftRows: the byte of row r comes from r columns to the right.
  const rows = i8x16.shuffle(s, s, 0, 5, 10, 15, 4, 9, 14, 3, 8, 13, 2, 7, 12, 1, 6, 11);
  v128.store(pd(cpu, insn), substitute(AES_SBOX, rows));
}
export function op_AESD(cpu: usize, insn: u32): void {
  const s = v128.xor(vd(cpu, insn), vn(cpu, insn));
  const rows = i8x16.shuffle(s, s, 0, 13, 10, 7, 4, 1, 14, 11, 8, 5, 2, 15, 12, 9, 6, 3);
  v128.store(pd(cpu, insn), substitute(AES_INVERSE, rows));
}
/** Multiplication by x in GF(2^8), each byte. */
@inline function xtime(v: v128): v128 {
  return v128.xor(i8x16.shl(v, 1), v128.and(i8x16.shr_s(v, 7), i8x16.splat(0x1b)));
}
@inline function rotate1(v: v128): v128 { return i8x16.shuffle(v, v, 1, 2, 3, 0, 5, 6, 7, 4, 9, 10, 11, 8, 13, 14, 15, 12); }
@inline function rotate2(v: v128): v128 { return i16x8.shuffle(v, v, 1, 0, 3, 2, 5, 4, 7, 6); }
/** 2 a0 + 3 a1 + a2 + a3 in each column, that is x(a0 + a1) + a1 + (a2 + a3). */
@inline function mixColumns(v: v128): v128 {
  const r = rotate1(v), sum = v128.xor(v, r);
  return v128.xor(v128.xor(xtime(sum), r), rotate2(sum));
}
export function op_AESMC(cpu: usize, insn: u32): void { v128.store(pd(cpu, insn), mixColumns(vn(cpu, insn))); }
export function op_AESIMC(cpu: usize, insn: u32): void {
  // The inverse matrix is MixColumns times the circulant (5, 0, 4, 0).
  const v = vn(cpu, insn);
  v128.store(pd(cpu, insn), mixColumns(v128.xor(v, xtime(xtime(v128.xor(v, rotate2(v)))))));
}

// --- SHA-1 ------------------------------------------------------------------------------------------------------

const CHOOSE = 0, PARITY = 1, MAJORITY = 2;
@inline function sha1(op: i32, cpu: usize, insn: u32): void {
  const d = pd(cpu, insn), w = pm(cpu, insn);
  const schedule = v128.load(w);
  let x0 = load<u32>(d), x1 = load<u32>(d, 4), x2 = load<u32>(d, 8), x3 = load<u32>(d, 12), y = load<u32>(pn(cpu, insn));
  for (let e = 0; e < 4; e++) {
    const we = <u32>(e == 0 ? i32x4.extract_lane(schedule, 0) : e == 1 ? i32x4.extract_lane(schedule, 1)
      : e == 2 ? i32x4.extract_lane(schedule, 2) : i32x4.extract_lane(schedule, 3));
    let t: u32;
    if (op == CHOOSE) t = ((x2 ^ x3) & x1) ^ x3;
    else if (op == PARITY) t = x1 ^ x2 ^ x3;
    else t = (x1 & x2) | ((x1 | x2) & x3);
    y += rotl<u32>(x0, 5) + t + we;
    const top = x3;
    x3 = x2;
    x2 = rotl<u32>(x1, 30);
    x1 = x0;
    x0 = y;
    y = top;
  }
  v128.store(d, words(x0, x1, x2, x3));
}
@inline function words(x0: u32, x1: u32, x2: u32, x3: u32): v128 {
  return i32x4.replace_lane(i32x4.replace_lane(i32x4.replace_lane(i32x4.splat(x0), 1, x1), 2, x2), 3, x3);
}
export function op_SHA1C(cpu: usize, insn: u32): void { sha1(CHOOSE, cpu, insn); }
export function op_SHA1P(cpu: usize, insn: u32): void { sha1(PARITY, cpu, insn); }
export function op_SHA1M(cpu: usize, insn: u32): void { sha1(MAJORITY, cpu, insn); }
export function op_SHA1H(cpu: usize, insn: u32): void {
  v128.store(pd(cpu, insn), i32x4.replace_lane(zero(), 0, rotl<u32>(load<u32>(pn(cpu, insn)), 30)));
}
export function op_SHA1SU0(cpu: usize, insn: u32): void {
  const d = vd(cpu, insn);
  v128.store(pd(cpu, insn), v128.xor(v128.xor(i64x2.shuffle(d, vn(cpu, insn), 1, 2), d), vm(cpu, insn)));
}
@inline function rotateLeft(v: v128, n: i32): v128 { return v128.or(i32x4.shl(v, n), i32x4.shr_u(v, 32 - n)); }
export function op_SHA1SU1(cpu: usize, insn: u32): void {
  const t = v128.xor(vd(cpu, insn), i32x4.shuffle(vn(cpu, insn), zero(), 1, 2, 3, 4));
  const r = rotateLeft(t, 1);
  // Word 3 also takes in the new word 0.
  v128.store(pd(cpu, insn), v128.xor(r, rotateLeft(i32x4.shuffle(zero(), r, 0, 1, 2, 4), 1)));
}

// --- SHA-256 ------------------------------------------------------------------------------------------------------

/** SHA256hash(): four rounds on X (a-d) and Y (e-h); returns X when `first`, else Y. */
@inline function sha256(cpu: usize, insn: u32, x: usize, y: usize, first: bool): void {
  const w = pm(cpu, insn);
  let a = load<u32>(x), b = load<u32>(x, 4), c = load<u32>(x, 8), d = load<u32>(x, 12);
  let e = load<u32>(y), f = load<u32>(y, 4), g = load<u32>(y, 8), h = load<u32>(y, 12);
  for (let i: usize = 0; i < 16; i += 4) {
    const t = h + (rotr<u32>(e, 6) ^ rotr<u32>(e, 11) ^ rotr<u32>(e, 25)) + (((f ^ g) & e) ^ g) + load<u32>(w + i);
    const next = t + (rotr<u32>(a, 2) ^ rotr<u32>(a, 13) ^ rotr<u32>(a, 22)) + ((a & b) | ((a | b) & c));
    h = g;
    g = f;
    f = e;
    e = d + t;
    d = c;
    c = b;
    b = a;
    a = next;
  }
  v128.store(pd(cpu, insn), first ? words(a, b, c, d) : words(e, f, g, h));
}
export function op_SHA256H(cpu: usize, insn: u32): void { sha256(cpu, insn, pd(cpu, insn), pn(cpu, insn), true); }
export function op_SHA256H2(cpu: usize, insn: u32): void { sha256(cpu, insn, pn(cpu, insn), pd(cpu, insn), false); }
export function op_SHA256SU0(cpu: usize, insn: u32): void {
  const d = vd(cpu, insn), t = i32x4.shuffle(d, vn(cpu, insn), 1, 2, 3, 4);
  const sigma = v128.xor(v128.xor(rotateLeft(t, 25), rotateLeft(t, 14)), i32x4.shr_u(t, 3));
  v128.store(pd(cpu, insn), i32x4.add(d, sigma));
}
@inline function sigma1(v: v128): v128 { return v128.xor(v128.xor(rotateLeft(v, 15), rotateLeft(v, 13)), i32x4.shr_u(v, 10)); }
export function op_SHA256SU1(cpu: usize, insn: u32): void {
  const m = vm(cpu, insn);
  const base = i32x4.add(vd(cpu, insn), i32x4.shuffle(vn(cpu, insn), m, 1, 2, 3, 4));
  // Words 2 and 3 depend on the new words 0 and 1.
  const low = i32x4.add(base, sigma1(i32x4.shuffle(m, zero(), 2, 3, 4, 4)));
  v128.store(pd(cpu, insn), i64x2.shuffle(low, i32x4.add(base, sigma1(i32x4.shuffle(low, low, 0, 0, 0, 1))), 0, 3));
}

// --- CRC32 ----------------------------------------------------------------------------------------------------------

/** Per polynomial four tables of 256 words: the remainders of a byte followed by 0, 1, 2 and 3 zero bytes. */
const CRC_TABLES = memory.data(2 * 4 * 1024);
const CRC32C: usize = 4 * 1024;

function fillTables(tables: usize, polynomial: u32): void {
  for (let i: u32 = 0; i < 256; i++) {
    let r = i;
    for (let bit = 0; bit < 8; bit++) r = (r >>> 1) ^ (r & 1 ? polynomial : 0);
    store<u32>(tables + (i << 2), r);
  }
  for (let i: usize = 0; i < 3 * 256; i++) {
    const r = load<u32>(tables + (i << 2));
    store<u32>(tables + 1024 + (i << 2), (r >>> 8) ^ load<u32>(tables + ((r & 255) << 2)));
  }
}
// Run at instantiation, like a data segment.
fillTables(CRC_TABLES, 0xedb88320);
fillTables(CRC_TABLES + CRC32C, 0x82f63b78);

@inline function entry(t: usize, row: usize, x: u32): u32 { return load<u32>(t + (row << 10) + ((x & 255) << 2)); }
@inline function crcWord(t: usize, x: u32): u32 {
  return entry(t, 3, x) ^ entry(t, 2, x >>> 8) ^ entry(t, 1, x >>> 16) ^ entry(t, 0, x >>> 24);
}
/** CRC32B, H, W, X and CRC32CB, CH, CW, CX: sz in bits 11:10, C in bit 12. */
export function op_CRC32(cpu: usize, insn: u32): void {
  const t = CRC_TABLES + (insn & 0x1000 ? CRC32C : 0);
  const crc = load<u32>(cpu + ((insn >>> 2) & 0xf8)), value = load<u64>(cpu + ((insn >>> 13) & 0xf8));
  const low = <u32>value, size = (insn >>> 10) & 3;
  let r: u32;
  if (size == 0) r = (crc >>> 8) ^ entry(t, 0, crc ^ low);
  else if (size == 1) { const x = crc ^ (low & 0xffff); r = (crc >>> 16) ^ entry(t, 1, x) ^ entry(t, 0, x >>> 8); }
  else {
    r = crcWord(t, crc ^ low);
    if (size == 3) r = crcWord(t, r ^ <u32>(value >>> 32));
  }
  if ((insn & 31) != 31) store<u64>(cpu + ((insn & 31) << 3), <u64>r);
}
