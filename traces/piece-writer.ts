import type { ChunkWriter } from './chunk-writer.ts';
import type { TraceCodec } from './codec.ts';
import { encodePieces, isZero, PIECE_CHUNK_BYTES, type PiecePlace } from './images.ts';
import { pack } from './msgpack.ts';

/** Memory pages remembered for finding equal ones: a long recording has more than can be kept in mind. */
const PAGES_REMEMBERED = 1 << 16;

/** Puts contents into chunks of pieces, equal ones once. */
export class PieceWriter {
  readonly #chunks: ChunkWriter;
  readonly #codec: TraceCodec;
  readonly #images = new Map<string, PiecePlace>();
  readonly #pages = new Map<string, PiecePlace>();

  constructor(chunks: ChunkWriter, codec: TraceCodec) {
    this.#chunks = chunks;
    this.#codec = codec;
  }

  /**
   * Stores what is neither zero nor stored already, and says where each lies. The source may reuse its buffer.
   * @param limited of pieces without end, only the newest are remembered
   */
  put(
    pieces: Iterable<{ number: number; bytes: Uint8Array }>,
    position: number,
    limited = false,
  ): Map<number, PiecePlace> {
    const known = limited ? this.#pages : this.#images;
    const places = new Map<number, PiecePlace>();
    let gathered: Uint8Array[] = [];
    let keys: string[] = [];
    let bytes = 0;
    const write = (): void => {
      if (gathered.length === 0) return;
      const facts = { kind: 'pieces', first: position, last: position, complete: position } as const;
      this.#chunks.put(
        { ...facts, count: gathered.length, groupEnd: false },
        pack(encodePieces(gathered)),
        'fast',
      );
      gathered = [];
      keys = [];
      bytes = 0;
    };
    try {
      for (const piece of pieces) {
        if (isZero(piece.bytes)) continue;
        const hasher = this.#codec.sha256();
        hasher.update(piece.bytes);
        const key = hasher.digest();
        let place = known.get(key);
        if (place === undefined) {
          place = { chunk: this.#chunks.nextNumber, index: gathered.length };
          gathered.push(piece.bytes.slice());
          keys.push(key);
          bytes += piece.bytes.length;
          known.set(key, place);
          if (bytes >= PIECE_CHUNK_BYTES) write();
        }
        places.set(piece.number, place);
      }
      write();
    } finally {
      // Nothing may refer to pieces that did not get into the file.
      for (const key of keys) known.delete(key);
    }
    for (const key of this.#pages.keys()) {
      if (this.#pages.size <= PAGES_REMEMBERED) break;
      this.#pages.delete(key);
    }
    return places;
  }
}
