/** Bytes on their way from the host to a device of the machine. */

const RESUME_BELOW = 4096;
const PAUSE_ABOVE = 65536;

export class InputQueue {
  #chunks: Uint8Array[] = [];
  #length = 0;
  #listener: (() => void) | undefined;
  /** Called when much or little is waiting, so that a long paste does not pile up. */
  onPressure: ((full: boolean) => void) | undefined;

  #ended = false;

  /** No more bytes will come. */
  get ended(): boolean {
    return this.#ended;
  }

  end(): void {
    this.#ended = true;
    this.#listener?.();
  }

  get length(): number {
    return this.#length;
  }

  push(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#chunks.push(bytes);
    this.#length += bytes.length;
    if (this.#length > PAUSE_ABOVE) this.onPressure?.(true);
    this.#listener?.();
  }

  take(count: number): Uint8Array {
    const out = new Uint8Array(Math.min(count, this.#length));
    let done = 0;
    while (done < out.length) {
      const first = this.#chunks[0]!;
      const part = first.subarray(0, out.length - done);
      out.set(part, done);
      done += part.length;
      if (part.length === first.length) this.#chunks.shift();
      else this.#chunks[0] = first.subarray(part.length);
    }
    this.#length -= out.length;
    if (this.#length < RESUME_BELOW) this.onPressure?.(false);
    return out;
  }

  /** At most one listener, told when bytes have come. */
  onPush(listener: (() => void) | undefined): void {
    this.#listener = listener;
  }
}
