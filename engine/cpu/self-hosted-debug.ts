import {
  SLOT_CONTEXTIDR_EL1,
  SLOT_DBGBCR,
  SLOT_DBGBVR,
  SLOT_DBGWCR,
  SLOT_DBGWVR,
  SLOT_OSDLR_EL1,
  SLOT_OSLSR_EL1,
  SLOT_STEPPED,
} from './a64/sysreg-slots.ts';
import type { Breakpoints } from './breakpoints.ts';
import type { CpuConfig } from './cpu-models.ts';
import { type CpuState, PSTATE_SS } from './cpu-state.ts';
import { WATCH_BYTES, WATCH_NUMBER_SHIFT } from './helpers/heap-layout.ts';
import * as L from './helpers/layout.ts';
import type { HelperExports } from './helpers.ts';

/** MDSCR_EL1 (Arm ARM D17.3.20). */
const MDSCR_SS = 1;
const MDSCR_KDE = 1 << 13;
const MDSCR_MDE = 1 << 15;
const PSTATE_D = 8;
/** DBGBCR.BT and DBGWCR.WT: linked. */
const LINKED = 1 << 20;
/** Values of DBGBCR.BT: [linked] context ID match; the second pair names CONTEXTIDR_EL1, which is the same here. */
const CONTEXT_TYPES: readonly number[] = [2, 6];
const LINKED_CONTEXT_TYPES: readonly number[] = [3, 7];
/** In ESR_EL1 of every debug exception: IFSC or DFSC, Debug exception. */
export const DEBUG_FAULT = 0x22;
const ISS_ISV = 1 << 24;
const ISS_EX = 1 << 6;
const STEPPED = 1n;
const STEPPED_EXCLUSIVE = 2n;

/** No debug exception is taken to or from anywhere: OS Lock, or OS Double Lock (Arm ARM D2.4). */
function isLocked(s: CpuState): boolean {
  return (s.sysregLo(SLOT_OSLSR_EL1) & 2) !== 0 || (s.sysregLo(SLOT_OSDLR_EL1) & 1) !== 0;
}

/** AArch64.GenerateDebugExceptionsFrom, where debug exceptions go to EL1. `masked` is PSTATE.D. */
export function generatesDebugExceptions(s: CpuState, el: number, masked: boolean): boolean {
  if (isLocked(s)) return false;
  return el === 0 || (el === 1 && (s.sysregLo(L.SYS_MDSCR_EL1) & MDSCR_KDE) !== 0 && !masked);
}

const generatesHere = (s: CpuState): boolean => generatesDebugExceptions(s, s.el, (s.daif & PSTATE_D) !== 0);

/** Exception levels, as a mask, that PMC or PAC names (bit 1 of it is EL0). */
function levelsOf(control: number): number {
  const access = (control >>> 1) & 3;
  return (access >>> 1) | ((access & 1) << 1);
}

/** First and last byte of a watchpoint; undefined: it is disabled. */
export function watchedRange(value: bigint, control: number): readonly [bigint, bigint] | undefined {
  if ((control & 1) === 0 || (control & 0x18) === 0) return undefined;
  const mask = (control >>> 24) & 31;
  // QEMU: reserved values of MASK disable it, other values have the whole range watched, whatever BAS says.
  if (mask === 1 || mask === 2) return undefined;
  if (mask !== 0) {
    const low = (1n << BigInt(mask)) - 1n;
    return [value & ~low, value | low];
  }
  let bytes = (control >>> 5) & 0xff;
  if ((value & 4n) !== 0n) bytes &= 15;
  if (bytes === 0) return undefined;
  // QEMU: of several groups of bytes the lowest counts.
  const start = 31 - Math.clz32(bytes & -bytes);
  const length = 31 - Math.clz32(~(bytes >>> start) & -~(bytes >>> start));
  const first = value + BigInt(start);
  return [first, first + BigInt(length - 1)];
}

