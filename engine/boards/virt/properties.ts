/**
 * The options of the board as data: names, types, defaults and meanings for command line, help and errors;
 * and the parsers of `-m` and `-smp` values. Errors are OptionErrors: one line that names the option, what
 * was given and what is allowed.
 */
import { OptionError } from '../option-error.ts';
import { MAX_MEMORY_SLOTS, type RamConfig, type SmpConfig } from './config.ts';

export type PropertyType = 'on/off' | 'on/off/auto' | 'choice' | 'size' | 'text';

export interface MachineProperty {
  readonly name: string;
  readonly type: PropertyType;
  /** For choices. */
  readonly allowed?: readonly string[];
  /** As a person would write it; `by version` where old machine types differ. */
  readonly default: string;
  readonly description: string;
  /** Why it cannot be set at all; absent: it can. Features that are merely missing are in not-yet.ts. */
  readonly refusal?: string;
}

/** What `-M virt,...` takes. */
export const MACHINE_PROPERTIES: readonly MachineProperty[] = [
  { name: 'secure', type: 'on/off', default: 'off', description: 'EL3 and the secure world' },
  { name: 'virtualization', type: 'on/off', default: 'off', description: 'EL2, for hypervisors as guests' },
  { name: 'mte', type: 'on/off', default: 'off', description: 'memory tagging (CPU type max)' },
  { name: 'highmem', type: 'on/off', default: 'on', description: 'anything above 4 GiB' },
  {
    name: 'compact-highmem',
    type: 'on/off',
    default: 'on; off up to virt-7.1',
    description: 'high regions that are off take no address space',
  },
  {
    name: 'highmem-redists',
    type: 'on/off',
    default: 'on',
    description: 'GICv3 redistributors above RAM (over 123 CPUs)',
  },
  {
    name: 'highmem-ecam',
    type: 'on/off',
    default: 'on; off up to virt-2.12',
    description: 'PCIe ECAM of 256 buses above RAM',
  },
  {
    name: 'highmem-mmio',
    type: 'on/off',
    default: 'on',
    description: '64-bit PCIe window of 512 GiB above RAM',
  },
  {
    name: 'gic-version',
    type: 'choice',
    allowed: ['2', '3', '4', 'max', 'host'],
    default: '2',
    description: 'interrupt controller; max is the newest virtrace has',
  },
  {
    name: 'its',
    type: 'on/off',
    default: 'on once virtrace has an ITS',
    description: 'ITS (message interrupts) of GICv3',
  },
  {
    name: 'iommu',
    type: 'choice',
    allowed: ['none', 'smmuv3'],
    default: 'none',
    description: 'IOMMU in front of PCIe',
  },
  {
    name: 'default-bus-bypass-iommu',
    type: 'on/off',
    default: 'off',
    description: 'devices on the first PCIe bus are outside the IOMMU',
  },
  {
    name: 'smmu-strict',
    type: 'on/off',
    default: 'off',
    description: 'the SMMU keeps stale entries as hardware may: shows missing invalidations (not in QEMU)',
  },
  {
    name: 'ras',
    type: 'on/off',
    default: 'off',
    description: 'memory errors reported through ACPI; needs firmware',
  },
  { name: 'acpi', type: 'on/off/auto', default: 'auto (on)', description: 'ACPI tables for firmware' },
  { name: 'nvdimm', type: 'on/off', default: 'off', description: 'NVDIMM devices' },
  { name: 'dtb-randomness', type: 'on/off', default: 'on', description: 'random seeds in the device tree' },
  { name: 'dtb-kaslr-seed', type: 'on/off', default: 'on', description: 'old name of dtb-randomness' },
  {
    name: 'accel',
    type: 'choice',
    allowed: ['tcg'],
    default: 'tcg',
    description: 'how guest code runs',
    refusal:
      'only the deterministic engine (tcg): what hardware runs between two exits cannot be recorded exactly',
  },
  { name: 'kernel', type: 'text', default: '', description: 'same as -kernel' },
  { name: 'initrd', type: 'text', default: '', description: 'same as -initrd' },
  { name: 'append', type: 'text', default: '', description: 'same as -append' },
  { name: 'dtb', type: 'text', default: '', description: 'same as -dtb' },
  { name: 'firmware', type: 'text', default: '', description: 'same as -bios' },
  { name: 'dumpdtb', type: 'text', default: '', description: 'write the device tree to this file and exit' },
];

