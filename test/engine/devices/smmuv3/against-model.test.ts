import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { DmaPort } from '../../../../engine/base/device.ts';
import { decodeEvent } from '../../../../engine/devices/smmuv3/events.ts';
import { SMMU_7_2, SMMU_9_2 } from '../../../../engine/devices/smmuv3/features.ts';
import { Smmuv3 } from '../../../../engine/devices/smmuv3/smmuv3.ts';
import { Bench, busWrite } from '../bench.ts';
import { contextDescriptor, streamEntry } from './guest.ts';
import { type Outcome, type Stage1Model, type Stage2Model, translateModel } from './model.ts';
import { wordBytes } from './two-sides.ts';

/** All walks of the model and of the SMMU read this memory: endless, and random in what matters to a walk. */
function descriptors(seed: number): (address: bigint) => bigint | undefined {
  return (address) => {
    let h = (seed ^ Number(address & 0xffff_ffffn) ^ Math.imul(Number(address >> 32n) + 1, 0x85eb_ca6b)) | 0;
    const next = (range: number): number => {
      h = Math.imul(h ^ (h >>> 15), 0x2c1b_3c6d);
      h = Math.imul(h ^ (h >>> 12), 0x297a_2d39);
      h ^= h >>> 15;
      return (h >>> 0) % range;
    };
    if (next(64) === 0) return undefined;
    // Mostly tables and pages, some blocks and holes.
    const kind = [3n, 3n, 3n, 3n, 3n, 3n, 1n, 1n, 0n, 2n][next(10)]!;
    const wide = next(16) === 0 ? 48n : [30n, 31n, 36n, 39n][next(4)]!;
    const output = ((BigInt(next(2 ** 31)) << 31n) | BigInt(next(2 ** 31))) & ((1n << wide) - 1n) & ~0xfffn;
    const af = next(12) === 0 ? 0n : 0x400n;
    const ap = BigInt(next(4) === 0 ? next(4) : 3) << 6n;
    // The same bits are AP[2:1] for stage 1: there 3 is read-only, so take it back now and then.
    const readOnly = next(2) === 0 ? ap : ap & ~0x80n;
    const table = next(8) === 0 ? 1n << 62n : 0n;
    return kind | output | af | readOnly | table | (BigInt(next(4)) * 0x800n);
  };
}

const STREAM_TABLE = 0x7000_0000_0000;
const CONTEXT = 0x7100_0000_0000;
/** Behind both stages the Context descriptor has to be mapped, which chance does not do: it is put in later. */

const codeOf = { tg0: { 12: 0, 14: 2, 16: 1 }, tg1: { 12: 2, 14: 1, 16: 3 } } as const;
const ipsBits = [32, 36, 40, 42, 44, 48] as const;

interface Case {
  readonly stages: 1 | 2 | 3;
  readonly s1: Stage1Model;
  readonly s2: Stage2Model;
  readonly seed: number;
  readonly addresses: readonly { readonly address: bigint; readonly write: boolean }[];
}

const granule = fc.constantFrom<12 | 14 | 16>(12, 14, 16);
const pair = <T>(one: fc.Arbitrary<T>) => fc.tuple(one, one);
const bigBits = (bits: number) => fc.bigInt({ min: 0n, max: (1n << BigInt(bits)) - 1n });

const stage1: fc.Arbitrary<Stage1Model> = fc
  .record({
    tsz: pair(fc.integer({ min: 16, max: 39 })),
    granule: pair(granule),
    ttb: pair(bigBits(32)),
    epd: pair(fc.integer({ min: 0, max: 7 }).map((n) => n === 0)),
    had: pair(fc.boolean()),
    tbi: pair(fc.boolean()),
    outputBits: fc.constantFrom(32, 36, 40, 42, 44, 44, 44, 48),
    affd: fc.boolean(),
  })
  .map((f) => ({
    ...f,
    tsz: [BigInt(f.tsz[0]), BigInt(f.tsz[1])],
    granule: [BigInt(f.granule[0]), BigInt(f.granule[1])],
    ttb: [f.ttb[0] & ~15n, f.ttb[1] & ~15n],
    outputBits: BigInt(f.outputBits),
  }));

