// Advanced SIMD shift by immediate, vector and scalar; and the narrowing moves (XTN ...), which are narrowing
// shifts by zero.
import {
  bits, clearAbove, clearLaneSat, elements, even, keep, laneOver, max, min, noteLaneSat, noteQC, part, pd,
  pn, putKeep, putNarrow, shiftLane, shiftRight, shiftRightRound, sizeOf, vd, vn, zero,
} from "./simd-common";

@inline function immhb(insn: u32): i32 { return (insn >>> 16) & 0x7f; }
/** log2 of the element's bytes: the highest bit set in immh. */
@inline function immSize(insn: u32): u32 { return 12 - clz<u32>(insn & 0x780000); }

const SHR = 0, SRA = 1, RSHR = 2, RSRA = 3, SRI = 4, SHL = 5, SLI = 6;

@inline function shiftOp<T>(op: i32, d: v128, a: v128, insn: u32): v128 {
  const right = 2 * bits<T>() - immhb(insn), left = immhb(insn) - bits<T>();
  switch (op) {
    case SHR: return shiftRight<T>(a, right);
    case SRA: return v128.add<T>(d, shiftRight<T>(a, right));
    case RSHR: return shiftRightRound<T>(a, right);
    case RSRA: return v128.add<T>(d, shiftRightRound<T>(a, right));
    case SRI: return v128.bitselect(shiftRight<T>(a, right), d, shiftRight<T>(i64x2(-1, -1), right));
    case SHL: return v128.shl<T>(a, left);
    default: return v128.bitselect(v128.shl<T>(a, left), d, v128.shl<T>(i64x2(-1, -1), left));
  }
}
@inline function shiftImm<B, H, S, D>(op: i32, cpu: usize, insn: u32): void {
  const d = vd(cpu, insn), a = vn(cpu, insn), size = immSize(insn);
  let r: v128;
  if (size == 0) r = shiftOp<B>(op, d, a, insn);
  else if (size == 1) r = shiftOp<H>(op, d, a, insn);
  else if (size == 2) r = shiftOp<S>(op, d, a, insn);
  else r = shiftOp<D>(op, d, a, insn);
  putKeep(cpu, insn, r, size);
}
export function op_SSHR(cpu: usize, insn: u32): void { shiftImm<i8, i16, i32, i64>(SHR, cpu, insn); }
export function op_USHR(cpu: usize, insn: u32): void { shiftImm<u8, u16, u32, u64>(SHR, cpu, insn); }
export function op_SSRA(cpu: usize, insn: u32): void { shiftImm<i8, i16, i32, i64>(SRA, cpu, insn); }
export function op_USRA(cpu: usize, insn: u32): void { shiftImm<u8, u16, u32, u64>(SRA, cpu, insn); }
export function op_SRSHR(cpu: usize, insn: u32): void { shiftImm<i8, i16, i32, i64>(RSHR, cpu, insn); }
export function op_URSHR(cpu: usize, insn: u32): void { shiftImm<u8, u16, u32, u64>(RSHR, cpu, insn); }
export function op_SRSRA(cpu: usize, insn: u32): void { shiftImm<i8, i16, i32, i64>(RSRA, cpu, insn); }
export function op_URSRA(cpu: usize, insn: u32): void { shiftImm<u8, u16, u32, u64>(RSRA, cpu, insn); }
export function op_SRI(cpu: usize, insn: u32): void { shiftImm<u8, u16, u32, u64>(SRI, cpu, insn); }
export function op_SHL(cpu: usize, insn: u32): void { shiftImm<u8, u16, u32, u64>(SHL, cpu, insn); }
export function op_SLI(cpu: usize, insn: u32): void { shiftImm<u8, u16, u32, u64>(SLI, cpu, insn); }

// --- Saturating left shifts -----------------------------------------------------------------------------------------

/** T: source element. When `toUnsigned` (SQSHLU) the source is signed and the result unsigned. */
@inline function satLeftLanes<T, U>(cpu: usize, insn: u32, toUnsigned: bool): void {
  const n = <usize>elements<T>(insn) * sizeof<T>(), d = pd(cpu, insn), a = pn(cpu, insn);
  const shift = immhb(insn) - bits<T>();
  for (let i: usize = 0; i < n; i += sizeof<T>()) {
    const x = load<T>(a + i);
    if (toUnsigned) {
      if (x < <T>0) { laneOver(); store<T>(d + i, 0); }
      else store<U>(d + i, shiftLane<U>(<U>x, shift, false, true));
    } else store<T>(d + i, shiftLane<T>(x, shift, false, true));
  }
  clearAbove<T>(cpu, insn);
}
@inline function satLeft<B, H, S, D>(cpu: usize, insn: u32, toUnsigned: bool): void {
  clearLaneSat();
  const size = immSize(insn);
  if (size == 0) satLeftLanes<B, u8>(cpu, insn, toUnsigned);
  else if (size == 1) satLeftLanes<H, u16>(cpu, insn, toUnsigned);
  else if (size == 2) satLeftLanes<S, u32>(cpu, insn, toUnsigned);
  else satLeftLanes<D, u64>(cpu, insn, toUnsigned);
  noteLaneSat(cpu);
}
export function op_SQSHL_imm(cpu: usize, insn: u32): void { satLeft<i8, i16, i32, i64>(cpu, insn, false); }
export function op_UQSHL_imm(cpu: usize, insn: u32): void { satLeft<u8, u16, u32, u64>(cpu, insn, false); }
export function op_SQSHLU(cpu: usize, insn: u32): void { satLeft<i8, i16, i32, i64>(cpu, insn, true); }

