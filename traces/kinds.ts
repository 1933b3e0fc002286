import type {
  AccessEvent,
  DmaEvent,
  EventKind,
  ExceptionEvent,
  GuestErrorEvent,
  InputEvent,
  InterruptEvent,
  MachineEvent,
  NoteEvent,
  OutputEvent,
  PowerEvent,
} from '../engine/base/events.ts';
import type { ByteColumn, ByteCursor } from './bytes.ts';
import { DecodeError } from './errors.ts';
import type { ChunkName } from './format.ts';
import type { PlainData } from './msgpack.ts';

/** The part of an event that repeats: everything but position, ordinal, time and values. */
export interface Site {
  readonly kind: EventKind;
  readonly cpu: number;
  /** Device id; empty where the kind has none. */
  readonly device: string;
  readonly offset: number;
  readonly size: number;
  readonly write: boolean;
  readonly pc: bigint;
  /** `what` of the event; empty where the kind has none. */
  readonly what: string;
  readonly intid: number;
  readonly target: number;
  /** Requester ID of DMA; -1 where there is none. */
  readonly requester: number;
  readonly fromEl: number;
  readonly toEl: number;
  readonly mode: 'push' | 'pull';
}

export const NO_SITE: Site = {
  kind: 'access',
  cpu: -1,
  device: '',
  offset: 0,
  size: 0,
  write: false,
  pc: 0n,
  what: '',
  intid: -1,
  target: -1,
  requester: -1,
  fromEl: 0,
  toEl: 0,
  mode: 'push',
};

/** Gives strings small numbers, in order of their first use in a chunk. */
export class StringTable {
  readonly strings: string[];
  readonly #numbers = new Map<string, number>();

  constructor(strings: readonly string[] = []) {
    this.strings = [...strings];
  }

  number(text: string): number {
    let number = this.#numbers.get(text);
    if (number === undefined) {
      number = this.strings.push(text) - 1;
      this.#numbers.set(text, number);
    }
    return number;
  }

  text(number: number): string {
    const text = this.strings[number];
    if (text === undefined) throw new DecodeError(`string ${number} does not exist`);
    return text;
  }
}

type Stamp = { readonly position: number; readonly ordinal: number; readonly time: number };

/** What an event has besides site, stamp and integer values. */
export interface EventTail {
  /** Raw bytes (console output, inputs). */
  readonly bytes: Uint8Array;
  /** Anything else, as plain data (notes). */
  readonly row: PlainData;
}

/**
 * How the events of one chunk kind are taken apart and put together again. A site is written once per chunk,
 * as varints in the order that writeSite shows.
 */
export interface KindCodec {
  readonly chunk: ChunkName;
  readonly kinds: readonly EventKind[];
  /** Integer values per event; for kinds with bytes, slot 0 is their number. */
  readonly slots: number;
  readonly hasBytes: boolean;
  readonly hasRows: boolean;
  writeSite(out: ByteColumn, site: Site, strings: StringTable, before: Site): void;
  readSite(from: ByteCursor, strings: StringTable, before: Site): Site;
  build(site: Site, stamp: Stamp, values: BigUint64Array, at: number, tail: EventTail): MachineEvent;
}

function oneOf<T extends string>(names: readonly T[], number: number): T {
  const name = names[number];
  if (name === undefined) throw new DecodeError(`${number} is no ${names.slice(0, 2).join(', ')}…`);
  return name;
}

/** Order is part of the format: append only. */
const INTERRUPT_WHATS: readonly InterruptEvent['what'][] = [
  'line-high',
  'line-low',
  'pending',
  'not-pending',
  'acknowledge',
  'active',
  'complete',
];
const EXCEPTION_WHATS: readonly ExceptionEvent['what'][] = ['sync', 'irq', 'fiq', 'serror', 'return'];
const NOTE_KINDS = ['guest-error', 'note', 'power'] as const;
const POWER_WHATS: readonly PowerEvent['what'][] = ['cpu-on', 'cpu-off', 'system-off', 'system-reset'];
const MODES = ['push', 'pull'] as const;

