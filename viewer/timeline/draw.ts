/** Drawing one lane: densities from the mip-map at low zoom, exact marks and states at high zoom. */

import { levelFor } from '../data/mip-map.ts';
import type { ConsoleLabel, LaneMips, WindowMarks } from '../data/protocol.ts';
import { CPU_COLORS, INTERRUPT_COLORS, type Palette } from './palette.ts';
import type { Row } from './rows.ts';

export type LaneRow = Row & { readonly type: 'lane' };

export interface Frame {
  readonly context: CanvasRenderingContext2D;
  readonly palette: Palette;
  /** Pixels of the drawing area. */
  readonly width: number;
  readonly from: number;
  readonly to: number;
  /** Length of the axis. */
  readonly extent: number;
  /** Exact marks of the window, if it is small enough. */
  readonly marks: WindowMarks | undefined;
  /** When every CPU sleeps. */
  readonly asleep: Asleep;
  /** First lines of what a console printed, in order. */
  readonly lines: (device: string) => readonly ConsoleLabel[];
}

/** Sleeps one by one, as pixels, or where they are too many, their densities. */
export interface Asleep {
  readonly spans: readonly (readonly [from: number, to: number])[] | undefined;
  readonly mips: LaneMips | undefined;
}

/** Below this, a mark is a line and has no text. */
const TEXT_PIXELS = 28;
export const FONT = '11px ui-sans-serif, system-ui, sans-serif';
export const MONO = '11px ui-monospace, "SF Mono", Menlo, Consolas, monospace';

export function drawLane(frame: Frame, row: LaneRow, y: number, mips: LaneMips | undefined): void {
  const { lane } = row;
  const { marks } = frame;
  const exact = marks !== undefined && lane.index + 1 < marks.starts.length;
  switch (lane.kind) {
    case 'device':
    case 'dma':
      if (exact) drawAccesses(frame, marks, lane.index, y, row.height);
      else if (mips !== undefined)
        drawDensity(frame, mips, y, row.height, frame.palette.read, frame.palette.write);
      return;
    case 'interrupt':
      if (exact) drawInterrupt(frame, marks, lane.index, y, row.height);
      else if (mips?.cover !== undefined) drawStrips(frame, mips, y, row.height);
      else if (mips !== undefined) drawDensity(frame, mips, y, row.height, frame.palette.active);
      return;
    case 'cpu':
      if (!levelsAreKnown(mips)) drawRunning(frame, y, row.height);
      if (exact) drawCpu(frame, marks, lane.index, y, row.height);
      else if (mips?.cover !== undefined) drawLevels(frame, mips, y, row.height);
      drawAsleep(frame, y + 8, row.height - 10);
      return;
    case 'sleep':
      drawAsleep(frame, y + 3, row.height - 6);
      return;
    case 'console':
      if (exact) drawConsole(frame, marks, lane.index, y, row.height);
      else if (mips !== undefined) {
        drawDensity(frame, mips, y + row.height / 2, row.height / 2, frame.palette.console);
        drawLines(frame, lane.device ?? '', y, row.height);
      }
      return;
    case 'smmu':
    case 'frames':
      if (exact) drawNotes(frame, marks, lane.index, y, row.height);
      else if (mips !== undefined) drawDensity(frame, mips, y, row.height, frame.palette.note);
      return;
    case 'notes':
    case 'inputs':
      if (exact) drawNotes(frame, marks, lane.index, y, row.height);
      else if (mips !== undefined) drawDiamonds(frame, mips, y, row.height);
  }
}

interface Bins {
  readonly level: number;
  readonly first: number;
  readonly last: number;
  readonly x: (bin: number) => number;
  /** Pixels of a bin. */
  readonly size: number;
}

function binsFor({ from, to, extent, width }: Frame, bins: number, minPixels = 1): Bins {
  const level = levelFor(bins, extent, to - from, width, minPixels);
  const scale = width / (to - from);
  const unit = extent / level;
  return {
    level,
    first: Math.max(0, Math.floor(from / unit)),
    last: Math.min(level - 1, Math.floor(to / unit)),
    x: (bin) => (bin * unit - from) * scale,
    size: unit * scale,
  };
}

