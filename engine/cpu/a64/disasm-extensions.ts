import { BRANCH_FORMATS } from './disasm-branch.ts';
import {
  arrangement,
  type Format,
  field,
  general,
  generalOrSp,
  type Instruction,
  immediate,
  plain,
  signed,
  template,
} from './disasm-format.ts';
import { MEMORY_FORMATS } from './disasm-memory.ts';

/*
 * Formats of the classes that extensions of Armv8.1 to Armv8.6 have brought: atomics, pointer authentication,
 * flag manipulation, complex numbers, half precision and BFloat16 products. The mnemonic is in the bits, so a
 * class may be one encoding of the table or many, of any name.
 */

interface FormatClass {
  readonly pattern: string;
  readonly format: Format;
}

const RN_RD = 'x:5 x:5';
const of = (mnemonic: string, ...operands: string[]): Instruction => ({
  mnemonic,
  operands: operands.join(', '),
});
const bit = (word: number, at: number): number => (word >>> at) & 1;
const q = (word: number): number => bit(word, 30);
const base = (word: number): string => `[${generalOrSp(true, field(word, 5, 5))}]`;
const SIZE_SUFFIX = ['b', 'h', '', ''];

const ATOMICS = ['add', 'clr', 'eor', 'set', 'smax', 'smin', 'umax', 'umin'];

/** LD<op>, ST<op>, SWP (FEAT_LSE) and LDAPR (FEAT_LRCPC). */
function atomic(word: number): Instruction {
  const size = word >>> 30;
  const opc = field(word, 12, 3);
  const order = `${bit(word, 23) ? 'a' : ''}${bit(word, 22) ? 'l' : ''}${SIZE_SUFFIX[size]}`;
  const rt = general(size === 3, word & 31);
  const rs = general(size === 3, field(word, 16, 5));
  if (bit(word, 15)) {
    if (opc === 0) return of(`swp${order}`, rs, rt, base(word));
    return of(`ldapr${SIZE_SUFFIX[size]}`, rt, base(word));
  }
  // Without a result and without acquire it is a store.
  if ((word & 31) === 31 && !bit(word, 23)) return of(`st${ATOMICS[opc]}${order}`, rs, base(word));
  return of(`ld${ATOMICS[opc]}${order}`, rs, rt, base(word));
}

const casOrder = (word: number): string => `${bit(word, 22) ? 'a' : ''}${bit(word, 15) ? 'l' : ''}`;

function compareAndSwap(word: number): Instruction {
  const size = word >>> 30;
  const registers = [field(word, 16, 5), word & 31].map((n) => general(size === 3, n));
  return of(`cas${casOrder(word)}${SIZE_SUFFIX[size]}`, ...registers, base(word));
}

function compareAndSwapPair(word: number): Instruction {
  const registers = [field(word, 16, 5), word & 31]
    .flatMap((n) => [n, n + 1])
    .map((n) => general(bit(word, 30) === 1, n));
  return of(`casp${casOrder(word)}`, ...registers, base(word));
}

/** STLUR and LDAPUR (FEAT_LRCPC2). */
function unscaledOrdered(word: number): Instruction {
  const size = word >>> 30;
  const opc = field(word, 22, 2);
  const offset = signed(word, 12, 9);
  const address =
    offset === 0 ? base(word) : `[${generalOrSp(true, field(word, 5, 5))}, ${immediate(offset)}]`;
  const rt = general(opc < 2 ? size === 3 : opc === 2, word & 31);
  if (opc < 2) return of(`${opc === 0 ? 'stlur' : 'ldapur'}${SIZE_SUFFIX[size]}`, rt, address);
  return of(`ldapurs${'bhw'[size]}`, rt, address);
}

const PAUTH = ['pacia', 'pacib', 'pacda', 'pacdb', 'autia', 'autib', 'autda', 'autdb'];

function pointerAuthentication(word: number): Instruction {
  const opcode = field(word, 10, 6);
  const rd = general(true, word & 31);
  if (opcode >= 16) return of(opcode === 16 ? 'xpaci' : 'xpacd', rd);
  const name = PAUTH[opcode & 7]!;
  // PACIZA: with a zero in place of the modifier
  if (opcode >= 8) return of(`${name.slice(0, -1)}z${name.slice(-1)}`, rd);
  return of(name, rd, generalOrSp(true, field(word, 5, 5)));
}

const AUTHENTICATED_BRANCHES = ['br', 'blr', 'ret', '', 'eret'];

