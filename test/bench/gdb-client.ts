/** gdb's side of the remote protocol, no more than a bench needs. */
import { connect, type Socket } from 'node:net';
import { frame, fromHex, fromLatin1, latin1, PacketParser, toHex } from '../../recorder/gdb/packets.ts';

export class GdbClient {
  readonly #socket: Socket;
  readonly #parser = new PacketParser();
  readonly #packets: string[] = [];
  #wake: () => void = () => {};
  #closed = false;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (bytes: Buffer) => {
      for (const each of this.#parser.feed(bytes)) {
        if (each.kind !== 'packet') continue;
        socket.write('+');
        this.#packets.push(each.data);
      }
      this.#wake();
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      this.#closed = true;
      this.#wake();
    });
  }

  /** Tries until somebody listens. */
  static async connect(port: number, tries = 200): Promise<GdbClient> {
    for (let i = 0; ; i++) {
      try {
        return await new Promise<GdbClient>((resolve, reject) => {
          const socket = connect(port, '127.0.0.1');
          socket.once('error', reject);
          socket.once('connect', () => resolve(new GdbClient(socket)));
        });
      } catch (error) {
        if (i >= tries) throw error;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
  }

  async #reply(): Promise<string> {
    while (this.#packets.length === 0) {
      if (this.#closed) throw new Error('the gdb server has gone');
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.#packets.shift()!;
  }

  /** The last packet of the answer; what is meant for gdb's console comes before it. */
  async ask(packet: string): Promise<{ reply: string; console: string }> {
    this.#socket.write(frame(packet));
    let console = '';
    for (;;) {
      const reply = await this.#reply();
      if (!/^O([0-9a-f]{2})+$/.test(reply)) return { reply, console };
      console += fromLatin1(fromHex(reply.slice(1))!);
    }
  }

  async monitor(command: string): Promise<string> {
    const { reply, console } = await this.ask(`qRcmd,${toHex(latin1(command))}`);
    if (reply.startsWith('E')) throw new Error(`monitor ${command}: ${reply}`);
    return console;
  }

  close(): void {
    this.#socket.destroy();
  }
}
