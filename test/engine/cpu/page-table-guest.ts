import type { Random } from '../../oracle/random.ts';
import { Assembler, REG, SYS, system } from '../../support/a64-assembler.ts';
import { powerOff, printLog } from './guest-log.ts';

/*
 * The guest of page-table-forms.test.ts. For each case it writes a few descriptors, points TTBR0 and TCR at them, asks
 * AT for the address and makes accesses from EL1 and (LDTR, STTR) as EL0. It lives in the upper half of the addresses,
 * whose tables no case changes.
 */

const CODE_PA = 0x4060_0000;
const FIXED_PA = 0x4070_0000;
const RECORDS_PA = 0x4080_0000;
const LOG_PA = 0x40c0_0000;
/** Tables of the cases: one of 64 KiB for each level from -1 on. */
const TABLES_PA = 0x4200_0000;
const TABLE_BYTES = 0x1_0000;
/** What the accesses may reach, aligned for blocks of 32 MiB. */
const DATA_PA = 0x4400_0000;
const DATA_BYTES = 0x200_0000;
const UPPER = 0xffff_ff80_0000_0000n;
const UART = 0x900_0000n;
const LEVELS = 5;
const RECORD_WORDS = 4 + 2 * LEVELS;

/** T1SZ = 25, 4 KiB granules, write-back, inner shareable; EL1 without PAN, for the unprivileged accesses. */
const TCR_UPPER = (25n << 16n) | (2n << 30n) | (0x35n << 24n) | (0x15n << 8n);
const AT = [system(1, 0, 7, 8, 0), system(1, 0, 7, 8, 1), system(1, 0, 7, 8, 2), SYS.AT_S1E0W] as const;

export interface TableCase {
  readonly tcr: bigint;
  readonly ttbr: bigint;
  readonly va: bigint;
  /** The translation, if there is one, leads to the data: loads and stores are made. */
  readonly accesses: boolean;
  readonly descriptors: readonly (readonly [address: number, value: bigint])[];
  readonly text: string;
}

/** Bits of TCR_EL1 above the size and granule of TTBR0. */
const TBI0 = 1n << 37n;
const HA = 1n << 39n;
const HD = 1n << 40n;
const HPD0 = 1n << 41n;
const E0PD0 = 1n << 55n;
const DS = 1n << 59n;

interface Form {
  readonly granule: number;
  readonly ds: boolean;
}

const bits = (from: number, to: number): bigint => (1n << BigInt(to)) - (1n << BigInt(from));

