import type { Device, DeviceState, InterruptLine } from '../../base/device.ts';
import type { IntId } from '../../base/units.ts';
import { NO_INTERRUPT, OUTPUT_FIQ, OUTPUT_IRQ } from './constants.ts';
import { inspectCpu } from './inspection.ts';
import type {
  CpuInterruptStatus,
  GicOptions,
  HeldBack,
  InterruptController,
  InterruptGroup,
  InterruptObserver,
} from './interrupt-controller.ts';
import { copyArrays, type StateArrays, saveArrays } from './state-arrays.ts';

/**
 * What GICv2 and GICv3 have in common: the state of every interrupt and the search for the one to deliver.
 *
 * Interrupts are kept in words of 32. Word c holds the private interrupts (INTID 0–31) of CPU c, the words
 * after those hold the SPIs, so that a bit of any register is the same bit of one array. `slot` = word * 32
 * + bit. Only what a change touches is recomputed: the word's pending and ready bits, then for the CPUs that
 * a changed bit is routed to, their first interrupt — by one comparison, except when the first one itself
 * went away.
 */
export abstract class GicCore implements InterruptController {
  abstract readonly version: 2 | 3;
  abstract readonly devices: readonly Device[];
  readonly cpus: number;
  readonly intids: number;
  readonly words: number;
  readonly hasSecurity: boolean;
  readonly nonSecureReset: boolean;
  readonly itLinesNumber: number | undefined;

  /** 1: Group 1 (with two security states: Non-secure Group 1). */
  readonly group: Uint32Array;
  /** GICv3 GICD_IGRPMODR: with `group` 0, 1 means Secure Group 1. */
  readonly groupModifier: Uint32Array;
  readonly enabled: Uint32Array;
  /** Pending because of an edge or of software: stays until acknowledged or cleared. */
  readonly latch: Uint32Array;
  /** Level of the input wires. */
  readonly level: Uint32Array;
  /** 1: edge-triggered. */
  readonly edge: Uint32Array;
  readonly active: Uint32Array;
  readonly priority: Uint8Array;
  /** SPIs: mask of CPUs (GICv2), or index of the CPU or -1 (GICv3). */
  readonly target: Int16Array;

  /* Derived from the above, never saved. */
  readonly pending: Uint32Array;
  /** Pending, enabled, not active, and forwarded by the distributor. */
  readonly ready: Uint32Array;
  /** Per CPU its first interrupt as priority << 16 | INTID: the smallest key wins, ties by INTID. */
  readonly first: Int32Array;
  private readonly outputLevels: Uint8Array;
  private readonly stale: Uint8Array;
  private readonly staleCpus: Uint16Array;
  private staleCount = 0;
  /** Group enables of the distributor, as masks of 32 equal bits. */
  private enable0 = 0;
  private enable1Secure = 0;
  private enable1 = 0;
  private modifierCounts = 0;

  protected readonly options: GicOptions;
  private readonly observer: InterruptObserver | undefined;
  private readonly targetIsMask: boolean;

  constructor(options: GicOptions, maxCpus: number, targetIsMask: boolean) {
    const intids = options.intids ?? 288;
    if (!Number.isInteger(options.cpus) || options.cpus < 1 || options.cpus > maxCpus) {
      throw new RangeError(`GIC with ${options.cpus} CPUs: must be 1 to ${maxCpus}`);
    }
    if (intids % 32 !== 0 || intids < 32 || intids > 992) {
      throw new RangeError(`GIC with ${intids} interrupts: must be a multiple of 32, up to 992`);
    }
    this.options = options;
    this.observer = options.observer;
    this.targetIsMask = targetIsMask;
    this.cpus = options.cpus;
    this.intids = intids;
    this.words = options.cpus + intids / 32 - 1;
    this.hasSecurity = options.hasSecurity ?? false;
    this.nonSecureReset = this.hasSecurity && (options.nonSecureReset ?? false);
    this.itLinesNumber = options.itLinesNumber;
    const bitmap = () => new Uint32Array(this.words);
    this.group = bitmap();
    this.groupModifier = bitmap();
    this.enabled = bitmap();
    this.latch = bitmap();
    this.level = bitmap();
    this.edge = bitmap();
    this.active = bitmap();
    this.pending = bitmap();
    this.ready = bitmap();
    this.priority = new Uint8Array(this.words * 32);
    this.target = new Int16Array(this.words * 32);
    this.first = new Int32Array(this.cpus).fill(NO_INTERRUPT);
    this.outputLevels = new Uint8Array(this.cpus);
    this.stale = new Uint8Array(this.cpus);
    this.staleCpus = new Uint16Array(this.cpus);
  }

