import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { timerPeriodNs } from '../../../engine/cpu/generic-timer.ts';
import { SysregMachine } from './a64/sysreg-harness.ts';

const PERIOD = 16;
const TWO_64 = 1n << 64n;
const wrap = (value: bigint) => ((value % TWO_64) + TWO_64) % TWO_64;

/**
 * The definition, evaluated anew each time: TimerConditionMet = (Count - Offset) >= CVAL, unsigned; the line is
 * ENABLE and not IMASK and the condition (Arm ARM D11.2.4).
 */
class BruteForceTimer {
  ctl = 0;
  cval = 0n;
  offset = 0n;
  count(time: number): bigint {
    return wrap(BigInt(Math.trunc(time / PERIOD)) - this.offset);
  }
  met(time: number): boolean {
    return this.count(time) >= this.cval;
  }
  status(time: number): number {
    return this.ctl | (this.ctl & 1 && this.met(time) ? 4 : 0);
  }
  line(time: number): boolean {
    return (this.ctl & 3) === 1 && this.met(time);
  }
  tval(time: number): bigint {
    return wrap(this.cval - this.count(time)) & 0xffff_ffffn;
  }
}

type Step =
  | { readonly kind: 'time'; readonly ns: number }
  | { readonly kind: 'ctl'; readonly value: bigint }
  | { readonly kind: 'cval'; readonly ahead: bigint }
  | { readonly kind: 'raw'; readonly value: bigint }
  | { readonly kind: 'tval'; readonly value: bigint }
  | { readonly kind: 'offset'; readonly value: bigint };

const near = fc.bigInt({ min: -40n, max: 200n });
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant('time' as const), ns: fc.integer({ min: 1, max: 2000 }) }),
  fc.record({ kind: fc.constant('ctl' as const), value: fc.bigInt({ min: 0n, max: 7n }) }),
  fc.record({ kind: fc.constant('cval' as const), ahead: near }),
  fc.record({ kind: fc.constant('raw' as const), value: fc.bigInt({ min: 0n, max: TWO_64 - 1n }) }),
  fc.record({
    kind: fc.constant('tval' as const),
    value: fc.oneof(near, fc.bigInt({ min: 0n, max: TWO_64 })),
  }),
  fc.record({
    kind: fc.constant('offset' as const),
    value: fc.oneof(near.map(wrap), fc.bigInt({ min: 0n, max: TWO_64 - 1n })),
  }),
);

describe.each([
  ['CNTV', 'EL0', true],
  ['CNTP', 'EL0', false],
  ['CNTHP', 'EL2', false],
  ['CNTPS', 'EL1', false],
] as const)('%s', (timer, suffix, hasOffset) => {
  test('line and registers are those of the definition at every change, and never change unannounced', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const machine = new SysregMachine({ el2: true, el3: true });
        const reference = new BruteForceTimer();
        const { time } = machine;
        const line = machine.lines[0]![timer];
        for (const action of steps) {
          switch (action.kind) {
            case 'time': {
              const end = time.time + action.ns;
              // Tick by tick: the line may be compared at each, since deadlines are the only thing that runs.
              while (time.time < end) {
                time.advanceTo(Math.min(end, (Math.trunc(time.time / PERIOD) + 1) * PERIOD));
                expect(line.level).toBe(reference.line(time.time));
              }
              break;
            }
            case 'ctl':
              reference.ctl = Number(action.value & 3n);
              machine.write(`${timer}_CTL_${suffix}`, action.value);
              break;
            case 'cval':
              reference.cval = wrap(reference.count(time.time) + action.ahead);
              machine.write(`${timer}_CVAL_${suffix}`, reference.cval);
              break;
            case 'raw':
              reference.cval = action.value;
              machine.write(`${timer}_CVAL_${suffix}`, action.value);
              break;
            case 'tval': {
              const low = wrap(action.value) & 0xffff_ffffn;
              const signed = low >= 0x8000_0000n ? low - 0x1_0000_0000n : low;
              reference.cval = wrap(reference.count(time.time) + signed);
              machine.write(`${timer}_TVAL_${suffix}`, wrap(action.value));
              break;
            }
            case 'offset':
              if (hasOffset) reference.offset = action.value;
              machine.write('CNTVOFF_EL2', action.value);
              break;
          }
          expect(line.level).toBe(reference.line(time.time));
          expect(machine.read(`${timer}_CTL_${suffix}`)).toBe(BigInt(reference.status(time.time)));
          expect(machine.read(`${timer}_CVAL_${suffix}`)).toBe(reference.cval);
          expect(machine.read(`${timer}_TVAL_${suffix}`)).toBe(reference.tval(time.time));
          if (hasOffset) expect(machine.read('CNTVCT_EL0')).toBe(reference.count(time.time));
        }
      }),
      { numRuns: 200 },
    );
  });
});

