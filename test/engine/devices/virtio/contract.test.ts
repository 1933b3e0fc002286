import { CowBlockStorage } from '../../../../engine/devices/virtio/block-storage.ts';
import { answerList, type FolderPort, folderError } from '../../../../engine/devices/virtio/p9/folder.ts';
import { Virtio9p } from '../../../../engine/devices/virtio/virtio-9p.ts';
import { VirtioBlk } from '../../../../engine/devices/virtio/virtio-blk.ts';
import { VirtioConsole } from '../../../../engine/devices/virtio/virtio-console.ts';
import type { VirtioBackend } from '../../../../engine/devices/virtio/virtio-device.ts';
import { VirtioGpu } from '../../../../engine/devices/virtio/virtio-gpu.ts';
import { VirtioInput } from '../../../../engine/devices/virtio/virtio-input.ts';
import { VirtioMmio } from '../../../../engine/devices/virtio/virtio-mmio.ts';
import { VirtioRng } from '../../../../engine/devices/virtio/virtio-rng.ts';
import type { Bench } from '../bench.ts';
import { deviceContract } from '../contract.ts';

const image = Uint8Array.from({ length: 64 * 512 }, (_, n) => (n * 7) & 0xff);

const contractFolder: FolderPort = ({ what }) =>
  what === 'list' ? answerList([{ name: Uint8Array.of(97), type: 8 }]) : folderError(2);

const backends: { [name: string]: (bench: Bench) => VirtioBackend | undefined } = {
  empty: () => undefined,
  blk: () => new VirtioBlk({ storage: new CowBlockStorage(image), serial: 'contract' }),
  console: () => new VirtioConsole(),
  gpu: () => new VirtioGpu({ width: 1280, height: 800 }),
  keyboard: () => new VirtioInput({ kind: 'keyboard', serial: 'contract' }),
  mouse: () => new VirtioInput({ kind: 'mouse' }),
  tablet: () => new VirtioInput({ kind: 'tablet' }),
  '9p': () => new Virtio9p({ mountTag: 'contract', folder: contractFolder }),
  rng: (bench) => new VirtioRng(bench.input()),
};

for (const [name, make] of Object.entries(backends)) {
  for (const legacy of [true, false]) {
    deviceContract(
      `virtio-mmio ${name} ${legacy ? 'legacy' : 'modern'}`,
      (bench) => {
        const backend = make(bench);
        const ports = { ...bench.ports('virtio0'), irq: bench.line('irq'), dma: bench.dma() };
        return new VirtioMmio(ports, backend === undefined ? { legacy } : { legacy, backend });
      },
      {
        size: 0x200,
        runs: 25,
        // Configuration space that a device does not have reads as ones.
        unknownOffsets: name === 'empty',
        inputs: {
          bytes: (device, value) => device.receive('bytes', Uint8Array.of(value & 0xff, value >>> 24)),
          events: (device, value) => device.receive('events', new Uint8Array(value & 0x3f).fill(value & 1)),
        },
      },
    );
  }
}
