import { button, h, replace } from '../app/dom.ts';
import { formatCount, formatDuration, formatShort, formatTime, plural } from '../app/format.ts';
import type { Model } from '../app/model.ts';
import { quote } from '../data/filter/syntax.ts';
import type { DeviceStatistics, EventPlace, InterruptStatistics, Statistics } from '../data/protocol.ts';

export interface StatisticsActions {
  select(place: EventPlace): void;
  showRange(from: number, to: number): void;
  filter(query: string): void;
}

/** Counts, rates and latencies; storms and polling loops first, since they are what one looks for. */
export class StatisticsPanel {
  readonly element = h('div', { class: 'panel statistics' });
  readonly #model: Model;
  readonly #actions: StatisticsActions;

  constructor(model: Model, actions: StatisticsActions) {
    this.#model = model;
    this.#actions = actions;
  }

  refresh(): void {
    const { statistics } = this.#model;
    if (statistics === undefined) {
      replace(this.element, h('div', { class: 'empty' }, 'The trace is still being read.'));
      return;
    }
    replace(
      this.element,
      this.#overview(statistics),
      this.#storms(statistics),
      this.#polling(statistics),
      this.#interrupts(statistics),
      this.#devices(statistics),
    );
  }

  #overview({ kinds, guestErrors, asleep }: Statistics): HTMLElement {
    const { extent } = this.#model;
    const share = (100 * asleep) / Math.max(1, extent.time);
    return h(
      'section',
      {},
      h('h3', {}, 'All in all'),
      h(
        'p',
        {},
        `${plural(extent.instructions, 'instruction')} in ${formatTime(extent.time, extent.time / 1000)}; all CPUs asleep for ${share.toFixed(1)} % of it.`,
      ),
      h(
        'p',
        { class: 'chips' },
        Object.entries(kinds).map(([kind, count]) =>
          button(
            `${kind} ${formatShort(count)}`,
            `Search kind:${kind}`,
            () => this.#actions.filter(`kind:${kind}`),
            { class: 'chip' },
          ),
        ),
      ),
      guestErrors === 0
        ? undefined
        : h(
            'p',
            { class: 'severity-error' },
            `${plural(guestErrors, 'guest error')}: `,
            button('show', 'Search is:error', () => this.#actions.filter('is:error'), { class: 'link' }),
          ),
    );
  }

