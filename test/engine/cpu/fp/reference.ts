/*
 * The floating-point functions of the Arm ARM (DDI 0487, J1.3 shared/functions/float) transcribed with exact
 * rational numbers, so with none of the tricks, and none of the mistakes, of the implementation under test.
 */
import type { Format } from './operands.ts';

export const IOC = 1;
export const DZC = 2;
export const OFC = 4;
export const UFC = 8;
export const IXC = 16;
export const IDC = 128;

export type Rounding = 'TIEEVEN' | 'POSINF' | 'NEGINF' | 'ZERO' | 'TIEAWAY' | 'ODD';
type Kind = 'Zero' | 'Nonzero' | 'Infinity' | 'QNaN' | 'SNaN';

/** n / d, d > 0. */
interface Rational {
  readonly n: bigint;
  readonly d: bigint;
}

interface Unpacked {
  readonly kind: Kind;
  readonly sign: boolean;
  readonly value: Rational;
}

const ZERO: Rational = { n: 0n, d: 1n };
const rational = (n: bigint): Rational => ({ n, d: 1n });
const abs = (n: bigint): bigint => (n < 0n ? -n : n);
const plus = (a: Rational, b: Rational): Rational => ({ n: a.n * b.d + b.n * a.d, d: a.d * b.d });
const times = (a: Rational, b: Rational): Rational => ({ n: a.n * b.n, d: a.d * b.d });
const over = (a: Rational, b: Rational): Rational =>
  b.n < 0n ? { n: -a.n * b.d, d: a.d * -b.n } : { n: a.n * b.d, d: a.d * b.n };
/** Sign of a - b. */
const compare = (a: Rational, b: Rational): number => {
  const x = a.n * b.d;
  const y = b.n * a.d;
  return x < y ? -1 : x > y ? 1 : 0;
};
const power = (e: number): Rational => (e >= 0 ? rational(1n << BigInt(e)) : { n: 1n, d: 1n << BigInt(-e) });
const floor = (a: Rational): bigint => (a.n >= 0n ? a.n / a.d : -((-a.n + a.d - 1n) / a.d));

/** Rounds to an integer; `error` is what RoundDown leaves, 0 <= error < 1. */
function roundInteger(value: Rational, rounding: Rounding): { int: bigint; error: boolean } {
  let int = floor(value);
  const error: Rational = { n: value.n - int * value.d, d: value.d };
  const half = compare(error, { n: 1n, d: 2n });
  const up = {
    TIEEVEN: half > 0 || (half === 0 && (int & 1n) === 1n),
    POSINF: error.n !== 0n,
    NEGINF: false,
    ZERO: error.n !== 0n && int < 0n,
    TIEAWAY: half > 0 || (half === 0 && int >= 0n),
    ODD: false,
  }[rounding];
  if (up) int += 1n;
  return { int, error: error.n !== 0n };
}

const RMODES: readonly Rounding[] = ['TIEEVEN', 'POSINF', 'NEGINF', 'ZERO'];

/** Arm's functions for one FPCR; `flags` collects FPSR bits. */
export class Reference {
  flags = 0;
  readonly #dn: boolean;
  readonly #fz: boolean;
  readonly #fz16: boolean;
  readonly #ahp: boolean;
  readonly rounding: Rounding;

  constructor(fpcr: number) {
    this.#ahp = (fpcr & (1 << 26)) !== 0;
    this.#dn = (fpcr & (1 << 25)) !== 0;
    this.#fz = (fpcr & (1 << 24)) !== 0;
    this.#fz16 = (fpcr & (1 << 19)) !== 0;
    this.rounding = RMODES[(fpcr >>> 22) & 3]!;
  }

