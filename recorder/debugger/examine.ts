/** `x`, as gdb has it: memory in several forms. */
import { disassemble } from '../../engine/cpu/a64/disasm.ts';
import { showBytes } from '../session/describe.ts';
import { type Answer, atOnce, DebugError, hex, type Json } from './answer.ts';
import type { Command } from './command.ts';
import type { MachineView } from './machine-view.ts';
import { readMemory, withSymbol } from './state.ts';
import { places } from './stops.ts';
import { addressOf, words } from './words.ts';

export interface Format {
  readonly count: number;
  readonly letter: string;
  readonly size: number;
}

const SIZES: { readonly [letter: string]: number } = { b: 1, h: 2, w: 4, g: 8 };
const LETTERS = 'xduotcasi';
const MAX_BYTES = 1 << 16;
const MAX_STRING = 4096;

/** `8gx` in any order of letters. @throws DebugError */
function parseFormat(text: string, before: Format): Format {
  const match = /^(\d{0,6})([a-z]*)$/.exec(text);
  let { letter, size } = before;
  let hasSize = false;
  for (const each of match?.[2] ?? '') {
    if (SIZES[each] !== undefined) {
      size = SIZES[each];
      hasSize = true;
    } else if (LETTERS.includes(each)) letter = each;
    else {
      throw new DebugError(`x/${text}: '${each}' is neither a form (x d u o t c a s i) nor a size (b h w g)`);
    }
  }
  const count = match === null ? 0 : match[1] === '' ? 1 : Number(match[1]);
  if (count < 1)
    throw new DebugError(
      `x/${text}: allowed is a count from 1, a form (x d u o t c a s i), a size (b h w g)`,
    );
  if (letter === 'i') size = 4;
  if (letter === 'c' && !hasSize) size = 1;
  if (letter === 'a' && !hasSize) size = 8;
  if (count * size > MAX_BYTES) throw new DebugError(`x/${text}: at most ${MAX_BYTES} bytes at a time`);
  return { count, letter, size };
}

const FIRST: Format = { count: 1, letter: 'x', size: 4 };

function examine(debug: MachineView, rest: string, physical: boolean): Answer {
  const match = /^\s*(?:\/\s*(\S*))?\s*(.*)$/s.exec(rest)!;
  const list = words(match[2]!);
  let isPhysical = physical;
  if (list[0] === 'phys' || list[0] === 'physical') {
    isPhysical = true;
    list.shift();
  }
  if (list.length > 1) throw new DebugError(`x ${rest.trim()}: allowed is x[/FORMAT] [phys] ADDRESS`);
  const format = parseFormat(match[1] ?? '', debug.next.format ?? FIRST);
  debug.next.format = format;
  const from = list[0] === undefined ? debug.next.x : addressOf(debug, list[0]);
  if (from === undefined) throw new DebugError('x: which address? x/8gx ADDRESS');
  const answer =
    format.letter === 's'
      ? strings(debug, from, format.count, isPhysical)
      : format.letter === 'i'
        ? code(debug, from, format.count, isPhysical)
        : numbers(debug, from, format, isPhysical);
  const { text, data, next } = answer;
  debug.next.x = BigInt.asUintN(64, next);
  return { data: { address: hex(from), space: isPhysical ? 'physical' : 'virtual', ...data }, text };
}

interface Seen {
  readonly text: string;
  readonly data: { readonly [key: string]: Json };
  readonly next: bigint;
}

function nothing(address: bigint, isPhysical: boolean): never {
  throw new DebugError(`x: nothing can be read at ${isPhysical ? 'physical ' : ''}${hex(address)}`);
}

function label(debug: MachineView, address: bigint, isPhysical: boolean): string {
  return `${isPhysical ? hex(address) : debug.addressText(address)}:`;
}

