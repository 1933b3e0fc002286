/** Where clients of QMP and of the monitor come from: a socket they connect to, one that is connected to, or stdio. */
import { lstatSync, unlinkSync } from 'node:fs';
import { connect, createServer, type ListenOptions, type Server, type Socket } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';

/** The protocol at this end of a connection. */
export interface Peer {
  receive(bytes: Uint8Array): void;
  close(): void;
}

export interface PeerPorts {
  send(text: string): void;
  pressure(full: boolean): void;
}

export type MakePeer = (ports: PeerPorts) => Peer;

/** Clients at a time. */
const CLIENTS_MAX = 16;
/** Bytes that may wait for a client that does not read; it is dropped then. */
const UNREAD_MAX = 16 << 20;
const LAST_TURNS = 50;

export class Channel {
  readonly #make: MakePeer;
  readonly #clients = new Map<Socket, Peer>();
  #server: Server | undefined;
  #arrived: () => void = () => {};
  /** Resolves when the first client is there. */
  readonly firstClient: Promise<void>;

  private constructor(make: MakePeer) {
    this.#make = make;
    this.firstClient = new Promise((resolve) => {
      this.#arrived = resolve;
    });
  }

  /** Waits for clients. Rejects with the system's error if the place is taken. */
  static async listen(place: ListenOptions, make: MakePeer): Promise<Channel> {
    const channel = new Channel(make);
    if (place.path !== undefined) await removeStale(place.path);
    const server = createServer((socket) => channel.#accept(socket));
    channel.#server = server;
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(place, () => {
        server.off('error', reject);
        resolve();
      });
    });
    return channel;
  }

  /** Connects to somebody who listens, once. Rejects with the system's error. */
  static async connect(place: ListenOptions, make: MakePeer): Promise<Channel> {
    const channel = new Channel(make);
    const socket =
      place.path === undefined ? connect(place.port!, place.host) : connect({ path: place.path });
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject);
      socket.once('connect', () => {
        socket.off('error', reject);
        resolve();
      });
    });
    channel.#accept(socket);
    return channel;
  }

  /** Of TCP; 0 for another kind of socket. */
  get port(): number {
    const address = this.#server?.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  #accept(socket: Socket): void {
    socket.on('error', () => {});
    if (this.#clients.size >= CLIENTS_MAX) {
      socket.destroy();
      return;
    }
    socket.setNoDelay(true);
    const peer = this.#make({
      send: (text) => {
        if (socket.destroyed) return;
        socket.write(text);
        if (socket.writableLength > UNREAD_MAX) socket.destroy();
      },
      pressure: (full) => {
        if (full) socket.pause();
        else socket.resume();
      },
    });
    this.#clients.set(socket, peer);
    socket.on('data', (bytes: Buffer) => peer.receive(bytes));
    socket.on('close', () => {
      peer.close();
      this.#clients.delete(socket);
    });
    this.#arrived();
  }

  /** Lets clients hear what has been said, and closes. */
  async close(): Promise<void> {
    for (const socket of this.#clients.keys()) socket.end();
    for (let turn = 0; turn < LAST_TURNS && this.#clients.size > 0; turn++) await nextTurn();
    for (const socket of this.#clients.keys()) socket.destroySoon();
    const server = this.#server;
    if (server !== undefined) await new Promise<void>((resolve) => server.close(() => resolve()));
  }
}

/** A socket of somebody who has died is in the way; one of somebody who lives is not ours. */
async function removeStale(path: string): Promise<void> {
  try {
    if (!lstatSync(path).isSocket()) return;
  } catch {
    return;
  }
  const isDead = await new Promise<boolean>((resolve) => {
    const probe = connect({ path });
    probe.once('connect', () => {
      probe.destroy();
      resolve(false);
    });
    probe.once('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'ECONNREFUSED'));
  });
  if (isDead) unlinkSync(path);
}
