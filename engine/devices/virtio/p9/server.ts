import type { DeviceState, StateValue } from '../../../base/device.ts';
import { hashBytes } from '../../../base/state-hash.ts';
import {
  type FileStatus,
  type FolderPort,
  type FolderQuestion,
  readBytes,
  readFileSystem,
  readList,
  readStatus,
} from './folder.ts';
import {
  ERRNO,
  FieldReader,
  FieldWriter,
  HEADER_BYTES,
  P9,
  P9Error,
  QID,
  QID_BYTES,
  type Qid,
  RLERROR,
} from './messages.ts';

const VERSION = '9P2000.L';
/** QEMU: smaller ones are refused. */
const MSIZE_LEAST = 4096;
const MSIZE_BEFORE = 8192;
/** Room that a read leaves for what is around its data (Linux). */
const IO_HEADER = 24;
/** Bytes of a file in one answer. */
const READ_MAX = 1024 * 1024;
const WALK_MAX = 16;
const PATH_MAX = 4096;
const NAME_MAX = 255;
const FIDS_MAX = 65_536;
/** Bytes that the listings of all open directories take together. */
const LISTINGS_MAX = 64 * 1024 * 1024;

/** Of Linux: kinds of a mode, flags of an open. */
const S_IFMT = 0o170000;
const S_IFDIR = 0o040000;
const S_IFREG = 0o100000;
const S_IFLNK = 0o120000;
const O_ACCMODE = 3;
const O_TRUNC = 0o1000;
/** What GETATTR answers: the basic ones (Linux: P9_STATS_BASIC). */
const STATS_BASIC = 0x7ff;
const LOCK_SUCCESS = 0;
const LOCK_BLOCK = 1;
const F_UNLCK = 2;
const DT_DIR = 4;
const STATFS_NAME_MAX = 255;

/** Requests that would change something; the folder is read-only. */
const CHANGES: ReadonlySet<number> = new Set([
  P9.LCREATE,
  P9.SYMLINK,
  P9.MKNOD,
  P9.RENAME,
  P9.SETATTR,
  P9.XATTRCREATE,
  P9.LINK,
  P9.MKDIR,
  P9.RENAMEAT,
  P9.UNLINKAT,
  P9.WRITE,
  P9.REMOVE,
]);

type Fid = {
  /** Names with `/` between; empty: the root. */
  readonly path: Uint8Array;
  readonly kind: 'none' | 'file' | 'directory';
  /** Of a directory that is being read: what it held when the reading began, as the host gave it. */
  readonly listing?: Uint8Array;
};

/** A file server that speaks 9P2000.L about a read-only folder. All that it remembers are the guest's fids. */
export class P9Server {
  readonly #ask: FolderPort;
  #msize = MSIZE_BEFORE;
  #fids = new Map<number, Fid>();
  #listings = 0;

  constructor(ask: FolderPort) {
    this.#ask = ask;
  }

  /** Longest message, in bytes. */
  get msize(): number {
    return this.#msize;
  }

  reset(): void {
    this.#msize = MSIZE_BEFORE;
    this.#fids.clear();
    this.#listings = 0;
  }

  save(): DeviceState {
    const fids = [...this.#fids].sort(([a], [b]) => a - b);
    return {
      msize: this.#msize,
      fids: fids.map(
        ([number, { path, kind, listing }]): StateValue => [
          number,
          path.slice(),
          kind,
          listing?.slice() ?? null,
        ],
      ),
    };
  }

  load(state: DeviceState): void {
    this.#msize = Number(state.msize);
    this.#fids = new Map(
      (state.fids as [number, Uint8Array, Fid['kind'], Uint8Array | null][]).map(
        ([number, path, kind, listing]) => [
          number,
          { path: path.slice(), kind, ...(listing === null ? {} : { listing: listing.slice() }) },
        ],
      ),
    );
    this.#listings = [...this.#fids.values()].reduce((sum, { listing }) => sum + (listing?.length ?? 0), 0);
  }

