import { button, h } from '../app/dom.ts';
import { formatShort } from '../app/format.ts';
import type { Store } from '../app/store.ts';
import type { LaneInfo } from '../data/protocol.ts';
import type { Row } from './rows.ts';

/** The column of names at the left: fold, pin, hide, reorder. */
export class Labels {
  readonly element = h('div', { class: 'lane-labels', role: 'list', 'aria-label': 'Lanes' });
  readonly #store: Store;
  readonly #focus: (lane: LaneInfo) => void;
  #dragged: LaneInfo | undefined;
  #rows: readonly Row[] = [];

  constructor(store: Store, focus: (lane: LaneInfo) => void) {
    this.#store = store;
    this.#focus = focus;
  }

  show(rows: readonly Row[], height: number): void {
    this.#rows = rows;
    this.element.style.height = `${height}px`;
    this.element.replaceChildren(
      ...rows.map((row) => (row.type === 'group' ? this.#group(row) : this.#lane(row))),
    );
  }

  /** Marks the lane that keys step along. */
  mark(lane: number): void {
    for (const element of this.element.querySelectorAll<HTMLElement>('.lane-label')) {
      element.classList.toggle('current', element.dataset.lane === String(lane));
    }
  }

  #group(row: Row & { type: 'group' }): HTMLElement {
    const { name, folded, count, y, height } = row;
    return h(
      'div',
      { class: 'lane-group', style: { top: `${y}px`, height: `${height}px` } },
      h(
        'button',
        {
          type: 'button',
          class: 'fold',
          'aria-expanded': String(!folded),
          title: folded ? `Show the lanes of ${name}` : `Fold ${name}`,
          on: { click: () => this.#fold(name) },
        },
        `${folded ? '▸' : '▾'} ${name}`,
        h('span', { class: 'muted' }, ` ${count}`),
      ),
    );
  }

  #fold(name: string): void {
    const { folded } = this.#store.state;
    this.#store.set({
      folded: folded.includes(name) ? folded.filter((other) => other !== name) : [...folded, name],
    });
  }

  #lane(row: Row & { type: 'lane' }): HTMLElement {
    const { lane, y, height, pinned } = row;
    const element = h(
      'div',
      {
        class: 'lane-label',
        role: 'listitem',
        tabindex: '0',
        title: `${lane.title}\n${formatShort(lane.total)} events. Drag to reorder.`,
        draggable: 'true',
        data: { lane: String(lane.index) },
        style: { top: `${y}px`, height: `${height}px` },
        on: {
          click: () => this.#focus(lane),
          focus: () => this.#focus(lane),
          dragstart: (event: DragEvent) => {
            this.#dragged = lane;
            event.dataTransfer?.setData('application/x-virtrace-lane', lane.id);
          },
          dragover: (event: DragEvent) => {
            if (this.#dragged !== undefined && this.#dragged.group === lane.group) event.preventDefault();
          },
          drop: (event: DragEvent) => {
            event.preventDefault();
            event.stopPropagation();
            this.#drop(lane);
          },
        },
      },
      h('span', { class: 'name' }, lane.label),
      h('span', { class: 'count' }, lane.total > 0 ? formatShort(lane.total) : ''),
      button(pinned ? '◆' : '◇', pinned ? 'Unpin' : 'Pin to the top', () => this.#pin(lane), {
        class: 'quiet',
      }),
      button('×', 'Hide this lane', () => this.#hide(lane), { class: 'quiet' }),
    );
    return element;
  }

  #pin({ id }: LaneInfo): void {
    const { pinned } = this.#store.state;
    this.#store.set({
      pinned: pinned.includes(id) ? pinned.filter((other) => other !== id) : [...pinned, id],
    });
  }

  #hide({ id }: LaneInfo): void {
    this.#store.set({ hidden: [...this.#store.state.hidden, id] });
  }

  /** The dragged lane takes the place of the one it was dropped on. */
  #drop(target: LaneInfo): void {
    const moved = this.#dragged;
    this.#dragged = undefined;
    if (moved === undefined || moved.group !== target.group || moved.id === target.id) return;
    const { pinned } = this.#store.state;
    const place = (ids: readonly string[]): string[] => {
      const rest = ids.filter((id) => id !== moved.id);
      const from = ids.indexOf(moved.id);
      const to = ids.indexOf(target.id);
      rest.splice(rest.indexOf(target.id) + (from < to ? 1 : 0), 0, moved.id);
      return rest;
    };
    if (pinned.includes(moved.id) && pinned.includes(target.id)) {
      this.#store.set({ pinned: place(pinned) });
      return;
    }
    const group = this.#rows.flatMap((row) =>
      row.type === 'lane' && !row.pinned && row.lane.group === moved.group ? [row.lane.id] : [],
    );
    const others = this.#store.state.order.filter((id) => !group.includes(id));
    this.#store.set({ order: [...others, ...place(group)] });
  }
}
