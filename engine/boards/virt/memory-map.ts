/**
 * Where everything is: addresses and interrupts of the board (virt-board.md sections 1 and 2). Wiring and
 * device tree are both made from these literals.
 *
 *   0x0000_0000  +--------------------------+
 *                | flash, two banks         |  64 MiB each (bank 0 is Secure with secure=on)
 *   0x0800_0000  +--------------------------+
 *                | GIC                      |  distributor, GICC | v2m | GICH, GICV | ITS | redistributors
 *   0x0900_0000  +--------------------------+
 *                | UART, RTC, fw_cfg, GPIO, |
 *                | SMMU, GED ...            |
 *   0x0A00_0000  +--------------------------+
 *                | virtio-mmio              |  32 x 0x200
 *   0x0C00_0000  +--------------------------+
 *                | platform bus             |
 *   0x0E00_0000  +--------------------------+
 *                | Secure RAM               |  16 MiB, secure=on
 *   0x1000_0000  +--------------------------+
 *                | PCIe 32-bit window, I/O, |
 *                | ECAM of 16 buses         |
 *   0x4000_0000  +--------------------------+
 *                | RAM                      |  -m
 *                +--------------------------+  RAM end, rounded up to 1 GiB
 *                | hot-plug memory          |  maxmem - m, and 1 GiB per slot
 *                +--------------------------+  at least 0x40_0000_0000 (256 GiB); the rest floats:
 *                | GICv3 redistributors 2   |  64 MiB
 *                | PCIe ECAM, 256 buses     |  256 MiB
 *                | PCIe 64-bit window       |  512 GiB
 *                +--------------------------+  all of it below 2^(physical address bits)
 */
import { isAarch64, lowRedistributors, physicalAddressBits, type VirtConfig } from './config.ts';

export interface Region {
  readonly base: number;
  readonly size: number;
}

const MiB = 0x10_0000;
export const GiB = 0x4000_0000;

/** Fixed regions. */
export const MEMORY_MAP = {
  flash0: { base: 0x0000_0000, size: 0x0400_0000 },
  flash1: { base: 0x0400_0000, size: 0x0400_0000 },
  /** What CPUs report as CBAR; no device. */
  cpuPeripherals: { base: 0x0800_0000, size: 0x0002_0000 },
  gicDistributor: { base: 0x0800_0000, size: 0x0001_0000 },
  gicCpuInterface: { base: 0x0801_0000, size: 0x0001_0000 },
  gicV2m: { base: 0x0802_0000, size: 0x0000_1000 },
  gicHypervisor: { base: 0x0803_0000, size: 0x0001_0000 },
  gicVirtualCpu: { base: 0x0804_0000, size: 0x0001_0000 },
  gicIts: { base: 0x0808_0000, size: 0x0002_0000 },
  gicRedistributors: { base: 0x080a_0000, size: 0x00f6_0000 },
  uart0: { base: 0x0900_0000, size: 0x0000_1000 },
  rtc: { base: 0x0901_0000, size: 0x0000_1000 },
  fwCfg: { base: 0x0902_0000, size: 0x0000_0018 },
  gpio: { base: 0x0903_0000, size: 0x0000_1000 },
  uart1: { base: 0x0904_0000, size: 0x0000_1000 },
  smmu: { base: 0x0905_0000, size: 0x0002_0000 },
  memoryHotplug: { base: 0x0907_0000, size: 0x0000_0018 },
  ged: { base: 0x0908_0000, size: 0x0000_0004 },
  nvdimmDsm: { base: 0x0909_0000, size: 0x0000_0004 },
  secureGpio: { base: 0x090b_0000, size: 0x0000_1000 },
  /** Slot n is at base + n × VIRTIO_MMIO_STRIDE. */
  virtioMmio: { base: 0x0a00_0000, size: 0x0000_4000 },
  platformBus: { base: 0x0c00_0000, size: 0x0200_0000 },
  secureRam: { base: 0x0e00_0000, size: 0x0100_0000 },
  pcieMmio: { base: 0x1000_0000, size: 0x2eff_0000 },
  pcieIo: { base: 0x3eff_0000, size: 0x0001_0000 },
  pcieEcamLow: { base: 0x3f00_0000, size: 0x0100_0000 },
  /** The base only; the size is the configuration's. */
  ram: { base: 0x4000_0000, size: 0 },
} as const satisfies { readonly [name: string]: Region };

export const RAM_BASE = MEMORY_MAP.ram.base;
export const VIRTIO_MMIO_STRIDE = 0x200;

