import type { DeviceState } from '../../base/device.ts';
import type { Register } from '../../base/register-map.ts';
import type { BlockStorage } from './block-storage.ts';
import { guessGeometry } from './disk-geometry.ts';
import { feature, STATUS, VIRTIO_ID } from './virtio-bits.ts';
import type { VirtioBackend, VirtioHost } from './virtio-device.ts';
import type { Chain, Virtqueue } from './virtqueue.ts';

export interface VirtioBlkOptions {
  readonly storage: BlockStorage;
  /** Answer to GET_ID: up to 20 bytes of ASCII; the rest is not seen. */
  readonly serial?: string;
  /** Request queues, 1 to 1024 (default 1). */
  readonly queues?: number;
  /** Entries of each, a power of two up to 1024 (default 256). */
  readonly entries?: number;
}

/** Feature bits (virtio 1.2, 5.2.3 and 5.2.3.1). */
const BLK_F = {
  SEG_MAX: 2,
  GEOMETRY: 4,
  RO: 5,
  BLK_SIZE: 6,
  SCSI: 7,
  FLUSH: 9,
  TOPOLOGY: 10,
  CONFIG_WCE: 11,
  MQ: 12,
  DISCARD: 13,
  WRITE_ZEROES: 14,
} as const;

/** Request types (5.2.6). Bit 0 says that data goes to the device. */
const TYPE = { IN: 0, SCSI_CMD: 2, FLUSH: 4, GET_ID: 8, DISCARD: 11, WRITE_ZEROES: 13 } as const;
const TYPE_OUT = 1;
/** Legacy barrier bit, which says nothing to a device that works in order. */
const TYPE_BARRIER = 0x80000000;
const OK = 0;
const IOERR = 1;
const UNSUPP = 2;

const SECTOR = 512;
const HEADER_BYTES = 16;
const ID_BYTES = 20;
/** Most sectors of one request (QEMU: BDRV_REQUEST_MAX_SECTORS); also announced for discard and zeroes. */
const REQUEST_SECTORS_MAX = 0x3fffff;
const QUEUE_ENTRIES = 256;
const F_UNMAP = 1;
/** Data goes between memory and storage in pieces of this many bytes. */
const PIECE = 64 * 1024;

const CONFIG_BYTES = 57;
const WRITEBACK = 32;

function field(name: string, offset: number, width: 1 | 2 | 4 | 8, meaning: string): Register {
  return { name, offset, width, access: name === 'writeback' ? 'RW' : 'RO', meaning };
}

/** Configuration space (5.2.4). */
const CONFIG: readonly Register[] = [
  field('capacity', 0, 8, 'size in sectors of 512 bytes'),
  field('size_max', 8, 4, 'longest buffer; 0: no limit'),
  field('seg_max', 12, 4, 'most buffers of data in a request'),
  field('cylinders', 16, 2, 'geometry'),
  field('heads', 18, 1, 'geometry'),
  field('sectors', 19, 1, 'geometry, per track'),
  field('blk_size', 20, 4, 'bytes of a block'),
  field('physical_block_exp', 24, 1, 'blocks of a physical block, as a power of two'),
  field('alignment_offset', 25, 1, 'first aligned block'),
  field('min_io_size', 26, 2, 'preferred size in blocks; 0: not said'),
  field('opt_io_size', 28, 4, 'best size in blocks; 0: not said'),
  field('writeback', 32, 1, '1: write-back cache, 0: write-through'),
  field('num_queues', 34, 2, 'request queues'),
  field('max_discard_sectors', 36, 4, 'most sectors of a discard'),
  field('max_discard_seg', 40, 4, 'most segments of a discard'),
  field('discard_sector_alignment', 44, 4, 'alignment of a discard in sectors'),
  field('max_write_zeroes_sectors', 48, 4, 'most sectors to zero at once'),
  field('max_write_zeroes_seg', 52, 4, 'most segments to zero at once'),
  field('write_zeroes_may_unmap', 56, 1, 'zeroed sectors may be given back'),
];

/**
 * Block device (virtio 1.2, section 5.2). Requests are carried out in order and completely when the queue
 * is notified. DETERMINISM: QEMU completes them when the host does; here there is no such time.
 */
export class VirtioBlk implements VirtioBackend {
  readonly name = 'blk';
  readonly deviceId = VIRTIO_ID.BLOCK;
  readonly queueSizes: readonly number[];
  readonly configBytes = CONFIG_BYTES;
  readonly configRegisters = CONFIG;
  readonly fixedLayout = true;
  readonly #storage: BlockStorage;
  readonly #serial: Uint8Array;
  readonly #sectors: number;
  readonly #geometry: { readonly cylinders: number; readonly heads: number; readonly sectors: number };
  #writeback = true;
  #host!: VirtioHost;
  readonly #header = new Uint8Array(HEADER_BYTES);
  readonly #headerView = new DataView(this.#header.buffer);
  readonly #status = new Uint8Array(1);
  #piece = new Uint8Array(0);

