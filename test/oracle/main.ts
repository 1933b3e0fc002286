import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { CPU_MODEL_NAMES, type CpuModelName } from '../../engine/cpu/cpu-models.ts';
import { BACKENDS } from './engine.ts';
import { MAX_CASES } from './layout.ts';
import { Oracle, type OracleResult } from './oracle.ts';
import { qemuVersion } from './qemu.ts';

const HELP = `npm run oracle -- [options]: random instructions under QEMU and under the engine, all state compared
  --count N          cases for each CPU (200000)
  --seed S           a number; default a new one, which is printed
  --cpu NAME[,NAME]  ${CPU_MODEL_NAMES.join(', ')} (cortex-a57,max)
  --class REGEX      only encodings whose names match, e.g. '^FMADD' or 'UNALLOCATED'
  --backend NAME     ${BACKENDS.map((b) => b.name).join(', ')} or all (all)
  --skip N           batches left out at the start, which a failure's command uses
  --batch N          cases in one run of QEMU, at most ${MAX_CASES} (16384)
  --show N           differences to shrink and print (20)
  --json             results as JSON on standard output
  --accumulate       add to test/oracle/coverage.json instead of keeping the larger run
  --no-coverage      do not write test/oracle/coverage.json
`;

/** Between two lines about progress where nobody watches. */
const QUIET_MS = 60_000;

const COVERAGE = fileURLToPath(new URL('coverage.json', import.meta.url));

/** A mistake in the command line. */
class UsageError extends Error {}

function number(name: string, text: string | undefined, fallback: number, least: number): number {
  if (text === undefined) return fallback;
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < least)
    throw new UsageError(`--${name} ${text}: a whole number from ${least} up is wanted`);
  return value;
}

type Counts = { [className: string]: number };

/** Instructions compared by class, over all CPUs: docs/a64-coverage.md shows them. */
function writeCoverage(results: { readonly [cpu: string]: OracleResult }, accumulate: boolean): void {
  const counts: Counts = {};
  for (const { classes } of Object.values(results)) {
    for (const [name, n] of Object.entries(classes))
      if (name !== 'UNALLOCATED') counts[name] = (counts[name] ?? 0) + n;
  }
  const total = (of: Counts): number => Object.values(of).reduce((sum, n) => sum + n, 0);
  const old = existsSync(COVERAGE) ? (JSON.parse(readFileSync(COVERAGE, 'utf8')) as Counts) : {};
  if (accumulate) for (const [name, n] of Object.entries(old)) counts[name] = (counts[name] ?? 0) + n;
  else if (total(old) > total(counts)) return;
  const sorted = Object.fromEntries(Object.entries(counts).sort(([a], [b]) => (a < b ? -1 : 1)));
  writeFileSync(COVERAGE, `${JSON.stringify(sorted, undefined, 2)}\n`);
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      count: { type: 'string' },
      seed: { type: 'string' },
      cpu: { type: 'string' },
      class: { type: 'string' },
      backend: { type: 'string' },
      batch: { type: 'string' },
      skip: { type: 'string' },
      show: { type: 'string' },
      json: { type: 'boolean' },
      accumulate: { type: 'boolean' },
      'no-coverage': { type: 'boolean' },
      help: { type: 'boolean' },
    },
  });
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const qemu = qemuVersion();
  if (qemu === undefined) throw new UsageError('qemu-system-aarch64 is not installed');
  const count = number('count', values.count, 200_000, 1);
  const seed = number('seed', values.seed, Date.now() % 0x7fff_ffff, 0);
  const batchSize = Math.min(number('batch', values.batch, 16_384, 1), MAX_CASES);
  const skip = number('skip', values.skip, 0, 0);
  const also =
    (values.class === undefined ? '' : ` --class '${values.class}'`) +
    (values.backend === undefined ? '' : ` --backend ${values.backend}`);
  const backends =
    values.backend === undefined || values.backend === 'all'
      ? BACKENDS
      : BACKENDS.filter((b) => b.name === values.backend);
  if (backends.length === 0)
    throw new UsageError(
      `--backend ${values.backend}: one of ${BACKENDS.map((b) => b.name).join(', ')} or all is wanted`,
    );
  const cpus = (values.cpu ?? 'cortex-a57,max').split(',');
  for (const cpu of cpus) {
    if (!(CPU_MODEL_NAMES as readonly string[]).includes(cpu))
      throw new UsageError(`--cpu ${cpu}: one of ${CPU_MODEL_NAMES.join(', ')} is wanted`);
  }
  const log = (text: string): void => void (values.json ? process.stderr : process.stdout).write(text);
  log(`${qemu}\nseed ${seed}\n`);
  const results: { [cpu: string]: OracleResult } = {};
  let differences = 0;
  for (const cpu of cpus) {
    const start = performance.now();
    let said = start;
    const oracle = new Oracle({
      cpu: cpu as CpuModelName,
      backends,
      count,
      seed,
      batchSize,
      skip,
      repeat: (batch, cases) =>
        `npm run oracle -- --cpu ${cpu} --seed ${seed} --skip ${batch} --count ${cases} --batch ${batchSize}${also}`,
      show: number('show', values.show, 20, 0),
      ...(values.class === undefined ? {} : { classes: new RegExp(values.class) }),
      print: (text) => log(`${text}\n\n`),
      progress: (done, found) => {
        const now = performance.now();
        const rate = (done / (now - start)) * 1000;
        const text = `${cpu}: ${done} cases, ${found} differences, ${rate.toFixed(0)}/s`;
        if (process.stderr.isTTY) process.stderr.write(`\r${text}  `);
        else if (now - said > QUIET_MS && done < count) {
          said = now;
          log(`${text}\n`);
        }
      },
    });
    const result = await oracle.run();
    results[cpu] = result;
    differences += result.differences;
    const seconds = (performance.now() - start) / 1000;
    if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
    log(
      `${cpu}: ${result.cases} cases, ${result.instructions} instructions, ${Object.keys(result.classes).length} classes, ` +
        `${backends.map((b) => b.name).join(' and ')}: ${result.differences} differences, ${seconds.toFixed(1)} s\n`,
    );
    const parts = Object.entries(result.seconds).map(([part, s]) => `${part} ${s.toFixed(1)}`);
    log(`  ${(result.cases / seconds).toFixed(0)} cases/s; seconds: ${parts.join(', ')}\n`);
    for (const [name, n, all] of result.suspects) log(`  ${name}: ${n} of ${all}\n`);
  }
  // A difference takes the rest of its case with it, so only a clean run counts.
  if (values.class === undefined && !values['no-coverage'] && differences === 0)
    writeCoverage(results, values.accumulate ?? false);
  if (values.json) process.stdout.write(`${JSON.stringify({ qemu, seed, results }, undefined, 1)}\n`);
  log(`seed ${seed}: ${differences} differences\n`);
  return differences === 0 ? 0 : 1;
}

try {
  process.exitCode = await main();
} catch (error) {
  if (!(error instanceof UsageError) && !(error instanceof TypeError && 'code' in error)) throw error;
  process.stderr.write(`${(error as Error).message}\n`);
  process.exitCode = 2;
}
