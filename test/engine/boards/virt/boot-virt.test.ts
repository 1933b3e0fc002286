import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import { placeLinux } from '../../../../engine/boards/boot.ts';
import { decodeFdt, encodeFdt, findNode, findProperty } from '../../../../engine/boards/fdt.ts';
import { bootVirt, segmentsAfterReset, type VirtImages } from '../../../../engine/boards/virt/boot-virt.ts';
import { defaultVirtConfig, type VirtConfig } from '../../../../engine/boards/virt/config.ts';
import { ALL_FEATURES } from '../../../../engine/boards/virt/device-tree.ts';
import { parseMemoryOption } from '../../../../engine/boards/virt/properties.ts';
import { buildArm64Image, buildElf } from '../elf-builder.ts';
import { flatten, order } from './dts-text.ts';

const MiB = 0x10_0000;
const a57: VirtConfig = { ...defaultVirtConfig(), cpu: { model: 'cortex-a57', pmu: true, aarch64: true } };
const entropy = (length: number): Uint8Array => new Uint8Array(length).fill(7);
const named = (name: string, bytes: Uint8Array) => ({ name, bytes });
const bare = (start: number, size = 16) =>
  buildElf({ entry: start, segments: [{ physical: start, bytes: new Uint8Array(size).fill(1) }] });

// virt-board.md 8.2 and 8.3, "Placement observed" and "Observed DTB".
describe('placeLinux', () => {
  const raw = new Uint8Array(5000);
  it.each<[number, Uint8Array, number, boolean, number, number]>([
    [64, raw, 0, true, 0x4008_0000, 0x4200_0000],
    [128, raw, 0, true, 0x4008_0000, 0x4400_0000],
    [1024, raw, 0, true, 0x4008_0000, 0x4800_0000],
    [1024, buildArm64Image(0, 8192, 8192), 0, true, 0x4020_0000, 0x4800_0000],
    [1024, buildArm64Image(0x8_0000, 8192, 8192), 5000, true, 0x4008_0000, 0x4820_0000],
    [64, buildArm64Image(0x8_0000, 8192, 8192), 5000, true, 0x4008_0000, 0x4220_0000],
    [64, raw, 0, false, 0x4001_0000, 0x4200_0000],
    [1024, raw, 5000, false, 0x4001_0000, 0x4800_2000],
  ])('%i MiB: row %#', (ram, kernel, initrd, aarch64, entry, tree) => {
    const place = placeLinux(kernel, initrd, { base: 0x4000_0000, size: ram * MiB }, aarch64);
    expect([place.kernel, place.deviceTree]).toEqual([entry, tree]);
  });
});

