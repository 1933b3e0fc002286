/**
 * What can be said after `monitor` in gdb, about a machine that runs for the first time: the debugger's commands that
 * look at it. None of them changes anything, so a recording does not know of them.
 */
import { DebugError, table } from '../debugger/answer.ts';
import { findAmong, splitLine, VIEWS } from '../debugger/commands.ts';
import { type DebugHost, MachineView } from '../debugger/machine-view.ts';
import { interruptName } from '../session/interrupt-words.ts';
import type { LiveDebuggee } from '../session/live-debuggee.ts';
import type { Operation } from '../session/operation.ts';
import { SymbolTable } from '../session/symbols.ts';

const OWN = [
  ['help', 'this text; help COMMAND tells more'],
  ['when', 'where we are: position, time, CPU'],
  ['quit', 'ends the run; a recording is closed properly'],
];

export class LiveMonitor {
  readonly #debuggee: LiveDebuggee;
  readonly #view: MachineView;
  readonly #quit: () => void;

  constructor(debuggee: LiveDebuggee, host: DebugHost, quit: () => void) {
    this.#debuggee = debuggee;
    this.#quit = quit;
    const { machine } = debuggee;
    const virtio = new Map(machine.config.virtioMmio.map(({ slot, id }) => [slot, id] as const));
    this.#view = new MachineView({
      machine,
      host,
      symbols: new SymbolTable([]),
      interruptName: (intid) => interruptName(intid, virtio),
    });
  }

  /** Carries out a command. @param cpu gdb's thread @returns text for gdb's console */
  *run(line: string, cpu: number): Operation<string> {
    try {
      const split = splitLine(line.replace(/^\s*info\s+/, ''));
      if (split === undefined) return this.#help('');
      switch (split.word) {
        case 'help':
        case '?':
          return this.#help(split.rest.trim());
        case 'when':
          return this.#where();
        case 'quit':
        case 'q':
          this.#quit();
          return 'the run ends';
      }
      this.#view.choose(cpu);
      const { text } = yield* this.#find(split.word).run(this.#view, split.rest);
      return text;
    } catch (error) {
      if (error instanceof DebugError) return error.message;
      throw error;
    }
  }

  #find(word: string) {
    try {
      return findAmong(VIEWS, word);
    } catch (error) {
      if (!(error instanceof DebugError)) throw error;
      throw new DebugError(
        `${word}: not for a live machine; "monitor help" lists what is, and a recording can do more`,
      );
    }
  }

  #help(name: string): string {
    if (name !== '') {
      const { name: full, usage, help, more = [] } = this.#find(name);
      return [`${full} ${usage}`.trim(), help, ...more].join('\n  ');
    }
    return table([...OWN, ...VIEWS.map((command) => [command.name, command.help])]);
  }

  #where(): string {
    const { position, time, machine } = this.#debuggee;
    return `position ${position}, time ${(time / 1e9).toFixed(9)} s, CPU ${machine.currentCpu} comes next`;
  }
}
