import {
  BACKING_PAGES,
  CODE_BYTES,
  CODE_PA,
  CODE_VA,
  HARNESS_OFFSET,
  HIGH_WINDOW_VA,
  RAM_BASE,
  RAM_BYTES,
  TABLES_PA,
  WINDOW_PA,
  WINDOW_PAGES,
  WINDOW_VA,
} from './layout.ts';
import type { Random } from './random.ts';

/*
 * Translation tables of a batch (Arm ARM DDI 0487, D8.3): 4 KiB granule, 48-bit addresses. The window is a run of
 * pages of all kinds in random order, so that every kind borders on every other one.
 */

export const PAGE_KINDS = [
  'rw', // EL0 and EL1
  'rw-privileged',
  'ro',
  'ro-privileged',
  'unmapped',
  'reserved', // level 3 descriptor with bits 01
  'no-access-flag',
  'beyond-pa', // output address wider than the configured size: address size fault
] as const;
export type PageKind = (typeof PAGE_KINDS)[number];

const VALID = 1n;
const TABLE = 3n;
const PAGE = 3n;
const BLOCK = 1n;
const AF = 1n << 10n;
const INNER_SHAREABLE = 3n << 8n;
const EL0 = 1n << 6n; // AP[1]
const READ_ONLY = 1n << 7n; // AP[2]
const PXN = 1n << 53n;
const UXN = 1n << 54n;
const NORMAL = AF | INNER_SHAREABLE;

function leaf(kind: PageKind, pa: bigint): bigint {
  const never = PXN | UXN | PAGE;
  switch (kind) {
    case 'rw':
      return pa | never | NORMAL | EL0;
    case 'rw-privileged':
      return pa | never | NORMAL;
    case 'ro':
      return pa | never | NORMAL | EL0 | READ_ONLY;
    case 'ro-privileged':
      return pa | never | NORMAL | READ_ONLY;
    case 'unmapped':
      return 0n;
    case 'reserved':
      return (pa | never | NORMAL | EL0) & ~2n;
    case 'no-access-flag':
      return (pa | never | NORMAL | EL0) & ~AF;
    case 'beyond-pa':
      return pa | (1n << 47n) | never | NORMAL | EL0;
  }
}

export interface PageTables {
  readonly bytes: Uint8Array;
  readonly ttbr0Boot: bigint;
  readonly ttbr0: bigint;
  readonly ttbr1: bigint;
  readonly kinds: readonly PageKind[];
}

/**
 * MAIR_EL1: normal memory, write-back and write-through. Not here: Device memory, where QEMU 7.2 lets unaligned
 * accesses through, and Non-cacheable, where AT shows the shareability of the descriptor instead of Outer Shareable.
 */
export const MAIR = 0xbbffn;

/** `fixed`: the kinds of the window's pages; random without it. */
export function makePageTables(random: Random, fixed?: readonly PageKind[]): PageTables {
  const words = new BigUint64Array(16 * 512);
  let used = 0;
  const table = (): number => used++ * 512;
  const address = (at: number): bigint => BigInt(TABLES_PA + at * 8);
  const next = (at: number, index: number): number => {
    const old = words[at + index]!;
    if (old & VALID) return (Number(old & 0xffff_ffff_f000n) - TABLES_PA) / 8;
    const made = table();
    words[at + index] = address(made) | TABLE;
    return made;
  };
  const index = (va: bigint, level: number): number => Number((va >> BigInt(39 - 9 * level)) & 511n);
  const block = (root: number, va: bigint, bytes: number, pa: number, attributes: bigint): void => {
    for (let at = 0; at < bytes; at += 2 ** 21) {
      const here = va + BigInt(at);
      const level2 = next(next(root, index(here, 0)), index(here, 1));
      words[level2 + index(here, 2)] = BigInt(pa + at) | attributes | BLOCK;
    }
  };

  const boot = table();
  words[next(boot, 0) + 1] = BigInt(RAM_BASE) | NORMAL | BLOCK;
  const low = table();
  const high = table();
  block(high, BigInt(RAM_BASE) + HARNESS_OFFSET, RAM_BYTES, RAM_BASE, NORMAL | UXN);
  // Guarded, where there is FEAT_BTI, in half of the batches
  const guarded = random.chance(50) ? 1n << 50n : 0n;
  block(low, BigInt(CODE_VA), CODE_BYTES, CODE_PA, NORMAL | EL0 | READ_ONLY | guarded);

  const kinds: PageKind[] = [];
  for (let page = 0; page < WINDOW_PAGES; page++) {
    const kind = fixed?.[page] ?? (random.chance(55) ? 'rw' : random.pick(PAGE_KINDS));
    kinds.push(kind);
    // AttrIndx, and SH anew: seen by AT
    const attributes = kind === 'unmapped' || fixed ? 0n : random.pick([0n, 0n, 1n]) << 2n;
    const shareability = kind === 'unmapped' ? 0n : (fixed ? 3n : random.pick([0n, 2n, 3n])) << 8n;
    const pa = BigInt(WINDOW_PA + (page % BACKING_PAGES) * 4096);
    for (const [root, base] of [
      [low, WINDOW_VA],
      [high, HIGH_WINDOW_VA],
    ] as const) {
      const va = base + BigInt(page * 4096);
      const level3 = next(next(next(root, index(va, 0)), index(va, 1)), index(va, 2));
      words[level3 + index(va, 3)] = (leaf(kind, pa) & ~INNER_SHAREABLE) | attributes | shareability;
    }
  }
  return {
    bytes: new Uint8Array(words.buffer),
    ttbr0Boot: address(boot),
    ttbr0: address(low),
    ttbr1: address(high),
    kinds,
  };
}