describe('bootVirt', () => {
  const boot = (images: VirtImages, config = a57) => bootVirt(config, images, entropy);
  const kernel = named('Image', buildArm64Image(0, 3 * MiB, 8192));

  it('starts Linux with the tree in x0, at EL1, other CPUs off', () => {
    const image = boot({ kernel, initrd: named('rd', new Uint8Array(5000)), commandLine: 'quiet' });
    expect(image.cpuReset).toEqual({
      pc: 0x4020_0000,
      x0: 0x4420_0000,
      x1: 0,
      x2: 0,
      x3: 0,
      el: 1,
      aarch64: true,
      leavesEl3: false,
    });
    expect([image.kind, image.secondaries, image.psciConduit]).toEqual(['linux', 'off', 'hvc']);
    expect(image.segments.map(({ name, address, size }) => [name, address, size])).toEqual([
      ['-kernel Image', 0x4020_0000, 8192],
      ['-initrd rd', 0x4400_0000, 5000],
      ['device tree', 0x4420_0000, MiB],
    ]);
    const chosen = findNode(decodeFdt(image.segments[2]!.bytes).root, '/chosen')!;
    expect(chosen.properties.map(({ name }) => name)).toEqual([
      'linux,initrd-end',
      'linux,initrd-start',
      'bootargs',
      'stdout-path',
      'rng-seed',
      'kaslr-seed',
    ]);
  });

  // virt-board.md section 6, examples.
  it.each<[string, Partial<VirtConfig>, VirtImages, string, number, string]>([
    ['virtualization, Linux', { virtualization: true }, { kernel }, 'smc', 2, 'off'],
    [
      'virtualization, ELF',
      { virtualization: true },
      { kernel: named('e', bare(0x4010_0000)) },
      'smc',
      2,
      'off',
    ],
    ['secure, Linux', { secure: true }, { kernel }, 'hvc', 1, 'off'],
    ['both, Linux', { secure: true, virtualization: true }, { kernel }, 'smc', 2, 'off'],
    ['secure, nothing', { secure: true }, {}, 'disabled', 3, 'running'],
    [
      'both, ELF',
      { secure: true, virtualization: true },
      { kernel: named('e', bare(0x4010_0000)) },
      'disabled',
      3,
      'running',
    ],
    [
      'secure, firmware',
      { secure: true },
      { firmware: named('f', new Uint8Array(4)) },
      'disabled',
      3,
      'running',
    ],
    ['firmware', {}, { firmware: named('f', new Uint8Array(4)) }, 'hvc', 1, 'off'],
  ])('PSCI: %s', (_, change, images, conduit, el, secondaries) => {
    const image = boot(images, { ...a57, ...change });
    expect([image.psciConduit, image.cpuReset.el, image.secondaries]).toEqual([conduit, el, secondaries]);
    expect(image.cpuReset.leavesEl3).toBe(change.secure === true && el < 3);
  });

  it('gives firmware the kernel through fw_cfg, unpacked, and flash its image', () => {
    const firmware = named('fw', new Uint8Array(1000).fill(3));
    const packed = named('Image.gz', gzipSync(kernel.bytes));
    const image = boot({ firmware, kernel: packed, commandLine: 'quiet' });
    expect(image.fwCfg).toEqual({ kernel: kernel.bytes, commandLine: 'quiet' });
    expect(image.segments.map(({ address }) => address)).toEqual([0, 0x4000_0000]);
    expect(image.cpuReset.pc).toBe(0);
    expect(findNode(decodeFdt(image.segments[1]!.bytes).root, '/chosen')!.properties[0]!.name).toBe(
      'stdout-path',
    );
  });

  it('renews rng-seed, and only it, at a reset', () => {
    const first = boot({ kernel });
    const after = segmentsAfterReset(first, (length) => new Uint8Array(length).fill(9));
    const seed = (segments: readonly { bytes: Uint8Array }[], name: string) =>
      findProperty(findNode(decodeFdt(segments[1]!.bytes).root, '/chosen')!, name);
    expect(seed(first.segments, 'rng-seed')).toEqual(new Uint8Array(32).fill(7));
    expect(seed(after, 'rng-seed')).toEqual(new Uint8Array(32).fill(9));
    expect(seed(after, 'kaslr-seed')).toEqual(new Uint8Array(8).fill(7));
    expect(after[0]).toBe(first.segments[0]);
  });

  it('starts an AArch32 kernel with machine number -1 in r1 and the tree in r2', () => {
    const image = boot({ kernel: named('zImage', new Uint8Array(100)) }, defaultVirtConfig());
    expect(image.cpuReset).toMatchObject({
      pc: 0x4001_0000,
      x0: 0,
      x1: 0xffff_ffff,
      x2: 0x4400_0000,
      aarch64: false,
    });
  });

  it.each<[string, VirtImages, string]>([
    [
      'a kernel larger than RAM',
      { kernel: named('k', buildArm64Image(0, 127 * MiB, 64)) },
      '-kernel k: the kernel needs 1048576 bytes more RAM than -m gives (134217728)',
    ],
    [
      'a wild text_offset',
      { kernel: named('k', buildArm64Image(2 ** 60, 64, 64)) },
      '-kernel k: the kernel needs',
    ],
    [
      'a large RAM disk',
      { kernel, initrd: named('r', new Uint8Array(64 * MiB)) },
      'device tree (0x48000000 to 0x48100000) does not fit into memory: 0x40000000 to 0x48000000, 0x0 to 0x8000000; larger with -m',
    ],
    [
      'an ELF file beyond RAM',
      { kernel: named('e', bare(0x4800_0000)) },
      '-kernel e segment 0 (0x48000000 to 0x48000010) does not fit',
    ],
    [
      'an ELF file that overlaps the tree',
      {
        kernel: named(
          'e',
          buildElf({
            entry: 0,
            segments: [
              { physical: 0, bytes: Uint8Array.of(1) },
              { physical: 0x4000_0000, bytes: Uint8Array.of(1) },
            ],
          }),
        ),
      },
      '-kernel e segment 0 (0x0 to 0x1) and device tree (0x0 to 0x100000) overlap',
    ],
    [
      'an endless command line',
      { kernel, commandLine: 'x'.repeat(MiB) },
      '-append: too long: device tree of',
    ],
    ['an empty kernel', { kernel: named('k', new Uint8Array(0)) }, '-kernel k: the file is empty'],
    ['a RAM disk alone', { initrd: kernel }, '-initrd is only allowed with -kernel'],
    ['a command line alone', { commandLine: 'x' }, '-append is only allowed with -kernel'],
    [
      'a RAM disk with ELF',
      { kernel: named('e', bare(0x4010_0000)), initrd: named('r', kernel.bytes) },
      '-initrd r: an ELF kernel gets no RAM disk; give an arm64 Image as -kernel',
    ],
    [
      'large firmware',
      { firmware: named('f', new Uint8Array(64 * MiB + 1)) },
      '-bios f: 67108865 bytes; a flash bank has 67108864',
    ],
    [
      'a tree that is none',
      { kernel, dtb: named('d', new Uint8Array(10)) },
      '-dtb d: device tree: 10 bytes are too few for a header (byte 0xa)',
    ],
  ])('refuses %s', (_, images, message) => {
    expect(() => boot(images)).toThrow(message);
  });
});

