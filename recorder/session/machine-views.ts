/** The machine as of a moment, in pieces that a page or a terminal can show. Nothing here changes the machine. */

import type { Device } from '../../engine/base/device.ts';
import { decodeFields, type Register, type RegisterMap } from '../../engine/base/register-map.ts';
import { disassemble } from '../../engine/cpu/a64/disasm.ts';
import * as L from '../../engine/cpu/helpers/layout.ts';
import type { Machine } from '../../engine/machine.ts';
import { readVirtual } from './guest-view.ts';
import { inertBoard } from './register-maps.ts';
import type {
  CodeRow,
  CodeView,
  DeviceRow,
  DeviceView,
  GicView,
  MemoryView,
  RegistersView,
  StackView,
  SystemRegisterView,
} from './view-types.ts';

const hex = (value: bigint | number): string => `0x${value.toString(16)}`;
const hex64 = (value: bigint): string => `0x${value.toString(16).padStart(16, '0')}`;

export function registersView(machine: Machine, cpu: number): RegistersView {
  const s = machine.cluster.states[cpu]!;
  const { nzcv, daif, el, spsel } = s;
  const bit = (value: number, position: number): string => String((value >> position) & 1);
  const v = Array.from({ length: 32 }, (_, n) => {
    const [low, high] = [s.long(L.CPU_Q + 16 * n), s.long(L.CPU_Q + 16 * n + 8)];
    return `0x${((high << 64n) | low).toString(16).padStart(32, '0')}`;
  });
  return {
    x: Array.from({ length: 31 }, (_, n) => hex64(s.x(n))),
    sp: hex64(s.sp),
    pc: hex64(s.pc),
    pstate: hex(s.spsr),
    flags: [
      { name: 'EL', value: String(el), meaning: 'exception level' },
      { name: 'SP', value: spsel === 0 ? 'SP_EL0' : `SP_EL${el}`, meaning: 'stack pointer in use' },
      { name: 'N', value: bit(nzcv, 3), meaning: 'negative' },
      { name: 'Z', value: bit(nzcv, 2), meaning: 'zero' },
      { name: 'C', value: bit(nzcv, 1), meaning: 'carry' },
      { name: 'V', value: bit(nzcv, 0), meaning: 'overflow' },
      { name: 'D', value: bit(daif, 3), meaning: 'debug exceptions masked' },
      { name: 'A', value: bit(daif, 2), meaning: 'SError masked' },
      { name: 'I', value: bit(daif, 1), meaning: 'IRQ masked' },
      { name: 'F', value: bit(daif, 0), meaning: 'FIQ masked' },
    ],
    v,
    fpcr: hex(s.word(L.CPU_FPCR)),
    fpsr: hex(s.word(L.CPU_FPSR)),
  };
}

const GROUPS: readonly (readonly [RegExp, string])[] = [
  [/^(SCTLR|TTBR|TCR|MAIR|AMAIR|VBAR|CPACR|CONTEXTIDR|PAR|ACTLR)/, 'translation and control'],
  [/^(ESR|FAR|ELR|SPSR|AFSR|SP_EL|HPFAR|DISR|VDISR|VSESR)/, 'exceptions'],
  [/^(CNT)/, 'timers'],
  [/^(TPIDR)/, 'threads'],
  [/^(PM)/, 'performance monitors'],
  [/^(ICC|ICH|ICV)/, 'interrupt controller'],
  [/^(DBG|MDSCR|MDCCINT|OSLAR|OSDLR|OSLSR|MDRAR|OSDTR|OSECCR)/, 'debug'],
  [/^(HCR|VTTBR|VTCR|HSTR|CPTR|MDCR|SCR|HACR|VPIDR|VMPIDR|HAFGRTR|HDFG|HFG)/, 'hypervisor and monitor'],
  [/^(ID_|MIDR|MPIDR|REVIDR|AIDR|CTR|DCZID|CLIDR|CCSIDR|CSSELR|MVFR)/, 'identification'],
];

