import type { MachineEvent } from '../engine/base/events.ts';
import type { Ns, Position } from '../engine/base/units.ts';
import type { PlainData } from './msgpack.ts';

/** How much is kept; see levels.ts for the table. */
export type TraceLevel = 'inputs' | 'devices' | 'full';

/** An image the machine was started with (kernel, initrd, disk, firmware, device tree). */
export interface ImageRef {
  /** As the user named it, without directories. */
  readonly name: string;
  /** What it is for, e.g. `kernel`, `initrd`, `flash0`, `drive0`. Unique in a trace. */
  readonly role: string;
  /** Bytes. */
  readonly size: number;
  /** SHA-256 of the contents, lower-case hex. */
  readonly sha256: string;
}

/** The first thing in the file: everything that makes the machine, except its inputs. */
export interface TraceHeader {
  /** virtrace's version. */
  readonly engine: string;
  /** Versioned machine type, e.g. `virt-7.2`. */
  readonly board: string;
  readonly level: TraceLevel;
  /** One instruction takes 2^shift ns. */
  readonly shift: number;
  /** Nanoseconds per tick of the system counter (16 at 62.5 MHz); only helps compression. */
  readonly counterPeriod: number;
  /** The full configuration, as the recorder needs it to build the same machine. */
  readonly config: { readonly [key: string]: PlainData };
  readonly images: readonly ImageRef[];
  /** Behaviours of this recorder that a later replayer has to imitate. */
  readonly quirks: readonly string[];
}

/** An event as the trace holds it: with its index among the events of its position. */
export type Ordered<E> = E & { readonly ordinal: number };
export type TraceEvent = Ordered<MachineEvent>;

/** An input as replay needs it. `push`: deliver at this position. `pull`: the answer to the next question. */
export interface InputRecord {
  readonly position: Position;
  readonly time: Ns;
  /** CPU that was running, -1 if none. */
  readonly cpu: number;
  readonly device: string;
  readonly what: string;
  readonly mode: 'push' | 'pull';
  readonly data: Uint8Array;
}

/** Hashes are lower-case hex strings of any length, all taken at the same moment. */
export interface StateHashes {
  /** One per CPU. */
  readonly cpus: readonly string[];
  readonly memory: string;
  readonly devices: { readonly [id: string]: string };
}

export interface HashRecord extends StateHashes {
  readonly position: Position;
  readonly time: Ns;
}

/** Why and where the recording ended. Absent if the recorder was killed or the disk was full. */
export interface TraceEnd {
  readonly position: Position;
  readonly time: Ns;
  /** E.g. `system-off`, `system-reset`, `interrupted`, `limit`, `stuck`. */
  readonly reason: string;
  /** One line for a person. */
  readonly detail?: string;
  readonly hashes?: StateHashes;
}

/** A page of memory, by its physical address. */
export interface SavedPage {
  readonly address: number;
  readonly bytes: Uint8Array;
}

/** A saved machine: plain state, and memory pages. */
export interface Checkpoint {
  readonly position: Position;
  readonly time: Ns;
  readonly state: PlainData;
  /**
   * Without `restart` all pages that are not zero; with it, those that are unlike the checkpoint it builds on (or
   * the machine as it is built).
   */
  readonly pages: readonly SavedPage[];
  readonly restart?: Restart;
}

/** What going on from a checkpoint needs besides the machine. */
export interface Restart {
  /** Events of its position that came before it, kept or not. */
  readonly ordinal: number;
  /** Of the state that it holds. */
  readonly hashes: StateHashes;
}

/** A checkpoint to be written. The buffer of a page may be used again for the next one. */
export interface NewCheckpoint {
  readonly position: Position;
  readonly time: Ns;
  readonly state: PlainData;
  readonly pages: Iterable<SavedPage>;
  /** Absent: nobody will go on from it. */
  readonly hashes?: StateHashes;
}

/** A checkpoint that a replay can go on from; its pages are read apart from it. */
export interface RestartPoint extends Restart {
  /** Number of its chunk. */
  readonly chunk: number;
  readonly position: Position;
  readonly time: Ns;
}

/** Where an image's bytes come from. `read` returns exactly `length` bytes. */
export interface ImageSource {
  readonly size: number;
  /** The contents cannot change any more, as those of a file that was read into memory. */
  readonly constant?: boolean;
  read(offset: number, length: number): Uint8Array;
}

/** Where a trace goes. Bytes may be reused by nobody: the writer never changes them after the call. */
export interface TraceSink {
  write(bytes: Uint8Array): void;
}

/** Where a trace comes from: a file, a Blob, HTTP ranges. `read` returns exactly `length` bytes. */
export interface ByteSource {
  readonly size: number;
  read(offset: number, length: number): Promise<Uint8Array>;
}

/** The same for replay in Node, which cannot wait. */
export interface SyncByteSource {
  readonly size: number;
  read(offset: number, length: number): Uint8Array;
}
