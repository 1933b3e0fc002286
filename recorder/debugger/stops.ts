/** Commands about what the machine shall stop for. */

import { BREAKPOINT_HELP, parseBreakpoint } from '../session/breakpoint-text.ts';
import type { Condition, WatchKind } from '../session/conditions.ts';
import { describeCondition } from '../session/conditions.ts';
import { type Answer, atOnce, DebugError, type Json } from './answer.ts';
import type { Command } from './command.ts';
import type { Debugger } from './debugger.ts';
import type { MachineView } from './machine-view.ts';
import { bookmarks } from './moving.ts';
import { hint } from './nearest.ts';
import { addressOf, isRegisterName, registerOf, registersOf, symbolNames, words } from './words.ts';

/** `at 0x40102b08 <gic_init>` */
function conditionText(debug: Debugger, condition: Condition): string {
  const text = describeCondition(condition);
  const symbol =
    condition.kind === 'address' || (condition.kind === 'watch' && condition.space === 'virtual')
      ? debug.symbolOf(condition.address)
      : undefined;
  return symbol === undefined ? text : `${text} <${symbol}>`;
}

function add(debug: Debugger, condition: Condition): Answer {
  if ('cpu' in condition && condition.cpu !== undefined) needCpu(debug, condition.cpu);
  try {
    const breakpoint = debug.timeline.addBreakpoint(condition);
    const number = debug.addBreakpoint(breakpoint);
    const text = conditionText(debug, condition);
    return { data: { number, condition: text }, text: `breakpoint ${number}: ${text}` };
  } catch (error) {
    if (error instanceof RangeError) throw new DebugError(error.message);
    throw error;
  }
}

export function needCpu(debug: MachineView, cpu: number): void {
  const count = debug.machine.cluster.states.length;
  if (cpu >= count)
    throw new DebugError(
      `cpu ${cpu}: ${count === 1 ? 'there is only cpu 0' : `there are cpu 0 to ${count - 1}`}`,
    );
}

/** @throws DebugError */
function parse(debug: Debugger, text: string): Condition {
  const [first = '', second = ''] = words(text);
  // A register that does not exist is told with the nearest that do.
  const name = (first === 'reg' ? second : first).replace(/=.*$/s, '');
  if (isRegisterName(debug, name)) registerOf(debug, name);
  try {
    return parseBreakpoint(
      text,
      (word) => addressOf(debug, word),
      (id) => debug.map(id) !== undefined,
    );
  } catch (error) {
    if (error instanceof RangeError) throw new DebugError(`break: ${error.message}`);
    throw error;
  }
}

const breakCommand: Command = {
  name: 'break',
  aliases: ['b', 'br'],
  usage: 'WHAT [cpu N]',
  help: 'stop at an address or symbol, or for an exception, interrupt, device access or console text',
  more: BREAKPOINT_HELP.map(([example, meaning]) => `break ${example.padEnd(36)} ${meaning}`),
  run: (debug, rest) =>
    atOnce(() => {
      const text = rest.trim();
      if (text !== '') return add(debug, parse(debug, text));
      // As in gdb: here.
      return add(debug, { kind: 'address', address: debug.state.pc });
    }),
  complete: (debug, list) =>
    list.length > 1
      ? [
          '==',
          'read',
          'write',
          'acknowledge',
          'pending',
          'complete',
          'sync',
          'irq',
          'fiq',
          'serror',
          'return',
        ]
      : [
          ...['irq', 'exception', 'console', 'read', 'write', 'change', 'reg'],
          ...places(debug, list.at(-1) ?? ''),
        ],
};

/** Symbols, and names of registers once a device's name stands there. */
export function* places(debug: MachineView, typed: string): Generator<string> {
  const dot = typed.indexOf('.');
  const device = dot > 0 ? typed.slice(0, dot) : undefined;
  if (device !== undefined && debug.map(device) !== undefined) {
    const register = registersOf(debug, device).find((name) => typed.startsWith(`${device}.${name}.`));
    if (register === undefined) for (const name of registersOf(debug, device)) yield `${device}.${name}`;
    else {
      const { definition } = registerOf(debug, `${device}.${register}`);
      for (const { name } of definition.fields ?? []) yield `${device}.${register}.${name}`;
    }
    return;
  }
  for (const id of debug.devices) yield `${id}.`;
  if (typed.length >= 2) yield* symbolNames(debug);
}

const WATCH_WORDS: readonly WatchKind[] = ['read', 'write', 'access', 'change'];
const PLAIN_SIZES = [1n, 2n, 4n, 8n, 16n];

/** Bytes that a symbol stands for, if it is one of a simple type. */
function sizeOf(debug: MachineView, text: string): number | undefined {
  const size = debug.symbols.symbol(text)?.size;
  return size !== undefined && PLAIN_SIZES.includes(size) ? Number(size) : undefined;
}

export interface MemoryPlace {
  readonly space: 'virtual' | 'physical';
  readonly address: bigint;
  readonly length: number;
}

