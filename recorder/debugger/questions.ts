/** Questions about what happened: answered from the trace where it knows, else by running. */
import type { InterruptEvent } from '../../engine/base/events.ts';
import { type EventFilter, type TraceEvent, writesTo } from '../../traces/index.ts';
import { type Condition, matcherOf } from '../session/conditions.ts';
import { interruptNumber } from '../session/interrupt-words.ts';
import { inspectLpis } from '../session/lpi-view.ts';
import type { Operation } from '../session/operation.ts';
import { describeStop } from '../session/timeline-stop.ts';
import { type Answer, DebugError, hex, type Json } from './answer.ts';
import type { Command } from './command.ts';
import type { Debugger } from './debugger.ts';
import { whyNotTaken } from './devices.ts';
import { eventLine, eventRow } from './event-lines.ts';
import { describeHits } from './hits.ts';
import { memoryPlace, needCpu, places } from './stops.ts';
import { isRegisterName, registerOf, words } from './words.ts';

type Direction = 'last' | 'next';
type AccessWord = 'write' | 'read' | 'access' | 'change';

const ACCESS_WORDS: readonly AccessWord[] = ['write', 'read', 'access', 'change'];

/** `DEVICE.REGISTER[.FIELD] [== VALUE]`. */
function* askRegister(
  debug: Debugger,
  direction: Direction,
  access: AccessWord,
  list: readonly string[],
): Operation<Answer> {
  const [name = '', ...rest] = list
    .join(' ')
    .replace(/==?/, ' == ')
    .split(/\s+/)
    .filter((word) => word !== '');
  const resolved = registerOf(debug, name);
  let value: bigint | undefined;
  if (rest.length > 0) {
    if (rest.length !== 2 || rest[0] !== '==' || !/^(0x[0-9a-f]{1,16}|\d{1,20})$/i.test(rest[1]!)) {
      throw new DebugError(
        `${direction} ${access} ${list.join(' ')}: after the register, only == VALUE can stand`,
      );
    }
    value = BigInt(rest[1]!);
  }
  const condition: Extract<Condition, { kind: 'access' }> = {
    kind: 'access',
    device: resolved.device,
    register: name.slice(resolved.device.length + 1),
    ...(access === 'access' ? {} : { write: access !== 'read' }),
    ...(value === undefined ? {} : { value }),
  };
  if (!debug.keeps('access') || debug.timeline.branch !== undefined)
    return yield* askByRunning(debug, direction, condition);
  const matcher = matcherOf(condition, debug.maps);
  const filter: EventFilter = { ...matcher.filter, ...(condition.write === true ? writesTo(resolved) : {}) };
  const event = yield* search(debug, direction, filter, (each) => matcher.matches(each));
  return eventAnswer(
    debug,
    event,
    `no ${access} of ${name}${value === undefined ? '' : ` with value ${hex(value)}`} ${direction === 'last' ? 'before' : 'after'} this`,
  );
}

/** The nearest event before or after the present position. What comes next right here does not count. */
function* search(
  debug: Debugger,
  direction: Direction,
  filter: EventFilter,
  matches: (event: TraceEvent) => boolean = () => true,
): Operation<TraceEvent | undefined> {
  const { position } = debug.timeline;
  const bound: EventFilter =
    direction === 'last' ? { to: position, direction: 'backward' } : { from: position + 1 };
  for (const batch of debug.reader.batches({ ...filter, ...bound })) {
    const event = batch.find(matches);
    if (event !== undefined) return event;
    if ((yield { what: 'searching the trace', position: batch[0]!.position }) === true)
      throw new DebugError('interrupted');
  }
  return undefined;
}

function eventAnswer(debug: Debugger, event: TraceEvent | undefined, none: string): Answer {
  if (event === undefined) return { data: { found: null }, text: none };
  debug.there = event.position;
  const row = eventRow(debug, event);
  return { data: { found: row.data }, text: eventLine(row) };
}

/** By searching with the machine; it comes back to where it was. */
function* askByRunning(debug: Debugger, direction: Direction, condition: Condition): Operation<Answer> {
  const { timeline } = debug;
  const start = timeline.position;
  const found = yield* timeline.find([condition], direction === 'last' ? 'backward' : 'forward');
  if (found === 'interrupted') {
    yield* timeline.seek(start);
    throw new DebugError('interrupted');
  }
  if (found === undefined) {
    return { data: { found: null }, text: `none ${direction === 'last' ? 'before' : 'after'} this` };
  }
  if ('reason' in found) throw new DebugError(describeStop(found));
  const { position, hits } = found;
  const chosen = debug.isChosen ? debug.cpu : undefined;
  debug.choose(undefined);
  const seen = yield* describeHits(debug, hits);
  const where = debug.where();
  debug.choose(chosen);
  yield* timeline.seek(start);
  debug.there = position;
  return {
    data: { found: { ...where.data, what: seen.data } },
    text: [...seen.lines, where.text].join('\n'),
  };
}

