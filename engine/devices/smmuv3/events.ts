/* Event records, Arm IHI 0070 section 7.3: 32 bytes each, made here and decoded for people. */

export const EVENT_SIZE = 32;

export const EVENT = {
  F_UUT: 0x01,
  C_BAD_STREAMID: 0x02,
  F_STE_FETCH: 0x03,
  C_BAD_STE: 0x04,
  F_STREAM_DISABLED: 0x06,
  C_BAD_SUBSTREAMID: 0x08,
  F_CD_FETCH: 0x09,
  C_BAD_CD: 0x0a,
  F_WALK_EABT: 0x0b,
  F_TRANSLATION: 0x10,
  F_ADDR_SIZE: 0x11,
  F_ACCESS: 0x12,
  F_PERMISSION: 0x13,
} as const;
export type EventName = keyof typeof EVENT;

const eventNames: { readonly [number: number]: EventName } = Object.fromEntries(
  Object.entries(EVENT).map(([name, number]) => [number, name as EventName]),
);

/** CLASS: what the SMMU was doing; CD: fetching a Context descriptor, TT: a stage 1 table, IN: the input. */
export const CLASS = { CD: 0, TT: 1, IN: 2 } as const;
export type ClassName = keyof typeof CLASS;
const classNames: readonly (ClassName | 'reserved')[] = ['CD', 'TT', 'IN', 'reserved'];

/** One event. Fields that its type does not have stay zero in the record. */
export interface SmmuEvent {
  readonly event: EventName;
  readonly streamId: number;
  readonly substreamId?: number;
  /** Attributes of the transaction. */
  readonly write?: boolean;
  readonly privileged?: boolean;
  readonly instruction?: boolean;
  /** Input address, 64 bits. */
  readonly address?: bigint;
  /** The fault is one of stage 2. */
  readonly stage2?: boolean;
  readonly class?: ClassName;
  /** IPA of a stage 2 fault, or the address that could not be fetched from. */
  readonly address2?: number;
}

/** Events about a configuration name the stream only (sections 7.3.3 … 7.3.11). */
const bare = new Set<EventName>(['C_BAD_STREAMID', 'C_BAD_STE', 'C_BAD_SUBSTREAMID', 'C_BAD_CD']);
/** Those with a fetch address in the last two words. */
const fetches = new Set<EventName>(['F_STE_FETCH', 'F_CD_FETCH', 'F_WALK_EABT']);

/** The record as the SMMU writes it. */
export function encodeEvent(event: SmmuEvent): Uint8Array {
  const bytes = new Uint8Array(EVENT_SIZE);
  const view = new DataView(bytes.buffer);
  const ssid = event.substreamId;
  const substream = ssid === undefined ? 0 : (1 << 11) | (ssid << 12);
  view.setUint32(0, (EVENT[event.event] | substream) >>> 0, true);
  view.setUint32(4, event.streamId, true);
  if (bare.has(event.event)) return bytes;
  if (event.address !== undefined) {
    let flags = 0;
    if (event.privileged === true) flags |= 1 << 1;
    if (event.instruction === true) flags |= 1 << 2;
    if (event.write !== true) flags |= 1 << 3;
    if (event.stage2 === true) flags |= 1 << 7;
    flags |= CLASS[event.class ?? 'CD'] << 8;
    view.setUint32(12, flags, true);
    view.setBigUint64(16, BigInt.asUintN(64, event.address), true);
  }
  if (event.address2 !== undefined) {
    // Bits 51:3 of a fetch address, 51:12 of an IPA.
    const low = fetches.has(event.event) ? 8 : 4096;
    view.setBigUint64(24, BigInt(event.address2 - (event.address2 % low)), true);
  }
  return bytes;
}

export interface DecodedEvent {
  readonly name: string;
  readonly fields: { readonly [name: string]: number | string | boolean };
}

const hex = (value: bigint | number): string => `0x${value.toString(16)}`;

/** Name and fields of a record as it lies in the event queue. */
export function decodeEvent(bytes: Uint8Array): DecodedEvent {
  const view = new DataView(bytes.buffer, bytes.byteOffset, EVENT_SIZE);
  const w0 = view.getUint32(0, true);
  const w3 = view.getUint32(12, true);
  const known = eventNames[w0 & 0xff];
  const name = known ?? `event ${hex(w0 & 0xff)}`;
  const fields: { [name: string]: number | string | boolean } = { stream: view.getUint32(4, true) };
  if ((w0 & (1 << 11)) !== 0) fields['substream'] = w0 >>> 12;
  if (known !== undefined && bare.has(known)) return { name, fields };
  const address2 = view.getBigUint64(24, true);
  if (known !== 'F_STE_FETCH' && known !== 'F_CD_FETCH') {
    fields['address'] = hex(view.getBigUint64(16, true));
    fields['write'] = (w3 & (1 << 3)) === 0;
    fields['privileged'] = (w3 & (1 << 1)) !== 0;
    fields['instruction'] = (w3 & (1 << 2)) !== 0;
    fields['stage'] = (w3 & (1 << 7)) !== 0 ? 2 : 1;
    fields['class'] = classNames[(w3 >>> 8) & 3]!;
  }
  if (known !== undefined && fetches.has(known)) fields['fetch'] = hex(address2);
  else if (fields['stage'] === 2) fields['ipa'] = hex(address2);
  return { name, fields };
}
