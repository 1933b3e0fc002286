import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { VirtioGpu } from '../../../../engine/devices/virtio/virtio-gpu.ts';
import { MMIO } from '../../../../engine/devices/virtio/virtio-mmio-registers.ts';
import { haveQemu, Qemu } from '../qemu.ts';
import { bringUp, type DriverQueue, EngineGuest, type Guest, QemuGuest, RAM } from './driver.ts';

/* The graphics device: the same driver on ours and on QEMU's, and what is on the screen. */

const WIDTH = 1280;
const HEIGHT = 800;
/** Guest memory for pixels, out of the way of the rings. */
const PIXELS = RAM + 0x20_0000;

function command(type: number, words: readonly number[], fence?: number): Uint8Array {
  const bytes = new Uint8Array(24 + 4 * words.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, type, true);
  if (fence !== undefined) {
    view.setUint32(4, 1, true);
    view.setUint32(8, fence, true);
    view.setUint32(16, 3, true);
  }
  words.forEach((word, i) => {
    view.setUint32(24 + 4 * i, word, true);
  });
  return bytes;
}

const create = (id: number, format: number, width: number, height: number) =>
  command(0x101, [id, format, width, height]);
const unref = (id: number) => command(0x102, [id, 0]);
const scanout = (rect: readonly number[], index: number, id: number) => command(0x103, [...rect, index, id]);
const flush = (rect: readonly number[], id: number) => command(0x104, [...rect, id, 0]);
const transfer = (rect: readonly number[], offset: number, id: number) =>
  command(0x105, [...rect, offset, 0, id, 0]);
const attach = (id: number, pieces: readonly (readonly [number, number])[]) =>
  command(0x106, [id, pieces.length, ...pieces.flatMap(([at, length]) => [at, 0, length, 0])]);
const detach = (id: number) => command(0x107, [id, 0]);

function ours(): { guest: EngineGuest; gpu: VirtioGpu } {
  const gpu = new VirtioGpu({ width: WIDTH, height: HEIGHT });
  return { guest: new EngineGuest({ legacy: false, backend: gpu }), gpu };
}

const up = async (guest: Guest): Promise<DriverQueue[]> =>
  bringUp(guest, { modern: true, features: 1n << 28n, queues: { 0: 64, 1: 16 } });

async function answer(queue: DriverQueue, request: Uint8Array, room = 24): Promise<string> {
  const { used, data } = await queue.request([request, room]);
  return `${used.map(({ length }) => length)} ${Buffer.from(data).toString('hex')}`;
}

