/**
 * ID registers and reset values of the CPU models, as QEMU 7.2 shows them at EL1 on `virt,gic-version=3`
 * without `secure` and `virtualization` (virt-board.md 3.3 and 3.6; observed again by
 * test/engine/cpu/a64/sysregs-qemu.test.ts). Registers not listed read as zero.
 */
export const CPU_MODEL_NAMES = [
  'cortex-a53',
  'cortex-a57',
  'cortex-a72',
  'cortex-a35',
  'cortex-a76',
  'neoverse-n1',
  'max',
] as const;

export type CpuModelName = (typeof CPU_MODEL_NAMES)[number];

export interface CpuModelData {
  readonly ids: { readonly [name: string]: bigint };
  /** CCSIDR_EL1 by CSSELR_EL1[3:0] = Level:InD: L1 data, L1 instruction, L2 unified. */
  readonly ccsidr: readonly bigint[];
  readonly sctlr: bigint;
  readonly pmcr: bigint;
  /** PMCEID0/1_EL0. */
  readonly pmceid: readonly [bigint, bigint];
  /** Hz. */
  readonly cntfrq: number;
  readonly impdefCortexA: boolean;
}

/** What the Armv8.0 models have in common. */
const ARMV8_0 = {
  ID_PFR0_EL1: 0x131n,
  ID_PFR1_EL1: 0x10010001n,
  ID_DFR0_EL1: 0x03010006n,
  ID_MMFR0_EL1: 0x10201105n,
  ID_MMFR1_EL1: 0x40000000n,
  ID_MMFR2_EL1: 0x01260000n,
  ID_MMFR3_EL1: 0x02102211n,
  ID_ISAR0_EL1: 0x02101110n,
  ID_ISAR1_EL1: 0x13112111n,
  ID_ISAR2_EL1: 0x21232042n,
  ID_ISAR3_EL1: 0x01112131n,
  ID_ISAR4_EL1: 0x00011142n,
  ID_ISAR5_EL1: 0x00011121n,
  MVFR0_EL1: 0x10110222n,
  MVFR1_EL1: 0x12111111n,
  MVFR2_EL1: 0x43n,
  ID_AA64PFR0_EL1: 0x01000022n,
  ID_AA64DFR0_EL1: 0x10305106n,
  ID_AA64ISAR0_EL1: 0x00011120n,
  CLIDR_EL1: 0x0a200023n,
  CTR_EL0: 0x8444c004n,
  DCZID_EL0: 4n,
} as const;

/** Cortex-A76 and Neoverse N1: Armv8.2, AArch32 at EL0 only. */
const ARMV8_2 = {
  ...ARMV8_0,
  ID_PFR0_EL1: 0x10010131n,
  ID_PFR1_EL1: 0x10010000n,
  ID_PFR2_EL1: 0x11n,
  ID_DFR0_EL1: 0x04010008n,
  ID_MMFR3_EL1: 0x02122211n,
  ID_MMFR4_EL1: 0x00021110n,
  ID_ISAR4_EL1: 0x00010142n,
  ID_ISAR5_EL1: 0x01011121n,
  ID_ISAR6_EL1: 0x10n,
  MVFR1_EL1: 0x13211111n,
  ID_AA64PFR0_EL1: 0x1100_0000_1111_0012n,
  ID_AA64DFR0_EL1: 0x10305408n,
  ID_AA64ISAR0_EL1: 0x0000_1000_1021_1120n,
  ID_AA64ISAR1_EL1: 0x00100001n,
  ID_AA64MMFR1_EL1: 0x10212122n,
  ID_AA64MMFR2_EL1: 0x1011n,
  CLIDR_EL1: 0x82000023n,
} as const;

const CNTFRQ = 62_500_000;
const SCTLR_V8_0 = 0x00c50838n;
/**
 * Software increment, instructions retired (counted since virtual time is the instruction count, as QEMU does
 * with -icount shift=N; devices.md 19) and CPU cycles.
 */
const PMCEID0 = 0x20101n;
/** STALL_FRONTEND and STALL_BACKEND, which never count. */
const PMCEID1_V8_1 = 0x18n;

