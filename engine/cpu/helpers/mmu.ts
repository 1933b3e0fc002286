/*
 * Address translation (Arm ARM DDI 0487, chapter D8, VMSAv8-64) and the TLBs.
 *
 * DETERMINISM: a TLB entry is never stale. The frames a walk reads are marked, a store into them takes the
 * slow path, and entries made from the old descriptor are dropped there. So a TLB is a pure cache: what it
 * holds, when it is flushed and how it is indexed can never be seen by the guest, and it is not machine state.
 */
import {
  CPU_BASE, CPU_STRIDE, CPU_SYSREGS, CPU_CONTEXT, CPU_EL, CPU_TLB, CPU_PSTATE,
  SYS_SCTLR_EL1, SYS_TTBR0_EL1, SYS_TTBR1_EL1, SYS_TCR_EL1, SYS_MAIR_EL1,
  SYS_SCTLR_EL2, SYS_TTBR0_EL2, SYS_TCR_EL2, SYS_MAIR_EL2, SYS_SCTLR_EL3, SYS_TTBR0_EL3, SYS_TCR_EL3, SYS_MAIR_EL3,
} from "./layout";
import {
  G_CPUS, G_TLBS, G_WALK_PA, G_WALK_ATTRS, G_PA_BITS, G_FRAMES, G_FRAME_TABLE_INFO, G_PT_COUNT, G_PT_LIST,
  PT_LIST_MAX, TABLE_IDLE, TABLE_IDLE_MAX, G_STAT_FLUSHES, G_STAT_PAGE_FLUSHES, G_STAT_REFILLS,
  FRAME_TABLE, FRAME_WRITABLE_CACHED, ATTR_SH, ATTR_MAIR, ATTR_GUARDED, G_TRANSLATION_FEATURES, G_WALK_UPDATE, G_WALK_UPDATE_AT,
  TRANSLATION_BTI, TRANSLATION_E0PD, TRANSLATION_HA, TRANSLATION_HD, TRANSLATION_HPDS, TRANSLATION_LPA2, TRANSLATION_LVA,
  TRANSLATION_PAN, TRANSLATION_PAUTH, TRANSLATION_TTST,
  TLB_BITS, TLB_ENTRIES, TLB_BYTES, TLB_WRITE, TLB_FETCH, TLB_SET, TLB_BANK, BANK_INFO, G_BANKS, G_BANK_INFO, G_BANK_CLOCK, G_FRAME_WRITER, G_ZERO_FRAME,
} from "./heap-layout";
import { frameForRead, flagsAddress } from "./memory";

export const ACCESS_READ: u32 = 0;
export const ACCESS_WRITE: u32 = 1;
export const ACCESS_FETCH: u32 = 2;

/** Bits of G_WALK_ATTRS. */
export const ATTR_DEVICE: u32 = 1;

const TLB_INVALID: u64 = 0xffffffffffffffff;

// @ts-ignore: decorator
@inline
function sysreg(cpu: usize, index: u32): u64 {
  return load<u64>(cpu + (index << 3), CPU_SYSREGS);
}

/* ------------------------------------------------------------------ banks */

// @ts-ignore: decorator
@inline
function bankAddress(index: u32, bank: u32): u32 {
  return load<u32>(G_TLBS) + (index * load<u32>(G_BANKS) + bank) * TLB_BANK;
}

// @ts-ignore: decorator
@inline
function bankInfo(index: u32, bank: u32): u32 {
  return load<u32>(G_BANK_INFO) + (index * load<u32>(G_BANKS) + bank) * BANK_INFO;
}

// @ts-ignore: decorator
@inline
function isValid(info: u32): bool {
  return load<u32>(info, 20) != 0;
}

/**
 * Entries for fetches lead to the blocks of one execution context (PSTATE.SP and what is trapped are part of it),
 * so they are dropped when it is another one.
 */
function selectContext(cpu: usize, el: u32, info: u32, bank: u32): void {
  const context = load<u32>(cpu, CPU_CONTEXT);
  const at = info + (el == 0 ? 4 : 0);
  if (load<u32>(at, 24) == context) return;
  store<u32>(at, context, 24);
  memory.fill(bank + (el == 0 ? TLB_SET : 0) + TLB_FETCH, 0xff, TLB_BYTES);
}

