import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type GuestSymbol,
  parseElfSymbols,
  parseSymbols,
  parseSymbolText,
  SymbolFileError,
  SymbolTable,
} from '../../../recorder/session/symbols.ts';

const STORM = fileURLToPath(new URL('../../../guests/storm/storm.elf', import.meta.url));
const storm = (): Uint8Array => readFileSync(STORM);

function hasTool(name: string): boolean {
  try {
    execFileSync(name, ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
const NM = 'aarch64-linux-gnu-nm';
const ADDR2LINE = 'aarch64-linux-gnu-addr2line';
const GCC = 'aarch64-linux-gnu-gcc';

const symbol = (name: string, address: bigint, size = 0n, rank = 0): GuestSymbol => ({
  name,
  address,
  size,
  rank,
  isAbsolute: false,
});

describe('SymbolTable', () => {
  test('describes an address by the symbol it is in, and its offset', () => {
    const table = new SymbolTable([symbol('a', 0x1000n, 0x10n), symbol('b', 0x1010n, 8n)]);
    expect(table.describe(0x1000n)).toBe('a');
    expect(table.describe(0x100fn)).toBe('a+0xf');
    expect(table.describe(0x1010n)).toBe('b');
    expect(table.describe(0x1018n)).toBeUndefined();
    expect(table.describe(0xfffn)).toBeUndefined();
    expect(table.addressOf('b')).toBe(0x1010n);
    expect(table.addressOf('c')).toBeUndefined();
  });

  test('lets a symbol of unknown size reach to the next one, and not across the address space', () => {
    const table = new SymbolTable([symbol('user', 0x40_0000n), symbol('_stext', 0xffff_8000_0801_0000n)]);
    expect(table.describe(0x40_1234n)).toBe('user+0x1234');
    expect(table.describe(0x7fff_0000_0000n)).toBeUndefined();
    expect(table.describe(0xffff_8000_0801_0004n)).toBe('_stext+0x4');
    expect(table.describe(0xffff_ffff_ffff_ffffn)).toBeUndefined();
  });

  test('finds a symbol around one that has ended', () => {
    const table = new SymbolTable([symbol('outer', 0x100n, 0x100n), symbol('inner', 0x120n, 0x10n)]);
    expect(table.describe(0x124n)).toBe('inner+0x4');
    expect(table.describe(0x140n)).toBe('outer+0x40');
  });

  test('agrees with a search through all symbols, for any table and address', () => {
    const entry = fc.tuple(fc.bigInt(0n, 2000n), fc.bigInt(1n, 40n));
    fc.assert(
      fc.property(
        fc.array(entry),
        fc.bigInt(0n, 2100n),
        fc.constantFrom(0n, 0xffff_ffff_0000_0000n),
        (all, at, base) => {
          const symbols = all.map(([address, size], i) => symbol(`s${i}`, base + address, size, i));
          // One symbol an address, the one of highest rank; of those that have the address, the last to start
          const places = symbols.filter(
            (s) => !symbols.some((t) => t.address === s.address && t.rank > s.rank),
          );
          const around = places.filter((s) => base + at >= s.address && base + at < s.address + s.size);
          const starts = around.map((s) => s.address).sort((a, b) => Number(a - b));
          expect(new SymbolTable(symbols).at(base + at)?.address).toBe(starts.at(-1));
        },
      ),
    );
  });

  test('moves with a kernel that KASLR has moved, but for constants', () => {
    const table = new SymbolTable([
      symbol('_text', 0xffff_8000_0800_0000n, 4n),
      { ...symbol('PAGE_SIZE', 4096n), isAbsolute: true },
    ]).movedBy(0x1234_0000n);
    expect(table.addressOf('_text')).toBe(0xffff_8000_1a34_0000n);
    expect(table.describe(0xffff_8000_1a34_0002n)).toBe('_text+0x2');
    expect(table.addressOf('PAGE_SIZE')).toBe(4096n);
    expect(table.describe(4096n)).toBeUndefined();
  });

  test('joins two files', () => {
    const both = new SymbolTable([symbol('kernel', 0x100n, 4n)]).with(
      new SymbolTable([symbol('module', 8n, 4n)]),
    );
    expect([both.describe(0x100n), both.describe(9n), both.size]).toEqual(['kernel', 'module+0x1', 2]);
  });
});

describe('parseSymbolText', () => {
  test('reads System.map and kallsyms, with modules, carriage returns and mapping symbols', () => {
    const table = parseSymbolText(
      [
        'ffff800008000000 T _text',
        'ffff800008000000 t $x',
        'ffff800008010000 T _stext\r',
        '0000000000001000 A a_constant',
        'ffff800008010040 t local_function',
        'ffff800008010040 W weak_alias',
        'ffff800000a01000 t virtio_init\t[virtio_mmio]',
        'no line of a symbol',
        '                 U undefined_one',
      ].join('\n'),
    );
    expect(table.describe(0xffff_8000_0801_0044n)).toBe('weak_alias+0x4');
    expect(table.addressOf('local_function')).toBe(0xffff_8000_0801_0040n);
    expect(table.describe(0xffff_8000_00a0_1010n)).toBe('virtio_init+0x10');
    expect(table.addressOf('a_constant')).toBe(0x1000n);
    expect(table.describe(0x1004n)).toBeUndefined();
    expect(table.addressOf('$x')).toBeUndefined();
    expect(table.size).toBe(4);
  });

  test('says why there are no symbols', () => {
    expect(() => parseSymbolText('0000000000000000 T _text\n')).toThrow(/hides them/);
    expect(() => parseSymbolText('#!/bin/sh\n')).toThrow(SymbolFileError);
    expect(() => parseSymbolText('')).toThrow(SymbolFileError);
  });

  test('looks up quickly in a table of the size of a kernel', () => {
    const lines = Array.from(
      { length: 200_000 },
      (_, i) => `${(0xffff_8000_0800_0000n + BigInt(i * 48)).toString(16)} t function_${i}`,
    );
    const table = parseSymbolText(lines.join('\n'));
    for (let i = 0; i < 200_000; i += 7) {
      expect(table.at(0xffff_8000_0800_0000n + BigInt(i * 48 + 5))?.name === `function_${i}`).toBe(true);
    }
  });
});

describe('parseElfSymbols', () => {
  test.runIf(hasTool(NM))('finds every symbol that nm finds', () => {
    const table = parseElfSymbols(storm());
    const lines = execFileSync(NM, [STORM], { encoding: 'utf8' }).trim().split('\n');
    const byName = new Map<string, bigint[]>();
    for (const line of lines) {
      const match = /^([0-9a-f]{16}) [A-Za-z] (\S+)$/.exec(line)!;
      if (/^\$[xd](\.|$)/.test(match[2]!)) continue;
      byName.set(match[2]!, [...(byName.get(match[2]!) ?? []), BigInt(`0x${match[1]}`)]);
    }
    expect(byName.size).toBeGreaterThan(50);
    for (const [name, addresses] of byName) expect(addresses, name).toContain(table.addressOf(name));
    // And the text of nm is itself a symbol file.
    const fromText = parseSymbolText(lines.join('\n'));
    expect([...fromText].map((s) => s.address)).toEqual([...table].map((s) => s.address));
  });

  test.runIf(hasTool(ADDR2LINE))('names the function of an address as addr2line does', () => {
    const table = parseElfSymbols(storm());
    const functions = [...table].filter((s) => s.size > 0n && s.rank >= 8);
    const addresses = functions.flatMap((s) => [s.address, s.address + s.size / 2n, s.address + s.size - 1n]);
    const args = ['-f', '-e', STORM, ...addresses.map((a) => a.toString(16))];
    const output = execFileSync(ADDR2LINE, args, { encoding: 'utf8' }).trim().split('\n');
    expect(addresses.length).toBeGreaterThan(100);
    expect(addresses.map((a) => table.at(a)?.name)).toEqual(addresses.map((_, i) => output[i * 2]));
  });

  test.runIf(hasTool(GCC))('reads a linked program with weak, local and absolute symbols', () => {
    const folder = mkdtempSync(join(tmpdir(), 'virtrace-symbols-'));
    try {
      const source = join(folder, 'a.S');
      const elf = join(folder, 'a.elf');
      const code = [
        '.global _start, CONSTANT',
        '.weak also_start',
        'CONSTANT = 0x1234',
        '.type _start, %function',
        '_start: also_start: nop',
        'nop',
        '.size _start, . - _start',
        'label: nop',
        '.word 0',
      ];
      writeFileSync(source, `${code.join('\n')}\n`);
      const link = ['-nostdlib', '-static', '-Wl,-Ttext=0x40200000', '-Wl,--build-id=none'];
      execFileSync(GCC, [...link, '-o', elf, source]);
      const table = parseSymbols(readFileSync(elf));
      expect(table.describe(0x40200004n)).toBe('_start+0x4');
      expect(table.describe(0x40200008n)).toBe('label');
      expect(table.addressOf('also_start')).toBe(0x40200000n);
      expect(table.addressOf('CONSTANT')).toBe(0x1234n);
      expect(table.describe(0x1234n)).toBeUndefined();
      execFileSync('aarch64-linux-gnu-strip', [elf]);
      expect(() => parseSymbols(readFileSync(elf))).toThrow(/no symbol table/);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test('refuses what is cut short, and survives any damage, with an error of its own', () => {
    const file = storm();
    expect(() => parseElfSymbols(file.subarray(0, 3))).toThrow(SymbolFileError);
    expect(() => parseElfSymbols(file.subarray(0, file.length - 40))).toThrow(/cut short/);
    const headerAt = Number(new DataView(file.buffer, file.byteOffset).getBigUint64(0x28, true));
    // Damage where it matters: the file header and the section headers
    const at = fc.oneof(
      fc.nat(63),
      fc.nat(file.length - headerAt - 1).map((n) => n + headerAt),
      fc.nat(file.length - 1),
    );
    const damage = fc.array(fc.tuple(at, fc.oneof(fc.constantFrom(0, 0xff, 0x80), fc.nat(255))), {
      maxLength: 12,
    });
    fc.assert(
      fc.property(damage, (changes) => {
        const copy = file.slice();
        for (const [offset, value] of changes) copy[offset] = value;
        try {
          parseElfSymbols(copy);
        } catch (error) {
          expect(error).toBeInstanceOf(SymbolFileError);
        }
      }),
      { numRuns: 300 },
    );
  });

  test('refuses a file whose names overlap to use up memory', () => {
    const strings = 100_000;
    const symbols = 5000;
    const file = new Uint8Array(64 + 3 * 64 + strings + symbols * 24);
    const view = new DataView(file.buffer);
    file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
    view.setBigUint64(0x28, 64n, true);
    view.setUint16(0x3a, 64, true);
    view.setUint16(0x3c, 3, true);
    const section = (
      index: number,
      type: number,
      offset: number,
      bytes: number,
      link: number,
      entry: number,
    ) => {
      const base = 64 + index * 64;
      view.setUint32(base + 4, type, true);
      view.setBigUint64(base + 24, BigInt(offset), true);
      view.setBigUint64(base + 32, BigInt(bytes), true);
      view.setUint32(base + 40, link, true);
      view.setBigUint64(base + 56, BigInt(entry), true);
    };
    section(1, 3, 256, strings, 0, 0);
    section(2, 2, 256 + strings, symbols * 24, 1, 24);
    file.fill(0x61, 256, 256 + strings);
    for (let i = 0; i < symbols; i++) {
      view.setUint32(256 + strings + i * 24, i, true);
      view.setUint16(256 + strings + i * 24 + 6, 1, true);
    }
    expect(() => parseElfSymbols(file)).toThrow(/overlapping/);
  });
});
