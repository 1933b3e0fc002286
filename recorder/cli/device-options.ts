/** `-device` and `-object`: from texts to devices behind virtio-mmio transports and on PCI Express. */
import {
  type PciDeviceConfig,
  VIRTIO_MMIO_SLOTS,
  type VirtioMmioConfig,
} from '../../engine/boards/virt/config.ts';
import {
  type PciDeviceRequest,
  parsePciAddress,
  placePciDevices,
} from '../../engine/boards/virt/pci-devices.ts';
import { parseOnOff } from '../../engine/boards/virt/properties.ts';
import type { NetworkRequest } from '../host/net/network.ts';
import { type CharacterDevice, type CharacterTarget, characterDevice } from './character-options.ts';
import {
  DEFAULT_DEVICE_PROPERTIES,
  DEVICE_TYPES,
  type DeviceType,
  deviceNamed,
  deviceRefusal,
  REFUSED_DEVICE_PROPERTIES,
} from './device-types.ts';
import type { DriveRequest } from './drive-options.ts';
import { HelpAnswer, OptionError } from './errors.ts';
import type { FolderRequest } from './folder-options.ts';
import { deviceHelp, devicePropertyHelp } from './help.ts';
import { flattenJson, readKeyValues, readNumber } from './key-values.ts';

export interface DeviceRequests {
  readonly virtioMmio: readonly VirtioMmioConfig[];
  readonly pciDevices: readonly PciDeviceConfig[];
  /** What consoles are connected to, by device id. */
  readonly consoles: ReadonlyMap<string, CharacterTarget>;
  /** Networks of network devices, by device id; a device without one is connected to nothing. */
  readonly networks: ReadonlyMap<string, NetworkRequest>;
  /** Shared folders, by device id. */
  readonly folders: ReadonlyMap<string, FolderRequest>;
}

export interface Surroundings {
  readonly drives: ReadonlyMap<string, DriveRequest>;
  readonly netdevs: ReadonlyMap<string, NetworkRequest>;
  /** By id of `-fsdev`. */
  readonly folders: ReadonlyMap<string, FolderRequest>;
  readonly characters: ReadonlyMap<string, CharacterDevice>;
  /** Ids of `-object`. */
  readonly objects: ReadonlySet<string>;
  /** False: transports have version 2. */
  readonly forceLegacy: boolean | undefined;
}

/** One `-device`, split. */
interface Given {
  readonly type: DeviceType;
  readonly values: ReadonlyMap<string, string>;
}

/** Properties that say who and where a device is, or name something of the host. */
const NOT_OF_THE_DEVICE = ['driver', 'id', 'bus', 'addr', 'rng', 'netdev', 'fsdev'];

/** @throws OptionError, HelpAnswer */
export function readDevices(texts: readonly string[], around: Surroundings): DeviceRequests {
  const given = texts.map(split);
  const ids = idsFor(given);
  const slots = slotsFor(given);
  const consoles = new Map<string, CharacterTarget>();
  const networks = new Map<string, NetworkRequest>();
  const folders = new Map<string, FolderRequest>();
  const usedDrives = new Set<string>();
  const macs = macsFor(given);
  const virtioMmio: VirtioMmioConfig[] = [];
  const pci: PciDeviceRequest[] = [];
  const controller = consoleOf(given);
  given.forEach(({ type, values }, index) => {
    const id = ids[index]!;
    if (type.bus === 'console') {
      consoles.set(ids[controller!]!, consoleTarget(values, around));
      return;
    }
    checkReferences(type, values, around, usedDrives);
    const properties = propertiesOf(type, values);
    if (macs[index] !== undefined) properties.mac = macs[index];
    const netdev = values.get('netdev');
    if (netdev !== undefined) networks.set(id, connect(`-device ${type.name}`, netdev, around, networks));
    if (type.virtio === 'virtio-9p') folders.set(id, folderOf(`-device ${type.name}`, values, around));
    if (type.bus === 'pci') {
      const bus = values.get('bus');
      const addr = values.get('addr');
      pci.push({
        type: type.name,
        id,
        properties,
        ...(bus === undefined || bus === 'pcie.0' ? {} : { bus }),
        ...(addr === undefined ? {} : { addr }),
      });
      return;
    }
    const version = around.forceLegacy === false ? { 'force-legacy': false } : {};
    virtioMmio.push({
      slot: slots[index]!,
      type: type.virtio!,
      id,
      properties: { ...version, ...properties },
    });
  });
  return { virtioMmio, pciDevices: placePciDevices(pci), consoles, networks, folders };
}

