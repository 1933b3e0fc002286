// biome-ignore-all format: chains of emitted instructions read best as written
/**
 * Micro-operations for the frequent part of floating point and Advanced SIMD; all the rest calls a helper. d, n and m
 * are V register numbers where nothing else is said. Every result clears what lies above it, as the architecture has it.
 */

import { CPU_FPCR, CPU_FPSR, CPU_Q } from './helpers/layout.ts';
import { define } from './uop-table.ts';
import type { Backend, Operand } from './uops.ts';
import type { OpName } from './wasm/emitter.ts';

const V128_LOAD = 0x00;
const V128_STORE = 0x0b;
const I64X2_EXTRACT_LANE = 0x1d;

const load = (b: Backend, operand: Operand): void => { b.vreg(operand); b.c.simdMem(V128_LOAD, 0, CPU_Q); };
const low = (b: Backend, operand: Operand): void => { b.vreg(operand); b.c.mem('i64_load', CPU_Q); };
const clearHigh = (b: Backend): void => { b.vreg('d'); b.c.i64(0).mem('i64_store', CPU_Q + 8); };

/** Sets Vd to a vector of 128 bits, and as `<name>_64` to its low half. */
function defineVector(name: string, value: (b: Backend) => void): void {
  define(name, (b) => { b.vreg('d'); value(b); b.c.simdMem(V128_STORE, 0, CPU_Q); });
  define(`${name}_64`, (b) => {
    b.vreg('d');
    value(b);
    b.c.simd(I64X2_EXTRACT_LANE).byte(0).mem('i64_store', CPU_Q);
    clearHigh(b);
  });
}

/* ---------------------------------------------------------------- logical, integer lanes */

for (const [name, opcode] of [['and', 0x4e], ['bic', 0x4f], ['orr', 0x50], ['eor', 0x51]] as const) {
  defineVector(`v${name}`, (b) => { load(b, 'n'); load(b, 'm'); b.c.simd(opcode); });
}
defineVector('vmov', (b) => load(b, 'n'));
/** v128.bitselect takes its first operand where the mask is set. */
for (const [name, operands] of [['bsl', ['n', 'm', 'd']], ['bit', ['n', 'd', 'm']], ['bif', ['d', 'n', 'm']]] as const) {
  defineVector(`v${name}`, (b) => { for (const o of operands) load(b, o); b.c.simd(0x52); });
}
/** By log2 of the bytes of a lane. */
const ADD = [0x6e, 0x8e, 0xae, 0xce];
const SUB = [0x71, 0x91, 0xb1, 0xd1];
const EQUAL = [0x23, 0x2d, 0x37, 0xd6];
const SHIFTS = [0x6b, 0x8b, 0xab, 0xcb];
for (let size = 0; size < 4; size++) {
  for (const [name, opcodes] of [['add', ADD], ['sub', SUB], ['cmeq', EQUAL]] as const) {
    defineVector(`v${name}${8 << size}`, (b) => { load(b, 'n'); load(b, 'm'); b.c.simd(opcodes[size]!); });
  }
  /** By x, which is less than the bits of a lane. */
  for (const [name, which] of [['shl', 0], ['sshr', 1], ['ushr', 2]] as const) {
    defineVector(`v${name}${8 << size}`, (b) => { load(b, 'n'); b.x(); b.c.simd(SHIFTS[size]! + which); });
  }
}

/* ---------------------------------------------------------------- moves */

/** From X register n. */
for (const [name, mask] of [['vset64', false], ['vset32', true]] as const) {
  define(name, (b) => {
    b.vreg('d'); b.reg('n');
    if (mask) b.c.i64(-1, 0).op('i64_and');
    b.c.mem('i64_store', CPU_Q);
    clearHigh(b);
  });
}
/** Scalars: FMOV, FABS, FNEG of any size, by what is kept and what is turned over in the low half. */
const SIGN: { readonly [bits: number]: readonly [number, number] } = { 32: [-0x8000_0000, 0], 64: [0, -0x8000_0000] };
for (const bits of [32, 64]) {
  const [lo, hi] = SIGN[bits]!;
  const scalar = (name: string, change: (b: Backend) => void): void =>
    define(`v${name}${bits}`, (b) => {
      b.vreg('d'); b.vreg('n');
      b.c.mem(bits === 32 ? 'i64_load32_u' : 'i64_load', CPU_Q);
      change(b);
      b.c.mem('i64_store', CPU_Q);
      clearHigh(b);
    });
  scalar('fmov', () => {});
  scalar('fabs', (b) => b.c.i64(~lo, ~hi).op('i64_and'));
  scalar('fneg', (b) => b.c.i64(lo, hi).op('i64_xor'));
}
/** Both halves, or the low one, from imm. */
define('vmovi', (b) => {
  b.vreg('d'); b.imm(); b.c.mem('i64_store', CPU_Q);
  b.vreg('d'); b.imm(); b.c.mem('i64_store', CPU_Q + 8);
});
define('vmovi_64', (b) => { b.vreg('d'); b.imm(); b.c.mem('i64_store', CPU_Q); clearHigh(b); });

