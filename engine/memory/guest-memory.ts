import type { DmaPort } from '../base/device.ts';
import {
  FRAME_DIRTY,
  FRAME_SHARED,
  FRAME_SIZE,
  RADIX_READ_ONLY,
  RADIX_UNTOUCHED,
} from '../cpu/helpers/heap-layout.ts';
import type { HelperExports } from '../cpu/helpers.ts';
import type { Heap } from './heap.ts';

/**
 * Guest-physical memory seen from the host side: loaders, bus masters, debuggers. Device registers are not
 * memory; an access that touches anything else fails as a whole (reads) or at that page (writes).
 */
export class GuestMemory implements DmaPort {
  readonly #heap: Heap;
  readonly #helpers: HelperExports;
  /** Called after a write that may have hit an exclusive monitor. */
  onWrite: () => void = () => {};
  /** A frame that a snapshot shares is about to change: keep a copy, clear FRAME_SHARED. */
  onUnshare: (frame: number) => void = () => {};

  constructor(heap: Heap, helpers: HelperExports) {
    this.#heap = heap;
    this.#helpers = helpers;
  }

  /** Makes a range of addresses memory that reads as zero until written. 4 KiB granularity. */
  declare(base: number, bytes: number): void {
    if (!this.#helpers.radixDeclare(BigInt(base), BigInt(bytes), RADIX_UNTOUCHED)) {
      throw new Error('no room for the page tables of guest memory');
    }
  }

  read(address: number, into: Uint8Array): boolean {
    const { u8 } = this.#heap;
    for (let done = 0; done < into.length; ) {
      const at = address + done;
      const offset = at % FRAME_SIZE;
      const count = Math.min(FRAME_SIZE - offset, into.length - done);
      const frame = at >= 0 && at < 2 ** 44 ? this.#helpers.frameForRead(BigInt(at)) >>> 0 : 0;
      if (frame === 0) return false;
      into.set(u8.subarray(frame + offset, frame + offset + count), done);
      done += count;
    }
    return true;
  }

  write(address: number, from: Uint8Array): boolean {
    const { u8 } = this.#heap;
    for (let done = 0; done < from.length; ) {
      const at = address + done;
      const offset = at % FRAME_SIZE;
      const count = Math.min(FRAME_SIZE - offset, from.length - done);
      const frame = at >= 0 && at < 2 ** 44 ? this.#helpers.frame_for_host_write(BigInt(at), count) >>> 0 : 0;
      if (frame === 0) return false;
      u8.set(from.subarray(done, done + count), frame + offset);
      done += count;
    }
    this.onWrite();
    return true;
  }

  /** Loads an image: like `write`, but leaves pages untouched where the bytes are zero and so is memory. */
  load(address: number, bytes: Uint8Array, size: number): boolean {
    const zeros = new Uint8Array(FRAME_SIZE);
    for (let done = 0; done < size; ) {
      const at = address + done;
      const count = Math.min(FRAME_SIZE - (at % FRAME_SIZE), size - done);
      const part = bytes.subarray(Math.min(done, bytes.length), Math.min(done + count, bytes.length));
      const isZero = part.every((byte) => byte === 0);
      const untouched = this.#helpers.radixEntry(BigInt(at)) === RADIX_UNTOUCHED;
      if (!(isZero && untouched)) {
        if (!this.write(at, part)) return false;
        if (part.length < count && !this.write(at + part.length, zeros.subarray(0, count - part.length)))
          return false;
      }
      done += count;
    }
    return true;
  }

  /** Maps (or unmaps) read-only frames, e.g. flash in read-array mode. */
  mapReadOnly(page: number, frame: number): void {
    const slot = this.#helpers.radixSlot(BigInt(page)) >>> 0;
    this.#heap.u32[slot >>> 2] = frame === 0 ? 0 : frame | RADIX_READ_ONLY;
  }

  /** A frame of zeros for a page that is not (or not always) mapped; 0 when the pool is used up. */
  allocateFrame(address: number): number {
    return this.#helpers.frameAllocate(address / FRAME_SIZE) >>> 0;
  }

  /** To be called before the host side changes a frame without `write`. */
  prepareWrite(frame: number): void {
    const { layout, u8 } = this.#heap;
    const at = layout.frameFlags + (frame - layout.frames) / FRAME_SIZE;
    if (u8[at]! & FRAME_SHARED) this.onUnshare(frame);
    u8[at] = u8[at]! | FRAME_DIRTY;
  }

  /** Hash of all memory, 16 hexadecimal digits. */
  hash(): string {
    return BigInt.asUintN(64, this.#helpers.memory_hash()).toString(16).padStart(16, '0');
  }
}
