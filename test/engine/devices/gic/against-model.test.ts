/* Random histories on several CPUs: the GIC and the brute-force model must agree after every step. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Gicv2 } from '../../../../engine/devices/gic/gicv2.ts';
import { Gicv3 } from '../../../../engine/devices/gic/gicv3.ts';
import * as R from '../../../../engine/devices/gic/gicv3-sysregs.ts';
import { busRead, busWrite } from '../bench.ts';
import { GicModel } from './model.ts';

const CPUS = 3;
const INTIDS = 96;

/** The operations of both versions, by the registers of each. */
interface Driver {
  readonly gic: Gicv2 | Gicv3;
  /** A bitmap register: offset as in the distributor. */
  bit(base: number, cpu: number, intid: number): void;
  read(base: number, cpu: number, intid: number): boolean;
  setGroup(cpu: number, intid: number, group: number): void;
  setEdge(cpu: number, intid: number, edge: boolean): void;
  setPriority(cpu: number, intid: number, priority: number): void;
  setTargets(intid: number, cpus: readonly number[]): void;
  setDistributor(enabled: readonly [boolean, boolean]): void;
  setCpu(cpu: number, enabled: readonly [boolean, boolean], split: boolean): void;
  setMask(cpu: number, mask: number): void;
  setPoint(cpu: number, group: 0 | 1, point: number): void;
  runningPriority(cpu: number): number;
  acknowledge(cpu: number, group: number): number;
  end(cpu: number, intid: number, group: number): void;
  deactivate(cpu: number, intid: number): void;
  sendSgi(from: number, to: readonly number[], intid: number): void;
}

class Levels {
  readonly irq: boolean[] = Array(CPUS).fill(false);
  readonly fiq: boolean[] = Array(CPUS).fill(false);
  readonly set = (cpu: number, levels: { irq: boolean; fiq: boolean }) => {
    if (levels.irq === this.irq[cpu] && levels.fiq === this.fiq[cpu])
      throw new Error('output did not change');
    this.irq[cpu] = levels.irq;
    this.fiq[cpu] = levels.fiq;
  };
}

function driverV2(levels: Levels): Driver {
  const gic = new Gicv2({ cpus: CPUS, intids: INTIDS, outputs: levels.set });
  const [gicd, gicc] = [gic.devices[0]!, gic.devices[1]!];
  const by = (cpu: number) => ({ cpu, secure: false });
  const word = (base: number, intid: number) => base + (intid >>> 5) * 4;
  const dist = (offset: number, cpu: number, value: number) =>
    busWrite(gicd, offset, 4, BigInt(value >>> 0), by(cpu));
  const write = (offset: number, cpu: number, value: number) =>
    busWrite(gicc, offset, 4, BigInt(value >>> 0), by(cpu));
  const ACK_CTL = 4;
  const FIQ_EN = 8;
  return {
    gic,
    bit: (base, cpu, intid) => dist(word(base, intid), cpu, 1 << (intid & 31)),
    read: (base, cpu, intid) =>
      ((busRead(gicd, word(base, intid), 4, by(cpu))! >> BigInt(intid & 31)) & 1n) !== 0n,
    setGroup: (cpu, intid, group) => {
      const old = Number(busRead(gicd, word(0x80, intid), 4, by(cpu))!);
      const bit = 1 << (intid & 31);
      dist(word(0x80, intid), cpu, group ? old | bit : old & ~bit);
    },
    setEdge: (cpu, intid, edge) => {
      const offset = 0xc00 + (intid >>> 4) * 4;
      const bit = 2 << ((intid & 15) * 2);
      const old = Number(busRead(gicd, offset, 4, by(cpu))!);
      dist(offset, cpu, edge ? old | bit : old & ~bit);
    },
    setPriority: (cpu, intid, priority) => busWrite(gicd, 0x400 + intid, 1, BigInt(priority), by(cpu)),
    setTargets: (intid, cpus) => {
      const mask = cpus.reduce((all, cpu) => all | (1 << cpu), 0);
      busWrite(gicd, 0x800 + intid, 1, BigInt(mask), by(0));
    },
    setDistributor: ([e0, e1]) => dist(0, 0, (e0 ? 1 : 0) | (e1 ? 2 : 0)),
    setCpu: (cpu, [e0, e1], split) =>
      write(0, cpu, (e0 ? 1 : 0) | (e1 ? 2 : 0) | ACK_CTL | FIQ_EN | (split ? 1 << 9 : 0)),
    setMask: (cpu, mask) => write(4, cpu, mask),
    setPoint: (cpu, group, point) => write(group === 0 ? 8 : 0x1c, cpu, point),
    runningPriority: (cpu) => gic.runningPriority(cpu),
    acknowledge: (cpu) => Number(busRead(gicc, 0xc, 4, by(cpu))!),
    end: (cpu, intid) => write(0x10, cpu, intid),
    deactivate: (cpu, intid) => write(0x1000, cpu, intid),
    sendSgi: (from, to, intid) =>
      dist(0xf00, from, (to.reduce((all, cpu) => all | (1 << cpu), 0) << 16) | intid),
  };
}

