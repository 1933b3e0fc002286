import { bit, bits, type Register, type RegisterField, type RegisterMap } from '../../base/register-map.ts';
import { identification } from './gicv2-registers.ts';

/** Offset 0xFFD0 on of the distributor and of each redistributor; PIDR2 0x3B: GICv3. */
export const GICV3_DISTRIBUTOR_ID = [0x44, 0, 0, 0, 0x92, 0xb4, 0x3b, 0, 0x0d, 0xf0, 0x05, 0xb1] as const;
export const GICV3_REDISTRIBUTOR_ID = [0x44, 0, 0, 0, 0x93, 0xb4, 0x3b, 0, 0x0d, 0xf0, 0x05, 0xb1] as const;

export const GICD_CTLR_ENABLE_GRP0 = 1 << 0;
export const GICD_CTLR_ENABLE_GRP1NS = 1 << 1;
export const GICD_CTLR_ENABLE_GRP1S = 1 << 2;
export const GICD_CTLR_ARE_S = 1 << 4;
export const GICD_CTLR_ARE_NS = 1 << 5;
export const GICD_CTLR_DS = 1 << 6;

export const GICR_CTLR_ENABLE_LPIS = 1 << 0;
export const GICR_CTLR_CES = 1 << 1;
export const GICR_WAKER_PROCESSOR_SLEEP = 1 << 1;
export const GICR_WAKER_CHILDREN_ASLEEP = 1 << 2;

const REFERENCE = 'Arm IHI 0069';
const INTIDS = (meaning: string): readonly RegisterField[] => [bits('INTIDs', 31, 0, meaning)];

const IIDR_FIELDS: readonly RegisterField[] = [
  bits('Implementer', 11, 0),
  bits('Revision', 15, 12),
  bits('Variant', 19, 16),
  bits('ProductID', 31, 24),
];

/** Registers that distributor (SPIs) and redistributor (SGIs and PPIs) share, from `base` on. */
function interruptRegisters(prefix: string, suffix: string, base: number, words: number): Register[] {
  const bitmap = (name: string, offset: number, meaning: string, what: string): Register => ({
    name: `${prefix}_${name}${words === 1 ? suffix : ''}`,
    offset: base + offset,
    width: 4,
    ...(words === 1 ? {} : { count: words }),
    access: 'RW',
    reset: 0,
    meaning,
    fields: INTIDS(what),
  });
  return [
    bitmap('IGROUPR', 0x080, 'group of 32 interrupts', '1 = Group 1 (Non-secure)'),
    bitmap('ISENABLER', 0x100, 'enables 32 interrupts', 'write 1 = enable'),
    bitmap('ICENABLER', 0x180, 'disables 32 interrupts', 'write 1 = disable'),
    bitmap('ISPENDR', 0x200, 'makes 32 interrupts pending', 'write 1 = set pending'),
    bitmap('ICPENDR', 0x280, 'unpends 32 interrupts', 'write 1 = clear pending'),
    bitmap('ISACTIVER', 0x300, 'activates 32 interrupts', 'write 1 = set active'),
    bitmap('ICACTIVER', 0x380, 'deactivates 32 interrupts', 'write 1 = clear active'),
    {
      name: `${prefix}_IPRIORITYR`,
      offset: base + 0x400,
      width: 1,
      count: words * 32,
      access: 'RW',
      reset: 0,
      meaning: 'priority of an interrupt',
      fields: [bits('Priority', 7, 0, 'lower value = more urgent')],
    },
    {
      name: `${prefix}_ICFGR`,
      offset: base + 0xc00,
      width: 4,
      count: words * 2,
      access: 'RW',
      meaning: 'trigger of 16 interrupts, 2 bits each',
      fields: INTIDS('upper bit of a pair: 1 = edge, 0 = level'),
    },
    bitmap('IGRPMODR', 0xd00, 'group modifier of 32 interrupts', 'with IGROUPR 0: 1 = Secure Group 1'),
    {
      name: `${prefix}_NSACR`,
      offset: base + 0xe00,
      width: 4,
      ...(words === 1 ? {} : { count: words * 2 }),
      access: 'RW',
      reset: 0,
      meaning: 'Non-secure access to Secure interrupts, 2 bits each',
      fields: INTIDS('0 none, 1 set pending and SGI, 2 and clear pending, 3 and routing'),
    },
  ];
}

