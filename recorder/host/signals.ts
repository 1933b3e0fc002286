/** Signals that ask the program to end. The first ends the run cleanly; a second one does not wait. */

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
const IMPATIENT_EXIT = 130;

export class StopSignals {
  #received: NodeJS.Signals | undefined;
  readonly #listeners = new Set<() => void>();
  readonly #handler = (signal: NodeJS.Signals): void => {
    if (this.#received !== undefined) process.exit(IMPATIENT_EXIT);
    this.#received = signal;
    for (const listener of this.#listeners) listener();
  };

  constructor() {
    for (const signal of SIGNALS) process.on(signal, this.#handler);
  }

  /** The signal that came, if one did. */
  get received(): NodeJS.Signals | undefined {
    return this.#received;
  }

  onReceive(listener: () => void): void {
    this.#listeners.add(listener);
  }

  dispose(): void {
    for (const signal of SIGNALS) process.off(signal, this.#handler);
    this.#listeners.clear();
  }
}
