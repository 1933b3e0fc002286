/** DMA and messages of PCI devices in words: who sent what, and what became of it. */
import type { NoteEvent } from '../../engine/base/events.ts';

/** A requester ID as lspci writes it: `02:00.0`. */
export function functionName(requester: number): string {
  const bus = (requester >>> 8).toString(16).padStart(2, '0');
  const device = ((requester >>> 3) & 0x1f).toString(16).padStart(2, '0');
  return `${bus}:${device}.${requester & 7}`;
}

/** A 64-bit address of the bus, which events have as a signed number. */
export function busAddressText(address: number): string {
  return `0x${BigInt.asUintN(64, BigInt(address)).toString(16)}`;
}

const hex = (value: unknown): string =>
  typeof value === 'number' ? `0x${value.toString(16)}` : String(value);

const FUNCTIONS: ReadonlySet<string> = new Set(['requester', 'deviceId', 'stream']);

/** One field of a note for itself: requester, DeviceID and StreamID with the function, addresses in hexadecimal. */
export function fieldText(name: string, value: number | string | boolean): string {
  if (typeof value !== 'number') return String(value);
  if (FUNCTIONS.has(name)) return `${hex(value)}, PCI function ${functionName(value)}`;
  return name === 'address' || name === 'data' ? busAddressText(value) : String(value);
}

/** A note without its device. The way of a message is told in words, everything else as names and values. */
export function noteText({ what, fields }: Pick<NoteEvent, 'what' | 'fields'>): string {
  const { requester, vector, address, data, intid, deviceId, eventId, cpu } = fields;
  if (what === 'msi' && typeof requester === 'number') {
    const from = `msi from ${functionName(requester)}`;
    if (typeof intid === 'number') return `${from}: SPI ${intid - 32} (INTID ${intid})`;
    return `${from}, vector ${String(vector)}: ${hex(data)} to ${busAddressText(Number(address))}`;
  }
  if (what === 'lpi' && typeof deviceId === 'number') {
    const from = `lpi: DeviceID ${hex(deviceId)} (${functionName(deviceId)})`;
    return `${from}, EventID ${String(eventId)} is INTID ${String(intid)} for CPU ${String(cpu)}`;
  }
  return [what, ...Object.entries(fields).map(([name, value]) => `${name}=${String(value)}`)].join(' ');
}
