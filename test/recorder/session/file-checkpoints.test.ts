import { beforeAll, describe, expect, test } from 'vitest';
import { complete } from '../../../recorder/session/operation.ts';
import { ReplaySession, type Segment } from '../../../recorder/session/replay.ts';
import {
  MemorySource,
  type PlainData,
  PURE_CODEC,
  SyncTraceReader,
  TraceError,
} from '../../../traces/index.ts';
import { randomNumbers } from '../../support/determinism.ts';
import { FOUR_CPUS, openTimeline, recordTrace, STORM } from './debug-support.ts';
import { forge } from './forge.ts';

const EVERY = 2_500_000;
const KEYS = [
  { position: 500_000, text: 'abc' },
  { position: 2_500_000, text: 'x' },
  { position: 6_000_000, text: 'yz' },
];

function open(bytes: Uint8Array): SyncTraceReader {
  return SyncTraceReader.open(new MemorySource(bytes), { codec: PURE_CODEC });
}

function verify(bytes: Uint8Array, segment: Segment = {}) {
  const reader = open(bytes);
  const session = new ReplaySession({ reader, codec: PURE_CODEC, verify: true, segment });
  return { session, stop: session.run() };
}

function segmentsOf(bytes: Uint8Array): Segment[] {
  const chunks = open(bytes).checkpointChunks;
  return [...chunks, undefined].map((to, i) => ({
    ...(i === 0 ? {} : { from: chunks[i - 1]! }),
    ...(to === undefined ? {} : { to }),
  }));
}

let storm: Uint8Array;
let four: Uint8Array;

beforeAll(() => {
  storm = recordTrace({
    kernel: STORM,
    keys: KEYS,
    level: 'full',
    checkpoints: EVERY,
    hashInterval: 1_000_000,
  });
  four = recordTrace({ kernel: FOUR_CPUS, cpus: 4, until: 10_000_000, checkpoints: 3_000_000 });
});

describe('a recording with checkpoints', () => {
  test('has them at the distance that was asked for', () => {
    expect(open(storm).checkpoints).toEqual([1, 2, 3, 4, 5].map((n) => n * EVERY));
  });

  test('is replayed with every checkpoint held against the machine', () => {
    for (const bytes of [storm, four]) {
      const { session, stop } = verify(bytes);
      expect(stop).toEqual({ reason: 'end' });
      expect(session.hashesCompared).toBeGreaterThan(open(bytes).checkpoints.length);
    }
  });

  test('is the same recording but for them', () => {
    const plain = recordTrace({ kernel: STORM, keys: KEYS, level: 'full', hashInterval: 1_000_000 });
    expect([...open(storm).events()]).toEqual([...open(plain).events()]);
    expect(open(storm).end).toEqual(open(plain).end);
  });

  test('is replayed in segments, each from its checkpoint, with as many events and the same end', () => {
    for (const bytes of [storm, four]) {
      const whole = verify(bytes).session;
      const parts = segmentsOf(bytes).map((segment) => verify(bytes, segment));
      for (const { stop } of parts) expect(stop).toEqual({ reason: 'end' });
      const sum = (count: (session: ReplaySession) => number) =>
        parts.reduce((total, { session }) => total + count(session), 0);
      expect(sum(({ compared }) => compared)).toBe(whole.compared);
      expect(sum(({ hashesCompared }) => hashesCompared)).toBe(whole.hashesCompared);
      expect(parts.at(-1)!.session.finalHashes).toEqual(whole.finalHashes);
    }
  });
});

describe('time travel', () => {
  test.each(['interpreted', 'compiled'] as const)(
    'from checkpoints of the file gives the same states, %s',
    (tier) => {
      for (const bytes of [storm, four]) {
        const straight = openTimeline(forge(bytes, { checkpoint: () => undefined }), { tier: 'interpreted' });
        const { length, playback } = straight;
        const random = randomNumbers(3);
        const goals = Array.from({ length: 25 }, () => Math.floor(random() * length));
        goals.push(
          length,
          ...open(bytes).checkpoints,
          ...open(bytes).checkpoints.map((position) => position + 1),
        );
        const expected = new Map<number, string>();
        for (const goal of goals.toSorted((a, b) => a - b)) {
          playback.run(goal);
          expected.set(goal, playback.machine.hash().all);
        }
        const timeline = openTimeline(bytes, { tier });
        for (const goal of goals.toReversed()) {
          complete(timeline.seek(goal));
          expect(timeline.machine.hash().all, `at ${goal}`).toBe(expected.get(goal));
        }
        expect(timeline.playback.checkpointProblem).toBeUndefined();
      }
    },
  );

  test('to the end runs only from the last checkpoint, and a search backwards from one to the next', () => {
    const timeline = openTimeline(storm);
    const last = open(storm).checkpoints.at(-1)!;
    complete(timeline.seek(timeline.length));
    expect(timeline.checkpoints.filter((position) => position > 0 && position < last)).toEqual([]);
    const cold = openTimeline(storm);
    const warm = openTimeline(forge(storm, { checkpoint: () => undefined }));
    complete(warm.seek(3_000_000));
    const address = warm.machine.cluster.states[0]!.pc;
    for (const each of [cold, warm]) {
      complete(each.seek(each.length));
      each.addBreakpoint({ kind: 'address', address });
      for (let i = 0; i < 3; i++) expect(complete(each.continueBackward()).reason).toBe('breakpoint');
    }
    expect(cold.position).toBe(warm.position);
  });
});

