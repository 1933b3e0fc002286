/** A prompt on a terminal, with history and completion; keys are heard while a command runs. */
import { createInterface, type Interface } from 'node:readline';
import { HISTORY_LINES, readHistory, writeHistory } from './debug-history.ts';

export interface PromptOptions {
  readonly text: string;
  complete(line: string): { readonly words: string[]; readonly typed: string };
  /** Ctrl-C. */
  interrupt(): void;
}

export class Prompt {
  readonly #interface: Interface;
  readonly #lines: string[] = [];
  #history: string[] = [];
  #waiting: ((line: string | undefined) => void) | undefined;
  #closed = false;

  constructor(stdin: NodeJS.ReadStream, { text, complete, interrupt }: PromptOptions) {
    this.#interface = createInterface({
      input: stdin,
      output: process.stdout.isTTY ? process.stdout : process.stderr,
      terminal: true,
      prompt: text,
      history: readHistory(),
      historySize: HISTORY_LINES,
      removeHistoryDuplicates: true,
      completer: (line: string): [string[], string] => {
        const { words, typed } = complete(line);
        return [words, typed];
      },
    });
    this.#interface.on('history', (history) => {
      this.#history = history;
    });
    this.#interface.on('SIGINT', interrupt);
    this.#interface.on('line', (line) => {
      const waiting = this.#waiting;
      this.#waiting = undefined;
      if (waiting === undefined) this.#lines.push(line);
      else waiting(line);
    });
    this.#interface.on('close', () => {
      this.#closed = true;
      this.#waiting?.(undefined);
    });
  }

  /** The next line; undefined: there will be none (Ctrl-D). */
  line(): Promise<string | undefined> {
    const line = this.#lines.shift();
    if (line !== undefined || this.#closed) return Promise.resolve(line);
    this.#interface.prompt();
    return new Promise((resolve) => {
      this.#waiting = resolve;
    });
  }

  /** Throws away what stands on the line. */
  clear(): void {
    this.#interface.write(null, { ctrl: true, name: 'e' });
    this.#interface.write(null, { ctrl: true, name: 'u' });
    this.#interface.prompt();
  }

  get isWaiting(): boolean {
    return this.#waiting !== undefined;
  }

  close(): void {
    if (this.#history.length > 0) writeHistory(this.#history);
    this.#interface.close();
  }
}
