/** `/cpus` of the board's tree: one node per CPU, and their topology (virt-board.md 9.4). */
import { cells, type FdtNode, strings } from '../fdt.ts';
import { cpuAffinity, numaOf } from './config.ts';
import { findCpuModel } from './cpu-models.ts';
import { hasEnableMethod, node, prop, type TreeContext } from './device-tree-parts.ts';

export function cpusNode(context: TreeContext): FdtNode {
  const { config, phandles } = context;
  const topology = phandles.cpus.length > 0 ? [cpuMapNode(context)] : [];
  const cpus = Array.from({ length: config.smp.cpus }, (_, index) => cpuNode(context, index));
  return node(
    'cpus',
    [prop('#size-cells', cells(0)), prop('#address-cells', cells(1))],
    [...topology, ...cpus],
  );
}

function cpuNode(context: TreeContext, index: number): FdtNode {
  const { config, phandles } = context;
  const affinity = cpuAffinity(config, index);
  const phandle = phandles.cpus[index];
  const numaNode = numaOf(config)?.nodes.findIndex((numa) => numa.cpus.includes(index)) ?? -1;
  // QEMU: named by the index in decimal, although `reg` is the affinity.
  return node(`cpu@${index}`, [
    ...(phandle === undefined ? [] : [prop('phandle', cells(phandle))]),
    ...(numaNode < 0 ? [] : [prop('numa-node-id', cells(numaNode))]),
    prop('reg', cells(affinity)),
    ...(hasEnableMethod(context) ? [prop('enable-method', strings('psci'))] : []),
    prop('compatible', strings(findCpuModel(config.cpu.model)?.compatible ?? config.cpu.model)),
    prop('device_type', strings('cpu')),
  ]);
}

/** socketS / clusterC / coreK [/ threadT], in the order of the CPUs. */
function cpuMapNode({ config, phandles }: TreeContext): FdtNode {
  const { cpus, clusters, cores, threads } = config.smp;
  const map = node('cpu-map', []);
  for (let index = 0; index < cpus; index++) {
    const names = [
      `socket${Math.floor(index / (clusters * cores * threads))}`,
      `cluster${Math.floor(index / (cores * threads)) % clusters}`,
      `core${Math.floor(index / threads) % cores}`,
      ...(threads > 1 ? [`thread${index % threads}`] : []),
    ];
    let at = map;
    for (const name of names) {
      // CPUs come in order, so what exists already is always the last child.
      let child = at.children[at.children.length - 1];
      if (child?.name !== name) {
        child = node(name, []);
        at.children.push(child);
      }
      at = child;
    }
    at.properties.push(prop('cpu', cells(phandles.cpus[index]!)));
  }
  return map;
}