function driverV3(levels: Levels): Driver {
  // Two CPUs per cluster, so that affinities matter.
  const gic = new Gicv3({ cpus: CPUS, intids: INTIDS, outputs: levels.set, cpusPerCluster: 2 });
  const [gicd, gicr] = [gic.devices[0]!, gic.devices[1]!];
  const by = { cpu: 0, secure: false };
  const place = (base: number, cpu: number, intid: number) =>
    intid < 32
      ? { device: gicr, offset: cpu * 0x20000 + 0x10000 + base }
      : { device: gicd, offset: base + (intid >>> 5) * 4 };
  const half = (cpu: number, intid: number) =>
    intid < 32
      ? { device: gicr, offset: cpu * 0x20000 + 0x10c00 + (intid >>> 4) * 4 }
      : { device: gicd, offset: 0xc00 + (intid >>> 4) * 4 };
  const msr = (cpu: number, key: number, low: number, high = 0) => {
    same(gic.writeSysreg(cpu, key, low, high, R.SINGLE_STATE_CONTEXT), true, 'known register');
  };
  const modify = ({ device, offset }: ReturnType<typeof place>, bit: number, value: boolean) => {
    const old = Number(busRead(device, offset, 4, by)!);
    busWrite(device, offset, 4, BigInt((value ? old | bit : old & ~bit) >>> 0), by);
  };
  return {
    gic,
    bit: (base, cpu, intid) => {
      const { device, offset } = place(base, cpu, intid);
      busWrite(device, offset, 4, BigInt(2 ** (intid & 31)), by);
    },
    read: (base, cpu, intid) => {
      const { device, offset } = place(base, cpu, intid);
      return ((busRead(device, offset, 4, by)! >> BigInt(intid & 31)) & 1n) !== 0n;
    },
    setGroup: (cpu, intid, group) => modify(place(0x80, cpu, intid), 1 << (intid & 31), group === 1),
    setEdge: (cpu, intid, edge) => modify(half(cpu, intid), 2 << ((intid & 15) * 2), edge),
    setPriority: (cpu, intid, priority) => {
      if (intid < 32) busWrite(gicr, cpu * 0x20000 + 0x10400 + intid, 1, BigInt(priority), by);
      else busWrite(gicd, 0x400 + intid, 1, BigInt(priority), by);
    },
    setTargets: (intid, cpus) => {
      const cpu = cpus[0] ?? 7;
      busWrite(gicd, 0x6000 + intid * 8, 8, BigInt(((cpu >> 1) << 8) | (cpu & 1)), by);
    },
    setDistributor: ([e0, e1]) => busWrite(gicd, 0, 4, BigInt((e0 ? 1 : 0) | (e1 ? 2 : 0)), by),
    setCpu: (cpu, [e0, e1], split) => {
      msr(cpu, R.ICC_IGRPEN0_EL1, e0 ? 1 : 0);
      msr(cpu, R.ICC_IGRPEN1_EL1, e1 ? 1 : 0);
      msr(cpu, R.ICC_CTLR_EL1, split ? 2 : 0);
    },
    setMask: (cpu, mask) => msr(cpu, R.ICC_PMR_EL1, mask),
    setPoint: (cpu, group, point) => msr(cpu, group === 0 ? R.ICC_BPR0_EL1 : R.ICC_BPR1_EL1, point),
    runningPriority: (cpu) => gic.runningPriority(cpu),
    acknowledge: (cpu, group) =>
      gic.readSysreg(cpu, group === 0 ? R.ICC_IAR0_EL1 : R.ICC_IAR1_EL1, R.SINGLE_STATE_CONTEXT)!,
    end: (cpu, intid, group) => msr(cpu, group === 0 ? R.ICC_EOIR0_EL1 : R.ICC_EOIR1_EL1, intid),
    deactivate: (cpu, intid) => msr(cpu, R.ICC_DIR_EL1, intid),
    sendSgi: (from, to, intid) => {
      for (const cluster of [0, 1]) {
        const list = to.filter((cpu) => cpu >> 1 === cluster).reduce((all, cpu) => all | (1 << (cpu & 1)), 0);
        // An SGI is sent to a group; it arrives where the target has it in that group.
        for (const key of [R.ICC_SGI0R_EL1, R.ICC_SGI1R_EL1]) {
          msr(from, key, (intid << 24) | (cluster << 16) | list);
        }
      }
    },
  };
}

