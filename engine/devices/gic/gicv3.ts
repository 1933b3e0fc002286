import type { Device } from '../../base/device.ts';
import type { IntId } from '../../base/units.ts';
import {
  FIRST_LPI,
  GROUP0,
  GROUP1,
  GROUP1_SECURE,
  IDLE_PRIORITY,
  NO_INTERRUPT,
  OUTPUT_FIQ,
  OUTPUT_IRQ,
} from './constants.ts';
import { GicCore } from './gic-core.ts';
import { readInterfaceRegister, writeInterfaceRegister } from './gicv3-cpu-interface.ts';
import { gicv3Distributor } from './gicv3-distributor.ts';
import { gicv3Redistributor } from './gicv3-redistributor.ts';
import {
  GICD_CTLR_ARE_NS,
  GICD_CTLR_ARE_S,
  GICD_CTLR_DS,
  GICD_CTLR_ENABLE_GRP0,
  GICD_CTLR_ENABLE_GRP1NS,
  GICD_CTLR_ENABLE_GRP1S,
  GICR_CTLR_CES,
  GICR_CTLR_ENABLE_LPIS,
  GICR_WAKER_CHILDREN_ASLEEP,
  GICR_WAKER_PROCESSOR_SLEEP,
} from './gicv3-registers.ts';
import type { SysregContext } from './gicv3-sysregs.ts';
import type { GicOptions, HeldBack, InterruptGroup } from './interrupt-controller.ts';
import type { StateArrays } from './state-arrays.ts';

/** Who owns the LPI tables in guest memory. Called inside a guest's access; may call `setPendingLpi`. */
export interface LpiTables {
  /** GICR_CTLR.EnableLPIs of a CPU was set or cleared. */
  enabled(cpu: number, enabled: boolean): void;
  /** The CPU took this LPI: it is no longer pending. The next one, if any, must be offered now. */
  acknowledged(cpu: number, intid: IntId): void;
}

const MAX_APR_WORDS = 4;

/** GICv3: state of distributor, redistributors and CPU interfaces of up to 512 CPUs. Affinity routing only. */
export class Gicv3 extends GicCore {
  readonly version = 3;
  readonly devices: readonly Device[];
  readonly lpis: boolean;
  readonly cpusPerCluster: number;
  readonly priorityBits: number;
  /** Priority bits that preempt. */
  readonly preemptionBits: number;
  /** Number of ICC_AP0R<n> and of ICC_AP1R<n> registers. */
  readonly aprWords: number;
  /** Smallest ICC_BPR0_EL1; the Non-secure ICC_BPR1_EL1 has one more. */
  readonly minBinaryPoint: number;

  /** GICD_CTLR as the Secure side sees it, in element 0. */
  readonly distributorControl = new Uint32Array(1);
  /** GICD_NSACR and GICR_NSACR: two words per 32 interrupts. */
  readonly nonSecureAccess: Uint32Array;
  /** GICD_IROUTER: low and high word per SPI. */
  readonly router: Uint32Array;
  readonly redistributorControl: Uint32Array;
  readonly waker: Uint8Array;
  /** GICR_PROPBASER and GICR_PENDBASER: low and high word per CPU. */
  readonly propertiesBase: Uint32Array;
  readonly pendingBase: Uint32Array;

  readonly mask: Uint8Array;
  /** ICC_BPR, ICC_IGRPEN: at cpu * 3 + group. */
  readonly binaryPoint: Uint8Array;
  readonly groupEnable: Uint8Array;
  /** ICC_AP<x>R: at (cpu * 3 + group) * 4 + n. */
  readonly activePriorities: Uint32Array;
  /** ICC_CTLR_EL1: CBPR and EOImode, at cpu * 2 + (1 for the Non-secure bank). */
  readonly interfaceControl: Uint8Array;
  /** ICC_CTLR_EL3: EOImode_EL3. */
  readonly interfaceControlEl3: Uint8Array;
  /** Exception level in bits 1:0, SCR_EL3.NS in bit 2. */
  private readonly cpuState: Uint8Array;
  /** The LPI offered to a CPU, as a key. */
  private readonly lpi: Int32Array;
  private lpiTables: LpiTables | undefined;

