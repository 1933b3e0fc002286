import { setImmediate as nextTurn } from 'node:timers/promises';
import type { PciDeviceConfig, VirtConfig } from '../../engine/boards/virt/config.ts';
import type { SyncTraceReader } from '../../traces/index.ts';
import { NODE_CODEC } from '../host/lz4.ts';
import { openTrace } from '../host/open-trace.ts';
import { Progress } from '../host/progress.ts';
import { StopSignals } from '../host/signals.ts';
import { divergenceText } from '../session/compare.ts';
import { networkDevices } from '../session/network-devices.ts';
import { pluggedDevices } from '../session/plugged-devices.ts';
import { MissingImages, ReplaySession, type ReplayStop } from '../session/replay.ts';
import { recordedConfig } from '../session/setup.ts';
import { Timeline } from '../session/timeline.ts';
import { otherVersion } from '../session/version.ts';
import { type MonitorOptions, readControls } from './control-options.ts';
import { CommandError, EXIT, OptionError } from './errors.ts';
import { GivenImages } from './given-images.ts';
import type { CommandIo } from './io.ts';
import { readNumber } from './key-values.ts';
import { readRunning } from './machine-request.ts';
import { millions } from './record-command.ts';
import { serveMonitors } from './replay-monitor.ts';
import { segmentsOf, threadsOf, VerifyJobs } from './verify-jobs.ts';
import type { SegmentResult, VerifyTask } from './verify-worker.ts';

export interface ReplayOptions extends MonitorOptions {
  readonly S?: boolean;
  readonly verify?: boolean;
  /** Threads; default 1. */
  readonly jobs?: string;
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
  const jobs = readJobs(options);
  const requests = readControls(options);
  if (requests.length > 0 && options.verify === true)
    throw new OptionError(`--verify: not together with ${requests[0]!.option}, which may go anywhere`);
  if (options.S === true && requests.length === 0)
    throw new OptionError('-S: nobody could let the replay go; give -qmp or -monitor, too');
  const given = new GivenImages(options.image ?? []);
  const running = readRunning(options);
  const trace = openTrace(file);
  const signals = new StopSignals();
  const progress = new Progress(io);
  const printed = options.json !== true && options.console !== false;
  try {
    const { reader } = trace;
    if (requests.length > 0) {
      given.check(reader.header.images);
      const silent = silentDevices(recordedConfig(reader.header), pluggedDevices(reader));
      const image = given.open.bind(given);
      const timeline = buildSession(() => new Timeline({ reader, codec: NODE_CODEC, image, running }));
      signals.dispose();
      const print = (device: string, bytes: Uint8Array): void => {
        if (printed && !silent.has(device)) io.out(bytes.slice());
      };
      const monitors = { requests, held: options.S === true, json: options.json === true, print };
      return await serveMonitors({ file, timeline, reader }, monitors, io);
    }
    const silent = silentDevices(recordedConfig(reader.header), pluggedDevices(reader));
    if (sharesWork(jobs, reader, io)) {
      given.check(reader.header.images);
      const task = {
        task: 'verify',
        file,
        images: options.image ?? [],
        running,
        ...(printed ? { silent: [...silent] } : {}),
      } as const;
      const outcome = await verifyInThreads(task, jobs, { reader, io, signals, progress });
      progress.clear();
      return report(file, options, outcome, reader, io);
    }
    const session = buildSession(
      () =>
        new ReplaySession({
          reader,
          codec: NODE_CODEC,
          image: (ref) => given.open(ref),
          verify: options.verify === true,
          sink: (event) => {
            if (printed && event.kind === 'output' && !silent.has(event.device)) io.out(event.bytes.slice());
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
    const { position, time, compared, hashesCompared, finalHashes } = session;
    return report(file, options, { stop, position, time, compared, hashesCompared, finalHashes }, reader, io);
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

function percent({ position, length }: { readonly position: number; readonly length: number }): string {
  return `${length === 0 ? 100 : Math.floor((100 * position) / length)} % of ${millions(length)}`;
}

/** Devices whose output was not on the console of the recorder: it was thrown away, or is frames. */
function silentDevices(config: VirtConfig, plugged: readonly PciDeviceConfig[]): ReadonlySet<string> {
  const silent = config.serial.flatMap((kind, i) => (kind === 'stdio' ? [] : [`uart${i}`]));
  return new Set([...silent, ...networkDevices(config, plugged)]);
}

const MAX_JOBS = 256;

function readJobs({ jobs, verify }: ReplayOptions): number {
  if (jobs === undefined) return 1;
  const count = readNumber('--jobs', jobs, 1, MAX_JOBS);
  if (count > 1 && verify !== true) {
    throw new OptionError(
      `--jobs ${jobs}: only with --verify; what is not verified is not replayed in parts`,
    );
  }
  return count;
}

/** Whether threads can help, and a word where they cannot. */
function sharesWork(jobs: number, reader: SyncTraceReader, io: CommandIo): boolean {
  if (jobs === 1) return false;
  const parts = segmentsOf(reader, jobs).length;
  if (parts > 1 && io.program !== undefined) return true;
  // Making checkpoints first would take as long as verifying: the machine has to run from end to end for it.
  io.talk(
    'virtrace: this recording has no checkpoints to begin at, so one thread verifies it (record --checkpoints)\n',
  );
  return false;
}

interface Surroundings {
  readonly reader: SyncTraceReader;
  readonly io: CommandIo;
  readonly signals: StopSignals;
  readonly progress: Progress;
}

const LOOK_MS = 100;

async function verifyInThreads(
  task: VerifyTask,
  count: number,
  { reader, io, signals, progress }: Surroundings,
): Promise<Outcome> {
  const length = reader.end?.position ?? reader.complete;
  const jobs = new VerifyJobs(reader, count, task, threadsOf(io.program!), (bytes) => io.out(bytes));
  signals.onReceive(() => jobs.stop());
  const timer = setInterval(() => {
    if (io.outClosed) jobs.stop();
    progress.show(() => `replaying: ${percent({ position: jobs.done, length })}`);
  }, LOOK_MS);
  try {
    if (signals.received === undefined) await jobs.run();
  } finally {
    clearInterval(timer);
    jobs.stop();
  }
  await io.drained();
  const { divergence, isWhole, finalHashes, ...rest } = jobs.result();
  const stop: ReplayStop =
    divergence !== undefined
      ? { reason: 'diverged', divergence }
      : isWhole
        ? { reason: 'end' }
        : { reason: 'limit' };
  return { stop, finalHashes, ...rest };
}

/** What a replay came to, by one thread or several. */
interface Outcome extends Omit<SegmentResult, 'divergence' | 'finalHashes'> {
  readonly stop: ReplayStop;
  readonly finalHashes: SegmentResult['finalHashes'] | undefined;
}

function report(
  file: string,
  options: ReplayOptions,
  outcome: Outcome,
  reader: SyncTraceReader,
  io: CommandIo,
): number {
  const { stop, position, time, compared, hashesCompared, finalHashes } = outcome;
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
      ...(finalHashes === undefined ? {} : { finalHashes }),
      exitCode,
    };
    io.out(`${JSON.stringify(result)}\n`);
    return exitCode;
  }
  if (stop.reason === 'diverged') {
    io.error(divergenceText(stop.divergence) + otherVersion(reader.header.engine));
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
