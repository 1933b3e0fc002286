import type { CpuCluster } from './cluster.ts';
import { CompilerBackend, emitMaterialise, FIXED_LOCALS, FLAG_OFFSET, FLAGS_DYNAMIC, LOCAL } from './compiler-backend.ts';
import type { CpuState } from './cpu-state.ts';
import * as L from './helpers/layout.ts';
import {
  BLOCK_COMPILED, BLOCK_HEAT, EXIT_BUDGET, EXIT_HOST, EXIT_IRQ, UOP_BYTES,
} from './helpers/heap-layout.ts';
import { blockHeat, collectRegion, type Region, type RegionBlock, scopesOf } from './region.ts';
import { HELPERS, type Helper, UOPS, uop } from './uops.ts';
import { Code, I32, I64, ModuleBuilder, type ValueType } from './wasm/emitter.ts';

/** When to compile, in executions of a block; measured with `npm run bench` (docs/performance.md). */
export interface CompilerOptions {
  /** Executions until a block asks to be compiled. 0: never compile. */
  readonly threshold: number;
  /** Further executions that it waits for company, since a module of many regions is cheaper. */
  readonly patience: number;
  /** Regions that are compiled at once. */
  readonly batch: number;
}

export const DEFAULT_COMPILER: CompilerOptions = { threshold: 1000, patience: 1000, batch: 16 };
/** Every block from its first execution (tests). */
export const FORCED_COMPILER: CompilerOptions = { threshold: 1, patience: 1, batch: 1 };

const NEVER = 0x7fffffff;
/** WebAssembly bytes of live modules; machine code takes several times as much. */
const MAX_LIVE_BYTES = 40 * 2 ** 20;

/** Instruction helpers that touch X registers or the flags; all others work on V registers, FPCR and FPSR only. */
const TOUCHES_X = new Set([
  'op_cvtf_gen', 'op_cvtf_gen_fixed', 'op_fcvt_gen', 'op_fcvtz_gen_fixed', 'op_fmov_from_top', 'op_fmov_from_v',
  'op_fmov_to_top', 'op_fmov_to_v', 'op_UMOV', 'op_SMOV', 'op_DUP_gen', 'op_INS_gen', 'op_CRC32',
]);
const TOUCHES_FLAGS = new Set(['op_fcmp', 'op_fccmp', 'op_fcsel']);

interface Pending {
  readonly table: number;
  readonly frame: number;
  readonly offset: number;
  readonly block: number;
}

/**
 * The compiler backend (tier 1): hot blocks, joined into regions, become WebAssembly functions with the guest's
 * registers in locals. It decides nothing that the guest could see: a region charges every block as the
 * interpreter does, and leaves before anything that is not a plain access to memory.
 */
export class Compiler {
  readonly #cluster: CpuCluster;
  readonly options: CompilerOptions;
  #pending: Pending[] = [];
  /** Function table slots by frame, and free ones. */
  readonly #byFrame = new Map<number, number[]>();
  readonly #free: number[] = [];
  #liveBytes = 0;
  readonly stats = { modules: 0, regions: 0, blocks: 0, bytes: 0 };

  constructor(cluster: CpuCluster, options: CompilerOptions) {
    this.#cluster = cluster;
    this.options = options;
    cluster.code.heat = options.threshold > 0 ? options.threshold : NEVER;
    cluster.onHot = (s) => this.#hot(s);
    cluster.code.onDrop = (frame) => this.#dropped(frame);
  }

