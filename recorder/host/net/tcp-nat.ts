/** TCP of the user network: the guest's connections to the outside, and forwarded ports from there. */
import { createServer, type Server } from 'node:net';
import type { Ns } from '../../../engine/base/units.ts';
import { OptionError } from '../../../engine/boards/option-error.ts';
import { formatIpv4, type Ipv4, tryIpv4 } from './addresses.ts';
import { SocketStream } from './host-stream.ts';
import { TcpConnection, type TcpPorts } from './tcp-connection.ts';
import { buildTcp, parseTcp, seqAdd, TCP_FLAG, type TcpSegment } from './tcp-segment.ts';
import type { PortForward } from './user-options.ts';

/** Connections at a time; a guest may ask for any number. */
const CONNECTIONS_MAX = 4096;
/** Between first sequence numbers of connections. */
const INITIAL_STEP = 64_000;
const FIRST_EPHEMERAL = 49_152;

export interface TcpNatPorts {
  /** Sends a TCP segment in a packet. */
  send(source: Ipv4, destination: Ipv4, segment: Uint8Array): void;
  now(): Ns;
  /** Where an address of the guest's is on the host; undefined: it leads nowhere. */
  hostOf(destination: Ipv4, port: number): { host: string; port: number } | undefined;
  /** Something was sent from outside the run of the machine. */
  woke(): void;
}

interface Entry {
  readonly connection: TcpConnection;
}

export class TcpNat {
  readonly #ports: TcpNatPorts;
  readonly #gateway: Ipv4;
  /** By guest's address and port, and the other end's. */
  readonly #connections = new Map<string, Entry>();
  readonly #servers: Server[] = [];
  #initial = 0x1234_5678;
  #ephemeral = FIRST_EPHEMERAL;

  constructor(ports: TcpNatPorts, gateway: Ipv4) {
    this.#ports = ports;
    this.#gateway = gateway;
  }

  get hasConnections(): boolean {
    return this.#connections.size > 0;
  }

  get deadline(): Ns {
    let first = Number.POSITIVE_INFINITY;
    for (const { connection } of this.#connections.values()) first = Math.min(first, connection.deadline);
    return first;
  }

  poll(): void {
    for (const { connection } of [...this.#connections.values()]) {
      connection.flush();
      connection.tick();
    }
  }

  /** A segment of the guest's. */
  receive(source: Ipv4, destination: Ipv4, bytes: Uint8Array): void {
    const segment = parseTcp(source, destination, bytes);
    if (segment === undefined) return;
    const key = keyOf(source, segment.sourcePort, destination, segment.destinationPort);
    const entry = this.#connections.get(key);
    if (entry !== undefined) {
      entry.connection.receive(segment);
      return;
    }
    const isSyn = (segment.flags & (TCP_FLAG.SYN | TCP_FLAG.ACK | TCP_FLAG.RST)) === TCP_FLAG.SYN;
    if (!isSyn || this.#connections.size >= CONNECTIONS_MAX) {
      this.#refuse(source, destination, segment);
      return;
    }
    const target = this.#ports.hostOf(destination, segment.destinationPort);
    if (target === undefined) this.#refuse(source, destination, segment);
    else this.#connect(key, source, destination, segment, target);
  }

  #connect(
    key: string,
    source: Ipv4,
    destination: Ipv4,
    syn: TcpSegment,
    target: { host: string; port: number },
  ): void {
    const stream = SocketStream.connect(target);
    const ports = this.#portsFor(key, destination, syn.destinationPort, source, syn.sourcePort);
    const connection = TcpConnection.fromGuest(ports, stream, this.#nextInitial(), syn);
    this.#add(key, connection, stream);
  }

  #portsFor(key: string, from: Ipv4, fromPort: number, to: Ipv4, toPort: number): TcpPorts {
    return {
      send: (segment) => {
        const whole = { ...segment, sourcePort: fromPort, destinationPort: toPort };
        this.#ports.send(from, to, buildTcp(from, to, whole));
      },
      now: () => this.#ports.now(),
      closed: () => this.#connections.delete(key),
    };
  }

  #add(key: string, connection: TcpConnection, stream: SocketStream): void {
    this.#connections.set(key, { connection });
    const { woke } = this.#ports;
    stream.listen({
      connected: () => {
        connection.connected();
        woke();
      },
      hostData: (bytes) => {
        connection.hostData(bytes);
        woke();
      },
      hostEnded: () => {
        connection.hostEnded();
        woke();
      },
      hostFailed: () => {
        connection.hostFailed();
        woke();
      },
      hostDrained: () => {
        connection.hostDrained();
        woke();
      },
    });
  }

