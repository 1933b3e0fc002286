import type { DmaPort } from './device.ts';

/**
 * Who makes a request on the bus: for a PCI function bus << 8 | device << 3 | function. The SMMU's StreamID and
 * the ITS's DeviceID are this number.
 */
export type RequesterId = number;

/**
 * A 64-bit address of the bus as a number: signed, so that the upper half of a translated address space (TTB1) is
 * as exact as the lower. Exact for |address| < 2^53, which is all that any table can map.
 */
export function busAddress(low: number, high: number): number {
  return (high | 0) * 2 ** 32 + (low >>> 0);
}

/**
 * Addresses as requesters on the bus see them. Both methods return false if any byte went nowhere. An IOMMU
 * sits between a requester's port (`busMaster`) and its device.
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
