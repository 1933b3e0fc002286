import { describe, expect, test } from 'vitest';
import { FP_LATER_ENCODINGS } from '../../../engine/cpu/a64/encodings-fp-later.ts';
import { type Case, COMPILED, type CompiledFp, run } from './fp/machine.ts';
import { DOUBLE, type Format, HALF, lanes, Random, randomCase, SINGLE } from './fp/operands.ts';
import { Reference } from './fp/reference.ts';
import { bfAdd, bfMul } from './fp/reference-bfloat.ts';

/*
 * FEAT_FHM, FEAT_FCMA, FEAT_JSCVT, FEAT_FRINTTS and FEAT_BF16 against their pseudocode (DDI 0487, C7.2) with exact
 * numbers. fp-qemu.test.ts compares the same encodings with QEMU.
 */

const CASES = Number(process.env.FP_CASES ?? 300);
const SEED = Number(process.env.FP_SEED ?? 5);

/** A single cut down to a BFloat16, which is its upper half. */
const BFLOAT: Format = { bits: 32, frac: 7, bias: 127 };

const bit = (w: number, at: number): number => (w >>> at) & 1;
const field = (w: number, lo: number, width = 5): number => (w >>> lo) & (2 ** width - 1);
const get = (c: Case, register: number, f: Format, index: number): bigint => {
  const at = index * f.bits;
  return (c.v[2 * register + (at >> 6)]! >> BigInt(at & 63)) & ((1n << BigInt(f.bits)) - 1n);
};

/** What one encoding gives: elements of the result in order, of this format. */
type Expected = (c: Case, r: Reference, e: CompiledFp) => { f: Format; elements: bigint[] };

const vector = (f: Format, count: number, element: (i: number) => bigint) => ({
  f,
  elements: Array.from({ length: count }, (_, i) => element(i)),
});
const lanesOf = (w: number, f: Format): number => (bit(w, 30) ? 128 : 64) / f.bits;
const complexFormat = (w: number): Format => [HALF, HALF, SINGLE, DOUBLE][field(w, 22, 2)]!;

const fhm: Expected = (c, r, e) => {
  const w = c.insn;
  const isElement = e.name.endsWith('elt');
  const upper = e.name.includes('2') ? lanesOf(w, SINGLE) : 0;
  const index = bit(w, 11) * 4 + bit(w, 21) * 2 + bit(w, 20);
  return vector(SINGLE, lanesOf(w, SINGLE), (i) => {
    const n = get(c, field(w, 5), HALF, upper + i);
    const m = isElement ? get(c, field(w, 16, 4), HALF, index) : get(c, field(w, 16), HALF, upper + i);
    const a = e.name.startsWith('FMLS') ? r.neg(HALF, n) : n;
    return r.mulAddH(HALF, SINGLE, get(c, field(w, 0), SINGLE, i), a, m);
  });
};

/** By rotation: which part of Vn, which parts of Vm (1 imaginary), and which of them are negated. */
const FCMLA = [
  { n: 0, m: [0, 1], negated: [false, false] },
  { n: 1, m: [1, 0], negated: [true, false] },
  { n: 0, m: [0, 1], negated: [true, true] },
  { n: 1, m: [1, 0], negated: [false, true] },
] as const;

const fcmla: Expected = (c, r, e) => {
  const w = c.insn;
  const f = complexFormat(w);
  const isElement = e.name.endsWith('elt');
  const how = FCMLA[field(w, isElement ? 13 : 11, 2)]!;
  const index = f === HALF ? bit(w, 11) * 2 + bit(w, 21) : bit(w, 11);
  return vector(f, lanesOf(w, f), (i) => {
    const pair = i & ~1;
    const m = get(c, field(w, 16), f, (isElement ? 2 * index : pair) + how.m[i & 1]!);
    return r.mulAdd(
      f,
      get(c, field(w, 0), f, i),
      get(c, field(w, 5), f, pair + how.n),
      how.negated[i & 1] ? r.neg(f, m) : m,
    );
  });
};

const fcadd: Expected = (c, r) => {
  const w = c.insn;
  const f = complexFormat(w);
  return vector(f, lanesOf(w, f), (i) => {
    const m = get(c, field(w, 16), f, i ^ 1);
    // By 90 degrees the imaginary part is subtracted from the real one, by 270 the other way round.
    return r.add(f, get(c, field(w, 5), f, i), (i & 1) === bit(w, 12) ? r.neg(f, m) : m);
  });
};

const frint: Expected = (c, r, e) => {
  const w = c.insn;
  const f = bit(w, 22) ? DOUBLE : SINGLE;
  const width = e.name.startsWith('FRINT32') ? 32 : 64;
  const rounding = e.name[7] === 'Z' ? 'ZERO' : r.rounding;
  return vector(f, e.name.endsWith('vec') ? lanesOf(w, f) : 1, (i) =>
    r.roundIntN(f, get(c, field(w, 5), f, i), rounding, width),
  );
};

const toBfloat = (r: Reference, a: bigint): bigint => {
  const wide = r.convert(SINGLE, BFLOAT, a);
  return ((wide >> 31n) << 15n) | (wide & 0x7fffn);
};
const bfcvt: Expected = (c, r) => vector(HALF, 1, () => toBfloat(r, get(c, field(c.insn, 5), SINGLE, 0)));
const bfcvtn: Expected = (c, r) => {
  const narrow = Array.from({ length: 4 }, (_, i) => toBfloat(r, get(c, field(c.insn, 5), SINGLE, i)));
  const old = Array.from({ length: 4 }, (_, i) => get(c, field(c.insn, 0), HALF, i));
  return { f: HALF, elements: bit(c.insn, 30) ? [...old, ...narrow] : narrow };
};

