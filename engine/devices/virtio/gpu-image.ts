/** Bytes of every format there is. */
export const GPU_BYTES_PER_PIXEL = 4;

/** Where red, green, blue and alpha are in a pixel's bytes (virtio 1.2, 5.7.6.8); -1: no alpha. */
export const GPU_FORMATS: { readonly [format: number]: readonly [number, number, number, number] } = {
  1: [2, 1, 0, 3],
  2: [2, 1, 0, -1],
  3: [1, 2, 3, 0],
  4: [1, 2, 3, -1],
  67: [0, 1, 2, 3],
  68: [3, 2, 1, -1],
  121: [3, 2, 1, 0],
  134: [0, 1, 2, -1],
};

/** A picture: red, green, blue and alpha of each pixel, by rows from the top. */
export class GpuImage {
  readonly width: number;
  readonly height: number;
  readonly rgba: Uint8Array;

  constructor(width: number, height: number) {
    this.width = width;
    this.height = height;
    this.rgba = new Uint8Array(width * height * 4);
  }

  /** A screen lets nothing shine through. */
  makeOpaque(): void {
    for (let i = 3; i < this.rgba.length; i += 4) this.rgba[i] = 255;
  }

  /** Lays a picture over this one, as far as its alpha says. */
  blend(top: GpuImage, left: number, above: number): void {
    for (let y = 0; y < top.height; y++) {
      for (let x = 0; x < top.width; x++) {
        const toX = left + x;
        const toY = above + y;
        if (toX < 0 || toY < 0 || toX >= this.width || toY >= this.height) continue;
        const from = (y * top.width + x) * 4;
        const to = (toY * this.width + toX) * 4;
        const alpha = top.rgba[from + 3]!;
        for (let c = 0; c < 3; c++) {
          const mixed = top.rgba[from + c]! * alpha + this.rgba[to + c]! * (255 - alpha);
          this.rgba[to + c] = Math.round(mixed / 255);
        }
      }
    }
  }
}
