import type { Completion } from '../protocol.ts';
import { canonicalKey, EVENT_KINDS, FILTER_KEYS } from './compile.ts';
import { quote, tokens } from './syntax.ts';

/** Names that can stand in a filter. */
export interface Vocabulary {
  readonly devices: readonly string[];
  /** `REGISTER`, with the device as detail. */
  readonly registers: readonly { readonly name: string; readonly device: string }[];
  readonly fields: readonly { readonly name: string; readonly register: string }[];
  readonly interrupts: readonly { readonly intid: number; readonly name: string }[];
  readonly symbols: (prefix: string, limit: number) => readonly string[];
  readonly cpus: number;
}

const LIMIT = 30;
const WHATS = [
  'line-high',
  'line-low',
  'pending',
  'not-pending',
  'acknowledge',
  'active',
  'complete',
  'sync',
  'irq',
  'fiq',
  'serror',
  'return',
  'cpu-on',
  'cpu-off',
  'system-off',
  'system-reset',
];

type Option = Completion['options'][number];

/** What could stand at the caret. */
export function completeFilter(text: string, caret: number, words: Vocabulary): Completion {
  const list = tokens(text.slice(0, caret));
  const last = list.at(-1);
  const typed = last !== undefined && last.to === caret ? last : undefined;
  if (typed?.kind === 'operator') {
    const key = list.at(-2);
    if (key?.kind === 'word') return { from: caret, to: caret, options: values(key.text, '', words) };
  }
  if (typed !== undefined && (typed.kind === 'word' || typed.kind === 'text')) {
    // Back over `a,b,` to the operator that the values belong to.
    let at = list.length - 2;
    while (at >= 1 && list[at]?.kind === 'comma') at -= 2;
    const operator = list[at];
    const key = list[at - 1];
    if (operator?.kind === 'operator' && key?.kind === 'word') {
      return { from: typed.from, to: caret, options: values(key.text, typed.text, words) };
    }
    return { from: typed.from, to: caret, options: starts(typed.text, words) };
  }
  return { from: caret, to: caret, options: starts('', words) };
}

function rank(name: string, typed: string): number {
  const lower = name.toLowerCase();
  if (typed === '') return 0;
  if (lower.startsWith(typed)) return 0;
  return lower.includes(typed) ? 1 : -1;
}

function best(options: Iterable<Option>, typed: string, name: (option: Option) => string): Option[] {
  const ranked: { option: Option; rank: number }[] = [];
  for (const option of options) {
    const value = rank(name(option), typed);
    if (value >= 0) ranked.push({ option, rank: value });
  }
  ranked.sort((a, b) => a.rank - b.rank);
  return ranked.slice(0, LIMIT).map(({ option }) => option);
}

/** Keys, and names that a person may begin with. */
function starts(typed: string, words: Vocabulary): Option[] {
  const lower = typed.toLowerCase().replace(/^-/, '');
  const keys = Object.entries(FILTER_KEYS).map(([key, { meaning, example }]) => ({
    text: `${key}:`,
    detail: `${meaning}, as in ${example}`,
  }));
  const found = best(keys, lower, ({ text }) => text);
  if (lower === '') return found;
  const names: Option[] = [
    ...words.devices.map((device) => ({ text: `device:${quote(device)}`, detail: 'device' })),
    ...words.registers.map(({ name, device }) => ({ text: `reg:${name}`, detail: `register of ${device}` })),
    ...words.interrupts.map(({ intid, name }) => ({ text: `irq:${intid}`, detail: `interrupt ${name}` })),
  ];
  const rest = best(names, lower, ({ text, detail }) =>
    text.startsWith('irq:') ? detail.slice('interrupt '.length) : text.slice(text.indexOf(':') + 1),
  );
  return [...found, ...rest].slice(0, LIMIT);
}

function values(key: string, typed: string, words: Vocabulary): Option[] {
  const lower = typed.toLowerCase();
  const options = (list: Iterable<Option>): Option[] => best(list, lower, ({ text }) => text);
  switch (canonicalKey(key.toLowerCase())) {
    case 'kind':
      return options(EVENT_KINDS.map((kind) => ({ text: kind, detail: 'kind of event' })));
    case 'device':
      return options(words.devices.map((device) => ({ text: quote(device), detail: 'device' })));
    case 'reg':
      return options(words.registers.map(({ name, device }) => ({ text: name, detail: device })));
    case 'field':
      return options(words.fields.map(({ name, register }) => ({ text: name, detail: register })));
    case 'is':
      return options(['read', 'write', 'error'].map((text) => ({ text, detail: '' })));
    case 'what':
      return options(WHATS.map((text) => ({ text, detail: '' })));
    case 'irq':
      return best(
        words.interrupts.map(({ intid, name }) => ({ text: String(intid), detail: name })),
        lower,
        ({ text, detail }) => `${text} ${detail}`,
      );
    case 'cpu':
      return options(
        Array.from({ length: words.cpus }, (_, cpu) => ({ text: String(cpu), detail: `CPU ${cpu}` })),
      );
    case 'el':
      return options(['0', '1', '2', '3'].map((text) => ({ text, detail: `EL${text}` })));
    case 'in':
      return words.symbols(typed, LIMIT).map((text) => ({ text, detail: 'symbol' }));
    default:
      return [];
  }
}
