import type { Device } from '../../base/device.ts';
import type { IntId } from '../../base/units.ts';
import {
  IDLE_PRIORITY,
  INTID_GROUP1,
  INTID_SPURIOUS,
  NO_INTERRUPT,
  OUTPUT_FIQ,
  OUTPUT_IRQ,
} from './constants.ts';
import { GicCore } from './gic-core.ts';
import { gicv2CpuInterface } from './gicv2-cpu-interface.ts';
import { gicv2Distributor } from './gicv2-distributor.ts';
import {
  APR_WORDS,
  GICC_ACK_CTL,
  GICC_CBPR,
  GICC_EOIMODE,
  GICC_EOIMODE_NS,
  GICC_FIQ_EN,
  MIN_ABPR,
  MIN_BPR,
} from './gicv2-registers.ts';
import type { GicOptions, HeldBack, InterruptGroup } from './interrupt-controller.ts';
import type { StateArrays } from './state-arrays.ts';

/** GICv2: state of the distributor and of up to 8 CPU interfaces, and what they do to an interrupt. */
export class Gicv2 extends GicCore {
  readonly version = 2;
  readonly devices: readonly Device[];
  /** GICD_CTLR as the Secure side sees it, in element 0. */
  readonly distributorControl = new Uint32Array(1);
  /** GICC_CTLR as the Secure side sees it. */
  readonly control: Uint32Array;
  readonly mask: Uint8Array;
  readonly binaryPoint: Uint8Array;
  readonly aliasedBinaryPoint: Uint8Array;
  readonly activePriorities0: Uint32Array;
  readonly activePriorities1: Uint32Array;
  /** SGIs: mask of the CPUs that asked, at cpu * 16 + INTID. The latch is its "not zero". */
  private readonly sources: Uint8Array;

  constructor(options: GicOptions) {
    super(options, 8, true);
    this.control = new Uint32Array(this.cpus);
    this.mask = new Uint8Array(this.cpus);
    this.binaryPoint = new Uint8Array(this.cpus);
    this.aliasedBinaryPoint = new Uint8Array(this.cpus);
    this.activePriorities0 = new Uint32Array(this.cpus * APR_WORDS);
    this.activePriorities1 = new Uint32Array(this.cpus * APR_WORDS);
    this.sources = new Uint8Array(this.cpus * 16);
    this.devices = [gicv2Distributor(this), gicv2CpuInterface(this)];
    this.reset();
  }

  get allCpus(): number {
    return (1 << this.cpus) - 1;
  }

  /* --- Views ------------------------------------------------------------------------------------------ */

  /** A Non-secure access to a GIC with two security states: it sees Group 1 only (IHI 0048B 4.1.2). */
  isRestricted(secure: boolean): boolean {
    return this.hasSecurity && !secure;
  }

  /** Interrupts of a word that an access may see. */
  visible(word: number, secure: boolean): number {
    return this.isRestricted(secure) ? this.group[word]! : -1;
  }

  applyDistributorControl(): void {
    const control = this.distributorControl[0]!;
    this.setGroupEnables((control & 1) !== 0, false, (control & 2) !== 0, false);
  }

  /* --- SGIs ------------------------------------------------------------------------------------------- */

  override sgiSources(cpu: number, intid: IntId): number {
    return this.sources[cpu * 16 + intid]!;
  }

  setSgiSources(cpu: number, intid: IntId, sources: number): void {
    this.sources[cpu * 16 + intid] = sources & this.allCpus;
    if ((sources & this.allCpus) !== 0) this.setLatch(cpu, 1 << intid);
    else this.clearLatch(cpu, 1 << intid);
  }

