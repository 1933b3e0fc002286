/** What gdb is told about the CPU: register numbers, their description in XML, and their bytes. */
import type { SysregDefinition } from '../../engine/cpu/a64/sysreg-types.ts';
import type { Machine } from '../../engine/machine.ts';
import { readableSysregs, readFpcr, readFpsr, readSysreg, readV } from '../session/cpu-registers.ts';

/** Numbers as gdb's own aarch64-core.xml and aarch64-fpu.xml have them. */
const SP = 31;
const PC = 32;
const CPSR = 33;
const V0 = 34;
const FPSR = 66;
const FPCR = 67;
const FIRST_SYSTEM = 68;
/** Registers in a `g` packet: all but the system registers, which are read one by one when asked for. */
export const GENERAL_REGISTERS = FIRST_SYSTEM;

const CPSR_FLAGS = [
  ['SP', 0, 0],
  ['EL', 2, 3],
  ['nRW', 4, 4],
  ['F', 6, 6],
  ['I', 7, 7],
  ['A', 8, 8],
  ['D', 9, 9],
  ['BTYPE', 10, 11],
  ['SSBS', 12, 12],
  ['IL', 20, 20],
  ['SS', 21, 21],
  ['PAN', 22, 22],
  ['UAO', 23, 23],
  ['DIT', 24, 24],
  ['TCO', 25, 25],
  ['V', 28, 28],
  ['C', 29, 29],
  ['Z', 30, 30],
  ['N', 31, 31],
] as const;

const VECTORS = [
  ['v2d', 'ieee_double', 2],
  ['v2u', 'uint64', 2],
  ['v2i', 'int64', 2],
  ['v4f', 'ieee_single', 4],
  ['v4u', 'uint32', 4],
  ['v4i', 'int32', 4],
  ['v8f', 'ieee_half', 8],
  ['v8u', 'uint16', 8],
  ['v8i', 'int16', 8],
  ['v16u', 'uint8', 16],
  ['v16i', 'int8', 16],
  ['v1u', 'uint128', 1],
  ['v1i', 'int128', 1],
] as const;

/** Parts of a vector register, by element size, as gdb's own description groups them. */
const UNIONS = [
  ['vnd', ['f', 'v2d'], ['u', 'v2u'], ['s', 'v2i']],
  ['vns', ['f', 'v4f'], ['u', 'v4u'], ['s', 'v4i']],
  ['vnh', ['f', 'v8f'], ['u', 'v8u'], ['s', 'v8i']],
  ['vnb', ['u', 'v16u'], ['s', 'v16i']],
  ['vnq', ['u', 'v1u'], ['s', 'v1i']],
  ['aarch64v', ['d', 'vnd'], ['s', 'vns'], ['h', 'vnh'], ['b', 'vnb'], ['q', 'vnq']],
] as const;

export class GdbTarget {
  readonly xml: string;
  readonly #machine: Machine;
  readonly #sysregs: readonly SysregDefinition[];

  constructor(machine: Machine) {
    this.#machine = machine;
    this.#sysregs = readableSysregs(machine);
    this.xml = this.#describe();
  }

  get registers(): number {
    return FIRST_SYSTEM + this.#sysregs.length;
  }

  #describe(): string {
    const lines: string[] = [
      '<?xml version="1.0"?>',
      '<!DOCTYPE target SYSTEM "gdb-target.dtd">',
      '<target version="1.0">',
      '<architecture>aarch64</architecture>',
      '<feature name="org.gnu.gdb.aarch64.core">',
      '<flags id="cpsr_flags" size="4">',
      ...CPSR_FLAGS.map(([name, low, high]) => `<field name="${name}" start="${low}" end="${high}"/>`),
      '</flags>',
    ];
    const reg = (name: string, bits: number, number: number, rest = ''): string =>
      `<reg name="${name}" bitsize="${bits}" regnum="${number}"${rest}/>`;
    for (let i = 0; i < 31; i++) lines.push(reg(`x${i}`, 64, i));
    lines.push(reg('sp', 64, SP, ' type="data_ptr"'), reg('pc', 64, PC, ' type="code_ptr"'));
    lines.push(reg('cpsr', 32, CPSR, ' type="cpsr_flags"'), '</feature>');
    lines.push('<feature name="org.gnu.gdb.aarch64.fpu">');
    for (const [id, type, count] of VECTORS) {
      lines.push(`<vector id="${id}" type="${type}" count="${count}"/>`);
    }
    for (const [id, ...fields] of UNIONS) {
      lines.push(`<union id="${id}">`);
      for (const [name, type] of fields) lines.push(`<field name="${name}" type="${type}"/>`);
      lines.push('</union>');
    }
    for (let i = 0; i < 32; i++) lines.push(reg(`v${i}`, 128, V0 + i, ' type="aarch64v"'));
    lines.push(reg('fpsr', 32, FPSR), reg('fpcr', 32, FPCR), '</feature>');
    lines.push('<feature name="org.virtrace.aarch64.system">');
    // Lower case would clash: `sp_el0` is nothing that gdb knows, but `fpsr` is.
    const taken = new Set(['FPSR', 'FPCR']);
    this.#sysregs.forEach(({ name }, i) => {
      const shown = taken.has(name) ? `${name}_S` : name;
      lines.push(reg(shown, 64, FIRST_SYSTEM + i, ' group="system" save-restore="no"'));
    });
    lines.push('</feature>', '</target>', '');
    return lines.join('\n');
  }

  /** Bytes of a register, least significant first; undefined if there is none of this number. */
  read(cpu: number, register: number): Uint8Array | undefined {
    const s = this.#machine.cluster.states[cpu]!;
    if (register < SP) return long(s.x(register));
    if (register === SP) return long(s.sp);
    if (register === PC) return long(s.pc);
    if (register === CPSR) return word(s.spsr);
    if (register < FPSR) return readV(this.#machine, cpu, register - V0);
    if (register === FPSR) return word(readFpsr(s));
    if (register === FPCR) return word(readFpcr(s));
    const definition = this.#sysregs[register - FIRST_SYSTEM];
    return definition === undefined ? undefined : long(readSysreg(this.#machine, cpu, definition));
  }

  /** Size in bytes; 0 if there is no such register. */
  sizeOf(register: number): number {
    if (register < 0 || register >= this.registers) return 0;
    if (register === CPSR || register === FPSR || register === FPCR) return 4;
    return register >= V0 && register < FPSR ? 16 : 8;
  }

  /** As the engine's debugger input names it; undefined if there is none of this number. */
  nameOf(register: number): string | undefined {
    if (register < SP) return `x${register}`;
    if (register === SP) return 'sp';
    if (register === PC) return 'pc';
    if (register === CPSR) return 'cpsr';
    if (register < FPSR) return `v${register - V0}`;
    if (register === FPSR) return 'fpsr';
    if (register === FPCR) return 'fpcr';
    return this.#sysregs[register - FIRST_SYSTEM]?.name;
  }
}

function long(value: bigint): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt.asUintN(64, value), true);
  return bytes;
}

function word(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value >>> 0, true);
  return bytes;
}
