import type { Device, DevicePorts, DeviceState, DmaPort, InterruptLine } from '../../base/device.ts';
import type { RegisterMap } from '../../base/register-map.ts';
import { STATUS } from './virtio-bits.ts';
import { type VirtioBackend, VirtioDevice } from './virtio-device.ts';
import { MMIO, MMIO_BYTES, mmioRegisterMap } from './virtio-mmio-registers.ts';
import { QUEUE_SIZE_MAX } from './virtqueue.ts';

export interface VirtioMmioPorts extends DevicePorts {
  readonly irq: InterruptLine;
  readonly dma: DmaPort;
}

export interface VirtioMmioOptions {
  /** Legacy registers, Version 1 (QEMU's default, and ours); false: version 2. */
  readonly legacy?: boolean;
  /** The device behind the transport; without one it is empty. */
  readonly backend?: VirtioBackend;
}

/** Modern: what the driver has written for a queue, valid once QueueReady is set. */
interface QueueSetup {
  num: number;
  /** Low and high words of descriptor table, available ring and used ring. */
  readonly address: Uint32Array;
  ready: boolean;
}

const MAGIC = 0x74726976;
const VENDOR = 0x554d4551;

/**
 * virtio over MMIO (virtio 1.2, section 4.2): one of the 32 slots of the board, empty or with one device.
 * The registers are words; only the configuration space takes bytes and half-words.
 */
export class VirtioMmio implements Device {
  readonly id: string;
  readonly registers: RegisterMap;
  readonly legacy: boolean;
  /** Undefined: an empty slot. */
  readonly virtio: VirtioDevice | undefined;
  readonly #ports: VirtioMmioPorts;
  readonly #setups: readonly QueueSetup[];
  #deviceFeaturesSel = 0;
  #driverFeaturesSel = 0;
  /** Modern: words of DriverFeatures, taken when FEATURES_OK is set. */
  readonly #driverFeatures = new Uint32Array(2);
  #pageShift = 0;
  #queueSel = 0;

