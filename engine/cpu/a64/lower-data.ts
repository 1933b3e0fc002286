import { SLOT_SINK, SLOT_T0, SLOT_ZR } from '../helpers/layout.ts';
import { uop } from '../uops.ts';
import { dest, type Lower, type Lowering, ra, rd, regSp, rm, rn, sign } from './lowering.ts';

/** Data processing, immediate and register (Arm ARM C4.1.86, C4.1.89). */

const T0 = SLOT_T0;
const T1 = SLOT_T0 + 1;

const names = [
  'movi',
  'mov',
  'mov32',
  'adr',
  'adrp',
  'add',
  'sub',
  'and',
  'orr',
  'eor',
  'bic',
  'orn',
  'eon',
  'mul',
  'lslv',
  'lsrv',
  'asrv',
  'rorv',
  'adds',
  'subs',
  'ands',
  'bics',
  'adc',
  'adcs',
  'sel',
  'ccflags',
  'ubfx',
  'ubfiz',
  'sbfx',
  'bfm',
  'extr',
  'sxtb',
  'sxth',
  'sxtw',
  'clz',
  'cls',
  'rev16',
  'rev32',
  'rev',
  'rbit',
  'madd',
  'msub',
  'smaddl',
  'umaddl',
  'smsubl',
  'umsubl',
  'umulh',
  'smulh',
  'udiv',
  'sdiv',
  'add_lsl',
  'sub_lsl',
  'orr_lsl',
  'eor_lsl',
  'and_lsl',
  'add_i',
  'sub_i',
  'and_i',
  'orr_i',
  'eor_i',
  'adds_i',
  'subs_i',
  'ands_i',
  'lslv_i',
  'lsrv_i',
  'asrv_i',
  'rorv_i',
] as const;
type Name = (typeof names)[number];
const U = Object.fromEntries(names.map((n) => [n, uop(n)])) as { [K in Name]: number };
/** 32-bit forms: `add32`, `add32_i`. */
const U32 = Object.fromEntries(
  names.flatMap((n) => {
    const name = n.endsWith('_i') ? `${n.slice(0, -2)}32_i` : `${n}32`;
    try {
      return [[n, uop(name)]];
    } catch {
      return [];
    }
  }),
) as { [K in Name]: number };

const sets = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13].map((c) => uop(`cset${c}`));

const wide = (w: number): boolean => w >>> 31 === 1;
const pick = (w: number, name: Name): number => (wide(w) ? U[name] : U32[name]);

/** DecodeBitMasks: the immediate as [lo, hi]. */
export function bitMask(n: number, imms: number, immr: number): [number, number] {
  const length = 31 - Math.clz32((n << 6) | (~imms & 0x3f));
  const size = 1 << length;
  const ones = (imms & (size - 1)) + 1;
  const rotate = immr & (size - 1);
  let element = (1n << BigInt(ones)) - 1n;
  const bits = BigInt(size);
  element = ((element >> BigInt(rotate)) | (element << (bits - BigInt(rotate)))) & ((1n << bits) - 1n);
  let value = element;
  for (let filled = size; filled < 64; filled *= 2) value |= value << BigInt(filled);
  return [Number(value & 0xffffffffn) | 0, Number((value >> 32n) & 0xffffffffn) | 0];
}

/** Shifted register operand into a slot: `type` 0 LSL, 1 LSR, 2 ASR, 3 ROR. Returns the slot. */
function shifted(t: Lowering, w: number, register: number, type: number, amount: number): number {
  if (amount === 0) return register;
  const name = (['lslv_i', 'lsrv_i', 'asrv_i', 'rorv_i'] as const)[type]!;
  t.emit(pick(w, name), T0, register, 0, 0, 0, amount, 0);
  return T0;
}

/** ExtendReg into a slot: option 0–7 = UXTB..SXTX, then a left shift. */
export function extended(t: Lowering, register: number, option: number, shift: number): number {
  if (option === 3 || option === 7) {
    if (shift === 0) return register;
    t.emit(U.lslv_i, T0, register, 0, 0, 0, shift, 0);
    return T0;
  }
  if (option < 4) {
    const mask = option === 0 ? 0xff : option === 1 ? 0xffff : -1;
    t.emit(U.ubfiz, T0, register, 0, 0, shift, mask, 0);
  } else {
    t.emit(option === 4 ? U.sxtb : option === 5 ? U.sxth : U.sxtw, T0, register, 0, 0, 0, 0, 0);
    if (shift !== 0) t.emit(U.lslv_i, T0, T0, 0, 0, 0, shift, 0);
  }
  return T0;
}

