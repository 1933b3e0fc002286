import { bit, bits, type Register, type RegisterField, type RegisterMap } from '../../base/register-map.ts';
import type { SmmuFeatures } from './features.ts';

/* Registers of the SMMUv3, Arm IHI 0070 section 6.3, as far as the board has them (devices.md section 17). */

/** Offsets of the registers that do something. */
export const REG = {
  IDR0: 0x000,
  IIDR: 0x018,
  AIDR: 0x01c,
  CR0: 0x020,
  CR0ACK: 0x024,
  CR1: 0x028,
  CR2: 0x02c,
  STATUSR: 0x040,
  GBPA: 0x044,
  IRQ_CTRL: 0x050,
  IRQ_CTRLACK: 0x054,
  GERROR: 0x060,
  GERRORN: 0x064,
  GERROR_IRQ_CFG0: 0x068,
  GERROR_IRQ_CFG1: 0x070,
  GERROR_IRQ_CFG2: 0x074,
  STRTAB_BASE: 0x080,
  STRTAB_BASE_CFG: 0x088,
  CMDQ_BASE: 0x090,
  CMDQ_PROD: 0x098,
  CMDQ_CONS: 0x09c,
  EVENTQ_BASE: 0x0a0,
  EVENTQ_PROD: 0x0a8,
  EVENTQ_CONS: 0x0ac,
  EVENTQ_IRQ_CFG0: 0x0b0,
  ID: 0xfd0,
} as const;

/** Page 1 shows page 0 again, so that SMMU_EVENTQ_PROD and CONS are also where section 6.2 puts them. */
export const PAGE_1 = 0x1_0000;
/** Bytes of both pages. */
export const SMMU_SIZE = 0x2_0000;

/** SMMU_CR0. */
export const CR0 = { SMMUEN: 1 << 0, EVENTQEN: 1 << 2, CMDQEN: 1 << 3 } as const;
/** What SMMU_CR0ACK takes over of SMMU_CR0. */
export const CR0ACK_MASK = 0x3df;
/** SMMU_IRQ_CTRL. */
export const IRQ_CTRL = { GERROR_IRQEN: 1 << 0, EVENTQ_IRQEN: 1 << 2 } as const;
/** SMMU_GERROR and SMMU_GERRORN. */
export const GERROR = { CMDQ_ERR: 1 << 0, EVENTQ_ABT_ERR: 1 << 2 } as const;
export const GBPA = { RESET: 0x1000, ABORT: 1 << 20, UPDATE: 0x8000_0000 } as const;

/** SMMU_PIDR4 … 7, 0 … 3 and SMMU_CIDR0 … 3. */
export const ID_BYTES = [0x04, 0, 0, 0, 0x84, 0xb4, 0xf0, 0x10, 0x0d, 0xf0, 0x05, 0xb1] as const;
const ID_NAMES = [4, 5, 6, 7, 0, 1, 2, 3].map((n) => `SMMU_PIDR${n}`);
const ID_REGISTERS = [...ID_NAMES, ...[0, 1, 2, 3].map((n) => `SMMU_CIDR${n}`)];

/** Log2 of the entries of both queues after a reset. */
export const QUEUE_RESET = 19;

const values = (names: readonly string[]): { [value: number]: string } => ({ ...names });
const coded = (name: string, hi: number, lo: number, names: readonly string[]): RegisterField => ({
  ...bits(name, hi, lo),
  values: values(names),
});

