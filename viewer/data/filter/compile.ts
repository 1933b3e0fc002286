import type { EventKind } from '../../../engine/base/events.ts';
import { findRegister } from '../../../engine/base/register-map.ts';
import { decodeAccess, type EventFilter, type RegisterMaps, type TraceEvent } from '../../../traces/index.ts';
import { FilterError, type FilterTree, type Operator, parseFilter, type Term } from './syntax.ts';

/** What a filter may refer to beside the events themselves. */
export interface FilterContext {
  readonly maps: RegisterMaps;
  /** The event in words, as the list shows it. */
  readonly text: (event: TraceEvent) => string;
  /** Device, interrupt or CPU, as the list shows it. */
  readonly subject: (event: TraceEvent) => string;
  readonly symbol: (pc: bigint) => string | undefined;
  /** ns per tick etc. are not needed: times are given with their unit. */
  readonly devices: readonly string[];
}

export interface CompiledFilter {
  /** Every event that matches fulfils this, too; for leaving out chunks unread. */
  readonly narrow: EventFilter;
  readonly test: (event: TraceEvent) => boolean;
  readonly isEmpty: boolean;
  /** The filter is nothing but a text: whole lines of the console are looked through for it, too. */
  readonly line: ((text: string) => boolean) | undefined;
}

type Test = (event: TraceEvent) => boolean;

export const EVENT_KINDS: readonly EventKind[] = [
  'access',
  'interrupt',
  'exception',
  'output',
  'input',
  'dma',
  'guest-error',
  'note',
  'power',
];

/** Keys, what they mean, and a value to show. */
export const FILTER_KEYS: { readonly [key: string]: { readonly meaning: string; readonly example: string } } =
  {
    kind: { meaning: 'kind of event', example: 'kind:interrupt' },
    device: { meaning: 'device', example: 'device:uart0' },
    reg: { meaning: 'register, * for any characters', example: 'reg:GICD_ISENABLER*' },
    field: { meaning: 'field of the register, with its value', example: 'field:EOImode=0' },
    is: { meaning: 'read, write, error', example: 'is:write' },
    value: { meaning: 'value read or written', example: 'value&0x10' },
    cpu: { meaning: 'number of the CPU', example: 'cpu:0' },
    irq: { meaning: 'interrupt number (INTID)', example: 'irq:27' },
    what: { meaning: 'what happened to the interrupt, exception, CPU', example: 'what:acknowledge' },
    el: { meaning: 'exception level, from or to', example: 'el:0' },
    pc: { meaning: 'address of the instruction', example: 'pc:0x40101804' },
    in: { meaning: 'symbol that the instruction is in', example: 'in:gic_*' },
    addr: {
      meaning: 'address of DMA, offset of a register, fault address',
      example: 'addr:0x40000000..0x40001000',
    },
    size: { meaning: 'bytes', example: 'size:4' },
    pos: { meaning: 'position in instructions', example: 'pos:1000..2000' },
    time: { meaning: 'virtual time with its unit', example: 'time<10ms' },
    text: { meaning: 'text of the line, console output, notes', example: 'text:"Oops"' },
  };

const ALIASES: { readonly [key: string]: string } = {
  dev: 'device',
  register: 'reg',
  intid: 'irq',
  interrupt: 'irq',
  position: 'pos',
  val: 'value',
  address: 'addr',
  symbol: 'in',
  fn: 'in',
};

const UNITS: { readonly [unit: string]: number } = { ns: 1, us: 1e3, µs: 1e3, ms: 1e6, s: 1e9 };

/** Throws FilterError. */
export function compileFilter(text: string, context: FilterContext): CompiledFilter {
  const tree = parseFilter(text);
  const test = compile(tree, context);
  return {
    narrow: narrow(tree),
    test,
    isEmpty: tree.kind === 'all',
    line: lineTest(tree),
  };
}

/** The test of a whole line, if the filter asks for nothing but texts. */
function lineTest(tree: FilterTree): ((text: string) => boolean) | undefined {
  const terms = tree.kind === 'and' ? tree.parts : [tree];
  const tests: ((text: string) => boolean)[] = [];
  for (const term of terms) {
    if (term.kind !== 'term' || term.operator !== ':') return undefined;
    if (term.key !== '' && canonicalKey(term.key) !== 'text') return undefined;
    tests.push(stringTest(term, contains));
  }
  return (text) => tests.every((test) => test(text));
}

