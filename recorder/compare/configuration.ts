/** How two recorded machines differ before their first instruction. */

import type { PlainData, SyncTraceReader, TraceHeader } from '../../traces/index.ts';
import { BASE_SECONDS_INPUT, bytesToSeconds } from '../session/record.ts';

export interface ConfigurationDifference {
  /** `machine.smp.cpus`, `image kernel`, `input time of day`. */
  readonly what: string;
  readonly a: string;
  readonly b: string;
  /** Inputs of chance differ in every recording that nobody asked to be repeatable. */
  readonly isChance: boolean;
}

const NONE = 'none';

function flatten(value: PlainData | undefined, path: string, into: Map<string, string>): void {
  if (value === undefined) return;
  if (value !== null && typeof value === 'object' && !(value instanceof Uint8Array)) {
    const entries = Object.entries(value as { [key: string]: PlainData });
    if (entries.length === 0) into.set(path, '');
    for (const [key, each] of entries) flatten(each, path === '' ? key : `${path}.${key}`, into);
    return;
  }
  into.set(path, typeof value === 'string' ? JSON.stringify(value) : String(value));
}

function settings({ config, board, shift, images }: TraceHeader): Map<string, string> {
  const all = new Map<string, string>([
    ['board', board],
    ['instruction time', `2^${shift} ns`],
  ]);
  flatten(config, '', all);
  for (const { role, name, size, sha256 } of images) {
    all.set(`image ${role}`, `${name}, ${size} bytes, SHA-256 ${sha256.slice(0, 16)}`);
  }
  return all;
}

/** Answers to questions of the machine's that anybody may answer otherwise. */
function chance(reader: SyncTraceReader): Map<string, string> {
  const all = new Map<string, string>();
  let count = 0;
  for (const { device, what, mode, data } of reader.inputs()) {
    if (mode !== 'pull' || ++count > 1000) continue;
    if (what === BASE_SECONDS_INPUT.what) {
      all.set('input time of day at the start', `${bytesToSeconds(data) ?? 'damaged'} s since 1970`);
      continue;
    }
    const key = `input ${what} of ${device}`;
    let text = all.get(key) ?? '';
    if (text.length < 64)
      text += [...data.subarray(0, 16)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
    all.set(key, text);
  }
  return all;
}

export function compareConfigurations(a: SyncTraceReader, b: SyncTraceReader): ConfigurationDifference[] {
  const differences: ConfigurationDifference[] = [];
  const compare = (left: Map<string, string>, right: Map<string, string>, isChance: boolean): void => {
    for (const what of new Set([...left.keys(), ...right.keys()])) {
      const [first, second] = [left.get(what) ?? NONE, right.get(what) ?? NONE];
      if (first !== second) differences.push({ what, a: first, b: second, isChance });
    }
  };
  compare(settings(a.header), settings(b.header), false);
  compare(chance(a), chance(b), true);
  return differences;
}
