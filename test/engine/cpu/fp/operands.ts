/*
 * Operands that floating-point units get wrong, and random instruction words. Everything comes from a seeded
 * generator, so that a failure can be repeated.
 */
import type { Case, CompiledFp } from './machine.ts';

export class Random {
  #state: number;
  constructor(seed: number) {
    this.#state = seed | 0;
  }
  /** Uniform 32 bits (the mulberry32 generator). */
  u32(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  }
  below(n: number): number {
    return Math.floor((this.u32() / 2 ** 32) * n);
  }
  u64(): bigint {
    return (BigInt(this.u32()) << 32n) | BigInt(this.u32());
  }
  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!;
  }
}

export interface Format {
  readonly bits: number;
  readonly frac: number;
  readonly bias: number;
}

export const HALF: Format = { bits: 16, frac: 10, bias: 15 };
export const SINGLE: Format = { bits: 32, frac: 23, bias: 127 };
export const DOUBLE: Format = { bits: 64, frac: 52, bias: 1023 };
export const FORMATS: readonly Format[] = [HALF, SINGLE, DOUBLE];

/** A fraction near where rounding decides: few bits, runs of ones, or random. */
function fraction(random: Random, frac: number): bigint {
  const mask = (1n << BigInt(frac)) - 1n;
  switch (random.below(6)) {
    case 0:
      return 0n;
    case 1:
      return mask >> BigInt(random.below(4));
    case 2:
      return (1n << BigInt(random.below(frac))) & mask;
    case 3:
      return (mask << BigInt(random.below(frac))) & mask;
    case 4:
      return ((1n << BigInt(random.below(frac))) - 1n) & mask;
    default:
      return random.u64() & mask;
  }
}

export function operand(random: Random, f: Format): bigint {
  const frac = BigInt(f.frac);
  const sign = BigInt(random.below(2)) << BigInt(f.bits - 1);
  const top = 2 * f.bias + 1;
  const field = ((): number => {
    switch (random.below(12)) {
      case 0:
        return 0;
      case 1:
        return top;
      case 2:
        return 1 + random.below(f.frac + 3);
      case 3:
        return top - 1 - random.below(f.frac + 3);
      case 4:
        return 1 + random.below(top - 1);
      case 5:
        return f.bias + random.below(70) < top ? f.bias + random.below(Math.min(70, f.bias)) : f.bias;
      // A product or quotient near the smallest numbers.
      case 6:
        return (f.bias >> 1) + random.below(9) - 4;
      default:
        return f.bias + random.below(9) - 4;
    }
  })();
  if (field === 0 && random.below(2) === 0) return sign;
  if (field === top && random.below(2) === 0) return sign | (BigInt(top) << frac);
  return sign | (BigInt(field) << frac) | fraction(random, f.frac);
}

/** 64 bits of elements of one format, or, now and then, of integers or noise. */
export function lanes(random: Random, f: Format): bigint {
  const kind = random.below(16);
  if (kind === 0) return random.u64();
  if (kind === 1) return random.u64() >> BigInt(random.below(64));
  let r = 0n;
  for (let at = 0; at < 64; at += f.bits) r |= operand(random, f) << BigInt(at);
  return r;
}

/** FPCR.{AHP, DN, FZ, RMode, FZ16}; mostly the settings that programs use. */
export function fpcr(random: Random, half: boolean): number {
  const r = random.u32();
  if (r % 4 === 0) return 0;
  return (r & (half ? 0x07c8_0000 : 0x07c0_0000)) >>> 0;
}

/** A word of an encoding with registers V0–V3 (or X0–X2), source and destination often the same. */
export function word(random: Random, e: CompiledFp): number {
  for (let tries = 0; tries < 1000; tries++) {
    let w = ((random.u32() & ~e.mask) | e.value) >>> 0;
    for (const [name, { lo, width }] of e.fields) {
      if (!/^R[dnma]$/.test(name)) continue;
      const r =
        name === 'Rd'
          ? random.pick([0, 0, 0, 2])
          : name === 'Rn'
            ? random.pick([1, 1, 1, 2])
            : random.pick([2, 2, 1, 3]);
      w = ((w & ~(((1 << width) - 1) << lo)) | (r << lo)) >>> 0;
    }
    if (e.where === undefined || e.where(w)) return w;
  }
  throw new Error(`no word of ${e.name} found`);
}

export function randomCase(random: Random, e: CompiledFp): Case {
  const f = random.pick(FORMATS);
  return {
    insn: word(random, e),
    fpcr: fpcr(random, true),
    fpsr: random.pick([0, 0x10, 0x10, 0x9f]),
    nzcv: (random.u32() & 0xf000_0000) >>> 0,
    v: Array.from({ length: 8 }, () => lanes(random, f)),
    x1: random.below(3) === 0 ? random.u64() : random.u64() >> BigInt(random.below(64)),
    x2: random.u64(),
  };
}
