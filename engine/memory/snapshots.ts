/*
 * Snapshots of guest memory, copy-on-write over frames.
 *
 * A snapshot is a table from frame to *version*: what the frame held at that moment. Taking one marks every frame
 * that was written since the one before as shared (one pass over a byte per frame) and makes a version for it
 * that has no bytes of its own: they are still in the frame. The first store into a shared frame takes the slow
 * path to `unshare`, which copies the bytes aside. So a page that never changes costs nothing, one that changes
 * between two snapshots is kept once, and all snapshots that saw the same contents share one copy.
 *
 * Tables are cut into chunks, and snapshots share the chunks in which nothing changed; restoring looks only at
 * chunks that differ, and at frames written since. It does not matter in which order states are visited: the
 * present is always "the chunks of the last snapshot taken or restored, but for the frames not marked shared".
 *
 * Frames never change their page (G_FRAME_PAGES), and a frame that a snapshot does not know was untouched then:
 * it gets zeros, which to the guest and to the hash are the same as memory never touched.
 */
import type { CpuCluster } from '../cpu/cluster.ts';
import { FRAME_CODE, FRAME_DIRTY, FRAME_SHARED, FRAME_SIZE } from '../cpu/helpers/heap-layout.ts';
import type { FlashFrames } from './flash-frames.ts';
import type { GuestMemory } from './guest-memory.ts';
import { PageStore } from './page-store.ts';

const CHUNK = 256;
/** Versions without a page in the store: all zero; or still in the frame. */
const ZERO = -1;
const IN_FRAME = -2;

interface Version {
  /** Chunks that name it. */
  refs: number;
  /** In the store, or ZERO or IN_FRAME. */
  page: number;
}

interface Chunk {
  /** Snapshots that have it. */
  refs: number;
  /** By frame; undefined: no such frame yet. */
  readonly versions: (Version | undefined)[];
}

const ZERO_VERSION: Version = { refs: Number.POSITIVE_INFINITY, page: ZERO };

/** The contents of all memory at one moment. Opaque; belongs to the Snapshots it came from. */
export interface MemorySnapshot {
  readonly chunks: readonly (Chunk | undefined)[];
  /** Pages of each flash bank that hold something. */
  readonly flash: readonly (readonly number[])[];
}

export interface SnapshotPorts {
  readonly cluster: CpuCluster;
  readonly memory: GuestMemory;
  readonly flash: readonly FlashFrames[];
}

export class Snapshots {
  readonly #ports: SnapshotPorts;
  readonly #store = new PageStore(FRAME_SIZE);
  /** By frame number: the version it holds; undefined: written since, or never seen. */
  readonly #current: (Version | undefined)[] = [];
  /** Chunks of the last snapshot taken or restored. */
  #head: readonly (Chunk | undefined)[] = [];

  constructor(ports: SnapshotPorts) {
    this.#ports = ports;
    ports.memory.onUnshare = (frame) => this.#unshare(frame);
  }

  /** Bytes of memory kept aside. */
  get bytes(): number {
    return this.#store.used * FRAME_SIZE;
  }

