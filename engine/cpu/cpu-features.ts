/**
 * Which features a set of ID registers announces: name, register, lowest bit of the 4-bit field, least value
 * (Arm ARM DDI 0487, D17.2 "ID_AA64*", A2.3 "the Armv8 architecture extensions"). Decoder, translator and
 * system registers ask for features only; nothing else may ask for a model.
 */
export const FEATURE_FIELDS: readonly (readonly [
  feature: string,
  register: string,
  low: number,
  least: number,
])[] = [
  ['FEAT_AES', 'ID_AA64ISAR0_EL1', 4, 1],
  ['FEAT_PMULL', 'ID_AA64ISAR0_EL1', 4, 2],
  ['FEAT_SHA1', 'ID_AA64ISAR0_EL1', 8, 1],
  ['FEAT_SHA256', 'ID_AA64ISAR0_EL1', 12, 1],
  ['FEAT_SHA512', 'ID_AA64ISAR0_EL1', 12, 2],
  ['FEAT_CRC32', 'ID_AA64ISAR0_EL1', 16, 1],
  ['FEAT_LSE', 'ID_AA64ISAR0_EL1', 20, 2],
  ['FEAT_RDM', 'ID_AA64ISAR0_EL1', 28, 1],
  ['FEAT_SHA3', 'ID_AA64ISAR0_EL1', 32, 1],
  ['FEAT_SM3', 'ID_AA64ISAR0_EL1', 36, 1],
  ['FEAT_SM4', 'ID_AA64ISAR0_EL1', 40, 1],
  ['FEAT_DotProd', 'ID_AA64ISAR0_EL1', 44, 1],
  ['FEAT_FHM', 'ID_AA64ISAR0_EL1', 48, 1],
  ['FEAT_FlagM', 'ID_AA64ISAR0_EL1', 52, 1],
  ['FEAT_FlagM2', 'ID_AA64ISAR0_EL1', 52, 2],
  ['FEAT_TLBIOS', 'ID_AA64ISAR0_EL1', 56, 1],
  ['FEAT_TLBIRANGE', 'ID_AA64ISAR0_EL1', 56, 2],
  ['FEAT_RNG', 'ID_AA64ISAR0_EL1', 60, 1],
  ['FEAT_DPB', 'ID_AA64ISAR1_EL1', 0, 1],
  ['FEAT_DPB2', 'ID_AA64ISAR1_EL1', 0, 2],
  ['FEAT_JSCVT', 'ID_AA64ISAR1_EL1', 12, 1],
  ['FEAT_FCMA', 'ID_AA64ISAR1_EL1', 16, 1],
  ['FEAT_LRCPC', 'ID_AA64ISAR1_EL1', 20, 1],
  ['FEAT_LRCPC2', 'ID_AA64ISAR1_EL1', 20, 2],
  ['FEAT_FRINTTS', 'ID_AA64ISAR1_EL1', 32, 1],
  ['FEAT_SB', 'ID_AA64ISAR1_EL1', 36, 1],
  ['FEAT_SPECRES', 'ID_AA64ISAR1_EL1', 40, 1],
  ['FEAT_BF16', 'ID_AA64ISAR1_EL1', 44, 1],
  ['FEAT_DGH', 'ID_AA64ISAR1_EL1', 48, 1],
  ['FEAT_I8MM', 'ID_AA64ISAR1_EL1', 52, 1],
  ['FEAT_RAS', 'ID_AA64PFR0_EL1', 28, 1],
  ['FEAT_SVE', 'ID_AA64PFR0_EL1', 32, 1],
  ['FEAT_SEL2', 'ID_AA64PFR0_EL1', 36, 1],
  ['FEAT_AMUv1', 'ID_AA64PFR0_EL1', 44, 1],
  ['FEAT_DIT', 'ID_AA64PFR0_EL1', 48, 1],
  ['FEAT_CSV2', 'ID_AA64PFR0_EL1', 56, 1],
  ['FEAT_CSV2_2', 'ID_AA64PFR0_EL1', 56, 2],
  ['FEAT_CSV3', 'ID_AA64PFR0_EL1', 60, 1],
  ['FEAT_BTI', 'ID_AA64PFR1_EL1', 0, 1],
  ['FEAT_SSBS', 'ID_AA64PFR1_EL1', 4, 1],
  ['FEAT_SSBS2', 'ID_AA64PFR1_EL1', 4, 2],
  ['FEAT_MTE', 'ID_AA64PFR1_EL1', 8, 1],
  ['FEAT_MTE2', 'ID_AA64PFR1_EL1', 8, 2],
  ['FEAT_MTE3', 'ID_AA64PFR1_EL1', 8, 3],
  ['FEAT_SME', 'ID_AA64PFR1_EL1', 24, 1],
  ['FEAT_PMUv3', 'ID_AA64DFR0_EL1', 8, 1],
  ['FEAT_PMUv3p1', 'ID_AA64DFR0_EL1', 8, 4],
  ['FEAT_PMUv3p4', 'ID_AA64DFR0_EL1', 8, 5],
  ['FEAT_PMUv3p5', 'ID_AA64DFR0_EL1', 8, 6],
  ['FEAT_Debugv8p2', 'ID_AA64DFR0_EL1', 0, 8],
  ['FEAT_Debugv8p4', 'ID_AA64DFR0_EL1', 0, 9],
  ['FEAT_FGT', 'ID_AA64MMFR0_EL1', 56, 1],
  ['FEAT_ECV', 'ID_AA64MMFR0_EL1', 60, 1],
  ['FEAT_HAFDBS', 'ID_AA64MMFR1_EL1', 0, 1],
  ['FEAT_VMID16', 'ID_AA64MMFR1_EL1', 4, 2],
  ['FEAT_VHE', 'ID_AA64MMFR1_EL1', 8, 1],
  ['FEAT_HPDS', 'ID_AA64MMFR1_EL1', 12, 1],
  ['FEAT_HPDS2', 'ID_AA64MMFR1_EL1', 12, 2],
  ['FEAT_LOR', 'ID_AA64MMFR1_EL1', 16, 1],
  ['FEAT_PAN', 'ID_AA64MMFR1_EL1', 20, 1],
  ['FEAT_PAN2', 'ID_AA64MMFR1_EL1', 20, 2],
  ['FEAT_PAN3', 'ID_AA64MMFR1_EL1', 20, 3],
  ['FEAT_XNX', 'ID_AA64MMFR1_EL1', 28, 1],
  ['FEAT_TTCNP', 'ID_AA64MMFR2_EL1', 0, 1],
  ['FEAT_UAO', 'ID_AA64MMFR2_EL1', 4, 1],
  ['FEAT_IESB', 'ID_AA64MMFR2_EL1', 12, 1],
  ['FEAT_LVA', 'ID_AA64MMFR2_EL1', 16, 1],
  ['FEAT_TTST', 'ID_AA64MMFR2_EL1', 28, 1],
  ['FEAT_LSE2', 'ID_AA64MMFR2_EL1', 32, 1],
  ['FEAT_IDST', 'ID_AA64MMFR2_EL1', 36, 1],
  ['FEAT_S2FWB', 'ID_AA64MMFR2_EL1', 40, 1],
  ['FEAT_TTL', 'ID_AA64MMFR2_EL1', 48, 1],
  ['FEAT_BBM', 'ID_AA64MMFR2_EL1', 52, 1],
  ['FEAT_E0PD', 'ID_AA64MMFR2_EL1', 60, 1],
];

