/** A recording as QMP and the monitor control it: QEMU's replay, with all of its positions at hand. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Position } from '../../engine/base/units.ts';
import type { Machine } from '../../engine/machine.ts';
import { completeAsync, type Operation } from '../session/operation.ts';
import { describeStop, type Timeline, type TimelineStop } from '../session/timeline.ts';
import type { Control, ReplayState, RunState } from './control.ts';
import { QmpError, type QmpEvent } from './protocol.ts';

export class RecordedMachine implements Control {
  readonly name = undefined;
  readonly replay: ReplayState;
  readonly #timeline: Timeline;
  readonly #quit: () => void;
  readonly #listeners = new Set<(event: QmpEvent) => void>();
  #stopAt: Position = Number.POSITIVE_INFINITY;
  #hasRun = false;
  #isOver = false;
  #wantsStop = false;
  /** What the timeline does; it does one thing at a time. */
  #work: Promise<TimelineStop> | undefined;

  constructor(timeline: Timeline, filename: string, quit: () => void) {
    this.#timeline = timeline;
    this.#quit = quit;
    this.replay = { mode: 'play', filename };
  }

  get machine(): Machine {
    return this.#timeline.machine;
  }

  get state(): RunState {
    if (this.#isOver) return 'shutdown';
    if (this.#work !== undefined) return 'running';
    return this.#hasRun ? 'paused' : 'prelaunch';
  }

  listen(listener: (event: QmpEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #tell(event: QmpEvent): void {
    for (const listener of this.#listeners) listener(event);
  }

  /** Runs on, to the breakpoint or the end; comes back at once. @throws QmpError at the end */
  cont(): void {
    if (this.#work !== undefined || this.#isOver) return;
    const { position, ended } = this.#timeline;
    if (ended !== undefined) throw new QmpError(`the recording ends here: ${ended}`);
    this.#hasRun = true;
    this.#tell({ event: 'RESUME' });
    const until = this.#stopAt > position ? this.#stopAt : Number.POSITIVE_INFINITY;
    void this.#do(this.#timeline.continueForward(until)).then(() => {
      // QEMU: a breakpoint is for once.
      if (this.#timeline.position >= this.#stopAt) this.#stopAt = Number.POSITIVE_INFINITY;
      this.#tell({ event: 'STOP' });
    });
  }

  async stop(): Promise<void> {
    this.#wantsStop = true;
    await this.#work;
  }

  async #do(operation: Operation<TimelineStop>): Promise<TimelineStop> {
    this.#wantsStop = false;
    this.#work = completeAsync(operation, async () => {
      await nextTurn();
      return this.#wantsStop;
    });
    try {
      return await this.#work;
    } finally {
      this.#work = undefined;
    }
  }

  /** The next `cont` stops there. @throws QmpError */
  breakAt(position: Position): void {
    if (position < this.#timeline.position)
      throw new QmpError(`position ${position} is behind; the replay is at ${this.#timeline.position}`);
    this.#stopAt = position;
  }

  deleteBreak(): void {
    this.#stopAt = Number.POSITIVE_INFINITY;
  }

  /** Goes to a position, forwards or backwards, and stays there. @throws QmpError */
  async seek(position: Position): Promise<void> {
    const timeline = this.#timeline;
    if (position > timeline.length)
      throw new QmpError(`position ${position} is not in the recording, which ends at ${timeline.length}`);
    await this.stop();
    this.#hasRun = true;
    const stop = await this.#do(timeline.seek(position));
    if (timeline.position !== position) throw new QmpError(describeStop(stop));
  }

  quit(): void {
    this.end('host-qmp-quit');
    this.#quit();
  }

  /** @param reason as QEMU calls it (qapi/run-state.json, ShutdownCause) */
  end(reason: string): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#wantsStop = true;
    this.#tell({ event: 'SHUTDOWN', data: { guest: false, reason } });
  }
}
