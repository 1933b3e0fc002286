/** What lies over all lanes: hits of the search, notes, the cursor, the selection. */
import type { SearchHit } from '../data/protocol.ts';
import type { Palette } from './palette.ts';
import type { View } from './view.ts';

const HIT_STRIP = 8;
const MAX_NOTE = 40;

export interface Overlays {
  readonly context: CanvasRenderingContext2D;
  readonly palette: Palette;
  readonly view: View;
  /** Pixels. */
  readonly height: number;
  readonly hits: readonly SearchHit[];
  readonly notes: readonly { readonly position: number; readonly text: string }[];
  /** Places on the axis. */
  readonly cursor: number;
  readonly selected: number | undefined;
}

export function drawOverlays(overlays: Overlays, scale: (at: number) => number): void {
  const { context, palette, view, height } = overlays;
  drawHits(overlays, scale);
  for (const { position, text } of overlays.notes) {
    const x = scale(view.model.toAxis(view.axis, position));
    if (x < -300 || x > view.width) continue;
    context.fillStyle = palette.note;
    context.fillRect(x, 0, 1.5, height);
    context.font = '11px system-ui, sans-serif';
    context.textBaseline = 'top';
    const shown = text.length > MAX_NOTE ? `${text.slice(0, MAX_NOTE - 1)}…` : text;
    const length = context.measureText(shown).width + 8;
    // At the right edge there is room on the other side only.
    const left = x + length > view.width && x >= length ? x - length + 1.5 : x;
    context.fillRect(left, 10, length, 16);
    context.fillStyle = palette.bg;
    context.fillText(shown, left + 4, 12);
  }
  const line = (at: number, color: string, size: number): void => {
    const x = scale(at);
    if (x < -2 || x > view.width + 2) return;
    context.fillStyle = color;
    context.fillRect(x - size / 2, 0, size, height);
  };
  line(overlays.cursor, palette.cursor, 1.5);
  if (overlays.selected !== undefined) line(overlays.selected, palette.accent, 2);
}

function drawHits(
  { context, palette, hits, view: { axis, from, to } }: Overlays,
  scale: (at: number) => number,
): void {
  context.fillStyle = palette.hit;
  let last = -10;
  for (const hit of hits) {
    const at = axis === 'time' ? hit.time : hit.position;
    if (at < from || at > to) continue;
    const x = Math.round(scale(at));
    if (x === last) continue;
    last = x;
    context.fillRect(x - 1, 0, 2, HIT_STRIP);
  }
}
