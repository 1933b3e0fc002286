import { Edu } from '../../../../engine/devices/pcie/edu.ts';
import { HostBridge } from '../../../../engine/devices/pcie/host-bridge.ts';
import type { PciFunction } from '../../../../engine/devices/pcie/pci-function.ts';
import { RootPort } from '../../../../engine/devices/pcie/root-port.ts';
import { CowBlockStorage } from '../../../../engine/devices/virtio/block-storage.ts';
import { VirtioBalloon } from '../../../../engine/devices/virtio/virtio-balloon.ts';
import { VirtioBlk } from '../../../../engine/devices/virtio/virtio-blk.ts';
import { VirtioConsole } from '../../../../engine/devices/virtio/virtio-console.ts';
import type { VirtioBackend } from '../../../../engine/devices/virtio/virtio-device.ts';
import { VirtioNet } from '../../../../engine/devices/virtio/virtio-net.ts';
import { VirtioPci } from '../../../../engine/devices/virtio/virtio-pci.ts';
import { VirtioRng } from '../../../../engine/devices/virtio/virtio-rng.ts';
import type { Bench } from '../bench.ts';
import { deviceContract } from '../contract.ts';
import { BenchBus, barFace } from './bus.ts';

const image = Uint8Array.from({ length: 64 * 512 }, (_, n) => (n * 7) & 0xff);

const backends: { [name: string]: (bench: Bench) => VirtioBackend } = {
  blk: () => new VirtioBlk({ storage: new CowBlockStorage(image), serial: 'contract', queues: 2 }),
  console: () => new VirtioConsole(),
  rng: (bench) => new VirtioRng(bench.input()),
  net: () => new VirtioNet({ mac: Uint8Array.of(0x52, 0x54, 0, 0x12, 0x34, 0x56) }),
  balloon: () => new VirtioBalloon(),
};

/** The function, with everything a driver enables first, so that the BARs reach memory. */
function enabled<F extends PciFunction>(fn: F): F {
  fn.write(4, 2, 7);
  return fn;
}

function virtio(bench: Bench, make: (bench: Bench) => VirtioBackend, express: boolean): VirtioPci {
  const bus = new BenchBus(bench);
  const options = { backend: make(bench), classCode: 0x01_00_00, transitionalId: 0x1001, vectors: 3 };
  if (options.backend.name === 'balloon') options.vectors = 0;
  if (!express) return bus.plug(new VirtioPci(bus.ports('virtio', 8), options));
  const port = bus.plug(new RootPort(bus.ports('port', 8)));
  const fn = bus.plug(new VirtioPci(bus.ports('virtio', 0, port.secondary), options), port.secondary);
  port.complete();
  return fn;
}

const runs = 15;
for (const [name, make] of Object.entries(backends)) {
  for (const express of [false, true]) {
    deviceContract(
      `virtio-pci ${name} configuration space ${express ? 'behind a port' : 'on the root bus'}`,
      (bench) => virtio(bench, make, express),
      {
        size: express ? 0x1000 : 0x100,
        runs,
        unknownOffsets: false,
        // Shows what it is told to look at.
        survivesReset: ['VIRTIO_PCI_CFG_DATA'],
      },
    );
  }
  for (const [bar, size] of [
    [0, 0x20],
    [1, 0x1000],
    [4, 0x4000],
  ] as const) {
    if (name === 'balloon' && bar === 1) continue;
    deviceContract(
      `virtio-pci ${name} BAR ${bar}`,
      (bench) => barFace(enabled(virtio(bench, make, false)), bar),
      {
        size,
        runs,
        // What a device does not have reads as ones.
        unknownOffsets: false,
        // What the host asks for, and what the guest gave, outlast a reset (QEMU).
        survivesReset: ['num_pages', 'config_num_pages', 'actual', 'config_actual'],
        inputs: {
          bytes: (face, value) => {
            (face.fn as VirtioPci).receive(name === 'net' ? 'frame' : 'bytes', new Uint8Array(value & 0x7f));
          },
          target: (face, value) => {
            (face.fn as VirtioPci).receive('target', Uint8Array.of(value & 0xff, 0, 0, 0));
          },
        },
      },
    );
  }
}

deviceContract(
  'host bridge',
  (bench) => {
    const bus = new BenchBus(bench);
    return bus.plug(new HostBridge(bus.ports('root', 0)));
  },
  { size: 0x100, unknownOffsets: false },
);

deviceContract(
  'root port with a device',
  (bench) => {
    const bus = new BenchBus(bench);
    const port = bus.plug(new RootPort(bus.ports('port', 8), { slot: 3 }));
    bus.plug(new Edu(bus.ports('edu', 0, port.secondary)), port.secondary);
    port.complete();
    return port;
  },
  {
    size: 0x1000,
    unknownOffsets: false,
    values: [0x07c0, 0x01f1, 0x0020, 0x8000_0000],
    inputs: {
      plug: (port) => port.receive('plug'),
      unplug: (port) => port.receive('unplug'),
    },
    // They tell what is in the slot; what was pulled stays away over a reset.
    survivesReset: ['PCIE_SLTCTL', 'PCIE_SLTSTA', 'PCIE_LNKSTA'],
  },
);

deviceContract(
  'edu configuration space',
  (bench) => {
    const bus = new BenchBus(bench);
    return bus.plug(new Edu(bus.ports('edu', 8)));
  },
  { size: 0x100, unknownOffsets: false },
);

deviceContract(
  'edu registers',
  (bench) => {
    const bus = new BenchBus(bench);
    return barFace(enabled(bus.plug(new Edu(bus.ports('edu', 8), { dmaDelay: 1000 }))), 0);
  },
  { size: 0x10_0000, unknownOffsets: false, values: [0x4_0000, 0x100, 1, 3, 5, 7] },
);
