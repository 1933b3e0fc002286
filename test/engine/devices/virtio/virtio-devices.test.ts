import { describe, expect, it } from 'vitest';
import { CowBlockStorage } from '../../../../engine/devices/virtio/block-storage.ts';
import { VirtioBlk } from '../../../../engine/devices/virtio/virtio-blk.ts';
import { VirtioConsole } from '../../../../engine/devices/virtio/virtio-console.ts';
import { MMIO } from '../../../../engine/devices/virtio/virtio-mmio-registers.ts';
import { VirtioRng } from '../../../../engine/devices/virtio/virtio-rng.ts';
import { Virtqueue } from '../../../../engine/devices/virtio/virtqueue.ts';
import { Bench } from '../bench.ts';
import { blockHeader, bringUp, type DriverQueue, EngineGuest } from './driver.ts';

const ascii = (value: string) => Uint8Array.from(value, (letter) => letter.charCodeAt(0));
const message = (event: number, value: number) => Uint8Array.of(0, 0, 0, 0, event, 0, value, 0);

describe.each([false, true])('virtio devices, modern: %s', (modern) => {
  const legacy = !modern;

  describe('block', () => {
    const start = async () => {
      const image = Uint8Array.from({ length: 40 * 512 }, (_, n) => n >> 9);
      const storage = new CowBlockStorage(image);
      const guest = new EngineGuest({ legacy, backend: new VirtioBlk({ storage, serial: 'abc' }) });
      const [queue] = (await bringUp(guest, { modern, features: -1n, queues: { 0: 32 } })) as [DriverQueue];
      return { guest, queue, storage, image };
    };

    it('has done a request when the notification returns, and holds the line until it is acknowledged', async () => {
      const { guest, queue } = await start();
      await queue.offer([blockHeader(0, 7), 512, 1]);
      expect(guest.irq).toBe(false);
      await queue.notify();
      expect(await queue.word(queue.used + 2)).toBe(1);
      expect(guest.irq).toBe(true);
      await guest.write(MMIO.InterruptACK, 1);
      expect(guest.irq).toBe(false);
    });

    it('does all requests of the ring at one notification, in order', async () => {
      const { queue } = await start();
      const heads: number[] = [];
      for (let sector = 0; sector < 6; sector++) {
        heads.push(await queue.offer([blockHeader(0, sector), 512, 1], sector % 2 === 0));
      }
      await queue.notify();
      expect((await queue.take(6)).map(({ id }) => id)).toStrictEqual(heads);
      for (const [sector, head] of heads.entries()) {
        const data = await queue.written(head);
        expect(data).toStrictEqual(new Uint8Array(513).fill(sector, 0, 512));
      }
    });

    it('keeps what was written across a save and load into a fresh machine', async () => {
      const first = await start();
      await first.queue.request([blockHeader(1, 3), new Uint8Array(512).fill(0xab), 1]);
      const second = await start();
      second.guest.device.load(structuredClone(first.guest.device.save()));
      second.guest.memory.set(first.guest.memory);
      const bytes = new Uint8Array(512);
      second.storage.read(3 * 512, bytes);
      expect(bytes.every((byte) => byte === 0xab)).toBe(true);
      expect(second.image.subarray(3 * 512, 4 * 512).every((byte) => byte === 3)).toBe(true);
    });

    it('keeps its data over a system reset', async () => {
      const { guest, queue, storage } = await start();
      await queue.request([blockHeader(1, 3), new Uint8Array(512).fill(0xab), 1]);
      guest.device.reset();
      const bytes = new Uint8Array(512);
      storage.read(3 * 512, bytes);
      expect(bytes.every((byte) => byte === 0xab)).toBe(true);
    });
  });

  describe('entropy', () => {
    const start = async () => {
      const guest = new EngineGuest((bench) => ({ legacy, backend: new VirtioRng(bench.input()) }));
      const [queue] = (await bringUp(guest, { modern, features: 1n << 28n, queues: { 0: 8 } })) as [
        DriverQueue,
      ];
      return { guest, queue };
    };

    it('fills buffers with the bytes that came from outside', async () => {
      const { queue } = await start();
      const { used, data } = await queue.request([10, 30]);
      expect(used).toStrictEqual([{ id: 0, length: 40 }]);
      expect(data).toStrictEqual(new Bench().input().entropy(40));
    });

    it('asks for 64 KiB at most', async () => {
      const { queue } = await start();
      const { used } = await queue.request([0x18000]);
      expect(used).toStrictEqual([{ id: 0, length: 0x10000 }]);
    });

    it('gives buffers to read from back empty', async () => {
      const { queue } = await start();
      expect((await queue.request([ascii('x')])).used).toStrictEqual([{ id: 0, length: 0 }]);
    });

    it('waits for DRIVER_OK', async () => {
      const { guest, queue } = await start();
      await guest.write(MMIO.Status, modern ? 0xb : 3);
      await queue.offer([8]);
      await queue.notify();
      expect(await queue.word(queue.used + 2)).toBe(0);
      await guest.write(MMIO.Status, modern ? 0xf : 7);
      expect(await queue.word(queue.used + 2)).toBe(1);
      expect(guest.irq).toBe(true);
    });
  });

  describe('console', () => {
    const start = async (multiport: boolean) => {
      const guest = new EngineGuest({ legacy, backend: new VirtioConsole() });
      const queues = multiport ? { 0: 8, 1: 16, 2: 32, 3: 32 } : { 0: 8, 1: 16 };
      const all = await bringUp(guest, { modern, features: multiport ? 2n : 0n, queues });
      return { guest, device: guest.device, receive: all[0]!, transmit: all[1]!, control: all[3]! };
    };

    it('sends text out at the notification', async () => {
      const { guest, transmit } = await start(false);
      await transmit.request([ascii('ab'), ascii('cd')]);
      expect(guest.output()).toBe('abcd');
    });

    it('takes keys once the driver is up, and fills the buffers in order', async () => {
      const { device, guest, receive } = await start(false);
      const a = await receive.offer([2]);
      const b = await receive.offer([4, 4]);
      expect(device.receiveCapacity()).toBe(4096);
      device.receive('bytes', ascii('hello'));
      expect(guest.irq).toBe(true);
      expect(await receive.take(2)).toStrictEqual([
        { id: a, length: 2 },
        { id: b, length: 3 },
      ]);
      expect((await receive.written(a)).slice(0, 2)).toStrictEqual(ascii('he'));
      expect((await receive.written(b)).slice(0, 3)).toStrictEqual(ascii('llo'));
    });

    it('keeps keys until there are buffers, also over a save and load', async () => {
      const first = await start(false);
      first.device.receive('bytes', ascii('hello'));
      expect(first.device.receiveCapacity()).toBe(4091);
      const { device, receive } = await start(false);
      device.load(structuredClone(first.device.save()));
      const head = await receive.offer([8]);
      await receive.notify();
      expect(await receive.take(1)).toStrictEqual([{ id: head, length: 5 }]);
      expect((await receive.written(head)).slice(0, 5)).toStrictEqual(ascii('hello'));
      expect(device.receiveCapacity()).toBe(4096);
    });

    it('takes keys only while the guest has the port open, if it speaks the multiport protocol', async () => {
      const { device, control } = await start(true);
      expect(device.receiveCapacity()).toBe(0);
      await control.request([message(0, 1)]);
      await control.request([message(3, 1)]);
      expect(device.receiveCapacity()).toBe(0);
      await control.request([message(6, 1)]);
      expect(device.receiveCapacity()).toBe(4096);
      await control.request([message(6, 0)]);
      expect(device.receiveCapacity()).toBe(0);
    });

    it('notes keys it could not take', async () => {
      const { device, guest } = await start(false);
      device.receive('bytes', new Uint8Array(5000));
      expect(device.receiveCapacity()).toBe(0);
      expect(guest.bench.log).toContain('note virtio input-lost {"bytes":904}');
    });

    it('takes no keys before the driver is up', () => {
      const { device } = new EngineGuest({ legacy, backend: new VirtioConsole() });
      expect(device.receiveCapacity()).toBe(0);
    });
  });
});

it('saves rings that a driver installs at address 0, which is none', () => {
  const owner = {
    dma: { read: () => false, write: () => false },
    fail: () => {},
    broken: false,
    suspended: false,
    hasFeature: () => false,
    queueInterrupt: () => {},
    turn: 0,
    queueStalled: () => {},
  };
  const queue = new Virtqueue(owner, 0, 8);
  expect(queue.dirty).toBe(false);
  queue.install(0, 1, 0);
  expect(queue.dirty).toBe(true);
});
