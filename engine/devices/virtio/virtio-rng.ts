import type { DeviceInput, DeviceState } from '../../base/device.ts';
import { STATUS, VIRTIO_ID } from './virtio-bits.ts';
import type { VirtioBackend, VirtioHost } from './virtio-device.ts';

/**
 * Most bytes given per buffer. A device may fill less than the whole buffer (virtio 1.2, 5.4.6.1), and a guest
 * may offer 4 GiB at once.
 */
const BYTES_PER_BUFFER = 64 * 1024;

/** Entropy device (virtio 1.2, section 5.4): fills buffers with random bytes from outside the machine. */
export class VirtioRng implements VirtioBackend {
  readonly name = 'rng';
  readonly deviceId = VIRTIO_ID.ENTROPY;
  readonly queueSizes = [8];
  readonly configBytes = 0;
  readonly configRegisters = [];
  readonly #input: DeviceInput;
  #host!: VirtioHost;

  constructor(input: DeviceInput) {
    this.#input = input;
  }

  features(): bigint {
    return 0n;
  }

  attach(host: VirtioHost): void {
    this.#host = host;
  }

  readConfig(): void {}

  handleQueue(): void {
    if ((this.#host.status & STATUS.DRIVER_OK) !== 0) this.#fill();
  }

  /** Buffers offered before DRIVER_OK wait for it. */
  statusChanged(status: number): void {
    if ((status & STATUS.DRIVER_OK) !== 0) this.#fill();
  }

  reset(): void {}

  save(): DeviceState {
    return {};
  }

  load(): void {}

  // SPEC-GAP: QEMU's rate limit (max-bytes, period) is not there; its default is no limit.
  #fill(): void {
    const queue = this.#host.queue(0);
    let filled = false;
    for (let chain = queue.pop(); chain !== undefined; chain = queue.pop()) {
      const wanted = Math.min(chain.inBytes, BYTES_PER_BUFFER);
      const bytes = wanted === 0 ? new Uint8Array(0) : this.#input.entropy(wanted).subarray(0, wanted);
      if (!queue.writeIn(chain, 0, bytes)) break;
      queue.push(chain, bytes.length);
      filled = true;
    }
    if (filled) queue.signal();
  }
}
