import { uop } from '../uops.ts';
import { dest, type Lowering, rd, rm, rn } from './lowering.ts';

/*
 * Advanced SIMD and floating point that is micro-operations instead of the call of a helper: what is frequent and
 * small. A function emits and says so, or leaves the word to the helper of its encoding.
 */
type Inline = (word: number, t: Lowering, helper: string) => boolean;

const isFull = (w: number): boolean => (w & (1 << 30)) !== 0;
const size = (w: number): number => (w >>> 22) & 3;

/** [64 bits, 128 bits] */
const pair = (name: string): readonly [number, number] => [uop(`${name}_64`), uop(name)];
const sized = (name: string): readonly (readonly [number, number])[] =>
  [8, 16, 32, 64].map((bits) => pair(`${name}${bits}`));

function three(codes: readonly [number, number]): Inline {
  return (w, t) => {
    t.emit(codes[isFull(w) ? 1 : 0], rd(w), rn(w), rm(w), 0, 0, 0, 0);
    return true;
  };
}

function lanes(name: string): Inline {
  const codes = sized(name);
  return (w, t) => {
    t.emit(codes[size(w)]![isFull(w) ? 1 : 0], rd(w), rn(w), rm(w), 0, 0, 0, 0);
    return true;
  };
}

/** Shift by immediate: immh says the size, to the right it is twice the bits less immh:immb. */
function shift(name: string, isLeft: boolean): Inline {
  const codes = sized(name);
  return (w, t) => {
    const log2 = 31 - Math.clz32((w >>> 19) & 15);
    const bits = 8 << log2;
    const immediate = (w >>> 16) & 127;
    let amount = isLeft ? immediate - bits : 2 * bits - immediate;
    if (amount === bits) {
      if (name === 'vushr') return false;
      amount = bits - 1;
    }
    t.emit(codes[log2]![isFull(w) ? 1 : 0], rd(w), rn(w), 0, 0, amount, 0, 0);
    return true;
  };
}

const MOV = pair('vmov');
const ORR = three(pair('vorr'));

/** log2 of the bytes of the element that imm5 selects, and where it is. */
const elementSize = (w: number): number => 31 - Math.clz32((w >>> 16) & -(w >>> 16) & 31);
const elementOffset = (w: number): number => (((w >>> 16) & 31) >>> (elementSize(w) + 1)) << elementSize(w);

const byBits = (name: string): readonly number[] => [8, 16, 32, 64].map((bits) => uop(`${name}${bits}`));
const GET = byBits('vget');
const PUT = byBits('vput');
const DUP = byBits('vdup');
const ZERO_HIGH = uop('vzerohi');

const toGeneral =
  (code: number, offset: number): Inline =>
  (w, t) => {
    t.emit(code, dest(rd(w)), rn(w), 0, 0, offset, 0, 0);
    return true;
  };
const fromGeneral =
  (code: number, offset: number): Inline =>
  (w, t) => {
    t.emit(code, rd(w), rn(w), 0, 0, offset, 0, 0);
    return true;
  };

/** Scalar of one operand: bit 22 is the size. */
function one(name: string): Inline {
  const codes = [uop(`${name}32`), uop(`${name}64`)];
  return (w, t) => {
    t.emit(codes[(w >>> 22) & 1]!, rd(w), rn(w), 0, 0, 0, 0, 0);
    return true;
  };
}

function arithmetic(name: string): Inline {
  const codes = [uop(`${name}32`), uop(`${name}64`)];
  return (w, t, helper) => {
    t.emitWithHelper(codes[(w >>> 22) & 1]!, rd(w), rn(w), rm(w), helper, w);
    return true;
  };
}

const MOVI = pair('vmovi');
const abcdefgh = (w: number): number => ((w >>> 11) & 0xe0) | ((w >>> 5) & 31);

function moveImmediate(w: number, t: Lowering, lo: number, hi: number): boolean {
  t.emit(MOVI[isFull(w) ? 1 : 0], rd(w), 0, 0, 0, 0, lo, hi);
  return true;
}

