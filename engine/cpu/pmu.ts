import type { DeviceTimers, InterruptLine } from '../base/device.ts';
import {
  SLOT_MDCR_EL2,
  SLOT_MDCR_EL3,
  SLOT_PMCCFILTR,
  SLOT_PMCCNTR,
  SLOT_PMCCNTR_AT,
  SLOT_PMCNTEN,
  SLOT_PMCR,
  SLOT_PMEVCNTR,
  SLOT_PMEVCNTR_AT,
  SLOT_PMEVTYPER,
  SLOT_PMINTEN,
  SLOT_PMOVS,
  SLOT_PMSELR,
} from './a64/sysreg-slots.ts';
import type { CpuConfig } from './cpu-models.ts';
import { SYS_SCR_EL3 } from './helpers/layout.ts';
import type { SysregSlots } from './sysreg-storage.ts';

/*
 * PMUv3 of all CPUs (Arm ARM DDI 0487, chapter D13; devices.md 19). A running counter is a value and the
 * position of its source (virtual ns, or instructions) at which it had that value; reading adds the difference.
 * The pair is brought up to date (`sync`) before anything changes what counts, so the result does not depend on
 * when, or how often, that happens.
 */

/** INTID of the overflow interrupt (virt-board.md 2.2). */
export const PMU_INTID = 23;

const EVENT_SW_INCR = 0x00;
const EVENT_INST_RETIRED = 0x08;
const EVENT_CPU_CYCLES = 0x11;

const CYCLES = 31;
const CYCLES_BIT = 0x8000_0000;

const PMCR_E = 1;
const PMCR_P = 2;
const PMCR_C = 4;
const PMCR_D = 8;
const PMCR_DP = 0x20;
const PMCR_LC = 0x40;
/** E, D, X, DP, LC and LP; P and C act at once and read as zero. */
const PMCR_WRITABLE = 0xf9n;
const PMCR_N = 0xf800n;
const PMEVTYPER_MASK = 0xfe00_ffff;
const PMCCFILTR_MASK = 0xfc00_0000;

const TWO_32 = 1n << 32n;
const TWO_64 = 1n << 64n;

export interface PmuPorts {
  readonly timers: DeviceTimers;
  readonly slots: (cpu: number) => SysregSlots;
  /** By CPU index. */
  readonly lines: readonly (InterruptLine | undefined)[];
  /** Current exception level. */
  readonly el: (cpu: number) => number;
  /** Instructions retired by this CPU at the current instruction. */
  readonly instructions: (cpu: number) => number;
  /** Virtual time of one instruction: a CPU cannot retire more than one in this time. */
  readonly nsPerInstruction: number;
}

export class Pmu {
  readonly id = 'pmu';
  readonly #ports: PmuPorts;
  readonly #config: CpuConfig;
  /** Valid bits of the enable, overflow and interrupt registers. */
  readonly #counters: number;

  constructor(ports: PmuPorts, config: CpuConfig) {
    this.#ports = ports;
    this.#config = config;
    this.#counters = (CYCLES_BIT | (2 ** config.pmuCounters - 1)) >>> 0;
  }

