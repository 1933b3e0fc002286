import type { DeviceState, StateValue } from '../../base/device.ts';
import type { Register } from '../../base/register-map.ts';
import { hashBytes } from '../../base/state-hash.ts';
import { edidOf } from './gpu-edid.ts';
import { GPU_BYTES_PER_PIXEL, GPU_FORMATS, type GpuImage } from './gpu-image.ts';
import { GpuResource } from './gpu-resource.ts';
import { feature, VIRTIO_ID } from './virtio-bits.ts';
import type { VirtioBackend, VirtioHost } from './virtio-device.ts';
import type { Chain, Segment } from './virtqueue.ts';

export interface VirtioGpuOptions {
  /** Size the display asks for, in pixels. */
  readonly width: number;
  readonly height: number;
  /** The display says what it is (VIRTIO_GPU_F_EDID). */
  readonly edid?: boolean;
}

const CONTROL = 0;
const CURSOR = 1;

/** Commands and responses (virtio 1.2, 5.7.6.7). */
const COMMAND = {
  GET_DISPLAY_INFO: 0x100,
  RESOURCE_CREATE_2D: 0x101,
  RESOURCE_UNREF: 0x102,
  SET_SCANOUT: 0x103,
  RESOURCE_FLUSH: 0x104,
  TRANSFER_TO_HOST_2D: 0x105,
  RESOURCE_ATTACH_BACKING: 0x106,
  RESOURCE_DETACH_BACKING: 0x107,
  GET_EDID: 0x10a,
  UPDATE_CURSOR: 0x300,
  MOVE_CURSOR: 0x301,
} as const;
const RESPONSE = {
  OK_NODATA: 0x1100,
  OK_DISPLAY_INFO: 0x1101,
  OK_EDID: 0x1104,
  ERR_UNSPEC: 0x1200,
  ERR_OUT_OF_MEMORY: 0x1201,
  ERR_INVALID_SCANOUT_ID: 0x1202,
  ERR_INVALID_RESOURCE_ID: 0x1203,
  ERR_INVALID_PARAMETER: 0x1205,
} as const;
/** Feature bit (5.7.3). */
const F_EDID = 1;
const FLAG_FENCE = 1;
const HEADER_BYTES = 24;
const SCANOUTS = 1;
const SCANOUTS_MAX = 16;
const DISPLAY_BYTES = 24;
/** What all resources may take together, and entries of a backing (QEMU). */
const MEMORY_MAX = 256 * 1024 * 1024;
const BACKING_ENTRIES_MAX = 16_384;
/** QEMU: smaller scan-outs are refused. */
const SCANOUT_LEAST = 16;
/** Sides longer than this make no image (16-bit coordinates of displays). */
const SIDE_MAX = 0x8000;

/** Configuration space (5.7.4). */
const CONFIG: readonly Register[] = [
  {
    name: 'events_read',
    offset: 0,
    width: 4,
    access: 'RO',
    reset: 0,
    fields: [{ name: 'DISPLAY', hi: 0, lo: 0 }],
  },
  { name: 'events_clear', offset: 4, width: 4, access: 'RW', reset: 0, meaning: 'events to be cleared' },
  { name: 'num_scanouts', offset: 8, width: 4, access: 'RO', reset: SCANOUTS },
  { name: 'num_capsets', offset: 12, width: 4, access: 'RO', reset: 0 },
];

type Rect = { readonly x: number; readonly y: number; readonly width: number; readonly height: number };
type Scanout = Rect & { readonly resource: number };
type Cursor = {
  readonly x: number;
  readonly y: number;
  readonly hotX: number;
  readonly hotY: number;
  readonly resource: number;
};

const NO_SCANOUT: Scanout = { x: 0, y: 0, width: 0, height: 0, resource: 0 };
const NO_CURSOR: Cursor = { x: 0, y: 0, hotX: 0, hotY: 0, resource: 0 };

/**
 * Graphics device (virtio 1.2, section 5.7), two-dimensional, with one scan-out and a cursor, as QEMU's.
 * What is on the screen is state of the machine: `screen` shows it as of now.
 */
export class VirtioGpu implements VirtioBackend {
  readonly name = 'gpu';
  readonly deviceId = VIRTIO_ID.GPU;
  readonly queueSizes = [64, 16];
  readonly configBytes = 16;
  readonly configRegisters = CONFIG;
  readonly #size: VirtioGpuOptions;
  #host!: VirtioHost;
  #resources = new Map<number, GpuResource>();
  #memory = 0;
  #scanout = NO_SCANOUT;
  #cursor = NO_CURSOR;

