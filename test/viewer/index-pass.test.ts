import { describe, expect, it } from 'vitest';
import { type MemorySource, SyncTraceReader, type TraceEvent, TraceWriter } from '../../traces/index.ts';
import { rangeSum } from '../../viewer/data/mip-map.ts';
import type { IndexResult, LaneInfo, WindowMarks } from '../../viewer/data/protocol.ts';
import { TimeMap } from '../../viewer/data/time-map.ts';
import { TraceSession } from '../../viewer/data/trace-session.ts';
import { HEADER, MemorySink } from '../traces/support.ts';
import { syntheticBoot } from '../traces/synthetic.ts';

/** A boot with exceptions around its interrupts, since the synthetic one has none. */
function makeTrace(): MemorySource {
  const sink = new MemorySink();
  const writer = new TraceWriter(sink, { ...HEADER, level: 'full' });
  let last = { position: 0, time: 0 };
  for (const event of syntheticBoot(60_000)) {
    if (event.kind === 'interrupt' && event.what === 'acknowledge') {
      writer.event({
        kind: 'exception',
        position: event.position,
        time: event.time,
        cpu: 0,
        what: 'irq',
        fromEl: event.position % 3 === 0 ? 0 : 1,
        toEl: 1,
        syndrome: 0n,
        faultAddress: 0n,
        pc: 0n,
      });
    }
    writer.event(event);
    if (event.kind === 'interrupt' && event.what === 'complete') {
      writer.event({
        kind: 'exception',
        position: event.position,
        time: event.time,
        cpu: 0,
        what: 'return',
        fromEl: 1,
        toEl: event.position % 2,
        syndrome: 0n,
        faultAddress: 0n,
        pc: 0n,
      });
    }
    last = event;
  }
  writer.close({ position: last.position + 1000, time: last.time + 1000, reason: 'limit' });
  return sink.toSource();
}

const source = makeTrace();
const events = [...SyncTraceReader.open(source).events()];
const session = await TraceSession.open(source.asAsync(), 'synthetic.vtrace');
const overview = session.overview();
const index: IndexResult = await session.index(
  () => {},
  async () => {},
  () => 0,
);

function lane(id: string): LaneInfo {
  const found = index.lanes.find((each) => each.id === id);
  if (found === undefined) throw new Error(`no lane ${id}`);
  return found;
}

function mips(id: string, axis: 'time' | 'instructions') {
  return index.data.find((data) => data.lane === lane(id).index)![axis];
}

function idOf(event: TraceEvent): string {
  switch (event.kind) {
    case 'access':
      return `dev:${event.device}`;
    case 'interrupt':
      return event.intid < 32 ? `irq:${event.intid}:${event.target}` : `irq:${event.intid}`;
    case 'exception':
      return `cpu:${event.cpu}`;
    case 'output':
      return `out:${event.device}`;
    default:
      return event.kind;
  }
}

