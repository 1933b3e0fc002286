import {
  arrangement,
  type Format,
  field,
  floatLetter,
  general,
  generalOrSp,
  type Instruction,
  immediate,
  number,
  plain,
  template,
} from './disasm-format.ts';
import { MULTIPLE_STRUCTURES } from './encodings-simd-ldst.ts';

/*
 * Formats of Advanced SIMD (DDI 0487, C4.1.96). Most classes write the same operands for every opcode, so they
 * are found by the class of an encoding, and the mnemonic is in its name; the others are by name.
 */

const q = (word: number): number => field(word, 30, 1);
const size = (word: number): number => field(word, 22, 2);
const Vd = (word: number): string => `v${word & 31}`;
const Vn = (word: number): string => `v${field(word, 5, 5)}`;
const of = (mnemonic: string, ...operands: string[]): Instruction => ({
  mnemonic,
  operands: operands.join(', '),
});

/**
 * Classes: what is fixed in their encodings, operands, and whether the mnemonic gets a 2 with Q. The first whose
 * fixed bits an encoding has is its class.
 */
export interface OperandClass {
  readonly pattern: string;
  readonly operands: string;
  readonly upperHalf?: boolean;
}

const cls = (pattern: string, operands: string, upperHalf = false): OperandClass => ({
  pattern,
  operands,
  upperHalf,
});

const THREE = '<Vd>.<T>, <Vn>.<T>, <Vm>.<T>';
const FLOAT_THREE = '<Vd>.<Tf>, <Vn>.<Tf>, <Vm>.<Tf>';
const HALF_THREE = '<Vd>.<Th>, <Vn>.<Th>, <Vm>.<Th>';
const BYTES_THREE = '<Vd>.<Tb>, <Vn>.<Tb>, <Vm>.<Tb>';
const DOT = '<Vd>.<Ts>, <Vn>.<Tb>, <Vm>.<Tb>';
const DOT_ELEMENT = '<Vd>.<Ts>, <Vn>.<Tb>, <belement>';
const LONG = '<Vd>.<2T>, <Vn>.<T>, <Vm>.<T>';
const WIDE = '<Vd>.<2T>, <Vn>.<2T>, <Vm>.<T>';
const NARROW = '<Vd>.<T>, <Vn>.<2T>, <Vm>.<2T>';
const RIGHT = '<Vd>.<Ti>, <Vn>.<Ti>, <#right>';
const LEFT = '<Vd>.<Ti>, <Vn>.<Ti>, <#left>';
const NARROW_RIGHT = '<Vd>.<Ti>, <Vn>.<2Ti>, <#right>';
const RIGHT_SCALAR = '<id>, <in>, <#right>';
const LEFT_SCALAR = '<id>, <in>, <#left>';
const ELEMENT = '<Vd>.<T>, <Vn>.<T>, <element>';
const LONG_ELEMENT = '<Vd>.<2T>, <Vn>.<T>, <element>';
const LONG_ELEMENT_SCALAR = '<2ed>, <en>, <element>';
const RN_RD = 'x:5 x:5';

