/** What can be said after `monitor` in gdb, about a machine that runs for the first time. */
import type { LiveDebuggee } from '../session/live-debuggee.ts';
import type { Operation } from '../session/operation.ts';

const HELP = `help          this text
when          where we are: position, time, CPU
quit          ends the run; a recording is closed properly
`;

export class LiveMonitor {
  readonly #debuggee: LiveDebuggee;
  readonly #quit: () => void;

  constructor(debuggee: LiveDebuggee, quit: () => void) {
    this.#debuggee = debuggee;
    this.#quit = quit;
  }

  /** Carries out a command. @returns text for gdb's console */
  *run(line: string): Operation<string> {
    const { position, time, machine } = this.#debuggee;
    switch (line.split(/\s+/)[0]) {
      case '':
      case 'help':
        return HELP;
      case 'when':
        return `position ${position}, time ${(time / 1e9).toFixed(9)} s, CPU ${machine.currentCpu} comes next`;
      case 'quit':
      case 'q':
        this.#quit();
        return 'the run ends';
      default:
        return `${line.split(/\s+/)[0]}: not for a live machine; "monitor help" lists what is, and a recording can do more`;
    }
  }
}
