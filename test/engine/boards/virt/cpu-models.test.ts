import { describe, expect, it } from 'vitest';
import {
  affinityGroupSize,
  cpuAffinity,
  defaultVirtConfig,
  physicalAddressBits,
  type VirtConfig,
} from '../../../../engine/boards/virt/config.ts';
import { CPU_MODELS } from '../../../../engine/boards/virt/cpu-models.ts';
import { CPU_MODEL_NAMES, makeCpuConfig } from '../../../../engine/cpu/cpu-models.ts';

const withModel = (model: string, change: Partial<VirtConfig> = {}): VirtConfig => ({
  ...defaultVirtConfig(),
  ...change,
  cpu: { model, pmu: true, aarch64: true },
});

describe('the board and the CPU core agree', () => {
  it.each([...CPU_MODEL_NAMES])('on the address bits and affinities of %s', (model) => {
    for (const gicVersion of [2, 3] as const) {
      const config = withModel(model, { gicVersion });
      const clusterSize = affinityGroupSize(config);
      const cpu = makeCpuConfig({
        model,
        el2: false,
        el3: false,
        gicVersion,
        pmu: true,
        cpuCount: 40,
        clusterSize,
      });
      expect(physicalAddressBits(config)).toBe(cpu.physicalAddressBits);
      for (const index of [0, 7, 8, 17, 39]) {
        expect(0x8000_0000 + cpuAffinity(config, index)).toBe(Number(cpu.mpidr(index)));
      }
    }
  });

  it('on which types work', () => {
    for (const { name, refusal } of CPU_MODELS) {
      if (refusal === undefined) expect(CPU_MODEL_NAMES).toContain(name);
    }
  });
});
