import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from 'node:child_process';

/** Whether QEMU is there to compare with. Tests that need it are skipped otherwise. */
export const haveQemu = spawnSync('qemu-system-aarch64', ['--version']).status === 0;

/**
 * QEMU's virt board with accesses made through its qtest port. It is stopped before its first instruction, and
 * virtual time stands still; unless `running`: then the CPU spins at the beginning of RAM, and each of its
 * instructions takes about a microsecond of virtual time, so that timers of devices expire.
 */
export class Qemu {
  readonly #child: ChildProcessWithoutNullStreams;
  #rest = '';
  #waiting: ((line: string) => void)[] = [];

  constructor(args: readonly string[] = [], running = false) {
    const machine = [
      '-M',
      'virt',
      '-cpu',
      'cortex-a57',
      '-m',
      '128',
      ...(running ? spinning : ['-S']),
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

/** B . at 0x40000000, and the first CPU there. */
const spinning = [
  ...['-icount', 'shift=10,sleep=off'],
  ...['-device', 'loader,addr=0x40000000,data=0x14000000,data-len=4'],
  ...['-device', 'loader,addr=0x40000000,cpu-num=0'],
];

const letters = { 1: 'b', 2: 'w', 4: 'l', 8: 'q' } as const;
