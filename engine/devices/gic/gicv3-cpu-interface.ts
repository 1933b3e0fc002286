import {
  FIRST_LPI,
  GROUP0,
  GROUP1,
  GROUP1_SECURE,
  IDLE_PRIORITY,
  INTID_NONSECURE,
  INTID_SECURE,
  INTID_SPURIOUS,
  NO_INTERRUPT,
} from './constants.ts';
import type { Gicv3 } from './gicv3.ts';
import type { SysregContext } from './gicv3-sysregs.ts';
import * as R from './gicv3-sysregs.ts';

const CTLR_CBPR = 1 << 0;
const CTLR_EOIMODE = 1 << 1;
const CTLR_EL3_EOIMODE = 1 << 2;
/** A3V, 24 INTID bits. */
const CTLR_FIXED = 0x8800;
const CTLR_EL3_NDS = 1 << 17;

/** In Secure state; EL3 always is. */
function isSecure(gic: Gicv3, context: SysregContext): boolean {
  return gic.hasSecurity && (context.el === 3 || !context.nonSecure);
}

/** Which copy of a banked register: Non-secure ones follow SCR_EL3.NS, at EL3 too. */
function bankOf(gic: Gicv3, context: SysregContext): typeof GROUP1 | typeof GROUP1_SECURE {
  return gic.hasSecurity && !context.nonSecure ? GROUP1_SECURE : GROUP1;
}

/** IHI 0069 4.8.6: Non-secure priorities are shown shifted where Group 0 belongs to EL3. */
function isShifted(gic: Gicv3, context: SysregContext): boolean {
  return gic.hasSecurity && !isSecure(gic, context) && context.fiqToEl3;
}

function shiftedView(priority: number): number {
  return priority & 0x80 ? (priority << 1) & 0xff : 0;
}

export function readInterfaceRegister(
  gic: Gicv3,
  cpu: number,
  key: number,
  context: SysregContext,
): number | undefined {
  const bank = bankOf(gic, context);
  switch (key) {
    case R.ICC_PMR_EL1: {
      const mask = gic.mask[cpu]!;
      return isShifted(gic, context) ? shiftedView(mask) & implementedPriority(gic) : mask;
    }
    case R.ICC_IAR0_EL1:
      return acknowledge(gic, cpu, context, true);
    case R.ICC_IAR1_EL1:
      return acknowledge(gic, cpu, context, false);
    case R.ICC_HPPIR0_EL1:
      return highestPending0(gic, cpu, context);
    case R.ICC_HPPIR1_EL1:
      return highestPending1(gic, cpu, context);
    case R.ICC_BPR0_EL1:
      return gic.binaryPoint[cpu * 3 + GROUP0]!;
    case R.ICC_BPR1_EL1:
      return readBinaryPoint1(gic, cpu, bank, context);
    case R.ICC_RPR_EL1: {
      const running = gic.runningPriority(cpu);
      if (running === IDLE_PRIORITY) return 0xff;
      return isShifted(gic, context) ? shiftedView(running) : running;
    }
    case R.ICC_CTLR_EL1:
      return gic.interfaceControl[controlIndex(cpu, bank)]! | CTLR_FIXED | ((gic.priorityBits - 1) << 8);
    case R.ICC_SRE_EL1:
      return 7;
    case R.ICC_SRE_EL2:
      return 0xf;
    case R.ICC_IGRPEN0_EL1:
      return gic.groupEnable[cpu * 3 + GROUP0]!;
    case R.ICC_IGRPEN1_EL1:
      return gic.groupEnable[cpu * 3 + bank]!;
    case R.ICC_SRE_EL3:
      return gic.hasSecurity ? 0xf : undefined;
    case R.ICC_IGRPEN1_EL3:
      if (!gic.hasSecurity) return undefined;
      return gic.groupEnable[cpu * 3 + GROUP1]! | (gic.groupEnable[cpu * 3 + GROUP1_SECURE]! << 1);
    case R.ICC_CTLR_EL3:
      return gic.hasSecurity ? readControlEl3(gic, cpu) : undefined;
    default: {
      const at = activePriorityIndex(gic, cpu, key, bank);
      return at === undefined ? undefined : gic.activePriorities[at]!;
    }
  }
}

