import type { EventPlace, EventRow, LaneInfo, TraceSource } from '../data/protocol.ts';
import type { PlainError } from '../data/rpc.ts';
import { ConsolePanel } from '../panels/console-panel.ts';
import { DetailsPanel } from '../panels/event-details.ts';
import { EventList } from '../panels/event-list.ts';
import { MachinePanel } from '../panels/machine-panel.ts';
import { NotesPanel } from '../panels/notes-panel.ts';
import { StatisticsPanel } from '../panels/statistics-panel.ts';
import { TracePanel } from '../panels/trace-panel.ts';
import { Timeline } from '../timeline/timeline.ts';
import { browserStore } from './browser-store.ts';
import { button, h, replace } from './dom.ts';
import { formatBytes, formatCount, formatShort, formatTime } from './format.ts';
import { helpDialog } from './help.ts';
import { Model, type ModelEvent } from './model.ts';
import { type Note, type NoteStore, serverStore } from './notes.ts';
import { SearchBox } from './search-box.ts';
import { load, save, splitter } from './splitter.ts';
import { Store } from './store.ts';
import { decodeState, encodeState, START_STATE, TABS, type Tab, type ViewState } from './view-state.ts';

const TAB_NAMES: { readonly [tab in Tab]: string } = {
  event: 'Event',
  machine: 'Machine',
  console: 'Console',
  statistics: 'Statistics',
  notes: 'Notes',
  trace: 'Trace',
};

export interface AppOptions {
  readonly source: TraceSource;
  /** Where `virtrace view` keeps notes. */
  readonly notesUrl: string | undefined;
  /** Notes that came with the trace. */
  readonly notes?: readonly Note[];
  readonly openAnother: (source: TraceSource) => void;
  readonly failed: (error: PlainError) => void;
}

