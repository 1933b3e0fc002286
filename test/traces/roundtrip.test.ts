import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { MachineEvent } from '../../engine/base/events.ts';
import { NODE_CODEC } from '../../recorder/host/lz4.ts';
import {
  keeps,
  LEVELS,
  MemorySource,
  PURE_CODEC,
  SyncTraceReader,
  TraceReader,
  TraceWriter,
} from '../../traces/index.ts';
import { HEADER, MemorySink, smallEvents, withOrdinals, writeSmallTrace } from './support.ts';

const u64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const device = fc.constantFrom('uart0', 'gicd', 'gicc-sysreg', 'timer', 'virtio0');
const bytes = fc.uint8Array({ maxLength: 40 });
const cpu = fc.integer({ min: -1, max: 122 });
/** Few pcs and offsets, so that prediction hits as often as it misses. */
const access = fc.constantFrom(1, 2, 4, 8).chain((size) =>
  fc.record({
    kind: fc.constant('access' as const),
    cpu,
    device,
    offset: fc.oneof(fc.constantFrom(0, 0x18, 0x100), fc.nat(0xffff_ffff)),
    size: fc.constant(size),
    write: fc.boolean(),
    value: fc.oneof(
      fc.constantFrom(0n, 1n, 0x90n),
      fc.bigInt({ min: 0n, max: (1n << BigInt(8 * size)) - 1n }),
    ),
    pc: fc.oneof(fc.constantFrom(0n, 0xffff_8000_0000_1000n, 0xffff_8000_0000_1010n), u64),
  }),
);
const body: fc.Arbitrary<object> = fc.oneof(
  { weight: 5, arbitrary: access },
  fc.record({
    kind: fc.constant('interrupt'),
    cpu,
    what: fc.constantFrom(
      'line-high',
      'line-low',
      'pending',
      'not-pending',
      'acknowledge',
      'active',
      'complete',
    ),
    intid: fc.integer({ min: 0, max: 20000 }),
    target: cpu,
  }),
  fc.record({
    kind: fc.constant('exception'),
    cpu,
    what: fc.constantFrom('sync', 'irq', 'fiq', 'serror', 'return'),
    fromEl: fc.nat(3),
    toEl: fc.nat(3),
    syndrome: u64,
    faultAddress: u64,
    pc: u64,
  }),
  fc.record({ kind: fc.constant('output'), cpu, device, bytes }),
  fc.record({
    kind: fc.constant('input'),
    cpu,
    device,
    what: fc.string(),
    data: bytes,
    mode: fc.constantFrom('push', 'pull'),
  }),
  fc.record({
    kind: fc.constant('dma'),
    cpu,
    device,
    address: fc.nat({ max: 2 ** 52 }),
    length: fc.nat(),
    write: fc.boolean(),
  }),
  fc.record({
    kind: fc.constant('dma'),
    cpu,
    device,
    // Signed: the upper half of an address space, and what no table can map.
    address: fc.oneof(
      fc.nat({ max: 2 ** 52 }),
      fc.constantFrom(-1, 0x230 - 2 ** 39, -(2 ** 63), 2 ** 62, 2 ** 53 + 2),
    ),
    length: fc.nat(),
    write: fc.boolean(),
    requester: fc.nat(0xffff),
  }),
  fc.record({ kind: fc.constant('guest-error'), cpu, device, offset: fc.nat(), message: fc.string() }),
  fc.record({
    kind: fc.constant('note'),
    cpu,
    device,
    what: fc.string(),
    fields: fc.dictionary(
      fc.string(),
      fc.oneof(
        fc.integer(),
        fc.double({ noNaN: true }).map((n) => n + 0),
        fc.string(),
        fc.boolean(),
      ),
      { noNullPrototype: true },
    ),
  }),
  fc.record({
    kind: fc.constant('power'),
    cpu,
    what: fc.constantFrom('cpu-on', 'cpu-off', 'system-off', 'system-reset'),
    target: cpu,
  }),
);
const step = fc.oneof(fc.constantFrom(0, 0, 1, 12), fc.nat(100_000), fc.nat(2 ** 40));
const sleep = fc.oneof(fc.constant(0), fc.constant(0), fc.nat(2 ** 40));

interface Recording {
  shift: number;
  events: MachineEvent[];
  /** Flush after these events. */
  flushes: Set<number>;
}

const recording: fc.Arbitrary<Recording> = fc
  .record({
    shift: fc.integer({ min: 0, max: 5 }),
    parts: fc.array(fc.record({ step, sleep, body }), { maxLength: 120 }),
    flushes: fc.array(fc.nat(120)),
  })
  .map(({ shift, parts, flushes }) => {
    let position = 0;
    let asleep = 0;
    const events = parts.map((part) => {
      position += part.step;
      asleep += part.sleep;
      return { ...part.body, position, time: position * 2 ** shift + asleep } as MachineEvent;
    });
    return { shift, events, flushes: new Set(flushes) };
  });

function record(
  { shift, events, flushes }: Recording,
  level = 'full' as const,
  codec = PURE_CODEC,
): MemorySink {
  const sink = new MemorySink();
  const writer = new TraceWriter(sink, { ...HEADER, shift, level }, codec);
  events.forEach((event, i) => {
    writer.event(event);
    if (flushes.has(i)) writer.flush();
  });
  const last = events.at(-1);
  writer.close({ position: last?.position ?? 0, time: last?.time ?? 0, reason: 'limit' });
  return sink;
}

