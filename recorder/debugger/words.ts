/** Reads what a person writes: words, addresses, positions, counts, names of registers. */
import type { Ns, Position } from '../../engine/base/units.ts';
import { parseRegisterName, type ResolvedRegister, resolveRegister } from '../../traces/index.ts';
import { readVirtual } from '../session/guest-view.ts';
import { DebugError, hex } from './answer.ts';
import type { Debugger } from './debugger.ts';
import type { MachineView } from './machine-view.ts';
import { hint } from './nearest.ts';

export function words(text: string): string[] {
  const trimmed = text.trim();
  return trimmed === '' ? [] : trimmed.split(/\s+/);
}

/** A text in quotes with `\n`, `\"`, `\\`, or as it stands. */
export function quotedText(text: string): string {
  const trimmed = text.trim();
  if (!/^".*"$/s.test(trimmed) || trimmed.length < 2) return trimmed;
  return trimmed
    .slice(1, -1)
    .replace(/\\(.)/g, (_, c: string) => ({ n: '\n', r: '\r', t: '\t', e: '\x1b' })[c] ?? c);
}

const SUFFIX: { readonly [suffix: string]: number } = { k: 1e3, m: 1e6, g: 1e9 };

/** `12`, `0x10`, `1.5M`; undefined if it is none. */
export function countOf(text: string): number | undefined {
  if (/^0x[0-9a-f]{1,13}$/i.test(text)) return Number(text);
  const match = /^(\d{1,15}(?:\.\d{1,9})?)([kmg])?$/i.exec(text);
  if (match === null) return undefined;
  const value = Number(match[1]) * (SUFFIX[match[2]?.toLowerCase() ?? ''] ?? 1);
  // 6.65 times a million is not a whole number in binary.
  const whole = Math.round(value);
  return Math.abs(whole - value) < 1e-3 && Number.isSafeInteger(whole) ? whole : undefined;
}

/** @throws DebugError */
export function readCount(what: string, text: string | undefined, preset: number): number {
  if (text === undefined) return preset;
  const count = countOf(text);
  if (count === undefined || count < 1)
    throw new DebugError(`${what} ${text}: allowed is a whole number from 1, such as 100 or 2M`);
  return count;
}

const UNITS: { readonly [unit: string]: number } = { s: 1e9, ms: 1e6, us: 1e3, ns: 1 };

/** `1.25ms` in nanoseconds; undefined if it is no time. */
export function timeOf(text: string): Ns | undefined {
  const match = /^(\d{1,15}(?:\.\d{1,12})?)(s|ms|us|ns)$/.exec(text);
  if (match === null) return undefined;
  return Math.round(Number(match[1]) * UNITS[match[2]!]!);
}

function registerValue(debug: MachineView, name: string): bigint | undefined {
  const { state } = debug;
  const lower = name.toLowerCase();
  const match = /^([xw])(\d{1,2})$/.exec(lower);
  if (match !== null && Number(match[2]) < 31) {
    const value = state.x(Number(match[2]));
    return match[1] === 'w' ? value & 0xffff_ffffn : value;
  }
  switch (lower) {
    case 'pc':
      return state.pc;
    case 'sp':
      return state.sp;
    case 'lr':
      return state.x(30);
    case 'fp':
      return state.x(29);
    case 'xzr':
      return 0n;
  }
  return undefined;
}

const REGISTER_NAMES = ['pc', 'sp', 'lr', 'fp', ...Array.from({ length: 31 }, (_, i) => `x${i}`)];

