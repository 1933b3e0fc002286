/** TCP segments (RFC 9293, 3.1) with the two options that matter here. */
import type { Ipv4 } from './addresses.ts';
import { transportChecksum } from './checksum.ts';
import { PROTOCOL } from './ipv4.ts';

export const TCP_FLAG = { FIN: 1, SYN: 2, RST: 4, PSH: 8, ACK: 16 } as const;
const HEADER = 20;
const OPTION = { END: 0, NOP: 1, MSS: 2, SCALE: 3 } as const;

export interface TcpSegment {
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly seq: number;
  readonly ack: number;
  readonly flags: number;
  /** As it stands in the header, unscaled. */
  readonly window: number;
  /** Maximum segment size; with SYN only. */
  readonly mss?: number;
  /** Shift of later windows (RFC 7323); with SYN only. */
  readonly scale?: number;
  readonly data: Uint8Array;
}

/** a − b of sequence numbers, which wrap around. */
export function seqDiff(a: number, b: number): number {
  return (a - b) | 0;
}

export function seqAdd(seq: number, count: number): number {
  return (seq + count) >>> 0;
}

/** Undefined if it is damaged. */
export function parseTcp(source: Ipv4, destination: Ipv4, bytes: Uint8Array): TcpSegment | undefined {
  if (bytes.length < HEADER) return undefined;
  const header = (bytes[12]! >>> 4) * 4;
  if (header < HEADER || header > bytes.length) return undefined;
  if (transportChecksum(PROTOCOL.TCP, source, destination, bytes) !== 0) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return {
    sourcePort: view.getUint16(0),
    destinationPort: view.getUint16(2),
    seq: view.getUint32(4),
    ack: view.getUint32(8),
    flags: bytes[13]! & 0x3f,
    window: view.getUint16(14),
    ...options(bytes.subarray(HEADER, header)),
    data: bytes.subarray(header),
  };
}

function options(bytes: Uint8Array): { mss?: number; scale?: number } {
  const found: { mss?: number; scale?: number } = {};
  for (let at = 0; at < bytes.length && bytes[at] !== OPTION.END; ) {
    if (bytes[at] === OPTION.NOP) {
      at++;
      continue;
    }
    const length = bytes[at + 1] ?? 0;
    if (length < 2 || at + length > bytes.length) break;
    if (bytes[at] === OPTION.MSS && length === 4) found.mss = (bytes[at + 2]! << 8) | bytes[at + 3]!;
    if (bytes[at] === OPTION.SCALE && length === 3) found.scale = Math.min(bytes[at + 2]!, 14);
    at += length;
  }
  return found;
}

export function buildTcp(source: Ipv4, destination: Ipv4, segment: TcpSegment): Uint8Array {
  const { mss, scale, data } = segment;
  const extra = [
    ...(mss === undefined ? [] : [OPTION.MSS, 4, mss >>> 8, mss & 0xff]),
    ...(scale === undefined ? [] : [OPTION.NOP, OPTION.SCALE, 3, scale]),
  ];
  const header = HEADER + extra.length;
  const bytes = new Uint8Array(header + data.length);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, segment.sourcePort);
  view.setUint16(2, segment.destinationPort);
  view.setUint32(4, segment.seq);
  view.setUint32(8, segment.ack);
  bytes[12] = (header / 4) << 4;
  bytes[13] = segment.flags;
  view.setUint16(14, segment.window);
  bytes.set(extra, HEADER);
  bytes.set(data, header);
  view.setUint16(16, transportChecksum(PROTOCOL.TCP, source, destination, bytes));
  return bytes;
}