/** Bars as high as the logarithm of the count; the part that is writes in its own colour. */
function drawDensity(
  frame: Frame,
  { counts, writes }: LaneMips,
  y: number,
  height: number,
  color: string,
  writeColor = color,
): void {
  const { context } = frame;
  const { level, first, last, x, size } = binsFor(frame, counts.length / 2, 1.5);
  let max = 0;
  for (let bin = first; bin <= last; bin++) max = Math.max(max, counts[level + bin]!);
  if (max === 0) return;
  const full = height - 5;
  const scale = full / Math.log1p(max);
  const bottom = y + height - 2;
  const bars = new Path2D();
  const tops = new Path2D();
  const width = Math.max(1, size);
  for (let bin = first; bin <= last; bin++) {
    const count = counts[level + bin]!;
    if (count === 0) continue;
    const bar = Math.max(2, Math.log1p(count) * scale);
    const written = writes?.[level + bin] ?? 0;
    const top = written === 0 ? 0 : Math.max(1, (bar * written) / count);
    const left = x(bin);
    if (bar > top) bars.rect(left, bottom - bar + top, width, bar - top);
    if (top > 0) tops.rect(left, bottom - bar, width, top);
  }
  context.fillStyle = color;
  context.fill(bars);
  context.fillStyle = writeColor;
  context.fill(tops);
}

/** A strip as opaque as the share of time spent in the state. */
function drawCover(frame: Frame, cover: LaneMips['counts'], y: number, height: number, color: string): void {
  const { context } = frame;
  const bins = cover.length / 2;
  const { level, first, last, x, size } = binsFor(frame, bins);
  // A level's element is the sum of so many finest bins.
  const whole = bins / level;
  const steps = 8;
  context.fillStyle = color;
  let runFrom = first;
  let runStep = 0;
  const flush = (end: number): void => {
    if (runStep > 0) {
      context.globalAlpha = 0.4 + (0.6 * runStep) / steps;
      context.fillRect(x(runFrom), y, Math.max(1, (end - runFrom) * size), height);
    }
  };
  for (let bin = first; bin <= last; bin++) {
    const share = cover[level + bin]! / whole;
    const step = share <= 0 ? 0 : Math.max(1, Math.min(steps, Math.round(share * steps)));
    if (step === runStep) continue;
    flush(bin);
    runFrom = bin;
    runStep = step;
  }
  flush(last + 1);
  context.globalAlpha = 1;
}

function stripOf(y: number, height: number, strip: number): { top: number; size: number } {
  const size = Math.floor((height - 6) / 3);
  return { top: y + 3 + strip * size, size: size - 1 };
}

function drawStrips(frame: Frame, mips: LaneMips, y: number, height: number): void {
  INTERRUPT_COLORS.forEach((color, state) => {
    const { top, size } = stripOf(y, height, state);
    drawCover(frame, mips.cover![state]!, top, size, frame.palette[color]);
  });
}

/** Exception levels stacked by their share, interrupt handling as a strip on top. */
function drawLevels(frame: Frame, { cover, counts }: LaneMips, y: number, height: number): void {
  const { context, palette } = frame;
  const bins = counts.length / 2;
  const { level, first, last, x, size } = binsFor(frame, bins);
  const whole = bins / level;
  const body = height - 10;
  const bottom = y + height - 2;
  const width = Math.max(1, size);
  const paths = [0, 1, 2, 3, 5].map((state) => ({ state, path: new Path2D() }));
  for (let bin = first; bin <= last; bin++) {
    let at = bottom;
    for (const { state, path } of paths) {
      const share = Math.min(1, cover![state]![level + bin]! / whole);
      if (share <= 0.004) continue;
      const part = share * body;
      path.rect(x(bin), at - part, width + 0.3, part);
      at -= part;
    }
  }
  for (const { state, path } of paths) {
    context.fillStyle = palette[CPU_COLORS[state]!];
    context.fill(path);
  }
  drawCover(frame, cover![4]!, y + 2, 4, palette.interrupt);
}

/** Without exceptions in the trace, nobody knows at which level a CPU ran. */
function levelsAreKnown(mips: LaneMips | undefined): boolean {
  return mips?.cover?.slice(0, 4).some((cover) => cover[1]! > 0) === true;
}

/** A CPU of which only is known that it is there. */
function drawRunning({ context, palette, from, to, extent, width }: Frame, y: number, height: number): void {
  const scale = width / (to - from);
  const left = Math.max(0, -from * scale);
  const right = Math.min(width, (extent - from) * scale);
  context.fillStyle = palette.el1;
  context.globalAlpha = 0.3;
  context.fillRect(left, y + 8, right - left, height - 10);
  context.globalAlpha = 1;
}

