/**
 * Machines in a trace: what a recorder saves, and what a replay goes on from. What comes from a file is not
 * believed: it must have the shape of a state that this machine saves itself, pages must be of its memory, and the
 * state that results must have the hashes that the file gives. That these are those of the recorded machine shows
 * whoever runs there from before: `replay --verify` does.
 */
import type { StateValue } from '../../engine/base/device.ts';
import { encodeState } from '../../engine/base/state-hash.ts';
import { MEMORY_MAP, RAM_BASE } from '../../engine/boards/virt/memory-map.ts';
import { FRAME_SIZE } from '../../engine/cpu/helpers/heap-layout.ts';
import { Machine, type MachineState } from '../../engine/machine.ts';
import { MemoryChanges } from '../../engine/memory/memory-changes.ts';
import {
  type NewCheckpoint,
  type PlainData,
  type RestartPoint,
  type SyncTraceReader,
  TraceError,
} from '../../traces/index.ts';
import { stateDivergence } from './compare.ts';
import { hashesOf, type MachineApi } from './machine-api.ts';
import { hasShape } from './state-shape.ts';

const FLASH_END = MEMORY_MAP.flash0.size + MEMORY_MAP.flash1.size;

/** The whole machine, as far as checkpoints of it can be kept in files. */
export function savable(machine: MachineApi): Machine | undefined {
  return machine instanceof Machine ? machine : undefined;
}

/** Everything but the contents of memory. Flash says which of its pages hold something, as that can be seen. */
function stateOf(machine: Machine): PlainData {
  return {
    machine: machine.save() as unknown as PlainData,
    flash: machine.flash.map((bank) => bank.savePages()),
  };
}

/** Saves a machine again and again, each time what changed in memory since the last time. */
export class MachineSaver {
  readonly #machine: Machine;
  readonly #changes: MemoryChanges;
  readonly #model: PlainData;

  /** At the first instruction. */
  constructor(machine: Machine) {
    this.#machine = machine;
    this.#changes = new MemoryChanges(machine.memory, machine.cluster.heap);
    this.#model = stateOf(machine);
  }

