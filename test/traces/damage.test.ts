import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { crc32 } from '../../traces/crc32.ts';
import { EventChunk } from '../../traces/event-chunk.ts';
import { CHUNK_HEADER_BYTES, decodeChunkHeader, encodeChunkHeader } from '../../traces/format.ts';
import {
  CHUNK,
  FORMAT_VERSION,
  MemorySource,
  SyncTraceReader,
  TraceError,
  TraceWriteError,
  TraceWriter,
} from '../../traces/index.ts';
import { KIND_CODECS } from '../../traces/kinds.ts';
import { HEADER, MemorySink, smallEvents, withOrdinals, writeSmallTrace } from './support.ts';

const SMALL = writeSmallTrace();
const EVENTS = withOrdinals(smallEvents());

/** Reads everything there is to read; the events, or the TraceError. Anything else that is thrown fails. */
function readAll(bytes: Uint8Array): { reader: SyncTraceReader; events: unknown[] } | TraceError {
  try {
    const reader = SyncTraceReader.open(new MemorySource(bytes));
    const events = [...reader.events()];
    reader.verify();
    for (const position of reader.checkpoints) reader.checkpoint(position);
    return { reader, events };
  } catch (error) {
    if (error instanceof TraceError) return error;
    throw error;
  }
}

describe('a trace cut at any byte', () => {
  const chunkEnds = SyncTraceReader.open(new MemorySource(SMALL)).chunks.map(
    (chunk) => chunk.offset + CHUNK_HEADER_BYTES + chunk.storedBytes,
  );
  const headerEnd = SyncTraceReader.open(new MemorySource(SMALL)).chunks[0]!.offset;

  test('opens with all whole chunks, or is refused inside the header', () => {
    for (let length = 0; length < SMALL.length; length++) {
      const result = readAll(SMALL.slice(0, length));
      if (length < headerEnd) {
        expect(result).toBeInstanceOf(TraceError);
        continue;
      }
      if (result instanceof TraceError) throw result;
      const whole = chunkEnds.filter((end) => end <= length).length;
      expect(result.reader.chunks).toHaveLength(whole);
      const torn = length - (chunkEnds[whole - 1] ?? headerEnd);
      if (torn > 0 && whole < chunkEnds.length) {
        expect(result.reader.damage?.offset).toBe(length - torn);
        expect(result.reader.damage?.chunk).toBe(whole);
      }
    }
  });

  test('has every event below the position up to which it says it is complete', () => {
    for (let length = headerEnd; length < SMALL.length; length += 7) {
      const result = readAll(SMALL.slice(0, length));
      if (result instanceof TraceError) throw result;
      const { complete } = result.reader;
      expect([...result.reader.events({ to: complete })]).toEqual(
        EVENTS.filter(({ position }) => position < complete),
      );
    }
  });
});

describe('a damaged trace', () => {
  test('with a bit of any byte flipped gives right events or a TraceError', () => {
    const plain = (_name: string, value: unknown): unknown =>
      typeof value === 'bigint' ? `${value}n` : value;
    const key = (event: unknown): string => JSON.stringify(Object.entries(event as object).sort(), plain);
    const truth = new Set(EVENTS.map(key));
    const bytes = SMALL.slice();
    for (let at = 0; at < bytes.length; at++) {
      // Over neighbouring bytes every bit has its turn.
      for (const bit of [1 << (at & 7), 1 << ((at * 5 + 3) & 7)]) {
        bytes[at]! ^= bit;
        const result = readAll(bytes);
        if (!(result instanceof TraceError))
          for (const event of result.events) expect(truth).toContain(key(event));
        bytes[at]! ^= bit;
      }
    }
  });

  test('names chunk and offset of a payload that does not have its checksum', () => {
    const chunk = SyncTraceReader.open(new MemorySource(SMALL)).chunks.find(
      (c) => c.kind === CHUNK.accesses,
    )!;
    const bytes = SMALL.slice();
    bytes[chunk.offset + CHUNK_HEADER_BYTES + 5]! ^= 4;
    const result = readAll(bytes);
    expect(result).toMatchObject({ code: 'damaged', chunk: chunk.number, offset: chunk.offset });
    expect((result as Error).message).toBe(
      `checksum is wrong (chunk ${chunk.number}, offset ${chunk.offset})`,
    );
  });

  test('with arbitrary bytes in it never fails in another way', () => {
    const edit = fc.record({
      at: fc.nat(SMALL.length - 1),
      bytes: fc.uint8Array({ minLength: 1, maxLength: 9 }),
    });
    fc.assert(
      fc.property(fc.array(edit, { minLength: 1, maxLength: 4 }), (edits) => {
        const bytes = SMALL.slice();
        for (const { at, bytes: part } of edits) bytes.set(part.subarray(0, bytes.length - at), at);
        readAll(bytes);
      }),
      { numRuns: 1000 },
    );
  });

  test('of a newer format is refused by that name, whatever follows', () => {
    const bytes = SMALL.slice(0, 20);
    bytes[8] = FORMAT_VERSION + 1;
    expect(() => SyncTraceReader.open(new MemorySource(bytes))).toThrow(
      `trace format ${FORMAT_VERSION + 1} is newer than the newest this program reads, ${FORMAT_VERSION}`,
    );
  });

  test.each([
    ['empty', new Uint8Array(0)],
    ['text', new TextEncoder().encode('[    0.000000] Booting Linux on physical CPU 0x0')],
  ])('that is %s is said to be no trace', (_name, bytes) => {
    expect(readAll(bytes)).toMatchObject({ code: 'not-a-trace' });
  });
});

