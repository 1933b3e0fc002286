/*
 * Long random sequences of register accesses and wire changes, done by a guest program under QEMU and by
 * this controller: every value read and both interrupt outputs after every access must be the same.
 * Left out is what differs on purpose (see `QEMU:` and the comments below).
 */
import { describe, expect, it } from 'vitest';
import type { AccessSource } from '../../../../engine/base/device.ts';
import { findRegister } from '../../../../engine/base/register-map.ts';
import { Gicv2 } from '../../../../engine/devices/gic/gicv2.ts';
import { Gicv3 } from '../../../../engine/devices/gic/gicv3.ts';
import * as R from '../../../../engine/devices/gic/gicv3-sysregs.ts';
import type { GicOptions } from '../../../../engine/devices/gic/interrupt-controller.ts';
import { busRead, busWrite } from '../bench.ts';
import {
  hasQemu,
  LDR_W,
  LDR_X,
  LDRB,
  mrs,
  msr,
  type Operation,
  runInQemu,
  STR_W,
  STR_X,
  STRB,
} from './qemu.ts';

const GICD = 0x0800_0000;
const GICC = 0x0801_0000;
const GICR = 0x080a_0000;
const PL061_IS = 0x0903_0404;
const PL061_IEV = 0x0903_040c;
const PL061_IE = 0x0903_0410;
const CNTV_CTL_EL0 = R.sysregKey(3, 3, 14, 3, 1);
const CNTV_CVAL_EL0 = R.sysregKey(3, 3, 14, 3, 2);

/** Marsaglia's xorshift: the same sequence every time. */
class Random {
  #state: number;
  constructor(seed: number) {
    this.#state = seed;
  }
  below(limit: number): number {
    this.#state ^= this.#state << 13;
    this.#state ^= this.#state >>> 17;
    this.#state ^= this.#state << 5;
    return (this.#state >>> 0) % limit;
  }
  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!;
  }
}

type Plan = (random: Random) => { insn: number; x1?: number; x2?: number | bigint };
interface World {
  readonly el3: boolean;
  readonly gic: Gicv2 | Gicv3;
}

/** SCR_EL3.FIQ makes these trap to EL3. */
const GROUP0_REGISTERS = new Set([
  R.ICC_IAR0_EL1,
  R.ICC_EOIR0_EL1,
  R.ICC_HPPIR0_EL1,
  R.ICC_BPR0_EL1,
  R.ICC_AP0R0_EL1,
  R.ICC_AP0R0_EL1 + 1,
  R.ICC_AP0R0_EL1 + 3,
  R.ICC_IGRPEN0_EL1,
]);

const SIZES: { [insn: number]: 1 | 4 | 8 } = {
  [LDR_W]: 4,
  [LDRB]: 1,
  [LDR_X]: 8,
  [STR_W]: 4,
  [STRB]: 1,
  [STR_X]: 8,
};

function placeOf(x1: number): { id: string; offset: number } {
  if (x1 >= GICR) return { id: 'gicr0', offset: x1 - GICR };
  return x1 >= GICC ? { id: 'gicc', offset: x1 - GICC } : { id: 'gicd', offset: x1 - GICD };
}

/** For messages. */
function nameOf(gic: Gicv2 | Gicv3, op: Operation): string {
  const value = `= ${op.x2.toString(16)}`;
  if (SIZES[op.insn] === undefined) {
    const key = (op.insn >>> 5) & 0xffff;
    const name = findRegister(R.GICV3_CPU_INTERFACE, R.sysregOffset(key))?.name ?? key.toString(16);
    return op.insn === mrs(key) ? name : `${name} ${value}`;
  }
  const { id, offset } = placeOf(op.x1);
  const device = gic.devices.find((d) => d.id === id);
  const local = id === 'gicr0' ? offset % 0x20000 : offset;
  const name = (device && findRegister(device.registers, local)?.name) ?? 'none';
  const cpu = id === 'gicr0' ? ` of CPU ${Math.floor(offset / 0x20000)}` : '';
  const load = [LDR_W, LDRB, LDR_X].includes(op.insn);
  return `${name}${cpu} (${op.x1.toString(16)}.${SIZES[op.insn]})${load ? '' : ` ${value}`}`;
}

