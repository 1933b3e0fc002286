/** `-M`, `-cpu`, `-smp`, `-accel`: the parts of the configuration that have no files. */
import {
  defaultVirtConfig,
  MAX_ICOUNT_SHIFT,
  type SmpConfig,
  type VirtConfig,
  type VirtCpuConfig,
} from '../../engine/boards/virt/config.ts';
import { CPU_MODELS, DEFAULT_CPU_MODEL, findCpuModel } from '../../engine/boards/virt/cpu-models.ts';
import { notYet } from '../../engine/boards/virt/not-yet.ts';
import {
  GIC_HOST_REFUSAL,
  MACHINE_PROPERTIES,
  parseOnOff,
  parseSmpOption,
  resolveSmp,
} from '../../engine/boards/virt/properties.ts';
import {
  hasTrait,
  VIRT_ALIAS,
  VIRT_MACHINES,
  type VirtMachine,
  virtMachineNamed,
} from '../../engine/boards/virt/versions.ts';
import { HelpAnswer, OptionError } from './errors.ts';
import { cpuHelp, machineHelp, machinePropertyHelp } from './help.ts';
import { readKeyValues, readNumber, readWord } from './key-values.ts';

/** Properties of QEMU's machines that the board does not have here. */
const REFUSED_PROPERTIES: { readonly [name: string]: string } = {
  boot: 'virtrace boots what -kernel or -bios gives',
  'confidential-guest-support': 'it needs hardware',
  'dt-compatible': 'give a whole tree with -dtb',
  'dump-guest-core': 'it concerns the host process of QEMU',
  graphics: 'virtrace has no graphics',
  'mem-merge': 'it concerns the host process of QEMU',
  memory: 'use -m',
  'memory-backend': 'RAM has no backends; use -m',
  'memory-encryption': 'it needs hardware',
  'phandle-start': 'give a whole tree with -dtb',
  smp: 'use -smp',
  'suppress-vmdesc': 'it concerns saved machines of QEMU',
  usb: 'the virt board gets no USB',
  'x-oem-id': 'virtrace makes no ACPI tables yet',
  'x-oem-table-id': 'virtrace makes no ACPI tables yet',
  'kernel-irqchip': 'it needs KVM',
};

/** Everything `-M` can say. */
export interface MachineChoice {
  readonly machine: VirtMachine;
  readonly properties: ReadonlyMap<string, string>;
}

/** Several `-M` are one. @throws OptionError, HelpAnswer */
export function readMachineOption(texts: readonly string[]): MachineChoice {
  let machine: VirtMachine = VIRT_ALIAS;
  const properties = new Map<string, string>();
  for (const text of texts) {
    const parts = text.split(',');
    if (parts[0] === 'help' || parts[0] === '?') throw new HelpAnswer(machineHelp());
    if (parts.slice(1).includes('help') || parts.slice(1).includes('?')) {
      throw new HelpAnswer(machinePropertyHelp());
    }
    const values = readKeyValues('-M', text, {
      implied: 'type',
      allowed: ['type', ...MACHINE_PROPERTIES.map(({ name }) => name)],
      refused: REFUSED_PROPERTIES,
      switches: true,
    });
    for (const [key, value] of values) {
      if (key !== 'type') properties.set(key, value);
      else machine = machineNamed(value);
    }
  }
  return { machine, properties };
}

function machineNamed(name: string): VirtMachine {
  const machine = virtMachineNamed(name);
  if (machine !== undefined) return machine;
  const newer = /^virt-(\d+)\.(\d+)$/.exec(name);
  const why =
    newer !== null && Number(newer[1]) >= 8
      ? `the newest virtrace has is ${VIRT_MACHINES.at(-1)}`
      : 'virtrace has the virt board only; see -M help';
  throw new OptionError(`-M ${name}: ${why}`);
}

type Mutable<T> = { -readonly [key in keyof T]: T[key] };

