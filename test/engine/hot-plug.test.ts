import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { PciDeviceConfig } from '../../engine/boards/virt/config.ts';
import { placePciDevices } from '../../engine/boards/virt/pci-devices.ts';
import { encodePciDevice } from '../../engine/boards/virt/pci-hot-plug.ts';
import { CowBlockStorage } from '../../engine/devices/virtio/block-storage.ts';
import type { Machine } from '../../engine/machine.ts';
import { DEVICE_ADD, MACHINE } from '../../engine/machine-input.ts';
import { copyOf, type Guest, makeGuest, type TestMachine } from '../support/machines.ts';

const SLTCTL = 0x6c;
/** Powered, indicator on, all hot-plug events enabled; and all off. */
const ON = 0x01e9;
const OFF = 0x07e9;

const test: TestMachine = {
  guest: 'churn',
  with: {
    drives: { d: new CowBlockStorage(new Uint8Array(4096)) },
  },
};

function start(): Guest {
  const config = makeGuest(test).machine.config;
  const pciDevices = placePciDevices([
    { type: 'pcie-root-port', id: 'rp1', properties: {} },
    { type: 'pcie-root-port', id: 'rp2', properties: {} },
    { type: 'virtio-rng-pci', id: 'old', properties: {}, bus: 'rp2' },
  ]);
  return makeGuest(withConfig({ ...config, pciDevices }));
}

function withConfig(config: Machine['config']): TestMachine {
  return { ...test, with: { ...test.with, config } };
}

function device(
  type: string,
  id: string,
  bus: string,
  more: PciDeviceConfig['properties'] = {},
): PciDeviceConfig {
  return { devfn: 0, type, id, properties: { bus, ...more } };
}

const BLK = device('virtio-blk-pci', 'b1', 'rp1', { drive: 'd' });

function plug(machine: Machine, what: PciDeviceConfig): void {
  machine.receive(MACHINE, DEVICE_ADD, encodePciDevice(what));
}

/** Sets the port up as a guest does, and writes its Slot Control. */
function power(machine: Machine, id: string, control: number): void {
  const port = machine.board.pcie.host.functions().find((fn) => fn.id === id)!;
  const bus = id === 'rp1' ? 1 : 2;
  port.write(0x18, 4, bus * 0x1_0100);
  port.write(SLTCTL, 2, control);
}

const vendor = (machine: Machine, bus: number): number | undefined =>
  machine.board.pcie.host.functionAt(bus, 0)?.read(0, 2);

describe('a device that is plugged while the machine runs', () => {
  it('answers when its slot has power, and is gone when the guest lets go of it', () => {
    const { machine } = start();
    machine.run(10_000);
    plug(machine, BLK);
    // The slot was off before, and stays so until the guest says otherwise.
    power(machine, 'rp1', OFF);
    expect([machine.device('b1') !== undefined, vendor(machine, 1)]).toEqual([true, undefined]);
    power(machine, 'rp1', ON);
    expect(vendor(machine, 1)).toBe(0x1af4);
    machine.receive('rp1', 'unplug', new Uint8Array(0));
    expect(vendor(machine, 1)).toBe(0x1af4);
    power(machine, 'rp1', OFF);
    expect([vendor(machine, 1), machine.device('b1')]).toEqual([undefined, undefined]);
    plug(machine, device('virtio-net-pci', 'b1', 'rp1'));
    expect(machine.device('b1')).toBeDefined();
  });

  it('goes at once when nobody has powered its slot', () => {
    const { machine } = start();
    plug(machine, BLK);
    machine.receive('rp1', 'unplug', new Uint8Array(0));
    expect(machine.device('b1')).toBeUndefined();
  });

  it('stays over a reset, which powers it', () => {
    const { machine } = start();
    plug(machine, BLK);
    machine.receive(MACHINE, 'reset', new Uint8Array(0));
    expect(machine.run(machine.position)).toEqual({ reason: 'reset' });
    machine.reset();
    power(machine, 'rp1', machine.board.pcie.hotPlug.portOf('b1')!.config.word(SLTCTL));
    expect(vendor(machine, 1)).toBe(0x1af4);
  });

  it('is in the state, which any machine of this configuration can take over', () => {
    const plugged = start();
    plugged.machine.run(10_000);
    const before = start();
    before.machine.run(10_000);
    const empty = before.machine.save();
    plug(plugged.machine, BLK);
    power(plugged.machine, 'rp1', ON);
    power(plugged.machine, 'rp2', OFF);
    expect(plugged.machine.device('old')).toBeUndefined();
    const copy = copyOf(plugged, withConfig(plugged.machine.config));
    expect(copy.machine.hash()).toEqual(plugged.machine.hash());
    expect([...copy.machine.devices.keys()]).toEqual([...plugged.machine.devices.keys()]);
    for (const { machine } of [plugged, copy]) machine.run(50_000);
    expect(copy.machine.hash()).toEqual(plugged.machine.hash());
    // And back: what came is gone, what went is there.
    copy.machine.load(empty);
    expect(copy.machine.hash().devices).toEqual(before.machine.hash().devices);
    expect(copy.machine.hash().machine).toEqual(before.machine.hash().machine);
  });

  it.each<[string, PciDeviceConfig]>([
    ['on the root bus', device('virtio-rng-pci', 'r', 'pcie.0')],
    ['behind nothing', device('virtio-rng-pci', 'r', 'nope')],
    ['in a port that is taken', device('virtio-rng-pci', 'r', 'rp2')],
    ['with an id in use', device('virtio-rng-pci', 'old', 'rp1')],
    ['with the id of a part of the board', device('virtio-rng-pci', 'rtc', 'rp1')],
    ['that is a port', device('pcie-root-port', 'r', 'rp1')],
    ['of an unknown type', device('nope', 'r', 'rp1')],
    ['at another number', { ...device('virtio-rng-pci', 'r', 'rp1'), devfn: 8 }],
    ['without its drive', device('virtio-blk-pci', 'r', 'rp1', { drive: 'nope' })],
  ])('%s is refused, and nothing has changed', (_, wrong) => {
    const { machine } = start();
    const before = machine.hash();
    expect(() => plug(machine, wrong)).toThrow();
    plug(machine, BLK);
    expect(() => plug(machine, device('virtio-blk-pci', 'b2', 'rp1', { drive: 'd' }))).toThrow();
    machine.receive('rp1', 'unplug', new Uint8Array(0));
    expect({ ...machine.hash().devices, rp1: '' }).toEqual({ ...before.devices, rp1: '' });
  });

  it('cannot be made of any bytes', () => {
    const { machine } = start();
    const before = machine.hash();
    const nearly = fc.record({
      devfn: fc.jsonValue(),
      type: fc.jsonValue(),
      id: fc.jsonValue(),
      properties: fc.jsonValue(),
    });
    const bytes = fc.oneof(
      fc.uint8Array(),
      nearly.map((value) => new TextEncoder().encode(JSON.stringify(value))),
    );
    fc.assert(
      fc.property(fc.constantFrom(DEVICE_ADD, 'reset!', ''), bytes, (what, data) => {
        expect(() => machine.receive(MACHINE, what, data)).toThrow();
      }),
    );
    expect(machine.hash()).toEqual(before);
  });
});