describe.skipIf(!haveQemu)('virtio-gpu against QEMU', () => {
  const folder = mkdtempSync(join(tmpdir(), 'gpu-'));
  const started: Qemu[] = [];
  afterAll(() => {
    for (const session of started) session.end();
    rmSync(folder, { recursive: true });
  });

  function theirs(): QemuGuest {
    const qemu = new Qemu([
      '-device',
      'virtio-gpu-device,edid=off',
      '-global',
      'virtio-mmio.force-legacy=false',
    ]);
    started.push(qemu);
    return new QemuGuest(qemu);
  }

  it('has the same registers and configuration', async () => {
    const read = async (guest: Guest): Promise<string[]> => {
      const values: string[] = [];
      for (const selector of [0, 1, 2]) {
        await guest.write(MMIO.DeviceFeaturesSel, selector);
        await guest.write(MMIO.QueueSel, selector);
        for (let offset = 0; offset < 0x120; offset += 4)
          values.push((await guest.read(offset)).toString(16));
      }
      return values;
    };
    expect(await read(ours().guest)).toEqual(await read(theirs()));
  });

  it('answers commands alike, right ones and wrong ones', async () => {
    const commands: readonly (readonly [Uint8Array, number?])[] = [
      [command(0x100, []), 408],
      [command(0x100, [], 99), 408],
      [command(0x100, []), 24],
      [create(1, 1, 64, 32)],
      [create(1, 1, 64, 32)],
      [create(0, 1, 64, 32)],
      [create(2, 5, 64, 32)],
      [create(3, 67, 20000, 20000)],
      [create(4, 134, 8, 8)],
      [transfer([0, 0, 64, 32], 0, 1)],
      [
        attach(1, [
          [PIXELS, 4096],
          [PIXELS + 8192, 4096],
        ]),
      ],
      [attach(1, [[PIXELS, 4096]])],
      [attach(7, [[PIXELS, 4096]])],
      [command(0x106, [4, 20000])],
      [transfer([0, 0, 64, 32], 0, 1)],
      [transfer([10, 5, 20, 7], 10 * 4 + 5 * 256, 1)],
      [transfer([10, 5, 64, 7], 0, 1)],
      [transfer([0, 0, 64, 33], 0, 1)],
      [transfer([0, 0, 4, 4], 0, 9)],
      [scanout([0, 0, 64, 32], 1, 1)],
      [scanout([0, 0, 64, 32], 0, 9)],
      [scanout([0, 0, 65, 32], 0, 1)],
      [scanout([0, 0, 15, 32], 0, 1)],
      [scanout([0, 0, 8, 8], 0, 4)],
      [scanout([0, 0, 64, 32], 0, 1)],
      [flush([0, 0, 64, 32], 1)],
      [flush([0, 0, 64, 33], 1)],
      [flush([60, 0, 5, 1], 1)],
      [flush([0, 0, 4, 4], 9)],
      [detach(1)],
      [detach(1)],
      [detach(9)],
      [flush([0, 0, 64, 32], 1)],
      [scanout([0, 0, 0, 0], 0, 0)],
      [unref(1)],
      [unref(1)],
      [command(0x101, [5, 1, 64, 32], 7)],
      [command(0x199, [])],
      [command(0x108, [0, 0]), 40],
      [command(0x200, [0, 0])],
      [create(6, 1, 64, 32), 10],
    ];
    const run = async (guest: Guest): Promise<string[]> => {
      const [control] = await up(guest);
      const results: string[] = [];
      for (const [request, room] of commands) results.push(await answer(control!, request, room));
      return results;
    };
    const mine = await run(ours().guest);
    expect(mine).toEqual(await run(theirs()));
    expect(mine.filter((line) => line.includes(' 0011')).length).toBeGreaterThan(8);
  });
});