type Step = readonly [what: string, cpu: number, intid: number, value: number, other: number];

function check(version: 2 | 3, steps: readonly Step[]): void {
  const levels = new Levels();
  const driver = version === 2 ? driverV2(levels) : driverV3(levels);
  const model = new GicModel(version, CPUS, INTIDS);
  const { gic } = driver;
  for (const [what, cpu, intid, value, other] of steps) {
    const interrupt = model.at(cpu, intid);
    const mine = model.cpus[cpu]!;
    const odd = (value & 1) === 1;
    const list = [0, 1, 2].filter((target) => (value >> target) & 1);
    switch (what) {
      case 'line': {
        if (intid < 16) break;
        (intid < 32 ? gic.ppi(cpu, intid) : gic.spi(intid)).set(odd);
        model.setLine(cpu, intid, odd);
        break;
      }
      case 'enable':
        driver.bit(odd ? 0x100 : 0x180, cpu, intid);
        if (version === 3 || intid >= 16) interrupt.enabled = odd;
        break;
      case 'pend':
        driver.bit(odd ? 0x200 : 0x280, cpu, intid);
        if (version === 3 || intid >= 16) interrupt.latched = odd;
        break;
      case 'activate':
        driver.bit(odd ? 0x300 : 0x380, cpu, intid);
        interrupt.active = odd;
        break;
      case 'group':
        driver.setGroup(cpu, intid, value & 1);
        interrupt.group = (value & 1) as 0 | 1;
        break;
      case 'edge':
        driver.setEdge(cpu, intid, odd);
        if (intid >= 16) interrupt.edge = odd;
        break;
      case 'priority':
        driver.setPriority(cpu, intid, other & 0xf8);
        interrupt.priority = other & 0xf8;
        break;
      case 'targets': {
        if (intid < 32) break;
        const targets = version === 2 ? list : list.slice(0, 1);
        driver.setTargets(intid, targets);
        interrupt.targets = targets;
        break;
      }
      case 'distributor':
        model.enabled = [odd, (value & 2) !== 0];
        driver.setDistributor(model.enabled);
        break;
      case 'cpu':
        mine.enabled = [odd, (value & 2) !== 0];
        mine.split = (other & 3) === 0;
        driver.setCpu(cpu, mine.enabled, mine.split);
        break;
      case 'mask':
        mine.mask = other & 0xf8;
        driver.setMask(cpu, mine.mask);
        break;
      case 'point': {
        const group = (value & 1) as 0 | 1;
        driver.setPoint(cpu, group, other & 7);
        mine.points[group] = Math.max(other & 7, (version === 2 ? 0 : 2) + group);
        break;
      }
      case 'acknowledge': {
        const next = model.signalled(cpu);
        const group = next === undefined ? value & 1 : model.at(cpu, next).group;
        expect(driver.acknowledge(cpu, group)).toBe(model.acknowledge(cpu));
        break;
      }
      case 'end':
        driver.end(cpu, intid, model.runningGroup(cpu));
        model.end(cpu, intid);
        break;
      case 'deactivate':
        driver.deactivate(cpu, intid);
        model.deactivate(cpu, intid);
        break;
      case 'sgi':
        driver.sendSgi(cpu, list, intid & 15);
        for (const target of list) model.sendSgi(cpu, target, intid & 15);
        break;
      case 'reload': {
        const state = structuredClone(gic.save());
        const [irq, fiq] = [[...levels.irq], [...levels.fiq]];
        gic.reset();
        gic.load(state);
        // The wires of the CPUs are put back by whoever saved them.
        levels.irq.splice(0, CPUS, ...irq);
        levels.fiq.splice(0, CPUS, ...fiq);
        expect(gic.save()).toStrictEqual(state);
        break;
      }
    }
    for (let at = 0; at < CPUS; at++) {
      const signalled = model.signalled(at);
      const group = signalled === undefined ? undefined : model.at(at, signalled).group;
      same(
        [levels.irq[at], levels.fiq[at]],
        [group === 1, group === 0],
        `outputs of CPU ${at} after ${what}`,
      );
      same(
        driver.runningPriority(at),
        model.runningPriority(at),
        `running priority of CPU ${at} after ${what}`,
      );
    }
    same(driver.read(0x200, cpu, intid), model.isPending(cpu, intid), `pending ${intid} after ${what}`);
    same(driver.read(0x300, cpu, intid), interrupt.active, `active ${intid} after ${what}`);
  }
  checkInspection(gic, model);
}

