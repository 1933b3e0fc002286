import { bit, bits, type RegisterField, type RegisterMap } from '../../base/register-map.ts';

/** 32 one-bit fields or 16 two-bit ones would say nothing the register's name does not. */
const INTERRUPTS = (meaning: string): readonly RegisterField[] => [bits('INTIDs', 31, 0, meaning)];

const INTID_CPUID: readonly RegisterField[] = [
  bits('CPUID', 12, 10, 'CPU that requested an SGI'),
  bits('INTID', 9, 0, 'interrupt; 1023 = none, 1022 = only Group 1, which this access may not take'),
];

const PRIORITY: readonly RegisterField[] = [bits('Priority', 7, 0, 'lower value = more urgent')];
const BINARY_POINT: readonly RegisterField[] = [
  bits('BinaryPoint', 2, 0, 'group priority is bits 7 to this value + 1'),
];

/** Primecell identification, the same layout in both frames that have it. */
export function identification(values: readonly number[], first: number) {
  const names = ['PIDR4', 'PIDR5', 'PIDR6', 'PIDR7', 'PIDR0', 'PIDR1', 'PIDR2', 'PIDR3'];
  const all = [...names, 'CIDR0', 'CIDR1', 'CIDR2', 'CIDR3'];
  return (prefix: string) =>
    all.map((name, i) => ({
      name: `${prefix}_${name}`,
      offset: first + 4 * i,
      width: 4 as const,
      access: 'RO' as const,
      reset: values[i]!,
      ...(name === 'PIDR2' ? { fields: [bits('ArchRev', 7, 4, 'GIC architecture version')] } : {}),
    }));
}

/** Offset 0xFD0 on. */
export const GICV2_ID = [0x04, 0, 0, 0, 0x90, 0xb4, 0x2b, 0, 0x0d, 0xf0, 0x05, 0xb1] as const;

