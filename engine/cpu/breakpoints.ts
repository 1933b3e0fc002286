import type { Heap } from '../memory/heap.ts';
import type { CodeCache } from './code-cache.ts';
import { BREAK_LIST_MAX, BREAK_LIST_ROOM, FRAME_SIZE, G_BREAK_COUNT } from './helpers/heap-layout.ts';
import type { HelperExports } from './helpers.ts';

/** Where a debugger wants the machine to stop: before the instruction at a virtual address. */
export interface Breakpoint {
  readonly address: bigint;
  /** Only this CPU; absent: any. */
  readonly cpu?: number;
}

interface BreakPage {
  readonly index: number;
  /** Offsets in the page of its breakpoints. */
  readonly offsets: readonly number[];
}

const PAGE_MASK = ~BigInt(FRAME_SIZE - 1);

/** Addresses of guest breakpoints that are gone, at most, before blocks are made whole again. */
const STALE_MAX = 64;

/**
 * Instruction breakpoints of debuggers. They are not in memory and not in the machine's state: blocks are cut in front of an
 * instruction with a breakpoint and no block may begin there, so that every way to it leads through the host
 * side, which stops or runs that one instruction by itself.
 *
 * Blocks belong to frames and breakpoints to virtual addresses, which meet when a CPU first fetches from a page
 * with breakpoints: `fetch_block` asks here unless the page's list entry names the frame (see isCut in
 * helpers/access.ts). Without breakpoints nothing of this costs anything.
 *
 * The address breakpoints of the guest itself (self-hosted-debug.ts) cut blocks as well. An operating system sets and
 * clears them when it changes processes, so a cut stays for a while when its breakpoint has gone.
 */
export class Breakpoints {
  readonly #heap: Heap;
  readonly #helpers: HelperExports;
  readonly #code: CodeCache;
  /** By address: the CPUs that stop there; undefined: all. */
  readonly #addresses = new Map<bigint, Set<number> | undefined>();
  readonly #pages = new Map<bigint, BreakPage>();
  #debugger: readonly Breakpoint[] = [];
  /** Addresses of the guest's breakpoints by CPU, and all that blocks are cut for. */
  readonly #guest: (readonly bigint[])[] = [];
  readonly #guestCuts = new Set<bigint>();

  constructor(heap: Heap, helpers: HelperExports, code: CodeCache) {
    this.#heap = heap;
    this.#helpers = helpers;
    this.#code = code;
  }

  get active(): boolean {
    return this.#pages.size > 0;
  }

  /** Replaces all breakpoints of debuggers. @throws RangeError if they are on more than BREAK_LIST_MAX pages */
  set(list: readonly Breakpoint[]): void {
    if (new Set(list.map(({ address }) => address & PAGE_MASK)).size > BREAK_LIST_MAX)
      throw new RangeError(`breakpoints on more than ${BREAK_LIST_MAX} pages`);
    this.#cutFor(list);
    this.#debugger = list;
    this.#addresses.clear();
    for (const { address, cpu } of list) {
      const cpus = this.#addresses.get(address);
      if (cpu === undefined || (cpus === undefined && this.#addresses.has(address)))
        this.#addresses.set(address, undefined);
      else this.#addresses.set(address, (cpus ?? new Set<number>()).add(cpu));
    }
  }

  /** The addresses at which CPU `cpu` has breakpoints of its own. */
  setGuest(cpu: number, addresses: readonly bigint[]): void {
    this.#guest[cpu] = addresses;
    const isNew = addresses.some((address) => !this.#guestCuts.has(address));
    if (!isNew && this.#guestCuts.size <= STALE_MAX) return;
    const needed = new Set(this.#guest.flat());
    if (!isNew && needed.size === this.#guestCuts.size) return;
    if (this.#guestCuts.size > STALE_MAX) this.#guestCuts.clear();
    for (const address of needed) this.#guestCuts.add(address);
    this.#cutFor(this.#debugger);
  }

  #cutFor(list: readonly Breakpoint[]): void {
    const byPage = new Map<bigint, Set<number>>();
    for (const address of [...list.map((each) => each.address), ...this.#guestCuts]) {
      const page = address & PAGE_MASK;
      let offsets = byPage.get(page);
      if (offsets === undefined) byPage.set(page, (offsets = new Set()));
      offsets.add(Number(address - page) & ~3);
    }
    if (byPage.size > BREAK_LIST_ROOM) throw new Error('no room for so many breakpoints');
    this.#pages.clear();
    const { u32, u64, layout } = this.#heap;
    let index = 0;
    for (const [page, offsets] of byPage) {
      const at = layout.breakList + index * 16;
      u64[at >>> 3] = page;
      u32[(at + 8) >>> 2] = 0;
      this.#pages.set(page, { index, offsets: [...offsets] });
      index += 1;
    }
    u32[G_BREAK_COUNT >>> 2] = index;
    this.#code.clearCuts();
    // No fetch entry of before may lead past the question.
    if (index > 0) this.#helpers.tlbFlushAll();
  }

  stopsAt(pc: bigint, cpu: number): boolean {
    const cpus = this.#addresses.get(pc);
    return cpus === undefined ? this.#addresses.has(pc) : cpus.has(cpu);
  }

  /** A CPU is about to use blocks of `frame` at `pc`: makes sure that they are cut where breakpoints are. */
  prepare(pc: bigint, frame: number): void {
    const page = this.#pages.get(pc & PAGE_MASK);
    if (page === undefined) return;
    const at = (this.#heap.layout.breakList + page.index * 16 + 8) >>> 2;
    if (this.#heap.u32[at] === frame) return;
    this.#code.cut(frame, page.offsets);
    this.#heap.u32[at] = frame;
  }
}