function adrImmediate(w: number): number {
  return sign((((w >>> 5) & 0x7ffff) << 2) | ((w >>> 29) & 3), 21);
}

function addSubImmediate(w: number, t: Lowering): void {
  let imm = (w >>> 10) & 0xfff;
  if (w & (1 << 22)) imm *= 4096;
  const sub = (w & (1 << 30)) !== 0;
  if (w & (1 << 29)) t.emit(pick(w, sub ? 'subs_i' : 'adds_i'), dest(rd(w)), regSp(rn(w)), 0, 0, 0, imm, 0);
  else t.emit(pick(w, sub ? 'sub_i' : 'add_i'), regSp(rd(w)), regSp(rn(w)), 0, 0, 0, imm, 0);
}

function logicalImmediate(w: number, t: Lowering): void {
  const [lo, hi] = bitMask((w >>> 22) & 1, (w >>> 10) & 63, (w >>> 16) & 63);
  const opc = (w >>> 29) & 3;
  const name = (['and_i', 'orr_i', 'eor_i', 'ands_i'] as const)[opc]!;
  if (opc === 1 && rn(w) === 31) {
    t.emit(U.movi, regSp(rd(w)), 0, 0, 0, 0, lo, wide(w) ? hi : 0);
    return;
  }
  t.emit(pick(w, name), opc === 3 ? dest(rd(w)) : regSp(rd(w)), rn(w), 0, 0, 0, lo, wide(w) ? hi : 0);
}

function moveWide(w: number, t: Lowering): void {
  const opc = (w >>> 29) & 3;
  const hw = (w >>> 21) & 3;
  const imm = (w >>> 5) & 0xffff;
  const d = dest(rd(w));
  let lo = hw === 0 ? imm : hw === 1 ? imm << 16 : 0;
  let hi = hw === 2 ? imm : hw === 3 ? imm << 16 : 0;
  if (opc === 3) {
    const maskLo = hw === 0 ? ~0xffff : hw === 1 ? 0xffff : -1;
    const maskHi = hw === 2 ? ~0xffff : hw === 3 ? 0xffff : wide(w) ? -1 : 0;
    t.emit(U.and_i, T0, rd(w), 0, 0, 0, maskLo, maskHi);
    t.emit(U.orr_i, d, T0, 0, 0, 0, lo, hi);
    return;
  }
  if (opc === 0) {
    lo = ~lo;
    hi = wide(w) ? ~hi : 0;
  }
  t.emit(U.movi, d, 0, 0, 0, 0, lo, hi);
}

/** All ones below `bits` (1–64), as halves. */
function ones(bits: number): [number, number] {
  if (bits >= 64) return [-1, -1];
  if (bits > 32) return [-1, 2 ** (bits - 32) - 1];
  return [bits === 32 ? -1 : 2 ** bits - 1, 0];
}

function shiftLeft(lo: number, hi: number, by: number): [number, number] {
  const value = ((BigInt(hi >>> 0) << 32n) | BigInt(lo >>> 0)) << BigInt(by);
  return [Number(value & 0xffffffffn) | 0, Number((value >> 32n) & 0xffffffffn) | 0];
}

function bitField(w: number, t: Lowering): void {
  const opc = (w >>> 29) & 3;
  const r = (w >>> 16) & 63;
  const s = (w >>> 10) & 63;
  const width = wide(w) ? 64 : 32;
  const d = dest(rd(w));
  const n = rn(w);
  if (opc === 1) {
    // BFM: insert rotated source under a mask
    const [mask, place] = s >= r ? [ones(s - r + 1), 0] : [ones(s + 1), width - r];
    const [lo, hi] = shiftLeft(mask[0], mask[1], place);
    t.emit(pick(w, 'bfm'), d, n, rd(w), 0, r, lo, hi);
    return;
  }
  if (opc === 2) {
    if (s >= r) {
      const [lo, hi] = ones(s - r + 1);
      t.emit(U.ubfx, d, n, 0, 0, r, lo, hi);
    } else {
      const [lo, hi] = ones(s + 1);
      t.emit(U.ubfiz, d, n, 0, 0, width - r, lo, hi);
    }
    return;
  }
  // SBFM
  if (r === 0 && wide(w) && (s === 7 || s === 15 || s === 31)) {
    t.emit(s === 7 ? U.sxtb : s === 15 ? U.sxth : U.sxtw, d, n, 0, 0, 0, 0, 0);
  } else if (s >= r) {
    t.emit(pick(w, 'sbfx'), d, n, 0, 0, width - 1 - s, width - 1 - s + r, 0);
  } else {
    // sign-extended field moved left by width - r: shift it to the top, then down
    t.emit(pick(w, 'sbfx'), d, n, 0, 0, width - 1 - s, r - s - 1, 0);
  }
}

