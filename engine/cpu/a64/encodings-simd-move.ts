import type { SimdEncoding } from './encodings-simd.ts';

/* Advanced SIMD copy, permute, extract, table lookup and modified immediate (DDI 0487, C4.1). */

const q = (word: number) => (word >>> 30) & 1;
const imm5 = (word: number) => (word >>> 16) & 31;
const cmode = (word: number) => (word >>> 12) & 15;
/** log2 of the bytes of the element that imm5 selects; 4 and more: unallocated. */
const elementSize = (word: number) => (imm5(word) === 0 ? 5 : 31 - Math.clz32(imm5(word) & -imm5(word)));
const anyElement = (word: number) => elementSize(word) <= 3;
/** 64-bit elements only in 128-bit vectors. */
const dupElement = (word: number) => elementSize(word) < 3 || (elementSize(word) === 3 && q(word) === 1);
const anySize = (word: number) => ((word >>> 22) & 3) !== 3 || q(word) === 1;

const copy = (start: string, imm4: string) => `${start}1110000 imm5:5 0 ${imm4} 1 Rn:5 Rd:5`;
const COPY: readonly SimdEncoding[] = [
  { name: 'DUP_elem', pattern: copy('0 Q:1 0 0', '0000'), where: dupElement, helper: 'op_DUP_elem' },
  { name: 'DUP_elem_scalar', pattern: copy('01 0 1', '0000'), where: anyElement, helper: 'op_DUP_elem' },
  { name: 'DUP_gen', pattern: copy('0 Q:1 0 0', '0001'), where: dupElement, helper: 'op_DUP_gen' },
  { name: 'INS_gen', pattern: copy('0 1 0 0', '0011'), where: anyElement, helper: 'op_INS_gen' },
  { name: 'INS_elem', pattern: copy('0 1 1 0', 'imm4:4'), where: anyElement, helper: 'op_INS_elem' },
  {
    name: 'SMOV',
    pattern: copy('0 Q:1 0 0', '0101'),
    where: (word) => elementSize(word) < 2 + q(word),
    helper: 'op_SMOV',
  },
  {
    name: 'UMOV',
    pattern: copy('0 Q:1 0 0', '0111'),
    // Wd from elements up to 32 bits, Xd from 64-bit elements only.
    where: (word) => (q(word) ? elementSize(word) === 3 : elementSize(word) < 3),
    helper: 'op_UMOV',
  },
];

const PERMUTE: readonly SimdEncoding[] = (
  [
    ['UZP1', '001'],
    ['TRN1', '010'],
    ['ZIP1', '011'],
    ['UZP2', '101'],
    ['TRN2', '110'],
    ['ZIP2', '111'],
  ] as const
).map(([name, opcode]) => ({
  name,
  pattern: `0 Q:1 0 01110 size:2 0 Rm:5 0 ${opcode} 10 Rn:5 Rd:5`,
  where: anySize,
  helper: `op_${name}`,
}));

const LOOKUP: readonly SimdEncoding[] = [
  {
    name: 'EXT',
    pattern: '0 Q:1 1 01110 00 0 Rm:5 0 imm4:4 0 Rn:5 Rd:5',
    where: (word) => q(word) === 1 || ((word >>> 11) & 8) === 0,
    helper: 'op_EXT',
  },
  { name: 'TBL', pattern: '0 Q:1 0 01110 00 0 Rm:5 0 len:2 0 00 Rn:5 Rd:5', helper: 'op_TBL' },
  { name: 'TBX', pattern: '0 Q:1 0 01110 00 0 Rm:5 0 len:2 1 00 Rn:5 Rd:5', helper: 'op_TBX' },
];

const immediate = (start: string, mode = 'cmode:4', o2 = '0') =>
  `${start} 0111100000 abc:3 ${mode} ${o2} 1 defgh:5 Rd:5`;
/** cmode 0xx0, 10x0 and 110x: the immediate shifted left, by zeroes or (110x) by ones. */
const isMove = (word: number) => (cmode(word) < 12 && (cmode(word) & 1) === 0) || cmode(word) >> 1 === 6;
/** cmode 0xx1 and 10x1. */
const isLogical = (word: number) => cmode(word) < 12 && (cmode(word) & 1) === 1;
const IMMEDIATE: readonly SimdEncoding[] = [
  { name: 'MOVI_vec', pattern: immediate('0 Q:1 0'), where: isMove, helper: 'op_MOVI' },
  { name: 'MVNI_vec', pattern: immediate('0 Q:1 1'), where: isMove, helper: 'op_MVNI' },
  { name: 'ORR_vec_imm', pattern: immediate('0 Q:1 0'), where: isLogical, helper: 'op_ORR_imm' },
  { name: 'BIC_vec_imm', pattern: immediate('0 Q:1 1'), where: isLogical, helper: 'op_BIC_imm' },
  { name: 'MOVI_byte', pattern: immediate('0 Q:1 0', '1110'), helper: 'op_MOVI_byte' },
  { name: 'MOVI_64', pattern: immediate('0 Q:1 1', '1110'), helper: 'op_MOVI_64' },
  { name: 'FMOV_vec_imm_single', pattern: immediate('0 Q:1 0', '1111'), helper: 'op_FMOV_imm_single' },
  { name: 'FMOV_vec_imm_double', pattern: immediate('0 1 1', '1111'), helper: 'op_FMOV_imm_double' },
  {
    name: 'FMOV_vec_imm_half',
    pattern: immediate('0 Q:1 0', '1111', '1'),
    feature: 'FEAT_FP16',
    helper: 'op_FMOV_imm_half',
  },
];

export const SIMD_MOVE_ENCODINGS: readonly SimdEncoding[] = [...COPY, ...PERMUTE, ...LOOKUP, ...IMMEDIATE];
