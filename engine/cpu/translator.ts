import { type InstructionSet, usesFpSimd } from './a64/instruction-set.ts';
import type { Lowering } from './a64/lowering.ts';
import type { SysregKey } from './a64/sysreg-key.ts';
import type { SysregPlan } from './a64/sysreg-types.ts';
import type { SystemPlan } from './a64/sysregs.ts';
import {
  BLOCK_COMPILED,
  BLOCK_COUNT,
  BLOCK_HEADER,
  BLOCK_HEAT,
  BLOCK_UOPS,
  UOP_BYTES,
} from './helpers/heap-layout.ts';
import { SLOT_SP } from './helpers/layout.ts';
import { uop } from './uops.ts';

/** Execution context: what besides the physical address decides what instructions mean. */
export const CONTEXT_EL = 3;
export const CONTEXT_SPELX = 4;
export const CONTEXT_FP_TRAP = 8;
export const CONTEXT_EL0_ZERO = 16;
export const CONTEXT_EL0_CACHE = 32;
/** SCTLR_ELx.A: accesses must be aligned; SA or SA0: so must a stack pointer that is a base. */
export const CONTEXT_ALIGN = 64;
export const CONTEXT_SP_ALIGN = 128;
/** PSTATE.UAO at EL1: unprivileged accesses are not. */
export const CONTEXT_UAO = 256;
/** SCTLR_ELx.BT0 or BT: PACIASP is no target for every branch. And the page is guarded (FEAT_BTI). */
export const CONTEXT_BT = 512;
export const CONTEXT_GUARDED = 1024;

const HOST = uop('host');
const BRANCH = uop('b');
const HELPER = uop('helper');
const SP_ALIGN = uop('spalign');
const CHECK_BTYPE = uop('checkbtype');
const ADD_I = uop('add_i');
const SUB_I = uop('sub_i');
/** No block is longer; so a micro-op's instruction index fits its byte. */
const MAX_BLOCK = 64;

/** What the translator asks about system registers, and where instruction helpers are in the table. */
export interface TranslatorPorts {
  plan(key: SysregKey, el: number, write: boolean): SysregPlan;
  systemPlan(key: SysregKey, el: number): SystemPlan;
  helperIndex(name: string): number;
}

/**
 * Makes blocks: reads instruction words from a frame and writes micro-ops into the code arena. The code is
 * position-independent inside the page, so one block serves every virtual address of its frame.
 */
export class Translator implements Lowering {
  offset = 0;
  pageOffset = 0;
  el = 0;
  usesSpElx = false;
  el0MayZero = false;
  el0MayMaintain = false;
  checksAlignment = false;
  overridesUser = false;
  isGuarded = false;
  readonly keepsBranchType: boolean;
  #checksSp = false;
  /** The block has checked SP, and all it did to it since was to add multiples of 16. */
  #spAligned = false;
  readonly #set: InstructionSet;
  readonly #ports: TranslatorPorts;
  readonly #u32: Uint32Array;
  #at = 0;
  #index = 0;
  #ended = false;

  constructor(set: InstructionSet, ports: TranslatorPorts, u32: Uint32Array) {
    this.#set = set;
    this.keepsBranchType = set.keepsBranchType;
    this.#ports = ports;
    this.#u32 = u32;
  }

