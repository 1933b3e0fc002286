import type { EventKind } from '../engine/base/events.ts';
import type { TraceLevel } from './types.ts';

/**
 * The lowest level at which each kind of event is kept. State hashes, checkpoints, images and the end record
 * are kept at every level. Ordinals count all events the writer is told of, kept or not.
 */
export const KEPT_FROM: { readonly [kind in EventKind]: TraceLevel } = {
  input: 'inputs',
  power: 'inputs',
  access: 'devices',
  interrupt: 'devices',
  output: 'devices',
  'guest-error': 'devices',
  note: 'devices',
  exception: 'full',
  dma: 'full',
};

export const LEVELS: readonly TraceLevel[] = ['inputs', 'devices', 'full'];

/** True if a trace of this level holds events of this kind. */
export function keeps(level: TraceLevel, kind: EventKind): boolean {
  return LEVELS.indexOf(KEPT_FROM[kind]) <= LEVELS.indexOf(level);
}
