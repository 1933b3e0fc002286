import type { PciDeviceConfig, VirtConfig } from '../../engine/boards/virt/config.ts';

/**
 * Ids of the network devices of a machine: their output is frames, and so is what they receive. Takes the configuration
 * of any trace, however little is in it, and the devices that were plugged later.
 */
export function networkDevices(
  config: Partial<VirtConfig> | undefined,
  plugged: readonly PciDeviceConfig[] = [],
): string[] {
  const all = [...(config?.virtioMmio ?? []), ...(config?.pciDevices ?? []), ...plugged]
    .filter(({ type }) => /^virtio-net(-pci)?$/.test(type))
    .map(({ id }) => id);
  return [...new Set(all)];
}
