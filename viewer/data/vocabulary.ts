import type { RegisterMap } from '../../engine/base/register-map.ts';
import { interruptName } from '../../recorder/session/interrupt-words.ts';
import type { RegisterMaps, TraceReader } from '../../traces/index.ts';
import type { Vocabulary } from './filter/complete.ts';
import type { GuestSymbols } from './guest-symbols.ts';
import type { TraceFacts } from './protocol.ts';

export interface VocabularyContext {
  readonly reader: TraceReader;
  readonly facts: TraceFacts;
  readonly maps: RegisterMaps;
  readonly symbols: GuestSymbols;
}

/** The words that filters on this trace can have, for completion. */
export function vocabularyOf({ reader, facts, maps, symbols }: VocabularyContext): Vocabulary {
  const registers: { name: string; device: string }[] = [];
  const fields = new Map<string, string>();
  const seen = new Set<RegisterMap>();
  for (const device of facts.devices) {
    const map = maps(device);
    if (map === undefined || seen.has(map)) continue;
    seen.add(map);
    for (const register of map.registers) {
      registers.push({ name: register.count === undefined ? register.name : `${register.name}*`, device });
      for (const field of register.fields ?? []) fields.set(field.name, register.name);
    }
  }
  const intids = new Set<number>();
  for (const chunk of reader.chunks)
    for (const intid of chunk.summary?.intids.keys() ?? []) intids.add(intid);
  return {
    devices: facts.devices,
    registers: registers.filter(({ name }, i) => registers.findIndex((other) => other.name === name) === i),
    fields: [...fields].map(([name, register]) => ({ name, register })),
    interrupts: [...intids]
      .sort((a, b) => a - b)
      .map((intid) => ({ intid, name: interruptName(intid, new Map(facts.virtio)) })),
    cpus: facts.cpus,
    symbols: (prefix, limit) => symbols.startingWith(prefix, limit),
  };
}
