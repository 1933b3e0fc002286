/*
 * Address translation (Arm ARM DDI 0487, chapter D8, VMSAv8-64) and the TLBs.
 *
 * DETERMINISM: a TLB entry is never stale. The frames a walk reads are marked, a store into them takes the
 * slow path, and entries made from the old descriptor are dropped there. So a TLB is a pure cache: what it
 * holds, when it is flushed and how it is indexed can never be seen by the guest, and it is not machine state.
 */
import {
  CPU_SYSREGS, CPU_EL, CPU_TLB, CPU_XTLB, CPU_CONTEXT, CPU_PSTATE,
  SYS_SCTLR_EL1, SYS_TTBR0_EL1, SYS_TTBR1_EL1, SYS_TCR_EL1, SYS_MAIR_EL1,
  SYS_SCTLR_EL2, SYS_TTBR0_EL2, SYS_TCR_EL2, SYS_MAIR_EL2, SYS_SCTLR_EL3, SYS_TTBR0_EL3, SYS_TCR_EL3, SYS_MAIR_EL3,
} from "./layout";
import {
  G_CPUS, G_TLBS, G_WALK_PA, G_WALK_ATTRS, G_PA_BITS, G_FRAMES, G_FRAME_TABLE_INFO, G_PT_COUNT, G_PT_LIST,
  PT_LIST_MAX, G_PT_IDLE_WRITES, G_STAT_FLUSHES, G_STAT_PAGE_FLUSHES, G_STAT_REFILLS,
  FRAME_TABLE, FRAME_WRITABLE_CACHED, FRAME_READ_WATCHED, FRAME_SLOW_STORES, FRAME_DIRTY,
  TLB_ENTRIES, TLB_BYTES, TLB_WRITE, TLB_FETCH, TLB_SET, TLB_STRIDE,
} from "./heap-layout";
import { frameForRead, flagsAddress } from "./memory";

export const ACCESS_READ: u32 = 0;
export const ACCESS_WRITE: u32 = 1;
export const ACCESS_FETCH: u32 = 2;

/** Bits of G_WALK_ATTRS. */
export const ATTR_DEVICE: u32 = 1;

const TLB_INVALID: u64 = 0xffffffffffffffff;

/** User-half fills since the last flush, per CPU: offsets into its TLBs. Overflow = scan all. */
const USER_LOG_MAX: u32 = 512;

// @ts-ignore: decorator
@inline
function sysreg(cpu: usize, index: u32): u64 {
  return load<u64>(cpu + (index << 3), CPU_SYSREGS);
}

// @ts-ignore: decorator
@inline
function cpuTlbs(index: u32): u32 {
  return load<u32>(G_TLBS) + index * TLB_STRIDE;
}

/* ------------------------------------------------------------------ flushing */

export function tlbFlushCpu(index: u32): void {
  const base = cpuTlbs(index);
  memory.fill(base, 0xff, TLB_STRIDE);
}

/** Drops every translation of every CPU, and with them the marks on page-table frames. */
export function tlbFlushAll(): void {
  store<u64>(G_STAT_FLUSHES, load<u64>(G_STAT_FLUSHES) + 1);
  const cpus = load<u32>(G_CPUS);
  for (let i: u32 = 0; i < cpus; i++) tlbFlushCpu(i);
  const list = load<u32>(G_PT_LIST);
  const count = load<u32>(G_PT_COUNT);
  for (let i: u32 = 0; i < count; i++) {
    const flags = flagsAddress(load<u32>(list + (i << 2)));
    store<u8>(flags, load<u8>(flags) & ~FRAME_TABLE);
  }
  store<u32>(G_PT_COUNT, 0);
  store<u32>(G_PT_IDLE_WRITES, 0);
}

/** Drops the translations of the lower half (user) of one CPU: a change of TTBR0 or its ASID. */
export function tlbFlushUser(index: u32): void {
  const base = cpuTlbs(index);
  for (let at: u32 = base, end = base + TLB_STRIDE; at < end; at += 16) {
    if (<i64>load<u64>(at) >= 0) store<u64>(at, TLB_INVALID);
  }
}

