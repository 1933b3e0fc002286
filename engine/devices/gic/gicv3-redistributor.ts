import type { Device } from '../../base/device.ts';
import type { Gicv3 } from './gicv3.ts';
import {
  readInterruptRegister,
  readPriorities,
  writeInterruptRegister,
  writePriorities,
} from './gicv3-interrupt-registers.ts';
import {
  GICR_CTLR_ENABLE_LPIS,
  GICR_WAKER_CHILDREN_ASLEEP,
  GICR_WAKER_PROCESSOR_SLEEP,
  GICV3_REDISTRIBUTOR,
  GICV3_REDISTRIBUTOR_ID,
  REDISTRIBUTOR_STRIDE,
  SGI_FRAME,
} from './gicv3-registers.ts';
import { reportUndefined } from './undefined-access.ts';

const CTLR = 0x0000;
const IIDR = 0x0004;
const TYPER = 0x0008;
const WAKER = 0x0014;
const PROPBASER = 0x0070;
const PENDBASER = 0x0078;
const LAST_64 = PENDBASER + 4;
const PENDBASER_PTZ_HIGH = 1 << 30;

/** A redistributor region: the frames of `count` CPUs, `firstCpu` first. */
export function gicv3Redistributor(gic: Gicv3, id: string, firstCpu: number, count: number): Device {
  const lastCpu = firstCpu + count - 1;

  function readWord(cpu: number, offset: number, secure: boolean): number {
    if (offset >= SGI_FRAME) {
      const inFrame = offset - SGI_FRAME;
      if (isInterruptRegister(inFrame)) return readInterruptRegister(gic, inFrame, cpu, secure);
    } else if (offset >= 0xffd0) {
      return GICV3_REDISTRIBUTOR_ID[(offset - 0xffd0) >>> 2]!;
    } else {
      switch (offset) {
        case CTLR:
          return gic.redistributorControl[cpu]!;
        case IIDR:
          return 0x43b;
        case TYPER: {
          const commonLpiAffinity = 1 << 24;
          return commonLpiAffinity | (cpu << 8) | (cpu === lastCpu ? 1 << 4 : 0) | (gic.lpis ? 1 : 0);
        }
        case TYPER + 4:
          return gic.affinityOf(cpu);
        case WAKER:
          return gic.waker[cpu]!;
        case PROPBASER:
        case PROPBASER + 4:
          return gic.propertiesBase[cpu * 2 + ((offset >>> 2) & 1)]!;
        case PENDBASER:
          return gic.pendingBase[cpu * 2]!;
        case PENDBASER + 4:
          // IHI 0069 12.11: PTZ is write only and reads as zero.
          return gic.pendingBase[cpu * 2 + 1]! & ~PENDBASER_PTZ_HIGH;
      }
    }
    reportUndefined(gic, id, GICV3_REDISTRIBUTOR, offset, false);
    return 0;
  }

  function writeWord(cpu: number, offset: number, value: number, secure: boolean): void {
    if (offset >= SGI_FRAME && isInterruptRegister(offset - SGI_FRAME)) {
      writeInterruptRegister(gic, offset - SGI_FRAME, cpu, value, secure);
      return;
    }
    switch (offset) {
      case CTLR:
        gic.writeRedistributorControl(cpu, value);
        break;
      case WAKER:
        // QEMU: sleep is only remembered; it neither holds interrupts back nor takes time.
        gic.waker[cpu] =
          value & GICR_WAKER_PROCESSOR_SLEEP ? GICR_WAKER_PROCESSOR_SLEEP | GICR_WAKER_CHILDREN_ASLEEP : 0;
        break;
      case PROPBASER:
      case PROPBASER + 4:
        reportWhileEnabled(cpu, offset);
        gic.propertiesBase[cpu * 2 + ((offset >>> 2) & 1)] = value;
        break;
      case PENDBASER:
      case PENDBASER + 4:
        reportWhileEnabled(cpu, offset);
        gic.pendingBase[cpu * 2 + ((offset >>> 2) & 1)] = value;
        break;
      default:
        reportUndefined(gic, id, GICV3_REDISTRIBUTOR, offset, true);
    }
  }

  /** IHI 0069 12.11: unpredictable while EnableLPIs is 1. QEMU: the new value is used from the next access on. */
  function reportWhileEnabled(cpu: number, offset: number): void {
    if ((gic.redistributorControl[cpu]! & GICR_CTLR_ENABLE_LPIS) === 0) return;
    const name = offset < PENDBASER ? 'GICR_PROPBASER' : 'GICR_PENDBASER';
    gic.guestError(id, offset, `write to ${name} of CPU ${cpu} while its LPIs are enabled`);
  }

  const cpuAt = (offset: number) => {
    const cpu = firstCpu + Math.floor(offset / REDISTRIBUTOR_STRIDE);
    return cpu <= lastCpu ? cpu : -1;
  };

  return {
    id,
    registers: GICV3_REDISTRIBUTOR,
    read(offset, size, source) {
      const cpu = cpuAt(offset);
      const local = offset % REDISTRIBUTOR_STRIDE;
      if (cpu < 0) return 0;
      if (isPriority(local, size)) return readPriorities(gic, cpu * 32 + (local & 31), size, source.secure);
      if (size === 4) return readWord(cpu, local, source.secure);
      gic.guestError(id, offset, `${size}-byte read of a redistributor register`);
      return 0;
    },
    write(offset, size, value, source) {
      const cpu = cpuAt(offset);
      const local = offset % REDISTRIBUTOR_STRIDE;
      if (cpu < 0) return;
      if (isPriority(local, size)) writePriorities(gic, cpu * 32 + (local & 31), size, value, source.secure);
      else if (size === 4) writeWord(cpu, local, value, source.secure);
      else gic.guestError(id, offset, `${size}-byte write of a redistributor register`);
      gic.settle();
    },
    read64(offset, source) {
      const cpu = cpuAt(offset);
      const local = offset % REDISTRIBUTOR_STRIDE;
      if (cpu < 0) return 0n;
      if (!isLong(local)) {
        gic.guestError(id, offset, '8-byte read of a redistributor register');
        return 0n;
      }
      const low = BigInt(readWord(cpu, local, source.secure));
      return low | (BigInt(readWord(cpu, local + 4, source.secure)) << 32n);
    },
    write64(offset, value, source) {
      const cpu = cpuAt(offset);
      const local = offset % REDISTRIBUTOR_STRIDE;
      if (cpu < 0) return;
      if (!isLong(local)) {
        gic.guestError(id, offset, '8-byte write of a redistributor register');
        return;
      }
      writeWord(cpu, local, Number(value & 0xffff_ffffn), source.secure);
      writeWord(cpu, local + 4, Number((value >> 32n) & 0xffff_ffffn), source.secure);
      gic.settle();
    },
    reset: () => {},
    save: () => ({}),
    load: () => {},
  };
}

const isPriority = (offset: number, size: number) =>
  offset >= SGI_FRAME + 0x400 && offset + size <= SGI_FRAME + 0x420;

const isLong = (offset: number) =>
  offset === TYPER || (offset >= PROPBASER && offset < LAST_64 && (offset & 7) === 0);

/** The word registers of 32 interrupts at the start of each group of them. */
function isInterruptRegister(offset: number): boolean {
  const inGroup = offset & 0x7f;
  if (offset >= 0x080 && offset < 0x400) return inGroup === 0;
  return offset === 0xc00 || offset === 0xc04 || offset === 0xd00 || offset === 0xe00;
}
