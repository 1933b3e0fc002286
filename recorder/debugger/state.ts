/** Commands that look at a CPU: registers, memory, code, stack, translation. */

import { decodeFields } from '../../engine/base/register-map.ts';
import { readableSysregs, readSysreg, readV } from '../session/cpu-registers.ts';
import { readVirtual, translateVirtual } from '../session/guest-view.ts';
import { registersView, stackView } from '../session/machine-views.ts';
import { walkPages } from '../session/page-walk.ts';
import { type Answer, atOnce, DebugError, hex, type Json, table } from './answer.ts';
import type { Command } from './command.ts';
import type { MachineView } from './machine-view.ts';
import { hint } from './nearest.ts';
import { needCpu, places } from './stops.ts';
import { addressOf, countOf, words } from './words.ts';

const GENERAL = [...Array.from({ length: 31 }, (_, i) => `x${i}`), 'sp', 'pc'];

const regs: Command<MachineView> = {
  name: 'regs',
  aliases: ['r', 'registers'],
  usage: '[NAME...|v|all]',
  help: 'general registers and flags of the CPU; `v`: the vector registers',
  run: (debug, rest) =>
    atOnce(() => {
      const { cpu, machine } = debug;
      const view = registersView(machine, cpu);
      const values = new Map<string, string>();
      for (const [i, value] of view.x.entries()) values.set(`x${i}`, value);
      values.set('sp', view.sp).set('pc', view.pc);
      const vectors = new Map<string, string>();
      for (let i = 0; i < 32; i++) {
        const bytes = readV(machine, cpu, i);
        vectors.set(
          `v${i}`,
          `0x${[...bytes]
            .reverse()
            .map((b) => b.toString(16).padStart(2, '0'))
            .join('')}`,
        );
      }
      vectors.set('fpsr', view.fpsr).set('fpcr', view.fpcr);
      const asked = words(rest).map((word) => word.toLowerCase().replace(/^\$/, ''));
      const every = new Map([...values, ['pstate', view.pstate], ...vectors] as [string, string][]);
      const alias: { readonly [name: string]: string } = { lr: 'x30', fp: 'x29', cpsr: 'pstate' };
      if (asked.length > 0 && asked[0] !== 'v' && asked[0] !== 'all') {
        const chosen = asked.map((name) => {
          const value = every.get(alias[name] ?? name);
          if (value === undefined)
            throw new DebugError(
              `${name}: no such register${hint(name, every.keys())}; sysregs has the others`,
            );
          return [name, value] as const;
        });
        return {
          data: { cpu, registers: Object.fromEntries(chosen) },
          text: chosen.map(([name, value]) => `${name} ${named(debug, name, value)}`).join('\n'),
        };
      }
      const flags = view.flags.map(({ name, value }) => `${name}=${value}`).join(' ');
      const lines: string[] = [];
      if (asked[0] !== 'v') {
        for (let row = 0; row < 8; row++) {
          const cells = [0, 8, 16, 24]
            .map((column) => GENERAL[row + column])
            .filter((name) => name !== undefined)
            .map((name) => `${name.padEnd(3)} ${values.get(name)!}`);
          lines.push(cells.join('  '));
        }
        lines.push(`pc  ${named(debug, 'pc', view.pc)}`, `pstate ${view.pstate}  ${flags}`);
      }
      if (asked.length > 0) for (const [name, value] of vectors) lines.push(`${name.padEnd(4)} ${value}`);
      const shown =
        asked[0] === 'v'
          ? vectors
          : asked[0] === 'all'
            ? every
            : new Map([...values, ['pstate', view.pstate]]);
      return {
        data: {
          cpu,
          registers: Object.fromEntries(shown),
          flags: Object.fromEntries(view.flags.map(({ name, value }) => [name, value])),
        },
        text: lines.join('\n'),
      };
    }),
  complete: () => [...GENERAL, 'pstate', 'v', 'all'],
};

function named(debug: MachineView, name: string, value: string): string {
  const symbol = name.startsWith('v') ? undefined : debug.symbolOf(BigInt(value));
  return symbol === undefined ? value : `${value} <${symbol}>`;
}

