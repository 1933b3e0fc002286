/** Devices that were plugged into a recorded machine while it ran. Its configuration does not know of them. */
import type { PciDeviceConfig } from '../../engine/boards/virt/config.ts';
import { decodePciDevice } from '../../engine/boards/virt/pci-hot-plug.ts';
import { DEVICE_ADD, MACHINE } from '../../engine/machine-input.ts';
import type { SyncTraceReader } from '../../traces/index.ts';

export function pluggedDevices(reader: SyncTraceReader): PciDeviceConfig[] {
  const plugged: PciDeviceConfig[] = [];
  for (const batch of reader.batches({ kinds: ['input'], devices: [MACHINE] })) {
    for (const event of batch) {
      if (event.kind !== 'input' || event.what !== DEVICE_ADD) continue;
      const device = decodePciDevice(event.data);
      if (device !== undefined) plugged.push(device);
    }
  }
  return plugged;
}
