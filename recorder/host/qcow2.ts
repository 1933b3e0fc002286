/**
 * Disk images in the format qcow2, versions 2 and 3, for reading (QEMU's docs/interop/qcow2 describes it). The image is
 * seen as the disk it stands for, backing files included. Nothing in it is believed before it is checked.
 */
import { dirname, resolve } from 'node:path';
import { inflateRawSync } from 'node:zlib';
import { OptionError } from '../../engine/boards/option-error.ts';
import type { ImageSource } from '../../traces/index.ts';
import { type FileSource, openImage, sameFile } from './files.ts';

const MAGIC = 0x514649fb;
const HEADER_V2 = 72;
const HEADER_V3 = 104;
const INCOMPATIBLE = {
  DIRTY: 1n,
  CORRUPT: 2n,
  EXTERNAL_DATA: 4n,
  COMPRESSION: 8n,
  EXTENDED_L2: 16n,
} as const;
const EXTENSION_END = 0;
const EXTENSION_BACKING_FORMAT = 0xe2792aca;
const COMPRESSION_DEFLATE = 0;
/** Bits 9 to 55 of an entry: where a cluster is. */
const OFFSET_MASK = 0x00ff_ffff_ffff_fe00n;
const COMPRESSED = 1n << 62n;
const READS_ZERO = 1n;
/** QEMU's limits. */
const CLUSTER_BITS = { least: 9, most: 21 } as const;
const L1_BYTES_MAX = 32 * 1024 * 1024;
const BACKING_NAME_MAX = 1023;
const CHAIN_MAX = 16;
/** Tables and unpacked clusters that are kept. */
const TABLES_KEPT = 64;
const CLUSTERS_KEPT = 16;

interface Header {
  readonly version: number;
  readonly size: number;
  readonly clusterBits: number;
  readonly l1Entries: number;
  readonly l1Offset: number;
  readonly backing: string | undefined;
  readonly backingFormat: string | undefined;
}

interface Backing {
  readonly path: string;
  readonly source: FileSource;
}

export function isQcow2(start: Uint8Array): boolean {
  return start.length >= 4 && new DataView(start.buffer, start.byteOffset).getUint32(0) === MAGIC;
}

/** Opens an image with everything behind it. @throws OptionError */
export function openQcow2(option: string, path: string, chain: readonly string[] = []): FileSource {
  const file = openImage(option, path);
  try {
    const header = readHeader(`${option} ${path}`, file);
    const backing = openBacking(option, path, header, [...chain, path]);
    try {
      return new Qcow2(`${option} ${path}`, file, header, backing);
    } catch (error) {
      backing?.source.close();
      throw error;
    }
  } catch (error) {
    file.close();
    throw error;
  }
}

function openBacking(
  option: string,
  path: string,
  { backing, backingFormat }: Header,
  chain: readonly string[],
): Backing | undefined {
  if (backing === undefined) return undefined;
  const refuse = (why: string): never => {
    throw new OptionError(`${option} ${path}: its backing file '${backing}' ${why}`);
  };
  if (/^[a-z][a-z0-9+]*:/i.test(backing) && !backing.startsWith('file:')) refuse('is no plain file');
  const where = resolve(dirname(path), backing.replace(/^file:/, ''));
  if (chain.some((other) => sameFile(other, where))) refuse('is one of those in front of it');
  if (chain.length >= CHAIN_MAX) refuse(`is the ${CHAIN_MAX + 1}th in a row; that is too many`);
  if (backingFormat !== undefined && backingFormat !== 'raw' && backingFormat !== 'qcow2') {
    refuse(`has the format ${backingFormat}; virtrace has raw and qcow2`);
  }
  const source = openImage(option, where);
  if (backingFormat === 'raw') return { path: where, source };
  const looksSo = isQcow2(source.read(0, Math.min(4, source.size)));
  if (backingFormat === undefined && !looksSo) return { path: where, source };
  source.close();
  return { path: where, source: openQcow2(option, where, chain) };
}

