import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { AccessEvent, InterruptEvent, MachineEvent } from '../../engine/base/events.ts';
import { bit, bits, type RegisterMap } from '../../engine/base/register-map.ts';
import {
  decodeAccess,
  type EventFilter,
  MemorySource,
  parseRegisterName,
  resolveRegister,
  SyncTraceReader,
  TraceReader,
  TraceWriter,
} from '../../traces/index.ts';
import { HEADER, MemorySink, withOrdinals, writeSmallTrace } from './support.ts';

const UART: RegisterMap = {
  device: 'pl011',
  reference: 'Arm DDI 0183',
  registers: [
    { name: 'UARTDR', offset: 0, width: 4, access: 'RW', fields: [bits('DATA', 7, 0)] },
    {
      name: 'UARTFR',
      offset: 0x18,
      width: 4,
      access: 'RO',
      fields: [bit('TXFE', 7), bit('RXFE', 4), bit('BUSY', 3)],
    },
    { name: 'UARTICR', offset: 0x44, width: 4, access: 'W1C', fields: [bit('RXIC', 4), bit('TXIC', 5)] },
    {
      name: 'UARTLCR_H',
      offset: 0x2c,
      width: 4,
      access: 'RW',
      fields: [{ ...bits('WLEN', 6, 5), values: { 3: '8 bits' } }, bit('FEN', 4)],
    },
    { name: 'ENABLE', offset: 0x100, width: 4, access: 'RW', count: 4, fields: [bits('SET', 31, 0)] },
    { name: 'WIDE', offset: 0x200, width: 8, access: 'RW', fields: [bits('HIGH', 63, 40), bit('LOW', 0)] },
  ],
};
const maps = (device: string): RegisterMap | undefined => (device === 'uart0' ? UART : undefined);

const OFFSETS = [0, 0x18, 0x2c, 0x44, 0x45, 0x100, 0x104, 0x10c, 0x200, 0x204];

/** Many small accesses and interrupts in several groups. */
const streams = fc
  .array(
    fc.record({
      step: fc.nat(3),
      isAccess: fc.boolean(),
      offset: fc.constantFrom(...OFFSETS),
      size: fc.constantFrom(1, 4),
      device: fc.constantFrom('uart0', 'gicd'),
      write: fc.boolean(),
      value: fc.nat(255).map(BigInt),
      intid: fc.constantFrom(27, 33, 8192),
      flush: fc.integer({ min: 0, max: 9 }),
    }),
    { maxLength: 80 },
  )
  .map((parts) => {
    let position = 0;
    const sink = new MemorySink();
    const writer = new TraceWriter(sink, HEADER);
    const events: MachineEvent[] = [];
    for (const part of parts) {
      position += part.step;
      const { offset, size, device, write, value, intid } = part;
      const at = { position, time: position, cpu: 0 };
      const event: MachineEvent = part.isAccess
        ? { kind: 'access', ...at, device, offset, size, write, value, pc: 0n }
        : { kind: 'interrupt', ...at, what: 'pending', intid, target: 0 };
      events.push(event);
      writer.event(event);
      if (part.flush === 0) writer.flush();
    }
    writer.close({ position, time: position, reason: 'limit' });
    return { events: withOrdinals(events), source: sink.toSource() };
  });

const place = fc.oneof(fc.nat(240), fc.record({ position: fc.nat(240), ordinal: fc.nat(4) }));
const filters = fc.record(
  {
    kinds: fc.subarray(['access', 'interrupt'] as const),
    devices: fc.subarray(['uart0', 'gicd']),
    from: place,
    to: place,
    intids: fc.subarray([27, 33, 8192, 1]),
    write: fc.boolean(),
    value: fc.record({ value: fc.nat(255).map(BigInt), mask: fc.constantFrom(1n, 0xf0n, 0xffn) }),
    registers: fc.array(
      fc.record({
        device: fc.constantFrom('uart0', 'gicd'),
        offset: fc.constantFrom(...OFFSETS),
        width: fc.constantFrom(4, 8),
      }),
      { minLength: 1, maxLength: 2 },
    ),
    direction: fc.constantFrom('forward' as const, 'backward' as const),
    limit: fc.nat(20),
  },
  { requiredKeys: [] },
);

