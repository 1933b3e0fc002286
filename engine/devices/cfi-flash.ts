import type { AccessSource, Device, DevicePorts, DeviceState } from '../base/device.ts';
import type { RegisterMap } from '../base/register-map.ts';

/*
 * Parallel NOR flash with the Intel command set (JEDEC JEP137 / CFI 1.1): two 16-bit chips side by side, 32 bits
 * wide. Nothing takes time. Commands are the low byte of any write, whatever its size; the address counts only
 * where said below. Follows QEMU 7.2.22, which buffers like 9.0 (observed).
 */

/** A flash has no registers: its meaning hangs on the command before. Commands are in the class. */
export const cfiFlashRegisters: RegisterMap = {
  device: 'cfi-flash',
  reference: 'JEDEC JEP137',
  registers: [],
};

/** Bytes a guest erases at once (one 128 KiB block of each chip). */
export const FLASH_BLOCK_SIZE = 0x40000;
/** Bytes of the write buffer (2048 of each chip). */
const BUFFER_SIZE = 0x1000;

/** Where the contents are. Offsets and lengths are always inside the bank. */
export interface FlashStorage {
  read(offset: number, into: Uint8Array): void;
  write(offset: number, from: Uint8Array): void;
  /**
   * True: the contents may be mapped as directly readable memory (writes still come to the device); false:
   * reads must come to the device too. Called at every change, by `load`, and not at construction: read array
   * is the mode to begin with.
   */
  setReadArray(on: boolean): void;
}

export interface CfiFlashPorts extends DevicePorts {
  readonly storage: FlashStorage;
}

export interface CfiFlashOptions {
  /** Bytes of the bank; a power of two from 512 KiB to 128 MiB. Default 64 MiB. */
  readonly size?: number;
  /** Program and erase set their error bits and change nothing. */
  readonly readOnly?: boolean;
}

const STATUS_READY = 1 << 7;
const STATUS_ERASE_ERROR = 1 << 5;
const STATUS_PROGRAM_ERROR = 1 << 4;

const MANUFACTURER = 0x89;
const DEVICE = 0x18;

const READ_ARRAY = 0x00;
const PROGRAM = 0x10;
const BLOCK_ERASE = 0x20;
const PROGRAM_2 = 0x40;
const CLEAR_STATUS = 0x50;
const LOCK = 0x60;
const READ_STATUS = 0x70;
const READ_ID = 0x90;
const CFI_QUERY = 0x98;
const CONFIRM = 0xd0;
const BUFFERED_PROGRAM = 0xe8;
const READ_ARRAY_AMD = 0xf0;
const READ_ARRAY_INTEL = 0xff;

interface State {
  /** The command in force; says what reads give. */
  command: number;
  /** Write cycles of it that have been seen; 0 = the next write is a command. */
  cycle: number;
  status: number;
  /** Words of a buffered program still to come, minus 1. */
  counter: number;
  /** What a buffered program will write, and where; null before its first data. */
  buffer: Uint8Array | null;
  bufferOffset: number;
  readArray: boolean;
}

const powerOn = (): State => ({
  command: READ_ARRAY,
  cycle: 0,
  status: STATUS_READY,
  counter: 0,
  buffer: null,
  bufferOffset: 0,
  readArray: true,
});

export class CfiFlash implements Device {
  readonly id: string;
  readonly registers = cfiFlashRegisters;
  readonly size: number;
  readonly #ports: CfiFlashPorts;
  readonly #readOnly: boolean;
  readonly #query: Uint8Array;
  #state = powerOn();

  constructor(ports: CfiFlashPorts, options: CfiFlashOptions = {}) {
    this.id = ports.id;
    this.#ports = ports;
    this.size = options.size ?? 0x400_0000;
    const log2 = 31 - Math.clz32(this.size);
    if (!Number.isInteger(log2) || log2 < 19 || log2 > 27) {
      throw new Error(`flash size ${this.size} must be a power of two from 512 KiB to 128 MiB`);
    }
    this.#readOnly = options.readOnly ?? false;
    this.#query = queryTable(this.size);
  }

