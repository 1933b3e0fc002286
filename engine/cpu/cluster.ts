import type { Heap } from '../memory/heap.ts';
import type { Decoder } from './a64/decoder.ts';
import { disassemble } from './a64/disasm.ts';
import { instructionSet, usesFpSimd } from './a64/instruction-set.ts';
import { EC_UNKNOWN } from './a64/sysreg-key.ts';
import type { El, SysregContext, SysregTrap } from './a64/sysreg-types.ts';
import type { SysregTable } from './a64/sysregs.ts';
import { Breakpoints } from './breakpoints.ts';
import { CodeCache } from './code-cache.ts';
import type { CpuConfig } from './cpu-models.ts';
import { CpuState, PSTATE_BTYPE, PSTATE_IL, PSTATE_UAO } from './cpu-state.ts';
import { BANK, EC, type ExceptionKind, exceptionReturn, takeException } from './exceptions.ts';
import * as H from './helpers/heap-layout.ts';
import * as L from './helpers/layout.ts';
import { type HelperExports, instantiateHelpers, instructionHelperNames } from './helpers.ts';
import { executeHostInstruction } from './host-instructions.ts';
import { buildInterpreter } from './interpreter.ts';
import { DEBUG_FAULT, SelfHostedDebug } from './self-hosted-debug.ts';
import {
  CONTEXT_ALIGN,
  CONTEXT_BT,
  CONTEXT_EL0_CACHE,
  CONTEXT_EL0_ZERO,
  CONTEXT_FP_TRAP,
  CONTEXT_GUARDED,
  CONTEXT_SP_ALIGN,
  CONTEXT_SPELX,
  CONTEXT_UAO,
  Translator,
} from './translator.ts';
import { HELPERS } from './uops.ts';

/** Why a CPU's turn ended before its limit. */
export type TurnEnd =
  /** All instructions of the turn were executed. */
  | 'limit'
  /** Something outside the CPU may have changed (device access, timer register): look at deadlines again. */
  | 'effect'
  /** WFI, WFE or YIELD, or the CPU was switched off. */
  | 'yield'
  /** A hypercall wants the machine's attention (`ports.hypercall` said so), or a breakpoint was hit. */
  | 'stop';

export type CpuPower = 'on' | 'off';
/** What a CPU that is on waits for. */
export type CpuWait = 'none' | 'wfi' | 'wfe';

/** A device access by a CPU; `value` is filled in by reads. */
export interface BusAccess {
  address: number;
  sizeLog2: number;
  valueLo: number;
  valueHi: number;
}

export interface ClusterPorts {
  /** Device access: false gives an external abort. */
  read(cpu: number, access: BusAccess): boolean;
  write(cpu: number, access: BusAccess): boolean;
  /** HVC or SMC. True if it was a call to the machine (PSCI); false: the instruction is UNDEFINED. */
  hypercall(cpu: number, kind: 'hvc' | 'smc'): boolean;
  exception(
    cpu: number,
    what: 'sync' | 'irq' | 'fiq' | 'return',
    from: number,
    to: number,
    syndrome: number,
    far: bigint,
    pc: bigint,
  ): void;
  /** The guest used something that does not exist here. */
  guestError(cpu: number, message: string): void;
  /** SEV: wakes the other CPUs. */
  sendEvent(cpu: number): void;
  sysregContext(cpu: number): SysregContext;
  /** A frame that a checkpoint shares is about to change. */
  unshare(frame: number): void;
  /** A watched location: true stops before the access. Must not translate addresses. */
  watched(hit: WatchHit): boolean;
}

/** A range of addresses that a debugger watches. */
export interface WatchRange {
  readonly first: bigint;
  /** The last byte that belongs to it. */
  readonly last: bigint;
  readonly virtual: boolean;
  readonly read: boolean;
  readonly write: boolean;
}

/** An access that touches a watched range and has not been made. */
export interface WatchHit {
  readonly cpu: number;
  /** Which of the ranges. */
  readonly index: number;
  readonly physical: number;
  readonly virtual: bigint;
  readonly bytes: number;
  readonly isWrite: boolean;
}

const DEFAULT_BUDGET = 0x3fffffff;
/** In CPU_CONTEXT_GUARDED. */
const NO_CONTEXT = 0xffff_ffff;

