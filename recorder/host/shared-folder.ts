/**
 * A folder of the host for virtio-9p, read-only. No symbolic link is followed, neither at the end of a path nor on the
 * way, so that nothing outside of the folder can be reached; a guest cannot make links, and who changes the folder on
 * the host while the guest reads it is trusted.
 */
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
  realpathSync,
  statfsSync,
  statSync,
} from 'node:fs';
import {
  answerBytes,
  answerFileSystem,
  answerList,
  answerStatus,
  type FolderQuestion,
  folderError,
} from '../../engine/devices/virtio/p9/folder.ts';
import { ERRNO } from '../../engine/devices/virtio/p9/messages.ts';
import { OptionError } from '../cli/errors.ts';
import { reasonOf } from './files.ts';

const DT = { fifo: 1, character: 2, directory: 4, block: 6, file: 8, link: 10, socket: 12 } as const;
const SLASH = Buffer.from('/');
/** Bytes of the names of one directory. */
const LIST_MAX = 32 * 1024 * 1024;
const BILLION = 1_000_000_000n;

export class SharedFolder {
  readonly #root: Buffer;

  /** @throws OptionError unless it is a folder that can be read */
  constructor(option: string, path: string) {
    try {
      if (!statSync(path).isDirectory()) throw new OptionError(`${option},path=${path}: not a folder`);
      this.#root = Buffer.from(realpathSync(path));
      readdirSync(this.#root);
    } catch (error) {
      if (error instanceof OptionError) throw error;
      throw new OptionError(`${option},path=${path}: ${reasonOf(error)}`);
    }
  }

  answer(question: FolderQuestion): Uint8Array {
    try {
      const place = this.#place(question.path);
      switch (question.what) {
        case 'stat':
          return status(place);
        case 'list':
          return list(place);
        case 'link':
          return answerBytes(readlinkSync(place, { encoding: 'buffer' }));
        case 'statfs':
          return fileSystem(place);
        case 'read':
          return read(place, question.offset, question.count);
      }
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      return folderError((code === undefined ? undefined : LINUX_ERRNO[code]) ?? ERRNO.EIO);
    }
  }

  /** Where a path is, if each step before the last is a real directory. */
  #place(path: Uint8Array): Buffer {
    if (path.length === 0) return this.#root;
    const names = splitPath(path);
    let place = this.#root;
    for (const [index, name] of names.entries()) {
      if (index > 0 && !lstatSync(place).isDirectory()) throw hostError('ENOTDIR');
      // The server hands out no such names; nothing depends on it.
      if (name.length === 0 || name.includes(0) || name.equals(DOT) || name.equals(DOTS))
        throw hostError('ENOENT');
      place = Buffer.concat([place, SLASH, name]);
    }
    return place;
  }
}

const DOT = Buffer.from('.');
const DOTS = Buffer.from('..');

function splitPath(path: Uint8Array): Buffer[] {
  const names: Buffer[] = [];
  let from = 0;
  for (let at = 0; at <= path.length; at++) {
    if (at < path.length && path[at] !== SLASH[0]) continue;
    names.push(Buffer.from(path.subarray(from, at)));
    from = at + 1;
  }
  return names;
}

function hostError(code: keyof typeof ERRNO): Error {
  return Object.assign(new Error(), { code });
}

/** The protocol has Linux's numbers on any host. */
const LINUX_ERRNO: { readonly [code: string]: number } = {
  ...ERRNO,
  EPERM: 1,
  EBADF: 9,
  EMFILE: 24,
  ESTALE: 116,
};

function status(place: Buffer): Uint8Array {
  const stats = lstatSync(place, { bigint: true });
  const time = (ns: bigint): readonly [bigint, number] => {
    const part = ((ns % BILLION) + BILLION) % BILLION;
    return [(ns - part) / BILLION, Number(part)];
  };
  return answerStatus({
    mode: Number(stats.mode),
    uid: Number(stats.uid),
    gid: Number(stats.gid),
    links: Number(BigInt.asUintN(32, stats.nlink)),
    device: stats.rdev,
    size: stats.size,
    blockSize: Number(stats.blksize),
    blocks: stats.blocks,
    times: [time(stats.atimeNs), time(stats.mtimeNs), time(stats.ctimeNs)],
  });
}

/** DETERMINISM: in the order of the names' bytes, which no file system of the host decides. */
function list(place: Buffer): Uint8Array {
  if (!lstatSync(place).isDirectory()) throw hostError('ENOTDIR');
  const entries = readdirSync(place, { encoding: 'buffer', withFileTypes: true }).map((entry) => ({
    name: entry.name as unknown as Buffer,
    type: entry.isDirectory()
      ? DT.directory
      : entry.isFile()
        ? DT.file
        : entry.isSymbolicLink()
          ? DT.link
          : entry.isFIFO()
            ? DT.fifo
            : entry.isSocket()
              ? DT.socket
              : entry.isBlockDevice()
                ? DT.block
                : entry.isCharacterDevice()
                  ? DT.character
                  : 0,
  }));
  entries.sort((a, b) => Buffer.compare(a.name, b.name));
  const bytes = entries.reduce((sum, { name }) => sum + name.length + 3, 0);
  return bytes > LIST_MAX ? folderError(ERRNO.ENOMEM) : answerList(entries);
}

function read(place: Buffer, offset: number, count: number): Uint8Array {
  // Not to wait for the other end of a pipe that took a file's place.
  const fd = openSync(place, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    if (!fstatSync(fd).isFile()) return folderError(ERRNO.ENXIO);
    const bytes = new Uint8Array(count);
    let done = 0;
    while (done < count) {
      const got = readSync(fd, bytes, done, count - done, offset + done);
      if (got === 0) break;
      done += got;
    }
    return answerBytes(bytes.subarray(0, done));
  } finally {
    closeSync(fd);
  }
}

function fileSystem(place: Buffer): Uint8Array {
  // Of the folder that a link or file is in, so as not to follow it.
  const stats = statfsSync(lstatSync(place).isSymbolicLink() ? parentOf(place) : place, { bigint: true });
  return answerFileSystem({
    type: Number(BigInt.asUintN(32, stats.type)),
    blockSize: Number(stats.bsize),
    blocks: stats.blocks,
    free: stats.bfree,
    available: stats.bavail,
    files: stats.files,
    filesFree: stats.ffree,
  });
}

function parentOf(place: Buffer): Buffer {
  return place.subarray(0, place.lastIndexOf(SLASH));
}