function drawAsleep(frame: Frame, y: number, height: number): void {
  const { context, palette, asleep } = frame;
  if (asleep.spans === undefined) {
    if (asleep.mips?.cover !== undefined) drawCover(frame, asleep.mips.cover[0]!, y, height, palette.asleep);
    return;
  }
  context.fillStyle = palette.asleep;
  for (const [from, to] of asleep.spans) context.fillRect(from, y, Math.max(1, to - from), height);
}

const MAX_LABEL = 28;
const CHARACTER_PIXELS = 6.7;

/** Beginnings of lines, as many as there is room for. */
function drawLines(frame: Frame, device: string, y: number, height: number): void {
  const { context, palette, from, to, width } = frame;
  const lines = frame.lines(device);
  const scale = width / (to - from);
  let low = 0;
  let high = lines.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (lines[middle]!.at < from) low = middle + 1;
    else high = middle;
  }
  context.font = MONO;
  context.textBaseline = 'middle';
  context.fillStyle = palette.text;
  let free = 0;
  for (let i = low; i < lines.length; i++) {
    const { at, text } = lines[i]!;
    const x = (at - from) * scale;
    if (x > width) break;
    if (x < free || text === '') continue;
    const shown = text.length > MAX_LABEL ? `${text.slice(0, MAX_LABEL - 1)}…` : text;
    context.fillText(shown, x, y + height / 2 - 6);
    free = x + (shown.length + 2) * CHARACTER_PIXELS;
  }
}

/** Where something happened at all, as diamonds that can be seen. */
function drawDiamonds(frame: Frame, { counts }: LaneMips, y: number, height: number): void {
  const { context, palette } = frame;
  const { level, first, last, x, size } = binsFor(frame, counts.length / 2, 4);
  context.fillStyle = palette.note;
  for (let bin = first; bin <= last; bin++) {
    if (counts[level + bin]! > 0) diamond(context, x(bin) + size / 2, y + height / 2, 5);
  }
}

function diamond(context: CanvasRenderingContext2D, x: number, y: number, r: number): void {
  context.beginPath();
  context.moveTo(x, y - r);
  context.lineTo(x + r, y);
  context.lineTo(x, y + r);
  context.lineTo(x - r, y);
  context.fill();
}

/** Calls back with each mark in the window, and where the next one of the lane is. */
function eachMark(
  frame: Frame,
  marks: WindowMarks,
  lane: number,
  draw: (i: number, x: number, next: number) => void,
): void {
  const scale = frame.width / (frame.to - frame.from);
  const start = marks.starts[lane]!;
  const end = marks.starts[lane + 1]!;
  // Marks are sorted: begin with the last one left of the window, which may reach into it.
  let low = start;
  let high = end;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (marks.at[middle]! < frame.from) low = middle + 1;
    else high = middle;
  }
  for (let i = Math.max(start, low - 1); i < end; i++) {
    const at = marks.at[i]!;
    if (at > frame.to) break;
    const next = i + 1 < end ? (marks.at[i + 1]! - frame.from) * scale : Number.POSITIVE_INFINITY;
    draw(i, (at - frame.from) * scale, next);
  }
}

function drawAccesses(frame: Frame, marks: WindowMarks, lane: number, y: number, height: number): void {
  const { context, palette } = frame;
  const reads = new Path2D();
  const writes = new Path2D();
  const bottom = y + height - 2;
  const full = height - 5;
  eachMark(frame, marks, lane, (i, x) => {
    if (marks.flag[i] === 1) {
      writes.rect(x - 0.75, bottom - full, 1.5, full);
      writes.rect(x - 2.5, bottom - full, 5, 3);
    } else {
      reads.rect(x - 0.75, bottom - full * 0.7, 1.5, full * 0.7);
    }
  });
  context.fillStyle = palette.read;
  context.fill(reads);
  context.fillStyle = palette.write;
  context.fill(writes);
}

function drawInterrupt(frame: Frame, marks: WindowMarks, lane: number, y: number, height: number): void {
  const { context, palette, width } = frame;
  const strips = INTERRUPT_COLORS.map((color, state) => ({
    color,
    path: new Path2D(),
    ...stripOf(y, height, state),
  }));
  let mask = marks.masks[lane]!;
  let before = 0;
  const span = (until: number): void => {
    strips.forEach(({ path, top, size }, state) => {
      if ((mask >>> state) & 1) path.rect(before, top, Math.max(1.5, until - before), size);
    });
  };
  eachMark(frame, marks, lane, (i, x) => {
    span(Math.min(x, width));
    mask = marks.flag[i]!;
    before = x;
  });
  span(width);
  for (const { color, path } of strips) {
    context.fillStyle = palette[color];
    context.fill(path);
  }
}