  /** Undefined: its state is one that a reader would not take. The pages are to be read at once. */
  save(counted: (bytes: number) => void): NewCheckpoint | undefined {
    const { position, time } = this.#machine;
    const state = stateOf(this.#machine);
    if (!hasShape(state, this.#model)) return undefined;
    const changes = this.#changes;
    const pages = function* () {
      for (const page of changes.pages()) {
        counted(page.bytes.length);
        yield page;
      }
      changes.mark();
    };
    return { position, time, state, pages: pages(), hashes: hashesOf(this.#machine) };
  }
}

/**
 * Puts a machine that is at its first instruction into the state of a checkpoint.
 * @throws TraceError if that is not a state of this machine, or not the one that the file promises; the machine is
 * of no use then
 */
export function loadMachine(machine: Machine, reader: SyncTraceReader, point: RestartPoint): void {
  const refuse = (why: string): never => {
    throw new TraceError('damaged', `the checkpoint at position ${point.position} ${why}`, {
      chunk: point.chunk,
    });
  };
  const state = reader.restartState(point);
  if (!hasShape(state, stateOf(machine))) refuse('is not of this machine');
  const { machine: saved, flash } = state as { machine: PlainData; flash: readonly number[][] };
  try {
    checkCpus(machine, saved as MachineState);
    for (const { address, bytes } of reader.restartPages(point)) {
      if (!putPage(machine, address, bytes)) refuse('has a page that is no memory');
    }
    machine.flash.forEach((bank, i) => {
      for (const page of flash[i]!) {
        if (!Number.isSafeInteger(page) || page < 0 || page >= FLASH_END / 2 / FRAME_SIZE)
          refuse('has no such flash');
        if (!bank.savePages().includes(page)) bank.write(page * FRAME_SIZE, new Uint8Array(FRAME_SIZE));
      }
      bank.loadPages(flash[i]!);
    });
    machine.cluster.helpers.tlbFlushAll();
    machine.load(saved as MachineState);
  } catch (error) {
    if (error instanceof TraceError) throw error;
    refuse(`cannot be taken: ${(error as Error).message}`);
  }
  if (machine.position !== point.position || machine.time !== point.time) refuse('is of another moment');
  const wrong = stateDivergence(machine, point.hashes, hashesOf(machine));
  if (wrong !== undefined) refuse(`does not hold the state that it promises: ${wrong.device} differs`);
}

function putPage(machine: Machine, address: number, bytes: Uint8Array): boolean {
  if (address % FRAME_SIZE !== 0) return false;
  if (address < FLASH_END) {
    const bank = address < MEMORY_MAP.flash0.size ? 0 : 1;
    machine.flash[bank]!.write(address % MEMORY_MAP.flash0.size, bytes);
    return true;
  }
  const { size } = machine.config.ram;
  return address >= RAM_BASE && address - RAM_BASE < size && machine.memory.write(address, bytes);
}

/** What selects tables and banks inside the engine, where a wrong number would not be noticed at once. */
function checkCpus(machine: Machine, state: MachineState): void {
  const model = machine.save();
  const cpus = state['cpus'] as { [key: string]: StateValue }[];
  const models = model['cpus'] as { [key: string]: StateValue }[];
  const scheduler = state['machine'] as { [key: string]: StateValue };
  const bad = (what: string): never => {
    throw new Error(`${what} is out of range`);
  };
  const isBelow = (value: StateValue | undefined, end: number): boolean =>
    typeof value === 'number' && Number.isInteger(value) && value >= 0 && value < end;
  if (cpus.length !== models.length) bad('the number of CPUs');
  cpus.forEach((cpu, i) => {
    for (const key of ['x', 'q', 'sysregs']) {
      if ((cpu[key] as Uint8Array).length !== (models[i]![key] as Uint8Array).length) bad(`cpu${i}.${key}`);
    }
    for (const key of ['longs', 'words']) {
      if ((cpu[key] as StateValue[]).length !== (models[i]![key] as StateValue[]).length)
        bad(`cpu${i}.${key}`);
    }
    const [el, spsel] = cpu['words'] as number[];
    if (!isBelow(el, 4) || !isBelow(spsel, 2)) bad(`cpu${i}.words`);
    if (!['on', 'off'].includes(cpu['power'] as string)) bad(`cpu${i}.power`);
    if (!['none', 'wfi', 'wfe'].includes(cpu['wait'] as string)) bad(`cpu${i}.wait`);
  });
  if (!isBelow(scheduler['cpu'], cpus.length)) bad('the running CPU');
  for (const key of ['position', 'jumped', 'quantum', 'resets']) {
    if (!isBelow(scheduler[key], Number.MAX_SAFE_INTEGER + 1)) bad(key);
  }
  const retired = scheduler['retired'] as StateValue[];
  if (retired.length !== cpus.length || !retired.every((count) => isBelow(count, Number.MAX_SAFE_INTEGER))) {
    bad('the number of instructions');
  }
}

/** Holds what checkpoints hold against the machine that has come to them. */
export class CheckpointCheck {
  readonly #machine: Machine;
  readonly #reader: SyncTraceReader;
  readonly #changes: MemoryChanges;

  /** At the first instruction, or at a checkpoint. */
  constructor(machine: Machine, reader: SyncTraceReader) {
    this.#machine = machine;
    this.#reader = reader;
    this.#changes = new MemoryChanges(machine.memory, machine.cluster.heap);
  }

  /** How the checkpoint here is unlike the machine, of which the hashes are known to be equal; undefined: it is not. */
  difference(point: RestartPoint): string | undefined {
    const changed = new Map([...this.#changes.pages()].map(({ address, bytes }) => [address, bytes]));
    this.#changes.mark();
    for (const { address, bytes } of this.#reader.restartPages(point, true)) {
      const here = changed.get(address);
      // A page may be there that changed and changed back.
      if (here === undefined ? !this.#holds(address, bytes) : !sameBytes(here, bytes)) {
        return `other contents of the page at 0x${address.toString(16)}`;
      }
      changed.delete(address);
    }
    const [missing] = changed.keys();
    if (missing !== undefined) return `nothing of the page at 0x${missing.toString(16)}`;
    const state = this.#reader.restartState(point);
    return sameState(state, stateOf(this.#machine)) ? undefined : 'another state of CPUs or devices';
  }

  #holds(address: number, bytes: Uint8Array): boolean {
    const here = new Uint8Array(bytes.length);
    if (address < FLASH_END) {
      const bank = address < MEMORY_MAP.flash0.size ? 0 : 1;
      this.#machine.flash[bank]!.read(address % MEMORY_MAP.flash0.size, here);
    } else if (!this.#machine.memory.read(address, here)) return false;
    return sameBytes(here, bytes);
  }
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

function sameState(a: PlainData, b: PlainData): boolean {
  return sameBytes(encodeState(a as StateValue), encodeState(b as StateValue));
}
