/** IPv4 packets (RFC 791): headers, and fragments in both directions. */
import { type Ipv4, ipv4Bytes } from './addresses.ts';
import { checksum } from './checksum.ts';

export const PROTOCOL = { ICMP: 1, TCP: 6, UDP: 17 } as const;
export const MTU = 1500;
const HEADER = 20;
const TTL = 64;
const MORE_FRAGMENTS = 0x2000;
const OFFSET_MASK = 0x1fff;
/** Payload of a fragment: what fits, in units of 8 bytes. */
const FRAGMENT = (MTU - HEADER) & ~7;
const PACKET_MAX = 0xffff;

export interface Ipv4Packet {
  readonly protocol: number;
  readonly source: Ipv4;
  readonly destination: Ipv4;
  readonly payload: Uint8Array;
}

export interface ReceivedIpv4 extends Ipv4Packet {
  /** Header and payload, as errors quote them. */
  readonly whole: Uint8Array;
  readonly id: number;
  /** Bytes of the whole payload before this fragment. */
  readonly offset: number;
  readonly moreFragments: boolean;
}

/** Undefined if the header is damaged. Bytes behind the packet are padding of the frame. */
export function parseIpv4Packet(bytes: Uint8Array): ReceivedIpv4 | undefined {
  if (bytes.length < HEADER || bytes[0]! >>> 4 !== 4) return undefined;
  const header = (bytes[0]! & 15) * 4;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const length = view.getUint16(2);
  if (header < HEADER || length < header || length > bytes.length) return undefined;
  if (checksum(bytes.subarray(0, header)) !== 0) return undefined;
  const fragment = view.getUint16(6);
  return {
    protocol: bytes[9]!,
    source: view.getUint32(12),
    destination: view.getUint32(16),
    payload: bytes.subarray(header, length),
    whole: bytes.subarray(0, length),
    id: view.getUint16(4),
    offset: (fragment & OFFSET_MASK) * 8,
    moreFragments: (fragment & MORE_FRAGMENTS) !== 0,
  };
}

/** The packet, or the fragments that it needs. */
export function buildIpv4(packet: Ipv4Packet, id: number): Uint8Array[] {
  const { payload } = packet;
  if (HEADER + payload.length <= MTU) return [build(packet, payload, id, 0)];
  const parts: Uint8Array[] = [];
  for (let at = 0; at < payload.length; at += FRAGMENT) {
    const end = Math.min(at + FRAGMENT, payload.length);
    const flags = end < payload.length ? MORE_FRAGMENTS : 0;
    parts.push(build(packet, payload.subarray(at, end), id, flags | (at / 8)));
  }
  return parts;
}

function build(packet: Ipv4Packet, payload: Uint8Array, id: number, fragment: number): Uint8Array {
  const bytes = new Uint8Array(HEADER + payload.length);
  const view = new DataView(bytes.buffer);
  bytes[0] = 0x45;
  view.setUint16(2, bytes.length);
  view.setUint16(4, id & 0xffff);
  view.setUint16(6, fragment);
  bytes[8] = TTL;
  bytes[9] = packet.protocol;
  bytes.set(ipv4Bytes(packet.source), 12);
  bytes.set(ipv4Bytes(packet.destination), 16);
  view.setUint16(10, checksum(bytes.subarray(0, HEADER)));
  bytes.set(payload, HEADER);
  return bytes;
}

/** Packets that are put together at the same time. */
const ASSEMBLED_MAX = 16;

interface Assembly {
  readonly parts: Map<number, Uint8Array>;
  /** Known once the last fragment came. */
  length: number | undefined;
}

/** Puts fragments of the guest's together. Few at a time: older ones are given up. */
export class Reassembly {
  readonly #packets = new Map<string, Assembly>();

  /** @returns the whole packet if it is not a fragment, or the last that was missing */
  add(packet: ReceivedIpv4): Ipv4Packet | undefined {
    const { protocol, source, destination, payload, offset, moreFragments } = packet;
    if (offset === 0 && !moreFragments) return packet;
    if (offset + payload.length > PACKET_MAX - HEADER) return undefined;
    const key = `${protocol} ${source} ${destination} ${packet.id}`;
    let assembly = this.#packets.get(key);
    if (assembly === undefined) {
      assembly = { parts: new Map(), length: undefined };
      if (this.#packets.size >= ASSEMBLED_MAX) this.#packets.delete(this.#packets.keys().next().value!);
      this.#packets.set(key, assembly);
    }
    assembly.parts.set(offset, payload.slice());
    if (!moreFragments) assembly.length = offset + payload.length;
    const whole = join(assembly);
    if (whole === undefined) return undefined;
    this.#packets.delete(key);
    return { protocol, source, destination, payload: whole };
  }
}

function join({ parts, length }: Assembly): Uint8Array | undefined {
  if (length === undefined) return undefined;
  const whole = new Uint8Array(length);
  let at = 0;
  for (const [offset, part] of [...parts].sort(([a], [b]) => a - b)) {
    if (offset > at || offset + part.length > length) return undefined;
    whole.set(part, offset);
    at = Math.max(at, offset + part.length);
  }
  return at === length ? whole : undefined;
}
