/** Address resolution (RFC 826) for IPv4 over Ethernet. */
import { type Ipv4, ipv4Bytes, MAC_BYTES, type Mac } from './addresses.ts';

export const ARP_OPERATION = { REQUEST: 1, REPLY: 2 } as const;
/** Hardware type Ethernet, protocol IPv4, lengths 6 and 4. */
const KIND = [0, 1, 8, 0, 6, 4];
const BYTES = 28;

export interface ArpPacket {
  readonly operation: number;
  readonly senderMac: Mac;
  readonly sender: Ipv4;
  readonly targetMac: Mac;
  readonly target: Ipv4;
}

/** Undefined if it is not about IPv4 over Ethernet, or too short. */
export function parseArp(bytes: Uint8Array): ArpPacket | undefined {
  if (bytes.length < BYTES || KIND.some((byte, i) => bytes[i] !== byte)) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, BYTES);
  return {
    operation: view.getUint16(6),
    senderMac: bytes.slice(8, 8 + MAC_BYTES),
    sender: view.getUint32(14),
    targetMac: bytes.slice(18, 18 + MAC_BYTES),
    target: view.getUint32(24),
  };
}

export function buildArp(packet: ArpPacket): Uint8Array {
  const bytes = new Uint8Array(BYTES);
  bytes.set(KIND, 0);
  bytes[7] = packet.operation;
  bytes.set(packet.senderMac, 8);
  bytes.set(ipv4Bytes(packet.sender), 14);
  bytes.set(packet.targetMac, 18);
  bytes.set(ipv4Bytes(packet.target), 24);
  return bytes;
}
