import { execFileSync, spawn } from 'node:child_process';
import {
  closeSync,
  existsSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  readSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Batch, buildImage, casesRun, type Outcome, outcomeSizes } from './batch.ts';
import { DUMPS_PA, RAM_BASE, RAM_BYTES, RESULTS_PA, WINDOW_PA } from './layout.ts';

const QEMU = 'qemu-system-aarch64';
export const HARNESS = fileURLToPath(new URL('guest/harness.elf', import.meta.url));

export function qemuVersion(): string | undefined {
  try {
    return execFileSync(QEMU, ['--version'], { encoding: 'utf8' }).split('\n')[0]!;
  } catch {
    return undefined;
  }
}

/** The other machine did not finish: it ended early or hung. `ran` cases were complete. */
export class QemuError extends Error {
  readonly ran: number;
  constructor(message: string, ran: number) {
    super(message);
    this.ran = ran;
  }
}

/** Shared memory where there is some: the guest's RAM is a file. */
const folder = (): string =>
  mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'virtrace-oracle-'));

/** SVE and SME are not what is compared, and change what other registers hold. */
const model = (cpu: string): string => (cpu === 'max' ? 'max,sve=off,sme=off' : cpu);

/**
 * Runs a batch in QEMU. The guest's RAM is a file that both sides map, so nothing is copied through devices.
 * Rejects with QemuError if it does not end by itself within `seconds`.
 */
export async function runInQemu(batch: Batch, cpu: string, seconds = 120): Promise<Outcome> {
  const image = buildImage(batch);
  const at = folder();
  const ram = join(at, 'ram');
  const file = openSync(ram, 'w+');
  try {
    ftruncateSync(file, RAM_BYTES);
    for (const [pa, bytes] of image) writeSync(file, bytes, 0, bytes.length, pa - RAM_BASE);
    const megabytes = `${RAM_BYTES / 2 ** 20}M`;
    const options = [
      ...[
        '-M',
        'virt,memory-backend=ram',
        '-cpu',
        model(cpu),
        '-m',
        megabytes,
        '-display',
        'none',
        '-no-reboot',
      ],
      ...['-object', `memory-backend-file,id=ram,size=${megabytes},mem-path=${ram},share=on`],
      ...['-net', 'none', '-serial', 'none', '-monitor', 'none', '-kernel', HARNESS],
    ];
    const failure = await new Promise<string | undefined>((resolve) => {
      const child = spawn(QEMU, options, { stdio: ['ignore', 'ignore', 'pipe'] });
      let errors = '';
      child.stderr.on('data', (data) => (errors += data));
      const timer = setTimeout(() => {
        errors += `no end within ${seconds} s`;
        child.kill('SIGKILL');
      }, seconds * 1000);
      child.on('error', (error) => resolve(error.message));
      child.on('close', (code) => {
        clearTimeout(timer);
        resolve(code === 0 ? undefined : errors.trim() || `exit code ${code}`);
      });
    });
    const sizes = outcomeSizes(batch);
    const read = (pa: number, length: number): Uint8Array => {
      const bytes = new Uint8Array(length);
      readSync(file, bytes, 0, length, pa - RAM_BASE);
      return bytes;
    };
    const outcome: Outcome = {
      results: read(RESULTS_PA, sizes.results),
      dumps: read(DUMPS_PA, sizes.dumps),
      window: read(WINDOW_PA, sizes.window),
    };
    const ran = casesRun(outcome);
    if (failure !== undefined) throw new QemuError(`QEMU: ${failure}`, ran);
    if (ran !== batch.cases.length) throw new QemuError('QEMU ended early', ran);
    return outcome;
  } finally {
    closeSync(file);
    rmSync(at, { recursive: true, force: true });
  }
}
