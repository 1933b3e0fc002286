/** What a debugger knows besides the machine: symbols, numbers of breakpoints, bookmarks, the chosen CPU. */
import type { RegisterMap } from '../../engine/base/register-map.ts';
import type { Position } from '../../engine/base/units.ts';
import { disassemble } from '../../engine/cpu/a64/disasm.ts';
import type { CpuState } from '../../engine/cpu/cpu-state.ts';
import type { Machine } from '../../engine/machine.ts';
import {
  chunkName,
  keeps,
  type RegisterMaps,
  type SyncTraceReader,
  type TraceEvent,
} from '../../traces/index.ts';
import { readVirtual } from '../session/guest-view.ts';
import { interruptsOf } from '../session/interrupt-words.ts';
import { parseSymbols, SymbolFileError, type SymbolTable } from '../session/symbols.ts';
import type { Breakpoint, Timeline } from '../session/timeline.ts';
import { symbolsOf } from '../session/trace-symbols.ts';
import { DebugError, hex, type Json } from './answer.ts';
import type { Format } from './examine.ts';

/** What needs the host. */
export interface DebugHost {
  /** A file of symbols. @throws DebugError */
  readFile(path: string): Uint8Array;
}

export interface DebuggerOptions {
  readonly timeline: Timeline;
  readonly reader: SyncTraceReader;
  readonly host: DebugHost;
}

/** Events that can be gone to by number; older ones are forgotten. */
const MAX_HANDLES = 100_000;
const READ_AHEAD: readonly (string | undefined)[] = ['accesses', 'interrupts', 'outputs'];
const READ_AHEAD_MS = 150;

export class Debugger {
  readonly timeline: Timeline;
  readonly reader: SyncTraceReader;
  readonly host: DebugHost;
  readonly interruptName: (intid: number) => string;
  readonly bookmarks = new Map<string, Position>();
  /** By the number that a person sees: searches make breakpoints of their own, which have none. */
  readonly breakpoints = new Map<number, Breakpoint>();
  /** Where `x` goes on, and in which form. */
  readonly next: { x?: bigint; format?: Format } = {};
  /** Found by the last question: where `goto there` goes. */
  there: Position | undefined;
  symbols: SymbolTable;
  readonly #handles = new Map<number, Position>();
  #lastHandle = 0;
  #nextBreakpoint = 1;
  #cpu: number | undefined;

  constructor({ timeline, reader, host }: DebuggerOptions) {
    this.timeline = timeline;
    this.reader = reader;
    this.host = host;
    this.interruptName = interruptsOf(reader.header);
    this.symbols = symbolsOf(reader);
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

  /** Symbols of a file, besides those that there are. @throws DebugError */
  addSymbols(name: string, file: Uint8Array, delta: bigint): void {
    try {
      const table = parseSymbols(file);
      this.symbols = this.symbols.with(delta === 0n ? table : table.movedBy(delta));
    } catch (error) {
      if (error instanceof SymbolFileError) throw new DebugError(`${name}: ${error.message}`);
      throw error;
    }
  }

  get machine(): Machine {
    return this.timeline.machine;
  }

  get maps(): RegisterMaps {
    return this.timeline.maps;
  }

  /** Names of devices that have registers. */
  get devices(): string[] {
    return Object.keys(this.machine.registerMaps());
  }

  map(device: string): RegisterMap | undefined {
    return this.timeline.maps(device);
  }

  keeps(kind: TraceEvent['kind']): boolean {
    return keeps(this.reader.header.level, kind);
  }

  /* ---------------------------------------------------------------- the chosen CPU */

  /** The CPU that commands look at: the chosen one, or the one that is next. */
  get cpu(): number {
    return this.#cpu ?? this.machine.currentCpu;
  }

  /** @param cpu undefined: whichever is next */
  choose(cpu: number | undefined): void {
    this.#cpu = cpu;
  }

  get isChosen(): boolean {
    return this.#cpu !== undefined;
  }

  get state(): CpuState {
    return this.machine.cluster.states[this.cpu]!;
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

  /** `name+0x12`, or nothing. */
  symbolOf(address: bigint): string | undefined {
    return this.symbols.describe(address);
  }

  /** `0x40102b1c <name+0x12>` */
  addressText(address: bigint): string {
    const symbol = this.symbolOf(address);
    return symbol === undefined ? hex(address) : `${hex(address)} <${symbol}>`;
  }

  /** The instruction at an address as the chosen CPU sees it; undefined: nothing is mapped there. */
  instruction(address: bigint, cpu = this.cpu): { word: number; text: string } | undefined {
    const bytes = new Uint8Array(4);
    if ((address & 3n) !== 0n || readVirtual(this.machine, cpu, address, bytes) < 4) return undefined;
    const word = new DataView(bytes.buffer).getUint32(0, true);
    const { text } = disassemble(word, address);
    return { word, text };
  }

  /** Where the machine is: position, time, CPU, and the instruction that comes next. */
  where(): { data: { [key: string]: Json | undefined }; text: string } {
    const { timeline, cpu, state } = this;
    const { position, time, ended, branch } = timeline;
    const { pc, el } = state;
    const symbol = this.symbolOf(pc);
    const code = this.instruction(pc);
    const text = [
      `${position}  ${seconds(time)}  cpu${cpu} EL${el}  ${this.addressText(pc)}`,
      code === undefined ? ': nothing is mapped here' : `: ${code.text}`,
      ended === undefined ? '' : `  (end: ${ended})`,
      branch === undefined ? '' : `  (side branch ${branch.number})`,
    ].join('');
    return {
      data: {
        position,
        time,
        cpu,
        el,
        pc: hex(pc),
        ...(symbol === undefined ? {} : { symbol }),
        ...(code === undefined ? {} : { instruction: code.text }),
        ...(ended === undefined ? {} : { ended }),
      },
      text,
    };
  }

  /** @throws DebugError */
  needKind(kind: TraceEvent['kind'], instead: string): void {
    if (this.keeps(kind)) return;
    throw new DebugError(
      `this trace has level ${this.reader.header.level}, which keeps no events of kind ${kind}; ${instead}`,
    );
  }
}

export const seconds = (time: number): string => `${(time / 1e9).toFixed(9)} s`;
