/**
 * Flattened device tree: the blob a guest is given (Devicetree Specification v0.4, chapter 5).
 *
 *   header 40 bytes | memory reservations | structure block (tokens) | strings block (property names)
 *
 * All numbers in a blob are big-endian. A blob may come from a user (`-dtb`), so decoding believes nothing:
 * every offset is checked before it is used, and the work is linear in the size of the blob.
 */

export interface FdtProperty {
  readonly name: string;
  readonly value: Uint8Array;
}

/** A node; order of properties and children is the order in the blob. The root's name is empty. */
export interface FdtNode {
  readonly name: string;
  readonly properties: FdtProperty[];
  readonly children: FdtNode[];
}

export interface FdtReservation {
  readonly address: bigint;
  readonly size: bigint;
}

export interface Fdt {
  readonly root: FdtNode;
  readonly reservations: FdtReservation[];
  /** Physical id of the boot CPU (header field boot_cpuid_phys). */
  readonly bootCpu: number;
}

/** A blob that is not a device tree. `offset` is the byte of the blob where that shows. */
export class FdtError extends Error {
  readonly offset: number;
  constructor(message: string, offset: number) {
    super(`device tree: ${message} (byte 0x${offset.toString(16)})`);
    this.name = 'FdtError';
    this.offset = offset;
  }
}

export const FDT_MAGIC = 0xd00dfeed;
const FDT_BEGIN_NODE = 1;
const FDT_END_NODE = 2;
const FDT_PROP = 3;
const FDT_NOP = 4;
const FDT_END = 9;
const HEADER_SIZE = 40;
const VERSION = 17;
const LAST_COMPATIBLE = 16;
/** Deeper than any real tree (the specification has no limit); keeps recursion over the result safe. */
const MAX_DEPTH = 64;
/**
 * The specification allows 31 characters. Without a limit a small blob could name one long string from
 * thousands of properties and so cost gigabytes.
 */
const MAX_NAME = 255;

/* --- Values ------------------------------------------------------------------------------------------ */

/** 32-bit cells. */
export function cells(...values: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(values.length * 4);
  const view = new DataView(bytes.buffer);
  values.forEach((value, index) => {
    view.setUint32(index * 4, value);
  });
  return bytes;
}

/** A number below 2^53 as two cells, high then low. */
export function pair(value: number): [number, number] {
  return [Math.floor(value / 0x1_0000_0000), value % 0x1_0000_0000];
}

/** One or more NUL-terminated strings, UTF-8. */
export function strings(...values: readonly string[]): Uint8Array {
  return encodeUtf8(values.map((value) => `${value}\0`).join(''));
}

/** The value of a property that is true by being there. */
export const empty = new Uint8Array(0);

/** The value as 32-bit cells, or undefined if its length is no multiple of four. */
export function asCells(value: Uint8Array): number[] | undefined {
  if (value.length % 4 !== 0) return undefined;
  const view = new DataView(value.buffer, value.byteOffset, value.length);
  return Array.from({ length: value.length / 4 }, (_, index) => view.getUint32(index * 4));
}

/** The value as NUL-terminated strings, or undefined if it is no list of printable, non-empty ones. */
export function asStrings(value: Uint8Array): string[] | undefined {
  if (value.length === 0 || value[value.length - 1] !== 0) return undefined;
  const parts: string[] = [];
  let text = '';
  for (const byte of value) {
    if (byte === 0) {
      if (text === '') return undefined;
      parts.push(text);
      text = '';
    } else if (byte >= 0x20 && byte < 0x7f) {
      text += String.fromCharCode(byte);
    } else {
      return undefined;
    }
  }
  return parts;
}

/* --- Looking and changing ---------------------------------------------------------------------------- */

/** The node at a full path such as `/cpus/cpu@0`, or undefined. */
export function findNode(root: FdtNode, path: string): FdtNode | undefined {
  let node: FdtNode | undefined = root;
  for (const part of path.split('/')) {
    if (part !== '') node = node?.children.find((child) => child.name === part);
  }
  return node;
}

export function findProperty(node: FdtNode, name: string): Uint8Array | undefined {
  return node.properties.find((property) => property.name === name)?.value;
}

/** Replaces a property in place; a new one goes before the others, where libfdt puts it too. */
export function setProperty(node: FdtNode, name: string, value: Uint8Array): void {
  const index = node.properties.findIndex((property) => property.name === name);
  if (index >= 0) node.properties[index] = { name, value };
  else node.properties.unshift({ name, value });
}

/* --- Encoding ---------------------------------------------------------------------------------------- */

/**
 * The blob of a tree.
 * @param totalSize pads the blob with zeros to this many bytes (the header says so too); throws a
 *   RangeError when the tree is larger. Without it the blob is as small as it can be.
 */
