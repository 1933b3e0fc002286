import { type AddressSpace, busMaster, type RequesterId } from '../../base/address-space.ts';
import type { DmaPort } from '../../base/device.ts';
import type { Smmuv3 } from './smmuv3.ts';

/*
 * Bus masters' view of memory through the SMMU. Messages (MSI) are writes like all others: they go on to the
 * doorbells of the space behind.
 */

/**
 * The space behind as requesters in front of the SMMU see it: their ID is the StreamID, and what they access is
 * translated page by page. A page that faults makes the access fail, as a bus error would; the other pages are
 * transferred all the same, since each is a transaction of its own.
 */
export class SmmuSpace implements AddressSpace {
  readonly #smmu: Smmuv3;
  readonly #behind: AddressSpace;

  constructor(smmu: Smmuv3, behind: AddressSpace) {
    this.#smmu = smmu;
    this.#behind = behind;
  }

  read(address: number, into: Uint8Array, requester: RequesterId): boolean {
    return this.#transfer(address, into.length, requester, false, (physical, first, end) =>
      this.#behind.read(physical, into.subarray(first, end), requester),
    );
  }

  write(address: number, from: Uint8Array, requester: RequesterId): boolean {
    return this.#transfer(address, from.length, requester, true, (physical, first, end) =>
      this.#behind.write(physical, from.subarray(first, end), requester),
    );
  }

  #transfer(
    address: number,
    length: number,
    requester: RequesterId,
    write: boolean,
    move: (physical: number, first: number, end: number) => boolean,
  ): boolean {
    let ok = true;
    for (let done = 0; done < length; ) {
      const at = address + done;
      const result = this.#smmu.translate(requester, undefined, at, { write });
      // What is around a fault may be mapped; the smallest page says how far it reaches.
      const reach = result.ok ? result.length : 4096 - (((at % 4096) + 4096) % 4096);
      const end = done + Math.min(reach, length - done);
      ok = result.ok && move(result.physicalAddress, done, end) && ok;
      done = end;
    }
    return ok;
  }
}

/** A bus master's port through the SMMU to `memory`; a function if the guest can change the ID (bus numbers). */
export function smmuDma(smmu: Smmuv3, streamId: RequesterId | (() => RequesterId), memory: DmaPort): DmaPort {
  const requester = typeof streamId === 'number' ? () => streamId : streamId;
  return busMaster(new SmmuSpace(smmu, memory), requester).dma;
}
