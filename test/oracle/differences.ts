import { Decoder } from '../../engine/cpu/a64/decoder.ts';
import type { CompiledEncoding } from '../../engine/cpu/a64/encoding.ts';
import { A64_ENCODINGS } from '../../engine/cpu/a64/instruction-set.ts';
import { SYSTEM_REGISTERS } from '../../engine/cpu/a64/sysregs.ts';
import { announced } from '../../engine/cpu/cpu-announced.ts';
import { featuresOf } from '../../engine/cpu/cpu-features.ts';
import { CPU_MODEL_DATA, type CpuModelName } from '../../engine/cpu/cpu-model-data.ts';
import type { Case } from './batch.ts';
import { RESULT } from './layout.ts';

/**
 * Where QEMU 7.2 departs from the Arm pseudocode, or chooses differently among what the architecture allows:
 * the data behind docs/oracle-differences.md.
 */
export interface KnownDifference {
  readonly id: string;
  /** One sentence each: what the architecture says, what QEMU does. */
  readonly architecture: string;
  readonly qemu: string;
  /** Words it concerns. The encoding is undefined for an unallocated word. */
  readonly words: (word: number, encoding: string | undefined) => boolean;
  /** CPUs it concerns; all without it. */
  readonly cpus?: readonly string[];
  /**
   * `never`: such words are not generated. `correct`: the word ends its case, no branch goes past it, and the
   * record QEMU leaves is corrected to what the architecture says.
   */
  readonly treatment:
    | { readonly kind: 'never' }
    | {
        readonly kind: 'correct';
        readonly correct: (result: Uint32Array, word: number) => void;
      };
}

const ALL = new Decoder(A64_ENCODINGS);

/** Name of a word's encoding, whatever features there are; undefined for an unallocated word. */
export function encodingName(word: number): string | undefined {
  const index = ALL.find(word);
  return index < 0 ? undefined : ALL.encodings[index]!.name;
}

/**
 * V registers that hold UNKNOWN values after a data abort of this word: an instruction of several accesses may
 * have written what the accesses before the faulting one loaded (Arm ARM D1.3.1, "Definition of a precise
 * exception"). QEMU writes them element by element, the engine register by register.
 */
export function unknownAfterAbort(word: number): number[] {
  const match = /^LD([1-4])(?:_multiple_([1-4])|_multiple|_single|R)/.exec(encodingName(word) ?? '');
  if (match === null) return [];
  const count = Number(match[2] ?? match[1]);
  return Array.from({ length: count }, (_, i) => ((word & 31) + i) & 31);
}

/** MSR DAIFSet and DAIFClr (immediate). */
const isDaifImmediate = (word: number): boolean => (word & 0xffff_f0df) >>> 0 === 0xd503_40df;

/** Whether the case came to the SVC at its end, and so executed its last word. */
const isEnd = (result: Uint32Array): boolean => result[RESULT.esr]! >>> 26 === 0x15;

/** Models with FEAT_FP16, whose additional classes QEMU decodes too generously. */
const WITH_HALF = ['cortex-a76', 'neoverse-n1', 'max'];

