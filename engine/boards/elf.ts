/**
 * Bare-metal ELF images (System V ABI, "Object Files"; ELF for the Arm 64-bit Architecture, IHI 0056): just
 * what a loader needs, and nothing a file says is believed before it is checked.
 */
import { OptionError } from './option-error.ts';

/** Bytes for physical memory; beyond `bytes` the segment is zero up to `size`. */
export interface LoadSegment {
  readonly address: number;
  readonly bytes: Uint8Array;
  /** In memory, at least bytes.length. */
  readonly size: number;
}

export interface ElfProgram {
  /** Physical address of the first instruction. */
  readonly entry: number;
  readonly segments: LoadSegment[];
  /** Lowest address, and the first one after the highest. */
  readonly low: number;
  readonly high: number;
}

const ELFCLASS64 = 2;
const ELFDATA2LSB = 1;
const EM_AARCH64 = 183;
const PT_LOAD = 1;
const PF_X = 1;
const HEADER_SIZE = 64;
const PROGRAM_HEADER_SIZE = 56;
/** e_phnum when the real number is elsewhere; no loader image has so many. */
const PN_XNUM = 0xffff;

const MACHINES: { readonly [number: number]: string } = {
  3: 'x86',
  8: 'MIPS',
  20: 'PowerPC',
  21: 'PowerPC64',
  40: 'Arm (32-bit)',
  62: 'x86-64',
  183: 'AArch64',
  243: 'RISC-V',
};

export function isElf(bytes: Uint8Array): boolean {
  return (
    bytes.length >= 4 && bytes[0] === 0x7f && bytes[1] === 0x45 && bytes[2] === 0x4c && bytes[3] === 0x46
  );
}

/**
 * Reads an executable for AArch64, little-endian.
 * @param what how to name the file in messages, e.g. `-kernel test.elf`
 * @throws OptionError when it is for something else, damaged, or has nothing to load
 */
export function readElf(bytes: Uint8Array, what: string): ElfProgram {
  const fail = (why: string): OptionError => new OptionError(`${what}: ${why}`);
  if (!isElf(bytes)) throw fail('not an ELF file');
  if (bytes.length < HEADER_SIZE) throw fail('the ELF header is cut off');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const data = bytes[5];
  const machine = view.getUint16(18, data === ELFDATA2LSB);
  const machineName = MACHINES[machine] ?? `machine ${machine}`;
  if (machine !== EM_AARCH64) throw fail(`an ELF file for ${machineName}; this CPU runs AArch64`);
  if (bytes[4] !== ELFCLASS64) throw fail('a 32-bit ELF file; 64-bit is needed');
  if (data !== ELFDATA2LSB) throw fail('a big-endian ELF file; virtrace runs little-endian guests only');

  const tableAt = safe(view.getBigUint64(32, true));
  const entrySize = view.getUint16(54, true);
  const count = view.getUint16(56, true);
  if (count === 0 || count === PN_XNUM)
    throw fail('no program headers, so nothing to load (is it an object file?)');
  if (entrySize < PROGRAM_HEADER_SIZE)
    throw fail(`program headers of ${entrySize} bytes; at least 56 are needed`);
  if (tableAt + count * entrySize > bytes.length) throw fail('the program headers are cut off');

  const virtualEntry = view.getBigUint64(24, true);
  let entry = virtualEntry;
  const segments: LoadSegment[] = [];
  for (let index = 0; index < count; index++) {
    const at = tableAt + index * entrySize;
    if (view.getUint32(at, true) !== PT_LOAD) continue;
    const flags = view.getUint32(at + 4, true);
    const offset = safe(view.getBigUint64(at + 8, true));
    const virtual = view.getBigUint64(at + 16, true);
    const physical = view.getBigUint64(at + 24, true);
    const fileSize = safe(view.getBigUint64(at + 32, true));
    const size = safe(view.getBigUint64(at + 40, true));
    if (size === 0) continue;
    if (offset + fileSize > bytes.length) throw fail(`segment ${index} is cut off`);
    if (fileSize > size) throw fail(`segment ${index} has more bytes in the file than in memory`);
    if (safe(physical) + size > Number.MAX_SAFE_INTEGER) {
      throw fail(`segment ${index} is at 0x${physical.toString(16)}, beyond physical memory`);
    }
    // The entry is a virtual address; where the two differ the CPU, with its MMU off, needs the physical one.
    if ((flags & PF_X) !== 0 && virtualEntry >= virtual && virtualEntry < virtual + BigInt(fileSize)) {
      entry = virtualEntry - virtual + physical;
    }
    segments.push({ address: Number(physical), bytes: bytes.slice(offset, offset + fileSize), size });
  }
  if (segments.length === 0) throw fail('no segment to load');
  return {
    entry: safe(entry),
    segments,
    low: Math.min(...segments.map(({ address }) => address)),
    high: Math.max(...segments.map(({ address, size }) => address + size)),
  };
}

/** As a number; what is too large becomes the largest one and so fails every bounds check. */
function safe(value: bigint): number {
  return value > BigInt(Number.MAX_SAFE_INTEGER) ? Number.MAX_SAFE_INTEGER : Number(value);
}
