/** `-fsdev` and `-virtfs`: folders of the host that a guest may read. */
import { parseOnOff } from '../../engine/boards/virt/properties.ts';
import { SharedFolder } from '../host/shared-folder.ts';
import { OptionError } from './errors.ts';
import { readKeyValues } from './key-values.ts';

export interface FolderRequest {
  readonly id: string;
  readonly path: string;
  /** As messages name it. */
  readonly option: string;
}

export interface FolderRequests {
  /** By id of `-fsdev`. */
  readonly folders: ReadonlyMap<string, FolderRequest>;
  /** Devices that `-virtfs` brings with it. */
  readonly devices: readonly string[];
}

const KEYS = ['fsdriver', 'id', 'path', 'security_model', 'readonly', 'writeout', 'multidevs'];
const MODELS = ['none', 'passthrough', 'mapped', 'mapped-xattr', 'mapped-file'];
const THROTTLED = 'a folder has no speed here';
const REFUSED: { readonly [key: string]: string } = {
  fmode: 'nothing is created in a read-only folder',
  dmode: 'nothing is created in a read-only folder',
  socket: 'for fsdriver proxy',
  sock_fd: 'for fsdriver proxy',
  'throttling.bps-total': THROTTLED,
  'throttling.iops-total': THROTTLED,
};

/** @throws OptionError */
export function readFolders(fsdevs: readonly string[], virtfs: readonly string[]): FolderRequests {
  const folders = new Map<string, FolderRequest>();
  const devices: string[] = [];
  const add = (option: string, id: string, values: ReadonlyMap<string, string>): void => {
    if (folders.has(id)) throw new OptionError(`${option} id=${id}: this id is used twice`);
    const path = values.get('path');
    if (path === undefined || path === '') throw new OptionError(`${option}: path= is missing`);
    const model = values.get('security_model');
    if (model === undefined)
      throw new OptionError(`${option}: security_model= is missing; use security_model=none`);
    if (!MODELS.includes(model)) {
      throw new OptionError(`${option},security_model=${model}: allowed are none, passthrough`);
    }
    if (model.startsWith('mapped')) {
      throw new OptionError(`${option},security_model=${model}: virtrace shows owners as they are; use none`);
    }
    if (!parseOnOff(`${option},readonly`, values.get('readonly') ?? 'off')) {
      throw new OptionError(`${option}: virtrace never writes to a folder of the host; add readonly=on`);
    }
    folders.set(id, { id, path, option });
  };
  for (const text of fsdevs) {
    const values = read('-fsdev', text, KEYS);
    const id = values.get('id');
    if (id === undefined || id === '') throw new OptionError('-fsdev: id= is missing');
    add('-fsdev', id, values);
  }
  for (const text of virtfs) {
    const values = read('-virtfs', text, [...KEYS, 'mount_tag']);
    const tag = values.get('mount_tag');
    if (tag === undefined || tag === '') throw new OptionError('-virtfs: mount_tag= is missing');
    // QEMU: without an id the tag is it.
    const id = values.get('id') ?? tag;
    add('-virtfs', id, values);
    const quoted = (word: string): string => word.replaceAll(',', ',,');
    devices.push(`virtio-9p-pci,fsdev=${quoted(id)},mount_tag=${quoted(tag)}`);
  }
  return { folders, devices };
}

function read(option: string, text: string, allowed: readonly string[]): Map<string, string> {
  const driver = text.split(',')[0]!.replace(/^fsdriver=/, '');
  if (driver !== 'local') {
    throw new OptionError(`${option} ${driver}: virtrace has local, a folder of the host`);
  }
  return readKeyValues(option, text, { implied: 'fsdriver', allowed, refused: REFUSED, switches: true });
}

/** The folders of a machine, by id of the device. @throws OptionError */
export function openFolders(requests: ReadonlyMap<string, FolderRequest>): Map<string, SharedFolder> {
  return new Map([...requests].map(([id, { option, path }]) => [id, new SharedFolder(option, path)]));
}
