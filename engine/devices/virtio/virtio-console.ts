import type { DeviceState } from '../../base/device.ts';
import type { Register } from '../../base/register-map.ts';
import { feature, STATUS, VIRTIO_ID } from './virtio-bits.ts';
import type { VirtioBackend, VirtioHost } from './virtio-device.ts';
import type { Chain, Virtqueue } from './virtqueue.ts';

/** Feature bits (virtio 1.2, 5.3.3). */
const CONSOLE_F = { MULTIPORT: 1, EMERG_WRITE: 2 } as const;

/** Control messages (5.3.6.2): id u32, event u16, value u16. */
const EVENT = {
  DEVICE_READY: 0,
  DEVICE_ADD: 1,
  DEVICE_REMOVE: 2,
  PORT_READY: 3,
  CONSOLE_PORT: 4,
  RESIZE: 5,
  PORT_OPEN: 6,
  PORT_NAME: 7,
} as const;
const MESSAGE_BYTES = 8;

/** Queues (5.3.2); further ports, of which there are none here, have pairs from 4 on. */
const RECEIVE = 0;
const TRANSMIT = 1;
const CONTROL_RECEIVE = 2;
const CONTROL_TRANSMIT = 3;

/** QEMU: a bus for 31 ports, whatever is plugged in; entries of the data and of the control queues. */
const PORTS_MAX = 31;
const QUEUE_ENTRIES = 128;
const CONTROL_ENTRIES = 32;

/** Bytes from outside that wait for buffers of the guest. */
const FIFO_BYTES = 4096;
/** Output leaves in pieces of at most this many bytes. */
const PIECE = 64 * 1024;

const EMERG_WR = 8;

/** Configuration space (5.3.4). */
const CONFIG: readonly Register[] = [
  { name: 'cols', offset: 0, width: 2, access: 'RO', reset: 0, meaning: 'columns; SIZE is not offered' },
  { name: 'rows', offset: 2, width: 2, access: 'RO', reset: 0, meaning: 'rows; SIZE is not offered' },
  { name: 'max_nr_ports', offset: 4, width: 4, access: 'RO', reset: PORTS_MAX, meaning: 'ports at most' },
  { name: 'emerg_wr', offset: EMERG_WR, width: 4, access: 'RW', reset: 0, meaning: 'prints one character' },
];

/**
 * Console (virtio 1.2, section 5.3) with one port, number 0, which is a console and always connected; as
 * QEMU's virtio-serial with one virtconsole. Works with and without the multiport protocol.
 */
export class VirtioConsole implements VirtioBackend {
  readonly name = 'console';
  readonly deviceId = VIRTIO_ID.CONSOLE;
  readonly queueSizes: readonly number[] = Array.from({ length: 2 * (PORTS_MAX + 1) }, (_, index) =>
    index === CONTROL_RECEIVE || index === CONTROL_TRANSMIT ? CONTROL_ENTRIES : QUEUE_ENTRIES,
  );
  readonly configBytes = 12;
  readonly configRegisters = CONFIG;
  #host!: VirtioHost;
  /** The guest has the port open (multiport), or is up (without). */
  #guestConnected = false;
  #fifo: Uint8Array = new Uint8Array(0);
  readonly #message = new Uint8Array(MESSAGE_BYTES);
  readonly #messageView = new DataView(this.#message.buffer);

  features(): bigint {
    return feature(CONSOLE_F.MULTIPORT) | feature(CONSOLE_F.EMERG_WRITE);
  }

  attach(host: VirtioHost): void {
    this.#host = host;
  }

  readConfig(config: DataView): void {
    config.setUint32(4, PORTS_MAX, true);
  }

  /** Emergency write (5.3.4): a character without any queue. The register always reads as zero. */
  writeConfig(config: DataView): void {
    if (config.getUint32(EMERG_WR, true) === 0) return;
    this.#host.observer.output(Uint8Array.of(config.getUint8(EMERG_WR)));
  }

  handleQueue(index: number): void {
    const queue = this.#host.queue(index);
    switch (index) {
      case RECEIVE:
        this.#deliver();
        break;
      case TRANSMIT:
        this.#drain(queue, (chain) => this.#print(queue, chain));
        break;
      case CONTROL_RECEIVE:
        break; // buffers for messages to the driver: wait until there is one
      case CONTROL_TRANSMIT:
        this.#drain(queue, (chain) => this.#control(queue, chain));
        break;
      default:
        // What is sent to a port that is not there is given back unread (odd queues transmit).
        if (index % 2 === 1) this.#drain(queue, () => true);
    }
  }

