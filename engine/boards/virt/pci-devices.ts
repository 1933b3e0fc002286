/**
 * The PCI devices of the board as data: what `-device` takes, where each goes, and what is wrong with a
 * configuration. The devices themselves are made in pcie.ts.
 */
import { OptionError } from '../option-error.ts';
import { hasMessages, type PciDeviceConfig, type VirtConfig } from './config.ts';
import { hasTrait } from './versions.ts';

export interface DeviceProperty {
  readonly name: string;
  readonly description: string;
  readonly type: 'text' | 'number' | 'on/off';
}

export interface PciDeviceType {
  /** As on the command line. */
  readonly name: string;
  readonly description: string;
  readonly properties: readonly DeviceProperty[];
  /** Kind of the virtio device behind it. */
  readonly virtio?:
    | 'virtio-blk'
    | 'virtio-net'
    | 'virtio-serial'
    | 'virtio-rng'
    | 'virtio-balloon'
    | 'virtio-gpu'
    | 'virtio-keyboard'
    | 'virtio-mouse'
    | 'virtio-tablet'
    | 'virtio-9p';
}

const text = (name: string, description: string): DeviceProperty => ({ name, description, type: 'text' });
const number = (name: string, description: string): DeviceProperty => ({ name, description, type: 'number' });
const flag = (name: string, description: string): DeviceProperty => ({ name, description, type: 'on/off' });

/** What every PCI device has; `id`, `bus` and `addr` say who and where it is and are not in `properties`. */
export const COMMON_PCI_PROPERTIES: readonly DeviceProperty[] = [
  text('id', 'name of the device, also in events'),
  text('bus', 'pcie.0 (default) or the id of a pcie-root-port'),
  text('addr', 'device number, hexadecimal, and function: 5 or 5.1; default: the first free one'),
  flag('multifunction', 'function 0 says that there are others'),
  text('romfile', 'accepted when empty: no device has an option ROM'),
];

/** What virtio devices have on PCI alone. */
const VIRTIO_PCI_PROPERTIES: readonly DeviceProperty[] = [
  number('vectors', 'message interrupts (MSI-X); 0: INTx only; default: as many as the device can use'),
  flag('disable-legacy', 'no interface for drivers older than virtio 1.0; default: on behind a root port'),
  flag('iommu_platform', 'memory accesses go through the IOMMU (VIRTIO_F_ACCESS_PLATFORM); default off'),
];

export const PCI_DEVICE_TYPES: readonly PciDeviceType[] = [
  {
    name: 'virtio-blk-pci',
    description: 'disk',
    virtio: 'virtio-blk',
    properties: [
      text('drive', 'id of the -drive with its image'),
      text('serial', 'serial number the guest sees'),
      number('num-queues', 'request queues; default: one per CPU'),
      number('queue-size', 'entries of a queue, a power of two from 4 to 1024; default 256'),
      ...VIRTIO_PCI_PROPERTIES,
    ],
  },
  {
    name: 'virtio-net-pci',
    description: 'network device',
    virtio: 'virtio-net',
    properties: [
      text('netdev', 'id of the -netdev it is connected to'),
      text('mac', 'hardware address'),
      ...VIRTIO_PCI_PROPERTIES,
    ],
  },
  {
    name: 'virtio-rng-pci',
    description: 'source of random bytes',
    virtio: 'virtio-rng',
    properties: [text('rng', 'id of an -object; not needed'), ...VIRTIO_PCI_PROPERTIES],
  },
  {
    name: 'virtio-serial-pci',
    description: 'console controller; needs one virtconsole',
    virtio: 'virtio-serial',
    properties: [...VIRTIO_PCI_PROPERTIES],
  },
  {
    name: 'virtio-balloon-pci',
    description: 'takes memory back from the guest',
    virtio: 'virtio-balloon',
    properties: [...VIRTIO_PCI_PROPERTIES],
  },
  {
    name: 'virtio-gpu-pci',
    description: 'graphics, two-dimensional; virtrace screenshot shows what is on the screen',
    virtio: 'virtio-gpu',
    properties: [
      number('xres', 'width of the display in pixels; default 1280'),
      number('yres', 'height of the display in pixels; default 800'),
      flag('edid', 'the display says what it is; default on'),
      ...VIRTIO_PCI_PROPERTIES,
    ],
  },
  {
    name: 'virtio-9p-pci',
    description: 'a folder of the host, read-only',
    virtio: 'virtio-9p',
    properties: [
      text('fsdev', 'id of the -fsdev with its folder'),
      text('mount_tag', 'name under which the guest mounts it'),
      ...VIRTIO_PCI_PROPERTIES,
    ],
  },
  ...(['keyboard', 'mouse', 'tablet'] as const).map(
    (kind): PciDeviceType => ({
      name: `virtio-${kind}-pci`,
      description: `${kind}; --input gives it events`,
      virtio: `virtio-${kind}`,
      properties: [text('serial', 'serial number the guest sees'), ...VIRTIO_PCI_PROPERTIES],
    }),
  ),
  {
    name: 'pcie-root-port',
    description: 'port for one PCI Express device, which can be plugged while the guest runs',
    properties: [
      number('chassis', 'number of the chassis; not seen by the guest'),
      number('slot', 'number of the slot'),
      number('port', 'not seen by the guest'),
      flag('empty', 'what is behind it is plugged later'),
    ],
  },
  {
    name: 'edu',
    description: 'test device that does DMA on command and raises interrupts',
    properties: [
      text('dma_mask', 'bits of DMA addresses; default 0xfffffff'),
      number('dma-delay', 'ns a transfer takes; default 100 ms'),
    ],
  },
];

