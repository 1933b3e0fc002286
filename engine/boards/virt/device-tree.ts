/**
 * The device tree of the board: the same nodes, properties, order and phandles as QEMU 7.2 gives
 * (virt-board.md section 9), made from the configuration and the memory map that also wire the machine.
 * Differences to QEMU, with reasons: docs/device-tree.md.
 */
import { cells, empty, type Fdt, type FdtNode, type FdtProperty, pair, strings } from '../fdt.ts';
import { hasGed, hasIts, isAarch64, numaOf, VIRTIO_MMIO_SLOTS, type VirtConfig } from './config.ts';
import { findCpuModel } from './cpu-models.ts';
import { gicNode, pcieNode, pciePhandles, smmuNode } from './device-tree-bus.ts';
import { cpusNode } from './device-tree-cpus.ts';
import {
  atAddress,
  type ChosenSeeds,
  type DeviceTreeInputs,
  EDGE_RISING,
  IRQ_PPI,
  IRQ_SPI,
  LEVEL_HIGH,
  node,
  type Phandles,
  ppiFlags,
  prop,
  reg,
  type TreeContext,
} from './device-tree-parts.ts';
import {
  type Layout,
  layoutOf,
  MEMORY_MAP,
  PPI,
  type Region,
  SPI,
  VIRTIO_MMIO_STRIDE,
  virtioMmioRegion,
} from './memory-map.ts';
import type { Feature } from './not-yet.ts';
import { psciConduit } from './psci.ts';
import { hasTrait } from './versions.ts';

export { ALL_FEATURES, type ChosenSeeds, type DeviceTreeInputs } from './device-tree-parts.ts';

/**
 * Builds the tree.
 * @param have features to describe: `HAVE` for a machine that runs, `ALL_FEATURES` for QEMU's whole tree
 */
export function buildDeviceTree(
  config: VirtConfig,
  inputs: DeviceTreeInputs,
  have: ReadonlySet<Feature>,
): Fdt {
  const context: TreeContext = {
    config,
    inputs,
    layout: layoutOf(config, inputs.boot === 'firmware'),
    phandles: givePhandles(config, inputs),
    has: (feature) => have.has(feature),
  };
  const children = [
    ...psciNodes(context),
    ...memoryNodes(context),
    platformBusNode(context),
    ...when(context.has('fw-cfg'), fwCfgNode),
    ...when(context.has('virtio-mmio'), virtioMmioNodes),
    ...secureGpioNodes(context),
    ...gpioNodes(context),
    ...when(config.iommu === 'smmuv3' && context.has('smmu'), () => [smmuNode(context)]),
    ...when(context.has('pcie'), () => [pcieNode(context)]),
    ...when(context.has('rtc'), () => [rtcNode(context)]),
    ...uartNodes(context),
    ...pmuNodes(context),
    gicNode(context),
    ...flashNodes(context),
    cpusNode(context),
    timerNode(context),
    ...distanceMapNodes(context),
    clockNode(context),
    ...chosenNodes(context),
  ];
  const root = node(
    '',
    [
      prop('interrupt-parent', cells(context.phandles.gic)),
      prop('model', strings('linux,dummy-virt')),
      prop('#size-cells', cells(2)),
      prop('#address-cells', cells(2)),
      prop('compatible', strings('linux,dummy-virt')),
    ],
    children,
  );
  return { root, reservations: [], bootCpu: 0 };
}

function when(condition: boolean, nodes: () => FdtNode[]): FdtNode[] {
  return condition ? nodes() : [];
}

/** First phandle QEMU gives out. */
const PHANDLE_START = 0x8000;