const accesses: KindCodec = {
  chunk: 'accesses',
  kinds: ['access'],
  slots: 1,
  hasBytes: false,
  hasRows: false,
  writeSite(out, site, strings, before) {
    out.varint(site.cpu + 1);
    out.varint(strings.number(site.device));
    out.varint(site.offset);
    out.varint(site.size * 2 + (site.write ? 1 : 0));
    out.signed64(site.pc - before.pc);
  },
  readSite(from, strings, before) {
    const cpu = from.varint() - 1;
    const device = strings.text(from.varint());
    const offset = from.varint();
    const packed = from.varint();
    const pc = BigInt.asUintN(64, before.pc + from.signed64());
    return { ...NO_SITE, cpu, device, offset, size: Math.floor(packed / 2), write: packed % 2 === 1, pc };
  },
  build(site, stamp, values, at): AccessEvent {
    const { cpu, device, offset, size, write, pc } = site;
    return { kind: 'access', ...stamp, cpu, device, offset, size, write, value: values[at]!, pc };
  },
};

const interrupts: KindCodec = {
  chunk: 'interrupts',
  kinds: ['interrupt'],
  slots: 0,
  hasBytes: false,
  hasRows: false,
  writeSite(out, site) {
    out.varint(site.cpu + 1);
    out.varint(INTERRUPT_WHATS.indexOf(site.what as InterruptEvent['what']));
    out.varint(site.intid);
    out.varint(site.target + 1);
  },
  readSite(from) {
    const cpu = from.varint() - 1;
    const what = oneOf(INTERRUPT_WHATS, from.varint());
    return { ...NO_SITE, kind: 'interrupt', cpu, what, intid: from.varint(), target: from.varint() - 1 };
  },
  build(site, stamp): InterruptEvent {
    const { cpu, intid, target } = site;
    return { kind: 'interrupt', ...stamp, cpu, what: site.what as InterruptEvent['what'], intid, target };
  },
};

const exceptions: KindCodec = {
  chunk: 'exceptions',
  kinds: ['exception'],
  slots: 3,
  hasBytes: false,
  hasRows: false,
  writeSite(out, site) {
    out.varint(site.cpu + 1);
    out.varint(EXCEPTION_WHATS.indexOf(site.what as ExceptionEvent['what']));
    out.varint(site.fromEl);
    out.varint(site.toEl);
  },
  readSite(from) {
    const cpu = from.varint() - 1;
    const what = oneOf(EXCEPTION_WHATS, from.varint());
    return { ...NO_SITE, kind: 'exception', cpu, what, fromEl: from.varint(), toEl: from.varint() };
  },
  build(site, stamp, values, at): ExceptionEvent {
    return {
      kind: 'exception',
      ...stamp,
      cpu: site.cpu,
      what: site.what as ExceptionEvent['what'],
      fromEl: site.fromEl,
      toEl: site.toEl,
      pc: values[at]!,
      syndrome: values[at + 1]!,
      faultAddress: values[at + 2]!,
    };
  },
};

const dma: KindCodec = {
  chunk: 'dma',
  kinds: ['dma'],
  slots: 2,
  hasBytes: false,
  hasRows: false,
  writeSite(out, site, strings) {
    out.varint(site.cpu + 1);
    out.varint(strings.number(site.device) * 2 + (site.write ? 1 : 0));
  },
  readSite(from, strings) {
    const cpu = from.varint() - 1;
    const packed = from.varint();
    const device = strings.text(Math.floor(packed / 2));
    return { ...NO_SITE, kind: 'dma', cpu, device, write: packed % 2 === 1 };
  },
  build(site, stamp, values, at): DmaEvent {
    const { cpu, device, write } = site;
    const address = Number(BigInt.asIntN(64, values[at]!));
    const requester = site.requester < 0 ? {} : { requester: site.requester };
    return {
      kind: 'dma',
      ...stamp,
      cpu,
      device,
      address,
      length: safe(values[at + 1]!),
      write,
      ...requester,
    };
  },
};

function safe(value: bigint): number {
  if (value > 0x1f_ffff_ffff_ffffn) throw new DecodeError('number too large');
  return Number(value);
}

