/** gdb's server as part of a command: where it listens, what it says, when it ends. */
import type { Machine, Observed } from '../../engine/machine.ts';
import { Debugger } from '../debugger/debugger.ts';
import { LiveMonitor } from '../gdb/live-monitor.ts';
import { Monitor } from '../gdb/monitor.ts';
import { GdbServer, type GdbServerOptions } from '../gdb/server.ts';
import { reasonOf } from '../host/files.ts';
import { StopSignals } from '../host/signals.ts';
import { RecordedDebuggee } from '../session/debuggee.ts';
import type { LiveSession } from '../session/live.ts';
import { LiveDebuggee } from '../session/live-debuggee.ts';
import { EXIT, OptionError } from './errors.ts';
import { type GdbAddress, listenOptions, readGdbAddress } from './gdb-option.ts';
import type { CommandIo } from './io.ts';
import type { RawOptions } from './raw-options.ts';
import { addressText as textOf } from './socket-address.ts';
import { type OpenRecording, readFile } from './terminal-debugger.ts';

/** A recording: serves until gdb says `kill` or a signal comes. */
export async function serveGdb(
  { file, timeline, reader }: OpenRecording,
  address: GdbAddress,
  json: boolean,
  io: CommandIo,
): Promise<number> {
  const signals = new StopSignals();
  const debuggee = new RecordedDebuggee(timeline);
  const monitor = new Monitor(new Debugger({ timeline, reader, host: { readFile } }), debuggee);
  let end = (): void => {};
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });
  signals.onReceive(end);
  try {
    const server = await listen(address, {
      debuggee,
      monitor: (command, cpu) => monitor.run(command, cpu),
      say: (line) => io.talk(`${line}\n`),
      onKill: end,
    });
    if (json) io.out(announcement(address, server, { file, length: timeline.length }));
    io.talk(`${hint(address, server)}\n`);
    if (signals.received === undefined) await ended;
    await server.close();
    return EXIT.ok;
  } finally {
    signals.dispose();
  }
}

/**
 * Whether `run` and `record` wait for gdb.
 * @param hasMonitor somebody else can let the machine go
 * @throws OptionError
 */
export function readLiveGdb(
  raw: RawOptions,
  hasMonitor: boolean,
): { address: GdbAddress; held: boolean } | undefined {
  const address = readGdbAddress(raw.s, raw.gdb);
  if (address !== undefined) return { address, held: raw.S === true };
  if (raw.S === true && !hasMonitor) {
    throw new OptionError(
      '-S: nobody could let the machine go; give -s, too, and let gdb do it, or -qmp or -monitor',
    );
  }
  return undefined;
}

export interface LiveGdbOptions {
  readonly session: LiveSession & { readonly observed: Observed };
  readonly machine: Machine;
  readonly recording: boolean;
  readonly json: boolean;
  say(line: string): void;
  /** gdb wants the run to end. */
  quit(): void;
}

/** A live machine with gdb beside it. */
export class LiveGdb {
  /** For the host's loop. */
  readonly session: LiveDebuggee;
  readonly #server: GdbServer;

  private constructor(session: LiveDebuggee, server: GdbServer) {
    this.session = session;
    this.#server = server;
  }

  /** @throws OptionError if it cannot listen */
  static async open(
    { address, held }: { readonly address: GdbAddress; readonly held: boolean },
    { session, machine, recording, json, say, quit }: LiveGdbOptions,
  ): Promise<LiveGdb> {
    const debuggee = new LiveDebuggee({ session, machine, observed: session.observed, held, recording });
    const monitor = new LiveMonitor(debuggee, { readFile }, quit);
    const server = await listen(address, {
      debuggee,
      monitor: (command, cpu) => monitor.run(command, cpu),
      say,
      onKill: quit,
    });
    say(json ? announcement(address, server, { held }).trimEnd() : hint(address, server));
    return new LiveGdb(debuggee, server);
  }

  /** After the run: gdb hears how it ended. */
  async close(exitCode: number): Promise<void> {
    this.session.exit(exitCode);
    await this.#server.close();
  }
}

async function listen(address: GdbAddress, options: Omit<GdbServerOptions, 'listen'>): Promise<GdbServer> {
  try {
    return await GdbServer.listen({ ...options, listen: listenOptions(address) });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const why = code === 'EADDRINUSE' ? 'it is in use; -gdb tcp::0 takes any free port' : reasonOf(error);
    throw new OptionError(`-gdb ${textOf(address)}: ${why}`);
  }
}

function placeOf(address: GdbAddress, server: GdbServer): GdbAddress {
  return 'path' in address ? address : { ...address, port: server.port };
}

function announcement(address: GdbAddress, server: GdbServer, rest: object): string {
  return `${JSON.stringify({ event: 'listening', protocol: 'gdb', ...placeOf(address, server), ...rest })}\n`;
}

function hint(address: GdbAddress, server: GdbServer): string {
  return `virtrace: gdb may connect: gdb-multiarch -ex 'target remote ${textOf(placeOf(address, server))}'`;
}