/* ---------------------------------------------------------------- scalar arithmetic */

/*
 * WebAssembly's arithmetic where softfloat-fast.ts says that it is exact: FPCR.RMode is to nearest, FPSR.IXC is set
 * already, operands and result are normal (or zero, for sums). Everything else is left to the helper in imm.
 */
function pushIsSlow(b: Backend): void {
  b.cpu(); b.c.mem('i32_load', CPU_FPCR).i32(3 << 22).op('i32_and');
  b.cpu(); b.c.mem('i32_load', CPU_FPSR).i32(1 << 4).op('i32_and').i32(1 << 4).op('i32_xor').op('i32_or');
}

/** Without the sign: normal, or (`zero`) also zero; `strict` excludes the smallest normal number. */
function pushIsPlain64(b: Backend, scratch: number, zero: boolean, strict: boolean): void {
  const { c } = b;
  b.get64(scratch); c.i64(1).op('i64_shl');
  if (strict) c.i64(2, 0x0020_0000).op('i64_sub').i64(-2, -0x0040_0001).op('i64_lt_u');
  else c.i64(0, 0x0020_0000).op('i64_sub').i64(0, -0x0040_0000).op('i64_lt_u');
  if (zero) { b.get64(scratch); c.i64(1).op('i64_shl').op('i64_eqz').op('i32_or'); }
}
function pushIsPlain32(b: Backend, scratch: number, zero: boolean, strict: boolean): void {
  const { c } = b;
  b.get32(scratch); c.i32(1).op('i32_shl');
  if (strict) c.i32(0x0100_0002).op('i32_sub').i32(-0x0200_0002).op('i32_lt_u');
  else c.i32(0x0100_0000).op('i32_sub').i32(-0x0200_0000).op('i32_lt_u');
  if (zero) { b.get32(scratch); c.i32(1).op('i32_shl').op('i32_eqz').op('i32_or'); }
}

const ARITHMETIC: readonly (readonly [string, boolean, OpName, OpName])[] = [
  ['fadd', true, 'f64_add', 'f32_add'],
  ['fsub', true, 'f64_sub', 'f32_sub'],
  ['fmul', false, 'f64_mul', 'f32_mul'],
  ['fdiv', false, 'f64_div', 'f32_div'],
];
for (const [name, isSum, op64, op32] of ARITHMETIC) {
  const finish = (b: Backend, isPlain: (b: Backend, scratch: number, zero: boolean, strict: boolean) => void, result: () => void): void => {
    const { c } = b;
    pushIsSlow(b); c.op('i32_eqz');
    isPlain(b, 0, isSum, false); c.op('i32_and');
    isPlain(b, 1, isSum, false); c.op('i32_and');
    isPlain(b, 2, isSum, !isSum); c.op('i32_and');
    c.if();
    b.vreg('d'); result(); c.mem('i64_store', CPU_Q);
    clearHigh(b);
    c.else();
    b.instructionHelper();
    c.end();
  };
  define(`${name}64`, (b) => {
    low(b, 'n'); b.set64(0);
    low(b, 'm'); b.set64(1);
    b.get64(0); b.c.op('f64_reinterpret_i64'); b.get64(1); b.c.op('f64_reinterpret_i64').op(op64).op('i64_reinterpret_f64'); b.set64(2);
    finish(b, pushIsPlain64, () => b.get64(2));
  });
  define(`${name}32`, (b) => {
    b.vreg('n'); b.c.mem('i32_load', CPU_Q); b.set32(0);
    b.vreg('m'); b.c.mem('i32_load', CPU_Q); b.set32(1);
    b.get32(0); b.c.op('f32_reinterpret_i32'); b.get32(1); b.c.op('f32_reinterpret_i32').op(op32).op('i32_reinterpret_f32'); b.set32(2);
    finish(b, pushIsPlain32, () => { b.get32(2); b.c.op('i64_extend_i32_u'); });
  });
}
