import type { Encoding } from './encoding.ts';
import { LATER_BRANCH, LATER_DATA, LATER_MEMORY } from './encodings-later.ts';

/**
 * A64 integer, branch, system, and load/store encodings (Arm ARM DDI 0487, C4.1). One entry is one encoding
 * class; how each is lowered stands in lower-data.ts, lower-branch.ts and lower-memory.ts under the same name.
 */

const field = (word: number, lo: number, width: number): number => (word >>> lo) & ((1 << width) - 1);

/** DecodeBitMasks accepts this N:immr:imms (Arm ARM, shared/functions). */
export function validBitMask(word: number): boolean {
  const sf = word >>> 31;
  const n = field(word, 22, 1);
  const imms = field(word, 10, 6);
  if (sf === 0 && n === 1) return false;
  const length = 31 - Math.clz32((n << 6) | (~imms & 0x3f));
  if (length < 1) return false;
  const levels = (1 << length) - 1;
  return (imms & levels) !== levels;
}

/** sf:N, shift amounts below the register width. */
const narrowShift = (word: number): boolean => word >>> 31 === 1 || field(word, 15, 1) === 0;

export const DATA_ENCODINGS: readonly Encoding[] = [
  ...LATER_DATA,
  { name: 'ADR', pattern: '0 immlo:2 10000 immhi:19 Rd:5' },
  { name: 'ADRP', pattern: '1 immlo:2 10000 immhi:19 Rd:5' },
  { name: 'ADDSUB_imm', pattern: 'sf:1 op:1 S:1 100010 sh:1 imm12:12 Rn:5 Rd:5' },
  { name: 'LOGICAL_imm', pattern: 'sf:1 opc:2 100100 N:1 immr:6 imms:6 Rn:5 Rd:5', where: validBitMask },
  {
    name: 'MOVWIDE',
    pattern: 'sf:1 opc:2 100101 hw:2 imm16:16 Rd:5',
    where: (w) => field(w, 29, 2) !== 1 && (w >>> 31 === 1 || field(w, 22, 1) === 0),
  },
  {
    name: 'BITFIELD',
    pattern: 'sf:1 opc:2 100110 N:1 immr:6 imms:6 Rn:5 Rd:5',
    where: (w) =>
      field(w, 29, 2) !== 3 &&
      field(w, 22, 1) === w >>> 31 &&
      (w >>> 31 === 1 || (field(w, 21, 1) === 0 && field(w, 15, 1) === 0)),
  },
  {
    name: 'EXTR',
    pattern: 'sf:1 00 100111 N:1 0 Rm:5 imms:6 Rn:5 Rd:5',
    where: (w) => field(w, 22, 1) === w >>> 31 && narrowShift(w),
  },
  {
    name: 'LOGICAL_shift',
    pattern: 'sf:1 opc:2 01010 shift:2 N:1 Rm:5 imm6:6 Rn:5 Rd:5',
    where: narrowShift,
  },
  {
    name: 'ADDSUB_shift',
    pattern: 'sf:1 op:1 S:1 01011 shift:2 0 Rm:5 imm6:6 Rn:5 Rd:5',
    where: (w) => field(w, 22, 2) !== 3 && narrowShift(w),
  },
  {
    name: 'ADDSUB_ext',
    pattern: 'sf:1 op:1 S:1 01011 00 1 Rm:5 option:3 imm3:3 Rn:5 Rd:5',
    where: (w) => field(w, 10, 3) <= 4,
  },
  { name: 'ADC_SBC', pattern: 'sf:1 op:1 S:1 11010000 Rm:5 000000 Rn:5 Rd:5' },
  { name: 'CCMP_reg', pattern: 'sf:1 op:1 1 11010010 Rm:5 cond:4 00 Rn:5 0 nzcv:4' },
  { name: 'CCMP_imm', pattern: 'sf:1 op:1 1 11010010 imm5:5 cond:4 10 Rn:5 0 nzcv:4' },
  { name: 'CSEL', pattern: 'sf:1 op:1 0 11010100 Rm:5 cond:4 0 o2:1 Rn:5 Rd:5' },
  { name: 'MADD_MSUB', pattern: 'sf:1 00 11011 000 Rm:5 o0:1 Ra:5 Rn:5 Rd:5' },
  { name: 'MADDL_MSUBL', pattern: '1 00 11011 U:1 01 Rm:5 o0:1 Ra:5 Rn:5 Rd:5' },
  // Ra is (1)(1)(1)(1)(1): ignored
  { name: 'MULH', pattern: '1 00 11011 U:1 10 Rm:5 0 Ra:5 Rn:5 Rd:5' },
  { name: 'DIV', pattern: 'sf:1 0 0 11010110 Rm:5 00001 o1:1 Rn:5 Rd:5' },
  { name: 'SHIFT_reg', pattern: 'sf:1 0 0 11010110 Rm:5 0010 op2:2 Rn:5 Rd:5' },
  { name: 'RBIT', pattern: 'sf:1 1 0 11010110 00000 000000 Rn:5 Rd:5' },
  { name: 'REV16', pattern: 'sf:1 1 0 11010110 00000 000001 Rn:5 Rd:5' },
  { name: 'REV32', pattern: 'sf:1 1 0 11010110 00000 000010 Rn:5 Rd:5' },
  { name: 'REV64', pattern: '1 1 0 11010110 00000 000011 Rn:5 Rd:5' },
  { name: 'CLZ', pattern: 'sf:1 1 0 11010110 00000 000100 Rn:5 Rd:5' },
  { name: 'CLS', pattern: 'sf:1 1 0 11010110 00000 000101 Rn:5 Rd:5' },
];

