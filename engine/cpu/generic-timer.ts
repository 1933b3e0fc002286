import type { DeviceTimers, InterruptLine } from '../base/device.ts';
import type { Ns } from '../base/units.ts';
import {
  SLOT_CNTHP_CTL,
  SLOT_CNTHP_CVAL,
  SLOT_CNTHV_CTL,
  SLOT_CNTHV_CVAL,
  SLOT_CNTKCTL_EL1,
  SLOT_CNTP_CTL,
  SLOT_CNTP_CVAL,
  SLOT_CNTPS_CTL,
  SLOT_CNTPS_CVAL,
  SLOT_CNTV_CTL,
  SLOT_CNTV_CVAL,
  SLOT_CNTVOFF_EL2,
} from './a64/sysreg-slots.ts';
import type { SysregSlots } from './sysreg-storage.ts';

/*
 * The generic timers of all CPUs (Arm ARM DDI 0487, chapter D11; devices.md 18). A timer is a comparison: its
 * condition holds while (count - offset) >= CVAL, unsigned; its line is high while ENABLE, not IMASK, and the
 * condition. The count is virtual time, so nothing here ticks; a deadline is set for the next change of a line.
 * Everything mutable is in system-register slots, so a saved CPU has its timers with it.
 */

export type TimerName = 'CNTP' | 'CNTV' | 'CNTHP' | 'CNTHV' | 'CNTPS';

export const TIMER_NAMES: readonly TimerName[] = ['CNTP', 'CNTV', 'CNTHP', 'CNTHV', 'CNTPS'];

/** Private interrupts of the virt board (virt-board.md 2.2), as INTIDs. */
export const TIMER_INTID: { readonly [name in TimerName]: number } = {
  CNTP: 30,
  CNTV: 27,
  CNTHP: 26,
  CNTHV: 28,
  CNTPS: 29,
};

const CTL_SLOT: { readonly [name in TimerName]: number } = {
  CNTP: SLOT_CNTP_CTL,
  CNTV: SLOT_CNTV_CTL,
  CNTHP: SLOT_CNTHP_CTL,
  CNTHV: SLOT_CNTHV_CTL,
  CNTPS: SLOT_CNTPS_CTL,
};
const CVAL_SLOT: { readonly [name in TimerName]: number } = {
  CNTP: SLOT_CNTP_CVAL,
  CNTV: SLOT_CNTV_CVAL,
  CNTHP: SLOT_CNTHP_CVAL,
  CNTHV: SLOT_CNTHV_CVAL,
  CNTPS: SLOT_CNTPS_CVAL,
};

const CTL_ENABLE = 1;
const CTL_IMASK = 2;
const CTL_ISTATUS = 4;
const TWO_64 = 1n << 64n;

/** Output lines of one CPU; a timer without a line still counts and shows its status. */
export type TimerLines = { readonly [name in TimerName]?: InterruptLine };

export interface GenericTimerPorts {
  readonly timers: DeviceTimers;
  readonly slots: (cpu: number) => SysregSlots;
  /** By CPU index. */
  readonly lines: readonly TimerLines[];
}

/** Virtual ns per tick of the system counter: a whole number, at least 1 (virt-board.md 3.9). */
export function timerPeriodNs(cntfrq: number): number {
  return cntfrq > 0 && cntfrq < 1e9 ? Math.floor(1e9 / cntfrq) : 1;
}

export class GenericTimers {
  readonly id = 'timer';
  readonly periodNs: number;
  readonly #ports: GenericTimerPorts;

  /** @param cntfrq frequency of the system counter in Hz; what a guest writes to CNTFRQ_EL0 changes nothing. */
  constructor(ports: GenericTimerPorts, cntfrq: number) {
    this.#ports = ports;
    this.periodNs = timerPeriodNs(cntfrq);
  }

