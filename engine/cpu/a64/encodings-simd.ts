import type { Encoding } from './encoding.ts';
import { SIMD_CRYPTO_ENCODINGS } from './encodings-simd-crypto.ts';
import { SIMD_MOVE_ENCODINGS } from './encodings-simd-move.ts';
import { SIMD_MULTI_SIZE_ENCODINGS } from './encodings-simd-wide.ts';

export { SIMD_LDST_ENCODINGS } from './encodings-simd-ldst.ts';

/** An encoding and the function of helpers.wasm, `op_...(cpu: usize, insn: u32): void`, that executes it. */
export interface SimdEncoding extends Encoding {
  /** It relies on `where`, and on the caller for access traps (CPACR_EL1.FPEN). */
  readonly helper: string;
}

type Where = (word: number) => boolean;

const size = (word: number) => (word >>> 22) & 3;
const q = (word: number) => (word >>> 30) & 1;
/** 64-bit elements only in 128-bit vectors. */
const any: Where = (word) => size(word) !== 3 || q(word) === 1;
const not64: Where = (word) => size(word) !== 3;
const only8: Where = (word) => size(word) === 0;
const upTo16: Where = (word) => size(word) < 2;
const only16or32: Where = (word) => size(word) === 1 || size(word) === 2;
const only64: Where = (word) => size(word) === 3;

/** Row: opcode, U, mnemonic, sizes of the vector form, sizes of the scalar form, helper if not by mnemonic. */
type Row = readonly [string, 0 | 1, string, Where | undefined, (Where | 'all' | undefined)?, string?];

/** C4.1 "Advanced SIMD three same" and "scalar three same". */
const THREE_SAME: readonly Row[] = [
  ['00000', 0, 'SHADD', not64],
  ['00000', 1, 'UHADD', not64],
  ['00001', 0, 'SQADD', any, 'all'],
  ['00001', 1, 'UQADD', any, 'all'],
  ['00010', 0, 'SRHADD', not64],
  ['00010', 1, 'URHADD', not64],
  ['00100', 0, 'SHSUB', not64],
  ['00100', 1, 'UHSUB', not64],
  ['00101', 0, 'SQSUB', any, 'all'],
  ['00101', 1, 'UQSUB', any, 'all'],
  ['00110', 0, 'CMGT', any, only64],
  ['00110', 1, 'CMHI', any, only64],
  ['00111', 0, 'CMGE', any, only64],
  ['00111', 1, 'CMHS', any, only64],
  ['01000', 0, 'SSHL', any, only64],
  ['01000', 1, 'USHL', any, only64],
  ['01001', 0, 'SQSHL_reg', any, 'all'],
  ['01001', 1, 'UQSHL_reg', any, 'all'],
  ['01010', 0, 'SRSHL', any, only64],
  ['01010', 1, 'URSHL', any, only64],
  ['01011', 0, 'SQRSHL', any, 'all'],
  ['01011', 1, 'UQRSHL', any, 'all'],
  ['01100', 0, 'SMAX', not64],
  ['01100', 1, 'UMAX', not64],
  ['01101', 0, 'SMIN', not64],
  ['01101', 1, 'UMIN', not64],
  ['01110', 0, 'SABD', not64],
  ['01110', 1, 'UABD', not64],
  ['01111', 0, 'SABA', not64],
  ['01111', 1, 'UABA', not64],
  ['10000', 0, 'ADD', any, only64, 'op_ADD_vec'],
  ['10000', 1, 'SUB', any, only64, 'op_SUB_vec'],
  ['10001', 0, 'CMTST', any, only64],
  ['10001', 1, 'CMEQ', any, only64],
  ['10010', 0, 'MLA', not64],
  ['10010', 1, 'MLS', not64],
  ['10011', 0, 'MUL', not64],
  ['10011', 1, 'PMUL', only8],
  ['10100', 0, 'SMAXP', not64],
  ['10100', 1, 'UMAXP', not64],
  ['10101', 0, 'SMINP', not64],
  ['10101', 1, 'UMINP', not64],
  ['10110', 0, 'SQDMULH', only16or32, only16or32],
  ['10110', 1, 'SQRDMULH', only16or32, only16or32],
  ['10111', 0, 'ADDP', any, undefined, 'op_ADDP_vec'],
];

