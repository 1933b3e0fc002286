/** The machine of the page: a timeline over the trace, and one operation at a time on it. */

import { parseBreakpoint } from '../../recorder/session/breakpoint-text.ts';
import { describeCondition } from '../../recorder/session/conditions.ts';
import { completeAsync, type Operation, type Progress } from '../../recorder/session/operation.ts';
import { describeStop, Timeline, type TimelineStop } from '../../recorder/session/timeline.ts';
import {
  type ImageRef,
  type ImageSource,
  PURE_CODEC,
  type SyncByteSource,
  SyncTraceReader,
} from '../../traces/index.ts';
import type { BreakpointView, EngineProgress, MachineMoment, MoveResult } from './protocol.ts';

export interface EngineHooks {
  readonly progress: (progress: EngineProgress) => void;
  /** Lets messages in. */
  readonly breathe: () => Promise<void>;
}

/** A file that was given for an image. */
export interface GivenSource {
  readonly name: string;
  readonly source: SyncByteSource;
}

export class EngineSession {
  readonly timeline: Timeline;
  readonly #hooks: EngineHooks;
  /** The running operation ends before the next begins. */
  #last: Promise<unknown> = Promise.resolve();
  #stop = false;

  /** Builds the machine; `files` stand in for images that the trace only names. @throws TraceError, MissingImages */
  constructor(source: SyncByteSource, files: readonly GivenSource[], hooks: EngineHooks) {
    const reader = SyncTraceReader.open(source, { codec: PURE_CODEC });
    // The name decides, or the size if the file was renamed; the hash is checked in any case.
    const newest = [...files].reverse();
    const embedded = reader.embeddedImages();
    const isOnlyOne = reader.header.images.filter(({ sha256 }) => !embedded.has(sha256)).length === 1;
    const image = ({ name, size }: ImageRef): ImageSource | undefined =>
      (
        newest.find((file) => name.endsWith(file.name)) ??
        newest.find((file) => file.source.size === size) ??
        (isOnlyOne ? newest[0] : undefined)
      )?.source;
    this.timeline = new Timeline({ reader, codec: PURE_CODEC, image });
    this.#hooks = hooks;
  }

  moment(): MachineMoment {
    const { machine, position, time, ended, checkpoints, checkpointBytes } = this.timeline;
    const { cluster } = machine;
    return {
      position,
      time,
      cpu: machine.currentCpu,
      ...(ended === undefined ? {} : { ended }),
      cpus: cluster.states.map((s, cpu) => ({
        cpu,
        pc: `0x${s.pc.toString(16)}`,
        el: s.el,
        power: cluster.power[cpu]!,
        wait: cluster.wait[cpu]!,
        retired: machine.retired(cpu),
      })),
      checkpoints: checkpoints.length,
      checkpointBytes,
    };
  }

  /** Asks the running operation to end. */
  interrupt(): void {
    this.#stop = true;
  }

  /** Runs an operation after the one before has ended, which it interrupts. */
  async move(operation: () => Operation<TimelineStop>, isCancelled: () => boolean): Promise<MoveResult> {
    this.#stop = true;
    const run = this.#last.then(async (): Promise<MoveResult> => {
      if (isCancelled()) {
        return { reason: 'interrupted', text: 'interrupted', moment: this.moment() };
      }
      this.#stop = false;
      const stop = await completeAsync(operation(), async (progress) => {
        this.#tell(progress);
        await this.#hooks.breathe();
        return this.#stop || isCancelled();
      });
      return { reason: stop.reason, text: describeStop(stop), moment: this.moment() };
    });
    this.#last = run.catch(() => {});
    return run;
  }

  #tell({ what, position, done }: Progress): void {
    this.#hooks.progress({ what, position, ...(done === undefined ? {} : { done }) });
  }

  /** Waits until nothing runs, then looks. */
  async look<T>(view: () => T): Promise<T> {
    await this.#last;
    return view();
  }

  /** @throws RangeError */
  addBreakpoint(text: string, symbol: (name: string) => bigint | undefined): BreakpointView[] {
    this.timeline.addBreakpoint(parseBreakpoint(text, symbol));
    return this.breakpoints();
  }

  breakpoints(): BreakpointView[] {
    return [...this.timeline.breakpoints.values()].map(({ id, condition, enabled, hits }) => ({
      id,
      text: describeCondition(condition),
      enabled,
      hits,
    }));
  }
}
