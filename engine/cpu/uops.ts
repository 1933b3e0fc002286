// biome-ignore-all format: chains of emitted instructions read best as written
/**
 * The micro-operations: each is defined once, as the WebAssembly it stands for, given where its operands
 * come from. The interpreter backend takes operands from the micro-op record in memory, the compiler backend
 * from locals and constants.
 *
 * A record is 16 bytes: op u16, index of the instruction in its block u8, a u8 | d, n, m, x u8 | imm i64.
 * d, n, m, a are register slots (see helpers/layout.ts); x is a small constant.
 */

import { overflow, signAndZero } from './flags.ts';
import { ACC_UNPRIVILEGED } from './helpers/heap-layout.ts';
import { CPU_DAIF, CPU_EXCLUSIVE, CPU_Q } from './helpers/layout.ts';
import { define } from './uop-table.ts';
import './uops-extensions.ts';
import './uops-simd.ts';
import type { Code, MemName, OpName } from './wasm/emitter.ts';

export { UOPS, type Uop, type UopKind, uop } from './uop-table.ts';

export type Operand = 'd' | 'n' | 'm' | 'a';
export type Flag = 'N' | 'Z' | 'C' | 'V';
type Thunk = () => void;

/** What a backend offers to the definitions. Everything pushes on, or pops from, the WebAssembly stack. */
export interface Backend {
  readonly c: Code;
  /** Pushes a register as i64. */
  reg(operand: Operand): void;
  /** Sets a register to the i64 that `value` pushes. */
  setReg(operand: Operand, value: Thunk): void;
  /** Pushes the immediate as i64; its low half as i32; x as i32. */
  imm(): void;
  imm32(): void;
  x(): void;
  /** N and Z are i64 (sign, zeroness), C and V are i32 0/1. */
  flag(flag: Flag): void;
  setFlag(flag: Flag, value: Thunk): void;
  /**
   * Flags of an addition or subtraction of scratch 0 and 1 (i64 if wide, else i32), whose result is in scratch 2;
   * of a logical result in scratch 0.
   */
  arithmeticFlags(subtract: boolean, wide: boolean): void;
  logicalFlags(wide: boolean): void;
  /** Pushes a condition (0–13) as i32. */
  condition(cond: number): void;
  /** Scratch locals: i64 0–3 and i32 0–3. */
  get64(index: number): void;
  set64(index: number): void;
  tee64(index: number): void;
  get32(index: number): void;
  set32(index: number): void;
  tee32(index: number): void;
  /** Pushes the address of the CPU state. */
  cpu(): void;
  /** Pushes CPU_BUDGET as it is now, or as it was before this block was charged for (i32). */
  budget(beforeBlock: boolean): void;
  /** Pushes the virtual address where the block starts (i64). */
  blockPc(): void;
  /** Address of a vector register's 16 bytes, `CPU_Q` not included. */
  vreg(operand: Operand): void;
  /**
   * Inline TLB lookup for `bytes` at the i64 address in scratch 0. On a hit runs `hit` with the host address
   * in i32 scratch 0; else `miss`, which calls slow paths and `exitIfAsked`. `aligned`: what is not aligned to its
   * size is a miss.
   */
  access(write: boolean, unprivileged: boolean, bytes: number, hit: Thunk, miss: Thunk, aligned?: boolean): void;
  /** Calls a helper by name; arguments are on the stack. */
  call(helper: Helper): void;
  /** Pushes the descriptor of a slow access (adds ACC_SINGLE where due). */
  desc(flags: number): void;
  /** Leaves the block, at this instruction, if a slow path left a reason in CPU_EXIT. */
  exitIfAsked(): void;
  /** Calls the instruction helper (table index in the upper half of imm, instruction word in the lower). */
  instructionHelper(): void;
}

export const HELPERS = {
  slow_load: { params: ['i32', 'i64', 'i32'], result: 'i64' },
  slow_store: { params: ['i32', 'i64', 'i64', 'i32'], result: undefined },
  load_exclusive: { params: ['i32', 'i64', 'i32', 'i32'], result: 'i64' },
  store_exclusive: { params: ['i32', 'i64', 'i64', 'i32'], result: 'i32' },
  store_exclusive_pair: { params: ['i32', 'i64', 'i64', 'i64', 'i32'], result: 'i32' },
  alignment_fault: { params: ['i32', 'i64', 'i32'], result: undefined },
  sp_alignment_fault: { params: ['i32'], result: undefined },
  atomic: { params: ['i32', 'i64', 'i64', 'i64', 'i32', 'i32'], result: 'i64' },
  pair_for_update: { params: ['i32', 'i64', 'i32'], result: undefined },
  pac_add: { params: ['i32', 'i64', 'i64', 'i32'], result: 'i64' },
  pac_authenticate: { params: ['i32', 'i64', 'i64', 'i32'], result: 'i64' },
  pac_strip: { params: ['i32', 'i64', 'i32'], result: 'i64' },
  pac_generic: { params: ['i32', 'i64', 'i64'], result: 'i64' },
  branch_target_fault: { params: ['i32', 'i32'], result: undefined },
  zero_block: { params: ['i32', 'i64', 'i32'], result: undefined },
  maintain: { params: ['i32', 'i64', 'i32', 'i32'], result: undefined },
  plain_flags: { params: ['i32'], result: undefined },
  fetch_block: { params: ['i32', 'i64'], result: 'i32' },
} as const;
export type Helper = keyof typeof HELPERS;