function authenticatedBranch(word: number): Instruction {
  const name = AUTHENTICATED_BRANCHES[field(word, 21, 3)]!;
  const key = bit(word, 10) ? 'b' : 'a';
  if (name.endsWith('ret')) return of(`${name}a${key}`);
  const rn = general(true, field(word, 5, 5));
  if (bit(word, 24) === 0) return of(`${name}a${key}z`, rn);
  return of(`${name}a${key}`, rn, generalOrSp(true, word & 31));
}

function authenticatedLoad(word: number): Instruction {
  const mnemonic = bit(word, 23) ? 'ldrab' : 'ldraa';
  const offset = (bit(word, 22) ? field(word, 12, 9) - 512 : field(word, 12, 9)) * 8;
  const rn = generalOrSp(true, field(word, 5, 5));
  const isPre = bit(word, 11) === 1;
  const address = offset === 0 && !isPre ? `[${rn}]` : `[${rn}, ${immediate(offset)}]${isPre ? '!' : ''}`;
  return of(mnemonic, general(true, word & 31), address);
}

const rotation = (quarters: number): string => immediate(quarters * 90);
const THREE = template('<Vd>.<T>, <Vn>.<T>, <Vm>.<T>');
const TWO = template('<Vd>.<T>, <Vn>.<T>');

function complexElement(word: number): Instruction {
  const size = field(word, 22, 2);
  const index = size === 1 ? bit(word, 11) * 2 + bit(word, 21) : bit(word, 11);
  const element = `v${field(word, 16, 5)}.${size === 1 ? 'h' : 's'}[${index}]`;
  return of('fcmla', TWO(word), element, rotation(field(word, 13, 2)));
}

/** Vd and Vn of FMLAL and its like: half as many bits in as out, in either size of vector. */
function longOperands(word: number): string {
  const lanes = q(word) ? 4 : 2;
  return `v${word & 31}.${lanes}s, v${field(word, 5, 5)}.${lanes}h`;
}

/** FMLAL, FMLSL by the bit `subtract`; U selects the upper half. */
function halfLong(word: number, subtract: number, operand: string): Instruction {
  const mnemonic = `fml${bit(word, subtract) ? 's' : 'a'}l${bit(word, 29) ? '2' : ''}`;
  return of(mnemonic, longOperands(word), operand);
}

const HALF_ELEMENT = template('<helement>');
/** Pairs of halfwords: v14.2h[2] */
const pairElement = (word: number): string =>
  `v${field(word, 16, 5)}.2h[${bit(word, 11) * 2 + bit(word, 21)}]`;

const bfdot = (word: number, last: string): Instruction =>
  of(
    'bfdot',
    `v${word & 31}.${arrangement(2, q(word))}`,
    `v${field(word, 5, 5)}.${arrangement(1, q(word))}`,
    last,
  );

const bfmlal = (word: number, last: string): Instruction =>
  of(q(word) ? 'bfmlalt' : 'bfmlalb', `v${word & 31}.4s`, `v${field(word, 5, 5)}.8h`, last);

