import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { temporary, virtrace } from '../recorder/cli/support.ts';
import { hasLinux, LINUX_IMAGE } from '../support/machines.ts';
import { project, qemu } from '../support/qemu.ts';

/*
 * Linux uses the debug exceptions: ptrace's single steps, hardware breakpoints and watchpoints, and perf events that
 * count them, also in the kernel (guests/debug-probe/probe.c). The text must be QEMU's, and a replay exact.
 */

const COMPILER = 'aarch64-linux-gnu-gcc';
const hasCompiler = spawnSync(COMPILER, ['--version']).status === 0;
const APPEND = 'console=ttyAMA0 cryptomgr.notests=1 quiet rdinit=/init';

describe.skipIf(!hasLinux || !hasCompiler || qemu === undefined)('Linux that debugs itself', () => {
  const dir = temporary();
  afterAll(() => dir.remove());
  const root = join(dir.path, 'root');
  mkdirSync(root);
  const initrd = dir.file('initrd.cpio');
  const source = `${project}guests/debug-probe/probe.c`;
  if (hasCompiler) spawnSync(COMPILER, ['-static', '-O1', '-o', join(root, 'init'), source]);
  spawnSync('chmod', ['755', join(root, 'init')]);
  spawnSync(process.execPath, [`${project}scripts/make-initramfs.mjs`, root, initrd]);

  const options = (cpu: string): string[] => [
    ...['-M', 'virt,gic-version=3', '-cpu', cpu, '-m', '256', '-nographic'],
    ...['-kernel', LINUX_IMAGE, '-initrd', initrd, '-append', APPEND],
  ];
  const probe = (text: string): string[] => {
    const lines = text.replaceAll('\r', '').split('\n');
    return lines.slice(lines.indexOf('PROBE-BEGIN'), lines.indexOf('PROBE-END') + 1);
  };

  it.each(['cortex-a57', 'max'])(
    'prints on %s what it prints under QEMU, and replays exactly',
    async (cpu) => {
      const theirs = spawnSync(qemu!, [...options(cpu), '-net', 'none'], {
        encoding: 'latin1',
        input: '',
        timeout: 300_000,
      });
      const expected = probe(theirs.stdout);
      expect(expected.length).toBeGreaterThan(100);
      const file = dir.file(`${cpu}.vtrace`);
      const recorded = await virtrace(['record', '-o', file, ...options(cpu)]);
      expect(probe(recorded.out)).toEqual(expected);
      const replayed = await virtrace(['replay', file, '--verify']);
      expect(replayed.err).toContain('are the same');
      expect(replayed.code).toBe(0);
    },
  );
});
