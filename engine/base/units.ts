/** Instructions retired by the whole machine since reset. Exact below 2^53. */
export type Position = number;
/** Virtual nanoseconds since reset: instructions × 2^shift plus the jumps made while every CPU slept. */
export type Ns = number;
/** Guest physical address. Exact below 2^53; the board uses at most 52 bits. */
export type PhysAddr = number;
/** GIC interrupt number: SGI 0–15, PPI 16–31, SPI 32–1019, LPI from 8192. */
export type IntId = number;
/** Bytes of one access. 8-byte accesses use the 64-bit entry points. */
export type AccessSize = 1 | 2 | 4 | 8;
