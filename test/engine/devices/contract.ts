/*
 * The contract every device passes, registered with one line:
 *
 *   deviceContract('pl031', (bench) => new Pl031({ ...bench.ports('rtc'), irq: bench.line('irq') }), { size: 0x1000 });
 *
 * `make` builds the device from fakes of its ports (bench.ts): bench.ports(id), bench.line(name),
 * bench.dma(), bench.input(), bench.memory(name, size). It is called many times and must do the same each time.
 *
 * What is checked:
 *   - the register map is well formed;
 *   - at power-on and after a reset the readable registers have the reset values of the map;
 *   - accesses of any offset, size and value, inputs and timers never throw and give values in range;
 *   - offsets without a register read zero, ignore writes and report a guest error;
 *   - writes to read-only registers change nothing;
 *   - save -> disturb -> load -> save is equal; save has no effect and gives plain data that does not change later;
 *   - load touches no port: lines, timers and memory are saved by their owners, in an order nobody knows;
 *   - a loaded device behaves from then on exactly as the one that was saved;
 *   - the same accesses give the same behaviour in two equal machines.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { AccessSource, Device, DeviceState } from '../../../engine/base/device.ts';
import { findRegister, type Register } from '../../../engine/base/register-map.ts';
import { hashBytes } from '../../../engine/base/state-hash.ts';
import type { AccessSize } from '../../../engine/base/units.ts';
import { Bench, type BenchWorld, busRead, busWrite } from './bench.ts';

export interface ContractOptions<D extends Device> {
  /** Bytes the device decodes: offsets are drawn below this. Default 0x1000. */
  readonly size?: number;
  /** CPUs that access it (default 1). */
  readonly cpus?: number;
  /** Who reads the reset values (default CPU 0, Non-secure). */
  readonly resetSource?: AccessSource;
  /**
   * What can come from outside between two instructions (a byte, a line): name -> action. `value` is any
   * unsigned 32-bit number.
   */
  readonly inputs?: { readonly [name: string]: (device: D, value: number, bench: Bench) => void };
  /** Values that mean something to the device (commands, keys) and that chance would not find. */
  readonly values?: readonly number[];
  /** Names of registers (as in the map) that `reset()` leaves alone, or that show something outside. */
  readonly survivesReset?: readonly string[];
  /** Names of read-only registers whose writes do something all the same. */
  readonly writableAnyway?: readonly string[];
  /** False for a device that defines every offset (a memory); then unknown offsets are not looked at. */
  readonly unknownOffsets?: boolean;
  /** Sequences tried per property (default 60). */
  readonly runs?: number;
}

type Step =
  | { readonly do: 'read'; readonly offset: number; readonly size: AccessSize; readonly source: AccessSource }
  | {
      readonly do: 'write';
      readonly offset: number;
      readonly size: AccessSize;
      readonly source: AccessSource;
      readonly value: bigint;
    }
  | { readonly do: 'input'; readonly name: string; readonly value: number }
  | { readonly do: 'poke'; readonly where: number; readonly value: number }
  | { readonly do: 'advance'; readonly duration: number };

interface Seat<D extends Device> {
  readonly bench: Bench;
  readonly device: D;
}

