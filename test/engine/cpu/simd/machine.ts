import { compileEncoding } from '../../../../engine/cpu/a64/encoding.ts';
import { SIMD_ENCODINGS } from '../../../../engine/cpu/a64/encodings-simd.ts';
import { CPU_BASE, CPU_FPSR, CPU_Q, CPU_X } from '../../../../engine/cpu/helpers/layout.ts';
import { HELPERS_WASM } from '../../../../engine/cpu/helpers.wasm.ts';

/** The registers that these instructions read and write. */
export interface Registers {
  /** V0–V31 as unsigned 128-bit numbers. */
  readonly v: readonly bigint[];
  /** X0–X15. */
  readonly x: readonly bigint[];
  readonly fpsr: number;
}
export interface Case extends Registers {
  readonly word: number;
}

/** The part of the global that is used here; the project's type libraries are without it. */
interface WasmGlobal {
  readonly Memory: new (limits: { initial: number }) => { readonly buffer: ArrayBuffer };
  readonly Module: {
    new (bytes: Uint8Array): object;
    imports(module: object): { kind: string; name: string }[];
  };
  readonly Instance: new (
    module: object,
    imports: Record<string, Record<string, unknown>>,
  ) => { readonly exports: Record<string, unknown> };
}
const { WebAssembly } = globalThis as unknown as { WebAssembly: WasmGlobal };

const memory = new WebAssembly.Memory({ initial: 64 });
const module = new WebAssembly.Module(Uint8Array.from(atob(HELPERS_WASM), (c) => c.charCodeAt(0)));
/** Nothing here calls out: whatever other helpers import fails the test when it is called. */
const env: Record<string, unknown> = { memory };
for (const { kind, name } of WebAssembly.Module.imports(module)) {
  if (kind !== 'function') continue;
  env[name] = () => {
    throw new Error(`called ${name}`);
  };
}
const { exports } = new WebAssembly.Instance(module, { env });
const view = new DataView(memory.buffer);

export const ENCODINGS = SIMD_ENCODINGS.map((e) => ({ ...compileEncoding(e), helper: e.helper }));
export type Compiled = (typeof ENCODINGS)[number];

/** Encodings that claim a word, whatever the features. More than one is a mistake in the table. */
export function decode(word: number): Compiled[] {
  return ENCODINGS.filter((e) => (word & e.mask) >>> 0 === e.value && (e.where?.(word) ?? true));
}

export function helper(name: string): (cpu: number, insn: number) => void {
  const found = exports[name];
  if (typeof found !== 'function') throw new Error(`helpers.wasm has no ${name}`);
  return found as (cpu: number, insn: number) => void;
}

/** What the helper makes of one case. */
export function run(c: Case, name: string): Registers {
  const lanes = (i: number) => CPU_BASE + CPU_Q + 16 * i;
  c.v.forEach((value, i) => {
    view.setBigUint64(lanes(i), value & 0xffff_ffff_ffff_ffffn, true);
    view.setBigUint64(lanes(i) + 8, value >> 64n, true);
  });
  for (let i = 0; i < 32; i++) view.setBigUint64(CPU_BASE + CPU_X + 8 * i, c.x[i] ?? 0n, true);
  view.setUint32(CPU_BASE + CPU_FPSR, c.fpsr, true);
  helper(name)(CPU_BASE, c.word | 0);
  if (view.getBigUint64(CPU_BASE + CPU_X + 8 * 31, true) !== 0n)
    throw new Error(`${name} wrote the zero register`);
  return {
    v: c.v.map((_, i) => view.getBigUint64(lanes(i), true) | (view.getBigUint64(lanes(i) + 8, true) << 64n)),
    x: c.x.map((_, i) => view.getBigUint64(CPU_BASE + CPU_X + 8 * i, true)),
    fpsr: view.getUint32(CPU_BASE + CPU_FPSR, true),
  };
}

/** Differences between two register files, in words. */
export function difference(ours: Registers, theirs: Registers): string {
  const parts: string[] = [];
  const compare = (name: string, a: bigint, b: bigint) => {
    if (a !== b) parts.push(`${name} is ${a.toString(16)}, not ${b.toString(16)}`);
  };
  ours.v.forEach((value, i) => {
    compare(`V${i}`, value, theirs.v[i]!);
  });
  ours.x.forEach((value, i) => {
    compare(`X${i}`, value, theirs.x[i]!);
  });
  compare('FPSR', BigInt(ours.fpsr), BigInt(theirs.fpsr));
  return parts.join(', ');
}
