import { h } from '../app/dom.ts';
import { formatCount, formatTime } from '../app/format.ts';
import type { Model } from '../app/model.ts';
import type { Store } from '../app/store.ts';
import type { EventPlace, EventRow, ListRequest } from '../data/protocol.ts';
import type { Pending } from '../data/rpc.ts';

const ROW = 22;
const PAGE = 200;
const KEPT = 1000;

/** Events around the moment that is looked at, in the order of the trace; more come as one scrolls. */
export class EventList {
  readonly element: HTMLElement;
  readonly #model: Model;
  readonly #store: Store;
  readonly #select: (place: EventPlace) => void;
  readonly #scroller: HTMLElement;
  readonly #body = h('div', { class: 'list-body', role: 'rowgroup' });
  readonly #status = h('div', { class: 'list-status muted' });
  #rows: EventRow[] = [];
  #atStart = false;
  #atEnd = false;
  #loading: Pending<EventRow[]> | undefined;
  #generation = 0;
  #timer = 0;
  /** Set while the list itself scrolls. */
  #quiet = false;

  constructor(model: Model, store: Store, select: (place: EventPlace) => void) {
    this.#model = model;
    this.#store = store;
    this.#select = select;
    this.#scroller = h(
      'div',
      {
        class: 'list-scroller',
        role: 'table',
        'aria-label': 'Events',
        tabindex: '0',
        on: { scroll: () => this.#scrolled(), keydown: (event: KeyboardEvent) => this.#key(event) },
      },
      this.#body,
    );
    const head = h(
      'div',
      { class: 'list-row list-head', role: 'row' },
      ...['position', 'time', 'CPU', 'what', 'event'].map((name) =>
        h('span', { role: 'columnheader' }, name),
      ),
    );
    this.element = h(
      'section',
      { class: 'event-list', 'aria-label': 'Event list' },
      head,
      this.#scroller,
      this.#status,
    );
    store.listen((state, changed) => {
      if (changed.has('selected')) {
        if (state.selected !== undefined) this.show(state.selected);
        else if (changed.has('cursor')) this.show({ position: state.cursor, ordinal: 0 }, false);
        else this.#mark();
      } else if (changed.has('cursor') && state.selected === undefined) {
        this.show({ position: state.cursor, ordinal: 0 }, false);
      } else if (changed.has('only') || (changed.has('query') && state.only)) this.reload();
      else if (changed.has('from') || changed.has('to')) this.#follow();
    });
    new ResizeObserver(() => this.#draw()).observe(this.#scroller);
  }

  /** Around the selection or the cursor, or from the beginning of the window. */
  reload(): void {
    const { selected, from, axis, cursor } = this.#store.state;
    const start = Math.max(0, Math.floor(this.#model.fromAxis(axis, from)));
    void this.#load(selected ?? { position: this.#isInWindow(cursor) ? cursor : start, ordinal: 0 });
  }

  #isInWindow(position: number): boolean {
    const { from, to, axis } = this.#store.state;
    const at = this.#model.toAxis(axis, position);
    return at >= from && at <= to;
  }

  get #filter(): string {
    const { only, query } = this.#store.state;
    return only ? query : '';
  }

  /** The list follows the window when neither selection nor cursor is in it. */
  #follow(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      const { selected, from, axis, cursor } = this.#store.state;
      if (this.#isInWindow(selected?.position ?? cursor)) return;
      const position = Math.max(0, Math.floor(this.#model.fromAxis(axis, from)));
      const [first] = this.#rows;
      const last = this.#rows.at(-1);
      const has =
        first !== undefined && last !== undefined && first.position <= position && last.position >= position;
      if (has) this.#scrollTo(this.#indexOf({ position, ordinal: 0 }), false);
      else void this.#load({ position, ordinal: 0 });
    }, 150) as unknown as number;
  }

  /** Index of the first row at or after a place. */
  #indexOf(place: EventPlace): number {
    let low = 0;
    let high = this.#rows.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const row = this.#rows[middle]!;
      if (row.position < place.position || (row.position === place.position && row.ordinal < place.ordinal)) {
        low = middle + 1;
      } else high = middle;
    }
    return low;
  }

  /** @param exact the row of this very event, and not the first from there on */
  show(place: EventPlace, exact = true): void {
    const index = this.#indexOf(place);
    const row = this.#rows[index];
    const isIt = row?.position === place.position && row.ordinal === place.ordinal;
    if (isIt || (!exact && index > 0 && row !== undefined)) {
      this.#scrollTo(index, true);
      this.#draw();
    } else void this.#load(place);
  }

  async #load(place: EventPlace): Promise<void> {
    if (this.#model.facts === undefined) return;
    const generation = ++this.#generation;
    const base = { from: place, limit: PAGE, filter: this.#filter } as const;
    try {
      const [before, after] = await Promise.all([
        this.#ask({ ...base, direction: 'backward' }),
        this.#ask({ ...base, direction: 'forward', inclusive: true }),
      ]);
      if (generation !== this.#generation) return;
      this.#rows = [...before, ...after];
      this.#atStart = before.length < PAGE;
      this.#atEnd = after.length < PAGE;
      this.#status.textContent = this.#rows.length === 0 ? this.#emptyText() : '';
      this.#size();
      this.#scrollTo(Math.min(before.length, this.#rows.length - 1), true);
      this.#draw();
    } catch (error) {
      if (generation !== this.#generation) return;
      this.#rows = [];
      this.#size();
      this.#draw();
      this.#status.textContent = (error as Error).message;
    }
  }

  #emptyText(): string {
    if (this.#filter !== '') return `Nothing matches ${this.#filter}`;
    return this.#model.facts?.level === 'inputs'
      ? 'This trace was recorded at level inputs, so it holds no events; replay it at another level to get them.'
      : 'There are no events here.';
  }

  #ask(request: ListRequest): Pending<EventRow[]> {
    return this.#model.client.call<EventRow[]>('list', request);
  }

  #size(): void {
    this.#body.style.height = `${this.#rows.length * ROW}px`;
  }

  #scrollTo(index: number, centered: boolean): void {
    const view = this.#scroller.clientHeight;
    const top = this.#scroller.scrollTop;
    const y = index * ROW;
    if (centered && y >= top && y + ROW <= top + view) return;
    this.#quiet = true;
    this.#scroller.scrollTop = Math.max(0, centered ? y - view / 2 : y);
  }

  #scrolled(): void {
    this.#draw();
    if (this.#quiet) {
      this.#quiet = false;
      return;
    }
    const { scrollTop, clientHeight, scrollHeight } = this.#scroller;
    if (scrollTop < 30 * ROW && !this.#atStart) void this.#more('backward');
    else if (scrollTop + clientHeight > scrollHeight - 30 * ROW && !this.#atEnd) void this.#more('forward');
  }

  async #more(direction: 'forward' | 'backward'): Promise<void> {
    const from = direction === 'forward' ? this.#rows.at(-1) : this.#rows[0];
    if (this.#loading !== undefined || from === undefined) return;
    const generation = this.#generation;
    const request = this.#ask({ from, direction, limit: PAGE, filter: this.#filter });
    this.#loading = request;
    try {
      const rows = await request;
      if (generation !== this.#generation) return;
      const { scrollTop } = this.#scroller;
      if (direction === 'forward') {
        this.#atEnd = rows.length < PAGE;
        this.#rows.push(...rows);
        const extra = Math.max(0, this.#rows.length - KEPT);
        if (extra > 0) {
          this.#rows.splice(0, extra);
          this.#atStart = false;
        }
        this.#size();
        this.#scroller.scrollTop = scrollTop - extra * ROW;
      } else {
        this.#atStart = rows.length < PAGE;
        this.#rows.unshift(...rows);
        if (this.#rows.length > KEPT) {
          this.#rows.length = KEPT;
          this.#atEnd = false;
        }
        this.#size();
        this.#scroller.scrollTop = scrollTop + rows.length * ROW;
      }
      this.#draw();
    } catch {
      // The next scroll asks again.
    } finally {
      this.#loading = undefined;
    }
  }

  #draw(): void {
    const { scrollTop, clientHeight } = this.#scroller;
    const first = Math.max(0, Math.floor(scrollTop / ROW) - 5);
    const last = Math.min(this.#rows.length, Math.ceil((scrollTop + clientHeight) / ROW) + 5);
    const shown: HTMLElement[] = [];
    for (let i = first; i < last; i++) shown.push(this.#row(this.#rows[i]!, i));
    this.#body.replaceChildren(...shown);
    this.#mark();
  }

  #row(row: EventRow, index: number): HTMLElement {
    return h(
      'div',
      {
        class: `list-row kind-${row.kind} severity-${row.severity}`,
        role: 'row',
        data: { place: `${row.position}.${row.ordinal}` },
        style: { top: `${index * ROW}px` },
        on: { click: () => this.#select({ position: row.position, ordinal: row.ordinal }) },
      },
      h('span', { class: 'number', role: 'cell' }, formatCount(row.position)),
      h('span', { class: 'number', role: 'cell' }, formatTime(row.time)),
      h('span', { role: 'cell', class: 'center' }, row.cpu < 0 ? '·' : row.cpu),
      h('span', { class: 'subject', role: 'cell', title: row.subject }, row.subject),
      h('span', { class: 'text', role: 'cell', title: row.text }, row.text),
    );
  }

  #mark(): void {
    const { selected, cursor } = this.#store.state;
    const place = selected === undefined ? '' : `${selected.position}.${selected.ordinal}`;
    const atCursor =
      selected === undefined ? this.#rows[this.#indexOf({ position: cursor, ordinal: 0 })] : undefined;
    const cursorPlace = atCursor === undefined ? '' : `${atCursor.position}.${atCursor.ordinal}`;
    for (const element of this.#body.children) {
      element.classList.toggle('at-cursor', (element as HTMLElement).dataset.place === cursorPlace);
      const isSelected = (element as HTMLElement).dataset.place === place;
      element.classList.toggle('selected', isSelected);
      element.setAttribute('aria-selected', String(isSelected));
    }
  }

  #key(event: KeyboardEvent): void {
    const step = event.key === 'ArrowDown' ? 1 : event.key === 'ArrowUp' ? -1 : 0;
    if (step === 0 || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    event.stopPropagation();
    const { selected } = this.#store.state;
    const top = Math.floor(this.#scroller.scrollTop / ROW);
    const index = selected === undefined ? top - step : this.#indexOf(selected);
    const row = this.#rows[Math.max(0, index + step)];
    if (row !== undefined) this.#select({ position: row.position, ordinal: row.ordinal });
  }
}
