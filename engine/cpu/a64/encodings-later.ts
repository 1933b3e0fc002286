import type { Encoding } from './encoding.ts';
import { PAUTH_BRANCH, PAUTH_DATA, PAUTH_MEMORY } from './encodings-pauth.ts';

/**
 * A64 integer, system and load/store encodings that came after Armv8.0 (Arm ARM DDI 0487, C4.1), each with the
 * feature that brings it. They stand before those of Armv8.0, of whose reserved space some are part.
 */

const even = (word: number, lo: number): boolean => ((word >>> lo) & 1) === 0;

export const LATER_DATA: readonly Encoding[] = [
  ...PAUTH_DATA,
  { name: 'RMIF', pattern: '1 0 1 11010000 imm6:6 00001 Rn:5 0 mask:4', feature: 'FEAT_FlagM' },
  { name: 'SETF', pattern: '0 0 1 11010000 000000 sz:1 0010 Rn:5 0 1101', feature: 'FEAT_FlagM' },
];

export const LATER_BRANCH: readonly Encoding[] = [
  ...PAUTH_BRANCH,
  { name: 'SB', pattern: '11010101 00000011 0011 0000 111 11111', feature: 'FEAT_SB' },
  { name: 'CFINV', pattern: '11010101 00000 000 0100 0000 000 11111', feature: 'FEAT_FlagM' },
  { name: 'XAFLAG', pattern: '11010101 00000 000 0100 0000 001 11111', feature: 'FEAT_FlagM2' },
  { name: 'AXFLAG', pattern: '11010101 00000 000 0100 0000 010 11111', feature: 'FEAT_FlagM2' },
];

export const LATER_MEMORY: readonly Encoding[] = [
  ...PAUTH_MEMORY,
  { name: 'STLLR', pattern: 'size:2 001000 1 0 0 Rs:5 0 Rt2:5 Rn:5 Rt:5', feature: 'FEAT_LOR' },
  { name: 'LDLAR', pattern: 'size:2 001000 1 1 0 Rs:5 0 Rt2:5 Rn:5 Rt:5', feature: 'FEAT_LOR' },
  // LDADD, LDCLR, LDEOR, LDSET, LDSMAX, LDSMIN, LDUMAX, LDUMIN and their stores
  { name: 'LDOP', pattern: 'size:2 111 0 00 A:1 R:1 1 Rs:5 0 opc:3 00 Rn:5 Rt:5', feature: 'FEAT_LSE' },
  { name: 'SWP', pattern: 'size:2 111 0 00 A:1 R:1 1 Rs:5 1 000 00 Rn:5 Rt:5', feature: 'FEAT_LSE' },
  { name: 'CAS', pattern: 'size:2 001000 1 L:1 1 Rs:5 o0:1 11111 Rn:5 Rt:5', feature: 'FEAT_LSE' },
  {
    name: 'CASP',
    pattern: '0 sz:1 001000 0 L:1 1 Rs:5 o0:1 11111 Rn:5 Rt:5',
    feature: 'FEAT_LSE',
    where: (w) => even(w, 16) && even(w, 0),
  },
  { name: 'LDAPR', pattern: 'size:2 111 0 00 1 0 1 11111 1 100 00 Rn:5 Rt:5', feature: 'FEAT_LRCPC' },
  { name: 'STLUR', pattern: 'size:2 011001 00 0 imm9:9 00 Rn:5 Rt:5', feature: 'FEAT_LRCPC2' },
  {
    // LDAPUR, LDAPURSB, LDAPURSH, LDAPURSW
    name: 'LDAPUR',
    pattern: 'size:2 011001 opc:2 0 imm9:9 00 Rn:5 Rt:5',
    feature: 'FEAT_LRCPC2',
    where: (w) => {
      const opc = (w >>> 22) & 3;
      return opc !== 0 && (opc === 1 || (opc === 2 ? w >>> 30 < 3 : w >>> 30 < 2));
    },
  },
];
