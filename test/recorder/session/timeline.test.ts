import { beforeAll, describe, expect, test } from 'vitest';
import type { Condition } from '../../../recorder/session/conditions.ts';
import { complete } from '../../../recorder/session/operation.ts';
import type { Timeline } from '../../../recorder/session/timeline.ts';
import {
  COUNTER_OFFSET,
  FOUR_CPUS,
  openTimeline,
  recordTrace,
  STORE_OFFSET,
  STORM,
} from './debug-support.ts';

/** Positions from a fixed sequence of numbers. */
function positions(count: number, below: number, seed = 1): number[] {
  let state = seed;
  return Array.from({ length: count }, () => {
    state = (state * 48271) % 0x7fffffff;
    return Math.floor((state / 0x7fffffff) * below);
  });
}

function pcOf(timeline: Timeline, cpu = timeline.machine.currentCpu): bigint {
  return timeline.machine.cluster.states[cpu]!.pc;
}

/** Where a condition holds, by running forward with it. */
function forward(timeline: Timeline, condition: Condition, from: number, to: number): number[] {
  complete(timeline.seek(from));
  const { id } = timeline.addBreakpoint(condition);
  const found: number[] = [];
  for (;;) {
    const stop = complete(timeline.continueForward(to));
    if (stop.reason !== 'breakpoint') break;
    found.push(timeline.position);
    expect(stop.hits[0]!.condition).toBe(condition);
  }
  timeline.removeBreakpoint(id);
  return found;
}

function backward(timeline: Timeline, condition: Condition, from: number, to: number): number[] {
  complete(timeline.seek(from));
  const { id } = timeline.addBreakpoint(condition);
  const found: number[] = [];
  for (;;) {
    const stop = complete(timeline.continueBackward());
    if (stop.reason !== 'breakpoint' || timeline.position < to) break;
    found.push(timeline.position);
  }
  timeline.removeBreakpoint(id);
  return found;
}

let storm: Uint8Array;
let stormInputs: Uint8Array;
let four: Uint8Array;

beforeAll(() => {
  const keys = [
    { position: 500_000, text: 'abc' },
    { position: 2_000_000, text: 'x' },
  ];
  storm = recordTrace({ kernel: STORM, keys });
  stormInputs = recordTrace({ kernel: STORM, keys, level: 'inputs' });
  four = recordTrace({ kernel: FOUR_CPUS, cpus: 4, until: 1_000_000 });
});

describe('going to a position', () => {
  test.each(['interpreted', 'compiled'] as const)(
    'gives the state of a straight run, %s',
    (tier) => {
      const straight = openTimeline(storm, { tier: 'interpreted' });
      const length = straight.length;
      const goals = [...positions(60, length), 0, 1, 500_000, 2_000_000, length - 1, length].sort(
        (a, b) => a - b,
      );
      const expected = new Map<number, string>();
      const { playback } = straight;
      playback.machine.cluster.armed = false;
      for (const goal of goals) {
        // Playback alone: no checkpoint is gone back to.
        playback.run(goal);
        expected.set(goal, playback.machine.hash().all);
      }
      const timeline = openTimeline(storm, { tier });
      for (const pick of positions(150, goals.length, 7)) {
        const goal = goals[pick]!;
        const stop = complete(timeline.seek(goal));
        expect(stop.reason).toBe(goal === length ? 'end' : 'there');
        expect(timeline.position).toBe(goal);
        expect(timeline.machine.hash().all).toBe(expected.get(goal));
      }
    },
    60_000,
  );

  test('an operation that is told to stop ends where it can stay, and the next one works', () => {
    const timeline = openTimeline(storm);
    let looks = 0;
    const stop = complete(timeline.seek(6_000_000), () => ++looks === 2);
    expect(stop.reason).toBe('interrupted');
    expect(timeline.position).toBeLessThan(6_000_000);
    complete(timeline.seek(3_000_000));
    const { all } = timeline.machine.hash();
    timeline.addBreakpoint({ kind: 'address', address: 4n });
    expect(complete(timeline.continueBackward(), () => true).reason).toBe('interrupted');
    expect(timeline.position).toBe(3_000_000);
    expect(timeline.machine.hash().all).toBe(all);
  });

  test('checkpoints stay within their limits', () => {
    const timeline = openTimeline(storm);
    complete(timeline.prepare());
    expect(timeline.position).toBe(0);
    for (const goal of positions(200, timeline.length)) complete(timeline.seek(goal));
    expect(timeline.checkpoints.length).toBeLessThanOrEqual(600);
  }, 60_000);
});

