import { fstatSync, readFileSync } from 'node:fs';
import type { CommandIo } from '../cli/io.ts';

/** The process's own streams. A reader of stdout that goes away (`| head`) ends the output, not the program. */
export class ProcessIo implements CommandIo {
  readonly stdin = process.stdin;
  readonly program: URL;
  #outClosed = false;

  /** @param program what is running, for threads that run it, too */
  constructor(program: URL) {
    this.program = program;
    const closed = (error: NodeJS.ErrnoException): void => {
      if (error.code !== 'EPIPE' && error.code !== 'EIO') throw error;
    };
    process.stdout.on('error', (error: NodeJS.ErrnoException) => {
      this.#outClosed = true;
      closed(error);
    });
    process.stderr.on('error', closed);
  }

  get outIsTerminal(): boolean {
    return process.stdout.isTTY === true;
  }

  get talkIsTerminal(): boolean {
    return process.stderr.isTTY === true;
  }

  get outClosed(): boolean {
    return this.#outClosed;
  }

  stdinFile(): Uint8Array | undefined {
    try {
      return fstatSync(0).isFile() ? new Uint8Array(readFileSync(0)) : undefined;
    } catch {
      return new Uint8Array(0);
    }
  }

  out(text: string | Uint8Array): void {
    if (!this.#outClosed) process.stdout.write(text);
  }

  async drained(): Promise<void> {
    if (this.#outClosed || !process.stdout.writableNeedDrain) return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        process.stdout.off('drain', done);
        process.stdout.off('error', done);
        process.stdout.off('close', done);
        resolve();
      };
      process.stdout.on('drain', done).on('error', done).on('close', done);
    });
  }

  talk(text: string): void {
    process.stderr.write(text);
  }

  error(message: string): void {
    process.stderr.write(`virtrace: ${message}\n`);
  }

  /** Lets go of stdin, so that the process can end. */
  async finish(): Promise<void> {
    this.stdin.pause();
    await this.drained();
  }
}
