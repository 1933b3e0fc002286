import type { Encoding } from './encoding.ts';
import { FP_LATER_ENCODINGS } from './encodings-fp-later.ts';
import { FP_SCALAR_ENCODINGS } from './encodings-fp-scalar.ts';
import { FP_SIMD_ENCODINGS } from './encodings-fp-simd.ts';

/** A floating-point encoding and the exported function of helpers.wasm that executes it. */
export interface FpEncoding extends Encoding {
  /** `op_...(cpu, insn)`. It relies on `where`, and on the caller for FP access traps (CPACR_EL1.FPEN). */
  readonly helper: string;
}

/**
 * Every A64 data-processing encoding whose arithmetic is floating point (Arm ARM DDI 0487, C4.1 "Data
 * Processing -- Scalar Floating-Point and Advanced SIMD"): Armv8.0, FEAT_FP16 and
 * the extensions up to Armv8.6.
 */
export const FP_ENCODINGS: readonly FpEncoding[] = [
  ...FP_SCALAR_ENCODINGS,
  ...FP_SIMD_ENCODINGS,
  ...FP_LATER_ENCODINGS,
];
