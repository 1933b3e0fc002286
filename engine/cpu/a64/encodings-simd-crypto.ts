import type { SimdEncoding } from './encodings-simd.ts';

/* C4.1 "Cryptographic AES", "... three-register SHA" and so on, and the CRC32 instructions. */

const named = (feature: string, name: string, pattern: string, helper = `op_${name}`): SimdEncoding => ({
  name,
  pattern,
  feature,
  helper,
});
const aes = (name: string, opcode: string) =>
  named('FEAT_AES', name, `01001110 00 10100 ${opcode} 10 Rn:5 Rd:5`);
const sha3reg = (feature: string, name: string, opcode: string) =>
  named(feature, name, `01011110 00 0 Rm:5 0 ${opcode} 00 Rn:5 Rd:5`);
const sha2reg = (feature: string, name: string, opcode: string) =>
  named(feature, name, `01011110 00 10100 ${opcode} 10 Rn:5 Rd:5`);
const later3 = (feature: string, name: string, o: string, opcode: string) =>
  named(feature, name, `11001110011 Rm:5 1 ${o} 00 ${opcode} Rn:5 Rd:5`);
const four = (feature: string, name: string, op0: string) =>
  named(feature, name, `110011100 ${op0} Rm:5 0 Ra:5 Rn:5 Rd:5`);
const sm3tt = (name: string, opcode: string) =>
  named('FEAT_SM3', name, `11001110010 Rm:5 10 imm2:2 ${opcode} Rn:5 Rd:5`, 'op_SM3TT');

export const SIMD_CRYPTO_ENCODINGS: readonly SimdEncoding[] = [
  aes('AESE', '00100'),
  aes('AESD', '00101'),
  aes('AESMC', '00110'),
  aes('AESIMC', '00111'),
  sha3reg('FEAT_SHA1', 'SHA1C', '000'),
  sha3reg('FEAT_SHA1', 'SHA1P', '001'),
  sha3reg('FEAT_SHA1', 'SHA1M', '010'),
  sha3reg('FEAT_SHA1', 'SHA1SU0', '011'),
  sha3reg('FEAT_SHA256', 'SHA256H', '100'),
  sha3reg('FEAT_SHA256', 'SHA256H2', '101'),
  sha3reg('FEAT_SHA256', 'SHA256SU1', '110'),
  sha2reg('FEAT_SHA1', 'SHA1H', '00000'),
  sha2reg('FEAT_SHA1', 'SHA1SU1', '00001'),
  sha2reg('FEAT_SHA256', 'SHA256SU0', '00010'),
  later3('FEAT_SHA512', 'SHA512H', '0', '00'),
  later3('FEAT_SHA512', 'SHA512H2', '0', '01'),
  later3('FEAT_SHA512', 'SHA512SU1', '0', '10'),
  named('FEAT_SHA512', 'SHA512SU0', '11001110110000001000 00 Rn:5 Rd:5'),
  later3('FEAT_SHA3', 'RAX1', '0', '11'),
  four('FEAT_SHA3', 'EOR3', '00'),
  four('FEAT_SHA3', 'BCAX', '01'),
  named('FEAT_SHA3', 'XAR', '11001110100 Rm:5 imm6:6 Rn:5 Rd:5'),
  later3('FEAT_SM3', 'SM3PARTW1', '1', '00'),
  later3('FEAT_SM3', 'SM3PARTW2', '1', '01'),
  four('FEAT_SM3', 'SM3SS1', '10'),
  sm3tt('SM3TT1A', '00'),
  sm3tt('SM3TT1B', '01'),
  sm3tt('SM3TT2A', '10'),
  sm3tt('SM3TT2B', '11'),
  later3('FEAT_SM4', 'SM4EKEY', '1', '10'),
  named('FEAT_SM4', 'SM4E', '11001110110000001000 01 Rn:5 Rd:5'),
  {
    name: 'CRC32',
    // C selects CRC32C. 64-bit values, and only those, are in the sf form.
    pattern: 'sf:1 0 0 11010110 Rm:5 010 C:1 sz:2 Rn:5 Rd:5',
    where: (word) => word >>> 31 === (((word >>> 10) & 3) === 3 ? 1 : 0),
    feature: 'FEAT_CRC32',
    helper: 'op_CRC32',
  },
];
