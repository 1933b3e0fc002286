import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { SysregMachine } from './a64/sysreg-harness.ts';

/** One CPU seen ns by ns: the definition of the counters, without any arithmetic on intervals. */
class BruteForcePmu {
  pmcr = 0n;
  enabled = 0n;
  overflow = 0n;
  cycles = 0n;
  filter = 0n;
  readonly counters = Array<bigint>(6).fill(0n);
  readonly types = Array<bigint>(6).fill(0n);

  runs(filter: bigint, index: number, el: number): boolean {
    if ((this.pmcr & 1n) === 0n || ((this.enabled >> BigInt(index)) & 1n) === 0n) return false;
    const bit = (n: bigint) => (filter >> n) & 1n;
    // No EL3: Non-secure. U filters EL0 unless NSU equals it; P and NSK the same for EL1.
    return el === 0 ? bit(30n) === bit(28n) : bit(31n) === bit(29n);
  }

  /** One ns, in which an instruction retires if `retires`. `time` is the time after it. */
  tick(time: number, el: number, retires: boolean): void {
    if (this.runs(this.filter, 31, el) && ((this.pmcr & 8n) === 0n || time % 64 === 0)) {
      this.cycles++;
      const width = (this.pmcr & 0x40n) !== 0n ? 64n : 32n;
      if ((this.cycles & ((1n << width) - 1n)) === 0n) this.overflow |= 1n << 31n;
      this.cycles &= (1n << 64n) - 1n;
    }
    for (const [index, type] of this.types.entries()) {
      const event = type & 0xffffn;
      if (!this.runs(type, index, el)) continue;
      if (event === 0x11n || (event === 8n && retires)) this.increment(index);
    }
  }

  increment(index: number): void {
    this.counters[index] = (this.counters[index]! + 1n) & 0xffff_ffffn;
    if (this.counters[index] === 0n) this.overflow |= 1n << BigInt(index);
  }
}

const EVENT = fc.constantFrom(0n, 8n, 0x11n, 0x1234n);
const FILTER = fc.nat({ max: 31 }).map((n) => BigInt(n) << 27n);
const NEAR_TOP = fc.constantFrom(0n, 5n, 0xffff_fff0n, 0xffff_ff00n);
const INDEX = fc.nat({ max: 5 });

type Step =
  | ['run', number]
  | ['sleep', number]
  | ['el', number]
  | ['pmcr', bigint]
  | ['enable', bigint]
  | ['disable', bigint]
  | ['clear', bigint]
  | ['type', number, bigint]
  | ['counter', number, bigint]
  | ['cycles', bigint]
  | ['filter', bigint]
  | ['increment', bigint];

const mask = fc.bigInt({ min: 0n, max: 0xffff_ffffn });
const step = fc.oneof<fc.Arbitrary<Step>[]>(
  fc.tuple(fc.constant('run' as const), fc.integer({ min: 1, max: 200 })),
  fc.tuple(fc.constant('run' as const), fc.integer({ min: 1, max: 200 })),
  fc.tuple(fc.constant('sleep' as const), fc.integer({ min: 1, max: 200 })),
  fc.tuple(fc.constant('el' as const), fc.nat({ max: 1 })),
  fc.tuple(fc.constant('pmcr' as const), fc.constantFrom(1n, 1n, 9n, 0x41n, 0x49n, 0n, 3n, 5n, 7n)),
  fc.tuple(fc.constant('enable' as const), mask),
  fc.tuple(fc.constant('disable' as const), mask),
  fc.tuple(fc.constant('clear' as const), mask),
  fc.tuple(
    fc.constant('type' as const),
    INDEX,
    fc.tuple(EVENT, FILTER).map(([event, filter]) => event | filter),
  ),
  fc.tuple(fc.constant('counter' as const), INDEX, NEAR_TOP),
  fc.tuple(
    fc.constant('cycles' as const),
    fc.oneof(NEAR_TOP, fc.constantFrom(0xffff_ffff_ffff_fff0n, 0x1_ffff_fffan)),
  ),
  fc.tuple(fc.constant('filter' as const), FILTER),
  fc.tuple(fc.constant('increment' as const), mask),
);

