/** From the options of `run` and `record` to a machine: what it is, and which files it needs. */
import type { VirtConfig } from '../../engine/boards/virt/config.ts';
import { parseMemoryOption, parseOnOff } from '../../engine/boards/virt/properties.ts';
import { validateVirtConfig } from '../../engine/boards/virt/validate.ts';
import type { NetworkRequest } from '../host/net/network.ts';
import type { TimedInput } from '../session/input-script.ts';
import type { RunningChoices } from '../session/setup.ts';
import { readBlockdevs } from './blockdev-options.ts';
import {
  type CharacterTarget,
  type LogItem,
  readCharacterDevices,
  readLogItems,
  readSerial,
} from './character-options.ts';
import { type RtcBase, readRtc, readSeed } from './clock-options.ts';
import { readDevices, readObjects } from './device-options.ts';
import { type DriveRequest, readDrives } from './drive-options.ts';
import { OptionError } from './errors.ts';
import { type FolderRequest, readFolders } from './folder-options.ts';
import { readInputOption } from './input-option.ts';
import { readKeyValues, readNumber, readWord } from './key-values.ts';
import {
  checkAccelerator,
  machineConfig,
  readCpuOption,
  readIcount,
  readMachineOption,
  readSmp,
} from './machine-property.ts';
import { readNetdevs } from './netdev-options.ts';
import type { RawOptions } from './raw-options.ts';

/** A file as a person named it, and the option that did. */
export interface FileRequest {
  readonly option: string;
  readonly path: string;
}

export interface MachineRequest {
  readonly config: VirtConfig;
  readonly kernel?: FileRequest;
  readonly initrd?: FileRequest;
  readonly dtb?: FileRequest;
  /** `-bios`, or the image of flash bank 0. */
  readonly firmware?: FileRequest;
  readonly flash1?: FileRequest;
  readonly commandLine?: string;
  /** Images by `-drive id=`. */
  readonly drives: ReadonlyMap<string, DriveRequest>;
  /** What the serial port and virtio consoles are connected to, by device id. */
  readonly characters: ReadonlyMap<string, CharacterTarget>;
  /** Every network there is, by id of its `-netdev`. */
  readonly netdevs: ReadonlyMap<string, NetworkRequest>;
  /** Ids of `-object`. */
  readonly objects: ReadonlySet<string>;
  /** Networks, by id of the network device. */
  readonly networks: ReadonlyMap<string, NetworkRequest>;
  /** Shared folders, by id of the device. */
  readonly folders: ReadonlyMap<string, FolderRequest>;
  readonly rtc: RtcBase;
  readonly seed?: number;
  /** False: a reset ends the run. */
  readonly reboot: boolean;
  readonly log: readonly LogItem[];
  readonly logFile?: string;
  /** Write the device tree here instead of running. */
  readonly dumpDtb?: string;
  /** How code is run; never changes what happens. */
  readonly running: RunningChoices;
  /** Keys and pointer moves at virtual times. */
  readonly inputs: readonly TimedInput[];
  /** Position at which the run ends. */
  readonly limit?: number;
}

/** `-M` properties that say the same as an option. */
const SAME_AS = {
  kernel: 'kernel',
  initrd: 'initrd',
  append: 'append',
  dtb: 'dtb',
  firmware: 'bios',
} as const;

