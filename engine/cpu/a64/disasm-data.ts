import {
  CONDITIONS,
  condition,
  type Format,
  field,
  general,
  generalOrSp,
  type Instruction,
  immediate,
  invertedCondition,
  number,
  plain,
  relative,
  signed,
} from './disasm-format.ts';

/* Formats of data processing with immediates and registers, by name of the encoding (DDI 0487, C4.1.86, C4.1.95). */

const is64 = (word: number): boolean => word >>> 31 === 1;
const d = (word: number): number => word & 31;
const n = (word: number): number => field(word, 5, 5);
const m = (word: number): number => field(word, 16, 5);
const Rd = (word: number): string => general(is64(word), d(word));
const Rn = (word: number): string => general(is64(word), n(word));
const Rm = (word: number): string => general(is64(word), m(word));
const of = (mnemonic: string, ...operands: string[]): Instruction => ({
  mnemonic,
  operands: operands.join(', '),
});

function adr(word: number): bigint {
  return (BigInt(signed(word, 5, 19)) << 2n) | BigInt(field(word, 29, 2));
}

const ADD_SUB = ['add', 'adds', 'sub', 'subs'];
const COMPARE = ['', 'cmn', '', 'cmp'];

function addSubImmediate(word: number): Instruction {
  const op = field(word, 29, 2);
  const isShifted = field(word, 22, 1) === 1;
  const imm = field(word, 10, 12);
  const rn = generalOrSp(is64(word), n(word));
  const last = isShifted ? ['lsl #12'] : [];
  if ((op & 1) === 1) {
    if (d(word) === 31) return of(COMPARE[op]!, rn, immediate(imm), ...last);
    return of(ADD_SUB[op]!, Rd(word), rn, immediate(imm), ...last);
  }
  const rd = generalOrSp(is64(word), d(word));
  if (op === 0 && imm === 0 && !isShifted && (d(word) === 31 || n(word) === 31)) return of('mov', rd, rn);
  return of(ADD_SUB[op]!, rd, rn, immediate(imm), ...last);
}

const SHIFTS = ['lsl', 'lsr', 'asr', 'ror'];

/** Rm with its shift; LSL #0 is not written. */
function shifted(word: number): string[] {
  const type = field(word, 22, 2);
  const amount = field(word, 10, 6);
  return type === 0 && amount === 0 ? [Rm(word)] : [Rm(word), `${SHIFTS[type]} #${amount}`];
}

function addSubShifted(word: number): Instruction {
  const op = field(word, 29, 2);
  if ((op & 1) === 1 && d(word) === 31) return of(COMPARE[op]!, Rn(word), ...shifted(word));
  if ((op & 2) === 2 && n(word) === 31) return of(op & 1 ? 'negs' : 'neg', Rd(word), ...shifted(word));
  return of(ADD_SUB[op]!, Rd(word), Rn(word), ...shifted(word));
}

const EXTENDS = ['uxtb', 'uxth', 'uxtw', 'uxtx', 'sxtb', 'sxth', 'sxtw', 'sxtx'];

function addSubExtended(word: number): Instruction {
  const op = field(word, 29, 2);
  const wide = is64(word);
  const option = field(word, 13, 3);
  const amount = field(word, 10, 3);
  const setsFlags = (op & 1) === 1;
  const rd = setsFlags ? Rd(word) : generalOrSp(wide, d(word));
  const rn = generalOrSp(wide, n(word));
  const rm = general(wide && (option & 3) === 3, m(word));
  const operands = [rm];
  // With the stack pointer, the extension that changes nothing is written LSL, and LSL #0 not at all.
  const usesSp = n(word) === 31 || (!setsFlags && d(word) === 31);
  if (usesSp && option === (wide ? 3 : 2)) {
    if (amount !== 0) operands.push(`lsl #${amount}`);
  } else {
    operands.push(amount === 0 ? EXTENDS[option]! : `${EXTENDS[option]} #${amount}`);
  }
  if (setsFlags && d(word) === 31) return of(COMPARE[op]!, rn, ...operands);
  return of(ADD_SUB[op]!, rd, rn, ...operands);
}

/** DecodeBitMasks of a valid N:immr:imms (Arm ARM, shared/functions): the immediate. */
export function bitMask(word: number): bigint {
  const width = is64(word) ? 64 : 32;
  const imms = field(word, 10, 6);
  const length = 31 - Math.clz32((field(word, 22, 1) << 6) | (~imms & 0x3f));
  const esize = 1 << length;
  const s = BigInt(imms & (esize - 1));
  const r = BigInt(field(word, 16, 6) & (esize - 1));
  const ones = (1n << (s + 1n)) - 1n;
  let element = BigInt.asUintN(esize, (ones >> r) | (ones << (BigInt(esize) - r)));
  for (let at = esize; at < width; at *= 2) element |= element << BigInt(at);
  return element;
}

