import { Random } from '../../oracle/random.ts';
import { DATA_PA, type DebugCase, snippetAt } from './debug-guest.ts';

/** Random cases of debug-guest.ts. */

const D = 1 << 9;
const AIF = 7 << 6;
const EL1H = 5;
export const SS = 1 << 21;
export const MDSCR_SS = 1;
export const MDSCR_KDE = 1 << 13;
export const MDSCR_MDE = 1 << 15;
/** SPSR: at EL0, at EL1 with and without debug exceptions. */
export const AT_EL0 = AIF;
export const AT_EL1 = AIF | EL1H;
export const AT_EL1_MASKED = AIF | EL1H | D;

export const NOP = 0xd503_201f;
export const ISB = 0xd503_3fdf;
export const svc = (imm: number): number => 0xd400_0001 | (imm << 5);
export const brk = (imm: number): number => 0xd420_0000 | (imm << 5);
const DAIFSET_D = 0xd503_48df;
const DAIFCLR_D = 0xd503_48ff;
const UDF = 0;

export interface Kind {
  /** FEAT_LSE is there. */
  readonly atomics: boolean;
  /**
   * With what QEMU 7.2 does not do, or not right (docs/oracle-differences.md): context breakpoints without a link, the
   * OS Lock, several watchpoints, watched accesses that are not aligned, and no Software Step exception after a stepped instruction that set PSTATE.D.
   */
  readonly all?: boolean;
}

/** An offset, aligned to the size of the access unless QEMU need not agree. */
const imm9 = (r: Random, { all }: Kind, size: number): number =>
  (r.below(8) * 16 + (r.chance(40) ? r.below(16) & (all === true ? 15 : -(1 << size)) : 0)) << 12;

/** One access to the data, by X0 or X1. */
function access(r: Random, kind: Kind): number {
  const base = r.below(2) << 5;
  const rt = 2 + r.below(8);
  const rt2 = 10 + r.below(6);
  const size = r.below(4);
  switch (r.below(kind.atomics ? 12 : 10)) {
    case 0: // LDUR, STUR
    case 1:
      return ((size << 30) | 0x3800_0000 | (r.below(2) << 22) | imm9(r, kind, size) | base | rt) >>> 0;
    case 2: // LDTR, STTR
      return ((size << 30) | 0x3800_0800 | (r.below(2) << 22) | imm9(r, kind, size) | base | rt) >>> 0;
    case 3: // LDP, STP
      return (
        ((r.below(2) << 31) |
          0x2900_0000 |
          (r.below(2) << 22) |
          (r.below(8) << 15) |
          (rt2 << 10) |
          base |
          rt) >>>
        0
      );
    case 4: // SIMD: Q
      return (0x3c80_0000 | (r.below(2) << 22) | imm9(r, kind, 4) | base | rt) >>> 0;
    case 5: // LD1, ST1 of one to four registers
      return (
        (0x4c00_0000 |
          (r.below(2) << 22) |
          (r.pick([7, 10, 6, 2]) << 12) |
          (r.below(4) << 10) |
          base |
          rt) >>>
        0
      );
    case 6: // LDXR, LDAXR
      return ((size << 30) | 0x085f_7c00 | (r.below(2) << 15) | base | rt) >>> 0;
    case 7: // LDXP
      return (0xc87f_0000 | (rt2 << 10) | base | rt) >>> 0;
    case 8: // LDAR, STLR
      return ((size << 30) | 0x089f_fc00 | (r.below(2) << 22) | base | rt) >>> 0;
    case 9: // DC ZVA
      return (0xd50b_7420 | r.below(2)) >>> 0;
    case 10: // LDADD, LDCLR, SWP
      return ((size << 30) | 0x3820_0000 | (rt2 << 16) | (r.pick([0, 1, 8]) << 12) | base | rt) >>> 0;
    default: // CAS
      return ((size << 30) | 0x08a0_7c00 | (rt2 << 16) | base | rt) >>> 0;
  }
}

