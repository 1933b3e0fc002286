import { VirtioMmio, type VirtioMmioOptions } from '../../../../engine/devices/virtio/virtio-mmio.ts';
import { MMIO } from '../../../../engine/devices/virtio/virtio-mmio-registers.ts';
import { Bench } from '../bench.ts';
import type { Qemu } from '../qemu.ts';

/*
 * The guest's side of virtio-mmio, written from the specification alone. It drives our device in fake memory
 * or QEMU's through qtest: the same driver, so that the same scenario can be held against both.
 */

export const RAM = 0x4000_0000;
export const RAM_BYTES = 0x40_0000;

/** A guest's view of a machine with one transport. */
export interface Guest {
  read(offset: number, size?: 1 | 2 | 4): Promise<number>;
  write(offset: number, value: number, size?: 1 | 2 | 4): Promise<void>;
  readMemory(address: number, length: number): Promise<Uint8Array>;
  writeMemory(address: number, bytes: Uint8Array): Promise<void>;
  /** Lets the machine work on what it was told, until `done`; false if that does not come. */
  until(done: () => Promise<boolean>): Promise<boolean>;
}

export class EngineGuest implements Guest {
  readonly bench = new Bench();
  readonly device: VirtioMmio;
  readonly memory: Uint8Array;

  constructor(options: VirtioMmioOptions | ((bench: Bench) => VirtioMmioOptions)) {
    const { bench } = this;
    this.device = new VirtioMmio(
      { ...bench.ports('virtio'), irq: bench.line('irq'), dma: bench.dma(RAM, RAM_BYTES) },
      typeof options === 'function' ? options(bench) : options,
    );
    this.memory = bench.memory('dma', RAM_BYTES);
  }

  async read(offset: number, size: 1 | 2 | 4 = 4): Promise<number> {
    return this.device.read(offset, size);
  }

  async write(offset: number, value: number, size: 1 | 2 | 4 = 4): Promise<void> {
    this.device.write(offset, size, value);
  }

  async readMemory(address: number, length: number): Promise<Uint8Array> {
    return this.memory.slice(address - RAM, address - RAM + length);
  }

  async writeMemory(address: number, bytes: Uint8Array): Promise<void> {
    this.memory.set(bytes, address - RAM);
  }

  async until(done: () => Promise<boolean>): Promise<boolean> {
    this.bench.advance(this.device, 1);
    return done();
  }

  /** Bytes sent out so far, as text. */
  output(): string {
    const codes = this.bench.log
      .filter((line) => line.startsWith('output'))
      .flatMap((line) => line.split(': ')[1]!.split(' ').map(Number));
    return String.fromCharCode(...codes);
  }

  errors(): string[] {
    return this.bench.log.filter((line) => line.startsWith('guest-error'));
  }

  get irq(): boolean {
    return this.bench.level('irq');
  }
}

/** The highest transport of QEMU's virt board, where the first virtio device goes. */
const QEMU_SLOT = 0x0a00_3e00;

export class QemuGuest implements Guest {
  readonly #qemu: Qemu;
  constructor(qemu: Qemu) {
    this.#qemu = qemu;
  }

