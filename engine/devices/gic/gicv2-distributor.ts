import type { Device } from '../../base/device.ts';
import type { Gicv2 } from './gicv2.ts';
import { GICV2_DISTRIBUTOR, GICV2_ID } from './gicv2-registers.ts';
import { reportUndefined } from './undefined-access.ts';

/** GICD: 0x1000 bytes. Registers of 32 interrupts are one word of the core's bitmaps. */
export function gicv2Distributor(gic: Gicv2): Device {
  return {
    id: 'gicd',
    registers: GICV2_DISTRIBUTOR,
    read(offset, size, source) {
      const value = readWord(gic, offset & ~3, Math.max(source.cpu, 0), source.secure);
      return size === 4 ? value : (value >>> ((offset & 3) * 8)) & (size === 1 ? 0xff : 0xffff);
    },
    write(offset, size, value, source) {
      const shift = size === 4 ? 0 : (offset & 3) * 8;
      const lanes = size === 4 ? -1 : (size === 1 ? 0xff : 0xffff) << shift;
      const word = (value << shift) & lanes;
      writeWord(gic, offset & ~3, word, lanes, Math.max(source.cpu, 0), source.secure);
      gic.settle();
    },
    reset: () => gic.reset(),
    save: () => gic.save(),
    load: (state) => gic.load(state),
  };
}

/** GICD_IPRIORITYR and GICD_ITARGETSR. */
const isPerByte = (offset: number) => offset >= 0x400 && offset < 0xc00 && (offset & 0x3ff) < 0x3fc;

/** Index of the 32 interrupts of a one-bit-per-interrupt register. */
const indexOf = (offset: number) => (offset & 0x7c) >>> 2;

function readWord(gic: Gicv2, offset: number, cpu: number, secure: boolean): number {
  const bitmap = readBitmap(gic, offset, cpu, secure);
  if (bitmap !== undefined) return bitmap >>> 0;
  if (isPerByte(offset)) {
    const first = offset & 0x3ff;
    if (first >= gic.intids) return 0;
    let value = 0;
    for (let i = 0; i < 4; i++) {
      const byte =
        offset < 0x800
          ? readPriority(gic, gic.slotOf(cpu, first + i), secure)
          : readTargets(gic, cpu, first + i, secure);
      value |= byte << (i * 8);
    }
    return value >>> 0;
  }
  if (offset >= 0xc00 && offset < 0xd00) return readConfiguration(gic, offset, cpu, secure);
  if (offset >= 0xe00 && offset < 0xf00) return 0;
  if (offset >= 0xf10 && offset < 0xf30) {
    let value = 0;
    for (let i = 0; i < 4; i++) {
      const intid = (offset & 0xc) + i;
      if ((gic.visible(cpu, secure) >>> intid) & 1) value |= gic.sgiSources(cpu, intid) << (i * 8);
    }
    return value >>> 0;
  }
  if (offset >= 0xfd0 && offset < 0x1000) return GICV2_ID[(offset - 0xfd0) >>> 2]!;
  switch (offset) {
    case 0x000:
      return gic.isRestricted(secure) ? gic.distributorControl[0]! >>> 1 : gic.distributorControl[0]!;
    case 0x004:
      return typer(gic);
    case 0x008:
      return 0x43b;
    default:
      reportUndefined(gic, 'gicd', GICV2_DISTRIBUTOR, offset, false);
      return 0;
  }
}

function typer(gic: Gicv2): number {
  const lines = gic.itLinesNumber ?? gic.intids / 32 - 1;
  return lines | ((gic.cpus - 1) << 5) | (gic.hasSecurity ? 0x400 : 0);
}

function readBitmap(gic: Gicv2, offset: number, cpu: number, secure: boolean): number | undefined {
  if (offset < 0x080 || offset >= 0x400) return undefined;
  const index = indexOf(offset);
  if (index * 32 >= gic.intids) return 0;
  const word = gic.wordOf(cpu, index);
  const visible = gic.visible(word, secure);
  switch (offset >>> 7) {
    case 1:
      return gic.isRestricted(secure) ? 0 : gic.group[word]!;
    case 2:
    case 3:
      return gic.enabled[word]! & visible;
    case 4:
    case 5:
      return gic.pending[word]! & visible;
    default:
      return gic.active[word]! & visible;
  }
}