/** Arm IHI 0070 section 5.2, S2SL0: every first level with the sizes it can begin (at most 16 tables). */
const stage2Shapes = ([12, 14, 16] as const).flatMap((g) =>
  [0, 1, 2, 3].flatMap((start) =>
    Array.from({ length: 20 }, (_, n) => n + 20)
      .map((tsz) => ({ g, start, tsz }))
      .filter(() => (g === 12 ? start <= 2 : start >= 1))
      .filter(({ tsz }) => {
        const below = g + (3 - start) * (g - 3);
        return 64 - tsz > below && 64 - tsz <= below + g - 3 + 4;
      }),
  ),
);
const stage2: fc.Arbitrary<Stage2Model> = fc
  .record({
    shape: fc.constantFrom(...stage2Shapes),
    ttb: bigBits(32),
    outputBits: fc.constantFrom(32, 36, 40, 42, 44, 44, 44, 48),
    affd: fc.boolean(),
  })
  .map(({ shape, ttb, outputBits, affd }) => ({
    tsz: BigInt(shape.tsz),
    granule: BigInt(shape.g),
    start: BigInt(shape.start),
    ttb: ttb & ~15n,
    outputBits: BigInt(outputBits),
    affd,
  }));

const address = fc.oneof(
  fc.tuple(fc.integer({ min: 12, max: 48 }), bigBits(48)).map(([bits, v]) => v & ((1n << BigInt(bits)) - 1n)),
  fc
    .tuple(fc.integer({ min: 12, max: 48 }), bigBits(48))
    .map(([bits, v]) => BigInt.asUintN(64, (v & ((1n << BigInt(bits)) - 1n)) - (1n << BigInt(bits)))),
  fc.tuple(bigBits(8), bigBits(30)).map(([tag, v]) => (tag << 56n) | v),
  fc.tuple(bigBits(8), bigBits(30)).map(([tag, v]) => (tag << 56n) | BigInt.asUintN(56, v - (1n << 30n))),
  bigBits(64),
);

const testCase = (stages: 1 | 2 | 3): fc.Arbitrary<Case> =>
  fc.record({
    stages: fc.constant(stages),
    s1: stage1,
    s2: stage2,
    seed: fc.integer(),
    addresses: fc.array(fc.record({ address, write: fc.boolean() }), { minLength: 1, maxLength: 8 }),
  });