  /** RFC 9293, 3.10.7.1: a segment for no connection is answered with a reset. */
  #refuse(source: Ipv4, destination: Ipv4, segment: TcpSegment): void {
    const { flags } = segment;
    if ((flags & TCP_FLAG.RST) !== 0) return;
    const hasAck = (flags & TCP_FLAG.ACK) !== 0;
    const length = segment.data.length + ((flags & TCP_FLAG.SYN) === 0 ? 0 : 1) + (flags & TCP_FLAG.FIN);
    const answer: TcpSegment = {
      sourcePort: segment.destinationPort,
      destinationPort: segment.sourcePort,
      seq: hasAck ? segment.ack : 0,
      ack: hasAck ? 0 : seqAdd(segment.seq, length),
      flags: hasAck ? TCP_FLAG.RST : TCP_FLAG.RST | TCP_FLAG.ACK,
      window: 0,
      data: new Uint8Array(0),
    };
    this.#ports.send(destination, source, buildTcp(destination, source, answer));
  }

  /** @throws OptionError if the port is not to be had */
  async forward(forward: PortForward): Promise<void> {
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => {
      const { guestAddress, guestPort } = forward;
      // QEMU: who comes from the host's loopback comes from the gateway, with the port it has.
      const peer = tryIpv4(socket.remoteAddress ?? '');
      const from = peer === undefined || peer >>> 24 === 127 ? this.#gateway : peer;
      let port = socket.remotePort ?? this.#nextEphemeral();
      let key = keyOf(guestAddress, guestPort, from, port);
      while (this.#connections.has(key)) {
        port = this.#nextEphemeral();
        key = keyOf(guestAddress, guestPort, from, port);
      }
      const stream = new SocketStream(socket);
      if (this.#connections.size >= CONNECTIONS_MAX) {
        stream.destroy();
        return;
      }
      const ports = this.#portsFor(key, from, port, guestAddress, guestPort);
      this.#add(key, TcpConnection.fromHost(ports, stream, this.#nextInitial()), stream);
      this.#ports.woke();
    });
    this.#servers.push(server);
    await new Promise<void>((resolve, reject) => {
      server.once('error', (error: NodeJS.ErrnoException) =>
        reject(
          new OptionError(
            `-netdev user,hostfwd=tcp:${forward.hostAddress}:${forward.hostPort}-${formatIpv4(forward.guestAddress)}:${forward.guestPort}: cannot listen: ${error.code ?? error.message}`,
          ),
        ),
      );
      server.listen({ host: forward.hostAddress, port: forward.hostPort }, resolve);
    });
  }

  /** Ends everything, at once. */
  close(): void {
    for (const server of this.#servers) server.close();
    for (const { connection } of [...this.#connections.values()]) connection.hostFailed();
    this.#connections.clear();
  }

  #nextInitial(): number {
    this.#initial = seqAdd(this.#initial, INITIAL_STEP);
    return this.#initial;
  }

  #nextEphemeral(): number {
    this.#ephemeral = this.#ephemeral >= 0xffff ? FIRST_EPHEMERAL : this.#ephemeral + 1;
    return this.#ephemeral;
  }
}

function keyOf(guest: Ipv4, guestPort: number, other: Ipv4, otherPort: number): string {
  return `${guest}:${guestPort} ${other}:${otherPort}`;
}
