/** Commands of QMP for a machine that runs for the first time. What they change is an input, and is recorded. */
import { MACHINE } from '../../engine/machine-input.ts';
import { commonCommands } from './common-commands.ts';
import type { LiveControl } from './control.ts';
import { type Backends, hotPlugCommands } from './hot-plug-commands.ts';
import { HumanMonitor } from './human-monitor.ts';
import { inputCommands } from './input-commands.ts';
import { type QmpCommand, type QmpCommands, QmpError } from './protocol.ts';
import { screendump } from './screendump.ts';

/** The board's power button (engine/devices/pl061.ts). */
export const POWER_BUTTON = { device: 'gpio', what: 'power-button' } as const;

export function liveCommands(control: LiveControl, backends: Backends): QmpCommands {
  const notOfARecording = (what: string): QmpCommand['run'] => {
    return () => {
      throw new QmpError(`${what} only works on a recording: virtrace debug FILE.vtrace -qmp ...`);
    };
  };
  const commands = new Map<string, QmpCommand>([
    ...commonCommands(control),
    [
      'system_powerdown',
      {
        run: () => {
          control.tell({ event: 'POWERDOWN' });
          // The guest hears of it when it runs; the client is not kept waiting for that.
          void control.press(POWER_BUTTON.device, POWER_BUTTON.what);
          return {};
        },
      },
    ],
    [
      'system_reset',
      {
        run: async () => {
          await control.press(MACHINE, 'reset');
          control.tell({ event: 'RESET', data: { guest: false, reason: 'host-qmp-system-reset' } });
          return {};
        },
      },
    ],
    ...hotPlugCommands(control, backends),
    ...inputCommands(control),
    ['screendump', screendump(control)],
    ['replay-break', { arguments: { icount: { type: 'integer' } }, run: notOfARecording('replay-break') }],
    ['replay-delete-break', { run: notOfARecording('replay-delete-break') }],
    ['replay-seek', { arguments: { icount: { type: 'integer' } }, run: notOfARecording('replay-seek') }],
  ]);
  return withSelf(control, commands);
}

/** Adds the commands that are about the others. */
export function withSelf(
  control: LiveControl | Parameters<typeof commonCommands>[0],
  commands: Map<string, QmpCommand>,
): QmpCommands {
  const monitor = new HumanMonitor(control, commands);
  commands.set('human-monitor-command', {
    arguments: { 'command-line': { type: 'string' }, 'cpu-index': { type: 'integer', optional: true } },
    run: (args) => {
      const cpu = args['cpu-index'] as number | undefined;
      if (cpu !== undefined && control.machine.cluster.states[cpu] === undefined)
        throw new QmpError(
          `'cpu-index' is ${cpu}; there are CPUs 0 to ${control.machine.cluster.states.length - 1}`,
        );
      return monitor.run(args['command-line'] as string, cpu);
    },
  });
  commands.set('query-commands', {
    run: () => ['qmp_capabilities', ...commands.keys()].map((name) => ({ name })),
  });
  return commands;
}
