/** The PCI functions of a machine as its guest has set them up, in the words of QMP's query-pci. */
import { CONFIG } from '../../engine/devices/pcie/config-space.ts';
import type { PciFunction } from '../../engine/devices/pcie/pci-function.ts';
import type { PciBus } from '../../engine/devices/pcie/pcie-host.ts';
import { RootPort } from '../../engine/devices/pcie/root-port.ts';
import type { Machine } from '../../engine/machine.ts';
import type { Json } from './json-stream.ts';

/** PCI Code and ID Assignment Specification, 1. */
const CLASSES: { readonly [code: number]: string } = {
  256: 'SCSI controller',
  512: 'Ethernet controller',
  768: 'VGA controller',
  896: 'Display controller',
  1536: 'Host bridge',
  1540: 'PCI bridge',
  1920: 'Communication controller',
};

export function pciTree(machine: Machine): Json {
  return [{ bus: 0, devices: busOf(machine.board.pcie.host.root) }];
}

function busOf(bus: PciBus): Json[] {
  return bus.connected().map((fn) => functionOf(fn, bus.number));
}

function functionOf(fn: PciFunction, bus: number): Json {
  const { config } = fn;
  const code = config.word(CONFIG.ClassCode + 1);
  const desc = CLASSES[code];
  const isBridge = fn instanceof RootPort;
  const pin = config.bytes[CONFIG.InterruptPin]!;
  return {
    bus,
    slot: fn.slot.devfn >>> 3,
    function: fn.slot.devfn & 7,
    qdev_id: fn.slot.devfn === 0 && bus === 0 ? '' : fn.id,
    class_info: { class: code, ...(desc === undefined ? {} : { desc }) },
    id: {
      vendor: config.word(CONFIG.VendorID),
      device: config.word(CONFIG.DeviceID),
      ...(isBridge
        ? {}
        : {
            'subsystem-vendor': config.word(CONFIG.SubsystemVendorID),
            subsystem: config.word(CONFIG.SubsystemID),
          }),
    },
    irq_pin: pin,
    ...(pin === 0 ? {} : { irq: config.bytes[CONFIG.InterruptLine]! }),
    regions: regionsOf(fn),
    ...(isBridge ? { pci_bridge: bridgeOf(fn) } : {}),
  };
}

function regionsOf(fn: PciFunction): Json {
  return fn.bars.flatMap((bar, index): Json[] => {
    if (bar === undefined) return [];
    // QEMU: -1 stands for a place that is not decoded.
    const common = { bar: index, size: bar.size, address: fn.barBase(index) ?? -1 };
    if (bar.kind === 'io') return [{ ...common, type: 'io' }];
    const wide = bar.kind === 'memory64';
    return [{ ...common, type: 'memory', prefetch: bar.prefetchable === true, mem_type_64: wide }];
  });
}

function bridgeOf(port: RootPort): Json {
  const { config } = port;
  const megabytes = (offset: number, upper: number): number =>
    (config.word(offset) & 0xfff0) * 0x1_0000 + upper * 2 ** 32;
  const ioBase = (config.bytes[CONFIG.IOBase]! & 0xf0) << 8;
  const ioLimit = ((config.bytes[CONFIG.IOLimit]! & 0xf0) << 8) | 0xfff;
  const [secondary, subordinate] = port.busRange();
  return {
    bus: {
      number: config.bytes[CONFIG.PrimaryBus]!,
      secondary,
      subordinate,
      io_range: { base: ioBase, limit: ioLimit },
      memory_range: {
        base: megabytes(CONFIG.MemoryBase, 0),
        limit: megabytes(CONFIG.MemoryLimit, 0) + 0xf_ffff,
      },
      prefetchable_range: {
        base: megabytes(CONFIG.PrefetchableBase, config.long(CONFIG.PrefetchableBaseUpper)),
        limit: megabytes(CONFIG.PrefetchableLimit, config.long(CONFIG.PrefetchableLimitUpper)) + 0xf_ffff,
      },
    },
    ...(secondary === 0 ? {} : { devices: busOf(port.secondary) }),
  };
}