export function randomTableCase(r: Random): TableCase {
  const { granule, ds }: Form = r.pick([
    { granule: 12, ds: false },
    { granule: 12, ds: true },
    { granule: 14, ds: false },
    { granule: 14, ds: true },
    { granule: 16, ds: false },
  ]);
  const least = granule === 16 || ds ? 12 : 16;
  const most = granule === 16 ? 47 : 48;
  const tsz = r.chance(3) ? r.below(64) : least + r.below(most - least + 1);
  const size = 64 - Math.min(Math.max(tsz, least), most);
  const ips = r.chance(60) ? (granule === 16 || ds ? 6 : 5) : r.below(7);
  const stride = granule - 3;
  const first = 4 - Math.ceil((size - granule) / stride);
  const shiftOf = (level: number): number => granule + stride * (3 - level);
  // Where the walk ends: mostly at a page, or at a block of any level.
  const wanted = r.chance(65) ? 3 : Math.max(first, first + r.below(4 - first));
  // QEMU: takes block descriptors at every level (docs/oracle-differences.md), so there are none where none may be.
  const highest = granule === 12 ? (ds ? 0 : 1) : granule === 14 ? (ds ? 1 : 2) : 1;
  const last = Math.max(wanted, highest);
  const shift = shiftOf(last);
  const data = BigInt(DATA_PA + (r.below(DATA_BYTES / 4096) << 12) + r.below(512) * 8);
  const low = data & bits(0, Math.min(shift, size));
  let va = (r.u64() & bits(Math.min(shift, size), size)) | low;
  const plain = va;
  const tbi = r.chance(30);
  if (r.chance(15)) va |= BigInt(r.below(255) + 1) << 56n;
  else if (size < 55 && r.chance(5)) va |= 1n << BigInt(size + r.below(55 - size));
  const folded = (address: bigint): bigint => {
    if (granule === 16) return (address & bits(0, 48)) | (((address >> 48n) & 15n) << 12n);
    return ds ? (address & bits(0, 50)) | (((address >> 50n) & 3n) << 8n) : address;
  };
  const descriptors: [number, bigint][] = [];
  let base = 0;
  let ttbr = 0n;
  const text: string[] = [];
  for (let level = first; level <= last; level++) {
    const top = level === first ? size : shiftOf(level - 1);
    const width = top - shiftOf(level);
    const align = level === first ? Math.max(1 << (width + 3), 64) : 2 ** granule;
    base =
      TABLES_PA +
      (level + 1) * TABLE_BYTES +
      (level === first ? r.below(Math.max(1, 4096 / align)) * align : 0);
    const index = Number((plain >> BigInt(shiftOf(level))) & bits(0, width));
    if (level === first) ttbr = BigInt(base);
    const at = base + index * 8;
    const isLast = level === last;
    let value: bigint;
    if (!isLast) {
      value = BigInt(TABLES_PA + (level + 2) * TABLE_BYTES) | 3n;
      if (r.chance(40)) value |= BigInt(r.below(32)) << 59n;
    } else {
      const high = r.chance(10) ? r.u64() & bits(32, 52) : 0n;
      const sh = ds ? 0n : BigInt(r.below(4)) << 8n;
      const out = (data & ~bits(0, shift)) | (high & ~bits(0, Math.max(shift, 32)));
      value = folded(out) | sh | (level === 3 ? 3n : 1n);
      value |= BigInt(r.below(4)) << 6n; // AP
      value |= BigInt(r.below(4)) << 2n; // AttrIndx
      if (r.chance(70)) value |= 1n << 10n; // AF
      if (r.chance(50)) value |= 1n << 51n; // DBM
      if (r.chance(30)) value |= BigInt(r.below(4)) << 53n; // PXN, UXN
    }
    if (r.chance(3)) value &= r.chance(50) ? ~1n : ~3n;
    descriptors.push([at, value]);
    text.push(`L${level} 0x${at.toString(16)}: 0x${value.toString(16)}`);
  }
  const tg = granule === 12 ? 0n : granule === 14 ? 2n : 1n;
  const flag = (percent: number, bit: bigint): bigint => (r.chance(percent) ? bit : 0n);
  const tcr =
    TCR_UPPER |
    BigInt(tsz) |
    (tg << 14n) |
    (BigInt(ips) << 32n) |
    (tbi ? TBI0 : 0n) |
    flag(60, HA) |
    flag(50, HD) |
    flag(40, HPD0) |
    flag(10, E0PD0) |
    flag(3, 1n << 7n) |
    (ds ? DS : 0n);
  const final = descriptors.at(-1)![1];
  // Whatever is wrong with the case, nothing but the data may be written.
  const reached =
    last === 3 || last < 3 ? (final & bits(Math.min(shift, 48), 48)) | (plain & bits(0, shift)) : 0n;
  const accesses = shift <= 25 && reached >= BigInt(DATA_PA) && reached < BigInt(DATA_PA + DATA_BYTES);
  text.unshift(`granule ${granule} T0SZ ${tsz} VA 0x${va.toString(16)} TCR 0x${tcr.toString(16)}`);
  return { tcr, ttbr, va, accesses, descriptors, text: text.join(', ') };
}

const LOG = 27;
const RECORD = 28;
const LAST = 29;
const RESULT = 20;

