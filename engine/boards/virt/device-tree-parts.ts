/** What the files that build the tree share. */
import { cells, type FdtNode, type FdtProperty, pair } from '../fdt.ts';
import type { VirtConfig } from './config.ts';
import type { Layout, Region } from './memory-map.ts';
import { FEATURES, type Feature } from './not-yet.ts';
import { type BootKind, initialConduit } from './psci.ts';

/** Random bytes for one `chosen` node. */
export interface ChosenSeeds {
  /** 8 bytes. */
  readonly kaslr: Uint8Array;
  /** 32 bytes. */
  readonly rng: Uint8Array;
}

/** What the tree says beyond the configuration. */
export interface DeviceTreeInputs {
  readonly boot: BootKind;
  readonly bootargs?: string;
  /** Byte range of the initial RAM disk; below 4 GiB (QEMU 7.2 gives 32-bit cells). */
  readonly initrd?: { readonly start: number; readonly end: number };
  /** Seeds of /chosen; needed unless dtb-randomness=off. */
  readonly seeds?: ChosenSeeds;
  /** Seeds of /secure-chosen; needed with secure=on unless dtb-randomness=off. */
  readonly secureSeeds?: ChosenSeeds;
}

/** Everything: the tree QEMU gives. */
export const ALL_FEATURES: ReadonlySet<Feature> = new Set(FEATURES);

/** Interrupt flag cell (GIC binding). */
export const EDGE_RISING = 1;
export const LEVEL_HIGH = 4;
export const IRQ_SPI = 0;
export const IRQ_PPI = 1;

/** Numbers of the nodes others point to. Given out as QEMU does, also for nodes that are left out. */
export interface Phandles {
  readonly clock: number;
  /** By CPU index; empty when the version has no cpu-map. */
  readonly cpus: readonly number[];
  readonly gic: number;
  /** v2m or ITS; absent with its=off. */
  readonly msi: number | undefined;
  readonly smmu: number | undefined;
  readonly gpio: number | undefined;
  readonly secureGpio: number | undefined;
  readonly virtioIommu: number | undefined;
}

/** What the parts of the tree are made from. */
export interface TreeContext {
  readonly config: VirtConfig;
  readonly inputs: DeviceTreeInputs;
  readonly layout: Layout;
  readonly phandles: Phandles;
  readonly has: (feature: Feature) => boolean;
}

export function prop(name: string, value: Uint8Array): FdtProperty {
  return { name, value };
}

export function node(name: string, properties: FdtProperty[], children: FdtNode[] = []): FdtNode {
  return { name, properties, children };
}

/** `reg` with two address and two size cells. */
export function reg(...regions: readonly Region[]): FdtProperty {
  return prop('reg', cells(...regions.flatMap(({ base, size }) => [...pair(base), ...pair(size)])));
}

export function atAddress(name: string, region: Region): string {
  return `${name}@${region.base.toString(16)}`;
}

/** Flags of a private interrupt; with GICv2 bits 15:8 say which CPUs have it (virt-board.md 2.2). */
export function ppiFlags(config: VirtConfig, type: number): number {
  return config.gicVersion === 2 ? type | (((1 << Math.min(config.smp.cpus, 8)) - 1) << 8) : type;
}

/** `enable-method` is there when PSCI was meant to start the others, even if it was switched off later. */
export function hasEnableMethod({ config, inputs }: TreeContext): boolean {
  return config.smp.cpus > 1 && initialConduit(config, inputs.boot) !== 'disabled';
}
