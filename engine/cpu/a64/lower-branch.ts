import { SLOT_T0 } from '../helpers/layout.ts';
import { uop } from '../uops.ts';
import { type Lower, type Lowering, rd, rn, sign } from './lowering.ts';

/** Branches, exceptions and hints (Arm ARM C4.1.87). System registers are in lower-system.ts. */

const B = uop('b');
const BR = uop('br');
const ADR = uop('adr');
const MOV = uop('mov');
const conditional = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13].map((c) => uop(`b${c}`));
const CBZ = [uop('cbz32'), uop('cbnz32'), uop('cbz'), uop('cbnz')];
const TBZ = [uop('tbz'), uop('tbnz')];

export function link(t: Lowering): void {
  t.emit(ADR, 30, 0, 0, 0, 0, t.offset + 4, 0);
}

/** Conditional branch: both distances from the start of the block in one immediate. */
function branchIf(t: Lowering, op: number, n: number, x: number, distance: number): void {
  t.emit(op, 0, n, 0, 0, x, t.offset + distance, t.offset + 4);
  t.end();
}

/** `x` tells the compiler calls (1) and returns (2) from other branches. */
function jump(t: Lowering, distance: number, call = false): void {
  t.emit(B, 0, 0, 0, 0, call ? 1 : 0, t.offset + distance, 0);
  t.end();
}

/** Marks in `x` of `br`, as of `b`. */
const MARK = { jump: 0, call: 1, return: 2 } as const;

/**
 * Branch to the address in a slot; `register` is what the instruction names. PSTATE.BTYPE (FEAT_BTI) becomes 0 for a
 * return, 2 for a call, and for a jump 3 if it comes from a guarded page and not through X16 or X17, else 1 (Arm ARM
 * C6.2.36, BR).
 */
export function branchTo(t: Lowering, slot: number, kind: keyof typeof MARK, register: number): void {
  if (t.keepsBranchType && kind !== 'return') {
    const type = kind === 'call' ? 2 : t.isGuarded && register !== 16 && register !== 17 ? 3 : 1;
    t.emit(uop('setbtype'), 0, 0, 0, 0, type, 0, 0);
  }
  t.emit(BR, 0, slot, 0, 0, MARK[kind], 0, 0);
  t.end();
}

const imm19 = (w: number): number => sign((w >>> 5) & 0x7ffff, 19) * 4;
const host: Lower = (w, t) => t.host(w);
const nothing: Lower = () => {};

export const LOWER_BRANCH: { readonly [name: string]: Lower } = {
  B: (w, t) => jump(t, sign(w & 0x3ffffff, 26) * 4),
  BL: (w, t) => {
    link(t);
    jump(t, sign(w & 0x3ffffff, 26) * 4, true);
  },
  B_cond: (w, t) => {
    const cond = w & 15;
    if (cond >= 14) jump(t, imm19(w));
    else branchIf(t, conditional[cond]!, 0, 0, imm19(w));
  },
  CBZ: (w, t) => branchIf(t, CBZ[((w >>> 31) << 1) | ((w >>> 24) & 1)]!, rd(w), 0, imm19(w)),
  TBZ: (w, t) => {
    const bit = ((w >>> 31) << 5) | ((w >>> 19) & 31);
    branchIf(t, TBZ[(w >>> 24) & 1]!, rd(w), bit, sign((w >>> 5) & 0x3fff, 14) * 4);
  },
  BR: (w, t) => branchTo(t, rn(w), 'jump', rn(w)),
  BLR: (w, t) => {
    // The target may be X30 itself.
    t.emit(MOV, SLOT_T0, rn(w), 0, 0, 0, 0, 0);
    link(t);
    branchTo(t, SLOT_T0, 'call', rn(w));
  },
  RET: (w, t) => branchTo(t, rn(w), 'return', rn(w)),
  ERET: host,
  DRPS: host,
  SVC: host,
  HVC: host,
  SMC: host,
  BRK: host,
  HLT: host,
  DCPS: host,
  HINT: (w, t) => {
    const hint = (w >>> 5) & 0x7f;
    // YIELD, WFE, WFI, SEV, SEVL; everything else is a no-op for these CPUs
    if (hint >= 1 && hint <= 5) t.host(w);
  },
  CLREX: (_w, t) => t.emit(uop('clrex'), 0, 0, 0, 0, 0, 0, 0),
  // One memory order exists: that of the program.
  DSB: nothing,
  DMB: nothing,
  ISB: nothing,
  SB: nothing,
};
