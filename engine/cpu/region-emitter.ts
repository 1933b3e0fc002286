// biome-ignore-all format: chains of emitted instructions read best as written
import { CompilerBackend, FIXED_LOCALS, LOCAL } from './compiler-backend.ts';
import { EXIT_BUDGET, EXIT_HOST, EXIT_IRQ, TLB_ENTRIES, TLB_FETCH, UOP_BYTES } from './helpers/heap-layout.ts';
import * as L from './helpers/layout.ts';
import type { Region, RegionNode } from './region.ts';
import { type Scope, scopesOf } from './region.ts';
import { analyseRegion, bitOfSlot, type RegionFacts, type RegisterMask } from './region-analysis.ts';
import { FLAGS } from './uop-effects.ts';
import { UOPS, uop } from './uops.ts';
import { Code, I32, I64, type ValueType } from './wasm/emitter.ts';

export const HELPER_UOP = uop('helper');

/** Instruction helpers that touch X registers or the flags; all others work on V registers, FPCR and FPSR only. */
export const TOUCHES_X = new Set([
  'op_cvtf_gen', 'op_cvtf_gen_fixed', 'op_fcvt_gen', 'op_fcvtz_gen_fixed', 'op_fmov_from_top', 'op_fmov_from_v',
  'op_fmov_to_top', 'op_fmov_to_v', 'op_UMOV', 'op_SMOV', 'op_DUP_gen', 'op_INS_gen', 'op_CRC32', 'op_fjcvtzs',
]);
export const TOUCHES_FLAGS = new Set(['op_fcmp', 'op_fccmp', 'op_fcsel', 'op_fjcvtzs']);

/** Where a register slot is kept in CPU state. */
const slotOffset = (slot: number): number => slot * 8;

/** A way out: what must be stored, and in what form the flags are. */
interface Tail {
  readonly dirty: RegisterMask;
  readonly flags: number;
}

/**
 * Emits one region as a function `(cpu) → next PC`. The code is `block…block body end tail0 end tail1 …`: a
 * departure branches to the tail that stores just what is dirty there, and departures that agree share one.
 */
export class RegionEmitter {
  readonly #u32: Uint32Array;
  readonly #region: Region;
  readonly #c = new Code(16384);
  readonly #b: CompilerBackend;
  readonly #imports: ReadonlyMap<string, number>;
  readonly #helperNames: readonly string[];
  /** Open labels inside the tails, innermost last. */
  readonly #labels: string[] = [];
  readonly #tails: Tail[] = [];
  readonly #tailIndex = new Map<string, number>();
  #facts!: RegionFacts;
  #node!: RegionNode;
  #instruction = 0;

  constructor(u32: Uint32Array, region: Region, imports: ReadonlyMap<string, number>, helperNames: readonly string[]) {
    this.#u32 = u32;
    this.#region = region;
    this.#imports = imports;
    this.#helperNames = helperNames;
    this.#b = new CompilerBackend(this.#c, (helper) => imports.get(helper)!);
    this.#b.leave = (inside) => this.#leave(inside);
    this.#b.callInstructionHelper = () => this.#instructionHelper();
  }