/* ---------------------------------------------------------------- small pieces */

function wrap(b: Backend, operand: Operand): void {
  b.reg(operand);
  b.c.op('i32_wrap_i64');
}

/** d = 32-bit expression, zero-extended. */
function set32(b: Backend, value: Thunk): void {
  b.setReg('d', () => {
    value();
    b.c.op('i64_extend_i32_u');
  });
}

/* ---------------------------------------------------------------- moves and arithmetic */

define('movi', (b) => b.setReg('d', () => b.imm()));
define('mov', (b) => b.setReg('d', () => b.reg('n')));
define('mov32', (b) => set32(b, () => wrap(b, 'n')));
define('adr', (b) =>
  b.setReg('d', () => {
    b.blockPc();
    b.imm();
    b.c.op('i64_add');
  }));
define('adrp', (b) =>
  b.setReg('d', () => {
    b.blockPc();
    b.c.i64(-4096, -1).op('i64_and');
    b.imm();
    b.c.op('i64_add');
  }));

const binary64: [string, (c: Code) => void][] = [
  ['add', (c) => c.op('i64_add')],
  ['sub', (c) => c.op('i64_sub')],
  ['and', (c) => c.op('i64_and')],
  ['orr', (c) => c.op('i64_or')],
  ['eor', (c) => c.op('i64_xor')],
  ['bic', (c) => c.i64(-1, -1).op('i64_xor').op('i64_and')],
  ['orn', (c) => c.i64(-1, -1).op('i64_xor').op('i64_or')],
  ['eon', (c) => c.i64(-1, -1).op('i64_xor').op('i64_xor')],
  ['mul', (c) => c.op('i64_mul')],
  ['lslv', (c) => c.op('i64_shl')],
  ['lsrv', (c) => c.op('i64_shr_u')],
  ['asrv', (c) => c.op('i64_shr_s')],
  ['rorv', (c) => c.op('i64_rotr')],
];
const binary32: [string, (c: Code) => void][] = binary64.map(([name]) => {
  const table: { [k: string]: OpName } = {
    add: 'i32_add', sub: 'i32_sub', and: 'i32_and', orr: 'i32_or', eor: 'i32_xor',
    mul: 'i32_mul', lslv: 'i32_shl', lsrv: 'i32_shr_u', asrv: 'i32_shr_s', rorv: 'i32_rotr',
    bic: 'i32_and', orn: 'i32_or', eon: 'i32_xor',
  };
  const negated = name === 'bic' || name === 'orn' || name === 'eon';
  return [
    name,
    (c) => {
      if (negated) c.i32(-1).op('i32_xor');
      c.op(table[name]!);
    },
  ];
});
for (const [name, op] of binary64) {
  define(`${name}`, (b) => b.setReg('d', () => { b.reg('n'); b.reg('m'); op(b.c); }));
  define(`${name}_i`, (b) => b.setReg('d', () => { b.reg('n'); b.imm(); op(b.c); }));
}
for (const [name, op] of binary32) {
  define(`${name}32`, (b) => set32(b, () => { wrap(b, 'n'); wrap(b, 'm'); op(b.c); }));
  define(`${name}32_i`, (b) => set32(b, () => { wrap(b, 'n'); b.imm32(); op(b.c); }));
}
/** The common fused form: n op (m << x). */
for (const name of ['add', 'sub', 'orr', 'eor', 'and'] as const) {
  const op = binary64.find(([k]) => k === name)![1];
  define(`${name}_lsl`, (b) =>
    b.setReg('d', () => {
      b.reg('n');
      b.reg('m');
      b.x();
      b.c.op('i64_extend_i32_u').op('i64_shl');
      op(b.c);
    }));
}

/* ---------------------------------------------------------------- flags */

