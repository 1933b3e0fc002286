import { announced } from './cpu-announced.ts';
import { featuresOf } from './cpu-features.ts';
import { CPU_MODEL_DATA, type CpuModelData, type CpuModelName } from './cpu-model-data.ts';

export type { CpuModelName } from './cpu-model-data.ts';
export { CPU_MODEL_NAMES } from './cpu-model-data.ts';

/** What the board decides about a CPU. Everything that a register's value depends on is here. */
export interface CpuOptions {
  readonly model: CpuModelName;
  /** Exception levels 2 and 3 exist (`virtualization=on`, `secure=on`). */
  readonly el2: boolean;
  readonly el3: boolean;
  readonly gicVersion: 2 | 3 | 4;
  /** Performance monitors shown in the ID registers. */
  readonly pmu: boolean;
  /** CPUs in the machine, 1 or more. */
  readonly cpuCount: number;
  /** Frequency of the system counter in Hz; default is the model's. */
  readonly cntfrq?: number;
  /** CPUs per MPIDR.Aff1; default 8 with GICv2 and 16 with GICv3 (virt-board.md 3.2). */
  readonly clusterSize?: number;
  /** Private peripherals base, read from CBAR_EL1 (virt-board.md 3.1). Default 0x0800_0000. */
  readonly peripheralBase?: number;
  /** Where a CPU starts after reset, read from RVBAR. Default 0. */
  readonly resetAddress?: bigint;
}

/** A CPU model with all options applied: what system registers, decoder and device tree ask. */
export interface CpuConfig {
  readonly model: CpuModelName;
  readonly el2: boolean;
  readonly el3: boolean;
  readonly highestEl: 1 | 2 | 3;
  readonly gicVersion: 2 | 3 | 4;
  readonly pmu: boolean;
  readonly cpuCount: number;
  readonly cntfrq: number;
  readonly peripheralBase: bigint;
  readonly resetAddress: bigint;
  /** Value of an ID register by Arm's name, e.g. `ID_AA64PFR0_EL1`; 0 for one not set. */
  readonly id: (name: string) => bigint;
  readonly features: ReadonlySet<string>;
  /** Width of physical addresses in bits (ID_AA64MMFR0_EL1.PARange). */
  readonly physicalAddressBits: number;
  readonly sctlrReset: bigint;
  /** CCSIDR_EL1 for CSSELR_EL1[3:0]; 0 for a cache that does not exist. */
  readonly ccsidr: (csselr: number) => bigint;
  /** Event counters, PMCR_EL0.N. */
  readonly pmuCounters: number;
  readonly pmcrReset: bigint;
  readonly pmceid: readonly [bigint, bigint];
  readonly breakpoints: number;
  readonly watchpoints: number;
  /** How many of the breakpoints, the last ones, can match the context. */
  readonly contextBreakpoints: number;
  /** Has the IMPLEMENTATION DEFINED register group of the A53/A57/A72 (virt-board.md 3.3 notes). */
  readonly impdefCortexA: boolean;
  readonly mpidr: (cpu: number) => bigint;
}

const PA_BITS = [32, 36, 40, 42, 44, 48, 52];

function withField(value: bigint, low: number, field: bigint): bigint {
  return (value & ~(0xfn << BigInt(low))) | (field << BigInt(low));
}

function getField(value: bigint, low: number): bigint {
  return (value >> BigInt(low)) & 0xfn;
}

/**
 * ID registers of a model under the given options. The data are those of a machine with GICv3, without EL2
 * and EL3 (virt-board.md 3.3); fields that say otherwise are set here (3.3 notes and 3.4).
 */
function idRegisters(data: CpuModelData, options: CpuOptions): Map<string, bigint> {
  const ids = new Map<string, bigint>();
  for (const [name, value] of Object.entries(data.ids)) ids.set(name, value);
  const change = (name: string, low: number, field: bigint) => {
    ids.set(name, withField(ids.get(name) ?? 0n, low, field));
  };
  // An EL that exists has the same execution states as EL1 (1 = AArch64 only, 2 = both).
  const states = getField(ids.get('ID_AA64PFR0_EL1') ?? 0n, 4);
  const aarch32El1 = states === 2n;
  if (options.el2) {
    change('ID_AA64PFR0_EL1', 8, states);
    if (aarch32El1) change('ID_PFR1_EL1', 12, 1n); // Virtualization
  }
  if (options.el3) {
    change('ID_AA64PFR0_EL1', 12, states);
    if (aarch32El1) change('ID_PFR1_EL1', 4, 1n); // Security
    // CopSDbg: the debug architecture seen from Secure state is the same one.
    change('ID_DFR0_EL1', 4, getField(ids.get('ID_DFR0_EL1') ?? 0n, 0));
  }
  if (options.gicVersion < 3) {
    change('ID_AA64PFR0_EL1', 24, 0n);
    change('ID_PFR1_EL1', 28, 0n);
  }
  if (!options.pmu) {
    change('ID_AA64DFR0_EL1', 8, 0n); // PMUVer
    change('ID_DFR0_EL1', 24, 0n); // PerfMon
  }
  for (const [name, value] of ids) ids.set(name, announced(name, value));
  return ids;
}

/**
 * MPIDR_EL1 of a CPU: bit 31 RES1, not uniprocessor, Aff1:Aff0 by cluster (virt-board.md 3.2).
 */
export function mpidrOf(cpu: number, clusterSize: number): bigint {
  return 0x8000_0000n | (BigInt(Math.floor(cpu / clusterSize)) << 8n) | BigInt(cpu % clusterSize);
}

export function makeCpuConfig(options: CpuOptions): CpuConfig {
  const data = CPU_MODEL_DATA[options.model];
  const ids = idRegisters(data, options);
  const id = (name: string): bigint => ids.get(name) ?? 0n;
  const dfr0 = id('ID_AA64DFR0_EL1');
  const clusterSize = options.clusterSize ?? (options.gicVersion === 2 ? 8 : 16);
  return {
    model: options.model,
    el2: options.el2,
    el3: options.el3,
    highestEl: options.el3 ? 3 : options.el2 ? 2 : 1,
    gicVersion: options.gicVersion,
    pmu: options.pmu,
    cpuCount: options.cpuCount,
    cntfrq: options.cntfrq ?? data.cntfrq,
    peripheralBase: BigInt(options.peripheralBase ?? 0x0800_0000),
    resetAddress: options.resetAddress ?? 0n,
    id,
    features: featuresOf(id),
    physicalAddressBits: PA_BITS[Number(id('ID_AA64MMFR0_EL1') & 0xfn)] ?? 48,
    sctlrReset: data.sctlr,
    ccsidr: (csselr) => data.ccsidr[csselr & 15] ?? 0n,
    pmuCounters: Number((data.pmcr >> 11n) & 31n),
    pmcrReset: data.pmcr,
    // With pmu=off the registers stay but say that no event is there (QEMU 7.2, observed).
    pmceid: options.pmu ? data.pmceid : [0n, 0n],
    breakpoints: Number(getField(dfr0, 12)) + 1,
    watchpoints: Number(getField(dfr0, 20)) + 1,
    contextBreakpoints: Number(getField(dfr0, 28)) + 1,
    impdefCortexA: data.impdefCortexA,
    mpidr: (cpu) => mpidrOf(cpu, clusterSize),
  };
}