/** Does the operation here: the value read, and whether it was undefined. */
function perform({ gic }: World, op: Operation): { x0: bigint; trap: boolean } {
  const size = SIZES[op.insn];
  const load = [LDR_W, LDRB, LDR_X].includes(op.insn);
  if (size !== undefined) {
    if (op.x1 >= 0x0900_0000) {
      if (op.x1 === PL061_IE) gic.spi(39).set((Number(op.x2) & 0xff) !== 0);
      return { x0: 0n, trap: false };
    }
    // Secure is where EL3 is and is not left.
    const secure = gic.hasSecurity && !(op.atEl1 && op.nonSecure);
    const source: AccessSource = { cpu: 0, secure };
    const { id, offset } = placeOf(op.x1);
    const device = gic.devices.find((d) => d.id === id)!;
    if (load) return { x0: busRead(device, offset, size, source)!, trap: false };
    busWrite(device, offset, size, BigInt.asUintN(size * 8, op.x2), source);
    return { x0: 0n, trap: false };
  }
  const key = (op.insn >>> 5) & 0xffff;
  if (key === CNTV_CTL_EL0) {
    gic.ppi(0, 27).set((op.x2 & 3n) === 1n);
    return { x0: 0n, trap: false };
  }
  if (key === CNTV_CVAL_EL0 || !(gic instanceof Gicv3)) return { x0: 0n, trap: false };
  // The dispatcher's part: who may use a register.
  const info = R.ICC_REGISTERS.find((r) => r.key === key)!;
  const belongsToEl3 = info.el === 3 || (op.fiqToEl3 && GROUP0_REGISTERS.has(key));
  if (op.atEl1 && belongsToEl3) return { x0: 0n, trap: true };
  const context: R.SysregContext = {
    el: gic.hasSecurity && !op.atEl1 ? 3 : 1,
    nonSecure: !gic.hasSecurity || op.nonSecure,
    fiqToEl3: op.fiqToEl3,
    irqToEl3: false,
  };
  if (op.insn === mrs(key)) {
    const value = gic.readSysreg(0, key, context);
    return { x0: BigInt(value ?? 0), trap: value === undefined };
  }
  const known = gic.writeSysreg(0, key, Number(op.x2 & 0xffff_ffffn), Number(op.x2 >> 32n), context);
  return { x0: 0n, trap: !known };
}

/**
 * QEMU: GICC_IAR says 1022 where IHI 0048B 3.5.1 has 1023, for a Group 1 interrupt that the running priority
 * holds back.
 */
function isKnown(op: Operation, theirs: bigint, ours: bigint): boolean {
  return op.insn === LDR_W && op.x1 === GICC + 0xc && theirs === 1022n && ours === 1023n;
}

