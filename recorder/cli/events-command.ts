import type { EventKind } from '../../engine/base/events.ts';
import {
  decodeAccess,
  type EventFilter,
  KEPT_FROM,
  keeps,
  parseRegisterName,
  type RegisterMaps,
  resolveRegister,
  type SyncTraceReader,
  type TraceEvent,
} from '../../traces/index.ts';
import { openTrace } from '../host/open-trace.ts';
import { describeEvent } from '../session/describe.ts';
import { pluggedDevices } from '../session/plugged-devices.ts';
import { registerMapsOf } from '../session/register-maps.ts';
import { recordedConfig } from '../session/setup.ts';
import { EXIT, OptionError } from './errors.ts';
import type { CommandIo } from './io.ts';
import { readNumber, readWord } from './key-values.ts';
import { readCount } from './machine-request.ts';

export interface EventsOptions {
  readonly device?: readonly string[];
  readonly kind?: readonly string[];
  readonly cpu?: readonly string[];
  readonly intid?: readonly string[];
  readonly what?: readonly string[];
  readonly register?: readonly string[];
  readonly from?: string;
  readonly to?: string;
  readonly value?: string;
  readonly limit?: string;
  readonly reads?: boolean;
  readonly writes?: boolean;
  readonly backward?: boolean;
  readonly count?: boolean;
  readonly json?: boolean;
}

const KINDS = Object.keys(KEPT_FROM) as EventKind[];

export const EVENTS_HELP = `Usage: virtrace events FILE.vtrace [filters]

Prints the recorded events, one per line: position, virtual time in seconds, CPU, and what happened, with the
names of registers and fields. Filters of different kinds must all hold; of one kind, any.

Filters:
  --kind KIND          ${KINDS.join(', ')}
  --device ID          e.g. uart0, gicd, rtc, or the id of a -device
  --register NAME      DEVICE.REGISTER or DEVICE.REGISTER.FIELD, e.g. uart0.UARTDR
  --value N[/MASK]     accesses with this value, or with these bits of it
  --reads, --writes    only accesses (and DMA) in this direction
  --cpu N              the CPU that was running; -1: none
  --intid N            interrupts of this number
  --what WORD          e.g. acknowledge, irq, cpu-on
  --from N, --to N     positions, from and up to; suffixes k, M and G are powers of 1000
  --limit N            at most so many
  --backward           from the end
  --count              only their number
  --json               a JSON object per line
`;

/** `virtrace events` */
export async function eventsCommand(file: string, options: EventsOptions, io: CommandIo): Promise<number> {
  const trace = openTrace(file);
  try {
    const { reader } = trace;
    const maps = registerMapsOf(recordedConfig(reader.header), pluggedDevices(reader));
    const filter = readFilter(options, maps);
    checkLevel(reader, filter, io);
    let count = 0;
    for (const batch of reader.batches(filter)) {
      count += batch.length;
      if (options.count === true) continue;
      const line = options.json === true ? jsonLine : textLine;
      io.out(batch.map((event) => line(event, maps)).join(''));
      await io.drained();
      if (io.outClosed) break;
    }
    if (options.count === true)
      io.out(options.json === true ? `${JSON.stringify({ count })}\n` : `${count}\n`);
    return EXIT.ok;
  } finally {
    trace.close();
  }
}

/** What a level does not keep is not "none". */
function checkLevel({ header }: SyncTraceReader, { kinds }: EventFilter, io: CommandIo): void {
  const missing = (kinds ?? []).filter((kind) => !keeps(header.level, kind));
  if (missing.length > 0) {
    io.talk(
      `virtrace: this trace has level ${header.level}, which keeps no events of kind ${missing.join(', ')}\n`,
    );
  }
}

type Mutable<T> = { -readonly [key in keyof T]: T[key] };

/** @throws OptionError */
export function readFilter(options: EventsOptions, maps: RegisterMaps): EventFilter {
  const filter: Mutable<EventFilter> = {};
  const numbers = (option: string, texts: readonly string[], low: number): number[] =>
    texts.map((text) =>
      text === '-1' && low < 0 ? -1 : readNumber(option, text, Math.max(low, 0), 0xffff_ffff),
    );
  if (options.kind !== undefined) filter.kinds = options.kind.map((kind) => readWord('--kind', kind, KINDS));
  if (options.device !== undefined) filter.devices = options.device;
  if (options.what !== undefined) filter.whats = options.what;
  if (options.cpu !== undefined) filter.cpus = numbers('--cpu', options.cpu, -1);
  if (options.intid !== undefined) filter.intids = numbers('--intid', options.intid, 0);
  if (options.from !== undefined) filter.from = readCount('--from', options.from);
  if (options.to !== undefined) filter.to = readCount('--to', options.to);
  if (options.limit !== undefined) filter.limit = readCount('--limit', options.limit);
  if (options.reads === true && options.writes === true) {
    throw new OptionError('--reads and --writes: give one of them, or none for both');
  }
  if (options.reads === true) filter.write = false;
  if (options.writes === true) filter.write = true;
  if (options.backward === true) filter.direction = 'backward';
  if (options.value !== undefined) filter.value = readValue(options.value);
  if (options.register !== undefined) {
    filter.registers = options.register.map((text) => {
      const name = parseRegisterName(text);
      if (name === undefined)
        throw new OptionError(`--register ${text}: allowed is DEVICE.REGISTER or DEVICE.REGISTER.FIELD`);
      try {
        return resolveRegister(name, maps).range;
      } catch (error) {
        throw new OptionError(`--register ${text}: ${(error as Error).message}`);
      }
    });
  }
  return filter;
}

function readValue(text: string): { value: bigint; mask?: bigint } {
  const match = /^(0[xX][0-9a-fA-F]{1,16}|\d{1,19})(?:\/(0[xX][0-9a-fA-F]{1,16}|\d{1,19}))?$/.exec(text);
  if (match === null) throw new OptionError(`--value ${text}: allowed is a number, or number/mask`);
  const [, value, mask] = match;
  return { value: BigInt(value!), ...(mask === undefined ? {} : { mask: BigInt(mask) }) };
}

function textLine(event: TraceEvent, maps: RegisterMaps): string {
  const who = event.cpu < 0 ? '    ' : `cpu${event.cpu}`;
  const seconds = (event.time / 1e9).toFixed(9);
  return `${String(event.position).padStart(12)}  ${seconds.padStart(14)}  ${who}  ${describeEvent(event, maps)}\n`;
}

/** 64-bit values as hexadecimal texts, bytes as base64: what JSON can hold without loss. */
export function jsonEvent(event: TraceEvent, maps: RegisterMaps): { [key: string]: unknown } {
  const plain: { [key: string]: unknown } = {};
  for (const [key, value] of Object.entries(event)) {
    if (typeof value === 'bigint') plain[key] = `0x${value.toString(16)}`;
    else if (value instanceof Uint8Array) plain[key] = Buffer.from(value).toString('base64');
    else plain[key] = value;
  }
  if (event.kind === 'access') {
    const { register, fields } = decodeAccess(event, maps);
    if (register !== undefined) plain.register = register;
    if (fields.length > 0) {
      plain.fields = Object.fromEntries(
        fields.map(({ name, value, text }) => [name, text ?? `0x${value.toString(16)}`]),
      );
    }
  }
  plain.text = describeEvent(event, maps);
  return plain;
}

function jsonLine(event: TraceEvent, maps: RegisterMaps): string {
  return `${JSON.stringify(jsonEvent(event, maps))}\n`;
}
