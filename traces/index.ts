/** The public face of traces/: everything else imports from here. */
export { PURE_CODEC, type TraceCodec } from './codec.ts';
export {
  type DecodedAccess,
  decodeAccess,
  parseRegisterName,
  type RegisterMaps,
  type RegisterName,
  type ResolvedRegister,
  resolveRegister,
  writesTo,
} from './decode.ts';
export { TraceError, type TraceErrorCode, TraceWriteError } from './errors.ts';
export type { EventChunk } from './event-chunk.ts';
export { type EventFilter, type Place, placeOf, type RegisterRange, touchedBits } from './filter.ts';
export { CHUNK, type ChunkEntry, type ChunkName, chunkName, FORMAT_VERSION } from './format.ts';
export { bytesSource, imageRef, PAGE_BYTES } from './images.ts';
export type { InterruptCycle } from './interrupt-cycles.ts';
export { MemorySource } from './io.ts';
export type { Site } from './kinds.ts';
export { KEPT_FROM, keeps, LEVELS } from './levels.ts';
export {
  InterruptMeter,
  type InterruptStatistics,
  type Moment,
  POLLING_GAP_NS,
  type Polling,
  PollingMeter,
  type Storm,
} from './meters.ts';
export type { PlainData } from './msgpack.ts';
export { SyncTraceReader, TraceReader } from './reader.ts';
export type { Hasher } from './sha256.ts';
export type { ChunkSummary, RegisterUse } from './summary.ts';
export type { OpenedBy, OpenOptions } from './trace-file.ts';
export type { IndexedChunk } from './trace-index.ts';
export type * from './types.ts';
export { TraceWriter } from './writer.ts';