export const GICV3_DISTRIBUTOR: RegisterMap = {
  device: 'gicv3-distributor',
  reference: `${REFERENCE} section 12.9`,
  registers: [
    {
      name: 'GICD_CTLR',
      offset: 0x0000,
      width: 4,
      access: 'RW',
      meaning: 'a Non-secure access with two security states sees EnableGrp1NS in bit 1 and ARE_NS in bit 4',
      fields: [
        bit('EnableGrp0', 0, 'forward Group 0'),
        bit('EnableGrp1NS', 1, 'forward Non-secure Group 1'),
        bit('EnableGrp1S', 2, 'forward Secure Group 1'),
        bit('ARE_S', 4, 'affinity routing'),
        bit('ARE_NS', 5, 'affinity routing for the Non-secure side'),
        bit('DS', 6, 'a single security state'),
        bit('E1NWF', 7),
        bit('RWP', 31, 'a register write is still pending'),
      ],
    },
    {
      name: 'GICD_TYPER',
      offset: 0x0004,
      width: 4,
      access: 'RO',
      fields: [
        bits('ITLinesNumber', 4, 0, '32 * (this + 1) interrupts'),
        bits('CPUNumber', 7, 5),
        bit('ESPI', 8),
        bit('NMI', 9),
        bit('SecurityExtn', 10, 'two security states'),
        bits('num_LPIs', 15, 11),
        bit('MBIS', 16, 'message-based SPIs'),
        bit('LPIS', 17, 'LPIs are supported'),
        bit('DVIS', 18, 'direct virtual LPI injection'),
        bits('IDbits', 23, 19, 'INTID bits - 1'),
        bit('A3V', 24, 'Aff3 may be non-zero'),
        bit('No1N', 25, 'no 1-of-N delivery'),
        bit('RSS', 26),
      ],
    },
    { name: 'GICD_IIDR', offset: 0x0008, width: 4, access: 'RO', reset: 0x43b, fields: IIDR_FIELDS },
    { name: 'GICD_TYPER2', offset: 0x000c, width: 4, access: 'RO', reset: 0 },
    { name: 'GICD_STATUSR', offset: 0x0010, width: 4, access: 'RAZ/WI', reset: 0 },
    {
      name: 'GICD_SETSPI_NSR',
      offset: 0x0040,
      width: 4,
      access: 'RAZ/WI',
      meaning: 'message-based SPIs are not implemented (MBIS 0)',
    },
    { name: 'GICD_CLRSPI_NSR', offset: 0x0048, width: 4, access: 'RAZ/WI' },
    { name: 'GICD_SETSPI_SR', offset: 0x0050, width: 4, access: 'RAZ/WI' },
    { name: 'GICD_CLRSPI_SR', offset: 0x0058, width: 4, access: 'RAZ/WI' },
    ...interruptRegisters('GICD', '', 0, 32),
    {
      name: 'GICD_ITARGETSR',
      offset: 0x0800,
      width: 1,
      count: 1020,
      access: 'RAZ/WI',
      meaning: 'legacy routing, not with affinity routing',
    },
    {
      name: 'GICD_SGIR',
      offset: 0x0f00,
      width: 4,
      access: 'RAZ/WI',
      meaning: 'legacy SGIs, not with affinity routing',
    },
    { name: 'GICD_CPENDSGIR', offset: 0x0f10, width: 4, count: 4, access: 'RAZ/WI' },
    { name: 'GICD_SPENDSGIR', offset: 0x0f20, width: 4, count: 4, access: 'RAZ/WI' },
    {
      name: 'GICD_IROUTER',
      offset: 0x6000,
      width: 8,
      count: 1020,
      access: 'RW',
      reset: 0,
      meaning: 'CPU that an SPI goes to, by affinity',
      fields: [
        bits('Aff0', 7, 0),
        bits('Aff1', 15, 8),
        bits('Aff2', 23, 16),
        bit('Interrupt_Routing_Mode', 31, '1 of N; stored without effect (GICD_TYPER.No1N)'),
        bits('Aff3', 39, 32),
      ],
    },
    ...identification(GICV3_DISTRIBUTOR_ID, 0xffd0)('GICD'),
  ],
};