const MAX_SYSREGS = 600;

const sysregs: Command<MachineView> = {
  name: 'sysregs',
  aliases: ['sr', 'sysreg'],
  usage: '[NAME|PATTERN...]',
  help: 'system registers of the CPU, e.g. `sysregs TTBR* SCTLR_EL1`',
  run: (debug, rest) =>
    atOnce(() => {
      const { machine, cpu } = debug;
      const every = readableSysregs(machine);
      const patterns = words(rest);
      const chosen = new Set<(typeof every)[number]>();
      for (const pattern of patterns) {
        const wanted = matcher(pattern);
        const found = every.filter(({ name }) => wanted.test(name));
        if (found.length === 0) {
          throw new DebugError(
            `${pattern}: no such system register${hint(
              pattern,
              every.map(({ name }) => name),
            )}`,
          );
        }
        for (const each of found) chosen.add(each);
      }
      const list = patterns.length === 0 ? every : [...chosen];
      const rows = list.slice(0, MAX_SYSREGS).map((definition) => {
        const value = readSysreg(machine, cpu, definition);
        return { name: definition.name, value: hex(value), fields: fieldsOf(debug, definition.name, value) };
      });
      return {
        data: {
          cpu,
          registers: rows.map(({ name, value, fields }) => ({
            name,
            value,
            ...(fields === '' ? {} : { fields }),
          })),
        },
        text: table(rows.map(({ name, value, fields }) => [name, value, fields])),
      };
    }),
  complete: (debug) => readableSysregs(debug.machine).map(({ name }) => name),
};

function matcher(pattern: string): RegExp {
  const source = pattern.replace(/[^\w*]/g, '').replaceAll('*', '.*');
  return new RegExp(`^${source}$`, 'i');
}

/** Fields of the registers that traces decode, too: timer, interrupt controller, PMU. */
export function fieldsOf(debug: MachineView, name: string, value: bigint): string {
  for (const device of ['gic-cpu', 'timer', 'pmu']) {
    const register = debug.map(device)?.registers.find((each) => each.name === name);
    if (register !== undefined) return fieldText(decodeFields(register, value));
  }
  return '';
}

export function fieldText(
  fields: readonly { readonly name: string; readonly value: bigint; readonly text?: string }[],
): string {
  return fields
    .filter((field) => field.value !== 0n || field.text !== undefined)
    .map((field) => `${field.name}=${field.text ?? (field.value < 10n ? field.value : hex(field.value))}`)
    .join(' ');
}

const cpuCommand: Command<MachineView> = {
  name: 'cpu',
  usage: '[N]',
  help: 'choose the CPU that commands look at; without a number: list them',
  run: (debug, rest) =>
    atOnce(() => {
      const [text, ...more] = words(rest);
      if (text === undefined) return cpus(debug);
      if (!/^\d+$/.test(text) || more.length > 0)
        throw new DebugError(`cpu ${rest.trim()}: allowed is a number`);
      needCpu(debug, Number(text));
      debug.choose(Number(text));
      const { data, text: where } = debug.where();
      return { data, text: where };
    }),
};

function cpus(debug: MachineView): Answer {
  const { machine } = debug;
  const { cluster } = machine;
  const rows = cluster.states.map((s, cpu) => {
    const wait = cluster.wait[cpu]!;
    const state = cluster.power[cpu] !== 'on' ? 'off' : wait === 'none' ? 'running' : `waits (${wait})`;
    return { cpu, state, el: s.el, pc: s.pc, retired: machine.retired(cpu) };
  });
  return {
    data: {
      chosen: debug.cpu,
      next: machine.currentCpu,
      cpus: rows.map((row) => ({ ...row, pc: hex(row.pc) })),
    },
    text: table(
      rows.map(({ cpu, state, el, pc, retired }) => [
        `${cpu === debug.cpu ? '*' : ' '} cpu${cpu}`,
        state,
        `EL${el}`,
        `${retired} instructions`,
        debug.addressText(pc),
      ]),
    ),
  };
}

