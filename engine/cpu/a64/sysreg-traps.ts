import {
  SYS_CPACR_EL1,
  SYS_CPTR_EL2,
  SYS_CPTR_EL3,
  SYS_HCR_EL2,
  SYS_MDSCR_EL1,
  SYS_SCR_EL3,
  SYS_SCTLR_EL1,
} from '../helpers/layout.ts';
import { EC_FP_ACCESS, EC_SYSREG, EC_UNKNOWN, EC_WFX } from './sysreg-key.ts';
import {
  SLOT_CNTHCTL_EL2,
  SLOT_CNTKCTL_EL1,
  SLOT_MDCR_EL2,
  SLOT_MDCR_EL3,
  SLOT_PMUSERENR,
} from './sysreg-slots.ts';
import type { El, TrapRule } from './sysreg-types.ts';

/*
 * The trap controls of the architecture, by the register they are in. Every rule is in the order of priority in
 * which a register lists them: EL1's own first, then EL2's, then EL3's (Arm ARM D1.3.2 "synchronous exception
 * prioritisation": a trap to a lower EL wins). Rules of EL2 and EL3 are dropped where the EL does not exist.
 */

const bits = (...positions: number[]): bigint => positions.reduce((mask, n) => mask | (1n << BigInt(n)), 0n);

/** SCTLR_EL1: bit must be 1 for EL0 to go on (D17.2.118). */
function sctlr(position: number): TrapRule {
  return {
    from: [0],
    on: 'rw',
    slot: SYS_SCTLR_EL1,
    mask: bits(position),
    pass: 'all',
    target: 1,
    ec: EC_SYSREG,
  };
}
/** UMA: DAIF; UCT: CTR_EL0; DZE: DC ZVA; UCI: cache maintenance; nTWI and nTWE are of WFI and WFE. */
export const UMA = [sctlr(9)];
export const UCT = [sctlr(15)];
export const DZE = sctlr(14);
export const UCI = sctlr(26);
/** EnRCTX: prediction restriction. */
export const ENRCTX = sctlr(10);

/** HCR_EL2: bit 1 traps (D17.2.48). */
function hcr(on: 'r' | 'w' | 'rw', mask: bigint, from: readonly El[] = [1]): TrapRule {
  return {
    from,
    on,
    slot: SYS_HCR_EL2,
    mask,
    pass: 'none',
    target: 2,
    ec: EC_SYSREG,
    needs: 'el2',
    nonSecureOnly: true,
  };
}
/** TVM and TRVM: the virtual memory controls. */
export const VM_CONTROLS = [hcr('w', bits(26)), hcr('r', bits(30))];
export const TID1 = [hcr('r', bits(16))];
/** TID2: cache identification. CSSELR also on writes. */
export const TID2 = [hcr('rw', bits(17))];
export const TID2_EL0 = [hcr('rw', bits(17), [0, 1])];
export const TID3 = [hcr('r', bits(18))];
export const TACR = [hcr('rw', bits(21))];
export const TIDCP = hcr('rw', bits(20));
export const TSW = [hcr('rw', bits(22))];
export const TPC = hcr('rw', bits(23), [0, 1]);
export const TPU = hcr('rw', bits(24), [0, 1]);
export const TTLB = [hcr('rw', bits(25))];
export const TDZ = hcr('rw', bits(28), [0, 1]);
export const TLOR = [hcr('rw', bits(35))];
/** AT S1E2* is UNDEFINED at EL3 while SCR_EL3.NS (bit 0) says that there is no EL2 below. */
export const EL2_ENABLED: readonly TrapRule[] = [
  { from: [3], on: 'w', slot: SYS_SCR_EL3, mask: bits(0), pass: 'all', target: 3, ec: EC_UNKNOWN },
];
/** ICC_SGI*R go to EL2 when it has taken either interrupt type (D17.2.48, FMO and IMO). */
const GIC_SGI_EL2 = hcr('w', bits(3, 4));

/** MDCR_EL2 and MDCR_EL3: bit 1 traps (D17.3.16, D17.3.17). */
function mdcr2(mask: bigint, from: readonly El[] = [1]): TrapRule {
  return {
    from,
    on: 'rw',
    slot: SLOT_MDCR_EL2,
    mask,
    pass: 'none',
    target: 2,
    ec: EC_SYSREG,
    needs: 'el2',
    nonSecureOnly: true,
  };
}
function mdcr3(mask: bigint, from: readonly El[] = [1, 2]): TrapRule {
  return { from, on: 'rw', slot: SLOT_MDCR_EL3, mask, pass: 'none', target: 3, ec: EC_SYSREG, needs: 'el3' };
}
/** TDE (bit 8) works as TDA (9), TDOSA (10) and TDRA (11) together. */
export const TDA = [mdcr2(bits(8, 9)), mdcr3(bits(9))];
export const TDOSA = [mdcr2(bits(8, 10)), mdcr3(bits(10))];
export const TDRA = [mdcr2(bits(8, 11)), mdcr3(bits(9))];
/** Debug communications channel: from EL0 only unless MDSCR_EL1.TDCC (bit 12). */
export const TDCC = [
  {
    from: [0],
    on: 'rw',
    slot: SYS_MDSCR_EL1,
    mask: bits(12),
    pass: 'none',
    target: 1,
    ec: EC_SYSREG,
  } satisfies TrapRule,
  // TGE counts as TDA for EL0.
  hcr('rw', bits(27), [0]),
  mdcr2(bits(8, 9), [0, 1]),
  mdcr3(bits(9), [0, 1, 2]),
];