/** C4.1 "Advanced SIMD two-register miscellaneous" and "scalar two-register miscellaneous", integer part. */
const TWO_REG_MISC: readonly Row[] = [
  ['00000', 0, 'REV64', not64],
  ['00000', 1, 'REV32', upTo16, undefined, 'op_REV32_vec'],
  ['00001', 0, 'REV16', only8, undefined, 'op_REV16_vec'],
  ['00010', 0, 'SADDLP', not64],
  ['00010', 1, 'UADDLP', not64],
  ['00011', 0, 'SUQADD', any, 'all'],
  ['00011', 1, 'USQADD', any, 'all'],
  ['00100', 0, 'CLS', not64, undefined, 'op_CLS_vec'],
  ['00100', 1, 'CLZ', not64, undefined, 'op_CLZ_vec'],
  ['00101', 0, 'CNT', only8],
  ['00101', 1, 'NOT', only8],
  ['00101', 1, 'RBIT', (word) => size(word) === 1, undefined, 'op_RBIT_vec'],
  ['00110', 0, 'SADALP', not64],
  ['00110', 1, 'UADALP', not64],
  ['00111', 0, 'SQABS', any, 'all'],
  ['00111', 1, 'SQNEG', any, 'all'],
  ['01000', 0, 'CMGT_zero', any, only64],
  ['01000', 1, 'CMGE_zero', any, only64],
  ['01001', 0, 'CMEQ_zero', any, only64],
  ['01001', 1, 'CMLE_zero', any, only64],
  ['01010', 0, 'CMLT_zero', any, only64],
  ['01011', 0, 'ABS', any, only64, 'op_ABS_vec'],
  ['01011', 1, 'NEG', any, only64, 'op_NEG_vec'],
  ['10010', 0, 'XTN', not64],
  ['10010', 1, 'SQXTUN', not64, not64],
  ['10011', 1, 'SHLL', not64],
  ['10100', 0, 'SQXTN', not64, not64],
  ['10100', 1, 'UQXTN', not64, not64],
];

const immh = (word: number) => (word >>> 19) & 15;
const immAny: Where = (word) => immh(word) !== 0 && (immh(word) < 8 || q(word) === 1);
const immNot64: Where = (word) => immh(word) !== 0 && immh(word) < 8;
const immOnly64: Where = (word) => immh(word) >= 8;
const immAll: Where = (word) => immh(word) !== 0;

/** C4.1 "Advanced SIMD shift by immediate" and "scalar shift by immediate", integer part. */
const SHIFT_IMM: readonly Row[] = [
  ['00000', 0, 'SSHR', immAny, immOnly64],
  ['00000', 1, 'USHR', immAny, immOnly64],
  ['00010', 0, 'SSRA', immAny, immOnly64],
  ['00010', 1, 'USRA', immAny, immOnly64],
  ['00100', 0, 'SRSHR', immAny, immOnly64],
  ['00100', 1, 'URSHR', immAny, immOnly64],
  ['00110', 0, 'SRSRA', immAny, immOnly64],
  ['00110', 1, 'URSRA', immAny, immOnly64],
  ['01000', 1, 'SRI', immAny, immOnly64],
  ['01010', 0, 'SHL', immAny, immOnly64],
  ['01010', 1, 'SLI', immAny, immOnly64],
  ['01100', 1, 'SQSHLU', immAny, immAll],
  ['01110', 0, 'SQSHL_imm', immAny, immAll],
  ['01110', 1, 'UQSHL_imm', immAny, immAll],
  ['10000', 0, 'SHRN', immNot64],
  ['10000', 1, 'SQSHRUN', immNot64, immNot64],
  ['10001', 0, 'RSHRN', immNot64],
  ['10001', 1, 'SQRSHRUN', immNot64, immNot64],
  ['10010', 0, 'SQSHRN', immNot64, immNot64],
  ['10010', 1, 'UQSHRN', immNot64, immNot64],
  ['10011', 0, 'SQRSHRN', immNot64, immNot64],
  ['10011', 1, 'UQRSHRN', immNot64, immNot64],
  ['10100', 0, 'SSHLL', immNot64],
  ['10100', 1, 'USHLL', immNot64],
];

