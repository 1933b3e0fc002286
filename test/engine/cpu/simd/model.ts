/*
 * Advanced SIMD instructions element by element on unbounded integers, after the pseudocode of DDI 0487, C7.2.
 * Slow and plain on purpose: shares nothing with the helpers but the names of the encodings.
 */
import type { Case, Registers } from './machine.ts';

const big = BigInt;
export const mask = (bits: number): bigint => (1n << big(bits)) - 1n;
const signed = (x: bigint, bits: number) => big.asIntN(bits, x);

/** Element e of a vector, unsigned. */
export const elem = (v: bigint, e: number, bits: number): bigint => (v >> big(e * bits)) & mask(bits);
export function join(elements: readonly bigint[], bits: number): bigint {
  return elements.reduce((v, x, e) => v | ((x & mask(bits)) << big(e * bits)), 0n);
}

class Execution {
  readonly v: bigint[];
  readonly x: bigint[];
  fpsr: number;
  readonly word: number;
  constructor(c: Case) {
    this.v = [...c.v];
    this.x = [...c.x];
    this.fpsr = c.fpsr;
    this.word = c.word;
  }
  field(lo: number, width: number): number {
    return (this.word >>> lo) & ((1 << width) - 1);
  }
  bit(n: number): number {
    return this.field(n, 1);
  }
  get n(): bigint {
    return this.v[this.field(5, 5)]!;
  }
  get m(): bigint {
    return this.v[this.field(16, 5)]!;
  }
  get d(): bigint {
    return this.v[this.field(0, 5)]!;
  }
  set d(value: bigint) {
    this.v[this.field(0, 5)] = value;
  }
  generalRead(lo: number): bigint {
    return this.x[this.field(lo, 5)] ?? 0n;
  }
  generalWrite(value: bigint): void {
    if (this.field(0, 5) < 31) this.x[this.field(0, 5)] = value;
  }
  get isScalar(): boolean {
    return this.bit(28) === 1;
  }
  get unsigned(): boolean {
    return this.bit(29) === 1;
  }
  /** Bits of the vector. */
  get datasize(): number {
    return this.bit(30) ? 128 : 64;
  }
  count(bits: number): number {
    return this.isScalar ? 1 : this.datasize / bits;
  }
  /** Signed or unsigned by the U bit. */
  int(x: bigint, bits: number, unsigned = this.unsigned): bigint {
    return unsigned ? x & mask(bits) : signed(x, bits);
  }
  /** SatQ() */
  saturate(i: bigint, bits: number, unsigned = this.unsigned): bigint {
    const low = unsigned ? 0n : -(1n << big(bits - 1));
    const high = unsigned ? mask(bits) : (1n << big(bits - 1)) - 1n;
    if (i >= low && i <= high) return i & mask(bits);
    this.fpsr |= 1 << 27;
    return (i < low ? low : high) & mask(bits);
  }
  /** The 64-bit half that a long operation reads; element 0 of a scalar is at the bottom as well. */
  part(v: bigint): bigint {
    return !this.isScalar && this.bit(30) ? v >> 64n : v & mask(64);
  }
  /** The second operand's element e: of Vm, or in the by-element encodings the indexed one. */
  other(e: number, bits: number, v: bigint): bigint {
    if (!this.bit(24)) return elem(v, e, bits);
    const [h, l, m] = [this.bit(11), this.bit(21), this.bit(20)];
    return bits === 16
      ? elem(this.v[this.field(16, 4)]!, 4 * h + 2 * l + m, 16)
      : elem(this.v[this.field(16, 5)]!, 2 * h + l, 32);
  }
}

type Lane = (this: Execution, a: bigint, b: bigint, d: bigint, bits: number) => bigint;
const ones = (condition: boolean) => (condition ? -1n : 0n);
/** x times 2 to the n, halves up when rounding; n may be negative. */
function shifted(x: bigint, n: bigint, rounding: boolean): bigint {
  if (n >= 0n) return x << n;
  return (x + (rounding ? 1n << (-n - 1n) : 0n)) >> -n;
}
const byRegister = (rounding: boolean, saturating: boolean): Lane =>
  function (a, b, _d, bits) {
    const r = shifted(a, signed(b, 8), rounding);
    return saturating ? this.saturate(r, bits) : r;
  };
