/** Turns the QEMU commands of the observed trees into configurations: just what those commands use. */
import {
  defaultVirtConfig,
  type NumaNodeConfig,
  type VirtConfig,
} from '../../../../engine/boards/virt/config.ts';
import type { DeviceTreeInputs } from '../../../../engine/boards/virt/device-tree.ts';
import { parseMemoryOption, resolveSmp } from '../../../../engine/boards/virt/properties.ts';
import { hasTrait, virtMachineNamed } from '../../../../engine/boards/virt/versions.ts';

const seeds = { kaslr: new Uint8Array(8).fill(1), rng: new Uint8Array(32).fill(2) };

function options(text: string): { head: string; rest: Map<string, string> } {
  const [head = '', ...parts] = text.split(',');
  const pairs = parts.map((part) => part.split(/=(.*)/s).slice(0, 2) as [string, string]);
  return { head, rest: new Map(pairs) };
}

export function fromCommand(command: string): { config: VirtConfig; inputs: DeviceTreeInputs } {
  const words = command.trim().split(/\s+/);
  const arguments_: [string, string][] = [];
  for (let i = 1; i < words.length; i++) {
    if (words[i] === '-nodefaults') continue;
    arguments_.push([words[i]!, words[i + 1]!]);
    i++;
  }
  const machine = options(arguments_.find(([name]) => name === '-machine')![1]);
  const version = virtMachineNamed(machine.head)!;
  let config: VirtConfig = { ...defaultVirtConfig(version), its: hasTrait(version, 'its') };
  let inputs: DeviceTreeInputs = { boot: 'none', seeds, secureSeeds: seeds };
  const memdevs = new Map<string, number>();
  const numaNodes: NumaNodeConfig[] = [];
  const distances: [number, number, number][] = [];
  const on = (text: string): boolean => text === 'on';
  for (const [name, value] of machine.rest) {
    if (name === 'dumpdtb') continue;
    else if (name === 'gic-version') {
      config = { ...config, gicVersion: value === 'max' ? 3 : (Number(value) as 2 | 3 | 4) };
    } else if (name === 'iommu') config = { ...config, iommu: value as 'smmuv3' };
    else if (name === 'default-bus-bypass-iommu') config = { ...config, defaultBusBypassIommu: on(value) };
    else if (name === 'dtb-kaslr-seed' || name === 'dtb-randomness')
      config = { ...config, dtbRandomness: on(value) };
    else if (name in config) config = { ...config, [name]: on(value) };
    else throw new Error(`machine property ${name}`);
  }
  for (const [name, value] of arguments_) {
    const { head, rest } = options(value);
    switch (name) {
      case '-machine':
      case '-semihosting-config':
        break;
      case '-cpu':
        config = {
          ...config,
          cpu: { ...config.cpu, model: head, ...(rest.get('pmu') === 'off' ? { pmu: false } : {}) },
        };
        break;
      case '-m':
        config = { ...config, ram: parseMemoryOption(value) };
        break;
      case '-smp':
        config = {
          ...config,
          smp: resolveSmp(
            Object.fromEntries([['cpus', Number(head)], ...[...rest].map(([k, v]) => [k, Number(v)])]),
            hasTrait(version, 'cpuTopology'),
          ),
        };
        break;
      case '-kernel':
        inputs = { ...inputs, boot: 'linux' };
        break;
      case '-initrd':
        // The sizes of the two ramdisks of the observation are in its own result.
        inputs = {
          ...inputs,
          initrd: { start: 0x4800_0000, end: head.includes('arm64') ? 0x480f_10ab : INITRD_END_ARMHF },
        };
        break;
      case '-append':
        inputs = { ...inputs, bootargs: value };
        break;
      case '-bios':
        inputs = { ...inputs, boot: 'firmware' };
        break;
      case '-object':
        memdevs.set(rest.get('id')!, parseMemoryOption(rest.get('size')!).size);
        break;
      case '-numa':
        if (head === 'node') {
          const [first = 0, last = first] = rest.get('cpus')!.split('-').map(Number);
          const cpus = Array.from({ length: last - first + 1 }, (_, i) => first + i);
          numaNodes.push({ memory: memdevs.get(rest.get('memdev')!)!, cpus });
        } else distances.push([Number(rest.get('src')), Number(rest.get('dst')), Number(rest.get('val'))]);
        break;
      case '-device':
        if (head === 'virtio-iommu-pci') {
          config = { ...config, pciDevices: [{ devfn: 8, type: head, id: 'iommu', properties: {} }] };
        }
        break;
      default:
        throw new Error(`option ${name}`);
    }
  }
  if (numaNodes.length > 0) {
    const matrix = numaNodes.map((_, from) => numaNodes.map((_, to): number => (from === to ? 10 : 20)));
    for (const [from, to, distance] of distances) matrix[from]![to] = matrix[to]![from] = distance;
    config = { ...config, numa: { nodes: numaNodes, distances: matrix } };
  }
  if (command.startsWith('qemu-system-arm ') && config.cpu.model === 'max') {
    config = { ...config, cpu: { ...config.cpu, aarch64: false } };
  }
  return { config, inputs };
}

const INITRD_END_ARMHF = 0x480d_7ebd;
