import type { ImageSource, SyncTraceReader, TraceCodec, TraceEvent } from '../../traces/index.ts';
import { imageRef, TraceWriter } from '../../traces/index.ts';

/** A part of a trace that is a trace itself. */
export interface CutTrace {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Where it ends. */
  readonly position: number;
}

/**
 * The trace up to `to`, with the events from `from` on. What replay needs is all there: it begins at the start,
 * with the inputs and images, and goes up to the last event before `to`.
 * @throws TraceError, RangeError if nothing is left
 */
export function cutTrace(reader: SyncTraceReader, from: number, to: number, codec: TraceCodec): CutTrace {
  const parts: Uint8Array[] = [];
  const writer = new TraceWriter({ write: (bytes) => parts.push(bytes.slice()) }, reader.header, codec);
  const embedded = reader.embeddedImages();
  const done = new Set<string>();
  for (const ref of reader.header.images) {
    if (!embedded.has(ref.sha256) || done.has(ref.sha256)) continue;
    done.add(ref.sha256);
    const source: ImageSource = {
      size: ref.size,
      read: (offset, length) => reader.imageRange(ref, offset, length),
    };
    writer.image(imageRef(ref.name, ref.role, source, codec), source);
  }
  const { end } = reader;
  const isWhole = end !== undefined && to >= end.position;
  // The cut has to be at a moment whose time is known: that of an instruction with an event.
  const last = isWhole ? undefined : lastInstruction(reader, to);
  if (!isWhole && last === undefined) throw new RangeError(`there is no event before position ${to}`);
  const limit = last?.position ?? Number.MAX_SAFE_INTEGER;
  for (const batch of reader.batches(last === undefined ? {} : { to: limit })) {
    for (const event of batch) {
      if (event.position >= from || event.kind === 'input' || event.kind === 'power') writer.event(event);
    }
  }
  for (const record of reader.hashes(0, limit)) writer.hash(record);
  writer.close(
    last === undefined
      ? end!
      : {
          position: last.position,
          time: last.time,
          reason: 'cut',
          detail: `cut at position ${last.position} by virtrace report`,
        },
  );
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return { bytes, position: limit };
}

function lastInstruction(reader: SyncTraceReader, to: number): TraceEvent | undefined {
  const search = { direction: 'backward', to: to + 1 } as const;
  const access = reader.first({ ...search, kinds: ['access'] });
  const output = reader.first({ ...search, kinds: ['output'] });
  if (access === undefined || output === undefined) return access ?? output;
  return access.position >= output.position ? access : output;
}
