/** UDP of the user network: a socket of the host for each port of the guest that sends, and forwarded ports. */
import { createSocket, type Socket } from 'node:dgram';
import type { Ns } from '../../../engine/base/units.ts';
import { OptionError } from '../../../engine/boards/option-error.ts';
import { formatIpv4, type Ipv4, isLoopback, LOOPBACK, tryIpv4 } from './addresses.ts';
import { buildUdp, type UdpDatagram } from './udp.ts';
import type { PortForward } from './user-options.ts';

/** A port of the guest that sent nothing and got nothing for so long loses its socket (QEMU: 4 minutes). */
const FORGOTTEN_AFTER: Ns = 240e9;
/** How long a sleeping machine really waits for an answer. */
const ANSWER_WITHIN: Ns = 5e9;
const SOCKETS_MAX = 1024;
/** Peers of one port of the guest. */
const PEERS_MAX = 4096;

export interface UdpNatPorts {
  /** Sends a UDP datagram in a packet. */
  send(source: Ipv4, destination: Ipv4, datagram: Uint8Array): void;
  now(): Ns;
  hostOf(destination: Ipv4, port: number): { host: string; port: number } | undefined;
  woke(): void;
}

/** What a socket was told of a peer: who it is for the guest. */
interface Peer {
  readonly address: Ipv4;
  readonly port: number;
}

interface Flow {
  readonly socket: Socket;
  /** By address and port on the host: only these are heard. */
  readonly peers: Map<string, Peer>;
  used: Ns;
  asked: Ns;
  answered: boolean;
}

/** A forwarded port: answers of the guest go back through its socket. */
interface Forward {
  readonly socket: Socket;
  readonly forward: PortForward;
  readonly clients: Map<number, { readonly host: string; readonly port: number }>;
}

export class UdpNat {
  readonly #ports: UdpNatPorts;
  readonly #gateway: Ipv4;
  readonly #flows = new Map<string, Flow>();
  readonly #forwards: Forward[] = [];

  constructor(ports: UdpNatPorts, gateway: Ipv4) {
    this.#ports = ports;
    this.#gateway = gateway;
  }

  /** A question of the guest's may still be answered. */
  get waits(): boolean {
    const now = this.#ports.now();
    for (const { asked, answered } of this.#flows.values()) {
      if (!answered && now - asked < ANSWER_WITHIN) return true;
    }
    return false;
  }

  poll(): void {
    const now = this.#ports.now();
    for (const [key, { socket, used }] of this.#flows) {
      if (now - used < FORGOTTEN_AFTER) continue;
      this.#flows.delete(key);
      socket.close();
    }
  }

  /** False: it leads nowhere. */
  receive(source: Ipv4, destination: Ipv4, { sourcePort, destinationPort, data }: UdpDatagram): boolean {
    if (destination === this.#gateway && this.#answerForward(source, sourcePort, destinationPort, data)) {
      return true;
    }
    const target = this.#ports.hostOf(destination, destinationPort);
    if (target === undefined) return false;
    const flow = this.#flow(source, sourcePort, target.host);
    if (flow === undefined) return true;
    flow.used = this.#ports.now();
    flow.asked = flow.used;
    flow.answered = false;
    if (flow.peers.size < PEERS_MAX) {
      flow.peers.set(`${target.host} ${target.port}`, { address: destination, port: destinationPort });
    }
    flow.socket.send(data.slice(), target.port, target.host);
    return true;
  }

  #flow(guest: Ipv4, guestPort: number, host: string): Flow | undefined {
    // Nothing from beyond loopback reaches a socket that speaks to loopback only.
    const local = isLoopback(host);
    const key = `${guest}:${guestPort} ${host.includes(':') ? 6 : 4} ${local}`;
    const known = this.#flows.get(key);
    if (known !== undefined) return known;
    if (this.#flows.size >= SOCKETS_MAX) return undefined;
    const v6 = host.includes(':');
    const socket = createSocket(v6 ? 'udp6' : 'udp4');
    const flow: Flow = { socket, peers: new Map(), used: 0, asked: 0, answered: true };
    socket.on('error', () => {});
    socket.on('message', (data, { address, port }) => {
      const peer = flow.peers.get(`${address} ${port}`);
      if (peer === undefined) return;
      flow.used = this.#ports.now();
      flow.answered = true;
      this.#send(peer.address, peer.port, guest, guestPort, data);
    });
    socket.bind({ address: local ? (v6 ? '::1' : LOOPBACK) : v6 ? '::' : '0.0.0.0', port: 0 });
    this.#flows.set(key, flow);
    return flow;
  }

  #send(from: Ipv4, fromPort: number, to: Ipv4, toPort: number, data: Uint8Array): void {
    const datagram = { sourcePort: fromPort, destinationPort: toPort, data: new Uint8Array(data) };
    this.#ports.send(from, to, buildUdp(from, to, datagram));
    this.#ports.woke();
  }

  #answerForward(source: Ipv4, sourcePort: number, destinationPort: number, data: Uint8Array): boolean {
    for (const { forward, clients, socket } of this.#forwards) {
      if (forward.guestAddress !== source || forward.guestPort !== sourcePort) continue;
      const client = clients.get(destinationPort);
      if (client === undefined) continue;
      socket.send(data.slice(), client.port, client.host);
      return true;
    }
    return false;
  }

  /** @throws OptionError if the port is not to be had */
  async forward(forward: PortForward): Promise<void> {
    const { hostAddress, hostPort, guestAddress, guestPort } = forward;
    const socket = createSocket(hostAddress.includes(':') ? 'udp6' : 'udp4');
    const clients: Forward['clients'] = new Map();
    this.#forwards.push({ socket, forward, clients });
    socket.on('message', (data, { address, port }) => {
      const peer = tryIpv4(address);
      const from = peer === undefined || peer >>> 24 === 127 ? this.#gateway : peer;
      if (clients.size < PEERS_MAX) clients.set(port, { host: address, port });
      this.#send(from, port, guestAddress, guestPort, data);
    });
    await new Promise<void>((resolve, reject) => {
      socket.once('error', (error: NodeJS.ErrnoException) =>
        reject(
          new OptionError(
            `-netdev user,hostfwd=udp:${hostAddress}:${hostPort}-${formatIpv4(guestAddress)}:${guestPort}: cannot listen: ${error.code ?? error.message}`,
          ),
        ),
      );
      socket.bind({ address: hostAddress, port: hostPort }, resolve);
    });
    socket.on('error', () => {});
  }

  close(): void {
    for (const { socket } of this.#flows.values()) socket.close();
    for (const { socket } of this.#forwards) socket.close();
    this.#flows.clear();
    this.#forwards.length = 0;
  }
}
