import { describe, expect, it } from 'vitest';
import { NetFilter } from '../../../../engine/devices/virtio/net-filter.ts';
import { VirtioBalloon } from '../../../../engine/devices/virtio/virtio-balloon.ts';
import { VirtioMmio } from '../../../../engine/devices/virtio/virtio-mmio.ts';
import { VirtioNet } from '../../../../engine/devices/virtio/virtio-net.ts';
import { deviceContract } from '../contract.ts';
import { bringUp, EngineGuest } from './driver.ts';

const MAC = Uint8Array.of(0x52, 0x54, 0, 0x12, 0x34, 0x56);
const MRG_RXBUF = 1n << 15n;
const CTRL = (1n << 17n) | (1n << 18n) | (1n << 19n) | (1n << 20n) | (1n << 23n);

async function net(features: bigint, modern = true) {
  const guest = new EngineGuest({ legacy: !modern, backend: new VirtioNet({ mac: MAC }) });
  const [receive, transmit, control] = await bringUp(guest, {
    modern,
    features,
    queues: { 0: 16, 1: 16, 2: 16 },
  });
  const frame = (destination: ArrayLike<number>, length = 64): Uint8Array => {
    const bytes = Uint8Array.from({ length }, (_, n) => n & 0xff);
    bytes.set(Uint8Array.from(destination), 0);
    bytes.set([0x08, 0x00], 12);
    return bytes;
  };
  const command = async (kind: number, number: number, ...data: number[]) =>
    [...(await control!.request([Uint8Array.of(kind, number), Uint8Array.from(data), 1])).data][0];
  const notes = () => guest.bench.log.filter((line) => line.startsWith('note'));
  return { guest, receive: receive!, transmit: transmit!, frame, command, notes };
}

describe('virtio-net', () => {
  it.each([
    ['modern', true, 0n, 12],
    ['legacy', false, 0n, 10],
    ['legacy with mergeable buffers', false, MRG_RXBUF, 12],
  ] as const)('sends what follows the header: %s', async (_name, modern, features, header) => {
    const { guest, transmit, frame } = await net(features, modern);
    const bytes = frame(MAC);
    const { used } = await transmit.request([
      new Uint8Array(header),
      bytes.subarray(0, 20),
      bytes.subarray(20),
    ]);
    expect(used).toEqual([{ id: 0, length: 0 }]);
    expect(guest.output()).toBe(String.fromCharCode(...bytes));
  });

  it('puts a frame into a buffer behind a header with one buffer counted', async () => {
    const { guest, receive, frame } = await net(0n);
    const head = await receive.offer([2048]);
    guest.device.receive('frame', frame(MAC));
    expect(await receive.take(1)).toEqual([{ id: head, length: 76 }]);
    const written = await receive.written(head);
    expect([...written.subarray(0, 12)]).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0]);
    expect(written.subarray(12, 76)).toEqual(frame(MAC));
  });

  it('spreads a frame over buffers that can be merged', async () => {
    const { guest, receive, frame } = await net(MRG_RXBUF);
    const heads = [await receive.offer([100]), await receive.offer([100]), await receive.offer([100])];
    guest.device.receive('frame', frame(MAC, 200));
    expect(await receive.take(3)).toEqual([
      { id: heads[0], length: 100 },
      { id: heads[1], length: 100 },
      { id: heads[2], length: 12 },
    ]);
    expect((await receive.written(heads[0]!))[10]).toBe(3);
    const parts = await Promise.all(heads.map((head) => receive.written(head)));
    expect(Buffer.concat(parts).subarray(12, 212)).toEqual(Buffer.from(frame(MAC, 200)));
  });

  it('keeps frames until there are buffers, takes none back half way, and loses what is too many', async () => {
    const { guest, receive, frame, notes } = await net(MRG_RXBUF);
    await receive.offer([100]);
    guest.device.receive('frame', frame(MAC, 200));
    expect(await receive.word(receive.used + 2)).toBe(0);
    await receive.offer([200]);
    await receive.notify();
    expect(await receive.take(2)).toHaveLength(2);
    for (let n = 0; n < 260; n++) guest.device.receive('frame', frame(MAC));
    expect(notes()).toHaveLength(4);
    expect(guest.device.receiveCapacity()).toBe(0);
  });

  it('loses frames while nobody listens or the link is down', async () => {
    const { guest, receive, frame, notes } = await net(0n);
    await receive.offer([2048]);
    guest.device.receive('link', Uint8Array.of(0));
    expect(await guest.read(0x106, 2)).toBe(0);
    guest.device.receive('frame', frame(MAC));
    guest.device.receive('link', Uint8Array.of(1));
    await guest.write(0x70, 0);
    guest.device.receive('frame', frame(MAC));
    expect(notes().map((line) => /"why":"([^"]*)"/.exec(line)?.[1])).toEqual([
      'the link is down',
      'the guest does not listen',
    ]);
  });

  it('filters by what the control queue says', async () => {
    const { guest, receive, frame, command } = await net(CTRL);
    for (let n = 0; n < 12; n++) await receive.offer([2048]);
    const arrives = async (destination: readonly number[]): Promise<boolean> => {
      const before = await receive.word(receive.used + 2);
      guest.device.receive('frame', frame(destination));
      return (await receive.word(receive.used + 2)) !== before;
    };
    const other = [2, 0, 0, 0, 0, 1];
    const group = [1, 0, 0x5e, 0, 0, 1];
    const broadcast = [255, 255, 255, 255, 255, 255];
    expect(await arrives(other)).toBe(true);
    expect(await command(0, 0, 0)).toBe(0);
    expect([
      await arrives(other),
      await arrives([...MAC]),
      await arrives(group),
      await arrives(broadcast),
    ]).toEqual([false, true, false, true]);
    expect(await command(1, 0, 1, 0, 0, 0, ...other, 1, 0, 0, 0, ...group)).toBe(0);
    expect([await arrives(other), await arrives(group)]).toEqual([true, true]);
    expect([await command(0, 3, 1), await arrives(group)]).toEqual([0, false]);
    expect([await command(0, 5, 1), await arrives(broadcast)]).toEqual([0, false]);
    expect([await command(1, 1, ...other), await arrives([...MAC])]).toEqual([0, false]);
    expect([...new Uint8Array(6)].map((_, n) => guest.device.read(0x100 + n, 1))).toEqual(other);
    // Unknown or cut short.
    expect([
      await command(0, 6, 1),
      await command(1, 0, 9, 0, 0, 0),
      await command(1, 1, 1),
      await command(4, 0, 1, 0),
      await command(5, 0, 1, 0, 0, 0, 0, 0, 0, 0),
      await command(3, 0, 0),
    ]).toEqual([1, 1, 1, 1, 1, 1]);
  });

  it('breaks on a packet without its header', async () => {
    const { guest, transmit } = await net(0n);
    await transmit.offer([new Uint8Array(11)]);
    await transmit.notify();
    expect(await guest.read(0x70)).toBe(0x4f);
    expect(guest.errors().at(-1)).toMatch(/packet of 11 bytes, less than its header/);
  });
});

