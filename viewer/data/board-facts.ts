/** Facts of the virt board that the page shows by name. */

export { VIRTIO_MMIO_SLOTS as VIRTIO_SLOTS } from '../../engine/boards/virt/config.ts';
export { PPI, ppiIntId, SPI, spiIntId } from '../../engine/boards/virt/memory-map.ts';