/**
 * The TLB bank for the address space that the CPU's TTBRs and EL name, made anew if none is. Returns its address;
 * the caller puts it into CPU_TLB. ASIDs do not matter: entries are never stale, and every address space has
 * tables of its own.
 */
export function tlbSelect(cpu: usize, index: u32): u32 {
  const el = load<u32>(cpu, CPU_EL);
  let regime: u32 = el < 2 ? 1 : el;
  // With PSTATE.PAN clear, EL1 reaches what it otherwise does not: a bank of its own for this rare state.
  if (el == 1 && load<u32>(G_TRANSLATION_FEATURES) & TRANSLATION_PAN && !(load<u32>(cpu, CPU_PSTATE) & (1 << 22))) regime |= 16;
  const ttbr0 = sysreg(cpu, SYS_TTBR0_EL1) & 0x0000ffffffffffff;
  const ttbr1 = sysreg(cpu, SYS_TTBR1_EL1) & 0x0000ffffffffffff;
  const clock = load<u32>(G_BANK_CLOCK) + 1;
  store<u32>(G_BANK_CLOCK, clock);
  const banks = load<u32>(G_BANKS);
  let oldest: u32 = 0, age: u32 = 0;
  // The latest banks that share one of the two tables.
  let lower: u32 = banks, lowerAge: u32 = 0xffffffff, upper: u32 = banks, upperAge: u32 = 0xffffffff;
  for (let bank: u32 = 0; bank < banks; bank++) {
    const info = bankInfo(index, bank);
    if (!isValid(info)) {
      age = 0xffffffff;
      oldest = bank;
      continue;
    }
    const same0 = load<u64>(info) == ttbr0, same1 = load<u64>(info, 8) == ttbr1, its = clock - load<u32>(info, 16);
    if (load<u32>(info, 20) == regime) {
      if (same0 && same1) {
        store<u32>(info, clock, 16);
        selectContext(cpu, el, info, bankAddress(index, bank));
        return bankAddress(index, bank);
      }
      if (same0 && its < lowerAge) {
        lowerAge = its;
        lower = bank;
      }
      if (same1 && its < upperAge) {
        upperAge = its;
        upper = bank;
      }
    }
    if (its > age) {
      age = its;
      oldest = bank;
    }
  }
  const info = bankInfo(index, oldest);
  const at = bankAddress(index, oldest);
  // Code of EL1 is in the upper half, code of EL0 in the lower.
  fillBank(at, index, lower, upper);
  if (upper < banks) store<u32>(info, load<u32>(bankInfo(index, upper), 24), 24);
  if (lower < banks) store<u32>(info, load<u32>(bankInfo(index, lower), 28), 28);
  store<u64>(info, ttbr0);
  store<u64>(info, ttbr1, 8);
  store<u32>(info, clock, 16);
  store<u32>(info, regime, 20);
  selectContext(cpu, el, info, at);
  return at;
}

/**
 * Begins a bank with what others know of the same tables: translations of the lower half of the addresses depend
 * on TTBR0 only, those of the upper half on TTBR1. Fetches are taken from the half that an EL's code is in, since
 * a bank's entries for fetches are of one execution context. `lower` and `upper` are banks, or G_BANKS for none;
 * one of them may be the bank itself.
 */
function fillBank(to: u32, index: u32, lower: u32, upper: u32): void {
  const banks = load<u32>(G_BANKS);
  if (lower == banks && upper == banks) {
    memory.fill(to, 0xff, TLB_BANK);
    return;
  }
  const zeros = load<u32>(G_ZERO_FRAME);
  for (let kind: u32 = 0; kind < 6; kind++) {
    const first = kind * TLB_BYTES;
    const user = kind > 2;
    const fetch = first == TLB_FETCH || first == TLB_SET + TLB_FETCH;
    const fromLower: u32 = lower < banks && (user || !fetch) ? bankAddress(index, lower) + first : 0;
    const fromUpper: u32 = upper < banks && (!user || !fetch) ? bankAddress(index, upper) + first : 0;
    for (let i: u32 = 0, end: u32 = TLB_BYTES; i < end; i += 16) {
      let from: u32 = 0;
      if (fromLower && !isUpper(fromLower + i)) from = fromLower;
      if (fromUpper && isUpper(fromUpper + i) && (from == 0 || !user)) from = fromUpper;
      const at = to + first + i;
      // Entries that read zeros for untouched memory are known by their places (noteZeroRead).
      if (from == 0 || load<u32>(from + i, 12) == zeros) store<u64>(at, TLB_INVALID);
      else {
        store<u64>(at, load<u64>(from + i));
        store<u64>(at, load<u64>(from + i, 8), 8);
      }
    }
  }
}

