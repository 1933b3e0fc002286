/** What gdb's server needs of the machine under it: a recording (Timeline) is one kind, a live machine another. */
import type { Position } from '../../engine/base/units.ts';
import { debuggerWrite } from '../../engine/debugger-input.ts';
import type { Machine } from '../../engine/machine.ts';
import type { Condition } from './conditions.ts';
import type { Operation } from './operation.ts';
import type { Breakpoint, Timeline } from './timeline.ts';
import type { TimelineStop } from './timeline-stop.ts';

export type DebuggeeStop =
  | TimelineStop
  /** A live machine is gone: it powered off, or its run was ended. */
  | { readonly reason: 'exited'; readonly code: number };

/** A change by hand, in the words of engine/debugger-input.ts. */
export interface DebuggerWrite {
  readonly what: string;
  readonly data: Uint8Array;
}

export interface Debuggee {
  readonly machine: Machine;
  readonly position: Position;
  readonly canReverse: boolean;
  readonly breakpoints: ReadonlyMap<number, Breakpoint>;
  /** Watches of gdb stop at writes: `change` if the machine can find out, `write` if gdb has to. */
  readonly writeWatch: 'change' | 'write';
  addBreakpoint(condition: Condition): Breakpoint;
  removeBreakpoint(id: number): boolean;
  /**
   * `alone`: the others, which have their turns meanwhile, do not stop at breakpoints. `watching`: an instruction
   * that is about to make a watched access is not executed.
   */
  stepForward(cpu: number, alone: boolean, watching: boolean): Operation<DebuggeeStop>;
  stepBackward(cpu: number): Operation<DebuggeeStop>;
  continueForward(): Operation<DebuggeeStop>;
  continueBackward(): Operation<DebuggeeStop>;
  /** All of them or none. `notice`: what the person at the debugger has to be told. */
  write(writes: readonly DebuggerWrite[]): { readonly done: boolean; readonly notice?: string };
  /** A debugger has come. */
  attach(): void;
  /** It has gone, and has taken its breakpoints along. */
  detach(how: 'detach' | 'kill' | 'lost'): void;
  /** While an operation runs by itself: resolves when there may be news. Absent: it runs by being asked. */
  news?(): Promise<void>;
}

/** A recording under gdb. A write begins a side branch. */
export class RecordedDebuggee implements Debuggee {
  readonly canReverse = true;
  readonly writeWatch = 'change';
  /** Forward runs end here; Infinity: at the end. */
  stopAt: Position = Number.POSITIVE_INFINITY;
  readonly #timeline: Timeline;

  constructor(timeline: Timeline) {
    this.#timeline = timeline;
  }

  get machine(): Machine {
    return this.#timeline.machine;
  }

  get position(): Position {
    return this.#timeline.position;
  }

  get breakpoints(): ReadonlyMap<number, Breakpoint> {
    return this.#timeline.breakpoints;
  }

  addBreakpoint(condition: Condition): Breakpoint {
    return this.#timeline.addBreakpoint(condition);
  }

  removeBreakpoint(id: number): boolean {
    return this.#timeline.removeBreakpoint(id);
  }

  stepForward(cpu: number, alone: boolean, watching: boolean): Operation<DebuggeeStop> {
    return this.#timeline.stepForward(1, cpu, alone, watching);
  }

  stepBackward(cpu: number): Operation<DebuggeeStop> {
    return this.#timeline.stepBackward(1, cpu);
  }

  continueForward(): Operation<DebuggeeStop> {
    const until = this.stopAt > this.position ? this.stopAt : Number.POSITIVE_INFINITY;
    return this.#timeline.continueForward(until);
  }

  continueBackward(): Operation<DebuggeeStop> {
    return this.#timeline.continueBackward();
  }

  write(writes: readonly DebuggerWrite[]): { done: boolean; notice?: string } {
    const timeline = this.#timeline;
    // Refused before anything is changed: a branch for nothing would help nobody.
    const changes = writes.map(({ what, data }) => debuggerWrite(timeline.machine, what, data));
    if (changes.includes(undefined)) return { done: false };
    if (changes.length === 0) return { done: true };
    const isNew = timeline.change(() => {
      for (const change of changes) change?.();
    });
    if (!isNew) return { done: true };
    const { number, position } = timeline.branch!;
    return {
      done: true,
      notice: `this write begins side branch ${number} at position ${position}; the recording is not changed, "monitor leave" goes back to it`,
    };
  }

  attach(): void {}

  detach(): void {}
}
