/*
 * The slow path of loads, stores and instruction fetches: what generated code calls when its inline TLB
 * lookup misses. A call either completes the access, or leaves a reason in CPU_EXIT and the machine as it
 * was before the instruction.
 */
import {
  CPU_ADDR, CPU_CONTEXT, CPU_CONTEXT_GUARDED, CPU_DATA, CPU_EL, CPU_EXIT, CPU_EXCLUSIVE, CPU_EXCLUSIVE_ADDR, CPU_EXCLUSIVE_SIZE,
  CPU_FAULT, CPU_FAULT_ISS, CPU_SYSREGS, CPU_TLB, CPU_WATCHES, CPU_WATCH_COUNT, SYS_TCR_EL1,
} from "./layout";
import {
  ACC_ALIGNED, ACC_SINGLE, ACC_UNPRIVILEGED, EXIT_FAULT, EXIT_NO_MEMORY, EXIT_SINGLE, EXIT_WATCH,
  ATTR_GUARDED, FAULT_BRANCH_TARGET, FAULT_SP_ALIGNMENT, FAULT_WATCHPOINT,
  FRAME_CODE, FRAME_DIRTY, FRAME_SHARED, FRAME_SLOW_STORES, FRAME_TABLE,
  FRAME_WRITABLE_CACHED, G_BREAK_COUNT, G_BREAK_LIST, G_CODE_TABLES, G_FRAMES, G_FRAME_PAGES, G_WALK_UPDATE, G_WALK_UPDATE_AT, G_STAT_SLOW, G_WALK_ATTRS, G_WALK_PA, G_ZERO_FRAME,
  RADIX_READ_ONLY, RADIX_UNTOUCHED, TLB_ENTRIES, TLB_FETCH, TLB_SET, TLB_WRITE, G_CODE_TABLE_STRIDE,
  G_WATCH_COUNT, G_WATCH_LIST, WATCH_BYTES, WATCH_NUMBER_SHIFT, WATCH_READ, WATCH_VIRTUAL, WATCH_WRITE,
} from "./heap-layout";
import { flagsAddress, frameForWrite, noteZeroRead, radixEntry } from "./memory";
import {
  ACCESS_FETCH, ACCESS_READ, ACCESS_WRITE, areMarksFull, ATTR_DEVICE, isIdleTable, noteWriter, tableWritten, tlbFill, tlbFlushAll, walk,
} from "./mmu";

/** Device read of 1 << sizeLog2 bytes at the physical address in CPU_ADDR; the value comes back in CPU_DATA. */
@external("env", "mmioRead")
declare function mmioRead(cpu: usize, sizeLog2: u32): void;
/** Device write of the value in CPU_DATA. */
@external("env", "mmioWrite")
declare function mmioWrite(cpu: usize, sizeLog2: u32): void;
/**
 * A store into a frame that holds translated code. Returns 1 if it hits a translated instruction while
 * `single` is 0: the instruction must then be run alone. Otherwise drops what it hits and returns 0.
 */
@external("env", "codeWritten")
declare function codeWritten(frame: u32, offset: u32, bytes: u32, single: u32): u32;
/** A store into a frame that a checkpoint shares: keep a copy, clear the flag. */
@external("env", "unshare")
declare function unshare(frame: u32): void;
/**
 * A byte of watched range `index` is about to be touched, virtual address in CPU_ADDR: 1 = stop before the
 * access. Must not translate addresses.
 */
@external("env", "watched")
declare function watched(cpu: usize, index: u32, pa: f64, bytes: u32, isWrite: u32): u32;
/** A byte that watchpoint `number` of the CPU names is about to be touched from `el`: 1 = it matches. */
@external("env", "guestWatched")
declare function guestWatched(cpu: usize, number: u32, el: u32): u32;

export function fault(cpu: usize, va: u64, dfsc: u32, isWrite: u32): void {
  store<u64>(cpu, va, CPU_ADDR);
  store<u32>(cpu, dfsc & 0x3f, CPU_FAULT);
  store<u32>(cpu, isWrite << 6, CPU_FAULT_ISS);
  store<u32>(cpu, EXIT_FAULT, CPU_EXIT);
}

