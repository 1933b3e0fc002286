import { readable } from '../../recorder/session/readable.ts';
import { type StyledRun, styleAfter, styledLine } from './console-style.ts';
import type { ConsoleFacts } from './protocol.ts';

export { readable };

/** On a time axis they say nothing. */
const TIME_STAMP = /^\[ *\d+(\.\d+)?( [mun]?s)?\] */;

/** Console output of one device, by lines, with the moment at which each line began. */
export class ConsoleText {
  #bytes = new Uint8Array(1 << 16);
  #length = 0;
  #starts = new Float64Array(1 << 10);
  #positions = new Float64Array(1 << 10);
  #ordinals = new Uint32Array(1 << 10);
  #times = new Float64Array(1 << 10);
  /** Style at the beginning of each line. */
  #styles = new Uint16Array(1 << 10);
  #lines = 0;
  /** The next byte begins a line. */
  #fresh = true;

  /** Lines that were begun. */
  get lines(): number {
    return this.#lines;
  }

  append(bytes: Uint8Array, position: number, ordinal: number, time: number): void {
    if (this.#length + bytes.length > this.#bytes.length) {
      const larger = new Uint8Array(2 * (this.#length + bytes.length));
      larger.set(this.#bytes.subarray(0, this.#length));
      this.#bytes = larger;
    }
    for (const byte of bytes) {
      if (this.#fresh) this.#begin(position, ordinal, time);
      this.#bytes[this.#length++] = byte;
      this.#fresh = byte === 0x0a;
    }
  }

  #begin(position: number, ordinal: number, time: number): void {
    if (this.#lines === this.#starts.length) this.#grow();
    this.#starts[this.#lines] = this.#length;
    this.#positions[this.#lines] = position;
    this.#ordinals[this.#lines] = ordinal;
    this.#times[this.#lines] = time;
    this.#styles[this.#lines] =
      this.#lines === 0 ? 0 : styleAfter(this.bytes(this.#lines - 1), this.#styles[this.#lines - 1]!);
    this.#lines++;
    this.#fresh = false;
  }

  #grow(): void {
    const larger = <T extends Float64Array | Uint32Array | Uint16Array>(old: T, made: T): T => {
      made.set(old);
      return made;
    };
    const size = 2 * this.#starts.length;
    this.#starts = larger(this.#starts, new Float64Array(size));
    this.#positions = larger(this.#positions, new Float64Array(size));
    this.#times = larger(this.#times, new Float64Array(size));
    this.#styles = larger(this.#styles, new Uint16Array(size));
    this.#ordinals = larger(this.#ordinals, new Uint32Array(size));
  }

  position(line: number): number {
    return this.#positions[line]!;
  }
  ordinal(line: number): number {
    return this.#ordinals[line]!;
  }
  time(line: number): number {
    return this.#times[line]!;
  }

  /** The bytes of a line with its line feed. */
  bytes(line: number): Uint8Array {
    const end = line + 1 < this.#lines ? this.#starts[line + 1]! : this.#length;
    return this.#bytes.subarray(this.#starts[line]!, end);
  }

  text(line: number): string {
    return readable(this.bytes(line));
  }

  /** The line in pieces of one style; undefined if it is plain. */
  runs(line: number, bytes: Uint8Array = this.bytes(line)): StyledRun[] | undefined {
    return styledLine(bytes, this.#styles[line]!);
  }

  /** Beginnings of at most `limit` lines, evenly chosen. */
  labels(limit: number, length: number): ConsoleFacts['labels'] {
    const step = Math.max(1, Math.ceil(this.#lines / limit));
    const count = Math.ceil(this.#lines / step);
    const chosen = Array.from({ length: count }, (_, i) => i * step);
    return {
      position: Float64Array.from(chosen, (line) => this.position(line)),
      time: Float64Array.from(chosen, (line) => this.time(line)),
      text: chosen.map((line) => this.text(line).trim().replace(TIME_STAMP, '').slice(0, length)),
    };
  }

  /** The last line that begins before a position, or -1. */
  lineBefore(position: number): number {
    let low = 0;
    let high = this.#lines;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#positions[middle]! < position) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }
}