/** A BFloat16 element as a single. */
const bf = (c: Case, register: number, index: number): bigint => get(c, register, HALF, index) << 16n;

const bfmlal: Expected = (c, r, e) => {
  const w = c.insn;
  const top = bit(w, 30);
  const index = bit(w, 11) * 4 + bit(w, 21) * 2 + bit(w, 20);
  return vector(SINGLE, 4, (i) =>
    r.mulAdd(
      SINGLE,
      get(c, field(w, 0), SINGLE, i),
      bf(c, field(w, 5), 2 * i + top),
      e.name.endsWith('elt') ? bf(c, field(w, 16, 4), index) : bf(c, field(w, 16), 2 * i + top),
    ),
  );
};

const bfdot: Expected = (c, _, e) => {
  const w = c.insn;
  const index = bit(w, 11) * 2 + bit(w, 21);
  return vector(SINGLE, lanesOf(w, SINGLE), (i) => {
    const at = 2 * (e.name.endsWith('elt') ? index : i);
    const product = (k: number): bigint => bfMul(bf(c, field(w, 5), 2 * i + k), bf(c, field(w, 16), at + k));
    return bfAdd(get(c, field(w, 0), SINGLE, i), bfAdd(product(0), product(1)));
  });
};

const bfmmla: Expected = (c) => {
  const w = c.insn;
  return vector(SINGLE, 4, (i) => {
    const product = (k: number): bigint =>
      bfMul(bf(c, field(w, 5), 4 * (i >> 1) + k), bf(c, field(w, 16), 4 * (i & 1) + k));
    let sum = get(c, field(w, 0), SINGLE, i);
    for (const k of [0, 2]) sum = bfAdd(sum, bfAdd(product(k), product(k + 1)));
    return sum;
  });
};

const EXPECTED: readonly (readonly [RegExp, Expected, readonly Format[]])[] = [
  [/^FML/, fhm, [HALF, SINGLE]],
  [/^FCMLA/, fcmla, [HALF, SINGLE, DOUBLE]],
  [/^FCADD/, fcadd, [HALF, SINGLE, DOUBLE]],
  [/^FRINT/, frint, [SINGLE, DOUBLE]],
  [/^BFCVT_/, bfcvt, [SINGLE]],
  [/^BFCVTN/, bfcvtn, [SINGLE]],
  [/^BFMLAL/, bfmlal, [SINGLE]],
  [/^BFDOT/, bfdot, [SINGLE]],
  [/^BFMMLA/, bfmmla, [SINGLE]],
];

const LATER = new Set(FP_LATER_ENCODINGS.map((e) => e.name));
const encodings = COMPILED.filter((e) => LATER.has(e.name));

describe('floating point of Armv8.2 to Armv8.6 against its pseudocode', () => {
  test.each(encodings.filter((e) => e.name !== 'FJCVTZS').map((e) => [e.name, e] as const))('%s', (_, e) => {
    const [, expected, formats] = EXPECTED.find(([names]) => names.test(e.name))!;
    const random = new Random(SEED);
    for (let i = 0; i < CASES; i++) {
      const f = random.pick(formats);
      const c = { ...randomCase(random, e), v: Array.from({ length: 8 }, () => lanes(random, f)) };
      const r = new Reference(c.fpcr);
      const { f: format, elements } = expected(c, r, e);
      const whole = elements.reduce((sum, x, k) => sum | (x << BigInt(k * format.bits)), 0n);
      const o = run(c, e);
      const d = 2 * field(c.insn, 0);
      const input = `insn ${c.insn.toString(16)} FPCR ${c.fpcr.toString(16)} V ${c.v.map((x) => x.toString(16)).join(' ')}`;
      expect([(o.v[d]! | (o.v[d + 1]! << 64n)).toString(16), o.fpsr], input).toEqual([
        whole.toString(16),
        c.fpsr | r.flags,
      ]);
    }
  });

  test('FJCVTZS gives the integer modulo 2^32, and Z for a number that JavaScript would keep', () => {
    const random = new Random(SEED);
    const e = encodings.find((x) => x.name === 'FJCVTZS')!;
    for (let i = 0; i < 4 * CASES; i++) {
      const c = { ...randomCase(random, e), v: Array.from({ length: 8 }, () => lanes(random, DOUBLE)) };
      const r = new Reference(c.fpcr);
      const a = get(c, field(c.insn, 5), DOUBLE, 0);
      const { int, z } = r.toFixedJs(DOUBLE, a);
      const o = run(c, e);
      const got = field(c.insn, 0) === 0 ? o.x0 : o.x2;
      expect([a, got, o.nzcv >>> 28, o.fpsr]).toEqual([a, int, z ? 4 : 0, c.fpsr | r.flags]);
      // What the language itself says, where nothing is flushed
      const number = new Float64Array(BigUint64Array.from([a]).buffer)[0]!;
      if ((c.fpcr & (1 << 24)) === 0) {
        expect(BigInt(number >>> 0)).toBe(got);
        expect(Object.is(number, number | 0)).toBe(z);
      }
    }
  });
});
