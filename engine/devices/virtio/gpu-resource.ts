import type { DmaPort, StateValue } from '../../base/device.ts';
import { GPU_BYTES_PER_PIXEL, GPU_FORMATS, GpuImage } from './gpu-image.ts';
import type { Segment } from './virtqueue.ts';

type Rect = { readonly x: number; readonly y: number; readonly width: number; readonly height: number };

/** A two-dimensional resource of the graphics device: pixels, and the guest memory they come from. */
export class GpuResource {
  readonly id: number;
  readonly format: number;
  readonly width: number;
  readonly height: number;
  /** Undefined: none is attached. */
  backing: readonly Segment[] | undefined;
  #pixels: Uint8Array;
  /** Not shared with a saved state: may be written in place. */
  #own = true;

  constructor(id: number, format: number, width: number, height: number) {
    this.id = id;
    this.format = format;
    this.width = width;
    this.height = height;
    this.#pixels = new Uint8Array(this.bytes);
  }

  get bytes(): number {
    return this.width * this.height * GPU_BYTES_PER_PIXEL;
  }

  contains({ x, y, width, height }: Rect): boolean {
    return x + width <= this.width && y + height <= this.height;
  }

  /** Copies a rectangle out of guest memory; `offset` is where its first row begins in the backing. */
  transfer(rect: Rect, offset: number, dma: DmaPort): void {
    const pixels = this.#writable();
    const stride = this.width * GPU_BYTES_PER_PIXEL;
    const whole = offset === 0 && rect.x === 0 && rect.y === 0 && rect.width === this.width;
    if (whole) {
      this.#read(dma, 0, pixels.subarray(0, stride * rect.height));
      return;
    }
    for (let row = 0; row < rect.height; row++) {
      const to = (rect.y + row) * stride + rect.x * GPU_BYTES_PER_PIXEL;
      const into = pixels.subarray(to, to + rect.width * GPU_BYTES_PER_PIXEL);
      this.#read(dma, offset + stride * row, into);
    }
  }

  /** Beyond the end of the backing, and where there is no memory, pixels stay as they are. */
  #read(dma: DmaPort, offset: number, into: Uint8Array): void {
    let skip = offset;
    let done = 0;
    for (const { address, length } of this.backing ?? []) {
      if (done === into.length) return;
      if (skip >= length) {
        skip -= length;
        continue;
      }
      const count = Math.min(length - skip, into.length - done);
      dma.read(address + skip, into.subarray(done, done + count));
      done += count;
      skip = 0;
    }
  }

  image({ x, y, width, height }: Rect): GpuImage {
    const image = new GpuImage(width, height);
    const [red, green, blue, alpha] = GPU_FORMATS[this.format]!;
    let to = 0;
    for (let row = 0; row < height; row++) {
      let from = ((y + row) * this.width + x) * GPU_BYTES_PER_PIXEL;
      for (let column = 0; column < width; column++, from += GPU_BYTES_PER_PIXEL, to += 4) {
        image.rgba[to] = this.#pixels[from + red]!;
        image.rgba[to + 1] = this.#pixels[from + green]!;
        image.rgba[to + 2] = this.#pixels[from + blue]!;
        image.rgba[to + 3] = alpha < 0 ? 255 : this.#pixels[from + alpha]!;
      }
    }
    return image;
  }

  save(): { [key: string]: StateValue } {
    // The next write copies the pixels, so that a checkpoint costs nothing until then.
    this.#own = false;
    const { id, format, width, height, backing } = this;
    return {
      id,
      format,
      width,
      height,
      pixels: this.#pixels,
      backing: backing?.map(({ address, length }) => [address, length]) ?? null,
    };
  }

  static load(state: { [key: string]: StateValue }): GpuResource {
    const { id, format, width, height } = state as { [key: string]: number };
    const resource = new GpuResource(id!, format!, width!, height!);
    resource.#pixels = state.pixels as Uint8Array;
    resource.#own = false;
    const backing = state.backing as [number, number][] | null;
    if (backing !== null) resource.backing = backing.map(([address, length]) => ({ address, length }));
    return resource;
  }

  #writable(): Uint8Array {
    if (!this.#own) {
      this.#pixels = this.#pixels.slice();
      this.#own = true;
    }
    return this.#pixels;
  }
}