export const KNOWN_DIFFERENCES: readonly KnownDifference[] = [
  {
    id: 'half-reduction-size',
    architecture:
      'FMAXV, FADDP (scalar) and their like of halves have bit 22 clear; with it set they are UNDEFINED (C4.1.96).',
    qemu: 'bit 22 is not looked at.',
    words: (word) => (word & 0xbf7f_cc00) === 0x0e70_c800 || (word & 0xff7f_cc00) === 0x5e70_c800,
    cpus: WITH_HALF,
    treatment: { kind: 'never' },
  },
  {
    id: 'half-immediate-op',
    architecture: 'FMOV (vector, immediate) of halves has op clear; with it set it is UNDEFINED (C4.1.96).',
    qemu: 'op is not looked at.',
    words: (word) => (word & 0xbff8_fc00) === 0x2f00_fc00,
    cpus: WITH_HALF,
    treatment: { kind: 'never' },
  },
  {
    id: 'half-two-register-assertion',
    architecture: 'Unallocated words of two-register miscellaneous of halves are UNDEFINED (C4.1.96).',
    qemu: 'ends itself with an assertion.',
    words: (word, encoding) =>
      encoding === undefined &&
      ((word & 0x9f7e_0c00) === 0x0e78_0800 || (word & 0xdf7e_0c00) === 0x5e78_0800),
    cpus: WITH_HALF,
    treatment: { kind: 'never' },
  },
  {
    id: 'eret-rn',
    architecture: 'ERET has 11111 in bits 9:5; words with anything else are UNDEFINED (C4.1.87).',
    qemu: 'bits 9:5 are not looked at.',
    words: (word) => (word & 0xffff_fc1f) >>> 0 === 0xd69f_0000 && ((word >>> 5) & 31) !== 31,
    treatment: { kind: 'never' },
  },
  {
    id: 'fcvtzs-half-fixed',
    architecture:
      'FCVTZS (scalar, fixed-point) of a half clears V[d] above bit 15: V[d] = ZeroExtend(result).',
    qemu: 'the 16-bit result is sign-extended to 32 bits.',
    words: (_, encoding) => encoding === 'FCVTZS_fixed_scalar_h',
    treatment: {
      kind: 'correct',
      correct: (result, word) => {
        const at = RESULT.v + 4 * (word & 31);
        if (isEnd(result)) result[at]! &= 0xffff;
      },
    },
  },
  {
    id: 'fjcvtzs-flushed',
    architecture:
      'FJCVTZS of a positive denormal that FPCR.FZ flushes to zero clears PSTATE.Z (FPToFixedJS, J1.3: value 0.0 of an operand whose fraction is not zero).',
    qemu: 'PSTATE.Z is set.',
    words: (_, encoding) => encoding === 'FJCVTZS',
    treatment: {
      kind: 'correct',
      correct: (result, word) => {
        const at = RESULT.v + 4 * ((word >>> 5) & 31);
        const [low, high] = [result[at]!, result[at + 1]!];
        const isFlushed = (low | high) !== 0 && high < 1 << 20 && (result[RESULT.fpcr]! & (1 << 24)) !== 0;
        if (isFlushed && isEnd(result)) result[RESULT.spsr]! &= ~(1 << 30);
      },
    },
  },
  {
    id: 'clean-to-persistence',
    architecture:
      'Cache maintenance by address of what is not mapped takes a data abort with ESR_EL1.ISS.CM and WnR set (D7.5.8).',
    qemu: 'DC CVAP and DC CVADP abort without CM and WnR.',
    words: (word) => (word & 0xffff_fee0) >>> 0 === 0xd50b_7c20,
    cpus: ['cortex-a76', 'neoverse-n1', 'max'],
    treatment: { kind: 'never' },
  },
  {
    id: 'daif-immediate-syndrome',
    architecture:
      'MSR DAIFSet and DAIFClr trapped by SCTLR_EL1.UMA report op1 = 3 and op2 = 6 or 7 in ESR_EL1.ISS (D17.2.37).',
    qemu: 'op1 and op2 are exchanged in the syndrome.',
    words: isDaifImmediate,
    treatment: {
      kind: 'correct',
      correct: (result) => {
        const esr = result[RESULT.esr]!;
        if (esr >>> 26 !== 0x18) return;
        const [op1, op2] = [(esr >>> 14) & 7, (esr >>> 17) & 7];
        result[RESULT.esr] = ((esr & ~(0x3f << 14)) | (op2 << 14) | (op1 << 17)) >>> 0;
      },
    },
  },
];

