/*
 * What the SMMU remembers of translations, Arm IHI 0070 section 3.21 and the commands of section 4.4. Nothing in
 * here is dropped but by a command or a reset: a guest that forgets an invalidation sees the old translation.
 *
 * Two manners. As QEMU: 256 entries, forgotten all at once when they are full; an invalidation drops every entry
 * that its address touches. Strict: what real hardware may do as well, so that a missing invalidation shows:
 * room for more, nG = 0 entries serve every ASID, TTL, TG and Leaf are taken at their word, and table
 * descriptors are remembered.
 */
import type { StateValue } from '../../base/device.ts';
import type { CachedTable, TableCache } from './walk.ts';

export interface TlbEntry {
  /** First input address, as a signed number: the upper range of stage 1 is negative. */
  readonly input: number;
  readonly sizeLog2: number;
  /** Output address of the first byte. */
  readonly output: number;
  /** Level of the leaf descriptor. */
  readonly level: number;
  /** Stage 1 allows writes; true where there is no stage 1. */
  readonly writable: boolean;
  /** What stage 2 allows; true where there is none. */
  readonly readable2: boolean;
  readonly writable2: boolean;
  /** Nested: IPA of the first byte. Otherwise equal to `output`. */
  readonly ipa: number;
}

/** ASID of what belongs to stage 2 alone, and of entries that every ASID shares. */
export const NO_ASID = -1;
export const GLOBAL_ASID = -2;

/** Whose translations: the tags of an entry. */
export interface TlbTag {
  readonly vmid: number;
  /** Or NO_ASID, GLOBAL_ASID. */
  readonly asid: number;
  readonly granule: number;
}

/** What an invalidation by address names. */
export interface InvalidRange {
  /** Input addresses as signed numbers, `end` not included. */
  readonly start: number;
  readonly end: number;
  /** Only leaf entries have to go. */
  readonly leaf: boolean;
  /** Granule the guest says it uses, and level of the leaf; 0: not said. */
  readonly granule: number;
  readonly level: number;
}

const CAPACITY = 256;
const STRICT_CAPACITY = 2048;

interface Context extends TlbTag {
  /** By address and size (see `entryKey`). */
  readonly entries: Map<number, TlbEntry>;
  /** By input address and level (see `tableKey`); strict mode only. */
  readonly tables: Map<number, CachedTable & { readonly input: number; readonly shift: number }>;
  /** Sizes that are in use, the largest first. */
  sizes: readonly number[];
}

/** Sizes are 12 … 39 (log2), input addresses multiples of 4 KiB in −2^48 … 2^48: exact as a number. */
const entryKey = (input: number, sizeLog2: number): number => (input / 4096) * 64 + sizeLog2;
const tableKey = (input: number, level: number): number => (input / 4096) * 4 + level;
const contextKey = ({ vmid, asid, granule }: TlbTag): number => (vmid * 0x2_0000 + asid + 2) * 32 + granule;
const floorTo = (address: number, sizeLog2: number): number =>
  Math.floor(address / 2 ** sizeLog2) * 2 ** sizeLog2;

export class Tlb {
  readonly #strict: boolean;
  readonly #contexts = new Map<number, Context>();
  #size = 0;

  constructor(strict: boolean) {
    this.#strict = strict;
  }

  /** Entries kept. */
  get size(): number {
    return this.#size;
  }

  find(tag: TlbTag, input: number): TlbEntry | undefined {
    const found = this.#findIn(tag, input);
    if (found !== undefined || !this.#strict || tag.asid < 0) return found;
    return this.#findIn({ ...tag, asid: GLOBAL_ASID }, input);
  }

  #findIn(tag: TlbTag, input: number): TlbEntry | undefined {
    const context = this.#contexts.get(contextKey(tag));
    if (context === undefined) return undefined;
    for (const size of context.sizes) {
      const entry = context.entries.get(entryKey(floorTo(input, size), size));
      if (entry !== undefined) return entry;
    }
    return undefined;
  }

