/** Files of the host, with errors that name the option and say in words what is the matter. */
import { closeSync, fstatSync, openSync, readFileSync, readSync, statSync, writeSync } from 'node:fs';
import { OptionError } from '../../engine/boards/option-error.ts';
import type { ImageSource, SyncByteSource, TraceSink } from '../../traces/index.ts';

const REASONS: { readonly [code: string]: string } = {
  ENOENT: 'no such file',
  EACCES: 'permission denied',
  EPERM: 'not permitted',
  EISDIR: 'is a directory',
  ENOTDIR: 'a part of the path is no directory',
  EMFILE: 'too many open files',
  ENOSPC: 'the disk is full',
  EDQUOT: 'the disk quota is used up',
  EROFS: 'the file system is read-only',
  EFBIG: 'the file would be too large',
  EIO: 'input/output error',
  ENAMETOOLONG: 'the name is too long',
  ELOOP: 'too many symbolic links',
};

/** A system error in words. */
export function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return (code === undefined ? undefined : REASONS[code]) ?? message ?? String(error);
}

function refuse(option: string, path: string, error: unknown): never {
  throw new OptionError(`${option} ${path}: ${reasonOf(error)}`);
}

/** A whole file. @throws OptionError */
export function readImage(option: string, path: string): ImageSource {
  try {
    if (statSync(path).isDirectory()) throw Object.assign(new Error(), { code: 'EISDIR' });
    const { buffer, byteOffset, length } = readFileSync(path);
    const bytes = new Uint8Array(buffer, byteOffset, length);
    return {
      size: bytes.length,
      constant: true,
      read: (offset, length) => bytes.subarray(offset, offset + length),
    };
  } catch (error) {
    return refuse(option, path, error);
  }
}

/** A file that is read where it is needed. */
export interface FileSource extends ImageSource {
  /** False if its size or time has changed since it was opened: what was read may be of two minds. */
  unchanged(): boolean;
  /** Files behind the one that was opened. */
  readonly backingFiles?: readonly string[];
  close(): void;
}

/** @throws OptionError */
export function openImage(option: string, path: string): FileSource {
  let fd: number | undefined;
  try {
    fd = openSync(path, 'r');
    const file = fd;
    const { size, mtimeMs } = fstatSync(file);
    if (fstatSync(file).isDirectory()) throw Object.assign(new Error(), { code: 'EISDIR' });
    return {
      size,
      read: (offset, length) => readExactly(file, path, offset, length),
      unchanged: () => {
        const now = fstatSync(file);
        return now.size === size && now.mtimeMs === mtimeMs;
      },
      close: () => closeSync(file),
    };
  } catch (error) {
    if (fd !== undefined) closeSync(fd);
    return refuse(option, path, error);
  }
}

function readExactly(fd: number, path: string, offset: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let done = 0; done < length; ) {
    const count = readSync(fd, bytes, done, length - done, offset + done);
    if (count === 0)
      throw new Error(`${path} ends at byte ${offset + done}; it was longer when it was opened`);
    done += count;
  }
  return bytes;
}

/** A trace to be read. @throws OptionError if it cannot be opened */
export function openTraceFile(path: string): SyncByteSource & { close(): void } {
  return openImage('trace', path);
}

/** A trace being written. Errors come as Error with words, which the writer makes a TraceWriteError of. */
export class FileSink implements TraceSink {
  readonly path: string;
  readonly #fd: number;

  /** Makes the file, or empties the one that is there. @throws OptionError */
  constructor(option: string, path: string) {
    this.path = path;
    try {
      this.#fd = openSync(path, 'w');
    } catch (error) {
      refuse(option, path, error);
    }
  }

  write(bytes: Uint8Array): void {
    try {
      // A nearly full disk takes a part; the next try then says that it is full.
      for (let done = 0; done < bytes.length; ) {
        done += writeSync(this.#fd, bytes, done, bytes.length - done);
      }
    } catch (error) {
      throw new Error(reasonOf(error), { cause: error });
    }
  }

  /** False for a pipe or a device. */
  get isPlainFile(): boolean {
    return fstatSync(this.#fd).isFile();
  }

  close(): void {
    closeSync(this.#fd);
  }
}

/** Whether two paths are one existing file. */
export function sameFile(a: string, b: string): boolean {
  try {
    const first = statSync(a);
    const second = statSync(b);
    return first.dev === second.dev && first.ino === second.ino;
  } catch {
    return false;
  }
}
