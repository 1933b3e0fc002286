// biome-ignore-all format: chains of emitted instructions read best as written
import { pushCondition, setArithmeticFlags } from './flags.ts';
import { TLB_BYTES, TLB_ENTRIES, TLB_SET } from './helpers/heap-layout.ts';
import { CPU_C, CPU_EXIT, CPU_FLAG_A, CPU_FLAG_B, CPU_FLAG_KIND, CPU_N, CPU_V, CPU_Z, SLOT_SINK, SLOT_ZR } from './helpers/layout.ts';
import { bitOfSlot, FLAGS_DYNAMIC, type RegisterMask } from './region-analysis.ts';
import { FLAGS } from './uop-effects.ts';
import type { Backend, Flag, Helper, Operand } from './uops.ts';
import type { Code } from './wasm/emitter.ts';

/** Fixed locals of a compiled region. Registers follow from FIRST_REGISTER. */
export const LOCAL = {
  CPU: 0,
  BUDGET: 1,
  TLB: 2,
  ENTRY: 3,
  S32: 4, // 4–7
  KIND: 8,
  C: 9,
  V: 10,
  BASE: 11, // i64: virtual address of the page
  PC: 12,
  S64: 13, // 13–16
  N: 17,
  Z: 18,
  FA: 19,
  FB: 20,
  /** Scratch of the flag formulas, which may run in the middle of a micro-op: i64 21–24, i32 25–28. */
  F64: 21,
  F32: 25,
} as const;
/** Types of the locals after the parameter, in runs. */
export const FIXED_LOCALS = { i32: 10, i64: 14, i32Again: 4 } as const;
export const FIRST_REGISTER = 29;

const FLAG_LOCAL = { N: LOCAL.N, Z: LOCAL.Z, C: LOCAL.C, V: LOCAL.V } as const;
export const FLAG_OFFSET = { N: CPU_N, Z: CPU_Z, C: CPU_C, V: CPU_V } as const;

/** The present micro-op. */
export interface Operands {
  d: number;
  n: number;
  m: number;
  a: number;
  x: number;
  lo: number;
  hi: number;
}

/** Operands from locals and constants; flags held as the operands of what set them, so that unread ones cost nothing. */
export class CompilerBackend implements Backend {
  readonly c: Code;
  readonly operands: Operands = { d: 0, n: 0, m: 0, a: 0, x: 0, lo: 0, hi: 0 };
  /** What is known of the flags: a FLAGS kind, or FLAGS_DYNAMIC (then local KIND says). */
  flags: number = FLAGS.INHERITED;
  /** N, Z, C and V hold the flags as well. */
  plainToo = false;
  /** Distance of the block's first instruction from the start of the entry's page. */
  blockOffset = 0;
  /** Instructions of the block. */
  blockCount = 0;
  /** Registers written since CPU state was last true. */
  dirty: RegisterMask = 0;
  /** Local of a register slot. */
  readonly registers = new Map<number, number>();
  readonly #helperIndex: (name: Helper) => number;
  /** Emits the departure at the present instruction; the reason is in CPU_EXIT. */
  leave: (inside: number) => void = () => {};
  /** Open `if`s of `access` around the code being emitted. */
  #nesting = 0;
  callInstructionHelper: () => void = () => {};

  constructor(c: Code, helperIndex: (name: Helper) => number) {
    this.c = c;
    this.#helperIndex = helperIndex;
  }

  local(slot: number): number {
    let local = this.registers.get(slot);
    if (local === undefined) {
      local = FIRST_REGISTER + this.registers.size;
      this.registers.set(slot, local);
    }
    return local;
  }

  reg(operand: Operand): void {
    const slot = this.operands[operand];
    if (slot === SLOT_ZR) this.c.i64(0);
    else this.c.get(this.local(slot));
  }
  setReg(operand: Operand, value: () => void): void {
    const slot = this.operands[operand];
    value();
    if (slot === SLOT_SINK) this.c.op('drop');
    else {
      this.dirty |= bitOfSlot(slot);
      this.c.set(this.local(slot));
    }
  }
  imm(): void {
    this.c.i64(this.operands.lo, this.operands.hi);
  }
  imm32(): void {
    this.c.i32(this.operands.lo);
  }
  x(): void {
    this.c.i32(this.operands.x);
  }

