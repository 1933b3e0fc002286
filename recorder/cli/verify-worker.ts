/**
 * Verification of a part of a recording in a thread of its own. The thread runs this program again (main.ts), reads
 * the trace itself, and gets one segment after the other.
 */
import { isMainThread, parentPort, workerData } from 'node:worker_threads';
import { TraceError } from '../../traces/index.ts';
import { NODE_CODEC } from '../host/lz4.ts';
import { openTrace } from '../host/open-trace.ts';
import type { Divergence } from '../session/compare.ts';
import { MissingImages, ReplaySession, type Segment } from '../session/replay.ts';
import type { RunningChoices } from '../session/setup.ts';
import { OptionError } from './errors.ts';
import { GivenImages } from './given-images.ts';

/** What every thread is started with. */
export interface VerifyTask {
  readonly task: 'verify';
  readonly file: string;
  /** ROLE=FILE */
  readonly images: readonly string[];
  readonly running: RunningChoices;
  /** Devices whose output is not wanted; absent: no output is. */
  readonly silent?: readonly string[];
}

/** What was found in a segment. */
export interface SegmentResult {
  readonly divergence?: Divergence;
  readonly position: number;
  readonly time: number;
  readonly compared: number;
  readonly hashesCompared: number;
  readonly finalHashes?: ReplaySession['finalHashes'];
}

export type WorkerMessage =
  | { readonly kind: 'progress'; readonly position: number }
  | { readonly kind: 'output'; readonly bytes: Uint8Array }
  | { readonly kind: 'done'; readonly result: SegmentResult }
  | { readonly kind: 'failed'; readonly error: 'trace' | 'command' | 'other'; readonly message: string };

/** Instructions between two words about progress. */
const SLICE = 10_000_000;

/** Whether this is such a thread, which has no command line. */
export function isVerifyWorker(): boolean {
  return !isMainThread && (workerData as { task?: unknown } | null)?.task === 'verify';
}

/** Verifies segments for ever; whoever started the thread ends it. */
export function runVerifyWorker(): void {
  const task = workerData as VerifyTask;
  const port = parentPort!;
  const say = (message: WorkerMessage): void => port.postMessage(message);
  port.on('message', (segment: Segment) => {
    try {
      say({ kind: 'done', result: verifySegment(task, segment, say) });
    } catch (error) {
      const isCommand = error instanceof MissingImages || error instanceof OptionError;
      const message = error instanceof Error ? error.message : String(error);
      if (error instanceof TraceError) say({ kind: 'failed', error: 'trace', message });
      else if (isCommand) say({ kind: 'failed', error: 'command', message });
      else say({ kind: 'failed', error: 'other', message: (error as Error).stack ?? message });
    }
  });
}

/** @throws TraceError, MissingImages, OptionError */
export function verifySegment(
  { file, images, running, silent }: VerifyTask,
  segment: Segment,
  say: (message: WorkerMessage) => void,
): SegmentResult {
  const trace = openTrace(file);
  const given = new GivenImages(images);
  try {
    const session = new ReplaySession({
      reader: trace.reader,
      codec: NODE_CODEC,
      image: (ref) => given.open(ref),
      verify: true,
      running,
      segment,
      sink: (event) => {
        if (event.kind === 'output' && silent?.includes(event.device) === false) {
          say({ kind: 'output', bytes: event.bytes.slice() });
        }
      },
    });
    let stop = session.run(session.position + SLICE);
    while (stop.reason === 'limit') {
      say({ kind: 'progress', position: session.position });
      stop = session.run(session.position + SLICE);
    }
    const { position, time, compared, hashesCompared, finalHashes } = session;
    return {
      position,
      time,
      compared,
      hashesCompared,
      ...(stop.reason === 'diverged' ? { divergence: stop.divergence } : {}),
      ...(finalHashes === undefined ? {} : { finalHashes }),
    };
  } finally {
    given.close();
    trace.close();
  }
}