describe('steps', () => {
  test('forwards, backwards and forwards again meet the same instructions', () => {
    const timeline = openTimeline(storm);
    for (const start of positions(8, 8_000_000)) {
      complete(timeline.seek(start));
      const seen = [pcOf(timeline)];
      for (let i = 0; i < 60; i++) {
        complete(timeline.stepForward());
        seen.push(pcOf(timeline));
      }
      for (let i = 59; i >= 0; i--) {
        complete(timeline.stepBackward());
        expect(pcOf(timeline)).toBe(seen[i]);
      }
      expect(timeline.position).toBe(start);
    }
  });

  test('at both ends say so', () => {
    const timeline = openTimeline(storm);
    expect(complete(timeline.stepBackward()).reason).toBe('begin');
    complete(timeline.seek(timeline.length));
    expect(complete(timeline.stepForward()).reason).toBe('end');
    expect(complete(timeline.stepBackward()).reason).toBe('there');
    expect(timeline.position).toBe(timeline.length - 1);
  });

  test('of one CPU among four take one instruction of it, in both directions', () => {
    const timeline = openTimeline(four);
    for (const cpu of [0, 1, 2, 3]) {
      for (const start of positions(6, 900_000, cpu + 2).map((p) => p + 50_000)) {
        complete(timeline.seek(start));
        const before = timeline.machine.retired(cpu);
        const seen: { position: number; pc: bigint }[] = [];
        for (let i = 1; i <= 30; i++) {
          expect(complete(timeline.stepForward(1, cpu)).reason).toBe('there');
          expect(timeline.machine.retired(cpu)).toBe(before + i);
          seen.push({ position: timeline.position, pc: pcOf(timeline, cpu) });
        }
        for (let i = 29; i >= 1; i--) {
          expect(complete(timeline.stepBackward(1, cpu)).reason).toBe('there');
          expect({ position: timeline.position, pc: pcOf(timeline, cpu) }).toEqual(seen[i - 1]);
        }
      }
    }
  }, 60_000);

  test('of a CPU that has not run yet go to the beginning', () => {
    const timeline = openTimeline(four);
    complete(timeline.seek(20));
    expect(complete(timeline.stepBackward(1, 3)).reason).toBe('begin');
    expect(timeline.position).toBe(0);
  });
});