  constructor(ports: VirtioMmioPorts, options: VirtioMmioOptions = {}) {
    const { backend } = options;
    this.id = ports.id;
    this.#ports = ports;
    this.legacy = options.legacy ?? true;
    if (backend !== undefined) {
      this.virtio = new VirtioDevice(backend, {
        dma: ports.dma,
        observer: ports.observer,
        modern: !this.legacy,
        interrupt: () => this.#updateInterrupt(),
        interruptCleared: () => this.#updateInterrupt(),
        guestError: (message) => ports.observer.guestError(MMIO.QueueNotify, message),
        now: () => ports.timers.now(),
        schedule: (kind, deadline) => ports.timers.schedule(kind, deadline),
        cancel: (kind) => ports.timers.cancel(kind),
      });
    }
    this.#setups = (this.virtio?.queues ?? []).map(() => ({
      num: 0,
      address: new Uint32Array(6),
      ready: false,
    }));
    this.registers = mmioRegisterMap(
      this.legacy,
      backend === undefined
        ? undefined
        : { name: backend.name, deviceId: backend.deviceId, config: backend.configRegisters },
    );
  }

  read(offset: number, size: 1 | 2 | 4): number {
    if (this.virtio === undefined) return this.#readEmpty(offset, size);
    if (offset >= MMIO.Config) {
      if (offset + size > MMIO_BYTES) return this.#refuse(offset, 'outside the transport');
      return this.virtio.readConfig(offset - MMIO.Config, size);
    }
    if (size !== 4) return this.#refuse(offset, `read of ${size} bytes`);
    return this.#readRegister(this.virtio, offset);
  }

  write(offset: number, size: 1 | 2 | 4, value: number): void {
    const { virtio } = this;
    if (virtio === undefined) {
      this.#refuse(offset, 'write to an empty transport');
    } else if (offset >= MMIO.Config) {
      if (offset + size > MMIO_BYTES) this.#refuse(offset, 'outside the transport');
      else virtio.writeConfig(offset - MMIO.Config, size, value);
    } else if (size !== 4) {
      this.#refuse(offset, `write of ${size} bytes`);
    } else {
      this.#writeRegister(virtio, offset, value >>> 0);
    }
  }

  timer(kind: string): void {
    this.virtio?.timer(kind);
  }

  receive(kind: string, data: Uint8Array): void {
    this.virtio?.receive(kind, data);
  }

  /** Bytes the device behind the transport can take now. */
  receiveCapacity(): number {
    return this.virtio?.backend.receiveCapacity?.() ?? 0;
  }

  reset(): void {
    this.virtio?.reset();
    this.#deviceFeaturesSel = 0;
    this.#driverFeaturesSel = 0;
    this.#driverFeatures.fill(0);
    this.#pageShift = 0;
    this.#queueSel = 0;
    for (const setup of this.#setups) {
      setup.num = 0;
      setup.address.fill(0);
      setup.ready = false;
    }
  }

  save(): DeviceState {
    if (this.virtio === undefined) return {};
    return {
      deviceFeaturesSel: this.#deviceFeaturesSel,
      driverFeaturesSel: this.#driverFeaturesSel,
      driverFeatures: [...this.#driverFeatures],
      pageShift: this.#pageShift,
      queueSel: this.#queueSel,
      setups: this.legacy ? [] : this.#setups.map((s) => [s.num, s.ready, ...s.address]),
      virtio: this.virtio.save(),
    };
  }

  load(state: DeviceState): void {
    if (this.virtio === undefined) return;
    this.#deviceFeaturesSel = Number(state.deviceFeaturesSel);
    this.#driverFeaturesSel = Number(state.driverFeaturesSel);
    this.#driverFeatures.set((state.driverFeatures as number[]).slice(0, 2));
    this.#pageShift = Number(state.pageShift);
    this.#queueSel = Number(state.queueSel);
    const setups = state.setups as (number | boolean)[][];
    this.#setups.forEach((setup, index) => {
      const [num = 0, ready = false, ...address] = setups[index] ?? [];
      setup.num = Number(num);
      setup.ready = ready === true;
      for (let word = 0; word < 6; word++) setup.address[word] = Number(address[word] ?? 0);
    });
    this.virtio.load(state.virtio as DeviceState);
  }

  /** QEMU: an empty slot answers accesses of any size at the exact offsets of its three registers. */
  #readEmpty(offset: number, size: 1 | 2 | 4): number {
    const mask = 2 ** (8 * size) - 1;
    switch (offset) {
      case MMIO.MagicValue:
        return (MAGIC & mask) >>> 0;
      case MMIO.Version:
        return this.legacy ? 1 : 2;
      case MMIO.DeviceID:
        return 0;
      case MMIO.VendorID:
        return (VENDOR & mask) >>> 0;
      default:
        return this.#refuse(offset, 'read of an empty transport');
    }
  }

  #readRegister(virtio: VirtioDevice, offset: number): number {
    const queue = virtio.queue(this.#queueSel);
    switch (offset) {
      case MMIO.MagicValue:
        return MAGIC;
      case MMIO.Version:
        return this.legacy ? 1 : 2;
      case MMIO.DeviceID:
        return virtio.backend.deviceId;
      case MMIO.VendorID:
        return VENDOR;
      case MMIO.DeviceFeatures: {
        const shift = BigInt(32 * this.#deviceFeaturesSel);
        return Number(BigInt.asUintN(32, virtio.deviceFeatures >> shift));
      }
      case MMIO.QueueNumMax:
        return queue.size === 0 ? 0 : QUEUE_SIZE_MAX;
      case MMIO.QueuePFN:
        if (!this.legacy) break;
        return Math.floor(queue.desc / 2 ** this.#pageShift) % 2 ** 32;
      case MMIO.QueueReady:
        if (this.legacy) break;
        return this.#setups[this.#queueSel]?.ready === true ? 1 : 0;
      case MMIO.InterruptStatus:
        return virtio.isr;
      case MMIO.Status:
        return virtio.status;
      case MMIO.SHMLenLow:
      case MMIO.SHMLenHigh:
        return 0xffffffff;
      case MMIO.ConfigGeneration:
        if (this.legacy) break;
        return virtio.generation;
    }
    return this.#refuse(offset, 'no register to read');
  }

  #writeRegister(virtio: VirtioDevice, offset: number, value: number): void {
    const queue = virtio.queue(this.#queueSel);
    switch (offset) {
      case MMIO.DeviceFeaturesSel:
        this.#deviceFeaturesSel = value === 0 ? 0 : 1;
        return;
      case MMIO.DriverFeatures:
        if (!this.legacy) this.#driverFeatures[this.#driverFeaturesSel] = value;
        else if (this.#driverFeaturesSel === 0) virtio.setDriverFeatures(BigInt(value));
        else this.#refuse(offset, 'a legacy device has 32 features');
        return;
      case MMIO.DriverFeaturesSel:
        this.#driverFeaturesSel = value === 0 ? 0 : 1;
        return;
      case MMIO.QueueSel:
        if (value < QUEUE_SIZE_MAX) this.#queueSel = value;
        return;
      case MMIO.QueueNum: {
        queue.resize(value);
        const setup = this.#setups[this.#queueSel];
        if (this.legacy) queue.layOutLegacy();
        else if (setup !== undefined) setup.num = value;
        return;
      }
      case MMIO.QueueNotify:
        virtio.notify(value);
        return;
      case MMIO.InterruptACK:
        virtio.acknowledge(value);
        return;
      case MMIO.Status:
        this.#writeStatus(virtio, value);
        return;
      default:
        if (
          this.legacy ? this.#writeLegacy(virtio, offset, value) : this.#writeModern(virtio, offset, value)
        ) {
          return;
        }
        this.#refuse(offset, 'no register to write');
    }
  }

  #writeLegacy(virtio: VirtioDevice, offset: number, value: number): boolean {
    const queue = virtio.queue(this.#queueSel);
    switch (offset) {
      case MMIO.GuestPageSize:
        // The shift is the number of trailing zeros; QEMU takes zero bytes as a shift of 0.
        this.#pageShift = value === 0 ? 0 : 31 - Math.clz32(value & -value);
        return true;
      case MMIO.QueueAlign:
        if (value === 0) return true;
        queue.align = value;
        queue.layOutLegacy();
        return true;
      case MMIO.QueuePFN:
        if (value === 0) this.#resetDevice(virtio);
        else queue.installLegacy(value * 2 ** this.#pageShift);
        return true;
      default:
        return false;
    }
  }

  #writeModern(virtio: VirtioDevice, offset: number, value: number): boolean {
    const setup = this.#setups[this.#queueSel];
    switch (offset) {
      case MMIO.QueueReady:
        if (setup !== undefined) this.#setReady(virtio, setup, value !== 0);
        return true;
      case MMIO.QueueDescLow:
      case MMIO.QueueDescHigh:
      case MMIO.QueueDriverLow:
      case MMIO.QueueDriverHigh:
      case MMIO.QueueDeviceLow:
      case MMIO.QueueDeviceHigh: {
        const part = (offset - MMIO.QueueDescLow) >> 4;
        if (setup !== undefined) setup.address[2 * part + ((offset >> 2) & 1)] = value;
        return true;
      }
      default:
        return false;
    }
  }

  #setReady(virtio: VirtioDevice, setup: QueueSetup, ready: boolean): void {
    const queue = virtio.queue(this.#queueSel);
    setup.ready = ready;
    if (!ready) {
      queue.uninstall();
      return;
    }
    const address = (part: number) => setup.address[2 * part]! + setup.address[2 * part + 1]! * 2 ** 32;
    queue.resize(setup.num);
    queue.install(address(0), address(1), address(2));
  }

  #writeStatus(virtio: VirtioDevice, value: number): void {
    if (!this.legacy && (value & STATUS.FEATURES_OK) !== 0) {
      const [low = 0, high = 0] = this.#driverFeatures;
      virtio.setDriverFeatures(BigInt(low) | (BigInt(high) << 32n));
    }
    if ((value & 0xff) === 0) this.#resetDevice(virtio);
    else virtio.setStatus(value);
  }

  /** The driver resets the device; selectors of features and page size stay. */
  #resetDevice(virtio: VirtioDevice): void {
    virtio.setStatus(0);
    this.#queueSel = 0;
    for (const setup of this.#setups) setup.ready = false;
  }

  #updateInterrupt(): void {
    this.#ports.irq.set((this.virtio?.isr ?? 0) !== 0);
  }

  /** Tells of an access the device does not define; it reads as zero. */
  #refuse(offset: number, message: string): 0 {
    this.#ports.observer.guestError(offset, message);
    return 0;
  }
}
