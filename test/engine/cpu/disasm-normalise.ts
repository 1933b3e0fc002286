/*
 * capstone's text as virtrace writes it, and the differences in what is an instruction at all. Every rule is in
 * docs/disassembler.md with its reason; what no rule explains is a mistake.
 */

const field = (word: number, lo: number, width: number): number => (word >>> lo) & ((1 << width) - 1);

const number = (value: bigint): string =>
  value < 0n ? `-${number(-value)}` : value > 9n ? `0x${value.toString(16)}` : value.toString();

/** Names that capstone has and virtrace does not write: Armv8-R, or of one maker. */
const FOREIGN_REGISTER = /^(prbar|prlar|prenr|prselr|mpuir|vsctlr|cpm_)/;
/** Registers newer than capstone, by bits 20:5 of the word. */
const NEWER_REGISTERS: ReadonlyMap<number, string> = new Map([
  [0xc01d, 'id_dfr1_el1'],
  [0xc022, 'id_aa64pfr2_el1'],
  [0xc03b, 'id_aa64mmfr3_el1'],
  [0xc03c, 'id_aa64mmfr4_el1'],
]);
/** SYS aliases that capstone does not have, by bits 18:5. */
const NEWER_OPERATIONS: ReadonlyMap<number, string> = new Map([
  [0b011_0111_0011_100, 'cfp rctx'],
  [0b011_0111_0011_101, 'dvp rctx'],
  [0b011_0111_0011_111, 'cpp rctx'],
  [0b011_0111_1101_001, 'dc cvadp'],
  [0b011_0111_1101_011, 'dc cgvadp'],
  [0b011_0111_1101_101, 'dc cgdvadp'],
]);

/** All halfwords of the value but one are zero, or all but one are ones: MOVZ or MOVN makes it. */
function isMoveWide(value: bigint, width: number): boolean {
  const halfwords = value
    .toString(16)
    .padStart(width / 4, '0')
    .match(/.{4}/g)!;
  const others = (fill: string): number => halfwords.filter((halfword) => halfword !== fill).length;
  return others('0000') <= 1 || others('ffff') <= 1;
}

/** Name of the system register in `text` by capstone, if it has one. */
const registerIn = (text: string | undefined): string | undefined => {
  const name = text === undefined ? undefined : /^mrs \w+, (\w+)$|^msr (\w+), /.exec(text);
  const found = name?.[1] ?? name?.[2];
  return found === undefined || /^s[0-3]_\d/.test(found) ? undefined : found;
};

function genericRegister(word: number): string {
  const [op1, crn, crm, op2] = [field(word, 16, 3), field(word, 12, 4), field(word, 8, 4), field(word, 5, 3)];
  return `s${field(word, 19, 2)}_${op1}_c${crn}_c${crm}_${op2}`;
}

/** MRS and MSR: the text of the same register in the other direction tells the name, if there is one. */
function withRegisterName(text: string, word: number, otherDirection: string | undefined): string {
  const own = registerIn(text);
  let name = own ?? registerIn(otherDirection) ?? NEWER_REGISTERS.get(field(word, 5, 16));
  if (name === undefined || FOREIGN_REGISTER.test(name)) name = genericRegister(word);
  return text.replace(own ?? /\bs[23]_\d_c\d+_c\d+_\d\b/, name);
}