const print: Command<MachineView> = {
  name: 'print',
  aliases: ['p', 'symbol'],
  usage: 'ADDRESS',
  help: 'the value of a number, symbol, $register, sum of these, or *ADDRESS',
  run: (debug, rest) =>
    atOnce(() => {
      const value = addressOf(debug, rest.replace(/\s+/g, ''));
      const symbol = debug.symbolOf(value);
      return {
        data: { value: hex(value), ...(symbol === undefined ? {} : { symbol }) },
        text: `${debug.addressText(value)}  ${value}`,
      };
    }),
  complete: (debug, list) => places(debug, list.at(-1) ?? ''),
};

const MAX_BACKTRACE = 64;

const bt: Command<MachineView> = {
  name: 'bt',
  aliases: ['backtrace', 'where'],
  usage: '[COUNT]',
  help: 'who called: by frame pointers (AAPCS64)',
  run: (debug, rest) =>
    atOnce(() => {
      const limit = words(rest).length === 0 ? MAX_BACKTRACE : (countOf(rest.trim()) ?? 0);
      if (limit < 1) throw new DebugError(`bt ${rest.trim()}: allowed is a whole number from 1`);
      const { frames } = stackView(debug.machine, debug.cpu, (pc) => debug.symbols.at(pc)?.address);
      const rows = frames.slice(0, limit).map(({ pc, fp }, i) => {
        // A return address is behind the call, which may be the last thing in its function.
        const address = BigInt(pc);
        const symbol = debug.symbolOf(i === 0 ? address : address - 4n);
        const name = i === 0 || symbol === undefined ? symbol : (debug.symbolOf(address) ?? symbol);
        return { frame: i, pc, fp, ...(name === undefined ? {} : { symbol: name }) };
      });
      return {
        data: { cpu: debug.cpu, frames: rows },
        text: rows
          .map(({ frame, pc, symbol }) => `#${frame} ${pc}${symbol === undefined ? '' : ` ${symbol}`}`)
          .join('\n'),
      };
    }),
};

const mmu: Command<MachineView> = {
  name: 'mmu',
  aliases: ['walk'],
  usage: 'ADDRESS',
  help: 'the page-table walk for an address, level by level',
  run: (debug, rest) =>
    atOnce(() => {
      const address = addressOf(debug, rest.trim());
      const view = walkPages(debug.machine, debug.cpu, address);
      const physical = translateVirtual(debug.machine, debug.cpu, address);
      const lines = [`${debug.addressText(address)}: ${view.facts.join(', ')}`];
      for (const { level, table: base, index, address: at, descriptor, kind, fields } of view.steps) {
        lines.push(
          `  level ${level}: table ${base}, entry ${index} at ${at}: ${descriptor === '' ? '' : `${descriptor} `}${kind}${fields.length === 0 ? '' : ` (${fields.join(', ')})`}`,
        );
      }
      lines.push(
        `  ${view.result}${view.physical === undefined ? '' : ` Physical address ${view.physical}.`}`,
      );
      const { facts, steps, result } = view;
      return {
        data: {
          address: hex(address),
          facts,
          steps: steps as unknown as Json,
          result,
          ...(view.physical === undefined ? {} : { physical: view.physical }),
          mapped: physical !== undefined,
        },
        text: lines.join('\n'),
      };
    }),
  complete: (debug, list) => places(debug, list.at(-1) ?? ''),
};

const MAX_LINES = 4096;