describe('the filter', () => {
  it('lets VLANs pass that were added', () => {
    const filter = new NetFilter(MAC);
    filter.setMode(0, false);
    filter.setVlans(false);
    const tagged = new Uint8Array(64);
    tagged.set(MAC);
    tagged.set([0x81, 0, 0x20, 5], 12);
    expect(filter.accepts(tagged)).toBe(false);
    filter.vlanCommand(0, 5);
    expect(filter.accepts(tagged)).toBe(true);
    filter.vlanCommand(1, 5);
    expect([filter.accepts(tagged), filter.vlanCommand(0, 4096)]).toEqual([false, false]);
  });
});

describe('virtio-balloon', () => {
  it('tells the guest of a new target, and notes what the guest gives', async () => {
    const guest = new EngineGuest({ legacy: false, backend: new VirtioBalloon() });
    const [inflate, , stats] = await bringUp(guest, {
      modern: true,
      features: 2n,
      queues: { 0: 8, 1: 8, 2: 8 },
    });
    guest.device.receive('target', Uint8Array.of(0, 1, 0, 0));
    expect([await guest.read(0x100), await guest.read(0x60), guest.irq]).toEqual([256, 3, true]);
    await inflate!.request([new Uint8Array(16)]);
    await guest.write(0x104, 4);
    expect(guest.bench.log.filter((line) => line.startsWith('note'))).toEqual([
      'note virtio balloon-inflate {"pages":4}',
      'note virtio balloon {"pages":4,"target":256}',
    ]);
    // Statistics stay with the device until new ones are wanted.
    const head = await stats!.offer([Uint8Array.of(4, 0, 1, 2, 0, 0, 0, 0, 0, 0)]);
    await stats!.notify();
    expect(await stats!.word(stats!.used + 2)).toBe(0);
    expect(guest.bench.log.at(-1)).toBe('note virtio balloon-stats {"tag4":513}');
    guest.device.receive('stats', new Uint8Array(0));
    expect(await stats!.take(1)).toEqual([{ id: head, length: 0 }]);
  });
});

for (const legacy of [true, false]) {
  for (const [name, backend] of [
    ['net', () => new VirtioNet({ mac: MAC })],
    ['balloon', () => new VirtioBalloon()],
  ] as const) {
    deviceContract(
      `virtio-mmio ${name} ${legacy ? 'legacy' : 'modern'}`,
      (bench) =>
        new VirtioMmio(
          { ...bench.ports('virtio0'), irq: bench.line('irq'), dma: bench.dma() },
          { legacy, backend: backend() },
        ),
      {
        size: 0x200,
        runs: 20,
        unknownOffsets: false,
        survivesReset: ['num_pages', 'actual'],
        inputs: {
          frame: (device, value) => device.receive('frame', new Uint8Array(value & 0xff)),
          link: (device, value) => device.receive('link', Uint8Array.of(value & 1)),
          target: (device, value) => device.receive('target', Uint8Array.of(value & 0xff, 0, 0, 0)),
        },
      },
    );
  }
}