/** The folder of a device; two devices may have the same one. */
function folderOf(
  option: string,
  values: ReadonlyMap<string, string>,
  { folders }: Surroundings,
): FolderRequest {
  const id = values.get('fsdev');
  if (id === undefined) throw new OptionError(`${option}: fsdev= is missing`);
  if (values.get('mount_tag') === undefined) throw new OptionError(`${option}: mount_tag= is missing`);
  const folder = folders.get(id);
  if (folder === undefined) throw new OptionError(`${option},fsdev=${id}: there is no -fsdev with id=${id}`);
  return folder;
}

/** What is there already when a device is plugged into a machine that runs. */
export interface HotSurroundings extends Surroundings {
  readonly present: readonly PciDeviceConfig[];
  isTaken(id: string): boolean;
  /** Networks in use, by id of their device. */
  readonly networks: ReadonlyMap<string, NetworkRequest>;
}

/** A device for a root port of a machine that runs, as `-device` describes it. @throws OptionError */
export function readHotDevice(
  text: string,
  around: HotSurroundings,
): { readonly device: PciDeviceConfig; readonly network?: NetworkRequest } {
  const given = split(text);
  const { type, values } = given;
  if (type.bus !== 'pci') throw new OptionError(`device_add ${type.name}: only PCI devices can be plugged`);
  if (type.virtio === 'virtio-9p')
    throw new OptionError(`device_add ${type.name}: folders are there from the start, or not at all`);
  const own = values.get('id');
  if (own !== undefined) checkId(own);
  if (own !== undefined && around.isTaken(own))
    throw new OptionError(`device_add id=${own}: this id is in use`);
  const stem = type.name.replace(/-(device|pci)$/, '');
  let number = 0;
  while (around.isTaken(`${stem}${number}`)) number++;
  const used = new Set(
    around.present.flatMap(({ properties }) => (properties.drive as string | undefined) ?? []),
  );
  checkReferences(type, values, around, used);
  const properties = propertiesOf(type, values);
  if (type.virtio === 'virtio-net') {
    // The one without an address has the first.
    const nics = around.present.filter((other) => other.type === type.name);
    const taken = new Set(nics.map((nic) => String(nic.properties.mac ?? `${MAC_PREFIX}56`).toLowerCase()));
    let last = 0x56;
    while (taken.has(macEndingIn(last))) last = (last + 1) & 0xff;
    properties.mac ??= macEndingIn(last);
  }
  const netdev = values.get('netdev');
  const bus = values.get('bus');
  const addr = values.get('addr');
  return {
    device: {
      type: type.name,
      id: own ?? `${stem}${number}`,
      devfn: addr === undefined ? 0 : parsePciAddress(`device_add ${type.name}`, addr),
      properties: bus === undefined ? properties : { ...properties, bus },
    },
    ...(netdev === undefined
      ? {}
      : { network: connect(`device_add ${type.name}`, netdev, around, around.networks) }),
  };
}

/** What a device has beyond its name and place, each value as its type says. */
function propertiesOf(
  type: DeviceType,
  values: ReadonlyMap<string, string>,
): { [name: string]: string | number | boolean } {
  const properties: { [name: string]: string | number | boolean } = {};
  // What a configuration does not say is off (backends.ts).
  if (type.virtio === 'virtio-gpu') properties.edid = true;
  for (const [name, value] of values) {
    if (NOT_OF_THE_DEVICE.includes(name)) continue;
    const option = `-device ${type.name},${name}`;
    switch (type.properties.find((property) => property.name === name)!.type) {
      case 'text':
        properties[name] = value;
        break;
      case 'number':
        properties[name] = readNumber(option, value, 0, Number.MAX_SAFE_INTEGER);
        break;
      case 'on/off':
        properties[name] = parseOnOff(option, value);
    }
  }
  return properties;
}

/** The -drive, -object and -netdev that a device names have to be there. */
function checkReferences(
  type: DeviceType,
  values: ReadonlyMap<string, string>,
  around: Surroundings,
  usedDrives: Set<string>,
): void {
  const option = `-device ${type.name}`;
  if (type.virtio === 'virtio-blk') checkDrive(option, values, around, usedDrives);
  const rng = values.get('rng');
  if (rng !== undefined && !around.objects.has(rng)) {
    throw new OptionError(`${option},rng=${rng}: there is no -object with id=${rng}`);
  }
}