/** The refusal of `gic-version=host`, which like KVM has its own words. */
export const GIC_HOST_REFUSAL =
  'gic-version=host needs KVM, and a run on KVM cannot be recorded exactly; use 2, 3 or max';

const ON = ['on', 'yes', 'true', 'y'];
const OFF = ['off', 'no', 'false', 'n'];

/** @throws OptionError unless the text is one of the words for on or off */
export function parseOnOff(name: string, text: string): boolean {
  if (ON.includes(text)) return true;
  if (OFF.includes(text)) return false;
  throw new OptionError(`${name} expects 'on' or 'off', not '${text}'`);
}

const SUFFIXES = 'BKMGTPE';

/**
 * A size in bytes: a whole number or, with a suffix, a decimal fraction; B, k, M, G, T, P, E (any case) are
 * powers of 1024; hexadecimal without suffix.
 * @param unit suffix for a number that has none
 * @throws OptionError
 */
export function parseSize(name: string, text: string, unit: 'B' | 'M' = 'B'): number {
  const wrong = (why: string): OptionError =>
    new OptionError(
      `${name}: '${text}' ${why}; allowed is a number with an optional suffix k, M, G, T, P or E`,
    );
  const match = /^(?:(0[xX][0-9a-fA-F]+)|(\d+)(\.\d+)?)([bBkKmMgGtTpPeE]?)$/.exec(text);
  if (match === null) throw wrong('is no size');
  const [, hex, whole, fraction, suffix = ''] = match;
  const scale = 1024 ** SUFFIXES.indexOf((suffix || unit).toUpperCase());
  if (fraction !== undefined && suffix === '') throw wrong('is a fraction without a suffix');
  if (hex !== undefined && /[bBeE]$/.test(text) && suffix !== '') throw wrong('is ambiguous');
  const value =
    hex !== undefined ? Number(hex) * scale : Math.floor(Number(`${whole}${fraction ?? ''}`) * scale);
  if (!Number.isSafeInteger(value)) throw wrong('is too large');
  return value;
}

/** QEMU rounds RAM up to this. */
const RAM_GRANULE = 8192;
const DEFAULT_RAM = 128 * 1024 * 1024;

/** Splits `first,key=value,...`; a first part without `=` gets the implied key. ",," stands for a comma. */
export function parseKeyValues(
  option: string,
  text: string,
  implied: string,
  keys: readonly string[],
): Map<string, string> {
  const values = new Map<string, string>();
  const parts = text.replaceAll(',,', '\0').split(',');
  parts.forEach((part, index) => {
    const equals = part.indexOf('=');
    const key = equals < 0 ? (index === 0 ? implied : part) : part.slice(0, equals);
    if (!keys.includes(key)) {
      throw new OptionError(`${option}: unknown key '${key}'; allowed are ${keys.join(', ')}`);
    }
    if (equals < 0 && index > 0) throw new OptionError(`${option}: '${key}' has no value`);
    values.set(key, part.slice(equals + 1).replaceAll('\0', ','));
  });
  return values;
}

/**
 * The value of `-m`: `512` (MiB), `1.5G`, `size=1G,slots=4,maxmem=8G`.
 * @throws OptionError
 */
