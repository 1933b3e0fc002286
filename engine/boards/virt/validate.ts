/**
 * Checks a configuration before a machine is made of it. Messages are one line each: the option, what was
 * given, what is allowed.
 */
import { OptionError } from '../option-error.ts';
import {
  defaultVirtConfig,
  gicCpuLimit,
  hasGed,
  MAX_ICOUNT_SHIFT,
  MAX_MEMORY_SLOTS,
  machineCpuLimit,
  type NumaConfig,
  VIRTIO_MMIO_SLOTS,
  type VirtConfig,
} from './config.ts';
import { CPU_MODELS, findCpuModel } from './cpu-models.ts';
import { layoutOf } from './memory-map.ts';
import { FEATURES, type Feature, notYet } from './not-yet.ts';
import { pciErrors } from './pci-devices.ts';
import { isVirtMachine } from './versions.ts';

export interface ValidateOptions {
  /** A firmware image is in flash bank 0. */
  readonly firmware?: boolean;
  /** Features to take as there; for tests of the rules behind the refusals. */
  readonly have?: ReadonlySet<Feature>;
}

/** Every reason why this machine cannot be; none: it can. */
export function validateVirtConfig(config: VirtConfig, options: ValidateOptions = {}): string[] {
  const firmware = options.firmware ?? false;
  return [
    ...cpuErrors(config, options.have),
    ...smpErrors(config, firmware),
    ...ramErrors(config, firmware),
    ...deviceErrors(config),
    ...pciErrors(config),
    ...(config.numa === undefined ? [] : numaErrors(config, config.numa)),
    ...combinationErrors(config, firmware),
    ...notYetErrors(config, options.have),
  ];
}

function notYetErrors(config: VirtConfig, have: ReadonlySet<Feature> | undefined): string[] {
  return FEATURES.flatMap((feature) => {
    const row = notYet[feature];
    return row?.asked?.(config) === true && have?.has(feature) !== true
      ? [`${row.option}: ${row.message}`]
      : [];
  });
}

function cpuErrors({ cpu, machine }: VirtConfig, have: ReadonlySet<Feature> | undefined): string[] {
  if (!isVirtMachine(machine)) return [`-M ${machine}: unknown machine; see -M help`];
  const model = findCpuModel(cpu.model);
  if (model === undefined) {
    const names = CPU_MODELS.filter(({ refusal }) => refusal === undefined).map(({ name }) => name);
    return [`-cpu ${cpu.model}: unknown CPU type; allowed are ${names.join(', ')}`];
  }
  if (have === undefined && model.refusal !== undefined) return [`-cpu ${cpu.model}: ${model.refusal}`];
  if (!cpu.aarch64 && model.execution === 'aarch32')
    return [`-cpu ${cpu.model},aarch64=off: it has no AArch64 anyway`];
  return [];
}

function smpErrors(config: VirtConfig, firmware: boolean): string[] {
  const { cpus, maxCpus, sockets, clusters, cores, threads } = config.smp;
  for (const [name, value] of Object.entries(config.smp)) {
    if (!Number.isSafeInteger(value) || value < 1)
      return [`-smp ${name}=${value}: a whole number from 1 is needed`];
  }
  const product = sockets * clusters * cores * threads;
  if (product !== maxCpus) {
    return [
      `-smp: sockets × clusters × cores × threads is ${product}, but maxcpus is ${maxCpus}; they must be equal`,
    ];
  }
  if (cpus > maxCpus) return [`-smp cpus=${cpus}: at most maxcpus=${maxCpus} is allowed`];
  const limit = machineCpuLimit(config.machine);
  if (maxCpus > limit) return [`-smp ${maxCpus}: ${config.machine} allows at most ${limit} CPUs`];
  if (config.gicVersion === 2) {
    return maxCpus > 8 ? [`-smp ${maxCpus}: GICv2 allows at most 8 CPUs; use -M gic-version=3`] : [];
  }
  const secondRegion = layoutOf(config, firmware).highRedistributors !== undefined;
  const gicLimit = gicCpuLimit(config, secondRegion);
  if (maxCpus <= gicLimit) return [];
  const hint =
    secondRegion || config.gicVersion === 4
      ? ''
      : `; more need the second redistributor region (highmem=on, highmem-redists=on, and RAM that leaves room)`;
  return [`-smp ${maxCpus}: GICv${config.gicVersion} allows at most ${gicLimit} CPUs here${hint}`];
}

