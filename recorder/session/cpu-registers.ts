/** A CPU's registers as a debugger reads and writes them, without any effect of the reading. */
import type { SysregContext, SysregDefinition } from '../../engine/cpu/a64/sysreg-types.ts';
import type { CpuState } from '../../engine/cpu/cpu-state.ts';
import { switchStack } from '../../engine/cpu/exceptions.ts';
import * as L from '../../engine/cpu/helpers/layout.ts';
import type { Machine } from '../../engine/machine.ts';

/** Reading these changes something: an interrupt is acknowledged, a random number is used up. */
const READING_ACTS = /^(ICC_IAR[01]_EL1|ICC_NMIAR1_EL1|RNDR|RNDRRS)$/;
/** PSTATE bits kept beside NZCV, DAIF and the mode. */
const PSTATE_KEPT =
  (1 << 20) | (1 << 21) | (1 << 22) | (1 << 23) | (1 << 24) | (1 << 25) | (3 << 10) | (1 << 12);

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

/**
 * Changes a system register as it is kept, whatever the guest could write. False: it is not kept as a value.
 * To be called in `Timeline.change`.
 */
export function writeSysreg(
  machine: Machine,
  cpu: number,
  definition: SysregDefinition,
  value: bigint,
): boolean {
  const { slot, get, set } = definition;
  if (slot === undefined || get !== undefined || set !== undefined) return false;
  machine.cluster.ports.sysregContext(cpu).slots.set(slot, BigInt.asUintN(64, value));
  machine.cluster.translationChanged(machine.cluster.states[cpu]!, false);
  return true;
}

export function readV(machine: Machine, cpu: number, index: number): Uint8Array {
  const at = machine.cluster.states[cpu]!.base + L.CPU_Q + index * 16;
  return machine.cluster.heap.u8.slice(at, at + 16);
}

export function writeV(machine: Machine, cpu: number, index: number, bytes: Uint8Array): void {
  machine.cluster.heap.u8.set(
    bytes.subarray(0, 16),
    machine.cluster.states[cpu]!.base + L.CPU_Q + index * 16,
  );
}

export function readFpsr(s: CpuState): number {
  return s.word(L.CPU_FPSR);
}
export function readFpcr(s: CpuState): number {
  return s.word(L.CPU_FPCR);
}
export function writeFpsr(s: CpuState, value: number): void {
  s.setWord(L.CPU_FPSR, value);
}
export function writeFpcr(s: CpuState, value: number): void {
  s.setWord(L.CPU_FPCR, value);
}

/** Sets PSTATE from the layout of SPSR_ELx. False: there is no such exception level. */
export function writePstate(machine: Machine, cpu: number, value: number): boolean {
  const s = machine.cluster.states[cpu]!;
  const el = (value >>> 2) & 3;
  if ((value & 0x12) !== 0 || el > machine.cpuConfig.highestEl) return false;
  s.nzcv = value >>> 28;
  s.daif = (value >>> 6) & 15;
  s.setWord(L.CPU_PSTATE, value & PSTATE_KEPT);
  switchStack(s, el, el === 0 ? 0 : value & 1);
  machine.cluster.contextChanged(s);
  return true;
}
