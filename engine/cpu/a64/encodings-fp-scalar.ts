/*
 * Scalar floating point with its own encodings: conversions to and from general registers, 1, 2 and 3 source
 * data processing, compare, conditional compare and select, immediate (Arm ARM DDI 0487, C4.1). Each comes
 * twice: `ftype` 0x is single and double, and 11 is half, with FEAT_FP16.
 */
import type { FpEncoding } from './encodings-fp.ts';

/** `ftype` in the pattern stands for bits 23:22. */
function perType(
  name: string,
  pattern: string,
  helper: string,
  where?: (word: number) => boolean,
): FpEncoding[] {
  const rest = where === undefined ? { helper } : { helper, where };
  return [
    { name, pattern: pattern.replace('ftype', '0 sz:1'), ...rest },
    { name: `${name}_h`, pattern: pattern.replace('ftype', '11'), feature: 'FEAT_FP16', ...rest },
  ];
}

const TWO_SOURCE = ['FMUL', 'FDIV', 'FADD', 'FSUB', 'FMAX', 'FMIN', 'FMAXNM', 'FMINNM', 'FNMUL'];
const THREE_SOURCE = ['FMADD', 'FMSUB', 'FNMADD', 'FNMSUB'];

/** By opcode (20:15); 0001xx is FCVT, and 001101 is not allocated. */
const ONE_SOURCE: readonly (readonly [string, number])[] = [
  ['FMOV', 0b000000],
  ['FABS', 0b000001],
  ['FNEG', 0b000010],
  ['FSQRT', 0b000011],
  ['FRINTN', 0b001000],
  ['FRINTP', 0b001001],
  ['FRINTM', 0b001010],
  ['FRINTZ', 0b001011],
  ['FRINTA', 0b001100],
  ['FRINTX', 0b001110],
  ['FRINTI', 0b001111],
];

/** rmode (20:19), opcode (18:16). */
const TO_GENERAL: readonly (readonly [string, string])[] = [
  ['FCVTNS', '00 000'],
  ['FCVTNU', '00 001'],
  ['FCVTPS', '01 000'],
  ['FCVTPU', '01 001'],
  ['FCVTMS', '10 000'],
  ['FCVTMU', '10 001'],
  ['FCVTZS', '11 000'],
  ['FCVTZU', '11 001'],
  ['FCVTAS', '00 100'],
  ['FCVTAU', '00 101'],
];

const FROM_GENERAL: readonly (readonly [string, string])[] = [
  ['SCVTF', '00 010'],
  ['UCVTF', '00 011'],
];

const bits = (value: number, width: number): string => value.toString(2).padStart(width, '0');

/** A 32-bit register has no more than 32 fraction bits: scale<5> must be 1. */
const scaleFits = (word: number): boolean => word >>> 31 === 1 || (word & 0x8000) !== 0;