export const SIMD_CLASSES: readonly OperandClass[] = [
  // Three same: logical, floating point, the rest
  cls(`0 x:1 x:1 01110 x:2 1 x:5 00011 1 ${RN_RD}`, BYTES_THREE),
  cls(`0 x:1 x:1 01110 x:2 1 x:5 11 x:3 1 ${RN_RD}`, FLOAT_THREE),
  cls(`0 x:1 x:1 01110 x:2 1 x:5 x:5 1 ${RN_RD}`, THREE),
  cls(`01 x:1 11110 x:2 1 x:5 11 x:3 1 ${RN_RD}`, '<fd>, <fn>, <fm>'),
  cls(`01 x:1 11110 x:2 1 x:5 x:5 1 ${RN_RD}`, '<ed>, <en>, <em>'),
  // Three same (FP16)
  cls(`0 x:1 x:1 01110 x:1 10 x:5 00 x:3 1 ${RN_RD}`, HALF_THREE),
  cls(`01 x:1 11110 x:1 10 x:5 00 x:3 1 ${RN_RD}`, '<hd>, <hn>, <hm>'),
  // Three same extra: dot and matrix products, rounding doubling multiply-accumulate
  cls(`0 x:1 x:1 01110 x:2 0 x:5 1 001 x:1 1 ${RN_RD}`, DOT),
  cls(`0 1 x:1 01110 x:2 0 x:5 1 010 x:1 1 ${RN_RD}`, '<Vd>.4s, <Vn>.16b, <Vm>.16b'),
  cls(`0 x:1 1 01110 x:2 0 x:5 1 000 x:1 1 ${RN_RD}`, THREE),
  cls(`01 1 11110 x:2 0 x:5 1 000 x:1 1 ${RN_RD}`, '<ed>, <en>, <em>'),
  // Two-register miscellaneous: compare with zero, pairwise long, shift, narrow, the rest
  cls(`0 x:1 x:1 01110 x:2 10000 01000 10 ${RN_RD}`, '<Vd>.<T>, <Vn>.<T>, #0'),
  cls(`0 x:1 x:1 01110 x:2 10000 01001 10 ${RN_RD}`, '<Vd>.<T>, <Vn>.<T>, #0'),
  cls(`0 x:1 x:1 01110 x:2 10000 01010 10 ${RN_RD}`, '<Vd>.<T>, <Vn>.<T>, #0'),
  cls(`0 x:1 x:1 01110 x:2 10000 00010 10 ${RN_RD}`, '<Vd>.<Tp>, <Vn>.<T>'),
  cls(`0 x:1 x:1 01110 x:2 10000 00110 10 ${RN_RD}`, '<Vd>.<Tp>, <Vn>.<T>'),
  cls(`0 x:1 x:1 01110 x:2 10000 10010 10 ${RN_RD}`, '<Vd>.<T>, <Vn>.<2T>', true),
  cls(`0 x:1 x:1 01110 x:2 10000 10100 10 ${RN_RD}`, '<Vd>.<T>, <Vn>.<2T>', true),
  cls(`0 x:1 x:1 01110 0 x:1 10000 10110 10 ${RN_RD}`, '<Vd>.<Tn>, <Vn>.<2Tf>', true),
  cls(`0 x:1 0 01110 0 x:1 10000 10111 10 ${RN_RD}`, '<Vd>.<2Tf>, <Vn>.<Tn>', true),
  cls(`0 x:1 x:1 01110 1 x:1 10000 011 x:2 10 ${RN_RD}`, '<Vd>.<Tf>, <Vn>.<Tf>'),
  cls(`0 x:1 x:1 01110 x:1 x:1 10000 11 x:3 10 ${RN_RD}`, '<Vd>.<Tf>, <Vn>.<Tf>'),
  cls(`0 x:1 x:1 01110 x:2 10000 x:5 10 ${RN_RD}`, '<Vd>.<T>, <Vn>.<T>'),
  cls(`0 x:1 x:1 01110 x:1 111100 x:5 10 ${RN_RD}`, '<Vd>.<Th>, <Vn>.<Th>'),
  cls(`01 x:1 11110 x:2 10000 0100 x:1 10 ${RN_RD}`, '<ed>, <en>, #0'),
  cls(`01 x:1 11110 x:2 10000 01010 10 ${RN_RD}`, '<ed>, <en>, #0'),
  cls(`01 x:1 11110 x:2 10000 10010 10 ${RN_RD}`, '<ed>, <2en>'),
  cls(`01 x:1 11110 x:2 10000 10100 10 ${RN_RD}`, '<ed>, <2en>'),
  cls(`01 1 11110 0 1 10000 10110 10 ${RN_RD}`, '<sd>, <ddn>'),
  cls(`01 x:1 11110 1 x:1 10000 011 x:2 10 ${RN_RD}`, '<fd>, <fn>'),
  cls(`01 x:1 11110 x:2 10000 11 x:3 10 ${RN_RD}`, '<fd>, <fn>'),
  cls(`01 x:1 11110 x:2 10000 x:5 10 ${RN_RD}`, '<ed>, <en>'),
  cls(`01 x:1 11110 x:1 111100 x:5 10 ${RN_RD}`, '<hd>, <hn>'),
  // Across lanes: long sums, floating point, the rest; scalar pairwise
  cls(`0 x:1 x:1 01110 x:2 11000 00011 10 ${RN_RD}`, '<2ed>, <Vn>.<T>'),
  cls(`0 1 1 01110 x:1 0 11000 01 x:3 10 ${RN_RD}`, '<sd>, <Vn>.4s'),
  cls(`0 x:1 0 01110 x:1 0 11000 011 x:2 10 ${RN_RD}`, '<hd>, <Vn>.<Th>'),
  cls(`0 x:1 x:1 01110 x:2 11000 x:5 10 ${RN_RD}`, '<ed>, <Vn>.<T>'),
  cls(`01 0 11110 11 11000 11011 10 ${RN_RD}`, '<ddd>, <Vn>.2d'),
  cls(`01 1 11110 x:2 11000 x:5 10 ${RN_RD}`, '<fd>, <Vn>.2<sz>'),
  cls(`01 0 11110 x:2 11000 x:5 10 ${RN_RD}`, '<hd>, <Vn>.2h'),
  // Shift by immediate: to the left, narrowing, long, fixed point and to the right
  cls(`0 x:1 x:1 011110 x:7 01 x:1 10 1 ${RN_RD}`, LEFT),
  cls(`0 x:1 x:1 011110 x:7 01100 1 ${RN_RD}`, LEFT),
  cls(`0 x:1 x:1 011110 x:7 100 x:2 1 ${RN_RD}`, NARROW_RIGHT, true),
  cls(`0 x:1 x:1 011110 x:7 10100 1 ${RN_RD}`, '<Vd>.<2Ti>, <Vn>.<Ti>, <#left>', true),
  cls(`0 x:1 x:1 011110 x:7 x:5 1 ${RN_RD}`, RIGHT),
  cls(`01 x:1 111110 x:7 01 x:1 10 1 ${RN_RD}`, LEFT_SCALAR),
  cls(`01 x:1 111110 x:7 01100 1 ${RN_RD}`, LEFT_SCALAR),
  cls(`01 x:1 111110 x:7 100 x:2 1 ${RN_RD}`, '<id>, <2in>, <#right>'),
  cls(`01 x:1 111110 x:7 x:5 1 ${RN_RD}`, RIGHT_SCALAR),
  // Three different: wide, narrow, long
  cls(`0 x:1 x:1 01110 x:2 1 x:5 00 x:1 1 00 ${RN_RD}`, WIDE, true),
  cls(`0 x:1 x:1 01110 x:2 1 x:5 01 x:1 0 00 ${RN_RD}`, NARROW, true),
  cls(`0 x:1 x:1 01110 x:2 1 x:5 x:4 00 ${RN_RD}`, LONG, true),
  cls(`01 0 11110 x:2 1 x:5 x:4 00 ${RN_RD}`, '<2ed>, <en>, <em>'),
  // By element: dot products, floating point, long, the rest
  cls(`0 x:1 x:1 01111 x:4 x:4 1110 x:1 0 ${RN_RD}`, DOT_ELEMENT),
  cls(`0 x:1 0 01111 x:4 x:4 1111 x:1 0 ${RN_RD}`, DOT_ELEMENT),
  cls(`0 x:1 x:1 01111 00 x:2 x:4 x:2 01 x:1 0 ${RN_RD}`, '<Vd>.<Th>, <Vn>.<Th>, <helement>'),
  cls(`0 x:1 0 01111 1 x:3 x:4 0 x:1 01 x:1 0 ${RN_RD}`, '<Vd>.<Tf>, <Vn>.<Tf>, <felement>'),
  cls(`0 x:1 x:1 01111 1 x:3 x:4 1001 x:1 0 ${RN_RD}`, '<Vd>.<Tf>, <Vn>.<Tf>, <felement>'),
  cls(`0 x:1 x:1 01111 x:4 x:4 x:2 10 x:1 0 ${RN_RD}`, LONG_ELEMENT, true),
  cls(`0 x:1 x:1 01111 x:4 x:4 0 x:1 11 x:1 0 ${RN_RD}`, LONG_ELEMENT, true),
  cls(`0 x:1 x:1 01111 x:4 x:4 1011 x:1 0 ${RN_RD}`, LONG_ELEMENT, true),
  cls(`0 x:1 x:1 01111 x:4 x:4 x:4 x:1 0 ${RN_RD}`, ELEMENT),
  cls(`01 x:1 11111 00 x:2 x:4 x:2 01 x:1 0 ${RN_RD}`, '<hd>, <hn>, <helement>'),
  cls(`01 0 11111 1 x:3 x:4 0 x:1 01 x:1 0 ${RN_RD}`, '<fd>, <fn>, <felement>'),
  cls(`01 x:1 11111 1 x:3 x:4 1001 x:1 0 ${RN_RD}`, '<fd>, <fn>, <felement>'),
  cls(`01 x:1 11111 x:4 x:4 0 x:1 11 x:1 0 ${RN_RD}`, LONG_ELEMENT_SCALAR),
  cls(`01 x:1 11111 x:4 x:4 1011 x:1 0 ${RN_RD}`, LONG_ELEMENT_SCALAR),
  cls(`01 x:1 11111 x:4 x:4 x:4 x:1 0 ${RN_RD}`, '<ed>, <en>, <element>'),
  // Permute
  cls(`0 x:1 0 01110 x:2 0 x:5 0 x:3 10 ${RN_RD}`, THREE),
  // Cryptographic AES, two- and three-register SHA, and those of Armv8.2
  cls(`01001110 x:2 10100 x:5 10 ${RN_RD}`, '<Vd>.16b, <Vn>.16b'),
  cls(`01011110 00 10100 00000 10 ${RN_RD}`, '<sd>, <sn>'),
  cls(`01011110 00 10100 x:5 10 ${RN_RD}`, '<Vd>.4s, <Vn>.4s'),
  cls(`01011110 00 0 x:5 0 x:1 11 00 ${RN_RD}`, '<Vd>.4s, <Vn>.4s, <Vm>.4s'),
  cls(`01011110 00 0 x:5 0 110 00 ${RN_RD}`, '<Vd>.4s, <Vn>.4s, <Vm>.4s'),
  cls(`01011110 00 0 x:5 0 10 x:1 00 ${RN_RD}`, '<qd>, <qn>, <Vm>.4s'),
  cls(`01011110 00 0 x:5 0 x:3 00 ${RN_RD}`, '<qd>, <sn>, <Vm>.4s'),
  cls(`11001110011 x:5 1 0 00 0 x:1 ${RN_RD}`, '<qd>, <qn>, <Vm>.2d'),
  cls(`11001110011 x:5 1 0 00 x:2 ${RN_RD}`, '<Vd>.2d, <Vn>.2d, <Vm>.2d'),
  cls(`11001110011 x:5 1 1 00 x:2 ${RN_RD}`, '<Vd>.4s, <Vn>.4s, <Vm>.4s'),
  cls(`11001110110000001000 00 ${RN_RD}`, '<Vd>.2d, <Vn>.2d'),
  cls(`11001110110000001000 01 ${RN_RD}`, '<Vd>.4s, <Vn>.4s'),
  cls(`110011100 10 x:5 0 x:5 ${RN_RD}`, '<Vd>.4s, <Vn>.4s, <Vm>.4s, <Va>.4s'),
  cls(`110011100 0 x:1 x:5 0 x:5 ${RN_RD}`, '<Vd>.16b, <Vn>.16b, <Vm>.16b, <Va>.16b'),
  cls(`11001110100 x:5 x:6 ${RN_RD}`, '<Vd>.2d, <Vn>.2d, <Vm>.2d, <#10:6>'),
  cls(`11001110010 x:5 10 x:2 x:2 ${RN_RD}`, '<Vd>.4s, <Vn>.4s, <Vm>.s[<index>]'),
];

