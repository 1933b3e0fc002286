import {
  bit,
  bits,
  type Register,
  type RegisterAccess,
  type RegisterField,
  type RegisterMap,
} from '../../base/register-map.ts';

/** Key of an AArch64 system register: as its fields lie in MRS and MSR, bits 20:5. */
export function sysregKey(op0: number, op1: number, crn: number, crm: number, op2: number): number {
  return (op0 << 14) | (op1 << 11) | (crn << 7) | (crm << 3) | op2;
}

/** What a CPU interface needs to know of the CPU that makes the access. */
export interface SysregContext {
  /** Exception level of the access. */
  readonly el: number;
  /** SCR_EL3.NS, true where there is no EL3. */
  readonly nonSecure: boolean;
  /** SCR_EL3.FIQ: Group 0 belongs to EL3, so Non-secure priorities are shown shifted. */
  readonly fiqToEl3: boolean;
  /** SCR_EL3.IRQ. */
  readonly irqToEl3: boolean;
}

/** The only context on a machine without EL3. */
export const SINGLE_STATE_CONTEXT: SysregContext = {
  el: 1,
  nonSecure: true,
  fiqToEl3: false,
  irqToEl3: false,
};

/** Where a system register is in a register map: keys are not byte addresses, so each gets 8 bytes. */
export function sysregOffset(key: number): number {
  return key * 8;
}

/** A system register, with an offset so that decoders can find it as they find a device's. */
export interface SystemRegister extends Register {
  readonly key: number;
  /** Lowest exception level that may use it. */
  readonly el: number;
}

export const ICC_PMR_EL1 = sysregKey(3, 0, 4, 6, 0);
export const ICC_IAR0_EL1 = sysregKey(3, 0, 12, 8, 0);
export const ICC_EOIR0_EL1 = sysregKey(3, 0, 12, 8, 1);
export const ICC_HPPIR0_EL1 = sysregKey(3, 0, 12, 8, 2);
export const ICC_BPR0_EL1 = sysregKey(3, 0, 12, 8, 3);
/** Four registers each, consecutive keys. */
export const ICC_AP0R0_EL1 = sysregKey(3, 0, 12, 8, 4);
export const ICC_AP1R0_EL1 = sysregKey(3, 0, 12, 9, 0);
export const ICC_DIR_EL1 = sysregKey(3, 0, 12, 11, 1);
export const ICC_RPR_EL1 = sysregKey(3, 0, 12, 11, 3);
export const ICC_SGI1R_EL1 = sysregKey(3, 0, 12, 11, 5);
export const ICC_ASGI1R_EL1 = sysregKey(3, 0, 12, 11, 6);
export const ICC_SGI0R_EL1 = sysregKey(3, 0, 12, 11, 7);
export const ICC_IAR1_EL1 = sysregKey(3, 0, 12, 12, 0);
export const ICC_EOIR1_EL1 = sysregKey(3, 0, 12, 12, 1);
export const ICC_HPPIR1_EL1 = sysregKey(3, 0, 12, 12, 2);
export const ICC_BPR1_EL1 = sysregKey(3, 0, 12, 12, 3);
export const ICC_CTLR_EL1 = sysregKey(3, 0, 12, 12, 4);
export const ICC_SRE_EL1 = sysregKey(3, 0, 12, 12, 5);
export const ICC_IGRPEN0_EL1 = sysregKey(3, 0, 12, 12, 6);
export const ICC_IGRPEN1_EL1 = sysregKey(3, 0, 12, 12, 7);
export const ICC_SRE_EL2 = sysregKey(3, 4, 12, 9, 5);
export const ICC_CTLR_EL3 = sysregKey(3, 6, 12, 12, 4);
export const ICC_SRE_EL3 = sysregKey(3, 6, 12, 12, 5);
export const ICC_IGRPEN1_EL3 = sysregKey(3, 6, 12, 12, 7);

const INTID: readonly RegisterField[] = [
  bits('INTID', 23, 0, 'interrupt; 1023 = none, 1020 and 1021 = one for the other security state'),
];
const PRIORITY: readonly RegisterField[] = [bits('Priority', 7, 0, 'lower value = more urgent')];
const BINARY_POINT: readonly RegisterField[] = [bits('BinaryPoint', 2, 0)];
const ENABLE: readonly RegisterField[] = [bit('Enable', 0)];
const LEVELS: readonly RegisterField[] = [bits('Levels', 31, 0, 'one bit per preemption level')];
const SGI: readonly RegisterField[] = [
  bits('TargetList', 15, 0, 'one bit per Aff0'),
  bits('Aff1', 23, 16),
  bits('INTID', 27, 24, 'SGI 0 to 15'),
  bits('Aff2', 39, 32),
  bit('IRM', 40, 'to all other CPUs'),
  bits('RS', 47, 44, 'range of Aff0; ignored'),
  bits('Aff3', 55, 48),
];
const SRE: readonly RegisterField[] = [
  bit('SRE', 0, 'system registers are used'),
  bit('DFB', 1, 'no FIQ bypass'),
  bit('DIB', 2, 'no IRQ bypass'),
  bit('Enable', 3, 'lower levels may use ICC_SRE'),
];
const CTLR: readonly RegisterField[] = [
  bit('CBPR', 0, 'ICC_BPR0_EL1 is used for Group 1 too'),
  bit('EOImode', 1, 'ICC_EOIR only drops the priority; ICC_DIR_EL1 deactivates'),
  bit('PMHE', 6),
  bits('PRIbits', 10, 8, 'priority bits - 1'),
  { name: 'IDbits', hi: 13, lo: 11, values: { 0: '16 bits', 1: '24 bits' } },
  bit('SEIS', 14),
  bit('A3V', 15, 'Aff3 may be non-zero'),
  bit('RSS', 18),
  bit('ExtRange', 19),
];
const CTLR_EL3: readonly RegisterField[] = [
  bit('CBPR_EL1S', 0),
  bit('CBPR_EL1NS', 1),
  bit('EOImode_EL3', 2),
  bit('EOImode_EL1S', 3),
  bit('EOImode_EL1NS', 4),
  bit('RM', 5),
  bit('PMHE', 6),
  bits('PRIbits', 10, 8, 'priority bits - 1'),
  { name: 'IDbits', hi: 13, lo: 11, values: { 0: '16 bits', 1: '24 bits' } },
  bit('SEIS', 14),
  bit('A3V', 15),
  bit('nDS', 17, 'security cannot be disabled'),
];

