/** `virtrace debug`: a recording under a debugger, gdb through a socket or the one in the terminal. */

import { NODE_CODEC } from '../host/lz4.ts';
import { openTrace } from '../host/open-trace.ts';
import { Timeline } from '../session/timeline.ts';
import { type MonitorOptions, readControls } from './control-options.ts';
import { OptionError } from './errors.ts';
import { readGdbAddress } from './gdb-option.ts';
import { serveGdb } from './gdb-service.ts';
import { GivenImages } from './given-images.ts';
import type { CommandIo } from './io.ts';
import { readRunning } from './machine-request.ts';
import { buildSession } from './replay-command.ts';
import { serveMonitors } from './replay-monitor.ts';
import { debugInTerminal } from './terminal-debugger.ts';

export const DEBUG_HELP = `Usage: virtrace debug FILE.vtrace [options]

Opens a recording in a debugger that goes forwards and backwards. Without -s or -gdb it is one in the terminal:
\`help\` at its prompt lists the commands, docs/debugging.md explains them. If stdin is not a terminal, commands
are read from it.

Options:
  --command CMD      runs a command instead of asking for them (several: one after the other)
  -x FILE            runs the commands of a file; these two end at the first command that fails, exit code 1
  -s                 waits for gdb: the same as -gdb tcp::1234
  -gdb ADDRESS       tcp::PORT (port 0: any free one) or unix:PATH; never beyond this host
  -qmp TARGET        waits for clients of QEMU's machine protocol: unix:PATH or tcp:127.0.0.1:PORT, with
                     ,server=on,wait=off; -monitor TARGET: of its human monitor
  --image ROLE=FILE  file for an image that is not in the trace (virtrace info lists the roles)
  --block-limit N    at most N instructions per block; the result is the same, only slower
  --tier TIER        interpreted or compiled; the result is the same
  --json             a JSON object per command; with -s: the address as JSON on stdout
`;

export interface DebugOptions extends MonitorOptions {
  readonly s?: boolean;
  readonly gdb?: string;
  /** ROLE=FILE */
  readonly image?: readonly string[];
  readonly blockLimit?: string;
  readonly tier?: string;
  readonly json?: boolean;
  readonly x?: readonly string[];
  readonly command?: readonly string[];
}

export async function debugCommand(file: string, options: DebugOptions, io: CommandIo): Promise<number> {
  const address = readGdbAddress(options.s, options.gdb);
  const running = readRunning(options);
  const requests = readControls(options);
  if (address !== undefined && requests.length > 0)
    throw new OptionError(
      `${requests[0]!.option}: not together with gdb; a recording is moved by one of them`,
    );
  const given = new GivenImages(options.image ?? []);
  const trace = openTrace(file);
  try {
    const { reader } = trace;
    const image = given.open.bind(given);
    const timeline = buildSession(() => new Timeline({ reader, codec: NODE_CODEC, image, running }));
    given.check(reader.header.images);
    const recording = { file, timeline, reader };
    if (requests.length > 0) {
      const json = options.json === true;
      return await serveMonitors(recording, { requests, held: true, json }, io);
    }
    if (address !== undefined) return await serveGdb(recording, address, options.json === true, io);
    return await debugInTerminal(recording, options, io);
  } finally {
    given.close();
    trace.close();
  }
}