/** Departures that are taken care of elsewhere, for the page. */
export const OTHER_DIFFERENCES: readonly {
  readonly id: string;
  readonly architecture: string;
  readonly qemu: string;
  readonly treatment: string;
}[] = [
  {
    id: 'pc-alignment-order',
    architecture: 'A misaligned PC is a PC alignment fault, whatever is at the address (D1.4.9, priorities).',
    qemu: 'where the address cannot be fetched from, an instruction abort is reported.',
    treatment: 'ESR_EL1 is corrected (`correctResult`).',
  },
  {
    id: 'unpredictable-registers',
    architecture:
      'CONSTRAINED UNPREDICTABLE: write-back to a register that is loaded or stored as well, a pair loaded into one register, a status register that is also base or data (K1.2).',
    qemu: 'chooses differently among what is allowed.',
    treatment: 'such words are not generated (`isUnpredictable`).',
  },
  {
    id: 'loaded-before-an-abort',
    architecture:
      'Vector registers that a load of several structures would have written are UNKNOWN after a data abort.',
    qemu: 'writes them element by element, the engine register by register.',
    treatment: 'these registers are not compared after an abort (`unknownAfterAbort`).',
  },
  {
    id: 'xpac-disabled',
    architecture: 'XPACI, XPACD and XPACLRI remove the code whatever keys are enabled (C6.2).',
    qemu: 'they do nothing while all four keys are disabled.',
    treatment: 'one key at least is enabled where there is FEAT_PAuth.',
  },
  {
    id: 'maintenance-unmapped',
    architecture: 'Cache maintenance by address of what is not mapped takes a data abort (D7.5.8).',
    qemu: 'DC IVAC, CVAC, CVAU, CIVAC and IC IVAU do nothing.',
    treatment: 'their addresses are mapped and writable.',
  },
  {
    id: 'exclusive-without-monitor',
    architecture:
      'Whether a store-exclusive succeeds after other accesses, and which of its checks come first if it fails, is open (B2.9).',
    qemu: 'checks the value in memory, the engine its monitor.',
    treatment:
      'store-exclusives follow their load-exclusive with nothing but register instructions between, or are alone.',
  },
  {
    id: 'pac-one-tagged-half',
    architecture:
      'With tags in one half of the address space only, signing takes the half from bit 55 (shared/functions/pac AddPAC).',
    qemu: 'takes it from bit 63, unless the half that bit 55 names has tags.',
    treatment: 'with FEAT_PAuth, TBI0 and TBI1 are the same, and so are TBID0 and TBID1.',
  },
  {
    id: 'btype-saved',
    architecture:
      'Exceptions of an instruction itself, but for BRK, save PSTATE.BTYPE as 0 (shared/exceptions AArch64.TakeException).',
    qemu: 'saves what the branch before has left.',
    treatment: 'SPSR_EL1.BTYPE of QEMU is cleared after such an exception.',
  },
  {
    id: 'ldapr-alignment',
    architecture: 'LDAPR of an unaligned address is an alignment fault, as LDAR is (B2.5.2).',
    qemu: 'does not check the alignment.',
    treatment: 'addresses of LDAPR are aligned.',
  },
  {
    id: 'device-memory',
    architecture: 'An unaligned access to Device memory is an alignment fault (B2.7.2).',
    qemu: 'lets it through.',
    treatment: 'the window has Normal memory only; Device memory is tested with the boards.',
  },
  {
    id: 'at-shareability',
    architecture: 'AT shows Non-cacheable memory as Outer Shareable in PAR_EL1.SH (D8.5.2).',
    qemu: 'shows the shareability of the descriptor.',
    treatment: 'the window has Write-Back and Write-Through memory only.',
  },
  {
    id: 'wfe-trap',
    architecture: 'WFE at EL0 is trapped if SCTLR_EL1.nTWE is 0 and it would wait.',
    qemu: 'never traps WFE.',
    treatment: 'SCTLR_EL1.nTWE is 1 in all cases.',
  },
];

/** Exceptions that save PSTATE.BTYPE; the others save 0 (shared/exceptions AArch64.TakeException). */
const SAVES_BTYPE = new Set([0x0d, 0x0e, 0x20, 0x21, 0x22, 0x30, 0x31, 0x32, 0x33, 0x3c]);

function concerns(d: KnownDifference, cpu: string, word: number, encoding: string | undefined): boolean {
  return (d.cpus === undefined || d.cpus.includes(cpu)) && d.words(word, encoding);
}

export function isNeverGenerated(cpu: string, e: CompiledEncoding | undefined, word: number): boolean {
  return KNOWN_DIFFERENCES.some((d) => d.treatment.kind === 'never' && concerns(d, cpu, word, e?.name));
}