function extract(w: number, t: Lowering): void {
  const lsb = (w >>> 10) & 63;
  if (lsb === 0) t.emit(wide(w) ? U.mov : U32.mov, dest(rd(w)), rm(w), 0, 0, 0, 0, 0);
  else if (rn(w) === rm(w)) t.emit(pick(w, 'rorv_i'), dest(rd(w)), rn(w), 0, 0, 0, lsb, 0);
  else t.emit(pick(w, 'extr'), dest(rd(w)), rn(w), rm(w), 0, lsb, 0, 0);
}

const LOGICAL = ['and', 'orr', 'eor', 'ands', 'bic', 'orn', 'eon', 'bics'] as const;

function logicalShifted(w: number, t: Lowering): void {
  const opc = ((w >>> 29) & 3) | ((w >>> 19) & 4);
  const type = (w >>> 22) & 3;
  const amount = (w >>> 10) & 63;
  const name = LOGICAL[opc]!;
  const d = dest(rd(w));
  if (amount === 0 && name === 'orr' && rn(w) === 31) {
    t.emit(wide(w) ? U.mov : U32.mov, d, rm(w), 0, 0, 0, 0, 0);
    return;
  }
  if (type === 0 && wide(w) && amount !== 0 && (name === 'and' || name === 'orr' || name === 'eor')) {
    t.emit(U[`${name}_lsl`], d, rn(w), rm(w), 0, amount, 0, 0);
    return;
  }
  t.emit(pick(w, name), d, rn(w), shifted(t, w, rm(w), type, amount), 0, 0, 0, 0);
}

function addSubShifted(w: number, t: Lowering): void {
  const sub = (w & (1 << 30)) !== 0;
  const type = (w >>> 22) & 3;
  const amount = (w >>> 10) & 63;
  const flags = (w & (1 << 29)) !== 0;
  const d = dest(rd(w));
  if (!flags && type === 0 && wide(w) && amount !== 0) {
    t.emit(sub ? U.sub_lsl : U.add_lsl, d, rn(w), rm(w), 0, amount, 0, 0);
    return;
  }
  const m = shifted(t, w, rm(w), type, amount);
  t.emit(pick(w, flags ? (sub ? 'subs' : 'adds') : sub ? 'sub' : 'add'), d, rn(w), m, 0, 0, 0, 0);
}

function addSubExtended(w: number, t: Lowering): void {
  const sub = (w & (1 << 30)) !== 0;
  const flags = (w & (1 << 29)) !== 0;
  const m = extended(t, rm(w), (w >>> 13) & 7, (w >>> 10) & 7);
  const name = flags ? (sub ? 'subs' : 'adds') : sub ? 'sub' : 'add';
  t.emit(pick(w, name), flags ? dest(rd(w)) : regSp(rd(w)), regSp(rn(w)), m, 0, 0, 0, 0);
}

function addCarry(w: number, t: Lowering): void {
  let m = rm(w);
  if (w & (1 << 30)) {
    t.emit(pick(w, 'orn'), T0, SLOT_ZR, m, 0, 0, 0, 0);
    m = T0;
  }
  t.emit(pick(w, w & (1 << 29) ? 'adcs' : 'adc'), dest(rd(w)), rn(w), m, 0, 0, 0, 0);
}

function conditionalCompare(w: number, t: Lowering, immediate: boolean): void {
  const cond = (w >>> 12) & 15;
  const sub = (w & (1 << 30)) !== 0;
  if (cond < 14) t.emit(sets[cond]!, T1, 0, 0, 0, 0, 0, 0);
  if (immediate) t.emit(pick(w, sub ? 'subs_i' : 'adds_i'), SLOT_SINK, rn(w), 0, 0, 0, rm(w), 0);
  else t.emit(pick(w, sub ? 'subs' : 'adds'), SLOT_SINK, rn(w), rm(w), 0, 0, 0, 0);
  if (cond < 14) t.emit(U.ccflags, 0, 0, 0, T1, 0, w & 15, 0);
}

