import type { AccessSource, Device } from '../base/device.ts';
import type { BusAccess } from '../cpu/cluster.ts';

/** A device's place in the physical address space. */
export interface BusRegion {
  readonly base: number;
  readonly size: number;
  readonly device: Device;
}

/** Physical addresses that are device registers. Regions do not overlap. */
export class Bus {
  readonly #regions: BusRegion[] = [];
  /** The last hit: accesses come in runs. */
  #last: BusRegion | undefined;

  add(region: BusRegion): void {
    this.#regions.push(region);
    this.#regions.sort((a, b) => a.base - b.base);
  }

  get regions(): readonly BusRegion[] {
    return this.#regions;
  }

  find(address: number): BusRegion | undefined {
    const last = this.#last;
    if (last !== undefined && address >= last.base && address < last.base + last.size) return last;
    let low = 0;
    let high = this.#regions.length - 1;
    while (low <= high) {
      const middle = (low + high) >>> 1;
      const region = this.#regions[middle]!;
      if (address < region.base) high = middle - 1;
      else if (address >= region.base + region.size) low = middle + 1;
      else {
        this.#last = region;
        return region;
      }
    }
    return undefined;
  }

  /** The device that takes the access, or undefined: external abort. Fills in the value. */
  read(access: BusAccess, source: AccessSource): BusRegion | undefined {
    const region = this.find(access.address);
    if (region === undefined) return undefined;
    const { device } = region;
    const offset = access.address - region.base;
    const size = (1 << access.sizeLog2) as 1 | 2 | 4 | 8;
    if (device.accepts !== undefined && !device.accepts(offset, size, false)) return undefined;
    if (size === 8) {
      if (device.read64 !== undefined) {
        const value = device.read64(offset, source);
        access.valueLo = Number(value & 0xffffffffn);
        access.valueHi = Number(value >> 32n);
      } else {
        access.valueLo = device.read(offset, 4, source);
        access.valueHi = device.read(offset + 4, 4, source);
      }
    } else {
      access.valueLo = device.read(offset, size, source);
      access.valueHi = 0;
    }
    return region;
  }

  write(access: BusAccess, source: AccessSource): BusRegion | undefined {
    const region = this.find(access.address);
    if (region === undefined) return undefined;
    const { device } = region;
    const offset = access.address - region.base;
    const size = (1 << access.sizeLog2) as 1 | 2 | 4 | 8;
    if (device.accepts !== undefined && !device.accepts(offset, size, true)) return undefined;
    if (size === 8) {
      if (device.write64 !== undefined) {
        device.write64(offset, BigInt(access.valueLo) | (BigInt(access.valueHi) << 32n), source);
      } else {
        device.write(offset, 4, access.valueLo, source);
        device.write(offset + 4, 4, access.valueHi, source);
      }
    } else {
      const mask = size === 4 ? 0xffffffff : size === 2 ? 0xffff : 0xff;
      device.write(offset, size, (access.valueLo & mask) >>> 0, source);
    }
    return region;
  }
}