  #dropped(frame: number | undefined): void {
    const release = (slots: readonly number[]): void => {
      for (const slot of slots) {
        this.#cluster.functions.set(slot, null);
        this.#free.push(slot);
      }
    };
    if (frame === undefined) {
      for (const slots of this.#byFrame.values()) release(slots);
      this.#byFrame.clear();
      this.#liveBytes = 0;
      this.#pending = [];
    } else {
      release(this.#byFrame.get(frame) ?? []);
      this.#byFrame.delete(frame);
      this.#pending = this.#pending.filter((p) => p.frame !== frame);
    }
  }

  #hot(s: CpuState): void {
    const cluster = this.#cluster;
    const frame = cluster.fetchFrame(s);
    if (frame === 0) return;
    const { heap } = cluster;
    const offset = s.word(L.CPU_PC) & 0xffc;
    const table = cluster.code.tableOf(frame, s.word(L.CPU_CONTEXT));
    const block = table === 0 ? 0 : heap.u32[(table + offset) >>> 2]!;
    if (block === 0) return;
    const known = this.#pending.some((p) => p.block === block);
    if (!known) this.#pending.push({ table, frame, offset, block });
    heap.u32[(block + BLOCK_HEAT) >>> 2] = this.options.patience;
    if (known || this.#pending.length >= this.options.batch) this.#compilePending();
  }

  #compilePending(): void {
    const { heap, helpers, functions, helperNames } = this.#cluster;
    const pending = this.#pending;
    this.#pending = [];
    const module = new RegionModule(helperNames);
    const isWarm = (address: number): boolean => {
      const { left, compiled } = blockHeat(heap, address);
      return compiled !== 0 || this.options.threshold - left >= this.options.threshold / 16;
    };
    const regions = pending.map(({ table, offset }) => collectRegion(heap, table, offset, isWarm));
    for (const region of regions) module.discover(heap.u32, region);
    module.begin();
    regions.forEach((region, i) => {
      module.add(heap.u32, region, `r${i}`);
    });
    const bytes = module.build();
    const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes), {
      env: { memory: heap.memory, ...helpers },
    });
    this.stats.modules += 1;
    this.stats.bytes += bytes.length;
    this.#liveBytes += bytes.length;
    // A bound on code memory: past it everything is dropped at the next safe point, and what is hot comes back.
    if (this.#liveBytes > MAX_LIVE_BYTES) this.#cluster.code.requestFlush();
    pending.forEach(({ frame, block }, i) => {
      const slot = this.#free.pop() ?? functions.grow(1);
      functions.set(slot, instance.exports[`r${i}`]);
      heap.u32[(block + BLOCK_COMPILED) >>> 2] = slot;
      heap.u32[(block + BLOCK_HEAT) >>> 2] = NEVER;
      const slots = this.#byFrame.get(frame);
      if (slots === undefined) this.#byFrame.set(frame, [slot]);
      else slots.push(slot);
      this.stats.regions += 1;
      this.stats.blocks += regions[i]!.blocks.length;
    });
  }
}

const HELPER_UOP = uop('helper');

/** One WebAssembly module of regions. Imports come first, so all regions are looked through before the first is emitted. */
class RegionModule {
  readonly #module = new ModuleBuilder();
  readonly #helperNames: readonly string[];
  readonly #imports = new Map<string, number>();
  readonly #wanted = new Set<string>();

  constructor(helperNames: readonly string[]) {
    this.#helperNames = helperNames;
    this.#module.importMemory('env', 'memory', 1);
  }

  discover(u32: Uint32Array, region: Region): void {
    for (const block of region.blocks) {
      for (let i = 0; i < block.uopCount; i++) {
        const at = (block.uops + i * UOP_BYTES) >>> 2;
        if ((u32[at]! & 0xffff) === HELPER_UOP) this.#wanted.add(this.#helperNames[u32[at + 3]! - 1]!);
      }
    }
  }

  begin(): void {
    const type = (name: 'i32' | 'i64'): ValueType => (name === 'i32' ? I32 : I64);
    for (const name of Object.keys(HELPERS) as Helper[]) {
      const { params, result } = HELPERS[name];
      const index = this.#module.importFunction('env', name, {
        params: params.map(type),
        results: result === undefined ? [] : [type(result)],
      });
      this.#imports.set(name, index);
    }
    for (const name of this.#wanted) {
      this.#imports.set(name, this.#module.importFunction('env', name, { params: [I32, I32], results: [] }));
    }
  }

  add(u32: Uint32Array, region: Region, name: string): void {
    const emitter = new RegionEmitter(u32, region, this.#imports, this.#helperNames);
    const { locals, code } = emitter.emit();
    this.#module.function({ params: [I32], results: [I64] }, locals, code, name);
  }

  build(): Uint8Array<ArrayBuffer> {
    return this.#module.build();
  }
}

/** Where a register slot is kept in CPU state. */
const slotOffset = (slot: number): number => slot * 8;

class RegionEmitter {
  readonly #u32: Uint32Array;
  readonly #region: Region;
  readonly #c = new Code(16384);
  readonly #b: CompilerBackend;
  readonly #imports: ReadonlyMap<string, number>;
  readonly #helperNames: readonly string[];
  /** Open labels, innermost last: scope indices, and what lies outside them. */
  readonly #labels: string[] = [];
  #block!: RegionBlock;
  #index = 0;

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
    const { blocks, index } = this.#region;
    const c = this.#c;
    const edges: [number, number][] = [];
    blocks.forEach((block, from) => {
      for (const target of block.targets) {
        const to = index.get(target);
        if (to !== undefined) edges.push([from, to]);
      }
    });
    const scopes = scopesOf(blocks.length, edges);
    const predecessors = new Map<number, number>();
    for (const [, to] of edges) predecessors.set(to, (predecessors.get(to) ?? 0) + 1);
    const starts = new Map<number, typeof scopes>();
    for (const scope of scopes) starts.set(scope.start, [...(starts.get(scope.start) ?? []), scope]);

