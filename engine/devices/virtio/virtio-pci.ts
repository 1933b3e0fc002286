import type { DeviceState, StateValue } from '../../base/device.ts';
import { addEndpointExpress, addPowerManagement, DEVCTL_FLR, EXPRESS } from '../pcie/capabilities.ts';
import { COMMAND } from '../pcie/config-space.ts';
import { Msix } from '../pcie/msix.ts';
import { PciFunction, type PciPorts } from '../pcie/pci-function.ts';
import { STATUS } from './virtio-bits.ts';
import { type VirtioBackend, VirtioDevice } from './virtio-device.ts';
import { legacyRead, legacyWrite } from './virtio-pci-legacy.ts';
import {
  COMMON,
  legacyRegisterMap,
  modernRegisterMap,
  NO_VECTOR,
  NOTIFY_MULTIPLIER,
  STRUCTURE_BYTES,
  STRUCTURES,
} from './virtio-pci-registers.ts';
import { QUEUE_SIZE_MAX } from './virtqueue.ts';

export interface VirtioPciOptions {
  readonly backend: VirtioBackend;
  /** Class, subclass and programming interface. */
  readonly classCode: number;
  /** Device ID on a bus where legacy drivers may find it; without one the device is modern only. */
  readonly transitionalId?: number;
  /** MSI-X vectors; 0: INTx only. */
  readonly vectors: number;
  readonly multiFunction?: boolean;
  /** No legacy interface, wherever the device is. */
  readonly disableLegacy?: boolean;
  /** Rings and buffers go through the IOMMU. Without it they go around it (QEMU), but messages never do. */
  readonly iommuPlatform?: boolean;
}

const VENDOR_VIRTIO = 0x1af4;
const MODERN_ID = 0x1040;
const MODERN_SUBSYSTEM = 0x1100;
const CAP_VENDOR = 0x09;
const MODERN_BAR = 4;
const MSIX_BAR = 1;
const LEGACY_BAR = 0;
/** Where capabilities begin; an express function has those of the bus first (QEMU's order). */
const EXPRESS_AT = 0x40;
const POWER_AT = 0x7c;
const CAP_BYTES = 16;
const NOTIFY_CAP_BYTES = 20;
const ACCESS_CAP_BYTES = 20;
const CFG_TYPE_PCI = 5;

/** What the driver has written for a queue; valid once it is enabled. */
interface QueueSetup {
  /** Low and high words of descriptor table, available ring and used ring. */
  readonly address: Uint32Array;
  enabled: boolean;
  vector: number;
}

/**
 * virtio over PCI (virtio 1.2, section 4.1): modern, and on a bus without express ports also the legacy
 * interface, as QEMU's virtio-*-pci.
 */
export class VirtioPci extends PciFunction {
  readonly virtio: VirtioDevice;
  readonly hasLegacy: boolean;
  readonly msix: Msix | undefined;
  readonly setups: readonly QueueSetup[];
  configVector = NO_VECTOR;
  queueSelect = 0;
  #deviceFeatureSelect = 0;
  #driverFeatureSelect = 0;
  readonly #driverFeatures = new Uint32Array(2);
  /** Where the capability for accesses through configuration space is. */
  #accessAt = 0;
  readonly #expressAt: number | undefined;

