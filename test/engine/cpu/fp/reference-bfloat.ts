/*
 * BFAdd and BFMul of the Arm ARM (DDI 0487, J1.3 shared/functions/float/bfloat) with exact integers: values are
 * n * 2^e. BFloat16 numbers come as the singles whose upper half they are.
 */

interface Number_ {
  readonly n: bigint;
  readonly e: number;
}
type Value = 'NaN' | { readonly sign: boolean; readonly finite: Number_ | 'Infinity' };

const DEFAULT_NAN = 0x7fc0_0000n;
const abs = (n: bigint): bigint => (n < 0n ? -n : n);

/** BFUnpack: denormals are zeros. */
function unpack(bits: bigint): Value {
  const sign = bits >> 31n === 1n;
  const exponent = Number((bits >> 23n) & 255n);
  const fraction = bits & 0x7f_ffffn;
  if (exponent === 255) return fraction === 0n ? { sign, finite: 'Infinity' } : 'NaN';
  const n = exponent === 0 ? 0n : fraction | 0x80_0000n;
  return { sign, finite: { n: sign ? -n : n, e: exponent - 150 } };
}

const packed = (sign: boolean, rest: bigint): bigint => (sign ? 1n << 31n : 0n) | rest;
const infinity = (sign: boolean): bigint => packed(sign, 0x7f80_0000n);

/** BFRound: to odd. */
function round({ n, e }: Number_): bigint {
  const sign = n < 0n;
  const length = abs(n).toString(2).length;
  const exponent = length - 1 + e;
  if (exponent < -126) return packed(sign, 0n);
  if (exponent > 127) return infinity(sign);
  const drop = BigInt(length - 24);
  let mantissa = drop > 0n ? abs(n) >> drop : abs(n) << -drop;
  if (drop > 0n && mantissa << drop !== abs(n)) mantissa |= 1n;
  return packed(sign, (BigInt(exponent + 127) << 23n) | (mantissa & 0x7f_ffffn));
}

export function bfAdd(a: bigint, b: bigint): bigint {
  const [u, v] = [unpack(a), unpack(b)];
  if (u === 'NaN' || v === 'NaN') return DEFAULT_NAN;
  if (u.finite === 'Infinity')
    return v.finite === 'Infinity' && u.sign !== v.sign ? DEFAULT_NAN : infinity(u.sign);
  if (v.finite === 'Infinity') return infinity(v.sign);
  if (u.finite.n === 0n && v.finite.n === 0n) return packed(u.sign && v.sign, 0n);
  const e = Math.min(u.finite.e, v.finite.e);
  const n = (u.finite.n << BigInt(u.finite.e - e)) + (v.finite.n << BigInt(v.finite.e - e));
  return n === 0n ? 0n : round({ n, e });
}

export function bfMul(a: bigint, b: bigint): bigint {
  const [u, v] = [unpack(a), unpack(b)];
  if (u === 'NaN' || v === 'NaN') return DEFAULT_NAN;
  const sign = u.sign !== v.sign;
  const isZero = (x: Number_ | 'Infinity'): boolean => x !== 'Infinity' && x.n === 0n;
  if (u.finite === 'Infinity' || v.finite === 'Infinity')
    return isZero(u.finite) || isZero(v.finite) ? DEFAULT_NAN : infinity(sign);
  if (isZero(u.finite) || isZero(v.finite)) return packed(sign, 0n);
  return round({ n: u.finite.n * v.finite.n, e: u.finite.e + v.finite.e });
}