/**
 * Debug exceptions that the guest has asked for with its own breakpoints, watchpoints and software step (Arm ARM D2).
 * All state is in the registers and PSTATE.SS; what is here follows from them. Address breakpoints cut blocks (see
 * breakpoints.ts), watched pages are kept out of the TLB (helpers/access.ts), and only software step and context
 * breakpoints need a careful mode, in which the cluster runs one instruction at a time.
 *
 * QEMU: where registers hold reserved values the architecture leaves a choice. It is that of QEMU 7.2: HMC counts for
 * nothing, SSC = 2 (Secure only) never matches, address mismatch and BAS = 0 in a breakpoint are disabled.
 */
export class SelfHostedDebug {
  readonly #config: CpuConfig;
  readonly #breakpoints: Breakpoints;
  readonly #helpers: HelperExports;
  /** By CPU: bit n is set if every instruction has to be looked at in ELn. */
  readonly #careful: Uint8Array;

  constructor(config: CpuConfig, breakpoints: Breakpoints, helpers: HelperExports) {
    this.#config = config;
    this.#breakpoints = breakpoints;
    this.#helpers = helpers;
    this.#careful = new Uint8Array(config.cpuCount);
  }

  /** A debug register of a CPU was written, or all of its state. */
  changed(s: CpuState): void {
    const mdscr = s.sysregLo(L.SYS_MDSCR_EL1);
    // PSTATE.D may change without notice.
    const levels = isLocked(s) ? 0 : (mdscr & MDSCR_KDE) !== 0 ? 3 : 1;
    const monitored = (mdscr & MDSCR_MDE) !== 0 ? levels : 0;
    let careful = (mdscr & MDSCR_SS) !== 0 ? levels : 0;
    const addresses: bigint[] = [];
    if (monitored !== 0) {
      for (let n = 0; n < this.#config.breakpoints; n++) {
        const control = s.sysregLo(SLOT_DBGBCR + n);
        const reached = levelsOf(control) & monitored;
        if ((control & 1) === 0 || reached === 0) continue;
        const type = (control >>> 20) & 15;
        if (type < 2) addresses.push(s.sysreg(SLOT_DBGBVR + n) & ~3n);
        else if (CONTEXT_TYPES.includes(type) && this.#matchesContext(n)) careful |= reached;
      }
    }
    this.#breakpoints.setGuest(s.index, addresses);
    this.#careful[s.index] = careful;
    this.#setWatches(s, monitored);
  }

  #setWatches(s: CpuState, monitored: number): void {
    let count = 0;
    let isNew = false;
    for (let n = 0; n < (monitored === 0 ? 0 : this.#config.watchpoints); n++) {
      const control = s.sysregLo(SLOT_DBGWCR + n);
      const range = watchedRange(s.sysreg(SLOT_DBGWVR + n), control);
      // Unprivileged accesses from EL1 count as EL0's.
      const from = levelsOf(control);
      if (range === undefined || (from & monitored) === 0) continue;
      const at = L.CPU_WATCHES + count * WATCH_BYTES;
      isNew ||= s.long(at) !== range[0] || s.long(at + 8) !== range[1];
      s.setLong(at, range[0]);
      s.setLong(at + 8, range[1]);
      s.setWord(at + 16, ((control >>> 3) & 3) | (n << WATCH_NUMBER_SHIFT));
      count += 1;
    }
    isNew ||= count > s.word(L.CPU_WATCH_COUNT);
    s.setWord(L.CPU_WATCH_COUNT, count);
    // No entry of before may lead past the question.
    if (isNew) this.#helpers.tlbFlushCpu(s.index);
  }

  /** Whether instructions of the CPU have to be run one by one, by the rules of `step...` and `hits...`. */
  isCareful(s: CpuState): boolean {
    return ((this.#careful[s.index]! >>> s.el) & 1) !== 0;
  }

  /* ---------------------------------------------------------------- software step (D2.11) */

  #steps(s: CpuState): boolean {
    return this.isCareful(s) && (s.sysregLo(L.SYS_MDSCR_EL1) & MDSCR_SS) !== 0 && generatesHere(s);
  }

  /** Active-pending: a Software Step exception comes before the next instruction. */
  isStepDue(s: CpuState): boolean {
    return this.#steps(s) && (s.word(L.CPU_PSTATE) & PSTATE_SS) === 0;
  }

  /** Active-not-pending: the next instruction is stepped. */
  isStepping(s: CpuState): boolean {
    return this.#steps(s) && (s.word(L.CPU_PSTATE) & PSTATE_SS) !== 0;
  }

  /** A stepped instruction is complete (SSAdvance). */
  stepped(s: CpuState, word: number): void {
    s.setWord(L.CPU_PSTATE, s.word(L.CPU_PSTATE) & ~PSTATE_SS);
    s.setSysreg(SLOT_STEPPED, STEPPED | (isLoadExclusive(word) ? STEPPED_EXCLUSIVE : 0n));
  }

  /** ISS of the Software Step exception that is due. */
  stepSyndrome(s: CpuState): number {
    const stepped = s.sysreg(SLOT_STEPPED);
    return (
      DEBUG_FAULT |
      ((stepped & STEPPED) !== 0n ? ISS_ISV : 0) |
      ((stepped & STEPPED_EXCLUSIVE) !== 0n ? ISS_EX : 0)
    );
  }

  /* ---------------------------------------------------------------- breakpoints and watchpoints */

  /** Whether a Breakpoint exception is taken at PC. */
  hitsBreakpoint(s: CpuState): boolean {
    if ((s.sysregLo(L.SYS_MDSCR_EL1) & MDSCR_MDE) === 0 || !generatesHere(s)) return false;
    for (let n = 0; n < this.#config.breakpoints; n++) {
      const control = s.sysregLo(SLOT_DBGBCR + n);
      if ((control & 1) === 0) continue;
      const type = (control >>> 20) & 15;
      const matches =
        type < 2
          ? (control & (1 << 5)) !== 0 && (s.sysreg(SLOT_DBGBVR + n) & ~3n) === s.pc
          : CONTEXT_TYPES.includes(type) && this.#matchesContext(n) && this.#isContext(s, n);
      if (matches && this.#stateMatches(s, control, s.el, type === 1)) return true;
    }
    return false;
  }

  /** Whether watchpoint `n`, which names the address, makes an access from `el` take a Watchpoint exception. */
  hitsWatchpoint(s: CpuState, n: number, el: number): boolean {
    // Only PSTATE.D and the context can have changed since `changed`.
    if (!generatesHere(s)) return false;
    const control = s.sysregLo(SLOT_DBGWCR + n);
    return this.#stateMatches(s, control, el, (control & LINKED) !== 0);
  }

  #matchesContext(n: number): boolean {
    const { breakpoints, contextBreakpoints } = this.#config;
    return n < breakpoints && n >= breakpoints - contextBreakpoints;
  }

  #isContext(s: CpuState, n: number): boolean {
    return s.sysregLo(SLOT_CONTEXTIDR_EL1) === s.sysregLo(SLOT_DBGBVR + n);
  }

  /** AArch64.StateMatch. */
  #stateMatches(s: CpuState, control: number, el: number, linked: boolean): boolean {
    if (((control >>> 14) & 3) === 2 || (levelsOf(control) & (1 << el)) === 0) return false;
    if (!linked) return true;
    const other = (control >>> 16) & 15;
    const link = s.sysregLo(SLOT_DBGBCR + other);
    if (!this.#matchesContext(other) || (link & 1) === 0) return false;
    return LINKED_CONTEXT_TYPES.includes((link >>> 20) & 15) && this.#isContext(s, other);
  }
}

/** LDXR, LDAXR, LDXP, LDAXP and those of bytes and halfwords (Arm ARM C4.1.88). CASP has bit 31 clear. */
function isLoadExclusive(word: number): boolean {
  return (word & 0x3fc0_0000) === 0x0840_0000 && ((word & (1 << 21)) === 0 || word >>> 31 === 1);
}