/** Whether an entry, if it is one, translates an address of the upper half. */
// @ts-ignore: decorator
@inline
function isUpper(entry: u32): bool {
  return ((load<u64>(entry) >> 55) & 1) != 0;
}

/* ------------------------------------------------------------------ flushing */

/**
 * Drops every translation of a CPU. The bank in use is emptied where it is, since generated code that is running
 * has its address in a local; the others when they are next used.
 */
export function tlbFlushCpu(index: u32): void {
  const banks = load<u32>(G_BANKS);
  const used = load<u32>(CPU_BASE + index * CPU_STRIDE, CPU_TLB);
  for (let bank: u32 = 0; bank < banks; bank++) {
    const at = bankAddress(index, bank);
    if (used >= at && used < at + TLB_BANK) memory.fill(at, 0xff, TLB_BANK);
    else store<u32>(bankInfo(index, bank), 0, 20);
  }
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
}

/** Drops the translations of 2^shift bytes of virtual addresses, whatever their top byte (TBI), on every CPU. */
function flushRange(va: u64, shift: u32): void {
  store<u64>(G_STAT_PAGE_FLUSHES, load<u64>(G_STAT_PAGE_FLUSHES) + 1);
  const cpus = load<u32>(G_CPUS);
  const banks = load<u32>(G_BANKS);
  const whole = shift >= 12 + TLB_BITS;
  const slot = whole ? 0 : ((<u32>(va >> 12)) & (TLB_ENTRIES - 1)) << 4;
  const bytes = whole ? TLB_BYTES : 16 << (shift - 12);
  const want = (va & 0x00fffffffffff000) >> shift;
  for (let i: u32 = 0; i < cpus; i++) {
    for (let bank: u32 = 0; bank < banks; bank++) {
      if (!isValid(bankInfo(i, bank))) continue;
      let first = bankAddress(i, bank) + slot;
      for (let k: u32 = 0; k < 6; k++) {
        for (let at = first, end = first + bytes; at < end; at += 16) {
          if ((load<u64>(at) & 0x00fffffffffff000) >> shift == want) store<u64>(at, TLB_INVALID);
        }
        first += TLB_BYTES;
      }
    }
  }
}

/** Drops the entries of a frame in part of every bank: from `first` on, `bytes` of each set. */
function dropFrameIn(frame: u32, first: u32, bytes: u32): void {
  const cpus = load<u32>(G_CPUS);
  const banks = load<u32>(G_BANKS);
  for (let i: u32 = 0; i < cpus; i++) {
    for (let bank: u32 = 0; bank < banks; bank++) {
      if (!isValid(bankInfo(i, bank))) continue;
      for (let set: u32 = 0; set < 2; set++) {
        const base = bankAddress(i, bank) + set * TLB_SET + first;
        for (let at: u32 = base, end = base + bytes; at < end; at += 16) {
          if (load<u32>(at, 12) == frame) store<u64>(at, TLB_INVALID);
        }
      }
    }
  }
}

/** After a frame gained a flag that needs slow stores: no write entry may lead to it any more. */
export function tlbDropWrites(frame: u32): void {
  const flags = flagsAddress(frame);
  const value = load<u8>(flags);
  if (!(value & FRAME_WRITABLE_CACHED)) return;
  store<u8>(flags, value & ~FRAME_WRITABLE_CACHED);
  const writer = load<u32>(load<u32>(G_FRAME_WRITER) + ((frame - load<u32>(G_FRAMES)) >> 12 << 2));
  if (writer & 1) {
    dropFrameIn(frame, TLB_WRITE, TLB_BYTES);
    return;
  }
  // All its entries are at one index.
  const cpus = load<u32>(G_CPUS);
  const banks = load<u32>(G_BANKS);
  const slot = TLB_WRITE + ((writer >> 12) & (TLB_ENTRIES - 1)) * 16;
  for (let i: u32 = 0; i < cpus; i++) {
    for (let bank: u32 = 0; bank < banks; bank++) {
      if (!isValid(bankInfo(i, bank))) continue;
      for (let set: u32 = 0; set < 2; set++) {
        const at = bankAddress(i, bank) + set * TLB_SET + slot;
        if (load<u32>(at, 12) == frame) store<u64>(at, TLB_INVALID);
      }
    }
  }
}

