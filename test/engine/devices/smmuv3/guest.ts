/*
 * What a guest puts into memory for the SMMU, written from the tables of Arm IHI 0070 sections 5.2 and 5.4 and of
 * Arm DDI 0487 section D8.3 without a look at the device.
 */

/** Where the contract suite has its Stream table and its first table of stage 1. */
export const STREAM = 0x1000;
export const TABLES = 0x2000;

export type Put = (address: number, words: readonly number[]) => void;

export interface SteFields {
  readonly valid?: boolean;
  /** Config: 0 abort, 4 bypass, 5 stage 1, 6 stage 2, 7 both. */
  readonly config: number;
  readonly context?: number;
  readonly cdMax?: number;
  readonly stallDisable?: boolean;
  readonly vmid?: number;
  readonly s2t0sz?: number;
  readonly s2sl0?: number;
  /** 0 4K, 1 64K, 2 16K. */
  readonly s2tg?: number;
  readonly s2ps?: number;
  readonly s2aa64?: boolean;
  readonly s2endi?: boolean;
  readonly s2affd?: boolean;
  readonly s2hd?: boolean;
  readonly s2ha?: boolean;
  readonly s2s?: boolean;
  readonly s2r?: boolean;
  readonly s2ttb?: number;
}

const low = (address: number) => address % 2 ** 32;
const high = (address: number) => Math.floor(address / 2 ** 32);
const bit = (on: boolean | undefined, position: number) => (on === true ? 2 ** position : 0);

/** The 16 words of a Stream table entry. */
export function streamEntry(f: SteFields): number[] {
  const words = new Array<number>(16).fill(0);
  const context = f.context ?? 0;
  words[0] = (f.valid === false ? 0 : 1) + f.config * 2 + (low(context) - (low(context) % 64));
  words[1] = high(context) + (f.cdMax ?? 0) * 2 ** 27;
  words[2] = bit(f.stallDisable, 27);
  words[4] = f.vmid ?? 0;
  words[5] =
    (f.s2t0sz ?? 25) +
    (f.s2sl0 ?? 1) * 2 ** 6 +
    (f.s2tg ?? 0) * 2 ** 14 +
    (f.s2ps ?? 4) * 2 ** 16 +
    bit(f.s2aa64 ?? true, 19) +
    bit(f.s2endi, 20) +
    bit(f.s2affd, 21) +
    bit(f.s2hd, 23) +
    bit(f.s2ha, 24) +
    bit(f.s2s, 25) +
    bit(f.s2r ?? true, 26);
  words[6] = low(f.s2ttb ?? 0);
  words[7] = high(f.s2ttb ?? 0);
  return words;
}

export interface CdFields {
  readonly valid?: boolean;
  readonly t0sz?: number;
  readonly t1sz?: number;
  /** TG0: 0 4K, 1 64K, 2 16K. TG1: 1 16K, 2 4K, 3 64K. */
  readonly tg0?: number;
  readonly tg1?: number;
  readonly epd0?: boolean;
  readonly epd1?: boolean;
  readonly endi?: boolean;
  readonly ips?: number;
  readonly affd?: boolean;
  readonly tbi?: number;
  readonly aa64?: boolean;
  readonly hd?: boolean;
  readonly ha?: boolean;
  readonly s?: boolean;
  readonly r?: boolean;
  readonly a?: boolean;
  readonly asid?: number;
  readonly ttb0?: number;
  readonly ttb1?: number;
  readonly had0?: boolean;
  readonly had1?: boolean;
}

/** The 16 words of a Context descriptor. Without a T1SZ the upper range is disabled. */
export function contextDescriptor(f: CdFields): number[] {
  const words = new Array<number>(16).fill(0);
  words[0] =
    (f.t0sz ?? 25) +
    (f.tg0 ?? 0) * 2 ** 6 +
    bit(f.epd0, 14) +
    bit(f.endi, 15) +
    (f.t1sz ?? 0) * 2 ** 16 +
    (f.tg1 ?? 2) * 2 ** 22 +
    bit(f.epd1 ?? f.t1sz === undefined, 30) +
    bit(f.valid ?? true, 31);
  words[1] =
    (f.ips ?? 4) +
    bit(f.affd, 3) +
    (f.tbi ?? 0) * 2 ** 6 +
    bit(f.aa64 ?? true, 9) +
    bit(f.hd, 10) +
    bit(f.ha, 11) +
    bit(f.s, 12) +
    bit(f.r ?? true, 13) +
    bit(f.a ?? true, 14) +
    (f.asid ?? 0) * 2 ** 16;
  words[2] = low(f.ttb0 ?? 0) + bit(f.had0, 1);
  words[3] = high(f.ttb0 ?? 0);
  words[4] = low(f.ttb1 ?? 0) + bit(f.had1, 1);
  words[5] = high(f.ttb1 ?? 0);
  return words;
}

/** Two words of a table descriptor, or of a page or block with the Access flag, privileged read-write. */
export const tableAt = (address: number): number[] => [low(address) + 3, high(address)];
export const pageAt = (address: number, more = 0): number[] => [low(address) + 0x403 + more, high(address)];
export const blockAt = (address: number, more = 0): number[] => [low(address) + 0x401 + more, high(address)];

/** Stage 1, 4 KiB granule, from level 1 on: 4 pages at 0, a block at 2 MiB, and a page that is read-only. */
export function pageTables(put: Put, base: number): void {
  put(base, tableAt(base + 0x1000));
  put(base + 0x1000, tableAt(base + 0x2000));
  put(base + 0x1008, blockAt(0));
  for (let page = 0; page < 4; page++) put(base + 0x2000 + 8 * page, pageAt(0x4000 + 0x1000 * page));
  put(base + 0x2020, pageAt(0x5000, 0x80));
}