    this.#open('exit');
    c.block();
    const open: { end: number }[] = [];
    /** Flags at the start of the next block, if it is reached only by falling through. */
    let fallFlags = FLAGS_DYNAMIC;
    for (let i = 0; i < blocks.length; i++) {
      while (open.length > 0 && open.at(-1)!.end === i) {
        open.pop();
        this.#labels.pop();
        c.end();
      }
      for (const scope of starts.get(i) ?? []) {
        open.push(scope);
        if (scope.kind === 'loop') {
          this.#labels.push(`loop ${i}`);
          c.loop();
        } else {
          this.#labels.push(`block ${scope.end}`);
          c.block();
        }
      }
      const entered = (predecessors.get(i) ?? 0) + (i === 0 ? 1 : 0);
      this.#b.flags = entered === 1 ? fallFlags : FLAGS_DYNAMIC;
      fallFlags = this.#emitBlock(blocks[i]!, i);
    }
    while (open.length > 0) {
      open.pop();
      this.#labels.pop();
      c.end();
    }
    c.op('unreachable');
    c.end(); // exit
    this.#labels.pop();
    this.#epilogue();

    const locals: ValueType[] = [];
    for (let i = 0; i < FIXED_LOCALS.i32; i++) locals.push(I32);
    for (let i = 0; i < FIXED_LOCALS.i64; i++) locals.push(I64);
    for (let i = 0; i < FIXED_LOCALS.i32Again; i++) locals.push(I32);
    for (let i = 0; i < this.#b.registers.size; i++) locals.push(I64);
    const code = new Code(this.#c.length + 1024);
    this.#prologue(code);
    code.raw(c.bytes.subarray(0, c.length));
    return { locals, code };
  }

  #open(label: string): void {
    this.#labels.push(label);
  }

