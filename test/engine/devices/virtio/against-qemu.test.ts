/*
 * The same driver on our virtio devices and on QEMU's: what it reads, what comes back in the rings and buffers
 * must be the same. Completion times differ, since QEMU's backends answer when the host does.
 */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { CowBlockStorage } from '../../../../engine/devices/virtio/block-storage.ts';
import { VirtioBlk } from '../../../../engine/devices/virtio/virtio-blk.ts';
import { VirtioConsole } from '../../../../engine/devices/virtio/virtio-console.ts';
import type { VirtioBackend } from '../../../../engine/devices/virtio/virtio-device.ts';
import { MMIO } from '../../../../engine/devices/virtio/virtio-mmio-registers.ts';
import { VirtioRng } from '../../../../engine/devices/virtio/virtio-rng.ts';
import type { Bench } from '../bench.ts';
import { haveQemu, Qemu } from '../qemu.ts';
import { blockHeader, bringUp, type DriverQueue, EngineGuest, type Guest, QemuGuest, RAM } from './driver.ts';

const SECTORS = 300;
const image = Uint8Array.from({ length: SECTORS * 512 }, (_, n) => (n * 13 + (n >> 9)) & 0xff);

type Kind = 'rng' | 'blk' | 'blk-ro' | 'console';
const kinds: readonly Kind[] = ['rng', 'blk', 'blk-ro', 'console'];

function backend(kind: Kind, bench: Bench): VirtioBackend {
  if (kind === 'rng') return new VirtioRng(bench.input());
  if (kind === 'console') return new VirtioConsole();
  const storage = new CowBlockStorage(image, { readOnly: kind === 'blk-ro' });
  return new VirtioBlk({ storage, serial: 'disk-one' });
}