function snippet(r: Random, kind: Kind, atEl1: boolean, steps: boolean): number[] {
  const words: number[] = [];
  const count = 3 + r.below(10);
  for (let i = 0; i < count; i++) {
    const choice = r.below(100);
    const rd = 2 + r.below(14);
    const rn = 2 + r.below(14);
    if (choice < 45) words.push(access(r, kind));
    else if (choice < 65) words.push((0x8b00_0000 | (rn << 16) | (rn << 5) | rd) >>> 0);
    else if (choice < 72) words.push((0x1400_0000 | (1 + r.below(2))) >>> 0, NOP);
    else if (choice < 78) words.push((0xb400_0000 | ((1 + r.below(2)) << 5) | rd) >>> 0, NOP);
    else if (choice < 82) words.push(NOP);
    else if (choice < 86) words.push(ISB);
    else if (choice < 90) words.push(svc(1 + r.below(9)) >>> 0);
    else if (choice < 93) words.push(brk(r.below(99)) >>> 0);
    else if (choice < 95) words.push(UDF);
    else if (choice < 97)
      words.push(0xd53b_4200 | rd); // MRS Xd, NZCV
    else if (atEl1) words.push(r.chance(50) && (!steps || kind.all === true) ? DAIFSET_D : DAIFCLR_D);
    else words.push(NOP);
  }
  return words;
}

function breakpointControl(r: Random, kind: Kind): number {
  const types = kind.all === true ? [0, 0, 0, 1, 2, 3, 6, 7] : [0, 0, 0, 1, 3, 7, 4, 5, 8, 9];
  const bas = r.chance(80) ? 15 : r.pick([0, 3, 12]);
  return control(r, bas, r.pick(types) << 20);
}

/** E, PMC or PAC, HMC, SSC and LBN, with any value now and then. */
function control(r: Random, bas: number, type: number): number {
  const levels = r.pick([1, 2, 3, 3, 3, r.below(4)]);
  const rest = r.chance(85) ? 0 : (r.below(4) << 14) | (r.below(2) << 13);
  const link = r.chance(80) ? 4 + r.below(2) : r.below(16);
  return ((r.chance(90) ? 1 : 0) | (levels << 1) | (bas << 5) | rest | (link << 16) | type) >>> 0;
}

function watchpoint(r: Random): readonly [bigint, number] {
  const address = BigInt(
    DATA_PA + r.below(2) * 256 + r.below(16) * 8 + (r.chance(20) ? 4 : 0) + (r.chance(5) ? r.below(8) : 0),
  );
  const start = r.below(8);
  const contiguous = ((1 << (1 + r.below(8 - start))) - 1) << start;
  const bas = r.chance(40) ? 255 : r.chance(85) ? contiguous : r.below(256);
  const mask = r.chance(85) ? 0 : r.below(9);
  const lsc = r.pick([1, 2, 3, 3, 3, r.below(4)]);
  const linked = r.chance(25) ? 1 << 20 : 0;
  const c = control(r, 0, 0);
  return [address, ((c & 0x000f_e007) | (lsc << 3) | (bas << 5) | linked | (mask << 24)) >>> 0];
}

function watchpoints(r: Random, kind: Kind): readonly (readonly [bigint, number])[] {
  if (r.chance(25)) return [];
  const which = r.below(4);
  return Array.from({ length: 4 }, (_, n) => {
    const [value, c] = watchpoint(r);
    return [value, kind.all === true || n === which ? c : 0] as const;
  });
}

/** Case `index` of a list. */
export function randomCase(r: Random, index: number, kind: Kind): DebugCase {
  const spsr = r.pick([AT_EL0, AT_EL0, AT_EL1, AT_EL1, AT_EL1_MASKED]);
  const steps = r.chance(40);
  const words = snippet(r, kind, spsr !== AT_EL0, steps);
  const context = r.below(3);
  const at = (): bigint =>
    BigInt(snippetAt(index) + r.below(words.length + 1) * 4 + (r.chance(5) ? r.below(4) : 0));
  return {
    words,
    spsr: spsr | (r.chance(70) ? SS : 0) | (r.chance(30) ? r.below(16) << 28 : 0),
    mdscr: (steps ? MDSCR_SS : 0) | (r.chance(85) ? MDSCR_MDE : 0) | (r.chance(75) ? MDSCR_KDE : 0),
    locked: r.chance(5) && kind.all === true,
    context,
    stepOn: r.chance(80),
    breakpoints: r.chance(30)
      ? []
      : Array.from({ length: 6 }, (_, n) => {
          const c = breakpointControl(r, kind);
          const type = (c >>> 20) & 15;
          const isContext = (type & 2) !== 0;
          return [isContext ? BigInt(r.below(3)) : r.chance(60) ? at() : BigInt(n), c] as const;
        }),
    watchpoints: watchpoints(r, kind),
    registers: Array.from({ length: 16 }, () => r.u64()),
  };
}

export function randomCases(seed: number, count: number, kind: Kind): DebugCase[] {
  const r = new Random(seed);
  return Array.from({ length: count }, (_, i) => randomCase(r, i, kind));
}