/** What helpers/mmu.ts has to know of a CPU. */
function translationFeatures({ features, id }: CpuConfig): number {
  const has = (name: string, bit: number): number => (features.has(name) ? bit : 0);
  return (
    has('FEAT_PAN', H.TRANSLATION_PAN) |
    has('FEAT_HAFDBS', H.TRANSLATION_HA) |
    ((id('ID_AA64MMFR1_EL1') & 15n) >= 2n ? H.TRANSLATION_HD : 0) |
    has('FEAT_HPDS', H.TRANSLATION_HPDS) |
    has('FEAT_E0PD', H.TRANSLATION_E0PD) |
    has('FEAT_TTST', H.TRANSLATION_TTST) |
    has('FEAT_LVA', H.TRANSLATION_LVA) |
    has('FEAT_LPA', H.TRANSLATION_LPA) |
    has('FEAT_LPA2', H.TRANSLATION_LPA2) |
    has('FEAT_BTI', H.TRANSLATION_BTI) |
    has('FEAT_PAuth', H.TRANSLATION_PAUTH)
  );
}

/**
 * All CPUs of the machine over one heap: runs them one at a time, in turns that the machine decides. Everything
 * here is a function of CPU state and memory; how blocks are cut and cached can never be seen by the guest.
 */
export class CpuCluster {
  readonly heap: Heap;
  readonly config: CpuConfig;
  readonly table: SysregTable;
  readonly states: readonly CpuState[];
  readonly power: CpuPower[];
  readonly wait: CpuWait[];
  /** Event register of each CPU (SEV, SEVL, WFE). */
  readonly event: boolean[];
  readonly helpers: HelperExports;
  readonly code: CodeCache;
  readonly ports: ClusterPorts;
  readonly breakpoints: Breakpoints;
  /** Breakpoints, watchpoints and software step of the guest itself. */
  readonly debug: SelfHostedDebug;
  /** False: runs pass breakpoints and watched ranges (a debugger's step over one). */
  armed = true;
  /** Stops before the first instruction of a turn of this CPU; -1 none. */
  stopBefore = -1;
  readonly functions: WebAssembly.Table;
  readonly helperNames: readonly string[];
  readonly #decoder: Decoder;
  readonly #interpreter: (cpu: number) => void;
  readonly #access: BusAccess = { address: 0, sizeLog2: 0, valueLo: 0, valueHi: 0 };
  /** By CPU: which flush of the code cache its context id is of; another one has given the ids new meanings. */
  readonly #contextsOf: number[] = [];
  readonly #hasBti: boolean;
  /** PSTATE.BTYPE at the instruction that left the last run. */
  #branchType = 0;
  #running = -1;
  #limit = 0;
  #left = 0;
  #effect = false;
  #stop = false;
  /** A run of one chosen block ended the turn with 'yield'. */
  #yielded = false;
  /** Exceptions taken. */
  #exceptions = 0;
  /** The run is one chosen block (`#runOnce`). */
  #alone = false;
  /** Statistics of the slow paths. */
  readonly counts = { singles: 0, truncated: 0, host: 0, faults: 0, irqs: 0, runs: 0, misses: 0 };