/** C4.1 "Advanced SIMD across lanes", integer part: four 32-bit elements or more. */
const acrossSize: Where = (word) => size(word) < 2 || (size(word) === 2 && q(word) === 1);
const ACROSS_LANES: readonly Row[] = [
  ['00011', 0, 'SADDLV', acrossSize],
  ['00011', 1, 'UADDLV', acrossSize],
  ['01010', 0, 'SMAXV', acrossSize],
  ['01010', 1, 'UMAXV', acrossSize],
  ['11010', 0, 'SMINV', acrossSize],
  ['11010', 1, 'UMINV', acrossSize],
  ['11011', 0, 'ADDV', acrossSize],
];

function vectorAndScalar(
  rows: readonly Row[],
  head: (start: string, kind: string) => string,
  tail: (opcode: string) => string,
) {
  const encodings: SimdEncoding[] = [];
  for (const [opcode, u, name, vector, scalar, helper = `op_${name}`] of rows) {
    if (vector) {
      encodings.push({
        name: `${name}_vec`,
        pattern: `${head(`0 Q:1 ${u}`, '0')} ${tail(opcode)}`,
        where: vector,
        helper,
      });
    }
    if (scalar) {
      const pattern = `${head(`01 ${u}`, '1')} ${tail(opcode)}`;
      encodings.push({
        name: `${name}_scalar`,
        pattern,
        ...(scalar === 'all' ? {} : { where: scalar }),
        helper,
      });
    }
  }
  return encodings;
}

const LOGICAL: readonly (readonly [string, string, string])[] = [
  ['AND', '0', '00'],
  ['BIC', '0', '01'],
  ['ORR', '0', '10'],
  ['ORN', '0', '11'],
  ['EOR', '1', '00'],
  ['BSL', '1', '01'],
  ['BIT', '1', '10'],
  ['BIF', '1', '11'],
];

/**
 * Every A64 Advanced SIMD data-processing encoding whose arithmetic is not floating point, the cryptographic
 * instructions and CRC32 (DDI 0487, C4.1). Modified immediate is here as a whole, FMOV (vector, immediate) too.
 */
export const SIMD_ENCODINGS: readonly SimdEncoding[] = [
  ...vectorAndScalar(
    THREE_SAME,
    (start, kind) => `${start} ${kind}1110 size:2 1 Rm:5`,
    (opcode) => `${opcode} 1 Rn:5 Rd:5`,
  ),
  ...LOGICAL.map(([name, u, opc]) => ({
    name: `${name}_vec`,
    pattern: `0 Q:1 ${u} 01110 ${opc} 1 Rm:5 00011 1 Rn:5 Rd:5`,
    helper: `op_${name}${/^B[SI][LTF]$/.test(name) ? '' : '_vec'}`,
  })),
  ...vectorAndScalar(
    TWO_REG_MISC,
    (start, kind) => `${start} ${kind}1110 size:2 10000`,
    (opcode) => `${opcode} 10 Rn:5 Rd:5`,
  ),
  ...vectorAndScalar(
    SHIFT_IMM,
    (start, kind) => `${start} ${kind}11110 immh:4 immb:3`,
    (opcode) => `${opcode} 1 Rn:5 Rd:5`,
  ),
  ...vectorAndScalar(
    ACROSS_LANES,
    (start, kind) => `${start} ${kind}1110 size:2 11000`,
    (opcode) => `${opcode} 10 Rn:5 Rd:5`,
  ),
  { name: 'ADDP_scalar', pattern: '01 0 11110 11 11000 11011 10 Rn:5 Rd:5', helper: 'op_ADDP_scalar' },
  ...SIMD_MULTI_SIZE_ENCODINGS,
  ...SIMD_MOVE_ENCODINGS,
  ...SIMD_CRYPTO_ENCODINGS,
];