  /** System counter: CNTPCT_EL0 of every CPU. */
  count(): bigint {
    return BigInt(Math.floor(this.#ports.timers.now() / this.periodNs));
  }

  /** CNTVCT_EL0. */
  virtualCount(cpu: number): bigint {
    return BigInt.asUintN(64, this.count() - this.#ports.slots(cpu).get(SLOT_CNTVOFF_EL2));
  }

  /** Count as this timer sees it. Only CNTV has an offset (CNTHV does not: D11.2.4). */
  #countOf(cpu: number, timer: TimerName): bigint {
    return timer === 'CNTV' ? this.virtualCount(cpu) : this.count();
  }

  #condition(cpu: number, timer: TimerName): boolean {
    return this.#countOf(cpu, timer) >= this.#ports.slots(cpu).get(CVAL_SLOT[timer]);
  }

  /** ENABLE, IMASK and ISTATUS; ISTATUS is 0 while the timer is disabled. */
  readCtl(cpu: number, timer: TimerName): number {
    const ctl = this.#ports.slots(cpu).lo(CTL_SLOT[timer]);
    return (ctl & CTL_ENABLE) !== 0 && this.#condition(cpu, timer) ? ctl | CTL_ISTATUS : ctl;
  }

  writeCtl(cpu: number, timer: TimerName, value: bigint): void {
    this.#ports.slots(cpu).setWords(CTL_SLOT[timer], Number(value & 3n), 0);
    this.#update(cpu, timer);
  }

  readCval(cpu: number, timer: TimerName): bigint {
    return this.#ports.slots(cpu).get(CVAL_SLOT[timer]);
  }

  writeCval(cpu: number, timer: TimerName, value: bigint): void {
    this.#ports.slots(cpu).set(CVAL_SLOT[timer], BigInt.asUintN(64, value));
    this.#update(cpu, timer);
  }

  /** Ticks left, low 32 bits; goes on below zero. */
  readTval(cpu: number, timer: TimerName): number {
    return Number(BigInt.asUintN(32, this.readCval(cpu, timer) - this.#countOf(cpu, timer)));
  }

  writeTval(cpu: number, timer: TimerName, value: bigint): void {
    this.writeCval(cpu, timer, this.#countOf(cpu, timer) + BigInt.asIntN(32, value));
  }

  /** A deadline has come (`Device.timer`). Kinds are `<timer>.<cpu>`. */
  timer(kind: string): void {
    const dot = kind.indexOf('.');
    this.#update(Number(kind.slice(dot + 1)), kind.slice(0, dot) as TimerName);
  }

  /**
   * Drives lines and deadlines of a CPU again from its slots: after a reset, a load, or a write to an offset.
   */
  recompute(cpu: number): void {
    for (const timer of TIMER_NAMES) this.#update(cpu, timer);
  }

  #update(cpu: number, timer: TimerName): void {
    const slots = this.#ports.slots(cpu);
    const ctl = slots.lo(CTL_SLOT[timer]);
    const kind = `${timer}.${cpu}`;
    const line = this.#ports.lines[cpu]?.[timer];
    if ((ctl & CTL_ENABLE) === 0 || (ctl & CTL_IMASK) !== 0) {
      this.#ports.timers.cancel(kind);
      line?.set(false);
      return;
    }
    const elapsed = this.#countOf(cpu, timer);
    const cval = slots.get(CVAL_SLOT[timer]);
    const met = elapsed >= cval;
    // While met, the next change is when the 64-bit count wraps; with a large CNTVOFF that is soon.
    const ticks = met ? TWO_64 - elapsed : cval - elapsed;
    const deadline = (this.count() + ticks) * BigInt(this.periodNs);
    if (deadline <= BigInt(Number.MAX_SAFE_INTEGER)) this.#ports.timers.schedule(kind, Number(deadline));
    else this.#ports.timers.cancel(kind);
    line?.set(met);
  }

  /**
   * Interval between two events of the event stream that wakes WFE (CNTKCTL_EL1.EVNTEN; D11.2.5), or undefined
   * if it is off: one for each edge of bit EVNTI of the virtual count in the chosen direction.
   */
  eventStreamPeriodNs(cpu: number): Ns | undefined {
    const cntkctl = this.#ports.slots(cpu).lo(SLOT_CNTKCTL_EL1);
    if ((cntkctl & 4) === 0) return undefined;
    return 2 ** (((cntkctl >>> 4) & 15) + 1) * this.periodNs;
  }

  /** First event of the stream after `now`, or undefined if it is off. */
  nextEventStreamNs(cpu: number): Ns | undefined {
    const period = this.eventStreamPeriodNs(cpu);
    if (period === undefined) return undefined;
    const cntkctl = this.#ports.slots(cpu).lo(SLOT_CNTKCTL_EL1);
    const half = 1n << BigInt((cntkctl >>> 4) & 15);
    // EVNTDI: 0 is the bit's 0 to 1 edge, which is half a period after its 1 to 0 edge.
    const phase = (cntkctl & 8) === 0 ? half : 0n;
    const passed = BigInt.asUintN(64, this.virtualCount(cpu) - phase) % (2n * half);
    return Number((this.count() + (2n * half - passed)) * BigInt(this.periodNs));
  }
}
