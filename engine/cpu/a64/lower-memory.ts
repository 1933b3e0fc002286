import { SLOT_T0 } from '../helpers/layout.ts';
import { uop } from '../uops.ts';
import { ATOMICS } from './lower-atomic.ts';
import { extended } from './lower-data.ts';
import { PAUTH_LOADS } from './lower-pauth.ts';
import { dest, type Lower, type Lowering, ra, rd, regSp, rm, rn, sign } from './lowering.ts';
import { expandStructure } from './simd-structure.ts';

/** Loads and stores (Arm ARM C4.1.88). A base is written back only after the access has succeeded. */

const T0 = SLOT_T0;
const T2 = SLOT_T0 + 2;
const T3 = SLOT_T0 + 3;
const T4 = SLOT_T0 + 4;

const ADD_I = uop('add_i');
const ADD_LSL = uop('add_lsl');
const MOV = uop('mov');
const W = uop('w');
const ALIGN = uop('align');

interface Ops {
  imm: number;
  reg: number;
  unprivileged: number;
}

const ops = (name: string): Ops => ({ imm: uop(`${name}_imm`), reg: uop(`${name}_reg`), unprivileged: 0 });
const gpr = (name: string): Ops => ({ ...ops(name), unprivileged: uop(`${name}_imm_u`) });

const LOADS = ['ld8', 'ld16', 'ld32', 'ld64'].map(gpr);
const SIGNED = ['lds8', 'lds16', 'lds32'].map(gpr);
const STORES = ['st8', 'st16', 'st32', 'st64'].map(gpr);
const V_LOADS = ['vld8', 'vld16', 'vld32', 'vld64', 'vld128'].map(ops);
const V_STORES = ['vst8', 'vst16', 'vst32', 'vst64', 'vst128'].map(ops);

interface Access {
  readonly ops: Ops;
  /** Register operand as the micro-op wants it. */
  readonly d: number;
  /** Sign-extended to 32 bits: the upper half must be cleared afterwards. */
  readonly narrow: boolean;
  /** log2 of the bytes. */
  readonly scale: number;
  readonly isStore: boolean;
}

/** What size:V:opc means; undefined for a prefetch. */
function decodeSingle(w: number): Access | undefined {
  const size = w >>> 30;
  const opc = (w >>> 22) & 3;
  const rt = w & 31;
  if (w & (1 << 26)) {
    const scale = opc & 2 ? 4 : size;
    return {
      ops: (opc & 1 ? V_LOADS : V_STORES)[scale]!,
      d: rt,
      narrow: false,
      scale,
      isStore: (opc & 1) === 0,
    };
  }
  if (opc === 0) return { ops: STORES[size]!, d: rt, narrow: false, scale: size, isStore: true };
  if (opc === 1) return { ops: LOADS[size]!, d: dest(rt), narrow: false, scale: size, isStore: false };
  if (size === 3) return undefined;
  return { ops: SIGNED[size]!, d: dest(rt), narrow: opc === 3, scale: size, isStore: false };
}

/** SCTLR_ELx.A: the address base + offset must have no bit below 2^log2 set. */
function checkOffset(t: Lowering, base: number, offset: number, log2: number, isStore: boolean): void {
  if (!t.checksAlignment || log2 === 0) return;
  let address = base;
  if (offset !== 0) {
    address = T4;
    t.emit(ADD_I, T4, base, 0, 0, 0, offset, offset < 0 ? -1 : 0);
  }
  t.emit(ALIGN, 0, address, 0, 0, isStore ? 1 : 0, 2 ** log2 - 1, 0);
}

function access(t: Lowering, a: Access, base: number, offset: number, unprivileged = false): void {
  checkOffset(t, base, offset, a.scale, a.isStore);
  const op = unprivileged && t.el === 1 && !t.overridesUser ? a.ops.unprivileged : a.ops.imm;
  t.emit(op, a.d, base, 0, 0, 0, offset, offset < 0 ? -1 : 0);
  if (a.narrow) t.emit(W, a.d, 0, 0, 0, 0, 0, 0);
}

function addTo(t: Lowering, base: number, offset: number): void {
  t.emit(ADD_I, base, base, 0, 0, 0, offset, offset < 0 ? -1 : 0);
}

const imm9 = (w: number): number => sign((w >>> 12) & 0x1ff, 9);

/** A load into its own base with write-back is CONSTRAINED UNPREDICTABLE; here the loaded value wins. */
const loadsBase = (a: Access, w: number): boolean =>
  (w & (1 << 26)) === 0 && (w & 31) === rn(w) && a.d !== 31 && rn(w) !== 31 && ((w >>> 22) & 3) !== 0;