/** `expect` is too slow for every step. */
function same(ours: unknown, models: unknown, what: string): void {
  if (String(ours) !== String(models)) expect(ours, what).toStrictEqual(models);
}

function checkInspection(gic: Gicv2 | Gicv3, model: GicModel): void {
  for (let cpu = 0; cpu < CPUS; cpu++) {
    const seen = gic.inspect(cpu);
    const signalled = model.signalled(cpu);
    expect(seen.irq || seen.fiq).toBe(signalled !== undefined);
    for (const status of seen.interrupts) {
      const interrupt = model.at(cpu, status.intid);
      const { enabled, active, priority, line, targets, edge, group } = interrupt;
      const pending = model.isPending(cpu, status.intid);
      same(
        [status.enabled, status.active, status.priority, status.line, status.pending, ...status.targets],
        [enabled, active, priority, line, pending, ...targets],
        `inspection of ${status.intid}`,
      );
      same([status.trigger, status.group], [edge ? 'edge' : 'level', `Group ${group}`], `${status.intid}`);
      same(status.heldBack === undefined, status.intid === signalled, `${status.intid}: ${status.heldBack}`);
    }
  }
}

const step: fc.Arbitrary<Step> = fc.tuple(
  fc.constantFrom(
    ...['line', 'line', 'enable', 'pend', 'pend', 'activate', 'group', 'edge', 'priority', 'targets'],
    ...['distributor', 'cpu', 'mask', 'point', 'sgi', 'sgi', 'reload', 'deactivate'],
    ...['acknowledge', 'acknowledge', 'acknowledge', 'end', 'end'],
  ),
  fc.nat(CPUS - 1),
  // Few interrupts, so that they meet.
  fc.constantFrom(0, 3, 15, 16, 27, 31, 32, 40, 63, 64, 95),
  fc.nat(7),
  fc.constantFrom(0x00, 0x10, 0x18, 0x40, 0x48, 0x80, 0xc8, 0xf0, 0xf7, 0xff, 4, 5),
);

/** Something to interrupt for: everything on, targets spread. */
const start: Step[] = [0, 1, 2].flatMap((cpu): Step[] => [
  ['distributor', cpu, 0, 3, 0],
  ['cpu', cpu, 0, 3, 1],
  ['mask', cpu, 0, 0, 0xff],
  ...[3, 16, 27, 32, 40, 64].flatMap((intid): Step[] => [
    ['enable', cpu, intid, 1, 0],
    ['targets', cpu, intid, intid === 40 ? 6 : 7 >> (intid & 1), 0],
  ]),
]);

describe.each([2, 3] as const)('GICv%i against the brute-force model', (version) => {
  it('agrees in random histories on three CPUs', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 250, size: 'max' }), (steps) => {
        check(version, [...start, ...steps]);
      }),
      { numRuns: 100 },
    );
  });
});
