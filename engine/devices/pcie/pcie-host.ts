import type { Device, InterruptLine } from '../../base/device.ts';
import type { RegisterMap } from '../../base/register-map.ts';
import { type Bar, barDevice, type PciFunction, type PciSlot } from './pci-function.ts';

/** A range of bus addresses, `end` excluded. */
export interface AddressRange {
  readonly base: number;
  readonly end: number;
}

/** A function with a bus behind it. */
export interface BridgeFunction extends PciFunction {
  readonly secondary: PciBus;
  /** Buses behind it: [secondary, subordinate]; undefined while it has none. */
  busRange(): readonly [number, number];
  /** Addresses it passes on. */
  forwards(space: 'io' | 'memory'): readonly AddressRange[];
}

/** Where a bus hangs: at a bridge, or at the root. */
interface BusParent {
  number(): number;
  /** False: what is plugged there is not connected, or has no power. */
  isConnected(): boolean;
  /** INTx of a device of the bus, 1 = INTA. */
  intxChanged(device: number, pin: number): void;
  decodeChanged(): void;
}

export class PciBus {
  readonly functions = new Map<number, PciFunction>();
  /** The bus of a PCI Express port: one device. */
  readonly isExpress: boolean;
  readonly #parent: BusParent;
  #sorted: PciFunction[] = [];

  constructor(parent: BusParent, isExpress: boolean) {
    this.#parent = parent;
    this.isExpress = isExpress;
  }

  get number(): number {
    return this.#parent.number();
  }

  /** A place on the bus, for the constructor of the function that is going to be `plug`ged there. */
  slot(devfn: number): PciSlot {
    return {
      devfn,
      express: this.isExpress,
      requesterId: () => ((this.number & 0xff) << 8) | devfn,
      setIntx: (pin) => this.#parent.intxChanged(devfn >>> 3, pin),
      decodeChanged: () => this.#parent.decodeChanged(),
    };
  }

  /** The functions that answer, by rising device numbers. */
  connected(): readonly PciFunction[] {
    return this.#parent.isConnected() ? this.#sorted : [];
  }

  plug(fn: PciFunction): void {
    if (this.functions.has(fn.slot.devfn)) throw new Error(`${fn.id}: its PCI slot is taken`);
    this.functions.set(fn.slot.devfn, fn);
    this.#sorted = [...this.functions.values()].sort((a, b) => a.slot.devfn - b.slot.devfn);
    this.#parent.decodeChanged();
  }

  unplug(fn: PciFunction): void {
    if (this.functions.get(fn.slot.devfn) !== fn) throw new Error(`${fn.id} is not on this bus`);
    this.functions.delete(fn.slot.devfn);
    this.#sorted = this.#sorted.filter((other) => other !== fn);
    this.#parent.decodeChanged();
  }

  /** Everything plugged, connected or not. */
  get sorted(): readonly PciFunction[] {
    return this.#sorted;
  }

  /** The function that answers there. */
  at(devfn: number): PciFunction | undefined {
    return this.#parent.isConnected() ? this.functions.get(devfn) : undefined;
  }

  /** Level of an interrupt pin as it leaves the bus, `device` and `pin` swizzled to one of four wires. */
  intxLevel(wire: number): boolean {
    for (const fn of this.connected()) {
      const device = fn.slot.devfn >>> 3;
      if (fn.intx && swizzle(device, fn.intxPin) === wire) return true;
      if (isBridge(fn)) {
        // A bridge turns the wires of its secondary bus by its own device number.
        for (let below = 0; below < 4; below++) {
          if (swizzle(device, below + 1) === wire && fn.secondary.intxLevel(below)) return true;
        }
      }
    }
    return false;
  }
}

/** PCI-to-PCI Bridge 1.2, 9.1: pin 1–4 of a device becomes one of four wires, 0–3. */
export function swizzle(device: number, pin: number): number {
  return (pin - 1 + device) & 3;
}

