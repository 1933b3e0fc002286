/** A recording with monitors: `replay` and `debug` with `-qmp` or `-monitor`. */
import { StopSignals } from '../host/signals.ts';
import { RecordedMachine } from '../qmp/recorded-machine.ts';
import { replayCommands } from '../qmp/replay-commands.ts';
import type { ControlRequest } from './control-options.ts';
import { ControlService } from './control-service.ts';
import { EXIT } from './errors.ts';
import type { CommandIo } from './io.ts';
import type { OpenRecording } from './terminal-debugger.ts';

export interface ReplayMonitorOptions {
  readonly requests: readonly ControlRequest[];
  /** Nothing is executed before a client says so. */
  readonly held: boolean;
  readonly json: boolean;
  /** Hears what the machine prints while it runs. */
  readonly print?: (device: string, bytes: Uint8Array) => void;
}

/** Serves until a client says `quit`, or a signal comes. @throws OptionError */
export async function serveMonitors(
  { file, timeline }: OpenRecording,
  { requests, held, json, print }: ReplayMonitorOptions,
  io: CommandIo,
): Promise<number> {
  const signals = new StopSignals();
  let end = (): void => {};
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });
  signals.onReceive(end);
  const control = new RecordedMachine(timeline, file, end);
  timeline.onEvent = (event) => {
    if (event.kind === 'output') print?.(event.device, event.bytes);
  };
  try {
    const commands = replayCommands(control);
    const say = (line: string): void => io.talk(`${line}\n`);
    const service = await ControlService.open(requests, { control, commands, io, json, say });
    await Promise.race([service.firstClients(), ended]);
    if (!held && signals.received === undefined) control.cont();
    if (signals.received === undefined) await ended;
    control.end('host-signal');
    await control.stop();
    await service.close();
    return signals.received === undefined ? EXIT.ok : EXIT.interrupted;
  } finally {
    signals.dispose();
    io.stdin.removeAllListeners('data').removeAllListeners('end');
    io.stdin.pause();
  }
}
