/** `-drive`, `-pflash`, `-bios`: images of disks and flash. Nothing is opened here. */
import { parseOnOff } from '../../engine/boards/virt/properties.ts';
import { OptionError } from './errors.ts';
import { readKeyValues, readNumber, readWord } from './key-values.ts';

export interface DriveRequest {
  readonly id: string;
  readonly file: string;
  readonly readOnly: boolean;
  /** As it was said; otherwise the image tells by its first bytes. */
  readonly format: 'raw' | 'qcow2' | undefined;
  /** As messages name it. */
  readonly option: string;
}

export interface DriveRequests {
  /** By id; those that a device has to ask for. */
  readonly drives: ReadonlyMap<string, DriveRequest>;
  /** Drives with if=virtio, which bring a virtio-blk-pci with them. */
  readonly withDevice: readonly string[];
  /** Flash bank 0 and 1. */
  readonly flash: readonly [DriveRequest | undefined, DriveRequest | undefined];
}

const INTERFACES = ['none', 'pflash', 'virtio', 'ide', 'scsi', 'sd', 'mtd', 'floppy', 'xen'] as const;
const COW = 'images are never written to, so there is nothing to cache or flush';
/** What makes no difference where nothing is written to an image and reading it takes no time. */
const SAME: { readonly [key: string]: readonly string[] } = {
  cache: ['none', 'writeback', 'unsafe'],
  aio: ['threads', 'native', 'io_uring'],
  discard: ['ignore', 'off'],
  'detect-zeroes': ['off'],
  media: ['disk'],
  werror: ['report', 'stop', 'ignore', 'enospc'],
  rerror: ['report', 'stop', 'ignore'],
  'copy-on-read': ['off'],
};
const REFUSED_KEYS: { readonly [key: string]: string } = {
  copy_on_read: COW,
  bus: 'use if=none and -device',
  addr: 'use if=none and -device',
  throttling: 'the disk has no speed',
};

/** @throws OptionError */
export function readDrives(
  driveTexts: readonly string[],
  pflashTexts: readonly string[],
  bios: string | undefined,
): DriveRequests {
  const drives = new Map<string, DriveRequest>();
  const withDevice: string[] = [];
  const flash: [DriveRequest | undefined, DriveRequest | undefined] = [undefined, undefined];
  const putFlash = (drive: DriveRequest, unit: number | undefined): void => {
    const bank = unit ?? (flash[0] === undefined ? 0 : 1);
    if (bank > 1) throw new OptionError(`${drive.option} unit=${bank}: the board has flash banks 0 and 1`);
    if (flash[bank] !== undefined)
      throw new OptionError(`${drive.option}: flash bank ${bank} is taken already`);
    flash[bank] = drive;
  };
  driveTexts.forEach((text, index) => {
    const { drive, where, unit } = readDrive(text, index);
    if (where === 'pflash') putFlash(drive, unit);
    else if (drives.has(drive.id)) throw new OptionError(`-drive id=${drive.id}: this id is used twice`);
    else {
      drives.set(drive.id, drive);
      if (where === 'virtio') withDevice.push(drive.id);
    }
  });
  for (const file of pflashTexts) {
    putFlash({ id: `pflash${file}`, file, readOnly: false, format: undefined, option: '-pflash' }, undefined);
  }
  if (bios !== undefined && flash[0] !== undefined) {
    throw new OptionError(
      `-bios ${bios}: flash bank 0 has the image of ${flash[0].option} already; give one of them`,
    );
  }
  return { drives, flash, withDevice };
}

function readDrive(
  text: string,
  index: number,
): { drive: DriveRequest; where: 'none' | 'pflash' | 'virtio'; unit: number | undefined } {
  const values = readKeyValues('-drive', text, {
    implied: 'file',
    allowed: ['file', 'if', 'id', 'format', 'readonly', 'read-only', 'unit', 'index', 'snapshot'],
    refused: REFUSED_KEYS,
    same: SAME,
  });
  const file = values.get('file');
  if (file === undefined || file === '') throw new OptionError('-drive: file= is missing');
  const where = readWord('-drive if', values.get('if') ?? 'virtio', INTERFACES);
  if (where !== 'none' && where !== 'pflash' && where !== 'virtio') {
    throw new OptionError(`-drive if=${where}: not on this board; use if=virtio, if=none or if=pflash`);
  }
  const format = values.get('format');
  if (format !== undefined && format !== 'raw' && format !== 'qcow2') {
    throw new OptionError(
      `-drive format=${format}: virtrace has raw and qcow2; convert it with qemu-img convert -O raw`,
    );
  }
  if (values.has('snapshot') && !parseOnOff('-drive snapshot', values.get('snapshot')!)) {
    throw new OptionError('-drive snapshot=off: virtrace never writes to an image; leave it out');
  }
  const readOnly = parseOnOff('-drive readonly', values.get('readonly') ?? values.get('read-only') ?? 'off');
  const unitText = values.get('unit') ?? values.get('index');
  const unit = unitText === undefined ? undefined : readNumber('-drive unit', unitText, 0, 255);
  const isFlash = where === 'pflash';
  const id = values.get('id') ?? `${where}${unit ?? index}`;
  const option = isFlash ? '-drive if=pflash' : `-drive id=${id}`;
  return { drive: { id, file, readOnly, format, option }, where, unit };
}