describe.skipIf(!haveQemu)('virtio-mmio against QEMU', () => {
  const folder = mkdtempSync(join(tmpdir(), 'virtio-'));
  const started: Qemu[] = [];
  let files = 0;
  afterAll(() => {
    for (const session of started) session.end();
    rmSync(folder, { recursive: true });
  });

  function machines(kind: Kind, modern: boolean) {
    const file = join(folder, `disk${files++}`);
    writeFileSync(file, image);
    const drive = `if=none,id=d,format=raw,file=${file}${kind === 'blk-ro' ? ',read-only=on' : ''}`;
    const device: { [kind in Kind]: string[] } = {
      rng: ['-device', 'virtio-rng-device'],
      blk: ['-drive', drive, '-device', 'virtio-blk-device,drive=d,serial=disk-one'],
      'blk-ro': ['-drive', drive, '-device', 'virtio-blk-device,drive=d,serial=disk-one'],
      console: [
        '-chardev',
        `file,id=c,path=${file}`,
        '-device',
        'virtio-serial-device',
        '-device',
        'virtconsole,chardev=c',
      ],
    };
    const qemu = new Qemu([
      ...device[kind],
      '-global',
      `virtio-mmio.force-legacy=${modern ? 'false' : 'true'}`,
    ]);
    started.push(qemu);
    const ours = new EngineGuest((bench) => ({ legacy: !modern, backend: backend(kind, bench) }));
    return { ours, theirs: new QemuGuest(qemu), file };
  }

  /** The same scenario on both; what it gives must be equal, and is returned. */
  async function same<T>(at: { ours: Guest; theirs: Guest }, scenario: (guest: Guest) => Promise<T>) {
    const mine = await scenario(at.ours);
    expect(mine).toStrictEqual(await scenario(at.theirs));
    return mine;
  }

  for (const modern of [false, true]) {
    const version = modern ? 'modern' : 'legacy';

    it.each(kinds)(`reads every register and the configuration alike: %s ${version}`, async (kind) => {
      await same(machines(kind, modern), async (guest) => {
        const values: string[] = [];
        for (const selector of [0, 1, 2]) {
          await guest.write(MMIO.DeviceFeaturesSel, selector);
          await guest.write(MMIO.QueueSel, selector);
          for (let offset = 0; offset < 0x180; offset += 4) {
            values.push(`${offset.toString(16)}: ${(await guest.read(offset)).toString(16)}`);
          }
        }
        for (let offset = 0x100; offset < 0x148; offset++) values.push(`${await guest.read(offset, 1)}`);
        for (let offset = 0x100; offset < 0x148; offset += 2) values.push(`${await guest.read(offset, 2)}`);
        return values;
      });
    });

    it.each(kinds)(`answers sequences of register accesses alike: %s ${version}`, async (kind) => {
      // Not there: notifications and what makes a ring (see the scenarios below), and QueueReady 0, which
      // QEMU 7.2 shows but does not act on.
      const offsets = Object.values(MMIO).filter((offset) => offset < 0x100 && offset !== MMIO.QueueNotify);
      const value = fc.oneof(
        fc.constantFrom(0, 1, 2, 3, 7, 0xb, 0xf, 0x40, 128, 1024, 1025, 4096, 0xffffffff),
        fc.nat(0xffff),
      );
      const access = fc.tuple(
        fc.constantFrom(...offsets, MMIO.QueueSel, MMIO.Status),
        fc.constantFrom<1 | 2 | 4>(4, 4, 4, 4, 4, 1, 2),
        fc.option(value, { nil: undefined }),
      );
      const list = fc.array(access, { minLength: 400, maxLength: 400, size: 'max' });
      const at = machines(kind, modern);
      for (const accesses of fc.sample(list, { numRuns: 3, seed: 11 })) {
        await same(at, async (guest) => {
          const seen: string[] = [];
          for (const [offset, size, bits] of accesses) {
            if (bits === undefined) {
              seen.push(`${offset.toString(16)}.${size} = ${(await guest.read(offset, size)).toString(16)}`);
            } else {
              await guest.write(offset, size === 4 ? bits : bits & (2 ** (8 * size) - 1), size);
              seen.push(`${offset.toString(16)}.${size} <- ${bits.toString(16)}`);
            }
          }
          return seen;
        });
      }
    });

    it(`carries out block requests alike: ${version}`, async () => {
      const at = machines('blk', modern);
      const pattern = (length: number, seed: number) =>
        Uint8Array.from({ length }, (_, n) => (n * 31 + seed) & 0xff);
      const segment = (sector: number, count: number, flags: number) => {
        const bytes = new Uint8Array(16);
        new DataView(bytes.buffer).setUint32(0, sector, true);
        new DataView(bytes.buffer).setUint32(8, count, true);
        new DataView(bytes.buffer).setUint32(12, flags, true);
        return bytes;
      };
      const results = await same(at, async (guest) => {
        const [queue] = (await bringUp(guest, { modern, features: 1n << 28n, queues: { 0: 64 } })) as [
          DriverQueue,
        ];
        const results = [];
        const requests: { out: Uint8Array[]; in: number[] }[] = [
          { out: [blockHeader(0, 0)], in: [512, 1] },
          { out: [blockHeader(0, 3)], in: [512, 1024, 512, 1] },
          { out: [blockHeader(0, SECTORS - 1)], in: [512, 1] },
          { out: [blockHeader(0, SECTORS - 1)], in: [1024, 1] }, // past the end
          { out: [blockHeader(0, SECTORS)], in: [1] }, // nothing, at the end
          { out: [blockHeader(0, SECTORS + 1)], in: [1] },
          { out: [blockHeader(0, 1n << 55n)], in: [512, 1] },
          { out: [blockHeader(0, 2)], in: [100, 1] }, // no whole sector
          { out: [blockHeader(0, 2)], in: [513] }, // status in the last byte of the only buffer
          { out: [blockHeader(1, 5), pattern(512, 1)], in: [1] },
          { out: [blockHeader(1, 9), pattern(1000, 2), pattern(24, 3)], in: [3] },
          { out: [new Uint8Array([...blockHeader(1, 20), ...pattern(512, 4)])], in: [1] }, // header and data
          { out: [blockHeader(1, SECTORS), pattern(512, 5)], in: [1] },
          { out: [blockHeader(0x80000001, 30), pattern(512, 6)], in: [1] },
          { out: [blockHeader(0, 5)], in: [512 * 5, 1] },
          { out: [blockHeader(0, 20)], in: [512, 1] },
          { out: [blockHeader(0, 30)], in: [512, 1] },
          { out: [blockHeader(4, 0)], in: [1] },
          { out: [blockHeader(5, 0)], in: [1] },
          { out: [blockHeader(8, 0)], in: [20, 1] },
          { out: [blockHeader(8, 0)], in: [4, 1] },
          { out: [blockHeader(8, 0)], in: [40, 1] },
          { out: [blockHeader(2, 0)], in: [1] },
          { out: [blockHeader(2, 0), pattern(16, 1)], in: [96, 16, 1] },
          { out: [blockHeader(13, 0), segment(40, 3, 0)], in: [1] },
          { out: [blockHeader(13, 0), segment(50, 3, 1)], in: [1] },
          { out: [blockHeader(13, 0), segment(50, 3, 2)], in: [1] },
          { out: [blockHeader(13, 0), segment(SECTORS - 1, 2, 0)], in: [1] },
          { out: [blockHeader(13, 0), segment(0, 0x400000, 0)], in: [1] },
          { out: [blockHeader(13, 0), segment(1, 1, 0), segment(2, 1, 0)], in: [1] },
          { out: [blockHeader(12, 0), segment(1, 1, 0)], in: [1] },
          { out: [blockHeader(11, 0), segment(60, 3, 0)], in: [1] },
          { out: [blockHeader(11, 0), segment(60, 3, 1)], in: [1] },
          { out: [blockHeader(11, 0), segment(60, 300, 0)], in: [1] },
          { out: [blockHeader(6, 0)], in: [1] },
          { out: [blockHeader(0x1234, 0)], in: [16, 1] },
        ];
        for (const [n, request] of requests.entries()) {
          const { used, data } = await queue.request([...request.out, ...request.in], n % 2 === 1);
          results.push({ n, used, data: [...data], isr: await guest.read(MMIO.InterruptStatus) });
          await guest.write(MMIO.InterruptACK, 1);
          results.push(await guest.read(MMIO.InterruptStatus));
        }
        return results;
      });
      expect(results).toHaveLength(72);
      // The disks are the same, too.
      const mine = new Uint8Array(image.length);
      const { ours } = at;
      const [queue] = (await bringUp(ours, { modern, queues: { 0: 64 } })) as [DriverQueue];
      for (let sector = 0; sector < SECTORS; sector += 50) {
        const { data } = await queue.request([blockHeader(0, sector), 50 * 512, 1]);
        mine.set(data.subarray(0, 50 * 512), sector * 512);
      }
      expect(Buffer.from(mine).equals(readFileSync(at.file))).toBe(true);
    });

    it(`guesses the geometry of a disk alike: ${version}`, async () => {
      const table = (...entries: [number, number, number, number][]) => {
        const bytes = new Uint8Array(400 * 1024);
        bytes.set([0x55, 0xaa], 510);
        for (const [slot, endHead, endSector, count] of entries) {
          const at = 0x1be + 16 * slot;
          bytes.set([endHead, endSector], at + 5);
          new DataView(bytes.buffer).setUint32(at + 12, count, true);
        }
        return bytes;
      };
      const disks = [
        new Uint8Array(512),
        new Uint8Array(100 * 512),
        new Uint8Array(5 * 16 * 63 * 512 + 512),
        table([0, 7, 32, 100]),
        table([0, 0, 32, 100], [1, 7, 0, 100], [2, 3, 0x51, 0], [3, 3, 0x51, 100]),
        table([0, 63, 32, 100]),
        table([0, 254, 63, 100]),
      ];
      for (const [n, disk] of disks.entries()) {
        const file = join(folder, `geometry${version}${n}`);
        writeFileSync(file, disk);
        const qemu = new Qemu([
          '-drive',
          `if=none,id=d,format=raw,file=${file}`,
          '-device',
          'virtio-blk-device,drive=d',
        ]);
        started.push(qemu);
        const storage = new CowBlockStorage(disk);
        const ours = new EngineGuest({ backend: new VirtioBlk({ storage }) });
        const theirs = new QemuGuest(qemu);
        await same({ ours, theirs }, async (guest) => [await guest.read(0x100), await guest.read(0x110)]);
        qemu.end();
      }
    });

    it(`refuses to write to a read-only disk alike: ${version}`, async () => {
      await same(machines('blk-ro', modern), async (guest) => {
        const [queue] = (await bringUp(guest, { modern, queues: { 0: 16 } })) as [DriverQueue];
        const results = [];
        for (const type of [1, 0, 4]) {
          const buffers = type === 1 ? [new Uint8Array(512), 1] : type === 0 ? [512, 1] : [1];
          results.push(await queue.request([blockHeader(type, 1), ...buffers]));
        }
        return results;
      });
    });

    it(`keeps the cache mode alike: ${version}`, async () => {
      await same(machines('blk', modern), async (guest) => {
        const modes: number[] = [];
        const look = async () => modes.push(await guest.read(0x120, 1));
        for (const features of [0n, 1n << 9n, 1n << 11n, (1n << 9n) | (1n << 11n)]) {
          await bringUp(guest, { modern, features, queues: { 0: 16 } });
          await look();
          await guest.write(0x120, 0, 1);
          await look();
          await guest.write(0x120, 5, 1);
          await look();
          await guest.write(0x120, 0, 1);
          await guest.write(MMIO.Status, 0);
          await look();
        }
        return modes;
      });
    });

    for (const eventIndex of [false, true]) {
      it(`interrupts alike ${eventIndex ? 'with' : 'without'} event index: ${version}`, async () => {
        const features = (eventIndex ? 1n << 29n : 0n) | (1n << 24n);
        await same(machines('blk', modern), async (guest) => {
          const [queue] = (await bringUp(guest, { modern, features, queues: { 0: 8 } })) as [DriverQueue];
          const results = [];
          for (let round = 0; round < 24; round++) {
            queue.flags = round % 3 === 2 ? 1 : 0;
            // The used index to be told about: the next one, one far away, the one before.
            const event = queue.usedIndex + ([0, 2, 5, -1][round % 4] ?? 0);
            await queue.setWord(queue.avail + 4 + 2 * queue.size, event);
            const { used } = await queue.request([blockHeader(0, round), 512, 1]);
            results.push({
              used,
              isr: await guest.read(MMIO.InterruptStatus),
              availEvent: await queue.word(queue.used + 4 + 8 * queue.size),
              flags: await queue.word(queue.used),
            });
            await guest.write(MMIO.InterruptACK, 3);
          }
          return results;
        });
      });
    }

    it(`speaks the console's control protocol alike: ${version}`, async () => {
      const at = machines('console', modern);
      const message = (id: number, event: number, value: number) =>
        Uint8Array.of(id, 0, 0, 0, event, 0, value, 0);
      await same(at, async (guest) => {
        const queues = { 0: 8, 1: 16, 2: 32, 3: 32, 4: 8, 5: 8 };
        const all = await bringUp(guest, { modern, features: 6n, queues });
        const [, transmit, controlReceive, controlTransmit, , other] = all as DriverQueue[];
        const results: unknown[] = [];
        const heads: number[] = [];
        for (let n = 0; n < 12; n++) heads.push(await controlReceive!.offer([n === 2 ? 4 : 16]));
        for (const control of [
          message(0, 0, 1),
          message(0, 3, 1),
          message(1, 3, 1),
          message(0, 3, 0),
          message(0, 9, 1),
          message(0, 6, 1).subarray(0, 7),
          message(0, 6, 1),
          message(0, 6, 0),
        ]) {
          results.push(await controlTransmit!.request([control]));
          results.push(await controlReceive!.word(controlReceive!.used + 2));
        }
        results.push(await controlReceive!.take(3));
        for (const head of heads) results.push([...(await controlReceive!.written(head))]);
        const text = Uint8Array.from('hello, console\n', (c) => c.charCodeAt(0));
        results.push(await transmit!.request([text, text.subarray(0, 5)]));
        results.push(await other!.request([text]));
        // Emergency write, in several widths; the register reads as zero.
        for (const [offset, size, value] of [
          [0x108, 4, 0x41],
          [0x108, 1, 0x42],
          [0x108, 2, 0x43],
          [0x108, 4, 0],
        ] as const) {
          await guest.write(offset, value, size);
          results.push(await guest.read(0x108));
        }
        return results;
      });
      expect(at.ours.output()).toBe('hello, console\nhelloABC');
      await new Promise((resolve) => setTimeout(resolve, 50));
      expect(readFileSync(at.file, 'latin1')).toBe('hello, console\nhelloABC');
    });

    it(`stops at a broken ring alike: ${version}`, async () => {
      type Break = (guest: Guest, queue: DriverQueue) => Promise<unknown>;
      const header = blockHeader(0, 0);
      const breaks: { [what: string]: Break } = {
        'head out of range': (_, queue) => queue.publish(64),
        'available index too far ahead': (_, queue) => queue.setWord(queue.avail + 2, 40),
        'loop of two': async (_, queue) => {
          await queue.writeDescriptor(queue.desc, RAM, 16, 1, 1);
          await queue.writeDescriptor(queue.desc + 16, RAM, 16, 1, 0);
          await queue.publish(0);
        },
        'next out of range': async (_, queue) => {
          await queue.writeDescriptor(queue.desc, RAM, 16, 1, 99);
          await queue.publish(0);
        },
        'empty buffer': async (_, queue) => {
          await queue.writeDescriptor(queue.desc, RAM, 0, 0, 0);
          await queue.publish(0);
        },
        'readable after writable': (_, queue) => queue.offer([1, header]),
        'indirect table of odd size': async (_, queue) => {
          await queue.writeDescriptor(queue.desc, RAM, 17, 4, 0);
          await queue.publish(0);
        },
        'indirect table of no size': async (_, queue) => {
          await queue.writeDescriptor(queue.desc, RAM, 0, 4, 0);
          await queue.publish(0);
        },
        'no status buffer': (_, queue) => queue.offer([header]),
        'no header': (_, queue) => queue.offer([512, 1]),
        'short header': (_, queue) => queue.offer([header.subarray(0, 8), 1]),
        'short discard segment': (_, queue) => queue.offer([blockHeader(11, 0), header.subarray(0, 8), 1]),
      };
      await same(machines('blk', modern), async (guest) => {
        const results: { [what: string]: unknown } = {};
        for (const [what, act] of Object.entries(breaks)) {
          const [queue] = (await bringUp(guest, { modern, features: 1n << 28n, queues: { 0: 32 } })) as [
            DriverQueue,
          ];
          await guest.writeMemory(queue.desc, new Uint8Array(0x8000));
          const before = await guest.read(MMIO.ConfigGeneration);
          await act(guest, queue);
          await queue.notify();
          const after = {
            status: await guest.read(MMIO.Status),
            isr: await guest.read(MMIO.InterruptStatus),
            generation: (await guest.read(MMIO.ConfigGeneration)) - before,
            used: await queue.word(queue.used + 2),
          };
          await guest.write(MMIO.InterruptACK, 3);
          results[what] = after;
          // After a reset it works again.
          const [again] = (await bringUp(guest, { modern, queues: { 0: 32 } })) as [DriverQueue];
          await guest.writeMemory(again.desc, new Uint8Array(0x8000));
          const { used } = await again.request([blockHeader(0, 1), 512, 1]);
          results[`${what}, then reset`] = used;
        }
        return results;
      });
    });
  }

  it('places the used ring of a legacy queue alike for any alignment', async () => {
    await same(machines('blk', false), async (guest) => {
      const rings: number[][] = [];
      for (const align of [1, 2, 4, 8, 12, 64, 100, 256]) {
        const [queue] = (await bringUp(guest, { modern: false, queues: { 0: 8 } })) as [DriverQueue];
        await guest.writeMemory(queue.desc, new Uint8Array(0x8000));
        await guest.write(MMIO.QueueAlign, align);
        await queue.offer([blockHeader(0, 1), 512, 1]);
        await queue.notify();
        const ring = () => guest.readMemory(queue.avail + 6, 0x200);
        // The entry names 513 bytes; the index follows it.
        await guest.until(async () => (await guest.read(MMIO.InterruptStatus)) === 1);
        rings.push([...(await ring())]);
      }
      return rings;
    });
  });

  it('takes features once alike: later ones are ignored while FEATURES_OK is set', async () => {
    const modes = await same(machines('blk', true), async (guest) => {
      const seen: number[] = [];
      for (const [before, after] of [
        [1 << 9, 0],
        [0, 1 << 9],
      ] as const) {
        await guest.write(MMIO.Status, 0);
        await guest.write(MMIO.DriverFeaturesSel, 1);
        await guest.write(MMIO.DriverFeatures, 1);
        await guest.write(MMIO.DriverFeaturesSel, 0);
        await guest.write(MMIO.DriverFeatures, before);
        await guest.write(MMIO.Status, 0xb);
        await guest.write(MMIO.DriverFeatures, after);
        await guest.write(MMIO.Status, 0xf);
        // The cache mode follows the feature FLUSH at DRIVER_OK.
        seen.push(await guest.read(0x120, 1));
      }
      return seen;
    });
    expect(modes).toStrictEqual([1, 0]);
  });
});
