import type { Completion } from '../data/protocol.ts';
import { button, h, replace } from './dom.ts';
import { formatCount } from './format.ts';
import type { Model } from './model.ts';
import type { Store } from './store.ts';

/** One box that searches everything and filters the list, with completion. */
export class SearchBox {
  readonly element: HTMLElement;
  readonly #model: Model;
  readonly #store: Store;
  readonly #select: (hit: { position: number; ordinal: number }) => void;
  readonly #input = h('input', {
    type: 'search',
    class: 'search-input',
    placeholder: 'Search: GICD_ISENABLER, irq:27 what:acknowledge, reg:UARTDR is:write, text:panic …',
    'aria-label': 'Search and filter',
    autocomplete: 'off',
    spellcheck: 'false',
    role: 'combobox',
    'aria-expanded': 'false',
    'aria-controls': 'completion-list',
  });
  readonly #options = h('ul', { class: 'completion', id: 'completion-list', role: 'listbox', hidden: true });
  readonly #count = h('span', { class: 'hit-count', role: 'status' });
  #completion: Completion | undefined;
  #chosen = -1;
  #generation = 0;

  constructor(model: Model, store: Store, select: (hit: { position: number; ordinal: number }) => void) {
    this.#model = model;
    this.#store = store;
    this.#select = select;
    const only = h('input', {
      type: 'checkbox',
      id: 'only',
      on: { change: () => store.set({ only: only.checked }) },
    });
    this.element = h(
      'div',
      { class: 'search', role: 'search' },
      h('div', { class: 'search-field' }, this.#input, this.#options),
      button('↑', 'Previous hit (Shift+N)', () => this.next('backward'), { class: 'quiet' }),
      button('↓', 'Next hit (N)', () => this.next('forward'), { class: 'quiet' }),
      this.#count,
      h('label', { class: 'only', title: 'The event list shows only hits' }, only, ' list only hits'),
    );
    this.#input.addEventListener('input', () => void this.#complete());
    this.#input.addEventListener('keydown', (event) => this.#key(event));
    this.#input.addEventListener('blur', () => this.#close());
    this.#input.addEventListener('search', () => {
      if (this.#input.value === '') this.submit();
    });
    store.listen((state, changed) => {
      if (changed.has('query') && this.#input.value !== state.query) this.#input.value = state.query;
      if (changed.has('query')) model.search(state.query);
      if (changed.has('only')) only.checked = state.only;
      if (changed.has('selected')) this.refresh();
    });
  }

  focus(): void {
    this.#input.focus();
    this.#input.select();
  }

  /** Runs what stands in the box. */
  submit(): void {
    this.#close();
    const query = this.#input.value.trim();
    if (query === this.#store.state.query && query !== '' && !this.#model.hits.running) this.next('forward');
    else this.#store.set({ query });
  }

  /** The number of hits, and which of them is selected. */
  refresh(): void {
    const { query, list, running, complete, error } = this.#model.hits;
    this.#count.classList.toggle('severity-error', error !== '');
    if (error !== '') this.#count.textContent = error;
    else if (query === '') this.#count.textContent = '';
    else {
      const { selected } = this.#store.state;
      const index =
        selected === undefined
          ? -1
          : list.findIndex((hit) => hit.position === selected.position && hit.ordinal === selected.ordinal);
      const of = `${formatCount(list.length)}${complete || running ? '' : '+'}${running ? '…' : ''}`;
      this.#count.textContent =
        list.length === 0 && !running ? 'no hits' : index < 0 ? of : `${formatCount(index + 1)} of ${of}`;
    }
    this.#count.title = this.#count.textContent ?? '';
  }

  next(direction: 'forward' | 'backward'): void {
    const { list } = this.#model.hits;
    if (list.length === 0) return;
    const { selected, cursor } = this.#store.state;
    const at = selected ?? { position: cursor, ordinal: -1 };
    const compare = (hit: { position: number; ordinal: number }): number =>
      hit.position - at.position || hit.ordinal - at.ordinal;
    const hit =
      direction === 'forward'
        ? (list.find((candidate) => compare(candidate) > 0) ?? list[0])
        : (list.findLast((candidate) => compare(candidate) < 0) ?? list.at(-1));
    if (hit !== undefined) this.#select(hit);
  }

  async #complete(): Promise<void> {
    const { value, selectionStart } = this.#input;
    const generation = ++this.#generation;
    if (this.#model.facts === undefined || value === '') {
      this.#close();
      return;
    }
    const completion = await this.#model.client.call<Completion>(
      'complete',
      value,
      selectionStart ?? value.length,
    );
    if (generation !== this.#generation || document.activeElement !== this.#input) return;
    this.#completion = completion;
    this.#chosen = -1;
    this.#show();
  }

  #show(): void {
    const options = this.#completion?.options ?? [];
    this.#options.hidden = options.length === 0;
    this.#input.setAttribute('aria-expanded', String(options.length > 0));
    replace(
      this.#options,
      options.map((option, i) =>
        h(
          'li',
          {
            role: 'option',
            id: `completion-${i}`,
            'aria-selected': String(i === this.#chosen),
            class: i === this.#chosen ? 'chosen' : '',
            on: {
              // Before the box loses the focus.
              mousedown: (event: MouseEvent) => {
                event.preventDefault();
                this.#take(i);
              },
            },
          },
          h('code', {}, option.text),
          h('span', { class: 'muted' }, ` ${option.detail}`),
        ),
      ),
    );
    if (this.#chosen >= 0) this.#options.children[this.#chosen]?.scrollIntoView({ block: 'nearest' });
    this.#input.setAttribute('aria-activedescendant', this.#chosen < 0 ? '' : `completion-${this.#chosen}`);
  }

  #close(): void {
    this.#generation++;
    this.#completion = undefined;
    this.#options.hidden = true;
    this.#input.setAttribute('aria-expanded', 'false');
  }

  #take(index: number): void {
    const completion = this.#completion;
    const option = completion?.options[index];
    if (completion === undefined || option === undefined) return;
    const { value } = this.#input;
    // A key waits for its value; anything else is done.
    const text = option.text.endsWith(':') ? option.text : `${option.text} `;
    this.#input.value = value.slice(0, completion.from) + text + value.slice(completion.to);
    const caret = completion.from + text.length;
    this.#input.setSelectionRange(caret, caret);
    this.#close();
    void this.#complete();
  }

  #key(event: KeyboardEvent): void {
    event.stopPropagation();
    const count = this.#completion?.options.length ?? 0;
    const isOpen = !this.#options.hidden && count > 0;
    switch (event.key) {
      case 'ArrowDown':
      case 'ArrowUp': {
        if (!isOpen) {
          if (event.key === 'ArrowDown') void this.#complete();
          return;
        }
        event.preventDefault();
        const step = event.key === 'ArrowDown' ? 1 : -1;
        this.#chosen = (this.#chosen + step + count + (this.#chosen < 0 && step < 0 ? 1 : 0)) % count;
        this.#show();
        return;
      }
      case 'Tab':
        if (!isOpen) return;
        event.preventDefault();
        this.#take(Math.max(0, this.#chosen));
        return;
      case 'Enter':
        if (isOpen && this.#chosen >= 0) this.#take(this.#chosen);
        else this.submit();
        return;
      case 'Escape':
        // Chromium would empty the box.
        event.preventDefault();
        if (isOpen) this.#close();
        else this.#input.blur();
    }
  }
}
