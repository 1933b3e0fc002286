import type { DmaPort } from '../../../../engine/base/device.ts';
import { Gicv3 } from '../../../../engine/devices/gic/gicv3.ts';
import { Its } from '../../../../engine/devices/gic/its.ts';
import { GITS } from '../../../../engine/devices/gic/its-registers.ts';
import { Bench, busRead, busWrite } from '../bench.ts';
import type { Qemu } from '../qemu.ts';

/* A guest's view of GICv3 and ITS, on our devices or on QEMU's, and commands written from the specification. */

export const RAM = 0x4000_0000;
export const RAM_BYTES = 0x20_0000;
export const CPUS = 3;
const GICD = 0x0800_0000;
const ITS = 0x0808_0000;
const GICR = 0x080a_0000;

export interface ItsGuest {
  read(address: number, size: 4 | 8): Promise<bigint>;
  write(address: number, size: 2 | 4 | 8, value: bigint): Promise<void>;
  readMemory(address: number, length: number): Promise<Uint8Array>;
  writeMemory(address: number, bytes: Uint8Array): Promise<void>;
  clearMemory(): Promise<void>;
}

export class EngineIts implements ItsGuest {
  readonly bench = new Bench();
  readonly gic: Gicv3;
  readonly its: Its;
  readonly memory: Uint8Array;

  constructor() {
    const { bench } = this;
    const dma: DmaPort = bench.dma(RAM, RAM_BYTES);
    this.memory = bench.memory('dma', RAM_BYTES);
    this.gic = new Gicv3({
      cpus: CPUS,
      outputs: (cpu, { irq }) => void bench.log.push(`cpu ${cpu} irq ${irq}`),
      guestError: (device, offset, message) =>
        void bench.log.push(`guest-error ${device}+${offset}: ${message}`),
    });
    this.its = new Its({ ...bench.ports('its'), dma }, this.gic);
  }

  #find(address: number) {
    if (address >= GICR) return { device: this.gic.devices[1]!, offset: address - GICR };
    if (address >= ITS) return { device: this.its, offset: address - ITS };
    return { device: this.gic.devices[0]!, offset: address - GICD };
  }

  async read(address: number, size: 4 | 8): Promise<bigint> {
    const { device, offset } = this.#find(address);
    return busRead(device, offset, size) ?? -1n;
  }

  async write(address: number, size: 2 | 4 | 8, value: bigint): Promise<void> {
    const { device, offset } = this.#find(address);
    busWrite(device, offset, size, value);
  }

  async readMemory(address: number, length: number): Promise<Uint8Array> {
    return this.memory.slice(address - RAM, address - RAM + length);
  }

  async writeMemory(address: number, bytes: Uint8Array): Promise<void> {
    this.memory.set(bytes, address - RAM);
  }

  async clearMemory(): Promise<void> {
    this.memory.fill(0);
  }
}

export class QemuIts implements ItsGuest {
  readonly #qemu: Qemu;
  constructor(qemu: Qemu) {
    this.#qemu = qemu;
  }

  read(address: number, size: 4 | 8): Promise<bigint> {
    return this.#qemu.read(address, size).then((value) => BigInt.asUintN(size * 8, value));
  }

  write(address: number, size: 2 | 4 | 8, value: bigint): Promise<void> {
    return this.#qemu.write(address, size, value);
  }

  readMemory(address: number, length: number): Promise<Uint8Array> {
    return this.#qemu.readMemory(address, length);
  }

  writeMemory(address: number, bytes: Uint8Array): Promise<void> {
    return this.#qemu.writeMemory(address, bytes);
  }

  async clearMemory(): Promise<void> {
    await this.#qemu.command(`memset 0x${RAM.toString(16)} ${RAM_BYTES} 0`);
  }
}

/** Where the guest puts things in RAM. */
export const PLACE = {
  queue: RAM,
  devices: RAM + 0x1_0000,
  collections: RAM + 0x2_0000,
  level2: RAM + 0x3_0000,
  itts: RAM + 0x4_0000,
  properties: RAM + 0x5_0000,
  /** One per CPU, 64 KiB apart. */
  pending: RAM + 0x8_0000,
} as const;

export const QUEUE_COMMANDS = 128;
export const ITT_STRIDE = 0x400;
/** INTIDs have 14 bits. */
export const ID_BITS = 13;
export const LPIS = 2 ** (ID_BITS + 1) - 8192;

/** A command as four double words (Arm IHI 0069, 5.3). */
export type Words = readonly [bigint, bigint, bigint, bigint];
const VALID = 1n << 63n;
const n = BigInt;

export const command = {
  movi: (device: number, event: number, icid: number): Words => [
    1n | (n(device) << 32n),
    n(event),
    n(icid),
    0n,
  ],
  int: (device: number, event: number): Words => [3n | (n(device) << 32n), n(event), 0n, 0n],
  clear: (device: number, event: number): Words => [4n | (n(device) << 32n), n(event), 0n, 0n],
  sync: (cpu: number): Words => [5n, 0n, n(cpu) << 16n, 0n],
  mapd: (device: number, bits: number, itt: number, valid = true): Words => [
    8n | (n(device) << 32n),
    n(bits - 1),
    n(itt) | (valid ? VALID : 0n),
    0n,
  ],
  mapc: (icid: number, cpu: number, valid = true): Words => [
    9n,
    0n,
    n(icid) | (n(cpu) << 16n) | (valid ? VALID : 0n),
    0n,
  ],
  mapti: (device: number, event: number, intid: number, icid: number): Words => [
    0xan | (n(device) << 32n),
    n(event) | (n(intid) << 32n),
    n(icid),
    0n,
  ],
  mapi: (device: number, event: number, icid: number): Words => [
    0xbn | (n(device) << 32n),
    n(event),
    n(icid),
    0n,
  ],
  inv: (device: number, event: number): Words => [0xcn | (n(device) << 32n), n(event), 0n, 0n],
  invall: (icid: number): Words => [0xdn, 0n, n(icid), 0n],
  movall: (from: number, to: number): Words => [0xen, 0n, n(from) << 16n, n(to) << 16n],
  discard: (device: number, event: number): Words => [0xfn | (n(device) << 32n), n(event), 0n, 0n],
} as const;