function ramErrors(config: VirtConfig, firmware: boolean): string[] {
  const { size, maxSize, slots } = config.ram;
  for (const value of [size, maxSize, slots]) {
    if (!Number.isSafeInteger(value) || value < 0) return [`-m: ${value} is no number of bytes`];
  }
  // QEMU rounds what a person gives; a configuration is already rounded.
  if (size === 0 || size % 8192 !== 0) return [`-m size=${size}: a multiple of 8 KiB, and not 0, is needed`];
  if (maxSize < size) return [`-m maxmem=${maxSize}: at least the size, ${size}, is needed`];
  if (slots > MAX_MEMORY_SLOTS) return [`-m slots=${slots}: allowed are 0 to ${MAX_MEMORY_SLOTS}`];
  const { memoryEnd, addressBits } = layoutOf(config, firmware);
  const excess = memoryEnd - 2 ** addressBits;
  if (excess <= 0) return [];
  const why = config.highmem ? `-cpu ${config.cpu.model}` : 'highmem=off';
  return [`-m: memory ends ${excess} bytes beyond the ${addressBits} address bits of ${why}; give less`];
}

function deviceErrors(config: VirtConfig): string[] {
  const errors: string[] = [];
  const slots = new Map<number, string>();
  const ids = new Set<string>();
  for (const { slot, id } of config.virtioMmio) {
    if (!Number.isInteger(slot) || slot < 0 || slot >= VIRTIO_MMIO_SLOTS) {
      errors.push(`-device ${id}: virtio-mmio slot ${slot}; allowed are 0 to ${VIRTIO_MMIO_SLOTS - 1}`);
    }
    const other = slots.get(slot);
    if (other !== undefined) errors.push(`-device ${id}: virtio-mmio slot ${slot} is taken by ${other}`);
    slots.set(slot, id);
  }
  for (const { id } of [...config.virtioMmio, ...config.pciDevices]) {
    if (ids.has(id)) errors.push(`-device id=${id}: this id is used twice`);
    ids.add(id);
  }
  const shift = config.icountShift;
  if (!Number.isInteger(shift) || shift < 0 || shift > MAX_ICOUNT_SHIFT) {
    errors.push(`-icount shift=${shift}: allowed are 0 to ${MAX_ICOUNT_SHIFT}`);
  }
  const uarts = config.secure ? 2 : 1;
  if (config.serial.length > uarts) {
    errors.push(`-serial: ${config.serial.length} given, this machine has ${uarts}`);
  }
  return errors;
}

function numaErrors(config: VirtConfig, numa: NumaConfig): string[] {
  const errors: string[] = [];
  const total = numa.nodes.reduce((sum, node) => sum + node.memory, 0);
  if (total !== config.ram.size)
    errors.push(`-numa: the nodes have ${total} bytes together, -m says ${config.ram.size}`);
  const seen = numa.nodes.flatMap((node) => node.cpus);
  const expected = Array.from({ length: config.smp.cpus }, (_, index) => index);
  if (seen.length !== expected.length || expected.some((index) => !seen.includes(index))) {
    errors.push(`-numa: each of the ${config.smp.cpus} CPUs must be in exactly one node`);
  }
  const { distances, nodes } = numa;
  if (
    distances !== undefined &&
    (distances.length !== nodes.length || distances.some((row) => row.length !== nodes.length))
  ) {
    errors.push(`-numa dist: a distance from each of the ${nodes.length} nodes to each is needed`);
  }
  return errors;
}

function combinationErrors(config: VirtConfig, firmware: boolean): string[] {
  const errors: string[] = [];
  const ged = hasGed(config, firmware);
  if (config.mte && findCpuModel(config.cpu.model)?.mte !== true) {
    errors.push(`-M mte=on: CPU type ${config.cpu.model} has no memory tagging; max has`);
  }
  if (config.mte && config.ram.slots > 0) errors.push('-m slots=: no memory hot-plug while mte=on');
  if (config.gicVersion === 4 && !config.virtualization) {
    errors.push('-M gic-version=4: needs virtualization=on; use 3');
  }
  // QEMU stops with an assertion here.
  if (config.ras && !ged) errors.push('-M ras=on: needs firmware (-bios), acpi on and an AArch64 CPU');
  return errors;
}

