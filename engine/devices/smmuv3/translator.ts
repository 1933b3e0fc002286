/*
 * The way of a transaction through the SMMU, Arm IHI 0070 section 3: configuration of its stream, TLB, walks of
 * one or both stages, permissions, and the fault that ends it (section 3.12: terminate; no stalling).
 */
import type { DmaPort } from '../../base/device.ts';
import type { EventName, SmmuEvent } from './events.ts';
import { outputBits, type SmmuFeatures } from './features.ts';
import type { ConfigFault, StreamConfig, StreamTable, TableRegisters } from './stream-table.ts';
import { levelShift, type Region, type Stage1, type Stage2, type StreamEntry } from './structures.ts';
import { GLOBAL_ASID, NO_ASID, type Tlb, type TlbEntry, type TlbTag } from './tlb.ts';
import {
  type DescriptorReader,
  type FaultReason,
  type Leaf,
  type WalkFault,
  type WalkHelp,
  type WalkStep,
  walkStage1,
  walkStage2,
} from './walk.ts';

/** Attributes of a transaction. */
export interface SmmuAccess {
  readonly write: boolean;
  readonly privileged?: boolean;
  readonly instruction?: boolean;
}

export type Stages = 'off' | 'bypass' | '1' | '2' | '1+2';

export interface Translated {
  readonly ok: true;
  readonly physicalAddress: number;
  /** Bytes from there for which the translation holds. */
  readonly length: number;
  readonly readable: boolean;
  readonly writable: boolean;
  readonly stages: Stages;
  /** From the TLB. */
  readonly cached: boolean;
}

export interface Untranslated {
  readonly ok: false;
  /** Undefined: the transaction is aborted without an event. */
  readonly event: SmmuEvent | undefined;
  /** The event goes into the event queue. */
  readonly record: boolean;
  readonly why: string;
}

export type Translation = Translated | Untranslated;

const eventOf: { readonly [reason in FaultReason]: EventName } = {
  abort: 'F_WALK_EABT',
  translation: 'F_TRANSLATION',
  'address-size': 'F_ADDR_SIZE',
  access: 'F_ACCESS',
  permission: 'F_PERMISSION',
};

const whys: { readonly [reason in FaultReason]: string } = {
  abort: 'a table descriptor cannot be read',
  translation: 'no valid descriptor maps the address',
  'address-size': 'an address in the tables, or the input, is too large',
  access: 'the Access flag is 0',
  permission: 'the descriptors do not permit the access',
};

const classOf = { input: 'IN', table: 'TT', context: 'CD' } as const;

/** Length of a translation that never ends within an address space. */
const ENDLESS = 2 ** 52;

type Translating = StreamConfig & { readonly kind: 'translate' };

export class Translator {
  readonly #features: SmmuFeatures;
  readonly #dma: DmaPort;
  readonly #streams: StreamTable;
  readonly #tlb: Tlb;
  readonly #strict: boolean;
  readonly #bytes = new Uint8Array(8);
  readonly #view = new DataView(this.#bytes.buffer);
  /** Descriptors of the translation being made, if someone wants to know. */
  #steps: WalkStep[] | undefined;

  constructor(features: SmmuFeatures, dma: DmaPort, streams: StreamTable, tlb: Tlb, strict: boolean) {
    this.#features = features;
    this.#dma = dma;
    this.#streams = streams;
    this.#tlb = tlb;
    this.#strict = strict;
  }

