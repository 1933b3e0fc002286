import { describe, expect, test } from 'vitest';
import { type Case, COMPILED, decode, type Outcome, run } from './fp/machine.ts';
import { Random, randomCase } from './fp/operands.ts';
import { hasQemu, runInQemu } from './fp/qemu.ts';

const CASES_PER_ENCODING = Number(process.env.FP_CASES ?? 150);
const ALL = new Set(COMPILED.flatMap((e) => e.feature ?? []));

const hex = (n: bigint | number): string => n.toString(16);
function show(o: Outcome): string {
  return `V ${o.v.map(hex).join(' ')} X0 ${hex(o.x0)} X2 ${hex(o.x2)} FPSR ${hex(o.fpsr)} NZCV ${hex(o.nzcv)}${o.undefined ? ' UNDEFINED' : ''}`;
}
function describeCase(c: Case): string {
  return `insn ${hex(c.insn)} FPCR ${hex(c.fpcr)} FPSR ${hex(c.fpsr)} NZCV ${hex(c.nzcv)} V ${c.v.map(hex).join(' ')} X1 ${hex(c.x1)}`;
}

describe.skipIf(!hasQemu())('floating point against QEMU', () => {
  test('every encoding gives the same registers, flags and FPSR', () => {
    const random = new Random(Number(process.env.FP_SEED ?? 1));
    const only = process.env.FP_ONLY;
    const cases = COMPILED.filter((e) => only === undefined || e.name.startsWith(only)).flatMap((e) =>
      Array.from({ length: CASES_PER_ENCODING }, () => ({ e, c: randomCase(random, e) })),
    );
    const differences: string[] = [];
    const count = new Map<string, number>();
    for (let at = 0; at < cases.length; at += 100_000) {
      const part = cases.slice(at, at + 100_000);
      const theirs = runInQemu(
        part.map(({ c }) => c),
        'max',
      );
      part.forEach(({ e, c }, i) => {
        expect(decode(c.insn, ALL).map((d) => d.name)).toEqual([e.name]);
        const ours = show(run(c, e));
        const expected = show(theirs[i]!);
        if (ours === expected) return;
        const n = (count.get(e.name) ?? 0) + 1;
        count.set(e.name, n);
        if (n <= 2) differences.push(`${e.name}\n  ${describeCase(c)}\n  ours ${ours}\n  QEMU ${expected}`);
      });
    }
    expect([...count].map(([name, n]) => `${name} ${n}`)).toEqual([]);
    expect(differences.join('\n')).toBe('');
  });
});
