import type { Device, DmaPort } from '../../../../engine/base/device.ts';
import type { Bar, PciFunction, PciPorts } from '../../../../engine/devices/pcie/pci-function.ts';
import { PcieHost } from '../../../../engine/devices/pcie/pcie-host.ts';
import type { Bench } from '../bench.ts';

/** A PCIe host in a bench: INTx lines are `inta` to `intd`, and every function has the bench's memory. */
export class BenchBus {
  readonly host: PcieHost;
  readonly bench: Bench;
  readonly #dma: DmaPort;

  constructor(bench: Bench, dma: DmaPort = bench.dma()) {
    this.bench = bench;
    this.#dma = dma;
    const line = (name: string) => bench.line(name);
    this.host = new PcieHost({
      ecamBytes: 0x100_0000,
      unmappedReadsOnes: true,
      lines: [line('inta'), line('intb'), line('intc'), line('intd')],
    });
  }

  /** Ports of a function at this place of a bus, the root one if not given. */
  ports(id: string, devfn: number, bus = this.host.root): PciPorts {
    return { ...this.bench.ports(id), slot: bus.slot(devfn), dma: this.#dma };
  }

  plug<F extends PciFunction>(fn: F, bus = this.host.root): F {
    bus.plug(fn);
    return fn;
  }
}

/** The registers of a BAR as a device, with the state of the function: for the contract. */
export function barFace(
  fn: PciFunction,
  index: number,
): Device & { readonly fn: PciFunction; readonly bar: Bar } {
  const bar = fn.bars[index]!;
  const face: Device & { readonly fn: PciFunction; readonly bar: Bar } = {
    id: fn.id,
    fn,
    bar,
    registers: bar.registers,
    read: (offset, size) => bar.read(offset, size),
    write: (offset, size, value) => bar.write(offset, size, value),
    timer: (kind) => (fn as Device).timer?.(kind),
    reset: () => fn.reset(),
    save: () => fn.save(),
    load: (state) => fn.load(state),
  };
  return bar.accepts === undefined ? face : { ...face, accepts: bar.accepts.bind(bar) };
}