export function writeInterfaceRegister(
  gic: Gicv3,
  cpu: number,
  key: number,
  low: number,
  high: number,
  context: SysregContext,
): boolean {
  const bank = bankOf(gic, context);
  switch (key) {
    case R.ICC_PMR_EL1:
      writeMask(gic, cpu, low & 0xff, context);
      return true;
    case R.ICC_EOIR0_EL1:
      endOfInterrupt(gic, cpu, low & 0xff_ffff, context, true);
      return true;
    case R.ICC_EOIR1_EL1:
      endOfInterrupt(gic, cpu, low & 0xff_ffff, context, false);
      return true;
    case R.ICC_DIR_EL1:
      deactivate(gic, cpu, low & 0xff_ffff, context);
      return true;
    case R.ICC_BPR0_EL1:
      gic.binaryPoint[cpu * 3 + GROUP0] = Math.max(low & 7, gic.minBinaryPoint);
      return true;
    case R.ICC_BPR1_EL1:
      writeBinaryPoint1(gic, cpu, low & 7, bank, context);
      return true;
    case R.ICC_SGI1R_EL1:
    case R.ICC_ASGI1R_EL1:
    case R.ICC_SGI0R_EL1:
      sendSgi(gic, cpu, key, low, high, context);
      return true;
    case R.ICC_CTLR_EL1: {
      // ICC_CTLR_EL3 owns CBPR as long as there are two security states.
      const writable = gic.hasSecurity && !gic.singleState ? CTLR_EOIMODE : CTLR_EOIMODE | CTLR_CBPR;
      const at = controlIndex(cpu, bank);
      gic.interfaceControl[at] = (gic.interfaceControl[at]! & ~writable) | (low & writable);
      return true;
    }
    case R.ICC_SRE_EL1:
    case R.ICC_SRE_EL2:
      return true;
    case R.ICC_IGRPEN0_EL1:
      gic.groupEnable[cpu * 3 + GROUP0] = low & 1;
      return true;
    case R.ICC_IGRPEN1_EL1:
      gic.groupEnable[cpu * 3 + bank] = low & 1;
      return true;
    case R.ICC_SRE_EL3:
      return gic.hasSecurity;
    case R.ICC_IGRPEN1_EL3:
      if (!gic.hasSecurity) return false;
      gic.groupEnable[cpu * 3 + GROUP1] = low & 1;
      gic.groupEnable[cpu * 3 + GROUP1_SECURE] = (low >>> 1) & 1;
      return true;
    case R.ICC_CTLR_EL3:
      if (!gic.hasSecurity) return false;
      writeControlEl3(gic, cpu, low);
      return true;
    default: {
      const at = activePriorityIndex(gic, cpu, key, bank);
      if (at === undefined) return false;
      // QEMU: so that the Non-secure side cannot claim a Secure priority, its registers 0 and 1 are fixed.
      const isAp1 = key >= R.ICC_AP1R0_EL1;
      if (gic.hasSecurity && isAp1 && bank === GROUP1 && key - R.ICC_AP1R0_EL1 < 2) return true;
      gic.activePriorities[at] = low;
      return true;
    }
  }
}

/* --- Priorities ---------------------------------------------------------------------------------------- */

function implementedPriority(gic: Gicv3): number {
  return (0xff << (8 - gic.priorityBits)) & 0xff;
}

function writeMask(gic: Gicv3, cpu: number, value: number, context: SysregContext): void {
  let mask = value;
  if (isShifted(gic, context)) {
    // A mask in the Secure half of the range is not the Non-secure side's to change.
    if ((gic.mask[cpu]! & 0x80) === 0) return;
    mask = 0x80 | (value >>> 1);
  }
  gic.mask[cpu] = mask & implementedPriority(gic);
}

/** With CBPR the Non-secure copy shows ICC_BPR0_EL1 plus one and cannot be written (IHI 0069 12.2.5). */
function isCommonBinaryPoint(gic: Gicv3, cpu: number, bank: number, context: SysregContext): boolean {
  return context.el < 3 && (gic.interfaceControl[controlIndex(cpu, bank)]! & CTLR_CBPR) !== 0;
}

function readBinaryPoint1(gic: Gicv3, cpu: number, bank: number, context: SysregContext): number {
  if (!isCommonBinaryPoint(gic, cpu, bank, context)) return gic.binaryPoint[cpu * 3 + bank]!;
  const common = gic.binaryPoint[cpu * 3 + GROUP0]!;
  return bank === GROUP1 ? Math.min(common + 1, 7) : common;
}

