/** Commands that look at devices and at the interrupt controller. */
import { decodeFields } from '../../engine/base/register-map.ts';
import type { InterruptStatus } from '../../engine/devices/gic/interrupt-controller.ts';
import { readableSysregs, readSysreg } from '../session/cpu-registers.ts';
import { interruptNumber } from '../session/interrupt-words.ts';
import { inspectLpis, type LpiStatus } from '../session/lpi-view.ts';
import { deviceView } from '../session/machine-views.ts';
import { type Answer, atOnce, DebugError, hex, type Json, table } from './answer.ts';
import type { Command } from './command.ts';
import type { MachineView } from './machine-view.ts';
import { hint } from './nearest.ts';
import { fieldText } from './state.ts';
import { needCpu, places } from './stops.ts';
import { needDevice, registersOf, words } from './words.ts';

/* ---------------------------------------------------------------- interrupts */

const DAIF_I = 2;
const DAIF_F = 1;
const IDLE_PRIORITY = 0x100;
const FIRST_LPI = 8192;

/** Why a CPU is not about to take an interrupt; undefined: it is. */
export function whyNotTaken(
  debug: MachineView,
  cpu: number,
  row: InterruptStatus | LpiStatus,
): string | undefined {
  if (row.heldBack !== undefined) return row.heldBack;
  const { cluster, board } = debug.machine;
  if (cluster.power[cpu] !== 'on') return 'the CPU is off';
  const { irq, fiq } = board.gic.inspect(cpu);
  const { daif, el } = cluster.states[cpu]!;
  // Below the level that takes it, PSTATE does not mask (Arm DDI 0487, D1.3.6); without EL2 and EL3 that is EL1.
  if (irq && (daif & DAIF_I) !== 0) return `masked by PSTATE.I at EL${el}`;
  if (!irq && fiq && (daif & DAIF_F) !== 0) return `masked by PSTATE.F at EL${el}`;
  return undefined;
}

function irqNumbers(list: readonly string[], count: number): Set<number> {
  const numbers = new Set<number>();
  for (const word of list) {
    const match = /^(0x[0-9a-f]+|\d+)(?:-(\d+))?$/i.exec(word);
    const from = match === null ? -1 : Number(match[1]);
    const to = match?.[2] === undefined ? from : Number(match[2]);
    const isLpi = from >= FIRST_LPI && to < 1 << 16;
    if (from < 0 || (to >= count && !isLpi) || to < from)
      throw new DebugError(
        `irqs ${word}: allowed are INTIDs from 0 to ${count - 1} and from ${FIRST_LPI}, or \`all\``,
      );
    for (let n = from; n <= to; n++) numbers.add(n);
  }
  return numbers;
}

/** Of up to 512 CPUs. */
const shortList = (cpus: readonly number[]): string =>
  cpus.length <= 8 ? cpus.join(' ') : `${cpus.slice(0, 7).join(' ')} ... ${cpus.at(-1)}`;

const yes = (on: boolean): string => (on ? 'yes' : '-');

const irqs: Command<MachineView> = {
  name: 'irqs',
  aliases: ['gic'],
  usage: '[INTID...|all] [cpu N]',
  help: 'interrupts as the CPU sees them, and whether it would take each, or why not',
  more: ['Without numbers: those that are enabled, pending or active, or whose line is high.'],
  run: (debug, rest) =>
    atOnce(() => {
      const list = words(rest);
      const at = list.indexOf('cpu');
      let { cpu } = debug;
      if (at >= 0) {
        const [, text] = list.splice(at, 2);
        if (text === undefined || !/^\d+$/.test(text)) throw new DebugError('irqs cpu: which CPU?');
        cpu = Number(text);
        needCpu(debug, cpu);
      }
      const { gic } = debug.machine.board;
      const all = list.includes('all');
      const numbers = irqNumbers(
        list.filter((word) => word !== 'all'),
        gic.intids,
      );
      const status = gic.inspect(cpu);
      const every: (InterruptStatus | LpiStatus)[] = [
        ...status.interrupts,
        ...inspectLpis(debug.machine, cpu),
      ];
      const shown = every.filter((row) =>
        numbers.size > 0
          ? numbers.has(row.intid)
          : all || row.enabled || row.pending || row.active || row.line,
      );
      const { daif } = debug.machine.cluster.states[cpu]!;
      const running = status.runningPriority === IDLE_PRIORITY ? 'idle' : hex(status.runningPriority);
      const head = `cpu${cpu}: IRQ ${status.irq ? 'asserted' : 'not asserted'}, FIQ ${status.fiq ? 'asserted' : 'not asserted'}, PSTATE.I=${(daif & DAIF_I) >> 1} F=${daif & DAIF_F}, priority mask ${hex(status.priorityMask)}, running priority ${running}`;
      const rows = shown.map((row) => ({ row, why: whyNotTaken(debug, cpu, row) }));
      const cells = rows.map(({ row, why }) => [
        String(row.intid),
        interruptNumber(row.intid).replace(/^INTID .*/, ''),
        debug.interruptName(row.intid),
        yes(row.enabled),
        yes(row.pending),
        yes(row.active),
        row.line ? 'high' : 'low',
        hex(row.priority),
        row.group,
        row.trigger,
        row.route ?? shortList(row.targets),
        why === undefined ? 'yes' : `no: ${why}`,
      ]);
      const title = [
        ...[
          'INTID',
          '',
          'name',
          'enabled',
          'pending',
          'active',
          'line',
          'priority',
          'group',
          'trigger',
          'target',
        ],
        `taken by cpu${cpu}`,
      ];
      return {
        data: {
          cpu,
          irq: status.irq,
          fiq: status.fiq,
          priorityMask: status.priorityMask,
          runningPriority: status.runningPriority === IDLE_PRIORITY ? null : status.runningPriority,
          interrupts: rows.map(({ row, why }) => ({
            ...(row as unknown as { [key: string]: Json }),
            name: debug.interruptName(row.intid),
            taken: why === undefined,
            ...(why === undefined ? {} : { why }),
          })),
        },
        text: `${head}\n${cells.length === 0 ? 'none of these is enabled or pending' : table([title, ...cells], '', [0])}`,
      };
    }),
};

