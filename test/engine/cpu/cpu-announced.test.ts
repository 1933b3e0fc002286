import { expect, test } from 'vitest';
import { A64_ENCODINGS } from '../../../engine/cpu/a64/instruction-set.ts';
import { announced, LIMITED_FIELDS } from '../../../engine/cpu/cpu-announced.ts';
import { FEATURE_FIELDS, featuresOf } from '../../../engine/cpu/cpu-features.ts';
import { CPU_MODEL_DATA, CPU_MODEL_NAMES } from '../../../engine/cpu/cpu-model-data.ts';
import { makeCpuConfig } from '../../../engine/cpu/cpu-models.ts';
import { options } from './a64/sysreg-harness.ts';

/** Extensions with instructions of their own: an encoding of the table must ask for each. */
const WITH_ENCODINGS = [
  ...['FEAT_CRC32', 'FEAT_AES', 'FEAT_PMULL', 'FEAT_SHA1', 'FEAT_SHA256', 'FEAT_SHA512', 'FEAT_SHA3'],
  ...['FEAT_SM3', 'FEAT_SM4', 'FEAT_LSE', 'FEAT_LOR', 'FEAT_RDM', 'FEAT_LRCPC', 'FEAT_LRCPC2', 'FEAT_PAuth'],
  ...['FEAT_FP16', 'FEAT_FHM', 'FEAT_DotProd', 'FEAT_JSCVT', 'FEAT_FCMA', 'FEAT_FlagM', 'FEAT_FlagM2'],
  ...['FEAT_FRINTTS', 'FEAT_SB', 'FEAT_BF16', 'FEAT_I8MM'],
];

test.each(CPU_MODEL_NAMES)(
  '%s announces no instructions that the table lacks, and none is left out',
  (model) => {
    const inTable = new Set(A64_ENCODINGS.flatMap((e) => e.feature ?? []));
    const ids = CPU_MODEL_DATA[model].ids as { readonly [name: string]: bigint };
    const known = featuresOf((name) => ids[name] ?? 0n);
    const { features } = makeCpuConfig(options({ model }));
    for (const feature of WITH_ENCODINGS.filter((f) => known.has(f))) {
      expect([feature, features.has(feature)]).toEqual([feature, inTable.has(feature)]);
    }
  },
);

test('SVE, SME and MTE are announced by no model', () => {
  for (const model of CPU_MODEL_NAMES) {
    const { features } = makeCpuConfig(options({ model }));
    expect([...features].filter((f) => /SVE|SME|MTE/.test(f))).toEqual([]);
  }
});

test('neither 32-bit code nor big-endian data is announced by any model', () => {
  for (const model of CPU_MODEL_NAMES) {
    const { id } = makeCpuConfig(options({ model }));
    expect([id('ID_AA64PFR0_EL1') & 0xffn, (id('ID_AA64MMFR0_EL1') >> 8n) & 0xf0fn]).toEqual([0x11n, 0n]);
  }
});

test('a limited field keeps back just what it names', () => {
  for (const { register, low, most, features } of LIMITED_FIELDS) {
    const full = featuresOf((name) => (name === register ? 7n << BigInt(low) : 0n));
    const left = featuresOf((name) => (name === register ? BigInt(most) << BigInt(low) : 0n));
    for (const feature of features) {
      const isField = FEATURE_FIELDS.some(
        ([name, where, at]) => name === feature && where === register && at === low,
      );
      if (isField) expect([feature, full.has(feature), left.has(feature)]).toEqual([feature, true, false]);
    }
  }
  expect(announced('ID_AA64PFR0_EL1', 0x1201_0011_2111_0022n)).toBe(0x1201_0010_2111_0011n);
});
