/** What can be said after `monitor` in gdb, about a recording. Names that QEMU's monitor has mean the same. */
import type { RecordedDebuggee } from '../session/debuggee.ts';
import type { Operation } from '../session/operation.ts';
import { describeStop, type Timeline } from '../session/timeline.ts';

const HELP = `help                  this text
when, info replay     where we are: position, time, CPU
goto N                goes to position N; +N and -N: from here; end: the end
replay_seek N         the same, as QEMU calls it
replay_break N        continue stops at position N at the latest
replay_delete_break   does away with that
checkpoint            keeps the present state, so that coming back is quick
leave                 leaves the side branch that a write began, back to the recording
`;

export class Monitor {
  readonly #timeline: Timeline;
  readonly #debuggee: RecordedDebuggee;

  constructor(timeline: Timeline, debuggee: RecordedDebuggee) {
    this.#timeline = timeline;
    this.#debuggee = debuggee;
  }

  /** Carries out a command. @returns text for gdb's console */
  *run(line: string): Operation<string> {
    const [verb = '', ...words] = line.split(/\s+/);
    const timeline = this.#timeline;
    switch (verb) {
      case '':
      case 'help':
        return HELP;
      case 'when':
        return this.#where();
      case 'info':
        return words[0] === 'replay' ? this.#where() : `info ${words[0] ?? ''}: there is only info replay`;
      case 'goto':
      case 'replay_seek': {
        const position = this.#position(words[0]);
        if (position === undefined) return `${verb}: which position? from 0 to ${timeline.length}`;
        const stop = yield* timeline.seek(position);
        return stop.reason === 'there' ? this.#where() : `${describeStop(stop)}\n${this.#where()}`;
      }
      case 'replay_break': {
        const position = this.#position(words[0]);
        if (position === undefined) return `${verb}: which position? from 0 to ${timeline.length}`;
        this.#debuggee.stopAt = position;
        return `continue will stop at position ${position}`;
      }
      case 'replay_delete_break':
        this.#debuggee.stopAt = Number.POSITIVE_INFINITY;
        return 'continue will stop at the end';
      case 'checkpoint':
        timeline.keep();
        return `checkpoint at position ${timeline.position}`;
      case 'leave':
        return timeline.leaveBranch() ? this.#where() : 'there is no side branch';
      default:
        return `${verb}: no such command; "monitor help" lists them`;
    }
  }

  #position(text: string | undefined): number | undefined {
    const { position, length } = this.#timeline;
    if (text === 'end') return length;
    const match = /^([+-]?)(\d[\d_]*)$/.exec(text ?? '');
    if (match === null) return undefined;
    const count = Number(match[2]!.replaceAll('_', ''));
    const target = match[1] === '+' ? position + count : match[1] === '-' ? position - count : count;
    return Number.isSafeInteger(target) && target >= 0 ? target : undefined;
  }

  #where(): string {
    const { position, time, machine, length, branch } = this.#timeline;
    const cpu = machine.currentCpu;
    const side = branch === undefined ? '' : `, in side branch ${branch.number}`;
    return `position ${position} of ${length}, time ${(time / 1e9).toFixed(9)} s, CPU ${cpu} comes next${side}`;
  }
}
