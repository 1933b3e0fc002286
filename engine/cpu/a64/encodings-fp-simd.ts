/*
 * Advanced SIMD floating point, vector and scalar forms (Arm ARM DDI 0487, C4.1). In the names _vec and
 * _scalar are the forms, _elt is by element, _fixed is shift by immediate, and _h is half precision, which
 * has patterns of its own and needs FEAT_FP16.
 */
import type { FpEncoding } from './encodings-fp.ts';

type Where = (word: number) => boolean;

/** sz:Q = 10 is unallocated: one double is no vector. `sz` is bit 22 in all these classes. */
const notOneDouble: Where = (word) => (word & 0x4040_0000) !== 0x0040_0000;

const bits = (value: number, width: number): string => value.toString(2).padStart(width, '0');

/** U, a (bit 23), opcode (15:11) of "three same"; the half-precision class has the low three opcode bits. */
const THREE_SAME: readonly (readonly [string, number, number, number])[] = [
  ['FMAXNM', 0, 0, 0b11000],
  ['FMLA', 0, 0, 0b11001],
  ['FADD', 0, 0, 0b11010],
  ['FMULX', 0, 0, 0b11011],
  ['FCMEQ', 0, 0, 0b11100],
  ['FMAX', 0, 0, 0b11110],
  ['FRECPS', 0, 0, 0b11111],
  ['FMINNM', 0, 1, 0b11000],
  ['FMLS', 0, 1, 0b11001],
  ['FSUB', 0, 1, 0b11010],
  ['FMIN', 0, 1, 0b11110],
  ['FRSQRTS', 0, 1, 0b11111],
  ['FMAXNMP', 1, 0, 0b11000],
  ['FADDP', 1, 0, 0b11010],
  ['FMUL', 1, 0, 0b11011],
  ['FCMGE', 1, 0, 0b11100],
  ['FACGE', 1, 0, 0b11101],
  ['FMAXP', 1, 0, 0b11110],
  ['FDIV', 1, 0, 0b11111],
  ['FMINNMP', 1, 1, 0b11000],
  ['FABD', 1, 1, 0b11010],
  ['FCMGT', 1, 1, 0b11100],
  ['FACGT', 1, 1, 0b11101],
  ['FMINP', 1, 1, 0b11110],
];

const SCALAR_THREE_SAME: ReadonlySet<string> = new Set([
  'FMULX',
  'FCMEQ',
  'FRECPS',
  'FRSQRTS',
  'FCMGE',
  'FACGE',
  'FABD',
  'FCMGT',
  'FACGT',
]);

/** U, a (bit 23), opcode (16:12) of "two-register miscellaneous", where the class has half precision too. */
const TWO_REG: readonly (readonly [string, number, number, number])[] = [
  ['FRINTN', 0, 0, 0b11000],
  ['FRINTM', 0, 0, 0b11001],
  ['FCVTNS', 0, 0, 0b11010],
  ['FCVTMS', 0, 0, 0b11011],
  ['FCVTAS', 0, 0, 0b11100],
  ['SCVTF', 0, 0, 0b11101],
  ['FCMGT0', 0, 1, 0b01100],
  ['FCMEQ0', 0, 1, 0b01101],
  ['FCMLT0', 0, 1, 0b01110],
  ['FABS', 0, 1, 0b01111],
  ['FRINTP', 0, 1, 0b11000],
  ['FRINTZ', 0, 1, 0b11001],
  ['FCVTPS', 0, 1, 0b11010],
  ['FCVTZS', 0, 1, 0b11011],
  ['FRECPE', 0, 1, 0b11101],
  ['FRECPX', 0, 1, 0b11111],
  ['FRINTA', 1, 0, 0b11000],
  ['FRINTX', 1, 0, 0b11001],
  ['FCVTNU', 1, 0, 0b11010],
  ['FCVTMU', 1, 0, 0b11011],
  ['FCVTAU', 1, 0, 0b11100],
  ['UCVTF', 1, 0, 0b11101],
  ['FCMGE0', 1, 1, 0b01100],
  ['FCMLE0', 1, 1, 0b01101],
  ['FNEG', 1, 1, 0b01111],
  ['FRINTI', 1, 1, 0b11001],
  ['FCVTPU', 1, 1, 0b11010],
  ['FCVTZU', 1, 1, 0b11011],
  ['FRSQRTE', 1, 1, 0b11101],
  ['FSQRT', 1, 1, 0b11111],
];

