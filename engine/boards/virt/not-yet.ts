/**
 * What the board has and virtrace does not have yet: the one list. Whoever adds a feature deletes its row,
 * and with it go the refusal, the different default and the node missing from the device tree.
 */
import type { VirtConfig } from './config.ts';

/** Parts of the board that can be absent. Also what `buildDeviceTree` can leave out. */
export const FEATURES = [
  'aarch32',
  'el2',
  'el3',
  'fw-cfg',
  'flash',
  'gic-v4',
  'gpio',
  'hotplug',
  'its',
  'mte',
  'numa',
  'nvdimm',
  'pcie',
  'pmu',
  'ras',
  'rtc',
  'smmu',
  'v2m',
  'virtio-mmio',
] as const;
export type Feature = (typeof FEATURES)[number];

export interface Refusal {
  /** True if the configuration asks for it; absent: there is no option, only a node in the tree. */
  readonly asked?: (config: VirtConfig) => boolean;
  /** The option as a person writes it. */
  readonly option: string;
  readonly message: string;
}

/** Delete a row when the feature works. */
export const notYet: { readonly [feature in Feature]?: Refusal } = {
  aarch32: {
    asked: (config) => !config.cpu.aarch64,
    option: '-cpu ...,aarch64=off',
    message: 'virtrace has no AArch32 yet; leave aarch64 on',
  },
  el2: {
    asked: (config) => config.virtualization,
    option: '-M virtualization=on',
    message: 'virtrace has no EL2 yet; use virtualization=off',
  },
  el3: {
    asked: (config) => config.secure,
    option: '-M secure=on',
    message: 'virtrace has no EL3 and no secure world yet; use secure=off',
  },
  'gic-v4': {
    asked: (config) => config.gicVersion === 4,
    option: '-M gic-version=4',
    message: 'virtrace has no GICv4 yet; use gic-version=3',
  },
  hotplug: {
    asked: (config) => config.ram.slots > 0 || config.ram.maxSize !== config.ram.size,
    option: '-m ...,slots=,maxmem=',
    message: 'virtrace has no memory hot-plug yet; give the whole size',
  },
  mte: {
    asked: (config) => config.mte,
    option: '-M mte=on',
    message: 'virtrace has no memory tagging yet; use mte=off',
  },
  numa: {
    asked: (config) => config.numa !== undefined,
    option: '-numa',
    message: 'virtrace describes no NUMA nodes yet; leave it out',
  },
  nvdimm: {
    asked: (config) => config.nvdimm,
    option: '-M nvdimm=on',
    message: 'virtrace has no NVDIMM yet; use nvdimm=off',
  },
  ras: {
    asked: (config) => config.ras,
    option: '-M ras=on',
    message: 'virtrace reports no memory errors yet; use ras=off',
  },
};

/** What virtrace has: every feature without a row above. */
export const HAVE: ReadonlySet<Feature> = new Set(
  FEATURES.filter((feature) => notYet[feature] === undefined),
);