export function parseMemoryOption(text: string): RamConfig {
  const values = parseKeyValues('-m', text, 'size', ['size', 'slots', 'maxmem']);
  const given = values.has('size') ? parseSize('-m size', values.get('size')!, 'M') : 0;
  const size = Math.ceil((given === 0 ? DEFAULT_RAM : given) / RAM_GRANULE) * RAM_GRANULE;
  const slotsText = values.get('slots');
  const maxText = values.get('maxmem');
  if (slotsText !== undefined && !/^\d{1,9}$/.test(slotsText)) {
    throw new OptionError(`-m slots: '${slotsText}' is no number; allowed are 0 to ${MAX_MEMORY_SLOTS}`);
  }
  const slots = Number(slotsText ?? 0);
  if (slots > MAX_MEMORY_SLOTS)
    throw new OptionError(`-m slots=${slots}: allowed are 0 to ${MAX_MEMORY_SLOTS}`);
  if (maxText === undefined) {
    if (slots > 0) throw new OptionError(`-m slots=${slots} needs maxmem=, the size with all slots filled`);
    return { size, maxSize: size, slots: 0 };
  }
  // QEMU: unlike size, maxmem without a suffix is in bytes.
  const maxSize = parseSize('-m maxmem', maxText);
  if (maxSize < size)
    throw new OptionError(`-m maxmem=${maxText} is ${maxSize} bytes; at least the size, ${size}, is needed`);
  if (slots === 0 && maxSize > size) {
    // QEMU: memory beyond the size without a slot to plug it into is ignored.
    return { size, maxSize: size, slots: 0 };
  }
  return { size, maxSize, slots };
}

export interface SmpRequest {
  readonly cpus?: number;
  readonly maxcpus?: number;
  readonly sockets?: number;
  readonly clusters?: number;
  readonly cores?: number;
  readonly threads?: number;
}

const SMP_KEYS = ['cpus', 'maxcpus', 'sockets', 'clusters', 'cores', 'threads'] as const;

/** The value of `-smp` as numbers, nothing filled in. @throws OptionError */
export function parseSmpOption(text: string): SmpRequest {
  const request: { [key in (typeof SMP_KEYS)[number]]?: number } = {};
  for (const [key, value] of parseKeyValues('-smp', text, 'cpus', SMP_KEYS)) {
    if (!/^[1-9]\d{0,5}$/.test(value)) throw new OptionError(`-smp ${key}: '${value}' is no number from 1`);
    request[key as keyof SmpRequest] = Number(value);
  }
  return request;
}

/**
 * Fills in what is not given. Older machine types make the rest sockets, newer ones cores.
 * @throws OptionError when the numbers contradict each other
 */
export function resolveSmp(request: SmpRequest, preferCores: boolean): SmpConfig {
  const clusters = request.clusters ?? 1;
  let { cpus, maxcpus, sockets, cores, threads } = request;
  if (cpus !== undefined || maxcpus !== undefined) {
    const total = maxcpus ?? cpus!;
    const part = (product: number): number => Math.max(1, Math.floor(total / product));
    if (preferCores) {
      if (cores === undefined) {
        sockets ??= 1;
        threads ??= 1;
        cores = part(sockets * clusters * threads);
      } else if (sockets === undefined) {
        threads ??= 1;
        sockets = part(clusters * cores * threads);
      }
    } else if (sockets === undefined) {
      cores ??= 1;
      threads ??= 1;
      sockets = part(clusters * cores * threads);
    } else if (cores === undefined) {
      threads ??= 1;
      cores = part(sockets * clusters * threads);
    }
    threads ??= part(sockets! * clusters * cores!);
  }
  sockets ??= 1;
  cores ??= 1;
  threads ??= 1;
  const product = sockets * clusters * cores * threads;
  maxcpus ??= request.cpus === undefined ? product : cpus!;
  cpus ??= maxcpus;
  const topology = `sockets ${sockets} × clusters ${clusters} × cores ${cores} × threads ${threads}`;
  if (product !== maxcpus) {
    throw new OptionError(`-smp: ${topology} is ${product}, but maxcpus is ${maxcpus}; they must be equal`);
  }
  if (cpus > maxcpus) throw new OptionError(`-smp cpus=${cpus}: at most maxcpus=${maxcpus} is allowed`);
  return { cpus, maxCpus: maxcpus, sockets, clusters, cores, threads };
}