for (const [name, subtract] of [
  ['adds', false],
  ['subs', true],
] as const) {
  for (const immediate of [false, true]) {
    const suffix = immediate ? '_i' : '';
    define(`${name}${suffix}`, (b) => {
      b.reg('n'); b.set64(0);
      if (immediate) b.imm(); else b.reg('m');
      b.set64(1);
      b.get64(0); b.get64(1); b.c.op(subtract ? 'i64_sub' : 'i64_add'); b.set64(2);
      b.arithmeticFlags(subtract, true);
      b.setReg('d', () => b.get64(2));
    });
    define(`${name}32${suffix}`, (b) => {
      wrap(b, 'n'); b.set32(0);
      if (immediate) b.imm32(); else wrap(b, 'm');
      b.set32(1);
      b.get32(0); b.get32(1); b.c.op(subtract ? 'i32_sub' : 'i32_add'); b.set32(2);
      b.arithmeticFlags(subtract, false);
      set32(b, () => b.get32(2));
    });
  }
}
for (const name of ['and', 'bic'] as const) {
  const op64 = binary64.find(([k]) => k === name)![1];
  const op32 = binary32.find(([k]) => k === name)![1];
  for (const immediate of [false, true]) {
    const suffix = immediate ? '_i' : '';
    define(`${name}s${suffix}`, (b) => {
      b.reg('n');
      if (immediate) b.imm(); else b.reg('m');
      op64(b.c);
      b.set64(0);
      b.logicalFlags(true);
      b.setReg('d', () => b.get64(0));
    });
    define(`${name}s32${suffix}`, (b) => {
      wrap(b, 'n');
      if (immediate) b.imm32(); else wrap(b, 'm');
      op32(b.c);
      b.set32(0);
      b.logicalFlags(false);
      set32(b, () => b.get32(0));
    });
  }
}
/** ADC and ADCS; SBC is ADC of the inverted operand (m inverted by the translator through `orn`). */
define('adc', (b) =>
  b.setReg('d', () => {
    b.reg('n'); b.reg('m'); b.c.op('i64_add'); b.flag('C'); b.c.op('i64_extend_i32_u').op('i64_add');
  }));
define('adc32', (b) => set32(b, () => { wrap(b, 'n'); wrap(b, 'm'); b.c.op('i32_add'); b.flag('C'); b.c.op('i32_add'); }));
define('adcs', (b) => {
  b.reg('n'); b.set64(0);
  b.reg('m'); b.set64(1);
  b.get64(0); b.get64(1); b.c.op('i64_add'); b.tee64(3); b.flag('C'); b.c.op('i64_extend_i32_u').op('i64_add'); b.set64(2);
  // Carry out of either addition.
  b.setFlag('C', () => {
    b.get64(3); b.get64(0); b.c.op('i64_lt_u'); b.get64(2); b.get64(3); b.c.op('i64_lt_u').op('i32_or');
  });
  overflow(b, false, true);
  signAndZero(b, true);
  b.setReg('d', () => b.get64(2));
});
define('adcs32', (b) => {
  wrap(b, 'n'); b.set32(0);
  wrap(b, 'm'); b.set32(1);
  b.get32(0); b.get32(1); b.c.op('i32_add'); b.tee32(3); b.flag('C'); b.c.op('i32_add'); b.set32(2);
  b.setFlag('C', () => {
    b.get32(3); b.get32(0); b.c.op('i32_lt_u'); b.get32(2); b.get32(3); b.c.op('i32_lt_u').op('i32_or');
  });
  overflow(b, false, false);
  signAndZero(b, false);
  set32(b, () => b.get32(2));
});

for (let cond = 0; cond < 14; cond++) {
  /** d = condition as 0 or 1. */
  define(`cset${cond}`, (b) => set32(b, () => b.condition(cond)));
}
/** d = a (0 or 1) ? n : m. */
define('sel', (b) => b.setReg('d', () => { b.reg('n'); b.reg('m'); wrap(b, 'a'); b.c.op('select'); }));
define('sel32', (b) =>
  b.setReg('d', () => { b.reg('n'); b.reg('m'); wrap(b, 'a'); b.c.op('select').i64(-1, 0).op('i64_and'); }));
/** Sets the flags from imm bits 3:0 = NZCV if a is 0; leaves them otherwise. Used after CCMP's comparison. */
define('ccflags', (b) => {
  const keep = (flag: Flag, literal: Thunk): void => {
    b.setFlag(flag, () => {
      b.flag(flag);
      literal();
      wrap(b, 'a');
      b.c.op('select');
    });
  };
  keep('N', () => { b.imm(); b.c.i64(60).op('i64_shl').i64(0, -2147483648).op('i64_and'); });
  keep('Z', () => { b.imm(); b.c.i64(2).op('i64_shr_u').i64(1).op('i64_and').i64(1).op('i64_xor'); });
  keep('C', () => { b.imm32(); b.c.i32(1).op('i32_shr_u').i32(1).op('i32_and'); });
  keep('V', () => { b.imm32(); b.c.i32(1).op('i32_and'); });
});
define('getnzcv', (b) =>
  set32(b, () => {
    b.flag('N'); b.c.i64(63).op('i64_shr_u').op('i32_wrap_i64').i32(31).op('i32_shl');
    b.flag('Z'); b.c.op('i64_eqz').i32(30).op('i32_shl').op('i32_or');
    b.flag('C'); b.c.i32(29).op('i32_shl').op('i32_or');
    b.flag('V'); b.c.i32(28).op('i32_shl').op('i32_or');
  }));
define('setnzcv', (b) => {
  b.setFlag('N', () => { b.reg('n'); b.c.i64(32).op('i64_shl'); });
  b.setFlag('Z', () => { b.reg('n'); b.c.i64(30).op('i64_shr_u').i64(1).op('i64_and').i64(1).op('i64_xor'); });
  b.setFlag('C', () => { wrap(b, 'n'); b.c.i32(29).op('i32_shr_u').i32(1).op('i32_and'); });
  b.setFlag('V', () => { wrap(b, 'n'); b.c.i32(28).op('i32_shr_u').i32(1).op('i32_and'); });
});

