import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Case, Registers } from './machine.ts';

/** As in runner.S. */
const RECORD = 672;
const AT_X = 16;
const AT_V = 144;
const GCC = 'aarch64-linux-gnu-gcc';
const QEMU = 'qemu-system-aarch64';

export function hasQemu(): boolean {
  try {
    execFileSync(GCC, ['--version'], { stdio: 'ignore' });
    execFileSync(QEMU, ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

export interface QemuOutcome extends Registers {
  readonly undefined: boolean;
}

/** What QEMU makes of each case, at most 40000 in one call (the program's buffer). */
export function runInQemu(cases: readonly Case[], cpu: string): QemuOutcome[] {
  const folder = mkdtempSync(join(tmpdir(), 'virtrace-simd-'));
  try {
    const elf = join(folder, 'runner.elf');
    const source = fileURLToPath(new URL('runner.S', import.meta.url));
    execFileSync(GCC, [
      '-nostdlib',
      '-static',
      '-Wl,-Ttext=0x40200000',
      '-Wl,--build-id=none',
      '-o',
      elf,
      source,
    ]);
    const input = new DataView(new ArrayBuffer(cases.length * RECORD));
    cases.forEach((c, i) => {
      const at = i * RECORD;
      input.setUint32(at, c.word, true);
      input.setUint32(at + 4, c.fpsr, true);
      c.x.forEach((value, r) => {
        input.setBigUint64(at + AT_X + 8 * r, value, true);
      });
      c.v.forEach((value, r) => {
        input.setBigUint64(at + AT_V + 16 * r, value & 0xffff_ffff_ffff_ffffn, true);
        input.setBigUint64(at + AT_V + 16 * r + 8, value >> 64n, true);
      });
    });
    writeFileSync(join(folder, 'in'), new Uint8Array(input.buffer));
    const options = ['-M', 'virt', '-cpu', cpu, '-display', 'none', '-semihosting', '-kernel', elf];
    execFileSync(QEMU, options, { cwd: folder, timeout: 100_000 });
    const bytes = readFileSync(join(folder, 'out'));
    const out = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    return cases.map((c, i) => {
      const at = i * RECORD;
      const wide = (p: number) => out.getBigUint64(p, true) | (out.getBigUint64(p + 8, true) << 64n);
      return {
        fpsr: out.getUint32(at + 4, true),
        undefined: out.getUint32(at + 8, true) !== 0,
        x: c.x.map((_, r) => out.getBigUint64(at + AT_X + 8 * r, true)),
        v: c.v.map((_, r) => wide(at + AT_V + 16 * r)),
      };
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