/** The network of a device, which nobody else may have. */
function connect(
  option: string,
  id: string,
  { netdevs }: Surroundings,
  used: ReadonlyMap<string, NetworkRequest>,
): NetworkRequest {
  const network = netdevs.get(id);
  if (network === undefined)
    throw new OptionError(`${option},netdev=${id}: there is no -netdev with id=${id}`);
  if ([...used.values()].includes(network)) {
    throw new OptionError(`${option},netdev=${id}: another device has this -netdev`);
  }
  return network;
}

const MAC_PREFIX = '52:54:00:12:34:';

function macEndingIn(last: number): string {
  return `${MAC_PREFIX}${last.toString(16).padStart(2, '0')}`;
}

/** QEMU: network devices without mac= have 52:54:00:12:34:56 and on, but for those that are given. */
function macsFor(given: readonly Given[]): (string | undefined)[] {
  const taken = new Set(
    given.flatMap(({ values }) => values.get('mac')?.toLowerCase().replaceAll('-', ':') ?? []),
  );
  let last = 0x56;
  let isFirst = true;
  return given.map(({ type, values }) => {
    if (type.virtio !== 'virtio-net' || values.has('mac')) return undefined;
    while (taken.has(macEndingIn(last))) {
      last = (last + 1) & 0xff;
      isFirst = false;
    }
    const mac = macEndingIn(last);
    taken.add(mac);
    // The first of them all is the device's own default.
    const isDefault = isFirst;
    isFirst = false;
    return isDefault ? undefined : mac;
  });
}

