/** Starts a virt machine from its configuration and images: decides the kind of boot, builds the tree, loads. */
import {
  type BootImage,
  type BootSegment,
  type CpuStart,
  checkSegments,
  placeLinux,
  placeTreeBesideElf,
} from '../boot.ts';
import { isElf, readElf } from '../elf.ts';
import { decodeFdt, encodeFdt, type Fdt } from '../fdt.ts';
import { stripRamdiskHeader, unpackKernel } from '../kernel-image.ts';
import { OptionError } from '../option-error.ts';
import { editUserFdt, renewRngSeeds, userFdtSize } from '../user-fdt.ts';
import { isAarch64, type VirtConfig } from './config.ts';
import { buildDeviceTree, type ChosenSeeds, memoryRegions, psciNode } from './device-tree.ts';
import { layoutOf, MEMORY_MAP, RAM_BASE } from './memory-map.ts';
import { type Feature, HAVE } from './not-yet.ts';
import { type BootKind, bootEl, psciConduit } from './psci.ts';

/** A file and the name messages give it. */
export interface NamedImage {
  readonly name: string;
  readonly bytes: Uint8Array;
}

export interface VirtImages {
  /** `-kernel`: ELF for AArch64, arm64 Image (also gzipped), or raw. */
  readonly kernel?: NamedImage;
  readonly initrd?: NamedImage;
  /** `-append` */
  readonly commandLine?: string;
  /** `-dtb` */
  readonly dtb?: NamedImage;
  /** `-bios`, or the image of flash bank 0. */
  readonly firmware?: NamedImage;
}

/** What QEMU's generated tree always takes in memory; the header of the blob says so too. */
export const GENERATED_TREE_SIZE = 0x10_0000;

/** What a machine starts with, by the files alone. */
export function bootKindOf(images: VirtImages): BootKind {
  if (images.firmware !== undefined) return 'firmware';
  if (images.kernel === undefined) return 'none';
  return isElf(images.kernel.bytes) ? 'elf' : 'linux';
}

/**
 * Everything the machine needs to start.
 * @param entropy gives random bytes for the seeds of the tree; asked in a fixed order
 * @param have features of the machine, which the tree describes
 * @throws OptionError naming the image that cannot be loaded and why
 */
export function bootVirt(
  config: VirtConfig,
  images: VirtImages,
  entropy: (length: number) => Uint8Array,
  have: ReadonlySet<Feature> = HAVE,
): BootImage {
  const kind = bootKindOf(images);
  checkCombination(images, kind);
  const loaded = load(config, images, kind);
  const tree = treeFor(config, images, kind, loaded.initrd, entropy, have);
  renewRngSeeds(tree.root, entropy);
  const treeSize = treeSizeOf(images);
  const treeAt = loaded.treeAt(treeSize);
  const segments = [...loaded.segments];
  if (treeAt !== undefined) {
    segments.push({ name: 'device tree', address: treeAt, bytes: encode(tree, treeSize), size: treeSize });
  }
  const ram = { base: RAM_BASE, size: config.ram.size };
  checkSegments(segments, [ram, { base: MEMORY_MAP.flash0.base, size: 2 * MEMORY_MAP.flash0.size }]);
  const conduit = psciConduit(config, kind);
  return {
    kind,
    segments,
    cpuReset: cpuStart(config, kind, loaded.entry, treeAt),
    secondaries: conduit === 'disabled' ? 'running' : 'off',
    psciConduit: conduit,
    ...(treeAt === undefined ? {} : { deviceTree: { address: treeAt, size: treeSize } }),
    ...(loaded.fwCfg === undefined ? {} : { fwCfg: loaded.fwCfg }),
  };
}

function encode(tree: Fdt, size: number): Uint8Array {
  try {
    return encodeFdt(tree, size);
  } catch (error) {
    // Only the command line can make a tree that large.
    if (error instanceof RangeError) throw new OptionError(`-append: too long: ${error.message}`);
    throw error;
  }
}

/**
 * The segments to write at a system reset: the same images, with new bytes in every `rng-seed`.
 * @param image what `bootVirt` gave
 */
export function segmentsAfterReset(image: BootImage, entropy: (length: number) => Uint8Array): BootSegment[] {
  return image.segments.map((segment) => {
    if (segment.address !== image.deviceTree?.address) return segment;
    const tree = decodeFdt(segment.bytes);
    renewRngSeeds(tree.root, entropy);
    return { ...segment, bytes: encodeFdt(tree, segment.size) };
  });
}

function checkCombination({ kernel, initrd, commandLine }: VirtImages, kind: BootKind): void {
  if (kernel === undefined && initrd !== undefined)
    throw new OptionError('-initrd is only allowed with -kernel');
  if (kernel === undefined && commandLine) throw new OptionError('-append is only allowed with -kernel');
  if (kind === 'elf' && initrd !== undefined) {
    throw new OptionError(
      `-initrd ${initrd.name}: an ELF kernel gets no RAM disk; give an arm64 Image as -kernel`,
    );
  }
}

interface Loaded {
  readonly segments: BootSegment[];
  readonly entry: number;
  readonly initrd?: { readonly start: number; readonly end: number };
  /** Where a tree of this size goes. */
  readonly treeAt: (size: number) => number | undefined;
  readonly fwCfg?: NonNullable<BootImage['fwCfg']>;
}

function load(config: VirtConfig, images: VirtImages, kind: BootKind): Loaded {
  switch (kind) {
    case 'none':
      return { segments: [], entry: 0, treeAt: () => RAM_BASE };
    case 'firmware':
      return loadFirmware(config, images);
    case 'elf':
      return loadElf(config, images.kernel!);
    case 'linux':
      return loadLinux(config, images);
  }
}