/* ---------------------------------------------------------------- bit fields, extensions, bit counting */

/** d = (n >> x) & imm; d = (n & imm) << x. */
define('ubfx', (b) => b.setReg('d', () => {
  b.reg('n'); b.x(); b.c.op('i64_extend_i32_u').op('i64_shr_u'); b.imm(); b.c.op('i64_and');
}));
define('ubfiz', (b) => b.setReg('d', () => {
  b.reg('n'); b.imm(); b.c.op('i64_and'); b.x(); b.c.op('i64_extend_i32_u').op('i64_shl');
}));
/** d = (n << x) >>s imm. */
define('sbfx', (b) => b.setReg('d', () => {
  b.reg('n'); b.x(); b.c.op('i64_extend_i32_u').op('i64_shl'); b.imm(); b.c.op('i64_shr_s');
}));
define('sbfx32', (b) => set32(b, () => { wrap(b, 'n'); b.x(); b.c.op('i32_shl'); b.imm32(); b.c.op('i32_shr_s'); }));
/** d = (m & ~imm) | (rotr(n, x) & imm): BFM; m is the old destination. */
define('bfm', (b) => b.setReg('d', () => {
  b.reg('m'); b.imm(); b.c.i64(-1, -1).op('i64_xor').op('i64_and');
  b.reg('n'); b.x(); b.c.op('i64_extend_i32_u').op('i64_rotr'); b.imm(); b.c.op('i64_and').op('i64_or');
}));
define('bfm32', (b) => set32(b, () => {
  wrap(b, 'm'); b.imm32(); b.c.i32(-1).op('i32_xor').op('i32_and');
  wrap(b, 'n'); b.x(); b.c.op('i32_rotr'); b.imm32(); b.c.op('i32_and').op('i32_or');
}));
/** d = (n:m) >> x, x in 1..width-1. */
define('extr', (b) => b.setReg('d', () => {
  b.reg('m'); b.x(); b.c.op('i64_extend_i32_u').op('i64_shr_u');
  b.reg('n'); b.c.i32(64); b.x(); b.c.op('i32_sub').op('i64_extend_i32_u').op('i64_shl').op('i64_or');
}));
define('extr32', (b) => set32(b, () => {
  wrap(b, 'm'); b.x(); b.c.op('i32_shr_u');
  wrap(b, 'n'); b.c.i32(32); b.x(); b.c.op('i32_sub').op('i32_shl').op('i32_or');
}));
for (const [name, op] of [['sxtb', 'i64_extend8_s'], ['sxth', 'i64_extend16_s'], ['sxtw', 'i64_extend32_s']] as const) {
  define(name, (b) => b.setReg('d', () => { b.reg('n'); b.c.op(op); }));
}
define('clz', (b) => b.setReg('d', () => { b.reg('n'); b.c.op('i64_clz'); }));
define('clz32', (b) => set32(b, () => { wrap(b, 'n'); b.c.op('i32_clz'); }));
define('cls', (b) => b.setReg('d', () => {
  b.reg('n'); b.reg('n'); b.c.i64(63).op('i64_shr_s').op('i64_xor').op('i64_clz').i64(1).op('i64_sub');
}));
define('cls32', (b) => set32(b, () => {
  wrap(b, 'n'); wrap(b, 'n'); b.c.i32(31).op('i32_shr_s').op('i32_xor').op('i32_clz').i32(1).op('i32_sub');
}));
function swapStep(b: Backend, maskLo: number, maskHi: number, shift: number): void {
  // scratch 0 = ((v >> shift) & mask) | ((v & mask) << shift)
  b.get64(0); b.c.i64(shift).op('i64_shr_u').i64(maskLo, maskHi).op('i64_and');
  b.get64(0); b.c.i64(maskLo, maskHi).op('i64_and').i64(shift).op('i64_shl').op('i64_or');
  b.set64(0);
}
const bytesInHalves = (b: Backend): void => swapStep(b, 0x00ff00ff, 0x00ff00ff, 8);
const halvesInWords = (b: Backend): void => swapStep(b, 0x0000ffff, 0x0000ffff, 16);
define('rev16', (b) => { b.reg('n'); b.set64(0); bytesInHalves(b); b.setReg('d', () => b.get64(0)); });
define('rev32', (b) => { b.reg('n'); b.set64(0); bytesInHalves(b); halvesInWords(b); b.setReg('d', () => b.get64(0)); });
define('rev', (b) => {
  b.reg('n'); b.set64(0); bytesInHalves(b); halvesInWords(b);
  b.setReg('d', () => { b.get64(0); b.c.i64(32).op('i64_rotr'); });
});
define('rbit', (b) => {
  b.reg('n'); b.set64(0);
  swapStep(b, 0x55555555, 0x55555555, 1);
  swapStep(b, 0x33333333, 0x33333333, 2);
  swapStep(b, 0x0f0f0f0f, 0x0f0f0f0f, 4);
  bytesInHalves(b); halvesInWords(b);
  b.setReg('d', () => { b.get64(0); b.c.i64(32).op('i64_rotr'); });
});

