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
