import { TraceError } from './errors.ts';
import { CHUNK } from './format.ts';
import { decodeHashes } from './hashes.ts';
import { decodeManifest, type ImageManifest, type PiecePlace } from './images.ts';
import type { Io } from './io.ts';
import { located, type TraceFile } from './trace-file.ts';
import type { HashRecord, ImageRef } from './types.ts';

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

export function* readPiece(file: TraceFile, place: PiecePlace, length: number): Io<Uint8Array> {
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
