import { sysregKey } from './sysreg-key.ts';
import {
  PMU_MAX_COUNTERS,
  SLOT_PMCNTEN,
  SLOT_PMCR,
  SLOT_PMINTEN,
  SLOT_PMOVS,
  SLOT_PMSELR,
  SLOT_PMUSERENR,
} from './sysreg-slots.ts';
import {
  PMU_CYCLES,
  PMU_EL1,
  PMU_EN,
  PMU_EVENTS,
  PMU_PMCR,
  PMU_SELECTOR,
  PMU_SWINC,
} from './sysreg-traps.ts';
import type { El, SysregDefinition, TrapRule } from './sysreg-types.ts';

/** A set or clear register over the bits of one slot. */
function bitRegister(
  name: string,
  key: number,
  el: El,
  slot: number,
  set: boolean,
  traps: readonly TrapRule[],
): SysregDefinition {
  return {
    name,
    key,
    read: el,
    write: el,
    get: ({ pmu, cpu }) => pmu.readBits(cpu, slot),
    set: ({ pmu, cpu }, value) => pmu.changeBits(cpu, slot, value, set),
    traps,
    device: 'pmu',
  };
}

function counters(): SysregDefinition[] {
  const definitions: SysregDefinition[] = [];
  for (let n = 0; n < PMU_MAX_COUNTERS; n++) {
    const common = {
      read: 0,
      write: 0,
      when: (config: { readonly pmuCounters: number }) => n < config.pmuCounters,
      device: 'pmu',
    } as const;
    definitions.push(
      {
        ...common,
        name: `PMEVCNTR${n}_EL0`,
        key: sysregKey(3, 3, 14, 8 + (n >> 3), n & 7),
        get: ({ pmu, cpu }) => pmu.readCounter(cpu, n),
        set: ({ pmu, cpu }, value) => pmu.writeCounter(cpu, n, value),
        traps: PMU_EVENTS,
      },
      {
        ...common,
        name: `PMEVTYPER${n}_EL0`,
        key: sysregKey(3, 3, 14, 12 + (n >> 3), n & 7),
        get: ({ pmu, cpu }) => pmu.readType(cpu, n),
        set: ({ pmu, cpu }, value) => pmu.writeType(cpu, n, value),
        traps: PMU_EN,
      },
    );
  }
  return definitions;
}

/**
 * devices.md 19; Arm ARM D17.5. QEMU: with pmu=off the registers remain on 7.2 (observed) although the ID
 * registers say that there are none; they store and never count.
 */
export const PMU_REGISTERS: readonly SysregDefinition[] = [
  bitRegister('PMINTENSET_EL1', sysregKey(3, 0, 9, 14, 1), 1, SLOT_PMINTEN, true, PMU_EL1),
  bitRegister('PMINTENCLR_EL1', sysregKey(3, 0, 9, 14, 2), 1, SLOT_PMINTEN, false, PMU_EL1),
  {
    name: 'PMMIR_EL1',
    key: sysregKey(3, 0, 9, 14, 6),
    read: 1,
    constant: 0n,
    when: (config) => config.features.has('FEAT_PMUv3p4'),
    traps: PMU_EL1,
    device: 'pmu',
  },
  {
    name: 'PMCR_EL0',
    key: sysregKey(3, 3, 9, 12, 0),
    read: 0,
    write: 0,
    slot: SLOT_PMCR,
    reset: (config) => config.pmcrReset,
    get: ({ pmu, cpu }) => pmu.readPmcr(cpu),
    set: ({ pmu, cpu }, value) => pmu.writePmcr(cpu, value),
    traps: PMU_PMCR,
    device: 'pmu',
  },
  bitRegister('PMCNTENSET_EL0', sysregKey(3, 3, 9, 12, 1), 0, SLOT_PMCNTEN, true, PMU_EN),
  bitRegister('PMCNTENCLR_EL0', sysregKey(3, 3, 9, 12, 2), 0, SLOT_PMCNTEN, false, PMU_EN),
  bitRegister('PMOVSCLR_EL0', sysregKey(3, 3, 9, 12, 3), 0, SLOT_PMOVS, false, PMU_EN),
  {
    name: 'PMSWINC_EL0',
    key: sysregKey(3, 3, 9, 12, 4),
    write: 0,
    set: ({ pmu, cpu }, value) => pmu.softwareIncrement(cpu, value),
    traps: PMU_SWINC,
    device: 'pmu',
  },
  {
    name: 'PMSELR_EL0',
    key: sysregKey(3, 3, 9, 12, 5),
    read: 0,
    write: 0,
    slot: SLOT_PMSELR,
    mask: 0x1fn,
    traps: PMU_SELECTOR,
    device: 'pmu',
  },
  {
    name: 'PMCEID0_EL0',
    key: sysregKey(3, 3, 9, 12, 6),
    read: 0,
    constant: (config) => config.pmceid[0],
    traps: PMU_EN,
    device: 'pmu',
  },
  {
    name: 'PMCEID1_EL0',
    key: sysregKey(3, 3, 9, 12, 7),
    read: 0,
    constant: (config) => config.pmceid[1],
    traps: PMU_EN,
    device: 'pmu',
  },
  {
    name: 'PMCCNTR_EL0',
    key: sysregKey(3, 3, 9, 13, 0),
    read: 0,
    write: 0,
    get: ({ pmu, cpu }) => pmu.readCycles(cpu),
    set: ({ pmu, cpu }, value) => pmu.writeCycles(cpu, value),
    traps: PMU_CYCLES,
    device: 'pmu',
  },
  {
    name: 'PMXEVTYPER_EL0',
    key: sysregKey(3, 3, 9, 13, 1),
    read: 0,
    write: 0,
    get: ({ pmu, cpu }) => pmu.readType(cpu, pmu.selected(cpu)),
    set: ({ pmu, cpu }, value) => pmu.writeType(cpu, pmu.selected(cpu), value),
    traps: PMU_EN,
    device: 'pmu',
  },
  {
    name: 'PMXEVCNTR_EL0',
    key: sysregKey(3, 3, 9, 13, 2),
    read: 0,
    write: 0,
    get: ({ pmu, cpu }) => pmu.readCounter(cpu, pmu.selected(cpu)),
    set: ({ pmu, cpu }, value) => pmu.writeCounter(cpu, pmu.selected(cpu), value),
    traps: PMU_EVENTS,
    device: 'pmu',
  },
  {
    name: 'PMUSERENR_EL0',
    key: sysregKey(3, 3, 9, 14, 0),
    read: 0,
    write: 1,
    slot: SLOT_PMUSERENR,
    mask: 0xfn,
    traps: PMU_EL1,
    device: 'pmu',
  },
  bitRegister('PMOVSSET_EL0', sysregKey(3, 3, 9, 14, 3), 0, SLOT_PMOVS, true, PMU_EN),
  ...counters(),
  {
    name: 'PMCCFILTR_EL0',
    key: sysregKey(3, 3, 14, 15, 7),
    read: 0,
    write: 0,
    get: ({ pmu, cpu }) => pmu.readType(cpu, 31),
    set: ({ pmu, cpu }, value) => pmu.writeType(cpu, 31, value),
    traps: PMU_EN,
    device: 'pmu',
  },
];