  constructor(heap: Heap, config: CpuConfig, table: SysregTable, ports: ClusterPorts) {
    this.heap = heap;
    this.config = config;
    this.table = table;
    this.ports = ports;
    this.#hasBti = config.features.has('FEAT_BTI');
    const cpus = config.cpuCount;
    this.states = Array.from({ length: cpus }, (_, i) => new CpuState(heap, i));
    this.power = Array.from({ length: cpus }, () => 'off');
    this.wait = Array.from({ length: cpus }, () => 'none');
    this.event = Array.from({ length: cpus }, () => false);
    heap.u32[H.G_PA_BITS >>> 2] = config.physicalAddressBits;
    heap.u32[H.G_TRANSLATION_FEATURES >>> 2] = translationFeatures(config);

    this.helpers = instantiateHelpers(heap.memory, {
      mmioRead: (cpu, sizeLog2) => this.#deviceRead(cpu, sizeLog2),
      mmioWrite: (cpu, sizeLog2) => this.#deviceWrite(cpu, sizeLog2),
      codeWritten: (frame, offset, bytes, single) => this.code.written(frame >>> 0, offset, bytes, single),
      unshare: (frame) => ports.unshare(frame >>> 0),
      guestWatched: (base, number, el) =>
        this.debug.hitsWatchpoint(this.states[this.#indexOf(base)]!, number, el) ? 1 : 0,
      watched: (cpu, index, pa, bytes, isWrite) => this.#watched(cpu, index, pa, bytes, isWrite !== 0),
    });
    this.helperNames = instructionHelperNames(this.helpers);
    this.functions = new WebAssembly.Table({ element: 'anyfunc', initial: this.helperNames.length + 1 });
    const helperIndex = new Map<string, number>();
    this.helperNames.forEach((name, i) => {
      // 0 means "not compiled" in a block header, so functions start at 1.
      this.functions.set(i + 1, this.helpers[name]);
      helperIndex.set(name, i + 1);
    });
    const set = instructionSet(config.features);
    this.#decoder = set.decoder;
    const translator = new Translator(
      set,
      {
        plan: (key, el, write) => table.plan(key, el as El, write),
        systemPlan: (key, el) => table.systemPlan(key, el as El),
        helperIndex: (name) => {
          const index = helperIndex.get(name);
          if (index === undefined) throw new Error(`no helper '${name}'`);
          return index;
        },
      },
      heap.u32,
    );
    this.code = new CodeCache(heap, this.helpers, translator);
    this.breakpoints = new Breakpoints(heap, this.helpers, this.code);
    this.debug = new SelfHostedDebug(config, this.breakpoints, this.helpers);
    const env: { [name: string]: unknown } = { memory: heap.memory, table: this.functions };
    for (const name of Object.keys(HELPERS)) env[name] = this.helpers[name];
    const instance = new WebAssembly.Instance(new WebAssembly.Module(buildInterpreter().bytes), {
      env,
    } as never);
    this.#interpreter = instance.exports['run'] as (cpu: number) => void;
    for (const s of this.states) this.resetCpu(s.index);
  }

  /**
   * Context of the code at a page that `fetchFrame`, or a translation for a fetch, has just found: another one for
   * guarded pages.
   */
  fetchContext(s: CpuState): number {
    if (!this.#hasBti || (this.heap.u32[H.G_WALK_ATTRS >>> 2]! & H.ATTR_GUARDED) === 0)
      return s.word(L.CPU_CONTEXT);
    if (s.word(L.CPU_CONTEXT_GUARDED) === NO_CONTEXT) {
      this.code.contextId(this.code.contextBits(s.word(L.CPU_CONTEXT)) | CONTEXT_GUARDED);
      this.contextChanged(s);
    }
    return s.word(L.CPU_CONTEXT_GUARDED);
  }

  #indexOf(base: number): number {
    return (base - L.CPU_BASE) / L.CPU_STRIDE;
  }

  /** Instructions of the present turn that were complete before the one being executed. */
  get executed(): number {
    return this.#limit - this.#left;
  }

  /** The CPU whose turn it is, or -1. */
  get running(): number {
    return this.#running;
  }

  /** Ends the turn after the current instruction, because something outside may have changed. */
  noteEffect(): void {
    this.#effect = true;
  }
  requestStop(): void {
    this.#stop = true;
  }

  /** Architectural reset into the highest implemented exception level. Registers Xn become 0, as in QEMU. */
  resetCpu(index: number): void {
    const s = this.states[index]!;
    this.heap.u8.fill(0, s.base, s.base + L.CPU_STRIDE);
    s.setWord(L.CPU_INDEX, index);
    this.table.reset(this.ports.sysregContext(index).slots, index);
    s.setWord(L.CPU_EL, this.config.highestEl);
    s.setWord(L.CPU_SPSEL, 1);
    s.daif = 15;
    // 0x4000_03C5: Z set, as gdb shows for QEMU at reset.
    s.nzcv = 4;
    s.pc = this.config.resetAddress;
    this.wait[index] = 'none';
    this.event[index] = false;
    this.helpers.tlbFlushCpu(index);
    this.contextChanged(s);
    this.debug.changed(s);
  }

  /** Recomputes what follows from EL, PSTATE.SP, CPACR and SCTLR: TLB set and execution context. */
  contextChanged(s: CpuState): void {
    const el = s.el;
    let bits = el;
    if (s.spsel !== 0) bits |= CONTEXT_SPELX;
    const fpen = (s.sysregLo(L.SYS_CPACR_EL1) >> 20) & 3;
    if (el < 2 && (fpen === 3 || (fpen === 1 && el === 1)) === false) bits |= CONTEXT_FP_TRAP;
    const sctlr = s.sysregLo(BANK[Math.max(el, 1)]!.sctlr);
    if (el === 1 && s.word(L.CPU_PSTATE) & PSTATE_UAO) bits |= CONTEXT_UAO;
    if (sctlr & 2) bits |= CONTEXT_ALIGN;
    if (sctlr & (el === 0 ? 1 << 4 : 1 << 3)) bits |= CONTEXT_SP_ALIGN;
    if (el === 0) {
      if (sctlr & (1 << 14)) bits |= CONTEXT_EL0_ZERO;
      if (sctlr & (1 << 26)) bits |= CONTEXT_EL0_CACHE;
    }
    if (this.#hasBti) {
      const high = s.word(L.CPU_SYSREGS + BANK[Math.max(el, 1)]!.sctlr * 8 + 4);
      if (high & (1 << (el === 0 ? 3 : 4))) bits |= CONTEXT_BT;
    }
    s.setWord(L.CPU_CONTEXT, this.code.contextId(bits));
    this.#contextsOf[s.index] = this.code.flushes;
    s.setWord(L.CPU_CONTEXT_GUARDED, this.code.knownContext(bits | CONTEXT_GUARDED) ?? NO_CONTEXT);
    const set = (this.helpers.tlbSelect(s.base, s.index) >>> 0) + (el === 0 ? H.TLB_SET : 0);
    s.setWord(L.CPU_TLB, set);
    s.setWord(L.CPU_XTLB, set + H.TLB_FETCH);
  }

  /**
   * A register that translation depends on was written by `s`. A change of TTBRs only selects another bank of the
   * TLB; anything else empties them all.
   */
  translationChanged(s: CpuState, ttbrOnly: boolean): void {
    if (!ttbrOnly) this.helpers.tlbFlushCpu(s.index);
    this.contextChanged(s);
  }

  /**
   * Replaces the watched ranges. Accesses to their pages take the slow path from now on.
   * @throws RangeError if there are more than WATCH_LIST_MAX
   */
  setWatches(ranges: readonly WatchRange[]): void {
    if (ranges.length > H.WATCH_LIST_MAX)
      throw new RangeError(`more than ${H.WATCH_LIST_MAX} watched ranges`);
    const { u32, u64, layout } = this.heap;
    ranges.forEach(({ first, last, virtual, read, write }, i) => {
      const at = layout.watchList + i * H.WATCH_BYTES;
      u64[at >>> 3] = first;
      u64[(at + 8) >>> 3] = last;
      u32[(at + 16) >>> 2] =
        (read ? H.WATCH_READ : 0) | (write ? H.WATCH_WRITE : 0) | (virtual ? H.WATCH_VIRTUAL : 0);
    });
    u32[H.G_WATCH_COUNT >>> 2] = ranges.length;
    if (ranges.length > 0) this.helpers.tlbFlushAll();
  }

  #watched(base: number, index: number, physical: number, bytes: number, isWrite: boolean): number {
    if (!this.armed) return 0;
    const s = this.states[this.#indexOf(base)]!;
    return this.ports.watched({ cpu: s.index, index, physical, virtual: s.long(L.CPU_ADDR), bytes, isWrite })
      ? 1
      : 0;
  }

  /** For debuggers, between two turns: an interrupt that the next turn would begin with is taken now. */
  takePending(index: number): void {
    const s = this.states[index]!;
    const pending = s.word(L.CPU_IRQ) & ~s.daif;
    if (pending !== 0 && this.canRun(index) && !this.debug.isStepDue(s)) this.#takeInterrupt(s, pending);
  }

  /** Levels of the interrupt inputs of a CPU. */
  setInterrupts(index: number, irq: boolean, fiq: boolean): void {
    this.states[index]!.setWord(L.CPU_IRQ, (irq ? 2 : 0) | (fiq ? 1 : 0));
    if (irq || fiq) this.wake(index);
  }

  wake(index: number): void {
    this.wait[index] = 'none';
  }

  canRun(index: number): boolean {
    return this.power[index] === 'on' && this.wait[index] === 'none';
  }

  /* ---------------------------------------------------------------- exceptions */

  raise(
    s: CpuState,
    target: number,
    kind: ExceptionKind,
    returnAddress: bigint,
    esr?: number,
    far?: bigint,
  ): void {
    const from = s.el;
    const pc = s.pc;
    this.#exceptions += 1;
    takeException(s, this.config, target, kind, returnAddress, esr, far);
    this.contextChanged(s);
    if (kind !== 'serror') this.ports.exception(s.index, kind, from, target, esr ?? 0, far ?? 0n, pc);
  }

  /** Synchronous exception of the current instruction, preferred return at that instruction. */
  raiseSync(s: CpuState, ec: number, iss: number, far?: bigint, target = Math.max(1, s.el)): void {
    this.raise(s, target, 'sync', s.pc, ((ec << 26) | (1 << 25) | iss) >>> 0, far);
  }

  /**
   * BRK. Of the exceptions that an instruction takes once it is decoded, this one alone saves PSTATE.BTYPE (Arm ARM
   * shared/exceptions AArch64.TakeException).
   */
  raiseBreakpointInstruction(s: CpuState, imm16: number): void {
    s.setWord(L.CPU_PSTATE, s.word(L.CPU_PSTATE) | (this.#branchType << 10));
    this.raiseSync(s, EC.BRK, imm16);
  }

  raiseUndefined(s: CpuState, word: number, unknown: boolean): void {
    if (unknown) {
      const { text } = disassemble(word >>> 0, s.pc);
      const hex = (value: number | bigint): string => `0x${value.toString(16).padStart(8, '0')}`;
      this.ports.guestError(
        s.index,
        `instruction ${hex(word >>> 0)} (${text}) at ${hex(s.pc)} is UNDEFINED here`,
      );
    }
    this.raiseSync(s, EC.UNKNOWN, 0);
  }

  raiseTrap(s: CpuState, trap: SysregTrap, word: number): void {
    if (trap.ec === EC_UNKNOWN) this.raiseUndefined(s, word, false);
    else this.raiseSync(s, trap.ec, trap.iss, undefined, trap.target);
  }

  /** @param to the address, if it is not ELR's */
  eret(s: CpuState, to?: bigint): void {
    const from = s.el;
    const pc = s.pc;
    const illegal = exceptionReturn(s, this.config, to);
    this.event[s.index] = true;
    this.contextChanged(s);
    if (illegal !== undefined) this.ports.guestError(s.index, `illegal exception return: ${illegal}`);
    this.ports.exception(s.index, 'return', from, s.el, 0, 0n, pc);
  }

  #dataAbort(s: CpuState): void {
    this.counts.faults += 1;
    if (s.word(L.CPU_FAULT) === H.FAULT_SP_ALIGNMENT) {
      this.raiseSync(s, EC.SP_ALIGNMENT, 0);
      return;
    }
    if ((s.word(L.CPU_FAULT) & H.FAULT_BRANCH_TARGET) !== 0) {
      const btype = s.word(L.CPU_FAULT) & 3;
      s.setWord(L.CPU_PSTATE, s.word(L.CPU_PSTATE) | (btype << 10));
      this.raiseSync(s, EC.BRANCH_TARGET, btype);
      return;
    }
    if (s.word(L.CPU_FAULT) === H.FAULT_WATCHPOINT) {
      this.#raiseDebug(s, EC.WATCHPOINT_LOWER, DEBUG_FAULT | s.word(L.CPU_FAULT_ISS), s.long(L.CPU_ADDR));
      return;
    }
    const iss = s.word(L.CPU_FAULT) | s.word(L.CPU_FAULT_ISS);
    this.raiseSync(s, EC.DATA_ABORT_LOWER + (s.el === 0 ? 0 : 1), iss, s.long(L.CPU_ADDR));
  }

  /** A debug exception other than BRK, to EL1. */
  #raiseDebug(s: CpuState, ecOfLower: number, iss: number, far?: bigint): void {
    this.raiseSync(s, ecOfLower + (s.el === 0 ? 0 : 1), iss, far);
  }

  /** Takes the Breakpoint exception of the instruction at PC, which has been fetched, if there is one. */
  #takeBreakpoint(s: CpuState): boolean {
    if (!this.debug.hitsBreakpoint(s)) return false;
    this.#left -= 1;
    // QEMU: FAR, which is UNKNOWN then, becomes 0.
    this.#raiseDebug(s, EC.BREAKPOINT_LOWER, DEBUG_FAULT, 0n);
    return true;
  }

  #takeInterrupt(s: CpuState, pending: number): void {
    this.counts.irqs += 1;
    const fiq = (pending & 1) !== 0;
    this.raise(s, Math.max(1, s.el), fiq ? 'fiq' : 'irq', s.pc);
  }

