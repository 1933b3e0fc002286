import type { DmaPort } from '../../base/device.ts';
import type { Smmuv3 } from './smmuv3.ts';

/*
 * A bus master's view of memory through the SMMU. Messages (MSI) are writes like all others: give the port that
 * knows the doorbells as `memory`.
 */

/**
 * A port whose addresses the SMMU translates, page by page. A page that faults makes the access fail, as a bus
 * error would; the other pages are transferred all the same, since each is a transaction of its own.
 * @param streamId the requester ID; a function if the guest can change it (bus numbers)
 */
export function smmuDma(smmu: Smmuv3, streamId: number | (() => number), memory: DmaPort): DmaPort {
  const transfer = (
    address: number,
    length: number,
    write: boolean,
    move: (physical: number, first: number, end: number) => boolean,
  ): boolean => {
    const stream = typeof streamId === 'number' ? streamId : streamId();
    let ok = true;
    for (let done = 0; done < length; ) {
      const at = address + done;
      const result = smmu.translate(stream, undefined, at, { write });
      // A fault may be mended by a smaller page only at the next 4 KiB.
      const reach = result.ok ? result.length : 4096 - (at % 4096);
      const end = done + Math.min(reach, length - done);
      ok = result.ok && move(result.physicalAddress, done, end) && ok;
      done = end;
    }
    return ok;
  };
  return {
    read: (address, into) =>
      transfer(address, into.length, false, (physical, first, end) =>
        memory.read(physical, into.subarray(first, end)),
      ),
    write: (address, from) =>
      transfer(address, from.length, true, (physical, first, end) =>
        memory.write(physical, from.subarray(first, end)),
      ),
  };
}
