import { type ByteSource, MemorySource, type SyncByteSource, TraceError } from '../../traces/index.ts';
import type { TraceSource } from './protocol.ts';

/** Bytes asked for at once where each question has its price: neighbours come along. */
const BLOCK = 1 << 18;
const KEPT_BLOCKS = 64;

function missing(url: string, why: string): TraceError {
  return new TraceError('missing', `cannot read ${url}: ${why}`);
}

/** Blocks of a file, so that reading chunk after chunk does not cost a request each. */
class Blocks {
  readonly #kept = new Map<number, Uint8Array>();

  get(number: number): Uint8Array | undefined {
    const block = this.#kept.get(number);
    if (block !== undefined) {
      this.#kept.delete(number);
      this.#kept.set(number, block);
    }
    return block;
  }

  set(number: number, block: Uint8Array): void {
    this.#kept.set(number, block);
    if (this.#kept.size <= KEPT_BLOCKS) return;
    const oldest = this.#kept.keys().next();
    if (oldest.done !== true) this.#kept.delete(oldest.value);
  }
}

interface Piece {
  readonly from: number;
  readonly to: number;
}

/** Whole blocks that cover a range, and the range itself, cut to the file. */
function blocksOf(offset: number, length: number, size: number): Piece[] {
  const pieces: Piece[] = [];
  for (let from = Math.floor(offset / BLOCK) * BLOCK; from < offset + length; from += BLOCK) {
    pieces.push({ from, to: Math.min(size, from + BLOCK) });
  }
  return pieces;
}

function assemble(pieces: readonly Piece[], blocks: readonly Uint8Array[], offset: number, length: number) {
  const out = new Uint8Array(length);
  pieces.forEach(({ from }, i) => {
    const block = blocks[i]!;
    const start = Math.max(offset, from);
    const end = Math.min(offset + length, from + block.length);
    if (end > start) out.set(block.subarray(start - from, end - from), start - offset);
  });
  return out;
}

function rangeSize(
  response: { status: number; header: (name: string) => string | null },
  url: string,
): number {
  if (response.status !== 206 && response.status !== 200) throw missing(url, `status ${response.status}`);
  const total = /\/(\d+)$/.exec(response.header('content-range') ?? '')?.[1];
  const size = Number(total ?? response.header('content-length'));
  if (!Number.isSafeInteger(size)) throw missing(url, 'the server does not say how long it is');
  return size;
}

/** Any source, a range at a time. Throws TraceError `missing`. */
export async function openSource(source: TraceSource): Promise<ByteSource> {
  switch (source.kind) {
    case 'bytes':
      return new MemorySource(source.bytes).asAsync();
    case 'blob': {
      const { blob } = source;
      return {
        size: blob.size,
        read: async (offset, length) =>
          new Uint8Array(await blob.slice(offset, offset + length).arrayBuffer()),
      };
    }
    case 'url':
      return openUrl(source.url);
  }
}

async function openUrl(url: string): Promise<ByteSource> {
  const get = async (from: number, to: number): Promise<Response> => {
    try {
      return await fetch(url, { headers: { range: `bytes=${from}-${to - 1}` } });
    } catch (error) {
      throw missing(url, (error as Error).message);
    }
  };
  const first = await get(0, BLOCK);
  if (first.status === 416) return new MemorySource(new Uint8Array(0)).asAsync();
  const size = rangeSize({ status: first.status, header: (name) => first.headers.get(name) }, url);
  const bytes = new Uint8Array(await first.arrayBuffer());
  // A server without ranges sends all of it at once.
  if (first.status === 200) return new MemorySource(bytes).asAsync();
  const blocks = new Blocks();
  blocks.set(0, bytes);
  const block = async ({ from, to }: Piece): Promise<Uint8Array> => {
    const kept = blocks.get(from / BLOCK);
    if (kept !== undefined) return kept;
    const response = await get(from, to);
    if (response.status !== 206) throw missing(url, `status ${response.status}`);
    const found = new Uint8Array(await response.arrayBuffer());
    blocks.set(from / BLOCK, found);
    return found;
  };
  return {
    size,
    read: async (offset, length) => {
      // Images are large and read once.
      if (length > 4 * BLOCK) {
        const response = await get(offset, offset + length);
        if (response.status !== 206) throw missing(url, `status ${response.status}`);
        return new Uint8Array(await response.arrayBuffer());
      }
      const pieces = blocksOf(offset, length, size);
      return assemble(pieces, await Promise.all(pieces.map(block)), offset, length);
    },
  };
}

/** Only in workers: neither the DOM's types nor Node's have it. */
declare class FileReaderSync {
  readAsArrayBuffer(blob: Blob): ArrayBuffer;
}

/** For replay, which cannot wait. Works in workers only. Throws TraceError `missing`. */
export function openSourceSync(source: TraceSource): SyncByteSource {
  switch (source.kind) {
    case 'bytes':
      return new MemorySource(source.bytes);
    case 'blob': {
      const reader = new FileReaderSync();
      const { blob } = source;
      const blocks = new Blocks();
      return {
        size: blob.size,
        read: (offset, length) => {
          const pieces = blocksOf(offset, length, blob.size);
          const found = pieces.map(({ from, to }) => {
            let block = blocks.get(from / BLOCK);
            if (block === undefined) {
              block = new Uint8Array(reader.readAsArrayBuffer(blob.slice(from, to)));
              blocks.set(from / BLOCK, block);
            }
            return block;
          });
          return assemble(pieces, found, offset, length);
        },
      };
    }
    case 'url':
      return openUrlSync(source.url);
  }
}

function openUrlSync(url: string): SyncByteSource {
  const get = (from: number, to: number): XMLHttpRequest => {
    const request = new XMLHttpRequest();
    request.open('GET', url, false);
    request.responseType = 'arraybuffer';
    request.setRequestHeader('range', `bytes=${from}-${to - 1}`);
    try {
      request.send();
    } catch (error) {
      throw missing(url, (error as Error).message);
    }
    return request;
  };
  const first = get(0, BLOCK);
  const size = rangeSize({ status: first.status, header: (name) => first.getResponseHeader(name) }, url);
  const bytes = new Uint8Array(first.response as ArrayBuffer);
  if (first.status === 200) return new MemorySource(bytes);
  const blocks = new Blocks();
  blocks.set(0, bytes);
  return {
    size,
    read: (offset, length) => {
      const pieces = blocksOf(offset, length, size);
      const found = pieces.map(({ from, to }) => {
        let block = blocks.get(from / BLOCK);
        if (block === undefined) {
          const response = get(from, to);
          if (response.status !== 206) throw missing(url, `status ${response.status}`);
          block = new Uint8Array(response.response as ArrayBuffer);
          blocks.set(from / BLOCK, block);
        }
        return block;
      });
      return assemble(pieces, found, offset, length);
    },
  };
}
