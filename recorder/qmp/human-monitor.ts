/** QEMU's human monitor: lines in, text out; what it does to the machine are commands of QMP. */
import * as L from '../../engine/cpu/helpers/layout.ts';
import type { Machine } from '../../engine/machine.ts';
import { VERSION } from './common-commands.ts';
import type { Control } from './control.ts';
import { keysOfText } from './input-commands.ts';
import { type DumpFormat, dumpMemory, parseDumpFormat } from './memory-dump.ts';
import { pciText } from './pci-text.ts';
import type { JsonObject, QmpCommands } from './protocol.ts';

interface HumanCommand {
  readonly names: readonly string[];
  readonly usage?: string;
  readonly help: string;
  /** Of QMP, with its arguments by order; what ends in `?` may be missing. */
  readonly qmp?: { readonly command: string; readonly arguments?: readonly string[] };
}

const COMMANDS: readonly HumanCommand[] = [
  { names: ['help', '?'], usage: '[command]', help: 'this text' },
  { names: ['info'], usage: 'subject', help: `how things are: info help lists the subjects` },
  { names: ['stop', 's'], help: 'holds the machine', qmp: { command: 'stop' } },
  { names: ['cont', 'c'], help: 'lets it go on', qmp: { command: 'cont' } },
  { names: ['quit', 'q'], help: 'ends virtrace; a recording is closed properly', qmp: { command: 'quit' } },
  {
    names: ['system_powerdown'],
    help: "presses the board's power button",
    qmp: { command: 'system_powerdown' },
  },
  { names: ['system_reset'], help: 'resets the machine', qmp: { command: 'system_reset' } },
  { names: ['x'], usage: '/fmt addr', help: 'memory by virtual address: x /8xg $sp, x /4i $pc' },
  { names: ['xp'], usage: '/fmt addr', help: 'memory by physical address: forms x d u o c i, sizes b h w g' },
  { names: ['print', 'p'], usage: '/fmt expr', help: 'value of an expression: p $x0, p $pc+4' },
  { names: ['cpu'], usage: 'index', help: 'the CPU that x, p and info registers are about' },
  { names: ['device_add'], usage: 'driver[,prop=value][,...]', help: 'plugs a device' },
  {
    names: ['device_del'],
    usage: 'device',
    help: 'asks the guest to let go of a device',
    qmp: { command: 'device_del', arguments: ['id'] },
  },
  { names: ['sendkey'], usage: 'keys [hold_ms]', help: 'presses keys joined by -: sendkey ctrl-alt-f2' },
  {
    names: ['screendump'],
    usage: 'filename [device]',
    help: 'what is on the screen, into a PPM file',
    qmp: { command: 'screendump', arguments: ['filename', 'device?'] },
  },
  {
    names: ['replay_break'],
    usage: 'icount',
    help: 'the replay stops at this position',
    qmp: { command: 'replay-break', arguments: ['icount'] },
  },
  {
    names: ['replay_delete_break'],
    help: 'does away with that',
    qmp: { command: 'replay-delete-break' },
  },
  {
    names: ['replay_seek'],
    usage: 'icount',
    help: 'goes to a position of the recording',
    qmp: { command: 'replay-seek', arguments: ['icount'] },
  },
];

const SUBJECTS: { readonly [subject: string]: string } = {
  status: 'whether the machine runs',
  version: 'version',
  name: 'name given with -name',
  cpus: 'the CPUs',
  registers: 'registers of the CPU, with -a of all',
  pci: 'PCI functions',
  replay: 'recording or replay, and the position',
};

const PROBLEM = Symbol('a line that makes no sense');
/** Longest line. */
const MAX_LINE = 4096;

export class HumanMonitor {
  readonly #control: Control;
  readonly #commands: QmpCommands;
  #cpu = 0;
  #format: DumpFormat = { count: 1, form: 'x', size: 4 };

  constructor(control: Control, commands: QmpCommands) {
    this.#control = control;
    this.#commands = commands;
  }