/* ---------------------------------------------------------------- multiply and divide */

define('madd', (b) => b.setReg('d', () => { b.reg('a'); b.reg('n'); b.reg('m'); b.c.op('i64_mul').op('i64_add'); }));
define('msub', (b) => b.setReg('d', () => { b.reg('a'); b.reg('n'); b.reg('m'); b.c.op('i64_mul').op('i64_sub'); }));
define('madd32', (b) => set32(b, () => { wrap(b, 'a'); wrap(b, 'n'); wrap(b, 'm'); b.c.op('i32_mul').op('i32_add'); }));
define('msub32', (b) => set32(b, () => { wrap(b, 'a'); wrap(b, 'n'); wrap(b, 'm'); b.c.op('i32_mul').op('i32_sub'); }));
for (const [name, extend] of [['s', 'i64_extend_i32_s'], ['u', 'i64_extend_i32_u']] as const) {
  for (const [suffix, op] of [['maddl', 'i64_add'], ['msubl', 'i64_sub']] as const) {
    define(`${name}${suffix}`, (b) => b.setReg('d', () => {
      b.reg('a'); wrap(b, 'n'); b.c.op(extend); wrap(b, 'm'); b.c.op(extend).op('i64_mul').op(op);
    }));
  }
}
/** High half of the 128-bit product, from four 32-bit multiplications (no wide multiply in WebAssembly). */
function umulh(b: Backend): void {
  const { c } = b;
  const low = (i: number): void => { b.get64(i); c.i64(-1, 0).op('i64_and'); };
  const high = (i: number): void => { b.get64(i); c.i64(32).op('i64_shr_u'); };
  // t = hi0*lo1 + (lo0*lo1 >> 32); cannot overflow
  high(0); low(1); c.op('i64_mul');
  low(0); low(1); c.op('i64_mul').i64(32).op('i64_shr_u').op('i64_add');
  b.set64(2);
  // u = lo0*hi1 + low(t)
  low(0); high(1); c.op('i64_mul'); low(2); c.op('i64_add'); b.set64(3);
  high(0); high(1); c.op('i64_mul'); high(2); c.op('i64_add'); high(3); c.op('i64_add');
}
define('umulh', (b) => {
  b.reg('n'); b.set64(0);
  b.reg('m'); b.set64(1);
  b.setReg('d', () => umulh(b));
});
define('smulh', (b) => {
  b.reg('n'); b.set64(0);
  b.reg('m'); b.set64(1);
  b.setReg('d', () => {
    umulh(b);
    // signed = unsigned - (n < 0 ? m : 0) - (m < 0 ? n : 0)
    b.get64(0); b.c.i64(63).op('i64_shr_s'); b.get64(1); b.c.op('i64_and').op('i64_sub');
    b.get64(1); b.c.i64(63).op('i64_shr_s'); b.get64(0); b.c.op('i64_and').op('i64_sub');
  });
});
/** Division by zero gives zero; the one overflow wraps. */
define('udiv', (b) => b.setReg('d', () => {
  b.reg('m'); b.c.op('i64_eqz').if(0x7e).i64(0).else(); b.reg('n'); b.reg('m'); b.c.op('i64_div_u').end();
}));
define('udiv32', (b) => set32(b, () => {
  wrap(b, 'm'); b.c.op('i32_eqz').if(0x7f).i32(0).else(); wrap(b, 'n'); wrap(b, 'm'); b.c.op('i32_div_u').end();
}));
define('sdiv', (b) => b.setReg('d', () => {
  b.reg('m'); b.c.op('i64_eqz').if(0x7e).i64(0).else();
  b.reg('m'); b.c.i64(-1, -1).op('i64_eq').if(0x7e).i64(0); b.reg('n'); b.c.op('i64_sub').else();
  b.reg('n'); b.reg('m'); b.c.op('i64_div_s').end().end();
}));
define('sdiv32', (b) => set32(b, () => {
  wrap(b, 'm'); b.c.op('i32_eqz').if(0x7f).i32(0).else();
  wrap(b, 'm'); b.c.i32(-1).op('i32_eq').if(0x7f).i32(0); wrap(b, 'n'); b.c.op('i32_sub').else();
  wrap(b, 'n'); wrap(b, 'm'); b.c.op('i32_div_s').end().end();
}));

/* ---------------------------------------------------------------- loads and stores */

type Address = 'imm' | 'reg';
/** Scratch 0 = n + imm, or n + (m << x). */
function address(b: Backend, mode: Address): void {
  b.reg('n');
  if (mode === 'imm') b.imm();
  else {
    b.reg('m'); b.x(); b.c.op('i64_extend_i32_u').op('i64_shl');
  }
  b.c.op('i64_add');
  b.set64(0);
}

