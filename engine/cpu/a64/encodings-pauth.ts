import type { Encoding } from './encoding.ts';

/** Pointer authentication (FEAT_PAuth; Arm ARM C4.1). Without it, those in the space of hints do nothing. */

const hint = (name: string, crm: string, op2: string): Encoding => ({
  name,
  pattern: `11010101 00000011 0010 ${crm} ${op2} 11111`,
  feature: 'FEAT_PAuth',
});
const authenticated = (name: string, pattern: string, where?: (word: number) => boolean): Encoding => ({
  name,
  pattern,
  feature: 'FEAT_PAuth',
  ...(where === undefined ? {} : { where }),
});

export const PAUTH_BRANCH: readonly Encoding[] = [
  hint('XPACLRI', '0000', '111'),
  hint('PAC1716', '0001', '0 B:1 0'),
  hint('AUT1716', '0001', '1 B:1 0'),
  hint('PACLR', '0011', '0 B:1 SP:1'),
  hint('AUTLR', '0011', '1 B:1 SP:1'),
  authenticated('BRA', '1101011 1 000 11111 00001 M:1 Rn:5 Rm:5'),
  authenticated('BRAZ', '1101011 0 000 11111 00001 M:1 Rn:5 11111'),
  authenticated('BLRA', '1101011 1 001 11111 00001 M:1 Rn:5 Rm:5'),
  authenticated('BLRAZ', '1101011 0 001 11111 00001 M:1 Rn:5 11111'),
  authenticated('RETA', '1101011 0 010 11111 00001 M:1 11111 11111'),
  authenticated('ERETA', '1101011 0 100 11111 00001 M:1 11111 11111'),
];

export const PAUTH_DATA: readonly Encoding[] = [
  authenticated('PAC', '1 1 0 11010110 00001 000 0 D:1 B:1 Rn:5 Rd:5'),
  authenticated('AUT', '1 1 0 11010110 00001 000 1 D:1 B:1 Rn:5 Rd:5'),
  authenticated('PACZ', '1 1 0 11010110 00001 001 0 D:1 B:1 11111 Rd:5'),
  authenticated('AUTZ', '1 1 0 11010110 00001 001 1 D:1 B:1 11111 Rd:5'),
  authenticated('XPAC', '1 1 0 11010110 00001 01000 D:1 11111 Rd:5'),
  authenticated('PACGA', '1 0 0 11010110 Rm:5 001100 Rn:5 Rd:5'),
];

export const PAUTH_MEMORY: readonly Encoding[] = [
  authenticated('LDRA', '11 111 0 00 M:1 S:1 1 imm9:9 W:1 1 Rn:5 Rt:5'),
];
