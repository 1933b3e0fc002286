import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import { defaultVirtConfig, type VirtConfig } from '../../engine/boards/virt/config.ts';
import { type PciDeviceRequest, placePciDevices } from '../../engine/boards/virt/pci-devices.ts';
import { CowBlockStorage } from '../../engine/devices/virtio/block-storage.ts';
import type { MachineSpec } from '../../engine/machine.ts';
import { linesBeyond } from '../support/kernel-log.ts';
import {
  copyOf,
  type Guest,
  hasLinux,
  LINUX_IMAGE,
  LINUX_INITRD,
  makeGuest,
  runToEnd,
  type TestMachine,
} from '../support/machines.ts';
import { project, qemu } from '../support/qemu.ts';

/*
 * Debian's kernel with PCI devices, beside QEMU with the same options: configuration space of every function after
 * Linux has set it up, resources, features, interrupts, contents of the disk, and the kernel's log.
 */

const APPEND = 'console=ttyAMA0 cryptomgr.notests=1';
const MiB = 2 ** 20;
const disk = Uint8Array.from({ length: 4 * MiB }, (_, n) => (n * 13 + (n >> 9)) & 0xff);

/** Options of `-device`, without ids that nobody refers to. */
type Device = readonly [type: string, options: { readonly [name: string]: string }];
const BLK: Device = ['virtio-blk-pci', { drive: 'd' }];
const RNG: Device = ['virtio-rng-pci', {}];
const PORT: Device = ['pcie-root-port', { id: 'rp', chassis: '1' }];
/** A virtio device whose rings and buffers go through the SMMU. */
const translated = ([type, options]: Device): Device => [
  type,
  { ...options, 'disable-legacy': 'on', iommu_platform: 'on' },
];
const behind = ([type, options]: Device): Device => [type, { ...options, bus: 'rp' }];

interface Setup {
  readonly name: string;
  readonly gic: 2 | 3;
  readonly cpus: number;
  readonly devices: readonly Device[];
  /** Further `-M` properties, which are those of the configuration. */
  readonly machine?: { readonly its?: boolean; readonly highmem?: boolean; readonly iommu?: 'smmuv3' };
  /** More for the kernel's command line. */
  readonly append?: string;
}

const setups: readonly Setup[] = [
  { name: 'GICv2m', gic: 2, cpus: 1, devices: [BLK, RNG] },
  { name: 'GICv2m, 4 CPUs', gic: 2, cpus: 4, devices: [BLK, RNG, PORT, behind(['virtio-serial-pci', {}])] },
  { name: 'ITS', gic: 3, cpus: 1, devices: [BLK, RNG, ['edu', {}]] },
  {
    name: 'ITS, 4 CPUs, a root port',
    gic: 3,
    cpus: 4,
    devices: [PORT, behind(BLK), RNG, ['virtio-serial-pci', {}], ['virtio-balloon-pci', {}]],
  },
  {
    name: 'INTx only',
    gic: 3,
    cpus: 1,
    devices: [BLK, RNG, ['virtio-serial-pci', {}]],
    machine: { its: false },
  },
  {
    name: 'all below 4 GiB',
    gic: 3,
    cpus: 1,
    devices: [BLK, PORT, behind(RNG)],
    machine: { highmem: false },
  },
  ...[1, 4].map((cpus) => ({
    name: `SMMU, strict, ${cpus} CPUs`,
    gic: 3 as const,
    cpus,
    devices: [translated(BLK), PORT, translated(behind(RNG)), translated(['virtio-serial-pci', {}])],
    machine: { iommu: 'smmuv3' as const },
    append: 'iommu.strict=1',
  })),
  {
    name: 'SMMU, passthrough',
    gic: 3,
    cpus: 1,
    devices: [translated(BLK), translated(RNG)],
    machine: { iommu: 'smmuv3' },
    append: 'iommu.passthrough=1',
  },
  {
    name: 'SMMU for messages only',
    gic: 3,
    cpus: 1,
    devices: [BLK, RNG],
    machine: { iommu: 'smmuv3' },
  },
];