  take(): MemorySnapshot {
    const chunks = [...this.#head];
    let chunk: Chunk | undefined;
    let chunkIndex = -1;
    for (const frame of this.#written()) {
      const index = Math.floor(frame / CHUNK);
      if (index !== chunkIndex) {
        chunkIndex = index;
        chunk = { refs: 0, versions: chunks[index]?.versions.slice() ?? [] };
        chunks[index] = chunk;
      }
      const version: Version = { refs: 0, page: IN_FRAME };
      chunk!.versions[frame % CHUNK] = version;
      this.#current[frame] = version;
    }
    for (const each of chunks) if (each !== undefined) this.#refer(each);
    this.#head = chunks;
    return { chunks, flash: this.#ports.flash.map((bank) => bank.savePages()) };
  }

  /** Memory becomes what it was. CPU and device states are the caller's. Returns how many frames were looked at. */
  restore(snapshot: MemorySnapshot): number {
    let frames = 0;
    for (const frame of this.#written()) {
      this.#put(frame, snapshot.chunks[Math.floor(frame / CHUNK)]?.versions[frame % CHUNK] ?? ZERO_VERSION);
      frames += 1;
    }
    const count = Math.max(this.#head.length, snapshot.chunks.length);
    for (let index = 0; index < count; index++) {
      const target = snapshot.chunks[index];
      if (target === this.#head[index]) continue;
      const size = Math.max(target?.versions.length ?? 0, this.#head[index]?.versions.length ?? 0);
      for (let i = 0; i < size; i++) {
        const version = target?.versions[i] ?? ZERO_VERSION;
        const frame = index * CHUNK + i;
        if (frame === 0 || this.#current[frame] === version) continue;
        this.#put(frame, version);
        frames += 1;
      }
    }
    this.#head = snapshot.chunks;
    snapshot.flash.forEach((pages, bank) => {
      this.#ports.flash[bank]!.loadPages(pages);
    });
    // Translations follow from page tables, which may be among what changed.
    this.#ports.cluster.helpers.tlbFlushAll();
    return frames;
  }

  /** The snapshot will not be used any more. */
  release(snapshot: MemorySnapshot): void {
    for (const chunk of snapshot.chunks) {
      if (chunk === undefined || --chunk.refs > 0) continue;
      for (const version of chunk.versions) {
        if (version === undefined || --version.refs > 0) continue;
        if (version.page >= 0) {
          this.#store.free(version.page);
          // Should a frame still hold it, a later snapshot may come back to it.
          version.page = IN_FRAME;
        }
      }
    }
  }

  #refer(chunk: Chunk): void {
    if (chunk.refs++ > 0) return;
    for (const version of chunk.versions) if (version !== undefined) version.refs += 1;
  }

  /** Numbers of the frames written since they were last shared; they are shared now. */
  #written(): Uint32Array {
    const { heap, helpers } = this.#ports.cluster;
    const count = helpers.share_frames() >>> 0;
    const start = heap.layout.frameList >>> 2;
    return heap.u32.slice(start, start + count);
  }

  #address(frame: number): number {
    return this.#ports.cluster.heap.layout.frames + frame * FRAME_SIZE;
  }

  /** Before the contents of a frame change. */
  #unshare(address: number): void {
    const { layout, u8 } = this.#ports.cluster.heap;
    const frame = (address - layout.frames) / FRAME_SIZE;
    u8[layout.frameFlags + frame]! &= ~FRAME_SHARED;
    this.#keep(frame);
    this.#current[frame] = undefined;
  }

  /** The bytes of the version in a frame get a place of their own, if somebody may want them. */
  #keep(frame: number): void {
    const version = this.#current[frame];
    if (version === undefined || version.page !== IN_FRAME || version.refs === 0) return;
    const { heap, helpers } = this.#ports.cluster;
    const address = this.#address(frame);
    version.page = helpers.frame_is_zero(address) ? ZERO : this.#store.add(heap.u8, address);
  }

  /** A frame that is marked shared gets the contents of a version. */
  #put(frame: number, version: Version): void {
    const { heap, code } = this.#ports.cluster;
    const { u8, layout } = heap;
    this.#keep(frame);
    this.#current[frame] = version;
    const address = this.#address(frame);
    const flags = layout.frameFlags + frame;
    if ((u8[flags]! & FRAME_CODE) !== 0) {
      // Code that was written again as it was, or lies beside data that changed back, keeps its blocks.
      if (
        version.page === ZERO
          ? this.#ports.cluster.helpers.frame_is_zero(address)
          : this.#store.equals(version.page, u8, address)
      )
        return;
      code.dropFrame(address);
    }
    if (version.page === ZERO) u8.fill(0, address, address + FRAME_SIZE);
    else if (version.page >= 0) this.#store.copy(version.page, u8, address);
    else throw new Error(`frame ${frame} is to get contents that are nowhere`);
    u8[flags] = u8[flags]! | FRAME_DIRTY;
  }
}
