/** Opens the files of a machine request; the machine itself is built by the session. */
import { writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { bootVirt, type VirtImages } from '../../engine/boards/virt/boot-virt.ts';
import type { ImageSource } from '../../traces/index.ts';
import { hostInputs } from '../host/entropy.ts';
import { type FileSource, openImage, readImage, reasonOf } from '../host/files.ts';
import { isQcow2, openQcow2 } from '../host/qcow2.ts';
import { driveRole, type SessionImage, type SessionSpec } from '../session/setup.ts';
import type { DriveRequest } from './drive-options.ts';
import { HelpAnswer, OptionError } from './errors.ts';
import type { CommandIo } from './io.ts';
import type { FileRequest, MachineRequest } from './machine-request.ts';

/** What is taken, but hardly does what was meant. */
export function warnOfGaps({ kernel, firmware, config }: MachineRequest, io: CommandIo): void {
  // An empty machine is what QEMU gives, too.
  if (kernel === undefined && firmware === undefined) {
    io.error('warning: neither -kernel nor -bios is given, so the CPU starts in empty flash');
  }
  if (firmware !== undefined && config.acpi) {
    io.error('warning: virtrace makes no ACPI and SMBIOS tables yet; the device tree describes the board');
  }
}

export interface OpenedMachine {
  readonly spec: SessionSpec;
  /** Every file used, with the option that named it. */
  readonly files: readonly FileRequest[];
  /** Images that were changed by others meanwhile, by name. */
  changed(): string[];
  close(): void;
}

/** A flash bank (virt-board.md section 1). */
const FLASH_BYTES = 64 * 1024 * 1024;

/** @throws OptionError */
export function openMachine(request: MachineRequest): OpenedMachine {
  const images = new Map<string, SessionImage>();
  const disks: { name: string; source: FileSource }[] = [];
  const files: FileRequest[] = [];
  const add = (role: string, file: FileRequest | undefined): void => {
    if (file === undefined) return;
    const source = readImage(file.option, file.path);
    if (source.size === 0) throw new OptionError(`${file.option} ${file.path}: the file is empty`);
    images.set(role, { name: basename(file.path), source });
    files.push(file);
  };
  add('kernel', request.kernel);
  add('initrd', request.initrd);
  add('dtb', request.dtb);
  add('firmware', request.firmware);
  checkFlash(request.firmware, images.get('firmware')?.source);
  add('flash1', request.flash1);
  checkFlash(request.flash1, images.get('flash1')?.source);
  for (const drive of request.drives.values()) {
    const source = openDisk(drive);
    const name = basename(drive.file);
    disks.push({ name, source });
    images.set(driveRole(drive.id), { name, source });
    for (const path of [drive.file, ...(source.backingFiles ?? [])])
      files.push({ option: drive.option, path });
  }
  const readOnlyDrives = [...request.drives.values()].filter(({ readOnly }) => readOnly).map(({ id }) => id);
  return {
    spec: {
      config: request.config,
      images,
      ...(request.commandLine === undefined ? {} : { commandLine: request.commandLine }),
      readOnlyDrives,
      reboot: request.reboot,
    },
    files,
    changed: () => disks.filter(({ source }) => !source.unchanged()).map(({ name }) => name),
    close: () => {
      for (const { source } of disks) source.close();
    },
  };
}

/** QEMU: the image of a flash bank fills it; only -bios may be shorter. */
function checkFlash(file: FileRequest | undefined, source: ImageSource | undefined): void {
  if (file === undefined || source === undefined || file.option === '-bios') return;
  if (source.size !== FLASH_BYTES) {
    throw new OptionError(
      `${file.option} ${file.path}: ${source.size} bytes; a flash bank has ${FLASH_BYTES} (truncate -s 64M makes it so)`,
    );
  }
}

/** The disk that an image stands for, whatever its format. */
function openDisk({ option, file, format }: DriveRequest): FileSource {
  const source = format === 'qcow2' ? openQcow2(option, file) : openImage(option, file);
  if (source.size === 0) {
    source.close();
    throw new OptionError(`${option} ${file}: the ${format === 'qcow2' ? 'disk' : 'file'} is empty`);
  }
  if (format !== undefined || !isQcow2(source.read(0, Math.min(4, source.size)))) return source;
  source.close();
  return openDisk({ option, file, format: 'qcow2', id: '', readOnly: true });
}

/** `-M dumpdtb=FILE`: writes the tree instead of running. @throws HelpAnswer when done, OptionError */
export function dumpDeviceTree(request: MachineRequest, opened: OpenedMachine): void {
  if (request.dumpDtb === undefined) return;
  const { spec } = opened;
  const image = (role: 'kernel' | 'initrd' | 'dtb' | 'firmware'): VirtImages => {
    const found = spec.images.get(role);
    return found === undefined
      ? {}
      : { [role]: { name: found.name, bytes: found.source.read(0, found.source.size) } };
  };
  const boot = bootVirt(
    spec.config,
    {
      ...image('kernel'),
      ...image('initrd'),
      ...image('dtb'),
      ...image('firmware'),
      ...(spec.commandLine === undefined ? {} : { commandLine: spec.commandLine }),
    },
    (length) => hostInputs(request.rtc, request.seed).entropy('device-tree', length),
  );
  const tree = boot.segments.find(({ address }) => address === boot.deviceTree?.address);
  if (tree === undefined) throw new OptionError('-M dumpdtb: this machine gets no device tree');
  try {
    writeFileSync(request.dumpDtb, tree.bytes);
  } catch (error) {
    throw new OptionError(`-M dumpdtb=${request.dumpDtb}: ${reasonOf(error)}`);
  }
  throw new HelpAnswer('');
}
