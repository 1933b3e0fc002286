import { h } from './dom.ts';

/** A bar that is dragged, or moved by arrow keys, to size its neighbour; the size is kept in the browser. */
export function splitter(options: {
  readonly name: string;
  readonly title: string;
  readonly direction: 'horizontal' | 'vertical';
  readonly initial: number;
  readonly min: number;
  /** Largest size, asked for whenever it is needed. */
  readonly max: () => number;
  readonly apply: (pixels: number) => void;
}): HTMLElement {
  const key = `virtrace-split-${options.name}`;
  let size = Number(load(key) ?? options.initial);
  if (!Number.isFinite(size)) size = options.initial;
  const set = (pixels: number): void => {
    size = Math.max(options.min, Math.min(options.max(), pixels));
    options.apply(size);
    save(key, String(Math.round(size)));
  };
  const isVertical = options.direction === 'vertical';
  const bar = h('div', {
    class: `splitter ${options.direction}`,
    role: 'separator',
    tabindex: '0',
    'aria-label': options.title,
    'aria-orientation': isVertical ? 'vertical' : 'horizontal',
    title: options.title,
  });
  bar.addEventListener('pointerdown', (event) => {
    bar.setPointerCapture(event.pointerId);
    const start = isVertical ? event.clientX : event.clientY;
    const before = size;
    const move = (moved: PointerEvent): void => {
      set(before - ((isVertical ? moved.clientX : moved.clientY) - start));
    };
    bar.addEventListener('pointermove', move);
    bar.addEventListener('pointerup', () => bar.removeEventListener('pointermove', move), { once: true });
  });
  bar.addEventListener('keydown', (event) => {
    const step = { ArrowLeft: 20, ArrowUp: 20, ArrowRight: -20, ArrowDown: -20 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    set(size + step);
  });
  queueMicrotask(() => set(size));
  addEventListener('resize', () => set(size));
  return bar;
}

/** Local storage may be forbidden (file://, private windows). */
export function load(key: string): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

export function save(key: string, value: string): void {
  try {
    localStorage.setItem(key, value);
  } catch {
    // Then it is not kept.
  }
}