/** Registers that are stored or constant. What a read could change (ICC_IAR1_EL1) is in the GIC's view. */
export function systemRegisters(machine: Machine, cpu: number): SystemRegisterView[] {
  const s = machine.cluster.states[cpu]!;
  const { table, config } = machine.cluster;
  const rows: SystemRegisterView[] = [];
  for (const { name, slot, constant } of table.registers()) {
    let value: bigint | undefined;
    if (slot !== undefined) value = s.sysreg(slot);
    else if (constant !== undefined) value = typeof constant === 'function' ? constant(config, 1) : constant;
    if (value === undefined) continue;
    const group = GROUPS.find(([pattern]) => pattern.test(name))?.[1] ?? 'others';
    rows.push({ group, name, value: hex(value) });
  }
  const rank = (group: string): number => {
    const index = GROUPS.findIndex(([, name]) => name === group);
    return index < 0 ? GROUPS.length : index;
  };
  return rows.sort(
    (a, b) => rank(a.group) - rank(b.group) || a.name.localeCompare(b.name, 'en', { numeric: true }),
  );
}

/** Instructions around an address. */
export function codeView(
  machine: Machine,
  cpu: number,
  center: bigint,
  before: number,
  after: number,
): CodeView {
  const s = machine.cluster.states[cpu]!;
  const { pc } = s;
  const rows: CodeRow[] = [];
  const bytes = new Uint8Array(4);
  const start = (center & ~3n) - BigInt(4 * before);
  for (let i = 0; i < before + after; i++) {
    const address = BigInt.asUintN(64, start + BigInt(4 * i));
    if (readVirtual(machine, cpu, address, bytes) < 4) continue;
    const word = new DataView(bytes.buffer).getUint32(0, true);
    rows.push({
      address: hex(address),
      word: word.toString(16).padStart(8, '0'),
      text: disassemble(word, address).text,
      isNext: address === pc,
    });
  }
  return rows.length > 0 ? { rows } : { rows, problem: `nothing is mapped at ${hex(center)}` };
}

export function memoryView(
  machine: Machine,
  cpu: number,
  address: bigint,
  length: number,
  space: 'virtual' | 'physical',
): MemoryView {
  const bytes = new Uint8Array(length);
  let readable = 0;
  if (space === 'virtual') readable = readVirtual(machine, cpu, address, bytes);
  else {
    const line = new Uint8Array(16);
    while (readable < length && machine.memory.read(Number(address) + readable, line)) {
      bytes.set(line.subarray(0, Math.min(16, length - readable)), readable);
      readable += 16;
    }
  }
  return { address: hex(address), space, bytes, readable: Math.min(readable, length) };
}

const MAX_FRAMES = 64;

/** `stp x29, x30, [sp, ...]!` or without the exclamation mark: a function makes its frame (AAPCS64, 6.4.6). */
const isFramePush = (word: number): boolean =>
  (word & 0xffc0_7fff) >>> 0 === 0xa980_7bfd || (word & 0xffc0_7fff) >>> 0 === 0xa900_7bfd;
const MAX_PROLOGUE = 64;

/** Whether a function that begins at `start` has made its frame before it came to `pc`. */
function hasFrame(machine: Machine, cpu: number, start: bigint, pc: bigint): boolean {
  const count = Math.min(MAX_PROLOGUE, Number(BigInt.asUintN(32, pc - start) >> 2n));
  const bytes = new Uint8Array(4 * count);
  if (readVirtual(machine, cpu, start, bytes) < bytes.length) return false;
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < count; i++) if (isFramePush(view.getUint32(4 * i, true))) return true;
  return false;
}

/** @param functionAt start of the function around an address, where symbols tell */
export function stackView(
  machine: Machine,
  cpu: number,
  functionAt: (pc: bigint) => bigint | undefined = () => undefined,
): StackView {
  const s = machine.cluster.states[cpu]!;
  const frames = [{ pc: hex(s.pc), fp: hex(s.x(29)) }];
  // The link register is the caller of a function that has no frame of its own yet.
  const start = functionAt(s.pc);
  if (s.x(30) !== 0n && (start === undefined || !hasFrame(machine, cpu, start, s.pc))) {
    frames.push({ pc: hex(s.x(30)), fp: 'x30' });
  }
  const pair = new Uint8Array(16);
  let fp = s.x(29);
  for (let i = 0; i < MAX_FRAMES && fp !== 0n && (fp & 7n) === 0n; i++) {
    if (readVirtual(machine, cpu, fp, pair) < 16) break;
    const view = new DataView(pair.buffer);
    const [next, pc] = [view.getBigUint64(0, true), view.getBigUint64(8, true)];
    if (pc === 0n) break;
    if (hex(pc) !== frames.at(-1)!.pc) frames.push({ pc: hex(pc), fp: hex(fp) });
    // A chain goes up; anything else is no chain.
    if (next <= fp) break;
    fp = next;
  }
  const words: { address: string; value: string }[] = [];
  const bytes = new Uint8Array(8);
  for (let i = 0; i < 32; i++) {
    const address = BigInt.asUintN(64, s.sp + BigInt(8 * i));
    if (readVirtual(machine, cpu, address, bytes) < 8) break;
    words.push({ address: hex(address), value: hex64(new DataView(bytes.buffer).getBigUint64(0, true)) });
  }
  return { frames, sp: hex(s.sp), words };
}

