/** Console output of one device, by lines, with the moment at which each line began. */
export class ConsoleText {
  #bytes = new Uint8Array(1 << 16);
  #length = 0;
  #starts = new Float64Array(1 << 10);
  #positions = new Float64Array(1 << 10);
  #ordinals = new Uint32Array(1 << 10);
  #times = new Float64Array(1 << 10);
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
    this.#lines++;
    this.#fresh = false;
  }

  #grow(): void {
    const larger = <T extends Float64Array | Uint32Array>(old: T, made: T): T => {
      made.set(old);
      return made;
    };
    const size = 2 * this.#starts.length;
    this.#starts = larger(this.#starts, new Float64Array(size));
    this.#positions = larger(this.#positions, new Float64Array(size));
    this.#times = larger(this.#times, new Float64Array(size));
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

const decoder = new TextDecoder();
// Colours, cursor movements and titles; what a page shows is the text.
// biome-ignore lint/suspicious/noControlCharactersInRegex: terminals speak in control characters
const ESCAPES = /\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])/g;
// biome-ignore lint/suspicious/noControlCharactersInRegex: the same
const CONTROLS = /[\x00-\x08\x0b-\x1f\x7f]/g;

/** Text as a person reads it: no escape sequences, the last of what carriage returns and backspaces overwrote. */
export function readable(bytes: Uint8Array): string {
  const text = decoder.decode(bytes).replace(ESCAPES, '').replace(/\r*\n/g, '\n').replace(/\r+$/, '');
  const lines = text.split('\n').map((line) => {
    let shown = line.slice(line.lastIndexOf('\r') + 1);
    // A backspace takes back what stands before it.
    for (let at = shown.indexOf('\b'); at >= 0; at = shown.indexOf('\b')) {
      shown = shown.slice(0, Math.max(0, at - 1)) + shown.slice(at + 1);
    }
    return shown.replace(CONTROLS, '');
  });
  return lines.join('\n');
}
