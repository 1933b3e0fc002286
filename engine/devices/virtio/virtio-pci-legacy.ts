import { STATUS } from './virtio-bits.ts';
import type { VirtioPci } from './virtio-pci.ts';
import { LEGACY, NO_VECTOR } from './virtio-pci-registers.ts';
import { QUEUE_SIZE_MAX } from './virtqueue.ts';

/* The legacy interface of virtio-pci (virtio 1.2, 4.1.4.10): registers in I/O space. */

const PAGE = 4096;
/**
 * QEMU offers this bit to see whether a driver really looks at what is offered: one that accepts it does not, and
 * is taken to accept nothing.
 */
const BAD_FEATURE = 0x4000_0000;

/** The device's configuration begins behind the vectors, which are only there with MSI-X. */
function configStart(pci: VirtioPci): number {
  return pci.hasMessages ? 0x18 : 0x14;
}

export function legacyRead(pci: VirtioPci, offset: number, size: 1 | 2 | 4): number {
  const start = configStart(pci);
  if (offset >= start) return pci.virtio.readConfig(offset - start, size);
  return (readRegister(pci, offset) & (2 ** (8 * size) - 1)) >>> 0;
}

function readRegister(pci: VirtioPci, offset: number): number {
  const { virtio } = pci;
  const queue = virtio.queue(pci.queueSelect);
  switch (offset) {
    case LEGACY.DeviceFeatures:
      return (Number(BigInt.asUintN(32, virtio.deviceFeatures)) | BAD_FEATURE) >>> 0;
    case LEGACY.DriverFeatures:
      return Number(BigInt.asUintN(32, virtio.driverFeatures));
    case LEGACY.QueueAddress:
      return Math.floor(queue.desc / PAGE) % 2 ** 32;
    case LEGACY.QueueSize:
      return queue.size;
    case LEGACY.QueueSelect:
      return pci.queueSelect;
    case LEGACY.DeviceStatus:
      return virtio.status;
    case LEGACY.ISRStatus:
      return pci.takeIsr();
    case LEGACY.ConfigVector:
      return pci.configVector;
    case LEGACY.QueueVector:
      return pci.setups[pci.queueSelect]?.vector ?? NO_VECTOR;
    default:
      // Ports between registers read as ones.
      return 0xffff_ffff;
  }
}

export function legacyWrite(pci: VirtioPci, offset: number, size: 1 | 2 | 4, value: number): void {
  const { virtio } = pci;
  const start = configStart(pci);
  if (offset >= start) {
    virtio.writeConfig(offset - start, size, value);
    return;
  }
  switch (offset) {
    case LEGACY.DriverFeatures:
      virtio.setDriverFeatures((value & BAD_FEATURE) !== 0 ? 0n : BigInt(value));
      return;
    case LEGACY.QueueAddress:
      if (value === 0) pci.resetDevice();
      else virtio.queue(pci.queueSelect).installLegacy(value * PAGE);
      return;
    case LEGACY.QueueSelect:
      if (value < QUEUE_SIZE_MAX) pci.queueSelect = value;
      return;
    case LEGACY.QueueNotify:
      virtio.notify(value & 0xffff);
      return;
    case LEGACY.DeviceStatus:
      pci.writeStatus(value & 0xff);
      if ((value & 0xff) === (STATUS.ACKNOWLEDGE | STATUS.DRIVER)) pci.allowMaster();
      return;
    case LEGACY.ConfigVector:
      pci.configVector = pci.vectorFor(value & 0xffff);
      return;
    case LEGACY.QueueVector: {
      const setup = pci.setups[pci.queueSelect];
      if (setup !== undefined) setup.vector = pci.vectorFor(value & 0xffff);
      return;
    }
    default:
      pci.ports.observer.guestError(offset, 'legacy write to no register');
  }
}
