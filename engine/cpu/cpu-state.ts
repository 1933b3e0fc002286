import type { Heap } from '../memory/heap.ts';
import * as L from './helpers/layout.ts';
import { FLAGS } from './uop-effects.ts';

/** N Z C V as bits 3:0, of an operation on `a` and `b` (Arm ARM, shared/functions/integer AddWithCarry). */
function heldFlags(kind: number, a: bigint, b: bigint): number {
  const wide = kind === FLAGS.ADD64 || kind === FLAGS.SUB64 || kind === FLAGS.LOGIC;
  const bits = wide ? 64 : 32;
  const [x, y] = [BigInt.asUintN(bits, a), BigInt.asUintN(bits, b)];
  const subtract = kind === FLAGS.SUB64 || kind === FLAGS.SUB32;
  const result = kind === FLAGS.LOGIC ? x : BigInt.asUintN(bits, subtract ? x - y : x + y);
  const n = result >> BigInt(bits - 1);
  let nzcv = (n === 1n ? 8 : 0) | (result === 0n ? 4 : 0);
  if (kind === FLAGS.LOGIC) return nzcv;
  if (subtract ? x >= y : result < x) nzcv |= 2;
  const signed = subtract
    ? BigInt.asIntN(bits, x) - BigInt.asIntN(bits, y)
    : BigInt.asIntN(bits, x) + BigInt.asIntN(bits, y);
  if (BigInt.asIntN(bits, result) !== signed) nzcv |= 1;
  return nzcv;
}

/** One CPU's architectural state, read and written in place in the linear memory. */
export class CpuState {
  readonly index: number;
  /** Byte address of the state. */
  readonly base: number;
  readonly #u32: Uint32Array;
  readonly #i32: Int32Array;
  readonly #u64: BigUint64Array;

  constructor(heap: Heap, index: number) {
    this.index = index;
    this.base = L.CPU_BASE + index * L.CPU_STRIDE;
    this.#u32 = heap.u32;
    this.#i32 = heap.i32;
    this.#u64 = heap.u64;
  }

  word(offset: number): number {
    return this.#u32[(this.base + offset) >>> 2]!;
  }
  setWord(offset: number, value: number): void {
    this.#u32[(this.base + offset) >>> 2] = value;
  }
  signedWord(offset: number): number {
    return this.#i32[(this.base + offset) >>> 2]!;
  }
  long(offset: number): bigint {
    return this.#u64[(this.base + offset) >>> 3]!;
  }
  setLong(offset: number, value: bigint): void {
    this.#u64[(this.base + offset) >>> 3] = value;
  }
  copyLong(to: number, from: number): void {
    const u32 = this.#u32;
    const target = (this.base + to) >>> 2;
    const source = (this.base + from) >>> 2;
    u32[target] = u32[source]!;
    u32[target + 1] = u32[source + 1]!;
  }

  /** Xn; 31 reads as zero. */
  x(n: number): bigint {
    return n === 31 ? 0n : this.long(L.CPU_X + n * 8);
  }
  setX(n: number, value: bigint): void {
    if (n !== 31) this.setLong(L.CPU_X + n * 8, BigInt.asUintN(64, value));
  }
  get pc(): bigint {
    return this.long(L.CPU_PC);
  }
  set pc(value: bigint) {
    this.setLong(L.CPU_PC, BigInt.asUintN(64, value));
  }
  /** Adds a small signed number to PC without a BigInt. */
  advancePc(bytes: number): void {
    const at = (this.base + L.CPU_PC) >>> 2;
    const lo = this.#u32[at]! + bytes;
    this.#u32[at] = lo >>> 0;
    if (lo > 0xffffffff) this.#u32[at + 1] = (this.#u32[at + 1]! + 1) >>> 0;
    else if (lo < 0) this.#u32[at + 1] = (this.#u32[at + 1]! - 1) >>> 0;
  }
  get sp(): bigint {
    return this.long(L.CPU_SP);
  }
  set sp(value: bigint) {
    this.setLong(L.CPU_SP, value);
  }
  get el(): number {
    return this.word(L.CPU_EL);
  }
  get spsel(): number {
    return this.word(L.CPU_SPSEL);
  }
  get daif(): number {
    return this.word(L.CPU_DAIF);
  }
  set daif(value: number) {
    this.setWord(L.CPU_DAIF, value);
  }
  sysreg(slot: number): bigint {
    return this.long(L.CPU_SYSREGS + slot * 8);
  }
  setSysreg(slot: number, value: bigint): void {
    this.setLong(L.CPU_SYSREGS + slot * 8, BigInt.asUintN(64, value));
  }
  sysregLo(slot: number): number {
    return this.word(L.CPU_SYSREGS + slot * 8);
  }

  /** N Z C V as bits 3:0. */
  get nzcv(): number {
    const kind = this.word(L.CPU_FLAG_KIND);
    if (kind !== FLAGS.PLAIN) this.nzcv = heldFlags(kind, this.long(L.CPU_FLAG_A), this.long(L.CPU_FLAG_B));
    const n = this.word(L.CPU_N + 4) >>> 31;
    const z = this.word(L.CPU_Z) === 0 && this.word(L.CPU_Z + 4) === 0 ? 1 : 0;
    return (n << 3) | (z << 2) | (this.word(L.CPU_C) << 1) | this.word(L.CPU_V);
  }
  set nzcv(value: number) {
    this.setWord(L.CPU_FLAG_KIND, FLAGS.PLAIN);
    this.setWord(L.CPU_N, 0);
    this.setWord(L.CPU_N + 4, (value & 8) << 28);
    this.setWord(L.CPU_Z, value & 4 ? 0 : 1);
    this.setWord(L.CPU_Z + 4, 0);
    this.setWord(L.CPU_C, (value >> 1) & 1);
    this.setWord(L.CPU_V, value & 1);
  }

  /** PSTATE in the layout of SPSR_ELx (Arm ARM C5.2.18), AArch64. */
  get spsr(): number {
    const el = this.el;
    const mode = (el << 2) | (el === 0 ? 0 : this.spsel);
    return ((this.nzcv << 28) | this.word(L.CPU_PSTATE) | (this.daif << 6) | mode) >>> 0;
  }
}

/** PSTATE bits kept in CPU_PSTATE, at their SPSR positions. */
export const PSTATE_SS = 1 << 21;
export const PSTATE_IL = 1 << 20;
export const PSTATE_PAN = 1 << 22;
export const PSTATE_UAO = 1 << 23;
export const PSTATE_DIT = 1 << 24;
export const PSTATE_TCO = 1 << 25;
export const PSTATE_SSBS = 1 << 12;
export const PSTATE_BTYPE = 3 << 10;
