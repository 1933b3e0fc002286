import { axisTop, type ScaleLinear, scaleLinear, select } from 'd3';
import { formatCount, formatShort, formatTime } from '../app/format.ts';
import type { Axis } from '../data/protocol.ts';

export type Scale = ScaleLinear<number, number>;

export function makeScale(from: number, to: number, width: number): Scale {
  return scaleLinear().domain([from, to]).range([0, width]);
}

/** Ticks of the axis at the top: virtual time with the unit that fits, or instructions. */
export function drawAxis(svg: SVGSVGElement, scale: Scale, axis: Axis, width: number): void {
  const count = Math.max(2, Math.floor(width / 110));
  const ticks = scale.ticks(count);
  const step = ticks.length > 1 ? ticks[1]! - ticks[0]! : 1;
  const format = (value: number): string => {
    if (axis === 'time') return formatTime(value, step);
    return step >= 10_000 ? formatShort(value) : formatCount(value);
  };
  const draw = axisTop<number>(scale as never)
    .tickValues(ticks.filter((tick) => tick >= 0))
    .tickFormat((value) => format(Number(value)))
    .tickSizeInner(5)
    .tickSizeOuter(0)
    .tickPadding(4);
  const group = select(svg).select<SVGGElement>('g');
  group.call(draw as never);
  // Labels at the edges stay inside.
  group.selectAll<SVGTextElement, number>('.tick text').attr('text-anchor', (tick) => {
    const x = scale(tick);
    return x < 30 ? 'start' : x > width - 30 ? 'end' : 'middle';
  });
}
