/**
 * A system register or system instruction is named by the five fields of its encoding (Arm ARM DDI 0487,
 * C5.1.2 "op0==0b10/0b11 ..."). The key packs them into 16 bits in the order in which they stand in the
 * instruction: `op0<<14 | op1<<11 | CRn<<7 | CRm<<3 | op2` = instruction bits 20:5.
 */
export type SysregKey = number;

export function sysregKey(op0: number, op1: number, crn: number, crm: number, op2: number): SysregKey {
  return (op0 << 14) | (op1 << 11) | (crn << 7) | (crm << 3) | op2;
}

export interface SysregFields {
  readonly op0: number;
  readonly op1: number;
  readonly crn: number;
  readonly crm: number;
  readonly op2: number;
}

export function sysregFields(key: SysregKey): SysregFields {
  return {
    op0: (key >> 14) & 3,
    op1: (key >> 11) & 7,
    crn: (key >> 7) & 15,
    crm: (key >> 3) & 15,
    op2: key & 7,
  };
}

/** The assembler's name for an encoding without one: `S3_0_C15_C2_1`. */
export function genericSysregName(key: SysregKey): string {
  const { op0, op1, crn, crm, op2 } = sysregFields(key);
  return `S${op0}_${op1}_C${crn}_C${crm}_${op2}`;
}

/**
 * Encodings left to the implementer: CRn 11 and 15 (Arm ARM C5.1.2, "Reserved encodings for IMPLEMENTATION
 * DEFINED"), for registers and for system instructions.
 */
export function isImplementationDefined(key: SysregKey): boolean {
  const op0 = (key >> 14) & 3;
  const crn = (key >> 7) & 15;
  return (op0 === 1 || op0 === 3) && (crn === 11 || crn === 15);
}

/**
 * ISS of a trapped MSR, MRS or system instruction, EC 0x18 (Arm ARM D17.2.37, ESR_ELx "ISS encoding for an
 * exception from MSR, MRS, or System instruction execution").
 */
export function sysregIss(key: SysregKey, rt: number, isRead: boolean): number {
  const { op0, op1, crn, crm, op2 } = sysregFields(key);
  return (
    (op0 << 20) | (op2 << 17) | (op1 << 14) | (crn << 10) | ((rt & 31) << 5) | (crm << 1) | (isRead ? 1 : 0)
  );
}

export const EC_UNKNOWN = 0x00;
/** Trapped WFI or WFE; ISS is CV = 1, COND = 0b1110, and TI (bit 0) for WFE (Arm ARM D17.2.37). */
export const EC_WFX = 0x01;
export const ISS_WFI = 0x1e00000;
export const ISS_WFE = 0x1e00001;
export const EC_FP_ACCESS = 0x07;
export const EC_SYSREG = 0x18;
/** ISS of EC 0x07 from AArch64: CV = 1, COND = 0b1110 (Arm ARM D17.2.37). */
export const ISS_FP_ACCESS = 0x1e00000;

/**
 * Offset of a system register in access events and in the register maps of `timer`, `gic-cpu` and `pmu`:
 * eight bytes a key, so that the maps can be searched as those of memory-mapped devices are.
 */
export function sysregOffset(key: SysregKey): number {
  return key << 3;
}

export function keyOfOffset(offset: number): SysregKey {
  return offset >>> 3;
}
