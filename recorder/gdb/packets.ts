/**
 * Framing of the gdb remote protocol (gdb manual, "Remote Protocol, Overview"): bytes in, packets out, however
 * the bytes are cut. Nothing in here believes its input.
 */

export type Incoming =
  /** Contents without frame and escapes, one character a byte. */
  | { readonly kind: 'packet'; readonly data: string }
  /** Checksum wrong, or longer than anybody may send. */
  | { readonly kind: 'damaged' }
  | { readonly kind: 'ack' }
  | { readonly kind: 'nack' }
  /** Ctrl-C. */
  | { readonly kind: 'interrupt' };

/** Most bytes between `$` and `#`, in both directions; told to gdb as PacketSize. */
export const MAX_PACKET = 0x10000;

const DOLLAR = 0x24;
const HASH = 0x23;
const ESCAPE = 0x7d;
const STAR = 0x2a;
const INTERRUPT = 0x03;

const hexDigit = (byte: number): number => {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const letter = byte | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1;
};

export class PacketParser {
  #state: 'outside' | 'inside' | 'sum1' | 'sum2' = 'outside';
  #data = '';
  #sum = 0;
  #isEscaped = false;
  #isTooLong = false;
  #wanted = 0;

  feed(bytes: Uint8Array): Incoming[] {
    const found: Incoming[] = [];
    for (const byte of bytes) {
      const incoming = this.#byte(byte);
      if (incoming !== undefined) found.push(incoming);
    }
    return found;
  }

  #byte(byte: number): Incoming | undefined {
    switch (this.#state) {
      case 'outside':
        if (byte === DOLLAR) this.#begin();
        else if (byte === 0x2b) return { kind: 'ack' };
        else if (byte === 0x2d) return { kind: 'nack' };
        else if (byte === INTERRUPT) return { kind: 'interrupt' };
        return undefined;
      case 'inside':
        // A `$` cannot be part of a packet: the end of the one before was lost.
        if (byte === DOLLAR) this.#begin();
        else if (byte === HASH) this.#state = 'sum1';
        else this.#add(byte);
        return undefined;
      case 'sum1':
        this.#wanted = hexDigit(byte) * 16;
        this.#state = 'sum2';
        return undefined;
      case 'sum2': {
        this.#state = 'outside';
        const digit = hexDigit(byte);
        const isWhole = this.#wanted >= 0 && digit >= 0 && this.#wanted + digit === (this.#sum & 255);
        if (!isWhole || this.#isTooLong || this.#isEscaped) return { kind: 'damaged' };
        return { kind: 'packet', data: this.#data };
      }
    }
  }

  #begin(): void {
    this.#state = 'inside';
    this.#data = '';
    this.#sum = 0;
    this.#isEscaped = false;
    this.#isTooLong = false;
  }

  #add(byte: number): void {
    this.#sum = (this.#sum + byte) & 255;
    if (byte === ESCAPE && !this.#isEscaped) {
      this.#isEscaped = true;
      return;
    }
    if (this.#data.length >= MAX_PACKET) {
      this.#isTooLong = true;
      return;
    }
    this.#data += String.fromCharCode(this.#isEscaped ? byte ^ 0x20 : byte);
    this.#isEscaped = false;
  }
}

/** A packet with frame, escapes and checksum. @param data one character a byte */
export function frame(data: string): Uint8Array {
  const bytes: number[] = [DOLLAR];
  let sum = 0;
  const add = (byte: number): void => {
    bytes.push(byte);
    sum = (sum + byte) & 255;
  };
  for (let i = 0; i < data.length; i++) {
    const byte = data.charCodeAt(i) & 255;
    if (byte === DOLLAR || byte === HASH || byte === ESCAPE || byte === STAR) {
      add(ESCAPE);
      add(byte ^ 0x20);
    } else add(byte);
  }
  bytes.push(HASH, ...[...sum.toString(16).padStart(2, '0')].map((digit) => digit.charCodeAt(0)));
  return Uint8Array.from(bytes);
}

export function toHex(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += byte.toString(16).padStart(2, '0');
  return text;
}

/** Undefined if the text is not pairs of hexadecimal digits. */
export function fromHex(text: string): Uint8Array | undefined {
  if (text.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(text)) return undefined;
  const bytes = new Uint8Array(text.length / 2);
  for (let i = 0; i < bytes.length; i++) bytes[i] = Number.parseInt(text.slice(2 * i, 2 * i + 2), 16);
  return bytes;
}

export function latin1(text: string): Uint8Array {
  return Uint8Array.from(text, (c) => c.charCodeAt(0) & 255);
}

export function fromLatin1(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}
