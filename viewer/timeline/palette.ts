/** Colours of the canvas, out of the style sheet, so that light and dark have one place. */
const NAMES = [
  'bg',
  'lane',
  'lane-alt',
  'line',
  'text',
  'muted',
  'accent',
  'read',
  'write',
  'line-high',
  'pending',
  'active',
  'el0',
  'el1',
  'el2',
  'el3',
  'interrupt',
  'off',
  'asleep',
  'console',
  'note',
  'error',
  'hit',
  'cursor',
  'arrow',
] as const;

export type ColorName = (typeof NAMES)[number];
export type Palette = { readonly [name in ColorName]: string };

export function readPalette(element: Element): Palette {
  const style = getComputedStyle(element);
  const entries = NAMES.map((name) => [name, style.getPropertyValue(`--${name}`).trim()] as const);
  return Object.fromEntries(entries) as unknown as Palette;
}

export const INTERRUPT_COLORS = ['line-high', 'pending', 'active'] as const;
export const CPU_COLORS = ['el0', 'el1', 'el2', 'el3', 'interrupt', 'off'] as const;
