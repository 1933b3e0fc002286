import { DISASSEMBLED_ENCODINGS, disassemble } from '../../../engine/cpu/a64/disasm.ts';
import { type CompiledEncoding, compileEncoding } from '../../../engine/cpu/a64/encoding.ts';
import type { Capstone } from './capstone.ts';
import { normalise, onlyHere, onlyInCapstone } from './disasm-normalise.ts';

/** A comparison of the disassembler with capstone, by words drawn from the classes of the encodings table. */

export const CLASSES: readonly CompiledEncoding[] = DISASSEMBLED_ENCODINGS.map(compileEncoding);

/** xorshift32 */
export class RandomWords {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0 || 1;
  }

  next(): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x >>> 0;
    return this.#state;
  }
}

const popcount = (value: number): number => {
  let count = 0;
  for (let rest = value >>> 0; rest !== 0; rest = (rest & (rest - 1)) >>> 0) count++;
  return count;
};

/** Bits of `index` spread over the zeroes of `mask`. */
function deposit(index: number, mask: number): number {
  let word = 0;
  let from = 0;
  for (let bit = 0; bit < 32; bit++) {
    if ((mask >>> bit) & 1) continue;
    if ((index >>> from) & 1) word |= 1 << bit;
    from++;
  }
  return word >>> 0;
}

/**
 * `count` random words of a class, every eighth with few bits set and every eighth with many, so that 0 and 31
 * come up as registers; or, with `all`, the words number `from` and up.
 */
export function wordsOf(
  { mask, value }: CompiledEncoding,
  count: number,
  random: RandomWords,
  from = 0,
  all = false,
): Uint32Array {
  return Uint32Array.from({ length: count }, (_, i) => {
    if (all) return (deposit(from + i, mask) | value) >>> 0;
    let bits = random.next();
    if (i % 8 === 0) bits &= random.next() & random.next();
    if (i % 8 === 1) bits |= random.next() | random.next();
    return ((bits & ~mask) | value) >>> 0;
  });
}

/** Number of words that a class has; not all need be allocated. */
export const sizeOf = (encoding: CompiledEncoding): number => 2 ** (32 - popcount(encoding.mask));

export interface Comparison {
  /** Instructions for both, with the same text. */
  same: number;
  /** Data for both. */
  data: number;
  /** Words that are an instruction for one of the two only, by reason. */
  readonly explained: Map<string, number>;
  /** What nothing explains: word, here, capstone. */
  readonly different: string[];
}

export const emptyComparison = (): Comparison => ({ same: 0, data: 0, explained: new Map(), different: [] });

const isRegisterMove = (word: number): boolean => (word & 0xffd00000) >>> 0 === 0xd5100000;
const isData = (text: string): boolean => text.startsWith('.word ');

/** Compares all `words`, which stand at `address` and up, and adds to `result`. */
export function compare(capstone: Capstone, words: Uint32Array, address: bigint, result: Comparison): void {
  const theirs = capstone.disassemble(words, address);
  // The same system register in the other direction has a name even where this one has none.
  const others = words.some(isRegisterMove)
    ? capstone.disassemble(
        words.map((word) => (isRegisterMove(word) ? word ^ (1 << 21) : word)),
        address,
      )
    : theirs;
  words.forEach((word, i) => {
    const here = disassemble(word, address + BigInt(i * 4)).text;
    const there = theirs[i];
    const hex = word.toString(16).padStart(8, '0');
    if (isData(here)) {
      const reason = there === undefined ? undefined : onlyInCapstone(word, there);
      if (there === undefined) result.data++;
      else if (reason !== undefined) result.explained.set(reason, (result.explained.get(reason) ?? 0) + 1);
      else result.different.push(`${hex}: data here, capstone: ${there}`);
      return;
    }
    if (there === undefined) {
      const reason = onlyHere(word);
      if (reason !== undefined) result.explained.set(reason, (result.explained.get(reason) ?? 0) + 1);
      else result.different.push(`${hex}: ${here}, data for capstone`);
      return;
    }
    if (here === normalise(there, word, others[i])) result.same++;
    else result.different.push(`${hex}: ${here}, capstone: ${there}`);
  });
}