/** ISS of a data abort: by cache maintenance. */
const ISS_CM: u32 = 1 << 8;

// @ts-ignore: decorator
@inline
export function accessEl(cpu: usize, desc: u32): u32 {
  const el = load<u32>(cpu, CPU_EL);
  return desc & ACC_UNPRIVILEGED && el == 1 ? 0 : el;
}

// @ts-ignore: decorator
@inline
function tlbSet(cpu: usize, el: u32): u32 {
  // CPU_TLB is the set of the present EL; the other one (unprivileged accesses from EL1) is next to it.
  return load<u32>(cpu, CPU_TLB) + (el == 0 && load<u32>(cpu, CPU_EL) != 0 ? TLB_SET : 0);
}

/** `code` is what the translation gave: memory that could not be translated has no attributes. */
function mustAlign(cpu: usize, desc: u32, code: u32): bool {
  if (desc & ACC_ALIGNED) return true;
  // SCTLR_ELx.A is checked by micro-ops of its own, since it goes by elements.
  // SPEC-GAP: with the MMU off all data accesses are Device-nGnRnE and unaligned ones fault; like QEMU 7.2
  // they are let through here.
  return code == 0 && (load<u32>(G_WALK_ATTRS) & ATTR_DEVICE) != 0;
}

/** From translateFor: the access must be made by a run of this instruction alone. */
export const ALONE: u32 = 0x100;

/** Does what a walk with FEAT_HAFDBS asks for. False: it might change the mapping of the code that is running. */
function updateDescriptor(single: u32): bool {
  const at = load<u32>(G_WALK_UPDATE_AT);
  const value = load<u64>(G_WALK_UPDATE);
  const frame = at & ~4095;
  const flagsAt = flagsAddress(frame);
  if (load<u8>(flagsAt) & FRAME_CODE && codeWritten(frame, at & 4095, 8, single)) return false;
  // An access flag that is clear is never cached, a page that is clean may be.
  if ((load<u64>(at) ^ value) & 0x80) {
    if (!single) return false;
    tableWritten(frame, at & 4095, 8);
  }
  if (load<u8>(flagsAt) & FRAME_SHARED) unshare(frame);
  store<u8>(flagsAt, load<u8>(flagsAt) | FRAME_DIRTY);
  store<u64>(at, value);
  return true;
}

/** Translation for an access that will be made: like `walk`, and hardware's updates of the descriptor are done. */
export function translateFor(cpu: usize, va: u64, el: u32, access: u32, single: u32): u32 {
  if (areMarksFull()) {
    if (!single) {
      store<u32>(cpu, EXIT_SINGLE, CPU_EXIT);
      return ALONE;
    }
    tlbFlushAll();
  }
  const code = walk(cpu, va, el, access, true);
  if (code || !load<u32>(G_WALK_UPDATE_AT)) return code;
  if (isReadOnly(load<u32>(G_WALK_UPDATE_AT))) return code;
  if (!updateDescriptor(single)) {
    store<u32>(cpu, EXIT_SINGLE, CPU_EXIT);
    return ALONE;
  }
  // Again, as what was marked for it may have been forgotten.
  return walk(cpu, va, el, access, true);
}

/** Tables in flash stay as they are. */
function isReadOnly(at: u32): bool {
  const page = load<u32>(load<u32>(G_FRAME_PAGES) + ((at - load<u32>(G_FRAMES)) >> 12 << 2));
  return (radixEntry((<u64>page) << 12) & RADIX_READ_ONLY) != 0;
}

/**
 * With an access descriptor: the translation must not go into the TLB. Of an access to two pages, what was marked
 * for the first may have been forgotten since.
 */
const ACC_UNCACHED: u32 = 32;

const NOT_WATCHED: u32 = 0;
/** A byte of the page is watched, so the TLB must not know the page. */
const PAGE_WATCHED: u32 = 1;
/** Stop before the access; CPU_EXIT is set. */
export const STOP: u32 = 2;