  /* ---------------------------------------------------------------- devices */

  /**
   * DETERMINISM: also a block that is one instruction by nature (the last of a page) may reach a device, with
   * blocks before it in the same run: position would be that of the run's start, and the effect would come late.
   */
  #mustRunAlone(s: CpuState): boolean {
    if (this.#alone) return false;
    s.setWord(L.CPU_EXIT, H.EXIT_SINGLE);
    return true;
  }

  #deviceRead(base: number, sizeLog2: number): void {
    const s = this.states[this.#indexOf(base)]!;
    if (this.#mustRunAlone(s)) return;
    const a = this.#access;
    a.address = s.word(L.CPU_ADDR) + s.word(L.CPU_ADDR + 4) * 2 ** 32;
    a.sizeLog2 = sizeLog2;
    a.valueLo = 0;
    a.valueHi = 0;
    this.#effect = true;
    if (!this.ports.read(s.index, a)) this.#externalAbort(s, 0);
    s.setWord(L.CPU_DATA, a.valueLo);
    s.setWord(L.CPU_DATA + 4, a.valueHi);
  }

  #deviceWrite(base: number, sizeLog2: number): void {
    const s = this.states[this.#indexOf(base)]!;
    if (this.#mustRunAlone(s)) return;
    const a = this.#access;
    a.address = s.word(L.CPU_ADDR) + s.word(L.CPU_ADDR + 4) * 2 ** 32;
    a.sizeLog2 = sizeLog2;
    a.valueLo = s.word(L.CPU_DATA);
    a.valueHi = s.word(L.CPU_DATA + 4);
    this.#effect = true;
    if (!this.ports.write(s.index, a)) this.#externalAbort(s, 1);
  }

  #externalAbort(s: CpuState, isWrite: number): void {
    s.setWord(L.CPU_FAULT, 0x10);
    s.setWord(L.CPU_FAULT_ISS, isWrite << 6);
    s.setWord(L.CPU_EXIT, H.EXIT_FAULT);
  }

  /* ---------------------------------------------------------------- running */

  /**
   * Runs a CPU for at most `limit` instructions. `executed` tells how many were. The turn may end at once with
   * nothing executed only if the CPU cannot run.
   */
  run(index: number, limit: number): TurnEnd {
    const s = this.states[index]!;
    this.#running = index;
    this.#limit = limit;
    this.#left = limit;
    this.#effect = false;
    this.#stop = index === this.stopBefore;
    this.#yielded = false;
    if (this.#contextsOf[index] !== this.code.flushes) this.contextChanged(s);
    try {
      return this.#turn(s);
    } finally {
      this.#settlePc(s);
      this.#running = -1;
    }
  }

  #turn(s: CpuState): TurnEnd {
    for (;;) {
      this.#settlePc(s);
      const pending = s.word(L.CPU_IRQ) & ~s.daif;
      if (pending !== 0 && this.#left > 0 && !this.debug.isStepDue(s)) this.#takeInterrupt(s, pending);
      if (this.#stop) return 'stop';
      if (!this.canRun(s.index)) return 'yield';
      if (this.#left <= 0) return 'limit';
      if (this.#effect) return 'effect';
      if (this.debug.isCareful(s)) {
        if (this.#runCareful(s)) return 'yield';
        continue;
      }
      if (s.word(L.CPU_PSTATE) & PSTATE_IL) {
        // The fetch comes first (Arm ARM D1.3.5, synchronous exception prioritization).
        if (this.#isStopDue(s) || this.fetchFrame(s) === 0 || this.#takeBreakpoint(s)) continue;
        this.#left -= 1;
        this.raiseSync(s, EC.ILLEGAL_STATE, 0);
        continue;
      }
      if (this.code.nearlyFull) {
        this.code.flush();
        this.contextChanged(s);
      }
      const budget = Math.min(this.#left, DEFAULT_BUDGET);
      this.counts.runs += 1;
      this.#enter(s, budget);
      const yielded = this.#leave(s);
      if (yielded || this.#yielded) return 'yield';
    }
  }

  /**
   * One instruction of a guest that is single-stepped or has context breakpoints, or the exception that comes before
   * it, in the order of Arm ARM D1.3.5. True ends the turn with 'yield'.
   */
  #runCareful(s: CpuState): boolean {
    if (this.code.nearlyFull) {
      this.code.flush();
      this.contextChanged(s);
    }
    const { debug } = this;
    if (debug.isStepDue(s)) {
      this.#left -= 1;
      this.#raiseDebug(s, EC.SOFTWARE_STEP_LOWER, debug.stepSyndrome(s));
      return false;
    }
    if (this.#isStopDue(s)) return false;
    const frame = this.fetchFrame(s);
    if (frame === 0 || this.#takeBreakpoint(s)) return false;
    const isStepping = debug.isStepping(s);
    const { u32 } = this.heap;
    const word = u32[(frame + (s.word(L.CPU_PC) & 0xffc)) >>> 2]!;
    const left = this.#left;
    const exceptions = this.#exceptions;
    if ((s.word(L.CPU_PSTATE) & PSTATE_IL) !== 0) {
      this.#left -= 1;
      this.raiseSync(s, EC.ILLEGAL_STATE, 0);
    } else this.#runSingle(s);
    if (isStepping && this.#exceptions === exceptions && this.#left === left - 1) debug.stepped(s, word);
    return this.#yielded;
  }

  /** A debugger wants to stop before the instruction at PC. */
  #isStopDue(s: CpuState): boolean {
    const { breakpoints } = this;
    if (!breakpoints.active || !this.armed || !breakpoints.stopsAt(s.pc, s.index)) return false;
    this.#stop = true;
    return true;
  }

  /**
   * A branch drops the tag of its target (Arm ARM, shared/functions AArch64.BranchAddr). Here that is done when the
   * target is looked up, since no tagged address is ever found in the TLB of fetches.
   */
  #settlePc(s: CpuState): void {
    const hi = s.word(L.CPU_PC + 4);
    const plain = (hi << 8) >> 8;
    if (plain === (hi | 0)) return;
    const upper = (hi & (1 << 23)) !== 0;
    const two = s.el < 2;
    const tcr = s.sysreg(two ? L.SYS_TCR_EL1 : s.el === 2 ? L.SYS_TCR_EL2 : L.SYS_TCR_EL3);
    const bit = (at: number): boolean => ((tcr >> BigInt(at)) & 1n) === 1n;
    // TBID (FEAT_PAuth): tags of instruction addresses are kept
    const data = this.config.features.has('FEAT_PAuth') && bit(two ? (upper ? 52 : 51) : 29);
    if (bit(two ? (upper ? 38 : 37) : 20) && !data)
      s.setWord(L.CPU_PC + 4, two ? plain >>> 0 : hi & 0xff_ffff);
  }

  #enter(s: CpuState, budget: number): void {
    s.setWord(L.CPU_EXIT, H.EXIT_NONE);
    s.setWord(L.CPU_BUDGET, budget);
    if (this.#hasBti) {
      const btype = (s.word(L.CPU_PSTATE) & PSTATE_BTYPE) >>> 10;
      s.setWord(L.CPU_BTYPE, btype);
      s.setWord(L.CPU_BTYPE_AT, btype === 0 ? -1 : budget);
      this.#interpreter(s.base);
      // Nothing has been charged for since the branch: it was the last instruction.
      const isLast = s.word(L.CPU_BTYPE_AT) === s.word(L.CPU_BUDGET);
      const pstate = s.word(L.CPU_PSTATE) & ~PSTATE_BTYPE;
      s.setWord(L.CPU_PSTATE, isLast ? pstate | (s.word(L.CPU_BTYPE) << 10) : pstate);
      const isNext =
        s.signedWord(L.CPU_BTYPE_AT) === s.signedWord(L.CPU_BUDGET) + s.word(L.CPU_PENDING_INSNS) + 1;
      this.#branchType = isNext ? s.word(L.CPU_BTYPE) : 0;
    } else this.#interpreter(s.base);
    this.#left -= budget - s.signedWord(L.CPU_BUDGET) - s.word(L.CPU_PENDING_INSNS);
  }

  /** Handles an exit. True ends the turn with 'yield'. */
  #leave(s: CpuState): boolean {
    switch (s.word(L.CPU_EXIT)) {
      case H.EXIT_BUDGET:
        if (this.#left > 0) this.#runTruncated(s);
        return false;
      case H.EXIT_NO_BLOCK:
        this.#makeBlock(s);
        return false;
      case H.EXIT_FAULT:
        this.#dataAbort(s);
        return false;
      case H.EXIT_SINGLE:
        this.#left += 1; // not executed yet
        this.#runSingle(s);
        return false;
      case H.EXIT_HOST: {
        this.counts.host += 1;
        this.#left += 1;
        const word = s.word(L.CPU_ADDR);
        const yields = executeHostInstruction(this, s, word);
        this.#left -= 1;
        return yields;
      }
      case H.EXIT_IRQ:
        return false;
      case H.EXIT_HOT:
        this.onHot(s);
        return false;
      case H.EXIT_NO_MEMORY:
        throw new GuestMemoryError(this.heap.layout.frameCount * H.FRAME_SIZE);
      case H.EXIT_WATCH:
        this.#left += 1;
        this.#stop = true;
        return false;
      default:
        throw new Error(`unknown exit reason ${s.word(L.CPU_EXIT)}`);
    }
  }

  /** The block at PC has become hot; replaced by the compiler backend. */
  onHot: (s: CpuState) => void = (s) => {
    throw new Error(`block at 0x${s.pc.toString(16)} is hot, and there is no compiler`);
  };

  /** Frame of the next instruction; 0 after having raised the exception that its fetch takes. */
  fetchFrame(s: CpuState): number {
    const pcLo = s.word(L.CPU_PC);
    if (pcLo & 3) {
      this.#left -= 1;
      this.raiseSync(s, EC.PC_ALIGNMENT, 0, s.pc);
      return 0;
    }
    s.setWord(L.CPU_EXIT, H.EXIT_NONE);
    const frame = this.helpers.fetch_frame(s.base, s.pc) >>> 0;
    if (frame !== 0) return frame;
    if (s.word(L.CPU_EXIT) === H.EXIT_NO_MEMORY)
      throw new GuestMemoryError(this.heap.layout.frameCount * H.FRAME_SIZE);
    this.#left -= 1;
    this.counts.faults += 1;
    this.raiseSync(s, EC.INSTRUCTION_ABORT_LOWER + (s.el === 0 ? 0 : 1), s.word(L.CPU_FAULT), s.pc);
    return 0;
  }

  #makeBlock(s: CpuState): void {
    this.counts.misses += 1;
    this.#settlePc(s);
    const { active } = this.breakpoints;
    /*
     * The end of the turn, or of what is known to be due, comes first: a breakpoint is not yet reached then, and the
     * access flag of the page not yet set.
     */
    if (this.#left <= 0 || this.#effect) return;
    if (this.#isStopDue(s)) return;
    const frame = this.fetchFrame(s);
    if (frame === 0) return;
    if (active && this.#takeBreakpoint(s)) return;
    const offset = s.word(L.CPU_PC) & 0xffc;
    const context = this.fetchContext(s);
    if (active) {
      this.breakpoints.prepare(s.pc, frame);
      if (this.code.isCut(frame, offset)) {
        this.#runOnce(s, this.code.single(frame, offset, context), 1);
        return;
      }
    }
    const { layout, u32 } = this.heap;
    const at =
      layout.codeTables + context * layout.codeTableStride + ((frame - layout.frames) / H.FRAME_SIZE) * 4;
    const table = u32[at >>> 2]!;
    if (table !== 0 && u32[(table + offset) >>> 2] !== 0) return; // only the TLB did not know it
    this.code.add(frame, offset, context);
  }

  #runSingle(s: CpuState): void {
    this.counts.singles += 1;
    const frame = this.fetchFrame(s);
    if (frame === 0) return;
    const block = this.code.single(frame, s.word(L.CPU_PC) & 0xffc, this.fetchContext(s));
    this.#runOnce(s, block, 1);
  }

  #runTruncated(s: CpuState): void {
    this.counts.truncated += 1;
    const frame = this.fetchFrame(s);
    if (frame === 0) return;
    const limit = this.#left;
    const block = this.code.truncated(frame, s.word(L.CPU_PC) & 0xffc, this.fetchContext(s), limit);
    this.#runOnce(s, block, this.heap.u32[(block + H.BLOCK_COUNT) >>> 2]!);
  }

  #runOnce(s: CpuState, block: number, budget: number): void {
    const pcLo = s.word(L.CPU_PC);
    const { code } = this;
    code.prepareOnce(pcLo, s.word(L.CPU_PC + 4), block);
    const xtlb = s.word(L.CPU_XTLB);
    s.setWord(L.CPU_XTLB, this.heap.layout.onceTlb);
    this.#alone = true;
    this.#enter(s, budget);
    this.#alone = false;
    s.setWord(L.CPU_XTLB, xtlb);
    code.clearOnce(pcLo);
    const exit = s.word(L.CPU_EXIT);
    // The block is done, or stopped inside; what comes after it is found by the next run.
    if (exit !== H.EXIT_BUDGET && exit !== H.EXIT_NO_BLOCK) this.#leaveOnce(s);
  }

  #leaveOnce(s: CpuState): void {
    if (this.#leave(s)) this.#yielded = true;
  }

  /** Whether the current instruction is trapped as a use of SIMD and floating point. UNDEFINED comes first. */
  isFpTrap(s: CpuState, word: number): boolean {
    const traps = (this.code.contextBits(s.word(L.CPU_CONTEXT)) & CONTEXT_FP_TRAP) !== 0;
    return traps && usesFpSimd(word) && this.#decoder.find(word) >= 0;
  }

  /** The end of a turn, or a store by somebody else: exclusive monitors are cleared. */
  clearExclusive(index: number): void {
    this.states[index]!.setWord(L.CPU_EXCLUSIVE, 0);
  }
}

/** The pool of frames is used up: the guest has touched more memory than one WebAssembly memory can hold. */
export class GuestMemoryError extends Error {
  constructor(bytes: number) {
    super(
      `the guest has touched more than ${Math.floor(bytes / 2 ** 20)} MiB of memory, all that virtrace can hold`,
    );
  }
}
