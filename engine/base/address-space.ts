import type { DmaPort } from './device.ts';

/**
 * Who makes a request on the bus: for a PCI function bus << 8 | device << 3 | function. The SMMU's StreamID and
 * the ITS's DeviceID are this number.
 */
export type RequesterId = number;

/**
 * Addresses as requesters on the bus see them. The two kinds the board stacks: physical memory with its
 * message doorbells, and an IOMMU in front of another address space. Both methods return false if any byte
 * went nowhere (no memory, or a translation fault).
 */
export interface AddressSpace {
  read(address: number, into: Uint8Array, requester: RequesterId): boolean;
  write(address: number, from: Uint8Array, requester: RequesterId): boolean;
}

/** A register that takes messages: a write of 2 or 4 bytes by a bus master, e.g. an MSI. */
export interface Doorbell {
  readonly base: number;
  readonly size: number;
  /** `value`: the bytes written, little endian. */
  message(offset: number, size: 2 | 4, value: number, requester: RequesterId): void;
}

/** Memory, and the doorbells that messages are written to. */
export class PhysicalSpace implements AddressSpace {
  readonly #memory: DmaPort;
  readonly #doorbells: readonly Doorbell[];

  constructor(memory: DmaPort, doorbells: readonly Doorbell[]) {
    this.#memory = memory;
    this.#doorbells = doorbells;
  }

  read(address: number, into: Uint8Array): boolean {
    return this.#memory.read(address, into);
  }

  write(address: number, from: Uint8Array, requester: RequesterId): boolean {
    const size = from.length;
    if (size === 2 || size === 4) {
      for (const doorbell of this.#doorbells) {
        const offset = address - doorbell.base;
        if (offset < 0 || offset + size > doorbell.size) continue;
        const low = from[0]! | (from[1]! << 8);
        const value = size === 2 ? low : (low | (from[2]! << 16) | (from[3]! << 24)) >>> 0;
        doorbell.message(offset, size, value, requester);
        return true;
      }
    }
    return this.#memory.write(address, from);
  }
}

/** Where a piece of a request goes: `length` bytes from the address asked for lie together at `address`. */
export interface Translation {
  readonly address: number;
  /** At least 1. */
  readonly length: number;
}

/** What an IOMMU does with one request. Undefined: it ends here, with a fault that the translator has recorded. */
export interface Translator {
  translate(requester: RequesterId, address: number, isWrite: boolean): Translation | undefined;
}

/** An address space behind a translator. Requests are split where the translation changes. */
export class TranslatedSpace implements AddressSpace {
  readonly #target: AddressSpace;
  readonly #translator: Translator;

  constructor(target: AddressSpace, translator: Translator) {
    this.#target = target;
    this.#translator = translator;
  }

  read(address: number, into: Uint8Array, requester: RequesterId): boolean {
    for (let done = 0; done < into.length; ) {
      const at = this.#translator.translate(requester, address + done, false);
      if (at === undefined) return false;
      const count = Math.min(at.length, into.length - done);
      const part = count === into.length ? into : into.subarray(done, done + count);
      if (!this.#target.read(at.address, part, requester)) return false;
      done += count;
    }
    return true;
  }

  write(address: number, from: Uint8Array, requester: RequesterId): boolean {
    for (let done = 0; done < from.length; ) {
      const at = this.#translator.translate(requester, address + done, true);
      if (at === undefined) return false;
      const count = Math.min(at.length, from.length - done);
      const part = count === from.length ? from : from.subarray(done, done + count);
      if (!this.#target.write(at.address, part, requester)) return false;
      done += count;
    }
    return true;
  }
}

/** A device that reads and writes memory by itself. */
export interface BusMaster {
  /** May change while the machine runs: bridges get their bus numbers from the guest. */
  requesterId(): RequesterId;
  readonly dma: DmaPort;
}

/** Makes the bus master side of a device: what it does goes through `space` under its requester ID. */
export function busMaster(space: AddressSpace, requesterId: () => RequesterId): BusMaster {
  return {
    requesterId,
    dma: {
      read: (address, into) => space.read(address, into, requesterId()),
      write: (address, from) => space.write(address, from, requesterId()),
    },
  };
}
