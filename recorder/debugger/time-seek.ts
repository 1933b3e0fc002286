/** Goes to a moment of virtual time. */
import type { Ns, Position } from '../../engine/base/units.ts';
import type { Operation } from '../session/operation.ts';
import type { TimelineStop } from '../session/timeline-stop.ts';
import { DebugError } from './answer.ts';
import type { Debugger } from './debugger.ts';
import { seconds } from './machine-view.ts';

/**
 * To the last position at which it is not later than `time`. Events tell the time at their positions; between two
 * of them time goes with the instructions, unless every CPU slept, which only the machine knows.
 */
export function* seekTime(debug: Debugger, time: Ns): Operation<TimelineStop> {
  const { timeline, reader } = debug;
  const end = reader.end?.time;
  if (end !== undefined && time > end) throw new DebugError(`goto: the recording ends at ${seconds(end)}`);
  let [low, high] = bracket(debug, time);
  const first = yield* timeline.seek(low);
  if (first.reason !== 'there') return first;
  // Time goes at least with the instructions, so it cannot be further on than this.
  high = Math.min(high, low + Math.max(0, Math.floor((time - timeline.time) / 2 ** reader.header.shift)));
  for (let guess = high; low < high; guess = Math.ceil((low + high) / 2)) {
    const stop = yield* timeline.seek(guess);
    if (stop.reason !== 'there' && stop.reason !== 'end') return stop;
    if (timeline.time <= time) low = guess;
    else high = guess - 1;
  }
  return yield* timeline.seek(low);
}

/** Positions around a moment: of the last event before it, and of the first one after it. */
function bracket({ reader, timeline }: Debugger, time: Ns): [Position, Position] {
  let low = 0;
  let high = timeline.length;
  let from = 0;
  let to = timeline.length;
  // The events' positions are halved until one event lies between them.
  for (let i = 0; i < 64 && from < to; i++) {
    const middle = Math.floor((from + to) / 2);
    const event = reader.first({ from: middle, to: to + 1 });
    if (event === undefined) to = middle;
    else if (event.time <= time) {
      low = event.position;
      from = event.position + 1;
    } else {
      high = event.position;
      to = middle;
    }
  }
  return [low, Math.max(low, high)];
}
