import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Edu } from '../../../../engine/devices/pcie/edu.ts';
import { HostBridge } from '../../../../engine/devices/pcie/host-bridge.ts';
import type { PciFunction } from '../../../../engine/devices/pcie/pci-function.ts';
import { RootPort } from '../../../../engine/devices/pcie/root-port.ts';
import { VirtioPci } from '../../../../engine/devices/virtio/virtio-pci.ts';
import { VirtioRng } from '../../../../engine/devices/virtio/virtio-rng.ts';
import { Bench } from '../bench.ts';
import { BenchBus } from './bus.ts';

const MEMORY = 0x1000_0000;

/** A device at 00:device.0, or behind a port there. */
function machine(...places: readonly (number | { readonly port: number })[]) {
  const bench = new Bench();
  const bus = new BenchBus(bench);
  bus.plug(new HostBridge(bus.ports('root', 0)));
  const ports: RootPort[] = [];
  const devices = places.map((place, index): Edu => {
    if (typeof place === 'number') return bus.plug(new Edu(bus.ports(`edu${index}`, place << 3)));
    const port = bus.plug(new RootPort(bus.ports(`port${index}`, place.port << 3)));
    ports.push(port);
    const edu = bus.plug(new Edu(bus.ports(`edu${index}`, 0, port.secondary)), port.secondary);
    port.complete();
    return edu;
  });
  const ecam = bus.host.ecam('ecam');
  const window = bus.host.window('memory', 'memory', MEMORY);
  const source = { cpu: 0, secure: false };
  return {
    bench,
    bus,
    ports,
    devices,
    config: (number: number, device: number, offset: number) =>
      ecam.read((number << 20) + (device << 15) + offset, 4, source),
    read: (address: number) => window.read(address - MEMORY, 4, source),
    write: (address: number, value: number) => window.write(address - MEMORY, 4, value, source),
    resolve: (address: number) => window.resolve!(address - MEMORY),
  };
}

/** Memory window, bus numbers and enables of a bridge. */
function open(port: RootPort, secondary: number, base: number, limit: number, subordinate = secondary): void {
  port.write(0x18, 4, (subordinate << 16) | (secondary << 8));
  port.write(0x20, 4, ((limit >>> 16) << 16) | (base >>> 16));
  port.write(0x24, 4, 0x0000_fff0);
  port.write(4, 2, 7);
}

function place(fn: PciFunction, address: number): void {
  fn.write(0x10, 4, address);
  fn.write(4, 2, 6);
}

const ID = 0x0100_00ed;

describe('memory windows', () => {
  it('decode a BAR where the guest put it, and nowhere while decoding is off', () => {
    const { devices, read, resolve } = machine(1);
    const [edu] = devices as [Edu];
    expect(read(MEMORY)).toBe(0xffff_ffff);
    place(edu, MEMORY + 0x10_0000);
    expect([read(MEMORY), read(MEMORY + 0x10_0000)]).toEqual([0xffff_ffff, ID]);
    expect(resolve(MEMORY + 0x10_0004)).toEqual({ device: 'edu0.bar0', offset: 4 });
    edu.write(4, 2, 0);
    expect(read(MEMORY + 0x10_0000)).toBe(0xffff_ffff);
    edu.write(4, 2, 2);
    edu.write(0x10, 4, 0xffff_ffff);
    expect(read(MEMORY + 0x10_0000)).toBe(0xffff_ffff);
  });

  it('give an address that two BARs claim to the lower function', () => {
    const { devices, write, read } = machine(1, 2);
    for (const edu of devices) place(edu, MEMORY);
    write(MEMORY + 4, 5);
    expect(read(MEMORY + 4)).toBe(~5 >>> 0);
    devices[0]!.write(4, 2, 0);
    expect(read(MEMORY + 4)).toBe(0);
  });

  it('reach behind a port only through its own window', () => {
    const { devices, ports, read } = machine({ port: 1 });
    const [port] = ports as [RootPort];
    place(devices[0]!, MEMORY + 0x10_0000);
    expect(read(MEMORY + 0x10_0000)).toBe(0xffff_ffff);
    open(port, 1, MEMORY + 0x10_0000, MEMORY + 0x10_0000);
    expect(read(MEMORY + 0x10_0000)).toBe(ID);
    open(port, 1, MEMORY + 0x20_0000, MEMORY + 0x20_0000);
    expect(read(MEMORY + 0x10_0000)).toBe(0xffff_ffff);
    open(port, 1, MEMORY + 0x10_0000, MEMORY);
    expect(read(MEMORY + 0x10_0000)).toBe(0xffff_ffff);
  });
});