/** log2 of the bytes of the element that imm5 selects. */
const imm5Size = (word: number): number => 31 - Math.clz32(field(word, 16, 5) & -field(word, 16, 5));
const imm5Index = (word: number): number => field(word, 16, 5) >> (imm5Size(word) + 1);
/** Vn.Ts[index] with both from imm5. */
const elementOf = (register: string, word: number): string =>
  `${register}.${'bhsd'[imm5Size(word)]}[${imm5Index(word)}]`;
const fullOf = (word: number): string => arrangement(imm5Size(word), q(word));

const registerList = (first: number, count: number, suffix: string): string =>
  `{${Array.from({ length: count }, (_, i) => `v${(first + i) % 32}.${suffix}`).join(', ')}}`;

function tableLookup(mnemonic: string): Format {
  return (word) => {
    const table = registerList(field(word, 5, 5), field(word, 13, 2) + 1, '16b');
    const t = arrangement(0, q(word));
    return of(mnemonic, `${Vd(word)}.${t}`, table, `v${field(word, 16, 5)}.${t}`);
  };
}

const abcdefgh = (word: number): number => (field(word, 16, 3) << 5) | field(word, 5, 5);

/** Modified immediate with LSL or MSL, by cmode. */
function shiftedImmediate(mnemonic: string): Format {
  return (word) => {
    const cmode = field(word, 12, 4);
    const isHalf = cmode >> 2 === 2;
    const shift = cmode >= 12 ? 8 << (cmode & 1) : ((cmode >> 1) & (isHalf ? 1 : 3)) * 8;
    const last = shift === 0 ? [] : [`${cmode >= 12 ? 'msl' : 'lsl'} #${shift}`];
    const t = arrangement(isHalf ? 1 : 2, q(word));
    return of(mnemonic, `${Vd(word)}.${t}`, immediate(abcdefgh(word)), ...last);
  };
}

