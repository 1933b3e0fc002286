/*
 * What an SMMUv3 says of itself, Arm IHI 0070 section 6.3: the identification registers of the machine versions
 * (devices.md section 17). Behaviour follows from them.
 */

export interface SmmuFeatures {
  /** SMMU_IDR0 … SMMU_IDR5. */
  readonly idr: readonly [number, number, number, number, number, number];
  /** SMMU_GBPA is there; without it the register reads zero. */
  readonly gbpa: boolean;
}

/** virt-7.2 and older: stage 1 only. */
export const SMMU_7_2: SmmuFeatures = { idr: [0x0d40_101a, 0x0273_0010, 0, 0x1404, 0, 0x74], gbpa: false };
/** virt-9.1 on a later QEMU: stage 1 only, 16-bit VMIDs announced, SMMU_GBPA. */
export const SMMU_9_1: SmmuFeatures = { idr: [0x0d44_101a, 0x0273_0010, 0, 0x1404, 0, 0x74], gbpa: true };
/** virt-9.2 and later: stage 1, stage 2 and both together. */
export const SMMU_9_2: SmmuFeatures = { idr: [0x0d44_101b, 0x0273_0010, 0, 0x1414, 0, 0x74], gbpa: true };

/** SMMU_IDR0.S2P: stage 2, and with stage 1 always there, both nested. */
export const hasStage2 = ({ idr }: SmmuFeatures): boolean => (idr[0] & 1) !== 0;

/** Bits of a StreamID: SMMU_IDR1.SIDSIZE. */
export const streamIdBits = ({ idr }: SmmuFeatures): number => idr[1] & 0x3f;

/** Largest log2 of entries: SMMU_IDR1.CMDQS and EVENTQS. */
export const commandQueueBits = ({ idr }: SmmuFeatures): number => (idr[1] >>> 21) & 0x1f;
export const eventQueueBits = ({ idr }: SmmuFeatures): number => (idr[1] >>> 16) & 0x1f;

/** Bits of an output address for a code of IPS, S2PS or SMMU_IDR5.OAS; reserved codes mean the largest. */
export function addressBits(code: number): number {
  return [32, 36, 40, 42, 44, 48, 52][code] ?? 52;
}

/** Bits of the addresses the SMMU can put out: SMMU_IDR5.OAS. */
export const outputBits = ({ idr }: SmmuFeatures): number => addressBits(idr[5] & 7);
