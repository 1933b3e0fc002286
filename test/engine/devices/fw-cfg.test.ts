import { FwCfg } from '../../../engine/devices/fw-cfg.ts';
import { deviceContract } from './contract.ts';

const text = (value: string) => Uint8Array.from(value, (letter) => letter.charCodeAt(0));

deviceContract(
  'fw_cfg',
  (bench) =>
    new FwCfg(
      { ...bench.ports('fw_cfg'), dma: bench.dma() },
      {
        items: [{ selector: 1, data: Uint8Array.of(3, 0, 0, 0) }],
        files: [
          { name: 'etc/b', data: text('second') },
          { name: 'etc/a', data: new Uint8Array(8), writable: true },
        ],
      },
    ),
  { size: 0x18 },
);
