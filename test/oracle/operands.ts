import type { Random } from './random.ts';

/*
 * Register contents at which arithmetic goes wrong. A batch draws its operands from a pool made for it, which
 * is much quicker than making each one.
 */

interface Format {
  readonly bits: number;
  readonly frac: number;
  readonly bias: number;
}
const FORMATS: readonly Format[] = [
  { bits: 16, frac: 10, bias: 15 },
  { bits: 32, frac: 23, bias: 127 },
  { bits: 64, frac: 52, bias: 1023 },
];

/** A fraction near where rounding decides: few bits, runs of ones, or random. */
function fraction(random: Random, frac: number): bigint {
  const mask = (1n << BigInt(frac)) - 1n;
  switch (random.below(6)) {
    case 0:
      return 0n;
    case 1:
      return mask >> BigInt(random.below(4));
    case 2:
      return 1n << BigInt(random.below(frac));
    case 3:
      return (mask << BigInt(random.below(frac))) & mask;
    case 4:
      return (1n << BigInt(random.below(frac))) - 1n;
    default:
      return random.u64() & mask;
  }
}

/** Zeros, infinities, NaNs of both kinds, subnormals, numbers near the limits and near 1. */
function floating(random: Random, f: Format): bigint {
  const top = 2 * f.bias + 1;
  const sign = BigInt(random.below(2)) << BigInt(f.bits - 1);
  let exponent: number;
  switch (random.below(12)) {
    case 0:
      exponent = 0;
      break;
    case 1:
      exponent = top;
      break;
    case 2:
      exponent = 1 + random.below(f.frac + 3);
      break;
    case 3:
      exponent = top - 1 - random.below(f.frac + 3);
      break;
    case 4:
      exponent = 1 + random.below(top - 1);
      break;
    case 5:
      // Numbers near the limits of integers
      exponent = f.bias + random.below(Math.min(70, f.bias));
      break;
    case 6:
      exponent = (f.bias >> 1) + random.below(9) - 4;
      break;
    default:
      exponent = f.bias + random.below(9) - 4;
  }
  const exact = (exponent === 0 || exponent === top) && random.below(2) === 0;
  return sign | (BigInt(exponent) << BigInt(f.frac)) | (exact ? 0n : fraction(random, f.frac));
}

/** Extreme, small (a shift count, a table index), a single bit, a run of ones, or random. */
function integer(random: Random, bits: number): bigint {
  const top = 1n << BigInt(bits - 1);
  const all = 2n * top - 1n;
  switch (random.below(8)) {
    case 0:
      return random.pick([0n, top, all, top - 1n, top + 1n, 1n, all - 1n]);
    case 1:
      return BigInt.asUintN(bits, BigInt(random.below(140) - 70));
    case 2:
      return 1n << BigInt(random.below(bits));
    case 3:
      return all >> BigInt(random.below(bits));
    default:
      return random.u64() & all;
  }
}

function lanes(random: Random): bigint {
  const kind = random.below(8);
  if (kind === 0) return integer(random, 64);
  const isFloating = kind < 5;
  const format = random.pick(FORMATS);
  const bits = isFloating ? format.bits : random.pick([8, 16, 32, 64]);
  let value = 0n;
  for (let at = 0; at < 64; at += bits) {
    value |= (isFloating ? floating(random, format) : integer(random, bits)) << BigInt(at);
  }
  return value;
}

export class OperandPool {
  static readonly #SIZE = 2048;
  /** Pairs of 32-bit halves, low half first. */
  readonly #general = new Uint32Array(OperandPool.#SIZE * 2);
  readonly #vector = new Uint32Array(OperandPool.#SIZE * 2);
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
    const put = (into: Uint32Array, i: number, value: bigint): void => {
      into[2 * i] = Number(value & 0xffff_ffffn);
      into[2 * i + 1] = Number(value >> 32n);
    };
    for (let i = 0; i < OperandPool.#SIZE; i++) {
      const small = random.chance(30);
      put(
        this.#general,
        i,
        small
          ? integer(random, 32) | (random.chance(50) ? (random.u64() << 32n) & 0xffff_ffff_0000_0000n : 0n)
          : integer(random, 64),
      );
      put(this.#vector, i, lanes(random));
    }
  }

  /** Fills X0–X30 (62 words) at `at`. */
  general(into: Uint32Array, at: number): void {
    this.#fill(this.#general, into, at, 31);
  }

  /** Fills V0–V31 (128 words) at `at`. */
  vectors(into: Uint32Array, at: number): void {
    this.#fill(this.#vector, into, at, 64);
  }

  #fill(pool: Uint32Array, into: Uint32Array, at: number, count: number): void {
    const random = this.#random;
    for (let i = 0; i < count; i += 2) {
      // Two indices of 11 bits from one random number
      const r = random.u32();
      const a = (r & 0x7ff) << 1;
      const b = (r >>> 10) & 0xffe;
      into[at + 2 * i] = pool[a]!;
      into[at + 2 * i + 1] = pool[a + 1]!;
      if (i + 1 < count) {
        into[at + 2 * i + 2] = pool[b]!;
        into[at + 2 * i + 3] = pool[b + 1]!;
      }
    }
  }
}

/** FPCR.{AHP, DN, FZ, RMode, FZ16}; mostly the settings that programs use. */
export function randomFpcr(random: Random, half: boolean): number {
  const r = random.u32();
  if (r % 4 === 0) return 0;
  return (r & (half ? 0x07c8_0000 : 0x07c0_0000)) >>> 0;
}
