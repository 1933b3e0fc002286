/** What a debugger knows besides the machine: symbols, numbers of breakpoints, bookmarks, the chosen CPU. */
import type { Position } from '../../engine/base/units.ts';
import { chunkName, keeps, type SyncTraceReader, type TraceEvent } from '../../traces/index.ts';
import { interruptsOf } from '../session/interrupt-words.ts';
import type { Breakpoint, Timeline } from '../session/timeline.ts';
import { symbolsOf } from '../session/trace-symbols.ts';
import { DebugError } from './answer.ts';
import { type DebugHost, MachineView } from './machine-view.ts';

export interface DebuggerOptions {
  readonly timeline: Timeline;
  readonly reader: SyncTraceReader;
  readonly host: DebugHost;
}

/** Events that can be gone to by number; older ones are forgotten. */
const MAX_HANDLES = 100_000;
const READ_AHEAD: readonly (string | undefined)[] = ['accesses', 'interrupts', 'outputs'];
const READ_AHEAD_MS = 150;

export class Debugger extends MachineView {
  readonly timeline: Timeline;
  readonly reader: SyncTraceReader;
  readonly bookmarks = new Map<string, Position>();
  /** By the number that a person sees: searches make breakpoints of their own, which have none. */
  readonly breakpoints = new Map<number, Breakpoint>();
  /** Found by the last question: where `goto there` goes. */
  there: Position | undefined;
  readonly #handles = new Map<number, Position>();
  #lastHandle = 0;
  #nextBreakpoint = 1;

  constructor({ timeline, reader, host }: DebuggerOptions) {
    super({
      machine: timeline.machine,
      host,
      symbols: symbolsOf(reader),
      interruptName: interruptsOf(reader.header),
    });
    this.timeline = timeline;
    this.reader = reader;
    this.#readAhead();
  }

  /** The last events of the trace: the first question is then answered as fast as the others. */
  #readAhead(): void {
    const began = performance.now();
    for (const chunk of this.reader.chunks.toReversed()) {
      if (!READ_AHEAD.includes(chunkName(chunk.kind))) continue;
      this.reader.first({ from: chunk.last, to: chunk.last + 1 });
      if (performance.now() - began > READ_AHEAD_MS) return;
    }
  }

  keeps(kind: TraceEvent['kind']): boolean {
    return keeps(this.reader.header.level, kind);
  }

  /* ---------------------------------------------------------------- numbers */

  addBreakpoint(breakpoint: Breakpoint): number {
    const number = this.#nextBreakpoint++;
    this.breakpoints.set(number, breakpoint);
    return number;
  }

  /** Makes a place known by a number: `#7`. */
  handle(position: Position): number {
    this.#handles.set(++this.#lastHandle, position);
    if (this.#handles.size > MAX_HANDLES) this.#handles.delete(this.#lastHandle - MAX_HANDLES);
    return this.#lastHandle;
  }

  handled(number: number): Position | undefined {
    return this.#handles.get(number);
  }

  get handles(): number {
    return this.#lastHandle;
  }

  /* ---------------------------------------------------------------- words for places */

  override get ended(): string | undefined {
    return this.timeline.ended;
  }

  override get branch(): number | undefined {
    return this.timeline.branch?.number;
  }

  /** @throws DebugError */
  needKind(kind: TraceEvent['kind'], instead: string): void {
    if (this.keeps(kind)) return;
    throw new DebugError(
      `this trace has level ${this.reader.header.level}, which keeps no events of kind ${kind}; ${instead}`,
    );
  }
}