/** Properties that are `on` or `off` and where they go. */
const SWITCHES = {
  secure: 'secure',
  virtualization: 'virtualization',
  mte: 'mte',
  highmem: 'highmem',
  'compact-highmem': 'compactHighmem',
  'highmem-redists': 'highmemRedists',
  'highmem-ecam': 'highmemEcam',
  'highmem-mmio': 'highmemMmio',
  its: 'its',
  'default-bus-bypass-iommu': 'defaultBusBypassIommu',
  'smmu-strict': 'smmuStrict',
  ras: 'ras',
  nvdimm: 'nvdimm',
  'dtb-randomness': 'dtbRandomness',
  'dtb-kaslr-seed': 'dtbRandomness',
} as const satisfies { readonly [name: string]: keyof VirtConfig };

/** The board with its properties; properties that stand for other options are left to the caller. */
export function machineConfig({ machine, properties }: MachineChoice): Mutable<VirtConfig> {
  const config: Mutable<VirtConfig> = { ...defaultVirtConfig(machine) };
  for (const [name, value] of properties) {
    const option = `-M ${name}`;
    if (Object.hasOwn(SWITCHES, name)) {
      config[SWITCHES[name as keyof typeof SWITCHES]] = parseOnOff(option, value);
    } else if (name === 'gic-version') config.gicVersion = gicVersion(value);
    else if (name === 'iommu') config.iommu = readWord(option, value, ['none', 'smmuv3']);
    else if (name === 'acpi') config.acpi = value === 'auto' || parseOnOff(option, value);
    else if (name === 'accel') checkAccelerator(option, value);
  }
  return config;
}

function gicVersion(text: string): VirtConfig['gicVersion'] {
  if (text === 'host') throw new OptionError(`-M ${GIC_HOST_REFUSAL}`);
  const version = readWord('-M gic-version', text, ['2', '3', '4', 'max']);
  if (version === 'max') return notYet['gic-v4'] === undefined ? 4 : 3;
  return Number(version) as VirtConfig['gicVersion'];
}

/** `-accel` and `-M accel=`. @throws OptionError */
export function checkAccelerator(option: string, text: string): void {
  const refusal = MACHINE_PROPERTIES.find(({ name }) => name === 'accel')!.refusal!;
  const [name, ...rest] = text.split(',');
  for (const part of rest) {
    if (part !== 'thread=single') {
      throw new OptionError(`${option} ${part}: CPUs take turns on one thread; leave it out`);
    }
  }
  if (name !== 'tcg') throw new OptionError(`${option} ${name}: ${refusal}`);
}

/** Properties of QEMU's max of which virtrace has one value: saying it changes nothing, another is refused. */
const MAX_PROPERTIES: { readonly [name: string]: { readonly value: boolean; readonly otherwise: string } } = {
  sve: { value: false, otherwise: 'virtrace has no SVE yet' },
  sme: { value: false, otherwise: 'virtrace has no SME yet' },
  pauth: { value: true, otherwise: 'max always has pointer authentication' },
  'pauth-impdef': { value: false, otherwise: 'virtrace has the architected algorithm' },
  lpa2: { value: true, otherwise: 'max always has it' },
};
const CPU_PROPERTIES = ['model', 'aarch64', 'pmu', ...Object.keys(MAX_PROPERTIES)];
/** CPU properties of QEMU's for these types. */
const REFUSED_CPU_PROPERTIES: { readonly [name: string]: string } = {
  cfgend: 'virtrace resets every CPU to little endian',
  cntfrq: 'the system counter has 62.5 MHz',
  has_el2: 'use -M virtualization=',
  has_el3: 'use -M secure=',
  'kvm-no-adjvtime': 'it needs KVM',
  'kvm-steal-time': 'it needs KVM',
  'mp-affinity': 'it follows from the CPU number',
  neon: 'it is always there',
  vfp: 'it is always there',
  'reset-cbar': 'it follows from the board',
  rvbar: 'it follows from the board',
  'psci-conduit': 'it follows from the board',
  'start-powered-off': 'it follows from the board',
};

