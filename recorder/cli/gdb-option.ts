/** `-s` and `-gdb`: where gdb may connect. */
import { OptionError } from './errors.ts';
import { readSocketAddress, type SocketAddress } from './socket-address.ts';

export { listenOptions } from './socket-address.ts';

/** QEMU's port. */
const DEFAULT_PORT = 1234;

export type GdbAddress = SocketAddress;

/**
 * `tcp:[HOST]:PORT` and `unix:PATH` as QEMU spells them; undefined: no gdb. The last of `-s` and `-gdb` that a
 * person gives counts in QEMU; here `-gdb` does, since it says more.
 * @throws OptionError
 */
export function readGdbAddress(s: boolean | undefined, gdb: string | undefined): GdbAddress | undefined {
  if (gdb === undefined) return s === true ? { host: '127.0.0.1', port: DEFAULT_PORT } : undefined;
  if (gdb === 'none') return undefined;
  const [place = '', ...options] = gdb.split(',');
  for (const option of options) {
    // QEMU says these for itself, so people write them.
    if (!/^(server(=on)?|(no)?wait|wait=off|(no)?delay|nodelay=on|nodelay=off)$/.test(option))
      throw new OptionError(`-gdb ${gdb}: '${option}' is not known here; allowed are server=on and wait=off`);
  }
  const address = readSocketAddress(`-gdb ${gdb}`, place, "gdb's protocol");
  if (address !== undefined) return address;
  throw new OptionError(
    `-gdb ${gdb}: allowed are tcp::PORT, tcp:127.0.0.1:PORT (port 0: any free one), unix:PATH and none`,
  );
}