/** One part of an address: number, `$register`, symbol. */
function termOf(debug: MachineView, term: string): bigint {
  if (/^(0x[0-9a-f]{1,16}|\d{1,20})$/i.test(term)) return BigInt(term);
  const isRegister = term.startsWith('$');
  const name = isRegister ? term.slice(1) : term;
  // A symbol called x1 is asked for by its name, the register as $x1; without such a symbol both will do.
  const symbol = isRegister ? undefined : debug.symbols.addressOf(name);
  const value = symbol ?? registerValue(debug, name);
  if (value !== undefined) return value;
  if (isRegister) throw new DebugError(`${term}: no such register${hint(name, REGISTER_NAMES)}`);
  if (debug.symbols.size === 0) {
    throw new DebugError(
      `${term}: neither a number nor a register, and no symbols are loaded (symbols FILE)`,
    );
  }
  throw new DebugError(`${term}: no such symbol${hint(name, symbolNames(debug))}`);
}

export function* symbolNames(debug: MachineView): Generator<string> {
  for (const { name } of debug.symbols) yield name;
}

/** An address: numbers, symbols and registers, added and subtracted; `*` in front: what is kept there. */
export function addressOf(debug: MachineView, text: string): bigint {
  if (text.startsWith('*')) {
    const at = addressOf(debug, text.slice(1));
    const bytes = new Uint8Array(8);
    if (readVirtual(debug.machine, debug.cpu, at, bytes) < 8) {
      throw new DebugError(`${text}: nothing can be read at ${hex(at)}`);
    }
    return new DataView(bytes.buffer).getBigUint64(0, true);
  }
  if (text === '') throw new DebugError('which address?');
  // Names contain dots and dollar signs, but no operators.
  const parts = text.split(/([+-])/);
  let sum = termOf(debug, parts[0]!);
  for (let i = 1; i < parts.length; i += 2) {
    const term = parts[i + 1]!;
    if (term === '') throw new DebugError(`${text}: something is missing after ${parts[i]}`);
    sum = parts[i] === '+' ? sum + termOf(debug, term) : sum - termOf(debug, term);
  }
  return BigInt.asUintN(64, sum);
}

/** Whether a word begins with a device's name and a dot. */
export function isRegisterName(debug: MachineView, text: string): boolean {
  const dot = text.indexOf('.');
  return dot > 0 && debug.map(text.slice(0, dot)) !== undefined;
}

/** `gicd`, or with what it may have meant. @throws DebugError */
export function needDevice(debug: MachineView, name: string): void {
  if (debug.map(name) === undefined)
    throw new DebugError(`${name}: no such device${hint(name, debug.devices, 40)}`);
}

/** A register or field by name. @throws DebugError with the nearest names */
export function registerOf(debug: MachineView, text: string): ResolvedRegister & { readonly device: string } {
  const name = parseRegisterName(text);
  if (name === undefined)
    throw new DebugError(`${text}: allowed is DEVICE.REGISTER or DEVICE.REGISTER.FIELD`);
  const { device, register, field } = name;
  needDevice(debug, device);
  try {
    return { ...resolveRegister(name, debug.maps), device };
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
  }
  try {
    const { definition } = resolveRegister({ device, register }, debug.maps);
    const fields = (definition.fields ?? []).map(({ name: each }) => each);
    const known = fields.length === 0 ? '; it has none that are described' : hint(field!, fields, 40);
    throw new DebugError(`${text}: ${register} has no field ${field}${known}`);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
  }
  throw new DebugError(
    `${text}: ${device} has no register ${register}${hint(register, registersOf(debug, device))}`,
  );
}

/** Names of a device's registers, those of arrays with their indexes. */
export function registersOf(debug: MachineView, device: string): string[] {
  const names: string[] = [];
  for (const { name, count } of debug.map(device)?.registers ?? []) {
    if (count === undefined) names.push(name);
    else for (let i = 0; i < Math.min(count, 64); i++) names.push(`${name}${i}`);
  }
  return names;
}

/** Relative and absolute positions; undefined: the text is none. */
export function positionOf(debug: Debugger, text: string): Position | undefined {
  const sign = /^[+-]/.exec(text)?.[0];
  const count = countOf(sign === undefined ? text : text.slice(1));
  if (count === undefined) return undefined;
  if (sign === undefined) return count;
  return debug.timeline.position + (sign === '+' ? count : -count);
}
