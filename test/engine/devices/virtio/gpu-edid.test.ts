import { afterAll, describe, expect, it } from 'vitest';
import { EDID_BYTES, edidOf } from '../../../../engine/devices/virtio/gpu-edid.ts';
import { VirtioGpu } from '../../../../engine/devices/virtio/virtio-gpu.ts';
import { haveQemu, Qemu } from '../qemu.ts';
import { bringUp, type DriverQueue, EngineGuest, type Guest, QemuGuest } from './driver.ts';

const getEdid = (scanout: number): Uint8Array => {
  const bytes = new Uint8Array(32);
  new DataView(bytes.buffer).setUint32(0, 0x10a, true);
  new DataView(bytes.buffer).setUint32(24, scanout, true);
  return bytes;
};

describe('edidOf', () => {
  it('has blocks whose bytes add up to nothing, for any size', () => {
    for (const [width, height] of [
      [16, 16],
      [1280, 800],
      [16_384, 16_384],
    ] as const) {
      const edid = edidOf(width, height);
      expect(edid).toHaveLength(EDID_BYTES);
      for (let from = 0; from < EDID_BYTES; from += 128) {
        expect(edid.subarray(from, from + 128).reduce((sum, byte) => sum + byte, 0) % 256).toBe(0);
      }
    }
  });
});

describe.skipIf(!haveQemu)('EDID against QEMU', () => {
  const started: Qemu[] = [];
  afterAll(() => {
    for (const qemu of started) qemu.end();
  });

  it.each([
    [1280, 800],
    [640, 480],
    [16, 16],
    [1366, 768],
    [1920, 1080],
    [2560, 1600],
    [4095, 100],
    [4096, 100],
    [100, 4096],
    [3840, 2160],
    [7680, 4320],
    [16_384, 16_384],
  ])('is the same for %i by %i', async (width, height) => {
    const qemu = new Qemu([
      ...['-global', 'virtio-mmio.force-legacy=false'],
      ...['-device', `virtio-gpu-device,xres=${width},yres=${height}`],
    ]);
    started.push(qemu);
    const ours = new EngineGuest({ legacy: false, backend: new VirtioGpu({ width, height, edid: true }) });
    const look = async (guest: Guest) => {
      const [queue] = (await bringUp(guest, { modern: true, features: 2n, queues: { 0: 64 } })) as [
        DriverQueue,
      ];
      const seen: unknown[] = [await guest.read(0x10)];
      for (const [scanout, room] of [
        [0, 1056],
        [0, 200],
        [1, 1056],
      ] as const) {
        const { used, data } = await queue.request([getEdid(scanout), room]);
        seen.push(used, Buffer.from(data.subarray(0, used[0]!.length)).toString('hex'));
      }
      return seen;
    };
    expect(await look(ours)).toStrictEqual(await look(new QemuGuest(qemu)));
    qemu.end();
  });
});
