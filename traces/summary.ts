import type { ByteColumn, ByteCursor } from './bytes.ts';
import { DecodeError } from './errors.ts';
import type { Site, StringTable } from './kinds.ts';

/** One register as it occurs in a chunk of accesses. */
export interface RegisterUse {
  readonly device: string;
  readonly offset: number;
  readonly size: number;
  readonly write: boolean;
  readonly count: number;
}

/** What occurs in a chunk and how often, so that a query can leave out chunks without reading them. */
export interface ChunkSummary {
  /** Events by device id; `''` for kinds without devices. */
  readonly devices: ReadonlyMap<string, number>;
  readonly intids: ReadonlyMap<number, number>;
  readonly registers: readonly RegisterUse[];
}

/** `counts[i]` is how often site i occurred. */
export function summarize(sites: readonly Site[], counts: readonly number[]): ChunkSummary {
  const devices = new Map<string, number>();
  const intids = new Map<number, number>();
  const registers = new Map<string, RegisterUse>();
  sites.forEach((site, i) => {
    const count = counts[i] ?? 0;
    devices.set(site.device, (devices.get(site.device) ?? 0) + count);
    if (site.kind === 'interrupt') intids.set(site.intid, (intids.get(site.intid) ?? 0) + count);
    if (site.kind !== 'access') return;
    const { device, offset, size, write } = site;
    const key = `${offset} ${size} ${write} ${device}`;
    registers.set(key, { device, offset, size, write, count: count + (registers.get(key)?.count ?? 0) });
  });
  return { devices, intids, registers: [...registers.values()] };
}

export function encodeSummary(out: ByteColumn, summary: ChunkSummary, strings: StringTable): void {
  // Registers give the device counts back, so only kinds without registers store those.
  const devices = summary.registers.length > 0 ? [] : [...summary.devices];
  out.varint(devices.length);
  for (const [device, count] of devices) {
    out.varint(strings.number(device));
    out.varint(count);
  }
  out.varint(summary.intids.size);
  let before = 0;
  for (const [intid, count] of [...summary.intids].sort((a, b) => a[0] - b[0])) {
    out.varint(intid - before);
    out.varint(count);
    before = intid;
  }
  out.varint(summary.registers.length);
  before = 0;
  for (const r of summary.registers.toSorted((a, b) => a.offset - b.offset)) {
    out.varint(strings.number(r.device));
    out.varint(r.offset - before);
    out.varint(r.size * 2 + (r.write ? 1 : 0));
    out.varint(r.count);
    before = r.offset;
  }
}

/** Throws DecodeError. */
export function decodeSummary(from: ByteCursor, strings: StringTable): ChunkSummary {
  const length = (): number => {
    const count = from.varint();
    if (count > from.left) throw new DecodeError('a summary is longer than its column');
    return count;
  };
  const devices = new Map<string, number>();
  for (let n = length(); n > 0; n--) devices.set(strings.text(from.varint()), from.varint());
  const intids = new Map<number, number>();
  let before = 0;
  for (let n = length(); n > 0; n--) {
    before += from.varint();
    intids.set(before, from.varint());
  }
  const registers: RegisterUse[] = [];
  before = 0;
  for (let n = length(); n > 0; n--) {
    const device = strings.text(from.varint());
    before += from.varint();
    const packed = from.varint();
    const count = from.varint();
    registers.push({ device, offset: before, size: Math.floor(packed / 2), write: packed % 2 === 1, count });
    devices.set(device, (devices.get(device) ?? 0) + count);
  }
  return { devices, intids, registers };
}