function writeBinaryPoint1(
  gic: Gicv3,
  cpu: number,
  value: number,
  bank: number,
  context: SysregContext,
): void {
  let to = bank;
  if (isCommonBinaryPoint(gic, cpu, bank, context)) {
    if (bank === GROUP1) return;
    to = GROUP0;
  }
  gic.binaryPoint[cpu * 3 + to] = Math.max(value, gic.minBinaryPoint + (to === GROUP1 ? 1 : 0));
}

function activePriorityIndex(gic: Gicv3, cpu: number, key: number, bank: number): number | undefined {
  const n0 = key - R.ICC_AP0R0_EL1;
  if (n0 >= 0 && n0 < gic.aprWords) return gic.aprIndex(cpu, GROUP0, n0);
  const n1 = key - R.ICC_AP1R0_EL1;
  if (n1 >= 0 && n1 < gic.aprWords) return gic.aprIndex(cpu, bank, n1);
  return undefined;
}

/* --- Control ------------------------------------------------------------------------------------------- */

function controlIndex(cpu: number, bank: number): number {
  return cpu * 2 + (bank === GROUP1 ? 1 : 0);
}

function readControlEl3(gic: Gicv3, cpu: number): number {
  const secure = gic.interfaceControl[cpu * 2]!;
  const nonSecure = gic.interfaceControl[cpu * 2 + 1]!;
  return (
    gic.interfaceControlEl3[cpu]! |
    CTLR_FIXED |
    CTLR_EL3_NDS |
    ((gic.priorityBits - 1) << 8) |
    (secure & CTLR_CBPR ? 1 << 0 : 0) |
    (nonSecure & CTLR_CBPR ? 1 << 1 : 0) |
    (secure & CTLR_EOIMODE ? 1 << 3 : 0) |
    (nonSecure & CTLR_EOIMODE ? 1 << 4 : 0)
  );
}

function writeControlEl3(gic: Gicv3, cpu: number, value: number): void {
  gic.interfaceControlEl3[cpu] = value & CTLR_EL3_EOIMODE;
  gic.interfaceControl[cpu * 2] = (value & 1 ? CTLR_CBPR : 0) | (value & (1 << 3) ? CTLR_EOIMODE : 0);
  gic.interfaceControl[cpu * 2 + 1] =
    (value & (1 << 1) ? CTLR_CBPR : 0) | (value & (1 << 4) ? CTLR_EOIMODE : 0);
}

function isSplit(gic: Gicv3, cpu: number, context: SysregContext): boolean {
  if (gic.hasSecurity && context.el === 3) return (gic.interfaceControlEl3[cpu]! & CTLR_EL3_EOIMODE) !== 0;
  return (gic.interfaceControl[controlIndex(cpu, bankOf(gic, context))]! & CTLR_EOIMODE) !== 0;
}

/* --- The life of an interrupt -------------------------------------------------------------------------- */

/** The first pending interrupt if its group is enabled here. The priority mask does not matter to HPPIR. */
function enabledFirst(gic: Gicv3, cpu: number): { intid: number; group: number } | undefined {
  const key = gic.first[cpu]!;
  if (key === NO_INTERRUPT) return undefined;
  const group = gic.pendingGroup(cpu);
  return gic.groupEnable[cpu * 3 + group] === 0 ? undefined : { intid: key & 0xffff, group };
}

function highestPending0(gic: Gicv3, cpu: number, context: SysregContext): number {
  const first = enabledFirst(gic, cpu);
  if (first === undefined) return INTID_SPURIOUS;
  const atEl3 = gic.hasSecurity && context.el === 3;
  const belongsToSecure = !gic.singleState && first.group !== GROUP1;
  if (first.group !== GROUP0 && !atEl3) return INTID_SPURIOUS;
  if (belongsToSecure && !isSecure(gic, context)) return INTID_SPURIOUS;
  // EL3 learns that there is a Group 1 interrupt and for which state (IHI 0069 2.2.1).
  if (first.group !== GROUP0) return belongsToSecure ? INTID_SECURE : INTID_NONSECURE;
  return first.intid;
}

function highestPending1(gic: Gicv3, cpu: number, context: SysregContext): number {
  const first = enabledFirst(gic, cpu);
  if (first === undefined || first.group === GROUP0) return INTID_SPURIOUS;
  const secure = isSecure(gic, context);
  const atEl3 = gic.hasSecurity && context.el === 3;
  if (!gic.singleState && first.group === GROUP1_SECURE) {
    if (!secure) return INTID_SPURIOUS;
  } else if (secure && !atEl3) {
    return INTID_SPURIOUS;
  }
  return first.intid;
}

