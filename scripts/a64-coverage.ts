import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { disassemble } from '../engine/cpu/a64/disasm.ts';
import type { Encoding } from '../engine/cpu/a64/encoding.ts';
import { compileEncoding } from '../engine/cpu/a64/encoding.ts';
import { FP_ENCODINGS } from '../engine/cpu/a64/encodings-fp.ts';
import { BRANCH_ENCODINGS, DATA_ENCODINGS, MEMORY_ENCODINGS } from '../engine/cpu/a64/encodings-int.ts';
import { SIMD_ENCODINGS, SIMD_LDST_ENCODINGS } from '../engine/cpu/a64/encodings-simd.ts';
import { A64_ENCODINGS, instructionSet } from '../engine/cpu/a64/instruction-set.ts';
import type { Lower, Lowering } from '../engine/cpu/a64/lowering.ts';
import type { El } from '../engine/cpu/a64/sysreg-types.ts';
import { SysregTable } from '../engine/cpu/a64/sysregs.ts';
import { CPU_MODEL_NAMES, makeCpuConfig } from '../engine/cpu/cpu-models.ts';
import { UOPS } from '../engine/cpu/uops.ts';

/*
 * Writes docs/a64-coverage.md: every encoding class of the A64 table, what carries it out, and how many random
 * comparisons with an independent implementation it has had. The counts come from test/oracle/coverage.json, an
 * object from encoding name to count, if the file is there. How a class is carried out is observed: sample words
 * of it are lowered at EL1, and what they become is listed.
 *
 *   npm run coverage-page
 */

const COUNTS = fileURLToPath(new URL('../test/oracle/coverage.json', import.meta.url));
const PAGE = fileURLToPath(new URL('../docs/a64-coverage.md', import.meta.url));
/** Words tried for a class; and how many names a cell of the page shows. */
const SAMPLES = 1500;
const SHOWN = 4;

/** Extensions with A64 instructions of their own, which a table could have. */
const INSTRUCTION_FEATURES = [
  ...[
    'FEAT_CRC32',
    'FEAT_AES',
    'FEAT_PMULL',
    'FEAT_SHA1',
    'FEAT_SHA256',
    'FEAT_SHA512',
    'FEAT_SHA3',
    'FEAT_SM3',
  ],
  ...['FEAT_SM4', 'FEAT_LSE', 'FEAT_LOR', 'FEAT_RDM', 'FEAT_LRCPC', 'FEAT_LRCPC2', 'FEAT_PAuth', 'FEAT_FP16'],
  ...[
    'FEAT_FHM',
    'FEAT_DotProd',
    'FEAT_JSCVT',
    'FEAT_FCMA',
    'FEAT_FlagM',
    'FEAT_FRINTTS',
    'FEAT_SB',
    'FEAT_BF16',
  ],
  ...['FEAT_I8MM', 'FEAT_MTE', 'FEAT_SVE', 'FEAT_SME'],
];

const GROUPS: readonly (readonly [string, readonly Encoding[]])[] = [
  ['Data processing, integer', DATA_ENCODINGS],
  ['Branches, exceptions and system instructions', BRANCH_ENCODINGS],
  ['Loads and stores', MEMORY_ENCODINGS],
  ['Advanced SIMD loads and stores of structures', SIMD_LDST_ENCODINGS],
  ['Advanced SIMD, cryptography and CRC32', SIMD_ENCODINGS],
  ['Floating point, scalar and Advanced SIMD', FP_ENCODINGS],
];

const CONFIG = makeCpuConfig({ model: 'max', el2: true, el3: true, gicVersion: 3, pmu: true, cpuCount: 1 });

/** With all features, in the order of A64_ENCODINGS. */
const LOWER = instructionSet(new Set(A64_ENCODINGS.flatMap((e) => e.feature ?? []))).lower;

/** Notes what an instruction becomes. */
class Observed implements Lowering {
  readonly offset = 0;
  readonly el: number = 1;
  readonly pageOffset = 0;
  readonly usesSpElx = true;
  readonly el0MayZero = true;
  readonly el0MayMaintain = true;
  // The micro-ops of a context that checks no alignment.
  readonly checksAlignment = false;
  readonly overridesUser = false;
  readonly keepsBranchType = false;
  readonly isGuarded = false;
  readonly microOps = new Set<string>();
  readonly helpers = new Set<string>();
  usesHost = false;
  readonly #sysregs = new SysregTable(CONFIG);

  emit(op: number): void {
    this.microOps.add(UOPS[op]!.name);
  }
  end(): void {}
  checkStack(): void {}
  host(): void {
    this.usesHost = true;
  }
  helper(name: string): void {
    this.helpers.add(name);
  }
  emitWithHelper(op: number, _d: number, _n: number, _m: number, helper: string): void {
    this.emit(op);
    this.helper(helper);
  }
  plan(key: number, write: boolean) {
    return this.#sysregs.plan(key, this.el as El, write);
  }
  systemPlan(key: number) {
    return this.#sysregs.systemPlan(key, this.el as El);
  }
}

/** Allocated words of a class, always the same ones. */
function samplesOf(encoding: Encoding): number[] {
  const { mask, value, where } = compileEncoding(encoding);
  const words: number[] = [];
  let state = 0x2545f491;
  for (let i = 0; i < SAMPLES; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    const word = ((state & ~mask) | value) >>> 0;
    if (where?.(word) ?? true) words.push(word);
  }
  return words;
}

