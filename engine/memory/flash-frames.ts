import type { CpuCluster } from '../cpu/cluster.ts';
import { FRAME_SIZE } from '../cpu/helpers/heap-layout.ts';
import type { FlashStorage } from '../devices/cfi-flash.ts';
import type { GuestMemory } from './guest-memory.ts';

/**
 * Contents of a flash bank in frames of guest memory. In read-array mode the pages that hold something are
 * mapped read-only, so that code runs from them at full speed; everything else goes to the device.
 */
export class FlashFrames implements FlashStorage {
  readonly #base: number;
  readonly #size: number;
  readonly #memory: GuestMemory;
  readonly #cluster: CpuCluster;
  /** Frame by page number of the bank; pages without one are zero. */
  readonly #frames = new Map<number, number>();
  /** Frames, all zero, of pages that hold something only in another state of the machine (see loadPages). */
  readonly #spare = new Map<number, number>();
  #readArray = true;

  constructor(base: number, size: number, memory: GuestMemory, cluster: CpuCluster) {
    this.#base = base;
    this.#size = size;
    this.#memory = memory;
    this.#cluster = cluster;
  }

  load(image: Uint8Array): void {
    this.loadAt(0, image, image.length);
  }

  loadAt(offset: number, bytes: Uint8Array, size: number): void {
    this.write(offset, bytes.subarray(0, size));
  }

  read(offset: number, into: Uint8Array): void {
    this.#pieces(offset, into.length, (page, at, done, count) => {
      const frame = this.#frames.get(page);
      const target = into.subarray(done, done + count);
      if (frame === undefined) target.fill(0);
      else target.set(this.#cluster.heap.u8.subarray(frame + at, frame + at + count));
    });
  }

  write(offset: number, from: Uint8Array): void {
    this.#pieces(offset, from.length, (page, at, done, count) => {
      let frame = this.#frames.get(page);
      if (frame === undefined) {
        frame = this.#spare.get(page) ?? this.#memory.allocateFrame(this.#base + page * FRAME_SIZE);
        if (frame === 0) return;
        this.#spare.delete(page);
        this.#frames.set(page, frame);
        if (this.#readArray) this.#memory.mapReadOnly(this.#base + page * FRAME_SIZE, frame);
      }
      this.#cluster.code.dropFrame(frame);
      this.#memory.prepareWrite(frame);
      this.#cluster.heap.u8.set(from.subarray(done, done + count), frame + at);
    });
  }

  /** Which pages hold something, for a snapshot of memory. Their contents are part of it like all frames. */
  savePages(): number[] {
    return [...this.#frames.keys()];
  }

  /** After the frames' contents were put back; TLBs have to be flushed. */
  loadPages(pages: readonly number[]): void {
    const wanted = new Set(pages);
    for (const [page, frame] of [...this.#frames]) {
      if (wanted.has(page)) continue;
      this.#frames.delete(page);
      this.#spare.set(page, frame);
      this.#memory.mapReadOnly(this.#base + page * FRAME_SIZE, 0);
    }
    for (const page of pages) {
      const frame = this.#spare.get(page);
      if (frame === undefined) continue;
      this.#spare.delete(page);
      this.#frames.set(page, frame);
      if (this.#readArray) this.#memory.mapReadOnly(this.#base + page * FRAME_SIZE, frame);
    }
  }

  setReadArray(on: boolean): void {
    if (on === this.#readArray) return;
    this.#readArray = on;
    for (const [page, frame] of this.#frames)
      this.#memory.mapReadOnly(this.#base + page * FRAME_SIZE, on ? frame : 0);
    this.#cluster.helpers.tlbFlushAll();
    this.#cluster.noteEffect();
  }

  #pieces(
    offset: number,
    length: number,
    use: (page: number, at: number, done: number, count: number) => void,
  ): void {
    for (let done = 0; done < length; ) {
      const address = offset + done;
      if (address >= this.#size) return;
      const at = address % FRAME_SIZE;
      const count = Math.min(FRAME_SIZE - at, length - done);
      use((address - at) / FRAME_SIZE, at, done, count);
      done += count;
    }
  }
}
