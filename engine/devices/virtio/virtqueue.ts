import type { DmaPort, StateValue } from '../../base/device.ts';
import { VIRTIO_F } from './virtio-bits.ts';

/*
 * Split virtqueues (virtio 1.2, section 2.7). The guest owns the memory they lie in and may write anything
 * there: every index, length and address is checked, every loop has a bound, and a broken ring breaks the
 * device (see QueueOwner.fail) until it is reset.
 */

/** Most entries of a queue, and most buffers of one chain. QEMU: VIRTQUEUE_MAX_SIZE. */
export const QUEUE_SIZE_MAX = 1024;

/**
 * DETERMINISM: what a queue may do in answer to one notification; the rest is done at the next instruction
 * boundary. Without a bound, a device that writes into its own available ring could go on for ever inside
 * one instruction.
 */
const CHAINS_PER_TURN = 4 * QUEUE_SIZE_MAX;
const BYTES_PER_TURN = 64 * 1024 * 1024;

/** Virtio 1.2, 2.7.5.2: a chain is at most 2^32 bytes long. */
const CHAIN_BYTES_MAX = 2 ** 32;

const DESC_SIZE = 16;
const DESC_F_NEXT = 1;
const DESC_F_WRITE = 2;
const DESC_F_INDIRECT = 4;
const AVAIL_F_NO_INTERRUPT = 1;

/** A piece of guest memory. */
export type Segment = { readonly address: number; readonly length: number };

/** Buffers the guest offered together. Plain data: a device that keeps one saves it as it is. */
export type Chain = {
  /** Index of the first descriptor: the chain's name in the used ring. */
  readonly head: number;
  /** What the device reads, then what it writes; lengths are positive. */
  readonly out: readonly Segment[];
  readonly in: readonly Segment[];
  /** Sums of the lengths, in bytes. */
  readonly outBytes: number;
  readonly inBytes: number;
};

/** What a queue needs of the device it belongs to. */
export interface QueueOwner {
  readonly dma: DmaPort;
  /** The guest broke the rules of the ring: nothing is processed any more until a reset. */
  fail(message: string): void;
  readonly broken: boolean;
  /** The bus lets the device do nothing for now. */
  readonly suspended: boolean;
  /** Whether the driver accepted this feature bit. */
  hasFeature(bit: number): boolean;
  /** Buffers of this queue were used and the guest wants to know. */
  queueInterrupt(queue: number): void;
  /** Counts the times the device was entered: each gives every queue a new share of work. */
  readonly turn: number;
  /** A queue used its share up and has work left: the device is to come back to it. */
  queueStalled(): void;
}

export class Virtqueue {
  readonly index: number;
  readonly defaultSize: number;
  /** Entries; 0 if the queue does not exist. */
  size: number;
  /** Legacy: alignment of the used ring in bytes. */
  align = 4096;
  /** Addresses of the three parts; `desc` is 0 while the queue is not set up. */
  desc = 0;
  avail = 0;
  used = 0;
  /** Used its share of work up, with work left. */
  stalled = false;
  readonly #owner: QueueOwner;
  /** Next entry of the available ring to take, and of the used ring to fill: both count modulo 2^16. */
  #availIndex = 0;
  #usedIndex = 0;
  /** The used index when the guest was last looked at for an interrupt; invalid if it may have wrapped. */
  #signalled = 0;
  #signalledValid = false;
  /** Chains taken and not yet given back. */
  #inFlight = 0;
  /** Share of work left in this turn of the owner; not state, since no turn is under way when saving. */
  #turn = 0;
  #chainsLeft = 0;
  #bytesLeft = 0;
  readonly #word = new Uint8Array(8);
  readonly #wordView = new DataView(this.#word.buffer);
  readonly #descriptor = new Uint8Array(DESC_SIZE);
  readonly #descriptorView = new DataView(this.#descriptor.buffer);

  constructor(owner: QueueOwner, index: number, defaultSize: number) {
    this.#owner = owner;
    this.index = index;
    this.defaultSize = defaultSize;
    this.size = defaultSize;
  }

