/** What can be said after `monitor` in gdb, about a timeline. */
import type { Operation } from '../session/operation.ts';
import { describeStop, type Timeline } from '../session/timeline.ts';

const HELP = `help          this text
when          where we are: position, time, CPU
goto N        goes to position N
leave         leaves the side branch that a write began, back to the recording
`;

export class Monitor {
  readonly #timeline: Timeline;

  constructor(timeline: Timeline) {
    this.#timeline = timeline;
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
      case 'goto': {
        const position = Number(words[0]?.replaceAll('_', ''));
        if (!Number.isSafeInteger(position) || position < 0 || words[0] === undefined)
          return `goto: which position? from 0 to ${timeline.length}`;
        const stop = yield* timeline.seek(position);
        return stop.reason === 'there' ? this.#where() : `${describeStop(stop)}\n${this.#where()}`;
      }
      case 'leave':
        return timeline.leaveBranch() ? this.#where() : 'there is no side branch';
      default:
        return `${verb}: no such command; "monitor help" lists them`;
    }
  }

  #where(): string {
    const { position, time, machine, length, branch } = this.#timeline;
    const cpu = machine.currentCpu;
    const side = branch === undefined ? '' : `, in side branch ${branch.number}`;
    return `position ${position} of ${length}, time ${(time / 1e9).toFixed(9)} s, CPU ${cpu} comes next${side}`;
  }
}