  statusChanged(status: number): void {
    if ((status & STATUS.DRIVER_OK) === 0) {
      this.#guestConnected = false;
    } else if (!this.#host.hasFeature(CONSOLE_F.MULTIPORT)) {
      // Such a driver cannot tell when it opens the port: it is open as soon as it is up.
      this.#guestConnected = true;
    }
  }

  /** Bytes typed; what is beyond `receiveCapacity()` is lost, and noted. */
  receive(kind: string, data: Uint8Array): void {
    if (kind !== 'bytes') return;
    const count = Math.min(data.length, this.receiveCapacity());
    if (count < data.length) this.#host.observer.note('input-lost', { bytes: data.length - count });
    if (count === 0) return;
    const fifo = new Uint8Array(this.#fifo.length + count);
    fifo.set(this.#fifo);
    fifo.set(data.subarray(0, count), this.#fifo.length);
    this.#fifo = fifo;
    this.#deliver();
  }

  /** Bytes it can take now: none while nobody in the guest listens. */
  receiveCapacity(): number {
    return this.#guestConnected ? FIFO_BYTES - this.#fifo.length : 0;
  }

  reset(): void {
    this.#guestConnected = false;
    this.#fifo = new Uint8Array(0);
  }

  save(): DeviceState {
    return { guestConnected: this.#guestConnected, fifo: this.#fifo.slice() };
  }

  load(state: DeviceState): void {
    this.#guestConnected = state.guestConnected === true;
    this.#fifo = (state.fifo as Uint8Array).slice(0, FIFO_BYTES);
  }

  /** Takes every chain of a queue, and gives it back with nothing written unless `use` says false. */
  #drain(queue: Virtqueue, use: (chain: Chain) => boolean): void {
    let used = false;
    for (let chain = queue.pop(); chain !== undefined; chain = queue.pop()) {
      if (!use(chain)) break;
      queue.push(chain, 0);
      used = true;
    }
    if (used) queue.signal();
  }

  #print(queue: Virtqueue, chain: Chain): boolean {
    for (let done = 0; done < chain.outBytes; done += PIECE) {
      const piece = new Uint8Array(Math.min(PIECE, chain.outBytes - done));
      if (!queue.readOut(chain, done, piece)) return false;
      this.#host.observer.output(piece);
    }
    return true;
  }

  /** Moves waiting bytes into the guest's buffers, as far as there are any. */
  #deliver(): void {
    if (!this.#guestConnected || this.#fifo.length === 0) return;
    const queue = this.#host.queue(RECEIVE);
    let done = 0;
    while (done < this.#fifo.length) {
      const chain = queue.pop();
      if (chain === undefined) break;
      const count = Math.min(chain.inBytes, this.#fifo.length - done);
      if (!queue.writeIn(chain, 0, this.#fifo.subarray(done, done + count))) break;
      queue.push(chain, count);
      done += count;
    }
    if (done === 0) return;
    this.#fifo = this.#fifo.slice(done);
    queue.signal();
  }

  /** A control message of the driver (5.3.6.2). */
  #control(queue: Virtqueue, chain: Chain): boolean {
    // Too short for a message: QEMU ignores it too.
    if (chain.outBytes < MESSAGE_BYTES) return true;
    if (!queue.readOut(chain, 0, this.#message)) return false;
    const id = this.#messageView.getUint32(0, true);
    const event = this.#messageView.getUint16(4, true);
    const value = this.#messageView.getUint16(6, true);
    if (event === EVENT.DEVICE_READY) {
      if (value !== 0) this.#send(EVENT.DEVICE_ADD, 1);
      return !this.#host.broken;
    }
    if (id !== 0) {
      this.#host.observer.note('unknown-port', { id, event });
      return true;
    }
    if (event === EVENT.PORT_READY && value !== 0) {
      this.#send(EVENT.CONSOLE_PORT, 1);
      this.#send(EVENT.PORT_OPEN, 1);
    } else if (event === EVENT.PORT_OPEN) {
      this.#guestConnected = value !== 0;
      this.#deliver();
    }
    return !this.#host.broken;
  }

  /** Sends a message about port 0; lost if the driver offers no buffer for it, as in QEMU. */
  #send(event: number, value: number): void {
    const queue = this.#host.queue(CONTROL_RECEIVE);
    const chain = queue.pop();
    if (chain === undefined) return;
    const message = new Uint8Array(MESSAGE_BYTES);
    const view = new DataView(message.buffer);
    view.setUint16(4, event, true);
    view.setUint16(6, value, true);
    const bytes = message.subarray(0, Math.min(MESSAGE_BYTES, chain.inBytes));
    if (!queue.writeIn(chain, 0, bytes)) return;
    // QEMU: the length is that of the message even if the buffer is shorter.
    queue.push(chain, MESSAGE_BYTES);
    queue.signal();
  }
}