  constructor(options: GicOptions) {
    super(options, 512, false);
    const bits = options.priorityBits ?? 5;
    if (!(bits >= 5 && bits <= 8)) throw new RangeError(`GICv3 with ${bits} priority bits: must be 5 to 8`);
    this.lpis = options.lpis ?? true;
    this.cpusPerCluster = options.cpusPerCluster ?? 16;
    this.priorityBits = bits;
    this.preemptionBits = Math.min(bits, 7);
    this.aprWords = 1 << (this.preemptionBits - 5);
    this.minBinaryPoint = 7 - this.preemptionBits;
    const { cpus, words } = this;
    this.nonSecureAccess = new Uint32Array(words * 2);
    this.router = new Uint32Array((this.intids - 32) * 2);
    this.redistributorControl = new Uint32Array(cpus);
    this.waker = new Uint8Array(cpus);
    this.propertiesBase = new Uint32Array(cpus * 2);
    this.pendingBase = new Uint32Array(cpus * 2);
    this.mask = new Uint8Array(cpus);
    this.binaryPoint = new Uint8Array(cpus * 3);
    this.groupEnable = new Uint8Array(cpus * 3);
    this.activePriorities = new Uint32Array(cpus * 3 * MAX_APR_WORDS);
    this.interfaceControl = new Uint8Array(cpus * 2);
    this.interfaceControlEl3 = new Uint8Array(cpus);
    this.cpuState = new Uint8Array(cpus);
    this.lpi = new Int32Array(cpus);
    this.devices = [gicv3Distributor(this), ...this.redistributors(options)];
    this.reset();
  }

  private redistributors(options: GicOptions): Device[] {
    const regions = options.redistributorRegions ?? [Math.min(this.cpus, 123), Math.max(this.cpus - 123, 0)];
    const devices: Device[] = [];
    let first = 0;
    for (const size of regions) {
      const count = Math.min(size, this.cpus - first);
      if (count > 0) devices.push(gicv3Redistributor(this, `gicr${devices.length}`, first, count));
      first += Math.max(count, 0);
    }
    if (first !== this.cpus) {
      throw new RangeError(`redistributor regions hold ${first} CPUs, the machine has ${this.cpus}`);
    }
    return devices;
  }

  /* --- Security --------------------------------------------------------------------------------------- */

  /** GICD_CTLR.DS: one security state. */
  get singleState(): boolean {
    return (this.distributorControl[0]! & GICD_CTLR_DS) !== 0;
  }

  /** A Non-secure access while there are two security states. */
  isRestricted(secure: boolean): boolean {
    return !secure && !this.singleState;
  }

  groupOf(slot: number): number {
    if (this.bitOf(this.group, slot) !== 0) return GROUP1;
    return this.singleState ? GROUP0 : this.bitOf(this.groupModifier, slot);
  }

  /** GICD_NSACR or GICR_NSACR field of an interrupt, 0–3 (IHI 0069 12.9.25). */
  nonSecureAccessOf(slot: number): number {
    const word = this.nonSecureAccess[(slot >>> 5) * 2 + ((slot >>> 4) & 1)]!;
    return (word >>> ((slot & 15) * 2)) & 3;
  }

  /** Interrupts of a word that an access may see; with `grant`, also those whose NSACR is at least that. */
  visible(word: number, secure: boolean, grant = 4): number {
    if (!this.isRestricted(secure)) return -1;
    let visible = this.group[word]!;
    // GICR_NSACR is about sending SGIs only.
    if (grant > 3 || word < this.cpus) return visible;
    for (let i = 0; i < 32; i++) if (this.nonSecureAccessOf(word * 32 + i) >= grant) visible |= 1 << i;
    return visible;
  }

  override setCpuState(cpu: number, el: number, nonSecure: boolean): void {
    const value = (el & 3) | (nonSecure ? 4 : 0);
    if (!this.hasSecurity || this.cpuState[cpu] === value) return;
    this.cpuState[cpu] = value;
    this.touch(cpu);
    this.settle();
  }

  /* --- Distributor ------------------------------------------------------------------------------------ */

