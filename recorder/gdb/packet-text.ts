/** Small parts that several kinds of packets share. */
import type { Operation } from '../session/operation.ts';
import { MAX_PACKET } from './packets.ts';

/** The reply; an operation that ends in one; or undefined where there is none. */
export type Reply = string | Operation<string> | undefined;

export const OK = 'OK';
export const ERROR = 'E01';
/** Not a packet that is known here. */
export const UNKNOWN = '';
/** Bytes of memory in one packet. */
export const MAX_MEMORY = MAX_PACKET / 2 - 16;

/** Which CPUs gdb has chosen. Threads are CPUs, numbered from 1. */
export class Threads {
  readonly count: number;
  /** CPU for registers and memory (`Hg`). */
  general: number;
  /** CPU for `s`, `bs` (`Hc`); undefined: the same. */
  #resume: number | undefined;

  constructor(count: number, current: number) {
    this.count = count;
    this.general = current;
  }

  get resume(): number {
    return this.#resume ?? this.general;
  }

  /** gdb forgets its choice for running when the machine has run. */
  stopped(cpu: number): void {
    this.general = cpu;
    this.#resume = undefined;
  }

  /** Index of the CPU of a thread id; `-1` and `0` mean any: the chosen one. Undefined: no such thread. */
  parse(id: string): number | undefined {
    // Also as clients write that always name a process: p1.2
    const thread = /^p(?:-?[0-9a-fA-F]{1,8})\.(-1|[0-9a-fA-F]{1,8})$/.exec(id)?.[1] ?? id;
    if (thread === '-1' || thread === '0') return this.general;
    if (!/^[0-9a-fA-F]{1,8}$/.test(thread)) return undefined;
    const cpu = Number.parseInt(thread, 16) - 1;
    if (cpu < 0) return this.general;
    return cpu < this.count ? cpu : undefined;
  }

  /** The `H` packet. */
  select(rest: string): string {
    const cpu = this.parse(rest.slice(1));
    if (cpu === undefined) return ERROR;
    if (rest[0] === 'g') this.general = cpu;
    else if (rest[0] === 'c') this.#resume = /^c(-1|0)$/.test(rest) ? undefined : cpu;
    else return ERROR;
    return OK;
  }
}

/** As QEMU writes them: two digits at least. */
export function threadId(cpu: number): string {
  return (cpu + 1).toString(16).padStart(2, '0');
}
