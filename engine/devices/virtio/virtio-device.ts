import type { DeviceObserver, DeviceState, DmaPort, StateValue } from '../../base/device.ts';
import type { Register } from '../../base/register-map.ts';
import type { Ns } from '../../base/units.ts';
import { feature, ISR, STATUS, VIRTIO_F } from './virtio-bits.ts';
import { QUEUE_SIZE_MAX, type QueueOwner, Virtqueue } from './virtqueue.ts';

/*
 * What virtio devices have in common, whatever bus they sit on (virtio 1.2, section 2). Three parts:
 *
 *   transport (virtio-mmio.ts, later PCI) -> VirtioDevice -> backend (virtio-blk.ts, ...)
 *
 * The transport has the registers and the interrupt wires; VirtioDevice has status, features, queues,
 * interrupt status and configuration space; the backend knows what the buffers mean.
 */

/** What a backend sees of the device it is part of. */
export interface VirtioHost {
  readonly dma: DmaPort;
  readonly observer: DeviceObserver;
  readonly status: number;
  /** False until a reset once the guest broke a ring. */
  readonly broken: boolean;
  /** Modern interface (virtio 1.0 and later) rather than legacy. */
  readonly modern: boolean;
  queue(index: number): Virtqueue;
  hasFeature(bit: number): boolean;
  /** The configuration space changed by itself: the guest is told. */
  configChanged(): void;
  /** The guest sent something against the rules: the device stops until it is reset. */
  fail(message: string): void;
  now(): Ns;
  /** Arms a timer of the backend; it comes back through `VirtioBackend.timer`. */
  schedule(kind: string, deadline: Ns): void;
  cancel(kind: string): void;
}

/** A kind of virtio device. Nothing a guest puts into the buffers may make it throw. */
export interface VirtioBackend {
  /** e.g. `blk`. */
  readonly name: string;
  /** Device ID of virtio 1.2, section 5. */
  readonly deviceId: number;
  /** Default sizes of the queues that exist; 0 leaves a gap. */
  readonly queueSizes: readonly number[];
  /** Bytes of the configuration space, and what is in it (offsets from its beginning). */
  readonly configBytes: number;
  readonly configRegisters: readonly Register[];
  /** Requests have a fixed split into descriptors for a legacy driver: ANY_LAYOUT is not offered by a legacy device. */
  readonly fixedLayout?: boolean;
  /**
   * Feature bits of this kind of device, for a driver of either kind; those of the rings are added by
   * VirtioDevice. `transitional`: the device has both interfaces.
   */
  features(modern: boolean, transitional: boolean): bigint;
  /** Called once, before anything else. */
  attach(host: VirtioHost): void;
  /** Buffers may be available: takes and returns what it can, all at once. */
  handleQueue(queue: number): void;
  /** Fills in the configuration space, which is all zero before. */
  readConfig(config: DataView): void;
  /**
   * The guest wrote `size` bytes at `offset` of the configuration space; `config` is what `readConfig` gave,
   * with the bytes in place.
   */
  writeConfig?(config: DataView, offset: number, size: number): void;
  /** The driver wrote the status register; called before the new value holds. */
  statusChanged?(status: number): void;
  timer?(kind: string): void;
  /** Bytes from outside, between two instructions; and how many it can take now. */
  receive?(kind: string, data: Uint8Array): void;
  receiveCapacity?(): number;
  /** Device reset by the driver, or system reset. */
  reset(): void;
  save(): DeviceState;
  load(state: DeviceState): void;
}

/** What a VirtioDevice needs of the bus it is on. */
export interface VirtioTransport {
  readonly dma: DmaPort;
  readonly observer: DeviceObserver;
  readonly modern: boolean;
  /** The device has a legacy interface too; `modern` is true then. */
  readonly transitional?: boolean;
  /** Addresses are the bus's, as an IOMMU may translate them: a driver has to know (2.2.1, ACCESS_PLATFORM). */
  readonly accessPlatform?: boolean;
  /** The bus lets the device do nothing for now: queues wait. */
  readonly suspended?: boolean;
  /** A bit of `isr` was set because of a queue or the configuration: drive the wire, or send its message. */
  interrupt(cause: number | 'config'): void;
  /** `isr` became zero. */
  interruptCleared(): void;
  /** The driver broke the rules of a ring or of a request. */
  guestError(message: string): void;
  now(): Ns;
  schedule(kind: string, deadline: Ns): void;
  cancel(kind: string): void;
}

/** Timer kind for the rest of the work of a notification; backends must not use it. */
const WORK = 'queue-work';

