/*
 * Strict mode: what a translation would be if nothing were remembered. Where that differs from what was used, the
 * guest has changed a table and not (yet) sent the invalidation that belongs to it.
 */
import type { DmaPort } from '../../base/device.ts';
import type { SmmuFeatures } from './features.ts';
import { StreamTable, type TableRegisters } from './stream-table.ts';
import { Tlb } from './tlb.ts';
import { type SmmuAccess, type Translation, Translator } from './translator.ts';

export interface Stale {
  /** What the SMMU did, and what the tables in memory say: an address with permissions, or an event. */
  readonly used: string;
  readonly memory: string;
}

/** Undefined: what was used is what memory says. `memory` is read without being seen. */
export function findStale(
  used: Translation,
  features: SmmuFeatures,
  memory: DmaPort,
  streamId: number,
  substreamId: number | undefined,
  iova: bigint | number,
  access: SmmuAccess,
  registers: TableRegisters,
): Stale | undefined {
  const streams = new StreamTable(features, memory, false);
  const fresh = new Translator(features, memory, streams, new Tlb(false), false);
  const stale = {
    used: outcome(used),
    memory: outcome(fresh.translate(streamId, substreamId, iova, access, registers)),
  };
  return stale.used === stale.memory ? undefined : stale;
}

function outcome(result: Translation): string {
  if (!result.ok) return result.event?.event ?? 'abort';
  const { physicalAddress, readable, writable } = result;
  return `0x${physicalAddress.toString(16)} ${readable ? 'r' : '-'}${writable ? 'w' : '-'}`;
}
