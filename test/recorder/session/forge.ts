/** Traces that tell what never happened, for tests of whoever has to find out. */
import {
  bytesSource,
  MemorySource,
  type NewCheckpoint,
  PURE_CODEC,
  SyncTraceReader,
  type TraceEvent,
  TraceWriter,
} from '../../../traces/index.ts';

interface Changes {
  /** What is written in the place of a checkpoint; undefined: nothing. */
  readonly checkpoint?: (checkpoint: NewCheckpoint, index: number) => NewCheckpoint | undefined;
  /** What is written in the place of an event. */
  readonly event?: (event: TraceEvent, index: number) => TraceEvent;
}

/** The same trace with other checkpoints or events, checksums and all in order. */
export function forge(
  bytes: Uint8Array,
  { checkpoint = (same) => same, event: change = (same) => same }: Changes,
): Uint8Array {
  const reader = SyncTraceReader.open(new MemorySource(bytes), { codec: PURE_CODEC });
  const parts: Uint8Array[] = [];
  const writer = new TraceWriter({ write: (part) => parts.push(part.slice()) }, reader.header);
  for (const ref of reader.header.images) writer.image(ref, bytesSource(reader.image(ref)));
  const waiting = reader.checkpointChunks.map((chunk) => reader.restartPoint(chunk)!);
  const write = (index: number): void => {
    const { position, time, hashes } = waiting[index]!;
    const point = waiting[index]!;
    const changed = checkpoint(
      {
        position,
        time,
        hashes,
        state: reader.restartState(point),
        pages: [...reader.restartPages(point, true)].map((page) => ({ ...page, bytes: page.bytes.slice() })),
      },
      index,
    );
    if (changed !== undefined) writer.checkpoint(changed);
  };
  let next = 0;
  let count = 0;
  for (const event of reader.events()) {
    for (; next < waiting.length; next++) {
      const { position, ordinal } = waiting[next]!;
      if (position > event.position || (position === event.position && ordinal > event.ordinal)) break;
      write(next);
    }
    writer.event(change(event, count++));
  }
  for (; next < waiting.length; next++) write(next);
  writer.close(reader.end!);
  return Uint8Array.from(Buffer.concat(parts));
}
