import { describe, expect, test } from 'vitest';
import { compileEncoding } from '../../../engine/cpu/a64/encoding.ts';
import { FP_ENCODINGS } from '../../../engine/cpu/a64/encodings-fp.ts';
import { SIMD_ENCODINGS } from '../../../engine/cpu/a64/encodings-simd.ts';
import { INLINE_SIMD } from '../../../engine/cpu/a64/lower-simd.ts';
import { BACKENDS, EngineExecutor } from '../../oracle/engine.ts';
import { CASE, RECORD_WORDS, RESULT } from '../../oracle/layout.ts';
import { OperandPool } from '../../oracle/operands.ts';
import { Random } from '../../oracle/random.ts';
import { singleBatch } from '../../oracle/single.ts';
import { CPU, CPU_FPCR, CPU_FPSR, CPU_Q, helper, view } from './fp/machine.ts';

/*
 * Micro-operations that do the frequent part of an instruction by themselves, against its helper, which is compared
 * with models and QEMU.
 */

const ENCODINGS = [...FP_ENCODINGS, ...SIMD_ENCODINGS]
  .filter((e) => e.name in INLINE_SIMD)
  .map((e) => ({ ...compileEncoding(e), helper: e.helper }));
const WORDS = 60;

const random = new Random(11);
const pool = new OperandPool(random);
const template = singleBatch({ words: [0], mode: 'EL0t' });
const words = ENCODINGS.flatMap((e) =>
  Array.from({ length: WORDS }, () => ((random.u32() & ~e.mask) | e.value) >>> 0)
    .filter((w) => e.where?.(w) ?? true)
    .map((word) => ({ word, name: e.name, helper: e.helper })),
);
const cases = words.map(({ word }) => {
  const record = template.cases[0]!.record.slice();
  pool.general(record, CASE.x);
  pool.vectors(record, CASE.v);
  // To nearest or not, inexactness noted or not: both ways of the arithmetic
  record[CASE.fpcr] = random.pick([0, 0, 0, 1 << 24, 1 << 25, 2 << 22]);
  record[CASE.fpsr] = random.pick([0, 0x10, 0x10, 0x10]);
  return { words: [word], classes: [-1], record, codeAddresses: [] };
});

describe.each(BACKENDS.filter((b) => b.name === 'interpreter' || b.name === 'compiler-eager'))(
  '$name',
  (backend) => {
    const outcome = new EngineExecutor('max', { ...backend, cases: cases.length }).run({
      ...template,
      cases,
    });
    const results = new Uint32Array(outcome.results.buffer);

    test.each(ENCODINGS.map((e) => e.name))('%s does what its helper does', (name) => {
      words.forEach((w, i) => {
        if (w.name !== name) return;
        const { record } = cases[i]!;
        for (let k = 0; k < 62; k++) view.setUint32(CPU + 4 * k, record[CASE.x + k]!, true);
        view.setBigUint64(CPU + 31 * 8, 0n, true);
        for (let k = 0; k < 128; k++) view.setUint32(CPU + CPU_Q + 4 * k, record[CASE.v + k]!, true);
        view.setUint32(CPU + CPU_FPCR, record[CASE.fpcr]!, true);
        view.setUint32(CPU + CPU_FPSR, record[CASE.fpsr]!, true);
        helper(w.helper)(CPU, w.word | 0);
        const at = i * RECORD_WORDS;
        const got = [
          ...results.subarray(at + RESULT.x, at + RESULT.x + 62),
          ...results.subarray(at + RESULT.v, at + RESULT.v + 128),
          results[at + RESULT.fpsr]!,
        ];
        const expected = [
          ...Array.from({ length: 62 }, (_, k) => view.getUint32(CPU + 4 * k, true)),
          ...Array.from({ length: 128 }, (_, k) => view.getUint32(CPU + CPU_Q + 4 * k, true)),
          view.getUint32(CPU + CPU_FPSR, true),
        ];
        expect(got, `${w.word.toString(16)} FPCR ${record[CASE.fpcr]}`).toEqual(expected);
      });
    });
  },
);

test('all names are encodings', () => {
  const names = new Set(ENCODINGS.map((e) => e.name));
  expect(Object.keys(INLINE_SIMD).filter((name) => !names.has(name))).toEqual([]);
});