export function encodeFdt(tree: Fdt, totalSize?: number): Uint8Array {
  const out = new Writer();
  const names = new Map<string, number>();
  const stringsBlock = new Writer();
  const nameOffset = (name: string): number => {
    let offset = names.get(name);
    if (offset === undefined) {
      offset = stringsBlock.length;
      names.set(name, offset);
      stringsBlock.bytes(encodeUtf8(`${name}\0`));
    }
    return offset;
  };
  for (let i = 0; i < HEADER_SIZE / 4; i++) out.u32(0);
  const reservationsAt = out.length;
  for (const { address, size } of [...tree.reservations, { address: 0n, size: 0n }]) {
    out.u64(address);
    out.u64(size);
  }
  const structAt = out.length;
  const writeNode = (node: FdtNode): void => {
    out.u32(FDT_BEGIN_NODE);
    out.bytes(encodeUtf8(`${node.name}\0`));
    out.align4();
    for (const { name, value } of node.properties) {
      out.u32(FDT_PROP);
      out.u32(value.length);
      out.u32(nameOffset(name));
      out.bytes(value);
      out.align4();
    }
    for (const child of node.children) writeNode(child);
    out.u32(FDT_END_NODE);
  };
  writeNode(tree.root);
  out.u32(FDT_END);
  const structSize = out.length - structAt;
  const stringsAt = out.length;
  out.bytes(stringsBlock.take());
  const used = out.length;
  const total = totalSize ?? used;
  if (used > total) throw new RangeError(`device tree of ${used} bytes does not fit into ${total} bytes`);
  const blob = new Uint8Array(total);
  blob.set(out.take());
  const header = new DataView(blob.buffer);
  const fields = [
    FDT_MAGIC,
    total,
    structAt,
    stringsAt,
    reservationsAt,
    VERSION,
    LAST_COMPATIBLE,
    tree.bootCpu,
    stringsBlock.length,
    structSize,
  ];
  fields.forEach((field, index) => {
    header.setUint32(index * 4, field);
  });
  return blob;
}

/** A growing byte buffer, big-endian. */
class Writer {
  length = 0;
  private buffer = new Uint8Array(4096);

  private reserve(count: number): void {
    if (this.length + count <= this.buffer.length) return;
    const larger = new Uint8Array(Math.max(this.buffer.length * 2, this.length + count));
    larger.set(this.buffer.subarray(0, this.length));
    this.buffer = larger;
  }

  u32(value: number): void {
    this.reserve(4);
    new DataView(this.buffer.buffer).setUint32(this.length, value);
    this.length += 4;
  }

  u64(value: bigint): void {
    this.reserve(8);
    new DataView(this.buffer.buffer).setBigUint64(this.length, value);
    this.length += 8;
  }

  bytes(value: Uint8Array): void {
    this.reserve(value.length);
    this.buffer.set(value, this.length);
    this.length += value.length;
  }

  align4(): void {
    const padding = -this.length & 3;
    this.reserve(padding);
    this.length += padding;
  }

  take(): Uint8Array {
    return this.buffer.subarray(0, this.length);
  }
}

/* --- Decoding ---------------------------------------------------------------------------------------- */

/**
 * Reads a blob. Bytes after the header's total size are ignored. NOP tokens disappear.
 * @throws FdtError on anything that is not a well-formed tree of version 16 or 17.
 */
export function decodeFdt(blob: Uint8Array): Fdt {
  const view = new DataView(blob.buffer, blob.byteOffset, blob.byteLength);
  if (blob.length < HEADER_SIZE)
    throw new FdtError(`${blob.length} bytes are too few for a header`, blob.length);
  const magic = view.getUint32(0);
  if (magic !== FDT_MAGIC) throw new FdtError(`no magic number 0xd00dfeed but 0x${magic.toString(16)}`, 0);
  const total = view.getUint32(4);
  if (total < HEADER_SIZE || total > blob.length) {
    throw new FdtError(`the header says ${total} bytes, there are ${blob.length}`, 4);
  }
  const version = view.getUint32(20);
  const lastCompatible = view.getUint32(24);
  if (version < 16 || lastCompatible > VERSION) {
    throw new FdtError(`version ${version} (compatible back to ${lastCompatible}), known are 16 and 17`, 20);
  }
  const block = (what: string, at: number, size: number): void => {
    if (at > total || size > total - at) {
      throw new FdtError(`the ${what} (0x${at.toString(16)} + ${size} bytes) leaves the blob`, at);
    }
  };
  const structAt = view.getUint32(8);
  const stringsAt = view.getUint32(12);
  const stringsSize = view.getUint32(32);
  // Version 16 does not give the size of the structure block: FDT_END ends it.
  const structSize = version >= 17 ? view.getUint32(36) : Math.max(0, total - structAt);
  block('structure block', structAt, structSize);
  block('strings block', stringsAt, stringsSize);
  if (structAt % 4 !== 0) throw new FdtError('the structure block is not 4-byte aligned', 8);
  return {
    root: decodeStructure(blob, view, structAt, structAt + structSize, stringsAt, stringsAt + stringsSize),
    reservations: decodeReservations(view, total),
    bootCpu: view.getUint32(28),
  };
}

