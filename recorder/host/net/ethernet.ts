import { MAC_BYTES, type Mac } from './addresses.ts';

export const ETHER_TYPE = { IPV4: 0x0800, ARP: 0x0806 } as const;
const HEADER = 14;

export interface EthernetFrame {
  readonly to: Mac;
  readonly from: Mac;
  readonly type: number;
  readonly payload: Uint8Array;
}

/** Undefined if the frame is shorter than its header. */
export function parseEthernet(frame: Uint8Array): EthernetFrame | undefined {
  if (frame.length < HEADER) return undefined;
  return {
    to: frame.subarray(0, MAC_BYTES),
    from: frame.subarray(MAC_BYTES, 2 * MAC_BYTES),
    type: (frame[12]! << 8) | frame[13]!,
    payload: frame.subarray(HEADER),
  };
}

export function buildEthernet({ to, from, type, payload }: EthernetFrame): Uint8Array {
  const frame = new Uint8Array(HEADER + payload.length);
  frame.set(to, 0);
  frame.set(from, MAC_BYTES);
  frame[12] = type >>> 8;
  frame[13] = type & 0xff;
  frame.set(payload, HEADER);
  return frame;
}