describe('virtio-gpu', () => {
  it('shows what was transferred, and only that', async () => {
    const { guest, gpu } = ours();
    const [control] = await up(guest);
    const pixels = Uint8Array.from({ length: 64 * 32 * 4 }, (_, i) => (i * 7 + (i >> 8)) & 0xff);
    await guest.writeMemory(PIXELS, pixels.subarray(0, 4096));
    await guest.writeMemory(PIXELS + 8192, pixels.subarray(4096));
    await answer(control!, create(1, 1, 64, 32));
    await answer(
      control!,
      attach(1, [
        [PIXELS, 4096],
        [PIXELS + 8192, 4096],
      ]),
    );
    await answer(control!, transfer([10, 5, 20, 20], 10 * 4 + 5 * 256, 1));
    await answer(control!, scanout([8, 4, 40, 24], 0, 1));
    const screen = gpu.screen()!;
    expect([screen.width, screen.height]).toEqual([40, 24]);
    for (let y = 0; y < 24; y++) {
      for (let x = 0; x < 40; x++) {
        const [fromX, fromY] = [x + 8, y + 4];
        const inside = fromX >= 10 && fromX < 30 && fromY >= 5 && fromY < 25;
        const at = (fromY * 64 + fromX) * 4;
        const [b, g, r] = inside ? pixels.subarray(at, at + 3) : [0, 0, 0];
        expect([...screen.rgba.subarray((y * 40 + x) * 4, (y * 40 + x) * 4 + 4)]).toEqual([r, g, b, 255]);
      }
    }
  });

  it.each([
    [1, [3, 2, 1]],
    [2, [3, 2, 1]],
    [3, [2, 3, 4]],
    [4, [2, 3, 4]],
    [67, [1, 2, 3]],
    [68, [4, 3, 2]],
    [121, [4, 3, 2]],
    [134, [1, 2, 3]],
  ])('takes the colours of format %i from where they are', async (format, rgb) => {
    const { guest, gpu } = ours();
    const [control] = await up(guest);
    await guest.writeMemory(
      PIXELS,
      Uint8Array.from({ length: 1024 }, (_, i) => (i % 4) + 1),
    );
    await answer(control!, create(1, format, 16, 16));
    await answer(control!, attach(1, [[PIXELS, 1024]]));
    await answer(control!, transfer([0, 0, 16, 16], 0, 1));
    await answer(control!, scanout([0, 0, 16, 16], 0, 1));
    expect([...gpu.screen()!.rgba.subarray(0, 4)]).toEqual([...rgb, 255]);
  });

  it('draws the cursor where it was moved to, as far as its alpha says', async () => {
    const { guest, gpu } = ours();
    const [control, cursor] = await up(guest);
    await guest.writeMemory(PIXELS, new Uint8Array(64 * 64 * 4).fill(255));
    await answer(control!, create(1, 2, 100, 100));
    await answer(control!, attach(1, [[PIXELS, 4096]]));
    await answer(control!, scanout([0, 0, 100, 100], 0, 1));
    await answer(control!, create(2, 1, 64, 64));
    await answer(control!, attach(2, [[PIXELS, 64 * 64 * 4]]));
    await answer(control!, transfer([0, 0, 64, 64], 0, 2));
    await cursor!.request([command(0x300, [0, 20, 30, 0, 2, 5, 6, 0])]);
    await cursor!.request([command(0x301, [0, 90, 90, 0, 0, 0, 0, 0])]);
    const { rgba } = gpu.screen()!;
    const white = (x: number, y: number): boolean => rgba[(y * 100 + x) * 4] === 255;
    expect([white(84, 90), white(85, 84), white(84, 84), white(99, 99), white(20, 30)]).toEqual([
      false,
      true,
      false,
      true,
      false,
    ]);
  });

  it('goes on after a load exactly as the device it was saved from', async () => {
    const { guest, gpu } = ours();
    const [control] = await up(guest);
    await guest.writeMemory(PIXELS, new Uint8Array(4096).fill(9));
    await answer(control!, create(1, 1, 32, 32));
    await answer(control!, attach(1, [[PIXELS, 4096]]));
    await answer(control!, transfer([0, 0, 32, 32], 0, 1));
    await answer(control!, scanout([0, 0, 32, 32], 0, 1));
    const hash = (of: VirtioGpu): string => createHash('md5').update(of.screen()!.rgba).digest('hex');
    const saved = gpu.save();
    const before = hash(gpu);
    await guest.writeMemory(PIXELS, new Uint8Array(4096).fill(77));
    await answer(control!, transfer([0, 0, 32, 32], 0, 1));
    const after = hash(gpu);
    expect(after).not.toBe(before);
    gpu.load(saved);
    expect(hash(gpu)).toBe(before);
    await answer(control!, transfer([0, 0, 32, 32], 0, 1));
    expect(hash(gpu)).toBe(after);
  });

  it('notes a picture with each flush where every detail is wanted, by the hash of its pixels', async () => {
    const { guest } = ours();
    const [control] = await up(guest);
    await answer(control!, create(1, 1, 32, 32));
    await answer(control!, attach(1, [[PIXELS, 4096]]));
    await answer(control!, scanout([0, 0, 32, 32], 0, 1));
    for (const value of [7, 8, 7]) {
      await guest.writeMemory(PIXELS, new Uint8Array(4096).fill(value));
      await answer(control!, transfer([0, 0, 32, 32], 0, 1));
      await answer(control!, flush([0, 0, 1, 1], 1));
    }
    const frames = guest.bench.log.filter((line) => line.startsWith('note virtio frame '));
    expect(frames).toHaveLength(3);
    expect(frames[0]).toMatch(/{"width":32,"height":32,"hash":"[0-9a-f]{16}"}$/);
    expect(frames[2]).toBe(frames[0]);
    expect(frames[1]).not.toBe(frames[0]);
  });

  it('survives any command', async () => {
    const { guest, gpu } = ours();
    const [control, cursor] = await up(guest);
    const word = fc.oneof(fc.constantFrom(0, 1, 2, 16, 64, 0xffffffff, 0x80000000, PIXELS), fc.nat(300));
    const type = fc.constantFrom(
      0x100,
      0x10a,
      0x101,
      0x102,
      0x103,
      0x104,
      0x105,
      0x106,
      0x107,
      0x300,
      0x301,
      5,
    );
    const list = fc.array(fc.tuple(type, fc.array(word, { maxLength: 12 }), fc.boolean()), { maxLength: 30 });
    await fc.assert(
      fc.asyncProperty(list, async (commands) => {
        for (const [kind, words, onCursor] of commands) {
          await (onCursor ? cursor! : control!).request([command(kind, words), 24]);
          gpu.screen();
        }
        const [again, other] = await up(guest);
        Object.assign(control!, again);
        Object.assign(cursor!, other);
      }),
      { numRuns: 60 },
    );
  });
});
