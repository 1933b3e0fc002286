/** All commands: how one is found by what a person typed, help, and completion. */
import type { Operation } from '../session/operation.ts';
import { type Answer, atOnce, DebugError, table } from './answer.ts';
import type { Command } from './command.ts';
import { consoleCommand } from './console.ts';
import type { Debugger } from './debugger.ts';
import { DEVICES } from './devices.ts';
import { EXAMINE } from './examine.ts';
import type { MachineView } from './machine-view.ts';
import { MOVING } from './moving.ts';
import { hint } from './nearest.ts';
import { QUESTIONS } from './questions.ts';
import { STATE } from './state.ts';
import { STOPS } from './stops.ts';

const help: Command = {
  name: 'help',
  aliases: ['h', '?'],
  usage: '[COMMAND]',
  help: 'this list, or more about a command',
  run: (_debug, rest) => atOnce(() => helpText(rest.trim())),
  complete: () => COMMANDS.map(({ name }) => name),
};

const quit: Command = {
  name: 'quit',
  aliases: ['q', 'exit'],
  usage: '',
  help: 'leave (also Ctrl-D)',
  run: () => atOnce(() => ({ data: null, text: '' })),
};

/** Those that only look at a machine, which may be a live one. */
export const VIEWS: readonly Command<MachineView>[] = [...STATE, ...EXAMINE, ...DEVICES];

const GROUPS: readonly (readonly [string, readonly Command[]])[] = [
  ['Moving', MOVING],
  ['Stopping', STOPS],
  ['Looking at a CPU', [...STATE, ...EXAMINE]],
  ['Devices', DEVICES],
  ['What happened', [...QUESTIONS, consoleCommand]],
  ['Others', [help, quit]],
];

export const COMMANDS: readonly Command[] = GROUPS.flatMap(([, commands]) => commands);

/** Words after which there is nothing to run. */
export const isQuit = (command: Command): boolean => command === quit;

function helpText(name: string): Answer {
  if (name !== '') {
    const command = findCommand(name);
    const lines = [`${command.name} ${command.usage}`.trim(), `  ${command.help}`];
    for (const line of command.more ?? []) lines.push(`  ${line}`);
    if (command.aliases !== undefined && command.aliases.length > 0)
      lines.push(`  also: ${command.aliases.join(', ')}`);
    return {
      data: { command: command.name, usage: command.usage, help: command.help },
      text: lines.join('\n'),
    };
  }
  const lines = GROUPS.flatMap(([title, commands]) => [
    `${title}:`,
    table(
      commands.map((command) => [command.name, command.help]),
      '  ',
    ),
  ]);
  lines.push('help COMMAND tells more. Commands can be shortened; an empty line repeats a step.');
  return {
    data: {
      commands: COMMANDS.map(({ name: each, usage, help: text }) => ({ name: each, usage, help: text })),
    },
    text: lines.join('\n'),
  };
}

/** By name, other name, or the beginning of a name. @throws DebugError with the nearest names */
export function findCommand(word: string): Command {
  return findAmong(COMMANDS, word);
}

/** The same among some of them. @throws DebugError */
export function findAmong<View>(commands: readonly Command<View>[], word: string): Command<View> {
  const exact = commands.find(({ name, aliases }) => name === word || aliases?.includes(word) === true);
  if (exact !== undefined) return exact;
  const begun = commands.filter(({ name }) => name.startsWith(word));
  if (begun.length === 1) return begun[0]!;
  if (begun.length > 1) {
    throw new DebugError(`${word}: which one? ${begun.map(({ name }) => name).join(', ')}`);
  }
  throw new DebugError(
    `${word}: no such command${hint(
      word,
      commands.map(({ name }) => name),
    )}; help lists them`,
  );
}

export interface ParsedLine {
  readonly command: Command;
  readonly rest: string;
}

/** A line as typed; undefined: it is empty or a comment. @throws DebugError */
export function parseLine(line: string): ParsedLine | undefined {
  const split = splitLine(line);
  if (split === undefined) return undefined;
  return { command: split.word === '?' ? help : findCommand(split.word), rest: split.rest };
}

/** The name of a command and what follows; undefined: the line is empty or a comment. @throws DebugError */
export function splitLine(line: string): { readonly word: string; readonly rest: string } | undefined {
  const trimmed = line.trim();
  if (trimmed === '' || trimmed.startsWith('#')) return undefined;
  // `x/8gx` and `?word` have no space after the name.
  const match = /^(\?|[A-Za-z][A-Za-z-]*)(.*)$/s.exec(trimmed);
  const [, word, rest = ''] = match ?? [];
  if (word === undefined || !(word === '?' || /^([\s/]|$)/.test(rest))) {
    throw new DebugError(`${trimmed.split(/\s/)[0]}: no such command; help lists them`);
  }
  return { word, rest };
}

/** Runs a line. @throws DebugError */
export function runLine(debug: Debugger, { command, rest }: ParsedLine): Operation<Answer> {
  return command.run(debug, rest);
}

const MAX_COMPLETIONS = 200;

/** What the last word of a line can become, and how much of the line it replaces. */
export function complete(
  debug: Debugger,
  line: string,
): { readonly words: string[]; readonly typed: string } {
  const start = line.trimStart();
  const list = start.split(/\s+/);
  const typed = list.at(-1) ?? '';
  let candidates: Iterable<string>;
  if (list.length <= 1) candidates = COMMANDS.map(({ name }) => name);
  else {
    let command: Command;
    try {
      command = findCommand(list[0]!.replace(/\/.*$/, ''));
    } catch {
      return { words: [], typed };
    }
    candidates = command.complete?.(debug, list.slice(1)) ?? [];
  }
  const found = new Set<string>();
  for (const each of candidates) {
    if (each.toLowerCase().startsWith(typed.toLowerCase())) found.add(each);
    if (found.size >= MAX_COMPLETIONS) break;
  }
  return { words: [...found].sort(), typed };
}