const doublingHigh = (rounding: boolean, accumulate: bigint): Lane =>
  function (a, b, d, bits) {
    const n = big(bits);
    const [x, y] = [signed(a, bits), signed(b, bits)];
    const product = accumulate === 0n ? 2n * x * y : (signed(d, bits) << n) + accumulate * 2n * x * y;
    return this.saturate((product + (rounding ? 1n << (n - 1n) : 0n)) >> n, bits, false);
  };
const abs = (x: bigint) => (x < 0n ? -x : x);
const polynomial = (a: bigint, b: bigint) => {
  let r = 0n;
  for (let i = 0n; b >> i; i++) if ((b >> i) & 1n) r ^= a << i;
  return r;
};

/** Operands are signed or unsigned by U, the result is cut to the element. */
const SAME: Record<string, Lane> = {
  HADD: (a, b) => (a + b) >> 1n,
  RHADD: (a, b) => (a + b + 1n) >> 1n,
  HSUB: (a, b) => (a - b) >> 1n,
  QADD(a, b, _d, bits) {
    return this.saturate(a + b, bits);
  },
  QSUB(a, b, _d, bits) {
    return this.saturate(a - b, bits);
  },
  CMGT: (a, b) => ones(a > b),
  CMHI: (a, b) => ones(a > b),
  CMGE: (a, b) => ones(a >= b),
  CMHS: (a, b) => ones(a >= b),
  CMEQ: (a, b) => ones(a === b),
  CMTST: (a, b) => ones((a & b) !== 0n),
  SHL: byRegister(false, false),
  QSHL_reg: byRegister(false, true),
  RSHL: byRegister(true, false),
  QRSHL: byRegister(true, true),
  MAX: (a, b) => (a > b ? a : b),
  MIN: (a, b) => (a < b ? a : b),
  ABD: (a, b) => abs(a - b),
  ABA: (a, b, d) => d + abs(a - b),
  ADD: (a, b) => a + b,
  SUB: (a, b) => a - b,
  MLA: (a, b, d) => d + a * b,
  MLS: (a, b, d) => d - a * b,
  MUL: (a, b) => a * b,
  PMUL: (a, b) => polynomial(a & 0xffn, b & 0xffn),
  QDMULH: doublingHigh(false, 0n),
  QRDMULH: doublingHigh(true, 0n),
  QRDMLAH: doublingHigh(true, 1n),
  QRDMLSH: doublingHigh(true, -1n),
};

const LOGICAL: Record<string, (n: bigint, m: bigint, d: bigint) => bigint> = {
  AND: (n, m) => n & m,
  BIC: (n, m) => n & ~m,
  ORR: (n, m) => n | m,
  ORN: (n, m) => n | ~m,
  EOR: (n, m) => n ^ m,
  BSL: (n, m, d) => m ^ ((m ^ n) & d),
  BIT: (n, m, d) => d ^ ((d ^ n) & m),
  BIF: (n, m, d) => d ^ ((d ^ n) & ~m),
};

const leadingZeros = (x: bigint, bits: number) => big(bits - (x === 0n ? 0 : x.toString(2).length));
const UNARY: Record<string, Lane> = {
  CLS(a, _b, _d, bits) {
    const x = a & mask(bits);
    return leadingZeros((x >> 1n) ^ (x & mask(bits - 1)), bits - 1);
  },
  CLZ: (a, _b, _d, bits) => leadingZeros(a & mask(bits), bits),
  CNT: (a) => big([...(a & 0xffn).toString(2)].filter((c) => c === '1').length),
  NOT: (a) => ~a,
  RBIT: (a) => big(`0b${[...(a & 0xffn).toString(2).padStart(8, '0')].reverse().join('')}`),
  SQABS(a, _b, _d, bits) {
    return this.saturate(abs(a), bits);
  },
  SQNEG(a, _b, _d, bits) {
    return this.saturate(-signed(a, bits), bits, false);
  },
  SUQADD(a, _b, d, bits) {
    return this.saturate((a & mask(bits)) + signed(d, bits), bits, false);
  },
  USQADD(a, _b, d, bits) {
    return this.saturate(signed(a, bits) + (d & mask(bits)), bits, true);
  },
  CMGT_zero: (a, _b, _d, bits) => ones(signed(a, bits) > 0n),
  CMGE_zero: (a, _b, _d, bits) => ones(signed(a, bits) >= 0n),
  CMEQ_zero: (a) => ones(a === 0n),
  CMLE_zero: (a, _b, _d, bits) => ones(signed(a, bits) <= 0n),
  CMLT_zero: (a) => ones(a < 0n),
  ABS: (a) => abs(a),
  NEG: (a) => -a,
};

