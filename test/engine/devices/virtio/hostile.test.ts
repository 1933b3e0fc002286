/*
 * Guests that break the rules: whatever lies in the rings, a device neither throws nor hangs, touches nothing
 * but through its port, behaves the same twice, and works again after a reset.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { DeviceInput, DmaPort } from '../../../../engine/base/device.ts';
import { CowBlockStorage } from '../../../../engine/devices/virtio/block-storage.ts';
import { VirtioBalloon } from '../../../../engine/devices/virtio/virtio-balloon.ts';
import { VirtioBlk } from '../../../../engine/devices/virtio/virtio-blk.ts';
import { VirtioConsole } from '../../../../engine/devices/virtio/virtio-console.ts';
import type { VirtioBackend } from '../../../../engine/devices/virtio/virtio-device.ts';
import { VirtioMmio } from '../../../../engine/devices/virtio/virtio-mmio.ts';
import { MMIO } from '../../../../engine/devices/virtio/virtio-mmio-registers.ts';
import { VirtioNet } from '../../../../engine/devices/virtio/virtio-net.ts';
import { VirtioRng } from '../../../../engine/devices/virtio/virtio-rng.ts';
import { Bench } from '../bench.ts';
import { blockHeader, bringUp, DESC, type DriverQueue, EngineGuest, RAM } from './driver.ts';

const BYTES = 0x1000;
const QUEUE = 8;

/** A machine with 4 KiB of memory at 0, in which everything lies close together. */
function tinyMachine(backend: (bench: Bench) => VirtioBackend, legacy: boolean) {
  const bench = new Bench();
  const memory = new Uint8Array(BYTES);
  let transferred = 0;
  const inside = (address: number, length: number) => address >= 0 && address + length <= BYTES;
  const dma: DmaPort = {
    read: (address, into) => {
      transferred += into.length;
      if (!inside(address, into.length)) return false;
      into.set(memory.subarray(address, address + into.length));
      return true;
    },
    write: (address, from) => {
      transferred += from.length;
      if (!inside(address, from.length)) return false;
      memory.set(from, address);
      return true;
    },
  };
  const device = new VirtioMmio(
    { ...bench.ports('v'), irq: bench.line('irq'), dma },
    { legacy, backend: backend(bench) },
  );
  return { bench, memory, device, transferred: () => transferred };
}

const backends: { [name: string]: (bench: Bench) => VirtioBackend } = {
  blk: () => new VirtioBlk({ storage: new CowBlockStorage(new Uint8Array(8 * 512).fill(1)) }),
  console: () => new VirtioConsole(),
  rng: (bench) => new VirtioRng(bench.input()),
  net: () => new VirtioNet({ mac: Uint8Array.of(2, 0, 0, 0, 0, 1) }),
  balloon: () => new VirtioBalloon(),
};

/** Where the rings lie: descriptors 0x100, available 0x200 (legacy 0x180), used 0x240 (0x1c0); descriptors point all around. */
const address = fc.oneof(
  { weight: 8, arbitrary: fc.nat(BYTES) },
  { weight: 4, arbitrary: fc.constantFrom(0x100, 0x110, 0x200, 0x202, 0x204, 0x240, 0x400, 0x800) },
  { weight: 1, arbitrary: fc.integer({ min: 0, max: 2 ** 32 - 1 }) },
  { weight: 1, arbitrary: fc.constantFrom(2 ** 53, 2 ** 63, 2 ** 64 - 2 ** 12) },
);
const descriptor = fc.record({
  address,
  length: fc.oneof(fc.constantFrom(0, 1, 2, 8, 16, 32, 128, 512, 0xffffffff), fc.nat(600)),
  flags: fc.oneof(fc.nat(7), fc.nat(3), fc.nat(0xffff)),
  next: fc.oneof(fc.nat(QUEUE - 1), fc.nat(0xffff)),
});
const scene = fc.record({
  descriptors: fc.array(descriptor, { minLength: 24, maxLength: 24 }),
  heads: fc.array(fc.oneof({ weight: 9, arbitrary: fc.constantFrom(0, 0, 0, 1, 2, 5, 7) }, fc.nat(0xffff)), {
    minLength: QUEUE,
    maxLength: QUEUE,
  }),
  idx: fc.oneof({ weight: 9, arbitrary: fc.nat(QUEUE) }, fc.nat(0xffff)),
  flags: fc.nat(1),
  event: fc.nat(0xffff),
  features: fc.constantFrom(0, 1 << 15, 1 << 24, 1 << 28, 1 << 29, 7 << 27, 6),
  queue: fc.nat(4),
  /** Words put into memory outside the rings: request headers, indirect tables. */
  /** The first two descriptors make a block request, of this kind and to or from here; else as they come. */
  request: fc.option(fc.record({ type: fc.nat(14), sector: fc.nat(9), at: fc.nat(BYTES - 520) })),
  pokes: fc.array(fc.tuple(fc.nat(BYTES / 4 - 1), fc.oneof(fc.nat(16), fc.nat(0xffff))), { maxLength: 40 }),
});
type Scene = typeof scene extends fc.Arbitrary<infer S> ? S : never;