  /** Whether the contents may be read directly at present. */
  get readArray(): boolean {
    return this.#state.readArray;
  }

  read(offset: number, size: 1 | 2 | 4, _source: AccessSource): number {
    const { command, status } = this.#state;
    switch (command) {
      case READ_ARRAY: {
        const bytes = new Uint8Array(size);
        this.#ports.storage.read(offset, bytes);
        return bytes.reduceRight((value, byte) => value * 256 + byte, 0);
      }
      case READ_ID: {
        // Only eight address bits of the word are decoded.
        const index = (offset >> 2) & 0xff;
        return perChip(index === 0 ? MANUFACTURER : index === 1 ? DEVICE : 0, size);
      }
      case CFI_QUERY:
        return perChip(this.#query[offset >> 2] ?? 0, size);
      default:
        return perChip(status, size);
    }
  }

  write(offset: number, size: 1 | 2 | 4, value: number, _source: AccessSource): void {
    const s = this.#state;
    const byte = value & 0xff;
    if (s.cycle === 0) this.#command(offset, byte);
    else if (s.cycle === 1) this.#second(offset, size, value, byte);
    else if (s.cycle === 2) this.#fillBuffer(offset, size, value);
    else this.#endBuffered(offset, byte);
  }

  reset(): void {
    const { readArray } = this.#state;
    this.#state = powerOn();
    if (!readArray) this.#ports.storage.setReadArray(true);
  }

  save(): DeviceState {
    return { ...this.#state, buffer: this.#state.buffer?.slice() ?? null };
  }

  /** The contents are saved by whoever keeps the storage. */
  load(state: DeviceState): void {
    const loaded = state as unknown as State;
    this.#state = { ...loaded, buffer: loaded.buffer?.slice() ?? null };
    // The mapping follows from this state alone, so that nobody else remembers it.
    this.#ports.storage.setReadArray(this.#state.readArray);
  }

  #command(offset: number, byte: number): void {
    const s = this.#state;
    switch (byte) {
      case READ_ARRAY:
      case READ_ARRAY_AMD:
      case READ_ARRAY_INTEL:
        this.#enterReadArray();
        return;
      case CLEAR_STATUS:
        // Takes the ready bit with it, until the next command sets it.
        s.status = 0;
        this.#enterReadArray();
        return;
      case READ_STATUS:
      case READ_ID:
        s.command = byte;
        this.#setReadArray(false);
        return;
      case BLOCK_ERASE:
        // QEMU: done here, not at the confirmation.
        this.#erase(offset);
        break;
      case BUFFERED_PROGRAM:
        s.status |= STATUS_READY;
        break;
      case PROGRAM:
      case PROGRAM_2:
      case LOCK:
      case CFI_QUERY:
        break;
      default:
        this.#refuse(offset, `unknown command 0x${byte.toString(16)}`);
        return;
    }
    s.command = byte;
    s.cycle = 1;
    this.#setReadArray(false);
  }

  #second(offset: number, size: 1 | 2 | 4, value: number, byte: number): void {
    const s = this.#state;
    switch (s.command) {
      case PROGRAM:
      case PROGRAM_2:
        this.#program(offset, size, value);
        s.status |= STATUS_READY;
        s.cycle = 0;
        break;
      case BUFFERED_PROGRAM:
        s.counter = value & 0xffff;
        s.cycle = 2;
        break;
      case BLOCK_ERASE:
      case LOCK:
        if (byte === CONFIRM || (s.command === LOCK && byte === 0x01)) {
          s.cycle = 0;
          s.status |= STATUS_READY;
        } else if (byte === READ_ARRAY_INTEL) this.#enterReadArray();
        else this.#refuse(offset, `command 0x${s.command.toString(16)} not confirmed`);
        break;
      case CFI_QUERY:
        if (byte === READ_ARRAY_INTEL) this.#enterReadArray();
        break;
    }
  }

