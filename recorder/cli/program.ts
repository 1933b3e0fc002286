/** The command line as a whole: which command, its options, and how errors become lines and exit codes. */
import { Command, CommanderError, Option } from 'commander';
import { TraceError, TraceWriteError } from '../../traces/index.ts';
import { ENGINE_VERSION } from '../session/version.ts';
import { DEBUG_HELP, type DebugOptions, debugCommand } from './debug-command.ts';
import { DIFF_HELP, type DiffOptions, diffCommand } from './diff-command.ts';
import { CommandError, EXIT, HelpAnswer, OptionError } from './errors.ts';
import { EVENTS_HELP, type EventsOptions, eventsCommand } from './events-command.ts';
import { GENERAL_HELP, machineCommandHelp } from './help.ts';
import { infoCommand } from './info-command.ts';
import type { CommandIo } from './io.ts';
import { OPTION_ROWS } from './option-table.ts';
import { PCAP_HELP, type PcapOptions, pcapCommand } from './pcap-command.ts';
import type { RawOptions } from './raw-options.ts';
import { recordCommand } from './record-command.ts';
import { type ReplayOptions, replayCommand } from './replay-command.ts';
import { REPORT_HELP, type ReportOptions, reportCommand } from './report-command.ts';
import { runCommand } from './run-command.ts';
import { SCREENSHOT_HELP, type ScreenshotOptions, screenshotCommand } from './screenshot-command.ts';
import { type MachineCommand, translateArguments } from './translate.ts';
import { VIEW_HELP, type ViewOptions, viewCommand } from './view-command.ts';

const COMMANDS = [
  'run',
  'record',
  'replay',
  'debug',
  'view',
  'report',
  'info',
  'events',
  'diff',
  'pcap',
  'screenshot',
] as const;
type CommandName = (typeof COMMANDS)[number];
/** Commands that are planned; named so that nobody takes them for a typing mistake. */
const PLANNED = ['explain', 'export'];

/** Runs a command and returns its exit code; never throws for a person's mistakes. */
export async function main(args: readonly string[], io: CommandIo): Promise<number> {
  try {
    return await dispatch(args, io);
  } catch (error) {
    return reportError(error, io);
  }
}