export function gicView(machine: Machine, cpu: number, all: boolean): GicView {
  const { irq, fiq, priorityMask, runningPriority, interrupts } = machine.board.gic.inspect(cpu);
  const shown = interrupts.filter((row) => all || row.enabled || row.pending || row.active || row.line);
  return {
    cpu,
    irq,
    fiq,
    priorityMask: hex(priorityMask),
    runningPriority: runningPriority === 0x100 ? 'idle' : hex(runningPriority),
    rows: shown.map((row) => ({
      intid: row.intid,
      state: [row.enabled ? 'enabled' : 'disabled', row.pending ? 'pending' : '', row.active ? 'active' : '']
        .filter((word) => word !== '')
        .join(', '),
      priority: hex(row.priority),
      group: row.group,
      trigger: row.trigger,
      line: row.line,
      targets: row.route ?? row.targets.join(' '),
      ...(row.heldBack === undefined ? {} : { heldBack: row.heldBack }),
    })),
  };
}

const MAX_ROWS = 600;

/**
 * Registers of a device. Reading a register can change a device (a FIFO, an acknowledge), so the reads go to a
 * copy: a board of its own, into which the device's state is loaded.
 */
export function deviceView(machine: Machine, id: string): DeviceView {
  const original = machine.device(id);
  if (original === undefined)
    return { device: id, rows: [], reference: '', problem: `there is no device ${id}` };
  const { time } = machine;
  const board = inertBoard(machine.config, () => time);
  // PCI functions have no place of their own: their configuration space is shown.
  const devices = [...board.placed.map(({ device }) => device), ...board.unplaced];
  const copy = devices.find((device) => device.id === id);
  const map = original.registers;
  const reference = map.reference;
  if (copy === undefined) {
    return { device: id, rows: [], reference, problem: `the registers of ${id} cannot be shown here` };
  }
  try {
    // Faces of one controller share their state, which the first of them keeps.
    for (const device of devices) {
      const from = machine.device(device.id);
      if (from !== undefined && (device === copy || sharesState(device.id, id))) device.load(from.save());
    }
    const rows = readAll(copy, map);
    if (rows.length === 0)
      return { device: id, rows, reference, problem: `${id} has no register that says anything now` };
    return { device: id, rows, reference };
  } catch (error) {
    return { device: id, rows: [], reference, problem: (error as Error).message };
  }
}

function sharesState(a: string, b: string): boolean {
  return a.startsWith('gic') && b.startsWith('gic');
}

function readAll(device: Device, map: RegisterMap): DeviceRow[] {
  const rows: DeviceRow[] = [];
  for (const register of map.registers) {
    if (register.access === 'WO') continue;
    const count = register.count ?? 1;
    const stride = register.stride ?? register.width;
    for (let i = 0; i < count && rows.length < MAX_ROWS; i++) {
      const offset = register.offset + i * stride;
      const value = readRegister(device, register, offset);
      // Of a long row of registers, those that are zero say nothing.
      if (count > 8 && value === 0n) continue;
      const fields = decodeFields(register, value)
        .filter((field) => field.value !== 0n || field.text !== undefined)
        .map(
          (field) => `${field.name}=${field.text ?? (field.value < 10n ? field.value : hex(field.value))}`,
        );
      rows.push({
        name: register.count === undefined ? register.name : `${register.name}${i}`,
        offset: `+${hex(offset)}`,
        value: hex(value),
        fields: fields.join(' '),
        meaning: register.meaning ?? '',
      });
    }
  }
  return rows;
}

function readRegister(device: Device, { width }: Register, offset: number): bigint {
  const source = { cpu: 0, secure: false };
  if (width === 8) {
    if (device.read64 !== undefined) return device.read64(offset, source);
    const low = BigInt(device.read(offset, 4, source) >>> 0);
    return (BigInt(device.read(offset + 4, 4, source) >>> 0) << 32n) | low;
  }
  return BigInt(device.read(offset, width, source) >>> 0);
}