function slowLoad(b: Backend, offset: number, sizeLog2: number, unprivileged: boolean): void {
  b.cpu(); b.get64(0);
  if (offset !== 0) b.c.i64(offset).op('i64_add');
  b.desc(sizeLog2 | (unprivileged ? ACC_UNPRIVILEGED : 0));
  b.call('slow_load');
}
function slowStore(b: Backend, offset: number, sizeLog2: number, unprivileged: boolean, value: Thunk): void {
  b.cpu(); b.get64(0);
  if (offset !== 0) b.c.i64(offset).op('i64_add');
  value();
  b.desc(sizeLog2 | (unprivileged ? ACC_UNPRIVILEGED : 0));
  b.call('slow_store');
  b.exitIfAsked();
}

const loads: { name: string; sizeLog2: number; mem: MemName; extend: OpName[] }[] = [
  { name: 'ld8', sizeLog2: 0, mem: 'i64_load8_u', extend: [] },
  { name: 'ld16', sizeLog2: 1, mem: 'i64_load16_u', extend: [] },
  { name: 'ld32', sizeLog2: 2, mem: 'i64_load32_u', extend: [] },
  { name: 'ld64', sizeLog2: 3, mem: 'i64_load', extend: [] },
  { name: 'lds8', sizeLog2: 0, mem: 'i64_load8_s', extend: ['i64_extend8_s'] },
  { name: 'lds16', sizeLog2: 1, mem: 'i64_load16_s', extend: ['i64_extend16_s'] },
  { name: 'lds32', sizeLog2: 2, mem: 'i64_load32_s', extend: ['i64_extend32_s'] },
];
for (const { name, sizeLog2, mem, extend } of loads) {
  for (const mode of ['imm', 'reg'] as const) {
    for (const unprivileged of [false, true]) {
      if (unprivileged && mode === 'reg') continue;
      define(`${name}_${mode}${unprivileged ? '_u' : ''}`, (b) => {
        address(b, mode);
        b.access(false, unprivileged, 1 << sizeLog2,
          () => { b.get32(0); b.c.mem(mem); b.set64(1); },
          () => {
            slowLoad(b, 0, sizeLog2, unprivileged);
            for (const op of extend) b.c.op(op);
            b.set64(1);
            b.exitIfAsked();
          });
        b.setReg('d', () => b.get64(1));
      }, 'plain', true);
    }
  }
}
/** Signed loads into W registers: sign-extended to 32 bits. */
define('w', (b) => b.setReg('d', () => { b.reg('d'); b.c.i64(-1, 0).op('i64_and'); }));

const stores: [string, number, MemName][] = [
  ['st8', 0, 'i64_store8'],
  ['st16', 1, 'i64_store16'],
  ['st32', 2, 'i64_store32'],
  ['st64', 3, 'i64_store'],
];
for (const [name, sizeLog2, mem] of stores) {
  for (const mode of ['imm', 'reg'] as const) {
    for (const unprivileged of [false, true]) {
      if (unprivileged && mode === 'reg') continue;
      define(`${name}_${mode}${unprivileged ? '_u' : ''}`, (b) => {
        address(b, mode);
        b.access(true, unprivileged, 1 << sizeLog2,
          () => { b.get32(0); b.reg('d'); b.c.mem(mem); },
          () => slowStore(b, 0, sizeLog2, unprivileged, () => b.reg('d')));
      }, 'plain', true);
    }
  }
}
/** Pairs: d and a at n + imm. */
for (const [name, sizeLog2, mem, extend] of [
  ['ldp64', 3, 'i64_load', undefined],
  ['ldp32', 2, 'i64_load32_u', undefined],
  ['ldpsw', 2, 'i64_load32_s', 'i64_extend32_s'],
] as const) {
  const bytes = 1 << sizeLog2;
  define(name, (b) => {
    address(b, 'imm');
    b.access(false, false, 2 * bytes,
      () => { b.get32(0); b.c.mem(mem); b.set64(1); b.get32(0); b.c.mem(mem, bytes); b.set64(2); },
      () => {
        slowLoad(b, 0, sizeLog2, false);
        if (extend !== undefined) b.c.op(extend);
        b.set64(1); b.exitIfAsked();
        slowLoad(b, bytes, sizeLog2, false);
        if (extend !== undefined) b.c.op(extend);
        b.set64(2); b.exitIfAsked();
      });
    b.setReg('d', () => b.get64(1));
    b.setReg('a', () => b.get64(2));
  }, 'plain', true);
}
for (const [name, sizeLog2, mem] of [['stp64', 3, 'i64_store'], ['stp32', 2, 'i64_store32']] as const) {
  const bytes = 1 << sizeLog2;
  define(name, (b) => {
    address(b, 'imm');
    b.access(true, false, 2 * bytes,
      () => { b.get32(0); b.reg('d'); b.c.mem(mem); b.get32(0); b.reg('a'); b.c.mem(mem, bytes); },
      () => {
        slowStore(b, 0, sizeLog2, false, () => b.reg('d'));
        slowStore(b, bytes, sizeLog2, false, () => b.reg('a'));
      });
  }, 'plain', true);
}