/** Mostly running counters with an overflow close by; otherwise chance seldom brings all of it together. */
const start: fc.Arbitrary<Step[]> = fc
  .tuple(
    fc.constantFrom(1n, 9n, 0x41n, 0x49n),
    fc.array(EVENT, { minLength: 6, maxLength: 6 }),
    fc.array(fc.bigInt({ min: 0xffff_ff80n, max: 0xffff_ffffn }), { minLength: 6, maxLength: 6 }),
    // With PMCR.D a cycle takes 64 ns.
    fc.bigInt({ min: 0xffff_fff8n, max: 0xffff_ffffn }),
  )
  .map(([pmcr, events, values, cycles]) => [
    ...events.map((event, index): Step => ['type', index, event]),
    ...values.map((value, index): Step => ['counter', index, value]),
    ['cycles', (pmcr & 0x40n) === 0n ? cycles : 0xffff_ffff_0000_0000n | cycles],
    ['enable', 0xffff_ffffn],
    ['pmcr', pmcr],
  ]);

const VALID = 0x8000_003fn;

describe('counters', () => {
  test('are what counting each ns gives; overflow and its interrupt come at the ns', () => {
    fc.assert(
      fc.property(start, fc.array(step, { maxLength: 40 }), (first, rest) => {
        const steps = [...first, ...rest];
        const machine = new SysregMachine();
        const reference = new BruteForcePmu();
        const { time } = machine;
        machine.write('PMINTENSET_EL1', VALID);
        const line = machine.pmuLines[0]!;
        const check = () =>
          expect(line.level).toBe(reference.overflow !== 0n && (reference.pmcr & 1n) !== 0n);
        const pass = (ns: number, retires: boolean) => {
          for (let n = 0; n < ns; n++) {
            if (retires) machine.instructions++;
            reference.tick(time.time + 1, machine.el, retires);
            time.advanceTo(time.time + 1);
            check();
          }
        };
        for (const action of steps) {
          switch (action[0]) {
            case 'run':
              pass(action[1], true);
              break;
            case 'sleep':
              pass(action[1], false);
              break;
            case 'el': {
              const from = machine.el;
              machine.el = action[1];
              machine.pmu.elChanged(0, from, machine.el);
              break;
            }
            case 'pmcr':
              reference.pmcr = action[1] & 0xf9n;
              if ((action[1] & 2n) !== 0n) reference.counters.fill(0n);
              if ((action[1] & 4n) !== 0n) reference.cycles = 0n;
              machine.pmu.writePmcr(0, action[1]);
              break;
            case 'enable':
              reference.enabled |= action[1] & VALID;
              machine.table.write(machine.keyOf('PMCNTENSET_EL0'), 0, action[1], privileged(machine));
              break;
            case 'disable':
              reference.enabled &= ~action[1];
              machine.table.write(machine.keyOf('PMCNTENCLR_EL0'), 0, action[1], privileged(machine));
              break;
            case 'clear':
              reference.overflow &= ~action[1];
              machine.table.write(machine.keyOf('PMOVSCLR_EL0'), 0, action[1], privileged(machine));
              break;
            case 'type':
              reference.types[action[1]] = action[2] & 0xfe00_ffffn;
              machine.pmu.writeType(0, action[1], action[2]);
              break;
            case 'counter':
              reference.counters[action[1]] = action[2];
              machine.pmu.writeCounter(0, action[1], action[2]);
              break;
            case 'cycles':
              reference.cycles = action[1];
              machine.pmu.writeCycles(0, action[1]);
              break;
            case 'filter':
              reference.filter = action[1] & 0xfc00_0000n;
              machine.pmu.writeType(0, 31, action[1]);
              break;
            case 'increment':
              for (const [index, type] of reference.types.entries()) {
                const chosen = ((action[1] >> BigInt(index)) & 1n) !== 0n;
                if (chosen && (type & 0xffffn) === 0n && reference.runs(type, index, machine.el)) {
                  reference.increment(index);
                }
              }
              machine.pmu.softwareIncrement(0, action[1]);
              break;
          }
          check();
        }
        expect(machine.pmu.readCycles(0)).toBe(reference.cycles);
        for (const [index, value] of reference.counters.entries()) {
          expect(machine.pmu.readCounter(0, index)).toBe(value);
        }
        expect(machine.slots[0]!.get(0)).toBe(machine.config.sctlrReset);
        machine.el = 1;
        expect(machine.read('PMOVSCLR_EL0')).toBe(reference.overflow);
      }),
      { numRuns: 300 },
    );
  });

  test('do not depend on how often they are read', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 500 }), { maxLength: 20 }), (times) => {
        const results = [true, false].map((reads) => {
          const machine = new SysregMachine();
          machine.write('PMCNTENSET_EL0', VALID);
          machine.write('PMCR_EL0', 9n);
          for (const ns of times) {
            machine.time.advanceTo(machine.time.time + ns);
            if (reads) machine.read('PMCCNTR_EL0');
          }
          return machine.read('PMCCNTR_EL0');
        });
        expect(results[0]).toBe(results[1]);
      }),
    );
  });
});