  /** The driver has installed it. */
  get ready(): boolean {
    return this.desc !== 0;
  }

  /**
   * Sets the number of entries. Ignored if that is too many, or would make a queue exist or vanish.
   * The number need not be a power of two.
   */
  resize(size: number): void {
    if (size > QUEUE_SIZE_MAX || (size === 0) !== (this.size === 0)) return;
    this.size = size;
  }

  /** Modern layout: three addresses of the driver's choice. */
  install(desc: number, avail: number, used: number): void {
    if (this.size === 0) return;
    this.desc = desc;
    this.avail = avail;
    this.used = used;
  }

  /** Legacy layout (virtio 1.2, 2.7.2): the parts follow each other, the used ring at the next boundary. */
  installLegacy(base: number): void {
    if (this.size === 0) return;
    this.desc = base;
    this.layOutLegacy();
  }

  /** Places the rings again after a change of size or alignment. */
  layOutLegacy(): void {
    if (this.size === 0 || this.desc === 0) return;
    this.avail = this.desc + this.size * DESC_SIZE;
    // QEMU: the used_event word at the end of the available ring is not counted; it only matters for
    // alignments below the page, which no known driver asks for.
    const end = this.avail + 4 + 2 * this.size;
    this.used = Math.ceil(end / this.align) * this.align;
  }

  /** Back to the state after a device reset. */
  reset(): void {
    this.size = this.defaultSize;
    this.align = 4096;
    this.uninstall();
  }

  /** The driver takes the rings away. */
  uninstall(): void {
    this.desc = 0;
    this.avail = 0;
    this.used = 0;
    this.stalled = false;
    this.#availIndex = 0;
    this.#usedIndex = 0;
    this.#signalled = 0;
    this.#signalledValid = false;
    this.#inFlight = 0;
  }

