import type { Encoding } from './encoding.ts';

/* C4.1 "Advanced SIMD load/store multiple structures" and "... single structure", with post-indexed forms. */

/** Registers transferred per repeat (`selem`) and repeats (`rpt`), by opcode bits 15:12. */
export const MULTIPLE_STRUCTURES: ReadonlyMap<number, { readonly rpt: number; readonly selem: number }> =
  new Map([
    [0b0000, { rpt: 1, selem: 4 }],
    [0b0010, { rpt: 4, selem: 1 }],
    [0b0100, { rpt: 1, selem: 3 }],
    [0b0110, { rpt: 3, selem: 1 }],
    [0b0111, { rpt: 1, selem: 1 }],
    [0b1000, { rpt: 1, selem: 2 }],
    [0b1010, { rpt: 2, selem: 1 }],
  ]);

const q = (word: number) => (word >>> 30) & 1;
const size = (word: number) => (word >>> 10) & 3;
/** Interleaving needs two elements at least: 1D is left to LD1 and ST1. */
const interleaved = (word: number) => size(word) !== 3 || q(word) === 1;

/** log2 of the element's bytes in bits 15:14 (`scale`); what the smaller index leaves over must be zero. */
function singleAllocated(word: number): boolean {
  switch ((word >>> 14) & 3) {
    case 0:
      return true;
    case 1:
      return (size(word) & 1) === 0;
    default:
      return size(word) === 0 || (size(word) === 1 && ((word >>> 12) & 1) === 0);
  }
}

function multiple(): Encoding[] {
  const encodings: Encoding[] = [];
  for (const [opcode, { rpt, selem }] of MULTIPLE_STRUCTURES) {
    for (const [l, mnemonic] of ['ST', 'LD'].entries()) {
      const name = `${mnemonic}${selem}_multiple${selem === 1 ? `_${rpt}` : ''}`;
      const tail = `${opcode.toString(2).padStart(4, '0')} size:2 Rn:5 Rt:5`;
      const where = selem === 1 ? {} : { where: interleaved };
      encodings.push(
        { name, pattern: `0 Q:1 0011000 ${l} 000000 ${tail}`, ...where },
        { name: `${name}_post`, pattern: `0 Q:1 0011001 ${l} 0 Rm:5 ${tail}`, ...where },
      );
    }
  }
  return encodings;
}

function single(): Encoding[] {
  const encodings: Encoding[] = [];
  for (const selem of [1, 2, 3, 4]) {
    const r = (selem - 1) & 1;
    const opcode0 = (selem - 1) >> 1;
    const address = [
      ['', `0011010 L ${r} 00000`],
      ['_post', `0011011 L ${r} Rm:5`],
    ] as const;
    for (const [suffix, head] of address) {
      for (const [l, mnemonic] of ['ST', 'LD'].entries()) {
        // scale is bits 15:14; 11 is the replicating form, below.
        encodings.push({
          name: `${mnemonic}${selem}_single${suffix}`,
          pattern: `0 Q:1 ${head.replace('L', String(l))} scale:2 ${opcode0} S:1 size:2 Rn:5 Rt:5`,
          where: (word) => ((word >>> 14) & 3) !== 3 && singleAllocated(word),
        });
      }
      encodings.push({
        name: `LD${selem}R${suffix}`,
        pattern: `0 Q:1 ${head.replace('L', '1')} 11 ${opcode0} 0 size:2 Rn:5 Rt:5`,
      });
    }
  }
  return encodings;
}

/** Their accesses are described by expandStructure() in simd-structure.ts. */
export const SIMD_LDST_ENCODINGS: readonly Encoding[] = [...multiple(), ...single()];
