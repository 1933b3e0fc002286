import type { Device } from '../../base/device.ts';
import type { Gicv3 } from './gicv3.ts';
import {
  readInterruptRegister,
  readPriorities,
  writeInterruptRegister,
  writePriorities,
} from './gicv3-interrupt-registers.ts';
import {
  GICD_CTLR_ARE_NS,
  GICD_CTLR_ENABLE_GRP1NS,
  GICV3_DISTRIBUTOR,
  GICV3_DISTRIBUTOR_ID,
} from './gicv3-registers.ts';
import { reportUndefined } from './undefined-access.ts';

/** GICD: 64 KiB. */
export function gicv3Distributor(gic: Gicv3): Device {
  return {
    id: 'gicd',
    registers: GICV3_DISTRIBUTOR,
    read(offset, size, source) {
      const priority = prioritySlot(gic, offset, size);
      if (priority !== undefined)
        return priority < 0 ? 0 : readPriorities(gic, priority, size, source.secure);
      if (size === 4) return readWord(gic, offset, source.secure);
      gic.guestError('gicd', offset, `${size}-byte read of a distributor register`);
      return 0;
    },
    write(offset, size, value, source) {
      const priority = prioritySlot(gic, offset, size);
      if (priority !== undefined) {
        if (priority >= 0) writePriorities(gic, priority, size, value, source.secure);
      } else if (size === 4) {
        writeWord(gic, offset, value, source.secure);
      } else {
        gic.guestError('gicd', offset, `${size}-byte write of a distributor register`);
      }
      gic.settle();
    },
    read64(offset, source) {
      if (isRouter(offset)) {
        return (
          BigInt(readWord(gic, offset, source.secure)) |
          (BigInt(readWord(gic, offset + 4, source.secure)) << 32n)
        );
      }
      gic.guestError('gicd', offset, '8-byte read of a distributor register');
      return 0n;
    },
    write64(offset, value, source) {
      if (isRouter(offset)) {
        writeWord(gic, offset, Number(value & 0xffff_ffffn), source.secure);
        writeWord(gic, offset + 4, Number((value >> 32n) & 0xffff_ffffn), source.secure);
      } else {
        gic.guestError('gicd', offset, '8-byte write of a distributor register');
      }
      gic.settle();
    },
    reset: () => gic.reset(),
    save: () => gic.save(),
    load: (state) => gic.load(state),
  };
}

const isRouter = (offset: number) => offset >= 0x6000 && offset < 0x6000 + 1020 * 8;

/** Slot of an access to GICD_IPRIORITYR, -1 if those interrupts are not here, undefined for other registers. */
function prioritySlot(gic: Gicv3, offset: number, size: number): number | undefined {
  if (offset < 0x400 || offset >= 0x7fc) return undefined;
  const intid = offset - 0x400;
  return intid < 32 || intid + size > gic.intids ? -1 : gic.slotOf(0, intid);
}

/** Word of the core for a register with `perRegister` interrupts each; -1 for private or absent ones. */
function wordAt(gic: Gicv3, offset: number): number {
  const twoBits = offset >= 0xc00 && (offset < 0xd00 || offset >= 0xe00);
  const index = twoBits ? (offset & 0xf8) >>> 3 : (offset & 0x7c) >>> 2;
  return index === 0 || index * 32 >= gic.intids ? -1 : gic.wordOf(0, index);
}

const isInterruptRegister = (offset: number) =>
  (offset >= 0x080 && offset < 0x400) ||
  (offset >= 0xc00 && offset < 0xd80) ||
  (offset >= 0xe00 && offset < 0xf00);

/** IROUTER: SPIs the access may route (NSACR 3 lends Secure ones), else -1. */
function routerSlot(gic: Gicv3, offset: number, secure: boolean): number {
  const intid = (offset - 0x6000) >>> 3;
  if (intid < 32 || intid >= gic.intids) return -1;
  const slot = gic.slotOf(0, intid);
  if (gic.isRestricted(secure) && gic.bitOf(gic.group, slot) === 0 && gic.nonSecureAccessOf(slot) < 3)
    return -1;
  return slot;
}

function readWord(gic: Gicv3, offset: number, secure: boolean): number {
  if (isInterruptRegister(offset)) {
    const word = wordAt(gic, offset);
    return word < 0 ? 0 : readInterruptRegister(gic, offset, word, secure);
  }
  if (isRouter(offset)) {
    const slot = routerSlot(gic, offset, secure);
    return slot < 0 ? 0 : gic.routerOf(slot, (offset & 4) !== 0);
  }
  if (offset >= 0xffd0) return GICV3_DISTRIBUTOR_ID[(offset - 0xffd0) >>> 2]!;
  switch (offset) {
    case 0x0000: {
      const control = gic.distributorControl[0]!;
      if (!gic.isRestricted(secure)) return control;
      // The Non-secure view has ARE_NS where the Secure one has ARE_S (IHI 0069 12.9.4).
      return (control & GICD_CTLR_ENABLE_GRP1NS) | ((control & GICD_CTLR_ARE_NS) >>> 1);
    }
    case 0x0004:
      return typer(gic);
    case 0x0008:
      return 0x43b;
    case 0x000c:
    case 0x0010:
      return 0;
    default:
      reportUndefined(gic, 'gicd', GICV3_DISTRIBUTOR, offset, false);
      return 0;
  }
}

/** QEMU: 7.2 counts one group of 32 too few; 8.0 and later do not. */
function typer(gic: Gicv3): number {
  const lines = gic.itLinesNumber ?? gic.intids / 32 - 2;
  const noOneOfN = 1 << 25;
  const aff3Valid = 1 << 24;
  const idBits = 15 << 19;
  const lpis = gic.lpis ? 1 << 17 : 0;
  const securityExtn = gic.singleState ? 0 : 1 << 10;
  return noOneOfN | aff3Valid | idBits | lpis | securityExtn | Math.max(lines, 0);
}

function writeWord(gic: Gicv3, offset: number, value: number, secure: boolean): void {
  if (isInterruptRegister(offset)) {
    const word = wordAt(gic, offset);
    if (word >= 0) writeInterruptRegister(gic, offset, word, value, secure);
  } else if (isRouter(offset)) {
    const slot = routerSlot(gic, offset, secure);
    if (slot >= 0) gic.setRouter(slot, (offset & 4) !== 0, value);
  } else if (offset === 0x0000) {
    gic.writeDistributorControl(value, secure);
  } else {
    reportUndefined(gic, 'gicd', GICV3_DISTRIBUTOR, offset, true);
  }
}