describe('configuration space', () => {
  it('follows the bus numbers that the guest gives', () => {
    const { config, ports, devices } = machine({ port: 1 }, { port: 2 });
    expect([config(1, 0, 0), config(5, 0, 0)]).toEqual([0xffff_ffff, 0xffff_ffff]);
    open(ports[0]!, 1, 0, 0);
    open(ports[1]!, 5, 0, 0);
    expect([config(1, 0, 0), config(5, 0, 0), config(5, 1, 0), config(2, 0, 0)]).toEqual([
      0x11e8_1234, 0x11e8_1234, 0xffff_ffff, 0xffff_ffff,
    ]);
    expect(devices.map((edu) => edu.slot.requesterId())).toEqual([0x100, 0x500]);
    ports[1]!.write(0x18, 4, 0x00_0a_0a_00);
    expect([config(5, 0, 0), config(10, 0, 0), devices[1]!.slot.requesterId()]).toEqual([
      0xffff_ffff, 0x11e8_1234, 0xa00,
    ]);
  });
});

describe('INTx', () => {
  it('takes the wire of device and pin, on the root bus and behind ports (virt-board.md 2.3)', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 31 }), fc.boolean(), (device, behind) => {
        const { devices, bench } = machine(behind ? { port: device } : device);
        const [edu] = devices as [Edu];
        edu.bars[0]!.write(0x60, 4, 1);
        // INTA of device 0 of the bus behind keeps its number there, and is turned by the port's.
        const wire = 'abcd'[device % 4];
        expect(bench.log.filter((line) => line.startsWith('line'))).toEqual([`line int${wire} high`]);
        edu.bars[0]!.write(0x64, 4, 1);
        expect(bench.level(`int${wire}`)).toBe(false);
      }),
    );
  });

  it('stays high as long as one of the devices on a wire asserts it', () => {
    const { devices, bench } = machine(1, 5);
    for (const edu of devices) edu.bars[0]!.write(0x60, 4, 1);
    devices[0]!.bars[0]!.write(0x64, 4, 1);
    expect(bench.level('intb')).toBe(true);
    devices[1]!.write(4, 2, 0x400);
    expect([bench.level('intb'), devices[1]!.read(6, 2) & 8]).toEqual([false, 8]);
    devices[1]!.write(4, 2, 0);
    expect(bench.level('intb')).toBe(true);
    devices[1]!.reset();
    expect(bench.level('intb')).toBe(false);
  });
});

describe('MSI-X', () => {
  function rng() {
    const bench = new Bench();
    const bus = new BenchBus(bench, bench.dma(0, 0x1000));
    const options = { classCode: 0, vectors: 2, backend: new VirtioRng(bench.input()) };
    const fn = bus.plug(new VirtioPci(bus.ports('rng', 8), options));
    fn.write(4, 2, 6);
    const table = fn.bars[1]!;
    table.write(0x10, 4, 0x100);
    table.write(0x18, 4, 0xabcd);
    const sent = () => bench.log.filter((line) => line.startsWith('dma')).length;
    const messages = (control: number) => fn.write(0x9a, 2, control);
    const memory = bench.memory('dma', 0x1000);
    return { bench, fn, table, sent, messages, memory, msix: fn.msix! };
  }

  it('writes the message of a vector as a bus master', () => {
    const { msix, messages, table, sent, memory, fn, bench } = rng();
    msix.notify(1);
    expect(sent()).toBe(0);
    messages(0x8000);
    table.write(0x1c, 4, 0);
    msix.notify(1);
    expect([sent(), memory[0x100], memory[0x101]]).toEqual([1, 0xcd, 0xab]);
    expect(bench.log).toContain('note rng msi {"requester":8,"vector":1,"address":256,"data":43981}');
    fn.write(4, 2, 2);
    msix.notify(1);
    expect(sent()).toBe(1);
    expect(bench.log.at(-1)).toMatch(/vector 1 to 0x100 was lost: bus mastering is off/);
  });

  it('keeps what comes while masked, and sends it once when the mask goes', () => {
    const { msix, messages, table, sent } = rng();
    messages(0xc000);
    table.write(0x1c, 4, 0);
    msix.notify(1);
    msix.notify(1);
    expect([sent(), table.read(0x800, 4)]).toEqual([0, 2]);
    messages(0x8000);
    expect([sent(), table.read(0x800, 4)]).toEqual([1, 0]);
    table.write(0x1c, 4, 1);
    msix.notify(1);
    expect(sent()).toBe(1);
    table.write(0x1c, 4, 0);
    expect(sent()).toBe(2);
  });
});