// --- Narrowing --------------------------------------------------------------------------------------------------------

const WRAP = 0, SIGNED = 1, UNSIGNED = 2, TO_UNSIGNED = 3;

/** W: source element, T: result element (unsigned, only its width counts). shift 0 to the bits of T. */
@inline function narrowLanes<W, T>(mode: i32, a: v128, shift: i32, rounding: bool): v128 {
  let v = a;
  if (rounding) v = shiftRightRound<W>(a, shift);
  else v = v128.shr<W>(a, shift);
  const half: u64 = <u64>1 << (bits<T>() - 1);
  let high: u64 = 0, low: i64 = 0;
  if (mode == SIGNED) { high = half - 1; low = -<i64>half; }
  else high = 2 * half - 1;
  let c = v;
  if (mode != WRAP) {
    c = min<W>(v, v128.splat<W>(<W>high));
    if (mode != UNSIGNED) c = max<W>(c, v128.splat<W>(<W>low));
    saturated = v128.or(saturated, v128.xor(c, v));
  }
  return even<T>(c, c);
}
let saturated: v128 = i64x2(0, 0);

@inline function narrow<H, S, D>(mode: i32, cpu: usize, insn: u32, size: u32, shift: i32, rounding: bool): void {
  saturated = zero();
  // A scalar's other lanes are zero here; a vector's source is always 128 bits.
  const a = keep(insn | 0x40000000, vn(cpu, insn), size + 1);
  let r: v128;
  if (size == 0) r = narrowLanes<H, u8>(mode, a, shift, rounding);
  else if (size == 1) r = narrowLanes<S, u16>(mode, a, shift, rounding);
  else r = narrowLanes<D, u32>(mode, a, shift, rounding);
  if (mode != WRAP) noteQC(cpu, saturated);
  putNarrow(cpu, insn, r, size);
}
@inline function narrowImm<H, S, D>(mode: i32, cpu: usize, insn: u32, rounding: bool): void {
  const size = immSize(insn);
  narrow<H, S, D>(mode, cpu, insn, size, (16 << size) - immhb(insn), rounding);
}
export function op_SHRN(cpu: usize, insn: u32): void { narrowImm<u16, u32, u64>(WRAP, cpu, insn, false); }
export function op_RSHRN(cpu: usize, insn: u32): void { narrowImm<u16, u32, u64>(WRAP, cpu, insn, true); }
export function op_SQSHRN(cpu: usize, insn: u32): void { narrowImm<i16, i32, i64>(SIGNED, cpu, insn, false); }
export function op_SQRSHRN(cpu: usize, insn: u32): void { narrowImm<i16, i32, i64>(SIGNED, cpu, insn, true); }
export function op_UQSHRN(cpu: usize, insn: u32): void { narrowImm<u16, u32, u64>(UNSIGNED, cpu, insn, false); }
export function op_UQRSHRN(cpu: usize, insn: u32): void { narrowImm<u16, u32, u64>(UNSIGNED, cpu, insn, true); }
export function op_SQSHRUN(cpu: usize, insn: u32): void { narrowImm<i16, i32, i64>(TO_UNSIGNED, cpu, insn, false); }
export function op_SQRSHRUN(cpu: usize, insn: u32): void { narrowImm<i16, i32, i64>(TO_UNSIGNED, cpu, insn, true); }
export function op_XTN(cpu: usize, insn: u32): void { narrow<u16, u32, u64>(WRAP, cpu, insn, sizeOf(insn), 0, false); }
export function op_SQXTN(cpu: usize, insn: u32): void { narrow<i16, i32, i64>(SIGNED, cpu, insn, sizeOf(insn), 0, false); }
export function op_UQXTN(cpu: usize, insn: u32): void { narrow<u16, u32, u64>(UNSIGNED, cpu, insn, sizeOf(insn), 0, false); }
export function op_SQXTUN(cpu: usize, insn: u32): void { narrow<i16, i32, i64>(TO_UNSIGNED, cpu, insn, sizeOf(insn), 0, false); }

// --- Long ---------------------------------------------------------------------------------------------------------------

@inline function longShift<T, W>(a: v128, insn: u32): v128 {
  return v128.shl<W>(v128.extend_low<T>(a), immhb(insn) - bits<T>());
}
@inline function longShifts<B, H, S>(cpu: usize, insn: u32): void {
  const a = part(insn, vn(cpu, insn)), size = immSize(insn);
  let r: v128;
  if (size == 0) r = longShift<B, u16>(a, insn);
  else if (size == 1) r = longShift<H, u32>(a, insn);
  else r = longShift<S, u64>(a, insn);
  v128.store(pd(cpu, insn), r);
}
export function op_SSHLL(cpu: usize, insn: u32): void { longShifts<i8, i16, i32>(cpu, insn); }
export function op_USHLL(cpu: usize, insn: u32): void { longShifts<u8, u16, u32>(cpu, insn); }
/** SHLL: left by the element's bits. */
export function op_SHLL(cpu: usize, insn: u32): void {
  const a = part(insn, vn(cpu, insn)), size = sizeOf(insn);
  let r: v128;
  if (size == 0) r = i16x8.shl(v128.extend_low<u8>(a), 8);
  else if (size == 1) r = i32x4.shl(v128.extend_low<u16>(a), 16);
  else r = i64x2.shl(v128.extend_low<u32>(a), 32);
  v128.store(pd(cpu, insn), r);
}