/** Shared interrupts by SPI number; INTID = SPI + 32. */
export const SPI = {
  // QEMU: the Secure PL061 has no entry of its own and lands on 0.
  secureGpio: 0,
  uart0: 1,
  rtc: 2,
  /** INTA–INTD: 3, 4, 5, 6. */
  pcie: 3,
  gpio: 7,
  uart1: 8,
  ged: 9,
  /** Slot n has 16 + n. */
  virtioMmio: 16,
  /** 64 message interrupts; the SMMU's four lie inside. */
  v2m: 48,
  /** Event queue, PRI queue, command sync, global error. */
  smmu: 74,
  platformBus: 112,
} as const;
export const SPI_COUNT = 256;
export const V2M_SPI_COUNT = 64;

/** Private interrupts by PPI number; INTID = PPI + 16. */
export const PPI = {
  pmu: 7,
  gicMaintenance: 9,
  hypervisorTimer: 10,
  virtualTimer: 11,
  secureTimer: 13,
  physicalTimer: 14,
} as const;

export function spiIntId(spi: number): number {
  return spi + 32;
}

export function ppiIntId(ppi: number): number {
  return ppi + 16;
}

/** SPI of a legacy PCI interrupt pin (1 = INTA) of a device on bus 0 (virt-board.md 2.3). */
export function pcieSpi(device: number, pin: number): number {
  return SPI.pcie + ((device + pin - 1) % 4);
}

export function virtioMmioRegion(slot: number): Region {
  return { base: MEMORY_MAP.virtioMmio.base + slot * VIRTIO_MMIO_STRIDE, size: VIRTIO_MMIO_STRIDE };
}

/* --- What floats above RAM --------------------------------------------------------------------------- */

/** Placement of everything that depends on the configuration. A region that is off or does not fit is absent. */
export interface Layout {
  readonly ram: Region;
  /** Hot-plug memory; size 0 when there is none. */
  readonly deviceMemory: Region;
  /** First address after RAM and hot-plug memory (rounded up): must be within the address bits. */
  readonly memoryEnd: number;
  /** Address bits in force: the CPU type's, 32 with highmem=off. */
  readonly addressBits: number;
  /** Room for redistributors of CPUs beyond region 1; reserved also where the GIC has none. */
  readonly highRedistributors?: Region;
  readonly ecam: Region;
  readonly pcieMmio64?: Region;
}

function roundUp(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit;
}

/**
 * Places the high regions (virt-board.md 1.2).
 * @param firmware a firmware image is in flash: an AArch32 CPU then gets the low ECAM
 */
export function layoutOf(config: VirtConfig, firmware: boolean): Layout {
  const addressBits = config.highmem ? physicalAddressBits(config) : 32;
  const limit = 2 ** addressBits;
  const { size, maxSize, slots } = config.ram;
  const ram = { base: RAM_BASE, size };
  const deviceMemory = {
    base: roundUp(RAM_BASE + size, GiB),
    size: maxSize === size && slots === 0 ? 0 : maxSize - size + slots * GiB,
  };
  const memoryEnd = deviceMemory.base + roundUp(deviceMemory.size, GiB);
  let next = Math.max(memoryEnd, 256 * GiB);
  const place = (length: number, enabled: boolean): Region | undefined => {
    const base = roundUp(next, length);
    const fits = base + length <= limit;
    const placed = enabled && config.highmem && fits;
    if (placed || !config.compactHighmem) next = base + length;
    return placed ? { base, size: length } : undefined;
  };
  const highRedistributors = place(64 * MiB, config.highmemRedists);
  const highEcam = place(256 * MiB, config.highmemEcam && (!firmware || isAarch64(config)));
  const pcieMmio64 = place(512 * GiB, config.highmemMmio);
  return {
    ram,
    deviceMemory,
    memoryEnd,
    addressBits,
    ...(highRedistributors === undefined ? {} : { highRedistributors }),
    ecam: highEcam ?? MEMORY_MAP.pcieEcamLow,
    ...(pcieMmio64 === undefined ? {} : { pcieMmio64 }),
  };
}

/** Redistributor regions in use: the second one only when the CPUs do not fit into the first. */
export function redistributorRegions(config: VirtConfig, layout: Layout): Region[] {
  if (config.gicVersion === 2) return [];
  const first: Region = MEMORY_MAP.gicRedistributors;
  const more = config.smp.cpus > lowRedistributors(config) && layout.highRedistributors !== undefined;
  return more ? [first, layout.highRedistributors!] : [first];
}