/** PMUSERENR_EL0: EN (0), SW (1), CR (2), ER (3) open the counters to EL0 (D17.5.16). */
function pmuser(on: 'r' | 'w' | 'rw', ...positions: number[]): TrapRule {
  return {
    from: [0],
    on,
    slot: SLOT_PMUSERENR,
    mask: bits(...positions),
    pass: 'any',
    target: 1,
    ec: EC_SYSREG,
  };
}
const TPM = [mdcr2(bits(6), [0, 1]), mdcr3(bits(6), [0, 1, 2])];
export const PMU_EN = [pmuser('rw', 0), ...TPM];
export const PMU_PMCR = [pmuser('rw', 0), mdcr2(bits(5, 6), [0, 1]), mdcr3(bits(6), [0, 1, 2])];
export const PMU_SWINC = [pmuser('w', 0, 1), ...TPM];
export const PMU_CYCLES = [pmuser('r', 0, 2), pmuser('w', 0), ...TPM];
/** ER opens reading of event counters and the selector. */
export const PMU_EVENTS = [pmuser('r', 0, 3), pmuser('w', 0), ...TPM];
export const PMU_SELECTOR = [pmuser('rw', 0, 3), ...TPM];
export const PMU_EL1 = TPM;

/** CNTKCTL_EL1: EL0PCTEN (0), EL0VCTEN (1), EL0VTEN (8), EL0PTEN (9) (D17.11.15). */
function cntkctl(...positions: number[]): TrapRule {
  return {
    from: [0],
    on: 'rw',
    slot: SLOT_CNTKCTL_EL1,
    mask: bits(...positions),
    pass: 'any',
    target: 1,
    ec: EC_SYSREG,
  };
}
/** CNTHCTL_EL2 without VHE: EL1PCTEN (0), EL1PCEN (1) must be 1 (D17.11.2). */
function cnthctl(position: number): TrapRule {
  return {
    from: [0, 1],
    on: 'rw',
    slot: SLOT_CNTHCTL_EL2,
    mask: bits(position),
    pass: 'all',
    target: 2,
    ec: EC_SYSREG,
    needs: 'el2',
    nonSecureOnly: true,
  };
}
export const CNT_FREQUENCY = [cntkctl(0, 1)];
export const CNT_PHYSICAL_COUNT = [cntkctl(0), cnthctl(0)];
export const CNT_VIRTUAL_COUNT = [cntkctl(1)];
export const CNT_PHYSICAL_TIMER = [cntkctl(9), cnthctl(1)];
export const CNT_VIRTUAL_TIMER = [cntkctl(8)];
/**
 * CNTPS_* from EL1: UNDEFINED unless Secure, then to EL3 unless SCR_EL3.ST (bit 11); always UNDEFINED at EL2
 * (D17.11.24).
 */
export const CNT_SECURE_TIMER: readonly TrapRule[] = [
  { from: [1], on: 'rw', slot: SYS_SCR_EL3, mask: bits(0), pass: 'none', target: 1, ec: EC_UNKNOWN },
  { from: [2], on: 'rw', slot: SYS_SCR_EL3, mask: 0n, pass: 'any', target: 2, ec: EC_UNKNOWN },
  { from: [1], on: 'rw', slot: SYS_SCR_EL3, mask: bits(11), pass: 'all', target: 3, ec: EC_SYSREG },
];

/**
 * FPCR and FPSR follow the FP trap controls: CPACR_EL1.FPEN (21:20), CPTR_EL2.TFP (10), CPTR_EL3.TFP (10)
 * (D17.2.30 and following). FPEN = 0b01 traps EL0 only.
 */