export const BRANCH_ENCODINGS: readonly Encoding[] = [
  ...LATER_BRANCH,
  { name: 'B', pattern: '0 00101 imm26:26' },
  { name: 'BL', pattern: '1 00101 imm26:26' },
  { name: 'B_cond', pattern: '01010100 imm19:19 0 cond:4' },
  { name: 'CBZ', pattern: 'sf:1 011010 op:1 imm19:19 Rt:5' },
  { name: 'TBZ', pattern: 'b5:1 011011 op:1 b40:5 imm14:14 Rt:5' },
  { name: 'BR', pattern: '1101011 0000 11111 000000 Rn:5 00000' },
  { name: 'BLR', pattern: '1101011 0001 11111 000000 Rn:5 00000' },
  { name: 'RET', pattern: '1101011 0010 11111 000000 Rn:5 00000' },
  { name: 'ERET', pattern: '1101011 0100 11111 000000 11111 00000' },
  { name: 'DRPS', pattern: '1101011 0101 11111 000000 11111 00000' },
  { name: 'SVC', pattern: '11010100 000 imm16:16 000 01' },
  { name: 'HVC', pattern: '11010100 000 imm16:16 000 10' },
  { name: 'SMC', pattern: '11010100 000 imm16:16 000 11' },
  { name: 'BRK', pattern: '11010100 001 imm16:16 000 00' },
  { name: 'HLT', pattern: '11010100 010 imm16:16 000 00' },
  { name: 'DCPS', pattern: '11010100 101 imm16:16 000 LL:2', where: (w) => (w & 3) !== 0 },
  { name: 'HINT', pattern: '11010101 00000011 0010 CRm:4 op2:3 11111' },
  { name: 'CLREX', pattern: '11010101 00000011 0011 CRm:4 010 11111' },
  { name: 'DSB', pattern: '11010101 00000011 0011 CRm:4 100 11111' },
  { name: 'DMB', pattern: '11010101 00000011 0011 CRm:4 101 11111' },
  { name: 'ISB', pattern: '11010101 00000011 0011 CRm:4 110 11111' },
  { name: 'MSR_imm', pattern: '11010101 00000 op1:3 0100 CRm:4 op2:3 11111' },
  { name: 'SYS', pattern: '11010101 00 L:1 01 op1:3 CRn:4 CRm:4 op2:3 Rt:5' },
  { name: 'MSR_reg', pattern: '11010101 00 0 1 o0:1 op1:3 CRn:4 CRm:4 op2:3 Rt:5' },
  { name: 'MRS', pattern: '11010101 00 1 1 o0:1 op1:3 CRn:4 CRm:4 op2:3 Rt:5' },
];