function givePhandles(config: VirtConfig, inputs: DeviceTreeInputs): Phandles {
  let next = PHANDLE_START;
  const give = (): number => next++;
  const giveIf = (condition: boolean): number | undefined => (condition ? give() : undefined);
  const clock = give();
  const cpus: number[] = [];
  if (hasTrait(config.machine, 'cpuTopology')) {
    for (let index = config.smp.cpus - 1; index >= 0; index--) cpus[index] = give();
  }
  const gic = give();
  const msi = giveIf(config.gicVersion === 2 || hasIts(config));
  const smmu = giveIf(config.iommu === 'smmuv3');
  const gpio = giveIf(!hasGed(config, inputs.boot === 'firmware'));
  const secureGpio = giveIf(config.secure && hasTrait(config.machine, 'secureGpio'));
  return { clock, cpus, gic, msi, smmu, gpio, secureGpio, virtioIommu: pciePhandles(config, give) };
}

/** A node that only the secure world may use, as Linux's secure binding says. */
const secureOnly = [prop('secure-status', strings('okay')), prop('status', strings('disabled'))];

/** PSCI function identifiers (Arm DEN 0022, section 5.1); 64-bit callers use the SMC64 forms. */
export function psciNode(conduit: 'hvc' | 'smc', aarch64: boolean): FdtNode {
  const fn = (number: number, wide: boolean): Uint8Array =>
    cells((wide && aarch64 ? 0xc400_0000 : 0x8400_0000) + number);
  return node('psci', [
    prop('migrate', fn(5, true)),
    prop('cpu_on', fn(3, true)),
    prop('cpu_off', fn(2, false)),
    prop('cpu_suspend', fn(1, true)),
    prop('method', strings(conduit)),
    prop('compatible', strings('arm,psci-1.0', 'arm,psci-0.2', 'arm,psci')),
  ]);
}

function psciNodes({ config, inputs }: TreeContext): FdtNode[] {
  const conduit = psciConduit(config, inputs.boot);
  return conduit === 'disabled' ? [] : [psciNode(conduit, isAarch64(config))];
}

/** One node per NUMA node with memory, the highest address first; else one for all RAM. */
function memoryNodes({ config, layout }: TreeContext): FdtNode[] {
  return memoryRegions(config, layout)
    .reverse()
    .map(({ region, numaNode }) =>
      node(atAddress('memory', region), [
        ...(numaNode === undefined ? [] : [prop('numa-node-id', cells(numaNode))]),
        reg(region),
        prop('device_type', strings('memory')),
      ]),
    );
}

/** RAM as the tree describes it, by ascending address. */
export function memoryRegions(
  config: VirtConfig,
  layout: Layout,
): { region: Region; numaNode: number | undefined }[] {
  const numa = numaOf(config);
  if (numa === undefined) return [{ region: layout.ram, numaNode: undefined }];
  const regions: { region: Region; numaNode: number }[] = [];
  let base = layout.ram.base;
  numa.nodes.forEach(({ memory }, numaNode) => {
    if (memory > 0) regions.push({ region: { base, size: memory }, numaNode });
    base += memory;
  });
  return regions;
}

function platformBusNode({ phandles }: TreeContext): FdtNode {
  const { base, size } = MEMORY_MAP.platformBus;
  return node(atAddress('platform-bus', MEMORY_MAP.platformBus), [
    prop('interrupt-parent', cells(phandles.gic)),
    prop('ranges', cells(0, ...pair(base), size)),
    prop('#address-cells', cells(1)),
    prop('#size-cells', cells(1)),
    prop('compatible', strings('qemu,platform', 'simple-bus')),
  ]);
}

function fwCfgNode(): FdtNode[] {
  return [
    node(atAddress('fw-cfg', MEMORY_MAP.fwCfg), [
      prop('dma-coherent', empty),
      reg(MEMORY_MAP.fwCfg),
      prop('compatible', strings('qemu,fw-cfg-mmio')),
    ]),
  ];
}