  writeDistributorControl(value: number, secure: boolean): void {
    const old = this.distributorControl[0]!;
    let control = old;
    if (this.isRestricted(secure)) {
      control = (old & ~GICD_CTLR_ENABLE_GRP1NS) | (value & GICD_CTLR_ENABLE_GRP1NS);
    } else if (this.singleState) {
      const writable = GICD_CTLR_ENABLE_GRP0 | GICD_CTLR_ENABLE_GRP1NS;
      control = (old & ~writable) | (value & writable);
    } else {
      const writable =
        GICD_CTLR_ENABLE_GRP0 | GICD_CTLR_ENABLE_GRP1NS | GICD_CTLR_ENABLE_GRP1S | GICD_CTLR_DS;
      control = (old & ~writable) | (value & writable);
      // Leaving two security states is final (IHI 0069 12.9.4).
      if (control & GICD_CTLR_DS) control &= ~(GICD_CTLR_ENABLE_GRP1S | GICD_CTLR_ARE_NS);
    }
    this.distributorControl[0] = control;
    this.applyDistributorControl();
  }

  private applyDistributorControl(): void {
    const control = this.distributorControl[0]!;
    this.setGroupEnables(
      (control & GICD_CTLR_ENABLE_GRP0) !== 0,
      (control & GICD_CTLR_ENABLE_GRP1S) !== 0,
      (control & GICD_CTLR_ENABLE_GRP1NS) !== 0,
      !this.singleState,
    );
  }

  /** Writes half of GICD_IROUTER of an SPI. */
  setRouter(slot: number, high: boolean, value: number): void {
    const index = (slot - this.cpus * 32) * 2;
    this.router[index + (high ? 1 : 0)] = value;
    this.setTarget(slot, this.routeOf(index));
  }

  routerOf(slot: number, high: boolean): number {
    return this.router[(slot - this.cpus * 32) * 2 + (high ? 1 : 0)]!;
  }

  /** QEMU: bit 31 (1 of N) has no effect, and an affinity without a CPU delivers nowhere. */
  private routeOf(index: number): number {
    const low = this.router[index]!;
    if ((this.router[index + 1]! & 0xff) !== 0 || (low & 0xff_0000) !== 0) return -1;
    return this.cpuAt((low >>> 8) & 0xff, low & 0xff);
  }

  /** CPU with an affinity 0.0.aff1.aff0, or -1. */
  cpuAt(aff1: number, aff0: number): number {
    const cpu = aff1 * this.cpusPerCluster + aff0;
    return aff0 < this.cpusPerCluster && cpu < this.cpus ? cpu : -1;
  }

  affinityOf(cpu: number): number {
    return (Math.floor(cpu / this.cpusPerCluster) << 8) | (cpu % this.cpusPerCluster);
  }

  override routeText(slot: number): string | undefined {
    if (slot < this.cpus * 32) return undefined;
    const low = this.routerOf(slot, false);
    return `${this.routerOf(slot, true) & 0xff}.${(low >>> 16) & 0xff}.${(low >>> 8) & 0xff}.${low & 0xff}`;
  }

  /* --- LPIs ------------------------------------------------------------------------------------------- */

  /** Connects the owner of the LPI tables (ITS). */
  connectLpis(tables: LpiTables): void {
    this.lpiTables = tables;
  }

  /** Offers a CPU its most urgent pending and enabled LPI; undefined when there is none. */
  setPendingLpi(cpu: number, lpi: { intid: IntId; priority: number } | undefined): void {
    const key = lpi === undefined ? NO_INTERRUPT : (lpi.priority << 16) | lpi.intid;
    const old = this.lpi[cpu]!;
    if (key === old) return;
    this.lpi[cpu] = key;
    const was = old === NO_INTERRUPT ? -1 : old & 0xffff;
    const is = lpi?.intid ?? -1;
    if (was !== is) {
      if (was >= 0) this.note('not-pending', was, cpu);
      if (is >= 0) this.note('pending', is, cpu);
    }
    this.rescan(cpu);
    this.settle();
  }

  /** The LPI a CPU is offered. */
  pendingLpi(cpu: number): { intid: IntId; priority: number } | undefined {
    const key = this.lpi[cpu]!;
    return key === NO_INTERRUPT ? undefined : { intid: key & 0xffff, priority: key >>> 16 };
  }

  protected override extraCandidate(cpu: number): number {
    // LPIs are always in (Non-secure) Group 1 (IHI 0069 5.1).
    const forwarded =
      (this.distributorControl[0]! & GICD_CTLR_ENABLE_GRP1NS) !== 0 &&
      (this.redistributorControl[cpu]! & GICR_CTLR_ENABLE_LPIS) !== 0;
    return forwarded ? this.lpi[cpu]! : NO_INTERRUPT;
  }

