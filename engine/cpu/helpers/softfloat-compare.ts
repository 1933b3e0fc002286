/*
 * Comparisons, maximum and minimum: FPCompare, FPCompareEQ/GE/GT, FPMax, FPMin, FPMaxNum and FPMinNum of the
 * Arm ARM (DDI 0487, J1.3).
 */
import {
  IOC,
  flushInput,
  infinity,
  isNaN,
  isNegative,
  isQNaN,
  isSNaN,
  isZero,
  magnitude,
  processNaNs,
  raise,
  signBit,
} from "./softfloat";

/** Result of compare(): also the order of the four NZCV values of FPCompare. */
export const LESS = -1;
export const EQUAL = 0;
export const GREATER = 1;
export const UNORDERED = 2;

/** Order of two values that are no NaNs. */
function order(sz: i32, a: u64, b: u64): i32 {
  const signA = isNegative(sz, a);
  const signB = isNegative(sz, b);
  const magA = magnitude(sz, a);
  const magB = magnitude(sz, b);
  if (signA != signB) return (magA | magB) == 0 ? EQUAL : signA ? LESS : GREATER;
  if (magA == magB) return EQUAL;
  return magA < magB != signA ? LESS : GREATER;
}

/** Signalling comparisons raise IOC for every NaN, quiet ones for signalling NaNs only. */
export function compare(sz: i32, a: u64, b: u64, signalling: bool, env: u32): i32 {
  a = flushInput(sz, a, env);
  b = flushInput(sz, b, env);
  if (isNaN(sz, a) || isNaN(sz, b)) {
    if (signalling || isSNaN(sz, a) || isSNaN(sz, b)) raise(IOC);
    return UNORDERED;
  }
  return order(sz, a, b);
}

export function max(sz: i32, a: u64, b: u64, env: u32): u64 {
  a = flushInput(sz, a, env);
  b = flushInput(sz, b, env);
  if (isNaN(sz, a) || isNaN(sz, b)) return processNaNs(sz, a, b, env);
  if (isZero(sz, a) && isZero(sz, b)) return a & b;
  return order(sz, a, b) == GREATER ? a : b;
}

export function min(sz: i32, a: u64, b: u64, env: u32): u64 {
  a = flushInput(sz, a, env);
  b = flushInput(sz, b, env);
  if (isNaN(sz, a) || isNaN(sz, b)) return processNaNs(sz, a, b, env);
  if (isZero(sz, a) && isZero(sz, b)) return a | b;
  return order(sz, a, b) == LESS ? a : b;
}

export function maxNum(sz: i32, a: u64, b: u64, env: u32): u64 {
  const least = infinity(sz) | signBit(sz);
  const quietA = isQNaN(sz, a);
  const quietB = isQNaN(sz, b);
  if (quietA && !quietB) a = least;
  else if (quietB && !quietA) b = least;
  return max(sz, a, b, env);
}

export function minNum(sz: i32, a: u64, b: u64, env: u32): u64 {
  const greatest = infinity(sz);
  const quietA = isQNaN(sz, a);
  const quietB = isQNaN(sz, b);
  if (quietA && !quietB) a = greatest;
  else if (quietB && !quietA) b = greatest;
  return min(sz, a, b, env);
}
