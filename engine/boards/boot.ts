/**
 * How a machine starts: where kernel, RAM disk and device tree go, and what the boot CPU holds in its
 * registers. The result is plain data; the board writes it into memory at power-on and at every reset (QEMU
 * does so too: images come back, other RAM stays).
 *
 * QEMU enters Linux through a stub of 40 bytes at the start of RAM. Here the registers are set as the stub
 * leaves them and the CPU starts at the kernel itself: the kernel sees the same registers, and the first
 * bytes of RAM, which the protocol gives to nobody, stay zero (docs/device-tree.md, "Boot").
 */
import type { LoadSegment } from './elf.ts';
import { readArm64Header } from './kernel-image.ts';
import { OptionError } from './option-error.ts';

const KiB = 1024;
const MiB = 1024 * KiB;

/** Bytes in physical memory; `name` is for messages and for the trace. */
export interface BootSegment extends LoadSegment {
  readonly name: string;
}

/** Registers of a CPU that starts running; everything else is at its reset value. */
export interface CpuStart {
  readonly pc: number;
  readonly x0: number;
  readonly x1: number;
  readonly x2: number;
  readonly x3: number;
  readonly el: 1 | 2 | 3;
  readonly aarch64: boolean;
  /**
   * The CPU has EL3 but starts below it, as if firmware had handed over: the Non-secure set-up of
   * virt-board.md 8.2 (SCR_EL3, CPTR_EL3, NSACR, interrupt groups) is to be done at every reset.
   */
  readonly leavesEl3: boolean;
}

export interface BootImage {
  readonly kind: 'linux' | 'elf' | 'firmware' | 'none';
  readonly segments: readonly BootSegment[];
  readonly cpuReset: CpuStart;
  /** Other CPUs: off until PSCI starts them, or running from reset like the first. */
  readonly secondaries: 'off' | 'running';
  readonly psciConduit: 'disabled' | 'hvc' | 'smc';
  /** Where the device tree is; absent when there was no room for it. */
  readonly deviceTree?: { readonly address: number; readonly size: number };
  /** With firmware: what it gets through fw_cfg instead. */
  readonly fwCfg?: {
    readonly kernel?: Uint8Array;
    readonly initrd?: Uint8Array;
    readonly commandLine?: string;
  };
}

export interface Range {
  readonly base: number;
  readonly size: number;
}

/** Addresses for a Linux boot. */
export interface LinuxPlacement {
  readonly kernel: number;
  /** First address after the kernel with its BSS. */
  readonly kernelEnd: number;
  /** Where a RAM disk is or would be. */
  readonly initrd: number;
  readonly deviceTree: number;
}

/** First bytes of RAM that QEMU keeps for its stub: an Image that wants to start there goes 2 MiB higher. */
const STUB_AREA = 4 * KiB;
const PAGE = 4 * KiB;

function roundUp(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit;
}

/**
 * Where QEMU puts the parts of a Linux boot (virt-board.md 8.2, 8.3). Checks nothing but arithmetic: see
 * `checkSegments`.
 */
export function placeLinux(
  kernel: Uint8Array,
  initrdSize: number,
  ram: Range,
  aarch64: boolean,
): LinuxPlacement {
  const header = aarch64 ? readArm64Header(kernel) : undefined;
  const offset =
    header === undefined
      ? aarch64
        ? 512 * KiB
        : 64 * KiB
      : header.textOffset + (header.textOffset < STUB_AREA ? 2 * MiB : 0);
  const kernelAt = ram.base + offset;
  const kernelEnd = kernelAt + (header?.imageSize ?? kernel.length);
  const initrd = roundUp(Math.max(ram.base + Math.min(ram.size / 2, 128 * MiB), kernelEnd), PAGE);
  // A 64-bit kernel maps its tree in one 2 MiB block.
  const deviceTree = roundUp(initrd + initrdSize, aarch64 ? 2 * MiB : PAGE);
  return { kernel: kernelAt, kernelEnd, initrd, deviceTree };
}

/**
 * Where the device tree goes beside a bare-metal image (virt-board.md 8.4): at the start of RAM if the image
 * leaves room; at address 0 if the image covers the start of RAM; undefined, nowhere, if it begins too close.
 */
export function placeTreeBesideElf(
  low: number,
  high: number,
  ramBase: number,
  treeSize: number,
): number | undefined {
  // QEMU: an image that ends exactly where RAM begins counts as covering it.
  if (low <= ramBase && high >= ramBase) return 0;
  if (low > ramBase && treeSize > low - ramBase) return undefined;
  return ramBase;
}

/**
 * Checks that every segment lies in memory that can be loaded and that none overlap.
 * @param memories RAM and flash
 * @throws OptionError
 */
export function checkSegments(segments: readonly BootSegment[], memories: readonly Range[]): void {
  const hex = (value: number): string => `0x${value.toString(16)}`;
  const span = ({ name, address, size }: BootSegment): string =>
    `${name} (${hex(address)} to ${hex(address + size)})`;
  const allowed = memories.map(({ base, size }) => `${hex(base)} to ${hex(base + size)}`).join(', ');
  for (const segment of segments) {
    const { address, size } = segment;
    if (!memories.some((memory) => address >= memory.base && address + size <= memory.base + memory.size)) {
      throw new OptionError(`${span(segment)} does not fit into memory: ${allowed}; larger with -m`);
    }
  }
  const sorted = segments.filter(({ size }) => size > 0).sort((a, b) => a.address - b.address);
  for (let i = 1; i < sorted.length; i++) {
    const before = sorted[i - 1]!;
    if (before.address + before.size > sorted[i]!.address) {
      throw new OptionError(`${span(before)} and ${span(sorted[i]!)} overlap`);
    }
  }
}
