import { START_STATE, type ViewState } from './view-state.ts';

export type Changed = ReadonlySet<keyof ViewState>;
type Listener = (state: ViewState, changed: Changed) => void;

/** The state of the view, and who wants to know when it changes. */
export class Store {
  #state: ViewState = START_STATE;
  readonly #listeners: Listener[] = [];

  get state(): ViewState {
    return this.#state;
  }

  set(change: Partial<ViewState>): void {
    const changed = new Set<keyof ViewState>();
    for (const key of Object.keys(change) as (keyof ViewState)[]) {
      if (this.#state[key] !== change[key]) changed.add(key);
    }
    if (changed.size === 0) return;
    this.#state = { ...this.#state, ...change };
    for (const listener of this.#listeners) listener(this.#state, changed);
  }

  listen(listener: Listener): void {
    this.#listeners.push(listener);
  }
}
