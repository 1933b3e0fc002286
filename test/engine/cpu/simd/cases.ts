/* Random instruction words and registers with the values at which integer vector arithmetic goes wrong. */
import type { Case, Compiled } from './machine.ts';

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
  bits(n: number): bigint {
    let r = 0n;
    for (let i = 0; i < n; i += 32) r = (r << 32n) | BigInt(this.u32());
    return r & ((1n << BigInt(n)) - 1n);
  }
}

/** One element: extreme, small (a shift count, a table index), a single bit, or random. */
function element(random: Random, bits: number): bigint {
  const top = 1n << BigInt(bits - 1);
  const all = 2n * top - 1n;
  switch (random.below(8)) {
    case 0:
      return [0n, top, all, top - 1n, top + 1n, 1n, all - 1n][random.below(7)]!;
    case 1:
      return BigInt.asUintN(bits, BigInt(random.below(140) - 70));
    case 2:
      return 1n << BigInt(random.below(bits));
    case 3:
      return all >> BigInt(random.below(bits));
    default:
      return random.bits(bits);
  }
}

export function vector(random: Random): bigint {
  const bits = [8, 16, 32, 64][random.below(4)]!;
  let r = 0n;
  for (let i = 0; i < 128; i += bits) r = (r << BigInt(bits)) | element(random, bits);
  return r;
}

/** Encodings that name a general register, by field. */
function generalFields(e: Compiled): string[] {
  if (e.name === 'CRC32') return ['Rm', 'Rn', 'Rd'];
  if (e.name === 'DUP_gen' || e.name === 'INS_gen') return ['Rn'];
  return e.name === 'UMOV' || e.name === 'SMOV' ? ['Rd'] : [];
}

/** An allocated word of the encoding that uses X0–X15 and XZR only. */
export function randomWord(random: Random, e: Compiled): number {
  for (;;) {
    let word = ((e.value | (random.u32() & ~e.mask)) >>> 0) as number;
    for (const name of generalFields(e)) {
      const { lo } = e.fields.get(name)!;
      const register = (word >>> lo) & 31;
      if (register > 15 && register < 31) word = (word & ~(16 << lo)) >>> 0;
    }
    // Often the same register twice, since helpers must not destroy what they still read.
    if (random.below(4) === 0 && e.fields.has('Rd') && generalFields(e).length === 0) {
      word = ((word & ~31) | ((word >>> (random.below(2) ? 5 : 16)) & 31)) >>> 0;
    }
    if ((e.value ^ word) & e.mask) continue;
    if (e.where === undefined || e.where(word)) return word;
  }
}

export function randomCase(random: Random, word: number): Case {
  return {
    word,
    v: Array.from({ length: 32 }, () => vector(random)),
    x: Array.from({ length: 16 }, () => element(random, 64)),
    fpsr: random.below(16) === 0 ? 1 << 27 : 0,
  };
}
