/** What is behind the virtio transports of the board, by type name without bus suffix. */
import type { BlockStorage } from '../../devices/virtio/block-storage.ts';
import type { FolderQuestion } from '../../devices/virtio/p9/folder.ts';
import { Virtio9p } from '../../devices/virtio/virtio-9p.ts';
import { VirtioBalloon } from '../../devices/virtio/virtio-balloon.ts';
import { VirtioBlk } from '../../devices/virtio/virtio-blk.ts';
import { VirtioConsole } from '../../devices/virtio/virtio-console.ts';
import type { VirtioBackend } from '../../devices/virtio/virtio-device.ts';
import { VirtioGpu } from '../../devices/virtio/virtio-gpu.ts';
import { type InputKind, VirtioInput } from '../../devices/virtio/virtio-input.ts';
import { VirtioNet } from '../../devices/virtio/virtio-net.ts';
import { VirtioRng } from '../../devices/virtio/virtio-rng.ts';
import { OptionError } from '../option-error.ts';

/** Kinds of virtio device that can sit behind virtio-mmio and virtio-pci. */
export const VIRTIO_KINDS = [
  'virtio-blk',
  'virtio-net',
  'virtio-serial',
  'virtio-rng',
  'virtio-balloon',
  'virtio-gpu',
  'virtio-keyboard',
  'virtio-mouse',
  'virtio-tablet',
  'virtio-9p',
] as const;
export type VirtioKind = (typeof VIRTIO_KINDS)[number];

export function isVirtioKind(name: string): name is VirtioKind {
  return (VIRTIO_KINDS as readonly string[]).includes(name);
}

/** A device as configurations describe it. */
export interface DescribedDevice {
  /** As on the command line, for messages. */
  readonly option: string;
  readonly kind: VirtioKind;
  readonly id: string;
  readonly properties: { readonly [name: string]: string | number | boolean };
}

export interface BackendPorts {
  /** Contents of the drive a block device names; undefined if there is none. */
  drive(id: string): BlockStorage | undefined;
  entropy(device: string, length: number): Uint8Array;
  /** What the folder that a device shares holds. */
  folder(device: string, question: FolderQuestion): Uint8Array;
}

/** Pixels of a display (QEMU). */
const DEFAULT_SCREEN = { width: 1280, height: 800 };
/** QEMU's address for the first network device; each further one has the next. */
const DEFAULT_MAC = [0x52, 0x54, 0x00, 0x12, 0x34, 0x56];

/**
 * Makes the device behind a transport.
 * @param queues request queues of a block device
 * @throws OptionError
 */
export function makeBackend(device: DescribedDevice, ports: BackendPorts, queues = 1): VirtioBackend {
  const { kind, id, option, properties } = device;
  switch (kind) {
    case 'virtio-blk': {
      const drive = String(properties.drive ?? '');
      const storage = ports.drive(drive);
      if (storage === undefined) throw new OptionError(`${option},drive=${drive}: there is no such -drive`);
      const { serial, 'queue-size': entries } = properties;
      return new VirtioBlk({
        storage,
        queues,
        ...(serial === undefined ? {} : { serial: String(serial) }),
        ...(entries === undefined ? {} : { entries: Number(entries) }),
      });
    }
    case 'virtio-net':
      return new VirtioNet({ mac: macOf(option, properties.mac) });
    case 'virtio-serial':
      return new VirtioConsole();
    case 'virtio-rng':
      return new VirtioRng({ entropy: (length) => ports.entropy(id, length) });
    case 'virtio-balloon':
      return new VirtioBalloon();
    case 'virtio-gpu':
      return new VirtioGpu({
        width: Number(properties.xres ?? DEFAULT_SCREEN.width),
        height: Number(properties.yres ?? DEFAULT_SCREEN.height),
        // Traces of older recorders say nothing, and had none.
        edid: properties.edid === true,
      });
    case 'virtio-9p':
      return new Virtio9p({
        mountTag: tagOf(option, properties.mount_tag),
        folder: (question) => ports.folder(id, question),
      });
    case 'virtio-keyboard':
    case 'virtio-mouse':
    case 'virtio-tablet':
      return new VirtioInput({
        kind: kind.slice('virtio-'.length) as InputKind,
        ...(properties.serial === undefined ? {} : { serial: serialOf(option, String(properties.serial)) }),
      });
  }
}

/** QEMU: a tag has so many bytes at most. */
const MOUNT_TAG_MAX = 31;

function tagOf(option: string, tag: string | number | boolean | undefined): string {
  const bytes = new TextEncoder().encode(String(tag ?? '')).length;
  if (bytes >= 1 && bytes <= MOUNT_TAG_MAX) return String(tag);
  throw new OptionError(`${option},mount_tag=: ${bytes} bytes; allowed are 1 to ${MOUNT_TAG_MAX}`);
}

/** A configuration answer of an input device has room for so much. */
const INPUT_SERIAL_MAX = 128;

function serialOf(option: string, serial: string): string {
  const bytes = new TextEncoder().encode(serial).length;
  if (bytes <= INPUT_SERIAL_MAX) return serial;
  throw new OptionError(`${option},serial=: ${bytes} bytes; allowed are ${INPUT_SERIAL_MAX}`);
}

function macOf(option: string, text: string | number | boolean | undefined): Uint8Array {
  if (text === undefined) return Uint8Array.from(DEFAULT_MAC);
  return parseMac(option, String(text));
}

/** @throws OptionError unless the text is six hexadecimal bytes with colons or dashes between */
export function parseMac(option: string, text: string): Uint8Array {
  const parts = /^([0-9a-f]{1,2}[:-]){5}[0-9a-f]{1,2}$/i.test(text) ? text.split(/[:-]/) : [];
  if (parts.length !== 6) {
    throw new OptionError(`${option},mac=${text}: six hexadecimal bytes are needed, e.g. 52:54:00:12:34:56`);
  }
  return Uint8Array.from(parts, (part) => Number.parseInt(part, 16));
}