describe('the pass over all events', () => {
  it('counts every event in its bin, on both axes', () => {
    for (const axis of ['time', 'instructions'] as const) {
      const length = index.extent[axis];
      const expected = new Map<string, Map<number, { count: number; writes: number }>>();
      const some = mips('dev:uart0', axis).counts;
      const bins = some.length / 2;
      for (const event of events) {
        const id = idOf(event);
        const at = axis === 'time' ? event.time : event.position;
        const bin = Math.min(bins - 1, Math.floor(at * (bins / length)));
        let row = expected.get(id);
        if (row === undefined) expected.set(id, (row = new Map()));
        const cell = row.get(bin) ?? { count: 0, writes: 0 };
        cell.count++;
        if (event.kind === 'access' && event.write) cell.writes++;
        row.set(bin, cell);
      }
      for (const [id, row] of expected) {
        const { counts, writes } = mips(id, axis);
        expect(rangeSum(counts, 0, bins)).toBe([...row.values()].reduce((sum, { count }) => sum + count, 0));
        for (const [bin, cell] of row) {
          expect(counts[bins + bin]).toBe(cell.count);
          if (writes !== undefined) expect(writes[bins + bin]).toBe(cell.writes);
        }
      }
    }
  });

  it('knows how long an interrupt was active', () => {
    let active = 0;
    let since = Number.NaN;
    for (const event of events) {
      if (event.kind !== 'interrupt' || event.intid !== 27) continue;
      if (event.what === 'acknowledge') since = event.time;
      else if (event.what === 'complete') active += event.time - since;
    }
    const { cover } = mips('irq:27:0', 'time');
    const bins = cover![2]!.length / 2;
    const measured = (rangeSum(cover![2]!, 0, bins) * index.extent.time) / bins;
    expect(measured / active).toBeCloseTo(1, 3);
  });

  it('knows how long all CPUs slept', () => {
    const bias = (event: { position: number; time: number }): number => event.time - event.position;
    const slept = bias(events.at(-1)!) - bias(events[0]!);
    expect(index.statistics.asleep).toBe(slept);
    const { cover } = mips('sleep', 'time');
    const bins = cover![0]!.length / 2;
    expect((rangeSum(cover![0]!, 0, bins) * index.extent.time) / bins / slept).toBeCloseTo(1, 3);
  });

  it('maps positions to times, exactly where events are', () => {
    const map = new TimeMap(index.timeMap.position, index.timeMap.time);
    const tolerance = index.extent.time / 2 ** 16;
    for (let i = 0; i < events.length; i += 97) {
      const { position, time } = events[i]!;
      expect(Math.abs(map.positionAt(time) - position)).toBeLessThanOrEqual(tolerance);
    }
  });

  it('gives the first paint the same totals, from the index alone', () => {
    for (const { id, total } of overview.lanes) {
      if (!id.startsWith('dev:') && !id.startsWith('out:')) continue;
      expect(total).toBe(lane(id).total);
      const data = overview.data.find(
        (each) => each.lane === overview.lanes.find((l) => l.id === id)!.index,
      )!;
      expect(data.time.counts[1]).toBe(total);
    }
  });

  it('counts registers, interrupts and kinds', () => {
    const uart = index.statistics.devices.find(({ device }) => device === 'uart0')!;
    expect(uart.reads).toBe(
      events.filter((e) => e.kind === 'access' && e.device === 'uart0' && !e.write).length,
    );
    const timer = index.statistics.interrupts.find(({ intid }) => intid === 27)!;
    const is = (what: string) =>
      events.filter((e) => e.kind === 'interrupt' && e.intid === 27 && e.what === what).length;
    expect(timer.taken).toBe(is('acknowledge'));
    expect(timer.latency.reduce((a, b) => a + b)).toBe(is('acknowledge'));
    expect(index.statistics.kinds.access).toBe(events.filter((e) => e.kind === 'access').length);
  });

  it('finds the delay loops as polling', () => {
    expect(index.statistics.polling[0]).toMatchObject({ device: 'timer' });
  });
});

describe('the exact marks of a window', () => {
  const windows = [
    [0.1, 0.1002],
    [0.5, 0.503],
    [0.98, 1],
  ] as const;

  function marksOf(marks: WindowMarks, id: string): { position: number; ordinal: number; flag: number }[] {
    const { index: number } = lane(id);
    const found = [];
    for (let i = marks.starts[number]!; i < marks.starts[number + 1]!; i++) {
      found.push({ position: marks.position[i]!, ordinal: marks.ordinal[i]!, flag: marks.flag[i]! });
    }
    return found;
  }

  it.each(windows)('are the events from %f to %f', async (a, b) => {
    for (const axis of ['time', 'instructions'] as const) {
      const [from, to] = [a * index.extent[axis], b * index.extent[axis]];
      const marks = await session.window(axis, from, to, 100_000, () => false);
      const inside = events.filter((e) => {
        const at = axis === 'time' ? e.time : e.position;
        return at >= from && at <= to;
      });
      for (const id of ['dev:uart0', 'dev:timer', 'irq:27:0', 'out:uart0']) {
        const expected = inside.filter((event) => idOf(event) === id);
        expect(marksOf(marks, id).map(({ position, ordinal }) => ({ position, ordinal }))).toEqual(
          expected.map(({ position, ordinal }) => ({ position, ordinal })),
        );
      }
      const writes = marksOf(marks, 'dev:uart0').map(({ flag }) => flag === 1);
      expect(writes).toEqual(
        inside.filter((e) => idOf(e) === 'dev:uart0').map((e) => e.kind === 'access' && e.write),
      );
    }
  });

  it.each(windows)('have the states that the events before them give, from %f to %f', async (a, b) => {
    const [from, to] = [a * index.extent.time, b * index.extent.time];
    const marks = await session.window('time', from, to, 100_000, () => false);
    let level = 0;
    let interrupt = 0;
    const expected: number[] = [];
    let atStart = 0;
    for (const event of events) {
      if (event.time > to) break;
      const isTaken = event.kind === 'interrupt' && event.what === 'acknowledge';
      const isEnded = event.kind === 'interrupt' && event.what === 'complete';
      if (event.kind === 'exception') level = 1 << event.toEl;
      else if (isTaken) interrupt = 16;
      else if (isEnded) interrupt = 0;
      else continue;
      if (event.time < from) atStart = level | interrupt;
      else expected.push(level | interrupt);
    }
    expect(marks.masks[lane('cpu:0').index]).toBe(atStart);
    expect(marksOf(marks, 'cpu:0').map(({ flag }) => flag)).toEqual(expected);
  });

  it('are refused when there are too many', async () => {
    const marks = await session.window('time', 0, index.extent.time, 1000, () => false);
    expect(marks).toMatchObject({ tooMany: true, count: 0 });
  });
});

