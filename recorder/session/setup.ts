/**
 * What a session is made from: the machine's configuration and its images, as they stand in a trace header
 * and as the engine wants them.
 */

import type { EventSink } from '../../engine/base/events.ts';
import { OptionError } from '../../engine/boards/option-error.ts';
import type { NamedImage, VirtImages } from '../../engine/boards/virt/boot-virt.ts';
import type { VirtConfig } from '../../engine/boards/virt/config.ts';
import { readVirtConfig, validateVirtConfig } from '../../engine/boards/virt/validate.ts';
import { type BlockSource, CowBlockStorage } from '../../engine/devices/virtio/block-storage.ts';
import { type HostInputs, Machine, type Observed } from '../../engine/machine.ts';
import {
  type ImageSource,
  type PlainData,
  TraceError,
  type TraceHeader,
  type TraceLevel,
} from '../../traces/index.ts';

/** Roles of images, apart from `drive:ID`. */
export const IMAGE_ROLES = ['kernel', 'initrd', 'dtb', 'firmware', 'flash1'] as const;
export type ImageRole = (typeof IMAGE_ROLES)[number];

/** An image and the name that messages give it. */
export interface SessionImage {
  readonly name: string;
  readonly source: ImageSource;
}

export interface SessionSpec {
  readonly config: VirtConfig;
  /** By role: one of IMAGE_ROLES, or `drive:` with the id of a `-drive`. */
  readonly images: ReadonlyMap<string, SessionImage>;
  /** `-append` */
  readonly commandLine?: string;
  /** Drives that the guest cannot write to, by id. */
  readonly readOnlyDrives: readonly string[];
  /** False: a reset ends the run. */
  readonly reboot: boolean;
}

/** How code is run; nothing of it changes what happens. */
export interface RunningChoices {
  /** Longest block in instructions. */
  readonly blockLimit?: number;
  /** Default: interpreted first, compiled when hot. */
  readonly tier?: 'interpreted' | 'compiled';
}

/** What of an engine a session decides. */
export interface EngineChoices extends RunningChoices {
  readonly baseSeconds: number;
  readonly inputs: HostInputs;
  readonly sink: EventSink;
  readonly observe: Observed;
}

/** Bytes. */
const SECTOR = 512;
const DRIVE_PREFIX = 'drive:';

export function driveRole(id: string): string {
  return `${DRIVE_PREFIX}${id}`;
}

/** Builds the machine and loads its images. @throws OptionError if an image cannot be loaded */
export function buildMachine(spec: SessionSpec, choices: EngineChoices): Machine {
  const { baseSeconds, inputs, sink, observe, ...running } = choices;
  const flash1 = spec.images.get('flash1');
  return new Machine({
    config: spec.config,
    images: virtImages(spec),
    drives: drivesOf(spec),
    ...(flash1 === undefined ? {} : { flash: [undefined, wholeImage(flash1)] }),
    baseSeconds,
    inputs,
    sink,
    observe,
    ...running,
  });
}

function wholeImage({ source }: SessionImage): Uint8Array {
  return source.read(0, source.size);
}

function virtImages({ images, commandLine }: SessionSpec): VirtImages {
  const named: { [role: string]: NamedImage } = {};
  for (const role of ['kernel', 'initrd', 'dtb', 'firmware'] as const) {
    const image = images.get(role);
    if (image !== undefined) named[role] = { name: image.name, bytes: wholeImage(image) };
  }
  return { ...named, ...(commandLine === undefined ? {} : { commandLine }) };
}

function drivesOf({ images, readOnlyDrives }: SessionSpec): { [id: string]: CowBlockStorage } {
  const drives: { [id: string]: CowBlockStorage } = {};
  for (const [role, { source }] of images) {
    if (!role.startsWith(DRIVE_PREFIX)) continue;
    const id = role.slice(DRIVE_PREFIX.length);
    // A disk is read where the guest reads it; it may be larger than memory.
    const blocks: BlockSource = {
      sizeBytes: source.size,
      read: (offset, into) => into.set(source.read(offset, into.length)),
    };
    drives[id] = new CowBlockStorage(blocks, {
      readOnly: readOnlyDrives.includes(id),
      // QEMU: a disk has whole sectors; zeros follow an image that ends inside one.
      sizeBytes: Math.ceil(source.size / SECTOR) * SECTOR,
    });
  }
  return drives;
}

/** Events that a trace of this level needs the machine to make. */
export function observedAt(level: TraceLevel): Observed {
  return { accesses: level !== 'inputs', exceptions: level === 'full', dma: level === 'full' };
}

/** Nanoseconds per tick of the system counter: 62.5 MHz. */
export const COUNTER_PERIOD = 16;

/** The part of a spec that a trace header keeps beside the images. */
export function encodeSpec(spec: SessionSpec): { [key: string]: PlainData } {
  return {
    machine: spec.config as unknown as PlainData,
    ...(spec.commandLine === undefined ? {} : { commandLine: spec.commandLine }),
    readOnlyDrives: [...spec.readOnlyDrives],
    reboot: spec.reboot,
  };
}

/**
 * The spec of a recorded machine.
 * @param imageFor gives the contents of an image by role, or throws
 * @throws TraceError if the header makes no sense
 */
export function decodeSpec(header: TraceHeader, imageFor: (role: string) => ImageSource): SessionSpec {
  const { config, images } = header;
  const { commandLine, readOnlyDrives = [], reboot = true } = config;
  const bad = (what: string): TraceError => new TraceError('damaged', `the header's ${what} makes no sense`);
  if (commandLine !== undefined && typeof commandLine !== 'string') throw bad('command line');
  if (typeof reboot !== 'boolean') throw bad('reboot');
  if (!Array.isArray(readOnlyDrives) || !readOnlyDrives.every((id) => typeof id === 'string')) {
    throw bad('list of read-only drives');
  }
  return {
    config: recordedConfig(header),
    images: new Map(images.map(({ role, name }) => [role, { name, source: imageFor(role) }])),
    ...(commandLine === undefined ? {} : { commandLine }),
    readOnlyDrives,
    reboot,
  };
}

/** @throws TraceError */
export function recordedConfig({ config, images }: TraceHeader): VirtConfig {
  try {
    const machine = readVirtConfig(config.machine);
    const [error] = validateVirtConfig(machine, { firmware: images.some(({ role }) => role === 'firmware') });
    if (error !== undefined) throw new OptionError(error);
    return machine;
  } catch (error) {
    if (!(error instanceof OptionError)) throw error;
    throw new TraceError('damaged', `this machine cannot be built: ${error.message}`);
  }
}