export function checkWatches(cpu: usize, va: u64, pa: u64, bytes: u32, kind: u32): u32 {
  const list = load<u32>(G_WATCH_LIST);
  const count = load<u32>(G_WATCH_COUNT);
  let result = NOT_WATCHED;
  for (let i: u32 = 0; i < count; i++) {
    const at = list + i * WATCH_BYTES;
    const flags = load<u32>(at, 16);
    if (!(flags & kind)) continue;
    const first = load<u64>(at), last = load<u64>(at, 8);
    const address = flags & WATCH_VIRTUAL ? va : pa;
    const page = address & ~(<u64>4095);
    if (page > last || page + 4095 < first) continue;
    result = PAGE_WATCHED;
    if (address > last || address + bytes - 1 < first) continue;
    store<u64>(cpu, va, CPU_ADDR);
    if (watched(cpu, i, <f64>pa, bytes, kind == WATCH_WRITE ? 1 : 0)) {
      store<u32>(cpu, EXIT_WATCH, CPU_EXIT);
      return STOP;
    }
  }
  return result;
}

// @ts-ignore: decorator
@inline
export function hasWatches(cpu: usize): bool {
  return (load<u32>(G_WATCH_COUNT) | load<u32>(cpu, CPU_WATCH_COUNT)) != 0;
}

/**
 * The guest's own watchpoints (Arm ARM shared/debug AArch64.WatchpointByteMatch). STOP: CPU_EXIT says that the access
 * takes a Watchpoint exception. FAR is the lowest byte that is accessed and watched, as on QEMU; the architecture
 * allows any from the lowest accessed byte to the highest watched one. A page is kept out of the TLB whatever is
 * watched there, reads or writes: an atomic reads through the entry for writes.
 */
export function checkGuestWatches(cpu: usize, va: u64, bytes: u32, kind: u32, el: u32): u32 {
  const count = load<u32>(cpu, CPU_WATCH_COUNT);
  const address = <u64>((<i64>(va << 8)) >> 8); // address tags do not count
  const page = address & ~(<u64>4095);
  let result = NOT_WATCHED;
  for (let i: u32 = 0; i < count; i++) {
    const at = cpu + i * WATCH_BYTES;
    const first = load<u64>(at, CPU_WATCHES), last = load<u64>(at, CPU_WATCHES + 8);
    if (page > last || (page | 4095) < first) continue;
    result = PAGE_WATCHED;
    const flags = load<u32>(at, CPU_WATCHES + 16);
    if (!(flags & kind) || address > last || address + (bytes - 1) < first) continue;
    if (!guestWatched(cpu, flags >> WATCH_NUMBER_SHIFT, el)) continue;
    fault(cpu, first > address ? va + (first - address) : va, 0, kind == WATCH_WRITE ? 1 : 0);
    store<u32>(cpu, FAULT_WATCHPOINT, CPU_FAULT);
    return STOP;
  }
  return result;
}

/** Both kinds of watches. */
function checkAllWatches(cpu: usize, va: u64, pa: u64, bytes: u32, kind: u32, el: u32): u32 {
  const watch = checkWatches(cpu, va, pa, bytes, kind);
  if (watch == STOP || !load<u32>(cpu, CPU_WATCH_COUNT)) return watch;
  return max<u32>(watch, checkGuestWatches(cpu, va, bytes, kind, el));
}

