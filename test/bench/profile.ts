import { type Profiler, Session } from 'node:inspector';
import { join } from 'node:path';
import { G_STAT_FLUSHES, G_STAT_REFILLS, G_STAT_SLOW } from '../../engine/cpu/helpers/heap-layout.ts';
import type { Machine } from '../../engine/machine.ts';
import { readMachineRequest } from '../../recorder/cli/machine-request.ts';
import { openMachine } from '../../recorder/cli/open-machine.ts';
import { hostInputs } from '../../recorder/host/entropy.ts';
import { RunSession } from '../../recorder/session/live.ts';
import { guestFolder, type Workload } from './modes.ts';

/** Where the time of one run goes, by V8's sampling profiler and the engine's own counters. */
export interface ProfileReport {
  readonly workload: string;
  readonly seconds: number;
  readonly instructions: number;
  /** Shares of the main thread's time, largest first. */
  readonly shares: { readonly [part: string]: number };
  /** How often something happened. */
  readonly counts: { readonly [what: string]: number };
}

/** Parts of the program by the file of a function; the first that fits. */
const PARTS: readonly (readonly [part: string, file: RegExp])[] = [
  ['translating', /\/cpu\/(translator|code-cache)\.|\/cpu\/a64\/(lower|decoder|encodings)/],
  ['compiling', /\/cpu\/(compiler|region|uop|flags)|\/cpu\/wasm\//],
  ['system registers', /\/cpu\/(a64\/sys|sysreg|host-instructions|generic-timer|pmu)/],
  ['exceptions and turns', /\/cpu\/|\/engine\/machine\./],
  ['devices', /\/engine\/(devices|memory|base|boards)\//],
];

function isWasm(frame: Profiler.ProfileNode['callFrame']): boolean {
  return frame.url.startsWith('wasm://');
}

/** More functions than a module of regions can have. */
const MANY_FUNCTIONS = 100;

/**
 * Which module of WebAssembly is which; they have no names. The interpreter is what the cluster enters most of the
 * time; of the others the helpers alone have hundreds of functions; the rest are compiled regions.
 */
function wasmParts(nodes: readonly Profiler.ProfileNode[]): (url: string) => string {
  const entered = new Map<string, number>();
  const functions = new Map<string, number>();
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const visit = (node: Profiler.ProfileNode, caller: string): void => {
    const { url, functionName } = node.callFrame;
    if (isWasm(node.callFrame)) {
      if (caller === '#enter') entered.set(url, (entered.get(url) ?? 0) + (node.hitCount ?? 0));
      const index = Number(/\[(\d+)\]/.exec(functionName)?.[1] ?? 0);
      functions.set(url, Math.max(functions.get(url) ?? 0, index));
    }
    // Without a file: V8's own wrapper around a call.
    const name = url === '' ? caller : functionName;
    for (const child of node.children ?? []) visit(byId.get(child)!, name);
  };
  visit(nodes[0]!, '');
  const [interpreter] = [...entered].sort(([, a], [, b]) => b - a)[0] ?? [''];
  return (url) =>
    url === interpreter
      ? 'interpreter'
      : (functions.get(url) ?? 0) >= MANY_FUNCTIONS
        ? 'helpers'
        : 'compiled code';
}

function sharesOf({ nodes, samples = [], timeDeltas = [] }: Profiler.Profile): { [part: string]: number } {
  const wasmPart = wasmParts(nodes);
  const partOf = (frame: Profiler.ProfileNode['callFrame']): string => {
    if (isWasm(frame)) return wasmPart(frame.url);
    if (frame.functionName === '(garbage collector)') return 'garbage collection';
    // Without a file: V8 itself; `Module` and `Instance` are WebAssembly's constructors.
    if (/^(Module|Instance)$/.test(frame.functionName) && frame.url === '') return 'compiling';
    const part = PARTS.find(([, file]) => file.test(frame.url));
    return part === undefined ? 'other' : part[0];
  };
  const parts = new Map(nodes.map((node) => [node.id, partOf(node.callFrame)]));
  const micros = new Map<string, number>();
  let total = 0;
  samples.forEach((id, i) => {
    const part = parts.get(id)!;
    const delta = timeDeltas[i] ?? 0;
    micros.set(part, (micros.get(part) ?? 0) + delta);
    total += delta;
  });
  const sorted = [...micros].sort(([, a], [, b]) => b - a);
  return Object.fromEntries(sorted.map(([part, time]) => [part, time / total]));
}

function countsOf(machine: Machine): ProfileReport['counts'] {
  const { cluster, compiler } = machine;
  const { u32 } = cluster.heap;
  const { code, counts } = cluster;
  return {
    'blocks translated': code.blocks,
    'instructions translated': code.instructions,
    'frames of code dropped': code.drops,
    'all code dropped': code.flushes,
    'modules compiled': compiler?.stats.modules ?? 0,
    'regions compiled': compiler?.stats.regions ?? 0,
    'blocks in regions': compiler?.stats.blocks ?? 0,
    'bytes of WebAssembly': compiler?.stats.bytes ?? 0,
    'TLB misses': u32[G_STAT_REFILLS >>> 2]!,
    'TLB banks emptied': u32[G_STAT_FLUSHES >>> 2]!,
    'slow accesses': u32[G_STAT_SLOW >>> 2]!,
    'entries of the interpreter': counts.runs,
    'instructions run alone': counts.singles,
    'instructions on the host side': counts.host,
    'blocks cut short': counts.truncated,
    'block look-ups that failed': counts.misses,
    'faults taken': counts.faults,
    'interrupts taken': counts.irqs,
  };
}

/** Runs a workload once in this process, unrecorded. @throws if it does not do its work */
export async function profile(workload: Workload, root: string): Promise<ProfileReport> {
  const guest = guestFolder(root);
  const opened = openMachine(
    readMachineRequest({
      machine: ['virt'],
      cpu: 'cortex-a57',
      m: '512',
      kernel: join(guest, 'Image'),
      initrd: join(guest, workload.initrd),
      append: workload.append,
    }),
  );
  const inspector = new Session();
  inspector.connect();
  const post = <T>(method: string, parameters: object = {}): Promise<T> =>
    new Promise((resolve, reject) => {
      inspector.post(method, parameters, (error, result) =>
        error === null ? resolve(result as T) : reject(error),
      );
    });
  let text = '';
  const session = new RunSession({
    spec: opened.spec,
    inputs: hostInputs('utc', undefined),
    sink: (event) => {
      if (event.kind === 'output') text += Buffer.from(event.bytes).toString('latin1');
    },
  });
  await post('Profiler.enable');
  await post('Profiler.setSamplingInterval', { interval: 1000 });
  await post('Profiler.start');
  const begin = performance.now();
  const stop = session.run(Number.MAX_SAFE_INTEGER, false);
  const seconds = (performance.now() - begin) / 1000;
  const { profile: recorded } = await post<{ profile: Profiler.Profile }>('Profiler.stop');
  inspector.disconnect();
  opened.close();
  if (stop.reason !== 'power-off' || !text.includes(workload.proof))
    throw new Error(`${workload.name}: ended with ${stop.reason}, no '${workload.proof}' on the console`);
  return {
    workload: workload.name,
    seconds,
    instructions: session.position,
    shares: sharesOf(recorded),
    counts: countsOf(session.machine as Machine),
  };
}

/** Parts and counts down, workloads across. */
export function profileTable(reports: readonly ProfileReport[]): string {
  const rows: string[][] = [['', ...reports.map((report) => report.workload)]];
  const row = (name: string, value: (report: ProfileReport) => string): void => {
    rows.push([name, ...reports.map(value)]);
  };
  row('seconds', ({ seconds }) => seconds.toFixed(2));
  row('million instructions', ({ instructions }) => (instructions / 1e6).toFixed(0));
  row('M instr/s', ({ instructions, seconds }) => (instructions / 1e6 / seconds).toFixed(0));
  const parts = [...new Set(reports.flatMap(({ shares }) => Object.keys(shares)))];
  for (const part of parts) row(`% ${part}`, ({ shares }) => ((shares[part] ?? 0) * 100).toFixed(1));
  const whats = [...new Set(reports.flatMap(({ counts }) => Object.keys(counts)))];
  for (const what of whats) row(what, ({ counts }) => String(counts[what] ?? 0));
  const widths = rows[0]!.map((_, i) => Math.max(...rows.map((cells) => cells[i]!.length)));
  return rows
    .map((cells) =>
      cells.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('  '),
    )
    .join('\n');
}
