import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from 'node:child_process';

/** Whether QEMU is there to compare with. Tests that need it are skipped otherwise. */
export const haveQemu = spawnSync('qemu-system-aarch64', ['--version']).status === 0;

/**
 * QEMU's virt board, stopped before its first instruction, with accesses made through its qtest port. Virtual
 * time stands still.
 */
export class Qemu {
  readonly #child: ChildProcessWithoutNullStreams;
  #rest = '';
  #waiting: ((line: string) => void)[] = [];

  constructor(args: readonly string[] = []) {
    const machine = [
      '-M',
      'virt',
      '-cpu',
      'cortex-a57',
      '-m',
      '128',
      '-S',
      '-display',
      'none',
      '-nodefaults',
    ];
    this.#child = spawn('qemu-system-aarch64', [...machine, ...args, '-qtest', 'stdio']);
    this.#child.stderr.resume();
    this.#child.stdout.setEncoding('latin1').on('data', (text: string) => {
      const lines = (this.#rest + text).split('\n');
      this.#rest = lines.pop()!;
      for (const line of lines) if (!line.startsWith('IRQ')) this.#waiting.shift()?.(line);
    });
    this.#child.on('exit', () => {
      for (const answer of this.#waiting.splice(0)) answer('FAIL qemu has ended');
    });
  }

  /** What comes after `OK`; throws if the command fails. */
  async command(text: string): Promise<string> {
    const line = await new Promise<string>((resolve) => {
      this.#waiting.push(resolve);
      this.#child.stdin.write(`${text}\n`);
    });
    if (!line.startsWith('OK')) throw new Error(`${text}: ${line}`);
    return line.slice(3).trim();
  }

  async read(address: number, size: 1 | 2 | 4 | 8): Promise<bigint> {
    return BigInt(await this.command(`read${letters[size]} 0x${address.toString(16)}`));
  }

  async write(address: number, size: 1 | 2 | 4 | 8, value: bigint): Promise<void> {
    await this.command(`write${letters[size]} 0x${address.toString(16)} 0x${value.toString(16)}`);
  }

  async readMemory(address: number, length: number): Promise<Uint8Array> {
    const hex = await this.command(`read 0x${address.toString(16)} ${length}`);
    return Uint8Array.from(Buffer.from(hex.slice(2), 'hex'));
  }

  async writeMemory(address: number, bytes: Uint8Array): Promise<void> {
    const hex = Buffer.from(bytes).toString('hex');
    await this.command(`write 0x${address.toString(16)} ${bytes.length} 0x${hex}`);
  }

  end(): void {
    this.#child.kill('SIGKILL');
  }
}

const letters = { 1: 'b', 2: 'w', 4: 'l', 8: 'q' } as const;
