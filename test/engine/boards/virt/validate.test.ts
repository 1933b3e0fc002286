import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { OptionError } from '../../../../engine/boards/option-error.ts';
import { defaultVirtConfig, type VirtConfig } from '../../../../engine/boards/virt/config.ts';
import { ALL_FEATURES } from '../../../../engine/boards/virt/device-tree.ts';
import { type Feature, notYet } from '../../../../engine/boards/virt/not-yet.ts';
import { parseMemoryOption } from '../../../../engine/boards/virt/properties.ts';
import { readVirtConfig, validateVirtConfig } from '../../../../engine/boards/virt/validate.ts';
import { VIRT_MACHINES } from '../../../../engine/boards/virt/versions.ts';

const good: VirtConfig = { ...defaultVirtConfig(), cpu: { model: 'cortex-a57', pmu: true, aarch64: true } };
const cpus = (count: number): Partial<VirtConfig> => ({
  smp: { cpus: count, maxCpus: count, sockets: 1, clusters: 1, cores: count, threads: 1 },
});
const all = { have: ALL_FEATURES };
const check = (change: Partial<VirtConfig>, options = {}): string[] =>
  validateVirtConfig({ ...good, ...change }, options);

describe('validateVirtConfig', () => {
  it('takes the default machine of every version, with a CPU that works', () => {
    for (const machine of VIRT_MACHINES) {
      expect(validateVirtConfig({ ...defaultVirtConfig(machine), cpu: good.cpu })).toEqual([]);
    }
  });

  it('says why the default CPU type cannot be had yet', () => {
    expect(validateVirtConfig(defaultVirtConfig())).toEqual([
      '-cpu cortex-a15: virtrace has no AArch32 yet; use cortex-a53, cortex-a57 or cortex-a72',
    ]);
  });

  // virt-board.md 4.2.
  it.each<[string, Partial<VirtConfig>, string[]]>([
    ['8 with GICv2', cpus(8), []],
    ['9 with GICv2', cpus(9), ['-smp 9: GICv2 allows at most 8 CPUs; use -M gic-version=3']],
    ['512 with GICv3', { ...cpus(512), gicVersion: 3 }, []],
    ['513 with GICv3', { ...cpus(513), gicVersion: 3 }, ['-smp 513: virt-7.2 allows at most 512 CPUs']],
    [
      '256 before virt-3.0',
      { ...cpus(256), gicVersion: 3, machine: 'virt-2.12' },
      ['-smp 256: virt-2.12 allows at most 255 CPUs'],
    ],
    ['123 without high memory', { ...cpus(123), gicVersion: 3, highmem: false }, []],
    [
      '124 without high memory',
      { ...cpus(124), gicVersion: 3, highmem: false },
      [
        '-smp 124: GICv3 allows at most 123 CPUs here; more need the second redistributor region (highmem=on, highmem-redists=on, and RAM that leaves room)',
      ],
    ],
    [
      '62 with GICv4 and no second region',
      { ...cpus(62), gicVersion: 4, virtualization: true, highmemRedists: false },
      ['-smp 62: GICv4 allows at most 61 CPUs here'],
    ],
    [
      '318 with GICv4',
      { ...cpus(318), gicVersion: 4, virtualization: true },
      ['-smp 318: GICv4 allows at most 317 CPUs here'],
    ],
  ])('CPUs: %s', (_, change, errors) => {
    expect(check(change, all)).toEqual(errors);
  });

  // virt-board.md 5.3: 4 GiB of RAM with 32 bits is over by 1 GiB.
  it.each<[string, Partial<VirtConfig>, string[]]>([
    ['3 GiB with highmem=off', { ram: parseMemoryOption('3G'), highmem: false }, []],
    [
      '4 GiB with highmem=off',
      { ram: parseMemoryOption('4G'), highmem: false },
      ['-m: memory ends 1073741824 bytes beyond the 32 address bits of highmem=off; give less'],
    ],
    [
      '1023 GiB on cortex-a53',
      { ram: parseMemoryOption('1023G'), cpu: { ...good.cpu, model: 'cortex-a53' } },
      [],
    ],
    [
      '1 TiB on cortex-a53',
      { ram: parseMemoryOption('1T'), cpu: { ...good.cpu, model: 'cortex-a53' } },
      ['-m: memory ends 1073741824 bytes beyond the 40 address bits of -cpu cortex-a53; give less'],
    ],
    ['1 TiB on cortex-a57', { ram: parseMemoryOption('1T') }, []],
    [
      'an odd size',
      { ram: { size: 1000, maxSize: 1000, slots: 0 } },
      ['-m size=1000: a multiple of 8 KiB, and not 0, is needed'],
    ],
  ])('RAM: %s', (_, change, errors) => {
    expect(check(change)).toEqual(errors);
  });

  it('refuses each missing feature by its option', () => {
    const asking: { [feature in Feature]?: Partial<VirtConfig> } = {
      aarch32: { cpu: { ...good.cpu, aarch64: false } },
      el2: { virtualization: true },
      el3: { secure: true },
      hotplug: { ram: parseMemoryOption('1G,slots=1,maxmem=2G') },
      its: { its: true, gicVersion: 3 },
      nvdimm: { nvdimm: true },
      pcie: { pciDevices: [{ devfn: 8, type: 'virtio-net-pci', id: 'n', properties: {} }] },
      smmu: { iommu: 'smmuv3' },
    };
    for (const [feature, change] of Object.entries(asking)) {
      const row = notYet[feature as Feature];
      const expected = row === undefined ? [] : [`${row.option}: ${row.message}`];
      expect(check(change), feature).toEqual(expected);
    }
  });

  it('finds double slots, double ids, unknown slots and a wrong shift', () => {
    const device = (slot: number, id: string) => ({ slot, id, type: 'virtio-rng', properties: {} });
    expect(
      check({ virtioMmio: [device(31, 'a'), device(31, 'b'), device(32, 'a')], icountShift: 11 }),
    ).toEqual([
      '-device b: virtio-mmio slot 31 is taken by a',
      '-device a: virtio-mmio slot 32; allowed are 0 to 31',
      '-device id=a: this id is used twice',
      '-icount shift=11: allowed are 0 to 10',
    ]);
  });

  it('checks what belongs together', () => {
    expect(check({ mte: true }, all)).toEqual([
      '-M mte=on: CPU type cortex-a57 has no memory tagging; max has',
    ]);
    expect(check({ ras: true }, all)).toEqual([
      '-M ras=on: needs firmware (-bios), acpi on and an AArch64 CPU',
    ]);
    expect(check({ ras: true }, { ...all, firmware: true })).toEqual([]);
    expect(check({ gicVersion: 4 }, all)).toEqual(['-M gic-version=4: needs virtualization=on; use 3']);
    expect(check({ numa: { nodes: [{ memory: 1, cpus: [] }] } }, all)).toEqual([
      '-numa: the nodes have 1 bytes together, -m says 134217728',
      '-numa: each of the 1 CPUs must be in exactly one node',
    ]);
  });
});

