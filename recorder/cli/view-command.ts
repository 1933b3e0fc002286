/** `virtrace view`: serves the viewer on loopback and opens it. */
import { spawn } from 'node:child_process';
import { openTraceFile } from '../host/files.ts';
import { StopSignals } from '../host/signals.ts';
import { startViewServer } from '../server/view-server.ts';
import { findViewer } from '../server/viewer-files.ts';
import { CommandError, EXIT, OptionError } from './errors.ts';
import type { CommandIo } from './io.ts';

export const VIEW_HELP = `Usage: virtrace view FILE.vtrace [options]

Serves the viewer on 127.0.0.1 and opens it in the browser. Ctrl-C ends it. Notes are kept in FILE.vtrace.notes.json.

Options:
  --no-open  only print the address
  --port N   listen on this port; default: any free one
`;

export interface ViewOptions {
  readonly open?: boolean;
  readonly port?: string;
}

const NOT_BUILT = 'the viewer is not built; run npm run build';

export function viewerFolder(): string {
  const folder = findViewer();
  if (folder === undefined) throw new CommandError(NOT_BUILT);
  return folder;
}

export async function viewCommand(file: string, options: ViewOptions, io: CommandIo): Promise<number> {
  const port = options.port === undefined ? 0 : Number(options.port);
  if (!Number.isInteger(port) || port < 0 || port > 65535) {
    throw new OptionError(`--port ${options.port}: a number from 0 to 65535`);
  }
  // A file that is no trace is shown by the page, with what to do; one that is not there is said here.
  openTraceFile(file).close();
  const viewerDir = viewerFolder();
  const signals = new StopSignals();
  try {
    const server = await startViewServer({ file, viewerDir, port }).catch((error: NodeJS.ErrnoException) => {
      const why = error.code === 'EADDRINUSE' ? 'it is in use' : error.message;
      throw new OptionError(`--port ${port}: ${why}`);
    });
    io.out(`${server.url}\n`);
    io.talk('The viewer is at the address above; Ctrl-C ends it.\n');
    if (options.open !== false) openBrowser(server.url, io);
    await new Promise<void>((resolve) => {
      if (signals.received !== undefined) resolve();
      signals.onReceive(resolve);
    });
    await server.close();
    return EXIT.ok;
  } finally {
    signals.dispose();
  }
}

/** Best effort: the address has been printed. */
function openBrowser(url: string, io: CommandIo): void {
  const [command, ...args] =
    process.platform === 'darwin'
      ? ['open', url]
      : process.platform === 'win32'
        ? ['cmd', '/c', 'start', '', url]
        : ['xdg-open', url];
  const child = spawn(command!, args, { stdio: 'ignore', detached: true });
  child.on('error', () => io.talk('No browser could be started; open the address by hand.\n'));
  child.unref();
}
