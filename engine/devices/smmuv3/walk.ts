/*
 * Translation table walks of one stage in the VMSAv8-64 format, Arm DDI 0487 section D8 as Arm IHI 0070 section
 * 3.4 uses it: little-endian, no hardware update of flags. Every walk ends: the level rises with each step.
 */
import { alignDown, type Granule, levelShift, type Region, type Stage1, type Stage2 } from './structures.ts';

export type FaultReason = 'abort' | 'translation' | 'address-size' | 'access' | 'permission';

export interface WalkFault {
  readonly ok: false;
  readonly reason: FaultReason;
  readonly stage: 1 | 2;
  /** Abort: address of the descriptor. Fault of stage 2: the IPA. Otherwise not used. */
  readonly address: number;
  /** What stage 2 was to translate: the address itself, or that of a table or Context descriptor of stage 1. */
  readonly of: 'input' | 'table' | 'context';
}

/** What a walk found: a block or page. */
export interface Leaf {
  readonly ok: true;
  /** Output address of the first byte of the block or page. */
  readonly base: number;
  readonly sizeLog2: number;
  readonly level: number;
  readonly readable: boolean;
  readonly writable: boolean;
  /** nG is 0: every ASID sees it. */
  readonly global: boolean;
}

/** One descriptor that a walk looked at. */
export interface WalkStep {
  readonly stage: 1 | 2;
  readonly level: number;
  readonly address: number;
  readonly lo: number;
  readonly hi: number;
}

/** Reads 8 bytes into `lo` and `hi`, or says why not: the memory, or stage 2 in front of it. */
export interface DescriptorReader {
  lo: number;
  hi: number;
  read(address: number): WalkFault | undefined;
}

/** Table descriptors kept from earlier walks (strict mode). */
export interface TableCache {
  /** The deepest table known for this input address. */
  find(input: number): CachedTable | undefined;
  add(input: number, table: CachedTable): void;
}

export interface CachedTable {
  /** Level of the table, i.e. of the descriptors in it. */
  readonly level: number;
  readonly base: number;
  /** APTable of the levels above denies writes. */
  readonly readOnly: boolean;
}

interface Tables {
  readonly stage: 1 | 2;
  readonly granule: Granule;
  readonly inputBits: number;
  readonly startLevel: number;
  readonly ttb: number;
  readonly outputBits: number;
  readonly affd: boolean;
  readonly had: boolean;
}

export interface WalkHelp {
  readonly reader: DescriptorReader;
  readonly cache?: TableCache | undefined;
  /** Where to put the descriptors looked at. */
  readonly steps?: WalkStep[] | undefined;
}

/** Stage 1 of an input that lies in the region: `input` counts from the beginning of the region. */
export function walkStage1(input: number, region: Region, stage1: Stage1, help: WalkHelp): Leaf | WalkFault {
  const { granule, inputBits, ttb, had } = region;
  const stride = granule - 3;
  const startLevel = 4 - Math.ceil((inputBits - granule) / stride);
  const { outputBits, affd } = stage1;
  return walk(input, { stage: 1, granule, inputBits, startLevel, ttb, outputBits, affd, had }, help);
}

/** Stage 2 of an IPA below 2^inputBits. */
export function walkStage2(ipa: number, stage2: Stage2, help: WalkHelp): Leaf | WalkFault {
  return walk(ipa, { stage: 2, had: true, ...stage2 }, help);
}

const VALID = 1;
const TABLE_OR_PAGE = 2;
const AF = 1 << 10;
const NG = 1 << 11;
/** Stage 1: AP[2]. */
const READ_ONLY = 1 << 7;
/** Stage 2: S2AP. */
const S2_READ = 1 << 6;
const S2_WRITE = 1 << 7;
/** APTable[1], bit 62. */
const TABLE_READ_ONLY = 1 << 30;

/** Largest block: a level-1 entry of the 4 KiB granule, else level 2 (no 52-bit addresses). */
const firstBlockLevel = (granule: Granule): number => (granule === 12 ? 1 : 2);

function walk(input: number, tables: Tables, { reader, cache, steps }: WalkHelp): Leaf | WalkFault {
  const { stage, granule, startLevel, inputBits, outputBits } = tables;
  const fault = (reason: FaultReason, address = input): WalkFault => ({
    ok: false,
    reason,
    stage,
    address,
    of: 'input',
  });
  // The first table may be smaller than a page or, in stage 2, up to 16 pages side by side; it is aligned to its size.
  let base = alignDown(tables.ttb, 8 * 2 ** (inputBits - levelShift(granule, startLevel)));
  let level = startLevel;
  let readOnly = false;
  const known = cache?.find(input);
  if (known !== undefined) ({ level, base, readOnly } = known);
  for (; ; level++) {
    const shift = levelShift(granule, level);
    const entries = level === startLevel ? 2 ** (inputBits - shift) : 2 ** (granule - 3);
    const address = base + 8 * (Math.floor(input / 2 ** shift) % entries);
    const failed = reader.read(address);
    if (failed !== undefined) return failed;
    const { lo, hi } = reader;
    steps?.push({ stage, level, address, lo, hi });
    if ((lo & VALID) === 0) return fault('translation');
    const isTable = (lo & TABLE_OR_PAGE) !== 0 && level < 3;
    // Bits 47:12 or less; the addresses of the board have at most 44 bits, so bits 15:12 of large ones are not used.
    const next = (hi & 0xffff) * 2 ** 32 + (lo >>> 0);
    if (isTable) {
      base = alignDown(next, 2 ** granule);
      if (base >= 2 ** outputBits) return fault('address-size');
      if (!tables.had && (hi & TABLE_READ_ONLY) !== 0) readOnly = true;
      cache?.add(input, { level: level + 1, base, readOnly });
      continue;
    }
    const reserved = (lo & TABLE_OR_PAGE) === 0 && (level === 3 || level < firstBlockLevel(granule));
    if (reserved) return fault('translation');
    const output = alignDown(next, 2 ** shift);
    if (output >= 2 ** outputBits) return fault('address-size');
    if ((lo & AF) === 0 && !tables.affd) return fault('access');
    return {
      ok: true,
      base: output,
      sizeLog2: shift,
      level,
      readable: stage === 1 || (lo & S2_READ) !== 0,
      writable: stage === 1 ? (lo & READ_ONLY) === 0 && !readOnly : (lo & S2_WRITE) !== 0,
      global: stage === 1 && (lo & NG) === 0,
    };
  }
}