/** Operands narrow and extended by U, except that the W forms' first one is wide. */
const LONG: Record<string, Lane> = {
  ADDL: (a, b) => a + b,
  SUBL: (a, b) => a - b,
  ADDW: (a, b) => a + b,
  SUBW: (a, b) => a - b,
  ABDL: (a, b) => abs(a - b),
  ABAL: (a, b, d) => d + abs(a - b),
  MULL: (a, b) => a * b,
  MLAL: (a, b, d) => d + a * b,
  MLSL: (a, b, d) => d - a * b,
  QDMULL(a, b, _d, bits) {
    return this.saturate(2n * a * b, 2 * bits);
  },
  QDMLAL(a, b, d, bits) {
    const p = signed(this.saturate(2n * a * b, 2 * bits), 2 * bits);
    return this.saturate(signed(d, 2 * bits) + p, 2 * bits);
  },
  QDMLSL(a, b, d, bits) {
    const p = signed(this.saturate(2n * a * b, 2 * bits), 2 * bits);
    return this.saturate(signed(d, 2 * bits) - p, 2 * bits);
  },
};

const SHIFT: Record<
  string,
  (this: Execution, a: bigint, d: bigint, bits: number, right: number, left: number) => bigint
> = {
  SHR: (a, _d, _bits, right) => shifted(a, big(-right), false),
  SRA: (a, d, _bits, right) => d + shifted(a, big(-right), false),
  RSHR: (a, _d, _bits, right) => shifted(a, big(-right), true),
  RSRA: (a, d, _bits, right) => d + shifted(a, big(-right), true),
  SRI: (a, d, bits, right) => (d & ~(mask(bits) >> big(right))) | ((a & mask(bits)) >> big(right)),
  SHL: (a, _d, _bits, _right, left) => a << big(left),
  SLI: (a, d, _bits, _right, left) => (d & mask(left)) | (a << big(left)),
  QSHLU(a, _d, bits, _right, left) {
    return this.saturate(signed(a, bits) << big(left), bits, true);
  },
  QSHL_imm(a, _d, bits, _right, left) {
    return this.saturate(a << big(left), bits);
  },
};

/** [source unsigned, result unsigned or wrapping, rounding] */
const NARROW: Record<string, readonly [boolean, boolean | 'wrap', boolean]> = {
  SHRN: [true, 'wrap', false],
  RSHRN: [true, 'wrap', true],
  SQSHRN: [false, false, false],
  SQRSHRN: [false, false, true],
  UQSHRN: [true, true, false],
  UQRSHRN: [true, true, true],
  SQSHRUN: [false, true, false],
  SQRSHRUN: [false, true, true],
  XTN: [true, 'wrap', false],
  SQXTN: [false, false, false],
  UQXTN: [true, true, false],
  SQXTUN: [false, true, false],
};

/** Writes 64 bits (fewer for scalars): lower half and zeroes above, or upper half. */
function writeNarrow(x: Execution, value: bigint): void {
  x.d = !x.isScalar && x.bit(30) ? (x.d & mask(64)) | (value << 64n) : value;
}

function permute(x: Execution, name: string): bigint {
  const bits = 8 << x.field(22, 2);
  const pairs = x.datasize / bits / 2;
  const upper = name.endsWith('2') ? 1 : 0;
  const n = (e: number) => elem(x.n, e, bits);
  const m = (e: number) => elem(x.m, e, bits);
  const both = (e: number) => (e < 2 * pairs ? n(e) : m(e - 2 * pairs));
  const result: bigint[] = [];
  for (let p = 0; p < pairs; p++) {
    if (name.startsWith('ZIP')) result.push(n(upper * pairs + p), m(upper * pairs + p));
    else if (name.startsWith('TRN')) result.push(n(2 * p + upper), m(2 * p + upper));
    else result.push(both(4 * p + upper), both(4 * p + 2 + upper));
  }
  return join(result, bits);
}

