/** The DHCP server of the user network (RFC 2131, options RFC 2132). */
import { BROADCAST_IP, type Ipv4, ipv4Bytes, MAC_BYTES, type Mac } from './addresses.ts';

export const DHCP_SERVER_PORT = 67;
export const DHCP_CLIENT_PORT = 68;

const MESSAGE = { DISCOVER: 1, OFFER: 2, REQUEST: 3, DECLINE: 4, ACK: 5, NAK: 6, RELEASE: 7, INFORM: 8 };
const OPTION = {
  PAD: 0,
  NETMASK: 1,
  ROUTER: 3,
  DNS: 6,
  HOSTNAME: 12,
  DOMAIN: 15,
  REQUESTED: 50,
  LEASE: 51,
  TYPE: 53,
  SERVER: 54,
  SEARCH: 119,
  END: 255,
};
const BOOT_REQUEST = 1;
const BOOT_REPLY = 2;
const COOKIE = 0x63825363;
const OPTIONS_AT = 240;
/** Shortest message that every relay and client takes. */
const MESSAGE_BYTES = 548;
/** QEMU: one day. */
const LEASE_SECONDS = 86_400;
/** Addresses it gives away, from the first on (QEMU). */
const LEASES = 16;

export interface DhcpOptions {
  readonly server: Ipv4;
  readonly netmask: Ipv4;
  readonly first: Ipv4;
  /** Absent on a network that leads nowhere. */
  readonly router?: Ipv4;
  readonly dns?: Ipv4;
  readonly hostname?: string;
  readonly domain?: string;
  readonly search?: readonly string[];
}

interface Request {
  readonly type: number;
  readonly mac: Mac;
  readonly clientAddress: Ipv4;
  readonly requested: Ipv4 | undefined;
  readonly server: Ipv4 | undefined;
  readonly bytes: Uint8Array;
}

export interface DhcpReply {
  readonly message: Uint8Array;
  /** Address and hardware address of the client, if it has them now. */
  readonly client?: { readonly address: Ipv4; readonly mac: Mac };
  readonly to: Ipv4;
}

export class DhcpServer {
  readonly #options: DhcpOptions;
  /** Hardware addresses by number of the lease, as text. */
  readonly #leases: (string | undefined)[] = new Array(LEASES).fill(undefined);

  constructor(options: DhcpOptions) {
    this.#options = options;
  }

  /** @returns the answer, if there is one */
  handle(message: Uint8Array): DhcpReply | undefined {
    const request = parse(message);
    if (request === undefined) return undefined;
    const { server } = this.#options;
    switch (request.type) {
      case MESSAGE.DISCOVER: {
        const address = this.#lease(request.mac, request.requested);
        return address === undefined ? undefined : this.#reply(request, MESSAGE.OFFER, address);
      }
      case MESSAGE.REQUEST: {
        if (request.server !== undefined && request.server !== server) return undefined;
        const wanted = request.requested ?? request.clientAddress;
        const address = this.#lease(request.mac, wanted);
        if (address === undefined || address !== wanted) return this.#reply(request, MESSAGE.NAK, 0);
        return this.#reply(request, MESSAGE.ACK, address);
      }
      case MESSAGE.INFORM:
        return this.#reply(request, MESSAGE.ACK, 0);
      case MESSAGE.RELEASE:
      case MESSAGE.DECLINE: {
        const index = this.#leases.indexOf(String(request.mac));
        if (index >= 0) this.#leases[index] = undefined;
        return undefined;
      }
      default:
        return undefined;
    }
  }