function compare(gic: Gicv2 | Gicv3, machine: string, plans: readonly Plan[], seed: number, count: number) {
  const random = new Random(seed);
  const el3 = gic.hasSecurity;
  const setup: ReturnType<Plan>[] = [
    { insn: msr(CNTV_CVAL_EL0) },
    { insn: STR_W, x1: PL061_IS, x2: 0xff },
    { insn: STR_W, x1: PL061_IEV, x2: 0xff },
  ];
  if (gic instanceof Gicv2) {
    setup.push({ insn: STR_W, x1: GICD, x2: 3 }, { insn: STR_W, x1: GICC, x2: 3 });
    for (let at = 32; at < 288; at += 4) setup.push({ insn: STR_W, x1: GICD + 0x800 + at, x2: 0x0101_0101 });
  }
  const operations: Operation[] = [];
  for (let i = 0; i < count; i++) {
    const plan = setup[i] ?? random.pick(plans)(random);
    const atEl1 = el3 && i >= setup.length && random.below(3) !== 0;
    operations.push({
      insn: plan.insn,
      x1: plan.x1 ?? 0,
      x2: BigInt.asUintN(64, BigInt(plan.x2 ?? 0)),
      atEl1,
      nonSecure: el3 && random.below(2) === 0,
      fiqToEl3: atEl1 && random.below(8) === 0,
    });
  }
  const results = runInQemu(operations, machine, gic.cpus);
  const world = { el3, gic };
  const show = (op: Operation) =>
    `${nameOf(gic, op)}${el3 ? ` ${op.atEl1 ? 'EL1' : 'EL3'} ${op.nonSecure ? 'NS' : 'S'}` : ''}`;
  operations.forEach((op, i) => {
    if (el3) gic.setCpuState(0, op.atEl1 ? 1 : 3, op.nonSecure);
    // With SCR_EL3.FIQ a FIQ is taken before the next instruction, whatever PSTATE.F says.
    const isTaken = () => op.atEl1 && op.fiqToEl3 && gic.fiq(0);
    const before = isTaken();
    const { x0, trap } = before ? { x0: 0n, trap: false } : perform(world, op);
    const interrupted = !trap && (before || isTaken());
    if (el3) gic.setCpuState(0, 3, op.nonSecure);
    const ours = {
      x0,
      irq: gic.irq(0),
      fiq: gic.fiq(0),
      outcome: interrupted ? 'interrupted' : trap ? 'trap' : 'done',
    };
    const theirs = results[i]!;
    if (op.x1 >= 0x0900_0000) return;
    if (isKnown(op, theirs.x0, ours.x0)) return;
    if (
      theirs.x0 !== ours.x0 ||
      theirs.irq !== ours.irq ||
      theirs.fiq !== ours.fiq ||
      theirs.outcome !== ours.outcome
    ) {
      const history = operations.slice(Math.max(0, i - 40), i + 1).map(show);
      expect({ at: i, ...ours, x0: ours.x0.toString(16), history }, 'ours and QEMU').toStrictEqual({
        at: i,
        ...theirs,
        x0: theirs.x0.toString(16),
        history,
      });
    }
  });
}

/** A value with few or with random bits set. */
const word: (random: Random) => number = (random) =>
  random.pick([0, 0xffff_ffff, 2 ** random.below(32), 2 ** random.below(32), random.below(2 ** 32)]);
/** Interrupts that matter: private ones, and those of the first SPI words. */
const wordIndex = (random: Random) => random.pick([0, 0, 1, 1, 2, 8, 9, 31]);
const intid = (random: Random) => random.pick([random.below(16), 27, 33, 39, 39, random.below(288), 300]);
const priority = (random: Random) =>
  random.pick([0, 8, 0x10, 0x40, 0x48, 0x80, 0xa0, 0xa8, 0xc0, 0xf0, random.below(255)]);

const wires: readonly Plan[] = [
  (r) => ({ insn: msr(CNTV_CTL_EL0), x2: r.pick([1, 3]) }),
  (r) => ({ insn: STR_W, x1: PL061_IE, x2: r.pick([0, 1]) }),
];

const distributor: readonly Plan[] = [
  (r) => ({ insn: LDR_W, x1: GICD + r.pick([0, 4, 8]) }),
  // The bitmaps from IGROUPR to ICACTIVER, enabling and pending more often than the rest.
  (r) => ({ insn: LDR_W, x1: GICD + 0x80 + r.below(7) * 0x80 + wordIndex(r) * 4 }),
  (r) => ({ insn: STR_W, x1: GICD + 0x100 + wordIndex(r) * 4, x2: word(r) }),
  (r) => ({ insn: STR_W, x1: GICD + 0x380 + wordIndex(r) * 4, x2: word(r) }),
  (r) => ({ insn: STRB, x1: GICD + 0x400 + intid(r), x2: priority(r) }),
  (r) => ({ insn: r.pick([LDRB, STRB]), x1: GICD + 0x400 + intid(r), x2: priority(r) }),
  (r) => ({ insn: LDR_W, x1: GICD + 0x400 + (intid(r) & ~3) }),
  (r) => ({ insn: r.pick([LDR_W, STR_W]), x1: GICD + 0xc00 + r.below(20) * 4, x2: word(r) }),
];

