import { type CompiledEncoding, compileEncoding, type Encoding } from './encoding.ts';

/**
 * Finds the encoding of an instruction word: a table by bits 31:21, whose rows hold the few encodings that
 * are possible there.
 */
export class Decoder {
  readonly encodings: readonly CompiledEncoding[];
  readonly #rows: Uint16Array[] = [];
  readonly #mask: Uint32Array;
  readonly #value: Uint32Array;
  readonly #where: (((word: number) => boolean) | undefined)[];

  constructor(encodings: readonly Encoding[]) {
    this.encodings = encodings.map(compileEncoding);
    this.#mask = Uint32Array.from(this.encodings, (e) => e.mask);
    this.#value = Uint32Array.from(this.encodings, (e) => e.value);
    this.#where = this.encodings.map((e) => e.where);
    for (let row = 0; row < 2048; row++) {
      const bits = (row << 21) >>> 0;
      const candidates: number[] = [];
      this.encodings.forEach((e, i) => {
        const mask = (e.mask & 0xffe00000) >>> 0;
        if ((bits & mask) >>> 0 === (e.value & mask) >>> 0) candidates.push(i);
      });
      this.#rows.push(Uint16Array.from(candidates));
    }
  }

  /** Index into `encodings`, or -1 for an unallocated word. */
  find(word: number): number {
    const row = this.#rows[word >>> 21]!;
    for (let i = 0; i < row.length; i++) {
      const index = row[i]!;
      if ((word & this.#mask[index]!) >>> 0 === this.#value[index]) {
        const where = this.#where[index];
        if (where === undefined || where(word)) return index;
      }
    }
    return -1;
  }
}
