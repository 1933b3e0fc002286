import type { DmaPort } from '../../base/device.ts';
import type { IntId } from '../../base/units.ts';
import { FIRST_LPI } from './constants.ts';
import type { Gicv3, LpiTables } from './gicv3.ts';
import { GICR_CTLR_ENABLE_LPIS } from './gicv3-registers.ts';

/** INTID bits - 1 that are implemented (GICD_TYPER.IDbits). */
const ID_BITS = 15;
const CONFIG_ENABLE = 1;

/**
 * LPIs of the redistributors: configuration and pending bits in guest memory (Arm IHI 0069, 5.1). As in QEMU
 * nothing of them is kept but the most urgent pending and enabled LPI of each CPU, which is what a change of
 * the tables by the guest has to be followed by INV for.
 */
export class LpiRedistributors implements LpiTables {
  readonly #gic: Gicv3;
  readonly #memory: DmaPort;
  readonly #byte = new Uint8Array(1);
  #table: Uint8Array = new Uint8Array(0);
  #configuration: Uint8Array = new Uint8Array(0);

  constructor(gic: Gicv3, memory: DmaPort) {
    this.#gic = gic;
    this.#memory = memory;
    gic.connectLpis(this);
  }

  enabled(cpu: number, enabled: boolean): void {
    if (enabled) this.refresh(cpu);
    else this.#gic.setPendingLpi(cpu, undefined);
  }

  acknowledged(cpu: number, intid: IntId): void {
    this.#setBit(cpu, intid, false);
    this.refresh(cpu);
  }

  /** Makes an LPI pending on a CPU, or not. An LPI the CPU has no room for is lost. */
  setPending(cpu: number, intid: IntId, pending: boolean): void {
    if (!this.#takes(cpu, intid) || !this.#setBit(cpu, intid, pending)) return;
    const offered = this.#gic.pendingLpi(cpu);
    if (!pending) {
      if (offered?.intid === intid) this.refresh(cpu);
      return;
    }
    const priority = this.#priorityOf(cpu, intid);
    if (priority === undefined) return;
    const isFirst =
      offered === undefined ||
      priority < offered.priority ||
      (priority === offered.priority && intid <= offered.intid);
    if (isFirst) this.#gic.setPendingLpi(cpu, { intid, priority });
  }

  /** Reads the tables again: INV, INVALL, and whenever the offered one went away. */
  refresh(cpu: number): void {
    const count = this.#count(cpu);
    if (count === 0) {
      this.#gic.setPendingLpi(cpu, undefined);
      return;
    }
    const pending = this.#pendingTable(cpu, count);
    let best: { intid: IntId; priority: number } | undefined;
    let configuration: Uint8Array | undefined;
    for (let at = 0; pending !== undefined && at < pending.length; at++) {
      for (let rest = pending[at]!; rest !== 0; rest &= rest - 1) {
        const lpi = at * 8 + 31 - Math.clz32(rest & -rest);
        configuration ??= this.#configurationTable(cpu, count);
        const entry = configuration?.[lpi];
        if (entry === undefined || (entry & CONFIG_ENABLE) === 0) continue;
        const priority = this.#priority(entry);
        if (best === undefined || priority < best.priority) best = { intid: FIRST_LPI + lpi, priority };
      }
    }
    this.#gic.setPendingLpi(cpu, best);
  }

  /** MOVI: an LPI that is pending goes along. */
  move(from: number, to: number, intid: IntId): void {
    if (from === to || !this.#takes(from, intid) || !this.#setBit(from, intid, false)) return;
    if (this.#gic.pendingLpi(from)?.intid === intid) this.refresh(from);
    this.setPending(to, intid, true);
  }

  /** MOVALL: everything pending on one CPU becomes pending on another. */
  moveAll(from: number, to: number): void {
    const count = Math.min(this.#count(from), this.#count(to));
    if (from === to || count === 0) return;
    const source = this.#pendingTable(from, count)?.slice();
    const target = this.#pendingTable(to, count)?.slice();
    if (source === undefined || target === undefined) return;
    for (let i = 0; i < target.length; i++) target[i]! |= source[i]!;
    source.fill(0);
    this.#memory.write(this.#pendingBase(from) + FIRST_LPI / 8, source);
    this.#memory.write(this.#pendingBase(to) + FIRST_LPI / 8, target);
    this.refresh(from);
    this.refresh(to);
  }

  /** LPIs the tables of a CPU have room for; 0 while LPIs are off. */
  #count(cpu: number): number {
    if ((this.#gic.redistributorControl[cpu]! & GICR_CTLR_ENABLE_LPIS) === 0) return 0;
    const bits = Math.min(this.#gic.propertiesBase[cpu * 2]! & 0x1f, ID_BITS);
    return Math.max(2 ** (bits + 1) - FIRST_LPI, 0);
  }

  #takes(cpu: number, intid: IntId): boolean {
    const lpi = intid - FIRST_LPI;
    return lpi >= 0 && lpi < this.#count(cpu);
  }

  /** GICR_PENDBASER bits 51:16. */
  #pendingBase(cpu: number): number {
    const { pendingBase } = this.#gic;
    return (pendingBase[cpu * 2 + 1]! & 0xf_ffff) * 2 ** 32 + ((pendingBase[cpu * 2]! & 0xffff_0000) >>> 0);
  }

  /** GICR_PROPBASER bits 51:12. */
  #configurationBase(cpu: number): number {
    const { propertiesBase } = this.#gic;
    return (
      (propertiesBase[cpu * 2 + 1]! & 0xf_ffff) * 2 ** 32 + ((propertiesBase[cpu * 2]! & 0xffff_f000) >>> 0)
    );
  }

  #pendingTable(cpu: number, count: number): Uint8Array | undefined {
    const bytes = count / 8;
    if (this.#table.length !== bytes) this.#table = new Uint8Array(bytes);
    return this.#read(cpu, this.#pendingBase(cpu) + FIRST_LPI / 8, this.#table);
  }

  #configurationTable(cpu: number, count: number): Uint8Array | undefined {
    if (this.#configuration.length !== count) this.#configuration = new Uint8Array(count);
    return this.#read(cpu, this.#configurationBase(cpu), this.#configuration);
  }

  #read(cpu: number, address: number, into: Uint8Array): Uint8Array | undefined {
    if (this.#memory.read(address, into)) return into;
    this.#gic.guestError('gicr0', 0, `CPU ${cpu}: LPI table at 0x${address.toString(16)} is not in memory`);
    return undefined;
  }

  #priorityOf(cpu: number, intid: IntId): number | undefined {
    const entry = this.#read(cpu, this.#configurationBase(cpu) + intid - FIRST_LPI, this.#byte)?.[0];
    return entry === undefined || (entry & CONFIG_ENABLE) === 0 ? undefined : this.#priority(entry);
  }

  #priority(entry: number): number {
    const priority = entry & 0xfc;
    // IHI 0069 5.1.1: with two security states LPIs are Non-secure, and in the lower half of the priorities.
    return this.#gic.singleState ? priority : 0x80 | (priority >>> 1);
  }

  /** Sets a pending bit. False: it had that value, or is not in memory. */
  #setBit(cpu: number, intid: IntId, pending: boolean): boolean {
    const address = this.#pendingBase(cpu) + (intid >>> 3);
    const byte = this.#read(cpu, address, this.#byte)?.[0];
    const bitmask = 1 << (intid & 7);
    if (byte === undefined || ((byte & bitmask) !== 0) === pending) return false;
    this.#byte[0] = byte ^ bitmask;
    return this.#memory.write(address, this.#byte);
  }
}
