/*
 * Whole vectors at once by the host, under the conditions of softfloat-fast.ts for every lane. When one lane
 * fails them nothing has been written, and the caller goes element by element.
 */
import { ADD, DIV, MUL, SUB } from "./fp-element";
import { mayBeFast } from "./softfloat-fast";

const MAG32: i32 = 0x7fffffff;
const MIN32: i32 = 0x00800000;
const INF32: i32 = 0x7f800000;
const MAG64: i64 = 0x7fffffffffffffff;
const MIN64: i64 = 0x0010000000000000;
const INF64: i64 = 0x7ff0000000000000;

/** All-ones lanes for normal numbers whose magnitude is at least `least`. */
@inline
function normal32(a: v128, least: i32): v128 {
  const m = v128.and(a, i32x4.splat(MAG32));
  return v128.and(i32x4.ge_s(m, i32x4.splat(least)), i32x4.lt_s(m, i32x4.splat(INF32)));
}

@inline
function normal64(a: v128, least: i64): v128 {
  const m = v128.and(a, i64x2.splat(MAG64));
  return v128.and(i64x2.ge_s(m, i64x2.splat(least)), i64x2.lt_s(m, i64x2.splat(INF64)));
}

@inline
function zero32(a: v128): v128 {
  return i32x4.eq(v128.and(a, i32x4.splat(MAG32)), i32x4.splat(0));
}

@inline
function zero64(a: v128): v128 {
  return i64x2.eq(v128.and(a, i64x2.splat(MAG64)), i64x2.splat(0));
}

/** Of a 64-bit vector (Q = 0) the top lanes of operands are not looked at: they are cleared first. */
@inline
function operandOf(insn: u32, a: v128): v128 {
  return insn & (1 << 30) ? a : i64x2.replace_lane(a, 1, 0);
}

/** Addition, subtraction, multiplication, division of singles and doubles. Says whether it was done. */
@inline
export function vectorBinary(op: i32, sz: i32, insn: u32, d: usize, a: v128, b: v128, env: u32): bool {
  if (op > DIV || !mayBeFast(env) || sz == 1) return false;
  a = operandOf(insn, a);
  b = operandOf(insn, b);
  let r: v128;
  let safe: v128;
  if (sz == 2) {
    const plain = v128.and(v128.or(normal32(a, MIN32), zero32(a)), v128.or(normal32(b, MIN32), zero32(b)));
    if (op == ADD || op == SUB) {
      r = op == ADD ? f32x4.add(a, b) : f32x4.sub(a, b);
      safe = v128.or(normal32(r, MIN32), zero32(r));
    } else if (op == MUL) {
      r = f32x4.mul(a, b);
      safe = v128.or(normal32(r, MIN32 + 1), v128.or(zero32(a), zero32(b)));
    } else {
      // 0/0 in the unused half of a 64-bit vector is no failure.
      r = operandOf(insn, f32x4.div(a, b));
      safe = v128.or(normal32(r, MIN32 + 1), v128.andnot(zero32(a), zero32(b)));
      if (!(insn & (1 << 30))) safe = i64x2.replace_lane(safe, 1, -1);
    }
    if (!i32x4.all_true(v128.and(plain, safe))) return false;
  } else {
    const plain = v128.and(v128.or(normal64(a, MIN64), zero64(a)), v128.or(normal64(b, MIN64), zero64(b)));
    if (op == ADD || op == SUB) {
      r = op == ADD ? f64x2.add(a, b) : f64x2.sub(a, b);
      safe = v128.or(normal64(r, MIN64), zero64(r));
    } else if (op == MUL) {
      r = f64x2.mul(a, b);
      safe = v128.or(normal64(r, MIN64 + 1), v128.or(zero64(a), zero64(b)));
    } else {
      r = f64x2.div(a, b);
      safe = v128.or(normal64(r, MIN64 + 1), v128.andnot(zero64(a), zero64(b)));
    }
    if (!i64x2.all_true(v128.and(plain, safe))) return false;
  }
  v128.store(d, r);
  return true;
}