export interface SetupOptions {
  readonly twoLevels?: boolean;
  /** Whether CPUs get their LPI tables. */
  readonly lpis?: boolean;
}

/** The guest's driver: tables, queue, LPIs of every CPU, commands. */
export class ItsDriver {
  readonly guest: ItsGuest;
  #write = 0;
  constructor(guest: ItsGuest) {
    this.guest = guest;
  }

  async setUp({ twoLevels = false, lpis = true }: SetupOptions = {}): Promise<void> {
    const { guest } = this;
    await guest.write(ITS + GITS.CTLR, 4, 0n);
    await guest.clearMemory();
    await guest.write(GICD, 4, 3n);
    await guest.write(ITS + GITS.CBASER, 8, VALID | n(PLACE.queue));
    await guest.write(ITS + GITS.CWRITER, 8, 0n);
    this.#write = 0;
    const indirect = twoLevels ? 1n << 62n : 0n;
    // 4 KiB pages, one each.
    await guest.write(ITS + GITS.BASER, 8, VALID | indirect | n(PLACE.devices));
    await guest.write(ITS + GITS.BASER + 8, 8, VALID | n(PLACE.collections));
    if (twoLevels) {
      // Pages for devices 0–511 and 1024–1535; none for those between.
      const level1 = new Uint8Array(24);
      const view = new DataView(level1.buffer);
      view.setBigUint64(0, VALID | n(PLACE.level2), true);
      view.setBigUint64(16, VALID | n(PLACE.level2 + 0x1000), true);
      await guest.writeMemory(PLACE.devices, level1);
    }
    for (let cpu = 0; cpu < CPUS; cpu++) {
      const base = GICR + cpu * 0x2_0000;
      await guest.write(base, 4, 0n);
      await guest.write(base + 0x70, 8, n(PLACE.properties) | n(ID_BITS));
      await guest.write(base + 0x78, 8, n(PLACE.pending + cpu * 0x1_0000));
      if (lpis) await guest.write(base, 4, 1n);
    }
    await guest.write(ITS + GITS.CTLR, 4, 1n);
  }

  /** Priority and enable of every LPI. */
  async configure(bytes: Uint8Array): Promise<void> {
    await this.guest.writeMemory(PLACE.properties, bytes);
  }

  /** Puts commands into the queue and starts them. */
  async run(...commands: readonly Words[]): Promise<void> {
    for (const words of commands) {
      const bytes = new Uint8Array(32);
      const view = new DataView(bytes.buffer);
      words.forEach((word, index) => {
        view.setBigUint64(8 * index, word, true);
      });
      await this.guest.writeMemory(PLACE.queue + 32 * this.#write, bytes);
      this.#write = (this.#write + 1) % QUEUE_COMMANDS;
    }
    await this.guest.write(ITS + GITS.CWRITER, 8, n(32 * this.#write));
  }

  /** A message from device 0, as a CPU can send it. */
  message(event: number, size: 2 | 4 = 4): Promise<void> {
    return this.guest.write(ITS + GITS.TRANSLATER, size, n(event));
  }

  /** Pending LPIs of a CPU, by its table. */
  async pending(cpu: number): Promise<number[]> {
    const bytes = await this.guest.readMemory(PLACE.pending + cpu * 0x1_0000 + 1024, LPIS / 8);
    return [...bytes].flatMap((byte, at) =>
      [0, 1, 2, 3, 4, 5, 6, 7].filter((bit) => (byte >> bit) & 1).map((bit) => 8192 + at * 8 + bit),
    );
  }

  /** Everything a guest can see of it. */
  async look(): Promise<{ [what: string]: string }> {
    const { guest } = this;
    const registers: string[] = [];
    for (const offset of [GITS.CTLR, GITS.CBASER, GITS.CWRITER, GITS.CREADR, GITS.BASER, GITS.BASER + 8]) {
      registers.push((await guest.read(ITS + offset, offset === GITS.CTLR ? 4 : 8)).toString(16));
    }
    const look: { [what: string]: string } = { registers: registers.join(' ') };
    for (const [name, at, length] of [
      ['devices', PLACE.devices, 0x1000],
      ['collections', PLACE.collections, 0x1000],
      ['level2', PLACE.level2, 0x2000],
      ['itts', PLACE.itts, 0x4000],
    ] as const) {
      look[name] = nonZero(await guest.readMemory(at, length));
    }
    for (let cpu = 0; cpu < CPUS; cpu++) look[`pending${cpu}`] = (await this.pending(cpu)).join(' ');
    return look;
  }
}

/** The bytes that are not zero, with their offsets. */
function nonZero(bytes: Uint8Array): string {
  return [...bytes]
    .flatMap((byte, at) => (byte === 0 ? [] : [`${at.toString(16)}=${byte.toString(16)}`]))
    .join(' ');
}
