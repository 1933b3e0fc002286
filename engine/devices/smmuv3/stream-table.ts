/*
 * Finding a stream's configuration: Stream table (linear or two-level), Stream table entry and Context descriptor,
 * with what the SMMU remembers of them, Arm IHI 0070 sections 3.3 and 3.21.3.
 *
 * As QEMU, a stream's configuration is remembered as a whole, once it was found to be good. In strict mode each
 * structure is remembered for itself, bad ones too, and only the command that names it drops it.
 */
import type { DmaPort, StateValue } from '../../base/device.ts';
import type { SmmuEvent } from './events.ts';
import { type SmmuFeatures, streamIdBits } from './features.ts';
import {
  addressOf,
  alignDown,
  decodeCd,
  decodeL1Descriptor,
  decodeSte,
  field,
  STRUCTURE_SIZE,
  type Stage1,
  type StreamEntry,
  type Words,
} from './structures.ts';
import type { WalkFault } from './walk.ts';

/** What a stream's transactions are to go through. */
export type StreamConfig =
  | { readonly kind: 'abort' }
  | { readonly kind: 'bypass' }
  | {
      readonly kind: 'translate';
      readonly vmid: number;
      readonly stage1: Stage1 | undefined;
      readonly stage2: (StreamEntry & { kind: 'translate' })['stage2'];
    };

export interface ConfigFault {
  readonly kind: 'fault';
  /** The event without what only the transaction knows. */
  readonly event: SmmuEvent;
  readonly why: string;
  /** Stage 2 did not translate the address of the Context descriptor. */
  readonly walk?: WalkFault;
  /** The event goes into the event queue. */
  readonly record: boolean;
}

/** SMMU_STRTAB_BASE and SMMU_STRTAB_BASE_CFG. */
export interface TableRegisters {
  readonly baseLo: number;
  readonly baseHi: number;
  readonly config: number;
  /** QEMU: two-level since SMMU_STRTAB_BASE_CFG.FMT was 1, whatever it is now; SPLIT as it was then. */
  readonly twoLevel: boolean;
  readonly split: number;
}

/** Translates the address of a Context descriptor in a nested configuration. */
export type ContextAddress = (entry: StreamEntry & { kind: 'translate' }, ipa: number) => number | WalkFault;

interface L1Descriptor {
  readonly lo: number;
  readonly hi: number;
}

export class StreamTable {
  readonly #features: SmmuFeatures;
  readonly #dma: DmaPort;
  readonly #strict: boolean;
  readonly #l1 = new Map<number, L1Descriptor>();
  readonly #entries = new Map<number, Words>();
  readonly #contexts = new Map<number, Words>();
  /** Made from the two above; not state. */
  readonly #decoded = new Map<number, StreamConfig>();
  readonly #buffer = new Uint8Array(STRUCTURE_SIZE);
  readonly #view = new DataView(this.#buffer.buffer);

  constructor(features: SmmuFeatures, dma: DmaPort, strict: boolean) {
    this.#features = features;
    this.#dma = dma;
    this.#strict = strict;
  }

  /** Whether `find` would answer without looking at memory. */
  knows(streamId: number): boolean {
    return this.#decoded.has(streamId);
  }