  /* --- What the version decides ----------------------------------------------------------------------- */

  /** All arrays that make up the state, by name. */
  protected abstract stateArrays(): StateArrays;
  /** Puts the version's own registers to their reset values and calls `setGroupEnables`. */
  protected abstract resetRegisters(): void;
  /** After `load`: recompute what is derived, calling `setGroupEnables`. */
  protected abstract derive(): void;
  /** Why a CPU interface does not signal its first interrupt, or undefined if it does. */
  abstract signalHeldBack(cpu: number, slot: number, priority: number): HeldBack | undefined;
  /** OUTPUT_IRQ or OUTPUT_FIQ for an interrupt that is signalled. */
  protected abstract outputFor(cpu: number, slot: number): number;
  abstract groupName(slot: number): InterruptGroup;
  abstract runningPriority(cpu: number): number;
  abstract priorityMask(cpu: number): number;
  /** Extra candidate for a CPU that is not in the tables (GICv3 LPIs), as a key. */
  protected extraCandidate(_cpu: number): number {
    return NO_INTERRUPT;
  }
  setCpuState(_cpu: number, _el: number, _nonSecure: boolean): void {}
  sgiSources(_cpu: number, _intid: IntId): number {
    return 0;
  }
  routeText(_slot: number): string | undefined {
    return undefined;
  }

  /* --- Addressing ------------------------------------------------------------------------------------- */

  /** Word of 32 interrupts as CPU `cpu` sees it; `index` = INTID / 32. */
  wordOf(cpu: number, index: number): number {
    return index === 0 ? cpu : this.cpus + index - 1;
  }

  slotOf(cpu: number, intid: IntId): number {
    return intid < 32 ? cpu * 32 + intid : (this.cpus - 1) * 32 + intid;
  }

  intidOf(slot: number): IntId {
    return slot < this.cpus * 32 ? slot & 31 : slot - (this.cpus - 1) * 32;
  }

  isTarget(slot: number, cpu: number): boolean {
    const word = slot >>> 5;
    if (word < this.cpus) return word === cpu;
    const target = this.target[slot]!;
    return this.targetIsMask ? ((target >>> cpu) & 1) !== 0 : target === cpu;
  }

  bitOf(bitmap: Uint32Array, slot: number): number {
    return (bitmap[slot >>> 5]! >>> (slot & 31)) & 1;
  }

  /* --- Wires ------------------------------------------------------------------------------------------ */

  spi(intid: IntId): InterruptLine {
    if (!Number.isInteger(intid) || intid < 32 || intid >= this.intids) {
      throw new RangeError(`no SPI with INTID ${intid}`);
    }
    return this.lineOf(this.slotOf(0, intid));
  }

  ppi(cpu: number, intid: IntId): InterruptLine {
    if (!Number.isInteger(intid) || intid < 16 || intid > 31 || !(cpu >= 0 && cpu < this.cpus)) {
      throw new RangeError(`no PPI with INTID ${intid} on CPU ${cpu}`);
    }
    return this.lineOf(this.slotOf(cpu, intid));
  }