function acknowledge(gic: Gicv3, cpu: number, context: SysregContext, group0: boolean): number {
  const key = gic.first[cpu]!;
  if (key === NO_INTERRUPT) return INTID_SPURIOUS;
  const slot = gic.slotOf(cpu, key & 0xffff);
  if (gic.signalHeldBack(cpu, slot, key >>> 16) !== undefined) return INTID_SPURIOUS;
  const intid = group0 ? highestPending0(gic, cpu, context) : highestPending1(gic, cpu, context);
  if (intid < INTID_SECURE || intid > INTID_SPURIOUS) gic.acknowledgeFirst(cpu);
  return intid;
}

function isKnown(gic: Gicv3, intid: number): boolean {
  return intid < gic.intids || (gic.lpis && intid >= FIRST_LPI);
}

function endOfInterrupt(
  gic: Gicv3,
  cpu: number,
  intid: number,
  context: SysregContext,
  group0: boolean,
): void {
  if (!isKnown(gic, intid)) return;
  const group = gic.runningGroup(cpu);
  if (group < 0 || (group === GROUP0) !== group0) return;
  const secure = isSecure(gic, context);
  const atEl3 = gic.hasSecurity && context.el === 3;
  if (group === GROUP0) {
    if (gic.hasSecurity && !gic.singleState && !secure) return;
  } else if (group === GROUP1_SECURE) {
    if (!secure) return;
  } else if (secure && !atEl3) {
    return;
  }
  gic.dropPriority(cpu, group);
  if (!isSplit(gic, cpu, context) && intid < gic.intids) gic.deactivate(cpu, gic.slotOf(cpu, intid));
}

/** ICC_DIR_EL1. LPIs have no active state, and without EOImode it does nothing. */
function deactivate(gic: Gicv3, cpu: number, intid: number, context: SysregContext): void {
  if (intid >= gic.intids || !isSplit(gic, cpu, context)) return;
  const slot = gic.slotOf(cpu, intid);
  const belongsToSecure = !gic.singleState && gic.groupOf(slot) !== GROUP1;
  if (belongsToSecure && !isSecure(gic, context)) return;
  // A group that is routed to EL3 is EL3's to deactivate (IHI 0069 12.2.10).
  const toEl3 = gic.groupOf(slot) === GROUP0 ? context.fiqToEl3 : context.irqToEl3;
  if (gic.hasSecurity && context.el < 3 && toEl3) return;
  gic.deactivate(cpu, slot);
}

/* --- SGIs ---------------------------------------------------------------------------------------------- */

function sendSgi(
  gic: Gicv3,
  cpu: number,
  key: number,
  low: number,
  high: number,
  context: SysregContext,
): void {
  const secure = isSecure(gic, context);
  let group: number = GROUP0;
  if (key === R.ICC_SGI1R_EL1) group = secure ? GROUP1_SECURE : GROUP1;
  if (key === R.ICC_ASGI1R_EL1) group = secure ? GROUP1 : GROUP1_SECURE;
  // With one security state there is no Secure Group 1.
  if (group === GROUP1_SECURE && gic.singleState) group = GROUP0;
  const intid = (low >>> 24) & 0xf;
  if (high & (1 << 8)) {
    for (let target = 0; target < gic.cpus; target++) {
      if (target !== cpu) sendSgiTo(gic, target, intid, group, secure);
    }
    return;
  }
  const otherAffinity = ((high >>> 16) & 0xff) | (high & 0xff);
  if (otherAffinity !== 0) return;
  for (let rest = low & 0xffff; rest !== 0; rest &= rest - 1) {
    const target = gic.cpuAt((low >>> 16) & 0xff, 31 - Math.clz32(rest & -rest));
    if (target >= 0) sendSgiTo(gic, target, intid, group, secure);
  }
}

/** The target's configuration decides (IHI 0069 table 4-9). */
function sendSgiTo(gic: Gicv3, target: number, intid: number, group: number, secure: boolean): void {
  const slot = gic.slotOf(target, intid);
  const configured = gic.groupOf(slot);
  // A Secure Group 1 request may also reach an SGI that is in Group 0.
  const wanted = group === GROUP1_SECURE && configured === GROUP0 ? GROUP0 : group;
  if (wanted !== configured) return;
  if (gic.isRestricted(secure) && configured !== GROUP1) {
    if (gic.nonSecureAccessOf(slot) < (configured === GROUP0 ? 1 : 2)) return;
  }
  gic.setLatch(target, 1 << intid);
}