function literal(w: number, t: Lowering): void {
  const at = t.offset + sign((w >>> 5) & 0x7ffff, 19) * 4;
  const opc = w >>> 30;
  const vector = (w & (1 << 26)) !== 0;
  if (!vector && opc === 3) return; // PRFM
  t.emit(uop('adr'), T0, 0, 0, 0, 0, at, at < 0 ? -1 : 0);
  checkOffset(t, T0, 0, vector ? opc + 2 : opc === 1 ? 3 : 2, false);
  const op = vector ? V_LOADS[opc + 2]! : opc === 2 ? SIGNED[2]! : LOADS[opc + 2]!;
  t.emit(op.imm, vector ? rd(w) : dest(rd(w)), T0, 0, 0, 0, 0, 0);
}

const PAIR_LOADS = [uop('ldp32'), uop('ldpsw'), uop('ldp64')];
const PAIR_STORES = [uop('stp32'), 0, uop('stp64')];

function pair(w: number, t: Lowering): void {
  const opc = w >>> 30;
  const mode = (w >>> 23) & 3;
  const isLoad = (w & (1 << 22)) !== 0;
  const vector = (w & (1 << 26)) !== 0;
  const scale = vector ? opc + 2 : opc === 2 ? 3 : 2;
  const offset = sign((w >>> 15) & 0x7f, 7) * 2 ** scale;
  const base = regSp(rn(w));
  const first = mode === 1 ? 0 : offset;
  checkOffset(t, base, first, scale, !isLoad);
  if (vector) {
    const op = (isLoad ? V_LOADS : V_STORES)[scale]!.imm;
    const second = first + 2 ** scale;
    t.emit(op, rd(w), base, 0, 0, 0, first, first < 0 ? -1 : 0);
    t.emit(op, ra(w), base, 0, 0, 0, second, second < 0 ? -1 : 0);
  } else if (isLoad) {
    t.emit(PAIR_LOADS[opc]!, dest(rd(w)), base, 0, dest(ra(w)), 0, first, first < 0 ? -1 : 0);
    // CONSTRAINED UNPREDICTABLE: write-back to a register that was loaded; the loaded value wins.
    if ((mode & 1) === 1 && rn(w) !== 31 && (rd(w) === rn(w) || ra(w) === rn(w))) return;
  } else {
    t.emit(PAIR_STORES[opc]!, rd(w), base, 0, ra(w), 0, first, first < 0 ? -1 : 0);
  }
  if ((mode & 1) === 1) addTo(t, base, offset);
}

function registerOffset(w: number, t: Lowering): void {
  const a = decodeSingle(w);
  if (a === undefined) return;
  const option = (w >>> 13) & 7;
  const shift = w & (1 << 12) ? a.scale : 0;
  const index = option === 3 || option === 7 ? rm(w) : extended(t, rm(w), option, 0);
  if (t.checksAlignment && a.scale > 0) {
    t.emit(ADD_LSL, T4, regSp(rn(w)), index, 0, shift, 0, 0);
    checkOffset(t, T4, 0, a.scale, a.isStore);
  }
  t.emit(a.ops.reg, a.d, regSp(rn(w)), index, 0, shift, 0, 0);
  if (a.narrow) t.emit(W, a.d, 0, 0, 0, 0, 0, 0);
}

function align(t: Lowering, base: number, log2: number, isStore: boolean): void {
  if (log2 > 0) t.emit(ALIGN, 0, base, 0, 0, isStore ? 1 : 0, 2 ** log2 - 1, 0);
}

const LDX = [8, 16, 32, 64].map((b) => uop(`ldx${b}`));
const STX = [8, 16, 32, 64].map((b) => uop(`stx${b}`));

/** SIMD structure loads and stores: whole registers where that is the same, else element by element. */
export const lowerStructure: Lower = (w, t) => {
  if (rn(w) === 31) t.checkStack();
  const s = expandStructure(w);
  const base = regSp(rn(w));
  // All elements are as aligned as the first one.
  checkOffset(t, base, 0, s.elements[0]!.sizeLog2, !s.isLoad);
  if (s.runs !== undefined) {
    for (const run of s.runs) {
      const op = (s.isLoad ? V_LOADS : V_STORES)[run.bytes === 16 ? 4 : 3]!;
      t.emit(op.imm, run.reg, base, 0, 0, 0, run.offset, 0);
    }
  } else {
    for (const e of s.elements) {
      const bits = 8 << e.sizeLog2;
      if (!s.isLoad) {
        t.emit(uop(`vget${bits}`), T3, e.reg, 0, 0, e.lane << e.sizeLog2, 0, 0);
        t.emit(STORES[e.sizeLog2]!.imm, T3, base, 0, 0, 0, e.offset, 0);
        continue;
      }
      t.emit(LOADS[e.sizeLog2]!.imm, T2, base, 0, 0, 0, e.offset, 0);
      if (s.replicate) t.emit(uop(`vdup${bits}`), e.reg, T2, 0, 0, 0, 0, 0);
      else t.emit(uop(`vput${bits}`), e.reg, T2, 0, 0, e.lane << e.sizeLog2, 0, 0);
    }
    for (const reg of s.clearedUpper) t.emit(uop('vzerohi'), reg, 0, 0, 0, 0, 0, 0);
  }
  if (s.postIndex === undefined) return;
  if (s.postIndex.rm === 31) addTo(t, base, s.totalBytes);
  else t.emit(uop('add'), base, base, s.postIndex.rm, 0, 0, 0, 0);
};

