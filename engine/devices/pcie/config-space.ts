import type { Register, RegisterField } from '../../base/register-map.ts';

/** Bytes of configuration space: conventional PCI, and PCI Express with extended capabilities. */
export type ConfigSize = 256 | 4096;

/** Offsets of the header (PCI 3.0, 6.1; type 1: PCI-to-PCI Bridge 1.2, 3.2). */
export const CONFIG = {
  VendorID: 0x00,
  DeviceID: 0x02,
  Command: 0x04,
  Status: 0x06,
  RevisionID: 0x08,
  ClassCode: 0x09,
  CacheLineSize: 0x0c,
  LatencyTimer: 0x0d,
  HeaderType: 0x0e,
  BIST: 0x0f,
  BAR0: 0x10,
  PrimaryBus: 0x18,
  SecondaryBus: 0x19,
  SubordinateBus: 0x1a,
  SecondaryLatencyTimer: 0x1b,
  IOBase: 0x1c,
  IOLimit: 0x1d,
  SecondaryStatus: 0x1e,
  MemoryBase: 0x20,
  MemoryLimit: 0x22,
  PrefetchableBase: 0x24,
  PrefetchableLimit: 0x26,
  PrefetchableBaseUpper: 0x28,
  PrefetchableLimitUpper: 0x2c,
  SubsystemVendorID: 0x2c,
  SubsystemID: 0x2e,
  IOBaseUpper: 0x30,
  IOLimitUpper: 0x32,
  CapabilitiesPointer: 0x34,
  InterruptLine: 0x3c,
  InterruptPin: 0x3d,
  BridgeControl: 0x3e,
} as const;

/** Bits of Command and Status. */
export const COMMAND = { IO: 1, MEMORY: 2, MASTER: 4, INTX_DISABLE: 0x400 } as const;
export const STATUS_INTX = 8;
export const STATUS_CAPABILITIES = 0x10;

/** First byte after the header. */
const HEADER_END = 0x40;
const EXTENDED = 0x100;

/** Where registers lie and what a write does to them; widths in bytes, masks are bits. */
export interface ConfigField {
  readonly name: string;
  readonly offset: number;
  readonly width: 1 | 2 | 4;
  /** Value at reset; default 0. */
  readonly reset?: number;
  /** Bits the guest can write; default none. */
  readonly write?: number;
  /** Bits that a written 1 clears. */
  readonly clear?: number;
  readonly meaning?: string;
  readonly fields?: readonly RegisterField[];
}

/**
 * The configuration space of a function: its bytes, what can be written in each, and the register map that
 * comes from the same list. Built up while a function is constructed, then only read and written.
 */
export class ConfigSpace {
  readonly size: ConfigSize;
  readonly bytes: Uint8Array;
  readonly registers: Register[] = [];
  readonly #reset: Uint8Array;
  readonly #writable: Uint8Array;
  readonly #clearable: Uint8Array;
  #lastExtended = 0;

  constructor(size: ConfigSize) {
    this.size = size;
    this.bytes = new Uint8Array(size);
    this.#reset = new Uint8Array(size);
    this.#clearable = new Uint8Array(size);
    // QEMU: bytes behind the header that belong to no capability can be written and keep what was.
    this.#writable = new Uint8Array(size).fill(0xff, HEADER_END);
  }

  /** Adds a register. What it covers was free or belongs to the capability it is in. */
  add(field: ConfigField): void {
    const { name, offset, width, meaning, fields } = field;
    const { reset = 0, write = 0, clear = 0 } = field;
    for (let byte = 0; byte < width; byte++) {
      const shift = 8 * byte;
      this.#reset[offset + byte] = (reset >>> shift) & 0xff;
      this.bytes[offset + byte] = (reset >>> shift) & 0xff;
      this.#writable[offset + byte] = (write >>> shift) & 0xff;
      this.#clearable[offset + byte] = (clear >>> shift) & 0xff;
    }
    const access = write !== 0 ? 'RW' : clear !== 0 ? 'W1C' : 'RO';
    this.registers.push({
      name,
      offset,
      width,
      access,
      reset: reset >>> 0,
      ...(meaning === undefined ? {} : { meaning }),
      ...(fields === undefined ? {} : { fields }),
    });
  }

