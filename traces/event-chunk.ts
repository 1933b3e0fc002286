import type { AccessEvent, MachineEvent } from '../engine/base/events.ts';
import { ByteColumn, ByteCursor } from './bytes.ts';
import { DecodeError } from './errors.ts';
import { type ChunkEntry, MAX_CHUNK_EVENTS } from './format.ts';
import { type EventTail, type KindCodec, NO_SITE, type Site, StringTable } from './kinds.ts';
import { Fields, type PlainData, pack, unpack } from './msgpack.ts';
import { decodeStream, type StreamBase, StreamEncoder, type StreamTable } from './stream.ts';
import type { TraceEvent } from './types.ts';

const NO_BYTES = new Uint8Array(0);

function isSiteOf(site: Site, event: AccessEvent): boolean {
  return (
    site.offset === event.offset &&
    site.write === event.write &&
    site.device === event.device &&
    site.pc === event.pc &&
    site.size === event.size &&
    site.cpu === event.cpu
  );
}

/** Collects the events of one kind for one chunk. */
export class EventChunkEncoder {
  readonly codec: KindCodec;
  readonly sites: Site[] = [];
  readonly #stream: StreamEncoder;
  readonly #bySite = new Map<string, number>();
  /** Sites of accesses by PC and offset: one loop may read a whole flash bank, an access at each offset. */
  readonly #byPc = new Map<bigint, Map<number, number[]>>();
  readonly #siteColumn = new ByteColumn();
  readonly #strings = new StringTable();
  readonly #bytes = new ByteColumn();
  readonly #rows: PlainData[] = [];
  #rowBytes = 0;
  readonly first: number;

  constructor(codec: KindCodec, base: StreamBase, firstTime: number) {
    this.codec = codec;
    this.first = base.first;
    this.#stream = new StreamEncoder(codec.slots, base, firstTime);
  }

  get count(): number {
    return this.#stream.count;
  }

  get last(): number {
    return this.#stream.lastPosition;
  }

  get siteCounts(): readonly number[] {
    return this.#stream.siteCounts;
  }

  /** Roughly, before compression. */
  get rawBytes(): number {
    return this.#stream.rawBytes + this.#siteColumn.length + this.#bytes.length + this.#rowBytes;
  }

  /** Each is as the event has it; `ordinal` is its index at its position. */
  add(event: MachineEvent, ordinal: number): void {
    const { position, time, cpu } = event;
    switch (event.kind) {
      case 'access': {
        const value = BigInt.asUintN(64, event.value);
        this.#stream.add(this.#accessSite(event), position, ordinal, time, value);
        return;
      }
      case 'interrupt': {
        const { kind, what, intid, target } = event;
        const site = this.#site(`${what} ${intid} ${target} ${cpu}`, { kind, cpu, what, intid, target });
        this.#stream.add(site, position, ordinal, time);
        return;
      }
      case 'exception': {
        const { kind, what, fromEl, toEl } = event;
        const site = this.#site(`${what} ${fromEl} ${toEl} ${cpu}`, { kind, cpu, what, fromEl, toEl });
        const values = [event.pc, event.syndrome, event.faultAddress].map((v) => BigInt.asUintN(64, v));
        this.#stream.add(site, position, ordinal, time, values[0]!, values[1]!, values[2]!);
        return;
      }
      case 'dma': {
        const { kind, device, write, requester = -1 } = event;
        const site = this.#site(`${write} ${requester} ${cpu} ${device}`, {
          kind,
          cpu,
          device,
          write,
          requester,
        });
        const address = BigInt.asUintN(64, BigInt(event.address));
        this.#stream.add(site, position, ordinal, time, address, BigInt(event.length));
        return;
      }
      case 'output': {
        const { kind, device, bytes } = event;
        const site = this.#site(`${cpu} ${device}`, { kind, cpu, device });
        this.#stream.add(site, position, ordinal, time, BigInt(bytes.length));
        this.#bytes.bytes(bytes);
        return;
      }
      case 'input': {
        const { kind, device, what, data, mode = 'push' } = event;
        const key = `${mode} ${cpu} ${device.length} ${device} ${what}`;
        this.#stream.add(
          this.#site(key, { kind, cpu, device, what, mode }),
          position,
          ordinal,
          time,
          BigInt(data.length),
        );
        this.#bytes.bytes(data);
        return;
      }
      case 'guest-error': {
        const { kind, device, offset } = event;
        const site = this.#site(`e ${offset} ${cpu} ${device}`, { kind, cpu, device, offset });
        this.#stream.add(site, position, ordinal, time);
        this.#row(event.message);
        return;
      }
      case 'note': {
        const { kind, device, what } = event;
        const site = this.#site(`n ${cpu} ${device.length} ${device} ${what}`, { kind, cpu, device, what });
        this.#stream.add(site, position, ordinal, time);
        this.#row(Object.entries(event.fields).flat());
        return;
      }
      case 'power': {
        const { kind, what, target } = event;
        const site = this.#site(`p ${what} ${target} ${cpu}`, { kind, cpu, what, target });
        this.#stream.add(site, position, ordinal, time);
        this.#row(null);
        return;
      }
    }
  }

  #row(row: PlainData): void {
    this.#rows.push(row);
    this.#rowBytes += 8;
    if (typeof row === 'string') this.#rowBytes += row.length;
    else if (Array.isArray(row)) {
      for (const item of row) this.#rowBytes += typeof item === 'string' ? item.length : 9;
    }
  }

  /** The hot path: the expected site is compared before anything is looked up. */
  #accessSite(event: AccessEvent): number {
    const expected = this.#stream.expectedSite;
    if (expected >= 0 && isSiteOf(this.sites[expected]!, event)) return expected;
    const { cpu, device, offset, size, write, pc } = event;
    let byOffset = this.#byPc.get(pc);
    if (byOffset === undefined) this.#byPc.set(pc, (byOffset = new Map()));
    let candidates = byOffset.get(offset);
    if (candidates === undefined) byOffset.set(offset, (candidates = []));
    for (const number of candidates) if (isSiteOf(this.sites[number]!, event)) return number;
    const number = this.#newSite({ cpu, device, offset, size, write, pc: BigInt.asUintN(64, pc) });
    candidates.push(number);
    return number;
  }

  #site(key: string, fields: Partial<Site>): number {
    const known = this.#bySite.get(key);
    if (known !== undefined) return known;
    const number = this.#newSite(fields);
    this.#bySite.set(key, number);
    return number;
  }

  #newSite(fields: Partial<Site>): number {
    const site = { ...NO_SITE, ...fields };
    this.codec.writeSite(this.#siteColumn, site, this.#strings, this.sites.at(-1) ?? NO_SITE);
    return this.sites.push(site) - 1;
  }

  payload(): Uint8Array<ArrayBuffer> {
    const map: { [key: string]: PlainData } = {
      str: this.#strings.strings,
      site: this.#siteColumn.toBytes(),
      sites: this.sites.length,
      ...this.#stream.columns(),
    };
    if (this.codec.hasBytes) map.data = this.#bytes.toBytes();
    if (this.codec.hasRows) map.rows = this.#rows;
    if (this.codec.chunk === 'dma' && this.sites.some(({ requester }) => requester >= 0)) {
      const column = new ByteColumn();
      for (const { requester } of this.sites) column.varint(requester + 1);
      map.req = column.toBytes();
    }
    return pack(map);
  }
}