  #unpack(f: Format, bits: bigint, conversion = false): Unpacked {
    const sign = bits >> BigInt(f.bits - 1) === 1n;
    const frac = bits & ((1n << BigInt(f.frac)) - 1n);
    const exp = Number((bits >> BigInt(f.frac)) & BigInt(2 * f.bias + 1));
    const make = (kind: Kind, value: Rational): Unpacked => ({
      kind,
      sign,
      value: sign ? { n: -value.n, d: value.d } : value,
    });
    if (exp === 0) {
      if (frac === 0n) return make('Zero', ZERO);
      if (f.bits === 16 ? this.#fz16 && !conversion : this.#fz) {
        if (f.bits !== 16) this.flags |= IDC;
        return make('Zero', ZERO);
      }
      return make('Nonzero', times(rational(frac), power(1 - f.bias - f.frac)));
    }
    if (exp === 2 * f.bias + 1 && !(f.bits === 16 && conversion && this.#ahp)) {
      if (frac === 0n) return make('Infinity', ZERO);
      return make(frac >> BigInt(f.frac - 1) === 1n ? 'QNaN' : 'SNaN', ZERO);
    }
    return make('Nonzero', times(rational(frac | (1n << BigInt(f.frac))), power(exp - f.bias - f.frac)));
  }

