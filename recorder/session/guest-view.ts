/** Guest memory as a debugger sees it: by virtual or physical address, without any effect on the machine. */
import { G_WALK_PA } from '../../engine/cpu/helpers/heap-layout.ts';
import type { Machine } from '../../engine/machine.ts';

const PAGE = 4096;
const READ = 0;

/**
 * Physical address behind a virtual one, for a CPU as it stands. What its exception level may not touch is
 * translated as for EL1 or EL0: a debugger looks at everything. Undefined: not mapped.
 */
export function translateVirtual(machine: Machine, cpu: number, address: bigint): number | undefined {
  const { cluster } = machine;
  const s = cluster.states[cpu]!;
  for (const el of new Set([s.el, Math.max(1, s.el), 0])) {
    if (cluster.helpers.translate(s.base, address, el, READ) === 0) {
      return Number(cluster.heap.u64[G_WALK_PA >>> 3]!);
    }
  }
  return undefined;
}

/** Reads bytes; returns how many could be read before one is not mapped memory. */
export function readVirtual(machine: Machine, cpu: number, address: bigint, into: Uint8Array): number {
  return byPage(machine, cpu, address, into.length, (physical, from, to) =>
    machine.memory.read(physical, into.subarray(from, to)),
  );
}

/** Writes bytes; returns how many could be written. */
export function writeVirtual(machine: Machine, cpu: number, address: bigint, from: Uint8Array): number {
  return byPage(machine, cpu, address, from.length, (physical, start, end) =>
    machine.memory.write(physical, from.subarray(start, end)),
  );
}

function byPage(
  machine: Machine,
  cpu: number,
  address: bigint,
  length: number,
  use: (physical: number, from: number, to: number) => boolean,
): number {
  for (let done = 0; done < length; ) {
    const at = BigInt.asUintN(64, address + BigInt(done));
    const count = Math.min(PAGE - Number(at & 4095n), length - done);
    const physical = translateVirtual(machine, cpu, at);
    if (physical === undefined || !use(physical, done, done + count)) return done;
    done += count;
  }
  return length;
}
