/** `-blockdev`: images as graphs of nodes, reduced to the files and formats they stand for. Nothing is opened here. */
import { parseOnOff } from '../../engine/boards/virt/properties.ts';
import type { DriveRequest } from './drive-options.ts';
import { OptionError } from './errors.ts';
import { flattenJson, readKeyValues } from './key-values.ts';

const OF_A_FILE = ['driver', 'node-name', 'filename', 'read-only'];
const ALLOWED = [...OF_A_FILE, 'file', ...OF_A_FILE.map((key) => `file.${key}`)];
const SWITCHES = ['on', 'off', 'true', 'false'];
/** What makes no difference where images are never written to and reading takes no time. */
const SAME_OF_ANY: { readonly [key: string]: readonly string[] } = {
  'cache.direct': SWITCHES,
  'cache.no-flush': SWITCHES,
  discard: ['ignore'],
  'auto-read-only': SWITCHES,
  'detect-zeroes': ['off'],
  aio: ['threads', 'native', 'io_uring'],
  locking: ['on', 'off', 'auto'],
};
const SAME = Object.fromEntries(
  Object.entries(SAME_OF_ANY).flatMap(([key, values]) => [
    [key, values],
    [`file.${key}`, values],
  ]),
);
const REFUSED = {
  backing: 'name the image on top; a qcow2 file says itself what is behind it',
  offset: 'virtrace reads whole images',
  size: 'virtrace reads whole images',
};

interface Node {
  readonly option: string;
  readonly driver: string;
  readonly readOnly: boolean;
  /** A file of the host, or the node below. */
  readonly file: { readonly name: string } | { readonly node: string };
}

/**
 * Drives by the names of the nodes that no other node is on top of.
 * @throws OptionError
 */
export function readBlockdevs(texts: readonly string[]): Map<string, DriveRequest> {
  const nodes = new Map<string, Node>();
  for (const text of texts) {
    const values = readKeyValues('-blockdev', flattenJson('-blockdev', text), {
      implied: 'driver',
      allowed: ALLOWED,
      same: SAME,
      refused: REFUSED,
    });
    const name = values.get('node-name');
    if (name === undefined || name === '') throw new OptionError('-blockdev: node-name= is missing');
    if (nodes.has(name)) throw new OptionError(`-blockdev node-name=${name}: this name is used twice`);
    nodes.set(name, readNode(`-blockdev node-name=${name}`, values));
  }
  const below = new Set([...nodes.values()].flatMap(({ file }) => ('node' in file ? [file.node] : [])));
  const drives = new Map<string, DriveRequest>();
  for (const [name, node] of nodes) {
    if (below.has(name)) continue;
    const format = node.driver === 'qcow2' ? 'qcow2' : 'raw';
    drives.set(name, {
      id: name,
      file: fileOf(node, nodes),
      readOnly: node.readOnly,
      format,
      option: node.option,
    });
  }
  return drives;
}

function readNode(option: string, values: ReadonlyMap<string, string>): Node {
  const driver = values.get('driver');
  const readOnly = parseOnOff(`${option},read-only`, values.get('read-only') ?? 'off');
  if (driver === 'file') {
    const name = values.get('filename');
    if (name === undefined || name === '') throw new OptionError(`${option}: filename= is missing`);
    return { option, driver, readOnly, file: { name } };
  }
  if (driver !== 'raw' && driver !== 'qcow2') {
    const given = driver === undefined ? 'driver= is missing' : `driver=${driver}: not here`;
    throw new OptionError(`${option}: ${given}; allowed are file, raw, qcow2`);
  }
  const node = values.get('file');
  if (node !== undefined) return { option, driver, readOnly, file: { node } };
  const inner = values.get('file.driver') ?? 'file';
  if (inner !== 'file') throw new OptionError(`${option},file.driver=${inner}: allowed is file`);
  const name = values.get('file.filename');
  if (name === undefined || name === '')
    throw new OptionError(`${option}: file= or file.filename= is missing`);
  return { option, driver, readOnly, file: { name } };
}

/** The file of the host at the end of the chain, in which one node at most has a format. */
function fileOf(top: Node, nodes: ReadonlyMap<string, Node>): string {
  let node = top;
  for (let steps = 0; steps <= nodes.size; steps++) {
    if ('name' in node.file) return node.file.name;
    const next = nodes.get(node.file.node);
    if (next === undefined)
      throw new OptionError(`${node.option},file=${node.file.node}: no -blockdev has this node-name`);
    if (next.driver === 'qcow2')
      throw new OptionError(`${node.option},file=${node.file.node}: give the qcow2 node to the device`);
    node = next;
  }
  throw new OptionError(`${top.option}: nodes on top of each other in a circle`);
}
