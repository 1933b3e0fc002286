import { spawn, spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import { defaultVirtConfig } from '../../engine/boards/virt/config.ts';
import { placePciDevices } from '../../engine/boards/virt/pci-devices.ts';
import { screensOf } from '../../recorder/session/screen.ts';
import { temporary, virtrace } from '../recorder/cli/support.ts';
import { hasLinux, LINUX_IMAGE, LINUX_INITRD, makeGuest, runUntilText } from '../support/machines.ts';
import { project, qemu } from '../support/qemu.ts';

/* Debian's kernel with its graphics driver paints on the screen: what is on it, beside QEMU's screendump. */

const MiB = 2 ** 20;
const APPEND = 'console=ttyAMA0 cryptomgr.notests=1 quiet vt.global_cursor_default=0 stay';
const plain = hasLinux ? gunzipSync(readFileSync(LINUX_INITRD)) : Buffer.alloc(0);
/** Guests that were built before there were graphics have no driver. */
const hasDriver = plain.includes('virtio_gpu.ko');

describe.skipIf(!hasDriver)('Linux with graphics', () => {
  const dir = temporary();
  afterAll(() => dir.remove());
  const root = join(dir.path, 'root');
  mkdirSync(root);
  copyFileSync(`${project}guests/gpu-probe/init`, join(root, 'init'));
  spawnSync('chmod', ['755', join(root, 'init')]);
  const overlay = dir.file('overlay.cpio');
  spawnSync(process.execPath, [`${project}scripts/make-initramfs.mjs`, root, overlay]);
  const initrd = dir.file('initrd.cpio');
  writeFileSync(initrd, Buffer.concat([plain, hasDriver ? readFileSync(overlay) : Buffer.alloc(0)]));

  const probeOf = (text: string): string =>
    text.slice(text.indexOf('PROBE-BEGIN'), text.indexOf('PROBE-END'));

  /** Console text and the picture, red, green and blue of each pixel, of the same guest under QEMU. */
  async function theirs(gic: 2 | 3): Promise<{ text: string; rgb: Uint8Array }> {
    const monitor = dir.file(`monitor${gic}`);
    const child = spawn(
      qemu!,
      [
        ...[
          '-M',
          `virt,gic-version=${gic}`,
          '-cpu',
          'cortex-a57',
          '-m',
          '512',
          '-display',
          'none',
          '-net',
          'none',
        ],
        ...['-serial', 'stdio', '-monitor', `unix:${monitor},server,nowait`, '-icount', 'shift=0,sleep=off'],
        ...['-device', 'virtio-gpu-pci', '-kernel', LINUX_IMAGE, '-initrd', initrd, '-append', APPEND],
      ],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    let text = '';
    await new Promise<void>((resolve) => {
      child.stdout.setEncoding('latin1').on('data', (part) => {
        text += part;
        if (text.includes('PROBE-END')) resolve();
      });
      child.once('exit', () => resolve());
    });
    const file = dir.file('screen.ppm');
    const ended = new Promise((resolve) => child.once('exit', resolve));
    const socket = connect(monitor);
    let answers = '';
    socket.on('error', () => {});
    socket.setEncoding('latin1').on('data', (part) => {
      answers += part;
      // A prompt before, and one after it.
      if (answers.split('(qemu) ').length === 3) socket.write('quit\n');
    });
    socket.write(`screendump ${file}\n`);
    await ended;
    const bytes = readFileSync(file);
    return {
      text: text.replaceAll('\r', ''),
      rgb: new Uint8Array(bytes.subarray(bytes.length - 1280 * 800 * 3)),
    };
  }

  it.skipIf(qemu === undefined).each([2, 3] as const)('shows what QEMU does, with GICv%i', async (gic) => {
    const base = defaultVirtConfig();
    const guest = makeGuest({
      guest: 'linux',
      with: {
        config: {
          ...base,
          cpu: { ...base.cpu, model: 'cortex-a57' },
          gicVersion: gic,
          ram: { size: 512 * MiB, maxSize: 512 * MiB, slots: 0 },
          pciDevices: placePciDevices([{ type: 'virtio-gpu-pci', id: 'gpu', properties: { edid: true } }]),
        },
        images: {
          kernel: { name: 'Image', bytes: readFileSync(LINUX_IMAGE) },
          initrd: { name: 'initrd', bytes: readFileSync(initrd) },
          commandLine: APPEND,
        },
      },
    });
    runUntilText(guest, 'PROBE-END');
    const screen = screensOf(guest.machine).get('gpu')!;
    expect([screen.width, screen.height]).toEqual([1280, 800]);
    const reference = await theirs(gic);
    expect(probeOf(guest.console())).toBe(probeOf(reference.text));
    const rgb = Uint8Array.from(
      { length: 1280 * 800 * 3 },
      (_, i) => screen.rgba[Math.floor(i / 3) * 4 + (i % 3)]!,
    );
    expect(new Set(rgb).size).toBeGreaterThan(200);
    expect(Buffer.compare(rgb, reference.rgb)).toBe(0);
    expect(guest.errors).toEqual([]);
  });

  it('is recorded, replayed, and looked at as of a position', async () => {
    const trace = dir.file('gpu.vtrace');
    const recorded = await virtrace([
      ...['record', '-o', trace, '-M', 'virt,gic-version=3', '-cpu', 'cortex-a57', '-m', '512', '-nographic'],
      ...['-kernel', LINUX_IMAGE, '-initrd', initrd, '-append', APPEND.replace(' stay', '')],
      // The driver needs a modern device.
      ...['-device', 'virtio-gpu-device', '-global', 'virtio-mmio.force-legacy=off'],
    ]);
    expect(recorded.err).toContain('the guest powered off');
    const replayed = await virtrace(['replay', trace, '--verify', '--json']);
    expect(JSON.parse(replayed.out)).toMatchObject({ result: 'ok', verified: true });
    const flushes = await virtrace([
      'events',
      trace,
      ...['--kind', 'note', '--what', 'flush'],
      '--backward',
      '--limit',
      '1',
      '--json',
    ]);
    const at = JSON.parse(flushes.out).position + 1;
    const picture = dir.file('x.png');
    const shot = await virtrace(['screenshot', trace, '--at', String(at), '-o', picture, '--json']);
    expect(JSON.parse(shot.out)).toMatchObject({
      device: 'virtio-gpu0',
      position: at,
      width: 1280,
      height: 800,
    });
    expect(readFileSync(picture).subarray(1, 4).toString()).toBe('PNG');
  });
});