  /** The address of a client: what it had, else what it wants, else the first free one. */
  #lease(mac: Mac, wanted: Ipv4 | undefined): Ipv4 | undefined {
    const { first } = this.#options;
    const who = String(mac);
    const had = this.#leases.indexOf(who);
    if (had >= 0) return first + had;
    const asked = wanted === undefined ? -1 : wanted - first;
    const index =
      asked >= 0 && asked < LEASES && this.#leases[asked] === undefined
        ? asked
        : this.#leases.indexOf(undefined);
    if (index < 0) return undefined;
    this.#leases[index] = who;
    return first + index;
  }

  #reply(request: Request, type: number, address: Ipv4): DhcpReply {
    const message = new Uint8Array(MESSAGE_BYTES);
    const view = new DataView(message.buffer);
    message.set(request.bytes.subarray(0, 44), 0);
    message[0] = BOOT_REPLY;
    message[3] = 0;
    view.setUint16(8, 0);
    view.setUint32(12, type === MESSAGE.NAK ? 0 : request.clientAddress);
    view.setUint32(16, address);
    view.setUint32(20, type === MESSAGE.NAK ? 0 : this.#options.server);
    view.setUint32(236, COOKIE);
    message.set(this.#optionsOf(type, address), OPTIONS_AT);
    const given = type === MESSAGE.ACK && address !== 0;
    const to = request.clientAddress !== 0 && type === MESSAGE.ACK ? request.clientAddress : BROADCAST_IP;
    return { message, to, ...(given ? { client: { address, mac: request.mac } } : {}) };
  }

  #optionsOf(type: number, address: Ipv4): Uint8Array {
    const { server, netmask, router, dns, hostname, domain, search = [] } = this.#options;
    const bytes: number[] = [OPTION.TYPE, 1, type, OPTION.SERVER, 4, ...ipv4Bytes(server)];
    const add = (option: number, value: Iterable<number>): void => {
      const data = [...value];
      if (data.length <= 255) bytes.push(option, data.length, ...data);
    };
    if (type !== MESSAGE.NAK) {
      add(OPTION.NETMASK, ipv4Bytes(netmask));
      if (router !== undefined) add(OPTION.ROUTER, ipv4Bytes(router));
      if (dns !== undefined) add(OPTION.DNS, ipv4Bytes(dns));
      if (address !== 0) add(OPTION.LEASE, ipv4Bytes(LEASE_SECONDS));
      if (hostname !== undefined) add(OPTION.HOSTNAME, Buffer.from(hostname));
      if (domain !== undefined) add(OPTION.DOMAIN, Buffer.from(domain));
      if (search.length > 0)
        add(
          OPTION.SEARCH,
          search.flatMap((name) => [...domainName(name)]),
        );
    }
    bytes.push(OPTION.END);
    return Uint8Array.from(bytes.slice(0, MESSAGE_BYTES - OPTIONS_AT));
  }
}

/** Labels with their lengths (RFC 1035, 3.1); the search list is not compressed, which RFC 3397 allows. */
function domainName(name: string): number[] {
  return [
    ...name
      .split('.')
      .filter((label) => label !== '')
      .flatMap((label) => [label.length, ...Buffer.from(label)]),
    0,
  ];
}

function parse(bytes: Uint8Array): Request | undefined {
  if (bytes.length < OPTIONS_AT || bytes[0] !== BOOT_REQUEST || bytes[1] !== 1 || bytes[2] !== MAC_BYTES) {
    return undefined;
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (view.getUint32(236) !== COOKIE) return undefined;
  const options = new Map<number, Uint8Array>();
  for (let at = OPTIONS_AT; at < bytes.length && bytes[at] !== OPTION.END; ) {
    if (bytes[at] === OPTION.PAD) {
      at++;
      continue;
    }
    const length = bytes[at + 1] ?? 0;
    if (at + 2 + length > bytes.length) return undefined;
    options.set(bytes[at]!, bytes.subarray(at + 2, at + 2 + length));
    at += 2 + length;
  }
  const address = (option: number): Ipv4 | undefined => {
    const value = options.get(option);
    return value?.length === 4 ? new DataView(value.buffer, value.byteOffset, 4).getUint32(0) : undefined;
  };
  const type = options.get(OPTION.TYPE)?.[0];
  if (type === undefined) return undefined;
  return {
    type,
    mac: bytes.slice(28, 28 + MAC_BYTES),
    clientAddress: view.getUint32(12),
    requested: address(OPTION.REQUESTED),
    server: address(OPTION.SERVER),
    bytes,
  };
}