const LEVEL_NAMES = ['EL0', 'EL1', 'EL2', 'EL3'];

function drawCpu(frame: Frame, marks: WindowMarks, lane: number, y: number, height: number): void {
  const { context, palette, width } = frame;
  let mask = marks.masks[lane]!;
  let before = 0;
  const top = y + 8;
  const size = height - 10;
  context.font = FONT;
  context.textBaseline = 'middle';
  const span = (until: number): void => {
    const length = until - before;
    if (length <= 0) return;
    for (const state of [0, 1, 2, 3, 5]) {
      if (((mask >>> state) & 1) === 0) continue;
      context.fillStyle = palette[CPU_COLORS[state]!];
      context.fillRect(before, top, Math.max(1, length - (length > 3 ? 0.5 : 0)), size);
      if (state < 4 && length > TEXT_PIXELS) {
        context.fillStyle = palette.bg;
        context.fillText(LEVEL_NAMES[state]!, before + 4, top + size / 2);
      }
    }
    if (mask & 16) {
      context.fillStyle = palette.interrupt;
      context.fillRect(before, y + 2, Math.max(1.5, length), 5);
    }
  };
  eachMark(frame, marks, lane, (i, x) => {
    const at = Math.max(0, Math.min(x, width));
    span(at);
    mask = marks.flag[i]!;
    before = at;
  });
  span(width);
  context.fillStyle = palette.error;
  eachMark(frame, marks, lane, (i, x, next) => {
    const text = marks.texts[marks.text[i]!]!;
    if (text === '' || next - x < TEXT_PIXELS) return;
    context.fillStyle = palette.bg;
    context.fillText(text, x + 32, top + size / 2);
  });
}

function drawConsole(frame: Frame, marks: WindowMarks, lane: number, y: number, height: number): void {
  const { context, palette } = frame;
  const ticks = new Path2D();
  eachMark(frame, marks, lane, (_i, x) => ticks.rect(x, y + height - 6, 1, 4));
  context.fillStyle = palette.console;
  context.fill(ticks);
  context.font = MONO;
  context.textBaseline = 'middle';
  context.fillStyle = palette.text;
  // Characters come one by one; they are written together as lines, as far as there is room.
  let line = '';
  let lineX = 0;
  let freeX = Number.NEGATIVE_INFINITY;
  const flush = (nextX: number): void => {
    const text = line.trimEnd();
    line = '';
    if (text === '' || lineX < freeX) return;
    const room = nextX - lineX - 6;
    const fits = Math.floor(room / 6.7);
    if (fits < 3) return;
    const shown = text.length > fits ? `${text.slice(0, fits - 1)}…` : text;
    context.fillText(shown, Math.max(lineX, 2), y + height / 2 - 3);
    freeX = lineX + shown.length * 6.7 + 8;
  };
  let pendingX = 0;
  eachMark(frame, marks, lane, (i, x) => {
    const text = marks.texts[marks.text[i]!]!;
    for (const part of text.split(/(?<=\n)/)) {
      if (line === '') {
        pendingX = x;
      }
      line += part.replace('\n', '');
      if (part.endsWith('\n')) {
        held.push({ x: pendingX, text: line });
        line = '';
      }
    }
  });
  if (line !== '') held.push({ x: pendingX, text: line });
  for (let i = 0; i < held.length; i++) {
    line = held[i]!.text;
    lineX = held[i]!.x;
    flush(held[i + 1]?.x ?? frame.width);
  }
  held.length = 0;
}

/** Lines of the console that wait for knowing how much room they have. */
const held: { x: number; text: string }[] = [];

function drawNotes(frame: Frame, marks: WindowMarks, lane: number, y: number, height: number): void {
  const { context, palette } = frame;
  context.font = FONT;
  context.textBaseline = 'middle';
  eachMark(frame, marks, lane, (i, x, next) => {
    const isError = marks.flag[i] === 2;
    context.fillStyle = isError ? palette.error : palette.note;
    diamond(context, x, y + height / 2, 5);
    const room = Math.min(next, frame.width) - x - 14;
    if (room < TEXT_PIXELS) return;
    const text = marks.texts[marks.text[i]!]!;
    const fits = Math.floor(room / 6);
    context.fillText(text.length > fits ? `${text.slice(0, fits - 1)}…` : text, x + 9, y + height / 2);
  });
}
