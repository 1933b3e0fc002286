/*
 * Floating-point instructions of Armv8.2 to Armv8.6 (Arm ARM DDI 0487, C4.1): FEAT_FHM, FEAT_FCMA, FEAT_JSCVT,
 * FEAT_FRINTTS and FEAT_BF16. In the names _vec is the vector form, _elt by element, _scalar scalar.
 */
import type { FpEncoding } from './encodings-fp.ts';

const size = (word: number): number => (word >>> 22) & 3;
const isFull = (word: number): boolean => (word & (1 << 30)) !== 0;
/** sz:Q = 10 is unallocated: one double is no vector. */
const notOneDouble = (word: number): boolean => (word & 0x4040_0000) !== 0x0040_0000;
/** Complex numbers: halves, singles, and doubles in a full vector only. */
const complexSize = (word: number): boolean => size(word) !== 0 && (size(word) !== 3 || isFull(word));

const three = (start: string, sizes: string, opcode: string): string =>
  `${start} 01110 ${sizes} 0 Rm:5 1 ${opcode} 1 Rn:5 Rd:5`;

const fhm = (['FMLAL', 'FMLSL'] as const).flatMap((name, s): FpEncoding[] => {
  const lower = name.toLowerCase();
  const feature = 'FEAT_FHM';
  return [
    {
      name: `${name}_vec`,
      pattern: `0 Q:1 0 01110 ${s} 0 1 Rm:5 11101 1 Rn:5 Rd:5`,
      helper: `op_${lower}_v`,
      feature,
    },
    {
      name: `${name}2_vec`,
      pattern: `0 Q:1 1 01110 ${s} 0 1 Rm:5 11001 1 Rn:5 Rd:5`,
      helper: `op_${lower}2_v`,
      feature,
    },
    {
      name: `${name}_elt`,
      pattern: `0 Q:1 0 01111 10 L:1 M:1 Rm:4 0 ${s} 00 H:1 0 Rn:5 Rd:5`,
      helper: `op_${lower}_e`,
      feature,
    },
    {
      name: `${name}2_elt`,
      pattern: `0 Q:1 1 01111 10 L:1 M:1 Rm:4 1 ${s} 00 H:1 0 Rn:5 Rd:5`,
      helper: `op_${lower}2_e`,
      feature,
    },
  ];
});

const fcma: readonly FpEncoding[] = [
  { name: 'FCMLA_vec', pattern: three('0 Q:1 1', 'size:2', '10 rot:2'), helper: 'op_fcmla_v' },
  { name: 'FCADD_vec', pattern: three('0 Q:1 1', 'size:2', '11 rot:1 0'), helper: 'op_fcadd_v' },
  {
    name: 'FCMLA_elt',
    pattern: '0 Q:1 1 01111 size:2 L:1 Rm:5 0 rot:2 1 H:1 0 Rn:5 Rd:5',
    helper: 'op_fcmla_e',
  },
].map((e) => ({
  ...e,
  feature: 'FEAT_FCMA',
  // By element: four halves have two numbers only, and the index of a single is H alone.
  where: e.name === 'FCMLA_elt' ? complexElement : complexSize,
}));

function complexElement(word: number): boolean {
  if (size(word) === 1) return isFull(word) || (word & (1 << 11)) === 0;
  return size(word) === 2 && isFull(word) && (word & (1 << 21)) === 0;
}

/** Opcode (16:15) of the scalar form; U and opcode (12) of the vector form. */
const frintts = (
  [
    ['FRINT32Z', '00', 0, 0],
    ['FRINT32X', '01', 1, 0],
    ['FRINT64Z', '10', 0, 1],
    ['FRINT64X', '11', 1, 1],
  ] as const
).flatMap(([name, opcode, u, wide]): FpEncoding[] => [
  {
    name: `${name}_scalar`,
    pattern: `0 0 0 11110 0 sz:1 1 0100 ${opcode} 10000 Rn:5 Rd:5`,
    helper: `op_${name.toLowerCase()}`,
    feature: 'FEAT_FRINTTS',
  },
  {
    name: `${name}_vec`,
    pattern: `0 Q:1 ${u} 01110 0 sz:1 10000 1111${wide} 10 Rn:5 Rd:5`,
    helper: `op_${name.toLowerCase()}_v`,
    feature: 'FEAT_FRINTTS',
    where: notOneDouble,
  },
]);

const bf16 = (
  [
    ['BFCVT_scalar', '0 0 0 11110 01 1 000110 10000 Rn:5 Rd:5', 'op_bfcvt'],
    ['BFCVTN', '0 Q:1 0 01110 10 10000 10110 10 Rn:5 Rd:5', 'op_bfcvtn'],
    ['BFDOT_vec', three('0 Q:1 1', '01', '1111'), 'op_bfdot_v'],
    ['BFDOT_elt', '0 Q:1 0 01111 01 L:1 Rm:5 1111 H:1 0 Rn:5 Rd:5', 'op_bfdot_e'],
    ['BFMMLA', three('0 1 1', '01', '1101'), 'op_bfmmla'],
    ['BFMLAL_vec', three('0 Q:1 1', '11', '1111'), 'op_bfmlal_v'],
    ['BFMLAL_elt', '0 Q:1 0 01111 11 L:1 M:1 Rm:4 1111 H:1 0 Rn:5 Rd:5', 'op_bfmlal_e'],
  ] as const
).map(([name, pattern, helper]): FpEncoding => ({ name, pattern, helper, feature: 'FEAT_BF16' }));

export const FP_LATER_ENCODINGS: readonly FpEncoding[] = [
  ...fhm,
  ...fcma,
  {
    name: 'FJCVTZS',
    pattern: '0 0 0 11110 01 1 11 110 000000 Rn:5 Rd:5',
    helper: 'op_fjcvtzs',
    feature: 'FEAT_JSCVT',
  },
  ...frintts,
  ...bf16,
];
