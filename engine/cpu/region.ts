import type { Heap } from '../memory/heap.ts';
import { BLOCK_COUNT, BLOCK_HEADER, BLOCK_UOPS, UOP_BYTES } from './helpers/heap-layout.ts';
import { UOPS, type UopKind } from './uops.ts';

/**
 * The shape of a region: blocks that reach each other by direct branches, by calls, and by the returns from
 * those calls, in an order in which WebAssembly's structured control flow can express most of their edges. A
 * function called from two places stands in the region twice, so a return knows where it goes.
 */
export interface RegionNode {
  /** Address of the block in the arena. */
  readonly address: number;
  /** Bytes from the start of the entry's page to the block; may be negative. */
  readonly va: number;
  /** Code table of its page. */
  readonly table: number;
  /** Instructions, micro-ops (address of the first, number). */
  readonly count: number;
  readonly uops: number;
  readonly uopCount: number;
  /** Calls around it. */
  readonly stack: ReturnSite | undefined;
  readonly ending: UopKind;
  /** The return address that its RET must have to stay inside. */
  readonly returnsTo: number | undefined;
  readonly exits: readonly Edge[];
}

/** Where a call in the region comes back to. */
interface ReturnSite {
  readonly va: number;
  readonly outer: ReturnSite | undefined;
  readonly depth: number;
  readonly id: string;
}

/** A way out of a block: taken first, then not taken; or the return. */
export interface Edge {
  readonly va: number;
  /** Key of the node it leads to, if that is in the region. */
  readonly key: string;
}

export interface Region {
  /** In layout order; the entry is first. */
  readonly nodes: readonly RegionNode[];
  readonly index: ReadonlyMap<string, number>;
  /** Frames that its code is in. */
  readonly frames: readonly number[];
}

/** What the collector asks about the page that holds an offset from the entry's page. */
export interface PageFinder {
  /** Code table and frame of the page `page` pages from the entry's, or undefined. */
  find(page: number): { readonly table: number; readonly frame: number } | undefined;
  isWarm(block: number): boolean;
}

/** How large a region may become. */
export interface RegionLimits {
  readonly nodes: number;
  readonly uops: number;
  /** Calls inside calls. */
  readonly depth: number;
}

/** Marks in the `x` field of branches (see a64/lower-branch.ts). */
export const BRANCH_CALL = 1;
export const BRANCH_RETURN = 2;

function keyOf(va: number, stack: ReturnSite | undefined): string {
  return stack === undefined ? `${va}` : `${va}@${stack.id}`;
}

function readNode(
  heap: Heap,
  address: number,
  va: number,
  table: number,
  stack: ReturnSite | undefined,
): {
  node: RegionNode;
  next: { va: number; stack: ReturnSite | undefined }[];
} {
  const { u32, i32 } = heap;
  const uopCount = (u32[(address + BLOCK_UOPS) >>> 2]! - BLOCK_HEADER) / UOP_BYTES;
  const uops = address + BLOCK_HEADER;
  const count = u32[(address + BLOCK_COUNT) >>> 2]!;
  const last = (uops + (uopCount - 1) * UOP_BYTES) >>> 2;
  const ending = UOPS[u32[last]! & 0xffff]!.kind;
  const mark = u32[last + 1]! >>> 24;
  const next: { va: number; stack: ReturnSite | undefined }[] = [];
  let returnsTo: number | undefined;
  if (ending === 'branch' && mark === BRANCH_CALL) {
    const site = va + count * 4;
    const depth = (stack?.depth ?? 0) + 1;
    const inner = {
      va: site,
      outer: stack,
      depth,
      id: stack === undefined ? `${site}` : `${site}/${stack.id}`,
    };
    next.push({ va: va + i32[last + 2]!, stack: inner });
  } else if (ending === 'branch' || ending === 'unmask') {
    next.push({ va: va + i32[last + 2]!, stack });
  } else if (ending === 'branch-if') {
    next.push({ va: va + i32[last + 2]!, stack }, { va: va + i32[last + 3]!, stack });
  } else if (ending === 'branch-register' && mark === BRANCH_RETURN && stack !== undefined) {
    returnsTo = stack.va;
    next.push({ va: stack.va, stack: stack.outer });
  }
  const exits = next.map((edge) => ({ va: edge.va, key: keyOf(edge.va, edge.stack) }));
  return { node: { address, va, table, count, uops, uopCount, stack, ending, returnsTo, exits }, next };
}

