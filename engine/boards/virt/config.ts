/**
 * The configuration of a virt machine: plain serialisable data, every default resolved. It goes into the
 * header of a trace as it is, so a field is added with a default for older traces and never changes meaning.
 */
import { DEFAULT_CPU_MODEL, findCpuModel } from './cpu-models.ts';
import { hasTrait, VIRT_ALIAS, type VirtMachine } from './versions.ts';

export interface VirtCpuConfig {
  readonly model: string;
  /** CPU property `pmu`. */
  readonly pmu: boolean;
  /** CPU property `aarch64`: false makes an AArch64 type start and stay in AArch32. */
  readonly aarch64: boolean;
}

/** `-smp`: cpus ≤ maxCpus = sockets × clusters × cores × threads. */
export interface SmpConfig {
  readonly cpus: number;
  readonly maxCpus: number;
  readonly sockets: number;
  readonly clusters: number;
  readonly cores: number;
  readonly threads: number;
}

/** `-m`, bytes. `maxSize` and `slots` are for hot-plug; without it maxSize = size and slots = 0. */
export interface RamConfig {
  readonly size: number;
  readonly maxSize: number;
  readonly slots: number;
}

/** A device behind a virtio-mmio transport. */
export interface VirtioMmioConfig {
  /** 0–31: address 0x0A00_0000 + slot × 0x200, SPI 16 + slot. */
  readonly slot: number;
  /** Device type as on the command line without `-device` suffix, e.g. `virtio-blk`, `virtio-rng`. */
  readonly type: string;
  readonly id: string;
  readonly properties: { readonly [name: string]: string | number | boolean };
}

export interface PciDeviceConfig {
  /** Device number × 8 + function, on bus 0 or behind the root port that the property `bus` names. */
  readonly devfn: number;
  readonly type: string;
  readonly id: string;
  readonly properties: { readonly [name: string]: string | number | boolean };
}

export interface NumaNodeConfig {
  /** Bytes of RAM in this node. */
  readonly memory: number;
  readonly cpus: readonly number[];
}

export interface NumaConfig {
  readonly nodes: readonly NumaNodeConfig[];
  /** distances[from][to]; 10 is local. Absent: no distance map. */
  readonly distances?: readonly (readonly number[])[];
}

export interface VirtConfig {
  readonly machine: VirtMachine;
  readonly cpu: VirtCpuConfig;
  readonly smp: SmpConfig;
  readonly ram: RamConfig;
  /** `max` and `host` are resolved before this. */
  readonly gicVersion: 2 | 3 | 4;
  /** The ITS, as asked for; see `hasIts`. */
  readonly its: boolean;
  readonly highmem: boolean;
  readonly compactHighmem: boolean;
  readonly highmemRedists: boolean;
  readonly highmemEcam: boolean;
  readonly highmemMmio: boolean;
  readonly iommu: 'none' | 'smmuv3';
  readonly defaultBusBypassIommu: boolean;
  /** The SMMU remembers all that hardware may, so that a missing invalidation shows. */
  readonly smmuStrict: boolean;
  readonly secure: boolean;
  readonly virtualization: boolean;
  readonly mte: boolean;
  readonly ras: boolean;
  readonly acpi: boolean;
  readonly nvdimm: boolean;
  readonly dtbRandomness: boolean;
  /** `-icount shift`: one instruction takes 2^shift ns. */
  readonly icountShift: number;
  /** What each `-serial` is connected to, first UART0: `none` or a name the session knows, e.g. `stdio`. */
  readonly serial: readonly string[];
  readonly virtioMmio: readonly VirtioMmioConfig[];
  readonly pciDevices: readonly PciDeviceConfig[];
  /** Absent: no NUMA description, unless memory slots ask for one (see `numaOf`). */
  readonly numa?: NumaConfig;
}

export const MAX_ICOUNT_SHIFT = 10;
export const VIRTIO_MMIO_SLOTS = 32;
export const MAX_MEMORY_SLOTS = 256;
/** Redistributors that fit: region 1 of 0xF6_0000 bytes, region 2 of 64 MiB (virt-board.md 4.2). */
const REDISTRIBUTORS = {
  3: { low: 123, high: 512 },
  4: { low: 61, high: 256 },
} as const;

