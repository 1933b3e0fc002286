/*
 * When the host's arithmetic may stand in for Arm's.
 *
 * WebAssembly f32/f64 operations are IEEE 754 binary32/binary64 rounded to nearest even, never flushed, and
 * deterministic except for NaN bits. They are used only if all of this holds:
 *  - env has FAST: RMode is round to nearest, and FPSR.IXC is set already, so inexactness changes nothing;
 *  - every operand is zero or normal: no NaN to propagate, no IOC by infinity, no IDC, nothing to flush; and
 *    DN, FZ cannot matter to the operands;
 *  - the result is finite (no OFC, no IOC, no DZC) and its magnitude is
 *     - above the smallest normal number. Rounding is monotonic, so then the exact result is above it too: it
 *       is not tiny (Arm decides that before rounding), so neither UFC nor FZ come in; or
 *     - for sums, also equal to the smallest normal number or zero: a sum of two floats is a multiple of the
 *       smallest denormal, so a tiny one is exact, hence a result that is not tiny came from a sum that is not
 *       tiny, and a zero from a sum that is zero. An exact zero has the sign Arm gives it (x - x is +0 when
 *       rounding to nearest); or
 *     - for products and quotients, zero by a zero operand (the sign is the XOR in both worlds).
 * Under these conditions the correctly rounded result is unique, and no FPSR bit changes.
 */
import { FAST } from "./softfloat";

const MAG64: u64 = 0x7fffffffffffffff;
const MIN64: u64 = 0x0010000000000000;
const INF64: u64 = 0x7ff0000000000000;
const MAG32: u32 = 0x7fffffff;
const MIN32: u32 = 0x00800000;
const INF32: u32 = 0x7f800000;

@inline
export function mayBeFast(env: u32): bool {
  return (env & FAST) != 0;
}

@inline
export function plain64(a: u64): bool {
  const m = a & MAG64;
  return m - MIN64 < INF64 - MIN64 || m == 0;
}

@inline
export function plain32(a: u32): bool {
  const m = a & MAG32;
  return m - MIN32 < INF32 - MIN32 || m == 0;
}

/** A sum that is zero or normal. */
@inline
export function safeSum64(r: u64): bool {
  return plain64(r);
}

@inline
export function safeSum32(r: u32): bool {
  return plain32(r);
}

/** A result strictly above the smallest normal number, and finite. */
@inline
export function safe64(r: u64): bool {
  return (r & MAG64) - (MIN64 + 1) < INF64 - (MIN64 + 1);
}

@inline
export function safe32(r: u32): bool {
  return (r & MAG32) - (MIN32 + 1) < INF32 - (MIN32 + 1);
}