const v2 = (cpus: number, twoStates = false): readonly Plan[] => [
  (r) => ({
    insn: STR_W,
    x1: GICD + r.pick([0x80, 0x100, 0x180, 0x280, 0x380]) + wordIndex(r) * 4,
    x2: word(r),
  }),
  // With several CPUs only SPIs: in QEMU a PPI made pending by software goes where its (unset) target says.
  (r) => ({ insn: STR_W, x1: GICD + 0x200 + (cpus > 1 ? 1 + r.below(8) : wordIndex(r)) * 4, x2: word(r) }),
  // Private interrupts only: in QEMU an SPI is made active for all CPUs, and deactivated by one for itself.
  (r) => ({ insn: STR_W, x1: GICD + 0x300, x2: word(r) }),
  // Both groups on or both off: QEMU lets an interrupt of a disabled group hide those of the other one, and
  // acknowledges it; IHI 0048B 4.3.1 says it is not forwarded.
  (r) => ({ insn: STR_W, x1: GICD, x2: r.pick([3, 3, 3, twoStates ? 3 : 0]) }),
  ...wires,
  ...distributor,
  // All SPIs go to CPU 0, which does the accesses: in QEMU the pending state of an SPI is one per target.
  (r) => ({ insn: r.pick([LDR_W, LDRB]), x1: GICD + 0x800 + (intid(r) & ~3) }),
  // QEMU: NSATT and the group of the SGI do not matter; see IHI 0048B table 4-22.
  (r) => ({
    insn: STR_W,
    x1: GICD + (twoStates ? 0 : 0xf00),
    x2: twoStates ? 3 : (r.below(3) << 24) | (r.below(16) << 16) | r.below(16),
  }),
  (r) => ({ insn: LDR_W, x1: GICD + 0xf10 + r.below(8) * 4 }),
  (r) => ({ insn: STRB, x1: GICD + 0xf10 + r.below(16), x2: 1 << r.below(cpus) }),
  // QEMU: writing no source to GICD_SPENDSGIR ends it with a failed assertion.
  (r) => ({ insn: STRB, x1: GICD + 0xf20 + r.below(16), x2: 1 }),
  (r) => ({ insn: LDR_W, x1: GICD + 0xfd0 + r.below(12) * 4 }),
  (r) => ({
    insn: r.pick([LDR_W, STR_W]),
    x1: GICC,
    x2: r.pick([7, 0xf, 0x1f, 0x20f, 0x207, 3, 0xb, twoStates ? 0x203 : 0x200]),
  }),
  (r) => ({ insn: r.pick([LDR_W, STR_W, STR_W]), x1: GICC + 4, x2: r.pick([0xff, 0xff, 0xf0, 0x80, 0xc1]) }),
  (r) => ({ insn: r.pick([LDR_W, STR_W]), x1: GICC + r.pick([8, 0x1c]), x2: r.below(8) }),
  () => ({ insn: LDR_W, x1: GICC + 0xc }),
  () => ({ insn: LDR_W, x1: GICC + 0xc }),
  (r) => ({ insn: STR_W, x1: GICC + 0x10, x2: intid(r) }),
  (r) => ({ insn: STR_W, x1: GICC + 0x10, x2: intid(r) }),
  (r) => ({ insn: STR_W, x1: GICC + 0x1000, x2: intid(r) }),
  (r) => ({
    insn: LDR_W,
    x1: GICC + r.pick([0x14, 0x18, 0xd0, 0xd4, 0xd8, 0xdc, 0xe0, 0xe4, 0xe8, 0xec, 0xfc]),
  }),
  (r) => ({ insn: STR_W, x1: GICC + r.pick([0xd0, 0xd4, 0xd8, 0xdc, 0xe0, 0xe4, 0xe8, 0xec]) }),
];

