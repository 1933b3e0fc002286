/** `-s` and `-gdb`: where gdb may connect. */
import type { ListenOptions } from 'node:net';
import { OptionError } from './errors.ts';
import { readNumber } from './key-values.ts';

/** QEMU's port. */
const DEFAULT_PORT = 1234;
const LOOPBACK = '127.0.0.1';
const LOOPBACK_NAMES: { readonly [name: string]: string } = {
  '': LOOPBACK,
  localhost: LOOPBACK,
  [LOOPBACK]: LOOPBACK,
  '::1': '::1',
  '[::1]': '::1',
};

export type GdbAddress = { readonly host: string; readonly port: number } | { readonly path: string };

/**
 * `tcp:[HOST]:PORT` and `unix:PATH` as QEMU spells them; undefined: no gdb. The last of `-s` and `-gdb` that a
 * person gives counts in QEMU; here `-gdb` does, since it says more.
 * @throws OptionError
 */
export function readGdbAddress(s: boolean | undefined, gdb: string | undefined): GdbAddress | undefined {
  if (gdb === undefined) return s === true ? { host: LOOPBACK, port: DEFAULT_PORT } : undefined;
  if (gdb === 'none') return undefined;
  const [place = '', ...options] = gdb.split(',');
  for (const option of options) {
    // QEMU says these for itself, so people write them.
    if (!/^(server(=on)?|(no)?wait|wait=off|(no)?delay|nodelay=on|nodelay=off)$/.test(option))
      throw new OptionError(`-gdb ${gdb}: '${option}' is not known here; allowed are server=on and wait=off`);
  }
  if (place.startsWith('unix:') && place.length > 5) return { path: place.slice(5) };
  const tcp = /^tcp:(\[[^\]]*\]|[^:]*):([^:]+)$/.exec(place);
  if (tcp === null) {
    throw new OptionError(
      `-gdb ${gdb}: allowed are tcp::PORT, tcp:127.0.0.1:PORT (port 0: any free one), unix:PATH and none`,
    );
  }
  const host = Object.hasOwn(LOOPBACK_NAMES, tcp[1]!) ? LOOPBACK_NAMES[tcp[1]!] : undefined;
  if (host === undefined) {
    throw new OptionError(
      `-gdb ${gdb}: gdb's protocol has no password, so virtrace listens on 127.0.0.1 only; from another machine use ssh -L`,
    );
  }
  return { host, port: readNumber('-gdb', tcp[2]!, 0, 65535) };
}

/** For node:net. */
export function listenOptions(address: GdbAddress): ListenOptions {
  return 'path' in address ? { path: address.path } : { host: address.host, port: address.port };
}
