/** Interrupt controller, PCIe host and SMMU of the board's tree (virt-board.md 9.4). */
import { cells, empty, type FdtNode, type FdtProperty, pair, strings } from '../fdt.ts';
import { hasIts, type VirtConfig } from './config.ts';
import {
  atAddress,
  EDGE_RISING,
  IRQ_PPI,
  IRQ_SPI,
  LEVEL_HIGH,
  node,
  prop,
  reg,
  type TreeContext,
} from './device-tree-parts.ts';
import { MEMORY_MAP, PPI, pcieSpi, redistributorRegions, SPI } from './memory-map.ts';

export function gicNode({ config, phandles, layout, has }: TreeContext): FdtNode {
  const v2 = config.gicVersion === 2;
  const hypervisor = config.virtualization && has('el2');
  const map = MEMORY_MAP;
  const registers: FdtProperty[] = v2
    ? [
        reg(
          map.gicDistributor,
          map.gicCpuInterface,
          ...(hypervisor ? [map.gicHypervisor, map.gicVirtualCpu] : []),
        ),
        prop('compatible', strings('arm,cortex-a15-gic')),
      ]
    : [
        reg(map.gicDistributor, ...redistributorRegions(config, layout)),
        prop('#redistributor-regions', cells(redistributorRegions(config, layout).length)),
        prop('compatible', strings('arm,gic-v3')),
      ];
  return node(
    atAddress('intc', map.gicDistributor),
    [
      prop('phandle', cells(phandles.gic)),
      // QEMU: without the CPU mask that GICv2 has in other private interrupts.
      ...(hypervisor ? [prop('interrupts', cells(IRQ_PPI, PPI.gicMaintenance, LEVEL_HIGH))] : []),
      ...registers,
      prop('ranges', empty),
      prop('#size-cells', cells(2)),
      prop('#address-cells', cells(2)),
      prop('interrupt-controller', empty),
      prop('#interrupt-cells', cells(3)),
    ],
    msiNodes(config, phandles.msi, has('v2m'), has('its')),
  );
}

function msiNodes(config: VirtConfig, phandle: number | undefined, v2m: boolean, its: boolean): FdtNode[] {
  if (phandle === undefined) return [];
  if (config.gicVersion === 2) {
    return v2m
      ? [
          node(atAddress('v2m', MEMORY_MAP.gicV2m), [
            prop('phandle', cells(phandle)),
            reg(MEMORY_MAP.gicV2m),
            prop('msi-controller', empty),
            prop('compatible', strings('arm,gic-v2m-frame')),
          ]),
        ]
      : [];
  }
  return its
    ? [
        node(atAddress('its', MEMORY_MAP.gicIts), [
          prop('phandle', cells(phandle)),
          reg(MEMORY_MAP.gicIts),
          prop('#msi-cells', cells(1)),
          prop('msi-controller', empty),
          prop('compatible', strings('arm,gic-v3-its')),
        ]),
      ]
    : [];
}

export function smmuNode({ phandles }: TreeContext): FdtNode {
  const interrupts = [0, 1, 2, 3].flatMap((line) => [IRQ_SPI, SPI.smmu + line, EDGE_RISING]);
  return node(atAddress('smmuv3', MEMORY_MAP.smmu), [
    prop('phandle', cells(phandles.smmu!)),
    prop('#iommu-cells', cells(1)),
    prop('dma-coherent', empty),
    prop('interrupt-names', strings('eventq', 'priq', 'cmdq-sync', 'gerror')),
    prop('interrupts', cells(...interrupts)),
    reg(MEMORY_MAP.smmu),
    prop('compatible', strings('arm,smmu-v3')),
  ]);
}

/** The first virtio-iommu on the root bus, which gets a node of its own. */
function virtioIommuOf(config: VirtConfig): number | undefined {
  return config.pciDevices.find((device) => device.type === 'virtio-iommu-pci')?.devfn;
}

/** Phandle of the virtio-iommu: given last, since QEMU adds the node when the device is plugged. */
export function pciePhandles(config: VirtConfig, give: () => number): number | undefined {
  return virtioIommuOf(config) === undefined ? undefined : give();
}

export function pcieNode(context: TreeContext): FdtNode {
  const { config, layout, phandles, has } = context;
  const { pcieIo, pcieMmio } = MEMORY_MAP;
  const window64 = layout.pcieMmio64;
  const hasMsi = phandles.msi !== undefined && has(hasIts(config) ? 'its' : 'v2m');
  const interruptMap: number[] = [];
  for (let device = 0; device < 4; device++) {
    for (let pin = 1; pin <= 4; pin++) {
      const child = [device << 11, 0, 0, pin];
      interruptMap.push(...child, phandles.gic, 0, 0, IRQ_SPI, pcieSpi(device, pin), LEVEL_HIGH);
    }
  }
  // PCI bus binding (IEEE 1275): space code in bits 25:24 of the first cell: 1 I/O, 2 32-bit, 3 64-bit memory.
  const ranges = [
    ...[0x0100_0000, 0, 0, ...pair(pcieIo.base), ...pair(pcieIo.size)],
    ...[0x0200_0000, ...pair(pcieMmio.base), ...pair(pcieMmio.base), ...pair(pcieMmio.size)],
    ...(window64 === undefined
      ? []
      : [0x0300_0000, ...pair(window64.base), ...pair(window64.base), ...pair(window64.size)]),
  ];
  return node(
    atAddress('pcie', pcieMmio),
    [
      ...iommuMap(context),
      prop('interrupt-map-mask', cells(0x1800, 0, 0, 7)),
      prop('interrupt-map', cells(...interruptMap)),
      prop('#interrupt-cells', cells(1)),
      prop('ranges', cells(...ranges)),
      reg(layout.ecam),
      ...(hasMsi ? [prop('msi-map', cells(0, phandles.msi!, 0, 0x10000))] : []),
      prop('dma-coherent', empty),
      // 1 MiB of configuration space per bus.
      prop('bus-range', cells(0, layout.ecam.size / 0x10_0000 - 1)),
      prop('linux,pci-domain', cells(0)),
      prop('#size-cells', cells(2)),
      prop('#address-cells', cells(3)),
      prop('device_type', strings('pci')),
      prop('compatible', strings('pci-host-ecam-generic')),
    ],
    virtioIommuNodes(context),
  );
}

function iommuMap({ config, phandles, has }: TreeContext): FdtProperty[] {
  if (phandles.smmu !== undefined && has('smmu') && !config.defaultBusBypassIommu) {
    return [prop('iommu-map', cells(0, phandles.smmu, 0, 0x10000))];
  }
  const devfn = virtioIommuOf(config);
  if (devfn === undefined || phandles.virtioIommu === undefined) return [];
  // Everything but the IOMMU itself.
  const phandle = phandles.virtioIommu;
  const rest = devfn + 1;
  return [prop('iommu-map', cells(0, phandle, 0, devfn, rest, phandle, rest, 0x10000 - rest))];
}

function virtioIommuNodes({ config, phandles }: TreeContext): FdtNode[] {
  const devfn = virtioIommuOf(config);
  if (devfn === undefined || phandles.virtioIommu === undefined) return [];
  return [
    node(`virtio_iommu@${(devfn >> 3).toString(16)},${(devfn & 7).toString(16)}`, [
      prop('phandle', cells(phandles.virtioIommu)),
      prop('#iommu-cells', cells(1)),
      prop('reg', cells(devfn << 8, 0, 0, 0, 0)),
      prop('compatible', strings('virtio,pci-iommu', 'pci1af4,1057')),
    ]),
  ];
}