  /**
   * The answer to a request; never throws.
   * @param room bytes the guest has for the answer
   */
  answer(request: Uint8Array, room: number): Uint8Array {
    const type = request[4]!;
    const tag = request[5]! | (request[6]! << 8);
    try {
      const to = new FieldWriter();
      this.#handle(type, new FieldReader(request, HEADER_BYTES), to, Math.min(room, this.#msize));
      if (to.length > room) throw new P9Error(ERRNO.EMSGSIZE);
      return to.finish(type + 1, tag);
    } catch (error) {
      if (!(error instanceof P9Error)) throw error;
      return new FieldWriter().u32(error.errno).finish(RLERROR, tag);
    }
  }

  #handle(type: number, from: FieldReader, to: FieldWriter, room: number): void {
    switch (type) {
      case P9.VERSION:
        return this.#version(from, to);
      case P9.ATTACH:
        return this.#attach(from, to);
      case P9.FLUSH:
        // Every request is done when its answer is there: there is nothing to give up.
        from.u16();
        return;
      case P9.WALK:
        return this.#walk(from, to);
      case P9.GETATTR:
        return this.#getattr(from, to);
      case P9.STATFS:
        return this.#statfs(from, to);
      case P9.LOPEN:
        return this.#open(from, to);
      case P9.READ:
        return this.#read(from, to, room);
      case P9.READDIR:
        return this.#readdir(from, to, room);
      case P9.READLINK:
        to.text(this.#links(this.#fid(from.u32()).path));
        return;
      case P9.CLUNK:
        return this.#clunk(from.u32());
      case P9.FSYNC:
        this.#fid(from.u32());
        return;
      case P9.LOCK: {
        this.#fid(from.u32());
        from.u8();
        if ((from.u32() & ~LOCK_BLOCK) !== 0) throw new P9Error(ERRNO.EINVAL);
        // Nobody else can have a lock.
        to.u8(LOCK_SUCCESS);
        return;
      }
      case P9.GETLOCK: {
        this.#fid(from.u32());
        from.u8();
        to.u8(F_UNLCK).u64(from.u64()).u64(from.u64()).u32(from.u32()).text(from.text());
        return;
      }
      default:
        // Extended attributes among them.
        throw new P9Error(CHANGES.has(type) ? ERRNO.EROFS : ERRNO.EOPNOTSUPP);
    }
  }

