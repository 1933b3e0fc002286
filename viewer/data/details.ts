import { findRegister } from '../../engine/base/register-map.ts';
import { interruptNumber } from '../../recorder/session/interrupt-words.ts';
import { busAddressText, fieldText, functionName } from '../../recorder/session/message-words.ts';
import {
  decodeAccess,
  type EventFilter,
  type RegisterMaps,
  type TraceEvent,
  type TraceReader,
} from '../../traces/index.ts';
import { readable } from './console-text.ts';
import type { EventText } from './event-text.ts';
import { exceptionClass, hexBytes } from './event-text.ts';
import { quote } from './filter/syntax.ts';
import type { EventDetails, EventLink, EventPlace, EventRow, FieldView } from './protocol.ts';

export interface DetailsContext {
  readonly reader: TraceReader;
  readonly maps: RegisterMaps;
  readonly words: EventText;
  readonly rowOf: (event: TraceEvent) => EventRow;
  readonly symbol: (pc: bigint) => string | undefined;
}

const hex = (value: bigint | number): string => `0x${value.toString(16)}`;

function linkTo(context: DetailsContext, label: string, event: TraceEvent): EventLink {
  const { position, ordinal, time } = event;
  const text = `${context.words.subject(event)} ${context.words.text(event)}`;
  return { label, place: { position, ordinal }, text, time };
}

function after(place: EventPlace): EventPlace {
  return { position: place.position, ordinal: place.ordinal + 1 };
}

/** Everything about one event. */
export async function detailsOf(context: DetailsContext, event: TraceEvent): Promise<EventDetails> {
  const { reader, words, rowOf } = context;
  const row = rowOf(event);
  const together: TraceEvent[] = [];
  const here: EventFilter = { from: event.position, to: event.position + 1, limit: 2000 };
  // A sleep between two instructions takes no position, but what ends it has nothing to do with what began it.
  for await (const other of reader.events(here)) if (other.time === event.time) together.push(other);
  const pc = event.kind === 'access' || event.kind === 'exception' ? event.pc : undefined;
  const symbol = pc === undefined ? undefined : context.symbol(pc);
  const register = event.kind === 'access' ? await registerOf(context, event) : undefined;
  return {
    row,
    title: `${words.subject(event)} · ${words.text(event)}`,
    facts: factsOf(event),
    ...(pc === undefined ? {} : { pc: hex(pc) }),
    ...(symbol === undefined ? {} : { symbol }),
    ...(register === undefined ? {} : { register }),
    neighbours: await neighboursOf(context, event),
    causes: causesOf(context, event, together),
    effects: effectsOf(context, event, together),
    cycle: await cycleOf(context, event),
    ...bytesOf(context, event),
    filters: filtersOf(context, event),
  };
}

function factsOf(event: TraceEvent): EventDetails['facts'] {
  const facts: { name: string; value: string; hint?: string }[] = [];
  switch (event.kind) {
    case 'access':
      facts.push({ name: 'access', value: `${event.write ? 'write' : 'read'}, ${event.size} bytes` });
      break;
    case 'interrupt':
      facts.push({ name: 'interrupt', value: `INTID ${event.intid}`, hint: interruptNumber(event.intid) });
      if (event.target >= 0) facts.push({ name: 'for', value: `CPU ${event.target}` });
      break;
    case 'exception':
      facts.push({ name: 'levels', value: `EL${event.fromEl} → EL${event.toEl}` });
      if (event.what !== 'return') {
        facts.push({ name: 'syndrome', value: hex(event.syndrome), hint: exceptionClass(event.syndrome) });
        facts.push({ name: 'fault address', value: hex(event.faultAddress) });
      }
      break;
    case 'dma':
      facts.push({ name: 'address', value: busAddressText(event.address) });
      facts.push({ name: 'length', value: `${event.length} bytes` });
      if (event.requester !== undefined) {
        const name = functionName(event.requester);
        facts.push({ name: 'requester', value: `${hex(event.requester)}, PCI function ${name}` });
      }
      break;
    case 'input':
      facts.push({ name: 'input', value: `${event.what}, ${event.data.length} bytes` });
      facts.push({
        name: 'how',
        value: event.mode === 'pull' ? 'answer to a question' : 'delivered between two instructions',
      });
      break;
    case 'note':
      for (const [name, value] of Object.entries(event.fields)) {
        facts.push({ name, value: fieldText(name, value) });
      }
      break;
    case 'guest-error':
      if (event.offset !== 0) facts.push({ name: 'offset', value: hex(event.offset) });
      break;
  }
  return facts;
}