function split(given: string): Given {
  const text = flattenJson('-device', given);
  // In JSON the type may be anywhere.
  const name = (/^\s*\{/.test(given) && /(?:^|,)driver=([^,]*)/.exec(text)?.[1]) || firstOf(text);
  if (name === 'help' || name === '?') throw new HelpAnswer(deviceHelp());
  const type = deviceNamed(name);
  if (type === undefined) {
    const why =
      deviceRefusal(name) ?? `unknown device; allowed are ${DEVICE_TYPES.map((t) => t.name).join(', ')}`;
    throw new OptionError(`-device ${name}: ${why}`);
  }
  if (text.split(',').slice(1).includes('help')) throw new HelpAnswer(devicePropertyHelp(type));
  const values = readKeyValues(`-device ${name}`, text, {
    implied: 'driver',
    allowed: ['driver', ...type.properties.map((property) => property.name)],
    refused: REFUSED_DEVICE_PROPERTIES,
    same: DEFAULT_DEVICE_PROPERTIES,
    switches: true,
  });
  return { type, values };
}

function firstOf(text: string): string {
  return text.split(',')[0]!.replace(/^driver=/, '');
}

/** Ids of the board's own parts, which events and hashes name. */
const RESERVED_ID =
  /^(uart\d|rtc|gpio|fw-cfg|flash\d|gic.*|cpu\d*|timer|pmu|machine|memory|device-tree|virtio-mmio\d*|pcie.*|smmu.*)$/;

function checkId(id: string): void {
  if (!/^[A-Za-z][-\w.]*$/.test(id)) {
    throw new OptionError(`-device id=${id}: allowed is a letter, then letters, digits, '-', '.', '_'`);
  }
  if (RESERVED_ID.test(id)) throw new OptionError(`-device id=${id}: a part of the board is called so`);
}

function idsFor(given: readonly Given[]): string[] {
  const taken = new Set(given.flatMap(({ values }) => values.get('id') ?? []));
  const used = new Set<string>();
  return given.map(({ type, values }) => {
    const own = values.get('id');
    if (own !== undefined) {
      checkId(own);
      if (used.has(own)) throw new OptionError(`-device id=${own}: this id is used twice`);
      used.add(own);
      return own;
    }
    const stem = type.name.replace(/-(device|pci)$/, '');
    let number = 0;
    while (taken.has(`${stem}${number}`)) number++;
    taken.add(`${stem}${number}`);
    return `${stem}${number}`;
  });
}

/** QEMU: the first device gets the highest transport, then downwards (virt-board.md section 14). */
function slotsFor(given: readonly Given[]): (number | undefined)[] {
  const taken = new Set<number>();
  const slots = given.map(({ type, values }) => {
    const bus = values.get('bus');
    if (type.bus !== 'virtio-mmio' || bus === undefined) return undefined;
    const match = /^virtio-mmio-bus\.(\d+)$/.exec(bus);
    const slot = match === null ? -1 : Number(match[1]);
    if (slot < 0 || slot >= VIRTIO_MMIO_SLOTS) {
      throw new OptionError(
        `-device ${type.name},bus=${bus}: allowed are virtio-mmio-bus.0 to virtio-mmio-bus.${VIRTIO_MMIO_SLOTS - 1}`,
      );
    }
    if (taken.has(slot))
      throw new OptionError(`-device ${type.name},bus=${bus}: this transport is taken already`);
    taken.add(slot);
    return slot;
  });
  let next = VIRTIO_MMIO_SLOTS - 1;
  return slots.map((slot, index) => {
    const { type } = given[index]!;
    if (slot !== undefined || type.bus !== 'virtio-mmio') return slot;
    while (taken.has(next)) next--;
    if (next < 0)
      throw new OptionError(
        `-device ${type.name}: all ${VIRTIO_MMIO_SLOTS} virtio-mmio transports are taken`,
      );
    taken.add(next);
    return next;
  });
}

/** Index of the console controller, if there is one; it and its console come in pairs. */
function consoleOf(given: readonly Given[]): number | undefined {
  const controllers = given.flatMap(({ type }, index) => (type.virtio === 'virtio-serial' ? [index] : []));
  const ports = given.filter(({ type }) => type.bus === 'console');
  if (controllers.length > 1 || ports.length > 1) {
    throw new OptionError('-device virtio-serial: virtrace has one, with one virtconsole');
  }
  if (ports.length === 1 && controllers.length === 0) {
    throw new OptionError(
      '-device virtconsole: needs -device virtio-serial-device or virtio-serial-pci before it',
    );
  }
  if (ports.length === 0 && controllers.length === 1) {
    throw new OptionError(`-device ${given[controllers[0]!]!.type.name}: needs -device virtconsole`);
  }
  const port = ports[0];
  const id = controllers[0] === undefined ? undefined : given[controllers[0]]!.values.get('id');
  const bus = port?.values.get('bus');
  if (bus !== undefined && bus !== `${id ?? ''}.0`) {
    throw new OptionError(`-device virtconsole,bus=${bus}: there is no such bus; leave it out`);
  }
  const number = port?.values.get('nr');
  if (number !== undefined && number !== '0') {
    throw new OptionError(`-device virtconsole,nr=${number}: virtrace has port 0 only`);
  }
  return controllers[0];
}

function consoleTarget(values: ReadonlyMap<string, string>, around: Surroundings): CharacterTarget {
  const id = values.get('chardev');
  if (id === undefined) return { kind: 'null' };
  return characterDevice('-device virtconsole,chardev', id, around.characters);
}

function checkDrive(
  option: string,
  values: ReadonlyMap<string, string>,
  { drives }: Surroundings,
  used: Set<string>,
): void {
  const id = values.get('drive');
  if (id === undefined) throw new OptionError(`${option}: drive= is missing`);
  if (!drives.has(id)) {
    const known = [...drives.keys()];
    const list = known.length === 0 ? 'there is none' : `there are ${known.join(', ')}`;
    throw new OptionError(`${option},drive=${id}: no -drive if=none has this id; ${list}`);
  }
  if (used.has(id)) throw new OptionError(`${option},drive=${id}: another device has this drive`);
  used.add(id);
}

/** Ids of the sources of random bytes; whichever it is, the bytes come from the host and are recorded. */
export function readObjects(texts: readonly string[]): Set<string> {
  const ids = new Set<string>();
  for (const text of texts) {
    const type = text.split(',')[0]!.replace(/^qom-type=/, '');
    if (type !== 'rng-builtin' && type !== 'rng-random') {
      throw new OptionError(
        `-object ${type}: QEMU may have it, virtrace does not; allowed are rng-builtin, rng-random`,
      );
    }
    const values = readKeyValues(`-object ${type}`, text, {
      implied: 'qom-type',
      allowed: type === 'rng-random' ? ['qom-type', 'id', 'filename'] : ['qom-type', 'id'],
    });
    const id = values.get('id');
    if (id === undefined) throw new OptionError(`-object ${type}: id= is missing`);
    const file = values.get('filename');
    if (file !== undefined && file !== '/dev/urandom' && file !== '/dev/random') {
      throw new OptionError(`-object rng-random,filename=${file}: allowed are /dev/urandom, /dev/random`);
    }
    ids.add(id);
  }
  return ids;
}
