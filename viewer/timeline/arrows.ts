import type { WindowCycle, WindowMarks } from '../data/protocol.ts';
import type { Palette } from './palette.ts';
import type { Row } from './rows.ts';

/** Arrows are for reading: more than this many lives in the window would only hide it. */
const MAX_SHOWN = 60;
/** Steps closer than this are one point. */
const MIN_PIXELS = 3;
/** An interrupt may wait for long; its own lane shows that, so the arrow to the CPU begins near its end. */
const MAX_WAIT_PIXELS = 70;

export interface ArrowFrame {
  readonly context: CanvasRenderingContext2D;
  readonly palette: Palette;
  readonly rows: readonly Row[];
  readonly scroll: number;
  readonly width: number;
  readonly x: (at: number) => number;
  /** The life that a person has chosen: drawn strongly. */
  readonly chosen: (cycle: WindowCycle) => boolean;
}

/** From the access to the line, from there to the CPU that takes it, and back to the completion. */
export function drawArrows(frame: ArrowFrame, marks: WindowMarks, cpuLane: (cpu: number) => number): void {
  const { width, x } = frame;
  const visible = marks.cycles.filter(({ raised, pending, acknowledged, completed }) =>
    [raised, pending, acknowledged, completed].some((at) => x(at) >= 0 && x(at) <= width),
  );
  const centers = new Map<number, { top: number; bottom: number }>();
  for (const row of frame.rows) {
    if (row.type !== 'lane' || centers.has(row.lane.index)) continue;
    const top = row.y - frame.scroll;
    centers.set(row.lane.index, { top: top + 4, bottom: top + row.height - 4 });
  }
  const few = visible.length <= MAX_SHOWN;
  for (const cycle of visible) {
    const isChosen = frame.chosen(cycle);
    if (!few && !isChosen) continue;
    const own = centers.get(cycle.lane);
    if (own === undefined) continue;
    const begin = Number.isNaN(cycle.raised) ? cycle.pending : cycle.raised;
    const device = centers.get(cycle.raisedBy);
    const cpu = centers.get(cpuLane(cycle.cpu));
    if (device !== undefined) arrow(frame, x(begin), middle(device), x(begin), middle(own), isChosen);
    if (cpu !== undefined) {
      if (!Number.isNaN(begin))
        arrow(
          frame,
          Math.max(x(begin), x(cycle.acknowledged) - MAX_WAIT_PIXELS),
          middle(own),
          x(cycle.acknowledged),
          middle(cpu),
          isChosen,
        );
      if (Math.abs(x(cycle.completed) - x(cycle.acknowledged)) >= MIN_PIXELS) {
        arrow(frame, x(cycle.completed), middle(cpu), x(cycle.completed), own.bottom, isChosen);
      }
    }
  }
}

function middle({ top, bottom }: { top: number; bottom: number }): number {
  return (top + bottom) / 2;
}

function arrow(
  { context, palette }: ArrowFrame,
  x0: number,
  y0: number,
  x1: number,
  y1: number,
  strong: boolean,
): void {
  if (![x0, x1].every(Number.isFinite)) return;
  context.strokeStyle = strong ? palette.accent : palette.arrow;
  context.fillStyle = context.strokeStyle;
  context.globalAlpha = strong ? 1 : 0.55;
  context.lineWidth = strong ? 2 : 1;
  const bend = Math.min(60, Math.abs(x1 - x0) / 2);
  context.beginPath();
  context.moveTo(x0, y0);
  context.bezierCurveTo(x0 + bend, y0, x1 - bend, y1, x1, y1);
  context.stroke();
  // The head points along the last piece of the curve.
  const angle = bend > 4 ? 0 : Math.atan2(y1 - y0, x1 - x0);
  const size = strong ? 7 : 5;
  context.beginPath();
  context.moveTo(x1, y1);
  context.lineTo(x1 - size * Math.cos(angle - 0.45), y1 - size * Math.sin(angle - 0.45));
  context.lineTo(x1 - size * Math.cos(angle + 0.45), y1 - size * Math.sin(angle + 0.45));
  context.fill();
  context.globalAlpha = 1;
  context.lineWidth = 1;
}
