import { describe, expect, test } from 'vitest';
import { FP_LATER_ENCODINGS } from '../../../engine/cpu/a64/encodings-fp-later.ts';
import { BINARY, FUSED, fused, UNARY } from './fp/expected.ts';
import { type Case, COMPILED, type CompiledFp, type Outcome, run, slot } from './fp/machine.ts';
import { DOUBLE, type Format, HALF, lanes, Random, randomCase, SINGLE, word } from './fp/operands.ts';
import { Reference, type Rounding } from './fp/reference.ts';

const CASES = Number(process.env.FP_CASES ?? 200);
const ENV_SEED = Number(process.env.FP_SEED ?? 1);

/** The machine's registers as elements. */
const get = (c: Case, register: number, f: Format, index = 0): bigint => {
  const bit = index * f.bits;
  const half = c.v[2 * register + (bit >> 6)]!;
  return (half >> BigInt(bit & 63)) & ((1n << BigInt(f.bits)) - 1n);
};
const field = (w: number, lo: number, width = 5): number => (w >>> lo) & (2 ** width - 1);
const mnemonic = (e: CompiledFp): string => e.name.split('_')[0]!;
const scalarFormat = (w: number): Format => [SINGLE, DOUBLE, SINGLE, HALF][field(w, 22, 2)]!;
/** Format of a SIMD class: half precision by name, else by sz. */
const simdFormat = (e: CompiledFp, w: number): Format =>
  e.name.endsWith('_h') ? HALF : field(w, 22, 1) === 1 ? DOUBLE : SINGLE;

/** Names of the encodings that some test has run. */
const covered = new Set<string>();

function* cases(names: RegExp, also: (e: CompiledFp) => boolean): Generator<[CompiledFp, Case]> {
  const random = new Random(ENV_SEED + 77);
  for (const e of COMPILED.filter((x) => names.test(x.name) && also(x))) {
    for (let i = 0; i < CASES; i++) {
      const c = randomCase(random, e);
      // In the instruction's own format, so that special values are special in every lane.
      const f = formatOf(e, c.insn);
      covered.add(e.name);
      yield [e, { ...c, v: Array.from({ length: 8 }, () => lanes(random, f)) }];
    }
  }
}

function check(e: CompiledFp, c: Case, o: Outcome, v: readonly bigint[], r: Reference): void {
  const d = field(c.insn, 0);
  const got = `${e.name} ${o.v[2 * d + 1]!.toString(16)}:${o.v[2 * d]!.toString(16)} FPSR ${o.fpsr.toString(16)}`;
  const want = `${e.name} ${v[1]!.toString(16)}:${v[0]!.toString(16)} FPSR ${(c.fpsr | r.flags).toString(16)}`;
  if (got === want) return;
  const input = `insn ${c.insn.toString(16)} FPCR ${c.fpcr.toString(16)} V ${c.v.map((x) => x.toString(16)).join(' ')}`;
  expect(`${got}   ${input}`).toBe(`${want}   ${input}`);
}

/** Elements in order, as two 64-bit halves. */
function pack(f: Format, elements: readonly bigint[]): bigint[] {
  const whole = elements.reduce((sum, x, i) => sum | (x << BigInt(i * f.bits)), 0n);
  return [BigInt.asUintN(64, whole), whole >> 64n];
}

const isScalarClass = (e: CompiledFp): boolean => /^sf:1|^0 0 0|^1 0 0/.test(e.pattern);
const isVector = (e: CompiledFp): boolean => /^0 (Q:1|1) \S+ 0111/.test(e.pattern);
const count = (e: CompiledFp, w: number, f: Format): number =>
  isVector(e) ? (field(w, 30, 1) === 1 ? 128 : 64) / f.bits : 1;
const formatOf = (e: CompiledFp, w: number): Format =>
  isScalarClass(e) ? scalarFormat(w) : simdFormat(e, w);