  #version(from: FieldReader, to: FieldWriter): void {
    const msize = from.u32();
    const version = new TextDecoder().decode(from.text());
    this.reset();
    if (version !== VERSION) {
      to.u32(msize).text(new TextEncoder().encode('unknown'));
      return;
    }
    if (msize < MSIZE_LEAST) throw new P9Error(ERRNO.EMSGSIZE);
    this.#msize = msize;
    to.u32(msize).text(new TextEncoder().encode(VERSION));
  }

  #attach(from: FieldReader, to: FieldWriter): void {
    const fid = from.u32();
    from.u32();
    from.text();
    from.text();
    const path = new Uint8Array(0);
    this.#add(fid, path);
    try {
      to.qid(qidOf(path, this.#status(path)));
    } catch (error) {
      this.#fids.delete(fid);
      throw error;
    }
  }

  #walk(from: FieldReader, to: FieldWriter): void {
    const number = from.u32();
    const target = from.u32();
    const count = from.u16();
    if (count > WALK_MAX) throw new P9Error(ERRNO.EINVAL);
    const names = Array.from({ length: count }, () => from.text());
    const fid = this.#fid(number);
    let { path } = fid;
    const qids: Qid[] = [];
    for (const name of names) {
      try {
        path = step(path, name);
        qids.push(qidOf(path, this.#status(path)));
      } catch (error) {
        // As far as it went; only a first step that fails is an error (walk(5)).
        if (!(error instanceof P9Error) || qids.length === 0) throw error;
        break;
      }
    }
    if (qids.length === names.length) {
      if (number === target && fid.kind !== 'none') throw new P9Error(ERRNO.EINVAL);
      if (number !== target) this.#add(target, path);
      else this.#fids.set(number, { path, kind: 'none' });
    }
    to.u16(qids.length);
    for (const qid of qids) to.qid(qid);
  }

  #getattr(from: FieldReader, to: FieldWriter): void {
    const { path } = this.#fid(from.u32());
    from.u64();
    const status = this.#status(path);
    to.u64(STATS_BASIC).qid(qidOf(path, status)).u32(status.mode).u32(status.uid).u32(status.gid);
    to.u64(status.links).u64(status.device).u64(status.size).u64(this.#ioUnit(status)).u64(status.blocks);
    for (const [seconds, ns] of status.times) to.u64(seconds).u64(ns);
    // Birth, generation and data version are not among the basic ones.
    to.u64(0).u64(0).u64(0).u64(0);
  }

  #statfs(from: FieldReader, to: FieldWriter): void {
    const { path } = this.#fid(from.u32());
    const status = readFileSystem(this.#ask({ what: 'statfs', path }));
    to.u32(status.type).u32(status.blockSize).u64(status.blocks).u64(status.free).u64(status.available);
    to.u64(status.files).u64(status.filesFree).u64(0).u32(STATFS_NAME_MAX);
  }

  #open(from: FieldReader, to: FieldWriter): void {
    const number = from.u32();
    const fid = this.#fid(number);
    const flags = from.u32();
    if (fid.kind !== 'none') throw new P9Error(ERRNO.EINVAL);
    const { path } = fid;
    const status = this.#status(path);
    const type = status.mode & S_IFMT;
    if (type === S_IFDIR) {
      this.#fids.set(number, { path, kind: 'directory' });
      to.qid(qidOf(path, status)).u32(0);
      return;
    }
    if ((flags & O_ACCMODE) !== 0 || (flags & O_TRUNC) !== 0) throw new P9Error(ERRNO.EROFS);
    if (type !== S_IFREG) throw new P9Error(type === S_IFLNK ? ERRNO.ELOOP : ERRNO.ENXIO);
    // Whether the host may read it shows now, as with any open.
    readBytes(this.#ask({ what: 'read', path, offset: 0, count: 0 }));
    this.#fids.set(number, { path, kind: 'file' });
    to.qid(qidOf(path, status)).u32(this.#ioUnit(status));
  }

  #read(from: FieldReader, to: FieldWriter, room: number): void {
    const fid = this.#fid(from.u32(), ERRNO.EINVAL);
    const offset = from.u64();
    const wanted = from.u32();
    if (fid.kind === 'directory') throw new P9Error(ERRNO.EOPNOTSUPP);
    if (fid.kind !== 'file' || offset > BigInt(Number.MAX_SAFE_INTEGER)) throw new P9Error(ERRNO.EINVAL);
    const count = Math.min(wanted, READ_MAX, Math.max(0, room - HEADER_BYTES - 4));
    const question: FolderQuestion = { what: 'read', path: fid.path, offset: Number(offset), count };
    const bytes = count === 0 ? new Uint8Array(0) : readBytes(this.#ask(question)).subarray(0, count);
    to.u32(bytes.length).bytes(bytes);
  }

  /** Names come in the order of their bytes, behind `.` and `..`; an offset counts them. */
  #readdir(from: FieldReader, to: FieldWriter, room: number): void {
    const number = from.u32();
    const fid = this.#fid(number, ERRNO.EINVAL);
    const offset = from.u64();
    const wanted = from.u32();
    if (fid.kind !== 'directory') throw new P9Error(ERRNO.ENOTDIR);
    const { path } = fid;
    const listing = offset === 0n || fid.listing === undefined ? this.#list(number, fid) : fid.listing;
    const text = (name: string): Uint8Array => new TextEncoder().encode(name);
    const entries = [
      { name: text('.'), type: DT_DIR },
      { name: text('..'), type: DT_DIR },
      ...readList(listing),
    ];
    const out = new FieldWriter();
    const limit = Math.min(wanted, room - HEADER_BYTES - 4) + HEADER_BYTES;
    for (let n = offset > 0xffff_ffffn ? entries.length : Number(offset); n < entries.length; n++) {
      const entry = entries[n]!;
      if (out.length + QID_BYTES + 8 + 1 + 2 + entry.name.length > limit) break;
      const place = n === 0 ? path : n === 1 ? parentOf(path) : join(path, entry.name);
      out.qid({ type: entry.type === DT_DIR ? QID.DIR : 0, version: 0, path: idOf(place) });
      out
        .u64(n + 1)
        .u8(entry.type)
        .text(entry.name);
    }
    const bytes = out.finish(0, 0).subarray(HEADER_BYTES);
    to.u32(bytes.length).bytes(bytes);
  }

  #list(number: number, { path, kind, listing: before }: Fid): Uint8Array {
    const listing = this.#ask({ what: 'list', path });
    readList(listing);
    const grown = this.#listings - (before?.length ?? 0) + listing.length;
    if (grown > LISTINGS_MAX) throw new P9Error(ERRNO.ENOMEM);
    this.#listings = grown;
    this.#fids.set(number, { path, kind, listing });
    return listing;
  }

  #clunk(number: number): void {
    this.#listings -= this.#fid(number).listing?.length ?? 0;
    this.#fids.delete(number);
  }

  #links(path: Uint8Array): Uint8Array {
    const target = readBytes(this.#ask({ what: 'link', path }));
    if (target.length > 0xffff) throw new P9Error(ERRNO.ENAMETOOLONG);
    return target;
  }

  #status(path: Uint8Array): FileStatus {
    return readStatus(this.#ask({ what: 'stat', path }));
  }

  /** @param errno of the answer if there is none (QEMU has two) */
  #fid(number: number, errno: number = ERRNO.ENOENT): Fid {
    const fid = this.#fids.get(number);
    if (fid === undefined) throw new P9Error(errno);
    return fid;
  }

  #add(number: number, path: Uint8Array): void {
    if (this.#fids.has(number)) throw new P9Error(ERRNO.EINVAL);
    if (this.#fids.size >= FIDS_MAX) throw new P9Error(ERRNO.ENFILE);
    this.#fids.set(number, { path, kind: 'none' });
  }

  /** QEMU: as many of the host's blocks as a message has room for. */
  #ioUnit({ blockSize }: FileStatus): number {
    const room = this.#msize - IO_HEADER;
    const whole = blockSize > 0 ? room - (room % blockSize) : 0;
    return whole > 0 ? whole : room;
  }
}