export class VirtioDevice implements QueueOwner, VirtioHost {
  readonly backend: VirtioBackend;
  readonly queues: readonly Virtqueue[];
  /** What the device offers, to drivers of either kind if it is transitional. */
  readonly deviceFeatures: bigint;
  /** What a modern and a legacy driver sees of it. */
  readonly modernFeatures: bigint;
  readonly legacyFeatures: bigint;
  #driverFeatures = 0n;
  #features = new Set<number>();
  status = 0;
  /** Interrupt status: bits of ISR. */
  isr = 0;
  /** Configuration generation (2.5.1), modulo 2^32. */
  generation = 0;
  broken = false;
  turn = 0;
  readonly #transport: VirtioTransport;
  /** Room for the configuration space; filled at every access, so not state. */
  readonly #config: Uint8Array;
  readonly #configView: DataView;
  /** What is read for a queue that does not exist. */
  readonly #noQueue: Virtqueue;

  constructor(backend: VirtioBackend, transport: VirtioTransport) {
    this.backend = backend;
    this.#transport = transport;
    this.queues = backend.queueSizes.map((size, index) => new Virtqueue(this, index, size));
    this.#noQueue = new Virtqueue(this, QUEUE_SIZE_MAX, 0);
    this.#config = new Uint8Array(backend.configBytes);
    this.#configView = new DataView(this.#config.buffer);
    const transitional = transport.transitional === true;
    const rings = feature(VIRTIO_F.INDIRECT_DESC) | feature(VIRTIO_F.EVENT_IDX);
    this.modernFeatures =
      rings |
      feature(VIRTIO_F.VERSION_1) |
      feature(VIRTIO_F.RING_RESET) |
      (transport.accessPlatform === true ? feature(VIRTIO_F.ACCESS_PLATFORM) : 0n) |
      backend.features(true, transitional);
    this.legacyFeatures =
      rings |
      feature(VIRTIO_F.NOTIFY_ON_EMPTY) |
      (backend.fixedLayout === true && !transitional ? 0n : feature(VIRTIO_F.ANY_LAYOUT)) |
      backend.features(false, transitional);
    if (transitional) this.deviceFeatures = this.modernFeatures | this.legacyFeatures;
    else this.deviceFeatures = transport.modern ? this.modernFeatures : this.legacyFeatures;
    backend.attach(this);
  }

  get dma(): DmaPort {
    return this.#transport.dma;
  }

  get observer(): DeviceObserver {
    return this.#transport.observer;
  }

  get modern(): boolean {
    return this.#transport.transitional === true
      ? this.hasFeature(VIRTIO_F.VERSION_1)
      : this.#transport.modern;
  }

  get suspended(): boolean {
    return this.#transport.suspended === true;
  }

  get driverFeatures(): bigint {
    return this.#driverFeatures;
  }

  queue(index: number): Virtqueue {
    return this.queues[index] ?? this.#noQueue;
  }

  hasFeature(bit: number): boolean {
    return this.#features.has(bit);
  }

  /** The driver accepts features; those not offered are dropped. Ignored once FEATURES_OK is set (2.2). */
  setDriverFeatures(features: bigint): void {
    if ((this.status & STATUS.FEATURES_OK) !== 0) return;
    const unknown = features & ~this.deviceFeatures;
    if (unknown !== 0n) this.#transport.guestError(`features 0x${unknown.toString(16)} were not offered`);
    this.#setFeatures(features & this.deviceFeatures);
  }