  constructor(options: VirtioBlkOptions) {
    const { storage, serial = '' } = options;
    this.#storage = storage;
    this.#sectors = Math.floor(storage.sizeBytes / SECTOR);
    this.#geometry = guessGeometry(storage);
    this.queueSizes = new Array<number>(options.queues ?? 1).fill(options.entries ?? QUEUE_ENTRIES);
    // The string with the zero that ends it, as much as fits.
    this.#serial = Uint8Array.from([...serial, '\0'].slice(0, ID_BYTES), (c) => c.charCodeAt(0));
  }

  features(modern: boolean, transitional: boolean): bigint {
    let bits =
      feature(BLK_F.SEG_MAX) |
      feature(BLK_F.GEOMETRY) |
      feature(BLK_F.BLK_SIZE) |
      feature(BLK_F.FLUSH) |
      feature(BLK_F.TOPOLOGY) |
      feature(BLK_F.CONFIG_WCE) |
      feature(BLK_F.DISCARD) |
      feature(BLK_F.WRITE_ZEROES);
    // QEMU: offered by legacy devices although SCSI commands are answered as unsupported.
    if (!modern && !transitional) bits |= feature(BLK_F.SCSI);
    if (this.#storage.readOnly) bits |= feature(BLK_F.RO);
    if (this.queueSizes.length > 1) bits |= feature(BLK_F.MQ);
    return bits;
  }

  attach(host: VirtioHost): void {
    this.#host = host;
  }

  readConfig(config: DataView): void {
    const { cylinders, heads, sectors } = this.#geometry;
    config.setBigUint64(0, BigInt(this.#sectors), true);
    config.setUint32(12, this.queueSizes[0]! - 2, true);
    config.setUint16(16, cylinders, true);
    config.setUint8(18, heads);
    config.setUint8(19, sectors);
    config.setUint32(20, SECTOR, true);
    config.setUint8(WRITEBACK, this.#writeback ? 1 : 0);
    config.setUint16(34, this.queueSizes.length, true);
    config.setUint32(36, REQUEST_SECTORS_MAX, true);
    config.setUint32(40, 1, true);
    config.setUint32(44, 1, true);
    config.setUint32(48, REQUEST_SECTORS_MAX, true);
    config.setUint32(52, 1, true);
    config.setUint8(56, 1);
  }

  writeConfig(config: DataView): void {
    this.#writeback = config.getUint8(WRITEBACK) !== 0;
  }

  /** A driver that cannot set the cache mode gets write-back only if it can flush (5.2.5). */
  statusChanged(status: number): void {
    if ((status & STATUS.DRIVER_OK) === 0 || this.#host.hasFeature(BLK_F.CONFIG_WCE)) return;
    this.#writeback = this.#host.hasFeature(BLK_F.FLUSH);
  }

  handleQueue(index: number): void {
    const queue = this.#host.queue(index);
    let done = false;
    for (let chain = queue.pop(); chain !== undefined; chain = queue.pop()) {
      if (!this.#request(queue, chain)) break;
      done = true;
    }
    if (done) queue.signal();
  }

  reset(): void {
    this.#writeback = true;
  }

  save(): DeviceState {
    const state: DeviceState = { writeback: this.#writeback };
    const storage = this.#storage.save?.();
    if (storage !== undefined) state.storage = storage;
    return state;
  }

  load(state: DeviceState): void {
    this.#writeback = state.writeback === true;
    if (state.storage !== undefined) this.#storage.load?.(state.storage as DeviceState);
  }

  /** One request: header, data, status byte (5.2.6). False: it was malformed and the device has failed. */
  #request(queue: Virtqueue, chain: Chain): boolean {
    const lastIn = chain.in.at(-1);
    if (chain.out.length === 0 || lastIn === undefined)
      return this.#fail('a request without header or status');
    if (chain.outBytes < HEADER_BYTES) return this.#fail(`request header of ${chain.outBytes} bytes`);
    if (!queue.readOut(chain, 0, this.#header)) return false;
    const type = this.#headerView.getUint32(0, true);
    const status = this.#carryOut(queue, chain, type);
    if (status === undefined) return false;
    this.#status[0] = status;
    if (!queue.writeIn(chain, chain.inBytes - 1, this.#status)) return false;
    // QEMU: the length given back is always that of the whole writable part.
    queue.push(chain, chain.inBytes);
    return !this.#host.broken;
  }

  /** The status of the request; undefined if the device has failed. */
  #carryOut(queue: Virtqueue, chain: Chain, type: number): number | undefined {
    switch ((type & ~(TYPE_OUT | TYPE_BARRIER)) >>> 0) {
      case TYPE.IN:
        return this.#readOrWrite(queue, chain, (type & TYPE_OUT) !== 0);
      case TYPE.FLUSH:
        this.#storage.flush();
        return OK;
      case TYPE.GET_ID: {
        const count = Math.min(this.#serial.length, chain.inBytes - 1);
        return queue.writeIn(chain, 0, this.#serial.subarray(0, count)) ? OK : undefined;
      }
      case TYPE.SCSI_CMD:
        return this.#scsi(queue, chain);
      case TYPE.DISCARD & ~TYPE_OUT:
      case TYPE.WRITE_ZEROES & ~TYPE_OUT:
        return this.#discardOrZero(queue, chain, type);
      default:
        return UNSUPP;
    }
  }

  #readOrWrite(queue: Virtqueue, chain: Chain, write: boolean): number | undefined {
    const bytes = write ? chain.outBytes - HEADER_BYTES : chain.inBytes - 1;
    const sector = this.#headerView.getBigUint64(8, true);
    if (bytes % SECTOR !== 0 || !this.#inRange(sector, bytes / SECTOR)) return IOERR;
    if (write && this.#storage.readOnly) return IOERR;
    const start = Number(sector) * SECTOR;
    if (this.#piece.length < Math.min(bytes, PIECE)) this.#piece = new Uint8Array(Math.min(bytes, PIECE));
    for (let done = 0; done < bytes; done += PIECE) {
      const piece = this.#piece.subarray(0, Math.min(PIECE, bytes - done));
      if (write) {
        if (!queue.readOut(chain, HEADER_BYTES + done, piece)) return undefined;
        this.#storage.write(start + done, piece);
      } else {
        this.#storage.read(start + done, piece);
        if (!queue.writeIn(chain, done, piece)) return undefined;
      }
    }
    return OK;
  }

  /** 5.2.6: sector u64, number of sectors u32, flags u32; one segment only. */
  #discardOrZero(queue: Virtqueue, chain: Chain, type: number): number | undefined {
    const segment = new Uint8Array(16);
    const bytes = chain.outBytes - HEADER_BYTES;
    if ((type & TYPE_OUT) === 0 || bytes > segment.length) return UNSUPP;
    if (bytes < segment.length) {
      this.#fail(`discard or write-zeroes segment of ${bytes} bytes`);
      return undefined;
    }
    if (!queue.readOut(chain, HEADER_BYTES, segment)) return undefined;
    const view = new DataView(segment.buffer);
    const sector = view.getBigUint64(0, true);
    const count = view.getUint32(8, true);
    const flags = view.getUint32(12, true);
    const zero = (type & ~TYPE_BARRIER) >>> 0 === TYPE.WRITE_ZEROES;
    if (count > REQUEST_SECTORS_MAX || !this.#inRange(sector, count)) return IOERR;
    if ((flags & ~F_UNMAP) !== 0 || (!zero && flags !== 0)) return UNSUPP;
    if (this.#storage.readOnly) return IOERR;
    // QEMU: its drives ignore discards unless told otherwise, so the data stays.
    if (zero) this.#zero(Number(sector) * SECTOR, count * SECTOR);
    return OK;
  }

  #zero(offset: number, length: number): void {
    if (this.#storage.zero !== undefined) {
      this.#storage.zero(offset, length);
      return;
    }
    const zeros = new Uint8Array(Math.min(length, PIECE));
    for (let done = 0; done < length; done += PIECE) {
      this.#storage.write(offset + done, zeros.subarray(0, Math.min(PIECE, length - done)));
    }
  }

  /** Legacy SCSI commands are refused: `errors`, first word of the last buffer but one, is not zero. */
  #scsi(queue: Virtqueue, chain: Chain): number | undefined {
    if (chain.out.length < 2 || chain.in.length < 3) return IOERR;
    const errors = new Uint8Array(4);
    errors[0] = 255;
    const inhdr = chain.in.at(-2)!.length;
    const offset = chain.inBytes - chain.in.at(-1)!.length - inhdr;
    return queue.writeIn(chain, offset, errors.subarray(0, Math.min(4, inhdr))) ? UNSUPP : undefined;
  }

  #inRange(sector: bigint, count: number): boolean {
    if (count > REQUEST_SECTORS_MAX) return false;
    return sector <= BigInt(this.#sectors) && count <= this.#sectors - Number(sector);
  }

  #fail(message: string): false {
    this.#host.fail(message);
    return false;
  }
}
