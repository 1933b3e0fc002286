/* Every command of Arm IHI 0070 section 4 and what it drops; what is not named has to stay. */
import { describe, expect, it } from 'vitest';
import { decodeCommand } from '../../../../engine/devices/smmuv3/commands.ts';
import { SMMU_7_2, SMMU_9_2 } from '../../../../engine/devices/smmuv3/features.ts';
import { Fixture, IPA_OFFSET, STAGE2_TABLES } from './fixture.ts';
import { LAYOUT, RAM } from './two-sides.ts';

const OLD = RAM + 0x18_0000;
const NEW = RAM + 0x19_0000;
const CFGI_ALL = [0x04, 0, 31];

/**
 * Streams 0 and 1 with ASIDs 1 and 2, and pages 0 … 3 mapped and used; then everything is changed in memory, so
 * that what is remembered shows.
 */
function usedAndChanged(features = SMMU_7_2): Fixture {
  const f = new Fixture(features);
  f.stream(1, { config: 5, context: LAYOUT.context + 64 });
  f.context(LAYOUT.context + 64, { asid: 2 });
  for (let page = 0; page < 4; page++) f.map(page, OLD + 0x1000 * page);
  for (let page = 0; page < 4; page++) for (const stream of [0, 1]) f.access(0x1000 * page, false, stream);
  for (let page = 0; page < 4; page++) f.map(page, NEW + 0x1000 * page);
  return f;
}

/** Which of the pages of the streams are still as they were: `0123 0123`. */
function kept(f: Fixture): string {
  return [0, 1]
    .map((stream) =>
      [0, 1, 2, 3].filter((p) => f.access(0x1000 * p, false, stream) === OLD + 0x1000 * p).join(''),
    )
    .join(' ');
}

const ASID = (asid: number, vmid = 7) => asid * 0x1_0000 + vmid;
/** Range: TG 4 KiB, NUM + 1 pages × 2^SCALE. */
const range = (num: number, scale: number) => num * 2 ** 12 + scale * 2 ** 20;

describe('TLB invalidation', () => {
  it.each([
    ['nothing', undefined, '0123 0123'],
    ['TLBI_NH_ALL', [0x10], ' '],
    ['TLBI_NSNH_ALL', [0x30], ' '],
    ['TLBI_NH_ASID', [0x11, ASID(2)], '0123 '],
    ['TLBI_NH_ASID of another', [0x11, ASID(3)], '0123 0123'],
    ['TLBI_NH_VA', [0x12, ASID(1), 0x2000], '013 0123'],
    ['TLBI_NH_VA, leaf', [0x12, ASID(1), 0x2001], '013 0123'],
    ['TLBI_NH_VA of another address', [0x12, ASID(1), 0x8000], '0123 0123'],
    ['TLBI_NH_VA above 4 GiB', [0x12, ASID(1), 0x2000, 1], '0123 0123'],
    ['TLBI_NH_VAA', [0x13, ASID(9), 0x3000], '012 012'],
    ['TLBI_NH_VA, range of 2', [0x12 + range(1, 0), ASID(1), 0x1400], '03 0123'],
    ['TLBI_NH_VA, range of 1 × 4', [0x12 + range(0, 2), ASID(2), 0x0400], '0123 '],
    ['TLBI_NH_VAA, range of 3 with TTL 3', [0x13 + range(2, 0), 0, 0x1701], '0 0'],
    ['CFGI_STE', [0x03, 0], '0123 0123'],
    ['TLBI_EL2_ALL', [0x20], '0123 0123'],
    ['TLBI_EL3_ALL', [0x18], '0123 0123'],
  ] as const)('%s', (_name, words, left) => {
    const f = usedAndChanged();
    if (words !== undefined) expect(f.command(...words)).toBe(true);
    expect(kept(f)).toBe(left);
  });

  it('keeps to the VMID where stage 2 is there', () => {
    const f = usedAndChanged(SMMU_9_2);
    f.command(0x10, 8);
    f.command(0x11, ASID(1, 8));
    f.command(0x12, ASID(1, 8), 0);
    f.command(0x13, 8, 0);
    f.command(0x28, 8);
    expect(kept(f)).toBe('0123 0123');
    f.command(0x12, ASID(1, 7), 0);
    expect(kept(f)).toBe('123 0123');
    f.command(0x28, 7);
    expect(kept(f)).toBe(' ');
  });

  it('TLBI_S2_IPA drops what stage 2 knows alone, and TLBI_NH_ALL what both know', () => {
    const f = new Fixture(SMMU_9_2);
    f.mapStage2();
    f.stream(0, { config: 6, s2ttb: STAGE2_TABLES });
    f.stream(1, { config: 7, s2ttb: STAGE2_TABLES, context: LAYOUT.context + IPA_OFFSET });
    f.context(LAYOUT.context, { ttb0: LAYOUT.tables + IPA_OFFSET });
    for (const level of [0, 1]) {
      f.put(LAYOUT.tables + 0x1000 * level, [
        ((LAYOUT.tables + 0x1000 * (level + 1)) % 2 ** 32) + 3,
        (IPA_OFFSET + LAYOUT.tables) / 2 ** 32,
      ]);
    }
    const ipa = OLD + IPA_OFFSET;
    f.map(0, ipa);
    expect([f.access(ipa), f.access(0, false, 1)]).toEqual([OLD, OLD]);
    f.stage2Page(0x180, undefined);
    expect([f.access(ipa), f.access(0, false, 1)]).toEqual([OLD, OLD]);
    f.command(0x2a, 7, OLD, 1);
    expect([f.access(ipa), f.access(0, false, 1)]).toEqual(['F_TRANSLATION', OLD]);
    f.command(0x10, 7);
    expect(f.access(0, false, 1)).toBe('F_TRANSLATION');
  });
});

