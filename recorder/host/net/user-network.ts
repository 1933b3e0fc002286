/**
 * A network of the guest's own (`-netdev user`), as QEMU's: a gateway behind which is the host, a name server, and a
 * DHCP server. Connections of the guest become connections of this process; the guest's frames go no further.
 */
import { getServers } from 'node:dns';
import type { Ns } from '../../../engine/base/units.ts';
import {
  formatIpv4,
  type Ipv4,
  isLoopback,
  LOOPBACK,
  MAC_BYTES,
  type Mac,
  macOfVirtualHost,
} from './addresses.ts';
import { ARP_OPERATION, buildArp, parseArp } from './arp.ts';
import { DHCP_CLIENT_PORT, DHCP_SERVER_PORT, DhcpServer } from './dhcp.ts';
import { buildEthernet, ETHER_TYPE, parseEthernet } from './ethernet.ts';
import { echoReply, isEchoRequest, UNREACHABLE_CODE, unreachable } from './icmp.ts';
import { buildIpv4, PROTOCOL, parseIpv4Packet, Reassembly, type ReceivedIpv4 } from './ipv4.ts';
import type { LinkBackend, LinkPorts } from './link.ts';
import { Neighbours } from './neighbours.ts';
import { TcpNat } from './tcp-nat.ts';
import { buildUdp, parseUdp } from './udp.ts';
import { UdpNat } from './udp-nat.ts';
import type { UserNetworkOptions } from './user-options.ts';

const DNS_PORT = 53;
const FIRST_MULTICAST: Ipv4 = 0xe000_0000;

export class UserNetwork implements LinkBackend {
  readonly #options: UserNetworkOptions;
  readonly #ports: LinkPorts;
  readonly #resolver: { host: string; port: number };
  readonly #dhcp: DhcpServer;
  readonly #neighbours: Neighbours;
  readonly #reassembly = new Reassembly();
  readonly #tcp: TcpNat;
  readonly #udp: UdpNat;
  readonly #broadcast: Ipv4;
  /** Number of the next packet. */
  #id = 0;