  /** Data of a buffered program; the first one chooses the part of the bank that is copied and changed. */
  #fillBuffer(offset: number, size: 1 | 2 | 4, value: number): void {
    const s = this.#state;
    // QEMU: a program of one word (count 0) opens no buffer and so always fails.
    if (s.buffer === null && s.counter > 0) {
      s.bufferOffset = offset - (offset % BUFFER_SIZE);
      s.buffer = new Uint8Array(BUFFER_SIZE);
      this.#ports.storage.read(s.bufferOffset, s.buffer);
    }
    const at = offset - s.bufferOffset;
    if (s.buffer === null || this.#readOnly || at < 0 || at + size > BUFFER_SIZE) {
      s.status |= STATUS_PROGRAM_ERROR;
    } else s.buffer.set(littleEndian(value, size), at);
    s.status |= STATUS_READY;
    if (s.counter === 0) s.cycle = 3;
    else s.counter--;
  }

  #endBuffered(offset: number, byte: number): void {
    const s = this.#state;
    const { buffer } = s;
    s.buffer = null;
    if (byte !== CONFIRM || (s.status & STATUS_PROGRAM_ERROR) !== 0) {
      const why = byte === CONFIRM ? 'has failed' : `not confirmed but 0x${byte.toString(16)}`;
      this.#refuse(offset, `buffered program ${why}`);
      return;
    }
    if (buffer !== null) this.#ports.storage.write(s.bufferOffset, buffer);
    s.cycle = 0;
    s.status |= STATUS_READY;
  }

  /** QEMU: stores the value as it is; a real chip could only clear bits. */
  #program(offset: number, size: 1 | 2 | 4, value: number): void {
    if (this.#readOnly) {
      this.#state.status |= STATUS_PROGRAM_ERROR;
      return;
    }
    this.#ports.storage.write(offset, littleEndian(value, size));
  }

  #erase(offset: number): void {
    const s = this.#state;
    if (this.#readOnly) s.status |= STATUS_ERASE_ERROR;
    else {
      const block = offset - (offset % FLASH_BLOCK_SIZE);
      this.#ports.storage.write(block, new Uint8Array(FLASH_BLOCK_SIZE).fill(0xff));
    }
    s.status |= STATUS_READY;
  }

  #refuse(offset: number, message: string): void {
    this.#ports.observer.guestError(offset, message);
    this.#enterReadArray();
  }

  #enterReadArray(): void {
    this.#state.command = READ_ARRAY;
    this.#state.cycle = 0;
    this.#setReadArray(true);
  }

  #setReadArray(on: boolean): void {
    if (this.#state.readArray === on) return;
    this.#state.readArray = on;
    this.#ports.storage.setReadArray(on);
  }
}

function littleEndian(value: number, size: 1 | 2 | 4): Uint8Array {
  return Uint8Array.from({ length: size }, (_, i) => (value >>> (8 * i)) & 0xff);
}

/** What both chips say, as a read of this size sees it. */
function perChip(value: number, size: 1 | 2 | 4): number {
  return size === 4 ? value | (value << 16) : value;
}

/** The CFI query table of one chip (devices.md, 5.4). */
function queryTable(bankSize: number): Uint8Array {
  const chipSize = bankSize / 2;
  const blocks = bankSize / FLASH_BLOCK_SIZE;
  const blockUnits = FLASH_BLOCK_SIZE / 2 / 256;
  const table = new Uint8Array(0x52);
  table.set([0x51, 0x52, 0x59, 0x01, 0x00, 0x31, 0x00], 0x10);
  table.set([0x45, 0x55, 0x00, 0x00, 0x07, 0x07, 0x0a, 0x00, 0x04, 0x04, 0x04, 0x00], 0x1b);
  table.set([31 - Math.clz32(chipSize), 0x02, 0x00, 0x0b, 0x00, 0x01], 0x27);
  table.set([(blocks - 1) & 0xff, (blocks - 1) >> 8, blockUnits & 0xff, blockUnits >> 8], 0x2d);
  table.set([0x50, 0x52, 0x49, 0x31, 0x30], 0x31);
  table[0x3f] = 0x01;
  return table;
}
