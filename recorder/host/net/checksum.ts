import { type Ipv4, ipv4Bytes } from './addresses.ts';

function sum(bytes: Uint8Array): number {
  let total = 0;
  for (let i = 0; i + 1 < bytes.length; i += 2) total += (bytes[i]! << 8) | bytes[i + 1]!;
  if (bytes.length % 2 === 1) total += bytes[bytes.length - 1]! << 8;
  return total;
}

function fold(total: number): number {
  let rest = total;
  while (rest > 0xffff) rest = (rest % 0x10000) + Math.floor(rest / 0x10000);
  return ~rest & 0xffff;
}

/** Internet checksum (RFC 1071) of bytes that hold zero, or a checksum to be tested, in its place. */
export function checksum(bytes: Uint8Array): number {
  return fold(sum(bytes));
}

/** The same over the pseudo header of TCP and UDP (RFC 9293, 3.1) and the segment. */
export function transportChecksum(
  protocol: number,
  source: Ipv4,
  destination: Ipv4,
  segment: Uint8Array,
): number {
  const header = sum(ipv4Bytes(source)) + sum(ipv4Bytes(destination)) + protocol + segment.length;
  return fold(header + sum(segment));
}
