/*
 * Advanced SIMD conversions: floating point with integers and fixed point, and between formats (Arm ARM DDI
 * 0487, C4.1 "Advanced SIMD two-register miscellaneous", "shift by immediate", and their scalar classes).
 */
import { addressV, convertEnvOf, envOf, finish, loadElement, rd, rn, setScalar, storeElement } from "./fp-cpu";
import * as E from "./fp-element";
import { bytesOf, clearTop, scalarTwoReg, twoReg } from "./fp-vector-loops";
import { ROUND_ODD, ROUND_ZERO, rmode } from "./softfloat";
import { convert, fromFixed, toFixed } from "./softfloat-convert";

export function op_fcvtns_v(cpu: usize, insn: u32): void { twoReg(cpu, insn, E.CVTNS); }
export function op_fcvtns_s(cpu: usize, insn: u32): void { scalarTwoReg(cpu, insn, E.CVTNS); }
export function op_fcvtnu_v(cpu: usize, insn: u32): void { twoReg(cpu, insn, E.CVTNU); }
export function op_fcvtnu_s(cpu: usize, insn: u32): void { scalarTwoReg(cpu, insn, E.CVTNU); }
export function op_fcvtps_v(cpu: usize, insn: u32): void { twoReg(cpu, insn, E.CVTPS); }
export function op_fcvtps_s(cpu: usize, insn: u32): void { scalarTwoReg(cpu, insn, E.CVTPS); }
export function op_fcvtpu_v(cpu: usize, insn: u32): void { twoReg(cpu, insn, E.CVTPU); }
export function op_fcvtpu_s(cpu: usize, insn: u32): void { scalarTwoReg(cpu, insn, E.CVTPU); }
export function op_fcvtms_v(cpu: usize, insn: u32): void { twoReg(cpu, insn, E.CVTMS); }
export function op_fcvtms_s(cpu: usize, insn: u32): void { scalarTwoReg(cpu, insn, E.CVTMS); }
export function op_fcvtmu_v(cpu: usize, insn: u32): void { twoReg(cpu, insn, E.CVTMU); }
export function op_fcvtmu_s(cpu: usize, insn: u32): void { scalarTwoReg(cpu, insn, E.CVTMU); }
export function op_fcvtzs_v(cpu: usize, insn: u32): void { twoReg(cpu, insn, E.CVTZS); }
export function op_fcvtzs_s(cpu: usize, insn: u32): void { scalarTwoReg(cpu, insn, E.CVTZS); }
export function op_fcvtzu_v(cpu: usize, insn: u32): void { twoReg(cpu, insn, E.CVTZU); }
export function op_fcvtzu_s(cpu: usize, insn: u32): void { scalarTwoReg(cpu, insn, E.CVTZU); }
export function op_fcvtas_v(cpu: usize, insn: u32): void { twoReg(cpu, insn, E.CVTAS); }
export function op_fcvtas_s(cpu: usize, insn: u32): void { scalarTwoReg(cpu, insn, E.CVTAS); }
export function op_fcvtau_v(cpu: usize, insn: u32): void { twoReg(cpu, insn, E.CVTAU); }
export function op_fcvtau_s(cpu: usize, insn: u32): void { scalarTwoReg(cpu, insn, E.CVTAU); }
export function op_scvtf_v(cpu: usize, insn: u32): void { twoReg(cpu, insn, E.SCVTF); }
export function op_scvtf_s(cpu: usize, insn: u32): void { scalarTwoReg(cpu, insn, E.SCVTF); }
export function op_ucvtf_v(cpu: usize, insn: u32): void { twoReg(cpu, insn, E.UCVTF); }
export function op_ucvtf_s(cpu: usize, insn: u32): void { scalarTwoReg(cpu, insn, E.UCVTF); }

/* --- Fixed point ------------------------------------------------------------------------------------- */

/** immh (22:19) 1xxx doubles, 01xx singles, 001x halves. */
@inline
function sizeShift(insn: u32): i32 {
  return insn & (1 << 22) ? 3 : insn & (1 << 21) ? 2 : 1;
}

/** immh:immb is twice the element's bits less the fraction bits. */
@inline
function fractionBits(insn: u32, sz: i32): i32 {
  return (16 << sz) - <i32>((insn >> 16) & 127);
}

@inline
function fixedElement(sz: i32, a: u64, fbits: i32, unsigned: bool, toFp: bool, env: u32): u64 {
  if (toFp) return fromFixed(sz, unsigned ? a : E.extend(sz, a), fbits, unsigned, env, rmode(env));
  return toFixed(sz, a, fbits, unsigned, 8 << sz, env, ROUND_ZERO);
}