const loadOrdered: Lower = (w, t) => {
  const size = w >>> 30;
  align(t, regSp(rn(w)), size, false);
  t.emit(LOADS[size]!.imm, dest(rd(w)), regSp(rn(w)), 0, 0, 0, 0, 0);
};

const storeOrdered: Lower = (w, t) => {
  const size = w >>> 30;
  align(t, regSp(rn(w)), size, true);
  t.emit(STORES[size]!.imm, rd(w), regSp(rn(w)), 0, 0, 0, 0, 0);
};

/** Like an unscaled access, but the address must be aligned. */
const orderedUnscaled: Lower = (w, t) => {
  const a = decodeSingle(w)!;
  t.emit(ADD_I, T0, regSp(rn(w)), 0, 0, 0, imm9(w), imm9(w) < 0 ? -1 : 0);
  align(t, T0, a.scale, a.isStore);
  t.emit(a.ops.imm, a.d, T0, 0, 0, 0, 0, 0);
  if (a.narrow) t.emit(W, a.d, 0, 0, 0, 0, 0, 0);
};

const ACCESSES: { readonly [name: string]: Lower } = {
  LDST_pair: pair,
  LDST_unscaled: (w, t) => {
    const a = decodeSingle(w);
    if (a !== undefined) access(t, a, regSp(rn(w)), imm9(w));
  },
  LDST_unpriv: (w, t) => access(t, decodeSingle(w)!, regSp(rn(w)), imm9(w), true),
  LDST_post: (w, t) => {
    const a = decodeSingle(w)!;
    access(t, a, regSp(rn(w)), 0);
    if (!loadsBase(a, w)) addTo(t, regSp(rn(w)), imm9(w));
  },
  LDST_pre: (w, t) => {
    const a = decodeSingle(w)!;
    access(t, a, regSp(rn(w)), imm9(w));
    if (!loadsBase(a, w)) addTo(t, regSp(rn(w)), imm9(w));
  },
  LDST_reg: registerOffset,
  LDST_imm: (w, t) => {
    const a = decodeSingle(w);
    if (a !== undefined) access(t, a, regSp(rn(w)), ((w >>> 10) & 0xfff) << a.scale);
  },
  LDXR: (w, t) => t.emit(LDX[w >>> 30]!, dest(rd(w)), regSp(rn(w)), 0, 0, 0, w >>> 30, 0),
  STXR: (w, t) => t.emit(STX[w >>> 30]!, dest(rm(w)), regSp(rn(w)), rd(w), 0, 0, 0, 0),
  LDXP: (w, t) => {
    const size = (w >>> 30) & 1 ? 3 : 2;
    const base = regSp(rn(w));
    t.emit(LDX[size]!, T2, base, 0, 0, 0, size + 1, 0);
    t.emit(LOADS[size]!.imm, T3, base, 0, 0, 0, 1 << size, 0);
    t.emit(MOV, dest(rd(w)), T2, 0, 0, 0, 0, 0);
    t.emit(MOV, dest(ra(w)), T3, 0, 0, 0, 0, 0);
  },
  STXP: (w, t) => {
    const size = (w >>> 30) & 1 ? 3 : 2;
    t.emit(uop(`stxp${8 << size}`), dest(rm(w)), regSp(rn(w)), rd(w), ra(w), 0, 0, 0);
  },
  LDAR: loadOrdered,
  STLR: storeOrdered,
  // FEAT_LOR and FEAT_LRCPC: the one order there is serves.
  LDLAR: loadOrdered,
  STLLR: storeOrdered,
  LDAPR: loadOrdered,
  LDAPUR: orderedUnscaled,
  STLUR: orderedUnscaled,
  ...ATOMICS,
  ...PAUTH_LOADS,
};

/** CheckSPAlignment comes first in all of them but prefetches. */
const withStack =
  (lower: Lower): Lower =>
  (w, t) => {
    const isPrefetch = (w & 0xfec0_0000) >>> 0 === 0xf880_0000;
    if (rn(w) === 31 && !isPrefetch) t.checkStack();
    lower(w, t);
  };

export const LOWER_MEMORY: { readonly [name: string]: Lower } = {
  LDR_lit: literal,
  LDR_lit_simd: literal,
  ...Object.fromEntries(Object.entries(ACCESSES).map(([name, lower]) => [name, withStack(lower)])),
};
