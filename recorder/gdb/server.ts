/** The gdb remote protocol on a socket of this host. */
import { createServer, type ListenOptions, type Server, type Socket } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Debuggee } from '../session/debuggee.ts';
import type { Operation } from '../session/operation.ts';
import { GdbStub } from './stub.ts';

export interface GdbServerOptions {
  readonly debuggee: Debuggee;
  readonly listen: ListenOptions;
  monitor(command: string, cpu: number): Operation<string>;
  say(line: string): void;
  /** gdb said `kill`. */
  onKill(): void;
}

/** Turns of the event loop that gdb has to hear how it ended. */
const LAST_TURNS = 50;

/** One gdb at a time; when it goes, or its connection is lost, the next one finds the machine where it was. */
export class GdbServer {
  readonly #options: GdbServerOptions;
  readonly #server: Server;
  #client: Socket | undefined;
  #stub: GdbStub | undefined;

  private constructor(options: GdbServerOptions) {
    this.#options = options;
    this.#server = createServer((socket) => this.#accept(socket));
  }

  /** Listens. Rejects with the system's error if the port is taken. */
  static async listen(options: GdbServerOptions): Promise<GdbServer> {
    const server = new GdbServer(options);
    await new Promise<void>((resolve, reject) => {
      server.#server.once('error', reject);
      server.#server.listen(options.listen, () => {
        server.#server.off('error', reject);
        resolve();
      });
    });
    return server;
  }

  /** Of TCP; 0 for another kind of socket. */
  get port(): number {
    const address = this.#server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  /** Says what there is to say, and closes. */
  async close(): Promise<void> {
    for (let turn = 0; turn < LAST_TURNS && this.#stub?.isRunning === true; turn++) await nextTurn();
    this.#client?.end();
    this.#client?.destroySoon();
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }

  #accept(socket: Socket): void {
    const { say, monitor, debuggee, onKill } = this.#options;
    if (this.#client !== undefined) {
      say('virtrace: a second debugger was turned away: one at a time');
      socket.destroy();
      return;
    }
    this.#client = socket;
    socket.setNoDelay(true);
    debuggee.attach();
    let left: 'detach' | 'kill' | 'lost' = 'lost';
    const stub = new GdbStub(debuggee, {
      send: (bytes) => {
        if (!socket.destroyed) socket.write(bytes);
      },
      leave: (how) => {
        // The next one may come before this connection is closed.
        left = how;
        leave();
        socket.end();
        if (how === 'kill') onKill();
      },
      say,
      monitor,
    });
    this.#stub = stub;
    let isGone = false;
    let isWorking = false;
    let nudge = (): void => {};
    let hasLeft = false;
    const leave = (): void => {
      if (hasLeft) return;
      hasLeft = true;
      stub.close();
      this.#client = undefined;
      debuggee.detach(left);
    };
    const work = async (): Promise<void> => {
      if (isWorking) return;
      isWorking = true;
      while (stub.isRunning && !isGone) {
        stub.work();
        // Whatever has come meanwhile, Ctrl-C above all, is looked at here.
        await nextTurn();
        if (debuggee.news === undefined || !stub.isRunning || isGone) continue;
        const poke = new Promise<void>((resolve) => {
          nudge = resolve;
        });
        await Promise.race([debuggee.news(), poke]);
      }
      isWorking = false;
      if (isGone) leave();
    };
    socket.on('data', (bytes: Buffer) => {
      if (hasLeft) return;
      stub.receive(bytes);
      nudge();
      void work();
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      isGone = true;
      nudge();
      if (!isWorking) leave();
    });
  }
}
