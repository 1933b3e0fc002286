import { createSocket } from 'node:dgram';
import { connect, createServer, type Socket } from 'node:net';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { formatIpv4, macOfVirtualHost } from '../../../../recorder/host/net/addresses.ts';
import { ARP_OPERATION, buildArp, parseArp } from '../../../../recorder/host/net/arp.ts';
import { buildEthernet, ETHER_TYPE, parseEthernet } from '../../../../recorder/host/net/ethernet.ts';
import { buildIpv4, PROTOCOL, parseIpv4Packet, Reassembly } from '../../../../recorder/host/net/ipv4.ts';
import { buildTcp, parseTcp, seqAdd, TCP_FLAG } from '../../../../recorder/host/net/tcp-segment.ts';
import { buildUdp, parseUdp } from '../../../../recorder/host/net/udp.ts';
import { UserNetwork } from '../../../../recorder/host/net/user-network.ts';
import { type UserNetworkOptions, userAddresses } from '../../../../recorder/host/net/user-options.ts';

const GUEST_MAC = Uint8Array.of(0x52, 0x54, 0, 0x12, 0x34, 0x56);
const GATEWAY = 0x0a000202;
const DNS = 0x0a000203;
const GUEST = 0x0a00020f;
const NOWHERE = { host: '127.0.0.1', port: 9 };

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup();
});

interface Bench {
  readonly network: UserNetwork;
  readonly frames: Uint8Array[];
  time: number;
  sendIpv4(protocol: number, destination: number, payload: Uint8Array): void;
  sendUdp(destination: number, port: number, data: Uint8Array, from?: number): void;
  /** The next frame of this protocol to the guest, as soon as it is there. */
  next(protocol: number): Promise<{ source: number; payload: Uint8Array }>;
}