/** Collects the region of a hot block at an offset in its page. */
export function collectRegion(
  heap: Heap,
  entryOffset: number,
  pages: PageFinder,
  limits: RegionLimits,
): Region {
  const { u32 } = heap;
  const found = new Map<string, RegionNode>();
  const frames = new Set<number>();
  const queue: { va: number; stack: ReturnSite | undefined }[] = [{ va: entryOffset, stack: undefined }];
  const known = new Map<number, { readonly table: number; readonly frame: number } | undefined>();
  let uops = 0;
  for (let at = 0; at < queue.length && found.size < limits.nodes && uops < limits.uops; at++) {
    const { va, stack } = queue[at]!;
    const key = keyOf(va, stack);
    if (found.has(key) || (va & 3) !== 0 || (stack?.depth ?? 0) > limits.depth) continue;
    const page = Math.floor(va / 4096);
    if (!known.has(page)) known.set(page, pages.find(page));
    const place = known.get(page);
    if (place === undefined) continue;
    const address = u32[(place.table + (va - page * 4096)) >>> 2]!;
    if (address === 0 || (at > 0 && !pages.isWarm(address))) continue;
    const { node, next } = readNode(heap, address, va, place.table, stack);
    found.set(key, node);
    frames.add(place.frame);
    uops += node.uopCount;
    queue.push(...next);
  }
  const nodes = layout(found, keyOf(entryOffset, undefined));
  const index = new Map<string, number>();
  nodes.forEach((node, i) => {
    index.set(keyOf(node.va, node.stack), i);
  });
  return { nodes, index, frames: [...frames] };
}

/**
 * Reverse post-order from the entry, so that every block comes after those that lead to it, but for loops; the
 * successor with the lower address is visited last and so stands nearer, which keeps loop bodies together.
 */
function layout(found: ReadonlyMap<string, RegionNode>, entry: string): RegionNode[] {
  const post: RegionNode[] = [];
  const seen = new Set<string>();
  const stack: { node: RegionNode; next: number; exits: Edge[] }[] = [];
  const push = (key: string): void => {
    const node = found.get(key);
    if (node === undefined || seen.has(key)) return;
    seen.add(key);
    stack.push({ node, next: 0, exits: [...node.exits].sort((a, b) => b.va - a.va) });
  };
  push(entry);
  while (stack.length > 0) {
    const top = stack[stack.length - 1]!;
    if (top.next < top.exits.length) push(top.exits[top.next++]!.key);
    else {
      post.push(top.node);
      stack.pop();
    }
  }
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
      for (let b = a + 1; b < loopEnd[a]!; b++) {
        if (loopEnd[b]! > loopEnd[a]!) {
          loopEnd[a] = loopEnd[b]!;
          changed = true;
        }
      }
    }
  }
  const headers: number[] = [];
  for (let a = 0; a < count; a++) if (loopEnd[a]! > 0) headers.push(a);
  const scopes: Scope[] = headers.map((a) => ({ kind: 'loop', start: a, end: loopEnd[a]! }));
  const inside = (a: number, i: number): boolean => a <= i && i < loopEnd[a]!;
  // Forward edges: one block scope per target, starting early enough to nest with every loop.
  const firstSource = new Map<number, number>();
  for (const [from, to] of edges) {
    if (to <= from) continue;
    // A jump into a loop (one around the target but not around the source, other than to its header) cannot be made.
    if (headers.some((a) => a !== to && inside(a, to) && !inside(a, from))) continue;
    firstSource.set(to, Math.min(firstSource.get(to) ?? from, from));
  }
  const blocks = [...firstSource].map(([end, start]) => ({ start, end }));
  for (let changed = true; changed; ) {
    changed = false;
    for (const p of blocks) {
      let { start } = p;
      // What is open at the start and ends before the target must be wholly inside.
      for (const a of headers) if (inside(a, start) && loopEnd[a]! <= p.end && a < start) start = a;
      for (const q of blocks) if (q.start < start && start < q.end && q.end < p.end) start = q.start;
      if (start !== p.start) {
        p.start = start;
        changed = true;
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
