/* What the commands do to the caches, Arm IHI 0070 sections 4.3 and 4.4, devices.md 17.1. */
import { type CommandWords, cfgiFields, commandName, tlbiFields } from './commands.ts';
import { hasStage2, type SmmuFeatures } from './features.ts';
import type { StreamTable } from './stream-table.ts';
import { GLOBAL_ASID, type InvalidRange, NO_ASID, type Tlb, type TlbTag } from './tlb.ts';

export interface CommandTargets {
  readonly features: SmmuFeatures;
  readonly streams: StreamTable;
  readonly tlb: Tlb;
  /** SMMU_STRTAB_BASE_CFG.SPLIT, as the Stream table uses it. */
  readonly split: number;
  /** CMD_SYNC with an interrupt as its signal. */
  syncInterrupt(): void;
}

/** Carries a command out; false: CERROR_ILL. */
export function executeCommand(words: CommandWords, targets: CommandTargets): boolean {
  const { features, streams, tlb } = targets;
  const stage2 = hasStage2(features);
  const name = commandName(words);
  const tlbi = tlbiFields(words);
  // Without stage 2 there are no VMIDs, and the field does not count.
  const sameVmid = (tag: TlbTag) => !stage2 || tag.vmid === tlbi.vmid;
  switch (name) {
    case undefined:
      return false;
    case 'CFGI_STE':
    case 'CFGI_STE_RANGE':
    case 'CFGI_CD':
    case 'CFGI_CD_ALL': {
      const { streamId, secure, leaf, range } = cfgiFields(words);
      if (secure) return false;
      if (name === 'CFGI_STE') streams.dropEntries(streamId, streamId, leaf, targets.split);
      else if (name !== 'CFGI_STE_RANGE') streams.dropContext(streamId);
      else if (range === 31) streams.clear();
      else {
        const count = 2 ** (range + 1);
        const first = streamId - (streamId % count);
        streams.dropEntries(first, first + count - 1, leaf, targets.split);
      }
      return true;
    }
    case 'TLBI_NH_ALL':
      tlb.drop((tag) => sameVmid(tag) && tag.asid !== NO_ASID);
      return true;
    case 'TLBI_NH_ASID':
      tlb.drop((tag) => sameVmid(tag) && tag.asid === tlbi.asid);
      return true;
    case 'TLBI_NH_VA':
      tlb.dropRange(
        (tag) => sameVmid(tag) && (tag.asid === tlbi.asid || tag.asid === GLOBAL_ASID),
        rangeOf(tlbi),
      );
      return true;
    case 'TLBI_NH_VAA':
      tlb.dropRange((tag) => sameVmid(tag) && tag.asid !== NO_ASID, rangeOf(tlbi));
      return true;
    case 'TLBI_S12_VMALL':
      if (!stage2) return false;
      tlb.drop(sameVmid);
      return true;
    case 'TLBI_S2_IPA':
      if (!stage2) return false;
      // Section 4.4.3: entries of both stages together are not meant; the guest follows with TLBI_NH_ALL or VMALL.
      tlb.dropRange((tag) => sameVmid(tag) && tag.asid === NO_ASID, rangeOf(tlbi));
      return true;
    case 'TLBI_NSNH_ALL':
      tlb.clear();
      return true;
    case 'SYNC':
      if (((words[0] >>> 12) & 3) === 1) targets.syncInterrupt();
      return true;
    // QEMU: what concerns parts that are not there is taken without effect, where section 4 has CERROR_ILL.
    case 'PREFETCH_CONFIG':
    case 'PREFETCH_ADDR':
    case 'TLBI_EL3_ALL':
    case 'TLBI_EL3_VA':
    case 'TLBI_EL2_ALL':
    case 'TLBI_EL2_ASID':
    case 'TLBI_EL2_VA':
    case 'TLBI_EL2_VAA':
    case 'ATC_INV':
    case 'PRI_RESP':
    case 'RESUME':
    case 'STALL_TERM':
      return true;
  }
}

function rangeOf({ address, bytes, leaf, granule, level }: ReturnType<typeof tlbiFields>): InvalidRange {
  // Entries know their address without a tag byte: bit 55 says which half it is in.
  const start = Number(BigInt.asIntN(56, address));
  return { start, end: start + bytes, leaf, granule, level };
}
