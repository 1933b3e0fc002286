import { decodeEvent } from '../../../../engine/devices/smmuv3/events.ts';
import { SMMU_7_2, type SmmuFeatures } from '../../../../engine/devices/smmuv3/features.ts';
import { Smmuv3 } from '../../../../engine/devices/smmuv3/smmuv3.ts';
import type { Translation } from '../../../../engine/devices/smmuv3/translator.ts';
import { Bench, busRead, busWrite } from '../bench.ts';
import { type CdFields, contextDescriptor, pageAt, type SteFields, streamEntry, tableAt } from './guest.ts';
import { LAYOUT, RAM, RAM_SIZE } from './two-sides.ts';

/** Stage 2 tables of the fixture: IPAs are physical addresses + IPA_OFFSET. */
export const STAGE2_TABLES = RAM + 0x28_0000;
export const IPA_OFFSET = 0x1_0000_0000;
const QUEUE_LOG2 = 4;

/** An SMMU with a driver that did everything right, and one stream; tests then do something wrong. */
export class Fixture {
  readonly bench = new Bench();
  readonly smmu: Smmuv3;
  readonly #memory: DataView;
  #sent = 0;
  #seen = 0;

  constructor(features: SmmuFeatures = SMMU_7_2, strict = false) {
    const { bench } = this;
    this.#memory = new DataView(bench.memory('dma', RAM_SIZE).buffer);
    this.smmu = new Smmuv3(
      {
        ...bench.ports('smmu'),
        dma: bench.dma(RAM, RAM_SIZE),
        eventq: bench.line('eventq'),
        priq: bench.line('priq'),
        cmdqSync: bench.line('cmdq-sync'),
        gerror: bench.line('gerror'),
      },
      { features, strict },
    );
    this.write(0x80, BigInt(LAYOUT.streamTable), 8);
    this.write(0x88, 8n);
    this.write(0xa0, BigInt(LAYOUT.eventq + QUEUE_LOG2), 8);
    this.write(0x90, BigInt(LAYOUT.cmdq + QUEUE_LOG2), 8);
    this.write(0x50, 5n);
    this.write(0x20, 0xdn);
    this.stream(0, { config: 5 });
    this.context(LAYOUT.context, {});
    this.put(LAYOUT.tables, tableAt(LAYOUT.tables + 0x1000));
    this.put(LAYOUT.tables + 0x1000, tableAt(LAYOUT.tables + 0x2000));
  }

  read(offset: number, size: 4 | 8 = 4): bigint {
    return busRead(this.smmu, offset, size)!;
  }
  write(offset: number, value: bigint, size: 4 | 8 = 4): void {
    busWrite(this.smmu, offset, size, value);
  }
  put(address: number, words: readonly number[]): void {
    for (const [n, word] of words.entries()) this.#memory.setUint32(address - RAM + 4 * n, word, true);
  }

  stream(id: number, fields: SteFields): void {
    this.put(LAYOUT.streamTable + 64 * id, streamEntry({ context: LAYOUT.context, vmid: 7, ...fields }));
  }
  context(at: number, fields: CdFields): void {
    this.put(at, contextDescriptor({ ttb0: LAYOUT.tables, asid: 1, ...fields }));
  }
  /** Stage 1, 4 KiB granule: page number `page` of the input is at `to`, or a hole. */
  map(page: number, to: number | undefined, more = 0x800): void {
    this.put(LAYOUT.tables + 0x2000 + 8 * page, to === undefined ? [0, 0] : pageAt(to, more));
  }
  /** Stage 2, 4 KiB granule, from level 1: IPA − IPA_OFFSET is the physical address in the first 4 MiB of RAM. */
  mapStage2(more = 0xc0): void {
    const first = STAGE2_TABLES + 8 * Math.floor((RAM + IPA_OFFSET) / 2 ** 30);
    this.put(first, tableAt(STAGE2_TABLES + 0x1000));
    for (let block = 0; block < 2; block++) {
      this.put(STAGE2_TABLES + 0x1000 + 8 * block, tableAt(STAGE2_TABLES + 0x2000 + 0x1000 * block));
      for (let page = 0; page < 512; page++) this.stage2Page(block * 512 + page, more);
    }
  }
  stage2Page(page: number, more: number | undefined): void {
    const at = STAGE2_TABLES + 0x2000 + 8 * page;
    this.put(at, more === undefined ? [0, 0] : pageAt(RAM + 0x1000 * page, more));
  }

  /** A transaction; gives the physical address, or the name of the event. */
  access(iova: number | bigint, write = false, stream = 0): number | string {
    const result = this.translate(iova, write, stream);
    return result.ok ? result.physicalAddress : (result.event?.event ?? 'abort');
  }
  translate(iova: number | bigint, write = false, stream = 0, substream?: number): Translation {
    return this.smmu.translate(stream, substream, iova, { write });
  }

  /** Sends a command; true unless the queue stopped with it. */
  command(...words: number[]): boolean {
    this.put(LAYOUT.cmdq + 16 * (this.#sent % 2 ** QUEUE_LOG2), [...words, 0, 0, 0].slice(0, 4));
    this.#sent = (this.#sent + 1) % 2 ** (QUEUE_LOG2 + 1);
    this.write(0x98, BigInt(this.#sent));
    return this.read(0x9c) === BigInt(this.#sent);
  }

  /** Events since the last call, decoded, the name first. */
  events(): string[] {
    const list: string[] = [];
    for (const prod = Number(this.read(0xa8)); this.#seen !== prod; ) {
      const at = LAYOUT.eventq - RAM + 32 * (this.#seen % 2 ** QUEUE_LOG2);
      const { name, fields } = decodeEvent(new Uint8Array(this.#memory.buffer, at, 32));
      const text = Object.entries(fields).map(([key, value]) => `${key}=${String(value)}`);
      list.push([name, ...text].join(' '));
      this.#seen = (this.#seen + 1) % 2 ** (QUEUE_LOG2 + 1);
    }
    this.write(0xac, BigInt(this.#seen));
    return list;
  }

  /** Lines of the log that begin so, without what is the same in all; empties the log. */
  log(prefix: string): string[] {
    const lines = this.bench.log.filter((line) => line.startsWith(prefix)).map((l) => l.slice(prefix.length));
    this.bench.log.length = 0;
    return lines;
  }
}