describe('readVirtConfig', () => {
  it('takes what was written', () => {
    const config: VirtConfig = {
      ...good,
      numa: { nodes: [{ memory: good.ram.size, cpus: [0] }] },
      virtioMmio: [{ slot: 31, type: 'virtio-blk', id: 'd', properties: { size: 5, ro: true, file: 'x' } }],
    };
    expect(readVirtConfig(JSON.parse(JSON.stringify(config)))).toEqual(config);
  });

  it('fills in fields that older traces do not have', () => {
    expect(readVirtConfig({ machine: 'virt-2.12', cpu: { model: 'cortex-a53' } })).toEqual({
      ...defaultVirtConfig('virt-2.12'),
      its: false,
      cpu: { model: 'cortex-a53', pmu: true, aarch64: true },
    });
  });

  it.each<[unknown, string]>([
    [null, 'not an object'],
    [{ machine: 'pc' }, "unknown machine 'pc'"],
    [{ ...good, secure: 1 }, 'secure has the wrong type'],
    [{ ...good, turbo: true }, "unknown field 'turbo'"],
    [{ ...good, __proto__: null, toString: 1 }, "unknown field 'toString'"],
    [{ ...good, smp: { cpus: 'x' } }, 'cpus has the wrong type'],
    [{ ...good, gicVersion: 7 }, 'gicVersion must be 2, 3 or 4'],
    [{ ...good, virtioMmio: [{ slot: 0 }] }, 'virtioMmio[0].type must be a text'],
    [{ ...good, numa: { nodes: [1] } }, 'numa.nodes must be objects'],
  ])('refuses %j', (data, message) => {
    expect(() => readVirtConfig(data)).toThrow(message);
  });

  it('gives a configuration that can be validated, or an OptionError, for anything', () => {
    const keys = fc.constantFrom(...Object.keys(good), 'numa', 'x');
    fc.assert(
      fc.property(fc.dictionary(keys, fc.anything()), (data) => {
        try {
          validateVirtConfig(readVirtConfig({ ...data, machine: 'virt-7.2' }));
        } catch (error) {
          expect(error).toBeInstanceOf(OptionError);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
