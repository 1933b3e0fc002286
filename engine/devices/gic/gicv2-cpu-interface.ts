import type { Device } from '../../base/device.ts';
import { IDLE_PRIORITY } from './constants.ts';
import type { Gicv2 } from './gicv2.ts';
import {
  APR_WORDS,
  GICC_CBPR,
  GICC_ENABLE_GRP1,
  GICC_EOIMODE,
  GICC_EOIMODE_NS,
  GICV2_CPU_INTERFACE,
  MIN_ABPR,
  MIN_BPR,
} from './gicv2-registers.ts';
import { reportUndefined } from './undefined-access.ts';

const CTLR_MASK_ONE_STATE = 0x21f;
const CTLR_MASK_SECURE = 0x61f;

/** GICC: 0x2000 bytes, the interface of the CPU that makes the access. */
export function gicv2CpuInterface(gic: Gicv2): Device {
  return {
    id: 'gicc',
    registers: GICV2_CPU_INTERFACE,
    read(offset, size, source) {
      // A part of GICC_IAR would acknowledge and lose the answer: like every read, only the word counts.
      const value = readRegister(gic, offset & ~3, Math.max(source.cpu, 0), source.secure);
      return size === 4 ? value : (value >>> ((offset & 3) * 8)) & (size === 1 ? 0xff : 0xffff);
    },
    write(offset, _size, value, source) {
      writeRegister(gic, offset, value, Math.max(source.cpu, 0), source.secure);
      gic.settle();
    },
    reset: () => {},
    save: () => ({}),
    load: () => {},
  };
}

function readRegister(gic: Gicv2, offset: number, cpu: number, secure: boolean): number {
  const restricted = gic.isRestricted(secure);
  switch (offset) {
    case 0x00:
      return readControl(gic, cpu, restricted);
    case 0x04:
      return restricted ? shiftedView(gic.mask[cpu]!) : gic.mask[cpu]!;
    case 0x08:
      if (!restricted) return gic.binaryPoint[cpu]!;
      // IHI 0048B 4.4.3: with CBPR the Non-secure copy shows the common one, plus one.
      if (gic.control[cpu]! & GICC_CBPR) return Math.min(gic.binaryPoint[cpu]! + 1, 7);
      return gic.aliasedBinaryPoint[cpu]!;
    case 0x0c:
    case 0x20: {
      if (offset === 0x20 && restricted) return 0;
      const value = gic.acknowledge(cpu, secure, offset === 0x20);
      gic.settle();
      return value;
    }
    case 0x14: {
      const running = gic.runningPriority(cpu);
      if (running === IDLE_PRIORITY) return 0xff;
      return restricted ? shiftedView(running) : running;
    }
    case 0x18:
      return gic.highestPending(cpu, secure, false);
    case 0x1c:
      return restricted ? 0 : gic.aliasedBinaryPoint[cpu]!;
    case 0x28:
      return restricted ? 0 : gic.highestPending(cpu, secure, true);
    case 0xd0:
    case 0xd4:
    case 0xd8:
    case 0xdc: {
      const index = (offset - 0xd0) >>> 2;
      if (!restricted) return gic.activePriorities0[cpu * APR_WORDS + index]!;
      // The Non-secure side sees the lower half of the priorities as if it were all of them.
      return index < 2 ? gic.activePriorities1[cpu * APR_WORDS + index + 2]! : 0;
    }
    case 0xe0:
    case 0xe4:
    case 0xe8:
    case 0xec:
      return restricted ? 0 : gic.activePriorities1[cpu * APR_WORDS + ((offset - 0xe0) >>> 2)]!;
    case 0xfc:
      return 0x0002_043b;
    default:
      reportUndefined(gic, 'gicc', GICV2_CPU_INTERFACE, offset, false);
      return 0;
  }
}

function writeRegister(gic: Gicv2, offset: number, value: number, cpu: number, secure: boolean): void {
  const restricted = gic.isRestricted(secure);
  switch (offset) {
    case 0x00:
      writeControl(gic, cpu, value, restricted);
      break;
    case 0x04:
      if (!restricted) gic.mask[cpu] = value & 0xff;
      // IHI 0048B 3.8: a Non-secure access cannot touch a mask in the Secure half of the range.
      else if (gic.mask[cpu]! & 0x80) gic.mask[cpu] = 0x80 | ((value & 0xff) >>> 1);
      break;
    case 0x08:
      if (!restricted) gic.binaryPoint[cpu] = Math.max(value & 7, MIN_BPR);
      else if (!(gic.control[cpu]! & GICC_CBPR)) gic.aliasedBinaryPoint[cpu] = Math.max(value & 7, MIN_ABPR);
      break;
    case 0x10:
      gic.endOfInterrupt(cpu, value, secure);
      break;
    case 0x24:
      if (!restricted) gic.endOfInterrupt(cpu, value, secure);
      break;
    case 0x1c:
      if (!restricted) gic.aliasedBinaryPoint[cpu] = Math.max(value & 7, MIN_ABPR);
      break;
    case 0xd0:
    case 0xd4:
    case 0xd8:
    case 0xdc: {
      const index = (offset - 0xd0) >>> 2;
      if (!restricted) gic.activePriorities0[cpu * APR_WORDS + index] = value;
      else if (index < 2) gic.activePriorities1[cpu * APR_WORDS + index + 2] = value;
      break;
    }
    case 0xe0:
    case 0xe4:
    case 0xe8:
    case 0xec:
      if (!restricted) gic.activePriorities1[cpu * APR_WORDS + ((offset - 0xe0) >>> 2)] = value;
      break;
    case 0x1000:
      gic.deactivateInterrupt(cpu, value, secure);
      break;
    default:
      reportUndefined(gic, 'gicc', GICV2_CPU_INTERFACE, offset, true);
  }
  gic.touch(cpu);
}

/** A priority value as the Non-secure side sees it (IHI 0048B 3.8.2). */
function shiftedView(priority: number): number {
  return priority & 0x80 ? (priority << 1) & 0xff : 0;
}

function readControl(gic: Gicv2, cpu: number, restricted: boolean): number {
  const control = gic.control[cpu]!;
  if (!restricted) return control;
  return (control & GICC_ENABLE_GRP1 ? 1 : 0) | (control & GICC_EOIMODE_NS ? GICC_EOIMODE : 0);
}

function writeControl(gic: Gicv2, cpu: number, value: number, restricted: boolean): void {
  if (!restricted) {
    gic.control[cpu] = value & (gic.hasSecurity ? CTLR_MASK_SECURE : CTLR_MASK_ONE_STATE);
    return;
  }
  const kept = gic.control[cpu]! & ~(GICC_ENABLE_GRP1 | GICC_EOIMODE_NS);
  gic.control[cpu] = kept | (value & 1 ? GICC_ENABLE_GRP1 : 0) | (value & GICC_EOIMODE ? GICC_EOIMODE_NS : 0);
}