/** Reads one access that does not cross a page; pa and va known. Fills the TLB where that is allowed. */
function loadInPage(cpu: usize, va: u64, pa: u64, sizeLog2: u32, desc: u32, el: u32): u64 {
  let watch = NOT_WATCHED;
  if (hasWatches(cpu)) {
    watch = checkAllWatches(cpu, va, pa, 1 << sizeLog2, WATCH_READ, el);
    if (watch == STOP) return 0;
  }
  const entry = radixEntry(pa);
  if (entry == 0) {
    if (!(desc & ACC_SINGLE)) {
      store<u32>(cpu, EXIT_SINGLE, CPU_EXIT);
      return 0;
    }
    store<u64>(cpu, pa, CPU_ADDR);
    mmioRead(cpu, sizeLog2);
    if (load<u32>(cpu, CPU_EXIT) == EXIT_FAULT) store<u64>(cpu, va, CPU_ADDR);
    return load<u64>(cpu, CPU_DATA);
  }
  const frame = entry == RADIX_UNTOUCHED ? load<u32>(G_ZERO_FRAME) : entry & ~RADIX_READ_ONLY;
  if (watch == NOT_WATCHED && !(desc & ACC_UNCACHED) && !(load<u32>(G_WALK_ATTRS) & ATTR_DEVICE)) {
    const at = tlbFill(tlbSet(cpu, el), 0, va, frame - (<u32>va & ~4095), frame);
    if (entry == RADIX_UNTOUCHED) noteZeroRead(at);
  }
  const at = frame + (<u32>pa & 4095);
  return sizeLog2 == 3 ? load<u64>(at) : sizeLog2 == 2 ? load<u32>(at) : sizeLog2 == 1 ? load<u16>(at) : load<u8>(at);
}

export function slow_load(cpu: usize, va: u64, desc: u32): u64 {
  const el = accessEl(cpu, desc);
  const sizeLog2 = desc & 3;
  const bytes: u32 = 1 << sizeLog2;
  // Halves of a pair that crosses a page come here though each is in the TLB.
  const entry = tlbSet(cpu, el) + (((<u32>(va >> 12)) & (TLB_ENTRIES - 1)) << 4);
  if (load<u64>(entry) == ((va + (bytes - 1)) & ~(<u64>4095)) && !(desc & ACC_ALIGNED)) {
    const at = <u32>va + load<u32>(entry, 8);
    return sizeLog2 == 3 ? load<u64>(at) : sizeLog2 == 2 ? load<u32>(at) : sizeLog2 == 1 ? load<u16>(at) : load<u8>(at);
  }
  store<u64>(G_STAT_SLOW, load<u64>(G_STAT_SLOW) + 1);
  const code = translateFor(cpu, va, el, ACCESS_READ, desc & ACC_SINGLE);
  if (code == ALONE) return 0;
  if (va & (bytes - 1)) {
    if (mustAlign(cpu, desc, code)) {
      fault(cpu, va, 0x21, 0);
      return 0;
    }
    if (code == 0 && (<u32>va & 4095) + bytes > 4096) {
      // Both pages must translate before either is touched.
      const pa = load<u64>(G_WALK_PA);
      const second = (va + bytes) & ~(<u64>4095);
      const code2 = translateFor(cpu, second, el, ACCESS_READ, desc & ACC_SINGLE);
      if (code2 == ALONE) return 0;
      if (code2) {
        fault(cpu, second, code2, 0);
        return 0;
      }
      const pa2 = load<u64>(G_WALK_PA);
      const first: u32 = 4096 - (<u32>va & 4095);
      let value: u64 = 0;
      for (let i: u32 = 0; i < bytes; i++) {
        const byte = i < first
          ? loadInPage(cpu, va + i, pa + i, 0, desc | ACC_UNCACHED, el)
          : loadInPage(cpu, va + i, pa2 + (i - first), 0, desc | ACC_UNCACHED, el);
        if (load<u32>(cpu, CPU_EXIT)) return 0;
        value |= byte << (i << 3);
      }
      return value;
    }
  }
  if (code) {
    fault(cpu, va, code, 0);
    return 0;
  }
  return loadInPage(cpu, va, load<u64>(G_WALK_PA), sizeLog2, desc, el);
}

/** Whether a store to this page may be one that must be made by a run of the instruction alone. */
function mayLeave(pa: u64): bool {
  const entry = radixEntry(pa);
  if (entry == RADIX_UNTOUCHED) return false;
  if (entry == 0 || entry & RADIX_READ_ONLY) return true;
  return (load<u8>(flagsAddress(entry)) & (FRAME_CODE | FRAME_TABLE)) != 0;
}

