/** Long operations: generators that come up for air every few milliseconds, and end early when they are told to. */
import type { Position } from '../../engine/base/units.ts';

export interface Progress {
  readonly what: string;
  readonly position: Position;
  /** From 0 to 1; undefined: nobody knows. */
  readonly done?: number;
}

/**
 * `yield` gives a progress report; it is answered with true to end the operation soon, which then leaves the
 * timeline at a position where it can stay. An operation must be run to its end: a timeline does one at a time.
 */
export type Operation<T> = Generator<Progress, T, boolean | undefined>;

/** Runs an operation at once. @param stop asked after every few milliseconds; true ends it early */
export function complete<T>(operation: Operation<T>, stop: (progress: Progress) => boolean = () => false): T {
  let step = operation.next();
  while (step.done !== true) step = operation.next(stop(step.value));
  return step.value;
}

/** Runs an operation with pauses, in which `pause` lets the host do what it has to do. */
export async function completeAsync<T>(
  operation: Operation<T>,
  pause: (progress: Progress) => Promise<boolean>,
): Promise<T> {
  let step = operation.next();
  while (step.done !== true) step = operation.next(await pause(step.value));
  return step.value;
}
