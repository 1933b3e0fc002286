/** Recorded events as lines: a number for goto, position, time, CPU, what happened, and which instruction did it. */
import type { TraceEvent } from '../../traces/index.ts';
import { describeEvent } from '../session/describe.ts';
import type { Json } from './answer.ts';
import type { Debugger } from './debugger.ts';
import { plainEvent } from './hits.ts';

export interface EventRow {
  readonly number: number;
  readonly position: number;
  readonly time: number;
  readonly cpu: number;
  readonly text: string;
  readonly at: string;
  readonly data: { readonly [key: string]: Json | undefined };
}

export function eventRow(debug: Debugger, event: TraceEvent): EventRow {
  const number = debug.handle(event.position);
  const text = describeEvent(event, debug.maps);
  const symbol = event.kind === 'access' ? debug.symbolOf(event.pc) : undefined;
  return {
    number,
    position: event.position,
    time: event.time,
    cpu: event.cpu,
    text,
    at: symbol === undefined ? '' : `  in ${symbol}`,
    data: { number, ...plainEvent(event), text, ...(symbol === undefined ? {} : { symbol }) },
  };
}

export function eventLine({ number, position, time, cpu, text, at }: EventRow): string {
  const who = cpu < 0 ? '    ' : `cpu${cpu}`;
  return `${`#${number}`.padStart(5)} ${String(position).padStart(11)}  ${(time / 1e9).toFixed(9)}  ${who}  ${text}${at}`;
}