  /** At the start of a block. */
  setFlagState(kind: number): void {
    this.flags = kind;
    this.plainToo = kind === FLAGS.PLAIN;
  }

  /** Makes locals N, Z, C and V true, whatever form the flags have. */
  materialise(): void {
    if (this.plainToo) return;
    const { c } = this;
    if (this.flags === FLAGS.INHERITED) {
      c.get(LOCAL.CPU);
      this.call('plain_flags');
      this.loadPlain();
    } else if (this.flags === FLAGS_DYNAMIC) {
      c.get(LOCAL.KIND).if();
      c.get(LOCAL.KIND).i32(FLAGS.INHERITED).op('i32_ne').if();
      this.#storeHeld();
      c.end();
      c.get(LOCAL.CPU);
      this.call('plain_flags');
      this.loadPlain();
      c.end();
    } else emitPlain(c, this.flags);
    this.plainToo = true;
  }

  #storeHeld(): void {
    this.c.get(LOCAL.CPU).get(LOCAL.KIND).mem('i32_store', CPU_FLAG_KIND);
    this.c.get(LOCAL.CPU).get(LOCAL.FA).mem('i64_store', CPU_FLAG_A);
    this.c.get(LOCAL.CPU).get(LOCAL.FB).mem('i64_store', CPU_FLAG_B);
  }

  loadPlain(): void {
    for (const flag of ['N', 'Z', 'C', 'V'] as const) {
      this.c.get(LOCAL.CPU).mem(flag === 'N' || flag === 'Z' ? 'i64_load' : 'i32_load', FLAG_OFFSET[flag]).set(FLAG_LOCAL[flag]);
    }
  }

  storePlain(): void {
    for (const flag of ['N', 'Z', 'C', 'V'] as const) {
      this.c.get(LOCAL.CPU).get(FLAG_LOCAL[flag]).mem(flag === 'N' || flag === 'Z' ? 'i64_store' : 'i32_store', FLAG_OFFSET[flag]);
    }
  }

  /** Brings the flags in CPU state up to date, in whatever form they have. */
  storeFlags(kind: number): void {
    const { c } = this;
    if (kind === FLAGS.INHERITED) return;
    if (kind === FLAGS_DYNAMIC) {
      c.get(LOCAL.KIND).i32(FLAGS.INHERITED).op('i32_ne').if();
      this.#storeHeld();
      this.storePlain();
      c.end();
      return;
    }
    c.get(LOCAL.CPU).i32(kind).mem('i32_store', CPU_FLAG_KIND);
    if (kind === FLAGS.PLAIN) this.storePlain();
    else {
      c.get(LOCAL.CPU).get(LOCAL.FA).mem('i64_store', CPU_FLAG_A);
      if (kind !== FLAGS.LOGIC) c.get(LOCAL.CPU).get(LOCAL.FB).mem('i64_store', CPU_FLAG_B);
    }
  }

  flag(flag: Flag): void {
    this.materialise();
    this.c.get(FLAG_LOCAL[flag]);
  }
  setFlag(flag: Flag, value: () => void): void {
    value();
    this.c.set(FLAG_LOCAL[flag]);
    // Definitions set all four, or have read one of them first.
    if (this.flags !== FLAGS.PLAIN) {
      this.setFlagState(FLAGS.PLAIN);
      this.c.i32(FLAGS.PLAIN).set(LOCAL.KIND);
    }
  }
  arithmeticFlags(subtract: boolean, wide: boolean): void {
    const { c } = this;
    if (wide) {
      this.get64(0);
      c.set(LOCAL.FA);
      this.get64(1);
      c.set(LOCAL.FB);
    } else {
      this.get32(0);
      c.op('i64_extend_i32_u').set(LOCAL.FA);
      this.get32(1);
      c.op('i64_extend_i32_u').set(LOCAL.FB);
    }
    this.#held(subtract ? (wide ? FLAGS.SUB64 : FLAGS.SUB32) : wide ? FLAGS.ADD64 : FLAGS.ADD32);
  }
  logicalFlags(wide: boolean): void {
    if (wide) this.get64(0);
    else {
      this.get32(0);
      this.c.op('i64_extend_i32_s');
    }
    this.c.set(LOCAL.FA);
    this.#held(FLAGS.LOGIC);
  }
  #held(kind: number): void {
    this.setFlagState(kind);
    this.c.i32(kind).set(LOCAL.KIND);
  }
  condition(cond: number): void {
    const { c } = this;
    const { FA, FB } = LOCAL;
    if (this.flags === FLAGS.SUB64 && cond !== 6 && cond !== 7 && cond !== 4 && cond !== 5) {
      c.get(FA).get(FB).op(COMPARE64[cond]!);
    } else if (this.flags === FLAGS.SUB32 && cond !== 6 && cond !== 7 && cond !== 4 && cond !== 5) {
      c.get(FA).op('i32_wrap_i64').get(FB).op('i32_wrap_i64').op(COMPARE32[cond]!);
    } else if (this.flags === FLAGS.SUB64 && (cond === 4 || cond === 5)) {
      c.get(FA).get(FB).op('i64_sub').i64(0).op(cond === 4 ? 'i64_lt_s' : 'i64_ge_s');
    } else if (this.flags === FLAGS.SUB32 && (cond === 4 || cond === 5)) {
      c.get(FA).get(FB).op('i64_sub').op('i32_wrap_i64').i32(0).op(cond === 4 ? 'i32_lt_s' : 'i32_ge_s');
    } else if (this.flags === FLAGS.LOGIC) {
      const compare = LOGIC_COMPARE[cond];
      if (typeof compare === 'number') c.i32(compare);
      else c.get(FA).i64(0).op(compare!);
    } else if ((this.flags === FLAGS.ADD64 || this.flags === FLAGS.ADD32) && cond < 2) {
      c.get(FA).get(FB).op('i64_add');
      if (this.flags === FLAGS.ADD32) c.op('i32_wrap_i64').op('i32_eqz');
      else c.op('i64_eqz');
      if (cond === 1) c.op('i32_eqz');
    } else {
      this.materialise();
      pushCondition(this, cond);
    }
  }
  get64(index: number): void {
    this.c.get(LOCAL.S64 + index);
  }
  set64(index: number): void {
    this.c.set(LOCAL.S64 + index);
  }
  tee64(index: number): void {
    this.c.tee(LOCAL.S64 + index);
  }
  get32(index: number): void {
    this.c.get(LOCAL.S32 + index);
  }
  set32(index: number): void {
    this.c.set(LOCAL.S32 + index);
  }
  tee32(index: number): void {
    this.c.tee(LOCAL.S32 + index);
  }
  cpu(): void {
    this.c.get(LOCAL.CPU);
  }
  budget(beforeBlock: boolean): void {
    this.c.get(LOCAL.BUDGET);
    if (beforeBlock) this.c.i32(this.blockCount).op('i32_add');
  }
  blockPc(): void {
    this.c.get(LOCAL.BASE);
    if (this.blockOffset !== 0) this.c.i64(this.blockOffset).op('i64_add');
  }
  vreg(operand: Operand): void {
    this.c.get(LOCAL.CPU);
    const offset = this.operands[operand] * 16;
    if (offset !== 0) this.c.i32(offset).op('i32_add');
  }
  access(write: boolean, unprivileged: boolean, bytes: number, hit: () => void, miss: () => void, aligned = false): void {
    const { c } = this;
    const offset = (write ? TLB_BYTES : 0) + (unprivileged ? TLB_SET : 0);
    c.get(LOCAL.TLB);
    // (address >> 12 & entries - 1) << 4 in one shift less
    this.get64(0);
    c.i64(8).op('i64_shr_u').op('i32_wrap_i64').i32((TLB_ENTRIES - 1) << 4).op('i32_and').op('i32_add');
    c.tee(LOCAL.ENTRY).mem('i64_load', offset);
    this.get64(0);
    if (bytes > 1 && !aligned) c.i64(bytes - 1).op('i64_add');
    // Of an aligned access the low bits must be clear, as those of the tag are.
    c.i64(aligned ? -4096 | (bytes - 1) : -4096, -1).op('i64_and').op('i64_eq').if();
    this.get64(0);
    c.op('i32_wrap_i64').get(LOCAL.ENTRY).mem('i32_load', offset + 8).op('i32_add');
    this.set32(0);
    this.#nesting += 1;
    hit();
    c.else();
    miss();
    this.#nesting -= 1;
    c.end();
  }
  call(helper: Helper): void {
    this.c.call(this.#helperIndex(helper));
  }
  desc(flags: number): void {
    this.c.i32(flags);
  }
  exitIfAsked(): void {
    this.c.get(LOCAL.CPU).mem('i32_load', CPU_EXIT).if();
    this.leave(this.#nesting + 1);
    this.c.end();
  }
  instructionHelper(): void {
    this.callInstructionHelper();
  }
}

const COMPARE64: { readonly [cond: number]: 'i64_eq' | 'i64_ne' | 'i64_ge_u' | 'i64_lt_u' | 'i64_gt_u' | 'i64_le_u' | 'i64_ge_s' | 'i64_lt_s' | 'i64_gt_s' | 'i64_le_s' } = {
  0: 'i64_eq', 1: 'i64_ne', 2: 'i64_ge_u', 3: 'i64_lt_u', 8: 'i64_gt_u', 9: 'i64_le_u',
  10: 'i64_ge_s', 11: 'i64_lt_s', 12: 'i64_gt_s', 13: 'i64_le_s',
};
const COMPARE32: { readonly [cond: number]: 'i32_eq' | 'i32_ne' | 'i32_ge_u' | 'i32_lt_u' | 'i32_gt_u' | 'i32_le_u' | 'i32_ge_s' | 'i32_lt_s' | 'i32_gt_s' | 'i32_le_s' } = {
  0: 'i32_eq', 1: 'i32_ne', 2: 'i32_ge_u', 3: 'i32_lt_u', 8: 'i32_gt_u', 9: 'i32_le_u',
  10: 'i32_ge_s', 11: 'i32_lt_s', 12: 'i32_gt_s', 13: 'i32_le_s',
};
/** Of a logical result: C and V are 0. A number is the condition's fixed value. */
const LOGIC_COMPARE: readonly (number | 'i64_eq' | 'i64_ne' | 'i64_lt_s' | 'i64_ge_s' | 'i64_gt_s' | 'i64_le_s')[] = [
  'i64_eq', 'i64_ne', 0, 1, 'i64_lt_s', 'i64_ge_s', 0, 1, 0, 1, 'i64_ge_s', 'i64_lt_s', 'i64_gt_s', 'i64_le_s',
];

/** Sets N, Z, C, V from FA and FB for a known kind. Uses scratch locals. */
function emitPlain(c: Code, kind: number): void {
  const wide = kind === FLAGS.ADD64 || kind === FLAGS.SUB64;
  const subtract = kind === FLAGS.SUB64 || kind === FLAGS.SUB32;
  const b = new PlainFlags(c);
  if (kind === FLAGS.LOGIC) {
    c.get(LOCAL.FA).set(LOCAL.N).get(LOCAL.FA).set(LOCAL.Z).i32(0).set(LOCAL.C).i32(0).set(LOCAL.V);
    return;
  }
  if (wide) {
    c.get(LOCAL.FA).set(LOCAL.F64).get(LOCAL.FB).set(LOCAL.F64 + 1);
    c.get(LOCAL.FA).get(LOCAL.FB).op(subtract ? 'i64_sub' : 'i64_add').set(LOCAL.F64 + 2);
  } else {
    c.get(LOCAL.FA).op('i32_wrap_i64').set(LOCAL.F32).get(LOCAL.FB).op('i32_wrap_i64').set(LOCAL.F32 + 1);
    c.get(LOCAL.F32).get(LOCAL.F32 + 1).op(subtract ? 'i32_sub' : 'i32_add').set(LOCAL.F32 + 2);
  }
  setArithmeticFlags(b, subtract, wide);
}

/** The formulas of flags.ts over locals of their own. */
class PlainFlags extends CompilerBackend {
  constructor(c: Code) {
    super(c, () => 0);
    this.setFlagState(FLAGS.PLAIN);
  }
  override get64(index: number): void {
    this.c.get(LOCAL.F64 + index);
  }
  override set64(index: number): void {
    this.c.set(LOCAL.F64 + index);
  }
  override get32(index: number): void {
    this.c.get(LOCAL.F32 + index);
  }
}
