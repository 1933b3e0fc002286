import { setImmediate as nextTurn } from 'node:timers/promises';
import type { VirtConfig } from '../../engine/boards/virt/config.ts';
import { NODE_CODEC } from '../host/lz4.ts';
import { openTrace } from '../host/open-trace.ts';
import { Progress } from '../host/progress.ts';
import { StopSignals } from '../host/signals.ts';
import { divergenceText } from '../session/compare.ts';
import { networkDevices } from '../session/network-devices.ts';
import { MissingImages, ReplaySession, type ReplayStop } from '../session/replay.ts';
import { recordedConfig } from '../session/setup.ts';
import { CommandError, EXIT, OptionError } from './errors.ts';
import { GivenImages } from './given-images.ts';
import type { CommandIo } from './io.ts';
import { readRunning } from './machine-request.ts';
import { millions } from './record-command.ts';

export interface ReplayOptions {
  readonly verify?: boolean;
  /** ROLE=FILE */
  readonly image?: readonly string[];
  readonly blockLimit?: string;
  readonly tier?: string;
  /** False with `--no-console`. */
  readonly console?: boolean;
  readonly json?: boolean;
}

/** Instructions between two looks at signals and output: some ten milliseconds. */
const SLICE = 1_000_000;

/** `virtrace replay` */
export async function replayCommand(file: string, options: ReplayOptions, io: CommandIo): Promise<number> {
  const given = new GivenImages(options.image ?? []);
  const running = readRunning(options);
  const trace = openTrace(file);
  const signals = new StopSignals();
  const progress = new Progress(io);
  const printed = options.json !== true && options.console !== false;
  try {
    const { reader } = trace;
    const consoles = consolesOf(recordedConfig(reader.header));
    const session = buildSession(
      () =>
        new ReplaySession({
          reader,
          codec: NODE_CODEC,
          image: (ref) => given.open(ref),
          verify: options.verify === true,
          sink: (event) => {
            if (printed && event.kind === 'output' && consoles.has(event.device)) io.out(event.bytes.slice());
          },
          running,
        }),
    );
    given.check(reader.header.images);
    let stop: ReplayStop = { reason: 'limit' };
    while (stop.reason === 'limit' && signals.received === undefined && !io.outClosed) {
      stop = session.run(session.position + SLICE);
      progress.show(() => `replaying: ${percent(session)}`);
      await io.drained();
      await nextTurn();
    }
    progress.clear();
    return report(file, options, session, stop, reader, io);
  } finally {
    progress.clear();
    signals.dispose();
    given.close();
    trace.close();
  }
}

/** Builds a session from a trace; what is missing or impossible becomes a line. */
export function buildSession<T>(build: () => T): T {
  try {
    return build();
  } catch (error) {
    if (error instanceof MissingImages) throw new CommandError(error.message);
    // The images are the recorded ones, so a machine that cannot be built from them is no option's fault.
    if (error instanceof OptionError) throw new CommandError(error.message, EXIT.trace);
    throw error;
  }
}

function percent({ position, length }: ReplaySession): string {
  return `${length === 0 ? 100 : Math.floor((100 * position) / length)} % of ${millions(length)}`;
}

/** Devices whose output was on the console of the recorder: everything that was not thrown away, but for frames. */
function consolesOf(config: VirtConfig): { has(device: string): boolean } {
  const silent = new Set(config.serial.flatMap((kind, i) => (kind === 'stdio' ? [] : [`uart${i}`])));
  for (const id of networkDevices(config)) silent.add(id);
  return { has: (device) => !silent.has(device) };
}

function report(
  file: string,
  options: ReplayOptions,
  session: ReplaySession,
  stop: ReplayStop,
  reader: ReturnType<typeof openTrace>['reader'],
  io: CommandIo,
): number {
  const { position, time, compared, hashesCompared } = session;
  const { end, damage } = reader;
  const exitCode =
    stop.reason === 'diverged' ? EXIT.diverged : stop.reason === 'limit' ? EXIT.interrupted : EXIT.ok;
  if (options.json === true) {
    const result = {
      file,
      result: stop.reason === 'end' ? 'ok' : stop.reason === 'diverged' ? 'diverged' : 'interrupted',
      position,
      time,
      ...(stop.reason === 'diverged' ? { divergence: stop.divergence } : {}),
      verified: options.verify === true,
      eventsCompared: compared,
      hashesCompared,
      ended: end?.reason ?? null,
      ...(session.finalHashes === undefined ? {} : { finalHashes: session.finalHashes }),
      exitCode,
    };
    io.out(`${JSON.stringify(result)}\n`);
    return exitCode;
  }
  if (stop.reason === 'diverged') {
    io.error(divergenceText(stop.divergence));
    return exitCode;
  }
  if (stop.reason === 'limit') {
    io.error(`interrupted at position ${position}`);
    return exitCode;
  }
  if (end === undefined) {
    const why = damage === undefined ? '' : `: ${damage.message}`;
    io.talk(`virtrace: the recording was not ended; replayed up to its last whole chunk${why}\n`);
  }
  const checked =
    options.verify === true
      ? `${compared} events and ${hashesCompared} state hashes are the same`
      : hashesCompared > 0
        ? 'the final state is the same'
        : 'nothing was compared; --verify does';
  io.talk(`virtrace: replayed ${millions(position)} of ${file}: ${checked}\n`);
  if (end !== undefined) io.talk(`virtrace: the recording ended there: ${end.detail ?? end.reason}\n`);
  return exitCode;
}
