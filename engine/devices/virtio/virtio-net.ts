import type { DeviceState, StateValue } from '../../base/device.ts';
import type { Register } from '../../base/register-map.ts';
import { NetFilter } from './net-filter.ts';
import { feature, STATUS, VIRTIO_ID } from './virtio-bits.ts';
import type { VirtioBackend, VirtioHost } from './virtio-device.ts';
import type { Chain, Virtqueue } from './virtqueue.ts';

export interface VirtioNetOptions {
  /** Six bytes. */
  readonly mac: Uint8Array;
}

/** Feature bits (virtio 1.2, 5.1.3); offloads are not offered, since nothing behind the device has them. */
const NET_F = {
  CTRL_GUEST_OFFLOADS: 2,
  MAC: 5,
  /** Legacy. */
  GSO: 6,
  MRG_RXBUF: 15,
  STATUS: 16,
  CTRL_VQ: 17,
  CTRL_RX: 18,
  CTRL_VLAN: 19,
  CTRL_RX_EXTRA: 20,
  GUEST_ANNOUNCE: 21,
  CTRL_MAC_ADDR: 23,
} as const;

const RECEIVE = 0;
const TRANSMIT = 1;
const CONTROL = 2;
/** Longest frame: what the largest buffers of a guest without offloads hold. */
const FRAME_MAX = 65550;
/** Frames that wait for buffers of the guest. */
const WAITING_MAX = 256;
const MAC_BYTES = 6;
const LINK_UP = 1;
const ANNOUNCE = 2;
const STATUS_AT = 6;
const NUM_BUFFERS_AT = 10;

/** Control commands (5.1.6.5): class, command, then data; answered by one byte. */
const CLASS = { RX: 0, MAC: 1, VLAN: 2, ANNOUNCE: 3, GUEST_OFFLOADS: 5 } as const;
const OK = 0;
const ERR = 1;
/** Longest command that means anything: two tables of addresses. */
const COMMAND_MAX = 2 + 2 * (4 + 0x1_0000);

/** Configuration space (5.1.4). */
const CONFIG: readonly Register[] = [
  { name: 'mac', offset: 0, width: 1, count: MAC_BYTES, access: 'RW', meaning: 'hardware address' },
  {
    name: 'status',
    offset: STATUS_AT,
    width: 2,
    access: 'RO',
    fields: [
      { name: 'LINK_UP', hi: 0, lo: 0 },
      { name: 'ANNOUNCE', hi: 1, lo: 1 },
    ],
  },
];

/**
 * Network device (virtio 1.2, section 5.1) as QEMU's on a backend without offloads: one pair of queues and
 * the control queue. Frames it sends are output of the machine; frames for it are inputs (`receive('frame')`).
 * Frames that find no buffer wait, up to a limit.
 */
export class VirtioNet implements VirtioBackend {
  readonly name = 'net';
  readonly deviceId = VIRTIO_ID.NET;
  readonly queueSizes = [256, 256, 64];
  readonly configBytes = 8;
  readonly configRegisters = CONFIG;
  readonly #permanent: Uint8Array;
  readonly #filter: NetFilter;
  #host!: VirtioHost;
  #linkUp = true;
  #announce = false;
  #waiting: Uint8Array[] = [];

  constructor(options: VirtioNetOptions) {
    this.#permanent = options.mac.slice(0, MAC_BYTES);
    this.#filter = new NetFilter(this.#permanent);
  }

  features(modern: boolean): bigint {
    const bits: number[] = [
      NET_F.CTRL_GUEST_OFFLOADS,
      NET_F.MAC,
      NET_F.MRG_RXBUF,
      NET_F.STATUS,
      NET_F.CTRL_VQ,
      NET_F.CTRL_RX,
      NET_F.CTRL_VLAN,
      NET_F.CTRL_RX_EXTRA,
      NET_F.GUEST_ANNOUNCE,
      NET_F.CTRL_MAC_ADDR,
    ];
    if (!modern) bits.push(NET_F.GSO);
    return bits.reduce((all, bit) => all | feature(bit), 0n);
  }

  attach(host: VirtioHost): void {
    this.#host = host;
  }

