import type { CpuCluster } from './cluster.ts';
import type { CpuState } from './cpu-state.ts';
import { BLOCK_COMPILED, BLOCK_HEAT, G_WALK_PA, UOP_BYTES } from './helpers/heap-layout.ts';
import * as L from './helpers/layout.ts';
import { collectRegion, type Region, type RegionLimits } from './region.ts';
import { RegionEmitter } from './region-emitter.ts';
import { EFFECTS } from './uop-effects.ts';
import { HELPERS, type Helper } from './uops.ts';
import { I32, I64, ModuleBuilder, type ValueType } from './wasm/emitter.ts';

/** When to compile, in executions of a block; measured with `npm run bench` (docs/performance.md). */
export interface CompilerOptions {
  /** Executions until a block asks to be compiled. 0: never compile. */
  readonly threshold: number;
  /** Further executions that it waits for company, since a module of many regions is cheaper. */
  readonly patience: number;
  /** Regions that are compiled at once. */
  readonly batch: number;
  readonly limits: RegionLimits;
  /** A block joins a region if it has run at least this share of the threshold. */
  readonly warmth: number;
}

const LIMITS: RegionLimits = { nodes: 24, uops: 300, depth: 0 };

export const DEFAULT_COMPILER: CompilerOptions = {
  threshold: 10_000,
  patience: 2000,
  batch: 16,
  limits: LIMITS,
  warmth: 1 / 4,
};
/** Every block from its first execution (tests). */
export const FORCED_COMPILER: CompilerOptions = {
  threshold: 1,
  patience: 1,
  batch: 1,
  limits: LIMITS,
  warmth: 0,
};

const NEVER = 0x7fffffff;
/** WebAssembly bytes of live modules; machine code takes several times as much. */
const MAX_LIVE_BYTES = 40 * 2 ** 20;
/**
 * Live modules. Each takes some 33 KB however small it is, and mappings of its own, of which a Linux process has
 * 65,530 by default: V8 ends the process at about 36,000 modules. Dropped ones go with the next major garbage
 * collection only, which their size does not hurry, so several times this many are there at the worst
 * (test/bench/churn.ts). Where programs do real work a module has 28 KB of WebAssembly on average, and openssl or
 * Python take fewer than 500.
 */
const MAX_LIVE_MODULES = 1000;

/** A region that waits to be compiled. */
interface Pending {
  /** Its entry block. */
  readonly block: number;
  readonly region: Region;
}

/** A compiled region. */
interface Compiled {
  readonly slot: number;
  readonly block: number;
  readonly frames: readonly number[];
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
  /** Regions by the frames their code is in; free slots of the function table. */
  readonly #byFrame = new Map<number, Set<Compiled>>();
  readonly #free: number[] = [];
  #liveBytes = 0;
  #liveModules = 0;
  readonly stats = { modules: 0, regions: 0, blocks: 0, bytes: 0 };

  constructor(cluster: CpuCluster, options: CompilerOptions) {
    this.#cluster = cluster;
    this.options = options;
    cluster.code.heat = options.threshold > 0 ? options.threshold : NEVER;
    cluster.onHot = (s) => this.#hot(s);
    cluster.code.onDrop = (frame) => this.#dropped(frame);
  }

  #dropped(frame: number | undefined): void {
    if (frame === undefined) {
      const all = new Set<Compiled>();
      for (const regions of this.#byFrame.values()) for (const region of regions) all.add(region);
      for (const region of all) this.#release(region);
      this.#byFrame.clear();
      this.#pending = [];
      this.#liveBytes = 0;
      this.#liveModules = 0;
      return;
    }
    this.#pending = this.#pending.filter((p) => !p.region.frames.includes(frame));
    for (const region of this.#byFrame.get(frame) ?? []) {
      this.#release(region);
      for (const other of region.frames) if (other !== frame) this.#byFrame.get(other)?.delete(region);
    }
    this.#byFrame.delete(frame);
  }

