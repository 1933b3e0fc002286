import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { NODE_CODEC } from '../../recorder/host/lz4.ts';
import {
  bytesSource,
  type ImageRef,
  imageRef,
  PURE_CODEC,
  SyncTraceReader,
  TraceError,
  TraceReader,
  TraceWriter,
} from '../../traces/index.ts';
import { HEADER, MemorySink } from './support.ts';

/** Incompressible, with a hole of zeros and a part that repeats. */
function contents(): Uint8Array {
  const bytes = new Uint8Array(3_000_000);
  let seed = 7;
  for (let i = 0; i < 700_000; i++) {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
    bytes[i] = seed >>> 24;
  }
  bytes.copyWithin(2 << 20, 0, 256 << 10);
  bytes[2_999_999] = 1;
  return bytes;
}

function record(
  images: { ref: ImageRef; bytes: Uint8Array }[],
  embed: boolean,
  codec = PURE_CODEC,
): MemorySink {
  const sink = new MemorySink();
  const writer = new TraceWriter(sink, { ...HEADER, images: images.map(({ ref }) => ref) }, codec);
  if (embed) for (const { ref, bytes } of images) writer.image(ref, bytesSource(bytes));
  writer.close({ position: 0, time: 0, reason: 'limit' });
  return sink;
}

describe('images', () => {
  const bytes = contents();
  const kernel = imageRef('Image', 'kernel', bytesSource(bytes), PURE_CODEC);

  test('are known by the SHA-256 that other tools give', () => {
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    expect(kernel).toEqual({ name: 'Image', role: 'kernel', size: 3_000_000, sha256 });
    expect(imageRef('Image', 'kernel', bytesSource(bytes), NODE_CODEC)).toEqual(kernel);
  });

  test.each([
    ['portable', PURE_CODEC],
    ['native', NODE_CODEC],
  ])('come back whole and by ranges (%s)', (_name, codec) => {
    const source = record([{ ref: kernel, bytes }], true, codec).toSource();
    const reader = SyncTraceReader.open(source, { codec: NODE_CODEC });
    expect(Buffer.compare(reader.image(kernel), bytes)).toBe(0);
    for (const [offset, length] of [
      [0, 10],
      [262_140, 10],
      [699_990, 600_000],
      [2_999_990, 10],
      [3_000_000, 0],
    ] as const) {
      expect(
        Buffer.compare(reader.imageRange(kernel, offset, length), bytes.subarray(offset, offset + length)),
      ).toBe(0);
    }
    expect(() => reader.imageRange(kernel, 2_999_999, 2)).toThrow(RangeError);
  });

  test('cost nothing for zeros and for what is there already', () => {
    const copy = { ...kernel, role: 'drive0' };
    const one = record([{ ref: kernel, bytes }], true).toBytes().length;
    const two = record(
      [
        { ref: kernel, bytes },
        { ref: copy, bytes },
      ],
      true,
    ).toBytes().length;
    expect(one).toBeLessThan(800_000);
    expect(two - one).toBeLessThan(1000);
  });

  test('of a sparse disk fit, and are not unpacked at once', () => {
    // Hashing is not what is tested, and takes most of the time.
    const sha256 = { update: () => {}, digest: () => '0'.repeat(64) };
    const ref = { name: 'disk.raw', role: 'drive0', size: 2 ** 28, sha256: '0'.repeat(64) };
    const sink = new MemorySink();
    const writer = new TraceWriter(
      sink,
      { ...HEADER, images: [ref] },
      { ...PURE_CODEC, sha256: () => sha256 },
    );
    const zeros = new Uint8Array(256 << 10);
    writer.image(ref, {
      size: ref.size,
      read: (offset, length) => {
        if (offset !== 2 ** 27) return zeros.subarray(0, length);
        const piece = new Uint8Array(length);
        piece[100] = 9;
        return piece;
      },
    });
    writer.close({ position: 0, time: 0, reason: 'limit' });
    expect(sink.toBytes().length).toBeLessThan(5000);
    const reader = SyncTraceReader.open(sink.toSource());
    expect([...reader.imageRange(ref, 2 ** 27 + 99, 3)]).toEqual([0, 9, 0]);
    expect(() => reader.image(ref, 2 ** 20)).toThrow(/at most 1048576 are read at once/);
  });

  test('that were not embedded are named', async () => {
    const reader = SyncTraceReader.open(record([{ ref: kernel, bytes }], false).toSource());
    expect(reader.embeddedImages()).toEqual(new Set());
    expect(() => reader.image(kernel)).toThrow('image Image (kernel) is not in the trace');
    const source = record([{ ref: kernel, bytes }], true)
      .toSource()
      .asAsync();
    expect(await (await TraceReader.open(source)).embeddedImages()).toEqual(new Set([kernel.sha256]));
  });

  test('that changed since they were hashed are refused', () => {
    const writer = new TraceWriter(new MemorySink(), { ...HEADER, images: [kernel] });
    const changed = bytes.slice();
    changed[5]! ^= 1;
    expect(() => writer.image(kernel, bytesSource(changed))).toThrow(/changed while it was read/);
    expect(() => writer.image({ ...kernel, sha256: 'f'.repeat(64) }, bytesSource(bytes))).toThrow(
      /not in the trace/,
    );
  });

  test('that lie about themselves are found out', () => {
    const lie = { ...kernel, sha256: createHash('sha256').update('x').digest('hex') };
    const codec = { ...PURE_CODEC, sha256: () => ({ update: () => {}, digest: () => lie.sha256 }) };
    const sink = record([{ ref: lie, bytes }], true, codec);
    const reader = SyncTraceReader.open(sink.toSource(), { codec: NODE_CODEC });
    expect(() => reader.image(lie)).toThrow(TraceError);
  });
});
