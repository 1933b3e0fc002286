import { unlinkSync } from 'node:fs';
import type { Machine } from '../../engine/machine.ts';
import { keeps, LEVELS, type TraceLevel } from '../../traces/index.ts';
import { hostInputs } from '../host/entropy.ts';
import { FileSink, sameFile } from '../host/files.ts';
import { GuestLog } from '../host/guest-log.ts';
import { type HostEnd, LiveHost } from '../host/live-host.ts';
import { NODE_CODEC } from '../host/lz4.ts';
import { Network } from '../host/net/network.ts';
import { Progress } from '../host/progress.ts';
import { type CheckpointChoice, RecordSession } from '../session/record.ts';
import { readControls, readName } from './control-options.ts';
import { checkStdioFree, LiveControls } from './control-service.ts';
import { type Ending, endingOf } from './ending.ts';
import { CommandError, EXIT, OptionError } from './errors.ts';
import { openFolders } from './folder-options.ts';
import { LiveGdb, readLiveGdb } from './gdb-service.ts';
import { HotDevices } from './hot-devices.ts';
import { timetableOf } from './input-option.ts';
import type { CommandIo } from './io.ts';
import { readNumber, readWord } from './key-values.ts';
import { type MachineRequest, readMachineRequest } from './machine-request.ts';
import { dumpDeviceTree, type OpenedMachine, openMachine, warnOfGaps } from './open-machine.ts';
import type { RawOptions } from './raw-options.ts';

/** A killed recorder loses at most about this much host time. */
const FLUSH_MS = 1000;
const MILLION = 1_000_000;
const DEFAULT_HASH_INTERVAL = 100;

/** What `record` decides beyond the machine. */
interface RecordRequest {
  readonly file: string;
  readonly level: TraceLevel;
  readonly embed: boolean;
  readonly hashInterval: number;
  readonly checkpoints: CheckpointChoice;
}

function readRecordRequest(raw: RawOptions): RecordRequest {
  if (raw.o === undefined || raw.o === '')
    throw new OptionError('-o is missing: the trace to write, e.g. -o boot.vtrace');
  const interval = raw.hashInterval;
  return {
    file: raw.o,
    level: raw.level === undefined ? 'devices' : readWord('--level', raw.level, LEVELS),
    embed: raw.embed ?? true,
    hashInterval:
      (interval === undefined ? DEFAULT_HASH_INTERVAL : readNumber('--hash-interval', interval, 0, 1e9)) *
      MILLION,
    checkpoints: readCheckpoints(raw.checkpoints),
  };
}

function readCheckpoints(text: string | undefined): CheckpointChoice {
  if (text === undefined || text === 'auto') return 'auto';
  if (text === 'none') return 'none';
  if (!/^\d+$/.test(text)) {
    throw new OptionError(
      `--checkpoints ${text}: auto, none, or a number of million instructions is allowed`,
    );
  }
  return readNumber('--checkpoints', text, 1, 1e9) * MILLION;
}

/** `virtrace record` */
export async function recordCommand(raw: RawOptions, io: CommandIo): Promise<number> {
  const machine = readMachineRequest(raw);
  const request = readRecordRequest(raw);
  const opened = openMachine(machine);
  const network = new Network(machine.networks);
  try {
    dumpDeviceTree(machine, opened);
    warnOfGaps(machine, io);
    await network.open();
    return await record(raw, machine, request, opened, network, io);
  } finally {
    network.close();
    opened.close();
  }
}