function virtioMmioNodes(): FdtNode[] {
  return Array.from({ length: VIRTIO_MMIO_SLOTS }, (_, slot) => {
    const region = virtioMmioRegion(slot);
    return node(atAddress('virtio_mmio', region), [
      prop('dma-coherent', empty),
      // QEMU: the tree says edge although the device drives a level.
      prop('interrupts', cells(IRQ_SPI, SPI.virtioMmio + slot, EDGE_RISING)),
      reg({ base: region.base, size: VIRTIO_MMIO_STRIDE }),
      prop('compatible', strings('virtio,mmio')),
    ]);
  });
}

function pl061Node(context: TreeContext, region: Region, spi: number, phandle: number): FdtNode {
  return node(atAddress('pl061', region), [
    prop('phandle', cells(phandle)),
    prop('clock-names', strings('apb_pclk')),
    prop('clocks', cells(context.phandles.clock)),
    prop('interrupts', cells(IRQ_SPI, spi, LEVEL_HIGH)),
    prop('gpio-controller', empty),
    prop('#gpio-cells', cells(2)),
    prop('compatible', strings('arm,pl061', 'arm,primecell')),
    reg(region),
  ]);
}

function gpioNodes(context: TreeContext): FdtNode[] {
  const phandle = context.phandles.gpio;
  if (phandle === undefined || !context.has('gpio')) return [];
  // Linux input-event-codes.h: KEY_POWER is 116.
  const powerOff = node('poweroff', [
    prop('gpios', cells(phandle, 3, 0)),
    prop('linux,code', cells(116)),
    prop('label', strings('GPIO Key Poweroff')),
  ]);
  return [
    node('gpio-keys', [prop('compatible', strings('gpio-keys'))], [powerOff]),
    pl061Node(context, MEMORY_MAP.gpio, SPI.gpio, phandle),
  ];
}

function secureGpioNodes(context: TreeContext): FdtNode[] {
  const phandle = context.phandles.secureGpio;
  if (phandle === undefined || !context.has('el3')) return [];
  const action = (name: string, line: number): FdtNode =>
    node(name, [...secureOnly, prop('gpios', cells(phandle, line, 0)), prop('compatible', strings(name))]);
  const controller = pl061Node(context, MEMORY_MAP.secureGpio, SPI.secureGpio, phandle);
  controller.properties.unshift(...secureOnly);
  return [action('gpio-restart', 1), action('gpio-poweroff', 0), controller];
}

function rtcNode({ phandles }: TreeContext): FdtNode {
  return node(atAddress('pl031', MEMORY_MAP.rtc), [
    prop('clock-names', strings('apb_pclk')),
    prop('clocks', cells(phandles.clock)),
    prop('interrupts', cells(IRQ_SPI, SPI.rtc, LEVEL_HIGH)),
    reg(MEMORY_MAP.rtc),
    prop('compatible', strings('arm,pl031', 'arm,primecell')),
  ]);
}

function uartNodes({ config, phandles, has }: TreeContext): FdtNode[] {
  const pl011 = (region: Region, spi: number): FdtNode =>
    node(atAddress('pl011', region), [
      prop('clock-names', strings('uartclk', 'apb_pclk')),
      prop('clocks', cells(phandles.clock, phandles.clock)),
      prop('interrupts', cells(IRQ_SPI, spi, LEVEL_HIGH)),
      reg(region),
      prop('compatible', strings('arm,pl011', 'arm,primecell')),
    ]);
  const uart0 = pl011(MEMORY_MAP.uart0, SPI.uart0);
  if (!config.secure || !has('el3')) return [uart0];
  const uart1 = pl011(MEMORY_MAP.uart1, SPI.uart1);
  uart1.properties.unshift(...secureOnly);
  const secureRam = node(atAddress('secram', MEMORY_MAP.secureRam), [
    ...secureOnly,
    reg(MEMORY_MAP.secureRam),
    prop('device_type', strings('memory')),
  ]);
  return [uart1, secureRam, uart0];
}

