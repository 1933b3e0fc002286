import { HELPERS_WASM } from './helpers.wasm.ts';

/** The exports of the AssemblyScript helpers that the host side calls. Addresses are byte offsets in the heap. */
export interface HelperExports {
  tlbFlushAll(): void;
  tlbFlushCpu(index: number): void;
  tlbSelect(cpu: number, index: number): number;
  tlbDropWrites(frame: number): void;
  tlbDropAllWrites(): void;
  tlbDropFetches(frame: number): void;
  radixDeclare(pa: bigint, bytes: bigint, entry: number): number;
  radixSlot(pa: bigint): number;
  radixEntry(pa: bigint): number;
  frameAllocate(page: number): number;
  frameForRead(pa: bigint): number;
  frame_for_host_write(pa: bigint, bytes: number): number;
  fetch_frame(cpu: number, va: bigint): number;
  translate(cpu: number, va: bigint, el: number, access: number): number;
  pac_authenticate(cpu: number, ptr: bigint, modifier: bigint, key: number): bigint;
  memory_hash(): bigint;
  share_frames(): number;
  frame_is_zero(frame: number): number;
  readonly [name: string]: unknown;
}

/** Callbacks of the helpers into the host side (imports `env.*`, see helpers/access.ts). */
export interface HelperCallbacks {
  mmioRead(cpu: number, sizeLog2: number): void;
  mmioWrite(cpu: number, sizeLog2: number): void;
  codeWritten(frame: number, offset: number, bytes: number, single: number): number;
  unshare(frame: number): void;
  watched(cpu: number, index: number, pa: number, bytes: number, isWrite: number): number;
  guestWatched(cpu: number, number: number, el: number): number;
}

let compiled: WebAssembly.Module | undefined;

function decodeBase64(text: string): Uint8Array<ArrayBuffer> {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
  const code = new Uint8Array(128);
  for (let i = 0; i < 64; i++) code[alphabet.charCodeAt(i)] = i;
  const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0;
  const out = new Uint8Array((text.length / 4) * 3 - padding);
  for (let i = 0, at = 0; i < text.length; i += 4) {
    const bits =
      (code[text.charCodeAt(i)]! << 18) |
      (code[text.charCodeAt(i + 1)]! << 12) |
      (code[text.charCodeAt(i + 2)]! << 6) |
      code[text.charCodeAt(i + 3)]!;
    out[at++] = bits >>> 16;
    if (at < out.length) out[at++] = bits >>> 8;
    if (at < out.length) out[at++] = bits;
  }
  return out;
}

/** Instantiates the helpers over a memory. The module is compiled once per process. */
export function instantiateHelpers(memory: WebAssembly.Memory, callbacks: HelperCallbacks): HelperExports {
  compiled ??= new WebAssembly.Module(decodeBase64(HELPERS_WASM));
  return new WebAssembly.Instance(compiled, { env: { memory, ...callbacks } }).exports as HelperExports;
}

/** Names of the instruction helpers (`op_…`), in a fixed order: their places in the function table. */
export function instructionHelperNames(exports: HelperExports): string[] {
  return Object.keys(exports)
    .filter((name) => name.startsWith('op_'))
    .sort();
}
