import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { allModes, type Mode, qemuVersion, type Result, WORKLOADS } from './modes.ts';
import { type Row, summarise, table, targets } from './report.ts';

/*
 * Boots and workloads of the reference guest as real processes, virtrace beside QEMU, taking turns:
 *
 *   npm run bench [-- --runs N] [--only boot,sha256] [--modes run,record,icount] [--json FILE] [--no-qemu]
 *
 * Prints medians and, for the boot, how they compare with the targets. Exit code 1 if something did not run.
 */

function projectRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json'))) folder = dirname(folder);
  return folder;
}

function chosen<T extends { readonly name: string }>(all: readonly T[], names: string | undefined): T[] {
  if (names === undefined) return [...all];
  return names.split(',').map((name) => {
    const found = all.find((each) => each.name === name);
    if (found === undefined) {
      throw new Error(`no '${name}' here; there is ${all.map((each) => each.name).join(', ')}`);
    }
    return found;
  });
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      runs: { type: 'string', default: '3' },
      only: { type: 'string' },
      modes: { type: 'string' },
      json: { type: 'string' },
      'no-qemu': { type: 'boolean', default: false },
    },
  });
  const runs = Number(values.runs);
  if (!Number.isInteger(runs) || runs < 1) throw new Error(`--runs ${values.runs}: a number from 1 up`);
  const root = projectRoot();
  if (!existsSync(join(root, '.guests/linux-arm64/Image'))) {
    throw new Error('the reference guest is missing; `npm run guests` gets it');
  }
  const qemu = values['no-qemu'] ? undefined : qemuVersion();
  const scratch = mkdtempSync(join(tmpdir(), 'virtrace-bench-'));
  const modes = chosen(allModes({ root, scratch }, qemu !== undefined), values.modes);
  const processor = cpus()[0]?.model ?? 'unknown processor';
  console.log(
    `node ${process.version}, QEMU ${qemu ?? 'not used'}, ${cpus().length} × ${processor}, ${runs} runs`,
  );
  const rows: Row[] = [];
  try {
    for (const workload of chosen(WORKLOADS, values.only)) {
      const results = new Map<Mode, Result[]>(modes.map((mode) => [mode, []]));
      for (let i = 1; i <= runs; i++) {
        for (const mode of modes) {
          if (process.stderr.isTTY)
            process.stderr.write(`\r\x1b[K${workload.name} ${i}/${runs}: ${mode.name}`);
          results.get(mode)!.push(await mode.run(workload));
        }
      }
      if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
      rows.push(...summarise(workload.name, results));
    }
  } finally {
    rmSync(scratch, { recursive: true });
  }
  console.log(table(rows));
  // Load of the last minute, of which the bench itself is about one.
  const load = loadavg()[0]!;
  const isBusy = load > cpus().length + 0.5;
  if (isBusy)
    console.log(`load ${load.toFixed(1)}: other programs are running, so targets are judged by CPU time`);
  const aims = targets(rows, isBusy ? 'cpuSeconds' : 'seconds');
  for (const { what, value, bound, atLeast, met } of aims) {
    console.log(
      `${met ? 'met   ' : 'MISSED'} ${what}: ${value.toFixed(2)}, target ${atLeast ? '≥' : '≤'} ${bound}`,
    );
  }
  if (values.json !== undefined) {
    const host = { load, node: process.version, qemu: qemu ?? null, cpus: cpus().length, processor };
    writeFileSync(values.json, `${JSON.stringify({ host, rows, targets: aims }, undefined, 2)}\n`);
  }
}

try {
  await main();
} catch (error) {
  console.error(`bench: ${error instanceof Error ? error.message : error}`);
  process.exitCode = 1;
}
