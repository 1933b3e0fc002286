import { bit, bits, type RegisterField, type RegisterMap } from '../../base/register-map.ts';
import { identification } from './gicv2-registers.ts';

/** Offset 0xFFD0 on of the control frame; PIDR2 0x3B: GICv3. */
export const ITS_ID = [0x44, 0, 0, 0, 0x94, 0xb4, 0x3b, 0, 0x0d, 0xf0, 0x05, 0xb1] as const;

export const GITS = {
  CTLR: 0x0000,
  IIDR: 0x0004,
  TYPER: 0x0008,
  CBASER: 0x0080,
  CWRITER: 0x0088,
  CREADR: 0x0090,
  BASER: 0x0100,
  ID: 0xffd0,
  /** In the second frame of 64 KiB. */
  TRANSLATER: 0x10040,
} as const;

export const GITS_CTLR_ENABLED = 1;
export const GITS_CTLR_QUIESCENT = 0x8000_0000;

/** Bits of event and device IDs, and of collection IDs. */
export const EVENT_ID_BITS = 16;
export const DEVICE_ID_BITS = 16;
export const COLLECTION_ID_BITS = 16;
/** Bytes of an interrupt translation entry. */
export const ITE_BYTES = 12;

/** Physical LPIs; event, device and collection IDs of 16 bits; target addresses are CPU numbers (PTA 0). */
export const GITS_TYPER = {
  low: 1 | ((ITE_BYTES - 1) << 4) | ((EVENT_ID_BITS - 1) << 8) | ((DEVICE_ID_BITS - 1) << 13),
  high: (COLLECTION_ID_BITS - 1) | (1 << 4),
} as const;

/** Number and kind of the tables: entry bytes - 1 in bits 52:48, type in bits 58:56, 64 KiB pages. */
export const BASER_COUNT = 8;
export const BASER_RESET: readonly { readonly low: number; readonly high: number }[] = [
  { low: 0x200, high: 0x0107_0000 },
  { low: 0x200, high: 0x0407_0000 },
];
export const BASER_DEVICES = 0;
export const BASER_COLLECTIONS = 1;
/** Type and entry size cannot be written. */
export const BASER_READ_ONLY_HIGH = 0x071f_0000;

const OFFSET: readonly RegisterField[] = [
  bit('Stalled', 0, 'a command could not be carried out'),
  bits('Offset', 19, 5, 'in commands of 32 bytes'),
];

export const GIC_ITS: RegisterMap = {
  device: 'gic-its',
  reference: 'Arm IHI 0069 sections 12.18 and 12.19',
  registers: [
    {
      name: 'GITS_CTLR',
      offset: GITS.CTLR,
      width: 4,
      access: 'RW',
      reset: GITS_CTLR_QUIESCENT,
      fields: [bit('Enabled', 0), bit('Quiescent', 31, 'nothing is going on')],
    },
    { name: 'GITS_IIDR', offset: GITS.IIDR, width: 4, access: 'RO', reset: 0x43b },
    {
      name: 'GITS_TYPER',
      offset: GITS.TYPER,
      width: 8,
      access: 'RO',
      reset: (BigInt(GITS_TYPER.high) << 32n) | BigInt(GITS_TYPER.low),
      fields: [
        bit('Physical', 0),
        bit('Virtual', 1),
        bits('ITT_entry_size', 7, 4, 'bytes - 1'),
        bits('ID_bits', 12, 8, 'EventID bits - 1'),
        bits('Devbits', 17, 13, 'DeviceID bits - 1'),
        bit('PTA', 19, 'targets are addresses, not CPU numbers'),
        bits('HCC', 31, 24, 'collections without memory'),
        bits('CIDbits', 35, 32, 'collection ID bits - 1'),
        bit('CIL', 36, 'CIDbits counts'),
      ],
    },
    {
      name: 'GITS_CBASER',
      offset: GITS.CBASER,
      width: 8,
      access: 'RW',
      reset: 0,
      meaning: 'command queue; read only while enabled',
      fields: [bits('Size', 7, 0, '4 KiB pages - 1'), bits('Physical_Address', 51, 12), bit('Valid', 63)],
    },
    {
      name: 'GITS_CWRITER',
      offset: GITS.CWRITER,
      width: 8,
      access: 'RW',
      reset: 0,
      meaning: 'where the guest writes next; a write starts the commands before it',
      fields: [bit('Retry', 0), bits('Offset', 19, 5, 'in commands of 32 bytes')],
    },
    {
      name: 'GITS_CREADR',
      offset: GITS.CREADR,
      width: 8,
      access: 'RW',
      reset: 0,
      meaning: 'which command is next',
      fields: OFFSET,
    },
    {
      name: 'GITS_BASER',
      offset: GITS.BASER,
      width: 8,
      count: BASER_COUNT,
      access: 'RW',
      meaning: 'tables: 0 devices, 1 collections; read only while enabled',
      fields: [
        bits('Size', 7, 0, 'pages - 1'),
        { ...bits('Page_Size', 9, 8), values: { 0: '4 KiB', 1: '16 KiB', 2: '64 KiB', 3: '64 KiB' } },
        bits('Shareability', 11, 10),
        bits('Physical_Address', 47, 12),
        bits('Entry_Size', 52, 48, 'bytes - 1'),
        bits('OuterCache', 55, 53),
        { ...bits('Type', 58, 56), values: { 0: 'none', 1: 'devices', 2: 'vPEs', 4: 'collections' } },
        bits('InnerCache', 61, 59),
        bit('Indirect', 62, 'two levels'),
        bit('Valid', 63),
      ],
    },
    ...identification(ITS_ID, GITS.ID)('GITS'),
    {
      name: 'GITS_TRANSLATER',
      offset: GITS.TRANSLATER,
      width: 4,
      access: 'WO',
      meaning: 'a message: the EventID, from the device with the DeviceID of the requester',
      fields: [bits('EventID', 31, 0)],
    },
  ],
};
