import * as H from '../cpu/helpers/heap-layout.ts';
import { CPU_BASE, CPU_STRIDE } from '../cpu/helpers/layout.ts';

/** How many execution contexts may have code at a time (see cpu/translator.ts). */
export const MAX_CONTEXTS = 16;
const PAGE = 65536;
const RADIX_BYTES = 64 * 1024 * 1024;
const CODE_BYTES = 160 * 1024 * 1024;
/** One page short of what an address can reach, so that the end of the last frame is an address too. */
const LIMIT = 65535 * PAGE;
/** Rounding of the parts below to whole pages. */
const SLACK = 32 * PAGE;

/** Addresses of the parts of linear memory that depend on the machine's size. */
export interface HeapLayout {
  readonly tlbs: number;
  /** A TLB with one entry and its code table, for running one chosen block. */
  readonly onceTlb: number;
  readonly onceTable: number;
  readonly codeStart: number;
  readonly codeEnd: number;
  readonly frames: number;
  readonly frameCount: number;
  readonly frameFlags: number;
  readonly frameList: number;
  readonly breakList: number;
  readonly watchList: number;
  readonly codeTables: number;
  readonly codeTableStride: number;
}

/**
 * The one linear memory. It is reserved in full at once, so that views never move; the host pays only for what
 * is touched.
 */
export class Heap {
  readonly memory: WebAssembly.Memory;
  readonly layout: HeapLayout;
  readonly u8: Uint8Array;
  readonly u32: Uint32Array;
  readonly i32: Int32Array;
  readonly u64: BigUint64Array;
  readonly view: DataView;

  /** @param guestBytes most that RAM and flash can take; more than fits is cut (a later error, when it is used). */
  constructor(cpus: number, guestBytes: number) {
    const align = (value: number, to = PAGE): number => Math.ceil(value / to) * to;
    let at = align(CPU_BASE + cpus * CPU_STRIDE);
    const take = (bytes: number): number => {
      const start = at;
      at = align(at + bytes);
      return start;
    };
    // Few CPUs get many banks; with very many, host memory would be the price.
    const banks = cpus <= 8 ? 8 : cpus <= 64 ? 4 : 2;
    const tlbs = take(cpus * banks * H.TLB_BANK);
    const bankInfo = take(cpus * banks * H.BANK_INFO);
    const onceTlb = take(H.TLB_BYTES);
    const onceTable = take(H.FRAME_SIZE);
    const radix = take(65536);
    const radixArena = take(RADIX_BYTES);
    const codeStart = take(CODE_BYTES);
    // Per frame: flags 1, table information 8, hash 8, writer 4, page 4, list 4, code tables 4 × contexts.
    const perFrame = H.FRAME_SIZE + 1 + 8 + 8 + 4 + 4 + 4 + 4 * MAX_CONTEXTS;
    const ptList = take(H.PT_LIST_MAX * 4);
    const breakList = take(H.BREAK_LIST_ROOM * 16);
    const watchList = take(H.WATCH_LIST_MAX * H.WATCH_BYTES);
    const wanted = Math.ceil(guestBytes / H.FRAME_SIZE) + 2;
    const frameCount = Math.min(wanted, Math.floor((LIMIT - at - SLACK) / perFrame));
    const frameFlags = take(frameCount);
    const tableInfo = take(frameCount * 8);
    const frameHashes = take(frameCount * 8);
    const frameWriters = take(frameCount * 4);
    const framePages = take(frameCount * 4);
    const frameList = take(frameCount * 4);
    const codeTableStride = align(frameCount * 4, 8);
    const codeTables = take(codeTableStride * MAX_CONTEXTS);
    const frames = take(frameCount * H.FRAME_SIZE);
    this.memory = new WebAssembly.Memory({ initial: at / PAGE, maximum: at / PAGE });
    const { buffer } = this.memory;
    this.u8 = new Uint8Array(buffer);
    this.u32 = new Uint32Array(buffer);
    this.i32 = new Int32Array(buffer);
    this.u64 = new BigUint64Array(buffer);
    this.view = new DataView(buffer);
    this.layout = {
      tlbs,
      onceTlb,
      onceTable,
      codeStart,
      codeEnd: codeStart + CODE_BYTES,
      frames,
      frameCount,
      frameFlags,
      frameList,
      breakList,
      watchList,
      codeTables,
      codeTableStride,
    };
    const set = (address: number, value: number): void => {
      this.u32[address >>> 2] = value;
    };
    set(H.G_CPUS, cpus);
    set(H.G_TLBS, tlbs);
    set(H.G_RADIX, radix);
    set(H.G_RADIX_NEXT, radixArena);
    set(H.G_RADIX_END, radixArena + RADIX_BYTES);
    set(H.G_FRAMES, frames);
    set(H.G_FRAMES_END, frames + frameCount * H.FRAME_SIZE);
    set(H.G_ZERO_FRAME, frames);
    set(H.G_FRAME_NEXT, frames + H.FRAME_SIZE);
    set(H.G_FRAME_FLAGS, frameFlags);
    set(H.G_FRAME_TABLE_INFO, tableInfo);
    set(H.G_PT_LIST, ptList);
    set(H.G_FRAME_HASHES, frameHashes);
    set(H.G_FRAME_WRITER, frameWriters);
    set(H.G_BANKS, banks);
    set(H.G_BANK_INFO, bankInfo);
    set(H.G_FRAME_PAGES, framePages);
    set(H.G_FRAME_LIST, frameList);
    set(H.G_BREAK_LIST, breakList);
    set(H.G_WATCH_LIST, watchList);
    set(H.G_CODE_TABLES, codeTables);
    set(H.G_CODE_TABLE_STRIDE, codeTableStride);
    this.u8.fill(0xff, onceTlb, onceTlb + H.TLB_BYTES);
  }
}
