/*
 * What the disassembler's formats are made of: numbers, register names and operand templates, in the assembler
 * syntax of Arm ARM DDI 0487, C1.2, written as capstone writes it (docs/disassembler.md).
 */

/** One instruction in words. */
export interface Instruction {
  readonly mnemonic: string;
  readonly operands: string;
  /** The address that a PC-relative operand names. */
  readonly target?: bigint;
}

export type Format = (word: number, address: bigint) => Instruction;

/** Text of one operand, or of a part of it. */
export type Operand = (word: number) => string;

export const field = (word: number, lo: number, width: number): number => (word >>> lo) & ((1 << width) - 1);

export const signed = (word: number, lo: number, width: number): number =>
  (word << (32 - lo - width)) >> (32 - width);

/** Up to nine in decimal, more in hexadecimal. */
export function number(value: number | bigint): string {
  if (value < 0) return `-${number(-value)}`;
  return value > 9 ? `0x${value.toString(16)}` : value.toString();
}

export const immediate = (value: number | bigint): string => `#${number(value)}`;

/** W or X register; 31 is the zero register. */
export function general(is64: boolean, n: number): string {
  if (n === 31) return is64 ? 'xzr' : 'wzr';
  return `${is64 ? 'x' : 'w'}${n}`;
}

/** The same where 31 is the stack pointer. */
export function generalOrSp(is64: boolean, n: number): string {
  if (n === 31) return is64 ? 'sp' : 'wsp';
  return `${is64 ? 'x' : 'w'}${n}`;
}

export const CONDITIONS: readonly string[] = [
  ...['eq', 'ne', 'hs', 'lo', 'mi', 'pl', 'vs', 'vc'],
  ...['hi', 'ls', 'ge', 'lt', 'gt', 'le', 'al', 'nv'],
];

export const condition = (word: number): string => CONDITIONS[field(word, 12, 4)]!;
/** Of the aliases that turn the condition round (CSET, CINC and their like). */
export const invertedCondition = (word: number): string => CONDITIONS[field(word, 12, 4) ^ 1]!;

/** `target` as the last operand. */
export function relative(mnemonic: string, operands: string, target: bigint): Instruction {
  const wrapped = BigInt.asUintN(64, target);
  return { mnemonic, operands: `${operands}${immediate(wrapped)}`, target: wrapped };
}

const is64 = (word: number): boolean => word >>> 31 === 1;
const q = (word: number): number => field(word, 30, 1);
const size = (word: number): number => field(word, 22, 2);
const sz = (word: number): number => field(word, 22, 1);

const ARRANGEMENTS = ['8b', '16b', '4h', '8h', '2s', '4s', '1d', '2d', '', '1q'];
/** 0 to 4: B, H, S, D, Q elements; in 64 or 128 bits. */
export const arrangement = (elementSize: number, isFull: number): string =>
  ARRANGEMENTS[elementSize * 2 + isFull]!;
/** log2 of the bytes of an element, from immh of "shift by immediate". */
const immhSize = (word: number): number => 31 - Math.clz32(field(word, 19, 4));
/** `ftype`, bits 23:22: single, double, (unallocated), half. */
export const floatLetter = (word: number): string => 'sd?h'[size(word)]!;

const REGISTER_FIELDS = { d: 0, n: 5, m: 16, a: 10 } as const;
/** Letter of a scalar register by what decides on its size. */
const SCALARS: { readonly [key: string]: (word: number) => string } = {
  b: () => 'b',
  h: () => 'h',
  s: () => 's',
  dd: () => 'd',
  q: () => 'q',
  e: (word) => 'bhsd'[size(word)]!,
  '2e': (word) => 'bhsdq'[size(word) + 1]!,
  f: (word) => 'sd'[sz(word)]!,
  '2f': () => 'd',
  t: floatLetter,
  i: (word) => 'bhsd'[immhSize(word)]!,
  '2i': (word) => 'bhsdq'[immhSize(word) + 1]!,
};

