import type { EventKind } from '../engine/base/events.ts';
import type { Position } from '../engine/base/units.ts';
import type { EventChunk } from './event-chunk.ts';
import type { Site } from './kinds.ts';
import type { ChunkSummary } from './summary.ts';
import type { IndexedChunk } from './trace-index.ts';

/** A place in the order of events; a bare position means before its first event. */
export type Place = Position | { readonly position: Position; readonly ordinal: number };

/** Bytes of a device's register space; an access matches if it touches one of them. */
export interface RegisterRange {
  readonly device: string;
  readonly offset: number;
  /** Bytes. */
  readonly width: number;
  /** Bits of the register that must be touched, counted from `offset`; default: any. */
  readonly mask?: bigint;
}

/** Every condition that is given must hold. */
export interface EventFilter {
  readonly kinds?: readonly EventKind[];
  /** Inclusive. */
  readonly from?: Place;
  /** Exclusive. */
  readonly to?: Place;
  readonly devices?: readonly string[];
  readonly cpus?: readonly number[];
  /** Interrupt events of these numbers. */
  readonly intids?: readonly number[];
  /** Accesses to these registers. */
  readonly registers?: readonly RegisterRange[];
  /** Accesses and DMA in this direction. */
  readonly write?: boolean;
  /** `what` of interrupts, exceptions, inputs, notes and power events. */
  readonly whats?: readonly string[];
  /** Accesses whose value has these bits, compared as the access has it. */
  readonly value?: { readonly value: bigint; readonly mask?: bigint };
  /** Accesses with one of these bits of the register range set in the value (for W1C and set/clear bits). */
  readonly anyBit?: boolean;
  /** Default `forward`. */
  readonly direction?: 'forward' | 'backward';
  /** Stop after so many. */
  readonly limit?: number;
}

export function placeOf(place: Place): { position: Position; ordinal: number } {
  return typeof place === 'number' ? { position: place, ordinal: 0 } : place;
}

/** Bits of an access (from its lowest byte) that lie in a register range, 0 if none does. */
export function touchedBits(offset: number, size: number, range: RegisterRange): bigint {
  if (offset >= range.offset + range.width || range.offset >= offset + size) return 0n;
  const width = BigInt(8 * range.width);
  const inRange = (range.mask ?? (1n << width) - 1n) & ((1n << width) - 1n);
  const shift = BigInt(8 * (offset - range.offset));
  const moved = shift >= 0n ? inRange >> shift : inRange << -shift;
  return moved & ((1n << BigInt(8 * size)) - 1n);
}

/** Kinds that can fulfil the filter at all. */
export function admitsKind(filter: EventFilter, kind: EventKind): boolean {
  if (filter.kinds !== undefined && !filter.kinds.includes(kind)) return false;
  const accessOnly = filter.registers !== undefined || filter.value !== undefined;
  if (accessOnly && kind !== 'access') return false;
  if (filter.intids !== undefined && kind !== 'interrupt') return false;
  if (filter.write !== undefined && kind !== 'access' && kind !== 'dma') return false;
  return true;
}

export function inRange(filter: EventFilter, chunk: IndexedChunk): boolean {
  if (filter.from !== undefined && chunk.last < placeOf(filter.from).position) return false;
  if (filter.to !== undefined) {
    const { position, ordinal } = placeOf(filter.to);
    if (chunk.first > position || (chunk.first === position && ordinal === 0)) return false;
  }
  return true;
}

/** False only if no event of the chunk can match. */
export function summaryMayMatch(filter: EventFilter, summary: ChunkSummary): boolean {
  if (filter.devices !== undefined && !filter.devices.some((id) => summary.devices.has(id))) return false;
  if (filter.intids !== undefined && !filter.intids.some((intid) => summary.intids.has(intid))) return false;
  const { registers, write } = filter;
  if (registers !== undefined) {
    const used = summary.registers.some(
      (use) =>
        (write === undefined || use.write === write) &&
        registers.some(
          (range) => range.device === use.device && touchedBits(use.offset, use.size, range) !== 0n,
        ),
    );
    if (!used) return false;
  }
  return true;
}

function siteMatches(filter: EventFilter, site: Site): boolean {
  if (!admitsKind(filter, site.kind)) return false;
  if (filter.devices !== undefined && !filter.devices.includes(site.device)) return false;
  if (filter.cpus !== undefined && !filter.cpus.includes(site.cpu)) return false;
  if (filter.intids !== undefined && !filter.intids.includes(site.intid)) return false;
  if (filter.write !== undefined && site.write !== filter.write) return false;
  if (filter.whats !== undefined && !filter.whats.includes(site.what)) return false;
  if (filter.registers === undefined) return true;
  return filter.registers.some(
    (range) => range.device === site.device && touchedBits(site.offset, site.size, range) !== 0n,
  );
}

/** A test of the events of one chunk, by index: most of the work is done once per site. */
export function matcherFor(filter: EventFilter, chunk: EventChunk): (index: number) => boolean {
  const bySite = Uint8Array.from(chunk.sites, (site) => (siteMatches(filter, site) ? 1 : 0));
  const { site, value } = chunk.table;
  const wanted = filter.value;
  const mask = BigInt.asUintN(64, wanted?.mask ?? ~0n);
  const wantedBits = BigInt.asUintN(64, wanted?.value ?? 0n) & mask;
  const bits = filter.anyBit === true ? chunk.sites.map((s) => registerBits(filter, s)) : undefined;
  return (index) => {
    const number = site[index]!;
    if (bySite[number] === 0) return false;
    if (wanted !== undefined && (value[index]! & mask) !== wantedBits) return false;
    if (bits !== undefined && (value[index]! & bits[number]!) === 0n) return false;
    return true;
  };
}

function registerBits(filter: EventFilter, site: Site): bigint {
  let bits = 0n;
  for (const range of filter.registers ?? []) {
    if (range.device === site.device) bits |= touchedBits(site.offset, site.size, range);
  }
  return bits;
}
