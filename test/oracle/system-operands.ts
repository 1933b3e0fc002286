import { sysregKey } from '../../engine/cpu/a64/sysreg-key.ts';
import type { Random } from './random.ts';

/* Words of system instructions that neither stop the harness nor read what differs by design (time, entropy). */

const wordOf = (isRead: boolean, key: number, rt: number): number =>
  (0xd500_0000 | (isRead ? 1 << 21 : 0) | (key << 5) | rt) >>> 0;

/**
 * The instruction that signs what a word authenticates, with its class; undefined for what authenticates nothing
 * (Arm ARM C4.1: PACIA and others, PACIASP and others).
 */
export function signingWord(name: string, word: number): [word: number, name: string] | undefined {
  const b = word & (1 << 10);
  const n = (word >>> 5) & 31;
  switch (name) {
    case 'AUT':
      return [(word & ~(1 << 12)) >>> 0, 'PAC'];
    case 'AUTZ':
      return [(word & ~(1 << 12)) >>> 0, 'PACZ'];
    case 'AUT1716':
      return [(word & ~(1 << 7)) >>> 0, 'PAC1716'];
    case 'AUTLR':
      return [(word & ~(1 << 7)) >>> 0, 'PACLR'];
    case 'RETA':
      return [(0xd503_233f | (b >>> 4)) >>> 0, 'PACLR'];
    case 'BRA':
    case 'BLRA':
      return [(0xdac1_0000 | b | ((word & 31) << 5) | n) >>> 0, 'PAC'];
    case 'BRAZ':
    case 'BLRAZ':
      return [(0xdac1_23e0 | b | n) >>> 0, 'PACZ'];
    case 'LDRA':
      return n === 31 ? undefined : [(0xdac1_2be0 | ((word & (1 << 23)) >>> 13) | n) >>> 0, 'PACZ'];
    default:
      return undefined;
  }
}

/** Process state, for any exception level. */
const STATE = {
  NZCV: sysregKey(3, 3, 4, 2, 0),
  FPCR: sysregKey(3, 3, 4, 4, 0),
  FPSR: sysregKey(3, 3, 4, 4, 1),
  TPIDR_EL0: sysregKey(3, 3, 13, 0, 2),
};

/** Keys of pointer authentication; they stay as they are until the next write. */
const KEYS = [0, 1, 2, 3, 8, 9, 10, 11, 16, 17].map((at) => sysregKey(3, 0, 2, 1 + (at >> 3), at & 7));

export const ELR_EL1 = sysregKey(3, 0, 4, 0, 1);
export const SPSR_EL1 = sysregKey(3, 0, 4, 0, 0);

/** Registers without an effect of their own; the harness resets those that it does not set for every case. */
const STORAGE = {
  TPIDR_EL0: STATE.TPIDR_EL0,
  TPIDR_EL1: sysregKey(3, 0, 13, 0, 4),
  CONTEXTIDR_EL1: sysregKey(3, 0, 13, 0, 1),
  PAR_EL1: sysregKey(3, 0, 7, 4, 0),
  AFSR0_EL1: sysregKey(3, 0, 5, 1, 0),
  AFSR1_EL1: sysregKey(3, 0, 5, 1, 1),
  AMAIR_EL1: sysregKey(3, 0, 10, 3, 0),
  CSSELR_EL1: sysregKey(3, 2, 0, 0, 0),
  ESR_EL1: sysregKey(3, 0, 5, 2, 0),
  FAR_EL1: sysregKey(3, 0, 6, 0, 0),
  ELR_EL1,
  SPSR_EL1,
  SP_EL0: sysregKey(3, 0, 4, 1, 0),
};

const READABLE: readonly number[] = [
  ...Object.values(STORAGE),
  sysregKey(3, 3, 0, 0, 1), // CTR_EL0
  sysregKey(3, 3, 0, 0, 7), // DCZID_EL0
  sysregKey(3, 1, 0, 0, 0), // CCSIDR_EL1
  sysregKey(3, 1, 0, 0, 1), // CLIDR_EL1
  sysregKey(3, 0, 4, 2, 0), // SPSel
  sysregKey(3, 0, 4, 2, 2), // CurrentEL
  sysregKey(3, 3, 4, 2, 1), // DAIF
  sysregKey(3, 0, 1, 0, 0), // SCTLR_EL1
  sysregKey(3, 0, 1, 0, 2), // CPACR_EL1
  sysregKey(3, 0, 2, 0, 2), // TCR_EL1
  sysregKey(3, 0, 10, 2, 0), // MAIR_EL1
  sysregKey(3, 0, 12, 0, 0), // VBAR_EL1
  sysregKey(3, 3, 14, 0, 0), // CNTFRQ_EL0
  sysregKey(3, 3, 13, 0, 3), // TPIDRRO_EL0
];