  /**
   * Translates one address for a stream. `iova` has 64 bits; as a number it is an integer, signed or not, and exact
   * where that is below 2^53. `steps` gets the descriptors that were read on the way.
   */
  translate(
    streamId: number,
    substreamId: number | undefined,
    iova: bigint | number,
    access: SmmuAccess,
    registers: TableRegisters,
    steps?: WalkStep[],
  ): Translation {
    this.#steps = steps;
    const config = this.#streams.find(streamId, registers, (entry, ipa) => this.#contextAddress(entry, ipa));
    const event = (name: EventName): SmmuEvent => ({
      event: name,
      streamId,
      ...(substreamId === undefined ? {} : { substreamId }),
    });
    switch (config.kind) {
      case 'fault':
        return this.#configFault(config, event, iova, access);
      case 'abort':
        return { ok: false, event: undefined, record: false, why: 'STE.Config aborts the stream' };
      case 'bypass':
        return passed(iova, 'bypass');
      case 'translate': {
        // No stream has substreams (SMMU_IDR1.SSIDSIZE is 0, STE.S1CDMax must be 0): section 7.3.8.
        if (substreamId !== undefined && config.stage1 !== undefined) {
          const why = 'a SubstreamID, and STE.S1CDMax is 0';
          return { ok: false, event: event('C_BAD_SUBSTREAMID'), record: true, why };
        }
        const result = this.#through(config, iova, access);
        if (result.ok) return result;
        const record = result.reason === 'abort' || this.#records(config, result);
        return this.#fault(result, event(eventOf[result.reason]), record, iova, access);
      }
    }
  }