function pmuNodes({ config, has }: TreeContext): FdtNode[] {
  if (!config.cpu.pmu || !has('pmu')) return [];
  // QEMU: an Armv7 core gets an empty node.
  if (findCpuModel(config.cpu.model)?.execution === 'aarch32') return [node('pmu', [])];
  return [
    node('pmu', [
      prop('interrupts', cells(IRQ_PPI, PPI.pmu, ppiFlags(config, LEVEL_HIGH))),
      prop('compatible', strings('arm,armv8-pmuv3')),
    ]),
  ];
}

function flashNodes({ config, has }: TreeContext): FdtNode[] {
  if (!has('flash')) return [];
  const { flash0, flash1 } = MEMORY_MAP;
  const bank = (name: string, ...regions: Region[]): FdtNode =>
    node(atAddress(name, regions[0]!), [
      prop('bank-width', cells(4)),
      reg(...regions),
      prop('compatible', strings('cfi-flash')),
    ]);
  if (!config.secure) return [bank('flash', flash0, flash1)];
  const secure = bank('secflash', flash0);
  secure.properties.unshift(...secureOnly);
  return has('el3') ? [bank('flash', flash1), secure] : [bank('flash', flash1)];
}

function timerNode({ config }: TreeContext): FdtNode {
  const type = hasTrait(config.machine, 'levelTimers') ? LEVEL_HIGH : EDGE_RISING;
  const flags = ppiFlags(config, type);
  const timers = [PPI.secureTimer, PPI.physicalTimer, PPI.virtualTimer, PPI.hypervisorTimer];
  const v8 = findCpuModel(config.cpu.model)?.execution !== 'aarch32';
  return node('timer', [
    prop('interrupts', cells(...timers.flatMap((ppi) => [IRQ_PPI, ppi, flags]))),
    prop('always-on', empty),
    prop('compatible', v8 ? strings('arm,armv8-timer', 'arm,armv7-timer') : strings('arm,armv7-timer')),
  ]);
}

function distanceMapNodes({ config }: TreeContext): FdtNode[] {
  const distances = config.numa?.distances;
  if (distances === undefined) return [];
  const triples = distances.flatMap((row, from) => row.flatMap((distance, to) => [from, to, distance]));
  return [
    node('distance-map', [
      prop('distance-matrix', cells(...triples)),
      prop('compatible', strings('numa-distance-map-v1')),
    ]),
  ];
}

function clockNode({ phandles }: TreeContext): FdtNode {
  return node('apb-pclk', [
    prop('phandle', cells(phandles.clock)),
    prop('clock-output-names', strings('clk24mhz')),
    prop('clock-frequency', cells(24_000_000)),
    prop('#clock-cells', cells(0)),
    prop('compatible', strings('fixed-clock')),
  ]);
}

function chosenNodes({ config, inputs, has }: TreeContext): FdtNode[] {
  const chosen = (name: string, uart: Region, seeds: ChosenSeeds | undefined): FdtNode =>
    node(name, [
      prop('stdout-path', strings(`/${atAddress('pl011', uart)}`)),
      ...(config.dtbRandomness ? seedProperties(seeds, name) : []),
    ]);
  const normal = chosen('chosen', MEMORY_MAP.uart0, inputs.seeds);
  const { bootargs, initrd } = inputs;
  if (bootargs) normal.properties.unshift(prop('bootargs', strings(bootargs)));
  if (initrd !== undefined) {
    normal.properties.unshift(
      prop('linux,initrd-end', cells(initrd.end)),
      prop('linux,initrd-start', cells(initrd.start)),
    );
  }
  if (!config.secure || !has('el3')) return [normal];
  return [chosen('secure-chosen', MEMORY_MAP.uart1, inputs.secureSeeds), normal];
}

function seedProperties(seeds: ChosenSeeds | undefined, name: string): FdtProperty[] {
  if (seeds?.kaslr.length !== 8 || seeds.rng.length !== 32) {
    throw new RangeError(`/${name} needs seeds of 8 and 32 bytes`);
  }
  return [prop('rng-seed', seeds.rng), prop('kaslr-seed', seeds.kaslr)];
}
