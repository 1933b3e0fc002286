/** Where something listens or connects to, as QEMU spells it: never beyond this host. */
import type { ListenOptions } from 'node:net';
import { OptionError } from './errors.ts';
import { readNumber } from './key-values.ts';

const LOOPBACK = '127.0.0.1';
const LOOPBACK_NAMES: { readonly [name: string]: string } = {
  '': LOOPBACK,
  localhost: LOOPBACK,
  [LOOPBACK]: LOOPBACK,
  '::1': '::1',
  '[::1]': '::1',
};

export type SocketAddress = { readonly host: string; readonly port: number } | { readonly path: string };

/** @param whose for messages: `gdb's protocol` @throws OptionError unless the host is this one */
export function loopbackAddress(option: string, host: string, port: string, whose: string): SocketAddress {
  const own = Object.hasOwn(LOOPBACK_NAMES, host) ? LOOPBACK_NAMES[host] : undefined;
  if (own === undefined) {
    throw new OptionError(
      `${option}: ${whose} has no password, so virtrace listens on ${LOOPBACK} only; from another machine use ssh -L`,
    );
  }
  return { host: own, port: readNumber(option.split(' ')[0]!, port, 0, 65535) };
}

/** `tcp:[HOST]:PORT` or `unix:PATH`; undefined: neither. @throws OptionError */
export function readSocketAddress(option: string, place: string, whose: string): SocketAddress | undefined {
  if (place.startsWith('unix:') && place.length > 5) return { path: place.slice(5) };
  const tcp = /^tcp:(\[[^\]]*\]|[^:]*):([^:]+)$/.exec(place);
  return tcp === null ? undefined : loopbackAddress(option, tcp[1]!, tcp[2]!, whose);
}

/** For node:net. */
export function listenOptions(address: SocketAddress): ListenOptions {
  return 'path' in address ? { path: address.path } : { host: address.host, port: address.port };
}

export function addressText(address: SocketAddress): string {
  if ('path' in address) return address.path;
  return address.host.includes(':') ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}
