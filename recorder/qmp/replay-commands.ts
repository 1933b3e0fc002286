/** Commands of QMP for a recording: it can be looked at from every position, and not be changed. */
import { commonCommands, positionOf } from './common-commands.ts';
import { withSelf } from './live-commands.ts';
import type { QmpCommand, QmpCommands } from './protocol.ts';
import type { RecordedMachine } from './recorded-machine.ts';
import { screendump } from './screendump.ts';

const POSITION = { icount: { type: 'integer' } } as const;

export function replayCommands(control: RecordedMachine): QmpCommands {
  const commands = new Map<string, QmpCommand>([
    ...commonCommands(control),
    ['screendump', screendump(control)],
    [
      'replay-break',
      {
        arguments: POSITION,
        run: (args) => {
          control.breakAt(positionOf(args, 'icount'));
          return {};
        },
      },
    ],
    [
      'replay-delete-break',
      {
        run: () => {
          control.deleteBreak();
          return {};
        },
      },
    ],
    [
      'replay-seek',
      {
        arguments: POSITION,
        run: async (args) => {
          await control.seek(positionOf(args, 'icount'));
          return {};
        },
      },
    ],
  ]);
  return withSelf(control, commands);
}