/** True: go on and store at the returned frame; 0 frame with CPU_EXIT or a finished device write otherwise. */
function storeInPage(cpu: usize, va: u64, pa: u64, value: u64, sizeLog2: u32, desc: u32, el: u32): void {
  const bytes: u32 = 1 << sizeLog2;
  const single = desc & ACC_SINGLE;
  let watch = NOT_WATCHED;
  if (hasWatches(cpu)) {
    watch = checkAllWatches(cpu, va, pa, bytes, WATCH_WRITE, el);
    if (watch == STOP) return;
  }
  const entry = radixEntry(pa);
  if (entry == 0 || entry & RADIX_READ_ONLY) {
    if (!single) {
      store<u32>(cpu, EXIT_SINGLE, CPU_EXIT);
      return;
    }
    store<u64>(cpu, pa, CPU_ADDR);
    store<u64>(cpu, value, CPU_DATA);
    mmioWrite(cpu, sizeLog2);
    if (load<u32>(cpu, CPU_EXIT) == EXIT_FAULT) store<u64>(cpu, va, CPU_ADDR);
    return;
  }
  let frame = entry;
  if (entry == RADIX_UNTOUCHED) {
    frame = frameForWrite(pa);
    if (frame == 0) {
      store<u32>(cpu, EXIT_NO_MEMORY, CPU_EXIT);
      return;
    }
  }
  const flagsAt = flagsAddress(frame);
  const offset = <u32>pa & 4095;
  let flags: u32 = load<u8>(flagsAt);
  let isCached: bool = (desc & ACC_UNCACHED) == 0;
  if (flags & FRAME_SLOW_STORES) {
    if (flags & FRAME_CODE && codeWritten(frame, offset, bytes, single)) {
      store<u32>(cpu, EXIT_SINGLE, CPU_EXIT);
      return;
    }
    if (flags & FRAME_TABLE) {
      if (!single) {
        // The store may change the mapping of the code that is running, or have the table forgotten that maps it.
        let changes = isIdleTable(frame);
        for (let at = offset & ~7; at < offset + bytes; at += 8) if (load<u64>(frame + at) & 1) changes = true;
        if (changes) {
          store<u32>(cpu, EXIT_SINGLE, CPU_EXIT);
          return;
        }
      }
      tableWritten(frame, offset, bytes);
      // The tables that this translation came from may not be marked any more, or be what is about to change.
      isCached = false;
    }
    if (flags & FRAME_SHARED) unshare(frame);
  }
  flags = load<u8>(flagsAt) | FRAME_DIRTY;
  if (isCached && !(flags & FRAME_SLOW_STORES) && watch == NOT_WATCHED && !(load<u32>(G_WALK_ATTRS) & ATTR_DEVICE)) {
    noteWriter(frame, flags, va);
    flags |= FRAME_WRITABLE_CACHED;
    tlbFill(tlbSet(cpu, el), TLB_WRITE, va, frame - (<u32>va & ~4095), frame);
  }
  store<u8>(flagsAt, flags);
  const at = frame + offset;
  if (sizeLog2 == 3) store<u64>(at, value);
  else if (sizeLog2 == 2) store<u32>(at, <u32>value);
  else if (sizeLog2 == 1) store<u16>(at, <u16>value);
  else store<u8>(at, <u8>value);
}

