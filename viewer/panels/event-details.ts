import { button, h, replace } from '../app/dom.ts';
import { formatCount, formatDuration, formatTime } from '../app/format.ts';
import type { Model } from '../app/model.ts';
import type { EventDetails, EventLink, EventPlace } from '../data/protocol.ts';

export interface DetailsActions {
  select(place: EventPlace): void;
  filter(query: string): void;
  /** Takes the machine to the moment of the event. */
  travel(position: number): void;
  note(position: number): void;
  /** The instruction at an address; `go`: even if the machine has to be taken there. */
  disassemble(position: number, cpu: number, pc: string, go: boolean): Promise<string | undefined>;
}

/** One event, decoded: what it is, what it changed, what caused it and what it caused. */
export class DetailsPanel {
  readonly element = h('div', { class: 'panel details' });
  readonly #model: Model;
  readonly #actions: DetailsActions;
  #generation = 0;
  /** What is shown, for the arrows of the timeline. */
  current: EventDetails | undefined;

  constructor(model: Model, actions: DetailsActions) {
    this.#model = model;
    this.#actions = actions;
    this.clear();
  }

  /** Nothing is selected: then what stands out in the trace. */
  clear(): void {
    this.#generation++;
    this.current = undefined;
    replace(this.element, this.#outline(), this.#hints());
  }

  #outline(): HTMLElement | undefined {
    const { facts, statistics, extent } = this.#model;
    if (facts === undefined) return undefined;
    const { end } = facts;
    const list = h('ul', { class: 'outline' });
    const add = (...children: (HTMLElement | string)[]): void => list.append(h('li', {}, ...children));
    add(`${facts.board}, ${facts.cpus} × ${facts.cpuModel}, GICv${facts.gicVersion}`);
    add(
      end === undefined
        ? 'the recording was not ended'
        : `ended after ${formatTime(end.time, end.time / 1000)}: ${end.detail ?? end.reason}`,
    );
    for (const { intid, name, count, from } of statistics?.storms.slice(0, 3) ?? []) {
      add(
        h('strong', { class: 'severity-error' }, 'interrupt storm'),
        `: INTID ${intid} ${name}, ${formatCount(count)} times in a row from ${formatTime(from.time, extent.time / 1000)} on `,
        button('show', 'Select its first acknowledge', () => this.#actions.select(from), { class: 'link' }),
      );
    }
    const errors = statistics?.guestErrors ?? 0;
    if (errors > 0) {
      add(
        h(
          'strong',
          { class: 'severity-error' },
          `${formatCount(errors)} guest error${errors === 1 ? '' : 's'}`,
        ),
        ' ',
        button('show', 'Search is:error', () => this.#actions.filter('is:error'), { class: 'link' }),
      );
    }
    return h('section', {}, h('h2', {}, facts.name), list);
  }

  #hints(): HTMLElement {
    return h(
      'div',
      { class: 'empty' },
      h('p', {}, 'Click a mark on the timeline or a line of the event list to see it decoded.'),
      h(
        'p',
        {},
        h('kbd', {}, 'W'),
        h('kbd', {}, 'S'),
        ' zoom, ',
        h('kbd', {}, 'A'),
        h('kbd', {}, 'D'),
        ' move, ',
        h('kbd', {}, '/'),
        ' search, ',
        h('kbd', {}, '←'),
        h('kbd', {}, '→'),
        ' step the machine, ',
        h('kbd', {}, '?'),
        ' all keys',
      ),
    );
  }

  async show(place: EventPlace): Promise<EventDetails | undefined> {
    const generation = ++this.#generation;
    const details = await this.#model.client.call<EventDetails | undefined>('details', place);
    if (generation !== this.#generation) return undefined;
    if (details === undefined) {
      this.clear();
      return undefined;
    }
    this.current = details;
    this.#draw(details);
    return details;
  }

  #draw(details: EventDetails): void {
    const { row } = details;
    replace(
      this.element,
      h('h2', { class: `severity-${row.severity}` }, details.title),
      h(
        'div',
        { class: 'actions' },
        button('Go there', 'Take the machine to this moment', () => this.#actions.travel(row.position)),
        button('Note', 'Write a note at this moment', () => this.#actions.note(row.position)),
        details.filters.map(({ label, query }) =>
          button(label, `Search ${query}`, () => this.#actions.filter(query), { class: 'chip' }),
        ),
      ),
      this.#facts(details),
      this.#register(details),
      this.#cycle(details),
      this.#links('Caused by', details.causes),
      this.#links('Caused', details.effects),
      this.#neighbours(details),
      this.#bytes(details),
    );
  }

  #facts({ row, facts, pc, symbol }: EventDetails): HTMLElement {
    const list = h('dl', { class: 'facts' });
    const add = (name: string, value: string | HTMLElement, hint?: string): void => {
      list.append(
        h('dt', {}, name),
        h('dd', {}, value, hint === undefined ? '' : h('span', { class: 'muted' }, ` ${hint}`)),
      );
    };
    add('position', formatCount(row.position), row.ordinal > 0 ? `event ${row.ordinal} there` : undefined);
    add('time', formatTime(row.time));
    add('CPU', row.cpu < 0 ? 'none' : String(row.cpu));
    for (const { name, value, hint } of facts) add(name, value, hint);
    if (pc !== undefined) {
      const code = h('code', { class: 'instruction' });
      add('PC', h('span', {}, h('code', {}, pc), symbol === undefined ? '' : ` ${symbol}`, code));
      const show = async (): Promise<void> => {
        code.textContent = '…';
        code.textContent = (await this.#actions.disassemble(row.position, row.cpu, pc, true)) ?? '';
      };
      void this.#actions.disassemble(row.position, row.cpu, pc, false).then((text) => {
        if (text !== undefined) code.textContent = text;
        else
          replace(
            code,
            button('disassemble', 'Takes the machine there', () => void show(), { class: 'link' }),
          );
      });
    }
    return list;
  }

  #register({ register }: EventDetails): HTMLElement | undefined {
    if (register === undefined) return undefined;
    const { name, meaning, access, reference, offset, value, old, fields } = register;
    return h(
      'section',
      {},
      h('h3', {}, name, h('span', { class: 'muted' }, ` ${offset} ${access}`)),
      meaning === undefined ? undefined : h('p', {}, meaning),
      h(
        'p',
        { class: 'values' },
        old === undefined || old === value
          ? h('code', {}, value)
          : [h('code', { class: 'old' }, old), ' → ', h('code', { class: 'changed' }, value)],
        old === value ? h('span', { class: 'muted' }, ' as before') : undefined,
      ),
      fields.length === 0
        ? undefined
        : h(
            'table',
            { class: 'fields' },
            h(
              'thead',
              {},
              h(
                'tr',
                {},
                ['bits', 'field', 'value', 'meaning'].map((head) => h('th', {}, head)),
              ),
            ),
            h(
              'tbody',
              {},
              fields.map((field) =>
                h(
                  'tr',
                  { class: field.old === undefined ? '' : 'changed' },
                  h('td', { class: 'number' }, field.bits),
                  h('td', {}, h('code', {}, field.name)),
                  h(
                    'td',
                    {},
                    field.old === undefined ? undefined : h('span', { class: 'old' }, `${field.old} → `),
                    field.text === undefined ? field.value : `${field.value} ${field.text}`,
                  ),
                  h('td', { class: 'muted' }, field.meaning ?? ''),
                ),
              ),
            ),
          ),
      reference === '' ? undefined : h('p', { class: 'muted' }, reference),
    );
  }

  #cycle({ cycle, row }: EventDetails): HTMLElement | undefined {
    if (cycle.length === 0) return undefined;
    return h(
      'section',
      {},
      h('h3', {}, 'The life of this interrupt'),
      h(
        'ol',
        { class: 'cycle' },
        cycle.map((step) =>
          h(
            'li',
            {
              class:
                step.place?.position === row.position && step.place.ordinal === row.ordinal ? 'here' : '',
            },
            h('span', { class: 'when' }, step.after === undefined ? '' : `+${formatDuration(step.after)}`),
            this.#link(step, step.label),
          ),
        ),
      ),
    );
  }

