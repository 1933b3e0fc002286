/** `-device` and `-object`: from texts to devices behind virtio-mmio transports. */
import { VIRTIO_MMIO_SLOTS, type VirtioMmioConfig } from '../../engine/boards/virt/config.ts';
import { type CharacterTarget, characterDevice } from './character-options.ts';
import { DEVICE_TYPES, deviceRefusal, REFUSED_DEVICE_PROPERTIES } from './device-types.ts';
import type { DriveRequest } from './drive-options.ts';
import { HelpAnswer, OptionError } from './errors.ts';
import { deviceHelp, devicePropertyHelp } from './help.ts';
import { readKeyValues } from './key-values.ts';

export interface DeviceRequests {
  readonly virtioMmio: readonly VirtioMmioConfig[];
  /** What consoles are connected to, by device id. */
  readonly consoles: ReadonlyMap<string, CharacterTarget>;
}

interface Surroundings {
  readonly drives: ReadonlyMap<string, DriveRequest>;
  readonly characters: ReadonlyMap<string, CharacterTarget>;
  /** Ids of `-object`. */
  readonly objects: ReadonlySet<string>;
  /** False: transports have version 2. */
  readonly forceLegacy: boolean | undefined;
}

/** One `-device`, split. */
interface Given {
  readonly type: string;
  readonly values: ReadonlyMap<string, string>;
}

/** @throws OptionError, HelpAnswer */
export function readDevices(texts: readonly string[], around: Surroundings): DeviceRequests {
  const given = texts.map(split);
  const ids = idsFor(given);
  const slots = slotsFor(given);
  const consoles = new Map<string, CharacterTarget>();
  const usedDrives = new Set<string>();
  const virtioMmio: VirtioMmioConfig[] = [];
  const controller = consoleOf(given);
  given.forEach(({ type, values }, index) => {
    const id = ids[index]!;
    const slot = slots[index];
    if (slot === undefined) {
      consoles.set(ids[controller!]!, consoleTarget(values, around));
      return;
    }
    const properties: { [name: string]: string | boolean } = {};
    if (around.forceLegacy === false) properties['force-legacy'] = false;
    if (type === 'virtio-blk-device') {
      properties.drive = driveOf(values, around, usedDrives).id;
      const serial = values.get('serial');
      if (serial !== undefined) properties.serial = serial;
    }
    if (type === 'virtio-rng-device') checkObject(values.get('rng'), around);
    virtioMmio.push({ slot, type: type.replace(/-device$/, ''), id, properties });
  });
  return { virtioMmio, consoles };
}

function split(text: string): Given {
  const name = text.split(',')[0]!.replace(/^driver=/, '');
  if (name === 'help' || name === '?') throw new HelpAnswer(deviceHelp());
  const type = DEVICE_TYPES.find((candidate) => candidate.name === name);
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
    switches: true,
  });
  return { type: name, values };
}

/** Ids of the board's own parts, which events and hashes name. */
const RESERVED_ID =
  /^(uart\d|rtc|gpio|fw-cfg|flash\d|gic.*|cpu\d*|timer|pmu|machine|memory|device-tree|virtio-mmio\d*)$/;

function idsFor(given: readonly Given[]): string[] {
  const taken = new Set(given.flatMap(({ values }) => values.get('id') ?? []));
  const used = new Set<string>();
  return given.map(({ type, values }) => {
    const own = values.get('id');
    if (own !== undefined) {
      if (!/^[A-Za-z][-\w.]*$/.test(own)) {
        throw new OptionError(`-device id=${own}: allowed is a letter, then letters, digits, '-', '.', '_'`);
      }
      if (RESERVED_ID.test(own)) throw new OptionError(`-device id=${own}: a part of the board is called so`);
      if (used.has(own)) throw new OptionError(`-device id=${own}: this id is used twice`);
      used.add(own);
      return own;
    }
    const stem = type.replace(/-device$/, '');
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
    if (type === 'virtconsole' || bus === undefined) return undefined;
    const match = /^virtio-mmio-bus\.(\d+)$/.exec(bus);
    const slot = match === null ? -1 : Number(match[1]);
    if (slot < 0 || slot >= VIRTIO_MMIO_SLOTS) {
      throw new OptionError(
        `-device ${type},bus=${bus}: allowed are virtio-mmio-bus.0 to virtio-mmio-bus.${VIRTIO_MMIO_SLOTS - 1}`,
      );
    }
    if (taken.has(slot)) throw new OptionError(`-device ${type},bus=${bus}: this transport is taken already`);
    taken.add(slot);
    return slot;
  });
  let next = VIRTIO_MMIO_SLOTS - 1;
  return slots.map((slot, index) => {
    const { type } = given[index]!;
    if (slot !== undefined || type === 'virtconsole') return slot;
    while (taken.has(next)) next--;
    if (next < 0)
      throw new OptionError(`-device ${type}: all ${VIRTIO_MMIO_SLOTS} virtio-mmio transports are taken`);
    taken.add(next);
    return next;
  });
}

/** Index of the console controller, if there is one; it and its console come in pairs. */
function consoleOf(given: readonly Given[]): number | undefined {
  const controllers = given.flatMap(({ type }, index) => (type === 'virtio-serial-device' ? [index] : []));
  const ports = given.filter(({ type }) => type === 'virtconsole');
  if (controllers.length > 1 || ports.length > 1) {
    throw new OptionError('-device virtio-serial-device: virtrace has one, with one virtconsole');
  }
  if (ports.length === 1 && controllers.length === 0) {
    throw new OptionError('-device virtconsole: needs -device virtio-serial-device');
  }
  if (ports.length === 0 && controllers.length === 1) {
    throw new OptionError('-device virtio-serial-device: needs -device virtconsole');
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

function driveOf(
  values: ReadonlyMap<string, string>,
  { drives }: Surroundings,
  used: Set<string>,
): DriveRequest {
  const option = '-device virtio-blk-device';
  const id = values.get('drive');
  if (id === undefined) throw new OptionError(`${option}: drive= is missing`);
  const drive = drives.get(id);
  if (drive === undefined) {
    const known = [...drives.keys()];
    const list = known.length === 0 ? 'there is none' : `there are ${known.join(', ')}`;
    throw new OptionError(`${option},drive=${id}: no -drive if=none has this id; ${list}`);
  }
  if (used.has(id)) throw new OptionError(`${option},drive=${id}: another device has this drive`);
  used.add(id);
  return drive;
}

function checkObject(id: string | undefined, { objects }: Surroundings): void {
  if (id === undefined || objects.has(id)) return;
  throw new OptionError(`-device virtio-rng-device,rng=${id}: there is no -object with id=${id}`);
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
