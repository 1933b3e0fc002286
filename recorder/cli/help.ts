/** Texts of `--help`, `-M help`, `-cpu help`, `-device help`, all from the tables. */
import { CPU_MODELS } from '../../engine/boards/virt/cpu-models.ts';
import { FEATURES, notYet } from '../../engine/boards/virt/not-yet.ts';
import { MACHINE_PROPERTIES, type MachineProperty } from '../../engine/boards/virt/properties.ts';
import { VIRT_ALIAS, VIRT_MACHINES } from '../../engine/boards/virt/versions.ts';
import { DEVICE_TYPES, type DeviceType } from './device-types.ts';
import { GROUP_TITLES, OPTION_ROWS, type OptionGroup, type OptionRow } from './option-table.ts';

function columns(rows: readonly (readonly [string, string])[], indent = '  '): string {
  const width = Math.min(34, Math.max(...rows.map(([left]) => left.length)));
  return rows
    .map(([left, right]) => {
      const gap = left.length > width ? `\n${indent}${' '.repeat(width)}` : ' '.repeat(width - left.length);
      return `${indent}${left}${gap}  ${right}\n`;
    })
    .join('');
}

export function machineHelp(): string {
  const rows = VIRT_MACHINES.toReversed().map(
    (name) => [name, `Arm virt board as of QEMU ${name.slice('virt-'.length)}`] as const,
  );
  return `Machines:\n${columns([['virt', `the same as ${VIRT_ALIAS}`], ...rows])}Properties: -M virt,help\n`;
}

function valueText({ type, allowed }: MachineProperty): string {
  return type === 'choice' ? (allowed ?? []).join('|') : type.replaceAll('/', '|').toUpperCase();
}

export function machinePropertyHelp(): string {
  const rows = MACHINE_PROPERTIES.map((property) => {
    const { name, description } = property;
    const preset = property.default === '' ? '' : ` (default ${property.default})`;
    return [`${name}=${valueText(property)}`, `${description}${preset}`] as const;
  });
  const missing = FEATURES.flatMap((feature) => {
    const row = notYet[feature];
    return row?.asked === undefined ? [] : [[row.option, row.message] as const];
  });
  return `Properties of -M virt:\n${columns(rows)}Not there yet:\n${columns(missing)}`;
}

export function cpuHelp(): string {
  const have = CPU_MODELS.filter(({ refusal }) => refusal === undefined);
  const missing = CPU_MODELS.filter(({ refusal }) => refusal !== undefined);
  const rows = (models: typeof CPU_MODELS): string =>
    columns(models.map(({ name, description }) => [name, description] as const));
  const rest = missing.length === 0 ? '' : `Not there yet:\n${rows(missing)}`;
  return `CPU types for -cpu:\n${rows(have)}${rest}`;
}

export function deviceHelp(): string {
  const of = (bus: DeviceType['bus']): string =>
    columns(
      DEVICE_TYPES.filter((type) => type.bus === bus).map(
        ({ name, description }) => [name, description] as const,
      ),
    );
  return (
    `Devices for -device, behind virtio-mmio:\n${of('virtio-mmio')}On PCI Express:\n${of('pci')}` +
    `Behind a console controller:\n${of('console')}Properties: -device TYPE,help\n`
  );
}

export function devicePropertyHelp({ name, properties }: DeviceType): string {
  return `Properties of -device ${name}:\n${columns(properties.map((p) => [`${p.name}=`, p.description] as const))}`;
}

function spelling(row: OptionRow): string {
  const names = [row.name, ...(row.aliases ?? [])].map((name) => `-${name}`);
  return `${names.join(', ')}${row.value === undefined ? '' : ` ${row.value}`}`;
}

/** The options of `run` or `record`, by group. */
export function machineCommandHelp(command: 'run' | 'record'): string {
  const usage =
    command === 'run'
      ? 'virtrace [run] -cpu MODEL -kernel FILE [options]\n\nRuns a machine, with its console here (Ctrl-A h: help, Ctrl-A x: quit).'
      : 'virtrace record -o FILE.vtrace -cpu MODEL -kernel FILE [options]\n\nRuns a machine and records it, to be replayed bit for bit.';
  const groups = (Object.keys(GROUP_TITLES) as OptionGroup[]).flatMap((group) => {
    const rows = OPTION_ROWS.filter(
      (row) => row.group === group && (row.only === undefined || row.only === command),
    );
    if (rows.length === 0) return [];
    return `${GROUP_TITLES[group]}:\n${columns(rows.map((row) => [spelling(row), row.description] as const))}`;
  });
  return `Usage: ${usage}\nOptions are spelled as QEMU spells them, with one dash or two.\n\n${groups.join('\n')}`;
}

export const GENERAL_HELP = `Usage: virtrace COMMAND [options]
       virtrace [options]                 the same as virtrace run

Records and replays complete Arm virt machines.

Commands:
  run       runs a machine, with its console here
  record    the same, and records it into a trace
  replay    runs the recorded machine again from the trace alone
  debug     a recording under a debugger, here or gdb, forwards and backwards
  view      shows a trace in the browser: on a timeline, and alive
  report    one HTML file with trace and viewer, and a summary for an issue
  info      what a trace holds
  events    the recorded events, filtered and decoded
  pcap      the frames of network devices as a capture file
  diff      where two recordings part, and what differs from there on
  screenshot  what is on the screen at a position, as PNG

virtrace COMMAND --help tells more; docs/cli.md tells all.
`;
