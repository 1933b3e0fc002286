/** `x` and `xp` of the human monitor: memory in several forms, as QEMU's monitor writes it. */
import { disassemble } from '../../engine/cpu/a64/disasm.ts';
import type { Machine } from '../../engine/machine.ts';
import { readVirtual } from '../session/guest-view.ts';

export interface DumpFormat {
  count: number;
  /** x d u o c i */
  form: string;
  /** Bytes of a value. */
  size: number;
}

const SIZES: { readonly [letter: string]: number } = { b: 1, h: 2, w: 4, g: 8 };
const FORMS = 'xduoci';
const MAX_BYTES = 1 << 20;

/** `4xw`, after the slash. Undefined: it is none. @param before what is not said stays as it was */
export function parseDumpFormat(text: string, before: DumpFormat): DumpFormat | undefined {
  const match = /^(\d{0,7})([a-z]*)$/.exec(text);
  if (match === null) return undefined;
  const format = { ...before, count: match[1] === '' ? 1 : Number(match[1]) };
  let hasSize = false;
  for (const letter of match[2]!) {
    if (SIZES[letter] !== undefined) {
      format.size = SIZES[letter];
      hasSize = true;
    } else if (FORMS.includes(letter)) format.form = letter;
    else return undefined;
  }
  if (format.form === 'i') format.size = 4;
  else if (format.form === 'c' && !hasSize) format.size = 1;
  return format.count * format.size > MAX_BYTES ? undefined : format;
}

export function dumpMemory(
  machine: Machine,
  cpu: number,
  address: bigint,
  format: DumpFormat,
  isPhysical: boolean,
): string {
  const bytes = new Uint8Array(format.count * format.size);
  const readable = isPhysical
    ? readPhysical(machine, address, bytes)
    : readVirtual(machine, cpu, address, bytes);
  if (readable < bytes.length && !isPhysical) return `Cannot access memory\r\n`;
  return format.form === 'i' ? code(address, bytes) : values(address, bytes, format);
}

/** What is not memory reads as zeros, as in QEMU. */
function readPhysical(machine: Machine, address: bigint, into: Uint8Array): number {
  const line = new Uint8Array(1);
  if (address + BigInt(into.length) <= BigInt(Number.MAX_SAFE_INTEGER)) {
    const at = Number(address);
    if (!machine.memory.read(at, into)) {
      for (let i = 0; i < into.length; i++) into[i] = machine.memory.read(at + i, line) ? line[0]! : 0;
    }
  }
  return into.length;
}

function code(address: bigint, bytes: Uint8Array): string {
  const view = new DataView(bytes.buffer);
  let text = '';
  for (let at = 0; at + 4 <= bytes.length; at += 4) {
    const word = view.getUint32(at, true);
    const place = address + BigInt(at);
    const shown = `0x${place.toString(16).padStart(8, '0')}:  ${word.toString(16).padStart(8, '0')}`;
    text += `${shown}  ${disassemble(word, place).text}\r\n`;
  }
  return text;
}

function values(address: bigint, bytes: Uint8Array, { form, size }: DumpFormat): string {
  const perLine = size === 8 ? 2 : size === 1 ? 8 : size === 2 ? 8 : 4;
  const count = bytes.length / size;
  let text = '';
  for (let i = 0; i < count; i++) {
    if (i % perLine === 0) {
      if (i > 0) text += '\r\n';
      text += `${BigInt.asUintN(64, address + BigInt(i * size))
        .toString(16)
        .padStart(16, '0')}:`;
    }
    let value = 0n;
    for (let byte = size - 1; byte >= 0; byte--) value = (value << 8n) | BigInt(bytes[i * size + byte]!);
    text += ` ${valueText(value, form, size)}`;
  }
  return count === 0 ? '' : `${text}\r\n`;
}

const DECIMAL_WIDTH: { readonly [size: number]: number } = { 1: 3, 2: 5, 4: 10, 8: 20 };
const OCTAL_WIDTH: { readonly [size: number]: number } = { 1: 3, 2: 6, 4: 11, 8: 22 };
const ESCAPES: { readonly [code: number]: string } = {
  9: '\\t',
  10: '\\n',
  13: '\\r',
  39: "\\'",
  92: '\\\\',
};

function valueText(value: bigint, form: string, size: number): string {
  switch (form) {
    case 'd':
      return BigInt.asIntN(8 * size, value)
        .toString()
        .padStart(DECIMAL_WIDTH[size]!);
    case 'u':
      return value.toString().padStart(DECIMAL_WIDTH[size]!);
    case 'o':
      return `0${value.toString(8).padStart(OCTAL_WIDTH[size]!, '0')}`;
    case 'c': {
      const character = Number(value & 0xffn);
      const isPlain = character >= 32 && character < 127;
      const shown = isPlain
        ? String.fromCharCode(character)
        : `\\x${character.toString(16).padStart(2, '0')}`;
      return `'${ESCAPES[character] ?? shown}'`;
    }
    default:
      return `0x${value.toString(16).padStart(2 * size, '0')}`;
  }
}
