/*
 * What the floating-point helpers need of the CPU state: registers, flags, FPCR and FPSR. Every helper is
 * `envOf(cpu)`, softfloat calls with that, `finish(cpu)`.
 */
import { CPU_C, CPU_FPCR, CPU_FPSR, CPU_N, CPU_Q, CPU_V, CPU_Z } from "./layout";
import { AHP, DN, FAST, FZ, FZ16, IXC, RMODE_SHIFT, takeExceptions } from "./softfloat";

/** FPCR bits that arithmetic looks at. AHP is not among them: see convertEnvOf. */
const ARITHMETIC: u32 = DN | FZ | FZ16 | (3 << RMODE_SHIFT);

@inline
export function envOf(cpu: usize): u32 {
  const env = load<u32>(cpu, CPU_FPCR) & ARITHMETIC;
  return env & (3 << RMODE_SHIFT) || !(load<u32>(cpu, CPU_FPSR) & IXC) ? env : env | FAST;
}

/** For conversions between formats. */
@inline
export function convertEnvOf(cpu: usize): u32 {
  return load<u32>(cpu, CPU_FPCR) & (ARITHMETIC | AHP);
}

@inline
export function finish(cpu: usize): void {
  const bits = takeExceptions();
  if (bits) store<u32>(cpu, load<u32>(cpu, CPU_FPSR) | bits, CPU_FPSR);
}

/* --- Fields ------------------------------------------------------------------------------------------ */

@inline
export function rd(insn: u32): u32 {
  return insn & 31;
}

@inline
export function rn(insn: u32): u32 {
  return (insn >> 5) & 31;
}

@inline
export function rm(insn: u32): u32 {
  return (insn >> 16) & 31;
}

@inline
export function ra(insn: u32): u32 {
  return (insn >> 10) & 31;
}

/** Format of the scalar classes: `ftype` (23:22) 00 single, 01 double, 11 half. */
@inline
export function ftype(insn: u32): i32 {
  const field = (insn >> 22) & 3;
  return field == 3 ? 1 : 2 + <i32>field;
}

/* --- Registers --------------------------------------------------------------------------------------- */

@inline
export function getX(cpu: usize, r: u32): u64 {
  return load<u64>(cpu + (r << 3));
}

@inline
export function setX(cpu: usize, r: u32, value: u64): void {
  if (r != 31) store<u64>(cpu + (r << 3), value);
}

@inline
export function addressV(cpu: usize, r: u32): usize {
  return cpu + CPU_Q + (r << 4);
}

/** Element at an address, zero-extended. */
@inline
export function loadElement(p: usize, sz: i32): u64 {
  return sz == 3 ? load<u64>(p) : sz == 2 ? <u64>load<u32>(p) : <u64>load<u16>(p);
}

@inline
export function storeElement(p: usize, sz: i32, value: u64): void {
  if (sz == 3) store<u64>(p, value);
  else if (sz == 2) store<u32>(p, <u32>value);
  else store<u16>(p, <u16>value);
}

@inline
export function getScalar(cpu: usize, r: u32, sz: i32): u64 {
  return loadElement(addressV(cpu, r), sz);
}

/** A scalar result clears the rest of the register. `value` must be zero-extended. */
@inline
export function setScalar(cpu: usize, r: u32, value: u64): void {
  const p = addressV(cpu, r);
  store<u64>(p, value);
  store<u64>(p, 0, 8);
}

/* --- Flags ------------------------------------------------------------------------------------------- */

@inline
export function setFlags(cpu: usize, nzcv: u32): void {
  store<i64>(cpu, nzcv & 8 ? -1 : 0, CPU_N);
  store<i64>(cpu, nzcv & 4 ? 0 : 1, CPU_Z);
  store<u32>(cpu, (nzcv >> 1) & 1, CPU_C);
  store<u32>(cpu, nzcv & 1, CPU_V);
}

/** ConditionHolds (J1.3 "shared/functions/system"). */
export function conditionHolds(cpu: usize, cond: u32): bool {
  const n = load<i64>(cpu, CPU_N) < 0;
  const z = load<i64>(cpu, CPU_Z) == 0;
  const c = load<u32>(cpu, CPU_C) != 0;
  const v = load<u32>(cpu, CPU_V) != 0;
  let holds = true;
  switch (cond >> 1) {
    case 0: holds = z; break;
    case 1: holds = c; break;
    case 2: holds = n; break;
    case 3: holds = v; break;
    case 4: holds = c && !z; break;
    case 5: holds = n == v; break;
    case 6: holds = n == v && !z; break;
    default: return true;
  }
  return cond & 1 ? !holds : holds;
}