/** AdvSIMDExpandImm() */
function expandImmediate(cmode: number, op: number, imm8: bigint): bigint {
  const twice = (v: bigint, bits: number) => join(Array(64 / bits).fill(v), bits);
  if (cmode < 8) return twice(imm8 << big(8 * (cmode >> 1)), 32);
  if (cmode < 12) return twice(imm8 << big(8 * ((cmode >> 1) & 1)), 16);
  if (cmode === 12) return twice((imm8 << 8n) | 0xffn, 32);
  if (cmode === 13) return twice((imm8 << 16n) | 0xffffn, 32);
  const b = (n: bigint) => (imm8 >> n) & 1n;
  if (cmode === 14)
    return op
      ? join(
          [0n, 1n, 2n, 3n, 4n, 5n, 6n, 7n].map((n) => b(n) * 0xffn),
          8,
        )
      : twice(imm8, 8);
  const rest = imm8 & 0x3fn;
  if (op) return (b(7n) << 63n) | ((1n - b(6n)) << 62n) | ((b(6n) * 0xffn) << 54n) | (rest << 48n);
  return twice((b(7n) << 31n) | ((1n - b(6n)) << 30n) | ((b(6n) * 0x1fn) << 25n) | (rest << 19n), 32);
}
function expandHalf(imm8: bigint): bigint {
  const b6 = (imm8 >> 6n) & 1n;
  const h = ((imm8 >> 7n) << 15n) | ((1n - b6) << 14n) | ((b6 * 3n) << 12n) | ((imm8 & 0x3fn) << 6n);
  return join([h, h, h, h], 16);
}

/** Not modelled: AES, SHA, SM3 and SM4, which have published vectors. */
export function isModelled(name: string): boolean {
  return !/^(AES|SHA[125]|SM[34])/.test(name);
}