function question(direction: Direction): Command {
  return {
    name: direction,
    aliases: direction === 'last' ? ['l'] : [],
    usage: 'write|read|access|change DEVICE.REGISTER[.FIELD] [== VALUE] | [phys] ADDRESS [BYTES]',
    help: `the ${direction} time that a register or memory was written or read, ${direction === 'last' ? 'before' : 'after'} this`,
    more: [
      'Registers of devices are answered from the trace at once; memory by running. The machine stays where it is;',
      '`goto there` goes to what was found.',
    ],
    *run(debug, rest) {
      const [word, ...list] = words(rest);
      const access = ACCESS_WORDS.find((each) => each === word);
      if (access === undefined || list.length === 0) {
        // gdb's people type `next` for a step over a call.
        throw new DebugError(
          `${direction} ${rest.trim()}: allowed is ${direction} write|read|access|change DEVICE.REGISTER[.FIELD] or ADDRESS`,
        );
      }
      const [first = ''] = list;
      const name = first.replace(/==?.*$/, '');
      if (isRegisterName(debug, name)) return yield* askRegister(debug, direction, access, list);
      // Something with a dot that is neither a device's nor a symbol was most likely meant as a register.
      if (/^[\w-]+\.[\w.]+$/.test(name) && debug.symbols.addressOf(name) === undefined)
        registerOf(debug, name);
      const place = memoryPlace(debug, list, `${direction} ${access}`);
      return yield* askByRunning(debug, direction, { kind: 'watch', access, ...place });
    },
    complete: (debug, list) => (list.length <= 1 ? ACCESS_WORDS : places(debug, list.at(-1) ?? '')),
  };
}

/* ---------------------------------------------------------------- interrupts */

const STEPS: readonly { readonly what: InterruptEvent['what']; readonly label: string }[] = [
  { what: 'line-high', label: 'line high' },
  { what: 'pending', label: 'pending' },
  { what: 'acknowledge', label: 'acknowledged' },
  { what: 'active', label: 'active' },
  { what: 'complete', label: 'completed' },
  { what: 'not-pending', label: 'not pending' },
  { what: 'line-low', label: 'line low' },
];

const interrupt: Command = {
  name: 'interrupt',
  aliases: ['irq', 'int'],
  usage: 'INTID [cpu N]',
  help: 'when an interrupt was and will be raised, pending, acknowledged and completed; and its state now',
  *run(debug, rest) {
    const match = /^\s*(0x[0-9a-f]{1,8}|\d{1,9})(?:\s+cpu\s+(\d{1,4}))?\s*$/i.exec(rest);
    if (match === null)
      throw new DebugError(`interrupt ${rest.trim()}: which INTID? interrupt 34, interrupt 27 cpu 1`);
    const intid = Number(match[1]);
    const cpu = match[2] === undefined ? debug.cpu : Number(match[2]);
    needCpu(debug, cpu);
    debug.needKind('interrupt', 'break irq N stops at them by running');
    const name = debug.interruptName(intid);
    const status = [
      ...debug.machine.board.gic.inspect(cpu).interrupts,
      ...inspectLpis(debug.machine, cpu),
    ].find((row) => row.intid === intid);
    const lines = [`${interruptNumber(intid)} (INTID ${intid})${name === '' ? '' : ` ${name}`}`];
    const rows: { [label: string]: Json } = {};
    let state: Json = null;
    if (status !== undefined) {
      const why = whyNotTaken(debug, cpu, status);
      const parts = [
        status.enabled ? 'enabled' : 'not enabled',
        ...(status.pending ? ['pending'] : []),
        ...(status.active ? ['active'] : []),
        `line ${status.line ? 'high' : 'low'}`,
        `priority ${hex(status.priority)}`,
        status.group,
        why === undefined ? `cpu${cpu} is about to take it` : `cpu${cpu} does not take it: ${why}`,
      ];
      lines.push(`  now: ${parts.join(', ')}`);
      const { enabled, pending, active, line, priority, group } = status;
      state = {
        enabled,
        pending,
        active,
        line,
        priority,
        group,
        taken: why === undefined,
        ...(why === undefined ? {} : { why }),
      };
    }
    // Private interrupts are one for each CPU.
    const isPrivate = intid < 32;
    let isKnown = false;
    for (const direction of ['last', 'next'] as const) {
      const found: { [label: string]: Json } = {};
      const told: { readonly event: TraceEvent; readonly label: string }[] = [];
      for (const { what, label } of STEPS) {
        const filter: EventFilter = { kinds: ['interrupt'], intids: [intid], whats: [what] };
        const event = yield* search(
          debug,
          direction,
          filter,
          (each) => each.kind === 'interrupt' && (!isPrivate || each.target === cpu || each.target < 0),
        );
        if (event === undefined) continue;
        isKnown = true;
        if (direction === 'last' && what === 'acknowledge') debug.there = event.position;
        told.push({ event, label });
        found[what] = null;
      }
      told.sort((x, y) => x.event.position - y.event.position || x.event.ordinal - y.event.ordinal);
      for (const { event, label } of told) {
        const row = eventRow(debug, event);
        if (event.kind === 'interrupt') found[event.what] = row.data;
        lines.push(eventLine({ ...row, text: `${direction} ${label}` }));
      }
      rows[direction] = found;
    }
    if (!isKnown) lines.push('  nothing is recorded of it');
    return { data: { intid, name, cpu, now: state, ...rows }, text: lines.join('\n') };
  },
};