  /** Starts a capability; it is put in front of those already there. The caller adds its registers. */
  addCapability(id: number, offset: number, length: number, prefix: string): void {
    this.#writable.fill(0, offset, offset + length);
    const next = this.#reset[CONFIG.CapabilitiesPointer]!;
    this.setReset(CONFIG.Status, 2, this.resetValue(CONFIG.Status, 2) | STATUS_CAPABILITIES);
    this.setReset(CONFIG.CapabilitiesPointer, 1, offset);
    this.add({ name: `${prefix}_CAPID`, offset, width: 1, reset: id });
    this.add({ name: `${prefix}_NEXT`, offset: offset + 1, width: 1, reset: next });
  }

  /** Starts an extended capability (PCI Express 4.0, 7.6.3); it follows those already there. */
  addExtendedCapability(id: number, version: number, offset: number, length: number, prefix: string): void {
    this.#writable.fill(0, offset, offset + length);
    const last = this.#lastExtended;
    if (last !== 0) {
      this.setReset(last, 4, ((this.resetValue(last, 4) & 0xf_ffff) | (offset << 20)) >>> 0);
    }
    this.#lastExtended = offset;
    const reset = (id | (version << 16)) >>> 0;
    this.add({ name: `${prefix}_CAPID`, offset, width: 4, reset });
  }

  /** An express function without extended capabilities has a null header there. */
  endWithoutExtended(): void {
    this.#writable.fill(0, EXTENDED, EXTENDED + 4);
    this.registers.push({ name: 'EXT_CAPID', offset: EXTENDED, width: 4, access: 'RO', reset: 0 });
  }

  resetValue(offset: number, width: 1 | 2 | 4): number {
    let value = 0;
    for (let byte = 0; byte < width; byte++) value += this.#reset[offset + byte]! * 2 ** (8 * byte);
    return value;
  }

  /** Changes what a register that is there already holds at reset. */
  setReset(offset: number, width: 1 | 2 | 4, value: number): void {
    for (let byte = 0; byte < width; byte++) {
      this.#reset[offset + byte] = (value >>> (8 * byte)) & 0xff;
      this.bytes[offset + byte] = (value >>> (8 * byte)) & 0xff;
    }
    const at = this.registers.findIndex((register) => register.offset === offset);
    if (at >= 0) this.registers[at] = { ...this.registers[at]!, reset: value };
  }

  /** Value of up to four bytes; beyond the end all ones, as where nothing answers. */
  read(offset: number, size: 1 | 2 | 4): number {
    let value = 0;
    for (let byte = 0; byte < size; byte++) value += (this.bytes[offset + byte] ?? 0xff) * 2 ** (8 * byte);
    return value;
  }

  /** A write of the guest: only what can be written changes. */
  write(offset: number, size: 1 | 2 | 4, value: number): void {
    for (let byte = 0; byte < size && offset + byte < this.size; byte++) {
      const at = offset + byte;
      const bits = (value >>> (8 * byte)) & 0xff;
      const writable = this.#writable[at]!;
      const kept = (this.bytes[at]! & ~writable) | (bits & writable);
      this.bytes[at] = kept & ~(bits & this.#clearable[at]!);
    }
  }

  /** Sets bytes whatever the guest may write: for the function itself. */
  set(offset: number, size: 1 | 2 | 4, value: number): void {
    for (let byte = 0; byte < size; byte++) this.bytes[offset + byte] = (value >>> (8 * byte)) & 0xff;
  }

  word(offset: number): number {
    return this.bytes[offset]! | (this.bytes[offset + 1]! << 8);
  }

  long(offset: number): number {
    return (this.word(offset) | (this.word(offset + 2) << 16)) >>> 0;
  }

  /** Back to the state after reset; what can be written and is in no register keeps its value (QEMU). */
  reset(): void {
    for (const { offset, width } of this.registers) {
      for (let at = offset; at < offset + width; at++) this.bytes[at] = this.#reset[at]!;
    }
  }
}