/** Every bit of abcdefgh is a byte of zeroes or ones. */
function byteMask(imm8: number): bigint {
  let value = 0n;
  for (let i = 0n; i < 8n; i++) if ((imm8 >> Number(i)) & 1) value |= 0xffn << (i * 8n);
  return value;
}

/** VFPExpandImm (Arm ARM, shared/functions) as a number: abcdefgh = sign, exponent, fraction. */
export function floatImmediate(imm8: number): string {
  const exponent = (((imm8 >> 4) & 7) ^ 4) - 3;
  const value = (1 + (imm8 & 15) / 16) * 2 ** exponent;
  return `#${imm8 & 0x80 ? '-' : ''}${value.toFixed(8)}`;
}

const floatVector =
  (elementSize: number): Format =>
  (word) =>
    of('fmov', `${Vd(word)}.${arrangement(elementSize, q(word))}`, floatImmediate(abcdefgh(word)));

/** SSHLL #0 is SXTL. */
function shiftLong(mnemonic: string, alias: string): Format {
  const render = template('<Vd>.<2Ti>, <Vn>.<Ti>');
  const shift = template('<#left>');
  return (word) => {
    const upper = q(word) ? '2' : '';
    const amount = shift(word);
    if (amount === '#0') return of(`${alias}${upper}`, render(word));
    return of(`${mnemonic}${upper}`, render(word), amount);
  };
}