  constructor(options: VirtioGpuOptions) {
    this.#size = options;
  }

  // SPEC-GAP: no 3D, no blobs.
  features(): bigint {
    return this.#size.edid === true ? feature(F_EDID) : 0n;
  }

  attach(host: VirtioHost): void {
    this.#host = host;
  }

  readConfig(config: DataView): void {
    config.setUint32(8, SCANOUTS, true);
  }

  handleQueue(index: number): void {
    const queue = this.#host.queue(index);
    let used = false;
    for (let chain = queue.pop(); chain !== undefined; chain = queue.pop()) {
      const written = index === CONTROL ? this.#control(chain) : this.#pointer(chain);
      if (written === undefined) return;
      queue.push(chain, written);
      used = true;
    }
    if (used) queue.signal();
  }

  reset(): void {
    this.#resources.clear();
    this.#memory = 0;
    this.#scanout = NO_SCANOUT;
    this.#cursor = NO_CURSOR;
  }

  save(): DeviceState {
    return {
      resources: [...this.#resources.values()].sort((a, b) => a.id - b.id).map((resource) => resource.save()),
      scanout: { ...this.#scanout },
      cursor: { ...this.#cursor },
    };
  }

  load(state: DeviceState): void {
    this.#resources = new Map(
      (state.resources as { [key: string]: StateValue }[]).map((saved) => {
        const resource = GpuResource.load(saved);
        return [resource.id, resource];
      }),
    );
    this.#memory = [...this.#resources.values()].reduce((sum, { bytes }) => sum + bytes, 0);
    this.#scanout = state.scanout as unknown as Scanout;
    this.#cursor = state.cursor as unknown as Cursor;
  }

  /** What is on the screen; undefined: nothing. The cursor is drawn into it. */
  screen(): GpuImage | undefined {
    const { resource: id, ...rect } = this.#scanout;
    const image = this.#resources.get(id)?.image(rect);
    image?.makeOpaque();
    const cursor = this.#resources.get(this.#cursor.resource);
    if (image !== undefined && cursor !== undefined) {
      const { x, y, hotX, hotY } = this.#cursor;
      image.blend(
        cursor.image({ x: 0, y: 0, width: cursor.width, height: cursor.height }),
        x - hotX,
        y - hotY,
      );
    }
    return image;
  }

  /* --- Commands ----------------------------------------------------------------------------------------- */

  /** Bytes of the answer; undefined: the device broke. */
  #control(chain: Chain): number | undefined {
    const queue = this.#host.queue(CONTROL);
    const request = new Uint8Array(Math.min(chain.outBytes, HEADER_BYTES + 8 + 16 * BACKING_ENTRIES_MAX));
    if (!queue.readOut(chain, 0, request)) return undefined;
    if (request.length < HEADER_BYTES) {
      this.#host.observer.guestError(0, `a command of ${request.length} bytes, less than its header`);
      return 0;
    }
    const view = new DataView(request.buffer);
    const type = view.getUint32(0, true);
    const answer = this.#command(type, view);
    const bytes = typeof answer === 'number' ? new Uint8Array(HEADER_BYTES) : answer;
    const head = new DataView(bytes.buffer);
    const status = typeof answer === 'number' ? answer : head.getUint32(0, true);
    head.setUint32(0, status, true);
    if (status >= RESPONSE.ERR_UNSPEC) {
      this.#host.observer.guestError(
        0,
        `command 0x${type.toString(16)} refused with 0x${status.toString(16)}`,
      );
    }
    if ((view.getUint32(4, true) & FLAG_FENCE) !== 0) {
      head.setUint32(4, FLAG_FENCE, true);
      bytes.set(request.subarray(8, 20), 8);
    }
    const fits = bytes.subarray(0, chain.inBytes);
    if (!queue.writeIn(chain, 0, fits)) return undefined;
    return fits.length;
  }