  add(tag: TlbTag, entry: TlbEntry): void {
    if (this.#size >= (this.#strict ? STRICT_CAPACITY : CAPACITY)) this.clear();
    const context = this.#context(tag);
    const key = entryKey(entry.input, entry.sizeLog2);
    if (!context.entries.has(key)) this.#size++;
    context.entries.set(key, entry);
    if (!context.sizes.includes(entry.sizeLog2)) {
      context.sizes = [...context.sizes, entry.sizeLog2].sort((a, b) => b - a);
    }
  }

  /** Table descriptors of earlier walks, by the size an entry of each level maps; undefined unless strict. */
  tables(tag: TlbTag, shiftOf: (level: number) => number): TableCache | undefined {
    if (!this.#strict) return undefined;
    return {
      find: (input) => {
        const known = this.#contexts.get(contextKey(tag))?.tables;
        for (let level = 3; known !== undefined && level > 0; level--) {
          const table = known.get(tableKey(floorTo(input, shiftOf(level - 1)), level));
          if (table !== undefined) return table;
        }
        return undefined;
      },
      add: (input, table) => {
        const shift = shiftOf(table.level - 1);
        const start = floorTo(input, shift);
        const { tables } = this.#context(tag);
        const key = tableKey(start, table.level);
        if (!tables.has(key)) {
          if (this.#size >= STRICT_CAPACITY) return;
          this.#size++;
        }
        tables.set(key, { ...table, input: start, shift });
      },
    };
  }

  #context(tag: TlbTag): Context {
    const key = contextKey(tag);
    let context = this.#contexts.get(key);
    if (context === undefined) {
      const { vmid, asid, granule } = tag;
      context = { vmid, asid, granule, entries: new Map(), tables: new Map(), sizes: [] };
      this.#contexts.set(key, context);
    }
    return context;
  }

  clear(): void {
    this.#contexts.clear();
    this.#size = 0;
  }

  /** Everything of the contexts that `which` names. Returns how many entries that were. */
  drop(which: (tag: TlbTag) => boolean): number {
    const before = this.#size;
    for (const [key, context] of this.#contexts) {
      if (!which(context)) continue;
      this.#size -= context.entries.size + context.tables.size;
      this.#contexts.delete(key);
    }
    return before - this.#size;
  }

  /** What lies in a range of input addresses. Returns how many entries that were. */
  dropRange(which: (tag: TlbTag) => boolean, range: InvalidRange): number {
    const before = this.#size;
    const { start, end } = range;
    const touches = (input: number, shift: number) => input < end && input + 2 ** shift > start;
    for (const [key, context] of this.#contexts) {
      if (!which(context)) continue;
      if (this.#strict && range.granule !== 0 && range.granule !== context.granule) continue;
      for (const [entryAt, entry] of context.entries) {
        if (!touches(entry.input, entry.sizeLog2)) continue;
        if (this.#strict && range.level !== 0 && range.level !== entry.level) continue;
        context.entries.delete(entryAt);
        this.#size--;
      }
      for (const [tableAt, table] of range.leaf ? [] : context.tables) {
        if (!touches(table.input, table.shift)) continue;
        context.tables.delete(tableAt);
        this.#size--;
      }
      if (context.entries.size + context.tables.size === 0) this.#contexts.delete(key);
    }
    return before - this.#size;
  }

  /** In a fixed order: equal contents give equal data, whatever came first. */
  save(): StateValue {
    const contexts = [...this.#contexts].sort(([a], [b]) => a - b).map(([, context]) => context);
    return contexts
      .filter(({ entries, tables }) => entries.size + tables.size > 0)
      .map(({ vmid, asid, granule, entries, tables }) => ({
        vmid,
        asid,
        granule,
        entries: [...entries].sort(([a], [b]) => a - b).map(([, e]) => ({ ...e })),
        tables: [...tables].sort(([a], [b]) => a - b).map(([, t]) => ({ ...t })),
      }));
  }

  load(state: StateValue): void {
    this.clear();
    type Saved = TlbTag & {
      entries: TlbEntry[];
      tables: (CachedTable & { input: number; shift: number })[];
    };
    for (const saved of state as unknown as Saved[]) {
      const context = this.#context(saved);
      for (const entry of saved.entries) {
        context.entries.set(entryKey(entry.input, entry.sizeLog2), { ...entry });
      }
      for (const table of saved.tables) context.tables.set(tableKey(table.input, table.level), { ...table });
      context.sizes = [...new Set(saved.entries.map((e) => e.sizeLog2))].sort((a, b) => b - a);
      this.#size += context.entries.size + context.tables.size;
    }
  }
}
