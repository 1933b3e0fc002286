/** What a user network is like (`-netdev user`), and where its defaults come from. */
import { OptionError } from '../../../engine/boards/option-error.ts';
import { formatIpv4, type Ipv4, parseIpv4 } from './addresses.ts';

/** Connections from outside to a port of the guest. */
export interface PortForward {
  readonly protocol: 'tcp' | 'udp';
  /** Loopback. */
  readonly hostAddress: string;
  readonly hostPort: number;
  readonly guestAddress: Ipv4;
  readonly guestPort: number;
}

export interface UserNetworkOptions {
  readonly network: Ipv4;
  readonly netmask: Ipv4;
  /** The gateway, behind which is the host. */
  readonly host: Ipv4;
  readonly dns: Ipv4;
  readonly dhcpStart: Ipv4;
  /** Nothing leads out of it but the forwarded ports. */
  readonly restricted: boolean;
  readonly hostname?: string;
  readonly domain?: string;
  readonly search: readonly string[];
  readonly forwards: readonly PortForward[];
}

/** QEMU's: 10.0.2.0/24, and in it the places of gateway, name server and first client. */
const DEFAULT_NETWORK = 0x0a000200;
const PLACE = { host: 2, dns: 3, client: 15 } as const;

/**
 * Addresses from the texts of the options; what is not given follows from the network.
 * @throws OptionError if an address is none, or outside the network
 */
export function userAddresses(given: {
  readonly net?: string;
  readonly host?: string;
  readonly dns?: string;
  readonly dhcpstart?: string;
}): Pick<UserNetworkOptions, 'network' | 'netmask' | 'host' | 'dns' | 'dhcpStart'> {
  const option = '-netdev user';
  const { network, netmask } = readNetwork(`${option},net`, given.net);
  const inside = (name: 'host' | 'dns' | 'dhcpstart', place: number): Ipv4 => {
    const text = given[name];
    const address = text === undefined ? (network | place) >>> 0 : parseIpv4(`${option},${name}`, text);
    const own = (address & ~netmask) >>> 0;
    if ((address & netmask) >>> 0 !== network || own === 0 || own === ~netmask >>> 0) {
      throw new OptionError(
        `${option},${name}=${formatIpv4(address)}: not a host's address in ${formatIpv4(network)}/${maskBits(netmask)}`,
      );
    }
    return address;
  };
  const host = inside('host', PLACE.host);
  const dns = inside('dns', PLACE.dns);
  const dhcpStart = inside('dhcpstart', PLACE.client);
  if (host === dns) throw new OptionError(`${option},dns=${formatIpv4(dns)}: the host has this address`);
  for (const [name, address] of [
    ['host', host],
    ['dns', dns],
  ] as const) {
    if (address >= dhcpStart && address < dhcpStart + 16) {
      throw new OptionError(
        `${option},dhcpstart=${formatIpv4(dhcpStart)}: ${name} is among the 16 addresses from there on`,
      );
    }
  }
  return { network, netmask, host, dns, dhcpStart };
}

function maskBits(netmask: Ipv4): number {
  return netmask === 0 ? 0 : 32 - Math.log2((~netmask >>> 0) + 1);
}

/** `addr`, `addr/bits` or `addr/mask`; the address may be any of the network's. */
function readNetwork(option: string, text: string | undefined): { network: Ipv4; netmask: Ipv4 } {
  if (text === undefined) return { network: DEFAULT_NETWORK, netmask: 0xffff_ff00 };
  const [address, mask] = text.split('/') as [string, string?];
  const ip = parseIpv4(option, address);
  let netmask = classMask(ip);
  if (mask !== undefined && /^\d{1,2}$/.test(mask)) {
    const bits = Number(mask);
    if (bits < 4 || bits > 29) throw new OptionError(`${option}=${text}: allowed are 4 to 29 bits`);
    netmask = (0xffff_ffff << (32 - bits)) >>> 0;
  } else if (mask !== undefined) {
    netmask = parseIpv4(option, mask);
    const hostPart = ~netmask >>> 0;
    if ((hostPart & (hostPart + 1)) !== 0 || hostPart < 7 || hostPart > 0x0fff_ffff) {
      throw new OptionError(`${option}=${text}: the mask has to be 4 to 29 ones, then zeros`);
    }
  }
  return { network: (ip & netmask) >>> 0, netmask };
}

/** QEMU: without a mask, that of the address's class or private range. */
function classMask(address: Ipv4): Ipv4 {
  if ((address & 0x8000_0000) === 0) return 0xff00_0000;
  if ((address & 0xfff0_0000) >>> 0 === 0xac10_0000) return 0xfff0_0000;
  if ((address & 0xc000_0000) >>> 0 === 0x8000_0000) return 0xffff_0000;
  if ((address & 0xffff_0000) >>> 0 === 0xc0a8_0000) return 0xffff_0000;
  return 0xffff_ff00;
}
