import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { defaultVirtConfig, type VirtConfig } from '../../engine/boards/virt/config.ts';
import { makeGuest, runToEnd } from '../support/machines.ts';
import { project, qemu } from '../support/qemu.ts';

/*
 * guests/smmu on the whole machine: it drives the SMMU register by register, with edu as bus master, and holds
 * every step against the specification. The same binary runs on QEMU.
 */
const ELF = `${project}guests/smmu/smmu.elf`;
const MASK = '0xffffffffffffffff';

function ours(change: Partial<VirtConfig> = {}): string {
  const base = defaultVirtConfig();
  const config: VirtConfig = {
    ...base,
    cpu: { ...base.cpu, model: 'cortex-a57' },
    gicVersion: 3,
    iommu: 'smmuv3',
    pciDevices: [
      { devfn: 3 << 3, type: 'edu', id: 'edu', properties: { dma_mask: MASK } },
      {
        devfn: 5 << 3,
        type: 'virtio-rng-pci',
        id: 'rng',
        properties: { 'disable-legacy': true, iommu_platform: true },
      },
    ],
    ...change,
  };
  const images = { kernel: { name: 'smmu.elf', bytes: readFileSync(ELF) } };
  const guest = makeGuest({ guest: 'smp', with: { config, images } });
  expect(runToEnd(guest).reason).toBe('power-off');
  return guest.console();
}

describe('the SMMU guest', () => {
  it('finds everything as the specification has it', () => {
    const lines = ours().trimEnd().split('\n');
    expect(lines.filter((line) => line.endsWith(' BAD'))).toEqual([]);
    expect(lines.at(-1)).toMatch(/^checks made=[0-9a-f]{3} bad=0$/);
  });

  it('sees in strict mode what a driver that does all it has to do sees', () => {
    const last = ours({ smmuStrict: true }).trimEnd().split('\n').at(-1);
    expect(last).toMatch(/^checks made=[0-9a-f]{3} bad=0$/);
  });

  it.skipIf(qemu === undefined)('prints what it prints on QEMU, but for the lines that are marked', () => {
    const { stdout } = spawnSync(
      qemu!,
      [
        ...['-M', 'virt,gic-version=3,iommu=smmuv3', '-cpu', 'cortex-a57', '-m', '128', '-nographic'],
        ...['-net', 'none', '-icount', 'shift=0,sleep=off', '-kernel', ELF],
        ...['-device', `edu,addr=3,dma_mask=${MASK}`],
        ...['-device', 'virtio-rng-pci,addr=5,disable-legacy=on,iommu_platform=on'],
      ],
      { encoding: 'utf8', timeout: 60_000 },
    );
    const comparable = (text: string) =>
      text
        .replaceAll('\r', '')
        .split('\n')
        .filter((line) => !line.startsWith('* ') && !line.startsWith('checks'));
    const theirs = comparable(stdout);
    expect(theirs.length).toBeGreaterThan(400);
    expect(comparable(ours())).toStrictEqual(theirs);
  });
});
