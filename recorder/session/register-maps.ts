import type { RegisterMap } from '../../engine/base/register-map.ts';
import type { Ns } from '../../engine/base/units.ts';
import type { BootImage } from '../../engine/boards/boot.ts';
import type { VirtConfig } from '../../engine/boards/virt/config.ts';
import { type Board, wireVirt } from '../../engine/boards/virt/wiring.ts';
import { GIC_CPU_MAP, PMU_MAP, TIMER_MAP } from '../../engine/cpu/a64/sysreg-register-maps.ts';
import { CowBlockStorage } from '../../engine/devices/virtio/block-storage.ts';
import type { RegisterMaps } from '../../traces/index.ts';

const NO_BOOT: BootImage = {
  kind: 'none',
  segments: [],
  cpuReset: { pc: 0, x0: 0, x1: 0, x2: 0, x3: 0, el: 1, aarch64: true, leavesEl3: false },
  secondaries: 'off',
  psciConduit: 'disabled',
};

/** The board's devices without a machine around them: nothing they do reaches anything. */
export function inertBoard(config: VirtConfig, now: () => Ns = () => 0): Board {
  return wireVirt(config, NO_BOOT, 0, {
    ports: (id) => ({
      id,
      timers: { now, schedule: () => {}, cancel: () => {} },
      observer: { guestError: () => {}, output: () => {}, note: () => {} },
    }),
    dma: () => ({ read: () => false, write: () => false }),
    memory: { read: () => false, write: () => false },
    entropy: (_device, length) => new Uint8Array(length),
    flashStorage: () => ({ read: () => {}, write: () => {}, setReadArray: () => {} }),
    drive: () => new CowBlockStorage(new Uint8Array(512)),
    gic: { outputs: () => {}, observer: () => {}, guestError: () => {} },
  });
}

/**
 * The register maps of a machine by device id, without the machine: its devices are built, nothing runs, and
 * no image is needed.
 */
export function registerMapsOf(config: VirtConfig): RegisterMaps {
  const board = inertBoard(config);
  const maps = new Map<string, RegisterMap>([
    ['timer', TIMER_MAP],
    ['pmu', PMU_MAP],
    ['gic-cpu', GIC_CPU_MAP],
  ]);
  for (const { device } of board.placed) maps.set(device.id, device.registers);
  for (const [id, map] of Object.entries(board.pcie.registerMaps())) maps.set(id, map);
  return (device) => maps.get(device);
}
