import { createSocket } from 'node:dgram';
import { connect } from 'node:net';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { DgramLink } from '../../../../recorder/host/net/dgram-link.ts';
import { Network, type NetworkMachine } from '../../../../recorder/host/net/network.ts';
import { FrameReader, StreamLink } from '../../../../recorder/host/net/stream-link.ts';
import { temporary } from '../../cli/support.ts';

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup();
});

const until = async (condition: () => boolean): Promise<void> => {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 1));
};

describe('FrameReader', () => {
  it('finds frames however the stream is split', () => {
    const frame = fc.uint8Array({ maxLength: 40 });
    fc.assert(
      fc.property(
        fc.array(frame, { maxLength: 10 }),
        fc.array(fc.integer({ min: 1, max: 50 })),
        (frames, cuts) => {
          const stream = Buffer.concat(
            frames.flatMap((bytes) => [Uint8Array.of(0, 0, bytes.length >>> 8, bytes.length & 0xff), bytes]),
          );
          const reader = new FrameReader();
          const found: Uint8Array[] = [];
          let at = 0;
          for (const cut of [...cuts, stream.length]) {
            found.push(...reader.push(stream.subarray(at, at + cut))!);
            at = Math.min(at + cut, stream.length);
          }
          expect(found.map((bytes) => [...bytes])).toEqual(frames.map((bytes) => [...bytes]));
        },
      ),
    );
  });

  it('refuses a length that no frame has', () => {
    expect(new FrameReader().push(Uint8Array.of(0x7f, 0, 0, 0))).toBeUndefined();
  });
});

describe('StreamLink', () => {
  it('carries frames both ways over a Unix socket, as server and as client', async () => {
    const folder = temporary();
    cleanups.push(() => folder.remove());
    const address = { path: folder.file('socket') };
    const heard: { [who: string]: number[][] } = { server: [], client: [] };
    const make = (who: 'server' | 'client'): StreamLink => {
      const ports = {
        toGuest: (frame: Uint8Array) => heard[who]!.push([...frame]),
        now: () => 0,
        wake: () => {},
      };
      const link = new StreamLink({ option: '-netdev stream', server: who === 'server', address }, ports);
      cleanups.push(() => link.close());
      return link;
    };
    const server = make('server');
    await server.open();
    const client = make('client');
    await client.open();
    client.fromGuest(Uint8Array.of(1, 2, 3));
    await until(() => heard.server!.length === 1);
    server.fromGuest(Uint8Array.of(4));
    server.fromGuest(Uint8Array.of(5, 6));
    await until(() => heard.client!.length === 2);
    expect(heard).toEqual({ server: [[1, 2, 3]], client: [[4], [5, 6]] });
  });

  it('drops a peer that sends nonsense, and takes the next', async () => {
    const folder = temporary();
    cleanups.push(() => folder.remove());
    const path = folder.file('socket');
    const frames: Uint8Array[] = [];
    const link = new StreamLink(
      { option: '-netdev stream', server: true, address: { path } },
      { toGuest: (frame) => frames.push(frame), now: () => 0, wake: () => {} },
    );
    cleanups.push(() => link.close());
    await link.open();
    const bad = connect(path);
    bad.on('error', () => {});
    bad.write(Uint8Array.of(255, 255, 255, 255));
    await new Promise((resolve) => bad.once('close', resolve));
    const good = connect(path);
    cleanups.push(() => good.destroy());
    good.write(Uint8Array.of(0, 0, 0, 1, 42));
    await until(() => frames.length === 1);
    expect([...frames[0]!]).toEqual([42]);
  });

  it('says in one line that nobody listens', async () => {
    const link = new StreamLink(
      { option: '-netdev stream,id=n', server: false, address: { path: '/nonexistent/socket' } },
      { toGuest: () => {}, now: () => 0, wake: () => {} },
    );
    await expect(link.open()).rejects.toThrow('-netdev stream,id=n: cannot connect: ENOENT');
  });
});

describe('DgramLink', () => {
  it('carries a frame in each datagram', async () => {
    const peer = createSocket('udp4');
    cleanups.push(() => peer.close());
    await new Promise<void>((resolve) => peer.bind(0, '127.0.0.1', resolve));
    const frames: Uint8Array[] = [];
    const remote = { host: '127.0.0.1', port: peer.address().port };
    const link = new DgramLink(
      { option: '-netdev dgram', local: { host: '127.0.0.1', port: 0 }, remote },
      { toGuest: (frame) => frames.push(frame), now: () => 0, wake: () => {} },
    );
    cleanups.push(() => link.close());
    await link.open();
    const heard = new Promise<{ data: number[]; port: number }>((resolve) =>
      peer.once('message', (data, { port }) => resolve({ data: [...data], port })),
    );
    link.fromGuest(Uint8Array.of(1, 2));
    const { data, port } = await heard;
    expect(data).toEqual([1, 2]);
    peer.send(Uint8Array.of(3), port, '127.0.0.1');
    await until(() => frames.length === 1);
    expect([...frames[0]!]).toEqual([3]);
  });
});

describe('Network', () => {
  it('gives a device as many frames as it has room for, in order', () => {
    let put: (frame: Uint8Array) => void = () => {};
    const request = { kind: 'dgram', options: {} } as never;
    const network = new Network(new Map([['net0', request]]), (_request, ports) => {
      put = ports.toGuest;
      return {
        open: async () => {},
        fromGuest: () => {},
        poll: () => {},
        expects: () => false,
        deadline: Number.POSITIVE_INFINITY,
        close: () => {},
      };
    });
    const log: string[] = [];
    const machine: NetworkMachine = {
      time: 0,
      receive: (device, what, data) => log.push(`${device} ${what} ${data[0]}`),
      receiveCapacity: () => 2,
    };
    for (const byte of [1, 2, 3]) put(Uint8Array.of(byte));
    put(new Uint8Array(0));
    expect(network.give(machine, undefined)).toBe(true);
    expect(log).toEqual(['net0 frame 1', 'net0 frame 2']);
    network.give(machine, undefined);
    expect(log).toEqual(['net0 frame 1', 'net0 frame 2', 'net0 frame 3']);
    expect(network.hasFrames).toBe(false);
  });
});