/** MOVZ or MOVN can make this value, and MOV means those (Arm ARM, MoveWidePreferred). */
function isMoveWide(value: bigint, width: number): boolean {
  const inverse = BigInt.asUintN(width, ~value);
  for (let hw = 0n; hw < BigInt(width); hw += 16n) {
    if ((value & ~(0xffffn << hw)) === 0n || (inverse & ~(0xffffn << hw)) === 0n) return true;
  }
  return false;
}

const LOGICAL = ['and', 'orr', 'eor', 'ands'];
const LOGICAL_NOT = ['bic', 'orn', 'eon', 'bics'];

function logicalImmediate(word: number): Instruction {
  const opc = field(word, 29, 2);
  const value = bitMask(word);
  const width = is64(word) ? 64 : 32;
  if (opc === 3) {
    if (d(word) === 31) return of('tst', Rn(word), immediate(value));
    return of('ands', Rd(word), Rn(word), immediate(value));
  }
  const rd = generalOrSp(is64(word), d(word));
  if (opc === 1 && n(word) === 31 && !isMoveWide(value, width)) {
    return of('mov', rd, immediate(BigInt.asIntN(width, value)));
  }
  return of(LOGICAL[opc]!, rd, Rn(word), immediate(value));
}

function logicalShifted(word: number): Instruction {
  const opc = field(word, 29, 2);
  const isNot = field(word, 21, 1) === 1;
  if (opc === 3 && !isNot && d(word) === 31) return of('tst', Rn(word), ...shifted(word));
  if (opc === 1 && n(word) === 31) {
    if (isNot) return of('mvn', Rd(word), ...shifted(word));
    if (field(word, 10, 6) === 0 && field(word, 22, 2) === 0) return of('mov', Rd(word), Rm(word));
  }
  return of((isNot ? LOGICAL_NOT : LOGICAL)[opc]!, Rd(word), Rn(word), ...shifted(word));
}

function moveWide(word: number): Instruction {
  const opc = field(word, 29, 2);
  const imm = field(word, 5, 16);
  const shift = field(word, 21, 2) * 16;
  const width = is64(word) ? 64 : 32;
  const last = shift === 0 ? [] : [`lsl #${shift}`];
  if (opc === 3) return of('movk', Rd(word), immediate(imm), ...last);
  // Of two ways to make one value, MOV is the one with the shift 0, and MOVZ before MOVN.
  const isPreferred = (imm !== 0 || shift === 0) && !(opc === 0 && width === 32 && imm === 0xffff);
  if (!isPreferred) return of(opc === 2 ? 'movz' : 'movn', Rd(word), immediate(imm), ...last);
  const value = BigInt(imm) << BigInt(shift);
  return of('mov', Rd(word), immediate(BigInt.asIntN(width, opc === 2 ? value : ~value)));
}

function bitField(word: number): Instruction {
  const opc = field(word, 29, 2);
  const wide = is64(word);
  const top = wide ? 63 : 31;
  const immr = field(word, 16, 6);
  const imms = field(word, 10, 6);
  const rd = Rd(word);
  const lsb = immediate(imms < immr ? top + 1 - immr : immr);
  const width = immediate(imms < immr ? imms + 1 : imms - immr + 1);
  if (opc === 1) {
    if (imms >= immr) return of('bfxil', rd, Rn(word), lsb, width);
    return n(word) === 31 ? of('bfc', rd, lsb, width) : of('bfi', rd, Rn(word), lsb, width);
  }
  if (opc === 0) {
    if (imms === top) return of('asr', rd, Rn(word), immediate(immr));
    if (imms < immr) return of('sbfiz', rd, Rn(word), lsb, width);
    const extend = immr === 0 ? { 7: 'sxtb', 15: 'sxth', 31: 'sxtw' }[imms] : undefined;
    return extend === undefined
      ? of('sbfx', rd, Rn(word), lsb, width)
      : of(extend, rd, general(false, n(word)));
  }
  if (imms + 1 === immr) return of('lsl', rd, Rn(word), immediate(top - imms));
  if (imms === top) return of('lsr', rd, Rn(word), immediate(immr));
  if (imms < immr) return of('ubfiz', rd, Rn(word), lsb, width);
  const extend = !wide && immr === 0 ? { 7: 'uxtb', 15: 'uxth' }[imms] : undefined;
  return extend === undefined ? of('ubfx', rd, Rn(word), lsb, width) : of(extend, rd, Rn(word));
}

function extract(word: number): Instruction {
  const lsb = immediate(field(word, 10, 6));
  return n(word) === m(word)
    ? of('ror', Rd(word), Rn(word), lsb)
    : of('extr', Rd(word), Rn(word), Rm(word), lsb);
}