export function slow_store(cpu: usize, va: u64, value: u64, desc: u32): void {
  const el = accessEl(cpu, desc);
  const sizeLog2 = desc & 3;
  const bytes: u32 = 1 << sizeLog2;
  const entry = tlbSet(cpu, el) + TLB_WRITE + (((<u32>(va >> 12)) & (TLB_ENTRIES - 1)) << 4);
  if (load<u64>(entry) == ((va + (bytes - 1)) & ~(<u64>4095)) && !(desc & ACC_ALIGNED)) {
    const at = <u32>va + load<u32>(entry, 8);
    if (sizeLog2 == 3) store<u64>(at, value);
    else if (sizeLog2 == 2) store<u32>(at, <u32>value);
    else if (sizeLog2 == 1) store<u16>(at, <u16>value);
    else store<u8>(at, <u8>value);
    return;
  }
  store<u64>(G_STAT_SLOW, load<u64>(G_STAT_SLOW) + 1);
  const code = translateFor(cpu, va, el, ACCESS_WRITE, desc & ACC_SINGLE);
  if (code == ALONE) return;
  if (va & (bytes - 1)) {
    if (mustAlign(cpu, desc, code)) {
      fault(cpu, va, 0x21, 1);
      return;
    }
    if (code == 0 && (<u32>va & 4095) + bytes > 4096) {
      const pa = load<u64>(G_WALK_PA);
      const second = (va + bytes) & ~(<u64>4095);
      const code2 = translateFor(cpu, second, el, ACCESS_WRITE, desc & ACC_SINGLE);
      if (code2 == ALONE) return;
      if (code2) {
        fault(cpu, second, code2, 1);
        return;
      }
      const pa2 = load<u64>(G_WALK_PA);
      if (load<u32>(cpu, CPU_WATCH_COUNT) && checkGuestWatches(cpu, va, bytes, WATCH_WRITE, el) == STOP) return;
      // Before the first byte: what it changes might change the second translation.
      if (!(desc & ACC_SINGLE) && (mayLeave(pa) || mayLeave(pa2))) {
        store<u32>(cpu, EXIT_SINGLE, CPU_EXIT);
        return;
      }
      const first: u32 = 4096 - (<u32>va & 4095);
      for (let i: u32 = 0; i < bytes; i++) {
        const byte = (value >> (i << 3)) & 0xff;
        if (i < first) storeInPage(cpu, va + i, pa + i, byte, 0, desc | ACC_UNCACHED, el);
        else storeInPage(cpu, va + i, pa2 + (i - first), byte, 0, desc | ACC_UNCACHED, el);
        if (load<u32>(cpu, CPU_EXIT)) return;
      }
      return;
    }
  }
  if (code) {
    fault(cpu, va, code, 1);
    return;
  }
  storeInPage(cpu, va, load<u64>(G_WALK_PA), value, sizeLog2, desc, el);
}

/* ------------------------------------------------------------------ exclusives and atomics */

/*
 * DETERMINISM: CPUs take turns, and the end of a turn clears the monitor (the architecture allows an
 * exclusive store to fail at any time), so no other observer can have stored between LDXR and STXR.
 */

/** Load of the (first) element of an exclusive pair or single; arms the monitor for the virtual address. */
export function load_exclusive(cpu: usize, va: u64, desc: u32, totalLog2: u32): u64 {
  const total: u32 = 1 << totalLog2;
  if (va & (total - 1)) {
    fault(cpu, va, 0x21, 0);
    return 0;
  }
  const value = slow_load(cpu, va, desc);
  if (load<u32>(cpu, CPU_EXIT)) return 0;
  store<u32>(cpu, 1, CPU_EXCLUSIVE);
  store<u32>(cpu, total, CPU_EXCLUSIVE_SIZE);
  store<u64>(cpu, va, CPU_EXCLUSIVE_ADDR);
  return value;
}

/**
 * 0 if the exclusive store to `va` may go ahead, 1 if it must fail. The same address must be named as in the load;
 * a pair that uses two names of one location may fail (Arm ARM B2.9.5), and here does.
 */
export function exclusive_check(cpu: usize, va: u64, totalLog2: u32): u32 {
  const total: u32 = 1 << totalLog2;
  if (va & (total - 1)) {
    fault(cpu, va, 0x21, 1);
    return 1;
  }
  const armed = load<u32>(cpu, CPU_EXCLUSIVE);
  const ok = armed && load<u32>(cpu, CPU_EXCLUSIVE_SIZE) == total && load<u64>(cpu, CPU_EXCLUSIVE_ADDR) == va;
  if (!ok) store<u32>(cpu, 0, CPU_EXCLUSIVE);
  return ok ? 0 : 1;
}