function conditionalSelect(w: number, t: Lowering): void {
  const cond = (w >>> 12) & 15;
  const invert = (w & (1 << 30)) !== 0;
  const increment = (w & (1 << 10)) !== 0;
  const d = dest(rd(w));
  if (cond >= 14) {
    t.emit(wide(w) ? U.mov : U32.mov, d, rn(w), 0, 0, 0, 0, 0);
    return;
  }
  if (rn(w) === 31 && rm(w) === 31 && increment && !invert) {
    t.emit(sets[cond ^ 1]!, d, 0, 0, 0, 0, 0, 0); // CSET
    return;
  }
  t.emit(sets[cond]!, T1, 0, 0, 0, 0, 0, 0);
  let m = rm(w);
  if (invert) {
    t.emit(increment ? pick(w, 'sub') : pick(w, 'orn'), T0, SLOT_ZR, m, 0, 0, 0, 0);
    m = T0;
  } else if (increment) {
    t.emit(pick(w, 'add_i'), T0, m, 0, 0, 0, 1, 0);
    m = T0;
  }
  t.emit(pick(w, 'sel'), d, rn(w), m, T1, 0, 0, 0);
}

const unary =
  (op64: number, op32?: number): Lower =>
  (w, t) =>
    t.emit(wide(w) ? op64 : (op32 ?? op64), dest(rd(w)), rn(w), 0, 0, 0, 0, 0);

export const LOWER_DATA: { readonly [name: string]: Lower } = {
  ADR: (w, t) => {
    const at = t.offset + adrImmediate(w);
    t.emit(U.adr, dest(rd(w)), 0, 0, 0, 0, at, at < 0 ? -1 : 0);
  },
  ADRP: (w, t) => {
    const pages = adrImmediate(w);
    t.emit(U.adrp, dest(rd(w)), 0, 0, 0, 0, pages << 12, pages >> 20);
  },
  ADDSUB_imm: addSubImmediate,
  LOGICAL_imm: logicalImmediate,
  MOVWIDE: moveWide,
  BITFIELD: bitField,
  EXTR: extract,
  LOGICAL_shift: logicalShifted,
  ADDSUB_shift: addSubShifted,
  ADDSUB_ext: addSubExtended,
  ADC_SBC: addCarry,
  CCMP_reg: (w, t) => conditionalCompare(w, t, false),
  CCMP_imm: (w, t) => conditionalCompare(w, t, true),
  CSEL: conditionalSelect,
  MADD_MSUB: (w, t) => {
    const sub = (w & (1 << 15)) !== 0;
    if (!sub && ra(w) === 31) t.emit(pick(w, 'mul'), dest(rd(w)), rn(w), rm(w), 0, 0, 0, 0);
    else t.emit(pick(w, sub ? 'msub' : 'madd'), dest(rd(w)), rn(w), rm(w), ra(w), 0, 0, 0);
  },
  MADDL_MSUBL: (w, t) => {
    const unsigned = (w & (1 << 23)) !== 0;
    const sub = (w & (1 << 15)) !== 0;
    const op = unsigned ? (sub ? U.umsubl : U.umaddl) : sub ? U.smsubl : U.smaddl;
    t.emit(op, dest(rd(w)), rn(w), rm(w), ra(w), 0, 0, 0);
  },
  MULH: (w, t) => t.emit(w & (1 << 23) ? U.umulh : U.smulh, dest(rd(w)), rn(w), rm(w), 0, 0, 0, 0),
  DIV: (w, t) => t.emit(pick(w, w & (1 << 10) ? 'sdiv' : 'udiv'), dest(rd(w)), rn(w), rm(w), 0, 0, 0, 0),
  SHIFT_reg: (w, t) => {
    const name = (['lslv', 'lsrv', 'asrv', 'rorv'] as const)[(w >>> 10) & 3]!;
    t.emit(pick(w, name), dest(rd(w)), rn(w), rm(w), 0, 0, 0, 0);
  },
  RBIT: (w, t) => {
    t.emit(U.rbit, wide(w) ? dest(rd(w)) : T0, rn(w), 0, 0, 0, 0, 0);
    if (!wide(w)) t.emit(U.lsrv_i, dest(rd(w)), T0, 0, 0, 0, 32, 0);
  },
  REV16: (w, t) => {
    t.emit(U.rev16, wide(w) ? dest(rd(w)) : T0, rn(w), 0, 0, 0, 0, 0);
    if (!wide(w)) t.emit(U32.mov, dest(rd(w)), T0, 0, 0, 0, 0, 0);
  },
  REV32: (w, t) => {
    t.emit(U.rev32, wide(w) ? dest(rd(w)) : T0, rn(w), 0, 0, 0, 0, 0);
    if (!wide(w)) t.emit(U32.mov, dest(rd(w)), T0, 0, 0, 0, 0, 0);
  },
  REV64: unary(U.rev),
  CLZ: unary(U.clz, U32.clz),
  CLS: unary(U.cls, U32.cls),
};