function carry(word: number): Instruction {
  const op = field(word, 29, 2);
  if (op >= 2 && n(word) === 31) return of(op === 3 ? 'ngcs' : 'ngc', Rd(word), Rm(word));
  return of(['adc', 'adcs', 'sbc', 'sbcs'][op]!, Rd(word), Rn(word), Rm(word));
}

function conditionalCompare(word: number): Instruction {
  const mnemonic = field(word, 30, 1) ? 'ccmp' : 'ccmn';
  const second = field(word, 11, 1) ? immediate(m(word)) : Rm(word);
  return of(mnemonic, Rn(word), second, immediate(word & 15), condition(word));
}

function conditionalSelect(word: number): Instruction {
  const op = field(word, 30, 1) * 2 + field(word, 10, 1);
  const isAlias = n(word) === m(word) && field(word, 13, 3) !== 7;
  if (isAlias && op === 3) return of('cneg', Rd(word), Rn(word), invertedCondition(word));
  if (isAlias && op !== 0) {
    const alias = op === 1 ? 'cinc' : 'cinv';
    if (n(word) !== 31) return of(alias, Rd(word), Rn(word), invertedCondition(word));
    return of(op === 1 ? 'cset' : 'csetm', Rd(word), invertedCondition(word));
  }
  return of(['csel', 'csinc', 'csinv', 'csneg'][op]!, Rd(word), Rn(word), Rm(word), condition(word));
}

function multiply(word: number): Instruction {
  const isSub = field(word, 15, 1) === 1;
  const ra = field(word, 10, 5);
  if (ra === 31) return of(isSub ? 'mneg' : 'mul', Rd(word), Rn(word), Rm(word));
  return of(isSub ? 'msub' : 'madd', Rd(word), Rn(word), Rm(word), general(is64(word), ra));
}

function multiplyLong(word: number): Instruction {
  const isSub = field(word, 15, 1) === 1;
  const ra = field(word, 10, 5);
  const operands = [general(true, d(word)), general(false, n(word)), general(false, m(word))];
  const sign = field(word, 23, 1) ? 'u' : 's';
  if (ra === 31) return of(`${sign}${isSub ? 'mnegl' : 'mull'}`, ...operands);
  return of(`${sign}${isSub ? 'msubl' : 'maddl'}`, ...operands, general(true, ra));
}

const twoSource =
  (...mnemonics: string[]): Format =>
  (word) =>
    of(mnemonics[field(word, 10, 6) % mnemonics.length]!, Rd(word), Rn(word), Rm(word));

const oneSource = (mnemonic: string): Format => plain(mnemonic, '<Rd>, <Rn>');

function crc32(word: number): Instruction {
  const size = field(word, 10, 2);
  const mnemonic = `crc32${field(word, 12, 1) ? 'c' : ''}${'bhwx'[size]}`;
  return of(mnemonic, general(false, d(word)), general(false, n(word)), general(size === 3, m(word)));
}

export const DATA_FORMATS: { readonly [name: string]: Format } = {
  ADR: (word, address) => relative('adr', `${general(true, d(word))}, `, address + adr(word)),
  ADRP: (word, address) =>
    relative('adrp', `${general(true, d(word))}, `, (address & ~0xfffn) + (adr(word) << 12n)),
  ADDSUB_imm: addSubImmediate,
  LOGICAL_imm: logicalImmediate,
  MOVWIDE: moveWide,
  BITFIELD: bitField,
  EXTR: extract,
  LOGICAL_shift: logicalShifted,
  ADDSUB_shift: addSubShifted,
  ADDSUB_ext: addSubExtended,
  ADC_SBC: carry,
  CCMP_reg: conditionalCompare,
  CCMP_imm: conditionalCompare,
  CSEL: conditionalSelect,
  MADD_MSUB: multiply,
  MADDL_MSUBL: multiplyLong,
  MULH: (word) => of(field(word, 23, 1) ? 'umulh' : 'smulh', Rd(word), Rn(word), Rm(word)),
  DIV: twoSource('udiv', 'sdiv'),
  SHIFT_reg: twoSource('lsl', 'lsr', 'asr', 'ror'),
  RBIT: oneSource('rbit'),
  REV16: oneSource('rev16'),
  REV32: (word) => of(is64(word) ? 'rev32' : 'rev', Rd(word), Rn(word)),
  REV64: oneSource('rev'),
  CLZ: oneSource('clz'),
  CLS: oneSource('cls'),
  CRC32: crc32,
};

/** B.cond and its like: `b.eq`. */
export const conditionSuffix = (word: number): string => CONDITIONS[word & 15]!;
export const bitNumber = (word: number): string =>
  `#${number((field(word, 31, 1) << 5) | field(word, 19, 5))}`;
