/** What people call the interrupts of the virt board. */
import { VIRTIO_MMIO_SLOTS } from '../../engine/boards/virt/config.ts';
import { PPI, ppiIntId, SPI, spiIntId } from '../../engine/boards/virt/memory-map.ts';
import type { TraceHeader } from '../../traces/index.ts';
import { recordedConfig } from './setup.ts';

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
  ...['event queue', 'PRI queue', 'CMD_SYNC', 'global error'].map(
    (what, line) => [spiIntId(SPI.smmu + line), `SMMU ${what}`] as const,
  ),
  ...[0, 1, 2, 3].map((pin) => [spiIntId(SPI.pcie + pin), `PCIe INT${'ABCD'[pin]}`] as const),
]);

/**
 * `uart0`, `virtual timer`; empty if it has no fixed use.
 * @param virtio ids of virtio devices by transport
 */
export function interruptName(intid: number, virtio: ReadonlyMap<number, string>): string {
  if (intid < 16) return 'software';
  const name = NAMES.get(intid);
  if (name !== undefined) return name;
  const slot = intid - spiIntId(SPI.virtioMmio);
  if (slot < 0 || slot >= VIRTIO_MMIO_SLOTS) return '';
  return virtio.get(slot) ?? `virtio-mmio${slot}`;
}

/** `SPI 2`, `PPI 11`, `SGI 0`, `LPI 8192`. */
export function interruptNumber(intid: number): string {
  if (intid < 16) return `SGI ${intid}`;
  if (intid < 32) return `PPI ${intid - 16}`;
  if (intid < 1020) return `SPI ${intid - 32}`;
  return intid >= 8192 ? `LPI ${intid}` : `INTID ${intid}`;
}

/** Names as they hold for a recorded machine. */
export function interruptsOf(header: TraceHeader): (intid: number) => string {
  let virtio = new Map<number, string>();
  try {
    virtio = new Map(recordedConfig(header).virtioMmio.map(({ slot, id }) => [slot, id] as const));
  } catch {
    // A configuration that cannot be used has no names.
  }
  return (intid) => interruptName(intid, virtio);
}