function list(names: Iterable<string>, quote = '`'): string {
  const all = [...names];
  const shown = all.slice(0, SHOWN).map((name) => `${quote}${name}${quote}`);
  return `${shown.join(', ')}${all.length > SHOWN ? ` and ${all.length - SHOWN} more` : ''}`;
}

function howOf(words: readonly number[], lower: Lower): string {
  const observed = new Observed();
  for (const word of words) lower(word, observed);
  const parts: string[] = [];
  if (observed.microOps.size > 0) parts.push(`micro-ops ${list(observed.microOps)}`);
  if (observed.helpers.size > 0) parts.push(`helper ${list(observed.helpers)}`);
  if (observed.usesHost) parts.push('host');
  return parts.length > 0 ? parts.join('; ') : 'nothing to do';
}

function countsOf(file: string): ReadonlyMap<string, number> {
  if (!existsSync(file)) return new Map();
  const parsed: unknown = JSON.parse(readFileSync(file, 'utf8'));
  if (typeof parsed !== 'object' || parsed === null) throw new Error(`${file} is not an object of counts`);
  const entries = Object.entries(parsed);
  const known = new Set(A64_ENCODINGS.map((e) => e.name));
  for (const [name, count] of entries) {
    if (!known.has(name)) throw new Error(`${file}: no encoding class '${name}'`);
    if (!Number.isSafeInteger(count) || count < 0) throw new Error(`${file}: '${name}' has no count`);
  }
  return new Map(entries);
}

function groupTable(encodings: readonly Encoding[], counts: ReadonlyMap<string, number>): string[] {
  const rows = encodings.map((encoding) => {
    const words = samplesOf(encoding);
    const mnemonics = new Set(words.map((word) => disassemble(word, 0n).mnemonic));
    const how = howOf(words, LOWER[A64_ENCODINGS.indexOf(encoding)]!);
    const feature = encoding.feature ?? '';
    const count = counts.get(encoding.name)?.toLocaleString('en') ?? '';
    return `| \`${encoding.name}\` | ${list(mnemonics, '')} | ${feature} | ${how} | ${count} |`;
  });
  return [
    '| class | written as | feature | carried out by | comparisons |',
    '|---|---|---|---|--:|',
    ...rows,
  ];
}

function featureSection(): string[] {
  const inTable = new Set(A64_ENCODINGS.flatMap((e) => e.feature ?? []));
  const rows = INSTRUCTION_FEATURES.map((feature) => {
    const models = CPU_MODEL_NAMES.filter((model) =>
      makeCpuConfig({ ...CONFIG, model, cpuCount: 1, gicVersion: 3, peripheralBase: 0 }).features.has(
        feature,
      ),
    );
    return `| ${feature} | ${inTable.has(feature) ? 'yes' : 'no'} | ${models.join(', ')} |`;
  });
  return [
    '## Extensions with instructions of their own',
    '',
    'In the table, and announced by the ID registers of which CPU models.',
    '',
    '| feature | in the table | announced by |',
    '|---|---|---|',
    ...rows,
    '',
  ];
}

/** Every feature that some model has, and which models announce it. */
function announcedSection(): string[] {
  const byModel = CPU_MODEL_NAMES.map(
    (model) => makeCpuConfig({ ...CONFIG, model, cpuCount: 1, gicVersion: 3, peripheralBase: 0 }).features,
  );
  const all = [...new Set(byModel.flatMap((features) => [...features]))].sort();
  return [
    '## All features, by CPU model',
    '',
    'As the ID registers announce them; what they announce works, unless the limits in README.md name it. Those of EL2, EL3',
    'and AArch32 are here because the real CPUs have them; machines have EL1 and EL0 in AArch64.',
    '',
    `| feature | ${CPU_MODEL_NAMES.join(' | ')} |`,
    `|---|${CPU_MODEL_NAMES.map(() => ':-:|').join('')}`,
    ...all.map((name) => `| ${name} | ${byModel.map((f) => (f.has(name) ? 'yes' : '')).join(' | ')} |`),
    '',
  ];
}

function page(counts: ReadonlyMap<string, number>): string {
  const total = [...counts.values()].reduce((sum, n) => sum + n, 0);
  const compared = A64_ENCODINGS.filter((e) => (counts.get(e.name) ?? 0) > 0).length;
  const lines = [
    '# A64 coverage',
    '',
    '<!-- Generated by `npm run coverage-page`; do not edit. -->',
    '',
    `${A64_ENCODINGS.length} encoding classes. ${compared} of them compared with an independent implementation, ` +
      `in ${total.toLocaleString('en')} random instructions.`,
    '',
    '*Micro-ops* are what both backends make WebAssembly of; a *helper* is a function of the helper module,',
    'called by one micro-op; *host* means that the instruction leaves generated code, as exceptions and system',
    'registers with side effects do. A class that says both does the frequent cases in the first way.',
    '',
    ...featureSection(),
    ...announcedSection(),
  ];
  for (const [title, encodings] of GROUPS) {
    lines.push(`## ${title}`, '', ...groupTable(encodings, counts), '');
  }
  return `${lines.join('\n').trimEnd()}\n`;
}

writeFileSync(PAGE, page(countsOf(COUNTS)));
