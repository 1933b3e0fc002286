import { describe, expect, it } from 'vitest';
import { FwCfg } from '../../../engine/devices/fw-cfg.ts';
import { Bench, busRead, busWrite } from './bench.ts';
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

function setup() {
  const bench = new Bench();
  const memory = bench.memory('dma', 0x1000);
  const fwCfg = new FwCfg(
    { ...bench.ports('fw_cfg'), dma: bench.dma(0, 0x1000) },
    {
      files: [
        { name: 'etc/z', data: text('zz') },
        { name: 'etc/hand-back', data: new Uint8Array(8), writable: true },
      ],
    },
  );
  /** Runs a transfer by the descriptor at 0x100; returns the control word after it. */
  const dma = (control: number, length: number, address: number) => {
    const view = new DataView(memory.buffer);
    view.setUint32(0x100, control);
    view.setUint32(0x104, length);
    view.setUint32(0x108, 0);
    view.setUint32(0x10c, address);
    busWrite(fwCfg, 0x14, 4, 0x0001_0000n);
    return view.getUint32(0x100);
  };
  return { bench, memory, fwCfg, dma };
}

describe('FwCfg', () => {
  it('lists files sorted by name, in as many entries as there are slots', () => {
    const directory = setup().fwCfg.contents(0x19)!;
    expect(directory.length).toBe(4 + 32 * 64);
    expect([...directory.subarray(0, 12)]).toStrictEqual([0, 0, 0, 2, 0, 0, 0, 8, 0, 0x20, 0, 0]);
    expect(String.fromCharCode(...directory.subarray(12, 26))).toBe('etc/hand-back\0');
    expect(directory[4 + 64 + 5]).toBe(0x21);
  });

  it('gives bytes in string order whatever the access size', () => {
    const { fwCfg } = setup();
    expect(busRead(fwCfg, 0, 1)).toBe(0x51n);
    expect(busRead(fwCfg, 0, 2)).toBe(0x4d45n);
    expect(busRead(fwCfg, 0, 4)).toBe(0x55n);
    busWrite(fwCfg, 8, 2, 0n);
    expect(busRead(fwCfg, 0, 8)).toBe(0x554d4551n);
  });

  it('lets the guest write a writable item by DMA, but not past its end', () => {
    const { memory, fwCfg, dma } = setup();
    memory.set([1, 2, 3, 4, 5, 6, 7, 8, 9], 0x200);
    expect(dma(0x0020_0018, 8, 0x200)).toBe(0);
    expect([...fwCfg.contents(0x20)!]).toStrictEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(dma(0x0020_0018, 9, 0x200)).toBe(1);
    expect(dma(0x0021_0018, 2, 0x200)).toBe(1);
    expect([...fwCfg.contents(0x21)!]).toStrictEqual([0x7a, 0x7a]);
  });

  it('fills up with zeros, and reports a target that is not memory', () => {
    const { memory, dma } = setup();
    memory.fill(0xee, 0x200, 0x210);
    expect(dma(0x0021_000a, 5, 0x200)).toBe(0);
    expect([...memory.subarray(0x200, 0x206)]).toStrictEqual([0x7a, 0x7a, 0, 0, 0, 0xee]);
    expect(dma(0x0021_000a, 5, 0xffe)).toBe(1);
    expect(dma(0x0021_000a, 0xffffffff, 0x800)).toBe(1);
  });

  it('refuses what its registers do not take', () => {
    const { fwCfg } = setup();
    const refused: [number, 1 | 2 | 4 | 8, boolean][] = [
      [1, 1, false],
      [8, 2, false],
      [8, 1, true],
      [8, 4, true],
      [0x0a, 2, true],
      [0x10, 2, true],
      [0x12, 2, true],
    ];
    for (const [offset, size, isWrite] of refused) expect(fwCfg.accepts(offset, size, isWrite)).toBe(false);
  });

  it('refuses bad sets of files', () => {
    const bench = new Bench();
    const ports = { ...bench.ports('fw_cfg'), dma: bench.dma() };
    const file = { name: 'a', data: text('') };
    expect(() => new FwCfg(ports, { files: [file, file] })).toThrow('given twice');
    expect(() => new FwCfg(ports, { files: [{ ...file, name: 'x'.repeat(56) }] })).toThrow('55');
    expect(() => new FwCfg(ports, { files: [file], slots: 0 })).toThrow('room');
    expect(() => new FwCfg(ports, { items: [{ selector: 0, data: text('') }] })).toThrow('given twice');
  });
});
