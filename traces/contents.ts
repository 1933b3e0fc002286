import { DecodeError, TraceError } from './errors.ts';
import { CHUNK } from './format.ts';
import { decodeHashes } from './hashes.ts';
import { decodeManifest, decodePlaces, type ImageManifest, PAGE_BYTES, type PiecePlace } from './images.ts';
import type { Io } from './io.ts';
import { Fields } from './msgpack.ts';
import { located, type TraceFile } from './trace-file.ts';
import type { IndexedChunk } from './trace-index.ts';
import type { Checkpoint, HashRecord, ImageRef } from './types.ts';

/** State hashes at positions from `from` up to and without `to`. */
export function* readHashes(file: TraceFile, from: number, to: number): Io<HashRecord[]> {
  const records: HashRecord[] = [];
  for (const chunk of file.ofKind('hashes')) {
    if (chunk.last < from || chunk.first >= to) continue;
    const data = yield* file.data(chunk);
    const all = located(chunk, () => decodeHashes(data, chunk.count, chunk.first, chunk.last));
    records.push(...all.filter(({ position }) => position >= from && position < to));
  }
  return records;
}

function* findManifest(file: TraceFile, ref: ImageRef): Io<ImageManifest> {
  for (const chunk of file.ofKind('image')) {
    const data = yield* file.data(chunk);
    const manifest = located(chunk, () => decodeManifest(data, chunk.number));
    if (manifest.sha256 === ref.sha256 && manifest.size === ref.size) return manifest;
  }
  throw new TraceError('missing', `image ${ref.name} (${ref.role}) is not in the trace`);
}

/** Hashes of the images whose contents are in the file. */
export function* embeddedImages(file: TraceFile): Io<Set<string>> {
  const hashes = new Set<string>();
  for (const chunk of file.ofKind('image')) {
    const data = yield* file.data(chunk);
    hashes.add(located(chunk, () => decodeManifest(data, chunk.number)).sha256);
  }
  return hashes;
}

function* readPiece(file: TraceFile, place: PiecePlace, length: number): Io<Uint8Array> {
  const chunk = file.chunks[place.chunk];
  const piece =
    chunk === undefined || chunk.kind !== CHUNK.pieces ? undefined : (yield* file.pieces(chunk))[place.index];
  if (piece === undefined || piece.length !== length) {
    throw new TraceError('damaged', `piece ${place.index} is not there`, { chunk: place.chunk });
  }
  return piece;
}

/** Bytes of an embedded image. Throws TraceError: `missing`, or RangeError outside the image. */
export function* readImage(file: TraceFile, ref: ImageRef, offset: number, length: number): Io<Uint8Array> {
  if (!(offset >= 0 && length >= 0 && offset + length <= ref.size)) {
    throw new RangeError(`image ${ref.name} has no bytes ${offset} to ${offset + length}`);
  }
  const { places, pieceBytes, size } = yield* findManifest(file, ref);
  const out = new Uint8Array(length);
  for (let number = Math.floor(offset / pieceBytes); number * pieceBytes < offset + length; number++) {
    const place = places.get(number);
    if (place === undefined) continue;
    const start = number * pieceBytes;
    const piece = yield* readPiece(file, place, Math.min(pieceBytes, size - start));
    const from = Math.max(offset - start, 0);
    const to = Math.min(offset + length - start, piece.length);
    out.set(piece.subarray(from, to), start + from - offset);
  }
  return out;
}

/** The numbers go up with the position. Throws TraceError. */
export function* readCheckpoint(file: TraceFile, chunk: IndexedChunk): Io<Checkpoint> {
  const fields = yield* checkpointFields(file, chunk);
  const places = located(chunk, () => {
    return decodePlaces(fields.array('pages'), Number.MAX_SAFE_INTEGER, chunk.number);
  });
  const pages: { address: number; bytes: Uint8Array }[] = [];
  for (const [address, place] of places) {
    const bytes = yield* readPiece(file, place, PAGE_BYTES);
    pages.push({ address, bytes: bytes.slice() });
  }
  return located(chunk, () => {
    const state = fields.raw('state');
    if (state === undefined) throw new DecodeError('a checkpoint has no state');
    return { position: fields.integer('position'), time: fields.integer('time'), state, pages };
  });
}

function* checkpointFields(file: TraceFile, chunk: IndexedChunk): Io<Fields> {
  const data = yield* file.data(chunk);
  return located(chunk, () => new Fields(data));
}
