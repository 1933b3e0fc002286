/**
 * `replay --verify --jobs N`: the segments between checkpoints, verified by several threads. Each begins with the
 * state that a checkpoint promises and proves that it comes to the next one with the recorded events; that the first
 * begins at power-on makes a whole of it. So the answer is that of one replay from end to end: the first difference
 * in the order of the recording, with what was compared up to it.
 */
import { Worker } from 'node:worker_threads';
import { type RestartPoint, type SyncTraceReader, TraceError } from '../../traces/index.ts';
import type { Segment } from '../session/replay.ts';
import { usablePoint } from '../session/replay-log.ts';
import { CommandError } from './errors.ts';
import type { SegmentResult, VerifyTask, WorkerMessage } from './verify-worker.ts';

/** What the command needs of a thread; tests have their own. */
export interface VerifyThread {
  postMessage(segment: Segment): void;
  on(event: 'message', listener: (message: WorkerMessage) => void): unknown;
  on(event: 'error', listener: (error: Error) => void): unknown;
  terminate(): unknown;
}

export type StartThread = (task: VerifyTask) => VerifyThread;

/** Threads that run the program at a place. */
export function threadsOf(program: URL): StartThread {
  return (task) => {
    if (!program.pathname.endsWith('.ts')) return new Worker(program, { workerData: task });
    // From the sources, as tests run it: threads do not inherit what loads TypeScript.
    const load = `import('tsx/esm/api').then((tsx) => { tsx.register(); return import('${program.href}'); })`;
    return new Worker(load, { workerData: task, eval: true });
  };
}

/** A segment, and where it begins. */
interface Part {
  readonly segment: Segment;
  readonly start: number;
  position: number;
  result?: SegmentResult;
  failure?: Error;
  /** Console output that waits for the segments before it. */
  readonly output: Uint8Array[];
}

/** More parts than that for each thread would share the work no better, and each costs a start. */
const PARTS_PER_JOB = 8;

/** Parts that can be verified apart from each other, in order. One: there is no checkpoint. */
export function segmentsOf(reader: SyncTraceReader, jobs: number): { segment: Segment; start: number }[] {
  const points = reader.checkpointChunks.flatMap((chunk) => usablePoint(reader, chunk) ?? []);
  const length = reader.end?.position ?? reader.complete;
  const least = length / (jobs * PARTS_PER_JOB);
  const starts: RestartPoint[] = [];
  for (const point of points) {
    if (point.position - (starts.at(-1)?.position ?? 0) >= least) starts.push(point);
  }
  return [undefined, ...starts].map((from, i) => {
    const to = starts[i];
    return {
      segment: {
        ...(from === undefined ? {} : { from: from.chunk }),
        ...(to === undefined ? {} : { to: to.chunk }),
      },
      start: from?.position ?? 0,
    };
  });
}

export class VerifyJobs {
  readonly #parts: Part[];
  readonly #jobs: number;
  readonly #start: StartThread;
  readonly #task: VerifyTask;
  readonly #print: (bytes: Uint8Array) => void;
  readonly #threads = new Map<VerifyThread, number>();
  #next = 0;
  /** Segments from this one on do not matter: an earlier one decides. */
  #last: number;
  #printed = 0;
  #finish: () => void = () => {};

  constructor(
    reader: SyncTraceReader,
    jobs: number,
    task: VerifyTask,
    start: StartThread,
    print: (bytes: Uint8Array) => void,
  ) {
    this.#jobs = jobs;
    this.#task = task;
    this.#start = start;
    this.#print = print;
    this.#parts = segmentsOf(reader, jobs).map(({ segment, start: position }) => {
      return { segment, start: position, position, output: [] };
    });
    this.#last = this.#parts.length;
  }

  /** Instructions replayed so far, by all. */
  get done(): number {
    return this.#parts.reduce((sum, { start, position }) => sum + Math.max(0, position - start), 0);
  }

  /** Runs until the answer is known or `stop` is called. */
  async run(): Promise<void> {
    const end = new Promise<void>((resolve) => {
      this.#finish = resolve;
    });
    for (let i = 0; i < Math.min(this.#jobs, this.#parts.length); i++) {
      const thread = this.#start(this.#task);
      thread.on('message', (message) => this.#hear(thread, message));
      thread.on('error', (error) => this.#fail(this.#threads.get(thread) ?? 0, error));
      this.#give(thread);
    }
    await end;
    this.#endThreads();
  }

  /** Leaves the rest unverified. */
  stop(): void {
    this.#endThreads();
    this.#finish();
  }

  #endThreads(): void {
    for (const thread of this.#threads.keys()) thread.terminate();
    this.#threads.clear();
  }

  #give(thread: VerifyThread): void {
    if (this.#next >= this.#last) {
      this.#threads.delete(thread);
      thread.terminate();
      return;
    }
    this.#threads.set(thread, this.#next);
    thread.postMessage(this.#parts[this.#next++]!.segment);
  }

  #hear(thread: VerifyThread, message: WorkerMessage): void {
    const index = this.#threads.get(thread);
    if (index === undefined) return;
    const part = this.#parts[index]!;
    switch (message.kind) {
      case 'progress':
        part.position = message.position;
        return;
      case 'output':
        part.output.push(message.bytes);
        this.#printReady();
        return;
      case 'failed':
        this.#fail(index, errorOf(message));
        return;
      case 'done':
        part.result = message.result;
        part.position = message.result.position;
        this.#printReady();
        if (message.result.divergence !== undefined) this.#decide(index);
        this.#give(thread);
        this.#checkEnd();
    }
  }

  #fail(index: number, error: Error): void {
    this.#parts[index]!.failure = error;
    this.#decide(index);
    this.#checkEnd();
  }

  /** What comes after this segment does not matter any more. */
  #decide(index: number): void {
    this.#last = Math.min(this.#last, index + 1);
    for (const [thread, at] of this.#threads) {
      if (at < this.#last) continue;
      this.#threads.delete(thread);
      thread.terminate();
    }
  }

  #checkEnd(): void {
    const open = this.#parts.slice(0, this.#last);
    if (open.every(({ result, failure }) => result !== undefined || failure !== undefined)) this.#finish();
  }

  /** Output in the order of the recording. */
  #printReady(): void {
    for (; this.#printed < this.#parts.length; this.#printed++) {
      const { output, result } = this.#parts[this.#printed]!;
      for (const bytes of output.splice(0)) this.#print(bytes);
      if (result === undefined || result.divergence !== undefined) return;
    }
  }

  /** The answer for all segments from the first on that are through, or up to the one that decides. */
  result(): SegmentResult & { readonly isWhole: boolean } {
    let compared = 0;
    let hashesCompared = 0;
    let last: SegmentResult | undefined;
    for (const { result, failure } of this.#parts) {
      if (failure !== undefined) throw failure;
      if (result === undefined) break;
      compared += result.compared;
      hashesCompared += result.hashesCompared;
      last = result;
      if (result.divergence !== undefined) break;
    }
    const isWhole = last !== undefined && last === this.#parts.at(-1)?.result;
    return { ...(last ?? { position: 0, time: 0 }), compared, hashesCompared, isWhole };
  }
}

function errorOf({ error, message }: Extract<WorkerMessage, { kind: 'failed' }>): Error {
  if (error === 'trace') return new TraceError('damaged', message);
  return error === 'command' ? new CommandError(message) : new Error(message);
}