/** Notes where a write entry for a frame is about to be made; its flags are `flags`. */
export function noteWriter(frame: u32, flags: u32, va: u64): void {
  const at = load<u32>(G_FRAME_WRITER) + ((frame - load<u32>(G_FRAMES)) >> 12 << 2);
  const page = <u32>va & ~4095;
  if (!(flags & FRAME_WRITABLE_CACHED)) store<u32>(at, page);
  else if (load<u32>(at) != page) store<u32>(at, 1);
}

/** After a frame's reads became watched, or a frame was replaced: drop read and fetch entries too. */
export function tlbDropFrame(frame: u32): void {
  const flags = flagsAddress(frame);
  store<u8>(flags, load<u8>(flags) & ~FRAME_WRITABLE_CACHED);
  dropFrameIn(frame, 0, TLB_SET);
}

/** After blocks of a frame were thrown away with their code table: no fetch entry may lead to it. */
export function tlbDropFetches(frame: u32): void {
  dropFrameIn(frame, TLB_FETCH, TLB_BYTES);
}

/** Drops every write entry, so that stores mark their pages (FRAME_DIRTY) again. */
export function tlbDropAllWrites(): void {
  const cpus = load<u32>(G_CPUS);
  const banks = load<u32>(G_BANKS);
  for (let i: u32 = 0; i < cpus; i++) {
    for (let bank: u32 = 0; bank < banks; bank++) {
      if (!isValid(bankInfo(i, bank))) continue;
      for (let set: u32 = 0; set < 2; set++) {
        memory.fill(bankAddress(i, bank) + set * TLB_SET + TLB_WRITE, 0xff, TLB_BYTES);
      }
    }
  }
}

/* ------------------------------------------------------------------ page-table frames */

// @ts-ignore: decorator
@inline
function tableInfo(frame: u32): u32 {
  return load<u32>(G_FRAME_TABLE_INFO) + (((frame - load<u32>(G_FRAMES)) >> 12) << 3);
}

/** In the information of a frame that is a table in two places. */
const SHIFT_UNKNOWN: u64 = 63;
/** More than an access can mark: two walks, each of at most five levels and perhaps made twice. */
const MARKS_OF_A_WALK: u32 = 32;

/** Marks a frame as read by a walk. `va` is what its first entry maps, `shift` log2 of what one entry maps. */
function trackTable(frame: u32, va: u64, shift: u32): void {
  const flags = flagsAddress(frame);
  const value = load<u8>(flags);
  const info = tableInfo(frame);
  const wanted = (va & ~(<u64>4095)) | shift;
  if (value & FRAME_TABLE) {
    // One frame in two places: only dropping everything is right when it changes.
    const known = load<u64>(info) & ~(<u64>(TABLE_IDLE * TABLE_IDLE_MAX));
    store<u64>(info, known == wanted ? wanted : SHIFT_UNKNOWN);
    return;
  }
  const count = load<u32>(G_PT_COUNT);
  store<u32>(load<u32>(G_PT_LIST) + (count << 2), frame);
  store<u32>(G_PT_COUNT, count + 1);
  store<u64>(info, wanted);
  store<u8>(flags, load<u8>(flags) | FRAME_TABLE);
  tlbDropWrites(frame);
}

/**
 * Whether a walk may find no room to mark what it reads. Then everything has to be flushed first: not by the walk,
 * which would forget the marks it has made, and not inside a block, whose own mapping must stay marked while it runs.
 */
export function areMarksFull(): bool {
  return load<u32>(G_PT_COUNT) > <u32>PT_LIST_MAX - MARKS_OF_A_WALK;
}

/** Whether the next store into a page-table frame has it, or all of them, forgotten. */
export function isIdleTable(frame: u32): bool {
  return ((<u32>load<u64>(tableInfo(frame)) / TABLE_IDLE) & TABLE_IDLE_MAX) == TABLE_IDLE_MAX;
}

/**
 * Called before `bytes` bytes at `offset` of a page-table frame change. A frame that is stored to again and again
 * while no walk reads it is most likely not a table any more, and is let go.
 */
