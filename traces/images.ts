import type { TraceCodec } from './codec.ts';
import { DecodeError } from './errors.ts';
import { Fields, type PlainData } from './msgpack.ts';
import type { ImageRef, ImageSource } from './types.ts';

/** Images are cut into pieces of this size; pieces of zeros are left out, equal pieces stored once. */
export const PIECE_BYTES = 256 << 10;
/** Pieces are gathered into chunks of about this size. */
export const PIECE_CHUNK_BYTES = 1 << 20;
/** Memory pages of checkpoints. */
export const PAGE_BYTES = 4096;

/** Where a piece is: number of its chunk, and which piece in there. */
export interface PiecePlace {
  readonly chunk: number;
  readonly index: number;
}

export function bytesSource(bytes: Uint8Array): ImageSource {
  return { size: bytes.length, read: (offset, length) => bytes.subarray(offset, offset + length) };
}

/** Hashes an image, reading it a piece at a time. */
export function imageRef(name: string, role: string, source: ImageSource, codec: TraceCodec): ImageRef {
  const hasher = codec.sha256();
  for (const piece of piecesOf(source)) hasher.update(piece.bytes);
  return { name, role, size: source.size, sha256: hasher.digest() };
}

export function* piecesOf(source: ImageSource): Generator<{ number: number; bytes: Uint8Array }> {
  for (let number = 0; number * PIECE_BYTES < source.size; number++) {
    const offset = number * PIECE_BYTES;
    const length = Math.min(PIECE_BYTES, source.size - offset);
    const bytes = source.read(offset, length);
    if (bytes.length !== length) throw new RangeError(`image ended early, at byte ${offset + bytes.length}`);
    yield { number, bytes };
  }
}

export function isZero(bytes: Uint8Array): boolean {
  // By words where the place in memory allows it: images have long runs of zeros.
  const words = bytes.byteOffset % 4 === 0 ? bytes.length >>> 2 : 0;
  const wide = new Int32Array(bytes.buffer, words === 0 ? 0 : bytes.byteOffset, words);
  for (let i = 0; i < words; i++) if (wide[i] !== 0) return false;
  for (let i = words * 4; i < bytes.length; i++) if (bytes[i] !== 0) return false;
  return true;
}

/** Contents of an image: its hash, and where each piece that is not zero lies. */
export interface ImageManifest {
  readonly sha256: string;
  readonly size: number;
  readonly pieceBytes: number;
  readonly places: ReadonlyMap<number, PiecePlace>;
}

export function encodeManifest(manifest: ImageManifest): PlainData {
  return {
    sha256: manifest.sha256,
    size: manifest.size,
    piece: manifest.pieceBytes,
    places: [...manifest.places].flatMap(([number, { chunk, index }]) => [number, chunk, index]),
  };
}

/** `before`: places must be in chunks before this one. Throws DecodeError. */
export function decodeManifest(data: PlainData, before: number): ImageManifest {
  const fields = new Fields(data);
  const size = fields.integer('size');
  const pieceBytes = fields.integer('piece', 1, 64 << 20);
  return {
    sha256: fields.string('sha256'),
    size,
    pieceBytes,
    places: decodePlaces(fields.array('places'), Math.ceil(size / pieceBytes), before),
  };
}

/** Flat triples of (number, chunk, index). `numbers`: each number must be below this. */
export function decodePlaces(
  flat: readonly PlainData[],
  numbers: number,
  before: number,
): Map<number, PiecePlace> {
  const places = new Map<number, PiecePlace>();
  if (flat.length % 3 !== 0) throw new DecodeError('a list of pieces is malformed');
  for (let i = 0; i < flat.length; i += 3) {
    const [number, chunk, index] = flat.slice(i, i + 3) as unknown[];
    const valid = [number, chunk, index].every((n) => Number.isSafeInteger(n) && (n as number) >= 0);
    if (!valid || (number as number) >= numbers || (chunk as number) >= before) {
      throw new DecodeError('a list of pieces is malformed');
    }
    places.set(number as number, { chunk: chunk as number, index: index as number });
  }
  return places;
}

/** Payload of a chunk of pieces. */
export function encodePieces(pieces: readonly Uint8Array[]): PlainData {
  const data = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    data.set(piece, at);
    at += piece.length;
  }
  return { sizes: pieces.map((piece) => piece.length), data };
}

/** Throws DecodeError. */
export function decodePieces(data: PlainData): Uint8Array[] {
  const fields = new Fields(data);
  const bytes = fields.bytes('data');
  let at = 0;
  return fields.array('sizes').map((size) => {
    if (!Number.isSafeInteger(size) || (size as number) < 0 || (size as number) > bytes.length - at) {
      throw new DecodeError('a chunk of pieces is shorter than its pieces');
    }
    at += size as number;
    return bytes.subarray(at - (size as number), at);
  });
}
