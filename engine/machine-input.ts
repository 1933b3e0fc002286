/**
 * What a monitor does to the machine as a whole, as inputs: `reset` presses the reset button, `device-add` puts a
 * PCI device, described in JSON, into a root port. Pulling one is an input of its port, which has the button.
 */
import { decodePciDevice } from './boards/virt/pci-hot-plug.ts';
import type { PcieBoard } from './boards/virt/pcie.ts';

/** The device under which these inputs are noted; no device is called so. */
export const MACHINE = 'machine';
export const DEVICE_ADD = 'device-add';

export interface CommandedMachine {
  readonly pcie: PcieBoard;
  has(id: string): boolean;
  reset(): void;
}

/** What carries a command out. Nothing that can be seen is changed yet. @throws Error if it makes no sense for this machine */
export function machineCommand(machine: CommandedMachine, what: string, data: Uint8Array): () => void {
  if (what === 'reset') return () => machine.reset();
  const device = what === DEVICE_ADD ? decodePciDevice(data) : undefined;
  if (device === undefined) throw new Error(`the machine takes no such input '${what}'`);
  const { hotPlug } = machine.pcie;
  const why = machine.has(device.id) ? `the id ${device.id} is in use` : hotPlug.refusal(device);
  if (why !== undefined) throw new Error(why);
  return hotPlug.prepare(device);
}
