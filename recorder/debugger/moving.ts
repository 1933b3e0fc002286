/** Commands that move the machine, in either direction. */
import type { Position } from '../../engine/base/units.ts';
import type { Operation } from '../session/operation.ts';
import { describeStop, type TimelineStop } from '../session/timeline-stop.ts';
import { type Answer, atOnce, DebugError, type Json } from './answer.ts';
import type { Command } from './command.ts';
import type { Debugger } from './debugger.ts';
import { describeHits } from './hits.ts';
import { seconds } from './machine-view.ts';
import { hint } from './nearest.ts';
import { seekTime } from './time-seek.ts';
import { positionOf, quotedText, readCount, timeOf, words } from './words.ts';

/** Why it stopped, and where it is now. */
function* stopped(debug: Debugger, stop: TimelineStop): Operation<Answer> {
  const hits = stop.reason === 'breakpoint' ? yield* describeHits(debug, stop.hits) : undefined;
  const where = debug.where();
  const lines: string[] = [];
  if (hits !== undefined) lines.push(...hits.lines);
  else if (stop.reason === 'end') lines.push(`end: ${stop.why}`);
  else if (stop.reason === 'begin') lines.push(stop.why);
  else if (stop.reason !== 'there') lines.push(describeStop(stop));
  lines.push(where.text.replace(/ {2}\(end: .*\)$/, ''));
  const data: { [key: string]: Json | undefined } = { stop: stop.reason, ...where.data };
  if (hits !== undefined) data['breakpoints'] = hits.data;
  else if (stop.reason === 'end' || stop.reason === 'begin') data['why'] = stop.why;
  else if (stop.reason === 'diverged') data['why'] = describeStop(stop);
  return { data, text: lines.join('\n') };
}

/** After a move that no CPU was chosen for, the one that is next is looked at. */
function* move(debug: Debugger, operation: Operation<TimelineStop>, keepsCpu = false): Operation<Answer> {
  if (!keepsCpu) debug.choose(undefined);
  const stop = yield* operation;
  return yield* stopped(debug, stop);
}

function stepping(debug: Debugger, rest: string, name: string): { count: number; cpu: number | undefined } {
  const list = words(rest);
  const any = list.includes('any');
  const counts = list.filter((word) => word !== 'any');
  if (counts.length > 1) throw new DebugError(`${name} ${rest}: allowed is ${name} [COUNT] [any]`);
  // On a machine with several CPUs, a person follows one.
  return { count: readCount(name, counts[0], 1), cpu: any ? undefined : debug.cpu };
}

const step: Command = {
  name: 'step',
  aliases: ['s', 'si', 'stepi'],
  usage: '[COUNT] [any]',
  help: 'execute one instruction, or COUNT',
  more: ['Other CPUs take their turns meanwhile; with `any`, instructions of all CPUs count.'],
  repeats: true,
  *run(debug, rest) {
    const { count, cpu } = stepping(debug, rest, 'step');
    if (cpu !== undefined) debug.choose(cpu);
    const { timeline, machine } = debug;
    const isOne = cpu === undefined || machine.cluster.states.length === 1;
    const mayStop = count > 1 && [...timeline.breakpoints.values()].some(({ enabled }) => enabled);
    // Many steps are a run, which a breakpoint ends.
    const operation =
      isOne && mayStop
        ? timeline.continueForward(timeline.position + count)
        : timeline.stepForward(count, cpu);
    return yield* move(debug, operation, cpu !== undefined);
  },
};

const rstep: Command = {
  name: 'rstep',
  aliases: ['rs', 'rsi', 'rstepi', 'reverse-step', 'reverse-stepi'],
  usage: '[COUNT] [any]',
  help: 'take one instruction back, or COUNT',
  repeats: true,
  *run(debug, rest) {
    const { count, cpu } = stepping(debug, rest, 'rstep');
    if (cpu !== undefined) debug.choose(cpu);
    return yield* move(debug, debug.timeline.stepBackward(count, cpu), cpu !== undefined);
  },
};

function noWords(rest: string, name: string): void {
  if (rest.trim() !== '') throw new DebugError(`${name} ${rest.trim()}: nothing is expected after ${name}`);
}

const continueCommand: Command = {
  name: 'continue',
  aliases: ['c', 'cont'],
  usage: '',
  help: 'run to the next breakpoint, or to the end',
  repeats: true,
  *run(debug, rest) {
    noWords(rest, 'continue');
    return yield* move(debug, debug.timeline.continueForward());
  },
};

const rcontinue: Command = {
  name: 'rcontinue',
  aliases: ['rc', 'reverse-continue'],
  usage: '',
  help: 'go back to the last breakpoint before, or to the start',
  repeats: true,
  *run(debug, rest) {
    noWords(rest, 'rcontinue');
    return yield* move(debug, debug.timeline.continueBackward());
  },
};

const PLACES = ['start', 'end', 'there'];

/** @throws DebugError */
function* goTo(debug: Debugger, text: string): Operation<TimelineStop> {
  const { timeline } = debug;
  const named = placeOf(debug, text);
  if (named !== undefined) return yield* timeline.seek(named);
  const time = timeOf(text);
  if (time !== undefined) return yield* seekTime(debug, time);
  const position = positionOf(debug, text);
  if (position === undefined) {
    throw new DebugError(
      `goto ${text}: neither a position (251680, 6.6M, +100), nor a time (1.25ms), an event (#3), start, end, there or a bookmark${hint(text, [...PLACES, ...debug.bookmarks.keys()], 0)}`,
    );
  }
  if (position > timeline.length && timeline.branch === undefined) {
    throw new DebugError(`goto ${text}: the recording ends at position ${timeline.length}`);
  }
  if (position < 0) throw new DebugError(`goto ${text}: that is before the start`);
  return yield* timeline.seek(position);
}

