import { describe, expect, test } from 'vitest';
import { type Case, COMPILED, decode, type Outcome, run } from './fp/machine.ts';
import { Random, randomCase } from './fp/operands.ts';
import { hasQemu, runInQemu } from './fp/qemu.ts';

const CASES_PER_ENCODING = Number(process.env.FP_CASES ?? 150);
const SEED = Number(process.env.FP_SEED ?? 1);
const ALL = new Set(COMPILED.flatMap((e) => e.feature ?? []));
/** Cases in one run of QEMU. */
const BATCH = 100_000;

const hex = (n: bigint | number): string => n.toString(16);
function show(o: Outcome): string {
  return `V ${o.v.map(hex).join(' ')} X0 ${hex(o.x0)} X2 ${hex(o.x2)} FPSR ${hex(o.fpsr)} NZCV ${hex(o.nzcv)}${o.undefined ? ' UNDEFINED' : ''}`;
}
function describeCase(c: Case): string {
  return `insn ${hex(c.insn)} FPCR ${hex(c.fpcr)} FPSR ${hex(c.fpsr)} NZCV ${hex(c.nzcv)} V ${c.v.map(hex).join(' ')} X1 ${hex(c.x1)}`;
}

/**
 * QEMU: 7.2 sign-extends the 16-bit result of FCVTZS (scalar, fixed-point, half) to 32 bits. The architecture
 * clears everything above the element: V[d] = ZeroExtend(result). It also sets Z after FJCVTZS of a positive denormal
 * that was flushed to zero, where FPToFixedJS does not.
 */
function withoutDefects(name: string, { insn, fpcr, v }: Case, o: Outcome): Outcome {
  if (name === 'FJCVTZS') {
    const n = v[2 * ((insn >>> 5) & 31)]!;
    const isFlushed = (fpcr & (1 << 24)) !== 0 && n > 0n && n < 1n << 52n;
    return isFlushed ? { ...o, nzcv: 0 } : o;
  }
  if (name !== 'FCVTZS_fixed_scalar_h') return o;
  const d = 2 * (insn & 31);
  return { ...o, v: o.v.map((x, i) => (i === d ? x & 0xffffn : x)) };
}

/**
 * Words of the classes in which every opcode that looks like floating point is floating point, so that a word
 * the table does not claim must be UNDEFINED: [fixed bits, their values].
 */
const CLASSES: readonly (readonly [string, number, number])[] = [
  ['scalar floating point', 0x5f00_0000, 0x1e00_0000],
  ['scalar floating point, three sources', 0x5f00_0000, 0x1f00_0000],
  ['three same', 0x9f20_c400, 0x0e20_c400],
  ['scalar three same', 0xdf20_c400, 0x5e20_c400],
  ['three same (FP16)', 0x9f60_c400, 0x0e40_0400],
  ['scalar three same (FP16)', 0xdf60_c400, 0x5e40_0400],
  ['two-register miscellaneous', 0x9f3f_8c00, 0x0e21_8800],
  ['scalar two-register miscellaneous', 0xdf3f_8c00, 0x5e21_8800],
  ['two-register miscellaneous (FP16)', 0x9f7e_0c00, 0x0e78_0800],
  ['scalar two-register miscellaneous (FP16)', 0xdf7e_0c00, 0x5e78_0800],
  ['comparisons with zero', 0x9fbf_cc00, 0x0ea0_c800],
  ['scalar comparisons with zero', 0xdfbf_cc00, 0x5ea0_c800],
  ['across lanes', 0x9f3f_cc00, 0x0e30_c800],
  ['scalar pairwise', 0xdf3f_cc00, 0x5e30_c800],
  ['by element, FMLA and FMLS', 0xbf00_b400, 0x0f00_1000],
  ['by element, FMUL and FMULX', 0x9f00_f400, 0x0f00_9000],
  ['scalar by element, FMLA and FMLS', 0xff00_b400, 0x5f00_1000],
  ['scalar by element, FMUL and FMULX', 0xdf00_f400, 0x5f00_9000],
  ['conversions from fixed point', 0x9f80_fc00, 0x0f00_e400],
  ['conversions to fixed point', 0x9f80_fc00, 0x0f00_fc00],
  ['scalar conversions from fixed point', 0xdf80_fc00, 0x5f00_e400],
  ['scalar conversions to fixed point', 0xdf80_fc00, 0x5f00_fc00],
];

