/**
 * A folder of the host as the machine sees it: questions that are answered with bytes. In record mode the host
 * answers and the answer is logged under the name of the question; in replay it comes from the log.
 */
import { ERRNO, FieldReader, FieldWriter, HEADER_BYTES, P9Error } from './messages.ts';

/** A path is names with `/` between, without one at either end; empty: the shared folder itself. */
export type FolderQuestion =
  | { readonly what: 'stat' | 'list' | 'link' | 'statfs'; readonly path: Uint8Array }
  | { readonly what: 'read'; readonly path: Uint8Array; readonly offset: number; readonly count: number };

/**
 * An error number (u32, 0: none), then what was asked for: see `encode...` below. Whoever answers follows no symbolic
 * link.
 */
export type FolderPort = (question: FolderQuestion) => Uint8Array;

export interface FileStatus {
  /** Kind and permissions, as Linux numbers them. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly links: number;
  readonly device: bigint;
  readonly size: bigint;
  readonly blockSize: number;
  /** Of 512 bytes. */
  readonly blocks: bigint;
  /** Access, modification, change: seconds since 1970, and ns. */
  readonly times: readonly (readonly [bigint, number])[];
}

export interface FolderEntry {
  readonly name: Uint8Array;
  /** As directories have it (DT_DIR, ...). */
  readonly type: number;
}

export interface FileSystemStatus {
  readonly type: number;
  readonly blockSize: number;
  readonly blocks: bigint;
  readonly free: bigint;
  readonly available: bigint;
  readonly files: bigint;
  readonly filesFree: bigint;
}

const NAME_SHOWN = 240;

/** What a question is about, in words, as a trace keeps it beside the answer. */
export function questionText(question: FolderQuestion): string {
  let path = '/';
  for (const byte of question.path) {
    const isPlain = byte > 0x20 && byte < 0x7f && byte !== 0x5c;
    path += isPlain ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, '0')}`;
    // Longer ones are told apart by the position of the answer.
    if (path.length > NAME_SHOWN) break;
  }
  return question.what === 'read' ? `${path} from ${question.offset}, ${question.count} bytes` : path;
}

/** An answer with nothing but an error number. */
export function folderError(errno: number): Uint8Array {
  return answer((to) => to.u32(errno));
}

export function answerBytes(bytes: Uint8Array): Uint8Array {
  return answer((to) => to.u32(0).bytes(bytes));
}

export function answerStatus(status: FileStatus): Uint8Array {
  return answer((to) => {
    to.u32(0).u32(status.mode).u32(status.uid).u32(status.gid).u32(status.links).u64(status.device);
    to.u64(status.size).u32(status.blockSize).u64(status.blocks);
    for (const [seconds, ns] of status.times) to.u64(seconds).u32(ns);
  });
}

/** The host sorts them by the bytes of their names. */
export function answerList(entries: readonly FolderEntry[]): Uint8Array {
  return answer((to) => {
    to.u32(0);
    for (const { name, type } of entries) to.u8(type).text(name);
  });
}

export function answerFileSystem(status: FileSystemStatus): Uint8Array {
  return answer((to) => {
    to.u32(0).u32(status.type).u32(status.blockSize).u64(status.blocks).u64(status.free);
    to.u64(status.available).u64(status.files).u64(status.filesFree);
  });
}

function answer(write: (to: FieldWriter) => void): Uint8Array {
  const to = new FieldWriter();
  write(to);
  return to.finish(0, 0).slice(HEADER_BYTES);
}

/** What is behind the error number. @throws P9Error if there is one, or the answer (of a damaged trace) is none */
function payload(bytes: Uint8Array): FieldReader {
  const reader = new FieldReader(bytes);
  const errno = reader.left < 4 ? ERRNO.EIO : reader.u32();
  if (errno !== 0) throw new P9Error(errno & 0xfff || ERRNO.EIO);
  return reader;
}

/** @throws P9Error */
export function readBytes(bytes: Uint8Array): Uint8Array {
  const from = payload(bytes);
  return from.bytes(from.left);
}

/** @throws P9Error */
export function readStatus(bytes: Uint8Array): FileStatus {
  const from = payload(bytes);
  return {
    mode: from.u32(),
    uid: from.u32(),
    gid: from.u32(),
    links: from.u32(),
    device: from.u64(),
    size: from.u64(),
    blockSize: from.u32(),
    blocks: from.u64(),
    times: [0, 1, 2].map(() => [from.u64(), from.u32()] as const),
  };
}

/** @throws P9Error */
export function readList(bytes: Uint8Array): FolderEntry[] {
  const from = payload(bytes);
  const entries: FolderEntry[] = [];
  while (from.left > 0) {
    const type = from.u8();
    entries.push({ type, name: from.text() });
  }
  return entries;
}

/** @throws P9Error */
export function readFileSystem(bytes: Uint8Array): FileSystemStatus {
  const from = payload(bytes);
  return {
    type: from.u32(),
    blockSize: from.u32(),
    blocks: from.u64(),
    free: from.u64(),
    available: from.u64(),
    files: from.u64(),
    filesFree: from.u64(),
  };
}