describe('a slot', () => {
  it('can be pulled and filled again by the rules of hot-plug', () => {
    const { ports, config, devices, bench } = machine({ port: 1 });
    const [port] = ports as [RootPort];
    open(port, 1, 0, 0);
    const status = () => port.read(0x6e, 2);
    expect([status(), port.read(0x66, 2), config(1, 0, 0)]).toEqual([0x40, 0x2011, 0x11e8_1234]);
    // Hot-plug interrupt, attention button and presence are enabled; then somebody wants the device out.
    port.write(0x6c, 2, 0x01e9);
    port.write(0x6e, 2, status());
    port.receive('unplug');
    expect([status() & 1, bench.level('intb')]).toEqual([1, true]);
    port.write(0x6e, 2, 1);
    expect(bench.level('intb')).toBe(false);
    // The guest powers the slot off.
    port.write(0x6c, 2, 0x07e9);
    expect([status() & 0x48, config(1, 0, 0), port.read(0x66, 2)]).toEqual([0x08, 0xffff_ffff, 0x0204]);
    port.write(0x6e, 2, status() & 0x1f);
    port.receive('plug');
    expect([status() & 0x48, config(1, 0, 0)]).toEqual([0x48, 0xffff_ffff]);
    // It is there, and answers as soon as it has power.
    port.write(0x6c, 2, 0x01e9);
    expect(config(1, 0, 0)).toBe(0x11e8_1234);
    expect(bench.level('intb')).toBe(true);
    expect(devices[0]!.read(4, 2)).toBe(0);
  });

  it('keeps what is in it over save and load', () => {
    const one = machine({ port: 1 });
    const [port] = one.ports as [RootPort];
    port.write(0x6c, 2, 0x07c0);
    expect(port.isOccupied).toBe(false);
    const other = machine({ port: 1 });
    other.ports[0]!.load(port.save());
    open(other.ports[0]!, 1, 0, 0);
    expect([other.ports[0]!.isOccupied, other.config(1, 0, 0)]).toEqual([false, 0xffff_ffff]);
  });
});

describe('edu', () => {
  it('copies memory to itself and back, and says so with an interrupt', () => {
    const { devices, bench } = machine(1);
    const [edu] = devices as [Edu];
    edu.write(4, 2, 6);
    const memory = bench.memory('dma', 0x1_0000);
    memory.set([1, 2, 3, 4], 0x200);
    const transfer = (source: number, destination: number, command: number) => {
      const bar = edu.bars[0]!;
      bar.write(0x80, 4, source);
      bar.write(0x88, 4, destination);
      bar.write(0x90, 4, 4);
      bar.write(0x98, 4, command);
      expect(bar.read(0x98, 4) & 1).toBe(1);
      bench.advance(edu, 100_000_000);
      expect(bar.read(0x98, 4) & 1).toBe(0);
    };
    transfer(0x200, 0x4_0010, 1);
    transfer(0x4_0010, 0x400, 7);
    expect([...memory.subarray(0x400, 0x404)]).toEqual([1, 2, 3, 4]);
    expect([edu.bars[0]!.read(0x24, 4), bench.level('intb')]).toEqual([0x100, true]);
    transfer(0x200, 0x4_1000, 1);
    expect(bench.log.filter((line) => /leaves the memory of the device/.test(line))).toHaveLength(1);
  });
});