/** @throws OptionError; HelpAnswer for `-M help` and the like */
export function readMachineRequest(given: RawOptions): MachineRequest {
  const choice = readMachineOption(given.machine ?? []);
  if (given.cpu === 'help' || given.cpu === '?') readCpuOption(given.cpu, choice.machine);
  const raw = withProperties(given, choice.properties);
  checkNones(raw);
  const log = readLogItems(raw.d);
  const characters = readCharacterDevices(raw.chardev ?? []);
  const { drives: named, flash, withDevice } = readDrives(raw.drive ?? [], raw.pflash ?? [], raw.bios);
  const nodes = readBlockdevs(raw.blockdev ?? []);
  for (const id of nodes.keys()) {
    if (named.has(id)) throw new OptionError(`-blockdev node-name=${id}: a -drive is called so`);
  }
  const drives = new Map([...named, ...nodes]);
  // QEMU: a drive with if=virtio is a device after those that were asked for.
  const own = withDevice.map((id) => `virtio-blk-pci,drive=${id.replaceAll(',', ',,')}`);
  const { netdevs, devices: nics } = readNetdevs(raw.netdev ?? [], raw.nic ?? [], raw.net ?? []);
  const objects = readObjects(raw.object ?? []);
  const { folders, devices: shares } = readFolders(raw.fsdev ?? [], raw.virtfs ?? []);
  const devices = readDevices([...nics, ...(raw.device ?? []), ...shares, ...own], {
    drives,
    netdevs,
    folders,
    characters,
    objects,
    forceLegacy: readGlobals(raw.global ?? []),
  });
  const serials = (raw.serial ?? ['stdio']).map((text) => readSerial(text, characters));
  const config: VirtConfig = {
    ...machineConfig(choice),
    cpu: readCpuOption(raw.cpu, choice.machine),
    smp: readSmp(raw.smp, choice.machine),
    ...(raw.m === undefined ? {} : { ram: parseMemoryOption(raw.m) }),
    icountShift: readIcount(raw.icount),
    serial: serials.map(({ kind }) => kind),
    virtioMmio: devices.virtioMmio,
    pciDevices: devices.pciDevices,
  };
  const firmware =
    raw.bios !== undefined ? { option: '-bios', path: raw.bios } : flash[0] && fileOf(flash[0]);
  const [error] = validateVirtConfig(config, { firmware: firmware !== undefined });
  if (error !== undefined) throw new OptionError(error);
  // With a monitor they can be for devices that are plugged later.
  const canWait = raw.qmp !== undefined || raw.monitor !== undefined || raw.mon !== undefined;
  for (const [id, drive] of canWait ? [] : drives) {
    const used = [...devices.virtioMmio, ...devices.pciDevices].some(
      (device) => device.properties.drive === id,
    );
    if (!used) throw new OptionError(`${drive.option}: no -device has drive=${id}`);
  }
  for (const [id, network] of canWait ? [] : netdevs) {
    if (![...devices.networks.values()].includes(network))
      throw new OptionError(`-netdev ${network.kind},id=${id}: no -device has netdev=${id}`);
  }
  for (const [id, { option }] of folders) {
    if (![...devices.folders.values()].some((folder) => folder.id === id))
      throw new OptionError(`${option} id=${id}: no -device has fsdev=${id}`);
  }
  const targets = new Map([
    ...serials.map((target, i) => [`uart${i}`, target] as const),
    ...devices.consoles,
  ]);
  checkStdio(targets);
  const seed = readSeed(raw.seed);
  const dumpDtb = choice.properties.get('dumpdtb');
  const file = (option: string, path: string | undefined): FileRequest | undefined =>
    path === undefined ? undefined : { option: `-${option}`, path };
  return {
    config,
    ...optional('kernel', file('kernel', raw.kernel)),
    ...optional('initrd', file('initrd', raw.initrd)),
    ...optional('dtb', file('dtb', raw.dtb)),
    ...optional('firmware', firmware),
    ...optional('flash1', flash[1] && fileOf(flash[1])),
    ...optional('commandLine', raw.append),
    drives,
    characters: targets,
    netdevs,
    objects,
    networks: devices.networks,
    folders: devices.folders,
    rtc: readRtc(raw.rtc),
    ...optional('seed', seed),
    reboot: raw.reboot ?? true,
    log,
    ...optional('logFile', raw.D),
    ...optional('dumpDtb', dumpDtb),
    running: readRunning(raw),
    inputs: readInputOption(raw.input, config),
    ...optional('limit', raw.limit === undefined ? undefined : readCount('--limit', raw.limit)),
  };
}

