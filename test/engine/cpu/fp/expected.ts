/*
 * What one element of an instruction gives, by mnemonic: the link between the encodings table and the
 * reference functions.
 */
import type { Format } from './operands.ts';
import { type Reference, type Rounding, unsignedRecipEstimate, unsignedRsqrtEstimate } from './reference.ts';

type Binary = (r: Reference, f: Format, a: bigint, b: bigint) => bigint;
type Unary = (r: Reference, f: Format, a: bigint) => bigint;

const all = (f: Format, holds: boolean): bigint => (holds ? (1n << BigInt(f.bits)) - 1n : 0n);
const equal = (nzcv: number): boolean => nzcv === 0b0110;
const greater = (nzcv: number): boolean => nzcv === 0b0010;
const less = (nzcv: number): boolean => nzcv === 0b1000;

export const BINARY: Readonly<Record<string, Binary>> = {
  FADD: (r, f, a, b) => r.add(f, a, b),
  FSUB: (r, f, a, b) => r.sub(f, a, b),
  FMUL: (r, f, a, b) => r.mul(f, a, b),
  FNMUL: (r, f, a, b) => r.neg(f, r.mul(f, a, b)),
  FMULX: (r, f, a, b) => r.mul(f, a, b, true),
  FDIV: (r, f, a, b) => r.div(f, a, b),
  FMAX: (r, f, a, b) => r.max(f, a, b),
  FMIN: (r, f, a, b) => r.min(f, a, b),
  FMAXNM: (r, f, a, b) => r.maxNum(f, a, b),
  FMINNM: (r, f, a, b) => r.minNum(f, a, b),
  FABD: (r, f, a, b) => r.abs(f, r.sub(f, a, b)),
  FRECPS: (r, f, a, b) => r.recipStep(f, a, b),
  FRSQRTS: (r, f, a, b) => r.rsqrtStep(f, a, b),
  FCMEQ: (r, f, a, b) => all(f, equal(r.compare(f, a, b, false))),
  FCMGT: (r, f, a, b) => all(f, greater(r.compare(f, a, b, true))),
  FCMGE: (r, f, a, b) => all(f, /2|6/.test(String(r.compare(f, a, b, true)))),
  FACGT: (r, f, a, b) => all(f, greater(r.compare(f, r.abs(f, a), r.abs(f, b), true))),
  FACGE: (r, f, a, b) => all(f, /2|6/.test(String(r.compare(f, r.abs(f, a), r.abs(f, b), true)))),
};

const ROUNDINGS: Readonly<Record<string, Rounding>> = {
  N: 'TIEEVEN',
  P: 'POSINF',
  M: 'NEGINF',
  Z: 'ZERO',
  A: 'TIEAWAY',
};

const roundings: Record<string, Unary> = {};
for (const [letter, rounding] of Object.entries(ROUNDINGS)) {
  roundings[`FRINT${letter}`] = (r, f, a) => r.roundInt(f, a, rounding, false);
  roundings[`FCVT${letter}S`] = (r, f, a) => r.toFixed(f, a, 0, false, f.bits, rounding);
  roundings[`FCVT${letter}U`] = (r, f, a) => r.toFixed(f, a, 0, true, f.bits, rounding);
}

export const UNARY: Readonly<Record<string, Unary>> = {
  ...roundings,
  FABS: (r, f, a) => r.abs(f, a),
  FNEG: (r, f, a) => r.neg(f, a),
  FMOV: (_, __, a) => a,
  FSQRT: (r, f, a) => r.sqrt(f, a),
  FRINTX: (r, f, a) => r.roundInt(f, a, r.rounding, true),
  FRINTI: (r, f, a) => r.roundInt(f, a, r.rounding, false),
  FRECPE: (r, f, a) => r.recipEstimate(f, a),
  FRSQRTE: (r, f, a) => r.rsqrtEstimate(f, a),
  FRECPX: (r, f, a) => r.recipExponent(f, a),
  URECPE: (_, __, a) => unsignedRecipEstimate(a),
  URSQRTE: (_, __, a) => unsignedRsqrtEstimate(a),
  FCMEQ0: (r, f, a) => all(f, equal(r.compare(f, a, 0n, false))),
  FCMGT0: (r, f, a) => all(f, greater(r.compare(f, a, 0n, true))),
  FCMLT0: (r, f, a) => all(f, less(r.compare(f, a, 0n, true))),
  FCMGE0: (r, f, a) => all(f, /2|6/.test(String(r.compare(f, a, 0n, true)))),
  FCMLE0: (r, f, a) => all(f, /6|8/.test(String(r.compare(f, a, 0n, true)))),
  SCVTF: (r, f, a) => r.fromFixed(f, BigInt.asIntN(f.bits, a), 0),
  UCVTF: (r, f, a) => r.fromFixed(f, a, 0),
};

/** Sign of the addend, sign of the product. */
export const FUSED: Readonly<Record<string, readonly [boolean, boolean]>> = {
  FMADD: [false, false],
  FMSUB: [false, true],
  FNMADD: [true, true],
  FNMSUB: [true, false],
  FMLA: [false, false],
  FMLS: [false, true],
};

export function fused(name: string, r: Reference, f: Format, c: bigint, a: bigint, b: bigint): bigint {
  const [addend, product] = FUSED[name]!;
  return r.mulAdd(f, addend ? r.neg(f, c) : c, product ? r.neg(f, a) : a, b);
}
