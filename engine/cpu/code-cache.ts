import type { Heap } from '../memory/heap.ts';
import { MAX_CONTEXTS } from '../memory/heap.ts';
import { BLOCK_COUNT, FRAME_CODE, FRAME_SIZE, TLB_ENTRIES } from './helpers/heap-layout.ts';
import type { HelperExports } from './helpers.ts';
import { MAX_BLOCK_BYTES, type Translator } from './translator.ts';

/** What the cache knows about a frame with translated code. */
interface CodeFrame {
  /** One bit per instruction word that some block covers. */
  readonly covered: Uint32Array;
  /** Code table by context id: 1,024 block addresses by word offset; 0 = no block. */
  readonly tables: number[];
  /** One-instruction blocks by context id and word offset. */
  readonly singles: Map<number, number>;
}

/** Called when all blocks of a frame, or all blocks (undefined), have been dropped. */
export type DropListener = (frame: number | undefined) => void;

/**
 * Translated blocks, found by the physical address of their first instruction (as frame and offset) and the
 * execution context. Memory is a bump arena; when it is full everything is dropped and made again, which the
 * guest cannot notice.
 */
export class CodeCache {
  readonly #heap: Heap;
  readonly #helpers: HelperExports;
  readonly #translator: Translator;
  readonly #frames = new Map<number, CodeFrame>();
  readonly #contextIds = new Map<number, number>();
  readonly #contexts: number[] = [];
  /** One bit per instruction word at which no block may begin or go on (see breakpoints.ts), by frame. */
  readonly #cuts = new Map<number, Uint32Array>();
  #next: number;
  #flushWanted = false;
  /** Longest block, in instructions: 1 gives blocks of one instruction each (a test of determinism). */
  blockLimit = 64;
  /** Executions after which a block is reported as hot. */
  heat = 0x7fffffff;
  onDrop: DropListener = () => {};
  /** Statistics. */
  blocks = 0;
  instructions = 0;
  flushes = 0;
  drops = 0;

  constructor(heap: Heap, helpers: HelperExports, translator: Translator) {
    this.#heap = heap;
    this.#helpers = helpers;
    this.#translator = translator;
    this.#next = heap.layout.codeStart;
  }

  /** Small number for a set of context bits. May drop everything, when too many are in use. */
  contextId(bits: number): number {
    const known = this.#contextIds.get(bits);
    if (known !== undefined) return known;
    if (this.#contexts.length === MAX_CONTEXTS) this.flush();
    const id = this.#contexts.push(bits) - 1;
    this.#contextIds.set(bits, id);
    return id;
  }

  /** The number of a set of context bits, if it has one. */
  knownContext(bits: number): number | undefined {
    return this.#contextIds.get(bits);
  }

  contextBits(id: number): number {
    return this.#contexts[id]!;
  }

  /** Drops every block and every context id. CPUs must compute their context id again. */
  flush(): void {
    this.flushes += 1;
    this.#flushWanted = false;
    const { layout, u32, u8 } = this.#heap;
    const words = layout.codeTableStride >>> 2;
    u32.fill(0, layout.codeTables >>> 2, (layout.codeTables >>> 2) + words * this.#contexts.length);
    for (const frame of this.#frames.keys()) {
      const flags = this.#flags(frame);
      u8[flags] = u8[flags]! & ~FRAME_CODE;
    }
    this.#frames.clear();
    this.#contextIds.clear();
    this.#contexts.length = 0;
    this.#next = layout.codeStart;
    this.#helpers.tlbFlushAll();
    this.onDrop(undefined);
  }

  /** Asks for a flush at the next safe point. */
  requestFlush(): void {
    this.#flushWanted = true;
  }

  /** Code table of a frame in a context, or 0. */
  tableOf(frame: number, contextId: number): number {
    return this.#frames.get(frame)?.tables[contextId] ?? 0;
  }

  /** True when the next allocation might not fit; the run loop then flushes at a safe point. */
  get nearlyFull(): boolean {
    return this.#flushWanted || this.#next + 4 * MAX_BLOCK_BYTES + 2 * FRAME_SIZE > this.#heap.layout.codeEnd;
  }

  #flags(frame: number): number {
    const { layout } = this.#heap;
    return layout.frameFlags + (frame - layout.frames) / FRAME_SIZE;
  }

  #allocate(bytes: number): number {
    const at = this.#next;
    this.#next = (at + bytes + 15) & ~15;
    return at;
  }

