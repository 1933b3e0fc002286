import { spawnSync } from 'node:child_process';
import { project } from './qemu.ts';

export interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Runs the built command line as a process of its own; `npm run build` comes first. */
export function virtrace(args: readonly string[], input = ''): Ran {
  const { status, stdout, stderr, error } = spawnSync(process.execPath, ['bin/virtrace.js', ...args], {
    cwd: project,
    encoding: 'latin1',
    input,
    maxBuffer: 2 ** 26,
    timeout: 800_000,
  });
  if (error !== undefined) throw error;
  return { code: status, out: stdout.replaceAll('\r', ''), err: stderr };
}