function isBridge(fn: PciFunction): fn is BridgeFunction {
  return 'secondary' in fn;
}

/** A BAR, or the part of it that bridges let through, at its place. */
interface Mapping {
  readonly base: number;
  readonly end: number;
  /** Bus address of the BAR's beginning. */
  readonly origin: number;
  readonly fn: PciFunction;
  readonly index: number;
  readonly bar: Bar;
}

export interface PcieHostOptions {
  /** Bytes of the ECAM: 1 MiB per bus. */
  readonly ecamBytes: number;
  /** Addresses in the windows that no BAR answers read as all ones; otherwise they abort. */
  readonly unmappedReadsOnes: boolean;
  /** INTA–INTD of the root. */
  readonly lines: readonly [InterruptLine, InterruptLine, InterruptLine, InterruptLine];
}

const MAX_DEPTH = 256;
const WHOLE: readonly AddressRange[] = [{ base: 0, end: 2 ** 53 }];

/**
 * Generic PCI Express host (`pci-host-ecam-generic`): configuration space of every function in one window
 * (PCI Express 4.0, 7.2.2), and windows onto I/O and memory space that are decoded by the BARs. It has no
 * registers and no state of its own.
 */
export class PcieHost {
  readonly root: PciBus;
  readonly #options: PcieHostOptions;
  #mappings: { io: Mapping[]; memory: Mapping[] } | undefined;
  #last: Mapping | undefined;

  constructor(options: PcieHostOptions) {
    this.#options = options;
    this.root = new PciBus(
      {
        number: () => 0,
        isConnected: () => true,
        intxChanged: (device, pin) => this.#updateLine(swizzle(device, pin)),
        decodeChanged: () => this.decodeChanged(),
      },
      false,
    );
  }

  decodeChanged(): void {
    this.#mappings = undefined;
    this.#last = undefined;
  }

