import { busAddress } from '../../base/address-space.ts';
import type { StateValue } from '../../base/device.ts';
import { bit, bits, type RegisterMap } from '../../base/register-map.ts';
import type { Bar, PciFunction } from './pci-function.ts';

const CAP_MSIX = 0x11;
const CONTROL_ENABLE = 0x8000;
const CONTROL_MASK_ALL = 0x4000;
const ENTRY = 16;
const VECTOR_MASKED = 1;
const CAPABILITY_BYTES = 12;

/** Where table and pending bits lie in their BAR (QEMU: half a page each, or as much as it takes). */
export function msixLayout(vectors: number): { pba: number; size: number } {
  const pba = Math.max(vectors * ENTRY, 2048);
  const bytes = Math.max(pba + (Math.floor(vectors / 8) + 1) * 8, 4096);
  return { pba, size: 2 ** (32 - Math.clz32(bytes - 1)) };
}

/**
 * MSI-X (PCI Express 4.0, 7.7.2): a table of messages in a BAR, of which the function sends one per event.
 * A message of a masked vector is remembered in the pending bits and sent when the mask goes away.
 */
export class Msix {
  readonly vectors: number;
  readonly #function: PciFunction;
  readonly #capability: number;
  readonly #table: Uint8Array;
  readonly #view: DataView;
  readonly #pending: Uint8Array;
  readonly #pba: number;
  readonly #message = new Uint8Array(4);
  readonly #messageView = new DataView(this.#message.buffer);

