/**
 * Kernel files for `-kernel` that are not ELF: the arm64 Image, plain, gzipped or in an EFI zboot wrapper
 * (Linux Documentation/arch/arm64/booting.rst; drivers/firmware/efi/libstub/zboot-header.S).
 */
import { gunzip, InflateError, isGzip } from '../base/inflate.ts';
import { OptionError } from './option-error.ts';

/** What an arm64 Image says of itself. */
export interface Arm64Header {
  /** Bytes from a 2 MiB boundary. */
  readonly textOffset: number;
  /** Bytes the kernel needs from its start on, BSS included. */
  readonly imageSize: number;
}

/** Most bytes a compressed kernel may have when it is unpacked; QEMU's limit. */
export const MAX_UNPACKED = 256 * 1024 * 1024;

const MAGIC_OFFSET = 56;
/** "ARM\x64" */
const MAGIC = 0x644d_5241;

/**
 * The header of an arm64 Image, or undefined for anything else and for kernels before 3.17, which leave
 * image_size zero and have no text_offset to rely on.
 */
export function readArm64Header(image: Uint8Array): Arm64Header | undefined {
  if (image.length <= MAGIC_OFFSET + 4) return undefined;
  const view = new DataView(image.buffer, image.byteOffset, image.byteLength);
  if (view.getUint32(MAGIC_OFFSET, true) !== MAGIC) return undefined;
  const imageSize = Number(view.getBigUint64(16, true));
  // A size or offset beyond 2^53 is inexact here, and refused later because it leaves RAM.
  return imageSize === 0 ? undefined : { textOffset: Number(view.getBigUint64(8, true)), imageSize };
}

/**
 * The kernel as it goes into memory: unpacked if it is compressed, otherwise as it is.
 * @param what how to name the file in messages
 * @throws OptionError
 */
export function unpackKernel(file: Uint8Array, what: string): Uint8Array {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  if (file.length >= 4 && view.getUint32(0) === UIMAGE_MAGIC) {
    throw new OptionError(`${what}: a U-Boot image; give the kernel Image that was packed into it`);
  }
  const zboot = readZboot(file, view, what);
  if (zboot === undefined && !isGzip(file)) return littleEndian(file, what);
  try {
    return littleEndian(gunzip(zboot ?? file, MAX_UNPACKED), what);
  } catch (error) {
    if (error instanceof InflateError)
      throw new OptionError(`${what}: the gzip data is damaged: ${error.message}`);
    throw error;
  }
}

/** The file, unless it is an arm64 Image whose flags (at 24) say that its kernel is big-endian. */
function littleEndian(file: Uint8Array, what: string): Uint8Array {
  if (readArm64Header(file) !== undefined && (file[24]! & 1) !== 0)
    throw new OptionError(`${what}: a big-endian kernel; virtrace has little-endian data only`);
  return file;
}

/** The compressed payload of an EFI zboot image, or undefined for another file. */
function readZboot(file: Uint8Array, view: DataView, what: string): Uint8Array | undefined {
  // "MZ", then "zimg" at 4, payload offset and size, compression name at 24.
  if (file.length < 56 || view.getUint16(0) !== 0x4d5a || view.getUint32(4) !== 0x7a69_6d67) return undefined;
  const offset = view.getUint32(8, true);
  const size = view.getUint32(12, true);
  let compression = '';
  for (let at = 24; at < 56 && file[at] !== 0; at++) compression += String.fromCharCode(file[at]!);
  if (compression !== 'gzip') {
    throw new OptionError(
      `${what}: an EFI zboot image compressed with '${compression}'; only gzip can be unpacked`,
    );
  }
  if (offset + size > file.length) throw new OptionError(`${what}: the EFI zboot image is cut off`);
  return file.subarray(offset, offset + size);
}

const UIMAGE_MAGIC = 0x2705_1956;
const UIMAGE_HEADER = 64;
const IH_TYPE_RAMDISK = 3;

/**
 * A RAM disk without the U-Boot header it may have.
 * @throws OptionError when the header is of something else or promises more than there is
 */
export function stripRamdiskHeader(file: Uint8Array, what: string): Uint8Array {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  if (file.length < UIMAGE_HEADER || view.getUint32(0) !== UIMAGE_MAGIC) return file;
  if (file[30] !== IH_TYPE_RAMDISK) throw new OptionError(`${what}: a U-Boot image that holds no RAM disk`);
  const size = view.getUint32(12);
  if (UIMAGE_HEADER + size > file.length) throw new OptionError(`${what}: the U-Boot image is cut off`);
  return file.subarray(UIMAGE_HEADER, UIMAGE_HEADER + size);
}