async function registerOf(
  context: DetailsContext,
  event: TraceEvent & { kind: 'access' },
): Promise<EventDetails['register']> {
  const map = context.maps(event.device);
  const hit = map === undefined ? undefined : findRegister(map, event.offset);
  const offset = `+${hex(event.offset)}`;
  if (map === undefined || hit === undefined) {
    return {
      name: `${event.device} ${offset}`,
      access: 'not described',
      reference: '',
      offset,
      value: hex(event.value),
      fields: [],
    };
  }
  const { register, name } = hit;
  const before = await context.reader.first({
    direction: 'backward',
    to: { position: event.position, ordinal: event.ordinal },
    registers: [{ device: event.device, offset: event.offset - hit.byte, width: register.width }],
  });
  // Only an access of the same bytes tells what they were.
  const old =
    before?.kind === 'access' && before.offset === event.offset && before.size === event.size
      ? before
      : undefined;
  const oldFields = old === undefined ? [] : decodeAccess(old, context.maps).fields;
  const low = 8 * hit.byte;
  const fields: FieldView[] = decodeAccess(event, context.maps).fields.map((field, i) => {
    const definition = register.fields?.find((candidate) => candidate.name === field.name);
    const oldField = oldFields[i];
    const changed = oldField !== undefined && oldField.value !== field.value;
    return {
      name: field.name,
      bits:
        definition === undefined
          ? ''
          : definition.hi === definition.lo
            ? `${definition.lo}`
            : `${definition.hi}:${definition.lo}`,
      value: field.value < 10n ? field.value.toString() : hex(field.value),
      ...(field.text === undefined ? {} : { text: field.text }),
      ...(definition?.meaning === undefined ? {} : { meaning: definition.meaning }),
      ...(changed ? { old: oldField.text ?? hex(oldField.value) } : {}),
    };
  });
  return {
    name: low === 0 ? name : `${name}, from bit ${low}`,
    ...(register.meaning === undefined ? {} : { meaning: register.meaning }),
    access: register.access,
    reference: map.reference,
    offset,
    value: hex(event.value),
    ...(old === undefined ? {} : { old: hex(old.value) }),
    fields,
  };
}

/** What to look for as "the same" as an event. */
function sames(context: DetailsContext, event: TraceEvent): { what: string; filter: EventFilter }[] {
  switch (event.kind) {
    case 'access': {
      const map = context.maps(event.device);
      const hit = map === undefined ? undefined : findRegister(map, event.offset);
      const width = hit?.register.width ?? event.size;
      const offset = hit === undefined ? event.offset : event.offset - hit.byte;
      const registers = [{ device: event.device, offset, width }];
      const name = hit?.name ?? `+${hex(event.offset)}`;
      return [
        { what: `${name}`, filter: { registers } },
        { what: `${name} writes`, filter: { registers, write: true } },
        { what: event.device, filter: { kinds: ['access'], devices: [event.device] } },
      ];
    }
    case 'interrupt':
      return [
        { what: `INTID ${event.intid}`, filter: { intids: [event.intid] } },
        { what: event.what, filter: { intids: [event.intid], whats: [event.what] } },
      ];
    case 'exception':
      return [
        { what: `CPU ${event.cpu}`, filter: { kinds: ['exception'], cpus: [event.cpu] } },
        { what: event.what, filter: { kinds: ['exception'], whats: [event.what] } },
      ];
    case 'dma':
    case 'output':
    case 'input':
      return [{ what: event.device, filter: { kinds: [event.kind], devices: [event.device] } }];
    default:
      return [{ what: event.kind, filter: { kinds: [event.kind] } }];
  }
}

async function neighboursOf(context: DetailsContext, event: TraceEvent): Promise<EventDetails['neighbours']> {
  const { reader } = context;
  const place = { position: event.position, ordinal: event.ordinal };
  return Promise.all(
    sames(context, event).map(async ({ what, filter }) => {
      const previous = await reader.first({ ...filter, direction: 'backward', to: place });
      const next = await reader.first({ ...filter, from: after(place) });
      return {
        what,
        ...(previous === undefined ? {} : { previous: linkTo(context, 'previous', previous) }),
        ...(next === undefined ? {} : { next: linkTo(context, 'next', next) }),
      };
    }),
  );
}

/**
 * Events at one position belong to one instruction. A write is told of before what it does, a read after it, since
 * its value is known only then.
 */
function effectsOf(context: DetailsContext, event: TraceEvent, together: readonly TraceEvent[]): EventLink[] {
  if (event.kind !== 'access' && event.kind !== 'input' && event.kind !== 'dma') return [];
  const isRead = event.kind === 'access' && !event.write;
  const side = together.filter((other) =>
    isRead ? other.ordinal < event.ordinal : other.ordinal > event.ordinal,
  );
  const ordered = isRead ? side.toReversed() : side;
  const until = ordered.findIndex((other) => other.kind === 'access');
  const caused = until < 0 ? ordered : ordered.slice(0, until);
  return caused
    .filter((other) => other.kind !== 'exception' && other.kind !== 'input')
    .sort((x, y) => x.ordinal - y.ordinal)
    .map((other) => linkTo(context, 'caused', other));
}

