import { describe, expect, test } from 'vitest';
import type { Machine } from '../../../engine/machine.ts';
import { goTo, stormMachine } from './storm.ts';

const LENGTH = 300_000;

/** PC before every instruction, by stepping one at a time. */
function walk(cpus = 1): string[] {
  const machine = stormMachine({ tier: 'interpreted' }, cpus);
  const pcs: string[] = [];
  for (let position = 0; position < LENGTH; position++) {
    goTo(machine, position);
    pcs.push(`${machine.currentCpu}:${machine.cluster.states[machine.currentCpu]!.pc.toString(16)}`);
  }
  return pcs;
}

/** Runs with breakpoints as a debugger does: on from one by one instruction with everything disarmed. */
function hits(machine: Machine, addresses: readonly bigint[], until: number): number[] {
  const { cluster } = machine;
  cluster.breakpoints.set(addresses.map((address) => ({ address })));
  const found: number[] = [];
  goTo(machine, 0);
  const here = (): boolean =>
    cluster.breakpoints.stopsAt(cluster.states[machine.currentCpu]!.pc, machine.currentCpu);
  if (here()) found.push(0);
  while (machine.position < until) {
    cluster.armed = false;
    goTo(machine, machine.position + 1);
    cluster.armed = true;
    if (machine.position < until && here()) {
      found.push(machine.position);
      continue;
    }
    const stop = machine.run(until);
    if (stop.reason === 'stopped') found.push(machine.position);
    else machine.settle();
  }
  return found;
}

describe.each([
  { name: 'interpreted', extra: { tier: 'interpreted' as const } },
  { name: 'compiled', extra: { tier: 'compiled' as const } },
])('breakpoints, $name', ({ extra }) => {
  const pcs = walk();

  test('stop at exactly the positions that stepping through shows, and leave no trace in the state', () => {
    const seen = new Map<string, number>();
    for (const pc of pcs) seen.set(pc, (seen.get(pc) ?? 0) + 1);
    // Rare ones and common ones, neighbours too.
    const all = [...seen]
      .sort((a, b) => a[1] - b[1] || (a[0] < b[0] ? -1 : 1))
      .filter(([, count]) => count < 400);
    const rare = all.filter((_, i) => i % Math.ceil(all.length / 40) < 2).map(([pc]) => pc);
    // Instructions that follow each other, of which some end a block.
    const chosen = [...rare, ...pcs.slice(1000, 1020), ...pcs.slice(200_000, 200_006)];
    const machine = stormMachine(extra);
    const found = hits(
      machine,
      chosen.map((pc) => BigInt(`0x${pc.split(':')[1]}`)),
      LENGTH,
    );
    const set = new Set(chosen);
    expect(found).toEqual(pcs.flatMap((pc, i) => (set.has(pc) ? [i] : [])));
    const plain = stormMachine(extra);
    goTo(plain, LENGTH);
    expect(machine.hash()).toEqual(plain.hash());
  });

  test('cleared breakpoints stop nothing any more', () => {
    const machine = stormMachine(extra);
    const address = BigInt(`0x${pcs[1000]!.split(':')[1]}`);
    machine.cluster.breakpoints.set([{ address }]);
    expect(machine.run(LENGTH).reason).toBe('stopped');
    machine.cluster.breakpoints.set([]);
    expect(machine.run(LENGTH).reason).toBe('limit');
  });

  test('a breakpoint of another CPU does not stop', () => {
    const machine = stormMachine(extra);
    const address = BigInt(`0x${pcs[1000]!.split(':')[1]}`);
    machine.cluster.breakpoints.set([{ address, cpu: 3 }]);
    expect(machine.run(LENGTH).reason).toBe('limit');
  });
});

describe.each([
  { name: 'interpreted', extra: { tier: 'interpreted' as const } },
  { name: 'compiled', extra: { tier: 'compiled' as const } },
])('watched ranges, $name', ({ extra }) => {
  /** Positions at which a word of memory changes, by stepping. */
  function changes(address: number): number[] {
    const machine = stormMachine({ tier: 'interpreted' });
    const bytes = new Uint8Array(8);
    const word = (): bigint => {
      machine.memory.read(address, bytes);
      return new DataView(bytes.buffer).getBigUint64(0, true);
    };
    let before = word();
    const found: number[] = [];
    for (let position = 1; position <= LENGTH; position++) {
      goTo(machine, position);
      const now = word();
      if (now !== before) found.push(position - 1);
      before = now;
    }
    return found;
  }

  test.each([
    ['a counter', 0x4010_c510, true],
    ['the stack', 0x4010_7fc0, true],
    ['the same by physical address', 0x4010_7fc0, false],
  ])('%s: every change is preceded by a stop at that instruction', (_name, address, virtual) => {
    const machine = stormMachine(extra);
    const { cluster } = machine;
    cluster.setWatches([
      { first: BigInt(address), last: BigInt(address + 7), virtual, read: false, write: true },
    ]);
    const stops: number[] = [];
    machine.onWatch = ({ isWrite, virtual: va, bytes }) => {
      expect(isWrite).toBe(true);
      expect(va <= BigInt(address + 7) && va + BigInt(bytes) > BigInt(address)).toBe(true);
      return true;
    };
    for (;;) {
      const stop = machine.run(LENGTH);
      if (stop.reason !== 'stopped') break;
      stops.push(machine.position);
      cluster.armed = false;
      goTo(machine, machine.position + 1);
      cluster.armed = true;
    }
    const found = changes(address);
    expect(found.length).toBeGreaterThan(0);
    for (const position of found) expect(stops).toContain(position);
    machine.settle();
    const plain = stormMachine(extra);
    goTo(plain, LENGTH);
    expect(machine.hash()).toEqual(plain.hash());
  });

  test('reads are seen too, and only with a read watch', () => {
    const count = (read: boolean): number => {
      const machine = stormMachine(extra);
      machine.cluster.setWatches([
        { first: 0x4010_7fc0n, last: 0x4010_7fc7n, virtual: true, read, write: !read },
      ]);
      let reads = 0;
      machine.onWatch = ({ isWrite }) => {
        if (!isWrite) reads += 1;
        return false;
      };
      machine.run(LENGTH);
      return reads;
    };
    expect(count(true)).toBeGreaterThan(0);
    expect(count(false)).toBe(0);
  });
});
