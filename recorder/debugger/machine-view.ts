/** What a debugger sees of a machine, whoever runs it: registers, memory, devices, symbols, the chosen CPU. */
import type { RegisterMap } from '../../engine/base/register-map.ts';
import { disassemble } from '../../engine/cpu/a64/disasm.ts';
import type { CpuState } from '../../engine/cpu/cpu-state.ts';
import type { Machine } from '../../engine/machine.ts';
import type { RegisterMaps } from '../../traces/index.ts';
import { readVirtual } from '../session/guest-view.ts';
import { parseSymbols, SymbolFileError, type SymbolTable } from '../session/symbols.ts';
import { DebugError, hex, type Json } from './answer.ts';
import type { Format } from './examine.ts';

/** What needs the host. */
export interface DebugHost {
  /** A file of symbols. @throws DebugError */
  readFile(path: string): Uint8Array;
}

export interface MachineViewOptions {
  readonly machine: Machine;
  readonly host: DebugHost;
  readonly symbols: SymbolTable;
  readonly interruptName: (intid: number) => string;
}

export class MachineView {
  readonly machine: Machine;
  readonly maps: RegisterMaps;
  readonly host: DebugHost;
  readonly interruptName: (intid: number) => string;
  /** Where `x` goes on, and in which form. */
  readonly next: { x?: bigint; format?: Format } = {};
  symbols: SymbolTable;
  #cpu: number | undefined;

  constructor({ machine, host, symbols, interruptName }: MachineViewOptions) {
    this.machine = machine;
    this.host = host;
    this.symbols = symbols;
    this.interruptName = interruptName;
    const maps = machine.registerMaps();
    this.maps = (device) => (Object.hasOwn(maps, device) ? maps[device] : undefined);
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

  /** Names of devices that have registers. */
  get devices(): string[] {
    return Object.keys(this.machine.registerMaps());
  }

  map(device: string): RegisterMap | undefined {
    return this.maps(device);
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

  /** Why no instruction comes next; undefined: one does. */
  get ended(): string | undefined {
    return undefined;
  }

  /** The side branch of a recording that this is. */
  get branch(): number | undefined {
    return undefined;
  }

  /** Where the machine is: position, time, CPU, and the instruction that comes next. */
  where(): { data: { [key: string]: Json | undefined }; text: string } {
    const { machine, cpu, state, ended, branch } = this;
    const { position, time } = machine;
    const { pc, el } = state;
    const symbol = this.symbolOf(pc);
    const code = this.instruction(pc);
    const text = [
      `${position}  ${seconds(time)}  cpu${cpu} EL${el}  ${this.addressText(pc)}`,
      code === undefined ? ': nothing is mapped here' : `: ${code.text}`,
      ended === undefined ? '' : `  (end: ${ended})`,
      branch === undefined ? '' : `  (side branch ${branch})`,
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
}

export const seconds = (time: number): string => `${(time / 1e9).toFixed(9)} s`;
