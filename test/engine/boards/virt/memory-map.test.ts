import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { defaultVirtConfig, type VirtConfig } from '../../../../engine/boards/virt/config.ts';
import {
  layoutOf,
  MEMORY_MAP,
  pcieSpi,
  redistributorRegions,
  virtioMmioRegion,
} from '../../../../engine/boards/virt/memory-map.ts';
import { parseMemoryOption } from '../../../../engine/boards/virt/properties.ts';

const a57: VirtConfig = {
  ...defaultVirtConfig(),
  gicVersion: 3,
  cpu: { model: 'cortex-a57', pmu: true, aarch64: true },
  ram: parseMemoryOption('1G'),
};
const a53 = { ...a57, cpu: { ...a57.cpu, model: 'cortex-a53' } };
const MMIO = 0x80_0000_0000;

// virt-board.md 1.2, "Observed layouts": second redistributors, ECAM, 64-bit window.
describe('high regions are where QEMU was seen to put them', () => {
  it.each<[string, VirtConfig, number | undefined, number, number | undefined]>([
    ['1 GiB', a57, 0x40_0000_0000, 0x40_1000_0000, MMIO],
    ['300 GiB', { ...a57, ram: parseMemoryOption('300G') }, 0x4b_4000_0000, 0x4b_5000_0000, MMIO],
    ['600 GiB', { ...a57, ram: parseMemoryOption('600G') }, 0x96_4000_0000, 0x96_5000_0000, 0x100_0000_0000],
    [
      '600 GiB, 40 bits',
      { ...a53, ram: parseMemoryOption('600G') },
      0x96_4000_0000,
      0x96_5000_0000,
      undefined,
    ],
    [
      '1020 GiB, 40 bits',
      { ...a53, ram: parseMemoryOption('1020G') },
      0xff_4000_0000,
      0xff_5000_0000,
      undefined,
    ],
    [
      'hot-plug',
      { ...a57, ram: parseMemoryOption('1G,maxmem=300G,slots=4') },
      0x4c_4000_0000,
      0x4c_5000_0000,
      MMIO,
    ],
    ['highmem=off', { ...a57, highmem: false }, undefined, 0x3f00_0000, undefined],
    ['highmem-ecam=off', { ...a57, highmemEcam: false }, 0x40_0000_0000, 0x3f00_0000, MMIO],
    ['highmem-mmio=off', { ...a57, highmemMmio: false }, 0x40_0000_0000, 0x40_1000_0000, undefined],
    ['highmem-redists=off', { ...a57, highmemRedists: false }, undefined, 0x40_0000_0000, MMIO],
    [
      'highmem-redists=off, not compact',
      { ...a57, highmemRedists: false, compactHighmem: false },
      undefined,
      0x40_1000_0000,
      MMIO,
    ],
    ['GICv2', { ...a57, gicVersion: 2 }, 0x40_0000_0000, 0x40_1000_0000, MMIO],
    ['virt-2.12', { ...defaultVirtConfig('virt-2.12'), cpu: a57.cpu }, 0x40_0000_0000, 0x3f00_0000, MMIO],
    [
      'cortex-a15, 4 GiB',
      { ...defaultVirtConfig(), ram: parseMemoryOption('4G') },
      0x40_0000_0000,
      0x40_1000_0000,
      MMIO,
    ],
  ])('%s', (_, config, redistributors, ecam, mmio) => {
    const layout = layoutOf(config, false);
    expect(layout.highRedistributors?.base).toBe(redistributors);
    expect(layout.ecam.base).toBe(ecam);
    expect(layout.pcieMmio64?.base).toBe(mmio);
  });

  it('gives an AArch32 CPU with firmware the low ECAM', () => {
    expect(layoutOf(defaultVirtConfig(), true).ecam).toEqual(MEMORY_MAP.pcieEcamLow);
    expect(layoutOf(a57, true).ecam.base).toBe(0x40_1000_0000);
  });

  it('uses the second redistributor region from 124 CPUs on', () => {
    const regions = (cpus: number): number =>
      redistributorRegions({ ...a57, smp: { ...a57.smp, cpus } }, layoutOf(a57, false)).length;
    expect([regions(123), regions(124)]).toEqual([1, 2]);
  });
});

describe('the fixed map', () => {
  it('has no two regions in one place, but for what overlays the GIC', () => {
    const regions = Object.entries(MEMORY_MAP)
      .filter(([name]) => name !== 'cpuPeripherals')
      .sort(([, a], [, b]) => a.base - b.base);
    for (let i = 1; i < regions.length; i++) {
      const [name, before] = regions[i - 1]!;
      const [next, after] = regions[i]!;
      expect(before.base + before.size, `${name} and ${next}`).toBeLessThanOrEqual(after.base);
    }
  });

  // The memory tree that QEMU prints: its device regions, by the addresses of this map.
  it('agrees with the memory map that QEMU prints', () => {
    const text = readFileSync(new URL('golden/qemu-7.2-mtree.txt', import.meta.url), 'utf8');
    const bases = new Map<string, number>();
    for (const [, base, name] of text.matchAll(/^ +([0-9a-f]{16})-[0-9a-f]{16} \(prio 0, [^)]+\): (.+)$/gm)) {
      if (!bases.has(name!)) bases.set(name!, Number.parseInt(base!, 16));
    }
    const pairs: [string, number][] = [
      ['virt.flash0', MEMORY_MAP.flash0.base],
      ['virt.flash1', MEMORY_MAP.flash1.base],
      ['gic_dist', MEMORY_MAP.gicDistributor.base],
      ['gic_cpu', MEMORY_MAP.gicCpuInterface.base],
      ['gicv2m', MEMORY_MAP.gicV2m.base],
      ['pl011', MEMORY_MAP.uart0.base],
      ['pl031', MEMORY_MAP.rtc.base],
      ['fwcfg.data', MEMORY_MAP.fwCfg.base],
      ['pl061', MEMORY_MAP.gpio.base],
      ['virtio-mmio', virtioMmioRegion(0).base],
      ['platform bus', MEMORY_MAP.platformBus.base],
      ['gpex_ioport_window', MEMORY_MAP.pcieIo.base],
      ['mach-virt.ram', MEMORY_MAP.ram.base],
    ];
    for (const [name, base] of pairs) expect(bases.get(name), name).toBe(base);
  });

  it('swizzles PCI pins onto four interrupts', () => {
    expect([1, 2, 3, 4].map((pin) => pcieSpi(0, pin))).toEqual([3, 4, 5, 6]);
    expect([1, 2, 3, 4].map((pin) => pcieSpi(2, pin))).toEqual([5, 6, 3, 4]);
  });
});