function compile(tree: FilterTree, context: FilterContext): Test {
  switch (tree.kind) {
    case 'all':
      return () => true;
    case 'not': {
      const inner = compile(tree.part, context);
      return (event) => !inner(event);
    }
    case 'and': {
      const parts = tree.parts.map((part) => compile(part, context));
      return (event) => parts.every((part) => part(event));
    }
    case 'or': {
      const parts = tree.parts.map((part) => compile(part, context));
      return (event) => parts.some((part) => part(event));
    }
    case 'term':
      return compileTerm(tree, context);
  }
}

export function canonicalKey(key: string): string {
  return ALIASES[key] ?? key;
}

function fail(term: Term, message: string): never {
  throw new FilterError(message, term.from, term.to);
}

/** A pattern with `*`; without one the whole text has to be the same. Case does not count. */
function pattern(value: string): (text: string) => boolean {
  const wanted = value.toLowerCase();
  if (!wanted.includes('*')) return (text) => text.toLowerCase() === wanted;
  const parts = wanted.split('*');
  return (text) => {
    const lower = text.toLowerCase();
    if (!lower.startsWith(parts[0]!)) return false;
    let at = parts[0]!.length;
    for (const part of parts.slice(1, -1)) {
      const found = lower.indexOf(part, at);
      if (found < 0) return false;
      at = found + part.length;
    }
    const last = parts.at(-1)!;
    return lower.length - last.length >= at && lower.endsWith(last);
  };
}

function contains(value: string): (text: string) => boolean {
  const wanted = value.toLowerCase();
  if (wanted.includes('*')) return pattern(`*${wanted}*`);
  return (text) => text.toLowerCase().includes(wanted);
}

function stringTest(
  term: Term,
  make: (value: string) => (text: string) => boolean,
): (text: string) => boolean {
  const { operator, values } = term;
  if (!['=', ':', '!='].includes(operator))
    fail(term, `${term.key}${operator} makes no sense; use ${term.key}:`);
  const tests = values.map(make);
  const any = (text: string): boolean => tests.some((test) => test(text));
  return operator === '!=' ? (text) => !any(text) : any;
}

/** A whole number: decimal, 0x…, with _ and with a time unit where one is allowed. */
export function parseNumber(text: string, withUnit = false): bigint | undefined {
  const plain = text.replaceAll('_', '');
  if (withUnit) {
    const match = /^(\d+(?:\.\d+)?)(ns|us|µs|ms|s)?$/.exec(plain);
    if (match === null) return undefined;
    return BigInt(Math.round(Number(match[1]) * UNITS[match[2] ?? 'ns']!));
  }
  return /^(0x[0-9a-f]+|\d+)$/i.test(plain) ? BigInt(plain) : undefined;
}

type NumberTest = (value: bigint) => boolean;

function numberTest(term: Term, withUnit = false): NumberTest {
  const { operator, values } = term;
  const parse = (text: string): bigint =>
    parseNumber(text, withUnit) ??
    fail(term, `'${text}' is no ${withUnit ? 'time; write 250us, 1.5ms or 2s' : 'number; write 27 or 0x1b'}`);
  const one = (text: string): NumberTest => {
    const range = /^(.*?)\.\.(.*)$/.exec(text);
    if (range !== null) {
      if (operator !== ':' && operator !== '=' && operator !== '!=')
        fail(term, 'a range goes with : and != only');
      const low = range[1] === '' ? undefined : parse(range[1]!);
      const high = range[2] === '' ? undefined : parse(range[2]!);
      return (v) => (low === undefined || v >= low) && (high === undefined || v <= high);
    }
    const wanted = parse(text);
    return compare(operator, wanted);
  };
  const tests = values.map(one);
  if (operator !== '!=') return (value) => tests.some((test) => test(value));
  // Of a list with !=, none may be the value.
  return (value) => !tests.some((test) => test(value));
}

function compare(operator: Operator, wanted: bigint): NumberTest {
  switch (operator) {
    case '<':
      return (v) => v < wanted;
    case '<=':
      return (v) => v <= wanted;
    case '>':
      return (v) => v > wanted;
    case '>=':
      return (v) => v >= wanted;
    case '&':
      return (v) => (v & wanted) !== 0n;
    default:
      return (v) => v === wanted;
  }
}