  /** Depth of a label, plus `inside` ifs that the caller has opened. */
  #depth(label: string, inside: number): number {
    const at = this.#labels.lastIndexOf(label);
    return at < 0 ? -1 : this.#labels.length - 1 - at + inside;
  }

  #prologue(c: Code): void {
    c.get(LOCAL.CPU).mem('i32_load', L.CPU_BUDGET).set(LOCAL.BUDGET);
    c.get(LOCAL.CPU).mem('i32_load', L.CPU_TLB).set(LOCAL.TLB);
    c.get(LOCAL.CPU).mem('i64_load', L.CPU_PC).i64(-4096, -1).op('i64_and').set(LOCAL.BASE);
    for (const flag of ['N', 'Z', 'C', 'V'] as const) {
      c.get(LOCAL.CPU).mem(flag === 'N' || flag === 'Z' ? 'i64_load' : 'i32_load', FLAG_OFFSET[flag]).set(LOCAL[flag]);
    }
    for (const [slot, local] of this.#b.registers) {
      if (slot <= L.SLOT_SP) c.get(LOCAL.CPU).mem('i64_load', slotOffset(slot)).set(local);
    }
  }

  #epilogue(): void {
    const c = this.#c;
    c.get(LOCAL.KIND).if();
    emitMaterialise(c);
    c.end();
    for (const flag of ['N', 'Z', 'C', 'V'] as const) {
      c.get(LOCAL.CPU).get(LOCAL[flag]).mem(flag === 'N' || flag === 'Z' ? 'i64_store' : 'i32_store', FLAG_OFFSET[flag]);
    }
    for (const slot of this.#b.written) {
      c.get(LOCAL.CPU).get(this.#b.registers.get(slot)!).mem('i64_store', slotOffset(slot));
    }
    c.get(LOCAL.CPU).get(LOCAL.BUDGET).mem('i32_store', L.CPU_BUDGET);
    c.get(LOCAL.PC);
  }

  /** PC := page + offset, then to the exit. */
  #exitTo(offset: number, inside: number): void {
    this.#c.get(LOCAL.BASE).i64(offset).op('i64_add').set(LOCAL.PC).br(this.#depth('exit', inside));
  }

  /** Leaves at the present instruction, which has been charged; the rest of the block is given back. */
  #leave(inside: number): void {
    const rest = this.#block.count - 1 - this.#index;
    const c = this.#c;
    if (rest > 0) c.get(LOCAL.BUDGET).i32(rest).op('i32_add').set(LOCAL.BUDGET);
    this.#exitTo(this.#block.offset + this.#index * 4, inside);
  }

  #emitBlock(block: RegionBlock, index: number): number {
    const c = this.#c;
    const b = this.#b;
    const u32 = this.#u32;
    this.#block = block;
    b.blockOffset = block.offset;
    // Charge the block.
    c.get(LOCAL.BUDGET).i32(block.count).op('i32_sub').tee(LOCAL.BUDGET).i32(0).op('i32_lt_s').if();
    c.get(LOCAL.BUDGET).i32(block.count).op('i32_add').set(LOCAL.BUDGET);
    c.get(LOCAL.CPU).i32(EXIT_BUDGET).mem('i32_store', L.CPU_EXIT);
    this.#exitTo(block.offset, 1);
    c.end();
    for (let i = 0; i < block.uopCount; i++) {
      const at = (block.uops + i * UOP_BYTES) >>> 2;
      const head = u32[at]!;
      const regs = u32[at + 1]!;
      const o = b.operands;
      const definition = UOPS[head & 0xffff]!;
      this.#index = (head >>> 16) & 0xff;
      o.a = head >>> 24;
      o.d = regs & 0xff;
      o.n = (regs >>> 8) & 0xff;
      o.m = (regs >>> 16) & 0xff;
      o.x = regs >>> 24;
      o.lo = u32[at + 2]! | 0;
      o.hi = u32[at + 3]! | 0;
      switch (definition.kind) {
        case 'plain':
          definition.emit(b);
          break;
        case 'branch':
          return this.#goto(block.offset + o.lo, index, 0) ? b.flags : FLAGS_DYNAMIC;
        case 'branch-if': {
          const taken = block.offset + o.lo;
          const next = block.offset + o.hi;
          definition.emit(b);
          // The flags as they are now hold on both ways.
          c.if();
          this.#goto(taken, index, 1);
          c.end();
          return this.#goto(next, index, 0) ? b.flags : FLAGS_DYNAMIC;
        }
        case 'branch-register':
          b.reg('n');
          c.set(LOCAL.PC).br(this.#depth('exit', 0));
          return FLAGS_DYNAMIC;
        case 'host':
          c.get(LOCAL.CPU).i32(EXIT_HOST).mem('i32_store', L.CPU_EXIT);
          c.get(LOCAL.CPU).i64(o.lo, 0).mem('i64_store', L.CPU_ADDR);
          this.#exitTo(block.offset + this.#index * 4, 0);
          return FLAGS_DYNAMIC;
        case 'unmask':
          definition.emit(b);
          c.get(LOCAL.CPU).mem('i32_load', L.CPU_IRQ);
          c.get(LOCAL.CPU).mem('i32_load', L.CPU_DAIF).i32(-1).op('i32_xor').op('i32_and').if();
          c.get(LOCAL.CPU).i32(EXIT_IRQ).mem('i32_store', L.CPU_EXIT);
          this.#exitTo(block.offset + o.lo, 1);
          c.end();
          return this.#goto(block.offset + o.lo, index, 0) ? b.flags : FLAGS_DYNAMIC;
      }
    }
    throw new Error('a block without an end');
  }

  /** Goes to a page offset: inside the region where a scope allows, else out. True if it falls through to the next block. */
  #goto(target: number, from: number, inside: number): boolean {
    const to = this.#region.index.get(target);
    if (to !== undefined) {
      if (to === from + 1 && inside === 0 && this.#depth(`loop ${to}`, 0) < 0) return true;
      const depth = this.#depth(to > from ? `block ${to}` : `loop ${to}`, inside);
      if (depth >= 0) {
        this.#c.br(depth);
        return false;
      }
    }
    this.#exitTo(target, inside);
    return false;
  }

  #instructionHelper(): void {
    const c = this.#c;
    const b = this.#b;
    const word = b.operands.lo;
    const name = this.#helperNames[b.operands.hi - 1]!;
    const flags = TOUCHES_FLAGS.has(name);
    const registers = TOUCHES_X.has(name) ? [word & 31, (word >>> 5) & 31, (word >>> 16) & 31] : [];
    const used = registers.filter((r) => r !== 31);
    for (const r of used) c.get(LOCAL.CPU).get(b.local(r)).mem('i64_store', slotOffset(r));
    if (flags) {
      b.materialise();
      for (const flag of ['N', 'Z', 'C', 'V'] as const) {
        c.get(LOCAL.CPU).get(LOCAL[flag]).mem(flag === 'N' || flag === 'Z' ? 'i64_store' : 'i32_store', FLAG_OFFSET[flag]);
      }
    }
    c.get(LOCAL.CPU).i32(word).call(this.#imports.get(name)!);
    const d = word & 31;
    if (used.includes(d)) {
      c.get(LOCAL.CPU).mem('i64_load', slotOffset(d)).set(b.local(d));
      b.written.add(d);
    }
    if (flags) {
      for (const flag of ['N', 'Z', 'C', 'V'] as const) {
        c.get(LOCAL.CPU).mem(flag === 'N' || flag === 'Z' ? 'i64_load' : 'i32_load', FLAG_OFFSET[flag]).set(LOCAL[flag]);
      }
    }
  }
}
