/** Reads device tree source as dtc writes it (one item per line), for comparing with observed trees. */
import { cells, empty, type FdtNode, strings } from '../../../../engine/boards/fdt.ts';

/** A value written `<RANDOM>`: only that the property is there counts. */
export const RANDOM = Uint8Array.of(0x52);

export function parseDts(text: string): FdtNode {
  const stack: FdtNode[] = [];
  for (const raw of text.split('\n')) {
    const line = raw.trim();
    if (line === '' || line === '/dts-v1/;') continue;
    const open = /^(\S+) \{$/.exec(line);
    if (open) {
      const node: FdtNode = { name: open[1] === '/' ? '' : open[1]!, properties: [], children: [] };
      stack[stack.length - 1]?.children.push(node);
      stack.push(node);
      continue;
    }
    if (line === '};') {
      const closed = stack.pop()!;
      if (stack.length === 0) return closed;
      continue;
    }
    const property = /^([^ =]+)(?: = (.*))?;$/.exec(line);
    if (!property) throw new Error(`not understood: ${line}`);
    stack[stack.length - 1]!.properties.push({ name: property[1]!, value: parseValue(property[2]) });
  }
  throw new Error('no end');
}

function parseValue(text: string | undefined): Uint8Array {
  if (text === undefined) return empty;
  if (text === '<RANDOM>') return RANDOM;
  if (text.startsWith('"')) return strings(...text.slice(1, -1).split('\\0'));
  return cells(...text.slice(1, -1).split(' ').map(Number));
}

/** `path: property = value` lines, sorted; nodes as lines too, so that an empty one counts. */
export function flatten(node: FdtNode, path = ''): string[] {
  const lines = [`${path}/`];
  for (const { name, value } of node.properties) {
    const seed = name === 'rng-seed' || name === 'kaslr-seed';
    lines.push(`${path}/: ${name} = ${seed ? 'RANDOM' : Buffer.from(value).toString('hex')}`);
  }
  for (const child of node.children) lines.push(...flatten(child, `${path}/${child.name}`));
  return path === '' ? lines.sort() : lines;
}

/** Nodes and properties in the order of the blob, without values. */
export function order(node: FdtNode, path = ''): string[] {
  return [
    ...node.properties.map(({ name }) => `${path}/: ${name}`),
    ...node.children.flatMap((child) => [`${path}/${child.name}`, ...order(child, `${path}/${child.name}`)]),
  ];
}