export function tableWritten(frame: u32, offset: u32, bytes: u32): void {
  const at = tableInfo(frame);
  const info = load<u64>(at);
  const shift = <u32>(info & 63);
  const first = info & ~(<u64>4095);
  const idle = isIdleTable(frame);
  if (!idle) store<u64>(at, info + TABLE_IDLE);
  if (idle && shift != SHIFT_UNKNOWN) {
    // What 512 entries map need not be aligned to its size, where tables are smaller than a page.
    flushRange(first, shift + 9);
    flushRange(first + ((<u64>511) << shift), shift + 9);
    const flags = flagsAddress(frame);
    store<u8>(flags, load<u8>(flags) & ~FRAME_TABLE);
    return;
  }
  for (let i = offset >> 3; i <= (offset + bytes - 1) >> 3; i++) {
    if (!(load<u64>(frame + (i << 3)) & 1) && !idle) continue; // an invalid descriptor is never cached
    if (shift == SHIFT_UNKNOWN) {
      tlbFlushAll();
      return;
    }
    flushRange(first + ((<u64>i) << shift), shift);
  }
}

/* ------------------------------------------------------------------ walks */

// @ts-ignore: decorator
@inline
function outOfRange(address: u64, bits: u32): bool {
  return (address >> bits) != 0;
}

// @ts-ignore: decorator
@inline
function bit(value: u64, at: u32): bool {
  return ((value >> at) & 1) != 0;
}

/** Fault status codes with bit 7 set; `level` may be -1 (Arm ARM D17.2.37, DFSC). */
const ADDRESS_SIZE: u32 = 0x80;
const TRANSLATION: u32 = 0x84;
const EXTERNAL_ON_WALK: u32 = 0x94;

// @ts-ignore: decorator
@inline
function faultAt(kind: u32, level: i32): u32 {
  if (level >= 0) return kind + <u32>level;
  return kind == ADDRESS_SIZE ? 0xa9 : kind == TRANSLATION ? 0xab : 0x93;
}

/** A block descriptor is allowed at this level (Arm ARM, shared/translation AArch64.BlockDescSupported). */
// @ts-ignore: decorator
@inline
function mayBeBlock(granule: u32, level: i32, ds: bool, paBits: u32): bool {
  if (level == 2) return true;
  if (granule == 12) return level == 1 || (level == 0 && ds);
  return level == 1 && (granule == 14 ? ds : paBits == 52);
}

/**
 * Stage 1 translation of `va` for an access from `el`. Returns 0 and leaves the physical address and
 * attributes in G_WALK_*, or the fault status code (DFSC, Arm ARM table "D17 ISS encoding for a Data Abort")
 * with bit 7 set. `track`: mark the frames read, as every translation that will be cached must.
 *
 * With FEAT_HAFDBS a translation may be good only if its descriptor is changed as well: then G_WALK_UPDATE_AT is not
 * 0, and who makes the access has to call updateDescriptor (access.ts).
 */
