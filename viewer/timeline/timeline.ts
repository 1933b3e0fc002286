import { type D3ZoomEvent, select, type ZoomBehavior, zoom, zoomIdentity } from 'd3';
import { h, replace } from '../app/dom.ts';
import { formatCount, formatTime } from '../app/format.ts';
import type { Model } from '../app/model.ts';
import type { Store } from '../app/store.ts';
import type { EventPlace, LaneInfo, WindowCycle } from '../data/protocol.ts';
import { drawArrows } from './arrows.ts';
import { drawAxis, makeScale } from './axis.ts';
import { drawLane, type Frame, type LaneRow } from './draw.ts';
import { Labels } from './labels.ts';
import { Minimap } from './minimap.ts';
import { drawOverlays } from './overlays.ts';
import { type Palette, readPalette } from './palette.ts';
import { layoutRows, type Row } from './rows.ts';
import { asleepIn, countAt, markAt, placeAt, type View, wordsAt } from './view.ts';

/** Never zoom in further than to this many units of the axis. */
const MIN_SPAN = 8;

export interface TimelineEvents {
  /** A person chose an event. */
  select(place: EventPlace): void;
  /** A person chose a moment without an event. */
  moment(position: number): void;
  /** Which lane `.` and `,` go along. */
  lane(lane: LaneInfo): void;
  /** The event of a lane closest to a place, where marks are not drawn one by one. */
  nearest(lane: LaneInfo, position: number): void;
  notes(): readonly { readonly position: number; readonly text: string }[];
}

/** Minimap, axis and lanes. */
export class Timeline {
  readonly element: HTMLElement;
  /** Milliseconds of script of the last frames, for the bench. */
  readonly frames: number[] = [];
  readonly #model: Model;
  readonly #store: Store;
  readonly #events: TimelineEvents;
  readonly #minimap: Minimap;
  readonly #labels: Labels;
  readonly #canvas = h('canvas', { class: 'lanes-canvas', tabindex: '0', role: 'img' });
  readonly #axisSvg: SVGSVGElement;
  readonly #axisBox: HTMLElement;
  readonly #scroller: HTMLElement;
  readonly #tooltip = h('div', { class: 'tooltip', role: 'tooltip', hidden: true });
  readonly #zoom: ZoomBehavior<HTMLElement, unknown>;
  readonly #stage: HTMLElement;
  readonly #labelBox: HTMLElement;
  #palette: Palette;
  #rows: readonly Row[] = [];
  #height = 0;
  #width = 100;
  #view = 100;
  #scheduled = false;
  #pointer: { x: number; y: number } | undefined;
  #currentLane = -1;
  #chosenCycle: { intid: number; at: number } | undefined;
  #applying = false;
  #minimapDirty = true;

