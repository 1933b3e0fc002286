import type { CompiledEncoding } from '../../engine/cpu/a64/encoding.ts';
import { HIGH_WINDOW_VA, WINDOW_PAGES, WINDOW_VA, ZONE_BYTES } from './layout.ts';
import type { PageKind } from './page-tables.ts';
import type { Random } from './random.ts';

/* Addresses that loads and stores are aimed at, and the register contents that aim them. */

const field = (word: number, lo: number, width: number): number => (word >>> lo) & ((1 << width) - 1);
const signed = (value: number, bits: number): number => (value << (32 - bits)) >> (32 - bits);
const rn = (word: number): number => field(word, 5, 5);

/** log2 of the bytes of a single-register access. */
function singleScale(word: number): number {
  return word & (1 << 26) && field(word, 22, 2) & 2 ? 4 : word >>> 30;
}

/** What is added to the base register. */
export function immediateOffset(e: CompiledEncoding, word: number): number {
  switch (e.name) {
    case 'LDST_pair': {
      const opc = word >>> 30;
      const scale = word & (1 << 26) ? opc + 2 : opc === 2 ? 3 : 2;
      return field(word, 23, 2) === 1 ? 0 : signed(field(word, 15, 7), 7) * 2 ** scale;
    }
    case 'LDRA':
      return signed((field(word, 22, 1) << 9) | field(word, 12, 9), 10) * 8;
    case 'LDST_unscaled':
    case 'LDAPUR':
    case 'STLUR':
    case 'LDST_unpriv':
    case 'LDST_pre':
      return signed(field(word, 12, 9), 9);
    case 'LDST_imm':
      return field(word, 10, 12) << singleScale(word);
    default:
      return 0;
  }
}

/** Index register of a register-offset access with a value for it, and the offset that results. */
export function registerOffset(word: number, random: Random): { rm: number; value: bigint; offset: bigint } {
  const option = field(word, 13, 3);
  const shift = word & (1 << 12) ? singleScale(word) : 0;
  const rm = field(word, 16, 5);
  const small = BigInt(random.chance(70) ? random.below(65) - 32 : (random.u32() | 0) >> random.below(32));
  let index = rm === 31 ? 0n : small;
  let value = BigInt.asUintN(64, index);
  if (option === 2 || option === 6) {
    value = BigInt.asUintN(32, index) | (BigInt(random.u32()) << 32n);
    if (option === 2) index = BigInt.asUintN(32, index);
  }
  return { rm, value, offset: index << BigInt(shift) };
}

export interface Aim {
  /** Page kinds to prefer. */
  readonly kinds?: readonly PageKind[];
  /** Alignment that most accesses need, in bytes. */
  readonly aligned: boolean;
}

/** An address: mostly in the compared bytes of a page, often where one page ends and the next begins. */
export function targetAddress(random: Random, kinds: readonly PageKind[], aim: Aim): bigint {
  let page = random.below(WINDOW_PAGES);
  const wanted = aim.kinds ?? (random.chance(70) ? ['rw'] : undefined);
  if (wanted !== undefined) {
    for (let tries = 0; tries < 40 && !wanted.includes(kinds[page]!); tries++)
      page = random.below(WINDOW_PAGES);
  }
  let offset: number;
  const where = random.below(100);
  if (aim.aligned || where < 35) {
    offset = random.below(ZONE_BYTES / 16) * 16;
    if (random.chance(50)) offset += 4096 - ZONE_BYTES;
  } else if (where < 60) {
    offset = random.below(ZONE_BYTES);
    if (random.chance(50)) offset += 4096 - ZONE_BYTES;
  } else if (where < 90) {
    offset = 4096 - 1 - random.below(40);
  } else offset = random.below(4096);
  const base = random.chance(80) ? WINDOW_VA : HIGH_WINDOW_VA;
  let address = base + BigInt(page * 4096 + offset);
  if (aim.kinds === undefined) {
    // Address tags, and addresses that are not canonical without them
    if (random.chance(8)) address = (address & 0x00ff_ffff_ffff_ffffn) | (BigInt(random.below(256)) << 56n);
    else if (random.chance(2)) address ^= 1n << BigInt(aim.aligned ? 4 + random.below(60) : random.below(64));
  }
  return BigInt.asUintN(64, address);
}

const isLoad = (word: number): boolean => field(word, 22, 2) !== 0;

/**
 * Words whose effect the architecture leaves open (CONSTRAINED UNPREDICTABLE): the engine and QEMU choose
 * differently among what is allowed. docs/oracle-differences.md says what each does.
 */
export function isUnpredictable(e: CompiledEncoding, word: number): boolean {
  const rt = field(word, 0, 5);
  const rt2 = field(word, 10, 5);
  const n = rn(word);
  const vector = (word & (1 << 26)) !== 0;
  switch (e.name) {
    case 'LDST_pre':
    case 'LDST_post':
      return !vector && isLoad(word) && rt === n && n !== 31;
    case 'LDST_pair': {
      const load = (word & (1 << 22)) !== 0;
      const writeBack = (word & (1 << 23)) !== 0;
      return load && (rt === rt2 || (!vector && writeBack && n !== 31 && (rt === n || rt2 === n)));
    }
    case 'LDRA':
      return (word & (1 << 11)) !== 0 && rt === n && n !== 31;
    case 'LDXP':
      return rt === rt2;
    case 'STXR':
    case 'STXP': {
      const rs = field(word, 16, 5);
      return rs === rt || (rs === n && n !== 31) || (e.name === 'STXP' && rs === rt2);
    }
    default:
      return false;
  }
}