/** PMUVer 0xF announces an IMPLEMENTATION DEFINED unit, FP and AdvSIMD 0xF announce none. */
const NONE = 0xf;

export function featuresOf(id: (name: string) => bigint): Set<string> {
  const field = (register: string, low: number) => Number((id(register) >> BigInt(low)) & 0xfn);
  const features = new Set<string>();
  for (const [feature, register, low, least] of FEATURE_FIELDS) {
    const value = field(register, low);
    if (value >= least && !(register === 'ID_AA64DFR0_EL1' && low === 8 && value === NONE)) {
      features.add(feature);
    }
  }
  if (field('ID_AA64PFR0_EL1', 16) !== NONE) features.add('FEAT_FP');
  if (field('ID_AA64PFR0_EL1', 20) !== NONE) features.add('FEAT_AdvSIMD');
  if (field('ID_AA64PFR0_EL1', 16) === 1) features.add('FEAT_FP16');
  // Pointer authentication: APA/API and GPA/GPI, one of each is enough.
  if (field('ID_AA64ISAR1_EL1', 4) || field('ID_AA64ISAR1_EL1', 8)) features.add('FEAT_PAuth');
  if (field('ID_AA64PFR0_EL1', 0) === 2) features.add('AArch32-EL0');
  if (field('ID_AA64PFR0_EL1', 4) === 2) features.add('AArch32-EL1');
  const mmfr0 = 'ID_AA64MMFR0_EL1';
  if (field(mmfr0, 0) >= 6) features.add('FEAT_LPA');
  // TGran4 and TGran64: 0xF is "not supported"; TGran16: 0 is.
  if (field(mmfr0, 28) !== NONE) features.add('TGran4');
  if (field(mmfr0, 24) !== NONE) features.add('TGran64');
  if (field(mmfr0, 20) !== 0) features.add('TGran16');
  if (field(mmfr0, 28) === 1 || field(mmfr0, 20) === 2) features.add('FEAT_LPA2');
  return features;
}
