import type { DeviceState } from '../../base/device.ts';

/**
 * What a block device keeps its data in. Callers stay inside `sizeBytes` and do not write if it is read-only.
 * Offsets and lengths are in bytes.
 */
export interface BlockStorage {
  readonly sizeBytes: number;
  readonly readOnly: boolean;
  read(offset: number, into: Uint8Array): void;
  write(offset: number, from: Uint8Array): void;
  flush(): void;
  /** Fills with zeros; without it `write` is used. */
  zero?(offset: number, length: number): void;
  /** What of the storage is state of the machine. Without these it must not change. */
  save?(): DeviceState;
  load?(state: DeviceState): void;
}

/** An image that never changes. Reads beyond its end are not made. */
export interface BlockSource {
  readonly sizeBytes: number;
  read(offset: number, into: Uint8Array): void;
}

export interface CowOptions {
  readonly readOnly?: boolean;
  /** Size of the disk if the image is to be followed by zeros; never less than the image. */
  readonly sizeBytes?: number;
}

const CHUNK = 4096;
/** Shared by every chunk that is all zero; never written. */
const ZEROS = new Uint8Array(CHUNK);

interface Chunk {
  bytes: Uint8Array;
  /** Not shared with a saved state: may be written in place. */
  own: boolean;
}

/**
 * An image with what the guest wrote laid over it in chunks of 4 KiB; the image itself is never touched.
 * The overlay is state of the machine. Saving it shares the chunks (the next write to one copies it), so
 * that a checkpoint costs one reference per chunk.
 */
export class CowBlockStorage implements BlockStorage {
  readonly sizeBytes: number;
  readonly readOnly: boolean;
  readonly #source: BlockSource;
  #chunks = new Map<number, Chunk>();

  constructor(image: Uint8Array | BlockSource, options: CowOptions = {}) {
    this.#source = image instanceof Uint8Array ? sourceOf(image) : image;
    this.sizeBytes = Math.max(options.sizeBytes ?? 0, this.#source.sizeBytes);
    this.readOnly = options.readOnly ?? false;
  }

  /** Bytes of the overlay. */
  get overlayBytes(): number {
    return this.#chunks.size * CHUNK;
  }

  read(offset: number, into: Uint8Array): void {
    for (let done = 0; done < into.length; ) {
      const at = offset + done;
      const inChunk = at % CHUNK;
      const chunk = this.#chunks.get((at - inChunk) / CHUNK);
      let count = Math.min(CHUNK - inChunk, into.length - done);
      if (chunk !== undefined) {
        into.set(chunk.bytes.subarray(inChunk, inChunk + count), done);
      } else {
        // Chunks that are not in the overlay are read in one go.
        while (done + count < into.length && !this.#chunks.has((at + count) / CHUNK)) {
          count = Math.min(count + CHUNK, into.length - done);
        }
        this.#readSource(at, into.subarray(done, done + count));
      }
      done += count;
    }
  }

  write(offset: number, from: Uint8Array): void {
    for (let done = 0; done < from.length; ) {
      const at = offset + done;
      const inChunk = at % CHUNK;
      const count = Math.min(CHUNK - inChunk, from.length - done);
      const bytes = this.#writable((at - inChunk) / CHUNK, count === CHUNK);
      bytes.set(from.subarray(done, done + count), inChunk);
      done += count;
    }
  }

  zero(offset: number, length: number): void {
    for (let done = 0; done < length; ) {
      const at = offset + done;
      const inChunk = at % CHUNK;
      const count = Math.min(CHUNK - inChunk, length - done);
      const index = (at - inChunk) / CHUNK;
      if (count === CHUNK) this.#chunks.set(index, { bytes: ZEROS, own: false });
      else this.#writable(index, false).fill(0, inChunk, inChunk + count);
      done += count;
    }
  }

  /** Nothing: the overlay lasts as long as the machine. */
  flush(): void {}

  save(): DeviceState {
    const indices = [...this.#chunks.keys()].sort((a, b) => a - b);
    const chunks = indices.map((index) => {
      const chunk = this.#chunks.get(index)!;
      chunk.own = false;
      return chunk.bytes;
    });
    return { indices, chunks };
  }

  load(state: DeviceState): void {
    const chunks = state.chunks as Uint8Array[];
    this.#chunks = new Map(
      (state.indices as number[]).map((index, n) => [index, { bytes: chunks[n]!, own: false }]),
    );
  }

  /** The bytes of a chunk, in the overlay and not shared. `whole`: the old content is not needed. */
  #writable(index: number, whole: boolean): Uint8Array {
    const chunk = this.#chunks.get(index);
    if (chunk?.own === true) return chunk.bytes;
    const bytes = new Uint8Array(CHUNK);
    if (!whole) {
      if (chunk !== undefined) bytes.set(chunk.bytes);
      else this.#readSource(index * CHUNK, bytes);
    }
    this.#chunks.set(index, { bytes, own: true });
    return bytes;
  }

  #readSource(offset: number, into: Uint8Array): void {
    const count = Math.max(0, Math.min(into.length, this.#source.sizeBytes - offset));
    if (count > 0) this.#source.read(offset, into.subarray(0, count));
    into.fill(0, count);
  }
}

function sourceOf(image: Uint8Array): BlockSource {
  return {
    sizeBytes: image.length,
    read: (offset, into) => into.set(image.subarray(offset, offset + into.length)),
  };
}
