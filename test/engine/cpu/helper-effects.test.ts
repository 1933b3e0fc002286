import { expect, test } from 'vitest';
import { compileEncoding } from '../../../engine/cpu/a64/encoding.ts';
import { FP_ENCODINGS } from '../../../engine/cpu/a64/encodings-fp.ts';
import { SIMD_ENCODINGS } from '../../../engine/cpu/a64/encodings-simd.ts';
import { TOUCHES_FLAGS, TOUCHES_X } from '../../../engine/cpu/region-emitter.ts';
import { CPU, CPU_C, CPU_N, CPU_Q, CPU_V, CPU_Z, helper, view } from './fp/machine.ts';
import { Random } from './fp/operands.ts';

/*
 * The compiler keeps X registers and flags in locals around the call of an instruction helper, unless it knows that
 * the helper reads or writes them. What helpers really do is observed here: changed, or changing the result.
 */

const ENCODINGS = [...FP_ENCODINGS, ...SIMD_ENCODINGS].map((e) => ({
  ...compileEncoding(e),
  helper: e.helper,
}));
const STATE = CPU_Q + 512;

const X_END = 31 * 8;
const FLAGS = [CPU_N, CPU_Z].map((at) => [at, 8]).concat([CPU_C, CPU_V].map((at) => [at, 4]));

test('the compiler knows which instruction helpers touch X registers and flags', () => {
  const random = new Random(3);
  const [x, flags] = [new Set<string>(), new Set<string>()];
  const state = new Uint8Array(view.buffer, CPU, STATE);
  const isFlag = (i: number): boolean => FLAGS.some(([at, size]) => i >= at! && i < at! + size!);
  const isX = (i: number): boolean => i < X_END;
  for (const e of ENCODINGS) {
    const run = helper(e.helper);
    for (let i = 0; i < 60; i++) {
      const word = ((random.u32() & ~e.mask) | e.value) >>> 0;
      if (e.where !== undefined && !e.where(word)) continue;
      for (let k = 0; k < STATE; k += 4) view.setUint32(CPU + k, random.u32(), true);
      for (const at of [CPU_C, CPU_V]) view.setUint32(CPU + at, random.u32() & 1, true);
      for (let k = 31 * 8; k < 32 * 8; k++) state[k] = 0;
      const before = state.slice();
      run(CPU, word | 0);
      const after = state.slice();
      after.forEach((byte, k) => {
        if (byte === before[k]) return;
        if (isX(k)) x.add(e.helper);
        if (isFlag(k)) flags.add(e.helper);
      });
      // The same with other values of the one kind, then the other: does anything else come out differently?
      for (const [kind, found] of [
        [isX, x],
        [isFlag, flags],
      ] as const) {
        state.set(before);
        for (let k = 0; k < STATE; k += 4) if (kind(k)) view.setUint32(CPU + k, random.u32(), true);
        for (const at of [CPU_C, CPU_V]) if (kind(at)) view.setUint32(CPU + at, 1 - (before[at]! & 1), true);
        run(CPU, word | 0);
        if (after.some((byte, k) => !isX(k) && !isFlag(k) && byte !== state[k])) found.add(e.helper);
      }
    }
  }
  expect([...x].sort()).toEqual([...TOUCHES_X].sort());
  expect([...flags].sort()).toEqual([...TOUCHES_FLAGS].sort());
});
