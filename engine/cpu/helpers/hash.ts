/*
 * Hash of guest memory, kept page by page: only pages written since the last time are hashed again.
 */
import {
  FRAME_DIRTY, FRAME_WRITABLE_CACHED, G_CPUS, G_FRAMES, G_FRAME_HASHES, G_RADIX, G_TLBS, G_MEMORY_HASH, TLB_BYTES, TLB_SET,
  TLB_STRIDE, TLB_WRITE,
} from "./heap-layout";
import { flagsAddress } from "./memory";

const P1: u64 = 0x9e3779b185ebca87;
const P2: u64 = 0xc2b2ae3d27d4eb4f;
const P3: u64 = 0x165667b19e3779f9;
const P4: u64 = 0x85ebca77c2b2ae63;

// @ts-ignore: decorator
@inline
function round(acc: u64, input: u64): u64 {
  return rotl<u64>(acc + input * P2, 31) * P1;
}

// @ts-ignore: decorator
@inline
function merge(acc: u64, value: u64): u64 {
  return (acc ^ round(0, value)) * P1 + P4;
}

/** XXH64 of the 4096 bytes of a frame; 0 for a frame of zeros, which is the same as memory never touched. */
export function hash_frame(frame: u32, seed: u64): u64 {
  let a = seed + P1 + P2, b = seed + P2, c = seed, d = seed - P1;
  let any: u64 = 0;
  for (let at = frame, end = frame + 4096; at < end; at += 32) {
    const w0 = load<u64>(at), w1 = load<u64>(at, 8), w2 = load<u64>(at, 16), w3 = load<u64>(at, 24);
    any |= w0 | w1 | w2 | w3;
    a = round(a, w0);
    b = round(b, w1);
    c = round(c, w2);
    d = round(d, w3);
  }
  if (any == 0) return 0;
  let h = rotl<u64>(a, 1) + rotl<u64>(b, 7) + rotl<u64>(c, 12) + rotl<u64>(d, 18);
  h = merge(merge(merge(merge(h, a), b), c), d);
  h += 4096;
  h ^= h >> 33;
  h *= P2;
  h ^= h >> 29;
  h *= P3;
  h ^= h >> 32;
  return h;
}

/** Hash of all memory: the sum over all pages of the hash of their contents, seeded with the page number. */
export function memory_hash(): u64 {
  let sum = load<u64>(G_MEMORY_HASH);
  const first = load<u32>(G_RADIX);
  const hashes = load<u32>(G_FRAME_HASHES);
  const frames = load<u32>(G_FRAMES);
  for (let i: u32 = 0; i < 16384; i++) {
    const second = load<u32>(first + (i << 2));
    if (second <= 1) continue;
    for (let j: u32 = 0; j < 512; j++) {
      const third = load<u32>(second + (j << 2));
      if (third <= 1) continue;
      for (let k: u32 = 0; k < 512; k++) {
        const entry = load<u32>(third + (k << 2));
        if (entry < 4096) continue;
        const frame = entry & ~4095;
        const flags = flagsAddress(frame);
        if (!(load<u8>(flags) & FRAME_DIRTY)) continue;
        store<u8>(flags, load<u8>(flags) & ~(FRAME_DIRTY | FRAME_WRITABLE_CACHED));
        const slot = hashes + ((frame - frames) >> 12 << 3);
        const page: u64 = (<u64>i << 18) | (<u64>j << 9) | k;
        const hash = hash_frame(frame, page);
        sum += hash - load<u64>(slot);
        store<u64>(slot, hash);
      }
    }
  }
  store<u64>(G_MEMORY_HASH, sum);
  // Later stores must mark their pages again.
  const cpus = load<u32>(G_CPUS);
  for (let i: u32 = 0; i < cpus; i++) {
    for (let set: u32 = 0; set < 2; set++) {
      memory.fill(load<u32>(G_TLBS) + i * TLB_STRIDE + set * TLB_SET + TLB_WRITE, 0xff, TLB_BYTES);
    }
  }
  return sum;
}
