import { writeFileSync } from 'node:fs';
import { crc32, deflateSync } from 'node:zlib';
import type { Machine } from '../../engine/machine.ts';
import { reasonOf, sameFile } from '../host/files.ts';
import { NODE_CODEC } from '../host/lz4.ts';
import { openTrace } from '../host/open-trace.ts';
import { encodePng } from '../session/png.ts';
import { MissingImages, ReplaySession } from '../session/replay.ts';
import { screensOf } from '../session/screen.ts';
import { CommandError, EXIT, OptionError } from './errors.ts';
import { GivenImages } from './given-images.ts';
import type { CommandIo } from './io.ts';
import { readCount } from './machine-request.ts';

export interface ScreenshotOptions {
  readonly output?: string;
  readonly at?: string;
  readonly device?: readonly string[];
  /** ROLE=FILE */
  readonly image?: readonly string[];
  readonly json?: boolean;
}

export const SCREENSHOT_HELP = `Usage: virtrace screenshot FILE.vtrace -o FILE.png [options]

Replays the recording up to a position, and writes what is on the screen there.

Options:
  -o FILE            the picture, a PNG file; - is stdout
  --at N             position; suffixes k, M and G are powers of 1000; default: the end
  --device ID        this graphics device, where there are several
  --image ROLE=FILE  file for an image that is not in the trace
  --json             print position and size as JSON
`;

/** `virtrace screenshot` */
export async function screenshotCommand(
  file: string,
  options: ScreenshotOptions,
  io: CommandIo,
): Promise<number> {
  const { output } = options;
  if (output === undefined || output === '') throw new OptionError('-o is missing: the picture to write');
  if (sameFile(file, output)) throw new OptionError(`-o ${output}: this is the trace`);
  const at = options.at === undefined ? Number.POSITIVE_INFINITY : readCount('--at', options.at);
  const given = new GivenImages(options.image ?? []);
  const trace = openTrace(file);
  try {
    const { reader } = trace;
    given.check(reader.header.images);
    const session = new ReplaySession({
      reader,
      codec: NODE_CODEC,
      image: (ref) => given.open(ref),
      verify: false,
    });
    const stop = session.run(at);
    if (stop.reason === 'diverged') throw new CommandError('the replay diverged', EXIT.diverged);
    if (stop.reason === 'end' && at !== Number.POSITIVE_INFINITY && at > session.position) {
      throw new OptionError(`--at ${options.at}: the recording ends at position ${session.position}`);
    }
    const screens = screensOf(session.machine as Machine);
    const [first] = screens.keys();
    const device = options.device?.at(-1) ?? first;
    if (device === undefined) throw new CommandError('the recorded machine has no graphics device');
    if (!screens.has(device)) {
      throw new OptionError(
        `--device ${device}: no graphics device; there are ${[...screens.keys()].join(', ')}`,
      );
    }
    const image = screens.get(device);
    if (image === undefined)
      throw new CommandError(`nothing is on the screen of ${device} at position ${session.position}`);
    const { width, height } = image;
    write(output, encodePng(image, deflateSync, crc32), io);
    const { position } = session;
    const said =
      options.json === true
        ? JSON.stringify({ output, device, position, width, height })
        : `virtrace: ${width} by ${height} pixels of ${device} at position ${position}, into ${output}`;
    (output === '-' ? io.talk : io.out).call(io, `${said}\n`);
    return EXIT.ok;
  } catch (error) {
    if (error instanceof MissingImages) throw new CommandError(error.message);
    throw error;
  } finally {
    given.close();
    trace.close();
  }
}

function write(path: string, bytes: Uint8Array, io: CommandIo): void {
  if (path === '-') {
    io.out(bytes);
    return;
  }
  try {
    writeFileSync(path, bytes);
  } catch (error) {
    throw new OptionError(`-o ${path}: ${reasonOf(error)}`);
  }
}