export function deviceContract<D extends Device>(
  name: string,
  make: (bench: Bench) => D,
  options: ContractOptions<D> = {},
): void {
  const size = options.size ?? 0x1000;
  const numRuns = options.runs ?? 60;
  const seat = (): Seat<D> => {
    const bench = new Bench();
    return { bench, device: make(bench) };
  };
  const { registers } = seat().device;
  const steps = (maxLength: number) =>
    // Without `size` the sequences would stay short, and deep states unvisited.
    fc.array(stepOf(registers.registers, size, options), { maxLength, size: 'max' });

  /** Does the steps; returns what could be seen of them. */
  function run(at: Seat<D>, list: readonly Step[]): string[] {
    const { bench, device } = at;
    bench.log.length = 0;
    for (const step of list) {
      switch (step.do) {
        case 'read': {
          const value = busRead(device, step.offset, step.size, step.source);
          if (value !== undefined) {
            const limit = step.size === 8 ? 1n << 64n : 1n << 32n;
            if (value < 0n || value >= limit) throw new Error(`read ${step.offset} gives ${value}`);
          }
          bench.log.push(`read ${step.offset}.${step.size} = ${value}`);
          break;
        }
        case 'write': {
          const done = busWrite(device, step.offset, step.size, step.value, step.source);
          bench.log.push(`write ${step.offset}.${step.size} ${step.value} ${done}`);
          break;
        }
        case 'input':
          bench.log.push(`input ${step.name} ${step.value}`);
          options.inputs![step.name]!(device, step.value, bench);
          break;
        case 'poke':
          bench.poke(step.where, step.value);
          break;
        case 'advance':
          bench.advance(device, step.duration);
          break;
      }
    }
    return [...bench.log];
  }

  describe(`device contract: ${name}`, () => {
    it('has a well-formed register map', () => {
      checkRegisterMap(registers.registers);
      expect(registers.device).not.toBe('');
      expect(registers.reference).not.toBe('');
    });

    it('has an id and the registers of the map at power-on', () => {
      expect(seat().device.id).not.toBe('');
      for (const register of registers.registers) expectResetValue(seat().device, register, options);
    });

    it('has the reset values of the map after a reset', () => {
      const survives = new Set(options.survivesReset ?? []);
      const checked = registers.registers.filter((r) => !survives.has(r.name));
      fc.assert(
        fc.property(steps(60), (list) => {
          const at = seat();
          run(at, list);
          at.device.reset();
          const state = at.device.save();
          at.device.reset();
          expect(at.device.save(), 'a second reset changes nothing').toStrictEqual(state);
          for (const register of checked) {
            at.device.load(state);
            expectResetValue(at.device, register, options);
          }
        }),
        { numRuns: Math.ceil(numRuns / 4) },
      );
    });

    it('never throws and behaves the same in two equal machines', () => {
      fc.assert(
        fc.property(steps(120), (list) => {
          const a = seat();
          const b = seat();
          expect(run(a, list)).toStrictEqual(run(b, list));
          expect(a.device.save()).toStrictEqual(b.device.save());
          expect(seen(a.bench.world())).toStrictEqual(seen(b.bench.world()));
        }),
        { numRuns },
      );
    });

    if (options.unknownOffsets !== false) {
      it('reads unknown offsets as zero, ignores writes, and reports both', () => {
        const { bench, device } = seat();
        const unknown = unknownWords(registers.registers, size);
        for (const offset of unknown) {
          const before = device.save();
          bench.log.length = 0;
          const value = busRead(device, offset, 4);
          if (value !== undefined) {
            expect(value, `offset 0x${offset.toString(16)}`).toBe(0n);
            expect(guestErrors(bench), `read of 0x${offset.toString(16)}`).toBe(1);
          }
          bench.log.length = 0;
          if (busWrite(device, offset, 4, 0xffffffffn)) {
            expect(guestErrors(bench), `write of 0x${offset.toString(16)}`).toBe(1);
          }
          expect(device.save(), `state after a write to 0x${offset.toString(16)}`).toStrictEqual(before);
        }
      });
    }

    it('ignores writes to read-only registers', () => {
      const anyway = new Set(options.writableAnyway ?? []);
      for (const register of registers.registers) {
        if (!['RO', 'RAZ/WI'].includes(register.access) || anyway.has(register.name)) continue;
        const { device } = seat();
        const before = device.save();
        for (const offset of offsetsOf(register)) busWrite(device, offset, register.width, ~0n);
        expect(device.save(), register.name).toStrictEqual(before);
      }
    });

    it('gives plain data that the device does not touch any more, and saving has no effect', () => {
      fc.assert(
        fc.property(steps(60), steps(60), (first, second) => {
          const at = seat();
          run(at, first);
          const world = at.bench.world();
          at.bench.log.length = 0;
          const state = at.device.save();
          expect(at.bench.log).toStrictEqual([]);
          expect(seen(at.bench.world())).toStrictEqual(seen(world));
          checkPlain(state, 'state');
          const copy = structuredClone(state);
          run(at, second);
          expect(state, 'changed after save').toStrictEqual(copy);
          at.device.load(state);
          run(at, second);
          expect(state, 'changed after load').toStrictEqual(copy);
        }),
        { numRuns },
      );
    });

    it('is as it was after save, disturb and load, and loading touches no port', () => {
      fc.assert(
        fc.property(steps(60), steps(60), (first, second) => {
          const at = seat();
          run(at, first);
          const world = at.bench.world();
          const state = at.device.save();
          run(at, second);
          at.bench.restoreWorld(world);
          at.bench.log.length = 0;
          at.device.load(state);
          expect(at.bench.log, 'load reached outside').toStrictEqual([]);
          expect(seen(at.bench.world()), 'load reached outside').toStrictEqual(seen(world));
          expect(at.device.save()).toStrictEqual(state);
        }),
        { numRuns },
      );
    });

    it('goes on after load exactly as the device that was saved', () => {
      fc.assert(
        fc.property(steps(60), steps(40), steps(60), (first, other, then) => {
          const a = seat();
          run(a, first);
          const world = a.bench.world();
          const state: DeviceState = structuredClone(a.device.save());
          const b = seat();
          run(b, other);
          b.bench.restoreWorld(world);
          b.device.load(state);
          expect(run(b, then)).toStrictEqual(run(a, then));
          expect(b.device.save()).toStrictEqual(a.device.save());
          expect(seen(b.bench.world())).toStrictEqual(seen(a.bench.world()));
        }),
        { numRuns },
      );
    });
  });
}

