import type { AccessSource, Device, DevicePorts, DeviceState, DmaPort } from '../base/device.ts';
import type { RegisterMap } from '../base/register-map.ts';
import type { AccessSize } from '../base/units.ts';

/*
 * Firmware configuration, memory-mapped with DMA: numbered items of bytes, and named files with a directory.
 * Specification: QEMU, docs/specs/fw_cfg. All registers are big endian; item bytes come in string order.
 */

export const fwCfgRegisters: RegisterMap = {
  device: 'fw_cfg',
  reference: 'QEMU docs/specs/fw_cfg',
  registers: [
    {
      name: 'FW_CFG_DATA',
      offset: 0x00,
      width: 8,
      access: 'RW',
      meaning: 'the next bytes of the selected item; writes are ignored',
    },
    {
      name: 'FW_CFG_SELECTOR',
      offset: 0x08,
      width: 2,
      access: 'WO',
      meaning: 'selects an item (big endian)',
    },
    {
      name: 'FW_CFG_DMA',
      offset: 0x10,
      width: 8,
      access: 'RW',
      // "QEMU CFG" as the little-endian bus shows it.
      reset: 0x4746_4320_554d_4551n,
      meaning: 'address of the DMA descriptor (big endian); reads as a signature',
    },
  ],
};

export const FW_CFG_SIGNATURE = 0x0000;
export const FW_CFG_ID = 0x0001;
export const FW_CFG_FILE_DIR = 0x0019;
export const FW_CFG_FILE_FIRST = 0x0020;

const ARCH_LOCAL = 0x8000;
const INDEX = 0x3fff;
/** Bytes of a directory entry: size, selector, reserved, name with its final NUL. */
const ENTRY_SIZE = 64;
const NAME_SIZE = 56;

const DMA_ERROR = 1 << 0;
const DMA_READ = 1 << 1;
const DMA_SKIP = 1 << 2;
const DMA_SELECT = 1 << 3;
const DMA_WRITE = 1 << 4;
const DMA_CHUNK = 0x1000;

const signature = Uint8Array.from('QEMU CFG', (letter) => letter.charCodeAt(0));

export interface FwCfgPorts extends DevicePorts {
  readonly dma: DmaPort;
}

export interface FwCfgItem {
  /** Key without the write bit (14); with bit 15 for an architecture's own item. */
  readonly selector: number;
  readonly data: Uint8Array;
  /** The guest may write it, by DMA. */
  readonly writable?: boolean;
}

export interface FwCfgFile {
  /** ASCII, at most 55 characters, e.g. `etc/acpi/tables`. */
  readonly name: string;
  readonly data: Uint8Array;
  readonly writable?: boolean;
}

export interface FwCfgOptions {
  /** Items below 0x20 or architecture-local. Signature and directory come by themselves. */
  readonly items?: readonly FwCfgItem[];
  /** In any order: they are sorted by name and numbered from 0x20. */
  readonly files?: readonly FwCfgFile[];
  /** Room in the directory: 0x20 as from virt-2.9 (default), 0x10 before. */
  readonly slots?: number;
}

interface Item {
  readonly data: Uint8Array;
  readonly writable: boolean;
}

interface State {
  /** Selected key; −1 after the choice of one beyond the last slot. */
  selected: number;
  offset: number;
  /** Upper half of a DMA address waiting for its lower one. */
  dmaHigh: number;
}

const powerOn = (): State => ({ selected: FW_CFG_SIGNATURE, offset: 0, dmaHigh: 0 });

export class FwCfg implements Device {
  readonly id: string;
  readonly registers = fwCfgRegisters;
  readonly #ports: FwCfgPorts;
  readonly #items = new Map<number, Item>();
  readonly #slots: number;
  #state = powerOn();

