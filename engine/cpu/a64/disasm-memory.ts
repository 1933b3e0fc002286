import {
  type Format,
  field,
  general,
  generalOrSp,
  type Instruction,
  immediate,
  relative,
  signed,
} from './disasm-format.ts';

/* Formats of loads and stores (DDI 0487, C4.1.94), by name of the encoding. */

const base = (word: number): string => generalOrSp(true, field(word, 5, 5));
const of = (mnemonic: string, ...operands: string[]): Instruction => ({
  mnemonic,
  operands: operands.join(', '),
});

const withOffset = (word: number, offset: number): string =>
  offset === 0 ? `[${base(word)}]` : `[${base(word)}, ${immediate(offset)}]`;

/** <prfop> of PRFM; the ones without a name are numbers. */
export function prefetchOperation(rt: number): string {
  const type = (rt >> 3) & 3;
  const level = (rt >> 1) & 3;
  if (type === 3 || level === 3) return immediate(rt);
  return `${['pld', 'pli', 'pst'][type]}l${level + 1}${rt & 1 ? 'strm' : 'keep'}`;
}

interface Access {
  /** After "ld" or "st" and what tells the addressing: `b`, `sw`. */
  readonly suffix: string;
  readonly isLoad: boolean;
  readonly rt: string;
  readonly log2Bytes: number;
  readonly isPrefetch: boolean;
}

const SUFFIX = ['b', 'h', '', ''];
const SIGNED_SUFFIX = ['sb', 'sh', 'sw'];

/** size, V, opc and Rt of a single-register access. */
function access(word: number): Access {
  const size = word >>> 30;
  const opc = field(word, 22, 2);
  const t = word & 31;
  if (field(word, 26, 1) === 1) {
    const log2Bytes = size | ((opc & 2) << 1);
    const rt = `${'bhsdq'[log2Bytes]}${t}`;
    return { suffix: '', isLoad: (opc & 1) === 1, rt, log2Bytes, isPrefetch: false };
  }
  if (size === 3 && opc === 2) {
    return { suffix: '', isLoad: true, rt: prefetchOperation(t), log2Bytes: 3, isPrefetch: true };
  }
  if (opc < 2) {
    return {
      suffix: SUFFIX[size]!,
      isLoad: opc === 1,
      rt: general(size === 3, t),
      log2Bytes: size,
      isPrefetch: false,
    };
  }
  return {
    suffix: SIGNED_SUFFIX[size]!,
    isLoad: true,
    rt: general(opc === 2, t),
    log2Bytes: size,
    isPrefetch: false,
  };
}

/** `how` is between "ld" or "st" and the suffix: "r", "ur", "tr". */
function mnemonic(a: Access, how: string): string {
  if (a.isPrefetch) return how === 'ur' ? 'prfum' : 'prfm';
  return `${a.isLoad ? 'ld' : 'st'}${how}${a.suffix}`;
}

const offset9 = (word: number): number => signed(word, 12, 9);

function single(how: string, address: (word: number, a: Access) => string): Format {
  return (word) => {
    const a = access(word);
    return of(mnemonic(a, how), a.rt, address(word, a));
  };
}

const OPTIONS = ['', '', 'uxtw', 'lsl', '', '', 'sxtw', 'sxtx'];

function registerOffset(word: number, a: Access): string {
  const option = field(word, 13, 3);
  const isScaled = field(word, 12, 1) === 1;
  const index = general((option & 1) === 1, field(word, 16, 5));
  if (!isScaled) {
    return option === 3 ? `[${base(word)}, ${index}]` : `[${base(word)}, ${index}, ${OPTIONS[option]}]`;
  }
  return `[${base(word)}, ${index}, ${OPTIONS[option]} #${a.log2Bytes}]`;
}

function pair(word: number): Instruction {
  const opc = word >>> 30;
  const isVector = field(word, 26, 1) === 1;
  const isLoad = field(word, 22, 1) === 1;
  const mode = field(word, 23, 2);
  const isSignedWord = !isVector && opc === 1;
  const log2Bytes = isVector ? opc + 2 : opc === 2 ? 3 : 2;
  const name = (n: number) => (isVector ? `${'sdq'[opc]}${n}` : general(opc !== 0, n));
  const offset = signed(word, 15, 7) * (1 << log2Bytes);
  const stem = isLoad ? 'ld' : 'st';
  const mnemonic = `${stem}${mode === 0 ? 'np' : 'p'}${isSignedWord ? 'sw' : ''}`;
  const registers = [name(word & 31), name(field(word, 10, 5))];
  switch (mode) {
    case 1:
      return of(mnemonic, ...registers, `[${base(word)}]`, immediate(offset));
    case 3:
      return of(mnemonic, ...registers, `[${base(word)}, ${immediate(offset)}]!`);
    default:
      return of(mnemonic, ...registers, withOffset(word, offset));
  }
}

/** Exclusive and ordered accesses: `b` and `h` in the mnemonic, X registers for size 3. */
function ordered(stem: (word: number) => string, hasStatus: boolean, isPair: boolean): Format {
  return (word) => {
    const size = word >>> 30;
    const registers = [general(size === 3, word & 31)];
    if (isPair) registers.push(general(size === 3, field(word, 10, 5)));
    if (hasStatus) registers.unshift(general(false, field(word, 16, 5)));
    return of(`${stem(word)}${SUFFIX[size]}`, ...registers, `[${base(word)}]`);
  };
}

const isOrdered = (word: number): boolean => field(word, 15, 1) === 1;

function literal(word: number, address: bigint): Instruction {
  const opc = word >>> 30;
  const target = address + BigInt(signed(word, 5, 19) * 4);
  const t = word & 31;
  if (field(word, 26, 1) === 1) return relative('ldr', `${'sdq'[opc]}${t}, `, target);
  if (opc === 3) return relative('prfm', `${prefetchOperation(t)}, `, target);
  return relative(opc === 2 ? 'ldrsw' : 'ldr', `${general(opc !== 0, t)}, `, target);
}

export const MEMORY_FORMATS: { readonly [name: string]: Format } = {
  LDR_lit: literal,
  LDR_lit_simd: literal,
  STXR: ordered((word) => (isOrdered(word) ? 'stlxr' : 'stxr'), true, false),
  LDXR: ordered((word) => (isOrdered(word) ? 'ldaxr' : 'ldxr'), false, false),
  STXP: ordered((word) => (isOrdered(word) ? 'stlxp' : 'stxp'), true, true),
  LDXP: ordered((word) => (isOrdered(word) ? 'ldaxp' : 'ldxp'), false, true),
  STLR: ordered((word) => (isOrdered(word) ? 'stlr' : 'stllr'), false, false),
  LDAR: ordered((word) => (isOrdered(word) ? 'ldar' : 'ldlar'), false, false),
  LDST_pair: pair,
  LDST_unscaled: single('ur', (word) => withOffset(word, offset9(word))),
  LDST_post: single('r', (word) => `[${base(word)}], ${immediate(offset9(word))}`),
  LDST_unpriv: single('tr', (word) => withOffset(word, offset9(word))),
  LDST_pre: single('r', (word) => `[${base(word)}, ${immediate(offset9(word))}]!`),
  LDST_reg: single('r', registerOffset),
  LDST_imm: single('r', (word, a) => withOffset(word, field(word, 10, 12) * (1 << a.log2Bytes))),
};