/** Throws unless names are unique, registers do not overlap, and fields and reset values fit. */
export function checkRegisterMap(registers: readonly Register[]): void {
  const names = new Set<string>();
  const taken = new Map<number, string>();
  for (const register of registers) {
    const { name, width } = register;
    expect(names.has(name), `${name} is there twice`).toBe(false);
    names.add(name);
    expect(name, 'a name').not.toBe('');
    if (register.count !== undefined) expect(register.count, `${name}: count`).toBeGreaterThan(0);
    expect(register.stride ?? width, `${name}: stride`).toBeGreaterThanOrEqual(width);
    expect(Number.isInteger(register.offset) && register.offset >= 0, `${name}: offset`).toBe(true);
    if (register.reset !== undefined) {
      const reset = BigInt(register.reset);
      expect(reset >= 0n && reset < 1n << BigInt(width * 8), `${name}: reset value fits`).toBe(true);
    }
    for (const offset of offsetsOf(register)) {
      for (let byte = offset; byte < offset + width; byte++) {
        expect(taken.get(byte), `${name} overlaps at 0x${byte.toString(16)}`).toBeUndefined();
        taken.set(byte, name);
      }
    }
    const fieldNames = new Set<string>();
    const fieldBits = new Set<number>();
    for (const field of register.fields ?? []) {
      const what = `${name}.${field.name}`;
      expect(fieldNames.has(field.name), `${what} is there twice`).toBe(false);
      fieldNames.add(field.name);
      expect(field.lo >= 0 && field.lo <= field.hi && field.hi < width * 8, `${what}: bits`).toBe(true);
      for (let position = field.lo; position <= field.hi; position++) {
        expect(fieldBits.has(position), `${what} overlaps at bit ${position}`).toBe(false);
        fieldBits.add(position);
      }
      for (const value of Object.keys(field.values ?? {})) {
        expect(Number(value) < 2 ** (field.hi - field.lo + 1), `${what}: value ${value} fits`).toBe(true);
      }
    }
  }
}

function expectResetValue<D extends Device>(
  device: D,
  register: Register,
  options: ContractOptions<D>,
): void {
  if (register.access === 'WO') return;
  const raz = register.access === 'RAZ' || register.access === 'RAZ/WI';
  const expected = register.reset ?? (raz ? 0 : undefined);
  if (expected === undefined) return;
  const all = offsetsOf(register);
  // Of long arrays a sample and the last: a GIC has thousands of equal registers.
  const step = Math.max(1, Math.floor(all.length / 64));
  all.forEach((offset, index) => {
    if (index % step !== 0 && index !== all.length - 1) return;
    const value = busRead(device, offset, register.width, options.resetSource);
    if (value === undefined) return;
    const bits = BigInt.asUintN(register.width * 8, value);
    expect(bits, `reset value of ${register.name}[${index}]`).toBe(BigInt(expected));
  });
}

function offsetsOf(register: Register): number[] {
  const stride = register.stride ?? register.width;
  return Array.from({ length: register.count ?? 1 }, (_, index) => register.offset + index * stride);
}

/** Word offsets of which no byte belongs to a register; a sample of at most some hundred. */
function unknownWords(registers: readonly Register[], size: number): number[] {
  const map = { device: '', reference: '', registers };
  const words: number[] = [];
  const wanted = 512;
  const hole = (offset: number) =>
    [0, 1, 2, 3].every((byte) => findRegister(map, offset + byte) === undefined);
  // Next to registers is where mistakes are; the rest is sampled evenly.
  for (const register of registers) {
    const all = offsetsOf(register);
    for (const edge of [all[0]! - 4, all.at(-1)! + register.width]) {
      const offset = edge & ~3;
      if (offset >= 0 && offset + 4 <= size && hole(offset)) words.push(offset);
    }
  }
  const step = Math.max(4, Math.floor(size / wanted) & ~3);
  for (let offset = 0; offset + 4 <= size; offset += step) if (hole(offset)) words.push(offset);
  return [...new Set(words)];
}

