/** Finds what the trace has recorded: the next and the last event of some conditions, without running anything. */
import type { Position } from '../../engine/base/units.ts';
import { keeps, type RegisterMaps, type SyncTraceReader, type TraceEvent } from '../../traces/index.ts';
import { type Condition, type EventMatcher, isEventCondition, matcherOf } from './conditions.ts';
import type { Operation } from './operation.ts';
import type { Hit } from './probe.ts';

export interface Found {
  readonly position: Position;
  readonly hits: readonly Hit[];
}

export class EventFinder {
  readonly #reader: SyncTraceReader;
  readonly #maps: RegisterMaps;
  /** Positions where a console text ends, by condition; they need all output from the start. */
  readonly #texts = new WeakMap<Condition, readonly { position: Position; event: TraceEvent }[]>();

  constructor(reader: SyncTraceReader, maps: RegisterMaps) {
    this.#reader = reader;
    this.#maps = maps;
  }

  /** Whether the trace holds all events of a condition. */
  knows(condition: Condition): boolean {
    if (!isEventCondition(condition)) return false;
    return matcherOf(condition, this.#maps).kinds.every((kind) => keeps(this.#reader.header.level, kind));
  }

  /** The nearest place after a position. */
  *next(conditions: readonly Condition[], after: Position): Operation<Found | undefined | 'interrupted'> {
    return yield* this.#nearest(conditions, after, 'forward');
  }

  /** The nearest place before a position. */
  *last(conditions: readonly Condition[], before: Position): Operation<Found | undefined | 'interrupted'> {
    return yield* this.#nearest(conditions, before, 'backward');
  }

  *#nearest(
    conditions: readonly Condition[],
    from: Position,
    direction: 'forward' | 'backward',
  ): Operation<Found | undefined | 'interrupted'> {
    let best: Found | undefined;
    for (const condition of conditions) {
      if (!isEventCondition(condition)) continue;
      const found =
        condition.kind === 'console'
          ? yield* this.#text(condition, from, direction)
          : yield* this.#event(matcherOf(condition, this.#maps), from, direction);
      if (found === 'interrupted') return found;
      if (found === undefined) continue;
      if (best?.position === found.position) best = { ...best, hits: [...best.hits, ...found.hits] };
      else if (best === undefined || found.position < best.position === (direction === 'forward'))
        best = found;
    }
    return best;
  }

  *#event(
    matcher: EventMatcher,
    from: Position,
    direction: 'forward' | 'backward',
  ): Operation<Found | undefined | 'interrupted'> {
    const bound = direction === 'forward' ? { from: from + 1 } : { to: from };
    for (const batch of this.#reader.batches({ ...matcher.filter, ...bound, direction })) {
      const event = batch.find((each) => matcher.matches(each));
      if (event !== undefined)
        return { position: event.position, hits: [{ condition: matcher.condition, event }] };
      if ((yield { what: 'searching the trace', position: batch[0]!.position }) === true)
        return 'interrupted';
    }
    return undefined;
  }

  *#text(
    condition: Extract<Condition, { kind: 'console' }>,
    from: Position,
    direction: 'forward' | 'backward',
  ): Operation<Found | undefined | 'interrupted'> {
    let places = this.#texts.get(condition);
    if (places === undefined) {
      const matcher = matcherOf(condition, this.#maps);
      const found: { position: Position; event: TraceEvent }[] = [];
      for (const batch of this.#reader.batches(matcher.filter)) {
        // The instruction that printed the last byte is to be done.
        for (const event of batch)
          if (matcher.matches(event)) found.push({ position: event.position + 1, event });
        if ((yield { what: 'searching the console', position: batch[0]!.position }) === true)
          return 'interrupted';
      }
      places = found;
      this.#texts.set(condition, places);
    }
    const place =
      direction === 'forward'
        ? places.find(({ position }) => position > from)
        : places.findLast(({ position }) => position < from);
    return place === undefined
      ? undefined
      : { position: place.position, hits: [{ condition, event: place.event }] };
  }
}