/** `[phys] ADDRESS [BYTES]`. @throws DebugError */
export function memoryPlace(debug: Debugger, list: readonly string[], what: string): MemoryPlace {
  const isPhysical = list[0] === 'phys' || list[0] === 'physical';
  const [where, length, ...more] = isPhysical ? list.slice(1) : list;
  if (where === undefined) throw new DebugError(`${what}: which address? ${what} [phys] ADDRESS [BYTES]`);
  if (more.length > 0)
    throw new DebugError(`${what}: '${more.join(' ')}' is too much; allowed is [phys] ADDRESS [BYTES]`);
  let bytes = sizeOf(debug, where) ?? 8;
  if (length !== undefined) {
    bytes = /^(0x[0-9a-f]+|\d+)$/i.test(length) ? Number(length) : 0;
    if (bytes < 1 || bytes > 1 << 20)
      throw new DebugError(`${what} ${where} ${length}: allowed are 1 to 1048576 bytes`);
  }
  return { space: isPhysical ? 'physical' : 'virtual', address: addressOf(debug, where), length: bytes };
}

function watchCommand(
  name: string,
  preset: WatchKind,
  help: string,
  aliases: readonly string[] = [],
): Command {
  return {
    name,
    aliases,
    usage: name === 'watch' ? '[read|write|access|change] [phys] ADDRESS [BYTES]' : '[phys] ADDRESS [BYTES]',
    help,
    run: (debug, rest) =>
      atOnce(() => {
        const list = words(rest);
        const kind = WATCH_WORDS.find((word) => word === list[0]);
        const place = memoryPlace(debug, kind === undefined ? list : list.slice(1), name);
        return add(debug, { kind: 'watch', access: kind ?? preset, ...place });
      }),
    complete: (debug, list) => [...WATCH_WORDS, 'phys', ...places(debug, list.at(-1) ?? '')],
  };
}

const deleteCommand: Command = {
  name: 'delete',
  aliases: ['d', 'del'],
  usage: '[NUMBER...|BOOKMARK]',
  help: 'remove breakpoints and watchpoints, by default all; or a bookmark',
  run: (debug, rest) =>
    atOnce(() => {
      const removed: Json[] = [];
      for (const each of eachBreakpoint(debug, rest, 'delete')) {
        if (typeof each === 'string') debug.bookmarks.delete(each);
        else {
          debug.timeline.removeBreakpoint(debug.breakpoints.get(each)!.id);
          debug.breakpoints.delete(each);
        }
        removed.push(each);
      }
      return { data: { removed }, text: removed.length === 0 ? 'there was none' : '' };
    }),
  complete: (debug) => [...[...debug.breakpoints.keys()].map(String), ...debug.bookmarks.keys()],
};

/** Numbers of breakpoints in a text, all if it is empty; names of bookmarks too. @throws DebugError */
function eachBreakpoint(debug: Debugger, rest: string, what: string): (number | string)[] {
  const list = words(rest);
  if (list.length === 0) return [...debug.breakpoints.keys()];
  return list.map((word) => {
    if (debug.bookmarks.has(word) && what === 'delete') return word;
    if (!/^\d+$/.test(word) || !debug.breakpoints.has(Number(word))) {
      const names = [...debug.breakpoints.keys()].map(String);
      const known = names.length === 0 ? '; there are none' : hint(word, names, 20);
      throw new DebugError(`${what} ${word}: no breakpoint has this number${known}`);
    }
    return Number(word);
  });
}

function switchCommand(name: 'enable' | 'disable'): Command {
  return {
    name,
    usage: '[NUMBER...]',
    help: `${name} breakpoints and watchpoints, by default all`,
    run: (debug, rest) =>
      atOnce(() => {
        const numbers = eachBreakpoint(debug, rest, name).map(Number);
        for (const number of numbers) debug.breakpoints.get(number)!.enabled = name === 'enable';
        return { data: { numbers }, text: '' };
      }),
    complete: (debug) => [...debug.breakpoints.keys()].map(String),
  };
}

export function breakpoints(debug: Debugger): Answer {
  const list = [...debug.breakpoints].map(([number, { condition, enabled, hits }]) => ({
    number,
    condition: conditionText(debug, condition),
    enabled,
    hits,
  }));
  const text = list.map(
    ({ number, condition, enabled, hits }) =>
      `${number}: ${condition}${enabled ? '' : ' (disabled)'}${hits === 0 ? '' : `, hit ${hits} time${hits === 1 ? '' : 's'}`}`,
  );
  return { data: { breakpoints: list }, text: text.length === 0 ? 'no breakpoints' : text.join('\n') };
}

const info: Command = {
  name: 'info',
  aliases: ['i'],
  usage: 'breakpoints|bookmarks',
  help: 'list breakpoints or bookmarks',
  run: (debug, rest) =>
    atOnce(() => {
      const what = rest.trim();
      if (
        what !== '' &&
        ['breakpoints', 'watchpoints'].some((word) => word.startsWith(what)) &&
        what !== 'bo'
      )
        return breakpoints(debug);
      if (what !== '' && 'bookmarks'.startsWith(what)) return bookmarks(debug);
      throw new DebugError(
        `info ${what}: there are info breakpoints and info bookmarks; regs, sysregs, irqs, dev, when and symbols are commands of their own`,
      );
    }),
  complete: () => ['breakpoints', 'bookmarks'],
};

export const STOPS: readonly Command[] = [
  breakCommand,
  watchCommand('watch', 'change', 'stop before memory is changed (or read, written, accessed)', ['w']),
  watchCommand('rwatch', 'read', 'stop before memory is read'),
  watchCommand('awatch', 'access', 'stop before memory is read or written'),
  deleteCommand,
  switchCommand('enable'),
  switchCommand('disable'),
  info,
];
