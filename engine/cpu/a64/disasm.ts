import { Decoder } from './decoder.ts';
import { BRANCH_FORMATS } from './disasm-branch.ts';
import { DATA_FORMATS } from './disasm-data.ts';
import { EXTENSION_CLASSES } from './disasm-extensions.ts';
import { type Format, field, type Instruction, immediate, template } from './disasm-format.ts';
import { FP_CLASSES, FP_FORMATS } from './disasm-fp.ts';
import { MEMORY_FORMATS } from './disasm-memory.ts';
import { type OperandClass, SIMD_CLASSES, SIMD_FORMATS, structureFormat } from './disasm-simd.ts';
import { type CompiledEncoding, compileEncoding, type Encoding } from './encoding.ts';
import { FP_ENCODINGS } from './encodings-fp.ts';
import { BRANCH_ENCODINGS, DATA_ENCODINGS, MEMORY_ENCODINGS } from './encodings-int.ts';
import { SIMD_ENCODINGS, SIMD_LDST_ENCODINGS } from './encodings-simd.ts';

/*
 * The A64 disassembler. What a word is, the encodings table says; how it is written, the formats here and in
 * disasm-*.ts: preferred aliases, in lower case, as capstone writes them. docs/disassembler.md lists what is
 * written otherwise, and why.
 */

export interface DisassembledInstruction extends Instruction {
  /** Mnemonic and operands. */
  readonly text: string;
}

const FORMATS: { readonly [name: string]: Format } = {
  ...DATA_FORMATS,
  ...BRANCH_FORMATS,
  ...MEMORY_FORMATS,
  ...SIMD_FORMATS,
  ...FP_FORMATS,
};

const EXTENSIONS = EXTENSION_CLASSES.map((c) => ({
  ...compileEncoding({ name: c.pattern, pattern: c.pattern }),
  format: c.format,
}));

const CLASSES = [...FP_CLASSES, ...SIMD_CLASSES].map((c) => ({
  ...compileEncoding({ name: c.operands, pattern: c.pattern }),
  operands: template(c.operands),
  upperHalf: c.upperHalf === true,
})) satisfies readonly (CompiledEncoding & Omit<OperandClass, 'operands'>)[];

/** `SQSHL_reg_vec` is `sqshl`. */
const mnemonicOf = (name: string): string => name.split('_')[0]!.toLowerCase();

/** How an encoding is written; undefined if nobody has said so. */
export function formatOf(encoding: Encoding): Format | undefined {
  const byName = FORMATS[encoding.name] ?? structureFormat(encoding.name);
  if (byName !== undefined) return byName;
  const { mask, value } = compileEncoding(encoding);
  const isIn = (c: CompiledEncoding) =>
    (mask & c.mask) >>> 0 === c.mask && (value & c.mask) >>> 0 === c.value;
  const extension = EXTENSIONS.find(isIn);
  if (extension !== undefined) return extension.format;
  const found = CLASSES.find(isIn);
  if (found === undefined) return undefined;
  const { operands, upperHalf } = found;
  const mnemonic = mnemonicOf(encoding.name);
  if (!upperHalf) return (word) => ({ mnemonic, operands: operands(word) });
  const upper = `${mnemonic}2`;
  return (word) => ({ mnemonic: field(word, 30, 1) ? upper : mnemonic, operands: operands(word) });
}

/** A word that is no instruction. UDF is one that never will be (DDI 0487, C6.2.437). */
function unallocated(word: number): Instruction {
  if (word < 0x10000) return { mnemonic: 'udf', operands: immediate(word) };
  return { mnemonic: '.word', operands: `0x${word.toString(16).padStart(8, '0')}` };
}

/** A disassembler for the encodings of a table; encodings without a format are written as data. */
export class Disassembler {
  readonly decoder: Decoder;
  readonly #formats: readonly Format[];

  constructor(encodings: readonly Encoding[]) {
    this.decoder = new Decoder(encodings);
    this.#formats = encodings.map((encoding) => formatOf(encoding) ?? unallocated);
  }

  /** `address` is that of the instruction, for operands relative to it. */
  disassemble(word: number, address: bigint): DisassembledInstruction {
    const unsigned = word >>> 0;
    const index = this.decoder.find(unsigned);
    const instruction = (this.#formats[index] ?? unallocated)(unsigned, address);
    const { mnemonic, operands } = instruction;
    return { ...instruction, text: operands === '' ? mnemonic : `${mnemonic} ${operands}` };
  }
}

/** All encodings of the table, whatever the CPU model has. */
export const DISASSEMBLED_ENCODINGS: readonly Encoding[] = [
  ...DATA_ENCODINGS,
  ...BRANCH_ENCODINGS,
  ...MEMORY_ENCODINGS,
  ...SIMD_LDST_ENCODINGS,
  ...SIMD_ENCODINGS,
  ...FP_ENCODINGS,
];

const a64 = new Disassembler(DISASSEMBLED_ENCODINGS);

/** Disassembles one A64 instruction word; never throws. */
export function disassemble(word: number, address: bigint): DisassembledInstruction {
  return a64.disassemble(word, address);
}
