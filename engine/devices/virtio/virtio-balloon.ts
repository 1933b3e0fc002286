import type { DeviceState, StateValue } from '../../base/device.ts';
import type { Register } from '../../base/register-map.ts';
import { feature, VIRTIO_ID } from './virtio-bits.ts';
import type { VirtioBackend, VirtioHost } from './virtio-device.ts';
import type { Chain } from './virtqueue.ts';

/** Feature bits (virtio 1.2, 5.5.3). */
const BALLOON_F = { STATS_VQ: 1, PAGE_POISON: 4 } as const;
const INFLATE = 0;
const DEFLATE = 1;
const STATS = 2;
const QUEUE_ENTRIES = 128;
const PAGE_NUMBER_BYTES = 4;
/** A statistic: tag u16, value u64. */
const STAT_BYTES = 10;
const STATS_MAX = 64;
const ACTUAL = 4;
const POISON = 12;
/** Page numbers looked at in one piece. */
const PIECE = 4096;

/** Configuration space (5.5.4). */
const CONFIG: readonly Register[] = [
  { name: 'num_pages', offset: 0, width: 4, access: 'RO', reset: 0, meaning: 'pages the host asks for' },
  { name: 'actual', offset: ACTUAL, width: 4, access: 'RW', reset: 0, meaning: 'pages the guest gave' },
  { name: 'free_page_hint_cmd_id', offset: 8, width: 4, access: 'RO', reset: 0, meaning: 'not offered' },
  {
    name: 'poison_val',
    offset: POISON,
    width: 4,
    access: 'RW',
    reset: 0,
    meaning: 'what the guest fills free pages with',
  },
];

/**
 * Memory balloon (virtio 1.2, section 5.5): the guest gives pages up when asked to. Their contents stay what
 * they are, which the specification allows; only the guest's own count changes.
 */
export class VirtioBalloon implements VirtioBackend {
  readonly name = 'balloon';
  readonly deviceId = VIRTIO_ID.BALLOON;
  readonly queueSizes = [QUEUE_ENTRIES, QUEUE_ENTRIES, QUEUE_ENTRIES];
  readonly configBytes = 16;
  readonly configRegisters = CONFIG;
  #host!: VirtioHost;
  #target = 0;
  #actual = 0;
  #poison = 0;
  /** The buffer with statistics that the driver left here; given back when new ones are wanted. */
  #stats: Chain | undefined;

  features(): bigint {
    return feature(BALLOON_F.STATS_VQ) | feature(BALLOON_F.PAGE_POISON);
  }

  attach(host: VirtioHost): void {
    this.#host = host;
  }

  readConfig(config: DataView): void {
    config.setUint32(0, this.#target, true);
    config.setUint32(ACTUAL, this.#actual, true);
    config.setUint32(POISON, this.#poison, true);
  }

  writeConfig(config: DataView): void {
    const actual = config.getUint32(ACTUAL, true);
    if (actual !== this.#actual) this.#host.observer.note('balloon', { pages: actual, target: this.#target });
    this.#actual = actual;
    if (this.#host.hasFeature(BALLOON_F.PAGE_POISON)) this.#poison = config.getUint32(POISON, true);
  }

  handleQueue(index: number): void {
    if (index === STATS) this.#receiveStats();
    else if (index === INFLATE || index === DEFLATE) this.#takePages(index);
  }

  /** `target`: pages of 4 KiB that the host wants, u32. `stats`: the host wants new statistics. */
  receive(kind: string, data: Uint8Array): void {
    if (kind === 'target' && data.length >= 4) {
      this.#target = new DataView(data.buffer, data.byteOffset, data.length).getUint32(0, true);
      this.#host.configChanged();
    } else if (kind === 'stats' && this.#stats !== undefined) {
      const queue = this.#host.queue(STATS);
      queue.push(this.#stats, 0);
      this.#stats = undefined;
      queue.signal();
    }
  }

  reset(): void {
    this.#poison = 0;
    this.#stats = undefined;
  }

  save(): DeviceState {
    return {
      target: this.#target,
      actual: this.#actual,
      poison: this.#poison,
      stats: (this.#stats ?? null) as StateValue,
    };
  }

  load(state: DeviceState): void {
    this.#target = Number(state.target);
    this.#actual = Number(state.actual);
    this.#poison = Number(state.poison);
    this.#stats = (state.stats ?? undefined) as Chain | undefined;
  }

  #takePages(index: number): void {
    const queue = this.#host.queue(index);
    let used = false;
    for (let chain = queue.pop(); chain !== undefined; chain = queue.pop()) {
      // The numbers are read, so that a bad buffer is found, and counted.
      const bytes = chain.outBytes - (chain.outBytes % PAGE_NUMBER_BYTES);
      for (let done = 0; done < bytes; done += PIECE) {
        if (!queue.readOut(chain, done, new Uint8Array(Math.min(PIECE, bytes - done)))) return;
      }
      this.#host.observer.note(index === INFLATE ? 'balloon-inflate' : 'balloon-deflate', {
        pages: bytes / PAGE_NUMBER_BYTES,
      });
      queue.push(chain, 0);
      used = true;
    }
    if (used) queue.signal();
  }

  #receiveStats(): void {
    const queue = this.#host.queue(STATS);
    let used = false;
    for (let chain = queue.pop(); chain !== undefined; chain = queue.pop()) {
      // A driver that leaves a second buffer gets the first one back.
      if (this.#stats !== undefined) {
        queue.push(this.#stats, 0);
        used = true;
      }
      this.#stats = chain;
      const count = Math.min(Math.floor(chain.outBytes / STAT_BYTES), STATS_MAX);
      const bytes = new Uint8Array(count * STAT_BYTES);
      if (!queue.readOut(chain, 0, bytes)) return;
      const view = new DataView(bytes.buffer);
      const fields: { [name: string]: number } = {};
      for (let at = 0; at < bytes.length; at += STAT_BYTES) {
        fields[`tag${view.getUint16(at, true)}`] = Number(view.getBigUint64(at + 2, true));
      }
      this.#host.observer.note('balloon-stats', fields);
    }
    if (used) queue.signal();
  }
}