@inline
function fixedVector(cpu: usize, insn: u32, unsigned: bool, toFp: bool): void {
  const sz = sizeShift(insn);
  const fbits = fractionBits(insn, sz);
  const env = envOf(cpu);
  const d = addressV(cpu, rd(insn));
  const n = addressV(cpu, rn(insn));
  const bytes = bytesOf(insn);
  for (let at: u32 = 0; at < bytes; at += 1 << sz) {
    storeElement(d + at, sz, fixedElement(sz, loadElement(n + at, sz), fbits, unsigned, toFp, env));
  }
  clearTop(cpu, insn);
  finish(cpu);
}

@inline
function fixedScalar(cpu: usize, insn: u32, unsigned: bool, toFp: bool): void {
  const sz = sizeShift(insn);
  const a = loadElement(addressV(cpu, rn(insn)), sz);
  setScalar(cpu, rd(insn), fixedElement(sz, a, fractionBits(insn, sz), unsigned, toFp, envOf(cpu)));
  finish(cpu);
}

export function op_scvtf_fixed_v(cpu: usize, insn: u32): void { fixedVector(cpu, insn, false, true); }
export function op_ucvtf_fixed_v(cpu: usize, insn: u32): void { fixedVector(cpu, insn, true, true); }
export function op_fcvtzs_fixed_v(cpu: usize, insn: u32): void { fixedVector(cpu, insn, false, false); }
export function op_fcvtzu_fixed_v(cpu: usize, insn: u32): void { fixedVector(cpu, insn, true, false); }
export function op_scvtf_fixed_s(cpu: usize, insn: u32): void { fixedScalar(cpu, insn, false, true); }
export function op_ucvtf_fixed_s(cpu: usize, insn: u32): void { fixedScalar(cpu, insn, true, true); }
export function op_fcvtzs_fixed_s(cpu: usize, insn: u32): void { fixedScalar(cpu, insn, false, false); }
export function op_fcvtzu_fixed_s(cpu: usize, insn: u32): void { fixedScalar(cpu, insn, true, false); }

/* --- Between formats --------------------------------------------------------------------------------- */

/** Narrows two or four elements to 64 bits. `sz` (22) is the format of the result: 0 half, 1 single. */
@inline
function narrow(cpu: usize, insn: u32, env: u32, mode: u32): u64 {
  const to = 1 + <i32>((insn >> 22) & 1);
  const n = addressV(cpu, rn(insn));
  let r: u64 = 0;
  for (let at: u32 = 0; at < 16; at += 2 << to) {
    r |= convert(to + 1, to, loadElement(n + at, to + 1), env, mode) << (at << 2);
  }
  return r;
}

/** FCVTN writes the low half and clears the top, FCVTN2 (Q = 1) writes the top and keeps the low half. */
@inline
function storeNarrow(cpu: usize, insn: u32, r: u64): void {
  if (insn & (1 << 30)) store<u64>(addressV(cpu, rd(insn)), r, 8);
  else setScalar(cpu, rd(insn), r);
  finish(cpu);
}

export function op_fcvtn(cpu: usize, insn: u32): void {
  const env = convertEnvOf(cpu);
  storeNarrow(cpu, insn, narrow(cpu, insn, env, rmode(env)));
}

export function op_fcvtxn(cpu: usize, insn: u32): void {
  storeNarrow(cpu, insn, narrow(cpu, insn, convertEnvOf(cpu), ROUND_ODD));
}

export function op_fcvtxn_s(cpu: usize, insn: u32): void {
  const a = load<u64>(addressV(cpu, rn(insn)));
  setScalar(cpu, rd(insn), convert(3, 2, a, convertEnvOf(cpu), ROUND_ODD));
  finish(cpu);
}

/** FCVTL takes the low half of Vn, FCVTL2 (Q = 1) the top. */
export function op_fcvtl(cpu: usize, insn: u32): void {
  const from = 1 + <i32>((insn >> 22) & 1);
  const env = convertEnvOf(cpu);
  const d = addressV(cpu, rd(insn));
  // Read at once: Vd may be Vn.
  let a = load<u64>(addressV(cpu, rn(insn)) + (insn & (1 << 30) ? 8 : 0));
  for (let at: u32 = 0; at < 16; at += 2 << from) {
    const element = from == 1 ? a & 0xffff : a & 0xffffffff;
    storeElement(d + at, from + 1, convert(from, from + 1, element, env, rmode(env)));
    a >>= 8 << from;
  }
  finish(cpu);
}
