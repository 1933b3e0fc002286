import type { Gicv3 } from './gicv3.ts';

/**
 * The registers with one field per interrupt, which distributor and redistributors have at the same offsets
 * (0x080 to 0xEFF). `offset` is that of the 32-bit word, `word` the core's word of the 32 interrupts meant.
 */
export function readInterruptRegister(gic: Gicv3, offset: number, word: number, secure: boolean): number {
  const restricted = gic.isRestricted(secure);
  switch (offset >>> 7) {
    case 0x1:
      return restricted ? 0 : gic.group[word]!;
    case 0x2:
    case 0x3:
      return (gic.enabled[word]! & gic.visible(word, secure)) >>> 0;
    case 0x4:
      return (gic.pending[word]! & gic.visible(word, secure, 1)) >>> 0;
    case 0x5:
      return (gic.pending[word]! & gic.visible(word, secure, 2)) >>> 0;
    case 0x6:
    case 0x7:
      return (gic.active[word]! & gic.visible(word, secure, 2)) >>> 0;
    case 0x18:
    case 0x19:
      return readConfiguration(gic, offset, word, secure);
    case 0x1a:
    case 0x1b:
      return restricted || gic.singleState ? 0 : gic.groupModifier[word]!;
    case 0x1c:
    case 0x1d:
      return restricted || gic.singleState ? 0 : gic.nonSecureAccess[word * 2 + halfOf(offset)]!;
    default:
      return 0;
  }
}

export function writeInterruptRegister(
  gic: Gicv3,
  offset: number,
  word: number,
  value: number,
  secure: boolean,
): void {
  const restricted = gic.isRestricted(secure);
  switch (offset >>> 7) {
    case 0x1:
      if (!restricted) gic.setGroup(gic.group, word, -1, value);
      break;
    case 0x2:
      gic.setEnabled(word, value & gic.visible(word, secure));
      break;
    case 0x3:
      gic.clearEnabled(word, value & gic.visible(word, secure));
      break;
    case 0x4:
      gic.setLatch(word, value & gic.visible(word, secure, 1));
      break;
    case 0x5:
      gic.clearLatch(word, value & gic.visible(word, secure, 2));
      break;
    case 0x6:
      gic.setActive(word, value & gic.visible(word, secure));
      break;
    case 0x7:
      gic.clearActive(word, value & gic.visible(word, secure));
      break;
    case 0x18:
    case 0x19:
      writeConfiguration(gic, offset, word, value, secure);
      break;
    case 0x1a:
    case 0x1b:
      if (!restricted && !gic.singleState) gic.setGroup(gic.groupModifier, word, -1, value);
      break;
    case 0x1c:
    case 0x1d:
      if (!restricted && !gic.singleState) gic.nonSecureAccess[word * 2 + halfOf(offset)] = value;
      break;
  }
}

/** Registers with two bits per interrupt: lower or upper sixteen of the word. */
function halfOf(offset: number): number {
  return (offset >>> 2) & 1;
}

function readConfiguration(gic: Gicv3, offset: number, word: number, secure: boolean): number {
  const edge = (gic.edge[word]! & gic.visible(word, secure)) >>> (halfOf(offset) * 16);
  let value = 0;
  for (let i = 0; i < 16; i++) value |= ((edge >>> i) & 1) << (i * 2 + 1);
  return value >>> 0;
}

function writeConfiguration(gic: Gicv3, offset: number, word: number, value: number, secure: boolean): void {
  const shift = halfOf(offset) * 16;
  // SGIs are edge-triggered for ever.
  if (word < gic.cpus && shift === 0) return;
  let edge = 0;
  for (let i = 0; i < 16; i++) edge |= ((value >>> (i * 2 + 1)) & 1) << i;
  gic.setEdge(word, (0xffff << shift) & gic.visible(word, secure), edge << shift);
}

/** GICD_IPRIORITYR and GICR_IPRIORITYR: Non-secure accesses see their half of the range (IHI 0069 4.8.1). */
export function readPriorities(gic: Gicv3, slot: number, size: 1 | 2 | 4, secure: boolean): number {
  const restricted = gic.isRestricted(secure);
  let value = 0;
  for (let i = 0; i < size; i++) {
    if (restricted && gic.bitOf(gic.group, slot + i) === 0) continue;
    const priority = gic.priority[slot + i]!;
    value |= (restricted ? (priority << 1) & 0xff : priority) << (i * 8);
  }
  return value >>> 0;
}

export function writePriorities(
  gic: Gicv3,
  slot: number,
  size: 1 | 2 | 4,
  value: number,
  secure: boolean,
): void {
  const restricted = gic.isRestricted(secure);
  for (let i = 0; i < size; i++) {
    if (restricted && gic.bitOf(gic.group, slot + i) === 0) continue;
    const priority = (value >>> (i * 8)) & 0xff;
    gic.setPriority(slot + i, restricted ? 0x80 | (priority >>> 1) : priority);
  }
}
