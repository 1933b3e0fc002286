import { beforeAll, describe, expect, test } from 'vitest';
import { type Capstone, loadCapstone } from './capstone.ts';
import { CLASSES, compare, emptyComparison, RandomWords, wordsOf } from './disasm-compare.ts';

const WORDS_PER_CLASS = 400;
const ANY_WORDS = 100_000;
/** Far from zero, so that PC-relative operands go both ways without wrapping. */
const ADDRESS = 0xffff_8000_0801_0000n;

describe('the disassembler, compared with capstone', () => {
  let capstone: Capstone;
  beforeAll(async () => {
    capstone = await loadCapstone();
  });

  test('writes words of every encoding class as capstone does', () => {
    const random = new RandomWords(0xa64);
    const result = emptyComparison();
    for (const encoding of CLASSES) {
      compare(capstone, wordsOf(encoding, WORDS_PER_CLASS, random), ADDRESS, result);
    }
    expect(result.different.slice(0, 20)).toEqual([]);
    expect(result.same).toBeGreaterThan(CLASSES.length * WORDS_PER_CLASS * 0.7);
  });

  test('tells instructions from data as capstone does, anywhere', () => {
    const random = new RandomWords(0xda7a);
    const result = emptyComparison();
    const words = Uint32Array.from({ length: ANY_WORDS }, () => random.next());
    compare(capstone, words, ADDRESS, result);
    // One bit away from an instruction
    const near = CLASSES.map((e) => {
      const word = (random.next() & ~e.mask) | e.value;
      return Array.from({ length: 32 }, (_, bit) => (word ^ (1 << bit)) >>> 0);
    });
    compare(capstone, Uint32Array.from(near.flat()), ADDRESS, result);
    expect(result.different.slice(0, 20)).toEqual([]);
    expect(result.data).toBeGreaterThan(ANY_WORDS / 10);
  });

  test('writes every hint, barrier, PSTATE field, system operation and system register as capstone does', () => {
    const result = emptyComparison();
    // op0, op1, CRn, CRm and op2 are bits 20:5, L is bit 21; Rt is 31, or 3
    const all = new Uint32Array(2 << 18);
    for (let i = 0; i < 1 << 17; i++) {
      all[i * 2] = (0xd500001f | (i << 5)) >>> 0;
      all[i * 2 + 1] = (0xd5000003 | (i << 5)) >>> 0;
    }
    compare(capstone, all.subarray(0, 1 << 18), ADDRESS, result);
    expect(result.different.slice(0, 20)).toEqual([]);
  });
});
