/*
 * Commands of the SMMUv3, Arm IHI 0070 section 4: 16 bytes each, decoded from their four words. What they do is
 * in command-queue.ts.
 */
import { field } from './structures.ts';

export const COMMAND_SIZE = 16;

export const COMMAND = {
  PREFETCH_CONFIG: 0x01,
  PREFETCH_ADDR: 0x02,
  CFGI_STE: 0x03,
  CFGI_STE_RANGE: 0x04,
  CFGI_CD: 0x05,
  CFGI_CD_ALL: 0x06,
  TLBI_NH_ALL: 0x10,
  TLBI_NH_ASID: 0x11,
  TLBI_NH_VA: 0x12,
  TLBI_NH_VAA: 0x13,
  TLBI_EL3_ALL: 0x18,
  TLBI_EL3_VA: 0x1a,
  TLBI_EL2_ALL: 0x20,
  TLBI_EL2_ASID: 0x21,
  TLBI_EL2_VA: 0x22,
  TLBI_EL2_VAA: 0x23,
  TLBI_S12_VMALL: 0x28,
  TLBI_S2_IPA: 0x2a,
  TLBI_NSNH_ALL: 0x30,
  ATC_INV: 0x40,
  PRI_RESP: 0x41,
  RESUME: 0x44,
  STALL_TERM: 0x45,
  SYNC: 0x46,
} as const;
export type CommandName = keyof typeof COMMAND;

const names: { readonly [number: number]: CommandName } = Object.fromEntries(
  Object.entries(COMMAND).map(([name, number]) => [number, name as CommandName]),
);

/** SMMU_CMDQ_CONS.ERR. */
export const CERROR = { ILL: 1, ABT: 2 } as const;

/** The four words of a command. */
export type CommandWords = readonly [number, number, number, number];

/** Undefined: CERROR_ILL. */
export function commandName([w0]: CommandWords): CommandName | undefined {
  return names[w0 & 0xff];
}

/** Fields of the commands that configure; all have the StreamID in word 1. */
export interface CfgiFields {
  readonly streamId: number;
  readonly substreamId: number;
  /** SSec: about a Secure stream. */
  readonly secure: boolean;
  /** Only the last level has to go. */
  readonly leaf: boolean;
  /** CFGI_STE_RANGE: 2^(range + 1) streams; 31 is CFGI_ALL. */
  readonly range: number;
}

export function cfgiFields([w0, w1, w2]: CommandWords): CfgiFields {
  return {
    streamId: w1 >>> 0,
    substreamId: w0 >>> 12,
    secure: field(w0, 10, 10) !== 0,
    leaf: field(w2, 0, 0) !== 0,
    range: field(w2, 4, 0),
  };
}

/** Fields of the commands that invalidate translations, section 4.4. */
export interface TlbiFields {
  readonly vmid: number;
  readonly asid: number;
  readonly leaf: boolean;
  /** TTL, and log2 of the granule of TG; 0: not said. */
  readonly level: number;
  readonly granule: number;
  /** First address, 64 bits, and bytes from there. */
  readonly address: bigint;
  readonly bytes: number;
}

export function tlbiFields([w0, w1, w2, w3]: CommandWords): TlbiFields {
  const tg = field(w2, 11, 10);
  const granule = tg === 0 ? 0 : 10 + 2 * tg;
  const pages = (field(w0, 16, 12) + 1) * 2 ** field(w0, 24, 20);
  return {
    vmid: field(w1, 15, 0),
    asid: field(w1, 31, 16),
    leaf: field(w2, 0, 0) !== 0,
    level: tg === 0 ? 0 : field(w2, 9, 8),
    granule,
    address: (BigInt(w3 >>> 0) << 32n) | BigInt((w2 & 0xffff_f000) >>> 0),
    // Without TG there is no range (SMMU_IDR3.RIL, section 4.4.1): one address, whatever maps it.
    bytes: tg === 0 ? 1 : pages * 2 ** granule,
  };
}

const syncSignals = ['none', 'interrupt', 'event', 'reserved'] as const;

/** Fields of a command as they are worth a line in a trace. */
export function decodeCommand(words: CommandWords): {
  readonly name: string;
  readonly fields: { readonly [name: string]: number | string | boolean };
} {
  const name = commandName(words);
  const hex = (value: bigint | number) => `0x${value.toString(16)}`;
  if (name === undefined) {
    const raw = words.map((word) => (word >>> 0).toString(16).padStart(8, '0')).join(' ');
    return { name: `command ${hex(words[0] & 0xff)}`, fields: { words: raw } };
  }
  const { streamId, substreamId, leaf, range } = cfgiFields(words);
  const { vmid, asid, address, bytes, level, granule } = tlbiFields(words);
  const substream = field(words[0], 11, 11) !== 0 ? { substream: substreamId } : {};
  const at = {
    address: hex(address),
    bytes,
    leaf,
    ...(granule === 0 ? {} : { granule: 2 ** granule, level }),
  };
  switch (name) {
    case 'PREFETCH_CONFIG':
    case 'PREFETCH_ADDR':
      return { name, fields: { stream: streamId, ...substream } };
    case 'CFGI_STE':
      return { name, fields: { stream: streamId, leaf } };
    case 'CFGI_STE_RANGE':
      return range === 31
        ? { name: 'CFGI_ALL', fields: {} }
        : { name, fields: { stream: streamId, streams: 2 ** (range + 1) } };
    case 'CFGI_CD':
      return { name, fields: { stream: streamId, substream: substreamId, leaf } };
    case 'CFGI_CD_ALL':
      return { name, fields: { stream: streamId } };
    case 'TLBI_NH_ALL':
    case 'TLBI_S12_VMALL':
      return { name, fields: { vmid } };
    case 'TLBI_NH_ASID':
    case 'TLBI_EL2_ASID':
      return { name, fields: { vmid, asid } };
    case 'TLBI_NH_VA':
    case 'TLBI_EL2_VA':
      return { name, fields: { vmid, asid, ...at } };
    case 'TLBI_NH_VAA':
    case 'TLBI_S2_IPA':
      return { name, fields: { vmid, ...at } };
    case 'TLBI_EL2_VAA':
    case 'TLBI_EL3_VA':
      return { name, fields: at };
    case 'ATC_INV':
    case 'PRI_RESP':
    case 'RESUME':
    case 'STALL_TERM':
      return { name, fields: { stream: streamId, ...substream } };
    case 'SYNC':
      return { name, fields: { signal: syncSignals[field(words[0], 13, 12)]! } };
    case 'TLBI_EL3_ALL':
    case 'TLBI_EL2_ALL':
    case 'TLBI_NSNH_ALL':
      return { name, fields: {} };
  }
}
