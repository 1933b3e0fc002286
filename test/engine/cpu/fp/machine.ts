import { compileEncoding } from '../../../../engine/cpu/a64/encoding.ts';
import { FP_ENCODINGS } from '../../../../engine/cpu/a64/encodings-fp.ts';
import { HELPERS_WASM } from '../../../../engine/cpu/helpers.wasm.ts';

/* Offsets from engine/cpu/helpers/layout.ts, which is outside the test's TypeScript project on purpose. */
export const CPU = 0x0010_0000;
export const CPU_N = 0x158;
export const CPU_C = 0x160;
export const CPU_V = 0x164;
export const CPU_FPCR = 0x1c8;
export const CPU_FPSR = 0x1cc;
export const CPU_Z = 0x1d0;
export const CPU_Q = 0x200;

/** One instruction with everything it can depend on. */
export interface Case {
  readonly insn: number;
  readonly fpcr: number;
  readonly fpsr: number;
  /** Flags, N at bit 31. */
  readonly nzcv: number;
  /** V0–V3 as pairs of 64-bit halves, low half first. */
  readonly v: readonly bigint[];
  readonly x1: bigint;
  readonly x2: bigint;
}

export interface Outcome {
  readonly undefined: boolean;
  readonly fpsr: number;
  readonly nzcv: number;
  readonly v: readonly bigint[];
  readonly x0: bigint;
  readonly x2: bigint;
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
const bytes = Uint8Array.from(atob(HELPERS_WASM), (c) => c.charCodeAt(0));
const module = new WebAssembly.Module(bytes);

/** Floating point needs none of the functions that other helpers import: one that is called fails the test. */
const env: Record<string, unknown> = { memory };
for (const { kind, name } of WebAssembly.Module.imports(module)) {
  if (kind !== 'function') continue;
  env[name] = () => {
    throw new Error(`floating-point helper called ${name}`);
  };
}
const instance = new WebAssembly.Instance(module, { env });
export const view = new DataView(memory.buffer);
const ENCODINGS = FP_ENCODINGS.map((e) => ({ ...compileEncoding(e), helper: e.helper }));

export type CompiledFp = (typeof ENCODINGS)[number];
export const COMPILED: readonly CompiledFp[] = ENCODINGS;

/** Encodings that claim a word. More than one is a mistake in the table. */
export function decode(word: number, features: ReadonlySet<string>): CompiledFp[] {
  return ENCODINGS.filter(
    (e) =>
      (word & e.mask) >>> 0 === e.value &&
      (e.where === undefined || e.where(word)) &&
      (e.feature === undefined || features.has(e.feature)),
  );
}

export function helper(name: string): (cpu: number, insn: number) => void {
  const f = instance.exports[name];
  if (typeof f !== 'function') throw new Error(`helpers.wasm does not export ${name}`);
  return f as (cpu: number, insn: number) => void;
}

const helpers = new Map<string, (cpu: number, insn: number) => void>();

/** Runs one instruction in the helpers. */
export function run(c: Case, encoding: CompiledFp): Outcome {
  let f = helpers.get(encoding.helper);
  if (f === undefined) helpers.set(encoding.helper, (f = helper(encoding.helper)));
  for (let i = 0; i < 32; i++) view.setBigUint64(CPU + 8 * i, 0n, true);
  view.setBigUint64(CPU + 8, c.x1, true);
  view.setBigUint64(CPU + 16, c.x2, true);
  for (let i = 0; i < 8; i++) view.setBigUint64(CPU + CPU_Q + 8 * i, c.v[i]!, true);
  view.setUint32(CPU + CPU_FPCR, c.fpcr, true);
  view.setUint32(CPU + CPU_FPSR, c.fpsr, true);
  const flag = (bit: number): number => (c.nzcv >>> bit) & 1;
  view.setBigInt64(CPU + CPU_N, flag(31) ? -5n : 7n, true);
  view.setBigInt64(CPU + CPU_Z, flag(30) ? 0n : 1n << 63n, true);
  view.setUint32(CPU + CPU_C, flag(29), true);
  view.setUint32(CPU + CPU_V, flag(28), true);
  f(CPU, c.insn | 0);
  const nzcv =
    (Number(view.getBigInt64(CPU + CPU_N, true) < 0n) << 31) |
    (Number(view.getBigInt64(CPU + CPU_Z, true) === 0n) << 30) |
    (view.getUint32(CPU + CPU_C, true) << 29) |
    (view.getUint32(CPU + CPU_V, true) << 28);
  return {
    undefined: false,
    fpsr: view.getUint32(CPU + CPU_FPSR, true),
    nzcv: nzcv >>> 0,
    v: Array.from({ length: 8 }, (_, i) => view.getBigUint64(CPU + CPU_Q + 8 * i, true)),
    x0: view.getBigUint64(CPU, true),
    x2: view.getBigUint64(CPU + 16, true),
  };
}

/** Slot of a general register as the last instruction left it; slot 31 is the zero register. */
export function slot(n: number): bigint {
  return view.getBigUint64(CPU + 8 * n, true);
}
