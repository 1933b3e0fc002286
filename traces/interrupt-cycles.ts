import type { InterruptEvent } from '../engine/base/events.ts';
import type { Ordered } from './types.ts';

type Moment = Ordered<InterruptEvent>;

/** One life of an interrupt: from its line or pending state to its completion. Steps that did not happen,
 * or lie outside the searched range, are absent. */
export interface InterruptCycle {
  readonly intid: number;
  /** CPU that took it; of a banked interrupt, its owner; -1 if nobody took a shared one. */
  readonly target: number;
  readonly raised?: Moment;
  readonly pending?: Moment;
  readonly acknowledge?: Moment;
  readonly active?: Moment;
  readonly complete?: Moment;
  readonly lowered?: Moment;
  /** It stopped being pending without having been taken. */
  readonly withdrawn?: Moment;
}

type OpenCycle = { -readonly [key in keyof InterruptCycle]: InterruptCycle[key] };

/** Puts interrupt events together to cycles. Feed events in order; `finish` gives what is still open. */
export class CycleBuilder {
  /** By interrupt; of a banked one (SGI, PPI: below 32), by CPU too. At most a few are open at a time. */
  readonly #open = new Map<string, OpenCycle[]>();

  /** Returns the cycle that this event ends, if it ends one. */
  add(event: Moment): InterruptCycle | undefined {
    const { intid, target } = event;
    const key = intid < 32 ? `${intid} ${target}` : `${intid}`;
    let open = this.#open.get(key);
    if (open === undefined) {
      open = [];
      this.#open.set(key, open);
    }
    const fresh = (): OpenCycle => {
      const cycle: OpenCycle = { intid, target };
      open.push(cycle);
      return cycle;
    };
    const waiting = open.find((cycle) => cycle.acknowledge === undefined && cycle.withdrawn === undefined);
    const running = open.findLast((cycle) => cycle.acknowledge !== undefined && cycle.complete === undefined);
    let touched: OpenCycle | undefined;
    switch (event.what) {
      case 'line-high':
        if (waiting !== undefined && waiting.raised === undefined) waiting.raised = event;
        else if (waiting === undefined) fresh().raised = event;
        break;
      case 'pending':
        if (waiting === undefined) fresh().pending = event;
        else waiting.pending ??= event;
        break;
      case 'acknowledge':
        touched = waiting ?? fresh();
        touched.acknowledge = event;
        touched.target = target;
        break;
      case 'active':
        if (running !== undefined) running.active ??= event;
        break;
      case 'complete':
        touched = running ?? fresh();
        touched.complete = event;
        break;
      case 'line-low':
        touched = open.findLast((cycle) => cycle.raised !== undefined && cycle.lowered === undefined);
        if (touched !== undefined) touched.lowered = event;
        break;
      case 'not-pending':
        touched = waiting;
        if (waiting?.pending !== undefined) waiting.withdrawn = event;
        break;
    }
    if (touched === undefined || !isOver(touched)) return undefined;
    open.splice(open.indexOf(touched), 1);
    return touched;
  }

  finish(): InterruptCycle[] {
    return [...this.#open.values()].flat();
  }
}

/** A line that is still high keeps the cycle open until a new one begins or the line falls. */
function isOver(cycle: OpenCycle): boolean {
  const lineDone = cycle.raised === undefined || cycle.lowered !== undefined;
  const untouched = cycle.pending === undefined && cycle.acknowledge === undefined;
  return lineDone && (cycle.complete !== undefined || cycle.withdrawn !== undefined || untouched);
}