const outputs: KindCodec = {
  chunk: 'outputs',
  kinds: ['output'],
  slots: 1,
  hasBytes: true,
  hasRows: false,
  writeSite(out, site, strings) {
    out.varint(site.cpu + 1);
    out.varint(strings.number(site.device));
  },
  readSite(from, strings) {
    const cpu = from.varint() - 1;
    return { ...NO_SITE, kind: 'output', cpu, device: strings.text(from.varint()) };
  },
  build(site, stamp, _values, _at, tail): OutputEvent {
    return { kind: 'output', ...stamp, cpu: site.cpu, device: site.device, bytes: tail.bytes };
  },
};

const inputs: KindCodec = {
  chunk: 'inputs',
  kinds: ['input'],
  slots: 1,
  hasBytes: true,
  hasRows: false,
  writeSite(out, site, strings) {
    out.varint(site.cpu + 1);
    out.varint(strings.number(site.device));
    out.varint(strings.number(site.what));
    out.varint(MODES.indexOf(site.mode));
  },
  readSite(from, strings) {
    const cpu = from.varint() - 1;
    const device = strings.text(from.varint());
    const what = strings.text(from.varint());
    return { ...NO_SITE, kind: 'input', cpu, device, what, mode: oneOf(MODES, from.varint()) };
  },
  build(site, stamp, _values, _at, tail): InputEvent {
    const { cpu, device, what, mode } = site;
    return { kind: 'input', ...stamp, cpu, device, what, mode, data: tail.bytes };
  },
};

const notes: KindCodec = {
  chunk: 'notes',
  kinds: NOTE_KINDS,
  slots: 0,
  hasBytes: false,
  hasRows: true,
  writeSite(out, site, strings) {
    out.varint(NOTE_KINDS.indexOf(site.kind as (typeof NOTE_KINDS)[number]));
    out.varint(site.cpu + 1);
    out.varint(strings.number(site.device));
    out.varint(strings.number(site.what));
    out.varint(site.offset);
    out.varint(site.target + 1);
  },
  readSite(from, strings) {
    const kind = oneOf(NOTE_KINDS, from.varint());
    const cpu = from.varint() - 1;
    const device = strings.text(from.varint());
    const what = strings.text(from.varint());
    const offset = from.varint();
    const target = from.varint() - 1;
    if (kind === 'power') oneOf(POWER_WHATS, POWER_WHATS.indexOf(what as PowerEvent['what']));
    return { ...NO_SITE, kind, cpu, device, what, offset, target };
  },
  build(site, stamp, _values, _at, tail): GuestErrorEvent | NoteEvent | PowerEvent {
    const { cpu, device, offset, target, what } = site;
    if (site.kind === 'power') {
      return { kind: 'power', ...stamp, cpu, what: what as PowerEvent['what'], target };
    }
    if (site.kind === 'guest-error') {
      if (typeof tail.row !== 'string') throw new DecodeError('a guest error has no message');
      return { kind: 'guest-error', ...stamp, cpu, device, offset, message: tail.row };
    }
    return { kind: 'note', ...stamp, cpu, device, what, fields: noteFields(tail.row) };
  },
};

/** Fields are stored as a flat list of names and values, so that no name can have a special meaning. */
function noteFields(row: PlainData): NoteEvent['fields'] {
  if (!Array.isArray(row) || row.length % 2 !== 0) throw new DecodeError('a note has no fields');
  const pairs: [string, number | string | boolean][] = [];
  for (let i = 0; i < row.length; i += 2) {
    const name: unknown = row[i];
    const value: unknown = row[i + 1];
    if (typeof name !== 'string' || !['number', 'string', 'boolean'].includes(typeof value)) {
      throw new DecodeError('a note has a malformed field');
    }
    pairs.push([name, value as number | string | boolean]);
  }
  return Object.fromEntries(pairs);
}

/** In the order in which a group is written: what replay needs comes first. */
export const KIND_CODECS: readonly KindCodec[] = [
  inputs,
  notes,
  outputs,
  accesses,
  interrupts,
  exceptions,
  dma,
];

const BY_CHUNK = new Map(KIND_CODECS.map((codec) => [codec.chunk, codec] as const));

/** Undefined for chunks that hold no events. */
export function codecOfChunk(name: ChunkName): KindCodec | undefined {
  return BY_CHUNK.get(name);
}