  /** The driver writes the status register; 0 resets. */
  setStatus(value: number): void {
    const status = value & 0xff;
    this.turn++;
    const newlyOk = (status & ~this.status & STATUS.FEATURES_OK) !== 0;
    if (newlyOk && this.#transport.accessPlatform === true && !this.hasFeature(VIRTIO_F.ACCESS_PLATFORM)) {
      // Virtio 1.2, 6.2: the device may fail a driver that does not accept it. QEMU: the write has no effect.
      this.#transport.guestError(
        'the driver does not accept VIRTIO_F_ACCESS_PLATFORM, and the device needs it',
      );
      return;
    }
    this.backend.statusChanged?.(status);
    this.status = status;
    if (status === 0) this.reset();
  }

  /** Reset of this device: everything but the configuration of the transport. */
  reset(): void {
    this.backend.reset();
    for (const queue of this.queues) queue.reset();
    this.#setFeatures(0n);
    this.status = 0;
    this.broken = false;
    this.#transport.cancel(WORK);
    this.acknowledge(0xff);
  }

  /** The driver notifies a queue. */
  notify(index: number): void {
    const queue = this.queue(index);
    if (!queue.ready || this.broken) return;
    this.turn++;
    this.backend.handleQueue(index);
  }

  /** The bus lets the device go on after it was suspended. */
  resume(): void {
    this.turn++;
    for (const queue of this.queues) if (queue.ready) this.backend.handleQueue(queue.index);
  }

  /** A timer of this device has come. */
  timer(kind: string): void {
    this.turn++;
    if (kind !== WORK) {
      this.backend.timer?.(kind);
      return;
    }
    for (const queue of this.queues) {
      if (!queue.stalled) continue;
      queue.stalled = false;
      this.backend.handleQueue(queue.index);
    }
  }

  queueStalled(): void {
    this.#transport.schedule(WORK, this.#transport.now());
  }

  /** Bytes from outside for the backend. */
  receive(kind: string, data: Uint8Array): void {
    this.turn++;
    this.backend.receive?.(kind, data);
  }

  /** Clears interrupt status bits. */
  acknowledge(mask: number): void {
    this.isr &= ~mask;
    if (this.isr === 0) this.#transport.interruptCleared();
  }

  queueInterrupt(queue: number): void {
    this.isr |= ISR.QUEUE;
    this.#transport.interrupt(queue);
  }

  configChanged(): void {
    if ((this.status & STATUS.DRIVER_OK) === 0) return;
    // QEMU: a change of configuration sets the queue bit as well.
    this.isr |= ISR.QUEUE | ISR.CONFIG;
    this.generation = (this.generation + 1) >>> 0;
    this.#transport.interrupt('config');
  }

  fail(message: string): void {
    if (this.broken) return;
    this.broken = true;
    this.#transport.guestError(message);
    this.observer.note('device-broken', { message });
    for (const queue of this.queues) queue.stalled = false;
    // 2.1.2; a legacy driver does not know the bit and would find its device silent.
    if (this.hasFeature(VIRTIO_F.VERSION_1)) {
      this.status |= STATUS.DEVICE_NEEDS_RESET;
      this.configChanged();
    }
  }

  /** Reads configuration space; beyond its end all ones. */
  readConfig(offset: number, size: 1 | 2 | 4): number {
    if (offset + size > this.#config.length) return 2 ** (8 * size) - 1;
    this.#fillConfig();
    switch (size) {
      case 1:
        return this.#configView.getUint8(offset);
      case 2:
        return this.#configView.getUint16(offset, true);
      case 4:
        return this.#configView.getUint32(offset, true);
    }
  }

  /** Writes configuration space; beyond its end nothing happens. */
  writeConfig(offset: number, size: 1 | 2 | 4, value: number): void {
    if (offset + size > this.#config.length) return;
    // QEMU keeps the bytes of the last access, so that a write may bring back values that are out of date;
    // here they are always fresh.
    this.#fillConfig();
    this.turn++;
    switch (size) {
      case 1:
        this.#configView.setUint8(offset, value);
        break;
      case 2:
        this.#configView.setUint16(offset, value, true);
        break;
      case 4:
        this.#configView.setUint32(offset, value, true);
        break;
    }
    this.backend.writeConfig?.(this.#configView, offset, size);
  }

  now(): Ns {
    return this.#transport.now();
  }

  schedule(kind: string, deadline: Ns): void {
    this.#transport.schedule(kind, deadline);
  }

  cancel(kind: string): void {
    this.#transport.cancel(kind);
  }

  save(): DeviceState {
    const queues: { [index: string]: StateValue } = {};
    for (const queue of this.queues) if (queue.dirty) queues[queue.index] = queue.save();
    return {
      driverFeatures: this.#driverFeatures,
      status: this.status,
      isr: this.isr,
      generation: this.generation,
      broken: this.broken,
      queues,
      backend: this.backend.save(),
    };
  }

  load(state: DeviceState): void {
    this.#setFeatures(state.driverFeatures as bigint);
    this.status = Number(state.status) & 0xff;
    this.isr = Number(state.isr);
    this.generation = Number(state.generation);
    this.broken = state.broken === true;
    const queues = state.queues as { [index: string]: { [key: string]: StateValue } };
    for (const queue of this.queues) {
      queue.reset();
      const saved = queues[queue.index];
      if (saved !== undefined) queue.load(saved);
    }
    this.backend.load(state.backend as DeviceState);
  }

  #fillConfig(): void {
    this.#config.fill(0);
    this.backend.readConfig(this.#configView);
  }

  #setFeatures(features: bigint): void {
    this.#driverFeatures = features;
    // Rings ask for every buffer: a set of small numbers is quicker than shifting a bigint.
    this.#features = new Set();
    for (let bit = 0; bit < 64; bit++) if ((features & feature(bit)) !== 0n) this.#features.add(bit);
  }
}