  writeRedistributorControl(cpu: number, value: number): void {
    if (!this.lpis) return;
    const enabled = (value & GICR_CTLR_ENABLE_LPIS) !== 0;
    const old = this.redistributorControl[cpu]!;
    if (((old & GICR_CTLR_ENABLE_LPIS) !== 0) === enabled) return;
    this.redistributorControl[cpu] = old ^ GICR_CTLR_ENABLE_LPIS;
    if (enabled && this.lpiTables === undefined) {
      this.guestError('gicr', 0, 'LPIs enabled, but nothing delivers any on this machine');
    }
    this.lpiTables?.enabled(cpu, enabled);
    this.rescan(cpu);
  }

  /* --- CPU interface ---------------------------------------------------------------------------------- */

  /**
   * Reads a CPU interface register, `key` as in gicv3-sysregs.ts. Undefined: no such register here (UNDEF).
   */
  readSysreg(cpu: number, key: number, context: SysregContext): number | undefined {
    const value = readInterfaceRegister(this, cpu, key, context);
    this.settle();
    return value;
  }

  /** Writes one; `high` is bits 63:32 (SGI registers). False: no such register here (UNDEF). */
  writeSysreg(cpu: number, key: number, low: number, high: number, context: SysregContext): boolean {
    const known = writeInterfaceRegister(this, cpu, key, low, high, context);
    this.touch(cpu);
    this.settle();
    return known;
  }

  signalHeldBack(cpu: number, slot: number, priority: number): HeldBack | undefined {
    const group = this.anyGroupOf(slot);
    if (this.groupEnable[cpu * 3 + group] === 0) return 'group disabled in the CPU interface';
    if (priority >= this.mask[cpu]!) return 'masked by PMR';
    const running = this.runningPriority(cpu);
    if (running === IDLE_PRIORITY) return undefined;
    const preempting = this.groupPriorityMask(cpu, group);
    return (priority & preempting) < (running & preempting) ? undefined : 'running priority is not lower';
  }

  /** Group of an interrupt; an LPI has a slot past the tables. */
  private anyGroupOf(slot: number): number {
    return slot >= this.words * 32 ? GROUP1 : this.groupOf(slot);
  }

  /** Group of the first interrupt of a CPU; only where there is one. */
  pendingGroup(cpu: number): number {
    return this.anyGroupOf(this.slotOf(cpu, this.first[cpu]! & 0xffff));
  }

  /** IHI 0069 4.6.2: which of the two exceptions a group is signalled as. */
  protected outputFor(cpu: number, slot: number): number {
    const group = this.anyGroupOf(slot);
    if (group === GROUP0) return OUTPUT_FIQ;
    if (!this.hasSecurity) return OUTPUT_IRQ;
    const state = this.cpuState[cpu]!;
    const atEl3 = (state & 3) === 3;
    const secure = atEl3 || (state & 4) === 0;
    if (group === GROUP1) return secure ? OUTPUT_FIQ : OUTPUT_IRQ;
    return secure && !atEl3 ? OUTPUT_IRQ : OUTPUT_FIQ;
  }

  /** Bits of a priority that preempt, for a group (IHI 0069 4.8.2). */
  groupPriorityMask(cpu: number, group: number): number {
    const common =
      (group === GROUP1_SECURE && (this.interfaceControl[cpu * 2]! & 1) !== 0) ||
      (group === GROUP1 && (this.interfaceControl[cpu * 2 + 1]! & 1) !== 0);
    const used = common ? GROUP0 : group;
    const point = this.binaryPoint[cpu * 3 + used]! - (used === GROUP1 ? 1 : 0);
    return (-1 << (point + 1)) & 0xff;
  }

  runningPriority(cpu: number): number {
    const base = cpu * 3 * MAX_APR_WORDS;
    for (let i = 0; i < this.aprWords; i++) {
      const at = base + i;
      const levels =
        this.activePriorities[at]! |
        this.activePriorities[at + MAX_APR_WORDS]! |
        this.activePriorities[at + 2 * MAX_APR_WORDS]!;
      if (levels !== 0) return (i * 32 + 31 - Math.clz32(levels & -levels)) << (this.minBinaryPoint + 1);
    }
    return IDLE_PRIORITY;
  }