describe('lists and searches', () => {
  it('page through everything, in both directions', async () => {
    const seen: number[] = [];
    let from = { position: 0, ordinal: 0 };
    for (let first = true; ; first = false) {
      const rows = await session.queries.list(
        { from, direction: 'forward', limit: 700, filter: 'device:gicd', inclusive: first },
        () => false,
      );
      if (rows.length === 0) break;
      seen.push(...rows.map(({ position }) => position));
      from = rows.at(-1)!;
    }
    const expected = events
      .filter((e) => e.kind === 'access' && e.device === 'gicd')
      .map(({ position }) => position);
    expect(seen).toEqual(expected);
    const back = await session.queries.list(
      {
        from: { position: Number.MAX_SAFE_INTEGER, ordinal: 0 },
        direction: 'backward',
        limit: 50,
        filter: 'device:gicd',
      },
      () => false,
    );
    expect(back.map(({ position }) => position)).toEqual(expected.slice(-50));
  });

  it('find text that the console sent a character at a time', async () => {
    const hits: string[] = [];
    await session.queries.search(
      '"reserved memory"',
      1000,
      (found) => hits.push(...found.map(({ text }) => text)),
      () => false,
    );
    const whole = events.flatMap((e) => (e.kind === 'output' ? [...e.bytes] : []));
    const lines = new TextDecoder().decode(Uint8Array.from(whole)).split('\n');
    expect(hits).toHaveLength(lines.filter((line) => line.includes('reserved memory')).length);
  });

  it('show the console as of a moment', async () => {
    const outputs = events.filter((e) => e.kind === 'output');
    for (const i of [0, 1, 500, outputs.length - 1]) {
      const { position } = outputs[i]!;
      const sent = outputs
        .filter((e) => e.position < position)
        .flatMap((e) => (e.kind === 'output' ? [...e.bytes] : []));
      const text = new TextDecoder().decode(Uint8Array.from(sent)).replaceAll('\r', '');
      const page = await session.consoleAt('uart0', position, 1_000_000);
      expect(page.lines.map((line) => line.text).join('')).toBe(text);
    }
  });

  it('decode an access, with what it changed and its neighbours', async () => {
    const writes = events.filter((e) => e.kind === 'access' && e.device === 'uart0' && e.offset === 0);
    const { position, ordinal } = writes[5]!;
    const details = await session.details({ position, ordinal });
    const reads = details!.neighbours.find(({ what }) => what.includes('writes'))!;
    expect(reads.previous!.place!.position).toBe(writes[4]!.position);
    expect(reads.next!.place!.position).toBe(writes[6]!.position);
    expect(details!.effects).toHaveLength(1);
  });

  it('follow an interrupt from its line to its completion', async () => {
    const taken = events.find((e) => e.kind === 'interrupt' && e.intid === 27 && e.what === 'acknowledge')!;
    const details = await session.details(taken);
    expect(details!.cycle.map(({ label }) => label)).toEqual([
      'line high',
      'pending',
      'acknowledged',
      'active',
      'line low',
      'completed',
    ]);
  });
});