function readHeader(name: string, file: ImageSource): Header {
  const refuse = (why: string): never => {
    throw new OptionError(`${name}: ${why}`);
  };
  if (file.size < HEADER_V2) refuse('too short for a qcow2 image');
  const start = file.read(0, Math.min(HEADER_V3 + 8, file.size));
  const view = new DataView(start.buffer, start.byteOffset, start.length);
  const u64 = (offset: number): bigint => view.getBigUint64(offset);
  if (!isQcow2(start)) refuse('no qcow2 image');
  const version = view.getUint32(4);
  if (version !== 2 && version !== 3) refuse(`qcow2 version ${version}; virtrace has 2 and 3`);
  if (version === 3 && start.length < HEADER_V3) refuse('the header is cut off');
  if (view.getUint32(32) !== 0) refuse('an encrypted image; virtrace has no key for it');
  let headerBytes = HEADER_V2;
  if (version === 3) {
    headerBytes = view.getUint32(100);
    if (headerBytes < HEADER_V3 || headerBytes % 8 !== 0 || headerBytes > file.size)
      refuse('the header is damaged');
    checkFeatures(refuse, u64(72), headerBytes > HEADER_V3 ? start[HEADER_V3]! : COMPRESSION_DEFLATE);
  }
  const clusterBits = view.getUint32(20);
  if (clusterBits < CLUSTER_BITS.least || clusterBits > CLUSTER_BITS.most) {
    refuse(`clusters of 2^${clusterBits} bytes; allowed are 2^9 to 2^21`);
  }
  const size = Number(u64(24));
  const l1Entries = view.getUint32(36);
  const l1Offset = Number(u64(40));
  const perTable = 2 ** (2 * clusterBits - 3);
  if (!Number.isSafeInteger(size) || Math.ceil(size / perTable) > l1Entries)
    refuse('its tables are too small');
  if (l1Entries * 8 > L1_BYTES_MAX) refuse('its tables are too large');
  if (l1Offset % 2 ** clusterBits !== 0 || l1Offset + l1Entries * 8 > file.size)
    refuse('its table is outside the file');
  const nameOffset = Number(u64(8));
  const nameBytes = view.getUint32(16);
  let backing: string | undefined;
  if (nameOffset !== 0) {
    if (nameBytes === 0 || nameBytes > BACKING_NAME_MAX || nameOffset + nameBytes > file.size) {
      refuse('the name of its backing file is damaged');
    }
    backing = Buffer.from(file.read(nameOffset, nameBytes)).toString('utf8');
  }
  const backingFormat = findBackingFormat(file, headerBytes, nameOffset || 2 ** clusterBits);
  return { version, size, clusterBits, l1Entries, l1Offset, backing, backingFormat };
}

function checkFeatures(refuse: (why: string) => never, features: bigint, compression: number): void {
  const has = (bit: bigint): boolean => (features & bit) !== 0n;
  if (has(INCOMPATIBLE.CORRUPT)) refuse('marked as corrupt; qemu-img check -r all may mend it');
  if (has(INCOMPATIBLE.EXTERNAL_DATA)) refuse('its data is in another file, which virtrace does not read');
  if (has(INCOMPATIBLE.EXTENDED_L2)) refuse('has subclusters; convert it with qemu-img convert -O qcow2');
  if (has(INCOMPATIBLE.COMPRESSION) && compression !== COMPRESSION_DEFLATE) {
    refuse('compressed with zstd; convert it with qemu-img convert -O qcow2');
  }
  const known = Object.values(INCOMPATIBLE).reduce((all, bit) => all | bit, 0n);
  if ((features & ~known) !== 0n)
    refuse(`features 0x${(features & ~known).toString(16)} that virtrace does not know`);
}

/** Behind the header come extensions: type, length, data up to a multiple of 8. */
function findBackingFormat(file: ImageSource, from: number, end: number): string | undefined {
  const last = Math.min(end, file.size);
  for (let at = from; at + 8 <= last; ) {
    const head = file.read(at, 8);
    const view = new DataView(head.buffer, head.byteOffset, 8);
    const type = view.getUint32(0);
    const length = view.getUint32(4);
    if (type === EXTENSION_END || at + 8 + length > last) return undefined;
    if (type === EXTENSION_BACKING_FORMAT && length <= 64) {
      return Buffer.from(file.read(at + 8, length)).toString('utf8');
    }
    at += 8 + Math.ceil(length / 8) * 8;
  }
  return undefined;
}

/** Keeps the values that were used last. */
class Kept<T> {
  readonly #values = new Map<number, T>();
  readonly #most: number;

  constructor(most: number) {
    this.#most = most;
  }

  get(key: number, make: () => T): T {
    const known = this.#values.get(key);
    if (known !== undefined) {
      this.#values.delete(key);
      this.#values.set(key, known);
      return known;
    }
    const made = make();
    this.#values.set(key, made);
    if (this.#values.size > this.#most) this.#values.delete(this.#values.keys().next().value!);
    return made;
  }
}

class Qcow2 implements FileSource {
  readonly size: number;
  readonly backingFiles: readonly string[];
  readonly #name: string;
  readonly #file: FileSource;
  readonly #backing: FileSource | undefined;
  readonly #header: Header;
  readonly #clusterBytes: number;
  readonly #l1: DataView;
  readonly #tables = new Kept<DataView>(TABLES_KEPT);
  readonly #unpacked = new Kept<Uint8Array>(CLUSTERS_KEPT);

