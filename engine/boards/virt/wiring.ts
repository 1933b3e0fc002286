import { type AddressSpace, busMaster, type Doorbell, PhysicalSpace } from '../../base/address-space.ts';
import type { Device, DevicePorts, DmaPort, InterruptLine } from '../../base/device.ts';
import { CfiFlash, type FlashStorage } from '../../devices/cfi-flash.ts';
import { FW_CFG_ID, FwCfg, type FwCfgItem } from '../../devices/fw-cfg.ts';
import { Gicv2 } from '../../devices/gic/gicv2.ts';
import { Gicv2m } from '../../devices/gic/gicv2m.ts';
import { Gicv3 } from '../../devices/gic/gicv3.ts';
import type { GicOptions, InterruptController } from '../../devices/gic/interrupt-controller.ts';
import { Its } from '../../devices/gic/its.ts';
import { Pl011 } from '../../devices/pl011.ts';
import { Pl031 } from '../../devices/pl031.ts';
import { Pl061 } from '../../devices/pl061.ts';
import { SmmuSpace } from '../../devices/smmuv3/smmu-dma.ts';
import { Smmuv3 } from '../../devices/smmuv3/smmuv3.ts';
import type { BlockStorage } from '../../devices/virtio/block-storage.ts';
import type { FolderQuestion } from '../../devices/virtio/p9/folder.ts';
import { VirtioMmio } from '../../devices/virtio/virtio-mmio.ts';
import type { BootImage } from '../boot.ts';
import { OptionError } from '../option-error.ts';
import { isVirtioKind, makeBackend, VIRTIO_KINDS } from './backends.ts';
import {
  affinityGroupSize,
  hasIts,
  VIRTIO_MMIO_SLOTS,
  type VirtConfig,
  type VirtioMmioConfig,
} from './config.ts';
import {
  layoutOf,
  MEMORY_MAP,
  redistributorRegions,
  SPI,
  SPI_COUNT,
  spiIntId,
  V2M_SPI_COUNT,
  virtioMmioRegion,
} from './memory-map.ts';
import { type PcieBoard, wirePcie } from './pcie.ts';
import { hasTrait } from './versions.ts';

/** What the board needs of the machine it is wired into. */
export interface WiringPorts {
  ports(id: string): DevicePorts;
  /** Memory as a device reaches it; observed under its name. Default target: physical memory. */
  dma(device: string, target?: DmaPort, requesterId?: () => number): DmaPort;
  /** Physical memory, unobserved. */
  readonly memory: DmaPort;
  entropy(device: string, length: number): Uint8Array;
  flashStorage(bank: 0 | 1): FlashStorage;
  /** Contents of the drive a block device names; undefined if there is none. */
  drive(id: string): BlockStorage | undefined;
  /** What the folder that a device shares holds. */
  folder(device: string, question: FolderQuestion): Uint8Array;
  readonly gic: Pick<GicOptions, 'outputs' | 'observer' | 'guestError'>;
}

export interface PlacedDevice {
  readonly base: number;
  readonly size: number;
  readonly device: Device;
}

/** The board's devices at their places; the same data that the device tree is made from. */
export interface Board {
  readonly gic: InterruptController;
  readonly placed: readonly PlacedDevice[];
  /** Devices without a place of their own: what sits behind the PCIe host now. */
  readonly unplaced: readonly Device[];
  readonly uart: Pl011;
  readonly gpio: Pl061;
  readonly pcie: PcieBoard;
}

function createGic(config: VirtConfig, wiring: WiringPorts): InterruptController {
  const options: GicOptions = {
    cpus: config.smp.cpus,
    intids: SPI_COUNT + 32,
    cpusPerCluster: affinityGroupSize(config),
    ...wiring.gic,
  };
  if (config.gicVersion === 2) return new Gicv2(options);
  const layout = layoutOf(config, false);
  const regions = redistributorRegions(config, layout).map((region) => region.size / 0x20000);
  return new Gicv3({
    ...options,
    priorityBits: hasTrait(config.machine, 'gicPriorityBitsByCpu') ? 5 : 8,
    redistributorRegions: regions,
  });
}

