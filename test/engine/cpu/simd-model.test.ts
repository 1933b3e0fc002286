import { describe, expect, test } from 'vitest';
import { Random, randomCase, randomWord } from './simd/cases.ts';
import { difference, ENCODINGS, run } from './simd/machine.ts';
import { execute, isModelled } from './simd/model.ts';

const CASES = Number(process.env.SIMD_CASES ?? 150);
const SEED = Number(process.env.SIMD_SEED ?? 2);

describe('Advanced SIMD helpers against element-by-element arithmetic', () => {
  const modelled = ENCODINGS.filter((e) => isModelled(e.name));

  test.each(modelled.map((e) => [e.name, e] as const))('%s', (name, e) => {
    const random = new Random(SEED);
    const wrong: string[] = [];
    for (let i = 0; i < CASES; i++) {
      const c = randomCase(random, randomWord(random, e));
      const text = difference(run(c, e.helper), execute(name, c));
      if (text) wrong.push(`${c.word.toString(16)}: ${text}`);
    }
    expect(wrong.slice(0, 5)).toEqual([]);
  });

  test('every pair of bytes gives the right saturated sums and differences', () => {
    const wrong: string[] = [];
    for (const name of [
      'SQADD_vec',
      'UQADD_vec',
      'SQSUB_vec',
      'UQSUB_vec',
      'SUQADD_vec',
      'USQADD_vec',
      'SRSHL_vec',
    ]) {
      const e = ENCODINGS.find((candidate) => candidate.name === name)!;
      // V0 is destination and accumulator, V1 the first source, V2 the second if there is one.
      const second = e.fields.has('Rm') ? 2 << 16 : 0;
      const word = (e.value | (1 << 30) | second | (1 << 5)) >>> 0;
      for (let a = 0n; a < 256n; a++) {
        for (let b = 0n; b < 256n; b += 16n) {
          let [n, m] = [0n, 0n];
          for (let k = 0n; k < 16n; k++) {
            n |= a << (8n * k);
            m |= (b + k) << (8n * k);
          }
          const v: bigint[] = Array(32).fill(0n).with(0, m).with(1, n).with(2, m);
          const c = { word, v, x: [], fpsr: 0 };
          const text = difference(run(c, e.helper), execute(name, c));
          if (text) wrong.push(`${name} ${a} ${b}: ${text}`);
        }
      }
    }
    expect(wrong.slice(0, 5)).toEqual([]);
  });
});