/** AdvSIMDExpandImm (J1.3) for cmode 0xx0, 10x0 and 110x. */
function shiftedImmediate(w: number): number {
  const imm8 = abcdefgh(w);
  const cmode = (w >>> 12) & 15;
  if (cmode < 8) return imm8 << (8 * (cmode >>> 1));
  if (cmode < 12) return (imm8 << (8 * ((cmode >>> 1) & 1))) * 0x10001;
  return cmode === 12 ? (imm8 << 8) | 0xff : (imm8 << 16) | 0xffff;
}

/** Every bit of imm8 from `from` on is a byte of ones or zeroes. */
const byteMask = (imm8: number, from: number): number =>
  [0, 1, 2, 3].reduce((mask, i) => mask | ((imm8 >>> (from + i)) & 1 ? 0xff << (8 * i) : 0), 0);

export const INLINE_SIMD: { readonly [name: string]: Inline } = {
  AND_vec: three(pair('vand')),
  BIC_vec: three(pair('vbic')),
  ORR_vec: (w, t, helper) => {
    if (rn(w) !== rm(w)) return ORR(w, t, helper);
    t.emit(MOV[isFull(w) ? 1 : 0], rd(w), rn(w), 0, 0, 0, 0, 0);
    return true;
  },
  EOR_vec: three(pair('veor')),
  BSL_vec: three(pair('vbsl')),
  BIT_vec: three(pair('vbit')),
  BIF_vec: three(pair('vbif')),
  ADD_vec: lanes('vadd'),
  SUB_vec: lanes('vsub'),
  CMEQ_vec: lanes('vcmeq'),
  SHL_vec: shift('vshl', true),
  SSHR_vec: shift('vsshr', false),
  USHR_vec: shift('vushr', false),

  FMOV_StoW: toGeneral(GET[2]!, 0),
  FMOV_DtoX: toGeneral(GET[3]!, 0),
  FMOV_topToX: toGeneral(GET[3]!, 8),
  FMOV_WtoS: fromGeneral(uop('vset32'), 0),
  FMOV_XtoD: fromGeneral(uop('vset64'), 0),
  FMOV_XtoTop: fromGeneral(PUT[3]!, 8),
  UMOV: (w, t) => {
    t.emit(GET[elementSize(w)]!, dest(rd(w)), rn(w), 0, 0, elementOffset(w), 0, 0);
    return true;
  },
  INS_gen: (w, t) => {
    t.emit(PUT[elementSize(w)]!, rd(w), rn(w), 0, 0, elementOffset(w), 0, 0);
    return true;
  },
  DUP_gen: (w, t) => {
    t.emit(DUP[elementSize(w)]!, rd(w), rn(w), 0, 0, 0, 0, 0);
    if (!isFull(w)) t.emit(ZERO_HIGH, rd(w), 0, 0, 0, 0, 0, 0);
    return true;
  },
  MOVI_vec: (w, t) => {
    const imm = shiftedImmediate(w);
    return moveImmediate(w, t, imm, imm);
  },
  MVNI_vec: (w, t) => {
    const imm = ~shiftedImmediate(w);
    return moveImmediate(w, t, imm, imm);
  },
  MOVI_byte: (w, t) => {
    const imm = abcdefgh(w) * 0x01010101;
    return moveImmediate(w, t, imm, imm);
  },
  MOVI_64: (w, t) => moveImmediate(w, t, byteMask(abcdefgh(w), 0), byteMask(abcdefgh(w), 4)),

  FMOV_scalar: one('vfmov'),
  FABS_scalar: one('vfabs'),
  FNEG_scalar: one('vfneg'),
  FADD_scalar: arithmetic('fadd'),
  FSUB_scalar: arithmetic('fsub'),
  FMUL_scalar: arithmetic('fmul'),
  FDIV_scalar: arithmetic('fdiv'),
};