/** size and opc of a single-register access (V = 0, or V = 1) are allocated. */
function allocatedSingle(word: number): boolean {
  const size = word >>> 30;
  const opc = field(word, 22, 2);
  if (field(word, 26, 1) === 1) return opc < 2 || size === 0;
  return !(opc === 3 && size >= 2);
}

/** The same without PRFM, which exists only with scaled, unscaled and register offsets. */
const allocatedNoPrefetch = (w: number): boolean =>
  allocatedSingle(w) && !(field(w, 26, 1) === 0 && w >>> 30 === 3 && field(w, 22, 2) === 2);

export const MEMORY_ENCODINGS: readonly Encoding[] = [
  ...LATER_MEMORY,
  { name: 'LDR_lit', pattern: 'opc:2 011 0 00 imm19:19 Rt:5' },
  { name: 'LDR_lit_simd', pattern: 'opc:2 011 1 00 imm19:19 Rt:5', where: (w) => w >>> 30 !== 3 },
  { name: 'STXR', pattern: 'size:2 001000 0 0 0 Rs:5 o0:1 Rt2:5 Rn:5 Rt:5' },
  { name: 'LDXR', pattern: 'size:2 001000 0 1 0 Rs:5 o0:1 Rt2:5 Rn:5 Rt:5' },
  { name: 'STXP', pattern: '1 sz:1 001000 0 0 1 Rs:5 o0:1 Rt2:5 Rn:5 Rt:5' },
  { name: 'LDXP', pattern: '1 sz:1 001000 0 1 1 Rs:5 o0:1 Rt2:5 Rn:5 Rt:5' },
  { name: 'STLR', pattern: 'size:2 001000 1 0 0 Rs:5 1 Rt2:5 Rn:5 Rt:5' },
  { name: 'LDAR', pattern: 'size:2 001000 1 1 0 Rs:5 1 Rt2:5 Rn:5 Rt:5' },
  {
    name: 'LDST_pair',
    pattern: 'opc:2 101 V:1 0 mode:2 L:1 imm7:7 Rt2:5 Rn:5 Rt:5',
    where: (w) => {
      const opc = w >>> 30;
      if (opc === 3) return false;
      // LDPSW: loads only, and not in the no-allocate form
      return field(w, 26, 1) === 1 || opc !== 1 || (field(w, 22, 1) === 1 && field(w, 23, 2) !== 0);
    },
  },
  { name: 'LDST_unscaled', pattern: 'size:2 111 V:1 00 opc:2 0 imm9:9 00 Rn:5 Rt:5', where: allocatedSingle },
  { name: 'LDST_post', pattern: 'size:2 111 V:1 00 opc:2 0 imm9:9 01 Rn:5 Rt:5', where: allocatedNoPrefetch },
  { name: 'LDST_unpriv', pattern: 'size:2 111 0 00 opc:2 0 imm9:9 10 Rn:5 Rt:5', where: allocatedNoPrefetch },
  { name: 'LDST_pre', pattern: 'size:2 111 V:1 00 opc:2 0 imm9:9 11 Rn:5 Rt:5', where: allocatedNoPrefetch },
  {
    name: 'LDST_reg',
    pattern: 'size:2 111 V:1 00 opc:2 1 Rm:5 option:3 S:1 10 Rn:5 Rt:5',
    where: (w) => allocatedSingle(w) && field(w, 14, 1) === 1,
  },
  { name: 'LDST_imm', pattern: 'size:2 111 V:1 01 opc:2 imm12:12 Rn:5 Rt:5', where: allocatedSingle },
];