/** The same machine at EL1, whatever EL the program is counted at. */
function privileged(machine: SysregMachine) {
  const context = machine.context();
  return { ...context, el: () => 1 };
}

test('PMCR_EL0 keeps its ID fields and reads P and C as zero (devices.md 19)', () => {
  const machine = new SysregMachine();
  machine.write('PMCR_EL0', 0xffff_ffff_ffff_ffffn);
  expect(machine.read('PMCR_EL0')).toBe(0x410130f9n);
});

test('PMXEVTYPER and PMXEVCNTR reach the selected counter, 31 is PMCCFILTR', () => {
  const machine = new SysregMachine();
  machine.write('PMSELR_EL0', 3n);
  machine.write('PMXEVTYPER_EL0', 0x11n);
  machine.write('PMXEVCNTR_EL0', 7n);
  expect(machine.read('PMEVTYPER3_EL0')).toBe(0x11n);
  expect(machine.read('PMEVCNTR3_EL0')).toBe(7n);
  machine.write('PMSELR_EL0', 31n);
  machine.write('PMXEVTYPER_EL0', 0xffff_ffffn);
  expect(machine.read('PMCCFILTR_EL0')).toBe(0xfc00_0000n);
  machine.write('PMSELR_EL0', 20n);
  machine.write('PMXEVCNTR_EL0', 7n);
  expect(machine.read('PMXEVCNTR_EL0')).toBe(0n);
});

test('counters from MDCR_EL2.HPMN on obey HPME, the others PMCR.E; PMCR.N below EL2 is HPMN', () => {
  const machine = new SysregMachine({ el2: true });
  machine.el = 2;
  machine.write('MDCR_EL2', 0x82n);
  machine.write('PMCNTENSET_EL0', VALID);
  for (const n of [1, 2]) machine.write(`PMEVTYPER${n}_EL0`, 0x11n);
  machine.el = 1;
  machine.pmu.elChanged(0, 2, 1);
  expect((machine.read('PMCR_EL0') >> 11n) & 31n).toBe(2n);
  machine.time.advanceTo(100);
  expect(machine.pmu.readCounter(0, 1)).toBe(0n);
  expect(machine.pmu.readCounter(0, 2)).toBe(100n);
});

test('with pmu=off nothing counts', () => {
  const machine = new SysregMachine({ pmu: false });
  machine.write('PMCNTENSET_EL0', VALID);
  machine.write('PMCR_EL0', 1n);
  machine.time.advanceTo(1000);
  expect(machine.read('PMCCNTR_EL0')).toBe(0n);
});

test('watchesEl tells whether a running counter has a filter', () => {
  const machine = new SysregMachine();
  expect(machine.pmu.watchesEl(0)).toBe(false);
  machine.write('PMCNTENSET_EL0', VALID);
  machine.write('PMCR_EL0', 1n);
  expect(machine.pmu.watchesEl(0)).toBe(false);
  machine.write('PMCCFILTR_EL0', 1n << 30n);
  expect(machine.pmu.watchesEl(0)).toBe(true);
});
