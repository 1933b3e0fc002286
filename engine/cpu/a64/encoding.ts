/**
 * The form of the A64 encodings tables. One entry is one encoding class of the Arm ARM (DDI 0487, chapter
 * C4 "A64 Instruction Set Encoding"); decoder, disassembler, random-instruction generator and the coverage
 * page are all derived from these entries.
 */
export interface Encoding {
  /** Unique. Mnemonic and class, e.g. `ADD_imm`, `LDR_lit`, `FADD_scalar`. */
  readonly name: string;
  /**
   * 32 bits, most significant first: runs of 0/1, and `name:width` fields, separated by spaces,
   * e.g. `sf:1 0 0 100010 sh:1 imm12:12 Rn:5 Rd:5`. `x:width` is a don't-care.
   */
  readonly pattern: string;
  /** False for words that match the pattern but are unallocated (UNDEFINED). */
  readonly where?: (word: number) => boolean;
  /** Feature without which the encoding is UNDEFINED, e.g. `FEAT_CRC32`. Absent: Armv8.0 base. */
  readonly feature?: string;
}

export interface CompiledEncoding extends Encoding {
  readonly mask: number;
  readonly value: number;
  readonly fields: ReadonlyMap<string, { readonly lo: number; readonly width: number }>;
}

export function compileEncoding(encoding: Encoding): CompiledEncoding {
  let at = 32;
  let mask = 0;
  let value = 0;
  const fields = new Map<string, { lo: number; width: number }>();
  for (const token of encoding.pattern.split(/\s+/)) {
    const colon = token.indexOf(':');
    if (colon < 0) {
      for (const digit of token) {
        at -= 1;
        if (digit !== '0' && digit !== '1') throw new Error(`${encoding.name}: bad digit in '${token}'`);
        mask |= 1 << at;
        if (digit === '1') value |= 1 << at;
      }
    } else {
      const width = Number(token.slice(colon + 1));
      at -= width;
      if (token.slice(0, colon) !== 'x') fields.set(token.slice(0, colon), { lo: at, width });
    }
  }
  if (at !== 0) throw new Error(`${encoding.name}: pattern has ${32 - at} bits`);
  return { ...encoding, mask: mask >>> 0, value: value >>> 0, fields };
}
