import type { CommandIo } from '../cli/io.ts';

const EVERY_MS = 200;

/** One line on stderr that is written over; only on a terminal, and not where the guest writes. */
export class Progress {
  readonly #io: CommandIo;
  readonly #on: boolean;
  #last = Number.NEGATIVE_INFINITY;
  #shown = false;

  constructor(io: CommandIo) {
    this.#io = io;
    this.#on = io.talkIsTerminal && !io.outIsTerminal;
  }

  show(text: () => string): void {
    if (!this.#on) return;
    const now = performance.now();
    if (now - this.#last < EVERY_MS) return;
    this.#last = now;
    this.#shown = true;
    this.#io.talk(`\r${text()}\x1b[K`);
  }

  clear(): void {
    if (this.#shown) this.#io.talk('\r\x1b[K');
    this.#shown = false;
  }
}
