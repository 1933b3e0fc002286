/** gdb's server as part of a command: where it listens, what it says, when it ends. */

import { Monitor } from '../gdb/monitor.ts';
import { GdbServer } from '../gdb/server.ts';
import { reasonOf } from '../host/files.ts';
import { StopSignals } from '../host/signals.ts';
import { RecordedDebuggee } from '../session/debuggee.ts';
import type { OpenedRecording } from './debug-command.ts';
import { EXIT, OptionError } from './errors.ts';
import { type GdbAddress, listenOptions } from './gdb-option.ts';
import type { CommandIo } from './io.ts';

/** Serves until gdb says `kill` or a signal comes. */
export async function serveGdb(
  { file, timeline }: OpenedRecording,
  address: GdbAddress,
  json: boolean,
  io: CommandIo,
): Promise<number> {
  const signals = new StopSignals();
  const monitor = new Monitor(timeline);
  let end = (): void => {};
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });
  signals.onReceive(end);
  try {
    const server = await GdbServer.listen({
      debuggee: new RecordedDebuggee(timeline),
      listen: listenOptions(address),
      monitor: (command) => monitor.run(command),
      say: (line) => io.talk(`${line}\n`),
      onKill: end,
    }).catch((error: NodeJS.ErrnoException) => {
      throw new OptionError(`-gdb ${textOf(address)}: ${refusal(error)}`);
    });
    const at = 'path' in address ? address : { ...address, port: server.port };
    if (json)
      io.out(
        `${JSON.stringify({ event: 'listening', protocol: 'gdb', ...at, file, length: timeline.length })}\n`,
      );
    io.talk(`virtrace: gdb may connect: gdb-multiarch -ex 'target remote ${textOf(at)}'\n`);
    if (signals.received === undefined) await ended;
    await server.close();
    return EXIT.ok;
  } finally {
    signals.dispose();
  }
}

function textOf(address: GdbAddress): string {
  if ('path' in address) return address.path;
  return address.host.includes(':') ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}

function refusal(error: NodeJS.ErrnoException): string {
  return error.code === 'EADDRINUSE' ? 'it is in use; -gdb tcp::0 takes any free port' : reasonOf(error);
}
