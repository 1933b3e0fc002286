/**
 * Keys and pointer moves with their virtual times, as a person writes them down:
 *
 *     # at       what
 *     1.5s       key ctrl-alt-f2        presses the keys, and lets go of them 100 ms later
 *     2s         type "root\n"          on a US keyboard, a key every 40 ms
 *     +10ms      at 16000 8000          place of the tablet, 0 to 32767
 *     +0         click left
 *
 * A time with + counts from the end of the line before. Commands: key, type, down, up, move, at, button, click, wheel;
 * `device=ID` at the end names the device where there are several.
 */
import type { Ns } from '../../engine/base/units.ts';
import {
  type DeviceEvents,
  eventsFor,
  type InputDevice,
  InputError,
  type InputEvent,
  type KeyValue,
  pressKeys,
  releaseKeys,
} from './input-events.ts';

/** What comes at a virtual time. */
export interface TimedInput extends DeviceEvents {
  readonly time: Ns;
}

const MILLISECOND = 1_000_000;
/** As long as QEMU's `sendkey` holds keys, and half of the time between two keys of `type`. */
const HOLD_NS = 100 * MILLISECOND;
const TYPE_NS = 20 * MILLISECOND;
const LONGEST_NS = 1e15;
const LINES_MAX = 100_000;

/** Inputs in order of time. @throws InputError with the number of the line */
export function readInputScript(text: string, devices: readonly InputDevice[]): TimedInput[] {
  const inputs: TimedInput[] = [];
  let end: Ns = 0;
  const lines = text.split(/\r?\n/);
  if (lines.length > LINES_MAX) throw new InputError(`more than ${LINES_MAX} lines`);
  for (const [index, line] of lines.entries()) {
    try {
      const words = wordsOf(line);
      if (words.length === 0) continue;
      end = readLine(words, end, devices, inputs);
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      throw new InputError(`line ${index + 1}: ${error.message}`);
    }
  }
  // Lines may overlap; equal times keep their order.
  return inputs.sort((a, b) => a.time - b.time);
}

/** Words of a line without its comment; a text in quotes is one, and begins with the quote. */
function wordsOf(line: string): string[] {
  const words: string[] = [];
  let rest = line.trim();
  while (rest !== '' && !rest.startsWith('#')) {
    const match = /^("(?:[^"\\]|\\.)*"|[^\s"]+)(\s+|$)/.exec(rest);
    if (match === null) throw new InputError(`cannot read '${rest.slice(0, 40)}'`);
    words.push(match[1]!);
    rest = rest.slice(match[0].length);
  }
  return words;
}

/** @returns the time at which the line ends */
function readLine(words: string[], before: Ns, devices: readonly InputDevice[], into: TimedInput[]): Ns {
  const last = /^device=(.+)$/.exec(words.at(-1)!)?.[1];
  if (last !== undefined) words.pop();
  const [when, command, ...args] = words;
  if (command === undefined) throw new InputError('a time and a command are needed');
  const start = readTime(when!, before);
  let end = start;
  for (const { after, events } of stepsOf(command, args)) {
    end = start + after;
    for (const input of eventsFor(devices, events, last)) into.push({ time: end, ...input });
  }
  return end;
}

function readTime(text: string, before: Ns): Ns {
  const match = /^(\+?)(\d+(?:\.\d+)?)(s|ms|us|ns)?$/.exec(text);
  if (match === null) throw new InputError(`time '${text}': e.g. 1.5s, 200ms, +20ms`);
  const unit = { s: 1e9, ms: 1e6, us: 1e3, ns: 1 }[match[3] ?? 's']!;
  const time = Math.round(Number(match[2]) * unit) + (match[1] === '+' ? before : 0);
  if (time > LONGEST_NS) throw new InputError(`time '${text}': later than ${LONGEST_NS / 1e9} s`);
  return time;
}

interface Step {
  readonly after: Ns;
  readonly events: readonly InputEvent[];
}

