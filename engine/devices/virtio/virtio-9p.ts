import type { DeviceState } from '../../base/device.ts';
import type { Register } from '../../base/register-map.ts';
import type { FolderPort } from './p9/folder.ts';
import { HEADER_BYTES } from './p9/messages.ts';
import { P9Server } from './p9/server.ts';
import { feature, VIRTIO_ID } from './virtio-bits.ts';
import type { VirtioBackend, VirtioHost } from './virtio-device.ts';

export interface Virtio9pOptions {
  /** Name under which the guest mounts it. */
  readonly mountTag: string;
  readonly folder: FolderPort;
}

const MOUNT_TAG = 0;
/** Longest request that means anything: sixteen names of the longest kind. */
const REQUEST_MAX = 2 * 1024 * 1024;
/** Room for an error. */
const LEAST_ROOM = HEADER_BYTES + 4;

/** A folder of the host, read-only (virtio's device 9; the messages are 9P2000.L). */
export class Virtio9p implements VirtioBackend {
  readonly name = '9p';
  readonly deviceId = VIRTIO_ID.P9;
  readonly queueSizes = [128];
  readonly configBytes: number;
  readonly configRegisters: readonly Register[];
  readonly #tag: Uint8Array;
  readonly #server: P9Server;
  #host!: VirtioHost;

  constructor({ mountTag, folder }: Virtio9pOptions) {
    this.#tag = new TextEncoder().encode(mountTag);
    this.#server = new P9Server(folder);
    this.configBytes = 2 + this.#tag.length;
    this.configRegisters = [
      { name: 'tag_len', offset: 0, width: 2, access: 'RO', reset: this.#tag.length },
      { name: 'tag', offset: 2, width: 1, count: this.#tag.length, access: 'RO', meaning: 'name to mount' },
    ];
  }

  features(): bigint {
    return feature(MOUNT_TAG);
  }

  attach(host: VirtioHost): void {
    this.#host = host;
  }

  readConfig(config: DataView): void {
    config.setUint16(0, this.#tag.length, true);
    this.#tag.forEach((byte, index) => {
      config.setUint8(2 + index, byte);
    });
  }

  handleQueue(): void {
    const queue = this.#host.queue(0);
    let used = false;
    for (let chain = queue.pop(); chain !== undefined; chain = queue.pop()) {
      if (chain.outBytes < HEADER_BYTES || chain.inBytes < LEAST_ROOM) {
        this.#host.fail(`a request of ${chain.outBytes} bytes with room for an answer of ${chain.inBytes}`);
        return;
      }
      const request = new Uint8Array(Math.min(chain.outBytes, REQUEST_MAX));
      if (!queue.readOut(chain, 0, request)) return;
      const length = new DataView(request.buffer).getUint32(0, true);
      const message = request.subarray(0, Math.max(HEADER_BYTES, Math.min(length, request.length)));
      const answer = this.#server.answer(message, chain.inBytes);
      if (!queue.writeIn(chain, 0, answer)) return;
      queue.push(chain, answer.length);
      used = true;
    }
    if (used) queue.signal();
  }

  reset(): void {
    this.#server.reset();
  }

  save(): DeviceState {
    return this.#server.save();
  }

  load(state: DeviceState): void {
    this.#server.load(state);
  }
}
