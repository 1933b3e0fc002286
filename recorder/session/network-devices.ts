import type { VirtConfig } from '../../engine/boards/virt/config.ts';

/**
 * Ids of the network devices of a machine: their output is frames, and so is what they receive. Takes the configuration
 * of any trace, however little is in it.
 */
export function networkDevices(config: Partial<VirtConfig> | undefined): string[] {
  return [...(config?.virtioMmio ?? []), ...(config?.pciDevices ?? [])]
    .filter(({ type }) => /^virtio-net(-pci)?$/.test(type))
    .map(({ id }) => id);
}
