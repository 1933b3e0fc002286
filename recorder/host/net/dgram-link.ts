/** `-netdev dgram`: a frame in each UDP datagram, to and from one peer. */
import { createSocket, type Socket } from 'node:dgram';
import { OptionError } from '../../../engine/boards/option-error.ts';
import type { LinkBackend, LinkPorts } from './link.ts';

export interface DgramOptions {
  /** As it was asked for, for messages. */
  readonly option: string;
  readonly local: { readonly host: string; readonly port: number };
  readonly remote: { readonly host: string; readonly port: number };
}

export class DgramLink implements LinkBackend {
  readonly deadline = Number.POSITIVE_INFINITY;
  readonly #options: DgramOptions;
  readonly #ports: LinkPorts;
  readonly #socket: Socket;

  constructor(options: DgramOptions, ports: LinkPorts) {
    this.#options = options;
    this.#ports = ports;
    this.#socket = createSocket(options.local.host.includes(':') ? 'udp6' : 'udp4');
  }

  async open(): Promise<void> {
    const { local, option } = this.#options;
    const socket = this.#socket;
    socket.on('message', (bytes) => this.#ports.toGuest(new Uint8Array(bytes)));
    await new Promise<void>((resolve, reject) => {
      socket.once('error', (error: NodeJS.ErrnoException) =>
        reject(new OptionError(`${option}: cannot listen: ${error.code ?? error.message}`)),
      );
      socket.bind({ address: local.host, port: local.port }, resolve);
    });
    socket.on('error', () => {});
  }

  fromGuest(frame: Uint8Array): void {
    const { host, port } = this.#options.remote;
    // The bytes are sent later, and who gave them uses them again.
    this.#socket.send(frame.slice(), port, host, () => {});
  }

  poll(): void {}

  expects(): boolean {
    return true;
  }

  close(): void {
    this.#socket.close();
  }
}
