/*
 * The structures in guest memory that configure a stream, Arm IHI 0070 section 5: Stream table entries and
 * Context descriptors as arrays of 32-bit words, and what the SMMU makes of them. Pure functions.
 */
import { addressBits, hasStage2, outputBits, type SmmuFeatures } from './features.ts';

/** Bytes of a Stream table entry and of a Context descriptor. */
export const STRUCTURE_SIZE = 64;
/** The 16 words of one of them. */
export type Words = readonly number[];

/** Log2 of the bytes of a page: 4 KiB, 16 KiB or 64 KiB. */
export type Granule = 12 | 14 | 16;

/** One of the two address ranges of stage 1. */
export interface Region {
  /** Bits of an input address: 64 − TSZ. */
  readonly inputBits: number;
  readonly granule: Granule;
  /** Physical address, or an IPA where stage 2 follows. */
  readonly ttb: number;
  /** CD.HADn: APTable and the other attributes of table descriptors do not count. */
  readonly had: boolean;
}

export interface Stage1 {
  readonly asid: number;
  /** Bits of an output address. */
  readonly outputBits: number;
  /** CD.AFFD: no Access flag faults. */
  readonly affd: boolean;
  /** CD.R: faults are recorded. */
  readonly record: boolean;
  /** Top byte ignored, for addresses with bit 55 clear and set. */
  readonly tbi: readonly [boolean, boolean];
  /** The lower and the upper range; undefined where CD.EPDn disables the walk. */
  readonly regions: readonly [Region | undefined, Region | undefined];
}

export interface Stage2 {
  readonly inputBits: number;
  readonly granule: Granule;
  readonly startLevel: number;
  readonly ttb: number;
  readonly outputBits: number;
  readonly affd: boolean;
  /** STE.S2R. */
  readonly record: boolean;
}

/** A valid Stream table entry. */
export type StreamEntry =
  | { readonly kind: 'abort' }
  | { readonly kind: 'bypass' }
  | {
      readonly kind: 'translate';
      /** Tags what is cached; 0 without stage 2. */
      readonly vmid: number;
      /** Address of the Context descriptor; undefined without stage 1. */
      readonly contextPointer: number | undefined;
      readonly stage2: Stage2 | undefined;
    };

/** Which rule a structure broke, for the person who reads the trace. */
export interface BadStructure {
  readonly kind: 'bad';
  readonly why: string;
}

const bad = (why: string): BadStructure => ({ kind: 'bad', why });

/** Bits hi … lo of a word. */
export function field(word: number, hi: number, lo: number): number {
  return hi - lo === 31 ? word >>> 0 : (word >>> lo) & (2 ** (hi - lo + 1) - 1);
}

/** Bits 51:low of the two words of an address, the others zero. */
export function addressOf(lo: number, hi: number, low: number): number {
  const address = (hi & 0xf_ffff) * 2 ** 32 + (lo >>> 0);
  return alignDown(address, 2 ** low);
}

/** Largest multiple of `size` (a power of two) that is not above the address. */
export function alignDown(address: number, size: number): number {
  return address - (address % size);
}

/** Level-1 Stream table descriptor, section 5.1. Span 0: the descriptor is invalid. */
export function decodeL1Descriptor(lo: number, hi: number): { span: number; l2Pointer: number } {
  return { span: lo & 0x1f, l2Pointer: addressOf(lo, hi, 6) };
}

/** Stream table entry, section 5.2. */
export function decodeSte(words: Words, features: SmmuFeatures): StreamEntry | BadStructure {
  const w0 = words[0]!;
  if ((w0 & 1) === 0) return bad('STE.V is 0');
  const config = field(w0, 3, 1);
  if (config < 4) return { kind: 'abort' };
  if (config === 4) return { kind: 'bypass' };
  const stage1 = (config & 1) !== 0;
  const stage2 = (config & 2) !== 0;
  if (stage2 && !hasStage2(features)) return bad(`STE.Config ${config} asks for stage 2, which is not there`);
  if (stage1) {
    if (field(words[1]!, 31, 27) !== 0) return bad('STE.S1CDMax is not 0, and there are no substreams');
    if (field(words[2]!, 27, 27) !== 0) return bad('STE.S1STALLD is 1, and there is no stalling');
  }
  const second = stage2 ? decodeStage2(words, features) : undefined;
  if (second !== undefined && 'kind' in second) return second;
  return {
    kind: 'translate',
    // Section 5.2: S2VMID tags what a stream caches whenever stage 2 is implemented, used by it or not.
    vmid: hasStage2(features) ? field(words[4]!, 15, 0) : 0,
    contextPointer: stage1 ? addressOf(w0, words[1]! & 0xff_ffff, 6) : undefined,
    stage2: second,
  };
}