/* ---------------------------------------------------------------- events */

const KINDS = [
  'access',
  'interrupt',
  'exception',
  'input',
  'output',
  'dma',
  'guest-error',
  'note',
  'power',
] as const;
const WHATS = [
  ...STEPS.map(({ what }) => what as string),
  ...['sync', 'irq', 'fiq', 'serror', 'return', 'cpu-on', 'cpu-off', 'system-off', 'system-reset'],
];
const AROUND = 5;
const MAX_EVENTS = 10_000;

type Mutable<T> = { -readonly [key in keyof T]: T[key] };

/** `20 before uart0 writes`. @throws DebugError */
function readWords(
  debug: Debugger,
  list: readonly string[],
): { filter: Mutable<EventFilter>; count: number; side: string } {
  const filter: Mutable<EventFilter> = {};
  let count = AROUND;
  let side = 'around';
  const add = <T>(all: readonly T[] | undefined, one: T): T[] => [...(all ?? []), one];
  for (let i = 0; i < list.length; i++) {
    const word = list[i]!;
    const number = /^\d{1,6}$/.test(list[i + 1] ?? '') ? Number(list[i + 1]) : undefined;
    if (/^\d+$/.test(word)) {
      count = Number(word);
      if (count < 1 || count > MAX_EVENTS)
        throw new DebugError(`events ${word}: allowed are 1 to ${MAX_EVENTS} events`);
    } else if (word === 'before' || word === 'after') side = word;
    else if (word === 'writes' || word === 'reads') filter.write = word === 'writes';
    else if ((word === 'irq' || word === 'interrupt') && number !== undefined) {
      filter.intids = add(filter.intids, number);
      i++;
    } else if (word === 'cpu' && number !== undefined) {
      filter.cpus = add(filter.cpus, number);
      i++;
    } else if ((KINDS as readonly string[]).includes(word))
      filter.kinds = add(filter.kinds, word as (typeof KINDS)[number]);
    else if (WHATS.includes(word)) filter.whats = add(filter.whats, word);
    else if (debug.map(word) !== undefined) filter.devices = add(filter.devices, word);
    else if (word.includes('.')) filter.registers = add(filter.registers, registerOf(debug, word).range);
    else {
      throw new DebugError(
        `events ${word}: neither a count, before, after, a kind (${KINDS.join(', ')}), a device, DEVICE.REGISTER, irq N, cpu N, reads nor writes`,
      );
    }
  }
  return { filter, count, side };
}

const events: Command = {
  name: 'events',
  aliases: ['ev'],
  usage: '[COUNT] [before|after] [KIND|DEVICE|DEVICE.REGISTER|irq N|cpu N|reads|writes...]',
  help: 'what happened around the present position, numbered for goto',
  *run(debug, rest) {
    const { filter, count, side } = readWords(debug, words(rest));
    const { position } = debug.timeline;
    const list: TraceEvent[] = [];
    const take = function* (bound: EventFilter): Operation<TraceEvent[]> {
      const found: TraceEvent[] = [];
      for (const batch of debug.reader.batches({ ...filter, ...bound, limit: count })) {
        found.push(...batch);
        if ((yield { what: 'reading the trace', position: batch[0]!.position }) === true)
          throw new DebugError('interrupted');
      }
      return found;
    };
    if (side !== 'after') list.push(...(yield* take({ to: position, direction: 'backward' })).reverse());
    const before = list.length;
    if (side !== 'before') list.push(...(yield* take({ from: position })));
    const rows = list.map((event) => eventRow(debug, event));
    const lines = rows.map(eventLine);
    if (side === 'around') lines.splice(before, 0, `=> position ${position}`);
    const missing = (filter.kinds ?? []).filter((kind) => !debug.keeps(kind));
    if (missing.length > 0)
      lines.push(
        `this trace has level ${debug.reader.header.level}, which keeps no events of kind ${missing.join(', ')}`,
      );
    else if (rows.length === 0) lines.push('no such events');
    return { data: { position, events: rows.map(({ data }) => data) }, text: lines.join('\n') };
  },
  complete: (debug, list) => [
    ...KINDS,
    'before',
    'after',
    'irq',
    'cpu',
    'reads',
    'writes',
    ...places(debug, list.at(-1) ?? ''),
    ...debug.devices,
  ],
};

export const QUESTIONS: readonly Command[] = [question('last'), question('next'), interrupt, events];