  #records({ stage1, stage2 }: Translating, fault: WalkFault): boolean {
    return fault.stage === 1 ? (stage1?.record ?? false) : (stage2?.record ?? false);
  }

  #configFault(
    config: ConfigFault,
    event: (name: EventName) => SmmuEvent,
    iova: bigint | number,
    access: SmmuAccess,
  ): Untranslated {
    const { walk, why, record } = config;
    if (walk !== undefined) return this.#fault(walk, event(eventOf[walk.reason]), record, iova, access);
    const { address2 } = config.event;
    const more = address2 === undefined ? {} : { address2 };
    return { ok: false, event: { ...event(config.event.event), ...more }, record, why };
  }

  #fault(
    fault: WalkFault,
    event: SmmuEvent,
    record: boolean,
    iova: bigint | number,
    access: SmmuAccess,
  ): Untranslated {
    const stage2 = fault.stage === 2;
    // Section 7.3: an aborted fetch of a stage 1 table is class TT, all other faults of stage 1 are class IN.
    const ofTable = fault.reason === 'abort' && !stage2;
    return {
      ok: false,
      event: {
        ...event,
        write: access.write,
        privileged: access.privileged ?? false,
        instruction: access.instruction ?? false,
        address: toBig(iova),
        stage2,
        class: ofTable ? 'TT' : classOf[fault.of],
        ...(stage2 || fault.reason === 'abort' ? { address2: fault.address } : {}),
      },
      record,
      why: whys[fault.reason],
    };
  }

  /* ------------------------------------------------------------------ stages */

  #through(config: Translating, iova: bigint | number, access: SmmuAccess): Translated | WalkFault {
    const { stage1, stage2 } = config;
    if (stage1 !== undefined) {
      const at = locate(iova, stage1);
      if (at === undefined) return faultAt(1, 'translation');
      return this.#withStage1(at, stage1, config, access);
    }
    const { vmid } = config;
    const ipa = Number(toBig(iova));
    // Section 3.4: where stage 1 is bypassed, an input above IAS (= OAS) is an Address size fault of stage 1.
    if (ipa >= 2 ** outputBits(this.#features)) return faultAt(1, 'address-size');
    return this.#finish(ipa, this.#stage2(ipa, stage2!, vmid, access.write, 'input'), '2', access);
  }

  #withStage1(at: Located, stage1: Stage1, config: Translating, access: SmmuAccess): Translated | WalkFault {
    const { region, input } = at;
    const { vmid, stage2 } = config;
    const tag: TlbTag = { vmid, asid: stage1.asid, granule: region.granule };
    const stages: Stages = stage2 === undefined ? '1' : '1+2';
    const known = this.#tlb.find(tag, input);
    if (known !== undefined) return this.#finish(input, { entry: known, cached: true }, stages, access);

    const leaf = walkStage1(
      at.offset,
      region,
      stage1,
      this.#help(this.#stage1Reader(stage2, vmid), tag, region, at),
    );
    if (!leaf.ok) return leaf;
    const own = entryOf(input, leaf, 1);
    // Stage 1 speaks before stage 2 is asked for the output address.
    const denied = permission(own, input, access);
    if (denied !== undefined && !this.#strict) return denied;
    let entry = own;
    if (denied === undefined && stage2 !== undefined) {
      const ipa = own.output + (input - own.input);
      const second = this.#stage2(ipa, stage2, vmid, access.write, 'input');
      if ('ok' in second) return second;
      entry = combine(own, second.entry, input, ipa);
      const denied2 = permission(entry, input, access);
      if (denied2 !== undefined && !this.#strict) return denied2;
    }
    // Section 3.21.2: strict mode also remembers what was not permitted, as hardware may.
    if (denied === undefined || stage2 === undefined) {
      this.#tlb.add(this.#strict && leaf.global ? { ...tag, asid: GLOBAL_ASID } : tag, entry);
    }
    return this.#finish(input, { entry, cached: false }, stages, access);
  }

  /** Stage 2 alone, from the TLB or by a walk. */
  #stage2(ipa: number, stage2: Stage2, vmid: number, write: boolean, of: WalkFault['of']): Found | WalkFault {
    const tag: TlbTag = { vmid, asid: NO_ASID, granule: stage2.granule };
    const known = this.#tlb.find(tag, ipa);
    if (known !== undefined) return { entry: known, cached: true };
    const failed = (fault: WalkFault): WalkFault => ({
      ...fault,
      of,
      address: fault.reason === 'abort' ? fault.address : ipa,
    });
    if (ipa >= 2 ** stage2.inputBits) return failed(faultAt(2, 'translation'));
    const { granule } = stage2;
    const help: WalkHelp = {
      reader: this.#reader(2),
      cache: this.#tlb.tables(tag, (level) => levelShift(granule, level)),
      steps: this.#steps,
    };
    const leaf = walkStage2(ipa, stage2, help);
    if (!leaf.ok) return failed(leaf);
    const entry = entryOf(ipa, leaf, 2);
    if (permission(entry, ipa, { write }) === undefined || this.#strict) this.#tlb.add(tag, entry);
    return { entry, cached: false };
  }

  #finish(
    input: number,
    found: Found | WalkFault,
    stages: Stages,
    access: SmmuAccess,
  ): Translated | WalkFault {
    if ('ok' in found) return found;
    const { entry, cached } = found;
    const denied = permission(entry, input, access);
    if (denied !== undefined) return denied;
    const offset = input - entry.input;
    return {
      ok: true,
      physicalAddress: entry.output + offset,
      length: 2 ** entry.sizeLog2 - offset,
      readable: entry.readable2,
      writable: entry.writable && entry.writable2,
      stages,
      cached,
    };
  }

  /* ------------------------------------------------------------- descriptors */

  #help(reader: DescriptorReader, tag: TlbTag, region: Region, at: Located): WalkHelp {
    // Cached tables are known by input address; a walk counts from the beginning of its region.
    const base = at.input - at.offset;
    const cache = this.#tlb.tables(tag, (level) => levelShift(region.granule, level));
    return {
      reader,
      steps: this.#steps,
      cache: cache && {
        find: (offset) => cache.find(base + offset),
        add: (offset, table) => cache.add(base + offset, table),
      },
    };
  }

  /** Descriptors at physical addresses. */
  #reader(stage: 1 | 2): DescriptorReader {
    const reader: DescriptorReader = {
      lo: 0,
      hi: 0,
      read: (address) => {
        if (!this.#dma.read(address, this.#bytes)) return { ...faultAt(stage, 'abort'), address };
        reader.lo = this.#view.getUint32(0, true);
        reader.hi = this.#view.getUint32(4, true);
        return undefined;
      },
    };
    return reader;
  }

  /** Descriptors of stage 1, whose addresses stage 2 translates first if it is there. */
  #stage1Reader(stage2: Stage2 | undefined, vmid: number): DescriptorReader {
    const physical = this.#reader(1);
    if (stage2 === undefined) return physical;
    const reader: DescriptorReader = {
      lo: 0,
      hi: 0,
      read: (ipa) => {
        const address = this.#readAddress(ipa, stage2, vmid, 'table');
        if (typeof address !== 'number') return address;
        const failed = physical.read(address);
        ({ lo: reader.lo, hi: reader.hi } = physical);
        return failed;
      },
    };
    return reader;
  }

  /** Where the SMMU itself reads at an IPA. */
  #readAddress(ipa: number, stage2: Stage2, vmid: number, of: 'table' | 'context'): number | WalkFault {
    const found = this.#stage2(ipa, stage2, vmid, false, of);
    if ('ok' in found) return found;
    const denied = permission(found.entry, ipa, { write: false });
    return denied === undefined ? found.entry.output + (ipa - found.entry.input) : { ...denied, of };
  }

  #contextAddress(
    { stage2, vmid }: StreamEntry & { kind: 'translate' },
    pointer: number,
  ): number | WalkFault {
    return stage2 === undefined ? pointer : this.#readAddress(pointer, stage2, vmid, 'context');
  }
}

