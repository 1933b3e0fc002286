import type { DeviceState } from '../../base/device.ts';
import { PciFunction, type PciPorts } from './pci-function.ts';

/** Vendor of QEMU's own PCI devices, and its subsystem vendor and number. */
export const VENDOR_REDHAT = 0x1b36;
export const SUBSYSTEM_VENDOR = 0x1af4;
export const SUBSYSTEM = 0x1100;

/** Function 00:00.0: the root complex as a guest sees it. It only says that it is there. */
export class HostBridge extends PciFunction {
  constructor(ports: PciPorts) {
    super(ports, {
      identity: {
        vendor: VENDOR_REDHAT,
        device: 0x0008,
        revision: 0,
        classCode: 0x06_00_00,
        subsystemVendor: SUBSYSTEM_VENDOR,
        subsystem: SUBSYSTEM,
        pin: 0,
      },
      configSize: 256,
      reference: 'PCI 3.0 section 6.1',
    });
  }

  protected resetFunction(): void {}

  protected saveFunction(): DeviceState {
    return {};
  }

  protected loadFunction(): void {}
}