  /** Throws if there are too many files, a name is too long or there twice, or a selector is taken. */
  constructor(ports: FwCfgPorts, options: FwCfgOptions = {}) {
    this.id = ports.id;
    this.#ports = ports;
    this.#slots = options.slots ?? 0x20;
    this.#add({ selector: FW_CFG_SIGNATURE, data: signature.slice(0, 4) });
    for (const item of options.items ?? []) this.#add(item);
    const files = sortedFiles(options.files ?? [], this.#slots);
    this.#add({ selector: FW_CFG_FILE_DIR, data: directory(files, this.#slots) });
    files.forEach((file, index) => {
      this.#add({ ...file, selector: FW_CFG_FILE_FIRST + index });
    });
  }

  /** The present contents of an item (not a copy), or undefined. */
  contents(selector: number): Uint8Array | undefined {
    return this.#items.get(selector)?.data;
  }

  accepts(offset: number, size: AccessSize, isWrite: boolean): boolean {
    if (offset < 0x08) return offset === 0x00;
    if (offset < 0x10) return offset === 0x08 && size === 2 && isWrite;
    if (!isWrite) return offset + size <= 0x18;
    return size === 8 ? offset === 0x10 : size === 4 && (offset === 0x10 || offset === 0x14);
  }

  read(offset: number, size: 1 | 2 | 4, _source: AccessSource): number {
    let value = 0;
    for (let i = 0; i < size; i++) value += this.#readByte(offset + i) * 2 ** (8 * i);
    return value;
  }

  read64(offset: number, _source: AccessSource): bigint {
    let value = 0n;
    for (let i = 0; i < 8; i++) value |= BigInt(this.#readByte(offset + i)) << BigInt(8 * i);
    return value;
  }

  write(offset: number, size: 1 | 2 | 4, value: number, _source: AccessSource): void {
    if (offset === 0x08 && size === 2) this.#select(((value & 0xff) << 8) | ((value >> 8) & 0xff));
    else if (offset === 0x10 && size === 4) this.#state.dmaHigh = swap32(value);
    else if (offset === 0x14 && size === 4) this.#startDma(this.#state.dmaHigh, swap32(value));
    // FW_CFG_DATA: the old way of writing items is gone.
  }

  write64(offset: number, value: bigint, _source: AccessSource): void {
    if (offset !== 0x10) return;
    this.#startDma(swap32(Number(value & 0xffffffffn)), swap32(Number(value >> 32n)));
  }

  reset(): void {
    this.#state = powerOn();
  }

  save(): DeviceState {
    const written: DeviceState = {};
    for (const [selector, item] of this.#items) {
      if (item.writable) written[selector] = item.data.slice();
    }
    return { ...this.#state, written };
  }

  load(state: DeviceState): void {
    const { selected, offset, dmaHigh, written } = state as unknown as State & {
      written: { [selector: string]: Uint8Array };
    };
    this.#state = { selected, offset, dmaHigh };
    for (const [selector, data] of Object.entries(written)) this.#items.get(Number(selector))?.data.set(data);
  }

  #add(item: FwCfgItem): void {
    const { selector, data, writable = false } = item;
    if (this.#items.has(selector)) {
      throw new Error(`fw_cfg item 0x${selector.toString(16)} is given twice`);
    }
    this.#items.set(selector, { data: data.slice(), writable });
  }

  #select(key: number): void {
    const s = this.#state;
    s.offset = 0;
    s.selected = (key & INDEX) < FW_CFG_FILE_FIRST + this.#slots ? key & (ARCH_LOCAL | INDEX) : -1;
  }

  #readByte(offset: number): number {
    if (offset >= 0x10) return signature[offset - 0x10] ?? 0;
    if (offset >= 0x08) return 0;
    const s = this.#state;
    const data = this.#items.get(s.selected)?.data;
    return data === undefined || s.offset >= data.length ? 0 : data[s.offset++]!;
  }

  #startDma(high: number, low: number): void {
    const { dma, observer } = this.#ports;
    const address = high * 0x1_0000_0000 + low;
    this.#state.dmaHigh = 0;
    const descriptor = new Uint8Array(16);
    if (!dma.read(address, descriptor)) {
      observer.guestError(0x10, `no memory at the DMA descriptor 0x${address.toString(16)}`);
      this.#finishDma(address, DMA_ERROR);
      return;
    }
    const view = new DataView(descriptor.buffer);
    const control = view.getUint32(0);
    const length = view.getUint32(4);
    const target = view.getUint32(8) * 0x1_0000_0000 + view.getUint32(12);
    if ((control & DMA_SELECT) !== 0) this.#select(control >>> 16);

