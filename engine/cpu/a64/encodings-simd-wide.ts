import type { SimdEncoding } from './encodings-simd.ts';

/*
 * Advanced SIMD encodings whose operands differ in size or that select an element: three different, vector by
 * indexed element, and three same extra (rounding doubling multiply-accumulate, dot and matrix products).
 */

const size = (word: number) => (word >>> 22) & 3;
const not64 = (word: number) => size(word) !== 3;
const only16or32 = (word: number) => size(word) === 1 || size(word) === 2;

/** Opcode, mnemonic without the S or U that stands for the U bit. */
const THREE_DIFFERENT: readonly (readonly [string, string])[] = [
  ['0000', 'ADDL'],
  ['0001', 'ADDW'],
  ['0010', 'SUBL'],
  ['0011', 'SUBW'],
  ['0101', 'ABAL'],
  ['0111', 'ABDL'],
  ['1000', 'MLAL'],
  ['1010', 'MLSL'],
  ['1100', 'MULL'],
];
const NARROWING: readonly (readonly [string, string, string])[] = [
  ['0100', '0', 'ADDHN'],
  ['0100', '1', 'RADDHN'],
  ['0110', '0', 'SUBHN'],
  ['0110', '1', 'RSUBHN'],
];
const DOUBLING_LONG: readonly (readonly [string, string, string])[] = [
  ['1001', '0011', 'SQDMLAL'],
  ['1011', '0111', 'SQDMLSL'],
  ['1101', '1011', 'SQDMULL'],
];

function threeDifferent(): SimdEncoding[] {
  const encodings: SimdEncoding[] = [];
  const pattern = (start: string, opcode: string, sizes = 'size:2') =>
    `${start}1110 ${sizes} 1 Rm:5 ${opcode} 00 Rn:5 Rd:5`;
  for (const [opcode, name] of THREE_DIFFERENT) {
    for (const u of [0, 1]) {
      encodings.push({
        name: `${'SU'[u]}${name}_vec`,
        pattern: pattern(`0 Q:1 ${u} 0`, opcode),
        where: not64,
        helper: `op_${name}`,
      });
    }
  }
  for (const [opcode, u, name] of NARROWING) {
    encodings.push({ name, pattern: pattern(`0 Q:1 ${u} 0`, opcode), where: not64, helper: `op_${name}` });
  }
  for (const [opcode, , name] of DOUBLING_LONG) {
    const helper = `op_${name}`;
    encodings.push(
      { name: `${name}_vec`, pattern: pattern('0 Q:1 0 0', opcode), where: only16or32, helper },
      { name: `${name}_scalar`, pattern: pattern('01 0 1', opcode), where: only16or32, helper },
    );
  }
  encodings.push(
    { name: 'PMULL_8', pattern: pattern('0 Q:1 0 0', '1110', '00'), helper: 'op_PMULL_8' },
    {
      name: 'PMULL_64',
      pattern: pattern('0 Q:1 0 0', '1110', '11'),
      feature: 'FEAT_PMULL',
      helper: 'op_PMULL_64',
    },
  );
  return encodings;
}

/** U, opcode, mnemonic, helper, also scalar, feature. Size 16 has a 4-bit Rm and index H:L:M, size 32 has H:L. */
const BY_ELEMENT: readonly (readonly [string, string, string, string, boolean, string?])[] = [
  ['0', '0010', 'SMLAL', 'op_MLAL', false],
  ['1', '0010', 'UMLAL', 'op_MLAL', false],
  ['0', '0110', 'SMLSL', 'op_MLSL', false],
  ['1', '0110', 'UMLSL', 'op_MLSL', false],
  ['0', '1010', 'SMULL', 'op_MULL', false],
  ['1', '1010', 'UMULL', 'op_MULL', false],
  ['0', '1000', 'MUL', 'op_MUL', false],
  ['1', '0000', 'MLA', 'op_MLA', false],
  ['1', '0100', 'MLS', 'op_MLS', false],
  ['0', '0011', 'SQDMLAL', 'op_SQDMLAL', true],
  ['0', '0111', 'SQDMLSL', 'op_SQDMLSL', true],
  ['0', '1011', 'SQDMULL', 'op_SQDMULL', true],
  ['0', '1100', 'SQDMULH', 'op_SQDMULH', true],
  ['0', '1101', 'SQRDMULH', 'op_SQRDMULH', true],
  ['1', '1101', 'SQRDMLAH', 'op_SQRDMLAH', true, 'FEAT_RDM'],
  ['1', '1111', 'SQRDMLSH', 'op_SQRDMLSH', true, 'FEAT_RDM'],
];