export function pciDeviceType(name: string): PciDeviceType | undefined {
  return PCI_DEVICE_TYPES.find((type) => type.name === name);
}

/** Request queues of a block device: one per CPU, or one for old machine types (devices.md 7.1). */
export function blockQueues(config: VirtConfig, device: PciDeviceConfig): number {
  const given = device.properties['num-queues'];
  if (given !== undefined) return Number(given);
  return hasTrait(config.machine, 'blkQueuePerCpu') ? config.smp.cpus : 1;
}

/** A `-device` that still has to get its place. */
export interface PciDeviceRequest {
  readonly type: string;
  readonly id: string;
  readonly properties: PciDeviceConfig['properties'];
  /** Id of a root port; absent: the root bus. */
  readonly bus?: string;
  /** As given: `5`, `5.1`. */
  readonly addr?: string;
}

const SLOTS = 32;

/** @throws OptionError unless the text is a device number and perhaps a function */
export function parsePciAddress(option: string, given: string): number {
  const match = /^([0-9a-f]{1,2})(?:\.(?:0x)?([0-7]))?$/i.exec(given.replace(/^0x/i, ''));
  const device = match === null ? SLOTS : Number.parseInt(match[1]!, 16);
  if (device >= SLOTS) {
    throw new OptionError(`${option},addr=${given}: allowed are 0 to 1f, and a function 0 to 7 as in 5.1`);
  }
  return (device << 3) | Number(match?.[2] ?? 0);
}

/**
 * Places devices as QEMU does: where they ask to be, else at the first free device number of the bus; on a
 * root port there is only number 0.
 * @throws OptionError
 */
export function placePciDevices(requests: readonly PciDeviceRequest[]): PciDeviceConfig[] {
  const taken = new Map<string, Set<number>>([['', new Set([0])]]);
  const placed: PciDeviceConfig[] = [];
  for (const { type, id, properties, bus = '', addr } of requests) {
    const option = `-device ${type}`;
    if (bus !== '' && !placed.some((device) => device.id === bus && device.type === 'pcie-root-port')) {
      throw new OptionError(
        `${option},bus=${bus}: no pcie-root-port before it has this id; allowed is pcie.0 too`,
      );
    }
    const used = taken.get(bus) ?? new Set<number>();
    taken.set(bus, used);
    const devfn = addr === undefined ? firstFree(option, bus, used) : parsePciAddress(option, addr);
    checkFunction(option, devfn, properties.multifunction === true, bus, placed);
    if (used.has(devfn)) {
      throw new OptionError(`${option},addr=${addr}: this place on ${bus === '' ? 'pcie.0' : bus} is taken`);
    }
    used.add(devfn);
    placed.push({ devfn, type, id, properties: bus === '' ? properties : { ...properties, bus } });
  }
  return placed;
}

/** Function 0 says whether there are others, and says so for all that come after it. @throws OptionError */
function checkFunction(
  option: string,
  devfn: number,
  isMulti: boolean,
  bus: string,
  placed: readonly PciDeviceConfig[],
): void {
  const same = placed.filter(
    (other) => other.devfn >> 3 === devfn >> 3 && (busOf(other) ?? '') === bus && other.devfn !== devfn,
  );
  const place = `${(devfn >> 3).toString(16)}.${devfn & 7}`;
  if ((devfn & 7) === 0) {
    if (isMulti || same.length === 0) return;
    throw new OptionError(`${option},addr=${place}: other functions are there; add multifunction=on`);
  }
  const first = same.find((other) => (other.devfn & 7) === 0);
  if (first === undefined || first.properties.multifunction === true) return;
  throw new OptionError(
    `${option},addr=${place}: function 0 there is alone; give ${first.type},id=${first.id} multifunction=on`,
  );
}