/** STXR and kin: 0 stored, 1 failed; CPU_EXIT set on a fault or when it must run alone. */
export function store_exclusive(cpu: usize, va: u64, value: u64, desc: u32): u32 {
  if (exclusive_check(cpu, va, desc & 3)) return 1;
  slow_store(cpu, va, value, desc);
  if (!load<u32>(cpu, CPU_EXIT)) store<u32>(cpu, 0, CPU_EXCLUSIVE);
  return 0;
}

/** STXP: two elements. */
export function store_exclusive_pair(cpu: usize, va: u64, first: u64, second: u64, desc: u32): u32 {
  if (exclusive_check(cpu, va, (desc & 3) + 1)) return 1;
  slow_store(cpu, va, first, desc);
  if (load<u32>(cpu, CPU_EXIT)) return 0;
  slow_store(cpu, va + (1 << (desc & 3)), second, desc);
  if (!load<u32>(cpu, CPU_EXIT)) store<u32>(cpu, 0, CPU_EXCLUSIVE);
  return 0;
}

/** DC ZVA (64 bytes). FAR is the address in the register, not that of the block (Arm ARM D17.2.40, FAR_EL1). */
export function zero_block(cpu: usize, va: u64, desc: u32): void {
  const block = va & ~(<u64>63);
  if (load<u32>(cpu, CPU_WATCH_COUNT)) {
    const el = accessEl(cpu, desc);
    const isMapped = walk(cpu, block, el, ACCESS_WRITE, false) == 0;
    // QEMU: the address that the instruction names comes first.
    if (isMapped && (checkGuestWatches(cpu, va, 1, WATCH_WRITE, el) == STOP || checkGuestWatches(cpu, block, 64, WATCH_WRITE, el) == STOP)) return;
  }
  for (let at: u32 = 0; at < 64; at += 8) {
    slow_store(cpu, block + at, 0, desc);
    const exit = load<u32>(cpu, CPU_EXIT);
    if (exit == 0) continue;
    if (exit == EXIT_FAULT) store<u64>(cpu, va, CPU_ADDR);
    return;
  }
}

/**
 * Cache maintenance by address: there is nothing to maintain, but what is not mapped faults (Arm ARM D7.5.8).
 * Permissions count at EL0, and for DC IVAC, which may lose what was written (`isWrite`).
 */
export function maintain(cpu: usize, va: u64, desc: u32, isWrite: u32): void {
  const el = accessEl(cpu, desc);
  const code = translateFor(cpu, va, el, isWrite ? ACCESS_WRITE : ACCESS_READ, desc & ACC_SINGLE);
  if (code == 0 || code == ALONE) return;
  const isPermission = (code & 0x3c) == 0x0c;
  if (isPermission && el != 0 && !isWrite) return;
  fault(cpu, va, code, 1);
  store<u32>(cpu, load<u32>(cpu, CPU_FAULT_ISS) | ISS_CM, CPU_FAULT_ISS);
}

/** Alignment fault of an ordered access. */
export function alignment_fault(cpu: usize, va: u64, isWrite: u32): void {
  fault(cpu, va, 0x21, isWrite);
}

/** SP is not aligned to 16 bytes. */
export function sp_alignment_fault(cpu: usize): void {
  store<u32>(cpu, FAULT_SP_ALIGNMENT, CPU_FAULT);
  store<u32>(cpu, EXIT_FAULT, CPU_EXIT);
}

/** FEAT_BTI: the last branch may not have come here. */
export function branch_target_fault(cpu: usize, btype: u32): void {
  store<u32>(cpu, FAULT_BRANCH_TARGET | btype, CPU_FAULT);
  store<u32>(cpu, EXIT_FAULT, CPU_EXIT);
}

/* ------------------------------------------------------------------ instruction fetch */