  private lineOf(slot: number): InterruptLine {
    const word = slot >>> 5;
    const mask = 1 << (slot & 31);
    return { set: (level) => this.setLine(word, mask, slot, level) };
  }

  private setLine(word: number, mask: number, slot: number, level: boolean): void {
    const old = this.level[word]!;
    if (((old & mask) !== 0) === level) return;
    if (level) {
      this.level[word] = old | mask;
      if (this.edge[word]! & mask) this.latch[word]! |= mask;
    } else {
      this.level[word] = old & ~mask;
    }
    this.observer?.(level ? 'line-high' : 'line-low', this.intidOf(slot), this.bankOf(slot));
    this.refresh(word);
    this.settle();
  }

  /* --- Changes to interrupts. Each must be followed by `settle` when the guest's access is done. ------- */

  setEnabled(word: number, mask: number): void {
    this.enabled[word]! |= mask;
    this.refresh(word);
  }

  clearEnabled(word: number, mask: number): void {
    this.enabled[word]! &= ~mask;
    this.refresh(word);
  }

  setLatch(word: number, mask: number): void {
    this.latch[word]! |= mask;
    this.refresh(word);
  }

  clearLatch(word: number, mask: number): void {
    this.latch[word]! &= ~mask;
    this.refresh(word);
  }

  setActive(word: number, mask: number): void {
    const news = mask & ~this.active[word]!;
    if (news === 0) return;
    this.active[word]! |= news;
    this.reportBits('active', word, news);
    this.refresh(word);
  }

  clearActive(word: number, mask: number): void {
    const gone = mask & this.active[word]!;
    if (gone === 0) return;
    this.active[word]! &= ~gone;
    this.reportBits('complete', word, gone);
    this.refresh(word);
  }

  /** Acknowledge: pending becomes active; the latch goes, a high level input stays pending. */
  activate(cpu: number, slot: number): void {
    const word = slot >>> 5;
    const mask = 1 << (slot & 31);
    this.observer?.('acknowledge', this.intidOf(slot), cpu);
    this.active[word]! |= mask;
    this.latch[word]! &= ~mask;
    this.refresh(word);
  }

  deactivate(cpu: number, slot: number): void {
    const word = slot >>> 5;
    const mask = 1 << (slot & 31);
    if ((this.active[word]! & mask) === 0) return;
    this.active[word]! &= ~mask;
    this.observer?.('complete', this.intidOf(slot), cpu);
    this.refresh(word);
  }

  /** Replaces the bits under `mask` of `group` or `groupModifier`. */
  setGroup(bitmap: Uint32Array, word: number, mask: number, value: number): void {
    const changed = (bitmap[word]! ^ value) & mask;
    if (changed === 0) return;
    bitmap[word]! ^= changed;
    // An interrupt that stays ready may now be signalled differently.
    this.touchTargets(word, changed & this.ready[word]!);
    this.refresh(word);
  }

  setEdge(word: number, mask: number, value: number): void {
    this.edge[word] = (this.edge[word]! & ~mask) | (value & mask);
    this.refresh(word);
  }

  setPriority(slot: number, priority: number): void {
    if (this.priority[slot] === priority) return;
    this.priority[slot] = priority;
    if (this.bitOf(this.ready, slot) === 0) return;
    // `false` looks again if it was the first one, `true` compares if it was not.
    this.consider(slot, false);
    this.consider(slot, true);
  }

  setTarget(slot: number, target: number): void {
    if (this.target[slot] === target) return;
    const old = this.target[slot]!;
    this.target[slot] = target;
    if (this.bitOf(this.ready, slot) === 0) return;
    this.forTargets(slot, old, false, this.considerFor);
    this.forTargets(slot, target, true, this.considerFor);
  }

