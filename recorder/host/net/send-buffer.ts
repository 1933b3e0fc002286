/** Bytes of a stream from the first that is not acknowledged on; any part of them may be needed again. */
export class SendBuffer {
  #chunks: Uint8Array[] = [];
  /** Bytes of the first chunk that are done with. */
  #skip = 0;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#chunks.push(bytes);
    this.#length += bytes.length;
  }

  /** Lets go of the first bytes. */
  drop(count: number): void {
    let left = Math.min(count, this.#length);
    this.#length -= left;
    while (left > 0) {
      const rest = this.#chunks[0]!.length - this.#skip;
      if (left < rest) {
        this.#skip += left;
        return;
      }
      left -= rest;
      this.#chunks.shift();
      this.#skip = 0;
    }
  }

  /** A copy of at most `length` bytes, `offset` behind the first. */
  slice(offset: number, length: number): Uint8Array {
    const out = new Uint8Array(Math.max(0, Math.min(length, this.#length - offset)));
    let done = 0;
    let from = offset + this.#skip;
    for (const chunk of this.#chunks) {
      if (done === out.length) break;
      if (from >= chunk.length) {
        from -= chunk.length;
        continue;
      }
      const part = chunk.subarray(from, from + out.length - done);
      out.set(part, done);
      done += part.length;
      from = 0;
    }
    return out;
  }
}
