import { createRequire } from 'node:module';
import { describe, expect, test } from 'vitest';
import { type CompiledEncoding, compileEncoding, type Encoding } from '../../../engine/cpu/a64/encoding.ts';
import { FP_ENCODINGS } from '../../../engine/cpu/a64/encodings-fp.ts';
import { SIMD_LDST_ENCODINGS } from '../../../engine/cpu/a64/encodings-simd.ts';
import { Random, randomCase } from './simd/cases.ts';
import { ENCODINGS, helper } from './simd/machine.ts';
import { hasQemu, runInQemu } from './simd/qemu.ts';

/** What is used of the package, which has no type declarations. */
interface Capstone {
  readonly ARCH_ARM64: number;
  readonly MODE_ARM: number;
  readonly Capstone: new (
    arch: number,
    mode: number,
  ) => { disasm(bytes: number[], address: number): { mnemonic: string }[]; close(): void };
}
const loadCapstone: () => Promise<Capstone> = createRequire(import.meta.url)('@alexaltea/capstone-js');

const compile = (list: readonly Encoding[]) => list.map((e) => compileEncoding(e));
const INTEGER: readonly CompiledEncoding[] = [...ENCODINGS, ...compile(SIMD_LDST_ENCODINGS)];
const FLOATING = compile(FP_ENCODINGS);
const match = (list: readonly CompiledEncoding[], word: number) =>
  list.filter((e) => (word & e.mask) >>> 0 === e.value && (e.where?.(word) ?? true));

/** Bits 31:24 of all classes here. */
const SPACES = [
  0x0e, 0x2e, 0x4e, 0x6e, 0x5e, 0x7e, 0x0f, 0x2f, 0x4f, 0x6f, 0x5f, 0x7f, 0xce, 0x0c, 0x4c, 0x0d, 0x4d, 0x1a,
  0x9a,
];
/** A word of these spaces, half of them with the fixed bits of the rarer classes. */
function wordOf(random: Random, i: number): number {
  let word = (SPACES[i % SPACES.length]! << 24) | (random.u32() & 0xffffff);
  if (random.below(2)) {
    const bits = [0x20, 0x21, 0x30, 0x31, 0x00, 0x38, 0x28, 0x29, 0xc0][random.below(9)]!;
    word = (word & ~(0xff << 16)) | ((bits | (random.below(4) << 6)) << 16);
  }
  // 0x1a and 0x9a are data processing with two sources: only CRC32 is of interest.
  if (((word >>> 24) & 0x7f) === 0x1a)
    word = (word & ~(0xff << 16) & ~(7 << 13)) | (6 << 21) | (2 << 13) | (random.below(32) << 16);
  return word >>> 0;
}

describe('encodings of Advanced SIMD', () => {
  test('names are unique and every helper is exported', () => {
    const names = INTEGER.map((e) => e.name);
    expect(names.filter((name, i) => names.indexOf(name) !== i)).toEqual([]);
    for (const e of ENCODINGS) expect(helper(e.helper).length).toBe(2);
  });

  test('no word belongs to two encodings', () => {
    const random = new Random(1);
    const twice: string[] = [];
    for (let i = 0; i < 50_000; i++) {
      const word = wordOf(random, i);
      const found = [...match(INTEGER, word), ...match(FLOATING, word)];
      if (found.length > 1) twice.push(`${word.toString(16)}: ${found.map((e) => e.name)}`);
    }
    expect(twice).toEqual([]);
  });

  test('exactly the words that capstone decodes are allocated, under the same mnemonic', async () => {
    const capstone = await loadCapstone();
    const disassembler = new capstone.Capstone(capstone.ARCH_ARM64, capstone.MODE_ARM);
    const mnemonicOf = (word: number): string | undefined => {
      try {
        return disassembler.disasm([word & 255, (word >>> 8) & 255, (word >>> 16) & 255, word >>> 24], 0)[0]
          ?.mnemonic;
      } catch {
        return undefined;
      }
    };
    /** Floating point of later architectures, in no table yet. */
    const notOurs = /^(fml[as]l2?|fcadd|fcmla|bf|frint)/;
    const aliases: Record<string, string[]> = {
      mov: ['DUP', 'INS', 'UMOV', 'ORR'],
      mvn: ['NOT'],
      sxtl: ['SSHLL'],
      uxtl: ['USHLL'],
    };
    const random = new Random(2);
    const wrong: string[] = [];
    for (let i = 0; i < 60_000; i++) {
      const word = wordOf(random, i);
      if (match(FLOATING, word).length) continue;
      const theirs = mnemonicOf(word);
      if (theirs !== undefined && notOurs.test(theirs)) continue;
      const ours = match(INTEGER, word)[0]?.name;
      const mnemonic = ours?.split('_')[0] ?? '';
      const plain = theirs?.replace(/^crc32.*/, 'crc32').replace(/(?<=[a-z])2$/, '');
      const same =
        (ours === undefined) === (theirs === undefined) &&
        (plain === undefined ||
          [plain, theirs].includes(mnemonic.toLowerCase()) ||
          (aliases[plain]?.includes(mnemonic) ?? false));
      if (!same) wrong.push(`${word.toString(16)}: ours ${ours}, capstone ${theirs}`);
    }
    disassembler.close();
    expect(wrong.slice(0, 20)).toEqual([]);
  });

  test.skipIf(!hasQemu())('every word that is allocated here executes in QEMU, of any class', () => {
    const random = new Random(3);
    // X16 to X30 are the test program's own; X0 is the base of loads and stores.
    const words = Array.from({ length: 30_000 }, (_, i) => (wordOf(random, i) & ~0x0010_0210) >>> 0)
      .map((word) => (((word >>> 24) & 0xbe) === 0x0c ? (word & ~(31 << 5)) >>> 0 : word))
      .filter((word) => match(INTEGER, word).length > 0);
    const theirs = runInQemu(
      words.map((word) => ({ ...randomCase(random, word), x: [0x4700_0000n, ...Array(15).fill(0n)] })),
      'max',
    );
    expect(words.length).toBeGreaterThan(5_000);
    expect(words.filter((_, i) => theirs[i]!.undefined).map((word) => word.toString(16))).toEqual([]);
  });
});