/** The machine as it comes without options: QEMU's defaults for this version. */
export function defaultVirtConfig(machine: VirtMachine = VIRT_ALIAS): VirtConfig {
  return {
    machine,
    cpu: { model: DEFAULT_CPU_MODEL, pmu: hasTrait(machine, 'pmu'), aarch64: true },
    smp: { cpus: 1, maxCpus: 1, sockets: 1, clusters: 1, cores: 1, threads: 1 },
    ram: { size: 128 * 1024 * 1024, maxSize: 128 * 1024 * 1024, slots: 0 },
    gicVersion: 2,
    its: hasTrait(machine, 'its'),
    highmem: true,
    compactHighmem: hasTrait(machine, 'compactHighmem'),
    highmemRedists: true,
    highmemEcam: hasTrait(machine, 'highEcam'),
    highmemMmio: true,
    iommu: 'none',
    defaultBusBypassIommu: false,
    smmuStrict: false,
    secure: false,
    virtualization: false,
    mte: false,
    ras: false,
    acpi: true,
    nvdimm: false,
    dtbRandomness: true,
    icountShift: 0,
    serial: ['stdio'],
    virtioMmio: [],
    pciDevices: [],
  };
}

/* --- What follows from a configuration --------------------------------------------------------------- */

/** Whether CPUs start in AArch64 state. */
export function isAarch64(config: VirtConfig): boolean {
  return findCpuModel(config.cpu.model)?.execution === 'aarch64' && config.cpu.aarch64;
}

/**
 * Physical address bits of the CPU type. QEMU 7.2 sees 32 bits for an AArch32 `max` (it looks before the
 * features are resolved), and its tree is the reference.
 */
export function physicalAddressBits(config: VirtConfig): number {
  const model = findCpuModel(config.cpu.model);
  if (model === undefined) return 32;
  return model.execution === 'aarch64' && !config.cpu.aarch64 ? 32 : model.physicalAddressBits;
}

/** There is an ITS: asked for, with a GIC that has one, on a version that has one. */
export function hasIts(config: VirtConfig): boolean {
  return config.its && config.gicVersion >= 3 && hasTrait(config.machine, 'its');
}

/** Something takes message interrupts: the v2m frame of a GICv2 or an ITS. */
export function hasMessages(config: VirtConfig): boolean {
  return config.gicVersion === 2 || hasIts(config);
}

/** The generic event device replaces the PL061 as power button (virt-board.md section 12). */
export function hasGed(config: VirtConfig, firmware: boolean): boolean {
  return firmware && config.acpi && isAarch64(config) && hasTrait(config.machine, 'ged');
}

/**
 * NUMA nodes that are described to the guest: those given, or one for everything when there are memory
 * slots (QEMU turns NUMA on by itself then; virt-board.md 7.1 for the versions).
 */
export function numaOf(config: VirtConfig): NumaConfig | undefined {
  if (config.numa !== undefined) return config.numa;
  if (config.ram.slots === 0 || !hasTrait(config.machine, 'numaBySlots')) return undefined;
  return { nodes: [{ memory: config.ram.size, cpus: Array.from({ length: config.smp.cpus }, (_, i) => i) }] };
}

/** CPUs that share MPIDR.Aff1 (virt-board.md 3.2). */
export function affinityGroupSize(config: VirtConfig): 8 | 16 {
  return config.gicVersion >= 3 && hasTrait(config.machine, 'affinityFollowsGic') ? 16 : 8;
}

/** MPIDR affinity of a CPU: Aff1 << 8 | Aff0. */
export function cpuAffinity(config: VirtConfig, index: number): number {
  const group = affinityGroupSize(config);
  return (Math.floor(index / group) << 8) | (index % group);
}

/** Redistributors in region 1 of this GIC. */
export function lowRedistributors(config: VirtConfig): number {
  return config.gicVersion === 2 ? 0 : REDISTRIBUTORS[config.gicVersion].low;
}

/** Most CPUs of the machine version, whatever the GIC. */
export function machineCpuLimit(machine: VirtMachine): number {
  return hasTrait(machine, 'cpus512') ? 512 : 255;
}

/**
 * Most CPUs of this GIC.
 * @param secondRegion whether region 2 of the redistributors is there
 */
export function gicCpuLimit(config: VirtConfig, secondRegion: boolean): number {
  if (config.gicVersion === 2) return 8;
  const { low, high } = REDISTRIBUTORS[config.gicVersion];
  return Math.min(low + (secondRegion ? high : 0), machineCpuLimit(config.machine));
}