    let done = true;
    if ((control & DMA_READ) !== 0) done = this.#dmaRead(target, length);
    else if ((control & DMA_WRITE) !== 0) done = this.#dmaWrite(target, length);
    else if ((control & DMA_SKIP) !== 0) this.#skip(length);
    if (!done) observer.guestError(0x10, `DMA of item 0x${this.#state.selected.toString(16)} failed`);
    this.#finishDma(address, done ? 0 : DMA_ERROR);
  }

  /** The result goes into the control word of the descriptor. */
  #finishDma(address: number, result: number): void {
    this.#ports.dma.write(address, Uint8Array.of(0, 0, 0, result));
  }

  /** Item to memory; zeros past its end. False: not all of the target is memory. */
  #dmaRead(target: number, length: number): boolean {
    const s = this.#state;
    const data = this.#items.get(s.selected)?.data ?? new Uint8Array(0);
    const available = Math.min(length, data.length - s.offset);
    const { dma } = this.#ports;
    if (available > 0) {
      const at = s.offset;
      s.offset += available;
      if (!dma.write(target, data.subarray(at, at + available))) return false;
    }
    // In pieces: the length is the guest's, up to 4 GiB.
    const zeros = new Uint8Array(Math.min(DMA_CHUNK, length - available));
    for (let at = available; at < length; at += DMA_CHUNK) {
      if (!dma.write(target + at, zeros.subarray(0, Math.min(DMA_CHUNK, length - at)))) return false;
    }
    return true;
  }

  /** Memory to item. False: the item is not writable or ends before, or the source is not memory. */
  #dmaWrite(source: number, length: number): boolean {
    if (length === 0) return true;
    const s = this.#state;
    const item = this.#items.get(s.selected);
    if (item === undefined || s.offset >= item.data.length) return false;
    const available = Math.min(length, item.data.length - s.offset);
    const at = s.offset;
    // QEMU: the position moves on after an error too.
    s.offset += available;
    if (!item.writable || available !== length) return false;
    // Not straight into the item: a failed read must leave it as it was.
    const bytes = new Uint8Array(length);
    if (!this.#ports.dma.read(source, bytes)) return false;
    item.data.set(bytes, at);
    return true;
  }

  #skip(length: number): void {
    const s = this.#state;
    const size = this.#items.get(s.selected)?.data.length ?? 0;
    s.offset = Math.max(s.offset, Math.min(size, s.offset + length));
  }
}

function sortedFiles(files: readonly FwCfgFile[], slots: number): FwCfgFile[] {
  if (files.length > slots) throw new Error(`fw_cfg has room for ${slots} files, not for ${files.length}`);
  const sorted = [...files].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  sorted.forEach(({ name }, index) => {
    if (name === '' || name.length >= NAME_SIZE || !/^[\x20-\x7e]*$/.test(name)) {
      throw new Error(`fw_cfg file name ${JSON.stringify(name)} must be 1 to 55 ASCII characters`);
    }
    if (sorted[index - 1]?.name === name) throw new Error(`fw_cfg file ${name} is given twice`);
  });
  return sorted;
}

/** The item at 0x19: number of files, then an entry for each slot; all big endian. */
function directory(files: readonly FwCfgFile[], slots: number): Uint8Array {
  const bytes = new Uint8Array(4 + slots * ENTRY_SIZE);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, files.length);
  files.forEach((file, index) => {
    const at = 4 + index * ENTRY_SIZE;
    view.setUint32(at, file.data.length);
    view.setUint16(at + 4, FW_CFG_FILE_FIRST + index);
    for (let i = 0; i < file.name.length; i++) bytes[at + 8 + i] = file.name.charCodeAt(i);
  });
  return bytes;
}

function swap32(value: number): number {
  return (((value & 0xff) << 24) | ((value & 0xff00) << 8) | ((value >>> 8) & 0xff00) | (value >>> 24)) >>> 0;
}
