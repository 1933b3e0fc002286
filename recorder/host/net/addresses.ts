/** Addresses as the user network writes them: IPv4 as an unsigned number, Ethernet as six bytes. */
import { OptionError } from '../../../engine/boards/option-error.ts';

/** Host order, 0 to 2^32 − 1. */
export type Ipv4 = number;
export type Mac = Uint8Array;

export const MAC_BYTES = 6;
export const BROADCAST_MAC: Mac = new Uint8Array(MAC_BYTES).fill(0xff);
export const BROADCAST_IP: Ipv4 = 0xffff_ffff;
export const LOOPBACK = '127.0.0.1';

/** Undefined unless the text is four decimal numbers with dots. */
export function tryIpv4(text: string): Ipv4 | undefined {
  const parts = /^\d{1,3}(\.\d{1,3}){3}$/.test(text) ? text.split('.').map(Number) : [];
  if (parts.length !== 4 || parts.some((part) => part > 255)) return undefined;
  return parts.reduce((all, part) => all * 256 + part, 0);
}

/** @throws OptionError */
export function parseIpv4(option: string, text: string): Ipv4 {
  const address = tryIpv4(text);
  if (address === undefined) throw new OptionError(`${option}=${text}: an IPv4 address is needed`);
  return address;
}

export function formatIpv4(address: Ipv4): string {
  return [24, 16, 8, 0].map((shift) => (address >>> shift) & 0xff).join('.');
}

export function ipv4Bytes(address: Ipv4): Uint8Array {
  return Uint8Array.of(address >>> 24, (address >>> 16) & 0xff, (address >>> 8) & 0xff, address & 0xff);
}

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(host);
}

/** QEMU: the hardware address of a virtual host is 52:55 and its IPv4 address. */
export function macOfVirtualHost(address: Ipv4): Mac {
  return Uint8Array.of(0x52, 0x55, ...ipv4Bytes(address));
}
