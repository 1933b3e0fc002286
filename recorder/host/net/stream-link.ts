/** `-netdev stream`: frames over a TCP or Unix connection, each behind its length (32 bits, big-endian). */
import { connect, createServer, type NetConnectOpts, type Server, type Socket } from 'node:net';
import { OptionError } from '../../../engine/boards/option-error.ts';
import type { LinkBackend, LinkPorts } from './link.ts';

export interface StreamOptions {
  /** As it was asked for, for messages. */
  readonly option: string;
  readonly server: boolean;
  readonly address: { readonly host: string; readonly port: number } | { readonly path: string };
}

const LENGTH_BYTES = 4;
/** QEMU: longer ones end the connection. */
const FRAME_MAX = 69_632;
/** Bytes that may wait for a slow reader; then frames are lost, as on any network. */
const BACKLOG_MAX = 4 * 1024 * 1024;

/** Takes frames out of a stream that may be split anywhere. */
export class FrameReader {
  #parts: Uint8Array = new Uint8Array(0);

  /** @returns the frames that are whole now; undefined if the stream makes no sense */
  push(bytes: Uint8Array): Uint8Array[] | undefined {
    const all = this.#parts.length === 0 ? bytes : Buffer.concat([this.#parts, bytes]);
    const view = new DataView(all.buffer, all.byteOffset, all.length);
    const frames: Uint8Array[] = [];
    let at = 0;
    while (all.length - at >= LENGTH_BYTES) {
      const length = view.getUint32(at);
      if (length > FRAME_MAX) return undefined;
      if (all.length - at - LENGTH_BYTES < length) break;
      frames.push(all.slice(at + LENGTH_BYTES, at + LENGTH_BYTES + length));
      at += LENGTH_BYTES + length;
    }
    this.#parts = all.slice(at);
    return frames;
  }
}

export class StreamLink implements LinkBackend {
  readonly deadline = Number.POSITIVE_INFINITY;
  readonly #options: StreamOptions;
  readonly #ports: LinkPorts;
  #server: Server | undefined;
  #peer: Socket | undefined;

  constructor(options: StreamOptions, ports: LinkPorts) {
    this.#options = options;
    this.#ports = ports;
  }

  async open(): Promise<void> {
    const { server, address } = this.#options;
    if (server) await this.#listen(address);
    else await this.#connect(address);
  }

  #listen(address: StreamOptions['address']): Promise<void> {
    const server = createServer((socket) => {
      // QEMU: one at a time; the next may come when the first is gone.
      if (this.#peer === undefined) this.#use(socket);
      else socket.destroy();
    });
    this.#server = server;
    return new Promise((resolve, reject) => {
      server.once('error', (error) => reject(this.#cannot('listen', error)));
      server.listen(address, () => resolve());
    });
  }

  #connect(address: NetConnectOpts): Promise<void> {
    return new Promise((resolve, reject) => {
      const socket = connect(address);
      const failed = (error: Error): void => reject(this.#cannot('connect', error));
      socket.once('error', failed);
      socket.once('connect', () => {
        socket.off('error', failed);
        this.#use(socket);
        resolve();
      });
    });
  }

  #cannot(what: string, error: NodeJS.ErrnoException): OptionError {
    return new OptionError(`${this.#options.option}: cannot ${what}: ${error.code ?? error.message}`);
  }

  #use(socket: Socket): void {
    const reader = new FrameReader();
    this.#peer = socket;
    if (!('path' in this.#options.address)) socket.setNoDelay(true);
    socket.on('data', (bytes: Buffer) => {
      const frames = reader.push(bytes);
      if (frames === undefined) socket.destroy();
      else for (const frame of frames) this.#ports.toGuest(frame);
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      this.#peer = undefined;
      this.#ports.wake();
    });
  }

  fromGuest(frame: Uint8Array): void {
    const peer = this.#peer;
    if (peer === undefined || !peer.writable || peer.writableLength > BACKLOG_MAX) return;
    const bytes = new Uint8Array(LENGTH_BYTES + frame.length);
    new DataView(bytes.buffer).setUint32(0, frame.length);
    bytes.set(frame, LENGTH_BYTES);
    peer.write(bytes);
  }

  poll(): void {}

  expects(): boolean {
    return this.#peer !== undefined || this.#server !== undefined;
  }

  close(): void {
    this.#server?.close();
    this.#peer?.destroy();
  }
}
