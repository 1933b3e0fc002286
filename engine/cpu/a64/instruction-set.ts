import { Decoder } from './decoder.ts';
import type { Encoding } from './encoding.ts';
import { FP_ENCODINGS } from './encodings-fp.ts';
import { BRANCH_ENCODINGS, DATA_ENCODINGS, MEMORY_ENCODINGS } from './encodings-int.ts';
import { SIMD_ENCODINGS, SIMD_LDST_ENCODINGS } from './encodings-simd.ts';
import { LOWER_BRANCH } from './lower-branch.ts';
import { LOWER_DATA } from './lower-data.ts';
import { LOWER_MEMORY, lowerStructure } from './lower-memory.ts';
import { PAUTH } from './lower-pauth.ts';
import { INLINE_SIMD } from './lower-simd.ts';
import { LOWER_SYSTEM } from './lower-system.ts';
import type { Lower } from './lowering.ts';

/** The A64 instruction set: every encoding with what it lowers to. */

export const A64_ENCODINGS: readonly Encoding[] = [
  ...DATA_ENCODINGS,
  ...BRANCH_ENCODINGS,
  ...MEMORY_ENCODINGS,
  ...SIMD_LDST_ENCODINGS,
  ...SIMD_ENCODINGS,
  ...FP_ENCODINGS,
];

const byTable: { readonly [name: string]: Lower } = {
  ...LOWER_DATA,
  ...LOWER_BRANCH,
  ...PAUTH,
  ...LOWER_MEMORY,
  ...LOWER_SYSTEM,
};
const structures = new Set<Encoding>(SIMD_LDST_ENCODINGS);

function lowerOf(encoding: Encoding & { helper?: string }): Lower {
  const { helper } = encoding;
  const inline = INLINE_SIMD[encoding.name];
  if (helper !== undefined && inline !== undefined)
    return (word, t) => {
      if (!inline(word, t, helper)) t.helper(helper, word);
    };
  if (helper !== undefined) return (word, t) => t.helper(helper, word);
  if (structures.has(encoding)) return lowerStructure;
  const lower = byTable[encoding.name];
  if (lower === undefined) throw new Error(`${encoding.name} is not lowered`);
  return lower;
}

export interface InstructionSet {
  readonly decoder: Decoder;
  /** By index of `decoder.encodings`. */
  readonly lower: readonly Lower[];
  /** FEAT_BTI. */
  readonly keepsBranchType: boolean;
}

/** The instructions of a CPU with these features; all others are UNDEFINED. */
export function instructionSet(features: ReadonlySet<string>): InstructionSet {
  const present = A64_ENCODINGS.filter((e) => e.feature === undefined || features.has(e.feature));
  return {
    decoder: new Decoder(present),
    lower: present.map(lowerOf),
    keepsBranchType: features.has('FEAT_BTI'),
  };
}

/** Whether a word belongs to SIMD and floating point, register accesses included (trapped by CPACR_EL1.FPEN). */
export function usesFpSimd(word: number): boolean {
  const op0 = (word >>> 25) & 15;
  return (op0 & 7) === 7 || ((op0 & 5) === 4 && (word & (1 << 26)) !== 0);
}