function decodeReservations(view: DataView, total: number): FdtReservation[] {
  const reservations: FdtReservation[] = [];
  for (let at = view.getUint32(16); ; at += 16) {
    if (at + 16 > total) throw new FdtError('the memory reservations have no end', at);
    const address = view.getBigUint64(at);
    const size = view.getBigUint64(at + 8);
    if (address === 0n && size === 0n) return reservations;
    reservations.push({ address, size });
  }
}

function decodeStructure(
  blob: Uint8Array,
  view: DataView,
  start: number,
  end: number,
  stringsAt: number,
  stringsEnd: number,
): FdtNode {
  let at = start;
  const stack: FdtNode[] = [];
  let root: FdtNode | undefined;
  const u32 = (what: string): number => {
    if (at + 4 > end) throw new FdtError(`the structure block ends before ${what}`, at);
    const value = view.getUint32(at);
    at += 4;
    return value;
  };
  for (;;) {
    const tokenAt = at;
    const token = u32('a token');
    const open = stack[stack.length - 1];
    switch (token) {
      case FDT_NOP:
        break;
      case FDT_BEGIN_NODE: {
        if (root !== undefined && open === undefined) throw new FdtError('a second root node', tokenAt);
        if (stack.length >= MAX_DEPTH)
          throw new FdtError(`nodes are nested deeper than ${MAX_DEPTH}`, tokenAt);
        const name = readName(blob, at, end, 'node name');
        at += (name.size + 4) & ~3;
        const node: FdtNode = { name: name.text, properties: [], children: [] };
        if (open === undefined) root = node;
        else open.children.push(node);
        stack.push(node);
        break;
      }
      case FDT_END_NODE:
        if (stack.pop() === undefined) throw new FdtError('a node ends that never began', tokenAt);
        break;
      case FDT_PROP: {
        if (open === undefined) throw new FdtError('a property outside every node', tokenAt);
        if (open.children.length > 0) throw new FdtError('a property after a child node', tokenAt);
        const length = u32('the length of a property');
        const nameAt = u32('the name of a property');
        if (length > end - at) throw new FdtError(`a property of ${length} bytes leaves the block`, tokenAt);
        if (nameAt >= stringsEnd - stringsAt)
          throw new FdtError('a property name leaves the strings block', tokenAt);
        const name = readName(blob, stringsAt + nameAt, stringsEnd, 'property name');
        open.properties.push({ name: name.text, value: blob.slice(at, at + length) });
        at += (length + 3) & ~3;
        break;
      }
      case FDT_END:
        if (open !== undefined) throw new FdtError(`node '${open.name}' does not end`, tokenAt);
        if (root === undefined) throw new FdtError('no root node', tokenAt);
        return root;
      default:
        throw new FdtError(`unknown token 0x${token.toString(16)}`, tokenAt);
    }
  }
}

/** A NUL-terminated name; `size` is its length in bytes without the NUL. */
function readName(blob: Uint8Array, at: number, end: number, what: string): { text: string; size: number } {
  let stop = at;
  let text = '';
  for (; ; stop++) {
    if (stop >= end) throw new FdtError(`a ${what} has no end`, at);
    const byte = blob[stop]!;
    if (byte === 0) return { text, size: stop - at };
    if (byte < 0x20 || byte >= 0x7f) throw new FdtError(`a ${what} holds byte 0x${byte.toString(16)}`, stop);
    if (stop - at >= MAX_NAME) throw new FdtError(`a ${what} is longer than ${MAX_NAME} characters`, at);
    text += String.fromCharCode(byte);
  }
}

/** UTF-8 without TextEncoder, which is a host object; lone surrogates become U+FFFD as it does. */
export function encodeUtf8(text: string): Uint8Array {
  const out: number[] = [];
  for (const character of text) {
    let code = character.codePointAt(0)!;
    if (code >= 0xd800 && code <= 0xdfff) code = 0xfffd;
    if (code < 0x80) out.push(code);
    else if (code < 0x800) out.push(0xc0 | (code >> 6), 0x80 | (code & 63));
    else if (code < 0x10000) out.push(0xe0 | (code >> 12), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63));
    else
      out.push(
        0xf0 | (code >> 18),
        0x80 | ((code >> 12) & 63),
        0x80 | ((code >> 6) & 63),
        0x80 | (code & 63),
      );
  }
  return Uint8Array.from(out);
}
