import { describe, expect, test } from 'vitest';
import { Disassembler, formatOf } from '../../../engine/cpu/a64/disasm.ts';
import { compileEncoding, type Encoding } from '../../../engine/cpu/a64/encoding.ts';
import { loadCapstone } from './capstone.ts';
import { RandomWords, wordsOf } from './disasm-compare.ts';
import { normalise } from './disasm-normalise.ts';

const field = (word: number, lo: number, width: number): number => (word >>> lo) & ((1 << width) - 1);
const e = (name: string, pattern: string, where?: (word: number) => boolean): Encoding =>
  where === undefined ? { name, pattern } : { name, pattern, where };

/*
 * Encodings of extensions, as a table might have them: coarse, and named after nothing in particular where the
 * mnemonic is in the bits. What capstone takes for data is skipped; it must take most for instructions.
 */
const EXTENSIONS: readonly Encoding[] = [
  e('LSE', 'size:2 111 0 00 A:1 R:1 1 Rs:5 0 opc:3 00 Rn:5 Rt:5'),
  e('SWP', 'size:2 111 0 00 A:1 R:1 1 Rs:5 1 000 00 Rn:5 Rt:5'),
  e('LDAPR', 'size:2 111 0 00 1 0 1 11111 1 100 00 Rn:5 Rt:5'),
  e('CAS', 'size:2 001000 1 L:1 1 Rs:5 o0:1 11111 Rn:5 Rt:5'),
  e('CASP', '0 sz:1 001000 0 L:1 1 Rs:5 o0:1 11111 Rn:5 Rt:5', (w) => field(w, 16, 1) + (w & 1) === 0),
  e('LRCPC2', 'size:2 011001 opc:2 0 imm9:9 00 Rn:5 Rt:5', (w) => field(w, 22, 2) + 2 * (w >>> 31) < 4),
  e('STLLR', 'size:2 001000 1 0 0 11111 0 11111 Rn:5 Rt:5'),
  e('LDLAR', 'size:2 001000 1 1 0 11111 0 11111 Rn:5 Rt:5'),
  e('PAC', '1 1 0 11010110 00001 000 opc:3 Rn:5 Rd:5'),
  e('PACZ', '1 1 0 11010110 00001 001 opc:3 11111 Rd:5'),
  e('XPAC', '1 1 0 11010110 00001 01000 D:1 11111 Rd:5'),
  e('PACGA', '1 0 0 11010110 Rm:5 001100 Rn:5 Rd:5'),
  e('BRA_key', '1101011 1 00 op:1 11111 00001 M:1 Rn:5 Rm:5'),
  e('BRA_zero', '1101011 0 00 op:1 11111 00001 M:1 Rn:5 11111'),
  e('RETA', '1101011 0 010 11111 00001 M:1 11111 11111'),
  e('ERETA', '1101011 0 100 11111 00001 M:1 11111 11111'),
  e('LDRA', '11 111 0 00 M:1 S:1 1 imm9:9 W:1 1 Rn:5 Rt:5'),
  e('SB', '11010101 00000011 0011 0000 111 11111'),
  e('RMIF', '1 0 1 11010000 imm6:6 00001 Rn:5 0 mask:4'),
  e('SETF', '0 0 1 11010000 000000 0 0010 Rn:5 0 1101'),
  e('SETF16', '0 0 1 11010000 000000 1 0010 Rn:5 0 1101'),
  e('CFINV', '11010101 00000 000 0100 0000 000 11111'),
  e('FCMLA', '0 Q:1 1 01110 size:2 0 Rm:5 1 10 rot:2 1 Rn:5 Rd:5', (w) => field(w, 22, 2) > 0),
  e('FCADD', '0 Q:1 1 01110 size:2 0 Rm:5 1 11 rot:1 0 1 Rn:5 Rd:5', (w) => field(w, 22, 2) > 0),
  e('FCMLA_elt', '0 Q:1 1 01111 01 L:1 Rm:5 0 rot:2 1 H:1 0 Rn:5 Rd:5'),
  e('FCMLA_elt_s', '0 1 1 01111 10 0 Rm:5 0 rot:2 1 H:1 0 Rn:5 Rd:5'),
  e('FJCVTZS', '0 0 0 11110 01 1 11 110 000000 Rn:5 Rd:5'),
  e('FHM', '0 Q:1 0 01110 S:1 0 1 Rm:5 11101 1 Rn:5 Rd:5'),
  e('FHM2', '0 Q:1 1 01110 S:1 0 1 Rm:5 11001 1 Rn:5 Rd:5'),
  e('FHM_elt', '0 Q:1 0 01111 10 L:1 M:1 Rm:4 0 S:1 00 H:1 0 Rn:5 Rd:5'),
  e('FHM2_elt', '0 Q:1 1 01111 10 L:1 M:1 Rm:4 1 S:1 00 H:1 0 Rn:5 Rd:5'),
  e('FRINT32Z_scalar', '0 0 0 11110 0 sz:1 1 0100 00 10000 Rn:5 Rd:5'),
  e('FRINT32X_scalar', '0 0 0 11110 0 sz:1 1 0100 01 10000 Rn:5 Rd:5'),
  e('FRINT64Z_vec', '0 Q:1 0 01110 0 sz:1 10000 11111 10 Rn:5 Rd:5'),
  e('FRINT64X_vec', '0 Q:1 1 01110 0 sz:1 10000 11111 10 Rn:5 Rd:5'),
  e('BFDOT_vec', '0 Q:1 1 01110 01 0 Rm:5 1 1111 1 Rn:5 Rd:5'),
  e('BFMLAL_vec', '0 Q:1 1 01110 11 0 Rm:5 1 1111 1 Rn:5 Rd:5'),
  e('BFMMLA', '0 1 1 01110 01 0 Rm:5 1 1101 1 Rn:5 Rd:5'),
  e('BFDOT_elt', '0 Q:1 0 01111 01 L:1 Rm:5 1111 H:1 0 Rn:5 Rd:5'),
  e('BFMLAL_elt', '0 Q:1 0 01111 11 L:1 M:1 Rm:4 1111 H:1 0 Rn:5 Rd:5'),
  e('BFCVT', '0 0 0 11110 01 1 000110 10000 Rn:5 Rd:5'),
  e('BFCVTN', '0 Q:1 0 01110 10 10000 10110 10 Rn:5 Rd:5'),
];

describe('formats of extensions that may not be in the table yet', () => {
  test('are as capstone writes them', async () => {
    const capstone = await loadCapstone();
    const random = new RandomWords(0xe47);
    const different: string[] = [];
    for (const encoding of EXTENSIONS) {
      expect(formatOf(encoding), encoding.name).toBeDefined();
      const disassembler = new Disassembler([encoding]);
      const words = wordsOf(compileEncoding(encoding), 1000, random).filter(
        (w) => encoding.where?.(w) ?? true,
      );
      const theirs = capstone.disassemble(words, 0x1000n);
      let same = 0;
      words.forEach((word, i) => {
        const there = theirs[i];
        if (there === undefined) return;
        const here = disassembler.disassemble(word, 0x1000n).text;
        if (here === normalise(there, word)) same++;
        else different.push(`${encoding.name} ${word.toString(16)}: ${here}, capstone: ${there}`);
      });
      if (same < words.length / 4)
        different.push(`${encoding.name}: only ${same} of ${words.length} compared`);
    }
    expect(different.slice(0, 20)).toEqual([]);
  });
});
