import { type BrushBehavior, brushX, type D3BrushEvent, select } from 'd3';
import { h } from '../app/dom.ts';
import type { Model } from '../app/model.ts';
import type { Store } from '../app/store.ts';
import { levelFor, type Pyramid } from '../data/mip-map.ts';
import type { LaneKind } from '../data/protocol.ts';
import type { Palette } from './palette.ts';

const HEIGHT = 46;
const ROWS: readonly { readonly kinds: readonly LaneKind[]; readonly color: keyof Palette }[] = [
  { kinds: ['device', 'dma'], color: 'read' },
  { kinds: ['interrupt'], color: 'active' },
  { kinds: ['console'], color: 'console' },
];

/** The whole trace in a strip, with the window as a brush. */
export class Minimap {
  readonly element: HTMLElement;
  readonly #canvas = h('canvas', { class: 'minimap-canvas' });
  readonly #svg: SVGSVGElement;
  readonly #model: Model;
  readonly #store: Store;
  readonly #brush: BrushBehavior<unknown>;
  #width = 0;
  #moving = false;

  constructor(model: Model, store: Store) {
    this.#model = model;
    this.#store = store;
    this.#svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
    this.#svg.setAttribute('class', 'minimap-brush');
    this.#svg.setAttribute('aria-hidden', 'true');
    this.#svg.append(document.createElementNS('http://www.w3.org/2000/svg', 'g'));
    this.element = h('div', {
      class: 'minimap',
      title: 'The whole trace; drag to choose what is shown below',
    });
    this.element.append(this.#canvas, this.#svg);
    this.#brush = brushX().on('brush end', (event: D3BrushEvent<unknown>) => this.#brushed(event));
  }

  #brushed(event: D3BrushEvent<unknown>): void {
    // Only what a person does; a brush moved by the program tells nothing new.
    if (event.sourceEvent === undefined || event.sourceEvent === null || this.#moving) return;
    const length = this.#model.length(this.#store.state.axis);
    const selection = event.selection as [number, number] | null;
    if (selection === null) {
      if (event.type === 'end') this.#center(event);
      return;
    }
    const [a, b] = selection;
    if (b - a < 1) return;
    this.#store.set({ from: (a / this.#width) * length, to: (b / this.#width) * length });
  }

  /** A click beside the window moves it there. */
  #center(event: D3BrushEvent<unknown>): void {
    const { from, to, axis } = this.#store.state;
    const x = (event.sourceEvent as MouseEvent).clientX - this.#svg.getBoundingClientRect().left;
    const length = this.#model.length(axis);
    const span = to - from;
    const middle = (x / this.#width) * length;
    const start = Math.max(0, Math.min(length - span, middle - span / 2));
    this.#store.set({ from: start, to: start + span });
    this.moveBrush();
  }

  resize(width: number): void {
    this.#width = width;
    const ratio = devicePixelRatio;
    this.#canvas.width = Math.round(width * ratio);
    this.#canvas.height = Math.round(HEIGHT * ratio);
    this.#canvas.style.width = `${width}px`;
    this.#svg.style.width = `${width}px`;
    this.#svg.setAttribute('width', String(width));
    this.#svg.setAttribute('height', String(HEIGHT));
    this.#brush.extent([
      [0, 0],
      [width, HEIGHT],
    ]);
    select(this.#svg)
      .select<SVGGElement>('g')
      .call(this.#brush as never);
    this.moveBrush();
  }

  moveBrush(): void {
    const { from, to, axis } = this.#store.state;
    const length = this.#model.length(axis);
    const a = (Math.max(0, from) / length) * this.#width;
    const b = (Math.min(length, to) / length) * this.#width;
    this.#moving = true;
    select(this.#svg)
      .select<SVGGElement>('g')
      .call(this.#brush.move as never, [a, Math.max(a + 3, b)] as never);
    this.#moving = false;
  }

  draw(palette: Palette): void {
    const context = this.#canvas.getContext('2d')!;
    context.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
    context.clearRect(0, 0, this.#width, HEIGHT);
    const { axis } = this.#store.state;
    const size = Math.floor((HEIGHT - 4) / ROWS.length);
    ROWS.forEach(({ kinds, color }, row) => {
      const pyramids = this.#model.lanes.flatMap(({ kind, index }) => {
        const counts = this.#model.laneData(index)?.[axis].counts;
        return kinds.includes(kind) && counts !== undefined ? [counts] : [];
      });
      this.#row(context, pyramids, 2 + row * size, size - 2, palette[color]);
    });
  }

  #row(
    context: CanvasRenderingContext2D,
    pyramids: readonly Pyramid[],
    y: number,
    height: number,
    color: string,
  ): void {
    const [one] = pyramids;
    if (one === undefined) return;
    const level = levelFor(one.length / 2, 1, 1, this.#width);
    const sums = new Float64Array(level);
    for (const pyramid of pyramids) {
      if (pyramid.length < 2 * level) continue;
      for (let i = 0; i < level; i++) sums[i]! += pyramid[level + i]!;
    }
    const max = Math.log1p(sums.reduce((a, b) => Math.max(a, b), 0));
    if (max === 0) return;
    context.fillStyle = color;
    const path = new Path2D();
    const unit = this.#width / level;
    sums.forEach((sum, i) => {
      const bar = (Math.log1p(sum) / max) * height;
      if (bar > 0) path.rect(i * unit, y + height - Math.max(1, bar), unit + 0.2, Math.max(1, bar));
    });
    context.fill(path);
  }
}