/** Drops the translations of one 4 KiB virtual page, whatever its top byte (TBI), on every CPU. */
function flushPage(va: u64): void {
  store<u64>(G_STAT_PAGE_FLUSHES, load<u64>(G_STAT_PAGE_FLUSHES) + 1);
  const cpus = load<u32>(G_CPUS);
  const slot = ((<u32>(va >> 12)) & (TLB_ENTRIES - 1)) << 4;
  const want = va & 0x00fffffffffff000;
  for (let i: u32 = 0; i < cpus; i++) {
    let at = cpuTlbs(i) + slot;
    for (let k: u32 = 0; k < 6; k++) {
      if ((load<u64>(at) & 0x00fffffffffff000) == want) store<u64>(at, TLB_INVALID);
      at += TLB_BYTES;
    }
  }
}

/** After a frame gained a flag that needs slow stores: no write entry may lead to it any more. */
export function tlbDropWrites(frame: u32): void {
  const flags = flagsAddress(frame);
  const value = load<u8>(flags);
  if (!(value & FRAME_WRITABLE_CACHED)) return;
  store<u8>(flags, value & ~FRAME_WRITABLE_CACHED);
  const cpus = load<u32>(G_CPUS);
  for (let i: u32 = 0; i < cpus; i++) {
    for (let set: u32 = 0; set < 2; set++) {
      const base = cpuTlbs(i) + set * TLB_SET + TLB_WRITE;
      for (let at: u32 = base, end = base + TLB_BYTES; at < end; at += 16) {
        if (load<u32>(at, 12) == frame) store<u64>(at, TLB_INVALID);
      }
    }
  }
}

/** After a frame's reads became watched, or a frame was replaced: drop read and fetch entries too. */
export function tlbDropFrame(frame: u32): void {
  tlbDropWrites(frame);
  const cpus = load<u32>(G_CPUS);
  for (let i: u32 = 0; i < cpus; i++) {
    const base = cpuTlbs(i);
    for (let at: u32 = base, end = base + TLB_STRIDE; at < end; at += 16) {
      if (load<u32>(at, 12) == frame) store<u64>(at, TLB_INVALID);
    }
  }
}

/** After blocks of a frame were thrown away with their code table: no fetch entry may lead to it. */
export function tlbDropFetches(frame: u32): void {
  const cpus = load<u32>(G_CPUS);
  for (let i: u32 = 0; i < cpus; i++) {
    for (let set: u32 = 0; set < 2; set++) {
      const base = cpuTlbs(i) + set * TLB_SET + TLB_FETCH;
      for (let at: u32 = base, end = base + TLB_BYTES; at < end; at += 16) {
        if (load<u32>(at, 12) == frame) store<u64>(at, TLB_INVALID);
      }
    }
  }
}

/* ------------------------------------------------------------------ page-table frames */

/** Marks a frame as read by a walk. `va` is what its first entry maps, `shift` log2 of what one entry maps. */
function trackTable(frame: u32, va: u64, shift: u32): void {
  const flags = flagsAddress(frame);
  const value = load<u8>(flags);
  const info = load<u32>(G_FRAME_TABLE_INFO) + (((frame - load<u32>(G_FRAMES)) >> 12) << 3);
  const wanted = (va & ~(<u64>63)) | shift;
  if (value & FRAME_TABLE) {
    if (load<u64>(info) != wanted) store<u64>(info, 63);
    return;
  }
  let count = load<u32>(G_PT_COUNT);
  if (count >= <u32>PT_LIST_MAX) {
    tlbFlushAll();
    count = 0;
  }
  store<u32>(load<u32>(G_PT_LIST) + (count << 2), frame);
  store<u32>(G_PT_COUNT, count + 1);
  store<u64>(info, wanted);
  store<u8>(flags, load<u8>(flags) | FRAME_TABLE);
  tlbDropWrites(frame);
}

/** Called before `bytes` bytes at `offset` of a page-table frame change. */
export function tableWritten(frame: u32, offset: u32, bytes: u32): void {
  const idle = load<u32>(G_PT_IDLE_WRITES) + 1;
  store<u32>(G_PT_IDLE_WRITES, idle);
  if (idle > 1024) {
    // Many stores and no walk: the page is most likely not a table any more.
    tlbFlushAll();
    return;
  }
  const info = load<u64>(load<u32>(G_FRAME_TABLE_INFO) + (((frame - load<u32>(G_FRAMES)) >> 12) << 3));
  const shift = <u32>(info & 63);
  for (let at = offset & ~7; at < offset + bytes; at += 8) {
    const old = load<u64>(frame + at);
    if (!(old & 1)) continue; // an invalid descriptor is never cached
    if (shift > 16) {
      tlbFlushAll();
      return;
    }
    const va = (info & ~(<u64>63)) + ((<u64>(at >> 3)) << shift);
    for (let page: u64 = 0; page < (<u64>1) << shift; page += 4096) flushPage(va + page);
  }
}