  #storms({ storms }: Statistics): HTMLElement | undefined {
    if (storms.length === 0) return undefined;
    return h(
      'section',
      { class: 'warning' },
      h('h3', {}, storms.length === 1 ? 'An interrupt storm' : `${storms.length} interrupt storms`),
      storms.slice(0, 20).map((storm) => {
        const { intid, name, count, from, to } = storm;
        return h(
          'p',
          {},
          h('strong', {}, `INTID ${intid} ${name}`),
          ` was taken ${formatCount(count)} times in a row, from ${formatTime(from.time, 1000)} to ${formatTime(to.time, 1000)}: every ${formatDuration((to.time - from.time) / count)}, with hardly anything between. `,
          button('first', 'Select its first acknowledge', () => this.#actions.select(from), {
            class: 'link',
          }),
          ' ',
          button(
            'show',
            'Show it on the timeline',
            () => this.#actions.showRange(from.position, to.position),
            { class: 'link' },
          ),
        );
      }),
    );
  }

  #polling({ polling }: Statistics): HTMLElement | undefined {
    if (polling.length === 0) return undefined;
    return h(
      'section',
      {},
      h('h3', {}, 'Polling loops'),
      h(
        'table',
        {},
        h(
          'thead',
          {},
          h(
            'tr',
            {},
            ['register', 'by', 'loops', 'reads', 'longest', 'time', ''].map((head) => h('th', {}, head)),
          ),
        ),
        h(
          'tbody',
          {},
          polling.slice(0, 30).map(({ device, register, pc, symbol, loops, reads, longest, time, at }) =>
            h(
              'tr',
              {},
              h('td', {}, `${device} ${register}`),
              h('td', { class: 'cut', title: pc }, symbol ?? pc),
              h('td', { class: 'number' }, formatShort(loops)),
              h('td', { class: 'number' }, formatShort(reads)),
              h('td', { class: 'number' }, formatShort(longest)),
              h('td', { class: 'number' }, formatDuration(time)),
              h(
                'td',
                {},
                button('show', 'Select where the longest begins', () => this.#actions.select(at), {
                  class: 'link',
                }),
              ),
            ),
          ),
        ),
      ),
    );
  }

  #interrupts({ interrupts }: Statistics): HTMLElement | undefined {
    if (interrupts.length === 0) return undefined;
    const { extent } = this.#model;
    return h(
      'section',
      {},
      h('h3', {}, 'Interrupts'),
      h('p', { class: 'muted' }, 'Latency: pending to acknowledged. Service: acknowledged to completed.'),
      h(
        'table',
        {},
        h(
          'thead',
          {},
          h(
            'tr',
            {},
            ['INTID', '', 'taken', 'per s', 'latency', 'service'].map((head) => h('th', {}, head)),
          ),
        ),
        h(
          'tbody',
          {},
          interrupts.map((row) =>
            h(
              'tr',
              {},
              h(
                'td',
                { class: 'number' },
                button(
                  String(row.intid),
                  `Search irq:${row.intid}`,
                  () => this.#actions.filter(`irq:${row.intid}`),
                  { class: 'link' },
                ),
              ),
              h(
                'td',
                {},
                `${row.name}${row.cpu >= 0 && (this.#model.facts?.cpus ?? 1) > 1 ? ` CPU ${row.cpu}` : ''}`,
              ),
              h('td', { class: 'number' }, formatShort(row.taken)),
              h('td', { class: 'number' }, formatShort(row.taken / (extent.time / 1e9))),
              this.#histogram(row.latency, row.latencyMean, row.latencyMax),
              this.#histogram(row.service, row.serviceMean, row.serviceMax),
            ),
          ),
        ),
      ),
    );
  }

  #histogram(buckets: InterruptStatistics['latency'], mean: number, max: number): HTMLElement {
    const first = buckets.findIndex((count) => count > 0);
    if (first < 0) return h('td', { class: 'muted' }, '—');
    const last = buckets.findLastIndex((count) => count > 0);
    const top = Math.log1p(Math.max(...buckets));
    const bars = buckets.slice(first, last + 1).map((count, i) =>
      h('span', {
        class: 'bar',
        title: `${formatDuration(2 ** (first + i))} to ${formatDuration(2 ** (first + i + 1))}: ${formatCount(count)}`,
        style: { height: `${Math.round((Math.log1p(count) / top) * 18)}px` },
      }),
    );
    return h(
      'td',
      { title: `mean ${formatDuration(mean)}, longest ${formatDuration(max)}` },
      h('span', { class: 'histogram' }, bars),
      h('span', { class: 'muted' }, ` ${formatDuration(mean)}`),
    );
  }

  #devices({ devices }: Statistics): HTMLElement {
    const isEmpty = ({ device }: { device: string }): boolean => /^virtio-mmio\d+$/.test(device);
    const empty = devices.filter(isEmpty);
    return h(
      'section',
      {},
      h('h3', {}, 'Devices'),
      devices.filter((device) => !isEmpty(device)).map((device) => this.#device(device)),
      empty.length === 0
        ? undefined
        : h(
            'details',
            {},
            h(
              'summary',
              {},
              h('span', { class: 'muted' }, `${plural(empty.length, 'virtio slot')} without a device`),
            ),
            empty.map((device) => this.#device(device)),
          ),
    );
  }

  #device({ device, reads, writes, registers }: DeviceStatistics): HTMLElement {
    const query = (register: string): string =>
      register.startsWith('+')
        ? `device:${quote(device)} addr:${register.slice(1)}`
        : `reg:${quote(`${device}.${register}`)}`;
    return h(
      'details',
      {},
      h(
        'summary',
        {},
        h('strong', {}, device),
        h('span', { class: 'muted' }, ` ${plural(reads, 'read')}, ${plural(writes, 'write')}`),
      ),
      h(
        'table',
        {},
        registers.slice(0, 60).map((row) =>
          h(
            'tr',
            {},
            h(
              'td',
              {},
              button(
                row.register,
                `Search ${query(row.register)}`,
                () => this.#actions.filter(query(row.register)),
                {
                  class: 'link',
                },
              ),
            ),
            h('td', { class: 'number' }, `${formatShort(row.reads)} r`),
            h('td', { class: 'number' }, `${formatShort(row.writes)} w`),
          ),
        ),
      ),
    );
  }
}
