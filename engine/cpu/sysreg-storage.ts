import { CPU_BASE, CPU_STRIDE, CPU_SYSREGS } from './helpers/layout.ts';

/** The system-register slots of one CPU. Both views, as a BigInt costs an allocation on hot paths. */
export interface SysregSlots {
  get(slot: number): bigint;
  set(slot: number, value: bigint): void;
  /** Bits 31:0 and 63:32, as unsigned numbers. */
  lo(slot: number): number;
  hi(slot: number): number;
  setWords(slot: number, lo: number, hi: number): void;
}

/** What holds the linear memory: a `WebAssembly.Memory`, or a plain object in tests. */
export interface MemoryHolder {
  readonly buffer: ArrayBufferLike;
}

/** The slots of a CPU in the linear memory of the machine. */
export class MemorySysregSlots implements SysregSlots {
  readonly #memory: MemoryHolder;
  readonly #base: number;
  #buffer: ArrayBufferLike;
  #view: DataView;

  /** @param base byte address of slot 0; by default that of CPU `cpu` in layout.ts. */
  constructor(memory: MemoryHolder, cpu: number, base = CPU_BASE + cpu * CPU_STRIDE + CPU_SYSREGS) {
    this.#memory = memory;
    this.#base = base;
    this.#buffer = memory.buffer;
    this.#view = new DataView(this.#buffer);
  }

  /** Growing a WebAssembly memory detaches the buffer, so it is looked up each time. */
  #current(): DataView {
    const buffer = this.#memory.buffer;
    if (buffer !== this.#buffer) {
      this.#buffer = buffer;
      this.#view = new DataView(buffer);
    }
    return this.#view;
  }

  get(slot: number): bigint {
    return this.#current().getBigUint64(this.#base + slot * 8, true);
  }

  set(slot: number, value: bigint): void {
    this.#current().setBigUint64(this.#base + slot * 8, value, true);
  }

  lo(slot: number): number {
    return this.#current().getUint32(this.#base + slot * 8, true);
  }

  hi(slot: number): number {
    return this.#current().getUint32(this.#base + slot * 8 + 4, true);
  }

  setWords(slot: number, lo: number, hi: number): void {
    const view = this.#current();
    view.setUint32(this.#base + slot * 8, lo, true);
    view.setUint32(this.#base + slot * 8 + 4, hi, true);
  }
}