/* ------------------------------------------------------------------ walks */

// @ts-ignore: decorator
@inline
function outOfRange(address: u64, bits: u32): bool {
  return (address >> bits) != 0;
}

/**
 * Stage 1 translation of `va` for an access from `el`. Returns 0 and leaves the physical address and
 * attributes in G_WALK_*, or the fault status code (DFSC, Arm ARM table "D17 ISS encoding for a Data Abort")
 * with bit 7 set. `track`: mark the frames read, as every translation that will be cached must.
 */
export function walk(cpu: usize, vaIn: u64, el: u32, access: u32, track: bool): u32 {
  const regime: u32 = el < 2 ? 1 : el;
  const sctlr = sysreg(cpu, regime == 1 ? SYS_SCTLR_EL1 : regime == 2 ? SYS_SCTLR_EL2 : SYS_SCTLR_EL3);
  const tcr = sysreg(cpu, regime == 1 ? SYS_TCR_EL1 : regime == 2 ? SYS_TCR_EL2 : SYS_TCR_EL3);
  const paBits = load<u32>(G_PA_BITS);
  const upper: bool = regime == 1 && ((vaIn >> 55) & 1) != 0;
  const tbi: bool = regime == 1 ? ((tcr >> (upper ? 38 : 37)) & 1) != 0 : ((tcr >> 20) & 1) != 0;

  if (!(sctlr & 1)) {
    const flat = tbi ? (vaIn << 8) >> 8 : vaIn;
    if (outOfRange(flat, paBits)) return 0x80; // address size fault, level 0
    store<u64>(G_WALK_PA, flat);
    store<u32>(G_WALK_ATTRS, 0);
    return 0;
  }

  let tsz: u32, granule: u32, epd: bool, ttbr: u64;
  if (upper) {
    tsz = <u32>(tcr >> 16) & 63;
    const tg = <u32>(tcr >> 30) & 3;
    granule = tg == 3 ? 16 : tg == 1 ? 14 : 12;
    epd = ((tcr >> 23) & 1) != 0;
    ttbr = sysreg(cpu, SYS_TTBR1_EL1);
  } else {
    tsz = <u32>tcr & 63;
    const tg = <u32>(tcr >> 14) & 3;
    granule = tg == 1 ? 16 : tg == 2 ? 14 : 12;
    epd = regime == 1 && ((tcr >> 7) & 1) != 0;
    ttbr = sysreg(cpu, regime == 1 ? SYS_TTBR0_EL1 : regime == 2 ? SYS_TTBR0_EL2 : SYS_TTBR0_EL3);
  }
  if (tsz < 16) tsz = 16;
  if (tsz > 39) tsz = 39;
  const inputBits: u32 = 64 - tsz;
  // All address bits above the input size must be copies of the half's selector.
  const top: u32 = tbi ? 8 : 0;
  const above = (<i64>(vaIn << top)) >> (top + inputBits);
  if (above != (upper ? -1 : 0)) return 0x84;
  if (epd) return 0x84;

  const ps = <u32>(tcr >> (regime == 1 ? 32 : 16)) & 7;
  let outBits: u32 = ps == 0 ? 32 : ps == 1 ? 36 : ps == 2 ? 40 : ps == 3 ? 42 : ps == 4 ? 44 : 48;
  if (outBits > paBits) outBits = paBits;

  const stride: u32 = granule - 3;
  let level: u32 = 4 - (inputBits - granule + stride - 1) / stride;
  const va = vaIn & (((<u64>1) << inputBits) - 1);
  // Bits of the virtual address above the input size, to rebuild full addresses for the tracking.
  const high: u64 = upper ? ~(((<u64>1) << inputBits) - 1) : 0;
  const firstBits: u32 = inputBits - (granule + stride * (3 - level));
  let base = ttbr & 0x0000ffffffffffff & ~((<u64>1 << max<u32>(firstBits + 3, 6)) - 1);
  if (outOfRange(base, outBits)) return 0x80;
  let mask: u64 = ((<u64>1) << firstBits) - 1;
  let tableAp: u32 = 0;
  let tableXn: bool = false, tablePxn: bool = false;

  for (;;) {
    const shift: u32 = granule + stride * (3 - level);
    const descAddress = base + (((va >> shift) & mask) << 3);
    const frame = frameForRead(descAddress);
    if (frame == 0) return 0x94 + level; // external abort on a table walk
    if (track) {
      // What the first descriptor of this frame maps.
      const inFrame = (descAddress & 4095) >> 3;
      const firstVa = ((va >> shift) - inFrame) << shift;
      trackTable(frame, high | firstVa, shift);
    }
    const desc = load<u64>(frame + (<u32>descAddress & 4095));
    if (!(desc & 1)) return 0x84 + level;
    if (level < 3 && desc & 2) {
      base = desc & 0x0000ffffffffffff & ~(((<u64>1) << granule) - 1);
      if (outOfRange(base, outBits)) return 0x80 + level;
      tableAp |= <u32>(desc >> 61) & 3;
      tableXn = tableXn || ((desc >> 60) & 1) != 0;
      tablePxn = tablePxn || ((desc >> 59) & 1) != 0;
      mask = ((<u64>1) << stride) - 1;
      level++;
      continue;
    }
    if (level == 3) {
      if (!(desc & 2)) return 0x84 + level;
    } else if (level == 0 || (level == 1 && granule != 12)) {
      return 0x84 + level;
    }
    const pageMask: u64 = ((<u64>1) << shift) - 1;
    const out = (desc & 0x0000ffffffffffff & ~pageMask);
    if (outOfRange(out, outBits)) return 0x80 + level;
    if (!(desc & 0x400)) return 0x88 + level; // access flag

    let ap = <u32>(desc >> 6) & 3; // AP[2:1]
    if (tableAp & 2) ap |= 2;
    if (tableAp & 1) ap &= ~1;
    const xn: bool = ((desc >> 54) & 1) != 0 || tableXn;
    const pxn: bool = ((desc >> 53) & 1) != 0 || tablePxn;
    const wxn: bool = ((sctlr >> 19) & 1) != 0;
    let ok: bool;
    if (regime == 1) {
      const userRead: bool = (ap & 1) != 0;
      const userWrite: bool = ap == 1;
      if (el == 0) {
        ok = access == ACCESS_READ ? userRead : access == ACCESS_WRITE ? userWrite : !xn && !(wxn && userWrite);
      } else {
        const write: bool = (ap & 2) == 0;
        if (access == ACCESS_FETCH) ok = !pxn && !userWrite && !(wxn && write);
        else {
          ok = access == ACCESS_READ || write;
          if (userRead && load<u32>(cpu, CPU_PSTATE) & (1 << 22)) ok = false; // PSTATE.PAN
        }
      }
    } else {
      const write: bool = (ap & 2) == 0;
      ok = access == ACCESS_READ ? true : access == ACCESS_WRITE ? write : !xn && !(wxn && write);
    }
    if (!ok) return 0x8c + level;

    const attrIndex: u64 = (desc >> 2) & 7;
    const mair = sysreg(cpu, regime == 1 ? SYS_MAIR_EL1 : regime == 2 ? SYS_MAIR_EL2 : SYS_MAIR_EL3);
    const attr = <u32>(mair >> (attrIndex << 3)) & 0xff;
    store<u64>(G_WALK_PA, out | (va & pageMask));
    store<u32>(G_WALK_ATTRS, (attr & 0xf0) == 0 ? ATTR_DEVICE : 0);
    if (track) {
      store<u32>(G_PT_IDLE_WRITES, 0);
      store<u64>(G_STAT_REFILLS, load<u64>(G_STAT_REFILLS) + 1);
    }
    return 0;
  }
}

/** Puts a translation into a TLB. `set`: TLB set base; `kind`: 0, TLB_WRITE or TLB_FETCH. */
// @ts-ignore: decorator
@inline
export function tlbFill(set: u32, kind: u32, va: u64, addend: u32, frame: u32): void {
  const at = set + kind + (((<u32>(va >> 12)) & (TLB_ENTRIES - 1)) << 4);
  store<u64>(at, va & ~(<u64>4095));
  store<u32>(at, addend, 8);
  store<u32>(at, frame, 12);
}
