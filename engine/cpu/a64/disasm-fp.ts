import {
  condition,
  type Format,
  field,
  general,
  type Instruction,
  immediate,
  plain,
} from './disasm-format.ts';
import { floatImmediate, floatRegister, type OperandClass } from './disasm-simd.ts';

/* Formats of scalar floating point (DDI 0487, C4.1.96), by class and by name as in disasm-simd.ts. */

const RN_RD = 'x:5 x:5';
const is64 = (word: number): boolean => word >>> 31 === 1;
const of = (mnemonic: string, ...operands: string[]): Instruction => ({
  mnemonic,
  operands: operands.join(', '),
});

export const FP_CLASSES: readonly OperandClass[] = [
  { pattern: `0 0 0 11111 x:2 x:1 x:5 x:1 x:5 ${RN_RD}`, operands: '<td>, <tn>, <tm>, <ta>' },
  { pattern: `0 0 0 11110 x:2 1 x:5 x:4 10 ${RN_RD}`, operands: '<td>, <tn>, <tm>' },
  { pattern: `0 0 0 11110 x:2 1 x:5 x:4 11 ${RN_RD}`, operands: '<td>, <tn>, <tm>, <cond>' },
  { pattern: `0 0 0 11110 x:2 1 x:6 10000 ${RN_RD}`, operands: '<td>, <tn>' },
  { pattern: `0 0 0 11110 x:2 1 x:5 00 1000 x:5 x:1 0 000`, operands: '<tn>, <tm>' },
  { pattern: `0 0 0 11110 x:2 1 x:5 00 1000 x:5 x:1 1 000`, operands: '<tn>, #0.0' },
];

function toGeneral(mnemonic: string): Format {
  return (word) => of(mnemonic, general(is64(word), word & 31), floatRegister(word, field(word, 5, 5)));
}

function fromGeneral(mnemonic: string): Format {
  return (word) => of(mnemonic, floatRegister(word, word & 31), general(is64(word), field(word, 5, 5)));
}

const fractionBits = (word: number): string => immediate(64 - field(word, 10, 6));

function withFraction(format: Format): Format {
  return (word, address) => {
    const { mnemonic, operands } = format(word, address);
    return of(mnemonic, operands, fractionBits(word));
  };
}

const conditionalCompare =
  (mnemonic: string): Format =>
  (word) =>
    of(
      mnemonic,
      floatRegister(word, field(word, 5, 5)),
      floatRegister(word, field(word, 16, 5)),
      immediate(word & 15),
      condition(word),
    );

const CONVERSIONS = [
  ...['FCVTNS', 'FCVTNU', 'FCVTPS', 'FCVTPU', 'FCVTMS', 'FCVTMU', 'FCVTZS', 'FCVTZU', 'FCVTAS', 'FCVTAU'],
  ...['SCVTF', 'UCVTF'],
];

function conversions(): [string, Format][] {
  return CONVERSIONS.flatMap((name): [string, Format][] => {
    const mnemonic = name.toLowerCase();
    const format = name.startsWith('F') ? toGeneral(mnemonic) : fromGeneral(mnemonic);
    return [
      [`${name}_gen`, format],
      [`${name}_fixed`, withFraction(format)],
    ];
  });
}

const singleFormats: { readonly [name: string]: Format } = {
  ...Object.fromEntries(conversions()),
  FCVT_scalar: (word) =>
    of('fcvt', `${'sd?h'[field(word, 15, 2)]}${word & 31}`, floatRegister(word, field(word, 5, 5))),
  FCCMP: conditionalCompare('fccmp'),
  FCCMPE: conditionalCompare('fccmpe'),
  FMOV_scalar_imm: (word) => of('fmov', floatRegister(word, word & 31), floatImmediate(field(word, 13, 8))),
};

const withZero = (mnemonic: string, operands: string): Format => plain(mnemonic, `${operands}, #0.0`);

/** Compare with zero, vector and scalar: FCMGT0 and so on. */
function zeroCompares(): [string, Format][] {
  return ['FCMGT0', 'FCMEQ0', 'FCMLT0', 'FCMGE0', 'FCMLE0'].flatMap((name): [string, Format][] => {
    const mnemonic = name.slice(0, -1).toLowerCase();
    return [
      [`${name}_vec`, withZero(mnemonic, '<Vd>.<Tf>, <Vn>.<Tf>')],
      [`${name}_vec_h`, withZero(mnemonic, '<Vd>.<Th>, <Vn>.<Th>')],
      [`${name}_simd_scalar`, withZero(mnemonic, '<fd>, <fn>')],
      [`${name}_simd_scalar_h`, withZero(mnemonic, '<hd>, <hn>')],
    ];
  });
}

export const FP_FORMATS: { readonly [name: string]: Format } = {
  // The classes of half precision have names of their own, and the same operands: ftype tells them apart.
  ...Object.fromEntries(
    Object.entries(singleFormats).flatMap(([name, format]) => [
      [name, format],
      [`${name}_h`, format],
    ]),
  ),
  ...Object.fromEntries(zeroCompares()),
  FMOV_StoW: plain('fmov', '<Wd>, <sn>'),
  FMOV_WtoS: plain('fmov', '<sd>, <Wn>'),
  FMOV_DtoX: plain('fmov', '<Xd>, <ddn>'),
  FMOV_XtoD: plain('fmov', '<ddd>, <Xn>'),
  FMOV_topToX: plain('fmov', '<Xd>, <Vn>.d[1]'),
  FMOV_XtoTop: plain('fmov', '<Vd>.d[1], <Xn>'),
  FMOV_HtoGen: plain('fmov', '<Rd>, <hn>'),
  FMOV_genToH: plain('fmov', '<hd>, <Rn>'),
};