  /** Group enables of the distributor. `secure1` counts only with two security states. */
  setGroupEnables(group0: boolean, secure1: boolean, group1: boolean, twoStates: boolean): void {
    this.enable0 = group0 ? -1 : 0;
    this.enable1 = group1 ? -1 : 0;
    this.enable1Secure = secure1 ? -1 : 0;
    this.modifierCounts = twoStates ? -1 : 0;
    for (let word = 0; word < this.words; word++) this.refresh(word);
    this.reorderAll();
  }

  /* --- Who is first ----------------------------------------------------------------------------------- */

  private refresh(word: number): void {
    const pending = this.latch[word]! | (this.level[word]! & ~this.edge[word]!);
    const changed = pending ^ this.pending[word]!;
    if (changed !== 0) {
      this.pending[word] = pending;
      this.reportBits('pending', word, changed & pending);
      this.reportBits('not-pending', word, changed & ~pending);
    }
    const one = this.group[word]!;
    const modifier = this.groupModifier[word]! & this.modifierCounts;
    const forwarded =
      (one & this.enable1) | (~one & ((modifier & this.enable1Secure) | (~modifier & this.enable0)));
    const ready = pending & this.enabled[word]! & ~this.active[word]! & forwarded;
    let different = ready ^ this.ready[word]!;
    if (different === 0) return;
    this.ready[word] = ready;
    while (different !== 0) {
      const bit = 31 - Math.clz32(different & -different);
      different &= different - 1;
      this.consider(word * 32 + bit, ((ready >>> bit) & 1) !== 0);
    }
  }

  /** A slot became ready or stopped being so: who of its targets has another first interrupt now? */
  private consider(slot: number, ready: boolean): void {
    this.forTargets(slot, this.target[slot]!, ready, this.considerFor);
  }

  private forTargets(
    slot: number,
    target: number,
    ready: boolean,
    action: (cpu: number, slot: number, ready: boolean) => void,
  ): void {
    const word = slot >>> 5;
    if (word < this.cpus) {
      action(word, slot, ready);
    } else if (!this.targetIsMask) {
      if (target >= 0) action(target, slot, ready);
    } else {
      for (let rest = target; rest !== 0; rest &= rest - 1) {
        action(31 - Math.clz32(rest & -rest), slot, ready);
      }
    }
  }

  private readonly considerFor = (cpu: number, slot: number, ready: boolean): void => {
    const intid = this.intidOf(slot);
    const first = this.first[cpu]!;
    if (ready) {
      const key = (this.priority[slot]! << 16) | intid;
      if (key >= first) return;
      this.first[cpu] = key;
      this.touch(cpu);
    } else if ((first & 0xffff) === intid) {
      this.rescan(cpu);
    }
  };

  private readonly touchFor = (cpu: number): void => this.touch(cpu);

  protected rescan(cpu: number): void {
    let best = this.extraCandidate(cpu);
    best = this.firstOfWord(cpu, cpu, 0, best);
    for (let word = this.cpus; word < this.words; word++) {
      if (this.ready[word] !== 0) best = this.firstOfWord(cpu, word, (word - this.cpus + 1) * 32, best);
    }
    if (best === this.first[cpu]) return;
    this.first[cpu] = best;
    this.touch(cpu);
  }

  private firstOfWord(cpu: number, word: number, intid: IntId, best: number): number {
    let result = best;
    for (let rest = this.ready[word]! | 0; rest !== 0; rest &= rest - 1) {
      const bit = 31 - Math.clz32(rest & -rest);
      const slot = word * 32 + bit;
      const key = (this.priority[slot]! << 16) | (intid + bit);
      if (key < result && this.isTarget(slot, cpu)) result = key;
    }
    return result;
  }

  private touchTargets(word: number, bits: number): void {
    for (let rest = bits | 0; rest !== 0; rest &= rest - 1) {
      const slot = word * 32 + 31 - Math.clz32(rest & -rest);
      this.forTargets(slot, this.target[slot]!, true, this.touchFor);
    }
  }

  /* --- Outputs ---------------------------------------------------------------------------------------- */

