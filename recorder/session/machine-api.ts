/** What sessions need of a machine; `Machine` of the engine is one, and tests have a smaller one. */
import type { HostInputs, Machine } from '../../engine/machine.ts';
import type { StateHashes } from '../../traces/index.ts';
import { buildMachine, type EngineChoices, type SessionSpec } from './setup.ts';

export type { StopReason } from '../../engine/machine.ts';
export type { HostInputs };

export type MachineApi = Pick<
  Machine,
  | 'position'
  | 'time'
  | 'pauseWhenIdle'
  | 'run'
  | 'passTime'
  | 'receive'
  | 'receiveCapacity'
  | 'reset'
  | 'requestStop'
  | 'registerMaps'
> & {
  hash(): {
    readonly cpus: readonly string[];
    readonly memory: string;
    readonly devices: { readonly [id: string]: string };
    readonly machine: string;
  };
};

export type MachineFactory = (spec: SessionSpec, choices: EngineChoices) => MachineApi;

export const REAL_MACHINE: MachineFactory = buildMachine;

/** State hashes as a trace keeps them: the scheduler and clock count as one more device. */
export function hashesOf(machine: MachineApi): StateHashes {
  const { cpus, memory, devices, machine: scheduler } = machine.hash();
  return { cpus, memory, devices: { ...devices, machine: scheduler } };
}
