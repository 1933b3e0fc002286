/**
 * Sums over a row of bins at every power of two, so that a picture costs what it shows and not what exists.
 *
 * A pyramid is one typed array of 2n elements for n bins (n a power of two), laid out as a binary heap: element
 * n + i is bin i, element i is the sum of elements 2i and 2i + 1, so the level with L bins begins at L. Element
 * 0 is not used.
 */
export type Pyramid = Uint32Array<ArrayBuffer> | Float32Array<ArrayBuffer>;

export function binsOf(pyramid: Pyramid): number {
  return pyramid.length / 2;
}

/** Computes every level above the bins. */
export function sumUp(pyramid: Pyramid): void {
  for (let i = pyramid.length / 2 - 1; i >= 1; i--) pyramid[i] = pyramid[2 * i]! + pyramid[2 * i + 1]!;
}

/** Sum of the bins from `from` up to and without `to`. */
export function rangeSum(pyramid: Pyramid, from: number, to: number): number {
  const bins = binsOf(pyramid);
  let sum = 0;
  let low = bins + Math.max(0, from);
  let high = bins + Math.min(bins, to);
  while (low < high) {
    if (low & 1) sum += pyramid[low++]!;
    if (high & 1) sum += pyramid[--high]!;
    low >>>= 1;
    high >>>= 1;
  }
  return sum;
}

/**
 * Number of bins of the level to draw: the finest in which a bin is at least `minPixels` wide.
 * @param bins finest level there is
 * @param extent length of the whole axis
 * @param span length of what is shown
 * @param width pixels it is shown in
 */
export function levelFor(bins: number, extent: number, span: number, width: number, minPixels = 1): number {
  // The number of bins that would make each exactly minPixels wide.
  const wanted = (width / minPixels) * (extent / span);
  if (!(wanted >= 1)) return 1;
  return Math.min(bins, 2 ** Math.floor(Math.log2(wanted)));
}

/** Adds `amount` of something spread evenly over [from, to), in units of bins, to the bins of a pyramid. */
export function spread(pyramid: Pyramid, from: number, to: number, amount: number): void {
  const bins = binsOf(pyramid);
  const low = Math.max(0, from);
  const high = Math.min(bins, to);
  if (!(high > low)) {
    if (to >= 0 && from <= bins && amount > 0) pyramid[bins + Math.min(bins - 1, Math.floor(low))]! += amount;
    return;
  }
  const density = amount / (high - low);
  const first = Math.floor(low);
  const last = Math.min(bins - 1, Math.ceil(high) - 1);
  if (first === last) {
    pyramid[bins + first]! += amount;
    return;
  }
  pyramid[bins + first]! += (first + 1 - low) * density;
  for (let i = first + 1; i < last; i++) pyramid[bins + i]! += density;
  pyramid[bins + last]! += (high - last) * density;
}

/** Memory for all lanes of a trace. */
const MAX_BYTES = 192 << 20;

/**
 * A good number of bins for so many events: a power of two from 2^12 to 2^17, less if there are so many lanes
 * that they would not fit into memory.
 * @param bytesPerBin of all lanes together
 */
export function binCount(events: number, bytesPerBin = 0): number {
  const wanted = 2 ** Math.ceil(Math.log2(Math.max(1, events / 16)));
  const possible = 2 ** Math.floor(Math.log2(MAX_BYTES / Math.max(1, bytesPerBin)));
  return Math.max(1 << 8, Math.min(1 << 17, possible, Math.max(1 << 12, wanted)));
}
