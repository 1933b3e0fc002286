import type { CpuConfig } from '../cpu-models.ts';
import {
  SYS_APIAKEYLO,
  SYS_CPACR_EL1,
  SYS_ELR_EL1,
  SYS_ESR_EL1,
  SYS_FAR_EL1,
  SYS_MAIR_EL1,
  SYS_PAR_EL1,
  SYS_SCTLR_EL1,
  SYS_SPSR_EL1,
  SYS_TCR_EL1,
  SYS_TPIDR_EL0,
  SYS_TPIDR_EL1,
  SYS_TPIDRRO_EL0,
  SYS_TTBR0_EL1,
  SYS_TTBR1_EL1,
  SYS_VBAR_EL1,
} from '../helpers/layout.ts';
import { sysregKey } from './sysreg-key.ts';
import { SLOT_CONTEXTIDR_EL1, SLOT_DISR_EL1, SLOT_SCXTNUM_EL0, SLOT_SCXTNUM_EL1 } from './sysreg-slots.ts';
import { APK, FP, SCXTNUM, TACR, TCPAC, TIDCP, TLOR, UMA, VM_CONTROLS } from './sysreg-traps.ts';
import type { El, SpecialRegister, SysregDefinition, TrapRule } from './sysreg-types.ts';

export const ALL_BITS = 0xffff_ffff_ffff_ffffn;
/** QEMU: VBAR clears only the bits that the 32-bit form calls RES0, not 10:5 (observed on 7.2). */
export const VBAR_MASK = ALL_BITS & ~0x1fn;

/** EE and E0E: RES0 where no mixed-endian support is announced. */
const SCTLR_ENDIAN = 3n << 24n;

/**
 * Writable bits of SCTLR_EL1 and SCTLR_EL2. QEMU: RES0 bits are stored, but for the tag-checking ones without
 * FEAT_MTE (ATA, ATA0, TCF, TCF0, ITFSB: 43:37). Those for big-endian data are not, so that who sets them sees it.
 */
export function sctlrMask(config: CpuConfig): bigint {
  const mask = config.features.has('FEAT_MTE2') ? ALL_BITS : ALL_BITS & ~(0x7fn << 37n);
  return mask & ~SCTLR_ENDIAN;
}

function special(
  name: SpecialRegister,
  key: number,
  read: El,
  write: El | undefined,
  more: { when?: (config: CpuConfig) => boolean; traps?: readonly TrapRule[] } = {},
): SysregDefinition {
  return write === undefined
    ? { name, key, read, special: name, ...more }
    : { name, key, read, write, special: name, ...more };
}

const feature = (name: string) => ({ when: (config: CpuConfig) => config.features.has(name) });

/** IMPLEMENTATION DEFINED registers of these models read 0 and ignore writes (virt-board.md 3.3 notes). */
function impdef(name: string, key: number): SysregDefinition {
  return { name, key, read: 1, write: 1, constant: 0n, when: (c) => c.impdefCortexA, traps: [TIDCP] };
}

/** A virtual memory control of EL1 (trapped by HCR_EL2.TVM and TRVM). Without a slot it reads as zero. */
function control(
  name: string,
  key: number,
  slot: number | undefined,
  more: Partial<SysregDefinition> = {},
): SysregDefinition {
  const base = { name, key, read: 1, write: 1, traps: VM_CONTROLS } as const;
  return slot === undefined ? { ...base, constant: 0n } : { ...base, slot, ...more };
}

/** Keys of pointer authentication, in two halves each. */
function keyRegisters(): SysregDefinition[] {
  return ['APIA', 'APIB', 'APDA', 'APDB', 'APGA'].flatMap((name, i) =>
    ['Lo', 'Hi'].map(
      (half, j): SysregDefinition => ({
        name: `${name}Key${half}_EL1`,
        key: sysregKey(3, 0, 2, 1 + (i >> 1), (i & 1) * 2 + j),
        read: 1,
        write: 1,
        slot: SYS_APIAKEYLO + i * 2 + j,
        traps: APK,
        ...feature('FEAT_PAuth'),
      }),
    ),
  );
}

