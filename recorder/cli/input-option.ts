/** `--input FILE`: keys and pointer moves at virtual times. */
import type { VirtConfig } from '../../engine/boards/virt/config.ts';
import { readImage } from '../host/files.ts';
import type { Timetable } from '../host/live-loop.ts';
import { InputError, inputDevices } from '../session/input-events.ts';
import { readInputScript, type TimedInput } from '../session/input-script.ts';
import { OptionError } from './errors.ts';

/** @throws OptionError */
export function readInputOption(path: string | undefined, config: VirtConfig): TimedInput[] {
  if (path === undefined) return [];
  const devices = inputDevices(config);
  if (devices.length === 0) {
    throw new OptionError(
      `--input ${path}: the machine has no input device; e.g. -device virtio-keyboard-pci`,
    );
  }
  const source = readImage('--input', path);
  try {
    return readInputScript(new TextDecoder().decode(source.read(0, source.size)), devices);
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    throw new OptionError(`--input ${path}: ${error.message}`);
  }
}

/** For the host's loop; nothing if there is none. */
export function timetableOf({
  inputs,
  config,
}: {
  readonly inputs: readonly TimedInput[];
  readonly config: VirtConfig;
}): { timetable?: Timetable } {
  if (inputs.length === 0) return {};
  return { timetable: { inputs: [...inputs], nsPerInstruction: 2 ** config.icountShift } };
}