export function tableGuest(cases: readonly TableCase[]) {
  const a = new Assembler(CODE_PA);
  for (let i = 0; i < 16; i++) {
    a.to(i * 128);
    a.b('exception');
  }
  a.align(128);
  a.label('exception');
  a.mrs(RESULT, REG.ESR_EL1);
  a.mrs(21, REG.FAR_EL1);
  a.eor(RESULT, RESULT, 21);
  a.mrs(22, REG.ELR_EL1);
  a.addImm(22, 22, 4);
  a.msr(REG.ELR_EL1, 22);
  a.eret();

  a.label('entry');
  a.movImm(0, 0x44_00bb_ffn);
  a.msr(REG.MAIR_EL1, 0);
  a.movImm(0, FIXED_PA);
  a.msr(REG.TTBR0_EL1, 0);
  a.msr(REG.TTBR1_EL1, 0);
  a.movImm(0, TCR_UPPER | 25n | (2n << 32n));
  a.msr(REG.TCR_EL1, 0);
  a.movImm(26, UPPER);
  a.movImm(0, CODE_PA);
  a.add(0, 0, 26);
  a.msr(REG.VBAR_EL1, 0);
  a.dsb();
  a.sys(SYS.TLBI_VMALLE1);
  a.dsb();
  a.isb();
  // M, C, I, SPAN and the RES1 bits
  a.movImm(0, 0x30d0_1805n | (1n << 18n) | (1n << 16n) | (1n << 23n));
  a.msr(REG.SCTLR_EL1, 0);
  a.isb();
  a.adr(0, 'up');
  a.add(0, 0, 26);
  a.br(0);
  a.label('up');
  a.movImm(RECORD, UPPER + BigInt(RECORDS_PA));
  a.movImm(LAST, UPPER + BigInt(RECORDS_PA + cases.length * RECORD_WORDS * 8));
  a.movImm(LOG, UPPER + BigInt(LOG_PA));
  a.label('next');
  a.cmp(RECORD, LAST);
  a.bCond('hs', 'print');
  a.ldpPost(1, 2, RECORD, 16); // TCR, TTBR0
  a.ldpPost(3, 4, RECORD, 16); // VA, accesses
  a.mov(10, RECORD);
  for (let i = 0; i < LEVELS; i++) {
    a.ldpPost(5, 6, RECORD, 16);
    a.access('str', 6, 5);
  }
  a.msr(REG.TTBR0_EL1, 2);
  a.msr(REG.TCR_EL1, 1);
  synchronise(a);
  for (const operation of AT) {
    a.sys(operation, 3);
    a.isb();
    a.mrs(5, REG.PAR_EL1);
    a.accessPost('str', 5, LOG, 8);
  }
  a.cbz(4, 'after');
  for (const name of ['ldr', 'ldtr', 'sttr', 'str', 'ldr', 'ldtr'] as const) {
    a.movImm(RESULT, 0);
    a.movImm(5, 0x1234);
    a.access(name, 5, 3);
    a.eor(RESULT, RESULT, 5);
    a.accessPost('str', RESULT, LOG, 8);
  }
  a.label('after');
  for (let i = 0; i < LEVELS; i++) {
    a.ldpPost(5, 6, 10, 16);
    a.access('ldr', 6, 5);
    a.access('str', 31, 5);
    a.accessPost('str', 6, LOG, 8);
  }
  a.b('next');

  a.label('print');
  printLog(a, { uart: UPPER + UART, first: UPPER + BigInt(LOG_PA), end: LOG, bytes: 8 });
  powerOff(a);

  const fixed = new BigUint64Array(512);
  const block = (1n << 10n) | (1n << 54n) | 1n; // AF, UXN
  fixed[0] = block | (2n << 2n) | (1n << 53n); // Device
  fixed[1] = block | 0x4000_0000n;
  const spare = BigInt(TABLES_PA + 8 * TABLE_BYTES);
  const records = cases.flatMap(({ tcr, ttbr, va, accesses, descriptors }) => [
    tcr,
    ttbr,
    va,
    accesses ? 1n : 0n,
    ...Array.from({ length: LEVELS }, (_, i) => descriptors[i] ?? ([0, 0n] as const)).flatMap(
      ([at, value], i) => [(at === 0 ? spare + BigInt(i * 8) : BigInt(at)) + UPPER, value],
    ),
  ]);
  return {
    entry: a.address('entry'),
    segments: [
      { physical: CODE_PA, bytes: a.bytes() },
      { physical: FIXED_PA, bytes: new Uint8Array(fixed.buffer) },
      {
        physical: RECORDS_PA,
        bytes: new Uint8Array(BigUint64Array.from(records, (v) => BigInt.asUintN(64, v)).buffer),
      },
    ],
  };
}

function synchronise(a: Assembler): void {
  a.dsb();
  a.sys(SYS.TLBI_VMALLE1);
  a.dsb();
  a.isb();
}

/** Words that a case prints. */
export const wordsOf = ({ accesses }: TableCase): number => 4 + (accesses ? 6 : 0) + LEVELS;
