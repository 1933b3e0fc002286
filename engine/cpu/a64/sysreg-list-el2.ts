import type { CpuConfig } from '../cpu-models.ts';
import {
  SYS_CPTR_EL2,
  SYS_CPTR_EL3,
  SYS_ELR_EL2,
  SYS_ELR_EL3,
  SYS_ESR_EL2,
  SYS_ESR_EL3,
  SYS_FAR_EL2,
  SYS_FAR_EL3,
  SYS_HCR_EL2,
  SYS_HPFAR_EL2,
  SYS_MAIR_EL2,
  SYS_MAIR_EL3,
  SYS_SCR_EL3,
  SYS_SCTLR_EL2,
  SYS_SCTLR_EL3,
  SYS_SP_EL1,
  SYS_SP_EL2,
  SYS_SPSR_EL2,
  SYS_SPSR_EL3,
  SYS_TCR_EL2,
  SYS_TCR_EL3,
  SYS_TTBR0_EL2,
  SYS_TTBR0_EL3,
  SYS_VBAR_EL2,
  SYS_VBAR_EL3,
  SYS_VTCR_EL2,
  SYS_VTTBR_EL2,
} from '../helpers/layout.ts';
import { sysregKey } from './sysreg-key.ts';
import { ALL_BITS, sctlrMask, VBAR_MASK } from './sysreg-list-el1.ts';
import {
  SLOT_DACR32_EL2,
  SLOT_FPEXC32_EL2,
  SLOT_HSTR_EL2,
  SLOT_IFSR32_EL2,
  SLOT_MDCR_EL2,
  SLOT_MDCR_EL3,
  SLOT_SCXTNUM_EL2,
  SLOT_SCXTNUM_EL3,
  SLOT_SDER32_EL3,
  SLOT_SPSR_ABT,
  SLOT_SPSR_FIQ,
  SLOT_SPSR_IRQ,
  SLOT_SPSR_UND,
  SLOT_TPIDR_EL2,
  SLOT_TPIDR_EL3,
  SLOT_VMPIDR_EL2,
  SLOT_VPIDR_EL2,
} from './sysreg-slots.ts';
import { FP, SCXTNUM, TCPAC } from './sysreg-traps.ts';
import type { SysregDefinition } from './sysreg-types.ts';

type More = Partial<SysregDefinition>;

/**
 * A register of EL2. With EL3 but without EL2 it is there for EL3 and RES0 (Arm ARM D1.2.2, "if EL2 is not
 * implemented but EL3 is").
 */
export function el2Register(
  name: string,
  key: number,
  slot: number | undefined,
  more: More = {},
): SysregDefinition[] {
  const base = { name, key, read: 2, write: 2 } as const;
  return [
    slot === undefined
      ? { ...base, constant: 0n, when: (c) => c.el2, ...more }
      : { ...base, slot, when: (c) => c.el2, ...more },
    { ...base, constant: 0n, when: (c) => !c.el2 && c.el3 },
  ];
}

function el3Register(name: string, key: number, slot: number | undefined, more: More = {}): SysregDefinition {
  const base = { name, key, read: 3, write: 3, when: (c: CpuConfig) => c.el3 } as const;
  return slot === undefined ? { ...base, constant: 0n, ...more } : { ...base, slot, ...more };
}

/** Holds a 32-bit register of a lower EL for AArch64; exists when either EL does. */
function shared(name: string, key: number, slot: number): SysregDefinition {
  return { name, key, read: 2, write: 2, slot, when: (c) => c.el2 || c.el3 };
}

/** HCR_EL2: 33:0, and one group of bits for each extension. HCD is only there without EL3. */
function hcrMask(config: CpuConfig): bigint {
  let mask = (1n << 34n) - 1n;
  if (config.el3) mask &= ~(1n << 29n);
  const add = (feature: string, bits: bigint) => {
    if (config.features.has(feature)) mask |= bits;
  };
  add('FEAT_VHE', 1n << 34n);
  add('FEAT_LOR', 1n << 35n);
  add('FEAT_RAS', 3n << 36n);
  add('FEAT_PAuth', 3n << 40n);
  add('FEAT_CSV2_2', 1n << 53n);
  return mask;
}

/** SCR_EL3: HCE (8) needs EL2. Bits 5:4 are RES1, 6 RES0. */
const SCR_ONES = 0x30n;
function scrMask(config: CpuConfig): bigint {
  let mask = config.el2 ? 0x3fbfn : 0x3ebfn;
  if (config.features.has('FEAT_LOR')) mask |= 1n << 14n;
  if (config.features.has('FEAT_RAS')) mask |= 1n << 15n;
  if (config.features.has('FEAT_PAuth')) mask |= 3n << 16n;
  if (config.features.has('FEAT_CSV2_2')) mask |= 1n << 25n;
  return mask;
}