describe('a trace', () => {
  test('gives back any sequence of events, in order and with ordinals', () => {
    fc.assert(
      fc.property(recording, (r) => {
        const reader = SyncTraceReader.open(record(r).toSource());
        expect(reader.file.openedBy).toBe('index');
        expect([...reader.events()]).toEqual(withOrdinals(r.events));
        expect([...reader.events({ direction: 'backward' })]).toEqual(withOrdinals(r.events).reverse());
      }),
      { numRuns: 300 },
    );
  });

  test('is the same read without its index', () => {
    fc.assert(
      fc.property(recording, (r) => {
        const sink = record(r);
        sink.parts.pop();
        const reader = SyncTraceReader.open(sink.toSource());
        expect(reader.file.openedBy).toBe('scan');
        expect([...reader.events()]).toEqual(withOrdinals(r.events));
      }),
      { numRuns: 50 },
    );
  });

  test('written and read with native code is the same as with the portable code', () => {
    fc.assert(
      fc.property(recording, (r) => {
        const native = record(r, 'full', NODE_CODEC);
        expect([...SyncTraceReader.open(native.toSource()).events()]).toEqual(withOrdinals(r.events));
        const portable = SyncTraceReader.open(record(r).toSource(), { codec: NODE_CODEC });
        expect([...portable.events()]).toEqual(withOrdinals(r.events));
      }),
      { numRuns: 50 },
    );
  });

  test('gives the same to the asynchronous reader', async () => {
    const source = new MemorySource(writeSmallTrace()).asAsync();
    const reader = await TraceReader.open(source);
    const events = [];
    for await (const event of reader.events()) events.push(event);
    expect(events).toEqual(withOrdinals(smallEvents()));
    expect(await reader.hashes()).toHaveLength(1);
    expect(await reader.verify()).toBe(reader.chunks.length);
  });

  test('gives back events across many groups that were cut by size', () => {
    const events: MachineEvent[] = [];
    for (let i = 0; i < 100_000; i++) {
      const at = { position: 3 * i, time: 3 * i, cpu: 0, pc: 0n, device: 'uart0' };
      events.push({
        kind: 'access',
        ...at,
        offset: 4 * (i % 7),
        size: 4,
        write: true,
        value: BigInt(i % 251),
      });
      if (i % 10 === 0) {
        const irq = { kind: 'interrupt', position: 3 * i, time: 3 * i, cpu: 0, intid: 33 } as const;
        events.push({ ...irq, what: 'pending', target: 0 });
      }
    }
    const reader = SyncTraceReader.open(record({ shift: 0, events, flushes: new Set() }).toSource());
    expect(reader.file.groups.length).toBeGreaterThan(2);
    expect([...reader.events()]).toEqual(withOrdinals(events));
  });

  test.each(LEVELS)('of level %s keeps its kinds, with the ordinals of the full one', (level) => {
    const sink = new MemorySink();
    const writer = new TraceWriter(sink, { ...HEADER, level });
    for (const event of smallEvents()) writer.event(event);
    writer.close({ position: 6000, time: 7000, reason: 'system-off' });
    const kept = withOrdinals(smallEvents()).filter((event) => keeps(level, event.kind));
    expect([...SyncTraceReader.open(sink.toSource()).events()]).toEqual(kept);
  });

  test('keeps header, inputs, hashes, checkpoint and end', () => {
    const reader = SyncTraceReader.open(new MemorySource(writeSmallTrace()));
    expect(reader.header).toEqual(HEADER);
    expect([...reader.inputs()]).toEqual([
      {
        position: 0,
        ordinal: 0,
        time: 0,
        cpu: -1,
        device: 'dtb',
        what: 'seed',
        mode: 'pull',
        data: Uint8Array.of(1, 2, 3, 4),
      },
      {
        position: 4000,
        ordinal: 0,
        time: 5000,
        cpu: -1,
        device: 'uart0',
        what: 'rx',
        mode: 'push',
        data: Uint8Array.of(0x6c),
      },
    ]);
    expect(reader.hashes()).toEqual([
      { position: 5000, time: 6000, cpus: ['00ff'], memory: 'abcd', devices: { uart0: '1234' } },
    ]);
    expect(reader.checkpoint(4999)).toBeUndefined();
    expect(reader.checkpoint(5500)).toEqual({
      position: 5000,
      time: 6000,
      state: { cpus: [{ pc: 0xffff_0000_0000_0000n }], uart0: { UARTCR: 0x301 } },
      pages: [{ address: 0x4000_0000, bytes: new Uint8Array(4096).fill(7) }],
    });
    expect(reader.end).toEqual({
      position: 6000,
      time: 7000,
      reason: 'system-off',
      detail: 'PSCI',
      hashes: { cpus: ['01'], memory: '02', devices: { uart0: '03' } },
    });
    expect(reader.complete).toBe(6001);
  });

  test('records only what changed between hash records, and gives back all', () => {
    const sink = new MemorySink();
    const writer = new TraceWriter(sink, HEADER);
    const records = [
      { position: 1, time: 1, cpus: ['aa', 'bb'], memory: 'cc', devices: { a: '01', b: 'not hex' } },
      { position: 2, time: 2, cpus: ['aa', 'bc'], memory: 'cc', devices: { a: '01', b: '02', c: '03' } },
      { position: 3, time: 3, cpus: ['aa', 'bd'], memory: 'cd', devices: { b: '02', c: '04' } },
    ];
    for (const hash of records) writer.hash(hash);
    writer.close({ position: 3, time: 3, reason: 'limit' });
    const reader = SyncTraceReader.open(sink.toSource());
    expect(reader.hashes()).toEqual(records);
    expect(reader.hashes(2, 3)).toEqual(records.slice(1, 2));
  });
});