const hasVector = (name: string): boolean => name !== 'FRECPX';
const hasScalar = (name: string): boolean => /^(FCVT|.CVTF|FCM|FRECP|FRSQ)/.test(name);

/** U, opcode (15:12) of "vector x indexed element". */
const BY_ELEMENT: readonly (readonly [string, number, number])[] = [
  ['FMLA', 0, 0b0001],
  ['FMLS', 0, 0b0101],
  ['FMUL', 0, 0b1001],
  ['FMULX', 1, 0b1001],
];

/** a (bit 23), opcode (16:12) of "across lanes" (without FADDP) and "scalar pairwise". */
const REDUCE: readonly (readonly [string, number, number])[] = [
  ['FMAXNM', 0, 0b01100],
  ['FADD', 0, 0b01101],
  ['FMAX', 0, 0b01111],
  ['FMINNM', 1, 0b01100],
  ['FMIN', 1, 0b01111],
];

/** U, opcode (15:11) of "shift by immediate". */
const FIXED: readonly (readonly [string, number, number])[] = [
  ['SCVTF', 0, 0b11100],
  ['FCVTZS', 0, 0b11111],
  ['UCVTF', 1, 0b11100],
  ['FCVTZU', 1, 0b11111],
];

interface Form {
  readonly name: string;
  readonly helper: string;
  readonly where?: Where;
}

/** An encoding and its half-precision counterpart. The vector forms of the latter have no condition. */
function withHalf(form: Form, pattern: string, halfPattern: string): FpEncoding[] {
  return [
    { ...form, pattern },
    { name: `${form.name}_h`, helper: form.helper, pattern: halfPattern, feature: 'FEAT_FP16' },
  ];
}

const threeSame = THREE_SAME.flatMap(([name, u, a, opcode]) => {
  const lower = name.toLowerCase();
  const full = bits(opcode, 5);
  const short = bits(opcode & 7, 3);
  const vector = withHalf(
    { name: `${name}_vec`, helper: `op_${lower}_v`, where: notOneDouble },
    `0 Q:1 ${u} 01110 ${a} sz:1 1 Rm:5 ${full} 1 Rn:5 Rd:5`,
    `0 Q:1 ${u} 01110 ${a} 10 Rm:5 00 ${short} 1 Rn:5 Rd:5`,
  );
  if (!SCALAR_THREE_SAME.has(name)) return vector;
  const scalar = withHalf(
    { name: `${name}_simd_scalar`, helper: `op_${lower}_s` },
    `01 ${u} 11110 ${a} sz:1 1 Rm:5 ${full} 1 Rn:5 Rd:5`,
    `01 ${u} 11110 ${a} 10 Rm:5 00 ${short} 1 Rn:5 Rd:5`,
  );
  return [...vector, ...scalar];
});

const twoReg = TWO_REG.flatMap(([name, u, a, opcode]) => {
  const lower = name.toLowerCase();
  const code = bits(opcode, 5);
  const vector = withHalf(
    { name: `${name}_vec`, helper: `op_${lower}_v`, where: notOneDouble },
    `0 Q:1 ${u} 01110 ${a} sz:1 10000 ${code} 10 Rn:5 Rd:5`,
    `0 Q:1 ${u} 01110 ${a} 111100 ${code} 10 Rn:5 Rd:5`,
  );
  const scalar = withHalf(
    { name: `${name}_simd_scalar`, helper: `op_${lower}_s` },
    `01 ${u} 11110 ${a} sz:1 10000 ${code} 10 Rn:5 Rd:5`,
    `01 ${u} 11110 ${a} 111100 ${code} 10 Rn:5 Rd:5`,
  );
  return [...(hasVector(name) ? vector : []), ...(hasScalar(name) ? scalar : [])];
});

/** Doubles have one index bit: L must be 0. */
const indexFits: Where = (word) => (word & 0x0060_0000) !== 0x0060_0000;

