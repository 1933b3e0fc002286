/** A CPU's registers as a debugger reads them, without any effect. Writing is engine/debugger-input.ts. */
import type { SysregContext, SysregDefinition } from '../../engine/cpu/a64/sysreg-types.ts';
import type { CpuState } from '../../engine/cpu/cpu-state.ts';
import * as L from '../../engine/cpu/helpers/layout.ts';
import type { Machine } from '../../engine/machine.ts';

/** Reading these changes something: an interrupt is acknowledged, a random number is used up. */
const READING_ACTS = /^(ICC_IAR[01]_EL1|ICC_NMIAR1_EL1|RNDR|RNDRRS)$/;
/** System registers that can be looked at, by name, in the order of the tables. */
export function readableSysregs(machine: Machine): SysregDefinition[] {
  return [...machine.cluster.table.registers()].filter(
    (definition) => definition.read !== undefined && !READING_ACTS.test(definition.name),
  );
}

/** The context of a CPU, at least at EL1: a debugger is not bound by the level that the guest is at. */
function contextOf(machine: Machine, cpu: number): SysregContext {
  const context = machine.cluster.ports.sysregContext(cpu);
  return Object.create(context, { el: { value: () => Math.max(1, context.el()) } }) as SysregContext;
}

/** Value of a system register. */
export function readSysreg(machine: Machine, cpu: number, definition: SysregDefinition): bigint {
  const { constant, get, slot, special, key } = definition;
  const context = contextOf(machine, cpu);
  const { config } = machine.cluster.table;
  if (special !== undefined) {
    // The stack pointer in use is kept elsewhere.
    const s = machine.cluster.states[cpu]!;
    if (special === 'SP_EL0' && s.spsel === 0) return s.sp;
    return context.readSpecial(special);
  }
  const value = typeof constant === 'function' ? constant(config, context.el() as 1 | 2 | 3) : constant;
  if (value !== undefined) return value;
  if (get !== undefined) {
    // The PMU brings its counters up to date when it is read, which is another state that means the same.
    const { heap, states } = machine.cluster;
    const start = states[cpu]!.base + L.CPU_SYSREGS;
    const kept = heap.u8.slice(start, start + L.CPU_SYSREGS_MAX * 8);
    const got = BigInt.asUintN(64, get(context, config, key));
    heap.u8.set(kept, start);
    return got;
  }
  return slot === undefined ? 0n : context.slots.get(slot);
}

export function readV(machine: Machine, cpu: number, index: number): Uint8Array {
  const at = machine.cluster.states[cpu]!.base + L.CPU_Q + index * 16;
  return machine.cluster.heap.u8.slice(at, at + 16);
}

export function readFpsr(s: CpuState): number {
  return s.word(L.CPU_FPSR);
}
export function readFpcr(s: CpuState): number {
  return s.word(L.CPU_FPCR);
}
