import { SLOT_T0 } from '../helpers/layout.ts';
import { uop } from '../uops.ts';
import { ATOMIC_OPERATIONS } from '../uops-extensions.ts';
import { dest, type Lower, rd, regSp, rm, rn } from './lowering.ts';

/** Atomics of FEAT_LSE (Arm ARM C4.1.88). Acquire and release mean nothing where there is one order of accesses. */

const BITS = [8, 16, 32, 64];
const LOAD_AND = ATOMIC_OPERATIONS.slice(0, 8).map((name) => BITS.map((bits) => uop(`ld${name}${bits}`)));
const SWAP = BITS.map((bits) => uop(`swp${bits}`));
const COMPARE_AND_SWAP = BITS.map((bits) => uop(`cas${bits}`));
const MOV = uop('mov');
const MOV32 = uop('mov32');
const LSR_I = uop('lsrv_i');
const ORR_LSL = uop('orr_lsl');
const EOR = uop('eor');
const ORR = uop('orr');
const SEL = uop('sel');

const [T0, T1, T2, T3] = [SLOT_T0, SLOT_T0 + 1, SLOT_T0 + 2, SLOT_T0 + 3];

/** Two words as a doubleword; the registers come in pairs from an even one up, so the last is X30 with XZR. */
const pairWords: Lower = (w, t) => {
  const [s, d] = [rm(w), rd(w)];
  t.emit(MOV32, T0, s, 0, 0, 0, 0, 0);
  t.emit(ORR_LSL, T0, T0, s + 1, 0, 32, 0, 0);
  t.emit(MOV32, T1, d, 0, 0, 0, 0, 0);
  t.emit(ORR_LSL, T1, T1, d + 1, 0, 32, 0, 0);
  t.emit(COMPARE_AND_SWAP[3]!, T0, regSp(rn(w)), T1, T0, 0, 0, 0);
  t.emit(MOV32, dest(s), T0, 0, 0, 0, 0, 0);
  t.emit(LSR_I, dest(s + 1), T0, 0, 0, 0, 32, 0);
};

const pairLongs: Lower = (w, t) => {
  const [s, d] = [rm(w), rd(w)];
  const base = regSp(rn(w));
  t.emit(uop('ldupdate'), T0, base, 0, T1, 0, 0, 0);
  t.emit(EOR, T2, T0, s, 0, 0, 0, 0);
  t.emit(EOR, T3, T1, s + 1, 0, 0, 0, 0);
  t.emit(ORR, T2, T2, T3, 0, 0, 0, 0);
  t.emit(uop('iszero'), T2, T2, 0, 0, 0, 0, 0);
  t.emit(SEL, T3, d + 1, T1, T2, 0, 0, 0);
  t.emit(SEL, T2, d, T0, T2, 0, 0, 0);
  t.emit(uop('stp64'), T2, base, 0, T3, 0, 0, 0);
  t.emit(MOV, dest(s), T0, 0, 0, 0, 0, 0);
  t.emit(MOV, dest(s + 1), T1, 0, 0, 0, 0, 0);
};

export const ATOMICS: { readonly [name: string]: Lower } = {
  LDOP: (w, t) => t.emit(LOAD_AND[(w >>> 12) & 7]![w >>> 30]!, dest(rd(w)), regSp(rn(w)), rm(w), 0, 0, 0, 0),
  SWP: (w, t) => t.emit(SWAP[w >>> 30]!, dest(rd(w)), regSp(rn(w)), rm(w), 0, 0, 0, 0),
  CAS: (w, t) => t.emit(COMPARE_AND_SWAP[w >>> 30]!, dest(rm(w)), regSp(rn(w)), rd(w), rm(w), 0, 0, 0),
  CASP: (w, t) => ((w >>> 30) & 1 ? pairLongs(w, t) : pairWords(w, t)),
};
