import type {
  AccessSource,
  Device,
  DeviceInput,
  DevicePorts,
  DmaPort,
  InterruptLine,
} from '../../../engine/base/device.ts';
import type { AccessSize, Ns } from '../../../engine/base/units.ts';

/** One thing that left the device, in order; what two equal machines must have in common. */
export type BenchEvent = string;

interface BenchTimer {
  readonly device: string;
  readonly kind: string;
  readonly deadline: Ns;
  readonly order: number;
}

/** Everything of the bench that is outside the device: what the rest of a machine would have saved. */
export interface BenchWorld {
  readonly time: Ns;
  readonly order: number;
  readonly timers: readonly BenchTimer[];
  readonly lines: readonly [string, boolean][];
  readonly memories: readonly [string, Uint8Array][];
  readonly entropyState: number;
}

const anyCpu: AccessSource = { cpu: 0, secure: false };

/**
 * A machine with room for one device: fakes of all ports, virtual time, and a log of what the device did.
 * Ports are made by name while the device is constructed, so that two benches set up by the same function
 * have the same ports and a world can be moved from one to the other.
 */
export class Bench {
  /** Everything seen so far. Tests may clear it (`log.length = 0`). */
  readonly log: BenchEvent[] = [];
  time: Ns = 0;
  readonly #lines = new Map<string, boolean>();
  readonly #memories = new Map<string, Uint8Array>();
  #timers: BenchTimer[] = [];
  #order = 0;
  #entropyState = 0x2545f491;

  /** The common ports of a device with this id. */
  ports(id: string): DevicePorts {
    return {
      id,
      timers: {
        now: () => this.time,
        schedule: (kind, deadline) => {
          if (Number.isNaN(deadline)) throw new Error(`timer ${kind}: the deadline is not a number`);
          this.#timers = this.#timers.filter((t) => t.device !== id || t.kind !== kind);
          if (deadline === Number.POSITIVE_INFINITY) return;
          this.#timers.push({ device: id, kind, deadline, order: this.#order++ });
        },
        cancel: (kind) => {
          this.#timers = this.#timers.filter((t) => t.device !== id || t.kind !== kind);
        },
      },
      observer: {
        guestError: (offset, message) => void this.log.push(`guest-error ${id}+${offset}: ${message}`),
        output: (bytes) => void this.log.push(`output ${id}: ${[...bytes].join(' ')}`),
        note: (kind, fields) => void this.log.push(`note ${id} ${kind} ${JSON.stringify(fields)}`),
      },
    };
  }

  /** A wire; changes of its level are logged. */
  line(name: string): InterruptLine {
    this.#lines.set(name, false);
    return {
      set: (level) => {
        if (typeof level !== 'boolean') throw new Error(`line ${name}: level ${String(level)}`);
        if (this.#lines.get(name) === level) return;
        this.#lines.set(name, level);
        this.log.push(`line ${name} ${level ? 'high' : 'low'}`);
      },
    };
  }

  /** The level of a wire made by `line`. */
  level(name: string): boolean {
    return this.#lines.get(name) ?? false;
  }

  /** Memory outside the device, filled by `fill`. The same array at every call with this name. */
  memory(name: string, size: number, fill = 0): Uint8Array {
    let memory = this.#memories.get(name);
    if (memory === undefined) {
      memory = new Uint8Array(size).fill(fill);
      this.#memories.set(name, memory);
    }
    return memory;
  }

  /** Guest memory of `size` bytes at `base`, as a bus master sees it; writes are logged. */
  dma(base = 0, size = 0x10000): DmaPort {
    const memory = this.memory('dma', size);
    const inside = (address: number, length: number) => address >= base && address + length <= base + size;
    return {
      read: (address, into) => {
        if (!inside(address, into.length)) return false;
        into.set(memory.subarray(address - base, address - base + into.length));
        return true;
      },
      write: (address, from) => {
        if (!inside(address, from.length)) return false;
        memory.set(from, address - base);
        this.log.push(`dma ${address}: ${[...from].join(' ')}`);
        return true;
      },
    };
  }

  /** Values from outside the machine: a fixed pseudo-random sequence that is part of the world. */
  input(): DeviceInput {
    return {
      entropy: (length) => {
        const bytes = new Uint8Array(length);
        for (let i = 0; i < length; i++) {
          this.#entropyState = (Math.imul(this.#entropyState, 1664525) + 1013904223) >>> 0;
          bytes[i] = this.#entropyState >>> 24;
        }
        return bytes;
      },
    };
  }

  /** Writes a little-endian word into every memory made so far, at an offset derived from `where`. */
  poke(where: number, value: number): void {
    for (const memory of this.#memories.values()) {
      for (let i = 0; i < 4; i++) memory[(where + i) % memory.length] = (value >>> (8 * i)) & 0xff;
    }
  }

  /** Lets virtual time pass and delivers the timers that come due, in order. */
  advance(device: Device, duration: Ns): void {
    const end = this.time + duration;
    for (let fired = 0; ; fired++) {
      if (fired > 10_000) throw new Error('a timer is armed again and again without virtual time passing');
      const next = this.pendingTimers()[0];
      if (next === undefined || next.deadline > end) break;
      this.#timers = this.#timers.filter((t) => t !== next);
      this.time = Math.max(this.time, next.deadline);
      this.log.push(`timer ${next.kind} at ${this.time}`);
      device.timer?.(next.kind);
    }
    this.time = end;
  }

  /** Armed timers, the next one first. */
  pendingTimers(): readonly BenchTimer[] {
    return [...this.#timers].sort((a, b) => a.deadline - b.deadline || a.order - b.order);
  }

  world(): BenchWorld {
    return {
      time: this.time,
      order: this.#order,
      timers: this.pendingTimers(),
      lines: [...this.#lines],
      memories: [...this.#memories].map(([name, bytes]) => [name, bytes.slice()]),
      entropyState: this.#entropyState,
    };
  }

  restoreWorld(world: BenchWorld): void {
    this.time = world.time;
    this.#order = world.order;
    this.#timers = [...world.timers];
    for (const [name, level] of world.lines) this.#lines.set(name, level);
    for (const [name, bytes] of world.memories) this.memory(name, bytes.length).set(bytes);
    this.#entropyState = world.entropyState;
  }
}

/** Reads as the bus does: nothing if the device refuses, two words for eight bytes without `read64`. */
export function busRead(
  device: Device,
  offset: number,
  size: AccessSize,
  source: AccessSource = anyCpu,
): bigint | undefined {
  if (device.accepts !== undefined && !device.accepts(offset, size, false)) return undefined;
  if (size !== 8) return BigInt(device.read(offset, size, source));
  if (device.read64 !== undefined) return device.read64(offset, source);
  const low = BigInt(device.read(offset, 4, source));
  return low | (BigInt(device.read(offset + 4, 4, source)) << 32n);
}

/** Writes as the bus does. False: the device refuses. */
export function busWrite(
  device: Device,
  offset: number,
  size: AccessSize,
  value: bigint,
  source: AccessSource = anyCpu,
): boolean {
  if (device.accepts !== undefined && !device.accepts(offset, size, true)) return false;
  const bits = BigInt.asUintN(size * 8, value);
  if (size !== 8) device.write(offset, size, Number(bits), source);
  else if (device.write64 !== undefined) device.write64(offset, bits, source);
  else {
    device.write(offset, 4, Number(bits & 0xffffffffn), source);
    device.write(offset + 4, 4, Number(bits >> 32n), source);
  }
  return true;
}