export const FP: readonly TrapRule[] = [
  { from: [0], on: 'rw', slot: SYS_CPACR_EL1, mask: bits(20, 21), pass: 'all', target: 1, ec: EC_FP_ACCESS },
  { from: [1], on: 'rw', slot: SYS_CPACR_EL1, mask: bits(20), pass: 'all', target: 1, ec: EC_FP_ACCESS },
  {
    from: [0, 1, 2],
    on: 'rw',
    slot: SYS_CPTR_EL2,
    mask: bits(10),
    pass: 'none',
    target: 2,
    ec: EC_FP_ACCESS,
    needs: 'el2',
    nonSecureOnly: true,
  },
  {
    from: [0, 1, 2, 3],
    on: 'rw',
    slot: SYS_CPTR_EL3,
    mask: bits(10),
    pass: 'none',
    target: 3,
    ec: EC_FP_ACCESS,
    needs: 'el3',
  },
];
/** TSCXT of SCTLR_EL1, EnSCXT of HCR_EL2 and SCR_EL3: the software context numbers. */
export const SCXTNUM: readonly TrapRule[] = [
  { from: [0], on: 'rw', slot: SYS_SCTLR_EL1, mask: bits(20), pass: 'none', target: 1, ec: EC_SYSREG },
  {
    from: [0, 1],
    on: 'rw',
    slot: SYS_HCR_EL2,
    mask: bits(53),
    pass: 'all',
    target: 2,
    ec: EC_SYSREG,
    needs: 'el2',
    nonSecureOnly: true,
  },
  {
    from: [0, 1, 2],
    on: 'rw',
    slot: SYS_SCR_EL3,
    mask: bits(25),
    pass: 'all',
    target: 3,
    ec: EC_SYSREG,
    needs: 'el3',
  },
];
/** APK of HCR_EL2 and SCR_EL3: the keys of pointer authentication. */
export const APK: readonly TrapRule[] = [
  {
    from: [1],
    on: 'rw',
    slot: SYS_HCR_EL2,
    mask: bits(40),
    pass: 'all',
    target: 2,
    ec: EC_SYSREG,
    needs: 'el2',
    nonSecureOnly: true,
  },
  {
    from: [1, 2],
    on: 'rw',
    slot: SYS_SCR_EL3,
    mask: bits(16),
    pass: 'all',
    target: 3,
    ec: EC_SYSREG,
    needs: 'el3',
  },
];
/** TCPAC: CPACR_EL1 (and CPTR_EL2 to EL3). */
export const TCPAC: readonly TrapRule[] = [
  {
    from: [1],
    on: 'rw',
    slot: SYS_CPTR_EL2,
    mask: bits(31),
    pass: 'none',
    target: 2,
    ec: EC_SYSREG,
    needs: 'el2',
    nonSecureOnly: true,
  },
  {
    from: [1, 2],
    on: 'rw',
    slot: SYS_CPTR_EL3,
    mask: bits(31),
    pass: 'none',
    target: 3,
    ec: EC_SYSREG,
    needs: 'el3',
  },
];

/**
 * GIC CPU interface at EL1 and EL2: SCR_EL3.FIQ (2) takes group 0, SCR_EL3.IRQ (1) group 1, both together the
 * common registers; not when EL2 has virtualised that group for EL1 (IHI 0069, 12.2 "ICC_*", accessibility).
 */
function gicEl3(on: 'r' | 'w' | 'rw', scr: bigint, hcrVirtual: bigint): TrapRule[] {
  const rule = {
    on,
    slot: SYS_SCR_EL3,
    mask: scr,
    pass: 'not-all',
    target: 3,
    ec: EC_SYSREG,
    needs: 'el3',
  } as const;
  return [
    { ...rule, from: [1], unless: { slot: SYS_HCR_EL2, mask: hcrVirtual } },
    { ...rule, from: [2] },
  ];
}
export const GIC_GROUP0 = gicEl3('rw', bits(2), bits(3));
export const GIC_GROUP1 = gicEl3('rw', bits(1), bits(4));
export const GIC_COMMON = gicEl3('rw', bits(1, 2), bits(3, 4));
export const GIC_SGI = [GIC_SGI_EL2, ...gicEl3('w', bits(1, 2), 0n)];

/**
 * WFI and WFE that would wait: SCTLR_EL1.nTWI (16) or nTWE (18) must be 1 for EL0; HCR_EL2.TWI (13), TWE (14)
 * and SCR_EL3.TWI (12), TWE (13) trap.
 */
function waiting(sctlrBit: number, hcrBit: number, scrBit: number): readonly TrapRule[] {
  return [
    { ...sctlr(sctlrBit), ec: EC_WFX },
    { ...hcr('rw', bits(hcrBit), [0, 1]), ec: EC_WFX },
    {
      from: [0, 1, 2],
      on: 'rw',
      slot: SYS_SCR_EL3,
      mask: bits(scrBit),
      pass: 'none',
      target: 3,
      ec: EC_WFX,
      needs: 'el3',
    },
  ];
}
export const WFI = waiting(16, 13, 12);
export const WFE = waiting(18, 14, 13);