  emit(): { locals: ValueType[]; code: Code } {
    const { nodes, index } = this.#region;
    const c = this.#c;
    const edges: [number, number][] = [];
    nodes.forEach((node, from) => {
      for (const exit of node.exits) {
        const to = index.get(exit.key);
        if (to !== undefined) edges.push([from, to]);
      }
    });
    this.#facts = analyseRegion(this.#u32, this.#region, edges, HELPER_UOP, (imm) => {
      const name = this.#helperNames[imm.hi - 1]!;
      const registers = this.#helperRegisters(name, imm.lo);
      return {
        reads: registers.reduce((mask, r) => mask | bitOfSlot(r), 0),
        writes: registers.includes(imm.lo & 31) ? bitOfSlot(imm.lo & 31) : 0,
        flags: TOUCHES_FLAGS.has(name),
      };
    });
    this.#emitNodes(scopesOf(nodes.length, edges));

    const out = new Code(c.length + 4096);
    for (const slot of this.#slots(this.#facts.loads)) this.#b.local(slot);
    this.#prologue(out);
    for (let i = 0; i < this.#tails.length; i++) out.block();
    out.raw(c.bytes.subarray(0, c.length));
    c.length = 0;
    this.#emitTails();
    out.raw(c.bytes.subarray(0, c.length));
    return { locals: this.#locals(), code: out };
  }

  #locals(): ValueType[] {
    const locals: ValueType[] = [];
    for (let i = 0; i < FIXED_LOCALS.i32; i++) locals.push(I32);
    for (let i = 0; i < FIXED_LOCALS.i64; i++) locals.push(I64);
    for (let i = 0; i < FIXED_LOCALS.i32Again; i++) locals.push(I32);
    for (let i = 0; i < this.#b.registers.size; i++) locals.push(I64);
    return locals;
  }

  #slots(mask: RegisterMask): number[] {
    const slots: number[] = [];
    for (let r = 0; r < 31; r++) if (mask & (1 << r)) slots.push(r);
    if (mask & (1 << 31)) slots.push(L.SLOT_SP);
    return slots;
  }

  #prologue(c: Code): void {
    c.get(LOCAL.CPU).mem('i32_load', L.CPU_BUDGET).set(LOCAL.BUDGET);
    c.get(LOCAL.CPU).mem('i32_load', L.CPU_TLB).set(LOCAL.TLB);
    c.get(LOCAL.CPU).mem('i64_load', L.CPU_PC).i64(-4096, -1).op('i64_and').set(LOCAL.BASE);
    c.i32(FLAGS.INHERITED).set(LOCAL.KIND);
    for (const slot of this.#slots(this.#facts.loads)) {
      c.get(LOCAL.CPU).mem('i64_load', slotOffset(slot)).set(this.#b.local(slot));
    }
  }

  #emitTails(): void {
    const c = this.#c;
    c.op('unreachable');
    this.#tails.forEach(({ dirty, flags }) => {
      c.end();
      for (const slot of this.#slots(dirty)) {
        c.get(LOCAL.CPU).get(this.#b.local(slot)).mem('i64_store', slotOffset(slot));
      }
      this.#b.storeFlags(flags);
      c.get(LOCAL.CPU).get(LOCAL.BUDGET).mem('i32_store', L.CPU_BUDGET);
      c.get(LOCAL.PC).op('return');
    });
    c.op('unreachable');
  }

  /* ---------------------------------------------------------------- control flow */

  #emitNodes(scopes: readonly Scope[]): void {
    const { nodes } = this.#region;
    const c = this.#c;
    const starts = new Map<number, Scope[]>();
    for (const scope of scopes) starts.set(scope.start, [...(starts.get(scope.start) ?? []), scope]);
    const open: Scope[] = [];
    const close = (at: number): void => {
      while (open.length > 0 && open.at(-1)!.end === at) {
        open.pop();
        this.#labels.pop();
        c.end();
      }
    };
    nodes.forEach((node, i) => {
      close(i);
      for (const scope of starts.get(i) ?? []) {
        open.push(scope);
        this.#labels.push(scope.kind === 'loop' ? `loop ${i}` : `block ${scope.end}`);
        if (scope.kind === 'loop') c.loop();
        else c.block();
      }
      const facts = this.#facts.nodes[i]!;
      this.#b.dirty = facts.dirty;
      this.#b.setFlagState(facts.flags);
      this.#emitNode(node, i);
    });
    close(nodes.length);
  }

  /** Depth of a label, plus `inside` ifs that the caller has opened; -1 if it is not open. */
  #depth(label: string, inside: number): number {
    const at = this.#labels.lastIndexOf(label);
    return at < 0 ? -1 : this.#labels.length - 1 - at + inside;
  }

  /** Branches to the tail for the present state; PC has been set. */
  #exit(inside: number): void {
    const { dirty, flags } = this.#b;
    const key = `${dirty} ${flags}`;
    let tail = this.#tailIndex.get(key);
    if (tail === undefined) {
      tail = this.#tails.push({ dirty, flags }) - 1;
      this.#tailIndex.set(key, tail);
    }
    this.#c.br(this.#labels.length + tail + inside);
  }

  #exitTo(va: number, inside: number): void {
    this.#c.get(LOCAL.BASE).i64(va).op('i64_add').set(LOCAL.PC);
    this.#exit(inside);
  }

  /** Leaves at the present instruction, which has been charged; the rest of the block is given back. */
  #leave(inside: number): void {
    const rest = this.#node.count - 1 - this.#instruction;
    if (rest > 0) this.#c.get(LOCAL.BUDGET).i32(rest).op('i32_add').set(LOCAL.BUDGET);
    this.#exitTo(this.#node.va + this.#instruction * 4, inside);
  }

  #emitNode(node: RegionNode, index: number): void {
    const c = this.#c;
    const b = this.#b;
    const u32 = this.#u32;
    this.#node = node;
    b.blockOffset = node.va;
    b.blockCount = node.count;
    // Charge the block.
    c.get(LOCAL.BUDGET).i32(node.count).op('i32_sub').tee(LOCAL.BUDGET).i32(0).op('i32_lt_s').if();
    c.get(LOCAL.BUDGET).i32(node.count).op('i32_add').set(LOCAL.BUDGET);
    c.get(LOCAL.CPU).i32(EXIT_BUDGET).mem('i32_store', L.CPU_EXIT);
    this.#exitTo(node.va, 1);
    c.end();
    for (let i = 0; i < node.uopCount; i++) {
      const at = (node.uops + i * UOP_BYTES) >>> 2;
      const head = u32[at]!;
      const regs = u32[at + 1]!;
      const o = b.operands;
      const definition = UOPS[head & 0xffff]!;
      this.#instruction = (head >>> 16) & 0xff;
      o.a = head >>> 24;
      o.d = regs & 0xff;
      o.n = (regs >>> 8) & 0xff;
      o.m = (regs >>> 16) & 0xff;
      o.x = regs >>> 24;
      o.lo = u32[at + 2]! | 0;
      o.hi = u32[at + 3]! | 0;
      if (definition.kind === 'plain') definition.emit(b);
      else this.#end(node, index, definition.emit.bind(definition));
    }
  }

  #end(node: RegionNode, index: number, emit: (b: CompilerBackend) => void): void {
    const c = this.#c;
    const b = this.#b;
    const [first, second] = node.exits;
    switch (node.ending) {
      case 'branch':
        this.#goto(first!, index, 0);
        return;
      case 'branch-if':
        emit(b);
        // What is known of the flags holds on both ways.
        c.if();
        this.#goto(first!, index, 1);
        c.end();
        this.#goto(second!, index, 0);
        return;
      case 'branch-register':
        b.reg('n');
        c.set(LOCAL.PC);
        if (node.returnsTo !== undefined && this.#region.index.has(first!.key)) {
          // A return to where the region's own call came from.
          c.get(LOCAL.PC).get(LOCAL.BASE).i64(node.returnsTo).op('i64_add').op('i64_eq').if();
          this.#goto(first!, index, 1);
          c.end();
        }
        this.#exit(0);
        return;
      case 'host':
        c.get(LOCAL.CPU).i32(EXIT_HOST).mem('i32_store', L.CPU_EXIT);
        c.get(LOCAL.CPU).i64(b.operands.lo, 0).mem('i64_store', L.CPU_ADDR);
        this.#exitTo(node.va + this.#instruction * 4, 0);
        return;
      case 'unmask':
        emit(b);
        c.get(LOCAL.CPU).mem('i32_load', L.CPU_IRQ);
        c.get(LOCAL.CPU).mem('i32_load', L.CPU_DAIF).i32(-1).op('i32_xor').op('i32_and').if();
        c.get(LOCAL.CPU).i32(EXIT_IRQ).mem('i32_store', L.CPU_EXIT);
        this.#exitTo(first!.va, 1);
        c.end();
        this.#goto(first!, index, 0);
        return;
      case 'plain':
        throw new Error('a block without an end');
    }
  }

  /** Goes to a node where a scope allows, else out of the region. */
  #goto(exit: { readonly va: number; readonly key: string }, from: number, inside: number): void {
    const to = this.#region.index.get(exit.key);
    if (to !== undefined) {
      const fallsThrough = to === from + 1 && inside === 0 && this.#depth(`loop ${to}`, 0) < 0;
      const depth = fallsThrough ? 0 : this.#depth(to > from ? `block ${to}` : `loop ${to}`, inside);
      if (fallsThrough || depth >= 0) {
        this.#checkPage(exit.va, from, to, inside);
        if (!fallsThrough) this.#c.br(depth);
        return;
      }
    }
    this.#exitTo(exit.va, inside);
  }

  /**
   * Going to another page: the mapping must still be what it was when the region was made, which the fetch TLB
   * tells: it must name the same code table.
   */
  #checkPage(va: number, from: number, to: number, inside: number): void {
    const { nodes } = this.#region;
    const page = Math.floor(va / 4096);
    if (page === Math.floor(nodes[from]!.va / 4096)) return;
    const c = this.#c;
    // Entry of the page: BASE is page-aligned.
    c.get(LOCAL.BASE).i64(page * 4096).op('i64_add').set(LOCAL.PC);
    c.get(LOCAL.TLB);
    c.get(LOCAL.PC).i64(8).op('i64_shr_u').op('i32_wrap_i64').i32((TLB_ENTRIES - 1) << 4).op('i32_and').op('i32_add');
    c.tee(LOCAL.ENTRY).mem('i64_load', TLB_FETCH).get(LOCAL.PC).op('i64_ne');
    c.get(LOCAL.ENTRY).mem('i32_load', TLB_FETCH + 8).i32(nodes[to]!.table).op('i32_ne').op('i32_or').if();
    this.#exitTo(va, inside + 1);
    c.end();
  }

  /* ---------------------------------------------------------------- instruction helpers */

  #helperRegisters(name: string, word: number): number[] {
    if (!TOUCHES_X.has(name)) return [];
    return [word & 31, (word >>> 5) & 31, (word >>> 16) & 31].filter((r) => r !== 31);
  }

  #instructionHelper(): void {
    const c = this.#c;
    const b = this.#b;
    const word = b.operands.lo;
    const name = this.#helperNames[b.operands.hi - 1]!;
    const registers = this.#helperRegisters(name, word);
    for (const r of registers) c.get(LOCAL.CPU).get(b.local(r)).mem('i64_store', slotOffset(r));
    const flags = TOUCHES_FLAGS.has(name);
    if (flags) {
      b.materialise();
      b.storePlain();
    }
    c.get(LOCAL.CPU).i32(word).call(this.#imports.get(name)!);
    const d = word & 31;
    if (registers.includes(d)) {
      c.get(LOCAL.CPU).mem('i64_load', slotOffset(d)).set(b.local(d));
      b.dirty |= bitOfSlot(d);
    }
    if (flags) {
      b.loadPlain();
      b.setFlagState(FLAGS.PLAIN);
      c.i32(FLAGS.PLAIN).set(LOCAL.KIND);
    }
  }
}
