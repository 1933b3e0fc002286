/** The storm guest as a machine, for tests of what debuggers need. */
import { readFileSync } from 'node:fs';
import { defaultVirtConfig } from '../../../engine/boards/virt/config.ts';
import { Machine, type MachineSpec } from '../../../engine/machine.ts';
import { Snapshots } from '../../../engine/memory/snapshots.ts';

const ELF = readFileSync(new URL('../../../guests/storm/storm.elf', import.meta.url));

export function stormMachine(extra: Partial<MachineSpec> = {}, cpus = 1): Machine {
  const base = defaultVirtConfig();
  return new Machine({
    config: {
      ...base,
      cpu: { ...base.cpu, model: 'cortex-a57' },
      smp: { ...base.smp, cpus, maxCpus: cpus, cores: cpus },
      ram: { size: 32 << 20, maxSize: 32 << 20, slots: 0 },
    },
    images: { kernel: { name: 'storm.elf', bytes: ELF } },
    baseSeconds: 1_700_000_000,
    inputs: { entropy: (_device, length) => new Uint8Array(length).fill(7) },
    ...extra,
  });
}

export function snapshotsOf(machine: Machine): Snapshots {
  return new Snapshots({ cluster: machine.cluster, memory: machine.memory, flash: machine.flash });
}

/** Runs to a position, as a debugger shows it: what comes next is an instruction. */
export function goTo(machine: Machine, position: number): void {
  machine.run(position);
  machine.settle();
}