function placeGic(config: VirtConfig, gic: InterruptController): PlacedDevice[] {
  const [distributor, ...rest] = gic.devices as [Device, ...Device[]];
  const placed: PlacedDevice[] = [{ ...MEMORY_MAP.gicDistributor, device: distributor }];
  if (gic.version === 2) {
    placed[0] = { base: MEMORY_MAP.gicDistributor.base, size: 0x1000, device: distributor };
    placed.push({ base: MEMORY_MAP.gicCpuInterface.base, size: 0x2000, device: rest[0]! });
  } else {
    redistributorRegions(config, layoutOf(config, false)).forEach((region, i) => {
      const device = rest[i];
      if (device !== undefined) placed.push({ ...region, device });
    });
  }
  return placed;
}

function backend(device: VirtioMmioConfig, wiring: WiringPorts) {
  const { type, id, properties } = device;
  const option = `-device ${type}-device`;
  if (!isVirtioKind(type)) {
    throw new OptionError(`${option}: virtrace has ${VIRTIO_KINDS.join(', ')} behind virtio-mmio`);
  }
  return makeBackend({ option, kind: type, id, properties }, wiring);
}

/** What messages are written to: the v2m frame of a GICv2, the ITS of a GICv3, or nothing (its=off). */
function messageController(
  config: VirtConfig,
  gic: InterruptController,
  wiring: WiringPorts,
): { placed: PlacedDevice; doorbell: Doorbell } | undefined {
  if (gic.version === 2) {
    const lines = Array.from({ length: V2M_SPI_COUNT }, (_, n) => gic.spi(spiIntId(SPI.v2m + n)));
    const region = MEMORY_MAP.gicV2m;
    const device = new Gicv2m({ ...wiring.ports('gicv2m'), lines }, spiIntId(SPI.v2m));
    return { placed: { ...region, device }, doorbell: device.doorbell(region.base) };
  }
  if (!hasIts(config)) return undefined;
  const region = MEMORY_MAP.gicIts;
  const device = new Its({ ...wiring.ports('its'), dma: wiring.dma('its') }, gic as Gicv3);
  return { placed: { ...region, device }, doorbell: device.doorbell(region.base) };
}

/** The SMMU in front of PCIe; its interrupts are four lines in a row (virt-board.md section 2.1). */
function createSmmu(
  config: VirtConfig,
  wiring: WiringPorts,
  spi: (number: number) => InterruptLine,
): Smmuv3 | undefined {
  if (config.iommu !== 'smmuv3') return undefined;
  const id = 'smmuv3';
  const ports = {
    ...wiring.ports(id),
    dma: wiring.dma(id),
    unseen: wiring.memory,
    eventq: spi(SPI.smmu),
    priq: spi(SPI.smmu + 1),
    cmdqSync: spi(SPI.smmu + 2),
    gerror: spi(SPI.smmu + 3),
  };
  return new Smmuv3(ports, { strict: config.smmuStrict });
}

function u16(value: number): Uint8Array {
  return new Uint8Array([value & 0xff, value >> 8]);
}
function u32(value: number): Uint8Array {
  return new Uint8Array([value, value >>> 8, value >>> 16, value >>> 24].map((byte) => byte & 0xff));
}

/** fw_cfg items (virt-board.md section 11); ACPI and SMBIOS files are not there yet. */
function fwCfgItems(config: VirtConfig, boot: BootImage): FwCfgItem[] {
  const items: FwCfgItem[] = [
    { selector: FW_CFG_ID, data: u32(3) },
    { selector: 0x02, data: new Uint8Array(16) },
    { selector: 0x04, data: u16(1) },
    { selector: 0x05, data: u16(config.smp.cpus) },
    { selector: 0x0e, data: u16(0) },
  ];
  const { kernel, initrd, commandLine } = boot.fwCfg ?? {};
  if (kernel !== undefined)
    items.push({ selector: 0x08, data: u32(kernel.length) }, { selector: 0x11, data: kernel });
  if (initrd !== undefined)
    items.push({ selector: 0x0b, data: u32(initrd.length) }, { selector: 0x12, data: initrd });
  if (commandLine !== undefined) {
    const data = new Uint8Array([...new TextEncoder().encode(commandLine), 0]);
    items.push({ selector: 0x14, data: u32(data.length) }, { selector: 0x15, data });
  }
  return items;
}

