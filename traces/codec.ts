import { crc32 } from './crc32.ts';
import { lz4Compress, lz4Decompress } from './lz4.ts';
import { type Hasher, Sha256 } from './sha256.ts';

/**
 * The heavy work, injected so that Node can bring native code. All implementations give interchangeable
 * bytes: an LZ4 block, SHA-256, CRC-32.
 */
export interface TraceCodec {
  /** One raw LZ4 block. `small`: event columns, worth time; `fast`: image contents, many megabytes. */
  compress(bytes: Uint8Array, effort: 'small' | 'fast'): Uint8Array;
  /** Exactly `length` bytes, or throws. The caller has checked that `length` is possible. */
  decompress(block: Uint8Array, length: number): Uint8Array;
  sha256(): Hasher;
  /** As in crc32.ts. */
  crc32(bytes: Uint8Array): number;
}

/** Runs anywhere. */
export const PURE_CODEC: TraceCodec = {
  compress: (bytes, effort) => lz4Compress(bytes, effort === 'small' ? 64 : 1),
  decompress: lz4Decompress,
  sha256: () => new Sha256(),
  crc32,
};