function run({ stages, s1, s2, seed, addresses }: Case): void {
  const walked = descriptors(seed);
  const has1 = stages !== 2;
  const has2 = stages !== 1;
  const cap = (bits: bigint) => BigInt(Math.min(44, Number(bits)));
  const model1 = has1 ? { ...s1, outputBits: cap(s1.outputBits) } : undefined;
  const model2 = has2 ? { ...s2, outputBits: cap(s2.outputBits) } : undefined;
  const ips = (bits: bigint) => ipsBits.indexOf(Number(bits) as 44);
  const granules = s1.granule.map(Number) as [12, 12];
  const cd = wordBytes(
    contextDescriptor({
      t0sz: Number(s1.tsz[0]),
      t1sz: Number(s1.tsz[1]),
      tg0: codeOf.tg0[granules[0]],
      tg1: codeOf.tg1[granules[1]],
      epd0: s1.epd[0],
      epd1: s1.epd[1],
      had0: s1.had[0],
      had1: s1.had[1],
      tbi: (s1.tbi[0] ? 1 : 0) + (s1.tbi[1] ? 2 : 0),
      ips: ips(s1.outputBits),
      affd: s1.affd,
      ttb0: Number(s1.ttb[0]),
      ttb1: Number(s1.ttb[1]),
    }),
  );
  const sl0 = s2.granule === 12n ? 2n - s2.start : 3n - s2.start;
  // Nested: the first IPA at which the model finds something to read is where the descriptor is said to be.
  let context = CONTEXT;
  let contextAt = BigInt(CONTEXT);
  if (stages === 3) {
    let found = false;
    for (let n = 0; n < 400 && !found; n++) {
      const ipa = (BigInt(Math.imul(n, 0x9e37_79b1) >>> 0) << 6n) & ((1n << (64n - s2.tsz)) - 1n) & ~63n;
      const at = translateModel(ipa, undefined, model2, false, walked);
      if ('physical' in at) {
        found = true;
        context = Number(ipa);
        contextAt = at.physical;
      }
    }
    if (!found) return;
  }
  const ste = wordBytes(
    streamEntry({
      config: 4 + stages,
      context,
      s2t0sz: Number(s2.tsz),
      s2sl0: Number(sl0),
      s2tg: codeOf.tg0[Number(s2.granule) as 12],
      s2ps: ips(s2.outputBits),
      s2affd: s2.affd,
      s2ttb: Number(s2.ttb),
    }),
  );

  const events: Uint8Array[] = [];
  const dma: DmaPort = {
    read: (at, into) => {
      if (at === STREAM_TABLE) into.set(ste);
      else if (BigInt(at) === contextAt && into.length === 64) into.set(cd);
      else {
        const value = walked(BigInt(at));
        if (value === undefined) return false;
        new DataView(into.buffer, into.byteOffset).setBigUint64(0, value, true);
      }
      return true;
    },
    write: (_at, from) => {
      events.push(from.slice());
      return true;
    },
  };
  const bench = new Bench();
  const lines = {
    eventq: bench.line('eventq'),
    priq: bench.line('priq'),
    cmdqSync: bench.line('sync'),
    gerror: bench.line('gerror'),
  };
  const smmu = new Smmuv3(
    { ...bench.ports('smmu'), dma, ...lines },
    { features: stages === 1 ? SMMU_7_2 : SMMU_9_2 },
  );
  busWrite(smmu, 0x80, 8, BigInt(STREAM_TABLE));
  busWrite(smmu, 0x20, 4, 5n);
  for (const { address: iova, write } of addresses) {
    // With what earlier addresses left in the TLB, and without.
    for (const fresh of [false, true]) {
      if (fresh) {
        smmu.reset();
        busWrite(smmu, 0x80, 8, BigInt(STREAM_TABLE));
        busWrite(smmu, 0x20, 4, 5n);
      }
      events.length = 0;
      const expected = translateModel(iova, model1, model2, write, walked);
      const result = smmu.translate(0, undefined, iova, { write });
      const what = `${iova.toString(16)} ${write ? 'write' : 'read'}`;
      if ('physical' in expected) {
        expect(result.ok, what).toBe(true);
        if (!result.ok) return;
        expect(BigInt(result.physicalAddress), what).toBe(expected.physical);
        const size = 2n ** expected.blockBits;
        expect(BigInt(result.length), what).toBe(size - (expected.physical % size));
      } else compareFault(events, expected, iova, write, what, stages);
    }
  }
}

function compareFault(
  events: readonly Uint8Array[],
  expected: Exclude<Outcome, { physical: bigint }>,
  iova: bigint,
  write: boolean,
  what: string,
  stages: number,
): void {
  // Stage 1 without a Context descriptor has no CD.R: the fault is not recorded (devices.md 17.4).
  if (stages === 2 && expected.stage === 1) {
    expect(events, what).toHaveLength(0);
    return;
  }
  expect(events, what).toHaveLength(1);
  const { name, fields } = decodeEvent(events[0]!);
  const { stage, address2 } = expected;
  expect({ name, ...fields }, what).toStrictEqual({
    name: expected.fault,
    stream: 0,
    address: `0x${iova.toString(16)}`,
    write,
    privileged: false,
    instruction: false,
    stage,
    class: expected.class,
    ...(expected.fault === 'F_WALK_EABT'
      ? { fetch: `0x${(address2! & ~7n).toString(16)}` }
      : stage === 2
        ? { ipa: `0x${(address2! & ~0xfffn).toString(16)}` }
        : {}),
  });
}

describe('SMMUv3 translation against a model of the architecture', () => {
  it('stage 1, all granules, sizes and both halves', () => {
    fc.assert(fc.property(testCase(1), run), { numRuns: 1500 });
  });
  it('stage 2, all granules, sizes and first levels', () => {
    fc.assert(fc.property(testCase(2), run), { numRuns: 1500 });
  });
  it('stage 1 over stage 2', () => {
    fc.assert(fc.property(testCase(3), run), { numRuns: 1500 });
  });
});
