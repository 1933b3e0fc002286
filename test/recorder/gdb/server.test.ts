import { connect, type Socket } from 'node:net';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { frame, fromHex, type Incoming, latin1, PacketParser } from '../../../recorder/gdb/packets.ts';
import { GdbServer } from '../../../recorder/gdb/server.ts';
import { RecordedDebuggee } from '../../../recorder/session/debuggee.ts';
import type { Timeline } from '../../../recorder/session/timeline.ts';
import { openTimeline, recordTrace, STORM } from '../session/debug-support.ts';

/** A client that speaks the protocol by itself, as test suites do. */
class RawClient {
  readonly #socket: Socket;
  readonly #parser = new PacketParser();
  readonly #packets: string[] = [];
  #wake: () => void = () => {};
  closed = false;

  constructor(port: number) {
    this.#socket = connect(port, '127.0.0.1');
    this.#socket.on('data', (bytes: Buffer) => {
      for (const each of this.#parser.feed(bytes) as Incoming[]) {
        if (each.kind !== 'packet') continue;
        this.#socket.write('+');
        this.#packets.push(each.data);
      }
      this.#wake();
    });
    this.#socket.on('error', () => {});
    this.#socket.on('close', () => {
      this.closed = true;
      this.#wake();
    });
  }

  write(bytes: Uint8Array): void {
    this.#socket.write(bytes);
  }

  async reply(): Promise<string | undefined> {
    while (this.#packets.length === 0 && !this.closed) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.#packets.shift();
  }

  ask(packet: string): Promise<string | undefined> {
    this.write(frame(packet));
    return this.reply();
  }

  async pc(): Promise<bigint> {
    return new DataView(fromHex((await this.ask('p20'))!)!.buffer).getBigUint64(0, true);
  }

  drop(): void {
    this.#socket.destroy();
  }
}

let trace: Uint8Array;
beforeAll(() => {
  trace = recordTrace({ kernel: STORM });
});

let server: GdbServer;
const said: string[] = [];
const killed: string[] = [];
afterEach(() => server.close());

async function serve(timeline: Timeline): Promise<number> {
  said.length = 0;
  killed.length = 0;
  server = await GdbServer.listen({
    debuggee: new RecordedDebuggee(timeline),
    listen: { host: '127.0.0.1', port: 0 },
    *monitor() {
      return '';
    },
    say: (line) => said.push(line),
    onKill: () => killed.push('kill'),
  });
  return server.port;
}

describe('the gdb server', () => {
  test('passes what QEMU does to test reverse debugging', async () => {
    // After QEMU's tests/avocado/reverse_debugging.py, whose replies are compared letter by letter.
    const client = new RawClient(await serve(openTimeline(trace)));
    const supported = await client.ask('qSupported');
    for (const word of ['ReverseStep+', 'ReverseContinue+', 'qXfer:features:read+'])
      expect(supported).toContain(word);
    expect(await client.ask('qXfer:features:read:target.xml:0,ffb')).toMatch(/^m<\?xml/);
    const steps: bigint[] = [];
    for (let i = 0; i < 10; i++) {
      steps.push(await client.pc());
      expect(await client.ask('s')).toBe('T05thread:01;');
    }
    for (const address of [...steps].reverse()) {
      expect(await client.ask('bs')).toBe('T05thread:01;');
      expect(await client.pc()).toBe(address);
    }
    for (const address of steps) {
      expect(await client.pc()).toBe(address);
      expect(await client.ask('s')).toBe('T05thread:01;');
    }
    for (const address of steps) expect(await client.ask(`Z1,${address.toString(16)},1`)).toBe('OK');
    expect(await client.ask('c')).toMatch(/^O/);
    expect(await client.reply()).toBe('T05thread:01;replaylog:end;');
    expect(await client.ask('bc')).toBe('T05thread:01;');
    expect(await client.pc()).toBe(steps.at(-1));
  });

  test('takes packets however they are cut, and stops for Ctrl-C', async () => {
    const timeline = openTimeline(trace);
    const client = new RawClient(await serve(timeline));
    for (const byte of frame('qC')) {
      client.write(Uint8Array.of(byte));
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    expect(await client.reply()).toBe('QC01');
    client.write(frame('c'));
    client.write(Uint8Array.of(3));
    expect(await client.reply()).toBe('T02thread:01;');
    expect(timeline.position).toBeLessThan(timeline.length);
  });

  test('takes one client at a time, and the next one when it is gone', async () => {
    const timeline = openTimeline(trace);
    const port = await serve(timeline);
    const first = new RawClient(port);
    expect(await first.ask('Z0,4010333c,4')).toBe('OK');
    const second = new RawClient(port);
    expect(await second.reply()).toBeUndefined();
    expect(said).toEqual(['virtrace: a second debugger was turned away: one at a time']);
    // The connection breaks in the middle of a run.
    first.write(frame('c'));
    await new Promise((resolve) => setTimeout(resolve, 5));
    first.drop();
    let third = new RawClient(port);
    while ((await third.ask('qC')) === undefined) third = new RawClient(port);
    expect(timeline.breakpoints.size).toBe(0);
    expect(await third.ask('s')).toMatch(/^T05/);
    expect(await third.ask('D')).toBe('OK');
    expect(await third.reply()).toBeUndefined();
    const last = new RawClient(port);
    last.write(latin1('rubbish$qC#00+++\x03$'));
    last.write(frame('k'));
    expect(await last.reply()).toBeUndefined();
    expect(killed).toEqual(['kill']);
  });
});
