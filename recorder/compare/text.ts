/** A comparison in words and as plain data. */
import { findRegister } from '../../engine/base/register-map.ts';
import type { TraceEvent } from '../../traces/index.ts';
import { describeEvent } from '../session/describe.ts';
import { readable } from '../session/readable.ts';
import type { SymbolTable } from '../session/symbols.ts';
import {
  around,
  type Comparison,
  type Difference,
  type DifferencePlace,
  type Side,
  type StreamComparison,
} from './compare.ts';
import { lineMeaning } from './meaning.ts';

/** A recording with what is needed to tell of it. */
export interface NamedSide extends Side {
  readonly name: string;
  readonly symbols: SymbolTable;
  /** `uart0` for 33. */
  readonly interruptName: (intid: number) => string;
}

export interface TextOptions {
  /** Events shown before and after the first difference. */
  readonly context: number;
}

const MAX_CONSOLE_LINES = 12;
const MAX_REGISTERS = 6;
const MAX_DETAILS = 400;
/** Devices, interrupts and consoles that are told of. */
const MAX_TOLD = 64;
const MAX_LINE = 4096;

const seconds = (time: number): string => (time / 1e9).toFixed(9);

function eventText({ maps, symbols }: NamedSide, event: TraceEvent): string {
  const symbol = event.kind === 'access' ? symbols.describe(event.pc) : undefined;
  const who = event.cpu < 0 ? '    ' : `cpu${event.cpu}`;
  return `${String(event.position).padStart(11)}  ${seconds(event.time)}  ${who}  ${describeEvent(event, maps)}${symbol === undefined ? '' : `  in ${symbol}`}`;
}

function eventAt(side: NamedSide, { position, ordinal }: DifferencePlace): TraceEvent | undefined {
  return side.reader.first({ from: { position, ordinal }, to: { position, ordinal: ordinal + 1 } });
}

/** A console's line, which is many events. */
function lineAt({ reader }: NamedSide, device: string, place: DifferencePlace): string {
  const bytes: number[] = [];
  for (const batch of reader.batches({ kinds: ['output'], devices: [device], from: place, limit: 4096 })) {
    for (const event of batch) {
      if (event.kind !== 'output') continue;
      for (const byte of event.bytes) {
        if (byte === 0x0a && bytes.length > 0) return readable(Uint8Array.from(bytes));
        if (byte !== 0x0a) bytes.push(byte);
      }
    }
  }
  return readable(Uint8Array.from(bytes));
}

function whatAt(side: NamedSide, stream: StreamComparison, place: DifferencePlace | undefined): string {
  if (place === undefined) return '(nothing)';
  if (stream.key.kind === 'console') {
    const event = eventAt(side, place);
    const stamp =
      event === undefined ? '' : `${String(place.position).padStart(11)}  ${seconds(event.time)}        `;
    return `${stamp}${JSON.stringify(lineAt(side, stream.key.id, place))}`;
  }
  const event = eventAt(side, place);
  return event === undefined ? '(nothing)' : eventText(side, event);
}

export interface ToldDifference {
  readonly stream: string;
  readonly a: string;
  readonly b: string;
  readonly positionA: number;
  readonly positionB: number;
}

function told(
  [a, b]: readonly [NamedSide, NamedSide],
  stream: StreamComparison,
  difference: Difference,
): ToldDifference {
  return {
    stream: stream.name,
    a: whatAt(a, stream, difference.a),
    b: whatAt(b, stream, difference.b),
    positionA: difference.a?.position ?? difference.order,
    positionB: difference.b?.position ?? difference.orderB,
  };
}

/** Lines around the first difference in one of the recordings; the one itself is marked. */
function contextOf(
  side: NamedSide,
  place: DifferencePlace | undefined,
  near: number,
  count: number,
): string[] {
  if (count === 0) return [];
  const at = place ?? { position: near, ordinal: 0 };
  const { before, after } = around(side, at, count, count + 1);
  const lines = before.map((event) => `    ${eventText(side, event)}`);
  after.forEach((event, i) => {
    const isIt = place !== undefined && i === 0;
    if (isIt || i < count) lines.push(`${isIt ? '  > ' : '    '}${eventText(side, event)}`);
  });
  return lines;
}

