/** Builds ELF files for loader tests, by the tables of the System V ABI. */
export interface SegmentSpec {
  readonly physical: number;
  readonly virtual?: number;
  readonly bytes: Uint8Array;
  readonly size?: number;
  /** PF_X 1, PF_W 2, PF_R 4. */
  readonly flags?: number;
  readonly type?: number;
}

export interface ElfSpec {
  readonly entry: number;
  readonly segments: readonly SegmentSpec[];
  readonly machine?: number;
  readonly elfClass?: number;
  readonly data?: number;
}

export function buildElf({ entry, segments, machine = 183, elfClass = 2, data = 1 }: ElfSpec): Uint8Array {
  const dataAt = 64 + segments.length * 56;
  const total = dataAt + segments.reduce((sum, { bytes }) => sum + bytes.length, 0);
  const file = new Uint8Array(total);
  const view = new DataView(file.buffer);
  file.set([0x7f, 0x45, 0x4c, 0x46, elfClass, data, 1]);
  view.setUint16(16, 2, true);
  view.setUint16(18, machine, data === 1);
  view.setUint32(20, 1, true);
  view.setBigUint64(24, BigInt(entry), true);
  view.setBigUint64(32, 64n, true);
  view.setUint16(52, 64, true);
  view.setUint16(54, 56, true);
  view.setUint16(56, segments.length, true);
  let offset = dataAt;
  segments.forEach(({ physical, virtual, bytes, size, flags, type }, index) => {
    const at = 64 + index * 56;
    view.setUint32(at, type ?? 1, true);
    view.setUint32(at + 4, flags ?? 7, true);
    view.setBigUint64(at + 8, BigInt(offset), true);
    view.setBigUint64(at + 16, BigInt(virtual ?? physical), true);
    view.setBigUint64(at + 24, BigInt(physical), true);
    view.setBigUint64(at + 32, BigInt(bytes.length), true);
    view.setBigUint64(at + 40, BigInt(size ?? bytes.length), true);
    view.setBigUint64(at + 48, 1n, true);
    file.set(bytes, offset);
    offset += bytes.length;
  });
  return file;
}

/** An arm64 Image: 64 bytes of header, then zeros up to `fileSize`. */
export function buildArm64Image(textOffset: number, imageSize: number, fileSize: number): Uint8Array {
  const image = new Uint8Array(fileSize);
  const view = new DataView(image.buffer);
  view.setBigUint64(8, BigInt(textOffset), true);
  view.setBigUint64(16, BigInt(imageSize), true);
  view.setUint32(56, 0x644d_5241, true);
  return image;
}
