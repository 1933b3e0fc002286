/** A TCP or Unix socket of Node as the stream at the host's end of a guest's connection. */
import { connect, type NetConnectOpts, type Socket } from 'node:net';
import type { HostStream } from './tcp-connection.ts';

/** What a socket tells its connection. */
export interface StreamEvents {
  connected(): void;
  hostData(bytes: Uint8Array): void;
  hostEnded(): void;
  hostFailed(): void;
  hostDrained(): void;
}

export class SocketStream implements HostStream {
  readonly #socket: Socket;
  #ended = false;

  /** @param socket connected already, or on the way */
  constructor(socket: Socket) {
    this.#socket = socket;
    // A socket that fails before somebody listens must not end the program.
    socket.on('error', () => {});
    socket.setNoDelay(true);
    socket.pause();
  }

  static connect(options: NetConnectOpts): SocketStream {
    return new SocketStream(connect({ ...options, allowHalfOpen: true }));
  }

  /** Tells what happens from now on. */
  listen(events: StreamEvents): void {
    const socket = this.#socket;
    socket.on('connect', () => events.connected());
    socket.on('data', (bytes: Buffer) => events.hostData(new Uint8Array(bytes)));
    socket.on('end', () => {
      this.#ended = true;
      events.hostEnded();
    });
    socket.on('error', () => events.hostFailed());
    socket.on('close', () => {
      if (!this.#ended) events.hostFailed();
    });
    socket.on('drain', () => events.hostDrained());
    socket.resume();
  }

  write(bytes: Uint8Array): void {
    if (!this.#socket.writable) return;
    this.#socket.write(bytes);
  }

  end(): void {
    this.#socket.end();
  }

  destroy(): void {
    if (this.#socket.destroyed) return;
    // What the guest reset is reset for the other end as well, as far as the host can.
    this.#ended = true;
    if (this.#socket.connecting) this.#socket.destroy();
    else this.#socket.resetAndDestroy();
  }

  setReading(on: boolean): void {
    if (on) this.#socket.resume();
    else this.#socket.pause();
  }

  backlog(): number {
    return this.#socket.writableLength;
  }
}
