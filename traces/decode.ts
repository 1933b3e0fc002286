import type { AccessEvent } from '../engine/base/events.ts';
import { decodeFields, findRegister, type Register, type RegisterMap } from '../engine/base/register-map.ts';
import type { EventFilter, RegisterRange } from './filter.ts';

/** Register maps by device id as it stands in events, e.g. `uart0`, `gicd`. */
export type RegisterMaps = (device: string) => RegisterMap | undefined;

/** An access in the words of the device's document. */
export interface DecodedAccess {
  /** E.g. `UARTFR`; absent if the device has no map, or the map no such register. */
  readonly register?: string;
  readonly meaning?: string;
  /** Document of the map. */
  readonly reference?: string;
  /** Only fields that the access touches. */
  readonly fields: readonly { readonly name: string; readonly value: bigint; readonly text?: string }[];
  /** One line, e.g. `uart0 UARTFR read 0x90 (TXFE=1 RXFE=1)`. */
  readonly text: string;
}

/** Decodes an access; fields that are zero are left out of the text. */
export function decodeAccess(event: AccessEvent, maps: RegisterMaps): DecodedAccess {
  const map = maps(event.device);
  const hit = map === undefined ? undefined : findRegister(map, event.offset);
  const direction = event.write ? 'write' : 'read';
  const value = `0x${event.value.toString(16)}`;
  if (map === undefined || hit === undefined) {
    const where = `+0x${event.offset.toString(16)}`;
    return { fields: [], text: `${event.device} ${where} ${direction}${8 * event.size} ${value}` };
  }
  const { register, name, byte } = hit;
  const width = Math.min(register.width - byte, event.size);
  const low = 8 * byte;
  const high = low + 8 * width - 1;
  const bits = BigInt.asUintN(8 * width, event.value) << BigInt(low);
  const touched = (register.fields ?? []).filter((field) => field.hi >= low && field.lo <= high);
  const fields = decodeFields({ ...register, fields: touched }, bits);
  const shown = fields
    .filter((field) => field.value !== 0n || field.text !== undefined)
    .map((field) => `${field.name}=${field.text ?? showField(field.value)}`);
  const part = byte === 0 && width === register.width ? '' : `[${high}:${low}]`;
  const list = shown.length === 0 ? '' : ` (${shown.join(' ')})`;
  return {
    register: name,
    ...(register.meaning === undefined ? {} : { meaning: register.meaning }),
    reference: map.reference,
    fields,
    text: `${event.device} ${name}${part} ${direction} ${value}${list}`,
  };
}

function showField(value: bigint): string {
  return value < 10n ? value.toString() : `0x${value.toString(16)}`;
}

/** A register, or a field of it, named by a person. */
export interface RegisterName {
  readonly device: string;
  readonly register: string;
  readonly field?: string;
}

export interface ResolvedRegister {
  readonly definition: Register;
  readonly range: RegisterRange;
}

/** `DEVICE.REGISTER[.FIELD]`; undefined if it does not have that form. */
export function parseRegisterName(text: string): RegisterName | undefined {
  const match = /^([^.\s]+)\.([^.\s]+)(?:\.([^.\s]+))?$/.exec(text);
  if (match === null) return undefined;
  const [, device, register, field] = match;
  return { device: device!, register: register!, ...(field === undefined ? {} : { field }) };
}

/**
 * Where a named register lies. Names are compared without regard to case; a register of an array has its
 * index at its end (`GICD_ISENABLER1`). Throws RangeError with the names that exist.
 */
export function resolveRegister(name: RegisterName, maps: RegisterMaps): ResolvedRegister {
  const map = maps(name.device);
  if (map === undefined) throw new RangeError(`no registers are known of device ${name.device}`);
  const wanted = name.register.toUpperCase();
  for (const register of map.registers) {
    const base = register.name.toUpperCase();
    let offset = register.offset;
    if (register.count === undefined) {
      if (base !== wanted) continue;
    } else {
      const index = wanted.slice(base.length);
      if (!wanted.startsWith(base) || !/^(0|[1-9]\d*)$/.test(index)) continue;
      if (Number(index) >= register.count) continue;
      offset += Number(index) * (register.stride ?? register.width);
    }
    const range = { device: name.device, offset, width: register.width };
    if (name.field === undefined) return { definition: register, range };
    const wantedField = name.field.toUpperCase();
    const field = register.fields?.find((candidate) => candidate.name.toUpperCase() === wantedField);
    if (field === undefined) {
      const known = (register.fields ?? []).map((candidate) => candidate.name).join(', ');
      throw new RangeError(`${name.register} has no field ${name.field}; it has: ${known || 'none'}`);
    }
    const mask = ((1n << BigInt(field.hi - field.lo + 1)) - 1n) << BigInt(field.lo);
    return { definition: register, range: { ...range, mask } };
  }
  const known = map.registers.map((register) => register.name).join(', ');
  throw new RangeError(`${name.device} has no register ${name.register}; it has: ${known}`);
}

/**
 * The filter for writes that can have changed a register or field. Where writing 0 does nothing (W1C), only
 * writes with a 1 among the bits count.
 */
export function writesTo(resolved: ResolvedRegister): EventFilter {
  return {
    kinds: ['access'],
    write: true,
    registers: [resolved.range],
    ...(resolved.definition.access === 'W1C' ? { anyBit: true } : {}),
  };
}