  #signed(f: Format, sign: boolean, rest: bigint): bigint {
    return (sign ? 1n << BigInt(f.bits - 1) : 0n) | rest;
  }
  #infinity(f: Format, sign: boolean): bigint {
    return this.#signed(f, sign, BigInt(2 * f.bias + 1) << BigInt(f.frac));
  }
  #defaultNaN(f: Format): bigint {
    return this.#infinity(f, false) | (1n << BigInt(f.frac - 1));
  }
  #invalid(f: Format): bigint {
    this.flags |= IOC;
    return this.#defaultNaN(f);
  }

  #processNaN(f: Format, kind: Kind, bits: bigint): bigint {
    if (kind === 'SNaN') this.flags |= IOC;
    return this.#dn ? this.#defaultNaN(f) : bits | (1n << BigInt(f.frac - 1));
  }

  #processNaNs(f: Format, operands: readonly (readonly [Unpacked, bigint])[]): bigint | undefined {
    for (const kind of ['SNaN', 'QNaN'] as const) {
      for (const [u, bits] of operands) if (u.kind === kind) return this.#processNaN(f, kind, bits);
    }
    return undefined;
  }

  /** FPRoundBase. */
  #round(f: Format, value: Rational, rounding = this.rounding, conversion = false): bigint {
    const sign = value.n < 0n;
    const mantissa: Rational = { n: abs(value.n), d: value.d };
    let exponent = mantissa.n.toString(2).length - mantissa.d.toString(2).length;
    if (compare(mantissa, power(exponent)) < 0) exponent -= 1;
    const minimum = 1 - f.bias;
    if ((f.bits === 16 ? this.#fz16 && !conversion : this.#fz) && exponent < minimum) {
      this.flags |= UFC;
      return this.#signed(f, sign, 0n);
    }
    let biased = BigInt(Math.max(exponent - minimum + 1, 0));
    const scaled = times(mantissa, power(f.frac - Math.max(exponent, minimum)));
    let int = floor(scaled);
    const rest: Rational = { n: scaled.n - int * scaled.d, d: scaled.d };
    let error = rest.n !== 0n;
    if (biased === 0n && error) this.flags |= UFC;
    const half = compare(rest, { n: 1n, d: 2n });
    const [up, toInfinity] = {
      TIEEVEN: [half > 0 || (half === 0 && (int & 1n) === 1n), true],
      POSINF: [error && !sign, !sign],
      NEGINF: [error && sign, sign],
      ZERO: [false, false],
      ODD: [false, false],
      TIEAWAY: [half >= 0, true],
    }[rounding] as [boolean, boolean];
    const one = 1n << BigInt(f.frac);
    if (up) {
      int += 1n;
      if (int === one) biased = 1n;
      if (int === one << 1n) {
        biased += 1n;
        int >>= 1n;
      }
    }
    if (error && rounding === 'ODD') int |= 1n;
    const top = BigInt(2 * f.bias + 1);
    let result: bigint;
    if (f.bits === 16 && conversion && this.#ahp) {
      if (biased > top) {
        this.flags |= IOC;
        return this.#signed(f, sign, 0x7fffn);
      }
      result = this.#signed(f, sign, (biased << BigInt(f.frac)) | (int & (one - 1n)));
    } else if (biased >= top) {
      result = toInfinity ? this.#infinity(f, sign) : this.#infinity(f, sign) - 1n;
      this.flags |= OFC;
      error = true;
    } else result = this.#signed(f, sign, (biased << BigInt(f.frac)) | (int & (one - 1n)));
    if (error) this.flags |= IXC;
    return result;
  }

  /** A sum: an exact zero takes its sign from the rounding mode. */
  #roundSum(f: Format, value: Rational): bigint {
    if (value.n === 0n) return this.#signed(f, this.rounding === 'NEGINF', 0n);
    return this.#round(f, value);
  }

  neg(f: Format, a: bigint): bigint {
    return a ^ (1n << BigInt(f.bits - 1));
  }
  abs(f: Format, a: bigint): bigint {
    return a & ((1n << BigInt(f.bits - 1)) - 1n);
  }

  #addSub(f: Format, a: bigint, b: bigint, subtract: boolean): bigint {
    const u = this.#unpack(f, a);
    const v = this.#unpack(f, b);
    const nan = this.#processNaNs(f, [
      [u, a],
      [v, b],
    ]);
    if (nan !== undefined) return nan;
    const sign2 = v.sign !== subtract;
    if (u.kind === 'Infinity' && v.kind === 'Infinity' && u.sign !== sign2) return this.#invalid(f);
    if (u.kind === 'Infinity') return this.#infinity(f, u.sign);
    if (v.kind === 'Infinity') return this.#infinity(f, sign2);
    if (u.kind === 'Zero' && v.kind === 'Zero' && u.sign === sign2) return this.#signed(f, u.sign, 0n);
    return this.#roundSum(f, plus(u.value, subtract ? { n: -v.value.n, d: v.value.d } : v.value));
  }
  add(f: Format, a: bigint, b: bigint): bigint {
    return this.#addSub(f, a, b, false);
  }
  sub(f: Format, a: bigint, b: bigint): bigint {
    return this.#addSub(f, a, b, true);
  }

  mul(f: Format, a: bigint, b: bigint, extended = false): bigint {
    const u = this.#unpack(f, a);
    const v = this.#unpack(f, b);
    const nan = this.#processNaNs(f, [
      [u, a],
      [v, b],
    ]);
    if (nan !== undefined) return nan;
    const sign = u.sign !== v.sign;
    const zero = u.kind === 'Zero' || v.kind === 'Zero';
    const inf = u.kind === 'Infinity' || v.kind === 'Infinity';
    if (zero && inf) {
      return extended ? this.#signed(f, sign, BigInt(f.bias + 1) << BigInt(f.frac)) : this.#invalid(f);
    }
    if (inf) return this.#infinity(f, sign);
    if (zero) return this.#signed(f, sign, 0n);
    return this.#round(f, times(u.value, v.value));
  }

  div(f: Format, a: bigint, b: bigint): bigint {
    const u = this.#unpack(f, a);
    const v = this.#unpack(f, b);
    const nan = this.#processNaNs(f, [
      [u, a],
      [v, b],
    ]);
    if (nan !== undefined) return nan;
    const sign = u.sign !== v.sign;
    if (u.kind === v.kind && u.kind !== 'Nonzero') return this.#invalid(f);
    if (u.kind === 'Infinity' || v.kind === 'Zero') {
      if (u.kind !== 'Infinity') this.flags |= DZC;
      return this.#infinity(f, sign);
    }
    if (u.kind === 'Zero' || v.kind === 'Infinity') return this.#signed(f, sign, 0n);
    return this.#round(f, over(u.value, v.value));
  }

  sqrt(f: Format, a: bigint): bigint {
    const u = this.#unpack(f, a);
    const nan = this.#processNaNs(f, [[u, a]]);
    if (nan !== undefined) return nan;
    if (u.kind === 'Zero') return this.#signed(f, u.sign, 0n);
    if (u.sign) return this.#invalid(f);
    if (u.kind === 'Infinity') return this.#infinity(f, false);
    // 4^-1200 is finer than every result's last place; a remainder becomes a sliver above the integer root.
    const radicand = floor(times(u.value, power(2400)));
    let low = 0n;
    let high = 1n << BigInt((radicand.toString(2).length >> 1) + 1);
    while (low < high) {
      const mid = (low + high + 1n) >> 1n;
      if (mid * mid <= radicand) low = mid;
      else high = mid - 1n;
    }
    const sliver = low * low === radicand ? 0n : 1n;
    return this.#round(f, times({ n: 2n * low + sliver, d: 2n }, power(-1200)));
  }

  mulAdd(f: Format, c: bigint, a: bigint, b: bigint): bigint {
    const w = this.#unpack(f, c);
    const u = this.#unpack(f, a);
    const v = this.#unpack(f, b);
    const improper =
      (u.kind === 'Infinity' && v.kind === 'Zero') || (u.kind === 'Zero' && v.kind === 'Infinity');
    const nan = this.#processNaNs(f, [
      [w, c],
      [u, a],
      [v, b],
    ]);
    if (w.kind === 'QNaN' && improper) return this.#invalid(f);
    if (nan !== undefined) return nan;
    const sign = u.sign !== v.sign;
    const inf = u.kind === 'Infinity' || v.kind === 'Infinity';
    const zero = u.kind === 'Zero' || v.kind === 'Zero';
    if (improper || (w.kind === 'Infinity' && inf && w.sign !== sign)) return this.#invalid(f);
    if (w.kind === 'Infinity') return this.#infinity(f, w.sign);
    if (inf) return this.#infinity(f, sign);
    if (w.kind === 'Zero' && zero && w.sign === sign) return this.#signed(f, sign, 0n);
    return this.#roundSum(f, plus(w.value, times(u.value, v.value)));
  }

  /** FPMulAddH: halves a and b, single c. A NaN of a half is processed as one, then converted. */
  mulAddH(half: Format, f: Format, c: bigint, a: bigint, b: bigint): bigint {
    const wide = (bits: bigint): bigint => {
      const frac = bits & ((1n << BigInt(half.frac)) - 1n);
      return this.#infinity(f, bits >> 15n === 1n) | (frac << BigInt(f.frac - half.frac));
    };
    const [u, v] = [this.#unpack(half, a), this.#unpack(half, b)];
    const w = this.#unpack(f, c);
    const kinds = [w.kind, u.kind, v.kind];
    for (const kind of ['SNaN', 'QNaN'] as const) {
      const at = kinds.indexOf(kind);
      if (at < 0) continue;
      const improper = kinds.slice(1).includes('Infinity') && kinds.slice(1).includes('Zero');
      if (w.kind === 'QNaN' && improper) return this.#invalid(f);
      return at === 0 ? this.#processNaN(f, kind, c) : wide(this.#processNaN(half, kind, at === 1 ? a : b));
    }
    // All halves are singles: exact, and flushed above.
    const exact = (x: Unpacked): bigint =>
      x.kind === 'Nonzero'
        ? new Reference(0).#round(f, x.value)
        : x.kind === 'Zero'
          ? this.#signed(f, x.sign, 0n)
          : this.#infinity(f, x.sign);
    return this.mulAdd(f, c, exact(u), exact(v));
  }

  #step(f: Format, a: bigint, b: bigint, constant: bigint, divisor: bigint): bigint {
    const negated = this.neg(f, a);
    const u = this.#unpack(f, negated);
    const v = this.#unpack(f, b);
    const nan = this.#processNaNs(f, [
      [u, negated],
      [v, b],
    ]);
    if (nan !== undefined) return nan;
    const inf = u.kind === 'Infinity' || v.kind === 'Infinity';
    const zero = u.kind === 'Zero' || v.kind === 'Zero';
    if (inf && zero) return this.#round(f, { n: constant, d: divisor });
    if (inf) return this.#infinity(f, u.sign !== v.sign);
    return this.#roundSum(f, over(plus(rational(constant), times(u.value, v.value)), rational(divisor)));
  }
  recipStep(f: Format, a: bigint, b: bigint): bigint {
    return this.#step(f, a, b, 2n, 1n);
  }
  rsqrtStep(f: Format, a: bigint, b: bigint): bigint {
    return this.#step(f, a, b, 3n, 2n);
  }

  /** FPCompare as NZCV. */
  compare(f: Format, a: bigint, b: bigint, signalling: boolean): number {
    const u = this.#unpack(f, a);
    const v = this.#unpack(f, b);
    if (/NaN/.test(u.kind + v.kind)) {
      if (signalling || /SNaN/.test(`${u.kind} ${v.kind}`)) this.flags |= IOC;
      return 0b0011;
    }
    const rank = (x: Unpacked): number => (x.kind === 'Infinity' ? (x.sign ? -1 : 1) : 0);
    const order = rank(u) - rank(v) || compare(u.value, v.value);
    return order === 0 ? 0b0110 : order < 0 ? 0b1000 : 0b0010;
  }

  #maxMin(f: Format, a: bigint, b: bigint, max: boolean): bigint {
    const u = this.#unpack(f, a);
    const v = this.#unpack(f, b);
    const nan = this.#processNaNs(f, [
      [u, a],
      [v, b],
    ]);
    if (nan !== undefined) return nan;
    const zero = (x: Unpacked, bits: bigint): bigint =>
      x.kind === 'Zero' ? this.#signed(f, x.sign, 0n) : bits;
    if (u.kind === 'Zero' && v.kind === 'Zero') {
      return this.#signed(f, max ? u.sign && v.sign : u.sign || v.sign, 0n);
    }
    const saved = this.flags;
    const less = this.compare(f, a, b, false) === 0b1000;
    this.flags = saved;
    return less === max ? zero(v, b) : zero(u, a);
  }
  max(f: Format, a: bigint, b: bigint): bigint {
    return this.#maxMin(f, a, b, true);
  }
  min(f: Format, a: bigint, b: bigint): bigint {
    return this.#maxMin(f, a, b, false);
  }
  #maxMinNum(f: Format, a: bigint, b: bigint, max: boolean): bigint {
    const u = this.#unpack(f, a).kind;
    const v = this.#unpack(f, b).kind;
    const replacement = this.#infinity(f, max);
    if (u === 'QNaN' && v !== 'QNaN') return this.#maxMin(f, replacement, b, max);
    if (v === 'QNaN' && u !== 'QNaN') return this.#maxMin(f, a, replacement, max);
    return this.#maxMin(f, a, b, max);
  }
  maxNum(f: Format, a: bigint, b: bigint): bigint {
    return this.#maxMinNum(f, a, b, true);
  }
  minNum(f: Format, a: bigint, b: bigint): bigint {
    return this.#maxMinNum(f, a, b, false);
  }

  roundInt(f: Format, a: bigint, rounding: Rounding, exact: boolean): bigint {
    const u = this.#unpack(f, a);
    const nan = this.#processNaNs(f, [[u, a]]);
    if (nan !== undefined) return nan;
    if (u.kind === 'Infinity') return a;
    if (u.kind === 'Zero') return this.#signed(f, u.sign, 0n);
    const { int, error } = roundInteger(u.value, rounding);
    const result = int === 0n ? this.#signed(f, u.sign, 0n) : this.#round(f, rational(int), 'ZERO');
    if (error && exact) this.flags |= IXC;
    return result;
  }

  roundIntN(f: Format, a: bigint, rounding: Rounding, width: number): bigint {
    const u = this.#unpack(f, a);
    const limit = 1n << BigInt(width - 1);
    const isNumber = u.kind === 'Zero' || u.kind === 'Nonzero';
    const { int, error } = isNumber ? roundInteger(u.value, rounding) : { int: limit, error: false };
    if (int >= limit || int < -limit) {
      this.flags |= IOC;
      return this.#signed(f, true, BigInt(f.bias + width - 1) << BigInt(f.frac));
    }
    if (error) this.flags |= IXC;
    return int === 0n ? this.#signed(f, u.sign, 0n) : new Reference(0).#round(f, rational(int), 'ZERO');
  }

  /** FPToFixedJS: the integer modulo 2^32, and Z. */
  toFixedJs(f: Format, a: bigint): { int: bigint; z: boolean } {
    const u = this.#unpack(f, a);
    if (u.kind !== 'Zero' && u.kind !== 'Nonzero') {
      this.flags |= IOC;
      return { int: 0n, z: false };
    }
    const { int, error } = roundInteger(u.value, 'ZERO');
    const isInside = int === BigInt.asIntN(32, int);
    if (!isInside) this.flags |= IOC;
    else if (error) this.flags |= IXC;
    // Neither -0 nor a denormal that was flushed
    const z = isInside && !error && (u.kind === 'Nonzero' || a === 0n);
    return { int: BigInt.asUintN(32, int), z };
  }

  /** Zero-extended to 64 bits. */
  toFixed(f: Format, a: bigint, fbits: number, unsigned: boolean, width: number, rounding: Rounding): bigint {
    const u = this.#unpack(f, a);
    if (u.kind === 'QNaN' || u.kind === 'SNaN') {
      this.flags |= IOC;
      return 0n;
    }
    const value = u.kind === 'Infinity' ? times(rational(u.sign ? -1n : 1n), power(1_000_000)) : u.value;
    const { int, error } = roundInteger(times(value, power(fbits)), rounding);
    const low = unsigned ? 0n : -(1n << BigInt(width - 1));
    const high = (1n << BigInt(unsigned ? width : width - 1)) - 1n;
    const saturated = int < low ? low : int > high ? high : int;
    if (saturated !== int) this.flags |= IOC;
    else if (error) this.flags |= IXC;
    return BigInt.asUintN(width, saturated);
  }

  fromFixed(f: Format, int: bigint, fbits: number): bigint {
    return int === 0n ? 0n : this.#round(f, times(rational(int), power(-fbits)));
  }

  convert(from: Format, to: Format, a: bigint, rounding = this.rounding): bigint {
    const u = this.#unpack(from, a, true);
    const alternative = to.bits === 16 && this.#ahp;
    if (u.kind === 'QNaN' || u.kind === 'SNaN') {
      if (u.kind === 'SNaN' || alternative) this.flags |= IOC;
      if (alternative) return this.#signed(to, u.sign, 0n);
      if (this.#dn) return this.#defaultNaN(to);
      const frac = a & ((1n << BigInt(from.frac - 1)) - 1n);
      const shift = from.frac - to.frac;
      const kept = shift >= 0 ? frac >> BigInt(shift) : frac << BigInt(-shift);
      return this.#defaultNaN(to) | this.#signed(to, u.sign, kept);
    }
    if (u.kind === 'Infinity') {
      if (!alternative) return this.#infinity(to, u.sign);
      this.flags |= IOC;
      return this.#signed(to, u.sign, 0x7fffn);
    }
    if (u.kind === 'Zero') return this.#signed(to, u.sign, 0n);
    return this.#round(to, u.value, rounding, true);
  }

  /** FPRecipEstimate: the nearest 1/256 to the reciprocal of the middle of the operand's interval. */
  recipEstimate(f: Format, a: bigint): bigint {
    const u = this.#unpack(f, a);
    const nan = this.#processNaNs(f, [[u, a]]);
    if (nan !== undefined) return nan;
    if (u.kind === 'Infinity') return this.#signed(f, u.sign, 0n);
    if (u.kind === 'Zero') {
      this.flags |= DZC;
      return this.#infinity(f, u.sign);
    }
    const magnitude: Rational = { n: abs(u.value.n), d: u.value.d };
    if (compare(magnitude, power(-f.bias - 1)) < 0) {
      this.flags |= OFC | IXC;
      const r = this.rounding;
      const infinite = r === 'TIEEVEN' || (r === 'POSINF' && !u.sign) || (r === 'NEGINF' && u.sign);
      return infinite ? this.#infinity(f, u.sign) : this.#infinity(f, u.sign) - 1n;
    }
    if ((f.bits === 16 ? this.#fz16 : this.#fz) && compare(magnitude, power(f.bias - 1)) >= 0) {
      this.flags |= UFC;
      return this.#signed(f, u.sign, 0n);
    }
    let e = -f.bias - 1;
    while (compare(magnitude, power(e + 1)) >= 0) e += 1;
    // magnitude = x * 2^(e+1) with 1/2 <= x < 1; x is cut to 9 bits, and r/256 estimates 1/x.
    const cut = floor(times(magnitude, power(8 - e)));
    const r = ((1n << 19n) / (2n * cut + 1n) + 1n) / 2n;
    const exact = times(rational(u.sign ? -r : r), power(-8 - e - 1));
    const saved = this.flags;
    const result = new Reference(0).#round(f, exact, 'ZERO');
    this.flags = saved;
    return result;
  }

  rsqrtEstimate(f: Format, a: bigint): bigint {
    const u = this.#unpack(f, a);
    const nan = this.#processNaNs(f, [[u, a]]);
    if (nan !== undefined) return nan;
    if (u.kind === 'Zero') {
      this.flags |= DZC;
      return this.#infinity(f, u.sign);
    }
    if (u.sign) return this.#invalid(f);
    if (u.kind === 'Infinity') return 0n;
    // x * 4^k with 1/4 <= x < 1.
    let k = -(f.bias >> 1) - f.frac;
    while (compare(u.value, power(2 * k)) >= 0) k += 1;
    const x = times(u.value, power(-2 * k));
    const scaled = floor(times(x, power(9)));
    const r = rsqrtTable(scaled);
    return new Reference(0).#round(f, times(rational(r), power(-8 - k)), 'ZERO');
  }

  recipExponent(f: Format, a: bigint): bigint {
    const u = this.#unpack(f, a);
    const nan = this.#processNaNs(f, [[u, a]]);
    if (nan !== undefined) return nan;
    const top = 2 * f.bias + 1;
    const field = Number((a >> BigInt(f.frac)) & BigInt(top));
    return this.#signed(f, u.sign, BigInt(field === 0 ? top - 1 : top ^ field) << BigInt(f.frac));
  }
}

/** RecipSqrtEstimate: 128 <= a < 512. */
function rsqrtTable(operand: bigint): bigint {
  let a = operand;
  if (a < 256n) a = a * 2n + 1n;
  else {
    a = (a >> 1n) << 1n;
    a = (a + 1n) * 2n;
  }
  let b = 512n;
  while (a * (b + 1n) * (b + 1n) < 1n << 28n) b += 1n;
  return (b + 1n) / 2n;
}

export function unsignedRecipEstimate(a: bigint): bigint {
  if (a >> 31n === 0n) return 0xffff_ffffn;
  return (((1n << 19n) / (2n * (a >> 23n) + 1n) + 1n) / 2n) << 23n;
}

export function unsignedRsqrtEstimate(a: bigint): bigint {
  return a >> 30n === 0n ? 0xffff_ffffn : rsqrtTable(a >> 23n) << 23n;
}
