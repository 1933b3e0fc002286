/** The PCIe host of the board with everything behind it. */
import type { Device, DevicePorts, DmaPort, InterruptLine } from '../../base/device.ts';
import type { RegisterMap } from '../../base/register-map.ts';
import { Edu } from '../../devices/pcie/edu.ts';
import { HostBridge } from '../../devices/pcie/host-bridge.ts';
import type { PciFunction, PciPorts } from '../../devices/pcie/pci-function.ts';
import { type PciBus, PcieHost } from '../../devices/pcie/pcie-host.ts';
import { RootPort } from '../../devices/pcie/root-port.ts';
import { VirtioPci } from '../../devices/virtio/virtio-pci.ts';
import { OptionError } from '../option-error.ts';
import { type BackendPorts, makeBackend } from './backends.ts';
import { hasMessages, type PciDeviceConfig, type VirtConfig } from './config.ts';
import { layoutOf, MEMORY_MAP, type Region } from './memory-map.ts';
import { blockQueues, busOf, pciDeviceType } from './pci-devices.ts';
import { PciHotPlug } from './pci-hot-plug.ts';
import { hasTrait } from './versions.ts';

export interface PcieWiring extends BackendPorts {
  ports(id: string): DevicePorts;
  /** Memory as a function with this requester ID reaches it. */
  dma(id: string, requesterId: () => number): DmaPort;
  /** Memory as it is reached around the IOMMU. */
  directDma(id: string, requesterId: () => number): DmaPort;
  /** INTA–INTD of the root bus. */
  readonly lines: readonly [InterruptLine, InterruptLine, InterruptLine, InterruptLine];
  /** Firmware is in flash: an AArch32 CPU then has the low ECAM. */
  readonly firmware: boolean;
}

export interface PcieBoard {
  readonly host: PcieHost;
  /** Configuration space and windows at their places. */
  readonly placed: readonly (Region & { readonly device: Device })[];
  /** Every function, the host bridge first; they have no place of their own. */
  readonly functions: readonly PciFunction[];
  readonly hotPlug: PciHotPlug;
  registerMaps(): { [device: string]: RegisterMap };
}

/** What virtio-pci devices say they are (devices.md 7.1). */
const VIRTIO_IDENTITY = {
  'virtio-net': { transitionalId: 0x1000, classCode: 0x02_00_00 },
  'virtio-blk': { transitionalId: 0x1001, classCode: 0x01_00_00 },
  'virtio-balloon': { transitionalId: 0x1002, classCode: 0x00_ff_00 },
  'virtio-serial': { transitionalId: 0x1003, classCode: 0x07_80_00 },
  'virtio-9p': { transitionalId: 0x1009, classCode: 0x00_02_00 },
  'virtio-rng': { transitionalId: 0x1005, classCode: 0x00_ff_00 },
  'virtio-gpu': { classCode: 0x03_80_00 },
  'virtio-keyboard': { classCode: 0x09_00_00 },
  'virtio-mouse': { classCode: 0x09_02_00 },
  'virtio-tablet': { classCode: 0x09_80_00 },
} as const;

/** MSI-X vectors (devices.md 7.1). */
function vectorsOf(config: VirtConfig, kind: keyof typeof VIRTIO_IDENTITY, queues: number): number {
  if (!hasMessages(config)) return 0;
  switch (kind) {
    case 'virtio-blk':
      return queues + 1;
    case 'virtio-net':
      return hasTrait(config.machine, 'netFourVectors') ? 4 : 3;
    case 'virtio-serial':
    case 'virtio-9p':
    case 'virtio-keyboard':
    case 'virtio-mouse':
    case 'virtio-tablet':
      return 2;
    case 'virtio-rng':
      return hasTrait(config.machine, 'rngVectors') ? 2 : 0;
    case 'virtio-balloon':
      return 0;
    case 'virtio-gpu':
      return 3;
  }
}