/** EL3's tag-checking bits: ATA 43, TCF 41:40, ITFSB 37; the others belong to EL0. */
function sctlrEl3Mask(config: CpuConfig): bigint {
  return config.features.has('FEAT_MTE2') ? ALL_BITS : ALL_BITS & ~(0x59n << 37n);
}

/** Registers of EL2. Those of VHE, nested virtualisation and later extensions are not here: SPEC-GAP. */
export const EL2_REGISTERS: readonly SysregDefinition[] = [
  ...el2Register('VPIDR_EL2', sysregKey(3, 4, 0, 0, 0), SLOT_VPIDR_EL2, {
    reset: (config) => config.id('MIDR_EL1'),
  }).map((d): SysregDefinition => (d.slot === undefined ? { ...d, constant: (c) => c.id('MIDR_EL1') } : d)),
  ...el2Register('VMPIDR_EL2', sysregKey(3, 4, 0, 0, 5), SLOT_VMPIDR_EL2, {
    reset: (config, cpu) => config.mpidr(cpu),
  }).map((d): SysregDefinition => {
    if (d.slot !== undefined) return d;
    const { constant: _zero, ...rest } = d;
    return { ...rest, get: (context, config) => config.mpidr(context.cpu), set: () => {} };
  }),
  ...el2Register('SCTLR_EL2', sysregKey(3, 4, 1, 0, 0), SYS_SCTLR_EL2, {
    mask: sctlrMask,
    effect: 'translation',
  }),
  ...el2Register('ACTLR_EL2', sysregKey(3, 4, 1, 0, 1), undefined),
  ...el2Register('HCR_EL2', sysregKey(3, 4, 1, 1, 0), SYS_HCR_EL2, { mask: hcrMask, effect: 'system' }),
  ...el2Register('MDCR_EL2', sysregKey(3, 4, 1, 1, 1), SLOT_MDCR_EL2, {
    // HPMN: all counters belong to EL1.
    reset: (config) => BigInt(config.pmuCounters),
    get: ({ slots }) => slots.get(SLOT_MDCR_EL2),
    set: (context, value, _config, key) => {
      context.pmu.update(context.cpu, () => context.slots.set(SLOT_MDCR_EL2, value));
      context.changed('debug', key);
    },
  }),
  ...el2Register('CPTR_EL2', sysregKey(3, 4, 1, 1, 2), SYS_CPTR_EL2, { effect: 'context', traps: TCPAC }),
  ...el2Register('HSTR_EL2', sysregKey(3, 4, 1, 1, 3), SLOT_HSTR_EL2),
  ...el2Register('HACR_EL2', sysregKey(3, 4, 1, 1, 7), undefined),
  ...el2Register('TTBR0_EL2', sysregKey(3, 4, 2, 0, 0), SYS_TTBR0_EL2, { effect: 'translation' }),
  ...el2Register('TCR_EL2', sysregKey(3, 4, 2, 0, 2), SYS_TCR_EL2, { effect: 'translation' }),
  ...el2Register('VTTBR_EL2', sysregKey(3, 4, 2, 1, 0), SYS_VTTBR_EL2, { effect: 'translation' }),
  ...el2Register('VTCR_EL2', sysregKey(3, 4, 2, 1, 2), SYS_VTCR_EL2, { effect: 'translation' }),
  shared('DACR32_EL2', sysregKey(3, 4, 3, 0, 0), SLOT_DACR32_EL2),
  ...el2Register('SPSR_EL2', sysregKey(3, 4, 4, 0, 0), SYS_SPSR_EL2),
  ...el2Register('ELR_EL2', sysregKey(3, 4, 4, 0, 1), SYS_ELR_EL2),
  shared('SP_EL1', sysregKey(3, 4, 4, 1, 0), SYS_SP_EL1),
  ...el2Register('SPSR_irq', sysregKey(3, 4, 4, 3, 0), SLOT_SPSR_IRQ),
  ...el2Register('SPSR_abt', sysregKey(3, 4, 4, 3, 1), SLOT_SPSR_ABT),
  ...el2Register('SPSR_und', sysregKey(3, 4, 4, 3, 2), SLOT_SPSR_UND),
  ...el2Register('SPSR_fiq', sysregKey(3, 4, 4, 3, 3), SLOT_SPSR_FIQ),
  shared('IFSR32_EL2', sysregKey(3, 4, 5, 0, 1), SLOT_IFSR32_EL2),
  ...el2Register('AFSR0_EL2', sysregKey(3, 4, 5, 1, 0), undefined),
  ...el2Register('AFSR1_EL2', sysregKey(3, 4, 5, 1, 1), undefined),
  ...el2Register('ESR_EL2', sysregKey(3, 4, 5, 2, 0), SYS_ESR_EL2),
  { ...shared('FPEXC32_EL2', sysregKey(3, 4, 5, 3, 0), SLOT_FPEXC32_EL2), traps: FP },
  ...el2Register('FAR_EL2', sysregKey(3, 4, 6, 0, 0), SYS_FAR_EL2),
  ...el2Register('HPFAR_EL2', sysregKey(3, 4, 6, 0, 4), SYS_HPFAR_EL2),
  ...el2Register('MAIR_EL2', sysregKey(3, 4, 10, 2, 0), SYS_MAIR_EL2, { effect: 'translation' }),
  ...el2Register('AMAIR_EL2', sysregKey(3, 4, 10, 3, 0), undefined),
  ...el2Register('VBAR_EL2', sysregKey(3, 4, 12, 0, 0), SYS_VBAR_EL2, { mask: VBAR_MASK }),
  {
    name: 'RVBAR_EL2',
    key: sysregKey(3, 4, 12, 0, 1),
    read: 2,
    constant: (config) => config.resetAddress,
    when: (config) => config.highestEl === 2,
  },
  ...el2Register('TPIDR_EL2', sysregKey(3, 4, 13, 0, 2), SLOT_TPIDR_EL2),
  {
    name: 'SCXTNUM_EL2',
    key: sysregKey(3, 4, 13, 0, 7),
    read: 2,
    write: 2,
    slot: SLOT_SCXTNUM_EL2,
    when: (c) => c.el2 && c.features.has('FEAT_CSV2_2'),
    traps: SCXTNUM,
  },
];