/* --- Configurations from a file ---------------------------------------------------------------------- */

/**
 * A configuration out of untrusted data (the header of a trace): the shape is checked, fields that an older
 * trace does not have get the default of the machine version. Whether it makes sense: `validateVirtConfig`.
 * @throws OptionError naming the field
 */
export function readVirtConfig(data: unknown): VirtConfig {
  if (!isRecord(data)) throw new OptionError('machine configuration: not an object');
  const { machine } = data;
  if (typeof machine !== 'string' || !isVirtMachine(machine)) {
    throw new OptionError(`machine configuration: unknown machine '${String(machine).slice(0, 40)}'`);
  }
  const defaults = { ...defaultVirtConfig(machine), its: false };
  const result = merge(defaults, data, 'machine configuration') as unknown as VirtConfig;
  if (![2, 3, 4].includes(result.gicVersion)) throw wrong('gicVersion', '2, 3 or 4');
  if (!['none', 'smmuv3'].includes(result.iommu)) throw wrong('iommu', "'none' or 'smmuv3'");
  if (!result.serial.every((item) => typeof item === 'string')) throw wrong('serial', 'texts');
  result.virtioMmio.forEach((item, index) => {
    checkDevice(item, `virtioMmio[${index}]`, 'slot');
  });
  result.pciDevices.forEach((item, index) => {
    checkDevice(item, `pciDevices[${index}]`, 'devfn');
  });
  if (result.numa !== undefined) checkNuma(result.numa);
  return result;
}

type Data = { readonly [key: string]: unknown };

function isRecord(value: unknown): value is Data {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !ArrayBuffer.isView(value);
}

function wrong(field: string, allowed: string): OptionError {
  return new OptionError(`machine configuration: ${field} must be ${allowed}`);
}

/** `defaults` with what `data` gives, which must have the same types; unknown fields are refused. */
function merge(defaults: object, data: Data, where: string): Data {
  const result: { [key: string]: unknown } = { ...defaults };
  for (const [key, value] of Object.entries(data)) {
    if (key === 'numa' && where === 'machine configuration') {
      if (value !== undefined) result[key] = value;
      continue;
    }
    const model = Object.hasOwn(defaults, key) ? result[key] : undefined;
    if (model === undefined) throw new OptionError(`${where}: unknown field '${key.slice(0, 40)}'`);
    if (Array.isArray(model) !== Array.isArray(value) || typeof model !== typeof value) {
      throw new OptionError(`${where}: ${key} has the wrong type`);
    }
    result[key] = Array.isArray(model) ? value : isRecord(model) ? mergeRecord(model, value, key) : value;
  }
  return result;
}

function mergeRecord(model: Data, value: unknown, key: string): Data {
  if (!isRecord(value)) throw wrong(key, 'an object');
  return merge(model, value, `machine configuration: ${key}`);
}

/** @throws OptionError unless it has the shape of a device */
export function checkDevice(item: unknown, where: string, number: string): void {
  if (!isRecord(item)) throw wrong(where, 'an object');
  if (typeof item[number] !== 'number') throw wrong(`${where}.${number}`, 'a number');
  for (const name of ['type', 'id'])
    if (typeof item[name] !== 'string') throw wrong(`${where}.${name}`, 'a text');
  const { properties } = item;
  if (!isRecord(properties)) throw wrong(`${where}.properties`, 'an object');
  for (const [name, value] of Object.entries(properties)) {
    if (!['string', 'number', 'boolean'].includes(typeof value)) {
      throw wrong(`${where}.properties.${name.slice(0, 40)}`, 'a text, a number or a boolean');
    }
  }
}

function checkNuma(numa: unknown): void {
  if (!isRecord(numa) || !Array.isArray(numa.nodes)) throw wrong('numa', 'an object with nodes');
  const numbers = (value: unknown): boolean =>
    Array.isArray(value) && value.every((item) => typeof item === 'number');
  for (const node of numa.nodes as unknown[]) {
    if (!isRecord(node) || typeof node.memory !== 'number' || !numbers(node.cpus)) {
      throw wrong('numa.nodes', 'objects with memory and cpus');
    }
  }
  const { distances } = numa;
  if (distances !== undefined && !(Array.isArray(distances) && distances.every(numbers))) {
    throw wrong('numa.distances', 'rows of numbers');
  }
}