  #frame(frame: number): CodeFrame {
    let known = this.#frames.get(frame);
    if (known === undefined) {
      known = { covered: new Uint32Array(32), tables: [], singles: new Map() };
      this.#frames.set(frame, known);
    }
    const flags = this.#flags(frame);
    const value = this.#heap.u8[flags]!;
    if ((value & FRAME_CODE) === 0) {
      this.#heap.u8[flags] = value | FRAME_CODE;
      this.#helpers.tlbDropWrites(frame);
    }
    return known;
  }

  #cover(known: CodeFrame, offset: number, count: number): void {
    for (let word = offset >>> 2, end = word + count; word < end; word++)
      known.covered[word >>> 5]! |= 1 << (word & 31);
  }

  /** Blocks of a frame must not begin at these offsets, nor run into them. */
  cut(frame: number, offsets: readonly number[]): void {
    let bits = this.#cuts.get(frame);
    if (bits === undefined) this.#cuts.set(frame, (bits = new Uint32Array(32)));
    let isNew = false;
    for (const offset of offsets) {
      const word = offset >>> 2;
      if ((bits[word >>> 5]! & (1 << (word & 31))) !== 0) continue;
      bits[word >>> 5]! |= 1 << (word & 31);
      isNew = true;
    }
    if (isNew) this.dropFrame(frame);
  }

  /** Forgets all cuts, and the blocks that they made short. */
  clearCuts(): void {
    for (const frame of this.#cuts.keys()) this.dropFrame(frame);
    this.#cuts.clear();
  }

  /** Frames with cuts must run block by block: a region joined of several could pass one. */
  hasCuts(frame: number): boolean {
    return this.#cuts.has(frame);
  }

  isCut(frame: number, offset: number): boolean {
    const bits = this.#cuts.get(frame);
    return bits !== undefined && (bits[offset >>> 7]! & (1 << ((offset >>> 2) & 31))) !== 0;
  }

  /** Instructions, at most `limit`, that a block at an offset may have. */
  #room(frame: number, offset: number, limit: number): number {
    if (!this.#cuts.has(frame)) return limit;
    let count = 1;
    while (count < limit && !this.isCut(frame, (offset + count * 4) & 0xffc)) count += 1;
    return count;
  }

  /** Makes a block and enters it into the code table. */
  add(frame: number, offset: number, contextId: number): number {
    const known = this.#frame(frame);
    let table = known.tables[contextId];
    const { u32, layout } = this.#heap;
    if (table === undefined) {
      table = this.#allocate(FRAME_SIZE);
      u32.fill(0, table >>> 2, (table + FRAME_SIZE) >>> 2);
      known.tables[contextId] = table;
      const at =
        layout.codeTables + contextId * layout.codeTableStride + ((frame - layout.frames) / FRAME_SIZE) * 4;
      u32[at >>> 2] = table;
    }
    const block = this.#next;
    const end = this.#translator.translate(
      frame,
      offset,
      this.#contexts[contextId]!,
      this.heat,
      this.#room(frame, offset, this.blockLimit),
      block,
    );
    this.#allocate(end - block);
    const count = u32[(block + BLOCK_COUNT) >>> 2]!;
    this.#cover(known, offset, count);
    this.blocks += 1;
    this.instructions += count;
    u32[(table + offset) >>> 2] = block;
    return block;
  }

  /** A block of just the instruction at an offset. */
  single(frame: number, offset: number, contextId: number): number {
    const known = this.#frame(frame);
    const key = contextId * 1024 + (offset >>> 2);
    const made = known.singles.get(key);
    if (made !== undefined) return made;
    const block = this.#next;
    this.#allocate(
      this.#translator.translate(frame, offset, this.#contexts[contextId]!, 0x7fffffff, 1, block) - block,
    );
    this.#cover(known, offset, 1);
    known.singles.set(key, block);
    return block;
  }

  /** A throw-away block of at most `limit` instructions, valid until the next call. */
  truncated(frame: number, offset: number, contextId: number, limit: number): number {
    const known = this.#frame(frame);
    const block = this.#next;
    this.#translator.translate(
      frame,
      offset,
      this.#contexts[contextId]!,
      0x7fffffff,
      this.#room(frame, offset, Math.min(limit, 64)),
      block,
    );
    // Its bytes stay valid while it runs: stores into them drop blocks and end the run like any other code.
    this.#allocate(MAX_BLOCK_BYTES);
    this.#next = block;
    this.#cover(known, offset, limit);
    return block;
  }

  /** Makes the fetch of one address find a chosen block, through the one-entry TLB. */
  prepareOnce(pcLo: number, pcHi: number, block: number): void {
    const { layout, u32 } = this.#heap;
    const entry = layout.onceTlb + ((pcLo >>> 12) & (TLB_ENTRIES - 1)) * 16;
    u32[entry >>> 2] = (pcLo & ~4095) >>> 0;
    u32[(entry + 4) >>> 2] = pcHi;
    u32[(entry + 8) >>> 2] = layout.onceTable;
    u32[(layout.onceTable + (pcLo & 0xffc)) >>> 2] = block;
  }

  clearOnce(pcLo: number): void {
    const { layout, u32 } = this.#heap;
    const entry = layout.onceTlb + ((pcLo >>> 12) & (TLB_ENTRIES - 1)) * 16;
    u32[entry >>> 2] = 0xffffffff;
    u32[(entry + 4) >>> 2] = 0xffffffff;
    u32[(layout.onceTable + (pcLo & 0xffc)) >>> 2] = 0;
  }

  /**
   * A store into a frame with code. 1: it hits a translated instruction and `single` is 0, so the instruction
   * must be run alone first. 0: nothing is hit, or everything of the frame has been dropped.
   */
  written(frame: number, offset: number, bytes: number, single: number): number {
    const known = this.#frames.get(frame);
    if (known === undefined) return 0;
    const last = (offset + bytes - 1) >>> 2;
    let hit = false;
    for (let word = offset >>> 2; word <= last; word++) {
      if (known.covered[word >>> 5]! & (1 << (word & 31))) hit = true;
    }
    if (!hit) return 0;
    if (single === 0) return 1;
    this.dropFrame(frame);
    return 0;
  }

  dropFrame(frame: number): void {
    const known = this.#frames.get(frame);
    if (known === undefined) return;
    this.drops += 1;
    const { u32, u8 } = this.#heap;
    for (const table of known.tables) {
      // Tables stay where they are, since TLBs point at them.
      if (table !== undefined) u32.fill(0, table >>> 2, (table + FRAME_SIZE) >>> 2);
    }
    known.covered.fill(0);
    known.singles.clear();
    const flags = this.#flags(frame);
    u8[flags] = u8[flags]! & ~FRAME_CODE;
    this.onDrop(frame);
  }

  /** Whether words of a frame are covered by blocks (statistics and tests). */
  get frameCount(): number {
    return this.#frames.size;
  }
}
