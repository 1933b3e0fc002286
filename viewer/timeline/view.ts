/** What the timeline shows, in numbers: the window, and where pixels are in it. */
import { formatCount, formatDuration, formatShort, formatTime, plural } from '../app/format.ts';
import type { Model } from '../app/model.ts';
import type { Axis, LaneInfo } from '../data/protocol.ts';
import type { Asleep, LaneRow } from './draw.ts';

/** A mark is meant if the pointer is this close. */
const REACH = 7;
/** More sleeps than this in a window are not drawn one by one. */
const MAX_SLEEPS = 3000;

export interface View {
  readonly model: Model;
  readonly axis: Axis;
  /** In units of the axis. */
  readonly from: number;
  readonly to: number;
  /** In pixels. */
  readonly width: number;
}

/** The place on the axis at a pixel. */
export function placeAt({ from, to, width }: View, x: number): number {
  return from + (x / width) * (to - from);
}

/** Number of the exact mark of a lane at a pixel, or -1. */
export function markAt(view: View, lane: number, x: number): number {
  const { axis, from, to, width } = view;
  const marks = view.model.marksFor(axis, from, to);
  if (marks === undefined || lane + 1 >= marks.starts.length) return -1;
  const wanted = placeAt(view, x);
  let found = -1;
  let best = (REACH / width) * (to - from);
  for (let i = marks.starts[lane]!; i < marks.starts[lane + 1]!; i++) {
    const distance = Math.abs(marks.at[i]! - wanted);
    if (distance <= best) {
      best = distance;
      found = i;
    } else if (marks.at[i]! > wanted) break;
  }
  return found;
}

/** Events in the few pixels around a pixel, from the densities. */
export function countAt(view: View, lane: LaneInfo, x: number): number {
  const { axis, model } = view;
  const counts = model.laneData(lane.index)?.[axis].counts;
  if (counts === undefined) return 0;
  const bins = counts.length / 2;
  const extent = model.length(axis);
  const from = Math.floor((placeAt(view, x - 3) / extent) * bins);
  const to = Math.ceil((placeAt(view, x + 3) / extent) * bins);
  let sum = 0;
  for (let i = Math.max(0, from); i < Math.min(bins, to); i++) sum += counts[bins + i]!;
  return sum;
}

/** What is said of the place under the pointer, line by line; the first is its heading. */
export function wordsAt(view: View, row: LaneRow | undefined, x: number): string[] {
  const { axis, from, to, width, model } = view;
  const at = placeAt(view, x);
  const step = (to - from) / width;
  const where =
    axis === 'time'
      ? formatTime(at, step)
      : `${formatCount(at)} · ${formatTime(model.timeMap.timeAt(at), step)}`;
  if (row === undefined) return [where];
  const lines = [row.lane.title, where];
  const mark = markAt(view, row.lane.index, x);
  const { marks } = model;
  if (mark >= 0 && marks !== undefined) {
    const text = marks.texts[marks.text[mark]!]!.trim();
    if (text !== '') lines.push(text);
    lines.push(`position ${formatCount(marks.position[mark]!)} — click for the details`);
  } else if (model.marksFor(axis, from, to) === undefined) {
    const count = countAt(view, row.lane, x);
    const span =
      axis === 'time' ? formatDuration(6 * step) : `${formatShort(Math.max(1, 6 * step))} instructions`;
    if (count > 0) lines.push(`${plural(count, 'event')} in ${span}`);
  }
  if (row.lane.kind === 'cpu' && model.facts?.level !== 'full')
    lines.push('Exception levels are recorded with --level full.');
  return lines;
}

/** When every CPU sleeps, as pixels. */
export function asleepIn({ model, axis, from, to, width }: View): Asleep {
  const lane = model.lanes.find(({ kind }) => kind === 'sleep');
  const mips = lane === undefined ? undefined : model.laneData(lane.index)?.[axis];
  if (!model.indexed) return { spans: undefined, mips };
  const { timeMap } = model;
  const scale = width / (to - from);
  const sleeps =
    axis === 'time'
      ? timeMap.sleeps(from, to, MAX_SLEEPS)
      : timeMap.sleeps(timeMap.timeAt(from - 1), timeMap.timeAt(to), MAX_SLEEPS);
  const spans = sleeps?.map((sleep): readonly [number, number] => {
    const [begin, end] = axis === 'time' ? [sleep.from, sleep.to] : [sleep.position, sleep.position];
    return [Math.max(-2, (begin - from) * scale), Math.min(width + 2, (end - from) * scale)];
  });
  return { spans, mips };
}