/** Bytes per CPU: RD_base and SGI_base frames of 64 KiB. */
export const REDISTRIBUTOR_STRIDE = 0x20000;
export const SGI_FRAME = 0x10000;

/** One CPU's two frames; a region repeats them every REDISTRIBUTOR_STRIDE bytes. */
const FRAME_REGISTERS: readonly Register[] = [
  {
    name: 'GICR_CTLR',
    offset: 0x0000,
    width: 4,
    access: 'RW',
    reset: 2,
    fields: [
      bit('EnableLPIs', 0, 'deliver LPIs'),
      bit('CES', 1, 'EnableLPIs can be cleared again'),
      bit('IR', 2),
      bit('RWP', 3),
      bit('DPG0', 24),
      bit('DPG1NS', 25),
      bit('DPG1S', 26),
      bit('UWP', 31),
    ],
  },
  { name: 'GICR_IIDR', offset: 0x0004, width: 4, access: 'RO', reset: 0x43b, fields: IIDR_FIELDS },
  {
    name: 'GICR_TYPER',
    offset: 0x0008,
    width: 8,
    access: 'RO',
    fields: [
      bit('PLPIS', 0, 'physical LPIs'),
      bit('VLPIS', 1, 'virtual LPIs'),
      bit('Dirty', 2),
      bit('DirectLPI', 3),
      bit('Last', 4, 'last redistributor of this region'),
      bit('DPGS', 5),
      bits('Processor_Number', 23, 8, 'for ITS commands'),
      bits('CommonLPIAff', 25, 24, 'who shares LPI configuration tables'),
      bits('PPInum', 31, 27),
      bits('Aff0', 39, 32),
      bits('Aff1', 47, 40),
      bits('Aff2', 55, 48),
      bits('Aff3', 63, 56),
    ],
  },
  { name: 'GICR_STATUSR', offset: 0x0010, width: 4, access: 'RAZ/WI', reset: 0 },
  {
    name: 'GICR_WAKER',
    offset: 0x0014,
    width: 4,
    access: 'RW',
    reset: 6,
    fields: [
      bit('ProcessorSleep', 1, 'the CPU is or goes to sleep'),
      bit('ChildrenAsleep', 2, 'the CPU interface is quiet'),
    ],
  },
  {
    name: 'GICR_PROPBASER',
    offset: 0x0070,
    width: 8,
    access: 'RW',
    reset: 0,
    meaning: 'LPI configuration table',
    fields: [
      bits('IDbits', 4, 0, 'INTID bits - 1'),
      bits('InnerCache', 9, 7),
      bits('Shareability', 11, 10),
      bits('Physical_Address', 51, 12),
      bits('OuterCache', 58, 56),
    ],
  },
  {
    name: 'GICR_PENDBASER',
    offset: 0x0078,
    width: 8,
    access: 'RW',
    reset: 0,
    meaning: 'LPI pending table',
    fields: [
      bits('InnerCache', 9, 7),
      bits('Shareability', 11, 10),
      bits('Physical_Address', 51, 16),
      bits('OuterCache', 58, 56),
      bit('PTZ', 62, 'the table is all zero'),
    ],
  },
  { name: 'GICR_INVLPIR', offset: 0x00a0, width: 8, access: 'RAZ/WI', meaning: 'no direct LPIs' },
  { name: 'GICR_INVALLR', offset: 0x00b0, width: 8, access: 'RAZ/WI' },
  { name: 'GICR_SYNCR', offset: 0x00c0, width: 4, access: 'RAZ/WI' },
  ...identification(GICV3_REDISTRIBUTOR_ID, 0xffd0)('GICR'),
  ...interruptRegisters('GICR', '0', SGI_FRAME, 1),
];

/** A redistributor region: the frames of the first CPU; see `redistributorOffset` for the others. */
export const GICV3_REDISTRIBUTOR: RegisterMap = {
  device: 'gicv3-redistributor',
  reference: `${REFERENCE} sections 12.10 and 12.11`,
  registers: FRAME_REGISTERS,
};

/** Splits an offset in a region into the CPU (counted from the region's first) and the offset in its frames. */
export function redistributorOffset(offset: number): { index: number; offset: number } {
  const index = Math.floor(offset / REDISTRIBUTOR_STRIDE);
  return { index, offset: offset - index * REDISTRIBUTOR_STRIDE };
}