  constructor(model: Model, store: Store, events: TimelineEvents) {
    this.#model = model;
    this.#store = store;
    this.#events = events;
    this.#minimap = new Minimap(model, store);
    this.#labels = new Labels(store, (lane) => this.setLane(lane.index));
    this.#axisSvg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
    this.#axisSvg.setAttribute('class', 'axis');
    const group = document.createElementNS('http://www.w3.org/2000/svg', 'g');
    group.setAttribute('transform', 'translate(0,25)');
    this.#axisSvg.append(group);
    this.#axisBox = h('div', { class: 'axis-box' });
    this.#axisBox.append(this.#axisSvg);
    this.#labelBox = h('div', { class: 'label-box' }, this.#labels.element);
    this.#stage = h('div', { class: 'lanes-stage' }, this.#canvas);
    this.#scroller = h(
      'div',
      { class: 'lanes-scroller', on: { scroll: () => this.redraw() } },
      this.#labelBox,
      this.#stage,
    );
    this.element = h(
      'div',
      { class: 'timeline' },
      h('div', { class: 'timeline-head' }, h('div', { class: 'corner' }), this.#minimap.element),
      h('div', { class: 'timeline-axis' }, this.#corner(), this.#axisBox),
      this.#scroller,
      this.#tooltip,
    );
    this.#palette = readPalette(document.documentElement);
    this.#zoom = zoom<HTMLElement, unknown>()
      .filter((event: MouseEvent) => !event.button && !(event.type === 'wheel' && event.shiftKey))
      .wheelDelta((event: WheelEvent) => {
        const unit = event.deltaMode === 1 ? 0.05 : event.deltaMode === 2 ? 1 : 0.002;
        return -event.deltaY * unit * (event.ctrlKey ? 5 : 1);
      })
      .on('zoom', (event: D3ZoomEvent<HTMLElement, unknown>) => this.#zoomed(event));
    for (const target of [this.#stage, this.#axisBox]) {
      select(target).call(this.#zoom).on('dblclick.zoom', null);
    }
    this.#stage.addEventListener('wheel', (event) => this.#wheel(event), { passive: false, capture: true });
    this.#canvas.addEventListener('pointermove', (event) => this.#moved(event));
    this.#canvas.addEventListener('pointerleave', () => {
      this.#pointer = undefined;
      this.#tooltip.hidden = true;
    });
    this.#canvas.addEventListener('click', (event) => this.#clicked(event));
    this.#canvas.addEventListener('dblclick', (event) => {
      const at = this.#at(event.offsetX);
      this.zoomBy(0.25, at);
    });
    new ResizeObserver(() => this.resize()).observe(this.#scroller);
    store.listen((_state, changed) => {
      if (['from', 'to', 'axis'].some((key) => changed.has(key as 'from'))) this.#applyTransform();
      if (changed.has('axis')) this.#minimapDirty = true;
      if (['folded', 'pinned', 'hidden', 'order', 'lanes'].some((key) => changed.has(key as 'folded')))
        this.layout();
      this.redraw();
    });
  }

  #corner(): HTMLElement {
    const input = h('input', {
      type: 'search',
      class: 'lane-filter',
      placeholder: 'filter lanes',
      'aria-label': 'Filter lanes by name',
      on: { input: () => this.#store.set({ lanes: input.value }) },
    });
    this.#store.listen((state, changed) => {
      if (changed.has('lanes') && input.value !== state.lanes) input.value = state.lanes;
    });
    return h('div', { class: 'corner' }, input);
  }

  /** Light or dark has changed. */
  recolor(): void {
    this.#palette = readPalette(document.documentElement);
    this.#minimapDirty = true;
    this.redraw();
  }

  /** The trace, or what is known of it, has changed. */
  refresh(): void {
    this.#minimapDirty = true;
    this.layout();
  }

  layout(): void {
    const { rows, height } = layoutRows(this.#model.lanes, this.#store.state);
    this.#rows = rows;
    this.#height = height;
    this.#labels.show(rows, height);
    this.#labels.mark(this.#currentLane);
    this.#stage.style.height = `${Math.max(height, this.#view)}px`;
    this.redraw();
  }

  resize(): void {
    const width = Math.max(50, this.#scroller.clientWidth - this.#labelBox.offsetWidth);
    this.#width = width;
    this.#view = this.#scroller.clientHeight;
    const ratio = devicePixelRatio;
    this.#canvas.width = Math.round(width * ratio);
    this.#canvas.height = Math.round(this.#view * ratio);
    this.#canvas.style.width = `${width}px`;
    this.#canvas.style.height = `${this.#view}px`;
    this.#axisSvg.setAttribute('width', String(width));
    this.#axisSvg.setAttribute('height', '26');
    this.#minimap.resize(width);
    this.#minimapDirty = true;
    this.#stage.style.height = `${Math.max(this.#height, this.#view)}px`;
    this.#zoom
      .extent([
        [0, 0],
        [width, 1],
      ])
      .translateExtent([
        [0, 0],
        [width, 1],
      ])
      .scaleExtent([1, Math.max(1, this.#model.length(this.#store.state.axis) / MIN_SPAN)]);
    this.#applyTransform();
    this.redraw();
  }

  /** Tells d3's zoom where the window is. */
  #applyTransform(): void {
    const { axis, from, to } = this.#store.state;
    const length = this.#model.length(axis);
    if (!(to > from)) return;
    this.#zoom.scaleExtent([1, Math.max(1, length / MIN_SPAN)]);
    const scale = length / (to - from);
    const transform = zoomIdentity.translate(-(from / length) * this.#width * scale, 0).scale(scale);
    this.#applying = true;
    for (const target of [this.#stage, this.#axisBox]) select(target).property('__zoom', transform);
    this.#applying = false;
    this.#minimap.moveBrush();
  }

  #zoomed(event: D3ZoomEvent<HTMLElement, unknown>): void {
    if (this.#applying) return;
    const { axis } = this.#store.state;
    const [from, to] = event.transform
      .rescaleX(makeScale(0, this.#model.length(axis), this.#width))
      .domain() as [number, number];
    if (event.sourceEvent instanceof MouseEvent && event.sourceEvent.type === 'mousemove') {
      this.#scroller.scrollTop -= event.sourceEvent.movementY;
    }
    this.#tooltip.hidden = true;
    this.#store.set({ from, to });
  }

  /** Sideways wheels move; with shift, the lanes scroll. */
  #wheel(event: WheelEvent): void {
    if (event.ctrlKey || event.metaKey) return;
    if (event.shiftKey) {
      event.preventDefault();
      event.stopPropagation();
      this.#scroller.scrollTop += event.deltaY === 0 ? event.deltaX : event.deltaY;
    } else if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
      event.preventDefault();
      event.stopPropagation();
      this.panBy(event.deltaX / this.#width);
    }
  }

  /** By a share of the window. */
  panBy(share: number): void {
    const { from, to } = this.#store.state;
    this.show(from + share * (to - from), to + share * (to - from));
  }

  zoomBy(factor: number, around?: number): void {
    const { from, to } = this.#store.state;
    const middle = around ?? this.#focus();
    this.show(middle - (middle - from) * factor, middle + (to - middle) * factor);
  }

  /** What zooming by keys keeps in place: the pointer, the selection or cursor if it is in view, the middle. */
  #focus(): number {
    if (this.#pointer !== undefined) return this.#at(this.#pointer.x);
    const { axis, cursor, selected, from, to } = this.#store.state;
    const at =
      selected === undefined
        ? this.#model.toAxis(axis, cursor)
        : (this.#selectedAt ?? this.#model.toAxis(axis, selected.position));
    return at >= from && at <= to ? at : (from + to) / 2;
  }

  /** Shows a window, moved and widened as needed to be one. */
  show(from: number, to: number): void {
    const length = this.#model.length(this.#store.state.axis);
    const span = Math.min(length, Math.max(Math.min(MIN_SPAN, length), to - from));
    const middle = (from + to) / 2;
    const start = Math.max(0, Math.min(length - span, middle - span / 2));
    this.#store.set({ from: start, to: start + span });
  }

  fit(): void {
    this.show(0, this.#model.length(this.#store.state.axis));
  }

  /** Brings a position into view without changing the zoom, unless asked for a span. */
  reveal(position: number, span?: number): void {
    const { axis, from, to } = this.#store.state;
    const at = this.#model.toAxis(axis, position);
    if (span === undefined && at >= from && at <= to) return;
    const half = (span ?? to - from) / 2;
    this.show(at - half, at + half);
  }

  setLane(index: number): void {
    if (this.#currentLane === index) return;
    this.#currentLane = index;
    this.#labels.mark(index);
    const lane = this.#model.lanes.find((candidate) => candidate.index === index);
    if (lane !== undefined) this.#events.lane(lane);
    this.redraw();
  }

  get currentLane(): number {
    return this.#currentLane;
  }

  scrollToLane(index: number): void {
    const row = this.#rows.find((candidate) => candidate.type === 'lane' && candidate.lane.index === index);
    if (row === undefined) return;
    const { scrollTop } = this.#scroller;
    if (row.y < scrollTop) this.#scroller.scrollTop = row.y - 30;
    else if (row.y + row.height > scrollTop + this.#view)
      this.#scroller.scrollTop = row.y + row.height - this.#view + 10;
  }

  /** The life of an interrupt whose arrows are drawn strongly. */
  chooseCycle(intid: number | undefined, position = 0): void {
    const { axis } = this.#store.state;
    this.#chosenCycle = intid === undefined ? undefined : { intid, at: this.#model.toAxis(axis, position) };
    this.redraw();
  }

  redraw(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    requestAnimationFrame(() => {
      this.#scheduled = false;
      const begin = performance.now();
      this.#draw();
      this.frames.push(performance.now() - begin);
      if (this.frames.length > 2000) this.frames.splice(0, 1000);
    });
  }

  #draw(): void {
    const { axis, from, to } = this.#store.state;
    if (!(to > from)) return;
    const context = this.#canvas.getContext('2d', { alpha: false })!;
    const palette = this.#palette;
    const width = this.#width;
    context.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
    context.fillStyle = palette.bg;
    context.fillRect(0, 0, width, this.#view);
    const marks = this.#model.marksFor(axis, from, to);
    const extent = this.#model.length(axis);
    const view = this.#shown;
    const frame: Frame = {
      context,
      palette,
      width,
      from,
      to,
      extent,
      marks,
      asleep: asleepIn(view),
      lines: (device) => this.#model.consoleLabels(device, axis),
    };
    const scale = makeScale(from, to, width);
    const scroll = this.#scroller.scrollTop;
    this.#grid(context, scale.ticks(Math.max(2, Math.floor(width / 110))).map(scale));
    for (const row of this.#rows) {
      const y = row.y - scroll;
      if (y + row.height < 0 || y > this.#view) continue;
      if (row.type === 'group') {
        context.fillStyle = palette['lane-alt'];
        context.fillRect(0, y, width, row.height);
        continue;
      }
      if (row.lane.index === this.#currentLane) {
        context.fillStyle = palette['lane-alt'];
        context.globalAlpha = 0.5;
        context.fillRect(0, y, width, row.height);
        context.globalAlpha = 1;
      }
      context.fillStyle = palette.line;
      context.fillRect(0, y + row.height - 1, width, 1);
      context.save();
      context.beginPath();
      context.rect(0, y, width, row.height);
      context.clip();
      drawLane(frame, row, y, this.#model.laneData(row.lane.index)?.[axis]);
      context.restore();
    }
    if (marks !== undefined) this.#arrows(context, scroll, scale);
    const { cursor, selected } = this.#store.state;
    drawOverlays(
      {
        context,
        palette,
        view,
        height: this.#view,
        hits: this.#model.hits.list,
        notes: this.#events.notes(),
        cursor: this.#model.toAxis(axis, cursor),
        selected:
          selected === undefined
            ? undefined
            : (this.#selectedAt ?? this.#model.toAxis(axis, selected.position)),
      },
      scale,
    );
    drawAxis(this.#axisSvg, scale, axis, width);
    if (this.#minimapDirty) {
      this.#minimapDirty = false;
      this.#minimap.draw(palette);
    }
    this.#canvas.setAttribute('aria-label', `Timeline from ${this.#label(from)} to ${this.#label(to)}`);
  }

  #label(at: number): string {
    const { axis, from, to } = this.#store.state;
    return axis === 'time' ? formatTime(at, (to - from) / 1000) : `${formatCount(at)} instructions`;
  }

  #grid(context: CanvasRenderingContext2D, xs: readonly number[]): void {
    context.fillStyle = this.#palette.line;
    for (const x of xs) context.fillRect(Math.round(x), 0, 1, this.#view);
  }

  #arrows(context: CanvasRenderingContext2D, scroll: number, scale: (at: number) => number): void {
    const chosen = this.#chosenCycle;
    const cpus = new Map(
      this.#model.lanes.flatMap((lane) => (lane.kind === 'cpu' ? [[lane.cpu, lane.index] as const] : [])),
    );
    const isChosen = (cycle: WindowCycle): boolean => {
      if (chosen === undefined || cycle.intid !== chosen.intid) return false;
      const steps = [cycle.raised, cycle.pending, cycle.acknowledged, cycle.completed].filter(
        (at) => !Number.isNaN(at),
      );
      return chosen.at >= Math.min(...steps) && chosen.at <= Math.max(...steps);
    };
    drawArrows(
      {
        context,
        palette: this.#palette,
        rows: this.#rows,
        scroll,
        width: this.#width,
        x: scale,
        chosen: isChosen,
      },
      this.#model.marks!,
      (cpu) => cpus.get(cpu) ?? -1,
    );
  }

  /** Time of the selected event: inside a sleep, its position alone does not tell. */
  #selectedTime: number | undefined;
  get #selectedAt(): number | undefined {
    return this.#store.state.axis === 'time' ? this.#selectedTime : undefined;
  }
  setSelectedTime(time: number | undefined): void {
    this.#selectedTime = time;
    this.redraw();
  }

  get #shown(): View {
    const { axis, from, to } = this.#store.state;
    return { model: this.#model, axis, from, to, width: this.#width };
  }

  #at(x: number): number {
    return placeAt(this.#shown, x);
  }

  #rowAt(y: number): LaneRow | undefined {
    const at = y + this.#scroller.scrollTop;
    const row = this.#rows.find((candidate) => at >= candidate.y && at < candidate.y + candidate.height);
    return row?.type === 'lane' ? row : undefined;
  }

  #clicked(event: MouseEvent): void {
    const row = this.#rowAt(event.offsetY);
    if (row !== undefined) {
      this.setLane(row.lane.index);
      const mark = markAt(this.#shown, row.lane.index, event.offsetX);
      const { marks } = this.#model;
      if (mark >= 0 && marks !== undefined) {
        this.#events.select({ position: marks.position[mark]!, ordinal: marks.ordinal[mark]! });
        return;
      }
      const { axis, from, to } = this.#store.state;
      const isDrawnAlone = this.#model.marksFor(axis, from, to) !== undefined;
      if (!isDrawnAlone && countAt(this.#shown, row.lane, event.offsetX) > 0) {
        this.#events.nearest(row.lane, Math.round(this.#model.fromAxis(axis, this.#at(event.offsetX))));
        return;
      }
    }
    const position = this.#model.fromAxis(this.#store.state.axis, this.#at(event.offsetX));
    this.#events.moment(Math.max(0, Math.round(position)));
  }

  #moved(event: PointerEvent): void {
    this.#pointer = { x: event.offsetX, y: event.offsetY };
    if (event.buttons !== 0) return;
    const lines = wordsAt(this.#shown, this.#rowAt(event.offsetY), event.offsetX);
    replace(
      this.#tooltip,
      lines.map((line, i) => h('div', { class: i === 0 ? 'strong' : '' }, line)),
    );
    this.#tooltip.hidden = false;
    const box = this.element.getBoundingClientRect();
    const x = event.clientX - box.left + 14;
    const y = event.clientY - box.top + 16;
    const overX = x + this.#tooltip.offsetWidth > box.width;
    const overY = y + this.#tooltip.offsetHeight > box.height;
    this.#tooltip.style.left = `${overX ? x - this.#tooltip.offsetWidth - 28 : x}px`;
    this.#tooltip.style.top = `${overY ? y - this.#tooltip.offsetHeight - 28 : y}px`;
  }
}