  constructor(ports: PciPorts, options: VirtioPciOptions) {
    const { backend, vectors } = options;
    const express = ports.slot.express;
    const legacyId = express || options.disableLegacy === true ? undefined : options.transitionalId;
    const iommuPlatform = options.iommuPlatform === true;
    const ringDma = iommuPlatform ? ports.dma : (ports.directDma ?? ports.dma);
    super(ports, {
      identity: {
        vendor: VENDOR_VIRTIO,
        device: legacyId ?? MODERN_ID + backend.deviceId,
        revision: legacyId === undefined ? 1 : 0,
        classCode: options.classCode,
        subsystemVendor: VENDOR_VIRTIO,
        subsystem: legacyId === undefined ? MODERN_SUBSYSTEM : backend.deviceId,
        pin: 1,
      },
      configSize: express ? 4096 : 256,
      reference: 'virtio 1.2, 4.1',
      ...(options.multiFunction === undefined ? {} : { multiFunction: options.multiFunction }),
    });
    this.hasLegacy = legacyId !== undefined;
    const isSuspended = (): boolean => !this.isMaster;
    this.virtio = new VirtioDevice(backend, {
      dma: {
        read: (at, into) => this.isMaster && ringDma.read(at, into),
        write: (at, from) => this.isMaster && ringDma.write(at, from),
      },
      accessPlatform: iommuPlatform,
      observer: ports.observer,
      modern: true,
      transitional: this.hasLegacy,
      get suspended() {
        return isSuspended();
      },
      interrupt: (cause) => this.#interrupt(cause),
      interruptCleared: () => this.setIntx(false),
      guestError: (message) => ports.observer.guestError(0, message),
      now: () => ports.timers.now(),
      schedule: (kind, deadline) => ports.timers.schedule(kind, deadline),
      cancel: (kind) => ports.timers.cancel(kind),
    });
    this.setups = this.virtio.queues.map(() => ({
      address: new Uint32Array(6),
      enabled: false,
      vector: NO_VECTOR,
    }));
    this.#expressAt = express ? EXPRESS_AT : undefined;
    const described = {
      name: backend.name,
      queues: backend.queueSizes.length,
      config: backend.configRegisters,
    };
    const end = this.#addCapabilities(express);
    this.msix = vectors === 0 ? undefined : new Msix(this, vectors, end, MSIX_BAR);
    if (this.hasLegacy) {
      const bytes = (vectors === 0 ? 20 : 24) + backend.configBytes;
      this.addBar(LEGACY_BAR, {
        kind: 'io',
        size: 2 ** (32 - Math.clz32(bytes - 1)),
        registers: legacyRegisterMap(described, vectors > 0),
        read: (offset, size) => legacyRead(this, offset, size),
        write: (offset, size, value) => legacyWrite(this, offset, size, value),
      });
    }
    if (this.msix !== undefined) this.addBar(MSIX_BAR, this.msix.bar());
    this.addBar(MODERN_BAR, {
      kind: 'memory64',
      prefetchable: true,
      size: 4 * STRUCTURE_BYTES,
      registers: modernRegisterMap(described),
      read: (offset, size) => this.#readModern(offset, size),
      write: (offset, size, value) => this.#writeModern(offset, size, value),
    });
  }

  /** Bytes from outside for the device. */
  receive(kind: string, data: Uint8Array): void {
    this.virtio.receive(kind, data);
  }

  receiveCapacity(): number {
    return this.virtio.backend.receiveCapacity?.() ?? 0;
  }

  timer(kind: string): void {
    this.virtio.timer(kind);
  }

  get hasMessages(): boolean {
    return this.msix?.enabled === true;
  }

  /** A vector the driver asks for, or NO_VECTOR if there is none of that number. */
  vectorFor(value: number): number {
    return value < (this.msix?.vectors ?? 0) ? value : NO_VECTOR;
  }

  /** The driver writes the status register, through either interface. */
  writeStatus(value: number): void {
    if ((value & 0xff) === 0) this.resetDevice();
    else this.virtio.setStatus(value);
  }

  /** A reset by the driver. */
  resetDevice(): void {
    this.virtio.setStatus(0);
    this.#forgetQueues();
  }

  /** Reads the interrupt status, which clears it. */
  takeIsr(): number {
    const { isr } = this.virtio;
    this.virtio.acknowledge(0xff);
    return isr;
  }

