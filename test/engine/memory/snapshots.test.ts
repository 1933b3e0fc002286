import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { MachineState } from '../../../engine/machine.ts';
import type { MemorySnapshot } from '../../../engine/memory/snapshots.ts';
import { goTo, snapshotsOf, stormMachine } from '../debug/storm.ts';

const PAGE = 4096;
const RAM = 0x4000_0000;
/** Pages that storm does not use. */
const FIRST = RAM + (16 << 20);
const PAGES = 24;

type Step =
  | { readonly kind: 'write'; readonly at: number; readonly bytes: Uint8Array }
  | { readonly kind: 'flash'; readonly at: number; readonly bytes: Uint8Array }
  | { readonly kind: 'mode'; readonly readArray: boolean }
  | { readonly kind: 'take' }
  | { readonly kind: 'restore'; readonly which: number }
  | { readonly kind: 'release'; readonly which: number }
  | { readonly kind: 'hash' };

const bytes = fc.oneof(
  fc.uint8Array({ minLength: 1, maxLength: 24 }),
  fc.constant(new Uint8Array(16)),
  fc.uint8Array({ minLength: PAGE, maxLength: PAGE + 8 }),
);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant('write' as const), at: fc.nat(PAGES * PAGE - PAGE - 9), bytes }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('flash' as const), at: fc.nat(4 * PAGE), bytes }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('mode' as const), readArray: fc.boolean() }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('take' as const) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('restore' as const), which: fc.nat(100) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('release' as const), which: fc.nat(100) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('hash' as const) }) },
);

/** Memory as a plain array, copied whole for every snapshot. */
interface Model {
  ram: Uint8Array;
  flash: Uint8Array;
}

describe('snapshots of memory', () => {
  test('any order of writes, takings, restorings and releasings gives what whole copies give', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const machine = stormMachine();
        const snapshots = snapshotsOf(machine);
        const bank = machine.flash[1]!;
        let now: Model = { ram: new Uint8Array(PAGES * PAGE), flash: new Uint8Array(6 * PAGE) };
        const kept: { snapshot: MemorySnapshot; model: Model; hash: string; mode: boolean }[] = [];
        let mode = true;
        const copy = ({ ram, flash }: Model): Model => ({ ram: ram.slice(), flash: flash.slice() });
        for (const s of steps) {
          switch (s.kind) {
            case 'write':
              expect(machine.memory.write(FIRST + s.at, s.bytes)).toBe(true);
              now.ram.set(s.bytes, s.at);
              break;
            case 'flash':
              bank.write(s.at, s.bytes);
              now.flash.set(s.bytes, s.at);
              break;
            case 'mode':
              bank.setReadArray(s.readArray);
              mode = s.readArray;
              break;
            case 'take':
              kept.push({ snapshot: snapshots.take(), model: copy(now), hash: machine.memory.hash(), mode });
              break;
            case 'restore': {
              if (kept.length === 0) break;
              const target = kept[s.which % kept.length]!;
              snapshots.restore(target.snapshot);
              bank.setReadArray(target.mode);
              mode = target.mode;
              now = copy(target.model);
              expect(machine.memory.hash()).toBe(target.hash);
              break;
            }
            case 'release':
              if (kept.length > 0) snapshots.release(kept.splice(s.which % kept.length, 1)[0]!.snapshot);
              break;
            case 'hash':
              machine.memory.hash();
          }
        }
        const ram = new Uint8Array(PAGES * PAGE);
        machine.memory.read(FIRST, ram);
        expect(Buffer.compare(ram, now.ram)).toBe(0);
        const flash = new Uint8Array(6 * PAGE);
        bank.read(0, flash);
        expect(Buffer.compare(flash, now.flash)).toBe(0);
        for (const { snapshot } of kept) snapshots.release(snapshot);
        expect(snapshots.bytes).toBe(0);
      }),
      { numRuns: 60 },
    );
  });

  test('a hash says the same whether memory was touched and is zero again, or never touched', () => {
    const machine = stormMachine();
    const snapshots = snapshotsOf(machine);
    const before = machine.memory.hash();
    const snapshot = snapshots.take();
    machine.memory.write(FIRST, new Uint8Array(3 * PAGE).fill(5));
    expect(machine.memory.hash()).not.toBe(before);
    snapshots.restore(snapshot);
    expect(machine.memory.hash()).toBe(before);
  });

  test('flash contents count in the hash also while they are not mapped', () => {
    const machine = stormMachine();
    const bank = machine.flash[1]!;
    bank.write(0, Uint8Array.of(1, 2, 3));
    const before = machine.memory.hash();
    bank.setReadArray(false);
    expect(machine.memory.hash()).toBe(before);
    bank.write(0, Uint8Array.of(9));
    const changed = machine.memory.hash();
    expect(changed).not.toBe(before);
    bank.setReadArray(true);
    expect(machine.memory.hash()).toBe(changed);
  });
});

describe.each([
  { name: 'interpreted', extra: { tier: 'interpreted' as const } },
  { name: 'compiled', extra: { tier: 'compiled' as const } },
  { name: 'blocks of one instruction', extra: { tier: 'interpreted' as const, blockLimit: 1 } },
])('checkpoints of a running guest, $name', ({ extra }) => {
  test('jumping about gives the state of a straight run at every position', () => {
    const straight = stormMachine({ tier: 'interpreted' });
    const positions = Array.from({ length: 40 }, (_, i) => Math.floor((i * 7_919_003) % 9_000_000)).sort(
      (a, b) => a - b,
    );
    const expected = positions.map((position) => {
      goTo(straight, position);
      return straight.hash().all;
    });
    const machine = stormMachine(extra);
    const snapshots = snapshotsOf(machine);
    const kept: { position: number; memory: MemorySnapshot; state: MachineState }[] = [];
    for (let position = 0; position < 9_000_000; position += 700_001) {
      goTo(machine, position);
      kept.push({ position, memory: snapshots.take(), state: machine.save() });
    }
    let seed = 1;
    for (let i = 0; i < 60; i++) {
      seed = (seed * 48271) % 0x7fffffff;
      const which = seed % positions.length;
      const position = positions[which]!;
      // Any earlier checkpoint will do, not only the nearest.
      const before = kept.filter((each) => each.position <= position);
      const from = before[(seed >>> 8) % before.length]!;
      snapshots.restore(from.memory);
      machine.load(from.state);
      goTo(machine, position);
      expect(machine.hash().all).toBe(expected[which]);
    }
  }, 60_000);
});
