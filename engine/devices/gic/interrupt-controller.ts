import type { Device, DeviceState, InterruptLine } from '../../base/device.ts';
import type { InterruptEvent } from '../../base/events.ts';
import type { IntId } from '../../base/units.ts';

/** Levels of the physical interrupt outputs to one CPU. */
export interface InterruptOutputs {
  readonly irq: boolean;
  readonly fiq: boolean;
}

/** Sees what happens to interrupts; `target` is the CPU for banked interrupts and CPU actions, else -1. */
export type InterruptObserver = (what: InterruptEvent['what'], intid: IntId, target: number) => void;

export interface GicOptions {
  /** GICv2: 1–8. GICv3: 1–512. */
  readonly cpus: number;
  /** Number of interrupt IDs including the 32 private ones, a multiple of 32. The virt board: 288. */
  readonly intids?: number;
  /** Two security states (the CPUs have EL3). Default false: GICD_CTLR.DS is fixed to 1 on GICv3. */
  readonly hasSecurity?: boolean;
  /** Reset as if firmware had given every interrupt to the Non-secure side (direct kernel boot with EL3). */
  readonly nonSecureReset?: boolean;
  /** Priority bits of the GICv3 CPU interface, 5–8; default 5. GICv2 always has 8. */
  readonly priorityBits?: number;
  /** GICv3: redistributors report physical LPIs. Default true; something must then be `connectLpis`ed. */
  readonly lpis?: boolean;
  /** GICD_TYPER.ITLinesNumber where it is not (intids / 32) - 1. */
  readonly itLinesNumber?: number;
  /** CPUs per Aff1 value; default 8 (GICv2) or 16 (GICv3). */
  readonly cpusPerCluster?: number;
  /** GICv3: how many CPUs each redistributor region holds; default 123, then the rest. */
  readonly redistributorRegions?: readonly number[];
  /** Called only when an output level of a CPU changes; never by `load` (see `irq`, `fiq`). */
  readonly outputs: (cpu: number, levels: InterruptOutputs) => void;
  readonly observer?: InterruptObserver;
  /** The guest did something undefined; `device` is the face's id, e.g. `gicd`. */
  readonly guestError?: (device: string, offset: number, message: string) => void;
}

export type InterruptGroup = 'Group 0' | 'Group 1' | 'Secure Group 1' | 'Non-secure Group 1';

/** Why a CPU is not being interrupted by an interrupt, in the order in which hardware would ask. */
export type HeldBack =
  | 'not pending'
  | 'not enabled'
  | 'active already'
  | 'group disabled in the distributor'
  | 'not routed to this CPU'
  | 'another pending interrupt is first'
  | 'group disabled in the CPU interface'
  | 'masked by PMR'
  | 'running priority is not lower';

/** One interrupt as one CPU sees it. */
export interface InterruptStatus {
  readonly intid: IntId;
  readonly enabled: boolean;
  readonly pending: boolean;
  /** Pending by edge or by software, not (only) because the line is high. */
  readonly latched: boolean;
  readonly active: boolean;
  readonly priority: number;
  readonly group: InterruptGroup;
  readonly trigger: 'edge' | 'level';
  readonly line: boolean;
  /** Indexes of the CPUs it can be delivered to. */
  readonly targets: readonly number[];
  /** GICv2 SGIs: CPUs with an unacknowledged request. */
  readonly sources: readonly number[];
  /** GICv3 SPIs: GICD_IROUTER as Aff3.Aff2.Aff1.Aff0. */
  readonly route?: string;
  /** Undefined: this CPU's IRQ or FIQ is asserted for this interrupt. */
  readonly heldBack?: HeldBack;
}

export interface CpuInterruptStatus extends InterruptOutputs {
  readonly cpu: number;
  readonly priorityMask: number;
  /** 0x100 when idle. */
  readonly runningPriority: number;
  readonly interrupts: readonly InterruptStatus[];
}

/** What the machine needs of either GIC. */
export interface InterruptController {
  readonly version: 2 | 3;
  readonly cpus: number;
  readonly intids: number;
  /** Memory-mapped faces. The first saves, loads and resets the whole controller; the others do nothing there. */
  readonly devices: readonly Device[];
  /** Wire of a shared interrupt (INTID 32 and up). Throws RangeError for one that does not exist. */
  spi(intid: IntId): InterruptLine;
  /** Wire of a private interrupt (INTID 16–31) of a CPU. Throws RangeError for one that does not exist. */
  ppi(cpu: number, intid: IntId): InterruptLine;
  /** Present levels of the outputs. */
  irq(cpu: number): boolean;
  fiq(cpu: number): boolean;
  /**
   * Tells the exception level and SCR_EL3.NS of a CPU. Only GICv3 with two security states cares, where the
   * choice between IRQ and FIQ depends on them (IHI 0069 4.6.2).
   */
  setCpuState(cpu: number, el: number, nonSecure: boolean): void;
  inspect(cpu: number): CpuInterruptStatus;
  reset(): void;
  save(): DeviceState;
  /** Throws if the state does not fit this controller. */
  load(state: DeviceState): void;
}