  #command(type: number, view: DataView): number | Uint8Array {
    const u32 = (offset: number): number => view.getUint32(HEADER_BYTES + offset, true);
    /** Bytes behind the header that the command needs. */
    const has = (bytes: number): boolean => view.byteLength >= HEADER_BYTES + bytes;
    switch (type) {
      case COMMAND.GET_DISPLAY_INFO:
        return this.#displayInfo();
      case COMMAND.GET_EDID:
        return has(8) ? this.#edid(u32(0)) : RESPONSE.ERR_UNSPEC;
      case COMMAND.RESOURCE_CREATE_2D:
        return has(16) ? this.#create(u32(0), u32(4), u32(8), u32(12)) : RESPONSE.ERR_UNSPEC;
      case COMMAND.RESOURCE_UNREF:
        return has(4) ? this.#unref(u32(0)) : RESPONSE.ERR_UNSPEC;
      case COMMAND.SET_SCANOUT:
        return has(24) ? this.#setScanout(rectOf(u32), u32(16), u32(20)) : RESPONSE.ERR_UNSPEC;
      case COMMAND.RESOURCE_FLUSH:
        return has(20) ? this.#flush(rectOf(u32), u32(16)) : RESPONSE.ERR_UNSPEC;
      case COMMAND.TRANSFER_TO_HOST_2D:
        return has(28)
          ? this.#transfer(rectOf(u32), u32(16) + u32(20) * 2 ** 32, u32(24))
          : RESPONSE.ERR_UNSPEC;
      case COMMAND.RESOURCE_ATTACH_BACKING:
        return has(8) ? this.#attachBacking(u32(0), u32(4), view) : RESPONSE.ERR_UNSPEC;
      case COMMAND.RESOURCE_DETACH_BACKING:
        return has(4) ? this.#detachBacking(u32(0)) : RESPONSE.ERR_UNSPEC;
      default:
        return RESPONSE.ERR_UNSPEC;
    }
  }

  #displayInfo(): Uint8Array {
    const bytes = new Uint8Array(HEADER_BYTES + SCANOUTS_MAX * DISPLAY_BYTES);
    const view = new DataView(bytes.buffer);
    view.setUint32(0, RESPONSE.OK_DISPLAY_INFO, true);
    view.setUint32(HEADER_BYTES + 8, this.#size.width, true);
    view.setUint32(HEADER_BYTES + 12, this.#size.height, true);
    view.setUint32(HEADER_BYTES + 16, 1, true);
    return bytes;
  }

  /** QEMU: whether or not the feature was offered. */
  #edid(scanout: number): number | Uint8Array {
    if (scanout >= SCANOUTS) return RESPONSE.ERR_INVALID_PARAMETER;
    const edid = edidOf(this.#size.width, this.#size.height);
    const bytes = new Uint8Array(HEADER_BYTES + 8 + edid.length);
    const view = new DataView(bytes.buffer);
    view.setUint32(0, RESPONSE.OK_EDID, true);
    view.setUint32(HEADER_BYTES, edid.length, true);
    bytes.set(edid, HEADER_BYTES + 8);
    return bytes;
  }

  #create(id: number, format: number, width: number, height: number): number {
    if (id === 0 || this.#resources.has(id)) return RESPONSE.ERR_INVALID_RESOURCE_ID;
    if (GPU_FORMATS[format] === undefined) return RESPONSE.ERR_INVALID_PARAMETER;
    if (width === 0 || height === 0 || width > SIDE_MAX || height > SIDE_MAX)
      return RESPONSE.ERR_OUT_OF_MEMORY;
    const bytes = width * height * GPU_BYTES_PER_PIXEL;
    if (this.#memory + bytes > MEMORY_MAX) return RESPONSE.ERR_OUT_OF_MEMORY;
    this.#memory += bytes;
    this.#resources.set(id, new GpuResource(id, format, width, height));
    return RESPONSE.OK_NODATA;
  }

  #unref(id: number): number {
    const resource = this.#resources.get(id);
    if (resource === undefined) return RESPONSE.ERR_INVALID_RESOURCE_ID;
    if (this.#scanout.resource === id) this.#scanout = NO_SCANOUT;
    this.#memory -= resource.bytes;
    this.#resources.delete(id);
    return RESPONSE.OK_NODATA;
  }

  #setScanout(rect: Rect, scanout: number, id: number): number {
    if (scanout >= SCANOUTS) return RESPONSE.ERR_INVALID_SCANOUT_ID;
    if (id === 0) {
      this.#scanout = NO_SCANOUT;
      this.#host.observer.note('scanout', { resource: 0, width: 0, height: 0 });
      return RESPONSE.OK_NODATA;
    }
    const resource = this.#resources.get(id);
    if (resource === undefined) return RESPONSE.ERR_INVALID_RESOURCE_ID;
    if (resource.backing === undefined) return RESPONSE.ERR_UNSPEC;
    if (rect.width < SCANOUT_LEAST || rect.height < SCANOUT_LEAST || !resource.contains(rect)) {
      return RESPONSE.ERR_INVALID_PARAMETER;
    }
    this.#scanout = { ...rect, resource: id };
    this.#host.observer.note('scanout', { resource: id, width: rect.width, height: rect.height });
    return RESPONSE.OK_NODATA;
  }

  #flush(rect: Rect, id: number): number {
    const resource = this.#resources.get(id);
    if (resource === undefined) return RESPONSE.ERR_INVALID_RESOURCE_ID;
    if (!resource.contains(rect)) return RESPONSE.ERR_INVALID_PARAMETER;
    if (this.#scanout.resource === id) {
      this.#host.observer.note('flush', { ...rect });
      this.#noteFrame();
    }
    return RESPONSE.OK_NODATA;
  }

  /**
   * At level `full`: what the screen shows now, as the hash of its pixels, so that equal and different pictures can be
   * told apart along a recording. The picture itself follows from a replay (`virtrace screenshot`).
   */
  #noteFrame(): void {
    const { observer } = this.#host;
    if (observer.wantsDetail?.() === false) return;
    const image = this.screen();
    if (image === undefined) return;
    observer.note('frame', { width: image.width, height: image.height, hash: hashBytes(image.rgba) });
  }

  #transfer(rect: Rect, offset: number, id: number): number {
    const resource = this.#resources.get(id);
    if (resource === undefined) return RESPONSE.ERR_INVALID_RESOURCE_ID;
    if (resource.backing === undefined) return RESPONSE.ERR_UNSPEC;
    if (!resource.contains(rect)) return RESPONSE.ERR_INVALID_PARAMETER;
    resource.transfer(rect, offset, this.#host.dma);
    return RESPONSE.OK_NODATA;
  }

  #attachBacking(id: number, count: number, view: DataView): number {
    const resource = this.#resources.get(id);
    if (resource === undefined) return RESPONSE.ERR_INVALID_RESOURCE_ID;
    if (resource.backing !== undefined || count > BACKING_ENTRIES_MAX) return RESPONSE.ERR_UNSPEC;
    const first = HEADER_BYTES + 8;
    if (view.byteLength < first + 16 * count) return RESPONSE.ERR_UNSPEC;
    const backing: Segment[] = [];
    for (let i = 0; i < count; i++) {
      const at = first + 16 * i;
      const address = view.getUint32(at, true) + view.getUint32(at + 4, true) * 2 ** 32;
      backing.push({ address, length: view.getUint32(at + 8, true) });
    }
    resource.backing = backing;
    return RESPONSE.OK_NODATA;
  }

  #detachBacking(id: number): number {
    const resource = this.#resources.get(id);
    if (resource === undefined) return RESPONSE.ERR_INVALID_RESOURCE_ID;
    if (resource.backing === undefined) return RESPONSE.ERR_UNSPEC;
    resource.backing = undefined;
    return RESPONSE.OK_NODATA;
  }

  /** The cursor queue has no answers. */
  #pointer(chain: Chain): number | undefined {
    const request = new Uint8Array(HEADER_BYTES + 32);
    if (chain.outBytes < request.length) return 0;
    if (!this.#host.queue(CURSOR).readOut(chain, 0, request)) return undefined;
    const view = new DataView(request.buffer);
    const u32 = (offset: number): number => view.getUint32(HEADER_BYTES + offset, true);
    const type = view.getUint32(0, true);
    if (u32(0) >= SCANOUTS) return 0;
    const place = { x: u32(4) | 0, y: u32(8) | 0 };
    if (type === COMMAND.MOVE_CURSOR) this.#cursor = { ...this.#cursor, ...place };
    else if (type === COMMAND.UPDATE_CURSOR) {
      this.#cursor = { ...place, resource: u32(16), hotX: u32(20), hotY: u32(24) };
    }
    return 0;
  }
}

function rectOf(u32: (offset: number) => number): Rect {
  return { x: u32(0), y: u32(4), width: u32(8), height: u32(12) };
}