  constructor(fn: PciFunction, vectors: number, capability: number, bar: number) {
    this.vectors = vectors;
    this.#function = fn;
    this.#capability = capability;
    this.#table = new Uint8Array(vectors * ENTRY);
    this.#view = new DataView(this.#table.buffer);
    this.#pending = new Uint8Array(Math.ceil(vectors / 64) * 8);
    this.#pba = msixLayout(vectors).pba;
    const { config } = fn;
    config.addCapability(CAP_MSIX, capability, CAPABILITY_BYTES, 'MSIX');
    config.add({
      name: 'MSIX_CTRL',
      offset: capability + 2,
      width: 2,
      reset: vectors - 1,
      write: CONTROL_ENABLE | CONTROL_MASK_ALL,
      fields: [
        bits('TableSize', 10, 0, 'vectors - 1'),
        bit('MaskAll', 14, 'nothing is sent'),
        bit('Enable', 15, 'messages instead of INTx'),
      ],
    });
    const place = (name: string, offset: number, at: number) =>
      config.add({
        name,
        offset,
        width: 4,
        reset: at | bar,
        fields: [bits('BAR', 2, 0), bits('Offset', 31, 3, 'in units of 8 bytes')],
      });
    place('MSIX_TABLE', capability + 4, 0);
    place('MSIX_PBA', capability + 8, this.#pba);
    this.reset();
  }

  /** The window with table and pending bits. */
  bar(): Bar {
    const { vectors } = this;
    return {
      kind: 'memory32',
      size: msixLayout(vectors).size,
      registers: msixRegisterMap(vectors),
      // QEMU: words only.
      accepts: (offset, size) => size >= 4 || (offset >= this.#table.length && !this.#inPending(offset)),
      read: (offset, size) => this.#read(offset, size),
      write: (offset, size, value) => this.#write(offset, size, value),
    };
  }

  get enabled(): boolean {
    return (this.#control & CONTROL_ENABLE) !== 0;
  }

  /** Sends the message of a vector, or remembers it if the vector is masked. */
  notify(vector: number): void {
    if (vector >= this.vectors || !this.enabled) return;
    if (this.#isMasked(vector)) this.#setPending(vector, true);
    else this.#send(vector);
  }

  /** To be called after a write to the capability. */
  controlChanged(): void {
    if (this.enabled) this.#sendUnmasked();
  }

  /** Whether a configuration write touches the capability. */
  covers(offset: number, size: number): boolean {
    return offset < this.#capability + 4 && offset + size > this.#capability + 2;
  }

  reset(): void {
    this.#table.fill(0);
    this.#pending.fill(0);
    for (let vector = 0; vector < this.vectors; vector++) {
      this.#view.setUint32(vector * ENTRY + 12, VECTOR_MASKED, true);
    }
  }

  save(): StateValue {
    return { table: this.#table.slice(), pending: this.#pending.slice() };
  }

  load(state: StateValue): void {
    const { table, pending } = state as { table: Uint8Array; pending: Uint8Array };
    this.#table.set(table.subarray(0, this.#table.length));
    this.#pending.set(pending.subarray(0, this.#pending.length));
  }

  get #control(): number {
    return this.#function.config.word(this.#capability + 2);
  }

  #isMasked(vector: number): boolean {
    if ((this.#control & CONTROL_MASK_ALL) !== 0) return true;
    return (this.#view.getUint32(vector * ENTRY + 12, true) & VECTOR_MASKED) !== 0;
  }

  #isPending(vector: number): boolean {
    return (this.#pending[vector >>> 3]! & (1 << (vector & 7))) !== 0;
  }

  #setPending(vector: number, pending: boolean): void {
    const bitmask = 1 << (vector & 7);
    if (pending) this.#pending[vector >>> 3]! |= bitmask;
    else this.#pending[vector >>> 3]! &= ~bitmask;
  }

  #send(vector: number): void {
    const at = vector * ENTRY;
    const address = busAddress(this.#view.getUint32(at, true), this.#view.getUint32(at + 4, true));
    const data = this.#view.getUint32(at + 8, true);
    sendMessage(this.#function, vector, address, this.#message, this.#messageView, data);
  }

  #sendUnmasked(): void {
    for (let vector = 0; vector < this.vectors; vector++) this.#sendIfReady(vector);
  }

  #sendIfReady(vector: number): void {
    if (!this.enabled || !this.#isPending(vector) || this.#isMasked(vector)) return;
    this.#setPending(vector, false);
    this.#send(vector);
  }

  #refuse(offset: number, message: string): void {
    this.#function.ports.observer.guestError(offset, `MSI-X: ${message}`);
  }

  #inPending(offset: number): boolean {
    return offset >= this.#pba && offset < this.#pba + this.#pending.length;
  }

  #read(offset: number, size: 1 | 2 | 4): number {
    if (size === 4 && offset < this.#table.length) return this.#view.getUint32(offset, true);
    if (size !== 4 || !this.#inPending(offset)) {
      // Behind the table there is nothing, as behind no BAR: all ones.
      this.#refuse(offset, 'read of no register');
      return 2 ** (8 * size) - 1;
    }
    const at = offset - this.#pba;
    const bytes = this.#pending;
    return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;
  }

  #write(offset: number, size: 1 | 2 | 4, value: number): void {
    if (size !== 4 || offset >= this.#table.length) {
      this.#refuse(offset, this.#inPending(offset) ? 'write to pending bits' : 'write to no register');
      return;
    }
    this.#view.setUint32(offset, value >>> 0, true);
    if ((offset & 12) === 12) this.#sendIfReady(Math.floor(offset / ENTRY));
  }
}

/**
 * Writes a message into the function's address space, and says so: the note is the beginning of the chain
 * MSI -> DeviceID and EventID -> LPI -> CPU that the interrupt controller goes on with.
 */
export function sendMessage(
  fn: PciFunction,
  vector: number,
  address: number,
  bytes: Uint8Array,
  view: DataView,
  data: number,
): void {
  fn.ports.observer.note('msi', { requester: fn.slot.requesterId(), vector, address, data });
  view.setUint32(0, data, true);
  if (fn.dmaWrite(address, bytes)) return;
  fn.ports.observer.guestError(
    0,
    `message of vector ${vector} to 0x${BigInt.asUintN(64, BigInt(address)).toString(16)} was lost: ${
      fn.isMaster ? 'nothing is there' : 'bus mastering is off'
    }`,
  );
}

function msixRegisterMap(vectors: number): RegisterMap {
  const entry = (name: string, offset: number, meaning: string, reset = 0) => ({
    name: `MSIX_${name}`,
    offset,
    width: 4 as const,
    access: 'RW' as const,
    count: vectors,
    stride: ENTRY,
    reset,
    meaning,
  });
  return {
    device: 'msix',
    reference: 'PCI Express 4.0 section 7.7.2',
    registers: [
      entry('ADDR', 0, 'address of the message, bits 31:0'),
      entry('ADDRH', 4, 'address of the message, bits 63:32'),
      entry('DATA', 8, 'the message'),
      { ...entry('VECTOR_CTRL', 12, 'control', VECTOR_MASKED), fields: [bit('Mask', 0, 'not sent')] },
      {
        name: 'MSIX_PENDING',
        offset: msixLayout(vectors).pba,
        width: 4,
        count: Math.ceil(vectors / 64) * 2,
        access: 'RO',
        reset: 0,
        meaning: 'masked messages that wait, one bit per vector',
      },
    ],
  };
}
