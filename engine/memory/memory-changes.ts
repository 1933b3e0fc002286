import { FRAME_SIZE, G_FRAME_HASHES, G_FRAME_NEXT, G_FRAME_PAGES } from '../cpu/helpers/heap-layout.ts';
import type { GuestMemory } from './guest-memory.ts';
import type { Heap } from './heap.ts';

/** A page of guest memory. The bytes are those in memory, not a copy. */
export interface ChangedPage {
  /** Physical address. */
  readonly address: number;
  readonly bytes: Uint8Array;
}

/**
 * Which pages are unlike what they were at a moment before: those whose hashes are. The hashes are kept anyway,
 * for the hash of all memory, so that nothing is paid for while the machine runs.
 */
export class MemoryChanges {
  readonly #memory: GuestMemory;
  readonly #heap: Heap;
  /** Two words for each frame; frames beyond the end were untouched, which is a hash of 0. */
  #marked = new Uint32Array(0);

  /** The present contents are what later ones are held against. */
  constructor(memory: GuestMemory, heap: Heap) {
    this.#memory = memory;
    this.#heap = heap;
    this.mark();
  }

  /** From now on the present contents count. */
  mark(): void {
    this.#marked = this.#hashes().slice();
  }

  /** In the order in which they were first touched; the machine must not run meanwhile. */
  *pages(): Generator<ChangedPage, void> {
    const hashes = this.#hashes();
    const { u8, u32, layout } = this.#heap;
    const marked = this.#marked;
    const pages = u32[G_FRAME_PAGES >>> 2]! >>> 2;
    for (let frame = 1; frame * 2 < hashes.length; frame++) {
      const at = frame * 2;
      if (hashes[at] === (marked[at] ?? 0) && hashes[at + 1] === (marked[at + 1] ?? 0)) continue;
      const start = layout.frames + frame * FRAME_SIZE;
      yield {
        address: u32[pages + frame]! * FRAME_SIZE,
        bytes: u8.subarray(start, start + FRAME_SIZE),
      };
    }
  }

  #hashes(): Uint32Array {
    this.#memory.hash();
    const { u32, layout } = this.#heap;
    const count = (u32[G_FRAME_NEXT >>> 2]! - layout.frames) / FRAME_SIZE;
    const start = u32[G_FRAME_HASHES >>> 2]! >>> 2;
    return u32.subarray(start, start + 2 * count);
  }
}