  constructor(name: string, file: FileSource, header: Header, backing: Backing | undefined) {
    this.#name = name;
    this.#file = file;
    this.#header = header;
    this.#backing = backing?.source;
    this.backingFiles = backing === undefined ? [] : [backing.path, ...(backing.source.backingFiles ?? [])];
    this.size = header.size;
    this.#clusterBytes = 2 ** header.clusterBits;
    const l1 = file.read(header.l1Offset, header.l1Entries * 8);
    this.#l1 = new DataView(l1.buffer, l1.byteOffset, l1.length);
    // Tables in wrong places are found now, and not when the guest runs.
    for (let i = 0; i < header.l1Entries; i++) this.#tableOffset(i);
  }

  unchanged(): boolean {
    return this.#file.unchanged() && this.#backing?.unchanged() !== false;
  }

  close(): void {
    this.#file.close();
    this.#backing?.close();
  }

  read(offset: number, length: number): Uint8Array {
    const out = new Uint8Array(length);
    for (let done = 0; done < length; ) {
      const at = offset + done;
      const inside = at % this.#clusterBytes;
      const count = Math.min(this.#clusterBytes - inside, length - done);
      this.#readCluster((at - inside) / this.#clusterBytes, inside, out.subarray(done, done + count));
      done += count;
    }
    return out;
  }

  #damaged(what: string): never {
    throw new OptionError(`${this.#name}: damaged: ${what}`);
  }

  /** Where a table of the second level is; 0: there is none. */
  #tableOffset(index: number): number {
    const offset = Number(this.#l1.getBigUint64(index * 8) & OFFSET_MASK);
    if (
      offset % this.#clusterBytes !== 0 ||
      (offset !== 0 && offset + this.#clusterBytes > this.#file.size)
    ) {
      this.#damaged(`table ${index} is not where a table can be`);
    }
    return offset;
  }

  #readCluster(cluster: number, inside: number, into: Uint8Array): void {
    const perTable = this.#clusterBytes / 8;
    const index = Math.floor(cluster / perTable);
    const table = this.#tableOffset(index);
    const entry = table === 0 ? 0n : this.#table(table).getBigUint64((cluster % perTable) * 8);
    if ((entry & COMPRESSED) !== 0n) {
      const unpacked = this.#unpacked.get(cluster, () => this.#unpack(entry));
      into.set(unpacked.subarray(inside, inside + into.length));
      return;
    }
    // In version 2 the bit is reserved, and zero.
    if ((entry & READS_ZERO) !== 0n) return;
    const offset = Number(entry & OFFSET_MASK);
    if (offset === 0) {
      this.#readBacking(cluster * this.#clusterBytes + inside, into);
    } else {
      if (offset % this.#clusterBytes !== 0) this.#damaged(`cluster ${cluster} is at byte ${offset}`);
      this.#readFile(offset + inside, into);
    }
  }

  #table(offset: number): DataView {
    return this.#tables.get(offset, () => {
      const bytes = this.#file.read(offset, this.#clusterBytes);
      return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    });
  }

  /** Beyond the end of the file are zeros, where its last cluster is not whole. */
  #readFile(offset: number, into: Uint8Array): void {
    const count = Math.max(0, Math.min(into.length, this.#file.size - offset));
    if (count > 0) into.set(this.#file.read(offset, count));
  }

  #readBacking(offset: number, into: Uint8Array): void {
    const backing = this.#backing;
    const count = backing === undefined ? 0 : Math.max(0, Math.min(into.length, backing.size - offset));
    if (count > 0) into.set(backing!.read(offset, count));
  }

  #unpack(entry: bigint): Uint8Array {
    const bits = BigInt(62 - (this.#header.clusterBits - 8));
    const offset = Number(entry & ((1n << bits) - 1n));
    const sectors = Number((entry & (COMPRESSED - 1n)) >> bits) + 1;
    const length = Math.min(sectors * 512 - (offset % 512), this.#file.size - offset);
    if (length <= 0) this.#damaged(`a compressed cluster at byte ${offset}, which is outside the file`);
    const out = new Uint8Array(this.#clusterBytes);
    try {
      // What follows the stream in its last sector belongs to others.
      const bytes = inflateRawSync(this.#file.read(offset, length), { maxOutputLength: this.#clusterBytes });
      if (bytes.length !== out.length) throw new RangeError('too short');
      out.set(bytes);
    } catch {
      this.#damaged(`the compressed cluster at byte ${offset}`);
    }
    return out;
  }
}