const idrFields: readonly (readonly RegisterField[])[] = [
  [
    bit('S2P', 0, 'stage 2'),
    bit('S1P', 1, 'stage 1'),
    coded('TTF', 3, 2, ['reserved', 'AArch32', 'AArch64', 'both']),
    bit('COHACC', 4, 'tables and queues are coherent'),
    bit('BTM', 5, 'listens to broadcast TLB maintenance'),
    coded('HTTU', 7, 6, ['none', 'Access flag', 'Access flag and dirty state', 'reserved']),
    bit('DORMHINT', 8),
    bit('Hyp', 9, 'EL2 stream worlds'),
    bit('ATS', 10),
    bit('NS1ATS', 11),
    bit('ASID16', 12),
    bit('MSI', 13),
    bit('SEV', 14),
    bit('ATOS', 15),
    bit('PRI', 16),
    bit('VMW', 17),
    bit('VMID16', 18),
    bit('CD2L', 19, 'two-level tables of Context descriptors'),
    bit('VATOS', 20),
    coded('TTENDIAN', 22, 21, ['both', 'reserved', 'little', 'big']),
    coded('STALL_MODEL', 25, 24, ['stall and terminate', 'terminate only', 'stall forced', 'reserved']),
    bit('TERM_MODEL', 26, 'CD.A must be 1'),
    coded('ST_LEVEL', 28, 27, ['linear', 'linear and two-level']),
  ],
  [
    bits('SIDSIZE', 5, 0, 'bits of a StreamID'),
    bits('SSIDSIZE', 10, 6, 'bits of a SubstreamID'),
    bits('PRIQS', 15, 11),
    bits('EVENTQS', 20, 16, 'largest log2 of entries'),
    bits('CMDQS', 25, 21, 'largest log2 of entries'),
    bit('REL', 28),
    bit('QUEUES_PRESET', 29),
    bit('TABLES_PRESET', 30),
  ],
  [bits('BA_VATOS', 9, 0)],
  [
    bit('HAD', 2, 'hierarchical attributes can be disabled'),
    bit('PBHA', 3),
    bit('XNX', 4, 'stage 2 execute-never for each privilege'),
    bit('PPS', 5),
    bit('MPAM', 7),
    bit('FWB', 8),
    bit('STT', 9, 'small translation tables'),
    bit('RIL', 10, 'invalidation by range and level'),
    bits('BBML', 12, 11, 'level of break-before-make'),
  ],
  [],
  [
    coded('OAS', 2, 0, ['32', '36', '40', '42', '44', '48', '52']),
    bit('GRAN4K', 4),
    bit('GRAN16K', 5),
    bit('GRAN64K', 6),
    coded('VAX', 11, 10, ['48', '52']),
    bits('STALL_MAX', 31, 16),
  ],
];

const cr0Fields = [
  bit('SMMUEN', 0, 'translation is on'),
  bit('PRIQEN', 1),
  bit('EVENTQEN', 2),
  bit('CMDQEN', 3),
  bit('ATSCHK', 4),
  bits('VMW', 8, 6),
];
const irqFields = [bit('GERROR_IRQEN', 0), bit('PRIQ_IRQEN', 1), bit('EVENTQ_IRQEN', 2)];
const gerrorFields = [
  bit('CMDQ_ERR', 0, 'the command queue stopped; see SMMU_CMDQ_CONS.ERR'),
  bit('EVENTQ_ABT_ERR', 2, 'an event could not be written'),
  bit('PRIQ_ABT_ERR', 3),
  bit('MSI_CMDQ_ABT_ERR', 4),
  bit('MSI_EVENTQ_ABT_ERR', 5),
  bit('MSI_PRIQ_ABT_ERR', 6),
  bit('MSI_GERROR_ABT_ERR', 7),
  bit('SFM_ERR', 8),
];
const queueBase = [bits('LOG2SIZE', 4, 0, 'log2 of entries'), bits('ADDR', 51, 5), bit('RA_WA', 62)];
const queueIndex = (name: string, flag: string) => [bits(name, 19, 0, 'index and wrap bit'), bit(flag, 31)];

const rw = (name: string, offset: number, fields: readonly RegisterField[] = []): Register => ({
  name,
  offset,
  width: 4,
  access: 'RW',
  reset: 0,
  fields,
});
const ro = (
  name: string,
  offset: number,
  reset: number,
  fields: readonly RegisterField[] = [],
): Register => ({
  name,
  offset,
  width: 4,
  access: 'RO',
  reset,
  fields,
});
const rw64 = (name: string, offset: number, reset: number, fields: readonly RegisterField[]): Register => ({
  name,
  offset,
  width: 8,
  access: 'RW',
  reset,
  fields,
});