  readConfig(config: DataView): void {
    for (let i = 0; i < MAC_BYTES; i++) config.setUint8(i, this.#filter.mac[i]!);
    config.setUint16(STATUS_AT, (this.#linkUp ? LINK_UP : 0) | (this.#announce ? ANNOUNCE : 0), true);
  }

  /** 5.1.4.1: only a driver without the control command may write the address here. */
  writeConfig(config: DataView): void {
    if (this.#host.modern || this.#host.hasFeature(NET_F.CTRL_MAC_ADDR)) return;
    for (let i = 0; i < MAC_BYTES; i++) this.#filter.mac[i] = config.getUint8(i);
  }

  handleQueue(index: number): void {
    if (index === RECEIVE) this.#deliver();
    else if (index === TRANSMIT) this.#transmit();
    else if (index === CONTROL) this.#control();
  }

  statusChanged(status: number): void {
    // VLANs pass until a driver that can choose them says which.
    if ((status & STATUS.DRIVER_OK) !== 0 && (this.#host.status & STATUS.DRIVER_OK) === 0) {
      this.#filter.setVlans(!this.#host.hasFeature(NET_F.CTRL_VLAN));
    }
  }

  /** `frame`: an Ethernet frame without checksum. `link`: one byte, 1 up, 0 down. */
  receive(kind: string, data: Uint8Array): void {
    if (kind === 'link') {
      const up = (data[0] ?? 0) !== 0;
      if (up === this.#linkUp) return;
      this.#linkUp = up;
      this.#host.configChanged();
    } else if (kind === 'frame') {
      this.#receiveFrame(data);
    }
  }

  /** Frames it can take now. */
  receiveCapacity(): number {
    return WAITING_MAX - this.#waiting.length;
  }

  reset(): void {
    this.#waiting = [];
    this.#announce = false;
    this.#filter.reset(this.#permanent);
  }

  save(): DeviceState {
    return {
      linkUp: this.#linkUp,
      announce: this.#announce,
      waiting: this.#waiting.map((frame) => frame.slice()),
      filter: this.#filter.save(),
    };
  }

  load(state: DeviceState): void {
    this.#linkUp = state.linkUp === true;
    this.#announce = state.announce === true;
    this.#waiting = (state.waiting as Uint8Array[]).map((frame) => frame.slice());
    this.#filter.load(state.filter as { [key: string]: StateValue });
  }

  get #headerBytes(): number {
    return this.#host.modern || this.#host.hasFeature(NET_F.MRG_RXBUF) ? 12 : 10;
  }

  get #running(): boolean {
    return (this.#host.status & STATUS.DRIVER_OK) !== 0 && !this.#host.broken;
  }

  /* --- Receive ------------------------------------------------------------------------------------------ */

  #receiveFrame(frame: Uint8Array): void {
    const why = this.#whyLost(frame);
    if (why !== undefined) {
      this.#host.observer.note('frame-lost', { bytes: frame.length, why });
    } else if (this.#filter.accepts(frame)) {
      this.#waiting.push(frame.slice());
      this.#deliver();
    }
  }

  #whyLost(frame: Uint8Array): string | undefined {
    if (!this.#linkUp) return 'the link is down';
    if (!this.#running) return 'the guest does not listen';
    if (frame.length === 0 || frame.length > FRAME_MAX) return 'bad length';
    return this.#waiting.length >= WAITING_MAX ? 'the guest offers no buffers' : undefined;
  }

  /** Moves waiting frames into the guest's buffers. */
  #deliver(): void {
    if (!this.#running || this.#waiting.length === 0) return;
    const queue = this.#host.queue(RECEIVE);
    let done = 0;
    while (done < this.#waiting.length && this.#deliverOne(queue, this.#waiting[done]!)) done++;
    this.#waiting.splice(0, done);
    if (done > 0) queue.signal();
  }

  /** False: there are not enough buffers now, or the device broke. */
  #deliverOne(queue: Virtqueue, frame: Uint8Array): boolean {
    const mergeable = this.#host.hasFeature(NET_F.MRG_RXBUF);
    const header = new Uint8Array(this.#headerBytes);
    const packet = new Uint8Array(header.length + frame.length);
    packet.set(frame, header.length);
    const chains: { chain: Chain; bytes: number }[] = [];
    let room = 0;
    while (room < packet.length) {
      const chain = queue.pop();
      if (chain === undefined) break;
      if (chain.inBytes < (chains.length === 0 ? header.length : 1)) {
        this.#host.fail(`receive buffer of ${chain.inBytes} bytes`);
        return false;
      }
      const bytes = Math.min(chain.inBytes, packet.length - room);
      chains.push({ chain, bytes });
      room += bytes;
      if (!mergeable) break;
    }
    if (this.#host.broken) return false;
    if (room < packet.length) {
      if (!mergeable && chains.length > 0) {
        // The frame does not fit: it is cut off from the guest's view, and its buffer stays unused.
        queue.unpop(chains.map(({ chain }) => chain));
        this.#host.observer.note('frame-lost', { bytes: frame.length, why: 'longer than the buffer' });
        return true;
      }
      queue.unpop(chains.map(({ chain }) => chain));
      return false;
    }
    if (packet.length > NUM_BUFFERS_AT + 1 && header.length > NUM_BUFFERS_AT) {
      packet[NUM_BUFFERS_AT] = chains.length & 0xff;
      packet[NUM_BUFFERS_AT + 1] = chains.length >>> 8;
    }
    let at = 0;
    for (const { chain, bytes } of chains) {
      if (!queue.writeIn(chain, 0, packet.subarray(at, at + bytes))) return false;
      at += bytes;
      queue.push(chain, bytes);
    }
    return !this.#host.broken;
  }

  /* --- Transmit ----------------------------------------------------------------------------------------- */

  #transmit(): void {
    if (!this.#running) return;
    const queue = this.#host.queue(TRANSMIT);
    const header = this.#headerBytes;
    let used = false;
    for (let chain = queue.pop(); chain !== undefined; chain = queue.pop()) {
      if (chain.outBytes < header) {
        this.#host.fail(`packet of ${chain.outBytes} bytes, less than its header`);
        return;
      }
      const length = chain.outBytes - header;
      if (length > 0 && length <= FRAME_MAX) {
        const frame = new Uint8Array(length);
        if (!queue.readOut(chain, header, frame)) return;
        if (this.#linkUp) this.#host.observer.output(frame);
      } else {
        this.#host.observer.note('frame-lost', { bytes: length, why: 'bad length' });
      }
      queue.push(chain, 0);
      used = true;
    }
    if (used) queue.signal();
  }

  /* --- Control ------------------------------------------------------------------------------------------ */

  #control(): void {
    const queue = this.#host.queue(CONTROL);
    let used = false;
    for (let chain = queue.pop(); chain !== undefined; chain = queue.pop()) {
      if (chain.inBytes < 1 || chain.outBytes < 2) {
        this.#host.fail('a control command without command or answer');
        return;
      }
      const bytes = new Uint8Array(Math.min(chain.outBytes, COMMAND_MAX));
      if (!queue.readOut(chain, 0, bytes)) return;
      const status = this.#command(bytes[0]!, bytes[1]!, bytes.subarray(2)) ? OK : ERR;
      if (!queue.writeIn(chain, 0, Uint8Array.of(status))) return;
      queue.push(chain, 1);
      used = true;
    }
    if (used) queue.signal();
  }

  #command(kind: number, command: number, data: Uint8Array): boolean {
    switch (kind) {
      case CLASS.RX:
        return data.length >= 1 && this.#filter.setMode(command, data[0] !== 0);
      case CLASS.MAC:
        return this.#filter.macCommand(command, data);
      case CLASS.VLAN:
        return data.length >= 2 && this.#filter.vlanCommand(command, data[0]! | (data[1]! << 8));
      case CLASS.ANNOUNCE:
        if (command !== 0 || !this.#announce) return false;
        this.#announce = false;
        return true;
      case CLASS.GUEST_OFFLOADS:
        // There are none: only "none" can be chosen.
        return command === 0 && data.length >= 8 && data.subarray(0, 8).every((byte) => byte === 0);
      default:
        return false;
    }
  }
}
