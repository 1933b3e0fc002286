import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { fileURLToPath } from 'node:url';
import type { CommandIo } from '../../../recorder/cli/io.ts';
import { main } from '../../../recorder/cli/program.ts';

export const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
export const STORM = join(ROOT, 'guests/storm/storm.elf');
export const MACHINE = ['-M', 'virt,gic-version=3', '-cpu', 'cortex-a57', '-m', '128', '-nographic'];

export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs a command in this process. `stdin` stands for a file. */
export async function virtrace(args: readonly string[], stdin = ''): Promise<Ran> {
  const out: Buffer[] = [];
  let err = '';
  const pipe = new PassThrough();
  const io: CommandIo = {
    out: (text) => out.push(Buffer.from(text)),
    drained: async () => {},
    outClosed: false,
    talk: (text) => {
      err += text;
    },
    error: (message) => {
      err += `virtrace: ${message}\n`;
    },
    stdin: pipe as unknown as NodeJS.ReadStream,
    stdinFile: () => new TextEncoder().encode(stdin),
    outIsTerminal: false,
    talkIsTerminal: false,
  };
  const code = await main(args, io);
  return { code, out: Buffer.concat(out).toString('utf8'), err };
}

/** A directory that is removed when the test file is done. */
export function temporary(): { readonly path: string; file(name: string): string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), 'virtrace-'));
  return {
    path,
    file: (name) => join(path, name),
    remove: () => rmSync(path, { recursive: true, force: true }),
  };
}