export const GICV2_DISTRIBUTOR: RegisterMap = {
  device: 'gicv2-distributor',
  reference: 'Arm IHI 0048B section 4.3',
  registers: [
    {
      name: 'GICD_CTLR',
      offset: 0x000,
      width: 4,
      access: 'RW',
      reset: 0,
      meaning: 'forwarding of interrupts to the CPU interfaces; a Non-secure access sees EnableGrp1 in bit 0',
      fields: [bit('EnableGrp0', 0, 'forward Group 0'), bit('EnableGrp1', 1, 'forward Group 1')],
    },
    {
      name: 'GICD_TYPER',
      offset: 0x004,
      width: 4,
      access: 'RO',
      fields: [
        bits('ITLinesNumber', 4, 0, '32 * (this + 1) interrupts'),
        bits('CPUNumber', 7, 5, 'CPU interfaces - 1'),
        bit('SecurityExtn', 10, 'two security states'),
        bits('LSPI', 15, 11, 'lockable SPIs'),
      ],
    },
    {
      name: 'GICD_IIDR',
      offset: 0x008,
      width: 4,
      access: 'RO',
      reset: 0x43b,
      fields: [
        bits('Implementer', 11, 0),
        bits('Revision', 15, 12),
        bits('Variant', 19, 16),
        bits('ProductID', 31, 24),
      ],
    },
    {
      name: 'GICD_IGROUPR',
      offset: 0x080,
      width: 4,
      count: 32,
      access: 'RW',
      reset: 0,
      meaning: 'group of 32 interrupts',
      fields: INTERRUPTS('1 = Group 1'),
    },
    {
      name: 'GICD_ISENABLER',
      offset: 0x100,
      width: 4,
      count: 32,
      access: 'RW',
      meaning: 'enables 32 interrupts',
      fields: INTERRUPTS('write 1 = enable'),
    },
    {
      name: 'GICD_ICENABLER',
      offset: 0x180,
      width: 4,
      count: 32,
      access: 'RW',
      meaning: 'disables 32 interrupts',
      fields: INTERRUPTS('write 1 = disable'),
    },
    {
      name: 'GICD_ISPENDR',
      offset: 0x200,
      width: 4,
      count: 32,
      access: 'RW',
      reset: 0,
      meaning: 'makes 32 interrupts pending',
      fields: INTERRUPTS('write 1 = set pending'),
    },
    {
      name: 'GICD_ICPENDR',
      offset: 0x280,
      width: 4,
      count: 32,
      access: 'RW',
      reset: 0,
      meaning: 'unpends 32 interrupts',
      fields: INTERRUPTS('write 1 = clear pending'),
    },
    {
      name: 'GICD_ISACTIVER',
      offset: 0x300,
      width: 4,
      count: 32,
      access: 'RW',
      reset: 0,
      meaning: 'activates 32 interrupts',
      fields: INTERRUPTS('write 1 = set active'),
    },
    {
      name: 'GICD_ICACTIVER',
      offset: 0x380,
      width: 4,
      count: 32,
      access: 'RW',
      reset: 0,
      meaning: 'deactivates 32 interrupts',
      fields: INTERRUPTS('write 1 = clear active'),
    },
    {
      name: 'GICD_IPRIORITYR',
      offset: 0x400,
      width: 1,
      count: 1020,
      access: 'RW',
      reset: 0,
      meaning: 'priority of an interrupt',
      fields: PRIORITY,
    },
    {
      name: 'GICD_ITARGETSR',
      offset: 0x800,
      width: 1,
      count: 1020,
      access: 'RW',
      meaning: 'CPUs an SPI goes to; for private interrupts the reading CPU',
      fields: [bits('CPUTargets', 7, 0, 'one bit per CPU interface')],
    },
    {
      name: 'GICD_ICFGR',
      offset: 0xc00,
      width: 4,
      count: 64,
      access: 'RW',
      meaning: 'trigger of 16 interrupts, 2 bits each',
      fields: INTERRUPTS('upper bit of a pair: 1 = edge, 0 = level'),
    },
    {
      name: 'GICD_NSACR',
      offset: 0xe00,
      width: 4,
      count: 64,
      access: 'RAZ/WI',
      reset: 0,
      meaning: 'Non-secure access to Group 0 interrupts (not implemented)',
    },
    {
      name: 'GICD_SGIR',
      offset: 0xf00,
      width: 4,
      access: 'WO',
      meaning: 'sends an SGI',
      fields: [
        {
          name: 'TargetListFilter',
          hi: 25,
          lo: 24,
          values: { 0: 'CPUTargetList', 1: 'all others', 2: 'self' },
        },
        bits('CPUTargetList', 23, 16, 'one bit per CPU interface'),
        bit('NSATT', 15, 'Secure access: send only where the SGI is in this group'),
        bits('SGIINTID', 3, 0),
      ],
    },
    {
      name: 'GICD_CPENDSGIR',
      offset: 0xf10,
      width: 1,
      count: 16,
      access: 'RW',
      reset: 0,
      meaning: 'unpends an SGI, per source CPU',
      fields: [bits('Sources', 7, 0, 'one bit per requesting CPU')],
    },
    {
      name: 'GICD_SPENDSGIR',
      offset: 0xf20,
      width: 1,
      count: 16,
      access: 'RW',
      reset: 0,
      meaning: 'makes an SGI pending, per source CPU',
      fields: [bits('Sources', 7, 0, 'one bit per requesting CPU')],
    },
    ...identification(GICV2_ID, 0xfd0)('GICD'),
  ],
};

export const GICC_ENABLE_GRP0 = 1 << 0;
export const GICC_ENABLE_GRP1 = 1 << 1;
export const GICC_ACK_CTL = 1 << 2;
export const GICC_FIQ_EN = 1 << 3;
export const GICC_CBPR = 1 << 4;
export const GICC_EOIMODE = 1 << 9;
export const GICC_EOIMODE_NS = 1 << 10;

/** Words of active priorities: 8 priority bits, of which 7 preempt, give 128 levels. */
export const APR_WORDS = 4;
/** Smallest binary points: GICC_BPR and GICC_ABPR (IHI 0048B table 3-2). */
export const MIN_BPR = 0;
export const MIN_ABPR = 1;

