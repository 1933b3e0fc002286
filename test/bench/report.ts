import { median } from './measure.ts';
import { type Mode, PCI_WORKLOADS, type Result, type Workload } from './modes.ts';

/** Medians of all runs of one workload in one mode. */
export interface Row {
  readonly workload: string;
  readonly mode: string;
  readonly program: Mode['program'];
  readonly runs: number;
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly residentBytes: number;
  readonly logBytes?: number;
  /** Of the part that counts, where only a part does. */
  readonly span?: { readonly seconds: number; readonly cpuSeconds: number };
  /** Guest instructions of the workload as virtrace counts them; QEMU's count is within a percent. */
  readonly instructions: number;
}

/** The mode of QEMU that does the same. */
const COUNTERPART: { readonly [mode: string]: string } = {
  run: 'icount',
  'record inputs': 'rr=record',
  record: 'rr=record',
  replay: 'rr=replay',
  'replay --verify': 'rr=replay',
};

export function summarise(workload: string, results: ReadonlyMap<Mode, readonly Result[]>): Row[] {
  const all = [...results.values()].flat();
  const instructions = median(all.flatMap((result) => result.instructions ?? []));
  return [...results].map(([mode, runs]) => {
    const logs = runs.flatMap((run) => run.logBytes ?? []);
    const spans = runs.flatMap((run) => run.span ?? []);
    return {
      workload,
      mode: mode.name,
      program: mode.program,
      runs: runs.length,
      seconds: median(runs.map((run) => run.seconds)),
      cpuSeconds: median(runs.map((run) => run.cpuSeconds)),
      residentBytes: Math.max(...runs.map((run) => run.residentBytes)),
      ...(logs.length === 0 ? {} : { logBytes: median(logs) }),
      ...(spans.length === 0
        ? {}
        : {
            span: {
              seconds: median(spans.map((span) => span.seconds)),
              cpuSeconds: median(spans.map((span) => span.cpuSeconds)),
            },
          }),
      instructions,
    };
  });
}

export function find(rows: readonly Row[], workload: string, mode: string): Row | undefined {
  return rows.find((row) => row.workload === workload && row.mode === mode);
}

const HEADER = ['workload', 'mode', 'seconds', 'CPU s', 'M instr/s', 'of QEMU', 'of run', 'RSS MB', 'log MB'];

export function table(rows: readonly Row[]): string {
  const lines = rows.map((row) => {
    const theirs = find(rows, row.workload, COUNTERPART[row.mode] ?? '');
    const run = row.program === 'virtrace' ? find(rows, row.workload, 'run') : undefined;
    return [
      row.workload,
      row.program === 'qemu' ? `QEMU ${row.mode}` : row.mode,
      row.seconds.toFixed(2),
      row.cpuSeconds.toFixed(2),
      (row.instructions / row.seconds / 1e6).toFixed(0),
      theirs === undefined ? '' : `${(row.seconds / theirs.seconds).toFixed(2)}×`,
      run === undefined || run === row ? '' : `${(row.seconds / run.seconds).toFixed(2)}×`,
      (row.residentBytes / 2 ** 20).toFixed(0),
      row.logBytes === undefined ? '' : (row.logBytes / 1e6).toFixed(3),
    ];
  });
  return columns(HEADER, lines);
}

/** Aligned, the first two columns to the left. */
function columns(header: readonly string[], lines: readonly (readonly string[])[]): string {
  const widths = header.map((title, i) => Math.max(title.length, ...lines.map((line) => line[i]!.length)));
  const text = (cells: readonly string[]): string =>
    cells
      .map((cell, i) => (i < 2 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)))
      .join('  ')
      .trimEnd();
  return [text(header), ...lines.map(text)].join('\n');
}

/** Sequential reads of a disk, by wall and CPU time of the reads alone; `of off`: against the SMMU off. */
export function throughputs(rows: readonly Row[], workloads: readonly Workload[]): string {
  const [off] = workloads;
  const lines = rows.flatMap((row) => {
    const bytes = workloads.find(({ name }) => name === row.workload)?.disk?.bytes;
    if (bytes === undefined || row.span === undefined) return [];
    const plain = find(rows, off!.name, row.mode)?.span;
    const rate = (seconds: number): string => (bytes / 2 ** 20 / seconds).toFixed(0);
    return [
      [
        row.workload,
        row.program === 'qemu' ? `QEMU ${row.mode}` : row.mode,
        rate(row.span.seconds),
        rate(row.span.cpuSeconds),
        plain === undefined ? '' : `${(row.span.cpuSeconds / plain.cpuSeconds).toFixed(2)}×`,
      ],
    ];
  });
  return lines.length === 0 ? '' : columns(['reading', 'mode', 'MiB/s', 'MiB/CPU s', 'of off'], lines);
}

export interface Target {
  readonly what: string;
  readonly value: number;
  readonly bound: number;
  readonly atLeast: boolean;
  readonly met: boolean;
}

/**
 * What the project has set itself for the boot; nothing for what was not run.
 * @param basis wall time, or CPU time where other programs have taken a part of the wall time
 */
export function targets(rows: readonly Row[], basis: 'seconds' | 'cpuSeconds'): Target[] {
  const found: Target[] = [];
  const add = (what: string, value: number | undefined, bound: number, atLeast = false): void => {
    if (value === undefined || Number.isNaN(value)) return;
    found.push({ what, value, bound, atLeast, met: atLeast ? value >= bound : value <= bound });
  };
  const [run, inputs, record] = ['run', 'record inputs', 'record'].map((mode) => find(rows, 'boot', mode));
  if (record !== undefined) {
    add('boot while recording, M instr/s', record.instructions / record[basis] / 1e6, 60, true);
    add('trace of the boot without images, MB', (record.logBytes ?? Number.NaN) / 1e6, 0.5);
    add('resident memory while recording the boot, MB', record.residentBytes / 2 ** 20, 600);
    if (run !== undefined) add('recording devices, of run', record[basis] / run[basis], 1.5);
  }
  const [off, ...on] = PCI_WORKLOADS.map(({ name }) => find(rows, name, 'run'));
  for (const row of on) {
    if (off?.span === undefined || row?.span === undefined) continue;
    add(`${row.workload}, time of ${off.workload}`, row.span[basis] / off.span[basis], 2);
  }
  if (inputs !== undefined && run !== undefined)
    add('recording inputs, of run', inputs[basis] / run[basis], 1.15);
  return found;
}
