import { describe, expect, test } from 'vitest';
import { compileEncoding } from '../../../engine/cpu/a64/encoding.ts';
import { SIMD_LDST_ENCODINGS } from '../../../engine/cpu/a64/encodings-simd.ts';
import { expandStructure } from '../../../engine/cpu/a64/simd-structure.ts';
import { Random, randomCase } from './simd/cases.ts';
import { type Case, difference, type Registers } from './simd/machine.ts';
import { elem, join, mask } from './simd/model.ts';
import { hasQemu, runInQemu } from './simd/qemu.ts';

const ENCODINGS = SIMD_LDST_ENCODINGS.map((e) => compileEncoding(e));

/** A free address in the RAM of QEMU's machine. */
const BASE = 0x4700_0000n;
const strQ = (t: number, at: number) => (0x3d80_0000 | (at << 10) | t) >>> 0;
const ldrQ = (t: number, at: number) => (0x3dc0_0000 | (at << 10) | t) >>> 0;

/** An allocated word whose general registers are X0–X14, the base with its own register. */
function randomWord(random: Random, e: (typeof ENCODINGS)[number]): number {
  for (;;) {
    let word = (e.value | (random.u32() & ~e.mask)) >>> 0;
    const rn = 1 + random.below(7);
    word = (word & ~(31 << 5)) | (rn << 5);
    if (e.fields.has('Rm'))
      word = (word & ~(31 << 16)) | ((random.below(2) ? 31 : 8 + random.below(8)) << 16);
    word >>>= 0;
    if (e.where === undefined || e.where(word)) return word;
  }
}

/** Executes by expandStructure(); memory is the 64 bytes at BASE as one number. */
function execute(c: Case, memory: bigint): { registers: Registers; memory: bigint } {
  const s = expandStructure(c.word);
  const v = [...c.v];
  const x = [...c.x];
  let bytes = memory;
  for (const { reg, lane, sizeLog2, offset } of s.elements) {
    const bits = 8 << sizeLog2;
    const put = (value: bigint, at: number, element: bigint) =>
      (value & ~(mask(bits) << BigInt(at))) | (element << BigInt(at));
    const inMemory = (bytes >> BigInt(8 * offset)) & mask(bits);
    if (!s.isLoad) bytes = put(bytes, 8 * offset, elem(v[reg]!, lane, bits));
    else if (s.replicate) v[reg] = join(Array(s.lanes).fill(inMemory), bits);
    else v[reg] = put(v[reg]!, lane * bits, inMemory);
  }
  for (const reg of s.clearedUpper) v[reg] = v[reg]! & mask(64);
  if (s.postIndex) {
    const { rm } = s.postIndex;
    x[s.rn] = BigInt.asUintN(64, x[s.rn]! + (rm === 31 ? BigInt(s.totalBytes) : x[rm]!));
  }
  return { registers: { v, x, fpsr: c.fpsr }, memory: bytes };
}

describe('expandStructure', () => {
  test('LD4 {V31.4H-V2.4H}, [X1] interleaves, wraps from V31 to V0 and clears upper halves', () => {
    const s = expandStructure(0x0c40_043f);
    expect(s.elements.slice(0, 5)).toEqual([
      { reg: 31, lane: 0, sizeLog2: 1, offset: 0 },
      { reg: 0, lane: 0, sizeLog2: 1, offset: 2 },
      { reg: 1, lane: 0, sizeLog2: 1, offset: 4 },
      { reg: 2, lane: 0, sizeLog2: 1, offset: 6 },
      { reg: 31, lane: 1, sizeLog2: 1, offset: 8 },
    ]);
    expect(s).toMatchObject({
      isLoad: true,
      replicate: false,
      registers: [31, 0, 1, 2],
      clearedUpper: [31, 0, 1, 2],
      runs: undefined,
      totalBytes: 32,
      rn: 1,
      postIndex: undefined,
    });
  });

  test('runs of LD1 and ST1 hold the same bytes as their elements', () => {
    const random = new Random(1);
    for (const e of ENCODINGS) {
      for (let i = 0; i < 50; i++) {
        const s = expandStructure(randomWord(random, e));
        const total = s.elements.reduce((sum, { sizeLog2 }) => sum + (1 << sizeLog2), 0);
        expect(total).toBe(s.totalBytes);
        const bytesOf = (reg: number, byte: number, offset: number, bytes: number) =>
          Array.from({ length: bytes }, (_, k) => `V${reg} byte ${byte + k} at ${offset + k}`);
        if (!s.runs) continue;
        const byRuns = s.runs.flatMap(({ reg, offset, bytes }) => bytesOf(reg, 0, offset, bytes));
        const byElements = s.elements.flatMap(({ reg, lane, sizeLog2, offset }) =>
          bytesOf(reg, lane << sizeLog2, offset, 1 << sizeLog2),
        );
        expect(byRuns).toEqual(byElements);
      }
    }
  });

  test.skipIf(!hasQemu())('registers, write-back and memory are as in QEMU', () => {
    const random = new Random(2);
    const tests = ENCODINGS.flatMap((e) =>
      Array.from({ length: 25 }, () => {
        const word = randomWord(random, e);
        const c = randomCase(random, word);
        const before = random.bits(512);
        return { e, before, c: { ...c, x: c.x.with((word >>> 5) & 31, BASE) } };
      }),
    );
    // Fill memory with four stores, execute, read memory with four loads.
    const records = tests.flatMap(({ c, before }) => {
      const move = (word: number): Case => ({
        word,
        v: Array.from({ length: 32 }, (_, i) => elem(before, i & 3, 128)),
        x: Array(16).fill(BASE),
        fpsr: 0,
      });
      const four = [0, 1, 2, 3];
      return [...four.map((i) => move(strQ(i, i))), c, ...four.map((i) => move(ldrQ(i, i)))];
    });
    const outcomes = runInQemu(records, 'cortex-a57');
    const wrong: string[] = [];
    tests.forEach(({ e, c, before }, i) => {
      const ours = execute(c, before);
      const theirs = outcomes[9 * i + 4]!;
      const memory = join(
        [0, 1, 2, 3].map((k) => outcomes[9 * i + 5 + k]!.v[k]!),
        128,
      );
      const text = theirs.undefined ? 'UNDEFINED' : difference(ours.registers, theirs);
      if (text || memory !== ours.memory) wrong.push(`${e.name} ${c.word.toString(16)}: ${text || 'memory'}`);
    });
    expect(wrong).toEqual([]);
  });
});
