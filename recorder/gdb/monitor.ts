/**
 * What can be said after `monitor` in gdb, about a recording: the commands of the debugger in the terminal, and
 * those of QEMU's monitor that are about replay.
 */
import { DebugError } from '../debugger/answer.ts';
import { isQuit, parseLine, runLine } from '../debugger/commands.ts';
import type { Debugger } from '../debugger/debugger.ts';
import type { RecordedDebuggee } from '../session/debuggee.ts';
import type { Operation } from '../session/operation.ts';
import { describeStop, type Timeline } from '../session/timeline.ts';

const HELP = `
As in QEMU's monitor, and for gdb:
  info replay           position, length and time of the recording
  replay_seek N         goes to position N
  replay_break N        continue stops at position N at the latest
  replay_delete_break   does away with that
  checkpoint            keeps the present state, so that coming back is quick
  leave                 leaves the side branch that a write began, back to the recording
After a command that moves the machine, "maintenance flush register-cache" makes gdb look again.
`;

export class Monitor {
  readonly #debug: Debugger;
  readonly #timeline: Timeline;
  readonly #debuggee: RecordedDebuggee;

  constructor(debug: Debugger, debuggee: RecordedDebuggee) {
    this.#debug = debug;
    this.#timeline = debug.timeline;
    this.#debuggee = debuggee;
  }

  /** Carries out a command. @param cpu gdb's thread @returns text for gdb's console */
  *run(line: string, cpu: number): Operation<string> {
    const [verb = '', ...words] = line.split(/\s+/);
    const timeline = this.#timeline;
    switch (`${verb} ${words[0] ?? ''}`.trim()) {
      case '':
      case 'help':
        return `${yield* this.#command('help', cpu)}\n${HELP}`;
      case 'info replay':
        return this.#where();
      case 'leave':
        return timeline.leaveBranch() ? this.#where() : 'there is no side branch';
      case 'checkpoint':
        timeline.keep();
        return `checkpoint at position ${timeline.position}`;
      case 'replay_delete_break':
        this.#debuggee.stopAt = Number.POSITIVE_INFINITY;
        return 'continue will stop at the end';
    }
    if (verb === 'replay_seek' || verb === 'replay_break') {
      const position = /^\d{1,16}$/.test(words[0] ?? '') ? Number(words[0]) : Number.NaN;
      if (!Number.isSafeInteger(position)) return `${verb}: which position? from 0 to ${timeline.length}`;
      if (verb === 'replay_break') {
        this.#debuggee.stopAt = position;
        return `continue will stop at position ${position}`;
      }
      const stop = yield* timeline.seek(position);
      return stop.reason === 'there' ? this.#where() : `${describeStop(stop)}\n${this.#where()}`;
    }
    return yield* this.#command(line, cpu);
  }

  *#command(line: string, cpu: number): Operation<string> {
    try {
      const parsed = parseLine(line);
      if (parsed === undefined) return '';
      if (isQuit(parsed.command)) return "use gdb's detach, or kill to end virtrace, too";
      this.#debug.choose(cpu);
      const { text } = yield* runLine(this.#debug, parsed);
      return text;
    } catch (error) {
      if (error instanceof DebugError) return error.message;
      throw error;
    }
  }

  #where(): string {
    const { position, time, length, branch } = this.#timeline;
    const side = branch === undefined ? '' : `, in side branch ${branch.number}`;
    return `replaying: position ${position} of ${length}, time ${(time / 1e9).toFixed(9)} s${side}`;
  }
}