/** Traces of older versions do not have the column. */
function withRequesters(sites: readonly Site[], column: Uint8Array): Site[] {
  const from = new ByteCursor(column);
  const known = sites.map((site) => ({ ...site, requester: from.varint() - 1 }));
  if (!from.atEnd) throw new DecodeError('the column of requesters is longer than its sites');
  return known;
}

/** The events of one chunk, as columns; `event` puts one together. */
export class EventChunk {
  readonly codec: KindCodec;
  readonly sites: readonly Site[];
  readonly table: StreamTable;
  readonly #bytes: Uint8Array;
  readonly #byteStarts: Float64Array | undefined;
  readonly #rows: readonly PlainData[];

  /** `payload` is unpacked and its checksum was right; still nothing in it is believed. Throws DecodeError. */
  constructor(codec: KindCodec, entry: ChunkEntry, payload: Uint8Array) {
    this.codec = codec;
    const fields = new Fields(unpack(payload));
    const strings = new StringTable(fields.strings('str'));
    const siteColumn = new ByteCursor(fields.bytes('site'));
    const siteCount = fields.integer('sites', 0, Math.min(MAX_CHUNK_EVENTS, siteColumn.left));
    const sites: Site[] = [];
    let before = NO_SITE;
    for (let i = 0; i < siteCount; i++) {
      before = codec.readSite(siteColumn, strings, before);
      sites.push(before);
    }
    if (!siteColumn.atEnd) throw new DecodeError('the site column is longer than its sites');
    this.sites =
      codec.chunk === 'dma' && fields.has('req') ? withRequesters(sites, fields.bytes('req')) : sites;
    this.table = decodeStream(fields, codec.slots, entry.count, entry.first, entry.last);
    for (const site of this.table.site) {
      if (site >= siteCount) throw new DecodeError(`site ${site} does not exist`);
    }
    this.#bytes = codec.hasBytes ? fields.bytes('data') : NO_BYTES;
    this.#byteStarts = codec.hasBytes ? this.#starts() : undefined;
    this.#rows = codec.hasRows ? fields.array('rows') : [];
    if (codec.hasRows && this.#rows.length !== entry.count) throw new DecodeError('rows and events disagree');
    // What an event is built from is checked here, once, so that event() cannot fail later.
    if (codec.hasRows || codec.chunk === 'dma') for (let i = 0; i < entry.count; i++) this.event(i);
  }

  get count(): number {
    return this.table.count;
  }

  /** Memory held, about, in bytes. */
  get weight(): number {
    return this.count * (22 + 8 * this.table.slots + 8) + this.#bytes.length + this.sites.length * 150;
  }

  #starts(): Float64Array {
    const starts = new Float64Array(this.count + 1);
    let at = 0;
    for (let i = 0; i < this.count; i++) {
      at += Number(this.table.value[i]!);
      if (at > this.#bytes.length) throw new DecodeError('the data column is too short');
      starts[i + 1] = at;
    }
    if (at !== this.#bytes.length) throw new DecodeError('the data column is too long');
    return starts;
  }

  siteOf(index: number): Site {
    return this.sites[this.table.site[index]!]!;
  }

  event(index: number): TraceEvent {
    const { position, ordinal, time, value, slots } = this.table;
    const stamp = { position: position[index]!, ordinal: ordinal[index]!, time: time[index]! };
    const starts = this.#byteStarts;
    const tail: EventTail = {
      bytes: starts === undefined ? NO_BYTES : this.#bytes.subarray(starts[index]!, starts[index + 1]!),
      row: this.#rows[index] ?? null,
    };
    return this.codec.build(this.siteOf(index), stamp, value, index * slots, tail) as TraceEvent;
  }

  /** Index of the first event at or after a place in the order. */
  search(position: number, ordinal = 0): number {
    let low = 0;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const p = this.table.position[middle]!;
      if (p < position || (p === position && this.table.ordinal[middle]! < ordinal)) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
