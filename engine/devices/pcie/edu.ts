import type { DeviceState } from '../../base/device.ts';
import { bit, type RegisterMap } from '../../base/register-map.ts';
import { SUBSYSTEM, SUBSYSTEM_VENDOR } from './host-bridge.ts';
import { Msi } from './msi.ts';
import { PciFunction, type PciPorts } from './pci-function.ts';

export interface EduOptions {
  /** DMA addresses are cut to these bits (QEMU's default: 28 bits). */
  readonly dmaMask?: bigint;
  /** Virtual time a transfer takes, ns (default 100 ms, as in QEMU). */
  readonly dmaDelay?: number;
  readonly multiFunction?: boolean;
}

/** Offsets in BAR 0 (QEMU, docs/specs/edu). */
const EDU = {
  ID: 0x00,
  LIVENESS: 0x04,
  FACTORIAL: 0x08,
  STATUS: 0x20,
  IRQ_STATUS: 0x24,
  IRQ_RAISE: 0x60,
  IRQ_ACK: 0x64,
  DMA_SRC: 0x80,
  DMA_DST: 0x88,
  DMA_COUNT: 0x90,
  DMA_CMD: 0x98,
} as const;

const ID_VALUE = 0x010000ed;
const STATUS_IRQ = 0x80;
const CMD = { RUN: 1, FROM_DEVICE: 2, IRQ: 4 } as const;
const IRQ_FACTORIAL = 0x1;
const IRQ_DMA = 0x100;
/** The device's own memory, which transfers go to and from. */
const BUFFER_AT = 0x4_0000n;
const BUFFER_BYTES = 4096;
const DMA_TIMER = 'dma';
const DEFAULT_MASK = (1n << 28n) - 1n;
const DEFAULT_DELAY = 100_000_000;

const EDU_MAP: RegisterMap = {
  device: 'edu',
  reference: 'QEMU docs/specs/edu',
  registers: [
    { name: 'ID', offset: EDU.ID, width: 4, access: 'RO', reset: ID_VALUE },
    { name: 'LIVENESS', offset: EDU.LIVENESS, width: 4, access: 'RW', reset: 0, meaning: 'reads inverted' },
    { name: 'FACTORIAL', offset: EDU.FACTORIAL, width: 4, access: 'RW', reset: 0 },
    {
      name: 'STATUS',
      offset: EDU.STATUS,
      width: 4,
      access: 'RW',
      reset: 0,
      fields: [bit('COMPUTING', 0), bit('IRQ', 7, 'raise an interrupt after a factorial')],
    },
    { name: 'IRQ_STATUS', offset: EDU.IRQ_STATUS, width: 4, access: 'RO', reset: 0 },
    { name: 'IRQ_RAISE', offset: EDU.IRQ_RAISE, width: 4, access: 'WO', meaning: 'bits to set' },
    { name: 'IRQ_ACK', offset: EDU.IRQ_ACK, width: 4, access: 'WO', meaning: 'bits to clear' },
    { name: 'DMA_SRC', offset: EDU.DMA_SRC, width: 8, access: 'RW', reset: 0, meaning: 'source' },
    { name: 'DMA_DST', offset: EDU.DMA_DST, width: 8, access: 'RW', reset: 0, meaning: 'destination' },
    { name: 'DMA_COUNT', offset: EDU.DMA_COUNT, width: 8, access: 'RW', reset: 0, meaning: 'bytes' },
    {
      name: 'DMA_CMD',
      offset: EDU.DMA_CMD,
      width: 8,
      access: 'RW',
      reset: 0,
      fields: [
        bit('RUN', 0, 'start; reads 1 until done'),
        bit('FROM_DEVICE', 1, "from the device's memory at 0x40000 to the guest's"),
        bit('IRQ', 2, 'raise 0x100 when done'),
      ],
    },
  ],
};

/**
 * A test device that does DMA on command and raises interrupts: QEMU's `edu`, register by register, so that a
 * guest that uses it runs on both. Its requester ID is that of the place it is plugged into.
 */
