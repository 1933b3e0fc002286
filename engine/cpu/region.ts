import type { Heap } from '../memory/heap.ts';
import { BLOCK_COMPILED, BLOCK_COUNT, BLOCK_HEADER, BLOCK_HEAT, BLOCK_UOPS, UOP_BYTES } from './helpers/heap-layout.ts';
import { UOPS } from './uops.ts';

/**
 * The shape of a region: blocks of one page that reach each other by direct branches, in an order in which
 * WebAssembly's structured control flow can express most of their edges.
 */
export interface RegionBlock {
  /** Address of the block in the arena. */
  readonly address: number;
  /** Byte offset of its first instruction in the page. */
  readonly offset: number;
  /** Instructions. */
  readonly count: number;
  /** Micro-ops: address of the first, number. */
  readonly uops: number;
  readonly uopCount: number;
  /** Successors in the page, taken target first, as page offsets (may lie outside the page). */
  readonly targets: readonly number[];
}

export interface Region {
  /** In layout order; the entry is first. */
  readonly blocks: readonly RegionBlock[];
  /** Index in `blocks` by page offset. */
  readonly index: ReadonlyMap<number, number>;
}

const MAX_BLOCKS = 48;
const MAX_UOPS = 900;

function readBlock(heap: Heap, address: number, offset: number): RegionBlock {
  const { u32, i32 } = heap;
  const uopCount = (u32[(address + BLOCK_UOPS) >>> 2]! - BLOCK_HEADER) / UOP_BYTES;
  const uops = address + BLOCK_HEADER;
  const last = (uops + (uopCount - 1) * UOP_BYTES) >>> 2;
  const { kind } = UOPS[u32[last]! & 0xffff]!;
  const targets: number[] = [];
  if (kind === 'branch' || kind === 'branch-if' || kind === 'unmask') targets.push(offset + i32[last + 2]!);
  if (kind === 'branch-if') targets.push(offset + i32[last + 3]!);
  return { address, offset, count: u32[(address + BLOCK_COUNT) >>> 2]!, uops, uopCount, targets };
}

/**
 * Collects the region of a hot block. Blocks are taken that exist and have run at least `1 / coldness` of the
 * times that made the entry hot (or are compiled already).
 */
export function collectRegion(
  heap: Heap,
  table: number,
  entryOffset: number,
  isWarm: (address: number) => boolean,
): Region {
  const { u32 } = heap;
  const found = new Map<number, RegionBlock>();
  const queue = [entryOffset];
  let uops = 0;
  while (queue.length > 0 && found.size < MAX_BLOCKS && uops < MAX_UOPS) {
    const offset = queue.shift()!;
    if (found.has(offset)) continue;
    const address = u32[(table + offset) >>> 2]!;
    if (address === 0 || (offset !== entryOffset && !isWarm(address))) continue;
    const block = readBlock(heap, address, offset);
    found.set(offset, block);
    uops += block.uopCount;
    for (const target of block.targets) {
      if (target >= 0 && target < 4096 && (target & 3) === 0 && !found.has(target)) queue.push(target);
    }
  }
  const order = layout(found, entryOffset);
  const index = new Map<number, number>();
  order.forEach((block, i) => {
    index.set(block.offset, i);
  });
  return { blocks: order, index };
}

/**
 * Reverse post-order from the entry, so that every block comes after those that lead to it, but for loops; the
 * successor with the lower address is visited last and so stands nearer, which keeps loop bodies together.
 */
function layout(found: ReadonlyMap<number, RegionBlock>, entryOffset: number): RegionBlock[] {
  const post: RegionBlock[] = [];
  const seen = new Set<number>();
  const visit = (start: number): void => {
    // Explicit stack: regions can be deep.
    const stack: { block: RegionBlock; next: number; targets: number[] }[] = [];
    const push = (offset: number): void => {
      const block = found.get(offset);
      if (block === undefined || seen.has(offset)) return;
      seen.add(offset);
      stack.push({ block, next: 0, targets: [...block.targets].sort((a, b) => b - a) });
    };
    push(start);
    while (stack.length > 0) {
      const top = stack[stack.length - 1]!;
      if (top.next < top.targets.length) push(top.targets[top.next++]!);
      else {
        post.push(top.block);
        stack.pop();
      }
    }
  };
  visit(entryOffset);
  return post.reverse();
}

