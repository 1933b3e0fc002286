import { createCipheriv, createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { Random } from './simd/cases.ts';
import { ENCODINGS, run } from './simd/machine.ts';
import { elem, join } from './simd/model.ts';

/* Whole algorithms out of single instructions, with published vectors and against node:crypto. */

interface Operands {
  d?: bigint;
  n?: bigint;
  m?: bigint;
  a?: bigint;
  /** Value of the field imm2 or imm6. */
  imm?: number;
}
/** Executes one instruction on V0 (d), V1 (n), V2 (m), V3 (a) and returns V0. */
function exec(name: string, { d = 0n, n = 0n, m = 0n, a = 0n, imm = 0 }: Operands): bigint {
  const e = ENCODINGS.find((candidate) => candidate.name === name)!;
  let word = e.value | (1 << 5);
  if (e.fields.has('Rm')) word |= 2 << 16;
  if (e.fields.has('Ra')) word |= 3 << 10;
  const immediate = e.fields.get('imm2') ?? e.fields.get('imm6');
  if (immediate) word |= imm << immediate.lo;
  return run({ word: word >>> 0, v: [d, n, m, a], x: [], fpsr: 0 }, e.helper).v[0]!;
}

/** Bytes to a vector, first byte lowest; and back. */
const vector = (bytes: Uint8Array) => join([...bytes].map(BigInt), 8);
const bytesOf = (v: bigint) => Uint8Array.from({ length: 16 }, (_, i) => Number(elem(v, i, 8)));
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
const unhex = (text: string) => Uint8Array.from(Buffer.from(text, 'hex'));
const randomBytes = (random: Random, n: number) => Uint8Array.from({ length: n }, () => random.below(256));

// --- AES ----------------------------------------------------------------------------------------------------

/** FIPS 197, 5.2, with SubWord() by AESE on a zero key: the same byte in a whole column is not moved by ShiftRows. */
function expandKey(key: Uint8Array): bigint[] {
  const nk = key.length / 4;
  const words = Array.from({ length: nk }, (_, i) => [...key.subarray(4 * i, 4 * i + 4)]);
  const sub = (b: number) => Number(elem(exec('AESE', { d: join(Array(16).fill(BigInt(b)), 8) }), 0, 8));
  let rcon = 1;
  for (let i = nk; i < 4 * (nk + 7); i++) {
    let t = [...words[i - 1]!];
    if (i % nk === 0) {
      t = [...t.slice(1), t[0]!].map(sub);
      t[0]! ^= rcon;
      rcon = (rcon << 1) ^ (rcon & 0x80 ? 0x11b : 0);
    } else if (nk > 6 && i % nk === 4) t = t.map(sub);
    words.push(t.map((b, k) => b ^ words[i - nk]![k]!));
  }
  return Array.from({ length: nk + 7 }, (_, r) =>
    vector(Uint8Array.from(words.slice(4 * r, 4 * r + 4).flat())),
  );
}
function encrypt(key: Uint8Array, block: Uint8Array): Uint8Array {
  const keys = expandKey(key);
  const last = keys.length - 1;
  let s = vector(block);
  for (let r = 0; r < last; r++) {
    s = exec('AESE', { d: s, n: keys[r]! });
    if (r < last - 1) s = exec('AESMC', { n: s });
  }
  return bytesOf(s ^ keys[last]!);
}
/** The equivalent inverse cipher, FIPS 197, 5.3.5. */
function decrypt(key: Uint8Array, block: Uint8Array): Uint8Array {
  const keys = expandKey(key);
  const last = keys.length - 1;
  let s = vector(block);
  for (let r = last; r > 0; r--) {
    s = exec('AESD', { d: s, n: r === last ? keys[r]! : exec('AESIMC', { n: keys[r]! }) });
    if (r > 1) s = exec('AESIMC', { n: s });
  }
  return bytesOf(s ^ keys[0]!);
}

describe('AES', () => {
  const plain = '00112233445566778899aabbccddeeff';
  test.each([
    ['000102030405060708090a0b0c0d0e0f', '69c4e0d86a7b0430d8cdb78070b4c55a'],
    ['000102030405060708090a0b0c0d0e0f1011121314151617', 'dda97ca4864cdfe06eaf70a0ec0d7191'],
    ['000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f', '8ea2b7ca516745bfeafc49904b496089'],
  ])('FIPS 197, appendix C, key %s', (key, cipher) => {
    expect(hex(encrypt(unhex(key), unhex(plain)))).toBe(cipher);
    expect(hex(decrypt(unhex(key), unhex(cipher)))).toBe(plain);
  });

  test('random blocks as node:crypto', () => {
    const random = new Random(1);
    for (let i = 0; i < 20; i++) {
      const [key, block] = [randomBytes(random, 16), randomBytes(random, 16)];
      const cipher = createCipheriv('aes-128-ecb', key, null).setAutoPadding(false).update(block);
      expect(hex(encrypt(key, block))).toBe(hex(cipher));
      expect(hex(decrypt(key, cipher))).toBe(hex(block));
    }
  });
});

// --- SHA ------------------------------------------------------------------------------------------------------

/** Pads as FIPS 180-4, 5.1, and yields blocks of words in vectors, most significant byte of a word first. */
function blocks(message: Uint8Array, wordBits: 32 | 64): bigint[][] {
  const size = 2 * wordBits;
  const lengthBytes = wordBits / 4;
  const total = Math.ceil((message.length + 1 + lengthBytes) / size) * size;
  const padded = new Uint8Array(total);
  padded.set(message);
  padded[message.length] = 0x80;
  new DataView(padded.buffer).setUint32(total - 4, 8 * message.length);
  const per = wordBits / 8;
  const word = (at: number) => BigInt(`0x${hex(padded.subarray(at, at + per))}`);
  const found: bigint[][] = [];
  for (let at = 0; at < total; at += size) {
    found.push(
      Array.from({ length: size / 16 }, (_, v) =>
        join(
          Array.from({ length: 16 / per }, (_, i) => word(at + 16 * v + per * i)),
          wordBits,
        ),
      ),
    );
  }
  return found;
}
const digest = (vectors: bigint[], bits: number, words: number) =>
  vectors
    .flatMap((v) =>
      Array.from({ length: 128 / bits }, (_, i) =>
        elem(v, i, bits)
          .toString(16)
          .padStart(bits / 4, '0'),
      ),
    )
    .slice(0, words)
    .join('');
const addWords = (a: bigint, b: bigint, bits: number) =>
  join(
    Array.from({ length: 128 / bits }, (_, i) => elem(a, i, bits) + elem(b, i, bits)),
    bits,
  );
const splat32 = (x: number) => join(Array(4).fill(BigInt(x)), 32);

function sha1(message: Uint8Array): string {
  let abcd = join([0x67452301n, 0xefcdab89n, 0x98badcfen, 0x10325476n], 32);
  let e = 0xc3d2e1f0n;
  for (const w of blocks(message, 32)) {
    const [startAbcd, startE] = [abcd, e];
    for (let i = 0; i < 20; i++) {
      const name = i < 5 ? 'SHA1C' : i < 10 ? 'SHA1P' : i < 15 ? 'SHA1M' : 'SHA1P';
      const k = [0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6][Math.floor(i / 5)]!;
      const nextE = exec('SHA1H', { n: abcd });
      abcd = exec(name, { d: abcd, n: e, m: addWords(w[0]!, splat32(k), 32) });
      e = nextE;
      const next = exec('SHA1SU1', { d: exec('SHA1SU0', { d: w[0]!, n: w[1]!, m: w[2]! }), n: w[3]! });
      w.shift();
      w.push(next);
    }
    abcd = addWords(abcd, startAbcd, 32);
    e = (e + startE) & 0xffffffffn;
  }
  return digest([abcd, e], 32, 5);
}

/** First bits of the fractional parts of the n-th roots of the first primes (FIPS 180-4, 4.2 and 5.3). */
function primeRoots(count: number, root: 2n | 3n, bits: number): bigint[] {
  const primes: bigint[] = [];
  for (let p = 2n; primes.length < count; p++) if (primes.every((q) => p % q !== 0n)) primes.push(p);
  return primes.map((p) => {
    const target = p << (root * BigInt(bits));
    let r = 0n;
    for (let b = BigInt(bits) + 5n; b >= 0n; b--) if ((r | (1n << b)) ** root <= target) r |= 1n << b;
    return BigInt.asUintN(bits, r);
  });
}
function sha256(message: Uint8Array): string {
  const k = primeRoots(64, 3n, 32);
  const h = primeRoots(8, 2n, 32);
  let [x, y] = [join(h.slice(0, 4), 32), join(h.slice(4), 32)];
  for (const w of blocks(message, 32)) {
    const start = [x, y];
    for (let i = 0; i < 16; i++) {
      const m = addWords(w[0]!, join(k.slice(4 * i, 4 * i + 4), 32), 32);
      [x, y] = [exec('SHA256H', { d: x, n: y, m }), exec('SHA256H2', { d: y, n: x, m })];
      const next = exec('SHA256SU1', { d: exec('SHA256SU0', { d: w[0]!, n: w[1]! }), n: w[2]!, m: w[3]! });
      w.shift();
      w.push(next);
    }
    [x, y] = [addWords(x, start[0]!, 32), addWords(y, start[1]!, 32)];
  }
  return digest([x, y], 32, 8);
}
function sha512(message: Uint8Array): string {
  const k = primeRoots(80, 3n, 64);
  const h = primeRoots(8, 2n, 64);
  let [ab, cd, ef, gh] = [0, 2, 4, 6].map((i) => join(h.slice(i, i + 2), 64)) as [
    bigint,
    bigint,
    bigint,
    bigint,
  ];
  const swap = (v: bigint) => join([v >> 64n, v], 64);
  /** EXT #8: the upper half of a, then the lower half of b. */
  const ext = (a: bigint, b: bigint) => join([a >> 64n, b], 64);
  for (const w of blocks(message, 64)) {
    const start = [ab, cd, ef, gh] as const;
    for (let i = 0; i < 40; i++) {
      // Two rounds: T1 in both halves, the way DDI 0487 describes SHA512H.
      const sum = addWords(swap(addWords(w[0]!, join(k.slice(2 * i, 2 * i + 2), 64), 64)), gh, 64);
      const t = exec('SHA512H', { d: sum, n: ext(ef, gh), m: ext(cd, ef) });
      const next = exec('SHA512H2', { d: t, n: cd, m: ab });
      [ab, cd, ef, gh] = [next, ab, addWords(cd, t, 64), ef];
      const scheduled = exec('SHA512SU1', {
        d: exec('SHA512SU0', { d: w[0]!, n: w[1]! }),
        n: w[7]!,
        m: ext(w[4]!, w[5]!),
      });
      w.shift();
      w.push(scheduled);
    }
    [ab, cd, ef, gh] = [ab, cd, ef, gh].map((v, i) => addWords(v, start[i]!, 64)) as [
      bigint,
      bigint,
      bigint,
      bigint,
    ];
  }
  return digest([ab, cd, ef, gh], 64, 8);
}

describe('SHA', () => {
  const abc = new TextEncoder().encode('abc');
  test('FIPS 180-4 digests of "abc"', () => {
    expect(sha1(abc)).toBe('a9993e364706816aba3e25717850c26c9cd0d89d');
    expect(sha256(abc)).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
    expect(sha512(abc)).toBe(
      'ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f',
    );
  });
  test.each([
    ['sha1', sha1],
    ['sha256', sha256],
    ['sha512', sha512],
  ] as const)('%s of random messages as node:crypto', (name, ours) => {
    const random = new Random(2);
    for (const length of [0, 55, 56, 64, 111, 112, 300]) {
      const message = randomBytes(random, length);
      expect(ours(message)).toBe(createHash(name).update(message).digest('hex'));
    }
  });
});

/** Keccak-f[1600] on 25 lanes (FIPS 202, 3.2), its 64-bit arithmetic by EOR3, RAX1, XAR and BCAX. */
function keccak(a: bigint[]): void {
  const lane = (name: string, operands: Operands) => elem(exec(name, operands), 0, 64);
  const rotation = (x: number, y: number) => {
    let [i, j] = [1, 0];
    for (let t = 0; t < 24; t++) {
      if (i === x && j === y) return (((t + 1) * (t + 2)) / 2) % 64;
      [i, j] = [j, (2 * i + 3 * j) % 5];
    }
    return 0;
  };
  let lfsr = 1;
  const rc = () => {
    const bit = lfsr & 1;
    lfsr = (lfsr << 1) ^ (lfsr & 0x80 ? 0x171 : 0);
    return bit;
  };
  for (let round = 0; round < 24; round++) {
    const c = [0, 1, 2, 3, 4].map((x) =>
      lane('EOR3', {
        n: lane('EOR3', { n: a[x]!, m: a[x + 5]!, a: a[x + 10]! }),
        m: a[x + 15]!,
        a: a[x + 20]!,
      }),
    );
    const d = [0, 1, 2, 3, 4].map((x) => lane('RAX1', { n: c[(x + 4) % 5]!, m: c[(x + 1) % 5]! }));
    const b: bigint[] = Array(25).fill(0n);
    for (let x = 0; x < 5; x++) {
      for (let y = 0; y < 5; y++) {
        const imm = (64 - rotation(x, y)) % 64;
        b[y + 5 * ((2 * x + 3 * y) % 5)] = lane('XAR', { n: a[x + 5 * y]!, m: d[x]!, imm });
      }
    }
    for (let i = 0; i < 25; i++) {
      const row = i - (i % 5);
      a[i] = lane('BCAX', { n: b[i]!, m: b[row + ((i + 2) % 5)]!, a: b[row + ((i + 1) % 5)]! });
    }
    for (let j = 0; j < 7; j++) if (rc()) a[0]! ^= 1n << BigInt(2 ** j - 1);
  }
}
test('SHA3-256 of a short message as node:crypto', () => {
  const random = new Random(3);
  const message = randomBytes(random, 100);
  const block = new Uint8Array(200);
  block.set(message);
  block[100] = 0x06;
  block[135] = 0x80;
  const view = new DataView(block.buffer);
  const a = Array.from({ length: 25 }, (_, i) => view.getBigUint64(8 * i, true));
  keccak(a);
  a.forEach((lane, i) => {
    view.setBigUint64(8 * i, lane, true);
  });
  expect(hex(block.subarray(0, 32))).toBe(createHash('sha3-256').update(message).digest('hex'));
});

// --- SM3, SM4 ---------------------------------------------------------------------------------------------------

test('SM3 of "abc" is the digest of GB/T 32905-2016, A.1', () => {
  const rotate = (x: bigint, n: number) => BigInt.asUintN(32, (x << BigInt(n)) | (x >> BigInt(32 - n)));
  const w = blocks(new TextEncoder().encode('abc'), 32)[0]!;
  // Words of the state in lanes 3 (A, E) down to 0 (D, H).
  const start = [
    [0xda8a0600n, 0x172442d7n, 0x4914b2b9n, 0x7380166fn],
    [0xb0fb0e4en, 0xe38dee4dn, 0x163138aan, 0xa96f30bcn],
  ].map((words) => join(words, 32)) as [bigint, bigint];
  // Word k of the schedule is lane k % 4 of vector k / 4; `from` takes four words out of two vectors.
  const from = (first: bigint, second: bigint, k: number) => (first | (second << 128n)) >> BigInt(32 * k);
  const four = (v: bigint) => BigInt.asUintN(128, v);
  for (let k = 4; k <= 16; k++) {
    const [w0, w4, w8, w12] = [w[k - 4]!, w[k - 3]!, w[k - 2]!, w[k - 1]!];
    const d = exec('SM3PARTW1', { d: w0, n: four(from(w4, w8, 3)), m: w12 });
    w.push(exec('SM3PARTW2', { d, n: four(from(w8, w12, 2)), m: four(from(w0, w4, 3)) }));
  }
  let [x, y] = start;
  for (let j = 0; j < 64; j++) {
    const [quad, imm] = [j >> 2, j & 3];
    const second = j < 16 ? 'A' : 'B';
    const t = rotate(j < 16 ? 0x79cc4519n : 0x7a879d8an, j % 32);
    // SS1 from A, E and the constant, all in lane 3.
    const ss1 = exec('SM3SS1', { n: x, m: t << 96n, a: y });
    const prime = w[quad]! ^ w[quad + 1]!;
    x = exec(`SM3TT1${second}`, { d: x, n: ss1, m: prime, imm });
    y = exec(`SM3TT2${second}`, { d: y, n: ss1, m: w[quad]!, imm });
  }
  const words = [x ^ start[0], y ^ start[1]].flatMap((v) =>
    [3, 2, 1, 0].map((e) => elem(v, e, 32).toString(16).padStart(8, '0')),
  );
  expect(words.join('')).toBe('66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0');
});

test('SM4 of GB/T 32907-2016, A.1', () => {
  const word = (text: string) =>
    join(
      [0, 8, 16, 24].map((i) => BigInt(`0x${text.slice(i, i + 8)}`)),
      32,
    );
  const text = '0123456789abcdeffedcba9876543210';
  let key = word(text) ^ word('a3b1bac656aa3350677d9197b27022dc');
  let block = word(text);
  for (let i = 0; i < 8; i++) {
    // CK: byte j of word i is (4 i + j) * 7.
    const ck = join(
      [0, 1, 2, 3].map((r) =>
        [0, 1, 2, 3].reduce((v, j) => (v << 8n) | BigInt(((4 * (4 * i + r) + j) * 7) & 255), 0n),
      ),
      32,
    );
    key = exec('SM4EKEY', { n: key, m: ck });
    block = exec('SM4E', { d: block, n: key });
  }
  const words = [3, 2, 1, 0].map((e) => elem(block, e, 32).toString(16).padStart(8, '0'));
  expect(words.join('')).toBe('681edf34d206965e86b3e94f536e4246');
});

// --- CRC32 --------------------------------------------------------------------------------------------------------

test.each([
  ['CRC-32', 0, 0xcbf43926n],
  ['CRC-32C', 1, 0xe3069283n],
])('%s of "123456789" has the catalogued check value', (_, c, check) => {
  const e = ENCODINGS.find((candidate) => candidate.name === 'CRC32')!;
  const step = (crc: bigint, value: bigint, size: number) => {
    const word = (e.value | (size === 3 ? 1 << 31 : 0) | (1 << 16) | (c << 12) | (size << 10)) >>> 0;
    return run({ word, v: [], x: [crc, value], fpsr: 0 }, e.helper).x[0]!;
  };
  const bytes = new TextEncoder().encode('123456789');
  let byByte = 0xffffffffn;
  for (const byte of bytes) byByte = step(byByte, BigInt(byte), 0);
  expect(byByte ^ 0xffffffffn).toBe(check);
  const words = new DataView(bytes.buffer);
  expect(step(step(0xffffffffn, words.getBigUint64(0, true), 3), 0x39n, 0) ^ 0xffffffffn).toBe(check);
});