function compileTerm(term: Term, context: FilterContext): Test {
  const key = canonicalKey(term.key);
  switch (key) {
    case '':
      return bareWord(term.values[0]!, context);
    case 'kind': {
      for (const value of term.values) {
        if (!value.includes('*') && !(EVENT_KINDS as readonly string[]).includes(value.toLowerCase())) {
          fail(term, `there is no kind '${value}'; there are ${EVENT_KINDS.join(', ')}`);
        }
      }
      const test = stringTest(term, pattern);
      return (event) => test(event.kind);
    }
    case 'device': {
      const test = stringTest(term, pattern);
      return (event) => 'device' in event && test(event.device);
    }
    case 'reg': {
      const test = stringTest(term, registerPattern);
      return (event) => {
        if (event.kind !== 'access') return false;
        const map = context.maps(event.device);
        const hit = map === undefined ? undefined : findRegister(map, event.offset);
        if (hit === undefined) return false;
        // A register of an array answers to its own name and to that of the array.
        return (
          test(`${event.device}.${hit.name}`) ||
          (hit.name !== hit.register.name && test(`${event.device}.${hit.register.name}`))
        );
      };
    }
    case 'field':
      return fieldTest(term, context);
    case 'is':
      return isTest(term);
    case 'value': {
      const test = numberTest(term);
      return (event) => event.kind === 'access' && test(event.value);
    }
    case 'cpu': {
      const test = numberTest(term);
      return (event) =>
        (event.cpu >= 0 && test(BigInt(event.cpu))) ||
        ((event.kind === 'interrupt' || event.kind === 'power') &&
          event.target >= 0 &&
          test(BigInt(event.target)));
    }
    case 'irq': {
      const test = numberTest(term);
      return (event) => event.kind === 'interrupt' && test(BigInt(event.intid));
    }
    case 'what': {
      const test = stringTest(term, pattern);
      return (event) => 'what' in event && test(event.what);
    }
    case 'el': {
      const test = numberTest(term);
      return (event) =>
        event.kind === 'exception' && (test(BigInt(event.fromEl)) || test(BigInt(event.toEl)));
    }
    case 'pc': {
      const test = numberTest(term);
      return (event) => (event.kind === 'access' || event.kind === 'exception') && test(event.pc);
    }
    case 'in': {
      const test = stringTest(term, pattern);
      return (event) => {
        if (event.kind !== 'access' && event.kind !== 'exception') return false;
        const name = context.symbol(event.pc);
        return name !== undefined && test(name.replace(/\+0x[0-9a-f]+$/, ''));
      };
    }
    case 'addr': {
      const test = numberTest(term);
      return (event) => {
        if (event.kind === 'dma') return test(BigInt(event.address));
        if (event.kind === 'access' || event.kind === 'guest-error') return test(BigInt(event.offset));
        return event.kind === 'exception' && test(event.faultAddress);
      };
    }
    case 'size': {
      const test = numberTest(term);
      return (event) => {
        if (event.kind === 'access') return test(BigInt(event.size));
        if (event.kind === 'dma') return test(BigInt(event.length));
        if (event.kind === 'output') return test(BigInt(event.bytes.length));
        return event.kind === 'input' && test(BigInt(event.data.length));
      };
    }
    case 'pos': {
      const test = numberTest(term);
      return (event) => test(BigInt(event.position));
    }
    case 'time': {
      const test = numberTest(term, true);
      return (event) => test(BigInt(event.time));
    }
    case 'text': {
      const test = stringTest(term, contains);
      return (event) => test(context.text(event));
    }
    default: {
      const known = Object.keys(FILTER_KEYS).join(', ');
      return fail(term, `there is no key '${term.key}'; there are ${known}`);
    }
  }
}

/** `REG`, `DEVICE.REG`, with `*`; a name without a device stands for that register of any. */
function registerPattern(value: string): (text: string) => boolean {
  if (value.includes('.')) return pattern(value);
  const test = pattern(value);
  return (text) => test(text.slice(text.indexOf('.') + 1));
}

function fieldTest(term: Term, context: FilterContext): Test {
  const [first] = term.values;
  if (term.operator !== ':' && term.operator !== '=') fail(term, 'write field:NAME or field:NAME=VALUE');
  const tests = term.values.map((value) => {
    const [name, wanted] = value.split('=');
    return { name: pattern(name!), wanted };
  });
  if (first === undefined) fail(term, 'field: needs a name');
  return (event) => {
    if (event.kind !== 'access') return false;
    return decodeAccess(event, context.maps).fields.some((field) =>
      tests.some(({ name, wanted }) => {
        if (!name(field.name)) return false;
        if (wanted === undefined) return true;
        const number = parseNumber(wanted);
        return number === undefined
          ? field.text?.toLowerCase() === wanted.toLowerCase()
          : field.value === number;
      }),
    );
  };
}

