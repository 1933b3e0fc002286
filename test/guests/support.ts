import { readFileSync } from 'node:fs';

export const MiB = 1024 * 1024;

export interface Elf {
  readonly bytes: number;
  readonly machine: number;
  readonly entry: number;
  /** Physical address and end in memory of each PT_LOAD segment. */
  readonly segments: readonly { readonly address: number; readonly end: number }[];
  readonly functions: readonly string[];
}

/** Reads a little-endian ELF64 file (System V gABI, chapters 4 and 5), apart from the engine's loader on purpose. */
export function readElf(path: string): Elf {
  const file = readFileSync(path);
  const u64 = (offset: number): number => Number(file.readBigUInt64LE(offset));

  const segments = table(file, u64(32), 54, 56)
    .filter((at) => file.readUInt32LE(at) === 1)
    .map((at) => ({ address: u64(at + 24), end: u64(at + 24) + u64(at + 40) }));

  const sections = table(file, u64(40), 58, 60);
  const functions: string[] = [];
  for (const at of sections.filter((section) => file.readUInt32LE(section + 4) === 2)) {
    const names = u64(sections[file.readUInt32LE(at + 40)]! + 24);
    for (let symbol = u64(at + 24); symbol < u64(at + 24) + u64(at + 32); symbol += 24) {
      if ((file[symbol + 4]! & 15) !== 2) continue;
      const start = names + file.readUInt32LE(symbol);
      functions.push(file.toString('latin1', start, file.indexOf(0, start)));
    }
  }
  return { bytes: file.length, machine: file.readUInt16LE(18), entry: u64(24), segments, functions };
}

/** File offsets of a table's entries; entry size and count are fields of the ELF header. */
function table(file: Buffer, start: number, sizeField: number, countField: number): number[] {
  const size = file.readUInt16LE(sizeField);
  return Array.from({ length: file.readUInt16LE(countField) }, (_, index) => start + index * size);
}
