import { setTimeout } from 'node:timers/promises';
import type { DmaPort } from '../../../../engine/base/device.ts';
import { SMMU_7_2, type SmmuFeatures } from '../../../../engine/devices/smmuv3/features.ts';
import { smmuDma } from '../../../../engine/devices/smmuv3/smmu-dma.ts';
import { Smmuv3 } from '../../../../engine/devices/smmuv3/smmuv3.ts';
import { Bench, busRead, busWrite } from '../bench.ts';
import { Qemu } from '../qemu.ts';

/*
 * The same machine twice: an SMMU, memory, and a bus master behind it, ours and QEMU's. QEMU's bus master is
 * its `edu` device: it moves up to 4 KiB between memory and a buffer of its own on command.
 */

export const RAM = 0x4000_0000;
export const RAM_SIZE = 0x40_0000;
/** PCI 00:03.0. */
export const SID = 3 << 3;

export interface Side {
  readRegister(offset: number, size: 4 | 8): Promise<bigint>;
  writeRegister(offset: number, size: 4 | 8, value: bigint): Promise<void>;
  /** Physical memory, from RAM on. */
  peek(address: number, length: number): Promise<Uint8Array>;
  poke(address: number, bytes: Uint8Array): Promise<void>;
  /** The bus master reads into its buffer, or writes from it. */
  dmaRead(iova: bigint, length: number): Promise<void>;
  dmaWrite(iova: bigint, length: number): Promise<void>;
  end(): void;
}

export class OurSide implements Side {
  readonly bench = new Bench();
  readonly smmu: Smmuv3;
  readonly #memory: Uint8Array;
  readonly #port: DmaPort;
  readonly #buffer = new Uint8Array(4096);

  constructor(features: SmmuFeatures = SMMU_7_2, strict = false, stream = SID) {
    const { bench } = this;
    this.#memory = bench.memory('dma', RAM_SIZE);
    const dma = bench.dma(RAM, RAM_SIZE);
    this.smmu = new Smmuv3(
      {
        ...bench.ports('smmu'),
        dma,
        eventq: bench.line('eventq'),
        priq: bench.line('priq'),
        cmdqSync: bench.line('cmdq-sync'),
        gerror: bench.line('gerror'),
      },
      { features, strict },
    );
    this.#port = smmuDma(this.smmu, stream, dma);
  }

  async readRegister(offset: number, size: 4 | 8): Promise<bigint> {
    return busRead(this.smmu, offset, size)!;
  }
  async writeRegister(offset: number, size: 4 | 8, value: bigint): Promise<void> {
    busWrite(this.smmu, offset, size, value);
  }
  async peek(address: number, length: number): Promise<Uint8Array> {
    return this.#memory.slice(address - RAM, address - RAM + length);
  }
  async poke(address: number, bytes: Uint8Array): Promise<void> {
    this.#memory.set(bytes, address - RAM);
  }
  async dmaRead(iova: bigint, length: number): Promise<void> {
    if (iova < 2n ** 53n) {
      // QEMU's bus master finds zeros where its access failed.
      const ok = this.#port.read(Number(iova), this.#buffer.subarray(0, length));
      if (!ok) this.#buffer.fill(0, 0, length);
    } else this.smmu.translate(SID, undefined, iova, { write: false });
  }
  async dmaWrite(iova: bigint, length: number): Promise<void> {
    if (iova < 2n ** 53n) this.#port.write(Number(iova), this.#buffer.subarray(0, length));
    else this.smmu.translate(SID, undefined, iova, { write: true });
  }
  end(): void {}
}

const SMMU = 0x0905_0000;
const ECAM = 0x3f00_0000;
const BAR = 0x1000_0000;