function loadFirmware(config: VirtConfig, { firmware, kernel, initrd, commandLine }: VirtImages): Loaded {
  const { name, bytes } = firmware!;
  const limit = MEMORY_MAP.flash0.size;
  if (bytes.length > limit) {
    throw new OptionError(`-bios ${name}: ${bytes.length} bytes; a flash bank has ${limit}`);
  }
  const packed = kernel?.bytes;
  const unpacked =
    packed !== undefined && isAarch64(config) ? unpackKernel(packed, `-kernel ${kernel!.name}`) : packed;
  return {
    segments: [{ name: `-bios ${name}`, address: MEMORY_MAP.flash0.base, bytes, size: bytes.length }],
    entry: MEMORY_MAP.flash0.base,
    treeAt: () => RAM_BASE,
    fwCfg: {
      ...(unpacked === undefined ? {} : { kernel: unpacked }),
      ...(initrd === undefined ? {} : { initrd: initrd.bytes }),
      ...(commandLine === undefined ? {} : { commandLine }),
    },
  };
}

function loadElf(config: VirtConfig, { name, bytes }: NamedImage): Loaded {
  const what = `-kernel ${name}`;
  if (!isAarch64(config)) throw new OptionError(`${what}: ELF files for AArch32 cannot be loaded yet`);
  const program = readElf(bytes, what);
  return {
    segments: program.segments.map((segment, index) => ({ ...segment, name: `${what} segment ${index}` })),
    entry: program.entry,
    treeAt: (size) => placeTreeBesideElf(program.low, program.high, RAM_BASE, size),
  };
}

function loadLinux(config: VirtConfig, images: VirtImages): Loaded {
  const what = `-kernel ${images.kernel!.name}`;
  const aarch64 = isAarch64(config);
  const file = images.kernel!.bytes;
  if (file.length === 0) throw new OptionError(`${what}: the file is empty`);
  const kernel = aarch64 ? unpackKernel(file, what) : file;
  const initrd = images.initrd && stripRamdiskHeader(images.initrd.bytes, `-initrd ${images.initrd.name}`);
  const ram = { base: RAM_BASE, size: config.ram.size };
  const place = placeLinux(kernel, initrd?.length ?? 0, ram, aarch64);
  const end = ram.base + ram.size;
  if (!(place.kernelEnd <= end)) {
    const missing = place.kernelEnd - end;
    throw new OptionError(`${what}: the kernel needs ${missing} bytes more RAM than -m gives (${ram.size})`);
  }
  const segments: BootSegment[] = [{ name: what, address: place.kernel, bytes: kernel, size: kernel.length }];
  if (initrd === undefined || initrd.length === 0) {
    return { segments, entry: place.kernel, treeAt: () => place.deviceTree };
  }
  if (place.initrd + initrd.length > 2 ** 32) {
    // QEMU 7.2 writes the two addresses as 32-bit cells.
    throw new OptionError(
      `-initrd ${images.initrd!.name}: it would end above 4 GiB, after a kernel of that size`,
    );
  }
  segments.push({
    name: `-initrd ${images.initrd!.name}`,
    address: place.initrd,
    bytes: initrd,
    size: initrd.length,
  });
  return {
    segments,
    entry: place.kernel,
    initrd: { start: place.initrd, end: place.initrd + initrd.length },
    treeAt: () => place.deviceTree,
  };
}

function treeSizeOf({ dtb }: VirtImages): number {
  return dtb === undefined ? GENERATED_TREE_SIZE : userFdtSize(dtb.bytes.length);
}

function treeFor(
  config: VirtConfig,
  images: VirtImages,
  kind: BootKind,
  initrd: Loaded['initrd'],
  entropy: (length: number) => Uint8Array,
  have: ReadonlySet<Feature>,
): Fdt {
  // With firmware the command line goes through fw_cfg, not into the tree.
  const bootargs = kind === 'firmware' ? undefined : images.commandLine;
  const chosen = { ...(bootargs ? { bootargs } : {}), ...(initrd === undefined ? {} : { initrd }) };
  if (images.dtb !== undefined) {
    const conduit = psciConduit(config, kind);
    return editUserFdt(
      images.dtb.bytes,
      {
        ...chosen,
        memory: memoryRegions(config, layoutOf(config, kind === 'firmware')),
        ...(conduit === 'disabled' ? {} : { psci: psciNode(conduit, isAarch64(config)) }),
      },
      `-dtb ${images.dtb.name}`,
    );
  }
  if (!config.dtbRandomness) return buildDeviceTree(config, { ...chosen, boot: kind }, have);
  const seeds = (): ChosenSeeds => ({ kaslr: entropy(8), rng: new Uint8Array(32) });
  return buildDeviceTree(
    config,
    { ...chosen, boot: kind, seeds: seeds(), ...(config.secure ? { secureSeeds: seeds() } : {}) },
    have,
  );
}

function cpuStart(config: VirtConfig, kind: BootKind, pc: number, treeAt: number | undefined): CpuStart {
  const aarch64 = isAarch64(config);
  const el = bootEl(config, kind);
  // Only Linux is told where the tree is: x0, or r2 after r0 = 0 and r1 = machine number -1.
  const tree = kind === 'linux' ? (treeAt ?? 0) : 0;
  const arm = kind === 'linux' && !aarch64;
  return {
    pc,
    x0: arm ? 0 : tree,
    x1: arm ? 0xffff_ffff : 0,
    x2: arm ? tree : 0,
    x3: 0,
    el,
    aarch64,
    leavesEl3: config.secure && el < 3,
  };
}
