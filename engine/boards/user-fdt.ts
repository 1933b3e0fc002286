/** What QEMU changes in a device tree given with `-dtb` (virt-board.md 9.1; tried with QEMU 7.2). */
import {
  asCells,
  cells,
  decodeFdt,
  type Fdt,
  FdtError,
  type FdtNode,
  findProperty,
  pair,
  setProperty,
  strings,
} from './fdt.ts';
import { OptionError } from './option-error.ts';

export interface UserFdtChanges {
  /** RAM by ascending address; with NUMA one entry per node. */
  readonly memory: readonly {
    readonly region: { base: number; size: number };
    readonly numaNode: number | undefined;
  }[];
  readonly bootargs?: string;
  readonly initrd?: { readonly start: number; readonly end: number };
  /** Replaces the tree's /psci; absent: the tree's own stays. */
  readonly psci?: FdtNode;
}

/** Room QEMU leaves for changes: it counts for where the tree fits, and is the size the header states. */
export function userFdtSize(fileSize: number): number {
  return (fileSize + 10_000) * 2;
}

/**
 * Reads the user's blob and puts in memory, command line, RAM disk and PSCI; everything else stays as it is.
 * @param what how to name the file in messages
 * @throws OptionError
 */
export function editUserFdt(blob: Uint8Array, changes: UserFdtChanges, what: string): Fdt {
  let tree: Fdt;
  try {
    tree = decodeFdt(blob);
  } catch (error) {
    if (error instanceof FdtError) throw new OptionError(`${what}: ${error.message}`);
    throw error;
  }
  const { root } = tree;
  const addressCells = cellCount(root, '#address-cells', what);
  const sizeCells = cellCount(root, '#size-cells', what);
  const number = (value: number, count: number, of: string): number[] => {
    if (count === 1 && value >= 2 ** 32) {
      throw new OptionError(
        `${what}: #${of}-cells is 1, which cannot describe 0x${value.toString(16)}; 2 is needed`,
      );
    }
    return count === 1 ? [value] : pair(value);
  };
  remove(root, (name) => name === 'memory' || name.startsWith('memory@'));
  for (const { region, numaNode } of changes.memory) {
    const reg = [...number(region.base, addressCells, 'address'), ...number(region.size, sizeCells, 'size')];
    root.children.unshift({
      name: `memory@${region.base.toString(16)}`,
      properties: [
        ...(numaNode === undefined ? [] : [{ name: 'numa-node-id', value: cells(numaNode) }]),
        { name: 'reg', value: cells(...reg) },
        { name: 'device_type', value: strings('memory') },
      ],
      children: [],
    });
  }
  let chosen = root.children.find(({ name }) => name === 'chosen');
  if (chosen === undefined) {
    chosen = { name: 'chosen', properties: [], children: [] };
    root.children.unshift(chosen);
  }
  if (changes.bootargs) setProperty(chosen, 'bootargs', strings(changes.bootargs));
  if (changes.initrd !== undefined) {
    setProperty(chosen, 'linux,initrd-start', cells(changes.initrd.start));
    setProperty(chosen, 'linux,initrd-end', cells(changes.initrd.end));
  }
  if (changes.psci !== undefined) {
    remove(root, (name) => name === 'psci');
    root.children.unshift(changes.psci);
  }
  return tree;
}

function remove(node: FdtNode, condition: (name: string) => boolean): void {
  for (let index = node.children.length - 1; index >= 0; index--) {
    if (condition(node.children[index]!.name)) node.children.splice(index, 1);
  }
}

function cellCount(root: FdtNode, name: string, what: string): 1 | 2 {
  const count = asCells(findProperty(root, name) ?? cells())?.[0];
  if (count !== 1 && count !== 2) {
    throw new OptionError(`${what}: ${name} of the root is ${count ?? 'missing'}; 1 or 2 is needed`);
  }
  return count;
}

/**
 * New random bytes for every `rng-seed`, in the order of the tree: at power-on and at every system reset
 * (virt-board.md 8.7). `kaslr-seed` stays.
 */
export function renewRngSeeds(node: FdtNode, entropy: (length: number) => Uint8Array): void {
  node.properties.forEach(({ name, value }, index) => {
    if (name === 'rng-seed' && value.length > 0)
      node.properties[index] = { name, value: entropy(value.length) };
  });
  for (const child of node.children) renewRngSeeds(child, entropy);
}
