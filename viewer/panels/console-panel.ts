import { h, replace } from '../app/dom.ts';
import { formatTime, plural } from '../app/format.ts';
import type { Model } from '../app/model.ts';
import type { Store } from '../app/store.ts';
import type { ConsoleLine, ConsolePage } from '../data/protocol.ts';

const LINES = 2000;
/** Lines that are written later, shown to be gone to. */
const FUTURE_LINES = 400;

/** The console as of the cursor; a line takes one to the moment at which it was written. */
export class ConsolePanel {
  readonly element = h('div', { class: 'panel console-panel' });
  readonly #head = h('div', { class: 'panel-head' });
  readonly #text = h('div', {
    class: 'console-text',
    role: 'log',
    'aria-label': 'Console output',
    tabindex: '0',
  });
  readonly #model: Model;
  readonly #store: Store;
  readonly #go: (position: number) => void;
  #device = '';
  #generation = 0;
  #shown = '';

  constructor(model: Model, store: Store, go: (position: number) => void) {
    this.#model = model;
    this.#store = store;
    this.#go = go;
    this.element.append(this.#head, this.#text);
    store.listen((state, changed) => {
      if (state.tab === 'console' && (changed.has('cursor') || changed.has('tab'))) void this.refresh();
    });
  }

  async refresh(): Promise<void> {
    const { consoles, indexed } = this.#model;
    if (!indexed) {
      replace(this.#text, h('div', { class: 'empty' }, 'The trace is still being read.'));
      return;
    }
    const [first] = consoles;
    if (first === undefined) {
      replace(this.#head);
      replace(this.#text, h('div', { class: 'empty' }, 'Nothing was written to a console.'));
      return;
    }
    if (!consoles.some(({ device }) => device === this.#device)) this.#device = first.device;
    const { cursor } = this.#store.state;
    const generation = ++this.#generation;
    const page = await this.#model.client.call<ConsolePage>('consoleAt', this.#device, cursor, LINES);
    const later = await this.#model.client.call<ConsolePage>(
      'consoleLines',
      this.#device,
      page.total,
      FUTURE_LINES,
    );
    if (generation === this.#generation) this.#draw(page, later);
  }

  #draw({ lines, total, first }: ConsolePage, later: ConsolePage): void {
    const { consoles } = this.#model;
    const { cursor } = this.#store.state;
    const choose = h(
      'select',
      {
        'aria-label': 'Console',
        on: {
          change: () => {
            this.#device = choose.value;
            void this.refresh();
          },
        },
      },
      consoles.map(({ device, lines: count }) =>
        h(
          'option',
          { value: device, selected: device === this.#device },
          `${device} (${plural(count, 'line')})`,
        ),
      ),
    );
    replace(
      this.#head,
      choose,
      h('span', { class: 'muted' }, `as of ${formatTime(this.#model.timeMap.timeAt(cursor))}`),
    );
    const key = `${this.#device} ${total} ${lines.at(-1)?.text ?? ''}`;
    if (key === this.#shown) return;
    this.#shown = key;
    replace(
      this.#text,
      first > 0 ? h('div', { class: 'muted' }, `… ${plural(first, 'line')} before`) : undefined,
      lines.map((line) => this.#line(line, false)),
      h(
        'div',
        { class: 'console-now' },
        lines.length === 0
          ? 'Nothing is written up to this moment.'
          : `${formatTime(this.#model.timeMap.timeAt(cursor))}`,
      ),
      later.lines.map((line) => this.#line(line, true)),
      later.total > total + later.lines.length
        ? h('div', { class: 'muted' }, `… ${plural(later.total - total - later.lines.length, 'line')} after`)
        : undefined,
    );
    this.#text.querySelector('.console-now')?.scrollIntoView({ block: 'center' });
  }

  #line({ position, time, text, runs }: ConsoleLine, isFuture: boolean): HTMLElement {
    return h(
      'div',
      {
        class: isFuture ? 'console-line future' : 'console-line',
        title: `written from ${formatTime(time)}; click to go there`,
        on: { click: () => this.#go(position) },
      },
      runs?.map((run) => h('span', { class: run.classes }, run.text)) ?? (text.replace(/\n$/, '') || ' '),
    );
  }
}