function post(word: number, bytes: number): string[] {
  if (field(word, 23, 1) === 0) return [];
  const rm = field(word, 16, 5);
  return [rm === 31 ? `#${bytes}` : general(true, rm)];
}

const structureBase = (word: number): string => `[${generalOrSp(true, field(word, 5, 5))}]`;

/** LD1 to ST4 of multiple structures. */
function multipleStructures(word: number): Instruction {
  const { rpt, selem } = MULTIPLE_STRUCTURES.get(field(word, 12, 4))!;
  const list = registerList(word & 31, rpt * selem, arrangement(field(word, 10, 2), q(word)));
  const mnemonic = `${field(word, 22, 1) ? 'ld' : 'st'}${selem}`;
  return of(mnemonic, list, structureBase(word), ...post(word, (8 << q(word)) * rpt * selem));
}

/** LD1 to ST4 of a single structure, and the replicating LD1R to LD4R. */
function singleStructure(word: number): Instruction {
  const selem = ((field(word, 13, 1) << 1) | field(word, 21, 1)) + 1;
  const stem = field(word, 22, 1) ? 'ld' : 'st';
  const low = field(word, 10, 2);
  const scale = field(word, 14, 2);
  if (scale === 3) {
    const list = registerList(word & 31, selem, arrangement(low, q(word)));
    return of(`ld${selem}r`, list, structureBase(word), ...post(word, selem << low));
  }
  const log2Bytes = scale === 2 && (low & 1) === 1 ? 3 : scale;
  const index = ((q(word) << 3) | (field(word, 12, 1) << 2) | low) >> log2Bytes;
  const list = `${registerList(word & 31, selem, 'bhsd'[log2Bytes]!)}[${index}]`;
  return of(`${stem}${selem}`, list, structureBase(word), ...post(word, selem << log2Bytes));
}