export function isOnlyLast(cpu: string, e: CompiledEncoding, word: number): boolean {
  return KNOWN_DIFFERENCES.some((d) => d.treatment.kind === 'correct' && concerns(d, cpu, word, e.name));
}

/**
 * Corrects what QEMU left where it is known to be wrong. What decides is the word that took the exception, or the
 * last one if the case came to its end. `pc` is the address of the first.
 */
export function correctResult(cpu: string, c: Case, result: Uint32Array, pc: number): void {
  const ec = result[RESULT.esr]! >>> 26;
  // Misaligned PC: see `pc-alignment-order` in docs/oracle-differences.md.
  if ((ec === 0x20 || ec === 0x21) && (result[RESULT.elr]! & 3) !== 0) result[RESULT.esr] = 0x8a00_0000;
  // PSTATE.BTYPE: see `btype-saved`.
  if (!SAVES_BTYPE.has(ec)) result[RESULT.spsr]! &= ~(3 << 10);
  // SVC leaves the address after itself.
  const at = (result[RESULT.elr]! - (pc >>> 0) - (isEnd(result) ? 4 : 0)) >>> 2;
  const word = c.words[Math.min(at, c.words.length - 1)];
  if (word === undefined) return;
  for (const d of KNOWN_DIFFERENCES) {
    if (d.treatment.kind === 'correct' && concerns(d, cpu, word, encodingName(word)))
      d.treatment.correct(result, word);
  }
}

/**
 * What the engine does not have yet of what its ID registers announce; compared as soon as it does. Not generated,
 * unless `present` is among the encodings.
 */
const NOT_YET: readonly { readonly present: RegExp; readonly words: (word: number) => boolean }[] = [
  // XPACLRI, the only hint of FEAT_PAuth that does something with all keys disabled
  { present: /^XPAC/, words: (word) => word === 0xd503_20ff },
  // CFINV, XAFLAG, AXFLAG
  {
    present: /^CFINV/,
    words: (word) => (word & 0xffff_f01f) >>> 0 === 0xd500_401f && ((word >>> 5) & 7) < 3,
  },
];

/** Instructions of FEAT_PAuth, hints excepted. */
function isPointerAuthentication(word: number): boolean {
  const is = (mask: number, value: number): boolean => (word & mask) >>> 0 === value;
  return (
    is(0xffff_0000, 0xdac1_0000) || // PACIA to XPACD
    is(0xffe0_fc00, 0x9ac0_3000) || // PACGA
    is(0xff20_0400, 0xf820_0400) || // LDRAA, LDRAB
    is(0xfe1f_f800, 0xd61f_0800) // BRAA to ERETAB
  );
}

/** Keys of the ID registers in which the engine announces less than QEMU's model. */
function heldBack(cpu: CpuModelName): ReadonlySet<number> {
  const { ids } = CPU_MODEL_DATA[cpu];
  const names = Object.keys(ids).filter((name) => announced(name, ids[name]!) !== ids[name]);
  return new Set(SYSTEM_REGISTERS.filter(({ name }) => names.includes(name)).map(({ key }) => key));
}

/** A model of Armv8.1 or later, as QEMU has it. */
function isAfterArmv80(cpu: CpuModelName): boolean {
  return (((CPU_MODEL_DATA[cpu].ids['ID_AA64ISAR0_EL1'] ?? 0n) >> 20n) & 15n) !== 0n;
}

/** Fields of PSTATE that later architectures brought: feature, bits in SPSR, op1:op2 of MSR (immediate). */
const STATE_FIELDS: readonly (readonly [feature: string, bits: number, immediate?: number])[] = [
  ['FEAT_BTI', 3 << 10],
  ['FEAT_PAN', 1 << 22, 4],
  ['FEAT_UAO', 1 << 23, 3],
];

/** Fields that QEMU's model has and the engine holds back. */
function stateHeldBack(cpu: CpuModelName, features: ReadonlySet<string>) {
  const inQemu = featuresOf((name) => CPU_MODEL_DATA[cpu].ids[name] ?? 0n);
  return STATE_FIELDS.filter(([feature]) => inQemu.has(feature) && !features.has(feature));
}