function play(machine: ReturnType<typeof tinyMachine>, legacy: boolean, list: readonly Scene[]) {
  const { device, memory, bench } = machine;
  const view = new DataView(memory.buffer);
  const set = (offset: number, value: number) => device.write(offset, 4, value >>> 0);
  for (const now of list) {
    for (const [word, value] of now.pokes) view.setUint32(4 * word, value, true);
    now.descriptors.forEach((d, n) => {
      // The first eight are the table; the others lie where an indirect table may be.
      const at = n < QUEUE ? 0x100 + 16 * n : 0x400 + 16 * (n - QUEUE);
      view.setBigUint64(at, BigInt(d.address), true);
      view.setUint32(at + 8, d.length, true);
      view.setUint16(at + 12, d.flags, true);
      view.setUint16(at + 14, d.next, true);
    });
    if (now.request !== null) {
      const { type, sector, at } = now.request;
      memory.set(blockHeader(type, sector), 0x800);
      const buffers = [
        [0x800, 16, DESC.NEXT, 1],
        type & 1 ? [at, 512, DESC.NEXT, 2] : [at, 513, DESC.WRITE, 0],
        [at, 1, DESC.WRITE, 0],
      ] as const;
      for (const [n, [where, length, flags, next]] of buffers.entries()) {
        view.setBigUint64(0x100 + 16 * n, BigInt(where), true);
        view.setUint32(0x108 + 16 * n, length, true);
        view.setUint16(0x10c + 16 * n, flags, true);
        view.setUint16(0x10e + 16 * n, next, true);
      }
    }
    const avail = legacy ? 0x100 + 16 * QUEUE : 0x200;
    view.setUint16(avail, now.flags, true);
    view.setUint16(avail + 2, now.idx, true);
    now.heads.forEach((head, n) => {
      view.setUint16(avail + 4 + 2 * n, head, true);
    });
    view.setUint16(avail + 4 + 2 * QUEUE, now.event, true);
    if (device.read(MMIO.Status, 4) & 0x40 || bench.log.some((line) => line.includes('device-broken'))) {
      set(MMIO.Status, 0);
      bench.log.length = 0;
    }
    set(MMIO.Status, 3);
    set(MMIO.DriverFeaturesSel, 0);
    set(MMIO.DriverFeatures, now.features);
    set(MMIO.DriverFeaturesSel, 1);
    set(MMIO.DriverFeatures, 1);
    if (!legacy) set(MMIO.Status, 0xb);
    for (let index = 0; index < 4; index++) {
      set(MMIO.QueueSel, index);
      set(MMIO.QueueNum, QUEUE);
      if (legacy) {
        set(MMIO.GuestPageSize, 0x100);
        set(MMIO.QueueAlign, 0x40);
        set(MMIO.QueuePFN, 1);
      } else {
        set(MMIO.QueueDescLow, 0x100);
        set(MMIO.QueueDriverLow, 0x200);
        set(MMIO.QueueDeviceLow, 0x240);
        set(MMIO.QueueReady, 1);
      }
    }
    set(MMIO.Status, legacy ? 7 : 0xf);
    set(MMIO.QueueNotify, now.queue);
    device.receive('bytes', Uint8Array.of(1, 2, 3));
    device.receive('frame', new Uint8Array(200).fill(now.event & 0xff));
    device.receive('target', Uint8Array.of(1, 0, 0, 0));
    device.receive('stats', new Uint8Array(0));
    bench.advance(device, 1);
  }
  return { memory: [...memory], state: device.save(), log: bench.log };
}

