import { defaultVirtConfig } from '../../../engine/boards/virt/config.ts';
import { Machine, type MachineSpec, type StateHashes } from '../../../engine/machine.ts';
import { buildElf } from '../boards/elf-builder.ts';
import { LOG_BYTES, LOGS_PA } from './translation-guest.ts';
import type { Program } from './translation-programs.ts';

/** Runs programs of translation-programs.ts in the engine. */

export const MEMORY = 512 * 2 ** 20;

export interface ProgramWay {
  readonly with?: Partial<MachineSpec>;
  /** Called between any two slices of at most so many instructions. */
  readonly slice?: number;
  readonly between?: (machine: Machine) => void;
}

export interface ProgramOutcome {
  readonly end: string;
  readonly position: number;
  readonly hash: StateHashes;
  /** The sum after each operation, by CPU. */
  readonly logs: readonly Uint32Array[];
  readonly console: string;
}

export const programElf = (program: Program): Uint8Array =>
  buildElf({ entry: program.entry, segments: program.segments });

export function runProgram(program: Program, way: ProgramWay, limit = 3e7): ProgramOutcome {
  const base = defaultVirtConfig();
  let console = '';
  const machine = new Machine({
    config: {
      ...base,
      cpu: { ...base.cpu, model: program.cpu },
      smp: { ...base.smp, cpus: program.cpus, maxCpus: program.cpus, cores: program.cpus },
      ram: { size: MEMORY, maxSize: MEMORY, slots: 0 },
    },
    images: { kernel: { name: 'program.elf', bytes: programElf(program) } },
    baseSeconds: 0,
    inputs: { entropy: (_device, length) => new Uint8Array(length) },
    sink: (event) => {
      if (event.kind === 'output') console += new TextDecoder('latin1').decode(event.bytes);
    },
    ...way.with,
  });
  let stop = machine.run(Math.min(limit, way.slice ?? limit));
  while (stop.reason === 'limit' && machine.position < limit) {
    way.between?.(machine);
    stop = machine.run(Math.min(limit, machine.position + (way.slice ?? limit)));
  }
  return {
    end: stop.reason,
    position: machine.position,
    hash: machine.hash(),
    logs: program.names.map((names, cpu) => {
      const bytes = new Uint8Array(names.length * 4);
      machine.memory.read(LOGS_PA + cpu * LOG_BYTES, bytes);
      return new Uint32Array(bytes.buffer);
    }),
    console,
  };
}