/** Bits of SPSR that are compared, and set by random. */
export function spsrCompared(cpu: CpuModelName, features: ReadonlySet<string>): number {
  return ~stateHeldBack(cpu, features).reduce((bits, [, more]) => bits | more, 0) >>> 0;
}

/** Words that only later versions of the engine execute as QEMU does. */
export function isNotYet(
  cpu: CpuModelName,
  encodings: readonly { readonly name: string }[],
  features: ReadonlySet<string>,
): (word: number) => boolean {
  const missing = NOT_YET.filter(({ present }) => !encodings.some((e) => present.test(e.name)));
  const registers = heldBack(cpu);
  const fields = stateHeldBack(cpu, features).map(([, , immediate]) => immediate);
  const isStateImmediate = (word: number): boolean =>
    (word & 0xfff8_f01f) >>> 0 === 0xd500_401f &&
    fields.includes((((word >>> 16) & 7) << 3) | ((word >>> 5) & 7));
  const isPauth = features.has('FEAT_PAuth') ? () => false : isPointerAuthentication;
  const isHeldBack = (word: number): boolean =>
    (word & 0xfff0_0000) >>> 0 === 0xd530_0000 && registers.has((word >>> 5) & 0xffff);
  // On a model of Armv8.0, what later architectures brought is unallocated for QEMU, too.
  if (!isAfterArmv80(cpu)) return isHeldBack;
  return (word) =>
    isPauth(word) || missing.some(({ words }) => words(word)) || isStateImmediate(word) || isHeldBack(word);
}

/** What the bare-metal comparisons know: self-hosted-debug.test.ts, page-table-forms.test.ts. */
export const BARE_METAL_DIFFERENCES: readonly (typeof OTHER_DIFFERENCES)[number][] = [
  {
    id: 'context-breakpoints',
    architecture:
      'An unlinked context breakpoint (DBGBCR.BT = 2) hits every instruction in its context (D2.8).',
    qemu: 'it never hits (reported as not implemented).',
    treatment: 'not generated; compared with what the pseudocode says.',
  },
  {
    id: 'os-lock',
    architecture: 'While the OS Lock is set no debug exceptions but those of BRK are taken (D2.4).',
    qemu: 'they are.',
    treatment: 'not generated; compared with what the architecture says.',
  },
  {
    id: 'step-and-mask',
    architecture:
      'Software step is inactive while PSTATE.D masks it: no exception after a stepped instruction that sets it (D2.11).',
    qemu: 'the exception is taken after each stepped instruction.',
    treatment: 'not generated; compared with what the architecture says.',
  },
  {
    id: 'watchpoint-unaligned',
    architecture: 'A watchpoint hits if a byte that is accessed is watched (D2.10).',
    qemu: 'an access that is not aligned is checked with another address or length, also inside a page.',
    treatment: 'accesses are aligned; others are compared with what the pseudocode says, byte by byte.',
  },
  {
    id: 'watchpoints-together',
    architecture: 'Each watchpoint has its own conditions.',
    qemu: 'one that has hit before goes on counting as a hit when the address of another one matches.',
    treatment: 'one watchpoint a case; several are compared between the ways to run.',
  },
  {
    id: 'watchpoint-tag',
    architecture: 'Address tags (TCR_EL1.TBI) do not count for watchpoints.',
    qemu: 'an access with a tagged address is not seen.',
    treatment: 'not generated.',
  },
  {
    id: 'block-levels',
    architecture:
      'Blocks are allowed at some levels only (AArch64.BlockDescSupported); elsewhere they are Translation faults.',
    qemu: 'takes a block at every level below 3.',
    treatment: 'not generated.',
  },
  {
    id: 'at-updates',
    architecture: 'With FEAT_HAFDBS an AT instruction may set the Access flag, and need not (D8.4.6).',
    qemu: 'AT updates the Access flag and the dirty state as an access would; here it changes no descriptor.',
    treatment: 'these bits do not count where AT alone can have made the difference.',
  },
];
