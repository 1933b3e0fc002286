/** An Ethernet frame in a few words. */
const TYPES: { readonly [type: number]: string } = {
  0x0800: 'IPv4',
  0x0806: 'ARP',
  0x8100: 'VLAN',
  0x86dd: 'IPv6',
};
const PROTOCOLS: { readonly [number: number]: string } = { 1: 'ICMP', 6: 'TCP', 17: 'UDP', 58: 'ICMPv6' };
const HEADER = 14;

export function frameText(frame: Uint8Array): string {
  const size = `frame of ${frame.length} bytes`;
  if (frame.length < HEADER) return size;
  const address = (at: number): string =>
    [...frame.subarray(at, at + 6)].map((byte) => byte.toString(16).padStart(2, '0')).join(':');
  const type = frame[12]! * 256 + frame[13]!;
  const name = TYPES[type] ?? `type 0x${type.toString(16).padStart(4, '0')}`;
  const carried = type === 0x0800 ? frame[HEADER + 9] : type === 0x86dd ? frame[HEADER + 6] : undefined;
  const protocol = carried === undefined ? undefined : PROTOCOLS[carried];
  return `${size}, ${address(6)} → ${address(0)}, ${name}${protocol === undefined ? '' : ` ${protocol}`}`;
}