  #secure(slots: SysregSlots, el: number): boolean {
    return this.#config.el3 && (el === 3 || (slots.lo(SYS_SCR_EL3) & 1) === 0);
  }

  /** Counters from HPMN on belong to EL2 and follow MDCR_EL2.HPME (D17.3.16). */
  #hpmn(slots: SysregSlots): number {
    return this.#config.el2 ? slots.lo(SLOT_MDCR_EL2) & 31 : this.#config.pmuCounters;
  }

  /** The counter is on at this EL: enables, prohibition, and its filter (D13.5, D17.5.14). */
  #runs(slots: SysregSlots, counter: number, el: number): boolean {
    if (!this.#config.pmu) return false;
    if (((slots.lo(SLOT_PMCNTEN) >>> counter) & 1) === 0) return false;
    const pmcr = slots.lo(SLOT_PMCR);
    const mdcr2 = this.#config.el2 ? slots.lo(SLOT_MDCR_EL2) : 0;
    const guest = counter === CYCLES || counter < this.#hpmn(slots);
    if (!(guest ? (pmcr & PMCR_E) !== 0 : (mdcr2 & 0x80) !== 0)) return false;
    const secure = this.#secure(slots, el);
    let prohibited = secure
      ? (slots.lo(SLOT_MDCR_EL3) & (1 << 17)) === 0 // SPME
      : el === 2 && guest && (mdcr2 & (1 << 17)) !== 0; // HPMD
    if (counter === CYCLES) prohibited = prohibited && (pmcr & PMCR_DP) !== 0;
    if (prohibited) return false;
    const filter = slots.lo(counter === CYCLES ? SLOT_PMCCFILTR : SLOT_PMEVTYPER + counter);
    const bit = (position: number) => ((filter >>> position) & 1) !== 0;
    const p = bit(31);
    const u = bit(30);
    switch (el) {
      case 0:
        return secure ? !u : u === bit(28); // NSU
      case 1:
        return secure ? !p : p === bit(29); // NSK
      case 2:
        return bit(27); // NSH
      default:
        return p === bit(26); // M
    }
  }

  /** Source of an event counter: ns, instructions, or nothing that runs by itself. */
  #source(cpu: number, slots: SysregSlots, counter: number): bigint | undefined {
    switch (slots.lo(SLOT_PMEVTYPER + counter) & 0xffff) {
      case EVENT_CPU_CYCLES:
        return BigInt(this.#ports.timers.now());
      case EVENT_INST_RETIRED:
        return BigInt(this.#ports.instructions(cpu));
      default:
        return undefined;
    }
  }

  /**
   * Adds to every running counter what has passed since its position. PMCR.D divides absolute time by 64, so
   * the divider's phase does not depend on when the guest looks (QEMU: the same).
   */
  #sync(cpu: number, el: number): void {
    const slots = this.#ports.slots(cpu);
    const now = BigInt(this.#ports.timers.now());
    const pmcr = slots.lo(SLOT_PMCR);
    let overflow = 0;
    if (this.#runs(slots, CYCLES, el)) {
      const divider = (pmcr & PMCR_D) !== 0 ? 64n : 1n;
      const old = slots.get(SLOT_PMCCNTR);
      const value = old + now / divider - slots.get(SLOT_PMCCNTR_AT) / divider;
      const wraps = (pmcr & PMCR_LC) !== 0 ? value >= TWO_64 : value >> 32n !== old >> 32n;
      if (wraps) overflow |= CYCLES_BIT;
      slots.set(SLOT_PMCCNTR, BigInt.asUintN(64, value));
    }
    for (let counter = 0; counter < this.#config.pmuCounters; counter++) {
      const source = this.#source(cpu, slots, counter);
      if (source === undefined || !this.#runs(slots, counter, el)) continue;
      const value = slots.get(SLOT_PMEVCNTR + counter) + source - slots.get(SLOT_PMEVCNTR_AT + counter);
      if (value >= TWO_32) overflow |= 1 << counter;
      slots.set(SLOT_PMEVCNTR + counter, BigInt.asUintN(32, value));
    }
    this.#mark(cpu);
    if (overflow !== 0) slots.setWords(SLOT_PMOVS, (slots.lo(SLOT_PMOVS) | overflow) >>> 0, 0);
  }

  /** Makes the current positions those at which the counters have their values. */
  #mark(cpu: number): void {
    const slots = this.#ports.slots(cpu);
    slots.set(SLOT_PMCCNTR_AT, BigInt(this.#ports.timers.now()));
    for (let counter = 0; counter < this.#config.pmuCounters; counter++) {
      const source = this.#source(cpu, slots, counter);
      if (source !== undefined) slots.set(SLOT_PMEVCNTR_AT + counter, source);
    }
  }

  /** Sets the line, and the deadline of the earliest overflow that can come. Positions must be in sync. */
  #rearm(cpu: number, el: number): void {
    const slots = this.#ports.slots(cpu);
    const now = this.#ports.timers.now();
    const asserted = slots.lo(SLOT_PMOVS) & slots.lo(SLOT_PMINTEN);
    this.#ports.lines[cpu]?.set(asserted !== 0 && (slots.lo(SLOT_PMCR) & PMCR_E) !== 0);

    let deadline = Number.POSITIVE_INFINITY;
    const pmcr = slots.lo(SLOT_PMCR);
    if (this.#runs(slots, CYCLES, el)) {
      const value = slots.get(SLOT_PMCCNTR);
      const left = (pmcr & PMCR_LC) !== 0 ? TWO_64 - value : TWO_32 - (value & (TWO_32 - 1n));
      deadline = Number((pmcr & PMCR_D) !== 0 ? (BigInt(now) / 64n + left) * 64n : BigInt(now) + left);
    }
    for (let counter = 0; counter < this.#config.pmuCounters; counter++) {
      if (!this.#runs(slots, counter, el)) continue;
      const left = Number(TWO_32 - slots.get(SLOT_PMEVCNTR + counter));
      const event = slots.lo(SLOT_PMEVTYPER + counter) & 0xffff;
      if (event === EVENT_CPU_CYCLES) deadline = Math.min(deadline, now + left);
      // At the earliest: if the CPU slept or others ran meanwhile, the deadline is set anew when it comes.
      if (event === EVENT_INST_RETIRED) {
        deadline = Math.min(deadline, now + left * this.#ports.nsPerInstruction);
      }
    }
    const kind = `overflow.${cpu}`;
    if (deadline <= Number.MAX_SAFE_INTEGER) this.#ports.timers.schedule(kind, deadline);
    else this.#ports.timers.cancel(kind);
  }

  /** Does a change of anything that decides what counts: brings counters up to date before, re-arms after. */
  update(cpu: number, change: (slots: SysregSlots) => void): void {
    const el = this.#ports.el(cpu);
    this.#sync(cpu, el);
    change(this.#ports.slots(cpu));
    // A new event type has a new source, whose position counts from now.
    this.#mark(cpu);
    this.#rearm(cpu, el);
  }

  /**
   * True if a counter of this CPU is on and counts at some exception levels only: then `elChanged` must be
   * called at each exception and return. It may be called at any time; without need it changes nothing.
   */
  watchesEl(cpu: number): boolean {
    const slots = this.#ports.slots(cpu);
    const enabled = slots.lo(SLOT_PMCNTEN) & this.#counters;
    if (enabled === 0) return false;
    for (const counter of [...Array(this.#config.pmuCounters).keys(), CYCLES]) {
      if (((enabled >>> counter) & 1) === 0) continue;
      const reference = this.#runs(slots, counter, 0);
      for (let el = 1; el <= this.#config.highestEl; el++) {
        if (this.#runs(slots, counter, el) !== reference) return true;
      }
    }
    return false;
  }

  /** The CPU went from one EL to another, at the current instruction. */
  elChanged(cpu: number, from: number, to: number): void {
    if (from === to || (this.#ports.slots(cpu).lo(SLOT_PMCNTEN) & this.#counters) === 0) return;
    this.#sync(cpu, from);
    this.#rearm(cpu, to);
  }

  /** A deadline has come (`Device.timer`). */
  timer(kind: string): void {
    this.update(Number(kind.slice(kind.indexOf('.') + 1)), () => {});
  }

  /** Drives line and deadline again from the slots, after a reset or a load. */
  recompute(cpu: number): void {
    this.#rearm(cpu, this.#ports.el(cpu));
  }

  readPmcr(cpu: number): bigint {
    const slots = this.#ports.slots(cpu);
    const pmcr = slots.get(SLOT_PMCR);
    const el = this.#ports.el(cpu);
    // N reads as MDCR_EL2.HPMN below EL2 (D17.5.10).
    if (!this.#config.el2 || el >= 2 || this.#secure(slots, el)) return pmcr;
    return (pmcr & ~PMCR_N) | (BigInt(this.#hpmn(slots)) << 11n);
  }

  writePmcr(cpu: number, value: bigint): void {
    this.update(cpu, (slots) => {
      if ((value & BigInt(PMCR_C)) !== 0n) slots.set(SLOT_PMCCNTR, 0n);
      if ((value & BigInt(PMCR_P)) !== 0n) {
        const el = this.#ports.el(cpu);
        const all = el >= 2 || this.#secure(slots, el);
        const count = all ? this.#config.pmuCounters : Math.min(this.#hpmn(slots), this.#config.pmuCounters);
        for (let counter = 0; counter < count; counter++) slots.set(SLOT_PMEVCNTR + counter, 0n);
      }
      slots.set(SLOT_PMCR, (slots.get(SLOT_PMCR) & ~PMCR_WRITABLE) | (value & PMCR_WRITABLE));
    });
  }

  /** PMCNTEN, PMOVS and PMINTEN have a set and a clear register each, which both read the state. */
  readBits(cpu: number, slot: number): bigint {
    if (slot === SLOT_PMOVS) this.update(cpu, () => {});
    return this.#ports.slots(cpu).get(slot);
  }

  changeBits(cpu: number, slot: number, value: bigint, set: boolean): void {
    const bits = Number(value & 0xffff_ffffn) & this.#counters;
    this.update(cpu, (slots) => {
      const old = slots.lo(slot);
      slots.setWords(slot, (set ? old | bits : old & ~bits) >>> 0, 0);
    });
  }

  readCycles(cpu: number): bigint {
    this.update(cpu, () => {});
    return this.#ports.slots(cpu).get(SLOT_PMCCNTR);
  }

  writeCycles(cpu: number, value: bigint): void {
    this.update(cpu, (slots) => slots.set(SLOT_PMCCNTR, value));
  }

  readCounter(cpu: number, counter: number): bigint {
    if (counter >= this.#config.pmuCounters) return 0n;
    this.update(cpu, () => {});
    return this.#ports.slots(cpu).get(SLOT_PMEVCNTR + counter);
  }

  writeCounter(cpu: number, counter: number, value: bigint): void {
    if (counter >= this.#config.pmuCounters) return;
    this.update(cpu, (slots) => slots.set(SLOT_PMEVCNTR + counter, BigInt.asUintN(32, value)));
  }

  /** PMEVTYPERn, or PMCCFILTR for 31; 0 for a counter that is not there. */
  readType(cpu: number, counter: number): bigint {
    const slots = this.#ports.slots(cpu);
    if (counter === CYCLES) return slots.get(SLOT_PMCCFILTR);
    return counter < this.#config.pmuCounters ? slots.get(SLOT_PMEVTYPER + counter) : 0n;
  }

  writeType(cpu: number, counter: number, value: bigint): void {
    this.update(cpu, (slots) => {
      const low = Number(BigInt.asUintN(32, value));
      if (counter === CYCLES) slots.setWords(SLOT_PMCCFILTR, (low & PMCCFILTR_MASK) >>> 0, 0);
      else if (counter < this.#config.pmuCounters) {
        slots.setWords(SLOT_PMEVTYPER + counter, (low & PMEVTYPER_MASK) >>> 0, 0);
      }
    });
  }

  /** PMSELR_EL0.SEL. */
  selected(cpu: number): number {
    return this.#ports.slots(cpu).lo(SLOT_PMSELR) & 31;
  }

  /** PMSWINC_EL0: counts SW_INCR in those of the given counters that are set to it. */
  softwareIncrement(cpu: number, value: bigint): void {
    const which = Number(BigInt.asUintN(32, value));
    const el = this.#ports.el(cpu);
    this.update(cpu, (slots) => {
      for (let counter = 0; counter < this.#config.pmuCounters; counter++) {
        if (((which >>> counter) & 1) === 0 || !this.#runs(slots, counter, el)) continue;
        if ((slots.lo(SLOT_PMEVTYPER + counter) & 0xffff) !== EVENT_SW_INCR) continue;
        const next = slots.get(SLOT_PMEVCNTR + counter) + 1n;
        if (next >= TWO_32) slots.setWords(SLOT_PMOVS, (slots.lo(SLOT_PMOVS) | (1 << counter)) >>> 0, 0);
        slots.set(SLOT_PMEVCNTR + counter, BigInt.asUintN(32, next));
      }
    });
  }
}