describe('breakpoints', () => {
  const FROM = 1_000_000;
  const TO = 1_400_000;

  test('of an address are found going backwards as going forwards, and as stepping shows', () => {
    const timeline = openTimeline(storm);
    complete(timeline.seek(FROM));
    const seen = new Map<bigint, number[]>();
    for (let i = 0; i < 20_000; i++) {
      const list = seen.get(pcOf(timeline)) ?? [];
      list.push(timeline.position);
      seen.set(pcOf(timeline), list);
      complete(timeline.stepForward());
    }
    const sorted = [...seen].sort((a, b) => a[1].length - b[1].length);
    for (const [address, list] of [sorted[0]!, sorted[sorted.length >> 1]!, sorted.at(-1)!]) {
      const condition = { kind: 'address' as const, address };
      const wanted = list.filter((position) => position > FROM).slice(0, 200);
      const to = wanted.at(-1) ?? FROM + 20_000;
      expect(forward(timeline, condition, FROM, to + 1)).toEqual(wanted);
      expect(backward(timeline, condition, to + 1, FROM + 1)).toEqual([...wanted].reverse());
    }
  }, 60_000);

  test.each<[string, Condition]>([
    ['accesses to a register', { kind: 'access', device: 'uart0', register: 'UARTDR', write: true }],
    ['accesses with a value', { kind: 'access', device: 'uart0', register: 'UARTDR.DATA', value: 0x6fn }],
    ['an interrupt', { kind: 'interrupt', intid: 27 }],
    ['an interrupt being acknowledged', { kind: 'interrupt', intid: 27, what: 'acknowledge' }],
    ['console text', { kind: 'console', text: 'rtc' }],
  ])(
    'of %s: what the trace knows, running finds too',
    (_name, condition) => {
      const known = openTimeline(storm);
      const inputsOnly = openTimeline(stormInputs);
      const range: [number, number] = condition.kind === 'interrupt' ? [FROM, 4_000_000] : [0, 3_000_000];
      const fromTrace = forward(known, condition, ...range);
      expect(fromTrace.length).toBeGreaterThan(0);
      expect(forward(inputsOnly, condition, ...range)).toEqual(fromTrace);
      const [from, to] = range;
      // One that ends exactly at the limit is met by neither.
      const back = backward(known, condition, to, from + 1);
      expect(back).toEqual(fromTrace.filter((position) => position < to).reverse());
      if (condition.kind !== 'console') expect(backward(inputsOnly, condition, to, from + 1)).toEqual(back);
    },
    60_000,
  );

  test('of exceptions stop before the next instruction, and know class and level', () => {
    const timeline = openTimeline(storm);
    const irqs = forward(timeline, { kind: 'exception', what: 'irq' }, FROM, TO);
    const acknowledged = forward(timeline, { kind: 'interrupt', intid: 27, what: 'acknowledge' }, FROM, TO);
    expect(irqs.length).toBeGreaterThanOrEqual(acknowledged.length);
    for (const position of irqs) {
      complete(timeline.seek(position));
      // At the vector, current EL with SP_ELx.
      expect(pcOf(timeline) & 0x7ffn).toBe(0x280n);
    }
  });

  test('of a change stop only where a word changes', () => {
    const timeline = openTimeline(four);
    const address = findCode(timeline) + BigInt(COUNTER_OFFSET);
    const watch = { kind: 'watch' as const, space: 'physical' as const, address, length: 8 };
    const changes = forward(timeline, { ...watch, access: 'change' }, 100_000, 101_000);
    expect(forward(timeline, { ...watch, access: 'write' }, 100_000, 101_000)).toEqual(changes);
    expect(forward(timeline, { ...watch, space: 'virtual', access: 'write' }, 100_000, 101_000)).toEqual(
      changes,
    );
    expect(backward(timeline, { ...watch, access: 'change' }, 101_000, 100_001)).toEqual(
      [...changes].reverse(),
    );
    const store = { kind: 'address' as const, address: findCode(timeline) + BigInt(STORE_OFFSET) };
    expect(forward(timeline, store, 100_000, 101_000)).toEqual(changes);
    // Only the store to the counter's lowest byte touches that byte's neighbours too.
    expect(
      forward(timeline, { ...watch, address: address + 7n, length: 1, access: 'change' }, 100_000, 101_000),
    ).toEqual([]);
    const only = forward(timeline, { ...store, cpu: 2 }, 100_000, 400_000);
    for (const position of only.slice(0, 3)) {
      complete(timeline.seek(position));
      expect(timeline.machine.currentCpu).toBe(2);
    }
  });

  test('leave no trace in the state', () => {
    const plain = openTimeline(storm);
    complete(plain.seek(TO));
    const timeline = openTimeline(storm);
    complete(timeline.seek(FROM));
    const address = pcOf(timeline);
    timeline.addBreakpoint({ kind: 'address', address });
    timeline.addBreakpoint({
      kind: 'watch',
      space: 'virtual',
      address: 0x4010_7fc0n,
      length: 8,
      access: 'access',
    });
    timeline.addBreakpoint({ kind: 'exception' });
    for (let i = 0; i < 50; i++) complete(timeline.continueForward(TO));
    for (let i = 0; i < 5; i++) complete(timeline.continueBackward());
    complete(timeline.seek(TO));
    expect(timeline.machine.hash()).toEqual(plain.machine.hash());
  });
});

describe('a side branch', () => {
  test('goes its own way, and leaving it gives the recording back', () => {
    const timeline = openTimeline(four);
    complete(timeline.seek(200_000));
    const before = timeline.machine.hash().all;
    const address = Number(findCode(timeline)) + COUNTER_OFFSET;
    const change = (): boolean =>
      timeline.change((machine) => {
        machine.memory.write(address, Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 1));
      });
    expect(change()).toBe(true);
    expect(timeline.branch).toEqual({ number: 1, position: 200_000 });
    complete(timeline.stepForward(5000));
    const inBranch = timeline.machine.hash().all;
    complete(timeline.stepBackward(2000));
    complete(timeline.stepForward(2000));
    expect(timeline.machine.hash().all).toBe(inBranch);
    expect(complete(timeline.stepBackward(9000)).reason).toBe('branch-begin');
    expect(timeline.position).toBe(200_000);
    complete(timeline.seek(2_000_000));
    expect(timeline.position).toBe(2_000_000);
    expect(timeline.leaveBranch()).toBe(true);
    expect(timeline.position).toBe(200_000);
    expect(timeline.machine.hash().all).toBe(before);
    complete(timeline.seek(205_000));
    expect(timeline.machine.hash().all).not.toBe(inBranch);
    expect(timeline.leaveBranch()).toBe(false);
  });
});

/** Where the kernel was loaded: CPU 0 starts there. */
function findCode(timeline: Timeline): bigint {
  const { boot } = timeline.machine;
  return BigInt(boot.segments.find(({ size }) => size === FOUR_CPUS.length)?.address ?? boot.cpuReset.pc);
}
