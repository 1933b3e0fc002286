import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readElf } from '../../../engine/boards/elf.ts';
import { OptionError } from '../../../engine/boards/option-error.ts';
import { buildElf } from './elf-builder.ts';

const bytes = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);
const good = { entry: 0x4010_0000, segments: [{ physical: 0x4010_0000, bytes, size: 100 }] };

describe('readElf', () => {
  it('gives segments by physical address, with the zeros after the file part', () => {
    expect(readElf(buildElf(good), 'x')).toEqual({
      entry: 0x4010_0000,
      segments: [{ address: 0x4010_0000, bytes, size: 100 }],
      low: 0x4010_0000,
      high: 0x4010_0064,
    });
  });

  it('turns the entry into a physical address by the segment that holds it', () => {
    const elf = buildElf({
      entry: 0x8_0000_0004,
      segments: [
        { physical: 0x4020_0000, virtual: 0x9_0000_0000, bytes },
        { physical: 0x4030_0000, virtual: 0x8_0000_0000, bytes },
      ],
    });
    expect(readElf(elf, 'x').entry).toBe(0x4030_0004);
  });

  it('skips what is not to be loaded', () => {
    const note = { physical: 0, bytes, type: 4 };
    const nothing = { physical: 0x5000_0000, bytes: new Uint8Array(0) };
    expect(readElf(buildElf({ ...good, segments: [note, nothing, ...good.segments] }), 'x').low).toBe(
      0x4010_0000,
    );
  });

  const cut = (length: number): Uint8Array => buildElf(good).subarray(0, length);
  it.each<[string, Uint8Array, string]>([
    [
      'another machine',
      buildElf({ ...good, machine: 62 }),
      '-kernel a: an ELF file for x86-64; this CPU runs AArch64',
    ],
    [
      '32-bit Arm',
      buildElf({ ...good, machine: 40, elfClass: 1 }),
      '-kernel a: an ELF file for Arm (32-bit); this CPU runs AArch64',
    ],
    ['ILP32', buildElf({ ...good, elfClass: 1 }), '-kernel a: a 32-bit ELF file; 64-bit is needed'],
    [
      'big-endian',
      buildElf({ ...good, data: 2 }),
      '-kernel a: a big-endian ELF file; virtrace runs little-endian guests only',
    ],
    [
      'no segments',
      buildElf({ ...good, segments: [] }),
      '-kernel a: no program headers, so nothing to load (is it an object file?)',
    ],
    ['a cut header', cut(50), '-kernel a: the ELF header is cut off'],
    ['cut program headers', cut(100), '-kernel a: the program headers are cut off'],
    ['a cut segment', cut(125), '-kernel a: segment 0 is cut off'],
    [
      'a shrinking segment',
      buildElf({ ...good, segments: [{ physical: 0, bytes, size: 7 }] }),
      '-kernel a: segment 0 has more bytes in the file than in memory',
    ],
    ['text', new TextEncoder().encode('hello'), '-kernel a: not an ELF file'],
  ])('refuses %s', (_, elf, message) => {
    expect(() => readElf(elf, '-kernel a')).toThrow(message);
  });

  it('gives a program within bounds, or an OptionError, for any change of a good file', () => {
    const change = fc.record({ at: fc.nat(130), to: fc.nat(255) });
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 6 }), fc.nat(128), (changes, length) => {
        const file = length > 100 ? buildElf(good) : cut(length);
        for (const { at, to } of changes) if (at < file.length) file[at] = to;
        try {
          const program = readElf(file, 'x');
          for (const { bytes, size } of program.segments) expect(bytes.length).toBeLessThanOrEqual(size);
          expect(program.low).toBeLessThan(program.high);
        } catch (error) {
          expect(error).toBeInstanceOf(OptionError);
        }
      }),
      { numRuns: 3000 },
    );
  });
});

const hasGcc = spawnSync('aarch64-linux-gnu-gcc', ['--version']).status === 0;

describe.skipIf(!hasGcc)('files of a real linker', () => {
  it('load where readelf says', () => {
    const folder = mkdtempSync(join(tmpdir(), 'elf-'));
    try {
      const source = join(folder, 'a.S');
      const output = join(folder, 'a.elf');
      writeFileSync(source, '.globl _start\nnop\n_start: wfi\n.data\n.word 7\n.bss\n.space 4096\n');
      const link = [
        '-nostdlib',
        '-static',
        '-Wl,-Ttext=0x40100000',
        '-Wl,-Tdata=0x40300000',
        '-Wl,--build-id=none',
      ];
      execFileSync('aarch64-linux-gnu-gcc', [...link, '-o', output, source]);
      const program = readElf(readFileSync(output), 'x');
      expect(program.entry).toBe(0x4010_0004);
      const nop = 0xd503_201f;
      const text = program.segments.find(
        ({ address, size }) => address <= 0x4010_0000 && 0x4010_0000 < address + size,
      )!;
      const view = new DataView(text.bytes.buffer, text.bytes.byteOffset);
      expect(view.getUint32(0x4010_0000 - text.address, true)).toBe(nop);
      const listed = execFileSync('aarch64-linux-gnu-readelf', ['-lW', output]).toString();
      const loads = [...listed.matchAll(/LOAD +\S+ +\S+ +(0x\w+) +(0x\w+) +(0x\w+)/g)].map(([, ...row]) =>
        row.map(Number),
      );
      expect(program.segments.map(({ address, bytes, size }) => [address, bytes.length, size])).toEqual(
        loads,
      );
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
