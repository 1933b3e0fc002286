/*
 * Where things are in the memory of the guest that runs the cases: the same numbers as guest/harness.S. All of
 * it is written by the host before the start, and is the same for every executor.
 */

export const RAM_BASE = 0x4000_0000;
export const RAM_BYTES = 128 * 2 ** 20;

/** Physical addresses. The harness itself is at 0x4020_0000. */
export const HEADER_PA = 0x4040_0000;
export const TABLES_PA = 0x4041_0000;
export const WINDOW_PA = 0x4060_0000;
export const TEMPLATE_PA = 0x4061_0000;
export const CODE_PA = 0x4080_0000;
export const CODE_BYTES = 8 * 2 ** 20;
export const CASES_PA = 0x4100_0000;
export const RESULTS_PA = 0x4300_0000;
export const DUMPS_PA = 0x4500_0000;

/** Virtual minus physical addresses of everything the harness uses: far from what cases compute. */
export const HARNESS_OFFSET = 0xffff_a5c3_0000_0000n - BigInt(RAM_BASE);
/** Code of the cases: executable and readable at EL0 and EL1, never writable. */
export const CODE_VA = 0x5a3c_8000_0000;
/** The memory cases touch: pages of all kinds, see page-tables.ts. The second one is translated by TTBR1. */
export const WINDOW_VA = 0x7b1d_401e_0000n;
export const HIGH_WINDOW_VA = 0xffff_c0de_401e_0000n;
/** Half of the pages are in front of a 2 MiB boundary. */
export const WINDOW_PAGES = 64;

/** Physical pages behind the window, and the bytes at each end of them that are set up and compared. */
export const BACKING_PAGES = 4;
export const ZONE_BYTES = 128;
export const DUMP_BYTES = BACKING_PAGES * 2 * ZONE_BYTES;

/** Bytes of a case and of a result. */
export const RECORD_BYTES = 832;
export const RECORD_WORDS = RECORD_BYTES / 4;

/** Word offsets in a case record. */
export const CASE = { flags: 0, spsr: 1, pc: 2, fpcr: 4, fpsr: 5, spEl0: 6, spEl1: 8, x: 12, v: 76 } as const;
export const FLAG_MEMORY = 1;
export const FLAG_SYSTEM = 2;

/** Word offsets in a result record. */
export const RESULT = {
  vector: 0,
  spsr: 1,
  elr: 2,
  fpcr: 4,
  fpsr: 5,
  spEl0: 6,
  spEl1: 8,
  x: 12,
  v: 76,
  esr: 204,
  far: 206,
} as const;

/** Most cases in a batch: the room between CASES_PA and RESULTS_PA, and for their dumps. */
export const MAX_CASES = 32768;

/** SPSR.M of the three ways to run a case. Interrupts stay masked. */
export const MODES = { EL0t: 0x3c0, EL1t: 0x3c4, EL1h: 0x3c5 } as const;

/** SCTLR_EL1 of all cases: RES1 bits of Armv8.0, M, C, I, and nTWE, since QEMU never traps WFE. */
export const SCTLR_BASE = 0x30d0_1805n | (1n << 18n);
/** TCR_EL1 of all cases: T0SZ = T1SZ = 16, 4 KiB granules, write-back inner shareable, IPS 40 bits. */
export const TCR_BASE = (16n << 16n) | 16n | (0x35n << 8n) | (0x35n << 24n) | (2n << 30n) | (2n << 32n);