export class Edu extends PciFunction {
  readonly #msi: Msi;
  readonly #mask: bigint;
  readonly #delay: number;
  readonly #buffer = new Uint8Array(BUFFER_BYTES);
  #liveness = 0;
  #factorial = 0;
  #status = 0;
  #irqStatus = 0;
  #source = 0n;
  #destination = 0n;
  #count = 0n;
  #command = 0n;

  constructor(ports: PciPorts, options: EduOptions = {}) {
    super(ports, {
      identity: {
        vendor: 0x1234,
        device: 0x11e8,
        revision: 0x10,
        classCode: 0x00_ff_00,
        subsystemVendor: SUBSYSTEM_VENDOR,
        subsystem: SUBSYSTEM,
        pin: 1,
      },
      configSize: 256,
      reference: 'QEMU docs/specs/edu',
      ...(options.multiFunction === undefined ? {} : { multiFunction: options.multiFunction }),
    });
    this.#mask = options.dmaMask ?? DEFAULT_MASK;
    this.#delay = options.dmaDelay ?? DEFAULT_DELAY;
    this.#msi = new Msi(this, 0x40);
    this.addBar(0, {
      kind: 'memory32',
      size: 0x10_0000,
      registers: EDU_MAP,
      read: (offset, size) => this.#read(offset, size),
      write: (offset, size, value) => this.#write(offset, size, value),
      // QEMU: words below the DMA registers, words and double words from there on.
      accepts: (offset, size) => size === 4 || (size === 8 && offset >= EDU.DMA_SRC),
    });
  }