function isTest(term: Term): Test {
  const tests = term.values.map((value): Test => {
    switch (value.toLowerCase()) {
      case 'read':
        return (event) => (event.kind === 'access' || event.kind === 'dma') && !event.write;
      case 'write':
        return (event) => (event.kind === 'access' || event.kind === 'dma') && event.write;
      case 'error':
        return (event) => event.kind === 'guest-error';
      default:
        return fail(term, `is:${value} is not known; there are is:read, is:write, is:error`);
    }
  });
  const any: Test = (event) => tests.some((test) => test(event));
  return term.operator === '!=' ? (event) => !any(event) : any;
}

/** A word without a key: in the line, in the device's or interrupt's name, or a value. */
function bareWord(word: string, context: FilterContext): Test {
  const test = contains(word);
  const number = parseNumber(word);
  return (event) => {
    if (test(context.text(event)) || test(context.subject(event))) return true;
    if (number !== undefined) {
      if (event.kind === 'access' && (event.value === number || event.pc === number)) return true;
      if (event.kind === 'interrupt' && BigInt(event.intid) === number) return true;
      if (event.kind === 'dma' && BigInt(event.address) === number) return true;
      if (BigInt(event.position) === number) return true;
    }
    if (event.kind !== 'access' && event.kind !== 'exception') return false;
    const symbol = context.symbol(event.pc);
    return symbol !== undefined && test(symbol);
  };
}

/** Conditions of the outermost `and` that a trace can answer by its index. */
function narrow(tree: FilterTree): EventFilter {
  const terms = tree.kind === 'and' ? tree.parts : [tree];
  let filter: { -readonly [key in keyof EventFilter]: EventFilter[key] } = {};
  const both = <T>(a: readonly T[] | undefined, b: readonly T[]): readonly T[] =>
    a === undefined ? b : a.filter((item) => b.includes(item));
  for (const term of terms) {
    if (term.kind !== 'term' || term.key === '') continue;
    const { operator, values } = term;
    const isEqual = operator === ':' || operator === '=';
    const exact = values.every((value) => !value.includes('*') && !value.includes('..'));
    const numbers = values.map((value) => Number(parseNumber(value) ?? -1n));
    switch (canonicalKey(term.key)) {
      case 'kind':
        if (isEqual && exact) {
          filter.kinds = both(
            filter.kinds,
            values.map((value) => value.toLowerCase() as EventKind),
          );
        }
        break;
      case 'reg':
      case 'field':
      case 'value':
        filter.kinds = both(filter.kinds, ['access']);
        break;
      case 'pc':
      case 'in':
        filter.kinds = both(filter.kinds, ['access', 'exception']);
        break;
      case 'el':
        filter.kinds = both(filter.kinds, ['exception']);
        break;
      case 'irq':
        filter.kinds = both(filter.kinds, ['interrupt']);
        if (isEqual && exact) filter.intids = both(filter.intids, numbers);
        break;
      case 'is':
        if (isEqual && values.length === 1 && values[0]!.toLowerCase() !== 'error') {
          const write = values[0]!.toLowerCase() === 'write';
          // Contradictions are left to the test.
          if (filter.write === undefined) filter.write = write;
        }
        break;
      case 'pos': {
        const range = positionRange(term);
        if (range === undefined) break;
        const from = Math.max(Number(filter.from ?? 0), range.from);
        const to = Math.min(Number(filter.to ?? Number.MAX_SAFE_INTEGER), range.to);
        filter = { ...filter, from, to };
        break;
      }
    }
  }
  return filter;
}

function positionRange({ operator, values }: Term): { from: number; to: number } | undefined {
  if (values.length !== 1) return undefined;
  const end = Number.MAX_SAFE_INTEGER;
  const range = /^(.*?)\.\.(.*)$/.exec(values[0]!);
  if (range !== null) {
    if (operator !== ':' && operator !== '=') return undefined;
    const low = range[1] === '' ? 0n : parseNumber(range[1]!);
    const high = range[2] === '' ? BigInt(end - 1) : parseNumber(range[2]!);
    return low === undefined || high === undefined ? undefined : { from: Number(low), to: Number(high) + 1 };
  }
  const number = parseNumber(values[0]!);
  if (number === undefined) return undefined;
  const at = Number(number);
  switch (operator) {
    case ':':
    case '=':
      return { from: at, to: at + 1 };
    case '<':
      return { from: 0, to: at };
    case '<=':
      return { from: 0, to: at + 1 };
    case '>':
      return { from: at + 1, to: end };
    case '>=':
      return { from: at, to: end };
    default:
      return undefined;
  }
}