/** Formats of structure loads and stores, by shape of the name. */
export function structureFormat(name: string): Format | undefined {
  if (/^(LD|ST)[1-4]_multiple/.test(name)) return multipleStructures;
  return /^((LD|ST)[1-4]_single|LD[1-4]R)/.test(name) ? singleStructure : undefined;
}

export const SIMD_FORMATS: { readonly [name: string]: Format } = {
  ORR_vec: (word) => {
    const t = arrangement(0, q(word));
    const [n, m] = [field(word, 5, 5), field(word, 16, 5)];
    if (n === m) return of('mov', `${Vd(word)}.${t}`, `v${n}.${t}`);
    return of('orr', `${Vd(word)}.${t}`, `v${n}.${t}`, `v${m}.${t}`);
  },
  NOT_vec: plain('mvn', '<Vd>.<Tb>, <Vn>.<Tb>'),
  RBIT_vec: plain('rbit', '<Vd>.<Tb>, <Vn>.<Tb>'),
  SHLL_vec: (word) =>
    of(
      q(word) ? 'shll2' : 'shll',
      `${Vd(word)}.${arrangement(size(word) + 1, 1)}`,
      `${Vn(word)}.${arrangement(size(word), q(word))}`,
      `#${8 << size(word)}`,
    ),
  SSHLL_vec: shiftLong('sshll', 'sxtl'),
  USHLL_vec: shiftLong('ushll', 'uxtl'),
  PMULL_64: (word) => {
    const t = arrangement(3, q(word));
    return of(
      q(word) ? 'pmull2' : 'pmull',
      `${Vd(word)}.1q`,
      `${Vn(word)}.${t}`,
      `v${field(word, 16, 5)}.${t}`,
    );
  },
  DUP_elem: (word) => of('dup', `${Vd(word)}.${fullOf(word)}`, elementOf(Vn(word), word)),
  DUP_elem_scalar: (word) => of('mov', `${'bhsd'[imm5Size(word)]}${word & 31}`, elementOf(Vn(word), word)),
  DUP_gen: (word) =>
    of('dup', `${Vd(word)}.${fullOf(word)}`, general(imm5Size(word) === 3, field(word, 5, 5))),
  INS_gen: (word) => of('mov', elementOf(Vd(word), word), general(imm5Size(word) === 3, field(word, 5, 5))),
  INS_elem: (word) => {
    const s = imm5Size(word);
    return of('mov', elementOf(Vd(word), word), `${Vn(word)}.${'bhsd'[s]}[${field(word, 11, 4) >> s}]`);
  },
  SMOV: (word) => of('smov', general(q(word) === 1, word & 31), elementOf(Vn(word), word)),
  UMOV: (word) =>
    of(imm5Size(word) >= 2 ? 'mov' : 'umov', general(q(word) === 1, word & 31), elementOf(Vn(word), word)),
  EXT: plain('ext', '<Vd>.<Tb>, <Vn>.<Tb>, <Vm>.<Tb>, <#11:4>'),
  TBL: tableLookup('tbl'),
  TBX: tableLookup('tbx'),
  MOVI_vec: shiftedImmediate('movi'),
  MVNI_vec: shiftedImmediate('mvni'),
  ORR_vec_imm: shiftedImmediate('orr'),
  BIC_vec_imm: shiftedImmediate('bic'),
  MOVI_byte: (word) => of('movi', `${Vd(word)}.${arrangement(0, q(word))}`, immediate(abcdefgh(word))),
  MOVI_64: (word) =>
    of('movi', q(word) ? `${Vd(word)}.2d` : `d${word & 31}`, `#${number(byteMask(abcdefgh(word)))}`),
  FMOV_vec_imm_single: floatVector(2),
  FMOV_vec_imm_double: floatVector(3),
  FMOV_vec_imm_half: floatVector(1),
};

/** ftype as the type of the operand in the conversions. */
export const floatRegister = (word: number, n: number): string => `${floatLetter(word)}${n}`;