/** Builds every device of the board and connects its interrupt lines. */
export function wireVirt(
  config: VirtConfig,
  boot: BootImage,
  baseSeconds: number,
  wiring: WiringPorts,
): Board {
  const gic = createGic(config, wiring);
  const spi = (number: number): InterruptLine => gic.spi(spiIntId(number));
  const placed = placeGic(config, gic);

  const uart = new Pl011({ ...wiring.ports('uart0'), irq: spi(SPI.uart0) });
  const rtc = new Pl031({ ...wiring.ports('rtc'), irq: spi(SPI.rtc) }, { baseSeconds });
  const gpio = new Pl061({ ...wiring.ports('gpio'), irq: spi(SPI.gpio) });
  const fwCfg = new FwCfg(
    { ...wiring.ports('fw-cfg'), dma: wiring.dma('fw-cfg') },
    {
      items: fwCfgItems(config, boot),
      files: [
        { name: 'bootorder', data: new Uint8Array() },
        { name: 'etc/boot-fail-wait', data: u32(0xffffffff) },
      ],
    },
  );
  placed.push(
    { ...MEMORY_MAP.uart0, device: uart },
    { ...MEMORY_MAP.rtc, device: rtc },
    { ...MEMORY_MAP.gpio, device: gpio },
    { ...MEMORY_MAP.fwCfg, device: fwCfg },
  );
  for (const bank of [0, 1] as const) {
    const region = bank === 0 ? MEMORY_MAP.flash0 : MEMORY_MAP.flash1;
    const device = new CfiFlash({ ...wiring.ports(`flash${bank}`), storage: wiring.flashStorage(bank) });
    placed.push({ ...region, device });
  }
  for (let slot = 0; slot < VIRTIO_MMIO_SLOTS; slot++) {
    const device = config.virtioMmio.find((d) => d.slot === slot);
    const id = device?.id ?? `virtio-mmio${slot}`;
    const transport = new VirtioMmio(
      { ...wiring.ports(id), irq: spi(SPI.virtioMmio + slot), dma: wiring.dma(id) },
      device === undefined
        ? {}
        : { backend: backend(device, wiring), legacy: device.properties['force-legacy'] !== false },
    );
    placed.push({ ...virtioMmioRegion(slot), device: transport });
  }
  const messages = messageController(config, gic, wiring);
  if (messages !== undefined) placed.push(messages.placed);
  const physical = new PhysicalSpace(wiring.memory, messages === undefined ? [] : [messages.doorbell]);
  const smmu = createSmmu(config, wiring, spi);
  if (smmu !== undefined) placed.push({ ...MEMORY_MAP.smmu, device: smmu });
  const space: AddressSpace =
    smmu === undefined || config.defaultBusBypassIommu ? physical : new SmmuSpace(smmu, physical);
  const pcie = wirePcie(config, {
    ports: (id) => wiring.ports(id),
    drive: (id) => wiring.drive(id),
    folder: (id, question) => wiring.folder(id, question),
    entropy: (id, length) => wiring.entropy(id, length),
    dma: (id, requesterId) => wiring.dma(id, busMaster(space, requesterId).dma, requesterId),
    directDma: (id, requesterId) => wiring.dma(id, undefined, requesterId),
    lines: [spi(SPI.pcie), spi(SPI.pcie + 1), spi(SPI.pcie + 2), spi(SPI.pcie + 3)],
    firmware: boot.kind === 'firmware',
  });
  placed.push(...pcie.placed);
  return {
    gic,
    placed,
    get unplaced() {
      return pcie.functions;
    },
    uart,
    gpio,
    pcie,
  };
}