function reportError(error: unknown, io: CommandIo): number {
  if (error instanceof HelpAnswer) {
    io.out(error.text);
    return EXIT.ok;
  }
  if (error instanceof CommanderError) {
    io.error(error.message.replace(/^error: /, '').replace(/\s*\n\s*/g, ' '));
    return EXIT.usage;
  }
  if (error instanceof OptionError) {
    io.error(error.message);
    return EXIT.usage;
  }
  if (error instanceof CommandError) {
    io.error(error.message);
    return error.exitCode;
  }
  if (error instanceof TraceError) {
    io.error(error.message);
    return EXIT.trace;
  }
  if (error instanceof TraceWriteError) {
    io.error(error.message);
    return EXIT.failure;
  }
  // A bug of virtrace: the stack is what a report needs.
  io.error(`internal error: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  return EXIT.failure;
}

async function dispatch(args: readonly string[], io: CommandIo): Promise<number> {
  const [first, ...rest] = args;
  if (first === undefined) {
    io.talk(GENERAL_HELP);
    return EXIT.usage;
  }
  if (['help', '-help', '--help', '-h', '-?'].includes(first)) {
    const about = rest[0];
    if (about === 'run' || about === 'record') throw new HelpAnswer(machineCommandHelp(about));
    if (about !== undefined && (COMMANDS as readonly string[]).includes(about))
      return dispatch([about, '--help'], io);
    throw new HelpAnswer(GENERAL_HELP);
  }
  if (first.startsWith('-')) return machineCommand('run', args, io);
  if (PLANNED.includes(first)) throw new OptionError(`${first}: virtrace does not have this command yet`);
  if (!(COMMANDS as readonly string[]).includes(first)) {
    throw new OptionError(`'${first}': unknown command; there are ${COMMANDS.join(', ')}`);
  }
  const name = first as CommandName;
  if (name === 'run' || name === 'record') return machineCommand(name, rest, io);
  if (name === 'diff') return diff(rest, io);
  return traceCommand(name, rest, io);
}

async function diff(args: readonly string[], io: CommandIo): Promise<number> {
  if (args.some((arg) => ['--help', '-h', '-help'].includes(arg))) throw new HelpAnswer(DIFF_HELP);
  const repeat = (value: string, before?: string[]): string[] => [...(before ?? []), value];
  const command = quiet(new Command('diff')).argument('[files...]').option('--json').option('--context <n>');
  command.addOption(new Option('--only <what>').argParser(repeat));
  let files: readonly string[] = [];
  command.action((given: string[]) => {
    files = given;
  });
  command.parse(args, { from: 'user' });
  return diffCommand(files, command.opts<DiffOptions>(), io);
}

async function machineCommand(name: MachineCommand, args: readonly string[], io: CommandIo): Promise<number> {
  const translated = translateArguments(name, args);
  if (translated.includes('--help')) throw new HelpAnswer(machineCommandHelp(name));
  if (translated.includes('--version')) throw new HelpAnswer(`virtrace ${ENGINE_VERSION}\n`);
  const command = quiet(new Command(name));
  for (const row of OPTION_ROWS) {
    if (row.name === 'help' || row.name === 'version') continue;
    const option = new Option(row.value === undefined ? `--${row.name}` : `--${row.name} <value>`);
    if (row.repeat === true)
      option.argParser((value: string, before?: string[]) => [...(before ?? []), value]);
    command.addOption(option);
  }
  let raw: RawOptions = {};
  command.action(() => {
    raw = command.opts<RawOptions>();
  });
  command.parse(translated, { from: 'user' });
  return name === 'run' ? runCommand(raw, io) : recordCommand(raw, io);
}

/** Errors are thrown; every text goes through our own reporting. */
function quiet(command: Command): Command {
  return command
    .helpOption(false)
    .exitOverride()
    .configureOutput({ writeErr: () => {}, writeOut: () => {} })
    .allowExcessArguments(false);
}

/** As QEMU spells them. */
const MONITOR_OPTION = /^-(qmp|monitor|mon|chardev)(=|$)/;

const REPLAY_HELP = `Usage: virtrace replay FILE.vtrace [options]

Runs the recorded machine again, from the trace alone, and prints its console.

Options:
  --verify           hold every recorded event and state hash against the replay; exit code 3 if one differs
  --jobs N           with --verify: N threads, each on its own part between two checkpoints of the trace (1)
  --image ROLE=FILE  file for an image that is not in the trace (virtrace info lists the roles)
  --block-limit N    at most N instructions per block; the result is the same, only slower
  --tier TIER        interpreted or compiled; the result is the same
  -qmp TARGET        clients of QEMU's machine protocol may come: unix:PATH or tcp:127.0.0.1:PORT, with
                     ,server=on,wait=off; -monitor TARGET: of its human monitor; -S: nothing runs before they say so
  --no-console       do not print the console
  --json             print the result as JSON (implies --no-console)
`;

const INFO_HELP = `Usage: virtrace info FILE.vtrace [--json]

Tells what was recorded, how it ended, and what the trace holds.
`;

async function traceCommand(
  name: 'replay' | 'debug' | 'view' | 'report' | 'info' | 'events' | 'pcap' | 'screenshot',
  args: readonly string[],
  io: CommandIo,
): Promise<number> {
  const help = {
    replay: REPLAY_HELP,
    debug: DEBUG_HELP,
    view: VIEW_HELP,
    report: REPORT_HELP,
    info: INFO_HELP,
    events: EVENTS_HELP,
    pcap: PCAP_HELP,
    screenshot: SCREENSHOT_HELP,
  }[name];
  if (args.some((arg) => ['--help', '-h', '-help'].includes(arg))) throw new HelpAnswer(help);
  const command = quiet(new Command(name)).argument('[file]').option('--json');
  const repeat = (value: string, before?: string[]): string[] => [...(before ?? []), value];
  if (name === 'view') command.option('--no-open').option('--port <n>');
  if (name === 'report') command.option('-o, --output <file>').option('--from <n>').option('--to <n>');
  if (name === 'pcap' || name === 'screenshot') {
    command.option('-o, --output <file>');
    command.addOption(new Option('--device <id>').argParser(repeat));
  }
  if (name === 'screenshot') {
    command.option('--at <n>');
    command.addOption(new Option('--image <role=file>').argParser(repeat));
  }
  if (name === 'debug') {
    command
      .option('-s')
      .option('-S')
      .option('--gdb <address>')
      .option('--block-limit <n>')
      .option('--tier <tier>');
    command.addOption(new Option('--image <role=file>').argParser(repeat));
    command.addOption(new Option('-x <file>').argParser(repeat));
    command.addOption(new Option('--command <cmd>').argParser(repeat));
  }
  if (name === 'replay' || name === 'debug') {
    for (const flag of ['qmp', 'monitor', 'mon', 'chardev'] as const)
      command.addOption(new Option(`--${flag} <value>`).argParser(repeat));
  }
  if (name === 'replay') {
    command.option('-S');
    command.option('--verify').option('--no-console').option('--block-limit <n>').option('--tier <tier>');
    command.option('--jobs <n>');
    command.addOption(new Option('--image <role=file>').argParser(repeat));
  }
  if (name === 'events') {
    for (const flag of ['device', 'kind', 'cpu', 'intid', 'what', 'register'] as const) {
      command.addOption(new Option(`--${flag} <value>`).argParser(repeat));
    }
    command.option('--from <n>').option('--to <n>').option('--value <value>').option('--limit <n>');
    command.option('--reads').option('--writes').option('--backward').option('--count');
  }
  let file: string | undefined;
  command.action((given: string | undefined) => {
    file = given;
  });
  // QEMU's spelling has one dash.
  command.parse(
    args.map((arg) =>
      (name === 'debug' && /^-gdb(=|$)/.test(arg)) || MONITOR_OPTION.test(arg) ? `-${arg}` : arg,
    ),
    { from: 'user' },
  );
  if (file === undefined) throw new OptionError(`${name}: which trace? virtrace ${name} FILE.vtrace`);
  switch (name) {
    case 'replay':
      return replayCommand(file, command.opts<ReplayOptions>(), io);
    case 'debug':
      return debugCommand(file, command.opts<DebugOptions>(), io);
    case 'view':
      return viewCommand(file, command.opts<ViewOptions>(), io);
    case 'report':
      return reportCommand(file, command.opts<ReportOptions>(), io);
    case 'info':
      return infoCommand(file, command.opts<{ json?: boolean }>(), io);
    case 'events':
      return eventsCommand(file, command.opts<EventsOptions>(), io);
    case 'pcap':
      return pcapCommand(file, command.opts<PcapOptions>(), io);
    case 'screenshot':
      return screenshotCommand(file, command.opts<ScreenshotOptions>(), io);
  }
}