/** Builds the host, the root ports and the devices. @throws OptionError */
export function wirePcie(config: VirtConfig, wiring: PcieWiring): PcieBoard {
  const layout = layoutOf(config, wiring.firmware);
  const host = new PcieHost({
    ecamBytes: layout.ecam.size,
    unmappedReadsOnes: hasTrait(config.machine, 'pcieUnmappedReadsOnes'),
    lines: wiring.lines,
  });
  const portsFor = (bus: PciBus, devfn: number, id: string): PciPorts => {
    const slot = bus.slot(devfn);
    const requesterId = () => slot.requesterId();
    return {
      ...wiring.ports(id),
      slot,
      dma: wiring.dma(id, requesterId),
      directDma: wiring.directDma(id, requesterId),
    };
  };
  host.root.plug(new HostBridge(portsFor(host.root, 0, 'pcie-root')));
  const rootPorts = new Map<string, RootPort>();
  const build = (device: PciDeviceConfig): PciFunction => {
    const port = busOf(device);
    const bus = port === undefined ? host.root : rootPorts.get(port)?.secondary;
    if (bus === undefined) throw new OptionError(`-device ${device.type},bus=${port}: there is no such port`);
    const ejected = (): void => hotPlug.ejected(device.id);
    const fn = makeFunction(config, device, portsFor(bus, device.devfn, device.id), wiring, ejected);
    bus.plug(fn);
    if (fn instanceof RootPort) rootPorts.set(device.id, fn);
    return fn;
  };
  const hotPlug = new PciHotPlug(config, rootPorts, build);
  for (const port of rootPorts.values()) port.complete();
  const placed: (Region & { device: Device })[] = [
    { ...MEMORY_MAP.pcieMmio, device: host.window('pcie-mmio', 'memory', MEMORY_MAP.pcieMmio.base) },
    { ...MEMORY_MAP.pcieIo, device: host.window('pcie-io', 'io', 0) },
    { ...layout.ecam, device: host.ecam('pcie-ecam') },
  ];
  const high = layout.pcieMmio64;
  if (high !== undefined) placed.push({ ...high, device: host.window('pcie-mmio64', 'memory', high.base) });
  return {
    host,
    placed,
    get functions() {
      return host.functions();
    },
    hotPlug,
    registerMaps: () => host.registerMaps(),
  };
}

function makeFunction(
  config: VirtConfig,
  device: PciDeviceConfig,
  ports: PciPorts,
  wiring: PcieWiring,
  ejected: () => void,
): PciFunction {
  const { type, id, properties } = device;
  const multi = properties.multifunction === true ? { multiFunction: true } : {};
  const kind = pciDeviceType(type)?.virtio;
  if (kind !== undefined) {
    const queues = kind === 'virtio-blk' ? blockQueues(config, device) : 1;
    const backend = makeBackend({ option: `-device ${type}`, kind, id, properties }, wiring, queues);
    const vectors =
      properties.vectors === undefined || !hasMessages(config)
        ? vectorsOf(config, kind, queues)
        : Number(properties.vectors);
    return new VirtioPci(ports, {
      backend,
      vectors,
      ...VIRTIO_IDENTITY[kind],
      ...multi,
      disableLegacy: properties['disable-legacy'] === true,
      iommuPlatform: properties.iommu_platform === true,
    });
  }
  switch (type) {
    case 'pcie-root-port':
      return new RootPort(ports, {
        slot: Number(properties.slot ?? 0),
        empty: properties.empty === true,
        ejected,
        ...multi,
      });
    case 'edu':
      return new Edu(ports, {
        ...(properties.dma_mask === undefined ? {} : { dmaMask: BigInt(properties.dma_mask) }),
        ...(properties['dma-delay'] === undefined ? {} : { dmaDelay: Number(properties['dma-delay']) }),
        ...multi,
      });
    default:
      throw new OptionError(`-device ${type}: unknown PCI device`);
  }
}
