import type { Batch, Case } from './batch.ts';
import type { EngineExecutor } from './engine.ts';
import {
  CASE,
  CODE_VA,
  DUMP_BYTES,
  FLAG_MEMORY,
  FLAG_SYSTEM,
  MODES,
  RECORD_WORDS,
  RESULT,
  SCTLR_BASE,
  TCR_BASE,
  WINDOW_PAGES,
} from './layout.ts';
import { makePageTables, type PageKind } from './page-tables.ts';
import { Random } from './random.ts';

/* One case written by hand, for tests of what the oracle found. */

export interface SingleCase {
  readonly words: readonly number[];
  readonly mode?: keyof typeof MODES;
  /** X registers; `code+N` is N bytes after the first instruction. SP is the stack pointer in use. */
  readonly x?: { readonly [register: number]: bigint | `code+${number}` };
  readonly sp?: bigint;
  readonly v?: { readonly [register: number]: bigint };
  readonly nzcv?: number;
  readonly fpcr?: number;
  /** Bits of SCTLR_EL1 and TCR_EL1 beside those that are always set. */
  readonly sctlr?: bigint;
  readonly tcr?: bigint;
  /** CPACR_EL1; nothing trapped without it. */
  readonly cpacr?: bigint;
  /** Kind of every page of the window; `rw` without it. */
  readonly page?: PageKind;
}

export interface SingleResult {
  readonly esr: number;
  readonly far: bigint;
  /** Relative to the first instruction. */
  readonly elr: bigint;
  readonly spsr: number;
  readonly fpsr: number;
  readonly sp: bigint;
  readonly x: readonly bigint[];
  readonly v: readonly bigint[];
  /** The compared bytes of the window. */
  readonly memory: Uint8Array;
}

export function singleBatch(one: SingleCase): Batch {
  const record = new Uint32Array(RECORD_WORDS);
  const set = (at: number, value: bigint): void => {
    record[at] = Number(value & 0xffff_ffffn);
    record[at + 1] = Number(BigInt.asUintN(64, value) >> 32n);
  };
  const mode = one.mode ?? 'EL1h';
  record[CASE.flags] = FLAG_MEMORY | FLAG_SYSTEM;
  record[CASE.spsr] = (MODES[mode] | ((one.nzcv ?? 0) << 28)) >>> 0;
  record[CASE.fpcr] = one.fpcr ?? 0;
  set(mode === 'EL1h' ? CASE.spEl1 : CASE.spEl0, one.sp ?? 0n);
  const codeAddresses: { register: number; offset: number }[] = [];
  for (const [register, value] of Object.entries(one.x ?? {})) {
    if (typeof value === 'bigint') set(CASE.x + 2 * Number(register), value);
    else codeAddresses.push({ register: Number(register), offset: Number(value.slice(5)) });
  }
  for (const [register, value] of Object.entries(one.v ?? {})) {
    set(CASE.v + 4 * Number(register), value & 0xffff_ffff_ffff_ffffn);
    set(CASE.v + 4 * Number(register) + 2, value >> 64n);
  }
  const c: Case = { words: [...one.words], classes: one.words.map(() => -1), record, codeAddresses };
  const kinds = Array.from({ length: WINDOW_PAGES }, () => one.page ?? 'rw');
  return {
    surroundings: {
      tables: makePageTables(new Random(1), kinds),
      sctlr: SCTLR_BASE | (one.sctlr ?? 0n),
      tcr: TCR_BASE | (one.tcr ?? 0n),
      cpacr: one.cpacr ?? 3n << 20n,
      spsrCompared: 0xffff_ffff,
      template: Uint8Array.from({ length: DUMP_BYTES }, (_, i) => i & 0xff),
    },
    cases: [c],
  };
}

/** Runs one case in the engine. */
export function runSingle(executor: EngineExecutor, one: SingleCase): SingleResult {
  const outcome = executor.run(singleBatch(one));
  const view = new DataView(outcome.results.buffer, outcome.results.byteOffset);
  const long = (word: number): bigint => view.getBigUint64(word * 4, true);
  const v = (n: number): bigint => long(RESULT.v + 4 * n) | (long(RESULT.v + 4 * n + 2) << 64n);
  return {
    esr: view.getUint32(RESULT.esr * 4, true),
    far: long(RESULT.far),
    elr: BigInt.asIntN(64, long(RESULT.elr) - BigInt(CODE_VA)),
    spsr: view.getUint32(RESULT.spsr * 4, true),
    fpsr: view.getUint32(RESULT.fpsr * 4, true),
    sp: long((one.mode ?? 'EL1h') === 'EL1h' ? RESULT.spEl1 : RESULT.spEl0),
    x: Array.from({ length: 31 }, (_, n) => long(RESULT.x + 2 * n)),
    v: Array.from({ length: 32 }, (_, n) => v(n)),
    memory: outcome.dumps,
  };
}
