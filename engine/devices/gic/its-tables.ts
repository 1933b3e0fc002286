import type { DmaPort } from '../../base/device.ts';
import { ITE_BYTES } from './its-registers.ts';

/*
 * The ITS's tables in guest memory. Their format is the implementation's own business (Arm IHI 0069, 5.2);
 * this is QEMU's, so that a dump of a guest's memory reads alike in both.
 */

/** Failed: no memory where the table should be. Absent: the first level has no page for it. Invalid: nothing there. */
export type Lookup<T> = T | 'failed' | 'absent' | 'invalid';
export type Written = 'done' | 'failed' | 'absent';

export interface DeviceEntry {
  /** EventID bits - 1. */
  readonly size: number;
  readonly ittAddress: number;
}

export interface InterruptEntry {
  readonly intid: number;
  readonly collection: number;
}

/** GITS_BASER taken apart. */
export interface TableSetup {
  readonly base: number;
  readonly entries: number;
  readonly entryBytes: number;
  readonly pageBytes: number;
  readonly twoLevels: boolean;
}

const PAGE_BYTES = [0x1000, 0x4000, 0x10000, 0x10000] as const;
const LEVEL1_BYTES = 8;
const TABLE_ENTRY_BYTES = 8;

/** Reads what GITS_BASER says; undefined if it is not valid. */
export function tableSetup(low: number, high: number, idBits: number): TableSetup | undefined {
  if ((high & 0x8000_0000) === 0) return undefined;
  const twoLevels = (high & 0x4000_0000) !== 0;
  const pageBytes = PAGE_BYTES[(low >>> 8) & 3]!;
  const pages = (low & 0xff) + 1;
  const entryBytes = TABLE_ENTRY_BYTES;
  let base: number;
  if (pageBytes === 0x10000) {
    // 64 KiB pages: bits 15:12 hold address bits 51:48.
    base = ((low >>> 12) & 0xf) * 2 ** 48 + (high & 0xffff) * 2 ** 32 + ((low & 0xffff_0000) >>> 0);
  } else {
    base = (high & 0xffff) * 2 ** 32 + ((low & 0xffff_f000) >>> 0);
  }
  const perPage = pageBytes / entryBytes;
  const all = twoLevels ? ((pages * pageBytes) / LEVEL1_BYTES) * perPage : pages * perPage;
  return { base, entries: Math.min(all, 2 ** idBits), entryBytes, pageBytes, twoLevels };
}

export class ItsTables {
  readonly #memory: DmaPort;
  readonly #bytes = new Uint8Array(8);
  readonly #view = new DataView(this.#bytes.buffer);

  constructor(memory: DmaPort) {
    this.#memory = memory;
  }

  readDevice(table: TableSetup, index: number): Lookup<DeviceEntry> {
    const address = this.#addressOf(table, index);
    if (typeof address === 'string') return address;
    if (!this.#memory.read(address, this.#bytes)) return 'failed';
    const low = this.#view.getUint32(0, true);
    if ((low & 1) === 0) return 'invalid';
    // Bits 49:6 hold address bits 51:8.
    const high = this.#view.getUint32(4, true) & 0x3_ffff;
    const ittAddress = (high * 2 ** 26 + (low >>> 6)) * 256;
    return { size: (low >>> 1) & 0x1f, ittAddress };
  }

  writeDevice(table: TableSetup, index: number, entry: DeviceEntry | undefined): Written {
    const address = this.#addressOf(table, index);
    if (typeof address === 'string') return address;
    const itt = entry === undefined ? 0 : entry.ittAddress / 256;
    const low = entry === undefined ? 0 : 1 | (entry.size << 1) | ((itt % 2 ** 26) * 64);
    this.#view.setUint32(0, low >>> 0, true);
    this.#view.setUint32(4, Math.floor(itt / 2 ** 26), true);
    return this.#memory.write(address, this.#bytes) ? 'done' : 'failed';
  }

  /** Number of the CPU a collection goes to. */
  readCollection(table: TableSetup, index: number): Lookup<number> {
    const address = this.#addressOf(table, index);
    if (typeof address === 'string') return address;
    if (!this.#memory.read(address, this.#bytes)) return 'failed';
    const low = this.#view.getUint32(0, true);
    return (low & 1) === 0 ? 'invalid' : (low >>> 1) & 0xffff;
  }

  writeCollection(table: TableSetup, index: number, cpu: number | undefined): Written {
    const address = this.#addressOf(table, index);
    if (typeof address === 'string') return address;
    this.#view.setUint32(0, cpu === undefined ? 0 : 1 | (cpu << 1), true);
    this.#view.setUint32(4, 0, true);
    return this.#memory.write(address, this.#bytes) ? 'done' : 'failed';
  }

  /** `event` is one the device has. An entry for a virtual interrupt counts as none. */
  readInterrupt(device: DeviceEntry, event: number): InterruptEntry | 'failed' | 'invalid' {
    const address = device.ittAddress + event * ITE_BYTES;
    if (!this.#memory.read(address, this.#bytes)) return 'failed';
    const low = this.#view.getUint32(0, true);
    if ((low & 3) !== 3) return 'invalid';
    return { intid: (low >>> 2) & 0xff_ffff, collection: this.#view.getUint16(4, true) };
  }

  writeInterrupt(device: DeviceEntry, event: number, entry: InterruptEntry | undefined): boolean {
    const bytes = new Uint8Array(ITE_BYTES);
    if (entry !== undefined) {
      const view = new DataView(bytes.buffer);
      view.setUint32(0, (3 | (entry.intid << 2)) >>> 0, true);
      view.setUint16(4, entry.collection, true);
      // No doorbell: the INTID that means none.
      view.setUint32(8, 1023, true);
    }
    return this.#memory.write(device.ittAddress + event * ITE_BYTES, bytes);
  }

  /** Address of an entry; the caller has checked the index. */
  #addressOf(table: TableSetup, index: number): number | 'failed' | 'absent' {
    if (!table.twoLevels) return table.base + index * table.entryBytes;
    const perPage = table.pageBytes / table.entryBytes;
    const level1 = table.base + Math.floor(index / perPage) * LEVEL1_BYTES;
    if (!this.#memory.read(level1, this.#bytes)) return 'failed';
    const high = this.#view.getUint32(4, true);
    if ((high & 0x8000_0000) === 0) return 'absent';
    const page = (high & 0x7_ffff) * 2 ** 32 + this.#view.getUint32(0, true);
    return page + (index % perPage) * table.entryBytes;
  }
}
