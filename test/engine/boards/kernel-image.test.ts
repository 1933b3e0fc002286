import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { readArm64Header, stripRamdiskHeader, unpackKernel } from '../../../engine/boards/kernel-image.ts';
import { buildArm64Image } from './elf-builder.ts';

/** A U-Boot header (64 bytes, big-endian) in front of some bytes. */
function uImage(type: number, payload: Uint8Array, size = payload.length): Uint8Array {
  const file = new Uint8Array(64 + payload.length);
  const view = new DataView(file.buffer);
  view.setUint32(0, 0x2705_1956);
  view.setUint32(12, size);
  file[30] = type;
  file.set(payload, 64);
  return file;
}

function zboot(compression: string, payload: Uint8Array): Uint8Array {
  const file = new Uint8Array(64 + payload.length);
  const view = new DataView(file.buffer);
  file.set(new TextEncoder().encode('MZ\0\0zimg'));
  view.setUint32(8, 64, true);
  view.setUint32(12, payload.length, true);
  file.set(new TextEncoder().encode(compression), 24);
  file.set(payload, 64);
  return file;
}

const image = buildArm64Image(0x8_0000, 0x20_0000, 5000);

describe('readArm64Header', () => {
  it('reads offset and size', () => {
    expect(readArm64Header(image)).toEqual({ textOffset: 0x8_0000, imageSize: 0x20_0000 });
  });
  it('knows no header without magic, size or enough bytes', () => {
    expect(readArm64Header(new Uint8Array(5000))).toBeUndefined();
    expect(readArm64Header(buildArm64Image(0x8_0000, 0, 5000))).toBeUndefined();
    expect(readArm64Header(image.subarray(0, 60))).toBeUndefined();
  });
});

describe('unpackKernel', () => {
  it('leaves what is not compressed, undoes gzip and zboot', () => {
    expect(unpackKernel(image, 'x')).toBe(image);
    expect(unpackKernel(gzipSync(image), 'x')).toEqual(image);
    expect(unpackKernel(zboot('gzip', gzipSync(image)), 'x')).toEqual(image);
  });
  it.each<[string, Uint8Array, string]>([
    [
      'cut gzip',
      gzipSync(image).subarray(0, 30),
      '-kernel k: the gzip data is damaged: compressed data ends too early',
    ],
    [
      'zstd in zboot',
      zboot('zstd', image),
      "-kernel k: an EFI zboot image compressed with 'zstd'; only gzip can be unpacked",
    ],
    [
      'cut zboot',
      zboot('gzip', gzipSync(image)).subarray(0, 80),
      '-kernel k: the EFI zboot image is cut off',
    ],
    ['uImage', uImage(2, image), '-kernel k: a U-Boot image; give the kernel Image that was packed into it'],
  ])('refuses %s', (_, file, message) => {
    expect(() => unpackKernel(file, '-kernel k')).toThrow(message);
  });
});

describe('stripRamdiskHeader', () => {
  const payload = Uint8Array.of(1, 2, 3);
  it('takes off a U-Boot header, and nothing else', () => {
    expect(stripRamdiskHeader(uImage(3, payload), 'x')).toEqual(payload);
    expect(stripRamdiskHeader(payload, 'x')).toBe(payload);
  });
  it('refuses a kernel and a cut file', () => {
    expect(() => stripRamdiskHeader(uImage(2, payload), '-initrd r')).toThrow(
      '-initrd r: a U-Boot image that holds no RAM disk',
    );
    expect(() => stripRamdiskHeader(uImage(3, payload, 4), '-initrd r')).toThrow(
      '-initrd r: the U-Boot image is cut off',
    );
  });
});
