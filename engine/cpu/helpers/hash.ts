/*
 * What looks at all frames at once: the hash of guest memory, kept page by page so that only pages written since
 * the last time are hashed again, and the marking of frames for a snapshot.
 */
import {
  FRAME_DIRTY, FRAME_SHARED, FRAME_WRITABLE_CACHED, G_FRAMES, G_FRAME_FLAGS, G_FRAME_HASHES, G_FRAME_LIST, G_FRAME_NEXT,
  G_FRAME_PAGES, G_MEMORY_HASH,
} from "./heap-layout";
import { tlbDropAllWrites } from "./mmu";

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
  const frames = load<u32>(G_FRAMES);
  const flags = load<u32>(G_FRAME_FLAGS);
  const count = (load<u32>(G_FRAME_NEXT) - frames) >> 12;
  for (let i: u32 = 1; i < count; i++) {
    const value = load<u8>(flags + i);
    if (!(value & FRAME_DIRTY)) continue;
    store<u8>(flags + i, value & ~(FRAME_DIRTY | FRAME_WRITABLE_CACHED));
    const slot = load<u32>(G_FRAME_HASHES) + (i << 3);
    const hash = hash_frame(frames + (i << 12), load<u32>(load<u32>(G_FRAME_PAGES) + (i << 2)));
    sum += hash - load<u64>(slot);
    store<u64>(slot, hash);
  }
  store<u64>(G_MEMORY_HASH, sum);
  // Later stores must mark their pages again.
  tlbDropAllWrites();
  return sum;
}

/**
 * Marks all frames as shared with a snapshot. Those that were not yet (written since the last time, or new) are
 * listed by number at G_FRAME_LIST; returns how many.
 */
export function share_frames(): u32 {
  const flags = load<u32>(G_FRAME_FLAGS);
  const list = load<u32>(G_FRAME_LIST);
  const count = (load<u32>(G_FRAME_NEXT) - load<u32>(G_FRAMES)) >> 12;
  let found: u32 = 0;
  for (let i: u32 = 1; i < count; ) {
    // Eight frames at a time: most are shared already.
    if (!(i & 7) && i + 8 <= count && (load<u64>(flags + i) & 0x0808080808080808) == 0x0808080808080808) {
      i += 8;
      continue;
    }
    const value = load<u8>(flags + i);
    if (!(value & FRAME_SHARED)) {
      store<u8>(flags + i, (value | FRAME_SHARED) & ~FRAME_WRITABLE_CACHED);
      store<u32>(list + (found << 2), i);
      found++;
    }
    i++;
  }
  tlbDropAllWrites();
  return found;
}

export function frame_is_zero(frame: u32): u32 {
  for (let at = frame, end = frame + 4096; at < end; at += 32) {
    if (load<u64>(at) | load<u64>(at, 8) | load<u64>(at, 16) | load<u64>(at, 24)) return 0;
  }
  return 1;
}