const disas: Command<MachineView> = {
  name: 'disas',
  aliases: ['disassemble', 'u'],
  usage: '[ADDRESS] [COUNT]',
  help: 'instructions: of the function around an address, or COUNT from there on',
  repeats: true,
  run: (debug, rest) =>
    atOnce(() => {
      const [first, second, ...more] = words(rest);
      if (more.length > 0)
        throw new DebugError(`disas: '${more.join(' ')}' is too much; allowed is [ADDRESS] [COUNT]`);
      const address = first === undefined ? debug.state.pc : addressOf(debug, first);
      let from = address & ~3n;
      let count = second === undefined ? undefined : countOf(second);
      if (second !== undefined && (count === undefined || count < 1 || count > MAX_LINES)) {
        throw new DebugError(`disas ${first} ${second}: allowed are 1 to ${MAX_LINES} instructions`);
      }
      if (count === undefined) {
        const symbol = debug.symbols.at(address);
        const size = symbol === undefined ? undefined : debug.symbols.symbol(symbol.name)?.size;
        if (symbol !== undefined && size !== undefined && size >= 4n && size <= 1024n) {
          from = symbol.address & ~3n;
          count = Number(size / 4n);
        } else {
          count = 20;
          if (first === undefined) from = BigInt.asUintN(64, from - 16n);
        }
      }
      const rows: { address: string; word: string; text: string; next: boolean }[] = [];
      const { pc } = debug.state;
      for (let i = 0; i < count; i++) {
        const at = BigInt.asUintN(64, from + BigInt(4 * i));
        const code = debug.instruction(at);
        if (code === undefined) continue;
        rows.push({
          address: hex(at),
          word: code.word.toString(16).padStart(8, '0'),
          text: code.text,
          next: at === pc,
        });
      }
      if (rows.length === 0) throw new DebugError(`disas: nothing is mapped at ${hex(from)}`);
      const lines: string[] = [];
      let name: string | undefined;
      for (const row of rows) {
        const symbol = debug.symbols.at(BigInt(row.address));
        if (symbol !== undefined && symbol.name !== name) lines.push(`${symbol.name}:`);
        name = symbol?.name;
        lines.push(`${row.next ? '=>' : '  '} ${row.address}  ${row.word}  ${withSymbol(debug, row.text)}`);
      }
      return { data: { instructions: rows }, text: lines.join('\n') };
    }),
  complete: (debug, list) => places(debug, list.at(-1) ?? ''),
};

/** Names the target of a branch. */
export function withSymbol(debug: MachineView, text: string): string {
  const match = /^(?:b|bl|b\.\w+|cbn?z|tbn?z|adr|adrp)\b.*?#?(0x[0-9a-f]+)$/.exec(text);
  const symbol = match === null ? undefined : debug.symbolOf(BigInt(match[1]!));
  return symbol === undefined ? text : `${text} <${symbol}>`;
}

const symbolsCommand: Command<MachineView> = {
  name: 'symbols',
  aliases: ['symbol-file', 'file'],
  usage: '[FILE [OFFSET]]',
  help: 'load symbols: ELF (vmlinux), System.map or /proc/kallsyms; OFFSET moves them (KASLR)',
  run: (debug, rest) =>
    atOnce(() => {
      const [path, offset, ...more] = words(rest);
      if (path === undefined)
        return { data: { symbols: debug.symbols.size }, text: `${debug.symbols.size} symbols` };
      const match = offset === undefined ? null : /^([+-]?)(0x[0-9a-f]{1,16}|\d{1,20})$/i.exec(offset);
      if (more.length > 0 || (offset !== undefined && match === null))
        throw new DebugError(`symbols ${rest.trim()}: allowed is symbols FILE [OFFSET]`);
      const delta = match === null ? 0n : BigInt(match[2]!) * (match[1] === '-' ? -1n : 1n);
      debug.addSymbols(path, debug.host.readFile(path), delta);
      return { data: { symbols: debug.symbols.size }, text: `${debug.symbols.size} symbols` };
    }),
};

/** Bytes of memory for `x`, as far as they can be read. */
export function readMemory(
  debug: MachineView,
  address: bigint,
  length: number,
  isPhysical: boolean,
): Uint8Array {
  const bytes = new Uint8Array(length);
  if (!isPhysical) return bytes.subarray(0, readVirtual(debug.machine, debug.cpu, address, bytes));
  let done = 0;
  while (done < length) {
    // A page at a time: the next one may be none of memory.
    const at = address + BigInt(done);
    const count = Math.min(4096 - Number(at & 4095n), length - done);
    if (at >= 1n << 52n || !debug.machine.memory.read(Number(at), bytes.subarray(done, done + count))) break;
    done += count;
  }
  return bytes.subarray(0, done);
}

export const STATE: readonly Command<MachineView>[] = [
  regs,
  sysregs,
  cpuCommand,
  print,
  disas,
  bt,
  mmu,
  symbolsCommand,
];
