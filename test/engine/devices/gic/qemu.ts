import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

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

/** One instruction with X1 and X2; its result is X0. */
export interface Operation {
  readonly insn: number;
  readonly x1: number;
  readonly x2: bigint;
  /** On a machine with EL3: run at EL1 instead, with this SCR_EL3.NS and .FIQ. */
  readonly atEl1: boolean;
  readonly nonSecure: boolean;
  readonly fiqToEl3: boolean;
}

export interface Result {
  readonly x0: bigint;
  readonly irq: boolean;
  readonly fiq: boolean;
  readonly outcome: 'done' | 'trap' | 'interrupted';
}

export const LDR_W = 0xb940_0020;
export const LDRB = 0x3940_0020;
export const LDR_X = 0xf940_0020;
export const STR_W = 0xb900_0022;
export const STRB = 0x3900_0022;
export const STR_X = 0xf900_0022;
/** MRS X0, <key> and MSR <key>, X2; keys as in gicv3-sysregs.ts. */
export const mrs = (key: number) => (0xd520_0000 | (key << 5)) >>> 0;
export const msr = (key: number) => (0xd500_0002 | (key << 5)) >>> 0;

/** What QEMU makes of the operations, on CPU 0, one after the other. At most 131072. */
export function runInQemu(operations: readonly Operation[], machine: string, cpus: number): Result[] {
  const folder = mkdtempSync(join(tmpdir(), 'virtrace-gic-'));
  try {
    const source = fileURLToPath(new URL('qemu-gic.S', import.meta.url));
    const elf = join(folder, 'gic.elf');
    const link = ['-nostdlib', '-static', '-Wl,-Ttext=0x40200000', '-Wl,--build-id=none'];
    execFileSync(GCC, [...link, '-o', elf, source]);
    const input = new DataView(new ArrayBuffer(operations.length * 32));
    operations.forEach((op, i) => {
      input.setUint32(i * 32, op.insn, true);
      const flags = (op.atEl1 ? 1 : 0) | (op.nonSecure ? 2 : 0) | (op.fiqToEl3 ? 4 : 0);
      input.setUint32(i * 32 + 4, flags, true);
      input.setBigUint64(i * 32 + 8, BigInt(op.x1), true);
      input.setBigUint64(i * 32 + 16, op.x2, true);
    });
    writeFileSync(join(folder, 'in'), new Uint8Array(input.buffer));
    const board = ['-M', machine, '-cpu', 'cortex-a57', '-smp', `${cpus}`, '-display', 'none'];
    const options = [...board, '-nodefaults', '-semihosting', '-kernel', elf];
    execFileSync(QEMU, options, { cwd: folder, timeout: 100_000 });
    const bytes = readFileSync(join(folder, 'out'));
    const out = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    return operations.map((_, i) => {
      const isr = out.getUint32(i * 16 + 8, true);
      const outcome = (['done', 'trap', 'interrupted'] as const)[out.getUint32(i * 16 + 12, true)]!;
      return {
        x0: out.getBigUint64(i * 16, true),
        irq: (isr & 0x80) !== 0,
        fiq: (isr & 0x40) !== 0,
        outcome,
      };
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
