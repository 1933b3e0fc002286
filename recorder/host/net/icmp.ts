/** ICMP (RFC 792): echoes, and destinations that cannot be reached. */
import { checksum } from './checksum.ts';

const ECHO_REPLY = 0;
const UNREACHABLE = 3;
const ECHO_REQUEST = 8;
const HEADER = 8;
/** Of the packet in question, header and the beginning of its payload. */
const QUOTED = 28;

export const UNREACHABLE_CODE = { NETWORK: 0, HOST: 1, PORT: 3 } as const;

/** The answer if this is an echo request, else undefined. */
export function echoReply(bytes: Uint8Array): Uint8Array | undefined {
  if (bytes.length < HEADER || bytes[0] !== ECHO_REQUEST || checksum(bytes) !== 0) return undefined;
  const reply = bytes.slice();
  reply[0] = ECHO_REPLY;
  return sealed(reply);
}

export function isEchoRequest(bytes: Uint8Array): boolean {
  return bytes.length >= HEADER && bytes[0] === ECHO_REQUEST;
}

/** @param packet the IPv4 packet that cannot be delivered */
export function unreachable(code: number, packet: Uint8Array): Uint8Array {
  const quoted = packet.subarray(0, QUOTED);
  const bytes = new Uint8Array(HEADER + quoted.length);
  bytes[0] = UNREACHABLE;
  bytes[1] = code;
  bytes.set(quoted, HEADER);
  return sealed(bytes);
}

function sealed(bytes: Uint8Array): Uint8Array {
  bytes[2] = 0;
  bytes[3] = 0;
  const sum = checksum(bytes);
  bytes[2] = sum >>> 8;
  bytes[3] = sum & 0xff;
  return bytes;
}