function register(
  name: string,
  key: number,
  access: RegisterAccess,
  fields: readonly RegisterField[],
  meaning: string,
  el = 1,
  width: 4 | 8 = 4,
): SystemRegister {
  return { name, key, offset: sysregOffset(key), width, access, fields, meaning, el };
}

const activePriorities = (group: number, key: number): SystemRegister[] =>
  [0, 1, 2, 3].map((n) =>
    register(`ICC_AP${group}R${n}_EL1`, key + n, 'RW', LEVELS, `active priorities of Group ${group}`),
  );

/** Every system register of the physical CPU interface. */
export const ICC_REGISTERS: readonly SystemRegister[] = [
  register('ICC_PMR_EL1', ICC_PMR_EL1, 'RW', PRIORITY, 'only priority values below this are signalled'),
  register('ICC_IAR0_EL1', ICC_IAR0_EL1, 'RO', INTID, 'reading acknowledges a Group 0 interrupt'),
  register('ICC_EOIR0_EL1', ICC_EOIR0_EL1, 'WO', INTID, 'end of a Group 0 interrupt'),
  register('ICC_HPPIR0_EL1', ICC_HPPIR0_EL1, 'RO', INTID, 'highest priority pending, if in Group 0'),
  register('ICC_BPR0_EL1', ICC_BPR0_EL1, 'RW', BINARY_POINT, 'group priority is bits 7 to this + 1'),
  ...activePriorities(0, ICC_AP0R0_EL1),
  ...activePriorities(1, ICC_AP1R0_EL1),
  register('ICC_DIR_EL1', ICC_DIR_EL1, 'WO', INTID, 'deactivates an interrupt (EOImode 1)'),
  register('ICC_RPR_EL1', ICC_RPR_EL1, 'RO', PRIORITY, 'running priority; 0xFF = idle'),
  register('ICC_SGI1R_EL1', ICC_SGI1R_EL1, 'WO', SGI, 'sends a Group 1 SGI', 1, 8),
  register('ICC_ASGI1R_EL1', ICC_ASGI1R_EL1, 'WO', SGI, "sends the other state's Group 1 SGI", 1, 8),
  register('ICC_SGI0R_EL1', ICC_SGI0R_EL1, 'WO', SGI, 'sends a Group 0 SGI', 1, 8),
  register('ICC_IAR1_EL1', ICC_IAR1_EL1, 'RO', INTID, 'reading acknowledges a Group 1 interrupt'),
  register('ICC_EOIR1_EL1', ICC_EOIR1_EL1, 'WO', INTID, 'end of a Group 1 interrupt'),
  register('ICC_HPPIR1_EL1', ICC_HPPIR1_EL1, 'RO', INTID, 'highest priority pending, if in Group 1'),
  register('ICC_BPR1_EL1', ICC_BPR1_EL1, 'RW', BINARY_POINT, 'group priority is bits 7 to this (Non-secure)'),
  register('ICC_CTLR_EL1', ICC_CTLR_EL1, 'RW', CTLR, 'control of the CPU interface'),
  register('ICC_SRE_EL1', ICC_SRE_EL1, 'RW', SRE.slice(0, 3), 'constant: system registers only'),
  register('ICC_IGRPEN0_EL1', ICC_IGRPEN0_EL1, 'RW', ENABLE, 'signal Group 0'),
  register('ICC_IGRPEN1_EL1', ICC_IGRPEN1_EL1, 'RW', ENABLE, 'signal Group 1 of the current state'),
  register('ICC_SRE_EL2', ICC_SRE_EL2, 'RW', SRE, 'constant: system registers only', 2),
  register('ICC_CTLR_EL3', ICC_CTLR_EL3, 'RW', CTLR_EL3, 'control of the CPU interface, both states', 3),
  register('ICC_SRE_EL3', ICC_SRE_EL3, 'RW', SRE, 'constant: system registers only', 3),
  register(
    'ICC_IGRPEN1_EL3',
    ICC_IGRPEN1_EL3,
    'RW',
    [bit('EnableGrp1NS', 0), bit('EnableGrp1S', 1)],
    'signal Group 1 of either state',
    3,
  ),
];

/** The same as a register map, for decoders: offset = sysregOffset(key). */
export const GICV3_CPU_INTERFACE: RegisterMap = {
  device: 'gicc-sysreg',
  reference: 'Arm IHI 0069 section 12.2',
  registers: ICC_REGISTERS,
};
