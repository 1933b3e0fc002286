/**
 * Frames of network devices as a capture file (draft-ietf-opsawg-pcapng), as Wireshark reads it. Times are virtual,
 * in nanoseconds since the machine was switched on; the position of each frame is its comment.
 */
import type { Ns, Position } from '../../engine/base/units.ts';

export interface CapturedFrame {
  readonly device: string;
  /** As the guest sees it. */
  readonly direction: 'received' | 'sent';
  readonly position: Position;
  readonly time: Ns;
  readonly bytes: Uint8Array;
}

const BLOCK = { SECTION: 0x0a0d0d0a, INTERFACE: 1, PACKET: 6 } as const;
const BYTE_ORDER_MAGIC = 0x1a2b3c4d;
const LINK_ETHERNET = 1;
const OPTION = { END: 0, COMMENT: 1, NAME: 2, FLAGS: 2, APPLICATION: 4, TIME_RESOLUTION: 9 } as const;
/** Powers of ten of a second. */
const NANOSECONDS = 9;
const DIRECTION = { received: 1, sent: 2 } as const;

class Writer {
  readonly #parts: number[] = [];

  u16(value: number): this {
    this.#parts.push(value & 0xff, (value >>> 8) & 0xff);
    return this;
  }

  u32(value: number): this {
    return this.u16(value & 0xffff).u16(value >>> 16);
  }

  bytes(bytes: Iterable<number>): this {
    for (const byte of bytes) this.#parts.push(byte);
    while (this.#parts.length % 4 !== 0) this.#parts.push(0);
    return this;
  }

  option(code: number, value: Uint8Array): this {
    return this.u16(code).u16(value.length).bytes(value);
  }

  done(): Uint8Array {
    return Uint8Array.from(this.#parts);
  }
}

function block(type: number, body: Uint8Array): Uint8Array {
  const length = body.length + 12;
  const out = new Uint8Array(length);
  const view = new DataView(out.buffer);
  view.setUint32(0, type, true);
  view.setUint32(4, length, true);
  out.set(body, 8);
  view.setUint32(length - 4, length, true);
  return out;
}

const text = (value: string): Uint8Array => new TextEncoder().encode(value);

/** What a file begins with: a section, and an interface for each device. */
export function pcapngHeader(devices: readonly string[], application: string): Uint8Array[] {
  const section = new Writer().u32(BYTE_ORDER_MAGIC).u16(1).u16(0).u32(0xffff_ffff).u32(0xffff_ffff);
  section.option(OPTION.APPLICATION, text(application)).u32(OPTION.END);
  const interfaces = devices.map((device) => {
    const body = new Writer().u16(LINK_ETHERNET).u16(0).u32(0);
    body.option(OPTION.NAME, text(device)).option(OPTION.TIME_RESOLUTION, Uint8Array.of(NANOSECONDS));
    return block(BLOCK.INTERFACE, body.u32(OPTION.END).done());
  });
  return [block(BLOCK.SECTION, section.done()), ...interfaces];
}

/** @param index of the device in the list that the header was made of */
export function pcapngFrame(index: number, frame: CapturedFrame): Uint8Array {
  const { time, bytes, direction, position } = frame;
  const ns = Math.floor(time);
  const flags = new Writer().u32(DIRECTION[direction]).done();
  const body = new Writer()
    .u32(index)
    .u32(Math.floor(ns / 2 ** 32))
    .u32(ns % 2 ** 32)
    .u32(bytes.length)
    .u32(bytes.length)
    .bytes(bytes)
    .option(OPTION.COMMENT, text(`position ${position}`))
    .option(OPTION.FLAGS, flags)
    .u32(OPTION.END);
  return block(BLOCK.PACKET, body.done());
}