describe('configuration invalidation', () => {
  /** Streams 0 … 3 used as bypass, then set to abort in memory. */
  function bypassed(): Fixture {
    const f = new Fixture();
    for (let id = 0; id < 4; id++) f.stream(id, { config: 4 });
    for (let id = 0; id < 4; id++) f.access(OLD, false, id);
    for (let id = 0; id < 4; id++) f.stream(id, { config: 0 });
    return f;
  }
  const left = (f: Fixture) => [0, 1, 2, 3].filter((id) => f.access(OLD, false, id) === OLD).join('');

  it.each([
    ['nothing', undefined, '0123'],
    ['CFGI_STE', [0x03, 2], '013'],
    ['CFGI_STE, leaf', [0x03, 2, 1], '013'],
    ['CFGI_STE_RANGE of 2', [0x04, 3, 0], '01'],
    ['CFGI_STE_RANGE of 4', [0x04, 1, 1], ''],
    ['CFGI_ALL', CFGI_ALL, ''],
    ['CFGI_CD', [0x05, 1], '023'],
    ['CFGI_CD_ALL', [0x06, 3], '012'],
    ['TLBI_NSNH_ALL', [0x30], '0123'],
  ] as const)('%s', (_name, words, expected) => {
    const f = bypassed();
    if (words !== undefined) expect(f.command(...words)).toBe(true);
    expect(left(f)).toBe(expected);
  });

  it('a reset drops everything', () => {
    const f = usedAndChanged();
    f.smmu.reset();
    expect(f.read(0x20)).toBe(0n);
    f.write(0x80, BigInt(LAYOUT.streamTable), 8);
    f.write(0x88, 8n);
    f.write(0x20, 1n);
    expect(kept(f)).toBe(' ');
  });
});

describe('the command queue', () => {
  it.each([
    ['no command', [0x00]],
    ['a reserved number', [0x7f]],
    ['CFGI_STE of a Secure stream', [0x403]],
    ['CFGI_CD of a Secure stream', [0x405]],
    ['TLBI_S12_VMALL without stage 2', [0x28]],
    ['TLBI_S2_IPA without stage 2', [0x2a]],
  ])('stops with CERROR_ILL at %s, and goes on when the error is acknowledged', (_name, words) => {
    const f = new Fixture();
    f.command(0x46);
    f.bench.log.length = 0;
    expect(f.command(...words)).toBe(false);
    expect(f.read(0x9c)).toBe(0x0100_0001n);
    expect(f.read(0x60) ^ f.read(0x64)).toBe(1n);
    expect(f.bench.log.filter((line) => line.startsWith('line'))).toEqual([
      'line gerror high',
      'line gerror low',
    ]);
    // Nothing is taken while the error is active.
    expect(f.command(0x46)).toBe(false);
    f.put(LAYOUT.cmdq + 16, [0x46, 0, 0, 0]);
    f.write(0x64, f.read(0x60));
    expect(f.read(0x9c)).toBe(0x0100_0003n);
  });

  it('stops with CERROR_ABT where the queue is not in memory', () => {
    const f = new Fixture();
    f.write(0x90, 0x0b00_0004n, 8);
    f.write(0x98, 1n);
    expect(f.read(0x9c)).toBe(0x0200_0000n);
    expect(f.read(0x60)).toBe(1n);
  });

  it('CMD_SYNC pulses its interrupt when it asks for it, whatever SMMU_IRQ_CTRL says', () => {
    const f = new Fixture();
    f.write(0x50, 0n);
    f.bench.log.length = 0;
    for (const signal of [0, 1, 2]) f.command(0x46 + signal * 0x1000);
    expect(f.log('line ')).toEqual(['cmdq-sync high', 'cmdq-sync low']);
  });

  it('waits until it is enabled', () => {
    const f = new Fixture();
    f.write(0x20, 5n);
    expect(f.command(0x46)).toBe(false);
    f.write(0x20, 0xdn);
    expect(f.read(0x9c)).toBe(1n);
  });

  it('goes round, with its wrap bit', () => {
    const f = new Fixture();
    for (let n = 0; n < 50; n++) expect(f.command(0x46)).toBe(true);
    expect(f.read(0x9c)).toBe(BigInt(50 % 32));
  });

  it('tells the observer each command with its fields', () => {
    const f = new Fixture();
    f.bench.log.length = 0;
    f.command(0x12 + range(3, 1), ASID(5), 0x8501, 2);
    expect(f.log('note smmu command ')).toEqual([
      '{"name":"TLBI_NH_VA","index":0,"vmid":7,"asid":5,"address":"0x200008000","bytes":32768,"leaf":true,"granule":4096,"level":1}',
    ]);
  });

  it('decodes every number', () => {
    const names = Array.from({ length: 256 }, (_, n) => decodeCommand([n, 0, 31, 0]).name);
    expect(names.filter((name) => !name.startsWith('command '))).toEqual([
      'PREFETCH_CONFIG',
      'PREFETCH_ADDR',
      'CFGI_STE',
      'CFGI_ALL',
      'CFGI_CD',
      'CFGI_CD_ALL',
      'TLBI_NH_ALL',
      'TLBI_NH_ASID',
      'TLBI_NH_VA',
      'TLBI_NH_VAA',
      'TLBI_EL3_ALL',
      'TLBI_EL3_VA',
      'TLBI_EL2_ALL',
      'TLBI_EL2_ASID',
      'TLBI_EL2_VA',
      'TLBI_EL2_VAA',
      'TLBI_S12_VMALL',
      'TLBI_S2_IPA',
      'TLBI_NSNH_ALL',
      'ATC_INV',
      'PRI_RESP',
      'RESUME',
      'STALL_TERM',
      'SYNC',
    ]);
  });
});
