import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Case, Outcome } from './machine.ts';

const RECORD = 128;
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

/** What QEMU makes of each case. At most 131072 cases in one call (the program's buffer). */
export function runInQemu(cases: readonly Case[], cpu: string): Outcome[] {
  const folder = mkdtempSync(join(tmpdir(), 'virtrace-fp-'));
  try {
    const source = fileURLToPath(new URL('qemu-fp.S', import.meta.url));
    const elf = join(folder, 'fp.elf');
    const link = ['-nostdlib', '-static', '-Wl,-Ttext=0x40200000', '-Wl,--build-id=none'];
    execFileSync(GCC, [...link, '-o', elf, source]);
    const input = new DataView(new ArrayBuffer(cases.length * RECORD));
    cases.forEach((c, i) => {
      const at = i * RECORD;
      input.setUint32(at, c.insn, true);
      input.setUint32(at + 4, c.fpcr, true);
      input.setUint32(at + 8, c.fpsr, true);
      input.setUint32(at + 12, c.nzcv, true);
      for (let k = 0; k < 8; k++) input.setBigUint64(at + 16 + 8 * k, c.v[k]!, true);
      input.setBigUint64(at + 80, c.x1, true);
      input.setBigUint64(at + 88, c.x2, true);
    });
    writeFileSync(join(folder, 'in'), new Uint8Array(input.buffer));
    const options = ['-M', 'virt', '-cpu', cpu, '-display', 'none', '-semihosting', '-kernel', elf];
    execFileSync(QEMU, options, { cwd: folder, timeout: 100_000 });
    const bytes = readFileSync(join(folder, 'out'));
    const out = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    return cases.map((_, i) => {
      const at = i * RECORD;
      return {
        fpsr: out.getUint32(at, true),
        nzcv: out.getUint32(at + 4, true),
        undefined: out.getUint32(at + 8, true) !== 0,
        v: Array.from({ length: 8 }, (_, k) => out.getBigUint64(at + 16 + 8 * k, true)),
        x0: out.getBigUint64(at + 80, true),
        x2: out.getBigUint64(at + 88, true),
      };
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
