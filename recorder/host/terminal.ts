/**
 * The host terminal as the machine's console: raw mode, restored on every way out, and the Ctrl-A commands
 * that QEMU has with -nographic.
 */

export const ESCAPE = 0x01;

/** What a key sequence asks of virtrace itself. */
export type ConsoleCommand = 'quit' | 'help' | 'break' | 'power-button' | 'no-monitor';

const COMMANDS: { readonly [key: string]: ConsoleCommand } = {
  x: 'quit',
  h: 'help',
  '?': 'help',
  b: 'break',
  p: 'power-button',
  c: 'no-monitor',
};

export const CONSOLE_HELP = [
  'Ctrl-A h    this help',
  'Ctrl-A x    quit',
  'Ctrl-A b    send a break',
  'Ctrl-A p    press the power button',
  'Ctrl-A Ctrl-A    send Ctrl-A',
];

/** Separates what is for the guest from Ctrl-A commands. Bytes may come split anywhere. */
export class EscapeFilter {
  #escaped = false;

  /** Calls back in the order of the bytes; runs of guest bytes are given together. */
  feed(
    bytes: Uint8Array,
    toGuest: (bytes: Uint8Array) => void,
    command: (command: ConsoleCommand) => void,
  ): void {
    let guest: number[] = [];
    const flush = (): void => {
      if (guest.length > 0) toGuest(Uint8Array.from(guest));
      guest = [];
    };
    for (const byte of bytes) {
      if (!this.#escaped) {
        if (byte === ESCAPE) this.#escaped = true;
        else guest.push(byte);
        continue;
      }
      this.#escaped = false;
      if (byte === ESCAPE) {
        guest.push(ESCAPE);
        continue;
      }
      const asked = COMMANDS[String.fromCharCode(byte)];
      if (asked !== undefined) {
        flush();
        command(asked);
      }
    }
    flush();
  }
}

/** Puts a terminal into raw mode until `restore`, or until the process ends in whatever way it can notice. */
export class RawTerminal {
  readonly #stdin: NodeJS.ReadStream;
  #raw = false;
  readonly #onExit = (): void => this.restore();
  /** After Ctrl-Z from outside and `fg`, the shell has put the terminal back into its own mode. */
  readonly #onContinue = (): void => {
    if (this.#raw) this.#stdin.setRawMode(true);
  };

  constructor(stdin: NodeJS.ReadStream) {
    this.#stdin = stdin;
    stdin.setRawMode(true);
    this.#raw = true;
    // 'exit' comes after process.exit, after an uncaught exception and after the last event alike.
    process.on('exit', this.#onExit);
    process.on('SIGCONT', this.#onContinue);
  }

  restore(): void {
    if (!this.#raw) return;
    this.#raw = false;
    process.off('exit', this.#onExit);
    process.off('SIGCONT', this.#onContinue);
    this.#stdin.setRawMode(false);
  }
}