export function walk(cpu: usize, vaIn: u64, el: u32, access: u32, track: bool): u32 {
  const features = load<u32>(G_TRANSLATION_FEATURES);
  const regime: u32 = el < 2 ? 1 : el;
  const sctlr = sysreg(cpu, regime == 1 ? SYS_SCTLR_EL1 : regime == 2 ? SYS_SCTLR_EL2 : SYS_SCTLR_EL3);
  const tcr = sysreg(cpu, regime == 1 ? SYS_TCR_EL1 : regime == 2 ? SYS_TCR_EL2 : SYS_TCR_EL3);
  const paBits = load<u32>(G_PA_BITS);
  const upper: bool = regime == 1 && ((vaIn >> 55) & 1) != 0;
  let tbi: bool = regime == 1 ? bit(tcr, upper ? 38 : 37) : bit(tcr, 20);
  // FEAT_PAuth: TBID keeps tags for data alone.
  if (access == ACCESS_FETCH && features & TRANSLATION_PAUTH && bit(tcr, regime == 1 ? (upper ? 52 : 51) : 29)) tbi = false;
  store<u32>(G_WALK_UPDATE_AT, 0);

  if (!(sctlr & 1)) {
    const flat = tbi ? (vaIn << 8) >> 8 : vaIn;
    if (outOfRange(flat, paBits)) return ADDRESS_SIZE;
    store<u64>(G_WALK_PA, flat);
    store<u32>(G_WALK_ATTRS, 2 << ATTR_SH); // Device-nGnRnE for AT only
    return 0;
  }

  let tsz: u32, granule: u32, epd: bool, ttbr: u64, sharing: u32;
  if (upper) {
    tsz = <u32>(tcr >> 16) & 63;
    const tg = <u32>(tcr >> 30) & 3;
    granule = tg == 3 ? 16 : tg == 1 ? 14 : 12;
    epd = bit(tcr, 23);
    sharing = <u32>(tcr >> 28) & 3;
    ttbr = sysreg(cpu, SYS_TTBR1_EL1);
  } else {
    tsz = <u32>tcr & 63;
    const tg = <u32>(tcr >> 14) & 3;
    granule = tg == 1 ? 16 : tg == 2 ? 14 : 12;
    epd = regime == 1 && bit(tcr, 7);
    sharing = <u32>(tcr >> 12) & 3;
    ttbr = sysreg(cpu, regime == 1 ? SYS_TTBR0_EL1 : regime == 2 ? SYS_TTBR0_EL2 : SYS_TTBR0_EL3);
  }
  const ds: bool = (features & TRANSLATION_LPA2) != 0 && granule != 16 && bit(tcr, regime == 1 ? 59 : 32);
  const hasWideVa: bool = granule == 16 ? (features & TRANSLATION_LVA) != 0 : ds;
  const largest: u32 = features & TRANSLATION_TTST ? (granule == 16 ? 47 : 48) : 39;
  // Out of bounds: a fault, as FEAT_LVA demands for what is too small, and the architecture allows always.
  const smallest: u32 = hasWideVa ? 12 : 16;
  if (tsz < smallest || tsz > largest) return TRANSLATION;
  const inputBits: u32 = 64 - tsz;
  // All address bits above the input size must be copies of the half's selector.
  const top: u32 = tbi ? 8 : 0;
  const above = (<i64>(vaIn << top)) >> (top + inputBits);
  if (above != (upper ? -1 : 0)) return TRANSLATION;
  if (epd) return TRANSLATION;
  if (el == 0 && features & TRANSLATION_E0PD && bit(tcr, upper ? 56 : 55)) return TRANSLATION;

  const ps = <u32>(tcr >> (regime == 1 ? 32 : 16)) & 7;
  let outBits: u32 = ps == 0 ? 32 : ps == 1 ? 36 : ps == 2 ? 40 : ps == 3 ? 42 : ps == 4 ? 44 : ps == 5 ? 48 : 52;
  if (outBits > paBits) outBits = paBits;
  // 64 KiB granules have bits 51:48 of addresses in bits 15:12 of descriptors.
  const folded: bool = granule == 16 && outBits == 52;
  if (outBits == 52 && !folded && !ds) outBits = 48;
  const addressMask: u64 = ds ? 0x0003ffffffffffff : 0x0000ffffffffffff;

  const stride: u32 = granule - 3;
  let level: i32 = 4 - <i32>((inputBits - granule + stride - 1) / stride);
  const va = vaIn & (((<u64>1) << inputBits) - 1);
  // Bits of the virtual address above the input size, to rebuild full addresses for the tracking.
  const high: u64 = upper ? ~(((<u64>1) << inputBits) - 1) : 0;
  const firstBits: u32 = inputBits - (granule + stride * <u32>(3 - level));
  let base = ttbr & 0x0000ffffffffffff & ~((<u64>1 << max<u32>(firstBits + 3, 6)) - 1);
  if (ds || folded) base |= ((ttbr >> 2) & 15) << 48;
  if (outOfRange(base, outBits)) return ADDRESS_SIZE;
  let mask: u64 = ((<u64>1) << firstBits) - 1;
  let tableAp: u32 = 0;
  let tableXn: bool = false, tablePxn: bool = false;
  const flat: bool = (features & TRANSLATION_HPDS) != 0 && bit(tcr, regime == 1 ? (upper ? 42 : 41) : 24);
  const ha: bool = (features & TRANSLATION_HA) != 0 && bit(tcr, regime == 1 ? 39 : 21);
  const hd: bool = ha && (features & TRANSLATION_HD) != 0 && bit(tcr, regime == 1 ? 40 : 22);

  for (;;) {
    const shift: u32 = granule + stride * <u32>(3 - level);
    const descAddress = base + (((va >> shift) & mask) << 3);
    const frame = frameForRead(descAddress);
    if (frame == 0) return faultAt(EXTERNAL_ON_WALK, level);
    if (track) {
      // What the first descriptor of this frame maps.
      const inFrame = (descAddress & 4095) >> 3;
      const firstVa = ((va >> shift) - inFrame) << shift;
      // A table smaller than a page may stand behind others, so that this is before what the table maps.
      trackTable(frame, high + firstVa, shift);
    }
    const desc = load<u64>(frame + (<u32>descAddress & 4095));
    if (!(desc & 1)) return faultAt(TRANSLATION, level);
    let next = desc & addressMask;
    if (ds) next |= ((desc >> 8) & 3) << 50;
    else if (folded) next |= ((desc >> 12) & 15) << 48;
    if (level < 3 && desc & 2) {
      base = next & ~(((<u64>1) << granule) - 1);
      if (outOfRange(base, outBits)) return faultAt(ADDRESS_SIZE, level);
      if (!flat) {
        tableAp |= <u32>(desc >> 61) & 3;
        tableXn = tableXn || bit(desc, 60);
        tablePxn = tablePxn || bit(desc, 59);
      }
      mask = ((<u64>1) << stride) - 1;
      level++;
      continue;
    }
    if (level == 3) {
      if (!(desc & 2)) return faultAt(TRANSLATION, level);
    } else if (!mayBeBlock(granule, level, ds, paBits)) {
      return faultAt(TRANSLATION, level);
    }
    const pageMask: u64 = ((<u64>1) << shift) - 1;
    const out = next & ~pageMask;
    if (outOfRange(out, outBits)) return faultAt(ADDRESS_SIZE, level);
    let wanted = desc;
    if (!(desc & 0x400)) { // access flag
      if (!ha) return 0x88 + level;
      wanted |= 0x400;
    }

    let ap = <u32>(desc >> 6) & 3; // AP[2:1]
    if (hd && ap & 2 && bit(desc, 51)) { // DBM: clean, and may be written
      ap &= ~2;
      if (access == ACCESS_WRITE) wanted &= ~(<u64>0x80);
    }
    if (tableAp & 2) ap |= 2;
    if (tableAp & 1) ap &= ~1;
    const xn: bool = bit(desc, 54) || tableXn;
    const pxn: bool = bit(desc, 53) || tablePxn;
    const wxn: bool = bit(sctlr, 19);
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
    if (wanted != desc) {
      store<u32>(G_WALK_UPDATE_AT, frame + (<u32>descAddress & 4095));
      store<u64>(G_WALK_UPDATE, wanted);
    }

    const attrIndex: u64 = (desc >> 2) & 7;
    const mair = sysreg(cpu, regime == 1 ? SYS_MAIR_EL1 : regime == 2 ? SYS_MAIR_EL2 : SYS_MAIR_EL3);
    const attr = <u32>(mair >> (attrIndex << 3)) & 0xff;
    store<u64>(G_WALK_PA, out | (va & pageMask));
    const device: bool = (attr & 0xf0) == 0;
    const guarded: bool = (features & TRANSLATION_BTI) != 0 && bit(desc, 50);
    // Device and Non-cacheable memory is always Outer Shareable. With DS the descriptor has an address there.
    const sh: u32 = device || attr == 0x44 ? 2 : ds ? sharing : <u32>(desc >> 8) & 3;
    store<u32>(
      G_WALK_ATTRS,
      (device ? ATTR_DEVICE : 0) | (guarded ? <u32>ATTR_GUARDED : 0) | (sh << ATTR_SH) | (attr << ATTR_MAIR),
    );
    if (track) {
      store<u64>(G_STAT_REFILLS, load<u64>(G_STAT_REFILLS) + 1);
    }
    return 0;
  }
}

/** Puts a translation into a TLB; returns the entry. `set`: TLB set base; `kind`: 0, TLB_WRITE or TLB_FETCH. */
// @ts-ignore: decorator
@inline
export function tlbFill(set: u32, kind: u32, va: u64, addend: u32, frame: u32): u32 {
  const at = set + kind + (((<u32>(va >> 12)) & (TLB_ENTRIES - 1)) << 4);
  store<u64>(at, va & ~(<u64>4095));
  store<u32>(at, addend, 8);
  store<u32>(at, frame, 12);
  return at;
}
