import type { Device } from '../../../../engine/base/device.ts';
import { SMMU_7_2, SMMU_9_2 } from '../../../../engine/devices/smmuv3/features.ts';
import { SMMU_SIZE } from '../../../../engine/devices/smmuv3/registers.ts';
import { Smmuv3 } from '../../../../engine/devices/smmuv3/smmuv3.ts';
import type { Bench } from '../bench.ts';
import { deviceContract } from '../contract.ts';
import { contextDescriptor, pageTables, STREAM, streamEntry, TABLES } from './guest.ts';

/** A small stream table with a good stream in it, so that chance gets past the configuration. */
function furnish(bench: Bench, stage2: boolean): void {
  const memory = bench.memory('dma', 0x10000);
  const view = new DataView(memory.buffer);
  const put = (at: number, words: readonly number[]) => {
    for (const [n, word] of words.entries()) view.setUint32(at + 4 * n, word, true);
  };
  for (let stream = 0; stream < 4; stream++) {
    const cd = stream === 3 ? 'none' : 'good';
    put(
      STREAM + 64 * stream,
      streamEntry({
        config: stage2 && stream === 2 ? 7 : 5,
        context: cd === 'good' ? TABLES - 64 : 0xf_0000,
      }),
    );
  }
  put(TABLES - 64, contextDescriptor({ t0sz: 25, ttb0: TABLES, asid: 3 }));
  pageTables(put, TABLES);
}

for (const [name, features, strict] of [
  ['SMMUv3', SMMU_7_2, false],
  ['SMMUv3 in strict mode', SMMU_7_2, true],
  ['SMMUv3 with two stages', SMMU_9_2, false],
  ['SMMUv3 with two stages in strict mode', SMMU_9_2, true],
] as const) {
  deviceContract<Device>(
    name,
    (bench) => {
      furnish(bench, features === SMMU_9_2);
      return new Smmuv3(
        {
          ...bench.ports('smmu'),
          dma: bench.dma(0, 0x10000),
          eventq: bench.line('eventq'),
          priq: bench.line('priq'),
          cmdqSync: bench.line('cmdq-sync'),
          gerror: bench.line('gerror'),
        },
        { features, strict },
      );
    },
    {
      size: SMMU_SIZE,
      runs: 40,
      inputs: {
        transaction: (device, value, bench) => {
          const smmu = device as Smmuv3;
          const address = BigInt(value & 0xff_ffff) * ((value & 0x100) === 0 ? 1n : 0xffff_ffff_ffffn);
          const access = { write: (value & 0x0100_0000) !== 0 };
          const result = smmu.translate((value >>> 28) & 3, undefined, address, access);
          bench.log.push(result.ok ? `physical ${result.physicalAddress}` : `fault ${result.event?.event}`);
        },
        'set-up': (device, value) => {
          const from = { cpu: 0, secure: false };
          device.write(0x80, 4, STREAM, from);
          device.write(0x88, 4, value & 0x3_07ff, from);
          device.write(0x90, 4, 0x8005, from);
          device.write(0xa0, 4, 0xa004, from);
          device.write(0x20, 4, 0xd, from);
        },
        commands: (device, value) => device.write(0x98, 4, value & 0x3f, { cpu: 0, secure: false }),
      },
      values: [STREAM, TABLES, 0xd, 5, 0x8005, 0xa004, 2],
    },
  );
}
