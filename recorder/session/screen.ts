/** What is on the screen of a machine, as of now. */
import type { GpuImage } from '../../engine/devices/virtio/gpu-image.ts';
import { VirtioGpu } from '../../engine/devices/virtio/virtio-gpu.ts';
import { VirtioMmio } from '../../engine/devices/virtio/virtio-mmio.ts';
import { VirtioPci } from '../../engine/devices/virtio/virtio-pci.ts';
import type { Machine } from '../../engine/machine.ts';

/** Its graphics devices by id, each with what it shows; undefined: nothing. */
export function screensOf(machine: Machine): Map<string, GpuImage | undefined> {
  const screens = new Map<string, GpuImage | undefined>();
  for (const [id, device] of machine.devices) {
    const isVirtio = device instanceof VirtioPci || device instanceof VirtioMmio;
    const backend = isVirtio ? device.virtio?.backend : undefined;
    if (backend instanceof VirtioGpu) screens.set(id, backend.screen());
  }
  return screens;
}