describe('a checkpoint that is wrong', () => {
  test('in a page is found by verification, and not gone to', () => {
    const forged = forge(storm, {
      checkpoint: (checkpoint, index) => {
        if (index === 3) [...checkpoint.pages][0]!.bytes[100]! ^= 1;
        return checkpoint;
      },
    });
    const { stop } = verify(forged);
    expect(stop).toMatchObject({
      reason: 'diverged',
      divergence: { device: 'checkpoint', position: 4 * EVERY },
    });
    const timeline = openTimeline(forged);
    complete(timeline.seek(4 * EVERY + 9));
    expect(timeline.checkpoints).toContain(3 * EVERY);
    expect(complete(timeline.seek(timeline.length)).reason).toBe('end');
    expect(timeline.machine.hash().all).toBe(endOf(storm));
    expect(timeline.playback.checkpointProblem).toContain(
      'does not hold the state that it promises: memory differs',
    );
  });

  test('in what it leaves out is found by verification', () => {
    const forged = forge(storm, {
      checkpoint: (checkpoint, index) =>
        index === 1 ? { ...checkpoint, pages: [...checkpoint.pages].slice(1) } : checkpoint,
    });
    const { stop } = verify(forged);
    expect(stop).toMatchObject({
      reason: 'diverged',
      divergence: { device: 'checkpoint', position: 2 * EVERY },
    });
  });

  test('and has the hashes of what it holds is found where the recording comes to it, in segments, too', () => {
    const [second, third] = open(storm)
      .checkpointChunks.slice(1, 3)
      .map((chunk) => open(storm).restartPoint(chunk)!);
    const forged = forge(storm, {
      checkpoint: (checkpoint, index) => {
        if (index !== 2) return checkpoint;
        const { state, pages, hashes } = {
          state: open(storm).restartState(second!),
          pages: [...open(storm).restartPages(second!, true)],
          hashes: second!.hashes,
        };
        return { ...checkpoint, state, pages, hashes };
      },
    });
    const whole = verify(forged);
    expect(whole.stop).toMatchObject({
      reason: 'diverged',
      divergence: { what: 'state', position: third!.position },
    });
    const inSegment = verify(forged, segmentsOf(forged)[2]!);
    expect(inSegment.stop).toEqual(whole.stop);
  });

  test('in any field of its state is refused, not believed', () => {
    const random = randomNumbers(11);
    const { playback: right } = openTimeline(storm);
    expect(right.goToSaved(5 * EVERY)).toBe(true);
    const fifth = right.machine.hash().all;
    const values: PlainData[] = [-1, 1e300, 2 ** 40, '', 'x', true, null, 7n, [], {}, new Uint8Array(3)];
    let state: PlainData = null;
    let path = '';
    for (let round = 0; round < 30; round++) {
      const forged = forge(storm, {
        checkpoint: (checkpoint, index) => {
          if (index !== 4) return undefined;
          state = structuredClone(checkpoint.state) as PlainData;
          path = '';
          let at = state as { [key: string]: PlainData };
          for (;;) {
            const keys = Object.keys(at);
            const key = keys[Math.floor(random() * keys.length)];
            if (key === undefined) return undefined;
            path += `.${key}`;
            const inner = at[key];
            const leaf = inner === null || typeof inner !== 'object' || inner instanceof Uint8Array;
            if (leaf || random() < 0.1) {
              at[key] = values[Math.floor(random() * values.length)]!;
              break;
            }
            at = inner as { [key: string]: PlainData };
          }
          // All pages: it builds on no other.
          const point = open(storm).restartPoint(open(storm).checkpointChunks[index]!)!;
          return { ...checkpoint, state, pages: [...open(storm).restartPages(point)] };
        },
      });
      const { playback } = openTimeline(forged);
      const begin = playback.machine.hash().all;
      const isTaken = playback.goToSaved(5 * EVERY);
      expect(playback.machine.hash().all, path).toBe(isTaken ? fifth : begin);
    }
  });

  test('or is cut, or lies where the file was cut, does not keep the rest from being read', () => {
    const random = randomNumbers(5);
    const chunks = open(storm).chunks.filter(({ kind }) => kind === 9 || kind === 10);
    for (let round = 0; round < 5; round++) {
      const chunk = chunks[Math.floor(random() * chunks.length)]!;
      const cut = storm.slice(0, chunk.offset + Math.floor(random() * (64 + chunk.storedBytes)));
      let reader: SyncTraceReader;
      try {
        reader = open(cut);
      } catch (error) {
        expect(error).toBeInstanceOf(TraceError);
        continue;
      }
      if (reader.complete === 0) continue;
      expect(verify(cut).stop).toEqual({ reason: 'end' });
      for (const segment of segmentsOf(cut)) expect(verify(cut, segment).stop.reason).toBe('end');
    }
  });
});

const ends = new Map<Uint8Array, string>();

function endOf(bytes: Uint8Array): string {
  const known = ends.get(bytes);
  if (known !== undefined) return known;
  const timeline = openTimeline(forge(bytes, { checkpoint: () => undefined }));
  complete(timeline.seek(timeline.length));
  const hash = timeline.machine.hash().all;
  ends.set(bytes, hash);
  return hash;
}
