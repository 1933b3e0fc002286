/*
 * Guest-physical memory: the radix tree from physical page to frame, frame allocation and flags.
 */
import {
  G_RADIX, G_RADIX_NEXT, G_RADIX_END, G_FRAMES, G_FRAMES_END, G_FRAME_NEXT, G_FRAME_FLAGS,
  G_ZERO_FRAME, G_FRAME_PAGES, RADIX_UNTOUCHED, RADIX_READ_ONLY, G_ZERO_READS, G_ZERO_READ_LIST, ZERO_READS_MAX,
} from "./heap-layout";

const LEVEL_TABLE_BYTES: u32 = 2048;

function newTable(fill: u32): u32 {
  const at = load<u32>(G_RADIX_NEXT);
  if (at + LEVEL_TABLE_BYTES > load<u32>(G_RADIX_END)) return 0;
  store<u32>(G_RADIX_NEXT, at + LEVEL_TABLE_BYTES);
  for (let i: u32 = 0; i < LEVEL_TABLE_BYTES; i += 4) store<u32>(at + i, fill);
  return at;
}

/** The radix entry for a physical page: 0 none, 1 untouched memory, else frame | RADIX_READ_ONLY. */
export function radixEntry(pa: u64): u32 {
  if (pa >> 44) return 0;
  let entry = load<u32>(load<u32>(G_RADIX) + ((<u32>(pa >> 30)) << 2));
  if (entry <= 1) return entry;
  entry = load<u32>(entry + (((<u32>(pa >> 21)) & 511) << 2));
  if (entry <= 1) return entry;
  return load<u32>(entry + (((<u32>(pa >> 12)) & 511) << 2));
}

/** Address of the last-level entry for a page, making tables as needed; 0 when the arena is full. */
export function radixSlot(pa: u64): u32 {
  const first = load<u32>(G_RADIX) + ((<u32>(pa >> 30)) << 2);
  let table = load<u32>(first);
  if (table <= 1) {
    table = newTable(table);
    if (table == 0) return 0;
    store<u32>(first, table);
  }
  const second = table + (((<u32>(pa >> 21)) & 511) << 2);
  table = load<u32>(second);
  if (table <= 1) {
    table = newTable(table);
    if (table == 0) return 0;
    store<u32>(second, table);
  }
  return table + (((<u32>(pa >> 12)) & 511) << 2);
}

/** Declares [pa, pa + bytes) as memory (entry = RADIX_UNTOUCHED) or none (0). 4 KiB granularity. False: arena full. */
export function radixDeclare(paStart: u64, bytes: u64, entry: u32): bool {
  let pa = paStart;
  const end = pa + bytes;
  while (pa < end) {
    const first = load<u32>(G_RADIX) + ((<u32>(pa >> 30)) << 2);
    if ((pa & 0x3fffffff) == 0 && end - pa >= 0x40000000 && load<u32>(first) <= 1) {
      store<u32>(first, entry);
      pa += 0x40000000;
      continue;
    }
    if ((pa & 0x1fffff) == 0 && end - pa >= 0x200000) {
      let table = load<u32>(first);
      if (table <= 1) {
        table = newTable(table);
        if (table == 0) return false;
        store<u32>(first, table);
      }
      const second = table + (((<u32>(pa >> 21)) & 511) << 2);
      if (load<u32>(second) <= 1) {
        store<u32>(second, entry);
        pa += 0x200000;
        continue;
      }
    }
    const slot = radixSlot(pa);
    if (slot == 0) return false;
    store<u32>(slot, entry);
    pa += 4096;
  }
  return true;
}

// @ts-ignore: decorator
@inline
export function flagsAddress(frame: u32): u32 {
  return load<u32>(G_FRAME_FLAGS) + ((frame - load<u32>(G_FRAMES)) >> 12);
}

/** A frame of zeros for a physical page, or 0 when the pool is used up. */
export function frameAllocate(page: u32): u32 {
  const frame = load<u32>(G_FRAME_NEXT);
  if (frame >= load<u32>(G_FRAMES_END)) return 0;
  store<u32>(G_FRAME_NEXT, frame + 4096);
  store<u8>(flagsAddress(frame), 0);
  store<u32>(load<u32>(G_FRAME_PAGES) + ((frame - load<u32>(G_FRAMES)) >> 12 << 2), page);
  return frame;
}

/** The frame behind a page of memory, made now if it was untouched. 0: no memory, read-only, or pool empty. */
export function frameForWrite(pa: u64): u32 {
  const entry = radixEntry(pa);
  if (entry > 1) return entry & RADIX_READ_ONLY ? 0 : entry;
  if (entry != RADIX_UNTOUCHED) return 0;
  const slot = radixSlot(pa);
  if (slot == 0) return 0;
  const frame = frameAllocate(<u32>(pa >> 12));
  if (frame == 0) return 0;
  store<u32>(slot, frame);
  if (load<u32>(G_ZERO_READS)) dropZeroReads();
  return frame;
}

/** Notes that the TLB entry at `at` now reads the frame of zeros. */
export function noteZeroRead(at: u32): void {
  let count = load<u32>(G_ZERO_READS);
  if (count == ZERO_READS_MAX) {
    dropZeroReads();
    count = 0;
  }
  store<u32>(G_ZERO_READ_LIST + (count << 2), at);
  store<u32>(G_ZERO_READS, count + 1);
}

/** An untouched page is about to get a frame of its own: no TLB entry may go on reading zeros for it. */
function dropZeroReads(): void {
  const count = load<u32>(G_ZERO_READS);
  const zeros = load<u32>(G_ZERO_FRAME);
  for (let i: u32 = 0; i < count; i++) {
    const at = load<u32>(G_ZERO_READ_LIST + (i << 2));
    // The place may hold another translation by now.
    if (load<u32>(at, 12) == zeros) store<u64>(at, 0xffffffffffffffff);
  }
  store<u32>(G_ZERO_READS, 0);
}

/** The frame to read a page of memory from; the shared zero frame for untouched memory; 0: no memory. */
export function frameForRead(pa: u64): u32 {
  const entry = radixEntry(pa);
  if (entry == RADIX_UNTOUCHED) return load<u32>(G_ZERO_FRAME);
  return entry & ~RADIX_READ_ONLY;
}
