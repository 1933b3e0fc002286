import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { decodeFdt, encodeFdt, findNode } from '../../../../engine/boards/fdt.ts';
import { defaultVirtConfig } from '../../../../engine/boards/virt/config.ts';
import { ALL_FEATURES, buildDeviceTree } from '../../../../engine/boards/virt/device-tree.ts';
import { HAVE } from '../../../../engine/boards/virt/not-yet.ts';
import { flatten, order, parseDts } from './dts-text.ts';
import { fromCommand } from './qemu-command.ts';

const golden = new URL('golden/qemu-7.2-dts/', import.meta.url);
const observed = readFileSync(new URL('INDEX.tsv', golden), 'utf8')
  .trim()
  .split('\n')
  .map((line) => line.split('\t') as [string, string]);

describe('the whole tree equals the one QEMU 7.2 was seen to make', () => {
  it.each(observed)('%s', (name, command) => {
    const { config, inputs } = fromCommand(command);
    const blob = encodeFdt(buildDeviceTree(config, inputs, ALL_FEATURES), 0x10_0000);
    const expected = parseDts(readFileSync(new URL(`${name}.dts`, golden), 'utf8'));
    expect(flatten(decodeFdt(blob).root)).toEqual(flatten(expected));
  });
});

const hasQemu =
  spawnSync('qemu-system-aarch64', ['--version']).stdout?.toString().includes('version 7.2') === true;

describe.skipIf(!hasQemu)('nodes, properties and their order equal those of a running QEMU 7.2', () => {
  it.each([
    '-cpu cortex-a57',
    '-cpu cortex-a53 -smp 3',
    '-cpu cortex-a72 -smp 6,sockets=3,threads=2',
    '-cpu cortex-a57 -machine gic-version=3,secure=on,virtualization=on,iommu=smmuv3',
    '-cpu cortex-a57 -machine secure=on',
    '-cpu max -m 300G -machine gic-version=3',
    '-cpu cortex-a53 -m 600G -machine gic-version=3',
    '-cpu cortex-a57 -m 1G,slots=4,maxmem=300G',
    '-cpu cortex-a15 -m 3G -machine highmem=off',
    '-cpu cortex-a57 -machine gic-version=2,iommu=smmuv3',
    // Every way a message may take, with and without the windows above 4 GiB.
    ...['its=on', 'its=off'].flatMap((its) =>
      ['iommu=none', 'iommu=smmuv3'].flatMap((iommu) =>
        ['highmem=on', 'highmem=off'].map(
          (highmem) => `-cpu cortex-a57 -machine gic-version=3,${its},${iommu},${highmem}`,
        ),
      ),
    ),
  ])('%s', (line) => {
    const words = line.split(' ');
    const at = words.indexOf('-machine');
    const machine = at < 0 ? '' : `,${words.splice(at, 2)[1]}`;
    const folder = mkdtempSync(join(tmpdir(), 'dtb-'));
    try {
      const file = join(folder, 'q.dtb');
      const options = `-machine virt${machine} -nodefaults ${words.join(' ')}`;
      const own = fromCommand(`qemu-system-aarch64 ${options}`);
      // An unreserved backend, so that QEMU takes RAM sizes the host does not have.
      const backend = `memory-backend-ram,id=ram,reserve=off,size=${own.config.ram.size}`;
      const given = `-machine virt${machine},memory-backend=ram,dumpdtb=${file} -object ${backend} -nodefaults ${words.join(' ')} -display none`;
      execFileSync('qemu-system-aarch64', given.split(' '), { stdio: 'pipe' });
      const tree = buildDeviceTree(own.config, own.inputs, ALL_FEATURES).root;
      const qemu = decodeFdt(readFileSync(file)).root;
      expect(order(tree)).toEqual(order(qemu));
      expect(flatten(tree)).toEqual(flatten(qemu));
      // Without the other exception levels nothing is left out.
      if (!/secure|virtualization|max|cortex-a15/.test(line)) {
        const built = buildDeviceTree(own.config, own.inputs, HAVE).root;
        expect(flatten(built)).toEqual(flatten(qemu));
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe('a tree for a machine that lacks features', () => {
  const seeds = { kaslr: new Uint8Array(8), rng: new Uint8Array(32) };
  const config = { ...defaultVirtConfig(), cpu: { model: 'cortex-a57', pmu: true, aarch64: true } };

  it('names no node that does not exist', () => {
    for (const gicVersion of [2, 3] as const) {
      const whole = buildDeviceTree(
        { ...config, gicVersion, its: true },
        { boot: 'linux', seeds },
        ALL_FEATURES,
      ).root;
      const tree = buildDeviceTree(
        { ...config, gicVersion, its: true },
        { boot: 'linux', seeds },
        new Set(),
      ).root;
      expect(findNode(whole, '/pcie@10000000')).toBeDefined();
      expect(tree.children.map(({ name }) => name)).toEqual([
        'psci',
        'memory@40000000',
        'platform-bus@c000000',
        'pl011@9000000',
        'intc@8000000',
        'cpus',
        'timer',
        'apb-pclk',
        'chosen',
      ]);
      expect(findNode(tree, '/intc@8000000')?.children).toEqual([]);
      // What is left is exactly what QEMU says.
      const all = new Set(flatten(whole));
      expect(flatten(tree).filter((line) => !all.has(line))).toEqual([]);
    }
  });

  it('drops msi-map when there is a PCIe host but no MSI controller', () => {
    const tree = buildDeviceTree(config, { boot: 'linux', seeds }, new Set(['pcie'])).root;
    const names = findNode(tree, '/pcie@10000000')?.properties.map(({ name }) => name);
    expect(names).toContain('interrupt-map');
    expect(names).not.toContain('msi-map');
  });

  it('of virtrace itself leaves out what is not yet there', () => {
    const tree = buildDeviceTree(config, { boot: 'linux', seeds }, HAVE).root;
    expect(findNode(tree, '/pl031@9010000')).toBeDefined();
    expect(findNode(tree, '/virtio_mmio@a003e00')).toBeDefined();
  });

  it.each([
    'a57-default',
    'a57-smp4',
    'a57-gic2',
    'a57-gic3',
    'a57-gic3-its-on',
    'a57-gic3-its-off',
    'a57-highmem-off',
    'a57-smp16-gic3',
    'ver-6.1-a57-gic3',
    'ver-2.12-a57',
  ])('of virtrace itself is the whole of QEMU’s: %s', (name) => {
    const command = observed.find(([other]) => other === name)![1];
    const { config: own, inputs } = fromCommand(command);
    const expected = parseDts(readFileSync(new URL(`${name}.dts`, golden), 'utf8'));
    expect(flatten(buildDeviceTree(own, inputs, HAVE).root)).toEqual(flatten(expected));
  });

  it('refuses to go without seeds unless told so', () => {
    expect(() => buildDeviceTree(config, { boot: 'linux' }, HAVE)).toThrow(
      '/chosen needs seeds of 8 and 32 bytes',
    );
    const tree = buildDeviceTree({ ...config, dtbRandomness: false }, { boot: 'linux' }, HAVE).root;
    expect(findNode(tree, '/chosen')?.properties.map(({ name }) => name)).toEqual(['stdout-path']);
  });
});