export const EL3_REGISTERS: readonly SysregDefinition[] = [
  el3Register('SCTLR_EL3', sysregKey(3, 6, 1, 0, 0), SYS_SCTLR_EL3, {
    mask: sctlrEl3Mask,
    reset: (config) => config.sctlrReset,
    effect: 'translation',
  }),
  el3Register('ACTLR_EL3', sysregKey(3, 6, 1, 0, 1), undefined),
  el3Register('SCR_EL3', sysregKey(3, 6, 1, 1, 0), SYS_SCR_EL3, {
    mask: scrMask,
    ones: SCR_ONES,
    effect: 'system',
  }),
  el3Register('SDER32_EL3', sysregKey(3, 6, 1, 1, 1), SLOT_SDER32_EL3),
  el3Register('CPTR_EL3', sysregKey(3, 6, 1, 1, 2), SYS_CPTR_EL3, { effect: 'context' }),
  el3Register('MDCR_EL3', sysregKey(3, 6, 1, 3, 1), SLOT_MDCR_EL3, {
    get: ({ slots }) => slots.get(SLOT_MDCR_EL3),
    set: (context, value, _config, key) => {
      context.pmu.update(context.cpu, () => context.slots.set(SLOT_MDCR_EL3, value));
      context.changed('debug', key);
    },
  }),
  el3Register('TTBR0_EL3', sysregKey(3, 6, 2, 0, 0), SYS_TTBR0_EL3, { effect: 'translation' }),
  el3Register('TCR_EL3', sysregKey(3, 6, 2, 0, 2), SYS_TCR_EL3, { effect: 'translation' }),
  el3Register('SPSR_EL3', sysregKey(3, 6, 4, 0, 0), SYS_SPSR_EL3),
  el3Register('ELR_EL3', sysregKey(3, 6, 4, 0, 1), SYS_ELR_EL3),
  el3Register('SP_EL2', sysregKey(3, 6, 4, 1, 0), SYS_SP_EL2),
  el3Register('AFSR0_EL3', sysregKey(3, 6, 5, 1, 0), undefined),
  el3Register('AFSR1_EL3', sysregKey(3, 6, 5, 1, 1), undefined),
  el3Register('ESR_EL3', sysregKey(3, 6, 5, 2, 0), SYS_ESR_EL3),
  el3Register('FAR_EL3', sysregKey(3, 6, 6, 0, 0), SYS_FAR_EL3),
  el3Register('MAIR_EL3', sysregKey(3, 6, 10, 2, 0), SYS_MAIR_EL3, { effect: 'translation' }),
  el3Register('AMAIR_EL3', sysregKey(3, 6, 10, 3, 0), undefined),
  el3Register('VBAR_EL3', sysregKey(3, 6, 12, 0, 0), SYS_VBAR_EL3, { mask: VBAR_MASK }),
  {
    name: 'RVBAR_EL3',
    key: sysregKey(3, 6, 12, 0, 1),
    read: 3,
    constant: (config) => config.resetAddress,
    when: (config) => config.el3,
  },
  el3Register('TPIDR_EL3', sysregKey(3, 6, 13, 0, 2), SLOT_TPIDR_EL3),
  el3Register('SCXTNUM_EL3', sysregKey(3, 6, 13, 0, 7), SLOT_SCXTNUM_EL3, {
    when: (c) => c.el3 && c.features.has('FEAT_CSV2_2'),
  }),
];