/** Registers of time, counters, interrupts and entropy, and all of debug and trace. */
function isExcluded(key: number): boolean {
  const op0 = (key >>> 14) & 3;
  const crn = (key >>> 7) & 15;
  const crm = (key >>> 3) & 15;
  if (op0 !== 3) return op0 === 2;
  return (
    crn === 14 ||
    crn === 9 ||
    crn === 12 ||
    crn === 11 ||
    crn === 15 ||
    (crn === 4 && crm === 6) ||
    (crn === 2 && crm === 4)
  );
}

export interface SystemWord {
  readonly word: number;
  /** Rt must hold an address of the window. */
  readonly address?: boolean;
  /** And that of a page that may be read and written. */
  readonly mapped?: boolean;
  readonly memory?: boolean;
}

/** Fields drawn apart; mostly op1, CRm and op2 as in real registers. */
function randomKey(random: Random, op0: number): number {
  const op1 = random.chance(70) ? random.pick([0, 3]) : random.below(8);
  return sysregKey(
    op0,
    op1,
    random.below(16),
    random.chance(60) ? random.below(4) : random.below(16),
    random.below(8),
  );
}

function randomRegister(random: Random): number {
  for (;;) {
    const key = randomKey(random, 3);
    if (!isExcluded(key)) return key;
  }
}

export function randomMrs(random: Random, el: number): SystemWord {
  const kind = random.below(10);
  const key =
    kind < 4
      ? random.pick(Object.values(STATE))
      : kind < 7
        ? random.pick(READABLE)
        : // The ID space, and anything
          kind === 7 || el > 0
          ? sysregKey(3, 0, 0, random.below(8), random.below(8))
          : randomRegister(random);
  return { word: wordOf(true, key, random.below(32)) };
}

/** A write to a register that has no effect on how the harness runs. */
export function randomMsr(random: Random, el: number, hasKeys = false): SystemWord {
  if (hasKeys && el > 0 && random.chance(25))
    return { word: wordOf(false, random.pick(KEYS), random.below(32)) };
  // At EL0 whatever else there is, is trapped or UNDEFINED.
  const any = el === 0 && random.chance(30);
  const key = any
    ? randomRegister(random)
    : random.pick(Object.values(el > 0 && random.chance(50) ? STORAGE : STATE));
  return { word: wordOf(false, key, random.below(32)) };
}

export function moveToSysreg(key: number, rt: number): number {
  return wordOf(false, key, rt);
}
export function moveFromSysreg(key: number, rt: number): number {
  return wordOf(true, key, rt);
}

const DC_ZVA = sysregKey(1, 3, 7, 4, 1);
/** By address, at EL0 too: DC CVAC, CVAU, CIVAC, IC IVAU. */
const MAINTENANCE = [
  sysregKey(1, 3, 7, 10, 1),
  sysregKey(1, 3, 7, 11, 1),
  sysregKey(1, 3, 7, 14, 1),
  sysregKey(1, 3, 7, 5, 1),
];
/** IC IALLU, IC IALLUIS, DC ISW. */
const WHOLE = [sysregKey(1, 0, 7, 5, 0), sysregKey(1, 0, 7, 1, 0), sysregKey(1, 0, 7, 6, 2)];
/** CFP, DVP, CPP RCTX: UNDEFINED without FEAT_SPECRES. */
const PREDICTION = [4, 5, 7].map((op2) => sysregKey(1, 3, 7, 3, op2));
/** AT S1E1R, S1E1W, S1E0R, S1E0W. */
const TRANSLATE = [0, 1, 2, 3].map((op2) => sysregKey(1, 0, 7, 8, op2));
const TLBI = [0, 1, 2, 3, 5, 7].flatMap((op2) => [sysregKey(1, 0, 8, 7, op2), sysregKey(1, 0, 8, 3, op2)]);
export const PAR_EL1 = STORAGE.PAR_EL1;

export function randomSys(random: Random, el: number): SystemWord {
  const rt = random.below(32);
  const at = (key: number, more: Partial<SystemWord> = {}): SystemWord => ({
    word: wordOf(false, key, rt),
    ...more,
  });
  if (el === 0 && random.chance(30)) {
    const key = randomKey(random, 1);
    const isRead = random.chance(20);
    // Maintenance by address is for QEMU nothing to do, whatever the address (`maintenance-unmapped`).
    const mapped = !isRead && MAINTENANCE.includes(key);
    return { word: wordOf(isRead, key, rt), address: mapped, mapped };
  }
  switch (random.below(8)) {
    case 0:
    case 1:
    case 2:
      return at(DC_ZVA, { address: true, memory: true });
    case 3:
      return at(random.pick(MAINTENANCE), { address: true, mapped: true });
    case 4:
      return at(random.pick(random.chance(70) ? WHOLE : PREDICTION));
    case 5:
      return at(random.pick(TLBI));
    default:
      return at(random.pick(TRANSLATE), { address: true });
  }
}