const SLASH = 0x2f;

/** The path of a name below another one. `..` of the root is the root, so nothing leads out. */
function step(path: Uint8Array, name: Uint8Array): Uint8Array {
  const isDots = name.every((byte) => byte === 0x2e) && name.length <= 2;
  if (name.length === 0 || name.includes(SLASH) || name.includes(0)) throw new P9Error(ERRNO.ENOENT);
  if (isDots) return name.length === 1 ? path : parentOf(path);
  if (name.length > NAME_MAX || path.length + 1 + name.length > PATH_MAX)
    throw new P9Error(ERRNO.ENAMETOOLONG);
  return join(path, name);
}

function join(path: Uint8Array, name: Uint8Array): Uint8Array {
  return path.length === 0 ? name : Uint8Array.of(...path, SLASH, ...name);
}

function parentOf(path: Uint8Array): Uint8Array {
  return path.slice(0, Math.max(0, path.lastIndexOf(SLASH)));
}

/**
 * DETERMINISM: what a file is told apart by follows from its path, not from the host's number for it, so that two copies
 * of a folder look the same.
 */
function idOf(path: Uint8Array): bigint {
  return BigInt(`0x${hashBytes(path)}`);
}

function qidOf(path: Uint8Array, { mode, size, times }: FileStatus): Qid {
  const type = mode & S_IFMT;
  // QEMU: time of modification and size.
  const version = Number(BigInt.asUintN(32, (times[1]?.[0] ?? 0n) ^ (size << 8n)));
  return {
    type: type === S_IFDIR ? QID.DIR : type === S_IFLNK ? QID.SYMLINK : QID.FILE,
    version,
    path: idOf(path),
  };
}