  /** Group whose active priority is the most urgent, or -1. Group 0 wins over its equals, then Secure Group 1. */
  runningGroup(cpu: number): number {
    for (let i = 0; i < this.aprWords; i++) {
      let best = 0;
      let group = -1;
      for (let g = 0; g < 3; g++) {
        const levels = this.activePriorities[this.aprIndex(cpu, g, i)]! | 0;
        const lowest = levels & -levels;
        if (lowest !== 0 && (group < 0 || lowest >>> 0 < best)) {
          best = lowest >>> 0;
          group = g;
        }
      }
      if (group >= 0) return group;
    }
    return -1;
  }

  aprIndex(cpu: number, group: number, n: number): number {
    return (cpu * 3 + group) * MAX_APR_WORDS + n;
  }

  /** Takes the first pending interrupt: active priority set, pending becomes active. */
  acknowledgeFirst(cpu: number): void {
    const key = this.first[cpu]!;
    const intid = key & 0xffff;
    const group = this.pendingGroup(cpu);
    const priority = (key >>> 16) & this.groupPriorityMask(cpu, group);
    const level = priority >>> (8 - this.preemptionBits);
    this.activePriorities[this.aprIndex(cpu, group, level >>> 5)]! |= 1 << (level & 31);
    this.touch(cpu);
    if (intid < FIRST_LPI) {
      this.activate(cpu, this.slotOf(cpu, intid));
      return;
    }
    // LPIs have no active state (IHI 0069 5.1).
    this.note('acknowledge', intid, cpu);
    this.setPendingLpi(cpu, undefined);
    this.lpiTables?.acknowledged(cpu, intid);
  }

  dropPriority(cpu: number, group: number): void {
    for (let i = 0; i < this.aprWords; i++) {
      const at = this.aprIndex(cpu, group, i);
      const levels = this.activePriorities[at]!;
      if (levels === 0) continue;
      this.activePriorities[at] = levels & (levels - 1);
      break;
    }
    this.touch(cpu);
  }

  priorityMask(cpu: number): number {
    return this.mask[cpu]!;
  }

  groupName(slot: number): InterruptGroup {
    const group = this.groupOf(slot);
    if (group === GROUP0) return 'Group 0';
    if (group === GROUP1_SECURE) return 'Secure Group 1';
    return this.singleState ? 'Group 1' : 'Non-secure Group 1';
  }

  /* --- State ------------------------------------------------------------------------------------------ */

  protected resetRegisters(): void {
    this.distributorControl[0] = this.hasSecurity
      ? GICD_CTLR_ARE_S | GICD_CTLR_ARE_NS
      : GICD_CTLR_ARE_S | GICD_CTLR_DS;
    this.redistributorControl.fill(GICR_CTLR_CES);
    this.waker.fill(GICR_WAKER_PROCESSOR_SLEEP | GICR_WAKER_CHILDREN_ASLEEP);
    for (let cpu = 0; cpu < this.cpus; cpu++) {
      this.binaryPoint[cpu * 3 + GROUP0] = this.minBinaryPoint;
      this.binaryPoint[cpu * 3 + GROUP1_SECURE] = this.minBinaryPoint;
      this.binaryPoint[cpu * 3 + GROUP1] = this.minBinaryPoint + 1;
    }
    this.cpuState.fill(3);
    this.lpi.fill(NO_INTERRUPT);
    // GICD_IROUTER 0 is the CPU 0.0.0.0; words of private interrupts have no route.
    this.target.fill(0);
    this.applyDistributorControl();
  }

  protected derive(): void {
    this.applyDistributorControl();
  }

  protected stateArrays(): StateArrays {
    const { distributorControl, nonSecureAccess, router, redistributorControl, waker } = this;
    const { propertiesBase, pendingBase, mask, binaryPoint, groupEnable, activePriorities } = this;
    const { interfaceControl, interfaceControlEl3, cpuState, lpi } = this;
    return {
      ...this.baseArrays,
      distributorControl,
      nonSecureAccess,
      router,
      redistributorControl,
      waker,
      propertiesBase,
      pendingBase,
      mask,
      binaryPoint,
      groupEnable,
      activePriorities,
      interfaceControl,
      interfaceControlEl3,
      cpuState,
      lpi,
    };
  }
}