/* ---------------------------------------------------------------- devices */

interface Row {
  readonly name: string;
  readonly offset: string;
  readonly value: string;
  readonly fields: string;
  readonly meaning: string;
}

/** What is reached by system registers, of the chosen CPU; registers whose reading acts are left out. */
function systemRows(debug: MachineView, device: string): Row[] {
  const { machine, cpu } = debug;
  const definitions = new Map(readableSysregs(machine).map((each) => [each.name, each]));
  return (debug.map(device)?.registers ?? []).flatMap((register) => {
    const definition = definitions.get(register.name);
    if (definition === undefined) return [];
    const value = readSysreg(machine, cpu, definition);
    return {
      name: register.name,
      offset: '',
      value: hex(value),
      fields: fieldText(decodeFields(register, value)),
      meaning: register.meaning ?? '',
    };
  });
}

function deviceRows(debug: MachineView, id: string): { rows: readonly Row[]; problem?: string } {
  if (debug.machine.device(id) === undefined) return { rows: systemRows(debug, id) };
  const { rows, problem } = deviceView(debug.machine, id);
  return problem === undefined ? { rows } : { rows, problem };
}

function listDevices(debug: MachineView): Answer {
  const { placed } = debug.machine.board;
  const rows = debug.devices.map((id) => {
    const place = placed.find(({ device }) => device.id === id);
    const type = debug.map(id)?.device ?? '';
    return {
      id,
      type,
      ...(place === undefined ? {} : { base: hex(place.base), size: hex(place.size) }),
      registers: debug.map(id)?.registers.length ?? 0,
    };
  });
  return {
    data: { devices: rows },
    text: table(
      rows.map(({ id, type, base, registers }) => [id, type, base ?? '', `${registers} registers`]),
    ),
  };
}

const dev: Command<MachineView> = {
  name: 'dev',
  aliases: ['device', 'devices'],
  usage: '[NAME|NAME.REGISTER]',
  help: 'registers of a device, decoded; without a name: list the devices',
  run: (debug, rest) =>
    atOnce(() => {
      const [text, ...more] = words(rest);
      if (text === undefined) return listDevices(debug);
      if (more.length > 0)
        throw new DebugError(`dev ${rest.trim()}: allowed is dev NAME or dev NAME.REGISTER`);
      const [name = '', register, field] = text.split('.');
      needDevice(debug, name);
      const { rows, problem } = deviceRows(debug, name);
      if (problem !== undefined && rows.length === 0) throw new DebugError(`dev ${name}: ${problem}`);
      const shown =
        register === undefined
          ? rows
          : rows.filter((row) => row.name.toUpperCase() === register.toUpperCase());
      if (shown.length === 0) {
        const known = registersOf(debug, name);
        const exists = known.some((each) => each.toUpperCase() === register?.toUpperCase());
        throw new DebugError(
          exists || register === undefined
            ? `dev ${text}: it cannot be read, or is one of many that are 0`
            : `dev ${text}: ${name} has no register ${register}${hint(register, known)}`,
        );
      }
      const reference = debug.map(name)?.reference ?? '';
      const head = register === undefined && reference !== '' ? [`${name}: ${reference}`] : [];
      const cells = shown.map((row) => [row.name, row.value, row.fields === '' ? row.meaning : row.fields]);
      if (field !== undefined) head.push(fieldLine(debug, name, register!, field, shown[0]!.value));
      else head.push(table(cells, register === undefined ? '  ' : ''));
      return {
        data: { device: name, reference, registers: shown as unknown as Json },
        text: head.join('\n'),
      };
    }),
  complete: (debug, list) => {
    const typed = list.at(-1) ?? '';
    return typed.includes('.') ? places(debug, typed) : debug.devices;
  },
};

function fieldLine(
  debug: MachineView,
  device: string,
  register: string,
  field: string,
  value: string,
): string {
  const found = debug
    .map(device)
    ?.registers.find(
      (each) => register.toUpperCase().startsWith(each.name.toUpperCase()) && each.fields !== undefined,
    );
  const decoded = found === undefined ? [] : decodeFields(found, BigInt(value));
  const wanted = decoded.find(({ name }) => name.toUpperCase() === field.toUpperCase());
  if (wanted === undefined) {
    throw new DebugError(
      `dev ${device}.${register}.${field}: no such field${hint(
        field,
        decoded.map(({ name }) => name),
        40,
      )}`,
    );
  }
  return `${register}.${wanted.name} = ${wanted.text ?? hex(wanted.value)}`;
}

export const DEVICES: readonly Command<MachineView>[] = [irqs, dev];