/** The map of both pages; reset values are those of the features. */
export function smmuRegisters(features: SmmuFeatures): RegisterMap {
  const page0: Register[] = [
    ...features.idr.map((value, n) => ro(`SMMU_IDR${n}`, REG.IDR0 + 4 * n, value, idrFields[n]!)),
    ro('SMMU_IIDR', REG.IIDR, 0),
    ro('SMMU_AIDR', REG.AIDR, 1, [
      bits('ArchMinorRev', 3, 0, 'SMMUv3.n'),
      bits('ArchMajorRev', 7, 4, '0 is SMMUv3'),
    ]),
    rw('SMMU_CR0', REG.CR0, cr0Fields),
    ro('SMMU_CR0ACK', REG.CR0ACK, 0, cr0Fields),
    rw('SMMU_CR1', REG.CR1, [
      bits('QUEUE_IC', 1, 0),
      bits('QUEUE_OC', 3, 2),
      bits('QUEUE_SH', 5, 4),
      bits('TABLE_IC', 7, 6),
      bits('TABLE_OC', 9, 8),
      bits('TABLE_SH', 11, 10),
    ]),
    rw('SMMU_CR2', REG.CR2, [bit('E2H', 0), bit('RECINVSID', 1), bit('PTM', 2)]),
    ro('SMMU_STATUSR', REG.STATUSR, 0, [bit('DORMANT', 0)]),
    ...(features.gbpa
      ? [
          {
            ...rw('SMMU_GBPA', REG.GBPA, [
              bits('SHCFG', 13, 12),
              bit('ABORT', 20, 'transactions abort while translation is off'),
              bit('UPDATE', 31, 'a write without it is ignored; reads as zero'),
            ]),
            reset: GBPA.RESET,
          },
        ]
      : []),
    rw('SMMU_IRQ_CTRL', REG.IRQ_CTRL, irqFields),
    ro('SMMU_IRQ_CTRLACK', REG.IRQ_CTRLACK, 0, irqFields),
    ro('SMMU_GERROR', REG.GERROR, 0, gerrorFields),
    {
      ...rw('SMMU_GERRORN', REG.GERRORN, gerrorFields),
      meaning: 'an error is active while its bits here and in SMMU_GERROR differ',
    },
    rw64('SMMU_GERROR_IRQ_CFG0', REG.GERROR_IRQ_CFG0, 0, [bits('ADDR', 51, 2)]),
    rw('SMMU_GERROR_IRQ_CFG1', REG.GERROR_IRQ_CFG1, [bits('DATA', 31, 0)]),
    rw('SMMU_GERROR_IRQ_CFG2', REG.GERROR_IRQ_CFG2, [bits('MEMATTR', 3, 0), bits('SH', 5, 4)]),
    rw64('SMMU_STRTAB_BASE', REG.STRTAB_BASE, 0, [bits('ADDR', 51, 6), bit('RA', 62)]),
    rw('SMMU_STRTAB_BASE_CFG', REG.STRTAB_BASE_CFG, [
      bits('LOG2SIZE', 5, 0, 'log2 of entries'),
      bits('SPLIT', 10, 6, 'StreamID bits that index the second level'),
      coded('FMT', 17, 16, ['linear', 'two-level']),
    ]),
    rw64('SMMU_CMDQ_BASE', REG.CMDQ_BASE, QUEUE_RESET, queueBase),
    rw('SMMU_CMDQ_PROD', REG.CMDQ_PROD, [bits('WR', 19, 0, 'index and wrap bit')]),
    rw('SMMU_CMDQ_CONS', REG.CMDQ_CONS, [
      bits('RD', 19, 0, 'index and wrap bit'),
      coded('ERR', 30, 24, ['none', 'CERROR_ILL', 'CERROR_ABT', 'CERROR_ATC_INV_SYNC']),
    ]),
    rw64('SMMU_EVENTQ_BASE', REG.EVENTQ_BASE, QUEUE_RESET, queueBase),
    rw('SMMU_EVENTQ_PROD', REG.EVENTQ_PROD, queueIndex('WR', 'OVFLG')),
    rw('SMMU_EVENTQ_CONS', REG.EVENTQ_CONS, queueIndex('RD', 'OVACKFLG')),
    {
      name: 'SMMU_EVENTQ_IRQ_CFG',
      offset: REG.EVENTQ_IRQ_CFG0,
      width: 4,
      count: 4,
      access: 'RAZ/WI',
      meaning: 'RES0: no interrupts by message (SMMU_IDR0.MSI = 0)',
    },
    ...ID_BYTES.map((value, n) => ro(ID_REGISTERS[n]!, REG.ID + 4 * n, value)),
  ];
  const page1 = page0.map((register) => ({
    ...register,
    name: `${register.name} (page 1)`,
    offset: register.offset + PAGE_1,
  }));
  return { device: 'smmuv3', reference: 'Arm IHI 0070', registers: [...page0, ...page1] };
}