/** Vector registers: d is a V register number. Loads clear the rest of the register. */
for (const { name, sizeLog2, mem } of loads.slice(0, 4)) {
  for (const mode of ['imm', 'reg'] as const) {
    define(`v${name}_${mode}`, (b) => {
      address(b, mode);
      b.access(false, false, 1 << sizeLog2,
        () => { b.get32(0); b.c.mem(mem); b.set64(1); },
        () => { slowLoad(b, 0, sizeLog2, false); b.set64(1); b.exitIfAsked(); });
      b.vreg('d'); b.get64(1); b.c.mem('i64_store', CPU_Q);
      b.vreg('d'); b.c.i64(0).mem('i64_store', CPU_Q + 8);
    }, 'plain', true);
  }
}
for (const [name, sizeLog2, mem] of stores) {
  for (const mode of ['imm', 'reg'] as const) {
    define(`v${name}_${mode}`, (b) => {
      address(b, mode);
      const value = (): void => { b.vreg('d'); b.c.mem('i64_load', CPU_Q); };
      b.access(true, false, 1 << sizeLog2,
        () => { b.get32(0); value(); b.c.mem(mem); },
        () => slowStore(b, 0, sizeLog2, false, value));
    }, 'plain', true);
  }
}
const V128_LOAD = 0x00;
const V128_STORE = 0x0b;
for (const mode of ['imm', 'reg'] as const) {
  define(`vld128_${mode}`, (b) => {
    address(b, mode);
    b.access(false, false, 16,
      () => { b.vreg('d'); b.get32(0); b.c.simdMem(V128_LOAD, 0, 0).simdMem(V128_STORE, 0, CPU_Q); },
      () => {
        slowLoad(b, 0, 3, false); b.set64(1); b.exitIfAsked();
        slowLoad(b, 8, 3, false); b.set64(2); b.exitIfAsked();
        b.vreg('d'); b.get64(1); b.c.mem('i64_store', CPU_Q);
        b.vreg('d'); b.get64(2); b.c.mem('i64_store', CPU_Q + 8);
      });
  }, 'plain', true);
  define(`vst128_${mode}`, (b) => {
    address(b, mode);
    b.access(true, false, 16,
      () => { b.get32(0); b.vreg('d'); b.c.simdMem(V128_LOAD, 0, CPU_Q).simdMem(V128_STORE, 0, 0); },
      () => {
        slowStore(b, 0, 3, false, () => { b.vreg('d'); b.c.mem('i64_load', CPU_Q); });
        slowStore(b, 8, 3, false, () => { b.vreg('d'); b.c.mem('i64_load', CPU_Q + 8); });
      });
  }, 'plain', true);
}
/** Lanes: x is the byte offset in V register d (put, dup) or n (get). */
for (const [bits, store, load] of [
  [8, 'i64_store8', 'i64_load8_u'], [16, 'i64_store16', 'i64_load16_u'],
  [32, 'i64_store32', 'i64_load32_u'], [64, 'i64_store', 'i64_load'],
] as const) {
  define(`vput${bits}`, (b) => { b.vreg('d'); b.x(); b.c.op('i32_add'); b.reg('n'); b.c.mem(store, CPU_Q); });
  define(`vget${bits}`, (b) => b.setReg('d', () => { b.vreg('n'); b.x(); b.c.op('i32_add').mem(load, CPU_Q); }));
}
define('vzero', (b) => {
  b.vreg('d'); b.c.i64(0).mem('i64_store', CPU_Q);
  b.vreg('d'); b.c.i64(0).mem('i64_store', CPU_Q + 8);
});
define('vzerohi', (b) => { b.vreg('d'); b.c.i64(0).mem('i64_store', CPU_Q + 8); });
/** Splat the low bits of n; x is 0 byte, 1 half, 2 word, 3 doubleword as separate micro-ops. */
for (const [bits, splat, narrow] of [[8, 0x0f, true], [16, 0x10, true], [32, 0x11, true], [64, 0x12, false]] as const) {
  define(`vdup${bits}`, (b) => {
    b.vreg('d');
    if (narrow) wrap(b, 'n'); else b.reg('n');
    b.c.simd(splat).simdMem(V128_STORE, 0, CPU_Q);
  });
}

/** Zero 64 bytes at n & ~63 (DC ZVA with DCZID_EL0.BS = 4). */
define('zva', (b) => {
  b.reg('n'); b.c.i64(-64, -1).op('i64_and'); b.set64(0);
  b.access(true, false, 64,
    () => {
      for (let i = 0; i < 64; i += 8) { b.get32(0); b.c.i64(0).mem('i64_store', i); }
    },
    () => {
      b.cpu(); b.reg('n'); b.desc(3); b.call('zero_block');
      b.exitIfAsked();
    });
}, 'plain', true);

/** Cache maintenance by the address in n. */
for (const isWrite of [false, true]) {
  define(isWrite ? 'maintain_w' : 'maintain', (b) => {
    b.reg('n'); b.set64(0);
    b.access(isWrite, false, 1, () => {}, () => {
      b.cpu(); b.get64(0); b.desc(0); b.c.i32(Number(isWrite)); b.call('maintain');
      b.exitIfAsked();
    });
  }, 'plain', true);
}