test('the count is virtual ns over the period, truncated (virt-board.md 3.9)', () => {
  const machine = new SysregMachine();
  machine.time.time = 9_007_199_254_740_991;
  expect(machine.read('CNTPCT_EL0')).toBe(9_007_199_254_740_991n / 16n);
  expect(machine.read('CNTFRQ_EL0')).toBe(62_500_000n);
  machine.write('CNTFRQ_EL0', 1n);
  expect(machine.read('CNTFRQ_EL0')).toBe(1n);
  expect(machine.read('CNTPCT_EL0')).toBe(9_007_199_254_740_991n / 16n);
});

test.each([
  [62_500_000, 16],
  [1_000_000_000, 1],
  [2_000_000_000, 1],
  [24_000_000, 41],
])('a frequency of %i Hz has a tick of %i ns', (frequency, period) => {
  expect(timerPeriodNs(frequency)).toBe(period);
});

test('timers of different CPUs have their own lines and deadlines', () => {
  const machine = new SysregMachine({ cpuCount: 2 });
  machine.write('CNTV_CVAL_EL0', 10n, 1);
  machine.write('CNTV_CTL_EL0', 1n, 1);
  expect([...machine.time.pending]).toEqual([['CNTV.1', 160]]);
  machine.time.advanceTo(159);
  expect(machine.lines[1]!.CNTV.level).toBe(false);
  machine.time.advanceTo(160);
  expect(machine.lines[1]!.CNTV.level).toBe(true);
  expect(machine.lines[0]!.CNTV.level).toBe(false);
});

test('a deadline beyond the end of time is not set', () => {
  const machine = new SysregMachine();
  machine.write('CNTV_CVAL_EL0', TWO_64 - 1n);
  machine.write('CNTV_CTL_EL0', 1n);
  expect(machine.time.pending.size).toBe(0);
});

test('timers loaded from slots drive the same line and deadline', () => {
  const before = new SysregMachine();
  before.write('CNTV_CVAL_EL0', 100n);
  before.write('CNTV_CTL_EL0', 1n);
  const after = new SysregMachine();
  new Uint8Array(after.buffers[0]!.buffer).set(new Uint8Array(before.buffers[0]!.buffer));
  after.timers.recompute(0);
  expect(after.time.pending).toEqual(before.time.pending);
  after.time.advanceTo(1600);
  expect(after.lines[0]!.CNTV.level).toBe(true);
});

test('reset turns a timer off', () => {
  const machine = new SysregMachine();
  machine.write('CNTV_CTL_EL0', 1n);
  expect(machine.lines[0]!.CNTV.level).toBe(true);
  machine.table.reset(machine.slots[0]!, 0);
  machine.timers.recompute(0);
  expect(machine.lines[0]!.CNTV.level).toBe(false);
  expect(machine.time.pending.size).toBe(0);
});

test('the event stream comes at the edges of the chosen bit of the virtual count (Arm ARM D11.2.5)', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 5 }),
      fc.boolean(),
      fc.integer({ min: 0, max: 5000 }),
      fc.bigInt({ min: 0n, max: 100n }),
      (bit, falling, start, offset) => {
        const machine = new SysregMachine({ el2: true });
        machine.write('CNTVOFF_EL2', offset);
        machine.write('CNTKCTL_EL1', BigInt((bit << 4) | (falling ? 8 : 0) | 4));
        machine.time.time = start;
        const level = (time: number) =>
          (wrap(BigInt(Math.trunc(time / PERIOD)) - offset) >> BigInt(bit)) & 1n;
        let edge = (Math.trunc(start / PERIOD) + 1) * PERIOD;
        while (!(level(edge - PERIOD) === (falling ? 1n : 0n) && level(edge) === (falling ? 0n : 1n))) {
          edge += PERIOD;
        }
        expect(machine.timers.nextEventStreamNs(0)).toBe(edge);
        expect(machine.timers.eventStreamPeriodNs(0)).toBe(2 ** (bit + 1) * PERIOD);
      },
    ),
  );
  expect(new SysregMachine().timers.eventStreamPeriodNs(0)).toBeUndefined();
});

test('accesses are reported as those of a device, writes before what they cause', () => {
  const machine = new SysregMachine();
  machine.write('CNTV_CTL_EL0', 3n);
  machine.read('CNTV_CTL_EL0');
  const offset = machine.keyOf('CNTV_CTL_EL0') * 8;
  expect(machine.log).toEqual([`timer ${offset} write 3`, `timer ${offset} read 7`]);
});