  /** GICD_SGIR (IHI 0048B 4.3.15). */
  sendSgi(cpu: number, value: number, secure: boolean): void {
    const intid = value & 0xf;
    const filter = (value >>> 24) & 3;
    if (filter === 3) {
      this.guestError('gicd', 0xf00, 'GICD_SGIR with the reserved TargetListFilter 3');
      return;
    }
    const self = 1 << cpu;
    const list = filter === 0 ? (value >>> 16) & 0xff : filter === 1 ? ~self : self;
    for (let rest = list & this.allCpus; rest !== 0; rest &= rest - 1) {
      const target = 31 - Math.clz32(rest & -rest);
      if (this.hasSecurity) {
        // IHI 0048B table 4-22: NSATT picks the group a Secure access means; others reach Group 1 only.
        const wanted = secure ? (value >>> 15) & 1 : 1;
        if (((this.group[target]! >>> intid) & 1) !== wanted) continue;
      }
      this.setSgiSources(target, intid, this.sgiSources(target, intid) | self);
    }
  }

  /* --- CPU interface ---------------------------------------------------------------------------------- */

  signalHeldBack(cpu: number, slot: number, priority: number): HeldBack | undefined {
    const group = this.bitOf(this.group, slot);
    if (((this.control[cpu]! >>> group) & 1) === 0) return 'group disabled in the CPU interface';
    if (priority >= this.mask[cpu]!) return 'masked by PMR';
    // The running priority has no subpriority bits, so that this compares group priorities.
    return priority < this.runningPriority(cpu) ? undefined : 'running priority is not lower';
  }

  protected outputFor(cpu: number, slot: number): number {
    const isFiq = this.bitOf(this.group, slot) === 0 && (this.control[cpu]! & GICC_FIQ_EN) !== 0;
    return isFiq ? OUTPUT_FIQ : OUTPUT_IRQ;
  }

  private groupPriorityMask(cpu: number, group: number): number {
    const aliased = group === 1 && (this.control[cpu]! & GICC_CBPR) === 0;
    const point = aliased ? this.aliasedBinaryPoint[cpu]! - 1 : this.binaryPoint[cpu]!;
    return (-1 << (point + 1)) & 0xff;
  }

  runningPriority(cpu: number): number {
    for (let i = 0; i < APR_WORDS; i++) {
      const word =
        this.activePriorities0[cpu * APR_WORDS + i]! | this.activePriorities1[cpu * APR_WORDS + i]!;
      if (word !== 0) return (i * 32 + 31 - Math.clz32(word & -word)) << (MIN_BPR + 1);
    }
    return IDLE_PRIORITY;
  }

  priorityMask(cpu: number): number {
    return this.mask[cpu]!;
  }

  /**
   * What GICC_HPPIR (`alias` false) or GICC_AHPPIR shows: INTID with the source CPU of an SGI.
   * QEMU: an interrupt that GICC_PMR masks is not shown.
   */
  highestPending(cpu: number, secure: boolean, alias: boolean): number {
    return this.pendingFor(cpu, secure, alias, false);
  }

  private pendingFor(cpu: number, secure: boolean, alias: boolean, acknowledge: boolean): number {
    const key = this.first[cpu]!;
    if (key === NO_INTERRUPT) return INTID_SPURIOUS;
    const intid = key & 0xffff;
    const slot = this.slotOf(cpu, intid);
    const reason = this.signalHeldBack(cpu, slot, key >>> 16);
    if (reason !== undefined && (acknowledge || reason !== 'running priority is not lower')) {
      return INTID_SPURIOUS;
    }
    // IHI 0048B 3.5.2 and table 4-34: the aliases act as the Non-secure registers do.
    const group = this.bitOf(this.group, slot);
    if (alias || this.isRestricted(secure)) {
      if (group === 0) return INTID_SPURIOUS;
    } else if (group === 1 && (this.control[cpu]! & GICC_ACK_CTL) === 0) {
      return INTID_GROUP1;
    }
    if (intid >= 16) return intid;
    const sources = this.sgiSources(cpu, intid);
    return intid | ((31 - Math.clz32(sources & -sources)) << 10);
  }

