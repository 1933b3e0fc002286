import { PPI, ppiIntId, SPI, spiIntId, VIRTIO_SLOTS } from './board-facts.ts';

/** What a person calls an interrupt of the virt board: `uart0`, `virtual timer`; empty if it has no fixed use. */
export function interruptName(intid: number, virtioDevices: ReadonlyMap<number, string>): string {
  if (intid < 16) return 'software';
  return NAMES.get(intid) ?? virtioName(intid, virtioDevices);
}

function virtioName(intid: number, devices: ReadonlyMap<number, string>): string {
  const slot = intid - spiIntId(SPI.virtioMmio);
  if (slot < 0 || slot >= VIRTIO_SLOTS) return '';
  return devices.get(slot) ?? `virtio-mmio${slot}`;
}

/** `SPI 2`, `PPI 11`, `SGI 0`, `LPI 8192`. */
export function interruptNumber(intid: number): string {
  if (intid < 16) return `SGI ${intid}`;
  if (intid < 32) return `PPI ${intid - 16}`;
  if (intid < 1020) return `SPI ${intid - 32}`;
  return intid >= 8192 ? `LPI ${intid}` : `INTID ${intid}`;
}

const NAMES: ReadonlyMap<number, string> = new Map([
  [ppiIntId(PPI.pmu), 'PMU'],
  [ppiIntId(PPI.gicMaintenance), 'GIC maintenance'],
  [ppiIntId(PPI.hypervisorTimer), 'hypervisor timer'],
  [ppiIntId(PPI.virtualTimer), 'virtual timer'],
  [ppiIntId(PPI.secureTimer), 'secure timer'],
  [ppiIntId(PPI.physicalTimer), 'physical timer'],
  [spiIntId(SPI.uart0), 'uart0'],
  [spiIntId(SPI.rtc), 'rtc'],
  [spiIntId(SPI.gpio), 'gpio'],
  [spiIntId(SPI.uart1), 'uart1'],
  [spiIntId(SPI.ged), 'ged'],
  ...[0, 1, 2, 3].map((pin) => [spiIntId(SPI.pcie + pin), `PCIe INT${'ABCD'[pin]}`] as const),
]);