  /** @param resolver the name server of the host; default: its first */
  constructor(
    options: UserNetworkOptions,
    ports: LinkPorts,
    resolver: { host: string; port: number } = hostResolver(),
  ) {
    this.#options = options;
    this.#ports = ports;
    this.#resolver = resolver;
    const { host, netmask, network, dhcpStart, restricted, dns, hostname, domain, search } = options;
    this.#broadcast = (network | ~netmask) >>> 0;
    this.#dhcp = new DhcpServer({
      server: host,
      netmask,
      first: dhcpStart,
      ...(restricted ? {} : { router: host, dns }),
      ...(hostname === undefined ? {} : { hostname }),
      ...(domain === undefined ? {} : { domain }),
      search,
    });
    this.#neighbours = new Neighbours(
      {
        now: () => ports.now(),
        sendArp: (to, packet) => {
          const sender = { senderMac: macOfVirtualHost(host), sender: host };
          this.#frame(to, ETHER_TYPE.ARP, buildArp({ ...packet, ...sender }));
        },
        sendPacket: (to, packet) => this.#frame(to, ETHER_TYPE.IPV4, packet),
      },
      this.#broadcast,
    );
    const nat = {
      now: () => ports.now(),
      hostOf: (destination: Ipv4, port: number) => this.#hostOf(destination, port),
      woke: () => ports.wake(),
    };
    const sender = (protocol: number) => (source: Ipv4, destination: Ipv4, payload: Uint8Array) =>
      this.#send(protocol, source, destination, payload);
    this.#tcp = new TcpNat({ ...nat, send: sender(PROTOCOL.TCP) }, host);
    this.#udp = new UdpNat({ ...nat, send: sender(PROTOCOL.UDP) }, host);
  }

  async open(): Promise<void> {
    for (const forward of this.#options.forwards) {
      await (forward.protocol === 'tcp' ? this.#tcp : this.#udp).forward(forward);
    }
  }

  close(): void {
    this.#tcp.close();
    this.#udp.close();
  }

  get deadline(): Ns {
    return this.#tcp.deadline;
  }

  poll(): void {
    this.#tcp.poll();
    this.#udp.poll();
  }

  expects(): boolean {
    return this.#options.forwards.length > 0 || this.#tcp.hasConnections || this.#udp.waits;
  }

  fromGuest(bytes: Uint8Array): void {
    const frame = parseEthernet(bytes);
    if (frame === undefined) return;
    if (frame.type === ETHER_TYPE.ARP) this.#arp(frame.payload);
    else if (frame.type === ETHER_TYPE.IPV4) this.#ipv4(frame.from, frame.payload);
  }

  /* --- To the guest ------------------------------------------------------------------------------------- */

  #frame(to: Mac, type: number, payload: Uint8Array): void {
    this.#ports.toGuest(buildEthernet({ to, from: macOfVirtualHost(this.#options.host), type, payload }));
  }

  #send(protocol: number, source: Ipv4, destination: Ipv4, payload: Uint8Array): void {
    this.#id = (this.#id + 1) & 0xffff;
    for (const packet of buildIpv4({ protocol, source, destination, payload }, this.#id)) {
      this.#neighbours.send(destination, packet);
    }
  }

  /* --- From the guest ----------------------------------------------------------------------------------- */

  #arp(bytes: Uint8Array): void {
    const packet = parseArp(bytes);
    if (packet === undefined) return;
    if (this.#isOurs(packet.sender)) return;
    if (this.#isInside(packet.sender)) this.#neighbours.learn(packet.sender, packet.senderMac);
    if (packet.operation !== ARP_OPERATION.REQUEST || !this.#isOurs(packet.target)) return;
    const reply = buildArp({
      operation: ARP_OPERATION.REPLY,
      senderMac: macOfVirtualHost(packet.target),
      sender: packet.target,
      targetMac: packet.senderMac,
      target: packet.sender,
    });
    this.#frame(packet.senderMac.slice(0, MAC_BYTES), ETHER_TYPE.ARP, reply);
  }

  #ipv4(from: Mac, bytes: Uint8Array): void {
    const received = parseIpv4Packet(bytes);
    if (received === undefined) return;
    if (this.#isInside(received.source) && !this.#isOurs(received.source)) {
      this.#neighbours.learn(received.source, from);
    }
    const packet = this.#reassembly.add(received);
    if (packet === undefined) return;
    const { protocol, source, destination, payload } = packet;
    if (protocol === PROTOCOL.UDP) {
      const datagram = parseUdp(source, destination, payload);
      if (datagram === undefined) return;
      if (datagram.destinationPort === DHCP_SERVER_PORT && this.#hearsDhcp(destination)) {
        this.#answerDhcp(datagram.data);
      } else if (this.#isUnicast(destination) && !this.#udp.receive(source, destination, datagram)) {
        this.#unreachable(UNREACHABLE_CODE.PORT, received);
      }
    } else if (protocol === PROTOCOL.TCP) {
      if (this.#isUnicast(destination)) this.#tcp.receive(source, destination, payload);
    } else if (protocol === PROTOCOL.ICMP) this.#icmp(received, payload);
  }

  #icmp(received: ReceivedIpv4, payload: Uint8Array): void {
    const { source, destination } = received;
    if (!this.#isUnicast(destination)) return;
    if (this.#isOurs(destination)) {
      const reply = echoReply(payload);
      if (reply !== undefined) this.#send(PROTOCOL.ICMP, destination, source, reply);
    } else if (isEchoRequest(payload)) {
      // Node has no sockets for it.
      this.#unreachable(
        this.#isInside(destination) ? UNREACHABLE_CODE.HOST : UNREACHABLE_CODE.NETWORK,
        received,
      );
    }
  }

  #unreachable(code: number, { source, whole, offset }: ReceivedIpv4): void {
    if (offset === 0) this.#send(PROTOCOL.ICMP, this.#options.host, source, unreachable(code, whole));
  }

  #hearsDhcp(destination: Ipv4): boolean {
    return destination === this.#options.host || !this.#isUnicast(destination);
  }

  #answerDhcp(message: Uint8Array): void {
    const reply = this.#dhcp.handle(message);
    if (reply === undefined) return;
    if (reply.client !== undefined) this.#neighbours.learn(reply.client.address, reply.client.mac);
    const { host } = this.#options;
    const datagram = {
      sourcePort: DHCP_SERVER_PORT,
      destinationPort: DHCP_CLIENT_PORT,
      data: reply.message,
    };
    this.#send(PROTOCOL.UDP, host, reply.to, buildUdp(host, reply.to, datagram));
  }

  /* --- Addresses ---------------------------------------------------------------------------------------- */

  #isOurs(address: Ipv4): boolean {
    return address === this.#options.host || address === this.#options.dns;
  }

  #isInside(address: Ipv4): boolean {
    const { network, netmask } = this.#options;
    return (address & netmask) >>> 0 === network;
  }

  #isUnicast(address: Ipv4): boolean {
    return address !== 0 && address < FIRST_MULTICAST && address !== this.#broadcast;
  }

  /** QEMU: the gateway is the host's loopback, the name server its resolver; the rest is what it is. */
  #hostOf(destination: Ipv4, port: number): { host: string; port: number } | undefined {
    const { host, dns, restricted } = this.#options;
    if (restricted) return undefined;
    if (destination === dns) return port === DNS_PORT ? this.#resolver : { host: LOOPBACK, port };
    if (destination === host) return { host: LOOPBACK, port };
    if (this.#isInside(destination) || isLoopback(formatIpv4(destination))) return undefined;
    return { host: formatIpv4(destination), port };
  }
}

/** The host's first name server. */
function hostResolver(): { host: string; port: number } {
  const first = getServers()[0] ?? LOOPBACK;
  const bracketed = /^\[(.+)\]:(\d+)$/.exec(first);
  if (bracketed !== null) return { host: bracketed[1]!, port: Number(bracketed[2]) };
  const parts = first.split(':');
  if (parts.length === 2) return { host: parts[0]!, port: Number(parts[1]) };
  return { host: first, port: DNS_PORT };
}