const hasQemu =
  spawnSync('qemu-system-aarch64', ['--version']).stdout?.toString().includes('version 7.2') === true;
const folder = mkdtempSync(join(tmpdir(), 'boot-'));
afterAll(() => rmSync(folder, { recursive: true }));
const put = (name: string, bytes: Uint8Array): string => {
  const file = join(folder, name);
  writeFileSync(file, bytes);
  return file;
};

/** Physical memory words and the PC of a QEMU that was started with these images and has not run yet. */
function lookInQemu(options: string[], addresses: number[]): { pc: number; words: number[] } {
  const commands = addresses.map((address) => `xp /1wx 0x${address.toString(16)}`);
  const text = execFileSync(
    'qemu-system-aarch64',
    ['-cpu', 'cortex-a57', '-nodefaults', '-display', 'none', '-S', '-monitor', 'stdio', ...options],
    { input: `${[...commands, 'info registers', 'quit'].join('\n')}\n`, stdio: ['pipe', 'pipe', 'pipe'] },
  ).toString();
  const words = [...text.matchAll(/^[0-9a-f]{16}: (0x[0-9a-f]{8})/gm)].map(([, word]) => Number(word));
  return { pc: Number.parseInt(/PC=([0-9a-f]{16})/.exec(text)![1]!, 16), words };
}

const MAGIC_LE = 0xedfe_0dd0;