/** Registers that a device's stretches begin with, with how often. */
function registersIn(
  [sideA, sideB]: readonly [NamedSide, NamedSide],
  stream: StreamComparison,
): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { a, b } of stream.differences.slice(0, MAX_DETAILS)) {
    const side = a === undefined ? sideB : sideA;
    const place = a ?? b;
    const event = place === undefined ? undefined : eventAt(side, place);
    if (event?.kind !== 'access') continue;
    const map = side.maps(event.device);
    const name = map === undefined ? undefined : findRegister(map, event.offset)?.name;
    const key = name ?? `+0x${event.offset.toString(16)}`;
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return counts;
}

export interface DiffReport {
  readonly same: boolean;
  readonly configuration: readonly { readonly what: string; readonly a: string; readonly b: string }[];
  readonly first?: ToldDifference & {
    readonly contextA: readonly string[];
    readonly contextB: readonly string[];
  };
  readonly firstOnConsole?: ToldDifference;
  readonly devices: readonly {
    readonly name: string;
    readonly a: number;
    readonly b: number;
    readonly stretches: number;
    readonly registers: readonly string[];
    readonly first: ToldDifference;
  }[];
  readonly interrupts: readonly {
    readonly name: string;
    readonly takenA: number;
    readonly takenB: number;
    readonly timing: boolean;
  }[];
  readonly consoles: readonly {
    readonly device: string;
    readonly lines: readonly string[];
    readonly more: number;
  }[];
  readonly others: readonly string[];
  readonly ends: readonly [string, string];
  readonly notes: readonly string[];
}

const OTHER_KINDS: readonly string[] = ['power', 'guest-error', 'exception', 'dma'];

export function report(
  comparison: Comparison,
  sides: readonly [NamedSide, NamedSide],
  { context }: TextOptions,
): DiffReport {
  const [a, b] = sides;
  const { first, streams } = comparison;
  const firstStream = streams.find(({ name }) => name === first?.stream);
  const { firstOnConsole } = comparison;
  const consoleStream = streams.find(({ name }) => name === firstOnConsole?.stream);
  const differing = streams.filter(({ hunks }) => hunks > 0);
  const notes = comparison.comparedTo.flatMap((to, i) =>
    to === undefined
      ? []
      : [`${i === 0 ? 'A' : 'B'} was compared up to position ${to} only: it is too long, or damaged there`],
  );
  for (const kind of comparison.oneSided)
    notes.push(
      `${kind === 'dma' ? 'DMA is' : 'exceptions are'} not compared: only one of them has level full`,
    );
  for (const { name, complete } of differing)
    if (!complete) notes.push(`${name}: too different to be aligned any further`);
  return {
    same: comparison.same,
    configuration: comparison.configuration.map(({ what, a: left, b: right }) => ({
      what,
      a: left,
      b: right,
    })),
    ...(first === undefined || firstStream === undefined
      ? {}
      : {
          first: {
            ...told(sides, firstStream, first),
            contextA: contextOf(a, first.a, first.order, context),
            contextB: contextOf(b, first.b, first.orderB, context),
          },
        }),
    ...(firstOnConsole === undefined || consoleStream === undefined
      ? {}
      : { firstOnConsole: told(sides, consoleStream, firstOnConsole) }),
    devices: differing
      .filter(({ key, counts }) => key.kind === 'device' && counts)
      .slice(0, MAX_TOLD)
      .map((stream) => {
        const registers = registersIn(sides, stream);
        return {
          name: stream.name,
          a: stream.eventsA,
          b: stream.eventsB,
          stretches: stream.hunks,
          registers: [...registers]
            .sort((x, y) => y[1] - x[1])
            .slice(0, MAX_REGISTERS)
            .map(([name]) => name),
          first: told(sides, stream, stream.differences[0]!),
        };
      }),
    interrupts: differing
      .filter(({ key }) => key.kind === 'interrupt')
      .slice(0, MAX_TOLD)
      .map(({ key, takenA, takenB }) => {
        const name = `${key.id} ${a.interruptName(Number(key.id))}`.trim();
        return {
          name: key.cpu < 0 ? name : `${name} (cpu${key.cpu})`,
          takenA,
          takenB,
          timing: key.timing,
        };
      }),
    consoles: differing
      .filter(({ key }) => key.kind === 'console')
      .slice(0, MAX_TOLD)
      .map((stream) => consoleLines(sides, stream)),
    others: differing
      .filter(({ key, counts }) => OTHER_KINDS.includes(key.kind) && counts)
      .slice(0, MAX_TOLD)
      .map((stream) => {
        const { a: left, b: right } = told(sides, stream, stream.differences[0]!);
        return `${stream.name}: A ${left.trim()}; B ${right.trim()}`;
      }),
    ends: comparison.ends,
    notes,
  };
}