  emit(op: number, d: number, n: number, m: number, a: number, x: number, lo: number, hi: number): void {
    if (d === SLOT_SP && !((op === ADD_I || op === SUB_I) && n === SLOT_SP && (lo & 15) === 0))
      this.#spAligned = false;
    const at = this.#at >>> 2;
    const u32 = this.#u32;
    u32[at] = op | (this.#index << 16) | (a << 24);
    u32[at + 1] = d | (n << 8) | (m << 16) | (x << 24);
    u32[at + 2] = lo;
    u32[at + 3] = hi;
    this.#at += UOP_BYTES;
  }
  checkStack(): void {
    if (!this.#checksSp || this.#spAligned) return;
    this.emit(SP_ALIGN, 0, SLOT_SP, 0, 0, 0, 0, 0);
    this.#spAligned = true;
  }
  end(): void {
    this.#ended = true;
  }
  host(word: number): void {
    this.emit(HOST, 0, 0, 0, 0, 0, word, 0);
    this.#ended = true;
  }
  helper(name: string, word: number): void {
    this.emit(HELPER, 0, 0, 0, 0, 0, word, this.#ports.helperIndex(name));
  }
  emitWithHelper(op: number, d: number, n: number, m: number, helper: string, word: number): void {
    this.emit(op, d, n, m, 0, 0, word, this.#ports.helperIndex(helper));
  }
  plan(key: SysregKey, write: boolean): SysregPlan {
    return this.#ports.plan(key, this.el, write);
  }
  systemPlan(key: SysregKey): SystemPlan {
    return this.#ports.systemPlan(key, this.el);
  }

  /** A block may be where an indirect branch went, and only then is there a PSTATE.BTYPE to check. */
  #checkBranchType(word: number, bt: boolean): void {
    const refused = refusedBranchTypes(word, bt);
    if (refused !== 0) this.emit(CHECK_BTYPE, 0, 0, 0, 0, refused, 0, 0);
  }

  /**
   * Translates from `pageOffset` in the frame, at most `limit` instructions, into memory at `at` (which must
   * have room for MAX_BLOCK_BYTES). Returns the end of the block's memory.
   */
  translate(
    frame: number,
    pageOffset: number,
    context: number,
    heat: number,
    limit: number,
    at: number,
  ): number {
    this.el = context & CONTEXT_EL;
    this.usesSpElx = (context & CONTEXT_SPELX) !== 0;
    this.el0MayZero = (context & CONTEXT_EL0_ZERO) !== 0;
    this.el0MayMaintain = (context & CONTEXT_EL0_CACHE) !== 0;
    this.checksAlignment = (context & CONTEXT_ALIGN) !== 0;
    this.overridesUser = (context & CONTEXT_UAO) !== 0;
    this.isGuarded = (context & CONTEXT_GUARDED) !== 0;
    this.#checksSp = (context & CONTEXT_SP_ALIGN) !== 0;
    this.#spAligned = false;
    const fpTrap = (context & CONTEXT_FP_TRAP) !== 0;
    this.pageOffset = pageOffset;
    this.#at = at + BLOCK_HEADER;
    this.#ended = false;
    const most = Math.min(limit, MAX_BLOCK, (4096 - pageOffset) >>> 2);
    const { decoder, lower } = this.#set;
    if (this.isGuarded) {
      this.#index = 0;
      this.#checkBranchType(this.#u32[(frame + pageOffset) >>> 2]!, (context & CONTEXT_BT) !== 0);
    }
    let count = 0;
    while (count < most && !this.#ended) {
      this.#index = count;
      this.offset = count * 4;
      const word = this.#u32[(frame + pageOffset + count * 4) >>> 2]!;
      const encoding = decoder.find(word);
      if (encoding < 0 || (fpTrap && usesFpSimd(word))) this.host(word);
      else lower[encoding]!(word, this);
      count += 1;
    }
    if (!this.#ended) this.emit(BRANCH, 0, 0, 0, 0, 0, count * 4, 0);
    const u32 = this.#u32;
    u32[(at + BLOCK_COUNT) >>> 2] = count;
    u32[(at + BLOCK_HEAT) >>> 2] = heat;
    u32[(at + BLOCK_COMPILED) >>> 2] = 0;
    u32[(at + BLOCK_UOPS) >>> 2] = this.#at - at;
    return this.#at;
  }
}

/**
 * Values of PSTATE.BTYPE, as a mask, with which an instruction of a guarded page may not be reached (Arm ARM
 * shared/functions BTypeCompatible_BTI and BTypeCompatible_PACIXSP; BRK and HLT are compatible with all).
 */
function refusedBranchTypes(word: number, bt: boolean): number {
  if ((word & 0xffe0_001f) >>> 0 === 0xd420_0000 || (word & 0xffe0_001f) >>> 0 === 0xd440_0000) return 0;
  switch (word >>> 0) {
    case 0xd503_233f: // PACIASP
    case 0xd503_237f: // PACIBSP
      return bt ? 0b1000 : 0;
    case 0xd503_245f: // BTI c
      return 0b1000;
    case 0xd503_249f: // BTI j
      return 0b0100;
    case 0xd503_24df: // BTI jc
      return 0;
    default:
      return 0b1110;
  }
}

/** Most memory a block can take: structure loads expand to 128 element accesses at worst. */
export const MAX_BLOCK_BYTES = BLOCK_HEADER + MAX_BLOCK * 160 * UOP_BYTES;