  /** Carries out a line. @param cpu this CPU instead of the chosen one @returns text, each line ended by CR LF */
  async run(line: string, cpu?: number): Promise<string> {
    if (line.length > MAX_LINE) return lines('the line is too long');
    const [name = '', ...words] = line.trim().split(/\s+/);
    if (name === '') return '';
    // The format may stand right behind the name: x/4xw.
    const slash = name.indexOf('/');
    const verb = slash > 0 ? name.slice(0, slash) : name;
    if (slash > 0) words.unshift(name.slice(slash));
    const command = COMMANDS.find(({ names }) => names.includes(verb));
    if (command === undefined || (command.qmp !== undefined && !this.#commands.has(command.qmp.command)))
      return lines(`unknown command: '${verb}'`);
    const before = this.#cpu;
    if (cpu !== undefined) this.#cpu = cpu;
    try {
      return command.qmp === undefined
        ? await this.#own(command.names[0]!, words, line)
        : await this.#pass(command, words);
    } catch (error) {
      return lines(`Error: ${(error as Error).message}`);
    } finally {
      if (cpu !== undefined) this.#cpu = before;
    }
  }

  async #pass({ names, qmp }: HumanCommand, words: readonly string[]): Promise<string> {
    const wanted = qmp!.arguments ?? [];
    const needed = wanted.filter((argument) => !argument.endsWith('?')).length;
    if (words.length < needed || words.length > wanted.length) return wrongUse(names[0]!);
    const args: { [name: string]: string | number } = {};
    for (const [i, word] of words.entries()) {
      const name = wanted[i]!.replace('?', '');
      if (name === 'icount' && !/^\d{1,16}$/.test(word)) return wrongUse(names[0]!);
      args[name] = name === 'icount' ? Number(word) : word;
    }
    await this.#commands.get(qmp!.command)!.run(args);
    return '';
  }

  async #own(verb: string, words: string[], line: string): Promise<string> {
    switch (verb) {
      case 'help':
        return help(words[0]);
      case 'info':
        return this.#info(words, line);
      case 'cpu': {
        const index = Number(words[0]);
        if (words.length !== 1 || this.#control.machine.cluster.states[index] === undefined)
          return lines('invalid CPU index');
        this.#cpu = index;
        return '';
      }
      case 'device_add':
        return this.#deviceAdd(words.join(' '));
      case 'sendkey':
        return this.#sendKey(words);
      case 'print':
        return this.#print(words);
      default:
        return this.#dump(verb, words);
    }
  }

  async #sendKey([keys, hold, more]: readonly string[]): Promise<string> {
    const command = this.#commands.get('send-key');
    if (command === undefined) return lines("unknown command: 'sendkey'");
    if (keys === undefined || more !== undefined || !/^\d{1,6}$/.test(hold ?? '0'))
      return wrongUse('sendkey');
    await command.run({
      keys: keysOfText(keys),
      ...(hold === undefined ? {} : { 'hold-time': Number(hold) }),
    });
    return '';
  }

