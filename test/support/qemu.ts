import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** The project's folder, with a slash at the end. */
export const project = fileURLToPath(new URL('../../', import.meta.url));

const COMMAND = 'qemu-system-aarch64';

/** The reference implementation, QEMU 7.2; undefined if it is not installed. */
export const qemu: string | undefined = spawnSync(COMMAND, ['--version'], {
  encoding: 'utf8',
}).stdout?.includes('version 7.2')
  ? COMMAND
  : undefined;

export interface QemuBoot {
  readonly cpus?: number;
  readonly gic?: 2 | 3;
  readonly cpu?: string;
  readonly kernel: string;
  readonly initrd?: string;
  readonly append?: string;
  readonly megabytes?: number;
}

/** What a guest prints under QEMU, with one instruction per virtual nanosecond as here. */
export function qemuConsole(boot: QemuBoot): string {
  const { cpus = 1, gic = 3, cpu = 'cortex-a57', kernel, initrd, append, megabytes = 512 } = boot;
  const { stdout, status } = spawnSync(
    COMMAND,
    [
      ...['-M', `virt,gic-version=${gic}`, '-cpu', cpu, '-smp', String(cpus), '-m', String(megabytes)],
      ...['-nographic', '-net', 'none', '-icount', 'shift=0,sleep=off', '-kernel', kernel],
      ...(initrd === undefined ? [] : ['-initrd', initrd]),
      ...(append === undefined ? [] : ['-append', append]),
    ],
    { encoding: 'latin1', input: '', timeout: 600_000, maxBuffer: 2 ** 26 },
  );
  if (status !== 0) throw new Error(`QEMU ended with ${status}: ${stdout.slice(-500)}`);
  return stdout.replaceAll('\r', '');
}
