import type { RegisterMap } from '../../engine/base/register-map.ts';
import type { Ns } from '../../engine/base/units.ts';
import type { BootImage } from '../../engine/boards/boot.ts';
import type { PciDeviceConfig, VirtConfig } from '../../engine/boards/virt/config.ts';
import { busOf } from '../../engine/boards/virt/pci-devices.ts';
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
    folder: () => new Uint8Array(0),
    entropy: (_device, length) => new Uint8Array(length),
    flashStorage: () => ({ read: () => {}, write: () => {}, setReadArray: () => {} }),
    drive: () => new CowBlockStorage(new Uint8Array(512)),
    gic: { outputs: () => {}, observer: () => {}, guestError: () => {} },
  });
}

/**
 * The register maps of a machine by device id, without the machine: its devices are built, nothing runs, and
 * no image is needed.
 * @param plugged devices that came later
 */
export function registerMapsOf(config: VirtConfig, plugged: readonly PciDeviceConfig[] = []): RegisterMaps {
  const board = inertBoard(config);
  const maps = new Map<string, RegisterMap>([
    ['timer', TIMER_MAP],
    ['pmu', PMU_MAP],
    ['gic-cpu', GIC_CPU_MAP],
  ]);
  for (const { device } of board.placed) maps.set(device.id, device.registers);
  for (const [id, map] of Object.entries(board.pcie.registerMaps())) maps.set(id, map);
  for (const device of plugged) {
    // Each on a board of its own: one may have had another's place.
    const rest = config.pciDevices.filter((other) => busOf(other) === undefined);
    const { pcie } = inertBoard({ ...config, pciDevices: rest });
    if (maps.has(device.id) || pcie.hotPlug.refusal(device) !== undefined) continue;
    pcie.hotPlug.prepare(device);
    for (const [id, map] of Object.entries(pcie.registerMaps())) if (!maps.has(id)) maps.set(id, map);
  }
  return (device) => maps.get(device);
}

/** The same of a machine that runs: devices may come while it does; those that have gone stay known. */
export function registerMapsNow(machine: {
  registerMaps(): { readonly [device: string]: RegisterMap };
}): RegisterMaps {
  const known = new Map(Object.entries(machine.registerMaps()));
  return (device) => {
    if (!known.has(device))
      for (const [id, map] of Object.entries(machine.registerMaps())) known.set(id, map);
    return known.get(device);
  };
}