  #release(region: Compiled): void {
    this.#cluster.functions.set(region.slot, null);
    this.#free.push(region.slot);
    const { u32 } = this.#cluster.heap;
    // The entry may be in another frame than what was dropped: it is interpreted again.
    u32[(region.block + BLOCK_COMPILED) >>> 2] = 0;
    u32[(region.block + BLOCK_HEAT) >>> 2] = this.options.threshold;
  }

  #hot(s: CpuState): void {
    const cluster = this.#cluster;
    const frame = cluster.fetchFrame(s);
    if (frame === 0) return;
    const { heap } = cluster;
    const offset = s.word(L.CPU_PC) & 0xffc;
    const context = cluster.fetchContext(s);
    const table = cluster.code.tableOf(frame, context);
    const block = table === 0 ? 0 : heap.u32[(table + offset) >>> 2]!;
    if (block === 0) return;
    const known = this.#pending.some((p) => p.block === block);
    if (!known) {
      const region = collectRegion(
        heap,
        offset,
        {
          find: (page) => (page === 0 ? { table, frame } : this.#findPage(s, page, context)),
          isWarm: (address) => this.#isWarm(address),
        },
        this.options.limits,
      );
      this.#pending.push({ block, region });
    }
    heap.u32[(block + BLOCK_HEAT) >>> 2] = this.options.patience;
    if (known || this.#pending.length >= this.options.batch) this.#compilePending();
  }

  /** Code table and frame of a page near that of PC, if it holds blocks. */
  #findPage(s: CpuState, page: number, context: number): { table: number; frame: number } | undefined {
    const { helpers, code, heap } = this.#cluster;
    const va = BigInt.asUintN(64, (s.pc & ~4095n) + BigInt(page * 4096));
    if (helpers.translate(s.base, va, s.el, 2) !== 0) return undefined;
    const frame = (helpers.radixEntry(heap.u64[G_WALK_PA >>> 3]!) & ~4095) >>> 0;
    const table = frame === 0 ? 0 : code.tableOf(frame, context);
    return table === 0 ? undefined : { table, frame };
  }

  /** Whether a block has run often enough to be worth a place in a region. */
  #isWarm(block: number): boolean {
    const { i32, u32 } = this.#cluster.heap;
    if (u32[(block + BLOCK_COMPILED) >>> 2] !== 0) return true;
    const left = i32[(block + BLOCK_HEAT) >>> 2]!;
    return (
      left > this.options.threshold ||
      this.options.threshold - left >= this.options.threshold * this.options.warmth
    );
  }

  #compilePending(): void {
    const { heap, helpers, functions, helperNames } = this.#cluster;
    const pending = this.#pending;
    this.#pending = [];
    const module = new RegionModule(helperNames);
    for (const { region } of pending) module.discover(heap.u32, region);
    module.begin();
    pending.forEach(({ region }, i) => {
      module.add(heap.u32, region, `r${i}`);
    });
    const bytes = module.build();
    const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes), {
      env: { memory: heap.memory, ...helpers },
    });
    this.stats.modules += 1;
    this.stats.bytes += bytes.length;
    this.#liveBytes += bytes.length;
    this.#liveModules += 1;
    // A bound on code memory: past it everything is dropped at the next safe point, and what is hot comes back.
    if (this.#liveBytes > MAX_LIVE_BYTES || this.#liveModules > MAX_LIVE_MODULES)
      this.#cluster.code.requestFlush();
    pending.forEach(({ block, region }, i) => {
      const slot = this.#free.pop() ?? functions.grow(1);
      functions.set(slot, instance.exports[`r${i}`]);
      heap.u32[(block + BLOCK_COMPILED) >>> 2] = slot;
      heap.u32[(block + BLOCK_HEAT) >>> 2] = NEVER;
      const compiled = { slot, block, frames: region.frames };
      for (const frame of region.frames) {
        const regions = this.#byFrame.get(frame);
        if (regions === undefined) this.#byFrame.set(frame, new Set([compiled]));
        else regions.add(compiled);
      }
      this.stats.regions += 1;
      this.stats.blocks += region.nodes.length;
    });
  }
}

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
    for (const block of region.nodes) {
      for (let i = 0; i < block.uopCount; i++) {
        const at = (block.uops + i * UOP_BYTES) >>> 2;
        if (EFFECTS[u32[at]! & 0xffff]!.helper) this.#wanted.add(this.#helperNames[u32[at + 3]! - 1]!);
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