/** FEAT_RNG: random numbers are an input of the machine, and there always is one (PSTATE.NZCV = 0). */
function randomNumbers(): SysregDefinition[] {
  return ['RNDR', 'RNDRRS'].map((name, op2) => ({
    name,
    key: sysregKey(3, 3, 2, 4, op2),
    read: 0,
    get: (context) => {
      context.writeSpecial('NZCV', 0n);
      return context.random();
    },
    ...feature('FEAT_RNG'),
  }));
}

/** PSTATE, control, translation, exception and thread registers of EL1 and EL0. */
export const EL1_REGISTERS: readonly SysregDefinition[] = [
  control('SCTLR_EL1', sysregKey(3, 0, 1, 0, 0), SYS_SCTLR_EL1, {
    mask: sctlrMask,
    reset: (config) => config.sctlrReset,
    effect: 'translation',
  }),
  { name: 'ACTLR_EL1', key: sysregKey(3, 0, 1, 0, 1), read: 1, write: 1, constant: 0n, traps: TACR },
  {
    name: 'CPACR_EL1',
    key: sysregKey(3, 0, 1, 0, 2),
    read: 1,
    write: 1,
    slot: SYS_CPACR_EL1,
    effect: 'context',
    traps: TCPAC,
  },
  control('TTBR0_EL1', sysregKey(3, 0, 2, 0, 0), SYS_TTBR0_EL1, { effect: 'translation' }),
  control('TTBR1_EL1', sysregKey(3, 0, 2, 0, 1), SYS_TTBR1_EL1, { effect: 'translation' }),
  ...keyRegisters(),
  ...randomNumbers(),
  control('TCR_EL1', sysregKey(3, 0, 2, 0, 2), SYS_TCR_EL1, { effect: 'translation' }),
  { name: 'SPSR_EL1', key: sysregKey(3, 0, 4, 0, 0), read: 1, write: 1, slot: SYS_SPSR_EL1 },
  { name: 'ELR_EL1', key: sysregKey(3, 0, 4, 0, 1), read: 1, write: 1, slot: SYS_ELR_EL1 },
  special('SP_EL0', sysregKey(3, 0, 4, 1, 0), 1, 1),
  special('SPSel', sysregKey(3, 0, 4, 2, 0), 1, 1),
  special('CurrentEL', sysregKey(3, 0, 4, 2, 2), 1, undefined),
  special('PAN', sysregKey(3, 0, 4, 2, 3), 1, 1, feature('FEAT_PAN')),
  special('UAO', sysregKey(3, 0, 4, 2, 4), 1, 1, feature('FEAT_UAO')),
  control('AFSR0_EL1', sysregKey(3, 0, 5, 1, 0), undefined),
  control('AFSR1_EL1', sysregKey(3, 0, 5, 1, 1), undefined),
  {
    // No error records.
    name: 'ERRIDR_EL1',
    key: sysregKey(3, 0, 5, 3, 0),
    read: 1,
    constant: 0n,
    ...feature('FEAT_RAS'),
  },
  control('ESR_EL1', sysregKey(3, 0, 5, 2, 0), SYS_ESR_EL1),
  control('FAR_EL1', sysregKey(3, 0, 6, 0, 0), SYS_FAR_EL1),
  { name: 'PAR_EL1', key: sysregKey(3, 0, 7, 4, 0), read: 1, write: 1, slot: SYS_PAR_EL1 },
  control('MAIR_EL1', sysregKey(3, 0, 10, 2, 0), SYS_MAIR_EL1, { effect: 'translation' }),
  control('AMAIR_EL1', sysregKey(3, 0, 10, 3, 0), undefined),
  ...[0, 1, 2, 3].map(
    (n): SysregDefinition => ({
      name: ['LORSA_EL1', 'LOREA_EL1', 'LORN_EL1', 'LORC_EL1'][n] as string,
      key: sysregKey(3, 0, 10, 4, n),
      read: 1,
      write: 1,
      constant: 0n,
      when: (config) => config.features.has('FEAT_LOR'),
      traps: TLOR,
    }),
  ),
  {
    name: 'LORID_EL1',
    key: sysregKey(3, 0, 10, 4, 7),
    read: 1,
    constant: 0n,
    when: (config) => config.features.has('FEAT_LOR'),
    traps: TLOR,
  },
  {
    name: 'VBAR_EL1',
    key: sysregKey(3, 0, 12, 0, 0),
    read: 1,
    write: 1,
    slot: SYS_VBAR_EL1,
    mask: VBAR_MASK,
  },
  {
    name: 'RVBAR_EL1',
    key: sysregKey(3, 0, 12, 0, 1),
    read: 1,
    constant: (config) => config.resetAddress,
    when: (config) => config.highestEl === 1,
  },
  {
    name: 'ISR_EL1',
    key: sysregKey(3, 0, 12, 1, 0),
    read: 1,
    get: (context) => BigInt(context.pendingInterrupts()),
  },
  {
    name: 'DISR_EL1',
    key: sysregKey(3, 0, 12, 1, 1),
    read: 1,
    write: 1,
    slot: SLOT_DISR_EL1,
    ...feature('FEAT_RAS'),
  },
  control('CONTEXTIDR_EL1', sysregKey(3, 0, 13, 0, 1), SLOT_CONTEXTIDR_EL1),
  { name: 'TPIDR_EL1', key: sysregKey(3, 0, 13, 0, 4), read: 1, write: 1, slot: SYS_TPIDR_EL1 },
  {
    // L2 control: the number of cores in bits 25:24, the rest depends on synthesis.
    name: 'L2CTLR_EL1',
    key: sysregKey(3, 1, 11, 0, 2),
    read: 1,
    write: 1,
    // QEMU: the count of the whole machine, beyond the two bits of the real register.
    constant: (config) => (BigInt(config.cpuCount - 1) << 24n) & 0xffff_ffffn,
    when: (config) => config.impdefCortexA,
    traps: [TIDCP],
  },
  impdef('L2ECTLR_EL1', sysregKey(3, 1, 11, 0, 3)),
  impdef('L2ACTLR_EL1', sysregKey(3, 1, 15, 0, 0)),
  impdef('CPUACTLR_EL1', sysregKey(3, 1, 15, 2, 0)),
  impdef('CPUECTLR_EL1', sysregKey(3, 1, 15, 2, 1)),
  impdef('CPUMERRSR_EL1', sysregKey(3, 1, 15, 2, 2)),
  impdef('L2MERRSR_EL1', sysregKey(3, 1, 15, 2, 3)),
  {
    // Base of the private peripherals, with bits above 31 folded into the low ones (virt-board.md 3.3 notes).
    name: 'CBAR_EL1',
    key: sysregKey(3, 1, 15, 3, 0),
    read: 1,
    constant: (config) => (config.peripheralBase & 0xfffc_0000n) | ((config.peripheralBase >> 32n) & 0xfffn),
    traps: [TIDCP],
  },
  special('NZCV', sysregKey(3, 3, 4, 2, 0), 0, 0),
  special('DAIF', sysregKey(3, 3, 4, 2, 1), 0, 0, { traps: UMA }),
  special('DIT', sysregKey(3, 3, 4, 2, 5), 0, 0, feature('FEAT_DIT')),
  special('SSBS', sysregKey(3, 3, 4, 2, 6), 0, 0, feature('FEAT_SSBS2')),
  special('TCO', sysregKey(3, 3, 4, 2, 7), 0, 0, feature('FEAT_MTE')),
  special('FPCR', sysregKey(3, 3, 4, 4, 0), 0, 0, { traps: FP }),
  special('FPSR', sysregKey(3, 3, 4, 4, 1), 0, 0, { traps: FP }),
  { name: 'TPIDR_EL0', key: sysregKey(3, 3, 13, 0, 2), read: 0, write: 0, slot: SYS_TPIDR_EL0 },
  ...([0, 1] as const).map(
    (el): SysregDefinition => ({
      name: `SCXTNUM_EL${el}`,
      key: sysregKey(3, el === 0 ? 3 : 0, 13, 0, 7),
      read: el,
      write: el,
      slot: el === 0 ? SLOT_SCXTNUM_EL0 : SLOT_SCXTNUM_EL1,
      traps: SCXTNUM,
      ...feature('FEAT_CSV2_2'),
    }),
  ),
  { name: 'TPIDRRO_EL0', key: sysregKey(3, 3, 13, 0, 3), read: 0, write: 1, slot: SYS_TPIDRRO_EL0 },
];