function sgi(random: Random): bigint {
  const list = BigInt(random.below(0x10000)) | (BigInt(random.below(2)) << 16n);
  return list | (BigInt(random.below(16)) << 24n) | (BigInt(random.pick([0, 0, 0, 1, 0x100])) << 32n);
}

function v3(cpus: number): readonly Plan[] {
  const frame = (r: Random) => GICR + r.pick([0, 0, 0, r.below(cpus)]) * 0x20000;
  const sgiFrame = (r: Random) => frame(r) + 0x10000;
  return [
    ...wires,
    ...distributor,
    (r) => ({ insn: STR_W, x1: GICD, x2: r.pick([3, 3, 3, 1, 2, 0]) }),
    (r) => ({ insn: STR_W, x1: GICD + 0x200 + wordIndex(r) * 4, x2: word(r) }),
    (r) => ({ insn: STR_W, x1: GICD + 0x80 + r.below(7) * 0x80 + wordIndex(r) * 4, x2: word(r) }),
    (r) => ({ insn: r.pick([LDR_X, STR_X]), x1: GICD + 0x6000 + intid(r) * 8, x2: r.below(cpus + 2) }),
    (r) => ({ insn: r.pick([LDR_W, STR_W]), x1: GICD + 0x6000 + r.below(600) * 4, x2: r.below(3) }),
    (r) => ({
      insn: r.pick([LDR_W, STR_W]),
      x1: GICD + r.pick([0x800, 0xd04, 0xe08, 0xf00, 0xf10]),
      x2: word(r),
    }),
    (r) => ({ insn: LDR_W, x1: GICD + 0xffd0 + r.below(12) * 4 }),
    (r) => ({ insn: LDR_W, x1: frame(r) + r.pick([0, 4, 8, 0xc, 0x10, 0x14, 0xffd0, 0xffe0, 0xffe8]) }),
    (r) => ({ insn: LDR_X, x1: frame(r) + r.pick([8, 0x70, 0x78]) }),
    (r) => ({ insn: STR_W, x1: frame(r) + 0x14, x2: word(r) }),
    (r) => ({ insn: r.pick([LDR_W, STR_W]), x1: sgiFrame(r) + 0x80 + r.below(7) * 0x80, x2: word(r) }),
    (r) => ({ insn: STR_W, x1: sgiFrame(r) + r.pick([0x100, 0x200, 0x380]), x2: word(r) }),
    (r) => ({ insn: r.pick([LDRB, STRB]), x1: sgiFrame(r) + 0x400 + r.below(32), x2: priority(r) }),
    (r) => ({
      insn: r.pick([LDR_W, STR_W]),
      x1: sgiFrame(r) + r.pick([0xc00, 0xc04, 0xd00, 0xe00]),
      x2: word(r),
    }),
    (r) => ({ insn: r.pick([mrs, msr, msr])(R.ICC_PMR_EL1), x2: r.pick([0xff, 0xff, 0xf0, 0x80, 0xc1]) }),
    (r) => ({ insn: r.pick([mrs, msr])(r.pick([R.ICC_BPR0_EL1, R.ICC_BPR1_EL1])), x2: r.below(8) }),
    (r) => ({ insn: r.pick([mrs, msr])(R.ICC_CTLR_EL1), x2: r.below(4) }),
    (r) => ({ insn: mrs(r.pick([R.ICC_IAR0_EL1, R.ICC_IAR1_EL1])) }),
    (r) => ({ insn: mrs(r.pick([R.ICC_IAR0_EL1, R.ICC_IAR1_EL1])) }),
    (r) => ({ insn: msr(r.pick([R.ICC_EOIR0_EL1, R.ICC_EOIR1_EL1])), x2: intid(r) }),
    (r) => ({ insn: msr(r.pick([R.ICC_EOIR0_EL1, R.ICC_EOIR1_EL1])), x2: intid(r) }),
    (r) => ({ insn: msr(R.ICC_DIR_EL1), x2: intid(r) }),
    (r) => ({ insn: mrs(r.pick([R.ICC_HPPIR0_EL1, R.ICC_HPPIR1_EL1, R.ICC_RPR_EL1, R.ICC_SRE_EL1])) }),
    (r) => ({
      insn: r.pick([mrs, msr])(r.pick([R.ICC_IGRPEN0_EL1, R.ICC_IGRPEN1_EL1])),
      x2: r.pick([1, 1, 1, 0]),
    }),
    (r) => ({ insn: mrs(r.pick([R.ICC_AP0R0_EL1, R.ICC_AP1R0_EL1]) + r.pick([0, 0, 1, 3])) }),
    (r) => ({ insn: msr(r.pick([R.ICC_AP0R0_EL1, R.ICC_AP1R0_EL1])), x2: r.pick([0, word(r)]) }),
    (r) => ({ insn: msr(r.pick([R.ICC_SGI1R_EL1, R.ICC_SGI0R_EL1, R.ICC_ASGI1R_EL1])), x2: sgi(r) }),
  ];
}

