/**
 * Fields of ID registers in which virtrace announces less than QEMU 7.2's model of the CPU, since it has not (or
 * does not want to have) what the rest means. A row goes when what it keeps back works; nothing else has to be
 * changed then. test/engine/cpu/cpu-announced.test.ts holds this list against the encodings table.
 */
export interface LimitedField {
  readonly register: string;
  /** Lowest bit of the 4-bit field. */
  readonly low: number;
  /** Greatest value that may be announced. 0xF, which says "none" where it occurs, stays. */
  readonly most: number;
  /** What is kept back. */
  readonly features: readonly string[];
}

const field = (register: string, low: number, most: number, ...features: string[]): LimitedField => ({
  register,
  low,
  most,
  features,
});

export const LIMITED_FIELDS: readonly LimitedField[] = [
  // A kernel that believed these would return to 32-bit code, which is an illegal exception return here.
  field('ID_AA64PFR0_EL1', 0, 1, 'AArch32-EL0'),
  field('ID_AA64PFR0_EL1', 4, 1, 'AArch32-EL1'),
  field('ID_AA64PFR0_EL1', 8, 1, 'AArch32-EL2'),
  field('ID_AA64PFR0_EL1', 12, 1, 'AArch32-EL3'),
  // Data and tables are little-endian; SCTLR_EL1.EE and E0E are RES0.
  field('ID_AA64MMFR0_EL1', 8, 0, 'FEAT_MixedEnd'),
  field('ID_AA64MMFR0_EL1', 16, 0, 'FEAT_MixedEndEL0'),
  field('ID_AA64PFR0_EL1', 32, 0, 'FEAT_SVE'),
  field('ID_AA64PFR1_EL1', 24, 0, 'FEAT_SME'),
];

/** Registers that describe only what is kept back: SVE and SME. */
export const LIMITED_REGISTERS: readonly string[] = ['ID_AA64ZFR0_EL1', 'ID_AA64SMFR0_EL1'];

/** An ID register's value as virtrace announces it. */
export function announced(register: string, value: bigint): bigint {
  if (LIMITED_REGISTERS.includes(register)) return 0n;
  let result = value;
  for (const { register: name, low, most } of LIMITED_FIELDS) {
    if (name !== register) continue;
    const shift = BigInt(low);
    const found = (result >> shift) & 15n;
    if (found !== 15n && found > BigInt(most)) result = (result & ~(15n << shift)) | (BigInt(most) << shift);
  }
  return result;
}
