import type { Batch, Case } from './batch.ts';
import { CASE, MAX_CASES, RECORD_WORDS } from './layout.ts';

/** Runs cases and tells which differ; undefined if one executor did not finish. */
export type Judge = (batch: Batch) => Promise<readonly number[]>;

const copyCase = (c: Case, change: (record: Uint32Array) => void): Case => {
  const record = new Uint32Array(RECORD_WORDS);
  record.set(c.record);
  change(record);
  return { ...c, record };
};

const NOP = 0xd503_201f;
const ERET = 0xd69f_03e0;

/** The register that the loop at the end of a case counts down (generate.ts); undefined without one. */
function loopCounter(c: Case): number | undefined {
  const last = c.words[c.words.length - 1]!;
  const isBackward = (last & 0xff80_0000) >>> 0 === 0xb580_0000;
  return isBackward ? last & 31 : undefined;
}

/** B, BL, B.cond, CBZ, TBZ, BR and their like. */
const isBranch = (word: number): boolean =>
  (word & 0x7c00_0000) === 0x1400_0000 ||
  (word & 0x7c00_0000) === 0x3400_0000 ||
  (word & 0xfe00_0000) >>> 0 === 0x5400_0000 ||
  (word & 0xfe00_0000) >>> 0 === 0xd600_0000;

function without(c: Case, i: number): Case {
  const drop = <T>(list: readonly T[]): T[] => [...list.slice(0, i), ...list.slice(i + 1)];
  const codeAddresses = c.codeAddresses.map((a) => (a.offset > i * 4 ? { ...a, offset: a.offset - 4 } : a));
  return { ...c, words: drop(c.words), classes: drop(c.classes), codeAddresses };
}

/**
 * Cases with one instruction less; branches keep their targets where a NOP takes its place. What counts a loop
 * down, and what sets ELR_EL1 for ERET, stays, or they would go round for ever.
 */
function shorter(c: Case): Case[] {
  const made: Case[] = [];
  const loop = loopCounter(c) !== undefined;
  const end = loop ? c.words.length - 2 : c.words.length;
  if (loop) made.push({ ...c, words: c.words.map((w, k) => (k >= end ? NOP : w)) });
  const fixed = c.words.slice(0, end).some(isBranch);
  for (let i = c.words[2] === ERET ? 2 : 0; i < end; i++) {
    if (!loop && c.words.length > 1) made.push(without(c, i));
    if (loop && !fixed && end > 1) {
      const less = without(c, i);
      const tail = less.words.length - 1;
      const back = (((less.words[tail]! >> 5) & 0x7ffff) | ~0x7ffff) + 1;
      less.words[tail] = ((less.words[tail]! & ~(0x7ffff << 5)) | ((back & 0x7ffff) << 5)) >>> 0;
      if (back < -1) made.push(less);
    }
    if (c.words[i] !== NOP) made.push({ ...c, words: c.words.map((w, k) => (k === i ? NOP : w)) });
  }
  return made;
}

/** Cases with a simpler first state. */
function simpler(c: Case): Case[] {
  const made: Case[] = [];
  const clear = (at: number, count: number, to = 0): void => {
    let already = true;
    for (let i = 0; i < count; i++) if (c.record[at + i] !== to) already = false;
    if (!already) made.push(copyCase(c, (r) => r.fill(to, at, at + count)));
  };
  clear(CASE.v, 128);
  const counter = loopCounter(c);
  if (counter === undefined) clear(CASE.x, 62);
  clear(CASE.fpcr, 1);
  clear(CASE.fpsr, 1);
  for (let n = 0; n < 31; n++) if (n !== counter) clear(CASE.x + 2 * n, 2);
  for (let n = 0; n < 32; n++) {
    clear(CASE.v + 4 * n, 4);
    clear(CASE.v + 4 * n + 2, 2);
  }
  const spsr = c.record[CASE.spsr]!;
  if (spsr & 0xf000_0000) made.push(copyCase(c, (r) => (r[CASE.spsr] = spsr & 0x0fff_ffff)));
  return made;
}

/**
 * The smallest case that still differs. Each round tries all single steps at once, in one batch. Returns
 * undefined if the case does not differ when it runs alone.
 */
export async function shrink(c: Case, batch: Batch, judge: Judge): Promise<Case | undefined> {
  const judged = async (cases: readonly Case[]): Promise<Case | undefined> => {
    if (cases.length === 0) return undefined;
    const differing = await judge({ ...batch, cases: cases.slice(0, MAX_CASES), following: [] });
    return differing.length === 0 ? undefined : cases[differing[0]!];
  };
  let best = await judged([c]);
  if (best === undefined) return undefined;
  for (;;) {
    const next = await judged(shorter(best));
    if (next === undefined) break;
    best = next;
  }
  for (;;) {
    // All single simplifications that keep the difference, taken together if that works, else the first.
    const options = simpler(best);
    if (options.length === 0) break;
    const keeping = await judge({ ...batch, cases: options, following: [] });
    if (keeping.length === 0) break;
    const start: Case = best;
    const together = copyCase(start, (r) => {
      for (const k of keeping) {
        const option = options[k]!.record;
        for (let i = 0; i < RECORD_WORDS; i++) if (option[i] !== start.record[i]) r[i] = option[i]!;
      }
    });
    best = (await judged([together])) ?? options[keeping[0]!]!;
  }
  return best;
}