/** A world for comparison: hashes in place of memories, which may be large. */
function seen(world: BenchWorld): unknown {
  return { ...world, memories: world.memories.map(([name, bytes]) => [name, hashBytes(bytes)]) };
}

function guestErrors(bench: Bench): number {
  return bench.log.filter((line) => line.startsWith('guest-error')).length;
}

/** Throws unless the value is made of what `StateValue` allows. */
function checkPlain(value: unknown, path: string): void {
  if (value === null || ['number', 'string', 'boolean', 'bigint'].includes(typeof value)) return;
  if (value instanceof Uint8Array) return;
  if (Array.isArray(value)) {
    value.forEach((item, index) => {
      checkPlain(item, `${path}[${index}]`);
    });
    return;
  }
  if (typeof value === 'object' && Object.getPrototypeOf(value) === Object.prototype) {
    for (const [key, item] of Object.entries(value)) checkPlain(item, `${path}.${key}`);
    return;
  }
  throw new Error(`${path} is not plain data: ${String(value)}`);
}

function stepOf<D extends Device>(
  registers: readonly Register[],
  size: number,
  options: ContractOptions<D>,
): fc.Arbitrary<Step> {
  const accessSize = fc.constantFrom<AccessSize>(4, 4, 4, 1, 2, 8);
  const anyOffset = fc.integer({ min: 0, max: size - 1 });
  const registerOffset = fc
    .tuple(fc.nat(Math.max(0, registers.length - 1)), fc.nat(), fc.constantFrom(0, 0, 0, 0, 0, 1, 2, 3))
    .map(([which, index, byte]) => {
      const register = registers[which];
      if (register === undefined) return 0;
      const stride = register.stride ?? register.width;
      return register.offset + (index % (register.count ?? 1)) * stride + (byte % register.width);
    });
  const offset = fc.oneof(
    { weight: 6, arbitrary: registerOffset },
    { weight: 1, arbitrary: anyOffset },
    { weight: 1, arbitrary: anyOffset.map((value) => value & ~7) },
  );
  const word = fc.oneof(
    fc.constantFrom(0, 1, 0xffffffff),
    fc.nat(31).map((n) => 2 ** n),
    fc.nat(0xffff),
    fc.integer({ min: 0, max: 0xffffffff }),
    ...(options.values === undefined ? [] : [fc.constantFrom(...options.values)]),
  );
  const value = fc.tuple(word, word).map(([low, high]) => BigInt(low) | (BigInt(high) << 32n));
  const source = fc.record({ cpu: fc.nat((options.cpus ?? 1) - 1), secure: fc.boolean() });
  // The bus never makes an access that leaves the region, nor an unaligned one (the CPU splits those).
  const place = fc
    .tuple(offset, accessSize)
    .map(([at, bytes]) => ({ offset: Math.min(at - (at % bytes), size - bytes), size: bytes }))
    .filter((access) => access.offset >= 0);
  const inputs = Object.keys(options.inputs ?? {});
  const all: fc.WeightedArbitrary<Step>[] = [
    {
      weight: 6,
      arbitrary: fc.tuple(place, source).map(([at, from]) => ({ do: 'read', ...at, source: from })),
    },
    {
      weight: 9,
      arbitrary: fc
        .tuple(place, source, value)
        .map(([at, from, bits]) => ({ do: 'write', ...at, source: from, value: bits })),
    },
    {
      weight: 2,
      arbitrary: fc
        .oneof(
          fc.nat(1000),
          fc.nat(1e9),
          fc.nat(2 ** 31 - 1).map((n) => n * 1000),
        )
        .map((duration) => ({ do: 'advance', duration })),
    },
    {
      weight: 1,
      arbitrary: fc.tuple(fc.nat(0x1ffff), word).map(([where, bits]) => ({ do: 'poke', where, value: bits })),
    },
  ];
  if (inputs.length > 0) {
    all.push({
      weight: 4,
      arbitrary: fc
        .tuple(fc.constantFrom(...inputs), word)
        .map(([input, bits]) => ({ do: 'input', name: input, value: bits })),
    });
  }
  return fc.oneof(...all);
}