/** The page with an open trace: puts timeline, list and panels together. */
export class App {
  readonly element = h('div', { class: 'app' });
  readonly store = new Store();
  readonly model: Model;
  readonly timeline: Timeline;
  readonly machine: MachinePanel;
  readonly #options: AppOptions;
  readonly #details: DetailsPanel;
  readonly #console: ConsolePanel;
  readonly #statistics: StatisticsPanel;
  readonly #notes: NotesPanel;
  readonly #trace: TracePanel;
  readonly #list: EventList;
  readonly #search: SearchBox;
  readonly #help = helpDialog();
  readonly #title = h('span', { class: 'trace-name' });
  readonly #progress = h('div', {
    class: 'progress',
    role: 'progressbar',
    'aria-label': 'Reading the trace',
  });
  readonly #status = h('div', { class: 'status', role: 'status' });
  readonly #panelBox = h('div', { class: 'panel-box', role: 'tabpanel' });
  readonly #tabs: HTMLElement;
  #urlTimer = 0;
  #fitted = false;

  constructor(options: AppOptions) {
    this.#options = options;
    const { store } = this;
    this.model = new Model((event) => this.#modelChanged(event));
    this.timeline = new Timeline(this.model, store, {
      select: (place) => this.select(place),
      moment: (position) => store.set({ cursor: position, selected: undefined }),
      lane: () => {},
      nearest: (lane, position) => void this.#selectNearest(lane, position),
      notes: () => this.#notes.notes,
    });
    this.machine = new MachinePanel(this.model, store, options.source, {
      moved: (position) => this.timeline.reveal(position),
    });
    this.machine.onStatus(() => this.#drawStatus());
    this.#details = new DetailsPanel(this.model, {
      select: (place) => this.select(place),
      filter: (query) => this.#runQuery(query),
      travel: (position) => {
        store.set({ cursor: position, tab: 'machine' });
        void this.machine.travel(position);
      },
      note: (position) => this.beginNote(position),
      disassemble: (position, cpu, pc, go) => this.machine.instructionAt(position, cpu, pc, go),
    });
    const go = (position: number): void => {
      store.set({ cursor: position, selected: undefined });
      this.timeline.reveal(position);
    };
    this.#console = new ConsolePanel(this.model, store, go);
    this.#statistics = new StatisticsPanel(this.model, {
      select: (place) => this.select(place),
      filter: (query) => this.#runQuery(query),
      showRange: (from, to) => {
        const { axis } = store.state;
        const [a, b] = [this.model.toAxis(axis, from), this.model.toAxis(axis, to)];
        this.timeline.show(a - (b - a) * 0.1, b + (b - a) * 0.1);
      },
    });
    this.#notes = new NotesPanel(this.model, store, () => this.timeline.redraw(), go);
    this.#trace = new TracePanel(this.model, store, (file) => void this.machine.takeFile(file));
    this.#list = new EventList(this.model, store, (place) => this.select(place));
    this.#search = new SearchBox(this.model, store, (hit) => this.select(hit));
    this.#tabs = this.#tabBar();
    this.#build();
    store.listen((state, changed) => {
      if (changed.has('tab')) this.#showTab(state.tab);
      if (changed.has('selected')) void this.#showSelected(state.selected);
      if (changed.has('axis')) this.#axisChanged(state.axis);
      this.#keepInUrl();
      this.#drawStatus();
    });
    this.#showTab(store.state.tab);
  }

  /** Opens the trace. */
  async start(): Promise<void> {
    const { source } = this.#options;
    try {
      this.#title.textContent = source.name;
      await this.model.open(source);
    } catch (error) {
      const { name, message } = error as Error;
      const code = (error as { code?: string }).code;
      this.#options.failed({ name, message, ...(code === undefined ? {} : { code }) });
    }
  }

  close(): void {
    this.model.close();
    this.machine.close();
    clearTimeout(this.#urlTimer);
  }

  /* ------------------------------------------------------------------ parts of the page */

  #build(): void {
    const { store } = this;
    const axis = h(
      'select',
      {
        class: 'axis-choice',
        'aria-label': 'Axis',
        title: 'Axis (X)',
        on: { change: () => store.set({ axis: axis.value === 'time' ? 'time' : 'instructions' }) },
      },
      h('option', { value: 'time' }, 'virtual time'),
      h('option', { value: 'instructions' }, 'instructions'),
    );
    store.listen((state, changed) => {
      if (changed.has('axis')) axis.value = state.axis;
    });
    const side = h('aside', { class: 'side', 'aria-label': 'Panels' }, this.#tabs, this.#panelBox);
    const lower = h('div', { class: 'lower' }, this.#list.element);
    replace(
      this.element,
      h(
        'header',
        { class: 'toolbar' },
        h('span', { class: 'brand' }, 'virtrace'),
        this.#title,
        this.#search.element,
        axis,
        button('Fit', 'Show the whole trace (F)', () => this.timeline.fit()),
        button('Copy link', 'Copy a link to exactly this view', () => void this.#copyLink()),
        button('◐', 'Light or dark', () => this.#toggleTheme(), { class: 'quiet' }),
        button('?', 'Keys and help (?)', () => this.#help.showModal(), { class: 'quiet' }),
      ),
      this.#progress,
      h(
        'div',
        { class: 'middle' },
        h(
          'div',
          { class: 'left' },
          this.timeline.element,
          splitter({
            name: 'list',
            title: 'Height of the event list',
            direction: 'horizontal',
            initial: 230,
            min: 60,
            max: () => Math.max(80, innerHeight - 320),
            apply: (pixels) => {
              lower.style.height = `${pixels}px`;
            },
          }),
          lower,
        ),
        splitter({
          name: 'side',
          title: 'Width of the panels',
          direction: 'vertical',
          initial: Math.max(360, Math.min(520, innerWidth * 0.33)),
          min: 260,
          max: () => Math.max(300, innerWidth - 520),
          apply: (pixels) => {
            side.style.width = `${pixels}px`;
          },
        }),
        side,
      ),
      this.#status,
      this.#help,
    );
  }

  #tabBar(): HTMLElement {
    return h(
      'div',
      { class: 'tabs', role: 'tablist' },
      TABS.map((tab, i) =>
        h(
          'button',
          {
            type: 'button',
            role: 'tab',
            id: `tab-${tab}`,
            title: `${TAB_NAMES[tab]} (${i + 1})`,
            data: { tab },
            on: { click: () => this.store.set({ tab }) },
          },
          TAB_NAMES[tab],
        ),
      ),
    );
  }

  #showTab(tab: Tab): void {
    for (const element of this.#tabs.querySelectorAll<HTMLElement>('[role=tab]')) {
      element.setAttribute('aria-selected', String(element.dataset.tab === tab));
    }
    const panels: { readonly [name in Tab]: HTMLElement } = {
      event: this.#details.element,
      machine: this.machine.element,
      console: this.#console.element,
      statistics: this.#statistics.element,
      notes: this.#notes.element,
      trace: this.#trace.element,
    };
    this.#panelBox.replaceChildren(panels[tab]);
    this.#panelBox.setAttribute('aria-labelledby', `tab-${tab}`);
    if (tab === 'statistics') this.#statistics.refresh();
    else if (tab === 'trace') this.#trace.refresh();
    else if (tab === 'console') void this.#console.refresh();
    else if (tab === 'machine') this.machine.shown();
  }

  /* ------------------------------------------------------------------ what happens */

  #modelChanged(event: ModelEvent): void {
    switch (event) {
      case 'overview':
        this.#opened();
        break;
      case 'progress': {
        const { done, total } = this.model.progress;
        this.#progress.style.setProperty('--done', `${(100 * done) / total}%`);
        this.#progress.setAttribute('aria-valuenow', String(Math.round((100 * done) / total)));
        this.timeline.refresh();
        break;
      }
      case 'indexed':
        this.#progress.hidden = true;
        this.timeline.refresh();
        this.#statistics.refresh();
        this.#trace.refresh();
        this.#list.reload();
        void this.#console.refresh();
        if (this.store.state.query !== '') this.model.search(this.store.state.query);
        void this.#showSelected(this.store.state.selected);
        document.documentElement.dataset.ready = 'indexed';
        break;
      case 'marks':
        this.timeline.redraw();
        break;
      case 'hits':
        this.#search.refresh();
        this.timeline.redraw();
        break;
    }
    this.#drawStatus();
  }

  #opened(): void {
    const { facts } = this.model;
    if (facts === undefined) return;
    document.title = `${facts.name} – virtrace`;
    document.documentElement.dataset.ready = 'open';
    this.#title.textContent = facts.name;
    this.#title.title = `${facts.board}, ${facts.cpus} × ${facts.cpuModel}, ${formatBytes(facts.bytes)}`;
    const linked = decodeState(location.hash);
    const axis = linked.axis ?? START_STATE.axis;
    const window =
      linked.from !== undefined && linked.to !== undefined ? {} : { from: 0, to: this.model.length(axis) };
    const end = facts.end?.position ?? facts.complete;
    this.#fitted = true;
    this.timeline.resize();
    this.store.set({ cursor: end, ...linked, ...window });
    this.timeline.refresh();
    this.timeline.resize();
    this.#trace.refresh();
    const keeper: NoteStore =
      this.#options.notesUrl === undefined
        ? browserStore(facts.identity, this.#options.notes ?? [])
        : serverStore(this.#options.notesUrl);
    void this.#notes.open(keeper);
    if (facts.events === 0) this.store.set({ tab: 'trace' });
  }

  select(place: EventPlace): void {
    const { position, ordinal } = place;
    this.store.set({
      selected: { position, ordinal },
      cursor: position,
      ...(this.store.state.tab === 'event' ||
      this.store.state.tab === 'machine' ||
      this.store.state.tab === 'console'
        ? {}
        : { tab: 'event' }),
    });
    this.timeline.reveal(position);
  }

  async #showSelected(place: EventPlace | undefined): Promise<void> {
    if (place === undefined) {
      this.#details.clear();
      this.timeline.setSelectedTime(undefined);
      this.timeline.chooseCycle(undefined);
      return;
    }
    if (this.model.facts === undefined) return;
    const details = await this.#details.show(place);
    if (details === undefined) return;
    const { row } = details;
    this.timeline.setSelectedTime(row.time);
    if (row.lane >= 0 && this.model.indexed) {
      this.timeline.setLane(row.lane);
      this.timeline.scrollToLane(row.lane);
    }
    const intid =
      row.kind === 'interrupt' ? Number.parseInt(row.subject.replace(/^INTID /, ''), 10) : undefined;
    this.timeline.chooseCycle(intid, row.position);
  }

  async #selectNearest(lane: LaneInfo, position: number): Promise<void> {
    const row = await this.model.client.call<EventRow | undefined>('nearest', lane.index, position);
    if (row !== undefined) this.select(row);
    else this.store.set({ cursor: position, selected: undefined });
  }

  async stepLane(direction: 'forward' | 'backward'): Promise<void> {
    const { selected, cursor } = this.store.state;
    const lane = this.timeline.currentLane;
    if (lane < 0 || !this.model.indexed) return;
    const place = selected ?? { position: cursor, ordinal: -1 };
    const row = await this.model.client.call<EventRow | undefined>('step', lane, place, direction);
    if (row !== undefined) this.select(row);
  }

  #runQuery(query: string): void {
    this.store.set({ query });
  }

  beginNote(position: number): void {
    this.store.set({ tab: 'notes' });
    this.#notes.begin(position);
  }

  /** The same part of the trace, on the other axis. */
  #axisChanged(axis: ViewState['axis']): void {
    if (!this.#fitted) return;
    const other = axis === 'time' ? 'instructions' : 'time';
    const { from, to } = this.store.state;
    const move = (at: number): number => this.model.toAxis(axis, this.model.fromAxis(other, at));
    const whole = from <= 0 && to >= this.model.length(other) * 0.999;
    if (whole) this.timeline.fit();
    else this.timeline.show(move(from), move(to));
  }

  #keepInUrl(): void {
    if (!this.#fitted) return;
    clearTimeout(this.#urlTimer);
    this.#urlTimer = setTimeout(() => {
      history.replaceState(null, '', `#${encodeState(this.store.state)}`);
    }, 250) as unknown as number;
  }

  async #copyLink(): Promise<void> {
    const url = new URL(location.href);
    url.hash = encodeState(this.store.state);
    history.replaceState(null, '', url.hash);
    try {
      await navigator.clipboard.writeText(url.href);
      this.#say('Link copied.');
    } catch {
      this.#say('The link is in the address bar.');
    }
  }

  #message = '';
  #say(message: string): void {
    this.#message = message;
    this.#drawStatus();
    setTimeout(() => {
      this.#message = '';
      this.#drawStatus();
    }, 4000);
  }

  #drawStatus(): void {
    const { facts, indexed, progress, timeMap, damage } = this.model;
    if (facts === undefined) {
      this.#status.textContent = 'Opening the trace …';
      return;
    }
    const { cursor, from, to, axis } = this.store.state;
    const step = axis === 'time' ? (to - from) / 1000 : 1;
    const parts = [
      `cursor ${formatCount(cursor)} · ${formatTime(timeMap.timeAt(cursor), Math.max(1, step))}`,
      `window ${axis === 'time' ? formatTime(to - from, (to - from) / 1000) : `${formatShort(to - from)} instructions`}`,
      indexed
        ? `${formatCount(facts.events)} events`
        : `reading events: ${Math.round((100 * progress.done) / Math.max(1, progress.total))} %`,
    ];
    if (damage !== undefined || facts.damage !== undefined) parts.push('the file is damaged, see Trace');
    if (facts.end === undefined) parts.push('the recording was not ended');
    replace(
      this.#status,
      parts.map((part) => h('span', {}, part)),
      h('span', { class: 'machine-status' }, this.machine.statusText()),
      this.#message === '' ? undefined : h('strong', {}, this.#message),
    );
  }

  #toggleTheme(): void {
    const root = document.documentElement;
    const isDark =
      root.dataset.theme === 'dark' ||
      (root.dataset.theme === 'auto' && matchMedia('(prefers-color-scheme: dark)').matches);
    root.dataset.theme = isDark ? 'light' : 'dark';
    save('virtrace-theme', root.dataset.theme);
    this.timeline.recolor();
  }

  /* ------------------------------------------------------------------ what keys do */

  nextHit(direction: 'forward' | 'backward'): void {
    this.#search.next(direction);
  }

  focusSearch(): void {
    this.#search.focus();
  }

  showHelp(): void {
    this.#help.showModal();
  }

  /** First the whole trace, then the selection. */
  fitOrSelection(): void {
    const { from, to, axis, selected, cursor } = this.store.state;
    const length = this.model.length(axis);
    const isWhole = from <= 0 && to >= length * 0.999;
    if (isWhole && (selected !== undefined || cursor > 0)) {
      const at = this.model.toAxis(axis, selected?.position ?? cursor);
      const half = Math.min(length, axis === 'time' ? 25_000 : 25_000) / 2;
      this.timeline.show(at - half, at + half);
    } else this.timeline.fit();
  }
}

export function applyTheme(): void {
  document.documentElement.dataset.theme = load('virtrace-theme') ?? 'auto';
}
