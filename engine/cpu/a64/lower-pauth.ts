import { SLOT_SP, SLOT_T0, SLOT_ZR } from '../helpers/layout.ts';
import { uop } from '../uops.ts';
import { branchTo, link } from './lower-branch.ts';
import { dest, type Lower, type Lowering, rd, regSp, rm, rn, sign } from './lowering.ts';

/** Pointer authentication (Arm ARM C6.2 "PACIA" and others). Whether a key is enabled is looked at when it runs. */

const ADD = uop('pac_add');
const AUTHENTICATE = uop('pac_authenticate');
const STRIP = uop('pac_strip');
const T0 = SLOT_T0;

/** Key number of bits 11 (data) and 10 (B). */
const keyOf = (w: number): number => (w >>> 10) & 3;

function sign64(t: Lowering, op: number, d: number, pointer: number, modifier: number, key: number): void {
  t.emit(op, d, pointer, modifier, 0, key, 0, 0);
}

/** Of the hints: B is bit 6; modifier SP if bit 5 is set, else zero. */
const onLink =
  (op: number): Lower =>
  (w, t) =>
    sign64(t, op, 30, 30, w & 32 ? SLOT_SP : SLOT_ZR, (w >>> 6) & 1);
const on1716 =
  (op: number): Lower =>
  (w, t) =>
    sign64(t, op, 17, 17, 16, (w >>> 6) & 1);
const onRegister =
  (op: number): Lower =>
  (w, t) =>
    sign64(t, op, dest(rd(w)), rd(w), regSp(rn(w)), keyOf(w));
const onRegisterZero =
  (op: number): Lower =>
  (w, t) =>
    sign64(t, op, dest(rd(w)), rd(w), SLOT_ZR, keyOf(w));

/** The target in Rn, authenticated with Rm as a modifier (or zero). */
function target(w: number, t: Lowering, modifier: number): void {
  sign64(t, AUTHENTICATE, T0, rn(w), modifier, (w >>> 10) & 1);
}
const withModifier = (w: number): number => regSp(rd(w));

export const PAUTH: { readonly [name: string]: Lower } = {
  XPACLRI: (_w, t) => t.emit(STRIP, 30, 30, 0, 0, 0, 0, 0),
  PAC1716: on1716(ADD),
  AUT1716: on1716(AUTHENTICATE),
  PACLR: onLink(ADD),
  AUTLR: onLink(AUTHENTICATE),
  PAC: onRegister(ADD),
  AUT: onRegister(AUTHENTICATE),
  PACZ: onRegisterZero(ADD),
  AUTZ: onRegisterZero(AUTHENTICATE),
  XPAC: (w, t) => t.emit(STRIP, dest(rd(w)), rd(w), 0, 0, (w >>> 10) & 1, 0, 0),
  PACGA: (w, t) => t.emit(uop('pac_generic'), dest(rd(w)), rn(w), regSp(rm(w)), 0, 0, 0, 0),
  BRA: (w, t) => {
    target(w, t, withModifier(w));
    branchTo(t, T0, 'jump', rn(w));
  },
  BRAZ: (w, t) => {
    target(w, t, SLOT_ZR);
    branchTo(t, T0, 'jump', rn(w));
  },
  BLRA: (w, t) => {
    target(w, t, withModifier(w));
    link(t);
    branchTo(t, T0, 'call', rn(w));
  },
  BLRAZ: (w, t) => {
    target(w, t, SLOT_ZR);
    link(t);
    branchTo(t, T0, 'call', rn(w));
  },
  RETA: (w, t) => {
    sign64(t, AUTHENTICATE, T0, 30, SLOT_SP, (w >>> 10) & 1);
    branchTo(t, T0, 'return', 30);
  },
  ERETA: (w, t) => t.host(w),
};

export const PAUTH_LOADS: { readonly [name: string]: Lower } = {
  LDRA: (w, t) => {
    const offset = sign((((w >>> 22) & 1) << 9) | ((w >>> 12) & 0x1ff), 10) * 8;
    const high = offset < 0 ? -1 : 0;
    const base = regSp(rn(w));
    sign64(t, AUTHENTICATE, T0, base, SLOT_ZR, w & (1 << 23) ? 3 : 2);
    t.emit(uop('add_i'), T0, T0, 0, 0, 0, offset, high);
    if (t.checksAlignment) t.emit(uop('align'), 0, T0, 0, 0, 0, 7, 0);
    t.emit(uop('ld64_imm'), dest(rd(w)), T0, 0, 0, 0, 0, 0);
    // Into its own base with write-back: CONSTRAINED UNPREDICTABLE; the loaded value wins.
    if (w & (1 << 11) && (rd(w) !== rn(w) || rn(w) === 31)) t.emit(uop('mov'), base, T0, 0, 0, 0, 0, 0);
  },
};