  #links(title: string, links: readonly EventLink[]): HTMLElement | undefined {
    if (links.length === 0) return undefined;
    return h(
      'section',
      {},
      h('h3', {}, title),
      h(
        'ul',
        { class: 'links' },
        links.slice(0, 50).map((link) => h('li', {}, this.#link(link, link.text))),
      ),
    );
  }

  #link(link: EventLink, text: string): HTMLElement {
    const { place } = link;
    if (place === undefined) return h('span', {}, text);
    return h(
      'button',
      {
        type: 'button',
        class: 'link',
        title: `${link.text}, at position ${formatCount(place.position)}`,
        on: { click: () => this.#actions.select(place) },
      },
      text,
    );
  }

  #neighbours({ neighbours, row }: EventDetails): HTMLElement | undefined {
    const distance = (link: EventLink | undefined): string =>
      link?.time === undefined ? '' : ` ${formatDuration(Math.abs(link.time - row.time))}`;
    const shown = neighbours.filter(({ previous, next }) => previous !== undefined || next !== undefined);
    if (shown.length === 0) return undefined;
    return h(
      'section',
      {},
      h('h3', {}, 'Before and after'),
      h(
        'table',
        { class: 'neighbours' },
        shown.map(({ what, previous, next }) =>
          h(
            'tr',
            {},
            h(
              'td',
              {},
              previous === undefined
                ? h('span', { class: 'muted' }, '—')
                : this.#link(previous, `◀${distance(previous)}`),
            ),
            h('td', { class: 'center' }, what),
            h(
              'td',
              {},
              next === undefined
                ? h('span', { class: 'muted' }, '—')
                : this.#link(next, `${distance(next)} ▶`),
            ),
          ),
        ),
      ),
    );
  }

  #bytes({ bytes }: EventDetails): HTMLElement | undefined {
    if (bytes === undefined) return undefined;
    return h(
      'section',
      {},
      h('h3', {}, 'Bytes'),
      h('pre', {}, bytes.text),
      h('pre', { class: 'muted hex' }, bytes.hex),
    );
  }
}