  find(streamId: number, registers: TableRegisters, translate: ContextAddress): StreamConfig | ConfigFault {
    const known = this.#decoded.get(streamId);
    if (known !== undefined) return known;
    const words = this.#entries.get(streamId) ?? this.#fetchEntry(streamId, registers);
    if ('kind' in words) return words;
    if (this.#strict) this.#entries.set(streamId, words);
    const entry = decodeSte(words, this.#features);
    if (entry.kind === 'bad') return fault({ event: 'C_BAD_STE', streamId }, entry.why);
    let config: StreamConfig;
    if (entry.kind !== 'translate') config = entry;
    else {
      const { vmid, stage2, contextPointer } = entry;
      let stage1: Stage1 | undefined;
      if (contextPointer !== undefined) {
        const cd = this.#contexts.get(streamId) ?? this.#fetchContext(streamId, entry, translate);
        if ('kind' in cd) return cd;
        if (this.#strict) this.#contexts.set(streamId, cd);
        const decoded = decodeCd(cd, this.#features);
        if ('kind' in decoded) return fault({ event: 'C_BAD_CD', streamId }, decoded.why);
        this.#contexts.set(streamId, cd);
        stage1 = decoded;
      }
      config = { kind: 'translate', vmid, stage1, stage2 };
    }
    this.#entries.set(streamId, words);
    this.#decoded.set(streamId, config);
    return config;
  }

  #fetchEntry(streamId: number, registers: TableRegisters): Words | ConfigFault {
    const { config, twoLevel, split } = registers;
    const log2size = field(config, 5, 0);
    const refuse = (why: string) => fault({ event: 'C_BAD_STREAMID', streamId }, why);
    if (streamId >= 2 ** Math.min(log2size, streamIdBits(this.#features))) {
      return refuse('the StreamID is beyond the Stream table');
    }
    const base = addressOf(registers.baseLo, registers.baseHi, 6);
    if (!twoLevel) {
      const size = 2 ** (log2size + 6);
      return this.#fetchSte(streamId, alignDown(base, size) + streamId * STRUCTURE_SIZE);
    }
    // Section 6.3.24: the first level has 2^(LOG2SIZE − SPLIT) descriptors of 8 bytes, and at least 64 bytes.
    const size = 2 ** Math.max(6, log2size - split + 3);
    const index = Math.floor(streamId / 2 ** split);
    const at = alignDown(base, size) + 8 * index;
    const descriptor = this.#l1.get(index) ?? this.#fetchL1(at);
    if (descriptor === undefined) {
      return fault({ event: 'F_STE_FETCH', streamId, address2: at }, 'the level-1 descriptor cannot be read');
    }
    if (this.#strict) this.#l1.set(index, descriptor);
    const { span, l2Pointer } = decodeL1Descriptor(descriptor.lo, descriptor.hi);
    if (span === 0) return refuse('the span of the level-1 descriptor is 0');
    const l2Index = streamId % 2 ** split;
    // QEMU: section 5.1 has 2^(span − 1) entries and C_BAD_STREAMID (devices.md 17.2).
    if (l2Index >= 2 ** span) {
      return fault(
        { event: 'C_BAD_STE', streamId },
        'the StreamID is beyond the span of the level-1 descriptor',
      );
    }
    return this.#fetchSte(streamId, l2Pointer + l2Index * STRUCTURE_SIZE);
  }

  #fetchL1(address: number): L1Descriptor | undefined {
    if (!this.#dma.read(address, this.#buffer.subarray(0, 8))) return undefined;
    return { lo: this.#view.getUint32(0, true), hi: this.#view.getUint32(4, true) };
  }

  #fetchSte(streamId: number, address: number): Words | ConfigFault {
    const words = this.#fetchWords(address);
    if (words !== undefined) return words;
    return fault({ event: 'F_STE_FETCH', streamId, address2: address }, 'the STE cannot be read');
  }

  #fetchContext(
    streamId: number,
    entry: StreamEntry & { kind: 'translate' },
    translate: ContextAddress,
  ): Words | ConfigFault {
    const pointer = entry.contextPointer!;
    const address = translate(entry, pointer);
    if (typeof address !== 'number') {
      const why = 'stage 2 does not translate the address of the CD';
      const record = address.reason === 'abort' || entry.stage2!.record;
      return { ...fault({ event: 'F_CD_FETCH', streamId, address2: pointer }, why), walk: address, record };
    }
    const words = this.#fetchWords(address);
    if (words !== undefined) return words;
    return fault({ event: 'F_CD_FETCH', streamId, address2: address }, 'the CD cannot be read');
  }

  #fetchWords(address: number): Words | undefined {
    if (!this.#dma.read(address, this.#buffer)) return undefined;
    return Array.from({ length: STRUCTURE_SIZE / 4 }, (_, n) => this.#view.getUint32(4 * n, true));
  }

  /* ------------------------------------------------------------ invalidation */

  clear(): void {
    for (const map of [this.#l1, this.#entries, this.#contexts, this.#decoded]) map.clear();
  }

  /**
   * CFGI_STE and CFGI_STE_RANGE, section 4.3: entries of streams first … last, with their Context descriptors;
   * unless `leaf`, also the level-1 descriptors on the way.
   */
  dropEntries(first: number, last: number, leaf: boolean, split: number): void {
    for (const map of [this.#entries, this.#contexts, this.#decoded]) {
      for (const streamId of map.keys()) if (streamId >= first && streamId <= last) map.delete(streamId);
    }
    if (leaf) return;
    for (const index of this.#l1.keys()) {
      if (index >= Math.floor(first / 2 ** split) && index <= Math.floor(last / 2 ** split)) {
        this.#l1.delete(index);
      }
    }
  }

  /** CFGI_CD and CFGI_CD_ALL. As QEMU, the entry goes too; in strict mode it stays. */
  dropContext(streamId: number): void {
    this.#contexts.delete(streamId);
    this.#decoded.delete(streamId);
    if (!this.#strict) this.#entries.delete(streamId);
  }

  /* ------------------------------------------------------------------- state */

  save(): StateValue {
    const sorted = <T>(map: ReadonlyMap<number, T>) => [...map].sort(([a], [b]) => a - b);
    const words = (map: ReadonlyMap<number, Words>) => sorted(map).map(([id, w]) => [id, ...w]);
    return {
      l1: sorted(this.#l1).map(([index, { lo, hi }]) => [index, lo, hi]),
      entries: words(this.#entries),
      contexts: words(this.#contexts),
      decoded: sorted(this.#decoded).map(([id]) => id),
    };
  }

  load(state: StateValue): void {
    this.clear();
    type Saved = { l1: number[][]; entries: number[][]; contexts: number[][]; decoded: number[] };
    const saved = state as unknown as Saved;
    for (const [index, lo, hi] of saved.l1) this.#l1.set(index!, { lo: lo!, hi: hi! });
    for (const [id, ...words] of saved.entries) this.#entries.set(id!, words);
    for (const [id, ...words] of saved.contexts) this.#contexts.set(id!, words);
    for (const id of saved.decoded) {
      const entry = decodeSte(this.#entries.get(id)!, this.#features);
      if (entry.kind === 'bad') continue;
      if (entry.kind !== 'translate') {
        this.#decoded.set(id, entry);
        continue;
      }
      const cd = entry.contextPointer === undefined ? undefined : this.#contexts.get(id);
      const stage1 = cd === undefined ? undefined : decodeCd(cd, this.#features);
      if (stage1 !== undefined && 'kind' in stage1) continue;
      this.#decoded.set(id, { kind: 'translate', vmid: entry.vmid, stage1, stage2: entry.stage2 });
    }
  }
}

function fault(event: SmmuEvent, why: string): ConfigFault {
  return { kind: 'fault', event, why, record: true };
}