  #forgetQueues(): void {
    this.configVector = NO_VECTOR;
    this.queueSelect = 0;
    for (const setup of this.setups) {
      setup.address.fill(0);
      setup.enabled = false;
      setup.vector = NO_VECTOR;
    }
  }

  #interrupt(cause: number | 'config'): void {
    if (!this.hasMessages) {
      this.setIntx((this.virtio.isr & 1) !== 0);
      return;
    }
    const vector = cause === 'config' ? this.configVector : this.setups[cause]?.vector;
    if (vector !== undefined && vector !== NO_VECTOR) this.msix?.notify(vector);
  }

  /* --- Configuration space ------------------------------------------------------------------------------ */

  /** Adds what describes the modern BAR; gives the first free offset for MSI-X. */
  #addCapabilities(express: boolean): number {
    const { config } = this;
    if (express) {
      addEndpointExpress(config, EXPRESS_AT);
      addPowerManagement(config, POWER_AT);
    }
    let at = express ? POWER_AT + 8 : 0x40;
    const add = (type: number, name: string, bytes: number, offset: number, length: number): number => {
      const start = at;
      const prefix = `VIRTIO_${name}`;
      config.addCapability(CAP_VENDOR, start, bytes, prefix);
      config.add({ name: `${prefix}_LEN`, offset: start + 2, width: 1, reset: bytes });
      config.add({ name: `${prefix}_TYPE`, offset: start + 3, width: 1, reset: type });
      const isAccess = type === CFG_TYPE_PCI;
      const bar = isAccess ? 0 : MODERN_BAR;
      config.add({
        name: `${prefix}_BAR`,
        offset: start + 4,
        width: 1,
        reset: bar,
        write: isAccess ? 0xff : 0,
      });
      const write = isAccess ? 0xffff_ffff : 0;
      config.add({ name: `${prefix}_OFFSET`, offset: start + 8, width: 4, reset: offset, write });
      config.add({ name: `${prefix}_LENGTH`, offset: start + 12, width: 4, reset: length, write });
      at += bytes;
      return start;
    };
    for (const { type, name, offset } of Object.values(STRUCTURES)) {
      const isNotify = type === STRUCTURES.notify.type;
      const start = add(type, name, isNotify ? NOTIFY_CAP_BYTES : CAP_BYTES, offset, STRUCTURE_BYTES);
      if (!isNotify) continue;
      config.add({
        name: 'VIRTIO_NOTIFY_MULTIPLIER',
        offset: start + 16,
        width: 4,
        reset: NOTIFY_MULTIPLIER,
      });
    }
    this.#accessAt = add(CFG_TYPE_PCI, 'PCI_CFG', ACCESS_CAP_BYTES, 0, 0);
    config.add({
      name: 'VIRTIO_PCI_CFG_DATA',
      offset: this.#accessAt + 16,
      width: 4,
      write: 0xffff_ffff,
      meaning: 'reads and writes what BAR, OFFSET and LENGTH name',
    });
    return at;
  }

  protected override readConfig(offset: number, size: 1 | 2 | 4): number {
    const access = this.#throughConfig(offset, size);
    if (access !== undefined) {
      const { bar, at, length } = access;
      this.config.set(this.#accessAt + 16, length, this.bars[bar]!.read(at, length));
    }
    return super.readConfig(offset, size);
  }

  protected override writeConfig(offset: number, size: 1 | 2 | 4, value: number): void {
    const hadMessages = this.hasMessages;
    super.writeConfig(offset, size, value);
    if (this.msix?.covers(offset, size) === true) {
      this.msix.controlChanged();
      if (this.hasMessages !== hadMessages) this.setIntx(false);
    }
    const access = this.#throughConfig(offset, size);
    if (access !== undefined) {
      const { bar, at, length } = access;
      this.bars[bar]!.write(at, length, this.config.read(this.#accessAt + 16, length));
    }
    this.#watchFlr(offset, size, value);
  }

  /** Virtio 1.2, 4.1.4.9: an access to the data field of the capability is one to the BAR it names. */
  #throughConfig(offset: number, size: number): { bar: number; at: number; length: 1 | 2 | 4 } | undefined {
    const data = this.#accessAt + 16;
    if (offset >= data + 4 || offset + size <= data) return undefined;
    const bar = this.config.bytes[this.#accessAt + 4]!;
    const at = this.config.long(this.#accessAt + 8);
    const length = this.config.long(this.#accessAt + 12);
    if (length !== 1 && length !== 2 && length !== 4) return undefined;
    const target = this.bars[bar];
    // Only the BAR with the structures, and only aligned accesses inside it.
    if (target === undefined || bar !== MODERN_BAR || at % length !== 0 || at + length > target.size) {
      return undefined;
    }
    return { bar, at, length };
  }

  /** Function level reset (PCI Express 4.0, 6.6.2). */
  #watchFlr(offset: number, size: number, value: number): void {
    if (this.#expressAt === undefined) return;
    const high = this.#expressAt + EXPRESS.DEVCTL + 1;
    if (offset > high || offset + size <= high) return;
    if (((value >>> (8 * (high - offset))) & (DEVCTL_FLR >>> 8)) !== 0) this.reset();
  }

  /** Without bus mastering nothing moves; the driver has to start again (QEMU). */
  protected override commandChanged(before: number, after: number): void {
    if ((before & COMMAND.MASTER) !== 0 && (after & COMMAND.MASTER) === 0) {
      if ((this.virtio.status & STATUS.DRIVER_OK) !== 0) {
        this.virtio.setStatus(this.virtio.status & ~STATUS.DRIVER_OK);
      }
    } else if ((before & COMMAND.MASTER) === 0 && (after & COMMAND.MASTER) !== 0) {
      this.virtio.resume();
    }
  }

  /** QEMU: an old legacy driver never allows bus mastering; it is allowed for it. */
  allowMaster(): void {
    this.write(4, 1, (this.command & 0xff) | COMMAND.MASTER);
  }

  /* --- The modern BAR ----------------------------------------------------------------------------------- */

  #readModern(offset: number, size: 1 | 2 | 4): number {
    const at = offset % STRUCTURE_BYTES;
    switch (offset - at) {
      case STRUCTURES.common.offset:
        return (this.#readCommon(at) & (2 ** (8 * size) - 1)) >>> 0;
      case STRUCTURES.isr.offset:
        return at === 0 ? this.takeIsr() : this.#refuse(offset, 'read of no register');
      case STRUCTURES.device.offset:
        return this.virtio.readConfig(at, size);
      default:
        return 0;
    }
  }

  #writeModern(offset: number, size: 1 | 2 | 4, value: number): void {
    const at = offset % STRUCTURE_BYTES;
    switch (offset - at) {
      case STRUCTURES.common.offset:
        this.#writeCommon(at, value);
        return;
      case STRUCTURES.device.offset:
        this.virtio.writeConfig(at, size, value);
        return;
      case STRUCTURES.notify.offset:
        this.virtio.notify(Math.floor(at / NOTIFY_MULTIPLIER));
        return;
      default:
        this.#refuse(offset, 'write to no register');
    }
  }

  /** QEMU: a register answers at its own offset only, whatever the size of the access. */
  #readCommon(offset: number): number {
    const { virtio } = this;
    const setup = this.setups[this.queueSelect];
    switch (offset) {
      case COMMON.device_feature_select:
        return this.#deviceFeatureSelect;
      case COMMON.device_feature: {
        if (this.#deviceFeatureSelect > 1) return 0;
        return Number(BigInt.asUintN(32, virtio.modernFeatures >> BigInt(32 * this.#deviceFeatureSelect)));
      }
      case COMMON.driver_feature_select:
        return this.#driverFeatureSelect;
      case COMMON.driver_feature:
        return this.#driverFeatures[this.#driverFeatureSelect] ?? 0;
      case COMMON.config_msix_vector:
        return this.configVector;
      case COMMON.num_queues:
        return virtio.queues.length;
      case COMMON.device_status:
        return virtio.status;
      case COMMON.config_generation:
        return virtio.generation & 0xff;
      case COMMON.queue_select:
        return this.queueSelect;
      case COMMON.queue_size:
        return virtio.queue(this.queueSelect).size;
      case COMMON.queue_msix_vector:
        return setup?.vector ?? NO_VECTOR;
      case COMMON.queue_enable:
        return setup?.enabled === true ? 1 : 0;
      case COMMON.queue_notify_off:
        return this.queueSelect;
      case COMMON.queue_reset:
        return 0;
    }
    const word = addressWord(offset);
    if (word !== undefined) return setup?.address[word] ?? 0;
    return this.#refuse(offset, 'read of no register');
  }

  #writeCommon(offset: number, value: number): void {
    const { virtio } = this;
    const setup = this.setups[this.queueSelect];
    switch (offset) {
      case COMMON.device_feature_select:
        this.#deviceFeatureSelect = value;
        return;
      case COMMON.driver_feature_select:
        this.#driverFeatureSelect = value;
        return;
      case COMMON.driver_feature:
        if (this.#driverFeatureSelect > 1) return;
        this.#driverFeatures[this.#driverFeatureSelect] = value;
        virtio.setDriverFeatures(
          BigInt(this.#driverFeatures[0]!) | (BigInt(this.#driverFeatures[1]!) << 32n),
        );
        return;
      case COMMON.config_msix_vector:
        this.configVector = this.vectorFor(value & 0xffff);
        return;
      case COMMON.device_status:
        this.writeStatus(value);
        return;
      case COMMON.queue_select:
        if ((value & 0xffff) < QUEUE_SIZE_MAX) this.queueSelect = value & 0xffff;
        return;
      case COMMON.queue_size:
        virtio.queue(this.queueSelect).resize(value & 0xffff);
        return;
      case COMMON.queue_msix_vector:
        if (setup !== undefined) setup.vector = this.vectorFor(value & 0xffff);
        return;
      case COMMON.queue_enable:
        this.#enableQueue(setup, value & 0xffff);
        return;
      case COMMON.queue_reset:
        if ((value & 0xffff) !== 1 || setup === undefined) return;
        virtio.queue(this.queueSelect).reset();
        setup.enabled = false;
        return;
    }
    const word = addressWord(offset);
    if (word === undefined) this.#refuse(offset, 'write to no register');
    else if (setup !== undefined) setup.address[word] = value;
  }

  #enableQueue(setup: QueueSetup | undefined, value: number): void {
    if (setup === undefined) return;
    if (value !== 1) {
      // 4.1.4.3.2: the driver must not write 0; only a reset takes a queue away.
      this.virtio.fail(`queue_enable: ${value} written`);
      return;
    }
    const address = (part: number) => setup.address[2 * part]! + setup.address[2 * part + 1]! * 2 ** 32;
    this.virtio.queue(this.queueSelect).install(address(0), address(1), address(2));
    setup.enabled = true;
  }

  #refuse(offset: number, message: string): 0 {
    this.ports.observer.guestError(offset, message);
    return 0;
  }

  /* --- State -------------------------------------------------------------------------------------------- */

  protected resetFunction(): void {
    this.virtio.reset();
    this.msix?.reset();
    this.#forgetQueues();
    // QEMU: a reset by the driver leaves selectors and accepted features to be read.
    this.#driverFeatures.fill(0);
    this.#deviceFeatureSelect = 0;
    this.#driverFeatureSelect = 0;
  }

  protected saveFunction(): DeviceState {
    return {
      configVector: this.configVector,
      queueSelect: this.queueSelect,
      deviceFeatureSelect: this.#deviceFeatureSelect,
      driverFeatureSelect: this.#driverFeatureSelect,
      driverFeatures: [...this.#driverFeatures],
      setups: this.setups.map((s): StateValue => [s.enabled, s.vector, ...s.address]),
      msix: this.msix?.save() ?? null,
      virtio: this.virtio.save(),
    };
  }

  protected loadFunction(state: DeviceState): void {
    this.configVector = Number(state.configVector);
    this.queueSelect = Number(state.queueSelect);
    this.#deviceFeatureSelect = Number(state.deviceFeatureSelect);
    this.#driverFeatureSelect = Number(state.driverFeatureSelect);
    this.#driverFeatures.set((state.driverFeatures as number[]).slice(0, 2));
    const setups = state.setups as (number | boolean)[][];
    this.setups.forEach((setup, index) => {
      const [enabled = false, vector = NO_VECTOR, ...address] = setups[index] ?? [];
      setup.enabled = enabled === true;
      setup.vector = Number(vector);
      for (let word = 0; word < 6; word++) setup.address[word] = Number(address[word] ?? 0);
    });
    if (this.msix !== undefined && state.msix !== null) this.msix.load(state.msix!);
    this.virtio.load(state.virtio as DeviceState);
  }
}

/** Index among the six words of a queue's addresses. */
function addressWord(offset: number): number | undefined {
  if (offset < COMMON.queue_desc || offset >= COMMON.queue_device + 8 || offset % 4 !== 0) return undefined;
  return (offset - COMMON.queue_desc) / 4;
}