describe.skipIf(!hasQemu)('a running QEMU 7.2 agrees', () => {
  const kernels: [string, Uint8Array][] = [
    ['raw', new Uint8Array(5000).fill(0x55)],
    ['offset0', buildArm64Image(0, 3 * MiB + 5, 8192)],
    ['offset80000', buildArm64Image(0x8_0000, 40 * MiB, 8192)],
    ['gzipped', gzipSync(buildArm64Image(0x1000, 8192, 8192))],
  ];
  const cases = kernels.flatMap(([name, bytes]) =>
    [64, 700].flatMap((ram) => [0, 5_000_000].map((initrd) => ({ name, bytes, ram, initrd }))),
  );

  it.each(cases)(
    'on where Linux $name goes: $ram MiB, RAM disk of $initrd bytes',
    ({ name, bytes, ram, initrd }) => {
      const disk = new Uint8Array(initrd).fill(0x66);
      const options = ['-M', 'virt', '-m', String(ram), '-kernel', put(name, bytes)];
      if (initrd > 0) options.push('-initrd', put('rd', disk));
      const images = { kernel: named(name, bytes), ...(initrd > 0 ? { initrd: named('rd', disk) } : {}) };
      const own = bootVirt({ ...a57, ram: parseMemoryOption(String(ram)) }, images, entropy);
      // The stub: words 6 and 7 hold the tree's address, 8 and 9 the kernel's.
      const stub = [24, 28, 32, 36].map((offset) => 0x4000_0000 + offset);
      const { words } = lookInQemu(options, [
        ...stub,
        own.cpuReset.x0,
        ...(initrd > 0 ? [own.segments[1]!.address] : []),
      ]);
      expect(words).toEqual([
        own.cpuReset.x0,
        0,
        own.cpuReset.pc,
        0,
        MAGIC_LE,
        ...(initrd > 0 ? [0x6666_6666] : []),
      ]);
    },
  );

  // virt-board.md 8.4.
  it.each([
    ['1 MiB above RAM base', 0x4010_0000, 16],
    ['just below that', 0x400f_fff0, 16],
    ['at RAM base', 0x4000_0000, 16],
    ['in flash', 0x0020_0000, 16],
    ['up to RAM base', 0x0600_0000, 16],
  ])('on the tree beside an ELF file %s', (name, start, size) => {
    const file = bare(start, size);
    const own = bootVirt(a57, { kernel: named(name, file) }, entropy);
    const { pc, words } = lookInQemu(['-M', 'virt', '-kernel', put('elf', file)], [0, 0x4000_0000]);
    expect(own.cpuReset.pc).toBe(pc);
    expect(own.cpuReset.x0).toBe(0);
    const place = words[0] === MAGIC_LE ? 0 : words[1] === MAGIC_LE ? 0x4000_0000 : undefined;
    expect(own.deviceTree?.address).toBe(place);
  });

  it('on refusing ELF for another machine', () => {
    const file = buildElf({
      entry: 0,
      segments: [{ physical: 0x4010_0000, bytes: Uint8Array.of(1) }],
      machine: 62,
    });
    expect(() => bootVirt(a57, { kernel: named('e', file) }, entropy)).toThrow('an ELF file for x86-64');
    expect(() => lookInQemu(['-M', 'virt', '-kernel', put('elf', file)], [])).toThrow();
  });

  const source = (cells: number, rest: string): string => `/dts-v1/; /memreserve/ 0x50000000 0x1000;
    / { #address-cells = <2>; #size-cells = <${cells}>; compatible = "x"; a = "1";
      psci { compatible = "arm,psci"; method = "smc"; foo = <1>; };
      memory { device_type = "memory"; };
      memory@1000 { device_type = "memory"; };
      memory-controller@5 { };
      ${rest} z { rng-seed = <1>; }; };`;
  const chosen = 'chosen { bootargs = "old"; linux,initrd-start = <1>; rng-seed = <1 2 3>; y; sub { }; };';
  it.each<[string, string, string[], Partial<VirtConfig>]>([
    ['all there', source(2, chosen), [], {}],
    ['no chosen, one size cell', source(1, ''), [], {}],
    ['with EL2', source(2, chosen), ['virtualization=on'], { virtualization: true }],
    ['with EL3', source(2, chosen), ['secure=on'], { secure: true }],
  ])('on what changes in a given tree: %s', (_, text, machine, change) => {
    const blob = execFileSync('dtc', ['-q', '-O', 'dtb'], { input: text });
    const kernel = new Uint8Array(5000).fill(1);
    const disk = new Uint8Array(5000).fill(2);
    const out = join(folder, 'out.dtb');
    const files = [
      '-dtb',
      put('in.dtb', blob),
      '-kernel',
      put('k', kernel),
      '-initrd',
      put('r', disk),
      '-append',
      'hello',
    ];
    const options = [
      '-M',
      ['virt', ...machine, `dumpdtb=${out}`].join(','),
      '-nodefaults',
      '-display',
      'none',
    ];
    execFileSync('qemu-system-aarch64', ['-cpu', 'cortex-a57', ...options, ...files], { stdio: 'pipe' });
    const qemu = readFileSync(out);
    const own = bootVirt(
      { ...a57, ...change },
      { kernel: named('k', kernel), initrd: named('r', disk), commandLine: 'hello', dtb: named('d', blob) },
      entropy,
    );
    const segment = own.segments[2]!;
    expect(segment.size).toBe(qemu.length);
    const tree = decodeFdt(segment.bytes);
    expect(order(tree.root)).toEqual(order(decodeFdt(qemu).root));
    expect(flatten(tree.root)).toEqual(flatten(decodeFdt(qemu).root));
    expect(tree.reservations).toEqual(decodeFdt(qemu).reservations);
  });
});

describe('a tree given with -dtb', () => {
  const tree = (addressCells: number, sizeCells: number): Uint8Array => {
    const value = (count: number) => Uint8Array.of(0, 0, 0, count);
    const properties = [
      { name: '#address-cells', value: value(addressCells) },
      { name: '#size-cells', value: value(sizeCells) },
    ];
    return encodeFdt({ root: { name: '', properties, children: [] }, reservations: [], bootCpu: 0 });
  };
  it.each<[string, Uint8Array, string, string]>([
    ['no size cells', tree(2, 0), '1G', '-dtb d: #size-cells of the root is 0; 1 or 2 is needed'],
    [
      '4 GiB in one cell',
      tree(2, 1),
      '4G',
      '-dtb d: #size-cells is 1, which cannot describe 0x100000000; 2 is needed',
    ],
  ])('is refused with %s', (_, bytes, ram, message) => {
    const config = { ...a57, ram: parseMemoryOption(ram) };
    expect(() => bootVirt(config, { dtb: named('d', bytes) }, entropy, ALL_FEATURES)).toThrow(message);
  });
});