/** False: the page has breakpoints, and this frame's blocks may run past them; the host side has to look. */
function isCut(va: u64, frame: u32): bool {
  const page = va & ~(<u64>4095);
  const list = load<u32>(G_BREAK_LIST);
  for (let at: u32 = list, end = list + (load<u32>(G_BREAK_COUNT) << 4); at < end; at += 16) {
    if (load<u64>(at) == page) return load<u32>(at, 8) == frame;
  }
  return true;
}

/**
 * The block for an instruction address, or 0 with CPU_EXIT left alone when the host side must translate it
 * (fetch_frame tells where it is).
 */
export function fetch_block(cpu: usize, va: u64): u32 {
  // The host side drops an address tag first.
  if (va & 3 || <i64>(va << 8) >> 8 != <i64>va) return 0;
  const el = load<u32>(cpu, CPU_EL);
  if (areMarksFull()) return 0; // fetch_frame makes room
  // A descriptor that is to change is for fetch_frame, which is called only if the instruction will be executed.
  if (walk(cpu, va, el, ACCESS_FETCH, true) || load<u32>(G_WALK_UPDATE_AT)) return 0;
  const entry = radixEntry(load<u64>(G_WALK_PA));
  if (entry <= 1) return 0;
  const frame = entry & ~RADIX_READ_ONLY;
  let context = load<u32>(cpu, CPU_CONTEXT);
  if (load<u32>(G_WALK_ATTRS) & ATTR_GUARDED) {
    context = load<u32>(cpu, CPU_CONTEXT_GUARDED);
    if (context == 0xffffffff) return 0;
  }
  const table = load<u32>(
    load<u32>(G_CODE_TABLES) + context * load<u32>(G_CODE_TABLE_STRIDE) + ((frame - load<u32>(G_FRAMES)) >> 12 << 2),
  );
  if (table == 0) return 0;
  if (load<u32>(G_BREAK_COUNT) && !isCut(va, frame)) return 0;
  tlbFill(tlbSet(cpu, el), TLB_FETCH, va, table, frame);
  return load<u32>(table + (<u32>va & 0xffc));
}

/** Frame of an instruction address (made if the page was untouched), or 0 with the fault in CPU_FAULT (DFSC; 0x10: no memory there). */
export function fetch_frame(cpu: usize, va: u64): u32 {
  const code = translateFor(cpu, va, load<u32>(cpu, CPU_EL), ACCESS_FETCH, 1);
  store<u64>(cpu, va, CPU_ADDR);
  if (code) {
    store<u32>(cpu, code & 0x3f, CPU_FAULT);
    return 0;
  }
  const pa = load<u64>(G_WALK_PA);
  const entry = radixEntry(pa);
  if (entry == RADIX_UNTOUCHED) {
    const frame = frameForWrite(pa);
    if (frame == 0) store<u32>(cpu, EXIT_NO_MEMORY, CPU_EXIT);
    return frame;
  }
  if (entry == 0) store<u32>(cpu, 0x10, CPU_FAULT);
  return entry & ~RADIX_READ_ONLY;
}

/**
 * Translation for AT instructions, debuggers and host-side accesses: returns the DFSC | 0x80, or 0 with the
 * address in G_WALK_PA. `track` only where the result will be cached.
 */
export function translate(cpu: usize, va: u64, el: u32, access: u32): u32 {
  return walk(cpu, va, el, access, false);
}

/** Prepares a host-side write of bytes inside one page of memory: frame, with all marks honoured; 0 if no memory. */
export function frame_for_host_write(pa: u64, bytes: u32): u32 {
  const frame = frameForWrite(pa);
  if (frame == 0) return 0;
  const at = flagsAddress(frame);
  const flags = load<u8>(at);
  const offset = <u32>pa & 4095;
  if (flags & FRAME_CODE) codeWritten(frame, offset, bytes, 1);
  if (flags & FRAME_TABLE) tableWritten(frame, offset, bytes);
  if (flags & FRAME_SHARED) unshare(frame);
  store<u8>(at, load<u8>(at) | FRAME_DIRTY);
  return frame;
}