  /** A read of GICC_IAR or GICC_AIAR. */
  acknowledge(cpu: number, secure: boolean, alias: boolean): number {
    const value = this.pendingFor(cpu, secure, alias, true);
    const intid = value & 0x3ff;
    if (intid >= INTID_GROUP1) return intid;
    const slot = this.slotOf(cpu, intid);
    const group = this.bitOf(this.group, slot);
    const level = (this.priority[slot]! & this.groupPriorityMask(cpu, group)) >>> (MIN_BPR + 1);
    const levels = group === 0 ? this.activePriorities0 : this.activePriorities1;
    levels[cpu * APR_WORDS + (level >>> 5)]! |= 1 << (level & 31);
    let remaining = 0;
    if (intid < 16) {
      remaining = this.sgiSources(cpu, intid) & ~(1 << (value >>> 10));
      this.sources[cpu * 16 + intid] = remaining;
    }
    this.activate(cpu, slot);
    // The same SGI from another CPU is a request of its own (IHI 0048B 3.2.5).
    if (remaining !== 0) this.setLatch(cpu, 1 << intid);
    this.touch(cpu);
    return value;
  }

  /** A write of GICC_EOIR or GICC_AEOIR. */
  endOfInterrupt(cpu: number, value: number, secure: boolean): void {
    const intid = value & 0x3ff;
    if (intid >= this.intids || this.runningPriority(cpu) === IDLE_PRIORITY) return;
    const slot = this.slotOf(cpu, intid);
    const group = this.bitOf(this.group, slot);
    if (group === 0 && this.isRestricted(secure)) {
      this.guestError('gicc', 0x010, `Non-secure end of the Group 0 interrupt ${intid}`);
      return;
    }
    this.dropPriority(cpu, group);
    if (!this.isSplit(cpu, secure)) this.deactivate(cpu, slot);
  }

  private dropPriority(cpu: number, group: number): void {
    const levels = group === 0 ? this.activePriorities0 : this.activePriorities1;
    for (let i = cpu * APR_WORDS; i < (cpu + 1) * APR_WORDS; i++) {
      if (levels[i] === 0) continue;
      levels[i]! &= levels[i]! - 1;
      break;
    }
    this.touch(cpu);
  }

  /** A write of GICC_DIR. Without EOImode it is UNPREDICTABLE; ignored here. */
  deactivateInterrupt(cpu: number, value: number, secure: boolean): void {
    const intid = value & 0x3ff;
    if (intid >= this.intids) return;
    if (!this.isSplit(cpu, secure)) {
      this.guestError('gicc', 0x1000, 'GICC_DIR written while GICC_CTLR.EOImode is 0');
      return;
    }
    const slot = this.slotOf(cpu, intid);
    if (this.isRestricted(secure) && this.bitOf(this.group, slot) === 0) return;
    this.deactivate(cpu, slot);
  }

  private isSplit(cpu: number, secure: boolean): boolean {
    const mode = this.isRestricted(secure) ? GICC_EOIMODE_NS : GICC_EOIMODE;
    return (this.control[cpu]! & mode) !== 0;
  }

  groupName(slot: number): InterruptGroup {
    return this.bitOf(this.group, slot) === 0 ? 'Group 0' : 'Group 1';
  }

  /* --- State ------------------------------------------------------------------------------------------ */

  protected resetRegisters(): void {
    this.aliasedBinaryPoint.fill(MIN_ABPR);
    // SGIs cannot be disabled.
    for (let cpu = 0; cpu < this.cpus; cpu++) this.enabled[cpu] = 0xffff;
    // With one CPU the target registers read as zero and everything goes to it (IHI 0048B 4.3.12).
    if (this.cpus === 1) this.target.fill(1);
    if (this.nonSecureReset) {
      this.priority.fill(0x80);
      this.mask.fill(0x80);
    }
    this.applyDistributorControl();
  }

  protected derive(): void {
    this.applyDistributorControl();
  }

  protected stateArrays(): StateArrays {
    const { distributorControl, control, mask, binaryPoint, aliasedBinaryPoint, sources } = this;
    const { activePriorities0, activePriorities1 } = this;
    return {
      ...this.baseArrays,
      distributorControl,
      control,
      mask,
      binaryPoint,
      aliasedBinaryPoint,
      activePriorities0,
      activePriorities1,
      sources,
    };
  }
}