function byElement(): SimdEncoding[] {
  const encodings: SimdEncoding[] = [];
  const tail = 'L:1 M:1 Rm:4';
  for (const [u, opcode, name, helper, scalar, feature] of BY_ELEMENT) {
    const rest = { where: only16or32, helper, ...(feature ? { feature } : {}) };
    encodings.push({
      name: `${name}_elem`,
      pattern: `0 Q:1 ${u} 01111 size:2 ${tail} ${opcode} H:1 0 Rn:5 Rd:5`,
      ...rest,
    });
    if (scalar) {
      encodings.push({
        name: `${name}_scalar_elem`,
        pattern: `01 ${u} 11111 size:2 ${tail} ${opcode} H:1 0 Rn:5 Rd:5`,
        ...rest,
      });
    }
  }
  return encodings;
}

function extra(): SimdEncoding[] {
  const three = (start: string, sizes: string, opcode: string) =>
    `${start}1110 ${sizes} 0 Rm:5 1 ${opcode} 1 Rn:5 Rd:5`;
  const element = (u: string, sizes: string, opcode: string) =>
    `0 Q:1 ${u} 01111 ${sizes} L:1 Rm:5 ${opcode} H:1 0 Rn:5 Rd:5`;
  const rdm = { feature: 'FEAT_RDM', where: only16or32 };
  const dot = { feature: 'FEAT_DotProd' };
  const i8mm = { feature: 'FEAT_I8MM' };
  return [
    { name: 'SQRDMLAH_vec', pattern: three('0 Q:1 1 0', 'size:2', '0000'), ...rdm, helper: 'op_SQRDMLAH' },
    { name: 'SQRDMLSH_vec', pattern: three('0 Q:1 1 0', 'size:2', '0001'), ...rdm, helper: 'op_SQRDMLSH' },
    { name: 'SQRDMLAH_scalar', pattern: three('01 1 1', 'size:2', '0000'), ...rdm, helper: 'op_SQRDMLAH' },
    { name: 'SQRDMLSH_scalar', pattern: three('01 1 1', 'size:2', '0001'), ...rdm, helper: 'op_SQRDMLSH' },
    { name: 'SDOT_vec', pattern: three('0 Q:1 0 0', '10', '0010'), ...dot, helper: 'op_SDOT' },
    { name: 'UDOT_vec', pattern: three('0 Q:1 1 0', '10', '0010'), ...dot, helper: 'op_UDOT' },
    { name: 'SDOT_elem', pattern: element('0', '10', '1110'), ...dot, helper: 'op_SDOT' },
    { name: 'UDOT_elem', pattern: element('1', '10', '1110'), ...dot, helper: 'op_UDOT' },
    { name: 'USDOT_vec', pattern: three('0 Q:1 0 0', '10', '0011'), ...i8mm, helper: 'op_USDOT' },
    { name: 'USDOT_elem', pattern: element('0', '10', '1111'), ...i8mm, helper: 'op_USDOT' },
    { name: 'SUDOT_elem', pattern: element('0', '00', '1111'), ...i8mm, helper: 'op_SUDOT' },
    { name: 'SMMLA', pattern: three('0 1 0 0', '10', '0100'), ...i8mm, helper: 'op_SMMLA' },
    { name: 'UMMLA', pattern: three('0 1 1 0', '10', '0100'), ...i8mm, helper: 'op_UMMLA' },
    { name: 'USMMLA', pattern: three('0 1 0 0', '10', '0101'), ...i8mm, helper: 'op_USMMLA' },
  ];
}

export const SIMD_MULTI_SIZE_ENCODINGS: readonly SimdEncoding[] = [
  ...threeDifferent(),
  ...byElement(),
  ...extra(),
];
