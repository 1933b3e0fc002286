/** Pages in slabs: cheap to take and give back, and few objects for the garbage collector to look at. */
export class PageStore {
  readonly #pageBytes: number;
  readonly #slabs: Uint8Array[] = [];
  readonly #free: number[] = [];
  #next = 0;

  /** @param pageBytes a multiple of 8 */
  constructor(pageBytes: number) {
    this.#pageBytes = pageBytes;
  }

  /** Pages in use. */
  get used(): number {
    return this.#next - this.#free.length;
  }

  /** Copies a page in; returns its number. */
  add(from: Uint8Array, at: number): number {
    const page = this.#free.pop() ?? this.#next++;
    const slab = Math.floor(page / PAGES_PER_SLAB);
    if (slab === this.#slabs.length) this.#slabs.push(new Uint8Array(PAGES_PER_SLAB * this.#pageBytes));
    this.#slabs[slab]!.set(
      from.subarray(at, at + this.#pageBytes),
      (page % PAGES_PER_SLAB) * this.#pageBytes,
    );
    return page;
  }

  copy(page: number, to: Uint8Array, at: number): void {
    to.set(this.#bytes(page), at);
  }

  equals(page: number, other: Uint8Array, at: number): boolean {
    const bytes = this.#bytes(page);
    const words = this.#pageBytes / 4;
    const a = new Uint32Array(bytes.buffer, bytes.byteOffset, words);
    const b = new Uint32Array(other.buffer, other.byteOffset + at, words);
    for (let i = 0; i < words; i++) if (a[i] !== b[i]) return false;
    return true;
  }

  free(page: number): void {
    this.#free.push(page);
  }

  #bytes(page: number): Uint8Array {
    const at = (page % PAGES_PER_SLAB) * this.#pageBytes;
    return this.#slabs[Math.floor(page / PAGES_PER_SLAB)]!.subarray(at, at + this.#pageBytes);
  }
}

const PAGES_PER_SLAB = 256;