interface Found {
  readonly entry: TlbEntry;
  readonly cached: boolean;
}

function faultAt(stage: 1 | 2, reason: FaultReason): WalkFault {
  return { ok: false, reason, stage, address: 0, of: 'input' };
}

/** The transaction keeps its address. */
export function passed(iova: bigint | number, stages: 'off' | 'bypass'): Translated {
  const physicalAddress = Number(iova);
  return {
    ok: true,
    physicalAddress,
    length: ENDLESS,
    readable: true,
    writable: true,
    stages,
    cached: false,
  };
}

function toBig(iova: bigint | number): bigint {
  return BigInt.asUintN(64, BigInt(iova));
}

interface Located {
  readonly region: Region;
  /** The address as a signed number, its top byte replaced if that is ignored. */
  readonly input: number;
  /** Bytes from the beginning of the region. */
  readonly offset: number;
}

/**
 * The region of stage 1 an address lies in; undefined: in none, or in one whose walks are disabled (section 5.4).
 * Both regions have at most 48 bits, so that the signed address is exact as a number.
 */
function locate(iova: bigint | number, { regions, tbi }: Stage1): Located | undefined {
  const [lower, upper] = regions;
  if (typeof iova === 'number' && iova >= 0 && iova < 2 ** 48) {
    if (lower === undefined || iova >= 2 ** lower.inputBits) return undefined;
    return { region: lower, input: iova, offset: iova };
  }
  const bits = toBig(iova);
  const top = ((bits >> 55n) & 1n) === 1n;
  const input = Number(BigInt.asIntN(tbi[top ? 1 : 0] ? 56 : 64, bits));
  if (input >= 0) {
    if (lower === undefined || input >= 2 ** lower.inputBits) return undefined;
    return { region: lower, input, offset: input };
  }
  if (upper === undefined || input < -(2 ** upper.inputBits)) return undefined;
  return { region: upper, input, offset: input + 2 ** upper.inputBits };
}

function entryOf(input: number, leaf: Leaf, stage: 1 | 2): TlbEntry {
  const size = 2 ** leaf.sizeLog2;
  return {
    input: Math.floor(input / size) * size,
    sizeLog2: leaf.sizeLog2,
    output: leaf.base,
    level: leaf.level,
    writable: stage === 2 || leaf.writable,
    readable2: stage === 1 || leaf.readable,
    writable2: stage === 1 || leaf.writable,
    ipa: stage === 1 ? leaf.base : Math.floor(input / size) * size,
  };
}

/** One entry for both stages, as large as the smaller of them. */
function combine(first: TlbEntry, second: TlbEntry, input: number, ipa: number): TlbEntry {
  const sizeLog2 = Math.min(first.sizeLog2, second.sizeLog2);
  const size = 2 ** sizeLog2;
  const start = Math.floor(input / size) * size;
  const ipaStart = Math.floor(ipa / size) * size;
  return {
    input: start,
    sizeLog2,
    output: second.output + (ipaStart - second.input),
    level: first.level,
    writable: first.writable,
    readable2: second.readable2,
    writable2: second.writable2,
    ipa: ipaStart,
  };
}

/** Stage 1 denies writes; all accesses count as privileged data, so that it never denies reads. */
function permission(entry: TlbEntry, input: number, { write }: SmmuAccess): WalkFault | undefined {
  if (write && !entry.writable) return faultAt(1, 'permission');
  if (write ? entry.writable2 : entry.readable2) return undefined;
  return { ...faultAt(2, 'permission'), address: entry.ipa + (input - entry.input) };
}
