import { type Batch, type Case, codeBytes, isMemoryCase, type Outcome } from './batch.ts';
import { correctResult, unknownAfterAbort } from './differences.ts';
import { CODE_VA, DUMP_BYTES, RECORD_BYTES, RECORD_WORDS, RESULT, ZONE_BYTES } from './layout.ts';

/** One field of the state after a case that differs. */
export interface FieldDifference {
  readonly field: string;
  readonly engine: string;
  readonly qemu: string;
}

export interface Comparison {
  /** Indices of cases that differ. */
  readonly differing: readonly number[];
  /** Something outside of what each case is compared by: the window's pages after the last case. */
  readonly windowDiffers: boolean;
}

const words = (bytes: Uint8Array): Uint32Array =>
  new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length >>> 2);

const part = (o: Outcome, i: number): Uint32Array =>
  words(o.results.subarray(i * RECORD_BYTES, (i + 1) * RECORD_BYTES));

/** Addresses of the first instructions. */
function places(batch: Batch): number[] {
  let pc = CODE_VA;
  return batch.cases.map((c) => {
    const here = pc;
    pc += codeBytes(c);
    return here;
  });
}

/** Corrects, in place and once, what QEMU is known to get wrong. */
export function correctOutcome(batch: Batch, cpu: string, qemu: Outcome): void {
  const at = places(batch);
  batch.cases.forEach((c, i) => {
    correctResult(cpu, c, part(qemu, i), at[i]!);
  });
}

/** Gives the engine's result QEMU's values of what the architecture leaves UNKNOWN. */
function settle(c: Case, ours: Uint32Array, theirs: Uint32Array, pc: number, spsrCompared: number): void {
  ours[RESULT.spsr] = ((ours[RESULT.spsr]! & spsrCompared) | (theirs[RESULT.spsr]! & ~spsrCompared)) >>> 0;
  const ec = theirs[RESULT.esr]! >>> 26;
  if ((ec !== 0x24 && ec !== 0x25) || ours[RESULT.esr] !== theirs[RESULT.esr]) return;
  const word = c.words[(theirs[RESULT.elr]! - (pc >>> 0)) >>> 2];
  if (word === undefined) return;
  for (const v of unknownAfterAbort(word)) {
    const at = RESULT.v + 4 * v;
    ours.set(theirs.subarray(at, at + 4), at);
  }
}

/** `qemu` must have been corrected. */
export function compareOutcomes(batch: Batch, engine: Outcome, qemu: Outcome): Comparison {
  const differing: number[] = [];
  const at = places(batch);
  let dump = 0;
  batch.cases.forEach((c, i) => {
    settle(c, part(engine, i), part(qemu, i), at[i]!, batch.surroundings.spsrCompared);
    const start = i * RECORD_BYTES;
    const end = start + RECORD_BYTES;
    let equal = Buffer.compare(engine.results.subarray(start, end), qemu.results.subarray(start, end)) === 0;
    if (isMemoryCase(c)) {
      const dumpEnd = dump + DUMP_BYTES;
      equal &&=
        Buffer.compare(engine.dumps.subarray(dump, dumpEnd), qemu.dumps.subarray(dump, dumpEnd)) === 0;
      dump = dumpEnd;
    }
    if (!equal) differing.push(i);
  });
  return { differing, windowDiffers: Buffer.compare(engine.window, qemu.window) !== 0 };
}

const hex = (value: bigint | number, digits: number): string =>
  `0x${value.toString(16).padStart(digits, '0')}`;

/** Which parts of the state after a case differ. */
export function fieldDifferences(
  batch: Batch,
  index: number,
  engine: Outcome,
  qemu: Outcome,
): FieldDifference[] {
  const found: FieldDifference[] = [];
  const ours = words(engine.results).subarray(index * RECORD_WORDS, (index + 1) * RECORD_WORDS);
  const theirs = words(qemu.results).subarray(index * RECORD_WORDS, (index + 1) * RECORD_WORDS);
  const field = (name: string, at: number, count: number): void => {
    const value = (from: Uint32Array): bigint => {
      let r = 0n;
      for (let i = count - 1; i >= 0; i--) r = (r << 32n) | BigInt(from[at + i]!);
      return r;
    };
    const [a, b] = [value(ours), value(theirs)];
    if (a !== b) found.push({ field: name, engine: hex(a, count * 8), qemu: hex(b, count * 8) });
  };
  field('vector', RESULT.vector, 1);
  field('ESR_EL1', RESULT.esr, 2);
  field('FAR_EL1', RESULT.far, 2);
  field('ELR_EL1', RESULT.elr, 2);
  field('SPSR_EL1', RESULT.spsr, 1);
  field('FPCR', RESULT.fpcr, 1);
  field('FPSR', RESULT.fpsr, 1);
  field('SP_EL0', RESULT.spEl0, 2);
  field('SP_EL1', RESULT.spEl1, 2);
  for (let n = 0; n < 31; n++) field(`X${n}`, RESULT.x + 2 * n, 2);
  for (let n = 0; n < 32; n++) field(`V${n}`, RESULT.v + 4 * n, 4);
  if (isMemoryCase(batch.cases[index]!)) {
    const at = batch.cases.slice(0, index).filter(isMemoryCase).length * DUMP_BYTES;
    for (let i = 0; i < DUMP_BYTES; i += 8) {
      const page = Math.floor(i / (2 * ZONE_BYTES));
      const inPage = i % (2 * ZONE_BYTES);
      const offset = inPage < ZONE_BYTES ? inPage : 4096 - 2 * ZONE_BYTES + inPage;
      const value = (o: Outcome): bigint =>
        new DataView(o.dumps.buffer, o.dumps.byteOffset).getBigUint64(at + i, true);
      const [a, b] = [value(engine), value(qemu)];
      if (a !== b)
        found.push({ field: `page ${page} + ${hex(offset, 3)}`, engine: hex(a, 16), qemu: hex(b, 16) });
    }
  }
  return found;
}