function firstFree(option: string, bus: string, used: ReadonlySet<number>): number {
  for (let device = 0; device < (bus === '' ? SLOTS : 1); device++) {
    // A device number is free if none of its functions is used.
    if (![0, 1, 2, 3, 4, 5, 6, 7].some((fn) => used.has((device << 3) | fn))) return device << 3;
  }
  throw new OptionError(
    `${option}: ${bus === '' ? 'all 32 device numbers of pcie.0 are' : `port ${bus} is`} taken`,
  );
}

/** Id of the root port a device sits behind; undefined: on the root bus. */
export function busOf(device: PciDeviceConfig): string | undefined {
  const { bus } = device.properties;
  return bus === undefined || bus === 'pcie.0' ? undefined : String(bus);
}

/** Without a legacy interface on any bus. */
const MODERN_ONLY = /^virtio-(gpu|keyboard|mouse|tablet)-pci$/;

/** What is wrong with the PCI devices of a configuration. */
export function pciErrors(config: VirtConfig): string[] {
  const errors: string[] = [];
  const places = new Map<string, string>([['/0', 'the host bridge']]);
  const ports = new Set<string>();
  for (const device of config.pciDevices) {
    const { devfn, id, type } = device;
    const option = `-device ${type},id=${id}`;
    const bus = busOf(device);
    const last = bus === undefined ? SLOTS * 8 - 1 : 7;
    if (pciDeviceType(type) === undefined) errors.push(`-device ${type}: unknown PCI device`);
    if (!Number.isInteger(devfn) || devfn < 0 || devfn > last) {
      errors.push(`${option}: device and function number ${devfn}; allowed are 0 to ${last}`);
    }
    if (bus !== undefined && !ports.has(bus)) {
      errors.push(`${option},bus=${bus}: no pcie-root-port before it has this id`);
    }
    const place = `${bus ?? ''}/${devfn}`;
    const other = places.get(place);
    if (other !== undefined) errors.push(`${option}: its place is taken by ${other}`);
    places.set(place, id);
    if (type === 'pcie-root-port') ports.add(id);
    // QEMU: these do not go without messages, where virtio devices do.
    if (!hasMessages(config) && (type === 'pcie-root-port' || type === 'edu')) {
      errors.push(`${option}: needs message interrupts (MSI), which there are with its=on or gic-version=2`);
    }
    errors.push(...propertyErrors(config, device));
  }
  return errors;
}

function propertyErrors(config: VirtConfig, device: PciDeviceConfig): string[] {
  const { type, properties } = device;
  const errors: string[] = [];
  const range = (name: string, low: number, high: number): void => {
    const value = properties[name];
    if (value === undefined) return;
    const given = Number(value);
    if (!Number.isInteger(given) || given < low || given > high) {
      errors.push(`-device ${type},${name}=${String(value)}: allowed are ${low} to ${high}`);
    }
  };
  if (properties.romfile !== undefined && properties.romfile !== '') {
    const given = String(properties.romfile);
    errors.push(`-device ${type},romfile=${given}: virtrace has no option ROMs; allowed is romfile= alone`);
  }
  range('num-queues', 1, 1024);
  range('vectors', 0, 2047);
  const entries = properties['queue-size'];
  if (entries !== undefined) {
    range('queue-size', 4, 1024);
    const given = Number(entries);
    if (given >= 4 && given <= 1024 && (given & (given - 1)) !== 0)
      errors.push(`-device ${type},queue-size=${given}: a power of two is needed`);
  }
  range('xres', 16, 16_384);
  range('yres', 16, 16_384);
  const isModernOnly = MODERN_ONLY.test(type);
  const modern = isModernOnly || busOf(device) !== undefined || properties['disable-legacy'] === true;
  if (properties.iommu_platform === true && !modern) {
    errors.push(
      `-device ${type},iommu_platform=on: only without the legacy interface; add disable-legacy=on`,
    );
  }
  range('slot', 0, 0x1fff);
  range('chassis', 0, 255);
  range('port', 0, 255);
  range('dma-delay', 0, 1e12);
  if (type === 'virtio-blk-pci' && properties['num-queues'] === undefined && config.smp.cpus > 1023) {
    errors.push('-device virtio-blk-pci: give num-queues, the default of one per CPU is too many');
  }
  const mask = properties.dma_mask;
  if (mask !== undefined && !/^(0x[0-9a-f]{1,16}|\d{1,19})$/i.test(String(mask))) {
    errors.push(`-device ${type},dma_mask=${String(mask)}: a number is needed`);
  }
  return errors;
}