/** A WebAssembly scope over blocks [start, end): a `loop` whose header is `start`, or a `block` that ends before `end`. */
export interface Scope {
  readonly kind: 'loop' | 'block';
  readonly start: number;
  readonly end: number;
}

/**
 * Scopes for the edges among `count` blocks, outermost first at each start. Edges that no properly nested scope
 * can carry (jumps into a loop from outside) are left out: they leave the region.
 */
export function scopesOf(count: number, edges: readonly (readonly [number, number])[]): Scope[] {
  // Loops: from header to the last block that jumps back; overlapping ones are widened until they nest.
  const loopEnd = new Array<number>(count).fill(0);
  for (const [from, to] of edges) if (to <= from) loopEnd[to] = Math.max(loopEnd[to]!, from + 1);
  for (let changed = true; changed; ) {
    changed = false;
    for (let a = 0; a < count; a++) {
      if (loopEnd[a] === 0) continue;
      for (let b = a + 1; b < loopEnd[a]!; b++) {
        if (loopEnd[b]! > loopEnd[a]!) {
          loopEnd[a] = loopEnd[b]!;
          changed = true;
        }
      }
    }
  }
  const loopsAround = (i: number): number[] => {
    const loops: number[] = [];
    for (let a = 0; a <= i; a++) if (loopEnd[a]! > i) loops.push(a);
    return loops;
  };
  const scopes: Scope[] = [];
  for (let a = 0; a < count; a++) if (loopEnd[a]! > 0) scopes.push({ kind: 'loop', start: a, end: loopEnd[a]! });
  // Forward edges: one block scope per target, starting early enough to nest with every loop.
  const firstSource = new Map<number, number>();
  for (const [from, to] of edges) {
    if (to <= from) continue;
    // A jump into a loop (one around the target but not around the source, other than to its header) cannot be made.
    const into = loopsAround(to).some((a) => a !== to && !(a <= from && from < loopEnd[a]!));
    if (into) continue;
    firstSource.set(to, Math.min(firstSource.get(to) ?? from, from));
  }
  const blocks: { start: number; end: number }[] = [];
  for (const [to, source] of firstSource) {
    let start = source;
    // Leave every loop that ends at or before the target.
    for (const a of loopsAround(source)) if (loopEnd[a]! <= to) start = Math.min(start, a);
    blocks.push({ start, end: to });
  }
  // Nest block scopes with each other: one that starts inside another and ends after it must start with it.
  for (let changed = true; changed; ) {
    changed = false;
    for (const p of blocks) {
      for (const q of blocks) {
        if (q.start < p.start && p.start < q.end && q.end < p.end) {
          p.start = q.start;
          changed = true;
        }
      }
      for (const a of loopsAround(p.start)) {
        if (loopEnd[a]! <= p.end && a < p.start) {
          p.start = a;
          changed = true;
        }
      }
    }
  }
  for (const { start, end } of blocks) scopes.push({ kind: 'block', start, end });
  scopes.sort((p, q) => p.start - q.start || q.end - p.end || (p.kind === 'block' ? -1 : 1));
  return nested(scopes);
}

/** Leaves out block scopes that do not nest after all; their edges leave the region. */
function nested(scopes: readonly Scope[]): Scope[] {
  const kept: Scope[] = [];
  const open: Scope[] = [];
  for (const scope of scopes) {
    while (open.length > 0 && open.at(-1)!.end <= scope.start) open.pop();
    const outer = open.at(-1);
    if (outer !== undefined && scope.end > outer.end) {
      if (scope.kind === 'loop') throw new Error('loops of a region do not nest');
      continue;
    }
    open.push(scope);
    kept.push(scope);
  }
  return kept;
}

/** Heat left in a block, and whether it has been compiled. */
export function blockHeat(heap: Heap, address: number): { left: number; compiled: number } {
  return {
    left: heap.i32[(address + BLOCK_HEAT) >>> 2]!,
    compiled: heap.u32[(address + BLOCK_COMPILED) >>> 2]!,
  };
}
