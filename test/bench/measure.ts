import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** What one process took. */
export interface Measured {
  /** Seconds of wall time, start to end. */
  readonly seconds: number;
  /** Seconds of CPU time, user and system; less sensitive to what else runs on the machine. */
  readonly cpuSeconds: number;
  /** Peak resident memory in bytes. */
  readonly residentBytes: number;
  readonly out: string;
  readonly err: string;
  /** What passed between two lines of its output, if it was asked for and they came. */
  readonly span?: { readonly seconds: number; readonly cpuSeconds: number };
}

/** Clock ticks of /proc/PID/stat per second; 100 on every Linux. */
const TICKS = 100;
const POLL_MS = 20;

/**
 * Runs a process with no input and measures it, from Linux's /proc while it lives: the peak of resident memory is
 * the kernel's own high-water mark; CPU time is missing the last 20 ms.
 * @param span texts between which time is taken for itself
 * @throws if it does not end with exit code 0
 */
export function measure(
  command: string,
  args: readonly string[],
  cwd: string,
  span?: readonly [string, string],
): Promise<Measured> {
  return new Promise((resolve, reject) => {
    const start = performance.now();
    const child = spawn(command, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
    let out = '';
    let err = '';
    let residentBytes = 0;
    let cpuSeconds = 0;
    const marks: { seconds: number; cpuSeconds: number }[] = [];
    const sample = (): void => {
      const status = read(`/proc/${child.pid}/status`);
      residentBytes = Math.max(residentBytes, Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024);
      // Fields 14 and 15, counted after the name, which may hold anything.
      const fields = read(`/proc/${child.pid}/stat`)
        .replace(/^.*\) /, '')
        .split(' ');
      cpuSeconds = Math.max(cpuSeconds, (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) / TICKS);
    };
    const poll = setInterval(sample, POLL_MS);
    child.stdout.setEncoding('latin1').on('data', (data) => {
      out += data;
      const next = span?.[marks.length];
      if (next === undefined || !out.includes(next)) return;
      sample();
      marks.push({ seconds: performance.now() / 1000, cpuSeconds });
    });
    child.stderr.setEncoding('latin1').on('data', (data) => {
      err += data;
    });
    child.on('error', reject);
    child.on('close', (code) => {
      clearInterval(poll);
      const seconds = (performance.now() - start) / 1000;
      const [begin, end] = marks;
      const between = begin &&
        end && {
          span: { seconds: end.seconds - begin.seconds, cpuSeconds: end.cpuSeconds - begin.cpuSeconds },
        };
      if (code === 0) resolve({ seconds, cpuSeconds, residentBytes, out, err, ...between });
      else reject(new Error(`${command} ${args.join(' ')} ended with ${code}: ${(err || out).slice(-500)}`));
    });
  });
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return ''; // the process has just ended
  }
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
