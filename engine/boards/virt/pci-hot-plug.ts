/** PCI devices that come and go while the machine runs, behind its root ports. */
import type { DeviceState, StateValue } from '../../base/device.ts';
import type { PciFunction } from '../../devices/pcie/pci-function.ts';
import type { RootPort } from '../../devices/pcie/root-port.ts';
import type { PciDeviceConfig, VirtConfig } from './config.ts';
import { busOf, pciDeviceType, pciErrors } from './pci-devices.ts';
import { checkDevice } from './validate.ts';

interface Present {
  readonly device: PciDeviceConfig;
  readonly fn: PciFunction;
  /** Of the changes made to the machine so far, the one it came with; 0: it was there from the beginning. */
  readonly change: number;
}

/** What QEMU does not plug into a machine that runs, either. */
const COLD_ONLY = ['pcie-root-port', 'virtio-gpu-pci', 'virtio-serial-pci'];

export class PciHotPlug {
  /** Called with the devices that are gone, when devices have come or gone. */
  onChange: (gone: readonly PciDeviceConfig[]) => void = () => {};
  readonly #config: VirtConfig;
  readonly #ports: ReadonlyMap<string, RootPort>;
  readonly #build: (device: PciDeviceConfig) => PciFunction;
  #present: Present[];
  #changes = 0;

  /** @throws OptionError */
  constructor(
    config: VirtConfig,
    ports: ReadonlyMap<string, RootPort>,
    build: (device: PciDeviceConfig) => PciFunction,
  ) {
    this.#config = config;
    this.#ports = ports;
    this.#build = build;
    this.#present = config.pciDevices.map((device) => ({ device, fn: build(device), change: 0 }));
  }

  /** The devices there are now, in the order in which they came. */
  get devices(): readonly PciDeviceConfig[] {
    return this.#present.map(({ device }) => device);
  }

  /** The root port that a device is behind. */
  portOf(id: string): RootPort | undefined {
    const device = this.#present.find((present) => present.device.id === id)?.device;
    const port = device === undefined ? undefined : busOf(device);
    return port === undefined ? undefined : this.#ports.get(port);
  }

  /** Why a device cannot be plugged; undefined: it can. */
  refusal(device: PciDeviceConfig): string | undefined {
    const { type, id } = device;
    const option = `device_add ${type}`;
    if (pciDeviceType(type) === undefined || COLD_ONLY.includes(type))
      return `${option}: it cannot be plugged into a machine that runs`;
    const bus = busOf(device);
    const port = bus === undefined ? undefined : this.#ports.get(bus);
    if (port === undefined)
      return `${option},bus=${bus ?? 'pcie.0'}: only a pcie-root-port takes devices while the machine runs`;
    if (this.#present.some((other) => other.device.id === id)) return `${option},id=${id}: this id is in use`;
    if (port.secondary.sorted.length > 0) return `${option},bus=${bus}: the port is taken`;
    const { drive } = device.properties;
    if (drive !== undefined && this.#present.some((other) => other.device.properties.drive === drive))
      return `${option},drive=${drive}: another device has this drive`;
    if (device.devfn !== 0) return `${option}: a port has device number 0 and function 0 only`;
    const [error] = pciErrors({ ...this.#config, pciDevices: [...this.devices, device] });
    return error;
  }

  /**
   * Builds a device. @returns what puts it into its slot; nothing of it is seen before
   * @throws OptionError if its backend cannot be had
   */
  prepare(device: PciDeviceConfig): () => void {
    const fn = this.#build(device);
    return () => {
      this.#changes += 1;
      this.#present.push({ device, fn, change: this.#changes });
      this.onChange([]);
      this.portOf(device.id)!.insert();
    };
  }

  /** The device behind a port has been pulled out. */
  ejected(port: string): void {
    const gone = this.#present.filter(({ device }) => busOf(device) === port);
    this.#changes += 1;
    this.#take(gone);
    this.onChange(gone.map(({ device }) => device));
  }

  #take(gone: readonly Present[]): void {
    for (const { device, fn } of gone) this.#ports.get(busOf(device)!)!.secondary.unplug(fn);
    this.#present = this.#present.filter((present) => !gone.includes(present));
  }

  /** What has come and gone; undefined: nothing. */
  save(): StateValue | undefined {
    if (this.#changes === 0) return undefined;
    const present = this.#present.map(({ device, change }) => ({ change, ...plain(device) }));
    return { changes: this.#changes, present };
  }

  /** Makes the machine have the devices of a state that was saved. */
  load(state: StateValue | undefined): void {
    const { changes, present } = (state ?? {
      changes: 0,
      present: this.#config.pciDevices.map((device) => ({ change: 0, ...plain(device) })),
    }) as unknown as { changes: number; present: (PciDeviceConfig & { change: number })[] };
    const isSame = (one: Present, { id, change }: { id: string; change: number }): boolean =>
      one.device.id === id && one.change === change;
    const gone = this.#present.filter((one) => !present.some((other) => isSame(one, other)));
    this.#take(gone);
    let isNew = false;
    this.#present = present.map((wanted) => {
      const here = this.#present.find((one) => isSame(one, wanted));
      if (here !== undefined) return here;
      isNew = true;
      const { change, ...device } = wanted;
      return { device, fn: this.#build(device), change };
    });
    this.#changes = changes;
    if (isNew || gone.length > 0) this.onChange(gone.map(({ device }) => device));
  }
}

function plain({ devfn, type, id, properties }: PciDeviceConfig): DeviceState {
  return { devfn, type, id, properties: { ...properties } };
}

/** A device as bytes, for an input. */
export function encodePciDevice({ devfn, type, id, properties }: PciDeviceConfig): Uint8Array {
  return new TextEncoder().encode(JSON.stringify({ devfn, type, id, properties }));
}

/** Undefined: the bytes are no device. */
export function decodePciDevice(bytes: Uint8Array): PciDeviceConfig | undefined {
  try {
    const device: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    checkDevice(device, 'device', 'devfn');
    const { devfn, type, id, properties } = device as PciDeviceConfig;
    return /^[A-Za-z][-\w.]{0,100}$/.test(id) ? { devfn, type, id, properties } : undefined;
  } catch {
    return undefined;
  }
}