function numbers(
  debug: MachineView,
  from: bigint,
  { count, letter, size }: Format,
  isPhysical: boolean,
): Seen {
  const bytes = readMemory(debug, from, count * size, isPhysical);
  if (bytes.length < size) nothing(from, isPhysical);
  const values: bigint[] = [];
  for (let at = 0; at + size <= bytes.length; at += size) {
    let value = 0n;
    for (let i = size - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[at + i]!);
    values.push(value);
  }
  const cells = values.map((value) => cell(debug, value, letter, size));
  const perLine = letter === 'a' ? 2 : Math.max(1, letter === 'c' ? 8 : 16 / size);
  const lines: string[] = [];
  for (let i = 0; i < cells.length; i += perLine) {
    const at = from + BigInt(i * size);
    lines.push(`${label(debug, at, isPhysical)}  ${cells.slice(i, i + perLine).join('  ')}`);
  }
  const isShort = values.length < count;
  const end = from + BigInt(values.length * size);
  if (isShort) lines.push(`nothing can be read at ${hex(end)}`);
  return { text: lines.join('\n'), data: { size, values: values.map(hex) }, next: end };
}

function cell(debug: MachineView, value: bigint, letter: string, size: number): string {
  const bits = 8 * size;
  switch (letter) {
    case 'd':
      return BigInt.asIntN(bits, value).toString();
    case 'u':
      return value.toString();
    case 'o':
      return `0${value.toString(8)}`;
    case 't':
      return value.toString(2).padStart(bits, '0');
    case 'c':
      return `${BigInt.asIntN(bits, value)} ${showBytes(Uint8Array.of(Number(value & 255n))).replace(/^"|"$/g, "'")}`;
    case 'a':
      return debug.addressText(value);
    default:
      return `0x${value.toString(16).padStart(2 * size, '0')}`;
  }
}

function strings(debug: MachineView, from: bigint, count: number, isPhysical: boolean): Seen {
  const lines: string[] = [];
  const found: string[] = [];
  let at = from;
  for (let i = 0; i < count; i++) {
    const bytes = readMemory(debug, at, MAX_STRING, isPhysical);
    if (bytes.length === 0) {
      if (i === 0) nothing(from, isPhysical);
      break;
    }
    const end = bytes.indexOf(0);
    const text = end < 0 ? bytes : bytes.subarray(0, end);
    const shown = new TextDecoder().decode(text);
    lines.push(`${label(debug, at, isPhysical)}  ${JSON.stringify(shown)}${end < 0 ? '...' : ''}`);
    found.push(shown);
    at += BigInt(text.length + (end < 0 ? 0 : 1));
  }
  return { text: lines.join('\n'), data: { strings: found }, next: at };
}

function code(debug: MachineView, from: bigint, count: number, isPhysical: boolean): Seen {
  const start = from & ~3n;
  const bytes = readMemory(debug, start, 4 * count, isPhysical);
  if (bytes.length < 4) nothing(start, isPhysical);
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const { pc } = debug.state;
  const rows: { address: string; word: string; text: string }[] = [];
  const lines: string[] = [];
  for (let i = 0; i < Math.floor(bytes.length / 4); i++) {
    const address = start + BigInt(4 * i);
    const word = view.getUint32(4 * i, true);
    const { text } = disassemble(word, address);
    rows.push({ address: hex(address), word: word.toString(16).padStart(8, '0'), text });
    const mark = address === pc && !isPhysical ? '=>' : '  ';
    lines.push(`${mark} ${label(debug, address, isPhysical)}  ${withSymbol(debug, text)}`);
  }
  return { text: lines.join('\n'), data: { instructions: rows }, next: start + BigInt(4 * rows.length) };
}

const more = [
  'FORMAT is a count, a form and a size, as in gdb: x/8gx $sp, x/4i $pc, x/s name, x/16bx phys 0x40000000.',
  'Forms: x hexadecimal, d signed, u unsigned, o octal, t binary, c characters, a addresses, s strings, i instructions.',
  'Sizes: b 1, h 2, w 4, g 8 bytes. Without an address it goes on where it ended.',
];

function command(name: 'x' | 'xp', isPhysical: boolean, help: string): Command<MachineView> {
  return {
    name,
    usage: '[/FORMAT] [phys] ADDRESS',
    help,
    more,
    repeats: true,
    run: (debug, rest) => atOnce(() => examine(debug, rest, isPhysical)),
    complete: (debug, list) => places(debug, list.at(-1) ?? ''),
  };
}

export const EXAMINE: readonly Command<MachineView>[] = [
  command('x', false, 'memory: x/8gx ADDRESS, x/4i $pc, x/s NAME'),
  command('xp', true, 'memory by physical address'),
];