/** @throws OptionError, HelpAnswer */
export function readCpuOption(text: string | undefined, machine: VirtMachine): VirtCpuConfig {
  if (text === 'help' || text === '?') throw new HelpAnswer(cpuHelp());
  const available = CPU_MODELS.filter(({ refusal }) => refusal === undefined).map(({ name }) => name);
  if (text === undefined) {
    const refusal = findCpuModel(DEFAULT_CPU_MODEL)?.refusal;
    if (refusal === undefined) return { ...defaultVirtConfig(machine).cpu };
    throw new OptionError(
      `-cpu is missing: the board's default, ${DEFAULT_CPU_MODEL}, is a 32-bit CPU that virtrace does not have yet; ` +
        `name one of ${available.join(', ')}, e.g. -cpu cortex-a57`,
    );
  }
  const values = readKeyValues('-cpu', text, {
    implied: 'model',
    allowed: CPU_PROPERTIES,
    refused: REFUSED_CPU_PROPERTIES,
    switches: true,
  });
  const model = values.get('model') ?? '';
  const known = findCpuModel(model);
  if (known === undefined) {
    throw new OptionError(`-cpu ${model}: unknown CPU type; allowed are ${available.join(', ')}`);
  }
  if (known.refusal !== undefined) throw new OptionError(`-cpu ${model}: ${known.refusal}`);
  for (const [name, { value, otherwise }] of Object.entries(MAX_PROPERTIES)) {
    const text = values.get(name);
    if (text === undefined) continue;
    if (model !== 'max') throw new OptionError(`-cpu ${model},${name}=: only max has this property`);
    if (parseOnOff(`-cpu ${name}`, text) !== value)
      throw new OptionError(`-cpu max,${name}=${text}: ${otherwise}`);
  }
  const pmu = values.get('pmu');
  if (pmu !== undefined && parseOnOff('-cpu pmu', pmu) && notYet.pmu !== undefined) {
    throw new OptionError(`-cpu ${model},pmu=on: ${notYet.pmu.message}`);
  }
  return {
    model,
    pmu: pmu === undefined ? hasTrait(machine, 'pmu') : parseOnOff('-cpu pmu', pmu),
    aarch64: parseOnOff('-cpu aarch64', values.get('aarch64') ?? 'on'),
  };
}

/** @throws OptionError */
export function readSmp(text: string | undefined, machine: VirtMachine): SmpConfig {
  return resolveSmp(text === undefined ? {} : parseSmpOption(text), hasTrait(machine, 'cpuTopology'));
}

/** `-icount shift=N[,sleep=off][,align=off]`: the shift. @throws OptionError */
export function readIcount(text: string | undefined): number {
  if (text === undefined) return 0;
  const values = readKeyValues('-icount', text, {
    implied: 'shift',
    allowed: ['shift', 'sleep', 'align'],
    refused: {
      rr: 'use `virtrace record -o FILE` and `virtrace replay FILE`',
      rrfile: 'use `virtrace record -o FILE` and `virtrace replay FILE`',
      rrsnapshot: 'use `virtrace record -o FILE` and `virtrace replay FILE`',
    },
  });
  const shift = values.get('shift');
  if (shift === 'auto') {
    throw new OptionError('-icount shift=auto: it follows the speed of the host; give a number from 0 to 10');
  }
  if (parseOnOff('-icount sleep', values.get('sleep') ?? 'off')) {
    throw new OptionError('-icount sleep=on: time does not follow the host; use sleep=off');
  }
  if (parseOnOff('-icount align', values.get('align') ?? 'off')) {
    throw new OptionError('-icount align=on: time does not follow the host; use align=off');
  }
  return shift === undefined ? 0 : readNumber('-icount shift', shift, 0, MAX_ICOUNT_SHIFT);
}
