import { describe, expect, test } from 'vitest';
import { DISASSEMBLED_ENCODINGS, disassemble, formatOf } from '../../../engine/cpu/a64/disasm.ts';
import { A64_ENCODINGS } from '../../../engine/cpu/a64/instruction-set.ts';

const text = (word: number, address = 0x1000n): string => disassemble(word, address).text;

describe('disassemble', () => {
  test('covers the whole instruction set, and knows how to write every encoding', () => {
    expect(DISASSEMBLED_ENCODINGS.map((e) => e.name)).toEqual(A64_ENCODINGS.map((e) => e.name));
    const unwritten = DISASSEMBLED_ENCODINGS.filter((e) => formatOf(e) === undefined);
    expect(unwritten.map((e) => e.name)).toEqual([]);
  });

  test('gives mnemonic, operands, text, and the target of what is relative to the PC', () => {
    expect(disassemble(0x54000040, 0x1000n)).toEqual({
      mnemonic: 'b.eq',
      operands: '#0x1008',
      text: 'b.eq #0x1008',
      target: 0x1008n,
    });
    expect(disassemble(0x97ffffff, 0xffff_8000_0000_0000n).target).toBe(0xffff_7fff_ffff_fffcn);
    expect(disassemble(0xb0000000, 0x1234n).target).toBe(0x2000n);
    expect(disassemble(0x58000041, 0x1000n).target).toBe(0x1008n);
    expect(disassemble(0xd503201f, 0n)).toEqual({ mnemonic: 'nop', operands: '', text: 'nop' });
  });

  test('wraps targets at both ends of the address space', () => {
    expect(disassemble(0x17ffffff, 0n).target).toBe(0xffff_ffff_ffff_fffcn);
    expect(disassemble(0x14000001, 0xffff_ffff_ffff_fffcn).target).toBe(0n);
  });

  test('takes words as signed numbers, too', () => {
    expect(text(0xd503201f | 0)).toBe('nop');
    expect(text(0xffffffff | 0)).toBe('.word 0xffffffff');
  });

  test('writes what is not allocated as data, and UDF by its name', () => {
    expect(text(0)).toBe('udf #0');
    expect(text(0x1234)).toBe('udf #0x1234');
    expect(text(0x00010000)).toBe('.word 0x00010000');
  });

  test('prefers the aliases that Arm prefers', () => {
    const examples: [number, string][] = [
      [0x910003fd, 'mov x29, sp'],
      [0xaa0103e0, 'mov x0, x1'],
      [0xd2800000, 'mov x0, #0'],
      [0x12800000, 'mov w0, #-1'],
      [0xb27f7be1, 'mov x1, #0xfffffffe'],
      [0xb277efeb, 'orr x11, xzr, #0xfffffffffffffe1f'],
      [0x6b01001f, 'cmp w0, w1'],
      [0xb100041f, 'cmn x0, #1'],
      [0xf240001f, 'tst x0, #1'],
      [0xcb0103e0, 'neg x0, x1'],
      [0xaa2103e0, 'mvn x0, x1'],
      [0xd37ced00, 'lsl x0, x8, #4'],
      [0x53087c20, 'lsr w0, w1, #8'],
      [0x93407c20, 'sxtw x0, w1'],
      [0x53001c20, 'uxtb w0, w1'],
      [0xd3441c20, 'ubfx x0, x1, #4, #4'],
      [0x33101c20, 'bfi w0, w1, #0x10, #8'],
      [0x93c10820, 'ror x0, x1, #2'],
      [0x1a9f17e0, 'cset w0, eq'],
      [0x9a810420, 'cinc x0, x1, ne'],
      [0x9b017c00, 'mul x0, x0, x1'],
      [0x9b21fc00, 'smnegl x0, w0, w1'],
      [0xd65f03c0, 'ret'],
      [0x4ea11c20, 'mov v0.16b, v1.16b'],
      [0x0f20a400, 'sxtl v0.2d, v0.2s'],
      [0x4e083c00, 'mov x0, v0.d[0]'],
    ];
    for (const [word, expected] of examples) expect(text(word)).toBe(expected);
  });

  test('names system registers, system operations, barriers and hints', () => {
    const examples: [number, string][] = [
      [0xd538d080, 'mrs x0, tpidr_el1'],
      [0xd5181000, 'msr sctlr_el1, x0'],
      [0xd53b4220, 'mrs x0, daif'],
      [0xd50342df, 'msr daifset, #2'],
      [0xd5385060, 'mrs x0, s3_0_c5_c0_3'],
      [0xd50b7420, 'dc zva, x0'],
      [0xd508831f, 'tlbi vmalle1is'],
      [0xd5087800, 'at s1e1r, x0'],
      [0xd5033bbf, 'dmb ish'],
      [0xd5033f9f, 'dsb sy'],
      [0xd5033fdf, 'isb'],
      [0xd503207f, 'wfi'],
      [0xd503245f, 'bti c'],
      [0xd503233f, 'paciasp'],
    ];
    for (const [word, expected] of examples) expect(text(word)).toBe(expected);
  });
});
