/*
 * The slow path of atomics (FEAT_LSE): like those of loads and stores in access.ts, a call either completes or leaves
 * a reason in CPU_EXIT and memory as it was.
 */
import { accessEl, ALONE, checkGuestWatches, checkWatches, fault, slow_load, slow_store, STOP, translateFor } from "./access";
import {
  ACC_SINGLE, EXIT_SINGLE, FRAME_CODE, FRAME_TABLE, G_WALK_PA, G_WATCH_COUNT, RADIX_READ_ONLY, RADIX_UNTOUCHED,
  WATCH_READ, WATCH_WRITE,
} from "./heap-layout";
import { CPU_DATA, CPU_DATA_HI, CPU_EXIT, CPU_WATCH_COUNT } from "./layout";
import { flagsAddress, radixEntry } from "./memory";
import { ACCESS_READ, ACCESS_WRITE } from "./mmu";

/** DFSC of an atomic to what cannot do it: no memory, or read-only memory (Arm ARM D17.2.37). */
const UNSUPPORTED: u32 = 0x35;

/**
 * Alignment, then translation. A fault that a read would have had is reported as that of a read (D17.2.37, ISS.WnR
 * of a Data Abort). False: CPU_EXIT is set.
 */
function mayUpdate(cpu: usize, va: u64, bytes: u32, desc: u32): bool {
  if (va & (bytes - 1)) {
    fault(cpu, va, 0x21, 0);
    return false;
  }
  const el = accessEl(cpu, desc);
  let code = translateFor(cpu, va, el, ACCESS_READ, desc & ACC_SINGLE);
  if (code == ALONE) return false;
  if (code) {
    fault(cpu, va, code, 0);
    return false;
  }
  code = translateFor(cpu, va, el, ACCESS_WRITE, desc & ACC_SINGLE);
  if (code == ALONE) return false;
  if (code) {
    fault(cpu, va, code, 1);
    return false;
  }
  const entry = radixEntry(load<u64>(G_WALK_PA));
  if (entry == 0 || entry & RADIX_READ_ONLY) {
    fault(cpu, va, UNSUPPORTED, 0);
    return false;
  }
  // Reads first: ISS.WnR is 0 where a read would have hit (Arm ARM D17.2.37, ISS of a Watchpoint exception).
  if (
    load<u32>(cpu, CPU_WATCH_COUNT) &&
    (checkGuestWatches(cpu, va, bytes, WATCH_READ, el) == STOP || checkGuestWatches(cpu, va, bytes, WATCH_WRITE, el) == STOP)
  ) {
    return false;
  }
  return true;
}

function signed(value: u64, sizeLog2: u32): i64 {
  const shift: u32 = 64 - (8 << sizeLog2);
  return (<i64>(value << shift)) >> shift;
}

/** Old value at `va`; `operation` is an index into ATOMIC_OPERATIONS of uops-extensions.ts. */
export function atomic(cpu: usize, va: u64, operand: u64, expected: u64, desc: u32, operation: u32): u64 {
  const sizeLog2 = desc & 3;
  if (!mayUpdate(cpu, va, 1 << sizeLog2, desc)) return 0;
  const old = slow_load(cpu, va, desc);
  if (load<u32>(cpu, CPU_EXIT)) return 0;
  const mask: u64 = sizeLog2 == 3 ? ~(<u64>0) : ((<u64>1) << (8 << sizeLog2)) - 1;
  let value = operand;
  switch (operation) {
    case 0: value = old + operand; break;
    case 1: value = old & ~operand; break;
    case 2: value = old ^ operand; break;
    case 3: value = old | operand; break;
    case 4: value = signed(old, sizeLog2) > signed(operand, sizeLog2) ? old : operand; break;
    case 5: value = signed(old, sizeLog2) < signed(operand, sizeLog2) ? old : operand; break;
    case 6: value = old > (operand & mask) ? old : operand; break;
    case 7: value = old < (operand & mask) ? old : operand; break;
    case 9: value = old == (expected & mask) ? operand : old; break;
    default:
  }
  slow_store(cpu, va, value & mask, desc);
  return old;
}

/**
 * 16 bytes into CPU_DATA and CPU_DATA_HI, of which an instruction may then store each half: all that could make
 * either store leave the block is settled here, as the instruction cannot begin again after the first.
 */
export function pair_for_update(cpu: usize, va: u64, desc: u32): void {
  if (!mayUpdate(cpu, va, 16, desc)) return;
  const pa = load<u64>(G_WALK_PA);
  const entry = radixEntry(pa);
  if (!(desc & ACC_SINGLE) && entry != RADIX_UNTOUCHED && load<u8>(flagsAddress(entry)) & (FRAME_CODE | FRAME_TABLE)) {
    store<u32>(cpu, EXIT_SINGLE, CPU_EXIT);
    return;
  }
  if (load<u32>(G_WATCH_COUNT) && checkWatches(cpu, va, pa, 16, WATCH_WRITE) == STOP) return;
  const low = slow_load(cpu, va, desc);
  if (load<u32>(cpu, CPU_EXIT)) return;
  const high = slow_load(cpu, va + 8, desc);
  if (load<u32>(cpu, CPU_EXIT)) return;
  store<u64>(cpu, low, CPU_DATA);
  store<u64>(cpu, high, CPU_DATA_HI);
}
