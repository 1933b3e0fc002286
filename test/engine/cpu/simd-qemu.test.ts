import { describe, expect, test } from 'vitest';
import { Random, randomCase, randomWord } from './simd/cases.ts';
import { decode, difference, ENCODINGS, run } from './simd/machine.ts';
import { hasQemu, runInQemu } from './simd/qemu.ts';

/** More in the environment for a long run: SIMD_CASES per encoding, SIMD_SEED. */
const CASES = Number(process.env.SIMD_CASES ?? 40);
const SEED = Number(process.env.SIMD_SEED ?? 1);
const CORTEX_A57 = ['FEAT_AES', 'FEAT_PMULL', 'FEAT_SHA1', 'FEAT_SHA256', 'FEAT_CRC32'];

describe.skipIf(!hasQemu())('Advanced SIMD helpers against QEMU', () => {
  for (const cpu of ['cortex-a57', 'max']) {
    test(`every encoding that ${cpu} has leaves the same registers`, () => {
      const random = new Random(SEED);
      const cases = ENCODINGS.filter(
        (e) => cpu === 'max' || !e.feature || CORTEX_A57.includes(e.feature),
      ).flatMap((e) =>
        Array.from({ length: CASES }, () => ({ e, c: randomCase(random, randomWord(random, e)) })),
      );
      const wrong: string[] = [];
      for (let at = 0; at < cases.length; at += 40_000) {
        const part = cases.slice(at, at + 40_000);
        const theirs = runInQemu(
          part.map(({ c }) => c),
          cpu,
        );
        part.forEach(({ e, c }, i) => {
          const text = theirs[i]!.undefined ? 'UNDEFINED' : difference(run(c, e.helper), theirs[i]!);
          if (text) wrong.push(`${e.name} ${c.word.toString(16)}: ${text}`);
        });
      }
      expect(wrong.slice(0, 20)).toEqual([]);
    });
  }

  test('features beyond cortex-a57 are UNDEFINED there', () => {
    const random = new Random(SEED);
    const later = ENCODINGS.filter((e) => e.feature && !CORTEX_A57.includes(e.feature));
    const cases = later.flatMap((e) =>
      Array.from({ length: 4 }, () => randomCase(random, randomWord(random, e))),
    );
    const theirs = runInQemu(cases, 'cortex-a57');
    expect(
      cases.filter((_, i) => !theirs[i]!.undefined).map((c) => decode(c.word).map((e) => e.name)),
    ).toEqual([]);
  });

  test('words that match a pattern but no `where` are UNDEFINED', () => {
    const random = new Random(SEED);
    const words: number[] = [];
    for (const e of ENCODINGS) {
      if (!e.where) continue;
      for (let i = 0; i < 200; i++) {
        const word = (e.value | (random.u32() & ~e.mask)) >>> 0;
        if (!e.where(word) && decode(word).length === 0) words.push(word);
      }
    }
    const theirs = runInQemu(
      words.map((word) => randomCase(random, word)),
      'max',
    );
    expect(words.filter((_, i) => !theirs[i]!.undefined).map((word) => word.toString(16))).toEqual([]);
  });
});