  #updateLine(wire: number): void {
    this.#options.lines[wire]!.set(this.root.intxLevel(wire));
  }

  /** Every function, root bus first, by rising device numbers. */
  functions(): PciFunction[] {
    const all: PciFunction[] = [];
    const visit = (bus: PciBus): void => {
      for (const fn of bus.sorted) {
        all.push(fn);
        if (isBridge(fn)) visit(fn.secondary);
      }
    };
    visit(this.root);
    return all;
  }

  /** The function a configuration access goes to, by the bus numbers the guest gave the bridges. */
  functionAt(bus: number, devfn: number): PciFunction | undefined {
    let at = this.root;
    if (bus === 0) return at.at(devfn);
    for (let depth = 0; depth < MAX_DEPTH; depth++) {
      let next: PciBus | undefined;
      for (const fn of at.connected()) {
        if (!isBridge(fn)) continue;
        const [first, last] = fn.busRange();
        if (first === 0 || bus < first || bus > last) continue;
        if (bus === first) return fn.secondary.at(devfn);
        next = fn.secondary;
        break;
      }
      if (next === undefined) return undefined;
      at = next;
    }
    return undefined;
  }

  /** The configuration window. */
  ecam(id: string): Device {
    const find = (offset: number): PciFunction | undefined =>
      offset < this.#options.ecamBytes
        ? this.functionAt(Math.floor(offset / 0x10_0000), (offset >>> 12) & 0xff)
        : undefined;
    return {
      ...stateless,
      id,
      registers: { device: 'pcie-ecam', reference: 'PCI Express 4.0 section 7.2.2', registers: [] },
      read: (offset, size) => find(offset)?.read(offset & 0xfff, size) ?? 2 ** (8 * size) - 1,
      write: (offset, size, value) => find(offset)?.write(offset & 0xfff, size, value),
      resolve: (offset) => {
        const fn = find(offset);
        return fn === undefined ? undefined : { device: fn.id, offset: offset & 0xfff };
      },
    };
  }

  /** A window onto I/O or memory space; its first byte is at bus address `busBase`. */
  window(id: string, space: 'io' | 'memory', busBase: number): Device {
    const ones = this.#options.unmappedReadsOnes;
    return {
      ...stateless,
      id,
      registers: { device: `pcie-${space}-window`, reference: 'virt board', registers: [] },
      accepts: (offset, size, isWrite) => {
        const mapping = this.#find(space, busBase + offset);
        if (mapping === undefined) return ones;
        return mapping.bar.accepts?.(busBase + offset - mapping.origin, size, isWrite) ?? true;
      },
      read: (offset, size) => {
        const mapping = this.#find(space, busBase + offset);
        if (mapping === undefined) return 2 ** (8 * size) - 1;
        return mapping.bar.read(busBase + offset - mapping.origin, size);
      },
      write: (offset, size, value) => {
        const mapping = this.#find(space, busBase + offset);
        mapping?.bar.write(busBase + offset - mapping.origin, size, value >>> 0);
      },
      resolve: (offset) => {
        const mapping = this.#find(space, busBase + offset);
        if (mapping === undefined) return undefined;
        return { device: barDevice(mapping.fn.id, mapping.index), offset: busBase + offset - mapping.origin };
      },
    };
  }

  #find(space: 'io' | 'memory', address: number): Mapping | undefined {
    const last = this.#last;
    if (last !== undefined && address >= last.base && address < last.end) {
      if ((last.bar.kind === 'io') === (space === 'io')) return last;
    }
    this.#mappings ??= { io: this.#collect('io'), memory: this.#collect('memory') };
    for (const mapping of this.#mappings[space]) {
      if (address < mapping.base || address >= mapping.end) continue;
      this.#last = mapping;
      return mapping;
    }
    return undefined;
  }

  /** What answers where, without overlaps: of two BARs at one address the lower function has it. */
  #collect(space: 'io' | 'memory'): Mapping[] {
    const mappings: Mapping[] = [];
    const visit = (bus: PciBus, ranges: readonly AddressRange[]): void => {
      for (const fn of bus.connected()) {
        fn.bars.forEach((bar, index) => {
          if (bar === undefined || (bar.kind === 'io') !== (space === 'io')) return;
          const origin = fn.barBase(index);
          if (origin === undefined) return;
          let free = intersect(ranges, [{ base: origin, end: origin + bar.size }]);
          for (const taken of mappings) free = subtract(free, taken);
          for (const { base, end } of free) mappings.push({ base, end, origin, fn, index, bar });
        });
        if (isBridge(fn)) visit(fn.secondary, intersect(ranges, fn.forwards(space)));
      }
    };
    visit(this.root, WHOLE);
    return mappings;
  }

  /** Register maps of every function and its windows, by the name they are observed under. */
  registerMaps(): { [device: string]: RegisterMap } {
    return Object.assign({}, ...this.functions().map((fn) => fn.registerMaps())) as {
      [device: string]: RegisterMap;
    };
  }
}

const stateless: Pick<Device, 'reset' | 'save' | 'load'> = {
  reset: () => {},
  save: () => ({}),
  load: () => {},
};

function intersect(some: readonly AddressRange[], others: readonly AddressRange[]): AddressRange[] {
  return some.flatMap((a) =>
    others.flatMap((b) => {
      const base = Math.max(a.base, b.base);
      const end = Math.min(a.end, b.end);
      return base < end ? [{ base, end }] : [];
    }),
  );
}

function subtract(ranges: readonly AddressRange[], taken: AddressRange): AddressRange[] {
  return ranges.flatMap(({ base, end }) => {
    if (taken.end <= base || taken.base >= end) return [{ base, end }];
    const rest: AddressRange[] = [];
    if (base < taken.base) rest.push({ base, end: taken.base });
    if (taken.end < end) rest.push({ base: taken.end, end });
    return rest;
  });
}