  /** The CPU's outputs have to be looked at again by `settle`. */
  touch(cpu: number): void {
    if (this.stale[cpu] !== 0) return;
    this.stale[cpu] = 1;
    this.staleCpus[this.staleCount++] = cpu;
  }

  /** Ends a change: outputs move once, however many interrupts the change touched. */
  settle(): void {
    for (let i = 0; i < this.staleCount; i++) {
      const cpu = this.staleCpus[i]!;
      this.stale[cpu] = 0;
      const levels = this.evaluate(cpu);
      if (levels === this.outputLevels[cpu]) continue;
      this.outputLevels[cpu] = levels;
      this.emit(cpu);
    }
    this.staleCount = 0;
  }

  private evaluate(cpu: number): number {
    const key = this.first[cpu]!;
    if (key === NO_INTERRUPT) return 0;
    const slot = this.slotOf(cpu, key & 0xffff);
    if (this.signalHeldBack(cpu, slot, key >>> 16) !== undefined) return 0;
    return this.outputFor(cpu, slot);
  }

  private emit(cpu: number): void {
    this.options.outputs(cpu, { irq: this.irq(cpu), fiq: this.fiq(cpu) });
  }

  irq(cpu: number): boolean {
    return (this.outputLevels[cpu]! & OUTPUT_IRQ) !== 0;
  }

  fiq(cpu: number): boolean {
    return (this.outputLevels[cpu]! & OUTPUT_FIQ) !== 0;
  }

  /* --- Reports ---------------------------------------------------------------------------------------- */

  guestError(device: string, offset: number, message: string): void {
    this.options.guestError?.(device, offset, message);
  }

  protected note(what: Parameters<InterruptObserver>[0], intid: IntId, target: number): void {
    this.observer?.(what, intid, target);
  }

  private bankOf(slot: number): number {
    const word = slot >>> 5;
    return word < this.cpus ? word : -1;
  }

  private reportBits(what: 'pending' | 'not-pending' | 'active' | 'complete', word: number, bits: number) {
    if (this.observer === undefined) return;
    for (let rest = bits | 0; rest !== 0; rest &= rest - 1) {
      const slot = word * 32 + 31 - Math.clz32(rest & -rest);
      this.observer(what, this.intidOf(slot), this.bankOf(slot));
    }
  }

  inspect(cpu: number): CpuInterruptStatus {
    return inspectCpu(this, cpu);
  }

  /* --- State ------------------------------------------------------------------------------------------ */

  reset(): void {
    const lines = this.level.slice();
    for (const array of Object.values(this.stateArrays())) array.fill(0);
    // A reset of the controller does not move its input wires: the devices on them do, when they reset.
    this.level.set(lines);
    this.latch.fill(0);
    for (let cpu = 0; cpu < this.cpus; cpu++) this.edge[cpu] = 0xffff;
    if (this.nonSecureReset) this.group.fill(0xffff_ffff);
    this.resetRegisters();
    this.settle();
  }

  save(): DeviceState {
    return saveArrays(this.stateArrays());
  }

  load(state: DeviceState): void {
    copyArrays(state, this.stateArrays(), 'GIC');
    this.pending.set(this.latch);
    for (let word = 0; word < this.words; word++) {
      this.pending[word]! |= this.level[word]! & ~this.edge[word]!;
    }
    this.derive();
    // What the outputs lead to is saved by its owner: a load moves no wire.
    for (let cpu = 0; cpu < this.cpus; cpu++) this.outputLevels[cpu] = this.evaluate(cpu);
    this.settle();
  }

  protected get baseArrays(): StateArrays {
    const { group, groupModifier, enabled, latch, level, edge, active, priority, target } = this;
    return { group, groupModifier, enabled, latch, level, edge, active, priority, target };
  }

  private reorderAll(): void {
    for (let cpu = 0; cpu < this.cpus; cpu++) {
      this.rescan(cpu);
      this.touch(cpu);
    }
  }
}