  /** Takes the next chain; undefined if there is none, the queue is not set up, or the device is broken. */
  pop(): Chain | undefined {
    if (this.desc === 0 || this.#owner.broken || this.#owner.suspended) return undefined;
    const available = this.#readWord(this.avail + 2);
    if (available === undefined) return undefined;
    const waiting = (available - this.#availIndex) & 0xffff;
    if (waiting === 0) return undefined;
    if (!this.#mayWork()) return undefined;
    if (waiting > this.size) {
      return this.#fail(`available index ${available} is ${waiting} ahead of ${this.#availIndex}`);
    }
    if (this.#inFlight >= this.size) return this.#fail('more chains are in use than the queue has entries');
    const head = this.#readWord(this.avail + 4 + 2 * (this.#availIndex % this.size));
    if (head === undefined) return undefined;
    if (head >= this.size) return this.#fail(`available ring names descriptor ${head} of ${this.size}`);
    this.#availIndex = (this.#availIndex + 1) & 0xffff;
    if (this.#owner.hasFeature(VIRTIO_F.EVENT_IDX)) {
      // avail_event follows the used ring's entries (2.7.8): notify me about the next one.
      if (!this.#writeWord(this.used + 4 + 8 * this.size, this.#availIndex)) return undefined;
    }
    const chain = this.#walk(head);
    if (chain === undefined) return undefined;
    this.#inFlight++;
    this.#chainsLeft--;
    return chain;
  }

  /** Puts the chains taken last back, as if they had not been taken. Nothing may have been pushed since. */
  unpop(chains: readonly Chain[]): void {
    this.#availIndex = (this.#availIndex - chains.length) & 0xffff;
    this.#inFlight = Math.max(0, this.#inFlight - chains.length);
  }

  /** Gives a chain back with the number of bytes written into it. The guest is told by `signal()`. */
  push(chain: Chain, written: number): void {
    if (this.desc === 0 || this.#owner.broken) return;
    this.#wordView.setUint32(0, chain.head, true);
    this.#wordView.setUint32(4, written, true);
    const entry = this.used + 4 + 8 * (this.#usedIndex % this.size);
    if (!this.#owner.dma.write(entry, this.#word)) return void this.#failAt(entry);
    const next = (this.#usedIndex + 1) & 0xffff;
    if (!this.#writeWord(this.used + 2, next)) return;
    this.#usedIndex = next;
    if (this.#inFlight > 0) this.#inFlight--;
    // Once the index has gone half around since the last look, the comparison of 2.7.10 would mislead.
    if (((next - this.#signalled) << 16) >> 16 <= 0) this.#signalledValid = false;
  }

  /** Interrupts the guest if the rules of suppression (virtio 1.2, 2.7.10) do not forbid it. */
  signal(): void {
    if (this.desc === 0 || this.#owner.broken) return;
    if (this.#wantsInterrupt()) this.#owner.queueInterrupt(this.index);
  }

  /** Copies bytes of the chain's readable part, from `offset`, into `into`. False: too short, or broken. */
  readOut(chain: Chain, offset: number, into: Uint8Array): boolean {
    return this.#transfer(chain.out, offset, into, false);
  }

  /** Copies `from` into the chain's writable part at `offset`. False: too short, or broken. */
  writeIn(chain: Chain, offset: number, from: Uint8Array): boolean {
    return this.#transfer(chain.in, offset, from, true);
  }

  /** False if the queue is as after a reset, so that nothing of it need be saved. */
  get dirty(): boolean {
    if (this.size !== this.defaultSize || this.align !== 4096) return true;
    // A driver may install rings at address 0, which is none, and leave the others behind.
    const { desc, avail, used } = this;
    const left = [desc, avail, used, this.#availIndex, this.#usedIndex, this.#signalled, this.#inFlight];
    return this.stalled || this.#signalledValid || left.some((value) => value !== 0);
  }

  save(): { [key: string]: StateValue } {
    return {
      size: this.size,
      align: this.align,
      desc: this.desc,
      avail: this.avail,
      used: this.used,
      stalled: this.stalled,
      availIndex: this.#availIndex,
      usedIndex: this.#usedIndex,
      signalled: this.#signalled,
      signalledValid: this.#signalledValid,
      inFlight: this.#inFlight,
    };
  }

  load(state: { [key: string]: StateValue }): void {
    this.size = Math.min(Number(state.size), QUEUE_SIZE_MAX);
    this.align = Math.max(1, Number(state.align));
    this.desc = Number(state.desc);
    this.avail = Number(state.avail);
    this.used = Number(state.used);
    this.stalled = state.stalled === true;
    this.#availIndex = Number(state.availIndex) & 0xffff;
    this.#usedIndex = Number(state.usedIndex) & 0xffff;
    this.#signalled = Number(state.signalled) & 0xffff;
    this.#signalledValid = state.signalledValid === true;
    this.#inFlight = Number(state.inFlight);
  }

  /** Collects the buffers of a chain (2.7.5, indirect tables 2.7.5.3). */
  #walk(head: number): Chain | undefined {
    const out: Segment[] = [];
    const into: Segment[] = [];
    let outBytes = 0;
    let inBytes = 0;
    let table = this.desc;
    let entries = this.size;
    let indirect = false;
    let next = head;
    // Any chain longer than its table contains a loop; with an indirect table a second count begins.
    for (let steps = 0; ; steps++) {
      if (steps >= entries) return this.#fail('descriptors form a loop');
      const view = this.#descriptorView;
      const at = table + next * DESC_SIZE;
      if (!this.#owner.dma.read(at, this.#descriptor)) return this.#failAt(at);
      const address = view.getUint32(0, true) + view.getUint32(4, true) * 2 ** 32;
      const length = view.getUint32(8, true);
      const flags = view.getUint16(12, true);
      if ((flags & DESC_F_INDIRECT) !== 0) {
        if (indirect) return this.#fail('an indirect table names another one');
        if (length === 0 || length % DESC_SIZE !== 0) return this.#fail(`indirect table of ${length} bytes`);
        indirect = true;
        table = address;
        entries = length / DESC_SIZE;
        next = 0;
        steps = -1;
        continue;
      }
      if (length === 0) return this.#fail('a buffer of no bytes');
      if (!Number.isSafeInteger(address + length)) return this.#failAt(address);
      if ((flags & DESC_F_WRITE) !== 0) {
        into.push({ address, length });
        inBytes += length;
      } else {
        if (into.length > 0) return this.#fail('a readable buffer follows a writable one');
        out.push({ address, length });
        outBytes += length;
      }
      if (out.length + into.length > QUEUE_SIZE_MAX) return this.#fail('too many buffers in one chain');
      if (outBytes + inBytes > CHAIN_BYTES_MAX) return this.#fail('more than 2^32 bytes in one chain');
      if ((flags & DESC_F_NEXT) === 0) break;
      next = view.getUint16(14, true);
      if (next >= entries) return this.#fail(`next descriptor ${next} of ${entries}`);
    }
    return { head, out, in: into, outBytes, inBytes };
  }

  #mayWork(): boolean {
    if (this.#turn !== this.#owner.turn) {
      this.#turn = this.#owner.turn;
      this.#chainsLeft = CHAINS_PER_TURN;
      this.#bytesLeft = BYTES_PER_TURN;
    }
    if (this.#chainsLeft > 0 && this.#bytesLeft > 0) return true;
    this.stalled = true;
    this.#owner.queueStalled();
    return false;
  }

  #wantsInterrupt(): boolean {
    const owner = this.#owner;
    if (owner.hasFeature(VIRTIO_F.NOTIFY_ON_EMPTY) && this.#inFlight === 0) {
      const available = this.#readWord(this.avail + 2);
      if (available === undefined) return false;
      if (available === this.#availIndex) return true;
    }
    if (!owner.hasFeature(VIRTIO_F.EVENT_IDX)) {
      const flags = this.#readWord(this.avail);
      return flags !== undefined && (flags & AVAIL_F_NO_INTERRUPT) === 0;
    }
    const event = this.#readWord(this.avail + 4 + 2 * this.size);
    if (event === undefined) return false;
    const before = this.#signalled;
    const known = this.#signalledValid;
    this.#signalled = this.#usedIndex;
    this.#signalledValid = true;
    // 2.7.10: the index the guest waits for lies among those used since the last look.
    const passed = (this.#usedIndex - event - 1) & 0xffff;
    return !known || passed < ((this.#usedIndex - before) & 0xffff);
  }

  #transfer(segments: readonly Segment[], offset: number, bytes: Uint8Array, write: boolean): boolean {
    const { dma } = this.#owner;
    let done = 0;
    let skip = offset;
    for (const { address, length } of segments) {
      if (done === bytes.length) break;
      if (skip >= length) {
        skip -= length;
        continue;
      }
      const count = Math.min(length - skip, bytes.length - done);
      const part = bytes.subarray(done, done + count);
      const at = address + skip;
      if (this.#owner.broken) return false;
      if (!(write ? dma.write(at, part) : dma.read(at, part))) {
        this.#failAt(at);
        return false;
      }
      done += count;
      skip = 0;
    }
    this.#bytesLeft -= done;
    return done === bytes.length;
  }

  #readWord(address: number): number | undefined {
    const word = this.#word.subarray(0, 2);
    if (!this.#owner.dma.read(address, word)) return this.#failAt(address);
    return this.#wordView.getUint16(0, true);
  }

  #writeWord(address: number, value: number): boolean {
    this.#wordView.setUint16(0, value, true);
    if (this.#owner.dma.write(address, this.#word.subarray(0, 2))) return true;
    this.#failAt(address);
    return false;
  }

  #fail(message: string): undefined {
    this.#owner.fail(`queue ${this.index}: ${message}`);
    return undefined;
  }

  #failAt(address: number): undefined {
    return this.#fail(`no memory at 0x${address.toString(16)}`);
  }
}
