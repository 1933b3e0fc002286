import { UOP_BYTES } from './helpers/heap-layout.ts';
import { SLOT_SP } from './helpers/layout.ts';
import type { Region } from './region.ts';
import { EFFECTS, FLAGS } from './uop-effects.ts';

/** Registers as a mask: bit n is Xn for n below 31, bit 31 the stack pointer. */
export type RegisterMask = number;

export const bitOfSlot = (slot: number): RegisterMask =>
  slot < 31 ? 1 << slot : slot === SLOT_SP ? 1 << 31 : 0;

/** Flags at a join that do not agree: known at run time only. */
export const FLAGS_DYNAMIC = -1;

/** What the emitter must know at the start of each node. */
export interface NodeFacts {
  /** Registers whose local is newer than CPU state, on some way here. */
  readonly dirty: RegisterMask;
  /** How the flags are held. */
  readonly flags: number;
}

export interface RegionFacts {
  readonly nodes: readonly NodeFacts[];
  /** Registers to load on entry. */
  readonly loads: RegisterMask;
}

/** Register operands of instruction helpers: which X registers a helper may read and write, from its word. */
export type HelperEffects = (imm: { lo: number; hi: number }) => {
  readonly reads: RegisterMask;
  readonly writes: RegisterMask;
  readonly flags: boolean;
};

interface Local {
  /** Read before written. */
  use: RegisterMask;
  def: RegisterMask;
  /** Kind of the flags it leaves; undefined: as they were. */
  flags: number | undefined;
}

function localEffects(u32: Uint32Array, region: Region, helperUop: number, helper: HelperEffects): Local[] {
  return region.nodes.map((node) => {
    const local: Local = { use: 0, def: 0, flags: undefined };
    for (let i = 0; i < node.uopCount; i++) {
      const at = (node.uops + i * UOP_BYTES) >>> 2;
      const head = u32[at]!;
      const regs = u32[at + 1]!;
      const slot = { a: head >>> 24, d: regs & 0xff, n: (regs >>> 8) & 0xff, m: (regs >>> 16) & 0xff };
      const code = head & 0xffff;
      const effects = EFFECTS[code]!;
      let reads = 0;
      let writes = 0;
      for (const operand of effects.reads) reads |= bitOfSlot(slot[operand]);
      for (const operand of effects.writes) writes |= bitOfSlot(slot[operand]);
      if (code === helperUop) {
        const h = helper({ lo: u32[at + 2]!, hi: u32[at + 3]! });
        reads |= h.reads;
        writes |= h.writes;
        if (h.flags) local.flags = FLAGS.PLAIN;
      }
      local.use |= reads & ~local.def;
      local.def |= writes;
      if (effects.flags !== undefined) local.flags = effects.flags;
    }
    return local;
  });
}

/** Forward for dirty registers and flags, backward for what must be loaded on entry. */
export function analyseRegion(
  u32: Uint32Array,
  region: Region,
  edges: readonly (readonly [number, number])[],
  helperUop: number,
  helper: HelperEffects,
): RegionFacts {
  const count = region.nodes.length;
  const locals = localEffects(u32, region, helperUop, helper);
  const dirty = new Int32Array(count);
  const TOP = -2;
  const flags = new Int32Array(count).fill(TOP);
  flags[0] = FLAGS.INHERITED;
  const merge = (a: number, b: number): number => (a === TOP ? b : b === TOP || a === b ? a : FLAGS_DYNAMIC);
  for (let changed = true; changed; ) {
    changed = false;
    for (const [from, to] of edges) {
      const newDirty = dirty[to]! | dirty[from]! | locals[from]!.def;
      const out = locals[from]!.flags ?? flags[from]!;
      const newFlags = merge(flags[to]!, out);
      if (newDirty !== dirty[to] || newFlags !== flags[to]) {
        dirty[to] = newDirty;
        flags[to] = newFlags;
        changed = true;
      }
    }
  }
  // A departure stores what is dirty, so it needs it: dirty registers count as used at the start of a node.
  const live = new Int32Array(count);
  for (let i = 0; i < count; i++) live[i] = locals[i]!.use | dirty[i]!;
  for (let changed = true; changed; ) {
    changed = false;
    for (const [from, to] of edges) {
      const value = live[from]! | (live[to]! & ~locals[from]!.def);
      if (value !== live[from]) {
        live[from] = value;
        changed = true;
      }
    }
  }
  return {
    nodes: locals.map((_, i) => ({ dirty: dirty[i]!, flags: flags[i] === TOP ? FLAGS_DYNAMIC : flags[i]! })),
    loads: live[0]!,
  };
}