/** The first class that an encoding's fixed bits fit is the one; they come before the classes of Armv8.0. */
export const EXTENSION_CLASSES: readonly FormatClass[] = [
  // FEAT_LSE, FEAT_LRCPC, FEAT_LRCPC2, FEAT_LOR
  { pattern: `x:2 111 0 00 x:2 1 x:5 x:1 x:3 00 ${RN_RD}`, format: atomic },
  { pattern: `x:2 001000 1 x:1 1 x:5 x:1 x:5 ${RN_RD}`, format: compareAndSwap },
  { pattern: `0 x:1 001000 0 x:1 1 x:5 x:1 x:5 ${RN_RD}`, format: compareAndSwapPair },
  { pattern: `x:2 011001 x:2 0 x:9 00 ${RN_RD}`, format: unscaledOrdered },
  { pattern: `x:2 001000 1 0 0 x:5 x:1 x:5 ${RN_RD}`, format: MEMORY_FORMATS.STLR! },
  { pattern: `x:2 001000 1 1 0 x:5 x:1 x:5 ${RN_RD}`, format: MEMORY_FORMATS.LDAR! },
  // FEAT_PAuth
  { pattern: `1 1 0 11010110 00001 x:6 ${RN_RD}`, format: pointerAuthentication },
  { pattern: `1 0 0 11010110 x:5 001100 ${RN_RD}`, format: pacga },
  { pattern: `1101011 x:1 x:3 11111 00001 x:1 ${RN_RD}`, format: authenticatedBranch },
  { pattern: `11 111 0 00 x:2 1 x:9 x:1 1 ${RN_RD}`, format: authenticatedLoad },
  // Hints (FEAT_BTI, FEAT_RAS), barriers (FEAT_SB), PSTATE (FEAT_PAN and others), flags (FEAT_FlagM)
  { pattern: '11010101 00000011 0010 x:4 x:3 11111', format: BRANCH_FORMATS.HINT! },
  { pattern: '11010101 00000011 0011 x:4 111 11111', format: plain('sb', '') },
  { pattern: '11010101 00000 x:3 0100 x:4 x:3 11111', format: BRANCH_FORMATS.MSR_imm! },
  { pattern: '1 0 1 11010000 x:6 00001 x:5 0 x:4', format: plain('rmif', '<Xn>, <#15:6>, <#0:4>') },
  {
    pattern: '0 0 1 11010000 000000 x:1 0010 x:5 0 1101',
    format: (word, address) => plain(field(word, 14, 1) === 0 ? 'setf8' : 'setf16', '<Wn>')(word, address),
  },
  // FEAT_FCMA, FEAT_JSCVT
  {
    pattern: `0 x:1 1 01110 x:2 0 x:5 1 10 x:2 1 ${RN_RD}`,
    format: (word) => of('fcmla', THREE(word), rotation(field(word, 11, 2))),
  },
  {
    pattern: `0 x:1 1 01110 x:2 0 x:5 1 11 x:1 0 1 ${RN_RD}`,
    format: (word) => of('fcadd', THREE(word), rotation(1 + 2 * bit(word, 12))),
  },
  { pattern: `0 x:1 1 01111 x:4 x:4 0 x:2 1 x:1 0 ${RN_RD}`, format: complexElement },
  { pattern: `0 0 0 11110 01 1 11 110 000000 ${RN_RD}`, format: plain('fjcvtzs', '<Wd>, <ddn>') },
  // FEAT_FHM
  {
    pattern: `0 x:1 0 01110 x:1 0 1 x:5 11101 1 ${RN_RD}`,
    format: (word) => halfLong(word, 23, `v${field(word, 16, 5)}.${q(word) ? 4 : 2}h`),
  },
  {
    pattern: `0 x:1 1 01110 x:1 0 1 x:5 11001 1 ${RN_RD}`,
    format: (word) => halfLong(word, 23, `v${field(word, 16, 5)}.${q(word) ? 4 : 2}h`),
  },
  {
    pattern: `0 x:1 0 01111 10 x:2 x:4 0 x:1 00 x:1 0 ${RN_RD}`,
    format: (word) => halfLong(word, 14, HALF_ELEMENT(word)),
  },
  {
    pattern: `0 x:1 1 01111 10 x:2 x:4 1 x:1 00 x:1 0 ${RN_RD}`,
    format: (word) => halfLong(word, 14, HALF_ELEMENT(word)),
  },
  // FEAT_BF16
  {
    pattern: `0 x:1 1 01110 01 0 x:5 1 1111 1 ${RN_RD}`,
    format: (word) => bfdot(word, `v${field(word, 16, 5)}.${arrangement(1, q(word))}`),
  },
  {
    pattern: `0 x:1 1 01110 11 0 x:5 1 1111 1 ${RN_RD}`,
    format: (word) => bfmlal(word, `v${field(word, 16, 5)}.8h`),
  },
  { pattern: `0 1 1 01110 01 0 x:5 1 1101 1 ${RN_RD}`, format: plain('bfmmla', '<Vd>.4s, <Vn>.8h, <Vm>.8h') },
  {
    pattern: `0 x:1 0 01111 01 x:2 x:4 1111 x:1 0 ${RN_RD}`,
    format: (word) => bfdot(word, pairElement(word)),
  },
  {
    pattern: `0 x:1 0 01111 11 x:2 x:4 1111 x:1 0 ${RN_RD}`,
    format: (word) => bfmlal(word, HALF_ELEMENT(word)),
  },
  { pattern: `0 0 0 11110 01 1 000110 10000 ${RN_RD}`, format: plain('bfcvt', '<hd>, <sn>') },
  {
    pattern: `0 x:1 0 01110 10 10000 10110 10 ${RN_RD}`,
    format: (word) =>
      of(
        q(word) ? 'bfcvtn2' : 'bfcvtn',
        `v${word & 31}.${arrangement(1, q(word))}`,
        `v${field(word, 5, 5)}.4s`,
      ),
  },
];

function pacga(word: number): Instruction {
  return of(
    'pacga',
    general(true, word & 31),
    general(true, field(word, 5, 5)),
    generalOrSp(true, field(word, 16, 5)),
  );
}
