import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import {
  allModes,
  DISK_MODES,
  guestFolder,
  type Mode,
  PCI_WORKLOADS,
  qemuVersion,
  type Result,
  WORKLOADS,
  type Workload,
} from './modes.ts';
import { profile, profileTable } from './profile.ts';
import { type Row, summarise, table, targets, throughputs } from './report.ts';
import { timeTravel, travelTable } from './time-travel.ts';

/* Boots and workloads of the reference guest as real processes, virtrace beside QEMU, taking turns. */

const HELP = `usage: npm run bench [-- OPTIONS]

Boots and workloads of the reference guest, virtrace beside QEMU; medians, and for the boot the project's targets.

  --runs N        runs of each (3)
  --only NAMES    workloads, with commas: ${WORKLOADS.map(({ name }) => name).join(', ')}; pci: all
                  of PCI; or timetravel:
                  seeks, steps and searches backwards through gdb's protocol
  --modes NAMES   run, record inputs, record, replay, replay --verify; of QEMU icount, rr=record, rr=replay
  --no-qemu       only virtrace
  --profile       where the time of an unrecorded run goes, instead of comparing
  --json FILE     the results as JSON, too
  --help          this text

Exit code 1 if something did not run.
`;

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

function host(): { node: string; cpus: number; processor: string } {
  return {
    node: process.version,
    cpus: cpus().length,
    processor: cpus()[0]?.model ?? 'unknown processor',
  };
}

/** The workloads asked for, or all whose RAM disk is there. */
function available(root: string, only: string | undefined): Workload[] {
  const pci = PCI_WORKLOADS.map(({ name }) => name).join(',');
  const asked = chosen(WORKLOADS, only?.replace(/\bpci(?=,|$)/, pci));
  const missing = asked.filter(({ initrd }) => !existsSync(join(guestFolder(root), initrd)));
  if (missing.length === 0) return asked;
  const what = `without ${missing.map(({ name }) => name).join(', ')}: ${missing[0]!.initrd} is missing; \`npm run guests\` gets it`;
  if (only !== undefined) throw new Error(what);
  console.log(what);
  return asked.filter((workload) => !missing.includes(workload));
}

async function travel(root: string, qemu: boolean, json: string | undefined): Promise<void> {
  const scratch = mkdtempSync(join(tmpdir(), 'virtrace-bench-'));
  try {
    const rows = await timeTravel({ root, scratch }, qemu);
    console.log(travelTable(rows));
    if (json !== undefined) writeFileSync(json, `${JSON.stringify({ host: host(), rows }, undefined, 2)}\n`);
  } finally {
    rmSync(scratch, { recursive: true });
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      runs: { type: 'string', default: '3' },
      only: { type: 'string' },
      modes: { type: 'string' },
      json: { type: 'string' },
      'no-qemu': { type: 'boolean', default: false },
      profile: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(HELP);
    return;
  }
  const runs = Number(values.runs);
  if (!Number.isInteger(runs) || runs < 1) throw new Error(`--runs ${values.runs}: a number from 1 up`);
  const root = projectRoot();
  if (!existsSync(join(guestFolder(root), 'Image'))) {
    throw new Error('the reference guest is missing; `npm run guests` gets it');
  }
  if (values.only === 'timetravel') {
    await travel(root, !values['no-qemu'] && qemuVersion() !== undefined, values.json);
    return;
  }
  const workloads = available(root, values.only);
  if (values.profile) {
    const reports = [];
    for (const workload of workloads) reports.push(await profile(workload, root));
    console.log(profileTable(reports));
    if (values.json !== undefined)
      writeFileSync(values.json, `${JSON.stringify({ host: host(), profiles: reports }, undefined, 2)}\n`);
    return;
  }
  const qemu = values['no-qemu'] ? undefined : qemuVersion();
  const scratch = mkdtempSync(join(tmpdir(), 'virtrace-bench-'));
  const modes = chosen(allModes({ root, scratch }, qemu !== undefined), values.modes);
  const { node, processor } = host();
  console.log(`node ${node}, QEMU ${qemu ?? 'not used'}, ${cpus().length} × ${processor}, ${runs} runs`);
  const rows: Row[] = [];
  try {
    for (const workload of workloads) {
      const own = modes.filter(({ name }) => workload.disk === undefined || DISK_MODES.includes(name));
      const results = new Map<Mode, Result[]>(own.map((mode) => [mode, []]));
      for (let i = 1; i <= runs; i++) {
        for (const mode of own) {
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
  const read = throughputs(rows, PCI_WORKLOADS);
  if (read !== '') console.log(`\n${read}\n`);
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
    const where = { ...host(), load, qemu: qemu ?? null };
    writeFileSync(values.json, `${JSON.stringify({ host: where, rows, targets: aims }, undefined, 2)}\n`);
  }
}

try {
  await main();
} catch (error) {
  console.error(`bench: ${error instanceof Error ? error.message : error}`);
  process.exitCode = 1;
}
