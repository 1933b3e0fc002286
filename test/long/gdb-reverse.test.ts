import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { virtrace } from '../support/command.ts';
import { hasLinux, LINUX_IMAGE, LINUX_INITRD } from '../support/machines.ts';
import { project } from '../support/qemu.ts';

/**
 * Reverse debugging as QEMU tests it, at random places of recorded boots of Linux, driven by gdb itself. Every round
 * has to succeed. VIRTRACE_ROUNDS asks for more of them: 1000 take some minutes.
 */
const ROUNDS = Number(process.env['VIRTRACE_ROUNDS'] ?? 250);

const hasGdb = spawnSync('gdb-multiarch', ['--version']).status === 0;
const folder = mkdtempSync(join(tmpdir(), 'virtrace-gdb-'));
const started: ChildProcess[] = [];
afterAll(() => {
  for (const child of started) child.kill();
  rmSync(folder, { recursive: true });
});

interface Listening {
  readonly port: number;
  readonly length: number;
}

function serve(file: string): Promise<Listening> {
  const child = spawn(process.execPath, ['bin/virtrace.js', 'debug', file, '-gdb', 'tcp::0', '--json'], {
    cwd: project,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  started.push(child);
  return new Promise((resolve, reject) => {
    let text = '';
    child.stdout.on('data', (bytes) => {
      text += bytes;
      if (text.includes('\n')) resolve(JSON.parse(text));
    });
    child.on('exit', (code) => reject(new Error(`virtrace debug ended with ${code}`)));
  });
}

function gdb(script: string, variables: { readonly [name: string]: string }): Promise<string> {
  const child = spawn('gdb-multiarch', ['-nx', '-batch', '-x', script], {
    cwd: project,
    env: { ...process.env, ...variables },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  started.push(child);
  return new Promise((resolve) => {
    let text = '';
    child.stdout.on('data', (bytes) => {
      text += bytes;
    });
    child.stderr.on('data', (bytes) => {
      text += bytes;
    });
    child.on('close', () => resolve(text));
  });
}

describe.skipIf(!hasGdb || !hasLinux)('reverse debugging with gdb', () => {
  it.each([1, 4])(`works ${ROUNDS} times out of ${ROUNDS} on a boot of Linux with %i CPUs`, async (cpus) => {
    const file = join(folder, `boot-${cpus}.vtrace`);
    const machine = ['-M', 'virt,gic-version=3', '-cpu', 'cortex-a57', '-smp', String(cpus), '-m', '512'];
    const guest = ['-kernel', LINUX_IMAGE, '-initrd', LINUX_INITRD, '-nographic'];
    const append = 'console=ttyAMA0 cryptomgr.notests=1';
    const recorded = virtrace(['record', '-o', file, ...machine, ...guest, '-append', append]);
    expect(recorded.code).toBe(0);
    const { port, length } = await serve(file);
    const output = await gdb('test/support/reverse-rounds.py', {
      PORT: String(port),
      LENGTH: String(length),
      ROUNDS: String(ROUNDS),
      STEPS: '6',
      SEED: String(cpus),
      REACH: '100000',
    });
    const lines = output.split('\n').filter((line) => /^round/.test(line));
    expect(lines).toEqual([`rounds ${ROUNDS} failures 0`]);
  });
});
