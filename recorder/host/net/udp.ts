/** UDP datagrams (RFC 768). */
import type { Ipv4 } from './addresses.ts';
import { transportChecksum } from './checksum.ts';
import { PROTOCOL } from './ipv4.ts';

const HEADER = 8;

export interface UdpDatagram {
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly data: Uint8Array;
}

/** Undefined if it is damaged. */
export function parseUdp(source: Ipv4, destination: Ipv4, bytes: Uint8Array): UdpDatagram | undefined {
  if (bytes.length < HEADER) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const length = view.getUint16(4);
  if (length < HEADER || length > bytes.length) return undefined;
  const whole = bytes.subarray(0, length);
  const hasChecksum = view.getUint16(6) !== 0;
  if (hasChecksum && transportChecksum(PROTOCOL.UDP, source, destination, whole) !== 0) return undefined;
  return {
    sourcePort: view.getUint16(0),
    destinationPort: view.getUint16(2),
    data: bytes.subarray(HEADER, length),
  };
}

export function buildUdp(source: Ipv4, destination: Ipv4, datagram: UdpDatagram): Uint8Array {
  const bytes = new Uint8Array(HEADER + datagram.data.length);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, datagram.sourcePort);
  view.setUint16(2, datagram.destinationPort);
  view.setUint16(4, bytes.length);
  bytes.set(datagram.data, HEADER);
  // Zero says that there is none.
  view.setUint16(6, transportChecksum(PROTOCOL.UDP, source, destination, bytes) || 0xffff);
  return bytes;
}