/** The filter's meaning, written as plainly as possible. */
function expected(events: readonly (MachineEvent & { ordinal: number })[], f: EventFilter): MachineEvent[] {
  const order = (p: NonNullable<EventFilter['from']>): [number, number] =>
    typeof p === 'number' ? [p, 0] : [p.position, p.ordinal];
  const compare = (e: { position: number; ordinal: number }, p: NonNullable<EventFilter['from']>): number =>
    e.position - order(p)[0] || e.ordinal - order(p)[1];
  const found = events.filter((e) => {
    if (f.kinds !== undefined && !f.kinds.includes(e.kind)) return false;
    if (f.from !== undefined && compare(e, f.from) < 0) return false;
    if (f.to !== undefined && compare(e, f.to) >= 0) return false;
    const access: AccessEvent | undefined = e.kind === 'access' ? e : undefined;
    if (f.devices !== undefined && !f.devices.includes(access?.device ?? '')) return false;
    if (f.intids !== undefined && !(e.kind === 'interrupt' && f.intids.includes(e.intid))) return false;
    if (f.write !== undefined && access?.write !== f.write) return false;
    if (f.value !== undefined) {
      if (access === undefined || (access.value & f.value.mask!) !== (f.value.value & f.value.mask!))
        return false;
    }
    if (f.registers !== undefined) {
      if (access === undefined) return false;
      const bytes = Array.from({ length: access.size }, (_, i) => access.offset + i);
      const touches = f.registers.some(
        (r) => r.device === access.device && bytes.some((b) => b >= r.offset && b < r.offset + r.width),
      );
      if (!touches) return false;
    }
    return true;
  });
  if (f.direction === 'backward') found.reverse();
  return found.slice(0, f.limit);
}

describe('a filter', () => {
  test('finds what a plain search through all events finds', () => {
    fc.assert(
      fc.property(streams, filters, ({ events, source }, filter) => {
        expect([...SyncTraceReader.open(source).events(filter)]).toEqual(expected(events, filter));
      }),
      { numRuns: 1500 },
    );
  });

  test('reads only the chunks that its summary admits', () => {
    const sink = new MemorySink();
    const writer = new TraceWriter(sink, HEADER);
    for (let i = 0; i < 100; i++) {
      const at = { position: i, time: i, cpu: 0, pc: 0n, size: 4, write: true } as const;
      writer.event({ kind: 'access', ...at, device: 'uart0', offset: i === 20 ? 0x2c : 0, value: 1n });
      if (i % 10 === 9) writer.flush();
    }
    writer.close({ position: 100, time: 100, reason: 'limit' });
    const memory = sink.toSource();
    const reads: number[] = [];
    const source = {
      size: memory.size,
      read: (offset: number, length: number) => {
        reads.push(offset);
        return memory.read(offset, length);
      },
    };
    const reader = SyncTraceReader.open(source);
    reads.length = 0;
    expect(reader.lastWrite({ device: 'uart0', register: 'UARTLCR_H', field: 'FEN' }, maps)?.position).toBe(
      20,
    );
    expect(reads).toHaveLength(1);
  });
});

describe('lastWrite and nextWrite', () => {
  const writes: [number, number, number, number, bigint][] = [
    // position, offset, size, device is uart0, value
    [10, 0x2c, 4, 0, 0x70n],
    [20, 0x44, 4, 0, 0x10n],
    [30, 0x44, 4, 0, 0x20n],
    [40, 0x200, 4, 0, 1n],
    [50, 0x204, 4, 0, 0x100n],
    [60, 0x104, 4, 0, 5n],
    [70, 0x204, 1, 0, 1n],
  ];
  const sink = new MemorySink();
  const writer = new TraceWriter(sink, HEADER);
  for (const [position, offset, size, , value] of writes) {
    const at = { position, time: position, cpu: 0, pc: 0n };
    writer.event({ kind: 'access', ...at, device: 'uart0', offset, size, write: true, value });
    writer.event({ kind: 'access', ...at, device: 'uart0', offset, size, write: false, value });
  }
  writer.close({ position: 100, time: 100, reason: 'limit' });
  const source = sink.toSource();
  const reader = SyncTraceReader.open(source);
  const last = (text: string, before?: number): number | undefined =>
    reader.lastWrite(parseRegisterName(text)!, maps, before)?.position;

  test.each([
    ['uart0.UARTLCR_H.FEN', undefined, 10],
    ['uart0.uartlcr_h', 10, undefined],
    ['uart0.UARTICR', undefined, 30],
    ['uart0.UARTICR.RXIC', undefined, 20], // writing 0 to a W1C bit does nothing
    ['uart0.ENABLE1', undefined, 60],
    ['uart0.ENABLE0', undefined, undefined],
    ['uart0.WIDE.LOW', undefined, 40],
    ['uart0.WIDE.HIGH', undefined, 50], // the byte at 0x204 holds bits 39:32
    ['uart0.WIDE', undefined, 70],
  ])('%s before %s is at %s', (text, before, position) => {
    expect(last(text, before)).toBe(position);
  });

  test('find the next one, from the asynchronous reader too', async () => {
    const open = await TraceReader.open(source.asAsync());
    const name = { device: 'uart0', register: 'UARTICR' };
    expect((await open.nextWrite(name, maps, 21))?.position).toBe(30);
    expect((await open.lastWrite(name, maps, 30))?.position).toBe(20);
    expect(await open.nextWrite(name, maps, 31)).toBeUndefined();
  });

  test('name what exists when a name is wrong', () => {
    expect(() => last('uart0.UARTXX')).toThrow(/has no register UARTXX; it has: UARTDR, UARTFR/);
    expect(() => last('uart0.UARTICR.X')).toThrow('UARTICR has no field X; it has: RXIC, TXIC');
    expect(() => last('uart0.ENABLE4')).toThrow(/no register ENABLE4/);
    expect(() => last('pci.X')).toThrow('no registers are known of device pci');
    expect(parseRegisterName('uart0')).toBeUndefined();
  });
});