/** What the encoding called `name` leaves in the registers. */
export function execute(name: string, c: Case): Registers {
  const x = new Execution(c);
  const stem = name.replace(/_(vec|scalar|elem|scalar_elem)$/, '');
  // One entry serves the signed and the unsigned form.
  const isOwn = [SAME, LONG, SHIFT, UNARY].some((table) => stem in table) || stem === 'SHLL';
  const bare = isOwn ? stem : stem.replace(/^[SU]/, '');
  const bits = 8 << x.field(22, 2);
  const lanes = (width: number, f: (e: number) => bigint) =>
    join(
      Array.from({ length: x.count(width) }, (_, e) => f(e)),
      width,
    );
  const immh = x.field(19, 4);
  const shiftBits = immh ? 8 << (31 - Math.clz32(immh)) : 0;
  const immhb = x.field(16, 7);
  const isShiftImm = immh !== 0 && x.field(23, 5) === 0b11110 && x.bit(10) === 1;

  if (name === 'ADDP_scalar') x.d = (elem(x.n, 0, 64) + elem(x.n, 1, 64)) & mask(64);
  else if (/^([SU]?(ADD|MAX|MIN)P)_vec$/.test(name)) {
    const both = (x.n & mask(x.datasize)) | (x.m << big(x.datasize));
    const f = SAME[bare.slice(0, -1)]!;
    const at = (e: number) => x.int(elem(both, e, bits), bits);
    x.d = lanes(bits, (e) => f.call(x, at(2 * e), at(2 * e + 1), 0n, bits));
  } else if (name.endsWith('_vec') && LOGICAL[stem]) x.d = LOGICAL[stem](x.n, x.m, x.d) & mask(x.datasize);
  else if (isShiftImm && SHIFT[bare]) {
    const f = SHIFT[bare];
    const [right, left] = [2 * shiftBits - immhb, immhb - shiftBits];
    x.d = lanes(shiftBits, (e) =>
      f.call(x, x.int(elem(x.n, e, shiftBits), shiftBits), elem(x.d, e, shiftBits), shiftBits, right, left),
    );
  } else if (NARROW[stem]) {
    const [sourceUnsigned, to, rounding] = NARROW[stem];
    const isMove = stem.includes('XT');
    const width = isMove ? bits : shiftBits;
    const right = isMove ? 0 : 2 * width - immhb;
    const result = Array.from({ length: x.isScalar ? 1 : 64 / width }, (_, e) => {
      const value = shifted(x.int(elem(x.n, e, 2 * width), 2 * width, sourceUnsigned), big(-right), rounding);
      return to === 'wrap' ? value : x.saturate(value, width, to);
    });
    writeNarrow(x, join(result, width));
  } else if (bare === 'SHLL') {
    const width = isShiftImm ? shiftBits : bits;
    const left = isShiftImm ? immhb - width : width;
    const source = x.part(x.n);
    x.d = join(
      Array.from({ length: 64 / width }, (_, e) => x.int(elem(source, e, width), width) << big(left)),
      2 * width,
    );
  } else if (/^(R?ADDHN|R?SUBHN)$/.test(name)) {
    const round = name.startsWith('R') ? 1n << big(bits - 1) : 0n;
    const sign = name.includes('SUB') ? -1n : 1n;
    const f = (e: number) => (elem(x.n, e, 2 * bits) + sign * elem(x.m, e, 2 * bits) + round) >> big(bits);
    writeNarrow(
      x,
      join(
        Array.from({ length: 64 / bits }, (_, e) => f(e)),
        bits,
      ),
    );
  } else if (LONG[bare]) {
    const f = LONG[bare];
    const [n, m, d] = [x.n, x.part(x.m), x.d];
    const first = (e: number) =>
      bare.endsWith('W') ? elem(n, e, 2 * bits) : x.int(elem(x.part(n), e, bits), bits);
    const result = Array.from({ length: x.isScalar ? 1 : 64 / bits }, (_, e) =>
      f.call(x, first(e), x.int(x.other(e, bits, m), bits), elem(d, e, 2 * bits), bits),
    );
    x.d = join(result, 2 * bits);
  } else if (name === 'PMULL_8') {
    x.d = join(
      [0, 1, 2, 3, 4, 5, 6, 7].map((e) => polynomial(elem(x.part(x.n), e, 8), elem(x.part(x.m), e, 8))),
      16,
    );
  } else if (name === 'PMULL_64') x.d = polynomial(x.part(x.n), x.part(x.m));
  else if (/^(SU|US|S|U)DOT_/.test(name)) {
    const isElement = name.endsWith('_elem');
    const [un, um] = name.startsWith('SU')
      ? [false, true]
      : name.startsWith('US')
        ? [true, false]
        : [x.unsigned, x.unsigned];
    const group = 2 * x.bit(11) + x.bit(21);
    x.d = lanes(32, (e) => {
      let sum = elem(x.d, e, 32);
      for (let i = 0; i < 4; i++) {
        const a = x.int(elem(x.n, 4 * e + i, 8), 8, un);
        sum += a * x.int(elem(x.m, 4 * (isElement ? group : e) + i, 8), 8, um);
      }
      return sum;
    });
  } else if (/MMLA$/.test(name)) {
    const [un, um] = name.startsWith('US') ? [true, false] : [x.unsigned, x.unsigned];
    x.d = lanes(32, (e) => {
      let sum = elem(x.d, e, 32);
      for (let k = 0; k < 8; k++) {
        sum += x.int(elem(x.n, 8 * (e >> 1) + k, 8), 8, un) * x.int(elem(x.m, 8 * (e & 1) + k, 8), 8, um);
      }
      return sum;
    });
  } else if (/^REV/.test(stem)) {
    const container = Number(stem.slice(3));
    const per = container / bits;
    x.d = lanes(bits, (e) => elem(x.n, e - (e % per) + (per - 1 - (e % per)), bits));
  } else if (/AD[AD]LP$/.test(stem)) {
    const wide = 2 * bits;
    x.d = lanes(wide, (e) => {
      const sum = x.int(elem(x.n, 2 * e, bits), bits) + x.int(elem(x.n, 2 * e + 1, bits), bits);
      return stem.includes('ADA') ? elem(x.d, e, wide) + sum : sum;
    });
  } else if (/^[SU]?(ADD|ADDL|MAX|MIN)V$/.test(stem)) {
    const all = Array.from({ length: x.datasize / bits }, (_, e) => x.int(elem(x.n, e, bits), bits));
    const f = stem.includes('MAX') ? SAME.MAX! : stem.includes('MIN') ? SAME.MIN! : SAME.ADD!;
    x.d = all.reduce((a, b) => f.call(x, a, b, 0n, bits)) & mask(stem.endsWith('LV') ? 2 * bits : bits);
  } else if (UNARY[stem]) {
    const width = stem === 'NOT' || stem === 'RBIT' ? 8 : bits;
    const f = UNARY[stem];
    x.d = lanes(width, (e) => f.call(x, x.int(elem(x.n, e, width), width), 0n, elem(x.d, e, width), width));
  } else if (/^(ZIP|UZP|TRN)/.test(name)) x.d = permute(x, name);
  else if (name === 'EXT') {
    const both = (x.n & mask(x.datasize)) | (x.m << big(x.datasize));
    x.d = (both >> big(8 * x.field(11, 4))) & mask(x.datasize);
  } else if (name === 'TBL' || name === 'TBX') {
    const count = x.field(13, 2) + 1;
    const table = join(
      Array.from({ length: count }, (_, i) => x.v[(x.field(5, 5) + i) & 31]!),
      128,
    );
    x.d = lanes(8, (e) => {
      const index = Number(elem(x.m, e, 8));
      if (index < 16 * count) return elem(table, index, 8);
      return name === 'TBX' ? elem(x.d, e, 8) : 0n;
    });
  } else if (/^(DUP|INS|UMOV|SMOV)/.test(name)) {
    const imm5 = x.field(16, 5);
    const log = 31 - Math.clz32(imm5 & -imm5);
    const width = 8 << log;
    const index = imm5 >> (log + 1);
    const element = elem(x.n, index, width);
    const general = name.endsWith('_gen') ? x.generalRead(5) & mask(width) : 0n;
    const insert = (value: bigint) =>
      (x.d & ~(mask(width) << big(index * width))) | (value << big(index * width));
    if (name === 'INS_gen') x.d = insert(general);
    else if (name === 'INS_elem') x.d = insert(elem(x.n, x.field(11, 4) >> log, width));
    else if (name === 'UMOV') x.generalWrite(element);
    else if (name === 'SMOV') x.generalWrite(signed(element, width) & mask(x.datasize === 128 ? 64 : 32));
    else x.d = lanes(width, () => (name === 'DUP_gen' ? general : element));
  } else if (/^(MOVI|MVNI|ORR_vec_imm|BIC_vec_imm|FMOV)/.test(name)) {
    const imm8 = big((x.field(16, 3) << 5) | x.field(5, 5));
    const value = name.endsWith('half') ? expandHalf(imm8) : expandImmediate(x.field(12, 4), x.bit(29), imm8);
    const wide = join([value, value], 64);
    const r = /^MVNI/.test(name)
      ? ~wide
      : /^ORR/.test(name)
        ? x.d | wide
        : /^BIC/.test(name)
          ? x.d & ~wide
          : wide;
    x.d = r & mask(x.datasize);
  } else if (name === 'CRC32') {
    const width = 8 << x.field(10, 2);
    const poly = x.bit(12) ? 0x82f63b78n : 0xedb88320n;
    let r = (x.generalRead(5) & mask(32)) ^ (x.generalRead(16) & mask(width));
    for (let i = 0; i < width; i++) r = r & 1n ? (r >> 1n) ^ poly : r >> 1n;
    x.generalWrite(r);
  } else if (name === 'EOR3') x.d = x.n ^ x.m ^ x.v[x.field(10, 5)]!;
  else if (name === 'BCAX') x.d = x.n ^ (x.m & ~x.v[x.field(10, 5)]!);
  else if (name === 'RAX1' || name === 'XAR') {
    const rotate = (v: bigint, n: number) => ((v >> big(n)) | (v << big(64 - n))) & mask(64);
    const both = (e: number) =>
      name === 'XAR'
        ? rotate(elem(x.n ^ x.m, e, 64), x.field(10, 6))
        : elem(x.n, e, 64) ^ rotate(elem(x.m, e, 64), 63);
    x.d = join([both(0), both(1)], 64);
  } else if (SAME[bare]) {
    const f = SAME[bare];
    const [n, m, d] = [x.n, x.m, x.d];
    x.d = lanes(bits, (e) =>
      f.call(x, x.int(elem(n, e, bits), bits), x.int(x.other(e, bits, m), bits), elem(d, e, bits), bits),
    );
  } else throw new Error(`no model of ${name}`);
  return { v: x.v, x: x.x, fpsr: x.fpsr >>> 0 };
}