/** Alignment check of ordered accesses: n must have no bit of imm set; x: 1 for a store. */
define('align', (b) => {
  b.reg('n'); b.imm(); b.c.op('i64_and').op('i64_eqz').op('i32_eqz').if();
  b.cpu(); b.reg('n'); b.x(); b.call('alignment_fault');
  b.c.end();
  b.exitIfAsked();
}, 'plain', true);
/** Alignment check of the stack pointer (n) as a base. */
define('spalign', (b) => {
  b.reg('n'); b.c.op('i32_wrap_i64').i32(15).op('i32_and').if();
  b.cpu(); b.call('sp_alignment_fault');
  b.c.end();
  b.exitIfAsked();
}, 'plain', true);
/** Exclusives: x is log2 of the element size, imm log2 of the whole. */
for (let sizeLog2 = 0; sizeLog2 < 4; sizeLog2++) {
  define(`ldx${8 << sizeLog2}`, (b) => {
    b.cpu(); b.reg('n'); b.desc(sizeLog2); b.imm32(); b.call('load_exclusive'); b.set64(1);
    b.exitIfAsked();
    b.setReg('d', () => b.get64(1));
  }, 'plain', true);
  define(`stx${8 << sizeLog2}`, (b) => {
    b.cpu(); b.reg('n'); b.reg('m'); b.desc(sizeLog2); b.call('store_exclusive'); b.set32(1);
    b.exitIfAsked();
    set32(b, () => b.get32(1));
  }, 'plain', true);
}
for (const sizeLog2 of [2, 3]) {
  define(`stxp${8 << sizeLog2}`, (b) => {
    b.cpu(); b.reg('n'); b.reg('m'); b.reg('a'); b.desc(sizeLog2); b.call('store_exclusive_pair'); b.set32(1);
    b.exitIfAsked();
    set32(b, () => b.get32(1));
  }, 'plain', true);
}
define('clrex', (b) => { b.cpu(); b.c.i32(0).mem('i32_store', CPU_EXCLUSIVE); });

/* ---------------------------------------------------------------- system */

/** Plain storage at cpu + imm. */
define('ldsys', (b) => b.setReg('d', () => { b.cpu(); b.imm32(); b.c.op('i32_add').mem('i64_load'); }));
define('ldsys32', (b) => b.setReg('d', () => { b.cpu(); b.imm32(); b.c.op('i32_add').mem('i64_load32_u'); }));
define('stsys', (b) => { b.cpu(); b.imm32(); b.c.op('i32_add'); b.reg('n'); b.c.mem('i64_store'); });
define('stsys32', (b) => { b.cpu(); b.imm32(); b.c.op('i32_add'); b.reg('n'); b.c.mem('i64_store32'); });
define('getdaif', (b) => set32(b, () => { b.cpu(); b.c.mem('i32_load', CPU_DAIF).i32(6).op('i32_shl'); }));
define('daifset', (b) => {
  b.cpu(); b.cpu(); b.c.mem('i32_load', CPU_DAIF); b.x(); b.c.op('i32_or').mem('i32_store', CPU_DAIF);
});
define('daifclr', (b) => {
  b.cpu(); b.cpu(); b.c.mem('i32_load', CPU_DAIF); b.x(); b.c.i32(-1).op('i32_xor').op('i32_and').mem('i32_store', CPU_DAIF);
}, 'unmask');
define('setdaif', (b) => {
  b.cpu(); wrap(b, 'n'); b.c.i32(6).op('i32_shr_u').i32(15).op('i32_and').mem('i32_store', CPU_DAIF);
}, 'unmask');
/** An instruction helper: table index in the upper half of imm, instruction word in the lower. */
define('helper', (b) => b.instructionHelper());

/* ---------------------------------------------------------------- ends of blocks */

define('b', () => {}, 'branch');
define('br', () => {}, 'branch-register');
for (let cond = 0; cond < 14; cond++) define(`b${cond}`, (b) => b.condition(cond), 'branch-if');
define('cbz', (b) => { b.reg('n'); b.c.op('i64_eqz'); }, 'branch-if');
define('cbnz', (b) => { b.reg('n'); b.c.i64(0).op('i64_ne'); }, 'branch-if');
define('cbz32', (b) => { wrap(b, 'n'); b.c.op('i32_eqz'); }, 'branch-if');
define('cbnz32', (b) => { wrap(b, 'n'); b.c.i32(0).op('i32_ne'); }, 'branch-if');
define('tbz', (b) => {
  b.reg('n'); b.x(); b.c.op('i64_extend_i32_u').op('i64_shr_u').op('i32_wrap_i64').i32(1).op('i32_and').op('i32_eqz');
}, 'branch-if');
define('tbnz', (b) => {
  b.reg('n'); b.x(); b.c.op('i64_extend_i32_u').op('i64_shr_u').op('i32_wrap_i64').i32(1).op('i32_and');
}, 'branch-if');
/** To the host side: imm is the instruction word. */
define('host', () => {}, 'host');