describe.skipIf(!hasLinux)('Linux with PCI devices', () => {
  const folder = mkdtempSync(join(tmpdir(), 'pcie-'));
  afterAll(() => rmSync(folder, { recursive: true }));

  const root = join(folder, 'root');
  mkdirSync(root);
  copyFileSync(`${project}guests/pcie-probe/init`, join(root, 'init'));
  spawnSync('chmod', ['755', join(root, 'init')]);
  const overlay = join(folder, 'overlay.cpio');
  spawnSync(process.execPath, [`${project}scripts/make-initramfs.mjs`, root, overlay]);
  const initrd = join(folder, 'initrd.cpio');
  if (hasLinux)
    writeFileSync(initrd, Buffer.concat([gunzipSync(readFileSync(LINUX_INITRD)), readFileSync(overlay)]));

  function test({ gic, cpus, devices, machine = {}, append = '' }: Setup): TestMachine {
    const requests = devices.map(([type, options], index): PciDeviceRequest => {
      const { id = `${type}${index}`, bus, ...given } = options;
      const properties = Object.fromEntries(
        Object.entries(given).map(([name, value]) => [name, value === 'on' ? true : value]),
      );
      return { type, id, properties, ...(bus === undefined ? {} : { bus }) };
    });
    const base = defaultVirtConfig();
    const config: VirtConfig = {
      ...base,
      ...machine,
      cpu: { ...base.cpu, model: 'cortex-a57' },
      smp: { ...base.smp, cpus, maxCpus: cpus, cores: cpus },
      gicVersion: gic,
      ram: { size: 512 * MiB, maxSize: 512 * MiB, slots: 0 },
      pciDevices: placePciDevices(requests),
    };
    const spec: Partial<MachineSpec> = {
      config,
      drives: { d: new CowBlockStorage(disk) },
      images: {
        kernel: { name: 'Image', bytes: readFileSync(LINUX_IMAGE) },
        initrd: { name: 'initrd', bytes: readFileSync(initrd) },
        commandLine: `${APPEND} ${append}`.trim(),
      },
    };
    return { guest: 'linux', with: spec };
  }

  function theirConsole({ gic, cpus, devices, machine = {}, append = '' }: Setup): string {
    const file = join(folder, 'disk');
    writeFileSync(file, disk);
    const properties = Object.entries(machine).map(([name, value]) => {
      const text = typeof value === 'string' ? value : value ? 'on' : 'off';
      return `,${name}=${text}`;
    });
    const { stdout, status } = spawnSync(
      qemu!,
      [
        ...[
          '-M',
          `virt,gic-version=${gic}${properties.join('')}`,
          '-cpu',
          'cortex-a57',
          '-smp',
          String(cpus),
        ],
        ...['-m', '512', '-nographic', '-nodefaults', '-serial', 'stdio', '-icount', 'shift=0,sleep=off'],
        ...['-kernel', LINUX_IMAGE, '-initrd', initrd, '-append', `${APPEND} ${append}`.trim()],
        ...['-drive', `if=none,id=d,format=raw,file=${file}`],
        ...devices.flatMap(([type, options]) => [
          '-device',
          [type, ...Object.entries(options).map(([name, value]) => `${name}=${value}`)].join(','),
          // A console behind every controller, as ours has.
          ...(type === 'virtio-serial-pci'
            ? ['-chardev', 'null,id=null', '-device', 'virtconsole,chardev=null']
            : []),
        ]),
      ],
      { encoding: 'latin1', input: '', timeout: 600_000, maxBuffer: 2 ** 26 },
    );
    if (status !== 0) throw new Error(`QEMU ended with ${status}: ${stdout.slice(-500)}`);
    return stdout.replaceAll('\r', '');
  }

  const between = (text: string, begin: string, end: string): string =>
    text.slice(text.indexOf(begin) + begin.length, text.indexOf(end));
  /** What the guest found, without lines of the kernel, and without what it sent to the other console. */
  const probeOf = (text: string): string =>
    between(text, 'PROBE-BEGIN', 'PROBE-END').replace(/^(\[ *\d+\.\d+\] .*|hello console)\n/gm, '');
  /** Number, controller and name of every interrupt. */
  const interrupts = (text: string): string[] =>
    between(text, 'PROBE-END', 'INTERRUPTS-END')
      .split('\n')
      .map((line) => line.replace(/(?<=:)( +\d+)+ /, ' ').trim());

  it.skipIf(qemu === undefined).each(setups)('sees and uses what it does on QEMU: $name', (setup) => {
    const guest = makeGuest(test(setup));
    expect(runToEnd(guest)).toEqual({ reason: 'power-off' });
    expect(guest.errors).toEqual([]);
    const ours = guest.console();
    const theirs = theirConsole(setup);
    const probe = probeOf(ours);
    expect(probe).toContain('disk written to disk');
    expect(probe).toContain('random bytes 64');
    expect(probe).toBe(probeOf(theirs));
    expect(interrupts(ours)).toEqual(interrupts(theirs));
    const logOf = (text: string): string => text.slice(0, text.indexOf('PROBE-BEGIN'));
    expect(linesBeyond(logOf(ours), logOf(theirs))).toEqual([]);
    const hasConsole = setup.devices.some(([type]) => type === 'virtio-serial-pci');
    expect(ours.includes('hello console\n')).toBe(hasConsole);
  });

  it('goes on in a copy of the machine exactly as in itself', () => {
    const setup = test(setups[3]!);
    const again = (): TestMachine => ({
      ...setup,
      with: {
        ...setup.with,
        drives: { d: new CowBlockStorage(disk) },
        // Without a memory of its own, so that it answers the copy as it does the original.
        inputs: { entropy: (_device, length) => new Uint8Array(length).fill(7) },
      },
    });
    const original = makeGuest(again());
    // In the middle of reading the disk.
    runToEnd(original, 520e6);
    const copy: Guest = copyOf(original, again());
    expect(copy.machine.hash()).toEqual(original.machine.hash());
    expect(runToEnd(copy)).toEqual({ reason: 'power-off' });
    expect(runToEnd(original)).toEqual({ reason: 'power-off' });
    expect(copy.machine.hash()).toEqual(original.machine.hash());
  });
});
