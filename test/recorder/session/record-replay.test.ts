import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { MachineEvent } from '../../../engine/base/events.ts';
import { RecordSession } from '../../../recorder/session/record.ts';
import { MissingImages, type ReplayOptions, ReplaySession } from '../../../recorder/session/replay.ts';
import {
  bytesSource,
  CHUNK,
  type InputRecord,
  MemorySource,
  PURE_CODEC,
  SyncTraceReader,
  type TraceEvent,
  type TraceLevel,
  type TraceSink,
  TraceWriter,
} from '../../../traces/index.ts';
import { FAKE, fakeInputs, fakeSpec } from './fake-machine.ts';

/** A sink in memory; with a limit it is a disk that fills up. */
class Disk implements TraceSink {
  readonly #parts: Uint8Array[] = [];
  readonly #limit: number;
  size = 0;

  constructor(limit = Number.POSITIVE_INFINITY) {
    this.#limit = limit;
  }

  write(bytes: Uint8Array): void {
    const room = Math.max(0, this.#limit - this.size);
    this.#parts.push(bytes.slice(0, room));
    this.size += Math.min(room, bytes.length);
    if (bytes.length > room) throw new Error('the disk is full');
  }

  bytes(): Uint8Array {
    const all = new Uint8Array(this.size);
    let at = 0;
    for (const part of this.#parts) {
      all.set(part, at);
      at += part.length;
    }
    return all;
  }
}

interface Step {
  /** Instructions to run at most. */
  readonly run: number;
  readonly pause: boolean;
  /** Bytes to type after that; none: nothing. */
  readonly type: readonly number[];
  /** Time that a key waits while the machine sleeps, in ns. */
  readonly delay: number;
  readonly flush: boolean;
}

interface Recorded {
  readonly disk: Disk;
  readonly console: string;
  readonly position: number;
  readonly time: number;
  readonly reason: string;
}

interface Plan {
  readonly end: number;
  readonly seed: number;
  readonly level: TraceLevel;
  readonly hashInterval: number;
  readonly steps: readonly Step[];
  readonly close: boolean;
  readonly embed?: boolean;
  readonly diskLimit?: number;
}

const text = (events: readonly MachineEvent[]): string =>
  events.map((event) => (event.kind === 'output' ? String.fromCharCode(...event.bytes) : '')).join('');

function record(plan: Plan): Recorded {
  const disk = new Disk(plan.diskLimit);
  const seen: MachineEvent[] = [];
  const session = new RecordSession({
    spec: fakeSpec(plan.end),
    inputs: fakeInputs(plan.seed),
    sink: (event) => seen.push(event),
    level: plan.level,
    embed: plan.embed ?? true,
    hashInterval: plan.hashInterval,
    openSink: () => disk,
    factory: FAKE,
  });
  let reason = 'interrupted';
  for (const step of plan.steps) {
    const stop = session.run(session.position + step.run, step.pause);
    if (stop.reason === 'power-off') {
      reason = 'system-off';
      break;
    }
    const room = session.receiveCapacity('uart0');
    if (step.type.length > 0 && room > 0) {
      const at = stop.reason === 'waiting' || stop.reason === 'idle' ? session.time + step.delay : undefined;
      session.receive('uart0', 'bytes', Uint8Array.from(step.type.slice(0, room)), at);
    } else session.passToDeadline();
    if (step.flush) session.flush();
    if (session.failure !== undefined) break;
  }
  if (plan.close) session.end(reason);
  return { disk, console: text(seen), position: session.position, time: session.time, reason };
}

function open(bytes: Uint8Array): SyncTraceReader {
  return SyncTraceReader.open(new MemorySource(bytes), { codec: PURE_CODEC });
}

function replay(
  reader: SyncTraceReader,
  options: Partial<ReplayOptions> = {},
  slice = Number.POSITIVE_INFINITY,
) {
  const seen: MachineEvent[] = [];
  const session = new ReplaySession({
    reader,
    codec: PURE_CODEC,
    verify: true,
    sink: (event) => seen.push(event),
    factory: FAKE,
    ...options,
  });
  let stop = session.run(slice);
  while (stop.reason === 'limit') stop = session.run(session.position + slice);
  return { session, stop, console: text(seen) };
}

/** The same trace with one event or input changed, checksums and all in order. */
function forge(
  reader: SyncTraceReader,
  change: (event: TraceEvent, index: number) => MachineEvent,
): Uint8Array {
  const disk = new Disk();
  const writer = new TraceWriter(disk, reader.header);
  for (const ref of reader.header.images) writer.image(ref, bytesSource(reader.image(ref)));
  let index = 0;
  for (const event of reader.events()) writer.event(change(event, index++));
  for (const hash of reader.hashes()) writer.hash(hash);
  writer.close(reader.end!);
  return disk.bytes();
}

const STEPS: readonly Step[] = Array.from({ length: 200 }, (_, i) => ({
  run: 10 + ((i * 37) % 90),
  pause: i % 3 !== 0,
  type: i % 4 === 0 ? [0x61 + (i % 26)] : [],
  delay: (i * 13) % 700,
  flush: i % 10 === 0,
}));
const PLAN: Plan = { end: 5000, seed: 1, level: 'devices', hashInterval: 500, steps: STEPS, close: true };

const step: fc.Arbitrary<Step> = fc.record({
  run: fc.integer({ min: 0, max: 300 }),
  pause: fc.boolean(),
  type: fc.array(fc.integer({ min: 0, max: 255 }), { maxLength: 3 }),
  delay: fc.integer({ min: 0, max: 3000 }),
  flush: fc.boolean(),
});
const plan: fc.Arbitrary<Plan> = fc.record({
  end: fc.integer({ min: 1, max: 3000 }),
  seed: fc.integer({ min: 0, max: 0xffff }),
  level: fc.constantFrom<TraceLevel>('inputs', 'devices', 'full'),
  hashInterval: fc.constantFrom(0, 1, 7, 100),
  steps: fc.array(step, { maxLength: 60 }),
  close: fc.boolean(),
});

describe('recording and replay', () => {
  it('gives the same run, whatever was typed when, and however either was cut into slices', () => {
    fc.assert(
      fc.property(plan, fc.integer({ min: 1, max: 500 }), (given, slice) => {
        const recorded = record(given);
        const { stop, session, console } = replay(open(recorded.disk.bytes()), {}, slice);
        expect(stop).toEqual({ reason: 'end' });
        if (!given.close) {
          expect(recorded.console.startsWith(console)).toBe(true);
          return;
        }
        expect(console).toBe(recorded.console);
        expect([session.position, session.time]).toEqual([recorded.position, recorded.time]);
      }),
      { numRuns: 300 },
    );
  });

  it('compares every event and hash', () => {
    const { disk } = record(PLAN);
    const reader = open(disk.bytes());
    const { session, stop } = replay(reader);
    expect(stop.reason).toBe('end');
    expect(session.compared).toBe([...reader.events()].length);
    expect(session.hashesCompared).toBe(reader.hashes().length + 1);
    expect(reader.hashes().map(({ position }) => position % 500)).toEqual(reader.hashes().map(() => 0));
  });

  it('is the same at level inputs, which keeps no accesses', () => {
    const { disk, console } = record({ ...PLAN, level: 'inputs' });
    const reader = open(disk.bytes());
    expect(new Set([...reader.events()].map(({ kind }) => kind))).toEqual(new Set(['input', 'power']));
    const result = replay(reader);
    expect([result.stop.reason, result.console]).toEqual(['end', console]);
  });

  it('two recordings with the same inputs are the same file', () => {
    expect(record(PLAN).disk.bytes()).toEqual(record(PLAN).disk.bytes());
  });
});

describe('a trace that breaks off', () => {
  it('replays up to its last whole chunk, wherever it is cut', () => {
    const whole = record(PLAN).disk.bytes();
    let began = 0;
    for (let length = whole.length; length > 0; length -= 13) {
      let reader: SyncTraceReader;
      try {
        reader = open(whole.slice(0, length));
      } catch (error) {
        expect((error as Error).name).toBe('TraceError');
        continue;
      }
      if (reader.complete === 0) continue;
      const { stop, session } = replay(reader);
      expect(stop).toEqual({ reason: 'end' });
      if (reader.end === undefined) expect(session.position).toBe(reader.complete);
      began++;
    }
    expect(began).toBeGreaterThan(100);
  });

  it('is told apart from one that never began', () => {
    const whole = record({ ...PLAN, steps: [] }).disk.bytes();
    const headerOnly = record({ ...PLAN, steps: [], diskLimit: whole.length }).disk.bytes();
    expect(open(headerOnly).end).toBeDefined();
    const first = open(whole).chunks.find(({ kind }) => kind === CHUNK.inputs)!;
    expect(() => replay(open(whole.slice(0, first.offset)))).toThrow(
      'the trace ends before the machine began to run',
    );
  });

  it('after a full disk ends the recording without an exception and replays', () => {
    const whole = record(PLAN).disk.size;
    for (const diskLimit of [whole - 1, whole - 200, Math.floor(whole / 2)]) {
      const { disk } = record({ ...PLAN, diskLimit });
      expect(disk.size).toBe(diskLimit);
      expect(replay(open(disk.bytes())).stop.reason).toBe('end');
    }
  });

  it('that cannot even begin says so', () => {
    expect(() => record({ ...PLAN, diskLimit: 10 })).toThrow('cannot write the trace: the disk is full');
  });
});

describe('a difference', () => {
  const { disk } = record(PLAN);
  const reader = open(disk.bytes());
  const events = [...reader.events()];
  const at = (kind: TraceEvent['kind'], skip: number): number => {
    const found = events.flatMap((event, index) => (event.kind === kind ? [index] : []));
    return found[Math.min(skip, found.length - 1)]!;
  };

  function diverge(bytes: Uint8Array) {
    const { stop } = replay(open(bytes));
    if (stop.reason !== 'diverged') return expect.unreachable(stop.reason);
    return stop.divergence;
  }

  it('in the value of an access is reported where it is', () => {
    const index = at('access', 40);
    const original = events[index]!;
    const forged = forge(reader, (event, i) =>
      i === index && event.kind === 'access' ? { ...event, value: event.value ^ 1n } : event,
    );
    const found = diverge(forged);
    expect(found).toMatchObject({ position: original.position, device: 'uart0', what: 'event' });
    expect(found.expected).not.toBe(found.actual);
  });

  it('in a key shows at the first thing that depends on it', () => {
    const index = events.findIndex((event) => event.kind === 'input' && event.mode === 'push');
    const forged = forge(reader, (event, i) =>
      i === index && event.kind === 'input' ? { ...event, data: event.data.map((byte) => byte ^ 1) } : event,
    );
    const found = diverge(forged);
    expect(found.position).toBeGreaterThanOrEqual(events[index]!.position);
    expect(found.device).toMatch(/uart0|cpu0/);
  });

  it('in random bytes shows at the latest at the next hash', () => {
    const index = events.findIndex((event) => event.kind === 'input' && event.device === 'virtio-rng0');
    const forged = forge(reader, (event, i) =>
      i === index && event.kind === 'input'
        ? { ...event, data: event.data.map((byte) => byte ^ 128) }
        : event,
    );
    const found = diverge(forged);
    expect(found.position).toBeGreaterThanOrEqual(events[index]!.position);
    expect(found.position).toBeLessThanOrEqual(events[index]!.position + 500);
  });

  it('in the seeds of the device tree shows before the first instruction', () => {
    const index = events.findIndex((event) => event.kind === 'input' && event.device === 'device-tree');
    const forged = forge(reader, (event, i) =>
      i === index && event.kind === 'input' ? { ...event, data: event.data.map((byte) => byte ^ 1) } : event,
    );
    expect(diverge(forged)).toMatchObject({ position: 0, what: 'state', device: 'cpu0' });
  });

  it('in the time of a key is reported', () => {
    // A key that came while the machine slept.
    const index = events.findIndex(
      (event, i) =>
        event.kind === 'input' && event.mode === 'push' && event.time > (events[i - 1]?.time ?? 0),
    );
    const forged = forge(reader, (event, i) => (i === index ? { ...event, time: event.time + 1 } : event));
    expect(diverge(forged).position).toBeGreaterThanOrEqual(events[index]!.position);
  });

  it('in a final hash is reported with the component', () => {
    const end = reader.end!;
    const forgedEnd = { ...end, hashes: { ...end.hashes!, memory: '00000000' } };
    const other = new Disk();
    const writer = new TraceWriter(other, reader.header);
    for (const ref of reader.header.images) writer.image(ref, bytesSource(reader.image(ref)));
    for (const event of events) writer.event(event);
    writer.close(forgedEnd);
    const found = diverge(other.bytes());
    expect(found).toMatchObject({
      position: end.position,
      device: 'memory',
      expected: 'state hash 00000000',
    });
    expect(found.actual).toBe(`state hash ${end.hashes!.memory}`);
  });

  it('an event too many and an event too few are both found', () => {
    const index = at('access', 60);
    const without = forge(reader, (event, i) => {
      const next = events[i + 1];
      return i === index && next !== undefined ? { ...next } : event;
    });
    expect(diverge(without).position).toBe(events[index]!.position);
  });
});

describe('images', () => {
  const inputs = (reader: SyncTraceReader): InputRecord[] => [...reader.inputs()];

  it('that were not embedded are named when they are missing', () => {
    const reader = open(record({ ...PLAN, embed: false }).disk.bytes());
    expect(inputs(reader).length).toBeGreaterThan(3);
    const { sha256 } = reader.header.images[0]!;
    expect(() => replay(reader)).toThrow(MissingImages);
    expect(() => replay(reader)).toThrow(
      `image kernel 'kernel.bin' (100 bytes, SHA-256 ${sha256}) is not in the trace; give it with --image kernel=FILE`,
    );
  });

  it('are taken from outside when they are the same', () => {
    const reader = open(record({ ...PLAN, embed: false }).disk.bytes());
    const kernel = fakeSpec(0).images.get('kernel')!.source;
    expect(replay(reader, { image: () => kernel }).stop.reason).toBe('end');
  });

  it('are refused when they are others', () => {
    const reader = open(record({ ...PLAN, embed: false }).disk.bytes());
    const other = bytesSource(new Uint8Array(100));
    expect(() => replay(reader, { image: () => other })).toThrow(
      "the file given for image kernel 'kernel.bin'",
    );
  });
});