describe('a hostile chunk', () => {
  const header = {
    number: 0,
    kind: 2,
    flags: 0,
    storedBytes: 10,
    rawBytes: 20,
    count: 1,
    first: 0,
    last: 0,
    complete: 0,
    crc: 0,
  };

  test.each([
    ['unpacks to more than LZ4 can', { rawBytes: 60_000_000 }, /cannot unpack/],
    ['unpacks to gigabytes', { rawBytes: 2 ** 32 - 1 }, /over the limit/],
    ['has 4 billion events', { count: 2 ** 32 - 1 }, /over the limit/],
    ['is longer than the file', { storedBytes: 5000 }, /ends inside a chunk/],
    ['ends before it begins', { first: 2, last: 1 }, /after the last/],
    ['lies beyond 2^53', { last: 2 ** 60 }, /out of range/],
    ['has another number', { number: 3 }, /chunk number/],
  ])('that %s is refused', (_name, change, message) => {
    const bytes = encodeChunkHeader({ ...header, ...change });
    expect(() => decodeChunkHeader(bytes, 0, 0, 1000)).toThrow(message);
    expect(() => decodeChunkHeader(bytes, 0, 0, 1000)).toThrow(TraceError);
  });

  test('with a right checksum over wrong contents gives a TraceError', () => {
    const chunks = SyncTraceReader.open(new MemorySource(SMALL)).chunks;
    fc.assert(
      fc.property(fc.nat(chunks.length - 1), fc.nat(), fc.integer({ min: 1, max: 255 }), (n, where, xor) => {
        const chunk = chunks[n]!;
        const bytes = SMALL.slice(0, chunk.offset + CHUNK_HEADER_BYTES + chunk.storedBytes);
        const stored = bytes.subarray(chunk.offset + CHUNK_HEADER_BYTES);
        stored[where % stored.length]! ^= xor;
        bytes.set(encodeChunkHeader({ ...chunk, crc: crc32(stored) }), chunk.offset);
        readAll(bytes);
      }),
      { numRuns: 3000 },
    );
  });

  test('cannot make a decoder of events fail in another way', () => {
    const payloads = KIND_CODECS.map((codec) => {
      const reader = SyncTraceReader.open(new MemorySource(SMALL));
      const chunk = reader.file.ofKind(codec.chunk)[0]!;
      const step = reader.file.payload(chunk);
      const request = step.next();
      if (request.done === true) throw new Error('read nothing');
      const { offset, length } = request.value;
      const payload = step.next(SMALL.subarray(offset, offset + length)).value as Uint8Array;
      return { codec, chunk, payload };
    });
    fc.assert(
      fc.property(
        fc.constantFrom(...payloads),
        fc.nat(),
        fc.nat(255),
        fc.nat(70_000),
        (p, at, byte, count) => {
          const payload = p.payload.slice();
          payload[at % payload.length] = byte;
          const entry = { ...p.chunk, count: count % 2 === 0 ? p.chunk.count : count };
          try {
            const chunk = new EventChunk(p.codec, entry, payload);
            for (let i = 0; i < chunk.count; i++) chunk.event(i);
          } catch (error) {
            expect((error as Error).name).toBe('DecodeError');
          }
        },
      ),
      { numRuns: 3000 },
    );
  });
});

describe('a sink that fails', () => {
  /** Takes so many bytes, the last write in part. */
  function fullDisk(room: number): { sink: { write(bytes: Uint8Array): void }; bytes(): Uint8Array } {
    const kept = new MemorySink();
    let left = room;
    const write = (bytes: Uint8Array): void => {
      kept.write(bytes.slice(0, left));
      left -= Math.min(left, bytes.length);
      if (left === 0) throw new Error('ENOSPC: no space left on device');
    };
    return { sink: { write }, bytes: () => kept.toBytes() };
  }

  test('leaves a trace that opens, and the writer says so without throwing into the machine', () => {
    for (let room = 300; room < SMALL.length; room += 101) {
      const disk = fullDisk(room);
      const writer = new TraceWriter(disk.sink, HEADER);
      for (const event of smallEvents()) {
        writer.event(event);
        if (event.position % 500 === 0 && writer.failure === undefined) {
          try {
            writer.flush();
          } catch (error) {
            expect(error).toBe(writer.failure);
          }
        }
      }
      const close = () => writer.close({ position: 6000, time: 7000, reason: 'system-off' });
      if (writer.failure !== undefined) expect(close).toThrow(TraceWriteError);
      const reader = SyncTraceReader.open(new MemorySource(disk.bytes()));
      const { complete } = reader;
      expect([...reader.events({ to: complete })]).toEqual(
        EVENTS.filter(({ position }) => position < complete),
      );
    }
  });

  test('keeps the reason and how much is valid', () => {
    const disk = fullDisk(400);
    const writer = new TraceWriter(disk.sink, HEADER);
    for (const event of smallEvents()) writer.event(event);
    expect(() => writer.flush()).toThrow(/no space left on device; it is valid up to byte \d+/);
    expect(() => writer.flush()).toThrow(TraceWriteError);
    expect(writer.failure?.validBytes).toBe(writer.bytesWritten);
  });
});