const byElement = BY_ELEMENT.flatMap(([name, u, opcode]) => {
  const lower = name.toLowerCase();
  const code = bits(opcode, 4);
  return [
    ...withHalf(
      {
        name: `${name}_elt`,
        helper: `op_${lower}_e`,
        where: (word) => indexFits(word) && notOneDouble(word),
      },
      `0 Q:1 ${u} 01111 1 sz:1 L:1 Rm:5 ${code} H:1 0 Rn:5 Rd:5`,
      `0 Q:1 ${u} 01111 00 L:1 M:1 Rm:4 ${code} H:1 0 Rn:5 Rd:5`,
    ),
    ...withHalf(
      { name: `${name}_elt_scalar`, helper: `op_${lower}_se`, where: indexFits },
      `01 ${u} 11111 1 sz:1 L:1 Rm:5 ${code} H:1 0 Rn:5 Rd:5`,
      `01 ${u} 11111 00 L:1 M:1 Rm:4 ${code} H:1 0 Rn:5 Rd:5`,
    ),
  ];
});

const reduce = REDUCE.flatMap(([name, a, opcode]) => {
  const lower = name.toLowerCase();
  const code = bits(opcode, 5);
  const pairwise = withHalf(
    { name: `${name}P_scalar`, helper: `op_${lower}p_s` },
    `01 1 11110 ${a} sz:1 11000 ${code} 10 Rn:5 Rd:5`,
    `01 0 11110 ${a} 0 11000 ${code} 10 Rn:5 Rd:5`,
  );
  if (name === 'FADD') return pairwise;
  // Across lanes: singles in four lanes only.
  const across = withHalf(
    { name: `${name}V`, helper: `op_${lower}v` },
    `0 1 1 01110 ${a} 0 11000 ${code} 10 Rn:5 Rd:5`,
    `0 Q:1 0 01110 ${a} 0 11000 ${code} 10 Rn:5 Rd:5`,
  );
  return [...pairwise, ...across];
});

const fixed = FIXED.flatMap(([name, u, opcode]): FpEncoding[] => {
  const lower = name.toLowerCase();
  const code = bits(opcode, 5);
  return [
    {
      name: `${name}_fixed_vec`,
      pattern: `0 Q:1 ${u} 011110 immh:4 immb:3 ${code} 1 Rn:5 Rd:5`,
      helper: `op_${lower}_fixed_v`,
      // immh 1xxx doubles (with Q), 01xx singles; 001x is half, 0001 unallocated, 0000 another class.
      where: (word) => (word & 0x0060_0000) !== 0 && notOneDouble(word),
    },
    {
      name: `${name}_fixed_vec_h`,
      pattern: `0 Q:1 ${u} 011110 001 immhb:4 ${code} 1 Rn:5 Rd:5`,
      helper: `op_${lower}_fixed_v`,
      feature: 'FEAT_FP16',
    },
    {
      name: `${name}_fixed_scalar`,
      pattern: `01 ${u} 111110 immh:4 immb:3 ${code} 1 Rn:5 Rd:5`,
      helper: `op_${lower}_fixed_s`,
      where: (word) => (word & 0x0060_0000) !== 0,
    },
    {
      name: `${name}_fixed_scalar_h`,
      pattern: `01 ${u} 111110 001 immhb:4 ${code} 1 Rn:5 Rd:5`,
      helper: `op_${lower}_fixed_s`,
      feature: 'FEAT_FP16',
    },
  ];
});

/** In these, sz is the narrower format: 0 half, 1 single; or the class has one size only. */
const other: FpEncoding[] = [
  { name: 'FCVTN', pattern: '0 Q:1 0 01110 0 sz:1 10000 10110 10 Rn:5 Rd:5', helper: 'op_fcvtn' },
  { name: 'FCVTL', pattern: '0 Q:1 0 01110 0 sz:1 10000 10111 10 Rn:5 Rd:5', helper: 'op_fcvtl' },
  { name: 'FCVTXN', pattern: '0 Q:1 1 01110 0 1 10000 10110 10 Rn:5 Rd:5', helper: 'op_fcvtxn' },
  { name: 'FCVTXN_scalar', pattern: '01 1 11110 0 1 10000 10110 10 Rn:5 Rd:5', helper: 'op_fcvtxn_s' },
  { name: 'URECPE_vec', pattern: '0 Q:1 0 01110 1 0 10000 11100 10 Rn:5 Rd:5', helper: 'op_urecpe_v' },
  { name: 'URSQRTE_vec', pattern: '0 Q:1 1 01110 1 0 10000 11100 10 Rn:5 Rd:5', helper: 'op_ursqrte_v' },
];

export const FP_SIMD_ENCODINGS: readonly FpEncoding[] = [
  ...threeSame,
  ...twoReg,
  ...byElement,
  ...reduce,
  ...fixed,
  ...other,
];
