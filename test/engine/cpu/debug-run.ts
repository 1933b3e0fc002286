import { defaultVirtConfig } from '../../../engine/boards/virt/config.ts';
import { Machine, type MachineSpec, type StateHashes } from '../../../engine/machine.ts';
import { buildElf } from '../boards/elf-builder.ts';
import type { debugGuest } from './debug-guest.ts';

/** Runs guests of debug-guest.ts in the engine. */

export interface DebugRun {
  readonly cpu: string;
  readonly cpus?: number;
  readonly with?: Partial<MachineSpec>;
  /** Called between any two slices of so many instructions; gives the machine to go on with. */
  readonly slice?: number;
  readonly between?: (machine: Machine) => Machine;
}

export interface DebugOutcome {
  readonly end: string;
  readonly position: number;
  readonly hash: StateHashes;
  readonly console: string;
}

export function debugMachine(
  guest: ReturnType<typeof debugGuest>,
  { cpu, cpus = 1, with: more }: DebugRun,
  output: (text: string) => void,
): Machine {
  const base = defaultVirtConfig();
  const size = 128 * 2 ** 20;
  return new Machine({
    config: {
      ...base,
      cpu: { ...base.cpu, model: cpu as typeof base.cpu.model },
      smp: { ...base.smp, cpus, maxCpus: cpus, cores: cpus },
      ram: { size, maxSize: size, slots: 0 },
    },
    images: { kernel: { name: 'debug.elf', bytes: buildElf(guest) } },
    baseSeconds: 0,
    inputs: { entropy: (_device, length) => new Uint8Array(length) },
    sink: (event) => {
      if (event.kind === 'output') output(new TextDecoder('latin1').decode(event.bytes));
    },
    ...more,
  });
}

export function runDebugGuest(
  guest: ReturnType<typeof debugGuest>,
  run: DebugRun,
  limit = 1e8,
): DebugOutcome {
  let console = '';
  let machine = debugMachine(guest, run, (text) => {
    console += text;
  });
  const slice = run.slice ?? limit;
  let stop = machine.run(slice);
  while (stop.reason === 'limit' && machine.position < limit) {
    machine = run.between?.(machine) ?? machine;
    stop = machine.run(machine.position + slice);
  }
  return { end: stop.reason, position: machine.position, hash: machine.hash(), console };
}