function placeOf(debug: Debugger, text: string): Position | undefined {
  const bookmark = debug.bookmarks.get(text);
  if (bookmark !== undefined) return bookmark;
  switch (text) {
    case 'start':
    case 'begin':
      return 0;
    case 'end':
      return debug.timeline.length;
    case 'there':
      if (debug.there === undefined)
        throw new DebugError('goto there: no question has found a place yet (last, next, interrupt, events)');
      return debug.there;
  }
  if (!text.startsWith('#')) return undefined;
  const position = debug.handled(Number(text.slice(1)));
  if (position === undefined) {
    const known = debug.handles === 0 ? 'no event has been listed yet' : `there are #1 to #${debug.handles}`;
    throw new DebugError(`goto ${text}: ${known}`);
  }
  return position;
}

const goto: Command = {
  name: 'goto',
  aliases: ['g', 'seek'],
  usage: 'POSITION|TIME|#EVENT|start|end|there|BOOKMARK',
  help: 'go to a place in the recording',
  more: [
    'POSITION counts instructions: 251680, 6.6M, +1000, -1000.',
    'TIME is virtual time with a unit: 1.25ms, 8249us, 2s.',
    '#EVENT is the number in front of an event in an answer; `there` is what the last question has found.',
  ],
  *run(debug, rest) {
    const [text, ...more] = words(rest);
    if (text === undefined || more.length > 0) {
      throw new DebugError(
        'goto: where? A position, a time (1.25ms), #EVENT, start, end, there or a bookmark',
      );
    }
    return yield* move(debug, goTo(debug, text));
  },
  complete: (debug) => [...PLACES, ...debug.bookmarks.keys()],
};

const when: Command = {
  name: 'when',
  usage: '',
  help: 'where the machine is: position, time, every CPU',
  run: (debug) =>
    atOnce(() => {
      const { timeline, machine } = debug;
      const { cluster } = machine;
      const cpus = cluster.states.map((s, cpu) => ({
        cpu,
        pc: `0x${s.pc.toString(16)}`,
        el: s.el,
        state:
          cluster.power[cpu] !== 'on' ? 'off' : cluster.wait[cpu] === 'none' ? 'running' : cluster.wait[cpu]!,
        retired: machine.retired(cpu),
      }));
      const { text, data } = debug.where();
      const left = timeline.length - timeline.position;
      const lines = [text, `${left} instructions before the end at ${timeline.length}`];
      if (cpus.length > 1) {
        for (const { cpu, pc, el, state, retired } of cpus) {
          lines.push(
            `${cpu === debug.cpu ? '*' : ' '} cpu${cpu} ${state}, EL${el}, pc ${debug.addressText(BigInt(pc))}, ${retired} instructions`,
          );
        }
      }
      return { data: { ...data, length: timeline.length, cpus }, text: lines.join('\n') };
    }),
};

const until: Command = {
  name: 'until',
  usage: '"TEXT"',
  help: 'run until the console has printed a text, or to a breakpoint',
  *run(debug, rest) {
    const wanted = quotedText(rest);
    if (wanted === '') throw new DebugError('until: which text? until "TEXT"');
    const { timeline } = debug;
    const condition = timeline.addBreakpoint({ kind: 'console', text: wanted });
    try {
      return yield* move(debug, timeline.continueForward());
    } finally {
      timeline.removeBreakpoint(condition.id);
    }
  },
};

const bookmark: Command = {
  name: 'bookmark',
  aliases: ['bm', 'mark'],
  usage: '[NAME]',
  help: 'give the present position a name for goto; without one: list them',
  run: (debug, rest) =>
    atOnce(() => {
      const [name, ...more] = words(rest);
      if (name === undefined) return bookmarks(debug);
      if (more.length > 0 || !/^[A-Za-z_][\w.-]*$/.test(name) || [...PLACES, 'begin'].includes(name)) {
        throw new DebugError(
          `bookmark ${rest.trim()}: a name begins with a letter and has letters, digits, dots and dashes; ${PLACES.join(', ')} are taken`,
        );
      }
      const { position } = debug.timeline;
      debug.bookmarks.set(name, position);
      return { data: { name, position }, text: `${name}: position ${position}` };
    }),
};

export function bookmarks(debug: Debugger): Answer {
  const list = [...debug.bookmarks].map(([name, position]) => ({ name, position }));
  return {
    data: { bookmarks: list },
    text:
      list.length === 0
        ? 'no bookmarks'
        : list.map((each) => `${each.name}: position ${each.position}`).join('\n'),
  };
}

const time: Command = {
  name: 'time',
  usage: '',
  help: 'the virtual time',
  run: (debug) => atOnce(() => ({ data: { time: debug.timeline.time }, text: seconds(debug.timeline.time) })),
};

export const MOVING: readonly Command[] = [
  step,
  rstep,
  continueCommand,
  rcontinue,
  goto,
  until,
  when,
  time,
  bookmark,
];