function stepsOf(command: string, args: readonly string[]): Step[] {
  const needs = (low: number, high: number, what: string): void => {
    if (args.length < low || args.length > high) throw new InputError(`${command}: ${what} is needed`);
  };
  const now = (events: readonly InputEvent[]): Step[] => [{ after: 0, events }];
  switch (command) {
    case 'key': {
      needs(1, 2, 'keys joined by - (ctrl-alt-f2), and perhaps how long they are held');
      const keys = keysOf(args[0]!);
      const hold = args[1] === undefined ? HOLD_NS : readTime(args[1], 0);
      return [
        { after: 0, events: pressKeys(keys) },
        { after: hold, events: releaseKeys(keys) },
      ];
    }
    case 'down':
      needs(1, 1, 'keys joined by -');
      return now(pressKeys(keysOf(args[0]!)));
    case 'up':
      needs(1, 1, 'keys joined by -');
      return now(releaseKeys(keysOf(args[0]!)));
    case 'type':
      needs(1, 1, 'a text in quotes');
      return typed(textOf(args[0]!));
    case 'move':
    case 'at': {
      needs(2, 2, command === 'move' ? 'steps to the right and down' : 'a place, x and y,');
      const type = command === 'move' ? 'rel' : 'abs';
      const [x, y] = args.map(wholeNumber) as [number, number];
      if (type === 'abs' && (x < 0 || y < 0 || x > 0x7fff || y > 0x7fff)) {
        throw new InputError(`at ${x} ${y}: allowed are 0 to 32767`);
      }
      return now([
        { type, data: { axis: 'x', value: x } },
        { type, data: { axis: 'y', value: y } },
      ]);
    }
    case 'button':
      needs(2, 2, 'a button, and down or up,');
      if (args[1] !== 'down' && args[1] !== 'up')
        throw new InputError(`button: '${args[1]}'; allowed are down, up`);
      return now([buttonEvent(args[0]!, args[1] === 'down')]);
    case 'click':
      needs(1, 1, 'a button');
      return [
        { after: 0, events: [buttonEvent(args[0]!, true)] },
        { after: HOLD_NS, events: [buttonEvent(args[0]!, false)] },
      ];
    case 'wheel': {
      needs(1, 1, 'up or down');
      if (args[0] !== 'down' && args[0] !== 'up')
        throw new InputError(`wheel: '${args[0]}'; allowed are up, down`);
      return now([buttonEvent(`wheel-${args[0]}`, true)]);
    }
    default:
      throw new InputError(`'${command}': allowed are key, type, down, up, move, at, button, click, wheel`);
  }
}

function buttonEvent(button: string, down: boolean): InputEvent {
  return { type: 'btn', data: { down, button } };
}

function wholeNumber(text: string): number {
  if (!/^-?\d{1,9}$/.test(text)) throw new InputError(`'${text}' is no whole number`);
  return Number(text);
}

function keysOf(text: string): KeyValue[] {
  return text.split('-').map((data) => ({ type: 'qcode', data }));
}

function textOf(word: string): string {
  if (!word.startsWith('"')) throw new InputError(`type: the text has to be in quotes: "${word}"`);
  return word.slice(1, -1).replace(/\\(.)/g, (_, c: string) => ({ n: '\n', t: '\t' })[c] ?? c);
}

/** Keys of a US keyboard: character without and with shift, and the key's name. */
const US_KEYS = new Map<string, { readonly name: string; readonly shift: boolean }>(
  [
    ...[...'abcdefghijklmnopqrstuvwxyz'].map((c) => [c, c.toUpperCase(), c] as const),
    ...[...'1234567890'].map((c, i) => [c, '!@#$%^&*()'[i]!, c] as const),
    ['-', '_', 'minus'] as const,
    ['=', '+', 'equal'] as const,
    ['[', '{', 'bracket_left'] as const,
    [']', '}', 'bracket_right'] as const,
    [';', ':', 'semicolon'] as const,
    ["'", '"', 'apostrophe'] as const,
    ['`', '~', 'grave_accent'] as const,
    ['\\', '|', 'backslash'] as const,
    [',', '<', 'comma'] as const,
    ['.', '>', 'dot'] as const,
    ['/', '?', 'slash'] as const,
    [' ', '', 'spc'] as const,
    ['\n', '', 'ret'] as const,
    ['\t', '', 'tab'] as const,
  ].flatMap(([plain, shifted, name]) => [
    [plain, { name, shift: false }] as const,
    ...(shifted === '' ? [] : [[shifted, { name, shift: true }] as const]),
  ]),
);

function typed(text: string): Step[] {
  return [...text].flatMap((character, index) => {
    const key = US_KEYS.get(character);
    if (key === undefined) throw new InputError(`type: no key of a US keyboard gives '${character}'`);
    const keys = keysOf(key.shift ? `shift-${key.name}` : key.name);
    return [
      { after: 2 * index * TYPE_NS, events: pressKeys(keys) },
      { after: (2 * index + 1) * TYPE_NS, events: releaseKeys(keys) },
    ];
  });
}