/**
 * QEMU: 7.2 ends itself (an assertion in disas_simd_two_reg_misc_fp16) at unallocated words of these classes,
 * once FEAT_FP16 is there. Only words that the table claims are tried then.
 */
const endsQemu = (word: number): boolean =>
  (word & 0x9f7e_0c00) === 0x0e78_0800 || (word & 0xdf7e_0c00) === 0x5e78_0800;

/**
 * QEMU: 7.2 also executes FMAXV, FADDP (scalar) and their like with bit 22 set for halves, which DDI 0487
 * leaves unallocated (C4.1 "Advanced SIMD across lanes", "Advanced SIMD scalar pairwise").
 */
const isLaxInQemu = (word: number): boolean =>
  (word & 0xbf7f_cc00) === 0x0e70_c800 || (word & 0xff7f_cc00) === 0x5e70_c800;

/** immh = 0000: Advanced SIMD modified immediate, which also has a field where Rn is. */
const isModifiedImmediate = (word: number): boolean => (word & 0x9ff8_0400) === 0x0f00_0400;

describe.skipIf(!hasQemu())('floating point against QEMU', () => {
  test('every encoding gives the same registers, flags and FPSR', () => {
    const random = new Random(SEED);
    const only = process.env.FP_ONLY;
    const cases = COMPILED.filter((e) => only === undefined || e.name.startsWith(only)).flatMap((e) =>
      Array.from({ length: CASES_PER_ENCODING }, () => ({ e, c: randomCase(random, e) })),
    );
    const differences: string[] = [];
    const count = new Map<string, number>();
    for (let at = 0; at < cases.length; at += BATCH) {
      const part = cases.slice(at, at + BATCH);
      const theirs = runInQemu(
        part.map(({ c }) => c),
        'max',
      );
      part.forEach(({ e, c }, i) => {
        const ours = show(run(c, e));
        const expected = show(withoutDefects(e.name, c, theirs[i]!));
        if (ours === expected) return;
        const n = (count.get(e.name) ?? 0) + 1;
        count.set(e.name, n);
        if (n <= 2) differences.push(`${e.name}\n  ${describeCase(c)}\n  ours ${ours}\n  QEMU ${expected}`);
      });
    }
    expect(differences.join('\n')).toBe('');
  });

  test.each([
    ['cortex-a57', new Set<string>()],
    ['cortex-a76', new Set(['FEAT_FP16'])],
  ])('%s: exactly the words outside the table are UNDEFINED', (cpu, features) => {
    const random = new Random(SEED);
    const base = randomCase(random, COMPILED[0]!);
    const cases = CLASSES.flatMap(([, mask, value]) =>
      Array.from({ length: 20 * CASES_PER_ENCODING }, () => {
        // Rd = 0 as often as not in fields that choose the instruction; never a register the program needs.
        const word =
          ((random.u32() & ~mask & ~0x1f) | value | (random.pick([0, 0, 8, 16, 24]) & ~mask)) >>> 0;
        const writesGeneral = (word & 0x5f20_fc00) === 0x1e20_0000 || (word & 0x5f20_0000) === 0x1e00_0000;
        return { ...base, insn: writesGeneral ? (word & ~0x1f) >>> 0 : word };
      }),
    ).filter(
      ({ insn }) =>
        !isModifiedImmediate(insn) &&
        !(features.size > 0 && isLaxInQemu(insn)) &&
        !(features.size > 0 && endsQemu(insn) && decode(insn, features).length === 0),
    );
    const wrong: string[] = [];
    let undefinedWords = 0;
    for (let at = 0; at < cases.length; at += BATCH) {
      const part = cases.slice(at, at + BATCH);
      runInQemu(part, cpu).forEach((o, i) => {
        const word = part[i]!.insn;
        const claims = decode(word, features).map((e) => e.name);
        if (o.undefined) undefinedWords += 1;
        if (claims.length !== (o.undefined ? 0 : 1)) {
          wrong.push(`${hex(word)} ${o.undefined ? 'UNDEFINED' : 'executes'}, table: ${claims.join(' ')}`);
        }
      });
    }
    expect(undefinedWords).toBeGreaterThan(cases.length / 10);
    expect(wrong.slice(0, 40)).toEqual([]);
  });
});

test('no word belongs to two encodings', () => {
  const random = new Random(SEED);
  for (const e of COMPILED) {
    for (let i = 0; i < 100; i++) {
      expect(decode(randomCase(random, e).insn, ALL).map((d) => d.name)).toEqual([e.name]);
    }
  }
});
