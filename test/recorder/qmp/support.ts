import { connect, type Socket } from 'node:net';
import { setTimeout as pass } from 'node:timers/promises';
import { type Json, JsonStream } from '../../../recorder/qmp/json-stream.ts';

type Row = { readonly [key: string]: Json };

/** A client of QMP, on Node's sockets. */
export class QmpClient {
  readonly events: Row[] = [];
  greeting: Row | undefined;
  readonly #socket: Socket;
  readonly #stream = new JsonStream();
  readonly #answers: Row[] = [];
  #wake: () => void = () => {};
  #isClosed = false;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('error', () => {});
    socket.on('data', (bytes: Buffer) => {
      for (const piece of this.#stream.feed(bytes)) {
        if (piece.kind === 'error') throw new Error(piece.message);
        const row = piece.value as Row;
        if (row.QMP !== undefined) this.greeting = row;
        else if (row.event !== undefined) this.events.push(row);
        else this.#answers.push(row);
      }
      this.#wake();
    });
    socket.on('close', () => {
      this.#isClosed = true;
      this.#wake();
    });
  }

  /** Connects, as soon as somebody is there, and negotiates. */
  static async open(path: string): Promise<QmpClient> {
    for (;;) {
      const socket = connect({ path });
      const isThere = await new Promise<boolean>((resolve) => {
        socket.once('connect', () => resolve(true));
        socket.once('error', () => resolve(false));
      });
      if (!isThere) {
        await pass(10);
        continue;
      }
      const client = new QmpClient(socket);
      await client.until(() => client.greeting !== undefined);
      await client.ask('qmp_capabilities');
      return client;
    }
  }

  /** What the answer returns, or its error. */
  async ask(execute: string, args?: Row): Promise<Json> {
    this.send(JSON.stringify({ execute, ...(args === undefined ? {} : { arguments: args }) }));
    await this.until(() => this.#answers.length > 0);
    const answer = this.#answers.shift();
    return answer?.return ?? answer ?? null;
  }

  human(line: string): Promise<Json> {
    return this.ask('human-monitor-command', { 'command-line': line });
  }

  send(text: string | Uint8Array): void {
    this.#socket.write(text);
  }

  /** Resolves when an event of this name has come, or the connection is closed. */
  async event(name: string): Promise<Row | undefined> {
    const find = (): Row | undefined => this.events.find(({ event }) => event === name);
    await this.until(() => find() !== undefined);
    return find();
  }

  async closed(): Promise<void> {
    await this.until(() => this.#isClosed);
  }

  drop(): void {
    this.#socket.destroy();
  }

  /** Waits until something holds that an answer or an event changes, or the connection is closed. */
  async until(holds: () => boolean): Promise<void> {
    while (!holds() && !this.#isClosed) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}
