import { ByteColumn, ByteCursor } from './bytes.ts';
import { DecodeError } from './errors.ts';
import { CHUNK_HEADER_BYTES, type ChunkEntry, checkEntry } from './format.ts';
import { StringTable } from './kinds.ts';
import { Fields, type PlainData } from './msgpack.ts';
import { type ChunkSummary, decodeSummary, encodeSummary } from './summary.ts';

/** A chunk, and what is in it if that is known without reading it. */
export interface IndexedChunk extends ChunkEntry {
  readonly summary?: ChunkSummary;
}

/** The index chunk's payload: all chunks before it, as columns. Chunks lie end to end. */
export function encodeIndex(chunks: readonly IndexedChunk[], start: number): PlainData {
  const heads = new ByteColumn();
  const positions = new ByteColumn();
  const checksums = new ByteColumn();
  const summaries = new ByteColumn();
  const strings = new StringTable();
  let before = 0;
  for (const chunk of chunks) {
    heads.u8(chunk.kind);
    heads.u8(chunk.flags);
    heads.varint(chunk.storedBytes);
    heads.varint(chunk.rawBytes);
    heads.varint(chunk.count);
    positions.signed(chunk.first - before);
    positions.varint(chunk.last - chunk.first);
    positions.signed(chunk.complete - chunk.last);
    before = chunk.last;
    for (let shift = 0; shift < 32; shift += 8) checksums.u8((chunk.crc >>> shift) & 0xff);
    summaries.u8(chunk.summary === undefined ? 0 : 1);
    if (chunk.summary !== undefined) encodeSummary(summaries, chunk.summary, strings);
  }
  return {
    start,
    chunks: chunks.length,
    heads: heads.toBytes(),
    positions: positions.toBytes(),
    crcs: checksums.toBytes(),
    summaries: summaries.toBytes(),
    str: strings.strings,
  };
}

/**
 * `start`: where the first chunk begins; `end`: where the index chunk itself does, which the chunks must fill
 * exactly. Throws DecodeError.
 */
export function decodeIndex(data: PlainData, start: number, end: number): IndexedChunk[] {
  const fields = new Fields(data);
  const heads = new ByteCursor(fields.bytes('heads'));
  const positions = new ByteCursor(fields.bytes('positions'));
  const checksums = new ByteCursor(fields.bytes('crcs'));
  const summaries = new ByteCursor(fields.bytes('summaries'));
  const strings = new StringTable(fields.strings('str'));
  const count = fields.integer('chunks', 0, heads.left);
  if (fields.integer('start') !== start) throw new DecodeError('the index belongs to another header');
  const chunks: IndexedChunk[] = [];
  let offset = start;
  let before = 0;
  for (let number = 0; number < count; number++) {
    const kind = heads.u8();
    const flags = heads.u8();
    const storedBytes = heads.varint();
    const rawBytes = heads.varint();
    const events = heads.varint();
    const first = before + positions.signed();
    const last = first + positions.varint();
    const complete = last + positions.signed();
    before = last;
    let crc = 0;
    for (let shift = 0; shift < 32; shift += 8) crc |= checksums.u8() << shift;
    const entry = {
      number,
      offset,
      kind,
      flags,
      storedBytes,
      rawBytes,
      count: events,
      first,
      last,
      complete,
    };
    if (first < 0 || complete < 0) throw new DecodeError('the index has a negative position');
    checkEntry({ ...entry, crc: 0 }, (why) => {
      throw new DecodeError(`index, chunk ${number}: ${why}`);
    });
    const summary = summaries.u8() === 0 ? undefined : decodeSummary(summaries, strings);
    chunks.push({ ...entry, crc: crc >>> 0, ...(summary === undefined ? {} : { summary }) });
    offset += CHUNK_HEADER_BYTES + storedBytes;
  }
  if (offset !== end) throw new DecodeError('the chunks of the index do not fill the file');
  for (const column of [heads, positions, checksums, summaries]) {
    if (!column.atEnd) throw new DecodeError('an index column is longer than its chunks');
  }
  return chunks;
}