function bench(more: Partial<UserNetworkOptions> = {}, resolver = NOWHERE): Bench {
  const frames: Uint8Array[] = [];
  const made: Bench = {
    frames,
    time: 0,
    network: new UserNetwork(
      { ...userAddresses({}), restricted: false, search: [], forwards: [], ...more },
      { toGuest: (frame) => frames.push(frame), now: () => made.time, wake: () => {} },
      resolver,
    ),
    sendIpv4: (protocol, destination, payload) => {
      for (const packet of buildIpv4({ protocol, source: GUEST, destination, payload }, 7)) {
        const to = macOfVirtualHost(GATEWAY);
        made.network.fromGuest(
          buildEthernet({ to, from: GUEST_MAC, type: ETHER_TYPE.IPV4, payload: packet }),
        );
      }
    },
    sendUdp: (destination, port, data, from = 5000) => {
      const datagram = { sourcePort: from, destinationPort: port, data };
      made.sendIpv4(PROTOCOL.UDP, destination, buildUdp(GUEST, destination, datagram));
    },
    next: async (protocol) => {
      const reassembly = new Reassembly();
      for (;;) {
        for (let frame = frames.shift(); frame !== undefined; frame = frames.shift()) {
          const { type, payload } = parseEthernet(frame)!;
          if (type === ETHER_TYPE.ARP) {
            const asked = parseArp(payload)!;
            if (asked.operation === ARP_OPERATION.REQUEST && asked.target === GUEST) answerArp(made);
            continue;
          }
          const received = parseIpv4Packet(payload)!;
          const packet = reassembly.add(received);
          if (packet?.protocol === protocol) return packet;
        }
        made.network.poll();
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
    },
  };
  cleanups.push(() => made.network.close());
  return made;
}

function answerArp({ network }: Bench): void {
  const gateway = macOfVirtualHost(GATEWAY);
  const payload = buildArp({
    operation: ARP_OPERATION.REPLY,
    senderMac: GUEST_MAC,
    sender: GUEST,
    targetMac: gateway,
    target: GATEWAY,
  });
  network.fromGuest(buildEthernet({ to: gateway, from: GUEST_MAC, type: ETHER_TYPE.ARP, payload }));
}

async function udpEcho(prefix: string): Promise<number> {
  const socket = createSocket('udp4');
  cleanups.push(() => socket.close());
  socket.on('message', (data, { port, address }) =>
    socket.send(Buffer.concat([Buffer.from(prefix), data]), port, address),
  );
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  return socket.address().port;
}

const ascii = (text: string): Uint8Array => new Uint8Array(Buffer.from(text));

describe('UserNetwork', () => {
  it("says who has its addresses, and nobody else's", () => {
    const { network, frames } = bench();
    for (const target of [GATEWAY, DNS, GUEST, 0x0a000204]) {
      const request = {
        operation: ARP_OPERATION.REQUEST,
        senderMac: GUEST_MAC,
        sender: GUEST,
        targetMac: new Uint8Array(6),
        target,
      };
      network.fromGuest(
        buildEthernet({
          to: new Uint8Array(6).fill(0xff),
          from: GUEST_MAC,
          type: ETHER_TYPE.ARP,
          payload: buildArp(request),
        }),
      );
    }
    const answers = frames.map((frame) => parseArp(parseEthernet(frame)!.payload)!);
    expect(answers.map(({ sender }) => formatIpv4(sender))).toEqual(['10.0.2.2', '10.0.2.3']);
    expect(Buffer.from(answers[0]!.senderMac).toString('hex')).toBe('52550a000202');
  });

  it('echoes to the guest, and says that it cannot reach others', async () => {
    const made = bench();
    const echo = Uint8Array.of(8, 0, 0xf7, 0xff, 0, 0, 0, 0);
    made.sendIpv4(PROTOCOL.ICMP, GATEWAY, echo);
    expect([...(await made.next(PROTOCOL.ICMP)).payload]).toEqual([0, 0, 0xff, 0xff, 0, 0, 0, 0]);
    made.sendIpv4(PROTOCOL.ICMP, 0x08080808, echo);
    expect([...(await made.next(PROTOCOL.ICMP)).payload.subarray(0, 2)]).toEqual([3, 0]);
  });

  it('brings datagrams to the loopback of the host and answers back', async () => {
    const port = await udpEcho('echo ');
    const made = bench();
    made.sendUdp(GATEWAY, port, ascii('hello'));
    expect(made.network.expects()).toBe(true);
    const { source, payload } = await made.next(PROTOCOL.UDP);
    const datagram = parseUdp(source, GUEST, payload)!;
    expect(formatIpv4(source)).toBe('10.0.2.2');
    expect(datagram).toMatchObject({ sourcePort: port, destinationPort: 5000 });
    expect(Buffer.from(datagram.data).toString()).toBe('echo hello');
    expect(made.network.expects()).toBe(false);
  });

  it('brings datagrams longer than a frame through, in fragments', async () => {
    const port = await udpEcho('');
    const made = bench();
    const data = Uint8Array.from({ length: 5000 }, (_, i) => i & 0xff);
    made.sendUdp(GATEWAY, port, data);
    const { source, payload } = await made.next(PROTOCOL.UDP);
    expect([...parseUdp(source, GUEST, payload)!.data]).toEqual([...data]);
  });

  it('asks the name server of the host', async () => {
    const port = await udpEcho('name ');
    const made = bench({}, { host: '127.0.0.1', port });
    made.sendUdp(DNS, 53, ascii('?'));
    const { source, payload } = await made.next(PROTOCOL.UDP);
    expect(formatIpv4(source)).toBe('10.0.2.3');
    expect(parseUdp(source, GUEST, payload)).toMatchObject({ sourcePort: 53 });
  });

  it('stops waiting for an answer that does not come', () => {
    const made = bench();
    made.sendUdp(GATEWAY, 9, ascii('?'));
    expect(made.network.expects()).toBe(true);
    made.time = 6e9;
    expect(made.network.expects()).toBe(false);
  });

  it('lets nothing out of a restricted network', async () => {
    const made = bench({ restricted: true });
    made.sendUdp(GATEWAY, 9, ascii('?'));
    expect([...(await made.next(PROTOCOL.ICMP)).payload.subarray(0, 2)]).toEqual([3, 3]);
    const syn = {
      sourcePort: 1000,
      destinationPort: 80,
      seq: 1,
      ack: 0,
      flags: TCP_FLAG.SYN,
      window: 1000,
      data: new Uint8Array(),
    };
    made.sendIpv4(PROTOCOL.TCP, GATEWAY, buildTcp(GUEST, GATEWAY, syn));
    const { source, payload } = await made.next(PROTOCOL.TCP);
    expect(parseTcp(source, GUEST, payload)!.flags & TCP_FLAG.RST).toBe(TCP_FLAG.RST);
  });

  it('forwards a connection of the host to the guest', async () => {
    const hostPort = await freePort();
    const forward = {
      protocol: 'tcp' as const,
      hostAddress: '127.0.0.1',
      hostPort,
      guestAddress: GUEST,
      guestPort: 22,
    };
    const made = bench({ forwards: [forward] });
    await made.network.open();
    expect(made.network.expects()).toBe(true);
    const client = await connected(hostPort);
    const segment = async () => {
      const { source, payload } = await made.next(PROTOCOL.TCP);
      return parseTcp(source, GUEST, payload)!;
    };
    const syn = await segment();
    expect(syn).toMatchObject({ destinationPort: 22, flags: TCP_FLAG.SYN, sourcePort: client.localPort });
    const answer = (flags: number, seq: number, ack: number, data: Uint8Array = new Uint8Array()): void => {
      const reply = {
        sourcePort: 22,
        destinationPort: syn.sourcePort,
        seq,
        ack,
        flags,
        window: 10_000,
        data,
      };
      made.sendIpv4(PROTOCOL.TCP, GATEWAY, buildTcp(GUEST, GATEWAY, reply));
    };
    answer(TCP_FLAG.SYN | TCP_FLAG.ACK, 500, seqAdd(syn.seq, 1));
    client.write('to the guest');
    let data = '';
    while (data === '') data = Buffer.from((await segment()).data).toString();
    expect(data).toBe('to the guest');
    const heard = new Promise<string>((resolve) => client.once('data', (bytes) => resolve(String(bytes))));
    answer(TCP_FLAG.ACK, 501, seqAdd(syn.seq, 1 + data.length), ascii('to the host'));
    expect(await heard).toBe('to the host');
  });

  it('refuses to start when a forwarded port is taken', async () => {
    const server = createServer();
    cleanups.push(() => server.close());
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    const forward = { hostAddress: '127.0.0.1', hostPort: port, guestAddress: GUEST, guestPort: 22 };
    const { network } = bench({ forwards: [{ ...forward, protocol: 'tcp' }] });
    await expect(network.open()).rejects.toThrow(
      `-netdev user,hostfwd=tcp:127.0.0.1:${port}-10.0.2.15:22: cannot listen: EADDRINUSE`,
    );
  });

  it('survives any frame', () => {
    const made = bench({ restricted: true });
    const header = fc.constantFrom([0x08, 0x00, 0x45, 0], [0x08, 0x06, 0, 1], [0x86, 0xdd]);
    fc.assert(
      fc.property(header, fc.uint8Array({ maxLength: 80 }), (start, rest) => {
        made.network.fromGuest(Uint8Array.of(...new Uint8Array(12), ...start, ...rest));
      }),
    );
    // Behind a header that is right.
    fc.assert(
      fc.property(fc.constantFrom(1, 6, 17, 2), fc.uint8Array({ maxLength: 60 }), (protocol, payload) => {
        made.sendIpv4(protocol, GATEWAY, payload);
      }),
    );
  });
});

describe('Reassembly', () => {
  it('puts fragments together in any order', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 6000 }), fc.array(fc.nat()), (payload, order) => {
        const parts = buildIpv4({ protocol: 17, source: 1, destination: 2, payload }, 3);
        parts.forEach((_, i) => {
          const other = (order[i] ?? 0) % parts.length;
          [parts[i], parts[other]] = [parts[other]!, parts[i]!];
        });
        const reassembly = new Reassembly();
        const whole = parts.map((part) => reassembly.add(parseIpv4Packet(part)!));
        expect(whole.slice(0, -1).every((packet) => packet === undefined)).toBe(true);
        expect(whole.at(-1)!.payload).toEqual(payload);
      }),
    );
  });
});

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function connected(port: number): Promise<Socket> {
  const client = connect(port, '127.0.0.1');
  cleanups.push(() => client.destroy());
  client.on('error', () => {});
  await new Promise<void>((resolve) => client.once('connect', resolve));
  return client;
}