export const FP_SCALAR_ENCODINGS: readonly FpEncoding[] = [
  // Floating-point data-processing (1 source)
  ...ONE_SOURCE.flatMap(([name, opcode]) =>
    perType(
      `${name}_scalar`,
      `0 0 0 11110 ftype 1 ${bits(opcode, 6)} 10000 Rn:5 Rd:5`,
      `op_${name.toLowerCase()}`,
    ),
  ),
  {
    name: 'FCVT_scalar',
    pattern: '0 0 0 11110 ftype:2 1 0001 opc:2 10000 Rn:5 Rd:5',
    helper: 'op_fcvt',
    // Neither to the same format nor from or to the unallocated one.
    where: (word) => {
      const ftype = (word >>> 22) & 3;
      const opc = (word >>> 15) & 3;
      return ftype !== 2 && opc !== 2 && ftype !== opc;
    },
  },

  // Floating-point data-processing (2 source)
  ...TWO_SOURCE.flatMap((name, opcode) =>
    perType(
      `${name}_scalar`,
      `0 0 0 11110 ftype 1 Rm:5 ${bits(opcode, 4)} 10 Rn:5 Rd:5`,
      `op_${name.toLowerCase()}`,
    ),
  ),

  // Floating-point data-processing (3 source)
  ...THREE_SOURCE.flatMap((name, opcode) =>
    perType(
      name,
      `0 0 0 11111 ftype ${opcode >> 1} Rm:5 ${opcode & 1} Ra:5 Rn:5 Rd:5`,
      `op_${name.toLowerCase()}`,
    ),
  ),

  // Floating-point compare. In the forms with zero, Rm should be zero. QEMU: its value does not matter.
  ...perType('FCMP_reg', '0 0 0 11110 ftype 1 Rm:5 00 1000 Rn:5 00000', 'op_fcmp'),
  ...perType('FCMP_zero', '0 0 0 11110 ftype 1 x:5 00 1000 Rn:5 01000', 'op_fcmp'),
  ...perType('FCMPE_reg', '0 0 0 11110 ftype 1 Rm:5 00 1000 Rn:5 10000', 'op_fcmp'),
  ...perType('FCMPE_zero', '0 0 0 11110 ftype 1 x:5 00 1000 Rn:5 11000', 'op_fcmp'),

  // Floating-point conditional compare, conditional select, immediate
  ...perType('FCCMP', '0 0 0 11110 ftype 1 Rm:5 cond:4 01 Rn:5 0 nzcv:4', 'op_fccmp'),
  ...perType('FCCMPE', '0 0 0 11110 ftype 1 Rm:5 cond:4 01 Rn:5 1 nzcv:4', 'op_fccmp'),
  ...perType('FCSEL', '0 0 0 11110 ftype 1 Rm:5 cond:4 11 Rn:5 Rd:5', 'op_fcsel'),
  ...perType('FMOV_scalar_imm', '0 0 0 11110 ftype 1 imm8:8 100 00000 Rd:5', 'op_fmov_imm'),

  // Conversion between floating-point and integer
  ...TO_GENERAL.flatMap(([name, opcode]) =>
    perType(`${name}_gen`, `sf:1 0 0 11110 ftype 1 ${opcode} 000000 Rn:5 Rd:5`, 'op_fcvt_gen'),
  ),
  ...FROM_GENERAL.flatMap(([name, opcode]) =>
    perType(`${name}_gen`, `sf:1 0 0 11110 ftype 1 ${opcode} 000000 Rn:5 Rd:5`, 'op_cvtf_gen'),
  ),
  { name: 'FMOV_StoW', pattern: '0 0 0 11110 00 1 00 110 000000 Rn:5 Rd:5', helper: 'op_fmov_from_v' },
  { name: 'FMOV_WtoS', pattern: '0 0 0 11110 00 1 00 111 000000 Rn:5 Rd:5', helper: 'op_fmov_to_v' },
  { name: 'FMOV_DtoX', pattern: '1 0 0 11110 01 1 00 110 000000 Rn:5 Rd:5', helper: 'op_fmov_from_v' },
  { name: 'FMOV_XtoD', pattern: '1 0 0 11110 01 1 00 111 000000 Rn:5 Rd:5', helper: 'op_fmov_to_v' },
  { name: 'FMOV_topToX', pattern: '1 0 0 11110 10 1 01 110 000000 Rn:5 Rd:5', helper: 'op_fmov_from_top' },
  { name: 'FMOV_XtoTop', pattern: '1 0 0 11110 10 1 01 111 000000 Rn:5 Rd:5', helper: 'op_fmov_to_top' },
  {
    name: 'FMOV_HtoGen',
    pattern: 'sf:1 0 0 11110 11 1 00 110 000000 Rn:5 Rd:5',
    helper: 'op_fmov_from_v',
    feature: 'FEAT_FP16',
  },
  {
    name: 'FMOV_genToH',
    pattern: 'sf:1 0 0 11110 11 1 00 111 000000 Rn:5 Rd:5',
    helper: 'op_fmov_to_v',
    feature: 'FEAT_FP16',
  },

  // Conversion between floating-point and fixed-point
  ...perType(
    'SCVTF_fixed',
    'sf:1 0 0 11110 ftype 0 00 010 scale:6 Rn:5 Rd:5',
    'op_cvtf_gen_fixed',
    scaleFits,
  ),
  ...perType(
    'UCVTF_fixed',
    'sf:1 0 0 11110 ftype 0 00 011 scale:6 Rn:5 Rd:5',
    'op_cvtf_gen_fixed',
    scaleFits,
  ),
  ...perType(
    'FCVTZS_fixed',
    'sf:1 0 0 11110 ftype 0 11 000 scale:6 Rn:5 Rd:5',
    'op_fcvtz_gen_fixed',
    scaleFits,
  ),
  ...perType(
    'FCVTZU_fixed',
    'sf:1 0 0 11110 ftype 0 11 001 scale:6 Rn:5 Rd:5',
    'op_fcvtz_gen_fixed',
    scaleFits,
  ),
];