describe('decodeAccess', () => {
  const access = (offset: number, value: bigint, size = 4, write = false, device = 'uart0'): AccessEvent => ({
    kind: 'access',
    position: 0,
    time: 0,
    cpu: 0,
    pc: 0n,
    device,
    offset,
    size,
    write,
    value,
  });

  test.each([
    [access(0x18, 0x90n), 'uart0 UARTFR read 0x90 (TXFE=1 RXFE=1)'],
    [access(0, 0x41n, 4, true), 'uart0 UARTDR write 0x41 (DATA=0x41)'],
    [access(0x2c, 0x70n, 4, true), 'uart0 UARTLCR_H write 0x70 (WLEN=8 bits FEN=1)'],
    [access(0x104, 5n, 4, true), 'uart0 ENABLE1 write 0x5 (SET=5)'],
    [access(0x204, 0x100n, 4, true), 'uart0 WIDE[63:32] write 0x100 (HIGH=1)'],
    [access(0x45, 1n, 1, true), 'uart0 UARTICR[15:8] write 0x1'],
    [access(0xff0, 0xdn, 4), 'uart0 +0xff0 read32 0xd'],
    [access(8, 0xdn, 8, true, 'gicd'), 'gicd +0x8 write64 0xd'],
  ])('says it in the document’s words', (event, text) => {
    expect(decodeAccess(event, maps).text).toBe(text);
  });

  test('knows the bits of a field', () => {
    const { range } = resolveRegister({ device: 'uart0', register: 'UARTLCR_H', field: 'WLEN' }, maps);
    expect(range).toEqual({ device: 'uart0', offset: 0x2c, width: 4, mask: 0x60n });
  });
});

describe('interruptCycles', () => {
  test('puts the life of an interrupt together', () => {
    const reader = SyncTraceReader.open(new MemorySource(writeSmallTrace()));
    const [cycle, ...rest] = [...reader.interruptCycles(33)];
    expect(rest).toEqual([]);
    expect(cycle).toMatchObject({
      intid: 33,
      target: 0,
      raised: { position: 3000, ordinal: 0 },
      pending: { position: 3000, ordinal: 1 },
      acknowledge: { position: 3100, ordinal: 0 },
      active: { position: 3100, ordinal: 1 },
      lowered: { position: 3200 },
      complete: { position: 3300 },
    });
    expect([...reader.interruptCycles(34)]).toEqual([]);
  });

  test('tells a storm, a withdrawn interrupt and banked ones apart', () => {
    const sink = new MemorySink();
    const writer = new TraceWriter(sink, HEADER);
    const steps: [InterruptEvent['what'], number, number][] = [
      ['line-high', 40, -1],
      ['pending', 40, -1],
      ['acknowledge', 40, 0],
      ['complete', 40, 0],
      ['pending', 40, -1],
      ['acknowledge', 40, 1],
      ['complete', 40, 1],
      ['line-low', 40, -1],
      ['line-high', 40, -1],
      ['pending', 40, -1],
      ['line-low', 40, -1],
      ['not-pending', 40, -1],
      ['pending', 1, 0],
      ['pending', 1, 1],
      ['acknowledge', 1, 1],
      ['complete', 1, 1],
    ];
    steps.forEach(([what, intid, target], i) => {
      writer.event({ kind: 'interrupt', position: i, time: i, cpu: 0, what, intid, target });
    });
    writer.close({ position: 20, time: 20, reason: 'limit' });
    const reader = SyncTraceReader.open(sink.toSource());
    const positions = (intid: number): object[] =>
      [...reader.interruptCycles(intid)].map((cycle) =>
        Object.fromEntries(
          Object.entries(cycle).map(([name, value]) => [
            name,
            typeof value === 'object' ? value.position : value,
          ]),
        ),
      );
    expect(positions(40)).toEqual([
      { intid: 40, target: 1, pending: 4, acknowledge: 5, complete: 6 },
      { intid: 40, target: 0, raised: 0, pending: 1, acknowledge: 2, complete: 3, lowered: 7 },
      { intid: 40, target: -1, raised: 8, pending: 9, lowered: 10, withdrawn: 11 },
    ]);
    expect(positions(1)).toEqual([
      { intid: 1, target: 1, pending: 13, acknowledge: 14, complete: 15 },
      { intid: 1, target: 0, pending: 12 },
    ]);
  });
});
