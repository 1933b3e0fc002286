import type { CpuConfig } from '../cpu-models.ts';
import { SYS_HCR_EL2, SYS_SCTLR_EL1 } from '../helpers/layout.ts';
import { sysregKey } from './sysreg-key.ts';
import { isSecure } from './sysreg-security.ts';
import { SLOT_CSSELR_EL1, SLOT_MPIDR_EL1, SLOT_VMPIDR_EL2, SLOT_VPIDR_EL2 } from './sysreg-slots.ts';
import { TID1, TID2, TID2_EL0, TID3, UCT } from './sysreg-traps.ts';
import type { SysregContext, SysregDefinition } from './sysreg-types.ts';

/** op0=3, op1=0, CRn=0: CRm 1–7 by op2. What has no name is reserved and reads as zero (Arm ARM C5.1.2). */
const ID_SPACE: { readonly [crm: number]: readonly (string | undefined)[] } = {
  1: [
    'ID_PFR0_EL1',
    'ID_PFR1_EL1',
    'ID_DFR0_EL1',
    'ID_AFR0_EL1',
    'ID_MMFR0_EL1',
    'ID_MMFR1_EL1',
    'ID_MMFR2_EL1',
    'ID_MMFR3_EL1',
  ],
  2: [
    'ID_ISAR0_EL1',
    'ID_ISAR1_EL1',
    'ID_ISAR2_EL1',
    'ID_ISAR3_EL1',
    'ID_ISAR4_EL1',
    'ID_ISAR5_EL1',
    'ID_MMFR4_EL1',
    'ID_ISAR6_EL1',
  ],
  3: ['MVFR0_EL1', 'MVFR1_EL1', 'MVFR2_EL1', undefined, 'ID_PFR2_EL1', 'ID_DFR1_EL1', 'ID_MMFR5_EL1'],
  4: [
    'ID_AA64PFR0_EL1',
    'ID_AA64PFR1_EL1',
    'ID_AA64PFR2_EL1',
    undefined,
    'ID_AA64ZFR0_EL1',
    'ID_AA64SMFR0_EL1',
  ],
  5: ['ID_AA64DFR0_EL1', 'ID_AA64DFR1_EL1', undefined, undefined, 'ID_AA64AFR0_EL1', 'ID_AA64AFR1_EL1'],
  6: ['ID_AA64ISAR0_EL1', 'ID_AA64ISAR1_EL1', 'ID_AA64ISAR2_EL1'],
  7: ['ID_AA64MMFR0_EL1', 'ID_AA64MMFR1_EL1', 'ID_AA64MMFR2_EL1', 'ID_AA64MMFR3_EL1', 'ID_AA64MMFR4_EL1'],
};

function idSpace(): SysregDefinition[] {
  const definitions: SysregDefinition[] = [];
  for (let crm = 1; crm <= 7; crm++) {
    for (let op2 = 0; op2 < 8; op2++) {
      const name = ID_SPACE[crm]?.[op2];
      definitions.push({
        name: name ?? `RES_S3_0_C0_C${crm}_${op2}`,
        key: sysregKey(3, 0, 0, crm, op2),
        read: 1,
        constant: name === undefined ? 0n : (config) => config.id(name),
        traps: TID3,
      });
    }
  }
  return definitions;
}

/** EL1 sees what EL2 put into VPIDR and VMPIDR, in Non-secure state (Arm ARM D17.2.158, D17.2.150). */
function virtualised(context: SysregContext, config: CpuConfig): boolean {
  return context.el() === 1 && config.el2 && !isSecure(context, config);
}

const DCZID_DZP = 1n << 4n;

/** DZP tells whether DC ZVA would trap here: EL0 by SCTLR_EL1.DZE, EL0 and EL1 by HCR_EL2.TDZ. */
function dczid(context: SysregContext, config: CpuConfig): bigint {
  const el = context.el();
  const blockedEl0 = el === 0 && (context.slots.lo(SYS_SCTLR_EL1) & (1 << 14)) === 0;
  const blockedEl2 =
    el < 2 && config.el2 && !isSecure(context, config) && (context.slots.lo(SYS_HCR_EL2) & (1 << 28)) !== 0;
  return config.id('DCZID_EL0') | (blockedEl0 || blockedEl2 ? DCZID_DZP : 0n);
}

/** Identification and cache geometry. */
export const ID_REGISTERS: readonly SysregDefinition[] = [
  {
    name: 'MIDR_EL1',
    key: sysregKey(3, 0, 0, 0, 0),
    read: 1,
    constant: (config, el) => (el === 1 && config.el2 ? undefined : config.id('MIDR_EL1')),
    get: (context, config) =>
      virtualised(context, config) ? context.slots.get(SLOT_VPIDR_EL2) : config.id('MIDR_EL1'),
  },
  {
    // Differs between CPUs, which share translated blocks: a slot although nothing ever writes it.
    name: 'MPIDR_EL1',
    key: sysregKey(3, 0, 0, 0, 5),
    read: 1,
    when: (config) => !config.el2,
    slot: SLOT_MPIDR_EL1,
    reset: (config, cpu) => config.mpidr(cpu),
  },
  {
    name: 'MPIDR_EL1',
    key: sysregKey(3, 0, 0, 0, 5),
    read: 1,
    when: (config) => config.el2,
    get: (context, config) =>
      virtualised(context, config) ? context.slots.get(SLOT_VMPIDR_EL2) : config.mpidr(context.cpu),
  },
  {
    name: 'REVIDR_EL1',
    key: sysregKey(3, 0, 0, 0, 6),
    read: 1,
    constant: (config) => config.id('REVIDR_EL1'),
    traps: TID1,
  },
  ...idSpace(),
  {
    name: 'CCSIDR_EL1',
    key: sysregKey(3, 1, 0, 0, 0),
    read: 1,
    get: (context, config) => config.ccsidr(context.slots.lo(SLOT_CSSELR_EL1) & 15),
    traps: TID2,
  },
  {
    name: 'CLIDR_EL1',
    key: sysregKey(3, 1, 0, 0, 1),
    read: 1,
    constant: (config) => config.id('CLIDR_EL1'),
    traps: TID2,
  },
  { name: 'AIDR_EL1', key: sysregKey(3, 1, 0, 0, 7), read: 1, constant: 0n, traps: TID1 },
  {
    name: 'CSSELR_EL1',
    key: sysregKey(3, 2, 0, 0, 0),
    read: 1,
    write: 1,
    slot: SLOT_CSSELR_EL1,
    mask: 0xfn,
    traps: TID2,
  },
  {
    name: 'CTR_EL0',
    key: sysregKey(3, 3, 0, 0, 1),
    read: 0,
    constant: (config) => config.id('CTR_EL0'),
    traps: [...UCT, ...TID2_EL0],
  },
  {
    name: 'DCZID_EL0',
    key: sysregKey(3, 3, 0, 0, 7),
    read: 0,
    constant: (config, el) => (el === 0 || (el === 1 && config.el2) ? undefined : config.id('DCZID_EL0')),
    get: dczid,
  },
];