function optional<K extends string, V>(key: K, value: V | undefined): { [key in K]?: V } {
  return (value === undefined ? {} : { [key]: value }) as { [key in K]?: V };
}

function fileOf(drive: DriveRequest): FileRequest {
  return { option: drive.option, path: drive.file };
}

function withProperties(given: RawOptions, properties: ReadonlyMap<string, string>): RawOptions {
  const raw: { [key: string]: unknown } = { ...given };
  for (const [property, option] of Object.entries(SAME_AS)) {
    // QEMU: the option is the property, so one of them is enough and the last counts; here the option does.
    const value = properties.get(property);
    if (value !== undefined && raw[option] === undefined) raw[option] = value;
  }
  return raw as RawOptions;
}

/** Options that are accepted only for what virtrace does anyway. */
function checkNones(raw: RawOptions): void {
  const refuse = (option: string, value: string | undefined, why: string): void => {
    if (value !== undefined && value !== 'none') {
      throw new OptionError(
        `-${option} ${value}: QEMU has it, virtrace does not: ${why}; use -${option} none`,
      );
    }
  };
  refuse('display', raw.display, 'there are no graphics');
  refuse('vga', raw.vga, 'there are no graphics');
  if (raw.accel !== undefined) checkAccelerator('-accel', raw.accel);
}

/** `-global virtio-mmio.force-legacy=`; other globals are refused. @returns undefined: not said */
function readGlobals(texts: readonly string[]): boolean | undefined {
  let forceLegacy: boolean | undefined;
  for (const text of texts) {
    const match = /^virtio-mmio\.force-legacy=(.*)$/.exec(text);
    if (match !== null) {
      forceLegacy = parseOnOff('-global virtio-mmio.force-legacy', match[1]!);
      continue;
    }
    // The long form: driver=virtio-mmio,property=force-legacy,value=off.
    if (text.startsWith('driver=virtio-mmio,property=force-legacy,')) {
      const values = readKeyValues('-global', text, {
        implied: 'driver',
        allowed: ['driver', 'property', 'value'],
      });
      forceLegacy = parseOnOff('-global virtio-mmio.force-legacy', values.get('value') ?? '');
      continue;
    }
    throw new OptionError(`-global ${text}: allowed is virtio-mmio.force-legacy=on|off`);
  }
  return forceLegacy;
}

/** QEMU refuses it as well: only one can have the keyboard. */
function checkStdio(targets: ReadonlyMap<string, CharacterTarget>): void {
  const users = [...targets].filter(([, target]) => target.kind === 'stdio').map(([id]) => id);
  if (users.length > 1) {
    throw new OptionError(`stdio: both ${users.join(' and ')} would use it; e.g. give -serial null`);
  }
}

/** `--block-limit` and `--tier`. @throws OptionError */
export function readRunning(raw: { readonly blockLimit?: string; readonly tier?: string }): RunningChoices {
  const { blockLimit, tier } = raw;
  return {
    ...(blockLimit === undefined
      ? {}
      : { blockLimit: readNumber('--block-limit', blockLimit, 1, 1_000_000) }),
    ...(tier === undefined ? {} : { tier: readWord('--tier', tier, ['interpreted', 'compiled']) }),
  };
}

/** A number of instructions, with suffix k, M or G for powers of 1000. @throws OptionError */
export function readCount(option: string, text: string): number {
  const match = /^(\d+)([kMG]?)$/.exec(text);
  const value = match === null ? Number.NaN : Number(match[1]) * 1000 ** ' kMG'.indexOf(match[2] || ' ');
  if (!Number.isSafeInteger(value)) {
    throw new OptionError(`${option}: '${text}'; allowed is a whole number, also with a suffix k, M or G`);
  }
  return value;
}