describe('floating point against exact rational arithmetic', () => {
  test('two operands: scalar, vector', () => {
    for (const [e, c] of cases(
      /_(vec|scalar)(_h)?$|simd_scalar/,
      (x) => mnemonic(x) in BINARY && /Rm:/.test(x.pattern) && !/elt/.test(x.name),
    )) {
      const f = formatOf(e, c.insn);
      const r = new Reference(c.fpcr);
      const elements = Array.from({ length: count(e, c.insn, f) }, (_, i) =>
        BINARY[mnemonic(e)]!(r, f, get(c, field(c.insn, 5), f, i), get(c, field(c.insn, 16), f, i)),
      );
      check(e, c, run(c, e), pack(f, elements), r);
    }
  });

  test('two operands: pairwise', () => {
    for (const [e, c] of cases(/^F\w+P_(vec|scalar)(_h)?$/, (x) => mnemonic(x).slice(0, -1) in BINARY)) {
      const f = e.pattern.startsWith('01')
        ? e.name.endsWith('_h')
          ? HALF
          : simdFormat(e, c.insn)
        : simdFormat(e, c.insn);
      const r = new Reference(c.fpcr);
      const op = BINARY[mnemonic(e).slice(0, -1)]!;
      const n = isVector(e) ? count(e, c.insn, f) : 2;
      const at = (i: number): bigint =>
        i < n ? get(c, field(c.insn, 5), f, i) : get(c, field(c.insn, 16), f, i - n);
      const elements = Array.from({ length: isVector(e) ? n : 1 }, (_, i) =>
        op(r, f, at(2 * i), at(2 * i + 1)),
      );
      check(e, c, run(c, e), pack(f, elements), r);
    }
  });

  test('two operands: across lanes', () => {
    for (const [e, c] of cases(/^F\w+V(_h)?$/, (x) => mnemonic(x).slice(0, -1) in BINARY)) {
      const f = e.name.endsWith('_h') ? HALF : SINGLE;
      const r = new Reference(c.fpcr);
      const reduce = (low: number, n: number): bigint =>
        n === 1
          ? get(c, field(c.insn, 5), f, low)
          : BINARY[mnemonic(e).slice(0, -1)]!(r, f, reduce(low, n / 2), reduce(low + n / 2, n / 2));
      check(e, c, run(c, e), pack(f, [reduce(0, (field(c.insn, 30, 1) === 1 ? 128 : 64) / f.bits)]), r);
    }
  });

  test('fused, and by element', () => {
    for (const [e, c] of cases(/^FN?M(ADD|SUB|LA|LS|UL|ULX)(_|$)/, (x) =>
      /^FN?M(ADD|SUB)|elt|^FML/.test(x.name),
    )) {
      const f = formatOf(e, c.insn);
      const name = mnemonic(e);
      const r = new Reference(c.fpcr);
      const bit = (lo: number): number => field(c.insn, lo, 1);
      const index =
        f === HALF ? bit(11) * 4 + bit(21) * 2 + bit(20) : f === SINGLE ? bit(11) * 2 + bit(21) : bit(11);
      const m = /elt/.test(e.name) && f === HALF ? field(c.insn, 16, 4) : field(c.insn, 16);
      const addend = isScalarClass(e) ? field(c.insn, 10) : field(c.insn, 0);
      const elements = Array.from({ length: count(e, c.insn, f) }, (_, i) => {
        const a = get(c, field(c.insn, 5), f, i);
        const b = get(c, m, f, /elt/.test(e.name) ? index : i);
        return name in FUSED ? fused(name, r, f, get(c, addend, f, i), a, b) : BINARY[name]!(r, f, a, b);
      });
      check(e, c, run(c, e), pack(f, elements), r);
    }
  });

  test('one operand: scalar, vector', () => {
    for (const [e, c] of cases(
      /_(vec|scalar)(_h)?$|simd_scalar/,
      (x) => mnemonic(x) in UNARY && !/fixed|gen|Rm:/.test(x.name + x.pattern),
    )) {
      const f = formatOf(e, c.insn);
      const r = new Reference(c.fpcr);
      const elements = Array.from({ length: count(e, c.insn, f) }, (_, i) =>
        UNARY[mnemonic(e)]!(r, f, get(c, field(c.insn, 5), f, i)),
      );
      check(e, c, run(c, e), pack(f, elements), r);
    }
  });

  test('fixed point in SIMD registers', () => {
    for (const [e, c] of cases(/_fixed_(vec|scalar)/, () => true)) {
      const f = field(c.insn, 22, 1) ? DOUBLE : field(c.insn, 21, 1) ? SINGLE : HALF;
      const fbits = 2 * f.bits - field(c.insn, 16, 7);
      const unsigned = field(c.insn, 29, 1) === 1;
      const r = new Reference(c.fpcr);
      const elements = Array.from({ length: count(e, c.insn, f) }, (_, i) => {
        const a = get(c, field(c.insn, 5), f, i);
        if (mnemonic(e).startsWith('F')) return r.toFixed(f, a, fbits, unsigned, f.bits, 'ZERO');
        return r.fromFixed(f, unsigned ? a : BigInt.asIntN(f.bits, a), fbits);
      });
      check(e, c, run(c, e), pack(f, elements), r);
    }
  });

  test('to and from general registers, integer and fixed point', () => {
    const names: Record<string, Rounding> = {
      N: 'TIEEVEN',
      P: 'POSINF',
      M: 'NEGINF',
      Z: 'ZERO',
      A: 'TIEAWAY',
    };
    for (const [e, c] of cases(/^(FCVT|.CVTF).*_(gen|fixed)(_h)?$/, () => true)) {
      const f = scalarFormat(c.insn);
      const width = c.insn >>> 31 ? 64 : 32;
      const fbits = /fixed/.test(e.name) ? 64 - field(c.insn, 10, 6) : 0;
      const r = new Reference(c.fpcr);
      const o = run(c, e);
      if (e.name.startsWith('F')) {
        const rounding = names[e.name[4]!]!;
        const x = r.toFixed(f, get(c, field(c.insn, 5), f), fbits, e.name[5] === 'U', width, rounding);
        const got = field(c.insn, 0) === 0 ? o.x0 : o.x2;
        expect([e.name, got, o.fpsr]).toEqual([e.name, x, c.fpsr | r.flags]);
      } else {
        const x = field(c.insn, 5) === 1 ? c.x1 : c.x2;
        const int = e.name.startsWith('U') ? BigInt.asUintN(width, x) : BigInt.asIntN(width, x);
        check(e, c, o, [r.fromFixed(f, int, fbits), 0n], r);
      }
    }
  });

  test('between formats', () => {
    for (const [e, c] of cases(/^FCVT(_scalar|N$|L$|XN)/, () => true)) {
      const w = c.insn;
      const r = new Reference(c.fpcr);
      const n = field(w, 5);
      const top = field(w, 30, 1);
      let expected: bigint[];
      if (e.name === 'FCVT_scalar') {
        const random = new Random(c.insn ^ Number(c.x1 & 0xffffn));
        const cc = { ...c, v: c.v.map(() => lanes(random, scalarFormat(w))) };
        const to = [SINGLE, DOUBLE, SINGLE, HALF][field(w, 15, 2)]!;
        expected = [r.convert(scalarFormat(w), to, get(cc, n, scalarFormat(w))), 0n];
        check(e, cc, run(cc, e), expected, r);
        continue;
      }
      const narrow = field(w, 22, 1) ? SINGLE : HALF;
      const wide = field(w, 22, 1) ? DOUBLE : SINGLE;
      const rounding = e.name.startsWith('FCVTX') ? 'ODD' : r.rounding;
      if (e.name === 'FCVTXN_scalar') expected = [r.convert(wide, narrow, get(c, n, wide), rounding), 0n];
      else if (e.name === 'FCVTL') {
        const many = 128 / wide.bits;
        expected = pack(
          wide,
          Array.from({ length: many }, (_, i) => r.convert(narrow, wide, get(c, n, narrow, i + top * many))),
        );
      } else {
        const [low] = pack(
          narrow,
          Array.from({ length: 128 / wide.bits }, (_, i) =>
            r.convert(wide, narrow, get(c, n, wide, i), rounding),
          ),
        );
        expected = top ? [c.v[2 * field(w, 0)]!, low!] : [low!, 0n];
      }
      check(e, c, run(c, e), expected, r);
    }
  });

  test('comparisons set NZCV', () => {
    for (const [e, c] of cases(/^FC?CMPE?(_|$)/, () => true)) {
      const f = scalarFormat(c.insn);
      const r = new Reference(c.fpcr);
      const a = get(c, field(c.insn, 5), f);
      const b = /zero/.test(e.name) ? 0n : get(c, field(c.insn, 16), f);
      let nzcv: number | undefined;
      if (e.name.startsWith('FCCMP') && !holds(c.nzcv, field(c.insn, 12, 4))) nzcv = c.insn & 15;
      nzcv ??= r.compare(f, a, b, e.name.includes('CMPE'));
      const o = run(c, e);
      expect([e.name, o.nzcv >>> 28, o.fpsr]).toEqual([e.name, nzcv, c.fpsr | r.flags]);
    }
  });

  test('FCSEL selects by every condition', () => {
    for (const [e, c] of cases(/^FCSEL/, () => true)) {
      const f = scalarFormat(c.insn);
      const n = holds(c.nzcv, field(c.insn, 12, 4)) ? field(c.insn, 5) : field(c.insn, 16);
      check(e, c, run(c, e), [get(c, n, f), 0n], new Reference(0));
    }
  });

  test('FMOV immediate: every imm8', () => {
    for (const e of COMPILED.filter((x) => x.name.startsWith('FMOV_scalar_imm'))) {
      const random = new Random(5);
      for (let imm8 = 0; imm8 < 256; imm8++) {
        const c = randomCase(random, e);
        const insn = ((c.insn & ~(255 << 13)) | (imm8 << 13)) >>> 0;
        const f = scalarFormat(insn);
        // +/- 16..31 / 16 * 2^(-3..4), with the exponent's top bit inverted in the coding.
        const magnitude = (16 + (imm8 & 15)) * 2 ** ((((imm8 >> 4) & 7) ^ 4) - 3 - 4);
        const bits = new Reference(0).fromFixed(f, BigInt(magnitude * 2 ** 7) * (imm8 & 128 ? -1n : 1n), 7);
        check(e, { ...c, insn }, run({ ...c, insn }, e), [bits, 0n], new Reference(0));
      }
    }
  });

  test.each(['FCVTZS_gen', 'FCVTZU_fixed', 'FMOV_StoW', 'FMOV_DtoX', 'FMOV_topToX'])(
    '%s to register 31 writes nothing',
    (name) => {
      const random = new Random(9);
      const e = COMPILED.find((x) => x.name === name)!;
      for (let i = 0; i < 50; i++) {
        run({ ...randomCase(random, e), insn: (word(random, e) | 31) >>> 0 }, e);
        expect(slot(31)).toBe(0n);
      }
    },
  );

  test('FMOV of register 31 moves zero', () => {
    const random = new Random(9);
    const e = COMPILED.find((x) => x.name === 'FMOV_XtoD')!;
    const c = randomCase(random, e);
    const o = run({ ...c, insn: ((c.insn & ~0x3ff) | (31 << 5)) >>> 0 }, e);
    expect(o.v.slice(0, 2)).toEqual([0n, 0n]);
  });
});

function holds(nzcv: number, cond: number): boolean {
  const [n, z, c, v] = [31, 30, 29, 28].map((bit) => ((nzcv >>> bit) & 1) === 1) as [
    boolean,
    boolean,
    boolean,
    boolean,
  ];
  const table = [z, c, n, v, c && !z, n === v, n === v && !z, true];
  return cond >= 14 || table[cond >> 1] === ((cond & 1) === 0);
}

test('every encoding was compared, but for moves between registers, and fp-later.test.ts', () => {
  const later = new Set(FP_LATER_ENCODINGS.map((e) => e.name));
  const missing = COMPILED.map((e) => e.name).filter((name) => !covered.has(name) && !later.has(name));
  expect(
    missing.filter(
      (name) => !/^FMOV_(scalar_imm|StoW|WtoS|DtoX|XtoD|topToX|XtoTop|HtoGen|genToH)/.test(name),
    ),
  ).toEqual([]);
});
