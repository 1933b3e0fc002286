/** Why the machine under a debugger stopped. */
import type { Divergence } from './compare.ts';
import { describeCondition } from './conditions.ts';
import type { Hit } from './probe.ts';

/** Why an operation ended. The timeline is at the position in any case. */
export type TimelineStop =
  | { readonly reason: 'there' }
  | { readonly reason: 'breakpoint'; readonly hits: readonly Hit[] }
  /** The first or the last position. */
  | { readonly reason: 'begin' | 'end'; readonly why: string }
  /** Before this the recording goes on, without what the debugger changed. */
  | { readonly reason: 'branch-begin' }
  | { readonly reason: 'interrupted' }
  | { readonly reason: 'diverged'; readonly divergence: Divergence };

/** Why a timeline stopped, in words. */
export function describeStop(stop: TimelineStop): string {
  switch (stop.reason) {
    case 'there':
      return 'there';
    case 'breakpoint':
      return stop.hits.map(({ condition, text }) => text ?? describeCondition(condition)).join('; ');
    case 'begin':
    case 'end':
      return stop.why;
    case 'branch-begin':
      return 'the side branch begins here';
    case 'interrupted':
      return 'interrupted';
    case 'diverged':
      return `the replay diverged: expected ${stop.divergence.expected}, got ${stop.divergence.actual}`;
  }
}