  async #deviceAdd(text: string): Promise<string> {
    const command = this.#commands.get('device_add');
    if (command === undefined) return lines("unknown command: 'device_add'");
    const args: { [name: string]: string } = {};
    for (const [i, part] of text.split(',').entries()) {
      const equals = part.indexOf('=');
      if (equals < 0) args[i === 0 ? 'driver' : part] = i === 0 ? part : 'on';
      else args[part.slice(0, equals)] = part.slice(equals + 1);
    }
    if (args.driver === undefined || args.driver === '')
      return lines("Error: the property 'driver' is missing");
    await command.run(args as JsonObject);
    return '';
  }

  #info(words: readonly string[], line: string): string {
    const { control, machine } = { control: this.#control, machine: this.#control.machine };
    const [subject, option] = words;
    switch (subject) {
      case undefined:
      case 'help':
        return lines(
          ...Object.entries(SUBJECTS).map(([name, about]) => `info ${name.padEnd(11)} -- ${about}`),
        );
      case 'status':
        return lines(`VM status: ${control.state === 'running' ? 'running' : statusText(control.state)}`);
      case 'version': {
        const { major, minor, micro } = VERSION.qemu;
        return lines(`${major}.${minor}.${micro} (${VERSION.package})`);
      }
      case 'name':
        return control.name === undefined ? '' : lines(control.name);
      case 'cpus':
        return lines(
          ...machine.cluster.states.map(
            (_, cpu) => `${cpu === this.#cpu ? '*' : ' '} CPU #${cpu}: thread_id=${process.pid}`,
          ),
        );
      case 'registers': {
        const chosen = option === '-a' ? machine.cluster.states.keys() : [this.#cpu];
        return [...chosen].map((cpu) => registersText(machine, cpu)).join('');
      }
      case 'pci':
        return pciText(machine);
      case 'replay':
        return lines(replayText(control));
      default:
        return lines(`unknown command: '${line.trim()}'`);
    }
  }

  #dump(verb: string, words: string[]): string {
    let format = { ...this.#format, count: 1 };
    if (words[0]?.startsWith('/')) {
      const given = parseDumpFormat(words.shift()!.slice(1), this.#format);
      if (given === undefined) return lines('invalid format');
      format = given;
    }
    const address = this.#value(words.join(''));
    if (address === PROBLEM) return wrongUse(verb);
    this.#format = format;
    return dumpMemory(this.#control.machine, this.#cpu, address, format, verb === 'xp');
  }

  #print(words: string[]): string {
    let form = 'd';
    if (words[0]?.startsWith('/')) form = words.shift()!.slice(1);
    const value = this.#value(words.join(''));
    if (value === PROBLEM || !/^[xduoc]$/.test(form)) return wrongUse('print');
    if (form === 'x') return lines(`0x${value.toString(16)}`);
    if (form === 'o') return lines(`0${value.toString(8)}`);
    if (form === 'c') return lines(`'${String.fromCharCode(Number(value & 0x7fn))}'`);
    return lines(String(form === 'u' ? value : BigInt.asIntN(64, value)));
  }

  /** Numbers and registers with plus and minus between. */
  #value(text: string): bigint | typeof PROBLEM {
    if (!/^[-+]?(0x[0-9a-f]+|\d+|\$\w+)([-+](0x[0-9a-f]+|\d+|\$\w+))*$/i.test(text)) return PROBLEM;
    let value = 0n;
    for (const [, sign, term] of text.matchAll(/([-+]?)([^-+]+)/g)) {
      const part = term!.startsWith('$') ? this.#register(term!.slice(1).toLowerCase()) : BigInt(term!);
      if (part === undefined) return PROBLEM;
      value += sign === '-' ? -part : part;
    }
    return BigInt.asUintN(64, value);
  }

  #register(name: string): bigint | undefined {
    const s = this.#control.machine.cluster.states[this.#cpu]!;
    if (name === 'pc') return s.pc;
    if (name === 'sp') return s.sp;
    if (name === 'lr') return s.x(30);
    const general = /^x(\d|[12]\d|30)$/.exec(name);
    return general === null ? undefined : s.x(Number(general[1]));
  }
}

function lines(...texts: readonly string[]): string {
  return texts.map((text) => `${text}\r\n`).join('');
}

function wrongUse(command: string): string {
  return lines(`${command}: that makes no sense; try "help ${command}"`);
}

function help(about: string | undefined): string {
  const chosen = about === undefined ? COMMANDS : COMMANDS.filter(({ names }) => names.includes(about));
  if (chosen.length === 0) return lines(`unknown command: '${about}'`);
  return lines(
    ...chosen.map(({ names, usage = '', help: text }) =>
      `${names.join('|')} ${usage} -- ${text}`.replace('  ', ' '),
    ),
  );
}

function statusText(state: string): string {
  return state === 'paused' ? 'paused' : `paused (${state})`;
}

function replayText({ replay, machine }: Control): string {
  if (replay.mode === 'none') return 'Record/replay is not active';
  const verb = replay.mode === 'record' ? 'Recording' : 'Replaying';
  return `${verb} execution '${replay.filename ?? ''}': instruction count = ${machine.position}`;
}

const hex16 = (value: bigint): string => value.toString(16).padStart(16, '0');

/** In QEMU's layout, which scripts look for names in. */
function registersText(machine: Machine, cpu: number): string {
  const s = machine.cluster.states[cpu]!;
  let text = `\r\nCPU#${cpu}\r\n PC=${hex16(s.pc)} `;
  for (let i = 0; i < 31; i++) {
    text += `X${String(i).padStart(2, '0')}=${hex16(s.x(i))}`;
    text += i % 3 === 1 ? '\r\n' : ' ';
  }
  text += ` SP=${hex16(s.sp)}\r\n`;
  const { nzcv, el, spsel } = s;
  const flags = ['N', 'Z', 'C', 'V'].map((flag, i) => (((nzcv >> (3 - i)) & 1) === 1 ? flag : '-')).join('');
  text += `PSTATE=${s.spsr.toString(16).padStart(8, '0')} ${flags} EL${el}${el === 0 || spsel === 0 ? 't' : 'h'}`;
  text += `\r\nFPCR=${s.word(L.CPU_FPCR).toString(16).padStart(8, '0')} FPSR=${s.word(L.CPU_FPSR).toString(16).padStart(8, '0')}\r\n`;
  return text;
}