  async read(offset: number, size: 1 | 2 | 4 = 4): Promise<number> {
    return Number(BigInt.asUintN(8 * size, await this.#qemu.read(QEMU_SLOT + offset, size)));
  }

  async write(offset: number, value: number, size: 1 | 2 | 4 = 4): Promise<void> {
    await this.#qemu.write(QEMU_SLOT + offset, size, BigInt(value));
  }

  readMemory(address: number, length: number): Promise<Uint8Array> {
    return this.#qemu.readMemory(address, length);
  }

  writeMemory(address: number, bytes: Uint8Array): Promise<void> {
    return this.#qemu.writeMemory(address, bytes);
  }

  /** QEMU's backends answer when the host does. */
  async until(done: () => Promise<boolean>): Promise<boolean> {
    for (let tries = 0; tries < 300; tries++) {
      if (await done()) return true;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    return false;
  }
}

export const DESC = { NEXT: 1, WRITE: 2, INDIRECT: 4 } as const;

/** A buffer: bytes for the device to read, or a number of bytes for it to write. */
export type Buffer = Uint8Array | number;

export interface Used {
  readonly id: number;
  readonly length: number;
}

/** One queue, laid out as a legacy driver must and a modern one may: three parts in a row. */
export class DriverQueue {
  readonly guest: Guest;
  readonly index: number;
  readonly size: number;
  readonly desc: number;
  readonly avail: number;
  readonly used: number;
  availIndex = 0;
  usedIndex = 0;
  /** Interrupts suppressed by the flag of the available ring. */
  flags = 0;
  #nextDescriptor = 0;
  #heap: number;
  readonly #buffers = new Map<number, { address: number; length: number; write: boolean }[]>();

  constructor(guest: Guest, index: number, size: number, base: number, align = 4096) {
    this.guest = guest;
    this.index = index;
    this.size = size;
    this.desc = base;
    this.avail = base + 16 * size;
    this.used = Math.ceil((this.avail + 6 + 2 * size) / align) * align;
    this.#heap = base + 0x8000;
  }

  /** Reserves memory for buffers; never given back. */
  async place(bytes: Uint8Array): Promise<number> {
    const address = this.#heap;
    this.#heap += (bytes.length + 63) & ~63;
    await this.guest.writeMemory(address, bytes);
    return address;
  }

  async writeDescriptor(at: number, address: number, length: number, flags: number, next: number) {
    const bytes = new Uint8Array(16);
    const view = new DataView(bytes.buffer);
    view.setBigUint64(0, BigInt(address), true);
    view.setUint32(8, length, true);
    view.setUint16(12, flags, true);
    view.setUint16(14, next, true);
    await this.guest.writeMemory(at, bytes);
  }

  async setWord(address: number, value: number): Promise<void> {
    await this.guest.writeMemory(address, Uint8Array.of(value & 0xff, (value >> 8) & 0xff));
  }

  async word(address: number): Promise<number> {
    const [low = 0, high = 0] = await this.guest.readMemory(address, 2);
    return low | (high << 8);
  }

  /** Offers a chain of buffers; `indirect` puts them all behind one descriptor. Gives the head. */
  async offer(buffers: readonly Buffer[], indirect = false): Promise<number> {
    const places: { address: number; length: number; write: boolean }[] = [];
    for (const buffer of buffers) {
      const bytes = typeof buffer === 'number' ? new Uint8Array(buffer).fill(0xee) : buffer;
      const address = await this.place(bytes);
      places.push({ address, length: bytes.length, write: typeof buffer === 'number' });
    }
    const head = this.#nextDescriptor;
    const write = (table: number, first: number, modulo: number) =>
      Promise.all(
        places.map((place, n) => {
          const last = n === places.length - 1;
          const flags = (place.write ? DESC.WRITE : 0) | (last ? 0 : DESC.NEXT);
          const at = table + 16 * ((first + n) % modulo);
          return this.writeDescriptor(at, place.address, place.length, flags, (first + n + 1) % modulo);
        }),
      );
    if (indirect) {
      const table = await this.place(new Uint8Array(16 * places.length));
      await write(table, 0, places.length + 1);
      await this.writeDescriptor(this.desc + 16 * head, table, 16 * places.length, DESC.INDIRECT, 0);
      this.#nextDescriptor = (head + 1) % this.size;
    } else {
      await write(this.desc, head, this.size);
      this.#nextDescriptor = (head + places.length) % this.size;
    }
    this.#buffers.set(head, places);
    await this.publish(head);
    return head;
  }

  /** Puts a head into the available ring. */
  async publish(head: number): Promise<void> {
    await this.setWord(this.avail + 4 + 2 * (this.availIndex % this.size), head);
    this.availIndex = (this.availIndex + 1) & 0xffff;
    await this.setWord(this.avail, this.flags);
    await this.setWord(this.avail + 2, this.availIndex);
  }

  notify(): Promise<void> {
    return this.guest.write(MMIO.QueueNotify, this.index);
  }

  /** Waits for `count` more used buffers and takes them. */
  async take(count: number): Promise<Used[]> {
    const wanted = (this.usedIndex + count) & 0xffff;
    await this.guest.until(async () => (await this.word(this.used + 2)) === wanted);
    const got: Used[] = [];
    const end = await this.word(this.used + 2);
    for (; this.usedIndex !== end; this.usedIndex = (this.usedIndex + 1) & 0xffff) {
      const entry = await this.guest.readMemory(this.used + 4 + 8 * (this.usedIndex % this.size), 8);
      const view = new DataView(entry.buffer, entry.byteOffset);
      got.push({ id: view.getUint32(0, true), length: view.getUint32(4, true) });
    }
    return got;
  }

  /** What the writable buffers of a chain hold now. */
  async written(head: number): Promise<Uint8Array> {
    const parts: number[] = [];
    for (const place of this.#buffers.get(head) ?? []) {
      if (place.write) parts.push(...(await this.guest.readMemory(place.address, place.length)));
    }
    return Uint8Array.from(parts);
  }

  /** Offers, notifies, waits: the used entry and what was written. */
  async request(buffers: readonly Buffer[], indirect = false): Promise<{ used: Used[]; data: Uint8Array }> {
    const head = await this.offer(buffers, indirect);
    await this.notify();
    const used = await this.take(1);
    return { used, data: await this.written(head) };
  }
}

export interface DriverOptions {
  readonly modern: boolean;
  /** Feature bits the driver knows; those offered of them are accepted. */
  readonly features?: bigint;
  /** Sizes of the queues, by index; queues not named are left alone. */
  readonly queues: { readonly [index: number]: number };
}

/** Brings a device up in the order of virtio 1.2, 3.1.1 (legacy: 4.2.4). */
export async function bringUp(guest: Guest, options: DriverOptions): Promise<DriverQueue[]> {
  const { modern } = options;
  await guest.write(MMIO.Status, 0);
  await guest.write(MMIO.Status, 1);
  await guest.write(MMIO.Status, 3);
  let offered = 0n;
  for (const word of modern ? [0, 1] : [0]) {
    await guest.write(MMIO.DeviceFeaturesSel, word);
    offered |= BigInt(await guest.read(MMIO.DeviceFeatures)) << BigInt(32 * word);
  }
  const accepted = offered & ((options.features ?? 0n) | (modern ? 1n << 32n : 0n));
  for (const word of modern ? [1, 0] : [0]) {
    await guest.write(MMIO.DriverFeaturesSel, word);
    await guest.write(MMIO.DriverFeatures, Number(BigInt.asUintN(32, accepted >> BigInt(32 * word))));
  }
  if (modern) await guest.write(MMIO.Status, 0xb);
  else await guest.write(MMIO.GuestPageSize, 4096);
  const queues: DriverQueue[] = [];
  for (const [name, size] of Object.entries(options.queues)) {
    const index = Number(name);
    const queue = new DriverQueue(guest, index, size, RAM + 0x10_0000 + 0x4_0000 * queues.length);
    queues.push(queue);
    await guest.write(MMIO.QueueSel, index);
    await guest.write(MMIO.QueueNum, size);
    if (modern) {
      await guest.write(MMIO.QueueDescLow, queue.desc);
      await guest.write(MMIO.QueueDriverLow, queue.avail);
      await guest.write(MMIO.QueueDeviceLow, queue.used);
      await guest.write(MMIO.QueueReady, 1);
    } else {
      await guest.write(MMIO.QueueAlign, 4096);
      await guest.write(MMIO.QueuePFN, queue.desc / 4096);
    }
  }
  await guest.write(MMIO.Status, modern ? 0xf : 7);
  return queues;
}

/** The 16 bytes before a block request's data. */
export function blockHeader(type: number, sector: number | bigint): Uint8Array {
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, type, true);
  view.setBigUint64(8, BigInt(sector), true);
  return bytes;
}