/** One of the rules below, or none, changes what capstone wrote. */
export function normalise(text: string, word: number, otherDirection?: string): string {
  // Post-index offsets are unsigned in capstone
  const post = /^(.*\], #)(0xffffffffffffff[0-9a-f]{2})$/.exec(text);
  if (post !== null) return post[1] + number(BigInt.asIntN(64, BigInt(post[2]!)));
  // Prefetch operations without a name are left out
  if (/^prfu?m , /.test(text)) return text.replace(' , ', ` #${number(BigInt(word & 31))}, `);
  // -0x80000000 comes out negated and sign-extended at once
  if (text.endsWith('#-0xffffffff80000000')) {
    return normalise(text.replace('#-0xffffffff80000000', '#-0x80000000'), word);
  }
  // ANDS and TST have signed immediates, AND, ORR and EOR unsigned ones
  const width = word >>> 31 ? 64 : 32;
  const flags = /^((?:ands|tst) .*#)-(0x\w+|\d)$/.exec(text);
  if (flags !== null) return flags[1] + number(BigInt.asUintN(width, -BigInt(flags[2]!)));
  // ORR of what MOVZ or MOVN can make is not MOV
  const orr = /^mov (\w+), #(-?)(\w+)$/.exec(text);
  if (orr !== null && (word & 0x7f8003e0) >>> 0 === 0x320003e0) {
    const value = BigInt.asUintN(width, orr[2] === '-' ? -BigInt(orr[3]!) : BigInt(orr[3]!));
    return isMoveWide(value, width)
      ? `orr ${orr[1]}, ${width === 64 ? 'x' : 'w'}zr, #${number(value)}`
      : text;
  }
  // Of the bit field moves, BFC is only those with imms < immr
  const bfc = /^bfc (\w+), #0, /.exec(text);
  if (bfc !== null) return text.replace(bfc[0], `bfxil ${bfc[1]}, ${width === 64 ? 'x' : 'w'}zr, #0, `);
  // MOVI of 64 bits is padded with zeroes
  const movi = /^(movi (?:d\d+|v\d+\.2d), #)(?:0x)?([0-9a-f]+)$/.exec(text);
  if (movi !== null) return movi[1] + number(BigInt(`0x${movi[2]}`));
  // SXTL and UXTL are the preferred SSHLL #0 and USHLL #0
  const long = /^([su])shll(2?) (.*), #0$/.exec(text);
  if (long !== null) return `${long[1]}xtl${long[2]} ${long[3]}`;
  // DFB is of Armv8-R
  if (text === 'dfb') return 'dsb #0xc';
  // SME is nothing that virtrace has
  if (/^sm(start|stop)\b/.test(text)) return `msr s0_3_c4_c${field(word, 8, 4)}_3, xzr`;
  if (/^sys /.test(text)) {
    const alias = NEWER_OPERATIONS.get(field(word, 5, 14));
    const rt = word & 31;
    return alias === undefined ? text : `${alias}, ${rt === 31 ? 'xzr' : `x${rt}`}`;
  }
  if ((word & 0xffd00000) >>> 0 === 0xd5100000) return withRegisterName(text, word, otherDirection);
  // Element indices are hexadecimal
  return text.replace(/\[0x([a-f])\]/g, (_, digit: string) => `[${Number.parseInt(digit, 16)}]`);
}

/** Load, store or both registers of an access with writeback, or two destinations, are the same one. */
function isUnpredictableAccess(word: number): boolean {
  const [t, n, t2] = [word & 31, field(word, 5, 5), field(word, 10, 5)];
  const isVector = field(word, 26, 1) === 1;
  if ((word & 0x3a000000) >>> 0 === 0x28000000) {
    const writesBack = field(word, 23, 1) === 1;
    return (
      (field(word, 22, 1) === 1 && t === t2) || (!isVector && writesBack && n !== 31 && (t === n || t2 === n))
    );
  }
  return (word & 0x3b200000) >>> 0 === 0x38000000 && !isVector && t === n && n !== 31;
}

/** Why a word is an instruction here, and data for capstone; undefined if there is no reason. */
export function onlyHere(word: number): string | undefined {
  if (isUnpredictableAccess(word)) return 'CONSTRAINED UNPREDICTABLE registers';
  // LDRAA and LDRAB into their own base, written back
  const isOwnBase = (word & 31) === ((word >>> 5) & 31) && (word & 31) !== 31;
  if ((word & 0xff20_0c00) >>> 0 === 0xf820_0c00 && isOwnBase) return 'CONSTRAINED UNPREDICTABLE registers';
  // Load/store exclusive and ordered
  if ((word & 0x3f000000) >>> 0 === 0x08000000) {
    const isPair = field(word, 21, 1) === 1;
    const hasStatus = field(word, 22, 1) === 0 && field(word, 23, 1) === 0;
    if ((!isPair && field(word, 10, 5) !== 31) || (!hasStatus && field(word, 16, 5) !== 31)) {
      return 'should-be-one bits';
    }
    if (isPair && field(word, 22, 1) === 1 && (word & 31) === field(word, 10, 5)) {
      return 'CONSTRAINED UNPREDICTABLE registers';
    }
  }
  // XAFLAG and AXFLAG with CRm other than zero
  if ((word & 0xfffff0bf) >>> 0 === 0xd500401f || (word & 0xfffff0df) >>> 0 === 0xd500401f) {
    return 'MSR (immediate) to no field';
  }
  return undefined;
}

/**
 * Instructions of architecture extensions that the table does not have, by capstone's mnemonic. Those that a
 * CPU model announces leave this list when the table gets them.
 */
const EXTENSIONS: readonly (readonly [string, RegExp])[] = [
  ['FEAT_LSE', /^(cas|casp|swp|(ld|st)(add|clr|eor|set|[su]max|[su]min))(a|l|al)?[bh]?$/],
  ['FEAT_LS64', /^(ld64b|st64b|st64bv0?)$/],
  ['FEAT_LRCPC', /^ldapr[bh]?$/],
  ['FEAT_LRCPC2', /^(ldapur(s?[bh]|sw)?|stlur[bh]?)$/],
  ['FEAT_LOR', /^(ldlar|stllr)[bh]?$/],
  ['FEAT_PAuth', /^((pac|aut)[id]z?[ab]|pacga|xpac[id]|(br|blr)a[ab]z?|ret(aa|ab)|eret(aa|ab)|ldra[ab])$/],
  ['FEAT_FlagM', /^(rmif|setf8|setf16|cfinv)$/],
  ['FEAT_FRINTTS', /^frint(32|64)[xz]$/],
  ['FEAT_FCMA', /^(fcmla|fcadd)$/],
  ['FEAT_JSCVT', /^fjcvtzs$/],
  ['FEAT_FHM', /^fml[as]l2?$/],
  ['FEAT_BF16', /^bf(cvt|cvtn2?|dot|mlal[bt]|mmla)$/],
  ['FEAT_SB', /^sb$/],
  ['FEAT_MTE', /^(addg|subg|subps?|gmi|irg|ldgm?|stz?2?gm?|stgp)$/],
  ['FEAT_HBC', /^bc\./],
  ['FEAT_MOPS', /^(cpyf?|set|setg)[pme][rwtn]*$/],
  ['FEAT_WFxT', /^wf[ei]t$/],
  ['FEAT_TME', /^t(cancel|commit|start|test)$/],
  ['FEAT_XS', /^dsb \w+nxs$/],
  // Generic names of encodings in the System space where neither MSR nor MRS is
  ['unallocated system instruction', /^m[rs][rs] .*\bs0_/],
];

/** Why a word is data here, and an instruction for capstone; undefined if there is no reason. */
export function onlyInCapstone(word: number, text: string): string | undefined {
  const op0 = field(word, 25, 4);
  if (op0 === 2) return 'FEAT_SVE';
  if (op0 === 0 && word >>> 31 === 1) return 'FEAT_SME';
  const mnemonic = text.split(' ')[0]!;
  return EXTENSIONS.find(([, pattern]) => pattern.test(mnemonic) || pattern.test(text))?.[0];
}
