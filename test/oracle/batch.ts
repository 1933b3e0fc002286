import {
  BACKING_PAGES,
  CASE,
  CASES_PA,
  CODE_BYTES,
  CODE_PA,
  CODE_VA,
  DUMP_BYTES,
  DUMPS_PA,
  FLAG_MEMORY,
  HARNESS_OFFSET,
  HEADER_PA,
  MAX_CASES,
  RECORD_BYTES,
  RECORD_WORDS,
  RESULT,
  RESULTS_PA,
  TABLES_PA,
  TEMPLATE_PA,
  WINDOW_PA,
} from './layout.ts';
import { MAIR, type PageKind, type PageTables } from './page-tables.ts';

/** One sequence of instructions with the state it starts from. */
export interface Case {
  /** Instruction words; an SVC that ends the case is added. */
  readonly words: number[];
  /** Index into the encodings table of each, -1 for an unallocated word. */
  readonly classes: number[];
  /** The case record (layout.ts); its PC is filled in when the case is placed. */
  readonly record: Uint32Array;
  /** X registers that hold an address relative to the case's first instruction. */
  readonly codeAddresses: readonly CodeAddress[];
}

export interface CodeAddress {
  readonly register: number;
  readonly offset: number;
}

/** What all cases of a batch share. */
export interface Surroundings {
  readonly tables: PageTables;
  readonly tcr: bigint;
  readonly sctlr: bigint;
  readonly cpacr: bigint;
  /** Bits of SPSR_EL1 that are compared. */
  readonly spsrCompared: number;
  /** First contents of the compared bytes of the window. */
  readonly template: Uint8Array;
}

export interface Batch {
  readonly surroundings: Surroundings;
  readonly cases: readonly Case[];
  /** Cases that are not run, but whose code follows: loads may look at it. */
  readonly following?: readonly Case[];
}

/** Memory to write before the start: physical address and bytes. */
export type MemoryImage = readonly (readonly [number, Uint8Array])[];

export const isMemoryCase = (c: Case): boolean => (c.record[CASE.flags]! & FLAG_MEMORY) !== 0;

const BEYOND_BYTES = 65536;

/** SVC #0: the end of every case. */
export const END_WORD = 0xd400_0001;

/** Bytes of code area that a case takes. */
export const codeBytes = (c: Case): number => (c.words.length + 1) * 4;

/**
 * Places the cases one after another and builds the memory of the guest. Throws if they do not fit.
 */
export function buildImage(batch: Batch): MemoryImage {
  let image = images.get(batch);
  if (image === undefined) images.set(batch, (image = makeImage(batch)));
  return image;
}

/** Every executor asks for the same one. */
const images = new WeakMap<Batch, MemoryImage>();

function makeImage(batch: Batch): MemoryImage {
  const { cases, surroundings } = batch;
  const placed = [...cases, ...(batch.following ?? [])];
  if (cases.length > MAX_CASES) throw new Error(`${cases.length} cases are more than ${MAX_CASES}`);
  const records = new Uint32Array(cases.length * RECORD_WORDS);
  // Loads may look a little beyond, and must find zeros there.
  const code = new Uint32Array(placed.reduce((sum, c) => sum + codeBytes(c) / 4, 0) + BEYOND_BYTES / 4);
  if (code.byteLength > CODE_BYTES) throw new Error('the code of a batch does not fit');
  let at = 0;
  placed.forEach((c, i) => {
    const pc = CODE_VA + at * 4;
    code.set(c.words, at);
    at += c.words.length;
    code[at++] = END_WORD;
    if (i >= cases.length) return;
    const base = i * RECORD_WORDS;
    records.set(c.record, base);
    records[base + CASE.pc] = pc >>> 0;
    records[base + CASE.pc + 1] = Math.floor(pc / 2 ** 32);
    for (const { register, offset } of c.codeAddresses) {
      const value = pc + offset;
      records[base + CASE.x + 2 * register] = value >>> 0;
      records[base + CASE.x + 2 * register + 1] = Math.floor(value / 2 ** 32);
    }
  });
  const virtual = (pa: number): bigint => BigInt(pa) + HARNESS_OFFSET;
  const header = BigUint64Array.from([
    BigInt(cases.length),
    surroundings.tables.ttbr0Boot,
    surroundings.tables.ttbr0,
    surroundings.tables.ttbr1,
    surroundings.tcr,
    MAIR,
    surroundings.sctlr,
    surroundings.cpacr,
    HARNESS_OFFSET,
    virtual(CASES_PA),
    virtual(RESULTS_PA),
    virtual(DUMPS_PA),
    virtual(WINDOW_PA),
    virtual(TEMPLATE_PA),
  ]);
  return [
    [HEADER_PA, new Uint8Array(header.buffer)],
    [TABLES_PA, surroundings.tables.bytes],
    [WINDOW_PA, new Uint8Array(BACKING_PAGES * 4096)],
    [TEMPLATE_PA, surroundings.template],
    [CODE_PA, new Uint8Array(code.buffer)],
    [CASES_PA, new Uint8Array(records.buffer)],
  ];
}

/** What an executor leaves. */
export interface Outcome {
  /** Result records, RECORD_BYTES each. */
  readonly results: Uint8Array;
  /** Window bytes after each memory case, DUMP_BYTES each. */
  readonly dumps: Uint8Array;
  /** All of the window's backing pages after the last case. */
  readonly window: Uint8Array;
}

export function outcomeSizes(batch: Batch): { results: number; dumps: number; window: number } {
  return {
    results: batch.cases.length * RECORD_BYTES,
    dumps: batch.cases.filter(isMemoryCase).length * DUMP_BYTES,
    window: BACKING_PAGES * 4096,
  };
}

/** How many cases have run: every one ends with a synchronous exception, so that ESR is not zero. */
export function casesRun(outcome: Outcome): number {
  const words = new Uint32Array(
    outcome.results.buffer,
    outcome.results.byteOffset,
    outcome.results.length >>> 2,
  );
  const count = words.length / RECORD_WORDS;
  for (let i = 0; i < count; i++) if (words[i * RECORD_WORDS + RESULT.esr] === 0) return i;
  return count;
}

export type { PageKind };