/** `- ` only in A, `+ ` only in B. */
function consoleLines(
  [a, b]: readonly [NamedSide, NamedSide],
  stream: StreamComparison,
): DiffReport['consoles'][number] {
  const { id } = stream.key;
  const lines: string[] = [];
  for (const { a: left, b: right, countA, countB } of stream.differences) {
    if (lines.length >= MAX_CONSOLE_LINES) break;
    const room = MAX_CONSOLE_LINES - lines.length;
    lines.push(...linesFrom(a, id, left, Math.min(countA, room)).map((line) => `- ${line}`));
    lines.push(...linesFrom(b, id, right, Math.min(countB, room)).map((line) => `+ ${line}`));
  }
  return { device: id, lines, more: Math.max(0, stream.onlyA + stream.onlyB - lines.length) };
}

/** Lines that are printed one after the other from a place on. */
function linesFrom(
  { reader }: NamedSide,
  device: string,
  place: DifferencePlace | undefined,
  count: number,
): string[] {
  if (place === undefined || count <= 0) return [];
  const lines: string[] = [];
  let bytes: number[] = [];
  for (const batch of reader.batches({ kinds: ['output'], devices: [device], from: place })) {
    for (const event of batch) {
      if (event.kind !== 'output') continue;
      for (const byte of event.bytes) {
        if (byte !== 0x0a && bytes.length < MAX_LINE) {
          bytes.push(byte);
          continue;
        }
        if (bytes.length === 0) continue;
        lines.push(lineMeaning(readable(Uint8Array.from(bytes))));
        bytes = [];
        if (lines.length >= count) return lines;
      }
    }
  }
  if (bytes.length > 0) lines.push(lineMeaning(readable(Uint8Array.from(bytes))));
  return lines;
}

export function reportText(told: DiffReport, [a, b]: readonly [NamedSide, NamedSide]): string {
  const lines = [`A: ${a.name}`, `B: ${b.name}`];
  if (told.configuration.length > 0) {
    lines.push('', 'They were set up differently:');
    for (const { what, a: left, b: right } of told.configuration)
      lines.push(`  ${what}: A ${left}, B ${right}`);
  }
  if (told.first === undefined) {
    lines.push(
      '',
      told.same ? 'They are the same in meaning.' : 'What the guest did is the same in meaning.',
    );
  } else {
    const { stream, a: left, b: right, positionA, positionB, contextA, contextB } = told.first;
    lines.push('', `First difference: ${stream}, at position ${positionA} of A and ${positionB} of B`);
    lines.push(`  A ${left}`, `  B ${right}`);
    if (contextA.length > 0) lines.push('', 'Around it in A:', ...contextA);
    if (contextB.length > 0) lines.push('', 'Around it in B:', ...contextB);
  }
  const { firstOnConsole } = told;
  if (firstOnConsole !== undefined && firstOnConsole.stream !== told.first?.stream) {
    lines.push('', `First difference on the ${firstOnConsole.stream}:`);
    lines.push(`  A ${firstOnConsole.a}`, `  B ${firstOnConsole.b}`);
  }
  if (told.devices.length > 0) {
    lines.push('', 'Devices that differ, by their first difference:');
    for (const { name, a: left, b: right, stretches, registers, first } of told.devices) {
      const names = registers.length === 0 ? '' : `: ${registers.join(', ')}`;
      lines.push(
        `  ${name}: ${left} accesses in A, ${right} in B, ${stretches} difference${stretches === 1 ? '' : 's'}${names}`,
      );
      lines.push(`    A ${first.a}`, `    B ${first.b}`);
    }
  }
  if (told.interrupts.length > 0) {
    lines.push('', 'Interrupts taken:');
    for (const { name, takenA, takenB, timing } of told.interrupts)
      lines.push(`  ${name}: ${takenA} in A, ${takenB} in B${timing ? ' (timing)' : ''}`);
  }
  for (const { device, lines: shown, more } of told.consoles) {
    lines.push('', `Console of ${device} (- only in A, + only in B):`, ...shown.map((line) => `  ${line}`));
    if (more > 0) lines.push(`  ... ${more} more lines`);
  }
  if (told.others.length > 0) lines.push('', ...told.others);
  if (told.ends[0] !== told.ends[1]) lines.push('', `A ended with ${told.ends[0]}, B with ${told.ends[1]}.`);
  if (told.notes.length > 0) lines.push('', ...told.notes);
  return `${lines.join('\n')}\n`;
}