function causesOf(context: DetailsContext, event: TraceEvent, together: readonly TraceEvent[]): EventLink[] {
  if (event.kind === 'access' || event.kind === 'input') return [];
  const before = together.filter((other) => other.ordinal < event.ordinal);
  const after = together.filter((other) => other.ordinal > event.ordinal);
  const causes: EventLink[] = [];
  if (event.kind === 'exception') {
    const interrupt = before.findLast((other) => other.kind === 'interrupt');
    return interrupt === undefined || event.what === 'return'
      ? []
      : [linkTo(context, 'caused by', interrupt)];
  }
  const write = before.findLast(
    (other) => (other.kind === 'access' && other.write) || other.kind === 'input',
  );
  const next = after.find((other) => other.kind === 'access');
  if (write !== undefined) causes.push(linkTo(context, 'caused by', write));
  else if (next?.kind === 'access' && !next.write) causes.push(linkTo(context, 'caused by', next));
  else if (event.kind === 'interrupt' && event.what === 'line-high') {
    causes.push({ label: 'caused by', text: 'no access here: a timer, or the device by itself' });
  }
  return causes;
}

const CYCLE_LABELS = [
  ['raised', 'line high'],
  ['pending', 'pending'],
  ['acknowledge', 'acknowledged'],
  ['active', 'active'],
  ['complete', 'completed'],
  ['lowered', 'line low'],
  ['withdrawn', 'withdrawn'],
] as const;

/** How many events before and after one are looked at for the life it is part of. */
const CYCLE_REACH = 60;

/** The life of the interrupt that an event is part of. */
async function cycleOf(context: DetailsContext, event: TraceEvent): Promise<EventDetails['cycle']> {
  if (event.kind !== 'interrupt') return [];
  const { reader } = context;
  const { intid, position, ordinal } = event;
  const place = { position, ordinal };
  let from = position;
  for await (const other of reader.events({
    intids: [intid],
    direction: 'backward',
    to: place,
    limit: CYCLE_REACH,
  })) {
    from = other.position;
    // A line that goes up begins a life; a level that stays up is older than can be shown.
    if (other.kind === 'interrupt' && other.what === 'line-high' && other.target === event.target) break;
  }
  let to = position;
  for await (const other of reader.events({ intids: [intid], from: after(place), limit: CYCLE_REACH })) {
    to = other.position;
  }
  for await (const cycle of reader.interruptCycles(intid, from, to + 1)) {
    const present = CYCLE_LABELS.flatMap(([key, label]) => {
      const step = cycle[key];
      return step === undefined ? [] : [{ step, label }];
    });
    if (!present.some(({ step }) => step.position === position && step.ordinal === ordinal)) continue;
    present.sort((a, b) => a.step.position - b.step.position || a.step.ordinal - b.step.ordinal);
    const begin = present[0]!.step.time;
    return present.map(({ step, label }) => ({ ...linkTo(context, label, step), after: step.time - begin }));
  }
  return [];
}

function bytesOf({ words }: DetailsContext, event: TraceEvent): Pick<EventDetails, 'bytes'> {
  const bytes = event.kind === 'output' ? event.bytes : event.kind === 'input' ? event.data : undefined;
  if (bytes === undefined) return {};
  const text = words.isFrame(event) ? words.text(event) : readable(bytes.subarray(0, 4096));
  return { bytes: { text, hex: hexBytes(bytes, 256) } };
}

function filtersOf(context: DetailsContext, event: TraceEvent): EventDetails['filters'] {
  switch (event.kind) {
    case 'access': {
      const map = context.maps(event.device);
      const hit = map === undefined ? undefined : findRegister(map, event.offset);
      return [
        ...(hit === undefined
          ? []
          : [{ label: `all of ${hit.name}`, query: `reg:${quote(`${event.device}.${hit.name}`)}` }]),
        { label: `all of ${event.device}`, query: `device:${quote(event.device)} kind:access` },
        { label: 'this instruction', query: `pc:${hex(event.pc)}` },
      ];
    }
    case 'interrupt':
      return [{ label: `all of INTID ${event.intid}`, query: `irq:${event.intid}` }];
    case 'exception':
      return [
        { label: 'all exceptions', query: 'kind:exception' },
        { label: `all ${event.what}`, query: `kind:exception what:${event.what}` },
      ];
    case 'dma':
    case 'output':
    case 'input':
      return [{ label: `all of ${event.device}`, query: `device:${quote(event.device)} kind:${event.kind}` }];
    default:
      return [{ label: `all ${event.kind}s`, query: `kind:${event.kind}` }];
  }
}