const el3Only: readonly Plan[] = [
  (r) => ({ insn: msr(R.ICC_CTLR_EL3), x2: r.below(32) }),
  (r) => ({ insn: r.pick([mrs, msr])(R.ICC_IGRPEN1_EL3), x2: r.pick([3, 3, 1, 2, 0]) }),
  () => ({ insn: mrs(R.ICC_SRE_EL3) }),
  // QEMU: ICC_CTLR_EL3 reads the wrong copy of two bits, so it is not read.
];

describe.skipIf(!hasQemu())('GIC against QEMU', () => {
  const options = (cpus: number, more: Partial<GicOptions> = {}): GicOptions => ({
    cpus,
    outputs: () => {},
    ...more,
  });
  const seeds = [1, 2].map((n) => n * 0x9e37);

  it.each(seeds)('GICv2, one CPU (seed %i)', (seed) => {
    compare(new Gicv2(options(1)), 'virt,gic-version=2', v2(1), seed, 15_000);
  });
  it.each(seeds)('GICv2, four CPUs (seed %i)', (seed) => {
    compare(new Gicv2(options(4)), 'virt,gic-version=2', v2(4), seed, 15_000);
  });
  it.each(seeds)('GICv3, one CPU (seed %i)', (seed) => {
    compare(new Gicv3(options(1)), 'virt,gic-version=3', v3(1), seed, 15_000);
  });
  it.each(seeds)('GICv3, 18 CPUs (seed %i)', (seed) => {
    compare(new Gicv3(options(18)), 'virt,gic-version=3', v3(18), seed, 15_000);
  });
  it.each(seeds)('GICv3 with 8 priority bits (seed %i)', (seed) => {
    compare(new Gicv3(options(1, { priorityBits: 8 })), 'virt-7.0,gic-version=3', v3(1), seed, 15_000);
  });
  it.each(seeds)('GICv2 with two security states (seed %i)', (seed) => {
    compare(
      new Gicv2(options(1, { hasSecurity: true })),
      'virt,gic-version=2,secure=on',
      v2(1, true),
      seed,
      15_000,
    );
  });
  it.each(seeds)('GICv3 with two security states (seed %i)', (seed) => {
    const gic = new Gicv3(options(1, { hasSecurity: true }));
    compare(gic, 'virt,gic-version=3,secure=on', [...v3(1), ...el3Only], seed, 15_000);
  });
});