function writeWord(
  gic: Gicv2,
  offset: number,
  value: number,
  lanes: number,
  cpu: number,
  secure: boolean,
): void {
  if (offset >= 0x080 && offset < 0x400) {
    writeBitmap(gic, offset, value, lanes, cpu, secure);
  } else if (isPerByte(offset)) {
    const first = offset & 0x3ff;
    for (let i = 0; i < 4; i++) {
      if (((lanes >>> (i * 8)) & 1) === 0 || first + i >= gic.intids) continue;
      const byte = (value >>> (i * 8)) & 0xff;
      if (offset < 0x800) writePriority(gic, gic.slotOf(cpu, first + i), byte, secure);
      else writeTargets(gic, first + i, byte, secure);
    }
  } else if (offset >= 0xc00 && offset < 0xd00) {
    writeConfiguration(gic, offset, value, lanes, cpu, secure);
  } else if (offset >= 0xf10 && offset < 0xf30) {
    for (let i = 0; i < 4; i++) {
      const intid = (offset & 0xc) + i;
      if (((lanes >>> (i * 8)) & 1) === 0 || ((gic.visible(cpu, secure) >>> intid) & 1) === 0) continue;
      const byte = (value >>> (i * 8)) & 0xff;
      const sources = gic.sgiSources(cpu, intid);
      gic.setSgiSources(cpu, intid, offset < 0xf20 ? sources & ~byte : sources | byte);
    }
  } else if (offset === 0x000) {
    if ((lanes & 0xff) === 0) return;
    const old = gic.distributorControl[0]!;
    gic.distributorControl[0] = gic.isRestricted(secure) ? (old & 1) | ((value & 1) << 1) : value & 3;
    gic.applyDistributorControl();
  } else if (offset === 0xf00) {
    // Only a whole word says who and what (IHI 0048B 4.1.4).
    if (lanes === -1) gic.sendSgi(cpu, value, secure);
    else gic.guestError('gicd', offset, 'write of a part of GICD_SGIR');
  } else {
    reportUndefined(gic, 'gicd', GICV2_DISTRIBUTOR, offset, true);
  }
}

function writeBitmap(
  gic: Gicv2,
  offset: number,
  value: number,
  lanes: number,
  cpu: number,
  secure: boolean,
): void {
  const index = indexOf(offset);
  if (index * 32 >= gic.intids) return;
  const word = gic.wordOf(cpu, index);
  const bits = value & gic.visible(word, secure);
  // The enables of SGIs are fixed, and their pending bits belong to GICD_SGIR and xPENDSGIR.
  const notSgis = index === 0 ? bits & ~0xffff : bits;
  switch (offset >>> 7) {
    case 1:
      if (!gic.isRestricted(secure)) gic.setGroup(gic.group, word, lanes, value);
      break;
    case 2:
      gic.setEnabled(word, bits);
      break;
    case 3:
      gic.clearEnabled(word, notSgis);
      break;
    case 4:
      gic.setLatch(word, notSgis);
      break;
    case 5:
      gic.clearLatch(word, notSgis);
      break;
    case 6:
      gic.setActive(word, bits);
      break;
    default:
      gic.clearActive(word, bits);
  }
}

function canSee(gic: Gicv2, slot: number, secure: boolean): boolean {
  return !gic.isRestricted(secure) || gic.bitOf(gic.group, slot) !== 0;
}

function readPriority(gic: Gicv2, slot: number, secure: boolean): number {
  if (!canSee(gic, slot, secure)) return 0;
  const priority = gic.priority[slot]!;
  return gic.isRestricted(secure) ? (priority << 1) & 0xff : priority;
}

function writePriority(gic: Gicv2, slot: number, value: number, secure: boolean): void {
  if (!canSee(gic, slot, secure)) return;
  gic.setPriority(slot, gic.isRestricted(secure) ? 0x80 | (value >>> 1) : value);
}

function readTargets(gic: Gicv2, cpu: number, intid: number, secure: boolean): number {
  const slot = gic.slotOf(cpu, intid);
  if (gic.cpus === 1 || !canSee(gic, slot, secure)) return 0;
  return intid < 32 ? 1 << cpu : gic.target[slot]!;
}

function writeTargets(gic: Gicv2, intid: number, value: number, secure: boolean): void {
  if (intid < 32 || gic.cpus === 1) return;
  const slot = gic.slotOf(0, intid);
  if (canSee(gic, slot, secure)) gic.setTarget(slot, value & gic.allCpus);
}

/** Sixteen pairs of bits; only the upper of each is real: edge. */
function readConfiguration(gic: Gicv2, offset: number, cpu: number, secure: boolean): number {
  const first = (offset & 0xfc) * 4;
  if (first >= gic.intids) return 0;
  const word = gic.wordOf(cpu, first >>> 5);
  const edge = (gic.edge[word]! & gic.visible(word, secure)) >>> (first & 31);
  let value = 0;
  for (let i = 0; i < 16; i++) value |= ((edge >>> i) & 1) << (i * 2 + 1);
  return value >>> 0;
}

function writeConfiguration(
  gic: Gicv2,
  offset: number,
  value: number,
  lanes: number,
  cpu: number,
  secure: boolean,
): void {
  const first = (offset & 0xfc) * 4;
  if (first === 0 || first >= gic.intids) return;
  const word = gic.wordOf(cpu, first >>> 5);
  let mask = 0;
  let edge = 0;
  for (let i = 0; i < 16; i++) {
    mask |= ((lanes >>> (i * 2 + 1)) & 1) << i;
    edge |= ((value >>> (i * 2 + 1)) & 1) << i;
  }
  const shift = first & 31;
  gic.setEdge(word, (mask << shift) & gic.visible(word, secure), edge << shift);
}