describe('hostile guests', () => {
  for (const [name, backend] of Object.entries(backends)) {
    it.each([true, false])(`do not upset ${name}, legacy %s`, (legacy) => {
      let processed = 0;
      let broken = 0;
      fc.assert(
        fc.property(fc.array(scene, { minLength: 1, maxLength: 4 }), (list) => {
          const a = tinyMachine(backend, legacy);
          const b = tinyMachine(backend, legacy);
          const seen = play(a, legacy, list);
          expect(seen).toStrictEqual(play(b, legacy, list));
          // A bound on the work of one notification: at most some thousand chains and 64 MiB.
          expect(a.transferred()).toBeLessThan(list.length * 2 ** 27);
          if (seen.log.some((line) => line.includes('device-broken'))) broken++;
          if (seen.memory[legacy ? 0x1c2 : 0x242] !== 0) processed++;
        }),
        { numRuns: 300 },
      );
      // The scenes reach both the good and the bad ends.
      expect(broken).toBeGreaterThan(10);
      expect(processed).toBeGreaterThan(10);
    });
  }

  /** A queue of the entropy device whose only buffer is the index of its own available ring. */
  async function endless(input: DeviceInput) {
    const guest = new EngineGuest({ legacy: false, backend: new VirtioRng(input) });
    const [queue] = (await bringUp(guest, { modern: true, queues: { 0: 8 } })) as [DriverQueue];
    await queue.writeDescriptor(queue.desc, queue.avail + 2, 2, DESC.WRITE, 0);
    await queue.publish(0);
    return { guest, queue };
  }
  /** Each answer moves the available index one further. */
  const counting = (): DeviceInput => {
    let index = 1;
    return {
      entropy: () => {
        index = (index + 1) & 0xffff;
        return Uint8Array.of(index & 0xff, index >> 8);
      },
    };
  };

  it('that make a device feed itself do not stop the machine', async () => {
    const { guest, queue } = await endless(counting());
    await queue.notify();
    expect(await queue.word(queue.used + 2)).toBe(4096);
    // The rest is done at the next boundary; a reset ends it.
    expect(guest.bench.pendingTimers().map(({ deadline }) => deadline)).toStrictEqual([0]);
    guest.device.timer('queue-work');
    expect(await queue.word(queue.used + 2)).toBe(8192);
    await guest.write(MMIO.Status, 0);
    expect(guest.bench.pendingTimers()).toStrictEqual([]);
  });

  it('go on after a save in the middle of such work', async () => {
    const input = counting();
    const a = await endless(input);
    await a.queue.notify();
    const state = structuredClone(a.guest.device.save());
    const b = new EngineGuest({ legacy: false, backend: new VirtioRng(input) });
    b.memory.set(a.guest.memory);
    b.device.load(state);
    b.device.timer('queue-work');
    const used = b.memory.subarray(a.queue.used - RAM + 2);
    expect(used[0]! | (used[1]! << 8)).toBe(8192);
  });

  it('are told what was wrong', async () => {
    const guest = new EngineGuest({
      legacy: false,
      backend: new VirtioBlk({ storage: new CowBlockStorage(new Uint8Array(4096)) }),
    });
    const [queue] = (await bringUp(guest, { modern: true, queues: { 0: 8 } })) as [DriverQueue];
    const header = await queue.place(blockHeader(0, 0));
    await queue.writeDescriptor(queue.desc, header, 16, DESC.NEXT, 1);
    await queue.writeDescriptor(queue.desc + 16, 0x1000, 512, DESC.WRITE | DESC.NEXT, 2);
    await queue.writeDescriptor(queue.desc + 32, header, 1, DESC.WRITE, 0);
    await queue.publish(0);
    await queue.notify();
    expect(guest.errors()).toStrictEqual(['guest-error virtio+80: queue 0: no memory at 0x1000']);
    expect(await guest.read(MMIO.Status)).toBe(0x4f);
    expect(await guest.read(MMIO.InterruptStatus)).toBe(3);
    expect(guest.irq).toBe(true);
    await queue.notify();
    expect(guest.errors()).toHaveLength(1);
  });
});
