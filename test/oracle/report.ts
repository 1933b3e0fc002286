import { disassemble } from '../../engine/cpu/a64/disasm.ts';
import type { Case, Surroundings } from './batch.ts';
import type { FieldDifference } from './compare.ts';
import { CASE, WINDOW_PAGES, WINDOW_VA } from './layout.ts';

/** A difference as it is printed, and as `--json` gives it. */
export interface Finding {
  readonly backend: string;
  /** The command that runs the batch again. */
  readonly repeat: string;
  readonly index: number;
  /** Class of the last instruction that is not a NOP. */
  readonly className: string;
  readonly case: SavedCase;
  readonly differences: readonly FieldDifference[];
}

/** A case as plain data, with all it depends on. */
export interface SavedCase {
  readonly words: readonly string[];
  readonly disassembly: readonly string[];
  /** Case record: word offset and value of all that are not zero. */
  readonly record: { readonly [word: string]: string };
  readonly codeAddresses: readonly { readonly register: number; readonly offset: number }[];
  readonly sctlr: string;
  readonly tcr: string;
  readonly cpacr: string;
  readonly pages: readonly string[];
  readonly template: string;
}

export function saveCase(c: Case, around: Surroundings): SavedCase {
  const record: { [word: string]: string } = {};
  c.record.forEach((value, i) => {
    if (value !== 0 && i !== CASE.pc && i !== CASE.pc + 1) record[i] = value.toString(16);
  });
  return {
    words: c.words.map((w) => w.toString(16).padStart(8, '0')),
    disassembly: c.words.map((w, i) => disassemble(w, BigInt(i * 4)).text),
    record,
    codeAddresses: c.codeAddresses,
    sctlr: around.sctlr.toString(16),
    tcr: around.tcr.toString(16),
    cpacr: around.cpacr.toString(16),
    pages: around.tables.kinds,
    template: Buffer.from(around.template).toString('base64'),
  };
}

function describeState(c: Case, around: Surroundings): string[] {
  const lines: string[] = [];
  const pair = (at: number): bigint => BigInt(c.record[at]!) | (BigInt(c.record[at + 1]!) << 32n);
  const place = (value: bigint): string => {
    const offset = (value & 0x0fff_ffffn) - (WINDOW_VA & 0x0fff_ffffn);
    const isWindow = offset >= 0n && offset < BigInt(WINDOW_PAGES * 4096);
    if (!isWindow) return '';
    const page = Number(offset >> 12n);
    return ` (page ${page} ${around.tables.kinds[page]}, before ${around.tables.kinds[page + 1] ?? 'the end'})`;
  };
  const spsr = c.record[CASE.spsr]!;
  const mode = (spsr & 15) === 0 ? 'EL0t' : spsr & 1 ? 'EL1h' : 'EL1t';
  lines.push(
    `${mode} SPSR 0x${spsr.toString(16)} FPCR 0x${c.record[CASE.fpcr]!.toString(16)} FPSR 0x${c.record[CASE.fpsr]!.toString(16)} SCTLR 0x${around.sctlr.toString(16)}`,
  );
  const sp = pair((spsr & 15) === 5 ? CASE.spEl1 : CASE.spEl0);
  lines.push(`SP 0x${sp.toString(16)}${place(sp)}`);
  for (let n = 0; n < 31; n++) {
    const x = pair(CASE.x + 2 * n);
    const code = c.codeAddresses.find((a) => a.register === n);
    if (code !== undefined) lines.push(`X${n} code + ${code.offset}`);
    else if (x !== 0n) lines.push(`X${n} 0x${x.toString(16)}${place(x)}`);
  }
  for (let n = 0; n < 32; n++) {
    const v = (pair(CASE.v + 4 * n + 2) << 64n) | pair(CASE.v + 4 * n);
    if (v !== 0n) lines.push(`V${n} 0x${v.toString(16).padStart(32, '0')}`);
  }
  return lines;
}

export function describeFinding(f: Finding, c: Case, around: Surroundings): string {
  const lines = [`${f.className} (${f.backend}, case ${f.index} of the batch)`, `  again: ${f.repeat}`];
  f.case.disassembly.forEach((text, i) => {
    lines.push(`    ${f.case.words[i]}  ${text}`);
  });
  for (const line of describeState(c, around)) lines.push(`  ${line}`);
  for (const d of f.differences) lines.push(`  ${d.field}: engine ${d.engine} QEMU ${d.qemu}`);
  return lines.join('\n');
}