export const GICV2_CPU_INTERFACE: RegisterMap = {
  device: 'gicv2-cpu-interface',
  reference: 'Arm IHI 0048B section 4.4',
  registers: [
    {
      name: 'GICC_CTLR',
      offset: 0x000,
      width: 4,
      access: 'RW',
      reset: 0,
      meaning: 'signalling to this CPU; a Non-secure access sees EnableGrp1 in bit 0 and EOImodeNS in bit 9',
      fields: [
        bit('EnableGrp0', 0, 'signal Group 0'),
        bit('EnableGrp1', 1, 'signal Group 1'),
        bit('AckCtl', 2, 'GICC_IAR also acknowledges Group 1'),
        bit('FIQEn', 3, 'Group 0 is signalled as FIQ'),
        bit('CBPR', 4, 'GICC_BPR is used for Group 1 too'),
        bit('FIQBypDisGrp0', 5),
        bit('IRQBypDisGrp0', 6),
        bit('FIQBypDisGrp1', 7),
        bit('IRQBypDisGrp1', 8),
        bit('EOImode', 9, 'GICC_EOIR only drops the priority; GICC_DIR deactivates'),
        bit('EOImodeNS', 10, 'EOImode of Non-secure accesses'),
      ],
    },
    {
      name: 'GICC_PMR',
      offset: 0x004,
      width: 4,
      access: 'RW',
      reset: 0,
      meaning: 'only interrupts with a priority value below this are signalled',
      fields: PRIORITY,
    },
    {
      name: 'GICC_BPR',
      offset: 0x008,
      width: 4,
      access: 'RW',
      reset: 0,
      meaning: 'where the priority is split into group priority and subpriority',
      fields: BINARY_POINT,
    },
    {
      name: 'GICC_IAR',
      offset: 0x00c,
      width: 4,
      access: 'RO',
      reset: 0x3ff,
      meaning: 'reading acknowledges the interrupt',
      fields: INTID_CPUID,
    },
    {
      name: 'GICC_EOIR',
      offset: 0x010,
      width: 4,
      access: 'WO',
      meaning: 'end of interrupt: priority drop and, with EOImode 0, deactivation',
      fields: INTID_CPUID,
    },
    {
      name: 'GICC_RPR',
      offset: 0x014,
      width: 4,
      access: 'RO',
      reset: 0xff,
      meaning: 'running priority; 0xFF = idle',
      fields: PRIORITY,
    },
    {
      name: 'GICC_HPPIR',
      offset: 0x018,
      width: 4,
      access: 'RO',
      reset: 0x3ff,
      meaning: 'highest priority pending interrupt',
      fields: INTID_CPUID,
    },
    {
      name: 'GICC_ABPR',
      offset: 0x01c,
      width: 4,
      access: 'RW',
      reset: 1,
      meaning: 'binary point for Group 1',
      fields: BINARY_POINT,
    },
    {
      name: 'GICC_AIAR',
      offset: 0x020,
      width: 4,
      access: 'RO',
      reset: 0x3ff,
      meaning: 'reading acknowledges a Group 1 interrupt',
      fields: INTID_CPUID,
    },
    {
      name: 'GICC_AEOIR',
      offset: 0x024,
      width: 4,
      access: 'WO',
      meaning: 'end of a Group 1 interrupt',
      fields: INTID_CPUID,
    },
    {
      name: 'GICC_AHPPIR',
      offset: 0x028,
      width: 4,
      access: 'RO',
      reset: 0x3ff,
      meaning: 'highest priority pending interrupt if in Group 1',
      fields: INTID_CPUID,
    },
    {
      name: 'GICC_APR',
      offset: 0x0d0,
      width: 4,
      count: 4,
      access: 'RW',
      reset: 0,
      meaning: 'active priorities of Group 0',
      fields: [bits('Levels', 31, 0, 'one bit per preemption level')],
    },
    {
      name: 'GICC_NSAPR',
      offset: 0x0e0,
      width: 4,
      count: 4,
      access: 'RW',
      reset: 0,
      meaning: 'active priorities of Group 1',
      fields: [bits('Levels', 31, 0, 'one bit per preemption level')],
    },
    {
      name: 'GICC_IIDR',
      offset: 0x0fc,
      width: 4,
      access: 'RO',
      reset: 0x0002_043b,
      fields: [
        bits('Implementer', 11, 0),
        bits('Revision', 15, 12),
        bits('ArchitectureVersion', 19, 16),
        bits('ProductID', 31, 20),
      ],
    },
    {
      name: 'GICC_DIR',
      offset: 0x1000,
      width: 4,
      access: 'WO',
      meaning: 'deactivates an interrupt (EOImode 1)',
      fields: INTID_CPUID,
    },
  ],
};