const granuleOfTg0: readonly (Granule | undefined)[] = [12, 16, 14, undefined];
const granuleOfTg1: readonly (Granule | undefined)[] = [undefined, 14, 12, 16];

/** First level of a stage 2 walk by S2SL0, for each granule; undefined: reserved. */
const startLevels: { readonly [granule in Granule]: readonly (number | undefined)[] } = {
  12: [2, 1, 0, undefined],
  14: [3, 2, 1, undefined],
  16: [3, 2, 1, undefined],
};

/** Log2 of the bytes that an entry of this level maps. */
export function levelShift(granule: number, level: number): number {
  return granule + (3 - level) * (granule - 3);
}

function decodeStage2(words: Words, features: SmmuFeatures): Stage2 | BadStructure {
  const w5 = words[5]!;
  if (field(w5, 19, 19) === 0) return bad('STE.S2AA64 is 0');
  if (field(w5, 20, 20) !== 0) return bad('STE.S2ENDI is 1: big-endian tables are not there');
  if (field(w5, 24, 23) !== 0) return bad('STE.S2HA or S2HD is 1: tables are not updated by hardware');
  if (field(w5, 25, 25) !== 0) return bad('STE.S2S is 1, and there is no stalling');
  const granule = granuleOfTg0[field(w5, 15, 14)];
  if (granule === undefined) return bad('STE.S2TG is reserved');
  const tsz = field(w5, 5, 0);
  const largest = outputBits(features);
  if (tsz > 39 || tsz < Math.max(16, 64 - largest)) return bad(`STE.S2T0SZ ${tsz} is out of range`);
  const startLevel = startLevels[granule][field(w5, 7, 6)];
  if (startLevel === undefined) return bad('STE.S2SL0 is reserved');
  const inputBits = 64 - tsz;
  // The first level has to resolve at least one bit, with at most 16 tables side by side.
  const startBits = inputBits - levelShift(granule, startLevel);
  if (startBits < 1 || startBits > granule - 3 + 4) {
    return bad(`STE.S2SL0 does not fit S2T0SZ ${tsz}`);
  }
  const output = Math.min(addressBits(field(w5, 18, 16)), largest);
  const ttb = addressOf(words[6]!, words[7]!, 4);
  if (ttb >= 2 ** output) return bad('STE.S2TTB is above S2PS');
  return {
    inputBits,
    granule,
    startLevel,
    ttb,
    outputBits: output,
    affd: field(w5, 21, 21) !== 0,
    record: field(w5, 26, 26) !== 0,
  };
}

/** Context descriptor, section 5.4. */
export function decodeCd(words: Words, features: SmmuFeatures): Stage1 | BadStructure {
  const w0 = words[0]!;
  const w1 = words[1]!;
  if (field(w0, 31, 31) === 0) return bad('CD.V is 0');
  if (field(w1, 9, 9) === 0) return bad('CD.AA64 is 0');
  if (field(w1, 14, 14) === 0) return bad('CD.A is 0 (SMMU_IDR0.TERM_MODEL)');
  if (field(w1, 12, 12) !== 0) return bad('CD.S is 1, and there is no stalling');
  if (field(w1, 11, 10) !== 0) return bad('CD.HA or HD is 1: tables are not updated by hardware');
  const output = Math.min(addressBits(field(w1, 2, 0)), outputBits(features));
  const regions: [Region | undefined, Region | undefined] = [undefined, undefined];
  for (const n of [0, 1] as const) {
    const disabled = field(w0, n === 0 ? 14 : 30, n === 0 ? 14 : 30) !== 0;
    if (disabled) continue;
    const tsz = n === 0 ? field(w0, 5, 0) : field(w0, 21, 16);
    if (tsz < 16 || tsz > 39) return bad(`CD.T${n}SZ ${tsz} is out of range`);
    const granule = n === 0 ? granuleOfTg0[field(w0, 7, 6)] : granuleOfTg1[field(w0, 23, 22)];
    if (granule === undefined) return bad(`CD.TG${n} is reserved`);
    if (field(w0, 15, 15) !== 0) return bad('CD.ENDI is 1: big-endian tables are not there');
    const lo = words[2 + 2 * n]!;
    const ttb = addressOf(lo, words[3 + 2 * n]!, 4);
    if (ttb >= 2 ** output) return bad(`CD.TTB${n} is above IPS`);
    regions[n] = { inputBits: 64 - tsz, granule, ttb, had: field(lo, 1, 1) !== 0 };
  }
  return {
    asid: field(w1, 31, 16),
    outputBits: output,
    affd: field(w1, 3, 3) !== 0,
    record: field(w1, 13, 13) !== 0,
    tbi: [field(w1, 6, 6) !== 0, field(w1, 7, 7) !== 0],
    regions,
  };
}
