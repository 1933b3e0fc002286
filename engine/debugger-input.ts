/**
 * What a debugger changes by hand: an input like any other, so that a recording with it replays exactly. It goes
 * by texts, which a trace can keep: `memory.0x40080000` (physical) and `cpu0.x5`, `cpu0.pc`, `cpu1.v3`,
 * `cpu0.SCTLR_EL1`; values are bytes, least significant first.
 */
import type { SysregDefinition } from './cpu/a64/sysreg-types.ts';
import { switchStack } from './cpu/exceptions.ts';
import * as L from './cpu/helpers/layout.ts';
import type { Machine } from './machine.ts';

/** The device under which these inputs are noted. */
export const DEBUGGER = 'debugger';

/** PSTATE bits kept beside NZCV, DAIF and the mode. */
const PSTATE_KEPT =
  (1 << 20) | (1 << 21) | (1 << 22) | (1 << 23) | (1 << 24) | (1 << 25) | (3 << 10) | (1 << 12);

/** What makes a change; undefined: there is no such place, or it cannot hold this. Nothing is changed yet. */
export function debuggerWrite(machine: Machine, what: string, data: Uint8Array): (() => void) | undefined {
  const memory = /^memory\.0x([0-9a-f]{1,13})$/.exec(what);
  if (memory !== null) {
    const address = Number.parseInt(memory[1]!, 16);
    if (data.length === 0 || !machine.memory.read(address, new Uint8Array(data.length))) return undefined;
    return () => {
      machine.memory.write(address, data);
    };
  }
  const register = /^cpu(\d{1,4})\.(\w{1,40})$/.exec(what);
  const cpu = Number(register?.[1]);
  if (register === null || cpu >= machine.cluster.states.length) return undefined;
  return registerWrite(machine, cpu, register[2]!, data);
}

function registerWrite(
  machine: Machine,
  cpu: number,
  name: string,
  data: Uint8Array,
): (() => void) | undefined {
  const { cluster } = machine;
  const s = cluster.states[cpu]!;
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  const vector = /^v(\d|[12]\d|3[01])$/.exec(name);
  if (vector !== null) {
    if (data.length !== 16) return undefined;
    return () => cluster.heap.u8.set(data, s.base + L.CPU_Q + Number(vector[1]) * 16);
  }
  if (name === 'cpsr' || name === 'fpsr' || name === 'fpcr') {
    if (data.length !== 4) return undefined;
    const value = view.getUint32(0, true);
    if (name === 'cpsr') return pstateWrite(machine, cpu, value);
    return () => s.setWord(name === 'fpsr' ? L.CPU_FPSR : L.CPU_FPCR, value);
  }
  if (data.length !== 8) return undefined;
  const value = view.getBigUint64(0, true);
  const general = /^x(\d|[12]\d|30)$/.exec(name);
  if (general !== null) return () => s.setX(Number(general[1]), value);
  if (name === 'sp') {
    return () => {
      s.sp = value;
    };
  }
  if (name === 'pc') {
    return () => {
      s.pc = value;
    };
  }
  for (const definition of cluster.table.registers())
    if (definition.name === name) return sysregWrite(machine, cpu, definition, value);
  return undefined;
}

/** A system register as it is kept, whatever the guest could write. Undefined: it is not kept as a value. */
function sysregWrite(
  machine: Machine,
  cpu: number,
  { slot, get, set }: SysregDefinition,
  value: bigint,
): (() => void) | undefined {
  if (slot === undefined || get !== undefined || set !== undefined) return undefined;
  return () => {
    machine.cluster.ports.sysregContext(cpu).slots.set(slot, value);
    machine.cluster.translationChanged(machine.cluster.states[cpu]!, false);
    machine.cluster.debug.changed(machine.cluster.states[cpu]!);
  };
}

/** PSTATE in the layout of SPSR_ELx. Undefined: there is no such exception level. */
function pstateWrite(machine: Machine, cpu: number, value: number): (() => void) | undefined {
  const el = (value >>> 2) & 3;
  if ((value & 0x12) !== 0 || el > machine.cpuConfig.highestEl) return undefined;
  return () => {
    const s = machine.cluster.states[cpu]!;
    s.nzcv = value >>> 28;
    s.daif = (value >>> 6) & 15;
    s.setWord(L.CPU_PSTATE, value & PSTATE_KEPT);
    switchStack(s, el, el === 0 ? 0 : value & 1);
    machine.cluster.contextChanged(s);
  };
}