export class QemuSide implements Side {
  readonly #qemu = new Qemu(
    ['-M', 'gic-version=3,iommu=smmuv3,highmem=off', '-device', 'edu,addr=3,dma_mask=0xffffffffffffffff'],
    true,
  );

  async start(): Promise<void> {
    const config = ECAM + (SID << 12);
    await this.#qemu.write(config + 0x10, 4, BigInt(BAR));
    await this.#qemu.write(config + 4, 4, 6n);
  }
  readRegister(offset: number, size: 4 | 8): Promise<bigint> {
    return this.#qemu.read(SMMU + offset, size);
  }
  writeRegister(offset: number, size: 4 | 8, value: bigint): Promise<void> {
    return this.#qemu.write(SMMU + offset, size, value);
  }
  peek(address: number, length: number): Promise<Uint8Array> {
    return this.#qemu.readMemory(address, length);
  }
  poke(address: number, bytes: Uint8Array): Promise<void> {
    return this.#qemu.writeMemory(address, bytes);
  }
  dmaRead(iova: bigint, length: number): Promise<void> {
    return this.#dma(iova, 0x4_0000n, length, 1n);
  }
  dmaWrite(iova: bigint, length: number): Promise<void> {
    return this.#dma(0x4_0000n, iova, length, 3n);
  }
  async #dma(from: bigint, to: bigint, length: number, command: bigint): Promise<void> {
    const q = this.#qemu;
    for (const [offset, value] of [
      [0x80, from],
      [0x88, to],
      [0x90, BigInt(length)],
      [0x98, command],
    ] as const) {
      void q.write(BAR + offset, 8, value);
    }
    // Each look stops the CPU, whose instructions are what makes virtual time pass.
    do await setTimeout(2);
    while (((await q.read(BAR + 0x98, 8)) & 1n) !== 0n);
  }
  end(): void {
    this.#qemu.end();
  }
}

/* ---------------------------------------------------------------- what a driver does */

export const LAYOUT = {
  eventq: RAM + 0x3_0000,
  cmdq: RAM + 0x3_8000,
  streamTable: RAM + 0x10_0000,
  context: RAM + 0x8000,
  tables: RAM + 0x20_0000,
} as const;
const EVENTS = 64;
const COMMANDS = 64;

export function wordBytes(words: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(4 * words.length);
  const view = new DataView(bytes.buffer);
  for (const [n, word] of words.entries()) view.setUint32(4 * n, word, true);
  return bytes;
}

/** A driver on one side: queues set up, SMMU on. */
export class Driver {
  readonly side: Side;
  #commandsSent = 0;
  #eventsSeen = 0;

  constructor(side: Side) {
    this.side = side;
  }

  async start(log2size = 8): Promise<void> {
    const { side } = this;
    await side.writeRegister(0x80, 8, BigInt(LAYOUT.streamTable));
    await side.writeRegister(0x88, 4, BigInt(log2size));
    await side.writeRegister(0xa0, 8, BigInt(LAYOUT.eventq + 6));
    await side.writeRegister(0x90, 8, BigInt(LAYOUT.cmdq + 6));
    await side.writeRegister(0x50, 4, 5n);
    await side.writeRegister(0x20, 4, 0xdn);
  }

  put(address: number, words: readonly number[]): Promise<void> {
    return this.side.poke(address, wordBytes(words));
  }

  /** Sends a command; gives GERROR ^ GERRORN and CMDQ_CONS as text. Acknowledges an error and leaves the command out. */
  async command(words: readonly number[]): Promise<string> {
    const { side } = this;
    await this.put(LAYOUT.cmdq + 16 * (this.#commandsSent % COMMANDS), words);
    this.#commandsSent = (this.#commandsSent + 1) % (2 * COMMANDS);
    await side.writeRegister(0x98, 4, BigInt(this.#commandsSent));
    const gerror = await side.readRegister(0x60, 4);
    const active = gerror ^ (await side.readRegister(0x64, 4));
    const cons = await side.readRegister(0x9c, 4);
    if (active !== 0n) {
      await side.writeRegister(0x9c, 4, BigInt(this.#commandsSent));
      await side.writeRegister(0x64, 4, gerror);
    }
    return `${active.toString(16)} ${cons.toString(16)}`;
  }

  /** Takes the events off the queue: 8 words each, in hexadecimal. */
  async events(): Promise<string[]> {
    const { side } = this;
    const prod = Number(await side.readRegister(0xa8, 4));
    const list: string[] = [];
    while (this.#eventsSeen !== prod && list.length < EVENTS) {
      const bytes = await side.peek(LAYOUT.eventq + 32 * (this.#eventsSeen % EVENTS), 32);
      const view = new DataView(bytes.buffer, bytes.byteOffset, 32);
      const words = Array.from({ length: 8 }, (_, n) => view.getUint32(4 * n, true));
      list.push(words.map((w) => w.toString(16)).join(' '));
      this.#eventsSeen = (this.#eventsSeen + 1) % (2 * EVENTS);
    }
    await side.writeRegister(0xac, 4, BigInt(this.#eventsSeen));
    return list;
  }
}