export const CPU_MODEL_DATA: { readonly [name in CpuModelName]: CpuModelData } = {
  'cortex-a53': {
    ids: {
      ...ARMV8_0,
      MIDR_EL1: 0x410fd034n,
      ID_MMFR0_EL1: 0x10101105n,
      ID_AA64MMFR0_EL1: 0x1122n,
      CTR_EL0: 0x84448004n,
    },
    ccsidr: [0x700fe01an, 0x201fe00an, 0x707fe07an],
    sctlr: SCTLR_V8_0,
    pmcr: 0x41033000n,
    pmceid: [PMCEID0, 0n],
    cntfrq: CNTFRQ,
    impdefCortexA: true,
  },
  'cortex-a57': {
    ids: {
      ...ARMV8_0,
      MIDR_EL1: 0x411fd070n,
      ID_MMFR0_EL1: 0x10101105n,
      ID_AA64MMFR0_EL1: 0x1124n,
    },
    ccsidr: [0x701fe00an, 0x201fe012n, 0x70ffe07an],
    sctlr: SCTLR_V8_0,
    pmcr: 0x41013000n,
    pmceid: [PMCEID0, 0n],
    cntfrq: CNTFRQ,
    impdefCortexA: true,
  },
  'cortex-a72': {
    ids: { ...ARMV8_0, MIDR_EL1: 0x410fd083n, ID_AA64MMFR0_EL1: 0x1124n },
    ccsidr: [0x701fe00an, 0x201fe012n, 0x707fe07an],
    sctlr: SCTLR_V8_0,
    pmcr: 0x41023000n,
    pmceid: [PMCEID0, 0n],
    cntfrq: CNTFRQ,
    impdefCortexA: true,
  },
  'cortex-a35': {
    ids: {
      ...ARMV8_0,
      MIDR_EL1: 0x411fd040n,
      ID_AA64MMFR0_EL1: 0x101122n,
      CTR_EL0: 0x84448004n,
    },
    ccsidr: [0x700fe01an, 0x201fe00an, 0x703fe03an],
    sctlr: SCTLR_V8_0,
    pmcr: 0x410a3000n,
    pmceid: [PMCEID0, 0n],
    cntfrq: CNTFRQ,
    impdefCortexA: true,
  },
  'cortex-a76': {
    ids: { ...ARMV8_2, MIDR_EL1: 0x414fd0b1n, ID_AA64PFR1_EL1: 0x10n, ID_AA64MMFR0_EL1: 0x101122n },
    ccsidr: [0x701fe01an, 0x201fe01an, 0x707fe03an],
    sctlr: 0x30c50838n,
    pmcr: 0x410b3000n,
    pmceid: [PMCEID0, PMCEID1_V8_1],
    cntfrq: CNTFRQ,
    impdefCortexA: false,
  },
  'neoverse-n1': {
    ids: { ...ARMV8_2, MIDR_EL1: 0x414fd0c1n, ID_AA64PFR1_EL1: 0x20n, ID_AA64MMFR0_EL1: 0x101125n },
    ccsidr: [0x701fe01an, 0x201fe01an, 0x70ffe03an],
    sctlr: 0x30c50838n,
    pmcr: 0x410c3000n,
    pmceid: [PMCEID0, PMCEID1_V8_1],
    cntfrq: CNTFRQ,
    impdefCortexA: false,
  },
  max: {
    ids: {
      ...ARMV8_0,
      MIDR_EL1: 0xf0510n,
      ID_PFR0_EL1: 0x11020131n,
      ID_PFR2_EL1: 0x11n,
      ID_DFR0_EL1: 0x06010009n,
      ID_MMFR0_EL1: 0x10101105n,
      ID_MMFR3_EL1: 0x02122211n,
      ID_MMFR4_EL1: 0x00011110n,
      ID_MMFR5_EL1: 1n,
      ID_ISAR5_EL1: 0x11011121n,
      ID_ISAR6_EL1: 0x01111111n,
      MVFR1_EL1: 0x13211111n,
      ID_AA64PFR0_EL1: 0x1201_0011_2111_0022n,
      ID_AA64PFR1_EL1: 0x01000021n,
      ID_AA64ZFR0_EL1: 0x0110_1101_0011_0021n,
      ID_AA64SMFR0_EL1: 0x80f1_00fd_0000_0000n,
      ID_AA64DFR0_EL1: 0x10305609n,
      ID_AA64ISAR0_EL1: 0x1221_1111_1021_2120n,
      ID_AA64ISAR1_EL1: 0x0011_1111_0121_1012n,
      ID_AA64MMFR0_EL1: 0x0000_0323_1020_1126n,
      ID_AA64MMFR1_EL1: 0x0000_0110_1021_1122n,
      ID_AA64MMFR2_EL1: 0x1021_0110_1001_1011n,
      CLIDR_EL1: 0x02000023n,
    },
    ccsidr: [0x701fe00an, 0x201fe012n, 0x70ffe07an],
    sctlr: SCTLR_V8_0,
    pmcr: 0x41013000n,
    pmceid: [PMCEID0, 0x10000018n],
    cntfrq: CNTFRQ,
    impdefCortexA: true,
  },
};