async function record(
  raw: RawOptions,
  machine: MachineRequest,
  request: RecordRequest,
  opened: OpenedMachine,
  network: Network,
  io: CommandIo,
): Promise<number> {
  for (const { option, path } of opened.files) {
    if (sameFile(path, request.file))
      throw new OptionError(`-o ${request.file}: this is the file of ${option}`);
  }
  const monitors = readControls(raw);
  checkStdioFree(monitors, machine.characters);
  const live = readLiveGdb(raw, monitors.length > 0);
  let say = (line: string): void => io.talk(`${line}\n`);
  let output: LiveHost['output'] = () => {};
  let trace: FileSink | undefined;
  const { running, limit } = machine;
  const log = new GuestLog(machine.log, machine.logFile, (line) => say(line));
  let session: RecordSession;
  try {
    session = new RecordSession({
      spec: opened.spec,
      inputs: hostInputs(machine.rtc, machine.seed, undefined, openFolders(machine.folders)),
      observe: { accesses: false, exceptions: log.wantsExceptions, dma: false },
      sink: (event) => {
        output(event);
        log.add(event);
      },
      running,
      level: request.level,
      embed: request.embed,
      hashInterval: request.hashInterval,
      checkpoints: request.checkpoints,
      codec: NODE_CODEC,
      openSink: () => {
        trace = new FileSink('-o', request.file);
        return trace;
      },
    });
  } catch (error) {
    // A trace without a machine is of no use to anybody.
    if (trace !== undefined) discard(trace);
    throw error;
  }
  const progress = new Progress(io);
  let flushed = performance.now();
  const host = new LiveHost({
    io,
    characters: machine.characters,
    network,
    ...timetableOf(machine),
    isControlled: monitors.length > 0,
    ...(limit === undefined ? {} : { limit }),
    tick: () => {
      const now = performance.now();
      if (now - flushed >= FLUSH_MS) {
        session.flush();
        flushed = now;
      }
      progress.show(() => `recording: ${millions(session.position)}, ${kilobytes(session.bytesWritten)}`);
      return session.failure !== undefined;
    },
  });
  let controls: LiveControls | undefined;
  output = (event) => {
    host.output(event);
    controls?.observe(event);
  };
  say = (line) => host.say(line);
  let end: HostEnd;
  let gdb: LiveGdb | undefined;
  try {
    if (live !== undefined) {
      gdb = await LiveGdb.open(live, {
        session,
        machine: session.machine as Machine,
        recording: true,
        json: raw.json === true,
        say,
        quit: () => host.quit(),
      });
    }
    if (monitors.length > 0) {
      controls = await LiveControls.open(monitors, {
        session: gdb?.session ?? session,
        machine: session.machine as Machine,
        backends: new HotDevices(machine, session.machine as Machine, network),
        name: readName(raw.name),
        replay: { mode: 'record', filename: request.file },
        held: raw.S === true && gdb === undefined,
        host,
        io,
        json: raw.json === true,
        ...(gdb === undefined ? {} : { gdb: gdb.session }),
        say,
      });
    }
    end = await host.run(controls?.session ?? gdb?.session ?? session);
    gdb?.session.finish();
  } catch (error) {
    // What led to it is worth keeping.
    session.end('error', (error as Error).message);
    if (error instanceof OptionError && trace !== undefined) discard(trace);
    throw error;
  } finally {
    progress.clear();
  }
  const ending = endingOf(end);
  session.end(ending.reason, ending.detail);
  await controls?.close(end);
  await gdb?.close(ending.exitCode);
  log.close();
  trace?.close();
  return report(raw, request, session, ending, opened, io);
}

function discard(trace: FileSink): void {
  // Never something that is not a plain file, e.g. /dev/full or a pipe.
  const plain = trace.isPlainFile;
  trace.close();
  if (plain) unlinkSync(trace.path);
}

function report(
  raw: RawOptions,
  { file, level }: RecordRequest,
  session: RecordSession,
  ending: Ending,
  opened: OpenedMachine,
  io: CommandIo,
): number {
  const { position, time, failure, bytesWritten } = session;
  const { reason, detail } = ending;
  const exitCode = failure === undefined ? ending.exitCode : EXIT.failure;
  const changed = opened.changed();
  if (raw.json === true) {
    const problem = failure === undefined ? {} : { failure: failure.message };
    io.talk(
      `${JSON.stringify({ file, level, reason, detail, position, time, bytes: bytesWritten, ...problem, exitCode })}\n`,
    );
  } else {
    if (exitCode === EXIT.failure && failure === undefined) io.error(`${detail}, at position ${position}`);
    io.talk(
      `virtrace: recorded ${millions(position)} into ${file} (${kilobytes(bytesWritten)}): ${detail}\n`,
    );
    if (failure === undefined) io.talk(`virtrace: replay it with: virtrace replay ${file} --verify\n`);
  }
  for (const name of changed) {
    io.error(`warning: image ${name} was changed by others while it was used; this recording may not replay`);
  }
  if (failure !== undefined) {
    throw new CommandError(
      `-o ${file}: ${failure.message}; the recording ends there and replays up to there`,
    );
  }
  if (!keeps(level, 'output') && raw.json !== true) {
    io.talk(`virtrace: level ${level} keeps no console text; a replay prints it again\n`);
  }
  return exitCode;
}

export function millions(position: number): string {
  return position < 10 * MILLION
    ? `${position} instructions`
    : `${(position / MILLION).toFixed(1)} million instructions`;
}

export function kilobytes(bytes: number): string {
  return bytes < 10_000_000 ? `${Math.ceil(bytes / 1000)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}
