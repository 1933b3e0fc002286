/** JSON values out of a stream of bytes that may be cut anywhere and may be anything at all. */

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

export type JsonPiece =
  | { readonly kind: 'value'; readonly value: Json }
  /** What came is no JSON value; what follows is looked at afresh. */
  | { readonly kind: 'error'; readonly message: string };

/** Bytes of one value. */
export const MAX_VALUE_BYTES = 1 << 20;
/** Objects and lists inside each other. */
export const MAX_DEPTH = 256;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const SPACES = [0x20, 0x09, 0x0a, 0x0d];
const OPEN = [0x7b, 0x5b];
const CLOSE = [0x7d, 0x5d];
/** Clients send this byte, which is in no UTF-8 text, to begin anew whatever was before. */
const RESTART = 0xff;

/**
 * Finds where values end by their brackets and quotes, and leaves the rest to JSON.parse. A line feed inside a
 * string is no JSON; so an unfinished value does not swallow what comes on later lines for ever.
 */
export class JsonStream {
  #bytes: number[] = [];
  #depth = 0;
  #inString = false;
  #escaped = false;
  /** The rest of the line belongs to a value that was given up. */
  #skipping = false;

  feed(bytes: Uint8Array): JsonPiece[] {
    const pieces: JsonPiece[] = [];
    for (const byte of bytes) this.#take(byte, pieces);
    return pieces;
  }

  #take(byte: number, pieces: JsonPiece[]): void {
    if (byte === RESTART) {
      const wasEmpty = this.#bytes.length === 0 && !this.#skipping;
      this.#restart();
      if (!wasEmpty) pieces.push({ kind: 'error', message: 'JSON parse error: the value was broken off' });
      return;
    }
    if (this.#skipping) {
      if (byte === 0x0a) this.#restart();
      return;
    }
    if (this.#inString) {
      if (byte < 0x20) this.#giveUp(byte, 'a control character in a string', pieces);
      else this.#push(byte, pieces);
      if (this.#escaped) this.#escaped = false;
      else if (byte === BACKSLASH) this.#escaped = true;
      else if (byte === QUOTE) {
        this.#inString = false;
        if (this.#depth === 0) this.#finish(pieces);
      }
      return;
    }
    if (SPACES.includes(byte)) {
      if (this.#bytes.length === 0) return;
      if (this.#depth === 0) this.#finish(pieces);
      else this.#push(byte, pieces);
      return;
    }
    if (byte === QUOTE || OPEN.includes(byte)) {
      // A word right before it is a value of its own.
      if (this.#depth === 0 && this.#bytes.length > 0) this.#finish(pieces);
      if (byte === QUOTE) this.#inString = true;
      else this.#depth += 1;
      if (this.#depth > MAX_DEPTH) this.#giveUp(byte, `more than ${MAX_DEPTH} levels`, pieces);
      else this.#push(byte, pieces);
      return;
    }
    if (CLOSE.includes(byte)) {
      if (this.#depth === 0) {
        if (this.#bytes.length > 0) this.#finish(pieces);
        pieces.push({ kind: 'error', message: 'JSON parse error: a closing bracket without an opening one' });
        return;
      }
      this.#depth -= 1;
      this.#push(byte, pieces);
      if (this.#depth === 0) this.#finish(pieces);
      return;
    }
    this.#push(byte, pieces);
  }

  #push(byte: number, pieces: JsonPiece[]): void {
    if (this.#bytes.length >= MAX_VALUE_BYTES)
      this.#giveUp(byte, `more than ${MAX_VALUE_BYTES} bytes`, pieces);
    else this.#bytes.push(byte);
  }

  #giveUp(byte: number, why: string, pieces: JsonPiece[]): void {
    this.#restart();
    this.#skipping = byte !== 0x0a;
    pieces.push({ kind: 'error', message: `JSON parse error: ${why}` });
  }

  #restart(): void {
    this.#bytes = [];
    this.#depth = 0;
    this.#inString = false;
    this.#escaped = false;
    this.#skipping = false;
  }

  #finish(pieces: JsonPiece[]): void {
    const bytes = Uint8Array.from(this.#bytes);
    this.#restart();
    try {
      const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
      pieces.push({ kind: 'value', value: JSON.parse(text) as Json });
    } catch {
      pieces.push({ kind: 'error', message: 'JSON parse error: this is no JSON value' });
    }
  }
}