  #read(offset: number, size: 1 | 2 | 4): number {
    if (size !== 4) return 0xffff_ffff;
    switch (offset) {
      case EDU.ID:
        return ID_VALUE;
      case EDU.LIVENESS:
        return this.#liveness;
      case EDU.FACTORIAL:
        return this.#factorial;
      case EDU.STATUS:
        return this.#status;
      case EDU.IRQ_STATUS:
        return this.#irqStatus >>> 0;
      default:
        return this.#readTransfer(offset);
    }
  }

  #readTransfer(offset: number): number {
    const half = (value: bigint): number => Number(BigInt.asUintN(32, offset & 4 ? value >> 32n : value));
    switch (offset & ~4) {
      case EDU.DMA_SRC:
        return half(this.#source);
      case EDU.DMA_DST:
        return half(this.#destination);
      case EDU.DMA_COUNT:
        return half(this.#count);
      case EDU.DMA_CMD:
        return half(this.#command);
      default:
        this.ports.observer.guestError(offset, 'edu: no register to read');
        return 0xffff_ffff;
    }
  }

  #write(offset: number, size: 1 | 2 | 4, value: number): void {
    if (size !== 4) return;
    switch (offset) {
      case EDU.LIVENESS:
        this.#liveness = ~value >>> 0;
        return;
      case EDU.FACTORIAL:
        this.#computeFactorial(value);
        return;
      case EDU.STATUS:
        this.#status = value & STATUS_IRQ;
        return;
      case EDU.IRQ_RAISE:
        this.#raise(value);
        return;
      case EDU.IRQ_ACK:
        this.#irqStatus &= ~value;
        if (this.#irqStatus === 0) this.setIntx(false);
        return;
      default:
        this.#writeTransfer(offset, value);
    }
  }

  /** Nothing of a transfer can be changed while it runs. */
  #writeTransfer(offset: number, value: number): void {
    // The upper half of a command written as one double word: the transfer it started is under way.
    if (offset === EDU.DMA_CMD + 4) return;
    if ((this.#command & BigInt(CMD.RUN)) !== 0n) {
      this.ports.observer.guestError(offset, 'edu: a transfer is under way');
      return;
    }
    const merge = (old: bigint): bigint =>
      offset & 4 ? BigInt.asUintN(32, old) | (BigInt(value) << 32n) : ((old >> 32n) << 32n) | BigInt(value);
    switch (offset & ~4) {
      case EDU.DMA_SRC:
        this.#source = merge(this.#source);
        return;
      case EDU.DMA_DST:
        this.#destination = merge(this.#destination);
        return;
      case EDU.DMA_COUNT:
        this.#count = merge(this.#count);
        return;
      case EDU.DMA_CMD:
        if ((value & CMD.RUN) === 0) return;
        this.#command = BigInt(value);
        this.ports.timers.schedule(DMA_TIMER, this.ports.timers.now() + this.#delay);
        return;
      default:
        this.ports.observer.guestError(offset, 'edu: no register to write');
    }
  }

  /** DETERMINISM: QEMU computes in a thread; here the result is there at once. */
  #computeFactorial(value: number): void {
    let result = 1;
    // From 34 on the product is 0 modulo 2^32.
    for (let n = Math.min(value, 34); n > 1; n--) result = Math.imul(result, n);
    this.#factorial = value >= 34 ? 0 : result >>> 0;
    if ((this.#status & STATUS_IRQ) !== 0) this.#raise(IRQ_FACTORIAL);
  }

  timer(kind: string): void {
    if (kind !== DMA_TIMER || (this.#command & BigInt(CMD.RUN)) === 0n) return;
    this.#transfer();
    this.#command &= ~BigInt(CMD.RUN);
    if ((this.#command & BigInt(CMD.IRQ)) !== 0n) this.#raise(IRQ_DMA);
  }

  #transfer(): void {
    const fromDevice = (this.#command & BigInt(CMD.FROM_DEVICE)) !== 0n;
    const inside = fromDevice ? this.#source : this.#destination;
    const bits = (fromDevice ? this.#destination : this.#source) & this.#mask;
    const outside = Number(BigInt.asIntN(64, bits));
    const { observer } = this.ports;
    // QEMU gives up altogether here.
    if (inside < BUFFER_AT || inside + this.#count > BUFFER_AT + BigInt(BUFFER_BYTES)) {
      observer.guestError(EDU.DMA_CMD, 'edu: the transfer leaves the memory of the device');
      return;
    }
    const at = Number(inside - BUFFER_AT);
    const bytes = this.#buffer.subarray(at, at + Number(this.#count));
    const done = fromDevice ? this.dmaWrite(outside, bytes) : this.dmaRead(outside, bytes);
    observer.note('edu-dma', {
      requester: this.slot.requesterId(),
      address: outside,
      bytes: bytes.length,
      write: fromDevice,
      done,
    });
  }

  #raise(bitmask: number): void {
    this.#irqStatus |= bitmask;
    if (this.#irqStatus === 0) return;
    if (this.#msi.enabled) this.#msi.notify();
    else this.setIntx(true);
  }

  protected resetFunction(): void {
    this.ports.timers.cancel(DMA_TIMER);
    this.#buffer.fill(0);
    this.#liveness = 0;
    this.#factorial = 0;
    this.#status = 0;
    this.#irqStatus = 0;
    this.#source = 0n;
    this.#destination = 0n;
    this.#count = 0n;
    this.#command = 0n;
  }

  protected saveFunction(): DeviceState {
    return {
      buffer: this.#buffer.slice(),
      registers: [this.#liveness, this.#factorial, this.#status, this.#irqStatus],
      transfer: [this.#source, this.#destination, this.#count, this.#command],
    };
  }

  protected loadFunction(state: DeviceState): void {
    this.#buffer.set((state.buffer as Uint8Array).subarray(0, BUFFER_BYTES));
    const [liveness = 0, factorial = 0, status = 0, irqStatus = 0] = state.registers as number[];
    this.#liveness = liveness;
    this.#factorial = factorial;
    this.#status = status;
    this.#irqStatus = irqStatus;
    const [source = 0n, destination = 0n, count = 0n, command = 0n] = state.transfer as bigint[];
    this.#source = source;
    this.#destination = destination;
    this.#count = count;
    this.#command = command;
  }
}