function placeholders(): Map<string, Operand> {
  const map = new Map<string, Operand>([
    ['T', (word) => arrangement(size(word), q(word))],
    ['2T', (word) => arrangement(size(word) + 1, 1)],
    // Pairs of elements added up: SADDLP and its like
    ['Tp', (word) => arrangement(size(word) + 1, q(word))],
    ['Tf', (word) => arrangement(2 + sz(word), q(word))],
    ['2Tf', (word) => arrangement(2 + sz(word), 1)],
    // The half as wide counterpart of 2Tf
    ['Tn', (word) => arrangement(1 + sz(word), q(word))],
    ['Th', (word) => arrangement(1, q(word))],
    ['Tb', (word) => arrangement(0, q(word))],
    ['Ts', (word) => arrangement(2, q(word))],
    ['Ti', (word) => arrangement(immhSize(word), q(word))],
    ['2Ti', (word) => arrangement(immhSize(word) + 1, 1)],
    ['sz', (word) => 'sd'[sz(word)]!],
    ['cond', condition],
    // Shift by immediate: to the right 2 * esize - immh:immb, to the left immh:immb - esize
    ['#right', (word) => immediate((16 << immhSize(word)) - field(word, 16, 7))],
    ['#left', (word) => immediate(field(word, 16, 7) - (8 << immhSize(word)))],
    ['element', indexedElement],
    [
      'felement',
      (word) =>
        sz(word) === 1
          ? `v${field(word, 16, 5)}.d[${field(word, 11, 1)}]`
          : `v${field(word, 16, 5)}.s[${(field(word, 11, 1) << 1) | field(word, 21, 1)}]`,
    ],
    ['index', (word) => `${field(word, 12, 2)}`],
    ['helement', (word) => `v${field(word, 16, 4)}.h[${halfIndex(word)}]`],
    ['belement', (word) => `v${field(word, 16, 5)}.4b[${(field(word, 11, 1) << 1) | field(word, 21, 1)}]`],
  ]);
  for (const [letter, lo] of Object.entries(REGISTER_FIELDS)) {
    map.set(`V${letter}`, (word) => `v${field(word, lo, 5)}`);
    map.set(`R${letter}`, (word) => general(is64(word), field(word, lo, 5)));
    map.set(`W${letter}`, (word) => general(false, field(word, lo, 5)));
    map.set(`X${letter}`, (word) => general(true, field(word, lo, 5)));
    map.set(`X${letter}|SP`, (word) => generalOrSp(true, field(word, lo, 5)));
    for (const [key, of] of Object.entries(SCALARS)) {
      map.set(key + letter, (word) => `${of(word)}${field(word, lo, 5)}`);
    }
  }
  return map;
}

const halfIndex = (word: number): number =>
  (field(word, 11, 1) << 2) | (field(word, 21, 1) << 1) | field(word, 20, 1);

/** Vm.Ts[index] of integer "vector by indexed element": 16-bit elements have a 4-bit Vm. */
function indexedElement(word: number): string {
  return size(word) === 1
    ? `v${field(word, 16, 4)}.h[${halfIndex(word)}]`
    : `v${field(word, 16, 5)}.s[${(field(word, 11, 1) << 1) | field(word, 21, 1)}]`;
}

const PLACEHOLDERS = placeholders();

function placeholder(name: string): Operand {
  // <#lo:width> is an unsigned immediate
  const range = /^#(\d+):(\d+)$/.exec(name);
  if (range !== null) {
    const [lo, width] = [Number(range[1]), Number(range[2])];
    return (word) => immediate(field(word, lo, width));
  }
  const known = PLACEHOLDERS.get(name);
  if (known === undefined) throw new Error(`no placeholder <${name}>`);
  return known;
}

/**
 * Compiles the text of operands with placeholders in angle brackets, as the Arm ARM writes them:
 * `<Vd>.<T>, <Vn>.<T>, <#10:6>`.
 */
export function template(text: string): Operand {
  const parts = text.split(/<([^>]+)>/);
  const operands = parts.map((part, i): Operand => (i % 2 === 0 ? () => part : placeholder(part)));
  if (operands.length === 3 && parts[0] === '' && parts[2] === '') return operands[1]!;
  return (word) => {
    let result = '';
    for (const operand of operands) result += operand(word);
    return result;
  };
}

/** A format with a fixed mnemonic and templated operands. */
export function plain(mnemonic: string, operands: string): Format {
  const render = template(operands);
  return (word) => ({ mnemonic, operands: render(word) });
}
