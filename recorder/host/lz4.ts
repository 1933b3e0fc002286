import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { compressSync, uncompressSync } from 'lz4-napi';
import type { TraceCodec } from '../../traces/codec.ts';
import { lz4Compress } from '../../traces/lz4.ts';

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/**
 * Native LZ4, SHA-256 and CRC-32 for Node. lz4-napi puts a 32-bit little-endian raw size before the block; chunks
 * keep the size in their header, so it is cut off and put back here. It has no high-compression mode, so
 * columns of events (small, and worth it) go through our own compressor.
 */
export const NODE_CODEC: TraceCodec = {
  compress(bytes, effort) {
    if (effort === 'small') return lz4Compress(bytes, 64);
    return compressSync(asBuffer(bytes)).subarray(4);
  },
  decompress(block, length) {
    const prefixed = new Uint8Array(block.length + 4);
    new DataView(prefixed.buffer).setUint32(0, length, true);
    prefixed.set(block, 4);
    const bytes = uncompressSync(prefixed);
    if (bytes.length !== length) throw new Error('LZ4: block does not hold the bytes it promises');
    return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  },
  sha256() {
    const hash = createHash('sha256');
    return {
      update: (bytes) => {
        hash.update(bytes);
      },
      digest: () => hash.digest('hex'),
    };
  },
  crc32: (bytes) => crc32(bytes),
};
